"""Backtests of figures of risk: did losses pass the VaR as often as said, at random times, and were they as large as said (M-193 to M-196).

Everywhere `returns` are gains (losses negative) of days in order, `var` and `es` are the losses that were forecast for each of
them the evening before (positive, or one number for all days), and `p` is the chance of a loss beyond the VaR (0.01 for 99%).
A violation is a loss greater than the VaR. Faulty arrays are a ``ValueError``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import xlogy

from stresslab.early_warning.intervals import STREAM, words
from stresslab.early_warning.scores import labels

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Zone = Literal["green", "yellow", "red"]

#: Basel's zones: yellow from where so many violations or fewer have this chance, red from the second one (M-195).
YELLOW, RED = 0.95, 0.9999
#: What the multiplier of capital rises by at 5, 6, 7, 8, 9 and more violations in 250 days at 1%: no rule for other lengths.
ADD_ONS = {5: 0.40, 6: 0.50, 7: 0.65, 8: 0.75, 9: 0.85}
#: Draws of the streams of this file, kept apart by the word of the day.
_ARRANGED, _COUNTED, _BEYOND = 1_000_001, 1_000_002, 1_000_003


class Outcome(NamedTuple):
    """A statistic and the chance of one as large, or larger, if the forecasts are right."""

    statistic: float
    p: float


def violations(returns: ArrayLike, var: ArrayLike) -> Bools:
    """The days on which the loss was greater than the VaR; NaN, or lengths that do not fit, are refused."""
    gained = np.asarray(returns, dtype=np.float64)
    limit = np.broadcast_to(np.asarray(var, dtype=np.float64), gained.shape)
    if gained.ndim != 1 or np.isnan(gained).any() or np.isnan(limit).any():
        raise ValueError("returns and VaR are known on every day")
    return gained < -limit


def _likelihood_ratio(more: float, degrees: int) -> Outcome:
    statistic = max(0.0, 2.0 * more)
    return Outcome(statistic, float(stats.chi2.sf(statistic, degrees)))


def _chance(p: float) -> float:
    if not 0 < p < 1:
        raise ValueError("the chance of a violation lies between 0 and 1")
    return p


def _log(count: float, of: float, p: float) -> float:
    """The log likelihood of `count` hits and `of` − `count` misses at chance `p`, 0 log 0 = 0."""
    return float(xlogy(count, p) + xlogy(of - count, 1 - p))


def kupiec(count: int, days: int, p: float) -> Outcome:
    """Whether there were as many violations as said: Kupiec's proportion of failures, χ² of one degree (M-193).

    Source: Kupiec 1995. Both too many and too few are found, and the test cannot reject where `days` × `p` is small.
    """
    if not 0 <= count <= days or days < 1:
        raise ValueError("violations are some of the days")
    return _likelihood_ratio(_log(count, days, count / days) - _log(count, days, _chance(p)), 1)


def accepted(days: int, p: float, level: float = 0.05) -> tuple[int, int]:
    """The fewest and the most violations that Kupiec's test does not reject at `level` (M-193)."""
    kept = [count for count in range(days + 1) if kupiec(count, days, p).p >= level]
    return kept[0], kept[-1]


def until_first(day: int, p: float) -> Outcome:
    """Whether the first violation came as late as said, `day` counted from 1: Kupiec's time until first failure (M-193)."""
    if day < 1:
        raise ValueError("the first day is 1")
    return _likelihood_ratio(_log(1, day, 1 / day) - _log(1, day, _chance(p)), 1)


def independence(hits: ArrayLike) -> Outcome:
    """Whether a violation is as likely after a violation as after none: Christoffersen's test, χ² of one degree (M-194).

    `hits` are the violations by day. It looks from one day to the next alone. Source: Christoffersen 1998.
    """
    told = labels(hits)
    before, after = told[:-1], told[1:]
    calm, calm_hits = int((~before).sum()), int((~before & after).sum())
    hit, hit_hits = int(before.sum()), int((before & after).sum())
    return independence_of_counts(calm - calm_hits, hit - hit_hits, calm_hits, hit_hits)


def independence_of_counts(n00: int, n10: int, n01: int, n11: int) -> Outcome:
    """The same of the numbers of days by violation before (first digit) and on the day (second digit)."""
    calm, hit, together = n00 + n01, n10 + n11, n01 + n11
    free = sum(_log(k, n, k / n) for k, n in ((n01, calm), (n11, hit)) if n)
    alike = _log(together, calm + hit, together / (calm + hit)) if calm + hit else 0.0
    return _likelihood_ratio(free - alike, 1)


def coverage(hits: ArrayLike, p: float) -> Outcome:
    """Number and independence together: the sum of both statistics, χ² of two degrees (M-194)."""
    told = labels(hits)
    both = kupiec(int(told.sum()), told.size, p).statistic + independence(told).statistic
    return Outcome(both, float(stats.chi2.sf(both, 2)))


def drawn_p(statistic: Callable[[Bools], float], hits: ArrayLike, p: float, *, repetitions: int = 999, seed: int = 1) -> float:
    """The p-value of a statistic of violations by simulation, which holds for few violations too (M-194).

    Draws are as many independent days with chance `p`; the value is (1 + draws at or above) / (1 + draws). Source: Dufour 2006.
    """
    told = labels(hits)
    reached = statistic(told)
    above = 0
    for r in range(repetitions):
        u = (words(seed, r, _ARRANGED, STREAM, np.arange(told.size))[:, 0] + 0.5) / 2.0**32
        # What differs in the last bits alone is equal.
        above += statistic(u < _chance(p)) >= reached - 1e-9
    return (1 + above) / (1 + repetitions)


# --- the traffic light --------------------------------------------------------------------------


class Light(NamedTuple):
    """A zone, the chance of so many violations or fewer, and what the multiplier rises by (NaN but for 250 days at 1%)."""

    zone: Zone
    cumulative: float
    add_on: float


def traffic_light(count: int, days: int = 250, p: float = 0.01) -> Light:
    """Basel's traffic light of a number of violations (M-195): green, yellow or red by the cumulative binomial.

    For 250 days at 1% that is 0 to 4, 5 to 9, 10 and more. Source: Basel Committee 1996; Basel Framework, MAR99.
    """
    if not 0 <= count <= days:
        raise ValueError("violations are some of the days")
    cumulative = float(stats.binom.cdf(count, days, _chance(p)))
    zone: Zone = "red" if cumulative >= RED else "yellow" if cumulative >= YELLOW else "green"
    ruled = (days, p) == (250, 0.01)
    add_on = 0.0 if zone == "green" else ADD_ONS.get(count, 1.0)
    return Light(zone, cumulative, add_on if ruled else float("nan"))


# --- expected shortfall -------------------------------------------------------------------------


class Shortfall(NamedTuple):
    """Acerbi and Szekely's statistics: 0 expected, negative where losses were larger than said."""

    z1: float
    z2: float
    violations: int


def acerbi_szekely(returns: ArrayLike, var: ArrayLike, es: ArrayLike, p: float = 0.025) -> Shortfall:
    """Whether losses beyond the VaR were as large as the expected shortfall said (M-196).

    Z1 = Σ X I / ES / N + 1 looks at the size of violations alone (NaN without any), Z2 = Σ X I / (T p ES) + 1 at size and number.
    `es` is positive. Source: Acerbi and Szekely 2014.
    """
    beyond = violations(returns, var)
    gained = np.asarray(returns, dtype=np.float64)
    shortfall = np.broadcast_to(np.asarray(es, dtype=np.float64), gained.shape)
    if not (shortfall > 0).all():
        raise ValueError("the expected shortfall is positive on every day")
    total, count = float((gained / shortfall)[beyond].sum()), int(beyond.sum())
    return Shortfall(total / count + 1 if count else float("nan"), total / (beyond.size * _chance(p)) + 1, count)


def tail_of(p: float = 0.025, freedom: float | None = None) -> tuple[float, float]:
    """VaR and expected shortfall of the standard normal, or of Student's t with `freedom` (> 1) degrees (unscaled) (M-196)."""
    if freedom is None:
        var = float(stats.norm.isf(_chance(p)))
        return var, float(stats.norm.pdf(var)) / p
    var = float(stats.t.isf(_chance(p), freedom))
    return var, float(stats.t.pdf(var, freedom)) / p * (freedom + var**2) / (freedom - 1)


def drawn_shortfalls(
    days: int, p: float = 0.025, freedom: float | None = None, *, repetitions: int = 10_000, seed: int = 1,
) -> tuple[Floats, Floats]:
    """Z1 and Z2 of forecasts that are right, one each a draw (M-196); Z1 is NaN on draws without a violation.

    The law is normal or Student's t, around 0 and of any scale on any day: neither statistic depends on it. Only what counts is
    drawn: the number of violations, and their sizes given that they are some.
    """
    u = (words(seed, 0, _COUNTED, STREAM, np.arange(repetitions))[:, 0] + 0.5) / 2.0**32
    counts = stats.binom.ppf(u, days, _chance(p)).astype(np.int64)
    tail = (words(seed, 0, _BEYOND, STREAM, np.arange(counts.sum()))[:, 0] + 0.5) / 2.0**32 * p
    es = tail_of(p, freedom)[1]
    sizes = (stats.norm.ppf(tail) if freedom is None else stats.t.ppf(tail, freedom)) / es
    sums = np.concatenate(([0.0], np.cumsum(sizes)))
    ends = np.cumsum(counts)
    totals = sums[ends] - sums[ends - counts]
    return np.where(counts > 0, totals / np.maximum(counts, 1) + 1, np.nan), totals / (days * p) + 1


class ShortfallTest(NamedTuple):
    """The statistics, the chance of ones as low if the forecasts are right, and the 5% critical values."""

    found: Shortfall
    p1: float
    p2: float
    critical1: float
    critical2: float


def shortfall_test(
    returns: ArrayLike, var: ArrayLike, es: ArrayLike, p: float = 0.025, freedom: float | None = None, *,
    repetitions: int = 10_000, seed: int = 1,
) -> ShortfallTest:
    """Acerbi and Szekely's tests with simulated p-values and 5% critical values, for a normal or Student's law (M-196).

    Z1 is judged among draws with a violation. P-values are (1 + draws at or below) / (1 + draws).
    """
    found = acerbi_szekely(returns, var, es, p)
    z1, z2 = drawn_shortfalls(np.asarray(returns).size, p, freedom, repetitions=repetitions, seed=seed)
    z1 = z1[~np.isnan(z1)]
    p1, p2 = ((1 + int((drawn <= z).sum())) / (1 + drawn.size) for drawn, z in ((z1, found.z1), (z2, found.z2)))
    lowest = float(np.quantile(z1, 0.05)) if z1.size else float("nan")
    return ShortfallTest(found, p1 if found.violations else float("nan"), p2, lowest, float(np.quantile(z2, 0.05)))


# --- all of it ----------------------------------------------------------------------------------


class VarBacktest(NamedTuple):
    """What a series of VaR forecasts was worth."""

    days: int
    violations: int
    expected: float
    number: Outcome
    first: Outcome
    independent: Outcome
    covered: Outcome
    light: Light


def var_backtest(returns: ArrayLike, var: ArrayLike, p: float = 0.01) -> VarBacktest:
    """Every backtest of a VaR over these days (M-193 to M-195); `first` has NaN where there is no violation."""
    hits = violations(returns, var)
    count, days = int(hits.sum()), hits.size
    first = until_first(int(np.argmax(hits)) + 1, p) if count else Outcome(float("nan"), float("nan"))
    return VarBacktest(
        days, count, days * p, kupiec(count, days, p), first, independence(hits), coverage(hits, p), traffic_light(count, days, p),
    )
