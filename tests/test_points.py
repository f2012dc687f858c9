"""Mirrored paths, Brownian bridges and Sobol points: closed forms, published points, and any path drawn alone."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import kstest, qmc

from stresslab.kernels import kernel, noise, scramble
from stresslab.points import SobolPaths, SobolPoints, bridge_order

WANTED = np.ones(noise.LEAD_FACTORS + 2, np.uint8)
compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes as plain Python, without the JIT")


def mirrored(path: int, seed: int = 4) -> noise.Noise:
    room = noise.new_noise(6, 2, 9)
    noise.draw_mirrored(room, WANTED, seed, path)
    return room


def test_each_odd_path_mirrors_the_even_one_before_it() -> None:
    """(M-53) Leading and own normals alike; even paths are those of a plain run."""
    even, odd, plain = mirrored(8), mirrored(9), noise.new_noise(6, 2, 9)
    noise.draw_noise(plain, WANTED, 4, 8)
    assert np.array_equal(even.leading, plain.leading)
    assert np.array_equal(even.own, plain.own)
    assert np.array_equal(odd.leading, -even.leading)
    assert np.array_equal(odd.own, -even.own)
    assert not np.array_equal(mirrored(10).own, even.own)


@kernel
def first_normals(out: NDArray[np.float64], room: noise.Noise, wanted: NDArray[np.uint8]) -> None:
    for path in range(out.size):
        noise.draw_mirrored(room, wanted, 1, path)
        out[path] = room.leading[1, 0]


@compiled_only
def test_mirrored_pairs_have_the_variance_of_the_textbook() -> None:
    """e^U: 0.2420356075 for one, 0.0039124969 for the mean of a pair (Ross); here U = Φ(z) of the first leading normal."""
    wanted = np.zeros(noise.LEAD_FACTORS, np.uint8)
    wanted[0] = 1
    values = np.zeros(1_000_000)
    first_normals(values, noise.new_noise(1, 0, 1), wanted)
    sample = np.exp(ndtr(values)).reshape(-1, 2)
    pairs = sample.mean(axis=1)
    for found, law in ((sample[:, 0], 0.2420356075), (pairs, 0.0039124969)):
        spread = math.sqrt(np.var((found - found.mean()) ** 2) / found.size)
        assert abs(found.var(ddof=1) - law) < 3 * spread
    assert abs(pairs.mean() - (math.e - 1)) < 3 * math.sqrt(0.0039124969 / pairs.size)


def test_a_bridge_is_built_from_its_end() -> None:
    """(M-53) Order T, T/2, T/4, 3T/4 with z = (1, −0.5, 0.25, 2) over one year gives 0.2133883476, 0.25, 1.3321067812, 1."""
    steps, level = np.zeros(4), np.zeros(5)
    noise.bridge(steps, level, np.array([1.0, -0.5, 0.25, 2.0]), bridge_order(4))
    assert bridge_order(4)[:, 1].tolist() == [4, 2, 1, 3]
    assert (level[1:] / 2).tolist() == pytest.approx([0.2133883476, 0.25, 1.3321067812, 1.0], abs=1e-10)
    assert np.cumsum(steps).tolist() == pytest.approx(level[1:].tolist())


@pytest.mark.parametrize("days", [1, 2, 3, 5, 60])
def test_a_bridge_turns_normals_into_normals(days: int) -> None:
    """The map is orthogonal, so that daily steps of independent normals are independent normals."""
    order, columns = bridge_order(days), []
    assert sorted(order[:, 1].tolist()) == list(range(1, days + 1))
    for n in range(days):
        steps = np.zeros(days)
        noise.bridge(steps, np.zeros(days + 1), np.eye(days)[n], order)
        columns.append(steps)
    assert np.allclose(np.array(columns) @ np.array(columns).T, np.eye(days), atol=1e-12)


def test_scipy_gives_the_published_points() -> None:
    """Joe and Kuo's first points in three dimensions; a scrambled net keeps their structure."""
    points = qmc.Sobol(3, scramble=False).random(8)
    expected = [
        (0, 0, 0), (.5, .5, .5), (.75, .25, .25), (.25, .75, .75), (.375, .375, .625), (.875, .875, .125), (.625, .125, .875),
        (.125, .625, .375),
    ]
    assert points.tolist() == [list(map(float, p)) for p in expected]


def test_any_path_is_the_same_point_in_any_block() -> None:
    """(M-53) And another seed or replicate scrambles anew."""
    s = SobolPoints(5, [0, 6, 7], 3)
    whole = s.leading(0, 16)
    for first, stop in ((0, 1), (0, 3), (1, 2), (5, 16), (15, 16), (3, 4)):
        assert np.array_equal(s.leading(first, stop), whole[first:stop])
        assert np.array_equal(SobolPoints(5, [0, 6, 7], 3).leading(first, stop), whole[first:stop])
    for other in (SobolPoints(5, [0, 6, 7], 4), SobolPoints(5, [0, 6, 7], 3, 1)):
        assert not np.any(other.leading(0, 16) == whole)
    room, plain = noise.new_noise(5, 2, 9), noise.new_noise(5, 2, 9)
    few = np.isin(np.arange(WANTED.size), [0, 6, 7]).astype(np.uint8)
    SobolPaths(5, few, 3).draw(room, WANTED, 3, 11 * 16)
    noise.draw_noise(plain, WANTED, 3, 11 * 16)
    assert np.array_equal(room.leading[1:, [0, 6, 7]].T, whole[11])
    assert np.array_equal(room.own, plain.own)
    assert np.array_equal(room.leading[:, 1:6], plain.leading[:, 1:6])


def test_every_stratum_has_one_point() -> None:
    """2^k scrambled points put one into each of 2^k equal cells of each dimension, here of the market's end (the first normal)."""
    s = SobolPoints(4, [0, 6], 9)
    ends = ndtr(s.leading(0, 64).sum(axis=2) / 2)
    for column in range(2):
        assert sorted(np.floor(64 * ends[:, column]).astype(int).tolist()) == list(range(64))


@compiled_only
def test_sobol_points_give_a_call_with_a_fraction_of_the_error() -> None:
    """E (S − K)⁺ at 60 days, ten factors: 16 replicates of 256 paths agree with Black and Scholes, with a tenth of the error."""
    sd, strike = 0.2 * math.sqrt(60 / 252), 1.0
    d1 = 0.5 * sd
    law = ndtr(d1) - ndtr(-d1)

    def value(z: np.ndarray) -> float:
        market = z[:, 0].sum(axis=1) / math.sqrt(60)
        return float(np.maximum(np.exp(sd * market - sd * sd / 2) - strike, 0).mean())

    means = np.array([value(SobolPoints(60, range(10), 2, r).leading(0, 256)) for r in range(16)])
    error = means.std(ddof=1) / 4
    assert abs(means.mean() - law) < 3 * error
    plain = math.sqrt((math.exp(sd * sd) * ndtr(1.5 * sd) - 2 * ndtr(d1) + ndtr(-d1)) - law**2)
    assert error < 0.1 * plain / math.sqrt(16 * 256)


# Owen's scrambling


def by_hand(word: int, dimension: int, seed: int, replicate: int) -> int:
    """Plain Python: bit k is flipped as the coin says that belongs to the bits before it."""
    from stresslab.kernels.draws import STREAM_SCRAMBLES, words

    given, out = f"{word:032b}", ""
    for k in range(32):
        group, inside = divmod(k, 7)
        prefix, branch = given[: 7 * group], given[7 * group: k]
        block = words(seed, replicate, 8 * dimension + group, STREAM_SCRAMBLES, int(prefix or "0", 2))
        coins = "".join(f"{int(w):032b}"[::-1] for w in block)
        node = int("1" + branch, 2)
        assert len(branch) == inside
        out += str(int(given[k]) ^ int(coins[node]))
    return int(out, 2)


def test_scrambling_is_nested_as_a_twin_by_hand_has_it() -> None:
    """(M-290) Words that share k leading bits share k afterwards, and part at the next; each dimension has coins of its own."""
    given = [0, 1, 2**31, 2**32 - 1, 0b1011 << 28, 0xDEADBEEF, 0xDEADBEEE, 0xDEADBE00, 123_456_789]
    made = [scramble.scrambled(w, 3, 9, 2) for w in given]
    assert made == [by_hand(w, 3, 9, 2) for w in given]
    for a, x in zip(given, made, strict=True):
        for b, y in zip(given, made, strict=True):
            assert (a ^ b).bit_length() == (x ^ y).bit_length()
    assert len({scramble.scrambled(5, d, s, r) for d in range(4) for s in range(4) for r in range(4)}) == 64


def test_scrambled_words_are_uniform_and_apart() -> None:
    """A fixed point is uniform over seeds; two that part at the first bit are independent but for it."""
    made = np.array([[scramble.scrambled(w, 0, seed, 0) for w in (0, 1 << 31, 1)] for seed in range(2_000)]) / 2.0**32
    for column in made.T:
        assert kstest(column, "uniform").pvalue > 0.001
    rest = made[:, :2] % 0.5
    assert abs(np.corrcoef(rest.T)[0, 1]) < 3 / math.sqrt(2_000)
    assert np.all(np.abs(made[:, 0] - made[:, 2]) < 2.0**-31)


def test_the_error_of_a_smooth_integral_falls_as_n_to_the_minus_three_halves() -> None:
    """What nested scrambling is for (Owen 1997): E e^U in one dimension, 16 sets; 16 times the points, a 64th of the error."""
    spread = []
    for points in (64, 1024):
        means = [float(np.exp(ndtr(SobolPoints(1, [0], 7, r).leading(0, points)[:, 0, 0])).mean()) for r in range(32)]
        assert abs(np.mean(means) - (math.e - 1)) < 3 * np.std(means, ddof=1) / math.sqrt(32)
        # The law of a mean of strata of width 1 / n: ∫ f'² / 12 n³.
        exact = math.sqrt((math.exp(2) - 1) / 2 / 12 / points**3)
        assert np.std(means, ddof=1) == pytest.approx(exact, rel=0.4)
        spread.append(np.std(means, ddof=1))
    assert 30 < spread[0] / spread[1] < 130
