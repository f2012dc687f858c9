"""Functions of a standard normal: its distribution, and others' quantiles read from tables over it (M-61).

A law that is not normal takes x = Q(Φ(z)). What is smooth in z is held as a table over z on an even grid, made once when a
scenario is resolved, and read with cubic interpolation.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.draws import inverse_normal

#: Tables stand on z = -SPAN .. SPAN; beyond it they are held. A counter's normals stay inside 6.7.
SPAN = 9.0
PER_UNIT = 64
POINTS = 2 * int(SPAN) * PER_UNIT + 1


def grid() -> NDArray[np.float64]:
    """The z at which a table stands."""
    return np.arange(POINTS) / PER_UNIT - SPAN


@kernel
def squared(x: float) -> float:
    """x². A power may be rounded otherwise by an interpreter than by a compiler, a product never."""
    return x * x


@kernel
def normal_cdf(z: float) -> float:
    """Φ(z), with full relative accuracy in the lower tail."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@kernel
def read(table: NDArray[np.float64], z: float) -> float:
    """The value of a table at z: the cubic through the four points around it, relative error below 1e-6."""
    at = (min(max(z, -SPAN), SPAN) + SPAN) * PER_UNIT
    i = min(max(int(at), 1), POINTS - 3)
    s = at - i
    before, here, after, last = table[i - 1], table[i], table[i + 1], table[i + 2]
    return float(
        here * (1.0 - s * s) * (2.0 - s) / 2.0 + after * s * (1.0 + s) * (2.0 - s) / 2.0
        - before * s * (1.0 - s) * (2.0 - s) / 6.0 - last * s * (1.0 - s * s) / 6.0
    )


@kernel
def inside(low: float, high: float, u: float) -> float:
    """A standard normal given that it lies between two bounds of one sign, from a uniform."""
    from_above = low + high > 0.0
    a = normal_cdf(-high) if from_above else normal_cdf(low)
    b = normal_cdf(-low) if from_above else normal_cdf(high)
    z = inverse_normal(a + u * (b - a))
    return -z if from_above else z


@kernel
def pick(cumulative: NDArray[np.float64], u: float) -> int:
    """The first place whose cumulative probability reaches u."""
    last = cumulative.size - 1
    for at in range(last):
        if u <= cumulative[at]:
            return at
    return last
