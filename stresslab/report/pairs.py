"""Two ways of selling on the same paths: scenarios that differ in how platforms sell and in nothing else (M-47, M-48, M-50)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stresslab.estimate import TOTAL, paired
from stresslab.pairing import Difference, differences
from stresslab.report.amounts import Estimate, MoneyScale, count, money_scale, percent, plain
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.parameters import WORDS
from stresslab.report.phrase import NOTHING, Phrase, join, same, sentences
from stresslab.report.run_tables import RunTables, number, platform_name
from stresslab.report.terms import market_terms

#: How platforms sell: the keys on which two scenarios of a pair may differ.
SELLING: dict[str, Phrase] = {
    "operations.batches": Phrase("batches", "批数"),
    "operations.sale": Phrase("sale", "平仓方式"),
    "operations.sale_order": Phrase("order of sale", "平仓顺序"),
    "operations.displace": Phrase("displaced sales", "转移卖出"),
    "operations.minimum_sale_yuan": Phrase("smallest sale", "最小卖出额"),
}
_MEASURES: tuple[tuple[str, Phrase], ...] = (
    ("sold", Phrase("Forced sales", "强平卖出额")),
    ("displaced", Phrase("Displaced sales", "被转移的卖出")),
    ("accounts_forced", Phrase("Accounts forced to sell", "被强平账户")),
    ("margin_call_peak", Phrase("Margin call, peak day", "追缴额峰值")),
    ("deficit", Phrase("Deficit", "穿仓额")),
    ("loss_without_impact", Phrase("Loss when selling without impact", "无冲击平仓损失")),
    ("loss_with_impact", Phrase("Loss of the run", "本次损失")),
    ("reaction_loss", Phrase("Loss of the reaction", "反应造成的损失")),
)

Pair = tuple[dict[str, Any], dict[str, Any], list[Difference]]


def pairs(run: RunTables) -> list[Pair]:
    """Each scenario that differs from an earlier one in how platforms sell alone, with the differences.

    The earlier one is the first of its kind that sells at once, so that batches are set against dumping.
    """
    kinds: list[list[dict[str, Any]]] = []
    for scenario in run.scenarios:
        kin = next((k for k in kinds if _sells_apart(k[0], scenario)), None)
        if kin is None:
            kinds.append([scenario])
        else:
            kin.append(scenario)
    found: list[Pair] = []
    for kin in kinds:
        base = min(kin, key=lambda s: len(differences(_PLAIN, _selling(s))))
        found += [(base, other, differences(base, other)) for other in kin if other is not base]
    return [pair for pair in found if pair[2]]


def _sells_apart(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(d.key in SELLING for d in differences(one, other))


#: Selling as the contracts say, at once, and with displaced sales.
_PLAIN = {"operations": {"batches": 1, "sale": "contract", "sale_order": "contract", "displace": True, "minimum_sale_yuan": 0.0}}


def _selling(scenario: dict[str, Any]) -> dict[str, Any]:
    operations = scenario.get("operations") or {}
    return {"operations": {k: operations.get(k, default) for k, default in _PLAIN["operations"].items()}}


def title_of(base: dict[str, Any], other: dict[str, Any], apart: list[Difference]) -> Phrase:
    """What a pair is about, by what it differs in."""
    keys = {d.key for d in apart}
    if keys == {"operations.batches"}:
        what = Phrase("Selling in batches against dumping", "分批平仓与一次抛出对比")
    elif keys == {"operations.displace"}:
        what = Phrase("Selling without displacement against with it", "不转移卖出与转移卖出对比")
    elif keys == {"operations.sale_order"}:
        what = Phrase("One order of sale against another", "平仓顺序对比")
    else:
        what = Phrase("One way of selling against another", "平仓方式对比")
    return Phrase("{what}: {b} against {a}", "{what}：{b} 相对 {a}").fill(what=what, a=base["id"], b=other["id"])


def _change(apart: list[Difference]) -> Phrase:
    told = []
    for one in apart:
        values = [WORDS.get(v, same(v)) if isinstance(v, str) else plain(v) for v in (one.first, one.second)]
        name = SELLING[one.key]
        told.append(Phrase(f"{name.en} {values[0].en} → {values[1].en}", f"{name.zh} {values[0].zh} → {values[1].zh}"))
    return join(told, "; ", "；")


def _signed(show: Callable[[float], Phrase], value: float) -> Phrase:
    """A difference with its sign; a plus where it is a rise."""
    shown = show(value)
    return Phrase(f"+{shown.en}", f"+{shown.zh}") if value > 0 and shown.en[:1].isdigit() else shown


def paired_row(
    found: dict[str, Any], name: Phrase, show: Callable[[float], Phrase], note: Phrase = NOTHING, *, higher_is_better: bool = False
) -> Row:
    """Both means, their difference with its error, and on how many paths the second is better, worse, equal."""
    error, difference = number(found["error"]), number(found["difference"])
    # The tone says where the 95% interval has no zero.
    clear = number(found["low"]) > 0 or number(found["high"]) < 0
    tone = "" if not clear else "bad" if (difference > 0) != higher_is_better else "good"
    change = _signed(show, difference)
    # A difference that is printed as a bound needs no error beside it.
    told = Phrase(*("" if c[0] in "<>" else f"±\u00a0{e}" for c, e in zip(change, show(error), strict=True)))
    equal = int(found["paths"] - found["better"] - found["worse"])
    cells = (
        Cell(show(number(found["first"]))),
        Cell(show(number(found["second"]))),
        Cell(change, told if error > 0 and told != NOTHING else None, tone=tone),
        Cell(plain(int(found["better"]))), Cell(plain(int(found["worse"]))), Cell(plain(equal)),
    )
    return Row(name, note, cells)


def paired_rows(run: RunTables, base: str, other: str) -> tuple[dict[tuple[str, str], dict[str, Any]], MoneyScale]:
    """The paired differences of two scenarios by platform and measure, and the unit for their money."""
    rows = paired(run.outcomes, base, other, run.sampling).to_dict("records")
    found = {(str(row["platform_id"]), str(row["measure"])): {str(k): v for k, v in row.items()} for row in rows}
    money = [number(found[TOTAL, m][side]) for m, _ in _MEASURES for side in ("first", "second") if m != "accounts_forced"]
    return found, money_scale(money)


def table(run: RunTables, pair: Pair) -> Table:
    """What another way of selling changes: means, the paired difference with its error, and on how many paths."""
    base, other, apart = pair
    found, scale = paired_rows(run, base["id"], other["id"])
    rows = [
        paired_row(found[TOTAL, m], name, count if m == "accounts_forced" else scale.number) for m, name in _MEASURES
    ]
    for platform in run.platforms:
        loss = found[platform["platform_id"], "loss_with_impact"]
        rows.append(paired_row(loss, Phrase("Loss of the run", "本次损失"), scale.number, platform_name(platform)))
    for platform in run.platforms:
        failed = found[platform["platform_id"], "failure"]
        if failed["first"] or failed["second"]:
            rows.append(paired_row(failed, Phrase("Paths that fail", "失败路径占比"), percent, platform_name(platform)))
    paths = Phrase("Of {n} paths, the second is", "{n}条路径中后者").fill(n=f"{run.record['paths']:,}")
    title = title_of(base, other, apart)
    return Table(
        title=Phrase(f"{title.en}, {scale.unit.en}", f"{title.zh}（{scale.unit.zh}）"),
        first=Phrase("Measure", "指标"),
        style="slim paired",
        heads=(
            Head(same(base["id"]), _MEANS), Head(same(other["id"]), _MEANS),
            Head(Phrase("Difference", "差额"), _MEANS),
            Head(Phrase("better", "更好"), paths), Head(Phrase("worse", "更差"), paths), Head(Phrase("equal", "相同"), paths),
        ),
        rows=tuple(rows),
        formulas=("M-21", "M-22", "M-47", "M-48", "M-30", "M-50"),
        terms=market_terms([base, other]),
        note=sentences([
            Phrase("They differ in: {what}.", "两者差异：{what}。").fill(what=_change(apart)),
            Phrase(
                "Both meet the same weather: the difference is taken path by path, and the smaller figure is its standard error (±). "
                "Coloured: beyond its 95% interval. Lower is better. Where no platform is named, all are added up.",
                "两者面对同一组随机数：差额逐路径计算，小字为差额的标准误（±）；着色者超出95%区间。数值低者为好。未注明平台者为全部合计。",
            ),
        ]),
    )


_MEANS = Phrase("Mean", "均值")


def sentence(run: RunTables, pair: Pair) -> Phrase:
    """A pair in one line: by how much the loss of the run changes, and on how many paths."""
    base, other, _ = pair
    found, _ = paired_rows(run, base["id"], other["id"])
    row = found[TOTAL, "loss_with_impact"]
    told = Estimate(*(number(row[c]) for c in ("difference", "error", "low", "high")))
    scale = money_scale([told.value, told.error])
    value = _signed(scale.number, told.value)
    spread = scale.number(told.error) if told.error > 0 else None
    amount = Phrase(*(
        f"{v}{f'±{e}' if e else ''} {unit}" for v, e, unit in zip(value, spread or ("", ""), scale.unit, strict=True)))
    return Phrase(
        "{b} vs {a}: loss {amount}; better on {better}, worse on {worse} of {n} paths",
        "{b} 相对 {a}：损失 {amount}；{n}条路径中 {better} 条更好，{worse} 条更差",
    ).fill(a=base["id"], b=other["id"], amount=amount, better=int(row["better"]), worse=int(row["worse"]), n=int(row["paths"]))
