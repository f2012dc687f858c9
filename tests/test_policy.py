"""The policy search (M-129): levers that keep the books, answers known by hand and by brute force, and honest intervals."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_run import fake_run
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import stresslab as sl
from stresslab.book.checks import collateral_of_accounts, imbalances
from stresslab.breaking_point import Dial, read_goal
from stresslab.cheapest import dial_of, read_costs, search
from stresslab.cli import app
from stresslab.faults import InputError
from stresslab.levers import LEVERS, moved, read_range
from stresslab.report.cheapest import as_json
from stresslab.statistics import wilson

BOOK = sl.demo_book(60)
OUTCOMES = fake_run().outcomes
ONE = OUTCOMES[(OUTCOMES["scenario"] == "baseline") & (OUTCOMES["platform_id"] == "P1")].reset_index(drop=True)
PATHS = len(ONE)
RESERVE, BANK = "platform.reserve_yuan", "platform.bank_line_yuan"


# --- levers -------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(LEVERS)), st.sampled_from(["P1", "P2", "P3"]), st.integers(0, 1000))
def test_a_moved_book_balances_and_leaves_the_others_alone(key: str, platform: str, place: int) -> None:
    low, high = {"yuan": (0, 20_000_000), "points": (100, 300)}[LEVERS[key].unit] if key != "accounts.leverage_cap" else (1.01, 8)
    setting = Decimal(str(round(low + (high - low) * place / 1000, 2)))
    found, (quantity,) = moved(BOOK, platform, [(key, setting)])
    assert list(imbalances(found.tables)) == []
    assert quantity >= 0
    for table, frame in found.tables.items():
        if "platform_id" in frame:
            others = frame["platform_id"] != platform
            pd.testing.assert_frame_equal(frame[others], BOOK.tables[table][others], check_dtype=False)
    a = found.tables["accounts"]
    assert (a["warning_line_bp"] >= a["liquidation_line_bp"]).all()
    assert (a["debt_li"] >= 0).all()
    # A requirement that is fulfilled moves nothing a second time.
    again, (nothing,) = moved(found, platform, [(key, setting)])
    assert nothing == 0
    assert again.digest == found.digest


def test_a_cap_brings_every_account_with_equity_to_it() -> None:
    found, (forgone,) = moved(BOOK, "P3", [("accounts.leverage_cap", Decimal(2))])
    before, after = BOOK.tables["accounts"], found.tables["accounts"]
    mine = (after["platform_id"] == "P3").to_numpy()
    value = np.array([int(v) for v in collateral_of_accounts(found.tables)])
    equity, old = value - after["debt_li"].to_numpy(), np.array([int(v) for v in collateral_of_accounts(BOOK.tables)])
    assert (equity == old - before["debt_li"].to_numpy()).all()  # what is not bought is not owed: nobody gains or loses
    assert (value[mine] <= 2 * equity[mine]).all()
    assert forgone == Fraction(int(before["debt_li"].sum() - after["debt_li"].sum()), 1000) > 0


@pytest.mark.parametrize("key", ["accounts.warning_line_pct", "accounts.liquidation_line_pct"])
def test_a_rise_counts_where_one_platform_owns_all_accounts(key: str) -> None:
    a = BOOK.tables["accounts"]
    mine = a[a["platform_id"] == "P2"].reset_index(drop=True)
    alone = dataclasses.replace(BOOK, tables=BOOK.tables | {"accounts": mine})
    (rise,), (among_others,) = (moved(b, "P2", [(key, Decimal(160))])[1] for b in (alone, BOOK))
    assert rise == among_others > 0


def test_quantities_by_hand() -> None:
    p = BOOK.tables["platforms"].set_index("platform_id")
    reserve = Decimal(int(p.loc["P2", "reserve_li"])) / 1000
    assert moved(BOOK, "P2", [(RESERVE, reserve + 7)])[1] == [7]
    assert moved(BOOK, "P2", [(RESERVE, reserve - 7)])[1] == [0]
    # P2's line is only promised: none of it counts.
    assert moved(BOOK, "P2", [(BANK, Decimal(5))])[1] == [5]
    line = Decimal(int(p.loc["P1", "bank_line_li"])) / 1000
    assert moved(BOOK, "P1", [(BANK, line + 3)])[1] == [3]
    a = BOOK.tables["accounts"]
    mine = a[a["platform_id"] == "P1"]
    points = sum(max(0, 14_000 - int(x)) * int(d) for x, d in zip(mine["liquidation_line_bp"], mine["debt_li"], strict=True))
    found, (rise,) = moved(BOOK, "P1", [("accounts.liquidation_line_pct", Decimal(140))])
    assert rise == Fraction(points, 100 * int(mine["debt_li"].sum()))
    assert (found.tables["accounts"].loc[mine.index, "liquidation_line_bp"] >= 14_000).all()


# --- the search alone ---------------------------------------------------------------------------


def failing(count: Any, *, fresh_count: Any = None) -> Any:
    """A made-up platform of which ``count(settings)`` paths fail; what a lever moves is its setting."""

    def simulate(platform: str, wanted: Any, fresh: bool) -> list[tuple[pd.DataFrame, tuple[float, ...]]]:
        made = []
        for s in wanted:
            n = (fresh_count if fresh and fresh_count else count)(s)
            days = pd.array([1] * n + [None] * (PATHS - n), dtype="Int64")
            made.append((ONE.assign(scenario=f"s-{'-'.join(map(str, s))}-{fresh}", failure_day=days), tuple(float(x) for x in s)))
        return made

    return simulate


def dials(*steps: int) -> list[Dial]:
    return [dial_of(key, Decimal(0), Decimal(n), Decimal(1), Decimal(1)) for key, n in zip((RESERVE, BANK), steps, strict=False)]


GOAL = read_goal("failure_probability <= 20%", "keep")


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 400))
def test_one_lever_is_found_to_its_step_with_its_interval(slope: int) -> None:
    def count(s: Any) -> int:
        return PATHS if not s else round(max(0.0, PATHS * (1 - (1 + float(s[0])) / (1 + slope))))

    found = search(GOAL, dials(400), {RESERVE: 2.0}, failing(count), "P1", 15)
    grid = [(x, count((x,))) for x in range(401)]
    assert found.cheapest is not None
    assert found.cheapest.settings == (next(x for x, k in grid if 100 * k / PATHS <= 20),)
    assert found.cheapest.cost == 2 * float(found.cheapest.settings[0])
    safe = next((x for x, k in grid if 100 * wilson(k, PATHS)[1] <= 20), None)
    assert (None if found.safe is None else found.safe.settings[0]) == safe
    bold = next(x for x, k in grid if 100 * wilson(k, PATHS)[0] <= 20)
    assert found.bold is not None
    assert found.bold.settings == (bold,)
    assert found.present.value == 100


def test_a_figure_that_is_to_be_high_has_its_interval_the_other_way_round() -> None:
    def count(s: Any) -> int:
        return 0 if not s else round(PATHS * float(s[0]) / 400)

    found = search(read_goal("failure_probability >= 20%", "keep"), dials(400), {RESERVE: 1.0}, failing(count), "P1", 15)
    grid = [(x, count((x,))) for x in range(401)]
    assert found.safe is not None
    assert found.bold is not None
    assert found.safe.settings == (next(x for x, k in grid if 100 * wilson(k, PATHS)[0] >= 20),)
    assert found.bold.settings == (next(x for x, k in grid if 100 * wilson(k, PATHS)[1] >= 20),)


@settings(max_examples=4, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_two_levers_against_brute_force(a: int, b: int, price_a: int, price_b: int, product_rule: bool) -> None:
    """Kept where a x + b y reaches a line, or where both are large: the cheapest corner, side or inside of the whole grid."""
    line = 6 * max(a, b)

    def count(s: Any) -> int:
        if not s:
            return PATHS
        x, y = int(s[0]), int(s[1])
        kept = (x + 1) * (y + 1) >= 60 if product_rule else a * x + b * y >= line
        return 0 if kept else PATHS

    prices = {RESERVE: float(price_a), BANK: float(price_b)}
    found = search(GOAL, dials(12, 12), prices, failing(count), "P1", 15, evaluations=30)
    best = min(price_a * x + price_b * y for x, y in product(range(13), repeat=2) if count((x, y)) == 0)
    assert found.cheapest is not None
    assert found.cheapest.figure.value == 0
    # DIRECT and a walk of single steps: never below the true optimum, and at most a tenth above it (steps of a ragged border).
    assert best <= found.cheapest.cost <= 1.1 * best + max(price_a, price_b)


def test_what_cannot_be_kept_is_not_found() -> None:
    found = search(GOAL, dials(20), {RESERVE: 1.0}, failing(lambda s: PATHS), "P1", 15)
    assert (found.cheapest, found.safe, found.bold, found.fresh, found.changes) == (None, None, None, None, ())
    both = search(GOAL, dials(5, 5), {RESERVE: 1.0, BANK: 1.0}, failing(lambda s: PATHS), "P1", 15, evaluations=5)
    assert both.cheapest is None


def test_a_goal_that_is_lost_again_is_told() -> None:
    found = search(GOAL, dials(80), {RESERVE: 1.0}, failing(lambda s: PATHS if not s or s[0] < 20 or 40 <= s[0] < 50 else 0), "P1", 15)
    assert found.cheapest is not None
    assert found.cheapest.settings == (20,)
    assert found.lost == ((30, 40),)


def test_the_winner_is_measured_again_on_fresh_draws() -> None:
    lucky = failing(lambda s: PATHS if not s else 0, fresh_count=lambda s: PATHS // 2)
    found = search(GOAL, dials(20), {RESERVE: 1.0}, lucky, "P1", 15)
    assert found.cheapest is not None
    assert found.fresh is not None
    assert (found.cheapest.figure.value, found.fresh.value) == (0, 50)


# --- a real platform ----------------------------------------------------------------------------


def test_the_reserve_that_is_found_keeps_the_goal_and_a_step_less_does_not(tmp_path: Any) -> None:
    """Held against runs of the moved book that know nothing of the search."""
    vary = [f"{RESERVE}=0:2000000:20000"]
    (found,) = sl.policy(BOOK, "crash-60", keep="failure_probability <= 20%", vary=vary, platforms=["P2"], paths=8)
    assert found.cheapest is not None
    assert found.present.value > 20
    (setting,) = found.cheapest.settings
    for reserve, kept in ((setting, True), (setting - 20_000, False)):
        changed, (more,) = moved(BOOK, "P2", [(RESERVE, reserve)])
        run = sl.run(changed, ["crash-60"], paths=8, seed=1, out=tmp_path / str(reserve))
        failed = run.outcomes[run.outcomes["platform_id"] == "P2"]["failure_day"].notna()
        assert (100 * failed.mean() <= 20) == kept
        if kept:
            assert float(more) == found.cheapest.cost
            assert 100 * failed.mean() == found.cheapest.figure.value


def test_a_rule_of_the_scenario_is_a_lever(tmp_path: Any) -> None:
    """How much platforms must hedge: held against runs of the changed scenario, and beside a lever of the book."""
    base = sl.read_scenario("crash-40-hedged")
    hedged = base.model_copy(update={"days": 22, "response": base.response[:1]})
    wanted = {"keep": "failure_probability <= 10%", "platforms": ["P3"], "paths": 8}
    key = "scenario.response.1.share_pct"
    hedged = hedged.model_copy(update={"response": (hedged.response[0].model_copy(update={"share_pct": 0.5}),)})
    (found,) = sl.policy(BOOK, hedged, vary=[f"{key}=0.5:20.5:0.5"], cost=[f"{key}=1000"], **wanted)
    assert found.present.value > 10
    assert found.cheapest is not None
    (setting,) = found.cheapest.settings
    assert found.cheapest.cost == pytest.approx(1000 * (float(setting) - 0.5))
    shares = {"enough": float(setting), "less": float(setting) - 0.5}
    rules = {name: hedged.response[0].model_copy(update={"share_pct": share}) for name, share in shares.items()}
    told = [hedged.model_copy(update={"id": name, "response": (rule,)}) for name, rule in rules.items()]
    run = sl.run(BOOK, told, paths=8, seed=1, out=tmp_path / "run")
    failed = run.outcomes[run.outcomes["platform_id"] == "P3"].groupby("scenario")["failure_day"].count() / 8
    assert failed["enough"] <= 0.1 < failed["less"]
    # Both kinds at once: a dear hedge gives way to the reserve, in the order in which the levers were named.
    vary = [f"{key}=0.5:10.5:5", f"{RESERVE}=0:4000000:100000"]
    (both,) = sl.policy(BOOK, hedged, vary=vary, cost=[f"{key}=1000000000", f"{RESERVE}=1"], evaluations=3, **wanted)
    assert both.cheapest is not None
    assert both.cheapest.settings[0] == Decimal("0.5")
    assert both.cheapest.quantities[0] == 0
    assert both.cheapest.cost == both.cheapest.quantities[1] > 0


@pytest.mark.parametrize(("vary", "said"), [
    ("scenario.operations.batches=2:10", "the scenario says 1"), ("scenario.operations.batchs=1:10", "did you mean 'operations.batches'"),
    ("scenario.response.1.by_pct=10:20", "no number of the scenario"), ("scenario.operations.batches=1:1", "needs a range"),
    ("scenario.market.crash.depth_pct=x:1", "is no range"),
])
def test_bad_levers_of_the_scenario_are_refused(vary: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        sl.policy(BOOK, "crash-40", keep="deficit_mean <= 1", vary=[vary])
    (fault,) = refused.value.faults
    assert said in str(fault)


def test_a_killed_search_goes_on_and_says_the_same(tmp_path: Any) -> None:
    wanted = {"keep": "failure_probability <= 20%", "vary": [f"{RESERVE}=0:2000000"], "platforms": ["P2"], "paths": 6}
    once = sl.policy(BOOK, "crash-60", out=tmp_path / "p", **wanted)
    points = sorted((tmp_path / "p" / "points").iterdir())
    stamps = [x.stat().st_mtime_ns for x in points]
    points[0].unlink()
    again = sl.policy(BOOK, "crash-60", out=tmp_path / "p", **wanted)
    assert [x.stat().st_mtime_ns for x in points[1:]] == stamps[1:]
    assert points[0].is_file()
    told: list[Any] = [as_json(x, {}, GOAL, [RESERVE], {RESERVE: 1.0}) for x in (once, again)]
    assert json.dumps(told[0]) == json.dumps(told[1])
    written = json.loads((tmp_path / "p" / "policy.json").read_text(encoding="utf-8"))
    assert written["policies"] == json.loads(json.dumps(told[0]))["policies"]
    with pytest.raises(InputError):
        sl.policy(BOOK, "crash-60", out=tmp_path / "p", **(wanted | {"paths": 7}))


# --- what is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "rule"), [
    ("platform.reserv_yuan=0:5", "did you mean 'platform.reserve_yuan'"), (f"{RESERVE}=5", "is no range"),
    (f"{RESERVE}=a:b", "is no range"),
    (f"{RESERVE}=5:0", "strict end must be higher"), ("accounts.leverage_cap=2:5", "strict end must be lower"),
    ("accounts.leverage_cap=5:1", "must lie between"), (f"{RESERVE}=-1:5", "must lie between"),
    ("accounts.warning_line_pct=100:700", "must lie between"),
])
def test_bad_levers_are_refused(text: str, rule: str) -> None:
    with pytest.raises(InputError, match="vary") as caught:
        read_range(text)
    assert rule in str(caught.value.faults[0])


def test_prices() -> None:
    assert read_costs([], [RESERVE]) == {RESERVE: 1.0}
    assert read_costs([f"{RESERVE}=8%", f"{BANK}=0.004"], [RESERVE, BANK]) == {RESERVE: 0.08, BANK: 0.004}
    for texts in ([], [f"{RESERVE}=8%"], [f"{RESERVE}=0", f"{BANK}=1"], [f"{RESERVE}=x", f"{BANK}=1"], ["accounts.leverage_cap=1"]):
        with pytest.raises(InputError):
            read_costs(texts, [RESERVE, BANK])


def test_every_fault_of_a_call_at_once() -> None:
    with pytest.raises(InputError) as caught:
        sl.policy(BOOK, "crash-60", keep="failing <= 5%", vary=["platform.cash=1:2"], paths=0)
    assert {f.column for f in caught.value.faults} == {"keep", "vary", "paths"}
    with pytest.raises(InputError, match="P9"):
        sl.policy(BOOK, "crash-60", keep="failure_probability <= 5%", vary=[f"{RESERVE}=0:5000"], platforms=["P9"], paths=1)


def test_the_command_line_prints_both_languages(tmp_path: Any) -> None:
    sl.init(tmp_path / "book", accounts=60)
    words = ["policy", "--book", str(tmp_path / "book"), "--scenario", "crash-60", "--keep", "failure_probability <= 20%", "--vary",
             f"{RESERVE}=0:2000000", "--platform", "P2", "--paths", "4", "--quiet", "--out", str(tmp_path / "out")]
    for more, said in (([], "cheapest policy that keeps"), (["--lang", "zh"], "最便宜方案")):
        found = CliRunner().invoke(app, [*words, *more])
        assert found.exit_code == 0, found.output
        assert said in found.output
    found = CliRunner().invoke(app, [*words, "--json"])
    told = json.loads(found.stdout)
    assert told["policies"][0]["platform_id"] == "P2"
    assert told["goal"] == "failure_probability <= 20%"
