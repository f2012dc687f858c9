"""A market from a history of daily closes: laws of the index, betas, sector factors, comovement, each with standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from stresslab.faults import Fault, InputError, nearest
from stresslab.history import History
from stresslab.history.said import Said
from stresslab.market.betas import Beta, fit_betas, sector_factors, sector_returns
from stresslab.market.comovement import Comovement, comovement
from stresslab.market.covariance import factor_left
from stresslab.market.files import Market
from stresslab.market.garch_fit import GARCH_DAYS, fit_garch
from stresslab.market.goodness import Goodness, goodness
from stresslab.market.heston_fit import HestonFit, fit_heston
from stresslab.market.jump_fit import fit_jumps
from stresslab.market.laws import TABLES
from stresslab.market.measured import F64, Fit, Measured
from stresslab.market.rate_fit import RateAsked, RateFit, fit_rate
from stresslab.market.regime_fit import REGIME_DAYS, fit_regimes
from stresslab.market.tails import copula_dof, own_tails
from stresslab.market.volatility import (
    DAYS_LEAST,
    DAYS_OF_YEAR,
    YEAR_PCT,
    index_volatility,
    log_returns,
    normal_fit,
    turnover,
)
from stresslab.market.written import market_of

__all__ = ["DAYS_LEAST", "DAYS_OF_YEAR", "Calibration", "calibrate"]

#: Traded days over which turnover is averaged.
TURNOVER_DAYS = 20
#: Fewer days of the index than these carry no law with jumps.
JUMP_DAYS = 250
Short = Literal["refuse", "drop"]


@dataclass(frozen=True)
class Calibration:
    """Everything that was measured on a history, with errors; :attr:`market` is what goes into a market file.

    Money and prices do not occur; volatilities are percent a year, returns daily logs. ``left_out`` names instruments with
    too few returns, ``absent`` says for each law that the data cannot tell why.
    """

    title: str
    source: str
    index: str
    model: str
    #: The day of the first close, and the days of the returns.
    from_date: str
    dates: tuple[str, ...]
    returns: F64
    volatility: Measured
    drift: Measured
    fits: dict[str, Fit]
    heston: HestonFit
    block_days: float
    betas: dict[str, Beta]
    sector_of: dict[str, str]
    sectors: dict[str, Measured]
    sector_days: pd.DataFrame = field(repr=False)
    own_tails: Measured | None
    copula: Measured | None
    comovement: Comovement | None
    factor_left: tuple[float, float, float] | None
    turnover: dict[str, Measured]
    halted: tuple[float, str]
    absent: dict[str, Said]
    left_out: dict[str, int]
    notes: tuple[Said, ...]
    digest: str
    rate: RateFit | None = None

    @cached_property
    def goodness(self) -> dict[str, Goodness]:
        """How well each law fits the index's returns."""
        return {name: goodness(fit) for name, fit in self.fits.items()}

    @cached_property
    def market(self) -> Market:
        """The market file's content."""
        return market_of(self)


def calibrate(
    history: History, *, index: str | None = None, model: str = "gbm", first: str | None = None, last: str | None = None,
    title: str | None = None, source: str | None = None, short: Short = "refuse", rate: RateAsked | None = None,
) -> Calibration:
    """Measure a market on a history between two days, both included; ``index`` may be left out where there is only one.

    ``model`` is the law that a run uses unless its scenario names another. An instrument with fewer than 60 daily returns is
    refused, or with ``short="drop"`` left out. ``rate`` asks for the law of a short rate in the history's table of rates.
    Raises :class:`InputError` with every fault.
    """
    known = ("gbm", *TABLES)
    if model not in known:
        raise InputError([Fault("options", "is no model of a market file", nearest(model, list(known)), None, "model", model)])
    closes = history.closes(index, first, last)
    named = str(closes.name)
    volatility = Measured(*index_volatility(closes))
    market = log_returns(closes)
    r: F64 = np.asarray(market, np.float64)
    panel, left_out = _panel(history, closes.index, short)
    fits, absent = _laws(r)
    now = fits["garch"].parameters["initial_volatility_pct"].value if "garch" in fits else float(r[-21:].std()) * YEAR_PCT
    betas, residuals = fit_betas(panel, market, volatility.value) if panel.shape[1] else ({}, panel)
    sector_of = {name: history.sector(name) for name in betas}
    sectors = sector_factors(residuals, sector_of) if betas else {}
    left, mean_error = np.asarray(residuals, np.float64), float(r.std(ddof=1)) / math.sqrt(r.size)
    moves = _devolatilised(panel, r, fits.get("garch"))
    says = source or f"daily closes of {named}" + (f" and of {len(betas)} instruments" if betas else "")
    made = Calibration(
        title=title or f"{named}, {closes.index[0].date()} to {closes.index[-1].date()}", source=says, index=named, model=model,
        from_date=str(closes.index[0].date()), dates=tuple(str(d.date()) for d in closes.index[1:]), returns=r, volatility=volatility,
        drift=Measured(float(r.mean()) * DAYS_OF_YEAR * 100.0, mean_error * DAYS_OF_YEAR * 100.0), fits=fits,
        heston=fit_heston(r, now), block_days=_block_days(r), betas=betas, sector_of=sector_of, sectors=sectors,
        sector_days=sector_returns(residuals, sector_of, sectors), own_tails=own_tails(left) if betas else None,
        copula=copula_dof(*moves) if betas else None, comovement=comovement(np.asarray(panel, np.float64), r) if betas else None,
        factor_left=factor_left(left) if len(betas) > 1 else None, halted=history.halts(closes.index),
        turnover=turnover(history.last_rows(closes.index, TURNOVER_DAYS)), absent=absent, left_out=left_out,
        notes=history.notes, digest=history.digest,
        rate=None if rate is None else fit_rate(history, rate, _surprises(market, fits, model), first, last))
    market_of(made)  # at once, so that a law that cannot be the default is refused here
    return made


def _panel(history: History, days: pd.Index, short: Short) -> tuple[pd.DataFrame, dict[str, int]]:
    """Daily returns of the instruments with enough of them, and how many the others have."""
    if history.prices.empty:
        return pd.DataFrame(index=days[1:]), {}
    panel = history.returns(days).reindex(columns=history.instrument_ids)
    counts = panel.notna().sum()
    few = {str(name): int(n) for name, n in counts.items() if n < DAYS_LEAST}
    if few and short == "refuse":
        rule, way_out = f"daily returns, at least {DAYS_LEAST} are needed", "leave it out, lengthen the history, or choose --short drop"
        raise InputError([Fault("history", f"{name} has {n} {rule}", way_out, None, name) for name, n in few.items()])
    return panel.loc[:, counts >= DAYS_LEAST], few


def _laws(r: F64) -> tuple[dict[str, Fit], dict[str, Said]]:
    """The laws that can be fitted to the index, and why the others cannot stand in a market file."""
    fits: dict[str, Fit] = {"gbm": normal_fit(r)}
    absent: dict[str, Said] = {}
    for name, fit, least in (("jump", fit_jumps, JUMP_DAYS), ("garch", fit_garch, GARCH_DAYS), ("regime", fit_regimes, REGIME_DAYS)):
        if r.size < least:
            absent[name] = Said(f"{r.size} days, and {least} are needed", f"只有{r.size}日，需{least}日")
            continue
        fits[name] = fit(r)
        if (why := fits[name].refused) is not None:
            absent[name] = why
    return fits, absent


def _devolatilised(panel: pd.DataFrame, r: F64, garch: Fit | None) -> tuple[F64, F64]:
    """Returns of instruments and index over the index's volatility of the day, so that calm and wild days can be ranked together."""
    sd = garch.daily_sd if garch is not None and garch.refused is None else np.full(r.size, float(r.std()))
    return np.asarray(panel, np.float64) / sd[:, None], r / sd


def _surprises(market: pd.Series[float], fits: dict[str, Fit], model: str) -> pd.Series[float]:
    """The index's returns over what the file's law takes the deviation of each day to be, where that moves; as they are, else."""
    fit = fits.get(model) if model in ("garch", "regime") else None
    return market if fit is None or fit.refused is not None else market / fit.daily_sd


def _block_days(r: F64) -> float:
    """The mean length of a block that keeps spells of volatility: of absolute returns, by Politis and White 2004 (Patton 2009)."""
    from arch.bootstrap import optimal_block_length

    best = float(optimal_block_length(np.abs(r))["stationary"].iloc[0])
    return round(min(max(best, 5.0), max(5.0, r.size / 8.0)), 1)
