"""Heston's variance from moments of realised variance, or the stated assumption where the history is too short (M-71)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from stresslab.history.said import Said
from stresslab.market.measured import F64, Measured
from stresslab.market.volatility import DAYS_OF_YEAR

#: Days of a window of realised variance; so many windows are needed for an autocovariance that says anything (five years).
WINDOW, WINDOWS_LEAST = 21, 60
#: Lags, in windows, of the autocovariances that are matched.
LAGS = 6
#: Lags, in days, over which a return meets the variance that follows.
AFTER = 21
BLOCKS = 20
SPEED_LEAST, SPEED_MOST = 0.3, 60.0
#: What is assumed where the data cannot tell: speed a year, correlation, and var(v) / θ² = σ² / (2 κ θ).
ASSUMED_SPEED, ASSUMED_CORRELATION, ASSUMED_SPREAD = 5.0, -0.75, 0.5
ASSUMPTION = Said("assumption: mean reversion 5 a year, correlation -0.75 and a relative variance of the variance of one half, of the "
                  "order found for the S&P 500 (Aït-Sahalia and Kimmel 2007)",
                  "假设：均值回归速度每年5、相关系数−0.75、方差的相对方差为二分之一，与标普500的估计同一量级（Aït-Sahalia与Kimmel，2007）")


@dataclass(frozen=True)
class HestonFit:
    """Heston's parameters in the units of ``market.toml``, and whether they were measured."""

    parameters: dict[str, Measured]
    measured: bool
    said: Said


def fit_heston(returns: F64, now_pct: float) -> HestonFit:
    """Mean reversion κ, volatility of variance σ and correlation ρ of the variance v, with long-run level θ.

    With realised variances V of windows of Δ years, cov(V_i, V_{i+j}) = A ((1 − e^(−κΔ)) / (κΔ))² e^(−κΔ(j−1)), A = σ² θ / (2 κ):
    noise of the single days is in the variance of V alone, not in these. The return of a day and the variance that
    follows it have the covariance that ρ σ θ makes. Errors: jackknife over blocks of days.
    """
    year = returns - returns.mean()
    theta = float(np.mean(year**2)) * DAYS_OF_YEAR
    initial = Measured(now_pct)
    windows = returns.size // WINDOW
    said = Said(f"{windows} windows of {WINDOW} days, {WINDOWS_LEAST} are needed", f"只有{windows}个{WINDOW}日窗口，需{WINDOWS_LEAST}个")
    if windows >= WINDOWS_LEAST:
        found = _moments(year, np.ones(windows, bool))
        if found is None:
            said = Said("the autocovariances of realised variance do not decay as a mean-reverting variance's would",
                        "已实现方差的自协方差不像均值回归过程那样衰减")
        else:
            cuts = np.array_split(np.arange(windows), BLOCKS)
            parts = [_moments(year, ~np.isin(np.arange(windows), cut)) for cut in cuts]
            told = np.array([p for p in parts if p is not None])
            if len(told) == BLOCKS:
                error = np.sqrt((BLOCKS - 1) / BLOCKS * np.sum((told - told.mean(axis=0)) ** 2, axis=0))
                names = ("mean_reversion", "volatility_of_variance", "correlation")
                parameters = {n: Measured(float(v), float(e)) for n, v, e in zip(names, found, error, strict=True)}
                return HestonFit({"initial_volatility_pct": initial} | parameters, True,
                                 Said(f"moments of realised variance in {windows} windows of {WINDOW} days, errors by jackknife over "
                                      f"{BLOCKS} blocks", f"{windows}个{WINDOW}日窗口的已实现方差矩估计，误差由{BLOCKS}块刀切法得出"))
            said = Said("the moments of realised variance change sign when a twentieth of the days is left out",
                        "剔除二十分之一的日子后，已实现方差的矩变号")
    spread = math.sqrt(2.0 * ASSUMED_SPEED * theta * ASSUMED_SPREAD)
    parameters = {"initial_volatility_pct": initial, "mean_reversion": Measured(ASSUMED_SPEED),
                  "volatility_of_variance": Measured(spread), "correlation": Measured(ASSUMED_CORRELATION)}
    return HestonFit(parameters, False, Said(f"{ASSUMPTION.en}; the data cannot tell: {said.en}", f"{ASSUMPTION.zh}；数据不足：{said.zh}"))


def _moments(r: F64, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[float, float, float] | None:
    """(κ, σ, ρ) from the kept windows, or None where the moments allow none."""
    windows = kept.size
    days = r[: windows * WINDOW].reshape(windows, WINDOW)
    v = (days**2).mean(axis=1) * DAYS_OF_YEAR
    theta = float(v[kept].mean())
    centred = v - theta
    covariances = []
    for lag in range(1, LAGS + 1):
        both = kept[:-lag] & kept[lag:]
        covariances.append(float(np.mean((centred[:-lag] * centred[lag:])[both])))
    c = np.array(covariances)
    dt = WINDOW / DAYS_OF_YEAR
    lags = np.arange(LAGS)

    def shape(speed: float) -> F64:
        whole: F64 = ((1.0 - math.exp(-speed * dt)) / (speed * dt)) ** 2 * np.exp(-speed * dt * lags)
        return whole

    def loss(log_speed: float) -> float:
        g = shape(math.exp(log_speed))
        return float(np.sum((c - g * (g @ c) / (g @ g)) ** 2))

    best = optimize.minimize_scalar(loss, bounds=(math.log(SPEED_LEAST), math.log(SPEED_MOST)), method="bounded", options={"xatol": 1e-6})
    speed = math.exp(float(best.x))
    g = shape(speed)
    a = float(g @ c) / float(g @ g)
    if a <= 0.0 or speed < 1.02 * SPEED_LEAST or speed > 0.98 * SPEED_MOST:
        return None
    sigma = math.sqrt(2.0 * speed * a / theta)
    return speed, sigma, max(-0.99, min(0.99, _leverage(r, kept, speed, a) / (sigma * theta)))


def _leverage(r: F64, kept: np.ndarray[tuple[int], np.dtype[np.bool_]], speed: float, a: float) -> float:
    """ρ σ θ from the covariance of a day's return with the squared returns of the days after it."""
    n = kept.size * WINDOW
    inside = np.repeat(kept, WINDOW)
    squares = r[:n] ** 2 * DAYS_OF_YEAR
    sums = np.concatenate([[0.0], np.cumsum(squares)])
    first = np.arange(n - AFTER)
    after = sums[first + 1 + AFTER] - sums[first + 1]
    both = inside[: n - AFTER]
    x, y = r[: n - AFTER][both], after[both]
    met = float(np.mean((x - x.mean()) * (y - y.mean())))
    day = 1.0 / DAYS_OF_YEAR
    one = (1.0 - math.exp(-speed * day)) ** 2 / (speed * speed * day)
    decay = float(np.sum(np.exp(-speed * day * np.arange(AFTER))))
    # The return also holds −½ of its own variance, which meets the variance after it.
    return met / (one * decay) + 0.5 * a

