"""Withdrawals that are a path's own: who asked, what was paid, what still waits, and the wave by day (M-130 to M-140)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stresslab.glossary import LI_PER_YUAN
from stresslab.report import charts
from stresslab.report.amounts import Estimate, money_scale, percent
from stresslab.report.charts import LINE_COLOURS, DayLine
from stresslab.report.exhibits import Cell, Figure, Head, Key, Row, Table, count_cell, first_day_cell, money_cell
from stresslab.report.paths import Paths, estimated, first_days
from stresslab.report.phrase import Phrase
from stresslab.report.run_tables import ALL, RunTables, given, platform_name, scenario_title
from stresslab.report.terms import market_terms

#: Pictures for so many scenarios, those with most unpaid or asked for.
PICTURES = 2
_ASKED, _PAID, _LEFT = Phrase("Asked for", "申请"), Phrase("Paid", "已支付"), Phrase("Open at the end", "期末未了")
#: Heading, group, column of outcomes, column taken from it, tone where it is above zero.
_MONEY: tuple[tuple[Phrase, Phrase, str, str | None, str], ...] = (
    (Phrase("in the wave", "挤兑潮"), _ASKED, "wave_asked_li", None, ""),
    (Phrase("by foreign money", "外资"), _ASKED, "foreign_asked_li", None, ""),
    (Phrase("due to clients", "客户到期"), _ASKED, "redemption_due_li", None, ""),
    (Phrase("recalled by funders", "资金方收回"), _ASKED, "funding_recalled_li", None, ""),
    (Phrase("of it due", "其中到期"), _ASKED, "funding_due_li", None, ""),
    (Phrase("to clients", "客户"), _PAID, "redemption_paid_li", None, ""),
    (Phrase("by the custodian", "隔离存管"), _PAID, "redemption_segregated_li", None, ""),
    (Phrase("to funders", "资金方"), _PAID, "funding_returned_li", None, ""),
    (Phrase("unpaid to clients", "欠付客户"), _LEFT, "unpaid_end_li", None, "bad"),
    (Phrase("not returned to funders", "欠退资金方"), _LEFT, "funding_due_li", "funding_returned_li", "bad"),
    (Phrase("behind the gate", "限额外排队"), _LEFT, "gated_end_li", None, "warn"),
)
#: Lines of the picture: column of `days`, name.
_LINES: tuple[tuple[str, Phrase], ...] = (
    ("due_li", Phrase("due to clients so far", "客户累计到期")),
    ("funding_due_li", Phrase("recalled funding due so far", "收回资金累计到期")),
    ("unpaid_li", Phrase("unpaid to clients", "欠付客户")),
    ("gated_li", Phrase("behind the gate", "限额外排队")),
)


@dataclass(frozen=True)
class WithdrawalsPart:
    """What is said of withdrawals that are a path's own."""

    table: Table
    pictures: list[Figure]


def moves(scenario: dict[str, Any]) -> bool:
    """Whether a scenario has requests that are a path's own: drawn clients, a gate, a wave, foreign money, recall clauses."""
    plan = scenario.get("redemption") or {}
    own = plan.get("who") == "random" or any(plan.get(key) is not None for key in ("gate_pct", "wave", "foreign"))
    return own or scenario.get("recalls") is not None


def withdrawals_part(run: RunTables, names: Iterator[str]) -> WithdrawalsPart | None:
    """The tables and pictures; nothing where no scenario of the run has such requests."""
    chosen = [s for s in run.scenarios if moves(s)]
    if not chosen:
        return None
    paths = Paths(run)
    asked = {s["id"]: sum(paths.mean(s["id"], ALL, c).value for c in ("redemption_due_li", "funding_due_li")) for s in chosen}
    drawn = sorted(chosen, key=lambda s: -asked[s["id"]])[:PICTURES]
    pictures = [f for s in drawn if (f := _by_day(run, paths, s, next(names))) is not None]
    pictures += [_intensity(run, paths, s, next(names)) for s in drawn if (s.get("redemption") or {}).get("wave") is not None]
    return WithdrawalsPart(_table(run, paths, chosen), pictures)


def _table(run: RunTables, paths: Paths, chosen: list[dict[str, Any]]) -> Table:
    places = [(ALL, Phrase("all platforms", "全部平台")), *((str(p["platform_id"]), platform_name(p)) for p in run.platforms)]
    found = {
        (s["id"], at): [paths.mean(s["id"], at, column, minus) for _, _, column, minus, _ in _MONEY] for s in chosen for at, _ in places}
    scale = money_scale([e.value for row in found.values() for e in row])
    rows = []
    for s in chosen:
        for at, name in places:
            cells = [money_cell(e, scale, tone) for e, (*_, tone) in zip(found[s["id"], at], _MONEY, strict=True)]
            groups = paths.mean(s["id"], at, "wave_groups", divisor=1)
            rows.append(Row(scenario_title(s), name, (*cells, count_cell(groups), _unpaid_from(run, paths, s["id"], at))))
    title = Phrase("Withdrawals and recalled funding", "赎回与资金收回")
    return Table(
        title=Phrase(f"{title.en}, {scale.unit.en}", f"{title.zh}（{scale.unit.zh}）"),
        heads=(*(Head(name, group) for name, group, *_ in _MONEY), Head(Phrase("Client groups in the wave", "挤兑潮中的客户集团数")),
               Head(Phrase("First unpaid", "首次未付"))),
        rows=tuple(rows), terms=market_terms(chosen),
        formulas=("M-16", "M-17", "M-130", "M-131", "M-134", "M-137", "M-138", "M-139", "M-38", "M-64"),
        note=Phrase(
            "Means over paths with their standard errors (±). What clients asked for falls due after its notice and, where there is a "
            "gate, no faster than it lets through; what waits is not due. A platform that has failed pays nobody: what falls due then is "
            "unpaid. First unpaid: when a platform that had not failed first could not pay, on the median path, and the earliest.",
            "均值及其标准误（±）。客户申请在通知期后到期；设有限额时不超过每日限额，排队部分不计为到期。已失败的平台不再支付，此后到期者均未付。"
            "首次未付：尚未失败的平台首次无力支付之日，中位路径与最早路径。"),
    )


def _unpaid_from(run: RunTables, paths: Paths, scenario: str, platform: str) -> Cell:
    """The first day on which somebody was not paid; of all platforms the first of them."""
    at = [str(p["platform_id"]) for p in run.platforms] if platform == ALL else [platform]
    days = np.array([paths.column(scenario, p, "first_unpaid_day") for p in at])
    earliest = np.where(np.isnan(days), np.inf, days).min(axis=0)
    return first_day_cell(*first_days(np.where(np.isinf(earliest), np.nan, earliest)))


def _daily(run: RunTables, paths: Paths, scenario: str, column: str, platform: str, divisor: float) -> list[Estimate]:
    """The mean of a column of `days` from day 1 on, with its error."""
    rows = run.days[run.days["scenario"] == scenario]
    if platform != ALL:
        rows = rows[rows["platform_id"] == platform]
    table = rows.groupby(["day", "path"])[column].sum().unstack("path").sort_index(axis=0).sort_index(axis=1)
    values = table.to_numpy(np.float64) / divisor
    return [estimated(day, paths.groups(scenario)) for day in values]


def _by_day(run: RunTables, paths: Paths, scenario: dict[str, Any], name: str) -> Figure | None:
    lines, keys = [], []
    for place, (column, title) in enumerate(_LINES):
        curve = _daily(run, paths, scenario["id"], column, ALL, LI_PER_YUAN)
        if any(e.value > 0 for e in curve):
            colour, dash = charts.line_style(place)
            lines.append(DayLine(curve, colour, dash))
            keys.append(Key(title, colour, line=True, dash=dash))
    if not lines:
        return None
    scale = money_scale([e.span[1] for line in lines for e in line.curve])
    title = Phrase("Who wants his money back, day by day: {s}, {unit}", "逐日兑付压力：{s}（{unit}）").fill(
        s=scenario_title(scenario), unit=scale.unit)
    return Figure(
        title, charts.day_lines(name, title, lines, scale.tick), tuple(keys), ("M-16", "M-17", "M-131", "M-138", "M-38"),
        Phrase("All platforms, means over paths {given}; band: 95% interval of the mean.",
               "全部平台，{given}下的均值；阴影为均值的95%区间。").fill(given=given(scenario)))


def _intensity(run: RunTables, paths: Paths, scenario: dict[str, Any], name: str) -> Figure:
    lines, keys = [], []
    for place, platform in enumerate(run.platforms):
        at = str(platform["platform_id"])
        colour = LINE_COLOURS[place % len(LINE_COLOURS)]
        _, dash = charts.line_style(2 * place)
        lines.append(DayLine(_daily(run, paths, scenario["id"], "wave_ppm", at, 10_000.0), colour, dash))
        keys.append(Key(platform_name(platform), colour, line=True, dash=dash))
    title = Phrase("Daily probability that a client group asks: {s}", "客户集团每日申请赎回的概率：{s}").fill(s=scenario_title(scenario))
    return Figure(
        title, charts.day_lines(name, title, lines, percent), tuple(keys), ("M-132", "M-133", "M-134", "M-38"),
        Phrase("Means over paths {given}; band: 95% interval of the mean. Losses, a downgrade, unpaid redemptions and the requests of "
               "others raise it; a platform that has failed has none.",
               "{given}下的均值；阴影为均值的95%区间。损失、降级、未兑付与他人的申请使其上升；已失败的平台为零。").fill(given=given(scenario)))
