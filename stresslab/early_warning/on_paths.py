"""What happens on the paths of a run: endings of platforms as dated events, and the worth of an action on them (M-276, M-277)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stresslab.early_warning.synthetic import SYNTHETIC, Ending, table_of_run
from stresslab.estimate import PAIRED_COLUMNS, paired

EVENT_COLUMNS = ("scenario", "path", "platform_id", "day", "event", "source")
ACTION_COLUMNS = (
    "without", "with", "action", "action_zh", "paths", "acted", "median_day",
    *(c for c in PAIRED_COLUMNS if c not in ("first", "second", "paths")),
    "mean_without", "mean_with", "source",
)


def events_table(folder: Path, ending: Ending) -> pd.DataFrame:
    """Every ending of a platform on a path, with its day: the events of a simulated run (M-277)."""
    told = table_of_run(folder, "outcomes", ("scenario", "path", "platform_id", ending))
    came = told[told[ending].notna()].rename(columns={ending: "day"})
    came = came.assign(day=came["day"].astype(np.int64), event=ending.removesuffix("_day"), source=SYNTHETIC)
    return came[list(EVENT_COLUMNS)].sort_values(["scenario", "path", "platform_id"], ignore_index=True)


def events_by_platform(folder: Path, events: pd.DataFrame) -> pd.DataFrame:
    """For each scenario and platform its paths, on how many the event came, their share, the first day and the median day."""
    told = table_of_run(folder, "outcomes", ("scenario", "path", "platform_id"))
    rows = []
    for (scenario, platform), own in told.groupby(["scenario", "platform_id"], sort=True):
        days = events.loc[(events["scenario"] == scenario) & (events["platform_id"] == platform), "day"]
        rows.append((
            scenario, platform, len(own), len(days), len(days) / len(own), float(days.min()) if len(days) else np.nan,
            float(days.median()) if len(days) else np.nan, SYNTHETIC))
    return pd.DataFrame(rows, columns=["scenario", "platform_id", "paths", "events", "share", "first_day", "median_day", "source"])


def actions_table(folder: Path, pairs: Sequence[tuple[str, str, str, str]], sampling: str) -> pd.DataFrame:
    """What the action of a second scenario changes against the first, which is the same without it, path by path (M-276, M-50).

    ``pairs`` are (without, with, the action in English, in Chinese). A row for each pair, platform and measure: both means,
    difference (with − without), its error and 95% interval. ``acted`` is the share of paths on which the alarm set the action off on some
    platform, ``median_day`` when. Measured, given the model of the run, and not assumed.
    """
    frames = [pd.DataFrame(columns=list(ACTION_COLUMNS))]
    outcomes = table_of_run(folder, "outcomes", None) if pairs else pd.DataFrame()
    for without, having, action, action_zh in pairs:
        own = outcomes[outcomes["scenario"] == having]
        days = own.groupby("path")["first_response_day"].min().astype("Float64")
        told: dict[str, Any] = {
            "without": without, "with": having, "action": action, "action_zh": action_zh,
            "acted": float(days.notna().mean()),
            "median_day": float(days.median()) if days.notna().any() else np.nan, "source": SYNTHETIC,
        }
        found = paired(outcomes, without, having, sampling).rename(columns={"first": "mean_without", "second": "mean_with"})
        frames.append(found.assign(**told)[list(ACTION_COLUMNS)])
    kept = [frame for frame in frames if len(frame)] or frames[:1]
    return pd.concat(kept, ignore_index=True)
