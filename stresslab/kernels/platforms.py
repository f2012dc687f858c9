"""The rules of a platform: funding, payment, recalls, who bears a deficit, failure (M-12, M-17, M-18, M-27, M-28)."""

from __future__ import annotations

from stresslab.kernels import kernel
from stresslab.kernels.accounts import interest
from stresslab.kernels.layout import Facts, Record, Records, State, Story
from stresslab.kernels.ledger import (
    ABSORBED,
    DUE,
    EXCHANGE,
    EXHAUSTED,
    FAILED,
    FUNDING_DUE,
    LINE_DRAWN,
    NOBODY,
    PAID,
    POOL_SOLD,
    RETURNED,
    UNPAID,
    Ledger,
    keeps,
    note,
)
from stresslab.kernels.liquidity import absorb, sell_pool, share_up
from stresslab.kernels.withdrawals import give_back, make_dearer, owed_to_funders

PPM = 1_000_000


@kernel
def begin_platforms(f: Facts, s: State) -> None:
    """Reset platforms and funding layers to the book."""
    for p in range(f.platform.size):
        fact, now = f.platform[p], s.platform[p]
        now.cash, now.pool, now.line = fact.cash, fact.pool, fact.line
        now.reserve, now.own_capital, now.claims, now.loans = fact.reserve, fact.own_capital, fact.claims, fact.loans
        now.in_transit = now.repaid_today = now.recalled = now.deficit_today = now.to_recall = s.all_live[p] = 0
    for k in range(f.layer.size):
        s.layer[k].amount = f.layer[k].amount
        s.layer[k].carry = 0


@kernel
def revalue(day: int, f: Facts, s: State, story: Story) -> None:
    """What platforms owe in a currency that rises today is more in yuan: a loss of own capital (M-240)."""
    moves = f.terms.exchange
    for e in range(moves.shape[0]):
        if moves[e, 0] == day:
            k, rise_bp = moves[e, 1], moves[e, 2]
            p = f.layer[k].platform
            loss = (s.layer[k].amount * rise_bp + 9_999) // 10_000
            s.layer[k].amount += loss
            s.platform[p].own_capital -= loss
            story.outcome[p].exchange_loss_li += loss
            if f.requests.moves:
                make_dearer(day, k, rise_bp, s.requests, story.outcome[p])
            if keeps(s.ledger) and loss > 0:
                note(s.ledger, day, 0, EXCHANGE, p, NOBODY, 0, 0, loss)


@kernel
def open_platforms(day: int, f: Facts, s: State, story: Story) -> None:
    """Bring in the day's rates of exchange, and clear what the accounts will add up today (M-19, M-240)."""
    revalue(day, f, s, story)
    for p in range(s.platform.size):
        sums = s.platform[p]
        sums.to_cover = sums.uncovered = sums.uncovered_fundamental = sums.call = sums.call_fundamental = 0


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
        quoted = PPM
        if sums.to_cover > 0:
            # ⌊10⁶ (whole − missing) / whole⌋ = 10⁶ − ⌈10⁶ missing / whole⌉, the form that share_up gives.
            quoted = PPM - share_up(sums.uncovered, PPM, sums.to_cover)
            deep = PPM - share_up(sums.uncovered_fundamental, PPM, sums.to_cover)
            o.margin_coverage_ppm = min(o.margin_coverage_ppm, quoted)
            o.margin_coverage_fundamental_ppm = min(o.margin_coverage_fundamental_ppm, deep)
        story.days[day, p].margin_coverage_ppm = quoted


@kernel
def pay(day: int, f: Facts, s: State, story: Story) -> None:
    """Accrue funding interest, take in repayments, pay what is due by tier; what to recall for the rest (M-12, M-17, M-18)."""
    nights = f.terms.calendar[day] - f.terms.calendar[day - 1]
    for k in range(f.layer.size):
        layer, now = f.layer[k], s.layer[k]
        rate = max(0, layer.rate_bp + s.rates.shift[layer.clause, day])
        charge, now.carry = interest(now.amount, rate, nights, now.carry)
        now.amount += charge
        s.platform[layer.platform].own_capital -= charge
        story.outcome[layer.platform].funding_interest_li += charge
    if f.requests.moves:
        owed_to_funders(day, f.layer, s.requests, story.outcome)
    for p in range(f.platform.size):
        lender, o = s.platform[p], story.outcome[p]
        lender.cash += lender.in_transit
        lender.in_transit = 0
        o.redemption_segregated_li = s.requests.due[day, p].segregated
        o.redemption_due_li = story.days[day, p].due_li = s.requests.due[day, p].own
        story.days[day, p].funding_due_li = o.funding_due_li
        lender.to_recall = 0
        if o.failure_day == 0:
            returned = o.funding_returned_li
            pay_by_tier(day, p, lender, s.layer[p], o, f.terms.pool_haircut_bp, s.ledger)
            if o.funding_returned_li > returned:
                give_back(p, o.funding_returned_li - returned, f.layer, s.layer, s.requests)
        story.days[day, p].unpaid_li = o.redemption_due_li - o.redemption_paid_li
        o.unpaid_days += 1 if story.days[day, p].unpaid_li > 0 else 0
        unpaid = o.redemption_due_li - o.redemption_paid_li + o.funding_due_li - o.funding_returned_li
        if unpaid > 0 and o.failure_day == 0:
            if o.first_unpaid_day == 0:
                o.first_unpaid_day = day
            lender.to_recall = max(0, unpaid - lender.recalled)
            if keeps(s.ledger):
                note(s.ledger, day, 0, UNPAID, p, NOBODY, 0, 0, unpaid)


@kernel
def pay_by_tier(
    day: int, p: int, lender: Record, line: Record, o: Record, haircut_bp: int, ledger: Ledger
) -> None:
    """Pay what is due from cash, then the pool, then the bank line (M-17); clients before funders (M-138)."""
    to_clients = o.redemption_due_li - o.redemption_paid_li
    need = to_clients + o.funding_due_li - o.funding_returned_li
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
    lender.claims -= min(paid, to_clients)
    o.redemption_paid_li += min(paid, to_clients)
    o.funding_returned_li += max(0, paid - to_clients)
    if keeps(ledger) and need > 0:
        to_funders = max(0, paid - to_clients)
        for kind, money in (
            (DUE, to_clients), (FUNDING_DUE, need - to_clients), (POOL_SOLD, sold), (LINE_DRAWN, drawn), (PAID, paid - to_funders),
            (RETURNED, to_funders),
        ):
            if money > 0:
                note(ledger, day, 0, kind, p, NOBODY, 0, 0, money)


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
def close_platforms(day: int, f: Facts, s: State, story: Story) -> None:
    """Absorb the day's deficits, decide failure (M-27, M-28)."""
    for p in range(f.platform.size):
        lender, o = s.platform[p], story.outcome[p]
        if lender.deficit_today > 0:
            if keeps(s.ledger):
                note(s.ledger, day, 0, ABSORBED, p, NOBODY, 0, 0, lender.deficit_today)
            absorb_deficit(p, f, s, o)
        lender.in_transit = lender.repaid_today
        lender.repaid_today = 0
        own_funds = lender.reserve + lender.own_capital
        if own_funds <= 0 and o.own_funds_exhausted_day == 0:
            o.own_funds_exhausted_day = day
            if keeps(s.ledger):
                note(s.ledger, day, 0, EXHAUSTED, p, NOBODY, 0, 0, own_funds)
        patient = max(0, day - f.terms.payment_grace_days)
        late = o.redemption_paid_li < s.requests.due[patient, p].own or o.funding_returned_li < story.days[patient, p].funding_due_li
        if o.failure_day == 0 and (own_funds <= 0 or late):
            o.failure_day = day
            if keeps(s.ledger):
                note(s.ledger, day, 0, FAILED, p, NOBODY, 0, 0, o.redemption_due_li - o.redemption_paid_li)
        story.days[day, p].deficit_li = o.deficit_li
        story.days[day, p].own_funds_li = own_funds
        story.days[day, p].loans_li = lender.loans


@kernel
def finish_platforms(f: Facts, s: State, outcome: Records) -> None:
    """Write the balances of the last day into the outcome (M-29)."""
    for p in range(f.platform.size):
        lender, o = s.platform[p], outcome[p]
        o.junior_end_li, o.senior_end_li = layer_sums(p, f.layer, s.layer)
        o.unpaid_end_li = o.redemption_due_li - o.redemption_paid_li
        o.loans_end_li, o.in_transit_end_li = lender.loans, lender.in_transit
        o.cash_end_li, o.pool_end_li, o.claims_end_li = lender.cash, lender.pool, lender.claims
        o.reserve_end_li, o.own_capital_end_li = lender.reserve, lender.own_capital
