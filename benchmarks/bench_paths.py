"""Time of drawing paths: our kernels against numpy, torch, jax, plain numba and QuantLib, on one thread, in the same run.

Run: pip install '.[bench]', then python benchmarks/bench_paths.py [--repeats 9] [--kinds gbm,panel,normals] [--memory].

300 assets, 8 dense factors, 60 days. ``gbm``: ours is the product's own draw (double-precision levels, prices as integers on
ticks, the market and seven further factors); the peers give single-precision prices, but for QuantLib and plain numba (double).
``panel``: Heston's variance and Merton's jumps for each asset, ours and the peers' in single precision. ``normals``: a million
standard normals into a buffer. A contender draws block after block into its buffer, in the number of paths at a time at which
it is quickest (tried before). Times are medians over ``--repeats`` rounds in which all contenders take turns of a tenth of a
second, after a warm-up;
``compile_s`` is what the first call took more. ``cpu_…`` is the time of the process on processors (jax has threads of its own),
which a busy machine disturbs less, and ratios are medians of the ratios turn by turn: how many times longer than ours. ``moments``
are the mean and deviation of the log returns of all assets and the deviation of their mean asset on the last day, in percent, so
that one sees that all draw the same law. With ``--memory`` each contender runs alone in a fresh process, which tells its peak
memory. One JSON line per measurement, with commit and machine.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import path_peers
from numpy.typing import NDArray
from path_peers import ASSETS, DAYS, STEP, Draw, Market

from stresslab.kernels import draws, factors, noise, normals, panel, returns

OURS = "stresslab"
NORMALS = 1 << 20
#: A turn of a contender takes about so long, s: the caches are its own, and the clock ticks finely enough.
TURN = 0.1


def ours_gbm(m: Market, paths: int) -> Draw:
    """Draw as the product does: ``returns.draw_prices``; loadings on the market and on seven further factors."""
    market = returns.MarketTerms(
        price=np.rint(m.price * 100).astype(np.int64) * 10, tick=np.full(ASSETS, 10), beta=m.loading[:, 0] / 0.012,
        sector=np.zeros(ASSETS, np.int64), sector_loading=np.zeros(ASSETS), own_sd=m.own, rate_beta=np.zeros(ASSETS), sector_sd=np.zeros(0),
        law=factors.FactorLaw(factors.LAW_GBM, 0.012, 0.0), crash=factors.Crash(factors.SHAPE_NONE, 0, 0.0, False),
        wanted=np.array([1, *[0] * (noise.LEAD_FACTORS - 1), *[1] * 7], np.uint8), rate_shock=np.zeros(DAYS + 1),
        style_loading=np.ascontiguousarray(m.loading[:, 1:].T),
    )
    out = np.zeros((paths, DAYS + 1, ASSETS), np.int64)
    level, rate, found = np.zeros((paths, DAYS + 1)), np.zeros((paths, DAYS + 1)), np.zeros((paths, 3))
    levels, room, block = returns.new_levels(market), noise.new_noise(DAYS, 7, ASSETS), [0]

    def draw() -> Any:
        returns.draw_prices(out, level, rate, found, levels, market, room, 1, block[0])
        block[0] += paths
        return np.moveaxis(out[:, 1:], 0, -1) / 1_000 if told[0] else out

    return draw


def ours_panel(m: Market, paths: int) -> Draw:
    """Draw with ``panel.panel_paths``."""
    one = np.ones(ASSETS)
    p = panel.new_panel(
        DAYS, m.price, STEP, drift=0 * one, first=m.long_run * one, reversion=m.reversion / STEP * one, long_run=m.long_run * one,
        vol_of_vol=m.vol_of_vol / np.sqrt(STEP) * one, correlation=m.correlation * one, intensity=m.intensity / STEP * one,
        jump_mean=m.jump_mean * one, jump_sd=m.jump_sd * one, loading=np.ascontiguousarray(m.mixing.T))
    out, block = np.zeros((paths, DAYS, p.terms.shape[1]), np.float32), [0]

    def draw() -> Any:
        panel.panel_paths(out, p, np.float32(STEP), 1, block[0])
        block[0] += paths
        return np.moveaxis(out[:, :, :ASSETS], 0, -1) if told[0] else out

    return draw


#: Whether a draw of ours is asked for its prices in the layout of the peers: for the moments, never on the clock.
told = [False]
Made = tuple[Callable[[Market, int], Draw], tuple[int, ...]]
KINDS: dict[str, dict[str, Made]] = {
    "gbm": {OURS: (ours_gbm, (1, 4, 8, 12, 16))} | path_peers.GBM, "panel": {OURS: (ours_panel, (1, 4, 8, 16))} | path_peers.PANEL,
}


def seconds(draw: Draw, times: int = 1) -> NDArray[np.float64]:
    """The time of a draw on the wall and on processors, s."""
    begun = np.array([time.perf_counter(), time.process_time()])
    for _ in range(times):
        draw()
    return (np.array([time.perf_counter(), time.process_time()]) - begun) / times


def best(m: Market, made: Made) -> tuple[Draw, int, float]:
    """The draw with the number of paths at which it is quickest, that number, and what its first call took longer, s."""
    found = []
    for paths in made[1]:
        draw = made[0](m, paths)
        first = seconds(draw)[0]
        times = 1 if len(made[1]) == 1 else max(1, 64 // paths)  # nothing to choose from
        wall, cpu = np.min([seconds(draw, times) for _ in range(5)], axis=0)
        found.append((cpu / paths, draw, paths, max(0.0, first - wall)))
    _, draw, paths, _ = min(found, key=lambda row: row[0])
    return draw, paths, max(row[3] for row in found)


def moments(draw: Draw, m: Market, paths: int) -> list[float]:
    """Mean and deviation of all log returns, and the deviation of their mean over assets, from at least 1,000 paths, percent."""
    told[0] = True
    ends = []
    for _ in range(-(-1_000 // paths)):
        drawn = draw()
        ends.append(quantlib_ends(drawn) if isinstance(drawn, list) else np.float64(np.asarray(drawn[-1])))
    told[0] = False
    level = np.log(np.concatenate(ends, axis=1) / m.price[:, None])
    return [round(100 * float(v), 2) for v in (level.mean(), level.std(), level.mean(axis=0).std())]


def quantlib_ends(drawn: list[Any]) -> NDArray[np.float64]:
    """The last prices of QuantLib's paths."""
    return np.array([[path[i][DAYS] for i in range(ASSETS)] for path in drawn]).T


def measure_paths(kind: str, given: argparse.Namespace, tell: Callable[..., None]) -> None:
    """Time all contenders in turns."""
    m, ready, missing = path_peers.new_market(), {}, []
    for name, made in KINDS[kind].items():
        if given.only in ("", name):
            try:
                ready[name] = best(m, made)
            except ImportError as error:
                missing.append(f"{name} ({error.name})")
    turns: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ready}
    times = {name: max(1, round(TURN / min(seconds(draw)[1] for _ in range(3)))) for name, (draw, _, _) in ready.items()}
    for _ in range(given.repeats):
        for name, (draw, paths, _) in ready.items():
            turns[name].append(1e9 * seconds(draw, times[name]) / (paths * ASSETS * DAYS))
    for name, (draw, paths, compiling) in ready.items():
        mine = np.array(turns[name])
        wall, cpu = (round(float(v), 3) for v in np.median(mine, axis=0))
        figures: dict[str, object] = {"ns_per_asset_step": wall, "cpu_ns": cpu}
        if name != OURS and OURS in turns:
            ratio = np.median(mine / np.array(turns[OURS]), axis=0)
            figures |= {"slower_than_ours": round(float(ratio[0]), 2), "cpu_slower_than_ours": round(float(ratio[1]), 2)}
        if not given.only:
            figures["moments"] = moments(draw, m, paths)
        tell(bench=f"paths {kind}", contender=name, paths_at_a_time=paths, repeats=given.repeats, compile_s=round(compiling, 2), **figures)
    if missing:
        tell(bench=f"paths {kind}", missing=missing)


def our_normals(count: int) -> dict[str, Draw]:
    """Own noise in single precision by Box-Muller, leading normals in double precision by inversion."""
    place, words, own = normals.places(1, 64, 64), normals.new_words(), normals.aligned(count, np.float32)
    first, column, tail = normals.aligned(4_096, np.uint32), normals.aligned(4_096), normals.aligned(4_096)
    where = np.zeros(4_096, np.int64)

    def leading() -> None:
        for block in range(count // 4_096):
            normals.fill_first_words(first, np.uint64(4_096 * block), np.uint64(0), np.uint64(0), np.uint64(1), np.uint64(1))
            normals.fill_quantiles(column, first, tail, where)

    def mass() -> None:
        for path in range(count // (4 * place.size)):
            normals.fill_normals(own[4 * place.size * path:4 * place.size * (path + 1)], place, words, draws.STREAM_OWN, 1, path)

    return {
        f"{OURS} Philox 4x32-10 Box-Muller float32": mass,
        f"{OURS} Philox 4x32-10 inversion float64": leading,
    }


def measure_normals(given: argparse.Namespace, tell: Callable[..., None]) -> None:
    """Time a million normals of each generator, in turns."""
    ready = our_normals(NORMALS) | path_peers.normals(NORMALS)
    turns: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ready}
    for draw in ready.values():
        draw()
    for _ in range(given.repeats):
        for name, draw in ready.items():
            turns[name].append(1e9 * seconds(draw) / NORMALS)
    ours = np.array(turns[next(iter(ready))])
    for name, mine in turns.items():
        wall, cpu = np.median(mine, axis=0)
        ratio = float(np.median(np.array(mine) / ours, axis=0)[1])
        figures = {"ns_per_normal": round(float(wall), 3), "cpu_ns": round(float(cpu), 3), "cpu_slower_than_ours": round(ratio, 2)}
        tell(bench="normals", contender=name, repeats=given.repeats, **figures)


def measure_memory(kind: str, given: argparse.Namespace) -> None:
    """Run each contender alone in a fresh process."""
    for name in KINDS[kind]:
        subprocess.run(
            [sys.executable, __file__, "--kinds", kind, "--repeats", "1", "--only", name], check=False)


def main() -> None:
    """Print one JSON line per measurement."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=9)
    options.add_argument("--kinds", default="gbm,panel,normals")
    options.add_argument("--only", default="", help="one contender, alone")
    options.add_argument("--memory", action="store_true", help="peak memory of each contender in a process of its own")
    given = options.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    place = {"commit": commit, "machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "threads": 1}

    def tell(**figures: object) -> None:
        peak = {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} if given.only else {}
        print(json.dumps({"assets": ASSETS, "factors": path_peers.FACTORS, "days": DAYS} | figures | peak | place), flush=True)

    for kind in given.kinds.split(","):
        if kind == "normals":
            measure_normals(given, tell)
        elif given.memory:
            measure_memory(kind, given)
        else:
            measure_paths(kind, given, tell)


if __name__ == "__main__":
    main()
