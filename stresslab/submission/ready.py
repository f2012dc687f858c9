"""Whether a run may be submitted: finished, whole, unchanged since it was written, and balanced to the last 厘."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stresslab.estimate import TOTAL
from stresslab.faults import Fault, InputError
from stresslab.glossary import OUTPUTS
from stresslab.record import BLOCKS, FORMAT, PLAN, RunFolder, digest_of, file_digest, grades_of, table_of
from stresslab.submission.axes import BAND_EDGES, GRADES
from stresslab.submission.concepts import ABSORBED

_AGAIN = "run the same book and scenarios again into another folder"
_NEEDED = ("outcomes.parquet", "estimates.parquet", "rating.json", PLAN)


@dataclass(frozen=True)
class Filed:
    """What is submitted of a run: its record, outcomes, estimates, ratings and the digest of its plan."""

    record: dict[str, Any]
    outcomes: pd.DataFrame
    estimates: pd.DataFrame
    rating: dict[str, Any]
    digest: str


def read_filed(folder: Path) -> Filed:
    """A finished run that may be submitted; raises :class:`InputError` with all that speaks against it."""
    held = RunFolder(folder).read_record()
    faults = list(_changed(folder, held))
    if faults:
        raise InputError(faults)
    plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    tables = {name: table_of(folder, name, held) for name in ("outcomes", "estimates")}
    rating = grades_of(folder)
    made = Filed(held, tables["outcomes"], tables["estimates"], rating, digest_of(plan))
    faults = list(_strangers(made)) or [*_whole(made), *_balanced(made)]
    if faults:
        raise InputError(faults)
    return made


def _changed(folder: Path, held: dict[str, Any]) -> Iterator[Fault]:
    """Files that the record does not know, knows otherwise, or misses; and a run that goes on."""
    if held.get("format") != FORMAT:
        yield Fault(str(folder), "the run was made by another version", _AGAIN, None, "format", str(held.get("format")))
        return
    if (folder / BLOCKS).exists():
        yield Fault(
            str(folder),
            "the run has unfinished blocks",
            "let `stresslab run` with the same options finish it",
            None,
            "file",
            BLOCKS,
        )
    outputs = held.get("outputs", {})
    for name in _NEEDED:
        if name not in outputs:
            yield Fault(str(folder), "the record names no digest of this file", _AGAIN, None, "file", name)
    for name, digest in outputs.items():
        file = folder / name
        if not file.is_file():
            yield Fault(
                str(folder),
                "a file of the run is missing",
                "restore it, or run again into another folder",
                None,
                "file",
                name,
            )
        elif file_digest(file) != digest:
            yield Fault(
                str(folder),
                "the file is not the one that the run wrote: its digest differs",
                "restore it, or " + _AGAIN,
                None,
                "file",
                name,
            )


def _strangers(filed: Filed) -> Iterator[Fault]:
    """What an earlier version or another scale left, that the taxonomy has no place for."""
    for name, table in (("outcomes", filed.outcomes), ("estimates", filed.estimates)):
        for measure in OUTPUTS[name]:
            if measure.name not in table:
                yield Fault(
                    f"{name}.parquet",
                    "the run has no such column: it was made by an earlier version",
                    _AGAIN,
                    None,
                    "column",
                    measure.name,
                )
    for platform in filed.record["platforms"]:
        if platform["platform_id"] == TOTAL:
            yield Fault(
                "record.json",
                f"{TOTAL} names the total of all platforms",
                "rename the platform",
                None,
                "platform_id",
                TOTAL,
            )
        if tuple(platform["leverage"]["edges"][:-1]) != BAND_EDGES:
            yield Fault("record.json", "the leverage bands are not those of the taxonomy", _AGAIN, None, "leverage")
    grades = [g["name"] for g in filed.rating["scale"]["grades"]]
    if not set(grades) <= set(GRADES):
        yield Fault(
            "rating.json",
            f"the taxonomy knows the grades {', '.join(GRADES)}",
            "submit a run that was rated on the shipped scale",
            None,
            "grades",
            ", ".join(grades),
        )


def _whole(filed: Filed) -> Iterator[Fault]:
    """Every scenario has every path of every platform once."""
    paths, platforms = filed.record["paths"], {p["platform_id"] for p in filed.record["platforms"]}
    counted = filed.outcomes.groupby(["scenario", "platform_id"], observed=True)["path"].agg(["nunique", "size"])
    rows = counted.reset_index()[["scenario", "platform_id", "nunique", "size"]].itertuples(index=False, name=None)
    found = {(str(s), str(p)): (int(different), int(size)) for s, p, different, size in rows}
    for scenario in filed.record["scenarios"]:
        for platform in sorted(platforms):
            if found.pop((scenario["id"], platform), (0, 0)) != (paths, paths):
                yield Fault(
                    "outcomes.parquet",
                    f"each of the {paths} paths must have one row",
                    _AGAIN,
                    None,
                    f"{scenario['id']}, {platform}",
                )
    for scenario_id, platform in found:
        yield Fault(
            "outcomes.parquet",
            "the record knows no such scenario and platform",
            _AGAIN,
            None,
            f"{scenario_id}, {platform}",
        )


def _balanced(filed: Filed) -> Iterator[Fault]:
    """Layers that add up to the deficit (M-27), and closing balances (M-29), on every path; and the opening ones."""
    outcomes = filed.outcomes
    layers = sum(outcomes[f"absorbed_by_{layer}_li"] for layer in ABSORBED)
    yield from _rows(
        outcomes, outcomes["deficit_li"] - layers, "the layers do not add up to the deficit (M-27)", "deficit_li"
    )
    assets, owed = closing(filed)
    yield from _rows(outcomes, assets - owed, "assets and liabilities do not balance at the end (M-29)", "loans_end_li")
    for platform in filed.record["platforms"]:
        difference = opening(platform)[0] - opening(platform)[1]
        if difference:
            yield Fault(
                "record.json",
                f"the platform's opening balance is off by {difference} li (M-29)",
                "correct the book and run again",
                None,
                "platform_id",
                platform["platform_id"],
            )


def _rows(outcomes: pd.DataFrame, difference: Any, rule: str, column: str) -> Iterator[Fault]:
    wrong = outcomes[difference != 0]
    for (scenario, platform), rows in wrong.groupby(["scenario", "platform_id"], observed=True):
        first = rows.iloc[0]
        where = f"{scenario}, {platform}: {len(rows)} paths, first {int(first['path'])}"
        yield Fault("outcomes.parquet", rule, "report it: a run must balance on every path", None, column, where)


def opening(platform: dict[str, Any]) -> tuple[int, int]:
    """Assets, and liabilities with own funds, of a platform on the book's date (M-29), 厘."""
    assets = platform["loans_li"] + platform["cash_li"] + platform["liquid_pool_li"] + platform["other_assets_li"]
    return assets, platform["funding_li"] + on_platform(platform) + platform["reserve_li"] + platform["own_capital_li"]


def on_platform(platform: dict[str, Any]) -> int:
    """Claims of clients less those that segregated money covers, 厘."""
    return int(platform["claims_li"] - min(platform["segregated_li"], platform["free_cash_claims_li"]))


def closing(filed: Filed) -> tuple[Any, Any]:
    """Assets, and liabilities with own funds, of every row of the outcomes at the end (M-29), 厘."""
    o = filed.outcomes
    other = o["platform_id"].map({p["platform_id"]: p["other_assets_li"] for p in filed.record["platforms"]})
    assets = o["loans_end_li"] + o["in_transit_end_li"] + o["cash_end_li"] + o["pool_end_li"] + other
    owed = o["reserve_end_li"] + o["own_capital_end_li"]
    for layer in ("junior", "senior", "claims"):
        owed = owed + o[f"{layer}_end_li"] - o[f"absorbed_by_{layer}_li"]
    return assets, owed
