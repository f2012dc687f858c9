"""Mirrored paths, Brownian bridges and Sobol points: closed forms, published points, and any path drawn alone."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import qmc

from stresslab.kernels import kernel, noise
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
