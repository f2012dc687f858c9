"""What the alarms of a backtest were worth: every measure of every model with its interval, as long tables (M-173, M-174)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from stresslab.early_warning import intervals, scores
from stresslab.early_warning.leaks import F64

if TYPE_CHECKING:
    from stresslab.early_warning.backtest import Backtest, Course

#: Below so many days before events, or other days, nothing is measured in a window.
DAYS_LEAST = 20
#: With fewer events than this an interval or a p-value would only say how much one episode is like itself, so none is told.
EVENTS_LEAST = 3
#: Bins of equal width in which probabilities are held against what happened.
BINS = 10
#: Measures that lie between 0 and 1, and so do their intervals.
SHARES = ("auroc", "average_precision", "hit_rate", "false_alarm_rate", "brier")


def area(y: F64, s: F64) -> float:
    """AUROC."""
    return float(scores.auroc(y, s))


def best(y: F64, s: F64, mu: float) -> tuple[float, float]:
    """The most useful threshold of a score and its usefulness, by Sarlin's loss."""
    found = scores.best_threshold(y, s, mu)
    return float(found.threshold), float(found.usefulness)


@dataclass(frozen=True)
class Measure:
    """One measure: its names, which way is better (+1 up), and its interval by block bootstrap if ``drawn``."""

    name: str
    en: str
    zh: str
    better: int
    drawn: bool


MEASURES = (
    Measure("auroc", "AUROC", "AUROC", 1, True),
    Measure("auroc_less_volatility", "AUROC less that of volatility alone", "AUROC相对仅看波动率", 1, True),
    Measure("average_precision", "area under precision and recall", "PR曲线下面积", 1, True),
    Measure("hit_rate", "share of days before events with an alarm", "命中率", 1, True),
    Measure("false_alarm_rate", "share of quiet days with an alarm", "误报率", -1, True),
    Measure("noise_to_signal", "noise to signal", "噪声信号比", -1, True),
    Measure("usefulness", "relative usefulness (Sarlin)", "相对有用性（Sarlin）", 1, True),
    Measure(
        "usefulness_alessi_detken",
        "relative usefulness (Alessi-Detken, θ = ½)",
        "相对有用性（Alessi-Detken，θ = ½）",
        1,
        True,
    ),
    Measure("brier", "Brier score", "Brier得分", -1, True),
    Measure("reliability", "of it reliability", "其中可靠性", -1, False),
    Measure("resolution", "of it resolution", "其中分辨率", 1, False),
    Measure("uncertainty", "of it uncertainty", "其中不确定性", 0, False),
    Measure("within", "of it inside bins", "其中组内", 0, False),
    Measure(
        "value",
        "value of acting on it (1 perfect, 0 the better of always and never)",
        "据此行动的价值（1为完美，0为始终与从不中较优者）",
        1,
        False,
    ),
    Measure("false_alarms_a_year", "false alarms a year (episodes)", "每年误报次数", -1, False),
    Measure("events_warned", "share of events with an alarm before them", "事前报警的事件占比", 1, False),
    Measure("lead_days", "median lead, trading days", "中位领先交易日", 1, False),
)


def hit_rate(y: F64, alarm: F64) -> float:
    """Share of days before events that have an alarm."""
    return scores.signals(y, alarm).hit_rate


def false_alarm_rate(y: F64, alarm: F64) -> float:
    """Share of quiet days that have an alarm."""
    return scores.signals(y, alarm).false_alarm_rate


def scores_table(found: Backtest) -> pd.DataFrame:
    """Every measure of every model in every window: value, interval and standard error where it is drawn."""
    rows = []
    for window, days in found.windows().items():
        y = found.labels.y[days]
        counted = {"days": int(days.sum()), "days_before": int(np.nansum(y)), "events": len(events_in(found, days))}
        if min(counted["days_before"], counted["days"] - counted["days_before"]) < DAYS_LEAST:
            told = {c.model.name: _quiet(found, c, days) for c in found.courses}
        else:
            against = next(c for c in found.courses if c.model.name == "volatility").score[days]
            told = {c.model.name: _measured(found, c, days, y, against) for c in found.courses}
        for model, values in told.items():
            for measure in MEASURES:
                value, low, high, error = values.get(measure.name, (math.nan,) * 4)
                rows.append(
                    {
                        "window": window,
                        "model": model,
                        "measure": measure.name,
                        "value": value,
                        "low": low,
                        "high": high,
                        "error": error,
                        **counted,
                    }
                )
    return pd.DataFrame(rows)


Told = dict[str, tuple[float, float, float, float]]


def _plain(value: float) -> tuple[float, float, float, float]:
    return value, math.nan, math.nan, math.nan


def _measured(found: Backtest, course: Course, days: NDArray[np.bool_], y: F64, against: F64) -> Told:
    held = found.settings
    s, p, alarm = course.score[days], course.probability[days], course.alarm[days].astype(float)
    mu = held.mu
    drawn: dict[str, tuple[Callable[..., float], tuple[F64, ...]]] = {
        "auroc": (scores.auroc, (y, s)),
        "auroc_less_volatility": (lambda y, s, v: scores.auroc(y, s) - scores.auroc(y, v), (y, s, against)),
        "average_precision": (scores.average_precision, (y, s)),
        "hit_rate": (hit_rate, (y, alarm)),
        "false_alarm_rate": (false_alarm_rate, (y, alarm)),
        "noise_to_signal": (scores.noise_to_signal, (y, alarm)),
        "usefulness": (lambda y, a: scores.usefulness(y, a, mu).relative, (y, alarm)),
        "usefulness_alessi_detken": (lambda y, a: scores.usefulness_of_rates(y, a, 0.5).relative, (y, alarm)),
        "brier": (lambda y, p: float(np.mean((p - y) ** 2)), (y, p)),
    }
    told: Told = {}
    for name, (statistic, arrays) in drawn.items():
        if len(events_in(found, days)) < EVENTS_LEAST:
            told[name] = _plain(float(statistic(*arrays)))
            continue
        one = intervals.block_bootstrap(
            statistic,
            *arrays,
            block=min(2 * held.horizon, y.size),
            repetitions=held.repetitions,
            seed=held.seed,
            level=held.level,
            within=(0.0, 1.0) if name in SHARES else (-math.inf, math.inf),
        )
        told[name] = (float(one.value), float(one.low), float(one.high), float(one.error))
    told["value"] = _plain(scores.cost_weighted_value(y, alarm, held.cost, 1.0, held.saved).relative)
    parts = scores.brier(y, p, bins=BINS)
    told |= {
        name: _plain(float(getattr(parts, name))) for name in ("reliability", "resolution", "uncertainty", "within")
    }
    return told | _quiet(found, course, days)


def _quiet(found: Backtest, course: Course, days: NDArray[np.bool_]) -> Told:
    """What can be said of a window without enough events: false alarms, and the events that there are."""
    y, alarm = found.labels.y[days], course.alarm[days]
    false = scores.false_alarms_per_year(y, alarm, np.flatnonzero(days)).episodes if days.any() else math.nan
    told = {"false_alarms_a_year": _plain(false), "false_alarm_rate": _plain(false_alarm_rate(y, alarm.astype(float)))}
    leads = _leads(found, course, days)
    if leads.size:
        known = leads[np.isfinite(leads)]
        told["events_warned"] = _plain(scores.share_led(leads, 1))
        told["lead_days"] = _plain(float(np.median(known)) if known.size else math.nan)
    return told


def events_in(found: Backtest, days: NDArray[np.bool_]) -> list[int]:
    """The events before which some day of a window is judged, by their places in the list."""
    at = [int(found.known.days.searchsorted(event.start)) for event in found.events]
    return [k for k, start in enumerate(at) if days[max(0, start - found.settings.horizon) : start].any()]


def _leads(found: Backtest, course: Course, days: NDArray[np.bool_]) -> F64:
    """For each event of a window the trading days from the first alarm in its horizon to its start; missing without an alarm."""
    starts = [int(found.known.days.searchsorted(found.events[k].start)) for k in events_in(found, days)]
    return scores.lead_times(np.flatnonzero(course.alarm & days), np.array(starts, np.int64), found.settings.horizon)


def leads_table(found: Backtest) -> pd.DataFrame:
    """For each event and model: the first alarm within the horizon before it, how long before,
    and the share of those days with an alarm.
    """
    rows = []
    for window, days in found.windows().items():
        for k in events_in(found, days):
            event = found.events[k]
            start = int(found.known.days.searchsorted(event.start))
            place = np.arange(max(0, start - found.settings.horizon), start)
            place = place[days[place]]
            for course in found.courses:
                raised = place[course.alarm[place]]
                rows.append(
                    {
                        "window": window,
                        "event": event.name,
                        "start": str(event.start.date()),
                        "model": course.model.name,
                        "first_alarm": str(found.known.days[raised[0]].date()) if raised.size else "",
                        "lead_days": float(start - raised[0]) if raised.size else math.nan,
                        "share_of_days": float(raised.size / place.size),
                        "days": int(place.size),
                    }
                )
    return pd.DataFrame(
        rows, columns=["window", "event", "start", "model", "first_alarm", "lead_days", "share_of_days", "days"]
    )


def indicators_table(found: Backtest) -> pd.DataFrame:
    """Each indicator alone on the walk-forward's days: AUROC with its interval, and the p-value of ½ before and after Holm's correction.

    The corrected values count every indicator that the history has data for, candidates included.
    """
    held = found.settings
    days = found.windows()["walk_forward"]
    rows = []
    for one in found.indicators:
        x = one.values.to_numpy(float)
        there = days & np.isfinite(x)
        y: F64 = found.labels.y[there]
        s: F64 = ((one.danger or 1) * x[there]).astype(np.float64)
        told = {
            "indicator": one.name,
            "en": one.en,
            "zh": one.zh,
            "formula": one.formula,
            "data": one.data,
            "lag": one.lag,
            "danger": one.danger,
            "missing_en": one.missing.en,
            "missing_zh": one.missing.zh,
            "days": int(there.sum()),
            "days_before": int(y.sum()),
            "events": (events := len(events_in(found, there))),
        }
        auroc = low = high = error = p = math.nan
        if min(y.sum(), y.size - y.sum()) >= DAYS_LEAST and events < EVENTS_LEAST:
            auroc = area(y, s)
        elif min(y.sum(), y.size - y.sum()) >= DAYS_LEAST:
            area_ = intervals.block_bootstrap(
                scores.auroc,
                y,
                s,
                block=min(2 * held.horizon, y.size),
                repetitions=held.repetitions,
                seed=held.seed,
                level=held.level,
                within=(0.0, 1.0),
            )
            auroc, low, high, error = float(area_.value), float(area_.low), float(area_.high), float(area_.error)
            p = 2.0 * float(ndtr(-abs(auroc - 0.5) / error)) if error > 0 else math.nan
        rows.append(told | {"auroc": auroc, "low": low, "high": high, "error": error, "p": p})
    table = pd.DataFrame(rows)
    table["p_holm"] = math.nan
    tested = table["p"].notna()
    if tested.any():
        table.loc[tested, "p_holm"] = intervals.holm(table.loc[tested, "p"].to_numpy(float))
    return table


def model_tests(found: Backtest, table: pd.DataFrame) -> pd.DataFrame:
    """Is a model better than volatility alone, given how many were tried? (M-174)

    ``difference`` of AUROCs with its error and one-sided p-value; ``p_corrected`` times the number of specifications that were looked
    at (Bonferroni): a search over indicators or penalties counts each. ``reality`` and ``spa`` of the row ``best`` are the p-values of
    White and of Hansen for the least daily loss of all models against volatility alone. None are told below three events.
    """
    rows = []
    naive = {c.model.name for c in found.courses if c.model.naive}
    for window, days in found.windows().items():
        told = table[
            (table["measure"] == "auroc_less_volatility") & (table["window"] == window) & table["error"].notna()
        ]
        for row in told.to_dict("records"):
            if row["model"] not in naive and row["error"] > 0:
                p = float(ndtr(-row["value"] / row["error"]))
                rows.append(
                    {
                        "window": window,
                        "model": row["model"],
                        "difference": row["value"],
                        "error": row["error"],
                        "p": p,
                        "p_corrected": min(1.0, p * found.specifications),
                        "reality": math.nan,
                        "spa": math.nan,
                    }
                )
        others = [c for c in found.courses if not c.model.naive]
        if others and len(events_in(found, days)) >= EVENTS_LEAST:
            losses = {c.model.name: _losses(found, c, days) for c in found.courses}
            gains = np.column_stack([losses["volatility"] - losses[c.model.name] for c in others])
            best_ = intervals.best_of(
                gains,
                block=min(2 * found.settings.horizon, len(gains)),
                repetitions=found.settings.repetitions,
                seed=found.settings.seed,
            )
            rows.append(
                {
                    "window": window,
                    "model": f"best of {len(others)}: {others[best_.which].model.name}",
                    "difference": best_.gain,
                    "error": math.nan,
                    "p": best_.alone,
                    "p_corrected": math.nan,
                    "reality": best_.reality,
                    "spa": best_.spa,
                }
            )
    return pd.DataFrame(rows, columns=["window", "model", "difference", "error", "p", "p_corrected", "reality", "spa"])


def _losses(found: Backtest, course: Course, days: NDArray[np.bool_]) -> F64:
    """The loss of each judged day: μ for a miss, 1 − μ for a false alarm."""
    y, alarm, mu = found.labels.y[days], course.alarm[days].astype(float), found.settings.mu
    loss: F64 = mu * y * (1.0 - alarm) + (1.0 - mu) * (1.0 - y) * alarm
    return loss
