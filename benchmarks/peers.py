"""The cascade as a user of numpy, scipy.sparse or pandas would write it: vectorised over accounts for each day and round.

These follow ``docs/method.md`` as far as the benchmark's scenario needs it, and refuse terms that need more. They have: limits,
locks, capacity, impact by the square root with its memory, interest, calls and answers (the same Philox draws), triggers by
line, overdue call and begun full sale, sales to the restore line, orders pro rata in lots, rationing, fills, costs, repayment,
write-off. They leave out what nobody asks for in that scenario (redemptions, recalls, run-off, natural buyers, breaker,
batches, minimum sale, the other sale orders, closed days) and what changes no sale and no debt (measures at fundamental
prices, what the platforms own and owe, the displaced part of orders). So they do *less* work than the loop and the kernel;
what they give, shares sold by day and instrument and debts at the end, must be the same to the last 厘
(:func:`peers_digest`).

scipy and pandas share the cascade of numpy and differ where they differ for a user: scipy values accounts by a sparse matrix
(accounts × instruments) times prices, pandas by a grouped sum, and pandas adds up demand by a grouped sum as well.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from stresslab.kernels import layout, liquidity

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

BP = 10_000
PPB = 1_000_000_000
YEAR_BP = 3_650_000
MOOD_ONE = 100_000_000
WORD = 4_294_967_296
ANSWERS = 3
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def up(amount: I64, by: Any) -> I64:
    """Amounts divided and rounded up."""
    return -(-amount // by)


def part_of(amount: I64, part: I64, whole: I64, round_up: bool) -> I64:
    """⌊amount × part / whole⌋ or ⌈ ⌉, exact though the product may pass 64 bits: a float guess, corrected by its remainder."""
    guess = (amount * (part / whole)).astype(np.int64)
    rest = amount * part - guess * whole  # wraps twice, and so is right: the remainder is small
    for _ in range(2):
        low, high = rest < 0, rest >= whole
        guess += high.astype(np.int64) - low
        rest += np.where(low, whole, 0) - np.where(high, whole, 0)
    return guess + (rest > 0) if round_up else guess


def answers(seed: int, path: int, day: int, slot: I64) -> tuple[I64, I64]:
    """The first two words of Philox 4x32-10 for the answers of some accounts (M-5, M-20)."""
    c0, c1 = slot.astype(np.uint64), np.full(slot.size, day, np.uint64)
    c2, c3 = np.full(slot.size, ANSWERS, np.uint64), np.full(slot.size, path, np.uint64)
    k0, k1 = np.uint64(seed % WORD), np.uint64(seed // WORD)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & LOW, (k1 + np.uint64(0xBB67AE85)) & LOW
    return c0.astype(np.int64), c1.astype(np.int64)


def peers_digest(sold_shares: Any, debt: Any) -> str:
    """The digest of shares sold (days 0..T × instruments) and debts (accounts): what all peers must agree on."""
    both = np.ascontiguousarray(sold_shares, np.int64).tobytes() + np.ascontiguousarray(debt, np.int64).tobytes()
    return hashlib.sha256(both).hexdigest()


class NumpyCascade:
    """One path at a time, all accounts at once."""

    name = "numpy"

    def __init__(self, facts: layout.Facts) -> None:
        """Take the columns out of the facts."""
        terms, a, q, i = facts.terms, facts.account, facts.position, facts.instrument
        neutral = not (
            terms.buyers_bp or terms.breaker_bp or terms.minimum_sale or facts.due["own"].any() or facts.requests.moves
            or terms.call_all_after_failure
            or a["sale_order"].any()
        )
        if not neutral or terms.plan.active or terms.batches != 1 or not terms.displace or terms.impact.law != liquidity.IMPACT_SQRT:
            raise ValueError("the peers know the rules of the benchmark's scenario only")
        self.terms, self.impact, self.limit_bp = terms, terms.impact, facts.limit_bp.astype(np.int64)
        self.first, self.count = a["first"].astype(np.int64), (a["last"] - a["first"]).astype(np.int64)
        if (self.count == 0).any():
            raise ValueError("the peers need accounts with positions")
        self.kind, self.full_contract = a["investor_type"], a["full_sale"] == 1
        self.rate, self.rate_most, self.floats_from = (a[c].astype(np.int64) for c in ("rate_bp", "rate_most_bp", "floats_from"))
        self.shift = facts.rates.shift[a["clause"]]
        self.warning, self.liquidation, self.restore = (
            a[c].astype(np.int64) for c in ("warning_bp", "liquidation_bp", "restore_bp"))
        self.cash_0, self.debt_0 = a["cash"], a["debt"]
        self.instrument = q["instrument"].astype(np.int64)
        self.shares_0, self.sellable_0 = q["shares"].astype(np.int64), q["sellable"].astype(np.int64)
        self.price_0, self.tick, self.lot, self.min_order, self.volume, self.capacity, self.cost = (
            np.array(i[c]) for c in ("price", "tick", "lot", "min_order", "volume", "capacity", "cost_bp"))
        self.sigma = np.array(i["sigma"])

    # What scipy and pandas replace.
    def value(self, price: I64) -> I64:
        """The value of the shares of each account, 厘."""
        return np.add.reduceat(self.shares * price[self.instrument], self.first)

    def demand_of(self, instrument: I64, order: I64) -> I64:
        """Orders added up by instrument, shares."""
        return np.bincount(instrument, order, self.price_0.size).astype(np.int64)  # sums of doubles below 2^53: exact

    def run_path(self, path: int, seed: int, fundamental: I64, factor_bp: I64) -> tuple[I64, I64]:
        """Run one path; shares sold (days 0..T × instruments) and debts of all accounts at the end, 厘."""
        accounts, days = self.debt_0.size, fundamental.shape[0]
        self.path, self.seed = path, seed
        self.cash, self.debt, self.carry = self.cash_0.copy(), self.debt_0.copy(), np.zeros(accounts, np.int64)
        self.shares, self.sellable = self.shares_0.copy(), self.sellable_0.copy()
        self.call_day, self.answer_day, self.call_amount = (np.zeros(accounts, np.int64) for _ in range(3))
        self.begun = np.zeros(accounts, np.bool_)
        self.close, self.keep = self.price_0.copy(), np.full(self.price_0.size, PPB)
        self.gap = np.zeros(self.price_0.size, np.int64)
        sold = np.zeros(fundamental.shape, np.int64)
        for day in range(1, days):
            self.open_market(day, fundamental[day])
            self.accrue(day)
            self.assets = self.cash + self.value(self.price)
            self.call(day, max(0, BP - int(factor_bp[day])))
            for turn in range(1, self.terms.rounds_max + 1):
                if not self.sell(day, turn):
                    break
            self.close_market()
            sold[day] = self.sold
        return sold, self.debt

    def below_warning(self, prices: I64) -> I64:
        """How many accounts are below their warning line at each row of prices (rows × instruments, 厘)."""
        self.shares = self.shares_0
        line = self.warning * self.debt_0
        return np.array([((self.cash_0 + self.value(price)) * BP < line).sum() for price in prices])

    def open_market(self, day: int, fundamental: I64) -> None:
        """Limits, quotes, locks, capacity (M-13 to M-15)."""
        limit = self.limit_bp[day]
        self.gap = self.gap * self.impact.decay_ppb // PPB
        ticks = self.close // self.tick
        low = np.maximum(1, np.minimum((ticks * (BP - limit) + 5000) // BP, ticks - 1))
        high = np.maximum((ticks * (BP + limit) + 5000) // BP, ticks + 1)
        self.low = np.where(limit == 0, 1, low) * self.tick
        kept = fundamental * self.keep // PPB * (PPB - self.gap) // PPB
        price = np.maximum(self.tick, (2 * kept + self.tick) // (2 * self.tick) * self.tick)
        self.price = np.clip(price, self.low, np.where(limit == 0, price, high * self.tick))
        self.opening, self.limited = self.price, limit > 0
        self.left = np.where(self.sealed(), 0, self.capacity)
        self.sold = np.zeros(self.price.size, np.int64)

    def sealed(self) -> Mask:
        """Instruments that stand at their lower limit (M-15)."""
        return self.limited & (self.low < self.close) & (self.price == self.low)

    def accrue(self, day: int) -> None:
        """Interest on loans (M-12)."""
        nights = int(self.terms.calendar[day] - self.terms.calendar[day - 1])
        moved = np.clip(self.rate + self.shift[:, day], 0, self.rate_most)
        rate = np.where(day < self.floats_from, self.rate, moved)
        total = self.debt * rate * nights + self.carry
        amount = total // YEAR_BP
        self.carry = np.where(self.debt > 0, total - amount * YEAR_BP, self.carry)
        self.debt += np.where(self.debt > 0, amount, 0)

    def call(self, day: int, fall_bp: int) -> None:
        """Answers, lapses and new calls (M-20)."""
        paying = np.flatnonzero((self.answer_day == day) & (self.call_day > 0) & (self.debt > 0))
        self.cash[paying] += self.call_amount[paying]
        self.assets[paying] += self.call_amount[paying]
        self.call_day[paying] = 0
        warned = up(self.warning * self.debt, BP)
        below = (self.debt > 0) & (self.assets < warned)
        self.call_day[~below] = 0
        called = np.flatnonzero(below & (self.call_day == 0))
        self.call_day[called] = day
        self.call_amount[called] = warned[called] - self.assets[called]
        self.answer_day[called] = 0
        grace = self.terms.grace_days
        if grace == 0 or called.size == 0:
            return
        chance = self.terms.answer_bp * max(0, MOOD_ONE - self.terms.mood_bp * fall_bp) // MOOD_ONE
        first, second = answers(self.seed, self.path, day, called)
        willing = first * BP < chance[self.kind[called]] * WORD
        self.answer_day[called] = np.where(willing, day + 1 + second * grace // WORD, 0)

    def sell(self, day: int, turn: int) -> bool:
        """One round: triggers, orders, fills, prices, money; whether anybody ordered (M-21 to M-25)."""
        if turn > 1:
            self.assets = self.cash + self.value(self.price)
        owing = self.debt > 0
        hard = owing & (self.assets * BP < self.liquidation * self.debt)
        full = hard & self.begun
        if turn == 1:
            hard |= owing & (self.call_day > 0) & (day > self.call_day + self.terms.grace_days)
            full = owing & self.begun
        full |= hard & self.full_contract
        asked = np.flatnonzero(hard | full)
        if asked.size == 0:
            return False
        held = self.assets[asked] - self.cash[asked]
        self.repay(asked, self.cash[asked])
        amount = np.where(full[asked], held, self.amount_to_sell(asked, held))
        everything = full[asked] | ((amount >= held) & (amount > 0))
        owes = self.debt[asked] > 0
        self.begun[asked] |= everything & owes
        selling = owes & (amount > 0)
        ordered = self.order(asked[selling], np.minimum(amount, held)[selling], everything[selling])
        self.write_off(asked)
        return ordered

    def amount_to_sell(self, asked: I64, held: I64) -> I64:
        """The value that brings each account back to its restore line, at most all it holds (M-21)."""
        restore = self.restore[asked]
        short = restore * self.debt[asked] - BP * (held + self.cash[asked])
        divisor = restore * (BP - self.terms.cost_share_bp) - BP * BP
        divisor = np.where(divisor > 0, divisor, 1)  # with 1, anything short passes what is held
        whole = short // divisor
        amount = np.where(whole > held // BP, held, whole * BP + up(short % divisor * BP, divisor))
        return np.where(short > 0, amount, 0)

    def order(self, seller: I64, amount: I64, everything: Mask) -> bool:
        """Orders pro rata in lots, fills, prices and money of one round (M-22 to M-25)."""
        if seller.size == 0:
            return False
        count = self.count[seller]
        start = np.cumsum(count) - count
        row = np.repeat(self.first[seller] - start, count) + np.arange(count.sum())
        i = self.instrument[row]
        sellable = np.where(self.left[i] > 0, self.sellable[row], 0)
        worth = np.add.reduceat(sellable * self.price[i], start)
        everything = everything | (amount >= worth)
        share = part_of(np.repeat(amount, count), sellable, np.repeat(np.maximum(worth, 1), count), round_up=True)
        lots = np.maximum(self.min_order[i], up(share, self.lot[i]) * self.lot[i])
        order = np.where(np.repeat(everything, count), sellable, np.minimum(sellable, lots))
        if not order.any():
            return False
        demand = self.demand_of(i, order)
        short = demand > self.left
        fill = np.where(short[i], part_of(order, self.left[i], np.maximum(demand, 1)[i], round_up=False), order)
        filled = self.demand_of(i, fill)
        before = self.price
        self.sold = self.sold + filled
        self.move_prices(filled)
        self.left = np.where(short | self.sealed() & (demand > 0), 0, self.left - filled)
        gross = fill * ((before + self.price) // 2)[i]
        net = gross - up(gross * self.cost[i], BP)
        self.shares[row] -= fill
        self.sellable[row] -= fill
        self.cash[seller] += np.add.reduceat(net, start)
        self.repay(seller, self.cash[seller])
        return True

    def move_prices(self, filled: I64) -> None:
        """The square root of the day's sales, on the tick, not below the limit (M-24)."""
        drop = (self.impact.coefficient * self.sigma) * np.sqrt(self.sold / np.maximum(self.volume, 1))
        price = np.floor(self.opening * (1.0 - drop) / self.tick + 0.5).astype(np.int64) * self.tick
        price = np.minimum(self.price, np.maximum(price, np.maximum(self.low, self.tick)))
        self.price = np.where(filled > 0, price, self.price)

    def repay(self, who: I64, most: I64) -> None:
        """Repay debts from cash (M-25)."""
        paid = np.minimum(most, self.debt[who])
        self.cash[who] -= paid
        self.debt[who] -= paid

    def write_off(self, asked: I64) -> None:
        """Strike the debts of accounts that have nothing left (M-26); within the day nothing depends on when."""
        poor = asked[(self.debt[asked] > 0) & (self.cash[asked] == 0)]
        for n in poor:
            if not self.shares[self.first[n]: self.first[n] + self.count[n]].any():
                self.debt[n] = 0

    def close_market(self) -> None:
        """What lasts and what passes of the day's impact (M-24)."""
        fall = (self.opening - self.price) * PPB // self.opening
        lasting = fall * self.impact.permanent_bp // BP
        self.keep = self.keep * (PPB - lasting) // PPB
        self.gap = PPB - (PPB - self.gap) * (PPB - (fall - lasting)) // PPB
        self.close = self.price


class ScipyCascade(NumpyCascade):
    """Values accounts by a sparse matrix times prices; the matrix and the shares are the same memory."""

    name = "scipy"
    filled_with: Any = None

    def value(self, price: I64) -> I64:
        """The value of the shares of each account, 厘."""
        worth: I64 = self.matrix() @ price
        return worth

    def matrix(self) -> Any:
        """The shares, accounts × instruments; made once for a path, as it reads the shares where they are."""
        if self.filled_with is not self.shares:
            ends = np.append(self.first, self.instrument.size)
            self.filled_with = self.shares
            self.made = sparse.csr_array((self.shares, self.instrument, ends), shape=(self.first.size, self.price_0.size), copy=False)
        return self.made

    def below_warning(self, prices: I64) -> I64:
        """How many accounts are below their warning line at each row of prices, eight rows in one product."""
        self.shares = self.shares_0
        line, found = self.warning * self.debt_0, []
        for start in range(0, len(prices), 8):
            worth = self.matrix() @ np.ascontiguousarray(prices[start: start + 8].T)
            found.append(((self.cash_0[:, None] + worth) * BP < line[:, None]).sum(axis=0))
        return np.concatenate(found)


class PandasCascade(NumpyCascade):
    """Values accounts and adds up demand by grouped sums."""

    name = "pandas"

    def __init__(self, facts: layout.Facts) -> None:
        """Take the columns out of the facts; the account of each position is the key of the groups."""
        super().__init__(facts)
        self.account = np.repeat(np.arange(self.first.size), self.count)

    def value(self, price: I64) -> I64:
        """The value of the shares of each account, 厘."""
        worth = pd.Series(self.shares * price[self.instrument])
        return worth.groupby(self.account, sort=False).sum().to_numpy()

    def demand_of(self, instrument: I64, order: I64) -> I64:
        """Orders added up by instrument, shares."""
        total = pd.Series(order).groupby(instrument).sum()
        return total.reindex(range(self.price_0.size), fill_value=0).to_numpy()


PEERS = {peer.name: peer for peer in (NumpyCascade, ScipyCascade, PandasCascade)}
