"""The records of money that is asked back on a path: claims, client groups, funding clauses (M-130 to M-140), with units.

A run whose requests are all known beforehand does not need them: ``Requests.moves`` is false, and what is due stands in
``Facts.due``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]

#: One as a part per billion, the unit of the wave's intensity.
PPB = 1_000_000_000


def _record(*fields: str) -> np.dtype[np.void]:
    return np.dtype([(f.split(":")[0], f.split(":")[1] if ":" in f else "i8") for f in fields], align=True)


#: A redeemable claim: 厘, calendar days of notice; `planned` is what the scenario asks of it (of a random plan: 0 for home claims).
CLAIM = _record("amount", "planned", "platform:u2", "notice:u2", "free:u1", "foreign:u1")
#: A client group on one platform: its claims are rows first to last − 1. Groups are sorted by platform and name, which numbers their draws.
GROUP = _record("amount", "first:u4", "last:u4", "platform:u2")
#: Sums of a platform, 厘: all redeemable claims, those that are not foreign where foreign money has its own rule, free cash and the
#: segregated part of it, and what the gate lets through a day.
HOUSE = _record("claims", "home", "free", "segregated", "gate")
#: Own funds lost since the book's date, bp, from which on a jump is added to the wave, ppb.
STEP = _record("lost_bp", "jump_ppb")
#: A funding layer, nested ones too: the node whose money it is part of (−1: it lends to the platform), and the row of ``Facts.layer`` at
#: the end of that way.
NODE = _record("above", "layer:u4", "platform:u2", "notice:u2", "foreign:u1")
#: A clause takes `own` 厘 of its node; its triggers are rows first to last − 1. Sorted so that nodes come before those above them.
CLAUSE = _record("own", "node:u4", "first:u4", "last:u4")
TRIGGER = _record("measure", "threshold")
#: What a trigger watches: bp, place of the grade, 厘, bp of loans, bp; and the rule of foreign money.
MARKET_FALL, RATING, OWN_FUNDS, OWN_FUNDS_OF_LOANS, COVERAGE, FOREIGN = range(6)

#: What a gate lets through where there is none.
OPEN = 2**62
#: What falls due on a day, 厘, by tier.
QUEUE = _record("free", "other")
#: The wave on a platform: excited and whole intensity, ppb; what yesterday's requests weigh, 厘; steps that were passed, as bits;
#: cumulative requests that fell due; the grade.
WAVE_STATE = _record("excited", "rate", "fed", "seen", "free", "other", "grade", "downgraded")
#: What was taken out of a node, what its own clauses take, what is taken from behind it, 厘.
NODE_STATE = _record("taken", "own", "behind")
#: Cumulative amounts, days 0..T × platforms: due from the platform's own tiers, and from segregated money; asked for by foreigners.
DUE = _record("own", "segregated", "foreign")


class Wave(NamedTuple):
    """The law of the wave (M-132, M-133); jumps and intensities in ppb a day."""

    from_day: int = 0  # 0: there is no wave
    base_ppb: int = 0
    feed_ppb: int = 0
    decay_ppb: int = 0
    part_bp: int = 10_000
    downgrade_ppb: int = 0
    unpaid_ppb: int = 0


class Requests(NamedTuple):
    """What a path reads of money that may be asked back."""

    moves: bool  # whether requests are the path's own
    claim: Any
    group: Any
    house: Any
    step: Any
    node: Any
    clause: Any
    trigger: Any
    random_bp: int  # the share that groups drawn at random ask of home claims; 0: the plan stands in the claims
    start: I64  # first day of the plan, of home and of foreign money; a foreign one of 0 is none
    over: I64
    foreign_fall_bp: int  # foreign money leaves only once the market has fallen so far
    grade: int  # of every platform before the run
    wave: Wave


class RequestState(NamedTuple):
    """What a path writes of them."""

    due: Any  # days 0..T × platforms, cumulative
    queue: Any  # days 0..T × platforms
    wave: Any
    left: I64  # of each claim: what nobody has asked for, neither plan nor wave
    planned: I64  # of each claim: what the plan of this path asks
    gone: NDArray[np.uint8]  # groups that asked in the wave; 0 or 1
    key: NDArray[np.uint64]  # the order of the groups that are drawn
    foreign_day: I64  # one number: the day from which foreign money leaves, 0 until then
    node: Any
    fired: NDArray[np.uint8]  # clauses
    coming: I64  # days 0..T × layers: recalled money that falls due
    owed: I64  # layers: recalled money due and not returned


def rows_of(kind: np.dtype[np.void], *shape: int) -> Any:
    """Zeroed records whose fields are attributes."""
    return np.zeros(shape, kind).view(np.recarray)


def no_requests(platforms: int) -> Requests:
    """Those of a run in which all that is due is known beforehand."""
    return Requests(
        False, rows_of(CLAIM, 0), rows_of(GROUP, 0), rows_of(HOUSE, platforms), rows_of(STEP, 0), rows_of(NODE, 0), rows_of(CLAUSE, 0),
        rows_of(TRIGGER, 0), 0, np.zeros(2, np.int64), np.ones(2, np.int64), 0, 0, Wave())


def new_requests(f: Requests, due: Any, layers: int) -> RequestState:
    """Room for paths; where nothing moves, what is due is that of the facts."""
    days, platforms = due.shape if f.moves else (1, due.shape[1])
    return RequestState(
        due=rows_of(DUE, days, platforms) if f.moves else due, queue=rows_of(QUEUE, days, platforms), wave=rows_of(WAVE_STATE, platforms),
        left=np.zeros(f.claim.size, np.int64), planned=np.zeros(f.claim.size, np.int64), gone=np.zeros(f.group.size, np.uint8),
        key=np.zeros(f.group.size, np.uint64), foreign_day=np.zeros(1, np.int64), node=rows_of(NODE_STATE, f.node.size),
        fired=np.zeros(f.clause.size, np.uint8), coming=np.zeros((days, layers), np.int64), owed=np.zeros(layers, np.int64))
