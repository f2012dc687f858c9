"""The pure rule: scores to a grade, a value to a score, in exact arithmetic (M-42, M-43)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

Exact = Fraction | int | str


class Graded(NamedTuple):
    """A grade, the exact score behind it, and whether the two-notch rule was applied."""

    grade: str
    score: Fraction
    downgraded: bool


def grade(
    scores: Sequence[Exact],
    weights: Sequence[int],
    thresholds: Sequence[tuple[str, Exact]],
    *,
    coverage_pct: Exact | None = None,
    immediate_line: bool = False,
    coverage_below_pct: Exact = 15,
    notches: int = 2,
) -> Graded:
    """The grade of dimension scores under integer weights in percent (M-42), (M-43).

    `thresholds` are (grade, lowest score) from the best grade down; the last one takes the rest. A
    coverage strictly below `coverage_below_pct` without an immediate line costs `notches` grades;
    ``None`` is a coverage without margin calls, or outside the crash, and costs nothing. Scores are
    fractions, integers or decimal strings; a float is refused, for it has lost the exact value.
    """
    total = weighted(scores, weights)
    below = coverage_pct is not None and exact(coverage_pct) < exact(coverage_below_pct)
    down = below and not immediate_line
    return Graded(grade_of(total, thresholds, notches if down else 0), total, down)


def weighted(scores: Sequence[Exact], weights: Sequence[int]) -> Fraction:
    """The mean of scores under integer weights in percent."""
    return sum((exact(one) * weight for one, weight in zip(scores, weights, strict=True)), Fraction(0)) / 100


def score(points: Sequence[tuple[Exact, Exact]], value: Exact) -> Fraction:
    """The score of an indicator value: straight lines between the points, clamped outside them."""
    at = exact(value)
    known = [(exact(x), exact(y)) for x, y in points]
    if at <= known[0][0]:
        return known[0][1]
    for (x0, y0), (x1, y1) in pairwise(known):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return known[-1][1]


def coverage_gap_li(own_funds_li: int, peak_call_li: int, coverage_below_pct: Exact) -> int:
    """What is missing to a coverage of so many percent, ⌈percent × call⌉ − own funds, in 厘 (M-43).

    Positive exactly where the coverage is strictly below that percentage.
    """
    return math.ceil(exact(coverage_below_pct) * peak_call_li / 100) - own_funds_li


def exact(value: Exact) -> Fraction:
    """The value as a fraction; a float is refused."""
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float; give a fraction, an integer or a decimal string")
    return value if isinstance(value, Fraction) else Fraction(value)


def place_of(total: Fraction, thresholds: Sequence[tuple[str, Exact]]) -> int:
    """The place, from the best grade down, that a score reaches."""
    return next((i for i, (_, low) in enumerate(thresholds) if total >= exact(low)), len(thresholds) - 1)


def grade_of(total: Fraction, thresholds: Sequence[tuple[str, Exact]], notches: int) -> str:
    """The grade that a score reaches, some notches lower, the last grade at the lowest."""
    return thresholds[min(place_of(total, thresholds) + notches, len(thresholds) - 1)][0]
