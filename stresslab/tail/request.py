"""What a run is asked of rare events, checked as a whole before anything is run (M-83)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stresslab.faults import Fault, nearest
from stresslab.kernels.factors import SHAPE_NONE
from stresslab.resolve import Resolved
from stresslab.tail.event import Event, read_event
from stresslab.tail.search import Question

TARGET, PATHS = "10%", 100_000
TARGET_LEAST, TARGET_MOST, PATHS_LEAST = 0.01, 0.5, 1_000


@dataclass(frozen=True)
class Request:
    """Events of one platform or of each, the relative standard error wanted, and the most paths of one method for one event."""

    events: tuple[Event, ...]
    platform_id: str | None
    target: float
    paths: int

    def questions(self, resolved: Resolved, seed: int) -> Iterator[Question]:
        """What to ask of one scenario."""
        for event in self.events:
            for name in resolved.platform_ids if self.platform_id is None else (self.platform_id,):
                yield Question(event, name, seed)

    def plan(self) -> dict[str, Any]:
        """What decides the result, for the record."""
        return {
            "events": [e.text for e in self.events], "platform": self.platform_id, "target_error": self.target, "paths": self.paths,
        }


def read_request(texts: Sequence[str], platform_id: str | None, target: str, paths: int, faults: list[Fault]) -> Request | None:
    """The request that some options make; None if they ask for nothing, or are faulty."""
    if not texts:
        for name, given, left in (("platform", platform_id, None), ("tail-target-error", target, TARGET), ("tail-paths", paths, PATHS)):
            if given != left:
                faults.append(Fault("options", "belongs to a rare event", "add --tail EVENT, or leave it out", None, name, str(given)))
        return None
    events = [read_event(text, faults) for text in texts]
    written = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*", target)
    error = float(written[1]) / 100 if written else -1.0
    if not TARGET_LEAST <= error <= TARGET_MOST:
        rule = f"must be a percentage between {TARGET_LEAST:.0%} and {TARGET_MOST:.0%}"
        faults.append(Fault("options", rule, "write it like 10%", None, "tail-target-error", target))
    if type(paths) is not int or paths < PATHS_LEAST or paths > 10_000_000:
        rule = f"must be a whole number between {PATHS_LEAST} and 10000000"
        faults.append(Fault("options", rule, "give another value", None, "tail-paths", str(paths)))
    found = tuple(e for e in events if e is not None)
    names = [e.text for e in found]
    faults += [Fault("options", "is asked twice", "ask it once", None, "tail", t) for t in dict.fromkeys(names) if names.count(t) > 1]
    return Request(found, platform_id, error, paths)


def check_request(request: Request, resolved: Sequence[Resolved], faults: list[Fault]) -> None:
    """Whether scenarios and book can be asked: the law must be unconditional, and something must be random."""
    for one in resolved:
        file = f"scenario {one.scenario}"
        if not _unconditional(one):
            rule = "supposes a path of the market: a probability under it is conditional, and rare events are asked of the law itself"
            faults.append(Fault(file, rule, "leave the scenario out of a run with --tail, or take one without a crash, as baseline"))
        elif not one.market.wanted.any():
            faults.append(Fault(file, "has a market without chance", "choose another model", None, "market.model"))
        known = list(one.platform_ids)
        if request.platform_id is not None and request.platform_id not in known:
            faults.append(Fault("options", "the book has no such platform", nearest(request.platform_id, known), None, "platform",
                                request.platform_id))
            return


def _unconditional(resolved: Resolved) -> bool:
    return bool(resolved.market.crash.shape == SHAPE_NONE)
