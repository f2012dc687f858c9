"""The demo book's pool: who stands behind its funding, what parties owe one another, and half a year of movements. Synthetic."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

F64 = NDArray[np.float64]
#: Uniforms and normals of the demo's own stream, by count.
Draw = Callable[[int], F64]

_USD = 7.1
_DAYS = 180
#: Clients of each platform whose money moves, and how often a year each.
_CLIENTS, _A_YEAR = 40, 24


@dataclass(frozen=True)
class _Behind:
    """What a demo layer says beside its amount; ``share`` is set for layers that only the look-through knows: of the one in front."""

    funder: str | None = None
    trigger: str | None = None
    recall_pct: int | None = None
    notice: int = 0
    currency: str | None = None
    segregated: bool = False
    related: bool = False
    parent: str | None = None
    share: float = 0.0
    source: str = ""
    days: int = 0


#: P1 is what a sound pool looks like; P2 and P3 lend to each other through clubs and trusts, and share a bank.
_LAYERS: dict[str, _Behind] = {
    "P1-F1": _Behind("BANK-A", "rating < A", 50, 30),
    "P1-F2": _Behind("TRUST-N", "coverage < 80%", 50, 30, segregated=True),
    "P1-F2a": _Behind("BANK-B", segregated=True),
    "P1-F2b": _Behind(None, segregated=True),
    "P1-F3": _Behind("HARBOUR-HOLDING", related=True),
    "P2-F1": _Behind("BANK-A", "market fall >= 30% or rating < A", 100, 10),
    "P2-F2": _Behind("TRUST-S", "market fall >= 20%", 60, 5),
    "P2-F2a": _Behind("BANK-B", "market fall >= 20%", 80, 3, segregated=True),
    "P2-F2b": _Behind("LANTERN-CLUB"),
    "P2-F2b1": _Behind("P3", parent="P2-F2b", share=0.08, source="nonbank", days=15),
    "P2-F2b2": _Behind("OFFSHORE-1", "market fall >= 15%", 100, 0, "USD", parent="P2-F2b", share=0.45, source="foreign", days=20),
    "P2-F3": _Behind("OFFSHORE-1", "market fall >= 15% or own funds < 0.5%", 100, 0, "USD"),
    "P2-F4": _Behind("LANTERN-HOLDING", related=True),
    "P3-F1": _Behind("TRUST-Q", "market fall >= 20% or own funds < 1%", 100, 2),
    "P3-F1a": _Behind("BANK-B"),
    "P3-F1b": _Behind("QUICK-CLUB"),
    "P3-F1b1": _Behind("P2", parent="P3-F1b", share=0.10, source="nonbank", days=10),
    "P3-F2": _Behind("QUICK-APP", "market fall >= 10%", 30, 0, related=True),
    "P3-F3": _Behind("P3"),
}


def with_funders(funding: pd.DataFrame) -> pd.DataFrame:
    """The demo's funding with funders, clauses and the layers further behind; what a run reads of it stays as it was."""
    rows = {str(r["funding_id"]): dict(r) for r in funding.to_dict("records")}
    for name, says in _LAYERS.items():
        if says.parent is not None:
            front = rows[says.parent]
            amount = round(front["amount_li"] * says.share / 1000) * 1000
            rows[name] = front | {"funding_id": name, "parent_id": says.parent, "source": says.source, "amount_li": amount,
                                  "maturity_days": says.days, "seniority": 2}
    out = pd.DataFrame([rows[name] for name in sorted(rows)])
    said = [_LAYERS[name] for name in out["funding_id"]]
    foreign = [None if x.currency is None else float(round(a / 1000 / _USD)) for x, a in zip(said, out["amount_li"], strict=True)]
    return out.assign(
        funder_id=pd.Series([x.funder for x in said], dtype=object), recall_trigger=pd.Series([x.trigger for x in said], dtype=object),
        recall_bp=pd.array([None if x.recall_pct is None else 100 * x.recall_pct for x in said], "Int64"),
        notice_days=[x.notice for x in said], currency=pd.Series([x.currency for x in said], dtype=object),
        amount_currency=pd.array(foreign, "Float64"),
        segregated=[x.segregated for x in said], related_party=[x.related for x in said])


def exposures(loans: dict[str, int]) -> pd.DataFrame:
    """Who owes whom beside the funding: the weakest platform owes the next one more than that one's own funds."""
    def of(platform: str, share: float) -> int:
        return max(1000, round(loans[platform] * share / 1000) * 1000)

    rows = [
        ("BANK-A", "P2", of("P2", 0.02), 30, 1), ("BANK-B", "TRUST-S", of("P2", 0.03), 60, 1), ("CLEAR-1", "P1", of("P1", 0.01), 2, 1),
        ("CLEAR-1", "P2", of("P2", 0.015), 2, 1), ("CLEAR-1", "P3", of("P3", 0.02), 2, 1), ("P1", "CLEAR-1", of("P1", 0.012), 2, 1),
        ("P1", "P2", of("P2", 0.03), 30, 2), ("P2", "CLEAR-1", of("P2", 0.01), 2, 1), ("P2", "P3", of("P3", 0.015), 15, 2),
        ("P3", "P2", of("P2", 0.004), 10, 2), ("P3", "TRUST-S", of("P2", 0.005), 30, 2), ("TRUST-S", "P2", of("P2", 0.006), 60, 2),
    ]
    return pd.DataFrame(rows, columns=["from_id", "to_id", "amount_li", "maturity_days", "seniority"])


class _Ledger:
    """Movements under way."""

    def __init__(self, as_of: datetime.date) -> None:
        self.first, self.rows = as_of - datetime.timedelta(days=_DAYS), list[dict[str, Any]]()

    def pay(self, day: int, platform: str, giver: str, taker: str, kind: str, yuan: float) -> None:
        """One payment, in whole yuan."""
        amount = round(yuan)
        if amount > 0:
            self.rows.append({"date": self.first + datetime.timedelta(days=int(day)), "platform_id": platform, "party_id": giver,
                              "counterparty_id": taker, "kind": kind, "amount_li": 1000 * amount})

    def table(self) -> pd.DataFrame:
        """All movements in the order in which a book keeps them."""
        names = ["date", "platform_id", "party_id", "counterparty_id", "kind", "amount_li"]
        out = pd.DataFrame(self.rows, columns=names)
        order = [*names[1:4], "date", "kind", "amount_li"]
        return out.sort_values(order, kind="stable").reset_index(drop=True)


def movements(
    uniforms: Draw, normals: Draw, as_of: datetime.date, claims: pd.DataFrame, custodians: dict[str, bool], *, planted: bool = True
) -> pd.DataFrame:
    """Half a year of movements up to the book's date; ``planted`` adds what the rules should find (M-105 to M-107).

    ``custodians`` says of each platform whether its clients' money goes to an account of its own (named ``P1-CUSTODY``). The
    business itself is the same with and without what is planted.
    """
    ledger = _Ledger(as_of)
    for platform, apart in custodians.items():
        _business(ledger, uniforms, normals, platform, claims[claims["platform_id"] == platform], apart)
    if planted:
        _plant(ledger, int(claims["amount_li"].sum()) / 1000 / 500)
    return ledger.table()


def _business(ledger: _Ledger, uniforms: Draw, normals: Draw, platform: str, claims: pd.DataFrame, apart: bool) -> None:
    account = f"{platform}-CUSTODY" if apart else platform
    largest = claims.nlargest(_CLIENTS, "amount_li", keep="first")
    total = float(claims["amount_li"].sum()) / 1000
    for client, amount in zip(largest["client_id"], largest["amount_li"], strict=True):
        usual = max(2_000.0, float(amount) / 1000 * 0.03)
        count = 1 + round(_A_YEAR / 2 * (0.5 + float(uniforms(1)[0])))
        days, sizes, sides = uniforms(count) * _DAYS, usual * np.exp(0.5 * normals(count)), uniforms(count)
        for day, size, side in zip(days, sizes, sides, strict=True):
            giver, taker, kind = (client, account, "deposit") if side < 0.55 else (account, client, "withdrawal")
            ledger.pay(int(day), platform, giver, taker, kind, round(size, -2))
    bank, weeks = f"{platform}-BANK", range(3, _DAYS, 7)
    for kind, share, giver, taker in (
        ("loan", 0.05, platform, account), ("repayment", 0.045, account, platform), ("interest", 0.002, account, platform),
        ("fee", 0.0004, account, platform), ("settlement", 0.06, account, "CLEAR-1"), ("settlement", 0.058, "CLEAR-1", account),
        ("expense", 0.0006, platform, f"{platform}-LANDLORD"), ("expense", 0.0009, platform, f"{platform}-PAYROLL"),
        ("funding_interest", 0.001, platform, bank),
    ):
        sizes = total * share * np.exp(0.25 * normals(len(weeks)))
        for week, size in zip(weeks, sizes, strict=True):
            if giver != taker:
                ledger.pay(week, platform, giver, taker, kind, size)


def _plant(ledger: _Ledger, unit: float) -> None:
    """What the rules should find; ``unit`` yuan scales with the book."""
    large = max(60_000.0, 10 * unit)
    for day in (60, 95, 130):
        ledger.pay(day, "P2", "P2-CUSTODY", "P2", "transfer", large * (1 + day / 1000))
    for giver, taker, day, kept in (("P2-CUSTODY", "SHELL-1", 101, 1.0), ("SHELL-1", "SHELL-2", 102, 0.995),
                                    ("SHELL-2", "SHELL-3", 102, 0.992), ("SHELL-3", "LANTERN-HOLDING", 104, 0.99)):
        ledger.pay(day, "P2", giver, taker, "transfer", 1.7 * large * kept)
    for giver, taker, day, kept in (("P3", "SHELL-4", 140, 1.0), ("SHELL-4", "SHELL-5", 141, 0.998),
                                    ("SHELL-5", "SHELL-6", 142, 0.996), ("SHELL-6", "P3", 143, 0.994)):
        ledger.pay(day, "P3", giver, taker, "capital" if taker == "P3" else "transfer", 2.3 * large * kept)
    for day, yuan in ((150, 49_800), (151, 49_500), (151, 48_900), (153, 49_900), (154, 49_700)):
        ledger.pay(day, "P3", "QUICK-APP", "SHELL-7", "transfer", yuan)
    usual = [r["amount_li"] / 1000 for r in ledger.rows if r["counterparty_id"] == "P1-LANDLORD"]
    ledger.pay(171, "P1", "P1", "P1-LANDLORD", "expense", max(30_000.0, 15 * max(usual, default=0.0)))
