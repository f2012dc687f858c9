"""Columns of a run's outcomes by scenario and platform, path by path, and their means with sampling errors (M-38, M-64)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stresslab.glossary import LI_PER_YUAN
from stresslab.report.amounts import MISSING, Estimate
from stresslab.report.run_tables import ALL, RunTables
from stresslab.sampling import groups_of
from stresslab.statistics import Groups, mean, probability

Floats = NDArray[np.float64]


class Paths:
    """What each path of a run says, in the order of paths; ``ALL`` adds the platforms up."""

    def __init__(self, run: RunTables) -> None:
        ordered = run.outcomes.sort_values(["scenario", "platform_id", "path"])
        self._rows = {(str(s), str(p)): rows for (s, p), rows in ordered.groupby(["scenario", "platform_id"], sort=False)}
        self._platforms = [str(p["platform_id"]) for p in run.platforms]
        self._sampling = run.sampling

    def groups(self, scenario: str) -> Groups:
        """The independent group of each path."""
        return groups_of(self._sampling, self._rows[scenario, self._platforms[0]]["path"].to_numpy(np.int64))

    def column(self, scenario: str, platform: str, name: str) -> Floats:
        """One column, a value for each path; NaN is null."""
        if platform == ALL:
            total: Floats = np.sum([self.column(scenario, p, name) for p in self._platforms], axis=0, dtype=np.float64)
            return total
        values: Floats = self._rows[scenario, platform][name].to_numpy(np.float64, na_value=np.nan)
        return values

    def mean(self, scenario: str, platform: str, name: str, minus: str | None = None, divisor: int = LI_PER_YUAN) -> Estimate:
        """The mean of a column, or of the difference of two; money comes out in yuan."""
        values = self.column(scenario, platform, name)
        if minus is not None:
            values = values - self.column(scenario, platform, minus)
        return estimated(values / divisor, self.groups(scenario))

    def share(self, scenario: str, happened: NDArray[np.bool_]) -> Estimate:
        """The share of paths on which something happened, in percent."""
        return Estimate(*(float(part) for part in probability(happened, self.groups(scenario))))


def estimated(values: Floats, groups: Groups) -> Estimate:
    """The mean of a value for each path, with its error and interval."""
    return Estimate(*(float(part) for part in mean(values, groups)))


def first_days(days: Floats) -> tuple[Estimate, Estimate]:
    """The day of the median path and the earliest; a path on which it never comes (NaN) stands last, and a median there is none."""
    ranked = np.sort(np.where(np.isnan(days), math.inf, days))
    middle, first = ranked[math.ceil(len(ranked) / 2) - 1], ranked[0]
    known = [Estimate(float(x), math.nan, math.nan, math.nan) if math.isfinite(x) else MISSING for x in (middle, first)]
    return known[0], known[1]
