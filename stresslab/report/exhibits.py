"""Tables and figures as a page shows them: a title, a note, and the formulas behind the numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from stresslab.report.amounts import NONE, PERCENT_MOST, Estimate, MoneyScale, count, percent
from stresslab.report.method import FORMULAS, Formula
from stresslab.report.phrase import NOTHING, Phrase

SCENARIO = Phrase("Scenario", "情景")


@dataclass(frozen=True)
class Cell:
    """One cell: its value, its sampling error, its parameter band, a small note below it, and a tone of colour."""

    value: Phrase
    error: Phrase | None = None
    note: Phrase = NOTHING
    tone: str = ""
    grades: tuple[str, ...] = ()
    span: int = 1
    band: Phrase = NOTHING


@dataclass(frozen=True)
class Head:
    """One column's heading; columns in a row with the same group share a heading above."""

    name: Phrase
    group: Phrase = NOTHING


@dataclass(frozen=True)
class Row:
    """One row: its title, a small note below it, its cells."""

    title: Phrase
    note: Phrase
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table of estimates or parameters; one of results names the impact law and the opposing flow in ``terms``."""

    title: Phrase
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    formulas: tuple[str, ...]
    note: Phrase = NOTHING
    first: Phrase = SCENARIO
    style: str = ""
    terms: Phrase = NOTHING

    @property
    def groups(self) -> list[tuple[Phrase, int]]:
        """Group headings with the number of columns that each spans; empty without any group."""
        spans: list[tuple[Phrase, int]] = []
        for head in self.heads:
            if spans and spans[-1][0] == head.group and head.group != NOTHING:
                spans[-1] = (head.group, spans[-1][1] + 1)
            else:
                spans.append((head.group, 1))
        return spans if any(group != NOTHING for group, _ in spans) else []

    @property
    def cited(self) -> list[Formula]:
        """The formulas behind the table."""
        return [FORMULAS[number] for number in self.formulas]


@dataclass(frozen=True)
class Key:
    """One entry of a figure's legend; a line entry has a dash pattern."""

    name: Phrase
    colour: str
    line: bool = False
    dash: str = ""


@dataclass(frozen=True)
class Figure:
    """A drawing with its legend."""

    title: Phrase
    svg: Markup
    keys: tuple[Key, ...]
    formulas: tuple[str, ...]
    note: Phrase = NOTHING

    @property
    def cited(self) -> list[Formula]:
        """The formulas behind the figure."""
        return [FORMULAS[number] for number in self.formulas]


def money_cell(estimate: Estimate, scale: MoneyScale, tone: str = "") -> Cell:
    """An amount with its error, in the unit of its table."""
    if not estimate.known:
        return Cell(NONE)
    tone = tone if estimate.value > 0 else _quiet(estimate)
    return _estimate_cell(estimate, scale.number, tone)


def _estimate_cell(estimate: Estimate, show: Callable[[float], Phrase], tone: str) -> Cell:
    """A value and its error; a value that is printed as a bound needs no error beside it."""
    value, band = show(estimate.value), _band(estimate, show)
    if not estimate.error > 0:
        return Cell(value, tone=tone, band=band)
    error = show(estimate.error)
    told = Phrase(
        *("" if v.startswith("<") else f"±\u00a0{e}" for v, e in zip(value, error, strict=True))
    )
    return Cell(value, None if told == NOTHING else told, tone=tone, band=band)


def _band(estimate: Estimate, show: Callable[[float], Phrase]) -> Phrase:
    """The parameter band in brackets; nothing where none was measured, or where it is a point."""
    if not estimate.band_low < estimate.band_high:
        return NOTHING
    low, high = show(estimate.band_low), show(estimate.band_high)
    return Phrase(*("" if a == b else f"[{a}\u00a0… {b}]" for a, b in zip(low, high, strict=True)))


def _quiet(estimate: Estimate) -> str:
    """A zero is printed faintly, so that the eye finds the rest."""
    return "quiet" if estimate.value == 0 else ""


def count_cell(estimate: Estimate) -> Cell:
    """A mean count with its error."""
    return _estimate_cell(estimate, count, _quiet(estimate)) if estimate.known else Cell(NONE)


def percent_cell(estimate: Estimate) -> Cell:
    """A percentage with its error in percentage points."""
    return _estimate_cell(estimate, percent, _quiet(estimate)) if estimate.known else Cell(NONE)


def probability_cell(estimate: Estimate, often: float = 50.0) -> Cell:
    """A share of paths; below 0% and 100% stands the far end of the 95% interval."""
    cell = percent_cell(estimate)
    if not estimate.known:
        return cell
    tone = "bad" if estimate.value >= often else "warn" if estimate.value > 0 else "quiet"
    note = NOTHING
    low, high = percent(estimate.low), percent(estimate.high)
    if estimate.value == 0 and estimate.high > 0:
        note = Phrase(f"at most {high.en}", f"不超过{high.zh}")
    elif estimate.value == 100 and estimate.low < 100:
        note = Phrase(f"at least {low.en}", f"至少{low.zh}")
    return Cell(cell.value, cell.error, note, tone, band=cell.band)


NO_CALLS = Phrase("no calls", "无追缴")


def coverage_cell(estimate: Estimate, called: Estimate, line: float = 15.0) -> Cell:
    """Own-funds coverage of the median path; without calls it is null, and passed."""
    if not estimate.known:
        return (
            Cell(NO_CALLS, note=Phrase("passed", "通过"), tone="quiet")
            if called.known
            else Cell(NONE)
        )
    cell = percent_cell(estimate)
    error = cell.error if estimate.value < PERCENT_MOST else None
    return Cell(cell.value, error, tone="bad" if estimate.value < line else "", band=cell.band)


def first_day(median: Estimate, earliest: Estimate) -> tuple[Phrase, Phrase]:
    """The day of the median path and, as a note, the earliest over all paths."""
    if not earliest.known and not median.known:
        return Phrase("never", "无"), NOTHING
    first = (
        Phrase("earliest {day}", "最早 {day}").fill(day=f"{earliest.value:.0f}")
        if earliest.known
        else NOTHING
    )
    if not median.known:
        return Phrase("rarely", "少数路径"), first
    return Phrase("day {day}", "第{day}日").fill(day=f"{median.value:.0f}"), first


def first_day_cell(median: Estimate, earliest: Estimate) -> Cell:
    """The first day of an event over paths."""
    value, note = first_day(median, earliest)
    tone = "bad" if median.known else "warn" if earliest.known else "quiet"
    return Cell(value, note=note, tone=tone)
