"""Walk-forward folds, purged and embargoed: no training day whose label looks into the days that are scored (M-166)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Training days and the days after them that are forecast, as places in the history."""

    train: Days
    test: Days


def walk_forward(
    n: int, *, first: int, refit: int, horizon: int, embargo: int, rolling: int | None = None
) -> Iterator[Fold]:
    """Blocks of ``refit`` days from place ``first`` on, each with the days before it whose labels end before it starts.

    A day t is in the training of a block that starts at s if t + horizon + embargo < s; with ``rolling``, if also t ≥ s − rolling.
    """
    for start in range(first, n, refit):
        last = start - horizon - embargo
        since = 0 if rolling is None else max(0, start - rolling)
        yield Fold(
            np.arange(since, max(last, since), dtype=np.int64), np.arange(start, min(start + refit, n), dtype=np.int64)
        )


def purged_kfold(n: int, k: int, horizon: int, embargo: int) -> list[Fold]:
    """K blocks of neighbouring days; a training day i is kept iff i + horizon < first test day, or i > last + horizon + embargo.

    Used inside a fold's training days alone, to choose thresholds from scores that were not fitted on the day itself.
    """
    cuts = [round(n * part / k) for part in range(k + 1)]
    days = np.arange(n, dtype=np.int64)
    found = []
    for start, stop in pairwise(cuts):
        kept = (days + horizon < start) | (days > stop - 1 + horizon + embargo)
        found.append(Fold(days[kept], days[start:stop]))
    return found
