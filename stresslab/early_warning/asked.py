"""Questions to a backtest: what was known on a day, and a rule in shadow against the one in force (M-175, M-176)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.early_warning import intervals, scores
from stresslab.early_warning.backtest import Backtest, Course
from stresslab.early_warning.judged import EVENTS_LEAST, events_in
from stresslab.early_warning.rules import GRADES
from stresslab.faults import Fault, InputError

#: An alarm's first rise is looked for within so many trading days before the day that is asked about.
LOOK_BACK = 250


def known_on(found: Backtest, date: str) -> dict[str, Any]:
    """Every indicator and alarm as it stood on the evening of a day (the last trading day up to it), as plain values.

    An indicator has its value, its place among the 500 days up to then (0 to 1), and the date of the row behind it. An alarm has
    since when it stands, and when the first one rose that stood within the 250 trading days up to then. Raises :class:`InputError`
    for a day outside the history.
    """
    day = pd.to_datetime(date, errors="coerce", format="%Y-%m-%d")
    days = found.known.days
    if pd.isna(day):
        raise InputError([Fault("options", "is no day", "write it as 2015-06-12", None, "as-of", date)])
    if not days[0] <= day <= days[-1]:
        raise InputError(
            [
                Fault(
                    "options",
                    f"lies outside the history, {days[0].date()} to {days[-1].date()}",
                    "ask about a day inside",
                    None,
                    "as-of",
                    date,
                )
            ]
        )
    at = int(days.searchsorted(day, side="right")) - 1
    told = []
    for one in found.indicators:
        x = one.values.to_numpy(float)
        window = x[max(0, at - 499) : at + 1]
        window = window[np.isfinite(window)]
        value = float(x[at])
        place = (
            (float((window < value).sum()) + 0.5 * float((window == value).sum())) / window.size
            if math.isfinite(value)
            else None
        )
        row = one.said_on.iloc[at]
        told.append(
            {
                "indicator": one.name,
                "en": one.en,
                "zh": one.zh,
                "value": value if math.isfinite(value) else None,
                "place": None if place is None else round(place, 4),
                "row": None if pd.isna(row) else str(pd.Timestamp(row).date()),
                "lag": one.lag,
            }
        )
    return {
        "date": str(days[at].date()),
        "close": float(found.known.close.iloc[at]),
        "indicators": told,
        "models": [
            _state(found, course, at)
            for course in found.courses
            if not (course.model.naive and course.model.name != "volatility")
        ],
    }


def _state(found: Backtest, course: Course, at: int) -> dict[str, Any]:
    days = found.known.days
    fitted = bool(found.forecast[at])
    # A rule needs no fit: its grades stand on every day.
    alarm = (
        course.alarm
        if course.grade is None
        else course.grade >= GRADES.index(found.rules[course.model.name].alarm_from)
    )
    since = at
    while since > 0 and alarm[since - 1]:
        since -= 1
    first_rose = _first_rise(alarm, at)
    score = float(course.score[at])
    state: dict[str, Any] = {
        "model": course.model.name,
        "en": course.model.en,
        "zh": course.model.zh,
        "fitted": fitted or course.grade is not None,
        "alarm": bool(alarm[at]),
        "since": str(days[since].date()) if alarm[at] else None,
        "first_rose": str(days[first_rose].date()) if first_rose is not None else None,
        "score": score if math.isfinite(score) else None,
        "threshold": _number(course.threshold[at]),
        "probability": _number(course.probability[at]),
    }
    if course.grade is not None:
        rule = found.rules[course.model.name]
        grade = int(course.grade[at])
        first: dict[str, str | None] = {}
        for level in range(1, len(GRADES)):
            rose = _first_rise(course.grade >= level, at)
            first[GRADES[level]] = None if rose is None else str(days[rose].date())
        state |= {
            "grade": GRADES[grade],
            "action": rule.action(grade)[0],
            "action_zh": rule.action(grade)[1],
            "grades_first_rose": first,
        }
    return state


def _first_rise(alarm: NDArray[np.bool_], at: int) -> int | None:
    """The day on which the first alarm rose that stood on any of the 250 days up to ``at``."""
    low = max(0, at - LOOK_BACK)
    stood = np.flatnonzero(alarm[low : at + 1])
    if not stood.size:
        return None
    rose = low + int(stood[0])
    while rose > 0 and alarm[rose - 1]:
        rose -= 1
    return rose


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def shadow_table(found: Backtest) -> pd.DataFrame:
    """The rule in shadow against each model in force: days on which both warn, one alone, none; usefulness and lead of both.

    ``difference`` is the relative usefulness of the shadow less that of the other, with its interval where there are three events.
    """
    shadows = [c for c in found.courses if c.model.name.startswith("shadow")]
    rows = []
    for window, days in found.windows().items():
        y = found.labels.y[days]
        for shadow in shadows:
            for other in found.courses:
                if other is shadow or other.model.naive:
                    continue
                a, b = shadow.alarm[days], other.alarm[days]
                rows.append(
                    {
                        "window": window,
                        "shadow": shadow.model.name,
                        "in_force": other.model.name,
                        "days": int(days.sum()),
                        "both": int((a & b).sum()),
                        "shadow_alone": int((a & ~b).sum()),
                        "in_force_alone": int((~a & b).sum()),
                        "neither": int((~a & ~b).sum()),
                        **_difference(found, y, a, b, len(events_in(found, days))),
                    }
                )
    columns = [
        "window",
        "shadow",
        "in_force",
        "days",
        "both",
        "shadow_alone",
        "in_force_alone",
        "neither",
        "usefulness_shadow",
        "usefulness_in_force",
        "difference",
        "low",
        "high",
    ]
    return pd.DataFrame(rows, columns=columns)


def _difference(found: Backtest, y: np.ndarray, a: np.ndarray, b: np.ndarray, events: int) -> dict[str, float]:
    held = found.settings
    if not 0 < y.sum() < y.size:
        return dict.fromkeys(("usefulness_shadow", "usefulness_in_force", "difference", "low", "high"), math.nan)
    one, two = (scores.usefulness(y, x, held.mu).relative for x in (a, b))
    low = high = math.nan
    if events >= EVENTS_LEAST:
        drawn = intervals.block_bootstrap(
            lambda y, a, b: scores.usefulness(y, a, held.mu).relative - scores.usefulness(y, b, held.mu).relative,
            y,
            a,
            b,
            block=min(2 * held.horizon, y.size),
            repetitions=held.repetitions,
            seed=held.seed,
            level=held.level,
        )
        low, high = drawn.low, drawn.high
    return {"usefulness_shadow": one, "usefulness_in_force": two, "difference": one - two, "low": low, "high": high}
