"""A market from a history of daily closes: index volatility, betas, sector factors, with standard errors."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from stresslab.faults import Fault, InputError
from stresslab.market.files import Loading, Market, MarketFactor, SectorFactor

DAYS_OF_YEAR = 252
#: A beta from fewer common days than this is refused: its error would be larger than most betas.
DAYS_LEAST = 60
#: Sector variance is held below this share of every member's residual variance, so that own variance stays positive.
SECTOR_SHARE_MOST = 0.9


def log_returns(closes: pd.Series) -> pd.Series:
    """Daily log returns of a series of closes indexed by date; raises if a close is missing or not positive."""
    faults = _closes_not_positive(closes, closes.isna() | (closes <= 0))
    if faults:
        raise InputError(faults)
    returns: pd.Series = np.log(closes).diff().dropna()
    return returns


def _closes_not_positive(closes: pd.Series, broken: pd.Series) -> list[Fault]:
    rows = np.flatnonzero(broken.to_numpy())[:1]  # the first says enough
    rule, way_out = "a close must be positive", "correct or drop the day"
    return [Fault("history", rule, way_out, int(at) + 2, str(closes.name), str(closes.iloc[at])) for at in rows]


def index_volatility(closes: pd.Series) -> tuple[float, float]:
    """Volatility of an index in percent a year and its standard error, robust to fat tails.

    σ = sd of daily log returns × √252. Var(s²) = (m₄ − s⁴) / n with the fourth central moment m₄ (Cramér 1946, 27.4).
    """
    r = log_returns(closes).to_numpy()
    if len(r) < DAYS_LEAST or np.ptp(r) == 0:
        rule = f"an index needs at least {DAYS_LEAST} daily returns that are not all the same"
        raise InputError([Fault("history", rule, "lengthen the history", None, str(closes.name))])
    s2 = float(np.var(r, ddof=1))
    m4 = float(np.mean((r - r.mean()) ** 4))
    error = math.sqrt(max(m4 - s2 * s2, 0.0) / len(r)) / (2.0 * math.sqrt(s2))
    year = 100.0 * math.sqrt(DAYS_OF_YEAR)
    return math.sqrt(s2) * year, error * year


def shipped_index() -> pd.Series:
    """The S&P 500, daily closes 1999 to 2018, as the installed package arch ships them."""
    import arch.data.sp500

    closes = arch.data.sp500.load()["Adj Close"]
    closes.name = "S&P 500"
    return closes.astype(float)


def shipped_market() -> Market:
    """The market of the demo: its factor is the S&P 500 of 1999 to 2018 (2008 in it)."""
    closes = shipped_index()
    volatility, error = index_volatility(closes)
    first, last = closes.index[0].date(), closes.index[-1].date()
    said = f"S&P 500 daily closes {first} to {last}, shipped with the Python package arch (arch.data.sp500)"
    return Market(
        title="S&P 500, 1999 to 2018 (with 2008)",
        source=said,
        from_date=str(first),
        to_date=str(last),
        market=MarketFactor(index="S&P 500", model="gbm", volatility_pct=round(volatility, 4), volatility_error_pct=round(error, 4),
                            drift_pct=0.0, source=said + "; drift zero is an assumption"),
        default_sector=SectorFactor(volatility_pct=8.0),
    )


def calibrate(prices: pd.DataFrame, index: pd.Series, sectors: dict[str, str], *, title: str, source: str) -> Market:
    """A market from closes: ``prices`` (dates × instruments, adjusted for splits; missing where halted) and an index.

    Betas are least squares on the index's returns over common days, with their standard errors;
    the sector variance is the mean pairwise covariance of residuals within the sector; own variance is the rest.
    """
    faults = _panel_faults(prices, index, sectors)
    if faults:
        raise InputError(faults)
    volatility, error = index_volatility(index)
    market_return = log_returns(index)
    # A return over a halt spans several days: only returns between adjacent days of the index are used.
    returns = prices.reindex(index.index).apply(np.log).diff().iloc[1:]
    rule, way_out = f"daily returns, at least {DAYS_LEAST} are needed", "leave it out or lengthen the history"
    faults = [
        Fault("history", f"{name} has {int(n)} {rule}", way_out, None, str(name))
        for name, n in returns.notna().sum().items() if n < DAYS_LEAST
    ]
    if faults:
        raise InputError(faults)
    loadings: dict[str, Loading] = {}
    residuals = {}
    for name in returns:
        y = returns[name].dropna()
        x = market_return.loc[y.index]
        beta = float(np.cov(x, y, ddof=1)[0, 1] / np.var(x, ddof=1))
        e = y - y.mean() - beta * (x - x.mean())
        beta_error = float(np.sqrt(np.sum(e**2) / (len(e) - 2) / np.sum((x - x.mean()) ** 2)))
        residuals[str(name)] = e
        # The part that the long-run index volatility explains plus what the panel leaves unexplained.
        variance = (beta * volatility / 100) ** 2 + float(np.sum(e**2) / (len(e) - 2)) * DAYS_OF_YEAR
        total = round(100 * math.sqrt(variance) + 0.005, 2)
        loadings[str(name)] = Loading(beta=round(beta, 6), beta_error=round(beta_error, 6), volatility_pct=total)
    return Market(
        title=title, source=source, from_date=str(index.index[0].date()), to_date=str(index.index[-1].date()),
        market=MarketFactor(
            index=str(index.name), model="gbm", volatility_pct=round(volatility, 4), volatility_error_pct=round(error, 4), source=source,
        ),
        sectors=_sector_factors(pd.DataFrame(residuals), sectors), instruments=loadings,
    )


def _panel_faults(prices: pd.DataFrame, index: pd.Series, sectors: dict[str, str]) -> list[Fault]:
    faults = [fault for name in prices for fault in _closes_not_positive(prices[name], prices[name] <= 0)]
    if not (index.index.is_monotonic_increasing and index.index.is_unique):
        faults.append(Fault("history", "dates must rise and be there once", "sort the days and drop repeated ones", None, str(index.name)))
    lost = [str(name) for name in prices if str(name) not in sectors]
    return faults + [Fault("history", "an instrument must have a sector", "name its sector", None, name) for name in lost]


def _sector_factors(residuals: pd.DataFrame, sectors: dict[str, str]) -> dict[str, SectorFactor]:
    found = {}
    for sector in sorted(set(sectors.values())):
        members = [c for c in residuals if sectors[str(c)] == sector]
        covariance = residuals[members].cov(min_periods=DAYS_LEAST).to_numpy()
        pairs = covariance[np.triu_indices(len(members), 1)]
        pairs = pairs[~np.isnan(pairs)]
        shared = float(pairs.mean()) if pairs.size else 0.0
        most = SECTOR_SHARE_MOST * float(np.diag(covariance).min())
        found[sector] = SectorFactor(volatility_pct=round(100 * math.sqrt(max(0.0, min(shared, most)) * DAYS_OF_YEAR), 2))
    return found
