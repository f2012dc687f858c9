"""What a calibration measures: a number with its standard error, and a fitted law with its likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.history.said import Said

F64 = NDArray[np.float64]


class Measured(NamedTuple):
    """A number and its standard error; an error of None says that it is an assumption, or could not be told."""

    value: float
    error: float | None = None


@dataclass(frozen=True)
class Fit:
    """A law of daily log returns, fitted: its parameters in the units of ``market.toml``, and how likely it makes the data.

    ``uniforms`` are the returns through the law's own distribution of each day given the days before (uniform on 0 to 1
    if the law is right), ``daily_sd`` what it takes the standard deviation of each day to be. ``refused`` says why the law
    cannot stand in a market file.
    """

    model: str
    parameters: dict[str, Measured]
    log_likelihood: float
    free: int
    uniforms: F64
    daily_sd: F64
    refused: Said | None = None
    remarks: tuple[Said, ...] = field(default=())

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 k − 2 log L."""
        return 2.0 * self.free - 2.0 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion, k log n − 2 log L."""
        return self.free * math.log(self.uniforms.size) - 2.0 * self.log_likelihood


def hessian(loss: Callable[[F64], float], at: F64, steps: F64) -> F64:
    """Second derivatives of a function by central differences."""
    n = at.size
    found = np.zeros((n, n))
    moves = np.diag(steps)
    for i in range(n):
        for j in range(i, n):
            if i == j:
                value = (loss(at + moves[i]) - 2.0 * loss(at) + loss(at - moves[i])) / steps[i] ** 2
            else:
                value = loss(at + moves[i] + moves[j]) - loss(at + moves[i] - moves[j])
                value = (value - loss(at - moves[i] + moves[j]) + loss(at - moves[i] - moves[j])) / (4.0 * steps[i] * steps[j])
            found[i, j] = found[j, i] = value
    return found


def errors_of(curvature: F64) -> F64 | None:
    """The covariance of maximum-likelihood estimates, the inverse of the curvature; None where it is not positive."""
    if not np.isfinite(curvature).all() or np.linalg.eigvalsh(curvature)[0] <= 0:
        return None
    return np.asarray(np.linalg.inv(curvature), np.float64)
