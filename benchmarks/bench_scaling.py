"""How time, memory and traffic grow with accounts, instruments, days, paths, parts and workers, and where it stops scaling.

Run: python benchmarks/bench_scaling.py > lines.jsonl; at most ten minutes on two quiet cores. ``--quick`` is a trial of a minute.
One JSON line per measurement, with commit and machine; ``plot_scaling.py`` makes the picture and the table of ``docs/scaling.md``.

Sweeps run blocks in this process and give the time of the thread on its processor, the median of three runs after a warm-up.
Workers run the same minute of work as one and as two local processes through Dask, wall time, start-up included and apart. What
the scheduler and the client spend on a block is measured with blocks that do nothing, and with bytes. From these the simulation
plays a run on up to 1,000 workers, event by event: a worker has one block in hand and one in its queue, and what scheduler and
client do is done one after the other. That the book is read from storage of 1.25 GB/s (10 Gbit/s) is supposed, not measured.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import pickle
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stresslab import capacity, engine, farm, parts
from stresslab.book import Book, demo_book
from stresslab.held import hold, opened
from stresslab.market import shipped_market
from stresslab.record import RunFolder
from stresslab.resolve import Resolved, resolve
from stresslab.scenario import read_scenario

SCENARIO, SEED, STORAGE = "crash-20", 1, 1.25e9
CREWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)


def main() -> None:
    """Print one JSON line per measurement."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--only", default="", help="some of sweeps,parts,workers,simulated")
    given = options.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    place = {"commit": commit, "machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}

    def tell(**figures: Any) -> None:
        print(json.dumps(figures | place), flush=True)

    wanted = given.only.split(",") if given.only else ["sweeps", "parts", "workers", "simulated"]
    if "sweeps" in wanted:
        sweeps(tell, given.quick)
    if "parts" in wanted:
        by_accounts(tell, given.quick)
    if "workers" in wanted:
        workers(tell, given.quick)
    if "simulated" in wanted:
        costs(tell, given.quick)


def scene(accounts: int, copies: int = 1, days: int = 60) -> Resolved:
    """A demo book with its instruments so many times, its accounts spread over the copies, under a fall of 20%."""
    book, scenario = demo_book(accounts), read_scenario(SCENARIO)
    return resolve(_copied(book, copies), shipped_market(), scenario.model_copy(update={"days": days}))


def _copied(book: Book, copies: int) -> Book:
    """The same holdings over more instruments: each account holds one copy of what it held, each copy trades its part."""
    if copies == 1:
        return book
    stocks, held = book.tables["instruments"], book.tables["positions"]
    names, volume = stocks["instrument_id"], stocks["adv_shares"] // copies
    more = [stocks.assign(instrument_id=names + f"-{k:02d}", adv_shares=volume) for k in range(copies)]
    which = held["account_id"].str[-6:].astype(int) % copies
    spread = held.assign(instrument_id=held["instrument_id"] + which.map(lambda k: f"-{k:02d}"))
    listed = pd.concat(more).sort_values("instrument_id", ignore_index=True)
    return replace(book, tables=book.tables | {"instruments": listed, "positions": spread})


def cpu_ms(work: Callable[[], Any], repeats: int = 3) -> float:
    """The median time of this thread on its processor, ms, after a warm-up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return 1000 * statistics.median(times)


def sweeps(tell: Callable[..., None], quick: bool) -> None:
    """One thing at a time: accounts, instruments, days, paths of a block."""
    base = 5_000 if quick else 20_000
    paths = 8 if quick else 32
    engine.run_block(scene(200), SEED, 0, 2)
    grid: list[tuple[str, int, int, int, int]] = [
        *(("accounts", n, 1, 60, paths) for n in ((1_000, base) if quick else (1_000, 5_000, 20_000, 80_000, 200_000))),
        *(("instruments", base, c, 60, paths) for c in ((1, 2) if quick else (1, 2, 4, 8))),
        *(("days", base, 1, d, paths) for d in ((40, 60) if quick else (30, 60, 120, 240))),
        *(("paths", base, 1, 60, p) for p in ((1, paths) if quick else (1, 4, 16, 32, 64, 128))),
    ]
    for what, accounts, copies, days, count in grid:
        one = scene(accounts, copies, days)
        block = engine.run_block(one, SEED, 0, count)
        spent = cpu_ms(lambda one=one, count=count: engine.run_block(one, SEED, 0, count), 1 if accounts > 100_000 else 3)  # type: ignore[misc]
        tell(
            bench="scaling", sweep=what, accounts=accounts, instruments=one.facts.instrument.size, days=days, paths=count,
            cpu_ms_per_path=round(spent / count, 3), book_bytes=capacity.book_bytes(one), state_bytes=capacity.state_bytes(one),
            positions=int(one.facts.position.size), **traffic(block))


def traffic(block: engine.Block) -> dict[str, Any]:
    """The bytes that a block is on the wire, and how many accounts are in it."""
    flat = engine.pack(block)
    return {"block_bytes": len(pickle.dumps(flat, 5)), "touched": int(flat["touched.at"].size)}


def by_accounts(tell: Callable[..., None], quick: bool) -> None:
    """A book cut by accounts in this process: time of a path, exchanges, and the bytes of one exchange with one part."""
    one = scene(2_000 if quick else 20_000)
    count = parts.GROUP
    whole = cpu_ms(lambda: engine.run_block(one, SEED, 0, count), 1)
    for number in (1, 2, 4) if quick else (1, 2, 4, 8, 16):
        held = [parts.Part(p, SEED) for p in parts.cut(one, number)]
        asked, sent = 0, 0

        def ask(name: str, *given: Any, held: list[parts.Part] = held) -> list[Any]:
            nonlocal asked, sent
            answers = [getattr(part, name)(*given) for part in held]
            if name == "step":
                asked += 1
                sent += answers[0].nbytes + (given[4].nbytes if given[4] is not None else 0)
            return answers

        start = time.thread_time()
        parts.run_block_in_parts(ask, one, 0, count)
        spent = 1000 * (time.thread_time() - start)
        tell(
            bench="scaling", sweep="parts", parts=number, accounts=one.facts.account.size, paths=count,
            cpu_ms_per_path=round(spent / count, 3), cpu_ms_per_path_whole=round(whole / count, 3), exchanges_per_group=asked,
            bytes_per_exchange=round(sent / asked))


def _nothing(held: Any, size: int) -> bytes:
    return bytes(size)


def workers(tell: Callable[..., None], quick: bool) -> None:
    """One and two processes on the same minute of work."""
    accounts, block_paths, minute = (5_000, 25, 4.0) if quick else (100_000, 25, 60.0)
    one = scene(accounts)
    engine.run_block(one, SEED, 0, 1)
    start = time.perf_counter()
    engine.run_block(one, SEED, 0, block_paths)
    count = max(4, 2 * round(minute / (time.perf_counter() - start) / 2)) * block_paths
    tasks = farm.plan_blocks(1, count, block_paths)
    took: dict[int, float] = {}
    for crew in (1, 2):
        handled, begun, at = 0.0, 0.0, time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            run, found = RunFolder(Path(folder)), list[engine.Block]()

            def done(task: farm.Task, block: engine.Block, run: RunFolder = run, found: list[engine.Block] = found) -> None:
                nonlocal handled
                clock = time.perf_counter()
                run.save_block("s", task[1], task[2], engine.pack(block))
                engine.fold(found, block)
                handled += time.perf_counter() - clock

            def say(cut: Any, how: str) -> None:
                nonlocal begun
                begun = time.perf_counter()

            farm.run_tasks([one], SEED, tasks, done, workers=crew, say=say)
        end = time.perf_counter()
        took[crew] = end - at
        tell(
            bench="scaling", sweep="workers", workers=crew, accounts=accounts, paths=count, blocks=len(tasks), seconds=round(end - at, 2),
            start_seconds=round(begun - at, 2), paths_per_second=round(count / (end - at), 2),
            client_ms_per_block=round(1000 * handled / len(tasks), 2), share_of_crew_times_one=round(took[1] / (crew * (end - at)), 3))


def costs(tell: Callable[..., None], quick: bool) -> None:
    """What a block costs beside its paths, and from that the simulation of many workers."""
    accounts, block_paths = (5_000, 25) if quick else (100_000, 25)
    one = scene(accounts)
    cost = beside(one, quick)
    book = capacity.book_bytes(one)
    with tempfile.TemporaryDirectory() as folder:
        held = hold(one, f"{folder}/book")
        clock = time.perf_counter()
        opened(held)
        opening = time.perf_counter() - clock
    per_path = statistics.median(_block_seconds(one, block_paths, 3 if quick else 8)) / block_paths
    for size in (block_paths, 8 * block_paths):
        block = engine.run_block(one, SEED, 0, size)
        flat, kept = traffic(block), keep_seconds(block)
        serial = cost["ms_per_task"] / 1000 + flat["block_bytes"] / cost["bytes_per_second"] + kept
        tell(
            bench="scaling", sweep="beside", accounts=accounts, block_paths=size, block_seconds=round(per_path * size, 3),
            open_ms=round(1000 * opening, 1), book_bytes=book, keep_ms=round(1000 * kept, 2), serial_ms_per_block=round(1000 * serial, 2),
            knee=round(per_path * size / serial, 1), **cost, **flat)
        # Blocks of one run differ: a quarter takes half as long again, a quarter half as long.
        alone = [per_path * size * f for f in (1.0, 1.5, 1.0, 0.5)]
        for crew in CREWS:
            blocks = 2_000_000 // size
            seconds = simulate(alone, serial, crew, blocks) + opening + crew * book / STORAGE
            ideal = blocks * statistics.mean(alone) / crew
            tell(
                bench="scaling", sweep="simulated", workers=crew, block_paths=size, paths=blocks * size, accounts=accounts,
                seconds=round(seconds, 1), paths_per_second=round(blocks * size / seconds, 1), efficiency=round(ideal / seconds, 3))


def keep_seconds(block: engine.Block) -> float:
    """What the client does with a block that comes: it is unpacked, written to disk, synced, and added up."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        run, found = RunFolder(Path(folder)), list[engine.Block]()
        for at in range(5):
            flat = engine.pack(block)
            start = time.perf_counter()
            again = engine.unpack(block.start, block.stop, flat)
            run.save_block("s", at, at + 1, engine.pack(again))
            engine.fold(found, again)
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def _block_seconds(one: Resolved, paths: int, count: int) -> list[float]:
    """The times of some blocks on this thread, s."""
    found = []
    for at in range(count):
        start = time.thread_time()
        engine.pack(engine.run_block(one, SEED, at * paths, (at + 1) * paths))
        found.append(time.thread_time() - start)
    return found


def beside(one: Resolved, quick: bool) -> dict[str, float]:
    """What Dask spends on a block that does nothing, ms, and how fast results come, bytes a second."""
    from distributed import Client, LocalCluster

    many, large = (50, 4) if quick else (400, 24)
    size = 8_000_000
    with tempfile.TemporaryDirectory() as folder:
        held = hold(one, f"{folder}/book")
        local = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1")
        with local as cluster, Client(cluster) as client:
            client.gather(client.map(_nothing, [held] * 4, [10] * 4, pure=False))
            start = time.perf_counter()
            client.gather([client.submit(_nothing, held, 10, pure=False) for _ in range(many)])
            each = (time.perf_counter() - start) / many
            start = time.perf_counter()
            for _ in range(large):
                client.submit(_nothing, held, size, pure=False).result()
            rest = max((time.perf_counter() - start) / large - each, 1e-6)
    return {"ms_per_task": round(1000 * each, 3), "bytes_per_second": round(size / rest), "task_bytes": len(pickle.dumps(held, 5))}


def simulate(alone: list[float], serial: float, crew: int, blocks: int) -> float:
    """Seconds of a run: workers with one block in hand and one waiting; scheduler and client do one thing at a time (M-264)."""
    given, now = 0, 0.0
    waiting = [0] * crew
    busy: list[tuple[float, int]] = []
    # Half of what is serial is spent on giving a block out, half on taking its result.
    for at in range(2 * crew):
        if given < blocks:
            now += serial / 2
            worker = at % crew
            if at < crew:
                heapq.heappush(busy, (now + alone[given % len(alone)], worker))
            else:
                waiting[worker] += 1
            given += 1
    server, last = now, 0.0
    while busy:
        end, worker = heapq.heappop(busy)
        server = max(server, end) + serial / 2
        last = server
        if waiting[worker]:
            waiting[worker] -= 1
            heapq.heappush(busy, (end + alone[given % len(alone)], worker))
            if given < blocks:
                server += serial / 2
                waiting[worker] += 1
                given += 1
        elif given < blocks:
            server += serial / 2
            heapq.heappush(busy, (server + alone[given % len(alone)], worker))
            given += 1
    return last


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
