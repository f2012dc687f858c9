"""Owen's scrambling: nested random permutations of the bits of a point, each a pure function of its counter (M-290)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.draws import STREAM_SCRAMBLES, words

#: Bits that one block of 128 random bits scrambles: its 127 nodes are a tree of seven levels.
LEVELS = 7
_BITS = 32
_1 = np.uint64(1)
_LOW_5 = np.uint64(31)
_5 = np.uint64(5)


@kernel
def scrambled(word: int, dimension: int, seed: int, replicate: int) -> int:
    """A 32-bit word whose bit k is flipped as a coin says that belongs to (seed, replicate, dimension, the bits before k)."""
    given, out = np.uint64(word), np.uint64(0)
    for group in range((_BITS + LEVELS - 1) // LEVELS):
        done = group * LEVELS
        before = given >> np.uint64(_BITS - done)
        coins = words(seed, replicate, dimension * 8 + group, STREAM_SCRAMBLES, int(before))
        node = _1
        for k in range(done, min(done + LEVELS, _BITS)):
            bit = (given >> np.uint64(_BITS - 1 - k)) & _1
            which = node >> _5
            four = coins[0]
            if which == 1:
                four = coins[1]
            elif which == 2:
                four = coins[2]
            elif which == 3:
                four = coins[3]
            flip = (four >> (node & _LOW_5)) & _1
            out = (out << _1) | (bit ^ flip)
            node = (node << _1) | bit
    return int(out)


@kernel
def scramble(points: NDArray[np.uint32], seed: int, replicate: int) -> None:
    """Scramble points (rows) in place, dimension by dimension."""
    for row in range(points.shape[0]):
        for dimension in range(points.shape[1]):
            points[row, dimension] = np.uint32(scrambled(int(points[row, dimension]), dimension, seed, replicate))
