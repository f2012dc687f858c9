"""What was run: digests, versions, the layout of a run's folder, atomic writes, finished blocks.

The clock and the machine are read here alone, and stand under ``machine`` in ``record.json`` alone:
everything else in a run's folder is the same bytes for the same inputs.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import resource
import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stresslab import intake
from stresslab.faults import Fault, InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
RECORD = "record.json"
PLAN = "plan.json"
BLOCKS = "blocks"
NOT_A_RUN = "this folder is not empty and holds no run"
#: Packages whose version can change a figure or a picture.
PACKAGES = ("stresslab", "numba", "llvmlite", "numpy", "scipy", "pandas", "pyarrow", "dask", "arch", "matplotlib")


def versions() -> dict[str, str]:
    """The versions of the packages that a run's figures and pictures come from."""
    return {name: version(name) for name in PACKAGES}


def digest_of(value: Any) -> str:
    """The SHA-256 of a value that JSON can hold, independent of key order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the whole of it or nothing: under another name, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a renaming outlast a power cut; where folders cannot be opened (Windows) the system sees to it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove what a process that was killed while writing left behind."""
    for draft in folder.glob("**/.*.part"):
        draft.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON with stable key order, atomically."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file, atomically; the same table gives the same bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", version="2.6", store_schema=False, write_page_checksum=True)
    write_bytes(path, sink.getvalue().to_pybytes())


def read_table(path: Path) -> pa.Table | None:
    """A Parquet file; None if there is none, or it cannot be read."""
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException):
        return None


def machine(started: datetime, seconds: dict[str, float], whence: dict[str, str | None]) -> dict[str, Any]:
    """Where and when a run was made, from inputs that lay where, and how long its parts took: outside byte identity."""
    return whence | {
        "started": started.isoformat(timespec="seconds"),
        "finished": now().isoformat(timespec="seconds"),
        "seconds": {k: round(v, 3) for k, v in seconds.items()},
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def processor() -> str:
    """The kind of machine: the same bytes are promised on machines of one kind."""
    return platform.machine()


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)  # noqa: TID251  the one place that may look


def sealed(described: dict[str, Any], of_machine: dict[str, Any]) -> dict[str, Any]:
    """A record with a digest of itself, which stands under ``machine`` as it tells of the clock too."""
    return described | {"machine": of_machine | {"digest": digest_of(described | {"machine": of_machine})}}


def table_of(folder: Path, name: str, held: dict[str, Any], columns: list[str] | None = None) -> pd.DataFrame:
    """A table of a finished run, or some of its columns, by its name without ending; refuses one that is not what the run wrote."""
    path = folder / f"{name}.parquet"
    rule, way_out = "this table of the run cannot be read", "run it again into another folder"
    try:
        data = intake.content(path)
        outputs = held.get("outputs")
        told = outputs.get(path.name) if isinstance(outputs, dict) else None
        if told is None or told == hashlib.sha256(data).hexdigest():
            return intake.parquet(data, columns)
        rule = "is not the table that the run wrote: its digest differs"
    except (OSError, ValueError) as error:
        raise InputError([Fault(str(path), rule, way_out)]) from error
    raise InputError([Fault(str(path), rule, way_out)])


def grades_of(folder: Path) -> dict[str, Any]:
    """The grades of a finished run; refuses a folder in which they cannot be read."""
    place = folder / "rating.json"
    try:
        return intake.json_object(place)
    except (OSError, ValueError) as error:
        raise InputError([Fault(str(place), "these grades of the run cannot be read", "run it again into another folder")]) from error


#: What a reader of a run may stumble over if somebody else wrote it.
_STUMBLES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError, pa.ArrowException,
)


@contextlib.contextmanager
def reading(*folders: Path) -> Iterator[None]:
    """Read finished runs: what fails for a folder that was changed since is a fault of that folder, not of the program.

    Whether it was changed is asked after a failure alone, as it means reading every file. A folder that is as the run left it lets
    the failure through.
    """
    try:
        yield
    except _STUMBLES as error:
        faults = [fault for folder in folders for fault in RunFolder(folder).changed()]
        if not faults:
            raise
        raise InputError(faults) from error


class RunFolder:
    """The folder of one run: what is planned, which blocks are finished, whether the record is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def complete(self) -> bool:
        """Whether the run in this folder has finished."""
        return (self.path / RECORD).is_file()

    @property
    def busy(self) -> bool:
        """Whether another process is at work in this folder; False where the file system or the system knows no locks."""
        try:
            with self._locked():
                return False
        except InputError:
            return True
        except OSError:
            return False

    @contextlib.contextmanager
    def taken(self, plan: dict[str, Any], anew: bool = False) -> Iterator[bool]:
        """Have the folder for a plan, alone; True if it holds that very run, finished. Refuses a folder of anything else.

        With ``anew`` another run makes room.

        What keeps others out is a lock on the plan's file, which the system drops with the process, however it ends.
        """
        finished = self._open(plan, anew)
        with self._locked():
            _sweep(self.path)
            if self.complete:
                self.drop_blocks()
            yield finished or self.complete

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if fcntl is None:
            yield
            return
        with (self.path / PLAN).open("rb") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                way_out = "wait for it, or give another --out"
                raise InputError([Fault(str(self.path), "another process is at work in this folder", way_out)]) from None
            except OSError:
                pass  # a file system without locks: two runs of one plan then write the same bytes twice
            yield

    def _open(self, plan: dict[str, Any], anew: bool) -> bool:
        wanted = digest_of(plan)
        if self.path.exists() and not self.path.is_dir():
            raise InputError([Fault(str(self.path), "the output must be a folder", "give another --out")])
        found = self.path / PLAN
        if found.is_file():
            try:
                held = digest_of(intake.json_object(found))
            except (OSError, ValueError):
                held = ""
            if held == wanted:
                return self.complete
            if not anew:
                rule = "this folder holds another run (other book, scenarios, seed, paths or version)"
                raise InputError([Fault(str(self.path), rule, "give another --out, or delete the folder")])
            self.clear()
        if self.path.is_dir() and any(not p.name.endswith(".part") for p in self.path.iterdir()):
            raise InputError([Fault(str(self.path), NOT_A_RUN, "give another --out")])
        try:
            write_json(found, plan)
        except OSError as error:
            rule = f"cannot be written ({error.strerror})"
            raise InputError([Fault(str(self.path), rule, "give a folder that you may write")]) from error
        return False

    def save_block(self, scenario: str, start: int, stop: int, arrays: dict[str, NDArray[np.int64]]) -> None:
        """Keep a finished block, so that a killed run need not do it again."""
        self.save_piece(scenario, f"{start}-{stop}", arrays)

    def load_block(self, scenario: str, start: int, stop: int) -> dict[str, NDArray[np.int64]] | None:
        """The arrays of a finished block; None if there is none, or a bad disk has changed it: then it is run again."""
        return self.load_piece(scenario, f"{start}-{stop}")

    def save_piece(self, scenario: str, name: str, arrays: dict[str, NDArray[Any]]) -> None:
        """Keep any finished piece of a scenario's work under a name of its own."""
        stream = io.BytesIO()
        np.savez(stream, **arrays)  # type: ignore[arg-type]
        write_bytes(self.path / BLOCKS / scenario / f"{name}.npz", stream.getvalue())

    def load_piece(self, scenario: str, name: str) -> dict[str, NDArray[Any]] | None:
        """The arrays of a finished piece; None if there is none, or it cannot be read."""
        path = self.path / BLOCKS / scenario / f"{name}.npz"
        # Each array in the file has a checksum, which reading verifies.
        bad = (OSError, ValueError, EOFError, zipfile.BadZipFile)
        with contextlib.suppress(*bad), np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
        return None

    def drop_blocks(self) -> None:
        """Forget the finished blocks: their tables are written."""
        shutil.rmtree(self.path / BLOCKS, ignore_errors=True)

    def clear(self) -> None:
        """Remove a run from the folder; refuses a folder that holds none."""
        if not self.path.is_dir():
            return
        if not (self.path / PLAN).is_file():
            if any(self.path.iterdir()):
                raise InputError([Fault(str(self.path), NOT_A_RUN, "give another --out")])
            return
        shutil.rmtree(self.path)

    def outputs(self) -> dict[str, str]:
        """The SHA-256 of every file of the run but the record."""
        files = sorted(p for p in self.path.iterdir() if p.is_file() and p.name != RECORD and not p.name.startswith("."))
        return {p.name: file_digest(p) for p in files}

    def read_record(self) -> dict[str, Any]:
        """The record of a finished run; refuses a folder without one."""
        path = self.path / RECORD
        with contextlib.suppress(OSError, ValueError):
            return intake.json_object(path)
        way_out = "give the folder of a finished run; `stresslab run` with the same options goes on with a killed one"
        raise InputError([Fault(str(self.path), "this folder holds no finished run", way_out)])

    def changed(self) -> list[Fault]:
        """What in a finished run's folder is not as the run left it."""
        held, way_out = self.read_record(), "restore it, or run again into another folder"
        machine, outputs = held.get("machine"), held.get("outputs")
        digest = machine.get("digest") if isinstance(machine, dict) else None
        bare = held | {"machine": {k: v for k, v in machine.items() if k != "digest"}} if isinstance(machine, dict) else held
        if digest is None or digest != digest_of(bare) or not isinstance(outputs, dict):
            return [Fault(str(self.path / RECORD), "is not the record that the run wrote", way_out)]
        faults = []
        for name, told in outputs.items():
            file = self.path / name
            if not file.is_file():
                faults.append(Fault(str(file), "this file of the run is missing", way_out))
            elif file_digest(file) != told:
                faults.append(Fault(str(file), "is not the file that the run wrote: its digest differs", way_out))
        return faults
