"""Closed laws of a fall of Brownian motion: lowest level, largest drawdown, time to a drawdown (M-63).

Volatility and drift of the log are fractions a year, times are years, depths and falls fractions unless a line says log.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: −ζ(½) / √(2π): by so many daily deviations a level that is seen daily is as good as further away.
DISCRETE = 0.5825971579390106
_TERMS = 4000


def terminal_probability(depth: float, sigma: float, nu: float, years: float) -> float:
    """P(S(T) ≤ (1 − depth) S(0)) with volatility ``sigma`` and drift ``nu`` of the log."""
    from scipy.special import ndtr

    return float(ndtr((math.log(1.0 - depth) - nu * years) / (sigma * math.sqrt(years))))


def minimum_probability(depth: float, sigma: float, nu: float, years: float, *, per_year: float | None = None) -> float:
    """P(min S ≤ (1 − depth) S(0)), seen continuously, or at so many closes a year (Broadie, Glasserman and Kou 1997)."""
    from scipy.special import log_ndtr, ndtr

    b, root = math.log(1.0 - depth), sigma * math.sqrt(years)
    if per_year is not None:
        b -= DISCRETE * sigma / math.sqrt(per_year)
    return float(ndtr((b - nu * years) / root) + math.exp(2.0 * nu * b / sigma**2 + float(log_ndtr((b + nu * years) / root))))


def drawdown_probability(fall: float, sigma: float, nu: float, years: float) -> float:
    """P(largest drawdown ≥ fall) of the log, seen continuously, for ``fall`` > 0 in log units."""
    return float(drawdown_law(np.array([fall]), sigma, nu, years)[0])


def drawdown_law(falls: NDArray[np.float64], sigma: float, nu: float, years: float) -> NDArray[np.float64]:
    """P(largest drawdown ≥ h) of many falls h > 0 of the log: the series that converges fast (Magdon-Ismail et al. 2004)."""
    return np.array([1.0 - _below(float(h), sigma, nu, years) for h in falls])


def _below(h: float, sigma: float, nu: float, years: float) -> float:
    a, late = nu * h / sigma**2, nu**2 / (2.0 * sigma**2) * years
    speed = sigma**2 * years / (2.0 * h * h)
    # Terms beyond exp(−45) of the first change nothing.
    count = min(_TERMS, int(math.sqrt(45.0 / speed) / math.pi) + 3)
    theta = _roots(a, count)
    # exp(−a) is taken into the exponent: with a strong drift it would overflow alone.
    terms = 2.0 * theta * np.sin(theta) / (theta**2 + a * a - a) * np.exp(-a - speed * theta**2 - late)
    total = math.fsum(terms)
    if abs(a - 1.0) < 1e-9:
        total += 3.0 * math.exp(-1.0 - late)
    elif a > 1.0:
        eta = _eta(a)
        # sinh η e^{−a} without overflow
        sinh = 0.5 * (math.exp(eta - a) - math.exp(-eta - a))
        total += 2.0 * eta * sinh / (eta * eta - a * a + a) * math.exp(speed * eta**2 - late)
    return min(1.0, max(0.0, total))


def _roots(a: float, count: int) -> NDArray[np.float64]:
    """The positive roots of tan θ = θ / a: one in each half-turn, the first below π / 2 only where a is below 1."""
    n = np.arange(1 if a < 1.0 - 1e-9 else 2, count + 2)
    # sin θ · a = θ · cos θ: on ((n − 1) π, n π) the difference changes its sign once.
    low, high = (n - 1) * math.pi + (1e-12 if a >= 0 else math.pi / 2), n * math.pi - (math.pi / 2 if a > 0 else 0.0)
    if a == 0.0:
        return np.asarray((n - 0.5) * math.pi, np.float64)

    def difference(x: Any) -> Any:
        return a * np.sin(x) - x * np.cos(x)

    start = np.sign(difference(low + 1e-9))
    for _ in range(60):
        middle = 0.5 * (low + high)
        left = np.sign(difference(middle)) == start
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    return np.asarray(0.5 * (low + high), np.float64)


def _eta(a: float) -> float:
    """The positive root of tanh η = η / a for a > 1."""
    low, high = 1e-12, a
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if math.tanh(middle) > middle / a else (low, middle)
    return 0.5 * (low + high)


def expected_drawdown(sigma: float, nu: float, years: float) -> float:
    """Expected largest drawdown of the log, seen continuously: ∫ P(≥ h) dh, to six digits.

    A drift that falls by more than five deviations over the time is refused: the series loses its digits there.
    """
    root = sigma * math.sqrt(years)
    if nu == 0.0:
        return math.sqrt(math.pi / 2.0) * root
    if nu * years < -5.0 * root:
        raise ValueError("the drift must not fall by more than five deviations")
    # Below a fifth of a deviation, less for a rising drift, no path stays, and far beyond a falling drift's way none comes.
    low = 0.2 * root / (1.0 + max(0.0, nu) * years / root)
    high = 12.0 * root if nu > 0.0 else 6.0 * root - nu * years
    x, w = np.polynomial.legendre.leggauss(200)
    h = low + (high - low) * (x + 1.0) / 2.0
    return low + float(w @ drawdown_law(h, sigma, nu, years)) * (high - low) / 2.0


def expected_time_to_drawdown(fall: float, sigma: float, nu: float) -> float:
    """Expected years to a first drawdown of ``fall`` (log), seen continuously (Taylor 1975)."""
    a = 2.0 * nu * fall / sigma**2
    if abs(a) < 1e-6:
        return fall**2 / sigma**2 * (1.0 + a / 3.0)
    return sigma**2 / (2.0 * nu**2) * (math.expm1(a) - a)
