"""The exogenous market of one path: factors, crash, fundamental prices (M-7 to M-11)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.draws import (
    STREAM_MARKET,
    STREAM_OWN,
    STREAM_SECTORS,
    four_normals,
    leading_normal,
)

#: A price is held at 8 times its book price, so that no integer can overflow (M-2).
LOG_HIGHEST = math.log(8.0)

SHAPE_NONE = 0
SHAPE_GAP = 1
SHAPE_RAMP = 2
SHAPE_BRIDGE = 3


class MarketTerms(NamedTuple):
    """What one scenario makes of the market: instruments' loadings, factor law, crash, rate shock.

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
    factor_sd: float
    factor_drift: float
    shape: int
    trough_day: int
    log_depth: float  # ln(1 - d), 0 without a crash
    flat_after: bool
    rate_shock: NDArray[np.float64]  # one entry per day 0..T: Δr in force


@kernel
def factor_path(out: NDArray[np.float64], m: MarketTerms, seed: int, path: int) -> None:
    """Fill ``out`` (days 0..T) with the log level of the market factor, conditioned on the crash (M-8, M-9)."""
    out[0] = 0.0
    days = out.size - 1
    for t in range(1, days + 1):
        step = 0.0
        if m.factor_sd > 0.0:
            step = m.factor_sd * leading_normal(seed, path, t, STREAM_MARKET, 0)
        out[t] = out[t - 1] + m.factor_drift + step
    if m.shape == SHAPE_NONE:
        return
    k = m.trough_day
    free_at_trough = out[k]
    for t in range(k + 1, days + 1):
        out[t] = m.log_depth if m.flat_after else out[t] - free_at_trough + m.log_depth
    for t in range(1, k):
        if m.shape == SHAPE_RAMP:
            out[t] = math.log(1.0 - (1.0 - math.exp(m.log_depth)) * t / k)
        elif m.shape == SHAPE_BRIDGE:
            out[t] = out[t] + (t / k) * (m.log_depth - free_at_trough)
    out[k] = m.log_depth


@kernel
def round_to_tick(value: float, tick: int) -> int:
    """A float price in 厘 rounded half up to the tick, at least one tick."""
    return max(tick, int(math.floor(value / tick + 0.5)) * tick)


@kernel
def fundamental_prices(
    out: NDArray[np.int64], factor: NDArray[np.float64], sector_level: NDArray[np.float64],
    own_level: NDArray[np.float64], m: MarketTerms, seed: int, path: int,
) -> None:
    """Fill ``out`` (days 0..T × instruments, 厘) with fundamental prices, and ``factor`` (0..T) with its log level.

    ``sector_level`` (sectors) and ``own_level`` (instruments) are scratch.
    """
    factor_path(factor, m, seed, path)
    count = m.price.size
    sector_level[:] = 0.0
    own_level[:] = 0.0
    for i in range(count):
        out[0, i] = m.price[i]
    for t in range(1, factor.size):
        for s in range(m.sector_sd.size):
            if m.sector_sd[s] > 0.0:
                sector_level[s] += m.sector_sd[s] * leading_normal(seed, path, t, STREAM_SECTORS, s)
        for slot in range((count + 3) // 4):
            noise = four_normals(seed, path, t, STREAM_OWN, slot)
            for j in range(4):
                i = 4 * slot + j
                if i < count:
                    own_level[i] += m.own_sd[i] * noise[j]
        for i in range(count):
            level = m.beta[i] * factor[t] + m.sector_loading[i] * sector_level[m.sector[i]] + own_level[i]
            level -= m.rate_beta[i] * m.rate_shock[t]
            out[t, i] = round_to_tick(m.price[i] * math.exp(min(level, LOG_HIGHEST)), m.tick[i])
