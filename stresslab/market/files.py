"""``market.toml``: factors, their volatilities and models, loadings by instrument."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stresslab.faults import Fault, InputError, nearest

Model = Literal["gbm", "deterministic"]
MODELS: tuple[str, ...] = ("gbm", "deterministic")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MarketFactor(_Strict):
    """The factor that a crash binds: its index, its law, volatility and drift in percent a year."""

    index: str = Field(min_length=1)
    model: Model
    volatility_pct: float = Field(ge=0, le=500)
    volatility_error_pct: float | None = Field(default=None, ge=0)
    drift_pct: float = Field(default=0.0, ge=-100, le=100)
    source: str = Field(min_length=1)


class SectorFactor(_Strict):
    """A sector's own factor, uncorrelated with the market factor: volatility in percent a year."""

    volatility_pct: float = Field(ge=0, le=500)


class Loading(_Strict):
    """Loadings of one instrument; what is absent comes from the book (beta, volatility) or is 1 (sector)."""

    beta: float | None = Field(default=None, ge=-20, le=20)
    beta_error: float | None = Field(default=None, ge=0)
    sector: float = Field(default=1.0, ge=-20, le=20)
    volatility_pct: float | None = Field(default=None, ge=0, le=1000)


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
        key = ".".join(str(part) for part in item["loc"])
        value = None if item["type"] == "missing" else str(item.get("input"))
        if item["type"] == "extra_forbidden":
            faults.append(Fault(file, "unknown key", nearest(str(item["loc"][-1]), _keys_beside(model, item["loc"])), None, key, value))
        elif item["type"] == "missing":
            faults.append(Fault(file, "this key must be given", "add it", None, key))
        else:
            message = str(item["msg"]).removeprefix("Value error, ")
            rule, _, way_out = message.partition("; ")
            faults.append(Fault(file, rule, way_out or "correct the value", None, key, value))
    return faults


def _keys_beside(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    here: type[BaseModel] = model
    for part in location[:-1]:
        field = here.model_fields.get(str(part))
        inner = [t for t in _classes(field.annotation if field else None) if issubclass(t, BaseModel)]
        if not inner:
            break
        here = inner[0]
    return list(here.model_fields)


def _classes(annotation: object) -> list[type]:
    if isinstance(annotation, type):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _classes(part)]


def read_toml(path: Path) -> dict[str, object]:
    """The content of a TOML file, or an :class:`InputError` that says why it cannot be read."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError([Fault(str(path), f"cannot be read ({error.strerror})", "give the path of an existing file")]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError([Fault(path.name, f"is not valid TOML ({error})", "correct the line named")]) from error


def read_market(path: Path | str) -> Market:
    """The market in a file; raises :class:`InputError` with every fault."""
    path = Path(path)
    written = read_toml(path)
    try:
        return Market.model_validate(written)
    except ValidationError as error:
        raise InputError(toml_faults(path.name, error, Market)) from error


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
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
