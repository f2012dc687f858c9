"""Two scenarios of one run side by side: what they suppose differently, and what that changes on the same paths (M-50)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from stresslab.estimate import paired
from stresslab.faults import Fault, InputError, nearest
from stresslab.record import RunFolder, reading, table_of
from stresslab.sampling import Sampling

#: What a scenario is called and why; it changes no figure.
_NAMES = frozenset({"id", "title", "title_zh", "purpose", "purpose_zh", "source"})


#: Whom or what a measure of a comparison is about, in the order in which it is told; all others stand first.
PAYERS: dict[str, tuple[str, ...]] = {
    "what it costs": ("selling_cost", "compensation", "hedge_cost", "hedge_gain", "line_drawn"),
    "platforms pay": ("own_funds_end", "absorbed_by_reserve", "absorbed_by_own_capital"),
    "funders pay": ("absorbed_by_junior", "absorbed_by_senior"),
    "clients pay": ("absorbed_by_claims", "unpaid_end", "client_paid"),
}


def payer(measure: str) -> str:
    """Under which heading of `PAYERS` a measure stands; `what changes` for the others."""
    return next((name for name, measures in PAYERS.items() if measure in measures), "what changes")


class Difference(NamedTuple):
    """One key on which two scenarios differ, like ``operations.batches``, with both values; None where one has none."""

    key: str
    first: Any
    second: Any


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[Difference]:
    """The keys on which two scenarios differ, as they stand in a run's record; names, purposes and sources left out."""
    one, two = dict(_flat(first, "")), dict(_flat(second, ""))
    keys = list(dict.fromkeys([*one, *two]))
    return [Difference(key, one.get(key), two.get(key)) for key in keys if one.get(key) != two.get(key)]


def _flat(table: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if key in _NAMES:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{place}{key}.")
        elif isinstance(value, list):
            # A list of tables is one value; its sources are not part of it, nor keys that say nothing.
            held = [{k: v for k, v in one.items() if k not in _NAMES and v is not None} if isinstance(one, dict) else one for one in value]
            yield f"{place}{key}", held or None
        else:
            yield f"{place}{key}", value


def acting_pairs(scenarios: list[dict[str, Any]]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Scenarios that are another one with responses and nothing else: (without, with, its responses), in the order of the run (M-276)."""
    found = []
    for without in scenarios:
        if without.get("response"):
            continue
        for having in scenarios:
            if having.get("response") and {d.key for d in differences(without, having)} == {"response"}:
                found.append((str(without["id"]), str(having["id"]), list(having["response"])))
    return found


def compare(folder: Path | str, first: str, second: str) -> pd.DataFrame:
    """What the second scenario of a finished run changes against the first, path by path (:func:`stresslab.estimate.paired`).

    Money is in yuan, ratios and events in percent. ``attrs["differences"]`` holds the keys on which the two scenarios
    differ, each with both values. Raises :class:`InputError` for a folder without a finished run, a scenario that is not
    in it, or one and the same scenario twice.
    """
    path = Path(folder)
    with reading(path):
        return _compare(path, first, second)


def _compare(path: Path, first: str, second: str) -> pd.DataFrame:
    said = RunFolder(path).read_record()
    held = {str(s["id"]): s for s in said["scenarios"]}
    faults = [
        Fault(str(path), "the run has no such scenario", nearest(name, list(held)), None, "scenario", name)
        for name in dict.fromkeys((first, second)) if name not in held
    ]
    if not faults and first == second:
        faults = [Fault(str(path), "two different scenarios are compared", "give two of the run's scenarios", None, "scenario", first)]
    if faults:
        raise InputError(faults)
    outcomes = table_of(path, "outcomes", said)
    found = paired(outcomes, first, second, said.get("sampling", Sampling.PLAIN))
    # As JSON would hold them: pandas copies the attributes of a table at every step.
    found.attrs["differences"] = json.loads(json.dumps([d._asdict() for d in differences(held[first], held[second])]))
    return found
