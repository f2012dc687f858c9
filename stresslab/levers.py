"""What a policy can move in a book: capital, reserve, bank line, margin lines, a cap on leverage (M-129).

Every lever is a least requirement (a cap: a most one): who fulfils it already is left alone. Whatever is moved, the book balances.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stresslab.book.checks import collateral_of_accounts, given
from stresslab.book.files import Book
from stresslab.faults import Fault, InputError, nearest

Tables = dict[str, pd.DataFrame]


class Moved(NamedTuple):
    """Tables after a lever, and how much it moved, in the lever's own unit."""

    tables: Tables
    quantity: Fraction


class Lever(NamedTuple):
    """One thing that can be moved: which way is stricter, its unit, and what `quantity` counts."""

    stricter: int  # 1: up, -1: down
    step: Decimal
    unit: str
    move: Callable[[Tables, str, Decimal], Moved]


def _paid_in(column: str) -> Callable[[Tables, str, Decimal], Moved]:
    """Owners pay in what is missing to a least amount, in cash; the quantity is that amount in yuan."""

    def move(tables: Tables, platform: str, setting: Decimal) -> Moved:
        p = tables["platforms"].copy()
        at = p.index[p["platform_id"] == platform]
        more = max(0, _li(setting) - int(p.loc[at, column].iloc[0]))
        for name in (column, "cash_li"):
            p.loc[at, name] += more
        return Moved(tables | {"platforms": p}, Fraction(more, 1000))

    return move


def _bank_line(tables: Tables, platform: str, setting: Decimal) -> Moved:
    """A committed line that can be drawn up to a least amount; the quantity is what is added, in yuan."""
    p = tables["platforms"].copy()
    at = p.index[p["platform_id"] == platform]
    committed = given(p, "line_committed", False).astype(bool)
    line, drawn = given(p, "bank_line_li", 0).astype("int64"), given(p, "line_drawn_li", 0).astype("int64")
    ready = int((line - drawn).loc[at].iloc[0]) if bool(committed.loc[at].iloc[0]) else 0
    more = max(0, _li(setting) - ready)
    if more:
        line.loc[at] = drawn.loc[at] + ready + more
        committed.loc[at] = True
        p["bank_line_li"], p["line_committed"] = line, committed
        if "line_expiry" in p:
            p.loc[at, "line_expiry"] = None
    return Moved(tables | {"platforms": p}, Fraction(more, 1000))


def _line(column: str) -> Callable[[Tables, str, Decimal], Moved]:
    """A margin line of all contracts of a platform is at least so many percent; the quantity is the mean rise in points, by debt.

    A warning line that would fall below the liquidation line, and a restore line likewise, rise with it.
    """

    def move(tables: Tables, platform: str, setting: Decimal) -> Moved:
        a = tables["accounts"].copy()
        mine = (a["platform_id"] == platform).to_numpy()
        # A copy: where all accounts are the platform's, pandas hands out the column itself, which is about to change.
        before = a.loc[mine, column].to_numpy(np.int64, copy=True)
        after = np.maximum(before, int(setting * 100))
        debt = a.loc[mine, "debt_li"].to_numpy(np.int64)
        a.loc[mine, column] = after
        low = a.loc[mine, "liquidation_line_bp"].to_numpy(np.int64)
        a.loc[mine, "warning_line_bp"] = np.maximum(a.loc[mine, "warning_line_bp"].to_numpy(np.int64), low)
        if "restore_line_bp" in a:
            restore = a.loc[mine, "restore_line_bp"]
            a.loc[mine, "restore_line_bp"] = restore.where(restore.isna() | (restore >= low), pd.Series(low, index=restore.index))
        rise = sum(int(x) * int(d) for x, d in zip(after - before, debt, strict=True))
        return Moved(tables | {"accounts": a}, Fraction(rise, 100 * max(1, sum(debt.tolist()))))

    return move


def _leverage_cap(tables: Tables, platform: str, setting: Decimal) -> Moved:
    """No account of a platform starts with more leverage than so much: it would have bought and borrowed less.

    Shares and cash are cut in one proportion, rounded down, the debt falls by their value and the platform has as much more cash. The
    quantity is the debt that is not lent, in yuan. An account without equity cannot be brought below a cap and is left alone.
    """
    a, held, p = tables["accounts"].copy(), tables["positions"].copy(), tables["platforms"].copy()
    collateral = [int(v) for v in collateral_of_accounts(tables)]
    cap = Fraction(setting)
    keep: dict[str, Fraction] = {}
    rows = zip(a["account_id"], a["platform_id"], collateral, a["debt_li"], strict=True)
    for name, owner, value, debt in rows:
        equity = value - int(debt)
        if owner == platform and equity > 0 and value > cap * equity:
            keep[str(name)] = cap * equity / value
    price = dict(zip(tables["instruments"]["instrument_id"], tables["instruments"]["price_li"], strict=True))
    freed = dict.fromkeys(keep, 0)
    shares = [int(s) for s in held["shares"]]
    for at, (owner, instrument) in enumerate(zip(held["account_id"], held["instrument_id"], strict=True)):
        if owner in keep:
            left = int(shares[at] * keep[owner])
            freed[owner] += (shares[at] - left) * int(price[instrument])
            shares[at] = left
    held["shares"] = np.array(shares, dtype=np.int64)
    if "sellable_shares" in held:
        sellable = held["sellable_shares"]
        held["sellable_shares"] = sellable.where(sellable.isna() | (sellable <= held["shares"]), held["shares"])
    repaid, debts, cash = 0, [int(d) for d in a["debt_li"]], [int(c) for c in a["cash_li"]]
    for at, name in enumerate(a["account_id"]):
        if name in freed:
            left = int(cash[at] * keep[name])
            freed[name] += cash[at] - left
            paid = min(freed[name], debts[at])
            debts[at], cash[at], repaid = debts[at] - paid, left + freed[name] - paid, repaid + paid
    a["debt_li"], a["cash_li"] = np.array(debts, dtype=np.int64), np.array(cash, dtype=np.int64)
    p.loc[p["platform_id"] == platform, "cash_li"] += repaid
    return Moved(tables | {"accounts": a, "positions": held, "platforms": p}, Fraction(repaid, 1000))


def _li(yuan: Decimal) -> int:
    return int(yuan * 1000)


LEVERS: dict[str, Lever] = {
    "platform.reserve_yuan": Lever(1, Decimal(1000), "yuan", _paid_in("reserve_li")),
    "platform.own_capital_yuan": Lever(1, Decimal(1000), "yuan", _paid_in("own_capital_li")),
    "platform.bank_line_yuan": Lever(1, Decimal(1000), "yuan", _bank_line),
    "accounts.liquidation_line_pct": Lever(1, Decimal("0.01"), "points", _line("liquidation_line_bp")),
    "accounts.warning_line_pct": Lever(1, Decimal("0.01"), "points", _line("warning_line_bp")),
    "accounts.leverage_cap": Lever(-1, Decimal("0.01"), "yuan", _leverage_cap),
}
#: What the settings of a lever may be.
_BOUNDS = {"yuan": (Decimal(0), Decimal(10**11)), "points": (Decimal(100), Decimal(655))}
_CAPS = (Decimal("1.01"), Decimal(100))


def read_range(text: str) -> tuple[str, Decimal, Decimal, Decimal | None]:
    """Key, mild and strict end, and step of a text like ``platform.reserve_yuan=0:50000000`` or ``...=0:50000000:100000``.

    Raises :class:`InputError` with the nearest lever, or with what is wrong with the range.
    """
    key, _, written = text.partition("=")
    if key not in LEVERS:
        raise InputError([Fault("options", "is no lever of a policy", nearest(key, list(LEVERS)), None, "vary", key)])
    way_out = f"write {key}=MILD:STRICT or {key}=MILD:STRICT:STEP"
    try:
        numbers = [Decimal(part.replace("_", "")) for part in written.split(":")]
    except InvalidOperation:
        numbers = []
    if len(numbers) not in (2, 3) or not all(n.is_finite() for n in numbers):
        raise InputError([Fault("options", "is no range", way_out, None, "vary", text)])
    low, high = _CAPS if key == "accounts.leverage_cap" else _BOUNDS[LEVERS[key].unit]
    mild, strict = numbers[:2]
    if not (low <= min(mild, strict) and max(mild, strict) <= high):
        raise InputError([Fault("options", f"must lie between {low} and {high}", way_out, None, "vary", text)])
    if (strict - mild) * LEVERS[key].stricter <= 0:
        side = "higher" if LEVERS[key].stricter > 0 else "lower"
        raise InputError([Fault("options", f"the strict end must be {side} than the mild one", way_out, None, "vary", text)])
    return key, mild, strict, numbers[2] if len(numbers) == 3 else None


def moved(book: Book, platform: str, settings: Sequence[tuple[str, Decimal]]) -> tuple[Book, list[Fraction]]:
    """The book with some levers of one platform on their settings, and the quantity of each; caps act last."""
    tables: Tables = dict(book.tables)
    quantities: dict[str, Fraction] = {}
    for key, setting in sorted(settings, key=lambda s: s[0] == "accounts.leverage_cap"):
        tables, quantities[key] = LEVERS[key].move(tables, platform, setting)
    changed: Any = dataclasses.replace(book, tables=tables)
    return changed, [quantities[key] for key, _ in settings]
