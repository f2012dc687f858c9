"""The live accounts of a path: copied side by side, looked at on the days on which they may matter (docs/method.md, section 5).

An account becomes live when :mod:`stresslab.kernels.screen` cannot prove it safe on the path. Its debt is rolled forward when
somebody looks at it; what all undisturbed accounts add to a day's sums is known before the run. Of an account that *moves*
(repays or sells) the difference to that course is added day by day, all such accounts in one row.

Of the live accounts whose day it is, a quick mark passes over those that are worth enough with a debt that they will not exceed.
The rest of the rules sees only accounts that are near a line, have an open call, or sold today.
"""

from __future__ import annotations

import numpy as np

from stresslab.kernels import fetch, kernel
from stresslab.kernels.accounts import YEAR_BP, charge_of, rate_of, rows
from stresslab.kernels.layout import (
    LANE,
    LISTED,
    LIVE,
    LOOK,
    MOVED,
    NEAR,
    PAD,
    ROWS,
    SELLERS,
    VISITS,
    Facts,
    Rates,
    Record,
    Records,
    State,
)
from stresslab.kernels.ledger import keeps
from stresslab.kernels.screen import (
    ALL_LANES,
    lane_of,
    lanes_of,
    on_path,
    span_of,
)

#: A bound that was passed is set this much below the price that passed it.
NEXT_BOUND = np.float32(0.9)
#: Why all accounts of a platform are looked at; what comes later counts more.
CALLED_IN_PART, CALLED_IN_FULL = 1, 2
#: So many accounts ahead loops ask for what they will read; the records that say where, twice as far ahead.
AHEAD = 8


@kernel
def begin_accounts(f: Facts, s: State) -> None:
    """Forget the accounts of the path before, and make those live that this path may touch."""
    for j in range(s.counts[LIVE]):
        s.slot[s.live[j]] = -1
    s.counts[LIVE] = s.counts[ROWS] = s.counts[VISITS] = s.counts[SELLERS] = s.counts[MOVED] = 0
    listed, count = s.listed, s.counts[LISTED]
    for k in range(count):
        if on_path(s.paths, k, s.counts[LANE]):
            soon, later = listed[min(k + AHEAD, count - 1)], listed[min(k + 2 * AHEAD, count - 1)]
            fetch(f.account, later)
            fetch(f.cover, later)
            fetch(s.last_debt, later)
            fetch(f.weight, f.account[soon].first)
            fetch(f.position, f.account[soon].first)
            lanes = lanes_of(listed[k], f, s)
            if lanes != 0:
                enliven(listed[k], lanes, f, s)


@kernel
def enliven(n: int, lanes: np.uint64, f: Facts, s: State) -> int:
    """Copy an account to the end of the live ones, to be looked at on the days of some lanes; its place there."""
    j = s.counts[LIVE]
    s.counts[LIVE] = j + 1
    s.live[j], s.look[j], s.looked[j], s.need[j], s.slot[n] = n, lanes, 0, 2.0, j
    book, fact, now, tally, guard = f.account[n], s.fact[j], s.account[j], s.tally[j], s.guard[j]
    fact.rate_bp, fact.rate_most_bp, fact.floats_from, fact.clause = book.rate_bp, book.rate_most_bp, book.floats_from, book.clause
    fact.warning_bp, fact.liquidation_bp, fact.restore_bp = book.warning_bp, book.liquidation_bp, book.restore_bp
    fact.platform, fact.investor_type, fact.full_sale = book.platform, book.investor_type, book.full_sale
    fact.sale_order, fact.rank, fact.cash, fact.debt = book.sale_order, book.rank, book.cash, s.last_debt[n]
    now.cash, now.debt = book.cash, book.debt
    now.value = now.call_amount = now.recall = 0
    now.carry = 0
    now.accrued = now.call_day = now.answer_day = now.served_day = now.forced_day = 0
    now.begun = now.moved = now.mover = now.calls = now.batch = 0
    tally.deficit = tally.sold = tally.mark = 0
    at = s.counts[ROWS]
    fact.first = guard.first = at
    for row in rows(book):
        given, held, mine = f.position[row], s.position[np.uint64(at)], s.offer[np.uint64(at)]
        held.instrument, held.shares = given.instrument, given.shares
        mine.sellable, mine.cost_price = given.sellable, given.cost_price
        mine.order = mine.own = 0
        at += 1
    fact.last = at
    while at % PAD > 0:
        s.position[np.uint64(at)].instrument = s.position[np.uint64(at)].shares = 0
        at += 1
    guard.last = at
    s.counts[ROWS] = at
    arm(fact.debt, fact, now, guard)
    return j  # type: ignore[no-any-return]


@kernel
def arm(debt: int, fact: Record, now: Record, guard: Record) -> None:
    """Let an account be passed over while its shares keep it above its lines with a debt that it will not exceed."""
    # A millionth of the debt more than the line: who is passed over is then surely no case for the first round of sales.
    line = max(fact.warning_bp, fact.liquidation_bp)
    guard.safe = (line * debt + 9_999) // 10_000 + debt // 1_000_000 + 1 - now.cash
    guard.least = fact.liquidation_bp * debt / 10_000.0 - now.cash


@kernel
def debt_at_most(fact: Record, now: Record, movers: Records) -> int:
    """What an account's debt of today will not exceed on the last day, 厘: it grows as that of an account that does not move."""
    if now.moved == 0:
        return fact.debt  # type: ignore[no-any-return]
    # Rounding takes less than 8 厘 from a course of 504 days at 100% a year; a millionth is far above the error of the floats.
    growth = (fact.debt + 9) / movers[now.mover].idle_debt
    return np.int64((now.debt + 1) * growth * 1.000_001) + 9  # type: ignore[return-value]


@kernel
def enliven_platform(p: int, why: int, f: Facts, s: State) -> None:
    """Look at all accounts of a platform from today on: its loans are called, as ``why`` says in part or after its failure."""
    # Once for each reason: after a recall, who is far above the lines is passed over again, but not once all must pay.
    if s.all_live[p] >= why:
        return
    s.all_live[p] = why
    for n in range(f.account.size):
        if f.account[n].platform == p and f.account[n].debt > 0:
            if s.slot[n] < 0:
                enliven(n, ALL_LANES, f, s)
            s.look[s.slot[n]] = ALL_LANES
            s.guard[s.slot[n]].safe = LOOK


@kernel
def list_visits(day: int, f: Facts, s: State) -> None:
    """List the live accounts whose lanes say that they must be looked at today."""
    lane = np.uint64(lane_of(day, span_of(f.terms.calendar.size - 1)))
    look, today, count = s.look, s.visits, np.int64(0)
    for j in range(s.counts[LIVE]):
        # Without a branch: whether an account is looked at is too irregular to be guessed.
        today[count] = j
        count += np.int64((look[j] >> lane) & np.uint64(1))
    s.counts[VISITS] = count


@kernel
def pass_over(day: int, s: State) -> None:
    """Sort out the accounts of today whose shares keep them above their lines at the lower of quoted and fundamental prices."""
    guards, today, near, held, low, needs, looked = s.guard, s.visits, s.near, s.position, s.low, s.need, s.looked
    telling, last, count = keeps(s.ledger), s.counts[VISITS] - 1, np.int64(0)
    for k in range(last + 1):
        j = today[k]
        guard = guards[j]
        fetch(guards, today[min(k + 2 * AHEAD, last)])
        fetch(held, guards[today[min(k + AHEAD, last)]].first)
        looked[j] = day
        worth = 0
        for part in range(guard.first // PAD, guard.last // PAD):
            for e in range(PAD):
                mine = held[np.uint64(part * PAD + e)]
                worth += mine.shares * low[mine.instrument]
        needs[j] = guard.least / max(1, worth)
        near[count] = j
        count += np.int64(worth < guard.safe or telling)
    s.counts[NEAR] = count


@kernel
def list_wanting(least: float, s: State) -> int:
    """List the accounts of today that need at least a share of their collateral to stay on their line; their number."""
    today, needs, wanting, count = s.visits, s.need, s.near, np.int64(0)
    for k in range(s.counts[VISITS]):
        wanting[count] = today[k]
        count += np.int64(needs[today[k]] >= least)
    return count  # type: ignore[return-value]


@kernel
def refresh(day: int, fact: Record, now: Record, movers: Records, rates: Rates) -> None:
    """Bring the debt of an account to a day; that of one that moved was charged when the day opened (M-12)."""
    if now.accrued == day:
        return
    if now.moved == 1:
        now.debt = movers[now.mover].debt
    else:
        debt, carry = now.debt, now.carry
        for t in range(np.int64(now.accrued) + 1, day + 1):
            charge, carry = charge_of(t, debt, carry, fact, rates)
            debt += charge
        now.debt, now.carry = debt, carry
    now.accrued = day


@kernel
def move(j: int, s: State) -> None:
    """Put an account whose debt is about to leave its course among those that moved; from now on it is looked at every day."""
    fact, now = s.fact[j], s.account[j]
    now.moved, now.mover = 1, s.counts[MOVED]
    s.counts[MOVED] += 1
    mover = s.mover[now.mover]
    mover.debt = mover.idle_debt = now.debt
    mover.carry = mover.idle_carry = now.carry
    mover.rate_bp, mover.rate_most_bp, mover.floats_from, mover.clause = fact.rate_bp, fact.rate_most_bp, fact.floats_from, fact.clause
    mover.liquidation_bp, mover.platform = fact.liquidation_bp, fact.platform
    s.look[j] = ALL_LANES


@kernel
def charge_movers(day: int, s: State, outcome: Records) -> None:
    """Charge the interest of a day to all accounts that moved, in place of what the schedule counts for them (M-12)."""
    # All of them in one row: their divisions then overlap, which takes a fifth of the time of charging each when it is visited.
    movers, lenders, rates = s.mover, s.platform, s.rates
    nights = rates.calendar[day] - rates.calendar[day - 1]
    for m in range(s.counts[MOVED]):
        fetch(movers, m + 2 * AHEAD)
        mover = movers[m]
        yearly = nights * rate_of(day, mover, rates)
        total = mover.debt * yearly + mover.carry
        idle_total = mover.idle_debt * yearly + mover.idle_carry
        charge, idle_charge = total // YEAR_BP, idle_total // YEAR_BP
        mover.carry, mover.idle_carry = total - charge * YEAR_BP, idle_total - idle_charge * YEAR_BP
        mover.debt += charge
        mover.idle_debt += idle_charge
        sums = lenders[mover.platform]
        sums.loans += charge - idle_charge
        sums.own_capital += charge - idle_charge
        outcome[mover.platform].loan_interest_li += charge - idle_charge
        line, idle_line = mover.liquidation_bp * mover.debt + 9_999, mover.liquidation_bp * mover.idle_debt + 9_999
        sums.to_cover += line // 10_000 - idle_line // 10_000


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
    holders = f.holder
    last: int = np.int64(f.instrument[i].last) - 1  # type: ignore[assignment]  # −1 where nobody holds it
    for row in range(f.instrument[i].first, f.instrument[i].last):
        n, soon, later = holders[row], holders[min(row + AHEAD, last)], holders[min(row + 2 * AHEAD, last)]
        fetch(s.slot, later)
        fetch(f.account, later)
        fetch(f.cover, later)
        fetch(f.weight, f.account[soon].first)
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
        refresh(day, s.fact[j], s.account[j], s.mover, s.rates)
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
