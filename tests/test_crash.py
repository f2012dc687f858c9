"""A crash by three definitions under every law: met exactly, drawn from the law given that it happens, or refused.

Conditioned paths are held against brute force: crude paths of the free law that happen to fall into a narrow window around the crash.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampled_factors import F64, FREE, SD, Sample, assert_within, garch, gbm, heston, jump, regime

from stresslab.drivers import student
from stresslab.kernels.crash import ATTEMPTS_MOST, Crash
from stresslab.kernels.factors import DRAWDOWN, MINIMUM, SHAPE_BRIDGE, SHAPE_GAP, SHAPE_PATH, SHAPE_RAMP, TERMINAL
from stresslab.kernels.laws import LAW_CHAIN, LAW_GARCH, LAW_GBM, TOLD_ATTEMPTS, TOLD_EFFECTIVE, TOLD_FAILED, FactorLaw
from stresslab.market import first_passage
from stresslab.market.conditioned import guided_crash, tilted

compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes as plain Python, without the JIT")
LAWS: dict[str, Callable[[], FactorLaw]] = {
    "gbm": gbm, "falling gbm": lambda: gbm(-0.002), "jump": jump, "regime": regime, "garch": garch,
    "garch t": lambda: garch(student(5.0), 5.0), "heston": heston,
}
DEFINITIONS = {"terminal": TERMINAL, "minimum": MINIMUM, "drawdown": DRAWDOWN}
SHAPES = {"gap": SHAPE_GAP, "ramp": SHAPE_RAMP, "bridge": SHAPE_BRIDGE}


def crash(law: FactorLaw, days: int, trough: int, depth: float, definition: int, shape: int = SHAPE_BRIDGE, flat: bool = False) -> Crash:
    """Return a crash with all that its law needs."""
    fall = Crash(shape, trough, math.log(1 - depth), flat, definition)
    if shape != SHAPE_BRIDGE:
        return fall
    if law.model in (LAW_GBM, LAW_CHAIN):
        return fall._replace(tilt=tilted(law, trough, fall.log_depth, definition))
    return guided_crash(law, fall, days)


def drawdowns(level: F64) -> F64:
    return np.maximum.accumulate(level, axis=1) - level


def assert_met(sample: Sample, fall: Crash) -> None:
    """Assert that every path has its crash to the last digits, and that no other day passes it where the definition says so."""
    level, k = sample.level, fall.trough_day
    assert np.isfinite(level).all()
    assert (level[:, 0] == 0).all()
    if fall.definition == DRAWDOWN:
        deep = drawdowns(level)
        assert np.allclose(deep[:, k], -fall.log_depth, rtol=0, atol=1e-13)
        assert deep.max() <= -fall.log_depth + 1e-13
        return
    assert (level[:, k] == fall.log_depth).all()
    if fall.definition == MINIMUM:
        assert level.min() >= fall.log_depth - 1e-13


# --- met exactly ----------------------------------------------------------------------------------


@pytest.mark.parametrize("law", sorted(LAWS))
@pytest.mark.parametrize("definition", sorted(DEFINITIONS))
@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize("flat", [False, True])
def test_every_law_meets_every_crash(law: str, definition: str, shape: str, flat: bool) -> None:
    """(M-60) 15% within 8 of 14 days, under three definitions and in three shapes."""
    taken = LAWS[law]()
    fall = crash(taken, 14, 8, 0.15, DEFINITIONS[definition], SHAPES[shape], flat)
    sample = Sample(taken, 14, 40, fall)
    assert_met(sample, fall)
    after = sample.level[:, 8:]
    assert (np.ptp(after, axis=1) == 0).all() if flat else np.ptp(after, axis=1).min() > 0
    led = taken.model not in (LAW_GBM, LAW_CHAIN) and shape == "bridge"
    assert (sample.told[:, TOLD_EFFECTIVE] > 0).all() == led
    assert len({tuple(row) for row in sample.level[:, 1:8].tolist()}) == (1 if shape == "ramp" else 40)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["gbm", "jump", "regime"]), st.sampled_from(sorted(DEFINITIONS)), st.integers(300, 6000), st.integers(1, 12),
    st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1),
)
def test_exact_draws_meet_any_depth_on_any_day(law: str, definition: str, depth_bp: int, trough: int, seed: int, path: int) -> None:
    taken = LAWS[law]()
    fall = crash(taken, 12, trough, depth_bp / 10_000, DEFINITIONS[definition])
    assert_met(Sample(taken, 12, 1, fall, seed, path), fall)


def test_a_path_owes_nothing_to_the_path_before() -> None:
    """(M-5) Rejections and candidates come from counters of the path alone."""
    for name in ("regime", "garch"):
        law = LAWS[name]()
        fall = crash(law, 14, 8, 0.15, DRAWDOWN)
        together = Sample(law, 14, 6, fall)
        for path in (5, 2):
            assert np.array_equal(Sample(law, 14, 1, fall, first=path).level[0], together.level[path])


@pytest.mark.parametrize("law", sorted(LAWS))
def test_days_outside_the_crash_keep_their_weather(law: str) -> None:
    """(M-5) A gap is the free path until the day before; after the trough a terminal crash takes the steps of the path's own normals."""
    taken = LAWS[law]()
    free = Sample(taken, 20, 20)
    gap = Sample(taken, 20, 20, crash(taken, 20, 12, 0.2, TERMINAL, SHAPE_GAP))
    assert np.array_equal(gap.level[:, :12], free.level[:, :12])
    if taken.model in (LAW_GBM, LAW_CHAIN):
        assert np.allclose(np.diff(gap.level[:, 12:]), np.diff(free.level[:, 12:]), rtol=0, atol=1e-15)
    if taken.model == LAW_GBM:
        bridge = Sample(taken, 20, 20, crash(taken, 20, 12, 0.2, TERMINAL))
        assert np.allclose(np.diff(bridge.level[:, 12:]), np.diff(free.level[:, 12:]), rtol=0, atol=1e-15)


def test_the_variance_of_garch_reacts_to_what_happened() -> None:
    """(M-58) On a gap, a ramp, a bridge and a given path alike: h' from the return of the day."""
    law, g = garch(), garch().garch
    levels = np.log(np.array([100, 99, 90, 91, 80.0]) / 100)
    falls = [crash(law, 14, 8, 0.3, TERMINAL, shape) for shape in SHAPES.values()]
    for fall in (*falls, Crash(SHAPE_PATH, 4, float(levels[-1]), False, levels=levels)):
        sample = Sample(law, 14, 5, fall)
        e = np.diff(sample.level) - law.drift
        for t in range(14):
            h = sample.variance[:, t]
            wanted = g.omega + (g.alpha + g.gamma * (e[:, t] < 0)) * e[:, t] ** 2 + g.beta * h
            assert np.allclose(sample.variance[:, t + 1], wanted, rtol=1e-12)
    assert np.array_equal(sample.level[:, :5], np.tile(levels, (5, 1)))


# --- against brute force --------------------------------------------------------------------------

DAYS, TROUGH, DEPTH = 9, 6, 0.05
#: What is compared: levels on the way, how far and how wildly days move before and after the trough.
FEATURES: dict[str, Callable[[F64], F64]] = {
    "level of day 2": lambda x: x[:, 2],
    "level of day 5": lambda x: x[:, 5],
    "square of day 3": lambda x: x[:, 3] ** 2,
    "largest day to the trough": lambda x: np.abs(np.diff(x[:, : TROUGH + 1])).max(axis=1),
    "squares to the trough": lambda x: (np.diff(x[:, : TROUGH + 1]) ** 2).sum(axis=1),
    "highest level": lambda x: x.max(axis=1),
    "rise after it": lambda x: x[:, DAYS] - x[:, TROUGH],
    "squares after it": lambda x: (np.diff(x[:, TROUGH:]) ** 2).sum(axis=1),
}


def brute(law: FactorLaw, definition: int, window: float, paths: int) -> F64:
    """Free paths that happen to meet the crash within a window, chunk by chunk."""
    kept = []
    for first in range(0, paths, 200_000):
        level = Sample(law, DAYS, 200_000, seed=77, first=first).level
        if definition == DRAWDOWN:
            deep = drawdowns(level)
            here = (np.abs(deep[:, TROUGH] + math.log(1 - DEPTH)) < window) & (deep.max(axis=1) <= deep[:, TROUGH])
        else:
            here = np.abs(level[:, TROUGH] - math.log(1 - DEPTH)) < window
            if definition == MINIMUM:
                here &= level.min(axis=1) >= level[:, TROUGH]
        kept.append(level[here])
    return np.concatenate(kept)


def misled(fall: Crash) -> Crash:
    """Return a crash whose guide says half of what a day is worth, and leans to high ones, with more candidates."""
    table = 0.5 * fall.guide.log_worth + 8.0 * np.arange(fall.guide.log_worth.shape[1])[None, :, None] * fall.guide.height[1]
    return fall._replace(guide=fall.guide._replace(log_worth=table, candidates=256))


def assert_like_brute_force(
    name: str, definition: int, paths: int, crude: int, window: float, change: Callable[[Crash], Crash] = lambda fall: fall
) -> None:
    law = LAWS[name]()
    fall = change(crash(law, DAYS, TROUGH, DEPTH, definition))
    paths = paths if law.model in (LAW_GBM, LAW_CHAIN) else paths // 2
    led, happened = Sample(law, DAYS, paths, fall).level, brute(law, definition, window, crude)
    assert len(happened) > 200
    for feature, of in FEATURES.items():
        a, b = of(led), of(happened)
        error = math.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size)
        assert abs(a.mean() - b.mean()) < 3.5 * error, (feature, a.mean(), b.mean(), error)


@compiled_only
@pytest.mark.parametrize("name", sorted(LAWS))
@pytest.mark.parametrize("definition", sorted(DEFINITIONS))
def test_conditioned_paths_are_those_that_happen_to_crash(name: str, definition: str) -> None:
    """(M-60) Means of eight functions of the path; 3.5 errors, as 168 means are compared."""
    assert_like_brute_force(name, DEFINITIONS[definition], 4_000, 400_000, 0.002)


@compiled_only
@pytest.mark.parametrize(("name", "definition"), [
    ("garch", TERMINAL), pytest.param("garch t", MINIMUM, marks=pytest.mark.long), pytest.param("heston", TERMINAL, marks=pytest.mark.long),
])
def test_a_guide_that_misleads_costs_candidates_and_moves_nothing(name: str, definition: int) -> None:
    """(M-60) Weights put right what a wrong table did: the same law, from fewer effective candidates."""
    law = LAWS[name]()
    fall = crash(law, DAYS, TROUGH, DEPTH, definition)
    parts = [Sample(law, DAYS, 60, f).told[:, TOLD_EFFECTIVE].mean() / f.guide.candidates for f in (fall, misled(fall))]
    assert parts[1] < 0.7 * parts[0]
    assert parts[1] * 256 > 20
    assert_like_brute_force(name, definition, 3_000, 400_000, 0.002, misled)


@compiled_only
@pytest.mark.long
@pytest.mark.parametrize("name", sorted(LAWS))
@pytest.mark.parametrize("definition", sorted(DEFINITIONS))
def test_conditioned_paths_are_those_that_happen_to_crash_at_length(name: str, definition: str) -> None:
    """(M-60) Fifteen and 25 times the paths, a window of half the width."""
    assert_like_brute_force(name, DEFINITIONS[definition], 60_000, 10_000_000, 0.001)


@compiled_only
def test_a_bridge_of_jumps_has_the_jumps_of_its_end() -> None:
    """(M-60) Given the fall the number of jumps N has P(N | F(k)) ∝ Poisson(N; k λ) φ(F(k); means, variances), in closed form."""
    from scipy.stats import norm, poisson

    law, k, b = jump(), 8, math.log(0.75)
    sample = Sample(law, k, 20_000, crash(law, k, k, 0.25, TERMINAL))
    count = np.arange(60)
    mean, variance = -0.02 * (count - 0.8), k * 0.009**2 + count * 0.015**2
    share = poisson.pmf(count, 0.8) * norm.pdf(b, mean, np.sqrt(variance))
    assert_within(sample.state[:, 1:].sum(axis=1).astype(float), float(share @ count / share.sum()))
    assert share @ count / share.sum() > 5  # where 0.8 come by themselves


@compiled_only
def test_a_bridge_of_regimes_has_the_regimes_of_its_end() -> None:
    """(M-60) Given the fall the number of wild days has the law of its sums, counted over all 2^k chains."""
    law, k, b = regime(), 8, math.log(0.85)
    c = law.chain
    moves = np.diff(c.cumulative, axis=1, prepend=0.0)
    share = np.zeros(k + 1)
    for number in range(2**k):
        days = [number >> t & 1 for t in range(k)]
        p = moves[2, days[0]] * math.prod(moves[s, t] for s, t in itertools.pairwise(days))
        mean, variance = c.mean[days].sum(), (c.sd[days] ** 2).sum()
        share[sum(days)] += p * math.exp(-((b - mean) ** 2) / (2 * variance)) / math.sqrt(variance)
    wild = Sample(law, k, 20_000, crash(law, k, k, 0.15, TERMINAL)).state[:, 1:].sum(axis=1)
    for days in range(k + 1):
        p = share[days] / share.sum()
        assert abs((wild == days).mean() - p) < 3.5 * math.sqrt(p * (1 - p) / wild.size) + 1e-9


@compiled_only
def test_the_peak_of_a_drawdown_has_its_law() -> None:
    """(M-60) Of a walk without drift: P(peak on day j | crash) ∝ P(j is a record) × density of what is left, by convolution."""
    sd, k, a, step = 0.012, 6, 0.04, 0.0002
    grid = np.arange(-a, a + step / 2, step)
    law = FactorLaw(LAW_GBM, sd, 0.0)
    kernel_ = np.exp(-((grid[:, None] - grid[None, :]) ** 2) / (2 * sd**2)) / math.sqrt(2 * math.pi) / sd * step
    below = grid <= 1e-12
    # Days after the peak stay between it and the barrier; days before it, seen backwards, never above it.
    share = np.zeros(k)
    for j in range(k):
        m = k - j
        rest = np.where(np.abs(grid) < step / 2, 1.0, 0.0)
        for _ in range(m - 1):
            rest = np.where(below, kernel_ @ rest, 0.0)
        density = float(np.exp(-((-a - grid) ** 2) / (2 * sd**2)) @ rest)
        share[j] = density * math.comb(2 * j, j) / 4**j
    level = Sample(law, k, 40_000, crash(law, k, k, 1 - math.exp(-a), DRAWDOWN)).level
    peak = level.argmax(axis=1)
    for j in range(k):
        p = share[j] / share.sum()
        # A drawdown before the peak as deep as the crash is all but impossible here.
        assert abs((peak == j).mean() - p) < 3.5 * math.sqrt(p * (1 - p) / peak.size) + 0.002


# --- what cannot be found is said -----------------------------------------------------------------


@compiled_only
def test_a_path_that_is_not_found_is_no_path() -> None:
    """(M-60) A walk that falls by ten deviations a day never stays above its trough: nothing is passed off as a path."""
    law = FactorLaw(LAW_GBM, 0.001, -0.01)
    sample = Sample(law, 10, 1, crash(law, 10, 3, 0.05, MINIMUM))
    assert np.isnan(sample.level).all()
    assert sample.told[0, TOLD_FAILED] == 1
    assert sample.told[0, TOLD_ATTEMPTS] >= ATTEMPTS_MOST


@pytest.mark.parametrize("name", ["garch", "garch t", "heston"])
@pytest.mark.parametrize("definition", sorted(DEFINITIONS))
def test_candidates_are_led_well(name: str, definition: str) -> None:
    """(M-60) A fall of 40% in 20 days, ten times what the law does by itself: at least a tenth of all candidates count on average."""
    law = LAWS[name]()
    fall = crash(law, 25, 20, 0.4, DEFINITIONS[definition])
    effective = Sample(law, 25, 8, fall).told[:, TOLD_EFFECTIVE]
    assert (effective <= fall.guide.candidates).all()
    assert effective.mean() > fall.guide.candidates / 10


# --- closed laws ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sigma", "years", "depth", "terminal", "continuous", "daily"),
    [
        (0.2, 1, 0.2, 0.10280707, 0.22236889, 0.20825463), (0.2, 1, 0.4, 0.0034241939, 0.0071913110, 0.0064321342),
        (0.2, 1, 0.6, 1.1145886e-06, 2.2985444e-06, 1.9166654e-06), (0.3, 1, 0.2, 0.22348431, 0.45133299, 0.42943972),
        (0.3, 1, 0.4, 0.042769076, 0.086126664, 0.079605609), (0.3, 1, 0.6, 0.0010668261, 0.0021436313, 0.0018944294),
        (0.4, 1, 0.2, 0.31459797, 0.60100146, 0.57672175), (0.4, 1, 0.4, 0.11466935, 0.22146428, 0.20812861),
        (0.4, 1, 0.6, 0.013355108, 0.026041628, 0.023693370), (0.3, 0.25, 0.2, 0.067332429, 0.13516105, 0.11698360),
        (0.3, 0.25, 0.4, 0.00032027385, 0.00064192183, 0.00048906662),
    ],
)
def test_probability_of_a_fall(sigma: float, years: float, depth: float, terminal: float, continuous: float, daily: float) -> None:
    """(M-63) Drift of the price 5%; to the printed digit."""
    law = (depth, sigma, 0.05 - sigma**2 / 2, years)
    assert first_passage.terminal_probability(*law) == pytest.approx(terminal, rel=5e-8)
    assert first_passage.minimum_probability(*law) == pytest.approx(continuous, rel=5e-8)
    assert first_passage.minimum_probability(*law, per_year=252) == pytest.approx(daily, rel=5e-8)


@pytest.mark.parametrize(
    ("fall", "probability"),
    [(0.5, 0.9908430097), (1, 0.6292225702), (1.5, 0.2672152144), (2, 0.0910005238), (2.5, 0.0248386613), (3, 0.0053995921)],
)
def test_largest_drawdown_of_standard_motion(fall: float, probability: float) -> None:
    assert first_passage.drawdown_probability(fall, 1, 0, 1) == pytest.approx(probability, abs=5.1e-11)


@pytest.mark.parametrize(
    ("sigma", "values"),
    [
        (0.2, (0.47903726, 0.015100158, 4.7400e-06)), (0.3, (0.86031180, 0.17343698, 0.0043073085)),
        (0.4, (0.97873720, 0.42739173, 0.050777001)),
    ],
)
def test_largest_drawdown_in_percent(sigma: float, values: tuple[float, ...]) -> None:
    """(M-63) P(drawdown of 20, 40, 60%) at 5% drift of the price over a year."""
    for depth, value in zip((0.2, 0.4, 0.6), values, strict=True):
        found = first_passage.drawdown_probability(-math.log(1 - depth), sigma, 0.05 - sigma**2 / 2, 1)
        assert found == pytest.approx(value, rel=4e-6 if value < 1e-5 else 5e-8)


@pytest.mark.parametrize(
    ("nu", "sigma", "years", "expected"),
    [
        (0.1, 0.2, 1, 0.21372062), (-0.1, 0.2, 1, 0.29730129), (0, 0.3, 1, 0.37599424), (-0.05, 0.3, 1, 0.39761648),
        (0, 0.25, 0.25, 0.15666427),
    ],
)
def test_expected_largest_drawdown(nu: float, sigma: float, years: float, expected: float) -> None:
    assert first_passage.expected_drawdown(sigma, nu, years) == pytest.approx(expected, abs=6e-9)


@pytest.mark.parametrize(
    ("x", "rising", "falling"),
    [
        (0.0005, 0.019610, 0.020026), (0.01, 0.084599, 0.092922), (0.1, 0.242840, 0.326344), (0.5, 0.462538, 0.885794),
        (1.0, None, 1.446603), (1.5, 0.667842, None), (2.0, None, 2.484662), (4.5, 0.903861, None), (5.0, None, 5.499341),
        (10, 1.087539, None), (50, 1.474999, None),
    ],
)
def test_the_two_functions_of_the_drift(x: float, rising: float | None, falling: float | None) -> None:
    """E = (2 σ² / n) Q(x), x = n² T / (2 σ²), for a drift n that rises or falls; at x = 5 by the series in 40 digits, 5.4993405."""
    nu = math.sqrt(2 * x)
    for value, sign in ((rising, 1), (falling, -1)):
        if value is not None:
            assert first_passage.expected_drawdown(1, sign * nu, 1) * nu / 2 == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize("fall", [1.0, 2.0, 4.0])
def test_largest_drawdown_of_a_steep_fall_solves_its_equation(fall: float) -> None:
    """du/dt = half the second derivative less drift × the first on (0, h), reflected at 0, absorbed at h, on two grids."""
    from scipy.linalg import solve_banded

    nu = -math.sqrt(10.0)

    def survival(cells: int, steps: int) -> float:
        dx, dt = fall / cells, 1.0 / steps
        a, b = 0.5 / dx**2, -nu / (2 * dx)
        low, up, here = np.full(cells, a - b), np.full(cells, a + b), -2 * a
        up[0], low[0] = 2 * a, 0.0
        u = np.ones(cells)
        for weight, width in [(1.0, dt / 4)] * 8 + [(0.5, dt)] * (steps - 2):
            right = u + (1 - weight) * width * (here * u + np.append(up[:-1] * u[1:], 0) + np.insert(low[1:] * u[:-1], 0, 0))
            band = np.zeros((3, cells))
            band[1], band[0, 1:], band[2, :-1] = 1 - weight * width * here, -weight * width * up[:-1], -weight * width * low[1:]
            u = solve_banded((1, 1), band, right)
        return float(u[0])

    coarse, fine = survival(400, 800), survival(800, 1600)
    assert 1 - first_passage.drawdown_probability(fall, 1, nu, 1) == pytest.approx(fine + (fine - coarse) / 3, abs=2e-8)


def test_the_series_at_the_edges() -> None:
    """No jump where a passes one, none where the drift passes zero; a steep fall is refused where the digits end."""
    sides = [first_passage.drawdown_probability(0.4, 0.3, nu, 1) for nu in (0.225 * (1 - 1e-6), 0.225, 0.225 * (1 + 1e-6))]
    assert max(sides) - min(sides) < 1e-6
    none = [first_passage.drawdown_probability(0.4, 0.3, nu, 1) for nu in (-1e-7, 0.0, 1e-7)]
    assert max(none) - min(none) < 1e-6
    with pytest.raises(ValueError, match="five deviations"):
        first_passage.expected_drawdown(0.1, -0.6, 1)


def test_expected_time_to_a_drawdown() -> None:
    assert first_passage.expected_time_to_drawdown(0.3, 0.2, 0.1) == pytest.approx(3.963378141, abs=5e-10)
    assert first_passage.expected_time_to_drawdown(0.3, 0.2, 0.0) == pytest.approx(2.25, rel=1e-12)
    assert first_passage.expected_time_to_drawdown(0.3, 0.2, 1e-8) == pytest.approx(2.25, rel=1e-5)


@compiled_only
@pytest.mark.parametrize(("sigma", "depth"), [(0.3, 0.4), (0.4, 0.4)])
def test_daily_paths_fall_as_often_as_the_closed_laws_say(sigma: float, depth: float) -> None:
    """252 closes: the lowest with the correction; the largest drawdown, which is seen at two ends, between shifts of one and of two."""
    days, nu = 252, 0.05 - sigma**2 / 2
    law = FactorLaw(LAW_GBM, sigma / math.sqrt(days), nu / days)
    level = Sample(law, days, 40_000).level
    p = first_passage.minimum_probability(depth, sigma, nu, 1, per_year=days)
    assert abs((level.min(axis=1) <= math.log(1 - depth)).mean() - p) < 3 * math.sqrt(p * (1 - p) / 40_000)
    fall = -math.log(1 - depth)
    seen = (drawdowns(level).max(axis=1) >= fall).mean()
    shift = first_passage.DISCRETE * sigma / math.sqrt(days)
    q = first_passage.drawdown_probability(fall + 2 * shift, sigma, nu, 1)
    assert abs(seen - q) < 3 * math.sqrt(q * (1 - q) / 40_000) + 0.001


@compiled_only
def test_bridges_of_the_facts() -> None:
    """Inverse sample and mean of a bridge's lowest point, and the mean price half-way, on paths of the kernel."""
    low = 0.5 * (math.log(0.8) - math.sqrt(math.log(0.8) ** 2 - 2 * 0.09 * math.log(0.5)))
    assert low == pytest.approx(-0.3204733895, abs=5e-11)
    days = 400
    law = FactorLaw(LAW_GBM, 1 / math.sqrt(days), 0.0)
    tiny = crash(law, days, days, 1e-12, TERMINAL)
    lowest = Sample(law, days, 20_000, tiny).level.min(axis=1) - first_passage.DISCRETE / math.sqrt(days)
    assert_within(lowest, -math.sqrt(2 * math.pi) / 4, 4)
    assert math.sqrt(2 * math.pi) / 4 == pytest.approx(0.6266570687, abs=5e-11)


def test_the_free_law_is_untouched_by_what_a_crash_needs() -> None:
    assert np.array_equal(Sample(gbm(), 12, 10).level, Sample(gbm(), 12, 10, FREE._replace(definition=DRAWDOWN)).level)
    assert gbm().sd == SD
    assert garch().model == LAW_GARCH
