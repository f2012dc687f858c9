"""The stress test turned round (M-93 to M-95): answers known by hand or by a closed form, and honesty where they are not simple."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_run import fake_run
from hypothesis import given, settings
from hypothesis import strategies as st
from test_closed_forms import PRICE_LI, SHARES, book, debt_at, put
from typer.testing import CliRunner

import stresslab as sl
from stresslab import verbs
from stresslab.breaking_point import Answer, Breaking, Dial, break_it, read_dial, read_goal, turned
from stresslab.cli import app
from stresslab.faults import InputError
from stresslab.market import Market
from stresslab.market.files import MarketFactor
from stresslab.report.breaking import as_json, picture
from stresslab.scenario import Scenario, read_scenario


def market(volatility_pct: float) -> Market:
    drift = -(volatility_pct**2) / 200
    factor = MarketFactor(index="x", model="gbm", volatility_pct=volatility_pct, drift_pct=drift, source="a test")
    return Market(title="no drift", source="a test", market=factor)


def short(scenario: str, days: int, **market_changes: object) -> Scenario:
    found = read_scenario(scenario)
    block = found.market.model_copy(update=market_changes)
    return found.model_copy(update={"days": days, "market": block})


# --- known by hand ----------------------------------------------------------------------------------


def test_a_certain_crash_breaks_a_loan_at_the_step_that_integers_say() -> None:
    """One loan that cannot be sold, no noise: the first depth at which price × shares less costs no longer pays the debt."""
    debt, days = debt_at(150), 4
    crash = read_scenario("crash-40").market.crash
    assert crash is not None
    still = crash.model_copy(update={"trough_day": 2, "shape": "ramp", "after": "flat"})
    scenario = short("crash-40", days, model="deterministic", crash=still)
    found = sl.reverse(book(debt), scenario, until="loss_holding_mean >= 0.001 yuan", vary=["market.crash.depth_pct=30:36:0.01"], paths=1,
                       market=market(0.0))
    (answer,) = found.answers
    step = next(
        d for d in range(3000, 3601)
        if math.floor(PRICE_LI * math.exp(math.log(1 - d / 10_000)) / 10 + 0.5) * 10 * SHARES * 9992 // 10_000 < debt
    )
    assert answer.setting == Decimal(step) / 100
    # One path says nothing of its own spread: the figure stands for its bounds.
    assert answer.low == answer.high == answer.setting
    assert answer.turns == answer.again == ()


def inside(seed: int) -> bool:
    """Return whether the interval of one search holds the multiplier whose closed form is the goal's line."""
    days, sigma, ratio, times = 6, 1.4, 1.3, 1.5
    years = days / 252
    grown = ratio * math.exp((times**2 - 1) * sigma**2 * years / 2)
    line = put(grown, times * sigma, years)[1] * debt_at(130) / 1000
    loan = book(debt_at(130))
    loan.tables["instruments"]["volatility_pct"] = 100 * sigma
    found = sl.reverse(loan, short("baseline", days), until=f"loss_holding_mean >= {line:.3f}",
                       vary=["market.volatility_multiplier=0.5:4:0.05"], paths=300, seed=seed, market=market(100 * sigma))
    (answer,) = found.answers
    assert answer.low is not None
    assert answer.setting is not None
    assert answer.high is not None
    assert answer.low <= answer.setting <= answer.high
    return answer.low - Decimal("0.05") < Decimal(str(times)) <= answer.high


@pytest.mark.long
def test_the_interval_holds_the_volatility_that_the_closed_form_knows() -> None:
    """A loan is short a put, so its mean loss at 1.5 times the volatility is known: of eight 95% intervals at most two miss it."""
    assert sum(inside(seed) for seed in range(8)) >= 6


# --- the search alone -------------------------------------------------------------------------------

DEPTHS = Dial("market.crash.depth_pct", Decimal(10), Decimal(50), 400)
OUTCOMES = fake_run().outcomes
ONE = OUTCOMES[(OUTCOMES["scenario"] == "baseline") & (OUTCOMES["platform_id"] == "P1")].reset_index(drop=True)


def searched(share: Any, dials: tuple[Dial, ...] = (DEPTHS,), until: str = "failure_probability >= 20%") -> tuple[Breaking, list[str]]:
    """Search a made-up platform that fails on the first ``share(settings)`` of its paths."""
    ran: list[str] = []

    def simulate(scenarios: Any) -> list[pd.DataFrame]:
        tables = []
        for scenario in scenarios:
            ran.append(scenario.id)
            n = round(share(scenario) * len(ONE))
            tables.append(ONE.assign(scenario=scenario.id, failure_day=pd.array([1] * n + [None] * (len(ONE) - n), dtype="Int64")))
        return tables

    return break_it(read_scenario("crash-40"), read_goal(until), dials, simulate, ["P1"]), ran


def depth_of(scenario: Scenario) -> float:
    assert scenario.market.crash is not None
    return scenario.market.crash.depth_pct


@settings(max_examples=12, deadline=None)
@given(st.integers(1001, 4999), st.booleans())
def test_a_step_is_found_to_its_last_unit(jump: int, upward: bool) -> None:
    """A figure that jumps once: the first step of the dial beyond the jump, whichever way the dial is turned."""
    dial = DEPTHS if upward else Dial(DEPTHS.key, DEPTHS.severe, DEPTHS.mild, DEPTHS.steps)
    found, ran = searched(lambda s: float(depth_of(s) * 100 >= jump if upward else depth_of(s) * 100 <= jump), (dial,))
    grid = [dial.at(i) for i in range(dial.steps + 1)]
    first = next(x for x in grid if (x * 100 >= jump if upward else x * 100 <= jump))
    assert found.answers[0].setting == first
    assert len(ran) == len(set(ran)) <= 9 + 3 * math.ceil(math.log2(50))


def test_a_goal_met_at_once_and_a_goal_never_met() -> None:
    always, never = searched(lambda s: 1.0)[0].answers[0], searched(lambda s: 0.0)[0].answers[0]
    assert (always.setting, always.low, always.high) == (10, 10, 10)
    assert (never.setting, never.high) == (None, None)


def test_a_figure_that_falls_and_rises_again_is_told() -> None:
    """Met from 20 on, lost from 30 to 40, met again: the first answer, the turn and both further crossings are told."""
    found, _ = searched(lambda s: 1.0 if 20 <= depth_of(s) < 30 or depth_of(s) >= 40 else 0.0)
    answer = found.answers[0]
    assert answer.setting == 20
    assert [(t.mild, t.severe) for t in answer.turns] == [(25, 30)]
    assert answer.turns[0].change == -100
    assert answer.again == ((25, 30), (35, 40))


def test_a_fall_within_its_error_is_no_turn() -> None:
    """One path of many that fails at 20 and no longer at 25 proves nothing."""
    found, _ = searched(lambda s: 1 / len(ONE) if depth_of(s) == 20 else 0.0)
    assert found.answers[0].turns == ()


def test_the_interval_is_where_the_figures_interval_crosses_the_line() -> None:
    """(M-94) Of p = (depth − 10) / 40 on n paths: between the depths whose upper and lower Wilson bounds are 20%."""
    from stresslab.statistics import wilson

    found, _ = searched(lambda s: (depth_of(s) - 10) / 40)
    answer, n = found.answers[0], len(ONE)
    counts = [(DEPTHS.at(i), round((float(DEPTHS.at(i)) - 10) / 40 * n)) for i in range(401)]
    assert answer.setting == next(d for d, k in counts if k / n >= 0.2)
    assert answer.low == next(d for d, k in counts if wilson(k, n)[1] >= 0.2)
    assert answer.high == next(d for d, k in counts if wilson(k, n)[0] >= 0.2)


def test_at_most_goals_turn_the_interval_round() -> None:
    found, _ = searched(lambda s: 1 - (depth_of(s) - 10) / 40, until="failure_probability <= 50%")
    answer = found.answers[0]
    assert answer.low is not None
    assert answer.low < answer.setting < answer.high


def test_a_frontier_of_two_numbers() -> None:
    """p = (depth + answers) / 100 ≥ 60%: the more clients answer, the less depth it takes in this made-up world."""
    second = Dial("behaviour.answer_pct.retail", Decimal(20), Decimal(50), 30)
    found, _ = searched(
        lambda s: float(depth_of(s) + s.behaviour.answer_pct.retail >= 60), (DEPTHS, second), "failure_probability >= 60%")
    assert [(a.fixed, a.setting) for a in found.answers] == [(20 + 5 * i, max(Decimal(10), Decimal(40 - 5 * i))) for i in range(7)]
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in picture(found, "zh")


# --- what is asked ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "said"), [
    ("failure_probability > 5%", "is no goal"), ("failure_probabilty >= 5%", "failure_probability"), ("", "is no goal"),
    ("deficit_mean >= 5%", "is a figure in yuan"), ("failure_probability >= five", "is no goal"),
])
def test_a_goal_that_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_goal(text)


@pytest.mark.parametrize(("text", "said"), [
    ("market.crash.deep_pct", "market.crash.depth_pct"), ("redemption.share_pct", "has no redemption"), ("market.crash", "is no number"),
    ("operations.displace", "is no number"), ("market.crash.depth_pct=5", "is no range"), ("market.crash.depth_pct=5:x", "is no range"),
    ("market.crash.depth_pct=5:5", "needs a range"), ("market.crash.depth_pct=5:9:0", "needs a range"),
    ("market.crash.depth_pct=5:9:0.000001", "needs a range"), ("market.crash.trough_day", "has no bounds"), ("title", "is no number"),
])
def test_a_dial_that_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_dial(text, read_scenario("crash-40"))


def test_a_dial_without_a_range_goes_over_all_that_its_rule_allows() -> None:
    dial = read_dial("market.crash.depth_pct", read_scenario("crash-40"))
    assert (dial.mild, dial.at(1) - dial.mild) == (Decimal("0.01"), Decimal("0.5"))
    assert dial.severe <= 95 < dial.severe + 1
    days = read_dial("market.crash.trough_day=5:30", read_scenario("crash-40"))
    assert (days.mild, days.severe, days.steps) == (5, 30, 25)


def test_a_share_of_nothing_is_a_scenario_in_which_nobody_asks() -> None:
    """The dial of redemptions starts at 0, where its own rule lets it start."""
    base = read_scenario("redemption-20")
    dial = read_dial("redemption.share_pct", base)
    assert dial.mild == 0
    assert turned(base, [(dial.key, dial.mild)]).redemption is None
    assert turned(base, [(dial.key, dial.at(1))]).redemption is not None
    wave = read_scenario("withdrawal-wave")
    still = turned(wave, [(dial.key, Decimal(0))]).redemption
    assert still is not None
    assert (still.who, still.share_pct, still.wave) == ("nobody", 0, wave.redemption.wave if wave.redemption else None)


def test_a_setting_that_fits_nothing_is_refused_with_the_scenarios_rule() -> None:
    with pytest.raises(InputError, match="trough_day"):
        turned(read_scenario("crash-40"), [("market.crash.trough_day", Decimal(70))])


# --- the verb ---------------------------------------------------------------------------------------


def test_a_search_that_was_killed_goes_on_and_ends_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points that were run are not run again, and the answer has the same bytes as that of an undisturbed search."""
    sl.init(tmp_path / "book", accounts=60)
    given: dict[str, Any] = {
        "until": "accounts_forced_mean >= 3", "vary": ["market.crash.depth_pct=10:60:1"], "paths": 8, "platforms": ["P1"],
    }
    whole = sl.reverse(tmp_path / "book", "crash-40", out=tmp_path / "whole", **given)
    run, ran = verbs.farm.run_tasks, []

    def dies(resolved: Any, *rest: Any, **options: Any) -> None:
        ran.extend(r.scenario for r in resolved)
        if len(ran) == 10:
            raise KeyboardInterrupt
        run(resolved, *rest, **options)

    monkeypatch.setattr(verbs.farm, "run_tasks", dies)
    with pytest.raises(KeyboardInterrupt):
        sl.reverse(tmp_path / "book", "crash-40", out=tmp_path / "killed", **given)
    sl.reverse(tmp_path / "book", "crash-40", out=tmp_path / "killed", **given)
    assert len(ran) == len(set(ran)) + 1  # the point on which it died, no other
    assert (tmp_path / "killed" / "reverse.json").read_bytes() == (tmp_path / "whole" / "reverse.json").read_bytes()
    assert json.loads((tmp_path / "whole" / "reverse.json").read_text())["answers"][0]["setting"] == float(whole.answers[0].setting or -1)
    with pytest.raises(InputError, match="another run"):
        sl.reverse(tmp_path / "book", "crash-40", out=tmp_path / "whole", **given | {"seed": 2})


def test_the_command_line(tmp_path: Path) -> None:
    sl.init(tmp_path / "book", accounts=60)
    words = ["reverse", "--book", str(tmp_path / "book"), "--scenario", "crash-40", "--until", "accounts_forced_mean >= 3",
             "--vary", "market.crash.depth_pct=10:60:10", "--paths", "5", "--quiet"]
    done = CliRunner().invoke(app, [*words, "--svg", str(tmp_path / "x.svg"), "--lang", "zh"])
    assert done.exit_code == 0, done.output
    assert "最轻设定" in done.stdout
    assert (tmp_path / "x.svg").read_text(encoding="utf-8").startswith("<svg")
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert {a["platform_id"] for a in told["answers"]} == {"P1", "P2", "P3"}
    assert len(told["points"]) == len({p["scenario"] for p in told["points"]}) >= 6


def test_every_fault_of_a_question_is_told_at_once(tmp_path: Path) -> None:
    sl.init(tmp_path / "book", accounts=60)
    with pytest.raises(InputError) as caught:
        sl.reverse(tmp_path / "book", "crash-40", until="ruin >= 1", vary=["market.depth=1:2"], platforms=["P9"], out=tmp_path / "out")
    assert [f.column for f in caught.value.faults] == ["until", "vary", "platform"]
    assert not (tmp_path / "out").exists()


def test_numbers_in_json_are_those_of_the_answer() -> None:
    found, _ = searched(lambda s: float(depth_of(s) >= 33))
    told = as_json(found)
    assert told["answers"][0]["setting"] == 33.0
    assert isinstance(found.answers[0], Answer)
    assert told["goal"] == "failure_probability >= 20%"
