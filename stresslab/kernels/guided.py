"""Candidates that are led to a crash where its law has no closed form: GARCH and Heston (M-60).

A table says what each day's height and variance are worth: the density of meeting the crash from there, and of never passing
it. A day's normals are cut into bins; a bin is drawn in proportion to its probability times the worth of where it leads, and
a normal inside it as the law says. Whatever the table, the weight of a candidate is its true density over that of its draw.
One candidate is drawn by its weight; the effective number of candidates, (Σ w)² / Σ w², is told.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.crash import DRAWDOWN, TERMINAL, Crash, Guide
from stresslab.kernels.draws import STREAM_CANDIDATES, uniform, words
from stresslab.kernels.laws import (
    LAW_GARCH,
    TOLD_ATTEMPTS,
    TOLD_EFFECTIVE,
    TOLD_FAILED,
    FactorLaw,
    Trace,
    heston_return,
    innovation,
    next_variance,
    quadratic_exponential,
)
from stresslab.kernels.special import inside, squared

#: The logarithm of what cannot be.
NEVER = -1e300
#: Candidates stand in slots of their own, apart from those of a rejection.
FIRST_SLOT = 1 << 20


@kernel
def coordinate(law: FactorLaw, variance: float) -> float:
    """Where a variance stands on the grid: its logarithm (garch), or its root (heston, where it may be 0)."""
    return 0.5 * math.log(variance) if law.model == LAW_GARCH else math.sqrt(variance)


@kernel
def variance_at(law: FactorLaw, at: float) -> float:
    """The variance at a place of the grid."""
    return math.exp(2.0 * at) if law.model == LAW_GARCH else at * at


@kernel
def worth(guide: Guide, t: int, height: float, at: float) -> float:
    """The logarithm of what a height and a variance are worth on day t, between the points of the table."""
    table = guide.log_worth
    i = (height - guide.height[0]) / guide.height[1]
    j = (at - guide.variance[0]) / guide.variance[1]
    i = min(max(i, 0.0), table.shape[1] - 1.000001)
    j = min(max(j, 0.0), table.shape[2] - 1.000001)
    a, b = int(i), int(j)
    s, u = i - a, j - b
    low = (1.0 - u) * table[t, a, b] + u * table[t, a, b + 1]
    high = (1.0 - u) * table[t, a + 1, b] + u * table[t, a + 1, b + 1]
    return float((1.0 - s) * low + s * high)


@kernel
def log_density(law: FactorLaw, log_top: float, h: float, x: float) -> float:
    """The logarithm of the density of a garch day's return x under a variance h."""
    e, nu = (x - law.drift) / math.sqrt(h), law.garch.dof
    if nu == 0.0:
        return -0.5 * (e * e + math.log(2.0 * math.pi * h))
    return log_top - 0.5 * math.log(h) - 0.5 * (nu + 1.0) * math.log(1.0 + e * e / (nu - 2.0))


@kernel
def gaussian(x: float, mean: float, variance: float) -> float:
    """The logarithm of a normal density; what has no variance meets nothing."""
    return -0.5 * (squared(x - mean) / variance + math.log(2.0 * math.pi * variance)) if variance > 0.0 else NEVER


@kernel
def kept_height(crash: Crash, height: float, step: float) -> float:
    """The height after a step: a drawdown's is held at its peak."""
    return min(height + step, -crash.log_depth) if crash.definition == DRAWDOWN else height + step


@kernel
def weigh_bins(
    out: NDArray[np.float64], crash: Crash, law: FactorLaw, t: int, height: float, variance: float, last_day: int
) -> tuple[float, int]:
    """Fill ``out`` with the weight of each bin of day t; the logarithm of their sum, and how many there are.

    The weights are divided by the largest. On the trough day the return is what is left, and the bins are those of the
    variance alone. Bins stand by variance first.
    """
    guide, trough = crash.guide, t == crash.trough_day
    edges, cuts = guide.edges, guide.variance_edges
    many, outer = (1 if trough else edges.size - 1), max(1, cuts.size - 1)
    bound = -math.inf if crash.definition == TERMINAL else 0.0
    most, n = NEVER, 0
    for i in range(outer):
        after, mean, square, mass = variance, 0.0, 0.0, 0.0
        if law.model != LAW_GARCH:
            after = quadratic_exponential(variance, 0.5 * (cuts[i] + cuts[i + 1]), law.heston)
            mean, square = heston_return(law.heston, law.drift, variance, after)
            mass = guide.variance_mass[i]
        for j in range(many):
            if trough:
                step = -height
                weight = log_density(law, guide.log_top, variance, step) if law.model == LAW_GARCH else mass + gaussian(step, mean, square)
            else:
                z = 0.5 * (edges[j] + edges[j + 1])
                e = math.sqrt(variance) * innovation(law.garch, z) if law.model == LAW_GARCH else 0.0
                step = law.drift + e if law.model == LAW_GARCH else mean + math.sqrt(square) * z
                weight = mass + guide.mass[j]
            if law.model == LAW_GARCH:
                after = next_variance(law.garch, variance, step - law.drift)
            there = 0.0 if trough else kept_height(crash, height, step)
            if there < bound:
                weight = NEVER
            elif t < last_day:
                weight += worth(guide, t, there, coordinate(law, after))
            out[n] = weight
            most = max(most, weight)
            n += 1
    if most <= NEVER:
        return NEVER, n
    total = 0.0
    for at in range(n):
        out[at] = math.exp(out[at] - most)
        total += out[at]
    return most + math.log(total), n


@kernel
def fill_worth(table: NDArray[np.float64], scratch: NDArray[np.float64], crash: Crash, law: FactorLaw, last_day: int) -> None:
    """Fill the table of a guide from its last day back to day 0: backward recursion over the bins of each day."""
    guide = crash.guide
    table[last_day:] = 0.0
    for t in range(last_day - 1, -1, -1):
        for a in range(table.shape[1]):
            height = guide.height[0] + a * guide.height[1]
            for b in range(table.shape[2]):
                variance = variance_at(law, guide.variance[0] + b * guide.variance[1])
                total, _ = weigh_bins(scratch, crash, law, t + 1, height, variance, last_day)
                # What cannot be is worth little, not nothing: the table is read between its points.
                table[t, a, b] = max(total, -1e4)


@kernel
def candidate_days(
    out: NDArray[np.float64], scratch: NDArray[np.float64], crash: Crash, law: FactorLaw, trace: Trace, last_day: int, seed: int,
    path: int, slot: int,
) -> float:
    """Draw one candidate up to its last day; the logarithm of its weight, NEVER if it fell out."""
    guide, k, height, weight = crash.guide, crash.trough_day, -crash.log_depth, 0.0
    edges, cuts = guide.edges, guide.variance_edges
    for t in range(1, last_day + 1):
        variance = trace.variance[t - 1]
        total, n = weigh_bins(scratch, crash, law, t, height, variance, last_day)
        if total <= NEVER:
            return NEVER
        w0, w1, w2, _ = words(seed, path, t, STREAM_CANDIDATES, slot)
        whole = 0.0
        for at in range(n):
            whole += scratch[at]
        mark, at = uniform(w0) * whole, 0
        while at < n - 1 and mark > scratch[at]:
            mark -= scratch[at]
            at += 1
        while scratch[at] == 0.0:  # rounding may leave the mark beyond the last that counts
            at -= 1
        many = 1 if t == k else edges.size - 1
        i, j = at // many, at % many
        chosen = math.log(scratch[at] / whole)
        after, true = variance, 0.0
        mean = square = 0.0
        if law.model != LAW_GARCH:
            after = quadratic_exponential(variance, inside(cuts[i], cuts[i + 1], uniform(w1)), law.heston)
            mean, square = heston_return(law.heston, law.drift, variance, after)
            true = guide.variance_mass[i]
        if t == k:
            step = -height
            true += log_density(law, guide.log_top, variance, step) if law.model == LAW_GARCH else gaussian(step, mean, square)
        else:
            z = inside(edges[j], edges[j + 1], uniform(w2))
            true += guide.mass[j]
            step = law.drift + math.sqrt(variance) * innovation(law.garch, z) if law.model == LAW_GARCH else mean + math.sqrt(square) * z
        if law.model == LAW_GARCH:
            after = next_variance(law.garch, variance, step - law.drift)
        height = 0.0 if t == k else kept_height(crash, height, step)
        if (crash.definition != TERMINAL and height < 0.0) or true <= NEVER:
            return NEVER
        out[t] = crash.log_depth if t == k and crash.definition != DRAWDOWN else out[t - 1] + step
        trace.variance[t] = after
        weight += true - chosen
    return weight


@kernel
def copy(source: NDArray[np.float64], to: NDArray[np.float64]) -> None:
    """Copy one line; an assignment of slices would allocate."""
    for at in range(source.size):
        to[at] = source[at]


@kernel
def guided_days(
    out: NDArray[np.float64], crash: Crash, law: FactorLaw, trace: Trace, leading: NDArray[np.float64], seed: int, path: int
) -> int:
    """Fill a path with one of its candidates, drawn by weight, and return the last day filled.

    That is the trough, or the end where all days are bound.
    """
    last_day = crash.trough_day if crash.definition == TERMINAL or crash.flat_after else out.size - 1
    scratch = trace.scratch
    most, total, squares = NEVER, 0.0, 0.0
    for c in range(crash.guide.candidates):
        weight = candidate_days(out, scratch, crash, law, trace, last_day, seed, path, FIRST_SLOT + c)
        if weight <= NEVER:
            continue
        if weight > most:
            shrink = math.exp(most - weight) if most > NEVER else 0.0
            total, squares, most = total * shrink, squares * shrink * shrink, weight
        one = math.exp(weight - most)
        total += one
        squares += one * one
        if uniform(words(seed, path, 0, STREAM_CANDIDATES, FIRST_SLOT + c)[0]) * total <= one:
            copy(out, trace.kept_level)
            copy(trace.variance, trace.kept_variance)
    trace.told[TOLD_ATTEMPTS] = crash.guide.candidates
    if total == 0.0:
        trace.told[TOLD_FAILED] = 1.0
        return -1
    trace.told[TOLD_EFFECTIVE] = total * total / squares
    copy(trace.kept_level, out)
    copy(trace.kept_variance, trace.variance)
    return last_day

