"""A real Dask cluster: scheduler and workers as processes of their own, which join, leave and are killed; the same bytes."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stresslab as sl
from stresslab import engine, farm
from stresslab.book import demo_book
from stresslab.capacity import Crew, book_bytes, choose, state_bytes
from stresslab.held import can_open, hold, opened
from stresslab.kernels import layout
from stresslab.market import shipped_market
from stresslab.resolve import Resolved, resolve
from stresslab.scenario import read_scenario

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def book() -> sl.Book:
    return demo_book(120)


@pytest.fixture(scope="module")
def crash(book: sl.Book) -> Resolved:
    return resolve(book, shipped_market(), read_scenario("crash-40"))


class Cluster:
    """A scheduler and its workers."""

    def __init__(self, folder: Path, *options: str, **env: str) -> None:
        self.folder, self.workers, self.spaces = folder, list[subprocess.Popen[bytes]](), self.spaces_of(options)
        self.options = options = tuple(o for o in options if not o.startswith("space="))
        self.env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **env}
        where = ("--host", self.spaces[0][1], "--port", "0", "--scheduler-file", str(folder / "at.json"))
        self.all = [self._start("scheduler", *where, "--no-dashboard", *options)]
        while not (folder / "at.json").exists():
            assert self.all[0].poll() is None, (folder / "scheduler.log").read_text()
            time.sleep(0.05)
        self.address = json.loads((folder / "at.json").read_text())["address"]

    def spaces_of(self, options: tuple[str, ...]) -> list[tuple[str, str]]:
        """The network namespaces of scheduler and workers, each with its address; none is the machine's own."""
        return [(o.split("=")[1], o.split("=")[2]) for o in options if o.startswith("space=")] or [("", "127.0.0.1")]

    def _start(self, what: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{what}.log").open("ab") as log:
            space = self.spaces[(len(self.workers) + 1) % len(self.spaces) if what == "worker" else 0][0]
            within = ["ip", "netns", "exec", space] if space else []
            command = [*within, sys.executable, "-m", f"distributed.cli.dask_{what}", *words]
            return subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=log, stderr=log)

    def join(self) -> subprocess.Popen[bytes]:
        """One more worker, without a nanny who would start it again."""
        tls = [o for o in self.options if o not in ("--protocol", "tls")]
        host = self.spaces[(len(self.workers) + 1) % len(self.spaces)][1]
        worker = self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", host, *tls)
        self.all.append(worker)
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """End every process."""
        for process in reversed(self.all):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    made: list[Cluster] = []

    def start(workers: int, *options: str, **env: str) -> Cluster:
        folder = tmp_path / f"cluster-{len(made)}"
        folder.mkdir()
        made.append(Cluster(folder, *options, **env))
        for _ in range(workers):
            made[-1].join()
        return made[-1]

    yield start
    for one in made:
        one.stop()


def ready(client: Any, workers: int) -> None:
    client.wait_for_workers(workers, timeout=60)


def files_of(run: sl.Run) -> dict[str, str]:
    found: dict[str, str] = run.record["outputs"]
    return found


def start(book: sl.Book, out: Path, **options: Any) -> sl.Run:
    return sl.run(book, ["baseline", "crash-40"], market=shipped_market(), paths=6, seed=3, out=out, block_paths=1, **options)


def await_workers(address: str, count: int) -> None:
    from distributed import Client

    with Client(address) as client:
        ready(client, count)


def test_workers_that_join_and_are_killed_change_no_byte(book: sl.Book, tmp_path: Path, cluster: Callable[..., Cluster]) -> None:
    held = cluster(2)
    await_workers(held.address, 2)
    told: list[str] = []

    def progress(done: int, total: int) -> None:
        if done == 2:
            held.join()
        if done == 4:
            held.workers[0].send_signal(signal.SIGKILL)

    run = start(book, tmp_path / "run", scheduler=held.address, progress=progress, say=told.append)
    assert held.workers[0].wait(10) == -signal.SIGKILL
    assert files_of(run) == files_of(start(book, tmp_path / "threads"))
    cut = run.record["machine"]["cut"]
    assert cut["by"] == "paths"
    assert cut["book"] == f"each worker opens {(tmp_path / 'run' / 'resolved').resolve()}/crash-40.arrays"
    assert told[0].startswith("cut by paths: the book takes ")
    assert not (tmp_path / "run" / "resolved").exists()


@pytest.mark.long
def test_a_killed_worker_that_held_a_part_changes_no_byte(book: sl.Book, tmp_path: Path, cluster: Callable[..., Cluster]) -> None:
    held = cluster(3)
    await_workers(held.address, 3)
    told: list[str] = []
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        if done in (2, 8):
            held.workers[done // 8].send_signal(signal.SIGKILL)

    run = start(book, tmp_path / "run", scheduler=held.address, parts=3, progress=progress, say=told.append)
    assert [w.wait(10) for w in held.workers[:2]] == [-signal.SIGKILL] * 2
    assert seen == list(range(13))
    assert files_of(run) == files_of(start(book, tmp_path / "threads"))


@pytest.mark.long
def test_a_book_that_workers_cannot_open_is_sent(book: sl.Book, tmp_path: Path, crash: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farm, "can_open", _never)
    told: list[str] = []
    found: list[engine.Block] = []
    farm.run_tasks(
        [crash], 3, [(0, 0, 2)], lambda task, block: found.append(block), workers=1, share=str(tmp_path),
        say=lambda cut, how: told.append(how))
    assert told == ["no worker can open its file, so the book is sent to them"]
    assert_same(found[0], engine.run_block(crash, 3, 0, 2))


def _never(held: Any) -> bool:
    return False


def assert_same(one: engine.Block, other: engine.Block) -> None:
    mine, yours = engine.pack(one), engine.pack(other)
    assert mine.keys() == yours.keys()
    assert all(np.array_equal(mine[k], yours[k]) and mine[k].dtype == yours[k].dtype for k in mine)


def test_a_scheduler_that_does_not_answer_is_refused(book: sl.Book, tmp_path: Path) -> None:
    import dask
    import distributed  # noqa: F401  it sets defaults that must outlive what is set here

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}), pytest.raises(sl.InputError, match="no scheduler answers there"):
        start(book, tmp_path / "run", scheduler="tcp://127.0.0.1:9")


def test_an_address_with_tls_needs_a_certificate(book: sl.Book, tmp_path: Path) -> None:
    with pytest.raises(sl.InputError, match="this address needs a certificate"):
        start(book, tmp_path / "run", scheduler="tls://127.0.0.1:9")


# --- the resolved book in a file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["memory://bucket/one.arrays", "file"])
def test_a_held_book_opens_as_it_was(crash: Resolved, tmp_path: Path, place: str) -> None:
    held = hold(crash, str(tmp_path / "one.arrays") if place == "file" else place)
    assert len(held.head) < 50_000
    again = opened(held)
    assert again is opened(held)
    assert again.account_ids == ()
    assert (again.facts.account == crash.facts.account).all()
    assert type(again.facts.position) is type(crash.facts.position)
    assert again.facts.position.dtype == crash.facts.position.dtype
    assert again.facts.position.flags.writeable
    assert again.facts.position.ctypes.data % layout.LINE == 0
    assert_same(engine.run_block(again, 3, 0, 2), engine.run_block(crash, 3, 0, 2))


def test_a_held_book_that_was_changed_or_is_gone_does_not_open(crash: Resolved, tmp_path: Path) -> None:
    held = hold(replace(crash, scenario="other"), str(tmp_path / "one.arrays"))
    path = tmp_path / "one.arrays"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert not can_open(held)
    path.unlink()
    assert not can_open(held)


# --- what travels, and how the work is cut ------------------------------------------------------------------------------


def test_a_block_travels_without_untouched_accounts(book: sl.Book) -> None:
    calm = resolve(book, shipped_market(), read_scenario("baseline"))
    block = engine.run_block(calm, 3, 0, 2)
    flat = engine.pack(block)
    assert flat["touched.at"].size < 120
    assert flat["accounts.called"].dtype == np.uint8
    again = engine.unpack(0, 2, flat)
    assert all((again.accounts[c] == block.accounts[c]).all() for c in block.accounts)
    assert engine.narrow(np.array([-1, 5])).dtype == np.int32
    assert engine.narrow(np.array([2**40])).dtype == np.int64
    assert engine.narrow(np.array([-(2**40)])).dtype == np.int64


def test_blocks_are_added_up_as_they_come(crash: Resolved) -> None:
    blocks = [engine.run_block(crash, 3, a, a + 1) for a in (2, 0, 1)]
    folded: list[engine.Block] = []
    for block in blocks:
        engine.fold(folded, block)
    assert [len(b.accounts) for b in folded] == [5, 0, 0]
    for name, table in engine.tables(crash, folded).items():
        assert table.equals(engine.tables(crash, blocks)[name])


def test_the_memory_of_a_state_is_what_is_said(crash: Resolved) -> None:
    state = layout.new_state(crash.facts)
    own = sum(getattr(state, n).nbytes for n in (
        "live", "slot", "fact", "account", "tally", "position", "offer", "look", "looked", "guard", "mover", "need", "visits", "near",
        "served", "seller", "listed", "paths"))
    assert state_bytes(crash) == own
    named = ("account", "position", "holder", "weight", "cover", "last_debt")
    assert sum(getattr(crash.facts, n).nbytes for n in named) < book_bytes(crash)


def test_a_run_is_cut_by_paths_where_it_fits_and_else_by_accounts(crash: Resolved) -> None:
    book, state, results = book_bytes(crash), state_bytes(crash), 40 * 120
    program, planned = 400 * 2**20, 0.8

    def memory(needed: float) -> int:
        return int((needed + program) / planned) + 2

    fits = choose([crash], Crew(2, 1, memory(book / 2 + state + results), shared=True), 0)
    assert (fits.parts, fits.told()["by"]) == (0, "paths")
    tight = choose([crash], Crew(4, 1, memory(book + state + results - 100)), 0)
    room = int(0.8 * memory(book + state + results - 100)) - program
    group = max(g for g in (1, 2, 4, 8, 16) if book // 4 + g * ((state + results) // 4) <= room)
    assert (tight.parts, tight.group, tight.told()["by"]) == (4, group, "accounts")
    assert "by paths each process would need" in tight.why
    assert choose([crash], Crew(2, 1, memory(10**9)), 6).parts == 6
    with pytest.raises(sl.InputError, match="the book does not fit"):
        choose([crash], Crew(2, 1, memory((book + state + results) / 2 - 200)), 0)


def test_a_run_that_does_not_fit_by_paths_gives_the_same_blocks_by_accounts(crash: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    tight = int((book_bytes(crash) + 1.5 * (state_bytes(crash) + 40 * 120) + 400 * 2**20) / 0.8)
    told: list[str] = []
    found: list[engine.Block] = []
    farm.run_tasks(
        [crash], 3, [(0, 0, 3)], lambda task, block: found.append(block), memory=tight, say=lambda cut, how: told.append(cut.told()["by"]))
    assert told == ["accounts"]
    assert_same(found[0], engine.run_block(crash, 3, 0, 3))


@pytest.fixture
def spaces() -> Iterator[list[str]]:
    """Three network namespaces on a bridge, as options of a cluster; needs the right to make them."""
    bridge, mine = f"slb{os.getpid()}", [f"sl{os.getpid()}x{k}" for k in range(3)]

    def ip(*words: str) -> bool:
        return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0

    made = [ip("link", "add", bridge, "type", "bridge"), ip("addr", "add", "10.77.31.254/24", "dev", bridge)]
    made.append(ip("link", "set", bridge, "up"))
    for k, name in enumerate(mine, start=1):
        made += [
            ip("netns", "add", name), ip("link", "add", f"{bridge}{k}", "type", "veth", "peer", "name", "eth0", "netns", name),
            ip("link", "set", f"{bridge}{k}", "master", bridge, "up"), ip("-n", name, "addr", "add", f"10.77.31.{k}/24", "dev", "eth0"),
            ip("-n", name, "link", "set", "eth0", "up"), ip("-n", name, "link", "set", "lo", "up")]
    if all(made):
        yield [f"space={name}=10.77.31.{k}" for k, name in enumerate(mine, start=1)]
    for name in mine:
        ip("netns", "del", name)
    ip("link", "del", bridge)
    if not all(made):
        pytest.skip("network namespaces may not be made here")


@pytest.mark.long
@pytest.mark.skipif(shutil.which("ip") is None, reason="needs iproute2")
def test_scheduler_and_workers_in_network_namespaces(
    book: sl.Book, tmp_path: Path, cluster: Callable[..., Cluster], spaces: list[str]
) -> None:
    held = cluster(2, *spaces)
    assert "10.77.31.1:" in held.address
    await_workers(held.address, 2)
    run = start(book, tmp_path / "run", scheduler=held.address)
    assert run.record["machine"]["cut"]["book"].startswith("each worker opens /")
    assert files_of(run) == files_of(start(book, tmp_path / "threads"))


# --- certificates and S3 ------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_cluster_with_tls(book: sl.Book, tmp_path: Path, cluster: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch) -> None:
    trustme = pytest.importorskip("trustme", reason="makes the certificates")
    import dask
    import distributed  # noqa: F401  it sets defaults that must outlive what is set here

    authority = trustme.CA()
    ca, both = tmp_path / "ca.pem", tmp_path / "both.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(str(both))
    options = ("--tls-ca-file", str(ca), "--tls-cert", str(both), "--tls-key", str(both))
    held = cluster(2, "--protocol", "tls", *options)
    assert held.address.startswith("tls://")
    says = {"ca-file": str(ca), "client": {"cert": str(both), "key": str(both)}}
    with dask.config.set({"distributed.comm.tls": says}):
        await_workers(held.address, 2)
        run = start(book, tmp_path / "run", scheduler=held.address)
    assert files_of(run) == files_of(start(book, tmp_path / "threads"))


@pytest.mark.long
def test_workers_open_a_book_in_s3(book: sl.Book, tmp_path: Path, cluster: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs", reason="reads S3")
    server = pytest.importorskip("moto.server", reason="answers as S3 does").ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        env = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none",
               "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        import fsspec

        fsspec.filesystem("s3").mkdir("stresslab-test")
        held = cluster(2, **env)
        await_workers(held.address, 2)
        run = start(book, tmp_path / "run", scheduler=held.address, share="s3://stresslab-test/run")
        assert run.record["machine"]["cut"]["book"] == "each worker opens s3://stresslab-test/run/crash-40.arrays"
        assert files_of(run) == files_of(start(book, tmp_path / "threads"))
        fsspec.filesystem("s3").invalidate_cache()
        assert fsspec.filesystem("s3").ls("stresslab-test") == []
    finally:
        server.stop()


# --- the simulation of many workers -------------------------------------------------------------------------------------


def test_the_simulation_of_many_workers_keeps_its_bounds() -> None:
    """(M-262, M-264) One worker takes its blocks one after the other; past W* = block / serial, what is serial alone counts."""
    spec = importlib.util.spec_from_file_location("bench_scaling", ROOT / "benchmarks" / "bench_scaling.py")
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    assert bench.simulate([1.0], 0.0, 1, 50) == 50.0
    assert bench.simulate([1.0], 0.0, 10, 95) == 10.0
    assert bench.simulate([1.0], 0.01, 1, 50) == pytest.approx(50, abs=0.1)
    assert bench.simulate([1.0], 0.01, 50, 5_000) == pytest.approx(100, rel=0.05)
    assert bench.simulate([1.0], 0.01, 400, 5_000) == pytest.approx(50, rel=0.05)
    times = [bench.simulate([1.0, 1.5, 1.0, 0.5], 0.01, crew, 2_000) for crew in (1, 2, 8, 64, 512)]
    assert times == sorted(times, reverse=True)
