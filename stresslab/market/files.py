"""``market.toml``: factors, their volatilities and models, loadings by instrument."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from stresslab.faults import Fault, InputError, nearest, plain_rule

Model = Literal["gbm", "deterministic"]
MODELS: tuple[str, ...] = ("gbm", "deterministic")
#: A number that was written as one: neither text nor true or false.
Number = Annotated[float, Strict()]
Whole = Annotated[int, Strict()]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MarketFactor(_Strict):
    """The factor that a crash binds: its index, its law, volatility and drift in percent a year."""

    index: str = Field(min_length=1)
    model: Model
    volatility_pct: Number = Field(ge=0, le=500)
    volatility_error_pct: Number | None = Field(default=None, ge=0)
    drift_pct: Number = Field(default=0.0, ge=-100, le=100)
    source: str = Field(min_length=1)


class SectorFactor(_Strict):
    """A sector's own factor, uncorrelated with the market factor: volatility in percent a year."""

    volatility_pct: Number = Field(ge=0, le=500)


class Loading(_Strict):
    """Loadings of one instrument; what is absent comes from the book (beta, volatility) or is 1 (sector)."""

    beta: Number | None = Field(default=None, ge=-20, le=20)
    beta_error: Number | None = Field(default=None, ge=0)
    sector: Number = Field(default=1.0, ge=-20, le=20)
    volatility_pct: Number | None = Field(default=None, ge=0, le=1000)


class Market(_Strict):
    """What was observed of the market: the market factor, the sector factors, the loadings."""

    title: str = Field(min_length=1)
    source: str = Field(min_length=1)
    from_date: str | None = None
    to_date: str | None = None
    market: MarketFactor
    sectors: dict[str, SectorFactor] = Field(default_factory=dict)
    default_sector: SectorFactor = SectorFactor(volatility_pct=0.0)
    instruments: dict[str, Loading] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The SHA-256 of all values."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def sector_volatility_pct(self, sector: str) -> float:
        """The volatility of a sector's factor, percent a year."""
        return self.sectors.get(sector, self.default_sector).volatility_pct


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
        data = path.read_bytes()
    except OSError as error:
        raise InputError([Fault(str(path), f"cannot be read ({error.strerror})", "give the path of a file that you may read")]) from error
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError([toml_fault(str(path), data, error)]) from error


def read_market(path: Path | str) -> Market:
    """The market in a file; raises :class:`InputError` with every fault."""
    path = Path(path)
    written = read_toml(path)
    try:
        return Market.model_validate(written)
    except ValidationError as error:
        raise InputError(toml_faults(str(path), error, Market)) from error


def write_market(market: Market, path: Path) -> None:
    """Write a market as TOML, so that reading it gives the same market."""
    lines = [f"{key} = {_toml(value)}" for key, value in market.model_dump(exclude_none=True).items() if not isinstance(value, dict)]
    tables = [("market", market.market), ("default_sector", market.default_sector)]
    tables += [(f"sectors.{_toml(name)}", sector) for name, sector in market.sectors.items()]
    tables += [(f"instruments.{_toml(name)}", loading) for name, loading in market.instruments.items()]
    for name, table in tables:
        lines += ["", f"[{name}]"] + [f"{key} = {_toml(value)}" for key, value in table.model_dump(exclude_none=True).items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    return toml_text(value) if isinstance(value, str) else repr(value)
