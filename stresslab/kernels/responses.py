"""Days on which a desk is shut, and what platforms do when something happens (M-145 to M-153 of ``docs/method.md``).

A response is decided before the open of a day from what was known at the close of the day before, at most once on a path and
platform. What it costs and gains is money of the platform: cash, own capital, what stands at a broker.
"""

from __future__ import annotations

import math

import numpy as np

from stresslab.kernels import kernel
from stresslab.kernels.accounts import interest, rows, shares_value
from stresslab.kernels.layout import I64, LIVE, LOOK, NEAR, Facts, Record, Records, State, Story
from stresslab.kernels.ledger import (
    COMPENSATED,
    HEDGE_GAIN,
    HEDGE_LOSS,
    HEDGE_PAID,
    INTEREST,
    LINE_DRAWN,
    NOBODY,
    RESPONSE,
    keeps,
    note,
    note_account,
)
from stresslab.kernels.liquidity import divided, share_up
from stresslab.kernels.live import CALLED_IN_PART, enliven_platform, move, refresh

PPM, PPB, BP = 1_000_000, 1_000_000_000, 10_000
#: What a rule reads (M-147) and what it does (M-148 to M-153), as ``RULE`` numbers them.
MARKET_FALL, VOLATILITY, MARGIN_COVERAGE, LIQUID_SHARE, OWN_FUNDS_LOST, UNPAID, ON_DAY, MAINTENANCE = range(8)
RAISE_LINES, CAP_LEVERAGE, SELL_IN_BATCHES, PAUSE_SALES, DRAW_LINE, HEDGE_LINEAR, HEDGE_PUT = range(7)
EVERY = -1
#: A hedge is at most so large, 厘, so that no product passes 64 bits; a line at most so high, bp; a daily return counts to so much, ppm.
HEDGE_MOST, LINE_MOST, RETURN_MOST = 2**46, 65_535, 2_000_000


@kernel
def begin_responses(f: Facts, s: State) -> None:
    """Reset desks, rules and hedges to the day before the first."""
    for p in range(f.platform.size):
        lender = s.platform[p]
        lender.mute = lender.shut = lender.resting = lender.raise_bp = lender.floor_bp = lender.raised = 0
        lender.to_cover = lender.compensated_today = lender.collateral = 0
        lender.batches = f.terms.batches
        for k in range(f.terms.plan.rule.size):
            now = s.rule[k, p]
            now.day = now.units = now.notional = now.strike = now.margin = now.worth = now.carry = now.until = 0


@kernel
def decide(day: int, factor_bp: I64, f: Facts, s: State, story: Story) -> None:
    """Before the open: which rules fire by yesterday's close, what they do, what hedges brought, which desks are shut today."""
    plan = f.terms.plan
    if not plan.active:
        return
    nights = f.terms.calendar[day] - f.terms.calendar[day - 1]
    for p in range(f.platform.size):
        lender, o = s.platform[p], story.outcome[p]
        lender.raise_bp = lender.floor_bp = 0
        for k in range(plan.rule.size):
            rule, now = plan.rule[k], s.rule[k, p]
            mine = rule.platform == EVERY or rule.platform == p
            if mine and now.day == 0 and o.failure_day == 0 and fires(day, factor_bp, rule, f.platform[p], lender, o):
                now.day = day
        for k in range(plan.rule.size):
            rule, now = plan.rule[k], s.rule[k, p]
            if now.day == day:
                if o.first_response_day == 0:
                    o.first_response_day = day
                if keeps(s.ledger):
                    note(s.ledger, day, k + 1, RESPONSE, p, NOBODY, 0, 0, 0)
                act(day, factor_bp, p, rule, now, lender, f, s, o)
        for k in range(plan.rule.size):
            rule, now = plan.rule[k], s.rule[k, p]
            if now.units > 0 and now.day < day:
                if rule.act == HEDGE_PUT:
                    settle_put(day, factor_bp, p, now, lender, s, o)
                else:
                    settle_linear(day, factor_bp, p, nights, rule, now, lender, s, o)
        if lender.raise_bp > 0 or lender.floor_bp > 0:
            lender.raised = 1
        lender.collateral = 0
        lender.mute = np.int64(plan.no_calls[day])
        lender.shut = 1 if plan.no_sales[day] == 1 or day <= lender.resting else 0


@kernel
def fires(day: int, factor_bp: I64, rule: Record, fact: Record, lender: Record, o: Record) -> bool:
    """Whether what a rule reads has reached its value by the close of the day before (M-147)."""
    value = rule.value
    if rule.when == ON_DAY:
        return bool(day >= value)
    if rule.when == MARKET_FALL:
        return bool(BP - factor_bp[day - 1] >= value)
    if rule.when == VOLATILITY:
        seen = volatility_ppm(day, rule.over_days, factor_bp)
        return bool(seen >= 0 and seen >= value * 100)
    if rule.when == MARGIN_COVERAGE:
        return bool(lender.to_cover > 0 and PPM - share_up(lender.uncovered, PPM, lender.to_cover) < value * 100)
    if rule.when == LIQUID_SHARE:
        # More than six times the claims is above any value that a rule may have, and the product stays small.
        liquid = min(lender.cash + lender.in_transit + lender.pool, 6 * lender.claims)
        return bool(lender.claims > 0 and liquid * BP < value * lender.claims)
    if rule.when == MAINTENANCE:
        if day == 1 or lender.collateral // 100 >= lender.loans:  # without loans too
            return False
        estimate = lender.collateral * (BP / lender.loans)
        return bool(divided(estimate, lender.collateral, BP, lender.loans)[0] < value)
    before = fact.reserve + fact.own_capital
    if rule.when == OWN_FUNDS_LOST:
        lost = min(before - lender.reserve - lender.own_capital, 2 * before)
        return bool(before > 0 and lost * BP >= value * before)
    unpaid = o.redemption_due_li - o.redemption_paid_li
    return bool(unpaid > 0 and unpaid >= value)


@kernel
def volatility_ppm(day: int, over_days: int, factor_bp: I64) -> int:
    """The volatility of the last returns before a day, ppm a year, mean taken as 0; −1 while there are fewer of them (M-147)."""
    if day - 1 < over_days:
        return -1
    squares = 0
    for t in range(day - over_days, day):
        before = max(1, factor_bp[t - 1])
        change = min(RETURN_MOST, abs(factor_bp[t] - factor_bp[t - 1]) * PPM // before)
        squares += change * change
    return root(squares * 252 // over_days)


@kernel
def root(square: int) -> int:
    """⌊√square⌋, exact for square < 2^62."""
    guess = int(math.sqrt(square))
    while guess * guess > square:
        guess -= 1
    while (guess + 1) * (guess + 1) <= square:
        guess += 1
    return guess


@kernel
def act(day: int, factor_bp: I64, p: int, rule: Record, now: Record, lender: Record, f: Facts, s: State, o: Record) -> None:
    """Do what a rule says, at a platform (M-148 to M-153)."""
    if rule.act == RAISE_LINES:
        lender.raise_bp += rule.amount
        if lender.floor_bp > 0:  # a floor of an earlier rule of today rises with the lines
            lender.floor_bp += rule.amount
    elif rule.act == CAP_LEVERAGE:
        lender.floor_bp = max(lender.floor_bp, floor_of(volatility_ppm(day, rule.over_days, factor_bp), rule.amount, rule.target_ppm))
    elif rule.act == SELL_IN_BATCHES:
        lender.batches = rule.amount
    elif rule.act == PAUSE_SALES:
        lender.resting = max(lender.resting, day + rule.amount - 1)
    elif rule.act == DRAW_LINE:
        drawn = lender.line * rule.amount // BP
        lender.line -= drawn
        lender.cash += drawn
        s.layer[p].amount += drawn
        o.line_drawn_li += drawn
        if keeps(s.ledger) and drawn > 0:
            note(s.ledger, day, 0, LINE_DRAWN, p, NOBODY, 0, 0, drawn)
    elif rule.act == HEDGE_PUT:
        buy_put(day, factor_bp[day], p, rule, now, lender, s, o)
    else:
        sell_index(day, factor_bp[day], p, rule, now, lender, s, o)


@kernel
def floor_of(volatility: int, most_bp: int, target_ppm: int) -> int:
    """The warning line at which an account's leverage is the cap, bp: a cap that falls as volatility passes its target (M-149)."""
    leverage = most_bp
    if target_ppm > 0 and volatility > target_ppm:
        leverage = most_bp * target_ppm // volatility
    if leverage <= BP:
        return LINE_MOST
    return min(LINE_MOST, (BP * leverage + leverage - BP - 1) // (leverage - BP))


@kernel
def wanted(rule: Record, lender: Record) -> int:
    """How much of the loans a hedge is to cover, 厘 (M-151)."""
    return min(HEDGE_MOST, lender.loans // BP * rule.amount)  # type: ignore[no-any-return]


@kernel
def sell_index(day: int, level: int, p: int, rule: Record, now: Record, lender: Record, s: State, o: Record) -> None:
    """Sell index futures or borrowed funds on the index, as many as the cash bears (M-151)."""
    level = max(1, level)
    size = wanted(rule, lender)
    share = rule.margin_bp + rule.basis_bp + rule.fee_bp
    if up_bp(size, rule.margin_bp) + up_bp(size, rule.basis_bp) + up_bp(size, rule.fee_bp) > lender.cash:
        size = lender.cash // share * BP
    now.units = size // level
    now.notional = now.units * level
    now.until = day + rule.for_days if rule.for_days > 0 else 0
    now.margin = up_bp(now.notional, rule.margin_bp)
    cost = up_bp(now.notional, rule.basis_bp) + up_bp(now.notional, rule.fee_bp)
    lender.cash -= now.margin + cost
    lender.own_capital -= cost
    o.hedge_cost_li += cost
    if keeps(s.ledger) and cost > 0:
        note(s.ledger, day, 0, HEDGE_PAID, p, NOBODY, 0, 0, cost)


@kernel
def up_bp(amount: int, part_bp: int) -> int:
    """A part of an amount, rounded up, for amounts up to 2^46."""
    return (amount * part_bp + BP - 1) // BP


@kernel
def buy_put(day: int, level: int, p: int, rule: Record, now: Record, lender: Record, s: State, o: Record) -> None:
    """Buy puts on the index, as many as the cash pays for; they stand at their intrinsic value (M-152)."""
    level = max(1, level)
    size = wanted(rule, lender)
    price = rule.price_ppb
    if price > 0 and share_up(size, price, PPB) > lender.cash:
        size = divided(lender.cash * (PPB / price), lender.cash, PPB, price)[0]
    now.units = size // level
    now.notional = now.units * level
    now.until = day + rule.for_days
    now.strike = level * rule.strike_bp // BP
    premium = share_up(now.notional, price, PPB)
    now.worth = now.units * max(0, now.strike - level)
    lender.cash -= premium
    lender.own_capital += now.worth - premium
    o.hedge_cost_li += premium
    o.hedge_gain_li += now.worth
    if keeps(s.ledger) and premium > 0:
        note(s.ledger, day, 0, HEDGE_PAID, p, NOBODY, 0, 0, premium)


@kernel
def settle_put(day: int, factor_bp: I64, p: int, now: Record, lender: Record, s: State, o: Record) -> None:
    """Bring puts to their intrinsic value of the day; on the last one it is paid (M-152)."""
    worth = now.units * max(0, now.strike - factor_bp[day])
    tell_hedge(day, p, worth - now.worth, s)
    lender.own_capital += worth - now.worth
    o.hedge_gain_li += worth - now.worth
    now.worth = worth
    if day >= now.until:
        lender.cash += worth
        now.worth = now.units = 0


@kernel
def settle_linear(
    day: int, factor_bp: I64, p: int, nights: int, rule: Record, now: Record, lender: Record, s: State, o: Record
) -> None:
    """Settle the day's gain or loss of a sold index in cash; what cash and margin lack is owed to the broker (M-151)."""
    gain = now.units * (factor_bp[day - 1] - factor_bp[day])
    charge, now.carry = interest(now.notional, rule.carry_bp, nights, now.carry)
    tell_hedge(day, p, gain, s)
    if keeps(s.ledger) and charge > 0:
        note(s.ledger, day, 0, HEDGE_PAID, p, NOBODY, 0, 0, charge)
    o.hedge_cost_li += charge
    o.hedge_gain_li += gain
    lender.own_capital += gain - charge
    over = o.failure_day > 0 or (now.until > 0 and day >= now.until)
    if gain >= charge:
        lender.cash += gain - charge
    else:
        lacking = charge - gain
        paid = min(lender.cash, lacking)
        taken = min(now.margin, lacking - paid)
        owed = lacking - paid - taken
        lender.cash -= paid
        now.margin -= taken
        s.layer[p].amount += owed
        o.hedge_owed_li += owed
        over = over or paid < lacking
    if over:
        lender.cash += now.margin
        now.margin = now.units = 0


@kernel
def tell_hedge(day: int, p: int, gain: int, s: State) -> None:
    """Record what a hedge gained or lost on a day."""
    if keeps(s.ledger) and gain != 0:
        note(s.ledger, day, 0, HEDGE_GAIN if gain > 0 else HEDGE_LOSS, p, NOBODY, 0, 0, abs(gain))


@kernel
def adjust(day: int, f: Facts, s: State, outcome: Records) -> None:
    """Raise the lines of accounts, and compensate those that fell while the desk was shut; before the day's measures (M-146, M-148)."""
    plan = f.terms.plan
    if not plan.active:
        return
    for p in range(f.platform.size):
        if s.platform[p].raise_bp > 0 or s.platform[p].floor_bp > 0:
            raise_lines(p, f, s)
    if plan.compensation_bp > 0 and plan.no_sales[day] == 0 and plan.no_sales[day - 1] == 1:
        for j in range(s.counts[LIVE]):
            if s.tally[j].mark > 0:
                compensate(day, j, f, s, outcome)


@kernel
def raise_lines(p: int, f: Facts, s: State) -> None:
    """Give all accounts of a platform their new lines, and look at all of them from now on (M-148, M-149)."""
    lender = s.platform[p]
    enliven_platform(p, CALLED_IN_PART, f, s)
    for j in range(s.counts[LIVE]):
        fact = s.fact[j]
        if fact.platform == p:
            fact.warning_bp = min(LINE_MOST, max(np.int64(fact.warning_bp) + lender.raise_bp, lender.floor_bp))
            fact.liquidation_bp = min(LINE_MOST, np.int64(fact.liquidation_bp) + lender.raise_bp)
            fact.restore_bp = min(LINE_MOST, np.int64(fact.restore_bp) + lender.raise_bp)
            s.guard[j].safe = LOOK


@kernel
def compensate(day: int, j: int, f: Facts, s: State, outcome: Records) -> None:
    """Take off an account's debt its part of what its shares lost while nobody could sell them (M-146)."""
    fact, now, mark = s.fact[j], s.account[j], s.tally[j].mark
    s.tally[j].mark = 0
    lender = s.platform[fact.platform]
    if now.debt == 0 or outcome[fact.platform].failure_day > 0:
        return
    before = now.debt
    refresh(day, fact, now, s.mover, s.rates)
    if keeps(s.ledger) and s.ledger.account >= 0:
        note_account(s.ledger, day, 0, INTEREST, fact.platform, s.live[j], NOBODY, 0, 0, now.debt - before, now)
    worth = shares_value(fact, s.position, s.quote)
    owed = min(now.debt, max(0, mark - worth) * f.terms.plan.compensation_bp // BP)
    if owed == 0:
        return
    if now.moved == 0:
        move(j, s)
    line = fact.liquidation_bp * now.debt + 9_999
    now.debt -= owed
    s.mover[now.mover].debt = now.debt
    lender.to_cover += (fact.liquidation_bp * now.debt + 9_999) // BP - line // BP
    lender.loans -= owed
    lender.compensated_today += owed
    lifted = min(now.recall, owed) if now.debt > 0 else now.recall
    now.recall -= lifted
    lender.recalled -= lifted
    now.value = now.cash + worth
    s.guard[j].safe = LOOK
    if keeps(s.ledger):
        note_account(s.ledger, day, 0, COMPENSATED, fact.platform, s.live[j], NOBODY, 0, 0, owed, now)


@kernel
def look_over(day: int, f: Facts, s: State) -> None:
    """After the accounts were marked: whose shares are worth what while the desk is shut; what raised lines ask for (M-19, M-146)."""
    plan = f.terms.plan
    if not plan.active:
        return
    if plan.compensation_bp > 0 and plan.no_sales[day] == 1:
        for k in range(s.counts[NEAR]):
            j = s.near[k]
            fact, now = s.fact[j], s.account[j]
            if now.debt > 0 and s.tally[j].mark == 0 and now.value * BP < fact.liquidation_bp * now.debt:
                s.tally[j].mark = now.value - now.cash
    for p in range(f.platform.size):
        if s.platform[p].raised == 1:
            asked = 0
            for j in range(s.counts[LIVE]):
                fact, now = s.fact[j], s.account[j]
                if fact.platform == p and now.debt > 0:
                    refresh(day, fact, now, s.mover, s.rates)
                    asked += (fact.liquidation_bp * now.debt + 9_999) // BP
            s.platform[p].to_cover = asked


@kernel
def bear(f: Facts, s: State, story: Story) -> None:
    """Let each platform bear the day's compensation: its reserve first, then its own capital (M-146)."""
    for p in range(f.platform.size):
        lender = s.platform[p]
        if lender.compensated_today > 0:
            part = min(lender.reserve, lender.compensated_today)
            lender.reserve -= part
            lender.own_capital -= lender.compensated_today - part
            story.outcome[p].compensation_li += lender.compensated_today
            lender.compensated_today = 0


@kernel
def weigh(f: Facts, s: State) -> None:
    """At the close: the collateral of all accounts with debt, where a rule reads it (M-147)."""
    if not f.terms.plan.weighs:
        return
    for n in range(f.account.size):
        fact, j = f.account[n], s.slot[n]
        if fact.debt == 0:
            continue
        worth = 0
        if j < 0:
            worth = fact.cash
            for row in rows(fact):
                worth += f.position[row].shares * s.quote[f.position[row].instrument].price
        elif s.account[j].debt > 0:
            worth = s.account[j].cash + shares_value(s.fact[j], s.position, s.quote)
        s.platform[fact.platform].collateral += worth


@kernel
def finish_responses(f: Facts, s: State, outcome: Records) -> None:
    """Write what hedges are worth at the end: money at the broker and intrinsic value (M-29)."""
    for p in range(f.platform.size):
        for k in range(f.terms.plan.rule.size):
            outcome[p].hedge_end_li += s.rule[k, p].margin + s.rule[k, p].worth
