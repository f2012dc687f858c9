"""Blocks of paths over Dask: threads of this process, local processes, or a cluster. The only file that knows Dask.

There is no arithmetic here: every worker calls :func:`stresslab.engine.run_block`, or holds one part of a book that is cut by
accounts (:mod:`stresslab.parts`); what comes back lines up by path number, so that the number of workers, of parts and the size of
blocks change no byte.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from stresslab.engine import Block, run_block
from stresslab.parts import Ask, Part, cut, run_block_in_parts
from stresslab.resolve import Resolved

#: (scenario's place in the list, first path, path after the last)
Task = tuple[int, int, int]
Done = Callable[[Task, Block], None]

BLOCK_PATHS = 25


def plan_blocks(scenarios: int, paths: int, block_paths: int = BLOCK_PATHS) -> list[Task]:
    """The tasks of a run: blocks of consecutive paths, scenario by scenario."""
    return [(s, start, min(start + block_paths, paths)) for s in range(scenarios) for start in range(0, paths, block_paths)]


def run_tasks(
    resolved: Sequence[Resolved], seed: int, tasks: Sequence[Task], done: Done, *, workers: int = 0, scheduler: str | None = None,
    parts: int = 0,
) -> None:
    """Run tasks and hand each finished block to ``done`` as it comes.

    ``scheduler`` is the address of a running cluster; else ``workers`` > 0 starts so many local
    processes; else threads of this process do the work (kernels release the interpreter's lock). With ``parts`` > 0 the book
    is cut by accounts into so many parts, each worker holds its own, and the paths go through all of them in step.
    """
    if parts > 0:
        _run_parts(resolved, seed, tasks, done, parts, workers, scheduler)
    elif scheduler is not None or workers > 0:
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


@contextmanager
def _cluster(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A client of a running cluster, or of so many local processes."""
    from distributed import Client, LocalCluster

    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    # Everything that listens says where, also the pages of scheduler and workers: without an address (None too) those are open to all.
    local = LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
    )
    with local as cluster, Client(cluster) as client:
        yield client


def _run_distributed(
    resolved: Sequence[Resolved], seed: int, tasks: Sequence[Task], done: Done, workers: int, scheduler: str | None
) -> None:
    from distributed import as_completed

    with _cluster(workers, scheduler) as client:
        facts = {s: client.scatter(resolved[s], broadcast=True, hash=False) for s in sorted({t[0] for t in tasks})}
        futures = {client.submit(run_block, facts[s], seed, start, stop, pure=False): (s, start, stop) for s, start, stop in tasks}
        for future, block in as_completed(futures, with_results=True):
            done(futures[future], block)
            future.release()


@contextmanager
def crew(shared: Resolved, workers: int = 0, scheduler: str | None = None) -> Iterator[Callable[..., list[Any]]]:
    """Workers that hold one scenario: ``ask(function, [arguments, …])`` calls function(scenario, *arguments) for each.

    Answers come in the order of the arguments, so that the number of workers changes no byte.
    """
    if scheduler is None and workers == 0:
        import dask
        import dask.threaded

        def here(function: Callable[..., Any], items: Sequence[tuple[Any, ...]]) -> list[Any]:
            # Arguments go inside a call of their own: in a graph a tuple or a text could be read as a task or a key.
            def call(item: tuple[Any, ...]) -> Any:
                return function(shared, *item)

            graph = {f"item-{at}": (lambda item=item: call(item),) for at, item in enumerate(items)}
            with dask.config.set(num_workers=os.cpu_count() or 1):
                return list(dask.threaded.get(graph, list(graph)))

        yield here
        return
    with _cluster(workers, scheduler) as client:
        held = client.scatter(shared, broadcast=True, hash=False)

        def there(function: Callable[..., Any], items: Sequence[tuple[Any, ...]]) -> list[Any]:
            answers: list[Any] = client.gather([client.submit(function, held, *item, pure=False) for item in items])
            return answers

        yield there


def _run_parts(
    resolved: Sequence[Resolved], seed: int, tasks: Sequence[Task], done: Done, parts: int, workers: int, scheduler: str | None
) -> None:
    """Scenario by scenario, since the parts of one scenario stay where they are for all its blocks."""
    for s in sorted({t[0] for t in tasks}):
        pieces = cut(resolved[s], parts)
        with ExitStack() as stack:
            if scheduler is not None or workers > 0:
                client = stack.enter_context(_cluster(workers, scheduler))
                ask = _actors(client, pieces, seed)
            else:
                ask = _threads(stack.enter_context(ThreadPoolExecutor(os.cpu_count() or 1)), pieces, seed)
            for task in tasks:
                if task[0] == s:
                    done(task, run_block_in_parts(ask, resolved[s], task[1], task[2]))


def _threads(pool: ThreadPoolExecutor, pieces: Sequence[Resolved], seed: int) -> Ask:
    held = [Part(piece, seed) for piece in pieces]

    def ask(name: str, *given: Any) -> list[Any]:
        return list(pool.map(lambda part: getattr(part, name)(*given), held))

    return ask


def _actors(client: Any, pieces: Sequence[Resolved], seed: int) -> Ask:
    names = sorted(client.scheduler_info(n_workers=-1)["workers"])
    made = [
        client.submit(Part, piece, seed, actor=True, workers=[names[at % len(names)]], pure=False) for at, piece in enumerate(pieces)
    ]
    held = [future.result() for future in made]

    def ask(name: str, *given: Any) -> list[Any]:
        waiting = [getattr(actor, name)(*given) for actor in held]
        return [answer.result() for answer in waiting]

    return ask
