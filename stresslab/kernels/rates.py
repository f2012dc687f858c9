"""The short rate of one path, day by day from one normal a day, and what contracts make of it (M-11, M-75 to M-80)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.noise import LEAD_RATE

#: A rate that moves only as the scenario says; one with normal steps (Vasicek, Hull-White); one with the steps of CIR.
RATE_GIVEN, RATE_NORMAL, RATE_SQUARE_ROOT = range(3)
#: Where the two branches of the step of CIR meet: Andersen's choice; both serve from 1 to 2.
BRANCH = 1.5
SQRT_HALF = math.sqrt(0.5)
BP = 10_000.0


class RateLaw(NamedTuple):
    """The law of the short rate's days, rates as fractions a year; unused entries are zero."""

    model: int
    keep: float  # what a day leaves of a distance to the mean: e^(−a/252)
    sd: float  # of a normal step
    pull: float  # to what the steps of CIR return
    spread: float  # of the variance of a step of CIR: the part that grows with the rate …
    floor: float  # … and the part that does not
    mean: NDArray[np.float64]  # days 0..T: what the law expects on each day; on day 0 the rate itself
    highest: NDArray[np.float64]  # days 0..T: at most this, which a path passes with a probability below 10⁻¹³ a day (M-80)
    correlation: float = 0.0  # of a day's normal with that of the market factor (M-289)


#: Rates move only as the scenario says.
GIVEN = RateLaw(RATE_GIVEN, 0.0, 0.0, 0.0, 0.0, 0.0, np.zeros(1), np.zeros(1))


@kernel
def square_root_step(mean: float, variance: float, z: float) -> float:
    """A value that is not negative, of this mean and variance exactly, from a normal z (Andersen's QE, M-78)."""
    if variance <= 0.0:
        return mean
    ratio = variance / (mean * mean)
    if ratio <= BRANCH:
        twice = 2.0 / ratio
        b2 = twice - 1.0 + math.sqrt(twice) * math.sqrt(twice - 1.0)
        lifted = math.sqrt(b2) + z
        return mean / (1.0 + b2) * lifted * lifted
    at_zero = (ratio - 1.0) / (ratio + 1.0)
    above = 0.5 * math.erfc(z * SQRT_HALF)  # 1 − Φ(z), to its last digits also far out
    if above >= 1.0 - at_zero:
        return 0.0
    return mean / (1.0 - at_zero) * math.log((1.0 - at_zero) / above)


@kernel
def rate_path(out: NDArray[np.float64], law: RateLaw, leading: NDArray[np.float64]) -> None:
    """Fill ``out`` (days 0..T) with the short rate of a path, a fraction a year; zeros where rates are given (M-77 to M-79)."""
    if law.model == RATE_GIVEN:
        out[:] = 0.0
        return
    for t in range(1, out.size):
        out[t] = leading[t, LEAD_RATE]
    follow(out, law)


@kernel
def follow(out: NDArray[np.float64], law: RateLaw) -> None:
    """Turn the normals of days 1..T, which stand in ``out``, into the short rate of days 0..T."""
    out[0] = law.mean[0]
    for t in range(1, out.size):
        if law.model == RATE_NORMAL:
            rate = law.mean[t] + law.keep * (out[t - 1] - law.mean[t - 1]) + law.sd * out[t]
        else:
            expected = law.pull + law.keep * (out[t - 1] - law.pull)
            rate = square_root_step(expected, law.spread * out[t - 1] + law.floor, out[t])
        out[t] = min(rate, law.highest[t])


@kernel
def surprise(day: int, rate: NDArray[np.float64], law: RateLaw) -> float:
    """By how much the short rate stands above what the law expected on the book's date: what moves prices (M-76)."""
    if law.model == RATE_GIVEN:
        return 0.0
    return rate[day] - law.mean[day]  # type: ignore[no-any-return]


@kernel
def whole_bp(out: NDArray[np.int64], rate: NDArray[np.float64]) -> None:
    """Fill ``out`` with the change of the short rate since the book's date in basis points, rounded half up (M-75)."""
    for t in range(out.size):
        out[t] = np.int64(math.floor((rate[t] - rate[0]) * BP + 0.5))


@kernel
def shifts(out: NDArray[np.int64], fixing: NDArray[np.int64], shock: NDArray[np.int64], moved: NDArray[np.int64]) -> None:
    """What each clause adds to a rate on each day, bp: the scenario's shock and the rate's own move, as they were fixed (M-11)."""
    for k in range(out.shape[0]):
        for t in range(out.shape[1]):
            out[k, t] = shock[k, t] + moved[fixing[k, t]]
