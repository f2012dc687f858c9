"""The figures of a report: which numbers each shows, its legend and its formulas."""

from __future__ import annotations

from typing import Any

import numpy as np

from stresslab.report import charts
from stresslab.report.amounts import money_scale, percent
from stresslab.report.charts import Band, Bars, Survival
from stresslab.report.exhibits import Figure, Key
from stresslab.report.findings import LAYERS
from stresslab.report.phrase import NOTHING, Phrase, join, same, sentences
from stresslab.report.run_tables import Estimates, RunTables, given, scenario_title

_INTERVAL = Phrase("Thin line: 95% interval.", "细线为95%区间。")
_GIVEN = Phrase("Each bar is the mean given its scenario.", "每条为给定情景下的均值。")


def _titles(run: RunTables) -> list[Phrase]:
    return charts.short_titles(
        [scenario_title(s) for s in run.scenarios], [s["id"] for s in run.scenarios], charts.LABELS
    )


def waterfall(run: RunTables, estimates: Estimates, platform: str, name: str) -> Figure:
    """Who bears the deficit of each scenario."""
    rows = [
        Bars(
            title,
            tuple(estimates.get(s["id"], platform, layer) for layer, _ in LAYERS),
            estimates.get(s["id"], platform, "deficit"),
        )
        for title, s in zip(_titles(run), run.scenarios, strict=True)
    ]
    scale = money_scale([r.total.value for r in rows])
    title = Phrase("Who bears the deficit, {unit}", "穿仓额由谁承担（{unit}）").fill(
        unit=scale.unit
    )
    return Figure(
        title,
        charts.waterfall(name, title, rows, scale),
        tuple(
            Key(layer, colour)
            for (_, layer), colour in zip(LAYERS, charts.LAYER_COLOURS, strict=True)
        ),
        ("M-26", "M-27", "M-38"),
        sentences(
            [
                _GIVEN,
                Phrase(
                    "Blue is the platform's own money, warm colours are other people's.",
                    "蓝色为平台自有，暖色为他人资金。",
                ),
                _INTERVAL,
            ]
        ),
    )


_COLUMNS = (
    ("loss_holding", Phrase("holding", "持有不平仓")),
    ("loss_without_impact", Phrase("selling without impact", "无冲击平仓")),
    ("loss_with_impact", Phrase("selling with impact", "有冲击平仓")),
)


def columns(run: RunTables, estimates: Estimates, platform: str, name: str) -> Figure:
    """Losses when holding, selling without impact, selling with impact."""
    rows = []
    for title, s in zip(_titles(run), run.scenarios, strict=True):
        parts = tuple(estimates.get(s["id"], platform, measure) for measure, _ in _COLUMNS)
        rows.append(Bars(title, parts, parts[-1]))
    scale = money_scale([p.value for r in rows for p in r.parts])
    title = Phrase("Loss in three columns, {unit}", "三栏损失（{unit}）").fill(unit=scale.unit)
    keys = tuple(
        Key(text, colour) for (_, text), colour in zip(_COLUMNS, charts.COLUMN_COLOURS, strict=True)
    )
    return Figure(
        title,
        charts.columns(name, title, rows, scale),
        keys,
        ("M-30", "M-38"),
        sentences([_GIVEN, _INTERVAL]),
    )


def _drops(estimates: Estimates, scenario: str, platform: str) -> bool:
    return any(e.value < 100 for e in estimates.curve(scenario, platform, "survival_own_funds"))


def survival(run: RunTables, estimates: Estimates, platform: str, name: str) -> Figure | None:
    """How long own funds last; only curves that ever drop are drawn, the others are named."""
    curves: list[Survival] = []
    keys: list[Key] = []
    intact: list[Phrase] = []
    for place, s in enumerate(run.scenarios):
        curve = estimates.curve(s["id"], platform, "survival_own_funds")
        if not curve:
            continue
        if not _drops(estimates, s["id"], platform):
            if not intact:
                # One line stands for all scenarios in which own funds last on every path.
                curves.insert(0, Survival(curve, charts.QUIET_LINE, ""))
                keys.insert(0, Key(Phrase("the others", "其余情景"), charts.QUIET_LINE, line=True))
            intact.append(same(s["id"]))
            continue
        colour, dash = charts.line_style(place)
        curves.append(Survival(curve, colour, dash))
        keys.append(Key(same(s["id"]), colour, line=True, dash=dash))
    if not curves and not intact:
        return None
    title = Phrase("Paths with own funds left, day by day", "自有资金尚存的路径占比")
    note = Phrase("Bands: 95% intervals.", "色带为95%区间。") if curves else NOTHING
    if intact:
        note = sentences(
            [
                note,
                Phrase("100% on all days: {list}.", "始终为100%：{list}。").fill(list=join(intact)),
            ]
        )
    days = max(int(s["days"]) for s in run.scenarios)
    return Figure(
        title,
        charts.survival(name, title, curves, days),
        tuple(keys),
        ("M-28", "M-36", "M-41"),
        note,
    )


def leverage(platform: dict[str, Any], name: str) -> Figure | None:
    """The distribution of leverage on the day of the book."""
    bins = platform.get("leverage") or {}
    if not bins.get("accounts"):
        return None
    title = Phrase("Leverage of accounts before the run", "期初账户杠杆倍数分布")
    keys = (
        Key(Phrase("share of accounts with debt", "占有负债账户数"), charts.SHARE_COLOURS[0]),
        Key(Phrase("share of debt", "占负债额"), charts.SHARE_COLOURS[1]),
    )
    svg = charts.leverage(name, title, bins["edges"], bins["accounts"], bins["debt_li"])
    return Figure(
        title,
        svg,
        keys,
        ("M-3",),
        Phrase(
            "Leverage is collateral / equity; percent of all bins.",
            "杠杆倍数 = 担保物 / 权益；纵轴为占比。",
        ),
    )


_SERIES = (
    ("factor_ppm", Phrase("market factor", "市场因子")),
    (
        "basket_fundamental_ppm",
        Phrase("collateral basket, fundamental (no reaction)", "担保物篮子，基本面（无反应）"),
    ),
    (
        "basket_quoted_ppm",
        Phrase("collateral basket, quoted (with reaction)", "担保物篮子，报价（有反应）"),
    ),
)
_PPM_PER_PERCENT = 10_000


def crashes(run: RunTables) -> list[dict[str, Any]]:
    """The deepest crash, and the one of 40% if it is another (by its id, else by its depth)."""
    found = [s for s in run.scenarios if s.get("market", {}).get("crash")]
    if not found:
        return []
    deepest = max(found, key=lambda s: float(s["market"]["crash"]["depth_pct"]))
    forty = [s for s in found if s["id"] == "crash-40"] or [
        s for s in found if float(s["market"]["crash"]["depth_pct"]) == 40
    ]
    chosen = [*forty[:1], deepest]
    return chosen[:1] if chosen[0]["id"] == chosen[-1]["id"] else chosen


def _bands(run: RunTables, scenario: str) -> list[Band]:
    """Quantiles over paths by day, as order statistics (M-39); day 0 is 100%."""
    days = run.days
    mine = days[
        (days["scenario"] == scenario) & (days["platform_id"] == run.platforms[0]["platform_id"])
    ]
    bands = []
    for column, _ in _SERIES:
        by_day = (
            mine.pivot(index="path", columns="day", values=column).to_numpy(dtype=np.float64)
            / _PPM_PER_PERCENT
        )
        low, middle, high = np.quantile(by_day, [0.05, 0.5, 0.95], axis=0, method="inverted_cdf")
        bands.append(Band(*(np.concatenate([[100.0], part]) for part in (low, middle, high))))
    return bands


def price_paths(run: RunTables, scenario: dict[str, Any], name: str) -> Figure:
    """The price path of a crash with the reaction and without it."""
    bands = _bands(run, scenario["id"])
    title = Phrase(
        "Prices with and without the reaction: {what}, {given}",
        "有无反应的价格路径：{what}，{given}",
    ).fill(what=scenario_title(scenario), given=given(scenario))
    keys = tuple(
        Key(text, colour, line=True, dash="4 3" if place == 0 else "")
        for place, ((_, text), colour) in enumerate(zip(_SERIES, charts.PRICE_COLOURS, strict=True))
    )
    gap = bands[2].middle - bands[1].middle
    day = int(np.argmin(gap))
    told = [
        Phrase(
            "Median of paths, 5% to 95% of paths shaded; day 0 is 100%.",
            "路径中位数，色带为5%至95%分位；第0日为100%。",
        )
    ]
    if gap[day] < 0:
        told.append(
            Phrase(
                "The quoted median stands lowest against the fundamental on day {day}: {gap} points below.",
                "报价中位数较基本面最多低 {gap} 个百分点（第{day}日）。",
            ).fill(day=day, gap=percent(-float(gap[day])).en.removesuffix("%"))
        )
    svg = charts.price_paths(name, title, bands, int(scenario["market"]["crash"]["trough_day"]))
    return Figure(title, svg, keys, ("M-7", "M-9", "M-14", "M-24", "M-39"), sentences(told))
