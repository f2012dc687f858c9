"""Rare events against crude Monte Carlo on the real cascade, at equal CPU time, pilots included: one JSON line for each measurement.

    python benchmarks/bench_tail.py [--runs 2] [--paths 60000] [--case 0] [--event 0]    (one event takes about two minutes)
    python benchmarks/tables.py tail.jsonl    (the lines as tables)

Gain = (variance of crude Monte Carlo in the CPU time that one run of the method took) / (variance of the method). The variance
of the method is the square of the error that it reports, averaged over runs; beside it stand the scatter of the runs themselves
and the mean over a reference (a tilt of other depths with many paths), for a method that misses part of an event reports a small
error. Crude paths are timed with the same code, without scores.

Books: 200 accounts, 50 names, 20 days, one platform. diversified: 12 names an account; the systemic event is that more than so
much is sold by force, the harder one that more than so much is lost (a loss needs a fall that is faster than the sales).
one_name: a tenth of the loans hangs on one name.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import tail_books

from stresslab.resolve import Resolved, resolve
from stresslab.tail import Question, Search, read_event
from stresslab.tail.search import CHAIN, SWARM, judge_of
from stresslab.tail.splitting import PathSwarm, climb, repeat
from stresslab.tail.tilt import Lean, Tilt, defended, draw_sample, find_tilt
from stresslab.tail.verdict import splitting_estimate, tilt_estimate
from stresslab.tail.walk import seed_of

#: Book, cushion, and the events at about 1e-4, 1e-5 and 1e-6, with daily market shifts for the reference.
CASES = (
    ("diversified", 0.2, ("sold >= 3700000 yuan", "sold >= 10650000 yuan", "sold >= 17600000 yuan"), (-0.8, -0.95, -1.1)),
    ("diversified", 0.0, ("loss_with_impact >= 51500 yuan", "loss_with_impact >= 221000 yuan", "loss_with_impact >= 487000 yuan"),
     (-0.7, -0.85, -1.0)),
    ("one_name", 0.0, ("loss_with_impact >= 420000 yuan", "loss_with_impact >= 550000 yuan", "loss_with_impact >= 700000 yuan"), ()),
)


#: The gains that are asked for, in the order of the cases.
TARGETS: tuple[tuple[int | None, ...], ...] = ((300, 1_000, 10_000), (None,) * 3, (None,) * 3)


def line(**values: Any) -> None:
    """One measurement."""
    print(json.dumps({k: None if v != v else v for k, v in values.items()}), flush=True)


def measure(resolved: Resolved, named: dict[str, Any], text: str, shifts: tuple[float, ...], runs: int, paths: int) -> None:
    """All methods on one event."""
    event = read_event(text, [])
    assert event is not None
    question = Question(event, "P1", 1)
    hits, shape = judge_of(resolved, question, False)
    scores, _ = judge_of(resolved, question, True)
    days = shape.days
    started = time.process_time()
    draw_sample(hits, shape, Tilt(), 1, 0, 0, 4_000)
    crude = (time.process_time() - started) / 4_000
    reference = math.nan
    if shifts:
        wide = defended(*[Lean((0,), ((s,) * days,)) for s in shifts])
        held = tilt_estimate("reference", draw_sample(hits, shape, wide, seed_of(9, 9), 0, 0, 3 * paths), 0)
        reference = held.probability
        line(**named, event=text, method="reference", probability=reference, relative_error=held.relative)
    made: dict[str, list[tuple[float, float, float]]] = {"tilt": [], "splitting": [], "whole": []}
    for run in range(runs):
        started = time.process_time()
        pilot = find_tilt(scores, shape, seed_of(100 + run, 1))
        if pilot.tilt is not None:
            one = tilt_estimate("tilt", draw_sample(hits, shape, pilot.tilt, 100 + run, 0, 0, paths), pilot.paths)
            made["tilt"].append((one.probability, one.error, time.process_time() - started))
        if run == 0:
            started = time.process_time()
            found = climb(PathSwarm(scores, shape, seed_of(200, 2), SWARM), 3 * SWARM // 4, 4, most=60)
            many = [repeat(PathSwarm(scores, shape, seed_of(200, 3, k), SWARM), found.levels, found.steps, CHAIN) for k in range(16)]
            two = splitting_estimate(many, found.paths)
            made["splitting"].append((two.probability, two.error, time.process_time() - started))
            started = time.process_time()
            answer = Search(
                Question(event, "P1", 300), lambda f, items: [f(resolved, *item) for item in items], 0.1, 100_000).answer()
            three = answer.chosen
            made["whole"].append((three.probability, three.error, time.process_time() - started))
            line(**named, event=text, method="whole", known=answer.known, chosen=three.method, reasons=[r.en for r in answer.reasons])
    for method, results in made.items():
        if not results:
            line(**named, event=text, method=method, gain=None)
            continue
        p, error, seconds = (np.array(x) for x in zip(*results, strict=True))
        variance, cpu = float((error**2).mean()), float(seconds.mean())
        line(**named, event=text, method=method, runs=len(results), probability=float(p.mean()), over_reference=float(p.mean()) / reference,
             relative_error=math.sqrt(variance) / float(p.mean()),
             relative_scatter=float(p.std(ddof=1) / p.mean()) if len(results) > 1 else None,
             cpu_seconds=cpu, crude_us_per_path=1e6 * crude, gain=float(p.mean()) * crude / cpu / variance)


def main() -> None:
    """The table."""
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=2)
    options.add_argument("--paths", type=int, default=60_000)
    options.add_argument("--case", type=int, default=-1, help="one of the cases alone")
    options.add_argument("--event", type=int, default=-1, help="one of the events of each case alone")
    chosen = options.parse_args()
    for at, (kind, cushion, events, shifts) in enumerate(CASES):
        if chosen.case not in (-1, at):
            continue
        resolved = resolve(tail_books.book(kind, cushion=cushion), tail_books.market(), tail_books.scenario(20))
        for number, text in enumerate(events):
            if chosen.event in (-1, number):
                named = {"book": kind, "cushion": cushion, "target": TARGETS[at][number]}
                measure(resolved, named, text, shifts, chosen.runs, chosen.paths)


if __name__ == "__main__":
    main()
