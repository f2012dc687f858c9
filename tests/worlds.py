"""Small valid worlds for tests: strategies that aim at the edges, and one worked by hand.

A world is the input of one path as plain lists and integers: what a kernel and its slow twin read.
"""

from __future__ import annotations

from math import gcd
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

World = dict[str, Any]

BP = 10_000
NEVER = 1_000_000
FIXED = 0  # of a funding layer: it has no resets
MOST_MONEY = 2**46 - 1
MOST_SHARES = 2**31 - 1
ORDERS = ("pro_rata", "most_liquid", "largest", "most_volatile", "highest_loss")
IMPACTS = ("none", "sqrt", "linear", "exponential", "almgren")
# Lot and minimum order: shares, STAR, funds, and odd ones.
LOTS = ((100, 100), (100, 1), (1, 200), (1, 200), (1, 100), (1, 1), (200, 200), (100, 250))
LIMITS = (0, 1000, 0, 2000, 1000, 0, 500)
WARNINGS = (10_000, 10_500, 11_200, 11_500, 13_000, 14_000, 15_000)
FALLS = {
    "flat": (0, 0),
    "ticks": (-1, 1),
    "gradual": (0, 300),
    "steep": (300, 1500),
    "gap": (500, 6000),
    "rise": (-2000, 0),
}


def rounded(price: int, tick: int) -> int:
    """Return a price rounded half up to the tick, at least one tick."""
    return max(1, (2 * price + tick) // (2 * tick)) * tick


@st.composite
def price_paths(draw: DrawFn, price: int, tick: int, days: int) -> list[int]:
    """Draw a fundamental path: one mood for all days, or a new one each day."""
    kinds = st.sampled_from(("gap", "steep", "gradual", "gap", "steep", "flat", "ticks", "rise"))
    steady = draw(st.booleans())
    kind = draw(kinds)
    path = [price]
    for _ in range(days):
        if not steady:
            kind = draw(kinds)
        low, high = FALLS[kind]
        step = draw(st.integers(low, high))
        if kind == "ticks":
            path.append(max(1, path[-1] // tick + step) * tick)
        else:
            path.append(min(rounded(path[-1] * (BP - step) // BP, tick), 2**30 // tick * tick))
    return path


@st.composite
def instruments(draw: DrawFn, scale: int) -> dict[str, Any]:
    """Draw one instrument: low prices, where a tick is much, and tiny turnover among them."""
    tick = draw(st.sampled_from((10, 10, 1)))
    ticks = draw(st.sampled_from((1000, 1000, 1, 9, 104, 115, 1234, 1650, 5000, 20_000)))
    volume = draw(
        st.sampled_from((10_000,) * 4 + (20_000, 20_000, 3_000, 100_000, 0, 70, 1_000, 2_000_000))
    )
    lot, min_order = draw(st.sampled_from(LOTS))
    return {
        "price": tick * ticks,
        "tick": tick,
        "lot": lot,
        "min_order": min_order,
        "adv_shares": min(volume * scale, MOST_SHARES),
        "sigma_day": draw(st.sampled_from((0.2, 0.2, 0.8, 0.0189, 0.05, 0.0))),
        "theta": draw(st.sampled_from((1.0, 3.3, 6.1))),
        "cost_bp": draw(st.sampled_from((0, 0, 7, 10, 150))),
    }


@st.composite
def limit_paths(draw: DrawFn, days: int) -> list[int]:
    """Draw an instrument's daily limits: the same every day, or another one from some day on."""
    first = draw(st.sampled_from(LIMITS))
    if draw(st.integers(0, 3)):
        return [0] + [first] * days
    change = draw(st.integers(1, max(1, min(days, 4))))
    second = draw(st.sampled_from(LIMITS))
    return [0] + [first if day < change else second for day in range(1, days + 1)]


@st.composite
def closures(draw: DrawFn, days: int) -> list[int]:
    """Draw an instrument's closed days: none, all, the first ones, some in the middle, single ones."""
    kind = draw(st.sampled_from(("open",) * 10 + ("whole", "until", "middle", "single")))
    start, length = draw(st.integers(1, min(days, 4))), draw(st.integers(1, 3))
    if kind == "single":
        return [0] + [draw(st.sampled_from((0, 0, 1))) for _ in range(days)]
    first, last = {
        "open": (1, 0),
        "whole": (1, days),
        "until": (1, start),
        "middle": (start, start + length - 1),
    }[kind]
    return [0] + [int(first <= day <= last) for day in range(1, days + 1)]


@st.composite
def closed_tables(draw: DrawFn, count: int, days: int) -> list[list[int]]:
    """Draw the closed days of all instruments, at times with days on which the whole market is shut."""
    by_name = [draw(closures(days)) for _ in range(count)]
    table = [list(row) for row in zip(*by_name, strict=True)]
    for day in draw(st.sampled_from(((),) * 11 + ((1,), (2,), (2, 3)))):
        if day <= days:
            table[day] = [1] * count
    return table


@st.composite
def positions(draw: DrawFn, prices: list[int], scale: int) -> list[dict[str, int]]:
    """Draw an account's positions, at most one for each instrument, odd lots among them.

    Their cost is unknown, that of the book, just beside it, far above or far below it.
    """
    rows = []
    count = len(prices)
    held = [index for index in range(count) if draw(st.sampled_from((True, True, False)))]
    if not held and draw(st.sampled_from((True,) * 9 + (False,))):
        held = [draw(st.integers(0, count - 1))]
    for index in held:
        lots = draw(st.sampled_from((37, 37, 37, 10, 10, 300, 0, 1, 2)))
        shares = (lots * 100 + draw(st.sampled_from((0, 0, 1, 37, 99)))) * scale
        part = draw(st.sampled_from((3, 3, 3, 3, 3, 3, 2, 1, 0)))
        sellable = (0, min(1, shares), shares // 2, shares)[part]
        price = prices[index]
        costs = (0, price, price + 1, max(1, price - 1), 2 * price, max(1, price // 2), 2**32 - 1)
        cost_price = draw(st.sampled_from(costs))
        rows.append(
            {
                "instrument": index,
                "shares": shares,
                "sellable": sellable,
                "cost_price": cost_price,
            }
        )
    return rows


def within_bounds(held: list[dict[str, int]], fundamental: list[list[int]]) -> list[dict[str, int]]:
    """Return the positions, made smaller where their value would leave the bounds (M-2)."""
    most = max(sum(p["shares"] * row[p["instrument"]] for p in held) for row in fundamental)
    part = 1 if most <= MOST_MONEY else 10_000
    return [{**p, "shares": p["shares"] // part, "sellable": p["sellable"] // part} for p in held]


def onto_line(line_bp: int, value: int, nudge: int) -> tuple[int, int]:
    """Return debt and cash with which cash + value stands on a line, nudged by some 厘."""
    unit = BP // gcd(BP, line_bp)
    debt = max(unit, -(-value * BP // (line_bp * unit)) * unit)
    return debt, max(0, debt * line_bp // BP - value + nudge)


@st.composite
def lines(draw: DrawFn) -> tuple[int, int, int]:
    """Draw warning, liquidation and restore line, the last at times below the others."""
    warning = draw(st.sampled_from(WARNINGS))
    liquidation = draw(st.sampled_from((warning, warning - 500, warning - 1000)))
    liquidation = max(10_000, liquidation)
    restore = draw(
        st.sampled_from(
            (warning, warning, warning + 1000, liquidation, warning - 200, 10_020, 10_000)
        )
    )
    return warning, liquidation, max(10_000, restore)


@st.composite
def accounts(
    draw: DrawFn,
    platforms: int,
    fundamental: list[list[int]],
    scale: int,
    day: int,
    place: int | None = None,
) -> dict[str, Any]:
    """Draw one account, mostly on one of its lines, or next to it, at a day's prices.

    With a place it stands in a crowd: the first just below its line, each further one a step higher.
    """
    held = within_bounds(draw(positions(fundamental[0], scale)), fundamental)
    prices = fundamental[day]
    value = sum(p["shares"] * prices[p["instrument"]] for p in held)
    warning, liquidation, restore = draw(lines())
    aim = draw(st.sampled_from(("line",) * 4 + ("near",) * 5 + ("levered", "under", "no debt")))
    if place is not None:
        debt, cash = value * BP * 1000 // (liquidation * (999 + 30 * place)), 0
    elif aim == "line":
        line = draw(st.sampled_from((liquidation, liquidation, warning, restore)))
        debt, cash = onto_line(line, value, draw(st.sampled_from((-1, -1, 0, 1))))
    elif aim == "near":
        above = 100 + draw(st.sampled_from((1, 3, 8, 15)))
        debt, cash = value * BP * 100 // (liquidation * above), 0
    elif aim == "no debt":
        debt, cash = 0, draw(st.sampled_from((0, 1, 12_345)))
    else:
        ratio = draw(st.integers(5000, 10_000) if aim == "under" else st.integers(10_000, 30_000))
        debt = value * BP // ratio + draw(st.sampled_from((0, 1, 777)))
        cash = draw(st.sampled_from((0, 0, 1, value // 50, debt + 1)))
    rate = draw(st.sampled_from((0, 0, 1, 650, 2400)))
    return {
        "platform": draw(st.integers(0, platforms - 1)),
        "type": draw(st.integers(0, 2)),
        "cash": min(cash, MOST_MONEY),
        "debt": min(debt, MOST_MONEY),
        "rate_bp": rate,
        "rate_most_bp": rate + draw(st.sampled_from((0, 200, 60_000))),
        "floats_from": draw(st.sampled_from((NEVER, 1, 1, 3))),
        "notice": draw(st.sampled_from((0, 0, 1, 3, 400))),
        "warning_bp": warning,
        "liquidation_bp": liquidation,
        "restore_bp": restore,
        "full_sale": draw(st.sampled_from((False, False, True))),
        "sale_order": draw(st.sampled_from(("pro_rata", *ORDERS))),
        "positions": held,
    }


@st.composite
def due_paths(draw: DrawFn, most: int, days: int) -> list[int]:
    """Draw a cumulative path of what falls due, at most a total."""
    total = most * draw(st.sampled_from((0, 0, 5, 20, 60, 100))) // 100
    start = draw(st.integers(1, max(1, days)))
    over = draw(st.sampled_from((1, 1, 2, 5)))
    return [total * min(over, max(0, t - start + 1)) // over for t in range(days + 1)]


@st.composite
def shift_paths(draw: DrawFn, days: int) -> list[int]:
    """Draw how rates move from day to day, bp: not at all, in one step, or by many, far below zero too."""
    kind = draw(st.sampled_from(("none", "step", "walk", "walk", "leap")))
    if kind == "none":
        return [0] * (days + 1)
    if kind == "step":
        start, size = draw(st.integers(1, days)), draw(st.sampled_from((200, -200, 1, 5000)))
        return [size if day >= start else 0 for day in range(days + 1)]
    most = 40 if kind == "walk" else 3000
    path = [0]
    for _ in range(days):
        path.append(max(-9000, min(9000, path[-1] + draw(st.integers(-most, most)))))
    return path


@st.composite
def fundings(draw: DrawFn, amount: int) -> dict[str, int]:
    """Draw one funding layer of an amount."""
    rate = draw(st.sampled_from((0, 1, 500, 900)))
    return {
        "amount": amount,
        "rate_bp": rate,
        "reset_days": draw(st.sampled_from((FIXED, 1, 2, 5, 90))),
        "seniority": draw(st.sampled_from((1, 2, 3))),
    }


@st.composite
def platforms(draw: DrawFn, loans: int, days: int) -> dict[str, Any]:
    """Draw one platform that balances: own capital and reserve are thin as often as not."""
    base = max(loans, draw(st.sampled_from((0, 1_000, 1_000_000))))
    share = st.sampled_from((0, 0, 1, 5, 20))
    cash = base * draw(share) // 100
    pool = base * draw(share) // 100
    other = base * draw(share) // 100
    left = loans + cash + pool + other
    own_capital = left * draw(st.sampled_from((0, 1, 2, 5, 10, 30))) // 100
    left -= own_capital
    reserve = left * draw(st.sampled_from((0, 0, 1, 5))) // 100
    left -= reserve
    line_drawn = left * draw(st.sampled_from((0, 0, 3))) // 100
    left -= line_drawn
    funding = []
    for _ in range(draw(st.integers(0, 3))):
        layer = draw(fundings(left * draw(st.sampled_from((0, 5, 30, 100))) // 100))
        left -= layer["amount"]
        funding.append(layer)
    return {
        "cash": cash,
        "pool": pool,
        "other": other,
        "line": base * draw(share) // 100,
        "line_drawn": line_drawn,
        "line_rate_bp": draw(st.sampled_from((0, 500))),
        "reserve": reserve,
        "own_capital": own_capital,
        "claims": left,
        "funding": funding,
        "due": draw(due_paths(left, days)),
        "due_segregated": draw(due_paths(left // 10, days)),
    }


@st.composite
def terms(draw: DrawFn) -> dict[str, Any]:
    """Draw the terms that hold for a whole run."""
    impact = draw(st.sampled_from((*IMPACTS, *IMPACTS[1:])))
    return {
        "participation_bp": draw(st.sampled_from((10_000, 10_000, 2500, 1000))),
        "impact": impact,
        "impact_coefficient": draw(st.sampled_from((0.4, 1.0, 0.1, 2.0))),
        "impact_floor": draw(st.sampled_from((0.5, 0.2, 0.0, 0.9))),
        "impact_fraction": draw(st.sampled_from((1.0, 0.25, 0.1))),
        "buyers_bp": draw(st.sampled_from((0, 0, 500, 2500, 10_000, 1))),
        "exhaustion_bp": draw(st.sampled_from((10_000, 30_000, 25_000, 0))),
        "breaker_bp": draw(st.sampled_from((0, 0, 0, 0, 0, 0, 0, 1, 700, 1500, 3000))),
        "batches": draw(st.sampled_from((1, 1, 1, 1, 2, 3, 4))),
        "minimum_sale": draw(st.sampled_from((0, 0, 0, 1, 1_000_000, 20_000_000, 10**13))),
        "displace": draw(st.sampled_from((True, True, False))),
        "permanent_bp": draw(st.sampled_from((0, 3333, 5000, 10_000))),
        "decay_ppb": draw(st.sampled_from((0, 870_550_563, 965_936_328, 999_999_999))),
        "expected_impact_bp": draw(st.sampled_from((0, 50, 300))),
        "rounds_max": draw(st.integers(1, 6)),
        "pool_haircut_bp": draw(st.sampled_from((0, 200, 3333, 9_900))),
        "grace_days": draw(st.integers(0, 3)),
        "answer_bp": draw(st.permutations((0, 5000, 10_000))),
        "mood_bp": draw(st.sampled_from((0, 5000, 10_000, 30_000))),
        "payment_grace_days": draw(st.integers(0, 2)),
        "run_off": draw(st.sampled_from(("held", "called"))),
    }


@st.composite
def holders(draw: DrawFn, whole: int, free: int) -> list[dict[str, Any]]:
    """Draw the claims of a platform: `free` of free cash, and the rest; few groups, some with several claims."""
    rows = []
    for is_free, amount in ((False, whole - free), (True, free)):
        left = amount
        for last in (False, False, False, True):
            part = left if last else left * draw(st.sampled_from((0, 10, 40, 90))) // 100
            left -= part
            if part or draw(st.sampled_from((False,) * 5 + (True,))):
                rows.append({
                    "amount": part,
                    "group": draw(st.sampled_from(("a", "b", "c", "d", "e"))),
                    "notice": draw(st.sampled_from((0, 0, 1, 2, 7, 400))),
                    "free": is_free,
                    "foreign": draw(st.sampled_from((False, False, True))),
                    "planned": part * draw(st.sampled_from((0, 0, 20, 60, 100))) // 100,
                })
    return rows


@st.composite
def triggers(draw: DrawFn, own_funds: int) -> tuple[str, int]:
    """Draw what makes a funder take his money back, at times on its very threshold at the book's date."""
    return draw(st.sampled_from((
        ("market_fall", 1), ("market_fall", 2_000), ("market_fall", 4_000), ("rating", 0), ("rating", 2), ("own_funds", own_funds),
        ("own_funds", own_funds + 1), ("own_funds_of_loans", 500), ("own_funds_of_loans", 3_000), ("coverage", 10_000),
        ("coverage", 9_500), ("foreign", 0),
    )))


@st.composite
def nodes(draw: DrawFn, funding: list[dict[str, int]], own_funds: int) -> list[dict[str, Any]]:
    """Draw the layers of a platform's funding: one for each direct layer, and some behind them."""
    out: list[dict[str, Any]] = []
    room: list[int] = []

    def add(above: int, layer: int, amount: int) -> None:
        clauses = [
            {
                "own": amount * draw(st.sampled_from((50, 100, 100))) // 100,
                "triggers": draw(st.lists(triggers(own_funds), min_size=1, max_size=2)),
            }
            for _ in range(draw(st.sampled_from((1, 1, 0, 2))))
        ]
        out.append({
            "above": above, "layer": layer, "notice": draw(st.sampled_from((0, 0, 1, 3, 60))), "foreign": draw(st.booleans()),
            "clauses": clauses,
        })
        room.append(amount)

    for layer, terms in enumerate(funding):
        add(-1, layer, terms["amount"])
    for _ in range(draw(st.integers(0, 3)) if out else 0):
        above = draw(st.integers(0, len(out) - 1))
        part = room[above] * draw(st.sampled_from((30, 60, 100))) // 100
        room[above] -= part
        add(above, out[above]["layer"], part)
    return out


@st.composite
def withdrawals(draw: DrawFn, lenders: list[dict[str, Any]], days: int) -> dict[str, Any] | None:
    """Draw requests that are the path's own, half of the time: a plan, gates, a wave, foreign money, clauses."""
    if draw(st.booleans()):
        return None
    gate = draw(st.sampled_from((None, None, 0, 100, 2_000)))
    for lender in lenders:
        segregated = lender["claims"] * draw(st.sampled_from((0, 0, 10, 100))) // 100
        whole = lender["claims"] + segregated
        free = max(segregated, whole * draw(st.sampled_from((0, 20, 100))) // 100)
        lender.update(
            segregated=segregated,
            holders=draw(holders(whole, free)),
            gate=None if gate is None else lender["claims"] * gate // BP,
            nodes=draw(nodes(lender["funding"], lender["reserve"] + lender["own_capital"])),
        )
    wave = {
        "from_day": draw(st.sampled_from((1, 1, 2))),
        "base": draw(st.sampled_from((0, 1_000_000, 50_000_000, 10**9))),
        "feed": draw(st.sampled_from((0, 100_000_000, 10**9, 5 * 10**9))),
        "decay": draw(st.sampled_from((0, 500_000_000, 900_000_000, 10**9))),
        "part_bp": draw(st.sampled_from((10_000, 10_000, 3_333, 1))),
        "loss": draw(st.sampled_from(((), ((1, 300_000_000),), ((1_000, 10**8), (5_000, 10**9))))),
        "downgrade": draw(st.sampled_from((0, 200_000_000))),
        "unpaid": draw(st.sampled_from((0, 300_000_000))),
    }
    foreign = {
        "start": draw(st.integers(1, days)), "over": draw(st.sampled_from((1, 2))), "fall_bp": draw(st.sampled_from((0, 1, 2_000, 4_000))),
    }
    return {
        "random_bp": draw(st.sampled_from((0, 0, 2_000, 3_001, 10_000))),
        "start": draw(st.integers(1, days)),
        "over": draw(st.sampled_from((1, 1, 2, 5))),
        "grade": draw(st.integers(0, 3)),
        "wave": draw(st.sampled_from((wave, wave, None))),
        "foreign": draw(st.sampled_from((foreign, None))),
    }


@st.composite
def exchanges(draw: DrawFn, lenders: list[dict[str, Any]], days: int) -> list[dict[str, int]]:
    """Draw rates of exchange by day, mostly none: small rises, as amounts may already be as large as they can be."""
    layers = [(p, k) for p, lender in enumerate(lenders) for k in range(len(lender["funding"]))]
    moves = []
    for _ in range(draw(st.sampled_from((0, 0, 1, 2, 3))) if layers else 0):
        p, k = draw(st.sampled_from(layers))
        moves.append({"day": draw(st.integers(1, days)), "platform": p, "layer": k, "rise_bp": draw(st.sampled_from((1, 700, 2_500)))})
    return sorted(moves, key=lambda m: m["day"])


def opening(world: World) -> list[int]:
    """Return the quoted prices of day 1, when no impact is left yet (M-13, M-14)."""
    prices = []
    for index, terms in enumerate(world["instruments"]):
        price, tick, limit = terms["price"], terms["tick"], world["limit_bp"][1][index]
        target = world["fundamental"][1][index]
        if world["closed"][1][index]:
            target = price
        elif limit:
            units = price // tick
            low = min(units - 1, (units * (BP - limit) + 5000) // BP)
            high = max(units + 1, (units * (BP + limit) + 5000) // BP)
            target = min(max(target, max(low, 1) * tick), high * tick)
        prices.append(target)
    return prices


def breaker_at(world: World, nudge: int) -> None:
    """Set a breaker that the fall at the open of day 1 just reaches: by some 厘 more than it needs.

    The level times the index is made to fit by coins that an account without debt holds: shares of
    one 厘 that never move, so that they change the index and not its fall.
    """
    weights = [0] * len(world["instruments"])
    for account in world["accounts"]:
        for position in account["positions"]:
            weights[position["instrument"]] += position["shares"]
    before = [terms["price"] for terms in world["instruments"]]
    index = sum(n * p for n, p in zip(weights, before, strict=True))
    fall = index - sum(n * p for n, p in zip(weights, opening(world), strict=True))
    wanted = fall - nudge
    if fall <= 0 or wanted <= 0:
        return
    level = max(1, wanted * BP // index)
    coins = -(-wanted * BP // level) - index
    if not 0 <= coins <= MOST_SHARES:
        return
    coin = {"price": 1, "tick": 1, "lot": 1, "min_order": 1, "adv_shares": 0}
    world["instruments"].append({**coin, "sigma_day": 0.0, "theta": 1.0, "cost_bp": 0})
    held = {"shares": coins, "sellable": 0, "cost_price": 0}
    owner = plain_account(0, {})
    owner["positions"] = [{"instrument": len(world["instruments"]) - 1, **held}]
    world["accounts"].append(owner)
    for table, value in (("fundamental", 1), ("limit_bp", 0), ("closed", 0)):
        for row in world[table]:
            row.append(value)
    world["terms"]["breaker_bp"] = level


def crowd(world: World) -> None:
    """Make room for a cascade: one seller's impact pushes the next below its line."""
    for index, terms in enumerate(world["instruments"]):
        held = [p for a in world["accounts"] for p in a["positions"] if p["instrument"] == index]
        shares = 1 + sum(p["shares"] for p in held)
        terms.update(adv_shares=min(2 * shares, MOST_SHARES), sigma_day=0.5)
    for table in ("limit_bp", "closed"):
        world[table] = [[0] * len(row) for row in world[table]]
    world["terms"].update(participation_bp=10_000, rounds_max=6, batches=1, breaker_bp=0)
    world["terms"].update(buyers_bp=0, minimum_sale=0)


@st.composite
def factor_paths(draw: DrawFn, days: int) -> list[int]:
    """Draw levels of the market factor: one step on day 1, and at times another one later."""
    levels = st.sampled_from((8_000, 10_000, 6_000, 9_999, 11_000))
    first, second = draw(levels), draw(levels)
    change = draw(st.sampled_from((days + 1, days + 1, 2, 3)))
    return [10_000] + [first if day < change else second for day in range(1, days + 1)]


@st.composite
def worlds(
    draw: DrawFn, max_platforms: int = 3, max_accounts: int = 8, max_days: int = 12
) -> World:
    """Draw a small valid world that balances to the last 厘."""
    days = min(max_days, draw(st.sampled_from((5, 3, 2, 1, 8, 12))))
    scale = draw(st.sampled_from((1, 1, 1, 1, 10_000)))
    listed = [draw(instruments(scale)) for _ in range(draw(st.sampled_from((3, 2, 2, 1, 4))))]
    by_name = [draw(price_paths(i["price"], i["tick"], days)) for i in listed]
    fundamental = [list(row) for row in zip(*by_name, strict=True)]
    count = draw(st.integers(1, max_platforms))
    aim = min(days, draw(st.sampled_from((1, 1, 0, 2, 3))))
    exact = draw(st.sampled_from((False,) * 9 + (True,)))
    most_accounts = max_accounts - exact
    size = draw(st.sampled_from((*[max_accounts] * 9, 5, 5, 2, 1, 0)))
    crowded = draw(st.sampled_from((False,) * 7 + (True,)))
    book = []
    for place in range(min(size, most_accounts)):
        step = place if crowded else None
        book.append(draw(accounts(count, fundamental, scale, aim, step)))
    lenders = []
    for index in range(count):
        loans = sum(a["debt"] for a in book if a["platform"] == index)
        lenders.append(draw(platforms(loans, days)))
    limit_by_name = [draw(limit_paths(days)) for _ in listed]
    world = {
        "seed": draw(st.integers(0, 2**63 - 1)),
        "path": draw(st.integers(0, 1000)),
        "instruments": listed,
        "fundamental": fundamental,
        "factor_bp": draw(factor_paths(days)),
        "limit_bp": [list(row) for row in zip(*limit_by_name, strict=True)],
        "closed": draw(closed_tables(len(listed), days)),
        "shift_bp": draw(shift_paths(days)),
        "rates_drawn": draw(st.booleans()),
        "rates_slack": draw(st.sampled_from((0, 0, 300, 4000))),
        "accounts": book,
        "platforms": lenders,
        "terms": draw(terms()),
        "withdrawals": draw(withdrawals(lenders, days)),
        "exchange": draw(exchanges(lenders, days)),
    }
    if crowded:
        crowd(world)
    if exact:
        breaker_at(world, draw(st.sampled_from((-1, 0, 0, 1))))
    return world


def up_to(world: World, day: int) -> World:
    """Return the same world with its horizon on an earlier day."""
    end = day + 1
    lenders = [
        {**p, "due": p["due"][:end], "due_segregated": p["due_segregated"][:end]}
        for p in world["platforms"]
    ]
    return {
        **world,
        "fundamental": world["fundamental"][:end],
        "factor_bp": world["factor_bp"][:end],
        "limit_bp": world["limit_bp"][:end],
        "closed": world["closed"][:end],
        "shift_bp": world["shift_bp"][:end],
        "platforms": lenders,
    }


def slower(world: World, times: int) -> World:
    """Return the world with each of its days lived so many times: what holds on day t there holds on days (t - 1) x times + 1 and on."""
    last = (len(world["fundamental"]) - 1) * times
    at = [0, *(1 + (day - 1) // times for day in range(1, last + 1))]

    def spread(rows: list[Any]) -> list[Any]:
        return [rows[day] for day in at]

    lenders = [{**p, "due": spread(p["due"]), "due_segregated": spread(p["due_segregated"])} for p in world["platforms"]]
    tables = {name: spread(world[name]) for name in ("fundamental", "factor_bp", "limit_bp", "closed", "shift_bp")}
    return {**world, **tables, "platforms": lenders}


def plain_terms() -> dict[str, Any]:
    """Return terms under which nothing happens but what a test asks for."""
    return {
        "participation_bp": 10_000,
        "impact": "none",
        "impact_coefficient": 1.0,
        "impact_floor": 0.0,
        "impact_fraction": 1.0,
        "buyers_bp": 0,
        "exhaustion_bp": 0,
        "breaker_bp": 0,
        "batches": 1,
        "minimum_sale": 0,
        "displace": True,
        "permanent_bp": 0,
        "decay_ppb": 0,
        "expected_impact_bp": 0,
        "rounds_max": 6,
        "pool_haircut_bp": 0,
        "grace_days": 2,
        "answer_bp": [0, 0, 0],
        "mood_bp": 0,
        "payment_grace_days": 1,
        "run_off": "held",
    }


def plain_instrument(price: int, **changes: Any) -> dict[str, Any]:
    """Return an instrument without limit, cost or lots, and with turnover for everybody.

    `limit_bp` and `suspended` of the changes are for `plain_world`, which makes them the tables of
    the days: a limit (or a list of them, one for each day from 1 on), and True or a list of days.
    """
    instrument = {
        "price": price,
        "tick": 10,
        "lot": 1,
        "min_order": 1,
        "adv_shares": 1_000_000_000,
        "sigma_day": 0.0,
        "theta": 1.0,
        "cost_bp": 0,
    }
    return {**instrument, **changes}


def plain_account(debt: int, held: dict[int, int], **changes: Any) -> dict[str, Any]:
    """Return an account without cash and interest, all shares sellable, lines 140/130/140%."""
    account = {
        "platform": 0,
        "type": 0,
        "cash": 0,
        "debt": debt,
        "rate_bp": 0,
        "rate_most_bp": 60_000,
        "floats_from": NEVER,
        "notice": 0,
        "warning_bp": 14_000,
        "liquidation_bp": 13_000,
        "restore_bp": 14_000,
        "full_sale": False,
        "sale_order": "pro_rata",
        "positions": [
            {"instrument": index, "shares": shares, "sellable": shares, "cost_price": 0}
            for index, shares in held.items()
        ],
    }
    return {**account, **changes}


def day_tables(
    listed: list[dict[str, Any]], days: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Return the limits and the closed days that instruments ask for, days 0.. x instruments."""
    limit_bp, closed = [[0] * len(listed)], [[0] * len(listed)]
    for day in range(1, days + 1):
        limit_row, closed_row = [], []
        for instrument in listed:
            limit = instrument.get("limit_bp", 0)
            limit_row.append(limit if isinstance(limit, int) else limit[day - 1])
            shut = instrument.get("suspended", False)
            closed_row.append(int(shut if isinstance(shut, bool) else day in shut))
        limit_bp.append(limit_row)
        closed.append(closed_row)
    return limit_bp, closed


def plain_world(
    listed: list[dict[str, Any]],
    fundamental: list[list[int]],
    book: list[dict[str, Any]],
    *,
    platform: dict[str, Any] | None = None,
    **changes: Any,
) -> World:
    """Return a world of one platform whose own capital makes it balance; changes are terms."""
    days = len(fundamental) - 1
    lender = {
        "cash": 0,
        "pool": 0,
        "other": 0,
        "line": 0,
        "line_drawn": 0,
        "line_rate_bp": 0,
        "reserve": 0,
        "claims": 0,
        "funding": [],
        "due": [0] * (days + 1),
        "due_segregated": [0] * (days + 1),
        **(platform or {}),
    }
    limit_bp, closed = day_tables(listed, days)
    assets = sum(a["debt"] for a in book) + lender["cash"] + lender["pool"] + lender["other"]
    owed = sum(f["amount"] for f in lender["funding"]) + lender["line_drawn"] + lender["claims"]
    lender["own_capital"] = assets - owed - lender["reserve"]
    return {
        "seed": 1,
        "path": 0,
        "instruments": [
            {k: v for k, v in row.items() if k not in ("limit_bp", "suspended")} for row in listed
        ],
        "fundamental": fundamental,
        "factor_bp": [10_000] * (days + 1),
        "limit_bp": limit_bp,
        "closed": closed,
        "shift_bp": [0] * (days + 1),
        "rates_drawn": False,
        "accounts": book,
        "platforms": [lender],
        "terms": {**plain_terms(), **changes},
    }


def hand_world() -> World:
    """Return a world whose outcome can be worked on paper.

    One account owns 1,000 shares at 10.00 and owes 7,000 yuan at 3.65% (142.86%); lines 140, 130,
    140%; nobody answers calls. The share falls to 9.00 on day 1 and stays. Own capital 1,500,
    claims 5,500, cash 0. On day 2 claims of 1,000 fall due.

    Day 1 is calendar day 1, day 2 is calendar day 3, day 3 is calendar day 4. Interest on 7,000 yuan
    is 0.70 a day. Day 1: D = 7,000.70, A = 9,000, m = 128.56%: a call of 9,800.98 - 9,000 = 800.98
    and, being below 130%, a sale of v = (1.4 D - A) / 0.4 = 800.98 / 0.4 = 2,002.45, which are
    222.49 shares, so 223 and, in lots of 100, 300 shares at 9.00 = 2,700. D = 4,300.70, A =
    6,300, m = 146.49%. Day 2: 2,700 arrive, 1,000 are paid, 1,700 are left. Interest of two days is
    0.86014, of which 0.860 is booked; the call lapses. Day 3: interest of one day on 4,301.56 is
    0.430156, with the 0.00014 carried 0.430296; 0.430 is booked.
    """
    share = plain_instrument(10_000, lot=100)
    account = plain_account(7_000_000, {0: 1000}, rate_bp=365)
    platform = {"claims": 5_500_000, "due": [0, 0, 1_000_000, 1_000_000]}
    fundamental = [[10_000], [9_000], [9_000], [9_000]]
    return plain_world([share], fundamental, [account], platform=platform)


READINGS = ("market_fall", "volatility", "margin_coverage", "liquid_share", "own_funds_lost", "unpaid", "day", "maintenance")
ACTIONS = (
    "raise_lines", "raise_lines", "cap_leverage", "sell_in_batches", "pause_sales", "draw_line", "hedge_futures", "hedge_put",
)


@st.composite
def responses(draw: DrawFn, count: int, days: int) -> dict[str, Any]:
    """Draw one rule of response that some worlds set off, early or late."""
    when, action = draw(st.sampled_from(READINGS)), draw(st.sampled_from(ACTIONS))
    values = {
        "market_fall": (0, 1, 2000, 4000), "volatility": (0, 1000, 100_000), "margin_coverage": (10_000, 9_000, 9_999),
        "maintenance": (13_000, 11_000, 65_000),
        "liquid_share": (50_000, 100, 2_000), "own_funds_lost": (0, 1, 5_000, 10_000), "unpaid": (0, 1, 100_000), "day": (1, 1, 2, 3, days),
    }[when]
    amounts = {
        "raise_lines": (1, 300, 2_000, 60_000), "cap_leverage": (30_000, 60_000, 10_500, 10_001), "sell_in_batches": (1, 2, 4),
        "pause_sales": (1, 2, 5), "draw_line": (10_000, 3_333), "hedge_futures": (5_000, 20_000, 1), "hedge_put": (5_000, 20_000, 1),
    }[action]
    return {
        "when": when, "value": draw(st.sampled_from(values)), "over_days": draw(st.sampled_from((1, 2, 3))), "do": action,
        "platform": draw(st.sampled_from((None, None, count - 1))), "amount": draw(st.sampled_from(amounts)),
        "target_ppm": draw(st.sampled_from((0, 1_000_000, 150_000))), "margin_bp": draw(st.sampled_from((0, 1_200, 10_000))),
        "basis_bp": draw(st.sampled_from((0, 0, 150))), "fee_bp": draw(st.sampled_from((0, 1))),
        "carry_bp": draw(st.sampled_from((0, 800))), "strike_bp": draw(st.sampled_from((10_000, 9_000, 12_000))),
        "price_ppb": draw(st.sampled_from((0, 1, 41_234_567, 900_000_000))),
        "for_days": draw(st.sampled_from((1, 2, 5))) if action == "hedge_put" else draw(st.sampled_from((0, 0, 1, 3))),
    }


@st.composite
def planned_worlds(draw: DrawFn) -> World:
    """Draw a world with shut desks, responses or both, and a factor that moves every day."""
    world = draw(worlds())
    days = len(world["fundamental"]) - 1
    spans = ((), (), (1,), (2,), (1, 2), (2, 3), (2, 4), (days,), tuple(range(1, days + 1)))
    step = st.sampled_from((-1_500, -300, -1, 0, 40, 2_500))
    for day in range(1, days + 1):
        world["factor_bp"][day] = max(1, world["factor_bp"][day] + draw(step))
    world["plan"] = {
        "no_calls": tuple(d for d in draw(st.sampled_from(spans)) if d <= days),
        "no_sales": tuple(d for d in draw(st.sampled_from(spans)) if d <= days),
        "compensation_bp": draw(st.sampled_from((0, 10_000, 5_000, 1))),
        "rules": draw(st.lists(responses(len(world["platforms"]), days), max_size=4)),
    }
    return world
