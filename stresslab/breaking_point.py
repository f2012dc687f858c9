"""The question turned round: how mild a shock already breaks a platform (M-93 to M-95).

A *goal* says what breaking means (``failure_probability >= 5%``), a *dial* which number of the scenario is turned, from mild to
severe. All points are run on the same paths (common random numbers), so that a step of the dial changes the shock and not the dice.
The simulation itself is handed in: this room turns dials and judges figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, NamedTuple

import pandas as pd
from pydantic import BaseModel, ValidationError

from stresslab.estimate import estimate, figure_names, paired
from stresslab.faults import Fault, InputError, nearest
from stresslab.market.files import toml_faults
from stresslab.scenario import Scenario, resolved
from stresslab.statistics import Z

#: Points of a dial that are always run, and points of the second dial of a frontier.
SCANNED, FRONTIER = 9, 7
#: A dial has at most so many steps; without one of its own, about this many.
STEPS_MOST, STEPS = 100_000, 400
_GOAL = re.compile(r"\s*([a-z0-9_]+)\s*(>=|<=)\s*([-+]?[0-9][0-9_]*(?:\.[0-9]+)?)\s*(%|yuan|days?|accounts?)?\s*")


class Goal(NamedTuple):
    """A figure of the table `estimates`, and the line that it must reach: at least, or at most."""

    measure: str
    statistic: str
    at_least: bool
    line: float
    unit: str

    def __str__(self) -> str:
        """The goal as it is written."""
        line = f"{self.line:,g}{'' if self.unit == '%' else ' '}{self.unit}"
        return f"{self.measure}_{self.statistic} {'>=' if self.at_least else '<='} {line}"

    def met(self, value: float) -> bool:
        """Whether a value reaches the line; a null never does."""
        return value >= self.line if self.at_least else value <= self.line


@dataclass(frozen=True)
class Dial:
    """A number of the scenario that is turned from mild to severe in equal steps."""

    key: str
    mild: Decimal
    severe: Decimal
    steps: int

    def at(self, step: int) -> Decimal:
        """The value after so many steps."""
        return self.mild + (self.severe - self.mild) * step / self.steps


class Point(NamedTuple):
    """One scenario that was run: where each dial stood, and the figure of each platform."""

    settings: tuple[Decimal, ...]
    scenario: str
    figures: dict[str, tuple[float, float, float, float, int]]  # platform → value, error, low, high, paths


class Turn(NamedTuple):
    """A stretch of a dial on which the figure gets milder by more than two errors though the shock gets worse."""

    mild: Decimal
    severe: Decimal
    change: float
    error: float


class Answer(NamedTuple):
    """The mildest setting of the first dial that meets the goal for one platform; None where none does.

    ``low`` is the mildest setting at which the figure's 95% interval still allows the goal, ``high`` the mildest at which all of it
    meets the goal; None where no setting does. ``again`` are the scanned stretches after the answer on which the goal is lost or met anew.
    """

    platform: str
    fixed: Decimal | None  # of the second dial
    setting: Decimal | None
    low: Decimal | None
    high: Decimal | None
    turns: tuple[Turn, ...]
    again: tuple[tuple[Decimal, Decimal], ...]


class Breaking(NamedTuple):
    """What was asked, what was found, and every point that was run."""

    scenario: dict[str, Any]
    goal: Goal
    dials: tuple[Dial, ...]
    answers: tuple[Answer, ...]
    points: tuple[Point, ...]


#: Runs scenarios on the same paths and gives their outcomes, one table for each.
Simulate = Callable[[Sequence[Scenario]], list[pd.DataFrame]]


def read_goal(text: str, option: str = "until") -> Goal:
    """The goal in a text like ``failure_probability >= 5%``, given by an option; raises :class:`InputError` with the nearest figure."""
    known = {f"{measure}_{statistic}": (measure, statistic, unit) for measure, statistic, unit in figure_names()}
    found = _GOAL.fullmatch(text)
    if found is None:
        rule = "is no goal"
        way_out = 'write a figure, >= or <=, a number: "failure_probability >= 5%"'
        raise InputError([Fault("options", rule, way_out, None, option, text)])
    name, sign, number, given = found.groups()
    if name not in known:
        raise InputError([Fault("options", "is no figure of a run", nearest(name, list(known)), None, option, name)])
    measure, statistic, unit = known[name]
    if given is not None and given.removesuffix("s") != unit.removesuffix("s"):
        raise InputError([Fault("options", f"is a figure in {unit}", f"write {unit}, or no unit", None, option, text)])
    return Goal(measure, statistic, sign == ">=", float(number.replace("_", "")), unit)


def read_dial(text: str, scenario: Scenario) -> Dial:
    """The dial in a text like ``market.crash.depth_pct`` or ``market.crash.depth_pct=10:60`` or ``...=10:60:0.5`` (mild, severe, step).

    Without a range the bounds of the key's own rule hold, as far as it has both. Raises :class:`InputError`.
    """
    key, _, given = text.partition("=")
    said = Fault("options", "", "", None, "vary", text)
    held, rule = _field(key, scenario)
    parts = given.split(":") if given else []
    try:
        numbers = [Decimal(part) for part in parts]
    except InvalidOperation:
        numbers = []
    if parts and (len(numbers) not in (2, 3) or not all(n.is_finite() for n in numbers)):
        raise InputError([_as(said, "is no range", "write KEY=MILD:SEVERE or KEY=MILD:SEVERE:STEP")])
    whole = isinstance(held, int) and not isinstance(held, bool)
    if not numbers:
        low, high = _bounds(rule)
        if low is None or high is None:
            raise InputError([_as(said, "this key has no bounds of its own", f"say from where to where: {key}=MILD:SEVERE")])
        numbers = [low, high]
    grain = Decimal(1) if whole else Decimal("0.01")
    mild, severe = numbers[:2]
    wide = abs(severe - mild)
    step = abs(numbers[2]) if len(numbers) == 3 else round_step(wide / STEPS, grain)
    if wide == 0 or step == 0 or step > wide or wide / step > STEPS_MOST:
        raise InputError([_as(said, f"needs a range of 1 to {STEPS_MOST} steps", "widen the range or change the step")])
    steps = int(wide / step)
    return Dial(key, mild, mild + (step * steps if severe > mild else -step * steps), steps)


def round_step(least: Decimal, grain: Decimal) -> Decimal:
    """The smallest of 1, 2, 5, 10, 20 … grains that is at least so much."""
    step = grain
    while step < least:
        step *= Decimal("2.5") if step.as_tuple().digits[0] == 2 else 2
    return step.normalize()


def _as(fault: Fault, rule: str, way_out: str) -> Fault:
    return Fault(fault.file, rule, way_out, None, fault.column, fault.value)


def _field(key: str, scenario: Scenario) -> tuple[Any, Any]:
    """The value that a key has in the scenario, and its rule; raises :class:`InputError` unless it is a number."""
    here: Any = scenario
    rule: Any = None
    parts = key.split(".")
    for at, part in enumerate(parts):
        if isinstance(here, tuple) and part.isdecimal() and 1 <= int(part) <= len(here):
            here = here[int(part) - 1]  # one of several tables, counted from 1: response.2.by_pct
            continue
        if not isinstance(here, BaseModel) or part not in type(here).model_fields:
            keys = list(_numbers(scenario, ""))
            raise InputError([Fault("options", "is no number of the scenario", nearest(key, keys), None, "vary", key)])
        rule, here = type(here).model_fields[part], getattr(here, part)
        if here is None:
            where = ".".join(parts[: at + 1])
            way_out = f"start from a scenario that has {where}, or add it"
            raise InputError([Fault("options", f"the scenario {scenario.id} has no {where}", way_out, None, "vary", key)])
    if isinstance(here, bool) or not isinstance(here, int | float):
        raise InputError([Fault("options", "is no number of the scenario", "turn a number", None, "vary", key)])
    return here, rule


def _numbers(block: BaseModel, place: str) -> Iterator[str]:
    for name in type(block).model_fields:
        value = getattr(block, name)
        if isinstance(value, BaseModel):
            yield from _numbers(value, f"{place}{name}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for at, one in enumerate(value, 1):
                yield from _numbers(one, f"{place}{name}.{at}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield place + name


def _bounds(rule: Any) -> tuple[Decimal | None, Decimal | None]:
    """The least and the greatest value that a key's own rule allows, bounds that are left out moved inside by 0.01."""
    low = high = None
    for bound in rule.metadata:
        for name, move in (("ge", 0), ("gt", 1), ("le", 0), ("lt", -1)):
            value = getattr(bound, name, None)
            if value is not None:
                moved = Decimal(str(value)) + move * Decimal("0.01")
                low, high = (moved, high) if name[0] == "g" else (low, moved)
    return low, high


def value_of(key: str, scenario: Scenario) -> int | float:
    """The number that a key has in the scenario; raises :class:`InputError` unless it is one."""
    held: int | float = _field(key, scenario)[0]
    return held


def turned(scenario: Scenario, settings: Sequence[tuple[str, Decimal]]) -> Scenario:
    """The scenario with some of its numbers, by key, on other settings; raises :class:`InputError` if they do not fit together."""
    written = resolved(scenario)
    name = scenario.id
    for key, setting in settings:
        here: Any = written
        *blocks, last = key.split(".")
        for block in blocks:
            here = here[int(block) - 1] if isinstance(here, list | tuple) else here[block]
        here[last] = int(setting) if isinstance(here[last], int) else float(setting)
        name += f"_{key.rpartition('.')[2]}_{setting.normalize():f}"
    plan = written.get("redemption")
    if plan is not None and plan["share_pct"] == 0 and plan["who"] != "nobody":
        # To ask for nothing is not to ask: a scenario says it so, and a dial that starts at 0 gets there.
        written["redemption"] = plan | {"who": "nobody"} if plan["wave"] or plan["foreign"] else None
    written["id"] = re.sub(r"[^A-Za-z0-9._-]", "-", name)[-64:].lstrip("._-")
    try:
        return Scenario.model_validate(written)
    except ValidationError as error:
        raise InputError(toml_faults(f"scenario {scenario.id}", error, Scenario)) from error


def break_it(
    scenario: Scenario, goal: Goal, dials: Sequence[Dial], simulate: Simulate, platforms: Sequence[str], *,
    scanned: int = SCANNED, frontier: int = FRONTIER,
) -> Breaking:
    """The mildest settings that meet the goal, by platform; with two dials, of the first for several settings of the second.

    The dial is scanned at ``scanned`` points, then halved where the goal is first met (M-93), and again for both ends of the
    interval (M-94). A scan sees turns and second crossings that are wider than its stretches, no others.
    """
    table = _Table(scenario, goal, tuple(dials), simulate)
    fixed: list[int | None] = [None]
    if len(dials) == 2:
        last = dials[1].steps
        fixed = sorted({round(i * last / (frontier - 1)) for i in range(frontier)})  # type: ignore[assignment]
    for second in fixed:  # a scan may be run at once, halving may not
        table.run([(first, second) for first in _scan(dials[0], scanned)])
    answers = [_answer(table, platform, second, scanned) for platform in platforms for second in fixed]
    points = tuple(table.points[key] for key in sorted(table.points, key=_order))
    return Breaking(resolved(scenario), goal, tuple(dials), tuple(answers), points)


def _order(key: tuple[int, int | None]) -> tuple[int, int]:
    return (-1 if key[1] is None else key[1]), key[0]


def _scan(dial: Dial, scanned: int) -> list[int]:
    return sorted({round(i * dial.steps / (scanned - 1)) for i in range(scanned)})


class _Table:
    """The points that were run so far, by the steps of both dials, with their outcomes."""

    def __init__(self, scenario: Scenario, goal: Goal, dials: tuple[Dial, ...], simulate: Simulate) -> None:
        self.scenario, self.goal, self.dials, self.simulate = scenario, goal, dials, simulate
        self.points: dict[tuple[int, int | None], Point] = {}
        self.outcomes: dict[str, pd.DataFrame] = {}

    def run(self, wanted: Sequence[tuple[int, int | None]]) -> None:
        """Run the points that are not there yet."""
        missing = [key for key in dict.fromkeys(wanted) if key not in self.points]
        names = [dial.key for dial in self.dials]
        scenarios = [turned(self.scenario, list(zip(names, self.settings(key), strict=False))) for key in missing]
        if not missing:
            return
        for key, scenario, outcomes in zip(missing, scenarios, self.simulate(scenarios), strict=True):
            days = pd.DataFrame({"scenario": [scenario.id], "day": [scenario.days]})
            rows = estimate(outcomes, days)
            rows = rows[(rows["measure"] == self.goal.measure) & (rows["statistic"] == self.goal.statistic) & (rows["day"] == 0)]
            figures = {
                str(p): (float(v), float(e), float(a), float(b), int(n))
                for p, v, e, a, b, n in zip(rows["platform_id"], rows["value"], rows["error"], rows["low"], rows["high"], rows["paths"],
                                            strict=True)
            }
            self.points[key] = Point(tuple(self.settings(key)), scenario.id, figures)
            self.outcomes[scenario.id] = outcomes

    def settings(self, key: tuple[int, int | None]) -> list[Decimal]:
        """Where the dials stand at a point."""
        first = [self.dials[0].at(key[0])]
        return first if key[1] is None else [*first, self.dials[1].at(key[1])]

    def figure(self, step: int, second: int | None, platform: str) -> tuple[float, float, float, float, int]:
        """The figure of one platform at a point, which is run if it is not there yet."""
        self.run([(step, second)])
        return self.points[step, second].figures[platform]

    def change(self, one: int, two: int, second: int | None, platform: str) -> tuple[float, float]:
        """What the figure changes between two points, with the error of a difference on the same paths where there is one (M-50)."""
        before, after = self.points[one, second], self.points[two, second]
        if self.goal.statistic in ("mean", "probability"):
            both = pd.concat([self.outcomes[before.scenario], self.outcomes[after.scenario]])
            rows = paired(both, before.scenario, after.scenario)
            row = rows[(rows["platform_id"] == platform) & (rows["measure"] == self.goal.measure)]
            if len(row):
                return float(row["difference"].iloc[0]), float(row["error"].iloc[0])
        a, b = before.figures[platform], after.figures[platform]
        return b[0] - a[0], float((a[1] ** 2 + b[1] ** 2) ** 0.5)


def _answer(table: _Table, platform: str, second: int | None, scanned: int) -> Answer:
    """The answer for one platform and one setting of the second dial."""
    dial, goal = table.dials[0], table.goal
    scan = _scan(dial, scanned)
    # A figure without an interval (a lone extreme, one path) stands for its own bounds.
    side = 3 if goal.at_least else 2

    def met(step: int, which: int) -> bool:
        figure = table.figure(step, second, platform)
        return goal.met(figure[which] if figure[which] == figure[which] else figure[0])

    def first(which: int) -> Decimal | None:
        last = None
        for step in scan:
            if met(step, which):
                return dial.at(_halve(lambda s: met(s, which), last, step))
            last = step
        return None

    found = {"setting": first(0), "low": first(side), "high": first(5 - side)}
    sign = 1.0 if goal.at_least else -1.0
    turns, again, crossed = [], [], False
    for one, two in pairwise(scan):
        change, error = table.change(one, two, second, platform)
        if sign * change < 0 and abs(change) > Z * error:
            turns.append(Turn(dial.at(one), dial.at(two), change, error))
        if met(one, 0) != met(two, 0) or (one == scan[0] and met(one, 0)):
            if crossed and met(one, 0) != met(two, 0):
                again.append((dial.at(one), dial.at(two)))
            crossed = True
    fixed = None if second is None else table.dials[1].at(second)
    return Answer(platform, fixed, found["setting"], found["low"], found["high"], tuple(turns), tuple(again))


def _halve(met: Callable[[int], bool], out: int | None, step: int) -> int:
    """The first step after ``out``, where the goal is not met, up to ``step``, where it is."""
    if out is None:
        return step
    while step - out > 1:
        middle = (step + out) // 2
        step, out = (middle, out) if met(middle) else (step, middle)
    return step
