"""The plain twin against published figures, cases worked by hand, and the bookkeeper."""

from __future__ import annotations

from typing import Any

import pytest
from bookkeeper import audit, check_displaced
from hypothesis import HealthCheck, given, settings
from plain import (
    answer_chance_bp,
    calendar_day,
    closed_days,
    fills,
    interest,
    limits,
    loss,
    loss_holding,
    philox4x32,
    price_after,
    round_half_up_to_tick,
    run_path,
    sell_pool,
    waterfall,
)
from plain_market import permanent_bp
from worlds import (
    World,
    hand_world,
    plain_account,
    plain_instrument,
    plain_world,
    up_to,
    worlds,
)

ALL = 0xFFFFFFFF


def audited(world: World) -> dict[str, Any]:
    """Return the outcome of a world after the bookkeeper has seen it."""
    result = run_path(world)
    audit(world, result)
    return result


def quote(quoted: int, locked: int, shares: int, money: int) -> dict[str, int]:
    """Return what is told of an instrument on a day without displaced sales."""
    told = {"quoted": quoted, "locked": locked, "sold_shares": shares}
    return {**told, "displaced_shares": 0, "sold_li": money}


def rows(count: int, *prices: int) -> list[list[int]]:
    """Return a fundamental path that a number of instruments share."""
    return [[price] * count for price in prices]


# --- numbers and randomness -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ALL, ALL, ALL, ALL), (ALL, ALL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_known_answers(
    counter: tuple[int, int, int, int], key: tuple[int, int], words: tuple[int, int, int, int]
) -> None:
    """(M-5) The known answers that Random123 publishes for philox4x32-10."""
    assert philox4x32(counter, key) == words


def test_calendar() -> None:
    """(M-4) 365 calendar days to 252 trading days, rounded half up."""
    assert [calendar_day(t) for t in (0, 1, 2, 3, 4, 5, 60, 252)] == [0, 1, 3, 4, 6, 7, 87, 365]


def test_interest_carries_its_remainder() -> None:
    """(M-12) 10,000 yuan at 3.65% bear one yuan a day; what is less than a 厘 is carried."""
    assert interest(10_000_000, 365, 1, 0) == (1000, 0)
    assert interest(10_000_000, 365, 87, 0) == (87_000, 0)
    assert interest(5_000, 365, 1, 0) == (0, 1_825_000)
    assert interest(5_000, 365, 1, 1_825_000) == (1, 0)


@pytest.mark.parametrize(
    ("previous", "tick", "limit_bp", "expected"),
    [
        (1150, 10, 1000, (1040, 1270)),
        (1650, 10, 1000, (1490, 1820)),
        (1100, 10, 500, (1050, 1160)),
        (10_000, 10, 2000, (8000, 12_000)),
        (1150, 1, 1000, (1035, 1265)),
        (50, 10, 1000, (40, 60)),
        (40, 10, 1000, (30, 50)),
        (10, 10, 1000, (10, 20)),
        (20, 10, 500, (10, 30)),
        (1150, 10, 0, (10, None)),
    ],
)
def test_limits(previous: int, tick: int, limit_bp: int, expected: tuple[int, int | None]) -> None:
    """(M-13) Limit prices are rounded half up in integers, where floats go wrong."""
    assert limits(previous, tick, limit_bp) == expected


def test_rounding_to_ticks() -> None:
    """(M-14) Half a tick rounds up, and no price is below one tick."""
    prices = [round_half_up_to_tick(p, 10) for p in (0, 4, 14, 15, 24, 25, 9999)]
    assert prices == [10, 10, 10, 20, 20, 30, 10_000]
    assert round_half_up_to_tick(17, 1) == 17


# --- open -----------------------------------------------------------------------------------------


def quotes(result: dict[str, Any], index: int = 0) -> list[int]:
    """Return the closes of one instrument."""
    return [row[index]["quoted"] for row in result["instruments"]]


def test_a_fall_meets_the_limit_day_by_day() -> None:
    """(M-13 to M-15) A fall of 30% at a limit of 10% takes four days, three of them locked."""
    world = plain_world([plain_instrument(10_000, limit_bp=1000)], rows(1, 10_000, *[7000] * 5), [])
    result = audited(world)
    assert quotes(result) == [9000, 8100, 7290, 7000, 7000]
    assert [row[0]["locked"] for row in result["instruments"]] == [1, 1, 1, 0, 0]


def test_one_tick_is_no_lock_without_a_limit() -> None:
    """(M-15) At the lowest price of all a name without limit still finds buyers."""
    account = plain_account(5000, {0: 100}, full_sale=True)
    result = audited(plain_world([plain_instrument(10_000)], rows(1, 10_000, 10), [account]))
    assert result["instruments"][0][0] == quote(10, 0, 100, 1000)
    assert result["platforms"][0]["deficit_li"] == 4000


def test_a_rise_meets_the_limit_and_is_not_locked() -> None:
    """(M-15) At the upper limit sellers find buyers."""
    world = plain_world([plain_instrument(10_000, limit_bp=1000)], rows(1, 10_000, 15_000), [])
    assert audited(world)["instruments"][0][0] == quote(11_000, 0, 0, 0)


def test_a_suspended_name_keeps_its_close_and_is_not_sold() -> None:
    """(M-14, M-15, M-22) Its last price still counts, and the other name pays for both."""
    listed = [plain_instrument(10_000), plain_instrument(10_000, suspended=True)]
    book = [plain_account(15_000_000, {0: 1000, 1: 1000})]
    result = audited(plain_world(listed, [[10_000, 10_000], [8000, 2000]], book))
    assert quotes(result, 1) == [10_000]
    # A = 18,000, D = 15,000: v = (21,000 - 18,000) / 0.4 = 7,500, of 8,000 that can be sold.
    assert result["accounts"][0]["shares"] == [1000 - 938, 1000]


def test_the_limit_is_that_of_the_day() -> None:
    """(M-13) No limit, 10%, 20%: 10.00 falls to 5.00 in one step; then 4.00 stops at 4.50; then 4.00."""
    share = plain_instrument(10_000, limit_bp=[0, 1000, 2000])
    result = audited(plain_world([share], rows(1, 10_000, 5000, 4000, 4000), []))
    assert quotes(result) == [5000, 4500, 4000]
    assert [row[0]["locked"] for row in result["instruments"]] == [0, 1, 0]


def test_a_closed_day_keeps_the_close_and_the_next_limit_starts_there() -> None:
    """(M-14, M-15, M-44) Closed on days 1 and 2 at 10.00; day 3 stops at 9.00, locked; day 4 at 8.10."""
    share = plain_instrument(10_000, limit_bp=1000, suspended=[1, 2])
    account = plain_account(7_500_000, {0: 1000}, full_sale=True)
    result = audited(plain_world([share], rows(1, 10_000, *[8500] * 4), [account]))
    assert quotes(result) == [10_000, 10_000, 9000, 8500]
    assert [row[0]["locked"] for row in result["instruments"]] == [1, 1, 1, 0]
    assert [row[0]["sold_shares"] for row in result["instruments"]] == [0, 0, 0, 1000]
    # At 10.00 it is at 133%, called but not sold; the call of day 1 is overdue on day 4.
    assert result["accounts"][0]["called"] == 1


def test_on_a_halted_day_interest_and_calls_go_on() -> None:
    """(M-44) Both names are shut on day 1; the account below its line sells on day 2."""
    listed = [plain_instrument(10_000, suspended=[1]), plain_instrument(10_000, suspended=[1])]
    account = plain_account(16_000_000, {0: 1000, 1: 1000}, rate_bp=365, cash=5)
    result = audited(plain_world(listed, rows(2, *[10_000] * 3), [account]))
    assert [day[0]["sold_li"] > 0 for day in result["days"]] == [False, True]
    assert [day[0]["accounts_forced"] for day in result["days"]] == [0, 1]
    # 1,600 on day 1, of which cash repays 5; then two calendar days on 16,001,595.
    assert result["platforms"][0]["loan_interest_li"] == 1600 + 3200
    assert (result["accounts"][0]["called"], result["accounts"][0]["cash_li"]) == (1, 0)


def test_drawn_suspensions_by_hand() -> None:
    """(M-44) Word 0 begins, word 1 gives 1 to 2 mean - 1 days; a drawn one draws no other inside."""
    base, slope, mean, seed, path = 1400, 10_000, 3, 2**40 + 9, 5
    # A fall of 40% makes 1,400 + 4,000 = 5,400 bp; a rise leaves 1,400.
    factor = [10_000] + [6000, 12_000] * 60
    days = len(factor)
    table = closed_days([[0, 0]] * days, base, slope, mean, seed, path, factor)
    seen = set()
    for rank in (0, 1):
        day = 1
        while day < days:
            words = philox4x32((rank, day, 5, path), (seed % 2**32, seed // 2**32))
            chance = 5400 if factor[day] == 6000 else 1400
            begins = words[0] * 10_000 < chance * 2**32
            length = 1 + words[1] * 5 // 2**32 if begins else 1
            stretch = [row[rank] for row in table[day : day + length]]
            assert stretch == [int(begins)] * len(stretch)
            seen.add(length if begins else 0)
            day += length
    assert seen == {0, 1, 2, 3, 4, 5}
    assert table[0] == [0, 0]


def test_a_drawn_suspension_needs_whole_basis_points() -> None:
    """(M-44) With h the least that word 0 is below: h - 1 bp and 9,999 / 10,000 of one are too few."""
    for rank in range(20):
        open_days, factor = [[0] * 20] * 2, [10_000, 9999]
        least = 1 + philox4x32((rank, 1, 5, 2), (3, 0))[0] * 10_000 // 2**32
        assert closed_days(open_days, least, 0, 1, 3, 2, factor)[1][rank] == 1
        assert closed_days(open_days, least - 1, 9999, 1, 3, 2, factor)[1][rank] == 0
        assert closed_days(open_days, least - 1, 10_000, 1, 3, 2, factor)[1][rank] == 1


def test_suspensions_are_added_to_what_is_given() -> None:
    """(M-44) Certain ones of one day close every day, impossible ones none; fractions of a bp are lost."""
    given_days = [[0, 0], [0, 1], [1, 0], [0, 0]]
    factor = [10_000, 9999, 9999, 9999]
    assert closed_days(given_days, 0, 9999, 9, 1, 1, factor) == given_days
    assert closed_days(given_days, 0, 100_000_000, 1, 1, 1, factor) == [[0, 0], *[[1, 1]] * 3]
    assert closed_days(given_days, 20_000, 0, 1, 1, 1, factor) == [[0, 0], *[[1, 1]] * 3]
    assert given_days == [[0, 0], [0, 1], [1, 0], [0, 0]]
    # Given days do not stop the draw: it begins on day 1 and lasts over them.
    alone = closed_days([[0]] * 9, 10_000, 0, 4, 3, 2, [10_000] * 9)
    beside = closed_days([[0], [1], *[[0]] * 7], 10_000, 0, 4, 3, 2, [10_000] * 9)
    assert alone == beside == [[0], *[[1]] * 8]


@pytest.mark.parametrize(("price", "days", "sold"), [(5000, 1, 0), (4990, 1, 0), (5010, 0, 100)])
def test_the_breaker_at_the_open_trips_on_its_level(price: int, days: int, sold: int) -> None:
    """(M-45) 100 shares at 5.00 take 500 of an index of 10,000: 5% of it, just enough.

    The other 900 shares belong to an account without debt. Cash repays all the same.
    """
    listed = [plain_instrument(10_000), plain_instrument(10_000)]
    book = [plain_account(900_000, {0: 100}, full_sale=True, cash=7), plain_account(0, {1: 900})]
    world = plain_world(listed, [[10_000] * 2, [price, 10_000]], book, breaker_bp=500)
    result = audited(world)
    assert result["path"]["breaker_days"] == days
    assert result["instruments"][0][0]["sold_shares"] == sold
    assert result["accounts"][0]["forced"] == (sold > 0)
    assert quotes(result) == [price]
    assert result["platforms"][0]["repaid_li"] == 7 + sold * price


def test_a_breaker_needs_a_fall() -> None:
    """(M-45) A level of 1 bp is less than one 厘 of 100 and is reached by 10, not by nothing."""
    for price, days in ((100, 0), (90, 1), (110, 0)):
        world = plain_world([plain_instrument(100)], rows(1, 100, price), [plain_account(0, {0: 1})])
        world["terms"]["breaker_bp"] = 1
        assert audited(world)["path"]["breaker_days"] == days
        world["terms"]["breaker_bp"] = 0
        assert audited(world)["path"]["breaker_days"] == 0


@pytest.mark.parametrize(("level", "forced", "sold"), [(1000, [1, 0], 100), (1001, [1, 1], 240)])
def test_a_round_of_sales_can_trip_the_breaker(level: int, forced: list[int], sold: int) -> None:
    """(M-45) 100 shares press 10.00 to 9.00: 10% of the index; what was filled stays."""
    book = [
        plain_account(1_000_000, {0: 100}, full_sale=True),
        plain_account(1_060_000, {0: 140}, full_sale=True),
    ]
    world = impact_world(plain_instrument(10_000), book, 10_000, 10_000)
    world["terms"]["breaker_bp"] = level
    result = audited(world)
    assert [a["forced"] for a in result["accounts"]] == forced
    assert result["instruments"][0][0]["sold_shares"] == sold
    assert result["path"]["breaker_days"] == 1


def test_after_the_breaker_the_next_day_trades() -> None:
    """(M-45) Yesterday's closes are the new measure: on day 2 nothing falls and all is sold."""
    account = plain_account(900_000, {0: 100}, full_sale=True)
    world = plain_world([plain_instrument(10_000)], rows(1, 10_000, 9000, 9000), [account])
    world["terms"]["breaker_bp"] = 700
    result = audited(world)
    assert [row[0]["sold_shares"] for row in result["instruments"]] == [0, 100]
    assert result["path"]["breaker_days"] == 1


@pytest.mark.parametrize(
    ("factor", "exhaustion", "price"),
    [(10_000, 10_000, 10_000), (6000, 0, 10_000), (6000, 10_000, 9600), (6000, 25_000, 9000)],
)
def test_natural_buyers_take_the_first_shares(factor: int, exhaustion: int, price: int) -> None:
    """(M-46) 10% of 1,000 shares are 100; after a fall of 40% 60 of them, or none at 250%.

    1,000 shares would take 100% off the price, so 40 shares take 4%.
    """
    share = plain_instrument(10_000, adv_shares=1000, sigma_day=1.0)
    account = plain_account(1_000_000, {0: 100}, full_sale=True)
    world = plain_world([share], rows(1, 10_000, 10_000), [account], impact="linear")
    world["terms"].update(buyers_bp=1000, exhaustion_bp=exhaustion)
    world["factor_bp"] = [10_000, factor]
    result = audited(world)
    assert quotes(result) == [price]
    assert result["accounts"][0]["sold_li"] == 100 * ((10_000 + price) // 2)


def test_natural_buyers_come_once_a_day() -> None:
    """(M-46) Of 100 and 140 shares sold in two rounds 50 find buyers: 5%, then 19%; 50 more tomorrow."""
    share = plain_instrument(10_000, adv_shares=1000, sigma_day=1.0)
    book = [
        plain_account(1_000_000, {0: 100}, full_sale=True),
        plain_account(1_060_000, {0: 140}, full_sale=True),
        plain_account(0, {0: 140}),
    ]
    world = plain_world([share], rows(1, *[10_000] * 3), book, impact="linear")
    world["terms"].update(buyers_bp=500, permanent_bp=10_000)
    result = audited(world)
    assert quotes(result) == [8100, 8100]
    assert [a["sold_li"] for a in result["accounts"]] == [100 * 9750, 140 * 8800, 0]


def test_interest_of_loans_and_layers_passes_through_own_capital() -> None:
    """(M-11, M-12) Rates switch on their day; the line's layer bears its own rate."""
    account = plain_account(10_000_000, {0: 5000}, rate_bp=365, floats_from=2)
    funding = {"amount": 4_000_000, "rate_bp": 0, "reset_days": 4}
    platform = {
        "line_drawn": 1_000_000,
        "line_rate_bp": 3650,
        "funding": [{**funding, "seniority": 2}],
        "claims": 2_000_000,
    }
    world = plain_world(
        [plain_instrument(10_000)], rows(1, *[10_000] * 4), [account], platform=platform
    )
    world["shift_bp"] = [0, 365, 365, 365]
    row = audited(world)["platforms"][0]
    # 1, 2 and 1 calendar days. Loan: 1,000, then 10,001,000 * 0.0002 * 2 = 4,000.4, then 2,001 and
    # 0.0 of carry: 10,005,000 * 0.0002 = 2,001.0 + 0.4.
    assert row["loan_interest_li"] == 1000 + 4000 + 2001
    # Layer: 400 on day 3. Line at 0.1% a day: 1,000, then 1,001,000 * 0.002 = 2,002, then 1,003.002.
    assert row["funding_interest_li"] == 400 + 1000 + 2002 + 1003
    assert (row["junior_end_li"], row["senior_end_li"]) == (4_000_400, 1_004_005)
    assert row["own_capital_end_li"] == 3_000_000 + 7001 - 4405


# --- payment --------------------------------------------------------------------------------------


def test_pool_is_sold_for_what_is_needed() -> None:
    """(M-17) At a haircut of 2%, 409 bring the 400 that are needed; 1,000 bring 980 at most."""
    assert sell_pool(400, 1000, 200) == (409, 400)
    assert sell_pool(1400, 1000, 200) == (1000, 980)
    assert sell_pool(1, 1, 200) == (1, 0)
    assert sell_pool(0, 1000, 200) == (0, 0)


def paying_world(due: list[int], **changes: Any) -> World:
    """Return a platform with cash 100, pool 1,000, line 500 and one loan of 10,000."""
    platform = {"cash": 100, "pool": 1000, "line": 500, "claims": 9000, "due": due}
    share = plain_instrument(10, adv_shares=10**9)
    book = [plain_account(10_000, {0: 3000})]
    terms = {"pool_haircut_bp": 200, **changes}
    return plain_world([share], rows(1, *[10] * len(due)), book, platform=platform, **terms)


@pytest.mark.parametrize(
    ("due", "cash", "pool", "pool_loss", "drawn", "unpaid"),
    [
        (60, 40, 1000, 0, 0, 0),
        (500, 0, 591, 9, 0, 0),
        (1080, 0, 0, 20, 0, 0),
        (1500, 0, 0, 20, 420, 0),
        (1600, 0, 0, 20, 500, 20),
    ],
)
def test_payment_comes_from_cash_pool_and_line_in_order(
    due: int, cash: int, pool: int, pool_loss: int, drawn: int, unpaid: int
) -> None:
    """(M-17) Each tier pays only what the one before it could not."""
    row = audited(paying_world([0, due]))["platforms"][0]
    assert (row["cash_end_li"], row["pool_end_li"]) == (cash, pool)
    assert (row["pool_loss_li"], row["line_drawn_li"]) == (pool_loss, drawn)
    assert (row["unpaid_end_li"], row["senior_end_li"]) == (unpaid, drawn)
    assert row["redemption_paid_li"] == due - unpaid
    assert row["first_unpaid_day"] == (1 if unpaid else 0)


def test_called_loans_sell_once_and_pay_on_the_next_day() -> None:
    """(M-18, M-21) 1,001 unpaid call 301 and 701 of two loans; the 厘 too many stays in cash."""
    share = plain_instrument(10)
    book = [plain_account(3000, {0: 1000}), plain_account(7000, {0: 1000}, cash=100)]
    platform = {"claims": 9000, "due": [0, 1001, 1001, 1001]}
    world = plain_world([share], rows(1, *[10] * 4), book, platform=platform)
    result = audited(world)
    # The second pays 100 of its 701 from cash. 301 and 601 are 30.1 and 60.1 shares.
    assert [a["shares"] for a in result["accounts"]] == [[1000 - 31], [1000 - 61]]
    row = result["platforms"][0]
    assert [day[0]["unpaid_li"] for day in result["days"]] == [1001, 0, 0]
    assert row["repaid_li"] == 310 + 610 + 100
    assert (row["redemption_paid_li"], row["cash_end_li"]) == (1001, 1020 - 1001)
    assert (row["first_unpaid_day"], row["failure_day"]) == (1, 0)


def test_what_is_already_recalled_is_not_called_again() -> None:
    """(M-18) A recall that the market cannot meet today stays, and only what is missing is added."""
    share = plain_instrument(10, adv_shares=30)
    book = [plain_account(10_000, {0: 3000})]
    platform = {"claims": 9000, "due": [0, 1000, 1000, 1000, 1200, 1200, 1200]}
    world = plain_world([share], rows(1, *[10] * 7), book, platform=platform, payment_grace_days=9)
    sold = [day[0]["sold_li"] for day in audited(world)["days"]]
    # Recalled 1,000, 700, 400 and, 200 being added on day 4 to 100, 300.
    assert sold == [300, 300, 300, 300, 0, 0]


def test_no_more_is_called_than_the_loan() -> None:
    """(M-18) Where more is unpaid than was lent, the client keeps the rest of the shares."""
    platform = {"other": 5000, "claims": 3000, "due": [0, 3000]}
    account = plain_account(1000, {0: 500})
    world = plain_world([plain_instrument(10)], rows(1, 10, 10), [account], platform=platform)
    result = audited(world)["accounts"][0]
    assert (result["shares"], result["debt_li"], result["cash_li"]) == ([400], 0, 0)


def test_a_recall_sells_its_cost_too_and_acts_once_a_day() -> None:
    """(M-21) 900 net of 10% are 1,000 gross; what one name cannot fill is not asked of another."""
    platform = {"claims": 9000, "due": [0, 900]}
    share = plain_instrument(10, cost_bp=1000)
    account = plain_account(10_000, {0: 3000})
    world = plain_world([share], rows(1, 10, 10), [account], platform=platform)
    row = audited(world)["platforms"][0]
    assert (row["sold_li"], row["repaid_li"]) == (1000, 900)
    listed = [plain_instrument(10, adv_shares=1), plain_instrument(10)]
    account = plain_account(10_000, {0: 1500, 1: 1500})
    platform = {"claims": 9000, "due": [0, 1000]}
    result = audited(plain_world(listed, rows(2, 10, 10), [account], platform=platform))
    assert result["accounts"][0]["shares"] == [1499, 1450]
    assert result["path"]["rounds_most"] == 1


def test_a_failed_platform_pays_nobody_and_calls_no_loan() -> None:
    """(M-17, M-18, M-28) Unpaid past its grace of a day, it fails on day 2 and keeps its cash."""
    platform = {"cash": 100, "claims": 5000, "due": [0, 200, 200, 300, 300]}
    share = plain_instrument(10, suspended=True)
    account = plain_account(10_000, {0: 3000})
    world = plain_world([share], rows(1, *[10] * 5), [account], platform=platform)
    result = audited(world)
    row = result["platforms"][0]
    assert (row["first_unpaid_day"], row["failure_day"]) == (1, 2)
    assert (row["own_funds_exhausted_day"], row["redemption_paid_li"]) == (0, 100)
    assert [day[0]["unpaid_li"] for day in result["days"]] == [100, 100, 200, 200]


def test_run_off_calls_all_loans_from_the_day_after_failure() -> None:
    """(M-21, M-28) Called loans are sold in full, held loans are not touched."""
    platform = {"claims": 5000, "due": [0, 200, 200, 200]}
    account = plain_account(10_000, {0: 3000}, cash=0)
    for run_off, shares in (("held", 3000 - 20), ("called", 0)):
        world = plain_world(
            [plain_instrument(10)],
            rows(1, *[10] * 4),
            [account],
            platform=platform,
            payment_grace_days=0,
            run_off=run_off,
        )
        result = audited(world)
        row = result["platforms"][0]
        assert (row["failure_day"], row["redemption_paid_li"]) == (1, 0)
        assert result["accounts"][0]["shares"] == [shares]
        sold = [day[0]["sold_li"] for day in result["days"]]
        assert sold == [200, 29_800 if run_off == "called" else 0, 0]
        assert row["account_cash_end_li"] == (20_000 if run_off == "called" else 0)


# --- calls ----------------------------------------------------------------------------------------


def test_measures_of_margin_calls() -> None:
    """(M-19) One client's surplus does not fill another's hole; a call rounds up."""
    listed = [plain_instrument(1000, suspended=True)]
    book = [plain_account(10_001, {0: 12}), plain_account(10_000, {0: 50})]
    result = audited(plain_world(listed, [[1000], [500], [900]], book))
    row = result["platforms"][0]
    # 1.4 * 10,001 = 14,001.4 and 1.3 * 10,001 = 13,001.3, both rounded up.
    assert row["margin_call_peak_li"] == 14_002 - 12_000
    assert row["margin_coverage_ppm"] == (12_000 + 13_000) * 10**6 // (13_002 + 13_000)
    assert row["margin_call_peak_fundamental_li"] == 14_002 - 6_000
    assert row["margin_coverage_fundamental_ppm"] == (6_000 + 13_000) * 10**6 // 26_002
    assert row["margin_call_issued_li"] == row["margin_call_unanswered_li"] == 2002


@pytest.mark.parametrize(("cash", "called"), [(-1, 1), (0, 0), (1, 0)])
def test_on_the_warning_line_nobody_is_called(cash: int, called: int) -> None:
    """(M-3, M-20) Below means strictly below, to the 厘."""
    account = plain_account(10_000, {0: 10}, cash=4000 + cash)
    result = audited(plain_world([plain_instrument(1000)], rows(1, 1000, 1000), [account]))
    assert result["accounts"][0]["called"] == called
    assert result["platforms"][0]["margin_call_issued_li"] == called


@pytest.mark.parametrize(("cash", "forced"), [(-1, 1), (0, 0), (1, 0)])
def test_on_the_liquidation_line_nobody_sells(cash: int, forced: int) -> None:
    """(M-3, M-21) Cash of 1 repays first and cannot help an account that is 1 below."""
    account = plain_account(10_000, {0: 13}, cash=1 + cash, liquidation_bp=13_001)
    result = audited(plain_world([plain_instrument(1000)], rows(1, 1000, 1000), [account]))
    assert result["accounts"][0]["forced"] == forced


def test_the_chance_of_an_answer_follows_the_mood() -> None:
    """(M-20) At a mood of 100% a fall of 40% takes 40% of the chance; a rise adds nothing."""
    assert answer_chance_bp(5000, 10_000, 6000) == 3000
    assert answer_chance_bp(10_000, 5000, 6000) == 8000
    assert answer_chance_bp(10_000, 0, 100) == 10_000
    assert answer_chance_bp(10_000, 10_000, 12_000) == 10_000
    assert answer_chance_bp(10_000, 30_000, 6000) == 0
    assert answer_chance_bp(3333, 10_000, 9999) == 3332


def call_world(chance: int, grace: int, seed: int, days: int = 5) -> World:
    """Return two accounts of which the second falls 100 below its warning line on day 1."""
    book = [plain_account(0, {}), plain_account(10_000, {0: 10}, cash=3900)]
    listed = [plain_instrument(1000)]
    world = plain_world(
        listed, rows(1, *[1000] * (days + 1)), book, grace_days=grace, answer_bp=[chance] * 3
    )
    return {**world, "seed": seed, "path": 7}


@pytest.mark.parametrize("seed", [1, 2**40 + 5, 2**64 - 1])
def test_an_answer_comes_within_the_grace(seed: int) -> None:
    """(M-5, M-20) Word 1 of (slot 1, day 1, stream 3, path 7) chooses the day; cash arrives."""
    word1 = philox4x32((1, 1, 3, 7), (seed % 2**32, seed // 2**32))[1]
    day = 2 + word1 * 3 // 2**32
    world = call_world(10_000, 3, seed)
    for horizon in range(1, 6):
        result = audited(up_to(world, horizon))
        paid = 100 if horizon >= day else 0
        assert result["platforms"][0]["client_paid_li"] == paid
        assert result["platforms"][0]["margin_call_unanswered_li"] == 100 - paid
        assert result["accounts"][1]["cash_li"] == 3900 + paid


def test_word_0_decides_who_answers() -> None:
    """(M-20) The client answers if word 0 x 10^4 < p x 2^32, strictly."""
    for seed in range(40):
        word0 = philox4x32((1, 1, 3, 7), (seed, 0))[0]
        result = audited(call_world(5000, 1, seed, days=2))
        answers = word0 * 10_000 < 5000 * 2**32
        assert result["platforms"][0]["client_paid_li"] == (100 if answers else 0)
    assert audited(call_world(10_000, 0, 1))["platforms"][0]["client_paid_li"] == 0


def test_the_mood_is_that_of_the_day() -> None:
    """(M-20) After a fall of 40% on the day of the call, a mood of 250% leaves no answer."""
    world = call_world(10_000, 1, 1, days=3)
    world["terms"]["mood_bp"] = 25_000
    assert audited(world)["platforms"][0]["client_paid_li"] == 100
    world["factor_bp"] = [10_000, 6000, 10_000, 10_000]
    assert audited(world)["platforms"][0]["client_paid_li"] == 0


@pytest.mark.parametrize("grace", [0, 1, 2, 3])
def test_an_overdue_call_acts_on_its_day(grace: int) -> None:
    """(M-20, M-21) A call of day 1 is overdue from day 1 + grace + 1 on, not before."""
    account = plain_account(10_000, {0: 10})
    path = rows(1, 1390, *[1390] * 6)
    result = audited(plain_world([plain_instrument(1390)], path, [account], grace_days=grace))
    # v = (14,000 - 13,900) / 0.4 = 250, one share of 1,390; then m = 12,510 / 8,610 = 145.3%.
    days = [day[0]["sold_li"] for day in result["days"]]
    assert days == [1390 if day == grace + 2 else 0 for day in range(1, 7)]
    assert result["accounts"][0]["called"] == 1
    # The call was cured by the sale, a day after its grace: the client never answered it.
    assert result["platforms"][0]["margin_call_unanswered_li"] == 14_000 - 13_900


def test_an_overdue_call_that_cash_can_meet_sells_nothing() -> None:
    """(M-21) Cash of 3,900 repays on day 4; 10,000 for a debt of 6,100 are enough."""
    for horizon, debt in ((3, 10_000), (4, 6_100), (5, 6_100)):
        result = audited(up_to(call_world(0, 2, 1), horizon))
        assert (result["accounts"][1]["debt_li"], result["accounts"][1]["forced"]) == (debt, 0)


def test_a_call_lapses_when_the_price_comes_back() -> None:
    """(M-20) Then it is neither paid nor unanswered, and a new fall makes a new call."""
    account = plain_account(10_000, {0: 10})
    path = rows(1, 1400, 1350, 1400, 1390)
    result = audited(plain_world([plain_instrument(1400)], path, [account]))
    assert result["accounts"][0]["called"] == 2
    row = result["platforms"][0]
    assert (row["margin_call_issued_li"], row["margin_call_unanswered_li"]) == (600, 100)
    assert (row["margin_call_peak_li"], row["margin_call_peak_day"]) == (500, 1)


# --- forced sales ---------------------------------------------------------------------------------


def sale(account: dict[str, Any], price: int, *, days: int = 1, **changes: Any) -> dict[str, Any]:
    """Return the outcome of one account whose share of 10.00 falls on day 1 and stays."""
    instrument = plain_instrument(10_000, **changes.pop("instrument", {}))
    path = rows(1, 10_000, *[price] * days)
    return audited(plain_world([instrument], path, [account], **changes))


def test_a_partial_sale_restores_the_line_exactly() -> None:
    """(M-21) v = (ρ D - A) / (ρ (1 - c) - 1); afterwards A / D is the restore line."""
    account = plain_account(7_000_000, {0: 1000})
    result = sale(account, 9000)
    # v = (9,800 - 9,000) / 0.4 = 2,000 yuan = 222.2 shares.
    assert result["accounts"][0]["shares"] == [1000 - 223]
    # At a cost of 1.5% and an expected impact of 0.5%: 800 / (1.4 * 0.98 - 1) = 2,150.54 = 238.9.
    result = sale(account, 9000, instrument={"cost_bp": 150}, expected_impact_bp=50)
    assert result["accounts"][0]["shares"] == [1000 - 239]
    assert result["platforms"][0]["selling_cost_li"] == 239 * 9000 * 150 // 10_000
    account = plain_account(7_000_000, {0: 900}, restore_bp=15_000)
    # v = (10,500 - 9,000) / 0.5 = 3,000 = 300 shares of 10.00: (9,000 - 3,000) / 4,000 = 150%.
    result = sale(account, 10_000)
    assert (result["accounts"][0]["shares"], result["accounts"][0]["debt_li"]) == ([600], 4_000_000)


def test_cash_repays_first() -> None:
    """(M-21) Cash that lifts the account over its restore line saves its shares."""
    account = plain_account(7_000_000, {0: 800}, cash=1_000_000)
    result = sale(account, 10_000)
    # m = 9,000 / 7,000 = 128.6%; after 1,000 of cash v = (8,400 - 8,000) / 0.4 = 1,000.
    assert result["accounts"][0] == {
        "called": 1,
        "forced": 1,
        "deficit_li": 0,
        "sold_li": 1_000_000,
        "cash_li": 0,
        "debt_li": 5_000_000,
        "shares": [700],
    }


def test_everything_is_sold_where_no_part_restores() -> None:
    """(M-21) A restore line of 100.2% at a cost of 1% cannot be reached by selling."""
    account = plain_account(7_000_000, {0: 1000}, restore_bp=10_020, liquidation_bp=10_010)
    costly = {"tick": 1, "cost_bp": 100}
    assert sale(account, 7005, instrument=costly)["accounts"][0]["shares"] == [0]
    # v = (7,014 - 7,005) / 0.002 = 4,500 yuan without a cost: 642.4 shares.
    assert sale(account, 7005, instrument={"tick": 1})["accounts"][0]["shares"] == [1000 - 643]


def test_no_part_is_sold_where_cash_has_restored_the_line() -> None:
    """(M-21) Not even where the denominator is negative."""
    account = plain_account(7_000_000, {0: 700}, cash=4_000_000, restore_bp=10_020)
    result = sale(account, 7000, instrument={"cost_bp": 100})["accounts"][0]
    assert (result["shares"], result["debt_li"], result["forced"]) == ([700], 3_000_000, 0)


def test_the_amount_to_sell_rounds_up() -> None:
    """(M-21) v = (1.4 x 7,001 - 9,000) / 0.4 = 2,003.5 is 2,004 shares at one 厘."""
    share = plain_instrument(1, tick=1)
    world = plain_world([share], rows(1, 1, 1), [plain_account(7001, {0: 9000})])
    assert audited(world)["accounts"][0]["shares"] == [9000 - 2004]


def test_a_sale_of_everything_becomes_a_full_sale() -> None:
    """(M-21) v = (9,800 - 7,000) / 0.4 is all there is; it goes on at 20.00 until D = 0."""
    thin = plain_instrument(10_000, adv_shares=300)
    account = plain_account(7_000_000, {0: 1000})
    result = audited(plain_world([thin], rows(1, 10_000, 7000, 20_000, 20_000), [account]))
    assert [day[0]["sold_li"] for day in result["days"]] == [2_100_000, 6_000_000, 0]
    assert result["accounts"][0]["cash_li"] == 1_100_000


def test_a_full_sale_contract_sells_all_and_the_client_keeps_the_rest() -> None:
    """(M-21, M-25) 9,000 are sold, 7,000 repaid, 2,000 are the client's."""
    result = sale(plain_account(7_000_000, {0: 1000}, full_sale=True), 9000)
    assert result["accounts"][0]["shares"] == [0]
    assert result["accounts"][0]["cash_li"] == 2_000_000
    assert result["platforms"][0]["in_transit_end_li"] == 7_000_000


def test_a_full_sale_goes_on_when_the_line_is_passed_again() -> None:
    """(M-21) Begun on a day of thin trading, it ends only with the debt."""
    account = plain_account(7_000_000, {0: 1000}, full_sale=True)
    thin = plain_instrument(10_000, adv_shares=300)
    path = rows(1, 10_000, 9000, 20_000, 20_000)
    result = audited(plain_world([thin], path, [account]))
    # 300 at 9.00 leave 4,300 of debt; 300 at 20.00 repay it: 1,700 and 400 shares stay.
    assert result["accounts"][0]["shares"] == [400]
    assert result["accounts"][0]["cash_li"] == 1_700_000
    assert [day[0]["sold_li"] for day in result["days"]] == [2_700_000, 6_000_000, 0]


def test_a_recall_alone_sells_no_more_than_it_needs() -> None:
    """(M-21) Not even under a contract that sells in full; it takes only its part of the cash."""
    account = plain_account(10_000, {0: 3000}, cash=150, full_sale=True)
    platform = {"claims": 9000, "due": [0, 100]}
    world = plain_world([plain_instrument(10)], rows(1, 10, 10), [account], platform=platform)
    result = audited(world)["accounts"][0]
    assert (result["cash_li"], result["debt_li"], result["shares"]) == (50, 9900, [3000])
    account = plain_account(10_000, {0: 3000}, cash=40, full_sale=True)
    world = plain_world([plain_instrument(10)], rows(1, 10, 10), [account], platform=platform)
    assert audited(world)["accounts"][0]["shares"] == [3000 - 6]


def test_orders_are_spread_by_value_and_rounded_to_lots() -> None:
    """(M-22) v x sellable / S of each position, up to whole lots, at most what may be sold."""
    listed = [plain_instrument(10_000, lot=100), plain_instrument(5000, lot=1)]
    account = plain_account(7_000_000, {0: 450, 1: 900})
    account["positions"][1]["sellable"] = 600
    result = audited(plain_world(listed, [[10_000, 5000], [10_000, 5000]], [account]))
    # v = (9,800 - 9,000) / 0.4 = 2,000; S = 4,500 + 3,000: 120 -> 200 shares and 160 shares.
    assert result["accounts"][0]["shares"] == [250, 740]


def test_an_odd_remainder_is_sold_in_one_order() -> None:
    """(M-22) Rounding up to the lot stops at what may be sold."""
    account = plain_account(7_000_000, {0: 999})
    account["positions"][0]["sellable"] = 250
    result = sale(account, 9000, instrument={"lot": 200})
    assert result["accounts"][0]["shares"] == [999 - 250]


@pytest.mark.parametrize(
    ("minimum", "left"),
    [(2_000_000, 777), (2_007_001, 776), (8_999_999, 0), (9_000_000, 0), (10**13, 0)],
)
def test_a_sale_is_raised_to_the_minimum(minimum: int, left: int) -> None:
    """(M-21) v = 2,000 is 223 shares of 9.00, 2,007.001 are 224; all that is held is a full sale."""
    account = plain_account(7_000_000, {0: 1000})
    assert sale(account, 9000, minimum_sale=minimum)["accounts"][0]["shares"] == [left]


def test_a_minimum_that_is_all_there_is_begins_a_full_sale() -> None:
    """(M-21) At 8,999.999 the sale that 300 shares a day cannot fill ends on day 2; at 9,000 it goes on.

    300 at 9.00 leave a debt of 4,300 on 700 shares, at 20.00 far above every line.
    """
    account = plain_account(7_000_000, {0: 1000})
    thin = plain_instrument(10_000, adv_shares=300)
    for minimum, left in ((8_999_999, 700), (9_000_000, 400)):
        path = rows(1, 10_000, 9000, 20_000)
        result = audited(plain_world([thin], path, [account], minimum_sale=minimum))
        assert result["accounts"][0]["shares"] == [left]


def test_nothing_to_sell_is_not_raised() -> None:
    """(M-21) Cash alone restores the line: v = 0 sells nothing, whatever the minimum."""
    account = plain_account(10_000, {0: 10}, cash=3900)
    path = rows(1, 1000, *[1000] * 5)
    result = audited(plain_world([plain_instrument(1000)], path, [account], minimum_sale=10**13))
    assert result["accounts"][0]["shares"] == [10]
    assert result["accounts"][0]["debt_li"] == 6100


def sold_by_day(result: dict[str, Any], index: int = 0) -> list[int]:
    """Return the shares of one instrument that were sold on each day."""
    return [row[index]["sold_shares"] for row in result["instruments"]]


@pytest.mark.parametrize(
    ("batches", "sold"),
    [(1, [900, 0, 0, 0]), (2, [450, 450, 0, 0]), (3, [300, 300, 300, 0]), (7, [129, 129, 129, 129])],
)
def test_a_full_sale_in_batches(batches: int, sold: list[int]) -> None:
    """(M-47) 900 shares in n days: the j-th sells what is held / (n - j + 1); 900 / 7 = 128.6.

    Then 771 / 6 = 128.5, 642 / 5 = 128.4, 513 / 4 = 128.25.
    """
    account = plain_account(7_000_000, {0: 900}, full_sale=True)
    result = sale(account, 9000, days=4, batches=batches)
    assert sold_by_day(result) == sold


def test_the_value_of_a_batch_rounds_up() -> None:
    """(M-47) Half of nine shares at one 厘 is five, and then the other four."""
    account = plain_account(7, {0: 9}, full_sale=True)
    share = plain_instrument(1, tick=1)
    world = plain_world([share], rows(1, 1, 1, 1), [account], batches=2)
    assert sold_by_day(audited(world)) == [5, 4]


def test_the_last_batch_sells_what_it_needs() -> None:
    """(M-47) Two batches of a partial sale that each day's fall makes necessary again.

    Day 1 at 9.00: v = 2,000, half of it 1,000: 112 shares; D = 5,992, 888 shares. Day 2 at 8.50:
    A = 7,548, v = (8,388.8 - 7,548) / 0.4 = 2,102: 248 shares; D = 3,884, 640 shares. Day 3 at
    7.50: A = 4,800 (123.6%), v = (5,437.6 - 4,800) / 0.4 = 1,594: 213 shares, again not halved.
    """
    account = plain_account(7_000_000, {0: 1000})
    path = rows(1, 10_000, 9000, 8500, 7500)
    result = audited(plain_world([plain_instrument(10_000)], path, [account], batches=2))
    assert sold_by_day(result) == [112, 248, 213]


def test_a_day_without_an_order_starts_the_batches_again() -> None:
    """(M-47) 900 / 3; closed; then 600 / 3, 400 / 2 and the rest."""
    account = plain_account(7_000_000, {0: 900}, full_sale=True)
    share = plain_instrument(9000, suspended=[2])
    result = audited(plain_world([share], rows(1, *[9000] * 6), [account], batches=3))
    assert sold_by_day(result) == [300, 0, 200, 200, 200]


def test_a_batch_is_ordered_once_a_day() -> None:
    """(M-47) Its own impact keeps the account below the line, and it orders again if n = 1 alone.

    100 shares take 30% off. v = (2,156 - 2,000) / 0.4 = 390, 39 shares, half of it 20 shares at
    9.70: D = 1,346, A = 180 x 9.40 = 1,692, 125.7%.
    """
    account = plain_account(1_540_000, {0: 200})
    for batches in (1, 2):
        world = impact_world(plain_instrument(10_000), [account], 10_000, 10_000)
        world["instruments"][0]["sigma_day"] *= 3
        world["terms"]["batches"] = batches
        result = audited(world)
        assert (result["path"]["rounds_most"] == 1) == (batches == 2)
        assert (sold_by_day(result) == [20]) == (batches == 2)


def test_a_full_sale_is_begun_by_its_first_batch() -> None:
    """(M-47) Above every line on day 2, it goes on all the same: 500, then the rest of the debt."""
    account = plain_account(8_000_000, {0: 1000}, full_sale=True)
    path = rows(1, 10_000, 9000, 20_000, 20_000)
    result = audited(plain_world([plain_instrument(10_000)], path, [account], batches=2))
    assert sold_by_day(result) == [500, 500, 0]
    assert result["accounts"][0]["cash_li"] == 4_500_000 + 10_000_000 - 8_000_000


def order_world(order: str, **changes: Any) -> World:
    """Return 400 at 10.00, 400 at 5.00 and 150 at 20.00 against 7,400: v = 1,360 / 0.4 = 3,400."""
    listed = [
        plain_instrument(10_000, sigma_day=0.1, adv_shares=1_000_000_000),
        plain_instrument(5000, sigma_day=0.2, adv_shares=3_000_000_000),
        plain_instrument(20_000, sigma_day=0.3, adv_shares=600_000_000),
    ]
    account = plain_account(7_400_000, {0: 400, 1: 400, 2: 150}, sale_order=order)
    for position, cost_price in zip(account["positions"], (8000, 0, 40_000), strict=True):
        position["cost_price"] = cost_price
    return plain_world(listed, [[10_000, 5000, 20_000]] * 2, [account], **changes)


@pytest.mark.parametrize(
    ("order", "sold"),
    [
        ("pro_rata", [152, 152, 57]),
        ("most_liquid", [0, 400, 70]),
        ("largest", [340, 0, 0]),
        ("most_volatile", [0, 80, 150]),
        ("highest_loss", [40, 0, 150]),
    ],
)
def test_orders_of_sale(order: str, sold: list[int]) -> None:
    """(M-22) Turnover 10, 15 and 12 billion; value 4,000, 2,000, 3,000; cost 8, unknown and 40.

    pro_rata: 3,400 / 9,000 = 37.8% of each, 151.1, 151.1 and 56.7 shares. most_liquid: 400 x 5, then
    1,400 / 20. largest: 340 x 10. most_volatile: 150 x 20, then 400 / 5. highest_loss: half its
    cost is lost on the third, nothing on the first, and the unknown one would be last.
    """
    result = audited(order_world(order))
    shares = result["accounts"][0]["shares"]
    assert [a - b for a, b in zip((400, 400, 150), shares, strict=True)] == sold


@pytest.mark.parametrize("order", ["most_liquid", "largest", "most_volatile", "highest_loss"])
def test_equal_keys_sell_the_first_position(order: str) -> None:
    """(M-22) Two names alike in all: v = 2,000 is 222.2 shares of the first."""
    account = plain_account(7_000_000, {0: 500, 1: 500}, sale_order=order)
    listed = [plain_instrument(9000), plain_instrument(9000)]
    result = audited(plain_world(listed, rows(2, 9000, 9000), [account]))
    assert result["accounts"][0]["shares"] == [277, 500]


def test_a_position_of_unknown_cost_is_sold_last() -> None:
    """(M-22) After one that has gained tenfold; of those with a cost the smaller quotient is first."""
    account = plain_account(7_000_000, {0: 500, 1: 500}, sale_order="highest_loss")
    listed = [plain_instrument(9000), plain_instrument(9000)]
    for costs, left in (((0, 900), [500, 277]), ((9001, 9002), [500, 277]), ((9002, 9001), [277, 500])):
        for position, cost_price in zip(account["positions"], costs, strict=True):
            position["cost_price"] = cost_price
        result = audited(plain_world(listed, rows(2, 9000, 9000), [account]))
        assert result["accounts"][0]["shares"] == left


def test_a_sequence_goes_on_from_what_was_ordered() -> None:
    """(M-22) v = 2,000 at 9.00: more than that of the first leaves nothing for the second.

    Where only 150 of the first may be sold, 1,350, 650 are left: 72.2 shares of the second.
    """
    account = plain_account(7_000_000, {0: 500, 1: 500}, sale_order="largest")
    account["positions"][0]["sellable"] = 300
    account["positions"][1]["sellable"] = 250
    listed = [plain_instrument(9000, lot=200), plain_instrument(9000)]
    # 222.2 shares are 400 in lots of 200, of which 300 may be sold: 2,700 are more than enough.
    result = audited(plain_world(listed, rows(2, 9000, 9000), [account]))
    assert result["accounts"][0]["shares"] == [200, 500]
    account["positions"][0]["sellable"] = 150
    account["positions"][1]["sellable"] = 149
    result = audited(plain_world(listed, rows(2, 9000, 9000), [account]))
    assert result["accounts"][0]["shares"] == [350, 500 - 73]


@pytest.mark.parametrize(
    ("lot", "min_order", "sellable", "sold"),
    [(1, 200, 900, 223), (1, 300, 900, 300), (1, 300, 299, 299), (100, 250, 900, 300), (100, 350, 900, 350)],
)
def test_an_order_has_a_minimum(lot: int, min_order: int, sellable: int, sold: int) -> None:
    """(M-22) 222.2 shares, in whole lots, at least the board's minimum, at most what may be sold."""
    account = plain_account(7_000_000, {0: 1000})
    account["positions"][0]["sellable"] = sellable
    result = sale(account, 9000, instrument={"lot": lot, "min_order": min_order})
    assert result["accounts"][0]["shares"] == [1000 - sold]


def displaced_world(order: str = "pro_rata", *, turnover: int = 10**9, **changes: Any) -> World:
    """Return 500 + 500 shares at 9.00 against 7,000, the first name shut: v = 800 / 0.4 = 2,000."""
    listed = [
        plain_instrument(9000, suspended=True),
        plain_instrument(9000, adv_shares=turnover),
    ]
    full = changes.pop("full_sale", False)
    account = plain_account(7_000_000, {0: 500, 1: 500}, sale_order=order, full_sale=full)
    return plain_world(listed, rows(2, 9000, 9000), [account], **changes)


@pytest.mark.parametrize(
    ("order", "turnover", "sold", "displaced"),
    [
        ("pro_rata", 10**9, 223, 111),
        ("pro_rata", 150, 150, 38),
        ("pro_rata", 112, 112, 0),
        ("largest", 10**9, 223, 223),
        ("largest", 50, 50, 50),
    ],
)
def test_what_a_shut_name_displaces(order: str, turnover: int, sold: int, displaced: int) -> None:
    """(M-48) Alone it must raise 2,000, 222.2 shares; with the other open 1,000, 111.1 shares.

    In a sequence the first name alone would have done.
    """
    world = displaced_world(order, turnover=turnover)
    result = audited(world)
    row = result["instruments"][0][1]
    assert (row["sold_shares"], row["displaced_shares"]) == (sold, displaced)
    assert row["sold_li"] == sold * 9000
    assert result["platforms"][0]["displaced_li"] == displaced * 9000
    world["terms"]["displace"] = False
    result = audited(world)
    own = 112 if order == "pro_rata" else 0
    assert sold_by_day(result, 1) == [min(own, turnover)]
    assert result["platforms"][0]["displaced_li"] == 0
    assert result["accounts"][0]["forced"] == (own > 0)


def test_a_full_sale_displaces_nothing() -> None:
    """(M-48) It orders all it may anyway."""
    for displace in (True, False):
        result = audited(displaced_world(full_sale=True, displace=displace))
        assert sold_by_day(result, 1) == [500]
        assert result["platforms"][0]["displaced_li"] == 0


def test_a_batch_of_a_full_sale_displaces() -> None:
    """(M-48) Half of 9,000 is all of the open name, of which 250 would have done with the other.

    The last batch is not divided: on day 2 it orders the 250 that were left without displacing.
    """
    result = audited(displaced_world(full_sale=True, batches=2))
    assert sold_by_day(result, 1) == [500]
    assert result["platforms"][0]["displaced_li"] == 250 * 9000
    listed = [plain_instrument(9000, suspended=True), plain_instrument(9000)]
    account = plain_account(7_000_000, {0: 500, 1: 500}, full_sale=True)
    world = plain_world(listed, rows(2, *[9000] * 3), [account], batches=2, displace=False)
    result = audited(world)
    assert sold_by_day(result, 1) == [250, 250]
    assert result["platforms"][0]["displaced_li"] == 0


def test_a_displaced_fill_is_paid_its_price() -> None:
    """(M-25, M-48) 223 shares press 9.00 to 8.50, paid at 8.75: 111 of them are displaced."""
    world = displaced_world(impact="linear")
    world["instruments"][1].update(adv_shares=223, sigma_day=0.05555)
    result = audited(world)
    assert quotes(result, 1) == [8500]
    assert result["platforms"][0]["displaced_li"] == 111 * 8750


# --- market ---------------------------------------------------------------------------------------


def test_fills_are_rationed_and_rounded_down() -> None:
    """(M-23) 100 shares for three orders of 100 are 33 each; what fits is filled."""
    assert fills([100, 100, 100], 100) == ([33, 33, 33], True)
    assert fills([1, 299], 100) == ([0, 99], True)
    assert fills([40, 60], 100) == ([40, 60], False)


def test_a_rationed_name_is_closed_for_the_day() -> None:
    """(M-15, M-23) Turnover of 1,009 at 10% is 100 shares a day, of which 99 are filled."""
    thin = plain_instrument(10_000, adv_shares=1009)
    book = [plain_account(7_000_000, {0: 700}, full_sale=True) for _ in range(3)]
    world = plain_world([thin], rows(1, 10_000, 9000, 9000), book, participation_bp=1000)
    result = audited(world)
    assert [row[0]["sold_shares"] for row in result["instruments"]] == [99, 99]
    assert [a["shares"] for a in result["accounts"]] == [[634]] * 3
    assert result["path"] == {
        "rounds_most": 1,
        "rounds_limit_days": 0,
        "breaker_days": 0,
    }


def test_a_market_that_is_full_takes_no_more_orders() -> None:
    """(M-22) The second account falls below its line when the day's turnover is used up."""
    share = plain_instrument(10_000, adv_shares=100, sigma_day=0.1)
    book = [plain_account(1_000_000, {0: n}, full_sale=True) for n in (100, 140)]
    for volume, forced in ((100, [1, 0]), (200, [1, 1])):
        market = {**share, "adv_shares": volume, "sigma_day": volume / 1000}
        result = audited(plain_world([market], rows(1, 10_000, 10_000), book, impact="linear"))
        assert [a["forced"] for a in result["accounts"]] == forced


@pytest.mark.parametrize(
    ("quantity", "price"), [(1, 99_800), (10, 99_370), (25, 99_000), (100, 98_000)]
)
def test_square_root_impact(quantity: int, price: int) -> None:
    """(M-24) σ = 2%, Y = 1: 1, 10, 25 and 100% of a day's volume cost 20, 63.2, 100, 200 bp."""
    instrument = plain_instrument(100_000, adv_shares=100, sigma_day=0.02)
    terms = {"impact": "sqrt", "impact_coefficient": 1.0}
    assert price_after(100_000, quantity, instrument, 10, terms) == price
    half = {**terms, "impact_coefficient": 0.5}
    assert price_after(100_000, 100, instrument, 10, half) == 99_000


def test_linear_impact() -> None:
    """(M-24) c = 0.4, σ = 2%: 5% of a day's volume costs 25 bp, all of it 5%; low holds."""
    instrument = plain_instrument(100_000, adv_shares=100, sigma_day=0.02)
    terms = {"impact": "linear", "impact_coefficient": 0.4}
    assert price_after(100_000, 5, instrument, 10, terms) == 99_750
    assert price_after(100_000, 100, instrument, 10, terms) == 95_000
    assert price_after(100_000, 100, instrument, 96_000, terms) == 96_000
    assert price_after(100_000, 3000, instrument, 10, terms) == 10
    assert price_after(100_000, 100, instrument, 10, {**terms, "impact": "none"}) == 100_000


def test_exponential_impact() -> None:
    """(M-24) σ = 2%, c = 0.4, floor half the book price: a day's volume is 0.02 / 0.2 = 0.1 deep.

    1 - exp(-0.1) = 0.0951626; half of it from 100.00, three eighths from 80.00, nothing from 50.00.
    """
    instrument = plain_instrument(100_000, adv_shares=100, sigma_day=0.02)
    terms = {"impact": "exponential", "impact_coefficient": 0.4, "impact_floor": 0.5}
    assert price_after(100_000, 100, instrument, 10, terms) == 95_240  # 95,241.9
    assert price_after(80_000, 100, instrument, 10, terms) == 77_150  # 77,145.1
    assert price_after(50_000, 100, instrument, 10, terms) == 50_000
    assert price_after(40_000, 100, instrument, 10, terms) == 40_000
    assert price_after(100_000, 10**9, instrument, 10, terms) == 50_000
    # Without a floor 0.02 / 0.4 = 0.05: 1 - exp(-0.05) = 0.0487706.
    bottomless = {**terms, "impact_floor": 0.0}
    assert price_after(100_000, 100, instrument, 10, bottomless) == 95_120  # 95,122.9


def test_almgren_impact() -> None:
    """(M-24) σ = 2%, a quarter of a day's volume, (Θ / V)^¼ = 2: I = 31.4 bp.

    K = 28.4 bp x 0.25^0.6 = 12.36 bp over the whole day, and 28.4 bp in a quarter of it.
    """
    instrument = plain_instrument(100_000, adv_shares=100, sigma_day=0.02, theta=2.0)
    terms = {"impact": "almgren", "impact_coefficient": 1.0, "impact_fraction": 1.0, "permanent_bp": 1}
    assert price_after(100_000, 25, instrument, 10, terms) == 99_560  # 99,562.4
    assert permanent_bp(25, instrument, terms) == 7175  # 31.4 of 43.76
    hurried = {**terms, "impact_fraction": 0.25}
    assert price_after(100_000, 25, instrument, 10, hurried) == 99_400  # 99,402.0
    assert permanent_bp(25, instrument, hurried) == 5250  # 31.4 of 59.8
    # The coefficient scales the fall and not the share that lasts.
    double = {**hurried, "impact_coefficient": 2.0}
    assert price_after(100_000, 25, instrument, 10, double) == 98_800  # 98,804.0
    assert permanent_bp(25, instrument, double) == 5250
    assert permanent_bp(0, instrument, terms) == 0
    assert permanent_bp(25, {**instrument, "sigma_day": 0.0}, terms) == 0
    assert permanent_bp(25, instrument, {**terms, "impact": "sqrt"}) == 1


def test_almgren_leaves_its_permanent_part() -> None:
    """(M-24) Half a day's volatility: I = 0.157, K = 0.071; 68.85% of 22.8% stay: 10.00 to 8.43.

    With natural buyers for 50 of 100 shares I = 0.0785, K = 0.071 x 0.5^0.6 = 0.046843: to 8.75
    (12.5343%, on the tick 12.5%), of which 62.62% stay: 7.8275%, 9.217 on day 2.
    """
    share = plain_instrument(10_000, adv_shares=100, sigma_day=0.5)
    account = plain_account(1_000_000, {0: 100}, full_sale=True)
    world = plain_world([share], rows(1, *[10_000] * 3), [account], impact="almgren")
    assert quotes(audited(world)) == [7720, 8430]
    world["terms"]["buyers_bp"] = 5000
    assert quotes(audited(world)) == [8750, 9220]


def impact_world(share: dict[str, Any], book: list[dict[str, Any]], *prices: int) -> World:
    """Return a world in which 100 shares sold take 10% off the price."""
    share = {**share, "sigma_day": 1_000_000.0}
    return plain_world([share], rows(1, *prices), book, impact="linear")


def test_impact_leaves_a_lasting_part_and_decays() -> None:
    """(M-24) 10.00 to 9.00: half lasts, half of the rest is gone each day, to the tick."""
    account = plain_account(1_000_000, {0: 100}, full_sale=True)
    world = impact_world(plain_instrument(10_000), [account], *[10_000] * 4)
    world["terms"].update(permanent_bp=5000, decay_ppb=500_000_000)
    # keep 0.95; gap 0.05, 0.025, 0.0125: 9,500 * 0.975 = 9,262.5 and 9,500 * 0.9875 = 9,381.25.
    assert quotes(audited(world)) == [9000, 9260, 9380]


def test_lasting_impact_multiplies() -> None:
    """(M-24) Twice 10% leave 81% of the fundamental, not 80%."""
    share = plain_instrument(10_000, adv_shares=100, sigma_day=0.1)
    account = plain_account(3_000_000, {0: 200}, full_sale=True)
    world = plain_world([share], rows(1, *[10_000] * 4), [account], impact="linear")
    world["terms"]["permanent_bp"] = 10_000
    result = audited(world)
    assert quotes(result) == [9000, 8100, 8100]
    assert result["accounts"][0]["sold_li"] == 100 * 9500 + 100 * 8550


def test_half_a_li_of_the_mean_is_lost() -> None:
    """(M-25) Between 10.010 and 9.009 the mean is 9.5095, paid as 9.509."""
    account = plain_account(1_001_000, {0: 100}, full_sale=True)
    world = impact_world(plain_instrument(10_010, tick=1), [account], 10_010, 10_010)
    assert audited(world)["platforms"][0]["sold_li"] == 100 * 9509


def test_a_fill_is_paid_at_the_mean_and_its_cost_rounds_up() -> None:
    """(M-25) Between 10.00 and 9.01 at 9.505; 7 bp of 100 x 9.505 are 0.66535, so 0.666."""
    account = plain_account(1_000_000, {0: 99}, full_sale=True)
    world = impact_world(plain_instrument(10_000, cost_bp=7), [account], 10_000, 10_000)
    row = audited(world)["platforms"][0]
    assert row["sold_li"] == 99 * 9505
    assert row["selling_cost_li"] == 659  # 658.6965
    assert row["deficit_li"] == 1_000_000 - 99 * 9505 + 659


def test_a_price_that_is_sold_down_to_its_limit_is_locked() -> None:
    """(M-25) The second account is below its line in round 2 and finds no buyer."""
    share = plain_instrument(10_000, limit_bp=1000)
    book = [
        plain_account(1_000_000, {0: 100}, full_sale=True),
        plain_account(1_000_000, {0: 140}, full_sale=True),
    ]
    world = impact_world(share, book, 10_000, 9500)
    result = audited(world)
    assert result["instruments"][0][0] == quote(9000, 0, 100, 925_000)
    assert result["accounts"][0]["sold_li"] == 100 * 9250
    assert [a["forced"] for a in result["accounts"]] == [1, 0]
    free = impact_world(plain_instrument(10_000), book, 10_000, 9500)
    assert [a["forced"] for a in audited(free)["accounts"]] == [1, 1]


# --- deficits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deficit", "taken"),
    [(25, [25, 0, 0, 0, 0]), (120, [30, 60, 30, 0, 0]), (200, [30, 60, 80, 30, 0])],
)
def test_waterfall(deficit: int, taken: list[int]) -> None:
    """(M-27) The first layer bears first, and the sum is the deficit."""
    assert waterfall(deficit, [30, 60, 80, 100, 730]) == taken


def test_waterfall_passes_over_negative_own_capital() -> None:
    """(M-27) A layer that has nothing left takes nothing."""
    assert waterfall(100, [30, -60, 80, 100, 730]) == [30, 0, 70, 0, 0]


@pytest.mark.parametrize(("deficit", "fails"), [(25, 0), (89, 0), (90, 1), (120, 1), (200, 1)])
def test_a_deficit_is_borne_in_order_and_recorded_beside_legal_claims(
    deficit: int, fails: int
) -> None:
    """(M-26 to M-28) Layers 30 / 60 / 80 / 100 / 730; who has no own funds left has failed."""
    layer = {"rate_bp": 0, "reset_days": 0}
    platform = {
        "reserve": 30,
        "claims": 730,
        "line_drawn": 40,
        "funding": [
            {**layer, "amount": 60, "seniority": 1},
            {**layer, "amount": 50, "seniority": 2},
            {**layer, "amount": 30, "seniority": 3},
        ],
    }
    share = plain_instrument(1000, tick=1)
    account = plain_account(1000, {0: 1})
    path = [[1000], [1000 - deficit]]
    row = audited(plain_world([share], path, [account], platform=platform))["platforms"][0]
    names = ("reserve", "own_capital", "junior", "senior", "claims")
    taken = [row[f"absorbed_by_{name}_li"] for name in names]
    assert taken == waterfall(deficit, [30, 60, 80, 100, 730])
    assert (row["junior_end_li"], row["senior_end_li"], row["claims_end_li"]) == (80, 100, 730)
    assert (row["failure_day"], row["own_funds_exhausted_day"]) == (fails, fails)
    assert (row["deficit_li"], row["accounts_in_deficit"]) == (deficit, 1)


GAPS = {
    "1:1": (10, 20, (0, 0, 200_000)),
    "80%": (5, 9, (0, 0, 280_000)),
    "1:2": (2, 3, (0, 100_000, 400_000)),
    "1:3": (3, 4, (0, 200_000, 466_667)),
    "1:5": (5, 6, (40_000, 280_000, 520_000)),
    "1:10": (10, 11, (120_000, 340_000, 560_000)),
}


@pytest.mark.parametrize("name", GAPS)
def test_gap_shortfall(name: str) -> None:
    """A gap of 20, 40 or 60% leaves max(0, 1 - m0 (1 - x)) of the debt, in ppm."""
    debt, shares, expected = GAPS[name]
    for fall, ppm in zip((2, 4, 6), expected, strict=True):
        account = plain_account(debt * 10_000, {0: shares}, full_sale=True)
        price = 10_000 - 1000 * fall
        world = plain_world([plain_instrument(10_000)], rows(1, 10_000, price), [account])
        deficit = audited(world)["platforms"][0]["deficit_li"]
        assert (deficit * 10**6 * 2 + debt * 10_000) // (debt * 20_000) == ppm


LOCKED = [
    (3, 1000, (0, 0, 28_000, 125_200)),
    (5, 1000, (0, 28_000, 125_200, 212_680)),
    (10, 1000, (10_000, 109_000, 198_100, 278_290)),
    (5, 2000, (40_000, 232_000, 385_600, 508_480)),
    (10, 500, (0, 7_250, 56_887, 104_043)),
]


@pytest.mark.parametrize(("financed", "limit_bp", "expected"), LOCKED)
def test_shortfall_after_locked_days(
    financed: int, limit_bp: int, expected: tuple[int, ...]
) -> None:
    """After k days locked at the limit the sale leaves this much of the debt, in ppm."""
    whole = 1_000_000_000
    for days, ppm in enumerate(expected, start=1):
        low = whole * (10_000 - limit_bp) ** days // 10_000**days
        share = plain_instrument(whole, tick=1, limit_bp=limit_bp)
        account = plain_account(financed * whole, {0: financed + 1}, full_sale=True)
        world = plain_world([share], rows(1, whole, *[low] * (days + 1)), [account])
        result = audited(world)
        assert [row[0]["locked"] for row in result["instruments"]] == [1] * days + [0]
        assert [row[0]["sold_shares"] for row in result["instruments"][:-1]] == [0] * days
        deficit = result["platforms"][0]["deficit_li"]
        assert deficit * 10**6 // (financed * whole) == ppm


def test_holes_at_the_horizon_are_counted_at_fundamental_prices() -> None:
    """(M-30) Locked at 9.00 while worth 5.00: no deficit yet, and a hole of what selling leaves."""
    share = plain_instrument(10_000, limit_bp=1000, cost_bp=100)
    account = plain_account(7_000_000, {0: 1000}, cash=50_000)
    world = plain_world([share], rows(1, 10_000, 5000), [account])
    result = audited(world)
    # The cash has repaid 50: 6,950 - 5,000 * 0.99 = 2,000; held, 7,000 - 4,950 - 50 is the same.
    assert result["platforms"][0]["deficit_li"] == 0
    assert loss(result) == loss_holding(world) == [2_000_000]


def test_holding_only_accrues_interest() -> None:
    """(M-30) Without calls and sales the loss is the last price's, interest included."""
    account = plain_account(10_000_000, {0: 1000}, rate_bp=365)
    world = plain_world([plain_instrument(10_000)], rows(1, 10_000, 5000, 9000), [account])
    # 1,000 and 2 * 1,000.1 of interest; 9,000,000 of value.
    assert loss_holding(world) == [1_003_000]
    assert loss(audited(world)) == [5_001_000]


# --- cascades -------------------------------------------------------------------------------------


K_ACCOUNTS = ((5_000_000, 600_000), (7_500_000, 1_000_000), (5_000_000, 800_000))


def k_world(
    first: int, price: int, depth: int, accounts: tuple[tuple[int, int], ...], tick: int = 10
) -> World:
    """Return accounts at a line of 110% in a market whose money depth at that price is given.

    The law is on shares, fall = Q σ / (c V): with c = 1 and σ = V x price / depth it is the fall
    Q x price / depth of a law on money.
    """
    volume = 1_000_000_000
    share = plain_instrument(first, tick=tick, adv_shares=volume)
    share["sigma_day"] = volume * (price / 1000) / depth
    terms = {"warning_bp": 11_000, "liquidation_bp": 11_000, "full_sale": True}
    book = [plain_account(debt * 1000, {0: shares}, **terms) for debt, shares in accounts]
    return plain_world([share], rows(1, first, price), book, impact="linear")


def test_cascade_k1_nobody_sells_at_eight_percent() -> None:
    """K-1: after a fall of 8% the weakest account stands at 110.4%."""
    result = audited(k_world(10_000, 9200, 50_000_000, K_ACCOUNTS))
    assert quotes(result) == [9200]
    assert result["platforms"][0]["accounts_forced"] == 0


@pytest.mark.parametrize(
    ("account", "before", "after", "proceeds"),
    [(0, 9000, 8030, 5_109_000), (1, 8030, 6740, 7_385_000), (2, 6740, 6010, 5_100_000)],
)
def test_cascade_k2_round_by_round(account: int, before: int, after: int, proceeds: int) -> None:
    """K-2 on ticks: its rounds are priced one after the other, so each is a day of its own here."""
    world = k_world(before, before, 50_000_000, (K_ACCOUNTS[account],))
    result = audited(world)
    assert quotes(result) == [after]
    assert result["platforms"][0]["sold_li"] == proceeds * 1000
    assert result["platforms"][0]["deficit_li"] == (115_000_000 if account == 1 else 0)


def test_cascade_k2_under_the_cumulative_law() -> None:
    """(M-24) K-2's accounts, each round priced from 9.00 by all that was sold until then."""
    result = audited(k_world(10_000, 9000, 50_000_000, K_ACCOUNTS))
    # 0.6, 1.6 and 2.4 million shares of 9.00 in 50 million: falls of 10.8, 28.8 and 43.2%:
    # 8.03, 6.41, 5.11; paid at 8.515, 7.22 and 5.76.
    assert quotes(result) == [5110]
    sold = [a["sold_li"] for a in result["accounts"]]
    assert sold == [5_109_000_000, 7_220_000_000, 4_608_000_000]
    assert result["platforms"][0]["deficit_li"] == 280_000_000 + 392_000_000
    assert result["path"]["rounds_most"] == 3


def test_cascade_k3_stops_after_the_first_account() -> None:
    """K-3: in a market twenty times as deep only the first account sells."""
    result = audited(k_world(10_000, 9000, 1_000_000_000, K_ACCOUNTS, tick=1))
    assert quotes(result) == [8951]
    assert [a["forced"] for a in result["accounts"]] == [1, 0, 0]
    assert result["platforms"][0]["deficit_li"] == 0


def test_rounds_stop_at_their_number() -> None:
    """(M-21) The third account waits for the next day when there are two rounds."""
    world = k_world(10_000, 9000, 50_000_000, K_ACCOUNTS)
    world["terms"]["rounds_max"] = 2
    result = audited(world)
    assert [a["forced"] for a in result["accounts"]] == [1, 1, 0]
    assert result["path"] == {
        "rounds_most": 2,
        "rounds_limit_days": 1,
        "breaker_days": 0,
    }


def test_the_world_worked_by_hand() -> None:
    """The figures that stand beside the world."""
    result = audited(hand_world())
    assert result["accounts"] == [
        {
            "called": 1,
            "forced": 1,
            "deficit_li": 0,
            "sold_li": 2_700_000,
            "cash_li": 0,
            "debt_li": 4_301_990,
            "shares": [700],
        }
    ]
    row = result["platforms"][0]
    assert (row["margin_call_issued_li"], row["margin_call_unanswered_li"]) == (800_980, 0)
    assert row["margin_coverage_ppm"] == 9_000_000 * 10**6 // 9_100_910
    assert (row["cash_end_li"], row["claims_end_li"]) == (1_700_000, 4_500_000)
    assert row["own_capital_end_li"] == 1_501_990


# --- the bookkeeper -------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_nothing_is_created_or_lost(world: World) -> None:
    """(M-29) Every evening of every world balances to the last 厘, and no day sees the next."""
    whole = run_path(world)
    for day in range(1, len(world["fundamental"])):
        shorter = up_to(world, day)
        result = run_path(shorter)
        audit(shorter, result)
        assert result["days"] == whole["days"][:day]
        assert result["instruments"] == whole["instruments"][:day]


UNBOOKED = {
    "margin_call_peak_fundamental_li",
    "margin_call_issued_li",
    "margin_call_unanswered_li",
    "margin_coverage_ppm",
    "margin_coverage_fundamental_ppm",
    "deficit_unrealised_li",
}


def test_the_bookkeeper_sees_one_li() -> None:
    """Any total of money, count or day that is one too high is refused."""
    world = hand_world()
    result = audited(world)
    for name in result["platforms"][0].keys() - UNBOOKED:
        row = {**result["platforms"][0], name: 1 + result["platforms"][0][name]}
        with pytest.raises(AssertionError):
            audit(world, {**result, "platforms": [row]})
    for name in ("deficit_li", "sold_li", "cash_li", "debt_li", "forced"):
        account = {**result["accounts"][0], name: 1 + result["accounts"][0][name]}
        with pytest.raises(AssertionError):
            audit(world, {**result, "accounts": [account]})
    with pytest.raises(AssertionError):
        audit(world, {**result, "accounts": [{**result["accounts"][0], "shares": [701]}]})
    for name in ("sold_shares", "displaced_shares", "sold_li"):
        days = [[dict(q) for q in day] for day in result["instruments"]]
        days[0][0][name] += 1
        with pytest.raises(AssertionError):
            audit(world, {**result, "instruments": days})
    with pytest.raises(AssertionError):
        audit(world, {**result, "path": {**result["path"], "breaker_days": 1}})


def test_the_bookkeeper_refuses_what_the_world_forbids() -> None:
    """A sale of 300 shares on a closed, locked or broken day, below the minimum, beyond a batch."""
    world = up_to(hand_world(), 1)
    result = audited(world)
    share, account = world["instruments"][0], world["accounts"][0]
    forbidden = {
        "closed": {"closed": [[0], [1]]},
        "locked": {"limit_bp": [[0], [1000]]},
        "broken": {"terms": {**world["terms"], "breaker_bp": 1000}},
        "minimum": {"instruments": [{**share, "min_order": 301}]},
        "lots": {"instruments": [{**share, "lot": 7, "min_order": 7}]},
        "batch": {"terms": {**world["terms"], "batches": 70}},
    }
    for change in forbidden.values():
        with pytest.raises(AssertionError):
            audit({**world, **change}, result)
    # 300 of 1,000 shares are all that may be sold: then no minimum and no lot binds.
    held = [{**account["positions"][0], "sellable": 300}]
    odd = [{**share, "min_order": 301, "lot": 7}]
    audit({**world, "instruments": odd, "accounts": [{**account, "positions": held}]}, result)
    # A level that 10% of the index does not reach.
    audit({**world, "terms": {**world["terms"], "breaker_bp": 1001}}, result)


def test_the_bookkeeper_refuses_displaced_sales_where_there_can_be_none() -> None:
    """(M-48) With one part of what was sold it is at peace, with all and one more it is not."""
    world = displaced_world()
    result = audited(world)
    with pytest.raises(AssertionError):
        audit({**world, "terms": {**world["terms"], "displace": False}}, result)
    row = {**result["platforms"][0], "displaced_li": 0}
    with pytest.raises(AssertionError):
        audit(world, {**result, "platforms": [row]})
    days = [[dict(q) for q in day] for day in result["instruments"]]
    days[0][1]["displaced_shares"] = 224
    row = {**result["platforms"][0], "displaced_li": 224 * 9000}
    with pytest.raises(AssertionError):
        audit(world, {**result, "platforms": [row], "instruments": days})
    # A share that the shut name did not sell, and as many as were displaced in money.
    days[0][0]["displaced_shares"], days[0][1]["displaced_shares"] = 1, 110
    with pytest.raises(AssertionError):
        audit(world, {**result, "instruments": days})


def test_the_bookkeeper_refuses_a_book_that_does_not_balance() -> None:
    """(M-29) One 厘 of other assets without an owner is enough."""
    world = hand_world()
    result = audited(world)
    world["platforms"][0]["other"] += 1
    with pytest.raises(AssertionError):
        audit(world, result)


def test_the_bookkeeper_looks_at_each_platform_for_itself() -> None:
    """(M-48) What one displaced cannot be what another one sold."""
    world = displaced_world()
    told = {**audited(world), "platforms": [{"displaced_li": 999_000, "sold_li": 2_007_000}]}
    check_displaced(world, told)
    told["platforms"] = [{"displaced_li": 999_000, "sold_li": 0}, {"displaced_li": 0, "sold_li": 2_007_000}]
    with pytest.raises(AssertionError):
        check_displaced(world, told)


def test_the_bookkeeper_refuses_sales_after_the_breaker_and_at_the_limit() -> None:
    """(M-15, M-45) A day that opened 10% below tripped a level of 10%, and 300 shares were sold."""
    world = up_to(hand_world(), 1)
    result = audited(world)
    tripped = {**result, "path": {**result["path"], "breaker_days": 1}}
    with pytest.raises(AssertionError):
        audit({**world, "terms": {**world["terms"], "breaker_bp": 1000}}, tripped)
    account = plain_account(1_000_000, {0: 100}, full_sale=True)
    world = impact_world(plain_instrument(10_000, limit_bp=1000), [account], 10_000, 9500)
    result = audited(world)
    days = [[{**row[0], "locked": 1}] for row in result["instruments"]]
    with pytest.raises(AssertionError):
        audit(world, {**result, "instruments": days})


@pytest.mark.parametrize(("first", "second"), [(1, 0), (0, 1), (1, -1), (-1, 1)])
def test_the_bookkeeper_knows_what_each_name_brought(first: int, second: int) -> None:
    """(M-25) The first is sold at 9.00 alone, the second between 9.00 and 8.50: sums and bounds."""
    account = plain_account(7_000_000, {0: 500, 1: 500})
    listed = [plain_instrument(9000), plain_instrument(9000, adv_shares=112, sigma_day=0.05555)]
    world = plain_world(listed, rows(2, 9000, 9000), [account], impact="linear")
    result = audited(world)
    days = [[dict(row) for row in day] for day in result["instruments"]]
    days[0][0]["sold_li"] += first
    days[0][1]["sold_li"] += second
    with pytest.raises(AssertionError):
        audit(world, {**result, "instruments": days})
