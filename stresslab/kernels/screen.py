"""Which accounts a path may touch, and on which days: the work that integers will not have to do (docs/method.md, section 5).

Most accounts are far from their lines on most days. Before a path is run a *bound* is guessed for every price and day, a
little below what the price would be without impact, and an account is looked at only on days on which its
collateral at the bounds would not keep it above its warning line with the debt of the last day. The guess need not be right: a
price that is seen below its bound lowers the bound, and the holders are screened again before anything else happens
(:func:`cascade.watch`). So the size of the guess changes the speed, never a result, and a test tries several.

The screens are floats with a margin far above their rounding errors; everything that counts is then decided in
integers. Lanes are 64 days (or groups of days) of one account on one path, or 64 paths of one account: the same loop serves both.
"""

from __future__ import annotations

import numpy as np

from stresslab.kernels import kernel
from stresslab.kernels.accounts import charge_of, rows
from stresslab.kernels.layout import F32, I64, LANES, LISTED, U8, U64, Facts, Record, Records, State
from stresslab.kernels.prices import PPB, clip, limits, target

#: An account is looked at if its cover may be below this. Its floats err by less than 10⁻⁷ for each position.
SAFE_COVER = np.float32(1.001)
#: Accounts with more positions are looked at every day.
POSITIONS_MOST = 2_000
ALL_LANES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
#: Above every price, so that a lane without a day keeps no account awake.
NO_PRICE = np.float32(1e30)
#: A fall from which on the bounds are set lower, and by how many percent more for each part of a further fall.
DEEP_FALL, DEEP_MARGIN = 0.2, 30.0
#: For the integers that are rounded down on the way, 厘.
ROUNDED_AWAY = 3
NOTHING_OWED = np.float32(2.0)


@kernel
def prepare(f: Facts) -> None:
    """Fill the last debts, the schedule, the covers and weights of facts."""
    for p in range(f.platform.size):
        f.platform[p].indebted = f.platform[p].account_cash = f.platform[p].loans = 0
    for n in range(f.account.size):
        fact = f.account[n]
        lender = f.platform[fact.platform]
        lender.account_cash += fact.cash
        lender.loans += fact.debt
        debt = fact.debt
        carry = 0
        if debt > 0:
            lender.indebted += 1
            own = f.clauses.random and fact.floats_from < f.terms.calendar.size  # left to `loans.reprice`
            for day in range(1, f.terms.calendar.size):
                charge, carry = charge_of(day, debt, carry, fact, f.rates)
                debt += charge
                if own:
                    continue
                today = f.schedule[day, fact.platform]
                today.interest += charge
                today.line += (fact.liquidation_bp * debt + 9_999) // 10_000
        f.last_debt[n] = debt
        weigh(n, debt, fact, f)


@kernel
def weigh(n: int, debt: int, fact: Record, f: Facts) -> None:
    """The share of an account's highest warning line that its cash and one 厘 of each price cover."""
    if debt == 0:
        f.cover[n] = NOTHING_OWED
        for row in rows(fact):
            f.weight[row].instrument = f.position[row].instrument
            f.weight[row].share = 0.0
        return
    line = line_of(fact, debt)
    f.cover[n] = (fact.cash - ROUNDED_AWAY) / line
    keep = (10_000 - f.terms.selling_cost_bp) / 10_000.0
    if fact.last - fact.first > POSITIONS_MOST:
        f.cover[n] = -NO_PRICE
    for row in rows(fact):
        f.weight[row].instrument = f.position[row].instrument
        f.weight[row].share = f.position[row].shares * keep / line


@kernel
def line_of(fact: Record, debt: int) -> float:
    """What an account's collateral must not fall below, 厘."""
    return float(max(10_000, fact.warning_bp) * debt / 10_000.0 + 1.0)


@kernel
def span_of(days: int) -> int:
    """How many days share a lane."""
    return (days + LANES - 1) // LANES


@kernel
def lane_of(day: int, span: int) -> int:
    """The lane of a day, 1 to the last."""
    return (day - 1) // span


@kernel
def margin_of(fundamental: I64, f: Facts) -> float:
    """How far below prices without impact to set the bounds, %: in a deep fall much is sold, and impact is larger."""
    lowest = 1.0
    for day in range(1, fundamental.shape[0]):
        level = 0.0
        for i in range(f.instrument.size):
            level += fundamental[day, i] / f.instrument[i].price
        lowest = min(lowest, level / f.instrument.size)
    return min(100.0, f.terms.watch_pct + DEEP_MARGIN * max(0.0, 1.0 - lowest - DEEP_FALL))


@kernel
def guess_bounds(fundamental: I64, closed: U8, f: Facts, bound: F32, lowest: F32, lane: int) -> None:
    """Bounds of one path: prices without impact less the margin; their minimum goes into lane ``lane`` of ``lowest``."""
    days = fundamental.shape[0] - 1
    span = span_of(days)
    bound[:] = NO_PRICE
    keep = np.float32(1.0 - margin_of(fundamental, f) / 100.0)
    for i in range(f.instrument.size):
        tick = f.instrument[i].tick
        price = f.instrument[i].price
        low_of_path = NO_PRICE
        for day in range(1, days + 1):
            if closed[day, i] == 0:
                low, high = limits(price, tick, f.limit_bp[day, i])
                price = clip(target(fundamental[day, i], PPB, 0, tick), low, high)
            guess = np.float32(min(price, fundamental[day, i])) * keep
            at = lane_of(day, span)
            bound[i, at] = min(bound[i, at], guess)
            low_of_path = min(low_of_path, guess)
        lowest[i, lane] = low_of_path


@kernel
def cover_lanes(cover: float, first: int, last: int, weight: Records, bound: F32, lane: F32) -> None:
    """An account's cover at the bounds of each lane, as a share of its warning line, in ``lane``.

    The first four positions at once, then two at a time: what is added up stays in registers, which more than halves the time.
    Sums are in the order of the positions.
    """
    row, end = np.uint64(first), np.uint64(last)
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    if end - row > three:
        a, b, c, d = weight[row], weight[row + one], weight[row + two], weight[row + three]
        part_a, part_b, part_c, part_d = a.share, b.share, c.share, d.share
        at_a, at_b, at_c, at_d = bound[a.instrument], bound[b.instrument], bound[c.instrument], bound[d.instrument]
        for k in range(LANES):
            lane[k] = (((cover + part_a * at_a[k]) + part_b * at_b[k]) + part_c * at_c[k]) + part_d * at_d[k]
        row += np.uint64(4)
    else:
        for k in range(LANES):
            lane[k] = cover
    while end - row > one:
        a, b = weight[row], weight[row + one]
        part_a, part_b = a.share, b.share
        at_a, at_b = bound[a.instrument], bound[b.instrument]
        for k in range(LANES):
            lane[k] = (lane[k] + part_a * at_a[k]) + part_b * at_b[k]
        row += two
    if row < end:
        a = weight[row]
        part_a, at_a = a.share, bound[a.instrument]
        for k in range(LANES):
            lane[k] += part_a * at_a[k]


@kernel
def lanes_below(cover: float, first: int, last: int, weight: Records, bound: F32, lane: F32) -> np.uint64:
    """The lanes in which an account's cover at the bounds may be below its warning line, as bits; ``lane`` is scratch."""
    cover_lanes(cover, first, last, weight, bound, lane)
    found = np.uint64(0)
    for k in range(LANES):
        found |= np.uint64(lane[k] < SAFE_COVER) << np.uint64(k)
    return found


@kernel
def list_accounts(f: Facts, s: State) -> None:
    """List the accounts that any path of a group may touch, with the paths that may, from each path's lowest bounds."""
    count = 0
    accounts, weight, cover, lowest, listed, paths, lane = f.account, f.weight, f.cover, s.lowest, s.listed, s.paths, s.lane
    for n in range(accounts.size):
        found = lanes_below(cover[n], accounts[n].first, accounts[n].last, weight, lowest, lane)
        if found != 0:
            listed[count] = n
            paths[count] = found
            count += 1
    s.counts[LISTED] = count


@kernel
def lanes_of(n: int, f: Facts, s: State) -> np.uint64:
    """The lanes of days on which an account must be looked at under the bounds in force."""
    return lanes_below(f.cover[n], f.account[n].first, f.account[n].last, f.weight, s.bound, s.lane)


@kernel
def on_path(paths: U64, at: int, lane: int) -> bool:
    """Whether a listed account may be touched by the path in a lane."""
    return bool((paths[at] >> np.uint64(lane)) & np.uint64(1))
