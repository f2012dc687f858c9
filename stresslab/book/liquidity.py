"""Liquidity, concentration and capital of a platform on its book's date, from the book alone (M-118 to M-121).

Everything is an integer of 厘 until a figure is formed, which is an exact fraction. What is supposed (haircut, run-off,
weights) comes from the limits file and is printed beside the figures.
"""

from __future__ import annotations

import datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from stresslab import liquidity
from stresslab.book.checks import collateral_of_accounts, given, segregated_of_claims
from stresslab.book.files import Book
from stresslab.limits import Limits

#: The last day of each bucket of the maturity ladder, calendar days from the book's date; the last bucket has no end.
LADDER = (1, 7, 30, 90, 365)
#: The windows of cash coverage, calendar days.
WINDOWS = (7, 30)
#: The horizon of the survival days, calendar days.
HORIZON = 365
MONTH = 30
TOP = 10
BP = 10_000


class Loans:
    """The accounts of one platform, of a book or of a part of one, and what they add up to."""

    def __init__(self, book: Book, platform: str, collateral: pd.Series[Any], limits: Limits) -> None:
        t, self.assumed, self.as_of = book.tables, limits.assumptions, book.as_of
        mine = (t["accounts"]["platform_id"] == platform).to_numpy(dtype=bool)
        self.accounts = t["accounts"][mine]
        self.collateral = np.array(collateral, dtype=np.int64)[mine]
        self.debt = self.accounts["debt_li"].to_numpy(np.int64)
        claims = t["claims"]
        self.claims = claims[(claims["platform_id"] == platform) & (claims["kind"] != "account_equity")]
        self.positions = t["positions"][t["positions"]["account_id"].isin(self.accounts["account_id"])]
        self.stocks = t["instruments"]

    def sums(self) -> dict[str, Any]:
        """Integers that add up over parts: debt by days, what comes in by day, debt by client, collateral by instrument and so on."""
        days, soon = self.days(), self.days() <= HORIZON
        lent, weighted = _risk_weights(self)
        return {
            "loans_li": int(self.debt.sum()), "by_days": _by(days, self.debt),
            "inflow": _by(np.maximum(days[soon], 1), self.debt[soon] * int(self.assumed.loan_inflow_pct * 100) // BP),
            "owed": _owed(self), "instruments": _by_instrument(self), "lent_by_weight": lent, "weighted": weighted,
            "high_leverage_li": _high_leverage(self), "kinds": self.kinds(),
        }

    def days(self) -> Any:
        """The days to the maturity of each loan; what matured, or has no date, is on call."""
        ends, call = given(self.accounts, "maturity_date", None), self.assumed.loan_call_days
        return np.array([max((d - self.as_of).days, call) if isinstance(d, datetime.date) else call for d in ends], np.int64)

    def kinds(self) -> dict[tuple[int, int, int, bool], list[int]]:
        """By the lines of a contract (warning, liquidation, restore, whole sale): accounts, collateral and debt (M-117)."""
        a = self.accounts
        restore = given(a, "restore_line_bp", -1).to_numpy(np.int64)
        warning = a["warning_line_bp"].to_numpy(np.int64)
        restore = np.where(restore < 0, warning, restore)
        full = given(a, "full_sale", False).astype(bool).to_numpy(dtype=bool)
        keys = zip(warning.tolist(), a["liquidation_line_bp"].tolist(), restore.tolist(), full.tolist(), strict=True)
        kinds: dict[tuple[int, int, int, bool], list[int]] = {}
        for key, held, debt in zip(keys, self.collateral.tolist(), self.debt.tolist(), strict=True):
            if 0 < debt < held:
                kind = kinds.setdefault(key, [0, 0, 0])
                kind[0], kind[1], kind[2] = kind[0] + 1, kind[1] + held, kind[2] + debt
        return kinds


def _by(keys: Any, amounts: Any) -> dict[int, int]:
    """Sums of amounts by key."""
    different, which = np.unique(keys, return_inverse=True)
    total = np.zeros(different.size, np.int64)
    np.add.at(total, which, amounts)
    return dict(zip(different.tolist(), total.tolist(), strict=True))


class Lender:
    """One platform of a book with what belongs to it; ``sums`` are those of its accounts (:meth:`Loans.sums`)."""

    def __init__(self, book: Book, at: int, line: int, sums: dict[str, Any], limits: Limits) -> None:
        t, self.assumed = book.tables, limits.assumptions
        self.as_of, self.line, self.row = book.as_of, line, t["platforms"].iloc[at]
        self.platform_id = str(self.row["platform_id"])
        self.sums = sums
        claims = t["claims"]
        self.claims = claims[(claims["platform_id"] == self.platform_id) & (claims["kind"] != "account_equity")]
        funding = t["funding"][t["funding"]["platform_id"] == self.platform_id]
        self.funding = funding[funding["parent_id"].isna()] if "parent_id" in funding else funding
        self.stocks = t["instruments"]
        self.segregated = segregated_of_claims(t)[at]
        haircut = int(self.assumed.pool_haircut_pct * 100)
        self.cash, self.pool = int(self.row["cash_li"]), int(self.row["liquid_pool_li"]) * (BP - haircut) // BP
        self.claim_days = self.claims["notice_days"].to_numpy(np.int64)
        self.claim_li = self._unsegregated()
        self.funding_li = self.funding["amount_li"].to_numpy(np.int64)
        self.funding_days = self.funding["maturity_days"].to_numpy(np.int64)

    def _unsegregated(self) -> Any:
        """Each claim less the segregated money that pays it, 厘: the part that own liquidity must pay (as in M-16)."""
        amount = self.claims["amount_li"].to_numpy(np.int64)
        free = (self.claims["kind"] == "free_cash").to_numpy(dtype=bool)
        total = int(amount[free].sum())
        if not total:
            return amount
        paid = [int(v) * self.segregated // total if f else 0 for v, f in zip(amount, free, strict=True)]
        return amount - np.array(paid, np.int64)

    def money(self, column: str) -> int:
        """An amount of the platform, 0 where it is not given."""
        value = self.row.get(column)
        return 0 if value is None or pd.isna(value) else int(value)


def platform_liquidity(lender: Lender) -> tuple[dict[str, Any], dict[str, Fraction | None]]:
    """The facts of a platform for tables (whole numbers, in JSON's types) and its figures by name (exact fractions)."""
    due = {window: _due(lender, window) for window in WINDOWS}
    flows = _flows(lender)
    liquid = lender.cash + lender.pool
    groups = concentrations(lender)
    ladder = _ladder(lender)
    weights, weighted = [[k, lent] for k, lent in sorted(lender.sums["lent_by_weight"].items())], lender.sums["weighted"]
    foreign = _foreign_month(lender)
    horizon = _survival(lender)
    redeemable = int(lender.claim_li.sum())
    high, loans = lender.sums["high_leverage_li"], lender.sums["loans_li"]
    facts = {
        "tiers_li": {"cash": lender.cash, "pool": lender.pool, "line": lender.line},
        "promised_line_li": max(0, lender.money("bank_line_li") - lender.money("line_drawn_li") - lender.line),
        "due_li": {str(w): d for w, d in due.items()}, "flows_li": flows, "redeemable_li": redeemable,
        "redemptions": [_redemption(lender, share, redeemable) for share in (20, 30)],
        "ladder": ladder, "concentration": groups, "risk_weights": weights, "risk_weighted_li": weighted,
        "own_capital_li": lender.money("own_capital_li"), "foreign_month_li": foreign, "survival_days": horizon,
        "high_leverage_li": high, "loans_li": loans,
    }
    cap = Fraction(lender.assumed.inflow_cap_pct) / 100
    figures: dict[str, Fraction | None] = {
        "cash_coverage_7d_pct": _pct(liquid, due[7]["total"]), "cash_coverage_30d_pct": _pct(liquid, due[30]["total"]),
        "net_outflow_pct": _pct(flows["claims"], liquid) if liquid or not flows["claims"] else Fraction(10**6),
        "lcr_pct": _times100(liquidity.lcr(liquid, flows["outflow"], flows["inflow"], cap)),
        "liquid_pool_pct": _pct(lender.money("liquid_pool_li"), redeemable),
        "survival_days": None if horizon is None else Fraction(horizon),
        "capital_ratio_pct": _pct(lender.money("own_capital_li"), weighted),
        "foreign_buffer_pct": _pct(liquid, foreign), "high_leverage_pct": _pct(high, loans),
    }
    return facts, figures | _concentration_figures(groups)


def _pct(part: int, whole: int) -> Fraction | None:
    return Fraction(100 * part, whole) if whole else None


def _times100(ratio: Fraction | None) -> Fraction | None:
    return None if ratio is None else 100 * ratio


def _due(lender: Lender, window: int) -> dict[str, int]:
    """What falls due within a window, 厘: funding by maturity, claims by notice; and claims net of the same client's debt."""
    funding = int(lender.funding_li[lender.funding_days <= window].sum())
    soon = lender.claim_days <= window
    claims = int(lender.claim_li[soon].sum())
    return {"funding": funding, "claims": claims, "total": funding + claims, "claims_netted": _netted(lender, soon)}


def owners(frame: pd.DataFrame) -> pd.Series[Any]:
    """The client group of each row: group_id, else client_id, else none."""
    group, client = given(frame, "group_id", None), given(frame, "client_id", None)
    return pd.Series([g if isinstance(g, str) else c for g, c in zip(group, client, strict=True)], index=frame.index, dtype=object)


def _netted(lender: Lender, soon: Any) -> int:
    """Claims within a window after set-off against what the same client group owes the platform, group by group (M-118)."""
    asked = pd.Series(lender.claim_li, index=lender.claims.index)[soon].groupby(owners(lender.claims)[soon]).sum()
    return sum(max(0, int(v) - lender.sums["owed"].get(name, 0)) for name, v in asked.items())


def _owed(loans: Loans) -> dict[str, int]:
    """What each client group that has claims owes, 厘."""
    claimants = owners(loans.claims)
    groups = dict(zip(loans.claims["client_id"], claimants, strict=True))
    # An account may name its client alone, and the claims say to which group that client belongs.
    who = owners(loans.accounts).map(lambda name: groups.get(name, name))
    known = who.isin(claimants)
    return {str(name): int(debt) for name, debt in loans.accounts["debt_li"][known].groupby(who[known]).sum().items()}


def _flows(lender: Lender) -> dict[str, int]:
    """What is supposed to flow within 30 days, 厘: by run-off rates out, by the inflow rate of loans in (M-118)."""
    off = lender.assumed.run_off_pct
    soon = lender.claim_days <= MONTH
    rates = _claim_rates(lender)
    claims = int(sum(int(v) * r // BP for v, r in zip(lender.claim_li[soon], rates[soon], strict=True)))
    funding = int(lender.funding_li[lender.funding_days <= MONTH].sum()) * int(off.funding * 100) // BP
    loans = sum(debt for days, debt in lender.sums["by_days"].items() if days <= MONTH) * int(lender.assumed.loan_inflow_pct * 100) // BP
    net = liquidity.net_outflow(claims + funding, loans, Fraction(lender.assumed.inflow_cap_pct) / 100)
    return {"claims": claims, "funding": funding, "outflow": claims + funding, "inflow": loans, "net": -int(-net // 1)}


def _claim_rates(lender: Lender) -> Any:
    """The run-off of each claim in bp: foreign money as such, else by its kind."""
    off = lender.assumed.run_off_pct
    foreign = given(lender.claims, "foreign", False).astype(bool).to_numpy(dtype=bool)
    free = (lender.claims["kind"] == "free_cash").to_numpy(dtype=bool)
    by_kind = np.where(free, int(off.free_cash * 100), int(off.investor * 100))
    return np.where(foreign, int(off.foreign * 100), by_kind).astype(np.int64)


def _survival(lender: Lender) -> int | None:
    """The calendar days that liquid assets and the line last under the supposed run-off; None beyond the horizon (M-120).

    A claim runs off from the day after its notice, evenly over 30 days; funding leaves on its maturity; of loans the
    inflow rate comes in when they mature or can be called.
    """
    out, into = np.zeros(HORIZON + MONTH + 2, np.int64), np.zeros(HORIZON + 1, np.int64)
    leaving = lender.claim_li * _claim_rates(lender) // BP
    for k in range(1, MONTH + 1):
        days = np.minimum(lender.claim_days, HORIZON + 1) + k
        np.add.at(out, days, leaving * k // MONTH - leaving * (k - 1) // MONTH)
    soon = lender.funding_days <= HORIZON
    funding = lender.funding_li[soon] * int(lender.assumed.run_off_pct.funding * 100) // BP
    np.add.at(out, np.maximum(lender.funding_days[soon], 1), funding)
    for day, loans in lender.sums["inflow"].items():
        into[day] += loans
    available = lender.cash + lender.pool + lender.line
    cap = Fraction(lender.assumed.inflow_cap_pct) / 100
    return liquidity.survival(available, out[1 : HORIZON + 1].tolist(), into[1:].tolist(), cap)


def _redemption(lender: Lender, share: int, redeemable: int) -> dict[str, Any]:
    """What the tiers pay if clients ask for a share of all redeemable claims at once, 厘 (M-118)."""
    need = redeemable * share // 100
    paid, short = liquidity.pay_by_tiers(need, (lender.cash, lender.pool, lender.line))
    return {"share_pct": share, "need": need, "cash": paid[0], "pool": paid[1], "line": paid[2], "short": short}


def concentrations(lender: Lender) -> dict[str, Any]:
    """The largest of client groups, funders, instruments and sectors with their totals and Herfindahl indices (M-119)."""
    worth: dict[str, int] = lender.sums["instruments"]
    sector = dict(zip(lender.stocks["instrument_id"], lender.stocks["sector"], strict=True))
    sectors: dict[str, int] = {}
    for name, held in worth.items():
        sectors[sector[name]] = sectors.get(sector[name], 0) + held
    funder = given(lender.funding, "funder_id", None)
    names = [f if isinstance(f, str) else n for f, n in zip(funder, lender.funding["funding_id"], strict=True)]
    sums: dict[str, Any] = {
        "client": lender.claims["amount_li"].groupby(owners(lender.claims)).sum(),
        "funder": lender.funding["amount_li"].groupby(pd.Series(names, index=lender.funding.index, dtype=object)).sum(),
        "instrument": worth,
        "sector": sectors,
    }
    found = {}
    for kind, total in sums.items():
        ranked = sorted(((int(v), str(k)) for k, v in total.items()), key=lambda x: (-x[0], x[1]))
        index = liquidity.hhi([v for v, _ in ranked])
        found[kind] = {
            "top": [[name, v] for v, name in ranked[:TOP]], "total_li": sum(v for v, _ in ranked), "count": len(ranked),
            "hhi_ppm": None if index is None else round(10**6 * index),
        }
    return found


def _by_instrument(loans: Loans) -> dict[str, int]:
    """What all accounts together hold of each instrument, 厘 at book prices."""
    p, stocks = loans.positions, loans.stocks
    at = pd.Index(stocks["instrument_id"]).get_indexer(pd.Index(p["instrument_id"]))
    value = pd.Series(p["shares"].to_numpy(np.int64) * stocks["price_li"].to_numpy(np.int64)[at], index=p.index)
    return {str(name): int(v) for name, v in value.groupby(p["instrument_id"]).sum().items()}


def _concentration_figures(groups: dict[str, Any]) -> dict[str, Fraction | None]:
    figures: dict[str, Fraction | None] = {}
    for kind, of in groups.items():
        for n in (1, 3, 5):
            figures[f"top{n}_{kind}_pct"] = _pct(sum(v for _, v in of["top"][:n]), of["total_li"])
        figures[f"{kind}_hhi_pct"] = None if of["hhi_ppm"] is None else Fraction(of["hhi_ppm"], 10_000)
    return figures


def _ladder(lender: Lender) -> dict[str, Any]:
    """Assets and liabilities by the bucket of their days, 厘, without capital, reserve and other assets (M-120)."""
    edges = np.array(LADDER)
    assets, owed = [0] * (len(LADDER) + 1), [0] * (len(LADDER) + 1)
    assets[0] += lender.cash + lender.pool
    funding, claims = (lender.funding_days, lender.funding_li, owed), (lender.claim_days, lender.claim_li, owed)
    by_days = lender.sums["by_days"]
    loans = np.array(list(by_days), np.int64), np.array(list(by_days.values()), np.int64), assets
    for days, amounts, side in (loans, funding, claims):
        for bucket in range(len(side)):
            side[bucket] += int(amounts[np.searchsorted(edges, days, side="left") == bucket].sum())
    return {"edges": [*LADDER, None], "assets_li": assets, "liabilities_li": owed, "gap_li": liquidity.gaps(assets, owed)}


def _risk_weights(lender: Loans) -> tuple[dict[int, int], int]:
    """Loans by the weight in bp of the collateral behind them, 厘, and the weighted sum, rounded up for each loan (M-121).

    Of a loan, each instrument's part of the collateral carries that instrument's weight; the part of cash weighs nothing.
    """
    usual = int(lender.assumed.risk_weight_pct * 100)
    weight = given(lender.stocks, "risk_weight_bp", usual).to_numpy(np.int64)
    at = pd.Index(lender.stocks["instrument_id"]).get_indexer(pd.Index(lender.positions["instrument_id"]))
    owner = pd.Index(lender.accounts["account_id"]).get_indexer(pd.Index(lender.positions["account_id"]))
    value = lender.positions["shares"].to_numpy(np.int64) * lender.stocks["price_li"].to_numpy(np.int64)[at]
    kinds, which = np.unique(np.append(weight[at], 0), return_inverse=True)
    parts = np.zeros((len(lender.accounts), kinds.size), np.int64)
    np.add.at(parts, (owner, which[:-1]), value)
    parts[:, which[-1]] += lender.accounts["cash_li"].to_numpy(np.int64)
    lent: dict[int, int] = {}
    weighted = 0
    for debt, held, row in zip(lender.debt.tolist(), lender.collateral.tolist(), parts.tolist(), strict=True):
        if not debt:
            continue
        if not held:
            lent[usual] = lent.get(usual, 0) + debt
            weighted += -(-debt * usual // BP)
            continue
        weighted += -(-debt * sum(int(k) * v for k, v in zip(kinds, row, strict=True)) // (held * BP))
        for k, v in zip(kinds.tolist(), row, strict=True):
            if v:
                lent[k] = lent.get(k, 0) + debt * v // held
    return lent, weighted


def _foreign_month(lender: Lender) -> int:
    """Foreign money that can leave within 30 days, 厘: claims by notice, funding by maturity."""
    foreign = given(lender.claims, "foreign", False).astype(bool).to_numpy(dtype=bool)
    claims = int(lender.claim_li[foreign & (lender.claim_days <= MONTH)].sum())
    source = (lender.funding["source"] == "foreign").to_numpy(dtype=bool)
    return claims + int(lender.funding_li[source & (lender.funding_days <= MONTH)].sum())


def _high_leverage(lender: Loans) -> int:
    """The debt of accounts whose leverage A / E lies above the high one, 厘."""
    cap, equity = int(lender.assumed.high_leverage * 100), lender.collateral - lender.debt
    high = (lender.debt > 0) & ((equity <= 0) | (100 * lender.collateral > cap * equity))
    return int(lender.debt[high].sum())


def loan_sums(book: Book, limits: Limits) -> dict[str, dict[str, Any]]:
    """What the accounts of a book, or of a part of it, add up to, by platform."""
    collateral = collateral_of_accounts(book.tables)
    return {str(name): Loans(book, name, collateral, limits).sums() for name in book.tables["platforms"]["platform_id"]}


def lenders(book: Book, lines: list[int], limits: Limits) -> list[Lender]:
    """Every platform of a book; ``lines`` is what each can draw at once, 厘."""
    sums = loan_sums(book, limits) if book.sums is None else book.sums["loans"]
    return [Lender(book, at, lines[at], sums[str(name)], limits) for at, name in enumerate(book.tables["platforms"]["platform_id"])]
