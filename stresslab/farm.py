"""Blocks of paths over Dask: threads of this process, local processes, or a cluster. The only file that knows Dask.

There is no arithmetic here: every worker calls :func:`stresslab.engine.run_block`, or holds one part of a book that is cut by
accounts (:mod:`stresslab.parts`); what comes back lines up by path number, so that the number of workers, of parts and the size of
blocks change no byte.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from stresslab.capacity import Crew, Cut, choose, seats
from stresslab.engine import Block, pack, run_block, unpack
from stresslab.faults import Fault, InputError
from stresslab.held import Held, can_open, hold, opened
from stresslab.parts import GROUP, Ask, Part, cut, edges, piece, run_block_in_parts
from stresslab.resolve import Resolved

#: (scenario's place in the list, first path, path after the last)
Task = tuple[int, int, int]
Done = Callable[[Task, Block], None]

BLOCK_PATHS = 25
#: A process is thought to have so many bytes at least, whatever the machine says; one that has less can say so with ``memory``.
LEAST = 2**30

#: Seconds after which the scheduler is asked again who is there, and how often before an error is no lost worker.
NEWS, PATIENCE = 2.0, 60

#: What a person at work may want to know; the command line shows it unless it is told to be quiet.
SAID = logging.getLogger("stresslab")


def plan_blocks(scenarios: int, paths: int, block_paths: int = BLOCK_PATHS) -> list[Task]:
    """The tasks of a run: blocks of consecutive paths, scenario by scenario."""
    return [(s, start, min(start + block_paths, paths)) for s in range(scenarios) for start in range(0, paths, block_paths)]


@dataclass
class Spread:
    """Where workers find the book, what they may use of memory, who hears how the work is cut, and what was said."""

    share: str | None = None
    memory_gib: float | None = None
    say: Callable[[str], None] = lambda text: None
    cut: dict[str, Any] = field(default_factory=dict)

    def options(self, out: Path, scheduler: str | None) -> dict[str, Any]:
        """For :func:`farm.run_tasks`."""
        share = self.share if self.share is not None or scheduler is None else str(out.resolve() / "resolved")
        return {"share": share, "memory": None if self.memory_gib is None else round(self.memory_gib * 2**30), "say": self._hear}

    def _hear(self, cut: Any, how: str) -> None:
        told = cut.told() | {"book": how}
        if told != self.cut:
            self.say(f"{cut.why}; {how}")
        self.cut = told


def run_tasks(
    resolved: Sequence[Resolved], seed: int, tasks: Sequence[Task], done: Done, *, workers: int = 0, scheduler: str | None = None,
    parts: int = 0, share: str | None = None, memory: int | None = None, say: Callable[[Cut, str], None] = lambda cut, how: None,
) -> None:
    """Run tasks and hand each finished block to ``done`` as it comes.

    ``scheduler`` is the address of a running cluster; else ``workers`` > 0 starts so many local
    processes; else threads of this process do the work (kernels release the interpreter's lock). With ``parts`` > 0 the book
    is cut by accounts into so many parts, each worker holds its own, and the paths go through all of them in step; with 0 it is
    cut so only if it does not fit into the ``memory`` of a process otherwise (bytes; by default what there is).

    Workers open the resolved book themselves, in the folder or at the URL ``share``; where they cannot, it is sent to them. ``say``
    hears how the work is cut, and how workers come by the book.
    """
    if not tasks:
        return
    if scheduler is None and workers == 0:
        found = choose(resolved, Crew(1, os.cpu_count() or 1, memory or max(_memory(), LEAST)), parts)
        say(found, "in this process")
        if found.parts:
            _run_parts_here(resolved, seed, tasks, done, found)
        else:
            _run_threads(resolved, seed, tasks, done)
        return
    with _cluster(workers, scheduler) as client:
        for s in sorted({t[0] for t in tasks}):
            mine = [t for t in tasks if t[0] == s]
            with _placed(client, resolved[s], share) as held:
                found = _cut_for(client, scheduler, resolved, memory, parts, held, say)
                if not found.parts:
                    _run_distributed(client, held, seed, mine, done)
                    continue
                while mine:
                    try:
                        ask = _actors(client, held, edges(resolved[s], found.parts), seed, found.group)
                        while mine:
                            done(mine[0], run_block_in_parts(ask, resolved[s], mine[0][1], mine[0][2], found.group))
                            del mine[0]
                    except WorkerLost:  # what it held is cut anew for those that are left, and its block begins again
                        found = _cut_for(client, scheduler, resolved, memory, parts, held, say)


def _cut_for(
    client: Any, scheduler: str | None, resolved: Sequence[Resolved], memory: int | None, parts: int, held: Any,
    say: Callable[[Cut, str], None],
) -> Cut:
    """How the work is cut for the workers that there are, and say so."""
    found = choose(resolved, _crew(client, scheduler, memory), parts)
    say(found, _how(held))
    return found


def _how(held: Any) -> str:
    return f"each worker opens {held.place}" if isinstance(held, Held) else "no worker can open its file, so the book is sent to them"


def _memory() -> int:
    """The bytes that this machine has free, within the limits that it sets."""
    import psutil
    from distributed.system import MEMORY_LIMIT

    return int(min(MEMORY_LIMIT, psutil.virtual_memory().available))


def _crew(client: Any, scheduler: str | None, memory: int | None) -> Crew:
    found = client.scheduler_info(n_workers=-1)["workers"].values()
    if not found:
        rule = "the cluster has no workers"
        raise InputError([Fault("options", rule, "start some with `dask worker ADDRESS`", None, "scheduler", scheduler)])
    threads = max(w["nthreads"] for w in found)
    if scheduler is None:
        return Crew(len(found), threads, memory or max(_memory() // len(found), LEAST), shared=True)
    return Crew(len(found), threads, memory or max(min(w["memory_limit"] or _memory() for w in found), LEAST))


@contextmanager
def _placed(client: Any, resolved: Resolved, share: str | None) -> Iterator[Any]:
    """A scenario where workers find it: a file that they all can open, else a future of what was sent to them."""
    own = tempfile.mkdtemp(prefix="stresslab-") if share is None else None
    new = own is None and "://" not in str(share) and not Path(str(share)).exists()
    place = f"{own or str(share).rstrip('/')}/{resolved.scenario}.arrays"
    try:
        held = hold(resolved, place)
        if all(client.run(can_open, held, on_error="ignore").values()):
            yield held
        else:
            yield client.scatter(resolved, broadcast=True, hash=False)
    finally:
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)
        elif "://" in place:
            import fsspec

            fsspec.core.url_to_fs(place)[0].rm_file(place)
        else:
            Path(place).unlink(missing_ok=True)
            if new:
                shutil.rmtree(str(share), ignore_errors=True)


def _there(held: Any) -> Resolved:
    """The scenario on a worker: opened by itself, or as it was sent."""
    return opened(held) if isinstance(held, Held) else held


def run_packed(held: Any, seed: int, start: int, stop: int) -> dict[str, Any]:
    """A block as a worker sends it: of the accounts only those to which something happened."""
    return pack(run_block(_there(held), seed, start, stop))


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
    from distributed.security import Security

    if scheduler is not None:
        if scheduler.startswith("tls://") and not Security().get_connection_args("client").get("ssl_context"):
            rule = "this address needs a certificate, and none is set"
            way_out = "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..__CLIENT__CERT and ..__CLIENT__KEY (docs/cluster.md)"
            raise InputError([Fault("options", rule, way_out, None, "scheduler", scheduler)])
        try:
            client = Client(scheduler)
        except (OSError, TimeoutError) as error:
            rule = f"no scheduler answers there ({str(error).splitlines()[0]})"
            way_out = "start one with `dask scheduler`, or correct the address"
            raise InputError([Fault("options", rule, way_out, None, "scheduler", scheduler)]) from error
        with _closed_quietly(client):
            _tell_dashboard(client.dashboard_link)
            yield client
        return
    with ExitStack() as held:
        with _deaf_to_interrupts():
            # Everything that listens says where, also the pages of scheduler and workers: without an address (None too)
            # those are open to all.
            local = LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
            )
            held.enter_context(_closed_quietly(local))
            client = Client(local)
            held.enter_context(_closed_quietly(client))
        # Else each worker warns of every block that it does not finish when it is stopped.
        client.run(_quiet, "distributed.worker.state_machine")
        _tell_dashboard(client.dashboard_link)
        yield client


def _quiet(logger: str) -> None:
    logging.getLogger(logger).setLevel(logging.ERROR)


@contextmanager
def _closed_quietly(opened: Any) -> Iterator[None]:
    """Close what was opened; after an interrupt without a word of Dask about the work that is thrown away."""
    before = logging.root.manager.disable
    try:
        yield
    except BaseException:
        logging.disable(logging.CRITICAL)
        raise
    finally:
        try:
            with _deaf_to_interrupts():  # a second Ctrl-C would leave processes behind
                opened.close()
        finally:
            logging.disable(before)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C waits until the end, and never comes to processes that are started inside.

    A terminal sends it to every process of a group. Workers would die of it with a traceback each; so this process alone
    hears it, and stops them in order. Threads and processes inherit what is blocked here.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Whoever starts this helper of multiprocessing unblocks the signal; so it must run before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _tell_dashboard(link: str) -> None:
    """Say where the cluster can be watched, if it can.

    Many clusters show their pages to nobody outside; and without the package bokeh all that a page says is that it needs it.
    """
    if not link.startswith(("http://", "https://")):
        return
    try:
        with urlopen(link, timeout=1) as answer:
            if answer.status == HTTPStatus.OK and b"Dask needs bokeh" not in answer.read():
                SAID.info("Dask dashboard: %s", link)
    except (OSError, HTTPException, ValueError):
        return


def _run_distributed(client: Any, held: Any, seed: int, tasks: Sequence[Task], done: Done) -> None:
    """Workers may join and leave: a block whose worker is lost is run again by another."""
    from distributed import as_completed

    futures = {client.submit(run_packed, held, seed, start, stop, pure=False): (s, start, stop) for s, start, stop in tasks}
    for future, packed in as_completed(futures, with_results=True):
        task = futures[future]
        done(task, unpack(task[1], task[2], packed))
        future.release()


def _unheard(at: int, answer: Any) -> None:
    pass


@contextmanager
def crew(
    shared: Resolved, workers: int = 0, scheduler: str | None = None, share: str | None = None, memory: int | None = None, beside: int = 0
) -> Iterator[Callable[..., list[Any]]]:
    """Workers that hold one scenario: ``ask(function, [arguments, …], heard)`` calls function(scenario, *arguments) for each.

    Answers come in the order of the arguments, so that the number of workers changes no byte; ``heard(place, answer)`` is called with
    each as it comes. The book is never cut here: a thread needs its state whole and ``beside`` bytes more, and a process of ``memory``
    bytes that has no room for one thread is refused (M-285).
    """
    if scheduler is None and workers == 0:
        import dask
        import dask.threaded
        from dask.callbacks import Callback

        threads = seats(shared, Crew(1, os.cpu_count() or 1, memory or max(_memory(), LEAST)), beside)

        def here(
            function: Callable[..., Any], items: Sequence[tuple[Any, ...]], heard: Callable[[int, Any], None] = _unheard
        ) -> list[Any]:
            # Arguments go inside a call of their own: in a graph a tuple or a text could be read as a task or a key.
            def call(item: tuple[Any, ...]) -> Any:
                return function(shared, *item)

            def finished(key: str, result: Any, dsk: Any, state: Any, worker: Any) -> None:
                heard(place[key], result)

            graph = {f"item-{at}": (lambda item=item: call(item),) for at, item in enumerate(items)}
            place = {key: at for at, key in enumerate(graph)}
            with Callback(posttask=finished), dask.config.set(num_workers=threads):
                return list(dask.threaded.get(graph, list(graph)))

        yield here
        return
    with _cluster(workers, scheduler) as client, _placed(client, shared, share) as held:
        found = _crew(client, scheduler, memory)
        seats(shared, found, beside, 1 if scheduler is None else found.threads)  # a worker of a cluster uses all its threads

        def there(
            function: Callable[..., Any], items: Sequence[tuple[Any, ...]], heard: Callable[[int, Any], None] = _unheard
        ) -> list[Any]:
            from distributed import as_completed

            place = {client.submit(_asked, function, held, *item, pure=False): at for at, item in enumerate(items)}
            answers: list[Any] = [None] * len(items)
            for future, answer in as_completed(place, with_results=True):
                heard(place[future], answer)
                answers[place[future]] = answer
                future.release()
            return answers

        yield there


def room_for_whole_paths(resolved: Sequence[Resolved], workers: int, memory: int | None, beside: int) -> None:
    """Raise InputError if the processes of this machine have no room for whole paths of some scenarios (M-285)."""
    processes = max(1, workers)
    crew_of_here = Crew(processes, 1 if workers else os.cpu_count() or 1, memory or max(_memory() // processes, LEAST), shared=workers > 0)
    for one in resolved:
        seats(one, crew_of_here, beside)


def _asked(function: Callable[..., Any], held: Any, *item: Any) -> Any:
    return function(_there(held), *item)


def _run_parts_here(resolved: Sequence[Resolved], seed: int, tasks: Sequence[Task], done: Done, found: Cut) -> None:
    """Scenario by scenario, since the parts of one scenario stay where they are for all its blocks."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for s in sorted({t[0] for t in tasks}):
            ask = _threads(pool, cut(resolved[s], found.parts), seed, found.group)
            for task in tasks:
                if task[0] == s:
                    done(task, run_block_in_parts(ask, resolved[s], task[1], task[2], found.group))


def _threads(pool: ThreadPoolExecutor, pieces: Sequence[Resolved], seed: int, group: int = GROUP) -> Ask:
    held = [Part(piece, seed, group) for piece in pieces]

    def ask(name: str, *given: Any) -> list[Any]:
        return list(pool.map(lambda part: getattr(part, name)(*given), held))

    return ask


class HeldPart(Part):
    """A part that a worker cuts for itself from the book that it opened."""

    def __init__(self, held: Any, first: int, last: int, seed: int, group: int) -> None:
        super().__init__(piece(_there(held), first, last), seed, group)


class WorkerLost(Exception):
    """A worker that held a part is gone."""


def _actors(client: Any, held: Any, at: Sequence[tuple[int, int]], seed: int, group: int) -> Ask:
    """Parts on the workers in turn; asking them raises :class:`WorkerLost` once one of the workers is gone."""
    names = _workers(client)
    made = [
        client.submit(HeldPart, held, first, last, seed, group, actor=True, workers=[names[k % len(names)]], pure=False)
        for k, (first, last) in enumerate(at)
    ]
    parts = [_actor(client, future, names[k % len(names)]) for k, future in enumerate(made)]

    def ask(name: str, *given: Any) -> list[Any]:
        waiting = [getattr(actor, name)(*given) for actor in parts]
        try:
            return [answer.result() for answer in waiting]
        except OSError:
            if _gone(client, names):
                raise WorkerLost from None
            raise

    return ask


def _workers(client: Any) -> list[str]:
    return sorted(client.scheduler_info(n_workers=-1)["workers"])


def _actor(client: Any, future: Any, name: str) -> Any:
    """The part that a worker makes; a worker that is gone would be waited for for ever."""
    from distributed import TimeoutError as StillWorking

    while True:
        try:
            return future.result(timeout=NEWS)
        except StillWorking:
            if name not in _workers(client):
                raise WorkerLost from None


def _gone(client: Any, names: Sequence[str]) -> bool:
    """Whether one of the workers is gone, once the scheduler knows it too."""
    for _ in range(PATIENCE):
        if not set(names) <= set(_workers(client)):
            return True
        time.sleep(NEWS)
    return False
