"""Figures of a report, as inline SVG that carries both languages.

Each figure is drawn once. matplotlib never sees a word: every label is an ASCII token while it
measures and draws, and becomes text in both languages when the SVG is written. So no glyph can be
missing on a machine without a Chinese font, a ``$`` in a name is not mathematics, the layout and
the bytes do not depend on the fonts that happen to be installed, and the reader's own fonts show
the text (a stack in the style sheet). Margins are fixed for the same reason.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stresslab.report.amounts import Estimate, MoneyScale, percent, with_error
from stresslab.report.phrase import Phrase, same

INK, MUTED, GRID = "#1b2733", "#5c6874", "#dfe4e9"

#: Layers of the waterfall: blues are the platform's own money, warm colours are other people's.
LAYER_COLOURS = ("#a9c9e3", "#2f6ea5", "#f0c75e", "#dd8a2b", "#9e2f1c")
#: Holding, selling without impact, selling with impact.
COLUMN_COLOURS = ("#aab4be", "#2f6ea5", "#c2452d")
#: Factor, basket at fundamental prices, basket as quoted.
PRICE_COLOURS = ("#5c6874", "#2f6ea5", "#c2452d")
#: What an account sold of its own part, and what it sold because another share could not be sold.
SALE_COLOURS = ("#a9c9e3", "#c2452d")
#: Share of collateral, of forced sales, of displaced sales, of the reaction loss.
SECTOR_COLOURS = ("#aab4be", "#2f6ea5", "#dd8a2b", "#9e2f1c")
#: Accounts, debt.
SHARE_COLOURS = ("#a9c9e3", "#2f6ea5")
#: Lines of scenarios, told apart by colour and by dash (Okabe and Ito's colours, darkened).
LINE_COLOURS = (
    "#2f6ea5",
    "#c2452d",
    "#1d8a6b",
    "#b3792a",
    "#8a4f8f",
    "#4c9bd0",
    "#6b6b6b",
    "#1b2733",
)
LINE_DASHES = ("", "7 3", "2 2", "9 3 2 3")
#: A line that stands for several scenarios at once.
QUIET_LINE = "#8a949e"

WIDTH = 500
FONT = 12.5
#: Height of a scenario in a bar figure, and the room for its name.
ROW, LABELS = 46, 128
_TOKEN = re.compile(r"<text([^>]*)>(?:<!--.*?-->)?\s*QZ(\d+)QZ\s*</text>", re.S)
_STYLE = re.compile(r'style="([^"]*)"')


@contextmanager
def _plain_style() -> Iterator[None]:
    """matplotlib's own defaults, whatever the user has configured, with SVG that repeats itself."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": "stresslab",
                "font.family": "DejaVu Sans",
                "font.size": FONT,
                "axes.linewidth": 0.8,
                "axes.edgecolor": MUTED,
                "axes.axisbelow": True,
                "text.parse_math": False,
                "path.simplify": False,
            }
        )
        yield


class Drawing:
    """One figure under way; margins are in pixels."""

    def __init__(
        self, height: float, left: float, right: float = 16, top: float = 8, bottom: float = 30
    ) -> None:
        self.figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        self.figure.patch.set_visible(False)
        box = (
            left / WIDTH,
            bottom / height,
            1 - (left + right) / WIDTH,
            1 - (top + bottom) / height,
        )
        self.axes: Any = self.figure.add_axes(box)
        self.axes.patch.set_visible(False)
        for side in ("top", "right"):
            self.axes.spines[side].set_visible(False)
        self.axes.tick_params(length=0, pad=6)
        self._words: list[Phrase] = []

    def word(self, phrase: Phrase) -> str:
        """The token that stands for a phrase while the figure is drawn."""
        self._words.append(phrase)
        return f"QZ{len(self._words) - 1}QZ"

    def ticks(
        self, axis: str, places: Sequence[float], names: Sequence[Phrase], **style: Any
    ) -> None:
        """Tick labels of one axis."""
        labels = [self.word(name) for name in names]
        getattr(self.axes, f"set_{axis}ticks")(list(places), labels, **style)

    def label(self, x: float, y: float, phrase: Phrase, **style: Any) -> None:
        """Text inside the figure."""
        self.axes.annotate(self.word(phrase), (x, y), **style)

    def svg(self, name: str, title: Phrase) -> Markup:
        """The figure as inline SVG; ``name`` keeps its ids apart from other figures'."""
        out = io.StringIO()
        canvas: Any = FigureCanvasSVG(self.figure)
        canvas.print_svg(
            out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
        text = out.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
        text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
        text = re.sub(r'<style type="text/css">.*?</style>', "", text, flags=re.S)
        text = re.sub(r' id="[a-zA-Z]+\w*_\d+"', "", text)
        text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
        text = re.sub(r'(url\(|href=")#', rf"\1#{name}-", text).replace("xlink:href", "href")
        text = re.sub(r"(\d\.\d\d)\d+", r"\1", text)
        text = re.sub(r"\s*\n\s*", "\n", text)
        text = _TOKEN.sub(self._in_words, text)
        # The XML namespaces go: HTML needs none, and a reader who looks for addresses finds none.
        head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            WIDTH, round(self.figure.get_figheight() * 72), f"{title.zh} / {title.en}"
        )
        return head + Markup(text[text.index(">") + 1 :])

    def _in_words(self, found: re.Match[str]) -> str:
        style = _STYLE.search(found[1])
        kept = []
        for rule in style[1].split(";") if style else ():
            key, _, value = rule.strip().partition(":")
            if key == "font":
                # Size and weight stay; the family is the reader's.
                size = re.search(r"([\d.]+)px", value)
                weight = re.search(r"\b(bold|[5-9]00)\b", value)
                kept += [f"font-size:{size[1]}px"] if size else []
                kept += ["font-weight:600"] if weight else []
            elif key and not key.startswith("font-f"):
                kept.append(f"{key}:{value.strip()}")
        attributes = re.sub(
            r'\s*transform="rotate\(-?0 [^"]*"', "", _STYLE.sub("", found[1])
        ).strip()
        start = f'<text {attributes} style="{";".join(kept)}"'
        phrase = self._words[int(found[2])]
        if phrase.en == phrase.zh:
            return f"{start}>{escape(phrase.en)}</text>"
        return "".join(
            f'{start} class="{lang}" lang="{lang}">{escape(text)}</text>'
            for lang, text in (("zh", phrase.zh), ("en", phrase.en))
        )


@contextmanager
def drawing(height: float, left: float, **margins: float) -> Iterator[Drawing]:
    """A figure to draw on, in the style of all figures."""
    with _plain_style():
        yield Drawing(height, left, **margins)


def _em(text: str) -> float:
    """A rough width of a text in em: a Chinese character is one, a Latin one about half."""
    return sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.54 for c in text)


def short_titles(titles: Sequence[Phrase], ids: Sequence[str], width: float) -> list[Phrase]:
    """Titles, or ids where the titles of a language do not all fit into a margin (pixels)."""
    room = (width - 12) / FONT
    names = [_fitted(name, room) for name in ids]
    en = [t.en for t in titles] if all(_em(t.en) <= room for t in titles) else names
    zh = [t.zh for t in titles] if all(_em(t.zh) <= room for t in titles) else names
    return [Phrase(e, z) for e, z in zip(en, zh, strict=True)]


def _fitted(text: str, room: float) -> str:
    while _em(text) > room and len(text) > 2:
        text = text[:-2] + "…"
    return text


def _money_axis(chart: Drawing, most: float, scale: MoneyScale) -> None:
    """A money axis from zero along the bottom, with room for a label beyond the longest bar."""
    most = most or 1.0
    chart.axes.set_xlim(0, most * 1.28)
    places = [
        float(p)
        for p in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(0, most)
        if p <= most * 1.05
    ]
    chart.ticks("x", places, [scale.tick(p) for p in places], color=MUTED)
    chart.axes.grid(axis="x", color=GRID, linewidth=0.8)
    chart.axes.spines["bottom"].set_visible(False)


def _rows(chart: Drawing, names: Sequence[Phrase]) -> None:
    chart.axes.set_ylim(len(names) - 0.45, -0.55)
    chart.ticks("y", range(len(names)), names, color=INK)
    chart.axes.spines["left"].set_color(MUTED)


@dataclass(frozen=True)
class Bars:
    """One row of a bar figure: its name and its estimates in yuan."""

    name: Phrase
    parts: tuple[Estimate, ...]
    total: Estimate


def _value(estimate: Estimate) -> float:
    return estimate.value if estimate.known else 0.0


def _money_label(estimate: Estimate, scale: MoneyScale) -> Phrase:
    if not estimate.known or estimate.value == 0:
        return same("0" if estimate.known else "—")
    error = None if np.isnan(estimate.error) else scale.number(estimate.error)
    return with_error(scale.number(estimate.value), error)


def waterfall(name: str, title: Phrase, rows: Sequence[Bars], scale: MoneyScale) -> Markup:
    """Who bears the deficit: stacked layers of each scenario, the total with its 95% interval."""
    with drawing(38 + ROW * len(rows), left=LABELS) as chart:
        most = max((r.total.span[1] for r in rows if r.total.known), default=0.0)
        _money_axis(chart, most, scale)
        _rows(chart, [r.name for r in rows])
        for place, row in enumerate(rows):
            start = 0.0
            for part, colour in zip(row.parts, LAYER_COLOURS, strict=True):
                chart.axes.barh(place, _value(part), 0.5, left=start, color=colour, linewidth=0)
                start += _value(part)
            end = _whisker(chart, place, row.total)
            _end_label(chart, end, place, _money_label(row.total, scale))
        return chart.svg(name, title)


def _whisker(chart: Drawing, place: float, estimate: Estimate) -> float:
    """Draws a 95% interval and returns where it ends."""
    if not estimate.known:
        return 0.0
    low, high = estimate.span
    if high > low:
        chart.axes.plot(
            [low, high], [place, place], color=INK, linewidth=1.1, solid_capstyle="butt"
        )
    return high


def _end_label(
    chart: Drawing, x: float, y: float, phrase: Phrase, size: float = FONT - 1.5
) -> None:
    chart.label(
        x,
        y,
        phrase,
        xytext=(5, 0),
        textcoords="offset points",
        va="center_baseline",
        color=INK,
        fontsize=size,
    )


def columns(name: str, title: Phrase, rows: Sequence[Bars], scale: MoneyScale) -> Markup:
    """Three losses a scenario: holding, selling without impact, selling with impact."""
    with drawing(38 + ROW * len(rows), left=LABELS) as chart:
        known = [p for r in rows for p in r.parts if p.known]
        _money_axis(chart, max((p.span[1] for p in known), default=0.0), scale)
        _rows(chart, [r.name for r in rows])
        for place, row in enumerate(rows):
            if not any(_value(part) for part in row.parts):
                _end_label(chart, 0.0, place, _money_label(row.total, scale), FONT - 2.5)
                continue
            for part, colour, shift in zip(
                row.parts, COLUMN_COLOURS, (-0.27, 0.0, 0.27), strict=True
            ):
                chart.axes.barh(place + shift, _value(part), 0.25, color=colour, linewidth=0)
                end = _whisker(chart, place + shift, part)
                _end_label(chart, end, place + shift, _money_label(part, scale), FONT - 2.5)
        return chart.svg(name, title)


def _percent_axis(chart: Drawing, low: float, high: float, bins: int = 5) -> None:
    places = [
        float(p)
        for p in MaxNLocator(bins, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        if low <= p <= high + 1e-9
    ]
    chart.ticks("y", places, [same(f"{p:g}%") for p in places], color=MUTED)
    chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
    chart.axes.spines["left"].set_visible(False)


def _day_axis(chart: Drawing, days: int, first: int = 0) -> None:
    chart.axes.set_xlim(first, days)
    places = [
        int(p)
        for p in MaxNLocator(6, steps=[1, 2, 5, 10], integer=True).tick_values(0, days)
        if first <= p <= days
    ]
    chart.ticks(
        "x",
        places,
        [
            Phrase(
                f"day {p}" if p == places[-1] else str(p), f"{p}日" if p == places[-1] else str(p)
            )
            for p in places
        ],
        color=MUTED,
    )


@dataclass(frozen=True)
class Band:
    """Levels over days from day 0 on: the median of paths, and between which lie 90% of them."""

    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray


def price_paths(name: str, title: Phrase, bands: Sequence[Band], trough_day: int | None) -> Markup:
    """The factor and the basket at fundamental and quoted prices: medians with 5% to 95% bands."""
    with drawing(270, left=52, right=22) as chart:
        days = np.arange(len(bands[0].middle))
        for band, colour, dash, fill in zip(
            bands, PRICE_COLOURS, ("4 3", "", ""), (0.0, 0.16, 0.2), strict=True
        ):
            if fill:
                chart.axes.fill_between(
                    days, band.low, band.high, color=colour, alpha=fill, linewidth=0
                )
            _line(chart, days, band.middle, colour, dash, 2.0)
        spread = [v for b in bands[1:] for v in (b.low.min(), b.high.max())] + [
            bands[0].middle.min()
        ]
        low, high = min(spread), max(100.0, *spread)
        room = 0.05 * (high - low) + 0.1
        chart.axes.set_ylim(low - room, high + room)
        _percent_axis(chart, low - room, high + room)
        _day_axis(chart, len(days) - 1)
        if trough_day is not None and 0 < trough_day < len(days):
            chart.axes.axvline(trough_day, color=MUTED, linewidth=0.8, dashes=(2, 2))
            chart.label(
                trough_day,
                high + room,
                Phrase("trough", "谷底"),
                xytext=(4, -4),
                va="top",
                textcoords="offset points",
                color=MUTED,
                fontsize=FONT - 1.5,
            )
        return chart.svg(name, title)


def _line(
    chart: Drawing, x: np.ndarray, y: np.ndarray, colour: str, dash: str, width: float, **style: Any
) -> None:
    (line,) = chart.axes.plot(x, y, color=colour, linewidth=width, solid_joinstyle="round", **style)
    if dash:
        line.set_dashes([float(d) / width * 1.4 for d in dash.split()])


@dataclass(frozen=True)
class Survival:
    """One survival curve (percent, day 1 on) with the colour and dash of its scenario."""

    curve: Sequence[Estimate]
    colour: str
    dash: str


def line_style(place: int) -> tuple[str, str]:
    """Colour and dash of the scenario at a place; no two of the first 32 are alike."""
    return LINE_COLOURS[place % len(LINE_COLOURS)], LINE_DASHES[place // 2 % len(LINE_DASHES)]


def survival(name: str, title: Phrase, curves: Sequence[Survival], days: int) -> Markup:
    """The share of paths that still have own funds, day by day, with 95% intervals."""
    with drawing(270, left=52, right=22) as chart:
        for item in curves:
            x = np.arange(len(item.curve) + 1)
            spans = [e.span for e in item.curve]
            low = np.array([100.0] + [s[0] for s in spans])
            high = np.array([100.0] + [s[1] for s in spans])
            middle = np.array([100.0] + [e.value for e in item.curve])
            chart.axes.fill_between(
                x, low, high, step="post", color=item.colour, alpha=0.13, linewidth=0
            )
            _line(chart, x, middle, item.colour, item.dash, 2.0, drawstyle="steps-post")
        chart.axes.set_ylim(-2, 104)
        _percent_axis(chart, 0, 100)
        _day_axis(chart, days)
        return chart.svg(name, title)


@dataclass(frozen=True)
class DayLine:
    """A figure by day, from day 1 on, with the colour and dash of its line."""

    curve: Sequence[Estimate]
    colour: str
    dash: str


def day_lines(name: str, title: Phrase, lines: Sequence[DayLine], tick: Callable[[float], Phrase]) -> Markup:
    """Figures day by day from zero up, with 95% intervals; ``tick`` writes a value beside the axis."""
    with drawing(270, left=60, right=22) as chart:
        most = max((e.span[1] for line in lines for e in line.curve if e.known), default=0.0) or 1.0
        for line in lines:
            x = np.arange(1, len(line.curve) + 1)
            low, high = (np.array([e.span[side] for e in line.curve]) for side in (0, 1))
            chart.axes.fill_between(x, low, high, color=line.colour, alpha=0.16, linewidth=0)
            _line(chart, x, np.array([e.value for e in line.curve]), line.colour, line.dash, 2.0)
        chart.axes.set_ylim(-0.02 * most, most * 1.06)
        places = [float(p) for p in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, most) if 0 <= p <= most * 1.06]
        chart.ticks("y", places, [tick(p) for p in places], color=MUTED)
        chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
        chart.axes.spines["left"].set_visible(False)
        _day_axis(chart, max(2, *(len(line.curve) for line in lines)), 1)
        return chart.svg(name, title)


def leverage(
    name: str,
    title: Phrase,
    edges: Sequence[float | None],
    accounts: Sequence[int],
    debt: Sequence[int],
) -> Markup:
    """The distribution of leverage: shares of accounts and of debt by bin."""
    with drawing(270, left=52) as chart:
        places = np.arange(len(accounts))
        most = 0.0
        for values, colour, shift in (
            (accounts, SHARE_COLOURS[0], -0.2),
            (debt, SHARE_COLOURS[1], 0.2),
        ):
            shares = [100 * v / (sum(values) or 1) for v in values]
            most = max(most, *shares)
            chart.axes.bar(places + shift, shares, 0.38, color=colour, linewidth=0)
            for x, share in zip(places + shift, shares, strict=True):
                if share > 0 and len(accounts) <= 8:
                    chart.label(
                        x,
                        share,
                        same(percent(share).en.removesuffix("%")),
                        xytext=(0, 3),
                        ha="center",
                        textcoords="offset points",
                        color=MUTED,
                        fontsize=FONT - 3,
                    )
        chart.axes.set_ylim(0, most * 1.1 or 1)
        chart.axes.set_xlim(-0.6, len(accounts) - 0.4)
        _percent_axis(chart, 0, most * 1.1 or 1)
        chart.ticks(
            "x",
            list(range(len(accounts))),
            [_bin(a, b) for a, b in pairwise(edges)],
            color=MUTED,
            fontsize=FONT - (0 if len(accounts) <= 8 else 3),
        )
        return chart.svg(name, title)


def _bin(low: float | None, high: float | None) -> Phrase:
    if high is None:
        return same(f"≥ {low:g}")
    return same(f"{low or 0:g}\u2013{high:g}")


def daily_sales(
    name: str, title: Phrase, own: np.ndarray, displaced: np.ndarray, locked: np.ndarray, scale: MoneyScale
) -> Markup:
    """Forced sales of each day from day 1 on in yuan, own parts below displaced ones; above them the locked or closed instruments."""
    height, top = 300, 84
    with drawing(height, left=60, right=22, top=top) as chart:
        days = np.arange(1, len(own) + 1)
        for values, bottom, colour in ((own, 0 * own, SALE_COLOURS[0]), (displaced, own, SALE_COLOURS[1])):
            chart.axes.bar(days, values, 0.86, bottom=bottom, color=colour, linewidth=0)
        most = float((own + displaced).max()) or 1.0
        chart.axes.set_ylim(0, most * 1.06)
        places = [float(p) for p in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(0, most) if p <= most * 1.06]
        chart.ticks("y", places, [scale.tick(p) for p in places], color=MUTED)
        chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
        chart.axes.spines["left"].set_visible(False)
        _day_axis(chart, len(own), 1)
        chart.axes.set_xlim(0.3, len(own) + 0.7)
        box = chart.axes.get_position()
        above = chart.figure.add_axes((box.x0, box.y1 + 14 / height, box.width, (top - 40) / height))
        above.set_axis_off()
        above.set_xlim(0.3, len(own) + 0.7)
        above.set_ylim(0, float(locked.max()) or 1.0)
        above.fill_between(days, locked, step="mid", color=PRICE_COLOURS[0], alpha=0.35, linewidth=0)
        peak = int(np.argmax(locked))
        above.annotate(
            chart.word(same(f"{locked[peak]:.1f}")), (float(days[peak]), float(locked[peak])), xytext=(0, 3),
            textcoords="offset points", ha="center", color=MUTED, fontsize=FONT - 2.5)
        return chart.svg(name, title)


@dataclass(frozen=True)
class SectorBars:
    """One sector of a figure: its name and its shares in percent, in the order of `SECTOR_COLOURS`."""

    name: Phrase
    shares: tuple[Estimate, ...]


def sectors(name: str, title: Phrase, rows: Sequence[SectorBars], colours: Sequence[str]) -> Markup:
    """Shares of each sector side by side, with 95% intervals."""
    bars = len(colours)
    room = 13 * bars + 10
    with drawing(38 + room * len(rows), left=LABELS) as chart:
        spans = [e.span for row in rows for e in row.shares if e.known]
        low, most = min((s[0] for s in spans), default=0.0), max((s[1] for s in spans), default=1.0)
        low = min(low, 0.0)
        reach = most - low or 1.0
        chart.axes.set_xlim(low - (0.02 * reach if low < 0 else 0), most + 0.14 * reach)
        places = [float(p) for p in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, most) if low <= p <= most]
        chart.ticks("x", places, [same(f"{p:g}%".replace("-", "\u2212")) for p in places], color=MUTED)
        chart.axes.grid(axis="x", color=GRID, linewidth=0.8)
        chart.axes.spines["bottom"].set_visible(False)
        _rows(chart, [row.name for row in rows])
        thick = 0.8 / bars
        for place, row in enumerate(rows):
            for at, (share, colour) in enumerate(zip(row.shares, colours, strict=True)):
                y = place - 0.4 + thick * (at + 0.5)
                chart.axes.barh(y, _value(share), thick * 0.92, color=colour, linewidth=0)
                end = _whisker(chart, y, share)
                if share.known:
                    _end_label(chart, max(end, 0.0), y, same(percent(share.value).en), FONT - 3.5)
        return chart.svg(name, title)
