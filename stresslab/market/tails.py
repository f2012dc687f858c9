"""Fat tails of own noise, and tails that come together: degrees of freedom by likelihood (M-73)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, stats
from scipy.special import gammaln, ndtr, stdtrit

from stresslab.market.measured import F64, Measured

DOF_LEAST, DOF_MOST = 2.2, 60.0
#: Pairs of an index and an instrument that are looked at, evenly through the list.
PAIRS_MOST = 100
#: Where quantiles of Student's t are tabled between, in normal scores.
_GRID = np.linspace(-4.5, 4.5, 1201)


def own_tails(residuals: F64) -> Measured | None:
    """Degrees of freedom of Student's t for residuals (days × instruments) brought to unit variance; None without fat tails.

    Likelihood of all residuals as if independent; the error lets the days be clusters (Godambe's sandwich).
    """
    scale = np.nanstd(residuals, axis=0)
    if not (scale > 0).any():
        return None
    z = residuals[:, scale > 0] / scale[scale > 0]

    def by_day(dof: float) -> F64:
        width = math.log(math.pi * (dof - 2.0))
        density = gammaln((dof + 1.0) / 2.0) - gammaln(dof / 2.0) - 0.5 * width - (dof + 1.0) / 2.0 * np.log1p(z * z / (dof - 2.0))
        found: F64 = np.nansum(density, axis=1)
        return found

    return _dof(by_day)


def copula_dof(returns: F64, market: F64) -> Measured | None:
    """Degrees of freedom of the t copula of the index with each instrument, by composite likelihood; None without dependence in tails.

    Ranks become uniforms k / (n + 1) (Genest, Ghoudi and Rivest 1995), the correlation of a pair is sin(π τ / 2) with Kendall's τ, and
    one number of degrees of freedom is the likeliest for all pairs together. Days are clusters for the error.
    """
    n, p = returns.shape
    chosen = np.unique(np.linspace(0, p - 1, min(p, PAIRS_MOST)).round().astype(int))
    pairs = []
    for at in chosen:
        there = np.flatnonzero(~np.isnan(returns[:, at]))
        x, y = market[there], returns[there, at]
        if np.ptp(y) == 0:
            continue
        rho = math.sin(math.pi / 2.0 * float(stats.kendalltau(x, y).statistic))
        u, v = (stats.rankdata(z) / (there.size + 1.0) for z in (x, y))
        pairs.append((there, stats.norm.ppf(u), stats.norm.ppf(v), max(-0.995, min(0.995, rho))))
    if not pairs:
        return None

    def by_day(dof: float) -> F64:
        table = stdtrit(dof, ndtr(_GRID))
        found = np.zeros(n)
        front = gammaln((dof + 2.0) / 2.0) + gammaln(dof / 2.0) - 2.0 * gammaln((dof + 1.0) / 2.0)
        for days, zu, zv, rho in pairs:
            x, y = np.interp(zu, _GRID, table), np.interp(zv, _GRID, table)
            left = 1.0 - rho * rho
            joint = (dof + 2.0) / 2.0 * np.log1p((x * x - 2.0 * rho * x * y + y * y) / (dof * left))
            alone = (dof + 1.0) / 2.0 * (np.log1p(x * x / dof) + np.log1p(y * y / dof))
            found[days] += front - 0.5 * math.log(left) - joint + alone
        return found

    return _dof(by_day)


def tail_dependence(dof: float, correlation: float) -> float:
    """The probability that one falls to its extreme given that the other does, 2 t(−√((n + 1)(1 − ρ) / (1 + ρ))), t with n + 1.

    Source: Demarta and McNeil 2005, for n degrees of freedom.
    """
    return float(2.0 * stats.t.cdf(-math.sqrt((dof + 1.0) * (1.0 - correlation) / (1.0 + correlation)), dof + 1.0))


def _dof(by_day: Callable[[float], F64]) -> Measured | None:
    """The likeliest degrees of freedom with their error, from log likelihoods by day; None where normal does as well."""
    best = optimize.minimize_scalar(lambda a: -float(by_day(math.exp(a)).sum()), bounds=(math.log(DOF_LEAST), math.log(DOF_MOST)),
                                    method="bounded", options={"xatol": 1e-4})
    a = float(best.x)
    if a > math.log(0.95 * DOF_MOST):
        return None
    step = 0.02
    up, here, down = (by_day(math.exp(a + s)) for s in (step, 0.0, -step))
    score = (up - down) / (2.0 * step)
    bend = -float((up - 2.0 * here + down).sum()) / step**2
    error = math.sqrt(float(score @ score)) / bend * math.exp(a) if bend > 0 else None
    return Measured(math.exp(a), error)
