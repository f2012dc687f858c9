"""The probability that today is a wild day of the market, as it was known: filtered, never smoothed (M-171)."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.market.regime_fit import fit_regimes
from stresslab.market.volatility import DAYS_OF_YEAR, YEAR_PCT

F64 = NDArray[np.float64]
#: Days before the first fit, between fits, and at most in a fit (Hamilton's filter takes a second for 1,500 days).
FIRST, REFIT, MOST = 500, 252, 1500
_FITTED: dict[str, tuple[float, ...] | None] = {}


def wild_probability(close: pd.Series[float]) -> pd.Series[float]:
    """P(wild today | returns to today) of two states, in which the parameters of a day were fitted on days before it.

    Missing before 500 returns, and until a fit finds two lasting states; a later fit that finds none leaves the last one in force.
    """
    r = np.diff(np.log(close.to_numpy(float)))
    out = np.full(close.size, np.nan)
    law: tuple[float, ...] | None = None
    for start in range(FIRST, r.size + 1, REFIT):
        law = _fit(r[max(0, start - MOST) : start]) or law
        if law is not None:
            stop = min(start + REFIT, r.size + 1)
            out[start:stop] = filtered(r[: stop - 1], law)[start - 1 : stop - 1]
    return pd.Series(out, close.index)


def _fit(returns: F64) -> tuple[float, ...] | None:
    key = hashlib.sha256(np.ascontiguousarray(returns).tobytes()).hexdigest()
    if key not in _FITTED:
        try:
            found = fit_regimes(returns)
        except (ValueError, np.linalg.LinAlgError):  # a likelihood without a maximum
            _FITTED[key] = None
            return None
        p = {name: one.value for name, one in found.parameters.items()}
        law = tuple(p[f"{name}_{state}"] for name in ("drift_pct", "volatility_pct", "stay") for state in (1, 2))
        _FITTED[key] = law if found.refused is None and all(np.isfinite(law)) else None
    return _FITTED[key]


def filtered(returns: F64, law: tuple[float, ...]) -> F64:
    """Hamilton's filter: P(state 2 on day t | returns to t) under drifts (% a year), volatilities (% a year) and P(stay)."""
    drift = np.array(law[0:2]) / 100.0 / DAYS_OF_YEAR
    sd = np.array(law[2:4]) / YEAR_PCT
    calm, wild = law[4], law[5]
    away = (1.0 - calm) + (1.0 - wild)
    p = (1.0 - calm) / away if away > 0 else 0.5
    density = np.exp(-0.5 * ((returns[:, None] - drift) / sd) ** 2) / sd
    out = np.empty(returns.size)
    for t in range(returns.size):
        ahead = p * wild + (1.0 - p) * (1.0 - calm)
        up, down = ahead * density[t, 1], (1.0 - ahead) * density[t, 0]
        p = up / (up + down) if up + down > 0 else ahead
        out[t] = p
    return out
