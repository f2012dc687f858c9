"""Which instruments are closed on which days of a path: what book and scenario say, and suspensions that are drawn (M-44)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.draws import STREAM_SUSPENSIONS, words


class Suspensions(NamedTuple):
    """The law of drawn suspensions; with the defaults none is drawn."""

    base_bp: int = 0  # daily probability while the factor stands at its start or above
    slope: int = 0  # 10⁻⁴ bp of daily probability for each bp that the factor has fallen
    mean_days: int = 1  # trading days, uniform on 1 … 2 mean − 1


@kernel
def chance_bp(base_bp: int, slope: int, factor_bp: int) -> int:
    """The daily probability that an open instrument begins a suspension, bp, where the factor stands at ``factor_bp``."""
    fall = max(0, 10_000 - factor_bp)
    return min(10_000, (base_bp * 10_000 + slope * fall) // 10_000)


@kernel
def closed_days(
    out: NDArray[np.uint8], given: NDArray[np.uint8], base_bp: int, slope: int, mean_days: int, seed: int, path: int,
    factor_bp: NDArray[np.int64],
) -> None:
    """Fill ``out`` with 1 where an instrument is closed on a path: ``given``, or suspended by a draw.

    ``out`` and ``given`` are days 0..T × instruments, ``factor_bp`` the level of the market factor on days 0..T. Draws know
    nothing of what is given: a longer halt does not move the suspensions that follow it.
    """
    days, count = given.shape
    for t in range(days):
        for i in range(count):
            out[t, i] = given[t, i]
    if base_bp == 0 and slope == 0:
        return
    for i in range(count):
        until = 1  # the first day on which no drawn suspension holds
        for t in range(1, days):
            if t >= until:
                chance = chance_bp(base_bp, slope, factor_bp[t])
                word = words(seed, path, t, STREAM_SUSPENSIONS, i)
                if np.int64(word[0]) * 10_000 < chance * 2**32:
                    until = t + 1 + int(np.int64(word[1]) * (2 * mean_days - 1) // 2**32)
            if t < until:
                out[t, i] = 1
