"""Statistics of many paths with their sampling errors (M-38 to M-40, M-51), where paths are independent or come in groups (M-64)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from stresslab.sampling import grouped_error, reach

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Tail = Literal["high", "low"]
#: Which independent group each path belongs to; None where each is independent.
Groups = Ints | None

#: Half the width of a 95% interval in sampling errors.
Z = 1.96


class Estimate(NamedTuple):
    """A figure, its sampling error and its 95% interval, as arrays of one shape; NaN is null."""

    value: Floats
    error: Floats
    low: Floats
    high: Floats


def mean(values: Floats, groups: Groups = None) -> Estimate:
    """Mean over the last axis, error s/√n, interval ± 1.96 errors (M-38); in the unit of `values`.

    With a single path the error and the interval are NaN: one path says nothing of the spread. With
    `groups`, here and below, paths are independent between groups only, and errors follow (M-64).
    """
    ranked = np.sort(np.asarray(values, dtype=np.float64), axis=-1)
    n = ranked.shape[-1]
    # Measured from the smallest value, equal values have exactly their own mean and no error.
    excess = ranked - ranked[..., :1]
    centre = excess.sum(axis=-1) / n
    value = ranked[..., 0] + centre
    if groups is not None:
        return _symmetric(value, grouped_error(np.asarray(values, np.float64) - value[..., None], groups), reach(groups))
    if n == 1:
        return Estimate(value, null(value), null(value), null(value))
    variance = ((excess - centre[..., None]) ** 2).sum(axis=-1) / (n - 1)
    return _symmetric(value, np.sqrt(variance / n))


def quantile_rank(n: int, percent: int) -> int:
    """The rank ⌈percent × n / 100⌉, from 1 to n, of the quantile's order statistic (M-39)."""
    return max(1, -(-n * percent // 100))


def quantile_interval(values: Floats, percent: int, groups: Groups = None) -> Estimate:
    """Quantile over the last axis, with a 95% interval of order statistics (M-39).

    `values` has any shape and unit and may hold +infinity. The ranks l and u of the interval are
    equal-tailed binomial: P(B < l) and P(B ≥ u) are at most 2.5% for B ~ Binomial(n, q), whatever
    the law of the values (David and Nagaraja, Order Statistics, section 7.1). The error is half the
    width / 1.96. An infinite figure or bound is NaN, and so is a bound that no order statistic of n
    paths can give (the 95% quantile needs 72 paths); without both bounds the error is NaN.
    """
    ranked = np.sort(np.asarray(values, dtype=np.float64), axis=-1)
    n = ranked.shape[-1]
    if groups is not None:
        return _grouped_quantile(np.asarray(values, np.float64), ranked, percent, groups)
    lower = int(binom.ppf(0.025, n, percent / 100))
    upper = int(binom.ppf(0.975, n, percent / 100)) + 1
    value = finite(ranked[..., quantile_rank(n, percent) - 1])
    low = finite(ranked[..., lower - 1]) if lower >= 1 else null(value)
    high = finite(ranked[..., upper - 1]) if upper <= n else null(value)
    return Estimate(value, (high - low) / (2 * Z), low, high)


def _grouped_quantile(values: Floats, ranked: Floats, percent: int, groups: Ints) -> Estimate:
    """The quantile with ranks as far apart as the grouped error of the share of values up to it says (M-64)."""
    n = ranked.shape[-1]
    at = ranked[..., quantile_rank(n, percent) - 1]
    below = (values <= at[..., None]).astype(np.float64)
    spread = reach(groups) * n * grouped_error(below - below.mean(axis=-1, keepdims=True), groups)
    lower = np.floor(n * percent / 100 - spread)
    upper = np.floor(n * percent / 100 + spread) + 1
    known = np.isfinite(spread)

    def bound(rank: Floats) -> Floats:
        place = np.clip(np.where(known, rank, 1), 1, n).astype(np.int64)
        there = np.take_along_axis(ranked, place[..., None] - 1, axis=-1)[..., 0]
        return finite(np.where(known & (rank == place), there, np.nan))

    value, low, high = finite(at), bound(lower), bound(upper)
    return Estimate(value, (high - low) / (2 * reach(groups)), low, high)


def tail_mean(values: Floats, worse: Tail = "high", groups: Groups = None) -> Estimate:
    """Mean of the ⌈n / 20⌉ worst values of the last axis, interval ± 1.96 errors (M-40).

    `worse` says which tail is the bad one. The error is √((s² + 0.95 (tail mean − quantile)²) / k)
    for the k values of the tail with standard deviation s (divisor k − 1) and the 95% quantile of
    (M-39): the second term is what the unknown place of the quantile adds (Manistre and Hancock
    2005). With k = 1 (up to 20 paths) error and interval are NaN.
    """
    sign = 1.0 if worse == "high" else -1.0
    ranked = np.sort(sign * np.asarray(values, dtype=np.float64), axis=-1)
    n = ranked.shape[-1]
    k = -(-n // 20)
    quantile = ranked[..., quantile_rank(n, 95) - 1]
    excess = ranked[..., n - k :] - quantile[..., None]
    centre = excess.sum(axis=-1) / k
    value = (
        sign * (quantile + centre) + 0.0
    )  # + 0.0 turns the negative zero of a low tail into zero
    if groups is not None:
        beyond = np.maximum(sign * np.asarray(values, np.float64) - quantile[..., None], 0.0) * (n / k)
        return _symmetric(value, grouped_error(beyond - beyond.mean(axis=-1, keepdims=True), groups), reach(groups))
    if k == 1:
        return Estimate(value, null(value), null(value), null(value))
    variance = ((excess - centre[..., None]) ** 2).sum(axis=-1) / (k - 1)
    return _symmetric(value, np.sqrt((variance + 0.95 * centre**2) / k))


def wilson(k: Ints | Floats | int, n: Ints | Floats | int, z: float = Z) -> tuple[Floats, Floats]:
    """The Wilson 95% interval of k events on n paths, as shares from 0 to 1 (M-38).

    Source: Wilson 1927; Brown, Cai and DasGupta 2001. It stays inside [0, 1] and keeps a width at
    k = 0 and k = n, where the error √(p (1 − p) / n) is zero.
    """
    hits = np.asarray(k, dtype=np.float64)
    share = hits / n
    scale = 1 + z**2 / n
    centre = (share + z**2 / (2 * n)) / scale
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / scale
    # At the ends the formula is exactly 0 or 1; only its floats are not.
    low = np.where(hits == 0, 0.0, centre - half)
    high = np.where(hits == n, 1.0, centre + half)
    return low, high


def probability(happened: NDArray[np.bool_], groups: Groups = None) -> Estimate:
    """Share of true values on the last axis in percent, with √(p (1 − p) / n) and Wilson (M-38)."""
    n = happened.shape[-1]
    k = happened.sum(axis=-1, dtype=np.int64)
    share = k / n
    if groups is not None:
        error = grouped_error(happened - share[..., None], groups)
        # As many independent paths as would have this error; where nothing, or all, happened, the paths that there are.
        some = (error > 0) & (share > 0) & (share < 1)
        effective = np.where(some, share * (1 - share) / np.where(some, error, 1.0) ** 2, float(n))
        low, high = wilson(share * effective, effective, reach(groups))
        return Estimate(100 * share, 100 * error, 100 * low, 100 * high)
    low, high = wilson(k, n)
    return Estimate(100 * k / n, 100 * np.sqrt(share * (1 - share) / n), 100 * low, 100 * high)


def ratio(parts: Floats, wholes: Floats, groups: Groups = None) -> Estimate:
    """Sum of parts over sum of wholes in percent, over the last axis, interval ± 1.96 errors (M-51).

    Both arrays have one shape and unit, and one value a path in the order of the paths. The error is
    that of the delta method over the m paths whose whole is not zero: with one such path it is NaN,
    and without a positive sum of wholes so is the ratio.
    """
    part, whole = (np.asarray(a, dtype=np.float64) for a in (parts, wholes))
    sums = whole.sum(axis=-1)
    m = (whole != 0).sum(axis=-1)
    divisor = np.where(sums > 0, sums, np.nan)
    share = part.sum(axis=-1) / divisor
    # What is left over adds up to zero over these paths, so both may be measured from their means: then paths that are
    # all alike leave exactly nothing.
    rest = _excess(part, whole != 0) - share[..., None] * _excess(whole, whole != 0)
    if groups is not None:
        return _symmetric(100 * share, 100 * grouped_error(rest, groups) * rest.shape[-1] / divisor, reach(groups))
    spread = (rest**2).sum(axis=-1) * m / np.where(m > 1, m - 1.0, np.nan)
    return _symmetric(100 * share, 100 * np.sqrt(spread) / divisor)


def _excess(values: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """The chosen values of the last axis less their mean, and 0 for the others; equal values leave exactly 0."""
    least = np.where(chosen, values, np.inf).min(axis=-1, keepdims=True)
    above = np.where(chosen, values - np.where(np.isinf(least), 0.0, least), 0.0)
    counts = np.maximum(chosen.sum(axis=-1, keepdims=True), 1)
    return np.where(chosen, above - above.sum(axis=-1, keepdims=True) / counts, 0.0)


def null(like: Floats) -> Floats:
    """NaN in the shape of an array."""
    return np.full(np.shape(like), np.nan)


def finite(values: Floats) -> Floats:
    """The values with NaN in place of infinity."""
    return np.where(np.isinf(values), np.nan, values)


def _symmetric(value: Floats, error: Floats, reaching: float = Z) -> Estimate:
    """An estimate whose interval is the value ± 1.96 errors, or as many as are given."""
    return Estimate(value, error, value - reaching * error, value + reaching * error)
