"""The rules of one account: interest, calls and answers, when it must sell, how much and what (M-12, M-20 to M-22, M-47, M-48)."""

from __future__ import annotations

import numpy as np

from stresslab.kernels import kernel
from stresslab.kernels.layout import Rates, Record, Records, Terms
from stresslab.kernels.liquidity import part_up, whole_lots

YEAR_BP = 3_650_000  # 365 days × 10,000 bp
#: Sale orders, as ``ACCOUNT.sale_order`` numbers them (M-22).
PRO_RATA, MOST_LIQUID, LARGEST, MOST_VOLATILE, HIGHEST_LOSS = range(5)


@kernel
def interest(balance: int, rate_bp: int, days: int, carry: int) -> tuple[int, int]:
    """The interest of some calendar days on a balance, and the remainder carried (M-12)."""
    total = balance * rate_bp * days + carry
    whole = total // YEAR_BP
    return whole, total - whole * YEAR_BP


@kernel
def charge_of(day: int, debt: int, carry: int, fact: Record, rates: Rates) -> tuple[int, int]:
    """The interest of a day on an account's debt, and the remainder carried (M-11, M-12)."""
    return interest(debt, rate_of(day, fact, rates), rates.calendar[day] - rates.calendar[day - 1], carry)


@kernel
def rate_of(day: int, fact: Record, rates: Rates) -> int:
    """The rate of a loan on a day, bp (M-11)."""
    rate = np.int64(fact.rate_bp)
    if day >= fact.floats_from:
        rate = max(np.int64(0), min(np.int64(fact.rate_most_bp), rate + rates.shift[fact.clause, day]))
    return rate  # type: ignore[return-value]


@kernel
def rows(fact: Record) -> range:
    """The rows of an account's positions; unsigned, as indices are."""
    return range(np.uint64(fact.first), np.uint64(fact.last))


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
def add_shortfall(quoted: int, deep: int, fact: Record, now: Record, sums: Record) -> None:
    """Add what an account lacks to its lines at quoted and at fundamental prices (M-19)."""
    line = (fact.liquidation_bp * now.debt + 9_999) // 10_000
    warned = (fact.warning_bp * now.debt + 9_999) // 10_000
    sums.call += max(0, warned - quoted)
    sums.call_fundamental += max(0, warned - deep)
    sums.uncovered += max(0, line - quoted)
    sums.uncovered_fundamental += max(0, line - deep)


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
def shares_value(fact: Record, held: Records, quotes: Records) -> int:
    """The value of an account's shares at current quoted prices, 厘 (M-3)."""
    total = 0
    for row in rows(fact):
        total += held[row].shares * quotes[held[row].instrument].price
    return total


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
def sale(
    day: int, by_line: bool, by_recall: bool, in_full: bool, fact: Record, now: Record, batch: int, lender: Record, o: Record,
    cost_share_bp: int, minimum_sale: int, batches: int,
) -> tuple[int, bool]:
    """Repay from cash; the value that an account must sell after that, 厘, and whether it sells all (M-21, M-47).

    The account is marked at current prices; ``batch`` is that of its last order.
    """
    held = now.value - now.cash
    paid = min(now.cash, now.debt if by_line or in_full else now.recall)
    if paid > 0:
        now.cash -= paid
        now.value -= paid
        repay(paid, now, lender, o)
    if now.debt == 0:
        return 0, False
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
        if amount > 0:
            amount = max(amount, minimum_sale)
    everything = amount >= held and amount > 0
    if everything:
        now.begun = 1
        amount = held
    left = batches - batch_of(day, now, batch, batches) + 1
    if left > 1:
        return (amount + left - 1) // left, False
    return amount, everything


@kernel
def batch_of(day: int, now: Record, last: int, batches: int) -> int:
    """The batch of an account that orders today: one more than its last if that was yesterday's, else 1 (M-47)."""
    if now.forced_day > 0 and now.forced_day + 1 == day:
        return min(batches, np.int64(last) + 1)  # type: ignore[return-value]
    return 1


@kernel
def spread(
    amount: int, everything: bool, displace: bool, fact: Record, held: Records, offers: Records, book: Records, quotes: Records
) -> bool:
    """Order an amount, or everything, from the positions that may be sold today; False if nothing was ordered (M-22, M-48)."""
    if everything:
        return spread_all(fact, held, offers, quotes)
    offered = 0
    whole = 0
    for row in rows(fact):
        quote = quotes[held[row].instrument]
        worth = offers[row].sellable * quote.price
        whole += worth
        if quote.left > 0:
            offered += worth
    if offered == 0:
        return False
    total = offered if displace else whole
    divide(amount, total, amount >= total, displace, fact, held, offers, book, quotes)
    ordered = False
    for row in rows(fact):
        mine = offers[row]
        mine.order = mine.own
        if mine.order > 0:
            quotes[held[row].instrument].demand += mine.order
            ordered = True
    if displace and offered < whole:
        divide(amount, whole, amount >= whole, False, fact, held, offers, book, quotes)
    return ordered


@kernel
def spread_all(fact: Record, held: Records, offers: Records, quotes: Records) -> bool:
    """Order everything that may be sold today; False if that is nothing."""
    ordered = False
    for row in rows(fact):
        mine, quote = offers[row], quotes[held[row].instrument]
        mine.order = mine.own = mine.sellable if quote.left > 0 else 0
        if mine.order > 0:
            quote.demand += mine.order
            ordered = True
    return ordered


@kernel
def divide(
    amount: int, total: int, everything: bool, only_open: bool, fact: Record, held: Records, offers: Records, book: Records,
    quotes: Records,
) -> None:
    """Write what each open position sells of an amount into ``own``; ``total`` is the value of the positions it is divided over (M-22)."""
    if not everything and fact.sale_order != PRO_RATA:
        take_in_turn(amount, only_open, fact, held, offers, book, quotes)
        return
    ratio = amount / total
    for row in rows(fact):
        mine, quote = offers[row], quotes[held[row].instrument]
        own = 0
        if quote.left > 0 and mine.sellable > 0:
            own = mine.sellable
            if not everything:
                own = in_lots(part_up(ratio, amount, mine.sellable, total), mine.sellable, quote)
        mine.own = own


@kernel
def in_lots(shares: int, sellable: int, quote: Record) -> int:
    """An order for some shares in whole lots, at least the minimum order, at most what may be sold (M-22)."""
    wanted = min(np.int64(sellable), max(np.int64(quote.min_order), whole_lots(shares, np.int64(quote.lot))))  # type: ignore[arg-type]
    return wanted  # type: ignore[return-value]


@kernel
def take_in_turn(
    amount: int, only_open: bool, fact: Record, held: Records, offers: Records, book: Records, quotes: Records
) -> None:
    """Sell an amount position by position in the account's order; without ``only_open`` closed ones take their turn too (M-22)."""
    for row in rows(fact):
        offers[row].own = 0
    last_key, last = np.inf, np.int64(-1)
    while amount > 0:
        best_key, best = -np.inf, np.int64(-1)
        for row in rows(fact):
            i = held[row].instrument
            if offers[row].sellable > 0 and (quotes[i].left > 0 or not only_open):
                key = key_of(fact.sale_order, offers[row].sellable, quotes[i].price, offers[row].cost_price, book[i])
                later = key < last_key or (key == last_key and np.int64(row) > last)
                if later and (best < 0 or key > best_key):
                    best_key, best = key, np.int64(row)
        if best < 0:
            return
        quote, mine = quotes[held[np.uint64(best)].instrument], offers[np.uint64(best)]
        wanted = in_lots((amount + quote.price - 1) // quote.price, mine.sellable, quote)
        amount -= wanted * quote.price
        if quote.left > 0:
            mine.own = wanted
        last_key, last = best_key, best


@kernel
def key_of(order: int, sellable: int, price: int, cost_price: int, instrument: Record) -> float:
    """By what an account orders its sales; the largest goes first (M-22)."""
    if order == MOST_LIQUID:
        return float(instrument.volume) * price
    if order == LARGEST:
        return float(np.int64(sellable) * price)
    if order == MOST_VOLATILE:
        return float(instrument.sigma)
    return -(price / cost_price) if cost_price > 0 else -np.inf


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
def has_shares(fact: Record, held: Records) -> bool:
    """Whether an account still holds a share."""
    for row in rows(fact):  # noqa: SIM110  (compiled code knows no generator expressions)
        if held[row].shares > 0:
            return True
    return False
