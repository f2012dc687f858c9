"""Book + market + scenario → what the kernels read. A named step: nothing is decided later, nothing is looked up again."""

from __future__ import annotations

import bisect
import datetime
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.book.checks import given, segregated_of_claims
from stresslab.book.files import Book
from stresslab.faults import Fault, InputError
from stresslab.glossary import INVESTOR_TYPES
from stresslab.kernels import cascade, layout, liquidity, prices, returns
from stresslab.market.calibrate import DAYS_OF_YEAR
from stresslab.market.files import Loading, Market
from stresslab.market.rules import BoardRule, board_rule, selling_cost_bp
from stresslab.scenario import Scenario

NEVER = layout.NEVER
#: Bounds of (M-2) on rates, bp.
LOAN_RATE_MOST, FUNDING_RATE_MOST = 10_000, 5_000

_IMPACTS = {"none": liquidity.IMPACT_NONE, "sqrt": liquidity.IMPACT_SQRT, "linear": liquidity.IMPACT_LINEAR}
_SHAPES = {"gap": returns.SHAPE_GAP, "ramp": returns.SHAPE_RAMP, "bridge": returns.SHAPE_BRIDGE}


@dataclass(frozen=True)
class Resolved:
    """One scenario of one book in one market, as arrays in the order of sorted ids."""

    scenario: str
    facts: layout.Facts
    market: returns.MarketTerms
    basket: NDArray[np.int64]  # shares of each instrument in all accounts together
    platform_ids: tuple[str, ...]
    account_ids: tuple[str, ...]
    instrument_ids: tuple[str, ...]


def calendar(days: int) -> NDArray[np.int64]:
    """Calendar days after the book's date of trading days 0..days (M-4)."""
    return np.array([(t * 365 * 2 + 252) // 504 for t in range(days + 1)], dtype=np.int64)


def first_day_at(calendar_days: NDArray[np.int64], wanted: int) -> int:
    """The first trading day whose calendar day is at least ``wanted``; NEVER if the run ends before it."""
    at = bisect.bisect_left(calendar_days.tolist(), wanted)
    return at if at < calendar_days.size else NEVER


def resolve(book: Book, market: Market, scenario: Scenario) -> Resolved:
    """The arrays of one scenario; raises :class:`InputError` if book, market and scenario do not fit together."""
    faults: list[Fault] = []
    stocks = book.tables["instruments"]
    rules = _board_rules(book, faults)
    terms = _market_terms(book, rules, market, scenario, faults)
    _check_rates(book, scenario, faults)
    if faults:
        raise InputError(faults)
    days = calendar(scenario.days)
    rank = pd.Index(stocks["instrument_id"])
    account, position = _accounts(book, scenario, days, rank)
    instrument = _instruments(book, rules, market, scenario)
    platform, due, layer = _lenders(book, scenario, days)
    highest = int(instrument["cost_bp"].max(initial=0))
    facts = cascade.make_facts(account, position, instrument, platform, due, layer, _terms(scenario, days, highest))
    basket = np.zeros(len(stocks), np.int64)
    np.add.at(basket, position["instrument"].astype(np.int64), position["shares"].astype(np.int64))
    return Resolved(
        scenario.id, facts, terms, basket, tuple(book.tables["platforms"]["platform_id"]),
        tuple(book.tables["accounts"]["account_id"]), tuple(stocks["instrument_id"]),
    )


def shock_bp(scenario: Scenario) -> int:
    """The parallel shock of rates in basis points, 0 without one."""
    return round(scenario.rates.shock_pct * 100) if scenario.rates else 0


def _board_rules(book: Book, faults: list[Fault]) -> list[BoardRule]:
    stocks = book.tables["instruments"]
    rules: list[BoardRule] = []
    for at, board in enumerate(stocks["board"]):
        rule = board_rule(board, book.as_of)
        if rule is None:
            faults.append(book.fault("instruments", at, "board", f"this board had no rules yet on the book's date {book.as_of}",
                                     "use board none with a price_limit_pct, or a later as_of"))
            rule = BoardRule(0, 1, 10, "")
        limits, lots, ticks = (given(stocks, c, -1) for c in ("price_limit_bp", "lot_size", "tick_li"))
        rules.append(BoardRule(
            rule.limit_bp if limits.iloc[at] < 0 else int(limits.iloc[at]),
            rule.lot if lots.iloc[at] < 0 else int(lots.iloc[at]),
            rule.tick_li if ticks.iloc[at] < 0 else int(ticks.iloc[at]),
            rule.source,
        ))
    return rules


def loadings(stocks: pd.DataFrame, market: Market) -> list[tuple[float, float, float]]:
    """(beta, sector loading, annual volatility as a fraction) of each instrument: the market's where given, else the book's."""
    out = []
    for name, beta, percent in zip(stocks["instrument_id"], stocks["beta"], stocks["volatility_pct"], strict=True):
        own = market.instruments.get(name, Loading())
        volatility = own.volatility_pct / 100 if own.volatility_pct is not None else float(percent) / 100
        out.append((own.beta if own.beta is not None else float(beta), own.sector, volatility))
    return out


def _low_volatility(book: Book, market: Market, at: int, least: float) -> Fault:
    """The fault of an instrument whose volatility is smaller than its market and sector part (M-8)."""
    name = book.tables["instruments"]["instrument_id"].iloc[at]
    rule = f"must be at least {math.ceil(10_000 * least - 1e-6) / 100:g}, which market and sector alone give {name} by its beta"
    way_out = "raise it, lower the beta, or lower the volatility of the factors in the market file"
    if (own := market.instruments.get(name)) is not None and own.volatility_pct is not None:
        return Fault("the market file", rule, way_out, None, f"instruments.{name}.volatility_pct", f"{own.volatility_pct:g}")
    return book.fault("instruments", at, "volatility_pct", rule, way_out)


def _market_terms(book: Book, rules: list[BoardRule], market: Market, scenario: Scenario, faults: list[Fault]) -> returns.MarketTerms:
    stocks = book.tables["instruments"]
    sectors = sorted(set(stocks["sector"]))
    sector_year = np.array([market.sector_volatility_pct(s) / 100 for s in sectors])
    factor_year = market.market.volatility_pct / 100
    rows = loadings(stocks, market)
    own = np.zeros(len(rows))
    for at, (beta, loading, volatility) in enumerate(rows):
        rest = volatility**2 - (beta * factor_year) ** 2 - (loading * sector_year[sectors.index(stocks["sector"].iloc[at])]) ** 2
        if rest < -1e-12:
            faults.append(_low_volatility(book, market, at, math.sqrt(volatility**2 - rest)))
        own[at] = math.sqrt(max(rest, 0.0))
    model = scenario.market.model or market.market.model
    day = 0.0 if model == "deterministic" else scenario.market.volatility_multiplier / math.sqrt(DAYS_OF_YEAR)
    crash = scenario.market.crash
    shocks = np.zeros(scenario.days + 1)
    if scenario.rates:
        shocks[scenario.rates.day:] = shock_bp(scenario) / 10_000
    return returns.MarketTerms(
        price=stocks["price_li"].to_numpy(np.int64), tick=np.array([r.tick_li for r in rules], np.int64),
        beta=np.array([r[0] for r in rows]), sector=np.array([sectors.index(s) for s in stocks["sector"]], np.int64),
        sector_loading=np.array([r[1] for r in rows]), own_sd=own * day,
        rate_beta=given(stocks, "rate_beta", 0.0).to_numpy(np.float64), sector_sd=sector_year * day, factor_sd=factor_year * day,
        factor_drift=0.0 if model == "deterministic" else market.market.drift_pct / 100 / DAYS_OF_YEAR,
        shape=_SHAPES[crash.shape] if crash else returns.SHAPE_NONE, trough_day=crash.trough_day if crash else 0,
        log_depth=math.log(1.0 - crash.depth_pct / 100) if crash else 0.0, flat_after=bool(crash and crash.after == "flat"),
        rate_shock=shocks,
    )


def _check_rates(book: Book, scenario: Scenario, faults: list[Fault]) -> None:
    shock = shock_bp(scenario)
    for table, column, most, what in (
        ("accounts", "loan_rate_bp", LOAN_RATE_MOST, "loan"), ("funding", "rate_bp", FUNDING_RATE_MOST, "funding"),
    ):
        highest = int(book.tables[table][column].max()) if len(book.tables[table]) else 0
        if highest + shock > most:
            rule = f"lifts the highest {what} rate to {(highest + shock) / 100:g}%, which must be at most {most / 100:g}%"
            faults.append(Fault(f"scenario {scenario.id}", rule, "lower the shock", None, "rates.shock_pct", f"{shock / 100:g}"))


def _accounts(book: Book, scenario: Scenario, days: NDArray[np.int64], rank: pd.Index[Any]) -> tuple[Any, Any]:
    a, q = book.tables["accounts"], book.tables["positions"]
    account = layout.records(layout.ACCOUNT, len(a))
    platforms = pd.Index(book.tables["platforms"]["platform_id"])
    account["cash"], account["debt"] = a["cash_li"], a["debt_li"]
    account["platform"] = platforms.get_indexer(a["platform_id"])
    account["investor_type"] = [INVESTOR_TYPES.index(t) for t in a["investor_type"]]
    account["warning_bp"], account["liquidation_bp"] = a["warning_line_bp"], a["liquidation_line_bp"]
    restore = given(a, "restore_line_bp", -1).astype("int64")
    account["restore_bp"] = restore.where(restore >= 0, a["warning_line_bp"])
    account["full_sale"] = given(a, "full_sale", False).astype("int64")
    account["rate_bp"] = a["loan_rate_bp"]
    account["rate_after_bp"], account["switch_day"] = _loan_rates(book, scenario, days)
    owner = pd.Index(a["account_id"]).get_indexer(q["account_id"])
    order = np.argsort(owner, kind="stable")
    held = np.bincount(owner, minlength=len(a))
    account["last"] = np.cumsum(held)
    account["first"] = np.cumsum(held) - held
    position = layout.records(layout.POSITION, len(q))
    position["instrument"] = rank.get_indexer(pd.Index(q["instrument_id"]))[order]
    position["shares"] = q["shares"].to_numpy(np.int64)[order]
    sellable = given(q, "sellable_shares", -1).to_numpy(np.int64)[order]
    position["sellable"] = np.where(sellable < 0, position["shares"], sellable)
    return account, position


def _loan_rates(book: Book, scenario: Scenario, days: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rate of each loan after the shock, and the trading day from which it is charged (M-11)."""
    a = book.tables["accounts"]
    rate = a["loan_rate_bp"].to_numpy(np.int64)
    after, switch = rate.copy(), np.full(len(a), NEVER, np.int64)
    if scenario.rates is None:
        return after, switch
    moves = (given(a, "rate_type", "fixed") != "fixed").to_numpy()
    cap = given(a, "rate_cap_bp", NEVER).to_numpy(np.int64)
    after[moves] = np.maximum(0, np.minimum(rate + shock_bp(scenario), np.maximum(cap, rate)))[moves]
    start = int(days[scenario.rates.day])
    notices = given(a, "rate_notice_days", 0).to_numpy(np.int64)
    day_of = {int(n): max(scenario.rates.day, first_day_at(days, start + int(n))) for n in np.unique(notices)}
    switch[moves] = np.array([day_of[int(n)] for n in notices])[moves]
    if "rate_lock_until" in a:
        for at, until in enumerate(a["rate_lock_until"]):
            if moves[at] and isinstance(until, datetime.date):
                switch[at] = max(switch[at], first_day_at(days, (until - book.as_of).days + 1))
    return after, switch


def _instruments(book: Book, rules: list[BoardRule], market: Market, scenario: Scenario) -> Any:
    stocks = book.tables["instruments"]
    instrument = layout.records(layout.INSTRUMENT, len(stocks))
    instrument["price"], instrument["volume"] = stocks["price_li"], stocks["adv_shares"]
    instrument["tick"] = [r.tick_li for r in rules]
    instrument["lot"] = [r.lot for r in rules]
    instrument["limit_bp"] = [r.limit_bp for r in rules]
    instrument["capacity"] = stocks["adv_shares"].to_numpy(np.int64) * round(scenario.liquidity.participation_pct * 100) // 10_000
    instrument["suspended"] = given(stocks, "suspended", False).astype("int64")
    instrument["sigma"] = np.array([row[2] for row in loadings(stocks, market)]) / math.sqrt(DAYS_OF_YEAR)
    instrument["cost_bp"] = [selling_cost_bp(b, book.as_of) for b in stocks["board"]]
    return instrument


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


def direct_funding(book: Book) -> pd.DataFrame:
    """The funding layers that lend to a platform itself, not to another layer."""
    funding = book.tables["funding"]
    return funding[funding["parent_id"].isna()].reset_index(drop=True) if "parent_id" in funding else funding


def _lenders(book: Book, scenario: Scenario, days: NDArray[np.int64]) -> tuple[Any, Any, Any]:
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
    for at, name in enumerate(ids):
        mine = redeemable[redeemable["platform_id"] == name]
        due["own"][:, at], due["segregated"][:, at] = redemption_due(mine, segregated[at], scenario, days)
    return platform, due, _layers(book, scenario, days, ids)


def _layers(book: Book, scenario: Scenario, days: NDArray[np.int64], ids: pd.Index[Any]) -> Any:
    direct = direct_funding(book)
    layer = layout.records(layout.LAYER, len(ids) + len(direct))
    for at, name in enumerate(ids):
        senior = direct[(direct["platform_id"] == name) & (direct["seniority"] == 1)]["rate_bp"]
        rate = int(senior.max()) if len(senior) else 0
        layer[at] = (at, 0, rate, rate, NEVER, 0)
    for k, row in enumerate(direct.to_dict("records")):
        rate, after, switch = int(row["rate_bp"]), int(row["rate_bp"]), NEVER
        if scenario.rates and row["rate_type"] == "floating":
            after = max(0, rate + shock_bp(scenario))
            period = int(row["reset_days"])
            switch = first_day_at(days, -(-int(days[scenario.rates.day]) // period) * period)
        layer[len(ids) + k] = (
            ids.get_loc(row["platform_id"]), int(row["amount_li"]), rate, after, switch, int(row["seniority"] > 1),
        )
    return layer


def asked_amounts(claims: pd.DataFrame, scenario: Scenario) -> list[int]:
    """What each redeemable claim of one platform asks for, 厘, in table order (M-16)."""
    amounts = [int(x) for x in claims["amount_li"]]
    if scenario.redemption is None:
        return [0] * len(amounts)
    share = round(scenario.redemption.share_pct * 100)
    total = sum(amounts) * share // 10_000
    if scenario.redemption.who == "pro_rata":
        asked = [x * share // 10_000 for x in amounts]
        cut = [at for at, x in enumerate(amounts) if x * share % 10_000]  # nobody is asked for more than it has
        for at in cut[: total - sum(asked)]:
            asked[at] += 1
        return asked
    group = group_of(claims)
    size: dict[str, int] = {}
    for name, amount in zip(group, amounts, strict=True):
        size[name] = size.get(name, 0) + amount
    order = {name: at for at, name in enumerate(sorted(size, key=lambda g: (-size[g], g)))}
    asked = [0] * len(amounts)
    for at in sorted(range(len(amounts)), key=lambda i: (order[group[i]], i)):
        asked[at] = min(amounts[at], total)
        total -= asked[at]
    return asked


def group_of(claims: pd.DataFrame) -> list[str]:
    """The client group of each claim: group_id, else client_id."""
    if "group_id" not in claims:
        return [str(c) for c in claims["client_id"]]
    return [g if isinstance(g, str) else str(c) for g, c in zip(claims["group_id"], claims["client_id"], strict=True)]


def redemption_due(
    claims: pd.DataFrame, segregated: int, scenario: Scenario, days: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cumulative amounts due on days 0..T of one platform: from its own tiers, and from segregated money (M-16)."""
    free, other = np.zeros(days.size, np.int64), np.zeros(days.size, np.int64)
    plan = scenario.redemption
    if plan is None:
        return other, free
    for amount, kind, notice in zip(asked_amounts(claims, scenario), claims["kind"], claims["notice_days"], strict=True):
        paid_before = 0
        for j in range(1, plan.over_days + 1):
            so_far = amount * j // plan.over_days
            ask = plan.start_day + j - 1
            due = first_day_at(days, int(days[ask]) + int(notice)) if ask < days.size else NEVER
            if due != NEVER:
                (free if kind == "free_cash" else other)[due:] += so_far - paid_before
            paid_before = so_far
    whole = int(claims.loc[claims["kind"] == "free_cash", "amount_li"].sum())
    kept = np.array([int(x) * segregated // whole if whole else 0 for x in free], np.int64)
    return other + free - kept, kept


def _terms(scenario: Scenario, days: NDArray[np.int64], highest_cost: int) -> layout.Terms:
    market, people, house = scenario.liquidity, scenario.behaviour, scenario.operations
    return layout.Terms(
        calendar=days,
        answer_bp=np.array([round(getattr(people.answer_pct, t) * 100) for t in INVESTOR_TYPES], np.int64),
        mood_bp=round(people.mood_pct * 100),
        grace_days=people.grace_days,
        impact=_IMPACTS[market.impact],
        impact_coefficient=float(market.impact_coefficient),
        permanent_bp=round(market.permanent_share_pct * 100),
        decay_ppb=int(prices.PPB * 2.0 ** (-1.0 / market.half_life_days)),
        cost_share_bp=highest_cost + round(market.expected_impact_pct * 100),
        selling_cost_bp=highest_cost,
        rounds_max=market.rounds_max,
        pool_haircut_bp=round(market.pool_haircut_pct * 100),
        payment_grace_days=house.payment_grace_days,
        call_all_after_failure=house.after_failure == "called",
    )
