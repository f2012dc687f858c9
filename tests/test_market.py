"""The exogenous market: crashes met exactly, bridges and tails against closed forms, factors, calibration, files.

Samples are drawn from fixed seeds, so a test either always passes or always fails; where it compares a sample with
a law it allows three standard errors.
"""

from __future__ import annotations

import datetime
import itertools
import math
import statistics
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr

from stresslab.book import demo_book
from stresslab.faults import InputError
from stresslab.history import History
from stresslab.kernels import draws, kernel, noise, returns
from stresslab.kernels.closures import chance_bp, closed_days
from stresslab.kernels.factors import (
    LAW_GBM,
    SHAPE_BRIDGE,
    SHAPE_GAP,
    SHAPE_NONE,
    SHAPE_RAMP,
    Crash,
    FactorLaw,
    Trace,
    factor_path,
    new_trace,
)
from stresslab.kernels.returns import MarketTerms
from stresslab.market import (
    Market,
    calibrate,
    index_volatility,
    read_market,
    shipped_index,
    shipped_market,
    write_market,
)
from stresslab.market.files import Loading, MarketFactor, SectorFactor
from stresslab.resolve import resolve
from stresslab.scenario import Scenario, read_scenario

F64 = NDArray[np.float64]
#: For samples of many thousand paths.
compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes as plain Python, without the JIT")
SHAPES = {"gap": SHAPE_GAP, "ramp": SHAPE_RAMP, "bridge": SHAPE_BRIDGE}


def terms(days: int, sd: float = 0.01, drift: float = 0.0, **changes: object) -> MarketTerms:
    """Return a market of one instrument that follows the factor, without crash, own noise or rates."""
    base = MarketTerms(
        price=np.array([10**8]), tick=np.array([1]), beta=np.ones(1), sector=np.zeros(1, np.int64),
        sector_loading=np.zeros(1), own_sd=np.zeros(1), rate_beta=np.zeros(1), sector_sd=np.zeros(1), law=FactorLaw(LAW_GBM, sd, drift),
        crash=Crash(SHAPE_NONE, 0, 0.0, False), wanted=np.ones(noise.LEAD_FACTORS + 1, np.uint8), rate_shock=np.zeros(days + 1),
    )
    m = base._replace(**changes)
    return m._replace(wanted=np.ones(noise.LEAD_FACTORS + m.sector_sd.size, np.uint8))


def crash(days: int, shape: str, depth: float, trough_day: int, flat: bool = False, **changes: object) -> MarketTerms:
    return terms(days, crash=Crash(SHAPES[shape], trough_day, math.log(1 - depth), flat), **changes)


def room_of(m: MarketTerms) -> noise.Noise:
    return noise.new_noise(m.rate_shock.size - 1, m.sector_sd.size, m.price.size)


@kernel
def many_factors(out: F64, trace: Trace, m: MarketTerms, room: noise.Noise, seed: int) -> None:
    """Fill each row of ``out`` with the factor's path of that number."""
    for path in range(out.shape[0]):
        noise.draw_noise(room, m.wanted, seed, path)
        factor_path(out[path], trace, m.law, m.crash, room.leading, seed, path)


def factors(m: MarketTerms, paths: int, seed: int = 1) -> F64:
    out = np.zeros((paths, m.rate_shock.size))
    many_factors(out, new_trace(m.rate_shock.size - 1), m, room_of(m), seed)
    return out


def prices_of(m: MarketTerms, seed: int, path: int) -> NDArray[np.int64]:
    out, room = np.zeros((m.rate_shock.size, m.price.size), np.int64), room_of(m)
    noise.draw_noise(room, m.wanted, seed, path)
    returns.fundamental_prices(out, returns.new_levels(m), m, room, seed, path)
    return out


def assert_within(sample: F64, law: float) -> None:
    """Assert that the mean of a sample lies within three of its standard errors of what the law says."""
    error = sample.std(ddof=1) / math.sqrt(sample.size)
    assert abs(sample.mean() - law) < 3 * error, (sample.mean(), law, error)


# --- a crash is met exactly -----------------------------------------------------------------------

SEEDS, DEPTHS = st.integers(0, 2**63 - 1), st.integers(1, 9500)


@settings(max_examples=200, deadline=None)
@given(SEEDS, st.integers(0, 2**31), st.sampled_from(sorted(SHAPES)), DEPTHS, st.integers(1, 20), st.booleans())
def test_the_factor_stands_on_its_depth_on_the_trough_day(
    seed: int, path: int, shape: str, depth_bp: int, trough: int, flat: bool
) -> None:
    """(M-9) ln(1 − d) to the last bit, whatever the noise, the drift and the shape."""
    m = crash(20, shape, depth_bp / 10_000, trough, flat=flat, sd=0.05, drift=0.001)
    out, room = np.zeros(21), room_of(m)
    noise.draw_noise(room, m.wanted, seed, path)
    factor_path(out, new_trace(20), m.law, m.crash, room.leading, seed, path)
    assert out[0] == 0.0
    assert out[trough] == m.crash.log_depth == math.log(1 - depth_bp / 10_000)


def test_a_gap_is_free_until_the_day_before() -> None:
    """(M-9) All the rest on one day."""
    free, gap = factors(terms(20), 50), factors(crash(20, "gap", 0.4, 12), 50)
    assert np.array_equal(gap[:, :12], free[:, :12])


def test_a_ramp_is_straight_in_price_and_has_no_noise() -> None:
    """(M-9) exp F(t) = 1 − d t / k on every path."""
    ramp = factors(crash(20, "ramp", 0.4, 10), 50)
    line = [1 - 0.4 * t / 10 for t in range(11)]
    assert np.allclose(np.exp(ramp[:, :11]), line, rtol=1e-15, atol=0)
    assert np.ptp(ramp[:, :11], axis=0).max() == 0
    assert np.ptp(ramp[:, 11:], axis=0).min() > 0


def test_a_bridge_is_the_free_path_bent_to_its_end() -> None:
    """(M-9) F(t) = W(t) + (t / k) (ln(1 − d) − W(k)), and drift cancels."""
    free, bridge = factors(terms(20), 50), factors(crash(20, "bridge", 0.4, 16), 50)
    t = np.arange(17)
    bent = free[:, :17] + t / 16 * (math.log(0.6) - free[:, 16:17])
    assert np.allclose(bridge[:, :17], bent, rtol=0, atol=1e-14)
    drifting = factors(crash(20, "bridge", 0.4, 16, drift=-0.003), 50)
    assert np.allclose(drifting[:, :17], bridge[:, :17], rtol=0, atol=1e-14)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_after_the_trough_the_factor_is_flat_or_free(shape: str) -> None:
    """(M-9) Flat stays on the depth; free takes the steps that the free factor takes."""
    free = factors(terms(20, drift=0.002), 50)
    flat = factors(crash(20, shape, 0.4, 12, flat=True, drift=0.002), 50)
    assert (flat[:, 12:] == math.log(0.6)).all()
    on = factors(crash(20, shape, 0.4, 12, drift=0.002), 50)
    assert np.allclose(np.diff(on[:, 12:]), np.diff(free[:, 12:]), rtol=0, atol=1e-14)


# --- the law of a bridge --------------------------------------------------------------------------


@compiled_only
@pytest.mark.parametrize(("depth", "mean"), [(0.2, 0.9045463102), (0.4, 0.7833600835), (0.6, 0.6396108299)])
@pytest.mark.parametrize("days", [2, 8])
def test_mean_price_of_a_bridge_half_way(depth: float, mean: float, days: int) -> None:
    """σ = 30%, T = 1, given the price at T: E[S(T/2)] = √(1 − d) exp(σ² T / 8), on any grid."""
    assert math.exp(math.log(1 - depth) / 2 + 0.3**2 / 8) == pytest.approx(mean, abs=5e-11)
    m = crash(days, "bridge", depth, days, sd=0.3 / math.sqrt(days))
    assert_within(np.exp(factors(m, 40_000)[:, days // 2]), mean)


@compiled_only
@pytest.mark.parametrize("day", [1, 3, 5, 7])
def test_mean_and_variance_of_a_log_bridge(day: int) -> None:
    """Mean (t / T) ln(1 − d), variance σ² t (T − t) / T."""
    sigma, days, end = 0.3, 8, math.log(0.6)
    m = crash(days, "bridge", 0.4, days, sd=sigma / math.sqrt(days))
    level = factors(m, 40_000)[:, day]
    at = day / days
    assert_within(level, at * end)
    assert_within((level - at * end) ** 2, sigma**2 * at * (1 - at))


@compiled_only
@pytest.mark.parametrize(("early", "late"), [(2, 6), (1, 4), (3, 7)])
def test_covariance_of_a_log_bridge(early: int, late: int) -> None:
    """σ² s (T − t) / T for s before t: a bridge forgets as the law says, not only at one day."""
    sigma, days, end = 0.3, 8, math.log(0.6)
    m = crash(days, "bridge", 0.4, days, sd=sigma / math.sqrt(days))
    off = factors(m, 40_000) - np.arange(days + 1) / days * end
    assert_within(off[:, early] * off[:, late], sigma**2 * early / days * (1 - late / days))


@compiled_only
def test_lowest_point_of_a_bridge() -> None:
    """σ = 30%, from 1 to 0.8 over T = 1: the minimum passes 0.6 with probability 0.03817116161, seen continuously.

    Seen on 400 days the barrier is as good as lower by 0.5826 σ √Δt (Broadie, Glasserman and Kou 1997).
    """
    b, end, sigma, days = math.log(0.6), math.log(0.8), 0.3, 400
    assert math.exp(-2 * b * (b - end) / sigma**2) == pytest.approx(0.03817116161, abs=5e-12)
    seen = b - 0.5825971579 * sigma / math.sqrt(days)
    m = crash(days, "bridge", 0.2, days, sd=sigma / math.sqrt(days))
    low = factors(m, 20_000).min(axis=1)
    assert_within((low <= b).astype(float), math.exp(-2 * seen * (seen - end) / sigma**2))


# --- the free factor ------------------------------------------------------------------------------


@compiled_only
@pytest.mark.parametrize(
    ("sigma", "years", "depth", "probability"),
    [
        (0.2, 1.0, 0.2, 0.10280707), (0.2, 1.0, 0.4, 0.0034241939), (0.3, 1.0, 0.2, 0.22348431),
        (0.3, 1.0, 0.4, 0.042769076), (0.3, 1.0, 0.6, 0.0010668261), (0.4, 1.0, 0.2, 0.31459797),
        (0.4, 1.0, 0.4, 0.11466935), (0.4, 1.0, 0.6, 0.013355108), (0.3, 0.25, 0.2, 0.067332429),
    ],
)
def test_probability_of_a_terminal_fall(sigma: float, years: float, depth: float, probability: float) -> None:
    """μ = 5%: P(S(T) ≤ (1 − d) S(0)) = Φ((ln(1 − d) − (μ − σ² / 2) T) / σ√T). The factor's drift is that of the log."""
    nu, root = 0.05 - sigma**2 / 2, sigma * math.sqrt(years)
    assert ndtr((math.log(1 - depth) - nu * years) / root) == pytest.approx(probability, rel=1e-7)
    steps = 4
    m = terms(steps, sd=root / math.sqrt(steps), drift=nu * years / steps)
    fell = factors(m, 200_000)[:, -1] <= math.log(1 - depth)
    assert abs(fell.mean() - probability) < 3 * math.sqrt(probability * (1 - probability) / fell.size)


@compiled_only
@pytest.mark.parametrize(
    ("sigma", "depth", "probability"), [(0.4, 0.4, 0.20812861), (0.4, 0.2, 0.57672175), (0.3, 0.4, 0.079605609)]
)
def test_probability_of_a_lowest_daily_close(sigma: float, depth: float, probability: float) -> None:
    """μ = 5%, T = 1, 252 daily closes: P(min S ≤ (1 − d) S(0)). A terminal fall of 40% at σ = 40% has only 0.115."""
    days = 252
    m = terms(days, sd=sigma / math.sqrt(days), drift=(0.05 - sigma**2 / 2) / days)
    fell = factors(m, 20_000).min(axis=1) <= math.log(1 - depth)
    assert abs(fell.mean() - probability) < 3 * math.sqrt(probability * (1 - probability) / fell.size)


# --- factors, sectors, own noise ------------------------------------------------------------------

DAYS, PATHS = 100, 100
BETA, LOADING, OWN_SD = np.array([1.2, 0.7, -0.3, 1.0]), np.array([1.0, 0.5, 1.0, 1.5]), np.array([0.02, 0.01, 0.015, 0.03])


@pytest.fixture(scope="module")
def panel() -> tuple[F64, F64]:
    """Daily log returns of the factor, and of four instruments in two sectors, over many paths."""
    m = terms(
        DAYS, price=np.full(4, 10**8), tick=np.ones(4, np.int64), beta=BETA, sector=np.array([0, 0, 1, 1]),
        sector_loading=LOADING, own_sd=OWN_SD, rate_beta=np.zeros(4), sector_sd=np.array([0.012, 0.02]), sd=0.015,
    )
    steps = [np.diff(np.log(prices_of(m, 1, path)), axis=0) for path in range(PATHS)]
    return np.diff(factors(m, PATHS)).ravel(), np.concatenate(steps)


def residuals(panel: tuple[F64, F64]) -> F64:
    return panel[1] - np.outer(panel[0], BETA)


@compiled_only
@pytest.mark.parametrize("i", range(4))
def test_betas(panel: tuple[F64, F64], i: int) -> None:
    """(M-7) Least squares of an instrument on the factor finds its beta."""
    x, y = panel[0], panel[1][:, i]
    slope = np.cov(x, y)[0, 1] / x.var(ddof=1)
    error = math.sqrt(residuals(panel)[:, i].var() / (x.size * x.var()))
    assert abs(slope - BETA[i]) < 3 * error


@compiled_only
@pytest.mark.parametrize(("i", "j", "shared"), [(0, 1, 0.5 * 0.012**2), (2, 3, 1.5 * 0.02**2)])
def test_instruments_of_a_sector_share_its_factor(panel: tuple[F64, F64], i: int, j: int, shared: float) -> None:
    """(M-7) Beyond the market their covariance is λ_i λ_j σ_s²."""
    left = residuals(panel)
    assert_within(left[:, i] * left[:, j], shared)


@compiled_only
@pytest.mark.parametrize(("i", "j"), [(0, 2), (0, 3), (1, 2), (1, 3)])
def test_instruments_of_two_sectors_share_the_market_alone(panel: tuple[F64, F64], i: int, j: int) -> None:
    left = residuals(panel)
    assert_within(left[:, i] * left[:, j], 0.0)


@compiled_only
@pytest.mark.parametrize("i", range(4))
def test_own_variance(panel: tuple[F64, F64], i: int) -> None:
    """(M-8) What market and sector leave is the instrument's own."""
    sector_sd = (0.012, 0.012, 0.02, 0.02)[i]
    assert_within(residuals(panel)[:, i] ** 2, OWN_SD[i] ** 2 + (LOADING[i] * sector_sd) ** 2)
    assert_within(residuals(panel)[:, i] * panel[0], 0.0)


def test_own_noise_is_four_to_a_counter() -> None:
    """(M-6) Instrument i takes normal i mod 4 of slot ⌊i / 4⌋, so a sixth instrument changes none of five."""

    def market(count: int) -> MarketTerms:
        return terms(
            3, price=np.full(count, 10**8), tick=np.ones(count, np.int64), beta=np.zeros(count),
            sector=np.zeros(count, np.int64), sector_loading=np.zeros(count), own_sd=np.full(count, 0.02),
            rate_beta=np.zeros(count),
        )

    five, six = prices_of(market(5), 9, 4), prices_of(market(6), 9, 4)
    assert np.array_equal(six[:, :5], five)
    z = noise.new_noise(3, 1, 5)
    noise.draw_noise(z, market(5).wanted, 9, 4)
    expected = [math.floor(10**8 * math.exp(0.02 * float(z.own[1, i])) + 0.5) for i in range(5)]
    assert five[1].tolist() == expected


def test_a_path_owes_nothing_to_the_path_before() -> None:
    """(M-5) In any order, in the same scratch, every path is what it is alone."""
    m = resolve(demo_book(60), shipped_market(), read_scenario("crash-40")).market
    out, levels, room = np.zeros((m.rate_shock.size, m.price.size), np.int64), returns.new_levels(m), room_of(m)
    for path in (5, 0, 9, 5, 1):
        noise.draw_noise(room, m.wanted, 8, path)
        returns.fundamental_prices(out, levels, m, room, 8, path)
        assert np.array_equal(out, prices_of(m, 8, path))
        assert np.array_equal(levels.market, factors(m, path + 1, 8)[path])


def test_rates_lower_prices_by_their_rate_beta() -> None:
    """(M-7) +200 bp from day 3 and a rate beta of 3: 100.00 exp(−0.06) = 94.18, for as long as it lasts."""
    shock = np.array([0, 0, 0, 0.02, 0.02])
    m = terms(4, price=np.array([100_000]), tick=np.array([10]), sd=0.0, rate_beta=np.array([3.0]), rate_shock=shock)
    assert prices_of(m, 1, 0)[:, 0].tolist() == [100_000, 100_000, 100_000, 94_180, 94_180]


@pytest.mark.parametrize(
    ("ratio", "price", "tick", "rounded"),
    [
        (0.5, 30, 10, 20), (0.5, 28, 2, 14), (0.25, 10, 1, 3), (0.1, 10, 10, 10), (0.9, 10_050, 10, 9_050), (0.7, 1_150, 10, 810),
        (1e-9, 5, 1, 1),
    ],
)
def test_prices_round_half_up_to_the_tick(ratio: float, price: int, tick: int, rounded: int) -> None:
    """(M-7) At least one tick; 10.05 × 0.9 = 9.045 gives 9.05, which the rounding errors of a double may not decide."""
    m = terms(1, price=np.array([price]), tick=np.array([tick]), sd=0.0, drift=math.log(ratio))
    assert prices_of(m, 1, 0)[1, 0] == rounded


def test_a_price_is_held_at_eight_times_its_start() -> None:
    """(M-2)"""
    m = terms(5, price=np.array([10_000]), tick=np.array([10]), sd=0.0, drift=1.0)
    assert prices_of(m, 1, 0)[:, 0].tolist() == [10_000, 27_180, 73_890, 80_000, 80_000, 80_000]


# --- drawn suspensions ----------------------------------------------------------------------------

U8 = NDArray[np.uint8]


def closed(given: U8, base_bp: int, slope: int, mean_days: int, seed: int, path: int, factor_bp: list[int]) -> U8:
    out = np.full_like(given, 7)
    closed_days(out, given, base_bp, slope, mean_days, seed, path, np.array(factor_bp, np.int64))
    return out


def closed_slowly(
    given: list[list[int]], base_bp: int, slope: int, mean_days: int, seed: int, path: int, factor_bp: list[int]
) -> list[list[int]]:
    """(M-44) in fractions, a set of days for each instrument."""
    days, out = len(given), []
    for i in range(len(given[0])):
        asleep: set[int] = set()
        for t in range(1, days):
            if t in asleep:
                continue
            fall = max(0, 10_000 - factor_bp[t])
            chance = min(10_000, base_bp + Fraction(slope * fall, 10_000) // 1)
            first, second = (int(w) for w in draws.words(seed, path, t, 5, i)[:2])
            if Fraction(first, 2**32) < Fraction(int(chance), 10_000):
                asleep |= set(range(t, t + 1 + Fraction(second * (2 * mean_days - 1), 2**32) // 1))
        out.append([int(t in asleep or bool(given[t][i])) for t in range(days)])
    return [list(row) for row in zip(*out, strict=True)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=2, max_size=15),
    st.sampled_from([0, 0, 1, 50, 3_000, 10_000]), st.sampled_from([0, 1, 2_500, 10_000, 100_000]), st.integers(1, 6), SEEDS,
    st.integers(0, 2**31), st.data(),
)
def test_suspensions_equal_the_slow_ones(
    given_days: list[list[int]], base_bp: int, slope: int, mean_days: int, seed: int, path: int, data: st.DataObject
) -> None:
    factor = data.draw(st.lists(st.integers(0, 12_000), min_size=len(given_days), max_size=len(given_days)))
    law = (base_bp, slope, mean_days, seed, path, factor)
    assert closed(np.array(given_days, np.uint8), *law).tolist() == closed_slowly(given_days, *law)


@pytest.mark.parametrize(
    ("base_bp", "slope", "factor_bp", "chance"),
    [(0, 0, 5_000, 0), (50, 0, 5_000, 50), (50, 2_500, 6_000, 1_050), (50, 2_500, 10_000, 50), (50, 2_500, 12_000, 50),
     (1, 10_000, 10_001, 1), (0, 1, 0, 1), (0, 1, 1, 0), (7, 3, 3_333, 9), (5_000, 10_000, 4_000, 10_000), (10_000, 100_000, 0, 10_000)],
)
def test_the_chance_of_a_suspension(base_bp: int, slope: int, factor_bp: int, chance: int) -> None:
    """(M-44) 0.5% and 25% of a fall of 40%: 10.5% a day; rounded down to bp, at most certain."""
    assert chance_bp(base_bp, slope, factor_bp) == chance


@compiled_only
@pytest.mark.parametrize(("base_bp", "slope", "chance"), [(200, 0, 0.02), (50, 2_500, 0.105)])
def test_how_often_suspensions_begin_and_how_long_they_last(base_bp: int, slope: int, chance: float) -> None:
    """(M-44) A suspension of one day on average is drawn each day with its chance; lengths are uniform on 1 to 2 mean − 1."""
    days, stocks = 400, 500
    given_days, factor = np.zeros((days + 1, stocks), np.uint8), [6_000] * (days + 1)
    single = closed(given_days, base_bp, slope, 1, 11, 3, factor)[1:]
    assert_within(single.ravel().astype(float), chance)
    # Draws of one day say nothing of the next one's, or of the next instrument's.
    assert_within((single[1:] * single[:-1]).ravel().astype(float), chance**2)
    assert_within((single[:, 1:] * single[:, :-1]).ravel().astype(float), chance**2)
    # Of mean length 4 an instrument is closed a share c m / (1 + c (m − 1)) of the time, once the start is forgotten: it opens
    # for 1 / c days on average, of which the last is already the first of the suspension.
    long = closed(given_days, base_bp, slope, 4, 11, 3, factor)[50:].astype(float)
    by_stock = long.mean(axis=0)
    error = by_stock.std(ddof=1) / math.sqrt(stocks)
    assert abs(by_stock.mean() - 4 * chance / (1 + chance * 3)) < 3 * error


@compiled_only
def test_lengths_of_suspensions() -> None:
    """(M-44) With a chance of one on day 1 and none later, the days closed are the length itself."""
    stocks, mean = 20_000, 5
    given_days = np.zeros((12, stocks), np.uint8)
    length = closed(given_days, 0, 10_000, mean, 5, 0, [10_000, 0, *[10_000] * 10]).sum(axis=0)
    counts = np.bincount(length, minlength=2 * mean)
    assert counts[0] == 0
    assert counts.size == 2 * mean
    for count in counts[1:]:
        p = 1 / (2 * mean - 1)
        assert abs(count / stocks - p) < 3 * math.sqrt(p * (1 - p) / stocks)


def test_a_halt_moves_no_draw() -> None:
    """(M-44) What is given lies over what is drawn, and paths differ."""
    factor = [10_000 - 100 * t for t in range(31)]
    none, all_days = np.zeros((31, 40), np.uint8), np.zeros((31, 40), np.uint8)
    all_days[5] = 1
    drawn, both = closed(none, 100, 2_500, 3, 1, 2, factor), closed(all_days, 100, 2_500, 3, 1, 2, factor)
    assert drawn.any()
    assert not drawn.all()
    assert np.array_equal(both, drawn | all_days)
    assert not np.array_equal(closed(none, 100, 2_500, 3, 1, 3, factor), drawn)
    assert not np.array_equal(closed(none, 100, 2_500, 3, 2, 2, factor), drawn)
    assert np.array_equal(closed(all_days, 0, 0, 3, 1, 2, factor), all_days)


@compiled_only
def test_the_shipped_suspensions_close_half_of_the_market_at_the_trough() -> None:
    """A quarter ten days into the fall and half at its trough, as their source says."""
    r = resolve(demo_book(60), shipped_market(), read_scenario("suspension-2015"))
    share = np.zeros(61)
    for path in range(100):
        factor_bp = (np.floor(np.exp(factors(r.market, path + 1, 1)[path]) * 10**6 + 0.5).astype(np.int64) // 100).tolist()
        share += closed(np.zeros((61, 300), np.uint8), *r.suspensions, 1, path, factor_bp).mean(axis=1) / 100
    assert (round(share[10], 2), round(share[20], 2)) == (pytest.approx(0.26, abs=0.02), pytest.approx(0.51, abs=0.02))


# --- what a scenario makes of a market ------------------------------------------------------------


def scenario(name: str, **market: object) -> Scenario:
    """Return a shipped scenario with another block of the market."""
    read = read_scenario(name)
    return read.model_copy(update={"market": read.market.model_copy(update=market)})


def test_the_deterministic_model_has_no_noise() -> None:
    """(M-10) All paths are one, and only the crash moves."""
    book = demo_book(60)
    ramp = read_scenario("crash-40").market.crash.model_copy(update={"shape": "ramp", "after": "flat"})
    m = resolve(book, shipped_market(), scenario("crash-40", model="deterministic", crash=ramp)).market
    assert np.array_equal(prices_of(m, 1, 0), prices_of(m, 2, 7))
    level = np.exp(m.beta * math.log(0.6))
    expected = [max(t, math.floor(p * x / t + 0.5) * t) for p, x, t in zip(m.price, level, m.tick, strict=True)]
    assert prices_of(m, 1, 0)[m.crash.trough_day].tolist() == prices_of(m, 1, 0)[-1].tolist() == expected
    still = resolve(book, shipped_market(), scenario("baseline", model="deterministic")).market
    assert (prices_of(still, 3, 5) == still.price).all()


def test_baseline_and_crash_share_their_weather() -> None:
    """(M-5) The scenario is no part of a counter: but for the factor's path, every price moves alike."""
    book = demo_book(60)
    base = resolve(book, shipped_market(), read_scenario("baseline")).market
    shocked = resolve(book, shipped_market(), read_scenario("crash-40")).market
    gap = shocked._replace(crash=shocked.crash._replace(shape=SHAPE_GAP))
    for path in (0, 5):
        before = slice(gap.crash.trough_day)
        assert np.array_equal(prices_of(gap, 3, path)[before], prices_of(base, 3, path)[before])
        apart = factors(shocked, path + 1, 3)[path] - factors(base, path + 1, 3)[path]
        assert np.ptp(apart) > 0.3
        moved = np.log(prices_of(shocked, 3, path)) - np.log(prices_of(base, 3, path))
        least = np.minimum(prices_of(shocked, 3, path), prices_of(base, 3, path))
        # Two prices are each rounded by half a tick at most.
        assert (np.abs(moved - np.outer(apart, base.beta)) <= 1.01 * base.tick / least).all()


def test_a_volatility_multiplier_scales_all_noise() -> None:
    """(M-8)"""
    book = demo_book(60)
    once = resolve(book, shipped_market(), read_scenario("baseline")).market
    twice = resolve(book, shipped_market(), scenario("baseline", volatility_multiplier=2.0)).market
    assert once.law.sd == pytest.approx(0.191104 / math.sqrt(252), rel=1e-15)
    assert twice.law.sd == 2 * once.law.sd
    assert np.array_equal(twice.own_sd, 2 * once.own_sd)
    assert np.array_equal(twice.sector_sd, 2 * once.sector_sd)


def test_drift_is_a_years_spread_over_its_days() -> None:
    """(M-8) μ / 252 a day, on the logarithm; none in the deterministic model."""
    rising = shipped_market().model_copy(update={"market": shipped_market().market.model_copy(update={"drift_pct": 6.3})})
    book = demo_book(60)
    assert resolve(book, rising, read_scenario("baseline")).market.law.drift == pytest.approx(0.063 / 252, rel=1e-15)
    assert resolve(book, rising, scenario("baseline", model="deterministic")).market.law.drift == 0.0


def test_total_variance_is_the_books() -> None:
    """(M-8) Market, sector and own parts add up to the square of the volatility."""
    book = demo_book(60)
    m = resolve(book, shipped_market(), read_scenario("baseline")).market
    parts = (m.beta * m.law.sd) ** 2 + (m.sector_loading * m.sector_sd[m.sector]) ** 2 + m.own_sd**2
    stocks = book.tables["instruments"]
    assert np.allclose(np.sqrt(252 * parts), stocks["volatility_pct"] / 100, rtol=1e-12)


def test_a_negative_own_variance_is_refused() -> None:
    """(M-8) Every instrument whose market part alone exceeds its volatility is named."""
    loud = shipped_market().model_copy(update={"market": shipped_market().market.model_copy(update={"volatility_pct": 60.0})})
    book = demo_book(60)
    with pytest.raises(InputError) as refused:
        resolve(book, loud, read_scenario("baseline"))
    stocks = book.tables["instruments"]
    broken = stocks["volatility_pct"] / 100 < np.hypot(stocks["beta"] * 0.6, 0.08)
    assert 0 < broken.sum() == len(refused.value.faults)
    for fault, name in zip(refused.value.faults, stocks["instrument_id"][broken], strict=True):
        assert fault.column == "volatility_pct"
        assert f"alone give {name} by" in fault.rule


# --- calibration ----------------------------------------------------------------------------------


def test_volatility_of_the_shipped_index_by_hand() -> None:
    """Sample deviation of 5,030 daily log returns × √252, and its error by the fourth moment, in plain Python."""
    closes = [float(x) for x in shipped_index()]
    r = [math.log(b / a) for a, b in itertools.pairwise(closes)]
    assert len(r) == 5030
    mean = math.fsum(r) / len(r)
    s2 = math.fsum((x - mean) ** 2 for x in r) / (len(r) - 1)
    m4 = math.fsum((x - mean) ** 4 for x in r) / len(r)
    error = math.sqrt((m4 - s2**2) / len(r)) / (2 * math.sqrt(s2))
    found = index_volatility(shipped_index())
    assert found == pytest.approx((100 * math.sqrt(252 * s2), 100 * math.sqrt(252) * error), rel=1e-9)
    assert found[0] == pytest.approx(100 * math.sqrt(252) * statistics.stdev(r), rel=1e-9)
    assert (round(found[0], 2), round(found[1], 2)) == (19.11, 0.43)
    factor = shipped_market().market
    assert (factor.volatility_pct, factor.volatility_error_pct) == (round(found[0], 4), round(found[1], 4))


@compiled_only
def test_the_error_of_a_volatility_is_its_spread() -> None:
    """Over 400 normal samples of 250 days the standard deviation of the estimate is the error that it states."""
    found = [index_volatility(closes(walk(0.012, 250, at))) for at in range(400)]
    spread = statistics.stdev(v for v, _ in found)
    stated = statistics.mean(e for _, e in found)
    assert abs(spread / stated - 1) < 3 / math.sqrt(2 * 400) + 0.02


def walk(sd: float, days: int, slot: int) -> F64:
    """Return daily log returns from a fixed seed."""
    return sd * np.array([draws.leading_normal(77, 0, t, draws.STREAM_DEMO, slot) for t in range(days)])


def closes(r: F64, name: str = "an index") -> pd.Series:
    dates = pd.bdate_range("2013-01-01", periods=r.size + 1)
    return pd.Series(100 * np.exp(np.concatenate([[0.0], np.cumsum(r)])), index=dates, name=name)


TRUE_BETA = {"A": 1.3, "B": 0.8, "C": 1.0, "D": 0.4}
TRUE_SECTOR = {"A": "steel", "B": "steel", "C": "banks", "D": "banks"}


def synthetic_panel(days: int = 900) -> tuple[pd.DataFrame, pd.Series]:
    """Return closes of four names that load on an index and on one of two sector factors."""
    market = walk(0.013, days, 0)
    sector = {"steel": walk(0.010, days, 1), "banks": walk(0.006, days, 2)}
    names = {
        n: closes(b * market + sector[TRUE_SECTOR[n]] + walk(0.015, days, 3 + at)) for at, (n, b) in enumerate(TRUE_BETA.items())
    }
    return pd.DataFrame(names), closes(market)


@pytest.fixture(scope="module")
def calibrated() -> Market:
    prices, index = synthetic_panel()
    return calibrate(History.of(prices, index, TRUE_SECTOR), title="synthetic", source="made by a test").market


@pytest.mark.parametrize("name", sorted(TRUE_BETA))
def test_calibration_finds_the_betas(calibrated: Market, name: str) -> None:
    """Inside three of the errors that it states, which are those of least squares."""
    loading = calibrated.instruments[name]
    assert abs(loading.beta - TRUE_BETA[name]) < 3 * loading.beta_error
    residual_sd = math.hypot(0.015, 0.010 if TRUE_SECTOR[name] == "steel" else 0.006)
    assert loading.beta_error == pytest.approx(residual_sd / (0.013 * math.sqrt(900)), rel=0.1)


def test_calibration_finds_the_index_and_the_sectors(calibrated: Market) -> None:
    year = 100 * math.sqrt(252)
    factor = calibrated.market
    assert abs(factor.volatility_pct - 0.013 * year) < 3 * factor.volatility_error_pct
    for name, sd in (("steel", 0.010), ("banks", 0.006)):
        # The sample covariance of two residuals of variance v and covariance c has variance (v² + c²) / n.
        v, c = sd**2 + 0.015**2, sd**2
        error = year * math.sqrt((v**2 + c**2) / 900) / (2 * sd)
        assert abs(calibrated.sectors[name].volatility_pct - sd * year) < 3 * error


def test_a_calibrated_market_resolves(calibrated: Market) -> None:
    """(M-8) The volatilities that it states leave every own variance positive."""
    for name, loading in calibrated.instruments.items():
        shared = (loading.beta * calibrated.market.volatility_pct) ** 2
        shared += calibrated.sector_volatility_pct(TRUE_SECTOR[name]) ** 2
        assert loading.volatility_pct**2 > shared
    assert (calibrated.from_date, calibrated.to_date) == ("2013-01-01", "2016-06-14")


def test_a_halt_leaves_betas_without_bias() -> None:
    """A return over a halt spans several days and is left out."""
    prices, index = synthetic_panel()
    halted = prices.copy()
    halted.iloc[100:160, 0] = np.nan
    halted.iloc[160:, 0] *= 3.0  # resumes at three times the price
    loading = calibrate(History.of(halted, index, TRUE_SECTOR)).market.instruments["A"]
    assert abs(loading.beta - TRUE_BETA["A"]) < 3 * loading.beta_error


def refused(prices: pd.DataFrame, index: pd.Series, sectors: dict[str, str] = TRUE_SECTOR) -> list[str]:
    """Return which columns a calibration refuses, with the value if one is named."""
    with pytest.raises(InputError) as found:
        calibrate(History.of(prices, index, sectors))
    return [f"{f.column}" if f.value is None else f"{f.column} {f.value}" for f in found.value.faults]


def test_short_series_are_refused_by_name() -> None:
    """Fewer than 60 common daily returns give no beta."""
    prices, index = synthetic_panel(200)
    prices.iloc[60:, 1] = np.nan
    prices.iloc[::2, 3] = np.nan
    assert refused(prices, index) == ["B", "D"]
    prices.iloc[:61, 1] = 100.0
    prices["D"] = prices["A"]
    assert calibrate(History.of(prices, index, TRUE_SECTOR)).betas["B"].least_squares.value == 0.0


@pytest.mark.parametrize("days", [0, 1, 30, 59])
def test_a_short_index_is_refused(days: int) -> None:
    prices, index = synthetic_panel(days)
    assert refused(prices, index) == ["an index"]


@pytest.mark.parametrize("close", [0.0, -1.0])
def test_closes_that_are_not_positive_are_refused_by_name(close: float) -> None:
    prices, index = synthetic_panel(100)
    prices.iloc[50, 1] = close
    prices.iloc[70, 3] = close
    assert refused(prices, index) == [f"B {close}", f"D {close}"]
    prices, index = synthetic_panel(100)
    index.iloc[7] = close
    assert refused(prices, index) == [f"an index {close}"]
    index.iloc[7] = np.nan
    assert refused(prices, index) == ["an index nan"]


def test_an_index_that_stands_still_is_refused() -> None:
    prices, index = synthetic_panel(100)
    assert refused(prices, index * 0 + 100) == ["an index"]


def test_days_may_stand_in_any_order_but_once() -> None:
    prices, index = synthetic_panel(100)
    backwards = History.of(prices.iloc[::-1], index.iloc[::-1], TRUE_SECTOR)
    assert calibrate(backwards).market == calibrate(History.of(prices, index, TRUE_SECTOR)).market
    again = pd.concat([index, index.iloc[-1:]])
    assert refused(prices, again) == [f"an index {index.index[-1].date()}"]


def test_an_instrument_without_a_sector_is_refused() -> None:
    prices, index = synthetic_panel(100)
    assert refused(prices, index, {"A": "steel", "C": "banks", "D": "banks"}) == ["B"]


# --- files ----------------------------------------------------------------------------------------

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
SIZES = st.floats(0, 500)


@settings(deadline=None)
@given(
    NAMES, NAMES, st.dictionaries(NAMES, SIZES, max_size=3),
    st.dictionaries(NAMES, st.builds(Loading, beta=st.none() | st.floats(-20, 20), sector=st.floats(-20, 20),
                                     beta_error=st.none() | SIZES, volatility_pct=st.none() | SIZES), max_size=3),
    st.sampled_from(["gbm", "deterministic"]), SIZES, st.none() | SIZES, st.floats(-100, 100),
)
def test_a_market_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, title: str, source: str, sectors: dict[str, float],
    loadings: dict[str, Loading], model: str, volatility: float, error: float | None, drift: float,
) -> None:
    """Whatever the names, and to the last bit of every number."""
    market = Market(
        title=title, source=source, from_date="2013-01-01",
        market=MarketFactor(
            index=title, model=model, volatility_pct=volatility, volatility_error_pct=error, drift_pct=drift, source=source
        ),
        sectors={name: SectorFactor(volatility_pct=v) for name, v in sectors.items()},
        default_sector=SectorFactor(volatility_pct=volatility), instruments=loadings,
    )
    path = tmp_path_factory.mktemp("market") / "market.toml"
    write_market(market, path)
    again = read_market(path)
    assert again == market
    assert again.digest == market.digest


def test_the_shipped_and_a_calibrated_market_survive_their_files(tmp_path: Path, calibrated: Market) -> None:
    for at, market in enumerate((shipped_market(), calibrated)):
        path = tmp_path / f"{at}.toml"
        write_market(market, path)
        assert read_market(path) == market
    written = (tmp_path / "1.toml").read_text(encoding="utf-8")
    assert "[instruments.\"A\"]" in written


def test_a_book_of_an_unknown_board_date_is_refused() -> None:
    """No board has rules before its first day."""
    early = replace(demo_book(60), as_of=datetime.date(2015, 6, 12))
    with pytest.raises(InputError) as refused_book:
        resolve(early, shipped_market(), read_scenario("baseline"))
    assert {f.value for f in refused_book.value.faults} == {"star"}
