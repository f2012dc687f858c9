"""Rules that hold between the cells of a book: references, lines, ticks, bounds, the balance."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from stresslab.book.convert import FAULTS_SHOWN
from stresslab.faults import Fault
from stresslab.glossary import INPUTS, KEYS

#: Bounds of (M-2) on sums, 厘.
COLLATERAL_OF_ACCOUNT = 2**44
COLLATERAL_OF_BOOK = 2**57

Frames = dict[str, pd.DataFrame]


class _Checker:
    """Collects faults about rows of one book's tables."""

    def __init__(self, tables: Frames, rows: dict[str, Any], files: dict[str, str]) -> None:
        self.tables, self.rows, self.files = tables, rows, files
        self.faults: list[Fault] = []

    def rows_where(self, table: str, broken: Any, column: str, rule: str, way_out: str) -> None:
        """One fault for each row of a table on which ``broken`` is true."""
        written = {c.stored: c.name for c in INPUTS[table]}
        hits = np.flatnonzero(np.asarray(broken, dtype=bool))
        for at in hits[:FAULTS_SHOWN]:
            value = self.tables[table][column].iloc[int(at)]
            shown = shown_value(table, column, value)
            self.faults.append(Fault(self.files[table], rule, way_out, int(self.rows[table][at]), written[column], shown))
        if len(hits) > FAULTS_SHOWN:
            rest = f"{len(hits) - FAULTS_SHOWN} more rows: {rule}"
            self.faults.append(Fault(self.files[table], rest, way_out, None, written[column]))

    def about(self, table: str, rule: str, way_out: str, value: str | None = None) -> None:
        self.faults.append(Fault(self.files[table], rule, way_out, None, None, value))


def shown_value(table: str, stored: str, value: Any) -> str:
    """A stored value as a person would write it."""
    for column in INPUTS[table]:
        if column.stored == stored and column.kind in ("money", "price"):
            return f"{int(value) / 1000:g}" if abs(int(value)) < 10**9 else f"{int(value) / 1000:.3f}"
        if column.stored == stored and column.kind == "percent":
            return f"{int(value) / 100:g}"
    return str(value)


def given(frame: pd.DataFrame, column: str, default: Any) -> pd.Series[Any]:
    """An optional column with its default where nothing was written."""
    if column not in frame:
        return pd.Series([default] * len(frame), index=frame.index)
    values = frame[column]
    return values.where(values.notna(), default)


def check_book(tables: Frames, rows: dict[str, Any], files: dict[str, str], as_of: datetime.date) -> list[Fault]:
    """The faults of a book whose every cell is fine by itself."""
    c = _Checker(tables, rows, files)
    _check_keys(c)
    _check_references(c)
    if c.faults:
        return c.faults
    _check_accounts(c)
    _check_instruments(c)
    _check_funding(c)
    _check_bounds(c)
    if not c.faults:
        for platform, difference in imbalances(tables):
            c.about("platforms", f"the balance sheet of {platform} does not balance: assets exceed liabilities by {difference / 1000:,.3f} yuan",
                    "loans + cash + liquid pool + other assets must equal direct funding + drawn line + claims not segregated + reserve + own capital", platform)
    return c.faults


def _check_keys(c: _Checker) -> None:
    for table, keys in KEYS.items():
        frame = c.tables.get(table)
        if keys and frame is not None:
            c.rows_where(table, frame.duplicated(list(keys)), keys[-1], f"{' and '.join(keys)} must be unique", "merge or rename the rows")


def _check_references(c: _Checker) -> None:
    def refer(table: str, column: str, target: str, key: str) -> None:
        frame = c.tables.get(table)
        if frame is not None and column in frame:
            names = frame[column]
            lost = ~names.isin(c.tables[target][key]) & names.notna()
            c.rows_where(table, lost, column, f"is not in {c.files[target]}", f"add it to {c.files[target]} or correct the name")

    refer("accounts", "platform_id", "platforms", "platform_id")
    refer("positions", "account_id", "accounts", "account_id")
    refer("positions", "instrument_id", "instruments", "instrument_id")
    refer("claims", "platform_id", "platforms", "platform_id")
    refer("claims", "account_id", "accounts", "account_id")
    refer("funding", "platform_id", "platforms", "platform_id")
    refer("funding", "parent_id", "funding", "funding_id")


def _check_accounts(c: _Checker) -> None:
    a = c.tables["accounts"]
    c.rows_where("accounts", a["liquidation_line_bp"] > a["warning_line_bp"], "liquidation_line_bp",
                 "the liquidation line (平仓线) must not lie above the warning line (警戒线)", "swap or correct the two lines")
    if "restore_line_bp" in a:
        low = given(a, "restore_line_bp", 100_000) < a["liquidation_line_bp"]
        c.rows_where("accounts", low, "restore_line_bp", "the restore line must not lie below the liquidation line", "raise it, or leave it empty for the warning line")
    if "rate_type" in a:
        capped = given(a, "rate_type", "fixed") == "capped"
        cap = given(a, "rate_cap_bp", -1)
        c.rows_where("accounts", capped & (cap < a["loan_rate_bp"]), "rate_type", "a capped rate needs a rate_cap_pct at least as high as its rate", "give the cap")
    p = c.tables["positions"]
    if "sellable_shares" in p:
        over = given(p, "sellable_shares", 0) > p["shares"]
        c.rows_where("positions", over, "sellable_shares", "sellable shares must not exceed the shares held", "lower them")


def _check_instruments(c: _Checker) -> None:
    i = c.tables["instruments"]
    tick = given(i, "tick_li", 0).where(lambda t: t != 0, np.where(i["board"] == "fund", 1, 10)).astype("int64")
    c.rows_where("instruments", i["price_li"] % tick != 0, "price_li", "the price must be a whole multiple of the tick (0.01 yuan, 0.001 for funds)",
                 "use unadjusted prices, or give tick_yuan")


def _check_funding(c: _Checker) -> None:
    f = c.tables["funding"]
    if len(f) and "parent_id" in f:
        parent = dict(zip(f["funding_id"], f["parent_id"], strict=True))
        circular = [_in_circle(name, parent) for name in f["funding_id"]]
        c.rows_where("funding", circular, "parent_id", "funding must not fund itself in a circle", "break the circle")
        amount = dict(zip(f["funding_id"], f["amount_li"], strict=True))
        below = f[f["parent_id"].notna()].groupby("parent_id")["amount_li"].sum()
        over = [int(below.get(name, 0)) > amount[name] for name in f["funding_id"]]
        c.rows_where("funding", over, "amount_li", "the layers that fund this one must not exceed it", "correct the amounts")
        other = [isinstance(parent[n], str) and home != _home(f, parent[n]) for n, home in zip(f["funding_id"], f["platform_id"], strict=True)]
        c.rows_where("funding", other, "parent_id", "a layer and the layer it funds must belong to one platform", "correct platform_id")
    p = c.tables["platforms"]
    drawn = given(p, "line_drawn_li", 0) > given(p, "bank_line_li", 0)
    if drawn.any():
        c.rows_where("platforms", drawn, "line_drawn_li", "the drawn line must not exceed the bank line", "correct one of them")
    money = _segregated_excess(c.tables)
    c.rows_where("platforms", [e > 0 for e in money], "segregated_li" if "segregated_li" in p else "cash_li",
                 "segregated money must not exceed the free-cash claims it belongs to", "move the rest to cash")


def _home(funding: pd.DataFrame, name: str) -> str:
    return str(funding.loc[funding["funding_id"] == name, "platform_id"].iloc[0])


def _in_circle(name: str, parent: dict[str, Any]) -> bool:
    at: Any = parent.get(name)
    for _ in range(len(parent)):
        if not isinstance(at, str):
            return False
        if at == name:
            return True
        at = parent.get(at)
    return False


def _segregated_excess(tables: Frames) -> list[int]:
    claims = tables["claims"]
    free = claims[claims["kind"] == "free_cash"].groupby("platform_id")["amount_li"].sum()
    p = tables["platforms"]
    held = given(p, "segregated_li", 0)
    return [int(s) - int(free.get(name, 0)) for name, s in zip(p["platform_id"], held, strict=True)]


def collateral_of_accounts(tables: Frames) -> pd.Series[Any]:
    """The collateral of each account at book prices, 厘, in the order of the accounts table (Python integers)."""
    price = dict(zip(tables["instruments"]["instrument_id"], tables["instruments"]["price_li"], strict=True))
    p = tables["positions"]
    value = pd.Series([int(s) * int(price[i]) for s, i in zip(p["shares"], p["instrument_id"], strict=True)], dtype=object)
    sums: dict[str, int] = {}
    for name, v in zip(p["account_id"], value, strict=True):
        sums[name] = sums.get(name, 0) + v
    a = tables["accounts"]
    return pd.Series([sums.get(n, 0) + int(c) for n, c in zip(a["account_id"], a["cash_li"], strict=True)], dtype=object)


def _check_bounds(c: _Checker) -> None:
    collateral = collateral_of_accounts(c.tables)
    c.rows_where("accounts", [v >= COLLATERAL_OF_ACCOUNT for v in collateral], "account_id",
                 "the collateral of one account must stay below 17.59 billion yuan", "split the account")
    total = sum(collateral) + sum(int(d) for d in c.tables["accounts"]["debt_li"])
    if total >= COLLATERAL_OF_BOOK:
        c.about("accounts", "collateral and debt together must stay below 144 trillion yuan", "split the book")


def imbalances(tables: Frames) -> Iterator[tuple[str, int]]:
    """Platforms whose balance sheet does not balance, with assets less liabilities in 厘 (M-29)."""
    a, f, claims, p = (tables[n] for n in ("accounts", "funding", "claims", "platforms"))
    loans = a.groupby("platform_id")["debt_li"].sum()
    direct = f[f["parent_id"].isna()] if "parent_id" in f else f
    funding = direct.groupby("platform_id")["amount_li"].sum()
    owed = claims[claims["kind"] != "account_equity"].groupby("platform_id")["amount_li"].sum()
    optional = {n: given(p, n, 0) for n in ("other_assets_li", "segregated_li", "line_drawn_li")}
    for at, name in enumerate(p["platform_id"]):
        row = p.iloc[at]
        assets = int(loans.get(name, 0)) + int(row["cash_li"]) + int(row["liquid_pool_li"]) + int(optional["other_assets_li"].iloc[at])
        liabilities = int(funding.get(name, 0)) + int(optional["line_drawn_li"].iloc[at]) + int(owed.get(name, 0))
        liabilities += int(row["reserve_li"]) + int(row["own_capital_li"]) - int(optional["segregated_li"].iloc[at])
        if assets != liabilities:
            yield name, assets - liabilities


def notes(tables: Frames) -> list[str]:
    """What a careful reader should know about a sound book: what is not simulated, and what is already breached."""
    said = []
    for table, frame in tables.items():
        kept = [c.name for c in INPUTS[table] if not c.simulated and c.stored in frame and frame[c.stored].notna().any()]
        if kept:
            said.append(f"{table}: kept, but no result depends on it yet: {', '.join(kept)}")
    a = tables["accounts"]
    collateral = collateral_of_accounts(tables)
    called = sum(v * 10_000 < int(w) * int(d) for v, w, d in zip(collateral, a["warning_line_bp"], a["debt_li"], strict=True))
    broken = sum(v * 10_000 < int(w) * int(d) for v, w, d in zip(collateral, a["liquidation_line_bp"], a["debt_li"], strict=True))
    if called:
        said.append(f"accounts: {called} are below their warning line on the book's date, {broken} of them below their liquidation line")
    equity = tables["claims"]["kind"] == "account_equity"
    if equity.any():
        said.append(f"claims: {int(equity.sum())} on account equity are kept, but their withdrawal is not simulated yet")
    for table in ("movements", "exposures"):
        if table in tables:
            said.append(f"{table}: read and kept, but no result depends on it yet")
    return said
