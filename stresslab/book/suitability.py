"""What a careful risk officer finds in the accounts of a book: leverage caps, suitability, risk budgets, dates (M-113 to M-116).

Findings are no faults: the book is sound, and something in it breaks a limit. Each account with debt is asked every
question; an account that breaks a rule counts with its debt.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.book.checks import collateral_of_accounts, given
from stresslab.book.files import Book
from stresslab.book.life import BEFORE
from stresslab.contract import NORMAL_95_ROUNDED
from stresslab.glossary import INVESTOR_TYPES
from stresslab.leverage import TRADING_DAYS
from stresslab.limits import Light, Limits

Bools = NDArray[np.bool_]
#: So many accounts are named for each rule.
NAMED = 3


@dataclass(frozen=True)
class Rule:
    """A question that every account with debt is asked, and the light of an account that fails it."""

    name: str
    en: str
    zh: str
    light: Light
    formula: str


RULES: tuple[Rule, ...] = (
    Rule("leverage_above_type_cap", "leverage above the cap of the investor type", "杠杆超过投资者类别上限", "red", "M-113"),
    Rule("leverage_above_own_cap", "leverage above the account's own cap", "杠杆超过账户合同上限", "red", "M-113"),
    Rule("assessment_missing", "no risk assessment", "无风险评估", "red", "M-115"),
    Rule("assessment_expired", "risk assessment expired, which counts as missing", "风险评估已过期（视同无评估）", "red", "M-115"),
    Rule("grade_too_low", "risk grade too low for the leverage", "风险等级低于杠杆所需", "red", "M-115"),
    Rule("order_above_budget", "a position larger than one order may be", "单一持仓超过单笔限额", "amber", "M-114"),
    Rule("daily_loss_above_budget", "one-day 95% loss above the daily budget", "单日95%潜在损失超过单日回撤预算", "amber", "M-114"),
    Rule("stop_loss_reached", "loss on own money reached the stop-loss", "自有本金亏损触及止损线", "red", "M-114"),
    Rule("past_maturity", "matured, and still in debt", "已到期仍有负债", "red", "M-116"),
    Rule("state_behind", "below the liquidation line, and still said to be trading", "已低于平仓线，状态仍为交易中", "amber", "M-116"),
    Rule("traded_too_early", "loan drawn before money was paid in", "入金前已放款", "red", "M-116"),
)


def finding_sums(book: Book, limits: Limits) -> dict[str, dict[str, dict[str, Any]]]:
    """By platform and rule: the accounts that break it, their debt and the first names, of a book or of a part of one."""
    a = book.tables["accounts"]
    broken = broken_rules(book, limits)
    debt, names = a["debt_li"].to_numpy(np.int64), a["account_id"].to_numpy(dtype=object)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for platform in book.tables["platforms"]["platform_id"]:
        mine = (a["platform_id"] == platform).to_numpy(dtype=bool)
        hits = {rule.name: broken[rule.name] & mine for rule in RULES}
        found[str(platform)] = {
            name: {"accounts": int(hit.sum()), "debt_li": int(debt[hit].sum()), "examples": [str(n) for n in names[hit][:NAMED]]}
            for name, hit in hits.items()
        }
    return found


def account_findings(sums: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """For one platform: every rule with the accounts that break it, their debt and a few names, from :func:`finding_sums`."""
    rows = []
    for rule in RULES:
        hit = sums[rule.name]
        rows.append({
            "name": rule.name, "en": rule.en, "zh": rule.zh, "light": rule.light if hit["accounts"] else "green",
            "formula": rule.formula, "accounts": hit["accounts"], "debt_li": hit["debt_li"], "examples": hit["examples"][:NAMED],
        })
    return rows


def broken_rules(book: Book, limits: Limits) -> dict[str, Bools]:
    """By the name of a rule, which accounts break it."""
    a = book.tables["accounts"]
    held = np.array(collateral_of_accounts(book.tables), dtype=np.int64)
    debt = a["debt_li"].to_numpy(np.int64)
    lent: Bools = debt > 0
    broken = _leverage(a, held, debt, limits) | _assessments(a, held, debt, book.as_of, limits) | _budgets(book, held, debt, limits)
    ends = given(a, "maturity_date", None)
    broken["past_maturity"] = np.array([isinstance(day, datetime.date) and day < book.as_of for day in ends], bool)
    status = given(a, "status", "").to_numpy(dtype=object).astype(str)
    low = held * 10_000 < a["liquidation_line_bp"].to_numpy(np.int64) * debt
    broken["state_behind"] = (status == "trading") & low
    broken["traded_too_early"] = np.isin(status, BEFORE)
    return {rule.name: broken[rule.name] & lent for rule in RULES}


def _above(held: NDArray[np.int64], debt: NDArray[np.int64], cap: NDArray[np.int64]) -> Bools:
    """Whether leverage A / E lies strictly above a cap in hundredths; an account without equity lies above every cap."""
    equity = held - debt
    above: Bools = (equity <= 0) | (100 * held > cap * equity)
    return above


def _leverage(a: pd.DataFrame, held: NDArray[np.int64], debt: NDArray[np.int64], limits: Limits) -> dict[str, Bools]:
    kinds = a["investor_type"].to_numpy(dtype=object)
    caps = {kind: _hundredths(getattr(limits.leverage_cap, kind)) for kind in INVESTOR_TYPES}
    by_type = np.array([caps[kind] for kind in kinds], np.int64)
    own = given(a, "leverage_cap", 0.0).to_numpy(np.float64)
    known = own > 0
    return {
        "leverage_above_type_cap": _above(held, debt, by_type),
        "leverage_above_own_cap": known & _above(held, debt, np.rint(own * 100).astype(np.int64)),
    }


def _hundredths(value: Decimal) -> int:
    return int(value * 100)


def _assessments(
    a: pd.DataFrame, held: NDArray[np.int64], debt: NDArray[np.int64], as_of: datetime.date, limits: Limits
) -> dict[str, Bools]:
    """An assessment has a date and a grade that the list knows; older than the valid days it counts as missing (M-115)."""
    rules = limits.suitability
    rank = {grade: at for at, grade in enumerate(rules.grades)}
    grades = [rank.get(g, -1) if isinstance(g, str) else -1 for g in given(a, "risk_grade", None)]
    oldest = as_of - datetime.timedelta(days=rules.valid_days)
    days = list(given(a, "assessed_on", None))
    dated = np.array([isinstance(day, datetime.date) for day in days], bool)
    expired = np.array([isinstance(day, datetime.date) and day < oldest for day in days], bool)
    grade = np.array(grades, np.int64)
    missing = ~dated | (grade < 0)
    needed = np.full(len(a), -1, np.int64)
    kinds = a["investor_type"].to_numpy(dtype=object)
    for step in sorted(rules.required, key=lambda r: r.leverage_above):
        above = _above(held, debt, np.full(len(a), _hundredths(step.leverage_above), np.int64))
        for kind in INVESTOR_TYPES:
            needed[above & (kinds == kind)] = rank[getattr(step, kind)]
    return {
        "assessment_missing": missing,
        "assessment_expired": expired & ~missing,
        "grade_too_low": ~missing & ~expired & (grade < needed),
    }


def _budgets(book: Book, held: NDArray[np.int64], debt: NDArray[np.int64], limits: Limits) -> dict[str, Bools]:
    """Orders, daily losses and stops against own money: what was paid in, or where that is not known the equity (M-114)."""
    a, p, stocks = (book.tables[n] for n in ("accounts", "positions", "instruments"))
    equity = held - debt
    paid = given(a, "own_money_li", 0).to_numpy(np.int64)
    own = np.where(paid > 0, paid, np.maximum(equity, 0)).astype(object)
    order, daily, stop = (_budget(a, limits, *names) for names in (
        ("order_limit_bp", "order_pct"), ("daily_loss_limit_bp", "daily_loss_pct"), ("stop_loss_bp", "stop_loss_pct")))
    at = pd.Index(stocks["instrument_id"]).get_indexer(pd.Index(p["instrument_id"]))
    owner = pd.Index(a["account_id"]).get_indexer(pd.Index(p["account_id"]))
    value = p["shares"].to_numpy(np.int64) * stocks["price_li"].to_numpy(np.int64)[at]
    largest = np.zeros(len(a), np.int64)
    np.maximum.at(largest, owner, value)
    sigma = stocks["volatility_pct"].to_numpy(np.float64)[at] / 100 / math.sqrt(TRADING_DAYS)
    moves = float(NORMAL_95_ROUNDED) * np.bincount(owner, value * sigma, len(a))
    lost = (np.where(paid > 0, paid, 0) - equity).astype(object)
    with_order, with_daily, with_stop = (np.array([v is not None for v in values], bool) for values in (order, daily, stop))
    zero = [0 if v is None else v for v in order]
    return {
        "order_above_budget": with_order & (largest.astype(object) * 10_000 > np.array(zero, dtype=object) * own).astype(bool),
        "daily_loss_above_budget": with_daily & (moves * 10_000 > np.array([v or 0 for v in daily]) * own.astype(np.float64)),
        "stop_loss_reached": with_stop & (paid > 0) & (
            lost * 10_000 >= np.array([v or 0 for v in stop], dtype=object) * paid.astype(object)).astype(bool),
    }


def _budget(a: pd.DataFrame, limits: Limits, column: str, name: str) -> list[int | None]:
    """A budget of each account in bp of own money: its own, else its type's, else none."""
    of_type = {kind: getattr(getattr(limits.risk_budget, kind), name) for kind in INVESTOR_TYPES}
    usual = [None if of_type[kind] is None else int(of_type[kind] * 100) for kind in a["investor_type"]]
    if column not in a:
        return usual
    return [usual[i] if pd.isna(v) else int(v) for i, v in enumerate(a[column])]


def needed_grade(book: Book, at: int, limits: Limits, held: int) -> str | None:
    """The lowest risk grade that the account at a place needs at its leverage."""
    a = book.tables["accounts"]
    debt = int(a["debt_li"].iloc[at])
    lever = Fraction(held, held - debt) if held > debt else None
    return limits.grade_needed(lever, str(a["investor_type"].iloc[at])) if debt else None
