"""The driving noise of one path: standard normals, the leading ones in columns of fixed meaning (M-5, M-6).

All randomness of the market enters here and nowhere else, so that a Sobol point, a mirrored path, a tilted law or a step of a
splitting chain stand in by changing two arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel
from stresslab.kernels.draws import (
    STREAM_FACTORS,
    STREAM_MARKET,
    STREAM_OWN,
    STREAM_RATES,
)
from stresslab.kernels.normals import aligned, fill_first_words, fill_normals, fill_quantiles, new_words, places

#: Columns of the leading normals. A model reads the columns that it needs; the further factors (sectors, then styles) follow.
LEAD_MARKET = 0  # the market factor
LEAD_VARIANCE = 1  # its variance, or its regime
LEAD_JUMPS = 2  # how many jumps
LEAD_JUMP_SIZE = 3  # their sum
LEAD_MIXING = 4  # the common scale of a day, for a t copula
LEAD_RATE = 5  # the short rate
LEAD_FACTORS = 6  # the first sector

#: Stream and slot of each column before :data:`LEAD_FACTORS`.
_STREAMS = (STREAM_MARKET, STREAM_MARKET, STREAM_MARKET, STREAM_MARKET, STREAM_MARKET, STREAM_RATES)
_SLOTS = (0, 1, 2, 3, 4, 0)

#: Instruments and days are padded to multiples of these, so that no loop over lanes has a rest.
LANES = 16
DAYS_AT_ONCE = 4


def padded(count: int, multiple: int) -> int:
    """The next multiple of a number."""
    return -(-count // multiple) * multiple


class Noise(NamedTuple):
    """Standard normals of one path; row 0 is not used, and of ``own`` neither are columns and days beyond the last (padding)."""

    leading: NDArray[np.float64]  # days 0..T × columns
    own: NDArray[np.float32]  # days 0..T × instruments, both padded
    flat: NDArray[np.float32]  # ``own`` of days 1..T in one row
    place: NDArray[np.uint64]  # the counters of ``flat``
    words: NDArray[np.uint32]  # room for words of own noise
    first: NDArray[np.uint32]  # first words of the wanted columns, each padded to lanes
    column: NDArray[np.float64]  # their quantiles
    tail: NDArray[np.float64]  # scratch
    where: NDArray[np.int64]  # scratch


def new_noise(days: int, factors: int, instruments: int) -> Noise:
    """Room for the noise of a path of ``days`` days with ``factors`` sectors and further factors."""
    width = padded(instruments, LANES)
    own = aligned((1 + padded(days, DAYS_AT_ONCE), width), np.float32)
    room = padded(days, LANES) * (LEAD_FACTORS + factors)
    return Noise(
        leading=np.zeros((days + 1, LEAD_FACTORS + factors)), own=own, flat=own[1:days + 1].reshape(-1), place=places(1, days, width // 4),
        words=new_words(), first=aligned(room, np.uint32), column=aligned(room), tail=aligned(room), where=np.zeros(room, np.int64),
    )


@kernel
def draw_noise(out: Noise, wanted: NDArray[np.uint8], seed: int, path: int) -> None:
    """Fill the noise of a path; of the leading columns those that are ``wanted``, the others stay as they are."""
    draw_leading(out, wanted, seed, path)
    fill_normals(out.flat, out.place, out.words, STREAM_OWN, seed, path)


@kernel
def draw_leading(out: Noise, wanted: NDArray[np.uint8], seed: int, path: int) -> None:
    """Fill the wanted leading columns: word 0 of each day by inversion (M-6), all days and columns in lanes."""
    days = out.leading.shape[0] - 1
    width, used = (days + LANES - 1) // LANES * LANES, 0
    for column in range(out.leading.shape[1]):
        if wanted[column]:
            stream, slot = STREAM_FACTORS, column - LEAD_FACTORS
            if column < LEAD_FACTORS:
                stream, slot = _STREAMS[column], _SLOTS[column]
            fill_first_words(
                out.first[used:used + width], np.uint64(1), np.uint64(slot), np.uint64(stream), np.uint64(path), np.uint64(seed))
            used += width
    fill_quantiles(out.column[:used], out.first[:used], out.tail[:used], out.where[:used])
    used = 0
    for column in range(out.leading.shape[1]):
        if wanted[column]:
            for t in range(days):
                out.leading[t + 1, column] = out.column[used + t]
            used += width


@kernel
def mirror(out: Noise) -> None:
    """Turn the noise of a path into that of its mirror image: every normal with the other sign (M-53)."""
    for t in range(out.leading.shape[0]):
        for column in range(out.leading.shape[1]):
            out.leading[t, column] = -out.leading[t, column]
    for n in range(out.flat.size):
        out.flat[n] = -out.flat[n]


@kernel
def draw_mirrored(out: Noise, wanted: NDArray[np.uint8], seed: int, path: int) -> None:
    """Fill the noise of a path of which each odd one is the mirror image of the even one before it (M-53)."""
    draw_noise(out, wanted, seed, path - path % 2)
    if path % 2 == 1:
        mirror(out)


@kernel
def bridge(out: NDArray[np.float64], level: NDArray[np.float64], z: NDArray[np.float64], order: NDArray[np.int64]) -> None:
    """Daily normals of a path that is built from its end inwards (M-53): the first normals say most of it.

    ``order`` (days × left, day, right) is that of :func:`stresslab.points.bridge_order`; ``level`` is scratch for days 0..T, ``out``
    has an entry per day 1..T.
    """
    level[0] = 0.0
    for n in range(z.size):
        left, day, right = order[n]
        if n == 0:
            level[day] = np.sqrt(np.float64(day)) * z[n]
            continue
        wide, near, far = np.float64(right - left), np.float64(day - left), np.float64(right - day)
        level[day] = (far * level[left] + near * level[right]) / wide + np.sqrt(near * far / wide) * z[n]
    for t in range(out.size):
        out[t] = level[t + 1] - level[t]
