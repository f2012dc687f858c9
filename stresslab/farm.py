"""Blocks of paths over Dask: threads of this process, local processes, or a cluster. The only file that knows Dask.

There is no arithmetic here: every worker calls :func:`stresslab.engine.run_block`, and what comes
back lines up by path number, so that the number of workers and the size of blocks change no byte.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stresslab.engine import Block, run_block
from stresslab.resolve import Resolved

#: (scenario's place in the list, first path, path after the last)
Task = tuple[int, int, int]
Done = Callable[[Task, Block], None]

BLOCK_PATHS = 25


def plan_blocks(scenarios: int, paths: int, block_paths: int = BLOCK_PATHS) -> list[Task]:
    """The tasks of a run: blocks of consecutive paths, scenario by scenario."""
    return [(s, start, min(start + block_paths, paths)) for s in range(scenarios) for start in range(0, paths, block_paths)]


def run_tasks(
    resolved: Sequence[Resolved], seed: int, tasks: Sequence[Task], done: Done, *, workers: int = 0, scheduler: str | None = None
) -> None:
    """Run tasks and hand each finished block to ``done`` as it comes.

    ``scheduler`` is the address of a running cluster; else ``workers`` > 0 starts so many local
    processes; else threads of this process do the work (kernels release the interpreter's lock).
    """
    if scheduler is not None or workers > 0:
        _run_distributed(resolved, seed, tasks, done, workers, scheduler)
    else:
        _run_threads(resolved, seed, tasks, done)


def _run_threads(resolved: Sequence[Resolved], seed: int, tasks: Sequence[Task], done: Done) -> None:
    import dask
    from dask.callbacks import Callback

    of_key = {f"block-{at}": task for at, task in enumerate(tasks)}

    def finished(key: str, result: Any, dsk: Any, state: Any, worker: Any) -> None:
        done(of_key[key], result)

    graph = {key: (run_block, resolved[s], seed, start, stop) for key, (s, start, stop) in of_key.items()}
    # The result of a block is handed on at once; the graph itself keeps nothing but its keys.
    with Callback(posttask=finished), dask.config.set(num_workers=os.cpu_count() or 1):
        dask.threaded.get(graph, list(of_key))


def _run_distributed(
    resolved: Sequence[Resolved], seed: int, tasks: Sequence[Task], done: Done, workers: int, scheduler: str | None
) -> None:
    from distributed import Client, LocalCluster, as_completed

    def together() -> Iterator[Any]:
        if scheduler is not None:
            with Client(scheduler) as client:
                yield client
        else:
            local = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1")
            with local as cluster, Client(cluster) as client:
                yield client

    for client in together():
        facts = {s: client.scatter(resolved[s], broadcast=True, hash=False) for s in sorted({t[0] for t in tasks})}
        futures = {client.submit(run_block, facts[s], seed, start, stop, pure=False): (s, start, stop) for s, start, stop in tasks}
        for future, block in as_completed(futures, with_results=True):
            done(futures[future], block)
            future.release()
