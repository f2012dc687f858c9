"""Shut desks and responses (M-145 to M-153): kernel = twin, audited, cut into parts, and cases worked by hand."""

from __future__ import annotations

from typing import Any

import bookkeeper
import numpy as np
import pandas as pd
import plain
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_worlds import compiled_only, run_kernel
from pydantic import ValidationError
from worlds import plain_account, plain_instrument, plain_world, planned_worlds

from stresslab import engine
from stresslab.book import demo_book
from stresslab.estimate import TOTAL, paired
from stresslab.faults import InputError
from stresslab.kernels import responses
from stresslab.market import shipped_market
from stresslab.pairing import PAYERS, payer
from stresslab.report.response_words import response
from stresslab.resolve import resolve
from stresslab.responses import plan_of, put, put_ppb
from stresslab.scenario import Scenario, read_scenario

World = dict[str, Any]
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(planned_worlds(), st.sampled_from((0, 3, 20, 100)))
def test_kernel_equals_the_plain_twin(world: World, watch_pct: int) -> None:
    mine, twins = run_kernel(world | {"watch_pct": watch_pct}), plain.run_path(world)
    for part in twins:
        assert mine[part] == twins[part], part


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(planned_worlds())
def test_an_independent_bookkeeper_balances_every_path(world: World) -> None:
    bookkeeper.audit(world, run_kernel(world))


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(planned_worlds(), st.data())
def test_no_rule_knows_the_day_on_which_it_acts(world: World, data: Any) -> None:
    """(M-147) Whatever prices and the factor do from a day on, the rules that fire up to that day are the same."""
    day = data.draw(st.integers(1, len(world["fundamental"]) - 1))
    other = world | {
        "factor_bp": world["factor_bp"][:day] + [max(1, f * 7 // 10) for f in world["factor_bp"][day:]],
        "fundamental": world["fundamental"][:day] + [[10 * p for p in row] for row in world["fundamental"][day:]],
    }
    for mine, theirs in zip(run_kernel(world)["platforms"], run_kernel(other)["platforms"], strict=True):
        first, second = mine["first_response_day"], theirs["first_response_day"]
        assert (first if 0 < first <= day else 0) == (second if 0 < second <= day else 0)


def planned(world: World, **plan: Any) -> World:
    return world | {"plan": {"no_calls": (), "no_sales": (), "compensation_bp": 0, "rules": ()} | plan}


def rule(when: str, value: int, do: str, amount: int = 0, **more: int) -> dict[str, Any]:
    blank = dict.fromkeys(("target_ppm", "margin_bp", "basis_bp", "fee_bp", "carry_bp", "strike_bp", "price_ppb", "for_days"), 0)
    return {"when": when, "value": value, "over_days": 1, "do": do, "platform": None, "amount": amount} | blank | more


def both(world: World) -> dict[str, Any]:
    """What the kernel tells, which is what the twin tells and the bookkeeper lets pass."""
    mine, twins = run_kernel(world), plain.run_path(world)
    for part in twins:
        assert mine[part] == twins[part], part
    bookkeeper.audit(world, mine)
    return mine


def one_loan(prices: list[int], factor_bp: list[int] | None = None, **platform: Any) -> World:
    """1,000 shares at 10.00 against 7,000 yuan (142.86%), lines 140, 130, 140%, at given prices of days 1 and on."""
    world = plain_world([plain_instrument(10_000)], [[10_000], *([p] for p in prices)], [plain_account(7_000_000, {0: 1000})],
                        platform=platform)
    return world | {"factor_bp": [10_000, *(factor_bp or [10_000] * len(prices))]}


def test_half_of_what_an_outage_cost_is_taken_off_the_debt() -> None:
    """(M-145, M-146) Below the line at 9.00 while the desk is shut, open again at 8.00: half of 1,000 yuan, of which the reserve has 200.

    Then D = 6,500, A = 8,000, m = 123%: v = (1.4 × 6,500 − 8,000) / 0.4 = 2,750 yuan, which are 344 shares at 8.00.
    """
    world = planned(one_loan([9_000, 8_500, 8_000, 8_000], reserve=200_000, claims=3_000_000), no_sales=(1, 2), compensation_bp=5_000)
    told = both(world)
    lender = told["platforms"][0]
    assert (lender["compensation_li"], lender["reserve_end_li"]) == (500_000, 0)
    assert lender["own_capital_end_li"] == world["platforms"][0]["own_capital"] - 300_000
    assert [day[0]["sold_li"] for day in told["days"]] == [0, 0, 344 * 8_000, 0]
    assert told["accounts"][0]["debt_li"] == 6_500_000 - 344 * 8_000
    assert both(one_loan([9_000, 8_500, 8_000, 8_000]))["days"][0][0]["sold_li"] > 0


def test_a_price_that_comes_back_leaves_nothing_to_compensate() -> None:
    told = both(planned(one_loan([9_000, 9_000, 9_500]), no_sales=(1, 2), compensation_bp=10_000))
    assert told["platforms"][0]["compensation_li"] == 0


def test_nobody_is_called_while_the_telephones_are_dead() -> None:
    told = both(planned(one_loan([9_500, 9_500, 9_500]), no_calls=(1, 2)))
    assert told["accounts"][0]["called"] == 1
    assert both(one_loan([9_500] * 3))["platforms"][0]["margin_call_issued_li"] == told["platforms"][0]["margin_call_issued_li"] > 0
    assert both(planned(one_loan([9_500] * 3), no_calls=(1, 2, 3)))["accounts"][0]["called"] == 0


def test_lines_are_raised_on_the_day_after_the_fall() -> None:
    """(M-147, M-148) The market is down 20% at the close of day 2: on day 3, and not before, 135.7% is below a line of 140%."""
    world = planned(one_loan([9_500] * 4, [9_000, 8_000, 8_000, 8_000]), rules=(rule("market_fall", 2_000, "raise_lines", 1_000),))
    told = both(world)
    assert told["platforms"][0]["first_response_day"] == 3
    assert [day[0]["sold_li"] > 0 for day in told["days"]] == [False, False, True, False]


def test_a_pause_lasts_its_days_and_no_longer() -> None:
    """(M-148) Below the line from day 2 on, when sales rest for two days: the first sale is on day 4."""
    pause = rule("day", 2, "pause_sales", 2)
    told = both(planned(one_loan([10_000, 9_000, 9_000, 9_000, 9_000]), rules=(pause,)))
    assert [day[0]["sold_li"] > 0 for day in told["days"]] == [False, False, False, True, False]


@pytest.mark.parametrize(("first", "then", "line"), [("cap", "raise", 15_100), ("raise", "cap", 15_000)])
def test_rules_of_one_day_act_in_their_order(first: str, then: str, line: int) -> None:
    """(M-147) A cap of 3 is a line of 150%: raised by a point after it, it is 151%; before it, 140% becomes 141%, below the cap."""
    said = {"cap": rule("day", 1, "cap_leverage", 30_000), "raise": rule("day", 1, "raise_lines", 100)}
    told = both(planned(one_loan([10_000]), rules=(said[first], said[then])))
    assert told["platforms"][0]["margin_call_issued_li"] == 7_000_000 * line // 10_000 - 10_000_000


def test_a_leverage_cap_follows_volatility() -> None:
    """(M-149) At 20.755869% a year a target of 15% multiplies a cap of 3 by 0.7227 (RiskMetrics' example); 2.1680 is a line of 185.62%."""
    assert responses.floor_of(0, 30_000, 150_000) == 15_000
    assert responses.floor_of(207_558, 30_000, 150_000) == -(-10_000 * 21_680 // 11_680) == 18_562
    assert responses.floor_of(10**7, 30_000, 150_000) == 65_535
    # One return of 2%, taken as the volatility of a day: 0.02 × √252 = 31.749%.
    assert responses.volatility_ppm(2, 1, np.array([10_000, 9_800, 1])) == 317_490
    assert responses.volatility_ppm(1, 1, np.array([10_000, 9_800])) == -1
    cap = rule("volatility", 3_000, "cap_leverage", 30_000, target_ppm=150_000)
    told = both(planned(one_loan([10_000] * 3, [9_800] * 3), rules=(cap,)))
    # 3 × 0.15 / 0.31749 = 1.4174, a line of 339.64%: called on day 2 for that less 142.86%, and not sold.
    assert told["platforms"][0]["margin_call_issued_li"] == -(-7_000_000 * 33_964 // 10_000) - 10_000_000
    assert (told["accounts"][0]["called"], told["accounts"][0]["shares"]) == (1, [1000])


def test_futures_gain_what_the_index_loses() -> None:
    """(M-151) Loans of 7,000 yuan, half hedged at 9,000 bp on day 2: 388 units; the index falls to 8,000 and 7,500."""
    sold = rule("day", 2, "hedge_futures", 5_000, margin_bp=1_200, basis_bp=200, fee_bp=1, for_days=2)
    world = planned(one_loan([10_000] * 4, [9_000, 9_000, 8_000, 7_500], cash=1_000_000), rules=(sold,))
    lender = both(world)["platforms"][0]
    units = 3_500_000 // 9_000
    cost = -(-units * 9_000 * 200 // 10_000) - (-units * 9_000 // 10_000)
    assert (lender["hedge_cost_li"], lender["hedge_gain_li"], lender["hedge_end_li"]) == (cost, units * 1_500, 0)
    assert lender["cash_end_li"] == 1_000_000 - cost + units * 1_500


def test_a_hedge_that_the_cash_cannot_bear_is_smaller_and_one_that_loses_too_much_ends() -> None:
    """(M-151) 12% margin on 8,000 yuan is all the cash of 960; when the index doubles, cash and margin are gone and the rest is owed."""
    sold = rule("day", 1, "hedge_futures", 20_000, margin_bp=1_200)
    lender = both(planned(one_loan([10_000] * 3, [10_000, 20_000, 5_000], cash=960_000, claims=1_000_000), rules=(sold,)))["platforms"][0]
    assert lender["hedge_gain_li"] == -8_000_000
    assert (lender["cash_end_li"], lender["hedge_end_li"], lender["hedge_owed_li"]) == (0, 0, 8_000_000 - 960_000)


def test_hedges_that_stand_at_the_end_are_worth_their_margin_and_what_they_would_pay() -> None:
    """(M-29) Futures of 388 units keep 12% of their notional; 95% puts on 350 units are 500 bp in the money."""
    sold = rule("day", 2, "hedge_futures", 5_000, margin_bp=1_200)
    world = planned(one_loan([10_000] * 3, [9_000, 9_000, 8_900], cash=1_000_000), rules=(sold,))
    assert both(world)["platforms"][0]["hedge_end_li"] == -(-(3_500_000 // 9_000) * 9_000 * 1_200 // 10_000)
    bought = rule("day", 1, "hedge_put", 5_000, strike_bp=9_500, price_ppb=1, for_days=9)
    world = planned(one_loan([10_000] * 2, [10_000, 9_000], cash=500_000), rules=(bought,))
    assert both(world)["platforms"][0]["hedge_end_li"] == 350 * 500


def test_the_root_is_rounded_down() -> None:
    for root in (0, 1, 2, 3, 65_535, 46_340_951, 2**31 - 1):
        assert responses.root(root * root) == root
        assert responses.root(root * root + 2 * root) == root
        assert responses.root(max(0, root * root - 1)) == max(0, root - 1)


def test_a_put_pays_below_its_strike() -> None:
    """(M-152) 95% puts on half of the loans at a price of 4%: 350 units of 10,000; the index ends them at 8,000."""
    bought = rule("day", 1, "hedge_put", 5_000, strike_bp=9_500, price_ppb=40_000_000, for_days=2)
    world = planned(one_loan([10_000] * 4, [10_000, 9_000, 8_000, 6_000], cash=500_000), rules=(bought,))
    told = both(world)
    lender, own = told["platforms"][0], world["platforms"][0]["own_capital"]
    assert (lender["hedge_cost_li"], lender["hedge_gain_li"], lender["hedge_end_li"]) == (140_000, 350 * 1_500, 0)
    assert [day[0]["own_funds_li"] - own for day in told["days"]] == [-140_000, 350 * 500 - 140_000, 385_000, 385_000]
    assert lender["cash_end_li"] == 500_000 - 140_000 + 525_000


def test_the_line_is_drawn_before_it_is_needed() -> None:
    drawn = rule("liquid_share", 5_000, "draw_line", 5_000)
    lender = both(planned(one_loan([10_000] * 2, line=700_000, claims=6_000_000, cash=1_000_000), rules=(drawn,)))["platforms"][0]
    assert (lender["first_response_day"], lender["line_drawn_li"], lender["cash_end_li"]) == (1, 350_000, 1_350_000)


@pytest.mark.parametrize(("scale", "strike", "volatility", "rate", "years", "price"), [
    (42.0, 40 / 42, 0.2, 0.1, 0.5, 0.81),  # Hull, Options, Futures, and Other Derivatives, example of the Black-Scholes chapter
    (120.0, 100 / 120, 0.4, 0.0, 10 / 252, 0.033069471954),
    (110.0, 100 / 110, 0.6, 0.0, 2 / 252, 0.083477981998),
])
def test_prices_of_puts(scale: float, strike: float, volatility: float, rate: float, years: float, price: float) -> None:
    digits = len(str(price).partition(".")[2])
    assert round(scale * put(strike, volatility, rate, years), digits) == price


def test_a_put_at_its_limits() -> None:
    assert put(1.1, 0.2, 0.0, 0.0) == pytest.approx(0.1)
    assert put(0.9, 1e-9, 0.0, 1.0) == 0.0
    assert put_ppb(1.0, 0.4, 0.0, 1.0) == round(1e9 * (2 * 0.579259709439103 - 1))  # Φ(0.2)


SAID = {"when": "market_fall_pct", "at_least": 10, "do": "raise_lines", "by_pct": 10, "source": "a test"}


def scenario(**response: Any) -> Scenario:
    return Scenario.model_validate(read_scenario("crash-40").model_dump() | {"response": [response]})


def test_a_rule_becomes_records() -> None:
    plan = plan_of(scenario(**SAID, platforms=("b", "a")), ["a", "b"])
    assert plan.active
    assert plan.rule["platform"].tolist() == [1, 0]
    assert (plan.rule["value"].tolist(), plan.rule["amount"].tolist()) == ([1_000, 1_000], [1_000, 1_000])
    assert not plan_of(read_scenario("crash-40"), ["a"]).active


@pytest.mark.parametrize(("changes", "said"), [
    ({"at_least": None}, "at_least"), ({"below": 5}, "is not read for market_fall_pct"), ({"at_least": 101}, "is no market_fall_pct"),
    ({"at_least": 0.001}, "whole multiple"), ({"by_pct": None}, "must be given for raise_lines"),
    ({"batches": 2}, "is not read by raise_lines"),
    ({"when": "volatility_pct"}, "must be given where volatility is read"), ({"over_days": 5}, "is not read by"),
    ({"when": "day", "at_least": 61}, "lies after the last day"), ({"when": "day", "at_least": 1.5}, "whole multiple"),
    ({"do": "draw_line", "by_pct": None, "share_pct": 101}, "more than the whole line"), ({"do": "sell"}, "do"), ({"source": ""}, "source"),
])
def test_what_does_not_fit_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        scenario(**SAID | changes)


def test_compensation_needs_a_shut_desk_and_days_a_source() -> None:
    held = read_scenario("crash-40-outage").model_dump()
    for changes in ({"days_without_sales": ()}, {"source": None}, {"days_without_calls": (61,)}):
        with pytest.raises(ValidationError):
            Scenario.model_validate(held | {"operations": held["operations"] | changes})


def test_an_unknown_platform_is_named() -> None:
    with pytest.raises(InputError, match="platform"):
        resolve(demo_book(60, 1), shipped_market(), scenario(**SAID, platforms=("Nobody",)))


@compiled_only
def test_what_a_response_saves_and_who_pays() -> None:
    """On the same paths of the demo: earlier calls save deficits, an outage costs the platform, no path is left out."""
    book, market = demo_book(400, 3), shipped_market()
    runs = {name: engine.run_block(resolve(book, market, read_scenario(name)), 1, 0, 12).outcomes
            for name in ("crash-40", "crash-40-raise-lines", "crash-40-outage", "crash-40-hedged")}
    loss = {name: int((o["loss_with_impact_li"]).sum()) for name, o in runs.items()}
    assert loss["crash-40-raise-lines"] < loss["crash-40"] < loss["crash-40-outage"]
    assert (runs["crash-40-outage"]["compensation_li"].sum(axis=1) > 0).all()
    assert loss["crash-40-hedged"] == loss["crash-40"]
    assert (runs["crash-40-hedged"]["hedge_cost_li"] > 0).all()


@compiled_only
def test_a_comparison_says_what_a_response_costs_and_who_pays() -> None:
    """(M-50) On 8 paths of the demo: what own funds lose by an outage is its compensation and what else changed, to the last 厘."""
    book, market, tables = demo_book(400, 3), shipped_market(), []
    for name in ("crash-40", "crash-40-outage"):
        resolved = resolve(book, market, read_scenario(name))
        tables.append(engine.tables(resolved, [engine.run_block(resolved, 1, 0, 8)])["outcomes"].to_pandas())
    found = paired(pd.concat(tables, ignore_index=True), "crash-40", "crash-40-outage")
    rows = found[found["platform_id"] == TOTAL].set_index("measure")
    mine, other = (t.set_index(["path", "platform_id"]) for t in tables)
    change = {c: int((other[c] - mine[c]).sum()) for c in mine.columns if c.endswith("_li")}
    assert rows.loc["own_funds_end", "difference"] == pytest.approx((change["reserve_end_li"] + change["own_capital_end_li"]) / 8_000)
    assert rows.loc["compensation", "difference"] * 8_000 == pytest.approx(change["compensation_li"])
    assert change["compensation_li"] > 0
    bears = change["loan_interest_li"] - change["funding_interest_li"] - change["pool_loss_li"] - change["compensation_li"]
    bears -= change["absorbed_by_reserve_li"] + change["absorbed_by_own_capital_li"]
    assert change["reserve_end_li"] + change["own_capital_end_li"] == bears
    assert rows.loc["own_funds_end", "worse"] == 8
    assert {payer(m) for m in rows.index} == {"what changes", *PAYERS}
    assert set(rows.index) >= {m for measures in PAYERS.values() for m in measures}


def test_every_response_has_words() -> None:
    for name in ("crash-40-hedged", "crash-40-raise-lines"):
        for said in read_scenario(name).model_dump()["response"]:
            words = response(said)
            assert "{" not in words.en + words.zh
            assert words.en != words.zh
