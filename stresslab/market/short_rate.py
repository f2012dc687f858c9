"""Short-rate models in closed form: means, variances, bond prices, and the daily law that a path follows (M-77 to M-82).

Rates, volatilities and speeds are fractions a year, times are years. Goldens of these functions stand in
``tests/test_short_rate.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import rates
from stresslab.market.laws import ShortRate
from stresslab.market.volatility import DAYS_OF_YEAR

#: A path's rate is held at so many standard deviations above its mean (M-80).
DEVIATIONS = 8.0


def reach(speed: float, years: float) -> float:
    """(1 − e^(−a t)) / a: how far a move of the short rate reaches into the yield of a bond, years."""
    return -math.expm1(-speed * years) / speed


def vasicek_mean(rate: float, speed: float, level: float, years: float) -> float:
    """The expected short rate, of Vasicek and of CIR: b + (r − b) e^(−a t)."""
    return level + (rate - level) * math.exp(-speed * years)


def vasicek_sd(speed: float, volatility: float, years: float) -> float:
    """The standard deviation of a short rate with normal steps: σ √((1 − e^(−2 a t)) / (2 a))."""
    return volatility * math.sqrt(reach(2.0 * speed, years))


def vasicek_bond(rate: float, speed: float, level: float, volatility: float, years: float) -> float:
    """The price of 1 to be paid in so many years under Vasicek's law. Source: Vasicek 1977."""
    far = reach(speed, years)
    rest = (level - volatility**2 / (2.0 * speed**2)) * (far - years) - volatility**2 * far**2 / (4.0 * speed)
    return math.exp(rest - far * rate)


def cir_variance(rate: float, speed: float, level: float, volatility: float, years: float) -> float:
    """The variance of the short rate of Cox, Ingersoll and Ross."""
    gone = reach(speed, years)
    return volatility**2 * gone * (rate * math.exp(-speed * years) + level * speed * gone / 2.0)


def cir_bond(rate: float, speed: float, level: float, volatility: float, years: float) -> float:
    """The price of 1 to be paid in so many years under the law of CIR. Source: Cox, Ingersoll and Ross 1985."""
    h = math.sqrt(speed**2 + 2.0 * volatility**2)
    grown = math.expm1(h * years)
    under = 2.0 * h + (speed + h) * grown
    power = 2.0 * speed * level / volatility**2
    return float((2.0 * h * math.exp((speed + h) * years / 2.0) / under) ** power * math.exp(-2.0 * grown / under * rate))


def never_zero(speed: float, level: float, volatility: float) -> bool:
    """Whether the rate of CIR stays positive: Feller's condition 2 a b > σ²."""
    return 2.0 * speed * level > volatility**2


def hull_white_alpha(forward: float, speed: float, volatility: float, years: float) -> float:
    """The expected short rate of Hull and White: f(0, t) + σ² / (2 a²) (1 − e^(−a t))²."""
    return forward + volatility**2 / 2.0 * reach(speed, years) ** 2


class Curve:
    """Zero yields, continuously compounded, by years to payment: through the points given, without overshooting, flat after the last."""

    def __init__(self, years: Sequence[float], yields: Sequence[float]) -> None:
        from scipy.interpolate import PchipInterpolator  # heavy, and only Hull and White need it

        self._last = years[-1]
        self._level = PchipInterpolator(years, yields)
        self._slope = self._level.derivative()

    def rate(self, years: float) -> float:
        """The yield to a time."""
        return float(self._level(min(years, self._last)))

    def forward(self, years: float) -> float:
        """The forward rate at a time: y + t dy/dt."""
        return self.rate(years) + (years * float(self._slope(years)) if years < self._last else 0.0)

    def bond(self, years: float) -> float:
        """The price today of 1 at a time."""
        return math.exp(-self.rate(years) * years)


def net_interest_change(
    shift: float, assets: Sequence[tuple[float, float, float]], liabilities: Sequence[tuple[float, float, float]]
) -> float:
    """The change of a year's net interest by a shift of rates; each item is (amount, share that reprices, after so many years) (M-82)."""

    def repriced(items: Sequence[tuple[float, float, float]]) -> float:
        return sum(amount * share * max(0.0, 1.0 - years) for amount, share, years in items)

    return shift * (repriced(assets) - repriced(liabilities))


def law_of(given: ShortRate, days: int, noisy: bool = True) -> rates.RateLaw:
    """The daily law of a short rate for a run of so many trading days; without noise the rate takes its mean."""
    years = np.arange(days + 1) / DAYS_OF_YEAR
    start, speed = given.initial_pct / 100, given.mean_reversion
    step = 1.0 / DAYS_OF_YEAR
    keep = math.exp(-speed * step)
    together = (given.correlation or 0.0) * noisy
    if given.model == "cir":
        level, volatility = (given.long_run_pct or 0.0) / 100, (given.volatility or 0.0) * noisy
        mean = np.array([vasicek_mean(start, speed, level, t) for t in years])
        sd = np.sqrt([cir_variance(start, speed, level, volatility, t) for t in years])
        unit = np.array([volatility**2 * reach(speed, t) / 4.0 for t in years])
        gone = reach(speed, step)
        return rates.RateLaw(
            rates.RATE_SQUARE_ROOT, keep, 0.0, level, volatility**2 * gone * keep, volatility**2 * gone**2 * level * speed / 2.0,
            mean, mean + DEVIATIONS * sd + DEVIATIONS**2 * unit, together)
    volatility = (given.volatility_pct or 0.0) / 100 * noisy
    if given.model == "vasicek":
        mean = np.array([vasicek_mean(start, speed, (given.long_run_pct or 0.0) / 100, t) for t in years])
    else:
        mean = np.array(_fitted(given, volatility, years))
    sd = np.array([vasicek_sd(speed, volatility, t) for t in years])
    return rates.RateLaw(
        rates.RATE_NORMAL, keep, vasicek_sd(speed, volatility, step), 0.0, 0.0, 0.0, mean, mean + DEVIATIONS * sd,
        together)


def _fitted(given: ShortRate, volatility: float, years: NDArray[np.float64]) -> list[float]:
    """What Hull and White expect of the short rate, fitted to the curve (M-79)."""
    curve = curve_of(given)
    return [hull_white_alpha(curve.forward(t), given.mean_reversion, volatility, t) for t in years.tolist()]


def curve_of(given: ShortRate) -> Curve:
    """The curve that a law is fitted to; it begins with the short rate itself."""
    return Curve(
        [0.0, *(given.curve_years or ())], [given.initial_pct / 100, *(y / 100 for y in given.curve_pct or ())])
