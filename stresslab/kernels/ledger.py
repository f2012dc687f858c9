"""What happened on a path, event by event, for a person to read (``docs/method.md``, section 5).

The cascade is the same with and without a ledger: it writes an event where one is kept, and nothing else depends on
that. A ledger without room records nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel

#: One event. Shares, price (厘 a share), money (厘) as the kind says; cash, debt and value of the account after it.
EVENT = np.dtype(
    [("day", "u2"), ("round", "u2"), ("kind", "u1"), ("platform", "i4"), ("account", "i4"), ("instrument", "i4"), ("shares", "i8"),
     ("price", "i8"), ("money", "i8"), ("cash", "i8"), ("debt", "i8"), ("value", "i8")], align=True
)
(
    MARK, INTEREST, CALL, ANSWER, LAPSE, OVERDUE, RECALL, REPAY_CASH, ORDER, FILL, COST, REPAY, WRITE_OFF,
    LOCKED, CLOSED, PRICE, RATIONED, BREAKER, DUE, PAID, POOL_SOLD, LINE_DRAWN, UNPAID, ABSORBED, EXHAUSTED, FAILED,
    FUNDING_DUE, RETURNED, RESPONSE, COMPENSATED, HEDGE_PAID, HEDGE_GAIN, HEDGE_LOSS, EXCHANGE,
) = range(34)
#: Kinds by number, as tables name them.
KINDS = (
    "mark", "interest", "call", "answer", "lapse", "overdue", "recall", "repay_cash", "order", "fill", "cost", "repay", "write_off",
    "locked", "closed", "price", "rationed", "breaker", "due", "paid", "pool_sold", "line_drawn", "unpaid", "absorbed", "exhausted",
    "failed", "funding_due", "returned", "response", "compensated", "hedge_paid", "hedge_gain", "hedge_loss",
    "exchange",
)
NOBODY = -1


class Ledger(NamedTuple):
    """Events of a path; ``count[0]`` goes on counting when the log is full, so that a larger one can be made."""

    log: Any
    count: NDArray[np.int64]  # type: ignore[assignment]  # a tuple's own method of that name is not used
    account: int  # events of this account alone; −1: of all, without daily marks and interest


@kernel
def keeps(ledger: Ledger) -> bool:
    """Whether events are recorded at all."""
    return bool(ledger.log.size > 0)


@kernel
def note(
    ledger: Ledger, day: int, turn: int, kind: int, platform: int, instrument: int, shares: int, price: int, money: int
) -> None:
    """Record an event of a platform or an instrument; −1 where there is none."""
    at = ledger.count[0]
    ledger.count[0] += 1
    if at < ledger.log.size:
        e = ledger.log[at]
        e.day, e.round, e.kind, e.platform, e.account, e.instrument = day, turn, kind, platform, NOBODY, instrument
        e.shares, e.price, e.money = shares, price, money
        e.cash = e.debt = e.value = 0


@kernel
def note_account(
    ledger: Ledger, day: int, turn: int, kind: int, platform: int, account: int, instrument: int, shares: int, price: int, money: int,
    now: Any,
) -> None:
    """Record an event of an account, with what it has after it."""
    if ledger.account != NOBODY and ledger.account != account:
        return
    at = ledger.count[0]
    note(ledger, day, turn, kind, platform, instrument, shares, price, money)
    if at < ledger.log.size:
        e = ledger.log[at]
        e.account, e.cash, e.debt, e.value = account, now.cash, now.debt, now.value
