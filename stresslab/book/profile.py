"""What a book is at a glance: size, leverage distribution, concentration, funding mix. Facts for reports and ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stresslab.book.checks import collateral_of_accounts, given
from stresslab.book.files import Book
from stresslab.book.rated import rated_facts, rated_sums
from stresslab.glossary import INVESTOR_TYPES

#: Edges of the leverage distribution, L = A / E (M-3); the last bin has no end, and holds accounts without equity.
LEVERAGE_EDGES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 11.0)
SHORT_DAYS = 30
TOP_CLIENTS = 10


def size_of(book: Book) -> dict[str, int]:
    """How many accounts and positions a book has."""
    t = book.tables
    indebted = int((t["accounts"]["debt_li"] > 0).sum())
    return {"accounts": len(t["accounts"]), "accounts_with_debt": indebted, "positions": len(t["positions"])}


def book_facts(book: Book) -> dict[str, Any]:
    """Title, date and size of a book."""
    return {
        "title": book.title, "as_of": str(book.as_of), "currency": book.currency, "synthetic": book.synthetic,
        **(size_of(book) if book.sums is None else book.sums["size"]), "instruments": len(book.tables["instruments"]),
    }


def profile_sums(book: Book) -> dict[str, dict[str, Any]]:
    """What the accounts of a book, or of a part of it, add to the facts of each platform: integers that add up over parts."""
    a = book.tables["accounts"]
    collateral = collateral_of_accounts(book.tables)
    found = {}
    for name in book.tables["platforms"]["platform_id"]:
        mine = (a["platform_id"] == name).to_numpy(dtype=bool)
        debt, held = a["debt_li"].to_numpy(np.int64)[mine], [int(v) for v in collateral[mine]]
        found[str(name)] = {
            "loans_li": int(debt.sum()), "accounts": int(mine.sum()), "accounts_with_debt": int((debt > 0).sum()),
            "collateral_li": sum(held), "leverage": leverage_distribution(held, debt.tolist()),
            "investors": _investors(a["investor_type"].to_numpy()[mine], held, debt),
            "rated": rated_sums(a[mine], collateral[mine], book.as_of),
        }
    return found


def platform_facts(book: Book, lines: list[int]) -> list[dict[str, Any]]:
    """One dict per platform: balance sheet, funding mix, claims, concentration, leverage. ``lines`` is what each can draw."""
    sums = profile_sums(book) if book.sums is None else book.sums["profile"]
    return [_platform(book, at, lines[at], sums[str(name)]) for at, name in enumerate(book.tables["platforms"]["platform_id"])]


def _platform(book: Book, at: int, line: int, sums: dict[str, Any]) -> dict[str, Any]:
    t = book.tables
    p = t["platforms"]
    name = p["platform_id"].iloc[at]
    claims = t["claims"][(t["claims"]["platform_id"] == name) & (t["claims"]["kind"] != "account_equity")]
    foreign = given(claims, "foreign", False).astype(bool)
    funding = t["funding"][t["funding"]["platform_id"] == name]
    direct = funding[funding["parent_id"].isna()] if "parent_id" in funding else funding
    score, evidence = given(p, "risk_disclosure_score", None).iloc[at], given(p, "risk_disclosure_evidence", None).iloc[at]

    def money(column: str) -> int:
        return int(given(p, column, 0).iloc[at])

    label = given(p, "name", None).iloc[at]
    return {
        "platform_id": name, "name": label if isinstance(label, str) else name,
        "own_capital_li": money("own_capital_li"), "reserve_li": money("reserve_li"), "cash_li": money("cash_li"),
        "liquid_pool_li": money("liquid_pool_li"), "other_assets_li": money("other_assets_li"), "segregated_li": money("segregated_li"),
        "bank_line_li": line, "loans_li": sums["loans_li"], "accounts": sums["accounts"],
        "accounts_with_debt": sums["accounts_with_debt"], "collateral_li": sums["collateral_li"],
        "claims_li": int(claims["amount_li"].sum()),
        "free_cash_claims_li": int(claims.loc[claims["kind"] == "free_cash", "amount_li"].sum()),
        "foreign_claims_li": int(claims.loc[foreign, "amount_li"].sum()),
        "funding_li": int(direct["amount_li"].sum()),
        "funding_by_source_li": {str(s): int(v) for s, v in direct.groupby("source")["amount_li"].sum().items()},
        "funding_short_li": int(direct.loc[direct["maturity_days"] <= SHORT_DAYS, "amount_li"].sum()),
        "top_clients": _top_clients(claims),
        "risk_disclosure_score": None if score is None or score != score else float(score),
        "risk_disclosure_evidence": evidence if isinstance(evidence, str) else None,
        "leverage": {"edges": [*LEVERAGE_EDGES, None]} | sums["leverage"],
        "investors": sums["investors"],
        **rated_facts(book, str(name), sums["rated"]),
    }


def _investors(kinds: Any, held: list[int], debt: Any) -> dict[str, dict[str, Any]]:
    """Accounts, accounts with debt, debt and leverage of each investor type (M-201)."""
    return {kind: _of_type(kinds == kind, held, debt) for kind in INVESTOR_TYPES}


def _of_type(mine: Any, held: list[int], debt: Any) -> dict[str, Any]:
    owed = debt[mine]
    spread = leverage_distribution([held[i] for i in np.flatnonzero(mine)], owed.tolist())
    return {"accounts": len(owed), "accounts_with_debt": int((owed > 0).sum()), "debt_li": int(owed.sum()), "leverage": spread}


def _top_clients(claims: pd.DataFrame) -> list[list[Any]]:
    groups = [g if isinstance(g, str) else c for g, c in zip(given(claims, "group_id", None), claims["client_id"], strict=True)]
    size = claims["amount_li"].groupby(pd.Series(groups, index=claims.index, dtype=object)).sum()
    ranked = sorted(((int(v), str(g)) for g, v in size.items()), key=lambda x: (-x[0], x[1]))
    return [[g, v] for v, g in ranked[:TOP_CLIENTS]]


def leverage_distribution(collateral: list[int], debt: list[int]) -> dict[str, Any]:
    """Accounts and debt by leverage L = A / (A − D) of accounts with debt; compared exactly, edges in tenths."""
    accounts, owed = [0] * len(LEVERAGE_EDGES), [0] * len(LEVERAGE_EDGES)
    tenths = [round(10 * e) for e in LEVERAGE_EDGES]
    for a, d in zip(collateral, debt, strict=True):
        if d > 0:
            # L ≥ edge ⇔ 10 A ≥ (10 edge)(A − D); without equity the account is in the last bin.
            at = len(tenths) - 1 if a <= d else max(i for i, e in enumerate(tenths) if 10 * a >= e * (a - d))
            accounts[at] += 1
            owed[at] += d
    return {"accounts": accounts, "debt_li": owed}
