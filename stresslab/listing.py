"""The run folders below a folder: what each holds, whether it is finished or goes on where it stopped. It reads and judges nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stresslab import record
from stresslab.faults import Fault, InputError

#: What a search or a backtest writes last into its folder, instead of a record.
_ANSWERS = {"reverse": "reverse.json", "policy": "policy.json"}
#: What may be asked of a folder; a run is asked nothing beside itself.
RUN = "run"
FINISHED, RESUMABLE, WORKING, UNREADABLE = "finished", "resumable", "working", "unreadable"
_VERSIONS = ("stresslab", "numba", "numpy")


def runs(*folders: Path | str) -> list[dict[str, Any]]:
    """What lies below some folders, one row for each run or search, by folder.

    A row has ``folder``, ``kind`` (run, reverse, policy), ``state`` (finished; resumable: the same command goes on; working: another
    process is at it; unreadable), ``when`` (end of a finished run, else of the plan; ISO 8601, UTC), ``book``, ``as_of``, ``scenarios``,
    ``paths`` (of each scenario), ``paths_done`` (of all scenarios), ``seed``, ``sampling``, ``grades`` by platform, ``versions`` and
    ``kernels``. Unknown is None. Raises :class:`InputError` for folders that are not there.
    """
    places = [Path(folder) for folder in folders] or [Path()]
    faults = [Fault(str(p), "is no folder", "give a folder that is there") for p in places if not p.is_dir()]
    if faults:
        raise InputError(faults)
    found = {place.resolve(): place for start in places for place in _run_folders(start)}
    return [_row(place) for place in sorted(found.values())]


def _run_folders(start: Path) -> Iterator[Path]:
    """Folders that hold a plan or a record; what lies inside such a folder is its own affair. Links are not followed."""
    for where, below, files in os.walk(start):
        if record.PLAN in files or record.RECORD in files:
            yield Path(where)
            below.clear()
        below.sort()


def _row(place: Path) -> dict[str, Any]:
    plan, held = _read(place / record.PLAN), _read(place / record.RECORD)
    row: dict[str, Any] = dict.fromkeys(
        ("folder", "kind", "state", "when", "book", "as_of", "scenarios", "paths", "paths_done", "seed", "sampling", "grades", "versions",
         "kernels"))
    row |= {"folder": str(place), "kind": RUN, "state": UNREADABLE, "when": _changed(place / record.PLAN)}
    try:
        if held is not None:
            return row | _said(held) | _finished(place, held)
        if plan is not None and not (place / record.RECORD).exists():
            return row | _said(plan) | _unfinished(place, plan)
    except (KeyError, TypeError, AttributeError, ValueError):
        pass  # JSON of something else, or of another format
    return row


def _said(told: dict[str, Any]) -> dict[str, Any]:
    """What a plan and a record say alike."""
    return {
        "scenarios": [s["id"] for s in told["scenarios"]], "paths": int(told["paths"]), "seed": int(told["seed"]),
        "sampling": told.get("sampling", "plain"), "versions": {name: told["versions"].get(name) for name in _VERSIONS},
        "kernels": str(told["kernels"])[:12],
    }


def _finished(place: Path, held: dict[str, Any]) -> dict[str, Any]:
    rating = _read(place / "rating.json") or {}
    grades = {p["platform_id"]: (p["overall"] or {}).get("grade") for p in rating.get("platforms", [])}
    return {
        "state": FINISHED, "when": held.get("machine", {}).get("finished"), "book": held["book"].get("title"),
        "as_of": held["book"].get("as_of"), "paths_done": int(held["paths"]) * len(held["scenarios"]), "grades": grades or None,
    }


def _unfinished(place: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """A killed run, a search, or one that another process is at."""
    kind = str(plan.get("question", RUN))
    answer = place / _ANSWERS.get(kind, record.RECORD)
    if answer.is_file():
        return {"kind": kind, "state": FINISHED, "when": _changed(answer)}
    ids = {s["id"] for s in plan["scenarios"]}
    spans = [re.fullmatch(r"(\d+)-(\d+)\.npz", file.name) for file in place.glob(f"{record.BLOCKS}/*/*.npz") if file.parent.name in ids]
    done = sum(int(span[2]) - int(span[1]) for span in spans if span)
    busy = record.RunFolder(place).busy
    return {"kind": kind, "state": WORKING if busy else RESUMABLE, "paths_done": done if kind == RUN else None}


def _read(file: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):
        held = json.loads(file.read_text(encoding="utf-8"))
        return held if isinstance(held, dict) else None
    return None


def _changed(file: Path) -> str | None:
    """When a file was written, ISO 8601, UTC."""
    with contextlib.suppress(OSError):
        return datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")
    return None


def named(folders: Sequence[Path]) -> list[str]:
    """A name for each of some folders: the folder's own, with as many folders above it as tell them apart."""
    whole = [folder.resolve().parts for folder in folders]
    for depth in range(1, max((len(parts) for parts in whole), default=1) + 1):
        names = ["/".join(parts[-depth:]) for parts in whole]
        if len(set(names)) == len(names):
            return names
    return names
