"""One weighted path of a finished run again: its noise, its lean, and that event and likelihood ratio are those of the run (M-287)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stresslab.engine import Runner
from stresslab.faults import Fault, nearest
from stresslab.resolve import Resolved
from stresslab.tail.event import read_event
from stresslab.tail.search import FIRST_PATH, Question, judge_of
from stresslab.tail.tilt import NOMINAL_EVERY, Lean, Tilt
from stresslab.tail.walk import HIT, Batch, judged


@dataclass(frozen=True)
class Weighted:
    """A path of a tilted sample, as the run tells of it."""

    event: str
    platform_id: str
    method: str
    path: int
    paths: int  # of the sample
    seed: int  # of the sample
    tilt: Tilt
    hit: bool
    log_ratio: float

    def draw(self, resolved: Resolved) -> tuple[Batch, bool, float]:
        """The noise of the path, a batch of one; whether it meets the event, and ln of its likelihood ratio, as the run reckons them."""
        event = read_event(self.event, [])
        if event is None:
            raise ValueError(f"{self.event} is no event")
        judge, shape = judge_of(resolved, Question(event, self.platform_id, self.seed), False)
        batch, number = shape.room(1), self.path - FIRST_PATH
        batch.path[:] = self.path
        shape.fill(batch, self.seed)
        self.tilt.leans[number % len(self.tilt.leans)].apply(batch.leading[0], batch.own[0])
        score, until = judged(judge, batch, self.seed)
        return batch, bool(score[0] == HIT), float(self.tilt.log_ratio(batch, until)[0])

    def place(self, runner: Runner, batch: Batch) -> None:
        """Give the path to a runner, as the first of its group."""
        runner.begin_group()
        runner.place(0, self.path, *batch.of(0))
        runner.end_group()

    def differences(self, hit: bool, log_ratio: float) -> list[str]:
        """Where the path is not that of the run, in words."""
        said = [] if hit == self.hit else [f"the event {'happens' if hit else 'does not happen'}, in the run it {_did(self.hit)}"]
        return said + ([] if log_ratio == self.log_ratio else [f"log_ratio is {log_ratio!r}, in the run {self.log_ratio!r}"])

    def told(self) -> dict[str, Any]:
        """For readers of a replay."""
        return {
            "event": self.event, "platform_id": self.platform_id, "method": self.method, "hit": self.hit, "log_ratio": self.log_ratio,
            "likelihood_ratio": float(np.exp(self.log_ratio)),
        }


def _did(hit: bool) -> str:
    return "did" if hit else "did not"


def tilt_of(text: str) -> Tilt:
    """The tilt that the column ``tilt`` of a run's answers tells: the law itself first, then the other leans in turn (M-84)."""
    told = json.loads(text)
    leans = [
        Lean(tuple(one["columns"]), tuple(tuple(line) for line in one["shift"]), tuple(one["instruments"]), tuple(one["instrument_shift"]))
        for one in told
    ]
    counts = [one["places"] for one in told]
    if leans[0] != Lean() or counts != [len(counts) - 1] + [NOMINAL_EVERY - 1] * (len(counts) - 1):
        raise ValueError("not the cycle of a defended mixture")
    places = (NOMINAL_EVERY - 1) * (len(leans) - 1)
    return Tilt((leans[0],) * counts[0] + tuple(leans[1 + at % (len(leans) - 1)] for at in range(places)))


def weighted_path(
    answers: pd.DataFrame, paths: pd.DataFrame, scenario: str, path: int, event: str | None, platform_id: str | None, faults: list[Fault]
) -> Weighted | None:
    """The weighted path of a run that was asked for; None and a fault if there is none, or more than one.

    ``answers`` and ``paths`` are the run's tables tail and tail_paths.
    """
    rows = answers[(answers["scenario"] == scenario) & answers["tilt"].notna()].to_dict("records")
    tilted = [{str(name): value for name, value in row.items()} for row in rows]
    if not tilted:
        rule = "no method of this scenario's rare events weighted paths: crude Monte Carlo and splitting keep none"
        faults.append(Fault("options", rule, f"give a path below {FIRST_PATH}", None, "path", str(path)))
        return None
    for name, given in (("event", event), ("platform_id", platform_id)):
        known = sorted({row[name] for row in tilted})
        option = name.removesuffix("_id")
        if given is not None and given not in known:
            faults.append(Fault("options", "has no weighted paths in this run", nearest(given, known), None, option, given))
            return None
        tilted = [row for row in tilted if given is None or row[name] == given]
        if len(known) > 1 and given is None:
            rule = f"the run has weighted paths of several {'events' if name == 'event' else 'platforms'}"
            faults.append(Fault("options", rule, "name one of " + ", ".join(known), None, option))
    if faults or not tilted:
        return None
    row = tilted[0]
    mine = _of(paths, row)
    at = path - FIRST_PATH
    if not 0 <= at < len(mine):
        rule, way_out = f"must be between {FIRST_PATH} and {FIRST_PATH + len(mine) - 1}", "give a weighted path of the run"
        faults.append(Fault("options", rule, way_out, None, "path", str(path)))
        return None
    found = mine.iloc[at]
    return Weighted(
        row["event"], row["platform_id"], row["method"], path, len(mine), int(row["seed"]), tilt_of(row["tilt"]), bool(found["hit"]),
        float(found["log_ratio"]))


def _of(paths: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    for name in ("scenario", "platform_id", "event", "method"):
        paths = paths[paths[name] == row[name]]
    return paths.sort_values("path")
