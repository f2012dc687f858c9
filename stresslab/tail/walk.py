"""Paths from noise made elsewhere: whether the event happened on them, and how near they came (M-83, M-88)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.engine import LOSSES, PPM, Runner, _basket_ppm, _loss
from stresslab.glossary import NULL_WHEN_ZERO
from stresslab.kernels import draws, layout, liquidity, score
from stresslab.kernels.noise import LEAD_FACTORS, draw_noise, new_noise
from stresslab.resolve import Resolved
from stresslab.tail.event import DRAWDOWN, FACTOR_COLUMNS, FAILURE, PLAIN_COLUMNS, RATIOS, Event

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: The score of a path on which the event happened.
HIT = np.inf
#: Weight of what the cascade really did beside what holding at fundamental prices would do.
REAL_WEIGHT = 4.0
#: Weight of a hole that is not yet realised beside a loss that is.
HOLE_WEIGHT = 0.25
#: The linear function of the noise that breaks ties has this standard deviation.
TIE = 1e-7
#: Seeds of the parts of a tail estimate: nothing of one part is drawn again in another.
PART_CRUDE, PART_PILOT, PART_CLIMB, PART_SPLIT, PART_NAMES = range(1, 6)


def seed_of(seed: int, part: int, number: int = 0) -> int:
    """The seed of one part of a tail estimate, 63 bits of the words that belong to it."""
    four = draws.words(seed, part, number, draws.STREAM_TAIL, 0)
    return int(four[0]) << 31 ^ int(four[1])


#: Measures of which each day tells what is so far, never less than before, and what the whole path has at least: the column of the
#: day, and whether its days add up.
SO_FAR = {
    "sold_li": ("sold_li", True), "deficit_li": ("deficit_li", False), "loss_with_impact_li": ("deficit_li", False),
    "margin_call_peak_li": ("margin_call_li", False),
}


class Batch(NamedTuple):
    """The noise of some paths, and the numbers of their other draws (answers, suspensions)."""

    leading: F64  # paths × days 0..T × columns
    own: NDArray[np.float32]  # paths × days 0..T × instruments
    path: I64

    def of(self, at: int) -> tuple[F64, NDArray[np.float32]]:
        """The noise of one of them."""
        return self.leading[at], self.own[at]

    def rows(self, which: Any) -> Batch:
        """Some of them: a view for a slice, a copy for indices."""
        return Batch(self.leading[which], self.own[which], self.path[which])

    def put(self, rows: I64, other: Batch) -> None:
        """Overwrite some of them."""
        self.leading[rows], self.own[rows], self.path[rows] = other


#: Scores of a batch, given the seed of the draws that are not noise.
Judge = Callable[[Batch, int], F64]


def judged(judge: Judge, batch: Batch, seed: int) -> tuple[F64, I64]:
    """Scores of a batch, and the day by which each path has decided the event (M-291): the last, unless the judge can tell."""
    score = judge(batch, seed)
    if isinstance(judge, Judging):
        return score, judge.walk.until.copy()
    return score, np.full(batch.path.size, batch.leading.shape[1] - 1)


class Shape(NamedTuple):
    """How large the noise of a path is, and which leading columns the laws read."""

    days: int
    columns: int
    instruments: int
    wanted: NDArray[np.uint8]

    def room(self, paths: int) -> Batch:
        """An empty batch."""
        return Batch(
            np.zeros((paths, self.days + 1, self.columns)), np.zeros((paths, self.days + 1, self.instruments), np.float32),
            np.zeros(paths, np.int64))

    def fill(self, out: Batch, seed: int) -> None:
        """Draw the noise of a batch's paths."""
        room = new_noise(self.days, self.columns - LEAD_FACTORS, self.instruments)
        for at in range(out.path.size):
            draw_noise(room, self.wanted, seed, int(out.path[at]))
            out.leading[at], out.own[at] = room.leading, room.own[: self.days + 1, : self.instruments]


def shape_of(resolved: Resolved) -> Shape:
    """The size of the noise of one scenario."""
    wanted = resolved.market.wanted
    return Shape(resolved.facts.terms.calendar.size - 1, wanted.size, resolved.facts.instrument.size, wanted)


class Walk:
    """One thread's paths of one scenario, asked one event of one platform."""

    def __init__(self, resolved: Resolved, event: Event, platform: int) -> None:
        self.event, self.platform, self.resolved = event, platform, resolved
        self.runner = Runner(resolved, 0)
        facts = resolved.facts
        self.near = np.zeros(facts.platform.size)
        self.daily = np.zeros((facts.terms.calendar.size, facts.platform.size))
        self.own_funds = max(1, int(facts.platform["reserve"][platform] + facts.platform["own_capital"][platform]))
        self.until = np.zeros(0, np.int64)  # of the batch judged last: the day by which the event was certain, else the last day
        self.unit = self._unit()
        self.calm = 0.0
        self.calm = self._progress_of_a_calm_path()

    def _unit(self) -> float:
        """What nearness is counted in, 厘: the money of the event where it names one, else own funds."""
        event = self.event
        if event.measure == "own_funds_coverage" and event.threshold > 0:
            return float(self.own_funds / event.threshold)
        if event.measure.endswith("_li") and event.rises and event.threshold > 0:
            return float(event.threshold)
        return float(self.own_funds)

    def _progress_of_a_calm_path(self) -> float:
        """The measure where nothing moves."""
        if self.event.measure == FAILURE or self.event.measure in RATIOS or self.event.measure in FACTOR_COLUMNS:
            return 0.0
        shape = shape_of(self.resolved)
        quiet = shape.room(1)
        self.runner.seed = 0
        self.runner.begin_group()
        self.runner.place(0, 0, *quiet.of(0))
        self.runner.end_group()
        self._run(0, 0)
        return float(self._measure())

    def judge(self, batch: Batch, seed: int) -> F64:
        """The score of each path of a batch; :data:`HIT` where the event happened."""
        return self._each(batch, seed, True)

    def hits(self, batch: Batch, seed: int) -> NDArray[np.bool_]:
        """Whether the event happened on each path of a batch."""
        found: NDArray[np.bool_] = self._each(batch, seed, False) == HIT
        return found

    def _each(self, batch: Batch, seed: int, scored: bool) -> F64:
        out = np.zeros(batch.path.size)
        runner, days = self.runner, batch.leading.shape[1] - 1
        runner.seed = seed
        self.until = np.full(batch.path.size, days)
        for first in range(0, batch.path.size, runner.group):
            lanes = range(min(runner.group, batch.path.size - first))
            if self.event.measure in FACTOR_COLUMNS:
                for lane in lanes:
                    runner.place(lane, int(batch.path[first + lane]), *batch.of(first + lane))
                    out[first + lane] = self._factor()
                    if out[first + lane] == HIT:
                        self.until[first + lane] = self._factor_day()
                continue
            runner.begin_group()
            for lane in lanes:
                runner.place(lane, int(batch.path[first + lane]), *batch.of(first + lane))
            runner.end_group()
            for lane in lanes:
                self._run(lane, int(batch.path[first + lane]))
                if self._happened():
                    out[first + lane], self.until[first + lane] = HIT, self._certain_day(days)
                elif scored:
                    out[first + lane] = self._score()
        if scored:
            size = np.sqrt(batch.leading[0].size + batch.own[0].size)
            out -= TIE * (batch.leading[:, 1:].sum(axis=(1, 2)) + batch.own[:, 1:].sum(axis=(1, 2), dtype=np.float64)) / size
        return out

    def _run(self, lane: int, path: int) -> None:
        if self.event.measure in PLAIN_COLUMNS:
            self.runner.run(lane, path)
        else:
            self.runner.react(lane, path)

    def _factor(self) -> float:
        """The score of an event of the factor alone: its low, or its greatest fall, as a log."""
        level = self.runner.levels.market
        if self.event.measure == DRAWDOWN:
            fallen = float((np.maximum.accumulate(level) - level).max())
            ppm = PPM - int(np.floor(np.exp(-fallen) * PPM + 0.5))
        else:
            fallen = -float(level.min())
            ppm = int(np.floor(np.exp(-fallen) * PPM + 0.5))
        return HIT if self.event.holds(ppm) else fallen if self.event.rises == (self.event.measure == DRAWDOWN) else -fallen

    def _factor_day(self) -> int:
        """The first day on which an event of the factor alone had happened, on a path on which it did."""
        level = self.runner.levels.market
        falling = self.event.measure == DRAWDOWN
        line = np.maximum.accumulate(level) - level if falling else -level
        for day in np.flatnonzero(line == np.maximum.accumulate(line)).tolist():  # a new extreme, or none
            ppm = int(np.floor(np.exp(-float(line[day])) * PPM + 0.5))
            if self.event.holds(PPM - ppm if falling else ppm):
                return max(1, day)
        return level.size - 1

    def _certain_day(self, last: int) -> int:
        """The first day by whose close the event was certain, whatever came after; the last where nothing tells of a day before."""
        event, story, platform = self.event, self.runner.story, self.platform
        if event.measure == FAILURE:
            return int(story.outcome["failure_day"][platform])
        source = SO_FAR.get(event.measure)
        if source is None or not event.rises:
            return last
        column, summed = source
        daily = story.days[column][1:, platform]
        so_far = np.cumsum(daily) if summed else np.maximum.accumulate(daily)
        return next((day for day, value in enumerate(so_far.tolist(), 1) if event.holds(value)), last)

    def _measure(self) -> int:
        """The event's column of the path run last, in the unit of the table."""
        runner, name = self.runner, self.event.measure
        story, lane = runner.story, runner.lane
        if name in LOSSES:
            plain = runner.plain_story if self.resolved.facts.terms.impact.law != liquidity.IMPACT_NONE else story
            values: Any = dict(zip(LOSSES, (runner.holding, _loss(plain.outcome), _loss(story.outcome)), strict=True))
            return int(values[name][self.platform])
        if name in ("rounds_most", "rounds_limit_days", "breaker_days"):
            return int(story.rounds[("rounds_most", "rounds_limit_days", "breaker_days").index(name)])
        if name.startswith("basket_"):
            prices = runner.fundamental[lane]
            shown = prices if name == "basket_fundamental_low_ppm" else np.vstack([prices[:1], story.tape["quoted"][1:]])
            return int(_basket_ppm(shown, self.resolved.basket).min())
        return int(story.outcome[name][self.platform])

    def _ratio(self) -> tuple[int, int]:
        top, bottom = RATIOS[self.event.measure]
        outcome = self.runner.story.outcome[self.platform]
        if top == "absorbed_by_own_funds_li":
            return int(outcome["absorbed_by_reserve_li"] + outcome["absorbed_by_own_capital_li"]), int(outcome[bottom])
        return int(outcome[top]), int(outcome[bottom])

    def _happened(self) -> bool:
        event = self.event
        if event.measure == FAILURE:
            return bool(self.runner.story.outcome["failure_day"][self.platform] > 0)
        if event.measure in RATIOS:
            return event.holds(*self._ratio())
        value = self._measure()
        return event.holds(value) and not (event.measure in NULL_WHEN_ZERO and value == 0)

    def _progress(self) -> float:
        """How far the measure has gone from a calm path's to the event's threshold: 0 to 1, and beyond."""
        event = self.event
        if event.measure == FAILURE:
            days = self.runner.story.days[1:]
            funds = days["own_funds_li"][:, self.platform]
            due = max(1, int(self.runner.story.outcome["redemption_due_li"][self.platform]))
            hole = int(self.runner.story.outcome["deficit_unrealised_li"][self.platform])
            lost = self.own_funds - float(funds.min()) + HOLE_WEIGHT * hole
            return max(lost / self.own_funds, float(days["unpaid_li"][:, self.platform].max()) / due, 0.0)
        if event.measure in RATIOS:
            top, bottom = self._ratio()
            if bottom == 0 or event.threshold == 0:
                return 0.0
            ratio = top / bottom / float(event.threshold)
            return ratio if event.rises else 1.0 / ratio if ratio > 0 else 1.0
        if event.measure in NULL_WHEN_ZERO:
            return 0.0
        way, gone = float(event.threshold) - self.calm, float(self._measure()) - self.calm
        if event.measure == "deficit_li" or event.measure.startswith("absorbed"):
            gone += HOLE_WEIGHT * int(self.runner.story.outcome["deficit_unrealised_li"][self.platform])
        return max(0.0, gone / way) if way else 0.0

    def _score(self) -> float:
        """ln of (what holding would lose, softened, in units of the event + what really happened of it) (M-88)."""
        runner = self.runner
        score.nearness(self.near, self.daily, runner.fundamental[runner.lane], self.event.centre, self.resolved.facts)
        return float(np.log(self.near[self.platform] / self.unit + REAL_WEIGHT * self._progress() + 1e-300))


class Judging:
    """A walk as a judge: full scores, or only whether the event happened; it tells by which day a path had decided the event."""

    def __init__(self, walk: Walk, scored: bool) -> None:
        self.walk, self.scored = walk, scored

    def __call__(self, batch: Batch, seed: int) -> F64:
        """The score of each path of a batch."""
        return self.walk.judge(batch, seed) if self.scored else np.where(self.walk.hits(batch, seed), HIT, 0.0)


def new_walk(resolved: Resolved, event: Event, platform_id: str) -> Walk:
    """A walk of the platform named."""
    return Walk(resolved, event, resolved.platform_ids.index(platform_id))


#: Lanes of one batch.
BATCH = layout.LANES
