"""The cascade kernel equals the plain twin with ==, and every path of it balances."""

from __future__ import annotations

from typing import Any

import bookkeeper
import plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_worlds import hold_kernel, run_kernel
from worlds import plain_account, plain_instrument, plain_world, worlds

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
