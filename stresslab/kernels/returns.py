"""Fundamental prices of one path from its noise (M-7)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.factors import Crash, FactorLaw, factor_path
from stresslab.kernels.noise import LEAD_FACTORS, Noise
from stresslab.kernels.rates import GIVEN, RateLaw, rate_path, surprise

#: A price is held at 8 times its book price, so that no integer can overflow (M-2).
LOG_HIGHEST = math.log(8.0)


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


class Levels(NamedTuple):
    """Scratch of one thread: log levels of a path's factors and own noise."""

    market: NDArray[np.float64]  # days 0..T
    sector: NDArray[np.float64]  # sectors
    own: NDArray[np.float64]  # instruments
    rate: NDArray[np.float64]  # days 0..T: the short rate, a fraction; zeros where rates are given


def new_levels(m: MarketTerms) -> Levels:
    """Scratch for a market."""
    days = m.rate_shock.size
    return Levels(np.zeros(days), np.zeros(m.sector_sd.size), np.zeros(m.price.size), np.zeros(days))


@kernel
def round_to_tick(value: float, tick: int) -> int:
    """A float price in 厘 rounded half up to the tick, at least one tick."""
    return max(tick, int(math.floor(value / tick + 0.5)) * tick)


@kernel
def fundamental_prices(out: NDArray[np.int64], levels: Levels, m: MarketTerms, noise: Noise, seed: int, path: int) -> None:
    """Fill ``out`` (days 0..T × instruments, 厘) with fundamental prices, ``levels`` with log levels and the rate."""
    factor_path(levels.market, m.law, m.crash, noise.leading, seed, path)
    rate_path(levels.rate, m.short_rate, noise.leading)
    count = m.price.size
    levels.sector[:] = 0.0
    levels.own[:] = 0.0
    for i in range(count):
        out[0, i] = m.price[i]
    for t in range(1, levels.market.size):
        for s in range(m.sector_sd.size):
            levels.sector[s] += m.sector_sd[s] * noise.leading[t, LEAD_FACTORS + s]
        shift = m.rate_shock[t] + surprise(t, levels.rate, m.short_rate)
        for i in range(count):
            levels.own[i] += m.own_sd[i] * noise.own[t, i]
            level = m.beta[i] * levels.market[t] + m.sector_loading[i] * levels.sector[m.sector[i]] + levels.own[i]
            level -= m.rate_beta[i] * shift
            out[t, i] = round_to_tick(m.price[i] * math.exp(min(level, LOG_HIGHEST)), m.tick[i])
