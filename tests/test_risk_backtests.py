"""Backtests of VaR and expected shortfall: published numbers to the printed digit, and sizes by simulation (M-193 to M-196)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

from stresslab.early_warning import risk_backtests as rb
from stresslab.early_warning.intervals import words

Floats = NDArray[np.float64]


def uniforms(seed: int, worlds: int, days: int) -> Floats:
    return (words(seed, 0, 0, 0, np.arange(worlds * days))[:, 0].reshape(worlds, days) + 0.5) / 2.0**32


def told(share: float, expected: float, n: int) -> bool:
    """Whether a share of n draws lies inside three standard errors of what is expected."""
    return abs(share - expected) <= 3 * math.sqrt(expected * (1 - expected) / n)


# --- published numbers --------------------------------------------------------------------------


def test_the_number_of_violations() -> None:
    found = rb.kupiec(57, 1043, 0.05)
    assert (round(found.statistic, 5), round(found.p, 5)) == (0.46147, 0.49694)


def test_violations_one_after_the_other() -> None:
    found = rb.independence_of_counts(932, 53, 53, 4)
    assert (round(found.statistic, 5), round(found.p, 5)) == (0.25866, 0.61104)


def test_the_time_until_the_first_violation() -> None:
    found = rb.until_first(58, 0.05)
    assert (round(found.statistic, 4), round(found.p, 5)) == (1.7354, 0.18773)


@pytest.mark.parametrize(("days", "low", "high"), [(250, 1, 6), (510, 2, 10), (1000, 5, 16)])
def test_kupiecs_table_of_what_is_accepted(days: int, low: int, high: int) -> None:
    assert rb.accepted(days, 0.01) == (low, high)


def test_basels_table() -> None:
    percents = [8.11, 28.58, 54.32, 75.81, 89.22, 95.88, 98.63, 99.60, 99.89, 99.97, 99.99]
    assert [round(100 * rb.traffic_light(k).cumulative, 2) for k in range(11)] == percents
    assert [rb.traffic_light(k).zone for k in range(12)] == ["green"] * 5 + ["yellow"] * 5 + ["red"] * 2
    assert [rb.traffic_light(k).add_on for k in range(12)] == [0] * 5 + [0.40, 0.50, 0.65, 0.75, 0.85, 1.00, 1.00]
    assert math.isnan(rb.traffic_light(3, 500).add_on)


def test_the_tail_of_the_normal() -> None:
    assert [round(v, 8) for v in rb.tail_of(0.025)] == [1.95996398, 2.33780279]


@pytest.mark.parametrize("freedom", [3.0, 5.0, 100.0])
def test_the_tail_of_students_law(freedom: float) -> None:
    var, es = rb.tail_of(0.025, freedom)
    assert stats.t.sf(var, freedom) == pytest.approx(0.025, rel=1e-9)
    mean = integrate.quad(lambda x: x * stats.t.pdf(x, freedom), var, np.inf)[0] / 0.025
    assert es == pytest.approx(mean, rel=1e-7)


def test_critical_values_of_acerbi_and_szekely() -> None:
    # The paper prints −0.70 at 5% and −1.8 at 0.01%, for 250 days at 2.5%.
    z2 = np.sort(rb.drawn_shortfalls(250, repetitions=200_000, seed=3)[1])
    assert abs(np.quantile(z2, 0.05) + 0.70) < 0.005 + 3 * quantile_error(z2, 0.05)
    assert abs(np.quantile(z2, 0.0001) + 1.8) < 0.05 + 3 * quantile_error(z2, 0.0001)


def quantile_error(ranked: Floats, q: float) -> float:
    """The standard error of a quantile, from the ranks one binomial standard deviation to either side."""
    n = ranked.size
    step = math.sqrt(n * q * (1 - q))
    return float(ranked[math.ceil(n * q + step)] - ranked[math.floor(n * q - step)]) / 2


def test_acerbi_and_szekely_by_hand() -> None:
    # Two violations of −3 and −5 where 2 was the VaR and 4 the shortfall; 0.2 of 10 days are 2 violations.
    returns = [1, -3, 0, -1, -5, 2, -2, 0, 1, 1]
    found = rb.acerbi_szekely(returns, 2, 4, 0.2)
    assert found == (1 - (3 + 5) / 4 / 2, 1 - (3 + 5) / 4 / (10 * 0.2), 2)
    assert rb.acerbi_szekely(returns, 2, 2, 0.1) == (1 - 8 / 2 / 2, 1 - 8 / 2 / 1, 2)
    calm = rb.acerbi_szekely(returns, 9, 9, 0.1)
    assert math.isnan(calm.z1)
    assert (calm.z2, calm.violations) == (1, 0)


# --- sizes --------------------------------------------------------------------------------------


def test_kupiec_rejects_as_often_as_the_binomial_says() -> None:
    hits = uniforms(1, 4_000, 250) < 0.01
    low, high = rb.accepted(250, 0.01)
    size = 1 - (stats.binom.cdf(high, 250, 0.01) - stats.binom.cdf(low - 1, 250, 0.01))
    share = np.mean([rb.kupiec(int(h.sum()), 250, 0.01).p < 0.05 for h in hits])
    assert told(float(share), float(size), 4_000)


def test_independence_and_coverage_reject_five_percent_of_many_days() -> None:
    # The laws of the statistics are those of endless days: 2,000 of a tenth violations come close.
    hits = uniforms(2, 1_500, 2_000) < 0.1
    assert told(float(np.mean([rb.independence(h).p < 0.05 for h in hits])), 0.05, 1_500)
    assert told(float(np.mean([rb.coverage(h, 0.1).p < 0.05 for h in hits])), 0.05, 1_500)


def test_the_time_until_the_first_violation_rejects_as_often_as_it_says() -> None:
    kept = [n for n in range(1, 2_000) if rb.until_first(n, 0.05).p < 0.05]
    size = sum(0.05 * 0.95 ** (n - 1) for n in kept)
    firsts = np.argmax(uniforms(3, 4_000, 500) < 0.05, axis=1) + 1
    assert told(float(np.mean([rb.until_first(int(n), 0.05).p < 0.05 for n in firsts])), size, 4_000)


def test_simulated_p_values_hold_where_violations_are_few() -> None:
    # 250 days at 1%: the χ² law is far off, the simulated p-value is not. Ties make it reject less, never more.
    hits = uniforms(4, 150, 250) < 0.01
    found = [rb.drawn_p(lambda h: rb.coverage(h, 0.01).statistic, h, 0.01, repetitions=99, seed=w) for w, h in enumerate(hits)]
    share = np.mean(np.array(found) <= 0.05)
    assert share <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)
    clustered = np.zeros(250, dtype=bool)
    clustered[100:106] = True
    assert rb.drawn_p(lambda h: rb.independence(h).statistic, clustered, 0.01) == 0.001


@pytest.mark.parametrize("freedom", [None, 5.0])
def test_shortfall_tests_reject_five_percent(freedom: float | None) -> None:
    u = uniforms(5, 2_000, 250)
    returns = stats.norm.ppf(u) if freedom is None else stats.t.ppf(u, freedom)
    var, es = rb.tail_of(0.025, freedom)
    drawn = rb.drawn_shortfalls(250, 0.025, freedom, repetitions=100_000, seed=8)
    found = [rb.acerbi_szekely(r, var, es) for r in returns]
    for name, z in zip(("z1", "z2"), drawn, strict=True):
        mine = np.array([getattr(f, name) for f in found])
        mine = mine[~np.isnan(mine)]
        assert told(float((mine <= np.nanquantile(z, 0.05)).mean()), 0.05, mine.size), name


def test_a_shortfall_that_is_too_small_is_found() -> None:
    # Losses of Student's law with 3 degrees, judged with the VaR that is right and the shortfall of a normal scaled to it.
    returns = stats.t.ppf(uniforms(6, 100, 500), 3)
    var, normal = rb.tail_of(0.025, 3)[0], rb.tail_of(0.025)
    es = var * normal[1] / normal[0]
    found = [rb.shortfall_test(r, var, es, repetitions=500, seed=w) for w, r in enumerate(returns)]
    assert np.mean([f.p1 <= 0.05 for f in found]) > 0.6
    assert np.mean([f.p2 <= 0.05 for f in found]) > 0.3
    assert all((f.found.z2 < f.critical2) == (f.p2 <= 0.05) for f in found if abs(f.p2 - 0.05) > 0.01)


# --- all together, and edges --------------------------------------------------------------------


def test_a_series_by_hand() -> None:
    returns = np.zeros(250)
    returns[[57, 58, 200]] = -0.05
    found = rb.var_backtest(returns, np.full(250, 0.02))
    assert (found.days, found.violations, found.expected) == (250, 3, 2.5)
    assert found.number == rb.kupiec(3, 250, 0.01)
    assert found.first == rb.until_first(58, 0.01)
    assert found.independent == rb.independence_of_counts(244, 2, 2, 1)
    assert found.covered.statistic == found.number.statistic + found.independent.statistic
    assert found.light.zone == "green"
    calm = rb.var_backtest(np.zeros(250), 0.02)
    assert math.isnan(calm.first.p)
    assert calm.independent == (0, 1)


def test_a_loss_of_exactly_the_var_is_none() -> None:
    assert rb.violations([-2, -2.001, 3], 2).tolist() == [False, True, False]


@given(st.integers(1, 400), st.data(), st.floats(0.001, 0.5))
def test_the_number_is_tested_as_a_likelihood_ratio(days: int, data: st.DataObject, p: float) -> None:
    count = data.draw(st.integers(0, days))
    found = rb.kupiec(count, days, p)
    ratio = stats.binom.logpmf(count, days, count / days) - stats.binom.logpmf(count, days, p)
    assert found.statistic == pytest.approx(max(2 * ratio, 0), rel=1e-6, abs=1e-7)
    assert 0 <= found.p <= 1


def test_faulty_forecasts_are_refused() -> None:
    for call in (
        lambda: rb.violations([0.1, math.nan], 1), lambda: rb.violations([0.1], math.nan), lambda: rb.kupiec(3, 2, 0.01),
        lambda: rb.kupiec(0, 5, 0.0), lambda: rb.until_first(0, 0.1), lambda: rb.traffic_light(-1),
        lambda: rb.acerbi_szekely([0.1], 1, 0), lambda: rb.independence([0, 2]),
    ):
        with pytest.raises(ValueError, match=r"known|days|between|first|positive|labels"):
            call()
