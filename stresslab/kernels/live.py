"""The live accounts of a path: copied side by side, looked at on the days on which they may matter (docs/method.md, section 5).

An account becomes live when :mod:`stresslab.kernels.screen` cannot prove it safe on the path. Its debt is rolled forward when
somebody looks at it; what all undisturbed accounts add to a day's sums is known before the run, and an account that *moves*
(repays or sells) is taken out of that course.
"""

from __future__ import annotations

import numpy as np

from stresslab.kernels import kernel
from stresslab.kernels.accounts import charge_of, rows
from stresslab.kernels.layout import (
    LANE,
    LISTED,
    LIVE,
    ROWS,
    SELLERS,
    VISITS,
    Facts,
    Rates,
    Record,
    Records,
    State,
)
from stresslab.kernels.screen import (
    ALL_LANES,
    lane_of,
    lanes_of,
    on_path,
    span_of,
)

#: A bound that was passed is set this much below the price that passed it.
NEXT_BOUND = np.float32(0.9)


@kernel
def begin_accounts(f: Facts, s: State) -> None:
    """Forget the accounts of the path before, and make those live that this path may touch."""
    for j in range(s.counts[LIVE]):
        s.slot[s.live[j]] = -1
    s.counts[LIVE] = s.counts[ROWS] = s.counts[VISITS] = s.counts[SELLERS] = 0
    for k in range(s.counts[LISTED]):
        if on_path(s.paths, k, s.counts[LANE]):
            lanes = lanes_of(s.listed[k], f, s)
            if lanes != 0:
                enliven(s.listed[k], lanes, f, s)


@kernel
def enliven(n: int, lanes: np.uint64, f: Facts, s: State) -> int:
    """Copy an account to the end of the live ones, to be looked at on the days of some lanes; its place there."""
    j = s.counts[LIVE]
    s.counts[LIVE] = j + 1
    s.live[j], s.look[j], s.looked[j], s.need[j], s.slot[n] = n, lanes, 0, 2.0, j
    book, fact, now, tally = f.account[n], s.fact[j], s.account[j], s.tally[j]
    fact.rate_bp, fact.rate_most_bp, fact.floats_from = book.rate_bp, book.rate_most_bp, book.floats_from
    fact.warning_bp, fact.liquidation_bp, fact.restore_bp = book.warning_bp, book.liquidation_bp, book.restore_bp
    fact.platform, fact.investor_type, fact.full_sale = book.platform, book.investor_type, book.full_sale
    fact.sale_order, fact.rank, fact.cash, fact.debt = book.sale_order, book.rank, book.cash, book.debt
    fact.clause = book.clause
    now.cash, now.debt, now.last_debt = book.cash, book.debt, s.last_debt[n]
    now.value = now.call_amount = now.recall = 0
    now.carry = 0
    now.accrued = now.call_day = now.answer_day = now.served_day = now.forced_day = 0
    now.begun = now.moved = 0
    tally.calls = tally.batch = 0
    tally.deficit = tally.sold = 0
    at = s.counts[ROWS]
    fact.first = at
    for row in rows(book):
        given, held, mine = f.position[row], s.position[np.uint64(at)], s.offer[np.uint64(at)]
        held.instrument, held.shares = given.instrument, given.shares
        mine.sellable, mine.cost_price = given.sellable, given.cost_price
        mine.order = mine.own = 0
        at += 1
    fact.last = at
    s.counts[ROWS] = at
    return j  # type: ignore[no-any-return]


@kernel
def enliven_platform(p: int, f: Facts, s: State) -> None:
    """Look at all accounts of a platform from today on: its loans are called."""
    if s.platform[p].all_live > 0:
        return
    s.platform[p].all_live = 1
    for n in range(f.account.size):
        if f.account[n].platform == p and f.account[n].debt > 0:
            if s.slot[n] < 0:
                enliven(n, ALL_LANES, f, s)
            s.look[s.slot[n]] = ALL_LANES


@kernel
def roll(day: int, fact: Record, now: Record, rates: Rates) -> None:
    """Bring the debt of an account that has not moved to a day (M-12)."""
    debt, carry = now.debt, now.carry
    for t in range(np.int64(now.accrued) + 1, day + 1):
        charge, carry = charge_of(t, debt, carry, fact, rates)
        debt += charge
    now.debt, now.carry, now.accrued = debt, carry, day


@kernel
def move(day: int, fact: Record, now: Record, rates: Rates, course: Records) -> None:
    """Take an account whose debt is about to leave its course out of the sums of the coming days."""
    now.moved = 1
    debt, carry = now.debt, now.carry
    p, line = fact.platform, fact.liquidation_bp
    for t in range(day + 1, rates.calendar.size):
        charge, carry = charge_of(t, debt, carry, fact, rates)
        debt += charge
        course[t, p].interest -= charge
        course[t, p].line -= (line * debt + 9_999) // 10_000


@kernel
def watch(day: int, i: int, price: int, f: Facts, s: State) -> None:
    """Lower the bound of an instrument whose price was seen below it, and screen its holders again for the days to come."""
    bound, days = s.bound, f.terms.calendar.size - 1
    span = span_of(days)
    first = lane_of(day, span)
    part = np.float32(price) / bound[i, first] * NEXT_BOUND
    for k in range(first, lane_of(days, span) + 1):
        bound[i, k] *= part
    coming = ALL_LANES << np.uint64(first)
    for row in range(f.instrument[i].first, f.instrument[i].last):
        n = f.holder[row]
        j = s.slot[n]
        if j < 0:
            lanes = lanes_of(n, f, s) & coming
            if lanes != 0:
                enliven(n, lanes, f, s)
        elif s.look[j] != ALL_LANES and s.account[j].debt > 0:
            s.look[j] |= lanes_of(n, f, s) & coming


@kernel
def look_again(day: int, f: Facts, s: State) -> None:
    """After bounds were lowered in the midst of the rounds: look today at the live accounts whose lanes now say so."""
    lane = np.uint64(lane_of(day, span_of(f.terms.calendar.size - 1)))
    for j in range(s.counts[LIVE]):
        if (s.look[j] >> lane) & np.uint64(1) == 0 or s.looked[j] == day or s.account[j].debt == 0:
            continue
        roll(day, s.fact[j], s.account[j], s.rates)
        s.looked[j] = day
        s.need[j] = 2.0
        s.visits[s.counts[VISITS]] = j
        s.counts[VISITS] += 1


@kernel
def look_tomorrow(j: int, day: int, f: Facts, s: State) -> None:
    """Look at a live account on the next day, whatever prices do."""
    days = f.terms.calendar.size - 1
    if day < days:
        s.look[j] |= np.uint64(1) << np.uint64(lane_of(day + 1, span_of(days)))
