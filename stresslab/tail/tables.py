"""The answers of a tail run as tables: one row for each method that was run, and every weighted path with its likelihood ratio."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa

from stresslab import glossary
from stresslab.tail.search import Answer, Question
from stresslab.tail.tilt import Tilt
from stresslab.tail.verdict import Estimate

_NUMBERS = ("probability", "error", "low", "high")
#: A question and its answer, under the scenario's id.
Asked = tuple[str, Question, Answer]


def tilt_text(tilt: Tilt) -> str:
    """The shifts of a tilt as JSON: how many places of the cycle each lean has, its columns and names, its shifts."""
    counts = {lean: tilt.leans.count(lean) for lean in dict.fromkeys(tilt.leans)}
    return json.dumps([
        {"places": count, "columns": lean.columns, "shift": lean.shift, "instruments": lean.names, "instrument_shift": lean.name_shift}
        for lean, count in counts.items()
    ])


def tail_table(asked: list[Asked]) -> pa.Table:
    """One row for each scenario, platform, event and method; where an answer is not known no row of it gives a probability."""
    rows = []
    for scenario, question, answer in asked:
        for estimate in (answer.chosen, *answer.others):
            rows.append(_row(scenario, question, answer, estimate))
    shape = glossary.schema("tail")
    return pa.Table.from_pylist(rows, schema=shape)


def _row(scenario: str, question: Question, answer: Answer, estimate: Estimate) -> dict[str, Any]:
    first = estimate is answer.chosen
    row: dict[str, Any] = {
        "scenario": scenario, "platform_id": question.platform_id, "event": question.event.text, "method": estimate.method,
        "role": "answer" if first else "check", "known": answer.known,
        "tilt": tilt_text(answer.tilts[estimate.method]) if estimate.method in answer.tilts else None,
        "seed": answer.seeds.get(estimate.method),
        "reason": "; ".join(r.en for r in answer.reasons) if first else None,
        "reason_zh": "；".join(r.zh for r in answer.reasons) if first else None,
    }
    for name in ("paths", "paths_before", "hits", "repetitions", "extinct"):
        row[name] = getattr(estimate, name)
    for name in ("effective", "largest_share", "mean_ratio", "mean_ratio_error", "blind", "gain"):
        row[name] = _finite(getattr(estimate, name))
    for name in _NUMBERS:
        row[name] = _finite(getattr(estimate, name)) if answer.known else None
    row["relative_error"] = _finite(estimate.relative)
    return row


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def paths_table(asked: list[Asked]) -> pa.Table:
    """Every path of every tilted sample, at the event or not."""
    parts = []
    shape = glossary.schema("tail_paths")
    for scenario, question, answer in asked:
        for method, sample in answer.samples.items():
            count = sample.path.size
            named = {"scenario": scenario, "platform_id": question.platform_id, "event": question.event.text, "method": method}
            columns: dict[str, Any] = {name: pa.array(np.full(count, value), pa.string()) for name, value in named.items()}
            columns |= {"path": sample.path, "hit": sample.hit, "log_ratio": sample.log_ratio}
            parts.append(pa.table({name: columns[name] for name in shape.names}, schema=shape))
    return pa.concat_tables(parts) if parts else shape.empty_table()
