"""Rules that hold between the cells of a book: references, lines, ticks, bounds, the balance."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stresslab.book.convert import FAULTS_SHOWN
from stresslab.book.life import check_life, check_shares
from stresslab.book.recall import WAY_OUT, parse_trigger
from stresslab.faults import Fault, Rows
from stresslab.glossary import INPUTS, KEYS
from stresslab.market.rules import board_rule

#: Bounds of (M-2) on sums, 厘.
COLLATERAL_OF_ACCOUNT = 2**44
COLLATERAL_OF_BOOK = 2**57

Frames = dict[str, pd.DataFrame]

#: What the balance sheet is made of (M-29).
_BALANCE = {
    "accounts": ("account_id", "platform_id", "debt_li"),
    "claims": ("platform_id", "kind", "amount_li"),
    "funding": ("funding_id", "platform_id", "parent_id", "amount_li"),
    "platforms": ("platform_id", "own_capital_li", "reserve_li", "cash_li", "liquid_pool_li", "other_assets_li",
                  "segregated_li"),
}
#: Columns that must name a row of another table.
_REFERENCES = (
    ("accounts", "platform_id", "platforms", "platform_id"),
    ("positions", "account_id", "accounts", "account_id"),
    ("positions", "instrument_id", "instruments", "instrument_id"),
    ("claims", "platform_id", "platforms", "platform_id"),
    ("claims", "account_id", "accounts", "account_id"),
    ("funding", "platform_id", "platforms", "platform_id"),
    ("funding", "parent_id", "funding", "funding_id"),
    ("answers", "platform_id", "platforms", "platform_id"),
)


class Checker:
    """Collects faults about the rows of one book's tables, and says what is sound enough to be checked."""

    def __init__(self, tables: Frames, rows: dict[str, Rows], partial: set[str], known: Sequence[Fault]) -> None:
        self.tables, self.rows, self.partial = tables, rows, partial
        self.faults: list[Fault] = []
        self.bad_cells = {(f.file, f.row, f.column) for f in known}
        self.bad_columns = {(f.file, f.column) for f in known}

    def file(self, table: str) -> str:
        """The name of a table's file."""
        return self.rows[table].file if table in self.rows else f"{table}.csv"

    def readable(self, table: str, *columns: str) -> bool:
        """Whether a table and its required columns are there; single cells may still be bad."""
        needed = [c.stored for c in INPUTS[table] if c.required and c.stored in columns]
        return table in self.tables and all(c in self.tables[table] for c in needed)

    def sound(self, table: str, *columns: str) -> bool:
        """Whether every row of a table was read and no cell of some columns has a fault so far."""
        if not self.readable(table, *columns) or table in self.partial:
            return False
        files = {self.file(table), *(file for _, file in self.rows[table].parts)}
        return not any((file, written_name(table, c)) in self.bad_columns for file in files for c in columns)

    def rows_where(
        self, table: str, broken: Any, columns: Sequence[str], rule: str | Callable[[int], str], way_out: str
    ) -> None:
        """One fault for each row on which ``broken`` is true, unless one of its ``columns`` has a fault already.

        The first column is the one shown. ``rule`` is a text, or gives one for the place of a row.
        """
        rows = self.rows[table]
        names = [written_name(table, c) for c in columns]
        if any((rows.file, None, name) in self.bad_cells for name in names):
            return  # so many cells are bad that not all of them are known
        hits = [int(at) for at in np.flatnonzero(np.asarray(broken, dtype=bool))]
        hits = [at for at in hits if not any((*rows.place(at), name) in self.bad_cells for name in names)]
        for at in hits[:FAULTS_SHOWN]:
            shown = shown_value(table, columns[0], self.tables[table][columns[0]].iloc[at])
            self.add(rows.fault(at, rule if isinstance(rule, str) else rule(at), way_out, names[0], shown))
        if len(hits) > FAULTS_SHOWN:
            rest = f"{len(hits) - FAULTS_SHOWN} more rows: {rule if isinstance(rule, str) else rule(hits[-1])}"
            self.add(Fault(rows.file, rest, way_out, None, names[0]))

    def add(self, fault: Fault) -> None:
        """One more fault."""
        self.faults.append(fault)
        self.bad_columns.add((fault.file, fault.column))


def written_name(table: str, stored: str) -> str:
    """The name of a stored column in a file."""
    return next((c.name for c in INPUTS[table] if c.stored == stored), stored)


def shown_value(table: str, stored: str, value: Any) -> str:
    """A stored value as a person would write it."""
    kind = next((c.kind for c in INPUTS[table] if c.stored == stored), None)
    if kind in ("money", "price"):
        return _yuan(int(value))
    if kind == "number":
        return f"{value:g}"
    return f"{int(value) / 100:g}" if kind == "percent" else str(value)


def _yuan(li: int) -> str:
    whole, rest = divmod(abs(li), 1000)
    return ("-" if li < 0 else "") + (f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole))


def given(frame: pd.DataFrame, column: str, default: Any) -> pd.Series[Any]:
    """An optional column with its default where nothing was written."""
    if column not in frame:
        return pd.Series([default] * len(frame), index=frame.index)
    values = frame[column]
    return values.where(values.notna(), default)


def check_book(
    tables: Frames, rows: dict[str, Rows], partial: set[str], as_of: datetime.date | None, known: Sequence[Fault]
) -> list[Fault]:
    """The faults between the cells of a book, as far as the faults that are ``known`` already leave them to be checked.

    ``partial`` are tables that lack rows which could not be read; ``as_of`` is None where the book has no sound date.
    """
    c = Checker(tables, rows, partial, known)
    _check_references(c, tuple(INPUTS))
    _check_keys(c, tuple(INPUTS))
    _check_loans(c, as_of)
    _check_others(c, as_of)
    check_sums(c, check_bounds(c))
    return c.faults


#: The tables that a large book has in parts.
IN_PARTS = ("accounts", "positions")


def check_rest(c: Checker, as_of: datetime.date | None) -> None:
    """The rules of all tables but accounts and positions."""
    rest = [table for table in INPUTS if table not in IN_PARTS]
    _check_references(c, rest)
    _check_keys(c, rest)
    _check_others(c, as_of)


def _check_others(c: Checker, as_of: datetime.date | None) -> None:
    _check_instruments(c, as_of)
    _check_funding(c)
    _check_recalls(c)
    _check_platforms(c)


def check_accounts(c: Checker, as_of: datetime.date | None) -> None:
    """The rules of accounts and their positions, of a book or of a part of one."""
    _check_references(c, IN_PARTS)
    _check_keys(c, IN_PARTS)
    _check_loans(c, as_of)


def _check_loans(c: Checker, as_of: datetime.date | None) -> None:
    _check_accounts(c)
    check_life(c, as_of)
    check_shares(c)
    _check_positions(c)
    _check_sale_orders(c)


def check_sums(c: Checker, total: int) -> None:
    """The rules of sums over all accounts; ``total`` is their collateral and debt (:func:`check_bounds`)."""
    if total >= COLLATERAL_OF_BOOK:
        rule = f"collateral and debt of all accounts must stay below 144 trillion yuan, they are {_yuan(total)}"
        c.add(Fault(c.file("accounts"), rule, "split the book"))
    _check_balance(c)


def _check_references(c: Checker, tables: Sequence[str]) -> None:
    for table, column, target, key in _REFERENCES:
        if table not in tables or not c.readable(table, column) or column not in c.tables[table]:
            continue
        if not c.sound(target, key) or c.tables[target].empty:
            continue  # what is lost can only be said against a whole list of names
        names = c.tables[table][column]
        check_lost(c, table, column, target, ~names.isin(c.tables[target][key]) & names.notna())


def check_lost(c: Checker, table: str, column: str, target: str, lost: Any) -> None:
    """One fault for each row whose name is lost: it stands in no row of another table."""
    c.rows_where(table, lost, (column,), f"is not in {c.file(target)}", f"add it to {c.file(target)} or correct the name")


def _check_keys(c: Checker, tables: Sequence[str]) -> None:
    for table in tables:
        if KEYS[table] and c.readable(table, *KEYS[table]):
            _check_key(c, table, KEYS[table])


def _check_key(c: Checker, table: str, keys: tuple[str, ...]) -> None:
    named = c.tables[table][list(keys)]
    again = named.duplicated().to_numpy(dtype=bool)
    if not again.any():
        return
    first: dict[Any, int] = {}
    for at, key in enumerate(named.itertuples(index=False, name=None)):
        first.setdefault(key, at)

    def rule(at: int) -> str:
        _, row = c.rows[table].place(first[tuple(named.iloc[at])])
        return f"{' and '.join(keys)} must be unique, row {row} has the same"

    c.rows_where(table, again, keys[::-1], rule, "merge or rename the rows")


def _check_accounts(c: Checker) -> None:
    if not c.readable("accounts", "warning_line_bp", "liquidation_line_bp", "loan_rate_bp"):
        return
    a = c.tables["accounts"]
    above = a["liquidation_line_bp"] > a["warning_line_bp"]
    rule = "the liquidation line (平仓线) must not lie above the warning line (警戒线) of "
    c.rows_where("accounts", above, ("liquidation_line_bp", "warning_line_bp"),
                 lambda at: rule + _percent(a, "warning_line_bp", at), "swap or correct the two lines")
    if "restore_line_bp" in a:
        low = given(a, "restore_line_bp", 100_000) < a["liquidation_line_bp"]
        c.rows_where("accounts", low, ("restore_line_bp", "liquidation_line_bp"),
                     lambda at: f"the restore line must not lie below the liquidation line of {_percent(a, 'liquidation_line_bp', at)}",
                     "raise it, or leave it empty for the warning line")
    if "rate_type" in a:
        low = (a["rate_type"] == "capped") & (given(a, "rate_cap_bp", -1) < a["loan_rate_bp"])
        c.rows_where("accounts", low, ("rate_type", "rate_cap_bp", "loan_rate_bp"),
                     lambda at: f"a capped rate needs a rate_cap_pct of at least its own rate of {_percent(a, 'loan_rate_bp', at)}",
                     "give the cap, or another rate_type")


def _percent(frame: pd.DataFrame, column: str, at: int) -> str:
    return f"{int(frame[column].iloc[at]) / 100:g}%"


def _check_positions(c: Checker) -> None:
    if not c.readable("positions", "shares") or "sellable_shares" not in c.tables["positions"]:
        return
    p = c.tables["positions"]
    over = given(p, "sellable_shares", 0) > p["shares"]
    c.rows_where("positions", over, ("sellable_shares", "shares"),
                 lambda at: f"sellable shares must not exceed the {p['shares'].iloc[at]} shares held", "lower them, or correct the shares")


def _check_sale_orders(c: Checker) -> None:
    if not c.readable("accounts", "account_id") or "sale_order" not in c.tables["accounts"]:
        return
    if not c.sound("positions", "account_id", "instrument_id", "shares", "cost_li"):
        return
    a, p = c.tables["accounts"], c.tables["positions"]
    known = p[p["cost_li"].notna()] if "cost_li" in p else p.iloc[:0]
    lacking = (a["sale_order"] == "highest_loss") & a["account_id"].isin(p["account_id"]) & ~a["account_id"].isin(known["account_id"])
    c.rows_where("accounts", lacking, ("sale_order", "account_id"), "this order needs the cost of at least one position of the account",
                 "give cost_yuan in the positions, or choose another order")


def _check_instruments(c: Checker, as_of: datetime.date | None) -> None:
    if c.readable("instruments") and {"float_shares", "total_shares"} <= set(c.tables["instruments"]):
        i = c.tables["instruments"]
        more = (i["float_shares"] > i["total_shares"]).fillna(False)
        c.rows_where("instruments", more, ("float_shares", "total_shares"),
                     lambda at: f"the float must not exceed the {i['total_shares'].iloc[at]} shares in total", "correct one of them")
    if not c.readable("instruments", "board", "price_li") or as_of is None:
        return
    i = c.tables["instruments"]
    if "listed" in i:
        late = [isinstance(day, datetime.date) and day > as_of for day in i["listed"]]
        c.rows_where("instruments", late, ("listed",), f"must not lie after the book's date {as_of}",
                     "correct it, or leave out of the book what cannot be traded yet")
    rules = {board: board_rule(board, as_of) for board in set(i["board"]) if board is not None}
    none = [b is not None and rules[b] is None for b in i["board"]]
    c.rows_where("instruments", none, ("board",), f"this board had no rules yet on the book's date {as_of}",
                 "use board none with a price_limit_pct, or a later as_of")
    usual = [r.tick_li if (r := rules.get(b)) else 10 for b in i["board"]]
    written = given(i, "tick_li", 0).to_numpy(np.int64)
    tick = np.where(written > 0, written, usual)
    c.rows_where("instruments", i["price_li"].to_numpy(np.int64) % tick != 0, ("price_li", "tick_li", "board"),
                 lambda at: f"the price must be a whole multiple of its tick of {_yuan(int(tick[at]))} yuan",
                 "use prices as quoted, not adjusted ones, or give tick_yuan")


def _check_funding(c: Checker) -> None:
    if not c.readable("funding", "funding_id", "platform_id", "amount_li") or "parent_id" not in c.tables["funding"]:
        return
    f = c.tables["funding"]
    parent = {n: p for n, p in zip(f["funding_id"], f["parent_id"], strict=True) if isinstance(p, str)}
    home = dict(zip(f["funding_id"], f["platform_id"], strict=True))
    circles = [_circle(name, parent) for name in f["funding_id"]]
    c.rows_where("funding", [bool(way) for way in circles], ("parent_id", "funding_id"),
                 lambda at: f"funding must not go round in a circle ({' → '.join(circles[at])})", "break the circle")
    below = f[f["parent_id"].notna()].groupby("parent_id")["amount_li"].sum()
    held = zip(f["funding_id"], circles, f["amount_li"], strict=True)
    over = [not way and int(below.get(name, 0)) > amount for name, way, amount in held]
    if c.sound("funding", "amount_li"):
        c.rows_where("funding", over, ("amount_li",),
                     lambda at: f"the layers that fund this one, {_yuan(int(below[f['funding_id'].iloc[at]]))} yuan, must not exceed it",
                     "correct the amounts or parent_id")
    other = [p in home and home[p] != own for p, own in zip(f["parent_id"], f["platform_id"], strict=True)]
    c.rows_where("funding", other, ("parent_id", "platform_id"), "a layer and the layer it funds must belong to one platform",
                 "correct platform_id or parent_id")


def _circle(name: str, parent: dict[str, str]) -> list[str]:
    """The way from a layer back to itself, empty where there is none."""
    way = [name]
    while (above := parent.get(way[-1])) is not None and above not in way:
        way.append(above)
    return [*way, name] if above == name else []


def _check_recalls(c: Checker) -> None:
    """Recall clauses must be understood, and a currency must be one."""
    if not c.readable("funding", "funding_id"):
        return
    f = c.tables["funding"]
    if "recall_trigger" in f:
        broken = [_broken_trigger(text) for text in f["recall_trigger"]]
        c.rows_where("funding", [bool(rule) for rule in broken], ("recall_trigger",), lambda at: broken[at], WAY_OUT)
    if "recall_bp" in f:
        alone = f["recall_bp"].notna() & given(f, "recall_trigger", None).isna()
        c.rows_where("funding", alone, ("recall_bp", "recall_trigger"), "a recalled share needs a recall_trigger that fires it",
                     "say what fires it, or leave the share empty")
    if "currency" in f:
        odd = [isinstance(v, str) and not re.fullmatch("[A-Z]{3}", v) for v in f["currency"]]
        c.rows_where("funding", odd, ("currency",), "must be a currency code of three capital letters", "write it like USD; empty is CNY")
    if "amount_currency" in f:
        currency = given(f, "currency", None)
        lone = f["amount_currency"].notna() & (currency.isna() | (currency == "CNY"))
        c.rows_where("funding", lone, ("amount_currency", "currency"), "an amount in its own currency needs that currency, other than CNY",
                     "name the currency, or leave the amount empty")


def _broken_trigger(text: Any) -> str:
    if not isinstance(text, str):
        return ""
    try:
        parse_trigger(text)
    except ValueError as error:
        return str(error)
    return ""


def _check_platforms(c: Checker) -> None:
    if not c.readable("platforms", "platform_id"):
        return
    p = c.tables["platforms"]
    if "line_drawn_li" in p:
        line = given(p, "bank_line_li", 0)
        c.rows_where("platforms", given(p, "line_drawn_li", 0) > line, ("line_drawn_li", "bank_line_li"),
                     lambda at: f"the drawn line must not exceed the bank line of {_yuan(int(line.iloc[at]))} yuan", "correct one of them")


def segregated_of_claims(tables: Frames) -> list[int]:
    """The segregated money of each platform that belongs to its free-cash claims, 厘; it stands outside the balance sheet with them.

    More segregated money than claims that own it (money of account holders, say) changes nothing: it pays only its owners.
    """
    claims, p = tables["claims"], tables["platforms"]
    free = claims[claims["kind"] == "free_cash"].groupby("platform_id")["amount_li"].sum()
    return [min(int(s), int(free.get(name, 0))) for name, s in zip(p["platform_id"], given(p, "segregated_li", 0), strict=True)]


def collateral_of_accounts(tables: Frames) -> pd.Series[Any]:
    """The collateral of each account at book prices, 厘, in the order of the accounts table (Python integers)."""
    a, p = tables["accounts"], tables["positions"]
    price = dict(zip(tables["instruments"]["instrument_id"], tables["instruments"]["price_li"], strict=True))
    # One position is below 2^62; the sum of several may pass 64 bits in a book that is not sound.
    value = p["shares"].astype(np.int64) * p["instrument_id"].map(price).fillna(0).astype(np.int64)
    if value.astype(np.float64).groupby(p["account_id"]).sum().max() >= 2.0**62:
        value = value.astype(object)
    sums = value.groupby(p["account_id"]).sum().reindex(a["account_id"], fill_value=0)
    return pd.Series(sums.to_numpy().astype(object) + a["cash_li"].to_numpy().astype(object), dtype=object)


def check_bounds(c: Checker) -> int:
    """Faults of accounts with too much collateral; the collateral and debt of them all, 厘."""
    readable = c.readable("accounts", "account_id", "cash_li", "debt_li") and c.readable("instruments", "instrument_id", "price_li")
    if not readable or not c.readable("positions", "account_id", "instrument_id", "shares"):
        return 0
    collateral = collateral_of_accounts(c.tables)
    c.rows_where("accounts", [v >= COLLATERAL_OF_ACCOUNT for v in collateral], ("account_id",),
                 lambda at: f"the collateral of one account must stay below 17.59 billion yuan, this one has {_yuan(collateral.iloc[at])}",
                 "split the account, or check shares and prices")
    total: int = sum(collateral) + sum(int(d) for d in c.tables["accounts"]["debt_li"])
    return total


def _check_balance(c: Checker) -> None:
    if not all(c.sound(table, *columns) for table, columns in _BALANCE.items()):
        return
    differences = dict(imbalances(c.tables))
    names = c.tables["platforms"]["platform_id"]

    def rule(at: int) -> str:
        difference = differences[names.iloc[at]]
        side = "above" if difference > 0 else "below"
        return f"the balance sheet does not balance: assets are {_yuan(abs(difference))} yuan {side} liabilities"

    c.rows_where("platforms", names.isin(differences), ("platform_id",), rule,
                 "loans + cash + liquid pool + other assets must equal direct funding + claims (without account_equity, and less"
                 " the segregated money of free cash) + reserve + own capital")


def imbalances(tables: Frames) -> Iterator[tuple[str, int]]:
    """Platforms whose balance sheet does not balance, with assets less liabilities in 厘 (M-29)."""
    a, f, claims, p = (tables[n] for n in ("accounts", "funding", "claims", "platforms"))
    loans = a.groupby("platform_id")["debt_li"].sum()
    direct = f[f["parent_id"].isna()] if "parent_id" in f else f
    funding = direct.groupby("platform_id")["amount_li"].sum()
    owed = claims[claims["kind"] != "account_equity"].groupby("platform_id")["amount_li"].sum()
    other, segregated = given(p, "other_assets_li", 0), segregated_of_claims(tables)
    for at, name in enumerate(p["platform_id"]):
        row = p.iloc[at]
        assets = int(loans.get(name, 0)) + int(row["cash_li"]) + int(row["liquid_pool_li"]) + int(other.iloc[at])
        liabilities = int(funding.get(name, 0)) + int(owed.get(name, 0)) - segregated[at]
        liabilities += int(row["reserve_li"]) + int(row["own_capital_li"])
        if assets != liabilities:
            yield name, assets - liabilities


def noted(tables: Frames) -> dict[str, Any]:
    """What :func:`notes` says of some tables, of a book or of a part of one: by table columns that nothing reads, breached accounts."""
    kept = {
        table: {c.name: 1 for c in INPUTS[table] if not (c.simulated or c.pooled) and c.stored in frame and frame[c.stored].notna().any()}
        for table, frame in tables.items()
    }
    found: dict[str, Any] = {"kept": kept}
    if "positions" in tables:
        a = tables["accounts"]
        held, debt = collateral_of_accounts(tables).to_numpy(np.int64), a["debt_li"].to_numpy(np.int64)
        for name, line in (("called", "warning_line_bp"), ("broken", "liquidation_line_bp")):
            found[name] = int((held * 10_000 < a[line].to_numpy(np.int64) * debt).sum())
    return found


def notes(tables: Frames, found: dict[str, Any] | None = None) -> list[str]:
    """What a careful reader should know about a sound book: what is not simulated, and what is already breached.

    ``found`` is what was :func:`noted` of a book in parts.
    """
    found = noted(tables) if found is None else found
    said = []
    for table in INPUTS:
        if kept := [c.name for c in INPUTS[table] if c.name in found["kept"].get(table, {})]:
            said.append(f"{table}: kept, but no result depends on it yet: {', '.join(kept)}")
    called, broken = found["called"], found["broken"]
    if called:
        said.append(f"accounts: {called} are below their warning line on the book's date, {broken} of them below their liquidation line")
    equity = tables["claims"]["kind"] == "account_equity"
    if equity.any():
        said.append(f"claims: {int(equity.sum())} on account equity are kept, but their withdrawal is not simulated yet")
    for table in ("movements", "exposures"):
        if table in tables:
            said.append(f"{table}: no run reads it; `stresslab pool` does")
    return said
