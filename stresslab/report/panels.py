"""Panels side by side on one page, as an SVG file that stands by itself, in one language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

from stresslab.report.charts import GRID, INK, MUTED, WIDTH, Drawing
from stresslab.report.exhibits import Key
from stresslab.report.phrase import Language, Phrase, same

#: The reader's fonts, those of the report.
_FONTS = (
    "Helvetica Neue, Arial, Noto Sans CJK SC, Source Han Sans SC, Microsoft YaHei, PingFang SC, WenQuanYi Micro Hei, "
    "DejaVu Sans, sans-serif"
)
#: Pixels: around the picture, between panels, and lines of text.
_EDGE, _GAP, _LINE = 20, 30, 18
#: Heights of a panel.
TALL, LOW = 300, 230


@dataclass(frozen=True)
class Panel:
    """One drawing with its title and legend."""

    title: Phrase
    keys: tuple[Key, ...]
    svg: Markup
    height: float


def page(heads: Sequence[Phrase], panels: Sequence[Panel], columns: int, language: Language) -> str:
    """Headings, then panels side by side, row by row; the same panels give the same bytes."""
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


def draw_line(chart: Drawing, x: Any, y: Any, colour: str, dash: str, width: float = 1.8) -> None:
    """A line with a dash like "7 3", in pixels."""
    (drawn,) = chart.axes.plot(x, y, color=colour, linewidth=width, solid_joinstyle="round")
    if dash:
        drawn.set_dashes([float(d) / width * 1.4 for d in dash.split()])


def upright(
    chart: Drawing, low: float, top: float, word: Callable[[float], Phrase], language: Language, *, whole: bool = False
) -> None:
    """The upright axis with a word for each tick."""
    chart.axes.set_ylim(low, top)
    places = [float(p) for p in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, top) if low <= p <= top]
    chart.ticks("y", places, [same(word(p).pick(language)) for p in places], color=MUTED)
    chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
    chart.axes.spines["left"].set_visible(False)


def days_axis(chart: Drawing, days: int, language: Language) -> None:
    """Trading days 0 to ``days`` along the bottom."""
    chart.axes.set_xlim(-0.5, days + 0.8)
    places = [int(p) for p in MaxNLocator(6, steps=[1, 2, 5, 10], integer=True).tick_values(0, days) if 0 <= p <= days]
    last = Phrase("day {n}", "{n}日").fill(n=places[-1]).pick(language)
    chart.ticks("x", places, [*(same(p) for p in places[:-1]), same(last)], color=MUTED)


def _placed(panel: Panel, x: float, y: float) -> Markup:
    """A drawing inside the page; the words of the other language are not in it."""
    inner = re.sub(r"^<svg[^>]*>", "", str(panel.svg), count=1)
    head = Markup('<svg x="{}" y="{}" width="{w}" height="{h}" viewBox="0 0 {w} {h}">').format(x, y, w=WIDTH, h=round(panel.height))
    return head + Markup(inner)


def _legend(panel: Panel, language: Language) -> tuple[Markup, float]:
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
