"""The mass of own noise: its words, its law, and the same bits in any lanes, with the compiler or without.

Seeds are fixed, so a test either always passes or always fails; bounds are those that a fair sample of the size
leaves with odds of about one in a thousand.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numba
import numpy as np
import plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtri

from stresslab.kernels import draws, kernel, noise, normals, returns
from stresslab.kernels.factors import LAW_GBM, SHAPE_NONE, Crash, FactorLaw
from stresslab.kernels.lanes import fma, plain_fma, plain_fma32

ROOT = Path(__file__).parent.parent
F32, F64 = NDArray[np.float32], NDArray[np.float64]
compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="compares compiled code with plain code")
#: As plain Python a draw takes a thousand times longer.
SLOTS = 250 if numba.config.DISABLE_JIT else 25_000
#: |z| of a standard normal statistic that chance exceeds once in a thousand.
THREE_THIRTY = 3.30
PLACES = (st.integers(0, 2**63 - 1), st.integers(0, 2**32 - 1), st.integers(1, 504), st.integers(0, 2**16))


def own(seed: int = 5, path: int = 3, days: int = 1, slots: int = SLOTS, stream: int = draws.STREAM_OWN) -> F32:
    """The normals of all slots of days 1..days, days × slots × four."""
    out = np.zeros(4 * days * slots, np.float32)
    normals.fill_normals(out, normals.places(1, days, slots), normals.new_words(), stream, seed, path)
    return out.reshape(days, slots, 4)


def box_muller(seed: int, path: int, day: int, slot: int) -> list[float]:
    """The four normals of a counter in double precision, from the prose of (M-6) and the twin's words."""
    words = plain.philox4x32((slot, day, draws.STREAM_OWN, path), (seed % 2**32, seed // 2**32))
    found = []
    for first, second in (words[:2], words[2:]):
        r = math.sqrt(-2 * math.log((first + 0.5) / 2**32))
        a = math.pi / 2 * ((second % 2**30 + 0.5) / 2**30 - 0.5)
        x, y = r * math.cos(a), r * math.sin(a)
        if second >> 31:
            x = -x
        found += [y, x] if second >> 30 & 1 else [x, y]
    return found


# --- words and bits -------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(*PLACES)
def test_own_noise_is_box_muller_of_its_words(seed: int, path: int, day: int, slot: int) -> None:
    """(M-6) To six digits, as single precision goes; where the uniform is rounded next to 1, to 2^-24 in r² / 2 (M-52)."""
    out = np.zeros(4, np.float32)
    place = np.array([slot | day << 32], np.uint64)
    normals.fill_normals(out, place, normals.new_words(), draws.STREAM_OWN, seed, path)
    exact = box_muller(seed, path, day, slot)
    for n, (found, expected) in enumerate(zip(out.tolist(), exact, strict=True)):
        r = math.hypot(*exact[n // 2 * 2:n // 2 * 2 + 2])
        assert found == pytest.approx(expected, rel=1e-6, abs=4e-7 + min(2.0**-24 / r, 2.0**-11))


def test_the_radius_is_right_at_the_ends() -> None:
    """(M-52) Relative error below 4e-7 for small words, and never the logarithm of zero."""
    for word in (0, 1, 2, 255, 2**16, 2**24 - 1, 2**31, 3_037_000_499, 2**32 - 2**9):
        exact = -2 * math.log((word + 0.5) / 2**32)
        found = normals.minus_two_log(np.uint32(word))
        assert found == pytest.approx(exact, rel=4e-7, abs=1.3e-7), word
    assert normals.minus_two_log(np.uint32(2**32 - 1)) >= 0.0


@pytest.mark.parametrize(("first", "count"), [(0, 1), (1, 7), (5, 16), (0, 512), (511, 2), (512, 33), (300, 700)])
def test_any_part_of_the_noise_is_what_it_is_in_the_whole(first: int, count: int) -> None:
    """(M-5) Where a buffer or a vector begins and ends does not matter."""
    if numba.config.DISABLE_JIT:
        count = min(count, 40)
    place = normals.places(1, 4, 256)[first:first + count]
    out, alone = np.zeros(4 * place.size, np.float32), np.zeros(4, np.float32)
    normals.fill_normals(out, place, normals.new_words(), draws.STREAM_OWN, 7, 2)
    for n in range(0, place.size, 13):
        normals.fill_normals(alone, place[n:n + 1], normals.new_words(), draws.STREAM_OWN, 7, 2)
        assert np.array_equal(alone, out[4 * n:4 * n + 4])


def test_leading_normals_are_those_drawn_one_by_one() -> None:
    """(M-6) To the last bit, in the middle and in the tails; what is not wanted stays as it is."""
    days = 40 if numba.config.DISABLE_JIT else 504
    room, wanted = noise.new_noise(days, 2, 1), np.array([1, 0, 1, 0, 0, 1, 0, 1], np.uint8)
    room.leading[:] = 9.0
    noise.draw_noise(room, wanted, 2**40 + 1, 6)
    places = {0: (draws.STREAM_MARKET, 0), 2: (draws.STREAM_MARKET, 2), 5: (draws.STREAM_RATES, 0), 7: (draws.STREAM_FACTORS, 1)}
    for column in range(8):
        expected = np.full(days, 9.0)
        if column in places:
            expected = np.array([draws.leading_normal(2**40 + 1, 6, t, *places[column]) for t in range(1, days + 1)])
        assert np.array_equal(room.leading[1:, column], expected), column
    assert np.all(room.leading[0] == 9.0)


def test_tails_are_the_quantiles_of_their_words() -> None:
    """Words 0 and 2^32 − 1, the ends of the middle and their neighbours, in every place of a vector."""
    ends = [0, 1, 2**32 - 1, 2**32 - 2, 2**31, 322_122_547, 322_122_548, 3_972_844_747, 3_972_844_748]
    for words in (ends, ends[:1], [2**31] * 5, [0] * 9):
        w = np.array(words, np.uint32)
        out = np.zeros(w.size)
        normals.fill_quantiles(out, w, np.zeros(w.size), np.zeros(w.size, np.int64))
        assert np.allclose(out, ndtri((w + 0.5) / 2**32), rtol=1e-14, atol=1e-16)


@kernel
def fused(a: float, b: float, c: float) -> float:
    return fma(a, b, c)


REALS = st.floats(-1e30, 1e30).filter(lambda x: x == 0 or abs(x) > 1e-30)
SINGLES = st.floats(-(2.0**40), 2.0**40, width=32).filter(lambda x: x == 0 or abs(x) > 2.0**-40)


@settings(max_examples=500, deadline=None)
@given(REALS, REALS, REALS, st.booleans())
def test_fma_rounds_once(a: float, b: float, c: float, near: bool) -> None:
    """(M-52) The instruction and the ordinary additions and multiplications agree to the last bit with exact fractions."""
    if near:
        c = -a * b * (1 + 2.0**-52)
    exact = float(Fraction(a) * Fraction(b) + Fraction(c))
    assert plain_fma(a, b, c) == exact
    assert fused(np.float64(a), np.float64(b), np.float64(c)) == exact


@settings(max_examples=500, deadline=None)
@given(SINGLES, SINGLES, SINGLES)
def test_single_fma_rounds_once(a: float, b: float, c: float) -> None:
    """(M-52) Compared through the double fma of exact products, and bit for bit with the plain form."""
    x, y, z = np.float32(a), np.float32(b), np.float32(c)
    found, plainly = fused(x, y, z), plain_fma32(x, y, z)
    assert np.float32(found) == plainly
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
    apart = abs(Fraction(float(plainly)) - exact)
    for neighbour in (np.nextafter(plainly, np.float32(np.inf)), np.nextafter(plainly, np.float32(-np.inf))):
        assert apart <= abs(Fraction(float(neighbour)) - exact)


@settings(max_examples=300, deadline=None)
@given(st.floats(-40.0, 3.0))
def test_exp_of_a_level(x: float) -> None:
    """(M-52) Relative error below 1e-13, and exactly 1 at 0: a price that has not moved is the book's."""
    assert returns.exponential(np.float64(x)) == pytest.approx(math.exp(x), rel=1e-13)
    assert returns.exponential(np.float64(0.0)) == 1.0


def market(count: int, days: int, sectors: int, styles: int) -> returns.MarketTerms:
    """A market in which everything moves: sectors, further factors, rates, different ticks."""
    i = np.arange(count)
    return returns.MarketTerms(
        price=1_000 * (1 + i), tick=np.where(i % 3 == 0, 1, 10), beta=0.5 + 0.1 * (i % 7), sector=i % max(sectors, 1),
        sector_loading=1.0 - 0.05 * (i % 5), own_sd=0.01 + 0.002 * (i % 4), rate_beta=0.5 * (i % 3), sector_sd=np.full(sectors, 0.012),
        law=FactorLaw(LAW_GBM, 0.013, 0.0), crash=Crash(SHAPE_NONE, 0, 0.0, False),
        wanted=np.ones(noise.LEAD_FACTORS + sectors + styles, np.uint8), rate_shock=np.where(np.arange(days + 1) > 2, 0.01, 0.0),
        style_loading=0.001 * (1 + (np.arange(styles)[:, None] + i) % 6),
    )


def prices(m: returns.MarketTerms, seed: int, first: int, paths: int) -> tuple[NDArray[np.int64], noise.Noise]:
    days = m.rate_shock.size - 1
    room = noise.new_noise(days, m.wanted.size - noise.LEAD_FACTORS, m.price.size)
    out = np.zeros((paths, days + 1, m.price.size), np.int64)
    returns.draw_prices(out, *np.zeros((2, paths, days + 1)), np.zeros((paths, 3)), returns.new_levels(m), m, room, seed, first)
    return out, room


WORLDS = [(1, 1, 1, 0), (7, 3, 2, 0), (8, 4, 0, 0), (9, 5, 0, 3), (17, 6, 3, 4), (33, 9, 2, 9), (16, 8, 0, 7)]


@pytest.mark.parametrize(("count", "days", "sectors", "styles"), WORLDS)
def test_prices_are_the_formula(count: int, days: int, sectors: int, styles: int) -> None:
    """(M-7) Price × exp(β F + λ G + Σ styles + H − ρ Δr), half up to the tick, for any number of instruments, days and factors."""
    m = market(count, days, sectors, styles)
    out, room = prices(m, 11, 4, 1)
    z, own_noise = room.leading[1:], np.float64(room.own[1:days + 1, :count])
    level = np.outer(np.cumsum(0.013 * z[:, 0]), m.beta)
    if sectors:
        level += np.cumsum(m.sector_sd * z[:, 6:6 + sectors], axis=0)[:, m.sector] * m.sector_loading
    level += np.cumsum(z[:, 6 + sectors:], axis=0) @ m.style_loading + np.cumsum(own_noise * m.own_sd, axis=0)
    level -= np.outer(m.rate_shock[1:], m.rate_beta)
    expected = np.maximum(1, np.floor(m.price * np.exp(level) / m.tick + 0.5)) * m.tick
    assert np.array_equal(out[0, 0], m.price)
    assert np.array_equal(out[0, 1:], expected)


def test_further_factors_cost_nothing_where_there_are_none() -> None:
    """(M-7) A market with further factors of no loading has the prices of one without any."""
    bare, empty = market(19, 6, 3, 0), market(19, 6, 3, 5)
    empty = empty._replace(style_loading=np.zeros((5, 19)))
    assert np.array_equal(prices(bare, 3, 0, 2)[0], prices(empty, 3, 0, 2)[0])


def test_a_path_is_the_same_in_any_group() -> None:
    """(M-5)"""
    m = market(21, 7, 2, 3)
    whole = prices(m, 5, 0, 6)[0]
    for first, paths in ((0, 1), (1, 2), (5, 1), (2, 4)):
        assert np.array_equal(prices(m, 5, first, paths)[0], whole[first:first + paths])


_BITS = """
import json, test_noise as t
print(json.dumps([[[p.tolist(), r.own.view('i4').tolist(), r.leading.view('i8').tolist()] for p, r in [t.prices(t.market(*w), 2**35, 7, 1)]]
                  for w in t.WORLDS[:5]]))
"""


@compiled_only
@pytest.mark.parametrize("environment", [
    {"NUMBA_DISABLE_JIT": "1"}, pytest.param({"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}, marks=pytest.mark.long),
])
def test_any_machine_gives_the_same_bits(environment: dict[str, str], tmp_path: Path) -> None:
    """Plain Python, and a processor of 2003 without wide vectors and without fma, give each bit of noise and prices."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error::RuntimeWarning", "-c", _BITS], capture_output=True, text=True, check=False,
        env={**os.environ, **environment, "STRESSLAB_CACHE": str(tmp_path),
             "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
    )
    assert done.returncode == 0, done.stderr
    for found, world in zip(json.loads(done.stdout), WORLDS, strict=False):
        p, r = prices(market(*world), 2**35, 7, 1)
        expected = [[p.tolist(), r.own.view("i4").tolist(), r.leading.view("i8").tolist()]]
        assert found == expected, world


# --- the law --------------------------------------------------------------------------------------


def assert_standard_normal(x: F64) -> None:
    """Assert mean, variance, skewness, kurtosis and the whole law of a sample."""
    root = math.sqrt(x.size)
    assert abs(x.mean()) < THREE_THIRTY / root
    assert abs(x.var() - 1) < THREE_THIRTY * math.sqrt(2) / root
    assert abs(stats.skew(x)) < THREE_THIRTY * math.sqrt(6) / root
    assert abs(stats.kurtosis(x)) < THREE_THIRTY * math.sqrt(24) / root
    assert stats.kstest(x, "norm").pvalue > 0.001


def assert_uncorrelated(x: F64, y: F64) -> None:
    """Assert that values and squares of two samples do not move together."""
    bound = THREE_THIRTY / math.sqrt(x.size)
    assert abs(np.corrcoef(x, y)[0, 1]) < bound
    assert abs(np.corrcoef(x**2, y**2)[0, 1]) < bound


@pytest.mark.parametrize("lane", range(4))
def test_each_of_the_four_normals_is_normal(lane: int) -> None:
    assert_standard_normal(np.float64(own()[0, :, lane]))


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(range(4), 2)))
def test_the_four_normals_are_uncorrelated(one: int, other: int) -> None:
    sample = np.float64(own()[0])
    assert_uncorrelated(sample[:, one], sample[:, other])


def test_the_angle_is_uniform_on_the_circle() -> None:
    """Swaps and mirrors cover all eight octants alike; chi square with 7 degrees of freedom exceeds 24.3 once in a thousand."""
    pairs = np.float64(own()).reshape(-1, 2)
    octant = np.floor((np.arctan2(pairs[:, 1], pairs[:, 0]) + math.pi) * 4 / math.pi).astype(int) % 8
    counts = np.bincount(octant, minlength=8)
    assert np.sum((counts - pairs.shape[0] / 8) ** 2) / (pairs.shape[0] / 8) < 24.3


def test_paths_days_streams_and_seeds_are_uncorrelated() -> None:
    slots = SLOTS // 5
    x = np.float64(own(slots=slots, days=3))
    changes: list[dict[str, int]] = [{"path": 4}, {"seed": 6}, {"seed": 5 + 2**32}, {"stream": draws.STREAM_CANDIDATES}]
    for other in (*(np.float64(own(slots=slots, **change)[0]) for change in changes), x[1], x[2]):
        assert_uncorrelated(x[0].ravel(), other.ravel())
    for lag in (1, 2, 3, 4, 5, 8, 75, 76):
        assert_uncorrelated(x[0].ravel()[lag:], x[0].ravel()[:-lag])


@pytest.mark.long
def test_the_law_of_many_normals() -> None:
    """16 million: moments up to the sixth, the tails, chi square of 1,000 equal cells, collisions of neighbours in the plane."""
    x = np.float64(own(seed=17, days=40, slots=100_000)).ravel()
    n = x.size
    for k, (law, spread) in enumerate([(0, 1), (1, 2), (0, 15), (3, 96), (0, 945), (15, 10_170)], start=1):
        assert abs(np.mean(x**k) - law) < THREE_THIRTY * math.sqrt(spread / n), k
    for z in (3.0, 4.0, 5.0):
        p = 2 * stats.norm.sf(z)
        assert abs(np.mean(np.abs(x) > z) - p) < THREE_THIRTY * math.sqrt(p / n), z
    cells = np.bincount(np.minimum((stats.norm.cdf(x) * 1_000).astype(int), 999), minlength=1_000)
    assert 0.001 < stats.chi2.sf(np.sum((cells - n / 1_000) ** 2) / (n / 1_000), 999) < 0.999
    u = (stats.norm.cdf(x) * 64).astype(int).clip(0, 63)
    for lag in (1, 2, 4, 400_000):
        pairs = np.bincount(u[lag:] * 64 + u[:-lag], minlength=4_096)
        assert 0.001 < stats.chi2.sf(np.sum((pairs - pairs.sum() / 4_096) ** 2) / (pairs.sum() / 4_096), 4_095) < 0.999, lag


@pytest.mark.long
def test_instruments_days_and_paths_are_independent() -> None:
    """The largest of all correlations between 64 instruments, between 60 days and between 256 paths is as large as chance makes it."""
    days = 60
    sample = np.stack([np.float64(own(seed=3, path=p, days=days, slots=16)).reshape(days, 64) for p in range(2_000)])
    for table in (sample[:, 0], sample[:, :, 5], sample[:256].reshape(256, -1).T):
        rows, columns = table.shape
        found = np.corrcoef(table.T)[np.triu_indices(columns, 1)] * math.sqrt(rows)
        assert np.max(np.abs(found)) < stats.norm.isf(0.0005 / found.size)
        assert stats.kstest(found, "norm").pvalue > 0.001
