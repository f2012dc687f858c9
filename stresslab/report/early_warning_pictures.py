"""Pictures of a backtest: alarms against index and events, AUROC with intervals, calibration, the sentiment index."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from stresslab.report import charts
from stresslab.report.charts import GRID, INK, LINE_COLOURS, LINE_DASHES, MUTED, Drawing
from stresslab.report.exhibits import Figure, Key
from stresslab.report.phrase import Phrase, same

_EVENT, _BEFORE, _CLOSE, _ALARM, _QUIET = "#f3d9d3", "#fbf0d9", "#1b2733", "#c2452d", "#dfe4e9"
_GRADES = {"yellow": "#f0c75e", "orange": "#dd8a2b", "red": "#9e2f1c"}
#: A drawing holds so many days; of a longer course every second or third is drawn.
_POINTS = 2500


def course(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Figure:
    """The index with events and the days before them, and below it each model's alarms."""
    values, alarms = tables["values"], tables["alarms"]
    days = values["date"].to_numpy(str)
    title = Phrase("{index}: events and alarms", "{index}：事件与报警").fill(index=record["index"])
    models = [m for m in record["models"] if m["name"] not in ("always", "never")]
    height = 200 + 22 * len(models) + 40
    with charts.drawing(height, left=118) as chart:
        close = np.log(values["close"].to_numpy(float))
        low, high = float(close.min()), float(close.max())
        room = (high - low) or 1.0
        step = max(1, math.ceil(days.size / _POINTS))
        row = 0.11 * room
        bottom = low - 0.06 * room - row * len(models)
        _spans(chart, record, tables, days, bottom)
        x = np.arange(0, days.size, step)
        chart.axes.plot(x, close[::step], color=_CLOSE, linewidth=1.0)
        places, names = [], []
        for place, model in enumerate(models):
            y = low - 0.06 * room - row * (place + 0.5)
            places.append(y)
            names.append(_short(model))
            told = alarms[alarms["model"] == model["name"]]
            grade, score = told["grade"].to_numpy(str), told["score"].to_numpy(float)
            fitted = np.isfinite(score) | (grade != "")
            _strip(chart, fitted, y, row, _QUIET)
            if (grade != "").any():
                for name, colour in _GRADES.items():
                    _strip(chart, grade == name, y, row, colour)
            else:
                _strip(chart, told["alarm"].to_numpy(bool), y, row, _ALARM)
        chart.ticks("y", places, names, color=INK, fontsize=10)
        chart.axes.set_ylim(bottom, high + 0.04 * room)
        _years(chart, days)
        chart.axes.spines["left"].set_visible(False)
        keys = [
            Key(Phrase("close (log scale)", "收盘（对数）"), _CLOSE, line=True),
            Key(Phrase("event", "事件"), _EVENT),
            Key(Phrase("days before it", "事件前窗口"), _BEFORE),
            Key(Phrase("alarm", "报警"), _ALARM),
            Key(Phrase("quiet", "未报警"), _QUIET),
        ]
        if (alarms["grade"] != "").any():
            keys += [
                Key(Phrase("yellow", "黄色"), _GRADES["yellow"]),
                Key(Phrase("orange", "橙色"), _GRADES["orange"]),
                Key(Phrase("red", "红色"), _GRADES["red"]),
            ]
        note = Phrase(
            "White below the line: not enough before that day to learn from.",
            "线下空白处：此前样本不足，模型尚未训练。",
        )
        return Figure(title, chart.svg("course", title), tuple(keys), (), note)


def _short(model: dict[str, Any]) -> Phrase:
    name = str(model["name"])
    return Phrase(
        name if len(name) < 17 else name[:15] + "…",
        str(model["zh"]) if len(str(model["zh"])) < 9 else str(model["zh"])[:8] + "…",
    )


def _spans(chart: Drawing, record: dict[str, Any], tables: dict[str, pd.DataFrame], days: Any, bottom: float) -> None:
    for event in tables["events"].to_dict("records"):
        start, end = np.searchsorted(days, event["start"]), np.searchsorted(days, event["end"])
        chart.axes.axvspan(max(0, start - record["settings"]["horizon"]), start, color=_BEFORE, linewidth=0, zorder=0)
        chart.axes.axvspan(start, end, color=_EVENT, linewidth=0, zorder=0)


def _strip(chart: Drawing, on: Any, y: float, height: float, colour: str) -> None:
    """One row of days that are on, as bars of neighbouring days."""
    edge = np.diff(np.r_[0, on.astype(int), 0])
    runs = [(int(a), int(b - a)) for a, b in zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1), strict=True)]
    if runs:
        chart.axes.broken_barh(runs, (y - 0.36 * height, 0.72 * height), facecolor=colour, linewidth=0)


def _years(chart: Drawing, days: Any) -> None:
    years = [d[:4] for d in days]
    starts = [n for n in range(1, len(days)) if years[n] != years[n - 1]] or [0]
    shown = starts[:: max(1, math.ceil(len(starts) / 8))]
    chart.axes.set_xlim(0, len(days))
    chart.ticks("x", shown, [same(years[n]) for n in shown], color=MUTED)


def areas(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Figure | None:
    """AUROC of each model with its interval, and of chance."""
    told = tables["scores"]
    told = told[
        (told["measure"] == "auroc")
        & (told["window"] == "walk_forward")
        & told["value"].notna()
        & ~told["model"].isin(["always", "never"])
    ]
    if told.empty:
        return None
    names = {m["name"]: m for m in record["models"]}
    level = round(100 * record["settings"]["level"])
    title = Phrase("AUROC with {p}% intervals, walk-forward", "AUROC及{p}%区间（滚动前推）").fill(p=level)
    with charts.drawing(30 * len(told) + 48, left=118) as chart:
        for place, row in enumerate(told.to_dict("records")):
            colour = "#8a949e" if names[row["model"]]["naive"] else "#2f6ea5"
            if np.isfinite(row["low"]):
                chart.axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2.2, alpha=0.6)
            chart.axes.plot(row["value"], place, "o", color=colour, markersize=5)
        chart.axes.plot([0.5, 0.5], [-0.5, len(told) - 0.5], color=INK, linewidth=0.9)
        chart.axes.set_ylim(len(told) - 0.4, -0.6)
        chart.axes.set_xlim(0, 1)
        chart.ticks("y", range(len(told)), [_short(names[m]) for m in told["model"]], color=INK, fontsize=10)
        chart.ticks("x", [0, 0.25, 0.5, 0.75, 1], [same(t) for t in ("0", "0.25", "0.5", "0.75", "1")], color=MUTED)
        chart.axes.grid(axis="x", color=GRID, linewidth=0.8)
        note = Phrase(
            "The line stands at chance. Intervals only where there are three events or more.",
            "竖线为随机水平。事件不足三个时不给区间。",
        )
        return Figure(title, chart.svg("areas", title), (), (), note)


def calibration(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Figure | None:
    """Said probability against what happened, in bins of a tenth."""
    alarms = tables["alarms"]
    judged = alarms[(alarms["window"] == "walk_forward") & ~alarms["model"].isin(["always", "never"])]
    if judged.empty:
        return None
    title = Phrase("Said probability and what happened", "预测概率与实际频率")
    keys = []
    with charts.drawing(250, left=46) as chart:
        chart.axes.plot([0, 1], [0, 1], color=GRID, linewidth=1.2)
        for place, (name, told) in enumerate(judged.groupby("model", sort=False)):
            p, y = told["probability"].to_numpy(float), told["label"].to_numpy(float)
            group = np.clip(np.ceil(p * 10) - 1, 0, 9).astype(int)
            kept = [g for g in range(10) if (group == g).sum() >= 10]
            colour, dash = LINE_COLOURS[place % len(LINE_COLOURS)], LINE_DASHES[place % len(LINE_DASHES)]
            (line,) = chart.axes.plot(
                [p[group == g].mean() for g in kept],
                [y[group == g].mean() for g in kept],
                marker="o",
                markersize=3.5,
                color=colour,
                linewidth=1.4,
            )
            if dash:
                line.set_dashes([float(d) / 1.2 for d in dash.split()])
            model = next(m for m in record["models"] if m["name"] == name)
            keys.append(Key(_short(model), colour, line=True, dash=dash))
        chart.axes.set_xlim(0, 1)
        chart.axes.set_ylim(-0.02, 1.02)
        for axis in "xy":
            chart.ticks(
                axis, [0, 0.25, 0.5, 0.75, 1], [same(t) for t in ("0", "0.25", "0.5", "0.75", "1")], color=MUTED
            )
        chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
        note = Phrase(
            "Across: said; up: share of those days before an event; bins of ten days or more.",
            "横轴：预测；纵轴：实际频率；每组至少十日。",
        )
        return Figure(title, chart.svg("calibration", title), tuple(keys), (), note)


def sentiment(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Figure | None:
    """The sentiment index through the events."""
    values = tables["values"]
    if "sentiment" not in values or not values["sentiment"].notna().any():
        return None
    days = values["date"].to_numpy(str)
    title = Phrase("Market sentiment index: 0 fear, 100 greed", "市场情绪指数：0恐慌，100贪婪")
    with charts.drawing(210, left=46) as chart:
        _spans(chart, record, tables, days, 0.0)
        step = max(1, math.ceil(days.size / _POINTS))
        x = np.arange(0, days.size, step)
        chart.axes.plot(x, values["sentiment"].to_numpy(float)[::step], color="#8a4f8f", linewidth=0.9)
        chart.axes.set_ylim(0, 100)
        places = [float(p) for p in MaxNLocator(5).tick_values(0, 100)]
        chart.ticks("y", places, [same(f"{p:g}") for p in places], color=MUTED)
        _years(chart, days)
        return Figure(
            title,
            chart.svg("sentiment", title),
            (Key(Phrase("index", "指数"), "#8a4f8f", line=True), Key(Phrase("event", "事件"), _EVENT)),
            (),
        )
