"""Rules by date and what they make of a run: limits of each day, closed days, orders, duties, stricter margins."""

from __future__ import annotations

import dataclasses
import datetime
import math
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stresslab.book import Book, demo_book, read_book
from stresslab.faults import InputError
from stresslab.glossary import BOARDS, SALE_ORDERS
from stresslab.kernels import liquidity
from stresslab.kernels.closures import Suspensions
from stresslab.kernels.prices import limits
from stresslab.market import read_market, rules, shipped_market
from stresslab.market.rules import board_rule, free_days, selling_cost_bp
from stresslab.resolve import Resolved, calendar, closed_table, limit_table, resolve, trading_day
from stresslab.scenario import Scenario, read_scenario, resolved

BASE = Path(__file__).parent / "invalid" / "base"
DUTY = tomllib.loads((Path(rules.__file__).parent / "rules.toml").read_text(encoding="utf-8"))


def day(written: str) -> datetime.date:
    return datetime.date.fromisoformat(written)


@pytest.fixture(scope="module")
def book() -> Book:
    """Two lenders; S1 on the main board, S2 on ChiNext, S3 a fund; 2026-06-30."""
    return read_book(BASE)


def changed(book: Book, table: str, **columns: list[Any]) -> Book:
    return dataclasses.replace(book, tables=book.tables | {table: book.tables[table].assign(**columns)})


def scenario(**blocks: Any) -> Scenario:
    """The shipped baseline with other blocks."""
    return Scenario.model_validate(resolved(read_scenario("baseline")) | blocks)


def part(block: str, **values: Any) -> Scenario:
    """The shipped baseline with other values of one block."""
    return scenario(**{block: resolved(read_scenario("baseline"))[block] | values})


def made(book: Book, plan: Scenario) -> Resolved:
    return resolve(book, read_market(BASE / "market.toml"), plan)


# --- limits in integers ---------------------------------------------------------------------------


@pytest.mark.parametrize(("close", "limit_bp", "low", "high"), [
    (1_150, 1_000, 1_040, 1_270), (1_650, 1_000, 1_490, 1_820), (1_100, 500, 1_050, 1_160), (10_000, 2_000, 8_000, 12_000),
    (1_010, 3_000, 710, 1_310),
])
def test_limits_round_half_up_where_floats_do_not(close: int, limit_bp: int, low: int, high: int) -> None:
    """(M-13) 1.15 and 10% give 1.04 and 1.27, where floats say 1.03 and 1.26."""
    assert limits(close, 10, limit_bp) == (low, high)


@pytest.mark.parametrize(("band", "wrong"), [(5, 1_001), (10, 953), (20, 0), (30, 2_232)])
def test_how_often_floats_would_be_wrong(band: int, wrong: int) -> None:
    """Both limits at prices of 1.00 to 199.99 yuan: 1,954 wrong answers at ±5% and ±10% together, 4,186 with ±30%."""
    found = 0
    for fen in range(100, 20_000):
        for sign, limit in zip((-1, 1), limits(10 * fen, 10, 100 * band), strict=True):
            assert limit == 10 * math.floor(Fraction(fen * (100 + sign * band), 100) + Fraction(1, 2))
            found += limit != 10 * round(100 * round(fen / 100 * (1 + sign * band / 100), 2))
    assert found == wrong


# --- rules by date --------------------------------------------------------------------------------


@pytest.mark.parametrize(("board", "listed", "days"), [
    ("star", "2019-07-22", 5), ("chinext", "2020-08-21", 0), ("chinext", "2020-08-24", 5), ("main", "2023-04-07", 0),
    ("main", "2023-04-10", 5), ("bse", "2021-11-15", 1), ("st", "2025-01-02", 0), ("fund", "2025-01-02", 0), ("none", "2025-01-02", 0),
])
def test_days_without_a_limit(board: str, listed: str, days: int) -> None:
    assert free_days(board, day(listed)) == days


@pytest.mark.parametrize(("board", "lot", "least"), [
    ("main", 100, 100), ("st", 100, 100), ("chinext", 100, 100), ("star", 1, 200), ("bse", 1, 100), ("fund", 100, 100), ("none", 1, 1),
])
def test_smallest_orders(board: str, lot: int, least: int) -> None:
    rule = board_rule(board, day("2026-06-30"))
    assert rule is not None
    assert (rule.lot, rule.min_order) == (lot, least)


@pytest.mark.parametrize(("date", "cost_bp"), [
    ("1997-05-11", 33), ("1997-05-12", 53), ("1998-06-11", 53), ("1998-06-12", 43), ("2001-11-15", 43), ("2001-11-16", 23),
    ("2005-01-23", 23), ("2005-01-24", 13), ("2007-05-29", 13), ("2007-05-30", 33), ("2008-04-23", 33), ("2008-04-24", 13),
    ("2008-09-19", 13), ("2015-06-12", 13), ("2023-08-27", 13), ("2023-08-28", 8), ("2026-07-06", 8),
])
def test_what_a_sale_costs_by_date(date: str, cost_bp: int) -> None:
    """Stamp duty and 0.03% commission; a fund pays the commission alone."""
    assert selling_cost_bp("main", day(date)) == cost_bp
    assert selling_cost_bp("fund", day(date)) == 3


def test_nothing_is_owed_before_there_was_an_exchange() -> None:
    assert selling_cost_bp("none", day("1990-12-18")) == 0
    assert selling_cost_bp("none", day("1990-12-19")) == 63


@pytest.mark.parametrize("table", ["limit", "free", "lot", "stamp_duty", "commission"])
def test_every_rule_has_a_date_and_a_source(table: str) -> None:
    entries = DUTY[table]
    assert all(isinstance(e["since"], datetime.date) and len(e["source"]) >= 7 for e in entries)
    assert {e["board"] for e in entries if "board" in e} <= set(BOARDS)
    named = [(e.get("board"), e["since"]) for e in entries]
    assert len(set(named)) == len(named)
    for board in {b for b, _ in named}:
        dates = [since for b, since in named if b == board]
        assert dates == sorted(dates)


def test_every_board_has_its_lot_and_its_limit_from_the_first_day() -> None:
    for board in BOARDS:
        first = min(e["since"] for e in DUTY["limit"] if e["board"] == board)
        rule = board_rule(board, first)
        assert rule is not None
        later = board_rule(board, day("2026-06-30"))
        assert later is not None
        assert (rule.lot, rule.min_order) == (later.lot, later.min_order)


# --- the limit of each day (M-13) -----------------------------------------------------------------


def table(book: Book, as_of: str, days: int = 10, **columns: list[Any]) -> list[list[int]]:
    """The limits in bp of each instrument: one list of days 0..T for each."""
    moved = dataclasses.replace(changed(book, "instruments", **columns), as_of=day(as_of))
    return limit_table(moved, calendar(days)).T.tolist()


def test_a_limit_that_changes_inside_the_run_changes_on_its_day(book: Book) -> None:
    # Days 0 to 5 are calendar days 0, 1, 3, 4, 6, 7: from 2026-06-30 the 6th of July is day 4.
    st_share, chinext, fund = table(book, "2026-06-30", 6, board=["st", "chinext", "fund"])
    assert st_share == [500] * 4 + [1_000] * 3
    assert (chinext, fund) == ([2_000] * 7, [1_000] * 7)
    assert table(book, "2026-07-05", 3, board=["st"] * 3)[0] == [500, 1_000, 1_000, 1_000]
    assert table(book, "2026-07-06", 3, board=["st"] * 3)[0] == [1_000] * 4
    # From 2020-08-20 the 24th of August is calendar day 4, trading day 3.
    assert table(book, "2020-08-20", 5)[1] == [1_000] * 3 + [2_000] * 3


def test_an_own_limit_holds_for_the_whole_run(book: Book) -> None:
    own = table(book, "2026-06-30", 6, board=["st"] * 3, price_limit_bp=[300, None, 0], listed=[day("2026-06-30")] * 3)
    assert own == [[300] * 7, [500] * 4 + [1_000] * 3, [0] * 7]


@pytest.mark.parametrize(("listed", "free"), [
    # 2026-06-30 is day 0; the 29th is day −1, the 26th day −3 (calendar day −4), the 24th day −4 (calendar day −6).
    ("2026-06-30", [0, 1, 2, 3, 4]), ("2026-06-29", [0, 1, 2, 3]), ("2026-06-26", [0, 1]), ("2026-06-24", [0]),
    ("2026-06-23", []), ("2019-07-22", []),
])
def test_the_first_five_days_have_no_limit(book: Book, listed: str, free: list[int]) -> None:
    """The day of listing is the first of them."""
    found = table(book, "2026-06-30", 8, board=["star", "bse", "main"], listed=[day(listed)] * 3)
    assert [t for t, limit in enumerate(found[0]) if limit == 0] == free
    assert [t for t, limit in enumerate(found[2]) if limit == 0] == free
    assert [t for t, limit in enumerate(found[1]) if limit == 0] == ([0] if listed == "2026-06-30" else [])
    assert set(found[0]) | set(found[2]) <= {0, 1_000, 2_000}


def test_who_was_listed_before_the_rule_has_no_free_days(book: Book) -> None:
    found = table(book, "2023-04-10", 8, board=["main"] * 3, listed=[day("2023-04-07"), day("2023-04-10"), None])
    assert found == [[1_000] * 9, [0] * 5 + [1_000] * 4, [1_000] * 9]


@given(st.integers(-400, 800))
def test_trading_days_are_the_inverse_of_the_calendar(calendar_days: int) -> None:
    """(M-4) The first trading day that is not before a calendar day, also before the book's date."""
    t = trading_day(calendar_days)
    assert Fraction(730 * t + 252, 504) // 1 >= calendar_days > Fraction(730 * (t - 1) + 252, 504) // 1
    if 0 <= t <= 504:
        assert calendar(504)[t] >= calendar_days


# --- closed days (M-44) ---------------------------------------------------------------------------


def closed(book: Book, plan: Scenario, days: int = 6) -> list[list[int]]:
    """The closed days of each instrument, from day 1 on."""
    return [[t for t in range(1, days + 1) if row[t]] for row in closed_table(book, plan, calendar(days)).T.tolist()]


def test_suspended_for_the_whole_run_or_until_a_day(book: Book) -> None:
    # Days 1 to 6 are calendar days 1, 3, 4, 6, 7, 9: the 4th of July, a Saturday, is day 3, and the 5th opens on day 4.
    plan = scenario(days=6)
    whole, open_again, past = [True] * 3, [day("2026-07-04")] * 3, [day("2026-06-30"), day("2020-01-02"), None]
    assert closed(changed(book, "instruments", suspended=[True, False, True]), plan) == [[1, 2, 3, 4, 5, 6], [], [1, 2, 3, 4, 5, 6]]
    assert closed(changed(book, "instruments", suspended_until=open_again), plan) == [[1, 2]] * 3
    assert closed(changed(book, "instruments", suspended=whole, suspended_until=open_again), plan) == [[1, 2]] * 3
    later = [day("2026-07-05"), day("2026-07-06"), day("9999-12-31")]
    assert closed(changed(book, "instruments", suspended_until=later), plan) == [[1, 2, 3], [1, 2, 3], [1, 2, 3, 4, 5, 6]]
    # A date of resumption that has passed: the share trades; without any date the flag decides.
    assert closed(changed(book, "instruments", suspended=whole, suspended_until=past), plan) == [[], [], [1, 2, 3, 4, 5, 6]]


def halts(**market: Any) -> Scenario:
    return scenario(days=6, market={"source": "by hand", **market})


def rule(first: int, last: int, **what: Any) -> dict[str, Any]:
    return {"from_day": first, "to_day": last, "source": "by hand", **what}


def test_a_scenario_closes_the_market_or_parts_of_it(book: Book) -> None:
    assert closed(book, halts(halt_days=[1, 4])) == [[1, 4]] * 3
    assert closed(book, halts(suspension=[rule(2, 4, instruments=["S1", "S3"])])) == [[2, 3, 4], [], [2, 3, 4]]
    assert closed(book, halts(suspension=[rule(6, 6, sector="technology")])) == [[], [6], []]
    assert closed(book, halts(suspension=[rule(1, 2, board="main"), rule(2, 3, board="star"), rule(2, 2, sector="broad")])) == [
        [1, 2], [], [2]]
    both = halts(halt_days=[6], suspension=[rule(1, 1, board="fund")])
    held = changed(book, "instruments", suspended_until=[day("2026-07-02"), None, None])
    assert closed(held, both) == [[1, 6], [6], [1, 6]]


def test_closed_days_and_drawn_suspensions_reach_the_run(book: Book) -> None:
    quiet = made(book, scenario(days=6))
    assert quiet.closed.dtype == np.uint8
    assert quiet.closed.shape == (7, 3)
    assert not quiet.closed.any()
    assert quiet.suspensions == Suspensions(0, 0, 1)
    drawn = {"base_pct": 0.5, "slope_pct": 25, "mean_days": 10, "source": "by hand"}
    loud = made(book, halts(halt_days=[3], suspensions=drawn))
    assert loud.suspensions == Suspensions(50, 2_500, 10)
    assert loud.closed[3].all()


# --- orders, shares, costs ------------------------------------------------------------------------


def test_what_the_book_says_of_instruments_reaches_the_run(book: Book) -> None:
    plan = scenario()
    stock = made(book, plan).facts.instrument
    assert stock["min_order"].tolist() == [100, 100, 100]
    assert stock["weight"].tolist() == made(book, plan).basket.tolist() == [60_000, 30_000, 500_000]
    assert stock["theta"].tolist() == [0.0, 0.0, 0.0]
    own = changed(book, "instruments", board=["star", "star", "star"], tick_li=[10, 10, 1], lot_size=[None, 10, 10],
                  min_order=[None, None, 500], total_shares=[None, 162 * 800_000 // 2, 32_000_000], float_shares=[32_000_000, 10**9, None])
    stock = made(own, plan).facts.instrument
    assert stock["lot"].tolist() == [1, 10, 10]
    assert stock["min_order"].tolist() == [200, 10, 500]
    # Volumes are 2,000,000, 800,000 and 5,000,000: 16^¼, 81^¼ and 6.4^¼.
    assert stock["theta"].tolist() == pytest.approx([2.0, 3.0, 6.4**0.25], rel=1e-15)


def test_orders_of_sale(book: Book) -> None:
    orders = changed(book, "accounts", sale_order=["most_volatile", None, "largest"], full_sale=[True, False, False])

    def found(**operations: Any) -> list[tuple[int, int]]:
        account = made(orders, part("operations", **operations)).facts.account
        return list(zip(account["sale_order"].tolist(), account["full_sale"].tolist(), strict=True))

    assert found() == [(3, 1), (0, 0), (2, 0)]
    assert found(sale="full", sale_order="most_liquid") == [(1, 1), (1, 1), (1, 1)]
    assert found(sale="partial", sale_order="pro_rata") == [(0, 0), (0, 0), (0, 0)]
    assert [SALE_ORDERS.index(o) for o in ("pro_rata", "most_liquid", "largest", "most_volatile", "highest_loss")] == [0, 1, 2, 3, 4]


def test_cost_prices_are_rounded_down_and_bounded(book: Book) -> None:
    # 60,000, 10,000, 20,000 and 500,000 shares; a diluted cost below zero is one 厘, the least there is.
    costs = changed(book, "positions", cost_li=[912_059_999, None, -5, 500_000])
    assert made(costs, scenario()).facts.position["cost_price"].tolist() == [15_200, 0, 1, 1]
    assert made(book, scenario()).facts.position["cost_price"].tolist() == [0, 0, 0, 0]
    none_held = changed(costs, "positions", shares=[0, 10_000, 20_000, 500_000], sellable_shares=[0, 0, 0, 0])
    assert made(none_held, scenario()).facts.position["cost_price"].tolist() == [0, 0, 1, 1]
    dear = changed(book, "positions", shares=[1] * 4, sellable_shares=[1] * 4, cost_li=[2**32 - 1, 2**32, 2**43, 0])
    assert made(dear, scenario()).facts.position["cost_price"].tolist() == [2**32 - 1, 2**32 - 1, 2**32 - 1, 1]


def test_positions_stand_by_account_whatever_their_order(book: Book) -> None:
    q = book.tables["positions"].assign(cost_li=[1_000_000_000, 2_000_000_000, 3_000_000_000, 4_000_000_000])
    shuffled = dataclasses.replace(book, tables=book.tables | {"positions": q.iloc[[3, 1, 2, 0]].reset_index(drop=True)})
    facts = made(shuffled, scenario()).facts
    assert facts.position["cost_price"].tolist() == [200_000, 16_666, 150_000, 8_000]
    assert facts.position["instrument"].tolist() == [1, 0, 1, 2]
    assert (facts.account["first"].tolist(), facts.account["last"].tolist()) == ([0, 2, 3], [2, 3, 4])


def test_what_the_scenario_says_of_selling_reaches_the_run(book: Book) -> None:
    plain = made(book, scenario()).facts.terms
    assert (plain.buyers_bp, plain.exhaustion_bp, plain.breaker_bp, plain.batches, plain.minimum_sale, plain.displace) == (
        0, 10_000, 0, 1, 0, True)
    assert plain.impact == liquidity.Impact(liquidity.IMPACT_SQRT, 1.0, 0.0, 1.0, 5_000, plain.impact.decay_ppb)
    sold = made(book, part("operations", batches=5, minimum_sale_yuan=1234.567, displace=False)).facts.terms
    assert (sold.batches, sold.minimum_sale, sold.displace) == (5, 1_234_567, False)
    deep = made(book, part("liquidity", impact="exponential", impact_floor_pct=12.5, buyers_pct=7.25, buyers_exhaustion_pct=250)).facts
    assert (deep.terms.impact.law, deep.terms.impact.floor) == (liquidity.IMPACT_EXPONENTIAL, 0.125)
    assert (deep.terms.buyers_bp, deep.terms.exhaustion_bp) == (725, 25_000)
    known = changed(book, "instruments", total_shares=[10**9] * 3)
    fast = made(known, part("liquidity", impact="almgren", trading_fraction=0.25)).facts.terms.impact
    assert (fast.law, fast.fraction) == (liquidity.IMPACT_ALMGREN, 0.25)
    assert made(book, halts(circuit_breaker_pct=7)).facts.terms.breaker_bp == 700


def test_what_a_scenario_needs_of_a_book_is_asked_for(book: Book) -> None:
    dear = changed(book, "positions", cost_li=[None, 5, None, None])
    made(dear, part("operations", sale_order="highest_loss"))
    with pytest.raises(InputError, match="needs the cost of positions, and the book has none"):
        made(book, part("operations", sale_order="highest_loss"))
    almost = changed(book, "instruments", total_shares=[None, 10**9, None], float_shares=[10**8, None, None])
    with pytest.raises(InputError, match="needs the shares outstanding of every instrument, which S3 lacks; add total_shares"):
        made(almost, part("liquidity", impact="almgren"))
    many = demo_book(10)
    stripped = changed(many, "instruments", total_shares=[None] * 120, float_shares=[None] * 120)
    with pytest.raises(InputError, match="which SYN001, SYN002, SYN003, SYN004, SYN005 and 115 more lack; add"):
        resolve(stripped, shipped_market(), part("liquidity", impact="almgren"))
    resolve(many, shipped_market(), part("liquidity", impact="almgren"))


# --- stricter margins for a sector (M-49) ---------------------------------------------------------


def margin(**values: Any) -> dict[str, Any]:
    return {"source": "by hand", **values}


def strict(book: Book, *rules: dict[str, Any], **blocks: Any) -> list[list[int]]:
    """Warning, liquidation and restore line, rate and rate after a shock of each account, bp."""
    facts = made(book, scenario(sector_margin=list(rules), **blocks)).facts
    account, shift = facts.account, facts.rates.shift[:, -1]
    after = np.minimum(account["rate_bp"] + shift[account["clause"]], account["rate_most_bp"])
    fields = ("warning_bp", "liquidation_bp", "restore_bp", "rate_bp")
    return [[*(int(account[f][n]) for f in fields), int(after[n])] for n in range(len(account))]


PLAIN = [[14_000, 13_000, 14_500, 650, 650], [15_000, 13_000, 15_000, 580, 580], [13_000, 11_500, 13_000, 1_200, 1_200]]


def test_a_stricter_margin_by_hand(book: Book) -> None:
    """Account A1 has 912,000 yuan in a bank, 310,500 in technology and 50,000 in cash: 1,272,500.

    Banks are 71.67% of it, in bp rounded up 7,167. 10% on the lines is 716.7 bp, up to 717; 1% on the rate 71.67, up to 72. Above
    a cap of 50% stand 275,750 yuan, 21.67%, up to 2,167 bp, so the warning line is 14,717 / 0.7833 = 18,788.5, up to 18,789.
    """
    whole = strict(book, margin(sector="bank", single_name_cap_pct=50, line_add_pct=10, rate_add_pct=1))
    assert whole == [[18_789, 17_512, 19_427, 722, 722], *PLAIN[1:]]
    assert strict(book) == PLAIN
    assert strict(book, margin(sector="bank", line_add_pct=10)) == [[14_717, 13_717, 15_217, 650, 650], *PLAIN[1:]]
    assert strict(book, margin(sector="bank", single_name_cap_pct=50))[0][:2] == [17_874, 16_597]
    assert strict(book, margin(sector="bank", single_name_cap_pct=71.67))[0] == [14_000, 13_000, 14_500, 650, 650]


def test_several_margins_add_up_before_they_are_rounded(book: Book) -> None:
    # 7,167 bp × 10% and 2,441 bp (310,500 of 1,272,500) × 1%: 716.7 + 24.41 = 741.11, up to 742; A2 has 621,000 of 622,000.5.
    rules = margin(sector="bank", line_add_pct=10), margin(sector="technology", line_add_pct=1)
    found = strict(book, *rules)
    assert found[0][:3] == [14_742, 13_742, 15_242]
    assert found[1][:3] == [15_100, 13_100, 15_100]
    assert found[2] == PLAIN[2]


def test_a_subsector_and_bounds_of_a_stricter_margin(book: Book) -> None:
    fine = changed(book, "instruments", subsector=["city bank", None, "index"])
    assert strict(fine, margin(subsector="city bank", line_add_pct=10))[0] == [14_717, 13_717, 15_217, 650, 650]
    # Nothing of S3 counts: at most 90% can be struck off, and no line passes 65,535 bp.
    assert strict(book, margin(sector="broad", single_name_cap_pct=0))[2][:3] == [65_535, 65_535, 65_535]
    assert strict(changed(book, "accounts", liquidation_line_bp=[13_000, 13_000, 10_000], debt_li=[1, 1, 0]),
                  margin(sector="broad", single_name_cap_pct=0))[2] == [13_000, 10_000, 13_000, 1_200, 1_200]


def test_a_premium_comes_before_the_shock_and_lifts_the_cap(book: Book) -> None:
    # A3: 617,000 of 637,000 yuan are in the fund, 9,687 bp: 1% is 97 bp. Its rate of 12% is capped at 15%, now at 15.97%.
    shock = {"shock_pct": 4, "day": 3, "source": "by hand"}
    found = strict(book, margin(sector="broad", rate_add_pct=1), rates=shock)
    assert found[2][3:] == [1_297, 1_597]
    assert found[1][3:] == [580, 980]


def test_a_premium_above_the_bound_is_refused(book: Book) -> None:
    with pytest.raises(InputError, match=r"scenario baseline, sector_margin: lifts the highest loan rate to 104.03%"):
        strict(book, margin(sector="broad", rate_add_pct=95))
    shock = {"shock_pct": 30, "day": 3, "source": "by hand"}
    with pytest.raises(InputError) as both:
        strict(changed(book, "accounts", loan_rate_bp=[650, 580, 8_000]), margin(sector="broad", rate_add_pct=95), rates=shock)
    assert [f.column for f in both.value.faults] == ["rates.shock_pct"]
    with pytest.raises(InputError) as premium:
        strict(book, margin(sector="broad", rate_add_pct=89), rates=shock | {"shock_pct": 2})
    assert [f.column for f in premium.value.faults] == ["sector_margin"]


def slowly(book: Book, rules: tuple[dict[str, Any], ...]) -> list[list[int]]:
    """Lines and rates by (M-49) in fractions, one account after the other."""
    t = book.tables
    stock = t["instruments"].set_index("instrument_id")
    told = []
    for a in t["accounts"].to_dict("records"):
        names = t["positions"][t["positions"]["account_id"] == a["account_id"]].to_dict("records")
        worth = {q["instrument_id"]: int(q["shares"]) * int(stock["price_li"][q["instrument_id"]]) for q in names}
        whole = a["cash_li"] + sum(worth.values())
        addition = premium = Fraction(0)
        beyond = 0
        for one in rules if whole > 0 and a["debt_li"] > 0 else ():
            mine = [v for n, v in worth.items() if stock["sector"][n] == one["sector"]]
            share = math.ceil(Fraction(sum(mine), whole) * 10_000)
            addition += share * Fraction(str(one["line_add_pct"])) / 100
            premium += share * Fraction(str(one["rate_add_pct"])) / 100
            cap = math.floor(Fraction(str(one["single_name_cap_pct"])) / 100 * whole)
            beyond += sum(math.ceil(Fraction(max(0, v - cap), whole) * 10_000) for v in mine)
        beyond = min(beyond, 9_000)
        restore = a.get("restore_line_bp")
        lines = (a["warning_line_bp"], a["liquidation_line_bp"], a["warning_line_bp"] if restore != restore or restore is None else restore)
        told.append([min(65_535, math.ceil(Fraction((line + math.ceil(addition)) * 10_000, 10_000 - beyond))) for line in lines])
        told[-1].append(a["loan_rate_bp"] + math.ceil(premium))
    return told


PERCENT = st.integers(0, 10_000).map(lambda bp: bp / 100)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["bank", "technology", "property", "fund"]), PERCENT, PERCENT, st.integers(1, 500)),
                min_size=1, max_size=4))
def test_stricter_margins_equal_the_slow_ones(drawn: list[tuple[str, float, float, int]]) -> None:
    rules = tuple(
        {"sector": s, "single_name_cap_pct": cap, "line_add_pct": add, "rate_add_pct": rate / 100} for s, cap, add, rate in drawn)
    book = DEMO
    account = resolve(book, shipped_market(), scenario(sector_margin=[margin(**r) for r in rules])).facts.account
    found = [[int(account[f][n]) for f in ("warning_bp", "liquidation_bp", "restore_bp", "rate_bp")] for n in range(len(account))]
    assert found == slowly(book, rules)


DEMO = demo_book(20)
