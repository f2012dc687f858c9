"""The market factor of one path: its law, and the crash that it is conditioned on (M-8 to M-10)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.noise import LEAD_MARKET

SHAPE_NONE = 0
SHAPE_GAP = 1
SHAPE_RAMP = 2
SHAPE_BRIDGE = 3

LAW_GBM = 0


class FactorLaw(NamedTuple):
    """The law of the market factor's daily log returns; unused entries are zero."""

    model: int
    sd: float  # daily, the scenario's multiplier included; total where the law has parts
    drift: float  # of the log, a day


class Crash(NamedTuple):
    """The crash that a path is conditioned on."""

    shape: int
    trough_day: int
    log_depth: float  # ln(1 - d), 0 without a crash
    flat_after: bool


@kernel
def factor_path(out: NDArray[np.float64], law: FactorLaw, crash: Crash, leading: NDArray[np.float64], seed: int, path: int) -> None:
    """Fill ``out`` (days 0..T) with the log level of the market factor, conditioned on the crash (M-8, M-9)."""
    out[0] = 0.0
    days = out.size - 1
    for t in range(1, days + 1):
        out[t] = out[t - 1] + law.drift + law.sd * leading[t, LEAD_MARKET]
    if crash.shape == SHAPE_NONE:
        return
    k = crash.trough_day
    free_at_trough = out[k]
    for t in range(k + 1, days + 1):
        out[t] = crash.log_depth if crash.flat_after else out[t] - free_at_trough + crash.log_depth
    for t in range(1, k):
        if crash.shape == SHAPE_RAMP:
            out[t] = math.log(1.0 - (1.0 - math.exp(crash.log_depth)) * t / k)
        elif crash.shape == SHAPE_BRIDGE:
            out[t] = out[t] + (t / k) * (crash.log_depth - free_at_trough)
    out[k] = crash.log_depth
