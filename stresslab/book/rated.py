"""Facts of a platform that a rating asks for and nothing else does: answers, reach of a rate rise, foreign money, spread, turnover."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd

from stresslab.book.checks import given
from stresslab.book.files import Book

#: The rise of all rates that the rating asks about, basis points, and the year in days.
RISE_BP, YEAR = 200, 365
SHORT_DAYS = 30


def rated_sums(accounts: pd.DataFrame, collateral: pd.Series[Any], as_of: datetime.date) -> dict[str, Any]:
    """What some accounts of one platform add to the facts that a rating asks for, before anything is rounded."""
    said = given(accounts, "turnover_90d_li", -1).to_numpy(np.int64)
    return {
        "gap": _loan_gap(accounts, as_of, RISE_BP), "interest": _interest(accounts["debt_li"], accounts["loan_rate_bp"]),
        "turnover_90d_li": int(said[said >= 0].sum()), "turnover_base_li": sum(int(v) for v in collateral[said >= 0]),
    }


def rated_facts(book: Book, name: str, sums: dict[str, Any]) -> dict[str, Any]:
    """Facts of one platform in the types of JSON, money in 厘; ``sums`` are those of all its accounts (:func:`rated_sums`)."""
    t = book.tables
    funding = t["funding"][t["funding"]["platform_id"] == name]
    direct = funding[funding["parent_id"].isna()] if "parent_id" in funding else funding
    claims = t["claims"][(t["claims"]["platform_id"] == name) & (t["claims"]["kind"] != "account_equity")]
    foreign = given(claims, "foreign", False).astype(bool)
    leaving = direct.loc[(direct["source"] == "foreign") & (direct["maturity_days"] <= SHORT_DAYS), "amount_li"].sum()
    leaving += claims.loc[foreign & (claims["notice_days"] <= SHORT_DAYS), "amount_li"].sum()
    elsewhere = given(direct, "currency", "CNY") != "CNY"
    return {
        "answers": answers(book, name),
        "foreign_short_li": int(leaving),
        "fx_funding_li": int(direct.loc[elsewhere, "amount_li"].sum()),
        "rate_gap_li": (sums["gap"] - _funding_gap(direct, RISE_BP)) // (10_000 * YEAR),
        "loan_interest_year_li": sums["interest"] // 10_000,
        "funding_interest_year_li": _interest(direct["amount_li"], direct["rate_bp"]) // 10_000,
        "turnover_90d_li": sums["turnover_90d_li"],
        "turnover_base_li": sums["turnover_base_li"],
    }


def answers(book: Book, name: str) -> dict[str, dict[str, Any]]:
    """What a platform answered, by question."""
    table = book.tables.get("answers")
    if table is None:
        return {}
    rows = table[table["platform_id"] == name]
    evidence, dates = given(rows, "evidence", None), given(rows, "answered_on", None)
    return {
        str(question): {
            "value": float(value), "evidence": proof if isinstance(proof, str) else None,
            "answered_on": str(date) if isinstance(date, datetime.date) else None,
        } for question, value, proof, date in zip(rows["question"], rows["answer"], evidence, dates, strict=True)
    }


def _interest(amounts: pd.Series[Any], rates: pd.Series[Any]) -> int:
    return sum(int(a) * int(r) for a, r in zip(amounts, rates, strict=True))


def rate_gap_li(accounts: pd.DataFrame, direct: pd.DataFrame, as_of: datetime.date, rise_bp: int = RISE_BP) -> int:
    """What a rise of all rates adds to the net interest of the year that follows, 厘, rounded down (M-126); a loss is negative.

    A loan bears the new rate from when its contract lets it: a floating one after its lock and notice, up to its cap, a fixed one when
    it matures; funding when it matures, or is reset before. What is repaid is lent, and borrowed, again at the new rate.
    """
    return (_loan_gap(accounts, as_of, rise_bp) - _funding_gap(direct, rise_bp)) // (10_000 * YEAR)


def _loan_gap(accounts: pd.DataFrame, as_of: datetime.date, rise_bp: int) -> int:
    """What a rise adds to the interest of loans in the year that follows, 厘 × bp × days."""
    total = 0
    columns = ("rate_type", "rate_cap_bp", "rate_lock_until", "rate_notice_days", "maturity_date")
    kinds = zip(accounts["debt_li"], accounts["loan_rate_bp"], *(given(accounts, c, None) for c in columns), strict=True)
    for debt, rate, kind, cap, lock, notice, matures in kinds:
        start, rise = _days(matures, as_of), rise_bp
        if kind in ("floating", "capped"):
            start = min(start, max(0 if lock is None or lock is pd.NA else _days(lock, as_of), 0 if _none(notice) else int(notice)))
            rise = rise_bp if _none(cap) else max(0, min(rise_bp, int(cap) - int(rate)))
        total += int(debt) * rise * max(0, YEAR - start)
    return total


def _funding_gap(direct: pd.DataFrame, rise_bp: int) -> int:
    """What it adds to the interest of funding, 厘 × bp × days."""
    total = 0
    kept = zip(direct["amount_li"], direct["rate_type"], direct["reset_days"], direct["maturity_days"], strict=True)
    for amount, kind, reset, matures in kept:
        start = min(int(matures), int(reset)) if kind == "floating" else int(matures)
        total += int(amount) * rise_bp * max(0, YEAR - start)
    return total


def _none(value: Any) -> bool:
    return value is None or value is pd.NA or value != value


def _days(date: Any, as_of: datetime.date) -> int:
    """Calendar days from the book's date, at least 0; no date is beyond the year."""
    return max(0, (date - as_of).days) if isinstance(date, datetime.date) else YEAR
