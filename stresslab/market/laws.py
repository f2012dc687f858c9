"""The laws of the market factor and of the short rate as ``market.toml`` writes them, and what does not fit together in them.

Percent are percent a year and volatilities those of log returns, unless a line says otherwise. Every estimate may have its
standard error beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, Strict, field_serializer

Model = Literal["gbm", "jump", "heston", "garch", "regime", "bootstrap", "deterministic"]
#: Models that need a table of their own name below [market].
TABLES: tuple[str, ...] = ("jump", "heston", "garch", "regime", "bootstrap")
#: A number that was written as one: neither text nor true or false.
Number = Annotated[float, Strict()]
Whole = Annotated[int, Strict()]
Error = Annotated[Number, Field(ge=0)]

STATES_LEAST, STATES_MOST = 2, 4
#: Rows of a transition matrix add up to one within this.
ROW_ERROR = 1e-6
#: Written long-run volatilities of the regimes may differ from ``volatility_pct`` by this part; they are scaled to it.
REGIME_APART = 0.1


class Table(BaseModel):
    """A table of ``market.toml``: unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Jump(Table):
    """Merton's jumps: ``intensity`` a year, log jumps normal with mean and deviation in percent; diffusion is what they leave (M-55)."""

    intensity: Number = Field(gt=0, le=252)
    mean_pct: Number = Field(ge=-90, le=90)
    sd_pct: Number = Field(ge=0, le=90)
    intensity_error: Error | None = None
    mean_error_pct: Error | None = None
    sd_error_pct: Error | None = None
    source: str | None = Field(default=None, min_length=1)


class Heston(Table):
    """Heston's variance: speed a year and volatility of variance; the long-run variance is ``volatility_pct`` squared (M-57)."""

    initial_volatility_pct: Number = Field(ge=0, le=500)
    mean_reversion: Number = Field(gt=0, le=100)
    volatility_of_variance: Number = Field(gt=0, le=20)
    correlation: Number = Field(gt=-1, lt=1)
    initial_volatility_error_pct: Error | None = None
    mean_reversion_error: Error | None = None
    volatility_of_variance_error: Error | None = None
    correlation_error: Error | None = None
    source: str | None = Field(default=None, min_length=1)


class Garch(Table):
    """GJR-GARCH of daily returns; ``dof`` of Student-t innovations, normal without it (M-58)."""

    alpha: Number = Field(ge=0, lt=1)
    gamma: Number = Field(gt=-1, lt=2)
    beta: Number = Field(ge=0, lt=1)
    dof: Number | None = Field(default=None, ge=2.1, le=1000)
    initial_volatility_pct: Number = Field(gt=0, le=500)
    alpha_error: Error | None = None
    gamma_error: Error | None = None
    beta_error: Error | None = None
    dof_error: Error | None = None
    initial_volatility_error_pct: Error | None = None
    source: str | None = Field(default=None, min_length=1)


def _state(value: Any) -> Any:
    if value == "stationary" or (type(value) is int and 1 <= value <= STATES_MOST):
        return value
    raise ValueError(f"must be stationary or the number of a state; write 'stationary', or a number from 1 to {STATES_MOST}")


Start = Annotated[str | int, PlainValidator(_state)]


class Regime(Table):
    """A Markov chain of 2 to 4 daily states with volatility and drift of their own (M-56).

    ``start`` is the number of the state on the book's date, from 1, or ``stationary``.
    """

    volatility_pct: tuple[Annotated[Number, Field(gt=0, le=500)], ...] = Field(min_length=STATES_LEAST, max_length=STATES_MOST)
    drift_pct: tuple[Annotated[Number, Field(ge=-500, le=500)], ...] = Field(min_length=STATES_LEAST, max_length=STATES_MOST)
    transition: tuple[tuple[Annotated[Number, Field(ge=0, le=1)], ...], ...] = Field(min_length=STATES_LEAST, max_length=STATES_MOST)
    start: Start = "stationary"
    volatility_error_pct: tuple[Error, ...] | None = None
    drift_error_pct: tuple[Error, ...] | None = None
    transition_error: tuple[tuple[Error, ...], ...] | None = None
    source: str | None = Field(default=None, min_length=1)

    @property
    def stationary(self) -> NDArray[np.float64]:
        """The share of days in each state in the long run."""
        return stationary_law(np.array(self.transition))


def _beside(value: str) -> str:
    if not value.endswith(".csv") or "/" in value or "\\" in value:
        raise ValueError("must be the name of a CSV file beside the market file; write it without a folder, ending in .csv")
    return value


class Bootstrap(Table):
    """The stationary block bootstrap of a file of daily factor returns beside ``market.toml`` (M-59)."""

    file: Annotated[str, AfterValidator(_beside)]
    mean_block_days: Number = Field(ge=1, le=1000)
    source: str | None = Field(default=None, min_length=1)


class ShortRate(Table):
    """The law of the short rate: Vasicek, Cox-Ingersoll-Ross, or Hull-White fitted to a curve (M-77 to M-79).

    ``volatility_pct`` of `vasicek` and `hull_white` is in points a year; ``volatility`` of `cir` is a pure number, by which and by
    its own root the rate moves. The curve of zero yields, continuously compounded, begins with ``initial_pct``. ``correlation`` is that
    of a day's normals of rate and market factor (M-289), by default 0.
    """

    model: Literal["vasicek", "cir", "hull_white"]
    initial_pct: Number = Field(ge=-10, le=50)
    long_run_pct: Number | None = Field(default=None, ge=-10, le=50)
    mean_reversion: Number = Field(gt=0, le=100)
    volatility_pct: Number | None = Field(default=None, ge=0, le=50)
    volatility: Number | None = Field(default=None, ge=0, le=5)
    curve_years: tuple[Annotated[Number, Field(gt=0, le=100)], ...] | None = Field(default=None, min_length=1)
    curve_pct: tuple[Annotated[Number, Field(ge=-10, le=50)], ...] | None = Field(default=None, min_length=1)
    correlation: Number | None = Field(default=None, gt=-1, lt=1)
    correlation_error: Error | None = None
    initial_error_pct: Error | None = None
    long_run_error_pct: Error | None = None
    mean_reversion_error: Error | None = None
    volatility_error_pct: Error | None = None
    volatility_error: Error | None = None
    source: str = Field(min_length=1)


class History(Table):
    """Daily log returns of factors, in the order of their days: what a bootstrap draws from. A record holds its digest alone."""

    dates: tuple[str, ...]
    market: tuple[float, ...]
    sectors: dict[str, tuple[float, ...]] = Field(default_factory=dict)

    @field_serializer("dates", "market", "sectors", when_used="json")
    def _digest(self, value: Any) -> str:
        import hashlib

        return hashlib.sha256(repr(value).encode()).hexdigest()


def stationary_law(transition: NDArray[np.float64]) -> NDArray[np.float64]:
    """The law π with π P = π; the one of least length where several states never leave themselves."""
    size = len(transition)
    system = np.vstack([transition.T - np.eye(size), np.ones(size)])
    found = np.maximum(np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0], 0.0)
    law: NDArray[np.float64] = found / found.sum()
    return law


class Misfit(NamedTuple):
    """Values that are each allowed but do not fit together: where, which rule with its way out, the value."""

    keys: tuple[str | int, ...]
    said: str
    value: Any = None


def law_misfits(written: Any) -> Iterator[Misfit]:
    """What does not fit together in the laws of a market as it is written; what has the wrong type is passed over."""
    market = _table(written, "market")
    model, said = market.get("model"), "must be given for this model"
    if model in TABLES and market.get(model) is None:
        yield Misfit(("market", model), f"{said}; add a table [market.{model}], or choose another model")
    for key in ("own_tails_dof", "copula_dof"):
        if market.get(key) is not None and model == "deterministic":
            yield Misfit(("market", key), "has no noise to act on; remove it, or choose another model", market[key])
    yield from _jump_misfits(market)
    yield from _garch_misfits(market)
    yield from _regime_misfits(market)
    yield from rate_misfits(_table(written, "rates"))


def _jump_misfits(market: dict[str, Any]) -> Iterator[Misfit]:
    found = _numbers(_table(market, "jump"), "intensity", "mean_pct", "sd_pct")
    total = _numbers(market, "volatility_pct")
    if found and total:
        intensity, mean, sd = found
        alone = math.sqrt(intensity * (mean**2 + sd**2)) if intensity > 0 else 0.0
        if alone >= total[0]:
            rule = f"alone have a volatility of {alone:.4g}% a year, which leaves no diffusion of the {total[0]:g}% in all"
            yield Misfit(("market", "jump"), f"{rule}; lower intensity, mean_pct or sd_pct, or raise volatility_pct")


def _garch_misfits(market: dict[str, Any]) -> Iterator[Misfit]:
    found = _numbers(_table(market, "garch"), "alpha", "gamma", "beta")
    if found:
        alpha, gamma, beta = found
        persistence = alpha + gamma / 2 + beta
        if persistence >= 1:
            rule = f"has no long-run variance: alpha + gamma / 2 + beta is {persistence:.6g}, and must be below 1"
            yield Misfit(("market", "garch"), f"{rule}; lower one of them")
        if alpha + gamma < 0:
            yield Misfit(("market", "garch", "gamma"), "makes a variance negative; write at least minus alpha", gamma)


def _regime_misfits(market: dict[str, Any]) -> Iterator[Misfit]:
    regime = _table(market, "regime")
    rows, place = regime.get("transition"), ("market", "regime")
    volatility, drift = regime.get("volatility_pct"), regime.get("drift_pct")
    if not (isinstance(rows, list | tuple) and isinstance(volatility, list | tuple) and isinstance(drift, list | tuple)):
        return
    states = len(volatility)
    if len(drift) != states:
        said = f"must have one entry per state, {states} as volatility_pct has; add or remove some"
        yield Misfit((*place, "drift_pct"), said, list(drift))
    if len(rows) != states or any(not isinstance(row, list | tuple) or len(row) != states for row in rows):
        yield Misfit((*place, "transition"), f"must have {states} rows of {states} probabilities, one per state; correct it")
        return
    for at, row in enumerate(rows):
        if all(isinstance(p, int | float) for p in row) and abs(sum(row) - 1) > ROW_ERROR:
            yield Misfit((*place, "transition", at), f"must add up to 1, and adds up to {sum(row):.8g}; correct the row", list(row))
            return
    start = regime.get("start", "stationary")
    if type(start) is int and start > states:
        yield Misfit((*place, "start"), f"must be a state from 1 to {states}, or stationary; correct it", start)
    numbers = [*volatility, *drift, *(p for row in rows for p in row)]
    total = _numbers(market, "volatility_pct")
    if len(drift) != states or not total or not all(isinstance(x, int | float) for x in numbers):
        return
    matrix = np.array(rows, float)
    if np.linalg.matrix_rank(matrix - np.eye(states)) < states - 1:
        yield Misfit((*place, "transition"), "has no single long-run law, because two states or groups never reach each other; link them")
        return
    alone = regime_volatility(np.array(volatility, float), np.array(drift, float), matrix)
    if abs(alone - total[0]) > REGIME_APART * total[0]:
        rule = f"has a long-run volatility of {alone:.4g}% a year, and volatility_pct says {total[0]:g}%"
        yield Misfit(place, f"{rule}; correct one of them: within a tenth the states are scaled")


def regime_volatility(volatility: NDArray[np.float64], drift: NDArray[np.float64], transition: NDArray[np.float64]) -> float:
    """The long-run volatility of a chain of states, percent a year, from those of the states: √(Σ π σ² + var(μ) / 252)."""
    share = stationary_law(transition)
    return math.sqrt(float(share @ volatility**2 + (share @ drift**2 - (share @ drift) ** 2) / 252))


#: A curve must reach as far as the longest run, in years.
CURVE_LEAST_YEARS = 2.0
#: What each model of the short rate reads.
_READ_BY = {
    "vasicek": ("long_run_pct", "volatility_pct"), "cir": ("long_run_pct", "volatility"),
    "hull_white": ("volatility_pct", "curve_years", "curve_pct"),
}


def rate_misfits(rates: dict[str, Any], place: tuple[str, ...] = ("rates",)) -> Iterator[Misfit]:
    """What does not fit together in the law of a short rate: what its model lacks, does not read, or cannot use."""
    model, years, curve = rates.get("model"), rates.get("curve_years"), rates.get("curve_pct")
    if model not in _READ_BY:
        return
    read = _READ_BY[model]
    for key in ("long_run_pct", "volatility_pct", "volatility", "curve_years", "curve_pct"):
        if key in read and rates.get(key) is None:
            yield Misfit((*place, key), f"must be given for the model {model}; add it")
        elif key not in read and rates.get(key) is not None:
            rule = f"is not read by the model {model}, which reads {', '.join(read)}"
            yield Misfit((*place, key), f"{rule}; remove it, or choose another model", rates[key])
    if model == "cir":
        for key, least in (("initial_pct", 0.0), ("long_run_pct", 1e-9)):
            found = _numbers(rates, key)
            if found and found[0] < least:
                said = "must be positive for the model cir, whose rate cannot be negative; raise it, or choose vasicek"
                yield Misfit((*place, key), said, rates[key])
    if model == "hull_white" and isinstance(years, list | tuple) and isinstance(curve, list | tuple) and years:
        if len(years) != len(curve):
            said = f"must have as many entries as curve_years, {len(years)}; add or remove some"
            yield Misfit((*place, "curve_pct"), said, list(curve))
        if not all(isinstance(y, int | float) for y in years):
            return
        if list(years) != sorted(set(years)):
            yield Misfit((*place, "curve_years"), "must rise from each entry to the next; sort them, and name each time once", list(years))
        if max(years) < CURVE_LEAST_YEARS:
            said = f"must reach {CURVE_LEAST_YEARS:g} years, as the longest run does; add a longer yield"
            yield Misfit((*place, "curve_years"), said, list(years))


def _table(written: Any, key: str) -> dict[str, Any]:
    found = written.get(key)
    return found if isinstance(found, dict) else {}


def _numbers(table: dict[str, Any], *keys: str) -> tuple[float, ...] | None:
    """The values of some keys, or None if one of them is no number."""
    found = tuple(table.get(key) for key in keys)
    return found if all(isinstance(x, int | float) and not isinstance(x, bool) for x in found) else None  # type: ignore[return-value]
