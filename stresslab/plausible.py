"""Other plausible parameters of a run: each at the ends of its standard error or of a stated range (M-296, M-297).

Here parameters are moved; nothing is simulated and nothing judged.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stresslab import intake
from stresslab.drivers import loadings
from stresslab.faults import Fault, InputError
from stresslab.market import Market
from stresslab.market.files import toml_faults
from stresslab.market.laws import TABLES
from stresslab.scenario import Scenario

SHIPPED = Path(__file__).parent / "parameter_ranges.toml"
#: An estimate is moved by so many of its standard errors to each side.
REACH = 1.96


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Range(_Strict):
    """A stated range of one number of a scenario, by its key as in ``liquidity.impact_coefficient``."""

    key: str = Field(pattern=r"^[a-z_]+(\.[a-z_]+)*$")
    when: dict[str, str | float] = Field(default_factory=dict)
    low: float
    high: float
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _low_is_lower(self) -> Range:
        if not self.low < self.high:
            raise ValueError("low must be below high; exchange them")
        return self


class _Ranges(_Strict):
    range: tuple[Range, ...] = Field(default=())


@dataclass(frozen=True)
class End:
    """Market and scenarios with one parameter at one end, or why there are none."""

    market: Market | None
    scenarios: tuple[Scenario, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Parameter:
    """One parameter that is moved: its key, whether by its ``error`` or a ``range``, what it is moved from and to, the source."""

    key: str
    basis: str
    value: str
    low_value: str
    high_value: str
    source: str
    low: End
    high: End


def read_ranges(path: Path | None) -> tuple[Range, ...]:
    """The stated ranges of a file, by default the shipped one. Raises :class:`InputError` with every fault."""
    place = SHIPPED if path is None else path
    try:
        held = intake.toml(intake.written(place))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError([Fault(str(place), f"cannot be read as TOML ({error})", "write tables [[range]]", None, "ranges")]) from error
    try:
        return _Ranges.model_validate(held).range
    except ValidationError as error:
        raise InputError(toml_faults(place.name, error, _Ranges)) from error


def parameters(
    market: Market, scenarios: Sequence[Scenario], ranges: Sequence[Range], stocks: pd.DataFrame | None = None
) -> list[Parameter]:
    """Everything that can be moved: estimates with a standard error that these scenarios read, then numbers with a stated range.

    ``stocks`` is the book's table of instruments: their own noise stays as it was where factors or betas move (M-296).
    """
    return [*_estimated(market, scenarios, stocks), *_stated(market, scenarios, ranges)]


# --- standard errors ------------------------------------------------------------------------------


def error_key(key: str) -> str:
    """The key under which a standard error stands."""
    return f"{key.removesuffix('_pct')}_error" + ("_pct" if key.endswith("_pct") else "")


def _errors(table: dict[str, Any]) -> Iterator[str]:
    """Keys of a table whose standard error is there and not nothing; rows of probabilities, which must add up to one, left out."""
    for key, value in table.items():
        error = table.get(error_key(key))
        if value is None or error is None:
            continue
        values, errors = (list(x) if isinstance(x, tuple | list) else [x] for x in (value, error))
        if all(isinstance(v, int | float) for v in values) and any(e > 0 for e in errors):
            yield key


def _shifted(table: dict[str, Any], keys: Sequence[str], reach: float) -> dict[str, Any]:
    """A table with some numbers so many of their errors away."""
    out = dict(table)
    for key in keys:
        value, error = table[key], table[error_key(key)]
        out[key] = [v + reach * e for v, e in zip(value, error, strict=True)] if isinstance(value, tuple | list) else value + reach * error
    return out


def _estimated(market: Market, scenarios: Sequence[Scenario], stocks: pd.DataFrame | None) -> Iterator[Parameter]:
    told = market.model_dump(exclude={"history"})
    models = {s.market.model or market.market.model for s in scenarios}
    random = models - {"deterministic"}
    places: list[tuple[str, ...]] = [("market",)] if random else []
    places += [("market", name) for name in TABLES if name in models and told["market"].get(name)]
    if told.get("rates") and any(s.rates is not None and s.rates.model == "market" for s in scenarios):
        places.append(("rates",))
    for place in places:
        table = _at(told, place)
        for key in _errors(table):
            ends = [_market_end(market, told, {place: _shifted(table, [key], side * REACH)}, scenarios, stocks) for side in (-1, 1)]
            values = [_number(_shifted(table, [key], side * REACH)[key]) for side in (-1, 0, 1)]
            source = str(table.get("source") or told["market"]["source"])
            yield Parameter(".".join([*place, key]), "error", values[1], values[0], values[2], source, *ends)
    yield from _together(market, told, scenarios, ("sectors", "default_sector"), "volatility_pct", bool(random), stocks)
    yield from _together(market, told, scenarios, ("instruments",), "beta", True, stocks)


def _together(
    market: Market, told: dict[str, Any], scenarios: Sequence[Scenario], groups: Sequence[str], key: str, wanted: bool,
    stocks: pd.DataFrame | None,
) -> Iterator[Parameter]:
    """All numbers of one kind moved at once in the same direction, which is more than independent errors would do."""
    # The default sector is a table by itself, the others are tables of tables.
    places: list[tuple[str, ...]] = []
    for group in groups:
        places += [(group,)] if group == "default_sector" else [(group, name) for name in told[group]]
    found = [p for p in places if key in set(_errors(_at(told, p)))] if wanted else []
    if not found:
        return
    moves = [{p: _shifted(_at(told, p), [key], side * REACH) for p in found} for side in (-1, 1)]
    ends = [_market_end(market, told, changed, scenarios, stocks) for changed in moves]
    errors = [_at(told, p)[error_key(key)] for p in found]
    by = f"{len(found)} × ± {REACH * sum(errors) / len(errors):.3g}"
    yield Parameter(f"{groups[0]}.*.{key}", "error", f"{len(found)}", by, by, market.source, *ends)


def _market_end(
    market: Market, told: dict[str, Any], changed: dict[tuple[str, ...], dict[str, Any]], scenarios: Sequence[Scenario],
    stocks: pd.DataFrame | None,
) -> End:
    made = _copy(told)
    for place, table in changed.items():
        _at(made, place[:-1])[place[-1]] = _at(made, place) | {k: v for k, v in table.items() if not isinstance(v, dict)}
    try:
        moved = Market.model_validate(made | {"history": market.history})
        if stocks is not None:
            made["instruments"] |= _own_noise_kept(market, moved, stocks, made["instruments"])
            moved = Market.model_validate(made | {"history": market.history})
        return End(moved, tuple(scenarios))
    except ValidationError as error:
        return End(None, reason="; ".join(f"{f.column} {f.rule}" for f in toml_faults("market", error, Market)))


def _own_noise_kept(market: Market, moved: Market, stocks: pd.DataFrame, written: dict[str, Any]) -> dict[str, Any]:
    """Instruments whose volatility must follow a moved factor or beta, so that what is their own stays (M-8)."""
    out = {}
    both = zip(stocks["instrument_id"], stocks["sector"], loadings(stocks, market), loadings(stocks, moved), strict=True)
    for name, sector, (beta, loading, volatility), (beta_now, loading_now, _) in both:
        was, now = (
            (b * m.market.volatility_pct) ** 2 + (s * m.sector_volatility_pct(sector)) ** 2
            for m, b, s in ((market, beta, loading), (moved, beta_now, loading_now)))
        if was != now:
            # Nothing is rounded below what market and sector alone give.
            percent = math.sqrt(max((100 * volatility) ** 2 - was, 0.0) + now) * (1 + 1e-12)
            out[name] = (written.get(name) or {}) | {"volatility_pct": percent}
    return out


# --- stated ranges --------------------------------------------------------------------------------


def _stated(market: Market, scenarios: Sequence[Scenario], ranges: Sequence[Range]) -> Iterator[Parameter]:
    for one in ranges:
        place = tuple(one.key.split("."))
        held = [s.model_dump(mode="json") for s in scenarios]
        concerned = [_holds(one, s) for s in held]
        if not any(concerned):
            continue
        values = sorted({float(_found(s, place)) for s, yes in zip(held, concerned, strict=True) if yes})
        ends = [_scenario_end(market, scenarios, held, concerned, place, to) for to in (one.low, one.high)]
        yield Parameter(one.key, "range", ", ".join(_number(v) for v in values), _number(one.low), _number(one.high), one.source, *ends)


def _holds(one: Range, scenario: dict[str, Any]) -> bool:
    value = _found(scenario, tuple(one.key.split(".")))
    if isinstance(value, bool) or not isinstance(value, int | float) or not one.low <= value <= one.high:
        return False
    return all(_found(scenario, tuple(key.split("."))) == wanted for key, wanted in one.when.items())


def _scenario_end(
    market: Market, scenarios: Sequence[Scenario], held: Sequence[dict[str, Any]], concerned: Sequence[bool], place: tuple[str, ...],
    to: float,
) -> End:
    made = []
    try:
        for scenario, told, yes in zip(scenarios, held, concerned, strict=True):
            if yes:
                changed = _copy(told)
                _at(changed, place[:-1])[place[-1]] = int(to) if isinstance(_found(told, place), int) else to
                made.append(Scenario.model_validate(changed))
            else:
                made.append(scenario)
    except ValidationError as error:
        return End(None, reason="; ".join(f"{f.column} {f.rule}" for f in toml_faults("scenario", error, Scenario)))
    return End(market, tuple(made))


def _found(table: Any, place: tuple[str, ...]) -> Any:
    for part in place:
        table = table.get(part) if isinstance(table, dict) else None
    return table


def _at(table: dict[str, Any], place: Sequence[str]) -> Any:
    found: Any = table
    for part in place:
        found = found[part]
    return found


def _copy(table: Any) -> Any:
    """A copy whose tables can be changed."""
    return {k: _copy(v) for k, v in table.items()} if isinstance(table, dict) else table


def _number(value: Any) -> str:
    return ", ".join(f"{v:.4g}" for v in value) if isinstance(value, list | tuple) else f"{value:.4g}"
