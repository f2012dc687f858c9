"""What a scenario says, and what it asks of clients, loans, funders and bank lines: worked by hand."""

from __future__ import annotations

import dataclasses
import datetime
import json
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stresslab.book import Book, read_book
from stresslab.faults import InputError
from stresslab.glossary import BOARDS, SALE_ORDERS
from stresslab.market import read_market
from stresslab.resolve import (
    NEVER,
    asked_amounts,
    calendar,
    first_day_at,
    line_available,
    redemption_due,
    resolve,
    shock_bp,
)
from stresslab.scenario import Board, Operations, Scenario, read_scenario, read_scenarios, resolved, shipped_folder
from stresslab.verbs import DEMO_SCENARIOS

BASE = Path(__file__).parent / "invalid" / "base"
SHIPPED = sorted(path.stem for path in shipped_folder().glob("*.toml"))


def scenario(**blocks: Any) -> Scenario:
    """The shipped baseline with other blocks."""
    return Scenario.model_validate(resolved(read_scenario("baseline")) | blocks)


def redemption(share_pct: float, who: str, start_day: int = 1, over_days: int = 1) -> Scenario:
    plan = {"share_pct": share_pct, "who": who, "start_day": start_day, "over_days": over_days, "source": "by hand"}
    return scenario(redemption=plan)


def rates(shock_pct: float, day: int, days: int = 60) -> Scenario:
    return scenario(days=days, rates={"shock_pct": shock_pct, "day": day, "source": "by hand"})


# --- reading ------------------------------------------------------------------------------------


def test_what_ships():
    assert set(DEMO_SCENARIOS) <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenarios_read_and_resolving_twice_changes_nothing(name):
    read = read_scenario(name)
    assert read.id == name
    said = resolved(read)
    again = Scenario.model_validate(json.loads(json.dumps(said)))
    assert again == read
    assert resolved(again) == said
    assert read_scenario(shipped_folder() / f"{name}.toml") == read


def test_depths_and_shares_are_those_of_the_names():
    depth = {name: read_scenario(name).market.crash.depth_pct for name in ("crash-20", "crash-40", "crash-60", "severe")}
    assert depth == {"crash-20": 20, "crash-40": 40, "crash-60": 60, "severe": 40}
    share = {name: read_scenario(name).redemption.share_pct for name in ("redemption-20", "redemption-30", "severe")}
    assert share == {"redemption-20": 20, "redemption-30": 30, "severe": 30}
    assert {shock_bp(read_scenario(name)) for name in ("rates-up-200bp", "severe")} == {200}
    halt = read_scenario("halt-2016").market
    assert (halt.crash.depth_pct, halt.crash.trough_day, halt.halt_days, halt.circuit_breaker_pct) == (18, 6, (1, 4), 7)
    calm = read_scenario("baseline")
    assert (calm.market.crash, calm.rates, calm.redemption, shock_bp(calm)) == (None, None, None, 0)


@pytest.mark.parametrize(("name", "block", "changed"), [
    ("crash-40-staged", "operations", {"batches": 5}), ("crash-40-no-displacement", "operations", {"displace": False}),
    ("suspension-2015", "market", {"suspensions": {"base_pct": 0.5, "slope_pct": 25, "mean_days": 10}}),
])
def test_variants_of_a_crash_differ_from_it_in_one_thing(name, block, changed):
    one, other = resolved(read_scenario(name)), resolved(read_scenario("crash-40"))
    for words in ("id", "title", "title_zh", "purpose", "purpose_zh"):
        assert one.pop(words) != other.pop(words)
    mine, its = one.pop(block), other.pop(block)
    assert one == other
    for held in (mine, mine.get("suspensions") or {}, its):
        held.pop("source", None)
    assert mine == its | changed


def test_choices_are_those_of_books_and_boards():
    assert get_args(Board) == BOARDS
    assert get_args(Operations.model_fields["sale_order"].annotation) == ("contract", *SALE_ORDERS)


def test_what_does_not_fit_together_is_refused_in_the_library_too():
    law = resolved(read_scenario("baseline"))["liquidity"]
    margin = {"sector": "bank", "source": "by hand"}
    wrong = {"liquidity": law | {"impact": "exponential", "trading_fraction": 0.5}, "market": {"halt_days": [3, 61]}}
    with pytest.raises(ValueError, match="5 validation errors") as refused:
        scenario(**wrong, sector_margin=[margin])
    assert [".".join(map(str, e["loc"])) for e in refused.value.errors()] == [
        "market.halt_days.1", "market.halt_days", "liquidity.impact", "liquidity.trading_fraction", "sector_margin.0"]
    fine = {"liquidity": law | {"impact": "exponential", "impact_floor_pct": 0}, "market": {"halt_days": [3, 60], "source": "by hand"},
            "sector_margin": [margin | {"single_name_cap_pct": 0}]}
    assert scenario(**fine).liquidity.impact_floor_pct == 0


@pytest.mark.parametrize(("key", "value"), [("liquidity", {"trading_fraction": 1}), ("market", {"halt_days": [], "suspension": []}),
                                            ("operations", {"sale": "contract", "batches": 1, "minimum_sale_yuan": 0, "displace": True})])
def test_neutral_values_may_be_written(key, value):
    calm = read_scenario("baseline")
    assert scenario(**{key: resolved(calm)[key] | value}) == calm


def test_several_scenarios_come_in_the_order_given_with_all_faults():
    one = scenario(id="one")
    read, faults = read_scenarios(["severe", one, "baseline", "nowhere.toml", one])
    assert [s.id for s in read] == ["severe", "one", "baseline", "one"]
    assert [f.file for f in faults] == ["nowhere.toml", "scenarios"]


def test_a_day_after_the_run_is_refused_in_the_library_too():
    with pytest.raises(ValueError, match="lies after the last day of the run, day 60"):
        rates(2, day=61)


def test_a_directory_is_no_scenario(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_scenario(tmp_path)


# --- the calendar (M-4) -------------------------------------------------------------------------


def test_sixty_trading_days_are_87_calendar_days():
    assert calendar(60)[60] == 87
    assert calendar(252)[252] == 365
    assert calendar(10).tolist() == [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 14]


@given(st.integers(0, 504))
def test_the_calendar_rounds_half_up(day):
    assert int(calendar(day)[day]) == (Fraction(365 * day, 252) + Fraction(1, 2)) // 1


def test_the_first_trading_day_at_a_calendar_day():
    days = calendar(10)
    assert [first_day_at(days, wanted) for wanted in (0, 1, 2, 3, 5, 14, 15)] == [0, 1, 2, 2, 4, 10, NEVER]


# --- redemption (M-16) --------------------------------------------------------------------------


def claims(amounts: list[int], **columns: list[Any]) -> pd.DataFrame:
    """Claims of one platform, 厘, of investors without notice unless columns say otherwise."""
    n = len(amounts)
    frame = {"client_id": [f"C{i:02d}" for i in range(n)], "amount_li": amounts, "kind": ["investor"] * n, "notice_days": [0] * n}
    return pd.DataFrame(frame | columns)


#: Five funders and fifty small ones, 1,000 yuan in all: the five hold 40%.
FUNDERS = [120_000, 90_000, 70_000, 60_000, 60_000] + [12_000] * 50


def test_thirty_percent_concentrated_is_three_whole_funders_and_one_in_part():
    asked = asked_amounts(claims(FUNDERS), redemption(30, "top_clients"))
    assert asked == [120_000, 90_000, 70_000, 20_000] + [0] * 51


def test_twenty_percent_concentrated():
    asked = asked_amounts(claims(FUNDERS), redemption(20, "top_clients"))
    assert asked == [120_000, 80_000] + [0] * 53
    assert sum(asked) == 200_000


def test_the_place_in_the_table_does_not_matter_for_whole_groups():
    asked = asked_amounts(claims(FUNDERS[::-1]), redemption(30, "top_clients"))
    # The two of 60 yuan are equal: the smaller id asks, in part.
    assert asked[::-1][:5] == [120_000, 90_000, 70_000, 0, 20_000]


def test_groups_count_as_one_client():
    # Group G holds 60 + 60 = 120 and comes after the client "A" of 120 and before "H".
    groups = ["A", "H", None, "G", "G"] + [None] * 50
    asked = asked_amounts(claims([120_000, 120_000, *FUNDERS[2:]], group_id=groups), redemption(20, "top_clients"))
    # 20% of 1,030 yuan are 206: 120 of A, then 86 of G, its first claim whole.
    assert asked == [120_000, 0, 0, 60_000, 26_000] + [0] * 50


def test_everybody_asks_for_everything():
    for who in ("top_clients", "pro_rata"):
        assert asked_amounts(claims(FUNDERS), redemption(100, who)) == FUNDERS


def test_pro_rata_gives_the_rest_to_the_first():
    # 20% of 3 × 3 + 2 = 11 厘 are 2; each claim's own 20% is less than one.
    assert asked_amounts(claims([3, 3, 3, 2]), redemption(20, "pro_rata")) == [1, 1, 0, 0]
    assert asked_amounts(claims([10_000, 5_000]), redemption(20, "pro_rata")) == [2_000, 1_000]


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=30), st.integers(1, 10_000), st.sampled_from(["pro_rata", "top_clients"]))
def test_what_is_asked_adds_up_and_nobody_asks_for_more_than_he_has(amounts, bp, who):
    asked = asked_amounts(claims(amounts), redemption(bp / 100, who))
    assert sum(asked) == sum(amounts) * bp // 10_000
    assert all(0 <= part <= whole for part, whole in zip(asked, amounts, strict=True))


groups_of_claims = st.lists(st.tuples(st.integers(0, 2**47 - 1), st.sampled_from(["A", "B", "C", None])), min_size=1, max_size=12)


@given(groups_of_claims, st.integers(1, 10_000))
def test_the_largest_groups_ask_first(held, bp):
    """Claim by claim, in Python's integers: groups by size and name, within a group in order of the table."""
    amounts, groups = [amount for amount, _ in held], [group for _, group in held]
    names = [group or f"C{at:02d}" for at, group in enumerate(groups)]
    size = {name: sum(a for a, n in zip(amounts, names, strict=True) if n == name) for name in names}
    left, asked = sum(amounts) * bp // 10_000, [0] * len(amounts)
    for name in sorted(size, key=lambda n: (-size[n], n)):
        for at in [at for at, n in enumerate(names) if n == name]:
            asked[at] = min(amounts[at], left)
            left -= asked[at]
    assert asked_amounts(claims(amounts, group_id=groups), redemption(bp / 100, "top_clients")) == asked


def test_nobody_asks_without_a_redemption():
    assert asked_amounts(claims(FUNDERS), read_scenario("baseline")) == [0] * 55


def test_due_after_notice_and_paid_from_segregated_money():
    """Two claims of 100 (investor, 3 days' notice) and 50 (free cash, none), 20% of each, in halves on days 2 and 3.

    Days 2 and 3 are calendar days 3 and 4; with notice 6 and 7, which are trading days 4 and 5. Of free cash
    20 of 50 yuan are segregated: two fifths of what it asks leave outside the balance sheet.
    """
    held = claims([100_000, 50_000], kind=["investor", "free_cash"], notice_days=[3, 0])
    own, kept = redemption_due(held, 20_000, redemption(20, "pro_rata", start_day=2, over_days=2), calendar(6))
    assert kept.tolist() == [0, 0, 2_000, 4_000, 4_000, 4_000, 4_000]
    assert own.tolist() == [0, 0, 3_000, 6_000, 16_000, 26_000, 26_000]


def test_odd_amounts_are_split_without_loss():
    own, kept = redemption_due(claims([7]), 0, redemption(100, "pro_rata", start_day=1, over_days=3), calendar(4))
    assert (own.tolist(), kept.tolist()) == ([0, 2, 4, 7, 7], [0] * 5)


def test_what_falls_after_the_last_day_is_not_due():
    held = claims([90_000], notice_days=[4])
    own, _ = redemption_due(held, 0, redemption(100, "pro_rata", start_day=1, over_days=3), calendar(5))
    # Asked on calendar days 1, 3, 4, due on 5, 7, 8; the run's last day is calendar day 7.
    assert own.tolist() == [0, 0, 0, 0, 30_000, 60_000]


# --- rates (M-11) -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book() -> Book:
    return read_book(BASE)


def changed(book: Book, table: str, **columns: list[Any]) -> Book:
    return dataclasses.replace(book, tables=book.tables | {table: book.tables[table].assign(**columns)})


def loans(book: Book, plan: Scenario) -> list[tuple[int, int]]:
    """Rate after the shock and the day from which it is charged, of each account."""
    account = resolve(book, read_market(BASE / "market.toml"), plan).facts.account
    return list(zip(account["rate_after_bp"].tolist(), account["switch_day"].tolist(), strict=True))


def test_fixed_floating_and_capped_loans(book):
    # A1 fixed at 6.5%, A2 floating at 5.8%, A3 at 12% capped at 15%; the shock comes on day 3.
    assert loans(book, rates(2, 3)) == [(650, NEVER), (780, 3), (1_400, 3)]
    assert loans(book, rates(4, 3)) == [(650, NEVER), (980, 3), (1_500, 3)]
    assert loans(book, rates(-7, 3)) == [(650, NEVER), (0, 3), (500, 3)]
    assert loans(book, scenario()) == [(650, NEVER), (580, NEVER), (1_200, NEVER)]


def test_notice_counts_calendar_days(book):
    # Day 3 is calendar day 4; with 10 days' notice 14, which is trading day 10; with 6 it is 10, trading day 7.
    noticed = changed(book, "accounts", rate_notice_days=[10, 10, 6])
    assert loans(noticed, rates(2, 3)) == [(650, NEVER), (780, 10), (1_400, 7)]
    assert loans(noticed, rates(2, 3, days=9)) == [(650, NEVER), (780, NEVER), (1_400, 7)]


def test_a_locked_rate_waits_for_the_end_of_its_lock(book):
    # Locked through calendar day 20: from 21 on, which is trading day 15 (calendar day 22; day 14 is 20).
    until = book.as_of + datetime.timedelta(days=20)
    locked = changed(book, "accounts", rate_lock_until=[until, until, book.as_of], rate_notice_days=[0, 10, 10])
    assert loans(locked, rates(2, 3)) == [(650, NEVER), (780, 15), (1_400, 10)]


def layers(book: Book, plan: Scenario) -> list[tuple[int, ...]]:
    """Platform, amount, rate, rate after, switch day and junior of each layer: the drawn lines, then the direct funding."""
    return [tuple(int(v) for v in row) for row in resolve(book, read_market(BASE / "market.toml"), plan).facts.layer.tolist()]


def test_floating_funding_waits_for_its_reset(book):
    # F1 floats, resets every 90 days: from calendar day 90 on, trading day 62 (day 61 is 88). F1a funds F1, not P1.
    lines = [(0, 0, 420, 420, NEVER, 0), (1, 0, 0, 0, NEVER, 0)]
    fixed = (1, 210_000_000, 900, 900, NEVER, 1)
    assert layers(book, rates(2, 3, days=70)) == [*lines, (0, 500_000_000, 420, 620, 62, 0), fixed]
    # A reset on the very day of the shock, calendar day 4, counts; one a day before it does not.
    for period, day in ((4, 3), (3, 4), (30, 21)):
        often = changed(book, "funding", reset_days=[period, 365, 30])
        assert layers(often, rates(2, 3, days=70))[2] == (0, 500_000_000, 420, 620, day, 0)
    assert layers(book, rates(-5, 3, days=70))[2] == (0, 500_000_000, 420, 0, 62, 0)


def test_a_drawn_line_bears_the_highest_senior_rate(book):
    both_senior = changed(book, "funding", seniority=[1, 1, 1])
    assert layers(both_senior, scenario())[1] == (1, 0, 900, 900, NEVER, 0)


# --- bank lines (M-17) --------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "available"), [
    ({}, 40_000_000),
    ({"line_committed": [False, False]}, 0),
    ({"line_expiry": [None, datetime.date(2026, 6, 30)]}, 0),
    ({"line_expiry": [None, datetime.date(2026, 7, 1)]}, 40_000_000),
    ({"line_expiry": [None, None]}, 40_000_000),
    ({"line_drawn_li": [0, 50_000_000]}, 0),
    ({"line_drawn_li": [0, 0]}, 50_000_000),
], ids=["as written", "not committed", "expired", "expires tomorrow", "no expiry", "drawn", "undrawn"])
def test_what_can_be_drawn(book, columns, available):
    platforms = changed(book, "platforms", **columns).tables["platforms"]
    assert line_available(platforms, book.as_of) == [0, available]
