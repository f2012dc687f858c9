"""What a run needs of memory, and so how it is cut: by paths where every worker has room for the book, else by accounts (M-260, M-261)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from stresslab.faults import Fault, InputError
from stresslab.kernels import layout
from stresslab.parts import GROUP
from stresslab.resolve import Resolved

#: The part of a worker's memory that a run may plan with; the interpreter and its libraries have the rest, and at least so many bytes.
PLANNED, PROGRAM = 0.8, 400 * 2**20
_GIB = 2**30


class Crew(NamedTuple):
    """Who does the work: so many processes, each with so many threads, and the bytes of memory that one of them may use."""

    processes: int
    threads: int
    memory: int
    #: Whether the processes of one machine map one file, so that the book stands in memory once.
    shared: bool = False


class Cut(NamedTuple):
    """How a run is cut, and why: 0 parts are paths alone."""

    parts: int
    group: int
    needed: int  # bytes of a process
    why: str

    def told(self) -> dict[str, Any]:
        """For the record."""
        by = "accounts" if self.parts else "paths"
        return {"by": by, "parts": self.parts, "group": self.group, "bytes": self.needed, "why": self.why}


def book_bytes(resolved: Resolved) -> int:
    """The bytes of a resolved scenario's arrays (M-260)."""
    return _bytes(resolved.facts) + _bytes(resolved.market) + resolved.closed.nbytes


def _bytes(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    return sum(_bytes(v) for v in value) if isinstance(value, tuple) else 0


def state_bytes(resolved: Resolved) -> int:
    """The bytes that one path at work writes at most, when it touches every account (M-260)."""
    facts = resolved.facts
    held = facts.account["last"].astype(np.int64) - facts.account["first"]
    rows = int((-(-held // layout.PAD) * layout.PAD).sum())
    account = sum(k.itemsize for k in (layout.ACCOUNT, layout.ACCOUNT_STATE, layout.ACCOUNT_TALLY, layout.GUARD, layout.MOVER))
    account += 4 + 4 + 8 + 2 + 8 + 4 * 4 + 4 + 8 + (8 if facts.clauses.random else 0)
    return int(facts.account.size) * account + rows * (layout.POSITION_STATE.itemsize + layout.OFFER_STATE.itemsize)


def choose(resolved: Sequence[Resolved], crew: Crew, parts: int) -> Cut:
    """How to cut a run: as was asked for, else by paths if that fits, else by accounts; raises InputError if neither does (M-261)."""
    book, state = max(map(book_bytes, resolved)), max(map(state_bytes, resolved))
    results = 5 * 8 * max(r.facts.account.size for r in resolved)
    memory = int(PLANNED * crew.memory) - PROGRAM
    seats = crew.processes if crew.processes > 1 or crew.threads == 1 else crew.threads
    whole = book // (crew.processes if crew.shared else 1) + crew.threads * (state + results)
    who = f"{crew.processes} processes" if crew.processes > 1 else f"{crew.threads} threads"
    room = f"a process may use {_gib(memory)}"
    if not parts and whole <= memory:
        return Cut(0, 0, whole, f"cut by paths: the book takes {_gib(book)} and each thread up to {_gib(state)}; {room}")
    if parts:
        # So many parts as were asked for: a process holds its share of them.
        mine = -(-parts // crew.processes)
        share = book * mine // parts, (state + results) * mine // parts
        group = _group(share, memory) or 1
        return Cut(parts, group, share[0] + group * share[1], f"cut by accounts into {parts} parts, as asked for; {room}")
    share = book // crew.processes, (state + results) // crew.processes
    group = _group(share, memory)
    if not group:
        least = share[0] + share[1]
        rule = f"the book does not fit: by accounts over {who} each process needs {_gib(least)}, and {room}"
        raise InputError([Fault("options", rule, "use more workers, or workers with more memory", None, "workers")])
    why = (
        f"cut by accounts into {seats} parts: by paths each process would need {_gib(whole)} (book {_gib(book)}, each of {crew.threads} "
        f"threads up to {_gib(state)}); {room}")
    return Cut(seats, group, share[0] + group * share[1], why)


def seats(resolved: Resolved, crew: Crew, beside: int, least: int = 1) -> int:
    """How many threads of a process have room for whole paths, each with its state and ``beside`` bytes (M-285).

    Raises InputError if fewer than ``least`` have.
    """
    book, each = book_bytes(resolved) // (crew.processes if crew.shared else 1), state_bytes(resolved) + beside
    memory = int(PLANNED * crew.memory) - PROGRAM
    found = min(crew.threads, max(0, memory - book) // max(1, each))
    if found < least:
        rule = (
            f"the book does not fit: the paths of a rare event run through the whole book, for which a process needs "
            f"{_gib(book + least * each)}, and it may use {_gib(memory)}")
        raise InputError([Fault("options", rule, "use workers with more memory and fewer threads, or leave --tail out", None, "tail")])
    return found


def _group(share: tuple[int, int], memory: int) -> int:
    """The most paths, of 16, 8, 4, 2, 1, whose states fit beside the book; 0 where none does."""
    return next((g for g in (GROUP, 8, 4, 2, 1) if share[0] + g * share[1] <= memory), 0)


def _gib(size: float) -> str:
    return f"{size / _GIB:.2f} GiB"
