"""A calibration as plain numbers: what ``calibration.json`` holds, and all that its page reads."""

from __future__ import annotations

from typing import Any

from stresslab.history.said import Said
from stresslab.market.calibrate import Calibration
from stresslab.market.measured import Fit, Measured
from stresslab.market.rate_fit import RateFit
from stresslab.market.tails import tail_dependence
from stresslab.market.volatility import YEAR_PCT
from stresslab.market.written import RETURNS_FILE, assumptions

FORMAT = 1
#: Significant digits of every number.
DIGITS = 10


def numbers_of(made: Calibration) -> dict[str, Any]:
    """All numbers of a calibration, each ``{"value", "error"}`` where it has a standard error; null where it cannot be told.

    Volatilities and drifts are percent a year, turnover shares a day; words are ``{"en", "zh"}``.
    """
    market = made.market  # first: it finds which laws cannot stand in the file
    move = made.comovement
    return {
        "format": FORMAT, "title": made.title, "source": made.source, "index": made.index, "model": made.model,
        "from_date": made.from_date, "to_date": made.dates[-1], "days": len(made.dates), "history": made.digest, "market": market.digest,
        "volatility_pct": _told(made.volatility), "drift_pct": _told(made.drift),
        "laws": [_law(made, fit) for fit in made.fits.values()],
        "not_fitted": {name: _said(why) for name, why in made.absent.items() if name not in made.fits},
        "heston": {"measured": made.heston.measured, "said": _said(made.heston.said),
                   "parameters": {k: _told(v) for k, v in made.heston.parameters.items()}},
        "bootstrap": {"file": RETURNS_FILE, "mean_block_days": made.block_days, "sectors": [str(s) for s in made.sector_days]},
        "rates": None if made.rate is None else _rate(made.rate),
        "sectors": {s: _told(v) | {"instruments": sum(1 for x in made.sector_of.values() if x == s)} for s, v in made.sectors.items()},
        "instruments": {
            name: {"sector": made.sector_of[name], "days": b.days, "beta": _told(b.used), "beta_least_squares": _told(b.least_squares),
                   "shrunk": b.shrunk, "residual_pct": _told(b.residual_pct), "volatility_pct": _number(b.total_pct),
                   "adv_shares": _told(made.turnover.get(name))}
            for name, b in made.betas.items()
        },
        "own_tails_dof": _told(made.own_tails), "copula_dof": _told(made.copula),
        "tail_dependence": None if made.copula is None or move is None else _number(
            tail_dependence(made.copula.value, move.everything.value)),
        "comovement": None if move is None else {
            "all_days": _told(move.everything), "normal_days": _told(move.normal), "worst_days": _told(move.worst),
            "worst_days_if_jointly_normal": _number(move.worst_if_normal), "calm_days": _told(move.calm),
            "turbulent_days": _told(move.turbulent), "correlation_multiplier": _told(move.correlation_multiplier),
            "volatility_multiplier": _told(move.volatility_multiplier), "worst": move.days_worst, "turbulent": move.days_turbulent,
        },
        "left_in_common": None if made.factor_left is None else dict(
            zip(("largest_eigenvalue", "by_chance", "shrinkage"), map(_number, made.factor_left), strict=True)),
        "halted_share": _number(made.halted[0]), "most_halted_day": made.halted[1] or None,
        "assumptions": [_said(a) for a in assumptions(made)], "left_out": made.left_out, "notes": [_said(n) for n in made.notes],
        "series": {"date": list(made.dates), "return_pct": [_number(100.0 * r) for r in made.returns],
                   "volatility_pct": {name: [_number(s * YEAR_PCT) for s in made.fits[name].daily_sd]
                                      for name in ("garch", "regime") if name in made.fits}},
        "quantiles": {"normal": [_number(q) for q in made.goodness["gbm"].normal],
                      **{name: [_number(q) for q in g.quantiles] for name, g in made.goodness.items()}},
    }


def _rate(fit: RateFit) -> dict[str, Any]:
    return {
        "model": fit.model, "column": fit.column, "from_date": fit.first, "to_date": fit.last, "moves": fit.moves,
        "initial_pct": _number(fit.initial_pct), "parameters": {name: _told(told) for name, told in fit.parameters.items()},
        "correlation": _told(fit.correlation), "common_days": fit.common_days,
        "curve": [{"years": years, "pct": _number(pct)} for years, pct in fit.curve], "remarks": [_said(r) for r in fit.remarks],
    }


def _law(made: Calibration, fit: Fit) -> dict[str, Any]:
    g = made.goodness[fit.model]
    tests = {"ks": g.ks, "anderson_darling": g.ad, "ljung_box": g.returns, "ljung_box_squares": g.squares}
    why = made.absent.get(fit.model)
    return {
        "model": fit.model, "parameters": {k: _told(v) for k, v in fit.parameters.items()},
        "log_likelihood": _number(g.log_likelihood), "free": fit.free, "aic": _number(g.aic), "bic": _number(g.bic),
        **{name: {"statistic": _number(s), "p": _number(p)} for name, (s, p) in tests.items()},
        "refused": None if why is None else _said(why), "remarks": [_said(r) for r in fit.remarks],
    }


def _number(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _told(told: Measured | None) -> dict[str, float | None] | Any:
    if told is None:
        return None
    return {"value": _number(told.value), "error": None if told.error is None else _number(told.error)}


def _said(said: Said) -> dict[str, str]:
    return {"en": said.en, "zh": said.zh}
