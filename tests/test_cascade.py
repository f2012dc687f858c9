"""The cascade kernel equals the plain twin with ==, and every path of it balances."""

from __future__ import annotations

from typing import Any

import bookkeeper
import numpy as np
import plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_worlds import facts_of, hold_kernel, paths_of, ready, run_in_turn, run_kernel, state_of
from worlds import hand_world, plain_account, plain_instrument, plain_world, slower, up_to, worlds

from stresslab.kernels import accounts, cascade, layout, screen
from stresslab.kernels.draws import fill_uniforms

World = dict[str, Any]
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


@settings(max_examples=1500, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds(), st.sampled_from((0, 3, 20, 100)))
def test_kernel_equals_the_plain_twin(world: World, watch_pct: int) -> None:
    # The twin knows no screens: whatever their margin, nothing may change.
    mine, twins = run_kernel(world | {"watch_pct": watch_pct}), plain.run_path(world)
    for part in twins:
        assert mine[part] == twins[part], part


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds())
def test_an_independent_bookkeeper_balances_every_path(world: World) -> None:
    bookkeeper.audit(world, run_kernel(world))


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds())
def test_the_holding_loss_equals_the_twin(world: World) -> None:
    assert hold_kernel(world) == plain.loss_holding(world)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds(), st.sampled_from((0, 3, 20)))
def test_a_path_leaves_nothing_to_the_next(world: World, watch_pct: int) -> None:
    """The weather of a world, then its mirror, then itself: a state that other paths have used gives what a new one gives."""
    first = world | {"watch_pct": watch_pct}
    mirror = first | {
        "path": world["path"] + 1, "fundamental": world["fundamental"][:1] + world["fundamental"][:0:-1],
        "factor_bp": world["factor_bp"][:1] + world["factor_bp"][:0:-1], "closed": world["closed"][:1] + world["closed"][:0:-1],
    }
    found = run_in_turn(first, mirror, first)
    assert found == [run_kernel(first), run_kernel(mirror), run_kernel(first)]


def test_impact_that_lasts_ends_with_its_path() -> None:
    """(M-24) Half of a forced sale's impact stays for good, but not on the next path."""
    share = plain_instrument(10_000, adv_shares=2_000, sigma_day=0.2)
    book = [plain_account(7_000_000, {0: 1_000})]
    world = plain_world([share], [[10_000]] + [[9_000]] * 4, book, impact="almgren", permanent_bp=5_000)
    first, second = run_in_turn(world, world)
    assert first == second == run_kernel(world)
    assert first["instruments"] == plain.run_path(world)["instruments"]
    assert first["instruments"][-1][0]["quoted"] < 9_000


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds(max_accounts=4), st.sampled_from((0, 3, 20)), st.sampled_from((17, 70)))
def test_more_days_than_lanes(world: World, watch_pct: int, times: int) -> None:
    """From 65 days on several share a lane of the screen: whoever is looked at less often must not be missed."""
    longer = slower(up_to(world, min(4, len(world["fundamental"]) - 1)), times)
    mine, twins = run_kernel(longer | {"watch_pct": watch_pct}), plain.run_path(longer)
    for part in twins:
        assert mine[part] == twins[part], part


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds())
def test_debts_on_drawn_rates_are_those_on_the_same_rates_given(world: World) -> None:
    """(M-11, M-12) Every debt, and the sums of interest and lines of each day and platform, to the last 厘."""
    given, drawn = (facts_of(world | {"rates_drawn": d}) for d in (False, True))
    state = ready(world | {"rates_drawn": True}, drawn, layout.new_state(drawn))
    assert state.last_debt.tolist() == given.last_debt.tolist()
    for name in ("interest", "line"):
        assert state.schedule[name][1:].tolist() == given.schedule[name][1:].tolist(), name


def test_a_line_on_drawn_rates_is_rounded_up() -> None:
    """(M-19) 130.01% of a debt is so many whole 厘 and one ten-thousandth: the sum of lines has one 厘 more."""
    debt = 10_000_000 + pow(3_001, -1, 10_000)
    loan = plain_account(debt, {0: 2_000}, liquidation_bp=13_001, floats_from=1)
    world = plain_world([plain_instrument(10_000)], [[10_000]] * 2, [loan]) | {"rates_drawn": True}
    facts = facts_of(world)
    state = ready(world, facts, layout.new_state(facts))
    assert debt * 13_001 % 10_000 == 1
    assert state.schedule["line"].tolist() == [[0], [debt * 13_001 // 10_000 + 1]]


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds())
def test_sums_over_paths_are_those_of_the_paths(world: World) -> None:
    """Two paths, tallied: each account's calls, forced sales, deficits and money of both."""
    facts = facts_of(world)
    sums = np.zeros((5, len(world["accounts"])), np.int64)
    expected = np.zeros_like(sums)
    fundamental, factor, closed = paths_of(world)
    state, story = state_of(world, facts, fundamental, closed), layout.new_story(facts)
    for path in (world["path"], world["path"] + 1):
        cascade.run_path(path, world["seed"], fundamental, factor, closed, facts, state, story)
        cascade.tally(facts, state, *sums)
        for n, a in enumerate(plain.run_path(world | {"path": path})["accounts"]):
            expected[:, n] += (a["called"], a["forced"], a["deficit_li"] > 0, a["deficit_li"], a["sold_li"])
    assert sums.tolist() == expected.tolist()


def test_what_is_lost_is_summed_over_paths() -> None:
    """A share that falls from 10.00 to 1.00 on day 1 leaves 6,000 of 7,000 yuan on each path."""
    world = plain_world([plain_instrument(10_000)], [[10_000], [1_000]], [plain_account(7_000_000, {0: 1_000})])
    facts = facts_of(world)
    fundamental, factor, closed = paths_of(world)
    state, story, sums = state_of(world, facts, fundamental, closed), layout.new_story(facts), np.zeros((5, 1), np.int64)
    for path in range(3):
        cascade.run_path(path, 1, fundamental, factor, closed, facts, state, story)
        cascade.tally(facts, state, *sums)
    assert sums[:, 0].tolist() == [3, 3, 3, 18_000_000, 3_000_000]


def test_an_order_is_divided_over_what_may_be_sold() -> None:
    """(M-22, M-48) 77 厘 of 150: 77 x 100 / 150 = 51.3 shares of the one, 25.7 of the other, both rounded up; a total of 151 gives 51."""
    cheap = [plain_instrument(1, tick=1), plain_instrument(1, tick=1), plain_instrument(10_000)]
    loan = plain_account(1_000_000, {0: 100, 1: 50, 2: 1_000})
    loan["positions"][2]["sellable"] = 0
    world = plain_world(cheap, [[1, 1, 10_000]] * 3, [loan], platform={"claims": 500_000, "due": [0, 77, 77]}, displace=False)
    mine = run_kernel(world)
    assert mine["accounts"] == plain.run_path(world)["accounts"]
    assert mine["accounts"][0]["shares"] == [48, 24, 1_000]


def test_a_call_is_cured_on_the_line_and_not_one_li_below() -> None:
    """(M-20) 7,000 yuan at 140% need 9,800: called at 9.50, cured at 9.80 and called again, still open at one 厘 less."""
    for third, issued in ((9_800, 600_000), (9_799, 300_000)):
        book = [plain_account(7_000_000, {0: 1_000}, liquidation_bp=10_000)]
        world = plain_world([plain_instrument(9_800, tick=1)], [[9_800], [9_500], [third], [9_500]], book, grace_days=5)
        told = run_kernel(world)
        assert told["accounts"] == plain.run_path(world)["accounts"]
        assert told["platforms"][0]["margin_call_issued_li"] == issued


def test_who_answers_and_when_to_the_word() -> None:
    """(M-20) Half of the callers answer: the word 2^31 - 1 does and 2^31 does not; the second word is the day, of the grace's days."""
    world = hand_world()
    terms = facts_of(world).terms._replace(answer_bp=np.array([5_000, 0, 0]), mood_bp=0, grace_days=4)
    fact = facts_of(world).account[0]
    now, o = layout.records(layout.new_state(facts_of(world)).account.dtype, 1)[0], layout.records(layout.OUTCOME, 1)[0]
    now["debt"], now["value"] = 7_000_000, 9_000_000
    for word, second, day in ((2**31 - 1, 0, 4), (2**31, 0, 0), (0, 2**30 - 1, 4), (0, 2**30, 5), (0, 2**32 - 1, 7)):
        accounts.call(3, word, second, 0, fact, now, o, terms)
        assert int(now["answer_day"]) == day, (word, second)
    assert int(now["call_amount"]) == 800_000
    accounts.call(3, 0, 0, 0, fact, now, o, terms._replace(grace_days=0))
    assert int(now["answer_day"]) == 0


def test_the_screen_adds_up_any_number_of_positions() -> None:
    """In the order of the positions, in single precision, for accounts of none to eleven of them."""
    some = np.zeros(7 * layout.LANES)
    fill_uniforms(some, 1, 0, 0, 0)
    bound = (1 + some).astype(np.float32).reshape(7, layout.LANES)
    weight = layout.records(layout.WEIGHT, 20)
    weight["instrument"], weight["share"] = np.arange(20) * 5 % 7, some[:20]
    for count in range(12):
        expected, lane = np.full(layout.LANES, np.float32(0.25)), np.zeros(layout.LANES, np.float32)
        for row in range(3, 3 + count):
            expected = expected + weight["share"][row] * bound[weight["instrument"][row]]
        screen.cover_lanes(np.float32(0.25), 3, 3 + count, weight, bound, lane)
        assert lane.tobytes() == expected.tobytes(), count


def test_the_first_carry_is_zero() -> None:
    """(M-12) 3,649,999 厘 at 1 bp owe nothing for one day: one more unit of carry would make it 1 厘."""
    layer = {"amount": 3_649_999, "rate_bp": 1, "reset_days": 0, "seniority": 1}
    loan = plain_account(3_649_999, {0: 1}, rate_bp=1)
    share = plain_instrument(100_000_000)
    world = plain_world([share], [[100_000_000], [100_000_000]], [loan], platform={"funding": [layer], "cash": 3_649_999})
    told = run_kernel(world)["platforms"][0]
    assert (told["funding_interest_li"], told["loan_interest_li"]) == (0, 0)
    layer["amount"] += 1
    assert run_kernel(world)["platforms"][0]["funding_interest_li"] == 1


def test_the_run_off_reaches_who_was_safe_after_a_recall() -> None:
    """(M-18, M-28) A loan was recalled in part and is far above its lines when its platform fails: it is still called in full."""
    shut = plain_instrument(100_000, suspended=True)
    book = [plain_account(50_000_000, {0: 1_000}), plain_account(50_000_000, {1: 1_000})]
    owed = {"claims": 60_000_000, "due": [0] + [40_000_000] * 6}
    world = plain_world(
        [plain_instrument(100_000), shut], [[100_000, 100_000]] * 7, book, platform=owed, run_off="called", payment_grace_days=2)
    told, twins = run_kernel(world), plain.run_path(world)
    for part in twins:
        assert told[part] == twins[part], part
    assert (told["platforms"][0]["failure_day"], told["accounts"][0]["shares"], told["accounts"][0]["debt_li"]) == (3, [0], 0)


def test_what_was_recalled_of_a_lost_loan_is_asked_of_the_others() -> None:
    """(M-18, M-27) 20,000 yuan are due, 10,000 of each loan; the first brings 2,000 and is lost: the other is called for 18,000 in all."""
    shut = plain_instrument(100_000, suspended=[1, 2, 3, 4, 5])
    book = [plain_account(50_000_000, {0: 1_000}), plain_account(50_000_000, {1: 1_000})]
    owed = {"claims": 30_000_000, "due": [0] * 3 + [20_000_000] * 5}
    prices = [[100_000, 100_000]] * 3 + [[2_000, 100_000]] * 5
    world = plain_world([plain_instrument(100_000), shut], prices, book, platform=owed, payment_grace_days=9)
    told, twins = run_kernel(world), plain.run_path(world)
    for part in twins:
        assert told[part] == twins[part], part
    assert (told["accounts"][0]["sold_li"], told["accounts"][1]["sold_li"]) == (2_000_000, 18_000_000)
