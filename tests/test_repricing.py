"""Rates that are drawn, through the whole engine: every path must be the one that its own rates, given, would make (M-11, M-75, M-76)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from stresslab import engine, farm
from stresslab.book import Book, demo_book
from stresslab.kernels import layout, rates
from stresslab.market import shipped_market
from stresslab.market.short_rate import net_interest_change
from stresslab.resolve import Resolved, calendar, resolve
from stresslab.retrace import retrace
from stresslab.scenario import Scenario, read_scenario, resolved

LAW = {"model": "vasicek", "initial_pct": 3, "long_run_pct": 4, "mean_reversion": 0.5, "volatility_pct": 4, "source": "by hand"}
LAWS = {
    "vasicek": LAW,
    "cir": {"model": "cir", "initial_pct": 3, "long_run_pct": 4, "mean_reversion": 0.5, "volatility": 0.12, "source": "by hand"},
    "hull_white": {
        "model": "hull_white", "initial_pct": 3, "mean_reversion": 0.1, "volatility_pct": 4, "curve_years": [1, 2], "curve_pct": [3.5, 3],
        "source": "by hand",
    },
}
SHOCK = {"shape": "ramp", "shock_pct": 1, "day": 5, "over_days": 20}
SEED = 11


@pytest.fixture(scope="module")
def book() -> Book:
    """The demo book with loans of all kinds and valuations that know no rates."""
    made = demo_book(800, 3)
    accounts = made.tables["accounts"]
    n = np.arange(len(accounts))
    changed = accounts.assign(
        rate_type=np.array(["floating", "capped", "floating", "fixed"])[n % 4],
        rate_cap_bp=accounts["loan_rate_bp"] + np.array([50, 0, 400])[n % 3],
        rate_notice_days=np.array([0, 7, 30, 200, 3])[n % 5],
    )
    stocks = made.tables["instruments"].assign(rate_beta=0.0)
    return dataclasses.replace(made, tables=made.tables | {"accounts": changed, "instruments": stocks})


def plan(name: str, **given: Any) -> Scenario:
    blocks = resolved(read_scenario(name)) | ({"rates": {"source": "by hand", **given}} if given else {"rates": None})
    return Scenario.model_validate(blocks)


def made(book: Book, name: str, **given: Any) -> Resolved:
    return resolve(book, shipped_market(), plan(name, **given))


def same(a: engine.Block, b: engine.Block) -> None:
    mine, other = engine.pack(a), engine.pack(b)
    for column, values in mine.items():
        assert np.array_equal(values, other[column]), column


def moves(drawn: Resolved, path: int) -> list[int]:
    runner = engine.Runner(drawn, SEED, 1)
    runner.draw(path, path + 1)
    return [int(m) for m in runner.moved_bp[0]]


@pytest.mark.parametrize("model", LAWS)
@pytest.mark.parametrize("name", ["crash-40", "redemption-30"])
def test_a_path_of_drawn_rates_is_the_path_of_these_rates_given(book: Book, model: str, name: str) -> None:
    drawn = made(book, name, law=LAWS[model])
    assert drawn.facts.floating.size > 300
    for path in (0, 3):
        shift = [m / 100 for m in moves(drawn, path)]
        assert max(shift) - min(shift) > 0.5
        given = made(book, name, path={"shift_pct": shift, "source": "by hand"})
        assert not given.facts.clauses.random
        one = engine.run_block(drawn, SEED, path, path + 1)
        same(one, engine.run_block(given, SEED, path, path + 1))
        still = engine.run_block(made(book, name), SEED, path, path + 1)
        for column in ("loan_interest_li", "funding_interest_li"):
            assert (one.outcomes[column] != still.outcomes[column]).any()


def test_a_shock_comes_on_top_of_drawn_rates(book: Book) -> None:
    drawn = made(book, "redemption-20", law=LAW, **SHOCK)
    added = made(book, "redemption-20", **SHOCK).market.rate_shock * 100
    shift = [m / 100 + float(a) for m, a in zip(moves(drawn, 2), added, strict=True)]
    given = made(book, "redemption-20", path={"shift_pct": [round(s, 2) for s in shift], "source": "by hand"})
    same(engine.run_block(drawn, SEED, 2, 3), engine.run_block(given, SEED, 2, 3))


def test_a_rate_that_does_not_move_changes_nothing(book: Book) -> None:
    still = LAW | {"volatility_pct": 0, "initial_pct": 4}
    same(engine.run_block(made(book, "crash-40", law=still), SEED, 0, 3), engine.run_block(made(book, "crash-40"), SEED, 0, 3))


def test_blocks_and_parts_of_drawn_rates_give_the_same_bytes(book: Book) -> None:
    drawn = made(book, "severe", law=LAW)
    whole = engine.run_block(drawn, SEED, 0, 5)
    last = engine.run_block(drawn, SEED, 4, 5)
    for column, values in last.outcomes.items():
        assert np.array_equal(values[0], whole.outcomes[column][4]), column
    found: list[engine.Block] = []
    farm.run_tasks([drawn], SEED, [(0, 0, 5)], lambda task, block: found.append(block), parts=3)
    same(found[0], whole)


def test_a_replay_of_drawn_rates_is_the_path(book: Book) -> None:
    drawn = made(book, "crash-40", law=LAW)
    whole = engine.run_block(drawn, SEED, 2, 3)
    called = int(np.flatnonzero(whole.accounts["called"])[0])
    same(retrace(drawn, SEED, 2, called)[0].block, whole)


def test_prices_fall_by_their_beta_times_the_surprise(book: Book) -> None:
    """(M-76) log X loses ρ (r(t) − E r(t)) and the shock of the long end; what the law expected moves nothing."""
    stocks = book.tables["instruments"].assign(rate_beta=3.0)
    moved = dataclasses.replace(book, tables=book.tables | {"instruments": stocks})
    law = LAW | {"mean_reversion": 5.0}  # much is expected: 3% goes to 4% within months
    free, bound = (engine.Runner(made(b, "baseline", law=law, shock_pct=1, day=30), SEED, 1) for b in (book, moved))
    for runner in (free, bound):
        runner.draw(1, 2)
    short = free.resolved.market.short_rate
    surprise = free.levels.rate - short.mean
    assert abs(surprise).max() > 0.004
    assert short.mean[60] - short.mean[0] > 0.006
    change = np.log(bound.fundamental[0] / free.fundamental[0])
    expected = -3.0 * (surprise + 0.01 * (np.arange(61) >= 30))
    ticks = 11 / free.fundamental[0]  # two prices, each within half a tick of 10 厘, and a little
    assert (np.abs(change - expected[:, None]) <= ticks).all()


def test_no_path_passes_the_highest_rates_that_the_screens_suppose(book: Book) -> None:
    """(M-80) A debt is never above that of the highest rates, also where the normals are absurd."""
    drawn = made(book, "baseline", law=LAW)
    runner = engine.Runner(drawn, SEED, 1)
    for path, force in ((0, 0.0), (1, 1.0), (2, 20.0)):
        runner.draw(path, path + 1)
        runner.noise.leading[:] += force
        rates.rate_path(runner.levels.rate, drawn.market.short_rate, runner.noise.leading)
        rates.whole_bp(runner.moved_bp[0], runner.levels.rate)
        runner.reprice(0, runner.state)
        assert (runner.state.rates.shift <= drawn.facts.rates.shift).all()
        assert (runner.state.last_debt <= drawn.facts.last_debt).all()
    assert (runner.state.rates.shift == drawn.facts.rates.shift).all()


def test_where_rates_are_given_a_state_shares_what_is_known(book: Book) -> None:
    facts = made(book, "rates-up-200bp", shock_pct=2, day=1).facts
    state = layout.new_state(facts)
    assert state.schedule is facts.schedule
    assert state.last_debt is facts.last_debt
    assert facts.floating.size == 0


def test_a_rise_of_rates_costs_what_the_closed_form_says(book: Book) -> None:
    """(M-82) Loans 1000, of which 30% reprice after half a year; funding 800, of which 80% after a quarter; +200 bp: −6.6.

    From rates of zero. Interest here is added to the balance, which the closed form leaves out: with it about −6.68.
    """
    unit = 10**9
    accounts = book.tables["accounts"].iloc[:2].assign(
        debt_li=[300 * unit, 700 * unit], cash_li=[900 * unit, 2100 * unit], loan_rate_bp=[0, 0], rate_type=["floating", "fixed"],
        rate_cap_bp=[9_000, 9_000], rate_notice_days=[182, 0], platform_id=book.tables["platforms"]["platform_id"].iloc[0])
    funding = book.tables["funding"].iloc[:2].assign(
        amount_li=[640 * unit, 160 * unit], rate_bp=[0, 0], rate_type=["floating", "fixed"], reset_days=[91, 91],
        platform_id=book.tables["platforms"]["platform_id"].iloc[0])
    tables = book.tables | {
        "accounts": accounts, "funding": funding,
        "positions": book.tables["positions"][book.tables["positions"]["account_id"].isin(accounts["account_id"])],
    }
    small = dataclasses.replace(book, tables=tables)
    year = Scenario.model_validate(
        resolved(read_scenario("baseline")) | {"days": 252, "rates": {"shock_pct": 2, "day": 1, "source": "by hand"}})
    outcome = engine.run_block(resolve(small, shipped_market(), year), SEED, 0, 1).outcomes
    change = (outcome["loan_interest_li"].sum() - outcome["funding_interest_li"].sum()) / unit
    # Known on calendar day 1: loans bear it on the first trading day from 183 on, funding from its reset on 91; with their nights.
    days = calendar(252)
    loans, layers = (365 - int(days[np.searchsorted(days, first) - 1]) for first in (183, 91))
    exact = 300 * (math.exp(0.02 * loans / 365) - 1) - 640 * (math.exp(0.02 * layers / 365) - 1)
    assert change == pytest.approx(exact, abs=0.001)
    assert net_interest_change(0.02, [(1000, 0.3, 0.5)], [(800, 0.8, 0.25)]) == pytest.approx(-6.6)
    assert change == pytest.approx(-6.6, abs=0.1)
