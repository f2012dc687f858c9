"""On which day each rule of a scenario fired on each path, read from the run's tables alone (M-147).

The tables hold what most rules read, exactly: the factor, own funds, margin coverage and unpaid redemptions of every evening. What they
do not hold (cash and pool of a day, collateral at the close) a rule that reads it does not tell; a replay does.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stresslab.report.run_tables import RunTables

Ints = NDArray[np.int64]
_BP, _PPM = 10_000, 1_000_000
#: A daily return counts at most this much, ppm.
_RETURN_MOST = 2 * _PPM
#: What rules may read that no table of a run holds.
UNTOLD = frozenset({"liquid_share_pct", "maintenance_ratio_pct"})


class Evenings:
    """What was known each evening of one scenario at one platform, paths × days 0..T."""

    def __init__(self, run: RunTables, scenario: str, platform: str) -> None:
        days = run.days[(run.days["scenario"] == scenario) & (run.days["platform_id"] == platform)]
        self._table = days.pivot(index="path", columns="day").sort_index()
        mine = run.outcomes[(run.outcomes["scenario"] == scenario) & (run.outcomes["platform_id"] == platform)].sort_values("path")
        self.before: Ints = mine["own_funds_before_li"].to_numpy(np.int64)
        self.failed = mine["failure_day"].to_numpy(np.float64, na_value=np.inf)
        self.factor_bp = np.hstack([np.full((len(mine), 1), _BP), self._column("factor_ppm") // 100])

    def _column(self, name: str) -> Ints:
        held: Ints = self._table.xs(name, axis=1, level=0).to_numpy(np.int64)
        return held

    def column(self, name: str, first: Ints | int) -> Ints:
        """A column of `days` with what stands for the evening before the run in front."""
        held = self._column(name)
        start = np.broadcast_to(np.asarray(first, np.int64), (len(held),))
        return np.hstack([start[:, None], held])


def fired_on(evenings: Evenings, rule: dict[str, Any]) -> NDArray[np.float64] | None:
    """The day before whose open a rule fired, for each path, NaN for never; None for a rule that the tables do not tell."""
    when = str(rule["when"])
    if when in UNTOLD:
        return None
    scale = {"day": 1, "unpaid_yuan": 1000}.get(when, 100)
    limit = rule["at_least"] if rule.get("at_least") is not None else rule.get("below")
    met = _met(evenings, when, round(float(limit or 0) * scale), int(rule.get("over_days") or 1))
    # What the evening of day t says acts on day t + 1; the last evening acts no more.
    acts = met[:, :-1]
    first = np.where(acts.any(axis=1), acts.argmax(axis=1) + 1.0, np.inf)
    # A platform that failed on an earlier evening responds no more.
    return np.where((first < np.inf) & (first <= evenings.failed), first, np.nan)


def _met(e: Evenings, when: str, value: int, over_days: int) -> NDArray[np.bool_]:
    """Whether a rule's reading of each evening has reached its value, paths × evenings 0..T."""
    factor = e.factor_bp
    if when == "day":
        found = np.broadcast_to(np.arange(1, factor.shape[1] + 1) >= value, factor.shape)
    elif when == "market_fall_pct":
        found = _BP - factor >= value
    elif when == "volatility_pct":
        found = _volatility_ppm(factor, over_days) >= value * 100
    elif when == "margin_coverage_pct":
        found = e.column("margin_coverage_ppm", _PPM) < value * 100
    elif when == "own_funds_lost_pct":
        before = e.before[:, None]
        lost = np.minimum(before - e.column("own_funds_li", e.before), 2 * before)
        found = (before > 0) & (lost * _BP >= value * before)
    else:
        unpaid = e.column("unpaid_li", 0)
        found = (unpaid > 0) & (unpaid >= value)
    return found


def _volatility_ppm(factor: Ints, over_days: int) -> Ints:
    """The volatility of the last returns of each evening, ppm a year, −1 while there are fewer of them."""
    change = np.abs(np.diff(factor, axis=1))
    returns = np.minimum(_RETURN_MOST, change * _PPM // np.maximum(1, factor[:, :-1]))
    found = np.full(factor.shape, -1, np.int64)
    for t in range(over_days, factor.shape[1]):
        squares = (returns[:, t - over_days : t] ** 2).sum(axis=1) * 252 // over_days
        found[:, t] = [math.isqrt(int(x)) for x in squares]
    return found
