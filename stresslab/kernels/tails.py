"""Heavier tails than the normal: own noise Student-t, and one scale a day for all noise, as a t copula has it (M-61)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.laws import LAW_BOOTSTRAP, LAW_GARCH, FactorLaw, Trace
from stresslab.kernels.noise import LEAD_FACTORS, LEAD_MIXING, Noise
from stresslab.kernels.special import read, squared

_F1 = np.zeros(1)


class Tails(NamedTuple):
    """Tables over the normal, of one entry where there is nothing to do."""

    own: NDArray[np.float64] = _F1  # own noise of unit variance
    mixing: NDArray[np.float64] = _F1  # 1 / √χ² of a day
    dof: float = 0.0  # of the copula
    joint: bool = False  # the market's own return tells of the day's scale


@kernel
def is_shaped(tails: Tails, law: FactorLaw) -> bool:
    """Whether noise must be changed before it moves prices."""
    return tails.own.size > 1 or tails.mixing.size > 1 or (law.model == LAW_BOOTSTRAP and law.drawn.has_sector.size > 0)


@kernel
def day_scale(tails: Tails, law: FactorLaw, market: NDArray[np.float64], trace: Trace, t: int, z: float) -> float:
    """The scale of all noise but the market's on day t, of mean square one (M-61).

    Joint: s² = (n − 2 + e²) / χ²(n + 1) given the market's innovation e, with n degrees of freedom; else (n − 2) / χ²(n).
    """
    if tails.mixing.size < 2:
        return 1.0
    square = tails.dof - 2.0
    if tails.joint and law.model == LAW_GARCH:
        square += squared(market[t] - market[t - 1] - law.drift) / trace.variance[t - 1]
    return math.sqrt(square) * read(tails.mixing, z)


@kernel
def shape_noise(
    out: Noise, tails: Tails, law: FactorLaw, market: NDArray[np.float64], trace: Trace, sector_sd: NDArray[np.float64], noise: Noise
) -> None:
    """Fill ``out`` with the noise of sectors and instruments as the laws have it, in units of their deviations.

    Where the market's days are drawn from a history, the sectors that it knows move as they did on those days.
    """
    d = law.drawn
    for t in range(1, market.size):
        scale = day_scale(tails, law, market, trace, t, noise.leading[t, LEAD_MIXING])
        for s in range(noise.leading.shape[1] - LEAD_FACTORS):
            value = noise.leading[t, LEAD_FACTORS + s] * scale
            if law.model == LAW_BOOTSTRAP and s < d.has_sector.size and d.has_sector[s] and sector_sd[s] > 0.0:
                value = d.sectors[trace.state[t], s] / sector_sd[s]
            out.leading[t, LEAD_FACTORS + s] = value
        for i in range(noise.own.shape[1]):
            z = float(noise.own[t, i])
            out.own[t, i] = scale * (read(tails.own, z) if tails.own.size > 1 else z)
