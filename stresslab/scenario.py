"""A scenario: what we suppose. One TOML file, refused with every fault at once (``docs/method.md``, sections 3 to 5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from stresslab.faults import Fault, InputError, nearest
from stresslab.market.files import Model, Number, Whole, read_toml, toml_faults


def _whole_bp(value: float) -> float:
    if round(value * 100) / 100 != value:
        raise ValueError("must be a whole multiple of 0.01%; round it, so that nothing is lost here")
    return value


Percent = Annotated[Number, AfterValidator(_whole_bp)]


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty; write something")
    return value


def _sourced(value: str) -> str:
    if len(value.strip()) < SOURCE_SHORTEST:
        raise ValueError("must say where the numbers come from; name the source, or the assumption")
    return value


def _named(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        raise ValueError(
            "must be at most 64 letters, digits, dots, dashes and underscores, and begin with a letter or digit; rename it")
    return value


SOURCE_SHORTEST = 3
Text = Annotated[str, AfterValidator(_said)]
Source = Annotated[str, AfterValidator(_sourced)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False)


class Crash(_Block):
    """A fall of the market factor, exactly (M-9)."""

    index: Literal["market"]
    definition: Literal["terminal"]
    depth_pct: Percent = Field(gt=0, le=95)
    trough_day: Whole = Field(ge=1)
    shape: Literal["gap", "ramp", "bridge"]
    after: Literal["free", "flat"]
    source: Source


class MarketBlock(_Block):
    """The law of the market factor and its crash; without ``model`` the market file's law holds."""

    model: Model | None = None
    volatility_multiplier: Number = Field(default=1.0, gt=0, le=10)
    crash: Crash | None = None


class Rates(_Block):
    """A parallel rise of rates on a day, in percent (M-11)."""

    shock_pct: Percent = Field(ge=-20, le=30)
    day: Whole = Field(ge=1)
    source: Source


class Redemption(_Block):
    """Clients ask for a share of all redeemable claims (M-16)."""

    share_pct: Percent = Field(gt=0, le=100)
    who: Literal["top_clients", "pro_rata"]
    start_day: Whole = Field(ge=1)
    over_days: Whole = Field(ge=1)
    source: Source


class Liquidity(_Block):
    """What the market takes and how prices answer (M-15, M-24)."""

    impact: Literal["sqrt", "linear", "none"]
    impact_coefficient: Number = Field(gt=0, le=100)
    participation_pct: Percent = Field(ge=0, le=100)
    permanent_share_pct: Percent = Field(ge=0, le=100)
    half_life_days: Number = Field(gt=0, le=1000)
    expected_impact_pct: Percent = Field(ge=0, le=50)
    rounds_max: Whole = Field(ge=1, le=1000)
    pool_haircut_pct: Percent = Field(ge=0, lt=100)
    source: Source


class Answers(_Block):
    """The probability that a client of each type answers a call."""

    retail: Percent = Field(ge=0, le=100)
    professional: Percent = Field(ge=0, le=100)
    institution: Percent = Field(ge=0, le=100)


class Behaviour(_Block):
    """How clients answer margin calls (M-20)."""

    grace_days: Whole = Field(ge=0, le=60)
    answer_pct: Answers
    mood_pct: Percent = Field(ge=0, le=1000)
    source: Source


class Operations(_Block):
    """How long an unpaid redemption is borne, and what happens to the loans of a failed platform (M-28)."""

    payment_grace_days: Whole = Field(ge=0, le=60)
    after_failure: Literal["held", "called"]
    source: Source | None = None


class Scenario(_Block):
    """One scenario, complete: every value that changes a result stands in it."""

    id: Annotated[str, AfterValidator(_named)]
    title: Text
    title_zh: Text
    purpose: Text
    purpose_zh: str = ""
    days: Whole = Field(ge=1, le=504)
    market: MarketBlock = MarketBlock()
    rates: Rates | None = None
    redemption: Redemption | None = None
    liquidity: Liquidity
    behaviour: Behaviour
    operations: Operations

    @model_validator(mode="after")
    def _inside_the_run(self) -> Scenario:
        late = _late_days(self.model_dump())
        if late:
            raise ValidationError.from_exception_data("Scenario", late)
        return self


#: Days that must lie inside the run, by their keys.
_DAYS = (("market", "crash", "trough_day"), ("rates", "day"), ("redemption", "start_day"))


def _late_days(written: Any) -> list[InitErrorDetails]:
    """The days that lie after the last day of the run."""
    last = written.get("days")
    late = []
    for keys in _DAYS:
        day = written
        for key in keys:
            day = day.get(key) if isinstance(day, dict) else None
        if type(day) is int and type(last) is int and day > last:
            said = PydanticCustomError("late_day", f"lies after the last day of the run, day {last}; make it earlier, or days larger")
            late.append(InitErrorDetails(type=said, loc=keys, input=day))
    return late


def read_scenario(path: Path | str) -> Scenario:
    """The scenario in a file, or shipped under that name; raises :class:`InputError` with every fault."""
    path = Path(path)
    if not path.suffix and not path.exists():
        shipped = sorted(p.stem for p in shipped_folder().glob("*.toml"))
        if str(path) not in shipped:
            raise InputError([Fault(str(path), "is neither a file nor a shipped scenario", nearest(path.name, shipped))])
        path = shipped_folder() / f"{path}.toml"
    written = read_toml(path)
    try:
        return Scenario.model_validate(written)
    except ValidationError as error:
        # Days are compared even where other values are wrong, so that all faults show at once.
        late = ValidationError.from_exception_data("Scenario", _late_days(written))
        raise InputError(toml_faults(str(path), error, Scenario) + toml_faults(str(path), late, Scenario)) from error


def read_scenarios(given: Sequence[Scenario | Path | str]) -> tuple[list[Scenario], list[Fault]]:
    """Several scenarios as far as they can be read, and the faults of all files; two of one id are a fault."""
    faults: list[Fault] = []
    read: list[Scenario] = []
    for one in given:
        try:
            read.append(one if isinstance(one, Scenario) else read_scenario(one))
        except InputError as error:
            faults += error.faults
    ids = [s.id for s in read]
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        faults.append(Fault("scenarios", "two scenarios have this id", "give each its own", None, "id", twice))
    return read, faults


def shipped_folder() -> Path:
    """The folder of the scenarios that ship with the package."""
    inside = Path(__file__).parent / "scenarios"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "scenarios"


def resolved(scenario: Scenario) -> dict[str, Any]:
    """Everything that a scenario says, defaults written out: reading it again gives the same scenario."""
    return scenario.model_dump(mode="json")
