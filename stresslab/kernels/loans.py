"""The debts of floating loans on the rates of one path: what is known before the run where rates are given (M-11, M-12)."""

from __future__ import annotations

from stresslab.kernels import kernel
from stresslab.kernels.accounts import charge_of
from stresslab.kernels.layout import I64, Facts, State
from stresslab.kernels.rates import shifts


@kernel
def reprice(moved: I64, f: Facts, s: State) -> None:
    """Take a path's changes of the short rate (days 0..T, bp) for its own: rates of all clauses, debts and sums of floating accounts.

    Nothing is to do, and nothing may be done, where rates are given: the state then shares these arrays with the facts.
    """
    shifts(s.rates.shift, f.clauses.fixing, f.clauses.shock, moved)
    days, platforms = s.schedule.shape
    for day in range(days):
        for p in range(platforms):
            s.schedule[day, p].interest = f.schedule[day, p].interest
            s.schedule[day, p].line = f.schedule[day, p].line
    for k in range(f.floating.size):
        n = f.floating[k]
        fact = f.account[n]
        line, p = fact.liquidation_bp, fact.platform
        debt = fact.debt
        carry = 0
        for day in range(1, days):
            charge, carry = charge_of(day, debt, carry, fact, s.rates)
            debt += charge
            today = s.schedule[day, p]
            today.interest += charge
            today.line += (line * debt + 9_999) // 10_000
        s.last_debt[n] = debt
