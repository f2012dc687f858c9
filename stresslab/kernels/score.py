"""How near a path came to a loss, as a smooth number that has no floor: what splitting climbs (M-88)."""

from __future__ import annotations

import math

from stresslab.kernels import kernel
from stresslab.kernels.accounts import rows
from stresslab.kernels.layout import F64, I64, Facts

#: What the nearness of an account is counted from: its debt, its warning line or its liquidation line.
FROM_DEBT, FROM_WARNING, FROM_LIQUIDATION = 0, 1, 2
#: The width of the softened corner, in units of collateral / debt.
WIDTH = 0.1
#: Beyond so many widths the softened corner is zero, or a straight line, to the last digit of a double.
FAR = 40.0


@kernel
def softened(x: float) -> float:
    """ln(1 + e^x), in units of the width."""
    if x > FAR:
        return x
    return math.log1p(math.exp(max(x, -2.0 * FAR)))


@kernel
def nearness(out: F64, daily: F64, fundamental: I64, centre: int, f: Facts) -> None:
    """Fill ``out`` (platforms) with the highest of days 1..T of Σ debt × softened((centre − collateral / debt) / width), 厘.

    Collateral is the account's cash and shares at fundamental prices, as if nobody was called and nobody sold. ``daily`` (days
    0..T × platforms) is scratch.
    """
    days = fundamental.shape[0] - 1
    daily[:, :] = 0.0
    out[:] = 0.0
    for n in range(f.account.size):
        fact = f.account[n]
        if fact.debt == 0:
            continue
        line = 1.0
        if centre == FROM_WARNING:
            line = fact.warning_bp / 10_000.0
        elif centre == FROM_LIQUIDATION:
            line = fact.liquidation_bp / 10_000.0
        for t in range(1, days + 1):
            worth = float(fact.cash)
            for row in rows(fact):
                worth += f.position[row].shares * float(fundamental[t, f.position[row].instrument])
            daily[t, fact.platform] += fact.debt * WIDTH * softened((line - worth / fact.debt) / WIDTH)
    for t in range(1, days + 1):
        for p in range(f.platform.size):
            out[p] = max(out[p], daily[t, p])
