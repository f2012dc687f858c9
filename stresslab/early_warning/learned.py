"""Models trained on simulated paths and scored on paths that they never saw (M-274, M-275).

The walk goes by path, not by day: paths of a run are independent, so the first half of them teaches and the second half judges, and
no day of one path helps another of its own. Everything here is SYNTHETIC: it holds given the scenarios and the model of the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stresslab.early_warning import models as made
from stresslab.early_warning import sandbox, scores
from stresslab.early_warning.backtest import BEFORE_LEAST
from stresslab.early_warning.models import Forecast, Model, Task
from stresslab.early_warning.rules import Rule
from stresslab.early_warning.sandbox import Settings
from stresslab.early_warning.synthetic import INDICATORS, Panel, area_over_histories

#: The calendar of the scenario, which no one could act on: what a model must beat, and never what it learns from.
DAY = made.Single("day", "the day alone", "仅看日期", "day", naive=True)
NAIVE: tuple[Model, ...] = (made.ALWAYS, made.NEVER, DAY)
LEARNED: tuple[Model, ...] = (made.BEST, made.LOGIT, made.BOOSTING)
#: More paths than this are not learned from: the curve is flat by then.
MOST = 500
COLUMNS = (
    "model", "en", "zh", "naive", "train_paths", "test_paths", "train_days", "train_days_before", "days", "days_before", "endings",
    "warned", "lead_days", "false_alarms_a_year", "auroc", "error", "usefulness", "hit_rate", "false_alarm_rate", "noise_to_signal",
    "brier", "chosen", "source",
)
_KEYS = ["scenario", "path", "platform_id", "day"]


@dataclass(frozen=True)
class Learned:
    """Scores of every model by number of training paths, and what each said on the unseen paths after the most of them.

    ``unseen`` are the days of those paths, ``alarms`` the alarms on them by model.
    """

    table: pd.DataFrame
    unseen: Panel
    alarms: dict[str, NDArray[np.bool_]]
    forecasts: dict[str, Forecast]


def cut_of(histories: int) -> int:
    """How many paths teach: half, an even number, so that mirrored pairs stay on one side."""
    return histories // 4 * 2


def learned(told: Panel, rules: Mapping[str, Rule], sizes: tuple[int, ...], held: Settings) -> Learned:
    """Train on the first paths, as many as each of `sizes` and as half of the panel holds, and score on the second half (M-274).

    ``rules`` by name learn nothing and are scored on the same unseen paths; so are the naive rules. A model that saw fewer than 10 days
    of either class has a row without scores.
    """
    cut = cut_of(told.histories)
    history = told.table["history"].to_numpy(np.int64)
    late = history >= cut
    unseen = replace(
        told, table=told.table[late].assign(history=history[late] - cut).reset_index(drop=True), histories=told.histories - cut)
    most = min(cut, MOST)
    rows, last = [], dict[str, Forecast]()
    composites = [made.Composite(name, rule.title or rule.id, rule.title_zh or rule.title or rule.id, rule) for name, rule in rules.items()]
    # One thread adds up in one order, on any machine; only libraries that are loaded by then can be held to it.
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401

    with threadpool_limits(limits=1):
        for size in [*(n for n in sizes if n < most), *([most] if most else [])]:
            models = [*NAIVE, *LEARNED, *composites] if size == most else LEARNED
            train = np.flatnonzero(history < size)
            for model in models:
                said = _forecast(told, model, train, np.flatnonzero(late), held)
                rows.append(_row(told, unseen, model, size, train, said, held))
                if size == most and said is not None:
                    last[model.name] = said
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Learned(table, unseen, {name: said.alarm for name, said in last.items()}, last)


def _forecast(told: Panel, model: Model, train: NDArray[np.int64], test: NDArray[np.int64], held: Settings) -> Forecast | None:
    y = told.table["y"].to_numpy(bool)[train].astype(np.float64)
    if not test.size or min(y.sum(), y.size - y.sum()) < BEFORE_LEAST:
        return None
    # The calendar is read by the naive rule, and by rules that a person wrote.
    names = ("day",) if model is DAY else tuple(INDICATORS)
    if model in LEARNED:
        names = tuple(name for name in INDICATORS if name != "day")
    x = told.table[list(names)].to_numpy(np.float64)
    task = Task(names, x, (1,) * len(names), told.horizon, 0, held.mu, told.table["history"].to_numpy(np.int64))
    return model.forecast(task, train, y, test)


def _row(
    told: Panel, unseen: Panel, model: Model, size: int, train: NDArray[np.int64], said: Forecast | None, held: Settings,
) -> dict[str, object]:
    y = unseen.table["y"].to_numpy(bool)
    row: dict[str, object] = {
        "model": model.name, "en": model.en, "zh": model.zh, "naive": model.naive, "train_paths": size, "test_paths": unseen.histories,
        "train_days": train.size, "train_days_before": int(told.table["y"].to_numpy(bool)[train].sum()), "days": y.size,
        "days_before": int(y.sum()), "endings": sandbox.endings_of(unseen.table, y), "chosen": "" if said is None else said.chosen,
        "source": told.source,
    }
    if said is None:
        return row
    area = area_over_histories(y, said.score, unseen.table["history"].to_numpy(np.int64))
    warned, lead, false = sandbox.warned_of(unseen.table, y, said.alarm)
    row |= {"auroc": area.value, "error": area.error, "warned": warned, "lead_days": lead, "false_alarms_a_year": false}
    if y.any() and not y.all():
        rates = scores.signals(y, said.alarm)
        row |= {
            "usefulness": scores.usefulness(y, said.alarm, held.mu).relative, "hit_rate": rates.hit_rate,
            "false_alarm_rate": rates.false_alarm_rate, "noise_to_signal": scores.noise_to_signal(y, said.alarm),
            "brier": float(np.mean((said.probability - y) ** 2)),
        }
    return row


def beside(found: Learned, in_force: str, held: Settings) -> pd.DataFrame:
    """Each learned model in shadow beside the rule in force, alarm by alarm on the unseen paths (M-275, M-254)."""
    pairs = [
        sandbox.pairs_of_alarms(found.unseen, found.alarms[model.name], found.alarms[in_force], (model.name, in_force), "unseen", held)
        for model in LEARNED if model.name in found.alarms and in_force in found.alarms
    ]
    return pd.concat(pairs, ignore_index=True) if pairs else pd.DataFrame(columns=list(sandbox.COLUMNS))


def alarms_table(found: Learned) -> pd.DataFrame:
    """What every model said on every day of the unseen paths, after the most training paths; `y` is whether the ending followed."""
    keys = found.unseen.table[[*_KEYS, "y"]]
    frames = [
        keys.assign(model=name, score=said.score, probability=said.probability, alarm=said.alarm, source=found.unseen.source)
        for name, said in found.forecasts.items()
    ]
    columns = [*_KEYS, "y", "model", "score", "probability", "alarm", "source"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def best_of(table: pd.DataFrame) -> dict[str, object] | None:
    """The learned model with the highest area after the most training paths; None where none could be scored."""
    own = table[~table["naive"].astype(bool) & table["model"].isin([m.name for m in LEARNED]) & table["auroc"].notna()]
    own = own[own["train_paths"] == table["train_paths"].max()]
    if own.empty:
        return None
    row = own.sort_values("auroc", kind="stable").iloc[-1].to_dict()
    return {str(k): v for k, v in row.items() if not (isinstance(v, float) and math.isnan(v))}
