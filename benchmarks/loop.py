"""The plain numba loop: what our cascade is measured against.

All rules of ``docs/method.md``, section 5, as one would write them with numba and nothing clever: on every path, day and round
all accounts that still have debt are looked at, one after the other. No account is passed over because it is safe. Otherwise
nothing is wasted: all numbers are integers, an account is valued once a round, and memory is taken once for all paths.

It is the middle twin as well: quick enough for whole books, and equal to ``tests/plain.py`` with ``==``
(``tests/test_loop.py``). It writes the records of ``layout.new_story``, so that their bytes can be compared with the kernel's.

Of the package it uses the records, the draws, and the rules that are pure arithmetic: limits and ticks of a price, impact
laws, products that pass 64 bits. Valuation, calls, orders, fills, money and the loops around them are its own. Who asks for his
money on a path (``kernels/withdrawals.py``) it does not write again.
"""

from __future__ import annotations

import os
from collections import namedtuple
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import draws, layout, liquidity, prices, requests, withdrawals

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]

BP = 10_000
YEAR_BP = 3_650_000
PPM = 1_000_000
MOOD_ONE = 100_000_000
WORD = 4_294_967_296

# Division as numpy's spares a test for zero. By default the loop is tuned as our kernels are: no memory is taken inside, so
# references need not be counted, which an option that numba does not document switches off and which doubles the speed.
# STRESSLAB_LOOP=plain leaves it to numba's documented options, as a user would write it.
TUNED = os.environ.get("STRESSLAB_LOOP") != "plain"
compiled = numba.njit(nogil=True, cache=TUNED, error_model="numpy", **({"_nrt": False} if TUNED else {}))

#: What an account is in the course of a path, a column for each thing. `value` is A at the last mark; `call_day` is 0 without an
#: open call, `answer_day` if no answer comes; the last day with a trigger and with an order; `begun`: a full sale was begun.
ACCOUNT = {
    "cash": "i8", "debt": "i8", "carry": "i4", "value": "i8", "call_amount": "i8", "call_day": "i4", "answer_day": "i4", "recall": "i8",
    "begun": "u1", "acted_day": "i4", "ordered_day": "i4", "batch": "i4", "calls": "i8", "deficit": "i8", "sold": "i8",
}
#: The same of a position, in shares; `own` is the part of an order that is not displaced.
POSITION = {"instrument": "u4", "shares": "i4", "sellable": "i4", "order": "i4", "own": "i4"}
MARKET = np.dtype([(name, "i8") for name in (
    "close", "before", "low", "limit_bp", "opening", "buyers", "left", "sold", "demand", "filled", "keep", "gap", "displaced",
    "displaced_li", "sold_li",
)], align=True)
LENDER = np.dtype([(name, "i8") for name in (
    "cash", "pool", "line", "reserve", "own_capital", "claims", "loans", "in_transit", "repaid_today", "deficit_today", "required",
    "missing", "missing_fundamental", "call", "call_fundamental", "to_recall",
)], align=True)
Accounts = namedtuple("Accounts", tuple(ACCOUNT))
Positions = namedtuple("Positions", tuple(POSITION))
#: Prices are apart, as every valuation reads them. The last four are scratch: accounts with orders in this round, positions of an
#: account that had their turn, room and part of each layer of a platform.
State = namedtuple("State", "accounts positions price market lender layer layer_carry seller taken room borne requests")


def new_state(book: layout.Facts) -> State:
    """A state for paths of a book; :func:`begin` fills it."""
    n, m, layers = book.account.size, book.position.size, book.layer.size
    widest = int((book.account["last"] - book.account["first"]).max(initial=0))
    return State(
        Accounts(*(np.zeros(n, kind) for kind in ACCOUNT.values())), Positions(*(np.zeros(m, kind) for kind in POSITION.values())),
        np.zeros(book.instrument.size, np.int64), layout.records(MARKET, book.instrument.size), layout.records(LENDER, book.platform.size),
        np.zeros(layers, np.int64), np.zeros(layers, np.int64), np.zeros(n, np.int64), np.zeros(widest, np.uint8),
        np.zeros(5, np.int64), np.zeros(5, np.int64), requests.new_requests(book.requests, book.due, layers))


def begin(book: layout.Facts, s: State, story: layout.Story) -> None:
    """Set state and story to the day before the first; refuses what the loop does not know, as each of its rules would slow it."""
    if book.terms.plan.active:
        raise ValueError("the loop knows no shut desks and no responses")
    for column in (*s.accounts, *s.positions, s.layer_carry, story.rounds):
        column[:] = 0
    for part in (s.market, s.lender, story.outcome, story.days, story.tape):
        part.view(np.int64)[...] = 0
    for name in ("cash", "debt"):
        getattr(s.accounts, name)[:] = book.account[name]
    for name in ("instrument", "shares", "sellable"):
        getattr(s.positions, name)[:] = book.position[name]
    for name in ("cash", "pool", "line", "reserve", "own_capital", "claims"):
        s.lender[name] = book.platform[name]
    s.layer[:] = book.layer["amount"]
    s.market["close"], s.market["keep"] = book.instrument["price"], prices.PPB
    np.add.at(s.lender["loans"], book.account["platform"], book.account["debt"])
    np.add.at(story.outcome["accounts_with_debt"], book.account["platform"], book.account["debt"] > 0)
    story.outcome["own_funds_before_li"] = book.platform["reserve"] + book.platform["own_capital"]
    story.outcome["margin_coverage_ppm"] = story.outcome["margin_coverage_fundamental_ppm"] = PPM


@compiled
def up(amount: int, by: int) -> int:
    """An amount divided and rounded up, for 0 ≤ amount."""
    return (amount + by - 1) // by


@compiled
def rows(account: Any) -> range:
    """The rows of an account's positions; unsigned, as that spares a test at each index."""
    return range(np.uint64(account.first), np.uint64(account.last))


@compiled
def rate_on(day: int, loan: Any, rates: layout.Rates) -> int:
    """The rate of a loan, bp (M-11)."""
    if day < loan.floats_from:
        return np.int64(loan.rate_bp)
    return max(np.int64(0), min(np.int64(loan.rate_most_bp), np.int64(loan.rate_bp) + rates.shift[loan.clause, day]))


@compiled
def interest(day: int, balance: int, rate: int, carry: int, calendar: I64) -> tuple[int, int]:
    """The interest of a day on a loan or layer and the remainder carried (M-12)."""
    total = balance * rate * (calendar[day] - calendar[day - 1]) + carry
    amount = total // YEAR_BP
    return amount, total - amount * YEAR_BP


@compiled
def open_market(day: int, fundamental: I64, closed: U8, fall_bp: int, book: layout.Facts, price: I64, market: Any, tape: Any) -> None:
    """Quote every instrument, lock it at its limit, and set what may be sold (M-13 to M-15, M-44, M-46)."""
    terms = book.terms
    buyers_bp = terms.buyers_bp * max(0, MOOD_ONE - terms.exhaustion_bp * fall_bp) // MOOD_ONE
    for i in range(market.size):
        stock, now = book.instrument[i], market[i]
        now.limit_bp = book.limit_bp[day, i]
        now.gap = now.gap * terms.impact.decay_ppb // prices.PPB
        low, high = prices.limits(now.close, stock.tick, now.limit_bp)
        now.low = low
        price[i] = now.close
        if closed[i] == 0:
            price[i] = prices.clip(prices.target(fundamental[i], now.keep, now.gap, stock.tick), low, high)
        now.opening = now.before = price[i]
        shut = closed[i] != 0 or at_limit(price[i], now)
        now.left = 0 if shut else stock.capacity
        now.buyers = stock.volume * buyers_bp // BP
        now.sold = now.demand = now.filled = now.displaced = now.displaced_li = now.sold_li = 0
        tape[i].locked = 1 if shut else 0


@compiled
def at_limit(price: int, now: Any) -> bool:
    """Whether a price stands at a limit below yesterday's close, where nobody buys (M-15)."""
    return now.limit_bp > 0 and now.low < now.close and price == now.low


@compiled
def breaks(book: layout.Facts, price: I64, market: Any) -> bool:
    """End selling for the day if the index has fallen to the breaker's level (M-45)."""
    if book.terms.breaker_bp == 0:
        return False
    index = before = 0
    for i in range(market.size):
        index += book.instrument[i].weight * price[i]
        before += book.instrument[i].weight * market[i].close
    # The index has up to 60 bits: its product with a rate is taken in two parts.
    level = before // BP * book.terms.breaker_bp + before % BP * book.terms.breaker_bp // BP
    drop = before - index
    if drop <= 0 or drop < level:
        return False
    for i in range(market.size):
        market[i].left = 0
    return True


@compiled
def revalue(day: int, book: layout.Facts, s: State, outcome: Any) -> None:
    """Make dearer what platforms owe in a currency that rises today (M-240)."""
    for e in range(book.terms.exchange.shape[0]):
        rise_day, k, rise_bp = book.terms.exchange[e]
        if rise_day == day:
            p = book.layer[k].platform
            more = -(-s.layer[k] * rise_bp // BP)
            s.layer[k] += more
            s.lender[p].own_capital -= more
            outcome[p].exchange_loss_li += more
            if book.requests.moves:
                withdrawals.make_dearer(day, k, rise_bp, s.requests, outcome[p])


@compiled
def pay(day: int, book: layout.Facts, s: State, story: layout.Story) -> None:
    """Accrue funding; pay what is due from cash, the pool and the bank line; what is missing is to be recalled (M-12, M-17, M-18)."""
    for k in range(book.layer.size):
        p = book.layer[k].platform
        rate = max(np.int64(0), book.layer[k].rate_bp + book.rates.shift[book.layer[k].clause, day])
        amount, s.layer_carry[k] = interest(day, s.layer[k], rate, s.layer_carry[k], book.terms.calendar)
        s.layer[k] += amount
        s.lender[p].own_capital -= amount
        story.outcome[p].funding_interest_li += amount
    for p in range(book.platform.size):
        now, o = s.lender[p], story.outcome[p]
        now.cash += now.in_transit
        now.in_transit = 0
        o.redemption_due_li = story.days[day, p].due_li = s.requests.due[day, p].own
        o.redemption_segregated_li = s.requests.due[day, p].segregated
        story.days[day, p].funding_due_li = o.funding_due_li
        now.to_recall = 0
        if o.failure_day == 0:
            of_clients = o.redemption_due_li - o.redemption_paid_li
            owed = of_clients + o.funding_due_li - o.funding_returned_li
            sold, brought = liquidity.sell_pool(owed - now.cash, now.pool, book.terms.pool_haircut_bp)
            now.pool -= sold
            now.own_capital -= sold - brought
            o.pool_loss_li += sold - brought
            drawn = max(0, min(owed - now.cash - brought, now.line))
            now.line -= drawn
            s.layer[p] += drawn
            o.line_drawn_li += drawn
            paid = min(owed, now.cash + brought + drawn)
            now.cash += brought + drawn - paid
            to_clients = min(paid, of_clients)
            now.claims -= to_clients
            o.redemption_paid_li += to_clients
            o.funding_returned_li += paid - to_clients
            return_funding(p, paid - to_clients, book, s)
            if owed > paid:
                now.to_recall = owed - paid
                if o.first_unpaid_day == 0:
                    o.first_unpaid_day = day
        story.days[day, p].unpaid_li = o.redemption_due_li - o.redemption_paid_li
        o.unpaid_days += 1 if story.days[day, p].unpaid_li > 0 else 0


@compiled
def return_funding(p: int, amount: int, book: layout.Facts, s: State) -> None:
    """Take returned money off the layers that called it, one after the other (M-138)."""
    for k in range(book.layer.size):
        if book.layer[k].platform == p:
            part = min(amount, s.requests.owed[k])
            s.requests.owed[k] -= part
            s.layer[k] -= part
            amount -= part


@compiled
def recall_loans(book: layout.Facts, s: State) -> None:
    """Call of every loan its part of what a platform could not pay and has not yet recalled (M-18)."""
    a = s.accounts
    for p in range(book.platform.size):
        missing = s.lender[p].to_recall
        if missing == 0:
            continue
        for n in range(a.debt.size):
            if book.account[n].platform == p:
                missing -= a.recall[n]
        if missing <= 0:
            continue
        loans = s.lender[p].loans
        for n in range(a.debt.size):
            if book.account[n].platform == p and a.debt[n] > 0:
                part = liquidity.share_up(missing, a.debt[n], loans)
                a.recall[n] = min(a.debt[n], a.recall[n] + part)


@compiled
def mark_accounts(day: int, path: int, seed: int, deep_price: I64, fall_bp: int, book: layout.Facts, s: State, outcome: Any) -> None:
    """Accrue, value, measure, call: everything that an account sees before the rounds (M-12, M-19, M-20)."""
    terms, facts, lender, a, held, shares, price = (
        book.terms, book.account, s.lender, s.accounts, s.positions.instrument, s.positions.shares, s.price)
    debts, carries, cash, values, call_days = a.debt, a.carry, a.cash, a.value, a.call_day
    for p in range(lender.size):
        now = lender[p]
        now.required = now.missing = now.missing_fundamental = now.call = now.call_fundamental = 0
    for n in range(facts.size):
        debt = debts[n]
        if debt == 0:
            continue
        account = facts[n]
        now, o = lender[account.platform], outcome[account.platform]
        amount, carries[n] = interest(day, debt, rate_on(day, account, book.rates), carries[n], terms.calendar)
        debt += amount
        debts[n] = debt
        now.loans += amount
        now.own_capital += amount
        o.loan_interest_li += amount
        value = deep = cash[n]
        for k in rows(account):
            value += shares[k] * price[held[k]]
            deep += shares[k] * deep_price[held[k]]
        values[n] = value
        line = up(account.liquidation_bp * debt, BP)
        now.required += line
        if call_days[n] > 0 or min(value, deep) * BP < account.warning_bp * debt:
            # Nobody's liquidation line stands above his warning line.
            warned = up(account.warning_bp * debt, BP)
            now.missing += max(0, line - value)
            now.missing_fundamental += max(0, line - deep)
            now.call += max(0, warned - value)
            now.call_fundamental += max(0, warned - deep)
            answer_and_call(day, path, seed, n, warned, fall_bp, account, terms, a, o)


@compiled
def answer_and_call(day: int, path: int, seed: int, n: int, warned: int, fall_bp: int, account: Any, terms: Any, a: Any, o: Any) -> None:
    """Let an open call be answered or lapse, or issue one; ``warned`` is what the warning line asks for, 厘 (M-20)."""
    if a.call_day[n] > 0:
        if a.answer_day[n] == day:
            a.cash[n] += a.call_amount[n]
            a.value[n] += a.call_amount[n]
            o.client_paid_li += a.call_amount[n]
            o.margin_call_unanswered_li -= a.call_amount[n]
            a.call_day[n] = 0
        elif a.value[n] >= warned:
            if day <= a.call_day[n] + terms.grace_days:
                o.margin_call_unanswered_li -= a.call_amount[n]
            a.call_day[n] = 0
    if a.call_day[n] > 0 or a.value[n] >= warned:
        return
    amount = warned - a.value[n]
    a.call_day[n] = day
    a.call_amount[n] = amount
    a.answer_day[n] = 0
    a.calls[n] += 1
    o.accounts_called += 1 if a.calls[n] == 1 else 0
    o.margin_call_issued_li += amount
    o.margin_call_unanswered_li += amount
    chance = terms.answer_bp[account.investor_type] * max(0, MOOD_ONE - terms.mood_bp * fall_bp) // MOOD_ONE
    word = draws.words(seed, path, day, draws.STREAM_ANSWERS, n)
    if terms.grace_days > 0 and np.int64(word[0]) * BP < chance * WORD:
        a.answer_day[n] = day + 1 + np.int64(word[1]) * terms.grace_days // WORD


@compiled
def measure_platforms(day: int, s: State, story: layout.Story) -> None:
    """Keep the worst call and coverage of each platform (M-19, M-31, M-32)."""
    for p in range(s.lender.size):
        now, o = s.lender[p], story.outcome[p]
        story.days[day, p].margin_call_li = now.call
        if now.call > o.margin_call_peak_li:
            o.margin_call_peak_li = now.call
            o.margin_call_peak_day = day
        o.margin_call_peak_fundamental_li = max(o.margin_call_peak_fundamental_li, now.call_fundamental)
        quoted = PPM
        if now.required > 0:
            # What is missing, rounded up, and not what is covered, rounded down: the products stay small.
            quoted = PPM - liquidity.share_up(now.missing, PPM, now.required)
            deep = PPM - liquidity.share_up(now.missing_fundamental, PPM, now.required)
            o.margin_coverage_ppm = min(o.margin_coverage_ppm, quoted)
            o.margin_coverage_fundamental_ppm = min(o.margin_coverage_fundamental_ppm, deep)
        story.days[day, p].margin_coverage_ppm = quoted


@compiled
def ask_accounts(day: int, turn: int, book: layout.Facts, s: State, story: layout.Story) -> int:
    """Ask every account with debt whether it must sell; the number of accounts that ordered (M-21, M-22)."""
    facts, held, terms, a = book.account, s.positions.instrument, book.terms, s.accounts
    debts, cash, values, call_days, recalls, begun, shares, price = (
        a.debt, a.cash, a.value, a.call_day, a.recall, a.begun, s.positions.shares, s.price)
    sellers = 0
    for n in range(facts.size):
        debt = debts[n]
        if debt == 0:
            continue
        account = facts[n]
        value = values[n]
        if turn > 1:
            value = cash[n]
            for k in rows(account):
                value += shares[k] * price[held[k]]
            values[n] = value
        hard = value * BP < account.liquidation_bp * debt
        recalled = full = False
        if turn == 1:
            failed = story.outcome[account.platform].failure_day
            hard = hard or (call_days[n] > 0 and day > call_days[n] + terms.grace_days)
            recalled = recalls[n] > 0
            full = begun[n] == 1 or (terms.call_all_after_failure and 0 < failed < day)
        elif hard:
            full = begun[n] == 1
        if hard or recalled or full:
            a.acted_day[n] = day
            full = full or (hard and account.full_sale == 1)
            if must_order(day, n, hard, recalled, full, account, book, s, story):
                s.seller[sellers] = n
                sellers += 1
    return sellers


@compiled
def must_order(day: int, n: int, hard: bool, recalled: bool, full: bool, account: Any, book: layout.Facts, s: State, story: Any) -> bool:
    """Let an account with a trigger repay from cash and order what it must sell; whether it ordered anything (M-21, M-47)."""
    a, terms, o = s.accounts, book.terms, story.outcome[account.platform]
    held = a.value[n] - a.cash[n]
    paid = min(a.cash[n], a.debt[n] if hard or full else a.recall[n])
    a.cash[n] -= paid
    repay(n, paid, a, s.lender[account.platform], o)
    if a.debt[n] == 0:
        return False
    amount = held
    if not full:
        wanted = amount_to_sell(n, held, hard, recalled, account, terms, a)
        full = wanted >= max(1, held)
        amount = min(held, wanted)
    if full:
        a.begun[n] = 1
    if amount == 0 or (terms.batches > 1 and a.ordered_day[n] == day):
        return False
    batch = min(terms.batches, a.batch[n] + 1) if a.ordered_day[n] == day - 1 else 1
    left = terms.batches - batch + 1
    if not order_shares(up(amount, left), full and left == 1, account, book, s):
        return False
    a.batch[n] = batch
    if a.ordered_day[n] == 0:
        o.accounts_forced += 1
    if a.ordered_day[n] < day:
        story.days[day, account.platform].accounts_forced += 1
    a.ordered_day[n] = day
    return True


@compiled
def amount_to_sell(n: int, held: int, hard: bool, recalled: bool, account: Any, terms: layout.Terms, a: Any) -> int:
    """The value that an account must sell, 厘, before it is compared with its holdings (M-21)."""
    amount = 0
    if hard:
        restore = np.int64(account.restore_bp)
        short = restore * a.debt[n] - BP * (held + a.cash[n])
        divisor = restore * (BP - terms.cost_share_bp) - BP * BP
        if short > 0 and (divisor <= 0 or short // divisor > held // BP):
            amount = held
        elif short > 0:
            # ⌈short × 10⁴ / divisor⌉ in two parts, as the product may pass 64 bits.
            amount = short // divisor * BP + up(short % divisor * BP, divisor)
    if recalled:
        amount = max(amount, up(a.recall[n] * BP, BP - terms.cost_share_bp))
    if amount > 0:
        amount = max(amount, terms.minimum_sale)
    return amount


@compiled
def order_shares(amount: int, everything: bool, account: Any, book: layout.Facts, s: State) -> bool:
    """Order an amount, or everything, of what may be sold today; whether anything was ordered (M-22, M-48)."""
    q, price, market, held = s.positions, s.price, s.market, s.positions.instrument
    open_worth = worth = 0
    for k in rows(account):
        mine = q.sellable[k] * price[held[k]]
        worth += mine
        if market[held[k]].left > 0:
            open_worth += mine
    if open_worth == 0:
        return False
    displaces = book.terms.displace and open_worth < worth and not everything
    if book.terms.displace or everything:
        divide(q.order, amount, everything or amount >= open_worth, open_worth, True, account, book, s)
    else:
        divide(q.order, amount, amount >= worth, worth, False, account, book, s)
    if displaces:
        divide(q.own, amount, amount >= worth, worth, False, account, book, s)
    ordered = False
    for k in rows(account):
        if not displaces:
            q.own[k] = q.order[k]
        if q.order[k] > 0:
            market[held[k]].demand += q.order[k]
            ordered = True
    return ordered


@compiled
def divide(out: I32, amount: int, everything: bool, worth: int, open_only: bool, account: Any, book: layout.Facts, s: State) -> None:
    """Write what each position sells of an amount; ``worth`` is the value of the positions that share it (M-22)."""
    sellable, market, held = s.positions.sellable, s.market, s.positions.instrument
    if not everything and account.sale_order != 0:
        divide_in_turn(out, amount, open_only, account, book, s)
        return
    ratio = amount / worth
    for k in rows(account):
        i = held[k]
        out[k] = 0
        if market[i].left > 0 and sellable[k] > 0:
            out[k] = sellable[k]
            if not everything:
                out[k] = in_lots(liquidity.part_up(ratio, amount, sellable[k], worth), sellable[k], book.instrument[i])


@compiled
def divide_in_turn(out: I32, amount: int, open_only: bool, account: Any, book: layout.Facts, s: State) -> None:
    """Sell an amount position by position, the largest key first (M-22)."""
    sellable, price, market, held, taken = s.positions.sellable, s.price, s.market, s.positions.instrument, s.taken
    first = np.int64(account.first)
    for k in range(first, np.int64(account.last)):
        out[k] = 0
        taken[k - first] = 0 if sellable[k] > 0 and (market[held[k]].left > 0 or not open_only) else 1
    while amount > 0:
        best, best_key = -1, 0.0
        for k in range(first, np.int64(account.last)):
            if taken[k - first] == 0:
                i = held[k]
                key = sale_key(account.sale_order, sellable[k], price[i], book.position[k].cost_price, book.instrument[i])
                if best < 0 or key > best_key:
                    best, best_key = k, key
        if best < 0:
            return
        taken[best - first] = 1
        i = held[best]
        wanted = in_lots(up(amount, price[i]), sellable[best], book.instrument[i])
        amount -= wanted * price[i]
        if market[i].left > 0:
            out[best] = wanted


@compiled
def sale_key(order: int, sellable: int, price: int, cost_price: int, instrument: Any) -> float:
    """By what positions are put in a sequence of sales (M-22)."""
    if order == 1:
        return float(instrument.volume) * price
    if order == 2:
        return float(sellable * price)
    if order == 3:
        return float(instrument.sigma)
    return -(price / cost_price) if cost_price > 0 else -np.inf


@compiled
def in_lots(shares: int, sellable: int, instrument: Any) -> int:
    """An order in whole lots, at least the minimum order and at most what is sellable (M-22)."""
    lots = up(shares, instrument.lot) * instrument.lot
    return min(np.int64(sellable), max(lots, instrument.min_order))


@compiled
def fill_orders(sellers: int, book: layout.Facts, s: State) -> None:
    """Cut orders to what the market takes (M-23)."""
    order, market, held = s.positions.order, s.market, s.positions.instrument
    for j in range(sellers):
        for k in rows(book.account[s.seller[j]]):
            if order[k] > 0:
                now = market[held[k]]
                order[k] = liquidity.fill(np.int64(order[k]), now.left, now.demand)
                now.filled += order[k]


@compiled
def move_prices(book: layout.Facts, price: I64, market: Any) -> None:
    """Let the day's cumulative sales move prices; close what was rationed or fell to its limit (M-23 to M-25)."""
    for i in range(market.size):
        stock, now = book.instrument[i], market[i]
        now.before = price[i]
        if now.demand == 0:
            continue
        now.sold += now.filled
        if now.filled > 0:
            drop = liquidity.fall(book.terms.impact, stock, now.opening, now.sold - now.buyers)
            price[i] = liquidity.price_after(now.opening, price[i], now.low, stock.tick, drop)
        now.left = 0 if now.demand > now.left or at_limit(price[i], now) else now.left - now.filled
        now.demand = now.filled = 0


@compiled
def settle(day: int, sellers: int, book: layout.Facts, s: State, story: layout.Story) -> None:
    """Pay the fills: the cost leaves, debt is repaid, the rest is the client's cash (M-25)."""
    a, q, market, held = s.accounts, s.positions, s.market, s.positions.instrument
    for j in range(sellers):
        n = s.seller[j]
        account = book.account[n]
        lender, o, today = s.lender[account.platform], story.outcome[account.platform], story.days[day, account.platform]
        for k in rows(account):
            sold = np.int64(q.order[k])
            if sold == 0:
                continue
            i = held[k]
            now = market[i]
            price = (now.before + s.price[i]) // 2
            gross = sold * price
            cost = up(gross * book.instrument[i].cost_bp, BP)
            displaced = max(0, sold - q.own[k])
            paid = min(a.debt[n], gross - cost)
            q.shares[k] -= sold
            q.sellable[k] -= sold
            q.order[k] = 0
            a.sold[n] += gross
            a.cash[n] += gross - cost - paid
            repay(n, paid, a, lender, o)
            o.sold_li += gross
            o.selling_cost_li += cost
            o.displaced_li += displaced * price
            today.sold_li += gross
            now.sold_li += gross
            now.displaced += displaced
            now.displaced_li += displaced * price


@compiled
def repay(n: int, amount: int, a: Any, lender: Any, o: Any) -> None:
    """Take an amount off debt and recall; the platform has it tomorrow (M-25)."""
    a.debt[n] -= amount
    a.recall[n] = max(0, a.recall[n] - amount) if a.debt[n] > 0 else 0
    lender.loans -= amount
    lender.repaid_today += amount
    o.repaid_li += amount


@compiled
def sell_in_rounds(day: int, book: layout.Facts, s: State, story: layout.Story) -> None:
    """Rounds of sales until nobody orders, or the round limit (5.4, 5.5)."""
    broken = breaks(book, s.price, s.market)
    turn = 0
    while turn < book.terms.rounds_max:
        sellers = ask_accounts(day, turn + 1, book, s, story)
        if sellers == 0:
            break
        turn += 1
        fill_orders(sellers, book, s)
        move_prices(book, s.price, s.market)
        settle(day, sellers, book, s, story)
        broken = breaks(book, s.price, s.market) or broken
    story.rounds[0] = max(story.rounds[0], turn)
    story.rounds[1] += 1 if turn == book.terms.rounds_max else 0
    story.rounds[2] += 1 if broken else 0


@compiled
def close_market(book: layout.Facts, price: I64, market: Any, tape: Any) -> None:
    """Split the day's impact into what lasts and what passes, and write the tape (M-24)."""
    for i in range(market.size):
        now, row = market[i], tape[i]
        if price[i] < now.opening:
            drop = (now.opening - price[i]) * prices.PPB // now.opening
            lasting = liquidity.lasting_bp(book.terms.impact, book.instrument[i], now.sold - now.buyers)
            now.keep, now.gap = prices.decay(now.keep, now.gap, drop, lasting)
        now.close = row.quoted = price[i]
        row.sold_shares = now.sold
        row.displaced_shares = now.displaced
        row.sold_li = now.sold_li
        row.displaced_li = now.displaced_li


@compiled
def write_off(day: int, book: layout.Facts, s: State, outcome: Any) -> None:
    """Write off the debt of accounts that have neither shares nor cash (M-26)."""
    a, shares = s.accounts, s.positions.shares
    for n in range(a.debt.size):
        # An account with nothing is below every line, so it had a trigger today.
        if a.acted_day[n] != day or a.debt[n] == 0 or a.cash[n] > 0:
            continue
        left = 0
        for k in rows(book.account[n]):
            left += shares[k]
        if left == 0:
            p = book.account[n].platform
            s.lender[p].deficit_today += a.debt[n]
            s.lender[p].loans -= a.debt[n]
            outcome[p].accounts_in_deficit += 1
            a.deficit[n] = a.debt[n]
            a.debt[n] = a.recall[n] = 0


@compiled
def layer_sums(p: int, book: layout.Facts, s: State) -> tuple[int, int]:
    """Junior and senior funding of a platform, the bank line with the latter, 厘."""
    junior = senior = 0
    for k in range(book.layer.size):
        if book.layer[k].platform == p:
            junior += s.layer[k] * book.layer[k].junior
            senior += s.layer[k] * (1 - book.layer[k].junior)
    return junior, senior


@compiled
def close_platforms(day: int, book: layout.Facts, s: State, story: layout.Story) -> None:
    """Share out the day's deficits and decide who fails (M-27, M-28)."""
    for p in range(book.platform.size):
        now, o, today = s.lender[p], story.outcome[p], story.days[day, p]
        if now.deficit_today > 0:
            share_deficit(now, o, s, *layer_sums(p, book, s))
        now.in_transit = now.repaid_today
        now.repaid_today = 0
        own_funds = now.reserve + now.own_capital
        if own_funds <= 0 and o.own_funds_exhausted_day == 0:
            o.own_funds_exhausted_day = day
        before = max(0, day - book.terms.payment_grace_days)
        late = o.redemption_paid_li < s.requests.due[before, p].own or o.funding_returned_li < story.days[before, p].funding_due_li
        if o.failure_day == 0 and (own_funds <= 0 or late):
            o.failure_day = day
        today.loans_li = now.loans
        today.deficit_li = o.deficit_li
        today.own_funds_li = own_funds


@compiled
def share_deficit(now: Any, o: Any, s: State, junior: int, senior: int) -> None:
    """Send the day's deficit of a platform down its layers (M-27)."""
    room, borne = s.room, s.borne
    room[0], room[1] = now.reserve, now.own_capital
    room[2], room[3] = junior - o.absorbed_by_junior_li, senior - o.absorbed_by_senior_li
    room[4] = now.claims - o.absorbed_by_claims_li
    liquidity.absorb(now.deficit_today, room, borne)
    now.reserve -= borne[0]
    now.own_capital -= borne[1]
    o.absorbed_by_reserve_li += borne[0]
    o.absorbed_by_own_capital_li += borne[1]
    o.absorbed_by_junior_li += borne[2]
    o.absorbed_by_senior_li += borne[3]
    o.absorbed_by_claims_li += borne[4]
    o.deficit_li += now.deficit_today
    now.deficit_today = 0


@compiled
def finish(fundamental: I64, book: layout.Facts, s: State, outcome: Any) -> None:
    """Measure the holes of the accounts that still owe, and write the balances of the end (M-29, M-30)."""
    a, keep_bp = s.accounts, BP - book.terms.selling_cost_bp
    for n in range(a.debt.size):
        account = book.account[n]
        o = outcome[account.platform]
        o.account_cash_end_li += a.cash[n]
        if a.debt[n] > 0:
            worth = 0
            for k in rows(account):
                worth += s.positions.shares[k] * fundamental[s.positions.instrument[k]]
            o.deficit_unrealised_li += max(0, a.debt[n] - worth * keep_bp // BP - a.cash[n])
    for p in range(book.platform.size):
        now, o = s.lender[p], outcome[p]
        o.junior_end_li, o.senior_end_li = layer_sums(p, book, s)
        o.unpaid_end_li = o.redemption_due_li - o.redemption_paid_li
        o.loans_end_li, o.in_transit_end_li = now.loans, now.in_transit
        o.cash_end_li, o.pool_end_li, o.claims_end_li = now.cash, now.pool, now.claims
        o.reserve_end_li, o.own_capital_end_li = now.reserve, now.own_capital


def run_path(path: int, seed: int, fundamental: I64, factor_bp: I64, closed: U8, book: layout.Facts, s: State, story: layout.Story) -> None:
    """Run one path: ``fundamental`` (厘) and ``closed`` are days 0..T × instruments, ``factor_bp`` days 0..T."""
    begin(book, s, story)
    run_days(path, seed, fundamental, factor_bp, closed, book, s, story)


@compiled
def run_days(path: int, seed: int, fundamental: I64, factor_bp: I64, closed: U8, book: layout.Facts, s: State, story: layout.Story) -> None:
    """Run all days of a path that has begun."""
    withdrawals.begin_requests(path, seed, book.requests, s.requests, story.outcome)
    for day in range(1, book.terms.calendar.size):
        fall_bp = max(0, BP - factor_bp[day])
        open_market(day, fundamental[day], closed[day], fall_bp, book, s.price, s.market, story.tape[day])
        revalue(day, book, s, story.outcome)
        mark_accounts(day, path, seed, fundamental[day], fall_bp, book, s, story.outcome)
        measure_platforms(day, s, story)
        withdrawals.ask(day, path, seed, max(0, BP - factor_bp[day - 1]), book, s.requests, s.lender, story)
        if book.requests.moves:
            withdrawals.owed_to_funders(day, book.layer, s.requests, story.outcome)
        pay(day, book, s, story)
        recall_loans(book, s)
        sell_in_rounds(day, book, s, story)
        close_market(book, s.price, s.market, story.tape[day])
        write_off(day, book, s, story.outcome)
        close_platforms(day, book, s, story)
    finish(fundamental[fundamental.shape[0] - 1], book, s, story.outcome)
