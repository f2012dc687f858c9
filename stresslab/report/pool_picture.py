"""The pool as a picture: from ultimate sources through layers and platforms to loans, as wide as the amounts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

from stresslab.report.amounts import MoneyScale, money_scale, yuan_of
from stresslab.report.charts import INK, MUTED
from stresslab.report.exhibits import Key
from stresslab.report.phrase import Phrase, same

#: What each kind of source is called, and its colour.
KINDS: dict[str, tuple[Phrase, str]] = {
    "bank": (Phrase("bank", "银行"), "#2f6ea5"), "nonbank": (Phrase("trust, fund, other intermediary", "信托、基金等中介"), "#8a4f8f"),
    "p2p": (Phrase("private investors", "个人投资者（P2P）"), "#dd8a2b"), "shareholder": (Phrase("shareholder", "股东"), "#1d8a6b"),
    "foreign": (Phrase("foreign", "外资"), "#b5567c"), "own": (Phrase("own money as funding", "自有出资"), "#7da7c4"),
    "clients": (Phrase("clients", "客户资金"), "#c9a227"), "own_funds": (Phrase("own funds", "自有资金与准备金"), "#7f93a3"),
    "circular": (Phrase("goes round only", "仅循环"), "#9e2f1c"), "platform": (Phrase("another platform", "其他平台"), "#9e2f1c"),
}
_RED = "#c2281a"
_USES = (("loans_li", Phrase("loans", "融资"), "#45525e"), ("liquid_li", Phrase("cash and liquid pool", "现金与流动性资产"), "#7d8b97"),
         ("other_li", Phrase("other assets", "其他资产"), "#b6bfc7"))
_WIDTH, _BAR, _SLOT, _TALL, _TOP, _LEFT, _RIGHT = 1120.0, 11.0, 17.0, 520.0, 30.0, 18.0, 150.0
#: So tall, in pixels, is a line of letters.
_LETTERS = 12.0
#: More layers than this are added up by platform and kind.
_LAYERS_MOST = 60


@dataclass
class _Node:
    """A bar of the picture; ``order`` keeps kin together, ``y`` and ``tall`` are in pixels."""

    key: str
    column: int
    name: Phrase
    colour: str
    order: float = 0.0
    amount: int = 0
    y: float = 0.0
    tall: float = 0.0
    red: bool = False
    dashed: bool = False
    hint: str = ""
    used: dict[str, float] = field(default_factory=lambda: {"in": 0.0, "out": 0.0})


@dataclass(frozen=True)
class _Link:
    """Money from a bar to a bar, 厘."""

    source: str
    target: str
    amount: int
    colour: str
    red: bool = False


class _Pool:
    """The bars and bands of one picture."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.nodes: dict[str, _Node] = {}
        self.links: list[_Link] = []
        self.layers = _shown_layers(facts["layers"])
        self.by_name = {x["funding_id"]: x for x in self.layers}
        self.deep = max((self._depth(x) for x in self.layers), default=1)
        self.platforms = [p["platform_id"] for p in facts["platforms"]]
        self._build()

    def _depth(self, layer: dict[str, Any]) -> int:
        depth = 1
        while layer["parent_id"] is not None:
            layer, depth = self.by_name[layer["parent_id"]], depth + 1
        return depth

    def node(self, key: str, column: int, name: Phrase, colour: str, **more: Any) -> _Node:
        """A bar, made when first named."""
        if key not in self.nodes:
            self.nodes[key] = _Node(key, column, name, colour, **more)
        return self.nodes[key]

    def link(self, source: str, target: str, amount: int, colour: str, red: bool = False) -> None:
        """A band; nothing is not drawn."""
        if amount > 0:
            self.links.append(_Link(source, target, amount, colour, red))

    def _build(self) -> None:
        last = self.deep + 1
        place = {name: float(at) for at, name in enumerate(self.platforms)}
        for pool in self.facts["platforms"]:
            name = pool["platform_id"]
            self.node(name, last, same(name), INK, order=place[name])
            for column, said, colour in _USES:
                if pool[column]:
                    self.node(column, last + 1, said, colour, order=float([u[0] for u in _USES].index(column)))
                self.link(name, column, pool[column], "#9aa6b0")
        for at, layer in enumerate(self.layers):
            self._layer(layer, place[layer["platform_id"]] + at / (len(self.layers) + 1))
        for pool in self.facts["platforms"]:
            for kind, column in (("clients", "claims_li"), ("own_funds", "own_funds_li")):
                words, colour = KINDS[kind]
                if pool[column]:
                    said = Phrase(f"{words.en} of {pool['platform_id']}", f"{pool['platform_id']}{words.zh}")
                    self.node(f"{kind} {pool['platform_id']}", 0, said, colour, order=place[pool["platform_id"]] + 0.9)
                self.link(f"{kind} {pool['platform_id']}", pool["platform_id"], pool[column], colour)

    def _layer(self, layer: dict[str, Any], order: float) -> None:
        name, parent = layer["funding_id"], layer["parent_id"]
        column = self.deep + 1 - self._depth(layer)
        behind = sum(x["amount_li"] for x in self.layers if x["parent_id"] == name)
        colour = KINDS[layer["source"]][1]
        hint = ", ".join(str(x) for x in (name, layer["party"], layer["source"], layer["currency"], layer["trigger"]) if x)
        broken = any(m != "circle" for m in layer["marks"])
        said = name if layer["party"] == f"({name})" else f"{name} {layer['party']}"
        self.node(name, column, same(said), colour, order=order, red=broken, dashed=layer["related"], hint=hint)
        round_it_goes = "circle" in layer["marks"]
        self.link(name, parent or layer["platform_id"], layer["amount_li"], colour, round_it_goes)
        rest = layer["amount_li"] - behind
        if rest > 0:
            kind = "platform" if layer["through"] else layer["source"]
            # A platform's own money as funding and what it lends to another one are two things.
            party = f"{'back' if layer['through'] else 'source'} {layer['party']}"
            who = layer["party"].strip("()")
            words = Phrase(f"{who} (platform)", f"{who}（平台）") if layer["through"] else same(who)
            self.node(party, 0, words, KINDS[kind][1], order=order, red=bool(layer["through"]), dashed=layer["related"])
            self.link(party, name, rest, KINDS[kind][1], round_it_goes and bool(layer["through"]))


def _shown_layers(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The layers to draw: as they are, or, where they are too many, the direct ones added up by platform and kind."""
    if len(layers) <= _LAYERS_MOST:
        return layers
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for x in layers:
        if x["parent_id"] is None:
            key = (x["platform_id"], x["source"])
            name = " ".join(key)
            held = groups.setdefault(key, x | {
                "funding_id": name, "party": f"({name})", "amount_li": 0, "marks": [], "trigger": "", "through": None, "related": False})
            held["amount_li"] += x["amount_li"]
            held["marks"] = sorted({*held["marks"], *x["marks"]})
    return [groups[key] for key in sorted(groups)]


def _placed(pool: _Pool) -> float:
    """Gives every bar its place; the height of the picture in pixels."""
    incoming: dict[str, int] = {}
    outgoing: dict[str, int] = {}
    for x in pool.links:
        outgoing[x.source] = outgoing.get(x.source, 0) + x.amount
        incoming[x.target] = incoming.get(x.target, 0) + x.amount
    for node in pool.nodes.values():
        node.amount = max(incoming.get(node.key, 0), outgoing.get(node.key, 0))
    total = sum(n.amount for n in pool.nodes.values() if n.column == pool.deep + 1) or 1
    columns: dict[int, list[_Node]] = {}
    for node in sorted(pool.nodes.values(), key=lambda n: (n.column, n.order, n.key)):
        node.tall = max(2.0, node.amount / total * _TALL)
        columns.setdefault(node.column, []).append(node)
    tall = max(sum(_slot(n) + 6 for n in row) for row in columns.values())
    for column in sorted(columns, reverse=True):
        row = columns[column]
        if column <= pool.deep:
            # A bar wants to stand where its money goes.
            row.sort(key=lambda n: (_aim(pool, n), n.order, n.key))
        y = _TOP
        gap = 6.0 if column <= pool.deep else max(6.0, (tall - sum(_slot(n) for n in row)) / max(1, len(row)))
        for n in row:
            slot = _slot(n)
            left = sum(_slot(m) + 6 for m in row[row.index(n):])
            wanted = _aim(pool, n) - slot / 2 if column <= pool.deep else y
            y = max(y, min(wanted, _TOP + tall - left))
            n.y = y + (slot - n.tall) / (1 if n.tall < _LETTERS else 2)
            y += slot + gap
    return tall + _TOP + 40


def _slot(node: _Node) -> float:
    """The height that a bar needs with its words, which stand above a thin one."""
    return node.tall + _LETTERS + 3 if node.tall < _LETTERS else max(node.tall, _SLOT)


def _aim(pool: _Pool, node: _Node) -> float:
    """The mean height of the bars that a bar's money goes to, weighted by amounts."""
    parts = [(x.amount, pool.nodes[x.target]) for x in pool.links if x.source == node.key]
    total = sum(a for a, _ in parts)
    return sum(a * (t.y + t.tall / 2) for a, t in parts) / total if total else node.y


def picture(facts: dict[str, Any]) -> tuple[Markup, MoneyScale, list[Key]]:
    """The pool as inline SVG in both languages, the unit of its amounts, and its legend; the same facts give the same bytes."""
    pool = _Pool(facts)
    height = _placed(pool)
    scale = money_scale([yuan_of(n.amount) for n in pool.nodes.values()])
    step = (_WIDTH - _LEFT - _RIGHT - _BAR) / (pool.deep + 2)
    x = {n.key: _LEFT + n.column * step for n in pool.nodes.values()}
    title = Phrase("Funding pool: sources, layers, platforms, loans", "资金池：来源、层级、平台、融资")
    parts: list[Markup] = [*_heads(pool, step), *_bands(pool, x), *_returns(pool, x, height)]
    for node in pool.nodes.values():
        parts += _bar(node, x[node.key], scale)
    head = Markup('<svg class="chart pool" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        round(_WIDTH), round(height), f"{title.zh} / {title.en}")
    return head + Markup("\n").join(parts) + Markup("</svg>"), scale, _keys(pool)


def _heads(pool: _Pool, step: float) -> Iterable[Markup]:
    names = [Phrase("ultimate sources", "最终来源")]
    for depth in range(pool.deep, 0, -1):
        names.append(Phrase("layer 1 (direct)", "第1层（直接）") if depth == 1 else Phrase(f"layer {depth}", f"第{depth}层"))
    names += [Phrase("platforms", "平台"), Phrase("lent and held as", "运用")]
    for column, name in enumerate(names):
        yield _text(_LEFT + column * step, 12, name, 12, MUTED, bold=True)


def _bands(pool: _Pool, x: dict[str, float]) -> Iterable[Markup]:
    """Bands from bar to bar; those of a circle come last, so that they lie on top."""
    drawn: list[tuple[bool, Markup]] = []
    for link in sorted(pool.links, key=lambda k: (pool.nodes[k.source].y, pool.nodes[k.target].y, k.source, k.target)):
        a, b = pool.nodes[link.source], pool.nodes[link.target]
        wide_a, wide_b = (n.tall * link.amount / n.amount for n in (a, b))
        ya, yb = a.y + a.used["out"], b.y + b.used["in"]
        a.used["out"] += wide_a
        b.used["in"] += wide_b
        x0, x1 = x[a.key] + _BAR, x[b.key]
        middle = (x0 + x1) / 2
        ea, eb = ya + max(wide_a, 0.8), yb + max(wide_b, 0.8)
        path = (f"M{x0:.1f} {ya:.1f}C{middle:.1f} {ya:.1f} {middle:.1f} {yb:.1f} {x1:.1f} {yb:.1f}"
                f"V{eb:.1f}C{middle:.1f} {eb:.1f} {middle:.1f} {ea:.1f} {x0:.1f} {ea:.1f}Z")
        edge = Markup(' stroke="{}" stroke-width="1.2"').format(_RED) if link.red else Markup("")
        drawn.append((link.red, Markup('<path d="{}" fill="{}" fill-opacity="{}"{}/>').format(path, link.colour, 0.34, edge)))
    yield from (mark for _, mark in sorted(drawn, key=lambda pair: pair[0]))


def _returns(pool: _Pool, x: dict[str, float], height: float) -> Iterable[Markup]:
    """Dashed ways from a platform back to the source that it is for another one: with them a circle closes before the eye."""
    backs = [n for n in pool.nodes.values() if n.column == 0 and n.key.removeprefix("back ") in pool.platforms]
    for at, node in enumerate(sorted(backs, key=lambda n: n.key)):
        home = pool.nodes[node.key.removeprefix("back ")]
        # Beside the bars, each way on a line of its own, so that it crosses none of them.
        low, aside = height - 30 + 9 * at, 5 + 4 * at
        y0, y1 = home.y + home.tall - 2, node.y + node.tall / 2
        x0, x1 = x[home.key] - aside, x[node.key] - aside
        path = (f"M{x[home.key]:.1f} {y0:.1f}H{x0:.1f}V{low - 8:.1f}Q{x0:.1f} {low:.1f} {x0 - 12:.1f} {low:.1f}"
                f"H{x1 + 12:.1f}Q{x1:.1f} {low:.1f} {x1:.1f} {low - 8:.1f}V{y1:.1f}H{x[node.key]:.1f}")
        yield Markup('<path d="{}" fill="none" stroke="{}" stroke-width="1.3" stroke-dasharray="5 4"/>').format(path, _RED)


def _bar(node: _Node, x: float, scale: MoneyScale) -> Iterable[Markup]:
    stroke = Markup(' stroke="{}" stroke-width="2"').format(_RED) if node.red else Markup("")
    if node.dashed:
        stroke = Markup(' stroke="{}" stroke-width="1.6" stroke-dasharray="3 2"').format(_RED if node.red else INK)
    title = Markup("<title>{}</title>").format(node.hint) if node.hint else Markup("")
    yield Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}"{}>{}</rect>').format(
        f"{x:.1f}", f"{node.y:.1f}", f"{_BAR:g}", f"{node.tall:.1f}", node.colour, stroke, title)
    amount = scale.number(yuan_of(node.amount))
    said = Phrase(f"{_cut(node.name.en)} {amount.en}", f"{_cut(node.name.zh)} {amount.zh}")
    # Beside a bar that is tall enough, else above the thin band, which would strike the words out.
    y = node.y + node.tall / 2 + 4 if node.tall >= _LETTERS else node.y - 3
    yield _text(x + _BAR + 4, y, said, 11.5, _RED if node.red else INK)


def _cut(text: str, room: float = 21.0) -> str:
    """A name that fits beside its bar."""
    wide = 0.0
    for at, letter in enumerate(text):
        wide += 1.8 if unicodedata.east_asian_width(letter) in "WF" else 1.0
        if wide > room:
            return text[: at - 1] + "…"
    return text


def _text(x: float, y: float, words: Phrase, size: float, colour: str, *, bold: bool = False) -> Markup:
    """Words in both languages with a white edge, so that they can be read over a band."""
    parts = []
    for lang, text in (("", words.en),) if words.en == words.zh else (("zh", words.zh), ("en", words.en)):
        which = Markup(' class="{0}" lang="{0}"').format(lang) if lang else Markup("")
        weight = Markup(";font-weight:600") if bold else Markup("")
        parts.append(Markup(
            '<text x="{}" y="{}" style="font-size:{}px;fill:{}{};paint-order:stroke;stroke:#fff;stroke-width:2.6px;'
            'stroke-linejoin:round"{}>{}</text>').format(f"{x:.1f}", f"{y:.1f}", f"{size:g}", colour, weight, which, escape(text)))
    return Markup("").join(parts)


def _keys(pool: _Pool) -> list[Key]:
    seen = {n.colour for n in pool.nodes.values() if n.column <= pool.deep}
    keys = [Key(name, colour) for kind, (name, colour) in KINDS.items() if colour in seen and kind != "circular"]
    if any(x.red for x in pool.links):
        keys.append(Key(Phrase("part of a circle; dashed: the way back", "循环出资；虚线为回流"), _RED, line=True, dash="5 4"))
    if any(n.red and n.column for n in pool.nodes.values()):
        keys.append(Key(Phrase("red edge: segregation breaks, or a client lends", "红框：隔离中断或客户出资"), _RED, line=True))
    if any(n.dashed for n in pool.nodes.values()):
        keys.append(Key(Phrase("dashed edge: related party", "虚框：关联方"), INK, line=True, dash="3 2"))
    return keys
