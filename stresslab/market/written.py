"""What of a calibration goes into ``market.toml``: laws that the data can tell, assumptions named as such."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from stresslab.faults import Fault, InputError
from stresslab.history.panel import NO_SECTOR
from stresslab.history.said import Said
from stresslab.market.files import Market
from stresslab.market.laws import REGIME_APART, History, regime_volatility
from stresslab.market.measured import Fit, Measured

if TYPE_CHECKING:
    from stresslab.market.calibrate import Calibration

#: The file of factor returns beside a market file.
RETURNS_FILE = "factor_returns.csv"
DIGITS = 6


def market_of(made: Calibration) -> Market:
    """The market file of a calibration. A law that cannot stand in it leaves its reason in ``made.absent``."""
    factor: dict[str, Any] = {
        "index": made.index, "model": made.model, "volatility_pct": round(made.volatility.value, 4),
        "volatility_error_pct": round(made.volatility.error or 0.0, 4), "drift_pct": 0.0,
        "source": f"{made.source}; {'; '.join(a.en for a in assumptions(made))}",
    }
    for key, told in (("own_tails_dof", made.own_tails), ("copula_dof", made.copula)):
        if told is not None:
            factor |= _with_error(key, f"{key}_error", told)
    for name, table in (("jump", _jump(made)), ("heston", _heston(made)), ("garch", _garch(made)), ("regime", _regime(made))):
        if table is not None:
            factor[name] = table
    if made.model in made.absent:
        rule = f"cannot be the default: {made.absent[made.model].en}"
        raise InputError([Fault("options", rule, "choose another model", None, "model", made.model)])
    factor["bootstrap"] = {
        "file": RETURNS_FILE, "mean_block_days": made.block_days,
        "source": "mean block length of absolute returns by Politis and White 2004, at most an eighth of the days",
    }
    named = {s: v for s, v in made.sectors.items() if s != NO_SECTOR}
    return Market.model_validate({
        "title": made.title, "source": made.source, "from_date": made.from_date, "to_date": made.dates[-1], "market": factor,
        "rates": None if made.rate is None else made.rate.table(DIGITS),
        "sectors": {s: _sector(v) for s, v in named.items()}, "default_sector": _sector(made.sectors.get(NO_SECTOR, Measured(0.0))),
        "instruments": {
            name: {"beta": round(b.used.value, DIGITS), "beta_error": round(b.used.error or 0.0, DIGITS),
                   "volatility_pct": round(b.total_pct + 0.005, 2)}
            for name, b in made.betas.items()
        },
        "history": History(
            dates=made.dates, market=tuple(_rounded(r) for r in made.returns),
            sectors={str(s): tuple(_rounded(r) for r in made.sector_days[s]) for s in made.sector_days if s in named}),
    })


def assumptions(made: Calibration) -> list[Said]:
    """What a run will suppose that the history does not tell."""
    error = made.drift.error or 0.0
    said = [Said(f"drift zero is an assumption (the mean of the history is {made.drift.value:.1f} ± {error:.1f}% a year)",
                 f"漂移取零为假设（历史均值为每年{made.drift.value:.1f} ± {error:.1f}%）")]
    if not made.heston.measured:
        said.append(Said("the table of Heston is an assumption", "Heston参数为假设"))
    if made.rate is None:
        said.append(Said("rates are not measured: they move as a scenario says", "未估计利率：利率按情景变动"))
    elif made.rate.correlation is None:
        said.append(Said("rates and the market move independently, an assumption", "利率与市场相互独立为假设"))
    said.append(Said("returns are as quoted, so what a price limit holds back stands in the next day's return; limits of a run are "
                     "those of the boards by date", "收益率按行情原样：涨跌停压住的变动计入次日；运行中的涨跌停按各板块当日规则"))
    share, day = made.halted
    halts = f", of which {100 * share:.1f}% of instrument-days (most on {day})" if share > 0 else ""
    zh = f"（占{100 * share:.1f}%的证券日，最多在{day}）" if share > 0 else ""
    said.append(Said(f"days without trading are halts{halts}; a return over a halt is no daily return; halts of a run are the scenario's",
                     f"无成交日视为停牌{zh}；跨停牌收益率不作日收益率；运行中的停牌由情景给定"))
    return said


def _rounded(value: float) -> float:
    return round(float(value), 9)


def _sector(told: Measured) -> dict[str, float]:
    table = {"volatility_pct": round(told.value, 2)}
    return table | ({} if told.error is None else {"volatility_error_pct": round(told.error, 2)})


def _with_error(key: str, error_key: str, told: Measured) -> dict[str, float]:
    table = {key: round(told.value, DIGITS)}
    return table | ({} if told.error is None else {error_key: round(told.error, DIGITS)})


def _usable(made: Calibration, name: str) -> Fit | None:
    fit = made.fits.get(name)
    return fit if fit is not None and fit.refused is None else None


def _jump(made: Calibration) -> dict[str, Any] | None:
    fit = _usable(made, "jump")
    if fit is None:
        return None
    p = fit.parameters
    alone = math.sqrt(p["intensity"].value * (p["mean_pct"].value ** 2 + p["sd_pct"].value ** 2))
    if alone >= made.volatility.value or p["intensity"].value > 252:
        made.absent["jump"] = Said(f"{p['intensity'].value:.0f} jumps a year with a volatility of {alone:.1f}% leave no diffusion",
                                   f"每年{p['intensity'].value:.0f}次跳跃、波动率{alone:.1f}%，没有留给扩散的部分")
        return None
    table = _with_error("intensity", "intensity_error", p["intensity"])
    table |= _with_error("mean_pct", "mean_error_pct", p["mean_pct"]) | _with_error("sd_pct", "sd_error_pct", p["sd_pct"])
    return table | {"source": "maximum likelihood of the Poisson mixture of normal days (M-69)"}


def _heston(made: Calibration) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, told in made.heston.parameters.items():
        error = "initial_volatility_error_pct" if key == "initial_volatility_pct" else f"{key}_error"
        table |= _with_error(key, error, told)
    return table | {"source": made.heston.said.en}


def _garch(made: Calibration) -> dict[str, Any] | None:
    fit = _usable(made, "garch")
    if fit is None:
        return None
    table: dict[str, Any] = {}
    for key in ("alpha", "gamma", "beta", "dof"):
        table |= _with_error(key, f"{key}_error", fit.parameters[key])
    if table["dof"] > 500:
        table = {k: v for k, v in table.items() if not k.startswith("dof")}  # no fatter than normal
    table |= _with_error("initial_volatility_pct", "initial_volatility_error_pct", fit.parameters["initial_volatility_pct"])
    return table | {"source": "maximum likelihood, robust errors, by the package arch (M-68); it starts as the history ends"}


def _regime(made: Calibration) -> dict[str, Any] | None:
    fit = _usable(made, "regime")
    if fit is None:
        return None
    p = fit.parameters
    stay = (p["stay_1"], p["stay_2"])
    rows = [[stay[0].value, 1.0 - stay[0].value], [1.0 - stay[1].value, stay[1].value]]
    table: dict[str, Any] = {"transition": [[round(x, 8) for x in row] for row in rows], "start": 2 if p["wild_now"].value > 0.5 else 1}
    for key, error in (("volatility_pct", "volatility_error_pct"), ("drift_pct", "drift_error_pct")):
        both = (p[f"{key}_1"], p[f"{key}_2"])
        table[key] = [round(t.value, 4) for t in both]
        if all(t.error is not None for t in both):
            table[error] = [round(t.error or 0.0, 4) for t in both]
    if all(s.error is not None for s in stay):
        table["transition_error"] = [[round(s.error or 0.0, 8)] * 2 for s in stay]
    alone = regime_volatility(np.array(table["volatility_pct"]), np.array(table["drift_pct"]), np.array(rows))
    if abs(alone - made.volatility.value) > REGIME_APART * made.volatility.value:
        total = made.volatility.value
        made.absent["regime"] = Said(f"its long-run volatility is {alone:.1f}%, that of the history {total:.1f}%",
                                     f"其长期波动率为{alone:.1f}%，历史为{total:.1f}%")
        return None
    return table | {"source": "maximum likelihood by Hamilton's filter (M-70); it starts in the state in which the history ends"}
