"""VaR and expected shortfall of the next day as they were known each evening, and how they did on the day itself (M-269 to M-273).

Three methods walk through an index: historical simulation, EWMA and GARCH. Every forecast reads closes up to its evening alone. Days
inside events count here: a figure of risk that fails in a crisis fails when it is needed. Returns are daily log returns.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.early_warning import risk_backtests as tests
from stresslab.early_warning.backtest import Backtest, Settings
from stresslab.early_warning.garch import garch_volatility
from stresslab.market.volatility import YEAR_PCT

F64 = NDArray[np.float64]

#: Days in a historical simulation, and fewest and most standardised days of the GARCH (M-269, M-271).
WINDOW, LEAST = 500, 250
#: Weight of the days before in the moving variance (M-270).
DECAY = 0.94
#: Days of a supervisor's year (M-195).
YEAR = 250
#: Degrees of freedom of the heavy-tailed law under which the expected shortfall is judged beside the normal one (M-273).
FREEDOM = 5.0
#: Methods by name, with what they are called.
METHODS = {
    "historical": ("historical simulation", "历史模拟"),
    "ewma": ("EWMA, normal", "指数加权（正态）"),
    "garch": ("GARCH, filtered historical simulation", "GARCH（过滤历史模拟）"),
}
COLUMNS = (
    "window", "method", "level", "from", "to", "days", "violations", "expected", "accepted_low", "accepted_high", "kupiec", "p_kupiec",
    "p_first", "independence", "p_independence", "p_independence_drawn", "coverage", "p_coverage", "zone", "cumulative", "years_green",
    "years_yellow", "years_red", "mean_var_pct", "mean_es_pct", "z1", "z2", "p_z2_normal", "p_z2_student",
)


class Figures(NamedTuple):
    """VaR and expected shortfall for every day, as positive losses of log return; NaN where too little was known the evening before."""

    var: F64
    es: F64


def tail_of_sample(returns: F64, p: float) -> tuple[float, float]:
    """VaR and expected shortfall of equally likely returns, each a loss at chance `p` (M-269).

    At most a share `p` of the returns lies beyond the VaR; the shortfall is the mean of the worst share `p`, of the day at its edge
    only the part that belongs to it. Source: Acerbi and Tasche 2002.
    """
    worst = np.sort(returns)
    share = returns.size * p
    beyond = math.floor(share + 1e-9)
    edge = float(worst[beyond])
    return -edge, -(float(worst[:beyond].sum()) + max(0.0, share - beyond) * edge) / share


def historical(returns: F64, p: float) -> Figures:
    """Historical simulation over the 500 days before; `returns` are by day, and so is what comes back (M-269)."""
    out = np.full((2, returns.size), np.nan)
    for t in range(WINDOW, returns.size):
        out[:, t] = tail_of_sample(returns[t - WINDOW : t], p)
    return Figures(out[0], out[1])


def ewma(returns: F64, p: float) -> Figures:
    """A normal law around 0 whose variance is a moving mean of squares with weight 0.94 on the days before (M-270).

    Source: RiskMetrics 1996. The first 500 days are not told, by then the start is forgotten.
    """
    variance = np.full(returns.size, np.nan)
    h = returns[0] ** 2 if returns.size else 0.0
    for t in range(1, returns.size):
        if t >= WINDOW:
            variance[t] = h
        h = DECAY * h + (1 - DECAY) * returns[t] ** 2
    var, es = tests.tail_of(p)
    swing = np.sqrt(variance)
    return Figures(var * swing, es * swing)


def garch(close: pd.Series[float], p: float) -> Figures:
    """GJR-GARCH (M-161) scaled by the tail of the last 250 to 500 days' returns over their own forecasts (M-271).

    One figure for each return, that is for each close but the first. Source: Barone-Adesi, Giannopoulos and Vosper 1999.
    """
    # What the evening before said of the day, not in percent a year.
    swing = garch_volatility(close).to_numpy(float)[:-1] / YEAR_PCT
    returns = np.diff(np.log(close.to_numpy(np.float64)))
    standard = returns / swing
    out = np.full((2, returns.size), np.nan)
    for t in range(returns.size):
        before = standard[max(0, t - WINDOW) : t]
        before = before[np.isfinite(before)]
        if before.size >= LEAST and np.isfinite(swing[t]):
            out[:, t] = np.array(tail_of_sample(before, p)) * swing[t]
    return Figures(out[0], out[1])


def risk_days(close: pd.Series[float], level: float) -> pd.DataFrame:
    """What every method said of every day, on the days for which all three say something, and what came.

    Columns: `date`, `known_at` (the close before), `method`, `return_pct`, `var_pct` and `es_pct` (positive losses), `violation`. Empty
    where the history is shorter than some 750 days, or says nothing but zeros.
    """
    p = 1.0 - level
    returns: F64 = np.diff(np.log(close.to_numpy(np.float64))).astype(np.float64)
    told = {"historical": historical(returns, p), "ewma": ewma(returns, p), "garch": garch(close, p)}
    # A market that stood still for two years has no tail to judge.
    there = np.logical_and.reduce([np.isfinite(f.var) & (f.es > 0) for f in told.values()])
    days = np.array([str(d.date()) for d in close.index])
    frames = [
        pd.DataFrame({
            "date": days[1:][there], "known_at": [f"close of {d}" for d in days[:-1][there]], "method": name,
            "return_pct": 100 * returns[there], "var_pct": 100 * found.var[there], "es_pct": 100 * found.es[there],
            "violation": tests.violations(returns[there], found.var[there]),
        })
        for name, found in told.items()
    ]
    return pd.concat(frames, ignore_index=True)


def risk_table(days: pd.DataFrame, held: Settings) -> pd.DataFrame:
    """Every method's forecasts tested, before the holdout and in it (M-272, M-273): a row for each window and method."""
    late = np.zeros(len(days), bool) if held.holdout_from is None else (days["date"] >= held.holdout_from).to_numpy(bool)
    windows = {"walk_forward": ~late} | ({} if held.holdout_from is None else {"holdout": late})
    rows = []
    for window, chosen in windows.items():
        here = days[chosen]
        count = int((here["method"] == "historical").sum())
        kept = tests.accepted(count, 1 - held.var_level) if count else (0, 0)
        for method in METHODS:
            own = here[here["method"] == method]
            counted = {"window": window, "method": method, "level": held.var_level, "days": count}
            rows.append(counted | (_tested(own, kept, held) if count > 1 else {}))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _tested(own: pd.DataFrame, kept: tuple[int, int], held: Settings) -> dict[str, object]:
    # Rounded, so that 1% is the 1% that the rules of supervisors name.
    p = round(1.0 - held.var_level, 12)
    gained, var, es = (own[name].to_numpy(float) for name in ("return_pct", "var_pct", "es_pct"))
    hits = own["violation"].to_numpy(bool)
    found = tests.var_backtest(gained, var, p)
    normal = tests.shortfall_test(gained, var, es, p, repetitions=2_000, seed=held.seed)
    heavy = tests.shortfall_test(gained, var, es, p, FREEDOM, repetitions=2_000, seed=held.seed)
    drawn = tests.drawn_p(lambda h: tests.independence(h).statistic, hits, p, repetitions=held.repetitions, seed=held.seed)
    lights = [tests.traffic_light(int(hits[k : k + YEAR].sum()), YEAR, p).zone for k in range(0, hits.size - YEAR + 1, YEAR)]
    return {
        "from": own["date"].iloc[0], "to": own["date"].iloc[-1], "violations": found.violations, "expected": found.expected,
        "accepted_low": kept[0], "accepted_high": kept[1], "kupiec": found.number.statistic, "p_kupiec": found.number.p,
        "p_first": found.first.p, "independence": found.independent.statistic, "p_independence": found.independent.p,
        "p_independence_drawn": drawn, "coverage": found.covered.statistic, "p_coverage": found.covered.p, "zone": found.light.zone,
        "cumulative": found.light.cumulative, "years_green": lights.count("green"), "years_yellow": lights.count("yellow"),
        "years_red": lights.count("red"), "mean_var_pct": float(var.mean()), "mean_es_pct": float(es.mean()), "z1": normal.found.z1,
        "z2": normal.found.z2, "p_z2_normal": normal.p2, "p_z2_student": heavy.p2,
    }


def risk_tables(found: Backtest) -> dict[str, pd.DataFrame]:
    """The tables `risk` and `risk_days` of a backtest."""
    days = risk_days(found.known.close, found.settings.var_level)
    return {"risk": risk_table(days, found.settings), "risk_days": days}
