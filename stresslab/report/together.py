"""Who fails with whom, and who brings down whom, as tables and a picture of the report (M-127, M-128)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from stresslab.report import charts
from stresslab.report.amounts import MISSING, NONE, Estimate, percent
from stresslab.report.charts import GRID, INK, MUTED
from stresslab.report.exhibits import Cell, Figure, Head, Key, Row, Table, probability_cell
from stresslab.report.phrase import NOTHING, Phrase, same
from stresslab.report.run_tables import RunTables, given, platform_name, scenario_title
from stresslab.report.terms import market_terms

#: Pictures for so many scenarios, those with the most failures.
PICTURES = 2
_TOGETHER, _CLEARING = "#c2452d", "#2f6ea5"
_NEVER_FAILS = Phrase("does not fail", "未失败")


@dataclass(frozen=True)
class TogetherPart:
    """The section on platforms that fail together."""

    alone: Table
    pairs: Table | None
    clearing: Table | None
    pictures: list[Figure]


class _Shares:
    """Shares of paths, found by scenario, measure and parties."""

    def __init__(self, run: RunTables) -> None:
        self.rows: dict[tuple[str, str, str, str | None], dict[str, Any]] = {}
        held: list[dict[Any, Any]] = run.spillover.to_dict("records") if run.spillover is not None else []
        for row in held:
            second = row["second"] if isinstance(row["second"], str) else None
            self.rows[row["scenario"], row["measure"], row["first"], second] = row

    def get(self, scenario: str, measure: str, first: str, second: str | None = None) -> Estimate:
        """One share with its error and interval; `MISSING` where there is none."""
        row = self.rows.get((scenario, measure, first, second))
        return MISSING if row is None else Estimate(row["share_pct"], row["error_pct"], row["low_pct"], row["high_pct"])

    def parties(self, measure: str) -> list[str]:
        """Who is first in a measure."""
        return list(dict.fromkeys(key[2] for key in self.rows if key[1] == measure))

    def seconds(self, measure: str) -> list[str]:
        """Who is second in a measure."""
        return list(dict.fromkeys(str(key[3]) for key in self.rows if key[1] == measure))


def together_part(run: RunTables, names: Any) -> TogetherPart | None:
    """The section, or nothing without the table `spillover`."""
    if run.spillover is None or run.spillover.empty:
        return None
    shares = _Shares(run)
    ids = [str(p["platform_id"]) for p in run.platforms]
    failing = [s for s in run.scenarios if any(shares.get(s["id"], "failure", p).value > 0 for p in ids)]
    ranked = sorted(failing, key=lambda s: -sum(shares.get(s["id"], "failure", p).value for p in ids))[:PICTURES]
    return TogetherPart(
        _alone(run, shares, ids), _pairs(run, shares, ids, failing) if len(ids) > 1 else None, _clearing(run, shares, failing),
        [_picture(run, shares, ids, s, str(next(names))) for s in ranked] if len(ids) > 1 else [],
    )


def _alone(run: RunTables, shares: _Shares, ids: list[str]) -> Table:
    several = [f"at_least_{k}_fail" for k in range(2, len(ids) + 1)]
    heads = [Head(platform_name(p), Phrase("Losses reach funders or clients", "损失外溢至资金方或客户")) for p in run.platforms]
    heads += [Head(Phrase(f"{k} or more", f"{k}家及以上"), Phrase("Platforms that fail on one path", "同一路径失败的平台数"))
              for k in range(2, len(ids) + 1)]
    rows = []
    for s in run.scenarios:
        cells = [probability_cell(shares.get(s["id"], "spillover", p)) for p in ids]
        cells += [probability_cell(shares.get(s["id"], m, "ALL")) for m in several]
        rows.append(Row(scenario_title(s), given(s), tuple(cells)))
    return Table(
        title=Phrase("Spillover, and failures together", "外溢与共同失败"), heads=tuple(heads), rows=tuple(rows),
        terms=market_terms(run.scenarios), formulas=("M-38", "M-127"),
        note=Phrase("Share of paths. Spillover: funders or clients bear a loss, or redemptions are unpaid at the end.",
                    "路径占比。外溢：资金方或客户承担损失，或期末有未兑付赎回。"),
    )


def _pairs(run: RunTables, shares: _Shares, ids: list[str], failing: list[dict[str, Any]]) -> Table | None:
    names = {str(p["platform_id"]): platform_name(p) for p in run.platforms}
    rows = []
    for s in failing:
        for a in ids:
            if shares.get(s["id"], "failure", a).value > 0:
                cells = [Cell(NONE, tone="quiet") if a == b else _given_that(shares, s["id"], a, b) for b in ids]
                rows.append(Row(scenario_title(s), Phrase("{n} fails", "{n}失败").fill(n=names[a]), tuple(cells)))
    if not rows:
        return None
    group = Phrase("… then this one fails too", "……则该平台亦失败")
    return Table(
        title=Phrase("Who fails with whom", "谁与谁一同失败"), heads=tuple(Head(names[b], group) for b in ids), rows=tuple(rows),
        terms=market_terms(failing), formulas=("M-28", "M-38", "M-127"),
        note=Phrase(
            "Share of the paths on which the platform of the row fails; below, on how many of all paths it fails first. Platforms share "
            "weather, holdings and prices: a high share is no proof of a cause.",
            "占该行平台失败路径的比例；下方为其先失败的路径占全部路径的比例。各平台共享行情、持仓与价格：比例高并不证明因果。"),
    )


def _given_that(shares: _Shares, scenario: str, a: str, b: str) -> Cell:
    cell = probability_cell(shares.get(scenario, "failure_given", a, b))
    first = shares.get(scenario, "fails_first", a, b)
    note = Phrase("first: {x}", "先失败：{x}").fill(x=percent(first.value)) if first.known else NOTHING
    return Cell(cell.value, cell.error, note, cell.tone)


def _clearing(run: RunTables, shares: _Shares, failing: list[dict[str, Any]]) -> Table | None:
    struck, owing = shares.parties("brings_down"), shares.parties("cannot_pay")
    if not struck or not failing:
        return None
    rows = []
    for s in failing:
        cannot = tuple(probability_cell(shares.get(s["id"], "cannot_pay", p)) for p in owing)
        by_others = tuple(probability_cell(shares.get(s["id"], "cannot_pay_by_others", p)) for p in owing)
        rows.append(Row(scenario_title(s), Phrase("all losses of the path: cannot pay", "计入路径上全部损失：无法支付"), cannot))
        rows.append(Row(scenario_title(s), Phrase("of which only because others do not pay", "其中仅因他方未付"), by_others))
        for a in struck:
            cells = tuple(Cell(NONE, tone="quiet") if a == b else probability_cell(shares.get(s["id"], "brings_down", a, b))
                          for b in owing)
            rows.append(Row(scenario_title(s), Phrase("losses of {a} alone bring down", "仅{a}的损失即拖垮").fill(a=a), cells))
    return Table(
        title=Phrase("Who brings down whom in the clearing of exposures", "敞口清算中谁拖垮谁"),
        heads=tuple(Head(same(p)) for p in owing), rows=tuple(rows), terms=market_terms(failing),
        formulas=("M-38", "M-108", "M-128"),
        note=Phrase(
            "Share of paths. On each path every platform's own loss is taken from what it owns, and all exposures of the book are cleared; "
            "then with the loss of one platform alone.",
            "路径占比。每条路径上，先从各平台资产扣除其自身损失，再对账簿全部敞口进行清算；然后仅计某一平台的损失重新清算。"),
    )


def _picture(run: RunTables, shares: _Shares, ids: list[str], scenario: dict[str, Any], name: str) -> Figure:
    """A grid: row fails, column fails too; inside each cell the share given the row, and the bar of clearing beside it."""
    names = {str(p["platform_id"]): platform_name(p) for p in run.platforms}
    title = Phrase("Who fails with whom: {s}", "谁与谁一同失败：{s}").fill(s=scenario_title(scenario))
    n = len(ids)
    with charts.drawing(60 + 46 * n, left=130, right=20, top=34, bottom=10) as chart:
        chart.axes.set_xlim(0, n)
        chart.axes.set_ylim(n, 0)
        for side in ("left", "bottom"):
            chart.axes.spines[side].set_visible(False)
        for i, a in enumerate(ids):
            for j, b in enumerate(ids):
                value = shares.get(scenario["id"], "failure" if a == b else "failure_given", a, None if a == b else b)
                strength = 0.0 if math.isnan(value.value) else min(1.0, max(0.0, value.value / 100))
                face = GRID if not value.known else _TOGETHER
                alpha = 0.35 if not value.known else 0.06 + 0.74 * strength
                chart.axes.bar(j + 0.5, 0.92, 0.94, bottom=i + 0.04, color=face, alpha=alpha, linewidth=1.6 if a == b else 0, edgecolor=INK)
                down = shares.get(scenario["id"], "brings_down", a, b)
                if down.known and down.value > 0:
                    chart.axes.bar(j + 0.05 + 0.45 * down.value / 100, 0.08, 0.9 * down.value / 100, bottom=i + 0.84, color=_CLEARING)
                said = percent(value.value) if value.known else _NEVER_FAILS
                chart.label(j + 0.5, i + 0.5, said, ha="center", va="center", color=INK)
        chart.axes.xaxis.tick_top()
        chart.ticks("x", [j + 0.5 for j in range(n)], charts.short_titles([names[b] for b in ids], ids, 340 / n), color=MUTED)
        chart.ticks("y", [i + 0.5 for i in range(n)], charts.short_titles([names[a] for a in ids], ids, 118), color=MUTED)
        keys = (Key(Phrase("column fails, of the paths on which the row fails; framed: share of all paths on which it fails",
                           "行平台失败的路径中列平台亦失败；加框：自身失败占全部路径"), _TOGETHER),
                Key(Phrase("losses of the row alone bring down the column in clearing", "清算中仅行平台损失即拖垮列平台"), _CLEARING))
        return Figure(title, chart.svg(name, title), keys, ("M-127", "M-128"))
