"""The laws of the market factor: one day's log return from the leading normals, and what a path remembers (M-55 to M-59)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.special import normal_cdf, pick, read, squared

LAW_GBM = 0
LAW_CHAIN = 1  # jumps and regimes: Gaussian days whose state moves as a Markov chain
LAW_GARCH = 2
LAW_HESTON = 3
LAW_BOOTSTRAP = 4

_F1 = np.zeros(1)


class Chain(NamedTuple):
    """Gaussian days in one of S states: regimes, or how many jumps a day has (independent days are a chain too)."""

    mean: NDArray[np.float64] = _F1  # states: of the log return
    sd: NDArray[np.float64] = _F1  # states: what the market normal moves
    size_sd: NDArray[np.float64] = _F1  # states: what the normal of the jumps' sum moves
    cumulative: NDArray[np.float64] = np.ones((2, 1))  # (states + 1) × states: of the next state; the last row is day 1's
    column: int = 0  # 1 if the state reads the normal of the jumps, 0 if that of the variance


class Garch(NamedTuple):
    """h' = ω + (α + γ [e < 0]) e² + β h, daily; innovations by a table over the normal, or normal where it has one entry."""

    omega: float = 0.0
    alpha: float = 0.0
    gamma: float = 0.0
    beta: float = 0.0
    initial: float = 0.0
    dof: float = 0.0
    innovation: NDArray[np.float64] = _F1


class Heston(NamedTuple):
    """dv = κ (θ − v) dt + ε √v dW, with variances a year, over a step of ``years``."""

    initial: float = 0.0
    long_run: float = 0.0
    reversion: float = 0.0
    wobble: float = 0.0  # ε
    correlation: float = 0.0
    years: float = 0.0


class Drawn(NamedTuple):
    """Days of a history, in their order, scaled to the factor's volatility and drift."""

    market: NDArray[np.float64] = _F1
    sectors: NDArray[np.float64] = np.zeros((1, 0))  # days × sectors: returns of the sector factors
    has_sector: NDArray[np.uint8] = np.zeros(0, np.uint8)  # sectors: 1 where the history knows it
    by_return: NDArray[np.int64] = np.zeros(1, np.int64)  # the days from the worst to the best
    restart: float = 1.0  # probability that a day begins a new block


class FactorLaw(NamedTuple):
    """The law of the market factor's daily log returns; what a model does not read is empty."""

    model: int
    sd: float  # daily, the scenario's multiplier included; total where the law has parts
    drift: float  # of the log, a day
    chain: Chain = Chain()
    garch: Garch = Garch()
    heston: Heston = Heston()
    drawn: Drawn = Drawn()


class Trace(NamedTuple):
    """What a path remembers of its law, by day, and scratch for its candidates."""

    variance: NDArray[np.float64]  # in force for the next day: daily of garch, a year's of heston
    state: NDArray[np.int64]  # of a chain; the drawn day of a history
    kept_level: NDArray[np.float64]
    kept_variance: NDArray[np.float64]
    told: NDArray[np.float64]  # effective candidates (0: exact), attempts, failed
    scratch: NDArray[np.float64]  # weights of the bins of a day


#: No day is cut into more bins than this, in all dimensions together.
BINS_MOST = 512
TOLD_EFFECTIVE, TOLD_ATTEMPTS, TOLD_FAILED = 0, 1, 2


def new_trace(days: int) -> Trace:
    """Room for a path of so many days."""
    size = days + 1
    return Trace(np.zeros(size), np.zeros(size, np.int64), np.zeros(size), np.zeros(size), np.zeros(3), np.zeros(BINS_MOST))


@kernel
def begin(law: FactorLaw, trace: Trace) -> None:
    """Set day 0 of a path."""
    trace.state[0] = law.chain.mean.size
    trace.variance[0] = law.heston.initial if law.model == LAW_HESTON else law.garch.initial


@kernel
def innovation(g: Garch, z: float) -> float:
    """A day's innovation of unit variance from its normal."""
    return read(g.innovation, z) if g.innovation.size > 1 else z


@kernel
def next_variance(g: Garch, h: float, e: float) -> float:
    """Tomorrow's variance after a surprise e today, whose variance was h (M-58)."""
    return g.omega + (g.alpha + (g.gamma if e < 0.0 else 0.0)) * e * e + g.beta * h


@kernel
def step_moments(v: float, p: Heston) -> tuple[float, float]:
    """Mean and ψ = variance / mean² of one step of the variance, which the scheme matches (M-57); ψ 0 where nothing moves."""
    fade = math.exp(-p.reversion * p.years)
    mean = p.long_run + (v - p.long_run) * fade
    wobble, rest = squared(p.wobble), 1.0 - fade
    variance = v * wobble * fade * rest / p.reversion + p.long_run * wobble * squared(rest) / (2.0 * p.reversion)
    return mean, variance / (mean * mean) if mean > 0.0 else 0.0


@kernel
def quadratic_exponential(v: float, z: float, p: Heston) -> float:
    """The variance after one step from v, driven by a normal: Andersen's QE scheme with ψ_c = 1.5 (M-57)."""
    mean, spread = step_moments(v, p)
    if spread <= 0.0:
        return mean
    if spread <= 1.5:
        root = 2.0 / spread
        b2 = root - 1.0 + math.sqrt(root * (root - 1.0))
        return mean / (1.0 + b2) * squared(math.sqrt(b2) + z)
    zero = (spread - 1.0) / (spread + 1.0)
    above = normal_cdf(-z)  # 1 - u without cancellation
    if 1.0 - above <= zero:
        return 0.0
    return math.log((1.0 - zero) / above) * mean / (1.0 - zero)


@kernel
def heston_return(p: Heston, drift: float, v: float, after: float) -> tuple[float, float]:
    """Mean and variance of a day's log return given the variance before and after it (M-57)."""
    slope = 0.5 * p.years * (p.reversion * p.correlation / p.wobble - 0.5)
    lean = p.correlation / p.wobble
    mean = drift + p.years * p.long_run * (0.5 - lean * p.reversion) + (slope - lean) * v + (slope + lean) * after
    return mean, 0.5 * p.years * (1.0 - squared(p.correlation)) * (v + after)


@kernel
def drawn_day(d: Drawn, before: int, first: bool, z: float, z_restart: float) -> int:
    """The next day of a stationary block bootstrap: the history's next, or the first of a new block (M-59)."""
    days = d.market.size
    if first or normal_cdf(z_restart) < d.restart:
        return int(d.by_return[min(int(normal_cdf(z) * days), days - 1)])
    return (before + 1) % days


@kernel
def free_return(law: FactorLaw, trace: Trace, t: int, z: float, z_variance: float, z_jumps: float, z_size: float) -> float:
    """The log return of day t under the law, from its four normals; the trace of day t is set."""
    if law.model == LAW_GBM:
        return law.drift + law.sd * z
    if law.model == LAW_CHAIN:
        c = law.chain
        s = pick(c.cumulative[trace.state[t - 1]], normal_cdf(z_jumps if c.column == 1 else z_variance))
        trace.state[t] = s
        return float(c.mean[s] + c.sd[s] * z + c.size_sd[s] * z_size)
    if law.model == LAW_GARCH:
        h = trace.variance[t - 1]
        e = math.sqrt(h) * innovation(law.garch, z)
        trace.variance[t] = next_variance(law.garch, h, e)
        return law.drift + e
    if law.model == LAW_HESTON:
        v = trace.variance[t - 1]
        after = quadratic_exponential(v, z_variance, law.heston)
        trace.variance[t] = after
        mean, square = heston_return(law.heston, law.drift, v, after)
        return mean + math.sqrt(square) * z
    day = drawn_day(law.drawn, trace.state[t - 1], t == 1, z, z_jumps)
    trace.state[t] = day
    return float(law.drawn.market[day])


@kernel
def forced_return(law: FactorLaw, trace: Trace, t: int, x: float, z: float, z_variance: float, z_jumps: float) -> None:
    """Let day t return x whatever the law says: what the path remembers goes on by its own noise, or reacts to x (garch)."""
    free_return(law, trace, t, z, z_variance, z_jumps, 0.0)
    if law.model == LAW_GARCH:
        trace.variance[t] = next_variance(law.garch, trace.variance[t - 1], x - law.drift)
