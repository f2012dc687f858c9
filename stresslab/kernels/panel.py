"""A panel of assets that each follow Heston's variance and Merton's jumps, path by path from the same counters (M-54).

The product's market puts these laws on the common factor (M-8). Here every asset has its own: for books whose instruments need
stochastic volatility and jumps of their own. Single precision in lanes of assets; Euler's scheme with full truncation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import inlined, kernel
from stresslab.kernels.draws import (
    STREAM_OWN,
    STREAM_PANEL_FACTORS,
    STREAM_PANEL_JUMPS,
    STREAM_PANEL_SIZES,
    STREAM_PANEL_VARIANCE,
)
from stresslab.kernels.lanes import fma, lanes
from stresslab.kernels.noise import LANES, padded
from stresslab.kernels.normals import F32, aligned, fill_normals, fill_words_of, new_words, places

F64 = NDArray[np.float64]
#: Rows of :attr:`Panel.terms`, each one entry per asset; all rates are a step's.
PRICE, DRIFT, REVERSION, LONG_RUN, VOL_OF_VOL, CORRELATION, ACROSS, JUMP_MEAN, JUMP_SD, FIRST_VARIANCE, OWN_SHARE = range(11)
_TERMS = 11
#: More jumps than these in one step are counted as these: with 0.1 a step, one step in 13 million has more.
JUMPS_MOST = 4

_ZERO, _HALF, _ONE = F32(0.0), F32(0.5), F32(1.0)
_LOG2E, _MINUS_LN2, _MAGIC, _SHIFT = F32(1.4426950408889634), F32(-0.6931471805599453), F32(12582912.0), np.int32(23)
_E2, _E3, _E4, _E5, _E6 = F32(0.5), F32(0.16666505), F32(0.041666433), F32(0.008369149), F32(0.0013943117)
_LOWEST, _HIGHEST = F32(-80.0), F32(80.0)


class Panel(NamedTuple):
    """The laws of the assets, and the scratch of one thread."""

    terms: NDArray[np.float32]  # rows × assets, padded
    jumps: NDArray[np.uint32]  # at least 1..JUMPS_MOST jumps × assets: where the word is at least this
    loading: NDArray[np.float32]  # factors × assets: of the shock to the price, unit variance with OWN_SHARE
    noise: NDArray[np.float32]  # own, variance, sizes × days × assets, in one row each
    counts: NDArray[np.uint32]  # days × assets, in one row: the words of the number of jumps
    factors: NDArray[np.float32]  # days × factors, padded to four
    shock: NDArray[np.float32]  # assets
    state: NDArray[np.float32]  # log price, variance × assets
    place: NDArray[np.uint64]
    factor_place: NDArray[np.uint64]
    words: NDArray[np.uint32]


def new_panel(
    days: int, price: F64, step: float, *, drift: F64, first: F64, reversion: F64, long_run: F64, vol_of_vol: F64, correlation: F64,
    intensity: F64, jump_mean: F64, jump_sd: F64, loading: F64,
) -> Panel:
    """The laws of assets over ``days`` steps of ``step`` years, one entry per asset, all a year; and room for one thread.

    ``drift`` is that of the price (a jump's mean is taken off, so that the price grows by it on average), ``first`` and ``long_run``
    are variances, ``jump_mean`` and ``jump_sd`` of the log jump, ``loading`` (factors × assets) the common part of the shocks, whose
    squares add up to at most 1 for an asset.
    """
    count, width = price.size, padded(price.size, LANES)
    terms, jumps = aligned((_TERMS, width), np.float32), aligned((JUMPS_MOST, width), np.uint32)
    lift = np.expm1(jump_mean + jump_sd**2 / 2)
    for row, values in (
        (PRICE, price), (DRIFT, (drift - intensity * lift) * step), (REVERSION, reversion * step), (LONG_RUN, long_run),
        (VOL_OF_VOL, vol_of_vol * math.sqrt(step)), (CORRELATION, correlation), (ACROSS, np.sqrt(1 - correlation**2)),
        (JUMP_MEAN, jump_mean), (JUMP_SD, jump_sd), (FIRST_VARIANCE, first), (OWN_SHARE, np.sqrt(1 - np.sum(loading**2, axis=0))),
    ):
        terms[row, :count] = values
    below = chance = np.exp(-intensity * step)
    for n in range(JUMPS_MOST):
        jumps[n, :count] = np.minimum(np.floor(below * 2.0**32 + 0.5), 2**32 - 1)
        chance = chance * intensity * step / (n + 1)
        below = below + chance
    jumps[:, count:] = 2**32 - 1
    factors = padded(loading.shape[0], 4)
    mixing = aligned((factors, width), np.float32)
    mixing[:loading.shape[0], :count] = loading
    return Panel(
        terms, jumps, mixing, noise=aligned((3, days * width), np.float32), counts=aligned(days * width, np.uint32),
        factors=aligned((days, factors), np.float32), shock=aligned(width, np.float32), state=aligned((2, width), np.float32),
        place=places(1, days, width // 4), factor_place=places(1, days, factors // 4), words=new_words(),
    )


@inlined
def exponential32(x: np.float32) -> np.float32:
    """Return e^x in single precision for x between −80 and 80, relative error below 3e-7."""
    held = max(min(x, _HIGHEST), _LOWEST)
    n = fma(held, _LOG2E, _MAGIC)
    r = fma(n - _MAGIC, _MINUS_LN2, held)
    p = fma(fma(fma(fma(fma(fma(_E6, r, _E5), r, _E4), r, _E3), r, _E2), r, _ONE), r, _ONE)
    return np.int32(np.float32(p).view(np.int32) + (np.float32(n).view(np.int32) << _SHIFT)).view(np.float32)


@kernel
def _begin(state: NDArray[np.float32], terms: NDArray[np.float32]) -> None:
    lanes()
    x, v, first = state[0], state[1], terms[FIRST_VARIANCE]
    for i in range(x.size):
        x[i] = _ZERO
        v[i] = first[i]


@kernel
def _own_share(shock: NDArray[np.float32], own: NDArray[np.float32], terms: NDArray[np.float32]) -> None:
    lanes()
    share = terms[OWN_SHARE]
    for i in range(shock.size):
        shock[i] = share[i] * own[i]


@kernel
def _four_factors(shock: NDArray[np.float32], loading: NDArray[np.float32], f: NDArray[np.float32]) -> None:
    lanes()
    a, b, c, d = loading[0], loading[1], loading[2], loading[3]
    fa, fb, fc, fd = f[0], f[1], f[2], f[3]
    for i in range(shock.size):
        shock[i] = fma(d[i], fd, fma(c[i], fc, fma(b[i], fb, fma(a[i], fa, shock[i]))))


@kernel
def _step(
    out: NDArray[np.float32], state: NDArray[np.float32], shock: NDArray[np.float32], across: NDArray[np.float32],
    size: NDArray[np.float32], count: NDArray[np.uint32], terms: NDArray[np.float32], jumps: NDArray[np.uint32], step: np.float32,
) -> None:
    lanes()
    x, v = state[0], state[1]
    drift, reversion, long_run, vol, rho, rest = (
        terms[DRIFT], terms[REVERSION], terms[LONG_RUN], terms[VOL_OF_VOL], terms[CORRELATION], terms[ACROSS])
    mean, sd, price = terms[JUMP_MEAN], terms[JUMP_SD], terms[PRICE]
    j0, j1, j2, j3 = jumps[0], jumps[1], jumps[2], jumps[3]
    root = np.sqrt(step)
    for i in range(out.size):
        held = max(v[i], _ZERO)
        s = np.sqrt(held)
        w = count[i]
        n = (_ONE if w >= j0[i] else _ZERO) + (_ONE if w >= j1[i] else _ZERO) + (_ONE if w >= j2[i] else _ZERO)
        n = n + (_ONE if w >= j3[i] else _ZERO)
        x[i] = fma(s * root, shock[i], fma(-_HALF * step, held, x[i] + drift[i])) + fma(n, mean[i], np.sqrt(n) * sd[i] * size[i])
        v[i] = fma(vol[i] * s, fma(rho[i], shock[i], rest[i] * across[i]), fma(reversion[i], long_run[i] - held, v[i]))
        out[i] = price[i] * exponential32(x[i])


@kernel
def panel_path(out: NDArray[np.float32], p: Panel, step: np.float32, seed: int, path: int) -> None:
    """Fill ``out`` (days 1..T × assets, padded) with the prices of a path."""
    width, days = out.shape[1], out.shape[0]
    fill_normals(p.noise[0], p.place, p.words, STREAM_OWN, seed, path)
    fill_normals(p.noise[1], p.place, p.words, STREAM_PANEL_VARIANCE, seed, path)
    fill_normals(p.noise[2], p.place, p.words, STREAM_PANEL_SIZES, seed, path)
    fill_words_of(p.counts, p.place, STREAM_PANEL_JUMPS, seed, path)
    if p.factor_place.size:
        fill_normals(p.factors.reshape(-1), p.factor_place, p.words, STREAM_PANEL_FACTORS, seed, path)
    _begin(p.state, p.terms)
    for t in range(days):
        a, b = t * width, (t + 1) * width
        _own_share(p.shock, p.noise[0, a:b], p.terms)
        for k in range(0, p.loading.shape[0], 4):
            _four_factors(p.shock, p.loading[k:k + 4], p.factors[t, k:k + 4])
        _step(out[t], p.state, p.shock, p.noise[1, a:b], p.noise[2, a:b], p.counts[a:b], p.terms, p.jumps, step)


@kernel
def panel_paths(out: NDArray[np.float32], p: Panel, step: np.float32, seed: int, first: int) -> None:
    """Fill ``out`` (paths × days 1..T × assets, padded) with the prices of consecutive paths."""
    for lane in range(out.shape[0]):
        panel_path(out[lane], p, step, seed, first + lane)
