"""What a report reads: the record, tables and rating of one finished run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stresslab.faults import Fault, InputError
from stresslab.glossary import OUTPUTS
from stresslab.record import RunFolder, grades_of, table_of
from stresslab.report.amounts import MISSING, Estimate
from stresslab.report.phrase import Phrase, same

_AGAIN = "run the same book and scenarios again into another folder"

#: The platform id under which estimates add up all platforms.
ALL = "ALL"

TABLES = ("outcomes", "days", "instruments", "accounts", "sectors", "estimates")


@dataclass(frozen=True)
class RunTables:
    """One run: its record, its six tables and its rating, as they lie in the run's folder."""

    record: dict[str, Any]
    outcomes: pd.DataFrame
    days: pd.DataFrame
    instruments: pd.DataFrame
    accounts: pd.DataFrame
    sectors: pd.DataFrame
    estimates: pd.DataFrame
    rating: dict[str, Any]
    tail: pd.DataFrame | None = None  # rare events, where the run was asked for some
    spillover: pd.DataFrame | None = None  # who fails with whom

    @property
    def scenarios(self) -> list[dict[str, Any]]:
        """The resolved scenarios in the order of the run."""
        return list(self.record["scenarios"])

    @property
    def sampling(self) -> str:
        """How the paths were drawn."""
        return str(self.record.get("sampling", "plain"))

    @property
    def platforms(self) -> list[dict[str, Any]]:
        """The platforms in the order of the book."""
        return list(self.record["platforms"])


def read_run(folder: Path) -> RunTables:
    """Everything that a report needs from a run's folder; a run of an earlier version is refused with one fault."""
    absent = [f"{name}.parquet" for name in TABLES if not (folder / f"{name}.parquet").is_file()]
    if absent:
        rule = "the run has no such table: it was made by an earlier version, or is not whole"
        raise InputError([Fault(str(folder), rule, _AGAIN, None, "table", ", ".join(absent))])
    record = RunFolder(folder).read_record()
    tables = {name: table_of(folder, name, record) for name in TABLES}
    absent = [f"{name}.{m.name}" for name, table in tables.items() for m in OUTPUTS[name] if m.name not in table]
    if absent:
        rule = "the run has no such column: it was made by an earlier version"
        raise InputError([Fault(str(folder), rule, _AGAIN, None, "column", ", ".join(absent))])
    rating = grades_of(folder)
    tail, joint = (table_of(folder, n, record) if (folder / f"{n}.parquet").is_file() else None for n in ("tail", "spillover"))
    return RunTables(record=record, rating=rating, tail=tail, spillover=joint, **tables)


def number(value: Any) -> float:
    """A number of a table; NaN for null."""
    return math.nan if value is None or value is pd.NA or pd.isna(value) else float(value)


class Estimates:
    """The estimates of a run, found by scenario, platform, measure and statistic."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._of: dict[tuple[str, str, str, str], dict[int, Estimate]] = {}
        columns = [
            "scenario",
            "platform_id",
            "measure",
            "statistic",
            "day",
            "value",
            "error",
            "low",
            "high",
            *(c for c in ("band_low", "band_high") if c in table),
        ]
        for row in table[columns].itertuples(index=False, name=None):
            scenario, platform, measure, statistic, day, *numbers = row
            days = self._of.setdefault((scenario, platform, measure, statistic), {})
            days[0 if pd.isna(day) else int(day)] = Estimate(*(number(n) for n in numbers))

    def get(self, scenario: str, platform: str, measure: str, statistic: str = "mean") -> Estimate:
        """One estimate; `MISSING` where the run has none."""
        return self._of.get((scenario, platform, measure, statistic), {}).get(0, MISSING)

    def curve(self, scenario: str, platform: str, measure: str) -> list[Estimate]:
        """A survival curve from day 1 on; empty where the run has none."""
        days = self._of.get((scenario, platform, measure, "survival"), {})
        return [days[day] for day in sorted(days) if day > 0]


def scenario_title(scenario: dict[str, Any]) -> Phrase:
    """The title of a scenario; where a language has none, the other's, then the id."""
    en, zh = scenario.get("title"), scenario.get("title_zh")
    return Phrase(str(en or zh or scenario["id"]), str(zh or en or scenario["id"]))


def is_conditional(scenario: dict[str, Any]) -> bool:
    """Whether a scenario supposes something: a crash, a rate shock or a redemption."""
    supposed = (
        scenario.get("market", {}).get("crash"),
        scenario.get("rates"),
        scenario.get("redemption"),
    )
    return any(part is not None for part in supposed)


def given(scenario: dict[str, Any]) -> Phrase:
    """The words that stand beside every figure of a scenario."""
    if is_conditional(scenario):
        return Phrase("given scenario {id}", "给定情景 {id}").fill(id=scenario["id"])
    return Phrase("scenario {id}: nothing is supposed", "情景 {id}：不设冲击").fill(
        id=scenario["id"]
    )


def platform_name(platform: dict[str, Any]) -> Phrase:
    """The name of a platform, or its id where it has none."""
    return same(platform.get("name") or platform["platform_id"])


def rated_platforms(run: RunTables) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every platform with its rating; an empty rating where there is none."""
    found = {r["platform_id"]: r for r in run.rating.get("platforms", [])}
    for platform in run.platforms:
        yield platform, found.get(platform["platform_id"], {})
