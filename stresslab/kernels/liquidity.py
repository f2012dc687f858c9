"""What the market takes and what it pays, and who bears a loss (M-17, M-23, M-24, M-27)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel

IMPACT_NONE = 0
IMPACT_SQRT = 1
IMPACT_LINEAR = 2
IMPACT_EXPONENTIAL = 3
IMPACT_ALMGREN = 4

#: Almgren, Thum, Hauptmann and Li 2005: permanent and temporary coefficient and exponent, fitted on US orders.
GAMMA, ETA, BETA = 0.314, 0.142, 0.6

LAYERS = 5  # reserve, own capital, junior funding, senior funding, claims


class Impact(NamedTuple):
    """A law of price impact with its parameters (M-24)."""

    law: int
    coefficient: float = 1.0  # Y of `sqrt` and `almgren`, c of the depths
    floor: float = 0.0  # b of `exponential`: the floor of a price as a share of the book's
    fraction: float = 1.0  # of the day over which `almgren` sells
    permanent_bp: int = 0  # of the day's fall; `almgren` knows its own
    decay_ppb: int = 0  # of the rest that is still there the next day


@kernel
def fall(impact: Impact, stock: Any, opening: int, quantity: int) -> float:
    """The relative fall of an instrument's price after a day's cumulative ``quantity`` has been sold (M-24).

    ``stock`` has the fields price (the book's, 厘), volume (shares a day), sigma (daily) and theta, ``opening`` is the price
    before the day's first sale.
    """
    if quantity <= 0 or impact.law == IMPACT_NONE:
        return 0.0
    if impact.law == IMPACT_SQRT:
        return float((impact.coefficient * stock.sigma) * math.sqrt(quantity / stock.volume))
    if impact.law == IMPACT_LINEAR:
        return float((quantity * stock.sigma) / (impact.coefficient * stock.volume))
    if impact.law == IMPACT_EXPONENTIAL:
        room = max(0.0, 1.0 - impact.floor * stock.price / opening)
        depth = (1.0 - impact.floor) * impact.coefficient * stock.volume
        return float(room * (1.0 - math.exp(-(quantity * stock.sigma) / depth)))
    lasting = permanent(stock.sigma, stock.theta, quantity, stock.volume)
    return impact.coefficient * (lasting + temporary(stock.sigma, impact.fraction, quantity, stock.volume))


@kernel
def lasting_bp(impact: Impact, stock: Any, quantity: int) -> int:
    """The share of a day's fall that stays for good, bp (M-24)."""
    if impact.law != IMPACT_ALMGREN:
        return impact.permanent_bp
    lasting = permanent(stock.sigma, stock.theta, quantity, stock.volume)
    both = lasting + temporary(stock.sigma, impact.fraction, quantity, stock.volume)
    return int(10_000.0 * lasting / both) if both > 0.0 else 0


@kernel
def permanent(sigma: float, theta: float, quantity: int, volume: int) -> float:
    """The permanent part I of the law `almgren`, relative (M-24)."""
    return GAMMA * sigma * (quantity / volume) * theta


@kernel
def temporary(sigma: float, fraction: float, quantity: int, volume: int) -> float:
    """The temporary part K of the law `almgren`, relative (M-24)."""
    return float(ETA * sigma * (quantity / (volume * fraction)) ** BETA)


@kernel
def price_after(before_day: int, before_round: int, low: int, tick: int, drop: float) -> int:
    """The price in 厘 after a fall from the day's pre-sale price: on the tick, not below low, never above the last round's."""
    ticks = int(math.floor(before_day * (1.0 - drop) / tick + 0.5))
    return min(before_round, max(low, tick, ticks * tick))


@kernel
def fill(order: int, left: int, demand: int) -> int:
    """The shares of an order that are sold when ``left`` shares of capacity meet ``demand`` (M-23): ⌊order × left / demand⌋.

    The product may pass 64 bits, see :func:`divided`.
    """
    if demand <= left:
        return order
    return divided(order * (left / demand), order, left, demand)[0]


@kernel
def divided(estimate: float, a: int, b: int, c: int) -> tuple[int, int]:
    """⌊a × b / c⌋ and the remainder, exact though the product may pass 64 bits, for 0 < c < 2^61 and a quotient below 2^48.

    ``estimate`` gives the quotient to within a few units; the remainder, small again, is exact in wrapping
    64-bit arithmetic (and in Python's integers) and corrects it.
    """
    quotient = int(estimate)
    rest = int(a) * int(b) - quotient * int(c)
    while rest < 0:
        rest += int(c)
        quotient -= 1
    while rest >= c:
        rest -= int(c)
        quotient += 1
    return quotient, rest


@kernel
def share_up(amount: int, part: int, whole: int) -> int:
    """⌈amount × part / whole⌉, exact, for 0 ≤ amount, 0 < whole < 2^61 and a result below 2^48."""
    return part_up(amount / whole, amount, part, whole)


@kernel
def part_up(ratio: float, amount: int, part: int, whole: int) -> int:
    """:func:`share_up` for callers that split one amount over many parts and have ``ratio`` = amount / whole at hand."""
    quotient, rest = divided(ratio * part, amount, part, whole)
    return quotient + 1 if rest > 0 else quotient


@kernel
def whole_lots(shares: int, lot: int) -> int:
    """A number of shares rounded up to whole lots, for shares < 2^31 and lots ≤ 10⁶."""
    # A float division is several times faster than an integer one, and exact here: a quotient that is no integer lies
    # at least 10⁻⁶ from one, its rounding error is below 10⁻⁶ of that.
    return int((shares + lot - 1) / lot) * lot


@kernel
def absorb(loss: int, room: NDArray[np.int64], taken: NDArray[np.int64]) -> int:
    """Send a loss down the layers: fill ``taken`` from ``room`` in order; what no layer can take is returned (M-27)."""
    for i in range(room.size):
        taken[i] = min(loss, max(room[i], 0))
        loss -= taken[i]
    return loss


@kernel
def sell_pool(need: int, pool: int, haircut_bp: int) -> tuple[int, int]:
    """The part of a liquid pool to sell so as to raise ``need``, and what it brings (M-17)."""
    if need <= 0 or pool <= 0 or haircut_bp >= 10_000:
        return 0, 0
    sold = min(pool, (need * 10_000 + 9_999 - haircut_bp) // (10_000 - haircut_bp))
    return sold, sold * (10_000 - haircut_bp) // 10_000
