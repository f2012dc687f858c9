"""What the page shows of a backtest of early warnings: where every model stands, when it warned, what it was worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from stresslab import record as records
from stresslab.dashboards.gather import number
from stresslab.faults import Fault

NEEDED = ("alarms.parquet", "scores.parquet", "events.parquet")
#: What a model was worth, as the page shows it: AUROC, hits, false alarms, events (M-180, M-183, M-185).
SCORES = ("auroc", "hit_rate", "false_alarm_rate", "events_warned", "lead_days")


def is_backtest(record: dict[str, Any]) -> bool:
    """Whether a record is that of a backtest."""
    return record.get("kind") == "backtest"


def backtest_faults(folder: Path) -> list[Fault]:
    """What keeps a backtest from being shown."""
    absent = [name for name in NEEDED if not (folder / name).is_file()]
    if not absent:
        return []
    return [Fault(str(folder), "the backtest has no such table", "run the backtest again", None, "table", ", ".join(absent))]


def backtest_of(folder: Path, name: str, record: dict[str, Any]) -> dict[str, Any]:
    """Everything that the page shows of one backtest, called ``name``."""
    alarms, scores, events = (records.table_of(folder, name, record) for name in ("alarms", "scores", "events"))
    by_model = dict(list(alarms.groupby("model", sort=False)))
    window = _window(scores)
    models = []
    for held in record["models"]:
        told = by_model.get(held["name"])
        if told is None or told.empty:
            continue
        last = told.iloc[-1]
        mine = scores[(scores["model"] == held["name"]) & (scores["window"] == window)]
        models.append({
            "name": held["name"], "en": str(held["en"]), "zh": str(held["zh"]), "naive": bool(held["naive"]),
            "alarm": bool(last["alarm"]), "grade": last["grade"] if isinstance(last["grade"], str) else "",
            "score": number(last["score"]), "threshold": number(last["threshold"]), "probability": number(last["probability"]),
            "spells": spells(told["date"].tolist(), told["alarm"].tolist()),
            "scores": {
                m: [number(x) for x in row] for m, *row in mine[["measure", "value", "low", "high"]].itertuples(index=False, name=None)
                if m in SCORES
            },
        })
    return {
        "name": name, "index": str(record["index"]), "from": record["from"], "to": record["to"], "window": window,
        "level": record["settings"].get("level"), "horizon": record["settings"].get("horizon"), "models": models,
        "events": [[str(e.start), str(e.end), str(e.name)] for e in events.itertuples(index=False)],
    }


def _window(scores: pd.DataFrame) -> str:
    """The days on which models are judged here: those held out where an event lies before them, else the walk forward."""
    held_out = scores[(scores["window"] == "holdout") & (scores["days_before"] > 0)]
    return "holdout" if len(held_out) else "walk_forward"


def spells(dates: list[str], alarms: list[bool]) -> list[list[str]]:
    """First and last evening of each unbroken row of alarms."""
    found: list[list[str]] = []
    before = False
    for date, alarm in zip(dates, alarms, strict=True):
        if alarm and before:
            found[-1][1] = date
        elif alarm:
            found.append([date, date])
        before = alarm
    return found
