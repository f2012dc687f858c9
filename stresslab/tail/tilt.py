"""Importance sampling: paths under a tilted law of the driving noise, each with its likelihood ratio (M-84 to M-86)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels.noise import LEAD_MARKET
from stresslab.tail.walk import BATCH, HIT, Batch, Judge, Shape, seed_of

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: One path of so many is drawn under the law itself: no likelihood ratio can pass this number.
NOMINAL_EVERY = 10
#: The market and so many further factors are tilted.
FURTHER = 4
#: Cross-entropy: paths of a stage, the part of them that teaches the next, the most stages, and paths of the last look.
STAGE_PATHS, ELITE, STAGES = 1000, 0.1, 14


@dataclass(frozen=True)
class Lean:
    """A shift of the mean of some normals: of leading columns day by day, and of named instruments' own noise, the same every day."""

    columns: tuple[int, ...] = ()
    shift: tuple[tuple[float, ...], ...] = ()  # of each column: one entry per day 1..T
    names: tuple[int, ...] = ()
    name_shift: tuple[float, ...] = ()

    def log_density(self, batch: Batch) -> F64:
        """ln of the density under the shift over that under the law, one entry per path."""
        out = np.zeros(batch.path.size)
        for column, shift in zip(self.columns, self.shift, strict=True):
            line = np.array(shift)
            out += batch.leading[:, 1:, column] @ line - 0.5 * float(line @ line)
        days = batch.leading.shape[1] - 1
        for name, step in zip(self.names, self.name_shift, strict=True):
            out += step * batch.own[:, 1:, name].sum(axis=1, dtype=np.float64) - 0.5 * days * step * step
        return out

    def apply(self, leading: F64, own: NDArray[np.float32]) -> None:
        """Shift the noise of one path (days 0..T × columns, days 0..T × instruments)."""
        for column, shift in zip(self.columns, self.shift, strict=True):
            leading[1:, column] += shift
        for name, step in zip(self.names, self.name_shift, strict=True):
            own[1:, name] += np.float32(step)


@dataclass(frozen=True)
class Tilt:
    """A mixture of shifts, path i taking that of place i modulo their number; the first is the law itself (defensive).

    No lean at all is the law itself: crude paths with likelihood ratio 1.
    """

    leans: tuple[Lean, ...] = (Lean(),)

    def log_ratio(self, batch: Batch) -> F64:
        """ln of the law's density over the mixture's (M-84): the balance heuristic, so no path needs to know its lean."""
        kinds: dict[Lean, int] = {}
        for lean in self.leans:
            kinds[lean] = kinds.get(lean, 0) + 1
        terms = [math.log(count / len(self.leans)) + lean.log_density(batch) for lean, count in kinds.items()]
        out: F64 = -np.logaddexp.reduce(np.array(terms), axis=0)
        return out


def defended(*leans: Lean) -> Tilt:
    """A tilt of equal parts of some shifts, with one path in :data:`NOMINAL_EVERY` under the law."""
    places = (NOMINAL_EVERY - 1) * len(leans)
    return Tilt((Lean(),) * len(leans) + tuple(leans[at % len(leans)] for at in range(places)))


class Sample(NamedTuple):
    """What tilted paths gave, one entry per path."""

    path: I64
    score: F64  # HIT where the event happened; else 0 unless scores were asked for
    log_ratio: F64
    market: F64  # paths × days 1..T: the market's normals, tilted
    leading_mean: F64  # paths × columns: the mean over days, tilted

    @property
    def hit(self) -> NDArray[np.bool_]:
        """Where the event happened."""
        found: NDArray[np.bool_] = self.score == HIT
        return found

    @property
    def weight(self) -> F64:
        """The likelihood ratio where the event happened, else 0."""
        return np.where(self.hit, np.exp(self.log_ratio), 0.0)


def draw_sample(judge: Judge, shape: Shape, tilt: Tilt, seed: int, first: int, start: int, stop: int) -> Sample:
    """Paths ``start`` to ``stop`` − 1 of a tilt; path i has the number ``first`` + i in every counter."""
    parts = []
    for at in range(start, stop, BATCH):
        batch = shape.room(min(BATCH, stop - at))
        batch.path[:] = first + np.arange(at, at + batch.path.size)
        shape.fill(batch, seed)
        for lane in range(batch.path.size):
            tilt.leans[(at + lane) % len(tilt.leans)].apply(batch.leading[lane], batch.own[lane])
        score = judge(batch, seed)
        leading = batch.leading[:, 1:]
        parts.append((batch.path, score, tilt.log_ratio(batch), leading[:, :, LEAD_MARKET].copy(), leading.mean(axis=1)))
    return joined([Sample(*part) for part in parts])


def joined(samples: list[Sample]) -> Sample:
    """Several samples as one."""
    return Sample(*(np.concatenate(parts) for parts in zip(*samples, strict=True)))


def next_lean(sample: Sample, level: float, wanted: NDArray[np.uint8]) -> Lean:
    """The cross-entropy shift from the paths at or above a level (M-85): the weighted mean of the normals.

    The market's is fitted by a parabola in time, so that days that do not matter are left alone. Of the other columns
    the four with the largest shift are taken, the same on all days, where it is more than twice its sampling error.
    """
    elite = sample.score >= level
    weight = np.exp(sample.log_ratio[elite] - sample.log_ratio[elite].max())
    weight /= weight.sum()
    days = sample.market.shape[1]
    error = math.sqrt(float(weight @ weight) / days)
    mean = weight @ sample.leading_mean[elite]
    columns = [int(c) for c in np.flatnonzero(wanted)]
    others = sorted((c for c in columns if c != LEAD_MARKET and abs(mean[c]) > 2.0 * error), key=lambda c: (-abs(mean[c]), c))
    kept = [LEAD_MARKET] * bool(wanted[LEAD_MARKET]) + sorted(others[:FURTHER])
    lines = [bent(weight @ sample.market[elite], error) if c == LEAD_MARKET else np.full(days, mean[c]) for c in kept]
    return Lean(tuple(kept), tuple(tuple(float(x) for x in line) for line in lines))


def bent(daily: F64, error: float) -> F64:
    """A course of daily means as a constant, and a slope and a bow where they are more than twice their sampling error."""
    days = daily.size
    out = np.full(days, daily.mean())
    time = np.linspace(-1.0, 1.0, days) if days > 1 else np.zeros(1)
    basis: list[F64] = [np.ones(days) / math.sqrt(days)]
    for power in (1, 2):
        if days <= power:
            break
        line = time**power
        for before in basis:
            line = line - (line @ before) * before
        line = line / math.sqrt(float(line @ line))
        basis.append(line)
        size = float(daily @ line)
        if abs(size) > 2.0 * error * math.sqrt(days):
            out = out + size * line
    return out


def steady(lean: Lean) -> Lean:
    """The same shift with each column's mean over days on every day."""
    return Lean(lean.columns, tuple((sum(line) / len(line),) * len(line) for line in lean.shift), lean.names, lean.name_shift)


def towards(lean: Lean) -> Tilt:
    """The defended tilt of a lean: half of it constant in time, where the lean bends.

    A bend that is fitted to few paths is too narrow for others; the constant half bounds what that can cost.
    """
    return defended(lean) if steady(lean) == lean else defended(lean, steady(lean))


class Pilot(NamedTuple):
    """What the cross-entropy pilot found."""

    tilt: Tilt | None  # None if the event was never reached
    paths: int
    spread: float  # relative variance of one path of the tilt, from the last stage that saw the event


def find_tilt(judge: Judge, shape: Shape, seed: int) -> Pilot:
    """The tilt towards the event, stage by stage, each towards the nearest tenth of the paths before (M-85)."""
    lean, used = Lean(), 0
    for stage in range(STAGES):
        tilt = towards(lean) if lean.columns else Tilt()
        sample = draw_sample(judge, shape, tilt, seed_of(seed, 0, stage), 0, 0, STAGE_PATHS)
        used += STAGE_PATHS
        level = float(np.partition(sample.score, -int(STAGE_PATHS * ELITE))[-int(STAGE_PATHS * ELITE)])
        lean = next_lean(sample, level, shape.wanted)
        if level == HIT:
            break
    else:
        return Pilot(None, used, math.inf)
    # Once more under the tilt found, with more of the event than of the way to it.
    tilt = towards(lean)
    sample = draw_sample(judge, shape, tilt, seed_of(seed, 0, STAGES), 0, 0, 2 * STAGE_PATHS)
    used += 2 * STAGE_PATHS
    if sample.hit.sum() >= STAGE_PATHS * ELITE:
        lean = next_lean(sample, HIT, shape.wanted)
    weight = sample.weight
    spread = float((weight * weight).mean() / weight.mean() ** 2 - 1.0) if sample.hit.any() else math.inf
    return Pilot(towards(lean), used, spread)


#: Paths at the event that share one name far from its mean, in standard deviations, teach that name a lean of its own.
NAME_FAR, NAMES_MOST, NAME_SHARE = 3.0, 3, 0.03


def tilt_of_witnesses(witnesses: Batch, weight: F64, wanted: NDArray[np.uint8]) -> Tilt | None:
    """A tilt with a lean for each name that paths at the event have in common, and one for the others (M-90).

    ``witnesses`` are paths at the event that splitting found, ``weight`` their shares; None without any.
    """
    if weight.size == 0 or weight.sum() <= 0.0:
        return None
    weight = weight / weight.sum()
    days = witnesses.leading.shape[1] - 1
    far = witnesses.own[:, 1:].sum(axis=1, dtype=np.float64) / math.sqrt(days)
    name = np.abs(far).argmax(axis=1)
    name = np.where(np.abs(far).max(axis=1) >= NAME_FAR, name, -1)
    share = {int(n): float(weight[name == n].sum()) for n in np.unique(name) if n >= 0}
    named = sorted((n for n in share if share[n] >= NAME_SHARE), key=lambda n: (-share[n], n))[:NAMES_MOST]
    groups = [(n, name == n) for n in named] + [(-1, ~np.isin(name, named))]
    columns = tuple(int(c) for c in np.flatnonzero(wanted))
    leans = []
    for which, mine in groups:
        if weight[mine].sum() < NAME_SHARE:
            continue
        part = weight[mine] / weight[mine].sum()
        mean = part @ witnesses.leading[mine][:, 1:].mean(axis=1)
        error = math.sqrt(float(part @ part) / days)
        kept = tuple(c for c in columns if c == LEAD_MARKET or abs(mean[c]) > 2.0 * error)
        shift = tuple((float(mean[c]),) * days for c in kept)
        own = (which,) if which >= 0 else ()
        leans.append(Lean(kept, shift, own, tuple(float(part @ far[mine][:, n]) / math.sqrt(days) for n in own)))
    return defended(*leans)
