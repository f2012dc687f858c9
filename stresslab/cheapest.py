"""The cheapest policy that keeps a figure: lines, caps, reserve or bank line, searched on the same weather (M-129).

The simulation is handed in, and knows how to move a book: this room chooses settings, adds up costs and judges figures. All points meet
the same draws, so that a step of a lever changes the policy and not the dice; what is found is run again on draws that the search
never saw, since the best of many noisy figures looks better than it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import NamedTuple

import pandas as pd

from stresslab.breaking_point import STEPS, STEPS_MOST, Dial, Goal, round_step
from stresslab.estimate import estimate, paired
from stresslab.faults import Fault, InputError, nearest

#: Points of a lone lever that are always run, of the first of several, and evaluations of the others, each a search of the first.
SCANNED, SCANNED_INNER, EVALUATIONS = 9, 3, 40
#: What is said of a policy beside its goal: who pays.
MEASURES = ("deficit", "sold", "accounts_forced", "accounts_called", "client_paid", "loss_with_impact", "unpaid_end")


class Figure(NamedTuple):
    """A figure of `estimates` with its sampling error, 95% interval and number of paths."""

    value: float
    error: float
    low: float
    high: float
    paths: int


class Trial(NamedTuple):
    """A policy that was run: settings of all levers, how much each moved in its unit, the cost in yuan, and the figure."""

    settings: tuple[Decimal, ...]
    quantities: tuple[float, ...]
    cost: float
    figure: Figure


class Change(NamedTuple):
    """What a policy changes of a mean against the book as it is, on the same paths."""

    measure: str
    difference: float
    error: float
    unit: str


class Policy(NamedTuple):
    """What was found for one platform.

    ``cheapest`` keeps the goal with its figure, ``safe`` with all of the figure's 95% interval, ``bold`` with its better end: between
    the costs of bold and safe lies the cheapest policy that many paths would find. None where none in the range does. ``fresh`` and
    ``fresh_safe`` are their figures on draws that the search never saw. ``lost`` are scanned stretches, stricter than the answer, on
    which the goal is lost again.
    """

    platform: str
    present: Figure
    cheapest: Trial | None
    safe: Trial | None
    bold: Trial | None
    fresh: Figure | None
    fresh_safe: Figure | None
    changes: tuple[Change, ...]
    lost: tuple[tuple[Decimal, Decimal], ...]
    trials: tuple[Trial, ...]


#: Runs a platform's policies: settings of all levers each (none: the book as it is), on fresh draws or not; outcomes and quantities.
Simulate = Callable[[str, Sequence[tuple[Decimal, ...]], bool], list[tuple[pd.DataFrame, tuple[float, ...]]]]


def dial_of(key: str, mild: Decimal, strict: Decimal, step: Decimal | None, grain: Decimal) -> Dial:
    """The steps of a lever: as many as its range asks for, by default about 400 of a round size; raises :class:`InputError`."""
    wide = abs(strict - mild)
    step = abs(step) if step is not None else round_step(wide / STEPS, grain)
    if step == 0 or step > wide or wide / step > STEPS_MOST:
        rule = f"needs a range of 1 to {STEPS_MOST} steps"
        raise InputError([Fault("options", rule, "widen the range or change the step", None, "vary", f"{key}={mild}:{strict}:{step}")])
    steps = int(wide / step)
    return Dial(key, mild, mild + (step * steps if strict > mild else -step * steps), steps)


def read_costs(texts: Sequence[str], keys: Sequence[str]) -> dict[str, float]:
    """Prices in yuan for each unit that a lever moves, from texts like ``platform.reserve_yuan=0.08`` or ``...=8%``.

    A lone lever needs none (1); several need one each, for without prices none is cheaper than another. Raises :class:`InputError`.
    """
    faults, prices = [], {}
    for text in texts:
        key, _, written = text.partition("=")
        if key not in keys:
            faults.append(Fault("options", "is no lever of this search", nearest(key, list(keys)), None, "cost", text))
            continue
        try:
            number = Decimal(written.removesuffix("%")) / (100 if written.endswith("%") else 1)
        except InvalidOperation:
            number = Decimal(-1)
        if not number.is_finite() or number <= 0:
            faults.append(Fault("options", "must be a price above 0", f"write {key}=0.08, or {key}=8%", None, "cost", text))
        prices[key] = float(number)
    for key in keys:
        if key not in prices and len(keys) > 1 and not faults:
            rule = "several levers need a price each"
            faults.append(Fault("options", rule, f"add --cost {key}=PRICE, in yuan for each unit", None, "cost", key))
    if faults:
        raise InputError(faults)
    return {key: prices.get(key, 1.0) for key in keys}


def search(
    goal: Goal, dials: Sequence[Dial], prices: Mapping[str, float], simulate: Simulate, platform: str, days: int, *,
    scanned: int = SCANNED, evaluations: int = EVALUATIONS,
) -> Policy:
    """The cheapest policy of one platform in scenarios of so many days, whatever the number of levers (M-129)."""
    runs = _Runs(goal, tuple(dials), prices, simulate, platform, days)
    rest: tuple[int, ...] = ()
    if len(dials) > 1:
        rest, scanned = _outer(runs, evaluations), SCANNED_INNER
    found = {which: runs.first(rest, which, scanned) for which in (0, runs.worse, runs.better)}
    at = {which: None if step is None else (step, *rest) for which, step in found.items()}
    trials = {which: None if key is None else runs.trial(key) for which, key in at.items()}
    best, safe, bold = trials[0], trials[runs.worse], trials[runs.better]
    fresh = None if best is None else runs.fresh(best.settings)
    sure = fresh if safe == best else None if safe is None else runs.fresh(safe.settings)
    key = at[0]
    return Policy(
        platform, runs.present, best, safe, bold, fresh, sure, () if key is None else runs.changes(key),
        () if key is None or len(dials) > 1 else runs.lost(key, scanned), tuple(runs.trials[k] for k in sorted(runs.trials)))


def _outer(runs: _Runs, evaluations: int) -> tuple[int, ...]:
    """Where the other levers stand in the cheapest policy found: DIRECT over their ranges, then walked to cheaper neighbours."""
    from scipy.optimize import Bounds, direct

    dials, most = runs.dials, runs.priciest()
    seen: dict[tuple[int, ...], float] = {}

    def priced(steps: tuple[int, ...]) -> float:
        if steps not in seen:
            first = runs.first(steps, 0, SCANNED_INNER)
            # Where no setting of the first lever keeps the goal, the price is above all others and falls towards the strict ends.
            strict = sum(s / d.steps for s, d in zip(steps, dials[1:], strict=True)) / len(steps)
            seen[steps] = most * (3 - strict) if first is None else runs.trial((first, *steps)).cost
        return seen[steps]

    def cost(point: Sequence[float]) -> float:
        return priced(tuple(round(float(x) * d.steps) for x, d in zip(point, dials[1:], strict=True)))

    direct(cost, Bounds([0.0] * len(dials[1:]), [1.0] * len(dials[1:])), maxfun=evaluations, locally_biased=True)
    priced(tuple(0 for _ in dials[1:]))
    priced(tuple(d.steps for d in dials[1:]))
    best = min(sorted(seen), key=priced)
    while True:
        near = [
            (*best[:i], best[i] + by, *best[i + 1:]) for i, d in enumerate(dials[1:]) for by in (-1, 1) if 0 <= best[i] + by <= d.steps
        ]
        nearer = min(near, key=priced)
        if priced(nearer) >= priced(best):
            return best
        best = nearer


class _Runs:
    """The policies of one platform that were run so far, by the steps of all levers."""

    def __init__(self, goal: Goal, dials: tuple[Dial, ...], prices: Mapping[str, float], simulate: Simulate, platform: str,
                 days: int) -> None:
        self.goal, self.dials, self.prices, self.simulate, self.platform, self.days = goal, dials, prices, simulate, platform, days
        self.trials: dict[tuple[int, ...], Trial] = {}
        self.outcomes: dict[tuple[int, ...], pd.DataFrame] = {}
        #: Where in a figure the better and the worse end of its interval stand.
        self.better, self.worse = (3, 2) if goal.at_least else (2, 3)
        ((self.base, _),) = simulate(platform, [()], False)
        self.present = self._figure(self.base)

    def settings(self, key: tuple[int, ...]) -> tuple[Decimal, ...]:
        """Where the levers stand."""
        return tuple(d.at(step) for d, step in zip(self.dials, key, strict=True))

    def run(self, wanted: Sequence[tuple[int, ...]]) -> None:
        """Run what is not there yet, at once."""
        missing = [key for key in dict.fromkeys(wanted) if key not in self.trials]
        if not missing:
            return
        made = self.simulate(self.platform, [self.settings(key) for key in missing], False)
        for key, (outcomes, quantities) in zip(missing, made, strict=True):
            cost = sum(self.prices[d.key] * q for d, q in zip(self.dials, quantities, strict=True))
            self.trials[key] = Trial(self.settings(key), quantities, cost, self._figure(outcomes))
            self.outcomes[key] = outcomes

    def trial(self, key: tuple[int, ...]) -> Trial:
        """A policy, run if it was not yet."""
        self.run([key])
        return self.trials[key]

    def priciest(self) -> float:
        """The cost with all levers at their strict ends."""
        return max(self.trial(tuple(d.steps for d in self.dials)).cost, 1.0)

    def kept(self, key: tuple[int, ...], which: int) -> bool:
        """Whether the goal is kept by the figure (0), or by an end of its interval; what has no interval stands for its own."""
        figure = self.trial(key).figure
        return self.goal.met(figure[which] if not math.isnan(figure[which]) else figure.value)

    def first(self, rest: tuple[int, ...], which: int, scanned: int) -> int | None:
        """The mildest step of the first lever that keeps the goal with the others at ``rest``: scanned, then halved (M-93)."""
        scan = _scan(self.dials[0], scanned)
        self.run([(s, *rest) for s in scan])
        out: int | None = None
        for step in scan:
            if self.kept((step, *rest), which):
                inside = step
                while out is not None and inside - out > 1:
                    middle = (inside + out) // 2
                    out, inside = (out, middle) if self.kept((middle, *rest), which) else (middle, inside)
                return inside
            out = step
        return None

    def lost(self, best: tuple[int, ...] | None, scanned: int) -> tuple[tuple[Decimal, Decimal], ...]:
        """Scanned points beyond the answer that do not keep the goal, each with the one before."""
        if best is None:
            return ()
        scan = [best[0], *(s for s in _scan(self.dials[0], scanned) if s > best[0])]
        held = [(a, b) for a, b in pairwise(scan) if not self.kept((b,), 0)]
        return tuple((self.dials[0].at(a), self.dials[0].at(b)) for a, b in held)

    def fresh(self, settings: tuple[Decimal, ...]) -> Figure:
        """The figure of a policy on draws that the search never saw."""
        ((outcomes, _),) = self.simulate(self.platform, [settings], True)
        return self._figure(outcomes)

    def changes(self, key: tuple[int, ...]) -> tuple[Change, ...]:
        """What a policy changes against the book as it is, path by path (M-50)."""
        first, second = str(self.base["scenario"].iloc[0]), str(self.outcomes[key]["scenario"].iloc[0])
        if first == second:
            return ()
        rows = paired(pd.concat([self.base, self.outcomes[key]], ignore_index=True), first, second)
        mine = rows[(rows["platform_id"] == self.platform) & rows["measure"].isin(MEASURES)]
        return tuple(Change(str(m), float(d), float(e), str(u))
                     for m, d, e, u in zip(mine["measure"], mine["difference"], mine["error"], mine["unit"], strict=True))

    def _figure(self, outcomes: pd.DataFrame) -> Figure:
        name = str(outcomes["scenario"].iloc[0])
        rows = estimate(outcomes, pd.DataFrame({"scenario": [name], "day": [self.days]}))
        rows = rows[(rows["measure"] == self.goal.measure) & (rows["statistic"] == self.goal.statistic) & (rows["day"] == 0)
                    & (rows["platform_id"] == self.platform)]
        row = rows.iloc[0]
        return Figure(float(row["value"]), float(row["error"]), float(row["low"]), float(row["high"]), int(row["paths"]))


def _scan(dial: Dial, scanned: int) -> list[int]:
    return sorted({round(i * dial.steps / (scanned - 1)) for i in range(scanned)})
