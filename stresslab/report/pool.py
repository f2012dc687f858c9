"""The funding pool as a section of a report and as a page by itself, made from the facts that a look-through leaves in a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from stresslab.report.amounts import NONE, MoneyScale, money_scale, percent, yuan_of
from stresslab.report.exhibits import Cell, Figure, Head, Row, Table
from stresslab.report.method import FORMULAS
from stresslab.report.phrase import NOTHING, Language, Phrase, join, same, sentences
from stresslab.report.pool_picture import KINDS, picture
from stresslab.report.templates import environment

#: Sources of a platform that are told one by one, and the share (ppm) that each of them has at least.
_TOLD, _LEAST_PPM = 10, 2_000
#: Parties in the table of who brings down whom, and findings and rows of evidence that a page tells.
_PARTIES, _FINDINGS, _EVIDENCE = 12, 60, 4
_NUMBERS = range(100, 110)


@dataclass(frozen=True)
class PoolPart:
    """The section of the funding pool."""

    lead: Phrase
    picture: Figure
    funding: list[Table]
    clearing: list[Table]
    clearing_lead: Phrase
    findings: list[Table]
    findings_lead: Phrase


def pool_part(facts: dict[str, Any] | None) -> PoolPart | None:
    """The section; None for the record of a run that holds no look-through, or of a book without any funding."""
    if not facts or not facts["platforms"]:
        return None
    tables = [_sources(facts), _measures(facts), _ladder(facts), _clauses(facts)]
    return PoolPart(_lead(facts), _picture(facts), [t for t in tables if t is not None], _clearing(facts), _clearing_lead(facts),
                    _findings(facts), _findings_lead(facts))


def pool_page(facts: dict[str, Any], *, version: str, synthetic: bool, language: Language = "zh") -> str:
    """One HTML file in both languages with nothing but the pool; the same facts give the same bytes."""
    tables, figures = count(1), count(1)
    return environment().get_template("pool.html.j2").render(
        css=Markup((Path(__file__).parent / "report.css").read_text(encoding="utf-8")), language=language, title=facts["book"],
        version=version, synthetic=synthetic, pool=pool_part(facts), formulas=[FORMULAS[f"M-{n}"] for n in _NUMBERS],
        table_number=lambda: next(tables), figure_number=lambda: next(figures))


def _breaches(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return [f for f in facts["findings"] if f["severity"] == "breach"]


def _lead(facts: dict[str, Any]) -> Phrase:
    n, rounds = len(_breaches(facts)), len(facts["circles"])
    return sentences([
        Phrase("Funding followed through {deep} layers and through other platforms to who stands behind it in the end.",
               "沿{deep}层资金并穿过其他平台，追溯至最终出资者。").fill(deep=facts["layers_deep"]),
        Phrase("{n} findings are beyond their limit.", "{n}项超出限额。").fill(n=n) if n else
        Phrase("No finding is beyond its limit.", "无超限事项。"),
        Phrase("Funding goes round in {n}.", "{n}处循环出资。").fill(
            n=Phrase("a circle" if rounds == 1 else f"{rounds} circles", str(rounds))) if rounds else NOTHING,
        Phrase("The limits are provisional.", "限额为暂定。") if facts["limits"]["provisional"] else NOTHING,
    ])


def _picture(facts: dict[str, Any]) -> Figure:
    svg, scale, keys = picture(facts)
    title = Phrase("The pool: ultimate sources, layers, platforms and what the money is lent for, {unit}",
                   "资金池：最终来源、层级、平台与运用，{unit}").fill(unit=scale.unit)
    note = Phrase("Widths are amounts. A source that funds several layers stands once; hold the pointer on a layer for its terms.",
                  "宽度为金额。同一来源只画一次；指针停在资金层上可见其条款。")
    return Figure(title, svg, tuple(keys), ("M-100",), note)


def _sources(facts: dict[str, Any]) -> Table:
    scale = money_scale([yuan_of(s["amount_li"]) for p in facts["platforms"] for s in p["sources"]])
    rows = []
    for pool in facts["platforms"]:
        told = [s for s in pool["sources"] if s["share_ppm"] >= _LEAST_PPM][:_TOLD]
        for s in told:
            kind, _ = KINDS.get(s["kind"], (same(s["kind"]), ""))
            rows.append(Row(_party(s), same(pool["platform_id"]), (
                Cell(kind), Cell(same(s["currency"])), Cell(Phrase("yes", "是"), tone="warn") if s["related"] else Cell(NONE, tone="quiet"),
                _money(s["amount_li"], scale), Cell(percent(s["share_ppm"] / 10_000)))))
        rest = pool["sources"][len(told):]
        if rest:
            amount, share = sum(s["amount_li"] for s in rest), sum(s["share_ppm"] for s in rest)
            rows.append(Row(Phrase(f"{len(rest)} smaller sources", f"其余{len(rest)}个来源"), same(pool["platform_id"]), (
                Cell(NONE), Cell(NONE), Cell(NONE), _money(amount, scale), Cell(percent(share / 10_000)))))
    heads = (Head(Phrase("Kind", "种类")), Head(Phrase("Currency", "币种")), Head(Phrase("Related party on the way", "途经关联方")),
             Head(Phrase("{unit}", "{unit}").fill(unit=scale.unit)), Head(Phrase("Share of direct funding", "占直接资金")))
    return Table(Phrase("Who stands behind the direct funding of each platform",
                        "各平台直接资金的最终来源"), heads, tuple(rows), ("M-100",),
                 Phrase("A name in brackets is a layer that names no funder. Amounts and shares of a platform add up exactly.",
                        "括号内为未披露资金方的资金层。各平台金额与占比精确加总。"), Phrase("Source", "来源"), "slim")


def _party(source: dict[str, Any]) -> Phrase:
    """The name of a source; what is no name of a party is said in both languages."""
    name = str(source["party"])
    for kind, en in (("clients", "clients of "), ("own_funds", "own funds of ")):
        if source["kind"] == kind and name.startswith(en):
            return Phrase(name, f"{name.removeprefix(en)}的{KINDS[kind][0].zh}")
    return same(name)


def _money(li: int, scale: MoneyScale, tone: str = "") -> Cell:
    return Cell(scale.number(yuan_of(li)), tone=tone or ("quiet" if li == 0 else ""))


def _gap(li: int, scale: MoneyScale) -> Cell:
    return _money(li, scale, "bad" if li < 0 else "")


def _of(part: int, whole: int) -> Phrase:
    return percent(100 * part / whole) if whole else NONE


def _measures(facts: dict[str, Any]) -> Table:
    limits = {(f["platform_id"], f["code"]) for f in _breaches(facts)}
    rows = []
    for p in facts["platforms"]:
        def tone(code: str, name: str = p["platform_id"]) -> str:
            return "bad" if (name, code) in limits else ""

        direct, through, total = p["direct"], p["through"], p["funding_li"]
        if direct is None or through is None:
            continue
        rows.append(Row(same(p["platform_id"]), NOTHING, (
            Cell(percent(through["largest_ppm"] / 10_000), note=same(through["largest"]), tone=tone("largest_funder")),
            Cell(percent(through["top_ppm"] / 10_000)),
            Cell(same(f"{direct['hhi_points']:,} → {through['hhi_points']:,}"), tone=tone("hhi")),
            Cell(Phrase(*(f"{a} → {b}" for a, b in zip(_of(p["related_direct_li"], total), _of(p["related_li"], total), strict=True))),
                 tone=tone("related")),
            Cell(_of(p["foreign_li"], total), tone=tone("foreign_currency")), Cell(_of(p["opaque_li"], total), tone=tone("opaque")),
            Cell(_of(p["clients_li"], total), tone=tone("client_money_lent")),
            Cell(_of(p["unsegregated_li"], p["free_cash_li"]), tone=tone("client_money_in_pool")),
            Cell(same(f"{p['funding_days']:g} → {p['funding_through_days']:g}")))))
    heads = (Phrase("Largest", "最大一家"), Phrase("Top 5", "前五家"), Phrase("HHI, direct → looked through", "HHI，直接→穿透"),
             Phrase("Related, direct → looked through", "关联方，直接→穿透"), Phrase("Foreign currency", "外币"),
             Phrase("Ends at an intermediary", "止于中介"), Phrase("Other platforms' clients", "其他平台客户资金"),
             Phrase("Free cash without custodian", "未存管客户现金"), Phrase("Mean life, days", "平均期限（日）"))
    pool = facts["limits"]["pool"]
    note = Phrase(
        "Of direct funding; free cash: of all free cash. Red: beyond its limit (largest {largest}%, HHI {hhi}, related {related}%, "
        "foreign currency {foreign}%, intermediary {opaque}%).",
        "占直接资金；客户现金占全部自由现金。红色为超限"
        "（最大一家{largest}%、HHI {hhi}、关联方{related}%、外币{foreign}%、中介{opaque}%）。",
    ).fill(largest=f"{pool['largest_funder_pct']:g}", hhi=f"{pool['hhi_points']:,}", related=f"{pool['related_pct']:g}",
           foreign=f"{pool['foreign_currency_pct']:g}", opaque=f"{pool['opaque_pct']:g}")
    return Table(Phrase("Concentration, related parties and currency", "集中度、关联方与币种"), tuple(Head(h) for h in heads), tuple(rows),
                 ("M-101", "M-103", "M-104"), note, Phrase("Platform", "平台"))


def _ladder(facts: dict[str, Any]) -> Table:
    columns = ("liquid_li", "loans_li", "on_call_li", "funding_li", "claims_li", "gap_li", "gap_through_li", "gap_called_li")
    steps = [(p["platform_id"], s) for p in facts["platforms"] for s in p["ladder"]]
    scale = money_scale([yuan_of(s[c]) for _, s in steps for c in columns])
    rows = []
    for name, step in steps:
        until = step["until_day"]
        title = (Phrase("later", "以后") if until is None else Phrase("at once", "即期") if until == 0 else
                 Phrase(f"to day {until}", f"{until}日内"))
        cells = [_money(step[c], scale) for c in columns[:5]] + [_gap(step[c], scale) for c in columns[5:]]
        rows.append(Row(title, same(name), tuple(cells)))
    due, gap = Phrase("In the step", "本档"), Phrase("Gap so far", "累计缺口")
    heads = (Head(Phrase("Liquid", "流动性资产"), due), Head(Phrase("Loans that mature", "到期融资"), due), Head(Phrase("Loans on call",
                                                                                                               "可随时收回融资"), due),
             Head(Phrase("Funding due", "到期资金"), due), Head(Phrase("Claims due", "到期债权"), due),
             Head(Phrase("Loans not called", "不收回融资"), gap), Head(Phrase("Not called, looked through", "不收回，穿透"), gap),
             Head(Phrase("All called at once", "全部收回"), gap))
    return Table(Phrase("Tenor ladder, {unit}", "期限阶梯，{unit}").fill(unit=scale.unit), heads, tuple(rows), ("M-101",),
                 Phrase("A loan without a maturity is on call; calling it makes the client sell.",
                        "无到期日的融资可随时收回，但收回即迫使客户卖出。"),
                 Phrase("Until", "期限"))


def _clauses(facts: dict[str, Any]) -> Table | None:
    told = [(p, c) for p in facts["platforms"] for c in p["clauses"]]
    if not told:
        return None
    scale = money_scale([yuan_of(c["amount_li"]) for _, c in told])
    words = {"market_fall": Phrase("market falls by {x} or more", "市场下跌{x}及以上"), "rating": Phrase("rating below {x}", "评级低于{x}"),
             "own_funds": Phrase("own funds below {x}", "自有资金低于{x}"), "coverage": Phrase("margin coverage below {x}",
                                                                                         "保证金覆盖率低于{x}")}
    rows = []
    for p, c in told:
        soon = sum(a for n, a in c["by_notice_li"] if n <= 5)
        rows.append(Row(words[c["measure"]].fill(x=c["shown"]), same(p["platform_id"]), (
            Cell(join([same(x) for x in c["layers"]])), Cell(same(len(c["fired"]))), _money(c["amount_li"], scale),
            Cell(_of(c["amount_li"], p["funding_li"])), _money(soon, scale))))
    heads = (Phrase("Clause of", "条款所属"), Phrase("Layers that then recall", "届时收回的层数"), Phrase("Taken back, {unit}",
                                                                                               "收回金额，{unit}").fill(
        unit=scale.unit), Phrase("Of direct funding", "占直接资金"), Phrase("Of it within 5 days' notice", "其中通知期5日内"))
    falls = join([Phrase(f"{bp / 100:g}%: {scale.number(yuan_of(li)).en}", f"{bp / 100:g}%：{scale.number(yuan_of(li)).zh}")
                  for bp, li in facts["market_falls"]], ", ", "，")
    note = Phrase("With all milder clauses on the same measure; nothing counts twice along a chain.",
                  "含同一指标下更轻的条款；同一链条不重复计算。")
    both = Phrase("All platforms together when the market falls by {falls}.", "市场下跌时全部平台合计：{falls}。").fill(falls=falls)
    return Table(Phrase("What funders may take back early", "资金方提前收回条款"), tuple(Head(h) for h in heads), tuple(rows), ("M-102",),
                 sentences([note, both if facts["market_falls"] else NOTHING]), Phrase("When", "触发条件"), "slim")


def _clearing_lead(facts: dict[str, Any]) -> Phrase:
    held = facts["clearing"]
    if held is None:
        return NOTHING
    if held["defaulted"]:
        who = join([same(x) for x in held["defaulted"]])
        return Phrase("Already today {who} cannot pay in full.", "当前{who}已无法足额偿付。").fill(who=who)
    return Phrase("Today everybody can pay what he owes. Each row: one party loses all that it owns outside; the cells are what the others "
                  "are then paid less.", "当前各方均可偿付。每行假设一方失去其全部外部资产，单元格为其他各方因此少收的金额。")


def _clearing(facts: dict[str, Any]) -> list[Table]:
    held = facts["clearing"]
    if held is None or not held["struck"]:
        return []
    names = [s["party"] for s in held["struck"]]
    worst = sorted(held["struck"], key=lambda s: (-sum(s["losses_li"]), s["party"]))[:_PARTIES]
    chosen = [n for n in names if n in {s["party"] for s in worst}]
    scale = money_scale([yuan_of(v) for s in worst for v in s["losses_li"]])
    rows = []
    for s in (x for x in held["struck"] if x["party"] in chosen):
        losses = dict(zip(names, s["losses_li"], strict=True))
        fallen = {x for r in s["rounds"] for x in r}
        cells = [Cell(NONE, tone="quiet") if n == s["party"] else _money(losses[n], scale, "bad" if n in fallen else "") for n in chosen]
        told = join([same(f"{k}: {', '.join(r)}") for k, r in enumerate(s["rounds"], start=1)], "; ", "；")
        rows.append(Row(same(s["party"]), NOTHING, (*cells, _money(sum(s["losses_li"]), scale), Cell(told if s["rounds"] else NONE))))
    heads = [*(Head(same(n), Phrase("Paid less", "少收")) for n in chosen), Head(Phrase("All", "合计")), Head(Phrase("Defaults by round",
                                                                                                                 "各轮违约"))]
    return [Table(Phrase("Who brings down whom, {unit}",
                         "谁拖垮谁，{unit}").fill(unit=scale.unit), tuple(heads), tuple(rows), ("M-108", "M-109"),
                  Phrase("Red: defaults too.", "红色：随之违约。"), Phrase("Loses its outside assets", "失去外部资产者"))]


def _findings_lead(facts: dict[str, Any]) -> Phrase:
    moved = facts["movements"]
    if not moved["count"]:
        return Phrase("The book holds no movements, so the rules on flows had nothing to read.", "账簿没有资金流水，流水规则未能运行。")
    return Phrase("{n} movements from {first} to {last} were searched.", "已检查{first}至{last}的{n}笔流水。").fill(
        n=f"{moved['count']:,}", first=moved["first"], last=moved["last"])


def _findings(facts: dict[str, Any]) -> list[Table]:
    shown = facts["findings"][:_FINDINGS]
    if not shown:
        return []
    rows = []
    for f in shown:
        points = f["code"] == "hhi"
        value, limit = (NONE if v is None else same(f"{v:,.0f}") if points else percent(v) for v in (f["value"], f["limit"]))
        evidence = same("; ".join(f["rows"][:_EVIDENCE]) + (" …" if len(f["rows"]) > _EVIDENCE else "")) if _of_movements(f) else NOTHING
        tone = "bad" if f["severity"] == "breach" else ""
        rows.append(Row(Phrase("breach", "超限") if tone else Phrase("note", "提示"), same(f["platform_id"] or ""), (
            Cell(Phrase(_capital(f["en"]), f["zh"]), note=evidence, tone="words"), Cell(value, tone=tone), Cell(limit))))
    more = len(facts["findings"]) - len(shown)
    note = Phrase("{n} more are in the output of --json.", "另有{n}项见 --json 输出。").fill(n=more) if more else NOTHING
    return [Table(Phrase("Findings", "发现的问题"), (Head(Phrase("What", "内容")), Head(Phrase("Measured", "实测")), Head(Phrase("Limit",
                                                                                                                        "限额"))),
                  tuple(rows), ("M-104", "M-105", "M-106", "M-107"), note, NOTHING, "findings")]


def _of_movements(found: dict[str, Any]) -> bool:
    return any("→" in row for row in found["rows"])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def print_pool(facts: dict[str, Any], console: Console, language: Language) -> None:
    """Sources and findings for a terminal."""
    part: Sequence[dict[str, Any]] = facts["platforms"]
    for p in part:
        scale = money_scale([yuan_of(p["funding_li"])])
        total = scale.number(yuan_of(p["funding_li"])).pick(language)
        head = Phrase("{p}: direct funding {total} {unit}, behind it", "{p}：直接资金{total}{unit}，其后为").fill(
            p=p["platform_id"], total=total, unit=scale.unit.pick(language))
        console.print(Text(head.pick(language), style="bold"))
        for s in p["sources"]:
            if s["share_ppm"] >= _LEAST_PPM:
                kind = KINDS.get(s["kind"], (same(s["kind"]), ""))[0].pick(language)
                line = f"  {percent(s['share_ppm'] / 10_000).en:>6}  {_party(s).pick(language)}  ({kind}, {s['currency']})"
                console.print(Text(line, style="yellow" if s["related"] else ""), soft_wrap=True)
    for f in facts["findings"]:
        breach = f["severity"] == "breach"
        word = (Phrase("breach", "超限") if breach else Phrase("note", "提示")).pick(language)
        console.print(Text(f"{word}: {f[language]}", style="red" if breach else ""), soft_wrap=True)
    n = len(_breaches(facts))
    console.print(Text(Phrase(f"{n} of {len(facts['findings'])} findings are beyond their limit",
                              f"{len(facts['findings'])}项中{n}项超限").pick(language), style="bold"))
