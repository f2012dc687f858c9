"""A market for models that are not ours: it fills, moves prices and pays as stresslab does; who sells what comes from outside.

A unit of price is so fine that a test can say how far rounding may carry a result; see :data:`ROUNDING`.
"""

from __future__ import annotations

from typing import Any

from stresslab.kernels import layout, liquidity
from stresslab.kernels.liquidity import Impact

#: Units of a price of 1, which are its ticks too: 2^63 is 92,000 times as many.
FINE = 10**14
#: How far the price after a round may lie from the exact one, as a part of 1: half a unit by rounding to the tick, and less
#: than a tenth of one by the few float operations of a fall (4 × 2⁻⁵³ × 10¹⁴ = 0.04 units).
ROUNDING = 0.6 / FINE


def share(price: int, volume: int, sigma: float, theta: float = 1.0) -> Any:
    """Return an instrument's record: book price in 厘, shares a day, daily sigma, (shares outstanding / volume)^¼.

    Only the record of the kernels will do: a type of a test's own would go into the kernels' disk cache, where a program
    that does not know the test could not read it.
    """
    record = layout.records(layout.INSTRUMENT, 1)
    record["price"], record["volume"], record["sigma"], record["theta"] = price, volume, sigma, theta
    return record[0]


def price_paid(before: int, after: int) -> int:
    """Return what a fill is paid per share (M-25); a test holds it against the cascade's own settlement."""
    return (before + after) // 2


class Market:
    """One instrument that takes all that is offered; a day's impact is that of all its sales, from its opening price."""

    def __init__(self, impact: Impact, volume: int, sigma: float, price: int = FINE, book: int = FINE) -> None:
        self.impact, self.volume, self.sigma, self.book = impact, volume, sigma, book
        self.price = self.opening = price
        self.sold_today = self.sold = 0

    def next_day(self) -> None:
        """Begin a day: the next fall counts from here."""
        self.opening, self.sold_today = self.price, 0

    def clear(self, orders: list[int]) -> tuple[list[int], int]:
        """Fill a round's orders and move the price; return the fills and the price before."""
        demand = sum(orders)
        fills = [liquidity.fill(order, demand, demand) for order in orders]
        before = self.price
        self.sold_today += sum(fills)
        self.sold += sum(fills)
        stock = share(self.book, self.volume, self.sigma)
        drop = liquidity.fall(self.impact, stock, self.opening, self.sold_today)
        self.price = liquidity.price_after(self.opening, before, 1, 1, drop)
        return fills, before
