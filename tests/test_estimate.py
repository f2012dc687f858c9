"""Figures and their sampling errors: goldens by hand, and whether 95% intervals cover 95%."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stresslab import estimate as module
from stresslab.estimate import estimate, paired, sector_estimates
from stresslab.faults import InputError
from stresslab.glossary import NULL_WHEN_ZERO, OUTPUTS, schema
from stresslab.pairing import compare, differences
from stresslab.statistics import mean, probability, quantile_interval, ratio, tail_mean, wilson

KEYS = ["scenario", "platform_id", "measure", "statistic", "day"]
DAYS = 4


def tables(paths, platforms=("north",), scenarios=("crash-40",), **columns):
    """Whole outcome and day tables; columns are given in (scenario, path, platform) order."""
    levels = [scenarios, range(paths), platforms]
    names = ["scenario", "path", "platform_id"]
    outcomes = pd.MultiIndex.from_product(levels, names=names).to_frame(index=False)
    filled = {m.name: 0 for m in OUTPUTS["outcomes"] if m.name not in names}
    filled |= {"accounts_with_debt": 10, "own_funds_before_li": 1000} | columns
    for name, values in filled.items():
        outcomes[name] = np.broadcast_to(np.asarray(values, dtype=np.int64), len(outcomes))
    for name in NULL_WHEN_ZERO:
        outcomes[name] = outcomes[name].astype("Int64").replace(0, pd.NA)
    days = pd.MultiIndex.from_product([*levels, range(1, DAYS + 1)], names=[*names, "day"])
    return outcomes, days.to_frame(index=False)


def figure(table, measure, statistic, platform="north", day=0):
    """The one row of a figure."""
    keys = ("crash-40", platform, measure, statistic, day)
    found = table[(table[KEYS] == pd.Series(keys, index=KEYS)).all(axis=1)]
    assert len(found) == 1, keys
    return found.iloc[0]


def random_tables(scenarios, platforms, paths, seed=7):
    """Tables full of noise, with some null days and some paths without calls or deficits."""
    draws = np.random.default_rng(seed)  # noqa: TID251
    outcomes, days = tables(
        paths, [f"p{i}" for i in range(platforms)], [f"s{i}" for i in range(scenarios)]
    )
    for measure in OUTPUTS["outcomes"][3:]:
        values = draws.integers(0, 10**9, len(outcomes)) * draws.integers(0, 2, len(outcomes))
        outcomes[measure.name] = values
    outcomes["accounts_with_debt"] = 10**9
    for name in NULL_WHEN_ZERO:
        outcomes[name] = pd.array(draws.integers(0, DAYS + 1, len(outcomes)), "Int64")
        outcomes[name] = outcomes[name].replace(0, pd.NA)
    return outcomes, days


# --- the statistics, by hand --------------------------------------------------------------------


def test_mean_by_hand():
    found = mean(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert found.value == 3
    assert found.error == pytest.approx(math.sqrt(2.5 / 5))
    assert found.low == pytest.approx(3 - 1.96 * math.sqrt(0.5))
    assert found.high == pytest.approx(3 + 1.96 * math.sqrt(0.5))


def test_mean_of_equal_values_is_that_value_without_error():
    found = mean(np.full((2, 7), 0.1))
    assert found.value.tolist() == [0.1, 0.1]
    assert found.error.tolist() == [0, 0]


def test_quantile_ranks_by_hand():
    values = np.arange(100.0, 0.0, -1.0)
    found = quantile_interval(values, 50)
    # The median of 100 is the 50th; its classical interval is the 40th to the 61st.
    assert (found.value, found.low, found.high) == (50, 40, 61)
    assert found.error == pytest.approx(21 / 2 / 1.96)
    assert quantile_interval(np.array([1.0, 2.0, 3.0]), 50).value == 2
    assert quantile_interval(np.arange(1.0, 22.0), 5).value == 2  # ceil(1.05)


def test_quantile_interval_keeps_its_promise_for_every_sample_size():
    for n in range(1, 130):
        ranks = np.arange(1.0, n + 1)
        for percent in (5, 50, 95):
            found = quantile_interval(ranks, percent)
            low = 0 if np.isnan(found.low) else int(found.low)
            high = n + 1 if np.isnan(found.high) else int(found.high)
            q = percent / 100
            covered = sum(math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(low, high))
            assert covered >= 0.95 - 1e-12


def test_quantile_without_a_bound_is_null_not_a_guess():
    few, enough = (quantile_interval(np.arange(float(n)), 95) for n in (71, 73))
    assert np.isnan([few.high, few.error]).all()
    assert np.isfinite([few.value, few.low]).all()
    assert np.isfinite(enough).all()


def test_quantile_of_infinite_values_is_null():
    values = np.array([1.0] * 40 + [2.0] * 20 + [np.inf] * 40)
    found = quantile_interval(values, 50)
    assert (found.value, found.low) == (2, 1)
    assert np.isnan([found.high, found.error]).all()
    assert np.isnan(quantile_interval(values, 95).value)


def test_tail_mean_by_hand():
    values = np.arange(1.0, 41.0)
    found = tail_mean(values)
    error = math.sqrt((0.5 + 0.95 * 1.5**2) / 2)
    assert found.value == 39.5  # the mean of 39 and 40; the quantile is 38
    assert found.error == pytest.approx(error)
    assert found.high == pytest.approx(39.5 + 1.96 * error)
    low = tail_mean(values, "low")
    assert low.value == 1.5
    assert low.error == pytest.approx(error)
    assert low.low < low.value < low.high
    assert math.copysign(1, tail_mean(np.zeros(40), "low").value) == 1


def test_tail_of_one_path_has_no_error():
    assert np.isnan(tail_mean(np.arange(20.0)).error)
    assert tail_mean(np.arange(21.0)).value == 19.5


def test_wilson_by_hand():
    low, high = wilson(np.array([0, 5, 10]), 10)
    end = 1.96**2 / (10 + 1.96**2)
    assert low == pytest.approx([0, 0.23659, 1 - end], abs=1e-5)
    assert high == pytest.approx([end, 0.76341, 1], abs=1e-5)
    assert low[0] == 0
    assert high[2] == 1


def test_probability_by_hand():
    found = probability(np.array([True, False, False, False]))
    assert found.value == 25
    assert found.error == pytest.approx(100 * math.sqrt(0.25 * 0.75 / 4))


def test_ratio_by_hand():
    found = ratio(np.array([1.0, 2.0, 0.0]), np.array([2.0, 2.0, 0.0]))
    # R = 3/4; the third path has no whole: m = 2, and 1 − 2R = −1/2, 2 − 2R = 1/2 are left over.
    assert found.value == 75
    assert found.error == pytest.approx(100 * math.sqrt(2 * 0.5) / 4)
    assert found.high == pytest.approx(75 + 1.96 * 25)


def test_ratio_without_a_spread_or_a_whole_says_so():
    parts = np.arange(1.0, 51.0)[:, None] * 123_456_789_012_345 + np.zeros(20)
    same = ratio(parts, np.full((50, 20), 8_765_432_109_876_543.0))
    assert same.error.tolist() == [0] * 50  # not the rounding of twenty products
    one = ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    assert one.value == 25
    assert np.isnan([one.error, one.low, one.high]).all()
    for wholes in ([0.0, 0.0], [1.0, -2.0]):
        assert np.isnan(ratio(np.array([1.0, 2.0]), np.array(wholes))).all()


def test_ratio_is_that_of_sums_not_a_mean_of_ratios():
    assert ratio(np.array([1.0, 0.0]), np.array([1.0, 99.0])).value == 1


@given(st.lists(st.integers(-(2**52), 2**52), min_size=1, max_size=90))
@settings(max_examples=60, deadline=None)
def test_figures_lie_where_they_must(values):
    array = np.array(values, dtype=np.float64)
    slack = 1e-9 * (1 + np.abs(array).max())
    assert array.min() - slack <= mean(array).value <= array.max() + slack
    assert tail_mean(array, "low").value <= tail_mean(array).value + slack
    for percent in (5, 50, 95):
        found = quantile_interval(array, percent)
        assert found.value in array
        assert not found.low > found.value
        assert not found.high < found.value


# --- do 95% intervals cover 95%? ----------------------------------------------------------------

REPETITIONS = 500
TAIL_OF_NORMAL = math.exp(-(1.6448536269514722**2) / 2) / math.sqrt(2 * math.pi) / 0.05


def sales(draws, shape):
    """Forced sales with a heavy tail, on a tenth of the paths none, and the part of them that is displaced."""
    whole = draws.lognormal(0, 1, shape) * (draws.random(shape) > 0.1)
    return whole * draws.beta(2, 6, shape), whole


def test_intervals_of_ratios_cover_the_truth():
    draws = np.random.default_rng(20150706)  # noqa: TID251
    assert 92 <= covered(ratio(*sales(draws, (REPETITIONS, 400))), 25.0) <= 98


def test_intervals_of_paired_differences_cover_the_truth_and_are_narrower():
    draws = np.random.default_rng(20160107)  # noqa: TID251
    weather = draws.standard_exponential((REPETITIONS, 200))
    second = 1.1 * weather + 0.1 * draws.standard_normal(weather.shape)
    found = mean(second - weather)
    assert 92 <= covered(found, 0.1) <= 98
    assert (found.error < 0.2 * np.hypot(mean(weather).error, mean(second).error)).all()


def covered(found, truth):
    return 100 * np.mean((found.low <= truth) & (truth <= found.high))


@pytest.mark.parametrize(
    ("statistic", "n", "law", "truth"),
    [
        (mean, 200, "standard_normal", 0.0),
        (mean, 200, "standard_exponential", 1.0),
        (lambda x: quantile_interval(x, 50), 200, "standard_exponential", math.log(2)),
        (lambda x: quantile_interval(x, 5), 200, "standard_exponential", -math.log(0.95)),
        (lambda x: quantile_interval(x, 95), 200, "standard_exponential", math.log(20)),
        (tail_mean, 1000, "standard_normal", TAIL_OF_NORMAL),
        (lambda x: tail_mean(x, "low"), 1000, "standard_normal", -TAIL_OF_NORMAL),
        (tail_mean, 2000, "standard_exponential", 1 + math.log(20)),
        (lambda x: probability(x > 1), 200, "standard_exponential", 100 / math.e),
        (lambda x: probability(x > 3), 200, "standard_exponential", 100 * math.exp(-3)),
    ],
)
def test_intervals_cover_the_truth(statistic, n, law, truth):
    draws = np.random.default_rng(20150612)  # noqa: TID251
    sample = getattr(draws, law)((REPETITIONS, n))
    assert 92 <= covered(statistic(sample), truth) <= 98


# --- the table ----------------------------------------------------------------------------------


def test_table_fits_its_schema_and_names_each_figure_once():
    found = estimate(*random_tables(2, 2, 30))
    stored = pa.Table.from_pandas(found, schema=schema("estimates"), preserve_index=False)
    assert stored.num_rows == len(found)
    assert list(found.columns) == [m.name for m in OUTPUTS["estimates"]]
    assert not found.duplicated(KEYS).any()
    assert found["value"].isna().sum() == stored["value"].null_count
    assert list(found["scenario"].unique()) == ["s0", "s1"]
    assert list(found["platform_id"].unique()) == ["p0", "p1", "ALL"]
    assert found["formula"].str.startswith("M-").all()
    assert set(found["unit"]) == {"yuan", "%", "accounts", "day", "days"}


def test_money_is_in_yuan_and_ratios_in_percent():
    found = estimate(
        *tables(
            2,
            deficit_li=[1500, 2500],
            accounts_forced=[1, 4],
            margin_coverage_ppm=[987_654, 900_000],
        )
    )
    row = figure(found, "deficit", "mean")
    assert (row["value"], row["error"], row["unit"]) == (2.0, 0.5, "yuan")
    assert row["formula"] == "M-26, M-38"
    assert figure(found, "forced_sale_rate", "mean")["value"] == 25
    assert figure(found, "accounts_forced", "q95")["value"] == 4
    # The bad tail of a coverage is the low one, that of a loss the high one.
    assert figure(found, "margin_coverage", "tail_mean")["value"] == 90
    assert figure(found, "margin_coverage", "q95")["value"] == 98.7654
    assert figure(found, "deficit", "tail_mean")["value"] == 2.5


def test_differences_of_losses_are_paired():
    found = estimate(
        *tables(
            3,
            loss_holding_li=[0, 5000, 9000],
            loss_without_impact_li=[1000, 6000, 10000],
            loss_with_impact_li=[3000, 8000, 12000],
        )
    )
    rule, reaction = (figure(found, name, "mean") for name in ("rule_loss", "reaction_loss"))
    # Each path differs by the same amount, so the difference has no error at all.
    assert (rule["value"], rule["error"]) == (1, 0)
    assert (reaction["value"], reaction["error"]) == (2, 0)


def test_coverage_without_calls_is_passed_and_null():
    found = estimate(*tables(100, margin_call_peak_li=0))
    for statistic in ("median", "q05", "q95"):
        row = figure(found, "own_funds_coverage", statistic)
        assert row[["value", "error", "low", "high"]].isna().all()
        assert row["paths"] == 100
    assert figure(found, "coverage_below_15", "probability")["value"] == 0
    statistics = set(found.loc[found["measure"] == "own_funds_coverage", "statistic"])
    assert statistics == {"median", "q05", "q95"}


def test_coverage_below_fifteen_percent_is_strict_and_exact():
    # 15 × call = 100 × own exactly, one 厘 more, one less; as floats the three ratios are equal.
    calls = [2 * 10**16, 2 * 10**16 + 1, 2 * 10**16 - 1, 0]
    found = estimate(*tables(4, own_funds_before_li=3 * 10**15, margin_call_peak_li=calls))
    assert figure(found, "coverage_below_15", "probability")["value"] == 25
    assert figure(found, "own_funds_coverage", "median")["value"] == 15
    unanswered = tables(2, margin_call_unanswered_li=[4000, 2000])
    row = figure(estimate(*unanswered), "own_funds_coverage_unanswered", "median")
    assert row["value"] == 25


def test_absorption_counts_only_paths_with_a_deficit():
    found = estimate(
        *tables(
            4,
            deficit_li=[0, 100, 200, 0],
            absorbed_by_reserve_li=[0, 25, 100, 0],
            absorbed_by_own_capital_li=[0, 25, 100, 0],
        )
    )
    row = figure(found, "own_funds_absorption", "mean")
    assert (row["value"], row["paths"]) == (75, 2)
    assert figure(found, "own_funds_absorption", "tail_mean")["value"] == 50
    none = figure(estimate(*tables(4)), "own_funds_absorption", "mean")
    assert none["paths"] == 0
    assert none[["value", "error", "low", "high"]].isna().all()


def test_days_and_survival_curves():
    found = estimate(
        *tables(4, first_unpaid_day=[2, 0, 3, 0], own_funds_exhausted_day=[0, 0, 0, 4])
    )
    curve = [figure(found, "survival_payment", "survival", day=t)["value"] for t in range(1, 5)]
    assert curve == [100, 75, 50, 50]
    own = [figure(found, "survival_own_funds", "survival", day=t)["value"] for t in range(1, 5)]
    assert own == [100, 100, 100, 75]
    assert figure(found, "first_unpaid_day", "earliest")["value"] == 2
    # The second of 2, 3, never, never; with one more path that never fails it is never.
    assert figure(found, "first_unpaid_day", "median")["value"] == 3
    later = estimate(*tables(5, first_unpaid_day=[2, 0, 3, 0, 0]))
    assert math.isnan(figure(later, "first_unpaid_day", "median")["value"])
    assert figure(later, "first_unpaid_day", "median")["paths"] == 5
    assert math.isnan(figure(estimate(*tables(2)), "first_unpaid_day", "earliest")["value"])


def test_events_are_probabilities():
    found = estimate(
        *tables(
            4,
            failure_day=[1, 0, 0, 0],
            first_unpaid_day=[1, 2, 0, 0],
            own_funds_exhausted_day=[1, 2, 3, 0],
            deficit_li=[1, 1, 1, 1],
        )
    )
    names = ("failure", "unpaid_redemption", "own_funds_exhausted", "any_deficit")
    rows = [figure(found, name, "probability") for name in names]
    assert [row["value"] for row in rows] == [25, 50, 75, 100]
    # Four hits of four still leave a doubt: the interval is Wilson's.
    assert rows[3]["error"] == 0
    assert rows[3]["low"] == pytest.approx(100 * 4 / (4 + 1.96**2))


def test_all_adds_platforms_up_path_by_path():
    # Rows: path 0 north, path 0 south, path 1 north, path 1 south.
    outcomes, days = tables(
        2,
        ("north", "south"),
        deficit_li=[1000, 5000, 4000, 2000],
        own_funds_before_li=[1000, 3000, 1000, 3000],
        margin_call_peak_li=[4000, 4000, 8000, 8000],
        accounts_forced=[1, 0, 2, 3],
    )
    found = estimate(outcomes, days)
    total = figure(found, "deficit", "mean", "ALL")
    assert (total["value"], total["error"], total["paths"]) == (6, 0, 2)
    assert figure(found, "own_funds_coverage", "q95", "ALL")["value"] == 50
    assert figure(found, "forced_sale_rate", "mean", "ALL")["value"] == 15
    given_for_all = set(found.loc[found["platform_id"] == "ALL", "measure"])
    assert not given_for_all & {"margin_coverage", "failure", "survival_payment"}


def test_a_single_path_has_values_and_no_errors():
    found = estimate(*tables(1, deficit_li=1000, margin_call_peak_li=10_000))
    row = figure(found, "deficit", "mean")
    assert row["value"] == 1
    assert row[["error", "low", "high"]].isna().all()
    assert figure(found, "deficit", "q05")["value"] == 1
    assert figure(found, "own_funds_coverage", "median")["value"] == 10


def test_nothing_is_silently_null():
    outcomes, days = random_tables(1, 2, 200)
    found = estimate(outcomes, days)
    infinite = ["own_funds_coverage", "own_funds_coverage_unanswered", "first_unpaid_day"]
    rest = found[~found["measure"].isin(infinite)]
    assert rest[["value", "error", "low", "high"]].notna().all().all()


def test_order_of_rows_changes_nothing():
    outcomes, days = random_tables(2, 3, 40)
    shuffled = outcomes.sample(frac=1, random_state=3), days.sample(frac=1, random_state=4)
    one, other = (
        estimate(*both).sort_values(KEYS, ignore_index=True)
        for both in ((outcomes, days), shuffled)
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_null_days_may_come_as_floats():
    outcomes, days = random_tables(1, 1, 40)
    as_floats = outcomes.astype(dict.fromkeys(NULL_WHEN_ZERO, "float64"))
    pd.testing.assert_frame_equal(estimate(outcomes, days), estimate(as_floats, days))


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda o: o.drop(columns="sold_li"), "the column is missing"),
        (lambda o: o.iloc[1:], "one row per path and platform"),
        (lambda o: pd.concat([o, o.iloc[:1]]), "one row per path and platform"),
        (lambda o: o.assign(path=[0, 0, 0, 1, 1, 1]), "one row per path and platform"),
        (lambda o: o.assign(sold_li=[1, 2, 3, 4, 5, None]), "no value is missing"),
        (lambda o: o.replace({"platform_id": {"north": "ALL"}}), "names the total"),
        (lambda o: o.assign(scenario="other"), "has its days"),
    ],
)
def test_tables_that_are_not_whole_are_refused(spoil, rule):
    outcomes, days = tables(3, ("north", "south"))
    with pytest.raises(InputError, match=rule) as caught:
        estimate(spoil(outcomes), days)
    assert all(fault.way_out for fault in caught.value.faults)


def test_a_usual_run_takes_less_than_two_seconds():
    outcomes, days = random_tables(8, 3, 200)
    start = time.perf_counter()
    estimate(outcomes, days)
    assert time.perf_counter() - start < 2


def test_the_coverage_line_is_the_one_of_the_method():
    assert module.COVERAGE_LINE_PCT == 15


# --- displaced sales, the breaker, sectors ------------------------------------------------------


def test_displaced_share_is_a_ratio_over_the_paths_with_sales():
    # Rows: path 0 north, path 0 south, path 1 north, path 1 south, path 2 …
    outcomes, days = tables(
        3, ("north", "south"), sold_li=[4000, 0, 2000, 0, 0, 0], displaced_li=[1000, 0, 1000, 0, 0, 0], breaker_days=[2, 2, 0, 0, 1, 1]
    )
    found = estimate(outcomes, days)
    row = figure(found, "displaced_share", "ratio")
    assert (row["value"], row["paths"], row["unit"], row["formula"]) == (pytest.approx(100 / 3), 2, "%", "M-48, M-51")
    # 1000 − 4000/3 and 1000 − 2000/3 are ∓ 1000/3: the error is √(2/1 × 2 (1/3)²) / 6.
    assert row["error"] == pytest.approx(100 * math.sqrt(4 / 9) / 6)
    assert figure(found, "displaced_share", "ratio", "ALL")["value"] == row["value"]
    none = figure(found, "displaced_share", "ratio", "south")
    assert none["paths"] == 0
    assert none[["value", "error", "low", "high"]].isna().all()
    assert figure(found, "displaced", "mean", "ALL")["value"] == pytest.approx(2 / 3)
    assert {*found.loc[found["measure"] == "displaced", "statistic"]} == {"mean", "median", "q05", "q95", "tail_mean"}
    # One market: what the breaker did stands alike under every platform, and is not added up.
    for platform in ("north", "south", "ALL"):
        row = figure(found, "breaker_days", "mean", platform)
        assert (row["value"], row["unit"], row["formula"]) == (1, "days", "M-45, M-38")


def sector_table(paths=2, **columns):
    names = ["scenario", "path", "sector"]
    table = pd.MultiIndex.from_product([["crash-40"], range(paths), ["bank", "energy"]], names=names).to_frame(index=False)
    for name in ("sold_li", "displaced_li", "value_li", "impact_loss_li"):
        table[name] = np.broadcast_to(np.asarray(columns.get(name, 1000), dtype=np.int64), len(table))
    return table


def test_sector_shares_by_hand():
    # Rows: path 0 bank, path 0 energy, path 1 bank, path 1 energy.
    table = sector_table(sold_li=[3000, 1000, 1000, 3000], displaced_li=[500, 500, 0, 0], value_li=[7000, 3000] * 2,
                         impact_loss_li=[600, -200, 500, 300])
    found = sector_estimates(table).set_index(["sector", "measure"])
    assert found.loc[("bank", "sold")][["statistic", "value", "unit", "formula"]].tolist() == ["mean", 2, "yuan", "M-25, M-38"]
    assert found.loc[("bank", "sold"), "error"] == pytest.approx(1)
    share = found.loc[("bank", "share_of_sold")]
    assert share[["statistic", "value", "unit", "formula"]].tolist() == ["ratio", 50, "%", "M-25, M-51"]
    assert share["error"] == pytest.approx(100 * math.sqrt(2 * 2) / 8)
    assert found.loc[("bank", "share_of_value")][["value", "error", "paths"]].tolist() == [70, 0, 2]
    # Nothing is displaced on the second path: one path alone says nothing of the spread.
    moved = found.loc[("energy", "share_of_displaced")]
    assert moved[["value", "paths"]].tolist() == [50, 1]
    assert math.isnan(moved["error"])
    # A sector that the reaction spares: 100 of 1,200, of which the bank has 1,100.
    assert found.loc[("bank", "share_of_impact_loss"), "value"] == pytest.approx(1100 / 12)
    assert found.loc[("energy", "share_of_impact_loss"), "value"] == pytest.approx(100 / 12)


def test_sectors_without_sales_have_no_shares():
    found = sector_estimates(sector_table(sold_li=0)).set_index(["sector", "measure"])
    row = found.loc[("bank", "share_of_sold")]
    assert row["paths"] == 0
    assert row[["value", "error", "low", "high"]].isna().all()


def test_order_of_sector_rows_changes_nothing():
    draws = np.random.default_rng(3)  # noqa: TID251
    table = sector_table(40, **{c: draws.integers(0, 10**12, 80) for c in ("sold_li", "displaced_li", "impact_loss_li")})
    keys = ["sector", "measure"]
    one, other = (
        sector_estimates(t).sort_values(keys, ignore_index=True) for t in (table, table.sample(frac=1, random_state=5))
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda t: t.drop(columns="displaced_li"), "the column is missing"),
        (lambda t: t.iloc[1:], "one row per path and sector"),
        (lambda t: t.astype({"sold_li": "Int64"}).assign(sold_li=pd.NA), "no value is missing"),
    ],
)
def test_sector_tables_that_are_not_whole_are_refused(spoil, rule):
    with pytest.raises(InputError, match=rule) as caught:
        sector_estimates(spoil(sector_table()))
    assert all(fault.file == "sectors.parquet" for fault in caught.value.faults)


# --- two scenarios on the same weather ----------------------------------------------------------


def change(found, measure, platform="north"):
    rows = found[(found["platform_id"] == platform) & (found["measure"] == measure)]
    assert len(rows) == 1, (platform, measure)
    return rows.iloc[0]


def two(paths, platforms=("north",), **columns):
    return tables(paths, platforms, ("dump", "batches"), **columns)[0]


def test_paired_differences_by_hand():
    outcomes = two(
        4,
        sold_li=[1000, 2000, 3000, 4000, 3000, 4000, 3000, 4000],
        margin_coverage_ppm=[900_000, 800_000, 700_000, 600_000, 950_000, 700_000, 800_000, 600_000],
        failure_day=[0, 0, 1, 1, 3, 0, 4, 0],
        deficit_li=[0, 0, 0, 0, 500, 0, 0, 0],
    )
    found = paired(outcomes, "dump", "batches")
    row = change(found, "sold")
    assert row[["first", "second", "difference", "better", "worse", "paths", "unit"]].tolist() == [2.5, 3.5, 1, 0, 2, 4, "yuan"]
    # Differences 2, 2, 0, 0 yuan.
    assert row["error"] == pytest.approx(math.sqrt(4 / 3 / 4))
    assert row["low"] == pytest.approx(1 - 1.96 * math.sqrt(1 / 3))
    assert row["high"] == pytest.approx(1 + 1.96 * math.sqrt(1 / 3))
    assert row["formula"] == "M-25, M-50"
    # Of a coverage the higher is the better.
    row = change(found, "margin_coverage")
    assert row[["better", "worse", "unit"]].tolist() == [2, 1, "%"]
    assert row["difference"] == pytest.approx(1.25)
    # An event of a path is 0 or 100%.
    row = change(found, "failure")
    assert row[["first", "second", "difference", "better", "worse", "formula"]].tolist() == [50, 50, 0, 1, 1, "M-28, M-50"]
    turned = change(paired(outcomes, "batches", "dump"), "sold")
    assert turned[["difference", "better", "worse"]].tolist() == [-1, 2, 0]


def test_paired_differences_of_all_platforms_are_taken_path_by_path():
    # North rises by what south falls: together nothing changes on any path.
    outcomes = two(2, ("north", "south"), deficit_li=[1000, 9000, 5000, 5000, 4000, 6000, 8000, 2000], breaker_days=[0] * 4 + [3] * 4)
    found = paired(outcomes, "dump", "batches")
    assert change(found, "deficit")[["difference", "better", "worse"]].tolist() == [3, 0, 2]
    total = change(found, "deficit", "ALL")
    assert total[["first", "second", "difference", "error", "better", "worse"]].tolist() == [10, 10, 0, 0, 0, 0]
    assert change(found, "breaker_days", "ALL")["difference"] == 3
    assert list(found["platform_id"].unique()) == ["north", "south", "ALL"]
    assert set(found.loc[found["platform_id"] == "ALL", "measure"]) == {
        m for m in found["measure"] if not m.startswith("margin_coverage") and m not in
        ("failure", "unpaid_redemption", "own_funds_exhausted", "any_deficit", "coverage_below_15")}


def test_order_of_rows_changes_no_paired_difference():
    outcomes = random_tables(2, 3, 40)[0]
    one, other = (paired(o, "s0", "s1") for o in (outcomes, outcomes.sample(frac=1, random_state=3)))
    keys = ["platform_id", "measure"]
    pd.testing.assert_frame_equal(
        one.sort_values(keys, ignore_index=True), other.sort_values(keys, ignore_index=True), check_exact=True)


def test_paired_with_the_means_of_the_estimates():
    outcomes, days = random_tables(2, 2, 30)
    found, told = paired(outcomes, "s0", "s1"), estimate(outcomes, days).set_index(KEYS)["value"]
    for platform in ("p0", "p1", "ALL"):
        for measure in ("sold", "displaced", "loss_with_impact", "reaction_loss", "accounts_forced", "forced_sale_rate"):
            row = change(found, measure, platform)
            means = [told[s, platform, measure, "mean", 0] for s in ("s0", "s1")]
            assert row[["first", "second"]].tolist() == pytest.approx(means)


def test_a_single_path_has_a_difference_and_no_error():
    row = change(paired(two(1, sold_li=[1000, 3000]), "dump", "batches"), "sold")
    assert row["difference"] == 2
    assert row[["error", "low", "high"]].isna().all()


@pytest.mark.parametrize(
    ("first", "second", "spoil", "rule"),
    [
        ("dump", "dump", lambda o: o, "two different scenarios"),
        ("dump", "other", lambda o: o, "the run has this scenario"),
        ("dump", "batches", lambda o: o[(o["scenario"] == "dump") | (o["path"] > 0)], "the same platforms and paths"),
        ("dump", "batches", lambda o: o[(o["scenario"] == "dump") | (o["platform_id"] == "north")], "the same platforms and paths"),
        ("dump", "batches", lambda o: o.assign(platform_id=o["platform_id"].where(o["scenario"] == "dump", o["platform_id"] + "2")),
         "the same platforms and paths"),
        ("dump", "batches", lambda o: o.drop(columns="displaced_li"), "the column is missing"),
        ("dump", "batches", lambda o: o.drop(columns="scenario"), "the column is missing"),
    ],
)
def test_what_cannot_be_paired_is_refused(first, second, spoil, rule):
    with pytest.raises(InputError, match=rule):
        paired(spoil(two(3, ("north", "south"))), first, second)


def run_folder(folder, outcomes):
    scenarios = [
        {"id": "dump", "title": "At once", "market": {"crash": None}, "operations": {"batches": 1, "source": None}, "sector_margin": []},
        {"id": "batches", "title": "In five", "market": {"crash": {"depth_pct": 40.0, "source": "a book"}},
         "operations": {"batches": 5, "source": "assumption"}, "sector_margin": [{"sector": "bank", "source": "a letter"}]},
    ]
    outcomes.to_parquet(folder / "outcomes.parquet")
    (folder / "record.json").write_text(json.dumps({"scenarios": scenarios}), encoding="utf-8")


def test_compare_reads_a_run_and_says_what_differs(tmp_path):
    outcomes = two(4, sold_li=[1000, 2000, 3000, 4000, 3000, 4000, 3000, 4000])
    run_folder(tmp_path, outcomes)
    found = compare(tmp_path, "dump", "batches")
    pd.testing.assert_frame_equal(found, paired(outcomes, "dump", "batches"))
    # Names and sources change no figure and are not told.
    assert found.attrs["differences"] == [
        {"key": "operations.batches", "first": 1, "second": 5},
        {"key": "sector_margin", "first": None, "second": [{"sector": "bank"}]},
        {"key": "market.crash.depth_pct", "first": None, "second": 40.0},
    ]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [("dump", "batch", "did you mean 'batches'?"), ("dump", "dump", "give two of the run's scenarios")],
)
def test_compare_refuses_with_a_way_out(tmp_path, first, second, said):
    run_folder(tmp_path, two(2))
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        compare(tmp_path, first, second)
    assert len(caught.value.faults) == 1


def test_compare_needs_a_finished_run_of_this_version(tmp_path):
    with pytest.raises(InputError, match="holds no finished run"):
        compare(tmp_path, "dump", "batches")
    run_folder(tmp_path, two(2))
    (tmp_path / "outcomes.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="cannot be read"):
        compare(tmp_path, "dump", "batches")
    run_folder(tmp_path, two(2).drop(columns="displaced_li"))
    with pytest.raises(InputError, match="what an earlier version made, run again"):
        compare(tmp_path, "dump", "batches")


def test_differences_of_scenarios_with_the_same_terms_are_none():
    one = {"id": "a", "purpose": "x", "market": {"crash": None, "source": "s"}}
    assert differences(one, {"id": "b", "purpose": "y", "market": {"crash": None, "source": "t"}}) == []


def test_the_verb_compare_is_a_call_of_the_package():
    """No module of the verb's name may take its place, in whatever order things are imported."""
    code = "import stresslab as sl; import stresslab.report.page; from stresslab.pairing import compare; assert sl.compare is compare"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
