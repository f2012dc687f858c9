"""GARCH volatility as it was known: fitted anew every so often on the days before alone, rolled forward day by day (M-161)."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.market.volatility import YEAR_PCT

F64 = NDArray[np.float64]
#: Days before the first fit, between fits, and at most in a fit.
FIRST, REFIT, MOST = 500, 63, 2500
#: μ, ω, α, γ, β of daily returns in percent, for the returns that they were fitted on: the same returns give the same fit.
_FITTED: dict[str, tuple[float, ...] | None] = {}


def garch_volatility(close: pd.Series[float]) -> pd.Series[float]:
    """The volatility of the next day in percent a year, of GJR-GARCH with Student-t days; missing before 500 days.

    The parameters of a day were fitted on returns before it; a fit that does not end, or has no long-run variance, is passed over
    and the last good one goes on.
    """
    r = 100.0 * np.log(close.to_numpy(float))
    r = np.diff(r)
    out = np.full(close.size, np.nan)
    law: tuple[float, ...] | None = None
    for start in range(FIRST, r.size + 1, REFIT):
        law = _fit(r[max(0, start - MOST) : start]) or law
        if law is None:
            continue
        stop = min(start + REFIT, r.size + 1)
        h = _filtered(r[:stop], law)
        # h[k] is the variance of return k given those before it; after the close of day t (return t − 1) the next is h[t].
        out[start:stop] = np.sqrt(h[start:stop]) / 100.0 * YEAR_PCT
    return pd.Series(out, close.index)


def _fit(returns: F64) -> tuple[float, ...] | None:
    key = hashlib.sha256(np.ascontiguousarray(returns).tobytes()).hexdigest()
    if key not in _FITTED:
        from arch import arch_model

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it has to say about convergence stands in its flag
            found = arch_model(returns, mean="Constant", vol="GARCH", p=1, o=1, q=1, dist="t", rescale=False).fit(
                disp="off", show_warning=False, options={"maxiter": 300}
            )
        p = found.params
        law = tuple(float(p[name]) for name in ("mu", "omega", "alpha[1]", "gamma[1]", "beta[1]"))
        good = found.convergence_flag == 0 and law[2] + law[3] / 2 + law[4] < 1.0
        _FITTED[key] = law if good else None
    return _FITTED[key]


def _filtered(r: F64, law: tuple[float, ...]) -> F64:
    mu, omega, alpha, gamma, beta = law
    h = np.empty(r.size + 1)
    h[0] = omega / (1.0 - alpha - gamma / 2.0 - beta)
    for t, e in enumerate(r - mu):
        h[t + 1] = omega + (alpha + (gamma if e < 0 else 0.0)) * e * e + beta * h[t]
    return h
