"""The laws of the market factor: published values, closed moments, and a plain twin of each with the same normals."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from sampled_factors import SD, Sample, assert_within, garch, gbm, heston, jump, normals, regime
from scipy import stats

from stresslab.drivers import mixing, student
from stresslab.kernels import draws, noise, special
from stresslab.kernels.laws import (
    LAW_BOOTSTRAP,
    LAW_CHAIN,
    LAW_GARCH,
    LAW_HESTON,
    Chain,
    Drawn,
    FactorLaw,
    Garch,
    Heston,
    new_trace,
    next_variance,
    quadratic_exponential,
    step_moments,
)
from stresslab.kernels.noise import LEAD_JUMP_SIZE, LEAD_JUMPS, LEAD_MARKET, LEAD_MIXING, LEAD_VARIANCE
from stresslab.kernels.tails import Tails, shape_noise
from stresslab.market.laws import stationary_law

compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes as plain Python, without the JIT")


# --- functions of a normal ------------------------------------------------------------------------


def test_the_distribution_of_a_normal() -> None:
    for z in (-37.0, -8.0, -1.0, 0.0, 0.3, 5.0):
        assert special.normal_cdf(z) == pytest.approx(stats.norm.cdf(z), rel=1e-13)


@pytest.mark.parametrize("dof", [2.1, 3.0, 5.0, 30.0, 1000.0])
def test_quantiles_of_student(dof: float) -> None:
    """(M-61) Of unit variance, over every normal that a counter can give, and between the points of the table."""
    table = student(dof)
    for z in np.linspace(-6.6, 6.6, 333):
        wanted = math.sqrt((dof - 2) / dof) * -math.copysign(1, z) * stats.t.ppf(stats.norm.cdf(-abs(z)), dof)
        assert special.read(table, z) == pytest.approx(wanted, rel=2e-6, abs=1e-7)


@pytest.mark.parametrize("dof", [3.1, 6.0, 31.0])
def test_scales_of_a_day(dof: float) -> None:
    """(M-61) 1 / √χ², rising with the normal."""
    table = mixing(dof)
    for z in np.linspace(-6.6, 6.6, 133):
        assert special.read(table, z) == pytest.approx(1 / math.sqrt(stats.chi2.isf(stats.norm.cdf(z), dof)), rel=2e-6)


def test_a_normal_inside_its_bin() -> None:
    """Uniform in probability between its bounds, also far out."""
    for low, high in ((-0.25, 0.0), (3.0, 3.25), (-8.25, -8.0), (0.0, 0.25), (8.0, 8.25)):
        for u in (0.001, 0.5, 0.999):
            z = special.inside(low, high, u)
            assert low <= z <= high
            side = -1.0 if low + high > 0 else 1.0
            a, b = sorted((stats.norm.cdf(side * low), stats.norm.cdf(side * high)))
            assert (stats.norm.cdf(side * z) - a) / (b - a) == pytest.approx(u, abs=1e-6)


def test_the_first_place_that_reaches() -> None:
    cumulative = np.array([0.2, 0.2, 0.9, 1.0])
    assert [special.pick(cumulative, u) for u in (1e-9, 0.2, 0.21, 0.9, 0.95, 1.0)] == [0, 0, 2, 2, 3, 3]


# --- plain twins ----------------------------------------------------------------------------------

TWIN_DAYS = 30


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gbm_equals_its_twin(seed: int) -> None:
    z = normals(TWIN_DAYS, seed, 7)
    level = Sample(gbm(0.001), TWIN_DAYS, 1, seed=seed, first=7).level[0]
    assert np.allclose(level, np.append(0, np.cumsum(0.001 + SD * z[1:, LEAD_MARKET])), rtol=0, atol=1e-14)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_jumps_equal_their_twin(seed: int) -> None:
    """(M-55)"""
    z = normals(TWIN_DAYS, seed, 7)[1:]
    count = stats.poisson.ppf(stats.norm.cdf(z[:, LEAD_JUMPS]), 0.1)
    step = -0.02 * (count - 0.1) + 0.009 * z[:, LEAD_MARKET] + 0.015 * np.sqrt(count) * z[:, LEAD_JUMP_SIZE]
    sample = Sample(jump(), TWIN_DAYS, 1, seed=seed, first=7)
    assert np.array_equal(sample.state[0, 1:], count)
    assert np.allclose(sample.level[0, 1:], np.cumsum(step), rtol=0, atol=1e-14)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_regimes_equal_their_twin(seed: int) -> None:
    """(M-56)"""
    z = normals(TWIN_DAYS, seed, 7)
    level, state, rows = [0.0], 2, [[0.97, 0.03], [0.10, 0.90], [10 / 13, 3 / 13]]
    for t in range(1, TWIN_DAYS + 1):
        state = 0 if stats.norm.cdf(z[t, LEAD_VARIANCE]) <= rows[state][0] else 1
        level.append(level[-1] + (0.0006, -0.002)[state] + (0.0075, 0.02)[state] * z[t, LEAD_MARKET])
    assert np.allclose(Sample(regime(), TWIN_DAYS, 1, seed=seed, first=7).level[0], level, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dof", [0.0, 5.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_garch_equals_its_twin(seed: int, dof: float) -> None:
    """(M-58)"""
    z = normals(TWIN_DAYS, seed, 7)
    level, h = [0.0], 1.3 * SD**2
    for t in range(1, TWIN_DAYS + 1):
        eps = z[t, LEAD_MARKET]
        if dof:
            eps = math.sqrt(3 / 5) * stats.t.ppf(stats.norm.cdf(eps), 5)
        e = math.sqrt(h) * eps
        level.append(level[-1] + 0.0002 + e)
        h = 0.06 * SD**2 + (0.05 + 0.14 * (e < 0)) * e**2 + 0.82 * h
    law = garch(student(5.0), 5.0) if dof else garch()
    assert np.allclose(Sample(law, TWIN_DAYS, 1, seed=seed, first=7).level[0], level, rtol=0, atol=2e-7 if dof else 1e-13)


def qe_twin(v: float, z: float, kappa: float, theta: float, eps: float, dt: float) -> float:
    """Return one step of Andersen's scheme, from his paper's formulas 17 to 32."""
    e = math.exp(-kappa * dt)
    m = theta + (v - theta) * e
    s2 = v * eps**2 * e / kappa * (1 - e) + theta * eps**2 / (2 * kappa) * (1 - e) ** 2
    psi = s2 / m**2
    if psi <= 1.5:
        b2 = 2 / psi - 1 + math.sqrt(2 / psi) * math.sqrt(2 / psi - 1)
        return m / (1 + b2) * (math.sqrt(b2) + z) ** 2
    p = (psi - 1) / (psi + 1)
    u = stats.norm.cdf(z)
    return 0.0 if u <= p else math.log((1 - p) / (1 - u)) / ((1 - p) / m)


@pytest.mark.parametrize("law", [heston(), FactorLaw(LAW_HESTON, SD, 0.0, heston=Heston(0.01, 0.04, 0.5, 1.0, -0.9, 1 / 252))])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_heston_equals_its_twin(seed: int, law: FactorLaw) -> None:
    """(M-57) Both branches of the scheme: the second law leaves the quadratic one at once."""
    z, p = normals(TWIN_DAYS, seed, 7), law.heston
    level, v = [0.0], p.initial
    for t in range(1, TWIN_DAYS + 1):
        after = qe_twin(v, z[t, LEAD_VARIANCE], p.reversion, p.long_run, p.wobble, p.years)
        k, dt, r = p.reversion, p.years, p.correlation
        mean = -r * k * p.long_run / p.wobble * dt
        mean += (0.5 * dt * (k * r / p.wobble - 0.5) - r / p.wobble) * v + (0.5 * dt * (k * r / p.wobble - 0.5) + r / p.wobble) * after
        spread = 0.5 * dt * (1 - r**2) * (v + after)
        level.append(level[-1] + law.drift + p.long_run / 2 * dt + mean + math.sqrt(spread) * z[t, LEAD_MARKET])
        v = after
    assert np.allclose(Sample(law, TWIN_DAYS, 1, seed=seed, first=7).level[0], level, rtol=0, atol=1e-9)


def history(days: int = 400, sectors: int = 2, restart: float = 0.1) -> FactorLaw:
    """Return a bootstrap of a made-up history whose sectors follow the market's day."""
    made = np.zeros(2 * days)
    draws.fill_uniforms(made, 5, 0, 0, draws.STREAM_DEMO)
    market = SD * stats.norm.ppf(made[:days]) * (1 + np.sin(np.arange(days) / 20) / 2)
    columns = np.column_stack([market**2 - (market**2).mean(), np.sin(np.arange(days))])[:, :sectors] * 0.5
    return FactorLaw(LAW_BOOTSTRAP, SD, 0.0, drawn=Drawn(
        market, columns, np.array([1, 0][:sectors], np.uint8), np.argsort(market, kind="stable").astype(np.int64), restart))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_bootstrap_equals_its_twin(seed: int) -> None:
    """(M-59)"""
    law, z = history(), normals(TWIN_DAYS, seed, 7)
    market, ordered, day, level = law.drawn.market, np.sort(law.drawn.market), -1, [0.0]
    for t in range(1, TWIN_DAYS + 1):
        if t == 1 or stats.norm.cdf(z[t, LEAD_JUMPS]) < 0.1:
            day = int(np.flatnonzero(market == ordered[int(stats.norm.cdf(z[t, LEAD_MARKET]) * 400)])[0])
        else:
            day = (day + 1) % 400
        level.append(level[-1] + market[day])
    assert np.allclose(Sample(law, TWIN_DAYS, 1, seed=seed, first=7).level[0], level, rtol=0, atol=1e-14)


# --- Heston ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("v", "kappa", "theta", "years", "mean", "spread"),
    [
        (0.04, 4.0, 0.25, 1 / 252, 0.0433070177269, 0.0867752694556),
        (0.04, 0.5, 0.04, 1 / 12, 0.04, 1.99888963427),
        (0.001, 0.5, 0.04, 1 / 12, 0.00259161117274, 21.5754058166),
    ],
)
def test_moments_of_a_step_of_the_variance(v: float, kappa: float, theta: float, years: float, mean: float, spread: float) -> None:
    found = step_moments(v, Heston(v, theta, kappa, 1.0, -0.5, years))
    assert found == (pytest.approx(mean, rel=1e-11), pytest.approx(spread, rel=1e-11))


def test_steps_of_the_variance() -> None:
    """b² = 44.5905383325 and a = .000949912400924; p = .333086494032, β = 16.6728376492; p = .911408015597, β = 34.1841343078."""
    quadratic = Heston(0.04, 0.25, 4.0, 1.0, -0.5, 1 / 252)
    for z in (-2.0, 0.0, 1.3):
        wanted = 0.000949912400924 * (math.sqrt(44.5905383325) + z) ** 2
        assert quadratic_exponential(0.04, z, quadratic) == pytest.approx(wanted, rel=1e-11)
    for v, p, beta in ((0.04, 0.333086494032, 16.6728376492), (0.001, 0.911408015597, 34.1841343078)):
        step = Heston(v, 0.04, 0.5, 1.0, -0.5, 1 / 12)
        for z in (-1.0, 0.5, 1.5, 3.0):
            u = stats.norm.cdf(z)
            wanted = 0.0 if u <= p else math.log((1 - p) / (1 - u)) / beta
            assert quadratic_exponential(v, z, step) == pytest.approx(wanted, rel=1e-9)


@pytest.fixture(scope="module")
def lewis() -> Sample:
    """S = 100, r = 1%, q = 2%, T = 1, v = .04, κ = 4, θ = .25, ε = 1, ρ = −.5: drift of the log r − q − θ / 2."""
    law = FactorLaw(LAW_HESTON, 0.5 / math.sqrt(252), (0.01 - 0.02 - 0.125) / 252, heston=Heston(0.04, 0.25, 4.0, 1.0, -0.5, 1 / 252))
    return Sample(law, 252, 40_000)


@compiled_only
@pytest.mark.parametrize(
    ("strike", "call", "put"),
    [
        (80, 26.774758743998854, 7.958878113256768), (90, 20.933349000596710, 12.017966707346305),
        (100, 16.070154917028834, 17.055270961270109), (110, 12.132211516709845, 23.017825898442801),
        (120, 9.024913483457836, 29.811026202682472),
    ],
)
def test_lewis_prices(lewis: Sample, strike: float, call: float, put: float) -> None:
    end, discount = 100 * np.exp(lewis.level[:, -1]), math.exp(-0.01)
    assert_within(discount * np.maximum(end - strike, 0), call)
    assert_within(discount * np.maximum(strike - end, 0), put)


@compiled_only
def test_lewis_forward_and_variance(lewis: Sample) -> None:
    """E S(T) = F without a martingale correction, and E[∫ v] / T = .198461571042; each v(t) has its mean exactly."""
    assert_within(np.exp(lewis.level[:, -1]), math.exp(-0.01))
    assert_within(0.5 * (lewis.variance[:, 1:] + lewis.variance[:, :-1]).mean(axis=1), 0.198461571042)
    for t in (1, 20, 126, 252):
        assert_within(lewis.variance[:, t], 0.25 - 0.21 * math.exp(-4 * t / 252))


# --- Merton ---------------------------------------------------------------------------------------


def haug(strike: float, years: float, intensity: float, part: float) -> tuple[float, float, float]:
    """Price by Merton's series, diffusion and jump deviation: S = 100, r = 8%, 25% in all, of which variance ``part`` is jumps."""
    jump_sd = math.sqrt(part * 0.25**2 / intensity)
    diffusion = math.sqrt(0.25**2 - intensity * jump_sd**2)
    price = 0.0
    for n in range(60):
        sigma = math.sqrt(diffusion**2 + n * jump_sd**2 / years)
        d1 = (math.log(100 / strike) + (0.08 + sigma**2 / 2) * years) / (sigma * math.sqrt(years))
        value = 100 * stats.norm.cdf(d1) - strike * math.exp(-0.08 * years) * stats.norm.cdf(d1 - sigma * math.sqrt(years))
        price += stats.poisson.pmf(n, intensity * years) * value
    return price, diffusion, jump_sd


def test_haug_values() -> None:
    assert haug(100, 0.1, 1, 0.25)[0] == pytest.approx(3.424551, abs=5e-7)
    assert haug(100, 0.5, 10, 0.25)[0] == pytest.approx(9.031277, abs=5e-7)
    assert (round(haug(100, 0.1, 1, 0.25)[0], 2), round(haug(100, 0.5, 10, 0.25)[0], 2)) == (3.42, 9.03)


@compiled_only
@pytest.mark.parametrize(("days", "years", "intensity"), [(25, 0.1, 1.0), (126, 0.5, 10.0)])
def test_paths_price_as_haug_does(days: int, years: float, intensity: float) -> None:
    """(M-55) Days of years / days each; log jumps of mean −s² / 2, so that a jump is fair."""
    price, diffusion, jump_sd = haug(100, years, intensity, 0.25)
    count, step = np.arange(10), years / days
    cumulative = np.tile(stats.poisson.cdf(count, intensity * step), (11, 1))
    cumulative[:, -1] = 1.0
    law = FactorLaw(LAW_CHAIN, 0.0, 0.0, chain=Chain(
        (0.08 - diffusion**2 / 2) * step - count * jump_sd**2 / 2, np.full(10, diffusion * math.sqrt(step)), jump_sd * np.sqrt(count),
        cumulative, 1))
    end = 100 * np.exp(Sample(law, days, 100_000).level[:, -1])
    assert_within(math.exp(-0.08 * years) * np.maximum(end - 100, 0), price)
    assert_within(end, 100 * math.exp(0.08 * years))


# --- GARCH ----------------------------------------------------------------------------------------


def test_news_of_both_signs() -> None:
    """(M-58) ω = 2e-6, α = .03, γ = .10, β = .90: from 1e-4, −3% gives 2.09e-4, +3% 1.19e-4; half the mean of both is persistence .98."""
    g = Garch(2e-6, 0.03, 0.10, 0.90)
    assert next_variance(g, 1e-4, -0.03) == pytest.approx(2.09e-4, rel=1e-12)
    assert next_variance(g, 1e-4, 0.03) == pytest.approx(1.19e-4, rel=1e-12)
    assert pytest.approx(1e-4, rel=1e-12) == 2e-6 / (1 - 0.98)


def test_exponentially_weighted_variance() -> None:
    h = 1e-4
    for r in (0.01, -0.02, 0.015, -0.03):
        h = next_variance(Garch(0.0, 0.06, 0.0, 0.94), h, r)
    assert h == pytest.approx(1.7095480e-4, abs=5e-12)
    assert 100 * math.sqrt(h) == pytest.approx(1.307497, abs=5e-7)
    assert 100 * math.sqrt(252 * h) == pytest.approx(20.755869, abs=5e-7)


@compiled_only
def test_forecasts_of_the_variance() -> None:
    """(M-58) ω = 1e-5, α = .12, β = .85 from 4e-4: day 5, 10, 22 and the sum of 22; excess kurtosis 2.851485, half-life 22.7566."""
    law = FactorLaw(LAW_GARCH, math.sqrt(1e-5 / 0.03), 0.0, garch=Garch(1e-5, 0.12, 0.0, 0.85, 4e-4))
    assert 100 * law.sd == pytest.approx(1.825742, abs=5e-7)
    assert math.log(0.5) / math.log(0.97) == pytest.approx(22.7566, abs=5e-5)
    sample = Sample(law, 22, 100_000)
    for day, h in ((5, 0.000392352854), (10, 0.000384015404), (22, 0.000368498701)):
        assert 1e-5 / 0.03 + 0.97 ** (day - 1) * (4e-4 - 1e-5 / 0.03) == pytest.approx(h, abs=5e-13)
        assert_within(sample.variance[:, day - 1], h)
        assert_within(np.diff(sample.level)[:, day - 1] ** 2, h)
    assert_within(sample.variance[:, :22].sum(axis=1), 0.008418542006)
    first, second = 4e-4, 16e-8
    for day in range(1, 3000):
        if day == 8:
            assert_within(sample.variance[:, 7] ** 2, second)
        first, second = 1e-5 + 0.97 * first, 1e-10 + 2e-5 * 0.97 * first + (3 * 0.12**2 + 2 * 0.12 * 0.85 + 0.85**2) * second
    assert 3 * second / first**2 - 3 == pytest.approx(2.851485, abs=5e-7)


@compiled_only
def test_student_innovations_have_unit_variance() -> None:
    """(M-58) And the excess kurtosis 6 / (dof − 4) of a Student-t."""
    law = FactorLaw(LAW_GARCH, SD, 0.0, garch=Garch(SD**2, 0.0, 0.0, 0.0, SD**2, 10.0, student(10.0)))
    e = np.diff(Sample(law, 50, 20_000).level).ravel() / SD
    assert_within(e, 0.0)
    assert_within(e**2, 1.0)
    assert_within(e**4, 4.0)
    assert_within((np.abs(e) > 4).astype(float), 2 * stats.t.sf(4 * math.sqrt(10 / 8), 10))


# --- regimes, bootstrap ---------------------------------------------------------------------------


def test_the_chain_of_hamilton() -> None:
    """(M-56) p = .7547 and .9049: a share of .2793772 of quarters in the first, of 4.0766 and 10.5152 quarters on average."""
    moves = np.array([[0.7547, 0.2453], [0.0951, 0.9049]])
    assert stationary_law(moves)[0] == pytest.approx(0.2793772, abs=5e-8)
    assert (round(1 / 0.2453, 4), round(1 / 0.0951, 4)) == (4.0766, 10.5152)


@compiled_only
def test_regimes_last_and_recur_as_the_chain_says() -> None:
    moves = np.array([[0.7547, 0.2453], [0.0951, 0.9049]])
    share = stationary_law(moves)
    law = FactorLaw(LAW_CHAIN, SD, 0.0, chain=Chain(
        np.zeros(2), np.full(2, SD), np.zeros(2), np.cumsum(np.vstack([moves, share]), axis=1), 0))
    state = Sample(law, 200, 5_000).state[:, 1:]
    for day in (0, 1, 50, 199):
        assert_within((state[:, day] == 0).astype(float), share[0])
    for s, mean in ((0, 4.0766), (1, 10.5152)):
        # Days on which a stay ends, of the days of it: the inverse of how long it lasts.
        here = state[:, :-1] == s
        leaves = (here & (state[:, 1:] != s)).sum() / here.sum()
        assert abs(leaves - 1 / mean) < 3 * math.sqrt(leaves * (1 - leaves) / here.sum()) + 5e-6


@compiled_only
def test_blocks_of_the_bootstrap() -> None:
    """(M-59) Geometric blocks of 10 days, every day alike, moments of the history, and its serial dependence times 1 − 1 / L."""
    law = history()
    sample = Sample(law, 100, 10_000)
    x, day = np.diff(sample.level), sample.state[:, 1:]
    goes_on = (day[:, 1:] == (day[:, :-1] + 1) % 400).astype(float)
    assert_within(goes_on.ravel(), 0.9 + 0.1 / 400)
    assert_within((day[:, 0] < 100).astype(float), 0.25)
    assert_within(x[:, 60], law.drawn.market.mean())
    assert_within(x[:, 60] ** 2, float((law.drawn.market**2).mean()))
    squares = law.drawn.market**2
    known = float((squares * np.roll(squares, -1)).mean())
    assert_within(x[:, 40] ** 2 * x[:, 41] ** 2, 0.9 * known + 0.1 * float(squares.mean()) ** 2)


def shaped(
    law: FactorLaw, tails: Tails, days: int, paths: int, sectors: int = 2, names: int = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return market returns, sector and own noise after the tails, by path and day."""
    from stresslab.kernels.factors import SHAPE_NONE, Crash, factor_path

    room, out, trace = noise.new_noise(days, sectors, names), noise.new_noise(days, sectors, names), new_trace(days)
    wanted, level = np.ones(noise.LEAD_FACTORS + sectors, np.uint8), np.zeros(days + 1)
    found = []
    for path in range(paths):
        noise.draw_noise(room, wanted, 3, path)
        factor_path(level, trace, law, Crash(SHAPE_NONE, 0, 0.0, False), room.leading, 3, path)
        shape_noise(out, tails, law, level, trace, np.full(sectors, 0.01), room)
        found.append((np.diff(level), out.leading[1:, noise.LEAD_FACTORS:].copy(), out.own[1:days + 1, :names].astype(float)))
    market, sector, own = (np.concatenate(part) for part in zip(*found, strict=True))
    return market, sector, own


def test_sectors_move_on_the_drawn_day() -> None:
    """(M-59) A sector of the history takes the drawn day's return, the other keeps its normal."""
    law = history()
    market, sector, _ = shaped(law, Tails(), 40, 5)
    where = {float(np.float64(x)): at for at, x in enumerate(law.drawn.market)}
    for t in range(market.size):
        at = min(where, key=lambda x: abs(x - market[t]))
        assert abs(at - market[t]) < 1e-12
        assert sector[t, 0] * 0.01 == pytest.approx(law.drawn.sectors[where[at], 0], rel=1e-12)
    plain = np.concatenate([_sector_normals(path, 40, 1) for path in range(5)])
    assert np.array_equal(sector[:, 1], plain)


def _sector_normals(path: int, days: int, sector: int) -> np.ndarray:
    room = noise.new_noise(days, 2, 4)
    noise.draw_noise(room, np.ones(noise.LEAD_FACTORS + 2, np.uint8), 3, path)
    return room.leading[1:, noise.LEAD_FACTORS + sector].copy()


# --- tails ----------------------------------------------------------------------------------------


def joint(dof: float) -> tuple[FactorLaw, Tails]:
    law = FactorLaw(LAW_GARCH, SD, 0.0, garch=Garch(SD**2, 0.0, 0.0, 0.0, SD**2, dof, student(dof)))
    return law, Tails(mixing=mixing(dof + 1), dof=dof, joint=True)


@compiled_only
def test_own_noise_of_student() -> None:
    """(M-61) Unit variance, and tails of the t with five degrees of freedom; without a copula the factors stay normal."""
    market, sector, own = shaped(gbm(), Tails(own=student(5.0)), 60, 2_000)
    assert_within(own.ravel() ** 2, 1.0)
    assert_within((np.abs(own) > 4).ravel().astype(float), 2 * stats.t.sf(4 * math.sqrt(5 / 3), 5))
    assert_within((np.abs(sector) > 3).ravel().astype(float), 2 * stats.norm.sf(3))
    assert_within(own[:, 0] ** 2 * own[:, 1] ** 2, 1.0)
    assert_within((market / SD) ** 2, 1.0)


@compiled_only
def test_one_scale_a_day_makes_a_t_copula() -> None:
    """(M-61) Market and sector noise are a bivariate t: E x² y² = (n − 2) / (n − 4), rank correlation 2 / π asin ρ."""
    law, tails = joint(10.0)
    market, sector, own = shaped(law, tails, 60, 2_000)
    x, y = market / SD, sector[:, 0]
    for one in (x, y, own[:, 2]):
        assert_within(one**2, 1.0)
        assert_within((np.abs(one) > 3).astype(float), 2 * stats.t.sf(3 * math.sqrt(10 / 8), 10))
    assert_within(x**2 * y**2, 8 / 6)
    assert_within(y**2 * own[:, 1] ** 2, 8 / 6)
    for rho in (0.5, 0.7):
        mixed = rho * x + math.sqrt(1 - rho**2) * y
        tau = stats.kendalltau(x[:20_000], mixed[:20_000])[0]
        assert tau == pytest.approx(2 / math.pi * math.asin(rho), abs=3 * 0.005)


@compiled_only
def test_joint_falls_are_those_of_a_bivariate_t() -> None:
    """(M-61) P(both below their 1% quantile) under dof 4 and ρ = 0.5, by one integral; a Gaussian copula has a third of it."""
    law, tails = joint(4.0)
    market, sector, _ = shaped(law, tails, 60, 4_000)
    q = stats.t.ppf(0.01, 4)
    x = market / SD * math.sqrt(2)
    y = 0.5 * x + math.sqrt(0.75) * sector[:, 0] * math.sqrt(2)
    w = np.linspace(1e-6, 1 - 1e-6, 4001)
    scale = np.sqrt(stats.chi2.ppf(w, 4) / 4)
    both = stats.multivariate_normal(cov=[[1, 0.5], [0.5, 1]]).cdf(np.column_stack([q * scale, q * scale]))
    assert_within(((x < q) & (y < q)).astype(float), float(np.trapezoid(both, w)))


@pytest.mark.parametrize(
    ("dof", "rho", "dependence"), [(4, 0.5, 0.2531699951), (4, 0.0, 0.0755868184), (3, 0.7, 0.4480998732), (10, 0.5, 0.0818642312)]
)
def test_tail_dependence_of_a_t_copula(dof: float, rho: float, dependence: float) -> None:
    """2 t(dof + 1)(−√((dof + 1)(1 − ρ) / (1 + ρ))), and the law of (M-61) reaches it: given a wild market day, that of the day's scale.

    Given x far out, y's part beyond ρ x is s z with s² = (dof − 2 + e²) / χ²(dof + 1), so y / x → ρ + √(1 − ρ²) t(dof + 1) / √(dof + 1).
    """
    value = 2 * stats.t.sf(math.sqrt((dof + 1) * (1 - rho) / (1 + rho)), dof + 1)
    assert value == pytest.approx(dependence, abs=5.1e-11)
    # P(y < q | x < q) as q falls: x = q u^(−1/dof) by its tail, y below q by the limit law, with the kernel's own scale of a day.
    u = (np.arange(400) + 0.5) / 400
    far, total = 1e6, 0.0
    table = mixing(dof + 1)
    p = (np.arange(400) + 0.5) / 400
    reads = np.array([special.read(table, z) for z in stats.norm.ppf(p)])
    for part in u ** (-1 / dof):
        e = far * part
        s = math.sqrt(dof - 2 + e**2) * reads
        total += float(stats.norm.cdf((-far + rho * e) / (math.sqrt(1 - rho**2) * s)).mean())
    assert total / u.size == pytest.approx(value, abs=2e-3)


def test_without_tails_noise_stays_as_it_is() -> None:
    """(M-61) A scale of one, day by day; and with a copula beside a law of its own the market keeps its law."""
    _, sector, own = shaped(heston(), Tails(), 10, 3)
    assert np.array_equal(sector[:, 1], np.concatenate([_sector_normals(path, 10, 1) for path in range(3)]))
    assert own.std() > 0.8
    alone = Tails(mixing=mixing(6.0), dof=6.0)
    market, scaled, _ = shaped(heston(), alone, 10, 3)
    z = np.concatenate([normals(10, 3, path)[1:, LEAD_MIXING] for path in range(3)])
    wanted = np.sqrt(4 / stats.chi2.isf(stats.norm.cdf(z), 6))
    assert np.allclose(scaled[:, 0] / sector[:, 0], wanted, rtol=1e-5)
    assert np.array_equal(market, shaped(heston(), Tails(), 10, 3)[0])
