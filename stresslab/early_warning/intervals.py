"""How sure a score is: block bootstrap, and tests that know how many were tried (M-189 to M-191).

Days next to each other are alike, so whole blocks of days are drawn again. Draws are Philox words at counters (M-5) of their own
stream, here in numpy: judgement imports no kernel, and a test holds both to the same bits. So an interval is a pure function of
its data and its seed, on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Kind = Literal["circular", "stationary", "moving"]
Scale = Literal["student", "percentile", "basic"]
Statistic = Callable[..., float]

#: The stream of these draws in the counters of (M-5); far above those of simulated paths.
STREAM = 1 << 20
#: An interval is told only if the statistic exists on this share of the draws.
LEAST = 0.5

#: Repetitions whose blocks are drawn at once.
_CHUNK = 64
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def words(seed: int, path: ArrayLike, day: int, stream: int, slots: ArrayLike) -> Words:
    """The four 32-bit words of Philox 4x32-10 at each slot, slots × 4; the same as the kernels' (M-5). Paths and slots broadcast."""
    c3, c0 = np.broadcast_arrays(np.asarray(path, dtype=np.uint64), np.asarray(slots, dtype=np.uint64))
    c1, c2 = (np.full(c0.shape, word, dtype=np.uint64) for word in (day, stream))
    k0, k1 = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ np.uint64(k0), p1 & _LOW, (p0 >> _32) ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack((c0, c1, c2, c3), axis=-1)


def resampled(n: int, block: int, repetitions: int, seed: int, kind: Kind = "circular") -> Iterator[Ints]:
    """The draws of a block bootstrap of n rows (M-189): for each repetition n row numbers, 0 … n − 1.

    ``circular``: blocks of `block` rows that begin anywhere and go around the end to the start, the last one cut (Politis and Romano
    1992), so that every row is as likely. ``stationary``: blocks of geometric length, `block` rows on average (Politis
    and Romano 1994). ``moving``: as circular, but no block passes the end (Künsch 1989), so that days near the ends come seldom.
    The k-th block of a repetition depends on (seed, repetition, k) alone, so that more repetitions go on where fewer stopped.
    """
    if not 1 <= block <= n:
        raise ValueError("a block has at least one row and at most all of them")
    stays = _stays(block)
    places = n - block + 1 if kind == "moving" else n
    # Blocks for most repetitions at once; a repetition with many short ones draws on.
    at_once = min(n, -(-n // block) + (4 * math.isqrt(-(-n // block)) if kind == "stationary" else 0))
    for chunk in range(0, repetitions, _CHUNK):
        several = np.arange(chunk, min(chunk + _CHUNK, repetitions))
        drawn = words(seed, several[:, None], 0, STREAM, np.arange(at_once)[None, :])
        for r, mine in zip(several.tolist(), drawn, strict=True):
            lengths = _lengths(mine, block, stays, kind)
            while int(lengths.sum()) < n:
                mine = np.concatenate((mine, words(seed, r, 0, STREAM, np.arange(len(mine), len(mine) + at_once))))
                lengths = _lengths(mine, block, stays, kind)
            ends = np.cumsum(lengths)
            used = int(np.searchsorted(ends, n)) + 1
            first = (mine[:used, 0] * np.uint64(places) >> _32).astype(np.int64)
            rows: Ints = np.repeat(first - ends[:used] + lengths[:used], lengths[:used])[:n] + np.arange(n)
            yield rows % n


def _stays(block: int) -> Floats:
    """The chance that a block lasts more than 1, 2, … rows, falling, until no word is as small; products alone, so the same anywhere."""
    return np.cumprod(np.full(24 * block, 1.0 - 1.0 / block))


def _lengths(drawn: Words, block: int, stays: Floats, kind: Kind) -> Ints:
    if kind != "stationary":
        return np.full(len(drawn), block, dtype=np.int64)
    u = (drawn[:, 1].astype(np.float64) + 0.5) / 2.0**32
    return 1 + np.searchsorted(-stays, -u).astype(np.int64)


class Interval(NamedTuple):
    """A figure, its interval and its error, and on what share of the draws it existed; NaN is not known."""

    value: float
    low: float
    high: float
    error: float
    used: float


def block_bootstrap(
    statistic: Statistic, *arrays: ArrayLike, block: int, repetitions: int = 1_000, seed: int = 1, level: float = 0.95,
    kind: Kind = "circular", scale: Scale = "student", within: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """A statistic of rows in the order of their days, with a bootstrap interval that holds with chance `level` (M-189).

    `arrays` have one length n and are drawn together, row by row. The error is the standard deviation over draws, made as much
    larger as k = n / `block` blocks make it too small, √(k / (k − 1)). ``student``: the value ± t of k − 1 degrees times the error;
    ``percentile``: the quantiles of the draws; ``basic``: their distances from the value, turned round. The last two know nothing
    of how few blocks there are and hold less often than they say (M-189). Bounds are cut to `within`, where the statistic must
    lie. Draws where it is not finite (say, no event in them) are left out, and ``used`` says how many stayed; below half, or with
    fewer than two blocks, error and interval are NaN. With few events an interval knows only the events that there were.
    """
    if not 0 < level < 1 or repetitions < 2:
        raise ValueError("the level lies between 0 and 1, and there are at least two repetitions")
    columns = [np.asarray(a) for a in arrays]
    n = len(columns[0]) if columns else 0
    if n == 0 or any(len(c) != n for c in columns):
        raise ValueError("there are arrays, all of one length")
    value = float(statistic(*columns))
    drawn = np.array([float(statistic(*(c[rows] for c in columns))) for rows in resampled(n, block, repetitions, seed, kind)])
    kept = drawn[np.isfinite(drawn)]
    used, blocks = kept.size / repetitions, n / block
    if used < LEAST or kept.size < 2 or blocks < 2 or not np.isfinite(value):
        return Interval(value, math.nan, math.nan, math.nan, used)
    error = float(kept.std(ddof=1)) * math.sqrt(blocks / (blocks - 1))
    low, high = (float(q) for q in np.quantile(kept, [(1 - level) / 2, (1 + level) / 2]))
    if scale == "basic":
        low, high = 2 * value - high, 2 * value - low
    elif scale == "student":
        half = float(student.ppf((1 + level) / 2, blocks - 1)) * error
        low, high = value - half, value + half
    return Interval(value, max(low, within[0]), min(high, within[1]), error, used)


# --- many tries ---------------------------------------------------------------------------------


def holm(p: ArrayLike) -> Floats:
    """P-values corrected for their number, in the order given: the step-down rule of Holm 1979 (M-190), valid however they depend.

    The k-th smallest of m is multiplied by m − k + 1, is at least the one before, and at most 1. NaN is refused.
    """
    told = np.asarray(p, dtype=np.float64)
    if told.ndim != 1 or not ((told >= 0) & (told <= 1)).all():
        raise ValueError("p-values lie between 0 and 1")
    order = np.argsort(told, kind="stable")
    stepped = np.maximum.accumulate(told[order] * (told.size - np.arange(told.size)))
    out = np.empty(told.size)
    out[order] = np.minimum(stepped, 1.0)
    return out


class Best(NamedTuple):
    """The best of several specifications against a benchmark: which, by how much a day, and the p-values of that being luck."""

    which: int
    gain: float
    alone: float
    reality: float
    spa: float


def best_of(gains: ArrayLike, *, block: int, repetitions: int = 1_000, seed: int = 1) -> Best:
    """Whether the best of K specifications beats a benchmark, given that K were tried (M-191).

    `gains` is days × K: how much better each specification did than the benchmark on each day. ``alone`` is the p-value of the best
    one as if it had been the only one; ``reality`` is White's reality check (2000), ``spa`` the consistent test of superior
    predictive ability of Hansen (2005), studentised, which poor specifications do not weaken. Each is (1 + draws that reach it) /
    (1 + draws). The null is that no specification has a positive mean.
    """
    table = np.asarray(gains, dtype=np.float64)
    if table.ndim != 2 or 0 in table.shape or not np.isfinite(table).all():
        raise ValueError("gains are days × specifications, all finite")
    n = table.shape[0]
    means = table.mean(axis=0)
    drawn = np.array([table[rows].mean(axis=0) for rows in resampled(n, block, repetitions, seed, "stationary")])
    omega = np.sqrt(n) * drawn.std(axis=0, ddof=1)
    # A specification that never differs from the benchmark has no spread: it can neither win nor lose.
    safe = np.where(omega > 0, omega, np.inf)
    off = np.sqrt(n) * (drawn - means)
    reached = np.sqrt(n) * means
    which = int(np.argmax(means))
    # Hansen's threshold: who lies so far behind that it cannot matter is not drawn up to zero.
    poor = reached / safe < -np.sqrt(2 * np.log(np.log(max(n, 3))))
    recentred = off + np.where(poor, reached, 0.0)
    best_ratio = max(0.0, float((reached / safe).max()))
    return Best(
        which, float(means[which]), _p(off[:, which], reached[which]), _p(off.max(axis=1), reached.max()),
        _p(np.maximum((recentred / safe).max(axis=1), 0.0), best_ratio),
    )


def _p(drawn: Floats, reached: float) -> float:
    return (1 + int((drawn >= reached).sum())) / (1 + drawn.size)
