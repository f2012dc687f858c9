"""The leverage policy and the arithmetic of liquidity against published and worked numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stresslab import liquidity
from stresslab.contract import drop_to_line, maintenance_ratio
from stresslab.leverage import (
    Budget,
    Policy,
    daily_loss,
    dynamic_leverage,
    ewma_volatility,
    largest_order,
    leverage_above_line,
    loss_days,
    multiplier,
    sale_to_leverage,
    stop_day,
)

LEVERS = st.fractions(1, 20, max_denominator=1000)
SIGMAS = st.fractions(Fraction(1, 100), 2, max_denominator=10_000)


def test_volatility_and_multiplier_to_the_printed_digit():
    measured = ewma_volatility([0.01, -0.02, 0.015, -0.03], start=1e-4)
    assert f"{measured**2 / 252:.7e}" == "1.7095480e-04"
    assert f"{100 * measured:.6f}" == "20.755869"
    assert f"{float(multiplier(Fraction(15, 100), Fraction(measured))):.10f}" == "0.7226871606"
    assert ewma_volatility([0.02]) == pytest.approx(0.02 * math.sqrt(252))
    for wrong in ([], [0.1]):
        with pytest.raises(ValueError, match=r"return|decay"):
            ewma_volatility(wrong, decay=1.0)
    with pytest.raises(ValueError, match="positive"):
        multiplier(1, 0)


@given(st.fractions(Fraction(101, 100), 3, max_denominator=100), st.fractions(0, Fraction(99, 100), max_denominator=1000))
def test_the_leverage_above_a_line_is_where_the_fall_just_reaches_it(line, fall):
    lever = leverage_above_line(line, fall)
    assert lever > 1
    assert drop_to_line(line, maintenance_ratio(lever)) == fall


def test_a_fall_that_takes_everything_leaves_no_leverage():
    assert leverage_above_line(Fraction(13, 10), 1) == 1
    with pytest.raises(ValueError, match="line"):
        leverage_above_line(1, Fraction(1, 2))


@given(SIGMAS, LEVERS, LEVERS, LEVERS)
def test_the_policy_never_passes_line_or_cap(sigma, now, base, cap):
    policy = Policy(target=Fraction(15, 100), base=base, cap=cap, line=Fraction(13, 10))
    steps = dynamic_leverage(policy, sigma, now)
    assert steps.allowed == max(1, min(steps.by_volatility, steps.by_line, cap))
    assert steps.next <= max(1, min(steps.by_line, cap))
    assert steps.next >= 1
    assert steps.next <= max(now, steps.allowed)
    if steps.next > now:
        assert steps.next - now <= policy.rise_most
    calmer = dynamic_leverage(policy, sigma / 2, now)
    assert calmer.allowed >= steps.allowed


def test_the_band_and_the_step():
    policy = Policy(target=Fraction(15, 100), base=Fraction(3), cap=Fraction(3), line=Fraction(13, 10))
    sigma = Fraction(20, 100)  # allowed 2.25 by volatility
    assert dynamic_leverage(policy, sigma, Fraction(25, 10)).next == Fraction(25, 10)  # exactly at the end of the band
    assert dynamic_leverage(policy, sigma, Fraction(2501, 1000)).next == Fraction(9, 4)
    assert dynamic_leverage(policy, sigma, 1).next == Fraction(5, 4)
    # Above the cap no band is granted.
    assert dynamic_leverage(policy, Fraction(15, 100), Fraction(31, 10)).next == 3


@given(st.integers(1, 10**9), st.fractions(Fraction(1, 100), 1, max_denominator=1000), LEVERS, st.fractions(0, Fraction(1, 100)))
def test_selling_brings_an_account_to_its_leverage(equity, part, wanted, cost):
    debt = Fraction(equity) / part
    collateral = equity + debt
    sold = sale_to_leverage(collateral, debt, wanted, cost)
    assert 0 <= sold <= collateral
    left = equity - cost * sold
    if 0 < sold < collateral and left > 0:
        assert (collateral - sold) / left == wanted
    if sold == 0:
        assert collateral <= wanted * equity


def test_risk_budgets():
    budget = Budget(order=Fraction(1, 2), daily_loss=Fraction(5, 100), stop_loss=Fraction(30, 100))
    assert largest_order(budget, 100_000) == 50_000
    # 0.05 as a float lies a little above 5%; one just inside, one on, one beyond.
    assert loss_days(budget, [0.1, -0.049, -0.051, -0.2]) == [2, 3]
    assert loss_days(Budget(daily_loss=Fraction(1, 4)), [-0.25, -0.2500001]) == [1]
    assert stop_day(budget, [100, 71, 70, 90], 100) == 2
    assert stop_day(budget, [100, 71], 100) is None
    assert daily_loss(400_000, Fraction(2, 100), 100_000) == Fraction(1316, 10_000)
    assert (largest_order(Budget(), 1), loss_days(Budget(), [-1.0]), stop_day(Budget(), [0], 1)) == (None, [], None)


# --- liquidity ----------------------------------------------------------------------------------

CLAIMS = [120, 90, 70, 60, 60] + [12] * 50


def test_concentration_golden():
    assert liquidity.top_share(CLAIMS, 1) == Fraction(12, 100)
    assert liquidity.top_share(CLAIMS, 3) == Fraction(28, 100)
    assert liquidity.top_share(CLAIMS, 5) == Fraction(40, 100)
    assert liquidity.hhi(CLAIMS) == Fraction(418, 10_000)
    assert round(1 / float(liquidity.hhi(CLAIMS)), 4) == 23.9234
    assert liquidity.largest_first(CLAIMS, 300) == [120, 90, 70, 20] + [0] * 51
    assert liquidity.top_share([], 1) is liquidity.hhi([]) is liquidity.coverage(1, 0) is None


def test_coverage_golden():
    assert liquidity.coverage(150, 200) == Fraction(3, 4)
    assert liquidity.coverage(230, 200) == Fraction(115, 100)
    assert liquidity.coverage(150, 300) == Fraction(1, 2)
    assert round(float(liquidity.coverage(230, 300)), 6) == 0.766667
    assert liquidity.pay_by_tiers(300, [150, 80]) == ([150, 80], 70)
    assert liquidity.net_outflow(290, 300) == Fraction(145, 2)
    assert round(100 * float(liquidity.lcr(120, 290, 300)), 4) == 165.5172


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=30), st.integers(1, 5))
def test_concentration_lies_between_equal_and_one(amounts, n):
    if sum(amounts):
        index = liquidity.hhi(amounts)
        assert Fraction(1, len(amounts)) <= index <= 1
        assert liquidity.top_share(amounts, n) <= liquidity.top_share(amounts, n + 1) <= 1
        need = sum(amounts) * 3 // 10
        assert sum(liquidity.largest_first(amounts, need)) == need


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_net_outflows_keep_a_quarter(out, into, need):
    assert liquidity.net_outflow(out, into) >= Fraction(out, 4)
    paid, short = liquidity.pay_by_tiers(need, [out, into])
    assert sum(paid) + short == need
    assert short == max(0, need - out - into)


def test_survival_counts_the_day_on_which_all_is_just_paid():
    assert liquidity.survival(30, [10, 10, 10, 1]) == 3
    assert liquidity.survival(29, [10, 10, 10, 1]) == 2
    assert liquidity.survival(31, [10, 10, 10, 1]) is None
    assert liquidity.survival(0, [1]) == 0
    # Inflows count for three quarters of what has left: 40 out, at most 30 in.
    assert liquidity.survival(9, [40], [100]) == 0
    assert liquidity.survival(10, [40], [100]) is None
    # An early inflow helps later outflows.
    assert liquidity.survival(10, [0, 40], [100, 0]) is None


def test_gaps_add_up():
    assert liquidity.gaps([10, 0, 5], [4, 9, 0]) == [6, -3, 2]


def test_diamond_2007():
    r1, r2 = liquidity.diamond_deposit(2, 0.25)
    assert (round(r1, 6), round(r2, 6)) == (1.281509, 1.812327)
    assert 0.25 * r1 + 0.75 * r2 / 2 == pytest.approx(1)
    rounded = Fraction(128, 100)
    printed = {"0.25": "1.813333", "0.4": "1.626667", "0.6": "1.160000", "0.7": "0.693333", "0.78125": "0.000000"}
    for share, payoff in printed.items():
        assert f"{float(liquidity.late_payoff(Fraction(share), rounded, 2)):.6f}" == payoff
    threshold = liquidity.run_threshold(rounded, 2)
    assert threshold == Fraction(9, 16)
    assert liquidity.late_payoff(threshold, rounded, 2) == rounded
    with pytest.raises(ValueError, match="somebody"):
        liquidity.late_payoff(1, rounded, 2)


def test_dilution_and_full_swing():
    assert round(100 * float(liquidity.dilution(Fraction(1, 10), Fraction(15, 1000))), 7) == 0.1666667
    assert liquidity.swung_value(100, Fraction(15, 1000)) == Fraction(985, 10)


@given(st.integers(1, 999), st.fractions(0, Fraction(1, 2), max_denominator=1000))
def test_who_stays_bears_the_cost_unless_the_price_swings(redeemed, cost):
    """A fund of 1,000 sells what is redeemed: at full value the rest pays the cost, at the swung price nobody else does."""
    rest = 1000 - redeemed
    dilution = liquidity.dilution(Fraction(redeemed, 1000), cost)
    assert rest - cost * redeemed == rest * (1 - dilution)
    assert redeemed * (1 - cost) == liquidity.swung_value(redeemed, cost)
