"""A limits file: what a platform and its accounts may do, and the traffic light of a figure (M-121).

Facts stand in the book rooms, which compute exact figures; this room reads the limits that a regulator or a platform
may replace, and says green, amber or red. Numbers are exact decimals, comparisons are of fractions.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
)

from stresslab import intake
from stresslab.contract import risk_fee
from stresslab.faults import Fault, InputError, nearest, plain_rule
from stresslab.leverage import Budget

Light = Literal["green", "amber", "red"]
#: Figures of a platform that a limit may name, with what they are (M-118 to M-121).
FIGURES = (
    "cash_coverage_7d_pct", "cash_coverage_30d_pct", "net_outflow_pct", "lcr_pct", "liquid_pool_pct", "survival_days",
    "top1_client_pct", "top3_client_pct", "top5_client_pct", "client_hhi_pct", "top1_funder_pct", "funder_hhi_pct",
    "top1_instrument_pct", "top5_instrument_pct", "top1_sector_pct", "sector_hhi_pct", "capital_ratio_pct",
    "foreign_buffer_pct", "high_leverage_pct",
)
FEE_KINDS = ("leverage_increases_90d", "turnover_90d")
_WAY_OUT = "start from stresslab/limits.toml, which shows every key"


Number = Annotated[Decimal, BeforeValidator(intake.decimal), Field(ge=0, le=1_000_000)]
Percent = Annotated[Decimal, BeforeValidator(intake.decimal), Field(ge=0, le=100)]
Lever = Annotated[Decimal, BeforeValidator(intake.decimal), Field(ge=1, le=100)]
Text = Annotated[StrictStr, Field(min_length=1)]
Days = Annotated[StrictInt, Field(ge=0, le=36_500)]


class _Part(BaseModel):
    """A table of the limits file; a key that it does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RunOff(_Part):
    """Which part of money that can leave within 30 days is supposed to leave, percent."""

    free_cash: Percent
    investor: Percent
    foreign: Percent
    funding: Percent
    source: Text


class Assumptions(_Part):
    """What figures of liquidity and capital suppose."""

    pool_haircut_pct: Percent
    pool_haircut_source: Text
    loan_call_days: Days
    loan_call_source: Text
    loan_inflow_pct: Percent
    loan_inflow_source: Text
    inflow_cap_pct: Percent
    inflow_cap_source: Text
    risk_weight_pct: Number
    risk_weight_source: Text
    high_leverage: Lever
    high_leverage_source: Text
    run_off_pct: RunOff


class Limit(_Part):
    """A limit on one figure, with the values from which it is amber and red."""

    name: Text
    en: Text
    zh: Text
    side: Literal["at_least", "at_most"]
    amber: Number
    red: Number
    source: Text

    def light(self, value: Fraction | None) -> Light:
        """The traffic light of a value; None, nothing to cover, is green. A value on the line is inside."""
        if value is None:
            return "green"
        if self.side == "at_least":
            return "red" if value < Fraction(self.red) else "amber" if value < Fraction(self.amber) else "green"
        return "red" if value > Fraction(self.red) else "amber" if value > Fraction(self.amber) else "green"


class LeverageCap(_Part):
    """The highest leverage A / E of an investor type."""

    retail: Lever
    professional: Lever
    institution: Lever
    source: Text


class Required(_Part):
    """The lowest grade that investors need above a leverage."""

    leverage_above: Lever
    retail: Text
    professional: Text
    institution: Text


class Suitability(_Part):
    """Risk grades from the most careful to the boldest, how long an assessment holds, and what a leverage needs."""

    grades: Annotated[tuple[Text, ...], Field(min_length=1)]
    valid_days: Days
    source: Text
    required: tuple[Required, ...] = ()


class RiskBudget(_Part):
    """What an account of a type may risk, percent of the client's own money; absent: no limit."""

    order_pct: Number | None = None
    daily_loss_pct: Number | None = None
    stop_loss_pct: Number | None = None

    @property
    def budget(self) -> Budget:
        """The budget in pure numbers."""
        parts = (None if v is None else Fraction(v) / 100 for v in (self.order_pct, self.daily_loss_pct, self.stop_loss_pct))
        return Budget(*parts)


class RiskBudgets(_Part):
    """The risk budget of each investor type."""

    retail: RiskBudget = RiskBudget()
    professional: RiskBudget = RiskBudget()
    institution: RiskBudget = RiskBudget()


class RiskFee(_Part):
    """Steps of an addition to the loan rate for behaviour: [from, percent a year]."""

    of: Literal["leverage_increases_90d", "turnover_90d"]
    steps: Annotated[tuple[tuple[Number, Percent], ...], Field(min_length=1)]
    source: Text


class Limits(_Part):
    """A limits file."""

    title: Text
    title_zh: Text
    provisional: StrictBool
    assumptions: Assumptions
    limits: Annotated[tuple[Limit, ...], Field(min_length=1)]
    leverage_cap: LeverageCap
    suitability: Suitability
    risk_budget: RiskBudgets = RiskBudgets()
    risk_fee: tuple[RiskFee, ...] = ()
    _digest: str = PrivateAttr(default="")

    @property
    def digest(self) -> str:
        """The SHA-256 of the file."""
        return self._digest

    def fee(self, increases: int, turnover_li: int, collateral_li: int) -> Fraction:
        """The floating risk fee of an account, percent a year, added to its rate (M-112)."""
        turned = Fraction(turnover_li, collateral_li) if collateral_li else Fraction(0)
        values = {"leverage_increases_90d": Fraction(increases), "turnover_90d": turned}
        parts = (risk_fee([(Fraction(x), Fraction(y)) for x, y in one.steps], values[one.of]) for one in self.risk_fee)
        return sum(parts, Fraction(0))

    def grade_needed(self, leverage: Fraction | None, investor_type: str) -> str | None:
        """The lowest risk grade for a leverage; None where no grade is needed. A leverage of None is without equity: the highest."""
        reached = [r for r in self.suitability.required if leverage is None or leverage > Fraction(r.leverage_above)]
        if not reached:
            return None
        return str(getattr(max(reached, key=lambda r: r.leverage_above), investor_type))


def read_limits(path: Path | str | None = None) -> Limits:
    """The limits in a TOML file, by default the provisional ones of stresslab; raises ``InputError`` with every fault."""
    where = Path(path) if path is not None else Path(__file__).with_name("limits.toml")
    try:
        content = intake.written(where)
        raw = intake.toml(content, Decimal)
    except OSError as error:
        rule = f"the file cannot be read: {error.strerror or 'cannot be read'}"
        raise InputError([Fault(where.name, rule, _WAY_OUT)]) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError([Fault(where.name, f"the file is not TOML: {error}", _WAY_OUT)]) from None
    faults: list[Fault] = []
    try:
        limits = Limits.model_validate(raw)
        faults += _rule_faults(where.name, limits)
    except ValidationError as error:
        faults += [_shape_fault(where.name, one) for one in error.errors()]
    if faults:
        raise InputError(faults)
    limits._digest = hashlib.sha256(content).hexdigest()
    return limits


def _key(loc: tuple[str | int, ...]) -> str:
    key = ""
    for part in loc:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if key else part
    return key


def _shape_fault(file: str, error: Any) -> Fault:
    loc = error["loc"]
    if error["type"] == "missing":
        return Fault(file, "the key is missing", f"add it; {_WAY_OUT}", column=_key(loc))
    if error["type"] == "extra_forbidden":
        return Fault(file, "the key is not known", _WAY_OUT, column=_key(loc), value=str(error["input"]))
    return Fault(file, *plain_rule(error), column=_key(loc), value=str(error["input"]))


def _rule_faults(file: str, limits: Limits) -> Iterator[Fault]:
    """Faults between values."""
    seen: set[str] = set()
    for at, one in enumerate(limits.limits):
        place = _key(("limits", at))
        if one.name not in FIGURES:
            yield Fault(file, "stresslab does not compute this figure", nearest(one.name, FIGURES), column=f"{place}.name", value=one.name)
        if one.name in seen:
            yield Fault(file, "every figure has one limit", "remove one of them", column=f"{place}.name", value=one.name)
        seen.add(one.name)
        if (one.amber < one.red) if one.side == "at_least" else (one.amber > one.red):
            rule = "amber comes before red: it must not lie " + ("below" if one.side == "at_least" else "above") + " it"
            yield Fault(file, rule, "swap or correct them", column=f"{place}.amber", value=str(one.amber))
    known = limits.suitability.grades
    if len(set(known)) < len(known):
        yield Fault(file, "every grade stands once", "remove one of them", column="suitability.grades", value=", ".join(known))
    for at, need in enumerate(limits.suitability.required):
        for kind in ("retail", "professional", "institution"):
            if getattr(need, kind) not in known:
                key = f"{_key(('suitability', 'required', at))}.{kind}"
                yield Fault(file, "is no grade of the list", nearest(getattr(need, kind), known), column=key, value=getattr(need, kind))
    for at, fee in enumerate(limits.risk_fee):
        for (left, low), (right, high) in pairwise(fee.steps):
            if right <= left or high < low:
                rule = "the steps rise, and their additions do not fall"
                yield Fault(file, rule, "sort the steps", column=f"{_key(('risk_fee', at))}.steps", value=f"[{right}, {high}]")


def judge(limits: Limits, figures: dict[str, Fraction | None]) -> list[dict[str, Any]]:
    """Every limit with the value of its figure, as decimal text, and its light, in the order of the file (M-121)."""
    return [
        {
            "name": one.name, "en": one.en, "zh": one.zh, "side": one.side, "amber": str(one.amber), "red": str(one.red),
            "value": None if figures[one.name] is None else decimal_text(figures[one.name]),
            "light": one.light(figures[one.name]), "source": one.source,
        }
        for one in limits.limits
    ]


def decimal_text(value: Fraction | None, digits: int = 4) -> str:
    """A fraction as decimal text, rounded half up to so many digits, without needless zeros."""
    if value is None:
        return ""
    scale = 10**digits
    units = (2 * value.numerator * scale + value.denominator) // (2 * value.denominator)
    whole, rest = divmod(abs(units), scale)
    text = f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".")
    return f"-{text}" if units < 0 else text
