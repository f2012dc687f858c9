"""Scores of warnings against what happened: pure functions of arrays, one entry a judged day (M-180 to M-188).

Labels `y` are 1 (or true) on days before an event and 0 on quiet days; scores `s` are higher where danger is higher, and an alarm
is on where ``s >= threshold``; probabilities `p` lie in [0, 1]. Nothing is masked here: days that are not judged are left out by
the caller, and a NaN or an unequal length is a ``ValueError``. Where a score is not defined (one class alone, no alarm at all) it
is NaN, or infinity where the formula says so. Counts are integers, so ties are exact.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Trading days of a year, where a figure is told by the year.
YEAR = 252
#: Weights of errors are fractions with at most this denominator, so that losses are compared as integers.
_FINEST = 1_000_000


def labels(y: ArrayLike) -> Bools:
    """Labels as booleans; raises ``ValueError`` for anything but 0, 1, false and true in one dimension."""
    told = np.asarray(y)
    if told.ndim != 1:
        raise ValueError("labels have one dimension")
    if told.dtype == np.bool_:
        return told
    if not np.isin(told, (0, 1)).all():
        raise ValueError("labels are 0 or 1: leave out the days that are not judged")
    return told.astype(np.bool_)


def _beside(y: Bools, values: ArrayLike, what: str) -> Floats:
    told = np.asarray(values, dtype=np.float64)
    if told.shape != y.shape:
        raise ValueError(f"there is one of the {what} for each label")
    if np.isnan(told).any():
        raise ValueError(f"{what} are known on every judged day: leave out the days without")
    return told


def _probabilities(y: Bools, values: ArrayLike) -> Floats:
    p = _beside(y, values, "probabilities")
    if ((p < 0) | (p > 1)).any():
        raise ValueError("probabilities lie between 0 and 1")
    return p


def _ratio(part: float, whole: float) -> float:
    """The quotient of two counts; 0 / 0 is NaN and n / 0 infinite."""
    if whole == 0:
        return float("inf") if part > 0 else float("nan")
    return part / whole


# --- ranks --------------------------------------------------------------------------------------


class _Steps(NamedTuple):
    """Hits and false alarms of every threshold, from none (infinity) down over the distinct scores."""

    threshold: Floats
    hits: Ints
    false: Ints


def _steps(y: Bools, s: Floats) -> _Steps:
    order = np.argsort(-s, kind="stable")
    ranked, told = s[order], y[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if y.size else np.empty(0, dtype=np.int64)
    hits = np.concatenate(([0], np.cumsum(told, dtype=np.int64)[ends]))
    false = np.concatenate(([0], np.cumsum(~told, dtype=np.int64)[ends]))
    return _Steps(np.concatenate(([np.inf], ranked[ends])), hits, false)


def auroc(y: ArrayLike, s: ArrayLike) -> float:
    """The area under the ROC curve: the chance that a day before an event scores higher than a quiet one, ties by half (M-180).

    NaN where there is one class alone. Source: Mann and Whitney 1947; Hanley and McNeil 1982.
    """
    told = labels(y)
    step = _steps(told, _beside(told, s, "scores"))
    positive, negative = int(step.hits[-1]), int(step.false[-1])
    # Twice the pairs that are ordered rightly: each group of equal scores meets the quiet days below it, and half of its own.
    below = 2 * negative - step.false[1:] - step.false[:-1]
    return _ratio(int((np.diff(step.hits) * below).sum()) / 2, positive * negative)


class Roc(NamedTuple):
    """The share of quiet days with an alarm and of days before events with one, at each threshold from infinity down."""

    threshold: Floats
    false_alarm: Floats
    hit: Floats


def roc_curve(y: ArrayLike, s: ArrayLike) -> Roc:
    """The ROC curve with a point for every distinct score and (0, 0) first; NaN rates where a class is empty (M-180)."""
    told = labels(y)
    step = _steps(told, _beside(told, s, "scores"))
    return Roc(step.threshold, _rates(step.false), _rates(step.hits))


def _rates(counts: Ints) -> Floats:
    return counts / counts[-1] if counts[-1] else np.full(counts.size, np.nan)


class PrecisionRecall(NamedTuple):
    """The share of alarms that were right and of days before events that had one, at each distinct score from above."""

    threshold: Floats
    precision: Floats
    recall: Floats


def precision_recall_curve(y: ArrayLike, s: ArrayLike) -> PrecisionRecall:
    """Precision and recall at each distinct score, highest first; recall is NaN where no day lies before an event (M-181)."""
    told = labels(y)
    step = _steps(told, _beside(told, s, "scores"))
    return PrecisionRecall(step.threshold[1:], step.hits[1:] / (step.hits + step.false)[1:], _rates(step.hits)[1:])


def average_precision(y: ArrayLike, s: ArrayLike) -> float:
    """The mean of the precision over the recall gained, Σ (R_k − R_(k−1)) P_k, without interpolation (M-181); NaN without events."""
    curve = precision_recall_curve(y, s)
    return float((np.diff(curve.recall, prepend=0.0) * curve.precision).sum()) if curve.recall.size else float("nan")


# --- alarms -------------------------------------------------------------------------------------


class Signals(NamedTuple):
    """The table of a warning: days with an alarm before an event, with one on a quiet day, and the same without."""

    hits: int
    false: int
    misses: int
    quiet: int

    @property
    def hit_rate(self) -> float:
        """A / (A + C)."""
        return _ratio(self.hits, self.hits + self.misses)

    @property
    def false_alarm_rate(self) -> float:
        """B / (B + D)."""
        return _ratio(self.false, self.false + self.quiet)

    @property
    def precision(self) -> float:
        """A / (A + B), the chance of an event given an alarm."""
        return _ratio(self.hits, self.hits + self.false)

    @property
    def uplift(self) -> float:
        """The chance of an event given an alarm less the chance without knowing, A / (A + B) − (A + C) / N."""
        return self.precision - _ratio(self.hits + self.misses, sum(self))


def signals(y: ArrayLike, alarm: ArrayLike) -> Signals:
    """Counts of hits A, false alarms B, misses C and quiet days D (M-182); `alarm` holds 0, 1 or booleans."""
    told, on = labels(y), labels(alarm)
    if told.shape != on.shape:
        raise ValueError("there is one alarm for each label")
    a, b = int((told & on).sum()), int((~told & on).sum())
    c = int((told & ~on).sum())
    return Signals(a, b, c, told.size - a - b - c)


def noise_to_signal(y: ArrayLike, alarm: ArrayLike) -> float:
    """The adjusted noise-to-signal ratio [B / (B + D)] / [A / (A + C)], useful below 1 (M-182).

    Infinite where all alarms are false, NaN without any alarm, any event or any quiet day. Source: Kaminsky and Reinhart 1999.
    """
    held = signals(y, alarm)
    noise, signal = held.false_alarm_rate, held.hit_rate
    return float("nan") if np.isnan(noise) or np.isnan(signal) else _ratio(noise, signal)


class Usefulness(NamedTuple):
    """The loss of who weighs misses against false alarms, what the alarms save of it, and that as a share of what there is to save."""

    loss: float
    absolute: float
    relative: float


def usefulness(y: ArrayLike, alarm: ArrayLike, mu: float) -> Usefulness:
    """Sarlin's usefulness, errors weighted by how often their class comes (M-183).

    `mu` in (0, 1) weighs a missed event day against 1 − mu of a false alarm: L = (μ C + (1 − μ) B) / N. `absolute` is
    min(μ P1, (1 − μ) P2) − L, what is saved against the better of always and never; `relative` is its share of that minimum.
    NaN relative where one class is empty: nothing can be saved.
    """
    held = signals(y, alarm)
    weight, rest = _weights(mu)
    n = sum(held) * (weight + rest)
    simple = min(weight * (held.hits + held.misses), rest * (held.false + held.quiet))
    loss = weight * held.misses + rest * held.false
    saved = simple - loss
    return Usefulness(_ratio(loss, n), saved / n if n else float("nan"), saved / simple if simple else float("nan"))


def usefulness_of_rates(y: ArrayLike, alarm: ArrayLike, theta: float) -> Usefulness:
    """Usefulness as Alessi and Detken have it, of error rates alone, L = θ C / (A + C) + (1 − θ) B / (B + D) (M-183).

    `absolute` is min(θ, 1 − θ) − L, `relative` its share of that minimum. NaN where a class is empty.
    """
    held = signals(y, alarm)
    weight, rest = (float(w) for w in _fractions(theta))
    loss = weight * (1 - held.hit_rate) + rest * held.false_alarm_rate
    return Usefulness(loss, min(weight, rest) - loss, (min(weight, rest) - loss) / min(weight, rest))


def _fractions(mu: float) -> tuple[Fraction, Fraction]:
    weight = Fraction(mu).limit_denominator(_FINEST)
    if not 0 < weight < 1:
        raise ValueError("the weight of a miss lies between 0 and 1")
    return weight, 1 - weight


def _weights(mu: float) -> tuple[int, int]:
    """The weights of a miss and of a false alarm as integers."""
    weight = _fractions(mu)[0]
    return weight.numerator, weight.denominator - weight.numerator


class Best(NamedTuple):
    """A threshold and what it saves: alarm where ``s >= threshold``; infinity is never to warn."""

    threshold: float
    usefulness: float


def best_threshold(y: ArrayLike, s: ArrayLike, mu: float) -> Best:
    """The threshold of the highest (Sarlin) usefulness over these days; of equals the highest threshold, so the fewest alarms (M-183).

    Its usefulness is absolute and never negative. Thresholds are the scores that occur, and infinity.
    """
    told = labels(y)
    step = _steps(told, _beside(told, s, "scores"))
    weight, rest = _weights(mu)
    losses = weight * (step.hits[-1] - step.hits) + rest * step.false
    at = int(np.argmin(losses))
    simple = min(weight * int(step.hits[-1]), rest * int(step.false[-1]))
    return Best(float(step.threshold[at]), _ratio(simple - int(losses[at]), told.size * (weight + rest)) if told.size else float("nan"))


# --- probabilities ------------------------------------------------------------------------------


class Brier(NamedTuple):
    """The mean squared error of probabilities, and what it is made of: reliability − resolution + uncertainty + within."""

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def brier(y: ArrayLike, p: ArrayLike, bins: int | None = None) -> Brier:
    """The Brier score with Murphy's parts, whose sum is the score exactly (M-184).

    Days are grouped by equal forecasts, or, where `bins` is given, by so many bins of equal width (closed above); then forecasts
    inside a bin differ, and ``within`` is what that adds (variance inside bins less twice the covariance), else 0. NaN without days.
    Sources: Brier 1950; Murphy 1973; Stephenson, Coelho and Jolliffe 2008.
    """
    told = labels(y)
    forecast, happened = _probabilities(told, p), told.astype(np.float64)
    if not told.size:
        return Brier(*[float("nan")] * 5)
    group = np.unique(forecast, return_inverse=True)[1] if bins is None else _bin(forecast, bins)
    count, means, shares = _grouped(group, forecast, happened)
    base = happened.mean()
    within = 0.0
    if bins is not None:
        off, missed = forecast - means[group], happened - shares[group]
        within = float((off**2 - 2 * off * missed).mean())
    return Brier(
        float(((forecast - happened) ** 2).mean()), float((count * (means - shares) ** 2).sum() / told.size),
        float((count * (shares - base) ** 2).sum() / told.size), float(base * (1 - base)), within,
    )


def _bin(p: Floats, bins: int) -> Ints:
    if bins < 1:
        raise ValueError("there is at least one bin")
    return np.clip(np.ceil(p * bins).astype(np.int64) - 1, 0, bins - 1)


def _grouped(group: Ints, *values: Floats) -> tuple[Floats, ...]:
    """Counts of the groups 0 … k − 1 and the mean of each array inside them; NaN-free: an empty group has mean 0."""
    count = np.bincount(group).astype(np.float64)
    return (count, *(np.bincount(group, weights=v) / np.maximum(count, 1) for v in values))


class Calibration(NamedTuple):
    """Mean forecast, share that happened and number of days of each group that has days, lowest forecasts first."""

    forecast: Floats
    observed: Floats
    days: Ints


def calibration_curve(y: ArrayLike, p: ArrayLike, bins: int = 10, equal: Literal["width", "count"] = "width") -> Calibration:
    """How often it happened where it was said to be so likely (M-184), over bins of equal width (closed above) or equal count.

    With equal counts days of one forecast stay together, so that groups can be fewer and uneven.
    """
    told = labels(y)
    forecast = _probabilities(told, p)
    if equal == "width":
        group = _bin(forecast, bins)
    else:
        # The share of days at or below a forecast is its place: equal forecasts have one place.
        place = np.searchsorted(np.sort(forecast), forecast, side="right") / max(told.size, 1)
        group = _bin(place, bins)
    count, means, shares = _grouped(group, forecast, told.astype(np.float64))
    kept = count > 0
    return Calibration(means[kept], shares[kept], count[kept].astype(np.int64))


# --- time ---------------------------------------------------------------------------------------


def lead_times(alarm_days: ArrayLike, event_days: ArrayLike, horizon: int) -> Floats:
    """Days from the first alarm inside the window of each event to the event, NaN where there is none (M-185).

    Days are integer positions in one calendar; the window of an event on day e is e − horizon … e − 1, so leads are 1 … horizon.
    An alarm may lie in the windows of two events. Alarms on days that are not judged are left out by the caller.
    """
    alarms = np.unique(_days(alarm_days))
    events = _days(event_days)
    if horizon < 1:
        raise ValueError("the horizon is at least a day")
    at = np.searchsorted(alarms, events - horizon)
    first = np.append(alarms, np.iinfo(np.int64).max)[at]
    return np.where(first < events, (events - np.minimum(first, events)).astype(np.float64), np.nan)


def _days(told: ArrayLike) -> Ints:
    days = np.asarray(told)
    if days.size and (days.ndim != 1 or not np.issubdtype(days.dtype, np.integer)):
        raise ValueError("days are integer positions in one dimension")
    return days.astype(np.int64).reshape(-1)


def share_led(leads: ArrayLike, least: int) -> float:
    """The share of events whose first alarm came at least `least` days before (M-185); NaN without events."""
    told = np.asarray(leads, dtype=np.float64)
    return _ratio(int((told >= least).sum()), told.size)


class FalseAlarms(NamedTuple):
    """False alarms a year: days with one, and times that one was raised."""

    days: float
    episodes: float


def false_alarms_per_year(y: ArrayLike, alarm: ArrayLike, days: ArrayLike | None = None, apart: int = 1, year: int = YEAR) -> FalseAlarms:
    """False alarms in a year of quiet days (M-186): as days, and as episodes.

    An episode is a run of days with an alarm, over when the next one is more than `apart` days of the calendar later; it is false
    if none of its days lies before an event. `days` are the positions of the judged days, rising (0, 1, … without them), so that
    days left out end an episode. Both are divided by (quiet days / `year`); NaN without quiet days.
    """
    told, on = labels(y), labels(alarm)
    if told.shape != on.shape:
        raise ValueError("there is one alarm for each label")
    where = np.arange(told.size) if days is None else _days(days)
    if where.shape != told.shape or (np.diff(where) <= 0).any():
        raise ValueError("days rise, one for each label")
    starts = np.flatnonzero(np.diff(where[on], prepend=np.iinfo(np.int64).min // 2) > apart)
    hits = np.add.reduceat(told[on].astype(np.int64), starts) if starts.size else np.empty(0, dtype=np.int64)
    years = float((~told).sum()) / year
    return FalseAlarms(_ratio(int((on & ~told).sum()), years), _ratio(int((hits == 0).sum()), years))


# --- money --------------------------------------------------------------------------------------


class Value(NamedTuple):
    """Expense a day: of these alarms, of the better of always and never, of perfect ones; and how far these go from simple to perfect."""

    expense: float
    simple: float
    perfect: float
    relative: float


def cost_weighted_value(y: ArrayLike, alarm: ArrayLike, cost: float, loss: float, saved: float = 1.0) -> Value:
    """What alarms are worth to who pays `cost` a day of alarm and so saves the share `saved` of a `loss` a day before an event (M-187).

    `cost` and `loss` are in one unit and not negative, `saved` lies in [0, 1]. `relative` is 1 for perfect alarms, 0 for the better
    of always and never, negative below it, and NaN where perfect ones save nothing. Source: Richardson 2000.
    """
    if not (cost >= 0 and loss >= 0 and 0 <= saved <= 1):
        raise ValueError("cost and loss are not negative, and what is saved is a share")
    held = signals(y, alarm)
    n = float(sum(held))
    events = held.hits + held.misses
    # What is lost is counted from the loss that no action can avoid.
    kept = loss * saved
    paid = cost * (held.hits + held.false) + kept * held.misses
    simple = min(cost * n, kept * events)
    perfect = min(cost, kept) * events
    relative = (simple - paid) / (simple - perfect) if simple > perfect else float("nan")
    rest = loss * (1 - saved) * events
    expense, floor, best = (_ratio(v + rest, n) if n else float("nan") for v in (paid, simple, perfect))
    return Value(expense, floor, best, relative)


class Action(NamedTuple):
    """What an alarm sets off, and what that costs and saves.

    ``lead_days`` rise from 0; ``saved`` is the share of an event's loss that is avoided when the action has been in force for
    so many days at its start (straight lines between, the last value beyond). ``cost_to_start`` is paid each time that it is
    switched on, ``cost_a_day`` on each day in force, both as shares of one event's loss. ``hold`` days it stays after an alarm.
    """

    lead_days: tuple[int, ...]
    saved: tuple[float, ...]
    cost_to_start: float
    cost_a_day: float
    hold: int = 1


class ActionValue(NamedTuple):
    """Savings less costs, in losses of one event; the same for always, never (0) and perfect alarms; and what each event was met with."""

    net: float
    saved: float
    cost: float
    always: float
    perfect: float
    relative: float
    lead_days: Ints


def value_of_action(
    alarm: ArrayLike, event_days: ArrayLike, action: Action, *, loss: ArrayLike = 1.0, judged: ArrayLike | None = None,
) -> ActionValue:
    """The value of alarms with their action attached (M-188).

    `alarm` has an entry for every day of the calendar, `event_days` are positions in it, `loss` is each event's (or all events')
    loss in units of the action's costs. The action is in force from the evening of an alarm for ``hold`` days; what an event is met
    with is the unbroken run of days in force that ends the day before it. Where `judged` is false (inside and after events) no alarm
    is heard and the action is off. `relative` is 0 for the better of always and never, 1 for perfect alarms: those that start the
    best number of days before each event, each event by itself; NaN where these save nothing more.
    """
    on, events = labels(alarm), _days(event_days)
    scored = np.ones(on.size, dtype=np.bool_) if judged is None else labels(judged)
    losses = np.broadcast_to(np.asarray(loss, dtype=np.float64), events.shape)
    _check_action(action, on, scored, events)
    force = _held(on & scored, action.hold) & scored
    run, most = _runs(force), _runs(scored)

    def told(runs: Ints, active: Bools) -> tuple[float, float, Ints]:
        met = np.where(events > 0, runs[np.maximum(events - 1, 0)], 0)
        starts = int((active & ~np.concatenate(([False], active[:-1]))).sum())
        share = np.interp(met, action.lead_days, action.saved)
        return float((losses * share).sum()), action.cost_to_start * starts + action.cost_a_day * int(active.sum()), met

    saved, cost, met = told(run, force)
    ever, dear, longest = told(most, scored)
    perfect = sum(_best_run(action, float(one), int(most_days)) for one, most_days in zip(losses, longest, strict=True))
    simple = max(0.0, ever - dear)
    relative = (saved - cost - simple) / (perfect - simple) if perfect > simple else float("nan")
    return ActionValue(saved - cost, saved, cost, ever - dear, perfect, relative, met)


def days_in_force(alarm: ArrayLike, action: Action, judged: ArrayLike) -> Bools:
    """The days on which an action is in force, as ``value_of_action`` counts them."""
    on, scored = labels(alarm), labels(judged)
    return np.asarray(_held(on & scored, action.hold) & scored, dtype=np.bool_)


def _check_action(action: Action, alarm: Bools, judged: Bools, events: Ints) -> None:
    lead, saved = np.asarray(action.lead_days), np.asarray(action.saved)
    if lead.size == 0 or lead.shape != saved.shape or lead[0] != 0 or (np.diff(lead) <= 0).any() or ((saved < 0) | (saved > 1)).any():
        raise ValueError("lead days rise from 0, each with a share that is saved")
    if action.cost_to_start < 0 or action.cost_a_day < 0 or action.hold < 1:
        raise ValueError("costs are not negative, and an action is held for a day or more")
    if judged.shape != alarm.shape or ((events < 0) | (events > alarm.size)).any():
        raise ValueError("events and judged days lie in the calendar of the alarms")


def _held(alarm: Bools, hold: int) -> Bools:
    """Days within `hold` days from an alarm, its own day counted."""
    last = np.maximum.accumulate(np.where(alarm, np.arange(alarm.size), -hold))
    held: Any = np.arange(alarm.size) - last < hold
    return np.asarray(held, dtype=np.bool_)


def _runs(active: Bools) -> Ints:
    """The length of the unbroken run of active days that ends on each day."""
    where = np.arange(active.size)
    return where - np.maximum.accumulate(np.where(active, -1, where)) if active.size else where


def _best_run(action: Action, loss: float, most: int) -> float:
    """The best net saving on one event of an action that may be in force for 0 to `most` days before it."""
    lead = np.arange(most + 1)
    net = loss * np.interp(lead, action.lead_days, action.saved) - action.cost_a_day * lead - action.cost_to_start * (lead > 0)
    return max(0.0, float(net.max()))
