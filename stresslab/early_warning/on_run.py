"""What a finished run says of warnings: its indicators on synthetic labels, how many histories each needs, and a rule in shadow.

Nothing is simulated here, and all of it is marked synthetic: it holds given the scenario and the model of the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from stresslab import record
from stresslab.early_warning import learned as models
from stresslab.early_warning import on_paths
from stresslab.early_warning.rules import Rule, read_rule
from stresslab.early_warning.sandbox import Settings, pairs_of_panel, promotion_table, verdicts
from stresslab.early_warning.synthetic import INDICATORS, Ending, Panel, panel_of_run, power_curve, score_table
from stresslab.faults import Fault, InputError
from stresslab.spreadsheets import csv_of

#: Numbers of histories for which the power of an indicator is told, as far as the run holds so many.
HISTORIES = (5, 10, 20, 50, 100, 200, 500)
#: The share of draws in which an indicator must be told from chance to count as known (M-265).
POWER = 0.8
POWER_COLUMNS = (
    "indicator", "histories", "repetitions", "scored", "endings", "auroc", "error", "told_error", "low", "high", "power", "source")
#: The tables that stand in the answer as JSON.
SHORT = ("indicators", "power", "models", "endings", "actions")
PAGE, RECORD = "warnings.html", "warnings.json"


@dataclass(frozen=True)
class OnRun:
    """Tables by name (indicators, power, models, alarms, events, endings, actions, [promotion]) and the record of how they were made.

    ``source`` is always synthetic.
    """

    tables: dict[str, pd.DataFrame]
    record: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """The record with its short tables, as JSON can hold them: what is missing is null."""
        tables = {
            name: [{str(k): None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()} for row in rows]
            for name, rows in ((name, self.tables[name].to_dict("records")) for name in SHORT)
        }
        return {**self.record, **tables}


def judge_run(
    run: Path | str, *, rules: tuple[Path | str, Path | str] | None, ending: Ending, horizon: int, settings: Settings,
    pairs: Sequence[tuple[str, str, str, str]] = (), sampling: str = "plain",
) -> OnRun:
    """The panel of a run scored (M-198), its power curves (M-199, M-265), models that learn from half of its paths (M-274).

    With ``rules`` the shadow beside the one in force (M-254, M-275); with ``pairs`` of scenarios without and with an action what that was
    worth on the same paths (M-276).
    """
    read = None if rules is None else [read_rule(path, only=tuple(INDICATORS)) for path in rules]
    panel = panel_of_run(run, ending=ending, horizon=horizon)
    scores = score_table(panel)
    named: dict[str, Rule] = {} if read is None else {"rule": read[1], "shadow": read[0]}
    taught = models.learned(panel, named, HISTORIES, settings)
    events = on_paths.events_table(Path(run), ending)
    tables = {
        "indicators": scores, "power": _power(panel, scores, settings), "models": taught.table, "alarms": models.alarms_table(taught),
        "events": events, "endings": on_paths.events_by_platform(Path(run), events),
        "actions": on_paths.actions_table(Path(run), pairs, sampling),
    }
    ended = int(panel.table.loc[panel.table["y"], "history"].nunique())
    told: dict[str, Any] = {
        "kind": "warnings of a run", "source": panel.source, "run": panel.run, "ending": ending, "horizon": horizon,
        "histories": panel.histories, "histories_with_ending": ended, "days": len(panel.table), "mu": settings.mu,
        "repetitions": settings.repetitions, "seed": settings.seed, "needed": needed(tables["power"]),
    }
    if read is not None:
        against = pairs_of_panel(panel, read[0], read[1], settings)
        row = {str(k): v for k, v in against.to_dict("records")[0].items()}
        told["comparison"] = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        told["verdict"] = verdicts(against)[0].plain()
        shadows = models.beside(taught, "rule", settings)
        told["in_shadow"] = [v.plain() | {"shadow": name} for v, name in zip(verdicts(shadows), shadows["shadow"], strict=True)]
        every = pd.concat([against, shadows], ignore_index=True) if len(shadows) else against
        tables["promotion"] = promotion_table(every).assign(source=panel.source)
    return OnRun(tables, told)


def _power(panel: Panel, scores: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The power curve of every indicator that has an area, at the numbers of histories that the run holds."""
    sizes = tuple(n for n in HISTORIES if n <= panel.histories)
    scored = [str(name) for name in scores.loc[scores["auroc"].notna(), "indicator"]]
    if not sizes or not scored:
        return pd.DataFrame(columns=list(POWER_COLUMNS))
    return pd.concat(
        [power_curve(panel, name, sizes, repetitions=settings.repetitions, seed=settings.seed) for name in scored], ignore_index=True)


def needed(power: pd.DataFrame) -> dict[str, int | None]:
    """The least number of histories from which on an indicator is told from chance in 80% of draws (M-265); None: not among those tried."""
    found: dict[str, int | None] = {}
    for name, rows in power.groupby("indicator", sort=False):
        ordered = rows.sort_values("histories")
        good = (ordered["power"].to_numpy(float) >= POWER)[::-1].cumprod()[::-1].astype(bool)
        found[str(name)] = int(ordered["histories"].to_numpy()[good][0]) if good.any() else None
    return found


def check_place(out: Path) -> None:
    """Refuse a folder that holds something else, before anything is computed."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / RECORD).is_file())):
        raise InputError([Fault(str(out), "is not empty and holds no warnings of a run", "give another --out", None, "out")])


def write_run_folder(out: Path, found: OnRun, page: str) -> None:
    """Every table as CSV (alarms as Parquet), the page, and last the record with their digests."""
    out.mkdir(parents=True, exist_ok=True)
    for name, table in found.tables.items():
        if name == "alarms":
            record.write_table(out / "alarms.parquet", pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None))
        else:
            record.write_bytes(out / f"{name}.csv", csv_of(table, float_format="%.6g").encode())
    record.write_bytes(out / PAGE, page.encode())
    names = [PAGE, *(f"{name}.{'parquet' if name == 'alarms' else 'csv'}" for name in found.tables)]
    record.write_json(out / RECORD, found.record | {"outputs": {n: record.file_digest(out / n) for n in sorted(names)}})
