"""The driving noise of one path: standard normals, the leading ones in columns of fixed meaning (M-5, M-6).

All randomness of the market enters here and nowhere else, so that a Sobol point, a mirrored path, a tilted law or a step of a
splitting chain stand in by changing two arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.draws import (
    STREAM_FACTORS,
    STREAM_MARKET,
    STREAM_OWN,
    STREAM_RATES,
    four_normals,
    leading_normal,
)

#: Columns of the leading normals. A model reads the columns that it needs; the further factors (sectors, then styles) follow.
LEAD_MARKET = 0  # the market factor
LEAD_VARIANCE = 1  # its variance, or its regime
LEAD_JUMPS = 2  # how many jumps
LEAD_JUMP_SIZE = 3  # their sum
LEAD_MIXING = 4  # the common scale of a day, for a t copula
LEAD_RATE = 5  # the short rate
LEAD_FACTORS = 6  # the first sector

#: Stream and slot of each column before :data:`LEAD_FACTORS`.
_STREAMS = (STREAM_MARKET, STREAM_MARKET, STREAM_MARKET, STREAM_MARKET, STREAM_MARKET, STREAM_RATES)
_SLOTS = (0, 1, 2, 3, 4, 0)


class Noise(NamedTuple):
    """Standard normals of one path; row 0 of both is not used."""

    leading: NDArray[np.float64]  # days 0..T × columns
    own: NDArray[np.float32]  # days 0..T × instruments


def new_noise(days: int, factors: int, instruments: int) -> Noise:
    """Room for the noise of a path of ``days`` days."""
    return Noise(np.zeros((days + 1, LEAD_FACTORS + factors)), np.zeros((days + 1, instruments), np.float32))


@kernel
def draw_noise(out: Noise, wanted: NDArray[np.uint8], seed: int, path: int) -> None:
    """Fill the noise of a path; of the leading columns those that are ``wanted``, the others stay as they are."""
    count = out.own.shape[1]
    for t in range(1, out.leading.shape[0]):
        for column in range(out.leading.shape[1]):
            if wanted[column] and column < LEAD_FACTORS:
                out.leading[t, column] = leading_normal(seed, path, t, _STREAMS[column], _SLOTS[column])
            elif wanted[column]:
                out.leading[t, column] = leading_normal(seed, path, t, STREAM_FACTORS, column - LEAD_FACTORS)
        for slot in range((count + 3) // 4):
            four = four_normals(seed, path, t, STREAM_OWN, slot)
            for j in range(4):
                if 4 * slot + j < count:
                    out.own[t, 4 * slot + j] = four[j]
