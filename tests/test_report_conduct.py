"""The section on withdrawals and responses: days of firing are those of the kernel, money is that of the tables, in both languages."""

from __future__ import annotations

import copy
import dataclasses
import math
import re
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_report import Reader, page, run

import stresslab as sl
from stresslab.estimate import paired
from stresslab.report import RunTables, read_run, write_html
from stresslab.report.firing import Evenings, fired_on
from stresslab.report.paths import Paths, first_days
from stresslab.report.responses import _days, conducts, responses_part
from stresslab.report.withdrawals import moves, withdrawals_part
from stresslab.scenario import Scenario

#: A rule of each reading that the tables tell, at one platform each; then one that they do not.
RULES: dict[str, list[dict[str, Any]]] = {
    "first": [
        {"when": "market_fall_pct", "at_least": 22.5, "platforms": ["P1"]},
        {"when": "volatility_pct", "at_least": 80, "over_days": 5, "platforms": ["P2"]},
        {"when": "margin_coverage_pct", "below": 99.6, "platforms": ["P3"]},
    ],
    "second": [
        {"when": "day", "at_least": 7, "platforms": ["P1"]}, {"when": "own_funds_lost_pct", "at_least": 10, "platforms": ["P3"]},
        {"when": "unpaid_yuan", "at_least": 200_000.125, "platforms": ["P2"]},
    ],
    "cash": [{"when": "liquid_share_pct", "below": 60}],
}
WAVE: dict[str, Any] = {
    "share_pct": 0.0, "who": "nobody", "gate_pct": 10.0, "foreign": None,
    "wave": {"base_pct": 0.1, "branching": 0.5, "half_life_days": 3.0},
}


def of(name: str, **changes: Any) -> Scenario:
    """A short and deep crash with a change of some blocks."""
    said = sl.read_scenario("crash-40").model_dump()
    said.update(id=name, days=16)
    said["market"]["crash"].update(depth_pct=35, trough_day=9)
    return Scenario.model_validate(said | changes)


@cache
def real(folder: str) -> RunTables:
    """A run in which some rules fire on some paths, and all of its tables."""
    act = {"do": "pause_sales", "for_days": 2, "source": "a test"}
    redemption = {"share_pct": 90.0, "who": "pro_rata", "start_day": 4, "over_days": 1, "source": "a test"}
    told = [of(name, response=[rule | act for rule in rules], redemption=redemption) for name, rules in RULES.items()]
    sl.run(sl.demo_book(150), told, paths=7, seed=4, out=folder)
    return read_run(Path(folder))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    return real(str(tmp_path_factory.mktemp("conduct") / "run"))


# --- when rules fired ---------------------------------------------------------------------------


def test_rules_fire_on_the_days_of_the_kernel(tables: RunTables) -> None:
    for scenario in tables.scenarios[:2]:
        for rule in scenario["response"]:
            (platform,) = rule["platforms"]
            mine = tables.outcomes[(tables.outcomes["scenario"] == scenario["id"]) & (tables.outcomes["platform_id"] == platform)]
            kernel = mine.sort_values("path")["first_response_day"].to_numpy(np.float64, na_value=np.nan)
            np.testing.assert_array_equal(fired_on(Evenings(tables, scenario["id"], platform), rule), kernel)
            # The test has teeth: but for the day itself, no reading acts alike on all paths.
            assert rule["when"] == "day" or len({str(day) for day in kernel}) >= 2, (rule["when"], kernel)


def test_a_platform_responds_on_the_day_of_its_failure_and_not_after() -> None:
    evenings = Evenings.__new__(Evenings)
    evenings.factor_bp = np.full((3, 6), 10_000)
    evenings.failed = np.array([3.0, 4.0, np.inf])
    told = fired_on(evenings, {"when": "day", "at_least": 4})
    np.testing.assert_array_equal(told, [np.nan, 4.0, 4.0])


def test_what_the_tables_do_not_hold_is_not_told(tables: RunTables) -> None:
    part = responses_part(tables)
    assert part is not None
    said = {row.title.en: [c.value.en for c in row.cells] for row in part.fired.rows}
    assert said["liquid money below 60% of claims: no forced sales for 2 days"] == ["see a replay"] * 6
    named = said["market down 22.5%: no forced sales for 2 days (P1)"]
    assert named[2:] == ["not its rule"] * 4
    assert named[0].endswith("%")
    share = Paths(tables).share("first", np.ones(7, bool))
    assert (share.value, share.high) == (100.0, 100.0)


def test_days_of_the_median_path() -> None:
    nan = math.nan
    assert [e.value for e in first_days(np.array([9.0, nan, 4.0, 7.0]))] == [7.0, 4.0]
    middle, first = first_days(np.array([nan, 5.0, nan]))
    assert not middle.known
    assert first.value == 5.0
    assert not first_days(np.array([nan]))[1].known
    assert _days([8, 10, 9, 14]) == "8\u201310, 14"


# --- the section --------------------------------------------------------------------------------


def with_scenario(at: int, change: dict[str, Any], outcomes: dict[str, int] | None = None, days: dict[str, int] | None = None) -> RunTables:
    """The fake run with a changed scenario; some columns of its tables become (path + 1) × platform's number × a unit."""
    base = run()
    record = copy.deepcopy(base.record)
    for key, value in change.items():
        block = record["scenarios"][at]
        block[key] = block[key] | value if isinstance(block.get(key), dict) and isinstance(value, dict) else value
    name = record["scenarios"][at]["id"]

    def moved(table: pd.DataFrame, columns: dict[str, int]) -> pd.DataFrame:
        rows = table["scenario"] == name
        steps = (table["path"] + 1) * table["platform_id"].str[1:].astype(int)
        return table.assign(**{c: table[c].where(~rows, steps * unit) for c, unit in columns.items()})

    return dataclasses.replace(
        base, record=record, outcomes=moved(base.outcomes, outcomes or {}), days=moved(base.days, days or {}))


def test_the_section_stands_only_where_a_scenario_has_something_to_say() -> None:
    assert 'id="conduct"' not in page()
    assert withdrawals_part(run(), (f"x{n}" for n in count())) is None
    assert responses_part(run()) is None
    changed = with_scenario(2, {"redemption": WAVE, "operations": {"days_without_sales": [3]}})
    assert moves(changed.scenarios[2])
    assert conducts(changed.scenarios[2])
    reader = Reader(write_html(changed))
    assert ("section", "id", "conduct") in reader.attributes
    assert not reader.wrong
    for language, words in (("en", ("Who wants his money back", "recalled by funders", "nobody can be sold on days 3")),
                            ("zh", ("谁要取回资金", "资金方收回", "第3日无法平仓"))):
        assert all(word in reader.said(language) for word in words)
    assert moves({"recalls": {"grade": "A"}})
    assert not moves({"redemption": {"who": "top_clients", "gate_pct": None, "wave": None, "foreign": None}})


def test_withdrawals_are_those_of_the_tables() -> None:
    changed = with_scenario(
        2, {"redemption": WAVE}, {"wave_asked_li": 10**9, "funding_due_li": 5 * 10**9, "funding_returned_li": 2 * 10**9, "wave_groups": 3},
        {"due_li": 10**9, "wave_ppm": 1000})
    part = withdrawals_part(changed, (f"x{n}" for n in count()))
    assert part is not None
    paths = changed.record["paths"]
    mean = (paths + 1) / 2
    error = math.sqrt(paths * (paths + 1) / 12 / paths)  # of 1 … n
    rows = {row.note.en: row for row in part.table.rows}
    first = rows["all platforms"]
    heads = [h.name.en for h in part.table.heads]
    asked, left = (first.cells[heads.index(name)] for name in ("in the wave", "not returned to funders"))
    assert asked.value.en == f"{6 * mean:.1f}"
    assert asked.error is not None
    assert asked.error.en == f"±\u00a0{6 * error:.1f}"
    assert left.value.en == f"{6 * 3 * mean:.1f}"
    assert left.tone == "bad"
    assert first.cells[heads.index("Client groups in the wave")].value.en == f"{6 * 3 * mean:,.0f}"
    assert [f.title.en.split(":")[0] for f in part.pictures] == [
        "Who wants his money back, day by day", "Daily probability that a client group asks"]
    assert [k.name.en for k in part.pictures[0].keys] == ["due to clients so far"]  # lines that never rise are not drawn


def test_who_pays_is_the_paired_difference() -> None:
    # The fourth scenario becomes the third with a shut desk, so that the two differ in conduct alone.
    base = run()
    twin = copy.deepcopy(base.record["scenarios"][2]) | {"id": base.record["scenarios"][3]["id"]}
    twin["operations"] |= {"days_without_sales": [3, 4], "compensation_pct": 50.0}
    changed = with_scenario(3, twin, {"compensation_li": 10**9, "own_capital_end_li": 7 * 10**8, "client_paid_li": 10**8})
    part = responses_part(changed)
    assert part is not None
    (table,) = part.pairs
    assert part.alone.en == ""
    first, second = (s["id"] for s in changed.scenarios[2:4])
    found = paired(changed.outcomes, first, second).set_index(["platform_id", "measure"])
    rows = {row.title.en: row for row in table.rows if row.title.en != "Paths that fail"}
    for title, measure, tone in (
        ("Compensation for a shut desk", "compensation", "bad"), ("Own funds at the end", "own_funds_end", "good"),
        ("Paid in by clients", "client_paid", "bad"),
    ):
        row, told = rows[title], found.loc["ALL", measure]
        change = row.cells[2]
        assert change.tone == tone
        assert float(re.sub("[+,]", "", change.value.en)) == pytest.approx(told["difference"] / 1e6, abs=0.051)
        assert change.error is not None
        assert float(change.error.en.lstrip("±\u00a0")) == pytest.approx(told["error"] / 1e6, abs=0.051)
    assert "funders pay" in {row.note.en.split(",")[0] for row in table.rows}
    # All alone, the section says what is missing.
    lonely = responses_part(with_scenario(2, {"operations": {"days_without_calls": [2]}}))
    assert lonely is not None
    assert lonely.pairs == []
    assert changed.scenarios[2]["id"] in lonely.alone.en
    assert lonely.costs is None


def test_costs_leave_out_what_nobody_paid() -> None:
    changed = with_scenario(2, {"operations": {"days_without_sales": [3]}}, {"hedge_gain_li": 2 * 10**9, "hedge_cost_li": 10**9})
    part = responses_part(changed)
    assert part is not None
    assert part.costs is not None
    assert [h.name.en for h in part.costs.heads] == ["paid for them", "gained", "gained less paid"]
    mean = 6 * (changed.record["paths"] + 1) / 2
    assert [c.value.en for c in part.costs.rows[0].cells] == [f"{k * mean:.1f}" for k in (1, 2, 1)]
