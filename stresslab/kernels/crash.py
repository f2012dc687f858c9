"""The crash that a path is conditioned on: three definitions, and exact draws where days are Gaussian given their states (M-9, M-60).

The height of a path is its distance to the level that the crash names: F(t) − ln(1 − d), or for a drawdown F(t) less the
running maximum plus −ln(1 − d), so that every definition begins at the height −ln(1 − d) and stands at 0 on the trough day. A
drawdown's height never passes its start; under `minimum` and `drawdown` no height of the run is below 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.draws import STREAM_CANDIDATES, inverse_normal, uniform, words
from stresslab.kernels.laws import (
    LAW_CHAIN,
    LAW_GBM,
    TOLD_ATTEMPTS,
    TOLD_FAILED,
    FactorLaw,
    Trace,
    forced_return,
    free_return,
)
from stresslab.kernels.noise import LEAD_JUMP_SIZE, LEAD_JUMPS, LEAD_MARKET, LEAD_VARIANCE
from stresslab.kernels.special import normal_cdf, pick, squared

SHAPE_NONE = 0
SHAPE_GAP = 1
SHAPE_RAMP = 2
SHAPE_BRIDGE = 3
SHAPE_PATH = 4  # levels are given day by day

TERMINAL = 0
MINIMUM = 1
DRAWDOWN = 2

#: A path that no attempt of so many meets is no path: it fails, and with it the run.
ATTEMPTS_MOST = 100_000

_F1 = np.zeros(1)
_F2 = np.zeros((1, 1))


class Tilt(NamedTuple):
    """The tilted chains that lead to the crash from each day of the peak; the first row is that of day 0 (M-60)."""

    cumulative: NDArray[np.float64] = np.ones((1, 1, 2, 1))  # peaks × days left × (states + 1) × states
    log_start: NDArray[np.float64] = _F2  # peaks × (states + 1): ln H of all days left
    theta: NDArray[np.float64] = _F1  # peaks
    log_bound: NDArray[np.float64] = _F1  # peaks: no proposal weighs more
    peak: NDArray[np.float64] = np.ones(1)  # cumulative probability of the day of the peak, days 0..trough day − 1


class Guide(NamedTuple):
    """What each day's height and variance are worth on the way to the crash, and how fine a day's return is cut (M-60)."""

    log_worth: NDArray[np.float64] = np.zeros((1, 1, 1))  # days × heights × variances
    height: NDArray[np.float64] = _F1  # first height, step
    variance: NDArray[np.float64] = _F1  # first and step of the grid's coordinate of the variance
    edges: NDArray[np.float64] = _F1  # bins of the market normal
    mass: NDArray[np.float64] = _F1  # the logarithm of their probability
    variance_edges: NDArray[np.float64] = _F1  # bins of the normal of the variance; of one entry: it has none of its own
    variance_mass: NDArray[np.float64] = _F1
    log_top: float = 0.0  # the logarithm of Student's density of variance 1 at its mode
    candidates: int = 0


class Crash(NamedTuple):
    """The crash that a path is conditioned on, or the levels that it takes."""

    shape: int
    trough_day: int
    log_depth: float  # ln(1 - d), 0 without a crash
    flat_after: bool
    definition: int = TERMINAL
    tilt: Tilt = Tilt()
    guide: Guide = Guide()
    levels: NDArray[np.float64] = _F1  # days 0..n: log levels of a path that is given


@kernel
def normals(leading: NDArray[np.float64], seed: int, path: int, t: int, attempt: int) -> tuple[float, float, float, float]:
    """The normals of a day: market, variance, jumps, size; of the path itself in attempt 0, of a candidate after it."""
    if attempt == 0:
        return leading[t, LEAD_MARKET], leading[t, LEAD_VARIANCE], leading[t, LEAD_JUMPS], leading[t, LEAD_JUMP_SIZE]
    w0, w1, w2, w3 = words(seed, path, t, STREAM_CANDIDATES, attempt)
    return inverse_normal(uniform(w0)), inverse_normal(uniform(w1)), inverse_normal(uniform(w2)), inverse_normal(uniform(w3))


@kernel
def free_days(
    out: NDArray[np.float64], first: int, last: int, law: FactorLaw, trace: Trace, leading: NDArray[np.float64]
) -> None:
    """Fill days first..last with free steps."""
    if law.model == LAW_GBM:  # nothing to remember: a call a day would cost more than the day
        for t in range(first, last + 1):
            out[t] = out[t - 1] + law.drift + law.sd * leading[t, LEAD_MARKET]
        return
    for t in range(first, last + 1):
        step = free_return(
            law, trace, t, leading[t, LEAD_MARKET], leading[t, LEAD_VARIANCE], leading[t, LEAD_JUMPS], leading[t, LEAD_JUMP_SIZE])
        out[t] = out[t - 1] + step


@kernel
def held_days(
    out: NDArray[np.float64], first: int, last: int, height: float, crash: Crash, law: FactorLaw, trace: Trace,
    leading: NDArray[np.float64], seed: int, path: int,
) -> float:
    """Fill days first..last with steps under the law given that no height is below 0, and return the last height; below 0 if none is found.

    Free steps until a stretch holds: the law's own, given the day before.
    """
    highest = -crash.log_depth if crash.definition == DRAWDOWN else math.inf
    for attempt in range(ATTEMPTS_MOST):
        here = height
        for t in range(first, last + 1):
            step = free_return(law, trace, t, *normals(leading, seed, path, t, attempt))
            out[t] = out[t - 1] + step
            here = min(here + step, highest)
            if here < 0.0:
                break
        trace.told[TOLD_ATTEMPTS] += 1
        if here >= 0.0:
            return here
    trace.told[TOLD_FAILED] = 1
    return -1.0


@kernel
def day_law(law: FactorLaw, s: int) -> tuple[float, float]:
    """Mean and variance of a day of a state."""
    if law.model != LAW_CHAIN:
        return law.drift, law.sd * law.sd
    return law.chain.mean[s], squared(law.chain.sd[s]) + squared(law.chain.size_sd[s])


@kernel
def drawn_states(
    first: int, last: int, crash: Crash, law: FactorLaw, trace: Trace, leading: NDArray[np.float64], seed: int, path: int, attempt: int
) -> tuple[float, float, float]:
    """Draw the states of some days from the chain that is tilted to the crash; their mean, variance and log acceptance."""
    tilt, peak = crash.tilt, first - 1
    mean = variance = 0.0
    before = trace.state[first - 1]
    start = before
    for t in range(first, last + 1):
        _, z_variance, z_jumps, _ = normals(leading, seed, path, t, attempt)
        if law.model == LAW_CHAIN:
            z = z_jumps if law.chain.column == 1 else z_variance
            before = pick(tilt.cumulative[peak, min(last - t, tilt.cumulative.shape[1] - 1), before], normal_cdf(z))
        else:
            before = 0
        trace.state[t] = before
        a, b = day_law(law, before)
        mean += a
        variance += b
    if law.model != LAW_CHAIN:
        start = 0
    # With a single state and no peak to place every proposal weighs the same.
    if variance <= 0.0 or (law.model != LAW_CHAIN and crash.definition != DRAWDOWN):
        return mean, variance, 0.0
    theta = tilt.theta[peak]
    off = crash.log_depth - mean - theta * variance
    weight = -0.5 * math.log(2.0 * math.pi * variance) - off * off / (2.0 * variance) - theta * crash.log_depth
    return mean, variance, weight + tilt.log_start[peak, start] - tilt.log_bound[peak]


@kernel
def bridged_days(
    out: NDArray[np.float64], first: int, last: int, mean: float, variance: float, crash: Crash, law: FactorLaw, trace: Trace,
    leading: NDArray[np.float64], seed: int, path: int, attempt: int,
) -> bool:
    """Bend the days first..last, whose states are drawn, to the crash; whether no height but the last is out of bounds (M-9).

    Attempt 0 bends the free path: F(t) + (V(t) / V) (ln(1 − d) − F(k)), which is the law of the path given its end. Later
    attempts draw the same law day by day, and end at the first day out of bounds.
    """
    start = out[first - 1]
    highest = 0.0 if crash.definition == DRAWDOWN else math.inf
    lowest = -math.inf if crash.definition == TERMINAL else crash.log_depth
    if attempt == 0:
        for t in range(first, last + 1):
            z, _, _, z_size = normals(leading, seed, path, t, 0)
            if law.model == LAW_CHAIN:
                s = trace.state[t]
                out[t] = out[t - 1] + law.chain.mean[s] + law.chain.sd[s] * z + law.chain.size_sd[s] * z_size
            else:
                out[t] = out[t - 1] + law.drift + law.sd * z
        miss, so_far, inside = start + crash.log_depth - out[last], 0.0, True
        for t in range(first, last):
            so_far += day_law(law, trace.state[t])[1]
            out[t] += (so_far / variance if variance > 0.0 else (t - first + 1) / (last - first + 1)) * miss
            inside = inside and lowest <= out[t] - start <= highest
        out[last] = start + crash.log_depth
        return inside
    left, mean_left, variance_left = crash.log_depth, mean, variance
    for t in range(first, last):
        a, b = day_law(law, trace.state[t])
        share = b / variance_left if variance_left > 0.0 else 1.0 / (last - t + 1)
        z = normals(leading, seed, path, t, attempt)[0]
        step = a + share * (left - mean_left) + math.sqrt(max(0.0, b * (1.0 - share))) * z
        out[t] = out[t - 1] + step
        left -= step
        mean_left -= a
        variance_left -= b
        if not lowest <= out[t] - start <= highest:
            return False
    out[last] = start + crash.log_depth
    return True


@kernel
def peak_days(
    out: NDArray[np.float64], peak: int, crash: Crash, law: FactorLaw, trace: Trace, leading: NDArray[np.float64], seed: int, path: int,
    attempt: int,
) -> bool:
    """Draw free days up to a peak; whether the last is the highest, and no drawdown before it is deeper than the crash."""
    highest = 0.0
    for t in range(1, peak + 1):
        out[t] = out[t - 1] + free_return(law, trace, t, *normals(leading, seed, path, t, attempt))
        highest = max(highest, out[t])
        if out[t] - highest < crash.log_depth:
            return False
    return bool(out[peak] >= highest)


@kernel
def exact_days(
    out: NDArray[np.float64], crash: Crash, law: FactorLaw, trace: Trace, leading: NDArray[np.float64], seed: int, path: int
) -> int:
    """Fill the days to the trough, exactly by rejection, and those after it where they hang together; the last day filled (M-60).

    The day of the peak and the states after it are drawn from tilted laws that no true weight exceeds, the returns from the
    Gaussian bridge given the states; what passes the crash's level is drawn anew.
    """
    k, days = crash.trough_day, out.size - 1
    # Days that follow a chain depend on the state at the trough, and so are accepted together with those before it.
    together = law.model == LAW_CHAIN and law.chain.column == 0 and crash.definition != TERMINAL and not crash.flat_after
    for attempt in range(ATTEMPTS_MOST):
        trace.told[TOLD_ATTEMPTS] += 1
        w0, w1, _, _ = words(seed, path, 0, STREAM_CANDIDATES, attempt)
        peak = pick(crash.tilt.peak, uniform(w0)) if crash.definition == DRAWDOWN else 0
        if peak > 0 and not peak_days(out, peak, crash, law, trace, leading, seed, path, attempt):
            continue
        mean, variance, weight = drawn_states(peak + 1, k, crash, law, trace, leading, seed, path, attempt)
        if math.log(uniform(w1)) > weight:
            continue
        if not bridged_days(out, peak + 1, k, mean, variance, crash, law, trace, leading, seed, path, attempt):
            continue
        if not together:
            return k
        here = 0.0
        for t in range(k + 1, days + 1):
            step = free_return(law, trace, t, *normals(leading, seed, path, t, attempt))
            out[t] = out[t - 1] + step
            here = here + step if crash.definition == MINIMUM else min(here + step, -crash.log_depth)
            if here < 0.0:
                break
        if here >= 0.0:
            return days
    trace.told[TOLD_FAILED] = 1
    return -1


@kernel
def shaped_days(
    out: NDArray[np.float64], crash: Crash, law: FactorLaw, trace: Trace, leading: NDArray[np.float64], seed: int, path: int
) -> bool:
    """Fill the days to the trough of a gap or a ramp, or to the end of a path that is given; whether one was found."""
    k, depth = crash.trough_day, crash.log_depth
    if crash.shape == SHAPE_GAP and crash.definition == TERMINAL:
        free_days(out, 1, k - 1, law, trace, leading)
        out[k] = depth
    elif crash.shape == SHAPE_GAP:
        height = held_days(out, 1, k - 1, -depth, crash, law, trace, leading, seed, path)
        if height < 0.0:
            return False
        out[k] = out[k - 1] - height if crash.definition == DRAWDOWN else depth
    for t in range(1, k + 1):
        if crash.shape == SHAPE_RAMP:
            out[t] = math.log(1.0 - (1.0 - math.exp(depth)) * t / k) if t < k else depth
        elif crash.shape == SHAPE_PATH:
            out[t] = crash.levels[t]
        if crash.shape != SHAPE_GAP or t == k:
            forced_return(
                law, trace, t, out[t] - out[t - 1], leading[t, LEAD_MARKET], leading[t, LEAD_VARIANCE], leading[t, LEAD_JUMPS])
    return True
