"""Shut desks and responses: what fired and when, what it cost, and who paid for it on the same paths (M-145 to M-153, M-50)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stresslab.estimate import TOTAL, paired
from stresslab.pairing import PAYERS, differences
from stresslab.report.amounts import count, money_scale, percent
from stresslab.report.exhibits import Cell, Head, Row, Table, first_day_cell, money_cell, probability_cell
from stresslab.report.firing import Evenings, fired_on
from stresslab.report.pairs import paired_row
from stresslab.report.paths import Paths, first_days
from stresslab.report.phrase import NOTHING, Phrase, join, same, sentences
from stresslab.report.response_words import response
from stresslab.report.run_tables import ALL, RunTables, number, platform_name, scenario_title
from stresslab.report.terms import market_terms

#: What platforms do: the keys on which a scenario may differ from one without shut desks and responses.
_CONDUCT = ("response", "operations.days_without_calls", "operations.days_without_sales", "operations.compensation_pct")
_SHUT = (
    ("days_without_calls", Phrase("nobody can be called", "无法追缴")), ("days_without_sales", Phrase("nobody can be sold", "无法平仓")))
_UNTOLD = Phrase("see a replay", "见路径回放")
_HEDGES = Phrase("Hedges", "对冲")
#: Heading, column of outcomes, column taken from it, tone where it is above zero.
_COSTS: tuple[tuple[Head, str, str | None, str], ...] = (
    (Head(Phrase("Compensation", "停摆赔付")), "compensation_li", None, "bad"),
    (Head(Phrase("paid for them", "支出"), _HEDGES), "hedge_cost_li", None, ""),
    (Head(Phrase("gained", "损益"), _HEDGES), "hedge_gain_li", None, ""),
    (Head(Phrase("gained less paid", "损益减支出"), _HEDGES), "hedge_gain_li", "hedge_cost_li", ""),
    (Head(Phrase("owed to the broker", "欠付经纪商"), _HEDGES), "hedge_owed_li", None, "bad"),
    (Head(Phrase("Bank line drawn", "动用授信")), "line_drawn_li", None, ""),
)
_HEADS: dict[str, Phrase] = {
    "what changes": Phrase("what changes", "变化"), "what it costs": Phrase("what it costs", "成本"),
    "platforms pay": Phrase("platforms pay", "平台承担"), "funders pay": Phrase("funders pay", "资金方承担"),
    "clients pay": Phrase("clients pay", "客户承担"),
}
_NAMES: dict[str, Phrase] = {
    "failure": Phrase("Paths that fail", "失败路径占比"), "accounts_called": Phrase("Accounts called", "被追缴账户"),
    "accounts_forced": Phrase("Accounts forced to sell", "被强平账户"), "sold": Phrase("Forced sales", "强平卖出额"),
    "deficit": Phrase("Deficit", "穿仓额"), "loss_with_impact": Phrase("Loss of the run", "本次损失"),
    "selling_cost": Phrase("Cost of selling", "卖出费用"), "compensation": Phrase("Compensation for a shut desk", "停摆赔付"),
    "hedge_cost": Phrase("Cost of hedges", "对冲成本"), "hedge_gain": Phrase("Gain of hedges", "对冲损益"),
    "line_drawn": Phrase("Bank line drawn", "动用授信"), "own_funds_end": Phrase("Own funds at the end", "期末自有资金"),
    "absorbed_by_reserve": Phrase("Borne by the reserve", "风险准备金承担"),
    "absorbed_by_own_capital": Phrase("Borne by own capital", "自有资金承担"),
    "absorbed_by_junior": Phrase("Borne by junior funders", "劣后资金方承担"),
    "absorbed_by_senior": Phrase("Borne by senior funders", "优先资金方承担"), "absorbed_by_claims": Phrase("Borne by clients", "客户承担"),
    "unpaid_end": Phrase("Unpaid at the end", "期末未兑付"), "client_paid": Phrase("Paid in by clients", "客户补入资金"),
}
_ALONE = Phrase(
    "The run has no scenario that is the same without them: {ids}. Run one beside it, and this section says who pays.",
    "本次运行没有与之相同但不含上述措施的情景：{ids}。同时运行该情景，即可显示由谁承担。")
_FIRST = ("failure", "accounts_called", "accounts_forced", "sold", "deficit", "loss_with_impact")
#: Of these measures the higher is the better.
_GOOD = frozenset({"own_funds_end", "hedge_gain"})


@dataclass(frozen=True)
class ResponsesPart:
    """What is said of shut desks and responses; ``pairs`` where the run has the same scenario without them."""

    fired: Table
    costs: Table | None
    pairs: list[Table]
    alone: Phrase


def conducts(scenario: dict[str, Any]) -> bool:
    """Whether a scenario shuts a desk or lets platforms respond."""
    house = scenario.get("operations") or {}
    return bool(scenario.get("response") or house.get("days_without_calls") or house.get("days_without_sales"))


def responses_part(run: RunTables) -> ResponsesPart | None:
    """The tables; nothing where no scenario of the run has shut desks or responses."""
    chosen = [s for s in run.scenarios if conducts(s)]
    if not chosen:
        return None
    paths = Paths(run)
    bases = [(_base(run, s), s) for s in chosen]
    lonely = [same(s["id"]) for base, s in bases if base is None]
    alone = _ALONE.fill(ids=join(lonely)) if lonely else NOTHING
    return ResponsesPart(
        _fired(run, paths, chosen), _costs(run, paths, chosen), [_who_pays(run, base, s) for base, s in bases if base is not None], alone)


def _base(run: RunTables, scenario: dict[str, Any]) -> dict[str, Any] | None:
    """The scenario of the run that is the same without shut desks and responses."""
    others = [s for s in run.scenarios if s is not scenario and not conducts(s)]
    return next((s for s in others if all(d.key in _CONDUCT for d in differences(s, scenario))), None)


def _fired(run: RunTables, paths: Paths, chosen: list[dict[str, Any]]) -> Table:
    heads = []
    for platform in run.platforms:
        name = platform_name(platform)
        heads += [Head(Phrase("of paths", "路径占比"), name), Head(Phrase("day", "日"), name)]
    rows = []
    for s in chosen:
        for key, what in _SHUT:
            if closed := (s.get("operations") or {}).get(key):
                planned = Phrase("{what} on days {days}", "第{days}日{what}").fill(what=what, days=_days(closed))
                cells = (Cell(same("100%")), Cell(Phrase("day {day}", "第{day}日").fill(day=min(closed))))
                rows.append(Row(planned, scenario_title(s), cells * len(run.platforms)))
        evenings = [Evenings(run, s["id"], str(p["platform_id"])) for p in run.platforms]
        for rule in s.get("response") or ():
            told = [
                _fired_cells(paths, s["id"], str(platform["platform_id"]), rule, evening)
                for platform, evening in zip(run.platforms, evenings, strict=True)
            ]
            rows.append(Row(response(rule), scenario_title(s), tuple(cell for pair in told for cell in pair)))
    return Table(
        title=Phrase("What fired, and when", "何种措施、何时触发"), first=Phrase("Rule", "规则"), heads=tuple(heads), rows=tuple(rows),
        formulas=("M-145", "M-147", "M-148", "M-149", "M-150", "M-38"),
        note=Phrase(
            "Share of the paths on which the rule fired, with its standard error; day: the median path, and the earliest. A rule acts "
            "before the open of the day after the evening that it reads, once on a path, and not after the platform has failed. A rule "
            "that reads what the run's tables do not hold has no days here.",
            "规则触发的路径占比及其标准误；日：中位路径与最早路径。规则依据前一日收盘，在开盘前生效，每条路径至多一次，平台失败后不再触发。"
            "所读指标不在输出表中的规则，此处不列日期。"),
    )


def _days(closed: list[int]) -> str:
    """Days, those in a row as a range."""
    parts: list[list[int]] = []
    for day in sorted(closed):
        if parts and day == parts[-1][-1] + 1:
            parts[-1].append(day)
        else:
            parts.append([day])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]}\u2013{p[-1]}" for p in parts)


def _fired_cells(paths: Paths, scenario: str, platform: str, rule: dict[str, Any], evening: Evenings) -> tuple[Cell, Cell]:
    names = rule.get("platforms") or []
    if names and platform not in names:
        none = Cell(Phrase("not its rule", "不适用"), tone="quiet")
        return none, none
    days = fired_on(evening, rule)
    if days is None:
        return Cell(_UNTOLD, tone="quiet"), Cell(_UNTOLD, tone="quiet")
    share = probability_cell(paths.share(scenario, ~np.isnan(days)))
    day = first_day_cell(*first_days(days))
    # To have fired is neither good nor bad.
    return Cell(share.value, share.error, share.note), Cell(day.value, note=day.note)


def _costs(run: RunTables, paths: Paths, chosen: list[dict[str, Any]]) -> Table | None:
    places = [(ALL, Phrase("all platforms", "全部平台")), *((str(p["platform_id"]), platform_name(p)) for p in run.platforms)]
    found = {
        (s["id"], at): [paths.mean(s["id"], at, column, minus) for _, column, minus, _ in _COSTS] for s in chosen for at, _ in places}
    # What nobody paid is left out: columns and scenarios.
    kept = [at for at in range(len(_COSTS)) if any(row[at].value != 0 for row in found.values())]
    paid = [s for s in chosen if any(e.value != 0 for e in found[s["id"], ALL])]
    if not paid:
        return None
    scale = money_scale([e.value for row in found.values() for e in row])
    rows = [
        Row(scenario_title(s), name, tuple(money_cell(found[s["id"], at][k], scale, _COSTS[k][3]) for k in kept))
        for s in paid for at, name in places
    ]
    title = Phrase("What it cost the platforms", "平台付出的成本")
    return Table(
        title=Phrase(f"{title.en}, {scale.unit.en}", f"{title.zh}（{scale.unit.zh}）"), heads=tuple(_COSTS[k][0] for k in kept),
        rows=tuple(rows), terms=market_terms(paid), formulas=("M-146", "M-150", "M-151", "M-152", "M-153", "M-38"),
        note=Phrase(
            "Means over paths with their standard errors (±). Compensation is borne by the reserve, then by own capital. A hedge gains "
            "when the market falls; what it loses is negative. The bank line counts whether a rule or a payment drew it. Scenarios in "
            "which nothing was paid are left out.",
            "均值及其标准误（±）。停摆赔付先由风险准备金、再由自有资金承担。市场下跌时对冲获利，亏损为负。动用授信包括规则动用与支付动用。未发生支出的情景从略。"),
    )


def _who_pays(run: RunTables, base: dict[str, Any], other: dict[str, Any]) -> Table:
    rows = paired(run.outcomes, base["id"], other["id"], run.sampling).to_dict("records")
    found = {(str(r["platform_id"]), str(r["measure"])): {str(k): v for k, v in r.items()} for r in rows}
    asked = [("what changes", m) for m in _FIRST] + [(head, m) for head, measures in PAYERS.items() for m in measures]
    # Where something happens to a platform has no total: each platform has its own row.
    places = {m: [TOTAL] if (TOTAL, m) in found else [str(p["platform_id"]) for p in run.platforms] for _, m in asked}
    names = {str(p["platform_id"]): platform_name(p) for p in run.platforms}
    told = [(head, m, at) for head, m in asked for at in places[m] if (at, m) in found and _moves(found[at, m])]
    # What is sold is far more than what anybody pays, and would take the digits of the others.
    paid = [found[at, m] for _, m, at in told if found[at, m]["unit"] == "yuan" and m != "sold"]
    scale = money_scale([number(row[side]) for row in paid for side in ("first", "second")])
    shown = {"yuan": scale.number, "%": percent}
    lines = [
        paired_row(found[at, m], _NAMES[m], shown.get(found[at, m]["unit"], count),
                   _HEADS[head] if at == TOTAL else join([_HEADS[head], names[at]], ", ", "，"), higher_is_better=m in _GOOD)
        for head, m, at in told
    ]
    mean, of = Phrase("Mean", "均值"), Phrase("Of {n} paths, the second is", "{n}条路径中后者").fill(n=f"{run.record['paths']:,}")
    return Table(
        title=Phrase("Who pays: {b} against {a}, {en}", "谁来承担：{b} 相对 {a}（{zh}）").fill(
            a=base["id"], b=other["id"], en=scale.unit.en, zh=scale.unit.zh),
        first=Phrase("Measure", "指标"), style="slim paired",
        heads=(Head(same(base["id"]), mean), Head(same(other["id"]), mean), Head(Phrase("Difference", "差额"), mean),
               Head(Phrase("better", "更好"), of), Head(Phrase("worse", "更差"), of), Head(Phrase("equal", "相同"), of)),
        rows=tuple(lines), terms=market_terms([base, other]), formulas=("M-27", "M-50"),
        note=sentences([
            Phrase("Both meet the same weather: differences are taken path by path, the smaller figure is the standard error (±). "
                   "Coloured: beyond the 95% interval.",
                   "两者面对同一组随机数：差额逐路径计算，小字为标准误（±）；着色者超出95%区间。"),
            Phrase("Where no platform is named, all are added up; what no path changes is left out.",
                   "未注明平台者为全部合计；无路径变化的指标从略。"),
        ]),
    )


def _moves(row: dict[str, Any]) -> bool:
    return bool(row["difference"] or row["better"] or row["worse"])
