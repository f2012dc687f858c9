"""Betas, sector factors and own noise of instruments, each with its error (M-67)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stresslab.market.measured import F64, Measured
from stresslab.market.volatility import DAYS_LEAST, DAYS_OF_YEAR, YEAR_PCT

#: With fewer common days than these (a year), a beta is drawn towards those of the others.
DAYS_SHORT = 250
#: Sector variance is held below this share of every member's residual variance, so that own variance stays positive.
SECTOR_SHARE_MOST = 0.9
#: Blocks of days that are left out in turn for the error of a sector's volatility.
BLOCKS = 20
#: The mean of fewer residuals is mostly their own noise.
MEMBERS_LEAST = 3


@dataclass(frozen=True)
class Beta:
    """Loadings of one instrument: beta by least squares and as it is used, residual and total volatility in percent a year."""

    days: int
    least_squares: Measured
    used: Measured
    shrunk: bool
    residual_pct: Measured
    total_pct: float


def fit_betas(returns: pd.DataFrame, market: pd.Series[float], volatility_pct: float) -> tuple[dict[str, Beta], pd.DataFrame]:
    """The betas of instruments (columns) on the market's returns, and the residuals, missing where the return is.

    Least squares with an intercept on common days; b = Σ (x − x̄)(y − ȳ) / Σ (x − x̄)², error √(s² / Σ (x − x̄)²) with
    s² = Σ e² / (n − 2). Below ``DAYS_SHORT`` days Vasicek's (1973) estimate: the mean of b and of the betas of all
    instruments, weighted by the inverse of the error squared and of the spread of true betas.
    """
    y = returns.to_numpy(float)
    there = ~np.isnan(y)
    x = np.where(there, market.reindex(returns.index).to_numpy(float)[:, None], np.nan)
    days = there.sum(axis=0)
    xc, yc = x - np.nanmean(x, axis=0), y - np.nanmean(y, axis=0)
    sxx = np.nansum(xc * xc, axis=0)
    raw = np.nansum(xc * yc, axis=0) / sxx
    e = yc - raw * xc
    variance = np.nansum(e * e, axis=0) / (days - 2)
    error = np.sqrt(variance / sxx)
    centre, spread = _cross_section(raw, error)
    m4 = np.nanmean(e**4, axis=0)
    found = {}
    for at, name in enumerate(returns):
        plain = Measured(float(raw[at]), float(error[at]))
        short = bool(days[at] < DAYS_SHORT and len(raw) > 1)
        used = _shrunk(plain, centre, spread) if short else plain
        s2 = float(variance[at])
        own_error = math.sqrt(max(float(m4[at]) - s2 * s2, 0.0) / int(days[at])) / (2.0 * math.sqrt(s2)) if s2 > 0 else 0.0
        # The part that the long-run index volatility explains plus what the panel leaves unexplained.
        total = math.hypot(used.value * volatility_pct, math.sqrt(s2) * YEAR_PCT)
        found[str(name)] = Beta(int(days[at]), plain, used, short, Measured(math.sqrt(s2) * YEAR_PCT, own_error * YEAR_PCT), total)
    return found, pd.DataFrame(e, index=returns.index, columns=[str(c) for c in returns])


def _cross_section(raw: F64, error: F64) -> tuple[float, float]:
    """Mean of the betas and the variance of true ones: what their spread has beyond their errors."""
    if raw.size < 2:
        return float(raw.mean()) if raw.size else 1.0, 0.0
    return float(raw.mean()), max(float(raw.var(ddof=1) - np.mean(error**2)), 0.0)


def _shrunk(plain: Measured, centre: float, spread: float) -> Measured:
    error = plain.error or 0.0
    if error == 0.0:
        return plain
    if spread == 0.0:
        return Measured(centre, error)  # nothing tells the betas apart; the error stays that of the instrument's own days
    own, others = 1.0 / error**2, 1.0 / spread
    return Measured((own * plain.value + others * centre) / (own + others), math.sqrt(1.0 / (own + others)))


def sector_factors(residuals: pd.DataFrame, sectors: dict[str, str]) -> dict[str, Measured]:
    """The volatility of each sector's factor, percent a year: √ of the mean covariance of residuals of two of its members.

    The error is the jackknife's over blocks of days (Künsch 1989).
    """
    found = {}
    for sector in sorted(set(sectors.values())):
        members = [c for c in residuals if sectors[str(c)] == sector]
        e = residuals[members].to_numpy(float)
        whole = _shared(e)
        cuts = np.array_split(np.arange(len(e)), BLOCKS)
        parts = np.array([_shared(np.delete(e, cut, axis=0)) for cut in cuts]) if len(members) > 1 else np.zeros(BLOCKS)
        found[sector] = Measured(whole, math.sqrt((BLOCKS - 1) / BLOCKS * float(np.sum((parts - parts.mean()) ** 2))))
    return found


def _shared(e: F64) -> float:
    there = ~np.isnan(e)
    if e.shape[1] < 2 or not there.any():
        return 0.0
    counts = np.maximum(there.sum(axis=0), 1)
    held = np.where(there, e - np.where(there, e, 0.0).sum(axis=0) / counts, 0.0)
    common = there.T.astype(float) @ there.astype(float)
    covariance = held.T @ held / np.maximum(common - 1.0, 1.0)
    above = np.triu_indices(len(common), 1)
    pairs = covariance[above][common[above] >= DAYS_LEAST]
    shared = float(pairs.mean()) if pairs.size else 0.0
    most = SECTOR_SHARE_MOST * float(np.diag(covariance).min())
    return 100.0 * math.sqrt(max(0.0, min(shared, most)) * DAYS_OF_YEAR)


def sector_returns(residuals: pd.DataFrame, sectors: dict[str, str], volatility: dict[str, Measured]) -> pd.DataFrame:
    """Daily returns of the sector factors: the mean residual of a sector's members, scaled to the factor's volatility.

    Sectors with fewer members, without a factor of their own, or without a member trading on every day, have none.
    """
    found = {}
    for sector, told in volatility.items():
        members = [c for c in residuals if sectors[str(c)] == sector]
        mean = residuals[members].mean(axis=1)
        spread = float(mean.std())
        if len(members) >= MEMBERS_LEAST and told.value > 0 and spread > 0 and not mean.isna().any():
            found[sector] = (mean - mean.mean()) / spread * told.value / YEAR_PCT
    return pd.DataFrame(found, index=residuals.index)
