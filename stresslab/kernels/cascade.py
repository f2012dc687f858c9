"""The cascade of forced sales on one path, in integers: section 5 of ``docs/method.md``.

A day is: open, pay, call, rounds of respond → fill → impact → settle, write off, close. Each step is a kernel of its
own, because a book that is cut by accounts exchanges only the demand per instrument (and sums per
platform) between the steps. Names and rules are those of the plain twin, ``tests/plain.py``.

Only accounts that :mod:`stresslab.kernels.screen` cannot prove safe are *live* on a path (:mod:`stresslab.kernels.live`), and
looked at only on days on which they may be below a line.
"""

from __future__ import annotations

import numpy as np

from stresslab.kernels import fetch, kernel
from stresslab.kernels.accounts import (
    add_shortfall,
    answer,
    batch_of,
    call,
    has_shares,
    need,
    repay,
    rows,
    sale,
    shares_value,
    spread,
    triggers,
)
from stresslab.kernels.draws import STREAM_ANSWERS, words
from stresslab.kernels.layout import (
    I64,
    LANE,
    LISTED,
    LIVE,
    LOOK,
    NEAR,
    SCHEDULE,
    SELLERS,
    SERVED,
    U8,
    VISITS,
    WEIGHT,
    Clauses,
    Facts,
    Rates,
    Record,
    Records,
    State,
    Story,
    Terms,
    rates_given,
    records,
)
from stresslab.kernels.ledger import (
    ANSWER,
    BREAKER,
    CALL,
    CLOSED,
    COST,
    FILL,
    INTEREST,
    LAPSE,
    LOCKED,
    MARK,
    NOBODY,
    ORDER,
    OVERDUE,
    PRICE,
    RATIONED,
    RECALL,
    REPAY,
    REPAY_CASH,
    WRITE_OFF,
    keeps,
    note,
    note_account,
)
from stresslab.kernels.liquidity import IMPACT_NONE, fall, fill, lasting_bp, price_after, share_up
from stresslab.kernels.live import (
    AHEAD,
    CALLED_IN_FULL,
    CALLED_IN_PART,
    arm,
    begin_accounts,
    charge_movers,
    debt_at_most,
    enliven_platform,
    list_visits,
    list_wanting,
    look_again,
    look_tomorrow,
    move,
    pass_over,
    refresh,
    watch,
)
from stresslab.kernels.platforms import begin_platforms, close_platforms, finish_platforms, measure, open_platforms, pay
from stresslab.kernels.prices import PPB, clip, decay, limits, target
from stresslab.kernels.requests import Requests, no_requests
from stresslab.kernels.responses import adjust, bear, begin_responses, decide, finish_responses, look_over, weigh
from stresslab.kernels.screen import lane_of, on_path, prepare, span_of
from stresslab.kernels.withdrawals import ask, begin_requests

PPM = 1_000_000
#: Relative slack of the screen in `respond`: far above the error of its three float operations.
SCREEN_SLACK = 1e-9
#: Below every screen: an account that has ordered all it can today.
NOTHING_LEFT = -1.0


def make_facts(
    account: Records, position: Records, instrument: Records, limit_bp: Records, platform: Records, due: Records, layer: Records,
    terms: Terms, clauses: Clauses | None = None, requests: Requests | None = None,
) -> Facts:
    """Facts with what follows from them: holders by instrument, debts and sums of the undisturbed book, weights of the screens.

    Accounts come in the order of their ids, which numbers their draws. Without clauses no rate moves.
    """
    clauses = rates_given(terms.calendar.size - 1) if clauses is None else clauses
    moves = (account["floats_from"] < terms.calendar.size) & (account["debt"] > 0) & clauses.random
    order = np.argsort(position["instrument"], kind="stable")
    owner = np.repeat(np.arange(account.size, dtype=np.uint32), (account["last"] - account["first"]).astype(np.int64))
    count = np.bincount(position["instrument"], minlength=instrument.size)
    account["rank"] = np.arange(account.size)
    instrument["last"] = np.cumsum(count)
    instrument["first"] = np.cumsum(count) - count
    facts = Facts(
        account, position, instrument, limit_bp, platform, due, layer, terms, clauses,
        rates=Rates(terms.calendar, clauses.shock + clauses.highest[clauses.fixing]), floating=np.flatnonzero(moves).astype(np.uint32),
        holder=owner[order], weight=records(WEIGHT, position.size), cover=np.zeros(account.size, np.float32),
        last_debt=np.zeros(account.size, np.int64), schedule=records(SCHEDULE, terms.calendar.size, platform.size),
        requests=no_requests(platform.size) if requests is None else requests,
    )
    prepare(facts)
    return facts


@kernel
def begin(f: Facts, s: State) -> None:
    """Reset what the path before wrote, and make the accounts live that this path may touch."""
    s.ledger.count[0] = 0
    begin_platforms(f, s)
    for i in range(f.instrument.size):
        fact, stock, quote = f.instrument[i], s.instrument[i], s.quote[i]
        stock.close = quote.price = fact.price
        stock.keep = PPB
        stock.gap = quote.demand = quote.filled = 0
        quote.lot, quote.min_order, quote.cost_bp = fact.lot, fact.min_order, fact.cost_bp
    begin_accounts(f, s)
    begin_responses(f, s)


@kernel
def begin_story(f: Facts, story: Story) -> None:
    """Reset a story to the day before the first."""
    story.rounds[:] = 0
    for p in range(f.platform.size):
        o = story.outcome[p]
        o.accounts_with_debt = f.platform[p].indebted
        o.own_funds_before_li = f.platform[p].reserve + f.platform[p].own_capital
        o.account_cash_end_li = f.platform[p].account_cash
        o.margin_coverage_ppm = o.margin_coverage_fundamental_ppm = PPM
        o.margin_call_peak_li = o.margin_call_peak_day = o.margin_call_peak_fundamental_li = 0
        o.margin_call_issued_li = o.margin_call_unanswered_li = 0
        o.accounts_called = o.accounts_forced = o.accounts_in_deficit = 0
        o.sold_li = o.displaced_li = o.selling_cost_li = o.client_paid_li = o.repaid_li = 0
        o.loan_interest_li = o.funding_interest_li = o.pool_loss_li = o.deficit_li = o.exchange_loss_li = 0
        o.absorbed_by_reserve_li = o.absorbed_by_own_capital_li = o.absorbed_by_junior_li = 0
        o.absorbed_by_senior_li = o.absorbed_by_claims_li = o.deficit_unrealised_li = 0
        o.redemption_due_li = o.redemption_paid_li = o.redemption_segregated_li = o.line_drawn_li = 0
        o.first_unpaid_day = o.own_funds_exhausted_day = o.failure_day = o.first_response_day = o.unpaid_days = 0
        o.compensation_li = o.hedge_cost_li = o.hedge_gain_li = o.hedge_owed_li = o.hedge_end_li = 0
        for day in range(f.terms.calendar.size):
            story.days[day, p].sold_li = 0
            story.days[day, p].accounts_forced = 0


@kernel
def open_market(day: int, fundamental: I64, closed: U8, fall_bp: int, f: Facts, s: State, story: Story) -> None:
    """Quote every instrument for the day: decay, target, limits, lock, capacity, buyers, breaker (M-13 to M-15, M-44 to M-46)."""
    buyers_bp = f.terms.buyers_bp * max(0, 100_000_000 - f.terms.exhaustion_bp * fall_bp) // 100_000_000
    span = span_of(f.terms.calendar.size - 1)
    for i in range(f.instrument.size):
        fact, now, quote = f.instrument[i], s.instrument[i], s.quote[i]
        now.limit_bp = f.limit_bp[day, i]
        low, high = limits(now.close, fact.tick, now.limit_bp)
        now.low = low
        now.gap = now.gap * f.terms.impact.decay_ppb // PPB
        if closed[i] == 0:
            quote.price = clip(target(fundamental[i], now.keep, now.gap, fact.tick), low, high)
            now.locked = 1 if sealed(now, quote.price) else 0
        else:
            quote.price = now.close
            now.locked = 1
        now.opening = quote.price
        now.sold_today = now.displaced = now.displaced_li = now.received = 0
        quote.left = 0 if now.locked == 1 else fact.capacity
        now.buyers = fact.volume * buyers_bp // 10_000
        story.tape[day, i].locked = now.locked
        if keeps(s.ledger) and now.locked == 1:
            note(s.ledger, day, 0, CLOSED if closed[i] else LOCKED, NOBODY, i, 0, quote.price, 0)
    break_off(day, 0, f, s, story)
    for i in range(f.instrument.size):
        lowest = min(s.quote[i].price, fundamental[i])
        if lowest < s.bound[i, lane_of(day, span)]:
            watch(day, i, lowest, f, s)


@kernel
def sealed(stock: Record, price: int) -> bool:
    """Whether a price stands at a real lower limit, where nobody buys (M-15)."""
    return bool(stock.limit_bp > 0 and stock.low < stock.close and price == stock.low)


@kernel
def break_off(day: int, turn: int, f: Facts, s: State, story: Story) -> None:
    """End selling for the day if the index has fallen to the breaker's level (M-45)."""
    level = f.terms.breaker_bp
    if level == 0:
        return
    before = 0
    index = 0
    for i in range(f.instrument.size):
        before += f.instrument[i].weight * s.instrument[i].close
        index += f.instrument[i].weight * s.quote[i].price
    drop = before // 10_000 * level + before % 10_000 * level // 10_000
    if before - index < max(1, drop):
        return
    for i in range(f.instrument.size):
        s.quote[i].left = 0
    story.rounds[2] += 1
    if keeps(s.ledger):
        note(s.ledger, day, turn, BREAKER, NOBODY, NOBODY, 0, 0, 0)


@kernel
def open_accounts(
    day: int, path: int, seed: int, fundamental: I64, fall_bp: int, f: Facts, s: State, story: Story
) -> None:
    """Accrue, mark, measure and call every account that must be looked at (M-12, M-19, M-20)."""
    lenders, outcome = s.platform, story.outcome
    for p in range(lenders.size):
        if f.terms.call_all_after_failure and 0 < outcome[p].failure_day < day:
            enliven_platform(p, CALLED_IN_FULL, f, s)
        sums, schedule = lenders[p], s.schedule[day, p]
        sums.loans += schedule.interest
        sums.own_capital += schedule.interest
        outcome[p].loan_interest_li += schedule.interest
        sums.to_cover += schedule.line
    charge_movers(day, s, outcome)
    adjust(day, f, s, outcome)
    list_visits(day, f, s)
    for i in range(s.low.size):
        s.low[i] = min(s.quote[i].price, fundamental[i])
    pass_over(day, s)
    mark_accounts(day, path, seed, fundamental, fall_bp, f, s, outcome)
    look_over(day, f, s)
    s.counts[SERVED] = 0


@kernel
def mark_accounts(
    day: int, path: int, seed: int, fundamental: I64, fall_bp: int, f: Facts, s: State, outcome: Records
) -> None:
    """Value the accounts that may be below a line, measure what they lack, answer and issue calls (M-19, M-20)."""
    # Arrays are taken out of the bundles once: inside a loop each extraction would cost.
    facts, accounts, lenders, needs, live, near, guards = s.fact, s.account, s.platform, s.need, s.live, s.near, s.guard
    held, quotes, movers, terms = s.position, s.quote, s.mover, f.terms
    telling, count = keeps(s.ledger), s.counts[NEAR]
    for k in range(count):
        j, soon, later = near[k], near[min(k + AHEAD, count - 1)], near[min(k + 2 * AHEAD, count - 1)]
        fetch(accounts, later)
        fetch(facts, later)
        fetch(held, facts[soon].first)
        fetch(movers, accounts[soon].mover)
        n, fact, now = live[j], facts[j], accounts[j]
        needs[j] = 2.0
        if now.debt == 0:
            continue
        sums, o = lenders[fact.platform], outcome[fact.platform]
        quoted = now.cash
        deep = now.cash
        for row in rows(fact):
            shares = held[row].shares
            i = held[row].instrument
            quoted += shares * quotes[i].price
            deep += shares * fundamental[i]
        now.value = quoted
        before = now.debt
        refresh(day, fact, now, movers, s.rates)
        if telling and s.ledger.account >= 0:
            note_account(s.ledger, day, 0, INTEREST, fact.platform, n, NOBODY, 0, 0, now.debt - before, now)
            note_account(s.ledger, day, 0, MARK, fact.platform, n, NOBODY, 0, 0, quoted, now)
        if min(quoted, deep) * 10_000 < fact.warning_bp * now.debt:
            add_shortfall(quoted, deep, fact, now, sums)
        if now.call_day > 0:
            called, amount = now.call_day, now.call_amount
            answer(day, fact, now, o, terms.grace_days)
            if telling and now.call_day == 0:
                note_account(s.ledger, day, 0, ANSWER if now.answer_day == day else LAPSE, fact.platform, n, NOBODY, 0, 0, amount, now)
            elif telling and day == called + terms.grace_days + 1:
                note_account(s.ledger, day, 0, OVERDUE, fact.platform, n, NOBODY, 0, 0, amount, now)
        if now.call_day == 0 and now.value * 10_000 < fact.warning_bp * now.debt and sums.mute == 0:
            word = words(seed, path, day, STREAM_ANSWERS, fact.rank)
            first, second = np.int64(word[0]), np.int64(word[1])
            call(day, first, second, fall_bp, fact, now, o, terms)  # type: ignore[arg-type]
            now.calls += 1
            if now.calls == 1:
                o.accounts_called += 1
            if telling:
                note_account(s.ledger, day, 0, CALL, fact.platform, n, NOBODY, 0, 0, now.call_amount, now)
        needs[j] = need(day, fact, now, o.failure_day, terms.grace_days, terms.call_all_after_failure)
        if now.call_day > 0:
            look_tomorrow(j, day, f, s)
            guards[j].safe = LOOK
        elif needs[j] < 2.0:
            arm(debt_at_most(fact, now, movers), fact, now, guards[j])


@kernel
def recall_loans(day: int, f: Facts, s: State) -> None:
    """Call the same share of every loan of a platform, rounded up, so that what is missing comes in (M-18)."""
    for p in range(f.platform.size):
        lender = s.platform[p]
        if lender.to_recall == 0:
            continue
        enliven_platform(p, CALLED_IN_PART, f, s)
        loans = lender.loans
        part = min(lender.to_recall, loans)
        for j in range(s.counts[LIVE]):
            fact, now = s.fact[j], s.account[j]
            if fact.platform == p and now.debt > 0:
                refresh(day, fact, now, s.mover, s.rates)
                more = min(share_up(now.debt, part, loans), now.debt - now.recall)
                now.recall += more
                lender.recalled += more
                s.need[j] = 2.0
                s.guard[j].safe = LOOK
                now.value = now.cash + shares_value(fact, s.position, s.quote)
                if s.looked[j] != day:
                    s.looked[j] = day
                    s.visits[s.counts[VISITS]] = j
                    s.counts[VISITS] += 1
                if keeps(s.ledger) and more > 0:
                    note_account(s.ledger, day, 0, RECALL, p, s.live[j], NOBODY, 0, 0, more, now)


@kernel
def respond(day: int, turn: int, worst: float, f: Facts, s: State, story: Story) -> bool:
    """Ask every account with debt whether it must sell; write orders and demand; say whether anybody ordered (M-21, M-22).

    ``worst`` is the lowest price of the day over its opening price, 1 in the first round. An account that stays on its
    line if all its collateral falls that far is passed over; the test itself is in integers.
    """
    facts, accounts, lenders, needs, seller, movers, today = s.fact, s.account, s.platform, s.need, s.seller, s.mover, s.near
    held, offers, quotes, terms, outcome, served = s.position, s.offer, s.quote, f.terms, story.outcome, s.served
    telling = keeps(s.ledger)
    sellers = 0
    count = list_wanting(worst * (1.0 - SCREEN_SLACK), s)
    for k in range(count):
        j, soon, later = today[k], today[min(k + AHEAD, count - 1)], today[min(k + 2 * AHEAD, count - 1)]
        fetch(accounts, later)
        fetch(facts, later)
        fetch(held, facts[soon].first)
        fetch(offers, facts[soon].first)
        fetch(movers, accounts[soon].mover)
        fact, now = facts[j], accounts[j]
        lender = lenders[fact.platform]
        if now.debt == 0 or lender.shut == 1:
            continue
        refresh(day, fact, now, movers, s.rates)
        if now.served_day == day or worst < 1.0:
            now.value = now.cash + shares_value(fact, held, quotes)
        o = outcome[fact.platform]
        by_line, by_recall, in_full = triggers(day, fact, now, o.failure_day, terms.grace_days, terms.call_all_after_failure)
        if not (by_line or by_recall or in_full):
            # Marked at prices at or below the opening, so a lowest price over opening says as much from here on.
            needs[j] = fact.liquidation_bp * now.debt / (now.value * 10_000.0)
            continue
        if now.served_day != day:
            now.served_day = day
            served[s.counts[SERVED]] = j
            s.counts[SERVED] += 1
        needs[j] = 2.0
        if now.moved == 0:
            move(j, s)
        s.guard[j].safe = LOOK
        in_full = in_full or (by_line and fact.full_sale == 1)
        cash = now.cash
        batch, batches = now.batch, lender.batches
        amount, everything = sale(
            day, by_line, by_recall, in_full, fact, now, batch, lender, o, terms.cost_share_bp, terms.minimum_sale, batches)
        movers[now.mover].debt = now.debt
        if telling and now.cash < cash:
            note_account(s.ledger, day, turn, REPAY_CASH, fact.platform, s.live[j], NOBODY, 0, 0, cash - now.cash, now)
        if everything and (by_line or in_full):
            # What is open now it sells or the market rations, what is shut stays shut: nothing is left to do today.
            needs[j] = NOTHING_LEFT
        if amount == 0 or (batches > 1 and now.forced_day == day):
            continue
        if spread(amount, everything, terms.displace, fact, held, offers, f.instrument, quotes):
            seller[sellers] = j
            sellers += 1
            if now.forced_day == 0:
                o.accounts_forced += 1
            if now.forced_day < day:
                story.days[day, fact.platform].accounts_forced += 1
                now.batch = batch_of(day, now, batch, batches)
            now.forced_day = day
            if telling:
                note_orders(day, turn, j, s)
    s.counts[SELLERS] = sellers
    return sellers > 0


@kernel
def note_orders(day: int, turn: int, j: int, s: State) -> None:
    """Record the orders of a live account; the money of an order is what is displaced of it."""
    fact = s.fact[j]
    for row in rows(fact):
        mine, i = s.offer[row], s.position[row].instrument
        if mine.order > 0:
            price = s.quote[i].price
            displaced = max(0, mine.order - mine.own) * price
            note_account(s.ledger, day, turn, ORDER, fact.platform, s.live[j], i, mine.order, price, displaced, s.account[j])


@kernel
def fill_orders(s: State) -> None:
    """Turn orders into fills, pro rata where demand exceeds the capacity left (M-23); elsewhere all is filled."""
    facts, held, offers, quotes, seller = s.fact, s.position, s.offer, s.quote, s.seller
    if not rationing(quotes):
        return
    count = s.counts[SELLERS]
    for k in range(count):
        soon, later = seller[min(k + AHEAD, count - 1)], seller[min(k + 2 * AHEAD, count - 1)]
        fetch(facts, later)
        fetch(offers, facts[soon].first)
        fetch(held, facts[soon].first)
        for row in rows(facts[seller[k]]):
            mine = offers[row]
            quote = quotes[held[row].instrument]
            if mine.order > 0 and quote.demand > quote.left:
                mine.order = fill(mine.order, quote.left, quote.demand)
                quote.filled += mine.order


@kernel
def rationing(quotes: Records) -> bool:
    """Whether any instrument is asked for more than the capacity left."""
    for i in range(quotes.size):  # noqa: SIM110  (compiled code knows no generator expressions)
        if quotes[i].demand > quotes[i].left:
            return True
    return False


@kernel
def move_prices(day: int, turn: int, f: Facts, s: State, story: Story) -> float:
    """Move prices by the day's cumulative sales, close what is rationed, locked or broken off; the lowest price over opening (M-24)."""
    worst = 1.0
    span = span_of(f.terms.calendar.size - 1)
    for i in range(f.instrument.size):
        fact, now, quote = f.instrument[i], s.instrument[i], s.quote[i]
        quote.before = quote.price
        if quote.demand > 0:
            rationed = quote.demand > quote.left
            if not rationed:
                quote.filled = quote.demand
            now.sold_today += quote.filled
            drop = fall(f.terms.impact, fact, now.opening, now.sold_today - now.buyers)
            quote.price = price_after(now.opening, quote.price, now.low, fact.tick, drop)
            quote.paid = (quote.before + quote.price) // 2
            now.received += quote.filled * quote.paid
            quote.left -= quote.filled
            if keeps(s.ledger):
                note(s.ledger, day, turn, RATIONED if rationed else PRICE, NOBODY, i, quote.filled, quote.price, 0)
            if rationed or sealed(now, quote.price):
                quote.left = 0
            quote.demand = quote.filled = 0
        worst = min(worst, quote.price / now.opening)
    break_off(day, turn, f, s, story)
    lowered = False
    for i in range(f.instrument.size):
        price = s.quote[i].price
        if price < s.quote[i].before and price < s.bound[i, lane_of(day, span)]:
            watch(day, i, price, f, s)
            lowered = True
    if lowered:
        look_again(day, f, s)
    return worst


@kernel
def settle(day: int, turn: int, f: Facts, s: State, story: Story) -> None:
    """Pay for the fills, charge the costs, repay debt; the rest is the client's (M-25)."""
    facts, accounts, held, offers, tally, quotes, seller = s.fact, s.account, s.position, s.offer, s.tally, s.quote, s.seller
    needs, movers = s.need, s.mover
    telling = keeps(s.ledger)
    count = s.counts[SELLERS]
    for k in range(count):
        j, soon, later = seller[k], seller[min(k + AHEAD, count - 1)], seller[min(k + 2 * AHEAD, count - 1)]
        fetch(accounts, later)
        fetch(facts, later)
        fetch(tally, soon)
        fetch(held, facts[soon].first)
        fetch(offers, facts[soon].first)
        fetch(movers, accounts[soon].mover)
        fact, now = facts[j], accounts[j]
        lender, o = s.platform[fact.platform], story.outcome[fact.platform]
        left = now.value - now.cash
        for row in rows(fact):
            mine = offers[row]
            if mine.order > 0:
                i = held[row].instrument
                quote = quotes[i]
                gross = mine.order * quote.paid
                cost = (gross * quote.cost_bp + 9_999) // 10_000
                paid = min(now.debt, gross - cost)
                held[row].shares -= mine.order
                mine.sellable -= mine.order
                left -= mine.order * quote.before
                now.cash += gross - cost - paid
                tally[j].sold += gross
                repay(paid, now, lender, o)
                o.sold_li += gross
                o.selling_cost_li += cost
                story.days[day, fact.platform].sold_li += gross
                if mine.order > mine.own:
                    displaced = mine.order - mine.own
                    o.displaced_li += displaced * quote.paid
                    s.instrument[i].displaced += displaced
                    s.instrument[i].displaced_li += displaced * quote.paid
                if telling:
                    n = s.live[j]
                    note_account(s.ledger, day, turn, FILL, fact.platform, n, i, mine.order, quote.paid, gross, now)
                    note_account(s.ledger, day, turn, COST, fact.platform, n, i, 0, 0, cost, now)
                    note_account(s.ledger, day, turn, REPAY, fact.platform, n, i, 0, 0, paid, now)
                mine.order = 0
        movers[now.mover].debt = now.debt
        if needs[j] != NOTHING_LEFT and left + now.cash > 0:
            # Of what is left at the prices before the round, which are at most the opening's.
            needs[j] = fact.liquidation_bp * now.debt / ((left + now.cash) * 10_000.0)


@kernel
def sell_in_rounds(day: int, f: Facts, s: State, story: Story) -> None:
    """Rounds of forced sales until nobody must sell, or the round limit (M-21 to M-25)."""
    worst = 1.0
    for turn in range(1, f.terms.rounds_max + 1):
        if not respond(day, turn, worst, f, s, story):
            return
        fill_orders(s)
        worst = move_prices(day, turn, f, s, story)
        settle(day, turn, f, s, story)
        story.rounds[0] = max(story.rounds[0], turn)
    story.rounds[1] += 1


@kernel
def write_off(day: int, f: Facts, s: State, outcome: Records) -> None:
    """Write off what accounts with nothing left still owe (M-26)."""
    facts, accounts, held = s.fact, s.account, s.position
    # An account with nothing is below its line, so it had to act.
    for k in range(s.counts[SERVED]):
        j = s.served[k]
        fetch(accounts, s.served[min(k + AHEAD, s.counts[SERVED] - 1)])
        fact, now = facts[j], accounts[j]
        if now.debt > 0 and now.cash == 0 and not has_shares(fact, held):
            lender = s.platform[fact.platform]
            s.tally[j].deficit = now.debt
            lender.deficit_today += now.debt
            lender.loans -= now.debt
            lender.recalled -= now.recall
            if keeps(s.ledger):
                note_account(s.ledger, day, 0, WRITE_OFF, fact.platform, s.live[j], NOBODY, 0, 0, now.debt, now)
            now.recall = 0
            now.debt = s.mover[now.mover].debt = 0
            outcome[fact.platform].accounts_in_deficit += 1
        if now.debt == 0:
            s.look[j] = 0


@kernel
def close_market(day: int, f: Facts, s: State, story: Story) -> None:
    """Remember impact, write the tape (M-24)."""
    for i in range(f.instrument.size):
        stock, price, tape = s.instrument[i], s.quote[i].price, story.tape[day, i]
        if price < stock.opening:
            drop = (stock.opening - price) * PPB // stock.opening
            lasting = lasting_bp(f.terms.impact, f.instrument[i], stock.sold_today - stock.buyers)
            stock.keep, stock.gap = decay(stock.keep, stock.gap, drop, lasting)
        stock.close = price
        tape.quoted = price
        tape.sold_shares = stock.sold_today
        tape.displaced_shares = stock.displaced
        tape.displaced_li = stock.displaced_li
        tape.sold_li = stock.received


@kernel
def hole(fact: Record, debt: int, cash: int, held: Records, prices: I64, cost_bp: int) -> int:
    """The debt of an account that its collateral would not cover at some prices less the cost of selling, 厘 (M-30)."""
    worth = 0
    for row in rows(fact):
        worth += np.int64(held[row].shares) * prices[held[row].instrument]
    left: int = max(0, debt - worth * (10_000 - cost_bp) // 10_000 - cash)
    return left


@kernel
def finish_accounts(fundamental: I64, f: Facts, s: State, outcome: Records) -> None:
    """Write the last day's holes and the accounts' cash into the outcome (M-29, M-37)."""
    for j in range(s.counts[LIVE]):
        fact, now = s.fact[j], s.account[j]
        if now.debt > 0:
            now.debt = s.mover[now.mover].debt if now.moved == 1 else fact.debt
            outcome[fact.platform].deficit_unrealised_li += hole(fact, now.debt, now.cash, s.position, fundamental, f.terms.selling_cost_bp)
        outcome[fact.platform].account_cash_end_li += now.cash - fact.cash


@kernel
def run_path(
    path: int, seed: int, fundamental: I64, factor_bp: I64, closed: U8, f: Facts, s: State, story: Story
) -> None:
    """Run the cascade over all days of one path.

    ``fundamental`` (厘) and ``closed`` (0 or 1) are days 0..T × instruments, ``factor_bp`` days 0..T. The bounds and the list of
    accounts in the state must be those of the path (see ``screen`` and ``engine``).
    """
    begin(f, s)
    begin_story(f, story)
    begin_requests(path, seed, f.requests, s.requests, story.outcome)
    for day in range(1, f.terms.calendar.size):
        fall_bp = max(0, 10_000 - factor_bp[day])
        decide(day, factor_bp, f, s, story)
        open_market(day, fundamental[day], closed[day], fall_bp, f, s, story)
        open_platforms(day, f, s, story)
        open_accounts(day, path, seed, fundamental[day], fall_bp, f, s, story)
        measure(day, s, story)
        bear(f, s, story)
        ask(day, path, seed, max(0, 10_000 - factor_bp[day - 1]), f, s.requests, s.platform, story)
        pay(day, f, s, story)
        recall_loans(day, f, s)
        sell_in_rounds(day, f, s, story)
        write_off(day, f, s, story.outcome)
        weigh(f, s)
        close_platforms(day, f, s, story)
        close_market(day, f, s, story)
    finish_accounts(fundamental[fundamental.shape[0] - 1], f, s, story.outcome)
    finish_platforms(f, s, story.outcome)
    finish_responses(f, s, story.outcome)


@kernel
def hold(fundamental: I64, f: Facts, s: State, loss: I64) -> None:
    """The loss of each platform if nobody is called and nobody sells: holes at the horizon (M-30, holding)."""
    loss[:] = 0
    last = fundamental[fundamental.shape[0] - 1]
    for k in range(s.counts[LISTED]):
        if on_path(s.paths, k, s.counts[LANE]):
            n = s.listed[k]
            fact = f.account[n]
            if s.last_debt[n] > 0:
                loss[fact.platform] += hole(fact, s.last_debt[n], fact.cash, f.position, last, f.terms.selling_cost_bp)


@kernel
def tally(f: Facts, s: State, called: I64, forced: I64, in_deficit: I64, deficit: I64, sold: I64) -> None:
    """Add what happened to the accounts of a path to sums over paths, one entry per account."""
    for j in range(s.counts[LIVE]):
        n = s.live[j]
        mine = s.tally[j]
        called[n] += s.account[j].calls
        forced[n] += 1 if s.account[j].forced_day > 0 else 0
        in_deficit[n] += 1 if mine.deficit > 0 else 0
        deficit[n] += mine.deficit
        sold[n] += mine.sold


def part_of(facts: Facts, first: int, last: int) -> Facts:
    """The facts of accounts first to last − 1 alone, with the platforms' sums over all accounts: one part of a book that is cut."""
    account = facts.account[first:last].copy()
    top, bottom = (int(account["first"][0]), int(account["last"][-1])) if account.size else (0, 0)
    account["first"] -= top
    account["last"] -= top
    position = facts.position[top:bottom].copy()
    rank = account["rank"].copy()
    part = make_facts(
        account, position, facts.instrument.copy(), facts.limit_bp, facts.platform.copy(), facts.due, facts.layer, facts.terms,
        facts.clauses, facts.requests)
    account["rank"] = rank
    for name in ("indebted", "account_cash", "loans"):
        part.platform[name] = facts.platform[name]
    return part


def without_impact(f: Facts) -> Facts:
    """The same facts with the impact law `none`: the second of the three columns (M-30)."""
    return f._replace(terms=f.terms._replace(impact=f.terms.impact._replace(law=IMPACT_NONE)))
