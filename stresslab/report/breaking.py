"""The answer of a reverse stress test, in the terminal, as JSON and as a picture (M-93 to M-95)."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator
from rich.console import Console
from rich.table import Table

from stresslab.breaking_point import Answer, Breaking, Dial
from stresslab.report import charts
from stresslab.report.amounts import rounded
from stresslab.report.charts import GRID, INK, MUTED
from stresslab.report.exhibits import Key
from stresslab.report.panels import TALL, Panel, draw_line, page, upright
from stresslab.report.phrase import Language, Phrase, same

_LINE, _BAND, _GOAL = "#2f6ea5", "#a9c9e3", "#c2452d"
_ANSWER = Phrase("answer", "答案")
_NEVER = Phrase("not reached", "未达到")


def as_json(found: Breaking) -> dict[str, Any]:
    """Everything that was asked, found and run, as JSON can hold it; settings are numbers, nulls are what no setting meets."""

    def number(value: Decimal | None) -> float | None:
        return None if value is None else float(value)

    def turn(one: Any) -> dict[str, Any]:
        return {"mild": number(one.mild), "severe": number(one.severe), "change": one.change, "error": one.error}

    return {
        "scenario": found.scenario,
        "goal": str(found.goal),
        "dials": [{"key": d.key, "mild": number(d.mild), "severe": number(d.severe), "steps": d.steps} for d in found.dials],
        "answers": [
            {
                "platform_id": a.platform, "fixed": number(a.fixed), "setting": number(a.setting), "low": number(a.low),
                "high": number(a.high), "turns": [turn(t) for t in a.turns], "again": [[number(x), number(y)] for x, y in a.again],
            } for a in found.answers
        ],
        "points": [
            {
                "settings": [number(s) for s in p.settings], "scenario": p.scenario,
                "figures": {
                    name: dict(zip(("value", "error", "low", "high", "paths"), (_null(x) for x in figure), strict=True))
                    for name, figure in p.figures.items()
                },
            } for p in found.points
        ],
    }


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _shown(value: Decimal | None, language: Language) -> str:
    return _NEVER.pick(language) if value is None else f"{value.normalize():f}"


def print_answers(found: Breaking, console: Console, language: Language = "en") -> None:
    """Print one line for each answer, and what makes it doubtful."""
    dial = found.dials[0]
    words = Phrase("platform|mildest setting|95% interval", "平台|最轻设定|95%区间").pick(language).split("|")
    asked = Phrase("until {goal}, turning {key} from {mild} to {severe}", "直到{goal}，{key}由{mild}调至{severe}").fill(
        goal=found.goal, key=dial.key, mild=_shown(dial.mild, language), severe=_shown(dial.severe, language))
    console.print(asked.pick(language), highlight=False)
    table = Table(box=None, padding=(0, 1))
    for place, name in enumerate([words[0], *([found.dials[1].key] if len(found.dials) == 2 else []), *words[1:]]):
        table.add_column(name, justify="left" if place == 0 else "right", no_wrap=True)
    for answer in found.answers:
        fixed = [] if answer.fixed is None else [_shown(answer.fixed, language)]
        low, high = _shown(answer.low, language), _shown(answer.high, language)
        table.add_row(answer.platform, *fixed, _shown(answer.setting, language), f"{low} … {high}")
    console.print(table)
    for answer in found.answers:
        for said in _doubts(answer, dial):
            console.print(said.pick(language), highlight=False)
    paths = max(figure[4] for point in found.points for figure in point.figures.values())
    told = Phrase("{n} points of {paths} paths, all on the same weather; the interval is that of sampling, not of parameters",
                  "{n}个点、每点{paths}条路径，随机数相同；区间只反映抽样误差，不含参数不确定性").fill(n=len(found.points), paths=paths)
    console.print(told.pick(language), highlight=False)


def _doubts(answer: Answer, dial: Dial) -> list[Phrase]:
    """Where a worse shock gave a milder figure, or the goal was met more than once."""
    who = same(answer.platform if answer.fixed is None else f"{answer.platform} ({answer.fixed.normalize():f})")
    said = [
        Phrase("{who}: not monotone: from {key} {a} to {b} the figure gets milder by {x} ± {e}",
               "{who}：不单调：{key}由{a}至{b}时，指标反而减轻{x} ± {e}").fill(
            who=who, key=dial.key, a=f"{t.mild.normalize():f}", b=f"{t.severe.normalize():f}", x=rounded(abs(t.change), 2),
            e=rounded(t.error, 2)) for t in answer.turns
    ]
    return said + [
        Phrase("{who}: beyond the answer the goal changes sides again between {a} and {b}",
               "{who}：超过答案后，目标在{a}与{b}之间再次变化").fill(who=who, a=f"{a.normalize():f}", b=f"{b.normalize():f}")
        for a, b in answer.again
    ]


def picture(found: Breaking, language: Language = "en") -> str:
    """A panel for each platform as SVG: the figure along the dial, or with two dials the frontier; the same answer gives the same bytes."""
    platforms = list(dict.fromkeys(a.platform for a in found.answers))
    draw = _frontier if len(found.dials) == 2 else _curve
    panels = [draw(found, name, language) for name in platforms]
    scenario = found.scenario
    title = Phrase(str(scenario["title"]), str(scenario["title_zh"]))
    heads = [
        Phrase("How mild a shock already breaks the platform: {title}", "多轻的冲击就会击垮平台：{title}").fill(title=title),
        Phrase("until {goal}; bands are 95% intervals of sampling, all points on the same weather",
               "直到{goal}；带状区为95%抽样区间，各点使用相同的随机数").fill(goal=str(found.goal)),
    ]
    return page(heads, panels, min(2, len(panels)), language)


def _axis(chart: charts.Drawing, dial: Dial) -> None:
    """A dial along the bottom, mild on the left."""
    low, high = float(dial.mild), float(dial.severe)
    chart.axes.set_xlim(low, high)
    places = [float(p) for p in MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(min(low, high), max(low, high))
              if min(low, high) <= p <= max(low, high)]
    chart.ticks("x", places, [same(f"{p:g}") for p in places], color=MUTED)


def _curve(found: Breaking, platform: str, language: Language) -> Panel:
    answer = next(a for a in found.answers if a.platform == platform)
    points = sorted((float(p.settings[0]), *p.figures[platform][:4]) for p in found.points)
    title = Phrase("{platform}: {figure} along {key}", "{platform}：{figure}随{key}变化").fill(
        platform=platform, figure=f"{found.goal.measure}_{found.goal.statistic}", key=found.dials[0].key)
    with charts.drawing(TALL, left=64, right=20) as chart:
        x, y = [p[0] for p in points], [p[1] for p in points]
        low, high = ([p[1] if math.isnan(p[at]) else p[at] for p in points] for at in (3, 4))
        chart.axes.fill_between(x, low, high, color=_BAND, alpha=0.55, linewidth=0)
        draw_line(chart, x, y, _LINE, "")
        chart.axes.plot(x, y, linestyle="", marker="o", markersize=3, color=_LINE)
        chart.axes.axhline(found.goal.line, color=_GOAL, linewidth=1.2, linestyle=(0, (4, 3)))
        if answer.setting is not None:
            chart.axes.axvline(float(answer.setting), color=INK, linewidth=1.2)
            chart.label(float(answer.setting), 1.0, same(_shown(answer.setting, language)), xycoords=("data", "axes fraction"),
                        textcoords="offset points", xytext=(4, -12), color=INK)
        held = [v for v in (*low, *high, found.goal.line) if not math.isnan(v)]
        room = 0.06 * ((max(held) - min(held)) or 1.0)
        upright(chart, min(held) - room, max(held) + room, lambda value: same(f"{value:,g}"), language)
        _axis(chart, found.dials[0])
        keys = (
            Key(same(f"{found.goal.measure}_{found.goal.statistic}"), _LINE, True),
            Key(Phrase("95% interval", "95%区间"), _BAND), Key(Phrase("goal", "目标"), _GOAL, True, "4 3"),
            Key(_ANSWER, INK, True),
        )
        return Panel(title, keys, chart.svg(f"curve-{_name(platform)}", title), TALL)


def _frontier(found: Breaking, platform: str, language: Language) -> Panel:
    """The mildest setting of the first dial against the second, with its interval; the goal is met beyond the line."""
    first, second = found.dials
    answers = [a for a in found.answers if a.platform == platform and a.fixed is not None]
    title = Phrase("{platform}: mildest {one} for each {two}", "{platform}：各{two}下最轻的{one}").fill(
        platform=platform, one=first.key, two=second.key)
    with charts.drawing(TALL, left=64, right=20) as chart:
        end = float(first.severe)
        x = [float(a.fixed) for a in answers if a.fixed is not None]
        low = [end if a.low is None else float(a.low) for a in answers]
        high = [end if a.high is None else float(a.high) for a in answers]
        chart.axes.fill_between(x, low, high, color=_BAND, alpha=0.55, linewidth=0)
        met = [(float(a.fixed), float(a.setting)) for a in answers if a.fixed is not None and a.setting is not None]
        draw_line(chart, [p[0] for p in met], [p[1] for p in met], _LINE, "")
        chart.axes.plot([p[0] for p in met], [p[1] for p in met], linestyle="", marker="o", markersize=4, color=_LINE)
        for a in answers:
            if a.setting is None and a.fixed is not None:
                chart.axes.plot([float(a.fixed)], [end], linestyle="", marker="x", markersize=6, color=_GOAL)
        bottom, top = sorted((float(first.mild), end))
        room = 0.04 * (top - bottom)
        chart.axes.set_ylim(bottom - room, top + room)
        chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
        upright(chart, bottom - room, top + room, lambda value: same(f"{value:,g}"), language)
        _axis(chart, second)
        keys: tuple[Key, ...] = (Key(_ANSWER, _LINE, True), Key(Phrase("95% interval", "95%区间"), _BAND))
        if len(met) < len(answers):
            keys += (Key(_NEVER, _GOAL, False, "X-"),)
        return Panel(title, keys, chart.svg(f"frontier-{_name(platform)}", title), TALL)


def _name(platform: str) -> Markup:
    return Markup("").join(c if c.isascii() and c.isalnum() else "-" for c in platform)
