"""Scores of warnings: published and hand-made figures, another library's, and identities that hold for any data (M-180 to M-188)."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import sklearn.metrics as peer
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve as peer_calibration

from stresslab.early_warning import scores
from stresslab.early_warning.intervals import words

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def days(hits: int, false: int, misses: int, quiet: int) -> tuple[Bools, Bools]:
    """Labels and alarms with these counts."""
    y = [True] * hits + [False] * false + [True] * misses + [False] * quiet
    return np.array(y), np.arange(len(y)) < hits + false


def uniforms(seed: int, n: int) -> Floats:
    return (words(seed, 0, 0, 0, np.arange(n))[:, 0] + 0.5) / 2.0**32


#: Labels with scores in few steps, so that ties are the rule.
@st.composite
def ranked(draw: st.DrawFn) -> tuple[Bools, Floats]:
    n = draw(st.integers(2, 30))
    y = draw(arrays(np.bool_, n))
    return y, draw(arrays(np.int64, n, elements=st.integers(0, 10))) / 10


# --- known answers ------------------------------------------------------------------------------


def test_the_table_of_signals() -> None:
    y, alarm = days(12, 20, 8, 160)
    held = scores.signals(y, alarm)
    assert held == (12, 20, 8, 160)
    assert held.hit_rate == 0.6
    assert round(held.false_alarm_rate, 6) == 0.111111
    assert held.precision == 0.375
    assert round(held.uplift, 12) == 0.275
    assert round(scores.noise_to_signal(y, alarm), 6) == 0.185185


def test_usefulness_of_rates() -> None:
    told = scores.usefulness_of_rates(*days(12, 20, 8, 160), 0.5)
    assert [round(v, 6) for v in told] == [0.255556, 0.244444, 0.488889]


@pytest.mark.parametrize(("mu", "loss", "absolute", "relative"), [
    (0.5, 0.07, -0.02, -0.4), (0.8, 0.052, 0.028, 0.35), (0.9, 0.046, 0.044, 0.488889),
])
def test_usefulness(mu: float, loss: float, absolute: float, relative: float) -> None:
    told = scores.usefulness(*days(12, 20, 8, 160), mu)
    assert [round(v, 6) for v in told] == [loss, absolute, relative]


def test_auroc_of_four_days() -> None:
    assert scores.auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75


def test_the_roc_curve_of_four_days() -> None:
    curve = scores.roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert curve.threshold.tolist() == [math.inf, 0.8, 0.4, 0.35, 0.1]
    assert curve.false_alarm.tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.hit.tolist() == [0, 0.5, 0.5, 1, 1]


def test_precision_and_recall_of_four_days() -> None:
    curve = scores.precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert curve.precision.tolist() == [1, 0.5, 2 / 3, 0.5]
    assert curve.recall.tolist() == [0.5, 0.5, 1, 1]
    assert scores.average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == pytest.approx(5 / 6, abs=1e-15)


def test_brier_of_four_days() -> None:
    assert scores.brier([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]).score == pytest.approx(0.0375, abs=1e-15)


def test_murphys_parts() -> None:
    told = scores.brier([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0], [0.1] * 4 + [0.5] * 4 + [0.9] * 4)
    assert [round(v, 7) for v in told] == [0.2233333, 0.015, 0.0416667, 0.25, 0]


def test_an_indicator_without_ties_and_without_order() -> None:
    # All scores are equal: every pair is half right, and there is one threshold.
    y = [1, 0, 0, 1, 0]
    assert scores.auroc(y, [3] * 5) == 0.5
    assert scores.roc_curve(y, [3] * 5).threshold.tolist() == [math.inf, 3]
    assert scores.average_precision(y, [3] * 5) == 0.4


# --- another hand -------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "levels"), list(product(range(5), (3, 20, 100_000))))
def test_scikit_learn_agrees(seed: int, levels: int) -> None:
    u = uniforms(seed, 1_200)
    y, s = u[:400] < 0.2, np.floor(levels * (u[400:800] + 0.3 * (u[:400] < 0.2))) / levels
    p = np.clip(s / 1.3, 0, 1)
    assert scores.auroc(y, s) == pytest.approx(peer.roc_auc_score(y, s), abs=1e-14)
    assert scores.average_precision(y, s) == pytest.approx(peer.average_precision_score(y, s), abs=1e-14)
    assert scores.brier(y, p).score == pytest.approx(peer.brier_score_loss(y, p), abs=1e-14)
    mine, (false_alarm, hit, threshold) = scores.roc_curve(y, s), peer.roc_curve(y, s, drop_intermediate=False)
    np.testing.assert_allclose(mine.false_alarm, false_alarm, atol=1e-15)
    np.testing.assert_allclose(mine.hit, hit, atol=1e-15)
    np.testing.assert_array_equal(mine.threshold, threshold)
    # There the curve rises by threshold and ends in a point of its own, without a threshold.
    curve, (precision, recall, at) = scores.precision_recall_curve(y, s), peer.precision_recall_curve(y, s)
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1], atol=1e-15)
    np.testing.assert_allclose(curve.recall[::-1], recall[:-1], atol=1e-15)
    np.testing.assert_array_equal(curve.threshold[::-1], at)


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_calibrates_alike(seed: int) -> None:
    # Bins there are closed below, ours above: no forecast lies on an edge here.
    u = uniforms(seed, 600)
    y, p = u[:300] < u[300:], u[300:]
    told = scores.calibration_curve(y, p, 8)
    observed, forecast = peer_calibration(y, p, n_bins=8)
    np.testing.assert_allclose(told.observed, observed, atol=1e-14)
    np.testing.assert_allclose(told.forecast, forecast, atol=1e-14)
    assert told.days.sum() == 300
    same = scores.calibration_curve(y, p, 6, "count")
    assert same.days.tolist() == [50] * 6


# --- what holds for any data --------------------------------------------------------------------


@given(ranked())
def test_auroc_counts_pairs(data: tuple[Bools, Floats]) -> None:
    y, s = data
    above, below = s[y][:, None], s[~y][None, :]
    pairs = above.size * below.size
    told = scores.auroc(y, s)
    if pairs == 0:
        assert math.isnan(told)
    else:
        assert told == (2 * (above > below).sum() + (above == below).sum()) / 2 / pairs
        assert told + scores.auroc(y, -s) == pytest.approx(1, abs=1e-15)
        curve = scores.roc_curve(y, s)
        assert told == pytest.approx(float(np.trapezoid(curve.hit, curve.false_alarm)), abs=1e-12)


@given(ranked(), st.integers(1, 99))
def test_no_threshold_is_better_than_the_best(data: tuple[Bools, Floats], percent: int) -> None:
    y, s = data
    mu = percent / 100
    best = scores.best_threshold(y, s, mu)
    told = {t: scores.usefulness(y, s >= t, mu).absolute for t in (math.inf, *s)}
    assert best.usefulness == told[best.threshold] == max(told.values())
    assert best.threshold == max(t for t, u in told.items() if u == best.usefulness)
    assert best.usefulness >= 0


@given(ranked(), st.one_of(st.none(), st.integers(1, 12)))
def test_the_parts_add_up_to_the_score(data: tuple[Bools, Floats], bins: int | None) -> None:
    y, p = data
    told = scores.brier(y, p, bins)
    assert told.score == pytest.approx(told.reliability - told.resolution + told.uncertainty + told.within, abs=1e-14)
    if bins is None:
        assert told.within == 0


@given(ranked(), st.integers(0, 10))
def test_sarlin_is_alessi_and_detken_where_classes_are_even(data: tuple[Bools, Floats], at: int) -> None:
    y, s = data
    both, alarm = np.concatenate((y, ~y)), np.concatenate((s, s)) >= at / 10
    one, two = scores.usefulness(both, alarm, 0.5), scores.usefulness_of_rates(both, alarm, 0.5)
    assert 2 * one.absolute == pytest.approx(two.absolute, abs=1e-14)
    assert one.relative == pytest.approx(two.relative, abs=1e-14)


@given(ranked(), st.integers(0, 10), st.floats(0, 5), st.floats(0, 5), st.floats(0, 1))
def test_no_alarms_are_worth_more_than_perfect_ones(data: tuple[Bools, Floats], at: int, cost: float, loss: float, saved: float) -> None:
    y, s = data
    told = scores.cost_weighted_value(y, s >= at / 10, cost, loss, saved)
    assert told.perfect <= told.expense + 1e-12
    assert told.perfect <= told.simple + 1e-12
    assert math.isnan(told.relative) or told.relative <= 1 + 1e-9


# --- edges --------------------------------------------------------------------------------------


def test_nothing_is_guessed_where_nothing_is_known() -> None:
    for missing in ([0.1, math.nan], [0.1], [[0.1, 0.2]]):
        with pytest.raises(ValueError, match="scores"):
            scores.auroc([0, 1], missing)
    for label in ([0, 2], [0, math.nan], [[0, 1]]):
        with pytest.raises(ValueError, match="labels"):
            scores.auroc(label, [0.1, 0.2])
    with pytest.raises(ValueError, match="between 0 and 1"):
        scores.brier([0, 1], [0.5, 1.5])
    for mu in (0.0, 1.0):
        with pytest.raises(ValueError, match="weight"):
            scores.usefulness([0, 1], [0, 1], mu)


def test_undefined_scores_are_nan_or_infinite() -> None:
    assert math.isnan(scores.auroc([], []))
    assert math.isnan(scores.average_precision([0, 0], [1, 2]))
    assert math.isnan(scores.noise_to_signal([0, 1], [0, 0]))
    assert scores.noise_to_signal([0, 1], [1, 0]) == math.inf
    assert math.isnan(scores.noise_to_signal([1, 1], [1, 0]))
    assert math.isnan(scores.usefulness([0, 0], [0, 1], 0.5).relative)
    assert math.isnan(scores.brier([], []).score)
    assert math.isnan(scores.best_threshold([], [], 0.5).usefulness)
    assert scores.best_threshold([0, 0], [1, 2], 0.5) == (math.inf, 0)


def test_of_equal_thresholds_the_one_with_fewest_alarms() -> None:
    # A miss weighs as much as nine false alarms: catching the last day costs exactly what it saves.
    y = [1] + [0] * 9 + [1]
    assert scores.best_threshold(y, np.arange(11, 0, -1), 0.9).threshold == 11


# --- time and money, by hand --------------------------------------------------------------------


def test_lead_times() -> None:
    # Day 3 is a day before 4, 5 five days before 10; 9 comes later than 5; nothing before 30; on the event's own day is too late.
    assert scores.lead_times([9, 3, 5], [4, 10], 5).tolist() == [1, 5]
    assert np.isnan(scores.lead_times([4, 24, 30], [4, 30], 5)).all()
    assert scores.lead_times([25], [30], 5).tolist() == [5]
    assert np.isnan(scores.lead_times([], [4], 5)).all()
    assert scores.share_led(scores.lead_times([9, 3, 5], [4, 10, 30], 5), 2) == 1 / 3
    with pytest.raises(ValueError, match="integer"):
        scores.lead_times([0.5], [4], 5)


def test_false_alarms_of_a_year() -> None:
    y = np.zeros(504, dtype=bool)
    y[100:110] = True
    alarm = np.zeros(504, dtype=bool)
    alarm[[3, 4, 5, 50, 52, 98, 99, 100, 105]] = True
    years = 494 / 252
    # Days 3 to 5 are one alarm, 50 and 52 two; the one from 98 runs into the days before the event and is none.
    assert scores.false_alarms_per_year(y, alarm) == (7 / years, 3 / years)
    assert scores.false_alarms_per_year(y, alarm, apart=2) == (7 / years, 2 / years)
    # Days that are left out end an episode.
    kept = np.ones(504, dtype=bool)
    kept[4] = False
    told = scores.false_alarms_per_year(y[kept], alarm[kept], np.flatnonzero(kept))
    assert told == (6 / (493 / 252), 4 / (493 / 252))


def test_the_value_of_alarms_to_who_pays_for_them() -> None:
    # Acting costs 1, a missed day 4. 12 hits, 20 false, 8 missed of 200: 32 + 32 = 64; never 80; perfect 20.
    told = scores.cost_weighted_value(*days(12, 20, 8, 160), 1, 4)
    assert told == (64 / 200, 80 / 200, 20 / 200, 16 / 60)
    # Where half of the loss cannot be avoided, 40 stay in any case, acting saves 2: 32 + 16 + 40, 40 + 40, 20 + 40.
    assert scores.cost_weighted_value(*days(12, 20, 8, 160), 1, 4, 0.5) == (88 / 200, 80 / 200, 60 / 200, -8 / 20)


ACTION = scores.Action(lead_days=(0, 2, 10), saved=(0.0, 0.2, 0.6), cost_to_start=0.02, cost_a_day=0.01)


def test_the_value_with_the_action_attached() -> None:
    alarm = np.zeros(40, dtype=bool)
    alarm[[2, 3, 16, 17, 18, 19]] = True
    # Two starts, six days in force: 0.04 + 0.06. Four days before day 20 save 0.2 + 2/8 × 0.4 = 0.3.
    told = scores.value_of_action(alarm, [20], ACTION)
    assert told.lead_days.tolist() == [4]
    assert told.saved == pytest.approx(0.3)
    assert told.cost == pytest.approx(0.1)
    # Perfect: 10 days before, 0.6 − 0.02 − 0.1. Always: 40 days and one start against 0.6.
    assert told.perfect == pytest.approx(0.48)
    assert told.always == pytest.approx(0.6 - 0.42)
    assert told.relative == pytest.approx((0.2 - 0.18) / (0.48 - 0.18))


def test_an_action_that_was_called_off_saves_nothing() -> None:
    alarm = np.zeros(40, dtype=bool)
    alarm[10:15] = True
    assert scores.value_of_action(alarm, [20], ACTION).lead_days.tolist() == [0]
    # Held for six days after an alarm, it is in force from 10 to 19.
    held = scores.value_of_action(alarm, [20], ACTION._replace(hold=6))
    assert held.lead_days.tolist() == [10]
    assert held.net == pytest.approx(held.perfect)
    # Days that are not judged end it, and cost nothing.
    judged = np.ones(40, dtype=bool)
    judged[18:30] = False
    cut = scores.value_of_action(alarm, [20], ACTION._replace(hold=6), judged=judged)
    assert cut.lead_days.tolist() == [0]
    assert cut.cost == pytest.approx(0.02 + 0.08)


@given(arrays(np.bool_, 30), st.integers(1, 30), st.integers(1, 5), st.floats(0, 0.1), st.floats(0, 0.05))
def test_no_alarm_beats_the_perfect_one(alarm: Bools, event: int, hold: int, start: float, daily: float) -> None:
    action = ACTION._replace(hold=hold, cost_to_start=start, cost_a_day=daily)
    told = scores.value_of_action(alarm, [event], action)
    assert told.net <= told.perfect + 1e-12
    assert told.always <= told.perfect + 1e-12


def test_actions_that_make_no_sense_are_refused() -> None:
    for wrong in ({"lead_days": (1, 2, 3)}, {"saved": (0, 0.5)}, {"saved": (0, 0.5, 1.2)}, {"hold": 0}, {"cost_a_day": -1}):
        with pytest.raises(ValueError, match=r"rise|held"):
            scores.value_of_action([0, 1], [1], ACTION._replace(**wrong))
    with pytest.raises(ValueError, match="calendar"):
        scores.value_of_action([0, 1], [3], ACTION)
