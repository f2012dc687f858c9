"""How well a law fits: Kolmogorov-Smirnov, Anderson-Darling and Ljung-Box of what it leaves (M-73)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from stresslab.market.measured import F64, Fit

LAGS = 10
#: Points of a quantile plot.
QUANTILES = 199


@dataclass(frozen=True)
class Goodness:
    """Statistics of a fit, each with the probability of one as large by chance (as if no parameter had been fitted)."""

    model: str
    log_likelihood: float
    aic: float
    bic: float
    ks: tuple[float, float]
    ad: tuple[float, float]
    returns: tuple[float, float]
    squares: tuple[float, float]
    #: Standardised residuals at evenly spaced probabilities, and the normal quantiles beside them.
    quantiles: F64
    normal: F64


def goodness(fit: Fit) -> Goodness:
    """The statistics of one fit. Its uniforms become normal scores, of which returns and squares should have no memory."""
    u = np.clip(fit.uniforms, 1e-12, 1.0 - 1e-12)
    scores = stats.norm.ppf(u)
    ks = stats.kstest(u, "uniform", method="asymp")
    at = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return Goodness(
        fit.model, fit.log_likelihood, fit.aic, fit.bic, (float(ks.statistic), float(ks.pvalue)), anderson_darling(u),
        ljung_box(scores), ljung_box(scores**2), np.quantile(scores, at), stats.norm.ppf(at))


def ljung_box(x: F64, lags: int = LAGS) -> tuple[float, float]:
    """Q = n (n + 2) Σ_k r_k² / (n − k) over the autocorrelations r_k, and its probability (chi-square). Ljung and Box 1978."""
    held = x - x.mean()
    n, whole = x.size, float(held @ held)
    if whole == 0 or n <= lags:
        return 0.0, 1.0
    r = np.array([float(held[k:] @ held[:-k]) / whole for k in range(1, lags + 1)])
    q = n * (n + 2.0) * float(np.sum(r**2 / (n - np.arange(1, lags + 1))))
    return q, float(stats.chi2.sf(q, lags))


def anderson_darling(u: F64) -> tuple[float, float]:
    """A² of uniforms against the uniform law, and its probability for large samples (Marsaglia and Marsaglia 2004)."""
    x = np.sort(u)
    n = x.size
    weight = 2.0 * np.arange(1, n + 1) - 1.0
    a2 = -n - float(np.sum(weight * (np.log(x) + np.log1p(-x[::-1])))) / n
    return a2, 1.0 - _ad_infinite(a2)


def _ad_infinite(z: float) -> float:
    """The distribution of A² for a sample without end, to four digits."""
    if z <= 0:
        return 0.0
    if z < 2.0:
        poly = 2.00012 + (0.247105 - (0.0649821 - (0.0347962 - (0.0116720 - 0.00168691 * z) * z) * z) * z) * z
        return math.exp(-1.2337141 / z) / math.sqrt(z) * poly
    poly = 1.0776 - (2.30695 - (0.43424 - (0.082433 - (0.008056 - 0.0003146 * z) * z) * z) * z) * z
    return math.exp(-math.exp(poly))
