"""What makes a funder take money back: the grammar of ``recall_trigger``, its meaning, and when it fires (M-102)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

#: What a clause may watch, in the order in which clauses are told.
Measure = Literal["market_fall", "rating", "own_funds", "coverage"]
MEASURES: tuple[Measure, ...] = ("market_fall", "rating", "own_funds", "coverage")
#: Grades from the best to the worst (M-42).
GRADES = ("AAA", "AA", "A", "B")

_WORDS: dict[str, Measure] = {
    "market fall": "market_fall", "市场跌幅": "market_fall", "市场下跌": "market_fall", "rating": "rating", "评级": "rating",
    "own funds": "own_funds", "自有资金": "own_funds", "coverage": "coverage", "保证金覆盖率": "coverage", "覆盖率": "coverage",
}
_CLAUSE = re.compile(
    r"\s*(?P<word>" + "|".join(re.escape(w).replace(r"\ ", r"\s+") for w in sorted(_WORDS, key=len, reverse=True)) + r")\s*"
    r"(?P<sign>>=|≥|<|below|低于|达到)\s*(?P<value>.+?)\s*", re.IGNORECASE)
_OR = re.compile(r"\s+or\s+|\s*或\s*", re.IGNORECASE)
_NUMBER = re.compile(r"(?P<digits>[0-9]{1,12}(?:\.[0-9]{1,3})?)\s*(?P<unit>%|yuan|元)?", re.IGNORECASE)
#: The way out of every fault of a trigger.
WAY_OUT = "write it like: market fall >= 20% or rating < A or own funds < 5% or coverage < 95%"


@dataclass(frozen=True, order=True)
class Trigger:
    """One clause. ``threshold`` is in bp (falls, coverage, own funds of loans), 厘 (own funds) or a place in ``GRADES``."""

    measure: Measure
    threshold: int
    unit: Literal["bp", "li", "grade"] = "bp"

    def __str__(self) -> str:
        """The clause as :func:`parse_trigger` reads it."""
        sign = ">=" if self.measure == "market_fall" else "<"
        return f"{self.measure.replace('_', ' ')} {sign} {self.shown}"

    @property
    def shown(self) -> str:
        """The threshold as people write it."""
        if self.unit == "grade":
            return GRADES[self.threshold]
        value = Decimal(self.threshold) / (100 if self.unit == "bp" else 1000)
        text = f"{value:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return f"{text}%" if self.unit == "bp" else f"{text} yuan"

    def met(self, state: State) -> bool:
        """Whether it fires; what the state does not say fires nothing."""
        if self.measure == "market_fall":
            return state.market_fall_bp is not None and state.market_fall_bp >= self.threshold
        if self.measure == "rating":
            return state.rating in GRADES and GRADES.index(state.rating) > self.threshold
        if self.measure == "coverage":
            return state.coverage_bp is not None and state.coverage_bp < self.threshold
        if state.own_funds_li is None:
            return False
        if self.unit == "li":
            return state.own_funds_li < self.threshold
        return state.loans_li is not None and state.own_funds_li * 10_000 < self.threshold * state.loans_li


@dataclass(frozen=True)
class State:
    """What clauses look at, of one platform; None where it is not known."""

    market_fall_bp: int | None = None
    rating: str | None = None
    own_funds_li: int | None = None
    loans_li: int | None = None
    coverage_bp: int | None = None


def parse_trigger(text: str) -> tuple[Trigger, ...]:
    """The clauses of a recall trigger, any of which fires it; raises :class:`ValueError` with the rule that the text breaks.

    ``clause or clause …``: ``market fall >= 20%``, ``rating < A``, ``own funds < 5%`` (of loans) or ``own funds < 9000000 yuan``,
    ``coverage < 95%`` (margin coverage, M-32); in Chinese 市场跌幅 >= 20% 或 评级 < A 或 自有资金 < 5% 或 覆盖率 < 95%.
    """
    return tuple(sorted({_clause(part) for part in _OR.split(text.strip())}))


def _clause(text: str) -> Trigger:
    found = _CLAUSE.fullmatch(text)
    if found is None:
        raise ValueError(f"the clause {text.strip()!r} is not known: market fall, rating, own funds or coverage with >= or <")
    measure = _WORDS[re.sub(r"\s+", " ", found["word"].lower())]
    rising = found["sign"] in (">=", "≥", "达到")
    if rising != (measure == "market_fall"):
        raise ValueError(f"the clause {text.strip()!r} would fire in good times: a market fall takes >=, all else takes <")
    if measure == "rating":
        grade = found["value"].upper()
        if grade not in GRADES[:-1]:
            raise ValueError(f"the clause {text.strip()!r} needs one of the grades AAA, AA and A, below which it fires")
        return Trigger(measure, GRADES.index(grade), "grade")
    number = _NUMBER.fullmatch(found["value"])
    if number is None:
        raise ValueError(f"the clause {text.strip()!r} needs a number with % behind it, or yuan for own funds")
    digits, unit = Decimal(number["digits"]), number["unit"]
    if unit == "%":
        bp = digits * 100
        if bp != int(bp) or not 0 < bp <= 10_000:
            raise ValueError(f"the clause {text.strip()!r} needs a percentage above 0 and up to 100, with at most two decimals")
        return Trigger(measure, int(bp))
    if measure != "own_funds" or unit is None:
        raise ValueError(f"the clause {text.strip()!r} needs its unit: %, or yuan for own funds")
    return Trigger(measure, int(digits * 1000), "li")
