"""Ticks, limits and the open of a day, all in integers (M-13 to M-15, M-24)."""

from __future__ import annotations

from stresslab.kernels import kernel

PPB = 1_000_000_000


@kernel
def limits(close: int, tick: int, limit_bp: int) -> tuple[int, int]:
    """The lowest and highest price in 厘 allowed after a close (M-13); high is 0 when there is no limit.

    Half-up in integer ticks: 1.15 yuan and 10% give 1.04 and 1.27, where floats say 1.03 and 1.26.
    """
    if limit_bp == 0:
        return tick, 0
    p = close // tick
    low = (p * (10_000 - limit_bp) + 5_000) // 10_000
    high = (p * (10_000 + limit_bp) + 5_000) // 10_000
    low = max(1, min(low, p - 1))
    high = max(high, p + 1)
    return low * tick, high * tick


@kernel
def target(fundamental: int, keep: int, gap: int, tick: int) -> int:
    """The price in 厘 that a fundamental price and past impact ask for (M-14), on the tick, at least one tick."""
    x = fundamental * keep // PPB * (PPB - gap) // PPB
    return max(tick, (2 * x + tick) // (2 * tick) * tick)


@kernel
def clip(price: int, low: int, high: int) -> int:
    """A price inside its limits; high 0 means no upper limit."""
    if price < low:
        return low
    if high > 0 and price > high:
        return high
    return price


@kernel
def decay(keep: int, gap: int, fall: int, permanent_bp: int) -> tuple[int, int]:
    """The impact memory (keep, gap) after a day whose sales took ``fall`` ppb off the price (M-24)."""
    lasting = fall * permanent_bp // 10_000
    passing = fall - lasting
    return keep * (PPB - lasting) // PPB, PPB - (PPB - gap) * (PPB - passing) // PPB
