"""Many paths of the market factor at once, for tests of its laws, and a standard error to hold them against."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel, noise
from stresslab.kernels.crash import Crash
from stresslab.kernels.factors import SHAPE_NONE, factor_path
from stresslab.kernels.laws import (
    LAW_CHAIN,
    LAW_GARCH,
    LAW_GBM,
    LAW_HESTON,
    Chain,
    FactorLaw,
    Garch,
    Heston,
    Trace,
    new_trace,
)

F64 = NDArray[np.float64]
FREE = Crash(SHAPE_NONE, 0, 0.0, False)
SD = 0.012


@kernel
def _fill(
    out: F64, variance: F64, state: NDArray[np.int64], told: F64, trace: Trace, law: FactorLaw, crash: Crash, room: noise.Noise,
    wanted: NDArray[np.uint8], seed: int, first: int,
) -> None:
    for row in range(out.shape[0]):
        noise.draw_noise(room, wanted, seed, first + row)
        factor_path(out[row], trace, law, crash, room.leading, seed, first + row)
        for t in range(out.shape[1]):
            variance[row, t] = trace.variance[t]
            state[row, t] = trace.state[t]
        for at in range(told.shape[1]):
            told[row, at] = trace.told[at]


class Sample:
    """The log levels of many paths, with what each remembers, by path and day."""

    def __init__(self, law: FactorLaw, days: int, paths: int, crash: Crash = FREE, seed: int = 1, first: int = 0) -> None:
        self.level, self.variance = np.zeros((paths, days + 1)), np.zeros((paths, days + 1))
        self.state, self.told = np.zeros((paths, days + 1), np.int64), np.zeros((paths, 3))
        room, wanted = noise.new_noise(days, 0, 0), np.ones(noise.LEAD_FACTORS, np.uint8)
        _fill(self.level, self.variance, self.state, self.told, new_trace(days), law, crash, room, wanted, seed, first)


def normals(days: int, seed: int, path: int) -> F64:
    """The leading normals of a path, days 0..T × columns."""
    room = noise.new_noise(days, 0, 0)
    noise.draw_noise(room, np.ones(noise.LEAD_FACTORS, np.uint8), seed, path)
    return room.leading


def assert_within(sample: F64, law: float, errors: float = 3.0) -> None:
    """Assert that the mean of a sample lies within three of its standard errors of what the law says."""
    error = sample.std(ddof=1) / math.sqrt(sample.size)
    assert abs(sample.mean() - law) < errors * error, (sample.mean(), law, error)


def gbm(drift: float = 0.0) -> FactorLaw:
    return FactorLaw(LAW_GBM, SD, drift)


def regime() -> FactorLaw:
    moves, share = np.array([[0.97, 0.03], [0.10, 0.90]]), np.array([10 / 13, 3 / 13])
    chain = Chain(np.array([0.0006, -0.002]), np.array([0.0075, 0.02]), np.zeros(2), np.cumsum(np.vstack([moves, share]), axis=1), 0)
    return FactorLaw(LAW_CHAIN, SD, 0.0, chain=chain)


def jump() -> FactorLaw:
    from scipy.stats import poisson

    count, a_day, mean, sd = np.arange(12), 0.1, -0.02, 0.015
    cumulative = np.tile(poisson.cdf(count, a_day), (13, 1))
    cumulative[:, -1] = 1.0
    return FactorLaw(LAW_CHAIN, SD, 0.0, chain=Chain(mean * (count - a_day), np.full(12, 0.009), sd * np.sqrt(count), cumulative, 1))


def garch(innovation: F64 | None = None, dof: float = 0.0) -> FactorLaw:
    table = np.zeros(1) if innovation is None else innovation
    return FactorLaw(LAW_GARCH, SD, 0.0002, garch=Garch(SD**2 * 0.06, 0.05, 0.14, 0.82, 1.3 * SD**2, dof, table))


def heston() -> FactorLaw:
    return FactorLaw(LAW_HESTON, SD, 0.0001, heston=Heston(0.05, SD**2 * 252, 6.0, 0.6, -0.6, 1 / 252))
