"""Importance sampling: paths under a tilted law of the driving noise, each with its likelihood ratio (M-84 to M-86)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels.noise import LEAD_MARKET
from stresslab.tail.walk import BATCH, HIT, Batch, Judge, Shape, judged, seed_of

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: One path of so many is drawn under the law itself: no likelihood ratio can pass this number.
NOMINAL_EVERY = 10
#: The market and so many further factors are tilted.
FURTHER = 4
#: Cross-entropy: paths of a stage, the part of them that teaches the next, the most stages, and paths of the last look.
STAGE_PATHS, ELITE, STAGES = 1000, 0.1, 14


#: A bend needs more days than this share of the paths comes to.
ALIVE_LEAST = 0.05


@dataclass(frozen=True)
class Lean:
    """A shift of the mean of some normals: of leading columns day by day, and of named instruments' own noise, the same every day."""

    columns: tuple[int, ...] = ()
    shift: tuple[tuple[float, ...], ...] = ()  # of each column: one entry per day 1..T
    names: tuple[int, ...] = ()
    name_shift: tuple[float, ...] = ()

    def log_density(self, batch: Batch, until: I64 | None = None) -> F64:
        """ln of the density under the shift over that under the law, one entry per path, of the days up to ``until`` (all)."""
        out = np.zeros(batch.path.size)
        seen = days_until(batch, until)
        for column, shift in zip(self.columns, self.shift, strict=True):
            line = np.array(shift)
            # Row by row, so that a path alone gives the bits that it gives among others.
            out += np.ascontiguousarray((batch.leading[:, 1:, column] * line - 0.5 * line * line) * seen).sum(axis=1)
        for name, step in zip(self.names, self.name_shift, strict=True):
            out += np.ascontiguousarray((step * batch.own[:, 1:, name].astype(np.float64) - 0.5 * step * step) * seen).sum(axis=1)
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

    def log_ratio(self, batch: Batch, until: I64 | None = None) -> F64:
        """ln of the law's density over the mixture's (M-84): the balance heuristic, so no path needs to know its lean.

        With ``until`` only the days count by which a path had decided the event: the ratio's mean given those days (M-291).
        """
        kinds: dict[Lean, int] = {}
        for lean in self.leans:
            kinds[lean] = kinds.get(lean, 0) + 1
        terms = [math.log(count / len(self.leans)) + lean.log_density(batch, until) for lean, count in kinds.items()]
        out: F64 = -np.logaddexp.reduce(np.array(terms), axis=0)
        return out


def days_until(batch: Batch, until: I64 | None) -> F64:
    """1 on the days up to that of each path, 0 after it: paths × days 1..T."""
    days = batch.leading.shape[1] - 1
    if until is None:
        return np.ones((batch.path.size, days))
    seen: F64 = (np.arange(1, days + 1) <= until[:, None]).astype(np.float64)
    return seen


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
    leading_mean: F64  # paths × columns: the mean over the days until the event was decided, tilted
    until: I64  # the day by which a path had decided the event: its likelihood ratio is that of the days until then

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
        score, until = judged(judge, batch, seed)
        leading, seen = batch.leading[:, 1:], days_until(batch, until)
        mean = (leading * seen[:, :, None]).sum(axis=1) / until[:, None]
        parts.append((batch.path, score, tilt.log_ratio(batch, until), leading[:, :, LEAD_MARKET].copy(), mean, until))
    return joined([Sample(*part) for part in parts])


def joined(samples: list[Sample]) -> Sample:
    """Several samples as one."""
    return Sample(*(np.concatenate(parts) for parts in zip(*samples, strict=True)))


def next_lean(sample: Sample, level: float, wanted: NDArray[np.uint8]) -> Lean:
    """The cross-entropy shift from the paths at or above a level (M-85): the weighted mean of the normals.

    The market's is fitted by a parabola in time, so that days that do not matter are left alone. Of the other columns
    the four with the largest shift are taken, the same on all days, where it is more than twice its sampling error. What a
    path did after it had decided the event says nothing of how to get there, and is left out (M-291).
    """
    elite = sample.score >= level
    weight = np.exp(sample.log_ratio[elite] - sample.log_ratio[elite].max())
    weight /= weight.sum()
    days = sample.market.shape[1]
    error = math.sqrt(float(weight @ weight) / days)
    until = sample.until[elite]
    mean = (weight * until) @ sample.leading_mean[elite] / float(weight @ until)
    columns = [int(c) for c in np.flatnonzero(wanted)]
    others = sorted((c for c in columns if c != LEAD_MARKET and abs(mean[c]) > 2.0 * error), key=lambda c: (-abs(mean[c]), c))
    kept = [LEAD_MARKET] * bool(wanted[LEAD_MARKET]) + sorted(others[:FURTHER])
    alive = weight @ (np.arange(1, days + 1) <= until[:, None])  # the share of paths that each day still counts for
    daily = weight @ np.where(np.arange(1, days + 1) <= until[:, None], sample.market[elite], 0.0) / np.maximum(alive, 1e-300)
    lines = [bent(daily, error, alive) if c == LEAD_MARKET else np.full(days, mean[c]) for c in kept]
    return Lean(tuple(kept), tuple(tuple(float(x) for x in line) for line in lines))


def bent(daily: F64, error: float, alive: F64) -> F64:
    """A course of daily means as a constant, and a slope and a bow where they are more than twice their sampling error.

    A day counts as the share of paths that are ``alive`` on it, which is also what its mean was taken over.
    """
    days, share = daily.size, alive / alive.mean()
    out = np.full(days, float(share @ daily) / days)
    time = np.linspace(-1.0, 1.0, days) if days > 1 else np.zeros(1)
    basis: list[F64] = [np.ones(days) / math.sqrt(days)]
    for power in (1, 2):
        if np.count_nonzero(alive > ALIVE_LEAST) <= power:
            break
        line = time**power
        for before in basis:
            line = line - float((share * line) @ before) * before
        line = line / math.sqrt(float((share * line) @ line))
        basis.append(line)
        size = float((share * daily) @ line)
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


def tilt_of_witnesses(witnesses: Batch, weight: F64, wanted: NDArray[np.uint8], until: I64 | None = None) -> Tilt | None:
    """A tilt with a lean for each name that paths at the event have in common, and one for the others (M-90).

    ``witnesses`` are paths at the event that splitting found, ``weight`` their shares, ``until`` the days by which they had decided
    it; None without any.
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
    seen = days_until(witnesses, until)
    sums, names = (witnesses.leading[:, 1:] * seen[:, :, None]).sum(axis=1), (witnesses.own[:, 1:] * seen[:, :, None]).sum(axis=1)
    leans = []
    for which, mine in groups:
        if weight[mine].sum() < NAME_SHARE:
            continue
        part = weight[mine] / weight[mine].sum()
        counted = float(part @ seen[mine].sum(axis=1))
        mean = part @ sums[mine] / counted
        error = math.sqrt(float(part @ part) / days)
        kept = tuple(c for c in columns if c == LEAD_MARKET or abs(mean[c]) > 2.0 * error)
        shift = tuple((float(mean[c]),) * days for c in kept)
        own = (which,) if which >= 0 else ()
        leans.append(Lean(kept, shift, own, tuple(float(part @ names[mine][:, n]) / counted for n in own)))
    return defended(*leans)
