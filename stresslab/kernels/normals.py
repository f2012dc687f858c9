"""Standard normals by the thousand, in lanes: Philox words into a small buffer, then Box-Muller in single precision (M-5, M-6, M-52).

Only +, −, ×, √ and fma, each rounded once as IEEE 754 says: the bits are the same for any width of vectors, any buffer and any
machine, with the compiler or without.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import inlined, kernel
from stresslab.kernels.draws import MIDDLE, middle_quantile, philox, tail_quantile, uniform
from stresslab.kernels.lanes import fma, lanes

#: Counters that are worked on at a time: their four words each take 8 KB of the first-level cache.
ROOM = 512
_LINE = 64

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_1, _2, _3, _4 = np.uint64(ROOM), np.uint64(2 * ROOM), np.uint64(3 * ROOM), np.uint64(4)
_U1, _U2, _U3 = np.uint64(1), np.uint64(2), np.uint64(3)

F32 = np.float32
_ONE = F32(1.0)
_WORD, _HALF_WORD = F32(2.0**-32), F32(2.0**-33)
#: −2 ln(1 + f) / f on [√½ − 1, √2 − 1], minimax in relative error (1.7e-7); constant first.
_L0, _L1, _L2, _L3 = F32(-1.9999998807907104), F32(1.0000072717666626), F32(-0.6667011976242065), F32(0.4993981719017029)
_L4, _L5, _L6, _L7 = F32(-0.39800330996513367), F32(0.34501659870147705), F32(-0.3244515657424927), F32(0.20213787257671356)
_LN2 = F32(-2.0 * math.log(2.0))
_ROOT_HALF, _SHIFT = np.int32(0x3F3504F3), np.int32(23)
#: sin a / a and cos a as polynomials of a² for |a| ≤ π / 4, minimax (3e-9 and 3e-8).
_S1, _S2, _S3 = F32(-0.1666666466231438), F32(0.008332748270629749), F32(-0.00019587890880412386)
_C0, _C1, _C2, _C3 = F32(1.0), F32(-0.4999985669586376), F32(0.04165502688488536), F32(-0.00135859085164702)
_ANGLE, _HALF_ANGLE = F32(math.pi / 2**31), F32(math.pi / 2**32)
_ANGLE_BITS, _SWAP_BIT, _MIDDLE = np.int32(0x3FFFFFFF), np.int32(0x40000000), np.int32(0x20000000)
_NONE = np.int32(0)
#: Words below this, or as near to the highest, have their quantile in a tail.
_LAST = 2**32 - 1
_TAIL = math.ceil((0.5 - MIDDLE) * 2**32 - 0.5)


def aligned(shape: int | tuple[int, ...], kind: Any = np.float64) -> NDArray[Any]:
    """Return zeros that begin at the beginning of a cache line: a vector across two lines costs twice."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    room = np.zeros(size + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    found: NDArray[Any] = room[start:start + size].view(kind).reshape(shape)
    return found


def places(first_day: int, days: int, slots: int) -> NDArray[np.uint64]:
    """Return slot + day × 2^32 of all counters of some days, day by day."""
    day = np.repeat(np.arange(first_day, first_day + days, dtype=np.uint64), slots)
    return np.tile(np.arange(slots, dtype=np.uint64), days) | day << _32


def new_words() -> NDArray[np.uint32]:
    """Room for the words of :data:`ROOM` counters, all first words before all second ones."""
    return aligned(4 * ROOM, np.uint32)


@kernel
def fill_words(words: NDArray[np.uint32], place: NDArray[np.uint64], stream: np.uint64, path: np.uint64, seed: np.uint64) -> None:
    """The four words of each of at most :data:`ROOM` counters (M-5)."""
    lanes()
    for i in range(place.size):
        u = np.uint64(i)
        w0, w1, w2, w3 = philox(place[i] & _LOW, place[i] >> _32, stream, path, seed & _LOW, seed >> _32)
        words[u] = np.uint32(w0)
        words[u + _1] = np.uint32(w1)
        words[u + _2] = np.uint32(w2)
        words[u + _3] = np.uint32(w3)


@inlined
def minus_two_log(word: np.uint32) -> np.float32:
    """Return −2 ln((word + ½) / 2^32) in single precision (M-52)."""
    u = fma(F32(word), _WORD, _HALF_WORD)
    bits = np.float32(u).view(np.int32)
    e = np.int32(np.int32(bits - _ROOT_HALF) >> _SHIFT)
    f = np.int32(bits - np.int32(e << _SHIFT)).view(np.float32) - _ONE
    z = f * f
    low = fma(z, fma(_L3, f, _L2), fma(_L1, f, _L0))
    high = fma(z, fma(_L7, f, _L6), fma(_L5, f, _L4))
    found: np.float32 = fma(F32(e), _LN2, f * fma(z * z, high, low))
    return found


@inlined
def two_normals(first: np.uint32, second: np.uint32) -> tuple[np.float32, np.float32]:
    """Two normals of two words by Box-Muller (M-6): the first gives the radius, the second the angle.

    The low 30 bits of the second are an angle between −π/4 and π/4, bit 31 mirrors it to the other side, bit 30 swaps the two
    coordinates: uniform on the circle.
    """
    r = np.sqrt(minus_two_log(first))
    w = np.uint32(second).view(np.int32)
    a = fma(F32(np.int32(np.int32(w & _ANGLE_BITS) - _MIDDLE)), _ANGLE, _HALF_ANGLE)
    z = a * a
    s = fma(fma(fma(_S3, z, _S2), z, _S1), z * a, a)
    c = fma(fma(fma(_C3, z, _C2), z, _C1), z, _C0)
    x = r * (-c if w < _NONE else c)
    y = r * s
    swap = w & _SWAP_BIT != _NONE
    return (y if swap else x), (x if swap else y)


@kernel
def transform(out: NDArray[np.float32], words: NDArray[np.uint32], count: int) -> None:
    """Four normals of each of ``count`` counters, side by side."""
    lanes()
    for i in range(count):
        u = np.uint64(i)
        a, b = two_normals(words[u], words[u + _1])
        c, d = two_normals(words[u + _2], words[u + _3])
        v = u * _4
        out[v] = a
        out[v + _U1] = b
        out[v + _U2] = c
        out[v + _U3] = d


@kernel
def fill_normals(
    out: NDArray[np.float32], place: NDArray[np.uint64], words: NDArray[np.uint32], stream: int, seed: int, path: int,
) -> None:
    """Fill ``out`` with the normals of the counters at some places, four to a counter."""
    for first in range(0, place.size, ROOM):
        some = place[first:first + ROOM]
        fill_words(words, some, np.uint64(stream), np.uint64(path), np.uint64(seed))
        transform(out[4 * first:4 * (first + some.size)], words, some.size)


@kernel
def fill_words_of(out: NDArray[np.uint32], place: NDArray[np.uint64], stream: int, seed: int, path: int) -> None:
    """Fill ``out`` with the words of the counters at some places, four to a counter, side by side."""
    for first in range(0, place.size, ROOM):
        _four_words(out[4 * first:], place[first:first + ROOM], np.uint64(stream), np.uint64(path), np.uint64(seed))


@kernel
def _four_words(out: NDArray[np.uint32], place: NDArray[np.uint64], stream: np.uint64, path: np.uint64, seed: np.uint64) -> None:
    lanes()
    for i in range(place.size):
        v = np.uint64(i) * _4
        w0, w1, w2, w3 = philox(place[i] & _LOW, place[i] >> _32, stream, path, seed & _LOW, seed >> _32)
        out[v] = np.uint32(w0)
        out[v + _U1] = np.uint32(w1)
        out[v + _U2] = np.uint32(w2)
        out[v + _U3] = np.uint32(w3)


@kernel
def fill_first_words(
    out: NDArray[np.uint32], first_day: np.uint64, slot: np.uint64, stream: np.uint64, path: np.uint64, seed: np.uint64,
) -> None:
    """The first words of a slot on consecutive days (M-5)."""
    lanes()
    for i in range(out.size):
        out[i] = np.uint32(philox(slot, first_day + np.uint64(i), stream, path, seed & _LOW, seed >> _32)[0])


@kernel
def _middles(out: NDArray[np.float64], words: NDArray[np.uint32]) -> None:
    lanes()
    for i in range(out.size):
        out[i] = middle_quantile(uniform(words[i]) - 0.5)


@kernel
def _tails(out: NDArray[np.float64]) -> None:
    lanes()
    for i in range(out.size):
        out[i] = tail_quantile(out[i])


@kernel
def fill_quantiles(out: NDArray[np.float64], words: NDArray[np.uint32], tail: NDArray[np.float64], where: NDArray[np.int64]) -> None:
    """Fill ``out`` with the normal quantiles of words (M-6): the middle in lanes, then the tails, put together, in lanes.

    ``tail`` and ``where`` are scratch of the same size.
    """
    _middles(out, words)
    found = 0
    for i in range(out.size):
        where[found] = i
        w = np.int64(words[i])
        found += 1 if w < _TAIL or w > _LAST - _TAIL else 0
    for n in range(found):
        p = uniform(words[where[n]])
        tail[n] = min(p, 1.0 - p)
    # The lanes of a vector beyond the last one found compute something that nobody reads, of a number that has a quantile.
    stop = min((found + 7) // 8 * 8, tail.size)
    for n in range(found, stop):
        tail[n] = 0.01
    _tails(tail[:stop])
    for n in range(found):
        i = where[n]
        out[i] = -tail[n] if uniform(words[i]) < 0.5 else tail[n]
