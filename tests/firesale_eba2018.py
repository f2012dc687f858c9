"""The fire sale of 48 banks of the EBA's stress test of 2018, after ox-inet-resilience/firesale_stresstest (Apache-2.0).

Who sells, how much and when is that model's; fills, prices and payment are ours (``foreign_market``). A bank has cash,
corporate and government bonds, other assets, a loan that it may repay and other liabilities; λ = equity / assets.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from foreign_market import FINE, ROUNDING, Market, price_paid

from stresslab.kernels.liquidity import IMPACT_EXPONENTIAL, IMPACT_NONE, Impact

#: Shares of one unit of bonds; money is counted in units of price × shares, so that nothing but an order is ever rounded.
SHARES = 10**8
MONEY = FINE * SHARES
ROUNDS = 6
CORPORATE, GOVERNMENT = 0, 1
#: λ in percent: below the first a bank is done for, below the second it sells so as to come back to the third.
LEAST, BUFFER, TARGET = 3, 4, 5


@dataclass
class Bank:
    """A balance sheet in :data:`MONEY`, with bonds in :data:`SHARES`."""

    cash: int
    bonds: list[int]
    other: int
    loan: int
    liabilities: int
    flagged: int = 0  # the round
    orders: list[int] = field(default_factory=lambda: [0, 0])

    def worth(self, prices: list[int]) -> int:
        """Return the value of the bonds."""
        return sum(q * p for q, p in zip(self.bonds, prices, strict=True))

    def assets(self, prices: list[int]) -> int:
        """Return the value of all that the bank has."""
        return self.cash + self.worth(prices) + self.other

    def equity(self, prices: list[int]) -> int:
        """Return what is left to the owners."""
        return self.assets(prices) - self.loan - self.liabilities


@dataclass(frozen=True)
class Round:
    """What stood at the end of a round, in units of the books."""

    flagged: int
    prices: tuple[float, float]
    sold: tuple[float, float]
    equity: float
    assets: float
    cash: float
    loan: float
    bound: float  # how far rounding may have carried the prices


def banks_of(file: Path) -> list[Bank]:
    """Read the balance sheets."""
    columns = ("cash", "corp_bonds", "gov_bonds", "other_assets", "loan", "other_liabilities")
    banks = []
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            cash, corporate, government, other, loan, liabilities = (Decimal(row[c]) for c in columns)
            bonds = [int(corporate * SHARES), int(government * SHARES)]
            banks.append(Bank(int(cash * MONEY), bonds, int(other * MONEY), int(loan * MONEY), int(liabilities * MONEY)))
    return banks


def decide(bank: Bank, prices: list[int], now: int) -> None:
    """Flag a bank, or let it repay its loan and place orders for the round to come."""
    assets, equity = bank.assets(prices), bank.equity(prices)
    if 100 * equity < LEAST * assets:
        bank.flagged = now
    elif 100 * equity < BUFFER * assets:
        too_much = max(0, assets - equity * 100 // TARGET)
        paid = min(too_much, bank.cash, bank.loan)
        bank.cash -= paid
        bank.loan -= paid
        worth = bank.worth(prices)
        needed = min(too_much - bank.cash, worth)
        if needed > 0:
            bank.orders = [needed * q // worth for q in bank.bonds]


def fire_sale(banks: list[Bank], shock_ppm: int, five_percent_costs: float) -> list[Round]:
    """Run the rounds on the banks, which change; say what stood at the end of each.

    The model's law is P ← P exp(−β S / Q), with Q the size of the market at the start and β such that selling 5% of it
    in one go costs ``five_percent_costs``. Ours, `exponential` with floor 0, takes 1 − exp(−S σ / (c V)) off the day's
    opening price: with σ = β, c = 1, V = Q and every round a day it is the same.
    """
    beta = -math.log(1 - five_percent_costs) / 0.05
    law = Impact(IMPACT_EXPONENTIAL if beta > 0 else IMPACT_NONE)
    starts = (FINE, FINE * (1_000_000 - shock_ppm) // 1_000_000)
    size = [sum(bank.bonds[m] for bank in banks) for m in (CORPORATE, GOVERNMENT)]
    markets = [Market(law, q, beta, price=p) for q, p in zip(size, starts, strict=True)]
    first = [sum(bank.bonds) for bank in banks]
    told = []
    bound = 0.0
    for now in range(1, ROUNDS + 1):
        for bank in banks:
            if 0 < bank.flagged == now - 1:
                bank.orders = list(bank.bonds)
        in_part = [q for q, bank in zip(first, banks, strict=True) if any(o < b for o, b in zip(bank.orders, bank.bonds, strict=True) if o)]
        bound = bound_after(bound, in_part, min(size), beta) if now > 1 else bound
        for m, market in enumerate(markets):
            market.next_day()
            fills, before = market.clear([bank.orders[m] for bank in banks])
            for bank, fill in zip(banks, fills, strict=True):
                bank.cash += fill * price_paid(before, market.price)
                bank.bonds[m] -= fill
                bank.orders[m] = 0
        prices = [market.price for market in markets]
        for bank in banks:
            if not bank.flagged:
                decide(bank, prices, now)
        told.append(said(banks, markets, now, bound))
    return told


def bound_after(bound: float, in_part: list[int], least: int, beta: float) -> float:
    """Return how far rounding may have carried a price after one more clearing, given how far it had before.

    ``in_part`` is what the banks that sell a part of their bonds held at first, ``least`` the size of the smaller market. The
    same decisions taken, who sells all sells no less for a price that is off by e. Of a bank that sells a part it moves
    cash, bonds, assets and equity by at most e × its bonds each; what it has too much, assets − 20 × equity, by 21 times
    that, what it pays by no more, the cash that is left by 22, what it needs by 43 and, shared out by the value of its
    bonds, by 44. In shares that is divided by the price (above a half), and rounding down takes up to one share more of
    each. Orders off by so much move a price by β / size times as much.
    """
    orders = 2 * (2 * (1 + 100 / TARGET) + 2) * sum(in_part) * bound + 2 * len(in_part)
    return bound + beta * orders / least + ROUNDING


def said(banks: list[Bank], markets: list[Market], now: int, bound: float) -> Round:
    """Return what a round tells."""
    prices = [market.price for market in markets]
    return Round(
        flagged=sum(bank.flagged == now for bank in banks),
        prices=(prices[0] / FINE, prices[1] / FINE),
        sold=(markets[0].sold / SHARES, markets[1].sold / SHARES),
        equity=sum(bank.equity(prices) for bank in banks) / MONEY,
        assets=sum(bank.assets(prices) for bank in banks) / MONEY,
        cash=sum(bank.cash for bank in banks) / MONEY,
        loan=sum(bank.loan for bank in banks) / MONEY,
        bound=bound,
    )
