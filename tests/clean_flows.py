"""Clean payments between private parties, harder than the demo's business: round sums that many use, heavy tails, no scheme at all."""

from __future__ import annotations

import datetime

import numpy as np

from stresslab.kernels.draws import STREAM_DEMO, fill_uniforms, inverse_normal
from stresslab.pool.movements import Movement, Roles

ROUND_YUAN = (5_000, 10_000, 20_000, 30_000, 50_000, 100_000, 200_000, 500_000)
FIRST = datetime.date(2026, 1, 1)


def uniforms(seed: int, purpose: int, count: int) -> np.ndarray:
    """Draws of the demo's stream, on days that the demo does not use."""
    out = np.zeros(count)
    fill_uniforms(out, seed, 0, 70_000 + purpose, STREAM_DEMO)
    return out


def clean_flows(seed: int, parties: int = 200, payments: int = 3_000, days: int = 180) -> tuple[list[Movement], Roles]:
    """Each payment goes from a random party to one of eight neighbours on a random day; two fifths are round sums, the rest lognormal.

    So nobody is a hub (16 partners at most), and money that goes to a friend's friend and back is common.
    """
    giver = np.floor(uniforms(seed, 0, payments) * parties).astype(int)
    near = np.floor(uniforms(seed, 1, payments) * 8).astype(int)
    taker = (giver + np.where(near < 4, near - 4, near - 3)) % parties
    usual = 20_000 * np.exp([inverse_normal(u) for u in uniforms(seed, 2, parties)])
    size = np.exp([inverse_normal(u) for u in uniforms(seed, 3, payments)])
    round_sum = uniforms(seed, 4, payments) < 0.4
    which = np.floor(uniforms(seed, 5, payments) * len(ROUND_YUAN)).astype(int)
    day = np.floor(uniforms(seed, 6, payments) * days).astype(int)
    found = []
    for at in range(payments):
        if giver[at] != taker[at]:
            yuan = ROUND_YUAN[which[at]] if round_sum[at] else int(usual[giver[at]] * size[at])
            found.append(Movement(at, FIRST + datetime.timedelta(days=int(day[at])), "P1", f"C{giver[at]:03d}", f"C{taker[at]:03d}",
                                  "transfer", 1000 * max(1, yuan)))
    return sorted(found, key=lambda m: (m.day, m.at)), Roles(frozenset({"P1"}))
