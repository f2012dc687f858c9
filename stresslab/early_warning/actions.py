"""What is done on an alarm: its value on dated events (M-188, M-266), and the response of a scenario that it sets off (M-267)."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stresslab import intake
from stresslab.early_warning import scores
from stresslab.early_warning.backtest import Backtest, Course
from stresslab.early_warning.judged import events_in
from stresslab.early_warning.rules import GRADES
from stresslab.faults import Fault, InputError, plain_rule
from stresslab.scenario import Response, response_misfits

COLUMNS = ("window", "model", "events", "met", "days_in_force", "net", "saved", "cost", "always", "perfect", "relative", "saving")
#: On a history nobody can measure what an action would have saved: the shares come from its file.
ASSUMED = "assumed"
#: A response that is read at the close of a day acts before the open of the next; days of a scenario are numbered to this one.
LAST_DAY = 504


class Acting(BaseModel):
    """An action with its prices: the fields of ``scores.Action``, and the [response] of a scenario without ``when``."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1)
    title: str = ""
    title_zh: str = ""
    source: str = Field(min_length=1)
    lead_days: list[int] = Field(min_length=1)
    saved: list[float] = Field(min_length=1)
    cost_to_start: float = Field(ge=0)
    cost_a_day: float = Field(ge=0)
    hold: int = Field(default=1, ge=1)
    response: dict[str, Any] | None = None

    def priced(self) -> scores.Action:
        """As the value of an action reads it."""
        return scores.Action(tuple(self.lead_days), tuple(self.saved), self.cost_to_start, self.cost_a_day, self.hold)


def read_action(path: Path | str) -> Acting:
    """An action file; raises :class:`InputError` with every fault of it, those of its response too."""
    place = Path(path)
    try:
        said = intake.toml(intake.written(place))
        found = Acting.model_validate(said)
    except OSError as error:
        raise InputError([Fault(str(place), f"cannot be read ({error.strerror})", "give the path of an action file")]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        way_out = "correct it; docs/how-to/backtest-your-own-rule.md has one"
        raise InputError([Fault(place.name, f"is no TOML ({error})", way_out)]) from error
    except ValidationError as error:
        raise InputError([_fault(place.name, one) for one in error.errors()]) from error
    faults = []
    lead, saved = found.lead_days, found.saved
    if lead[0] != 0 or any(b <= a for a, b in pairwise(lead)):
        faults.append(Fault(place.name, "rise from 0", "write them as [0, 5, 20]", None, "lead_days", str(lead)))
    if len(saved) != len(lead) or not all(0 <= one <= 1 for one in saved):
        faults.append(Fault(place.name, "has a share from 0 to 1 for each of lead_days", "write as many", None, "saved", str(saved)))
    if found.response is not None:
        if "when" in found.response:
            rule = "is the alarm itself here"
            faults.append(Fault(place.name, rule, "leave it away", None, "response.when", str(found.response["when"])))
        else:
            faults += _response_faults(_armed(found, 1), place.name)
    if faults:
        raise InputError(faults)
    return found


def _fault(name: str, one: Any) -> Fault:
    rule, way_out = plain_rule(one)
    value = one.get("input")
    return Fault(name, rule, way_out, None, ".".join(map(str, one["loc"])), None if isinstance(value, dict | list) else str(value))


def _response_faults(said: dict[str, Any], name: str) -> list[Fault]:
    """What a scenario would say of the response."""
    try:
        Response.model_validate(said)
    except ValidationError as error:
        found = [_fault(name, one) for one in error.errors()]
        return [Fault(f.file, f.rule, f.way_out, None, f"response.{f.column}", f.value) for f in found]
    told = []
    for keys, rule, value in response_misfits(said, ("response",), None):
        what, _, way_out = rule.partition("; ")
        told.append(Fault(name, what, way_out, None, ".".join(map(str, keys)), None if value is None else str(value)))
    return told


def _armed(acting: Acting, day: int) -> dict[str, Any]:
    return {"when": "day", "at_least": day, **(acting.response or {}), "source": (acting.response or {}).get("source", acting.source)}


def actions_table(found: Backtest, acting: Acting) -> pd.DataFrame:
    """For every window and model what its alarms were worth with the action attached, in losses of one event (M-188)."""
    priced = acting.priced()
    rows = []
    for window, days in found.windows().items():
        starts = np.array([int(found.known.days.searchsorted(found.events[k].start)) for k in events_in(found, days)], np.int64)
        for course in found.courses:
            worth = scores.value_of_action(course.alarm & days, starts, priced, judged=days)
            in_force = scores.days_in_force(course.alarm & days, priced, days)
            rows.append((
                window, course.model.name, starts.size, int((worth.lead_days > 0).sum()), int(in_force.sum()), worth.net, worth.saved,
                worth.cost, worth.always, worth.perfect, worth.relative, ASSUMED))
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True)
class Trigger:
    """The response that a model's alarm sets off in a scenario that starts on an evening."""

    model: str
    rose: str
    day: int
    response: dict[str, Any]

    @property
    def text(self) -> str:
        """As it is written in a scenario file."""
        lines = [f"# {self.model}: the alarm stood on the evening of {self.rose}", "[[response]]"]
        return "\n".join([*lines, *(f"{key} = {_written(value)}" for key, value in self.response.items())]) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_written(one) for one in value) + "]"
    return str(value)


def triggers_of(found: Backtest, acting: Acting, evening: str) -> list[Trigger]:
    """For each model with an alarm on the evening that a scenario starts on, or up to 504 trading days later, its response (M-267).

    The scenario's day 1 is the trading day after the evening. A response is read at the close of a day and acts before the next
    open, so an alarm that stands on the evening itself acts on day 2, the first day on which any response can.
    """
    if acting.response is None:
        return []
    days = found.known.days
    at = int(days.searchsorted(pd.Timestamp(evening), side="right")) - 1
    told = []
    for course in found.courses:
        if course.model.naive and course.model.name != "volatility":
            continue
        stood = np.flatnonzero(_alarm(found, course)[at : at + LAST_DAY + 1])
        if stood.size:
            day = max(1, int(stood[0]))
            told.append(Trigger(course.model.name, str(days[at + int(stood[0])].date()), day, _armed(acting, day)))
    return told


def _alarm(found: Backtest, course: Course) -> np.ndarray:
    if course.grade is None:
        return course.alarm
    return np.asarray(course.grade >= GRADES.index(found.rules[course.model.name].alarm_from))


def triggers_table(triggers: list[Trigger]) -> pd.DataFrame:
    """Model, the evening of its alarm, the day of the scenario, and the action."""
    rows = [(t.model, t.rose, t.day, str(t.response.get("do", ""))) for t in triggers]
    return pd.DataFrame(rows, columns=["model", "rose", "day", "do"])


# --- holes ----------------------------------------------------------------------------------------

#: A hole of fewer evenings is not told; a value stands five trading days longer than it was said before one begins.
HOLE_LEAST = 5


def holes_table(found: Backtest) -> pd.DataFrame:
    """Every run of five evenings or more on which an indicator that had been known was not: its evenings, and whom it silences (M-268).

    ``before_events`` and ``in_events`` count its days that lie in the horizon before an event or inside one; ``rules`` are the rules
    that read it; ``last_known`` is the value before.
    """
    days = found.known.days
    inside, before = np.zeros(len(days), bool), np.zeros(len(days), bool)
    for event in found.events:
        start, end = int(days.searchsorted(event.start)), int(days.searchsorted(event.end, side="right"))
        inside[start:end] = True
        before[max(0, start - found.settings.horizon) : start] = True
    rows = []
    for one in found.indicators:
        x = one.values.to_numpy(float)
        known = np.flatnonzero(np.isfinite(x))
        if not known.size:
            continue
        edges = np.append(known, len(days))
        for a, b in pairwise(edges):
            if b - a - 1 < HOLE_LEAST:
                continue
            hole = slice(int(a) + 1, int(b))
            read = ", ".join(name for name, rule in found.rules.items() if one.name in rule.reads())
            rows.append((
                one.name, one.en, one.zh, str(days[a + 1].date()), str(days[b - 1].date()), int(b - a - 1), bool(b == len(days)),
                int(before[hole].sum()), int(inside[hole].sum()), float(x[a]), read))
    columns = ["indicator", "en", "zh", "from", "to", "days", "to_the_end", "before_events", "in_events", "last_known", "rules"]
    return pd.DataFrame(rows, columns=columns).assign(last_known=lambda t: t["last_known"].astype(float).replace(math.inf, math.nan))
