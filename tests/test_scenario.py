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
from stresslab.kernels.layout import NEVER
from stresslab.market import read_market
from stresslab.market.laws import ShortRate
from stresslab.redemption import asked_amounts, redemption_due
from stresslab.repricing import LONG_END, SHORT_END, fixed_after_notice, fixed_at_resets, shock_bp
from stresslab.resolve import (
    calendar,
    line_available,
    resolve,
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
    assert {int(shock_bp(read_scenario(name).rates, 60, SHORT_END)[60]) for name in ("rates-up-200bp", "severe")} == {200}
    halt = read_scenario("halt-2016").market
    assert (halt.crash.depth_pct, halt.crash.trough_day, halt.halt_days, halt.circuit_breaker_pct) == (18, 6, (1, 4), 7)
    calm = read_scenario("baseline")
    assert (calm.market.crash, calm.rates, calm.redemption) == (None, None, None)
    assert not shock_bp(calm.rates, 60, SHORT_END).any()


@pytest.mark.parametrize(("name", "block", "changed"), [
    ("crash-40-staged", "operations", {"batches": 5}), ("crash-40-no-displacement", "operations", {"displace": False}),
    ("crash-40-outage", "operations", {"days_without_calls": [8, 9, 10], "days_without_sales": [8, 9, 10], "compensation_pct": 50}),
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


def test_the_day_that_fixes_a_rate():
    """(M-11) Calendar days 0, 1, 3, 4, 6, 7, 9: the last day three before each, and the last reset of every four."""
    days = calendar(6)
    assert fixed_after_notice(days, 0).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert fixed_after_notice(days, 3).tolist() == [0, 0, 0, 1, 2, 3, 4]
    assert fixed_after_notice(days, 3650).tolist() == [0] * 7
    assert fixed_at_resets(days, 4).tolist() == [0, 0, 0, 3, 3, 3, 5]  # a reset on calendar day 8 takes day 7
    assert fixed_at_resets(days, 3650).tolist() == [0] * 7


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
    """Rate after the shock and the day from which it is charged, of each account; its own and NEVER where it stays."""
    return [rate_and_day(path) for path in loan_rates(book, plan)]


def loan_rates(book: Book, plan: Scenario) -> list[list[int]]:
    """The rate of each loan on days 0..T, bp."""
    facts = resolve(book, read_market(BASE / "market.toml"), plan).facts
    told = []
    for rate, most, first, clause in facts.account[["rate_bp", "rate_most_bp", "floats_from", "clause"]].tolist():
        shift = [int(s) if day >= first else 0 for day, s in enumerate(facts.rates.shift[clause])]
        told.append([max(0, min(rate + s, most)) for s in shift])
    return told


def rate_and_day(path: list[int]) -> tuple[int, int]:
    moved = [day for day, rate in enumerate(path) if rate != path[0]]
    assert set(path[moved[0]:] if moved else path) == {path[-1]}
    return path[-1], moved[0] if moved else NEVER


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
    assert loans(noticed, rates(2, 3, days=9)) == [(650, NEVER), (580, NEVER), (1_400, 7)]


def test_a_locked_rate_waits_for_the_end_of_its_lock(book):
    # Locked through calendar day 20: from 21 on, which is trading day 15 (calendar day 22; day 14 is 20).
    until = book.as_of + datetime.timedelta(days=20)
    locked = changed(book, "accounts", rate_lock_until=[until, until, book.as_of], rate_notice_days=[0, 10, 10])
    assert loans(locked, rates(2, 3)) == [(650, NEVER), (780, 15), (1_400, 10)]


def layers(book: Book, plan: Scenario) -> list[tuple[int, ...]]:
    """Platform, amount, rate, rate after, its first day and junior of each layer: the drawn lines, then the direct funding."""
    facts = resolve(book, read_market(BASE / "market.toml"), plan).facts
    found = []
    for platform, amount, rate, clause, junior in facts.layer.tolist():
        path = [max(0, rate + int(shift)) for shift in facts.rates.shift[clause]]
        found.append((platform, amount, rate, *rate_and_day(path), junior))
    return found


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


# --- shapes of a shock, paths, drawn rates (M-75) -------------------------------------------------


def moving(days: int = 6, **keys: Any) -> Scenario:
    return scenario(days=days, rates={"source": "by hand", **keys})


def shock(plan: Scenario, tenor: int = SHORT_END) -> list[int]:
    return shock_bp(plan.rates, plan.days, tenor).tolist()


def test_shapes_of_a_shock_by_hand():
    assert shock(moving(shock_pct=2, day=3)) == [0, 0, 0, 200, 200, 200, 200]
    # Thirds of 1%: 33.3, 66.7, 100 bp; of −0.01%: −1/3, −2/3, −1, and halves go up: −0.5 is 0.
    assert shock(moving(shape="ramp", shock_pct=1, day=2, over_days=3)) == [0, 0, 33, 67, 100, 100, 100]
    assert shock(moving(shape="ramp", shock_pct=-0.01, day=2, over_days=3)) == [0, 0, 0, -1, -1, -1, -1]
    assert shock(moving(shape="ramp", shock_pct=-0.01, day=2, over_days=2)) == [0, 0, 0, -1, -1, -1, -1]
    assert shock(moving(shape="ramp", shock_pct=1, day=5, over_days=9)) == [0, 0, 0, 0, 0, 11, 22]
    path = {"shift_pct": [0, 0.25, -0.1], "source": "by hand"}
    assert shock(moving(path=path)) == [0, 25, -10, -10, -10, -10, -10]


def test_a_twist_turns_about_the_tenors_between_its_ends():
    turn = {"shape": "twist", "short_pct": -1, "long_pct": 1, "long_days": 360, "day": 1}
    ends = {tenor: shock(moving(2, **turn), tenor)[1] for tenor in (SHORT_END, 30, 90, 180, 360, 720, LONG_END)}
    assert ends == {SHORT_END: -100, 30: -83, 90: -50, 180: 0, 360: 100, 720: 100, LONG_END: 100}
    assert shock(moving(3, **turn, over_days=2), LONG_END) == [0, 50, 100, 100]


def test_contracts_follow_a_path_by_notice_reset_lock_and_cap(book):
    """(M-11) Calendar days 0, 1, 3, 4, 6, 7, 9. A2 floats at 5.8%, A3 at 12% capped at 15%; funding F1 floats at 4.2%."""
    path = {"shift_pct": [0, 1, -7, 4, 3], "source": "by hand"}
    assert loan_rates(book, moving(path=path)) == [
        [650] * 7, [580, 680, 0, 980, 880, 880, 880], [1_200, 1_300, 500, 1_500, 1_500, 1_500, 1_500]]
    noticed = changed(book, "accounts", rate_notice_days=[2, 2, 3])
    assert loan_rates(noticed, moving(path=path))[1:] == [
        [580, 580, 680, 680, 980, 980, 880], [1_200, 1_200, 1_200, 1_300, 500, 1_500, 1_500]]
    until = book.as_of + datetime.timedelta(days=3)
    locked = changed(book, "accounts", rate_lock_until=[until, until, None])
    assert loan_rates(locked, moving(path=path))[1] == [580, 580, 580, 980, 880, 880, 880]
    often = changed(book, "funding", reset_days=[3, 365, 30])
    facts = resolve(often, read_market(BASE / "market.toml"), moving(path=path)).facts
    # Resets on calendar days 3, 6 and 9 take the days 2, 4 and 6.
    assert facts.rates.shift[facts.layer["clause"][2]].tolist() == [0, 0, -700, -700, 300, 300, 300]


def test_a_scenario_without_rates_moves_nothing_and_reads_no_clause(book):
    facts = resolve(book, read_market(BASE / "market.toml"), scenario()).facts
    assert not facts.rates.shift.any()
    assert (facts.account["floats_from"] == NEVER).all()
    assert not facts.clauses.random


def test_valuations_take_the_long_end_as_a_fraction(book):
    turn = {"shape": "twist", "short_pct": -1, "long_pct": 0.5, "long_days": 360, "day": 2}
    terms = resolve(book, read_market(BASE / "market.toml"), moving(3, **turn)).market
    assert terms.rate_shock.tolist() == [0.0, 0.0, 0.005, 0.005]


LAW = {"model": "vasicek", "initial_pct": 3, "long_run_pct": 4, "mean_reversion": 0.5, "volatility_pct": 1, "source": "by hand"}
OWN = {"law": LAW, "source": "by hand"}


def test_a_drawn_short_rate_comes_from_the_market_or_the_scenario(book):
    market = read_market(BASE / "market.toml")
    with pytest.raises(InputError, match=r"rates.model = 'market': needs the law of a short rate, and the market file has none"):
        resolve(book, market, moving(model="market"))
    observed = market.model_copy(update={"rates": ShortRate.model_validate(LAW | {"initial_pct": 2})})
    assert resolve(book, observed, moving(model="market")).market.short_rate.mean[0] == 0.02
    assert resolve(book, observed, moving(law=LAW)).market.short_rate.mean[0] == 0.03
    # What was observed of rates plays no part where nobody asks for it.
    assert not resolve(book, observed, scenario()).facts.clauses.random


def test_floating_accounts_are_those_whose_rate_may_move(book):
    facts = resolve(book, read_market(BASE / "market.toml"), moving(law=LAW)).facts
    assert facts.floating.tolist() == [1, 2]
    noticed = changed(book, "accounts", rate_notice_days=[0, 400, 3])
    assert resolve(noticed, read_market(BASE / "market.toml"), moving(law=LAW)).facts.floating.tolist() == [2]


def test_without_noise_rates_take_their_mean(book):
    """(M-10) Under the model `deterministic` no normal moves the rate."""
    terms = resolve(book, read_market(BASE / "market.toml"), scenario(market={"model": "deterministic"}, rates=OWN)).market
    assert terms.short_rate.sd == 0.0
    assert terms.short_rate.highest.tolist() == terms.short_rate.mean.tolist()


@pytest.mark.parametrize(("keys", "where", "said"), [
    ({"day": 1}, "rates.shock_pct", "must be given for the shape parallel"),
    ({"shock_pct": 1}, "rates.day", "must be given for the shape parallel"),
    ({"shock_pct": 1, "day": 1, "over_days": 3}, "rates.over_days", "is not read by the shape parallel"),
    ({"shape": "ramp", "shock_pct": 1, "day": 1}, "rates.over_days", "must be given for the shape ramp"),
    ({"shape": "twist", "short_pct": 1, "long_pct": 0, "day": 1}, "rates.long_days", "must be given for the shape twist"),
    ({"shape": "twist", "short_pct": 1, "long_pct": 0, "day": 1, "long_days": 9, "shock_pct": 1}, "rates.shock_pct", "is not read"),
    ({"path": {"shift_pct": [0, 1], "source": "by hand"}, "shock_pct": 1}, "rates.shock_pct", "must not stand beside [rates.path]"),
    ({"path": {"shift_pct": [1, 1], "source": "by hand"}}, "rates.path.shift_pct", "must begin with 0"),
    ({"path": {"shift_pct": [], "source": "by hand"}}, "rates.path.shift_pct", "must begin with 0"),
    ({"path": {"shift_pct": [0] * 8, "source": "by hand"}}, "rates.path.shift_pct", "has 8 numbers for days 0 to 6"),
    ({"model": "market", "law": LAW}, "rates.model", "must not be market beside [rates.law]"),
    ({"law": LAW | {"volatility": 0.1}}, "rates.law.volatility", "is not read by the model vasicek"),
])
def test_rates_that_do_not_fit_together_are_refused(keys, where, said):
    with pytest.raises(ValueError, match="validation error") as refused:
        moving(**keys)
    assert [(".".join(map(str, e["loc"])), e["msg"][: len(said)]) for e in refused.value.errors()] == [(where, said)]


@pytest.mark.parametrize(("keys", "where"), [
    ({"path": {"shift_pct": [0, 30], "source": "by hand"}}, "rates.path.shift_pct"),
    ({"shape": "twist", "short_pct": 0, "long_pct": 30, "day": 1, "long_days": 30}, "rates.short_pct, rates.long_pct"),
    ({"law": LAW | {"volatility_pct": 10, "mean_reversion": 0.01}}, "rates.law"),
])
def test_rates_that_go_too_high_are_refused_at_their_key(book, keys, where):
    high = changed(book, "funding", rate_bp=[4_000, 900, 900])
    with pytest.raises(InputError, match="lifts the highest funding rate") as refused:
        resolve(high, read_market(BASE / "market.toml"), moving(60, **keys))
    assert [f.column for f in refused.value.faults] == [where]


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
