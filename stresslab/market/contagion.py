"""How far withdrawals bring on withdrawals, from a row of daily requests (M-136): an upper bound of the branching ratio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]
#: Days that one lag needs at least.
DAYS_A_LAG = 10


@dataclass(frozen=True)
class Branching:
    """The sum of the lags' coefficients with its standard error, and what is asked a day without them, as a share of the balance."""

    ratio: float
    error: float
    base: float
    days: int


def branching(shares: ArrayLike, lags: int, *, season: int = 1, block: int = 28) -> Branching:
    """Regress the day's requests, as shares of the balance, on those of the days before (M-136).

    ``season`` is the number of days after which a pattern repeats, each with a mean of its own: 7 for days of the week without gaps.
    The error is a jackknife that leaves out ``block`` days at a time. What all clients react to together looks like contagion, so the
    ratio bounds the true one from above. Raises :class:`ValueError` for too few days, or shares that are not numbers.
    """
    y = np.asarray(shares, np.float64)
    if y.ndim != 1 or not np.isfinite(y).all():
        raise ValueError("shares must be a row of numbers without gaps")
    if lags < 1 or season < 1 or block < 1 or y.size < max(2 * block, DAYS_A_LAG * (lags + season)):
        raise ValueError(f"{y.size} days are too few for {lags} lags, {season} seasons and blocks of {block} days")
    days = np.arange(lags, y.size)
    before = np.column_stack([y[lags - k: y.size - k] for k in range(1, lags + 1)])
    means = (days[:, None] % season == np.arange(season)).astype(np.float64)
    table = np.hstack([before, means])
    ratio = _sum_of_lags(table, y[days], lags)
    left_out = np.array([
        _sum_of_lags(np.delete(table, slice(a, a + block), 0), np.delete(y[days], slice(a, a + block)), lags)
        for a in range(0, days.size, block)
    ])
    n = left_out.size
    error = float(np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()))
    return Branching(ratio, error, float(y.mean()) * (1 - ratio), int(days.size))


def _sum_of_lags(table: F64, wanted: F64, lags: int) -> float:
    return float(np.linalg.lstsq(table, wanted, rcond=None)[0][:lags].sum())
