"""The picture of one path, or of one account on it, as an SVG file that stands by itself, in one language."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.ledger import Replay
from stresslab.report import charts
from stresslab.report.amounts import MoneyScale, money_scale, yuan_of
from stresslab.report.charts import INK, Drawing
from stresslab.report.exhibits import Key
from stresslab.report.ledger import headline, percent_of
from stresslab.report.panels import LOW, TALL, Panel, days_axis, draw_line, page, upright
from stresslab.report.phrase import Language, Phrase, same

Floats = NDArray[np.float64]

_RATIO, _DEBT, _SALE, _CALL, _ANSWER, _QUIET = "#2f6ea5", "#8a4f8f", "#c2452d", "#dd8a2b", "#1d8a6b", "#c9d0d7"
_PRICES = charts.PRICE_COLOURS
#: The debt is gone, or nearly: a ratio beyond this many times the first one, or the warning line, leaves the picture.
_HIGHEST = 1.35
#: So many days after its debt is gone an account is still drawn, and so many days at least.
_AFTER, _LEAST_DAYS = 3, 10
#: What happens to an account, in the order of the legend: events, what they are called, sign, colour, filled, at the close.
_SIGNS = (
    (("call",), Phrase("margin call", "追缴"), "v", _CALL, False, False),
    (("answer",), Phrase("client pays in", "客户补入"), "^", _ANSWER, True, False),
    (("overdue", "recall"), Phrase("call overdue, or loan recalled", "追缴逾期或收回融资"), "D", _CALL, True, False),
    (("fill",), Phrase("forced sale", "强平卖出"), "o", _SALE, True, True),
    (("write_off",), Phrase("written off", "核销"), "X", INK, True, True),
)


def picture(replay: Replay, language: Language = "en") -> str:
    """A path in four panels, or one account in two, as SVG; the same replay gives the same bytes."""
    panels = _of_path(replay, language) if replay.account is None else _of_account(replay, language)
    return page(headline(replay), panels, 2 if replay.account is None else 1, language)


# --- panels ---------------------------------------------------------------------------------------


def _of_path(replay: Replay, language: Language) -> list[Panel]:
    days = replay.days
    return [_prices(days, language), _bars(days, "margin_call_li", language), _unsaleable(days, language), _bars(days, "sold_li", language)]


def _prices(days: pd.DataFrame, language: Language) -> Panel:
    title = Phrase("Prices, % of the book's date", "价格（账簿日为100%）")
    names = (
        Phrase("market factor", "市场因子"), Phrase("collateral, fundamental", "担保物（基本面）"),
        Phrase("collateral, quoted", "担保物（报价）"),
    )
    columns = ("factor_ppm", "basket_fundamental_ppm", "basket_quoted_ppm")
    dashes = ("4 3", "", "")
    with charts.drawing(LOW, left=52, right=16) as chart:
        lines = [days[name].to_numpy(np.float64) / 10_000 for name in columns]
        for line, colour, dash in zip(lines, _PRICES, dashes, strict=True):
            draw_line(chart, days["day"], line, colour, dash)
        low, high = min(float(x.min()) for x in lines), max(float(x.max()) for x in lines)
        room = 0.05 * (high - low) + 0.1
        upright(chart, low - room, high + room, lambda value: same(f"{value:g}%"), language)
        days_axis(chart, len(days) - 1, language)
        keys = tuple(Key(n, c, line=True, dash=d) for n, c, d in zip(names, _PRICES, dashes, strict=True))
        return Panel(title, keys, chart.svg("prices", title), LOW)


_BARS = {
    "margin_call_li": (Phrase("Margin calls at the open, {unit}", "开盘追缴额（{unit}）"), _CALL),
    "sold_li": (Phrase("Forced sales of the day, {unit}", "当日强平卖出额（{unit}）"), _SALE),
}


def _bars(days: pd.DataFrame, column: str, language: Language) -> Panel:
    said, colour = _BARS[column]
    amounts = days[column].map(yuan_of).to_numpy(np.float64)
    scale = money_scale(amounts.tolist())
    title = said.fill(unit=scale.unit)
    with charts.drawing(LOW, left=52, right=16) as chart:
        chart.axes.bar(days["day"], amounts, 0.8, color=colour, linewidth=0)
        upright(chart, 0.0, 1.05 * float(amounts.max()) or 1.0, scale.tick, language)
        days_axis(chart, len(days) - 1, language)
        return Panel(title, (), chart.svg(column.removesuffix("_li"), title), LOW)


def _unsaleable(days: pd.DataFrame, language: Language) -> Panel:
    title = Phrase("Instruments that cannot be sold at the open", "开盘无法卖出的证券数")
    names = (Phrase("locked at the limit", "封死跌停"), Phrase("closed", "停牌或休市"))
    colours = (_SALE, _QUIET)
    with charts.drawing(LOW, left=52, right=16) as chart:
        under = np.zeros(len(days))
        for column, colour in zip(("closed", "locked"), reversed(colours), strict=True):
            count = days[column].to_numpy(np.float64)
            chart.axes.bar(days["day"], count, 0.8, bottom=under, color=colour, linewidth=0)
            under = under + count
        upright(chart, 0.0, 1.05 * float(under.max()) or 1.0, lambda value: same(f"{value:g}"), language, whole=True)
        days_axis(chart, len(days) - 1, language)
        keys = tuple(Key(name, colour) for name, colour in zip(names, colours, strict=True))
        return Panel(title, keys, chart.svg("unsaleable", title), LOW)


def _of_account(replay: Replay, language: Language) -> list[Panel]:
    assert replay.account is not None and replay.account_days is not None  # noqa: PT018  one thing: an account was asked for
    days = replay.account_days
    owing = days.index[days["debt_open_li"] > 0]
    # Once the debt is gone there is little to see.
    days = days.head(max(owing[-1] + 1 + _AFTER, _LEAST_DAYS) if len(owing) else len(days))
    events = replay.events[(replay.events["day"] <= days["day"].max()) & replay.events["account_id"].notna()]
    return [_ratio(replay.account, days, events, language), _money(days, events, language)]


def _course(days: pd.DataFrame, at_open: Any, at_close: Any) -> tuple[Floats, Floats]:
    """A line through each day's open and, half a day later, its close; the book's date has a close alone."""
    x = np.stack([days["day"], days["day"] + 0.5], axis=1).astype(np.float64).ravel()[1:]
    return x - np.where(x == 0.5, 0.5, 0.0), np.stack([at_open, at_close], axis=1).astype(np.float64).ravel()[1:]


def _share(part: pd.Series[Any], whole: pd.Series[Any]) -> Floats:
    """One amount over another in percent; NaN where the other is zero."""
    one, other = part.to_numpy(np.float64), whole.to_numpy(np.float64)
    return np.asarray(np.divide(100 * one, other, out=np.full(one.size, np.nan), where=other > 0), np.float64)


def _ratio(contract: dict[str, Any], days: pd.DataFrame, events: pd.DataFrame, language: Language) -> Panel:
    title = Phrase("Collateral / debt, %", "维持担保比例（%）")
    lines = [
        (Phrase("warning line {at}%", "警戒线{at}%"), contract["warning_bp"], _CALL, "7 3"),
        (Phrase("liquidation line {at}%", "平仓线{at}%"), contract["liquidation_bp"], _SALE, ""),
    ]
    if contract["restore_bp"] not in (contract["warning_bp"], contract["liquidation_bp"]):
        lines.append((Phrase("restore line {at}%", "恢复线{at}%"), contract["restore_bp"], _ANSWER, "2 2"))
    opening = _share(days["collateral_open_li"], days["debt_open_li"])
    closing = _share(days["collateral_li"], days["debt_li"])
    x, y = _course(days, opening, closing)
    known = y[~np.isnan(y)]
    levels = [bp / 100 for _, bp, _, _ in lines]
    first = known[0] if known.size else levels[0]
    top = min(max([*known, *levels]), _HIGHEST * max(first, *levels))
    low = min([*known[known > 0], *levels])
    room = 0.06 * (top - low) + 0.5
    low, top = low - room, top + room
    with charts.drawing(TALL, left=52, right=16) as chart:
        keys = [Key(title, _RATIO, line=True)]
        _unsaleable_days(chart, days)
        for name, bp, colour, dash in lines:
            drawn = np.array([0.0, len(days) - 0.5])
            draw_line(chart, drawn, np.full(2, bp / 100), colour, dash, 1.2)
            keys.append(Key(name.fill(at=percent_of(bp)), colour, line=True, dash=dash))
        draw_line(chart, x, y, _RATIO, "", 1.8)
        keys += _marks(chart, events, opening, closing, low, top)
        if days["locked_li"].any():
            keys.append(Key(Phrase("shares that cannot be sold (darker: all)", "持股无法卖出（越深越多）"), _QUIET))
        upright(chart, low, top, lambda value: same(f"{value:g}"), language)
        days_axis(chart, len(days) - 1, language)
        return Panel(title, tuple(keys), chart.svg("ratio", title), TALL)


def _unsaleable_days(chart: Drawing, days: pd.DataFrame) -> None:
    """A band on each day on which shares of the account cannot be sold, the darker the larger their share of the collateral."""
    shares = _share(days["locked_li"], days["collateral_open_li"])
    for day, share in zip(days["day"], shares, strict=True):
        if share > 0:
            chart.axes.axvspan(day - 0.25, day + 0.75, color=_QUIET, alpha=0.25 + 0.65 * share / 100, linewidth=0)


def _marks(chart: Drawing, events: pd.DataFrame, opening: Floats, closing: Floats, low: float, top: float) -> list[Key]:
    """A sign for each day on which a thing happened to the account; what is written off stands at the bottom."""
    keys = []
    for kinds, name, sign, colour, filled, late in _SIGNS:
        days = np.unique(events.loc[events["event"].isin(kinds), "day"].to_numpy(np.int64))
        if not days.size:
            continue
        at = closing[days] if late else opening[days]
        at = np.clip(np.where(np.isnan(at), low, at), low, top)
        chart.axes.plot(
            days + (0.5 if late else 0.0), at, sign, color=colour, markersize=6.5, markeredgewidth=1.3, zorder=3, clip_on=False,
            markerfacecolor=colour if filled else "white")
        keys.append(Key(name, colour, dash=sign + ("" if filled else "-")))
    return keys


def _money(days: pd.DataFrame, events: pd.DataFrame, language: Language) -> Panel:
    courses = [
        _course(days, days[f"{name}_open_li"].map(yuan_of), days[f"{name}_li"].map(yuan_of)) for name in ("collateral", "debt")
    ]
    most = max(float(y.max()) for _, y in courses)
    scale: MoneyScale = money_scale([most])
    title = Phrase("Collateral, debt and forced sales, {unit}", "担保物、负债与强平卖出（{unit}）").fill(unit=scale.unit)
    sold = events[events["event"] == "fill"].groupby("day")["money_li"].sum()
    with charts.drawing(LOW, left=52, right=16) as chart:
        chart.axes.bar(sold.index.to_numpy() + 0.25, [yuan_of(v) for v in sold], 0.8, color=_SALE, alpha=0.55, linewidth=0)
        for (x, y), colour in zip(courses, (_RATIO, _DEBT), strict=True):
            draw_line(chart, x, y, colour, "", 1.8)
        upright(chart, 0.0, 1.05 * most or 1.0, scale.tick, language)
        days_axis(chart, len(days) - 1, language)
        keys = [Key(Phrase("collateral", "担保物"), _RATIO, line=True), Key(Phrase("debt", "负债"), _DEBT, line=True)]
        if len(sold):
            keys.append(Key(Phrase("forced sales of the day", "当日强平卖出"), "#dd9a8c"))
        return Panel(title, tuple(keys), chart.svg("money", title), LOW)
