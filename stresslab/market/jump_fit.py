"""Merton's jump diffusion by maximum likelihood: a Poisson mixture of normal days (M-69)."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize
from scipy.special import gammaln, ndtr

from stresslab.history.said import Said
from stresslab.market.measured import F64, Fit, Measured, errors_of, hessian
from stresslab.market.volatility import DAYS_OF_YEAR, YEAR_PCT

#: So many jumps on one day are looked at; at two a day, the most that is allowed, the rest has a probability of 1e-7.
JUMPS_MOST = 12
#: Where the search begins: jumps a day, and their deviation in standard deviations of a day.
_STARTS = ((0.01, 3.0), (0.1, 1.8), (0.5, 1.2))


def fit_jumps(returns: F64) -> Fit:
    """r = m + σ Z + a Poisson number (λ a day) of normal jumps of mean μ and deviation s.

    Density Σ_n e^(−λ) λⁿ / n! φ(r; m + n μ, σ² + n s²) (Merton 1976). The likelihood has no bound where σ goes to zero on one
    day (Honoré 1998), so σ stays above a fifth of the deviation of a day, s above a tenth, λ between one jump in the
    whole history and two a day. Errors from the curvature of the likelihood.
    """
    unit = float(returns.std())
    x = (returns - returns.mean()) / unit
    bounds = [(-1.0, 1.0), (math.log(0.2), math.log(1.5)), (-math.log(x.size), math.log(2.0)), (-20.0, 20.0),
              (math.log(0.1), math.log(20.0))]

    def loss(p: F64) -> float:
        return -float(np.sum(_log_density(x, p)))

    tries = [
        optimize.minimize(loss, [0.0, math.log(0.8), math.log(rate), -0.1, math.log(size)], method="L-BFGS-B", bounds=bounds,
                          options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7})
        for rate, size in _STARTS
    ]
    best = min(tries, key=lambda t: float(t.fun))
    p = np.asarray(best.x, float)
    covariance = errors_of(hessian(loss, p, np.full(5, 1e-3)))
    error = np.sqrt(np.diag(covariance)) if covariance is not None else np.full(5, np.nan)
    rate, size = math.exp(p[2]), math.exp(p[4])

    def told(value: float, spread: float) -> Measured:
        return Measured(float(value), float(spread) if math.isfinite(spread) else None)

    parameters = {
        "intensity": told(rate * DAYS_OF_YEAR, rate * DAYS_OF_YEAR * error[2]),
        "mean_pct": told(100.0 * unit * p[3], 100.0 * unit * error[3]),
        "sd_pct": told(100.0 * unit * size, 100.0 * unit * size * error[4]),
        "diffusion_pct": told(unit * math.exp(p[1]) * YEAR_PCT, unit * math.exp(p[1]) * error[1] * YEAR_PCT),
        "drift_pct": told(100.0 * DAYS_OF_YEAR * (returns.mean() + unit * p[0]), 100.0 * DAYS_OF_YEAR * unit * error[0]),
    }
    names = ("m", "sigma", "lambda", "mu", "s")
    stuck = [n for n, v, (low, high) in zip(names, p, bounds, strict=True) if v - low < 1e-4 or high - v < 1e-4]
    refused = None
    if stuck:
        refused = Said(f"the data cannot tell jumps from diffusion ({', '.join(stuck)} ran to the end of its range)",
                       f"数据无法区分跳跃与扩散（{'、'.join(stuck)}达到取值边界）")
    elif covariance is None:
        refused = Said("the likelihood is flat: the data cannot tell the parameters apart", "似然函数平坦，数据无法识别参数")
    variance = math.exp(2.0 * p[1]) + rate * (p[3] ** 2 + size**2)
    alone = math.sqrt(rate * (p[3] ** 2 + size**2)) * unit * YEAR_PCT
    whole = math.sqrt(variance) * unit * YEAR_PCT
    remarks = (Said(f"volatility of the jumps alone {alone:.2f}% a year, of the whole law {whole:.2f}%",
                    f"仅跳跃的年化波动率{alone:.2f}%，整体{whole:.2f}%"),)
    sd = np.full(x.size, math.sqrt(variance) * unit)
    return Fit("jump", parameters, -float(best.fun) - x.size * math.log(unit), 5, _uniforms(x, p), sd, refused, remarks)


def _weights(p: F64) -> tuple[F64, F64, F64]:
    """Log probabilities of 0, 1, … jumps on a day, and the mean and deviation of the day with so many."""
    n = np.arange(JUMPS_MOST + 1)
    rate = math.exp(p[2])
    log_weight = n * p[2] - rate - gammaln(n + 1.0)
    return log_weight, p[0] + n * p[3], np.sqrt(math.exp(2.0 * p[1]) + n * math.exp(2.0 * p[4]))


def _log_density(x: F64, p: F64) -> F64:
    weight, mean, sd = _weights(p)
    terms = weight - np.log(sd) - 0.5 * math.log(2.0 * math.pi) - 0.5 * ((x[:, None] - mean) / sd) ** 2
    top = terms.max(axis=1)
    found: F64 = top + np.log(np.exp(terms - top[:, None]).sum(axis=1))
    return found


def _uniforms(x: F64, p: F64) -> F64:
    weight, mean, sd = _weights(p)
    found: F64 = ndtr((x[:, None] - mean) / sd) @ np.exp(weight)
    return np.clip(found, 0.0, 1.0)
