"""Who asks for his money on a path: closed forms, hand-worked days, and the rules that a run shares with the look-through."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import plain
import pytest
from kernel_worlds import compiled_only, run_kernel
from worlds import plain_account, plain_instrument, plain_world

from stresslab.book import demo_book
from stresslab.book.recall import State
from stresslab.engine import Block, run_block
from stresslab.faults import InputError
from stresslab.kernels import kernel, layout, requests, withdrawals
from stresslab.market import shipped_market
from stresslab.pool.layers import read_fund
from stresslab.pool.recalls import recalled
from stresslab.redemption import moves
from stresslab.resolve import Resolved, calendar, resolve
from stresslab.scenario import Scenario, read_scenario, resolved

SEED = 11
ERRORS = 3.0
#: Facts' Hawkes process: base, jump and decay of the intensity; 2/3 of all requests are brought on by others.
MU, ALPHA, BETA = 0.5, 0.8, 1.2


def scenario(name: str, **blocks: Any) -> Scenario:
    return Scenario.model_validate(resolved(read_scenario(name)) | blocks)


def plan(**changes: Any) -> dict[str, Any]:
    return {"share_pct": 20, "who": "top_clients", "start_day": 5, "over_days": 5, "source": "by hand"} | changes


def wave(**changes: Any) -> dict[str, Any]:
    return {"base_pct": 0, "branching": 0.5, "half_life_days": 2, "source": "by hand"} | changes


@pytest.fixture(scope="module")
def small() -> Any:
    return demo_book(300, 1)


def blocks(book: Any, said: Scenario, paths: int = 3) -> tuple[Resolved, Block]:
    ready = resolve(book, shipped_market(), said)
    return ready, run_block(ready, SEED, 0, paths)


# --- the wave alone -------------------------------------------------------------------------------


@kernel
def run_alone(out: Any, days_of: Any, f: Any, now: Any, outcome: Any, days: Any) -> None:
    """The days of some paths without loans and payments; what was asked on each, 厘."""
    for path in range(out.shape[0]):
        withdrawals.begin_requests(path, SEED, f, now, outcome)
        for day in range(1, days_of.size):
            withdrawals.hear(day, 0, 0, f, now, outcome, days)
            withdrawals.ask_as_planned(day, days_of, f, now, outcome)
            withdrawals.ask_in_wave(day, path, SEED, days_of, f, now, outcome)
            out[path, day] = now.wave[0].fed


class Alone:
    """One platform without loans whose clients only ask, so that the law of the wave can be sampled by itself."""

    def __init__(self, groups: int, days: int, law: requests.Wave, *, planned: int = 0, random_bp: int = 0, amount: int = 10**9) -> None:
        claim, group, house = (requests.rows_of(kind, n) for kind, n in (
            (requests.CLAIM, groups), (requests.GROUP, groups), (requests.HOUSE, 1)))
        claim["amount"] = group["amount"] = amount
        claim["planned"][:planned] = amount
        group["first"], group["last"] = np.arange(groups), np.arange(groups) + 1
        house["claims"] = house["home"] = groups * amount
        house["gate"] = requests.OPEN
        self.f = requests.Requests(
            True, claim, group, house, requests.rows_of(requests.STEP, 0), requests.rows_of(requests.NODE, 0),
            requests.rows_of(requests.CLAUSE, 0), requests.rows_of(requests.TRIGGER, 0), random_bp, np.array([1, 0]), np.array([1, 1]),
            0, 0, law)
        days_of = calendar(1)[:1].repeat(days + 1) + np.arange(days + 1)
        self.now = requests.new_requests(self.f, layout.records(layout.DUE, days + 1, 1), 0)
        self.outcome, self.days, self.calendar = layout.records(layout.OUTCOME, 1), layout.records(layout.DAY, days + 1, 1), days_of

    def counts(self, paths: int) -> Any:
        """How many groups asked on each day, paths × days."""
        out = np.zeros((paths, self.calendar.size), np.int64)
        run_alone(out, self.calendar, self.f, self.now, self.outcome, self.days)
        return out[:, 1:] / int(self.f.group["amount"][0])


def moments(groups: int, days: int, base: float, feed: float, decay: float) -> tuple[float, float]:
    """Mean and variance of all requests of a run, exactly, while nobody leaves: the process is linear (M-135)."""
    excited = count = 0.0
    vee = cross = vcc = 0.0  # covariances of what is excited and of the count
    square = 0.0
    for _ in range(days):
        mean = base + excited
        # The day's requests are binomial given the intensity: E m (1 − m / G), with E m² = mean² + vee.
        noise = mean - (mean**2 + vee) / groups
        vcc, cross, vee = (
            vcc + 2 * cross + vee + noise, decay * cross + feed * (cross + vee + noise) + decay * vee,
            (decay + feed) ** 2 * vee + feed**2 * noise,
        )
        count, excited = count + mean, decay * excited + feed * mean
        square = vcc
    return count, square


@compiled_only
def test_the_wave_in_small_steps_is_the_hawkes_process_of_the_textbook() -> None:
    """(M-135) E N(5) = 5.3383382081 in continuous time; sixty-four steps a unit of time come within half a percent of it."""
    n, groups, steps = ALPHA / BETA, 100, 64
    decay = math.exp(-BETA / steps)
    feed = n * (1 - decay)
    exact, spread = moments(groups, 5 * steps, MU / steps, feed, decay)
    assert exact == pytest.approx(5.3383382081, rel=0.005)
    law = requests.Wave(1, round(MU / steps / groups * 1e9), round(feed * 1e9), round(decay * 1e9), 1)
    found = Alone(groups, 5 * steps, law).counts(1500).sum(axis=1)
    assert abs(found.mean() - exact) < ERRORS * found.std(ddof=1) / math.sqrt(found.size)
    kurtosis = ((found - found.mean()) ** 4).mean() / found.var() ** 2
    assert abs(found.var(ddof=1) / spread - 1) < ERRORS * math.sqrt((kurtosis - 1) / found.size)


@compiled_only
def test_counts_of_a_long_run_spread_as_branching_says() -> None:
    """(M-135) Var N(T) / T → λ̄ / (1 − n)² = 13.5; a Poisson process of the same mean would spread by 1.5."""
    groups, days, n, decay = 100, 400, 2 / 3, 0.5
    exact, spread = moments(groups, days, MU, n * (1 - decay), decay)
    whole, wide = moments(10**9, 20_000, MU, n * (1 - decay), decay)
    assert (whole / 20_000, wide / 20_000) == (pytest.approx(1.5, rel=1e-3), pytest.approx(13.5, rel=2e-3))
    found = Alone(groups, days, requests.Wave(1, round(MU / groups * 1e9), round(n * (1 - decay) * 1e9), round(decay * 1e9), 1)).counts(600)
    total = found.sum(axis=1)
    assert abs(total.mean() - exact) < ERRORS * total.std(ddof=1) / math.sqrt(total.size)
    kurtosis = ((total - total.mean()) ** 4).mean() / total.var() ** 2
    assert abs(total.var(ddof=1) / spread - 1) < ERRORS * math.sqrt((kurtosis - 1) / total.size)


@compiled_only
@pytest.mark.parametrize("branching", [0.3, 0.6])
def test_one_request_brings_on_as_many_as_its_branching_ratio_says(branching: float) -> None:
    """(M-132) Without a base the requests that a first one brings on are n / (1 − n) on average, whoever makes them."""
    decay = 0.5
    law = requests.Wave(1, 0, round(branching * (1 - decay) * 1e9), round(decay * 1e9), 1)
    found = Alone(200, 80, law, planned=1).counts(3000).sum(axis=1) - 1
    assert abs(found.mean() - branching / (1 - branching)) < ERRORS * found.std(ddof=1) / math.sqrt(found.size)


def test_who_asked_for_all_he_has_asks_no_more() -> None:
    alone = Alone(20, 5, requests.Wave(1, 10**9, 0, 0, 10_000))
    assert alone.counts(1).tolist() == [[20, 0, 0, 0, 0]]
    assert (alone.now.left == 0).all()
    assert int(alone.outcome["wave_asked_li"][0]) == 20 * 10**9


# --- drawn clients (M-130) ------------------------------------------------------------------------


@compiled_only
def test_every_group_is_drawn_as_often_as_the_others_and_the_share_is_met_exactly() -> None:
    alone, paths, drawn = Alone(10, 1, requests.Wave(), random_bp=2_500, amount=1_000), 4_000, np.zeros(10)
    for path in range(paths):
        withdrawals.begin_requests(path, SEED, alone.f, alone.now, alone.outcome)
        assert sorted(alone.now.planned.tolist()) == [0] * 7 + [500, 1_000, 1_000]
        assert (alone.now.left == 1_000 - alone.now.planned).all()
        drawn += alone.now.planned / 1_000
    error = math.sqrt((0.2 + 0.1 * 0.25 - 0.25**2) / paths)
    assert (np.abs(drawn / paths - 0.25) < 4 * error).all()  # ten groups: one in 1,600 lies beyond four errors
    assert abs(drawn / paths - 0.25).max() > 0


@compiled_only
@pytest.mark.parametrize("who", ["top_clients", "pro_rata"])
def test_a_gate_that_never_shuts_changes_nothing(small: Any, who: str) -> None:
    """Requests day by day give what :func:`redemption_due` knows before the run: two ways to the same figures."""
    known, mine = (blocks(small, scenario("crash-20", redemption=plan(who=who, **more))) for more in ({}, {"gate_pct": 100}))
    assert mine[0].facts.requests.moves
    assert not known[0].facts.requests.moves
    assert known[1].outcomes["redemption_due_li"].any()
    for part in ("outcomes", "days", "accounts"):
        for name, values in getattr(known[1], part).items():
            assert (getattr(mine[1], part)[name] == values).all(), name


@compiled_only
def test_clients_are_drawn_anew_on_each_path_and_ask_for_the_same_in_all(small: Any) -> None:
    _, told = blocks(small, scenario("baseline", redemption=plan(who="random")), 6)
    segregated, due = told.outcomes["redemption_segregated_li"], told.outcomes["redemption_due_li"]
    whole = (segregated + due)[:, :]
    claims = small.tables["claims"]
    mine = claims[claims["kind"] != "account_equity"].groupby("platform_id")["amount_li"].sum()
    assert (whole == [int(x) * 20 // 100 for x in mine]).all()
    assert len({tuple(x) for x in segregated.tolist()}) > 1


# --- gates (M-131) --------------------------------------------------------------------------------


def gated_world(**platform: Any) -> dict[str, Any]:
    """Claims of 100 yuan asked for at once on day 1, cash to pay them, and a gate of 30 yuan a day."""
    holder = {"amount": 100_000, "group": "a", "notice": 0, "free": False, "foreign": False, "planned": 100_000}
    lender = {"cash": 200_000, "claims": 100_000, "holders": [holder], "segregated": 0, "gate": 30_000, "nodes": [], **platform}
    world = plain_world([plain_instrument(10_000)], [[10_000]] * 6, [plain_account(0, {0: 1})], platform=lender)
    world["withdrawals"] = {"random_bp": 0, "start": 1, "over": 1, "grade": 0, "wave": None, "foreign": None}
    return world


def test_what_is_behind_the_gate_is_not_due_and_fails_nobody() -> None:
    told = run_kernel(gated_world())
    assert [d[0]["due_li"] for d in told["days"]] == [30_000, 60_000, 90_000, 100_000, 100_000]
    assert [d[0]["gated_li"] for d in told["days"]] == [70_000, 40_000, 10_000, 0, 0]
    end = told["platforms"][0]
    assert (end["redemption_paid_li"], end["failure_day"], end["gated_end_li"]) == (100_000, 0, 0)
    # Without the gate the same platform, with cash that comes in too late, would have failed.
    poor = run_kernel(gated_world(cash=40_000, gate=None, other=100_000))["platforms"][0]
    assert (poor["failure_day"], poor["unpaid_end_li"]) == (2, 60_000)
    assert (end["unpaid_days"], poor["unpaid_days"]) == (0, 5)


# --- news (M-133, M-140) --------------------------------------------------------------------------

QUIET = {"from_day": 1, "base": 0, "feed": 0, "decay": 0, "part_bp": 10_000, "loss": (), "downgrade": 0, "unpaid": 0}


def test_each_evening_with_an_unpaid_redemption_is_news_and_the_first_to_ask_is_gone() -> None:
    """Nothing can be paid from day 1 on; on the days after, as long as the platform lives, the wave has the jump's intensity."""
    world = gated_world(cash=0, gate=None, other=200_000)
    world["withdrawals"]["wave"] = {**QUIET, "unpaid": 250_000_000}
    world["terms"]["payment_grace_days"] = 3
    told = run_kernel(world)
    assert told["platforms"][0]["failure_day"] == 4
    assert [d[0]["wave_ppm"] for d in told["days"]] == [0, 250_000, 250_000, 250_000, 0]


def downgrade_world() -> dict[str, Any]:
    """Own funds of 10 yuan before a margin call of 100 yuan and more on every day: below 15%, and no bank line."""
    nodes = [node(own, 0, ("rating", threshold)) for own, threshold in ((1_000, 1), (2_000, 2))]
    layer = {"amount": 990_000, "rate_bp": 0, "reset_days": 0, "seniority": 1}
    lender = {"funding": [layer], "holders": [], "segregated": 0, "gate": None, "nodes": [nodes[0]], "cash": 0}
    nodes[0]["clauses"] += nodes[1]["clauses"]
    account = plain_account(1_000_000, {0: 130}, liquidation_bp=10_000)
    world = plain_world([plain_instrument(10_000)], [[10_000]] * 6, [account], platform=lender, grace_days=60)
    world["withdrawals"] = {"random_bp": 0, "start": 1, "over": 1, "grade": 0, "wave": {**QUIET, "downgrade": 500_000_000}, "foreign": None}
    return world


def test_a_platform_is_downgraded_once_by_two_grades_and_that_is_news_for_a_day() -> None:
    """AAA becomes A on day 2: a clause below AA (rating 1) fires, one below A (rating 2) never."""
    world = downgrade_world()
    told = run_kernel(world)
    assert [d[0]["margin_call_li"] for d in told["days"]] == [100_000, 100_000, 96_000, 96_000, 96_000]
    assert [d[0]["wave_ppm"] for d in told["days"]][:5] == [0, 500_000, 0, 0, 0]
    assert told["platforms"][0]["funding_recalled_li"] == 1_000
    # A line that closes the gap of 15% × 100 − 10 yuan keeps the grade; one 厘 less does not.
    for line, kept in ((5_000, True), (4_999, False)):
        world["platforms"][0]["line"] = line
        assert (run_kernel(world)["platforms"][0]["funding_recalled_li"] == 0) is kept


# --- recall clauses (M-137 to M-140) --------------------------------------------------------------


def recall_world(nodes: list[dict[str, Any]], factor_bp: list[int], **platform: Any) -> dict[str, Any]:
    """A platform that lends 100 yuan and holds 50 in cash, of 120 yuan of funding."""
    layer = {"amount": 120_000, "rate_bp": 0, "reset_days": 0, "seniority": 1}
    lender = {"cash": 50_000, "funding": [layer], "holders": [], "segregated": 0, "gate": None, "nodes": nodes, **platform}
    share = plain_instrument(10_000)
    world = plain_world([share], [[10_000]] * len(factor_bp), [plain_account(100_000, {0: 20})], platform=lender)
    world["factor_bp"] = factor_bp
    world["withdrawals"] = {"random_bp": 0, "start": 1, "over": 1, "grade": 0, "wave": None, "foreign": None}
    return world


def node(own: int, notice: int, *triggers: tuple[str, int], above: int = -1) -> dict[str, Any]:
    clauses = [{"own": own, "triggers": list(triggers)}] if triggers else []
    return {"above": above, "layer": 0, "notice": notice, "foreign": False, "clauses": clauses}


def test_a_recall_waits_for_its_notice_and_ends_in_called_loans_and_sales() -> None:
    """The factor falls by 20% on day 2; the clause fires on day 3 (calendar day 4), with 3 days' notice due on day 5.

    Of 90 yuan the cash pays 50; for 40 a loan is called, shares are sold on day 5 and the rest is returned on day 6.
    """
    world = recall_world([node(90_000, 3, ("market_fall", 2_000))], [10_000, 8_001, 8_000, 8_000, 8_000, 8_000, 8_000, 8_000])
    told = run_kernel(world)
    assert told == {**told, **{part: plain.run_path(world)[part] for part in ("platforms", "days", "accounts")}}
    assert [d[0]["funding_due_li"] for d in told["days"]] == [0, 0, 0, 0, 90_000, 90_000, 90_000]
    assert [d[0]["sold_li"] for d in told["days"]] == [0, 0, 0, 0, 40_000, 0, 0]
    end = told["platforms"][0]
    assert (end["funding_recalled_li"], end["funding_returned_li"], end["senior_end_li"]) == (90_000, 90_000, 30_000)
    assert (end["first_unpaid_day"], end["failure_day"]) == (5, 0)


def test_a_clause_fires_once_and_layers_in_a_chain_are_not_counted_twice() -> None:
    """A layer behind gives 60 at once; the one in front, by its own clause on a later day, only what is left of its 90."""
    world = recall_world(
        [node(90_000, 0, ("market_fall", 3_000)), node(60_000, 5, ("market_fall", 1_000), above=0)],
        [10_000, 9_000, 9_000, 7_000, 7_000, 7_000, 7_000, 7_000])
    told = run_kernel(world)
    # Fired on day 2 (calendar day 3) with 5 days' notice: calendar day 8, trading day 6 (9). The front's 30 are due on day 4.
    assert [d[0]["funding_due_li"] for d in told["days"]] == [0, 0, 0, 30_000, 30_000, 90_000, 90_000]
    assert told["platforms"][0]["funding_recalled_li"] == 90_000


@pytest.mark.parametrize(("own_funds", "fires"), [(30_000, False), (30_001, True)])
def test_own_funds_are_compared_strictly_as_in_the_look_through(own_funds: int, fires: bool) -> None:
    world = recall_world([node(10_000, 0, ("own_funds", own_funds))], [10_000] * 3)
    assert world["platforms"][0]["own_capital"] == 30_000
    assert (run_kernel(world)["platforms"][0]["funding_recalled_li"] > 0) is fires


def test_clauses_that_one_fall_fires_take_what_the_look_through_says() -> None:
    """(M-102, M-137) A gap of 35% on day 1: on day 2 the recalls of the demo book are those of `stresslab pool`."""
    book = demo_book(300, 1)
    crash = {"index": "market", "definition": "terminal", "depth_pct": 35, "trough_day": 1, "shape": "gap", "after": "flat"}
    crash["source"] = "by hand"
    said = scenario("baseline", days=2, market={"model": "deterministic", "crash": crash}, recalls={"grade": "AAA", "source": "by hand"})
    ready, told = blocks(book, said, 1)
    fund, own = read_fund(book), told.days["own_funds_li"][0, 0]
    loans, coverage = told.days["loans_li"][0, 0], told.days["margin_coverage_ppm"][0, 0]
    assert told.outcomes["funding_recalled_li"].any()
    for p, name in enumerate(ready.platform_ids):
        state = State(3_500, "AAA", int(own[p]), int(loans[p]), int(coverage[p]) // 100)
        if told.outcomes["failure_day"][0, p] == 0:
            downgraded = State(3_500, "A", state.own_funds_li, state.loans_li, state.coverage_bp)
            expected = {recalled(fund, name, s).amount_li for s in (state, downgraded)}
            assert int(told.outcomes["funding_recalled_li"][0, p]) in expected


def test_foreign_money_leaves_by_its_own_rule_once_the_market_fell() -> None:
    holders = [
        {"amount": 40_000, "group": "a", "notice": 0, "free": False, "foreign": True, "planned": 20_000},
        {"amount": 60_000, "group": "b", "notice": 0, "free": False, "foreign": False, "planned": 0},
    ]
    world = gated_world(holders=holders, gate=None)
    world["factor_bp"] = [10_000, 9_500, 9_000, 9_000, 9_000, 9_000]
    world["withdrawals"]["foreign"] = {"start": 1, "over": 2, "fall_bp": 1_000}
    told = run_kernel(world)
    assert [d[0]["due_li"] for d in told["days"]] == [0, 0, 10_000, 20_000, 20_000]
    assert told["platforms"][0]["foreign_asked_li"] == 20_000


# --- the loop, and what a user writes -------------------------------------------------------------


@compiled_only
def test_news_of_a_crash_set_the_wave_off(small: Any) -> None:
    """Without a base nobody asks in a calm market; a loss of own funds in a crash makes clients ask, and they bring on others."""
    step = {"own_funds_lost_pct": 1, "jump_pct": 5}
    told = {
        name: blocks(small, scenario(name, redemption=plan(share_pct=0, who="nobody", wave=wave(loss=[step]))), 2)[1].outcomes
        for name in ("baseline", "crash-40")
    }
    assert not told["baseline"]["wave_asked_li"].any()
    assert told["crash-40"]["wave_asked_li"].any()


@compiled_only
def test_a_run_without_new_keys_asks_as_before(small: Any) -> None:
    said = scenario("redemption-30")
    assert not moves(said)
    ready = resolve(small, shipped_market(), said)
    assert ready.facts.requests.claim.size == 0
    assert ready.facts.due["own"].any()


@pytest.mark.parametrize(("changes", "key"), [
    ({"share_pct": 0}, "share_pct"),
    ({"share_pct": 5, "who": "nobody", "wave": wave()}, "share_pct"),
    ({"share_pct": 0, "who": "nobody"}, "who"),
    ({"wave": wave(branching=1)}, "branching"),
    ({"wave": wave(loss=[{"own_funds_lost_pct": 5, "jump_pct": 1}, {"own_funds_lost_pct": 5, "jump_pct": 2}])}, "loss"),
    ({"wave": wave(from_day=61)}, "from_day"),
    ({"foreign": {"share_pct": 5, "start_day": 61, "source": "by hand"}}, "start_day"),
])
def test_plans_that_do_not_fit_together_are_refused(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    text = (Path(__file__).parent.parent / "scenarios" / "baseline.toml").read_text(encoding="utf-8")
    file = tmp_path / "s.toml"
    file.write_text(text + _toml("redemption", plan(**changes)), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_scenario(file)
    assert [fault.column.split(".")[-1] for fault in refused.value.faults if fault.column] == [key]


def _toml(name: str, table: dict[str, Any]) -> str:
    flat = {k: v for k, v in table.items() if not isinstance(v, dict | list)}
    text = f"\n[{name}]\n" + "".join(f"{k} = {str(v).lower() if isinstance(v, bool) else repr(v)}\n" for k, v in flat.items())
    for key, value in table.items():
        if isinstance(value, dict):
            text += _toml(f"{name}.{key}", value)
        for one in value if isinstance(value, list) else ():
            text += f"\n[[{name}.{key}]]\n" + "".join(f"{k} = {v}\n" for k, v in one.items())
    return text


def test_a_branching_ratio_above_one_is_taken_when_it_is_meant() -> None:
    assert scenario("baseline", redemption=plan(wave=wave(branching=1.2, explosive=True))).redemption is not None


def test_a_notice_has_run_out_on_the_first_trading_day_that_the_calendar_allows() -> None:
    """(M-4, M-16) Every day of a year and a half with every notice of a year, against a walk through the calendar."""
    days = calendar(900)
    for day in range(0, 400, 7):
        for notice in range(0, 366):
            slow = next(t for t in range(day, days.size) if days[t] >= days[day] + notice)
            assert withdrawals.due_day(days, day, notice) == slow, (day, notice)
