"""The market factor of one path: free, conditioned on a crash, or on levels that are given (M-8 to M-10, M-55 to M-62)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.crash import (
    DRAWDOWN,
    MINIMUM,
    SHAPE_BRIDGE,
    SHAPE_GAP,
    SHAPE_NONE,
    SHAPE_PATH,
    SHAPE_RAMP,
    TERMINAL,
    Crash,
    exact_days,
    free_days,
    held_days,
    shaped_days,
)
from stresslab.kernels.guided import guided_days
from stresslab.kernels.laws import LAW_GBM, TOLD_FAILED, FactorLaw, Trace, begin, new_trace
from stresslab.kernels.noise import Noise, draw_noise

__all__ = [
    "DRAWDOWN", "LAW_GBM", "MINIMUM", "SHAPE_BRIDGE", "SHAPE_GAP", "SHAPE_NONE", "SHAPE_PATH", "SHAPE_RAMP", "TERMINAL", "Crash",
    "FactorLaw", "Trace", "factor_path", "new_trace", "try_paths",
]


@kernel
def factor_path(
    out: NDArray[np.float64], trace: Trace, law: FactorLaw, crash: Crash, leading: NDArray[np.float64], seed: int, path: int
) -> None:
    """Fill ``out`` (days 0..T) with the log level of the market factor under its law and crash.

    A path that no attempt meets is filled with NaN, and says so in ``trace.told``: nothing may be made of it.
    """
    days, k = out.size - 1, crash.trough_day
    trace.told[:] = 0.0
    out[0] = 0.0
    begin(law, trace)
    if crash.shape == SHAPE_NONE:
        free_days(out, 1, days, law, trace, leading)
        return
    done = k
    if crash.shape != SHAPE_BRIDGE:
        shaped_days(out, crash, law, trace, leading, seed, path)
    elif crash.guide.candidates > 0:
        done = guided_days(out, crash, law, trace, leading, seed, path)
    else:
        done = exact_days(out, crash, law, trace, leading, seed, path)
    if crash.flat_after:
        out[k + 1:] = out[k]
    elif done == k and trace.told[TOLD_FAILED] == 0.0:
        if crash.shape == SHAPE_PATH or crash.definition == TERMINAL:
            free_days(out, k + 1, days, law, trace, leading)
        else:
            held_days(out, k + 1, days, 0.0, crash, law, trace, leading, seed, path)
    if trace.told[TOLD_FAILED] != 0.0:
        out[:] = math.nan


@kernel
def try_paths(
    told: NDArray[np.float64], out: NDArray[np.float64], trace: Trace, law: FactorLaw, crash: Crash, room: Noise,
    wanted: NDArray[np.uint8],
) -> None:
    """Draw the first paths of seed 0 and keep how each was found; the first failure ends it."""
    for path in range(told.shape[0]):
        draw_noise(room, wanted, 0, path)
        factor_path(out, trace, law, crash, room.leading, 0, path)
        for at in range(told.shape[1]):
            told[path, at] = trace.told[at]
        if trace.told[TOLD_FAILED] != 0.0:
            told[path + 1:, TOLD_FAILED] = 1.0
            return
