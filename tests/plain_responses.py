"""The plain twin of shut desks and responses: M-145 to M-153 of docs/method.md, in integers and dicts.

A path and its parts are those of plain.py; a world without the key "plan" has no such rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import isqrt
from typing import Any

from plain_market import BP, ceil_div

Plan = dict[str, Any]
PPM = 1_000_000
PPB = 1_000_000_000
YEAR_BP = 3_650_000
NO_PLAN: Plan = {"no_calls": (), "no_sales": (), "compensation_bp": 0, "rules": ()}


@dataclass
class Hedge:
    """A sold index, or puts on it, in units of one bp of the index."""

    rule: dict[str, Any]
    day: int
    units: int
    notional: int
    strike: int = 0
    margin: int = 0
    worth: int = 0
    carry: int = 0
    is_open: bool = True


@dataclass
class Desk:
    """What the responses of a platform have changed."""

    fired: dict[int, int] = field(default_factory=dict)
    hedges: list[Hedge] = field(default_factory=list)
    batches: int = 0
    resting: int = 0
    coverage: int | None = None
    collateral: int | None = None


def plan_of(path: Any) -> Plan:
    """Return the plan of a path's world."""
    found: Plan = path.world.get("plan", NO_PLAN)
    return found


def muted(path: Any) -> bool:
    """Whether nobody is called today (M-145)."""
    return path.day in plan_of(path)["no_calls"]


def shut(path: Any, index: int) -> bool:
    """Whether a platform sells nothing today (M-145, M-150)."""
    resting: int = path.platforms[index].desk.resting
    return path.day in plan_of(path)["no_sales"] or path.day <= resting


def batches_of(path: Any, account: Any) -> int:
    """Return the number of batches in which an account's platform sells today (M-150)."""
    changed: int = path.platforms[account.platform].desk.batches
    return changed or int(path.terms["batches"])


# --- what is known at yesterday's close (M-147) ---------------------------------------------------


def volatility_ppm(levels: list[int], over_days: int) -> int | None:
    """Return the volatility of the last returns, ppm a year; None if there are too few."""
    if len(levels) < over_days + 1:
        return None
    last = levels[-over_days - 1 :]
    squares = 0
    for before, after in pairwise(last):
        squares += min(2_000_000, abs(after - before) * PPM // max(1, before)) ** 2
    return isqrt(squares * 252 // over_days)


def fires(path: Any, platform: Any, rule: dict[str, Any]) -> bool:
    """Whether a rule's reading has reached its value."""
    value: int = rule["value"]
    levels = path.world["factor_bp"][: path.day]
    own = platform.terms["reserve"] + platform.terms["own_capital"]
    unpaid = platform.due[path.day - 1] - platform.paid
    if rule["when"] == "day":
        return bool(path.day >= value)
    if rule["when"] == "market_fall":
        return bool(BP - levels[-1] >= value)
    if rule["when"] == "volatility":
        seen = volatility_ppm(levels, rule["over_days"])
        return seen is not None and seen >= value * 100
    if rule["when"] == "margin_coverage":
        coverage = platform.desk.coverage
        return coverage is not None and coverage < value * 100
    if rule["when"] == "maintenance":
        loans = sum(a.debt for a in path.loans_of(path.platforms.index(platform)))
        return bool(loans > 0 and platform.desk.collateral is not None and platform.desk.collateral * BP < value * loans)
    if rule["when"] == "liquid_share":
        liquid = platform.cash + platform.in_transit + platform.pool
        return bool(liquid * BP < value * platform.claims)
    if rule["when"] == "own_funds_lost":
        lost = own - platform.reserve - platform.own_capital
        return bool(own > 0 and lost * BP >= value * own)
    assert rule["when"] == "unpaid", rule["when"]
    return bool(unpaid > 0 and unpaid >= value)


def respond(path: Any) -> None:
    """Before the open: fire rules, do what they say, settle the hedges of earlier days (M-147 to M-153)."""
    rules = plan_of(path)["rules"]
    for index, platform in enumerate(path.platforms):
        desk: Desk = platform.desk
        alive = not platform.failure_day
        for number, rule in enumerate(rules):
            named = rule["platform"] is None or rule["platform"] == index
            if alive and named and number not in desk.fired and fires(path, platform, rule):
                desk.fired[number] = path.day
                platform.tally.setdefault("first_response_day", path.day)
        for number, rule in enumerate(rules):
            if desk.fired.get(number) == path.day:
                act(path, index, rule)
        for hedge in desk.hedges:
            if hedge.is_open and hedge.day < path.day:
                settle(path, platform, hedge)


def act(path: Any, index: int, rule: dict[str, Any]) -> None:
    """Do what a rule says."""
    platform, amount = path.platforms[index], rule["amount"]
    if rule["do"] == "raise_lines":
        raise_lines(path, index, amount)
    elif rule["do"] == "cap_leverage":
        cap_leverage(path, index, rule)
    elif rule["do"] == "sell_in_batches":
        platform.desk.batches = amount
    elif rule["do"] == "pause_sales":
        platform.desk.resting = max(platform.desk.resting, path.day + amount - 1)
    elif rule["do"] == "draw_line":
        drawn = platform.line_left * amount // BP
        platform.line_left -= drawn
        platform.line_layer.amount += drawn
        platform.cash += drawn
        platform.add("line_drawn_li", drawn)
    else:
        open_hedge(path, index, rule)


# --- lines (M-148, M-149) -------------------------------------------------------------------------


def raise_lines(path: Any, index: int, by: int) -> None:
    """Raise all three lines of a platform's accounts."""
    for account in path.accounts:
        if account.platform == index:
            lines = ("warning_bp", "liquidation_bp", "restore_bp")
            account.terms = account.terms | {x: min(65_535, account.terms[x] + by) for x in lines}


def cap_leverage(path: Any, index: int, rule: dict[str, Any]) -> None:
    """Lift warning lines to where the leverage of an account is the cap."""
    seen = volatility_ppm(path.world["factor_bp"][: path.day], rule["over_days"])
    most = rule["amount"]
    if rule["target_ppm"] and seen is not None and seen > rule["target_ppm"]:
        most = most * rule["target_ppm"] // seen
    line = min(65_535, ceil_div(BP * most, most - BP)) if most > BP else 65_535
    for account in path.accounts:
        if account.platform == index:
            account.terms = account.terms | {"warning_bp": max(account.terms["warning_bp"], line)}


# --- hedges (M-151, M-152) ------------------------------------------------------------------------


def open_hedge(path: Any, index: int, rule: dict[str, Any]) -> None:
    """Sell the index or buy puts on it at the level of today's open, as far as the cash goes."""
    platform = path.platforms[index]
    level = max(1, path.world["factor_bp"][path.day])
    # Interest of the day has not been added yet: the loans are those of yesterday's close.
    loans = sum(account.debt for account in path.loans_of(index))
    size = min(2**46, loans // BP * rule["amount"])
    if rule["do"] == "hedge_put":
        price = rule["price_ppb"]
        if price and ceil_div(size * price, PPB) > platform.cash:
            size = platform.cash * PPB // price
        units = size // level
        hedge = Hedge(rule, path.day, units, units * level, strike=level * rule["strike_bp"] // BP)
        cost = ceil_div(hedge.notional * price, PPB)
        hedge.worth = units * max(0, hedge.strike - level)
        platform.own_capital += hedge.worth
        platform.add("hedge_gain_li", hedge.worth)
    else:
        parts = (rule["margin_bp"], rule["basis_bp"], rule["fee_bp"])
        if sum(ceil_div(size * part, BP) for part in parts) > platform.cash:
            size = platform.cash // sum(parts) * BP
        units = size // level
        hedge = Hedge(rule, path.day, units, units * level)
        hedge.margin, basis, fee = (ceil_div(hedge.notional * part, BP) for part in parts)
        platform.cash -= hedge.margin
        cost = basis + fee
    platform.cash -= cost
    platform.own_capital -= cost
    platform.add("hedge_cost_li", cost)
    hedge.is_open = units > 0
    platform.desk.hedges.append(hedge)


def settle(path: Any, platform: Any, hedge: Hedge) -> None:
    """Bring a hedge to the level of today's open."""
    before, after = path.world["factor_bp"][path.day - 1 : path.day + 1]
    for_days = hedge.rule["for_days"]
    over = bool(for_days) and path.day >= hedge.day + for_days
    if hedge.rule["do"] == "hedge_put":
        worth = hedge.units * max(0, hedge.strike - after)
        platform.own_capital += worth - hedge.worth
        platform.add("hedge_gain_li", worth - hedge.worth)
        hedge.worth = worth
        if over:
            platform.cash += worth
            hedge.worth, hedge.is_open = 0, False
        return
    nights = (path.day * 730 + 252) // 504 - ((path.day - 1) * 730 + 252) // 504
    charge, hedge.carry = divmod(hedge.notional * hedge.rule["carry_bp"] * nights + hedge.carry, YEAR_BP)
    gain = hedge.units * (before - after)
    platform.add("hedge_cost_li", charge)
    platform.add("hedge_gain_li", gain)
    platform.own_capital += gain - charge
    platform.cash += gain - charge
    lacking = max(0, -platform.cash)
    if lacking:
        from_margin = min(lacking, hedge.margin)
        hedge.margin -= from_margin
        platform.cash += lacking
        platform.line_layer.amount += lacking - from_margin
        platform.add("hedge_owed_li", lacking - from_margin)
    if over or lacking or platform.failure_day:
        platform.cash += hedge.margin
        hedge.margin, hedge.is_open = 0, False


def weigh(path: Any) -> None:
    """At the close, remember the collateral of all accounts with debt (M-147)."""
    for index, platform in enumerate(path.platforms):
        platform.desk.collateral = sum(
            account.cash + sum(p.shares * path.instruments[p.instrument].close for p in account.positions)
            for account in path.loans_of(index)
        )


# --- compensation (M-146) -------------------------------------------------------------------------


def mark_the_harmed(path: Any) -> None:
    """Remember what the shares of accounts below their line were worth when nobody could sell them."""
    if not plan_of(path)["compensation_bp"] or path.day not in plan_of(path)["no_sales"]:
        return
    for account in path.accounts:
        shares = sum(p.shares * path.instruments[p.instrument].price for p in account.positions)
        under = (account.cash + shares) * BP < account.terms["liquidation_bp"] * account.debt
        if account.debt > 0 and under and not account.mark:
            account.mark = shares


def compensate(path: Any) -> None:
    """On the first day after the desk was shut, take its part of the loss off the debt of the harmed."""
    plan = plan_of(path)
    if path.day in plan["no_sales"] or path.day - 1 not in plan["no_sales"]:
        return
    for account in path.accounts:
        mark, account.mark = account.mark, 0
        platform = path.platforms[account.platform]
        if not mark or account.debt == 0 or platform.failure_day:
            continue
        shares = sum(p.shares * path.instruments[p.instrument].price for p in account.positions)
        owed = min(account.debt, max(0, mark - shares) * plan["compensation_bp"] // BP)
        account.debt -= owed
        account.recall = max(0, account.recall - owed)
        if account.debt == 0:
            account.call, account.recall = None, 0
            account.begun = account.begun_before_today = False
        from_reserve = min(platform.reserve, owed)
        platform.reserve -= from_reserve
        platform.own_capital -= owed - from_reserve
        platform.add("compensation_li", owed)
