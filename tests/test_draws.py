"""The random draws: known answers, the twin's words, the normal law, and independence by construction.

Seeds are fixed, so a test either always passes or always fails; bounds are those that a fair sample of the size
leaves with odds of about one in a thousand.
"""

from __future__ import annotations

import itertools
import math

import numba
import numpy as np
import plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtri

from stresslab.kernels import draws, kernel

ALL = 0xFFFFFFFF
WORDS = st.integers(0, ALL)
SEEDS = st.integers(0, 2**63 - 1)
#: As plain Python, without the JIT, a draw takes a thousand times longer.
COUNT = 2_000 if numba.config.DISABLE_JIT else 200_000
#: |z| of a standard normal statistic that chance exceeds once in a thousand.
THREE_THIRTY = 3.30


@kernel
def many_leading(out: NDArray[np.float64], seed: int, axis: int, stream: int) -> None:
    """Fill ``out`` with leading normals along paths (axis 0), days (1) or slots (2)."""
    for n in range(out.size):
        path, day, slot = (n, 1, 0) if axis == 0 else (0, n, 0) if axis == 1 else (0, 1, n)
        out[n] = draws.leading_normal(seed, path, day, stream, slot)


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    return tuple(int(w) for w in draws.philox(*(np.uint64(x) for x in (*counter, *key))))


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ALL, ALL, ALL, ALL), (ALL, ALL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_known_answers(counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]) -> None:
    """(M-5) The known answers that Random123 publishes for philox4x32-10."""
    assert philox(counter, key) == words


@settings(max_examples=500, deadline=None)
@given(st.tuples(WORDS, WORDS, WORDS, WORDS), st.tuples(WORDS, WORDS))
def test_philox_equals_the_twin(counter: tuple[int, int, int, int], key: tuple[int, int]) -> None:
    assert philox(counter, key) == plain.philox4x32(counter, key)


@settings(max_examples=500, deadline=None)
@given(SEEDS, WORDS, WORDS, WORDS, WORDS)
def test_words_are_philox_at_slot_day_stream_path(seed: int, path: int, day: int, stream: int, slot: int) -> None:
    """(M-5) The key is the seed's low and high half; the counter is (slot, day, stream, path)."""
    found = tuple(int(w) for w in draws.words(seed, path, day, stream, slot))
    assert found == plain.philox4x32((slot, day, stream, path), (seed % 2**32, seed // 2**32))


def test_streams_keep_their_numbers() -> None:
    """(M-5) They are part of every published result."""
    found = (draws.STREAM_MARKET, draws.STREAM_FACTORS, draws.STREAM_OWN, draws.STREAM_ANSWERS, draws.STREAM_DEMO)
    assert found == (0, 1, 2, 3, 4)


def test_no_two_counters_meet() -> None:
    """Every (path, day, stream, slot) has words of its own: coordinates neither add up nor swap."""
    grid = itertools.product(range(12), range(12), range(5), range(12))
    seen = {tuple(int(w) for w in draws.words(11, *place)) for place in grid}
    assert len(seen) == 12 * 12 * 5 * 12


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**62), WORDS, WORDS, st.integers(0, 4), WORDS, st.integers(0, 4), st.integers(0, 31))
def test_one_bit_of_one_coordinate_changes_all_words(
    seed: int, path: int, day: int, stream: int, slot: int, which: int, bit: int
) -> None:
    place = [seed, path, day, stream, slot]
    moved = list(place)
    moved[which] ^= 1 << bit
    before, after = draws.words(*place), draws.words(*moved)
    assert tuple(before) != tuple(after)
    changed = sum((int(a) ^ int(b)).bit_count() for a, b in zip(before, after, strict=True))
    assert 24 <= changed <= 104  # 64 of 128 are expected, with a standard deviation of 5.7: seven of them


# --- uniforms and quantiles -----------------------------------------------------------------------


def test_uniforms_lie_inside_the_unit_interval() -> None:
    """(M-6) (w + ½) / 2^32: never 0, never 1, the middle between its neighbours."""
    assert draws.uniform(np.uint64(0)) == 0.5 / 2**32
    assert draws.uniform(np.uint64(ALL)) == 1 - 0.5 / 2**32 < 1
    assert draws.uniform(np.uint64(2**31)) == 0.5 + 0.5 / 2**32


def test_inverse_normal_against_scipy() -> None:
    """(M-6) AS 241 and Cephes agree to 1e-14, in the centre, in both tails and at the ends of a 32-bit word."""
    ends = np.concatenate([np.arange(500), ALL - np.arange(500), 2**31 + np.arange(-500, 500)])
    grid = np.concatenate([np.linspace(0, ALL, 20_011).astype(np.int64), ends])
    p = (grid + 0.5) / 2**32
    found = np.array([draws.inverse_normal(float(x)) for x in p])
    assert np.max(np.abs(found / ndtri(p) - 1)) < 1e-14


@pytest.mark.parametrize("p", [1e-300, 1e-100, 1e-20, 1e-12, 0.0749999, 0.075, 0.0750001, 0.925, 0.9250001, 0.3])
def test_inverse_normal_across_its_branches(p: float) -> None:
    assert draws.inverse_normal(p) == pytest.approx(ndtri(p), rel=1e-14)


@given(st.integers(0, 2**31 - 1))
def test_inverse_normal_is_odd(word: int) -> None:
    p = (word + 0.5) / 2**32
    assert draws.inverse_normal(p) == -draws.inverse_normal(1 - p)


def test_the_logarithm_is_right_to_the_last_place() -> None:
    """(M-52) Over all of (0, 1) and around 1, where the power of two changes."""
    x = np.concatenate([np.geomspace(1e-300, 1.0, 5_000), np.linspace(0.5, 2.0, 5_001), 1.0 + np.arange(-50, 50) * 2.0**-52])
    found = np.array([draws.logarithm(v) for v in x])
    exact = np.log(x.astype(np.longdouble))
    assert np.all(np.abs(found - exact) <= np.spacing(np.abs(exact).astype(np.float64)))
    assert draws.logarithm(1.0) == 0.0


def test_the_middle_is_zero() -> None:
    assert draws.inverse_normal(0.5) == 0.0


# --- the normal law -------------------------------------------------------------------------------


def leading(axis: int, seed: int = 5, stream: int = draws.STREAM_MARKET) -> NDArray[np.float64]:
    out = np.empty(COUNT)
    many_leading(out, seed, axis, stream)
    return out


def assert_standard_normal(x: NDArray[np.float64]) -> None:
    """Assert mean, variance, skewness, kurtosis and the whole law of a sample."""
    root = math.sqrt(x.size)
    assert abs(x.mean()) < THREE_THIRTY / root
    assert abs(x.var() - 1) < THREE_THIRTY * math.sqrt(2) / root
    assert abs(stats.skew(x)) < THREE_THIRTY * math.sqrt(6) / root
    assert abs(stats.kurtosis(x)) < THREE_THIRTY * math.sqrt(24) / root
    assert stats.kstest(x, "norm").pvalue > 0.001


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_leading_normals_are_normal_along_paths_days_and_slots(axis: int) -> None:
    assert_standard_normal(leading(axis))


def test_a_leading_normal_is_the_quantile_of_word_0() -> None:
    """(M-6) One uniform gives one normal, so that another sequence of points can stand in."""
    word = plain.philox4x32((4, 2, 0, 3), (5, 0))[0]
    assert draws.leading_normal(5, 3, 2, 0, 4) == pytest.approx(ndtri((word + 0.5) / 2**32), rel=1e-14)


# --- independence ---------------------------------------------------------------------------------


def assert_uncorrelated(x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Assert that values and squares of two samples do not move together."""
    bound = THREE_THIRTY / math.sqrt(x.size)
    assert abs(np.corrcoef(x, y)[0, 1]) < bound
    assert abs(np.corrcoef(x**2, y**2)[0, 1]) < bound


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("lag", [1, 2, 25])
def test_neighbouring_paths_days_and_slots_are_uncorrelated(axis: int, lag: int) -> None:
    x = leading(axis)
    assert_uncorrelated(x[lag:], x[:-lag])


def test_streams_seeds_and_axes_are_uncorrelated() -> None:
    x = leading(0)
    for other in (leading(0, stream=draws.STREAM_FACTORS), leading(0, seed=6), leading(0, seed=5 + 2**32), leading(1)):
        assert_uncorrelated(x[1:], other[1:])


# --- uniforms for data -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 4, 5, 17])
def test_uniforms_are_filled_four_to_a_slot(size: int) -> None:
    """A shorter array is the beginning of a longer one."""
    short, long = np.zeros(size), np.zeros(20)
    draws.fill_uniforms(short, 7, 1, 2, draws.STREAM_DEMO)
    draws.fill_uniforms(long, 7, 1, 2, draws.STREAM_DEMO)
    assert short.tolist() == long[:size].tolist()
    words = [w for slot in range(5) for w in plain.philox4x32((slot, 2, draws.STREAM_DEMO, 1), (7, 0))]
    assert long.tolist() == [(w + 0.5) / 2**32 for w in words]
