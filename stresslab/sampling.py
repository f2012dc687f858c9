"""How the paths of a run are drawn, and what that says of sampling errors: independent paths, mirrored pairs, Sobol points (M-53, M-64).

The simulator draws by these names and judgement reads them in the record, so both know which paths belong together.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from stresslab.faults import Fault

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Independently scrambled point sets of a Sobol sample: path i is point ⌊i / 16⌋ of set i mod 16.
REPLICATES = 16


class Sampling(StrEnum):
    """How paths are drawn."""

    PLAIN = "plain"
    ANTITHETIC = "antithetic"
    SOBOL = "sobol"


def sampling_faults(sampling: str, paths: int) -> list[Fault]:
    """What forbids so many paths of a sampling."""
    if sampling not in list(Sampling):
        return [Fault("options", "is no way to draw paths", f"choose one of {', '.join(Sampling)}", None, "sampling", sampling)]
    if sampling == Sampling.ANTITHETIC and (paths < 4 or paths % 2):
        return [Fault("options", "mirrored paths come in pairs, at least two of them", "give an even number of paths, from 4 on", None,
                      "paths", str(paths))]
    points = paths // REPLICATES
    if sampling == Sampling.SOBOL and (paths % REPLICATES or points < 1 or points & (points - 1)):
        below = REPLICATES << max(0, points.bit_length() - 1)
        return [Fault("options", f"Sobol points come in {REPLICATES} sets of 2, 4, 8, … points", f"give {below} or {2 * below} paths", None,
                      "paths", str(paths))]
    return []


def groups_of(sampling: str, paths: Ints) -> Ints | None:
    """The independent group of each path by its number: its pair, or its point set; None where each stands alone."""
    if sampling == Sampling.ANTITHETIC:
        return paths // 2
    if sampling == Sampling.SOBOL:
        return paths % REPLICATES
    return None


def grouped_error(rest: Floats, groups: Ints) -> Floats:
    """The standard error of a mean over the last axis whose paths are independent between groups only (M-64).

    ``rest`` is what each path adds to the mean beyond it (its influence), in the mean's unit; the groups may differ in size. NaN
    for a single group.
    """
    ordered, names = np.unique(groups, return_inverse=True)
    sums = np.zeros((ordered.size, *rest.shape[:-1]))
    # One path after the other, in the order of paths: the same bits whatever the shape of the table.
    np.add.at(sums, names, np.moveaxis(rest, -1, 0))
    count = ordered.size
    if count < 2:
        return np.full(rest.shape[:-1], np.nan)
    error: Floats = np.sqrt((sums**2).sum(axis=0) * count / (count - 1)) / rest.shape[-1]
    return error


def reach(groups: Ints) -> float:
    """Half the width of a 95% interval in standard errors: Student's t with one degree of freedom less than groups (M-64)."""
    return float(student.ppf(0.975, max(1, np.unique(groups).size - 1)))
