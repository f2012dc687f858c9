"""The conduct of one rare event: pilots, a choice of method, the runs, the second method, the verdict (M-92)."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from stresslab.resolve import Resolved
from stresslab.tail import verdict
from stresslab.tail.event import Event
from stresslab.tail.splitting import Climb, PathSwarm, Repetition, climb, repeat, swarm_size
from stresslab.tail.tilt import Pilot, Sample, Tilt, draw_sample, find_tilt, joined, tilt_of_witnesses
from stresslab.tail.verdict import Estimate, Reason
from stresslab.tail.walk import (
    PART_CLIMB,
    PART_CRUDE,
    PART_NAMES,
    PART_PILOT,
    PART_SPLIT,
    Judge,
    Judging,
    Shape,
    new_walk,
    seed_of,
    shape_of,
)

#: Paths of a tail run are numbered from here on: no other run has so many.
FIRST_PATH = 2**31
#: Crude paths before anything else, and the most for which nothing better is tried.
CRUDE_FIRST, CRUDE_ENOUGH = 2_000, 20_000
#: The swarm, what is killed at each level and how often a copy moves in the pilot, and the chains of a repetition.
SWARM, KILLED, MOVES, CHAIN = 400, 0.75, 4, 8
#: Repetitions of splitting at first, and at most.
REPEATS_FIRST, REPEATS_MOST = 16, 400
#: A second method is given at least so many paths, and aimed at this error.
SECOND_LEAST, SECOND_ERROR = 5_000, 0.2
#: Pilots see little of the spread of likelihood ratios.
RESERVE = 1.3
#: The tilt that knows names owes them to splitting's paths; it must promise so many times fewer.
NAMES_COST = 2.0
TASK_PATHS = 1_000

#: Calls of one function of this module, given what to call it with each time, answered in the same order.
Ask = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]]


@dataclass(frozen=True)
class Question:
    """What is asked: an event of a platform, under a seed."""

    event: Event
    platform_id: str
    seed: int


class Answer(NamedTuple):
    """What came of a question."""

    known: bool
    chosen: Estimate
    others: list[Estimate]
    reasons: list[Reason]
    tilts: dict[str, Tilt]
    samples: dict[str, Sample]
    seeds: dict[str, str]  # of each tilted sample


def judge_of(resolved: Resolved, question: Question, scored: bool) -> tuple[Judge, Shape]:
    """The scores of paths under a question: full scores, or only whether the event happened."""
    return Judging(new_walk(resolved, question.event, question.platform_id), scored), shape_of(resolved)


def sample_part(resolved: Resolved, question: Question, tilt: Tilt, seed: int, first: int, start: int, stop: int) -> Sample:
    """Task: some paths of a tilt."""
    judge, shape = judge_of(resolved, question, False)
    return draw_sample(judge, shape, tilt, seed, first, start, stop)


def pilot_part(resolved: Resolved, question: Question) -> Pilot:
    """Task: the cross-entropy pilot."""
    return find_tilt(*judge_of(resolved, question, True), seed_of(question.seed, PART_PILOT))


def climb_part(resolved: Resolved, question: Question) -> Climb:
    """Task: the adaptive climb that sets the levels."""
    judge, shape = judge_of(resolved, question, True)
    size = swarm_size(shape, SWARM)
    return climb(PathSwarm(judge, shape, seed_of(question.seed, PART_CLIMB), size), int(KILLED * size), MOVES, most=60)


def repeat_part(resolved: Resolved, question: Question, levels: tuple[float, ...], steps: tuple[float, ...], number: int) -> Repetition:
    """Task: one repetition of splitting."""
    judge, shape = judge_of(resolved, question, True)
    size = swarm_size(shape, SWARM) // CHAIN * CHAIN
    return repeat(PathSwarm(judge, shape, seed_of(question.seed, PART_SPLIT, number), size), levels, steps, CHAIN)


class Search:
    """The conduct of one question; every path goes through ``ask``."""

    def __init__(self, question: Question, ask: Ask, target: float, most: int) -> None:
        self.question, self.ask, self.target, self.most = question, ask, target, most

    def sample(self, tilt: Tilt, seed: int, first: int, start: int, stop: int) -> Sample:
        """Paths of a tilt, in parts."""
        cuts = [*range(start, stop, TASK_PATHS), stop]
        return joined(self.ask(sample_part, [(self.question, tilt, seed, first, a, b) for a, b in itertools.pairwise(cuts)]))

    def repetitions(self, found: Climb, start: int, stop: int) -> list[Repetition]:
        """Repetitions ``start`` to ``stop`` − 1."""
        return self.ask(repeat_part, [(self.question, found.levels, found.steps, number) for number in range(start, stop)])

    def answer(self) -> Answer:
        """Everything."""
        crude = self._crude(CRUDE_FIRST)
        needed = self._needed((1 - crude.probability) / crude.probability) if crude.hits >= 20 else math.inf
        if needed <= min(CRUDE_ENOUGH, self.most):
            crude = self._crude(max(CRUDE_FIRST, int(needed)))
            return Answer(True, crude, [], [_plain(crude)], {}, {}, {})
        pilot: Pilot = self.ask(pilot_part, [(self.question,)])[0]
        found: Climb = self.ask(climb_part, [(self.question,)])[0]
        many = self.repetitions(found, 0, REPEATS_FIRST) if found.probability > 0 else []
        if not many:
            gone = Reason(False, "splitting did not reach the event", "多层分裂未能到达该事件")
            return Answer(False, crude, [], [gone], {}, {}, {})
        return self._choose(crude, pilot, found, many)

    def _choose(self, crude: Estimate, pilot: Pilot, found: Climb, many: list[Repetition]) -> Answer:
        """Take the cheapest method as splitting's own paths foresee it, run it, and let a second one check it."""
        split = verdict.splitting_estimate(many, found.paths)
        seen = verdict.witnesses_of(many)
        # Fitted to every second repetition and held against the others, so that no path vouches for itself.
        teach, test = verdict.witnesses_of(many[0::2]), verdict.witnesses_of(many[1::2])
        named = tilt_of_witnesses(teach.paths, teach.weight, self.ask(wanted_part, [()])[0], teach.until)
        tilts = {k: t for k, t in (("tilt", pilot.tilt), ("tilt_names", named)) if t is not None}
        spread = {
            name: max(verdict.foreseen_spread(tilt, test if name == "tilt_names" else seen, split.probability),
                      pilot.spread if name == "tilt" else 0.0)
            for name, tilt in tilts.items()
        }
        before = {"tilt": pilot.paths, "tilt_names": split.paths + found.paths}
        cost = {name: RESERVE * self._needed(spread[name]) for name in tilts}
        again = (split.relative * math.sqrt(len(many)) / self.target) ** 2
        cost["splitting"] = max(0.0, again - len(many)) * split.paths / len(many)
        best = min(tilts, key=lambda k: (cost[k] * (NAMES_COST if k == "tilt_names" else 1.0), k), default=None)
        by_split = best is None or cost["splitting"] < cost[best]
        wanted = len(many)
        if by_split:
            wanted = min(math.ceil(again), REPEATS_MOST, int(self.most / split.paths * len(many)))
        elif split.relative > SECOND_ERROR:
            wanted = min(math.ceil((split.relative / SECOND_ERROR) ** 2 * len(many)), REPEATS_MOST)
        if wanted > len(many):
            many = many + self.repetitions(found, len(many), wanted)
            split = verdict.splitting_estimate(many, found.paths)
        estimates, samples, seeds = {"splitting": split}, {}, {}
        if best is not None:
            # Where splitting is cheaper the tilt need only check it, unless a fair answer costs hardly more.
            size = min(cost[best], max(spread[best] / SECOND_ERROR**2, float(SECOND_LEAST))) if by_split else cost[best]
            paths = int(min(self.most, max(SECOND_LEAST, size)))
            seed = self.question.seed if best == "tilt" else seed_of(self.question.seed, PART_NAMES)
            seeds[best], samples[best] = str(seed), self.sample(tilts[best], seed, FIRST_PATH, 0, paths)
            made = verdict.tilt_estimate(best, samples[best], before[best])
            blind = verdict.blind_share(tilts[best], verdict.witnesses_of(many), split.probability, paths)
            estimates[best] = dataclasses.replace(made, blind=blind)
        name = verdict.better(list(estimates.values())).method
        chosen = estimates[name]
        second = next((e for e in estimates.values() if e is not chosen), None)
        reasons = [_why(name, best, cost), *verdict.judge(chosen, second, self.target)]
        known = all(r.stands for r in reasons)
        others = [e for e in (*estimates.values(), crude) if e is not chosen]
        return Answer(known, chosen, others, reasons, {k: tilts[k] for k in samples}, samples, seeds)

    def _crude(self, paths: int) -> Estimate:
        sample = self.sample(Tilt(), seed_of(self.question.seed, PART_CRUDE), 0, 0, paths)
        return verdict.crude_estimate(int(sample.hit.sum()), paths)

    def _needed(self, spread: float) -> float:
        """Paths for the target error at a relative variance of one path."""
        return spread / self.target**2


def beside(resolved: Resolved) -> int:
    """The bytes that a thread needs for a swarm beside the state of a path (M-285): it is held, and moved copies of it."""
    shape = shape_of(resolved)
    one = (shape.days + 1) * (8 * shape.columns + 4 * shape.instruments)
    return 2 * swarm_size(shape, SWARM) * one


def wanted_part(resolved: Resolved) -> Any:
    """Task: which leading columns the laws read."""
    return shape_of(resolved).wanted


def _plain(crude: Estimate) -> Reason:
    hits, paths = f"{crude.hits:,}", f"{crude.paths:,}"
    return Reason(True, f"{hits} of {paths} crude paths: the event is not rare", f"直接模拟{paths}条路径中有{hits}条：事件并不罕见")


def _why(name: str, best: str | None, cost: dict[str, float]) -> Reason:
    """Why a method gives the answer."""
    told = {k: f"{v:,.0f}" if math.isfinite(v) else "∞" for k, v in cost.items()}
    all_en = ", ".join(f"{verdict.NAMES[k][0]} {v}" for k, v in told.items())
    all_zh = "，".join(f"{verdict.NAMES[k][1]}{v}" for k, v in told.items())
    en, zh = verdict.NAMES[name]
    run_en, run_zh = verdict.NAMES[best] if best is not None else ("no tilt", "无倾斜方法")
    return Reason(
        True,
        f"{en} gives the answer (further paths foreseen for the target: {all_en}; run: multilevel splitting and {run_en})",
        f"由{zh}给出结果（达到目标预计还需路径：{all_zh}；已运行：多层分裂与{run_zh}）")
