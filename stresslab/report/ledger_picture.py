"""The picture of one path, or of one account on it, as an SVG file that stands by itself, in one language."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from stresslab.ledger import Replay
from stresslab.report import charts
from stresslab.report.amounts import MoneyScale, money_scale, yuan_of
from stresslab.report.charts import GRID, INK, MUTED, WIDTH, Drawing
from stresslab.report.exhibits import Key
from stresslab.report.ledger import headline, percent_of
from stresslab.report.phrase import Language, Phrase, same

Floats = NDArray[np.float64]

#: The reader's fonts, those of the report.
_FONTS = (
    "Helvetica Neue, Arial, Noto Sans CJK SC, Source Han Sans SC, Microsoft YaHei, PingFang SC, WenQuanYi Micro Hei, "
    "DejaVu Sans, sans-serif"
)
#: Pixels: around the picture, between panels, and lines of text.
_EDGE, _GAP, _LINE = 20, 30, 18
_TALL, _LOW = 300, 230
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


@dataclass(frozen=True)
class _Panel:
    """One drawing with its title and legend."""

    title: Phrase
    keys: tuple[Key, ...]
    svg: Markup
    height: float


def picture(replay: Replay, language: Language = "en") -> str:
    """A path in four panels, or one account in two, as SVG; the same replay gives the same bytes."""
    panels = _of_path(replay, language) if replay.account is None else _of_account(replay, language)
    return _page(headline(replay), panels, 2 if replay.account is None else 1, language)


# --- panels ---------------------------------------------------------------------------------------


def _of_path(replay: Replay, language: Language) -> list[_Panel]:
    days = replay.days
    return [_prices(days, language), _bars(days, "margin_call_li", language), _unsaleable(days, language), _bars(days, "sold_li", language)]


def _prices(days: pd.DataFrame, language: Language) -> _Panel:
    title = Phrase("Prices, % of the book's date", "价格（账簿日为100%）")
    names = (
        Phrase("market factor", "市场因子"), Phrase("collateral, fundamental", "担保物（基本面）"),
        Phrase("collateral, quoted", "担保物（报价）"),
    )
    columns = ("factor_ppm", "basket_fundamental_ppm", "basket_quoted_ppm")
    dashes = ("4 3", "", "")
    with charts.drawing(_LOW, left=52, right=16) as chart:
        lines = [days[name].to_numpy(np.float64) / 10_000 for name in columns]
        for line, colour, dash in zip(lines, _PRICES, dashes, strict=True):
            _line(chart, days["day"], line, colour, dash)
        low, high = min(float(x.min()) for x in lines), max(float(x.max()) for x in lines)
        room = 0.05 * (high - low) + 0.1
        _scale(chart, low - room, high + room, lambda value: same(f"{value:g}%"), language)
        _days(chart, len(days) - 1, language)
        keys = tuple(Key(n, c, line=True, dash=d) for n, c, d in zip(names, _PRICES, dashes, strict=True))
        return _Panel(title, keys, chart.svg("prices", title), _LOW)


_BARS = {
    "margin_call_li": (Phrase("Margin calls at the open, {unit}", "开盘追缴额（{unit}）"), _CALL),
    "sold_li": (Phrase("Forced sales of the day, {unit}", "当日强平卖出额（{unit}）"), _SALE),
}


def _bars(days: pd.DataFrame, column: str, language: Language) -> _Panel:
    said, colour = _BARS[column]
    amounts = days[column].map(yuan_of).to_numpy(np.float64)
    scale = money_scale(amounts.tolist())
    title = said.fill(unit=scale.unit)
    with charts.drawing(_LOW, left=52, right=16) as chart:
        chart.axes.bar(days["day"], amounts, 0.8, color=colour, linewidth=0)
        _scale(chart, 0.0, 1.05 * float(amounts.max()) or 1.0, scale.tick, language)
        _days(chart, len(days) - 1, language)
        return _Panel(title, (), chart.svg(column.removesuffix("_li"), title), _LOW)


def _unsaleable(days: pd.DataFrame, language: Language) -> _Panel:
    title = Phrase("Instruments that cannot be sold at the open", "开盘无法卖出的证券数")
    names = (Phrase("locked at the limit", "封死跌停"), Phrase("closed", "停牌或休市"))
    colours = (_SALE, _QUIET)
    with charts.drawing(_LOW, left=52, right=16) as chart:
        under = np.zeros(len(days))
        for column, colour in zip(("closed", "locked"), reversed(colours), strict=True):
            count = days[column].to_numpy(np.float64)
            chart.axes.bar(days["day"], count, 0.8, bottom=under, color=colour, linewidth=0)
            under = under + count
        _scale(chart, 0.0, 1.05 * float(under.max()) or 1.0, lambda value: same(f"{value:g}"), language, whole=True)
        _days(chart, len(days) - 1, language)
        keys = tuple(Key(name, colour) for name, colour in zip(names, colours, strict=True))
        return _Panel(title, keys, chart.svg("unsaleable", title), _LOW)


def _of_account(replay: Replay, language: Language) -> list[_Panel]:
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


def _ratio(contract: dict[str, Any], days: pd.DataFrame, events: pd.DataFrame, language: Language) -> _Panel:
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
    with charts.drawing(_TALL, left=52, right=16) as chart:
        keys = [Key(title, _RATIO, line=True)]
        _unsaleable_days(chart, days)
        for name, bp, colour, dash in lines:
            drawn = np.array([0.0, len(days) - 0.5])
            _line(chart, drawn, np.full(2, bp / 100), colour, dash, 1.2)
            keys.append(Key(name.fill(at=percent_of(bp)), colour, line=True, dash=dash))
        _line(chart, x, y, _RATIO, "", 1.8)
        keys += _marks(chart, events, opening, closing, low, top)
        if days["locked_li"].any():
            keys.append(Key(Phrase("shares that cannot be sold (darker: all)", "持股无法卖出（越深越多）"), _QUIET))
        _scale(chart, low, top, lambda value: same(f"{value:g}"), language)
        _days(chart, len(days) - 1, language)
        return _Panel(title, tuple(keys), chart.svg("ratio", title), _TALL)


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


def _money(days: pd.DataFrame, events: pd.DataFrame, language: Language) -> _Panel:
    courses = [
        _course(days, days[f"{name}_open_li"].map(yuan_of), days[f"{name}_li"].map(yuan_of)) for name in ("collateral", "debt")
    ]
    most = max(float(y.max()) for _, y in courses)
    scale: MoneyScale = money_scale([most])
    title = Phrase("Collateral, debt and forced sales, {unit}", "担保物、负债与强平卖出（{unit}）").fill(unit=scale.unit)
    sold = events[events["event"] == "fill"].groupby("day")["money_li"].sum()
    with charts.drawing(_LOW, left=52, right=16) as chart:
        chart.axes.bar(sold.index.to_numpy() + 0.25, [yuan_of(v) for v in sold], 0.8, color=_SALE, alpha=0.55, linewidth=0)
        for (x, y), colour in zip(courses, (_RATIO, _DEBT), strict=True):
            _line(chart, x, y, colour, "", 1.8)
        _scale(chart, 0.0, 1.05 * most or 1.0, scale.tick, language)
        _days(chart, len(days) - 1, language)
        keys = [Key(Phrase("collateral", "担保物"), _RATIO, line=True), Key(Phrase("debt", "负债"), _DEBT, line=True)]
        if len(sold):
            keys.append(Key(Phrase("forced sales of the day", "当日强平卖出"), "#dd9a8c"))
        return _Panel(title, tuple(keys), chart.svg("money", title), _LOW)


# --- axes -----------------------------------------------------------------------------------------


def _line(chart: Drawing, x: Any, y: Any, colour: str, dash: str, width: float = 1.8) -> None:
    (line,) = chart.axes.plot(x, y, color=colour, linewidth=width, solid_joinstyle="round")
    if dash:
        line.set_dashes([float(d) / width * 1.4 for d in dash.split()])


def _scale(chart: Drawing, low: float, top: float, word: Any, language: Language, *, whole: bool = False) -> None:
    chart.axes.set_ylim(low, top)
    places = [float(p) for p in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, top) if low <= p <= top]
    chart.ticks("y", places, [same(word(p).pick(language)) for p in places], color=MUTED)
    chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
    chart.axes.spines["left"].set_visible(False)


def _days(chart: Drawing, days: int, language: Language) -> None:
    chart.axes.set_xlim(-0.5, days + 0.8)
    places = [int(p) for p in MaxNLocator(6, steps=[1, 2, 5, 10], integer=True).tick_values(0, days) if 0 <= p <= days]
    last = Phrase("day {n}", "{n}日").fill(n=places[-1]).pick(language)
    chart.ticks("x", places, [*(same(p) for p in places[:-1]), same(last)], color=MUTED)


# --- the page -------------------------------------------------------------------------------------


def _page(heads: list[Phrase], panels: list[_Panel], columns: int, language: Language) -> str:
    """Headings, then panels side by side, row by row."""
    width = 2 * _EDGE + columns * WIDTH + (columns - 1) * _GAP
    parts: list[Markup] = []
    y = float(_EDGE + 6)
    for place, said in enumerate(heads):
        for line in _lines(said.pick(language), width - 2 * _EDGE, 16 if place == 0 else 12):
            parts.append(_text(_EDGE, y + 8, line, 16 if place == 0 else 12, INK if place == 0 else MUTED, bold=place == 0))
            y += 24 if place == 0 else _LINE
    for start in range(0, len(panels), columns):
        row = panels[start:start + columns]
        y += _GAP - 6
        legends = [_legend(panel, language) for panel in row]
        deepest = max(depth for _, depth in legends)
        for place, (panel, (legend, _)) in enumerate(zip(row, legends, strict=True)):
            x = _EDGE + place * (WIDTH + _GAP)
            parts.append(_text(x, y, panel.title.pick(language), 13.5, INK, bold=True))
            parts.append(Markup('<g transform="translate({} {})">{}</g>').format(x, y + 10, legend))
            parts.append(_placed(panel, x, y + 14 + deepest))
        y += 14 + deepest + max(panel.height for panel in row)
    height = round(y + _EDGE)
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" font-family="{fonts}" role="img" '
        'aria-label="{label}" lang="{language}">\n<rect width="{w}" height="{h}" fill="#ffffff"/>\n'
    ).format(w=width, h=height, fonts=_FONTS, label=heads[0].pick(language), language=language)
    return str(head + Markup("\n").join(parts) + Markup("\n</svg>\n"))


def _placed(panel: _Panel, x: float, y: float) -> Markup:
    """A drawing inside the page; the words of the other language are not in it."""
    inner = re.sub(r"^<svg[^>]*>", "", str(panel.svg), count=1)
    head = Markup('<svg x="{}" y="{}" width="{w}" height="{h}" viewBox="0 0 {w} {h}">').format(x, y, w=WIDTH, h=round(panel.height))
    return head + Markup(inner)


def _legend(panel: _Panel, language: Language) -> tuple[Markup, float]:
    """The legend below a title, over as many lines as it needs, and its height."""
    parts: list[Markup] = []
    x, y = 0.0, 10.0
    for key in panel.keys:
        name = key.name.pick(language)
        wide = 26 + _wide(name, 11.5)
        if x > 0 and x + wide > WIDTH:
            x, y = 0.0, y + _LINE
        parts += [_swatch(key, x, y), _text(x + 22, y + 4, name, 11.5, MUTED)]
        x += wide + 14
    return Markup("").join(parts), y + 8 if panel.keys else 0.0


def _swatch(key: Key, x: float, y: float) -> Markup:
    if key.line:
        return Markup('<path d="M{} {}h16" stroke="{}" stroke-width="2" stroke-dasharray="{}" fill="none"/>').format(
            x, y, key.colour, key.dash or "none")
    if not key.dash:
        return Markup('<rect x="{}" y="{}" width="14" height="10" fill="{}"/>').format(x + 1, y - 5, key.colour)
    fill = "#ffffff" if key.dash.endswith("-") else key.colour
    cx = x + 8
    shapes = {
        "v": f"M{cx - 4.5:g} {y - 4:g}h9l-4.5 8z", "^": f"M{cx - 4.5:g} {y + 4:g}h9l-4.5 -8z",
        "D": f"M{cx:g} {y - 5:g}l5 5l-5 5l-5 -5z", "o": f"M{cx - 4:g} {y:g}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
        "X": f"M{cx - 4:g} {y - 4:g}l8 8m0 -8l-8 8",
    }
    return Markup('<path d="{}" fill="{}" stroke="{}" stroke-width="{}"/>').format(
        shapes[key.dash[0]], fill, key.colour, 2.6 if key.dash[0] == "X" else 1.2)


def _text(x: float, y: float, text: str, size: float, colour: str, *, bold: bool = False) -> Markup:
    weight = Markup(' font-weight="600"') if bold else ""
    return Markup('<text x="{}" y="{}" font-size="{}" fill="{}"{}>{}</text>').format(f"{x:g}", f"{y:g}", size, colour, weight, escape(text))


def _wide(text: str, size: float) -> float:
    """About how many pixels a text takes: a Chinese character is one em, a Latin one about half."""
    return size * sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.54 for c in text)


def _lines(text: str, room: float, size: float) -> list[str]:
    """A text broken where it would leave the page: between words, or behind a Chinese sign."""
    lines = [""]
    for piece in re.findall(r"[^\s\u3000-\u9fff\uff00-\uffef]+\s*|.", text):
        if lines[-1] and _wide(lines[-1] + piece.rstrip(), size) > room:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]
