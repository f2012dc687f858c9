"""``market.toml``: factors, their volatilities and models, loadings by instrument."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from stresslab import intake
from stresslab.faults import Fault, InputError, nearest, plain_rule
from stresslab.market.history import read_history, write_history
from stresslab.market.laws import (
    TABLES,
    Bootstrap,
    Error,
    Garch,
    Heston,
    History,
    Jump,
    Model,
    Number,
    Regime,
    ShortRate,
    Table,
    Whole,
    law_misfits,
)

__all__ = ["Loading", "Market", "MarketFactor", "Model", "Number", "SectorFactor", "Whole", "read_market", "write_market"]


class MarketFactor(Table):
    """The factor that a crash binds: its index, its laws, total long-run volatility and drift of the log in percent a year.

    ``model`` is the law that holds unless a scenario chooses another whose table is there. ``own_tails_dof`` makes own noise
    Student-t, ``copula_dof`` joins all noise of a day by a t copula (M-61).
    """

    index: str = Field(min_length=1)
    model: Model
    volatility_pct: Number = Field(ge=0, le=500)
    volatility_error_pct: Number | None = Field(default=None, ge=0)
    drift_pct: Number = Field(default=0.0, ge=-100, le=100)
    drift_error_pct: Error | None = None
    own_tails_dof: Number | None = Field(default=None, ge=2.1, le=1000)
    own_tails_dof_error: Error | None = None
    copula_dof: Number | None = Field(default=None, ge=2.1, le=1000)
    copula_dof_error: Error | None = None
    source: str = Field(min_length=1)
    jump: Jump | None = None
    heston: Heston | None = None
    garch: Garch | None = None
    regime: Regime | None = None
    bootstrap: Bootstrap | None = None


class SectorFactor(Table):
    """A sector's own factor, uncorrelated with the market factor: volatility in percent a year."""

    volatility_pct: Number = Field(ge=0, le=500)
    volatility_error_pct: Error | None = None


class Loading(Table):
    """Loadings of one instrument; what is absent comes from the book (beta, volatility) or is 1 (sector)."""

    beta: Number | None = Field(default=None, ge=-20, le=20)
    beta_error: Number | None = Field(default=None, ge=0)
    sector: Number = Field(default=1.0, ge=-20, le=20)
    volatility_pct: Number | None = Field(default=None, ge=0, le=1000)


class Market(Table):
    """What was observed of the market: the market factor, the sector factors, the loadings, the short rate.

    ``history`` is no key of the file: it is read from the file that ``market.bootstrap`` names.
    """

    title: str = Field(min_length=1)
    source: str = Field(min_length=1)
    from_date: str | None = None
    to_date: str | None = None
    market: MarketFactor
    sectors: dict[str, SectorFactor] = Field(default_factory=dict)
    default_sector: SectorFactor = SectorFactor(volatility_pct=0.0)
    instruments: dict[str, Loading] = Field(default_factory=dict)
    rates: ShortRate | None = None
    history: History | None = None

    @model_validator(mode="after")
    def _laws_fit_together(self, info: ValidationInfo) -> Market:
        apart = [] if info.context is _APART else list(law_misfits(self.model_dump()))
        if apart:
            raise ValidationError.from_exception_data("Market", [
                InitErrorDetails(type=PydanticCustomError("misfit", m.said), loc=m.keys, input=m.value)
                for m in apart
            ])
        return self

    @property
    def digest(self) -> str:
        """The SHA-256 of all values."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def sector_volatility_pct(self, sector: str) -> float:
        """The volatility of a sector's factor, percent a year."""
        return self.sectors.get(sector, self.default_sector).volatility_pct


#: The context of a reader that looks for misfits itself, so that all faults show at once.
_APART = {"misfits": "apart"}


def toml_faults(file: str, error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """The faults of a TOML file that a pydantic model refused: key, value, rule, way out, all at once."""
    faults = []
    for item in error.errors():
        location = item["loc"]
        key = ".".join(str(part) for part in location)
        if item["type"] == "extra_forbidden":
            hint = nearest(str(location[-1]), _keys_beside(model, location))
            faults.append(Fault(file, "unknown key", hint, None, key, _shown(item["input"])))
        elif item["type"] == "missing" and _tables_at(model, location):
            faults.append(Fault(file, "this table must be given", f"add it below a line [{key}]", None, key))
        elif item["type"] == "missing":
            faults.append(Fault(file, "this key must be given", "add it", None, key))
        else:
            faults.append(Fault(file, *plain_rule(item), None, key, _shown(item["input"])))
    return faults


def toml_fault(file: str, data: bytes, error: tomllib.TOMLDecodeError | UnicodeDecodeError) -> Fault:
    """Why a file is not TOML, with the line on which it ends to be one."""
    if isinstance(error, UnicodeDecodeError):
        row = data[: error.start].count(b"\n") + 1
        return Fault(file, f"is not UTF-8 text (byte 0x{data[error.start]:02x})", "save the file as UTF-8", row)
    reason = str(error)
    line = re.search(r" \(at line (\d+), column \d+\)$", reason)
    said = reason.removesuffix(line[0]) if line else reason.removesuffix(" (at end of document)")
    row = int(line[1]) if line else data.count(b"\n") + 1
    return Fault(file, f"is not valid TOML ({said})", "correct that line", row)


def toml_text(text: str) -> str:
    """Text as a TOML string in double quotes, whatever is in it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tables_at(model: type[BaseModel], location: tuple[int | str, ...]) -> bool:
    """Whether a table, not a single value, stands at a place of the file."""
    here = _model_beside(model, location).model_fields.get(str(location[-1]))
    return any(issubclass(t, BaseModel) for t in _classes(here.annotation if here else None))


def _keys_beside(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    return list(_model_beside(model, location).model_fields)


def _model_beside(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    here: type[BaseModel] = model
    for part in location[:-1]:
        field = here.model_fields.get(str(part))
        inner = [t for t in _classes(field.annotation if field else None) if issubclass(t, BaseModel)]
        if not inner:
            break
        here = inner[0]
    return here


def _classes(annotation: object) -> list[type]:
    if isinstance(annotation, type):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _classes(part)]


def read_toml(path: Path) -> dict[str, object]:
    """The content of a TOML file, or an :class:`InputError` that says why it cannot be read."""
    try:
        data = intake.written(path)
    except OSError as error:
        raise InputError([Fault(str(path), f"cannot be read ({error.strerror})", "give the path of a file that you may read")]) from error
    try:
        return intake.toml(data)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError([toml_fault(str(path), data, error)]) from error


def read_market(path: Path | str) -> Market:
    """The market in a file, with the history that it names; raises :class:`InputError` with every fault."""
    path = Path(path)
    written = read_toml(path)
    faults, market = [], None
    try:
        market = Market.model_validate(written, context=_APART)
    except ValidationError as error:
        faults = toml_faults(str(path), error, Market)
    if "history" in written:
        faults.append(Fault(str(path), "unknown key", "name the file of a history in [market.bootstrap]", None, "history"))
    for keys, said, value in law_misfits(written):
        rule, _, way_out = said.partition("; ")
        faults.append(Fault(str(path), rule, way_out, None, ".".join(str(key) for key in keys), None if value is None else str(value)))
    if market is not None and not faults and market.market.bootstrap is not None:
        market = market.model_copy(update={"history": read_history(path.parent / market.market.bootstrap.file, market.sectors)})
    if market is None or faults:
        raise InputError(faults)
    return market


def write_market(market: Market, path: Path) -> None:
    """Write a market as TOML, and its history beside it, so that reading it gives the same market."""
    lines = [f"{key} = {_toml(value)}" for key, value in market.model_dump(exclude_none=True).items() if not isinstance(value, dict)]
    tables: list[tuple[str, Table | None]] = [("market", market.market)]
    tables += [(f"market.{name}", getattr(market.market, name)) for name in TABLES]
    tables += [("default_sector", market.default_sector), ("rates", market.rates)]
    tables += [(f"sectors.{_toml(name)}", sector) for name, sector in market.sectors.items()]
    tables += [(f"instruments.{_toml(name)}", loading) for name, loading in market.instruments.items()]
    for name, table in tables:
        if table is not None:
            values = {key: value for key, value in table.model_dump(exclude_none=True).items() if not isinstance(value, dict)}
            lines += ["", f"[{name}]"] + [f"{key} = {_toml(value)}" for key, value in values.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if market.history is not None and market.market.bootstrap is not None:
        write_history(market.history, path.parent / market.market.bootstrap.file)


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return toml_text(value) if isinstance(value, str) else repr(value)
