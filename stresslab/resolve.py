"""Book + market + scenario → what the kernels read. A named step: nothing is decided later, nothing is looked up again."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.book.checks import given, segregated_of_claims
from stresslab.book.files import Book
from stresslab.book.life import rates_on_debt
from stresslab.drivers import loadings, market_terms, sector_names
from stresslab.exchange import check_exchange, exchange_of
from stresslab.faults import Fault, InputError, close_to, nearest
from stresslab.glossary import INVESTOR_TYPES, SALE_ORDERS
from stresslab.kernels import cascade, laws, layout, liquidity, prices, rates, returns
from stresslab.kernels.closures import Suspensions
from stresslab.market.files import Market
from stresslab.market.rules import BoardRule, board_rule, free_days, selling_cost_bp
from stresslab.market.volatility import DAYS_OF_YEAR
from stresslab.redemption import direct_funding, foreign_asked, moves, redemption_due, requests_of
from stresslab.repricing import (
    UNKNOWN,
    ClauseBook,
    days_after,
    highest_shift_bp,
    layer_clause,
    write_loans,
)
from stresslab.responses import plan_of
from stresslab.sampling import Sampling
from stresslab.scenario import Scenario, Suspension

I64 = NDArray[np.int64]
#: Bounds of (M-2) on rates, bp.
LOAN_RATE_MOST, FUNDING_RATE_MOST = 10_000, 5_000
#: Bounds of (M-49) on lines and on what stands above a cap, and of (M-22) on a cost price.
LINE_MOST, BEYOND_MOST, COST_PRICE_MOST = 65_535, 9_000, 2**32 - 1
#: So many names are listed in a fault.
_NAMES_SHOWN = 5

_IMPACTS = {
    "none": liquidity.IMPACT_NONE, "sqrt": liquidity.IMPACT_SQRT, "linear": liquidity.IMPACT_LINEAR,
    "exponential": liquidity.IMPACT_EXPONENTIAL, "almgren": liquidity.IMPACT_ALMGREN,
}


@dataclass(frozen=True)
class Resolved:
    """One scenario of one book in one market, as arrays in the order of sorted ids."""

    scenario: str
    facts: layout.Facts
    market: returns.MarketTerms
    closed: NDArray[np.uint8]  # days 0..T × instruments: 1 where book or scenario close an instrument (M-44)
    suspensions: Suspensions  # what is drawn beside them
    basket: I64  # shares of each instrument in all accounts together
    platform_ids: tuple[str, ...]
    account_ids: tuple[str, ...]
    instrument_ids: tuple[str, ...]
    sector_ids: tuple[str, ...]  # by the numbers of ``market.sector``
    sampling: str = Sampling.PLAIN  # how its paths are drawn


class _Loans(NamedTuple):
    """The terms of all loans, stricter margins included (M-49): one entry per account, bp."""

    warning: I64
    liquidation: I64
    restore: I64
    rate: I64
    premium: I64  # the part of the rate that a sector's margin adds


def sampled(resolved: Sequence[Resolved], sampling: str) -> list[Resolved]:
    """The same scenarios with their way to draw paths; raises :class:`InputError` for a law that Sobol points cannot spread (M-299)."""
    faults = [
        Fault(f"scenario {one.scenario}", "picks days of a history, which Sobol points spread no better than chance (M-299)",
              "give --sampling plain or antithetic, or choose another model", None, "market.model", "bootstrap")
        for one in resolved if sampling == Sampling.SOBOL and one.market.law.model == laws.LAW_BOOTSTRAP
    ]
    if faults:
        raise InputError(faults)
    return [replace(one, sampling=str(sampling)) for one in resolved]


def calendar(days: int) -> I64:
    """Calendar days after the book's date of trading days 0..days (M-4)."""
    return np.array([(t * 365 * 2 + 252) // 504 for t in range(days + 1)], dtype=np.int64)


def trading_day(calendar_days: int) -> int:
    """The first trading day whose calendar day is at least so many after the book's date; before it, a negative number (M-4)."""
    return -((252 - 504 * calendar_days) // 730)


def resolve(book: Book, market: Market, scenario: Scenario) -> Resolved:
    """The arrays of one scenario; raises :class:`InputError` if book, market and scenario do not fit together."""
    held = Holdings(book)
    one = Resolving(book, market, scenario, held)
    held.add(book)
    one.add(book)
    return one.done()


class Holdings:
    """The positions of a book that is given part by part, accounts in the order of their ids; the same for all scenarios."""

    def __init__(self, book: Book) -> None:
        self.basket = np.zeros(len(book.tables["instruments"]), np.int64)
        self.knows_costs = False
        self._ids: list[str] = []
        self._positions: list[Any] = []
        #: Of the part that was added last: its positions, and the place of the account that holds each.
        self.position: Any = layout.records(layout.POSITION, 0)
        self.owner = np.zeros(0, np.int64)

    def add(self, part: Book) -> None:
        """The accounts and positions of the next part."""
        self.owner, self.position = _positions(part)
        np.add.at(self.basket, self.position["instrument"].astype(np.int64), self.position["shares"].astype(np.int64))
        self.knows_costs |= "cost_li" in part.tables["positions"]
        self._ids += part.tables["accounts"]["account_id"].tolist()
        self._positions.append(self.position)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The ids of all accounts, after the last part."""
        return tuple(self._ids)

    @cached_property
    def positions(self) -> Any:
        """All positions, after the last part."""
        return _together(layout.POSITION, self._positions)


def _together(dtype: np.dtype[np.void], pieces: list[Any]) -> Any:
    """Records of all pieces in one array that begins on a cache line; the pieces are let go."""
    if len(pieces) == 1:
        return pieces.pop()
    out = layout.records(dtype, sum(p.size for p in pieces))
    at = out.size
    while pieces:
        piece = pieces.pop()
        out[at - piece.size : at] = piece
        at -= piece.size
    return out


class Resolving:
    """One scenario on its way to :class:`Resolved`: first what stands beside accounts, then the accounts part by part."""

    def __init__(self, book: Book, market: Market, scenario: Scenario, held: Holdings) -> None:
        self.book, self.market, self.scenario, self.held = book, market, scenario, held
        self.faults: list[Fault] = []
        self.rules = _board_rules(book, self.faults)
        self.terms = market_terms(book, self.rules, market, scenario, self.faults)
        self.days = calendar(scenario.days)
        self.clauses: ClauseBook | None = None
        self.written: list[Fault] = []
        self._accounts: list[Any] = []
        #: The highest rate of a loan, and the highest without what a sector's margin adds, bp.
        self.highest = self.highest_own = 0

    def add(self, part: Book) -> None:
        """The accounts of the part that the holdings took last."""
        loans = _loans(part, self.scenario, self.held.owner, self.held.position)
        self.highest = max(self.highest, int(loans.rate.max(initial=0)))
        self.highest_own = max(self.highest_own, int((loans.rate - loans.premium).max(initial=0)))
        if self.faults:
            return
        if self.clauses is None:
            self.clauses = ClauseBook(self.scenario.rates, self.terms.short_rate, self.days)
        account = _accounts(part, self.scenario, self.held.owner, loans)
        self.written += write_loans(account, part.tables["accounts"], loans.premium, part.as_of, self.days, self.clauses)
        before = int(self._accounts[-1]["last"][-1]) if self._accounts else 0
        account["first"] += before
        account["last"] += before
        if account.size:
            self._accounts.append(account)

    def done(self) -> Resolved:
        """The arrays, after the last part; raises with every fault."""
        book, scenario, faults = self.book, self.scenario, self.faults
        _check_rates(book, scenario, self.highest, self.highest_own, self.terms.short_rate, faults)
        _check_names(book, scenario, faults)
        _check_needs(book, scenario, self.held.knows_costs, faults)
        check_exchange(book, scenario, faults)
        if faults or self.written or self.clauses is None:
            raise InputError(faults or self.written)
        instrument = _instruments(book, self.rules, self.market, scenario, self.held.basket)
        platform, due, layer = _lenders(book, scenario, self.days, self.clauses)
        highest = int(instrument["cost_bp"].max(initial=0))
        platforms, stocks = book.tables["platforms"]["platform_id"], book.tables["instruments"]
        facts = cascade.make_facts(
            _together(layout.ACCOUNT, self._accounts), self.held.positions, instrument, limit_table(book, self.days), platform, due, layer,
            _terms(scenario, self.days, highest)._replace(
                plan=plan_of(scenario, platforms.tolist()), exchange=exchange_of(book, scenario)),
            self.clauses.clauses(), requests_of(book, scenario))
        return Resolved(
            scenario.id, facts, self.terms, closed_table(book, scenario, self.days), _suspensions(scenario), self.held.basket,
            tuple(platforms), self.held.ids, tuple(stocks["instrument_id"]), tuple(sector_names(stocks)),
        )


def _board_rules(book: Book, faults: list[Fault]) -> list[BoardRule]:
    stocks = book.tables["instruments"]
    rules: list[BoardRule] = []
    own = [given(stocks, c, -1).to_numpy(np.int64).tolist() for c in ("price_limit_bp", "lot_size", "min_order", "tick_li")]
    for at, board in enumerate(stocks["board"]):
        rule = board_rule(board, book.as_of)
        if rule is None:
            faults.append(book.fault("instruments", at, "board", f"this board had no rules yet on the book's date {book.as_of}",
                                     "use board none with a price_limit_pct, or a later as_of"))
            rule = BoardRule(0, 1, 1, 10, "")
        limit, lot, least, tick = (values[at] for values in own)
        rules.append(BoardRule(
            rule.limit_bp if limit < 0 else limit,
            rule.lot if lot < 0 else lot,
            # An instrument with a lot of its own has left its board's rule on orders, the smallest one included.
            least if least > 0 else rule.min_order if lot < 0 else lot,
            rule.tick_li if tick < 0 else tick,
            rule.source,
        ))
    return rules


def _check_rates(book: Book, scenario: Scenario, loan: int, loan_own: int, law: rates.RateLaw, faults: list[Fault]) -> None:
    """Rates within (M-2); of loans their highest rate, and the highest without what a sector's margin adds, bp."""
    shock, file = highest_shift_bp(scenario, law), f"scenario {scenario.id}"
    funding = int(book.tables["funding"]["rate_bp"].to_numpy(np.int64).max(initial=0))
    for rate, own, most, what in ((loan, loan_own, LOAN_RATE_MOST, "loan"), (funding, funding, FUNDING_RATE_MOST, "funding")):
        highest = rate + shock
        if highest <= most:
            continue
        rule = f"lifts the highest {what} rate to {highest / 100:g}%, which must be at most {most / 100:g}%"
        if own + shock > most:
            faults.append(Fault(file, rule, *_lower_rates(scenario, law), f"{shock / 100:g}"))
        else:
            faults.append(Fault(file, rule, "lower rate_add_pct", None, "sector_margin"))


def _lower_rates(scenario: Scenario, law: rates.RateLaw) -> tuple[str, None, str]:
    """The way out of rates that go too high, and the key."""
    plan = scenario.rates
    if law.model != rates.RATE_GIVEN:
        return "lower the volatility of the short rate, or the shock", None, "rates.law" if plan and plan.law else "rates.model"
    if plan is not None and plan.path is not None:
        return "lower the path", None, "rates.path.shift_pct"
    twisted = plan is not None and plan.shape == "twist"
    return "lower the shock", None, "rates.short_pct, rates.long_pct" if twisted else "rates.shock_pct"


def _check_names(book: Book, scenario: Scenario, faults: list[Fault]) -> None:
    """Names of the scenario that must be in the book."""
    stocks, file = book.tables["instruments"], f"scenario {scenario.id}"
    known = {name: sorted(set(stocks[name].dropna())) if name in stocks else [] for name in ("instrument_id", "sector", "subsector")}
    named: list[tuple[str, str | None, str | None, tuple[str, ...]]] = []
    named += [(f"market.suspension.{at}", s.sector, None, s.instruments or ()) for at, s in enumerate(scenario.market.suspension)]
    named += [(f"sector_margin.{at}", m.sector, m.subsector, ()) for at, m in enumerate(scenario.sector_margin)]
    platforms = book.tables["platforms"]["platform_id"].tolist()
    for at, response in enumerate(scenario.response):
        for name in response.platforms:
            if name not in platforms:
                way_out = nearest(name, platforms)
                faults.append(Fault(file, "is no platform of the book", way_out, None, f"response.{at}.platforms", name))
    for place, sector, subsector, instruments in named:
        for name in instruments:
            if name not in known["instrument_id"]:
                way_out = close_to(name, known["instrument_id"]) or "correct the name, or add the instrument to the book"
                faults.append(Fault(file, "is no instrument of the book", way_out, None, f"{place}.instruments", name))
        for key, value in (("sector", sector), ("subsector", subsector)):
            if value is not None and value not in known[key]:
                way_out = nearest(value, known[key]) if known[key] else f"add a column {key} to the book's instruments"
                faults.append(Fault(file, f"is no {key} of the book", way_out, None, f"{place}.{key}", value))


def _check_needs(book: Book, scenario: Scenario, knows_costs: bool, faults: list[Fault]) -> None:
    """What the scenario needs and a book may lack."""
    stocks, file = book.tables["instruments"], f"scenario {scenario.id}"
    if scenario.operations.sale_order == "highest_loss" and not knows_costs:
        rule, way_out = "needs the cost of positions, and the book has none", "add cost_yuan to the positions, or choose another order"
        faults.append(Fault(file, rule, way_out, None, "operations.sale_order", "highest_loss"))
    lacking = stocks["instrument_id"][_outstanding(stocks) == 0].tolist()
    if scenario.liquidity.impact == "almgren" and lacking:
        names = ", ".join(lacking[:_NAMES_SHOWN]) + (f" and {len(lacking) - _NAMES_SHOWN} more" if len(lacking) > _NAMES_SHOWN else "")
        rule = f"needs the shares outstanding of every instrument, which {names} lack{'s' if len(lacking) == 1 else ''}"
        way_out = "add total_shares or float_shares to the book's instruments, or choose another law"
        faults.append(Fault(file, rule, way_out, None, "liquidity.impact", "almgren"))


def _positions(book: Book) -> tuple[I64, Any]:
    """The positions sorted by account, and the place of the account that holds each."""
    q, a = book.tables["positions"], book.tables["accounts"]
    owner = pd.Index(a["account_id"]).get_indexer(pd.Index(q["account_id"]))
    order = np.argsort(owner, kind="stable")
    position = layout.records(layout.POSITION, len(q))
    rank = pd.Index(book.tables["instruments"]["instrument_id"])
    position["instrument"] = rank.get_indexer(pd.Index(q["instrument_id"]))[order]
    shares = q["shares"].to_numpy(np.int64)[order]
    sellable = given(q, "sellable_shares", -1).to_numpy(np.int64)[order]
    cost = given(q, "cost_li", UNKNOWN).to_numpy(np.int64)[order]
    position["shares"], position["sellable"] = shares, np.where(sellable < 0, shares, sellable)
    price = np.clip(cost // np.maximum(shares, 1), 1, COST_PRICE_MOST)
    position["cost_price"] = np.where((cost == UNKNOWN) | (shares == 0), 0, price)
    return owner[order].astype(np.int64), position


def _loans(book: Book, scenario: Scenario, owner: I64, position: Any) -> _Loans:
    """Lines and rates of all loans at the book's date, with the scenario's stricter margins for sectors (M-49)."""
    a, stocks = book.tables["accounts"], book.tables["instruments"]
    warning, liquidation, rate = (a[c].to_numpy(np.int64) for c in ("warning_line_bp", "liquidation_line_bp", "loan_rate_bp"))
    rate = rates_on_debt(a, rate)
    restore = given(a, "restore_line_bp", -1).to_numpy(np.int64)
    restore = np.where(restore < 0, warning, restore)
    addition, premium, beyond = (np.zeros(len(a), np.int64) for _ in range(3))
    if not scenario.sector_margin:
        return _Loans(warning, liquidation, restore, rate, premium)
    held = position["instrument"].astype(np.int64)
    value = position["shares"].astype(np.int64) * stocks["price_li"].to_numpy(np.int64)[held]
    collateral = a["cash_li"].to_numpy(np.int64, copy=True)
    np.add.at(collateral, owner, value)
    lent = (collateral > 0) & (a["debt_li"].to_numpy(np.int64) > 0)
    whole = np.maximum(collateral, 1)
    for rule in scenario.sector_margin:
        key, name = ("sector", rule.sector) if rule.sector is not None else ("subsector", rule.subsector)
        mine = (stocks[key] == name).to_numpy(bool, na_value=False)[held] if key in stocks else np.zeros(held.size, bool)
        part = np.zeros(len(a), np.int64)
        np.add.at(part, owner[mine], value[mine])
        share = -(-part * 10_000 // whole)
        addition += share * round(rule.line_add_pct * 100)
        premium += share * round(rule.rate_add_pct * 100)
        if rule.single_name_cap_pct is not None:
            above = value - (collateral * round(rule.single_name_cap_pct * 100) // 10_000)[owner]
            above = np.where(mine, np.maximum(above, 0), 0)
            np.add.at(beyond, owner, -(-above * 10_000 // whole[owner]))
    addition, premium = (np.where(lent, -(-product // 10_000), 0) for product in (addition, premium))
    beyond = np.where(lent, np.minimum(beyond, BEYOND_MOST), 0)

    def stricter(line: I64) -> I64:
        strict: I64 = np.minimum(-(-(line + addition) * 10_000 // (10_000 - beyond)), LINE_MOST)
        return strict

    return _Loans(stricter(warning), stricter(liquidation), stricter(restore), rate + premium, premium)


def _accounts(book: Book, scenario: Scenario, owner: I64, loans: _Loans) -> Any:
    a, house = book.tables["accounts"], scenario.operations
    account = layout.records(layout.ACCOUNT, len(a))
    account["cash"], account["debt"] = a["cash_li"], a["debt_li"]
    account["platform"] = pd.Index(book.tables["platforms"]["platform_id"]).get_indexer(pd.Index(a["platform_id"]))
    account["investor_type"] = pd.Index(INVESTOR_TYPES).get_indexer(pd.Index(a["investor_type"]))
    account["warning_bp"], account["liquidation_bp"], account["restore_bp"] = loans.warning, loans.liquidation, loans.restore
    full = {"contract": given(a, "full_sale", False).astype(bool), "full": True, "partial": False}
    account["full_sale"] = full[house.sale]
    order = given(a, "sale_order", SALE_ORDERS[0])
    written = pd.Index(SALE_ORDERS).get_indexer(pd.Index(order))
    account["sale_order"] = written if house.sale_order == "contract" else SALE_ORDERS.index(house.sale_order)
    account["rate_bp"] = loans.rate
    held = np.bincount(owner, minlength=len(a))
    account["last"] = np.cumsum(held)
    account["first"] = np.cumsum(held) - held
    return account


def _instruments(book: Book, rules: list[BoardRule], market: Market, scenario: Scenario, basket: I64) -> Any:
    stocks = book.tables["instruments"]
    instrument = layout.records(layout.INSTRUMENT, len(stocks))
    volume = stocks["adv_shares"].to_numpy(np.int64)
    instrument["price"], instrument["volume"], instrument["weight"] = stocks["price_li"], volume, basket
    instrument["tick"] = [r.tick_li for r in rules]
    instrument["lot"] = [r.lot for r in rules]
    instrument["min_order"] = [r.min_order for r in rules]
    instrument["capacity"] = volume * round(scenario.liquidity.participation_pct * 100) // 10_000
    instrument["sigma"] = np.array([row[2] for row in loadings(stocks, market)]) / math.sqrt(DAYS_OF_YEAR)
    # Two square roots are exact to the last bit on every machine, a fourth root by power is not.
    instrument["theta"] = np.sqrt(np.sqrt(_outstanding(stocks) / volume))
    instrument["cost_bp"] = [selling_cost_bp(b, book.as_of) for b in stocks["board"]]
    return instrument


def _outstanding(stocks: pd.DataFrame) -> I64:
    """The shares outstanding of each instrument: all, else those in free float; 0 where neither is known (M-24)."""
    total, free = (given(stocks, c, 0).to_numpy(np.int64) for c in ("total_shares", "float_shares"))
    return np.where(total > 0, total, free)


def limit_table(book: Book, days: I64) -> NDArray[np.uint16]:
    """The daily limit in bp on days 0..T × instruments, 0 for none (M-13).

    An instrument's own limit holds on all days; else the board's of the day's date, and none on the first trading days
    after its listing where the board knows such days.
    """
    stocks = book.tables["instruments"]
    dates = [book.as_of + datetime.timedelta(days=int(d)) for d in days]
    boards = sorted(set(stocks["board"]))
    by_board = np.array([[rule.limit_bp if (rule := board_rule(b, date)) else 0 for b in boards] for date in dates], np.uint16)
    # Days one after the other in memory, as everywhere: another order would be another type, and everything compiled once more.
    table = np.ascontiguousarray(by_board[:, pd.Index(boards).get_indexer(pd.Index(stocks["board"]))])
    own = given(stocks, "price_limit_bp", -1).to_numpy(np.int64)
    for i, listed in enumerate(given(stocks, "listed", None)):
        if isinstance(listed, datetime.date):
            first = trading_day((listed - book.as_of).days)
            table[max(0, first): max(0, first + free_days(stocks["board"].iloc[i], listed)), i] = 0
    table[:, own >= 0] = own[own >= 0]
    return table


def closed_table(book: Book, scenario: Scenario, days: I64) -> NDArray[np.uint8]:
    """What book and scenario close on days 0..T × instruments: 1 where it is closed (M-44)."""
    stocks, market = book.tables["instruments"], scenario.market
    table = np.zeros((days.size, len(stocks)), np.uint8)
    until = days_after(given(stocks, "suspended_until", None), book.as_of)
    whole = given(stocks, "suspended", False).to_numpy(bool) & (until == UNKNOWN)
    table[:] = whole | (days[:, None] < until)
    for rule in market.suspension:
        table[rule.from_day: rule.to_day + 1, _suspended(stocks, rule)] = 1
    table[list(market.halt_days)] = 1
    return table


def _suspended(stocks: pd.DataFrame, rule: Suspension) -> NDArray[np.bool_]:
    if rule.instruments is not None:
        return stocks["instrument_id"].isin(rule.instruments).to_numpy(bool)
    key, name = ("sector", rule.sector) if rule.sector is not None else ("board", rule.board)
    return (stocks[key] == name).to_numpy(bool)


def _suspensions(scenario: Scenario) -> Suspensions:
    drawn = scenario.market.suspensions
    if drawn is None:
        return Suspensions()
    return Suspensions(round(drawn.base_pct * 100), round(drawn.slope_pct * 100), drawn.mean_days)


def line_available(platforms: pd.DataFrame, as_of: datetime.date) -> list[int]:
    """What each platform can draw at once, 厘: committed, unexpired, undrawn (M-17)."""
    line, drawn = given(platforms, "bank_line_li", 0), given(platforms, "line_drawn_li", 0)
    committed = given(platforms, "line_committed", False)
    expiry = given(platforms, "line_expiry", None)
    return [
        int(line.iloc[p]) - int(drawn.iloc[p])
        if committed.iloc[p] and (not isinstance(expiry.iloc[p], datetime.date) or expiry.iloc[p] > as_of) else 0
        for p in range(len(platforms))
    ]


def _lenders(book: Book, scenario: Scenario, days: I64, clauses: ClauseBook) -> tuple[Any, Any, Any]:
    p, claims = book.tables["platforms"], book.tables["claims"]
    ids = pd.Index(p["platform_id"])
    platform = layout.records(layout.PLATFORM, len(p))
    redeemable = claims[claims["kind"] != "account_equity"]
    owed = redeemable.groupby("platform_id")["amount_li"].sum()
    segregated = segregated_of_claims(book.tables)
    platform["cash"], platform["pool"] = p["cash_li"], p["liquid_pool_li"]
    platform["reserve"], platform["own_capital"] = p["reserve_li"], p["own_capital_li"]
    platform["other"] = given(p, "other_assets_li", 0).astype("int64")
    platform["line"] = line_available(p, book.as_of)
    platform["claims"] = [int(owed.get(name, 0)) - s for name, s in zip(ids, segregated, strict=True)]
    due = layout.records(layout.DUE, len(days), len(p))
    for at, name in enumerate(() if moves(scenario) else ids):
        mine = redeemable[redeemable["platform_id"] == name]
        due["own"][:, at], due["segregated"][:, at] = redemption_due(mine, segregated[at], scenario, days)
        due["foreign"][:, at] = foreign_asked(mine, scenario, days)
    return platform, due, _layers(book, days, ids, clauses)


def _layers(book: Book, days: I64, ids: pd.Index[Any], clauses: ClauseBook) -> Any:
    direct = direct_funding(book)
    layer = layout.records(layout.LAYER, len(ids) + len(direct))
    for at, name in enumerate(ids):
        senior = direct[(direct["platform_id"] == name) & (direct["seniority"] == 1)]["rate_bp"]
        rate = int(senior.max()) if len(senior) else 0
        layer[at] = (at, 0, rate, layout.FIXED, 0)
    for k, row in enumerate(direct.to_dict("records")):
        clause = layer_clause(row["rate_type"], int(row["reset_days"]), days, clauses)
        layer[len(ids) + k] = (
            ids.get_loc(row["platform_id"]), int(row["amount_li"]), int(row["rate_bp"]), clause, int(row["seniority"] > 1),
        )
    return layer


def _terms(scenario: Scenario, days: I64, highest_cost: int) -> layout.Terms:
    market, people, house = scenario.liquidity, scenario.behaviour, scenario.operations
    return layout.Terms(
        calendar=days,
        answer_bp=np.array([round(getattr(people.answer_pct, t) * 100) for t in INVESTOR_TYPES], np.int64),
        mood_bp=round(people.mood_pct * 100),
        grace_days=people.grace_days,
        impact=liquidity.Impact(
            law=_IMPACTS[market.impact],
            coefficient=float(market.impact_coefficient),
            floor=round((market.impact_floor_pct or 0.0) * 100) / 10_000,
            fraction=float(market.trading_fraction),
            permanent_bp=round(market.permanent_share_pct * 100),
            decay_ppb=int(prices.PPB * 2.0 ** (-1.0 / market.half_life_days)),
        ),
        cost_share_bp=highest_cost + round(market.expected_impact_pct * 100),
        selling_cost_bp=highest_cost,
        rounds_max=market.rounds_max,
        pool_haircut_bp=round(market.pool_haircut_pct * 100),
        payment_grace_days=house.payment_grace_days,
        call_all_after_failure=house.after_failure == "called",
        buyers_bp=round(market.buyers_pct * 100),
        exhaustion_bp=round(market.buyers_exhaustion_pct * 100),
        breaker_bp=round((scenario.market.circuit_breaker_pct or 0.0) * 100),
        batches=house.batches,
        minimum_sale=round(house.minimum_sale_yuan * 1000),
        displace=house.displace,
    )
