"""The folder of a backtest: tables that another paper can cite, and the record of how they were made."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from stresslab import record
from stresslab.early_warning.actions import holes_table
from stresslab.early_warning.asked import shadow_table
from stresslab.early_warning.backtest import Backtest
from stresslab.early_warning.judged import MEASURES, indicators_table, leads_table, model_tests, scores_table
from stresslab.early_warning.risk_forecasts import risk_tables
from stresslab.early_warning.rules import GRADES
from stresslab.early_warning.sandbox import history_pairs, promotion_table
from stresslab.faults import Fault, InputError
from stresslab.spreadsheets import csv_of

FORMAT = 1
#: What every row of these tables says of itself: events and values are those of the history that was given.
REAL = "real"


def tables_of(found: Backtest) -> dict[str, pd.DataFrame]:
    """Every table of a backtest by its name."""
    scores = scores_table(found)
    told = {
        "scores": scores,
        "indicators": indicators_table(found),
        "alarms": alarms_table(found),
        "leads": leads_table(found),
        "tests": model_tests(found, scores),
        "events": events_table(found),
        "holes": holes_table(found),
        "values": values_table(found),
        **risk_tables(found),
    }
    if any(name.startswith("shadow") for name in found.rules):
        told["shadow"] = shadow_table(found)
        told["promotion"] = promotion_table(history_pairs(told["shadow"], told["leads"], scores))
    return told


def with_source(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The same tables with the column `source`: nothing of a backtest on a history is simulated."""
    return {name: table.assign(source=REAL) for name, table in tables.items()}


def events_table(found: Backtest) -> pd.DataFrame:
    """The events, in the shape that --events reads."""
    rows = [
        {
            "start": str(e.start.date()),
            "end": str(e.end.date()),
            "name": e.name,
            "depth_pct": math.nan if e.depth_pct is None else e.depth_pct,
        }
        for e in found.events
    ]
    return pd.DataFrame(rows, columns=["start", "end", "name", "depth_pct"])


def values_table(found: Backtest) -> pd.DataFrame:
    """Every indicator on every evening, and the close."""
    table = pd.DataFrame({one.name: one.values for one in found.indicators}, index=found.known.days)
    table.insert(0, "close", found.known.close)
    table.insert(0, "date", [str(d.date()) for d in found.known.days])
    return table.reset_index(drop=True)


def alarms_table(found: Backtest) -> pd.DataFrame:
    """What every model said on every evening; ``known_at`` is the close after which it could be said, ``window``
    is empty on days not judged.
    """
    days = [str(d.date()) for d in found.known.days]
    window = np.full(len(days), "", object)
    for name, judged in found.windows().items():
        window[judged] = name
    frames = []
    for course in found.courses:
        grade = (
            np.full(len(days), "", object)
            if course.grade is None
            else np.array([GRADES[g] for g in course.grade], object)
        )
        frames.append(
            pd.DataFrame(
                {
                    "date": days,
                    "model": course.model.name,
                    "known_at": [f"close of {d}" for d in days],
                    "score": course.score,
                    "threshold": np.where(np.isfinite(course.threshold), course.threshold, np.nan),
                    "probability": course.probability,
                    "alarm": course.alarm,
                    "grade": grade,
                    "label": found.labels.y,
                    "window": window,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def record_of(found: Backtest, told: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    """How the tables were made: inputs by digest, versions, settings, models, what was left out, and how many specifications were tried."""
    known = found.known
    return {
        "format": FORMAT,
        "kind": "backtest",
        "labels": REAL,
        "asked": dict(told),
        "index": known.index_id,
        "from": str(known.days[0].date()),
        "to": str(known.days[-1].date()),
        "days": len(known.days),
        "settings": asdict(found.settings) | {"embargo": found.embargo},
        "judged": {
            name: {"days": int(d.sum()), "before_events": int(np.nansum(found.labels.y[d]))}
            for name, d in found.windows().items()
        },
        "models": [
            {"name": c.model.name, "en": c.model.en, "zh": c.model.zh, "naive": c.model.naive, "chosen": list(c.chosen)}
            for c in found.courses
        ],
        "rules": {name: rule.model_dump() for name, rule in found.rules.items()},
        "specifications": found.specifications,
        "correction": "Holm over indicators; Bonferroni over all specifications for models",
        "left_out": [asdict(leak) for leak in found.dropped],
        "measures": [{"name": m.name, "en": m.en, "zh": m.zh, "better": m.better} for m in MEASURES],
        "notes": [{"en": n.en, "zh": n.zh} for n in found.notes],
        "inputs": dict(sorted(digests.items())),
        "versions": record.versions() | {name: version(name) for name in ("scikit-learn", "statsmodels")},
    }


def check_folder(out: Path) -> None:
    """Refuse a folder that holds something else, before anything is computed."""
    if out.exists() and not out.is_dir():
        raise InputError([Fault(str(out), "is a file", "give a folder; the tables are written into it", None, "out")])
    if out.is_dir() and any(out.iterdir()) and not (out / "backtest.html").is_file():
        raise InputError([Fault(str(out), "this folder is not empty and holds no backtest", "give another --out")])


def write_folder(out: Path, tables: Mapping[str, pd.DataFrame], described: dict[str, Any], page: str) -> None:
    """Write every table as Parquet (and those that people cite as CSV), the page, and last the record with their digests."""
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        record.write_table(
            out / f"{name}.parquet", pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
        )
        if name not in ("alarms", "values", "risk_days"):
            record.write_bytes(out / f"{name}.csv", csv_of(table, float_format="%.6g").encode())
    # What a scenario file takes over as it stands: a model's alarm as a response.
    for model, text in (described.get("action") or {}).get("responses", {}).items():
        record.write_bytes(out / f"response-{re.sub('[^A-Za-z0-9_.-]', '-', model)}.toml", text.encode())
    record.write_bytes(out / "backtest.html", page.encode())
    files = sorted(p for p in out.iterdir() if p.is_file() and p.name != record.RECORD and not p.name.startswith("."))
    record.write_json(out / record.RECORD, described | {"outputs": {p.name: record.file_digest(p) for p in files}})
