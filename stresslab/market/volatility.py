"""The volatility of an index, with its error, and the turnover of shares."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import ndtr

from stresslab.faults import Fault, InputError
from stresslab.market.measured import F64, Fit, Measured

DAYS_OF_YEAR = 252
#: A number from fewer daily returns than this is refused: its error would be larger than most betas.
DAYS_LEAST = 60
#: Volatility of the year, in percent, for a daily standard deviation of one.
YEAR_PCT = 100.0 * math.sqrt(DAYS_OF_YEAR)


def log_returns(closes: pd.Series[float]) -> pd.Series[float]:
    """Daily log returns of a series of closes indexed by date; raises if a close is missing or not positive."""
    broken = np.flatnonzero((closes.isna() | (closes <= 0)).to_numpy())[:1]  # the first says enough
    if broken.size:
        at = int(broken[0])
        way_out = "correct or drop the day"
        raise InputError([Fault("history", "a close must be positive", way_out, at + 2, str(closes.name), str(closes.iloc[at]))])
    returns: pd.Series[float] = closes.map(math.log).diff().dropna()
    return returns


def index_volatility(closes: pd.Series[float]) -> tuple[float, float]:
    """Volatility of an index in percent a year and its standard error, robust to fat tails (M-66).

    σ = sd of daily log returns × √252. Var(s²) = (m₄ − s⁴) / n with the fourth central moment m₄ (Cramér 1946, 27.4).
    """
    r = log_returns(closes).to_numpy()
    if len(r) < DAYS_LEAST or np.ptp(r) == 0:
        rule = f"an index needs at least {DAYS_LEAST} daily returns that are not all the same"
        raise InputError([Fault("history", rule, "lengthen the history", None, str(closes.name))])
    s2 = float(np.var(r, ddof=1))
    m4 = float(np.mean((r - r.mean()) ** 4))
    error = math.sqrt(max(m4 - s2 * s2, 0.0) / len(r)) / (2.0 * math.sqrt(s2))
    return math.sqrt(s2) * YEAR_PCT, error * YEAR_PCT


def normal_fit(returns: F64) -> Fit:
    """Independent normal days: the law of ``gbm``."""
    mean, sd = float(returns.mean()), float(returns.std())
    n = returns.size
    year = 100.0 * DAYS_OF_YEAR
    likelihood = -n * (math.log(sd) + 0.5 * math.log(2.0 * math.pi) + 0.5)
    parameters = {"drift_pct": Measured(mean * year, sd / math.sqrt(n) * year),
                  "volatility_pct": Measured(sd * YEAR_PCT, sd / math.sqrt(2.0 * n) * YEAR_PCT)}
    return Fit("gbm", parameters, likelihood, 2, ndtr((returns - mean) / sd), np.full(n, sd))


def turnover(rows: pd.DataFrame) -> dict[str, Measured]:
    """Mean shares traded a day by instrument over some rows of traded days, with the error of the mean (M-66)."""
    if "volume_shares" not in rows:
        return {}
    groups = rows.dropna(subset=["volume_shares"]).groupby("instrument_id")["volume_shares"]
    told = pd.DataFrame({"mean": groups.mean(), "error": groups.std() / np.sqrt(groups.size())})
    return {str(i): Measured(float(m), None if math.isnan(e) else float(e)) for i, m, e in told.itertuples()}
