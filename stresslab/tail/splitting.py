"""Multilevel splitting: a swarm of paths climbs towards the event, level by level, by moves that keep their law (M-87 to M-89)."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels.draws import STREAM_TAIL, fill_uniforms
from stresslab.tail.walk import BATCH, HIT, Batch, Judge, Shape, judged

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: The bounds of a step, and the share of accepted moves that the pilot aims at.
STEP_LEAST, STEP_MOST, STEP_FIRST = 0.05, 0.95, 0.5
ACCEPTED_LOW, ACCEPTED_HIGH = 0.2, 0.4
#: Levels at most: below about 10⁻¹⁵ nothing is said.
LEVELS_MOST = 60
#: One move in so many draws the answers and suspensions anew; between, they are kept with the path.
ANEW_EVERY = 2
#: Paths at the event that one repetition hands back.
WITNESSES = 16
#: Memory of one swarm.
SWARM_BYTES = 400_000_000


class Swarm(Protocol):
    """Paths with scores that can be drawn, copied onto one another, and moved under a floor."""

    score: F64
    drawn: int

    def begin(self) -> None:
        """Draw all paths from their law."""

    def copy(self, to: I64, source: I64) -> None:
        """Overwrite paths with others."""

    def move(self, which: I64, floor: float, step: float) -> float:
        """Move paths so that their law above ``floor`` is kept; the share of moves that were accepted."""

    def uniforms(self, count: int) -> F64:
        """Uniforms that nothing else uses."""


class PathSwarm:
    """A swarm of paths of one scenario. Moves are pCN steps of all their noise (M-87)."""

    def __init__(self, judge: Judge, shape: Shape, seed: int, size: int) -> None:
        self.judge, self.shape, self.seed = judge, shape, seed
        self.held = shape.room(size)
        self.score = np.zeros(size)
        self.drawn, self._diced, self._moved = 0, 0, 0
        self._fresh = shape.room(BATCH)

    def begin(self) -> None:
        """Draw all paths from their law."""
        everything = np.arange(self.score.size)
        for rows in _chunks(everything):
            batch = self._number(rows.size)
            self.shape.fill(batch, self.seed)
            self._put(rows, batch, self.judge(batch, self.seed), np.ones(rows.size, bool))

    def copy(self, to: I64, source: I64) -> None:
        """Overwrite paths with others."""
        self.held.put(to, self.held.rows(source))
        self.score[to] = self.score[source]

    def move(self, which: I64, floor: float, step: float) -> float:
        """ξ' = √(1 − b²) ξ + b η for all noise; taken where the score is above the floor, else the path stays (M-87)."""
        self._moved += 1
        keep, taken = math.sqrt(1.0 - step * step), 0
        for rows in _chunks(which):
            batch = self._number(rows.size)
            self.shape.fill(batch, self.seed)
            batch.leading[:] = keep * self.held.leading[rows] + step * batch.leading
            batch.own[:] = np.float32(keep) * self.held.own[rows] + np.float32(step) * batch.own
            if self._moved % ANEW_EVERY:
                batch.path[:] = self.held.path[rows]
            score = self.judge(batch, self.seed)
            accepted = score > floor
            self._put(rows, batch, score, accepted)
            taken += int(accepted.sum())
        return taken / max(1, which.size)

    def uniforms(self, count: int) -> F64:
        """Uniforms that nothing else uses."""
        out = np.zeros(count)
        fill_uniforms(out, self.seed, 1, self._diced, STREAM_TAIL)
        self._diced += 1
        return out

    def _number(self, count: int) -> Batch:
        """Room for so many new paths, with the next numbers."""
        batch = self._fresh.rows(slice(count))
        batch.path[:] = self.drawn + np.arange(count)
        self.drawn += count
        return batch

    def _put(self, rows: I64, batch: Batch, score: F64, accepted: NDArray[np.bool_]) -> None:
        self.held.put(rows[accepted], batch.rows(accepted))
        self.score[rows[accepted]] = score[accepted]


def _chunks(rows: I64) -> list[I64]:
    return [rows[at : at + BATCH] for at in range(0, rows.size, BATCH)]


def swarm_size(shape: Shape, wanted: int) -> int:
    """The wanted size, or what memory allows."""
    one = (shape.days + 1) * (8 * shape.columns + 4 * shape.instruments)
    return max(16, min(wanted, SWARM_BYTES // one))


class Climb(NamedTuple):
    """What an adaptive climb found: the levels it set, the step at each, and its estimate."""

    levels: tuple[float, ...]
    steps: tuple[float, ...]
    probability: float  # 0 if the event was not reached
    iterations: int
    paths: int


def climb(swarm: Swarm, kill: int, moves: int, most: int = 1_000_000) -> Climb:
    """Adaptive multilevel splitting (M-88): the ``kill`` lowest paths are replaced by moved copies of the others, until all
    but fewer than ``kill`` have reached the event. ``kill`` = 1 is the last-particle algorithm.

    Source: Guyader, Hengartner and Matzner-Løber 2011; ties by Bréhier, Lelièvre and Rousset 2015: all paths at the level go.
    """
    swarm.begin()
    size, step = swarm.score.size, STEP_FIRST
    levels: list[float] = []
    steps: list[float] = []
    probability, iterations = 1.0, 0
    while iterations < most:
        level = float(np.partition(swarm.score, kill - 1)[kill - 1])
        if level == HIT:
            return Climb(tuple(levels), tuple(steps), probability * float((swarm.score == HIT).mean()), iterations, swarm.drawn)
        dead = np.flatnonzero(swarm.score <= level)
        alive = np.flatnonzero(swarm.score > level)
        if alive.size == 0:
            break
        iterations += 1
        probability *= alive.size / size
        swarm.copy(dead, alive[(swarm.uniforms(dead.size) * alive.size).astype(np.int64)])
        accepted = 0.0
        for _ in range(moves):
            accepted += swarm.move(dead, level, step) / moves
        levels.append(level)
        steps.append(step)
        if accepted < ACCEPTED_LOW:
            step = max(STEP_LEAST, 0.7 * step)
        elif accepted > ACCEPTED_HIGH:
            step = min(STEP_MOST, step / 0.8)
    return Climb(tuple(levels), tuple(steps), 0.0, iterations, swarm.drawn)


class Repetition(NamedTuple):
    """One run over fixed levels."""

    probability: float
    paths: int
    witnesses: Batch  # some of the paths at the event
    until: I64  # the day by which each of them had decided it


def repeat(swarm: PathSwarm, levels: tuple[float, ...], steps: tuple[float, ...], chain: int) -> Repetition:
    """Splitting over levels that were fixed before (M-89): unbiased whatever the score, its atoms, and the number of moves.

    At each level size / ``chain`` paths are drawn from those above it; each is moved ``chain`` − 1 times, and all places on
    the way are kept (waste-free sequential Monte Carlo: Dau and Chopin 2022).
    """
    swarm.begin()
    size = swarm.score.size
    starts, probability = size // chain, 1.0
    for level, step in zip(levels, steps, strict=True):
        alive = np.flatnonzero(swarm.score > level)
        probability *= alive.size / size
        if alive.size == 0:
            return Repetition(0.0, swarm.drawn, swarm.shape.room(0), np.zeros(0, np.int64))
        chosen = alive[(swarm.uniforms(starts) * alive.size).astype(np.int64)]
        swarm.copy(np.arange(starts), chosen)
        for link in range(1, chain):
            here = np.arange(link * starts, (link + 1) * starts)
            swarm.copy(here, here - starts)
            swarm.move(here, level, step)
    hit = np.flatnonzero(swarm.score == HIT)
    probability *= hit.size / size
    some = hit[np.linspace(0, hit.size - 1, min(WITNESSES, hit.size)).astype(np.int64)] if hit.size else hit
    witnesses = swarm.held.rows(some)
    until = judged(swarm.judge, witnesses, swarm.seed)[1] if some.size else np.zeros(0, np.int64)
    return Repetition(probability, swarm.drawn + some.size, witnesses, until)
