"""The law of a short rate from its history, and how it moves with the market: Vasicek, CIR, Hull-White, with errors (M-288)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from stresslab.faults import Fault, InputError, nearest
from stresslab.history import History
from stresslab.history.said import Said
from stresslab.market.laws import CURVE_LEAST_YEARS
from stresslab.market.measured import F64, Measured, errors_of, hessian
from stresslab.market.volatility import DAYS_OF_YEAR

RATE_MODELS = ("vasicek", "cir", "hull_white")
#: Fewer daily moves than these tell no return to a mean, and fewer common days no correlation.
MOVES_LEAST, COMMON_LEAST = 250, 250
#: A longer gap between two days, in calendar days, is a hole (M-65).
GAP_MOST = 16
DAY = 1.0 / DAYS_OF_YEAR


@dataclass(frozen=True)
class RateAsked:
    """Which column is the short rate, its law, and of `hull_white` which columns are its curve, by years to payment."""

    column: str
    model: str = "vasicek"
    curve: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RateFit:
    """A short rate's law as it was measured; rates in percent, in the units of ``market.toml``."""

    model: str
    column: str
    first: str
    last: str
    moves: int
    initial_pct: float
    parameters: dict[str, Measured]
    correlation: Measured | None
    common_days: int
    curve: tuple[tuple[float, float], ...]  # years, zero yield in percent, continuously compounded
    remarks: tuple[Said, ...]

    @property
    def source(self) -> str:
        """For the market file."""
        how = "quasi-likelihood of its exact mean and variance" if self.model == "cir" else "exact daily regression"
        with_curve = "; curve of the last day" if self.curve else ""
        return f"{self.column}, {self.first} to {self.last}, {self.moves:,} daily moves: {how} (M-288){with_curve}"

    def table(self, digits: int) -> dict[str, Any]:
        """The table [rates] of a market file."""
        out: dict[str, Any] = {"model": self.model, "initial_pct": round(self.initial_pct, digits)}
        told = self.parameters | ({} if self.correlation is None else {"correlation": self.correlation})
        for name, value in told.items():
            out[name] = round(value.value, digits)
            error = f"{name.removesuffix('_pct')}_error{'_pct' if name.endswith('_pct') else ''}"
            if value.error is not None:
                out[error] = round(value.error, digits)
        if self.curve:
            out |= {"curve_years": [years for years, _ in self.curve], "curve_pct": [round(pct, digits) for _, pct in self.curve]}
        return out | {"source": self.source}


def read_curve(texts: Sequence[str], faults: list[Fault]) -> dict[str, float]:
    """Columns and years as they are written on the command line, like ``dgs2_pct=2``."""
    found = {}
    for text in texts:
        written = re.fullmatch(r"\s*([^=]+?)\s*=\s*([0-9]+(?:\.[0-9]+)?)\s*", text)
        if written is None or not 0 < float(written[2]) <= 100:
            faults.append(Fault("options", "must name a column and its years", "write it like dgs2_pct=2", None, "curve", text))
        else:
            found[written[1]] = float(written[2])
    return found


def fit_rate(history: History, asked: RateAsked, market: pd.Series[float], first: str | None = None, last: str | None = None) -> RateFit:
    """Measure a short rate on a history between two days; ``market`` are the index's returns by their last day.

    Raises :class:`InputError` with every fault: no such column, too few days, a negative rate under CIR, no return to a mean.
    """
    table = _columns(history, asked, first, last)
    rate = table[asked.column].dropna() / 100.0
    before, after, days = _moves(rate)
    faults = []
    if before.size < MOVES_LEAST:
        rule = f"has {before.size} daily moves, at least {MOVES_LEAST} are needed"
        faults.append(Fault("history", rule, "lengthen the history, or choose another column", None, asked.column))
    elif asked.model == "cir" and float(rate.min()) < 0:
        day, way_out = str(pd.Timestamp(str(rate.idxmin())).date()), "choose vasicek or hull_white, which allow it"
        faults.append(Fault("history", f"is negative on {day}, and the law cir knows no negative rate", way_out, None, asked.column))
    if faults:
        raise InputError(faults)
    fitted = _cir(before, after, asked.column) if asked.model == "cir" else _regression(before, after, asked.column)
    values, residual = fitted
    chosen = {"mean_reversion": values["a"], "long_run_pct": _percent(values["b"])}
    chosen |= {"volatility": values["s"]} if asked.model == "cir" else {"volatility_pct": _percent(values["s"])}
    if asked.model == "hull_white":
        del chosen["long_run_pct"]
    correlation, common = _correlation(residual, days, market)
    return RateFit(
        asked.model, asked.column, str(days[0][0].date()), str(days[-1][1].date()), int(before.size), float(rate.iloc[-1]) * 100.0, chosen,
        correlation, common, _curve(table, asked), _remarks(asked, values["a"], before.size, common))


def _columns(history: History, asked: RateAsked, first: str | None, last: str | None) -> pd.DataFrame:
    table = history.tables.get("rates")
    if table is None:
        rule = "holds no table of rates"
        raise InputError([Fault("history", rule, "add a table with a date and rates in percent, called rates", None, "rate", asked.column)])
    faults = []
    known = [str(c) for c in table if c != "date" and pd.api.types.is_numeric_dtype(table[c])]
    for option, name in (("rate", asked.column), *(("curve", name) for name in asked.curve)):
        if name not in known:
            faults.append(Fault("history", "the table of rates has no such column of numbers", nearest(name, known), None, option, name))
    if asked.model not in RATE_MODELS:
        way_out = nearest(asked.model, list(RATE_MODELS))
        faults.append(Fault("options", "is no law of a short rate", way_out, None, "rate-model", asked.model))
    if asked.model == "hull_white" and max(asked.curve.values(), default=0.0) < CURVE_LEAST_YEARS:
        rule = f"must reach {CURVE_LEAST_YEARS:g} years, as the longest run does"
        faults.append(Fault("options", rule, "name columns of longer rates, like dgs2_pct=2", None, "curve"))
    if asked.model != "hull_white" and asked.curve:
        faults.append(Fault("options", f"is not read by the law {asked.model}", "choose hull_white, or leave it out", None, "curve"))
    if len(set(asked.curve.values())) < len(asked.curve):
        faults.append(Fault("options", "names some years twice", "name each time once", None, "curve"))
    if faults:
        raise InputError(faults)
    found = table.set_index("date").sort_index()
    twice = found.index[found.index.duplicated()]
    if len(twice):
        raise InputError([Fault("history", "the table of rates has a day twice", "keep one", None, "date", str(twice[0].date()))])
    return found.loc[first:last]


def _moves(rate: pd.Series[float]) -> tuple[F64, F64, list[tuple[pd.Timestamp, pd.Timestamp]]]:
    """Rates before and after each daily move, and its two days; a move over a hole is none."""
    days = pd.DatetimeIndex(rate.index)
    near = np.flatnonzero(np.diff(days.to_numpy()) <= np.timedelta64(GAP_MOST, "D"))
    value: F64 = np.asarray(rate, np.float64)
    return value[near], value[near + 1], [(days[at], days[at + 1]) for at in near.tolist()]


def _regression(x: F64, y: F64, column: str) -> tuple[dict[str, Measured], F64]:
    """r(t) = k r(t−1) + c + e, the exact law of a day: a = −252 ln k, b = c / (1 − k), errors by the delta method."""
    n, middle = x.size, float(x.mean())
    spread = float(((x - middle) ** 2).sum())
    k = float(((x - middle) * y).sum()) / spread if spread > 0 else 1.0
    if not 0.0 < k < 1.0:
        raise InputError([_no_mean(column, k)])
    rest = y - y.mean() - k * (x - middle)
    s = math.sqrt(float(rest @ rest) / (n - 2))
    a, b = -math.log(k) / DAY, middle + (float(y.mean()) - middle) / (1.0 - k)
    k_error = s / math.sqrt(spread)
    a_error = k_error / k / DAY
    b_error = s / (1.0 - k) * math.sqrt(1.0 / n + (middle - b) ** 2 / spread)
    sigma = s * math.sqrt(2.0 * a / -math.expm1(-2.0 * a * DAY))
    slope = 0.5 / a - DAY * k * k / -math.expm1(-2.0 * a * DAY)
    sigma_error = sigma * math.hypot(1.0 / math.sqrt(2.0 * n), slope * a_error)
    return {"a": Measured(a, a_error), "b": Measured(b, b_error), "s": Measured(sigma, sigma_error)}, rest / s


def _no_mean(column: str, k: float) -> Fault:
    rule = f"returns to no mean within this history (a day keeps {k:.5f} of a distance)"
    return Fault("history", rule, "take a longer history, or state a law in [rates]", None, column)


def _cir_moments(x: F64, a: float, b: float, s: float) -> tuple[F64, F64]:
    """Mean and variance of a day of CIR given the rate before it (M-78)."""
    keep = math.exp(-a * DAY)
    gone = -math.expm1(-a * DAY)
    return b + (x - b) * keep, s * s * gone / a * (x * keep + b * gone / 2.0)


def _cir(x: F64, y: F64, column: str) -> tuple[dict[str, Measured], F64]:
    """Quasi-likelihood: normal days of CIR's exact mean and variance, with errors that suppose no normal law."""
    start, _ = _regression(x, y, column)
    rough = start["s"].value / math.sqrt(max(float(x.mean()), 1e-6))
    least = (0.01 * max(float(x.mean()), 1e-6)) ** 2 * DAY * 1e-6

    def each(p: F64) -> F64:
        mean, variance = _cir_moments(x, *(math.exp(v) for v in p))
        variance = np.maximum(variance, least)
        return 0.5 * (np.log(2.0 * math.pi * variance) + (y - mean) ** 2 / variance)

    def loss(p: F64) -> float:
        return float(each(p).sum())

    begin = np.log([start["a"].value, max(start["b"].value, 1e-4), rough])
    reach = [(math.log(1e-4), math.log(100.0)), (math.log(1e-6), math.log(0.5)), (math.log(1e-4), math.log(5.0))]
    found = minimize(loss, np.clip(begin, *np.array(reach).T), method="Nelder-Mead", bounds=reach,
                     options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4_000, "maxfev": 4_000})
    at = np.asarray(found.x, np.float64)
    steps = np.array([1e-3, 1e-3, 1e-4])
    score = np.array([(each(at + step) - each(at - step)) / (2.0 * step.sum()) for step in np.diag(steps)])
    bread = errors_of(hessian(loss, at, steps))
    if bread is None or any(abs(v - edge) < 1e-6 for v, ends in zip(at, reach, strict=True) for edge in ends):
        raise InputError([_no_mean(column, math.exp(-math.exp(float(at[0])) * DAY))])
    error = np.sqrt(np.diag(bread @ (score @ score.T) @ bread))
    told = [Measured(math.exp(v), math.exp(v) * float(e)) for v, e in zip(at, error, strict=True)]
    mean, variance = _cir_moments(x, *(t.value for t in told))
    return dict(zip("abs", told, strict=True)), (y - mean) / np.sqrt(np.maximum(variance, least))


def _correlation(
    residual: F64, days: list[tuple[pd.Timestamp, pd.Timestamp]], market: pd.Series[float]
) -> tuple[Measured | None, int]:
    """Of the rate's daily surprises with the index's returns of the same two days; its error supposes no normal law."""
    ends = pd.DatetimeIndex(market.index)
    known = {(a, b): float(r) for a, b, r in zip(ends[:-1], ends[1:], market.to_numpy()[1:], strict=True)}
    pairs = np.array([(e, known[span]) for e, span in zip(residual.tolist(), days, strict=True) if span in known])
    if len(pairs) < COMMON_LEAST:
        return None, len(pairs)
    z = (pairs - pairs.mean(axis=0)) / pairs.std(axis=0)
    found = float((z[:, 0] * z[:, 1]).mean())
    influence = z[:, 0] * z[:, 1] - 0.5 * found * (z**2).sum(axis=1)
    return Measured(found, float(influence.std()) / math.sqrt(len(pairs))), len(pairs)


def _percent(told: Measured) -> Measured:
    return Measured(100.0 * told.value, None if told.error is None else 100.0 * told.error)


def _curve(table: pd.DataFrame, asked: RateAsked) -> tuple[tuple[float, float], ...]:
    """Yields of the last day on which all are there, as zero yields: ln(1 + y) of what is quoted."""
    if not asked.curve:
        return ()
    whole = table[[asked.column, *asked.curve]].dropna()
    if whole.empty:
        rule, way_out = "has no day on which all rates of the curve are there", "name other columns"
        raise InputError([Fault("history", rule, way_out, None, "curve")])
    last = whole.iloc[-1]
    pairs = sorted((years, 100.0 * math.log1p(float(last[name]) / 100.0)) for name, years in asked.curve.items())
    return tuple(pairs)


def _remarks(asked: RateAsked, speed: Measured, moves: int, common: int) -> tuple[Said, ...]:
    years = moves * DAY
    said = [Said(
        f"the estimate of the speed of mean reversion is too high by about 4 / {years:.1f} = {4 / years:.2f} a year on average (Tang and "
        "Chen 2009); it is not corrected",
        f"均值回归速度的估计平均偏高约4 / {years:.1f} = {4 / years:.2f}（每年；Tang与Chen，2009），未作修正")]
    if speed.error is not None and speed.value < 2.0 * speed.error:
        said.append(Said("within two errors the rate returns to no mean at all", "在两个标准误内，利率可能并不回归均值"))
    if asked.model == "hull_white":
        said.append(Said("speed and volatility suppose one mean over the history; the curve is read as zero yields, which quoted par "
                         "yields are nearly", "速度与波动率假设历史均值不变；曲线按零息收益率读取，与报价的平价收益率近似"))
    if common < COMMON_LEAST:
        said.append(Said(f"{common} days in common with the index, {COMMON_LEAST} are needed for a correlation: none is in the file",
                         f"与指数共同的日子只有{common}个，相关系数需{COMMON_LEAST}个：文件中不含相关系数"))
    return tuple(said)
