"""Leading normals from Sobol points, path by path: evenly spread where a few factors decide much (M-53).

The point of a path is a function of (seed, replicate, path), so that any path can be drawn alone and in any block. The points are
scipy's, the scrambling is Owen's own, nested bit by bit (M-290); scipy's is a random linear matrix and a digital shift. Replicates are
scrambled independently: the error of a figure is that between replicates, never one inside them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from stresslab.kernels import noise, normals, scramble
from stresslab.sampling import REPLICATES

#: Dimensions for which direction numbers are known (Joe and Kuo 2008); what lies beyond comes from counters.
DIMENSIONS_MOST = int(qmc.Sobol.MAXDIM)


def bridge_order(days: int) -> NDArray[np.int64]:
    """The days in the order in which a bridge fixes them: the last one, the middle, the middles of the halves, …; (left, day, right)."""
    order, open_gaps = [(0, days, days)], deque([(0, days)])
    while open_gaps:
        left, right = open_gaps.popleft()
        if right - left > 1:
            day = (left + right) // 2
            order.append((left, day, right))
            open_gaps.extend([(left, day), (day, right)])
    return np.array(order, np.int64)


class SobolPoints:
    """Scrambled Sobol points for some leading columns: the days of the first column, then those of the second, …"""

    def __init__(self, days: int, columns: Sequence[int], seed: int, replicate: int = 0) -> None:
        self.days, self.order = days, bridge_order(days)
        self.columns = list(columns)[:DIMENSIONS_MOST // days]
        self.seed, self.replicate = seed, replicate
        self.points = qmc.Sobol(len(self.columns) * days, scramble=False, bits=32)

    def leading(self, first: int, stop: int) -> NDArray[np.float64]:
        """The normals of paths first..stop − 1: paths × columns × days."""
        count, level = stop - first, np.zeros(self.days + 1)
        self.points.reset()
        if first:
            self.points.fast_forward(first)
            uniforms = self.points.random(count)
        else:
            # scipy warns of a first block that is no power of two; a path is the same point in any block.
            uniforms = self.points.random(1 << (count - 1).bit_length())[:count]
        points = np.floor(uniforms * 2.0**32).astype(np.uint32)
        scramble.scramble(points, self.seed, self.replicate)
        words = points.ravel()
        z, out = np.zeros(words.size), np.zeros((count, len(self.columns), self.days))
        normals.fill_quantiles(z, words, np.zeros(words.size), np.zeros(words.size, np.int64))
        for row, given in zip(out.reshape(-1, self.days), z.reshape(-1, self.days), strict=True):
            noise.bridge(row, level, given, self.order)
        return out


class SobolPaths:
    """The paths of a Sobol sample: path i is point ⌊i / 16⌋ of the point set i mod 16, each set scrambled anew."""

    def __init__(self, days: int, wanted: NDArray[np.uint8], seed: int) -> None:
        columns = [int(c) for c in np.flatnonzero(wanted)]
        self.sets = [SobolPoints(days, columns, seed, replicate) for replicate in range(REPLICATES)]

    def draw(self, room: noise.Noise, wanted: NDArray[np.uint8], seed: int, path: int) -> None:
        """Fill the noise of one path: its point in the leading columns, counters in all else."""
        points = self.sets[path % REPLICATES]
        noise.draw_noise(room, wanted, seed, path)
        for column, values in zip(points.columns, points.leading(path // REPLICATES, path // REPLICATES + 1)[0], strict=True):
            room.leading[1:, column] = values
