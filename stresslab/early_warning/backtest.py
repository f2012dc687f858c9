"""A backtest of early warning: indicators, events, folds, models, alarms, and what they were worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stresslab.early_warning import events as dated
from stresslab.early_warning import models as made
from stresslab.early_warning.events import Event, Labels, events_of, labels_of
from stresslab.early_warning.folds import Fold, walk_forward
from stresslab.early_warning.indicators import SPECS, Indicator, indicators_of, regime_indicator
from stresslab.early_warning.known import Known, known_of
from stresslab.early_warning.leaks import Leak, foresights, truncation
from stresslab.early_warning.models import Forecast, Model, Task
from stresslab.early_warning.rules import Rule, read_rule
from stresslab.faults import Fault, InputError, nearest
from stresslab.history import History
from stresslab.history.said import Said

F64 = NDArray[np.float64]
#: A model needs so many training days, so many of them before events.
TRAIN_LEAST, BEFORE_LEAST = 250, 10
#: Levels of a VaR that 500 days can tell.
VAR_LEAST, VAR_MOST = 0.9, 0.998


@dataclass(frozen=True)
class Settings:
    """How a backtest is made; every number is told in its record.

    ``horizon``, ``after``, ``embargo``, ``refit``, ``first`` and ``rolling`` are trading days; ``mu`` weighs a missed event against
    a false alarm (Sarlin); acting on an alarm costs ``cost`` a day and avoids the share ``saved`` of the loss of a day before an event,
    which is 1; ``embargo`` None is the days that an event of the rule may take to be known, at least 20; ``var_level`` is the share
    of days on which a loss is to stay within the VaR.
    """

    horizon: int = 60
    after: int = 60
    embargo: int | None = None
    refit: int = 126
    first: int = 500
    rolling: int | None = None
    mu: float = 0.9
    cost: float = 0.02
    saved: float = 0.5
    repetitions: int = 200
    seed: int = 1
    level: float = 0.9
    holdout_from: str | None = None
    candidates: bool = False
    var_level: float = 0.99

    def faults(self) -> list[Fault]:
        """What is wrong with the numbers."""
        least = {"horizon": 1, "after": 0, "refit": 5, "first": TRAIN_LEAST, "repetitions": 20}
        found = [
            Fault(
                "options",
                f"must be at least {low}",
                f"write {low} or more",
                None,
                name.replace("_", "-"),
                str(getattr(self, name)),
            )
            for name, low in least.items()
            if getattr(self, name) < low
        ]
        for name in ("mu", "level", "cost", "saved"):
            if not 0.0 < getattr(self, name) < 1.0:
                found.append(
                    Fault("options", "lies between 0 and 1", "write a fraction", None, name, str(getattr(self, name)))
                )
        if not VAR_LEAST <= self.var_level <= VAR_MOST:
            rule = f"lies from {VAR_LEAST:g} to {VAR_MOST:g}: of 500 days one must lie beyond it"
            found.append(Fault("options", rule, "write 0.99 or 0.975", None, "var-level", str(self.var_level)))
        for name in ("embargo", "rolling"):
            given = getattr(self, name)
            if given is not None and given < (0 if name == "embargo" else TRAIN_LEAST):
                found.append(Fault("options", "has too few days", "write more", None, name, str(given)))
        if self.holdout_from is not None and pd.isna(
            pd.to_datetime(self.holdout_from, errors="coerce", format="%Y-%m-%d")
        ):
            found.append(
                Fault("options", "is no day", "write it as 2016-01-01", None, "holdout-from", self.holdout_from)
            )
        return found


@dataclass(frozen=True)
class Course:
    """What one model said on every day: missing (score) where it had not enough to learn from."""

    model: Model
    score: F64
    probability: F64
    alarm: NDArray[np.bool_]
    threshold: F64
    chosen: tuple[str, ...]
    grade: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Backtest:
    """All that a backtest found, before it is judged."""

    known: Known
    indicators: list[Indicator]
    dropped: list[Leak]
    events: list[Event]
    labels: Labels
    forecast: NDArray[np.bool_]
    courses: list[Course]
    settings: Settings
    embargo: int
    specifications: int
    rules: dict[str, Rule] = field(default_factory=dict)
    notes: list[Said] = field(default_factory=list)

    @property
    def judged_days(self) -> NDArray[np.bool_]:
        """The days on which every model is scored: not in or after an event, label known, and models fitted."""
        return self.labels.scored & self.forecast

    def windows(self) -> dict[str, NDArray[np.bool_]]:
        """The judged days of the walk-forward and, apart, of the holdout."""
        days, cut = self.known.days, self.settings.holdout_from
        if cut is None:
            return {"walk_forward": self.judged_days}
        late = np.asarray(days >= pd.Timestamp(cut))
        # A label that looks into the holdout belongs to neither.
        edge = np.zeros(len(days), bool)
        at = int(days.searchsorted(pd.Timestamp(cut)))
        edge[max(0, at - self.settings.horizon) : at] = True
        return {"walk_forward": self.judged_days & ~late & ~edge, "holdout": self.judged_days & late}


def backtest_of(
    history: History,
    events: str | Path,
    models: Sequence[str] = ("threshold", "logit", "boosting"),
    *,
    index: str | None = None,
    first: str | None = None,
    last: str | None = None,
    lags: Mapping[str, int] | None = None,
    shadow: str | Path | None = None,
    settings: Settings | None = None,
) -> Backtest:
    """Walk forward through a history with every model and the naive rules; nothing sees a day before it came.

    Raises :class:`InputError` with every fault of options, history, events and rules.
    """
    held = settings or Settings()
    if faults := held.faults():
        raise InputError(faults)
    known = known_of(history, index=index, first=first, last=last, lags=lags)
    found = indicators_of(known)
    if any(name.split(":")[0] in ("regime", "combination") for name in models):
        found.append(regime_indicator(known))
    if held.holdout_from is not None and not known.days[0] < pd.Timestamp(held.holdout_from) <= known.days[-1]:
        rule = f"lies outside the history, {known.days[0].date()} to {known.days[-1].date()}"
        raise InputError([Fault("options", rule, "name a day inside it", None, "holdout-from", held.holdout_from)])
    chosen, rules = models_of(models, [one.name for one in found], shadow)
    embargo = max(20, _settles(str(events))) if held.embargo is None else held.embargo
    happened = events_of(events, known)
    labels = labels_of(known.days, happened, held.horizon, held.after)
    leaks = truncation(known, found) + foresights(known, found, labels.y, labels.scored, held.horizon)
    found = _honest(found, leaks, chosen)
    task = _task(found, held, embargo)
    folds = list(
        walk_forward(
            len(known.days),
            first=held.first,
            refit=held.refit,
            horizon=held.horizon,
            embargo=embargo,
            rolling=held.rolling,
        )
    )
    # The work of a fit is so small that threads cost more than they bring; and one thread adds up in one order. Only libraries that
    # are loaded by then can be held to it.
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401

    with threadpool_limits(1):
        told, forecast = _walk(known, events, task, chosen, folds, held)
    if not (labels.scored & forecast).any():
        rule = "no day can be scored: no event lies far enough before the others to learn from"
        way_out = "take a milder rule for events, a shorter --first or --horizon, or a longer history"
        raise InputError([Fault("history", rule, way_out, None, "events", str(events))])
    tried = made.specifications(chosen, task) + sum(one.is_candidate for one in found) * (not held.candidates)
    notes = [*history.notes, *known.notes]
    return Backtest(known, found, leaks, happened, labels, forecast, told, held, embargo, tried, rules, notes)


def _honest(found: list[Indicator], leaks: list[Leak], models: Sequence[Model]) -> list[Indicator]:
    """The indicators that do not see the future; raises :class:`InputError` if none is left, or a model was asked for one that does."""
    bad = {leak.indicator: leak for leak in leaks}
    wanted = [m.indicator for m in models if isinstance(m, made.Single) and m.indicator in bad]
    faults = [
        Fault(
            "options",
            f"sees the future ({bad[name].check}: {bad[name].where})",
            "say with --lag when it is known",
            None,
            "model",
            name,
        )
        for name in dict.fromkeys(filter(None, wanted))
    ]
    kept = [one for one in found if one.name not in bad]
    if not kept:
        faults.append(Fault("history", "no indicator is left that does not see the future", "correct the tables"))
    if faults:
        raise InputError(faults)
    return kept


def _task(found: list[Indicator], held: Settings, embargo: int) -> Task:
    """What the models read: named indicators, and candidates only if they were asked for."""
    kept = [one for one in found if held.candidates or not one.is_candidate]
    values: F64 = np.column_stack([one.values.to_numpy(float) for one in kept]).astype(np.float64)
    return Task(
        tuple(one.name for one in kept), values, tuple(one.danger for one in kept), held.horizon, embargo, held.mu
    )


def _settles(rule: str) -> int:
    """The days until an event of a rule is known to have started: it is dated at the high before the fall."""
    found = dated.DRAWDOWN.match(rule.strip().lower())
    return int(found[3]) if found is not None and found[4] != "fall" else 0


def models_of(
    names: Sequence[str], indicators: Sequence[str], shadow: str | Path | None = None
) -> tuple[list[Model], dict[str, Rule]]:
    """The models by their names, the naive rules first; raises :class:`InputError` for unknown ones."""
    faults: list[Fault] = []
    rules: dict[str, Rule] = {}
    found: list[Model] = []
    simple: dict[str, Model] = {
        "logit": made.LOGIT,
        "boosting": made.BOOSTING,
        "threshold": made.BEST,
        "regime": made.REGIME,
    }
    wanted = [*dict.fromkeys(names), *([f"shadow:{shadow}"] if shadow is not None else [])]
    for name in wanted:
        kind, _, of = name.partition(":")
        if name in simple:
            found.append(simple[name])
        elif kind == "threshold" and of:
            if of in indicators:
                found.append(made.Single(name, f"threshold on {of}", f"{of}阈值", of))
            elif of in [spec.name for spec in SPECS]:
                faults.append(
                    Fault(
                        "options",
                        "this history has no data for the indicator",
                        nearest(of, indicators),
                        None,
                        "model",
                        of,
                    )
                )
            else:
                faults.append(Fault("options", "is no indicator", nearest(of, indicators), None, "model", of))
        elif kind in ("rule", "shadow"):
            rule = read_rule(of or None, [i for i in indicators if i.startswith("candidate:") or i == "regime"])
            label = kind if kind not in rules else f"{kind}:{rule.id}"
            rules[label] = rule
            title, zh = rule.title or rule.id, rule.title_zh or rule.title or rule.id
            found.append(
                made.Composite(
                    label,
                    f"{title} (in shadow)" if kind == "shadow" else title,
                    f"{zh}（影子运行）" if kind == "shadow" else zh,
                    rule,
                )
            )
        elif name != "combination":
            faults.append(Fault("options", "is no model", nearest(kind, made.KINDS), None, "model", name))
    if faults:
        raise InputError(faults)
    if "combination" in wanted:
        members = tuple(m for m in found if not m.name.startswith("shadow")) or (made.LOGIT, made.BOOSTING, made.REGIME)
        found.append(made.Combination("combination", "combination", "组合", members))
    return [*made.NAIVE, *found], rules


def _walk(
    known: Known,
    events: str | Path,
    task: Task,
    models: Sequence[Model],
    folds: Sequence[Fold],
    held: Settings,
) -> tuple[list[Course], NDArray[np.bool_]]:
    n = len(known.days)
    forecast = np.zeros(n, bool)
    score = {m.name: np.full(n, np.nan) for m in models}
    probability = {m.name: np.full(n, np.nan) for m in models}
    threshold = {m.name: np.full(n, np.nan) for m in models}
    alarm = {m.name: np.zeros(n, bool) for m in models}
    chosen: dict[str, list[str]] = {m.name: [] for m in models}
    for fold in folds:
        y = _labels_then(known, events, fold, held)
        train = fold.train[np.isfinite(y[fold.train])]
        told = y[train]
        if train.size < TRAIN_LEAST or (told == 1).sum() < BEFORE_LEAST or (told == 0).sum() < BEFORE_LEAST:
            continue
        forecast[fold.test] = True
        by_name: dict[str, Forecast] = {}
        for model in models:
            if isinstance(model, made.Combination) and all(m.name in by_name for m in model.members):
                said = model.combined([by_name[m.name] for m in model.members])
            else:
                said = model.forecast(task, train, told, fold.test)
            by_name[model.name] = said
            score[model.name][fold.test], probability[model.name][fold.test] = said.score, said.probability
            threshold[model.name][fold.test], alarm[model.name][fold.test] = said.threshold, said.alarm
            chosen[model.name].append(f"{known.days[fold.test[0]].date()}: {said.chosen}" if said.chosen else "")
    courses = []
    for m in models:
        grade = m.rule.grades(task.values(), n) if isinstance(m, made.Composite) else None
        courses.append(
            Course(
                m,
                score[m.name],
                probability[m.name],
                alarm[m.name],
                threshold[m.name],
                tuple(c for c in chosen[m.name] if c),
                grade,
            )
        )
    return courses, forecast


def _labels_then(known: Known, events: str | Path, fold: Fold, held: Settings) -> F64:
    """The labels as they stood the evening before a fold starts: events that nobody could date yet are not in them."""
    start = int(fold.test[0])
    past = known.until(known.days[start - 1])
    try:
        happened = events_of(events, past)
    except InputError:
        return np.full(len(known.days), np.nan)  # none had happened, or none was known
    labels = labels_of(past.days, happened, held.horizon, held.after)
    out = np.full(len(known.days), np.nan)
    out[:start] = np.where(labels.scored, labels.y, np.nan)
    return out
