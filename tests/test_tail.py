"""Rare events: closed forms through the path kernel, unbiased splitting, honest intervals, and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tail_books
from hypothesis import given, settings
from hypothesis import strategies as st

from stresslab import engine, farm, verbs
from stresslab.faults import Fault, InputError
from stresslab.kernels.noise import LEAD_FACTORS, LEAD_MARKET
from stresslab.report import rare
from stresslab.report.run_tables import read_run
from stresslab.resolve import Resolved, resolve
from stresslab.tail import Question, Search, check_request, read_event, read_request, search, verdict
from stresslab.tail.event import Event
from stresslab.tail.splitting import Climb, PathSwarm, climb, repeat
from stresslab.tail.tilt import NOMINAL_EVERY, Lean, Sample, Tilt, defended, draw_sample, find_tilt, tilt_of_witnesses
from stresslab.tail.walk import HIT, Batch, Shape, new_walk, seed_of, shape_of


class Normal:
    """Tails by erfc: the standard library's are 1 − erf, which has no digits left at −8."""

    @staticmethod
    def cdf(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))


normal = Normal()
Z = 3.0


def event(text: str) -> Event:
    faults: list[Fault] = []
    found = read_event(text, faults)
    assert found is not None, faults
    return found


def one_share(days: int, volatility_pct: float, drift_pct: float) -> Resolved:
    """A book so small that only the factor matters."""
    book = tail_books.book("diversified", accounts=2, instruments=2)
    book.tables["instruments"]["beta"] = 0.1
    book.tables["instruments"]["volatility_pct"] = 40.0
    return resolve(book, tail_books.market(volatility_pct, 0.0, drift_pct), tail_books.scenario(days))


def tilted(resolved: Resolved, text: str, seed: int, paths: int) -> verdict.Estimate:
    """The estimate of a fresh pilot and a fresh sample."""
    walk, shape = new_walk(resolved, event(text), "P1"), shape_of(resolved)
    pilot = find_tilt(walk.judge, shape, seed)
    assert pilot.tilt is not None
    return verdict.tilt_estimate("tilt", draw_sample(walk.judge, shape, pilot.tilt, seed, 2**31, 0, paths), pilot.paths)


# Closed forms through the path kernel


def walk_below(level: float, sd: float, drift: float, days: int, grid: int = 4_000) -> float:
    """P(a Gaussian walk from 0 is at or below ``level`` on some day), by passing its density on a grid day by day."""
    x = np.linspace(level, 6 * sd * math.sqrt(days), grid)
    h = x[1] - x[0]
    reach = math.ceil(8 * sd / h)
    step = h * np.exp(-0.5 * ((np.arange(-reach, reach + 1) * h - drift) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
    density = np.exp(-0.5 * ((x - drift) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
    gone = normal.cdf((level - drift) / sd)
    below = np.array([normal.cdf((level - y - drift) / sd) for y in x])
    weight = np.full(grid, h)
    weight[0] = weight[-1] = h / 2
    for _ in range(days - 1):
        gone += float((density * weight) @ below)
        density = np.convolve(density * weight, step, "same")[:grid] / h if step.size <= grid else density
    return gone


def walk_drawdown(fall: float, sd: float, drift: float, days: int, grid: int = 3_000) -> float:
    """P(a Gaussian walk falls by ``fall`` from an earlier high): Lindley's recursion of the drawdown on a grid, with its atom at 0."""
    edges = np.linspace(0.0, fall, grid + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    start = np.concatenate([[0.0], middle])
    # From each place: the chance to be in each cell, at 0, or beyond the fall on the next day; steps of the drawdown are -X.
    table = np.array([[normal.cdf((e - s + drift) / sd) for e in (edges[0], edges[-1])] for s in start])
    def cdf(v: np.ndarray) -> np.ndarray:
        return 0.5 * np.array([math.erfc(-u / math.sqrt(2)) for u in v])
    h = edges[1] - edges[0]
    offsets = np.arange(-grid, grid + 1) * h  # edges differ from middles by half a cell
    jump = np.diff(cdf((offsets + h / 2 + drift) / sd))
    from_zero = np.diff(cdf((edges + drift) / sd))
    mass, zero, gone = np.zeros(grid), 1.0, 0.0
    for _ in range(days):
        gone += zero * (1 - table[0, 1]) + float(mass @ (1 - table[1:, 1]))
        moved = np.convolve(mass, jump, "full")[grid - 1 : 2 * grid - 1] + zero * from_zero
        zero = zero * table[0, 0] + float(mass @ table[1:, 0])
        mass = moved
    return gone


#: Volatility a year, fall, probability that the minimum of 252 daily closes is at most the fall, with drift 5% and the correction
#: of Broadie, Glasserman and Kou for daily closes.
FIRST_PASSAGE = ((0.20, 0.60, 1.9166654e-06), (0.20, 0.40, 0.0064321342), (0.30, 0.60, 0.0018944294))


@pytest.mark.parametrize(("volatility", "fall", "table"), FIRST_PASSAGE)
def test_first_passage_of_a_year_is_the_closed_form(volatility: float, fall: float, table: float) -> None:
    drift = 0.05 - volatility**2 / 2
    exact = walk_below(math.log(1 - fall), volatility / math.sqrt(252), drift / 252, 252)
    # The correction is the first term of an expansion in the step; the grid has converged to 1e-4 (see below).
    assert exact == pytest.approx(table, rel=0.015)
    made = tilted(one_share(252, 100 * volatility, 100 * drift), f"factor_low <= {100 * (1 - fall):g}%", 3, 6_000)
    assert made.relative < 0.08
    assert abs(made.probability - exact) < Z * made.error


def test_the_grids_have_converged() -> None:
    level, sd, drift = math.log(0.4), 0.2 / math.sqrt(252), 0.03 / 252
    assert walk_below(level, sd, drift, 252) == pytest.approx(walk_below(level, sd, drift, 252, 8_000), rel=2e-4)
    # On n points of a year the drawdown tends to the continuous one (exact series: 0.17343698) with terms in 1 / √n and 1 / n.
    one, two, four = (walk_drawdown(-math.log(0.6), 0.3 / math.sqrt(n), 0.005 / n, n, 800) for n in (63, 252, 1008))
    assert (4 * (2 * four - two) - (2 * two - one)) / 3 == pytest.approx(0.17343698, rel=0.002)


def test_the_greatest_fall_of_a_year_is_that_of_the_walk() -> None:
    volatility, fall = 0.20, 0.60
    drift = 0.05 - volatility**2 / 2
    exact = walk_drawdown(-math.log(1 - fall), volatility / math.sqrt(252), drift / 252, 252)
    # Of the continuous path 4.7400e-06 (Magdon-Ismail and others 2004, exact series); daily closes miss some.
    assert 0.6 * 4.74e-6 < exact < 4.74e-6
    made = tilted(one_share(252, 100 * volatility, 100 * drift), f"factor_drawdown >= {100 * fall:g}%", 4, 12_000)
    assert made.relative < 0.12
    assert abs(made.probability - exact) < Z * made.error


def test_a_frequent_drawdown_is_that_of_the_walk() -> None:
    exact = walk_drawdown(-math.log(0.6), 0.30 / math.sqrt(252), (0.05 - 0.045) / 252, 252)
    resolved = one_share(252, 30.0, 0.5)
    walk, shape = new_walk(resolved, event("factor_drawdown >= 40%"), "P1"), shape_of(resolved)
    hits = draw_sample(walk.judge, shape, Tilt(), 5, 0, 0, 4_000).hit
    assert abs(hits.mean() - exact) < Z * math.sqrt(exact / 4_000)


@pytest.mark.parametrize(("a", "chance", "crude", "spread", "gain"), [
    (3.0, 0.00134989803, 739.7967, 3.387166, 218.41), (4.0, 3.16712418e-05, 31573.39, 4.511109, 6999.03),
])
def test_the_variance_of_a_shifted_normal_is_the_closed_form(a: float, chance: float, crude: float, spread: float, gain: float) -> None:
    """Relative variances of a crude and a tilted path, and what one tilted path is worth in crude ones: by the law, then by draws."""
    p = normal.cdf(-a)
    assert p == pytest.approx(chance, rel=1e-8)
    assert 1 / p - 1 == pytest.approx(crude, rel=1e-6)
    assert math.exp(a * a) * normal.cdf(-2 * a) / p**2 - 1 == pytest.approx(spread, rel=1e-6)
    assert crude / spread == pytest.approx(gain, abs=0.005)
    resolved = one_share(1, 20.0, 0.0)
    sd = 0.20 / math.sqrt(252)
    asked = replace(event("factor_low <= 90%"), threshold=Fraction(math.exp(-a * sd) * 1e6))
    walk, shape = new_walk(resolved, asked, "P1"), shape_of(resolved)
    sample = draw_sample(walk.judge, shape, Tilt((Lean((LEAD_MARKET,), ((-a,),)),)), 6, 0, 0, 20_000)
    weight = sample.weight
    assert abs(weight.mean() - p) < Z * weight.std() / math.sqrt(weight.size) + 2e-4 * p * a / sd * 1e-2
    squares = weight**2 / p**2
    assert abs(squares.mean() - 1 - spread) < Z * squares.std() / math.sqrt(weight.size)
    # The gain is c / v with v the variance of the weights: its error follows from that of their squares.
    assert abs(crude / weight.var() * p**2 - gain) < Z * gain / spread * squares.std() / math.sqrt(weight.size)


# Toys with known answers: the same judge and swarm, noise of a small book

SHAPE = Shape(4, LEAD_FACTORS + 2, 5, np.array([1, 0, 0, 0, 0, 0, 1, 1], np.uint8))


def linear(batch: Batch, market: float, own: float) -> Any:
    """A standard normal: market and sector noise with one weight, own noise of all names but the first with another."""
    x = market * batch.leading[:, 1:, [0, 6, 7]].sum(axis=(1, 2)) + own * batch.own[:, 1:, 1:].sum(axis=(1, 2), dtype=np.float64)
    return -x / math.sqrt(SHAPE.days * (3 * market**2 + 4 * own**2))


def name(batch: Batch) -> Any:
    return -batch.own[:, 1:, 0].sum(axis=1, dtype=np.float64) / math.sqrt(SHAPE.days)


def diversified(batch: Batch, seed: int) -> Any:
    x = linear(batch, 1.0, 0.2)
    return np.where(x >= A, HIT, x)


def one_name(batch: Batch, seed: int) -> Any:
    x, y = linear(batch, 1.0, 0.2) / A_MARKET, name(batch) / A_NAME
    far = np.maximum(x, y)
    return np.where(far >= 1.0, HIT, far)


A, A_MARKET, A_NAME = 4.265, 4.526, 4.265
TRUTH = {"diversified": normal.cdf(-A), "one_name": 1 - (1 - normal.cdf(-A_MARKET)) * (1 - normal.cdf(-A_NAME))}
JUDGES: dict[str, Callable[[Batch, int], Any]] = {"diversified": diversified, "one_name": one_name}


def toy_search(monkeypatch: pytest.MonkeyPatch, kind: str, seed: int, target: float = 0.1) -> search.Answer:
    monkeypatch.setattr(search, "judge_of", lambda resolved, question, scored: (JUDGES[kind], SHAPE))
    monkeypatch.setattr(search, "shape_of", lambda resolved: SHAPE)
    return Search(Question(event("failure"), "P1", seed), lambda f, items: [f(None, *item) for item in items], target, 200_000).answer()


class Exact:
    """A swarm whose moves are exact: new paths from the law above the floor, here exponential scores."""

    def __init__(self, seed: int, size: int, end: float) -> None:
        self.score, self.drawn, self._seed, self._calls, self.end = np.zeros(size), 0, seed, 0, end

    def _put(self, rows: Any, floor: float) -> None:
        self.drawn += rows.size
        self.score[rows] = floor - np.log(self.uniforms(rows.size))
        self.score[self.score >= self.end] = HIT

    def begin(self) -> None:
        self._put(np.arange(self.score.size), 0.0)

    def copy(self, to: Any, source: Any) -> None:
        self.score[to] = self.score[source]

    def move(self, which: Any, floor: float, step: float) -> float:
        self._put(which, floor)
        return 1.0

    def uniforms(self, count: int) -> Any:
        from stresslab.kernels.draws import fill_uniforms

        out = np.zeros(count)
        fill_uniforms(out, self._seed, 0, self._calls, 0)
        self._calls += 1
        return out


def last_particle(runs: int, size: int, p: float) -> tuple[Any, Any]:
    found = [climb(Exact(100 + k, size, -math.log(p)), 1, 1) for k in range(runs)]
    return np.array([f.iterations for f in found]), np.array([f.probability for f in found])


def check_moments(runs: int, size: int = 100, p: float = 1e-6) -> None:
    steps, found = last_particle(runs, size, p)
    mean = -size * math.log(p)
    assert mean == pytest.approx({100: 1381.551, 1_000: 9210.340}[size], abs=1e-3)
    assert abs(steps.mean() - mean) < Z * math.sqrt(mean / runs)
    assert abs(steps.var(ddof=1) - mean) < Z * mean * math.sqrt(2 / runs)
    # Var = p² (p^(-1/N) - 1)
    relative = p ** (-1 / size) - 1
    assert 100 * math.sqrt(relative) == pytest.approx({100: 38.4907, 1_000: 9.6192}[size], abs=5e-5)
    assert relative == pytest.approx({100: 0.148153621, 1_000: 0.096192**2}[size], abs=1e-9 if size == 100 else 1e-7)
    assert abs(found.mean() / p - 1) < Z * math.sqrt(relative / runs)
    squares = (found / p - 1) ** 2
    assert abs(squares.mean() - relative) < Z * squares.std() / math.sqrt(runs)


def test_the_last_particle_algorithm_has_its_moments() -> None:
    check_moments(80)


def test_a_thousand_particles_know_one_in_ten_thousand_to_a_tenth() -> None:
    check_moments(12, 1_000, 1e-4)


@pytest.mark.long
def test_the_last_particle_algorithm_has_its_moments_on_many_runs() -> None:
    check_moments(2_000)
    check_moments(200, 1_000, 1e-4)


def coarse(batch: Batch, seed: int) -> Any:
    """A score with atoms: a limit and a lot would make such."""
    x = linear(batch, 1.0, 0.5)
    return np.where(x >= 3.0, HIT, np.floor(x * 2) / 2)


@pytest.mark.parametrize(("judge", "truth"), [
    (diversified, TRUTH["diversified"]), (one_name, TRUTH["one_name"]), (coarse, normal.cdf(-3.0)),
])
def test_splitting_over_fixed_levels_is_unbiased(judge: Callable[[Batch, int], Any], truth: float) -> None:
    found = climb(PathSwarm(judge, SHAPE, 7, 200), 150, 4, most=60)
    assert found.probability > 0
    each = np.array([repeat(PathSwarm(judge, SHAPE, 1_000 + k, 200), found.levels, found.steps, 8).probability for k in range(120)])
    assert abs(each.mean() - truth) < Z * each.std(ddof=1) / math.sqrt(each.size)
    assert each.std(ddof=1) / math.sqrt(each.size) < 0.2 * truth


def test_a_move_keeps_the_law() -> None:
    swarm = PathSwarm(diversified, SHAPE, 5, 2_000)
    swarm.begin()
    for _ in range(3):
        swarm.move(np.arange(2_000), -np.inf, 0.6)
    for part in (swarm.held.leading[:, 1:, LEAD_MARKET].ravel(), swarm.held.own[:, 1:].astype(float).ravel()):
        assert abs(part.mean()) < Z / math.sqrt(part.size)
        assert abs(part.var() - 1) < Z * math.sqrt(2 / part.size)
    above = PathSwarm(diversified, SHAPE, 6, 2_000)
    above.begin()
    above.copy(np.flatnonzero(above.score <= 0.5), np.resize(np.flatnonzero(above.score > 0.5), int((above.score <= 0.5).sum())))
    for _ in range(6):
        above.move(np.arange(2_000), 0.5, 0.6)
    assert above.score.min() > 0.5
    mean = math.exp(-0.125) / math.sqrt(2 * math.pi) / normal.cdf(-0.5)  # of a normal above 1/2
    assert np.minimum(above.score, A).mean() == pytest.approx(mean, abs=4 * 0.47 / math.sqrt(600))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=1, max_size=3), st.floats(-3, 3), st.integers(0, 2**31))
def test_likelihood_ratios_average_one_and_are_bounded(shifts: list[float], own: float, seed: int) -> None:
    leans = [Lean((LEAD_MARKET, 6), ((s,) * 4, (s / 3,) * 4), (1,), (own,)) for s in shifts]
    sample = draw_sample(lambda batch, _: np.zeros(batch.path.size), SHAPE, defended(*leans), seed, 0, 0, 600)
    ratio = np.exp(sample.log_ratio)
    assert ratio.max() <= NOMINAL_EVERY * (1 + 1e-12)
    assert abs(ratio.mean() - 1) < 4.5 * ratio.std() / math.sqrt(600) + 1e-9


def test_no_lean_is_the_law_itself() -> None:
    sample = draw_sample(diversified, SHAPE, Tilt(), 1, 0, 0, 200)
    assert (sample.log_ratio == 0).all()


# Honest answers


def check_coverage(monkeypatch: pytest.MonkeyPatch, kind: str, first: int, runs: int, low: float, high: float) -> None:
    answers = [toy_search(monkeypatch, kind, first + k) for k in range(runs)]
    known = [a.chosen for a in answers if a.known]
    assert len(known) >= 0.85 * runs
    inside = [e.low <= TRUTH[kind] <= e.high for e in known]
    assert low <= np.mean(inside) <= high, np.mean(inside)


@pytest.mark.parametrize("kind", list(JUDGES))
def test_intervals_cover_the_truth(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    # Of 30 intervals of 95%, fewer than 25 cover with a chance below 1%.
    check_coverage(monkeypatch, kind, 20_000, 30, 25 / 30, 1.0)


@pytest.mark.long
@pytest.mark.parametrize("kind", list(JUDGES))
def test_intervals_cover_the_truth_on_500_repetitions(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    check_coverage(monkeypatch, kind, 10_000, 500, 0.92, 0.98)


def test_a_tilt_that_is_blind_to_a_name_is_found_out() -> None:
    pilot = find_tilt(one_name, SHAPE, 3)
    assert pilot.tilt is not None
    blind = pilot.tilt
    sample = draw_sample(one_name, SHAPE, blind, 4, 0, 0, 20_000)
    made = verdict.tilt_estimate("tilt", sample, pilot.paths)
    found = climb(PathSwarm(one_name, SHAPE, 7, 400), 300, 4, most=60)
    many = [repeat(PathSwarm(one_name, SHAPE, 50 + k, 400), found.levels, found.steps, 8) for k in range(16)]
    split = verdict.splitting_estimate(many, found.paths)
    made = replace(made, blind=verdict.blind_share(blind, verdict.witnesses_of(many), split.probability, made.paths))
    # It sees the market's part alone, about a fifth of the truth, and its own error says nothing of the rest.
    assert made.relative < 0.25
    assert made.probability < 0.4 * TRUTH["one_name"]
    assert not all(r.stands for r in verdict.judge(made, replace(split, probability=made.probability), 0.1))
    assert not all(r.stands for r in verdict.judge(replace(made, blind=0.0), split, 0.1))
    assert verdict.foreseen_spread(blind, verdict.witnesses_of(many), split.probability) > 20 * made.relative**2 * made.paths
    seen = verdict.witnesses_of(many)
    taught = tilt_of_witnesses(seen.paths, seen.weight, SHAPE.wanted)
    assert taught is not None
    assert any(lean.names == (0,) for lean in taught.leans)
    better = verdict.tilt_estimate("tilt_names", draw_sample(one_name, SHAPE, taught, 5, 0, 0, 10_000), 0)
    assert abs(better.probability - TRUTH["one_name"]) < Z * better.error
    assert better.relative < 0.1


def test_an_event_out_of_reach_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JUDGES, "diversified", lambda batch, seed: np.zeros(batch.path.size))
    answer = toy_search(monkeypatch, "diversified", 1)
    assert not answer.known
    assert "did not reach" in answer.reasons[0].en


def estimate_of(**changes: Any) -> verdict.Estimate:
    good = verdict.Estimate("tilt", 1e-5, 5e-7, 9e-6, 1.1e-5, 10_000, 5_000, 3_000, 400.0, 0.01, 1.0, 0.01, 0.0)
    return replace(good, **changes)


SECOND = verdict.Estimate("splitting", 1.1e-5, 1.5e-6, 8e-6, 1.4e-5, 50_000, 10_000, 100, 12.0, 0.1, repetitions=16)


@pytest.mark.parametrize("changes", [
    {"effective": 49.0}, {"largest_share": 0.11}, {"mean_ratio": 1.031}, {"blind": 0.051}, {"probability": 3e-5}, {"probability": 0.0},
])
def test_each_check_of_a_tilt_can_refuse(changes: dict[str, Any]) -> None:
    assert all(r.stands for r in verdict.judge(estimate_of(), SECOND, 0.1))
    assert not all(r.stands for r in verdict.judge(estimate_of(**changes), SECOND, 0.1))


def test_a_second_method_must_be_there_and_precise() -> None:
    assert not all(r.stands for r in verdict.judge(estimate_of(), None, 0.1))
    assert not all(r.stands for r in verdict.judge(estimate_of(), replace(SECOND, error=4e-6), 0.1))
    for changes in ({"extinct": 2}, {"largest_share": 0.26}, {"error": 5e-6}):
        assert not all(r.stands for r in verdict.judge(replace(SECOND, **changes), estimate_of(), 0.1))
    assert all(r.stands for r in verdict.judge(SECOND, estimate_of(), 0.2))


# On books


@pytest.fixture(scope="module")
def small() -> Resolved:
    book = tail_books.book("diversified", accounts=30, instruments=12, cushion=-0.08)
    return resolve(book, tail_books.market(30.0), tail_books.scenario(8))


EVENTS = (
    "failure", "deficit >= 1 yuan", "margin_call_peak >= 50000 yuan", "own_funds_coverage < 150%", "forced_sale_rate >= 20%",
    "margin_coverage <= 99.9%", "loss_holding >= 1000 yuan", "loss_without_impact > 0", "loss_with_impact_li >= 1000", "reserve_end < 1",
    "basket_quoted_low <= 96%", "basket_fundamental_low_ppm <= 950000", "factor_low <= 97%", "rounds_most >= 2",
    "accounts_called >= 10", "margin_call_peak_day <= 4",
)


@pytest.mark.parametrize("text", EVENTS)
def test_events_are_those_of_the_table(small: Resolved, text: str) -> None:
    paths, asked = 150, event(text)
    table = engine.tables(small, [engine.run_block(small, 9, 0, paths)])["outcomes"].to_pandas()
    batch, shape = shape_of(small).room(paths), shape_of(small)
    batch.path[:] = np.arange(paths)
    shape.fill(batch, 9)
    hits = new_walk(small, asked, "P1").hits(batch, 9)
    if text == "failure":
        told = table["failure_day"].notna()
    elif asked.measure == "own_funds_coverage":
        told = (table["margin_call_peak_li"] > 0) & (table["own_funds_before_li"] < 1.5 * table["margin_call_peak_li"])
    elif asked.measure == "forced_sale_rate":
        told = table["accounts_forced"] >= 0.2 * table["accounts_with_debt"]
    else:
        value, bound = table[asked.measure], float(asked.threshold)
        told = {">=": value >= bound, ">": value > bound, "<=": value <= bound, "<": value < bound}[asked.sign]
    assert (hits == told.fillna(False).to_numpy(bool)).all()
    if text not in ("failure", "deficit >= 1 yuan"):
        assert hits.sum() > 0


def test_scores_have_no_atoms_and_order_the_events(small: Resolved) -> None:
    for text in ("failure", "loss_with_impact >= 1000 yuan", "own_funds_coverage < 15%", "sold >= 99999999 yuan"):
        walk, shape = new_walk(small, event(text), "P1"), shape_of(small)
        sample = draw_sample(walk.judge, shape, Tilt(), 2, 0, 0, 600)
        calm = sample.score[~sample.hit]
        assert np.isfinite(calm).all()
        assert np.unique(calm).size == calm.size


def threshold_book(kind: str) -> tuple[Resolved, Event, Callable[[float], Batch]]:
    """One trading day, all at their limit: the loss is a rising function of one normal, the market's or one name's."""
    book = tail_books.book("diversified", accounts=6, instruments=4)
    stocks = book.tables["instruments"]
    if kind == "one_name":
        stocks["beta"], stocks["volatility_pct"] = [0.0, 0.1, 0.1, 0.1], [60.0, 10.0, 10.0, 10.0]
        names = ["I000", *["I001"] * 5]
        book.tables["positions"] = pd.DataFrame(
            {"account_id": [f"A{n:05d}" for n in range(6)], "instrument_id": names, "shares": [9_000] * 6})
    else:
        stocks["beta"], stocks["volatility_pct"] = 1.0, 40.0
    price = stocks.set_index("instrument_id")["price_li"]
    worth = (book.tables["positions"]["shares"] * book.tables["positions"]["instrument_id"].map(price)).groupby(
        book.tables["positions"]["account_id"]).sum()
    book.tables["accounts"]["debt_li"] = (worth.to_numpy() / (1.125 if kind == "diversified" else 1.19)).astype(np.int64)
    resolved = resolve(book, tail_books.market(40.0 if kind == "diversified" else 10.0, 0.0), tail_books.scenario(1))
    shape = shape_of(resolved)

    def at(z: float) -> Batch:
        batch = shape.room(1)
        if kind == "diversified":
            batch.leading[0, 1, LEAD_MARKET] = z
        else:
            batch.own[0, 1, 0] = z
        return batch

    return resolved, event("loss_with_impact >= 1000 yuan" if kind == "diversified" else "loss_with_impact >= 1 yuan"), at


@pytest.mark.parametrize("kind", ["diversified", pytest.param("one_name", marks=pytest.mark.long)])
def test_a_book_whose_loss_is_a_normal_threshold(kind: str) -> None:
    resolved, asked, at = threshold_book(kind)
    walk = new_walk(resolved, asked, "P1")
    low, high = -12.0, 0.0
    assert walk.hits(at(low), 0)[0]
    assert not walk.hits(at(high), 0)[0]
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if walk.hits(at(middle), 0)[0] else (low, middle)
    truth = normal.cdf(low)
    assert 1e-8 < truth < 1e-3
    answer = Search(Question(asked, "P1", 5), lambda f, items: [f(resolved, *i) for i in items], 0.15, 60_000).answer()
    assert answer.known, answer.reasons
    assert answer.chosen.low <= truth <= answer.chosen.high
    assert answer.chosen.method == ("tilt" if kind == "diversified" else "tilt_names")


@pytest.mark.long
@pytest.mark.parametrize(("kind", "share"), [("diversified", 0.02), ("one_name", 0.45)])
def test_estimates_on_books_are_those_of_long_crude_runs(kind: str, share: float) -> None:
    resolved = resolve(tail_books.book(kind, accounts=60, instruments=30), tail_books.market(), tail_books.scenario(20))
    own = int(resolved.facts.platform["own_capital"][0])
    asked = event(f"loss_with_impact_li >= {int(share * own)}")
    walk, shape = new_walk(resolved, asked, "P1"), shape_of(resolved)
    paths = 200_000
    hits = draw_sample(lambda b, s: np.where(walk.hits(b, s), HIT, 0.0), shape, Tilt(), seed_of(1, 99), 0, 0, paths).hit.sum()
    with farm.crew(resolved) as ask:
        answer = Search(Question(asked, "P1", 5), ask, 0.1, 100_000).answer()
    assert answer.known, answer.reasons
    crude = hits / paths
    assert abs(answer.chosen.probability - crude) < Z * math.hypot(answer.chosen.error, math.sqrt(crude / paths))


# Runs


def asked_of(resolved: Resolved, workers: int, seed: int = 3) -> search.Answer:
    with farm.crew(resolved, workers) as ask:
        return Search(Question(event("factor_low <= 88%"), "P1", seed), ask, 0.2, 20_000).answer()


@pytest.fixture(scope="module")
def brisk() -> Resolved:
    return resolve(tail_books.book("diversified", accounts=4, instruments=2), tail_books.market(14.0, 5.0), tail_books.scenario(10))


def same(one: search.Answer, other: search.Answer) -> bool:
    from stresslab.tail import paths_table, tail_table

    question = Question(event("factor_low <= 88%"), "P1", 3)
    pairs = [[("baseline", question, a)] for a in (one, other)]
    return bool(tail_table(pairs[0]).equals(tail_table(pairs[1])) and paths_table(pairs[0]).equals(paths_table(pairs[1])))


def test_the_same_question_has_the_same_answer(brisk: Resolved) -> None:
    direct = Search(
        Question(event("factor_low <= 88%"), "P1", 3), lambda f, items: [f(brisk, *i) for i in reversed(items)][::-1], 0.2, 20_000).answer()
    assert direct.known
    assert same(direct, asked_of(brisk, 0))
    assert not same(direct, asked_of(brisk, 0, seed=4))


@pytest.mark.long
def test_local_processes_change_no_answer(brisk: Resolved) -> None:
    assert same(asked_of(brisk, 2), asked_of(brisk, 0))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> verbs.Run:
    book = tail_books.book("diversified", accounts=4, instruments=2)
    return verbs.run(
        book, [tail_books.scenario(10)], market=tail_books.market(14.0, 5.0), paths=4, seed=3, out=tmp_path_factory.mktemp("tail") / "run",
        tail=["factor_low <= 88%", "accounts_called >= 0"], tail_target_error="20%", tail_paths=20_000)


def test_a_run_writes_answers_and_likelihood_ratios_in_tables_of_their_own(made: verbs.Run) -> None:
    table, paths = made.table("tail"), made.table("tail_paths")
    answers = table[table["role"] == "answer"]
    assert list(answers["event"]) == ["factor_low <= 88%", "accounts_called >= 0"]
    rare_one, plain = answers.to_dict("records")
    assert rare_one["known"]
    assert rare_one["method"] in ("tilt", "tilt_names")
    mine = paths[paths["event"] == "factor_low <= 88%"]
    weight = np.exp(mine["log_ratio"]) * mine["hit"]
    assert weight.mean() == pytest.approx(rare_one["probability"], rel=1e-12)
    assert len(mine) == rare_one["paths"]
    assert mine["path"].min() == 2**31
    exact = walk_below(math.log(0.88), 0.14 / math.sqrt(252), 0.0, 10)
    # On the scale of the interval (M-91).
    assert abs(math.log(rare_one["probability"] / exact)) < Z * rare_one["relative_error"]
    assert plain["method"] == "crude"
    assert plain["probability"] == 1.0
    assert made.record["tail"]["events"] == ["factor_low <= 88%", "accounts_called >= 0"]
    assert not {"probability", "log_ratio"} & set(made.outcomes)


def test_the_report_and_the_summary_tell_the_answer_in_both_languages(made: verbs.Run) -> None:
    run = read_run(made.folder)
    page = (made.folder / "report.html").read_text(encoding="utf-8")
    assert 'id="rare"' in page
    assert "罕见事件" in page
    told = rare.lines(run)
    assert len(told) == 2
    assert "within the run =" in told[0].en
    assert "splitting agrees" in told[0].en
    assert "多层分裂结果一致" in told[0].zh
    assert run.tail is not None
    unknown = replace(run, tail=run.tail.assign(known=False, probability=math.nan))
    assert "is not known" in rare.lines(unknown)[0].en
    assert "未知" in rare.lines(unknown)[0].zh
    table = rare.table(unknown)
    assert table is not None
    assert table.rows[0].cells[1].value.en == "not known"


def test_an_unknown_answer_gives_no_number_in_the_table() -> None:
    from stresslab.tail import tail_table

    answer = search.Answer(False, estimate_of(), [SECOND], [verdict.Reason(False, "no", "否")], {}, {}, {})
    table = tail_table([("baseline", Question(event("failure"), "P1", 1), answer)]).to_pandas()
    assert table[["probability", "error", "low", "high"]].isna().all().all()
    assert table["effective"].notna().all()


@pytest.mark.long
def test_the_same_run_again_is_the_same_bytes(made: verbs.Run, tmp_path: Path) -> None:
    again = verbs.run(
        tail_books.book("diversified", accounts=4, instruments=2), [tail_books.scenario(10)], market=tail_books.market(14.0, 5.0), paths=4,
        seed=3, out=tmp_path / "again", tail=["factor_low <= 88%", "accounts_called >= 0"], tail_target_error="20%", tail_paths=20_000)
    assert again.record["outputs"] == made.record["outputs"]


@pytest.mark.parametrize(("text", "measure", "sign", "threshold"), [
    ("deficit_li >= 5 yuan", "deficit_li", ">=", 5_000), ("deficit >= 5", "deficit_li", ">=", 5_000),
    ("deficit_li>=5", "deficit_li", ">=", 5),
    ("own_funds_coverage < 15%", "own_funds_coverage", "<", Fraction(15, 100)), ("factor_low <= 60%", "factor_low_ppm", "<=", 600_000),
    ("failure_day <= 3 days", "failure_day", "<=", 3), ("sold > 1.5 million", "sold_li", ">", 1_500_000_000),
])
def test_events_as_they_are_written(text: str, measure: str, sign: str, threshold: Fraction) -> None:
    found = event(text)
    assert (found.measure, found.sign, found.threshold) == (measure, sign, threshold)
    assert event(found.text) == found


@pytest.mark.parametrize(("text", "rule"), [
    ("bankruptcy", "needs a comparison"), ("deficitt >= 5", "is no measure"), ("deficit >= 5 %", "is no unit"),
    ("deficit => 5", "is no event"),
    ("failure >= 1", "is no measure"), ("", "is no event"), ("deficit >= -5", "is no event"),
])
def test_what_is_no_event_is_refused(text: str, rule: str) -> None:
    faults: list[Fault] = []
    assert read_event(text, faults) is None
    assert rule in faults[0].rule


def test_faults_of_a_request_come_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        verbs.run(
            tail_books.book("diversified", accounts=4, instruments=2), ["crash-40"], market=tail_books.market(), paths=4, seed=1,
            out=tmp_path / "no", tail=["failure", "failure", "nothing > 1"], tail_platform="P9", tail_target_error="0.1", tail_paths=5)
    told = " ".join(str(f) for f in caught.value.faults)
    for words in ("conditional", "asked twice", "is no measure", "no such platform", "percentage", "tail-paths"):
        assert words in told, words
    assert not (tmp_path / "no").exists()


def test_options_of_rare_events_need_one() -> None:
    faults: list[Fault] = []
    assert read_request([], "P1", "5%", 1_000, faults) is None
    assert [f.column for f in faults] == ["platform", "tail-target-error", "tail-paths"]
    assert read_request([], None, "10%", 100_000, []) is None


def test_a_market_without_chance_is_refused() -> None:
    still = tail_books.market(0.0, 0.0, model="deterministic")
    book = tail_books.book("diversified", accounts=2, instruments=2)
    resolved = resolve(book, still, tail_books.scenario(2, market={"model": "deterministic"}))
    request = read_request(["failure"], None, "10%", 100_000, [])
    assert request is not None
    faults: list[Fault] = []
    check_request(request, [resolved], faults)
    assert "without chance" in faults[0].rule


def test_parts_of_an_estimate_have_seeds_of_their_own() -> None:
    seeds = {seed_of(1, part, number) for part in range(6) for number in range(50)}
    assert len(seeds) == 300
    assert all(0 <= s < 2**63 for s in seeds)


def test_an_estimate_of_nothing_says_so() -> None:
    empty = Sample(np.arange(4), np.zeros(4), np.zeros(4), np.zeros((4, 2)), np.zeros((4, 3)), np.full(4, 2))
    made = verdict.tilt_estimate("tilt", empty, 0)
    assert made.relative == math.inf
    assert verdict.crude_estimate(0, 100).high == pytest.approx(0.0370, abs=1e-3)
    assert Climb((), (), 0.0, 0, 0).probability == 0.0
