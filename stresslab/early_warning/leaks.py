"""Does anything see the future? Two checks that run with every backtest (M-167)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from stresslab.early_warning.indicators import Indicator, indicators_of, regime_indicator
from stresslab.early_warning.known import Known

F64 = NDArray[np.float64]
#: On so many days, evenly spread, the indicators are computed again from a history that ends there.
SAMPLE_DAYS = 3
#: Rank correlation with the returns of the next days that no honest indicator has: at least this, and so many standard errors of
#: windows that do not overlap.
FORESIGHT, ERRORS = 0.5, 4.0
AHEAD = (1, 5, 20, 60)


@dataclass(frozen=True)
class Leak:
    """An indicator that knows what it cannot: ``truncation`` (its value changes when later days are gone) or ``foresight``."""

    indicator: str
    check: str
    measure: float
    where: str


def truncation(
    known: Known, found: list[Indicator], *, candidates: bool = True, sample: int = SAMPLE_DAYS
) -> list[Leak]:
    """Indicators whose value of a day is not the same if the history ends on that day, on some days of the second half."""
    n = len(known.days)
    leaks: list[Leak] = []
    for place in sorted({n // 2 + (n // 2 - 1) * k // max(sample - 1, 1) for k in range(sample)}):
        day = known.days[place]
        past = known.until(day)
        again = {one.name: one for one in indicators_of(past, candidates=candidates)}
        if any(one.name == "regime" for one in found):
            again["regime"] = regime_indicator(past)
        for one in found:
            whole = float(one.values.iloc[place])
            there = again.get(one.name)
            cut = float(there.values.iloc[-1]) if there is not None else float("nan")
            if not same(whole, cut):
                leaks.append(Leak(one.name, "truncation", abs(whole - cut), str(day.date())))
    return leaks


def same(a: float, b: float) -> bool:
    """Whether two values are one but for rounding of sums in another order; two missing ones are."""
    if np.isnan(a) or np.isnan(b):
        return bool(np.isnan(a) and np.isnan(b))
    return abs(a - b) <= 1e-7 * max(1.0, abs(a), abs(b))


def foresight(close: pd.Series[float], values: pd.Series[float], horizon: int) -> tuple[float, int]:
    """The largest rank correlation (by size) of an indicator, or of its daily change, with returns after it, and the days ahead.

    The return of days t + 1 to t + k is taken for k = 1, 5, 20, 60 and the horizon. What is below the bounds of chance is 0.
    """
    c = np.log(close.to_numpy(float))
    x: F64 = values.to_numpy(float).astype(np.float64)
    best, days = 0.0, 0
    for k in sorted({*AHEAD, horizon}):
        if k >= c.size // 8:
            continue
        ahead = np.full(c.size, np.nan)
        ahead[:-k] = c[k:] - c[:-k]
        rho = spearman(x, ahead)
        windows = int((np.isfinite(x) & np.isfinite(ahead)).sum()) // k
        if windows >= 8 and abs(rho) >= max(FORESIGHT, ERRORS / np.sqrt(windows)) and abs(rho) > abs(best):
            best, days = rho, k
    # A daily change that goes with tomorrow's return looks one day ahead, however slow the level is.
    change: F64 = np.r_[np.nan, np.diff(x)].astype(np.float64)
    tomorrow: F64 = np.r_[np.diff(c), np.nan].astype(np.float64)
    rho = spearman(change, tomorrow)
    if abs(rho) >= FORESIGHT and abs(rho) > abs(best):
        best, days = rho, 1
    return best, days


def spearman(x: F64, y: F64) -> float:
    """Spearman's rank correlation over the pairs that are known; 0 below 30 of them, or where one does not vary."""
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 30:
        return 0.0
    a, b = rankdata(x[both]), rankdata(y[both])
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def foresights(known: Known, found: list[Indicator], y: F64, scored: NDArray[np.bool_], horizon: int) -> list[Leak]:
    """Indicators that go with what comes after them as nothing honest does: with returns, or with the label itself."""
    leaks: list[Leak] = []
    for one in found:
        for values in (one.values, one.raw):
            leak = None if values is None else _foresight(known, one.name, values, y, scored, horizon)
            if leak is not None:
                leaks.append(leak)
                break
    return leaks


def _foresight(
    known: Known, name: str, values: pd.Series[float], y: F64, scored: NDArray[np.bool_], horizon: int
) -> Leak | None:
    rho, days = foresight(known.close, values, horizon)
    if rho != 0.0:
        return Leak(name, "foresight", abs(rho), f"return of the next {days} days")
    x: F64 = values.to_numpy(float).astype(np.float64)
    there = scored & np.isfinite(x)
    before = int((y[there] == 1).sum())
    if before >= horizon and before + horizon <= int(there.sum()) and _parts(x[there], y[there], horizon):
        return Leak(name, "foresight", 1.0, "the label itself")
    return None


def _parts(x: F64, y: F64, horizon: int) -> bool:
    """Whether one threshold parts the days before events from all others without a mistake, for two events or more."""
    before, others = x[y == 1], x[y == 0]
    apart = before.min() > others.max() or before.max() < others.min()
    return bool(apart and before.size > 1.5 * horizon)
