"""A scenario: what we suppose. One TOML file, refused with every fault at once (``docs/method.md``, sections 3 to 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from stresslab.faults import Fault, InputError
from stresslab.market.files import Model, read_toml, toml_faults


def _whole_bp(value: float) -> float:
    if round(value * 100) / 100 != value:
        raise ValueError("must be a whole multiple of 0.01%; round it, so that nothing is lost here")
    return value


Percent = Annotated[float, AfterValidator(_whole_bp)]
Source = Annotated[str, Field(min_length=3)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False)


class Crash(_Block):
    """A fall of the market factor, exactly (M-9)."""

    index: Literal["market"]
    definition: Literal["terminal"]
    depth_pct: Percent = Field(gt=0, le=95)
    trough_day: int = Field(ge=1)
    shape: Literal["gap", "ramp", "bridge"]
    after: Literal["free", "flat"]
    source: Source


class MarketBlock(_Block):
    """The law of the market factor and its crash; without ``model`` the market file's law holds."""

    model: Model | None = None
    volatility_multiplier: float = Field(default=1.0, gt=0, le=10)
    crash: Crash | None = None


class Rates(_Block):
    """A parallel rise of rates on a day, in percent (M-11)."""

    shock_pct: Percent = Field(ge=-20, le=30)
    day: int = Field(ge=1)
    source: Source


class Redemption(_Block):
    """Clients ask for a share of all redeemable claims (M-16)."""

    share_pct: Percent = Field(gt=0, le=100)
    who: Literal["top_clients", "pro_rata"]
    start_day: int = Field(ge=1)
    over_days: int = Field(ge=1)
    source: Source


class Liquidity(_Block):
    """What the market takes and how prices answer (M-15, M-24)."""

    impact: Literal["sqrt", "linear", "none"]
    impact_coefficient: float = Field(gt=0, le=100)
    participation_pct: Percent = Field(ge=0, le=100)
    permanent_share_pct: Percent = Field(ge=0, le=100)
    half_life_days: float = Field(gt=0, le=1000)
    expected_impact_pct: Percent = Field(ge=0, le=50)
    rounds_max: int = Field(ge=1, le=1000)
    pool_haircut_pct: Percent = Field(ge=0, lt=100)
    source: Source


class Answers(_Block):
    """The probability that a client of each type answers a call."""

    retail: Percent = Field(ge=0, le=100)
    professional: Percent = Field(ge=0, le=100)
    institution: Percent = Field(ge=0, le=100)


class Behaviour(_Block):
    """How clients answer margin calls (M-20)."""

    grace_days: int = Field(ge=0, le=60)
    answer_pct: Answers
    mood_pct: Percent = Field(ge=0, le=1000)
    source: Source


class Operations(_Block):
    """How long an unpaid redemption is borne, and what happens to the loans of a failed platform (M-28)."""

    payment_grace_days: int = Field(ge=0, le=60)
    after_failure: Literal["held", "called"]


class Scenario(_Block):
    """One scenario, complete: every value that changes a result stands in it."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    title: str = Field(min_length=1)
    title_zh: str = Field(min_length=1)
    purpose: str = Field(min_length=1)
    purpose_zh: str = ""
    days: int = Field(ge=1, le=504)
    market: MarketBlock = MarketBlock()
    rates: Rates | None = None
    redemption: Redemption | None = None
    liquidity: Liquidity
    behaviour: Behaviour
    operations: Operations

    @model_validator(mode="after")
    def _inside_the_run(self) -> Scenario:
        crash, rates, redemption = self.market.crash, self.rates, self.redemption
        for name, day in (
            ("market.crash.trough_day", crash.trough_day if crash else 1),
            ("rates.day", rates.day if rates else 1),
            ("redemption.start_day", redemption.start_day if redemption else 1),
        ):
            if day > self.days:
                raise ValueError(f"{name} {day} lies after the last day {self.days}; make the run longer or the day earlier")
        return self


def read_scenario(path: Path | str) -> Scenario:
    """The scenario in a file, or shipped under that name; raises :class:`InputError` with every fault."""
    path = Path(path)
    if not path.suffix and not path.exists():
        path = shipped_folder() / f"{path}.toml"
        if not path.is_file():
            names = ", ".join(p.stem for p in sorted(shipped_folder().glob("*.toml")))
            raise InputError([Fault(path.stem, "is neither a file nor a shipped scenario", f"shipped are {names}")])
    written = read_toml(path)
    try:
        return Scenario.model_validate(written)
    except ValidationError as error:
        raise InputError(toml_faults(path.name, error, Scenario)) from error


def read_scenarios(paths: list[Path | str]) -> list[Scenario]:
    """Several scenarios, with the faults of all files at once; two of one id are refused."""
    faults: list[Fault] = []
    read: list[Scenario] = []
    for path in paths:
        try:
            read.append(read_scenario(path))
        except InputError as error:
            faults += error.faults
    ids = [s.id for s in read]
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        faults.append(Fault("scenarios", "two scenarios have this id", "give each its own", None, "id", twice))
    if faults:
        raise InputError(faults)
    return read


def shipped_folder() -> Path:
    """The folder of the scenarios that ship with the package."""
    inside = Path(__file__).parent / "scenarios"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "scenarios"


def resolved(scenario: Scenario) -> dict[str, Any]:
    """Everything that a scenario says, defaults written out: reading it again gives the same scenario."""
    return scenario.model_dump(mode="json")
