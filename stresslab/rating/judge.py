"""A platform under a scale: scores, triggers and grades, over all paths and path by path (M-42, M-43, M-123, M-124)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.rating.indicators import BOOK, Json
from stresslab.rating.paths import NEAR, Floats, Paths, beyond
from stresslab.rating.rule import coverage_gap_li, place_of, score, weighted
from stresslab.rating.scale import Dimension, Indicator, Scale, Trigger

#: How a value came to its score: as it was measured or answered; passed, as there was nothing to measure; or by the treatment of the
#: scale for what is missing, has no evidence, or is too old.
Treatment = Literal["given", "passed", "missing", "no_evidence", "expired"]


class Scored(NamedTuple):
    """An indicator's value in percent (None where there is none), its score, and how it came to it."""

    value: Fraction | None
    score: Fraction
    treatment: Treatment


class Fired(NamedTuple):
    """A trigger that fired: its value (None where an answer is missing), and the places of the grade before and after it."""

    trigger: Trigger
    value: Fraction | None
    before: int
    after: int


class Judged(NamedTuple):
    """The place of the grade (0 is the best) after all rules, that of the score alone, the score, and what lowered it."""

    place: int
    reached: int
    score: Fraction
    low_coverage: bool
    fired: tuple[Fired, ...]
    suspended: bool


@dataclass(frozen=True)
class Case:
    """A platform under a scale; what no path can change is worked out once."""

    platform: Json
    scale: Scale
    as_of: datetime.date | None = None

    @cached_property
    def thresholds(self) -> list[tuple[str, Fraction]]:
        """The grades of the scale with their lowest scores."""
        return self.scale.thresholds

    @cached_property
    def weights(self) -> list[int]:
        """The weights of the dimensions, in percent."""
        return [one.weight for one in self.scale.dimensions]

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each grade, 0 for the best."""
        return {name: i for i, (name, _) in enumerate(self.thresholds)}

    @cached_property
    def asked(self) -> dict[str, Indicator]:
        """All indicators by name."""
        return {i.name: i for d in self.scale.dimensions for i in d.indicators}

    @cached_property
    def fixed(self) -> dict[str, Scored]:
        """Value and score of each indicator that comes from the book or from an answer."""
        return {name: self._fixed(one) for name, one in self.asked.items() if one.source != "simulated"}

    def _fixed(self, one: Indicator) -> Scored:
        if one.source == "book":
            value = BOOK[one.name].read(self.platform)
            return Scored(None, Fraction(one.missing_score), "missing") if value is None else self._given(one, value)
        answer = answer_of(self.platform, one.name)
        if answer is None:
            return Scored(None, Fraction(one.missing_score), "missing")
        # The record holds a decimal that was written as JSON; its shortest text is that decimal.
        value = Fraction(str(answer["value"]))
        if not str(answer.get("evidence") or "").strip():
            return Scored(value, Fraction(one.unproven_score), "no_evidence")
        if self._expired(one, answer.get("answered_on")):
            return Scored(value, Fraction(one.unproven_score), "expired")
        return self._given(one, value)

    def _given(self, one: Indicator, value: Fraction) -> Scored:
        return Scored(value, score(one.exact_points, value), "given")

    def _expired(self, one: Indicator, answered: str | None) -> bool:
        """Whether an answer is too old; without a date it is, where the scale asks for one."""
        if one.valid_days is None or self.as_of is None:
            return False
        return answered is None or (self.as_of - datetime.date.fromisoformat(answered)).days > one.valid_days

    def scored(self, one: Indicator, state: Mapping[str, Fraction | None]) -> Scored:
        """An indicator in a state of the simulated ones; a simulated None is passed and scores 100."""
        if one.name in self.fixed:
            return self.fixed[one.name]
        value = state[one.name]
        return Scored(None, Fraction(100), "passed") if value is None else self._given(one, value)

    def dimension(self, one: Dimension, state: Mapping[str, Fraction | None]) -> Fraction:
        """The score of a dimension."""
        return weighted([self.scored(i, state).score for i in one.indicators], [i.weight for i in one.indicators])

    def judge(self, state: Mapping[str, Fraction | None], own_li: int, call_li: int, depth: Fraction | None) -> Judged:
        """The grade in a state, with own funds and peak call (厘) and the depth of the scenario's crash in percent, if it has one."""
        total = weighted([self.dimension(one, state) for one in self.scale.dimensions], self.weights)
        reached = place_of(total, self.thresholds)
        low = self.deep(depth) and self.low_coverage(own_li, call_li)
        worst = place = min(reached + self.scale.downgrade.notches, len(self.thresholds) - 1) if low else reached
        fired = []
        for one in self.scale.triggers:
            value, met = self._fires(one, state, depth)
            if met:
                start = place if self.scale.combine == "sum" else reached
                after = self.lowered(one, start)
                fired.append(Fired(one, value, start, after))
                place, worst = after, max(worst, after)
        place = place if self.scale.combine == "sum" else worst
        rule, days = self.scale.suspension, state.get("unpaid_days")
        suspended = rule is not None and days is not None and days >= rule.unpaid_days
        if rule is not None and suspended:
            place = max(place, self.places[rule.grade])
        return Judged(place, reached, total, low, tuple(fired), suspended)

    def suspended(self, paths: Paths) -> NDArray[np.bool_]:
        """On which paths redemptions stood unpaid for as long as the scale's suspension asks (M-239)."""
        rule = self.scale.suspension
        return np.zeros(len(paths), np.bool_) if rule is None else paths.values["unpaid_days"].over >= rule.unpaid_days

    def deep(self, depth: Fraction | None) -> bool:
        """Whether a crash is as deep as the coverage rule asks."""
        return depth is not None and depth >= Fraction(self.scale.downgrade.crash_depth_at_least_pct)

    def low_coverage(self, own_li: int, call_li: int) -> bool:
        """Whether own funds cover less than the rule asks, and no immediate line fills the gap."""
        gap = coverage_gap_li(own_li, call_li, Fraction(self.scale.downgrade.coverage_below_pct))
        return call_li > 0 and gap > 0 and int(self.platform["bank_line_li"]) < gap

    def lowered(self, one: Trigger, place: int) -> int:
        """The place after a trigger: some grades lower, but not below its floor, and never better than before."""
        return max(place, min(place + one.notches, self.places[one.floor]))

    def _fires(self, one: Trigger, state: Mapping[str, Fraction | None], depth: Fraction | None) -> tuple[Fraction | None, bool]:
        if not self.acts(one, depth):
            return None, False
        if one.indicator in state:
            value = state[one.indicator]
        else:
            value, fires = self.standing(one)
            if fires is not None:
                return value, fires
        if value is None:
            return None, False
        return value, value < one.line if one.below is not None else value > one.line

    def acts(self, one: Trigger, depth: Fraction | None) -> bool:
        """Whether a trigger acts in a scenario with a crash of this depth."""
        least = one.crash_depth_at_least_pct
        return least is None or (depth is not None and depth >= Fraction(least))

    def standing(self, one: Trigger) -> tuple[Fraction | None, bool | None]:
        """The value of a trigger that no path changes, and whether it fires for want of an answer (else None: compare the value)."""
        held = self.fixed.get(one.indicator)
        if held is not None and held.treatment != "given":
            # A question that a trigger asks and nobody can answer with evidence is no reassurance; a book that does not say is no answer.
            return held.value, self.asked[one.indicator].source == "answered"
        value = held.value if held is not None else BOOK[one.indicator].read(self.platform)
        return value, None

    def place_by_path(self, paths: Paths, depth: Fraction | None) -> NDArray[np.int64]:
        """The place of the grade that each path's own outcomes give (M-125)."""
        totals = np.zeros(len(paths))
        for one in self.scale.dimensions:
            for indicator in one.indicators:
                totals += one.weight * indicator.weight / 10_000 * self._scores(indicator, paths)
        lows = np.array([float(low) for _, low in self.thresholds[:-1]])
        place = np.sum(totals[:, None] < lows[None, :], axis=1).astype(np.int64)
        unsure = np.any(np.abs(totals[:, None] - lows[None, :]) <= 1e-9, axis=1)
        last = len(self.thresholds) - 1
        rule, reached, worst = self.scale.downgrade, place.copy(), place.copy()
        if self.deep(depth):
            own, call = paths.own_li.astype(np.float64), paths.call_li.astype(np.float64)
            line, share = float(self.platform["bank_line_li"]), float(rule.coverage_below_pct) / 100
            low = (call > 0) & (own + line < share * call) & (own < share * call)
            unsure |= (np.abs(own + line - share * call) <= NEAR * call + 2) | (np.abs(own - share * call) <= NEAR * call + 2)
            worst = place = np.where(low, np.minimum(place + rule.notches, last), place)
        for trigger in self.scale.triggers:
            fires = self._mask(trigger, paths, depth)
            start = place if self.scale.combine == "sum" else reached
            after = np.maximum(start, np.minimum(start + trigger.notches, self.places[trigger.floor]))
            place = np.where(fires, after, place)
            worst = np.where(fires, np.maximum(worst, after), worst)
        out: NDArray[np.int64] = place if self.scale.combine == "sum" else worst
        if self.scale.suspension is not None:
            out = np.where(self.suspended(paths), np.maximum(out, self.places[self.scale.suspension.grade]), out)
        for path in np.flatnonzero(unsure):
            at = int(path)
            out[at] = self.judge(paths.at(at), int(paths.own_li[at]), int(paths.call_li[at]), depth).place
        return out

    def _scores(self, one: Indicator, paths: Paths) -> Floats | float:
        if one.name in self.fixed:
            return float(self.fixed[one.name].score)
        x, y = np.array([[float(a), float(b)] for a, b in one.points]).T
        values = paths.values[one.name].floats
        return np.where(np.isnan(values), 100.0, np.interp(values, x, y))

    def _mask(self, one: Trigger, paths: Paths, depth: Fraction | None) -> NDArray[np.bool_]:
        if one.indicator in paths.values and self.acts(one, depth):
            return beyond(paths.values[one.indicator], one.line, one.below is not None)
        return np.full(len(paths), self._fires(one, {}, depth)[1] if one.indicator not in paths.values else False)


def answer_of(platform: Json, name: str) -> Json | None:
    """What a platform answered to a question: its row of the table `answers`, or the column of that name in `platforms`."""
    held: Json | None = (platform.get("answers") or {}).get(name)
    if held is not None:
        return held
    value = platform.get(name)
    evidence = platform.get(name.removesuffix("_score") + "_evidence")
    return None if value is None else {"value": value, "evidence": evidence, "answered_on": None}
