"""Time of the demo's cascade: milliseconds a path for each scenario on one thread, and the gain of two.

Run: python benchmarks/bench_demo.py [--paths 20] [--repeats 3]. Compile time is stated apart; each figure is
the median of several runs after a warm-up; one JSON line per measurement, with commit and machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from stresslab.book import demo_book
from stresslab.engine import run_block
from stresslab.market import shipped_market
from stresslab.resolve import resolve
from stresslab.scenario import read_scenario
from stresslab.verbs import DEMO_SCENARIOS


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """The median wall time of several runs, s."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print one JSON line per measurement."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--paths", type=int, default=20)
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    place = {"commit": commit, "machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}

    def tell(**figures: object) -> None:
        print(json.dumps(figures | place), flush=True)

    book, market = demo_book(), shipped_market()
    start = time.perf_counter()
    run_block(resolve(book, market, read_scenario("baseline")), 1, 0, 1)
    tell(bench="compile and first path", seconds=round(time.perf_counter() - start, 2))
    for name in DEMO_SCENARIOS:
        resolved = resolve(book, market, read_scenario(name))

        def block(first: int, resolved: object = resolved) -> object:
            return run_block(resolved, 1, first, first + given.paths)  # type: ignore[arg-type]

        def pair() -> list[object]:
            with ThreadPoolExecutor(2) as pool:
                return list(pool.map(block, (0, given.paths)))

        block(0)
        one = median_seconds(lambda: block(0), given.repeats) / given.paths
        two = median_seconds(pair, given.repeats) / (2 * given.paths)
        tell(bench="cascade, three columns", scenario=name, accounts=20_000, days=60, paths=given.paths, repeats=given.repeats,
             ms_per_path_1_thread=round(1000 * one, 2), ms_per_path_2_threads=round(1000 * two, 2), gain_of_2_threads=round(one / two, 2))
    tell(bench="peak memory", mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
