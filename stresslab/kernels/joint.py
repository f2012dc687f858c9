"""A short rate that moves with the market: its normals, given the days that the market took (M-289)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.crash import SHAPE_NONE, Crash
from stresslab.kernels.laws import LAW_CHAIN, LAW_GARCH, LAW_GBM, LAW_HESTON, FactorLaw, Trace, heston_return
from stresslab.kernels.noise import LEAD_RATE
from stresslab.kernels.rates import RateLaw
from stresslab.kernels.special import SPAN, read, squared

#: A day of the market counts for at most so many deviations: free days stay inside, a day that is forced may be thirty.
DEVIATIONS_MOST = 8.0
#: Halvings after which an interval of 18 is as narrow as a double.
_HALVINGS = 60


@kernel
def unread(table: NDArray[np.float64], value: float) -> float:
    """The z at which a rising table has a value, by halving; an end of the table beyond it."""
    low, high = -SPAN, SPAN
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if read(table, middle) < value:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@kernel
def market_normal(law: FactorLaw, trace: Trace, t: int, step: float) -> float:
    """The normal that a day's log return stands for, given its state or variances; 0 where nothing moves."""
    mean, square = law.drift, squared(law.sd)
    if law.model == LAW_CHAIN:
        s = trace.state[t]
        mean, square = law.chain.mean[s], squared(law.chain.sd[s]) + squared(law.chain.size_sd[s])
    elif law.model == LAW_GARCH:
        square = trace.variance[t - 1]
    elif law.model == LAW_HESTON:
        mean, square = heston_return(law.heston, law.drift, trace.variance[t - 1], trace.variance[t])
    elif law.model != LAW_GBM:
        return 0.0
    if square <= 0.0:
        return 0.0
    e = (step - mean) / math.sqrt(square)
    if law.model == LAW_GARCH and law.garch.innovation.size > 1:
        e = unread(law.garch.innovation, e)
    return max(-DEVIATIONS_MOST, min(DEVIATIONS_MOST, e))


@kernel
def joint_normals(
    out: NDArray[np.float64], rate: RateLaw, law: FactorLaw, crash: Crash, market: NDArray[np.float64], trace: Trace,
    leading: NDArray[np.float64],
) -> None:
    """Fill ``out`` (days 0..T) with the normals of the short rate: ρ e + √(1 − ρ²) z, e of the market's day (M-289)."""
    rest = math.sqrt(1.0 - squared(rate.correlation))
    for t in range(1, out.size):
        e = 0.0
        if crash.shape == SHAPE_NONE or not crash.flat_after or t <= crash.trough_day:
            e = market_normal(law, trace, t, market[t] - market[t - 1])
        out[t] = rate.correlation * e + rest * leading[t, LEAD_RATE]
