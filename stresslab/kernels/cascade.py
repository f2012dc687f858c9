"""The cascade of forced sales on one path, in integers: section 5 of ``docs/method.md``.

A day is: open, pay, call, rounds of respond → fill → impact → settle, write off, close. Each step is a kernel of its
own, because a book that is cut by accounts exchanges only the demand per instrument (and sums per
platform) between the steps. Names and rules are those of the plain twin, ``tests/plain.py``.

Most accounts are far from their lines on most days, so an account *sleeps* until a price that it holds breaks its
floor. Each instrument has a floor a little below its price; an account may sleep as long as its collateral at the
floors would still meet its warning line, with the debt of the last day. Whenever a quoted or a fundamental price is
seen below its floor, the floor is lowered and every sleeping holder loses slack; one whose slack is gone wakes. What sleepers
add to a day's sums (interest, coverage) is known before the run. So the work saved is proven unneeded by
integers, and the size of the margin (``watch_pct``) changes no result: a test runs several.
"""

from __future__ import annotations

import numpy as np

from stresslab.kernels import kernel
from stresslab.kernels.draws import STREAM_ANSWERS, words
from stresslab.kernels.layout import (
    AWAKE,
    FINISHED,
    HOLDING,
    I64,
    SCHEDULE,
    Facts,
    Record,
    Records,
    State,
    Story,
    Terms,
    records,
)
from stresslab.kernels.liquidity import (
    IMPACT_NONE,
    absorb,
    fall,
    fill,
    part_up,
    price_after,
    sell_pool,
    share_up,
    whole_lots,
)
from stresslab.kernels.prices import PPB, clip, decay, limits, target

PPM = 1_000_000
YEAR_BP = 3_650_000  # 365 days × 10,000 bp
#: Relative slack of the screen in `respond`: far above the error of its three float operations.
SCREEN_SLACK = 1e-9


def make_facts(
    account: Records, position: Records, instrument: Records, platform: Records, due: Records, layer: Records, terms: Terms
) -> Facts:
    """Facts with what follows from them: holders by instrument, debts and sums of the undisturbed book, first slacks."""
    order = np.argsort(position["instrument"], kind="stable")
    owner = np.repeat(np.arange(account.size), (account["last"] - account["first"]).astype(np.int64))
    holding = records(HOLDING, position.size)
    holding["account"], holding["shares"] = owner[order], position["shares"][order]
    count = np.bincount(position["instrument"], minlength=instrument.size)
    instrument["last"] = np.cumsum(count)
    instrument["first"] = np.cumsum(count) - count
    slack, last_debt = np.zeros(account.size, np.int64), np.zeros(account.size, np.int64)
    schedule = records(SCHEDULE, terms.calendar.size, platform.size)
    facts = Facts(account, position, instrument, platform, due, layer, terms, holding, slack, last_debt, schedule)
    prepare(facts)
    return facts


@kernel
def prepare(f: Facts) -> None:
    """Fill the slacks, last debts and schedule of facts."""
    for n in range(f.account.size):
        fact = f.account[n]
        debt = fact.debt
        carry = 0
        if debt > 0:
            for day in range(1, f.terms.calendar.size):
                charge, carry = charge_of(day, debt, carry, fact, f.terms.calendar)
                debt += charge
                today = f.schedule[day, fact.platform]
                today.interest += charge
                today.line += (fact.liquidation_bp * debt + 9_999) // 10_000
        f.last_debt[n] = debt
        f.slack[n] = fact.cash - (max(10_000, fact.warning_bp) * debt + 9_999) // 10_000
        for row in rows(fact):
            floor = floor_under(f.instrument[f.position[row].instrument].price, f.terms.watch_pct)
            f.slack[n] += f.position[row].shares * net_of_cost(floor, f.terms.selling_cost_bp)
        if debt == 0:
            f.slack[n] = FINISHED
        elif f.slack[n] < 0:
            f.slack[n] = AWAKE


@kernel
def charge_of(day: int, debt: int, carry: int, fact: Record, calendar: I64) -> tuple[int, int]:
    """The interest of a day on an account's debt, and the remainder carried (M-11, M-12)."""
    rate = fact.rate_bp if day < fact.switch_day else fact.rate_after_bp
    return interest(debt, rate, calendar[day] - calendar[day - 1], carry)


@kernel
def floor_under(price: int, watch_pct: int) -> int:
    """The floor to set when a price has been seen, 厘."""
    return price * (100 - watch_pct) // 100


@kernel
def net_of_cost(price: int, cost_bp: int) -> int:
    """A price less the cost of selling, rounded down, 厘."""
    return price * (10_000 - cost_bp) // 10_000


@kernel
def rows(fact: Record) -> range:
    """The rows of an account's positions; unsigned, as indices are."""
    return range(np.uint64(fact.first), np.uint64(fact.last))


@kernel
def begin(f: Facts, s: State) -> None:
    """Reset a state to the book."""
    s.counts[0] = 0
    for p in range(f.platform.size):
        fact, now = f.platform[p], s.platform[p]
        now.cash, now.pool, now.line = fact.cash, fact.pool, fact.line
        now.reserve, now.own_capital, now.claims = fact.reserve, fact.own_capital, fact.claims
        now.in_transit = now.repaid_today = now.loans = now.recalled = now.deficit_today = 0
    for k in range(f.layer.size):
        s.layer[k].amount = f.layer[k].amount
        s.layer[k].carry = 0
    for i in range(f.instrument.size):
        stock = s.instrument[i]
        stock.close = f.instrument[i].price
        stock.keep = PPB
        stock.gap = stock.demand = stock.filled = 0
        stock.floor = floor_under(stock.close, f.terms.watch_pct)
    for row in range(f.position.size):
        s.position[row].instrument = f.position[row].instrument
        s.position[row].shares = f.position[row].shares
        s.offer[row].sellable = f.position[row].sellable
        s.offer[row].order = 0
    for day in range(f.terms.calendar.size):
        for p in range(f.platform.size):
            s.asleep[day, p].interest = f.schedule[day, p].interest
            s.asleep[day, p].line = f.schedule[day, p].line
    accounts, facts, tallies = s.account, f.account, s.tally
    for n in range(facts.size):
        fact, now, tally = facts[n], accounts[n], tallies[n]
        now.cash, now.debt = fact.cash, fact.debt
        now.carry = now.call_amount = now.call_day = now.answer_day = now.recall = now.begun = 0
        now.served_day = now.forced_day = 0
        tally.calls = tally.deficit = tally.sold = 0
        s.platform[fact.platform].loans += fact.debt
        s.slack[n] = f.slack[n]
        if f.slack[n] == AWAKE:
            wake(n, 0, f, s)


@kernel
def wake(n: int, day: int, f: Facts, s: State) -> None:
    """Put a sleeping account on the live list, with its debt after ``day``; the sleepers' sums lose it from then on."""
    fact, now = f.account[n], s.account[n]
    for t in range(1, f.terms.calendar.size):
        if t <= day:
            charge, now.carry = charge_of(t, now.debt, now.carry, fact, f.terms.calendar)
            now.debt += charge
        else:
            break
    debt, carry = now.debt, now.carry
    for t in range(day + 1, f.terms.calendar.size):
        charge, carry = charge_of(t, debt, carry, fact, f.terms.calendar)
        debt += charge
        s.asleep[t, fact.platform].interest -= charge
        s.asleep[t, fact.platform].line -= (fact.liquidation_bp * debt + 9_999) // 10_000
    s.slack[n] = AWAKE
    now.value = now.cash + shares_value(fact, s.position, s.instrument)
    s.live[s.counts[0]] = n
    s.need[s.counts[0]] = 2.0
    s.counts[0] += 1


@kernel
def watch(day: int, i: int, price: int, f: Facts, s: State) -> None:
    """Lower the floor of an instrument whose price was seen below it; holders without slack wake as of the close of ``day``."""
    stock = s.instrument[i]
    cost = f.terms.selling_cost_bp
    lower = floor_under(price, f.terms.watch_pct)
    lost = net_of_cost(stock.floor, cost) - net_of_cost(lower, cost)
    stock.floor = lower
    holding, slack = f.holding, s.slack
    for row in range(f.instrument[i].first, f.instrument[i].last):
        n = holding[row].account
        if slack[n] >= 0:
            slack[n] -= holding[row].shares * lost
            if slack[n] < 0:
                wake(n, day, f, s)


@kernel
def wake_platform(p: int, day: int, f: Facts, s: State) -> None:
    """Wake every sleeping account of a platform: all its loans are called."""
    for n in range(f.account.size):
        if s.slack[n] >= 0 and f.account[n].platform == p:
            wake(n, day, f, s)


@kernel
def begin_story(f: Facts, s: State, story: Story) -> None:
    """Reset a story to the day before the first; the state must have begun."""
    story.rounds[:] = 0
    for p in range(f.platform.size):
        o = story.outcome[p]
        o.own_funds_before_li = f.platform[p].reserve + f.platform[p].own_capital
        o.margin_coverage_ppm = o.margin_coverage_fundamental_ppm = PPM
        o.accounts_with_debt = 0
        o.margin_call_peak_li = o.margin_call_peak_day = o.margin_call_peak_fundamental_li = 0
        o.margin_call_issued_li = o.margin_call_unanswered_li = 0
        o.accounts_called = o.accounts_forced = o.accounts_in_deficit = 0
        o.sold_li = o.selling_cost_li = o.client_paid_li = o.repaid_li = 0
        o.loan_interest_li = o.funding_interest_li = o.pool_loss_li = o.deficit_li = 0
        o.absorbed_by_reserve_li = o.absorbed_by_own_capital_li = o.absorbed_by_junior_li = 0
        o.absorbed_by_senior_li = o.absorbed_by_claims_li = o.deficit_unrealised_li = 0
        o.redemption_due_li = o.redemption_paid_li = o.redemption_segregated_li = o.line_drawn_li = 0
        o.first_unpaid_day = o.own_funds_exhausted_day = o.failure_day = o.account_cash_end_li = 0
        for day in range(f.terms.calendar.size):
            story.days[day, p].sold_li = 0
            story.days[day, p].accounts_forced = 0
    for n in range(f.account.size):
        if f.account[n].debt > 0:
            story.outcome[f.account[n].platform].accounts_with_debt += 1


@kernel
def open_market(day: int, fundamental: I64, f: Facts, s: State, tape: Records) -> None:
    """Quote every instrument for the day: decay, target, limits, lock, capacity (M-13 to M-15)."""
    for i in range(f.instrument.size):
        fact, now = f.instrument[i], s.instrument[i]
        low, high = limits(now.close, fact.tick, fact.limit_bp)
        now.low = low
        now.gap = now.gap * f.terms.decay_ppb // PPB
        if fact.suspended == 0:
            now.price = clip(target(fundamental[i], now.keep, now.gap, fact.tick), low, high)
            now.locked = 1 if sealed(now.price, now.close, low, fact.limit_bp) else 0
        else:
            now.price = now.close
            now.locked = 1
        now.opening = now.price
        now.sold_today = 0
        now.left = 0 if now.locked == 1 else fact.capacity
        tape[day, i].locked = now.locked
    for i in range(f.instrument.size):
        lowest = min(s.instrument[i].price, fundamental[i])
        if lowest < s.instrument[i].floor:
            watch(day - 1, i, lowest, f, s)


@kernel
def sealed(price: int, close: int, low: int, limit_bp: int) -> bool:
    """Whether a price stands at a real lower limit, where nobody buys (M-15)."""
    return limit_bp > 0 and low < close and price == low


@kernel
def interest(balance: int, rate_bp: int, days: int, carry: int) -> tuple[int, int]:
    """The interest of some calendar days on a balance, and the remainder carried (M-12)."""
    total = balance * rate_bp * days + carry
    whole = total // YEAR_BP
    return whole, total - whole * YEAR_BP


@kernel
def open_accounts(
    day: int, path: int, seed: int, fundamental: I64, fall_bp: int, f: Facts, s: State, outcome: Records
) -> None:
    """Accrue, mark, measure and call every account with debt, in one pass (M-12, M-19, M-20)."""
    # Arrays are taken out of the bundles once: inside a loop each extraction would count references.
    facts, accounts, lenders, need_of, live = f.account, s.account, s.platform, s.need, s.live
    held, stocks, tally, terms = s.position, s.instrument, s.tally, f.terms
    list_awake(s)
    for p in range(lenders.size):
        failed = outcome[p].failure_day
        if terms.call_all_after_failure and 0 < failed < day:
            wake_platform(p, day - 1, f, s)
        sums, asleep = lenders[p], s.asleep[day, p]
        sums.loans += asleep.interest
        sums.own_capital += asleep.interest
        outcome[p].loan_interest_li += asleep.interest
        sums.to_cover = asleep.line
        sums.uncovered = sums.uncovered_fundamental = sums.call = sums.call_fundamental = 0
    for j in range(s.counts[0]):
        n = live[j]
        fact, now = facts[n], accounts[n]
        sums, o = lenders[fact.platform], outcome[fact.platform]
        charge, now.carry = charge_of(day, now.debt, now.carry, fact, terms.calendar)
        now.debt += charge
        sums.loans += charge
        sums.own_capital += charge
        o.loan_interest_li += charge
        quoted = now.cash
        deep = now.cash
        for row in rows(fact):
            shares = held[row].shares
            i = held[row].instrument
            quoted += shares * stocks[i].price
            deep += shares * fundamental[i]
        line = (fact.liquidation_bp * now.debt + 9_999) // 10_000
        sums.to_cover += line
        if min(quoted, deep) * 10_000 < fact.warning_bp * now.debt:
            warned = (fact.warning_bp * now.debt + 9_999) // 10_000
            sums.call += max(0, warned - quoted)
            sums.call_fundamental += max(0, warned - deep)
            sums.uncovered += max(0, line - quoted)
            sums.uncovered_fundamental += max(0, line - deep)
        now.value = quoted
        if now.call_day > 0:
            answer(day, fact, now, o, terms.grace_days)
        if now.call_day == 0 and now.value * 10_000 < fact.warning_bp * now.debt:
            word = words(seed, path, day, STREAM_ANSWERS, n)
            first, second = np.int64(word[0]), np.int64(word[1])
            call(day, first, second, fall_bp, fact, now, o, terms)  # type: ignore[arg-type]
            tally[n].calls += 1
            if tally[n].calls == 1:
                o.accounts_called += 1
        need_of[j] = need(day, fact, now, o.failure_day, terms.grace_days, terms.call_all_after_failure)


@kernel
def list_awake(s: State) -> None:
    """Put the live list in the order of accounts, so that a pass over it walks through memory in one direction."""
    slack, live = s.slack, s.live
    count = 0
    for n in range(slack.size):
        if slack[n] == AWAKE:
            live[count] = n
            count += 1
    s.counts[0] = count


@kernel
def answer(day: int, fact: Record, now: Record, o: Record, grace_days: int) -> None:
    """Take the money of an open call whose answer arrives today, or lapse a call that is cured (M-20)."""
    if now.answer_day == day:
        now.cash += now.call_amount
        now.value += now.call_amount
        o.client_paid_li += now.call_amount
        o.margin_call_unanswered_li -= now.call_amount
        now.call_day = 0
    elif now.value * 10_000 >= fact.warning_bp * now.debt:
        o.margin_call_unanswered_li -= now.call_amount if day <= now.call_day + grace_days else 0  # overdue: it stays
        now.call_day = 0


@kernel
def call(
    day: int, word: int, next_word: int, fall_bp: int, fact: Record, now: Record, o: Record, terms: Terms
) -> None:
    """Issue a call and decide whether and when it will be answered (M-20)."""
    now.call_amount = (fact.warning_bp * now.debt + 9_999) // 10_000 - now.value
    now.call_day = day
    now.answer_day = 0
    o.margin_call_issued_li += now.call_amount
    o.margin_call_unanswered_li += now.call_amount
    willing = terms.answer_bp[fact.investor_type] * max(0, 100_000_000 - terms.mood_bp * fall_bp) // 100_000_000
    if terms.grace_days > 0 and word * 10_000 < willing * 4_294_967_296:
        now.answer_day = day + 1 + next_word * terms.grace_days // 4_294_967_296


@kernel
def need(day: int, fact: Record, now: Record, failed: int, grace_days: int, call_all_after_failure: bool) -> float:
    """The share of its collateral that keeps an account on its liquidation line; 2 if it must be looked at anyway.

    A float that only screens: who must sell is decided by :func:`triggers`, in integers.
    """
    overdue = now.call_day > 0 and day > now.call_day + grace_days
    run_off = call_all_after_failure and 0 < failed < day
    if overdue or run_off or now.recall > 0 or now.begun == 1 or now.value == 0:
        return 2.0
    share: float = fact.liquidation_bp * now.debt / (now.value * 10_000.0)
    return share


@kernel
def measure(day: int, s: State, story: Story) -> None:
    """Keep the day's gross margin call and coverage if they are the worst so far (M-31, M-32)."""
    for p in range(s.platform.size):
        sums, o = s.platform[p], story.outcome[p]
        story.days[day, p].margin_call_li = sums.call
        if sums.call > o.margin_call_peak_li:
            o.margin_call_peak_li = sums.call
            o.margin_call_peak_day = day
        o.margin_call_peak_fundamental_li = max(o.margin_call_peak_fundamental_li, sums.call_fundamental)
        if sums.to_cover > 0:
            # ⌊10⁶ (whole − missing) / whole⌋ = 10⁶ − ⌈10⁶ missing / whole⌉, the form that share_up gives.
            quoted = PPM - share_up(sums.uncovered, PPM, sums.to_cover)
            deep = PPM - share_up(sums.uncovered_fundamental, PPM, sums.to_cover)
            o.margin_coverage_ppm = min(o.margin_coverage_ppm, quoted)
            o.margin_coverage_fundamental_ppm = min(o.margin_coverage_fundamental_ppm, deep)


@kernel
def pay(day: int, f: Facts, s: State, story: Story) -> None:
    """Accrue funding interest, take in repayments, pay what is due by tier, recall loans for the rest (M-12, M-17, M-18)."""
    nights = f.terms.calendar[day] - f.terms.calendar[day - 1]
    for k in range(f.layer.size):
        layer, now = f.layer[k], s.layer[k]
        rate = layer.rate_bp if day < layer.switch_day else layer.rate_after_bp
        charge, now.carry = interest(now.amount, rate, nights, now.carry)
        now.amount += charge
        s.platform[layer.platform].own_capital -= charge
        story.outcome[layer.platform].funding_interest_li += charge
    for p in range(f.platform.size):
        lender, o = s.platform[p], story.outcome[p]
        lender.cash += lender.in_transit
        lender.in_transit = 0
        o.redemption_segregated_li = f.due[day, p].segregated
        o.redemption_due_li = f.due[day, p].own
        if o.failure_day == 0:
            pay_by_tier(lender, s.layer[p], o, f.terms.pool_haircut_bp)
        unpaid = o.redemption_due_li - o.redemption_paid_li
        story.days[day, p].unpaid_li = unpaid
        if unpaid > 0 and o.failure_day == 0:
            if o.first_unpaid_day == 0:
                o.first_unpaid_day = day
            if unpaid > lender.recalled:
                wake_platform(p, day, f, s)
                recall_loans(p, unpaid - lender.recalled, f, s)


@kernel
def pay_by_tier(lender: Record, line: Record, o: Record, haircut_bp: int) -> None:
    """Pay what is due from cash, then the pool, then the bank line (M-17)."""
    need = o.redemption_due_li - o.redemption_paid_li
    sold, brought = sell_pool(need - lender.cash, lender.pool, haircut_bp)
    lender.pool -= sold
    lender.cash += brought
    lender.own_capital -= sold - brought
    o.pool_loss_li += sold - brought
    drawn = min(max(0, need - lender.cash), lender.line)
    lender.line -= drawn
    lender.cash += drawn
    line.amount += drawn
    o.line_drawn_li += drawn
    paid = min(need, lender.cash)
    lender.cash -= paid
    lender.claims -= paid
    o.redemption_paid_li += paid


@kernel
def recall_loans(p: int, missing: int, f: Facts, s: State) -> None:
    """Call the same share of every loan of a platform, rounded up, so that ``missing`` comes in (M-18)."""
    loans = s.platform[p].loans
    part = min(missing, loans)
    for j in range(s.counts[0]):
        now = s.account[s.live[j]]
        if f.account[s.live[j]].platform == p:
            more = min(share_up(now.debt, part, loans), now.debt - now.recall)
            s.need[j] = 2.0
            now.recall += more
            s.platform[p].recalled += more


@kernel
def repay(amount: int, now: Record, lender: Record, o: Record) -> None:
    """Book a repayment of an account: debt and recall fall, the platform has the money tomorrow (M-25)."""
    now.debt -= amount
    lender.loans -= amount
    lender.repaid_today += amount
    o.repaid_li += amount
    lifted = min(now.recall, amount)
    if now.debt == 0:
        lifted = now.recall
    now.recall -= lifted
    lender.recalled -= lifted


@kernel
def shares_value(fact: Record, held: Records, instrument: Records) -> int:
    """The value of an account's shares at current quoted prices, 厘 (M-3)."""
    total = 0
    for row in rows(fact):
        total += held[row].shares * instrument[held[row].instrument].price
    return total


@kernel
def amount_to_sell(shortfall: int, restore_bp: int, cost_share_bp: int, most: int) -> int:
    """The value v to sell so that m is back on the restore line, or ``most`` if no sale can do it (M-21).

    ``shortfall`` is restore line × D − 10⁴ A, positive, in 厘 × bp. Source: (A − v) / (D − v (1 − c)) = ρ.
    """
    # Fields are narrow and unsigned: as plain Python, their products would be too.
    denominator: int = np.int64(restore_bp) * (10_000 - cost_share_bp) - 100_000_000  # type: ignore[assignment]
    if denominator <= 0:
        return most
    ratio = 10_000 / denominator
    if shortfall * ratio > 1.1 * most:
        return most
    return part_up(ratio, 10_000, shortfall, denominator)


@kernel
def triggers(
    day: int, fact: Record, now: Record, failed: int, grace_days: int, call_all_after_failure: bool
) -> tuple[bool, bool, bool]:
    """Whether an account must sell now: by its line or an overdue call, by a recall, in full (M-21)."""
    by_line = now.value * 10_000 < fact.liquidation_bp * now.debt
    if now.served_day == day:
        return by_line, False, by_line and now.begun == 1
    overdue = now.call_day > 0 and day > now.call_day + grace_days
    run_off = call_all_after_failure and 0 < failed < day
    return by_line or overdue, now.recall > 0, run_off or now.begun == 1


@kernel
def respond(day: int, worst: float, f: Facts, s: State, story: Story) -> bool:
    """Ask every account with debt whether it must sell; write orders and demand; say whether anybody ordered (M-21, M-22).

    ``worst`` is the lowest price of the day over its opening price, 1 in the first round. An account that stays on its
    line if all its collateral falls that far is passed over; the test itself is in integers.
    """
    facts, accounts, lenders, need_of, live, seller = f.account, s.account, s.platform, s.need, s.live, s.seller
    held, offers, stocks, instruments = s.position, s.offer, s.instrument, f.instrument
    terms, outcome = f.terms, story.outcome
    sellers = 0
    for j in range(s.counts[0]):
        if need_of[j] < worst * (1.0 - SCREEN_SLACK):
            continue
        n = live[j]
        fact, now = facts[n], accounts[n]
        if now.debt == 0:
            continue
        if now.served_day == day or worst < 1.0:
            now.value = now.cash + shares_value(fact, held, stocks)
        o = outcome[fact.platform]
        by_line, by_recall, in_full = triggers(day, fact, now, o.failure_day, terms.grace_days, terms.call_all_after_failure)
        if by_line or by_recall or in_full:
            now.served_day = day
            need_of[j] = 2.0
            in_full = in_full or (by_line and fact.full_sale == 1)
            amount = sale(by_line, by_recall, in_full, fact, now, lenders[fact.platform], o, terms.cost_share_bp)
            if amount > 0 and spread(amount, fact, held, offers, stocks, instruments):
                seller[sellers] = n
                sellers += 1
                if now.forced_day == 0:
                    o.accounts_forced += 1
                if now.forced_day < day:
                    story.days[day, fact.platform].accounts_forced += 1
                now.forced_day = day
    s.counts[1] = sellers
    return sellers > 0


@kernel
def sale(
    by_line: bool, by_recall: bool, in_full: bool, fact: Record, now: Record, lender: Record, o: Record, cost_share_bp: int
) -> int:
    """Repay from cash; the value that an account, marked at current prices, must sell after that, 厘 (M-21)."""
    held = now.value - now.cash
    paid = min(now.cash, now.debt if by_line or in_full else now.recall)
    if paid > 0:
        now.cash -= paid
        repay(paid, now, lender, o)
    if now.debt == 0:
        return 0
    amount = 0
    if in_full:
        amount = held
    else:
        shortfall = fact.restore_bp * now.debt - 10_000 * (held + now.cash)
        if by_line and shortfall > 0:
            amount = amount_to_sell(shortfall, fact.restore_bp, cost_share_bp, held)
        if by_recall:
            net = 10_000 - cost_share_bp
            amount = max(amount, (now.recall * 10_000 + net - 1) // net)
    if amount >= held and amount > 0:
        now.begun = 1
    return amount


@kernel
def spread(
    amount: int, fact: Record, held: Records, offers: Records, stocks: Records, instruments: Records
) -> bool:
    """Order an amount pro rata to value from the positions that may be sold today, in whole lots; False if none may (M-22)."""
    offered = 0
    for row in rows(fact):
        stock = stocks[held[row].instrument]
        if stock.left > 0:
            offered += offers[row].sellable * stock.price
    if offered == 0:
        return False
    ratio = amount / offered
    for row in rows(fact):
        mine, i = offers[row], held[row].instrument
        stock = stocks[i]
        wanted = 0
        if stock.left > 0 and mine.sellable > 0:
            wanted = mine.sellable
            if amount < offered:
                wanted = min(wanted, whole_lots(part_up(ratio, amount, mine.sellable, offered), instruments[i].lot))
            stock.demand += wanted
        mine.order = wanted
    return True


@kernel
def fill_orders(f: Facts, s: State) -> None:
    """Turn orders into fills, pro rata where demand exceeds the capacity left (M-23)."""
    facts, held, offers, stocks, seller = f.account, s.position, s.offer, s.instrument, s.seller
    for j in range(s.counts[1]):
        fact = facts[seller[j]]
        for row in rows(fact):
            mine = offers[row]
            if mine.order > 0:
                stock = stocks[held[row].instrument]
                mine.order = fill(mine.order, stock.left, stock.demand)
                stock.filled += mine.order


@kernel
def move_prices(day: int, f: Facts, s: State) -> float:
    """Move prices by the day's cumulative sales, close what is rationed or locked; the lowest price over opening (M-24)."""
    worst = 1.0
    for i in range(f.instrument.size):
        fact, now = f.instrument[i], s.instrument[i]
        now.price_before = now.price
        if now.demand > 0:
            rationed = now.demand > now.left
            now.sold_today += now.filled
            drop = fall(f.terms.impact, f.terms.impact_coefficient, fact.sigma, now.sold_today, fact.volume)
            now.price = price_after(now.opening, now.price, now.low, fact.tick, drop)
            now.left -= now.filled
            if rationed or sealed(now.price, now.close, now.low, fact.limit_bp):
                now.left = 0
            now.demand = now.filled = 0
            if now.price < now.floor:
                watch(day, i, now.price, f, s)
        worst = min(worst, now.price / now.opening)
    return worst


@kernel
def settle(day: int, f: Facts, s: State, story: Story) -> None:
    """Pay for the fills, charge the costs, repay debt; the rest is the client's (M-25)."""
    facts, accounts, held, offers, tally = f.account, s.account, s.position, s.offer, s.tally
    stocks, costs = s.instrument, f.instrument
    for j in range(s.counts[1]):
        n = s.seller[j]
        fact, now = facts[n], accounts[n]
        lender, o = s.platform[fact.platform], story.outcome[fact.platform]
        for row in rows(fact):
            mine = offers[row]
            if mine.order > 0:
                i = held[row].instrument
                gross = mine.order * ((stocks[i].price_before + stocks[i].price) // 2)
                cost = (gross * costs[i].cost_bp + 9_999) // 10_000
                paid = min(now.debt, gross - cost)
                held[row].shares -= mine.order
                mine.sellable -= mine.order
                mine.order = 0
                now.cash += gross - cost - paid
                tally[n].sold += gross
                repay(paid, now, lender, o)
                o.sold_li += gross
                o.selling_cost_li += cost
                story.days[day, fact.platform].sold_li += gross


@kernel
def sell_in_rounds(day: int, f: Facts, s: State, story: Story) -> None:
    """Rounds of forced sales until nobody must sell, or the round limit (M-21 to M-25)."""
    worst = 1.0
    for r in range(f.terms.rounds_max):
        if not respond(day, worst, f, s, story):
            return
        fill_orders(f, s)
        worst = move_prices(day, f, s)
        settle(day, f, s, story)
        story.rounds[0] = max(story.rounds[0], r + 1)
    story.rounds[1] += 1


@kernel
def write_off(f: Facts, s: State, outcome: Records) -> None:
    """Write off what accounts with nothing left still owe; accounts without debt are finished (M-26)."""
    facts, accounts, held, live, need_of = f.account, s.account, s.position, s.live, s.need
    for j in range(s.counts[0]):
        if need_of[j] < 1.0 - SCREEN_SLACK:
            continue  # only an account that was looked at can be finished
        n = live[j]
        fact, now = facts[n], accounts[n]
        if now.debt > 0 and now.cash == 0 and not has_shares(fact, held):
            lender = s.platform[fact.platform]
            s.tally[n].deficit = now.debt
            lender.deficit_today += now.debt
            lender.loans -= now.debt
            lender.recalled -= now.recall
            now.recall = 0
            now.debt = 0
            outcome[fact.platform].accounts_in_deficit += 1
        if now.debt == 0:
            s.slack[n] = FINISHED


@kernel
def has_shares(fact: Record, held: Records) -> bool:
    """Whether an account still holds a share."""
    for row in rows(fact):  # noqa: SIM110  (compiled code knows no generator expressions)
        if held[row].shares > 0:
            return True
    return False


@kernel
def layer_sums(p: int, layer: Records, now: Records) -> tuple[int, int]:
    """Junior and senior funding of platform p, legal amounts in 厘; the bank line is senior."""
    junior = 0
    senior = 0
    for k in range(layer.size):
        if layer[k].platform == p:
            if layer[k].junior == 1:
                junior += now[k].amount
            else:
                senior += now[k].amount
    return junior, senior


@kernel
def absorb_deficit(p: int, f: Facts, s: State, o: Record) -> None:
    """Send the day's deficits of platform p down the waterfall (M-27)."""
    lender = s.platform[p]
    junior, senior = layer_sums(p, f.layer, s.layer)
    s.room[0] = lender.reserve
    s.room[1] = lender.own_capital
    s.room[2] = junior - o.absorbed_by_junior_li
    s.room[3] = senior - o.absorbed_by_senior_li
    s.room[4] = lender.claims - o.absorbed_by_claims_li
    absorb(lender.deficit_today, s.room, s.taken)
    lender.reserve -= s.taken[0]
    lender.own_capital -= s.taken[1]
    o.absorbed_by_reserve_li += s.taken[0]
    o.absorbed_by_own_capital_li += s.taken[1]
    o.absorbed_by_junior_li += s.taken[2]
    o.absorbed_by_senior_li += s.taken[3]
    o.absorbed_by_claims_li += s.taken[4]
    o.deficit_li += lender.deficit_today
    lender.deficit_today = 0


@kernel
def close(day: int, f: Facts, s: State, story: Story) -> None:
    """Absorb the day's deficits, decide failure, remember impact (M-24, M-27, M-28)."""
    for p in range(f.platform.size):
        lender, o = s.platform[p], story.outcome[p]
        if lender.deficit_today > 0:
            absorb_deficit(p, f, s, o)
        lender.in_transit = lender.repaid_today
        lender.repaid_today = 0
        own_funds = lender.reserve + lender.own_capital
        if own_funds <= 0 and o.own_funds_exhausted_day == 0:
            o.own_funds_exhausted_day = day
        late = f.due[max(0, day - f.terms.payment_grace_days), p].own
        if o.failure_day == 0 and (own_funds <= 0 or o.redemption_paid_li < late):
            o.failure_day = day
        story.days[day, p].deficit_li = o.deficit_li
        story.days[day, p].own_funds_li = own_funds
    for i in range(f.instrument.size):
        stock = s.instrument[i]
        if stock.price < stock.opening:
            drop = (stock.opening - stock.price) * PPB // stock.opening
            stock.keep, stock.gap = decay(stock.keep, stock.gap, drop, f.terms.permanent_bp)
        stock.close = stock.price
        story.tape[day, i].quoted = stock.price
        story.tape[day, i].sold_shares = stock.sold_today


@kernel
def hole(fact: Record, now: Record, fundamental: I64, f: Facts, s: State) -> int:
    """The debt of an account that its collateral would not cover at fundamental prices less costs, 厘 (M-30)."""
    worth = 0
    for row in rows(fact):
        worth += s.position[row].shares * fundamental[s.position[row].instrument]
    left: int = max(0, now.debt - net_of_cost(worth, f.terms.selling_cost_bp) - now.cash)
    return left


@kernel
def finish(fundamental: I64, f: Facts, s: State, outcome: Records) -> None:
    """Write the last day's holes and balances into the outcome (M-29, M-37)."""
    list_awake(s)
    for j in range(s.counts[0]):
        n = s.live[j]
        outcome[f.account[n].platform].deficit_unrealised_li += hole(f.account[n], s.account[n], fundamental, f, s)
    for n in range(f.account.size):
        outcome[f.account[n].platform].account_cash_end_li += s.account[n].cash
    for p in range(f.platform.size):
        lender, o = s.platform[p], outcome[p]
        o.junior_end_li, o.senior_end_li = layer_sums(p, f.layer, s.layer)
        o.unpaid_end_li = o.redemption_due_li - o.redemption_paid_li
        o.loans_end_li, o.in_transit_end_li = lender.loans, lender.in_transit
        o.cash_end_li, o.pool_end_li, o.claims_end_li = lender.cash, lender.pool, lender.claims
        o.reserve_end_li, o.own_capital_end_li = lender.reserve, lender.own_capital


@kernel
def run_path(path: int, seed: int, fundamental: I64, factor_bp: I64, f: Facts, s: State, story: Story) -> None:
    """Run the cascade over all days of one path; ``fundamental`` is days 0..T × instruments, ``factor_bp`` days 0..T."""
    begin(f, s)
    begin_story(f, s, story)
    for day in range(1, f.terms.calendar.size):
        open_market(day, fundamental[day], f, s, story.tape)
        open_accounts(day, path, seed, fundamental[day], max(0, 10_000 - factor_bp[day]), f, s, story.outcome)
        measure(day, s, story)
        pay(day, f, s, story)
        sell_in_rounds(day, f, s, story)
        write_off(f, s, story.outcome)
        close(day, f, s, story)
    finish(fundamental[fundamental.shape[0] - 1], f, s, story.outcome)


@kernel
def hold(fundamental: I64, f: Facts, loss: I64) -> None:
    """The loss of each platform if nobody is called and nobody sells: holes at the horizon (M-30, holding)."""
    loss[:] = 0
    facts, position, last = f.account, f.position, fundamental[fundamental.shape[0] - 1]
    for n in range(facts.size):
        if f.last_debt[n] > 0:
            fact = facts[n]
            worth = 0
            for row in rows(fact):
                worth += position[row].shares * last[position[row].instrument]
            loss[fact.platform] += max(0, f.last_debt[n] - net_of_cost(worth, f.terms.selling_cost_bp) - fact.cash)


def without_impact(f: Facts) -> Facts:
    """The same facts with the impact law `none`: the second of the three columns (M-30)."""
    return f._replace(terms=f.terms._replace(impact=IMPACT_NONE))
