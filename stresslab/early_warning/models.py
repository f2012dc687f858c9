"""Models of early warning: each learns from training days alone and scores the days after them (M-169 to M-172)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stresslab.early_warning.folds import purged_kfold
from stresslab.early_warning.judged import area, best
from stresslab.early_warning.rules import GRADES, Rule

F64 = NDArray[np.float64]
#: Blocks inside the training days in which a fitted model scores days that it was not fitted on.
INNER_FOLDS = 4
#: Strengths of the logit's penalty that are tried inside a fold.
PENALTIES = (0.003, 0.03, 0.3)
#: An indicator known on fewer of the training days than this is left out of the fold.
KNOWN_LEAST = 0.5


@dataclass(frozen=True)
class Task:
    """What models read: indicators by day, their directions of danger, and the labels of the training days.

    Where rows are many histories, one after the other, ``history`` says which one a row is of: none is parted inside a fold.
    """

    names: tuple[str, ...]
    x: F64
    danger: tuple[int, ...]
    horizon: int
    embargo: int
    mu: float
    history: NDArray[np.int64] | None = None

    def column(self, name: str) -> int | None:
        """The place of an indicator."""
        return self.names.index(name) if name in self.names else None

    def values(self) -> Mapping[str, F64]:
        """Every indicator by its name."""
        return {name: self.x[:, k] for k, name in enumerate(self.names)}


@dataclass(frozen=True)
class Forecast:
    """What a model says of some days: score (higher is nearer danger), probability, alarm, and why."""

    score: F64
    probability: F64
    alarm: NDArray[np.bool_]
    threshold: float
    chosen: str = ""


class Model(Protocol):
    """A model by its name; ``naive`` ones are what the others must beat."""

    @property
    def name(self) -> str:
        """What --model calls it."""

    @property
    def en(self) -> str:
        """Its name in English."""

    @property
    def zh(self) -> str:
        """Its name in Chinese."""

    @property
    def naive(self) -> bool:
        """Whether it is a rule that others must beat."""

    def forecast(self, task: Task, train: NDArray[np.int64], y: F64, test: NDArray[np.int64]) -> Forecast:
        """Learn on training days with their labels and say something of the test days."""


def _probability(score: F64, y: F64) -> Callable[[F64], F64]:
    """The probability of an event given a score: a logit in the standardised score, fitted on training days (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    base = float(y.mean())
    if score.std() == 0 or base in (0.0, 1.0):
        return lambda s: np.full(s.size, base)
    mean, sd = float(score.mean()), float(score.std())
    fitted = LogisticRegression(C=1.0).fit(((score - mean) / sd)[:, None], y)
    return lambda s: np.asarray(fitted.predict_proba(np.clip((s - mean) / sd, -8.0, 8.0)[:, None])[:, 1], float)


def _decided(
    task: Task, s_train: F64, y: F64, s_test: F64, chosen: str = "", probability: F64 | None = None
) -> Forecast:
    """Threshold by usefulness and probability, both from training days."""
    threshold = best(y, s_train, task.mu)[0]
    told = _probability(s_train, y)(s_test) if probability is None else probability
    return Forecast(s_test, told, s_test >= threshold, threshold, chosen)


@dataclass(frozen=True)
class Constant:
    """Always or never an alarm."""

    name: str
    en: str
    zh: str
    on: bool
    naive: bool = True

    def forecast(self, task: Task, train: NDArray[np.int64], y: F64, test: NDArray[np.int64]) -> Forecast:
        """The same every day; the probability is the share of training days before events."""
        n = test.size
        return Forecast(np.zeros(n), np.full(n, float(y.mean())), np.full(n, self.on), -np.inf if self.on else np.inf)


@dataclass(frozen=True)
class Single:
    """One indicator against a threshold; without a name, the one that is most useful in the training days."""

    name: str
    en: str
    zh: str
    indicator: str | None = None
    naive: bool = False

    def forecast(self, task: Task, train: NDArray[np.int64], y: F64, test: NDArray[np.int64]) -> Forecast:
        """The indicator in its direction of danger; where it is missing it stands at its training median."""
        at = None if self.indicator is None else task.column(self.indicator)
        if at is None:
            at = self._best(task, train, y)
        s_train, s_test = directed(task, at, train, y, train), directed(task, at, train, y, test)
        found = _decided(task, s_train, y, s_test, task.names[at])
        # A missing indicator raises no alarm.
        return Forecast(
            found.score, found.probability, found.alarm & np.isfinite(task.x[test, at]), found.threshold, found.chosen
        )

    def _best(self, task: Task, train: NDArray[np.int64], y: F64) -> int:
        useful = []
        for k in range(len(task.names)):
            if np.isfinite(task.x[train, k]).mean() < KNOWN_LEAST:
                useful.append(-np.inf)
                continue
            useful.append(best(y, directed(task, k, train, y, train), task.mu)[1])
        return int(np.argmax(useful))


def directed(task: Task, at: int, train: NDArray[np.int64], y: F64, days: NDArray[np.int64]) -> F64:
    """An indicator turned so that high is dangerous (where the direction is open, by its AUROC in the training days), holes filled."""
    told = task.x[train, at]
    middle = float(np.nanmedian(told)) if np.isfinite(told).any() else 0.0
    sign = task.danger[at]
    if sign == 0:
        sign = 1 if area(y, np.where(np.isfinite(told), told, middle)) >= 0.5 else -1
    x = task.x[days, at]
    return sign * np.where(np.isfinite(x), x, middle)


class _Learner(Protocol):
    def __call__(self, x: F64, y: F64, strength: float) -> Callable[[F64], F64]: ...


@dataclass(frozen=True)
class Learned:
    """A classifier over all indicators; threshold and penalty from purged folds inside the training days."""

    name: str
    en: str
    zh: str
    learner: _Learner
    strengths: tuple[float, ...]
    naive: bool = False

    def forecast(self, task: Task, train: NDArray[np.int64], y: F64, test: NDArray[np.int64]) -> Forecast:
        """Fit on training days; the threshold is chosen on scores of days that the fit had not seen."""
        kept = np.flatnonzero(np.isfinite(task.x[train]).mean(axis=0) >= KNOWN_LEAST)
        if not kept.size:
            return Constant(self.name, "", "", False).forecast(task, train, y, test)
        x = task.x[:, kept]
        best: tuple[float, float, F64] | None = None
        for strength in self.strengths:
            unseen = self._unseen(task, x, train, y, strength)
            there = np.isfinite(unseen)
            good = len(set(y[there])) == 2
            value = area(y[there], unseen[there]) if good else 0.0
            if best is None or value > best[0]:
                best = (value, strength, unseen)
        assert best is not None
        fitted = self.learner(x[train], y, best[1])
        s_test = fitted(x[test])
        there = np.isfinite(best[2])
        s_train, y_train = (best[2][there], y[there]) if len(set(y[there])) == 2 else (fitted(x[train]), y)
        return _decided(task, s_train, y_train, s_test, f"{kept.size} indicators, {best[1]:g}", probability=s_test)

    def _unseen(self, task: Task, x: F64, train: NDArray[np.int64], y: F64, strength: float) -> F64:
        out = np.full(train.size, np.nan)
        # Blocks are of calendar neighbours, although days inside events are missing among the training days; or of whole histories,
        # which are independent and need no purge.
        place = train - train[0] if task.history is None else task.history[train]
        apart = (task.horizon, task.embargo) if task.history is None else (0, 0)
        for fold in purged_kfold(int(place.max()) + 1, INNER_FOLDS, *apart):
            fit, test = np.isin(place, fold.train), np.isin(place, fold.test)
            if test.any() and len(set(y[fit])) == 2:
                out[test] = self.learner(x[train[fit]], y[fit], strength)(x[train[test]])
        return out


def logit(x: F64, y: F64, strength: float) -> Callable[[F64], F64]:
    """A logit with a quadratic penalty on standardised indicators, holes filled with training medians (M-170)."""
    from sklearn.linear_model import LogisticRegression

    # A column without any value in these days stands at zero, and so says nothing.
    known = np.isfinite(x).any(axis=0)
    middle = np.zeros(x.shape[1])
    middle[known] = np.nanmedian(x[:, known], axis=0)

    def filled(z: F64) -> F64:
        return np.where(np.isfinite(z), z, middle)

    mean, sd = filled(x).mean(axis=0), filled(x).std(axis=0)
    sd = np.where(sd > 0, sd, 1.0)

    def scaled(z: F64) -> F64:
        # Beyond eight deviations an indicator says nothing more.
        inside: F64 = np.clip((filled(z) - mean) / sd, -8.0, 8.0)
        return inside

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a search that ends at its limit of steps is near enough
        fitted = LogisticRegression(C=strength, max_iter=500).fit(scaled(x), y)
    return lambda z: np.asarray(fitted.predict_proba(scaled(z))[:, 1], float)


def boosting(x: F64, y: F64, strength: float) -> Callable[[F64], F64]:
    """Gradient boosting of shallow trees on histograms; holes go the way that lowers the loss (M-170)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    # A column without any value in the fit says nothing; the trees want a number.
    known = np.isfinite(x).any(axis=0)
    if not known.any():
        base = float(y.mean())
        return lambda z: np.full(len(z), base)
    fitted = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.08,
        max_depth=3,
        min_samples_leaf=30,
        l2_regularization=strength,
        early_stopping=False,
        random_state=0,
    ).fit(x[:, known], y)
    return lambda z: np.asarray(fitted.predict_proba(z[:, known])[:, 1], float)


@dataclass(frozen=True)
class Composite:
    """A rule of grades; it learns nothing but the share of events at each grade."""

    name: str
    en: str
    zh: str
    rule: Rule
    naive: bool = False

    def forecast(self, task: Task, train: NDArray[np.int64], y: F64, test: NDArray[np.int64]) -> Forecast:
        """The score is the grade; the probability the share of training days of that grade before events,
        one day of the base rate added.
        """
        grade = self.rule.grades(task.values(), len(task.x)).astype(float)
        base = float(y.mean())
        share = np.array(
            [(y[grade[train] == g].sum() + base) / ((grade[train] == g).sum() + 1.0) for g in range(len(GRADES))]
        )
        threshold = float(GRADES.index(self.rule.alarm_from))
        return Forecast(grade[test], share[grade[test].astype(int)], grade[test] >= threshold, threshold, self.rule.id)


@dataclass(frozen=True)
class Combination:
    """The mean of other models' probabilities, and the vote of half of them (M-172)."""

    name: str
    en: str
    zh: str
    members: tuple[Model, ...]
    naive: bool = False

    def forecast(self, task: Task, train: NDArray[np.int64], y: F64, test: NDArray[np.int64]) -> Forecast:
        """What the members say of the same days, put together."""
        return self.combined([m.forecast(task, train, y, test) for m in self.members])

    def combined(self, told: Sequence[Forecast]) -> Forecast:
        """The mean probability is score and probability; an alarm is one that at least half of the members raise."""
        probability = np.mean([f.probability for f in told], axis=0)
        alarms = np.mean([f.alarm for f in told], axis=0)
        return Forecast(probability, probability, alarms >= 0.5, 0.5, ", ".join(m.name for m in self.members))


ALWAYS = Constant("always", "always an alarm", "始终报警", True)
NEVER = Constant("never", "never an alarm", "从不报警", False)
VOLATILITY = Single("volatility", "volatility alone", "仅看波动率", "volatility_20", naive=True)
NAIVE: tuple[Model, ...] = (ALWAYS, NEVER, VOLATILITY)
LOGIT = Learned("logit", "logit", "逻辑回归", logit, PENALTIES)
BOOSTING = Learned("boosting", "gradient boosting", "梯度提升树", boosting, (1.0,))
BEST = Single("threshold", "the best single threshold", "最优单指标阈值")
REGIME = Single("regime", "probability of the wild state", "动荡状态概率", "regime")
#: What --model takes, beside threshold:INDICATOR and rule:FILE.
KINDS = ("threshold", "rule", "logit", "boosting", "regime", "combination")


def specifications(models: Sequence[Model], task: Task) -> int:
    """How many specifications were looked at: a search over indicators or penalties counts each of them."""
    total = 0
    for model in models:
        if isinstance(model, Single) and model.indicator is None:
            total += len(task.names)
        elif isinstance(model, Learned):
            total += len(model.strengths)
        elif not model.naive:
            total += 1
    return total
