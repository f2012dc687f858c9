"""The price-limit channel: what is sold because another share of the account cannot be sold (M-48)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stresslab import statistics
from stresslab.report import charts
from stresslab.report.amounts import NONE, Estimate, count, money_scale, percent, rounded, with_error
from stresslab.report.exhibits import Cell, Figure, Head, Key, Row, Table, count_cell, money_cell, percent_cell
from stresslab.report.phrase import NOTHING, Phrase, same, sentences
from stresslab.report.pictures import crashes
from stresslab.report.run_tables import ALL, Estimates, RunTables, given, scenario_title
from stresslab.report.tables import ERRORS, headed, in_unit, scale_of
from stresslab.report.terms import market_terms
from stresslab.sampling import groups_of

#: So many instruments are named.
MOST_AFFECTED = 10
_SUMS = Phrase(
    "Instruments are summed over paths when they are written, so these figures are means of {n} paths without a sampling error.",
    "证券表在写入时已对路径求和，故为{n}条路径的均值，无法给出抽样误差。",
)
_MONEY = Phrase(
    "Money of displaced shares is valued at the mean sale price of the instrument on the day.",
    "被转移股数按该证券当日平均成交价计值。",
)


def displaced(run: RunTables, estimates: Estimates) -> Table:
    """Displaced sales of all platforms by scenario: money, tail, share of forced sales; locked or closed shares and the breaker."""
    scale = scale_of(run, estimates, ALL, ("sold", "displaced"), ("mean", "tail_mean"))
    locked = _locked_days(run)
    cells: dict[str, tuple[Cell, ...]] = {}
    for s in (scenario["id"] for scenario in run.scenarios):
        cells[s] = (
            money_cell(estimates.get(s, ALL, "sold"), scale),
            money_cell(estimates.get(s, ALL, "displaced"), scale),
            percent_cell(estimates.get(s, ALL, "displaced_share", "ratio")),
            money_cell(estimates.get(s, ALL, "displaced", "q95"), scale),
            money_cell(estimates.get(s, ALL, "displaced", "tail_mean"), scale),
            count_cell(locked[s]) if s in locked else Cell(NONE),
            count_cell(estimates.get(s, ALL, "breaker_days")),
        )
    return Table(
        title=in_unit(scale.unit, Phrase("The price-limit channel: displaced sales", "涨跌停通道：被转移的卖出")),
        heads=(
            Head(Phrase("Forced sales", "强平卖出")),
            Head(Phrase("Displaced sales", "被转移的 卖出"), _DISPLACED),
            Head(Phrase("share of forced sales", "占强平 卖出"), _DISPLACED),
            Head(Phrase("95% quantile", "95%分位"), _DISPLACED),
            Head(Phrase("mean of worst 5%", "最差5% 均值"), _DISPLACED),
            Head(Phrase("Locked or closed at the open, instrument-days", "开盘封死跌停 或停牌 只·日")),
            Head(Phrase("Days ended by the breaker", "熔断天数")),
        ),
        rows=headed(run, cells),
        formulas=("M-15", "M-45", "M-48", "M-38", "M-39", "M-40", "M-51"),
        terms=market_terms(run.scenarios),
        note=sentences([
            ERRORS.fill(n=f"{run.record['paths']:,}"),
            Phrase(
                "A sale is displaced where an account sells more of one share because another one is locked, closed or rationed.",
                "账户因某只股票封死跌停、停牌或额度用尽而多卖其他股票，多卖部分即为被转移的卖出。",
            ),
        ]),
    )


_DISPLACED = Phrase("Displaced sales", "被转移的卖出")


def _locked_days(run: RunTables) -> dict[str, Estimate]:
    """Instruments locked or closed at the open, added up over the days of each path: means by scenario."""
    days = run.days[run.days["platform_id"] == run.platforms[0]["platform_id"]]
    sums = days.groupby(["scenario", "path"], sort=True)["locked"].sum()
    found = {}
    for scenario in (s["id"] for s in run.scenarios):
        if scenario in sums.index.get_level_values(0):
            told = statistics.mean(sums[scenario].to_numpy(dtype=np.float64), groups_of(run.sampling, sums[scenario].index.to_numpy()))
            found[scenario] = Estimate(*(float(part) for part in told))
    return found


def most_displaced(run: RunTables, estimates: Estimates) -> list[dict[str, Any]]:
    """The scenario with the largest mean of displaced sales, then the first other crash that displaces any; none where none does."""
    mean = {s["id"]: estimates.get(s["id"], ALL, "displaced").value for s in run.scenarios}
    known = [s for s in run.scenarios if mean[s["id"]] > 0]
    if not known or run.instruments.empty:
        return []
    most = max(known, key=lambda s: mean[s["id"]])
    return [most, *(s for s in crashes(run) if s is not most and mean[s["id"]] > 0)][:2]


@dataclass(frozen=True)
class _Sales:
    """What instruments sold by day, means of paths: days × instruments, money in yuan."""

    ids: list[str]
    shares: np.ndarray
    displaced_shares: np.ndarray
    money: np.ndarray
    displaced: np.ndarray
    locked: np.ndarray
    gap: np.ndarray  # of the mean close against the mean close without impact, percent


def _sales(run: RunTables, scenario: str) -> _Sales:
    mine = run.instruments[run.instruments["scenario"] == scenario]

    def wide(column: str) -> pd.DataFrame:
        return mine.pivot(index="day", columns="instrument_id", values=column).astype("float64")

    paths = float(mine["paths"].iloc[0])
    sold = wide("sold_sum_shares")
    shares, moved, money = (a.to_numpy() / paths for a in (sold, wide("displaced_sum_shares"), wide("sold_sum_li") / 1000))
    close, plain = wide("quoted_sum_li").to_numpy(), wide("quoted_plain_sum_li").to_numpy()
    worth = money * moved / np.where(shares > 0, shares, 1.0)
    gap = 100 * (close / np.where(plain > 0, plain, 1.0) - 1)
    return _Sales([str(i) for i in sold.columns], shares, moved, money, worth, wide("locked").to_numpy() / paths, gap)


def instruments(run: RunTables, scenario: dict[str, Any]) -> Table:
    """The instruments on which most displaced money falls, given a scenario."""
    sales = _sales(run, scenario["id"])
    worth = sales.displaced.sum(axis=0)
    # Ties keep the order of the ids.
    order = [int(i) for i in np.argsort(-worth, kind="stable")[:MOST_AFFECTED] if worth[i] > 0]
    scale = money_scale([float(v) for v in sales.money.sum(axis=0)[order]])
    rows = []
    for i in order:
        sold, moved = float(sales.shares[:, i].sum()), float(sales.displaced_shares[:, i].sum())
        day = int(np.argmin(sales.gap[:, i]))
        low = float(sales.gap[day, i])
        cells = (
            Cell(scale.number(float(worth[i]))),
            Cell(percent(100 * float(worth[i]) / float(worth.sum()))),
            Cell(count(moved)),
            Cell(percent(100 * moved / sold)),
            Cell(scale.number(float(sales.money[:, i].sum()))),
            Cell(same(rounded(float(sales.locked[:, i].sum()), 1))),
            Cell(percent(low) if low < 0 else same("0%"), note=_on(day + 1) if low < 0 else NOTHING),
        )
        rows.append(Row(same(sales.ids[i]), NOTHING, cells))
    return Table(
        title=in_unit(scale.unit, Phrase("Most affected instruments, {given}", "受影响最大的证券，{given}").fill(given=given(scenario))),
        first=Phrase("Instrument", "证券"),
        heads=(
            Head(Phrase("Displaced sales", "被转移的 卖出"), _DISPLACED),
            Head(Phrase("share of all displaced", "占全部 被转移"), _DISPLACED),
            Head(Phrase("shares", "股数"), _DISPLACED),
            Head(Phrase("share of its forced sales (shares)", "占其强平 股数"), _DISPLACED),
            Head(Phrase("Its forced sales", "其强平 卖出")),
            Head(Phrase("Days locked or closed at the open", "开盘封死跌停 或停牌 日数")),
            Head(Phrase("Mean close against no impact, lowest", "收盘均价较无冲击 最低")),
        ),
        rows=tuple(rows),
        formulas=("M-14", "M-15", "M-23", "M-48"),
        terms=market_terms([scenario]),
        note=sentences([_SUMS.fill(n=f"{run.record['paths']:,}"), _MONEY]),
    )


def _on(day: int) -> Phrase:
    return Phrase("day {d}", "第{d}日").fill(d=day)


def daily(run: RunTables, estimates: Estimates, scenario: dict[str, Any], name: str) -> Figure:
    """Forced sales of each day, own parts and displaced, under the number of instruments that are locked or closed."""
    sales = _sales(run, scenario["id"])
    moved = sales.displaced.sum(axis=1)
    own = sales.money.sum(axis=1) - moved
    scale = money_scale([float(v) for v in own + moved])
    title = Phrase("Forced sales by day, {unit}: {what}, {given}", "逐日强平卖出（{unit}）：{what}，{given}").fill(
        unit=scale.unit, what=scenario_title(scenario), given=given(scenario))
    svg = charts.daily_sales(name, title, own, moved, sales.locked.sum(axis=1), scale)
    share = estimates.get(scenario["id"], ALL, "displaced_share", "ratio")
    error = percent(share.error) if share.error > 0 else None
    told = Phrase("{share} of forced sales are displaced.", "被转移的卖出占强平卖出的 {share}。").fill(
        share=with_error(percent(share.value), error)) if share.known else NOTHING
    keys = (
        Key(Phrase("own part", "应卖部分"), charts.SALE_COLOURS[0]),
        Key(Phrase("displaced", "被转移"), charts.SALE_COLOURS[1]),
        Key(Phrase("locked or closed at the open, instruments (above)", "开盘封死跌停或停牌只数（上方，标出峰值）"), _LOCKED),
    )
    n = f"{run.record['paths']:,}"
    return Figure(title, svg, keys, ("M-15", "M-25", "M-48", "M-51"), sentences([told, _SUMS.fill(n=n), _MONEY]))


#: The colour of the locked instruments over white.
_LOCKED = "#c6cbcf"
