"""Fundamental prices of one path from its noise (M-7, M-52).

Work goes over lanes of instruments, four days at a time, in four steps: market and sector, further factors, rates, and own
noise with the price. Every loading is read once for four days, and nothing but + − × √ fma stands in a loop.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import inlined, kernel
from stresslab.kernels.factors import Crash, FactorLaw, factor_path
from stresslab.kernels.joint import joint_normals
from stresslab.kernels.lanes import fma, lanes
from stresslab.kernels.laws import Trace, new_trace
from stresslab.kernels.noise import DAYS_AT_ONCE, LANES, LEAD_FACTORS, Noise, draw_noise, new_noise, padded
from stresslab.kernels.normals import aligned
from stresslab.kernels.rates import GIVEN, RateLaw, follow, rate_path, surprise
from stresslab.kernels.tails import Tails, is_shaped, shape_noise

#: A price is held at 8 times its book price, so that no integer can overflow (M-2).
LOG_HIGHEST = math.log(8.0)
#: What a price in ticks is multiplied by before it is rounded, so that half a tick goes up in spite of the errors of exp (M-52).
HALF_UP = 1.0 + 1e-12

#: Rows of :attr:`Levels.terms`.
_BETA, _LOADING, _RATE_BETA, _OWN_SD, _PRICE, _TICK, _LOWEST = range(7)
_TERMS = 7
#: Instruments of one vector.
_VECTOR = 8

#: exp on ±ln 2 / 2 as 1 + r (1 + E1 r + …), relative error 4e-14; adding MAGIC rounds to an integer, which is then the low bits.
_E1, _E2, _E3, _E4 = 0.49999999999797773, 0.1666666666664829, 0.0416666668910917, 0.008333333353729397
_E5, _E6, _E7, _E8 = 0.001388882165071769, 0.00019841208732536384, 2.4876178959085513e-05, 2.762511557828763e-06
_LOG2E, _MINUS_LN2, _MAGIC, _EXPONENT = 1.4426950408889634, -0.6931471805599453, 6755399441055744.0, np.int64(52)


class MarketTerms(NamedTuple):
    """What one scenario makes of the market: instruments' loadings, laws of the factors, crash, rates.

    Arrays have one entry per instrument unless said otherwise; volatilities are daily standard
    deviations of log returns, the scenario's multiplier included.
    """

    price: NDArray[np.int64]  # 厘, the book's
    tick: NDArray[np.int64]  # 厘
    beta: NDArray[np.float64]
    sector: NDArray[np.int64]
    sector_loading: NDArray[np.float64]
    own_sd: NDArray[np.float64]
    rate_beta: NDArray[np.float64]
    sector_sd: NDArray[np.float64]  # one entry per sector
    law: FactorLaw
    crash: Crash
    wanted: NDArray[np.uint8]  # one entry per leading column: 1 where the laws read it
    rate_shock: NDArray[np.float64]  # one entry per day 0..T: the scenario's part of Δr, a fraction (M-76)
    short_rate: RateLaw = GIVEN
    style_loading: NDArray[np.float64] = np.zeros((0, 0))  # further factors × instruments, their daily deviation in it
    tails: Tails = Tails()


class Levels(NamedTuple):
    """Scratch of one thread: log levels of a path's factors, and what does not change of instruments, padded to lanes."""

    market: NDArray[np.float64]  # days 0..T
    factors: NDArray[np.float64]  # days 0..T, padded × market, rates, sectors
    styles: NDArray[np.float64]  # days 0..T, padded × market and further factors, padded
    terms: NDArray[np.float64]  # rows × instruments
    sector: NDArray[np.int64]  # instruments
    loading: NDArray[np.float64]  # market and further factors × instruments; empty without further factors
    level: NDArray[np.float64]  # four days × instruments, without own noise
    own: NDArray[np.float64]  # instruments: the log level of own noise
    quote: NDArray[np.int64]  # four days × instruments, 厘
    rate: NDArray[np.float64]  # days 0..T: the short rate, a fraction; zeros where rates are given
    trace: Trace  # what the market's law remembers, and how a conditioned path was found
    shaped: Noise  # noise with its tails, where it has any


def new_levels(m: MarketTerms) -> Levels:
    """Scratch for a market."""
    width, count = padded(m.price.size, LANES), m.price.size
    days = 1 + padded(m.rate_shock.size - 1, DAYS_AT_ONCE)
    terms, sector = aligned((_TERMS, width)), aligned(width, np.int64)
    for row, values in (
        (_BETA, m.beta), (_LOADING, m.sector_loading), (_RATE_BETA, m.rate_beta), (_OWN_SD, m.own_sd), (_PRICE, m.price / m.tick * HALF_UP),
        (_TICK, m.tick), (_LOWEST, -np.log(m.price / m.tick)),
    ):
        terms[row, :count] = values
    sector[:count] = m.sector
    styles = m.style_loading.shape[0]
    loading = aligned((padded(1 + styles, 4) if styles else 0, width))
    if styles:
        loading[0, :count], loading[1:1 + styles, :count] = m.beta, m.style_loading
    room = new_noise(m.rate_shock.size - 1, m.wanted.size - LEAD_FACTORS, count) if is_shaped(m.tails, m.law) else new_noise(0, 0, 0)
    return Levels(
        market=np.zeros(m.rate_shock.size), factors=np.zeros((days, _SECTORS + m.sector_sd.size)),
        styles=np.zeros((days, max(4, loading.shape[0]))),
        terms=terms, sector=sector, loading=loading, level=aligned((DAYS_AT_ONCE, width)), own=aligned(width),
        quote=aligned((DAYS_AT_ONCE, width), np.int64), rate=np.zeros(m.rate_shock.size),
        trace=new_trace(m.rate_shock.size - 1), shaped=room,
    )


#: Columns of :attr:`Levels.factors`.
_MARKET, _RATE, _SECTORS = 0, 1, 2


@inlined
def exponential(x: float) -> float:
    """Return e^x for x between −700 and 700, relative error below 1e-13: 2^n × e^r with r = x − n ln 2 (M-52)."""
    n = fma(x, _LOG2E, _MAGIC)
    r = fma(n - _MAGIC, _MINUS_LN2, x)
    p = fma(fma(fma(fma(fma(fma(fma(fma(fma(_E8, r, _E7), r, _E6), r, _E5), r, _E4), r, _E3), r, _E2), r, _E1), r, 1.0), r, 1.0)
    found: float = np.int64(np.float64(p).view(np.int64) + (np.float64(n).view(np.int64) << _EXPONENT)).view(np.float64)
    return found


@inlined
def ticks_at(level: float, price: float, lowest: float) -> float:
    """A price of ``price`` ticks at a log level, rounded to a tick; ``lowest`` is the log level of one tick (M-52)."""
    ticks: float = fma(exponential(max(min(level, LOG_HIGHEST), lowest)), price, _MAGIC) - _MAGIC
    return ticks


@kernel
def _market(level: NDArray[np.float64], terms: NDArray[np.float64], f: NDArray[np.float64]) -> None:
    lanes()
    x0, x1, x2, x3 = level[0], level[1], level[2], level[3]
    f0, f1, f2, f3 = f[0, _MARKET], f[1, _MARKET], f[2, _MARKET], f[3, _MARKET]
    beta = terms[_BETA]
    for i in range(beta.size):
        x0[i] = beta[i] * f0
        x1[i] = beta[i] * f1
        x2[i] = beta[i] * f2
        x3[i] = beta[i] * f3


@kernel
def _sectors(level: NDArray[np.float64], terms: NDArray[np.float64], sector: NDArray[np.int64], f: NDArray[np.float64]) -> None:
    lanes()
    x0, x1, x2, x3 = level[0], level[1], level[2], level[3]
    g0, g1, g2, g3 = f[0, _SECTORS:], f[1, _SECTORS:], f[2, _SECTORS:], f[3, _SECTORS:]
    loading = terms[_LOADING]
    for i in range(sector.size):
        s = np.uint64(sector[i])
        x0[i] = fma(loading[i], g0[s], x0[i])
        x1[i] = fma(loading[i], g1[s], x1[i])
        x2[i] = fma(loading[i], g2[s], x2[i])
        x3[i] = fma(loading[i], g3[s], x3[i])


@kernel
def _market_and_three(level: NDArray[np.float64], loading: NDArray[np.float64], s: NDArray[np.float64]) -> None:
    lanes()
    x0, x1, x2, x3 = level[0], level[1], level[2], level[3]
    a, b, c, d = loading[0], loading[1], loading[2], loading[3]
    a0, b0, c0, d0 = s[0, 0], s[0, 1], s[0, 2], s[0, 3]
    a1, b1, c1, d1 = s[1, 0], s[1, 1], s[1, 2], s[1, 3]
    a2, b2, c2, d2 = s[2, 0], s[2, 1], s[2, 2], s[2, 3]
    a3, b3, c3, d3 = s[3, 0], s[3, 1], s[3, 2], s[3, 3]
    for i in range(a.size):
        x0[i] = fma(d[i], d0, fma(c[i], c0, fma(b[i], b0, a[i] * a0)))
        x1[i] = fma(d[i], d1, fma(c[i], c1, fma(b[i], b1, a[i] * a1)))
        x2[i] = fma(d[i], d2, fma(c[i], c2, fma(b[i], b2, a[i] * a2)))
        x3[i] = fma(d[i], d3, fma(c[i], c3, fma(b[i], b3, a[i] * a3)))


@kernel
def _four_more(level: NDArray[np.float64], loading: NDArray[np.float64], s: NDArray[np.float64]) -> None:
    lanes()
    x0, x1, x2, x3 = level[0], level[1], level[2], level[3]
    a, b, c, d = loading[0], loading[1], loading[2], loading[3]
    a0, b0, c0, d0 = s[0, 0], s[0, 1], s[0, 2], s[0, 3]
    a1, b1, c1, d1 = s[1, 0], s[1, 1], s[1, 2], s[1, 3]
    a2, b2, c2, d2 = s[2, 0], s[2, 1], s[2, 2], s[2, 3]
    a3, b3, c3, d3 = s[3, 0], s[3, 1], s[3, 2], s[3, 3]
    for i in range(a.size):
        x0[i] = fma(d[i], d0, fma(c[i], c0, fma(b[i], b0, fma(a[i], a0, x0[i]))))
        x1[i] = fma(d[i], d1, fma(c[i], c1, fma(b[i], b1, fma(a[i], a1, x1[i]))))
        x2[i] = fma(d[i], d2, fma(c[i], c2, fma(b[i], b2, fma(a[i], a2, x2[i]))))
        x3[i] = fma(d[i], d3, fma(c[i], c3, fma(b[i], b3, fma(a[i], a3, x3[i]))))


@kernel
def _rates(level: NDArray[np.float64], terms: NDArray[np.float64], f: NDArray[np.float64]) -> None:
    lanes()
    x0, x1, x2, x3 = level[0], level[1], level[2], level[3]
    r0, r1, r2, r3 = -f[0, _RATE], -f[1, _RATE], -f[2, _RATE], -f[3, _RATE]
    rate_beta = terms[_RATE_BETA]
    for i in range(rate_beta.size):
        x0[i] = fma(rate_beta[i], r0, x0[i])
        x1[i] = fma(rate_beta[i], r1, x1[i])
        x2[i] = fma(rate_beta[i], r2, x2[i])
        x3[i] = fma(rate_beta[i], r3, x3[i])


@kernel
def _quotes(
    quote: NDArray[np.int64], start: int, own: NDArray[np.float64], level: NDArray[np.float64], noise: NDArray[np.float32],
    terms: NDArray[np.float64], first: int, last: int,
) -> None:
    """Prices of four days of instruments first..last − 1 into the columns of ``quote`` from ``start`` on."""
    lanes()
    q0, q1, q2, q3 = quote[0], quote[1], quote[2], quote[3]
    x0, x1, x2, x3 = level[0], level[1], level[2], level[3]
    z0, z1, z2, z3 = noise[0], noise[1], noise[2], noise[3]
    sd, price, tick, lowest = terms[_OWN_SD], terms[_PRICE], terms[_TICK], terms[_LOWEST]
    for n in range(last - first):
        i, j = np.uint64(first + n), np.uint64(start + n)
        h0 = fma(sd[i], np.float64(z0[i]), own[i])
        h1 = fma(sd[i], np.float64(z1[i]), h0)
        h2 = fma(sd[i], np.float64(z2[i]), h1)
        h3 = fma(sd[i], np.float64(z3[i]), h2)
        own[i] = h3
        q0[j] = np.int64(ticks_at(x0[i] + h0, price[i], lowest[i]) * tick[i])
        q1[j] = np.int64(ticks_at(x1[i] + h1, price[i], lowest[i]) * tick[i])
        q2[j] = np.int64(ticks_at(x2[i] + h2, price[i], lowest[i]) * tick[i])
        q3[j] = np.int64(ticks_at(x3[i] + h3, price[i], lowest[i]) * tick[i])


@kernel
def factor_levels(levels: Levels, m: MarketTerms, leading: NDArray[np.float64]) -> None:
    """Fill the log levels of sectors and further factors beside market and rates; days beyond the last are left at zero."""
    sectors, styles, f, g = m.sector_sd.size, m.style_loading.shape[0], levels.factors, levels.styles
    for t in range(1, levels.market.size):
        f[t, _MARKET] = levels.market[t]
        f[t, _RATE] = m.rate_shock[t] + surprise(t, levels.rate, m.short_rate)
        for s in range(sectors):
            f[t, _SECTORS + s] = f[t - 1, _SECTORS + s] + m.sector_sd[s] * leading[t, LEAD_FACTORS + s]
        g[t, 0] = levels.market[t]
        for k in range(styles):
            g[t, 1 + k] = g[t - 1, 1 + k] + leading[t, LEAD_FACTORS + sectors + k]


@kernel
def fundamental_prices(out: NDArray[np.int64], levels: Levels, m: MarketTerms, noise: Noise, seed: int, path: int) -> None:
    """Fill ``out`` (days 0..T × instruments, 厘) with fundamental prices, ``levels`` with log levels and the rate."""
    factor_path(levels.market, levels.trace, m.law, m.crash, noise.leading, seed, path)
    if m.short_rate.correlation != 0.0:
        joint_normals(levels.rate, m.short_rate, m.law, m.crash, levels.market, levels.trace, noise.leading)
        follow(levels.rate, m.short_rate)
    else:
        rate_path(levels.rate, m.short_rate, noise.leading)
    if is_shaped(m.tails, m.law):
        shape_noise(levels.shaped, m.tails, m.law, levels.market, levels.trace, m.sector_sd, noise)
        noise = levels.shaped
    factor_levels(levels, m, noise.leading)
    count, days, level = m.price.size, levels.market.size, levels.level
    levels.own[:] = 0.0
    for i in range(count):
        out[0, i] = m.price[i]
    for t in range(1, days, DAYS_AT_ONCE):
        f, g = levels.factors[t:t + DAYS_AT_ONCE], levels.styles[t:t + DAYS_AT_ONCE]
        if levels.loading.shape[0] == 0:
            _market(level, levels.terms, f)
        else:
            _market_and_three(level, levels.loading[:4], g[:, :4])
        for k in range(4, levels.loading.shape[0], 4):
            _four_more(level, levels.loading[k:k + 4], g[:, k:k + 4])
        if m.sector_sd.size:
            _sectors(level, levels.terms, levels.sector, f)
        if f[0, _RATE] != 0.0 or f[1, _RATE] != 0.0 or f[2, _RATE] != 0.0 or f[3, _RATE] != 0.0:
            _rates(level, levels.terms, f)
        noise_now = noise.own[t:t + DAYS_AT_ONCE]
        # Whole vectors go to their place at once; a rest of instruments or days goes through the padded buffer.
        whole = count // _VECTOR * _VECTOR if t + DAYS_AT_ONCE <= days else 0
        if whole:
            _quotes(out[t:t + DAYS_AT_ONCE], 0, levels.own, level, noise_now, levels.terms, 0, whole)
        if whole < count:
            _quotes(levels.quote, 0, levels.own, level, noise_now, levels.terms, whole, count // _VECTOR * _VECTOR + _VECTOR)
            for d in range(min(DAYS_AT_ONCE, days - t)):
                for i in range(whole, count):
                    out[t + d, i] = levels.quote[d, i - whole]


@kernel
def draw_prices(
    out: NDArray[np.int64], market: NDArray[np.float64], rate: NDArray[np.float64], told: NDArray[np.float64], levels: Levels,
    m: MarketTerms, room: Noise, seed: int, first: int,
) -> None:
    """Fill ``out`` (paths × days 0..T × instruments, 厘), ``market`` and ``rate`` (paths × days 0..T) from path ``first`` on.

    ``told`` (paths × 3) says how each conditioned path was found.
    """
    for lane in range(out.shape[0]):
        draw_noise(room, m.wanted, seed, first + lane)
        fundamental_prices(out[lane], levels, m, room, seed, first + lane)
        for t in range(levels.market.size):
            market[lane, t] = levels.market[t]
            rate[lane, t] = levels.rate[t]
        for at in range(told.shape[1]):
            told[lane, at] = levels.trace.told[at]
