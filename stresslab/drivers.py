"""Market + scenario → what drives prices on a path: the factor's law, the crash or path it takes, loadings, tails (section 3)."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.book.checks import given
from stresslab.book.files import Book
from stresslab.faults import Fault
from stresslab.kernels import factors, laws, noise, rates, returns, special
from stresslab.kernels.crash import ATTEMPTS_MOST, SHAPE_PATH
from stresslab.kernels.tails import Tails
from stresslab.market.conditioned import guided_crash, tilted
from stresslab.market.files import Loading, Market
from stresslab.market.laws import TABLES, regime_volatility
from stresslab.market.rules import BoardRule
from stresslab.market.volatility import DAYS_OF_YEAR
from stresslab.repricing import LONG_END, rate_law, shock_bp
from stresslab.scenario import Scenario

F64 = NDArray[np.float64]
_SHAPES = {"gap": factors.SHAPE_GAP, "ramp": factors.SHAPE_RAMP, "bridge": factors.SHAPE_BRIDGE}
_DEFINITIONS = {"terminal": factors.TERMINAL, "minimum": factors.MINIMUM, "drawdown": factors.DRAWDOWN}
#: A day with more jumps than all but this share of days is none that a 32-bit draw can give.
RAREST = 2.0**-34
#: Paths that are tried before a run with a conditioned law: all must be found, in so many attempts on average, or with so many
#: effective candidates.
TRIED, ATTEMPTS_USUAL, EFFECTIVE_LEAST = 16, ATTEMPTS_MOST // 50, 2.0


def market_terms(book: Book, rules: list[BoardRule], market: Market, scenario: Scenario, faults: list[Fault]) -> returns.MarketTerms:
    """What one scenario makes of the market; appends what does not fit together to ``faults``."""
    stocks = book.tables["instruments"]
    sectors = sector_names(stocks)
    sector_year = np.array([market.sector_volatility_pct(s) / 100 for s in sectors])
    factor_year = market.market.volatility_pct / 100
    rows = loadings(stocks, market)
    own = np.zeros(len(rows))
    for at, (beta, loading, volatility) in enumerate(rows):
        rest = volatility**2 - (beta * factor_year) ** 2 - (loading * sector_year[sectors.index(stocks["sector"].iloc[at])]) ** 2
        if rest < -1e-12:
            faults.append(_low_volatility(book, market, at, math.sqrt(volatility**2 - rest)))
        own[at] = math.sqrt(max(rest, 0.0))
    model = scenario.market.model or market.market.model
    day = 0.0 if model == "deterministic" else scenario.market.volatility_multiplier / math.sqrt(DAYS_OF_YEAR)
    short_rate = rate_law(scenario, market, faults)
    law = factor_law(market, scenario, sectors, faults)
    tails = _tails(market, model)
    return returns.MarketTerms(
        price=stocks["price_li"].to_numpy(np.int64), tick=np.array([r.tick_li for r in rules], np.int64),
        beta=np.array([r[0] for r in rows]), sector=np.array([sectors.index(s) for s in stocks["sector"]], np.int64),
        sector_loading=np.array([r[1] for r in rows]), own_sd=own * day,
        rate_beta=given(stocks, "rate_beta", 0.0).to_numpy(np.float64), sector_sd=sector_year * day, law=law,
        crash=crash_of(scenario, law, faults), wanted=_wanted(law, tails, short_rate, sector_year),
        rate_shock=shock_bp(scenario.rates, scenario.days, LONG_END) / 10_000, short_rate=short_rate, tails=tails,
    )


def sector_names(stocks: pd.DataFrame) -> list[str]:
    """The sectors of a book, in the order of their numbers."""
    return sorted(set(stocks["sector"]))


def loadings(stocks: pd.DataFrame, market: Market) -> list[tuple[float, float, float]]:
    """(beta, sector loading, annual volatility as a fraction) of each instrument: the market's where given, else the book's."""
    out = []
    for name, beta, percent in zip(stocks["instrument_id"], stocks["beta"], stocks["volatility_pct"], strict=True):
        own = market.instruments.get(name, Loading())
        volatility = own.volatility_pct / 100 if own.volatility_pct is not None else float(percent) / 100
        out.append((own.beta if own.beta is not None else float(beta), own.sector, volatility))
    return out


def _low_volatility(book: Book, market: Market, at: int, least: float) -> Fault:
    """The fault of an instrument whose volatility is smaller than its market and sector part (M-8)."""
    name = book.tables["instruments"]["instrument_id"].iloc[at]
    rule = f"must be at least {math.ceil(10_000 * least - 1e-6) / 100:g}, which market and sector alone give {name} by its beta"
    way_out = "raise it, lower the beta, or lower the volatility of the factors in the market file"
    if (own := market.instruments.get(name)) is not None and own.volatility_pct is not None:
        return Fault("the market file", rule, way_out, None, f"instruments.{name}.volatility_pct", f"{own.volatility_pct:g}")
    return book.fault("instruments", at, "volatility_pct", rule, way_out)


# --- laws -----------------------------------------------------------------------------------------


def factor_law(market: Market, scenario: Scenario, sectors: list[str], faults: list[Fault]) -> laws.FactorLaw:
    """The law of the market factor's daily log returns (M-55 to M-59): that of the scenario, else of the market file."""
    factor = market.market
    model, scale = scenario.market.model or factor.model, scenario.market.volatility_multiplier
    drift, sd = factor.drift_pct / 100 / DAYS_OF_YEAR, factor.volatility_pct / 100 * (scale / math.sqrt(DAYS_OF_YEAR))
    gaussian = laws.FactorLaw(laws.LAW_GBM, sd, drift)
    if model == "deterministic":
        return laws.FactorLaw(laws.LAW_GBM, 0.0, 0.0)
    if model in TABLES and getattr(factor, model) is None:
        rule, way_out = f"needs a table [market.{model}] in the market file, which has none", "add it there, or choose another model"
        faults.append(Fault(f"scenario {scenario.id}", rule, way_out, None, "market.model", model))
        return gaussian
    if model == "jump":
        return gaussian._replace(model=laws.LAW_CHAIN, chain=_jumps(market, scale))
    if model == "regime":
        return gaussian._replace(model=laws.LAW_CHAIN, chain=_regimes(market, scale))
    if model == "heston" and factor.heston is not None:
        h, long_run = factor.heston, sd * sd * DAYS_OF_YEAR
        return gaussian._replace(model=laws.LAW_HESTON, heston=laws.Heston(
            (h.initial_volatility_pct / 100 * scale) ** 2, long_run, h.mean_reversion, h.volatility_of_variance * scale, h.correlation,
            1.0 / DAYS_OF_YEAR))
    if model == "bootstrap":
        return gaussian._replace(model=laws.LAW_BOOTSTRAP, drawn=_history(market, sectors, sd, drift, scale))
    if (model == "garch" or factor.copula_dof is not None) and sd > 0.0:
        return gaussian._replace(model=laws.LAW_GARCH, garch=_garch(market, model, sd, scale))
    return gaussian


def _jumps(market: Market, scale: float) -> laws.Chain:
    """Days by their number of jumps: a Poisson number each day, the diffusion is what the jumps leave (M-55)."""
    from scipy.stats import poisson

    jump = market.market.jump
    assert jump is not None
    a_day, mean, sd = jump.intensity / DAYS_OF_YEAR, jump.mean_pct / 100, jump.sd_pct / 100
    count = np.arange(int(poisson.isf(RAREST, a_day)) + 2)
    diffusion = (market.market.volatility_pct / 100) ** 2 - jump.intensity * (mean**2 + sd**2)
    drift = market.market.drift_pct / 100 / DAYS_OF_YEAR
    cumulative = np.tile(poisson.cdf(count, a_day), (count.size + 1, 1))
    cumulative[:, -1] = 1.0
    return laws.Chain(
        np.asarray(drift + scale * mean * (count - a_day), np.float64), np.full(count.size, scale * math.sqrt(diffusion / DAYS_OF_YEAR)),
        scale * sd * np.sqrt(count), cumulative, 1)


def _regimes(market: Market, scale: float) -> laws.Chain:
    """Days by their regime, scaled to the market's volatility and centred on its drift (M-56)."""
    regime = market.market.regime
    assert regime is not None
    volatility, drifts, moves = np.array(regime.volatility_pct), np.array(regime.drift_pct), np.array(regime.transition)
    moves = moves / moves.sum(axis=1, keepdims=True)
    scale *= market.market.volatility_pct / regime_volatility(volatility, drifts, moves)
    share = regime.stationary
    first = share if regime.start == "stationary" else moves[int(regime.start) - 1]
    mean = market.market.drift_pct + scale * (drifts - share @ drifts)
    cumulative = np.cumsum(np.vstack([moves, first]), axis=1)
    cumulative[:, -1] = 1.0
    sd = scale * volatility / 100 / math.sqrt(DAYS_OF_YEAR)
    return laws.Chain(mean / 100 / DAYS_OF_YEAR, sd, np.zeros(share.size), cumulative, 0)


def _garch(market: Market, model: str, sd: float, scale: float) -> laws.Garch:
    """GJR-GARCH with the market's long-run variance (M-58); for gbm under a t copula one whose variance never moves (M-61)."""
    g, factor = market.market.garch, market.market
    if model == "gbm" or g is None:
        dof = factor.copula_dof or 0.0
        return laws.Garch(sd * sd, 0.0, 0.0, 0.0, sd * sd, dof, student(dof))
    initial = (g.initial_volatility_pct / 100 * scale) ** 2 / DAYS_OF_YEAR
    dof = g.dof or factor.copula_dof or 0.0
    omega = sd * sd * (1.0 - g.alpha - g.gamma / 2 - g.beta)
    return laws.Garch(omega, g.alpha, g.gamma, g.beta, initial, dof, student(dof) if dof else np.zeros(1))


def _history(market: Market, sectors: list[str], sd: float, drift: float, scale: float) -> laws.Drawn:
    """The days of the history, scaled to the market's volatility and drift; sectors without the market's part (M-59)."""
    history, table = market.history, market.market.bootstrap
    assert table is not None
    if history is None:
        raise ValueError("a market with [market.bootstrap] must be read with its history, as read_market does")
    raw = np.array(history.market)
    moved = raw - raw.mean()
    returns_ = drift + sd * moved / raw.std()
    known = np.array([name in history.sectors for name in sectors], np.uint8)
    columns = np.zeros((raw.size, len(sectors)))
    for at, name in enumerate(sectors):
        if known[at]:
            own = np.array(history.sectors[name])
            own = own - own.mean() - (own @ moved) / (moved @ moved) * moved
            spread = own.std()
            wanted = market.sector_volatility_pct(name) / 100 * scale / math.sqrt(DAYS_OF_YEAR)
            columns[:, at] = own * (wanted / spread) if spread > 0 else 0.0
    order = np.lexsort((np.arange(raw.size), returns_)).astype(np.int64)
    return laws.Drawn(returns_, columns, known, order, 1.0 / table.mean_block_days)


def student(dof: float) -> F64:
    """The quantile of a Student-t of unit variance as a table over the normal: √((n − 2) / n) Q(Φ(z))."""
    from scipy.special import ndtr, stdtrit

    z = special.grid()
    tail = -np.abs(z)
    out: F64 = -np.sign(z) * math.sqrt((dof - 2.0) / dof) * stdtrit(dof, ndtr(tail))
    return out


def mixing(dof: float) -> F64:
    """1 / √χ² as a table over the normal: large where the normal is."""
    from scipy.special import gammainccinv, gammaincinv, ndtr

    z = special.grid()
    # The chi-square falls as z rises, so that a large normal is a wild day: its upper tail is Φ(z), its lower one Φ(−z).
    tail = ndtr(-np.abs(z))
    out: F64 = 1.0 / np.sqrt(2.0 * np.where(z > 0.0, gammaincinv(dof / 2.0, tail), gammainccinv(dof / 2.0, tail)))
    return out


def _tails(market: Market, model: str) -> Tails:
    factor = market.market
    if model == "deterministic" or (factor.own_tails_dof is None and factor.copula_dof is None):
        return Tails()
    own = student(factor.own_tails_dof) if factor.own_tails_dof is not None else np.zeros(1)
    dof = factor.copula_dof
    if dof is None:
        return Tails(own=own)
    joint = model == "gbm" or (model == "garch" and factor.garch is not None and factor.garch.dof in (None, dof))
    joint = joint and factor.volatility_pct > 0
    return Tails(own, mixing(dof + 1.0 if joint else dof), dof, joint)


def _wanted(law: laws.FactorLaw, tails: Tails, short_rate: rates.RateLaw, sector_year: F64) -> NDArray[np.uint8]:
    """The columns of the leading normals that the laws read."""
    wanted = np.zeros(noise.LEAD_FACTORS + sector_year.size, np.uint8)
    wanted[noise.LEAD_MARKET] = law.sd > 0
    wanted[noise.LEAD_VARIANCE] = law.model == laws.LAW_HESTON or (law.model == laws.LAW_CHAIN and law.chain.column == 0)
    wanted[noise.LEAD_JUMPS] = law.model == laws.LAW_BOOTSTRAP or (law.model == laws.LAW_CHAIN and law.chain.column == 1)
    wanted[noise.LEAD_JUMP_SIZE] = law.model == laws.LAW_CHAIN and law.chain.column == 1
    wanted[noise.LEAD_MIXING] = tails.mixing.size > 1
    wanted[noise.LEAD_RATE] = short_rate.model != rates.RATE_GIVEN
    wanted[noise.LEAD_FACTORS:] = sector_year > 0
    return wanted


# --- crash ----------------------------------------------------------------------------------------


def crash_of(scenario: Scenario, law: laws.FactorLaw, faults: list[Fault]) -> factors.Crash:
    """The crash or the path of a scenario under a law, with what leads to it (M-9, M-60, M-62)."""
    given_path, fall, days = scenario.market.path, scenario.market.crash, scenario.days
    if given_path is not None:
        levels = np.log(np.array(given_path.level_pct) / 100.0)
        return factors.Crash(SHAPE_PATH, levels.size - 1, float(levels[-1]), given_path.after == "flat", levels=levels)
    if fall is None:
        return factors.Crash(factors.SHAPE_NONE, 0, 0.0, False)
    crash = factors.Crash(
        _SHAPES[fall.shape], fall.trough_day, math.log(1.0 - fall.depth_pct / 100), fall.after == "flat", _DEFINITIONS[fall.definition])
    file = f"scenario {scenario.id}"
    if crash.shape == factors.SHAPE_BRIDGE and law.model == laws.LAW_BOOTSTRAP:
        rule = "draws days of a history, and no sum of such days is a given fall exactly"
        faults.append(Fault(file, rule, "choose the shape gap or ramp, or another model", None, "market.crash.shape", fall.shape))
        return crash
    if crash.shape == factors.SHAPE_BRIDGE and law.model in (laws.LAW_GARCH, laws.LAW_HESTON):
        crash = guided_crash(law, crash, days)
    elif crash.shape == factors.SHAPE_BRIDGE:
        crash = crash._replace(tilt=tilted(law, crash.trough_day, crash.log_depth, crash.definition))
    attempts, effective, found = tried(law, crash, days)
    if found < TRIED or attempts > ATTEMPTS_USUAL or (crash.guide.candidates > 0 and effective < EFFECTIVE_LEAST):
        rule = f"is met by this law too rarely: {attempts:.0f} attempts for a path"
        if found < TRIED:
            rule = f"is met by this law too rarely: no path was found in {ATTEMPTS_MOST} attempts"
        if crash.guide.candidates > 0:
            rule = f"is met by this law too rarely: {effective:.1f} of {crash.guide.candidates} candidates of a path count"
        way_out = "choose a milder depth, a later trough day, the definition terminal, after = flat, or another model"
        faults.append(Fault(file, rule, way_out, None, "market.crash", fall.definition))
    return crash


def tried(law: laws.FactorLaw, crash: factors.Crash, days: int) -> tuple[float, float, int]:
    """Attempts of a path on average, its effective candidates on average, and how many paths were found, of those tried."""
    if crash.definition == factors.TERMINAL and crash.guide.candidates == 0 and law.model == laws.LAW_GBM:
        return 1.0, 0.0, TRIED
    room = noise.new_noise(days, 0, 0)
    told = np.zeros((TRIED, 3))
    factors.try_paths(told, np.zeros(days + 1), laws.new_trace(days), law, crash, room, np.ones(noise.LEAD_FACTORS, np.uint8))
    found = int((told[:, laws.TOLD_FAILED] == 0).sum())
    return float(told[:, laws.TOLD_ATTEMPTS].mean()), float(told[:, laws.TOLD_EFFECTIVE].mean()), found
