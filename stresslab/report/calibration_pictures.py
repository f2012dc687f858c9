"""Pictures of a calibration: returns and volatility, quantiles, betas, comovement, turnover."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from stresslab.report import charts
from stresslab.report.charts import GRID, INK, LINE_COLOURS, LINE_DASHES, MUTED, Drawing
from stresslab.report.exhibits import Figure, Key
from stresslab.report.phrase import Phrase, same

_LAW = {"gbm": Phrase("normal days", "正态"), "jump": Phrase("jumps", "跳跃"), "garch": same("GARCH"),
    "regime": Phrase("two states", "双状态")}
#: A drawing holds so many days; a longer course shows the extremes of groups of days.
_POINTS = 1500


def course(numbers: dict[str, Any]) -> Figure:
    """Daily returns, and what GARCH takes two standard deviations of the day to be."""
    series = numbers["series"]
    r = np.array(series["return_pct"])
    day = np.arange(r.size)
    sd = series["volatility_pct"].get("garch") or series["volatility_pct"].get("regime")
    title = Phrase("Daily returns of {index}, %", "{index}日收益率（%）").fill(index=numbers["index"])
    keys = [Key(Phrase("return", "收益率"), "#8fb3d1", line=True)]
    with charts.drawing(250, left=46) as chart:
        step = max(1, math.ceil(r.size / _POINTS))
        x, low, high = _grouped(day, r, step)
        chart.axes.vlines(x, np.minimum(low, 0), np.maximum(high, 0), color="#8fb3d1", linewidth=0.7)
        if sd:
            two = 2 * np.array(sd) / math.sqrt(252)
            at, _, top = _grouped(day, two, step)
            for sign in (1, -1):
                chart.axes.plot(at, sign * top, color="#c2452d", linewidth=1.0)
            keys.append(Key(Phrase("two fitted deviations", "±2倍拟合标准差"), "#c2452d", line=True))
        wide = 2 * max(sd) / math.sqrt(252) if sd else 0.0
        _values(chart, min(float(r.min()), -wide), max(float(r.max()), wide), "%")
        years = [d[:4] for d in series["date"]]
        starts = [n for n in range(1, r.size) if years[n] != years[n - 1]]
        shown = starts[:: max(1, math.ceil(len(starts) / 7))] or [0]
        chart.axes.set_xlim(0, r.size)
        chart.ticks("x", shown, [same(years[n]) for n in shown], color=MUTED)
        return Figure(title, chart.svg("course", title), tuple(keys), ())


def _grouped(x: Any, y: Any, step: int) -> tuple[Any, Any, Any]:
    """Places, lowest and highest of groups of so many neighbours."""
    cuts = np.arange(0, x.size, step)
    return x[cuts], np.minimum.reduceat(y, cuts), np.maximum.reduceat(y, cuts)


def quantiles(numbers: dict[str, Any]) -> Figure:
    """Standardised residuals of each law against normal quantiles: a straight line is a good fit."""
    told = numbers["quantiles"]
    normal = np.array(told["normal"])
    title = Phrase("Residuals of each law against normal quantiles", "各模型残差与正态分位数")
    keys = []
    with charts.drawing(250, left=46) as chart:
        span = [-3.2, 3.2]
        chart.axes.plot(span, span, color=GRID, linewidth=1.2)
        most = 3.2
        for place, name in enumerate(n for n in _LAW if n in told):
            y = np.clip(np.array(told[name]), -6, 6)
            most = max(most, float(np.abs(y).max()))
            colour, dash = LINE_COLOURS[place], LINE_DASHES[place % len(LINE_DASHES)]
            (line,) = chart.axes.plot(normal, y, color=colour, linewidth=1.6)
            if dash:
                line.set_dashes([float(d) / 1.2 for d in dash.split()])
            keys.append(Key(_LAW[name], colour, line=True, dash=dash))
        _values(chart, -most, most, "")
        chart.axes.set_xlim(*span)
        chart.ticks("x", [-3, -2, -1, 0, 1, 2, 3], [same(str(n).replace("-", "−")) for n in range(-3, 4)], color=MUTED)
        note = Phrase("Below the line on the left: falls larger than the law expects.", "左侧低于直线：下跌比模型预期更大。")
        return Figure(title, chart.svg("quantiles", title), tuple(keys), (), note)


def betas(numbers: dict[str, Any]) -> Figure:
    """Betas in their order, each with its 95% interval; hollow ones were shrunk."""
    told = sorted(numbers["instruments"].values(), key=lambda t: float(t["beta"]["value"]))
    title = Phrase("Betas with 95% intervals, in order", "贝塔及95%区间（按大小排列）")
    with charts.drawing(250, left=46) as chart:
        value = np.array([t["beta"]["value"] for t in told])
        half = 1.96 * np.array([t["beta"]["error"] or 0.0 for t in told])
        x = np.arange(value.size)
        width = 1.4 if value.size < 120 else 0.7
        chart.axes.vlines(x, value - half, value + half, color="#a9c9e3", linewidth=width)
        drawn = np.array([t["shrunk"] for t in told], bool)
        chart.axes.plot(x[~drawn], value[~drawn], "o", color="#2f6ea5", markersize=2.6)
        chart.axes.plot(x[drawn], value[drawn], "o", markeredgecolor="#2f6ea5", markerfacecolor="white", markersize=3.2,
            markeredgewidth=0.9)
        _values(chart, min(0.0, float((value - half).min())), float((value + half).max()), "")
        chart.axes.set_xlim(-1, value.size)
        chart.ticks("x", [0, value.size - 1], [Phrase("lowest", "最低"), Phrase("highest", "最高")], color=MUTED)
        keys = [Key(Phrase("least squares", "最小二乘"), "#2f6ea5")]
        if drawn.any():
            keys.append(Key(Phrase("hollow: shrunk", "空心：收缩"), "#a9c9e3"))
        return Figure(title, chart.svg("betas", title), tuple(keys), ())


def comovement(numbers: dict[str, Any]) -> Figure:
    """Mean correlation of two instruments on days of each kind, with 95% intervals."""
    move = numbers["comovement"]
    rows = [("all_days", Phrase("all days", "全部")), ("normal_days", Phrase("not the worst", "非最差日")),
            ("worst_days", Phrase("worst 10%", "最差10%")), ("calm_days", Phrase("calm", "平静日")),
            ("turbulent_days", Phrase("turbulent", "动荡日"))]
    title = Phrase("Mean correlation of two instruments", "两只证券的平均相关系数")
    with charts.drawing(34 * len(rows) + 40, left=110) as chart:
        most = 0.1
        for place, (key, _) in enumerate(rows):
            value, error = move[key]["value"], move[key]["error"] or 0.0
            colour = "#c2452d" if key in ("worst_days", "turbulent_days") else "#2f6ea5"
            chart.axes.barh(place, value, 0.5, color=colour, linewidth=0, alpha=0.85)
            chart.axes.plot([value - 1.96 * error, value + 1.96 * error], [place, place], color=INK, linewidth=1.1)
            chart.label(value + 1.96 * error, place, same(f"{value:.2f}"), xytext=(5, 0), textcoords="offset points", va="center_baseline",
                        color=INK, fontsize=11)
            most = max(most, value + 1.96 * error)
        normal = move["worst_days_if_jointly_normal"]
        chart.axes.plot([normal, normal], [1.65, 2.35], color=INK, linewidth=2.2)
        chart.axes.set_ylim(len(rows) - 0.45, -0.55)
        chart.ticks("y", range(len(rows)), [name for _, name in rows], color=INK)
        chart.axes.set_xlim(min(0.0, normal - 0.02), most * 1.18)
        places = [float(p) for p in MaxNLocator(5).tick_values(0, most) if 0 <= p <= most * 1.1]
        chart.ticks("x", places, [same(f"{p:g}") for p in places], color=MUTED)
        chart.axes.grid(axis="x", color=GRID, linewidth=0.8)
        keys = (Key(Phrase("ordinary days", "一般日子"), "#2f6ea5"), Key(Phrase("bad days", "糟糕日子"), "#c2452d"),
                Key(Phrase("if jointly normal", "若联合正态"), INK, line=True))
        return Figure(title, chart.svg("comovement", title), keys, ())


def turnover(numbers: dict[str, Any]) -> Figure:
    """Shares traded a day, instruments in order, on a scale of powers of ten."""
    told = sorted((t["adv_shares"]["value"], t["adv_shares"]["error"] or 0.0) for t in numbers["instruments"].values() if t["adv_shares"])
    value, error = np.array([v for v, _ in told]), np.array([e for _, e in told])
    kept = value > 0
    value, error = value[kept], error[kept]
    title = Phrase("Shares traded a day, in order", "日均成交股数（按大小排列）")
    with charts.drawing(250, left=56) as chart:
        x = np.arange(value.size)
        low, high = np.log10(np.maximum(value - 1.96 * error, value / 10)), np.log10(value + 1.96 * error)
        chart.axes.vlines(x, low, high, color="#a9c9e3", linewidth=1.2)
        chart.axes.plot(x, np.log10(value), "o", color="#2f6ea5", markersize=2.6)
        lowest = math.floor(float(low.min()))
        powers = range(lowest, max(math.ceil(float(high.max())), lowest + 1) + 1)
        chart.axes.set_ylim(powers[0], powers[-1])
        chart.ticks("y", list(powers), [_power(p) for p in powers], color=MUTED)
        chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
        chart.axes.set_xlim(-1, value.size)
        chart.ticks("x", [0, value.size - 1], [Phrase("lowest", "最低"), Phrase("highest", "最高")], color=MUTED)
        return Figure(title, chart.svg("turnover", title), (Key(Phrase("mean with 95% interval", "均值及95%区间"), "#2f6ea5"),), ())


def _power(p: int) -> Phrase:
    en = f"{10 ** (p % 3):,}" + ("", "k", "m", "bn", "tn")[min(p // 3, 4)] if p >= 0 else f"{10.0**p:g}"
    zh = f"{10 ** (p % 4):,}" + ("", "万", "亿", "万亿")[min(p // 4, 3)] if p >= 0 else f"{10.0**p:g}"
    return Phrase(en, zh)


def _values(chart: Drawing, low: float, high: float, unit: str) -> None:
    room = 0.05 * (high - low) or 0.5
    chart.axes.set_ylim(low - room, high + room)
    places = [float(p) for p in MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low - room <= p <= high + room]
    chart.ticks("y", places, [same(f"{p:g}{unit}".replace("-", "−")) for p in places], color=MUTED)
    chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
    chart.axes.spines["left"].set_visible(False)
