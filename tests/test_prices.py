"""Limits, ticks, impact, fills and the waterfall: the kernel against published figures and exact integers."""

from __future__ import annotations

import datetime
import math
from fractions import Fraction

import numpy as np
import plain_market
import pytest
from foreign_market import share
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stresslab.kernels import liquidity, prices
from stresslab.kernels.liquidity import (
    IMPACT_ALMGREN,
    IMPACT_EXPONENTIAL,
    IMPACT_LINEAR,
    IMPACT_NONE,
    IMPACT_SQRT,
    Impact,
)
from stresslab.market import board_rule, selling_cost_bp

PPB = prices.PPB
PRICES = st.integers(1, 2**31 - 1)
LAWS = {
    "none": IMPACT_NONE, "sqrt": IMPACT_SQRT, "linear": IMPACT_LINEAR, "exponential": IMPACT_EXPONENTIAL, "almgren": IMPACT_ALMGREN,
}


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("close", "limit_bp", "low", "high"),
    [
        (1150, 1000, 1040, 1270),  # floats: 1.03 and 1.26
        (1650, 1000, 1490, 1820),  # floats: 1.48
        (1100, 500, 1050, 1160),  # floats: 1.04
        (10_000, 2000, 8000, 12_000),
        (10_000, 3000, 7000, 13_000),
        (116_670, 3, 116_630, 116_710),  # 11,663.4999 and 11,670.5001 ticks
        (83_330, 3, 83_310, 83_350),  # 8,330.5001 and 8,335.4999 ticks
    ],
)
def test_limits_round_half_up(close: int, limit_bp: int, low: int, high: int) -> None:
    """(M-13) Where the exchange's own rounding and a float's part ways."""
    assert prices.limits(close, 10, limit_bp) == (low, high)


def test_float_rounding_is_wrong_1954_times() -> None:
    """(M-13) ±10% and ±5% of 1.00 to 199.99 yuan: what Python's round makes of them, against integers."""
    wrong = 0
    for fen in range(100, 20_000):
        for percent in (5, 10):
            low, high = prices.limits(10 * fen, 10, 100 * percent)
            floats = [round(fen / 100 * (1 + sign * percent / 100), 2) for sign in (-1, 1)]
            wrong += sum(round(f * 1000) != p for f, p in zip(floats, (low, high), strict=True))
    assert wrong == 1954


@given(PRICES, st.sampled_from((1, 10, 50)), st.integers(0, 9_999))
def test_limits_equal_the_twin(close: int, tick: int, limit_bp: int) -> None:
    close = max(tick, close // tick * tick)
    low, high = plain_market.limits(close, tick, limit_bp)
    assert prices.limits(close, tick, limit_bp) == (low, 0 if high is None else high)


@given(st.integers(1, 10**6), st.sampled_from((500, 1000, 2000)))
def test_limits_leave_room(ticks: int, limit_bp: int) -> None:
    """(M-13) At least one tick up, one down unless the price is one tick already."""
    low, high = prices.limits(10 * ticks, 10, limit_bp)
    assert max(10, low) == low <= max(10, 10 * ticks - 10)
    assert high >= 10 * ticks + 10


@given(PRICES, st.integers(0, PPB), st.integers(0, PPB), st.sampled_from((1, 10)))
def test_target_is_the_fundamental_price_less_kept_impact(fundamental: int, keep: int, gap: int, tick: int) -> None:
    """(M-14) Two floors, then half up to the tick."""
    kept = fundamental * keep // PPB * (PPB - gap) // PPB
    assert prices.target(fundamental, keep, gap, tick) == plain_market.round_half_up_to_tick(kept, tick)


@pytest.mark.parametrize(("price", "clipped"), [(900, 950), (950, 950), (1000, 1000), (1050, 1050), (1060, 1050)])
def test_clip(price: int, clipped: int) -> None:
    assert prices.clip(price, 950, 1050) == clipped
    assert prices.clip(price, 950, 0) == max(950, price)
    assert prices.clip(price, 1, 1) == 1


def test_impact_memory_by_hand() -> None:
    """(M-24) A fall of 8% of which half stays: keep 0.96, gap 0.04; again: keep 0.9216, gap 0.0784."""
    once = prices.decay(PPB, 0, 80_000_000, 5000)
    assert once == (960_000_000, 40_000_000)
    assert prices.decay(*once, 80_000_000, 5000) == (921_600_000, 78_400_000)
    assert prices.decay(PPB, 0, 80_000_000, 10_000) == (920_000_000, 0)
    assert prices.decay(PPB, 0, 80_000_000, 0) == (PPB, 80_000_000)


# --- rules of the boards --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("board", "date", "limit_bp"),
    [
        ("main", "2015-06-12", 1000), ("main", "2026-07-06", 1000), ("main", "1996-12-16", 1000),
        ("st", "2026-07-05", 500), ("st", "2026-07-06", 1000), ("st", "2015-06-12", 500),
        ("chinext", "2020-08-23", 1000), ("chinext", "2020-08-24", 2000), ("chinext", "2009-10-30", 1000),
        ("star", "2019-07-22", 2000), ("bse", "2021-11-15", 3000), ("fund", "2015-06-12", 1000),
        ("none", "1900-01-01", 0), ("none", "2026-07-06", 0),
    ],
)
def test_board_limits_by_date(board: str, date: str, limit_bp: int) -> None:
    rule = board_rule(board, day(date))
    assert rule is not None
    assert rule.limit_bp == limit_bp
    assert rule.source


@pytest.mark.parametrize(
    ("board", "date"),
    [("main", "1996-12-15"), ("star", "2019-07-21"), ("chinext", "2009-10-29"), ("bse", "2021-11-14")],
)
def test_a_board_has_no_rule_before_its_first_day(board: str, date: str) -> None:
    assert board_rule(board, day(date)) is None


@pytest.mark.parametrize(
    ("board", "lot", "tick_li"),
    [("main", 100, 10), ("st", 100, 10), ("chinext", 100, 10), ("star", 1, 10), ("bse", 1, 10), ("fund", 100, 1),
     ("none", 1, 10)],
)
def test_lots_and_ticks(board: str, lot: int, tick_li: int) -> None:
    rule = board_rule(board, day("2026-06-30"))
    assert rule is not None
    assert (rule.lot, rule.tick_li) == (lot, tick_li)


@pytest.mark.parametrize(
    ("board", "date", "cost_bp"),
    [("main", "2023-08-27", 13), ("main", "2023-08-28", 8), ("fund", "2023-08-27", 3), ("fund", "2023-08-28", 3)],
)
def test_selling_costs_by_date(board: str, date: str, cost_bp: int) -> None:
    """Stamp duty of 0.10% and, from 2023-08-28, 0.05%, none on funds; commission 0.03%."""
    assert selling_cost_bp(board, day(date)) == cost_bp


# --- impact; its laws stand in test_liquidity ------------------------------------------------------


@pytest.mark.parametrize(
    ("before_round", "low", "drop", "after"),
    [
        (10_000, 10, 0.0, 10_000),
        (10_000, 10, 0.1004, 9000),
        (10_000, 10, 0.1006, 8990),
        (10_000, 10, 0.0625, 9380),  # half a tick, exactly
        (10_000, 9000, 0.5, 9000),  # the limit holds
        (8990, 10, 0.0998, 8990),  # never above the price of the round before
        (10_000, 10, 1.5, 10),
        (10_000, 0, 1.5, 10),  # at least one tick
    ],
)
def test_price_after(before_round: int, low: int, drop: float, after: int) -> None:
    """(M-24) Half up to the tick from the price before the day's first sale."""
    assert liquidity.price_after(10_000, before_round, low, 10, drop) == after


@given(
    PRICES, PRICES, st.sampled_from((1, 10)), st.integers(1, 100), PRICES, PRICES, st.floats(0, 1), st.floats(0.01, 10),
    st.floats(0, 0.99), st.floats(0.01, 1), st.floats(0.01, 20), st.sampled_from(sorted(LAWS)),
)
def test_impact_equals_the_twin(
    opening: int, book: int, tick: int, percent: int, sold: int, volume: int, sigma: float, coefficient: float, floor: float,
    fraction: float, theta: float, law: str,
) -> None:
    """(M-24) Fall, what of it stays, and rounding together, bit for bit."""
    opening = max(tick, opening // tick * tick)
    low = max(tick, opening * percent // 100 // tick * tick)
    impact, stock = Impact(LAWS[law], coefficient, floor, fraction, 4_000), share(book, volume, sigma, theta)
    terms = {"sigma_day": sigma, "adv_shares": volume, "tick": tick, "price": book, "theta": theta}
    run = {
        "impact": law, "impact_coefficient": coefficient, "impact_floor": floor, "impact_fraction": fraction, "permanent_bp": 4_000,
    }
    drop = liquidity.fall(impact, stock, opening, sold)
    assert drop == plain_market.fall_of(opening, sold, terms, run)
    assert liquidity.price_after(opening, opening, low, tick, drop) == plain_market.price_after(opening, sold, terms, low, run)
    assert liquidity.lasting_bp(impact, stock, sold) == plain_market.permanent_bp(sold, terms, run)


# --- shares and fills -----------------------------------------------------------------------------

WHOLE_END, RESULT_END = 2**61, 2**48


def check_share_up(amount: int, part: int, whole: int) -> None:
    assert liquidity.share_up(amount, part, whole) == -(-amount * part // whole)


@st.composite
def shares_up(draw: st.DrawFn) -> tuple[int, int, int]:
    """Draw amount, part and whole up to the bounds: whole below 2^61, a result below 2^48."""
    last = WHOLE_END - 1
    whole = draw(st.one_of(st.integers(1, last), st.integers(1, 1000), st.integers(last - 1000, last)))
    amount = draw(st.one_of(st.integers(0, 2**62), st.integers(0, whole), st.just(whole)))
    most = 2**62 if amount == 0 else min(2**62, (RESULT_END - 1) * whole // amount)
    part = draw(st.one_of(st.integers(0, most), st.integers(max(0, most - 1000), most)))
    return amount, part, whole


@st.composite
def next_to_whole_results(draw: st.DrawFn) -> tuple[int, int, int]:
    """Draw a result that lies as close to an integer as the denominator allows, where a float errs by a whole unit."""
    whole = draw(st.integers(2, 2**14))
    result = draw(st.one_of(st.integers(2**46, RESULT_END - 2), st.integers(0, RESULT_END - 2)))
    return 1, result * whole + draw(st.sampled_from((0, 1, whole - 1))), whole


@settings(max_examples=2000, deadline=None)
@given(st.one_of(shares_up(), next_to_whole_results()))
def test_share_up_is_the_exact_ceiling(case: tuple[int, int, int]) -> None:
    check_share_up(*case)


@given(st.integers(1, 2**31 - 1), st.integers(1, 10**6))
def test_whole_lots(shares: int, lot: int) -> None:
    """(M-22) Rounded up to whole lots; a number of whole lots stays."""
    assert liquidity.whole_lots(shares, lot) == -(-shares // lot) * lot
    most = shares // lot * lot
    assert liquidity.whole_lots(most, lot) == most
    assert liquidity.whole_lots(most + 1, lot) == most + lot


@pytest.mark.parametrize(
    "case",
    [
        (0, 0, 1), (0, 2**62, 1), (1, 1, WHOLE_END - 1), (WHOLE_END - 1, RESULT_END - 1, WHOLE_END - 1),
        (WHOLE_END - 1, RESULT_END - 2, WHOLE_END - 1), (WHOLE_END - 2, RESULT_END - 1, WHOLE_END - 1),
        (RESULT_END - 1, 1, 1), (1, RESULT_END - 1, 1), (3, 5, 15), (3, 5, 14), (3, 5, 16),
        (2**44 - 1, 2**47 - 1, 2**57 - 1), (2**53 + 1, 2**53 - 1, 2**60), (94906267, 94906267, 3), (1, 1, 2),
    ],
)
def test_share_up_at_its_edges(case: tuple[int, int, int]) -> None:
    check_share_up(*case)


QUANTITIES = st.one_of(st.integers(0, 1000), st.integers(0, 2**31 - 1), st.integers(2**31 - 1000, 2**31 - 1))


@given(st.lists(QUANTITIES, min_size=1, max_size=20), QUANTITIES)
def test_fills_never_exceed_orders_or_what_is_left(orders: list[int], left: int) -> None:
    """(M-23) All is filled where it fits; else each gets its part rounded down: less than a share an order is lost."""
    demand = sum(orders)
    fills = [liquidity.fill(order, left, demand) for order in orders]
    if demand <= left:
        assert fills == orders
    else:
        assert fills == [int(Fraction(order * left, demand)) for order in orders]
        assert left - len(orders) < sum(fills) <= left


@given(st.integers(2, 2**31 - 1), st.integers(2**22, 2**60))
def test_fills_just_below_a_whole_share(order: int, demand: int) -> None:
    """(M-23) Parts that lie 1 / demand below a whole number of shares, which a float takes for that number."""
    demand -= math.gcd(order, demand) != 1
    assume(math.gcd(order, demand) == 1)
    left = pow(-order, -1, demand)
    assert order * left % demand == demand - 1
    assert liquidity.fill(order, left, demand) == order * left // demand


@pytest.mark.parametrize(
    ("order", "left", "demand", "filled"),
    [(100, 1000, 1000, 100), (100, 999, 1000, 99), (100, 0, 1000, 0), (1, 999, 1000, 0),
     (49, 1, 49, 1), (98, 3, 294, 1)],  # in floats 49 × (1 / 49) is less than 1
)
def test_fills_by_hand(order: int, left: int, demand: int, filled: int) -> None:
    assert liquidity.fill(order, left, demand) == filled


@pytest.mark.parametrize(
    ("need", "pool", "haircut_bp", "sold", "brought"),
    [(400, 1000, 200, 409, 400), (1400, 1000, 200, 1000, 980), (1, 1, 200, 1, 0), (0, 1000, 200, 0, 0),
     (-5, 1000, 200, 0, 0), (400, 0, 200, 0, 0), (400, 1000, 0, 400, 400), (400, 1000, 10_000, 0, 0)],
)
def test_pool_is_sold_for_what_is_needed(need: int, pool: int, haircut_bp: int, sold: int, brought: int) -> None:
    """(M-17) At a haircut of 2%, 409 bring the 400 that are needed; 1,000 bring 980 at most."""
    assert liquidity.sell_pool(need, pool, haircut_bp) == (sold, brought)


@given(st.integers(1, 2**47), st.integers(1, 2**47), st.integers(0, 9_999))
def test_no_smaller_sale_of_the_pool_would_do(need: int, pool: int, haircut_bp: int) -> None:
    """(M-17) It brings what is needed or is the whole pool, and one 厘 less would bring too little."""
    sold, brought = liquidity.sell_pool(need, pool, haircut_bp)
    net = 10_000 - haircut_bp
    assert brought == sold * net // 10_000
    assert brought >= need or sold == pool
    assert (sold - 1) * net // 10_000 < need


# --- the waterfall --------------------------------------------------------------------------------


def absorbed(loss: int, room: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    taken = np.zeros(len(room), np.int64)
    rest = liquidity.absorb(loss, np.array(room, np.int64), taken)
    return tuple(int(t) for t in taken), int(rest)


@pytest.mark.parametrize(
    ("loss", "taken"),
    [(0, (0, 0, 0, 0, 0)), (25, (25, 0, 0, 0, 0)), (120, (30, 60, 30, 0, 0)), (200, (30, 60, 80, 30, 0)),
     (1000, (30, 60, 80, 100, 730))],
)
def test_waterfall(loss: int, taken: tuple[int, ...]) -> None:
    """(M-27) Layers of 30, 60, 80, 100 and 730."""
    assert absorbed(loss, (30, 60, 80, 100, 730)) == (taken, 0)


def test_a_layer_below_zero_takes_nothing() -> None:
    """(M-27) Own capital may be negative by interest; what no layer can take is returned."""
    assert absorbed(100, (30, -50, 20, 0, 10)) == ((30, 0, 20, 0, 10), 40)


@given(st.integers(0, 2**57), st.tuples(*[st.integers(-(2**47), 2**47)] * 5))
def test_what_the_layers_take_and_the_rest_are_the_loss(loss: int, room: tuple[int, ...]) -> None:
    taken, rest = absorbed(loss, room)
    assert sum(taken) + rest == loss
    assert all(0 <= t <= max(0, r) for t, r in zip(taken, room, strict=True))
    assert all(t == max(0, r) for t, r in zip(taken, room, strict=True)) or rest == 0


# --- a deleveraging spiral worked by hand ---------------------------------------------------------

#: (shares, debt in yuan) of three accounts; all sell everything once A / D < 110%.
SPIRAL = ((600_000, 5_000_000), (1_000_000, 7_500_000), (800_000, 5_000_000))


def spiral(shock_pct: int, depth: int, unit: int, tick: int) -> tuple[list[int], list[int]]:
    """Return the prices after each round and the cash of each account, in units of which a yuan has ``unit``.

    The sizing is not ours: an account below its line sells all, at once, and each round falls from the price of the
    round before by (money sold) / ``depth``. With that price as the day's first, σ = the price in yuan, c = 1 and
    V = ``depth`` the linear law says the same.
    """
    price = 10 * unit * (100 - shock_pct) // 100
    path, cash, flagged = [price], [0] * len(SPIRAL), [False] * len(SPIRAL)
    while True:
        sellers = [
            n for n, (shares, debt) in enumerate(SPIRAL)
            if not flagged[n] and shares * price * 100 < 110 * debt * unit
        ]
        if not sellers:
            return path, cash
        sold = sum(SPIRAL[n][0] for n in sellers)
        drop = liquidity.fall(Impact(IMPACT_LINEAR), share(price, depth, price / unit), price, sold)
        after = liquidity.price_after(price, price, tick, tick, drop)
        for n in sellers:
            cash[n], flagged[n] = SPIRAL[n][0] * ((price + after) // 2), True
        price = after
        path.append(price)


def shortfall(cash: list[int], unit: int) -> Fraction:
    """Return what the sellers' proceeds leave of their debts, yuan."""
    left = [debt - Fraction(c, unit) for c, (_, debt) in zip(cash, SPIRAL, strict=True) if c]
    return sum((max(Fraction(0), amount) for amount in left), Fraction(0))


FINE = 10**9  # units per yuan, so fine that ticks do not matter


def test_a_spiral_that_does_not_start() -> None:
    """Shock −8%: m = 110.4% or more, nobody sells."""
    assert spiral(8, 50_000_000, FINE, 1) == ([9_200_000_000], [0, 0, 0])


def test_a_spiral_that_takes_three_accounts() -> None:
    """Shock −10%, depth 5e7: prices 9.00, 8.028, 6.73902432, 6.012393139; all of the shortfall is the second's."""
    path, cash = spiral(10, 50_000_000, FINE, 1)
    assert path == [9_000_000_000, 8_028_000_000, 6_739_024_320, 6_012_393_139]
    assert [round(c / FINE, 2) for c in cash] == [5_108_400.00, 7_383_512.16, 5_100_566.98]
    assert round(float(shortfall(cash, FINE)), 2) == 116_487.84


def test_the_same_spiral_on_ticks() -> None:
    """Prices 9.00, 8.03, 6.74, 6.01 and fills at their means: shortfall 115,000."""
    path, cash = spiral(10, 50_000_000, 1000, 10)
    assert path == [9000, 8030, 6740, 6010]
    assert [Fraction(c, 1000) for c in cash] == [5_109_000, 7_385_000, 5_100_000]
    assert shortfall(cash, 1000) == 115_000


def test_a_deep_market_stops_the_spiral() -> None:
    """Shock −10%, depth 1e9: one account sells, the price is 8.9514, nobody loses."""
    path, cash = spiral(10, 1_000_000_000, FINE, 1)
    assert path == [9_000_000_000, 8_951_400_000]
    assert cash[1:] == [0, 0]
    assert shortfall(cash, FINE) == 0
