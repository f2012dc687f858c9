"""The life of a contract: its states, which may follow which, and what a state says of debt and positions (M-116)."""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.faults import Fault
from stresslab.glossary import STATES

if TYPE_CHECKING:
    from stresslab.book.checks import Checker
    from stresslab.book.files import Book

#: Each state in English and Chinese.
NAMES: dict[str, tuple[str, str]] = {
    "applied": ("applied", "申请"),
    "assessed": ("suitability assessed", "适当性评估"),
    "signed": ("contract signed", "签约"),
    "funded": ("money paid in", "入金"),
    "trading": ("trading", "交易中"),
    "called": ("margin called", "追缴"),
    "liquidating": ("being liquidated", "平仓"),
    "deficit": ("in deficit", "穿仓"),
    "settled": ("settled", "结清"),
    "closed": ("closed without a loan", "终止"),
}

#: What may follow each state; a state may always stay.
NEXT: dict[str, tuple[str, ...]] = {
    "applied": ("assessed", "closed"),
    "assessed": ("signed", "closed"),
    "signed": ("funded", "closed"),
    "funded": ("trading", "closed"),
    "trading": ("called", "liquidating", "settled"),
    "called": ("trading", "liquidating", "settled"),
    "liquidating": ("trading", "deficit", "settled"),
    "deficit": ("settled",),
    "settled": (),
    "closed": (),
}
#: States before a loan is drawn, and after it is gone; both without debt and shares.
BEFORE, AFTER = ("applied", "assessed", "signed", "funded"), ("settled", "closed")
#: States that only a debt can be in.
#: The highest rate on a debt, bp (M-2).
RATE_MOST = 10_000
OWING = ("called", "liquidating", "deficit")


def may_follow(earlier: str, later: str) -> bool:
    """Whether a contract seen in one state may be in another at a later date, over any states between."""
    found, waiting = {earlier}, deque([earlier])
    while waiting:
        for state in NEXT[waiting.popleft()]:
            if state not in found:
                found.add(state)
                waiting.append(state)
    return later in found


_FOLLOWS = {earlier: {later for later in STATES if may_follow(earlier, later)} for earlier in STATES}


def check_life(c: Checker, as_of: datetime.date | None) -> None:
    """Faults of a book whose states and dates do not fit its debts, positions and its own date."""
    if not c.readable("accounts", "account_id", "debt_li", "cash_li"):
        return
    a = c.tables["accounts"]
    debt = (a["debt_li"] > 0).to_numpy(dtype=bool)
    if as_of is not None:
        for name in ("opened", "assessed_on"):
            if name in a:
                c.rows_where("accounts", [_date(day) and day > as_of for day in a[name]], (name,),
                             f"must not lie after the book's date {as_of}", "correct it, or leave the account out of the book")
    if {"opened", "maturity_date"} <= set(a):
        wrong = [_date(end) and _date(start) and end < start for start, end in zip(a["opened"], a["maturity_date"], strict=True)]
        rule = "a contract must not mature before it was opened"
        c.rows_where("accounts", wrong, ("maturity_date", "opened"), rule, "correct one of the dates")
    if "status" not in a:
        return
    status = a["status"].to_numpy(dtype=object)
    idle = np.isin(status.astype(str), BEFORE + AFTER)
    c.rows_where("accounts", idle & debt, ("status", "debt_li"), lambda at: f"a contract that is {_named(status[at])} has no debt",
                 "correct the state or the debt")
    owing = np.isin(status.astype(str), OWING)
    c.rows_where("accounts", owing & ~debt, ("status", "debt_li"), lambda at: f"a contract that is {_named(status[at])} has debt",
                 "correct the state or the debt")
    if not c.sound("positions", "account_id", "shares"):
        return
    p = c.tables["positions"]
    held = a["account_id"].isin(p.loc[p["shares"] > 0, "account_id"]).to_numpy(dtype=bool)
    gone = idle | (status == "deficit")
    c.rows_where("accounts", gone & held, ("status",), lambda at: f"a contract that is {_named(status[at])} holds no shares",
                 "correct the state or the positions")
    rich = (status == "deficit") & (a["cash_li"] > 0).to_numpy(dtype=bool)
    c.rows_where("accounts", rich, ("status", "cash_li"), "a contract in deficit (穿仓) has no cash left", "correct the state or the cash")


def check_shares(c: Checker) -> None:
    """Faults of accounts whose profit share lacks a term, or contradicts another."""
    if not c.readable("accounts", "account_id", "debt_li"):
        return
    a = c.tables["accounts"]

    def column(name: str) -> pd.Series[Any]:
        return a[name] if name in a else pd.Series([None] * len(a), index=a.index, dtype=object)

    form = column("profit_share")
    if "profit_share" in a:
        lacking = form.notna() & column("client_share_bp").isna()
        c.rows_where("accounts", lacking, ("profit_share",), "a profit share needs the client's part, client_share_pct", "give it")
        bare = (form == "guaranteed") & column("guaranteed_bp").isna()
        c.rows_where("accounts", bare, ("profit_share",), "a guarantee needs its share of losses, guaranteed_pct", "give it")
    if "guaranteed_bp" in a:
        other = a["guaranteed_bp"].fillna(0).gt(0) & (form != "guaranteed")
        c.rows_where("accounts", other, ("guaranteed_bp",), "only the profit share 'guaranteed' has a guaranteed part",
                     "write profit_share guaranteed, or leave the cell empty")
    if "interest_base" in a:
        _check_exposure(c, a)
    if "principal_li" in a:
        more = a["principal_li"].fillna(0).gt(a["debt_li"])
        c.rows_where("accounts", more, ("principal_li", "debt_li"), "the principal is part of the debt and must not exceed it",
                     "correct one of them")


def rates_on_debt(accounts: pd.DataFrame, rate: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rates in bp as rates on the debt: interest on the exposure, own money and principal, is ⌈rate × exposure / debt⌉ (M-110)."""
    if "interest_base" not in accounts:
        return rate
    on = ((accounts["interest_base"] == "exposure") & (accounts["debt_li"] > 0)).to_numpy(dtype=bool)
    if not on.any():
        return rate
    out = rate.copy()
    exposure = (accounts["own_money_li"] + accounts["principal_li"])[on].to_numpy(dtype=object)
    debt = accounts["debt_li"][on].to_numpy(dtype=object)
    out[on] = [-(-int(r) * int(x) // int(d)) for r, x, d in zip(rate[on], exposure, debt, strict=True)]
    return out


def _check_exposure(c: Checker, a: pd.DataFrame) -> None:
    """Interest on the exposure needs to know the exposure, and a rate that stays."""
    on = (a["interest_base"] == "exposure") & (a["debt_li"] > 0)
    known = pd.Series(True, index=a.index)
    for name in ("own_money_li", "principal_li"):
        known &= a[name].notna() if name in a else False
    rule = "interest on the exposure needs own_money_yuan and principal_yuan"
    c.rows_where("accounts", on & ~known, ("interest_base",), rule, "give both")
    if "rate_type" in a:
        moves = on & a["rate_type"].notna() & (a["rate_type"] != "fixed")
        c.rows_where("accounts", moves, ("interest_base", "rate_type"), "interest on the exposure needs a fixed rate",
                     "write rate_type fixed, or interest_base debt")
    sure = (on & known).to_numpy(dtype=bool)
    if sure.any() and c.sound("accounts", "own_money_li", "principal_li", "debt_li", "loan_rate_bp"):
        rates = np.zeros(len(a), np.int64)
        mine = a[sure]
        rates[sure] = np.minimum(rates_on_debt(mine, mine["loan_rate_bp"].to_numpy(np.int64)), 10**6)
        most = f"of the debt a year, which must be at most {RATE_MOST // 100}%"
        c.rows_where("accounts", rates > RATE_MOST, ("interest_base",),
                     lambda at: f"interest on the exposure is {rates[at] / 100:g}% {most}",
                     "check own money, principal and debt, or write interest_base debt")


def _date(value: Any) -> bool:
    return isinstance(value, datetime.date)


def _named(state: str) -> str:
    en, zh = NAMES[state]
    return f"{en} ({zh})"


def transitions(earlier: Book, later: Book) -> Iterator[Fault]:
    """Faults of a later book against an earlier one: contracts in a state that cannot follow, or gone before their end."""
    then, now = earlier.tables["accounts"], later.tables["accounts"]
    if earlier.as_of > later.as_of:
        rule = f"the earlier book is of {earlier.as_of}"
        yield Fault("book.toml", rule, "give the older book with --since", None, "as_of", str(later.as_of))
    if "status" not in then:
        return
    place = {name: at for at, name in enumerate(now["account_id"])}
    known = now["status"] if "status" in now else pd.Series([None] * len(now), dtype=object)
    for name, before in zip(then["account_id"], then["status"], strict=True):
        if not isinstance(before, str):
            continue
        at = place.get(name)
        if at is None:
            if before not in AFTER:
                rule = f"the contract was {_named(before)} in the earlier book and is missing"
                yield Fault("accounts", rule, "keep it until it is settled or closed", None, "account_id", str(name))
        elif isinstance(known.iloc[at], str) and known.iloc[at] not in _FOLLOWS[before]:
            allowed = ", ".join(NEXT[before]) or "nothing"
            rule = f"cannot follow the state {_named(before)} of the earlier book"
            yield later.fault("accounts", at, "status", rule, f"after {before} comes {allowed}")
