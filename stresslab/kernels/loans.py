"""The debts of floating loans on the rates of one path: what is known before the run where rates are given (M-11, M-12).

The same arithmetic as :func:`accounts.charge_of`, arranged for speed: it is the price of a path with rates of its own. A block of
loans takes each day together, so that the processor need not wait for one loan's interest before it begins another's, and numbers
are unsigned, which spares the correction of a division that rounds down.
"""

from __future__ import annotations

import numpy as np

from stresslab.kernels import kernel
from stresslab.kernels.accounts import YEAR_BP
from stresslab.kernels.layout import BLOCK, I64, Facts, Records, State
from stresslab.kernels.rates import shifts

_YEAR, _WHOLE, _ALMOST = np.uint64(YEAR_BP), np.uint64(10_000), np.uint64(9_999)


@kernel
def reprice(moved: I64, f: Facts, s: State) -> None:
    """Take a path's changes of the short rate (days 0..T, bp) for its own: rates of all clauses, debts and sums of floating accounts.

    Nothing is to do, and nothing may be done, where rates are given: the state then shares these arrays with the facts.
    """
    shifts(s.rates.shift, f.clauses.fixing, f.clauses.shock, moved)
    for day in range(s.schedule.shape[0]):
        for p in range(s.schedule.shape[1]):
            s.schedule[day, p].interest = f.schedule[day, p].interest
            s.schedule[day, p].line = f.schedule[day, p].line
    for first in range(0, f.floating.size, BLOCK):
        count = min(BLOCK, f.floating.size - first)
        for j in range(count):
            take(s.block[j], f.account[f.floating[first + j]])
        for day in range(1, s.schedule.shape[0]):
            charge_block(day, count, s.block, s)
        for j in range(count):
            s.last_debt[f.floating[first + j]] = s.block[j].debt


@kernel
def take(loan: Records, fact: Records) -> None:
    """A loan as it stands on the book's date."""
    loan.debt, loan.carry, loan.platform, loan.clause = fact.debt, 0, fact.platform, fact.clause
    loan.rate_bp, loan.rate_most_bp, loan.floats_from, loan.line_bp = fact.rate_bp, fact.rate_most_bp, fact.floats_from, fact.liquidation_bp


@kernel
def charge_block(day: int, count: int, block: Records, s: State) -> None:
    """Charge a day's interest to a block of loans, and add it and their lines to the sums of the day."""
    shift, today = s.rates.shift, s.schedule[day]
    nights = s.rates.calendar[day] - s.rates.calendar[day - 1]
    p = block[0].platform
    interest = line = np.uint64(0)
    for j in range(count):
        loan = block[j]
        if loan.platform != p:  # neighbours mostly have one lender
            today[p].interest += np.int64(interest)
            today[p].line += np.int64(line)
            p = loan.platform
            interest = line = np.uint64(0)
        rate = np.int64(loan.rate_bp)
        if day >= loan.floats_from:
            rate = max(np.int64(0), min(np.int64(loan.rate_most_bp), rate + shift[loan.clause, day]))
        total = loan.debt * np.uint64(rate * nights) + loan.carry
        charge = total // _YEAR
        loan.carry = total - charge * _YEAR
        debt = loan.debt + charge
        loan.debt = debt
        interest += charge
        line += (np.uint64(loan.line_bp) * debt + _ALMOST) // _WHOLE
    today[p].interest += np.int64(interest)
    today[p].line += np.int64(line)
