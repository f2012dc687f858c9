"""A run that is killed, starved or damaged at any moment ends in the same bytes, or refuses clearly: faults put in at random points.

`pytest tests/test_faults.py` tries 22 of them, `pytest -m long tests/test_faults.py` 240.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stresslab import record, verbs
from stresslab.faults import InputError
from stresslab.kernels.draws import fill_uniforms

SCENARIOS = ["baseline", "crash-40"]
GIVEN: dict[str, Any] = {"paths": 6, "seed": 1, "block_paths": 2}
PROGRAM = [sys.executable, "-c", "from stresslab.cli import main; main()"]


class Killed(BaseException):
    """The process is gone: nothing that would still run may leave a trace."""


def uniforms(count: int, seed: int) -> np.ndarray:
    out = np.zeros(count)
    fill_uniforms(out, seed, 0, 0, 0)
    return out


def files(folder: Path) -> dict[str, Any]:
    """Every file of a run, hidden ones included; of the record what is not of clock and machine."""
    found: dict[str, Any] = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    found["record.json"] = {k: v for k, v in json.loads(found["record.json"]).items() if k != "machine"}
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    verbs.init(folder / "book", accounts=40, seed=2)
    verbs.run(folder / "book", SCENARIOS, out=folder / "run", **GIVEN)
    return folder


def go_on(place: Path, out: Path) -> None:
    verbs.run(place / "book", SCENARIOS, out=out, **GIVEN)
    assert files(out) == files(place / "run")


class Disk:
    """The disk under :func:`stresslab.record.write_bytes`, on which the n-th file written meets a fault."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, fault: str) -> None:
        self.left, self.fault, self.dead = at, fault, False
        replace, unlink, fsync = Path.replace, Path.unlink, os.fsync

        def fsync_of(handle: int) -> None:
            self.left -= stat.S_ISREG(os.fstat(handle).st_mode)
            if self.left == 0 and fault == "full":
                os.ftruncate(handle, os.fstat(handle).st_size // 2)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self.left == 0 and fault == "killed while writing":
                os.ftruncate(handle, os.fstat(handle).st_size // 2)
                self.die()
            fsync(handle)

        def replace_of(one: Path, other: Path) -> Path:
            if self.left <= 0 and fault == "killed before the name":
                self.die()
            done = replace(one, other)
            if self.left <= 0 and fault == "killed after the name":
                self.die()
            return done

        monkeypatch.setattr(os, "fsync", fsync_of)
        monkeypatch.setattr(Path, "replace", replace_of)
        # What a dead process would have tidied up stays.
        monkeypatch.setattr(Path, "unlink", lambda p, missing_ok=False: None if self.dead else unlink(p, missing_ok))

    def die(self) -> None:
        self.dead = True
        raise Killed


FAULTS = ("full", "killed while writing", "killed before the name", "killed after the name")
#: Files that the undisturbed run writes: the plan, blocks, tables, estimates, rating, report, record.
FILES = 1 + 6 + 5 + 1 + 1 + 1 + 1


def try_faults(place: Path, tmp_path: Path, count: int, seed: int) -> None:
    for n, (u, v) in enumerate(uniforms(2 * count, seed).reshape(-1, 2)):
        out, fault, at = tmp_path / f"{n}", FAULTS[int(u * len(FAULTS))], 1 + int(v * FILES)
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch, at, fault)
            with pytest.raises(Killed if fault.startswith("killed") else (OSError, InputError)):
                verbs.run(place / "book", SCENARIOS, out=out, **GIVEN)
        go_on(place, out)
        shutil.rmtree(out)


def test_faults_at_random_points_cost_nothing(place: Path, tmp_path: Path) -> None:
    try_faults(place, tmp_path, 16, 1)


@pytest.mark.long
def test_faults_at_many_random_points_cost_nothing(place: Path, tmp_path: Path) -> None:
    try_faults(place, tmp_path, 200, 2)


def half_a_run(place: Path, out: Path) -> list[Path]:
    """A run that was stopped after four blocks; the blocks that it left."""

    def stop(done: int, total: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verbs.run(place / "book", SCENARIOS, out=out, progress=stop, **GIVEN)
    blocks = sorted(out.glob("blocks/*/*.npz"))
    assert len(blocks) >= 4
    return blocks


def cut_short(block: Path, u: float) -> None:
    block.write_bytes(block.read_bytes()[: int(u * block.stat().st_size)])


def change_a_bit(block: Path, u: float) -> None:
    held = bytearray(block.read_bytes())
    held[int(u * len(held))] ^= 1 << int(u * 8e6) % 8
    block.write_bytes(bytes(held))


def damage(place: Path, tmp_path: Path, count: int, seed: int) -> None:
    ways: tuple[Callable[[Path, float], None], ...] = (cut_short, change_a_bit, lambda block, _: block.unlink())
    for n, u in enumerate(uniforms(count, seed)):
        out = tmp_path / f"{n}"
        blocks = half_a_run(place, out)
        ways[n % len(ways)](blocks[int(u * len(blocks))], float(u))
        go_on(place, out)
        shutil.rmtree(out)


def test_damaged_blocks_are_run_again(place: Path, tmp_path: Path) -> None:
    damage(place, tmp_path, 6, 3)


@pytest.mark.long
def test_many_damaged_blocks_are_run_again(place: Path, tmp_path: Path) -> None:
    damage(place, tmp_path, 40, 4)


def test_no_finished_path_is_run_twice_if_the_end_is_disturbed(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the record and the tidying up: the run is finished, and the next command only tidies up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record.RunFolder, "drop_blocks", lambda self: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            verbs.run(place / "book", SCENARIOS, out=tmp_path / "run", **GIVEN)
    assert (tmp_path / "run" / "record.json").is_file()
    monkeypatch.setattr(verbs, "_run_blocks", lambda *_: pytest.fail("a finished run was run again"))
    go_on(place, tmp_path / "run")


def test_two_runs_on_one_folder(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = [*PROGRAM, "run", "--book", str(place / "book"), "--out", str(out), "--paths", "6", "--block-paths", "2", "--quiet"]
    words += [word for s in SCENARIOS for word in ("--scenario", s)]
    asked = []

    def second(done: int, total: int) -> None:
        if not asked:
            asked.append(subprocess.run(words, capture_output=True, text=True, check=False))

    verbs.run(place / "book", SCENARIOS, out=out, progress=second, **GIVEN)
    assert asked[0].returncode == 2
    assert asked[0].stderr.splitlines()[0] == f"{out}: another process is at work in this folder; wait for it, or give another --out"
    assert files(out) == files(place / "run")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_killed_process_leaves_what_the_next_one_goes_on_with(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = [*PROGRAM, "run", "--book", str(place / "book"), "--out", str(out), "--paths", "400", "--block-paths", "10", "--quiet"]
    with subprocess.Popen([*words, "--scenario", "crash-40"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 120
        while not list(out.glob("blocks/*/*.npz")) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        process.kill()
    held = len(list(out.glob("blocks/*/*.npz")))
    assert held
    told: list[int] = []
    given: dict[str, Any] = {"paths": 400, "seed": 1, "block_paths": 10, "progress": lambda done, _: told.append(done)}
    verbs.run(place / "book", ["crash-40"], out=out, **given)
    assert told[0] == 10 * held
    assert not list(out.rglob(".*"))
