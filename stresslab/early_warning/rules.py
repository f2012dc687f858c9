"""Composite rules as data: comparisons of indicators, how many must hold, the grade that they raise and the action with it (M-168)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stresslab import intake
from stresslab.early_warning.indicators import SPECS
from stresslab.faults import Fault, InputError, nearest, plain_rule

F64 = NDArray[np.float64]
GRADES = ("none", "yellow", "orange", "red")
SHIPPED = Path(__file__).parent / "rule.toml"
_CONDITION = re.compile(r"^\s*([\w:.]+)\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*%?\s*$")


class Alarm(BaseModel):
    """One grade: its conditions, how many of them must hold, and what is done."""

    model_config = ConfigDict(extra="forbid")

    grade: Literal["yellow", "orange", "red"]
    action: str = Field(min_length=1)
    action_zh: str = ""
    when: list[str] = Field(min_length=1)
    need: int | None = Field(default=None, ge=1)


class Rule(BaseModel):
    """A composite rule; ``alarm_from`` is the lowest grade that counts as an alarm when it is scored."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1)
    title: str = ""
    title_zh: str = ""
    alarm_from: Literal["yellow", "orange", "red"] = "orange"
    source: str = ""
    alarm: list[Alarm] = Field(min_length=1)

    def grades(self, values: Mapping[str, F64], days: int) -> NDArray[np.int64]:
        """The grade of each day, 0 (none) to 3 (red); a condition on what is missing does not hold."""
        out = np.zeros(days, np.int64)
        for alarm in self.alarm:
            held = sum(
                ((condition.holds(values, days)).astype(np.int64) for condition in map(condition_of, alarm.when)),
                np.zeros(days, np.int64),
            )
            raised = held >= (alarm.need or len(alarm.when))
            out = np.where(raised, np.maximum(out, GRADES.index(alarm.grade)), out)
        return out

    def reads(self) -> list[str]:
        """The indicators that the rule names, in its order."""
        return list(dict.fromkeys(condition_of(text).indicator for alarm in self.alarm for text in alarm.when))

    def action(self, grade: int) -> tuple[str, str]:
        """What is done at a grade, in English and Chinese."""
        found = [(a.action, a.action_zh or a.action) for a in self.alarm if GRADES.index(a.grade) == grade]
        return found[0] if found else ("", "")


@dataclass(frozen=True)
class Condition:
    """One comparison of an indicator with a number."""

    indicator: str
    sign: str
    bound: float

    def holds(self, values: Mapping[str, F64], days: int) -> NDArray[np.bool_]:
        """On which days it holds."""
        x = values.get(self.indicator)
        if x is None:
            return np.zeros(days, bool)
        with np.errstate(invalid="ignore"):
            made = {"<=": x <= self.bound, ">=": x >= self.bound, "<": x < self.bound, ">": x > self.bound}[self.sign]
        return np.asarray(made & np.isfinite(x), bool)


def condition_of(text: str) -> Condition:
    """A condition as it is written, ``volatility_20 >= 30``."""
    found = _CONDITION.match(text)
    if found is None:
        raise ValueError(text)
    return Condition(found[1], found[2], float(found[3]))


def read_rule(path: Path | str | None, others: Sequence[str] = (), only: Sequence[str] | None = None) -> Rule:
    """A rule file (None: the shipped one); ``others`` are indicators of this history beside the named ones, ``only`` are all there are.

    Raises :class:`InputError` with every fault: keys, conditions that do not parse, indicators that nobody knows. A known indicator
    that this history has no data for is no fault: its condition never holds.
    """
    place = SHIPPED if path is None else Path(path)
    try:
        rule = Rule.model_validate(intake.toml(intake.written(place)))
    except OSError as error:
        raise InputError(
            [Fault(str(place), f"cannot be read ({error.strerror})", "give the path of a rule file")]
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            [Fault(place.name, f"is no TOML ({error})", "correct it; stresslab/early_warning/rule.toml is one")]
        ) from error
    except ValidationError as error:
        raise InputError(_faults(place.name, error)) from error
    known = [*(spec.name for spec in SPECS), "sentiment", *others] if only is None else list(only)
    faults = []
    for number, alarm in enumerate(rule.alarm):
        where = f"alarm.{number}.when"
        for text in alarm.when:
            found = _CONDITION.match(text)
            if found is None:
                faults.append(
                    Fault(place.name, "is no comparison", "write it as 'volatility_20 >= 30'", None, where, text)
                )
            elif found[1] not in known:
                faults.append(Fault(place.name, "names no indicator", nearest(found[1], known), None, where, text))
        if alarm.need is not None and alarm.need > len(alarm.when):
            faults.append(
                Fault(
                    place.name,
                    f"more conditions are needed than the {len(alarm.when)} there are",
                    "lower it",
                    None,
                    f"alarm.{number}.need",
                    str(alarm.need),
                )
            )
    if faults:
        raise InputError(faults)
    return rule


def _faults(name: str, error: ValidationError) -> list[Fault]:
    found = []
    for one in error.errors():
        rule, way_out = plain_rule(one)
        value = one.get("input")
        shown = None if isinstance(value, dict | list) else str(value)
        found.append(Fault(name, rule, way_out, None, ".".join(map(str, one["loc"])), shown))
    return found
