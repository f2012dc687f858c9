"""Alarms with their action attached, the response they set off, and holes in the data (M-266 to M-268)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_warning import RULE, made_history

import stresslab as sl
from stresslab.backtesting import Backtested
from stresslab.early_warning.actions import read_action
from stresslab.early_warning.backtest import Settings
from stresslab.early_warning.known import known_of
from stresslab.faults import InputError
from stresslab.scenario import read_scenario

ACTION = """id = "act"
source = "made up"
lead_days = [0, 10, 60]
saved = [0.0, 0.2, 0.5]
cost_to_start = 0.0
cost_a_day = 0.001
hold = 1

[response]
do = "raise_lines"
by_pct = 10
"""
MINE = 'id = "mine"\nalarm_from = "yellow"\n[[alarm]]\ngrade = "yellow"\naction = "look"\nwhen = ["margin_balance >= 0"]\n'


def written(tmp_path: Path, text: str = ACTION) -> Path:
    (tmp_path / "act.toml").write_text(text, encoding="utf-8")
    return tmp_path / "act.toml"


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Backtested, Path]:
    where = tmp_path_factory.mktemp("acted")
    (where / "mine.toml").write_text(MINE.replace("margin_balance >= 0", "maintenance_ratio > 0"), encoding="utf-8")
    days = pd.bdate_range("2005-01-03", periods=1500).astype("datetime64[us]")
    ratio = np.full(1500, 250.0)
    ratio[1000:1030] = np.nan
    tables = {"margin_balance": pd.DataFrame({"date": days, "avg_maintenance_ratio_pct": ratio})}
    made = sl.backtest(
        made_history(tables=tables), events=RULE, models=["threshold", f"rule:{where / 'mine.toml'}"], as_of="2009-03-02",
        settings=Settings(repetitions=20, first=400), action=written(where), out=where / "out")
    return made, where / "out"


def test_always_is_worth_what_always_is(acted: tuple[Backtested, Path]) -> None:
    told = acted[0].tables["actions"].set_index("model")
    assert (told.loc["never", ["net", "saved", "cost"]] == 0).all()
    always = told.loc["always"]
    assert always["net"] == pytest.approx(always["always"])
    assert always["cost"] == pytest.approx(0.001 * always["days_in_force"])
    assert always["met"] == always["events"] > 0
    assert (told["net"] <= told["perfect"] + 1e-12).all()
    page = (acted[1] / "backtest.html").read_text(encoding="utf-8")
    assert "With the action attached" in page
    assert "附带行动" in page


def test_every_table_says_that_it_is_real(acted: tuple[Backtested, Path]) -> None:
    made, out = acted
    assert {"actions", "triggers", "risk", "values", "holes"} <= set(made.tables)
    for name, table in made.tables.items():
        assert (pd.read_parquet(out / f"{name}.parquet")["source"] == "real").all(), name
        assert list(table["source"]) == ["real"] * len(table), name
    for path in out.glob("*.csv"):
        assert path.read_text(encoding="utf-8").splitlines()[0].split(",")[-1] == "source", path.name
    page = (out / "backtest.html").read_text(encoding="utf-8")
    assert "none is simulated" in page


def test_an_alarm_sets_off_a_response_that_a_scenario_takes(acted: tuple[Backtested, Path], tmp_path: Path) -> None:
    made, out = acted
    told = made.tables["triggers"].set_index("model")
    # The rule warns whenever the ratio is known, so also on the evening itself, which a scenario reads on its first day.
    assert (told.loc["rule", "rose"], told.loc["rule", "day"]) == ("2009-03-02", 1)
    days = list(made.tables["values"]["date"])
    for model, row in told.iterrows():
        assert row["day"] == max(1, days.index(row["rose"]) - days.index("2009-03-02")), model
    block = (out / "response-rule.toml").read_text(encoding="utf-8")
    assert tomllib.loads(block)["response"][0] == {
        "when": "day", "at_least": 1, "do": "raise_lines", "by_pct": 10, "source": "made up"}
    shipped = Path(sl.__file__).parent.parent / "scenarios" / "replay-2015.toml"
    whole = tmp_path / "scenario.toml"
    whole.write_text(shipped.read_text(encoding="utf-8") + "\n" + block, encoding="utf-8")
    assert read_scenario(whole).response[0].do == "raise_lines"


def test_a_hole_is_told_with_whom_it_silences(acted: tuple[Backtested, Path]) -> None:
    hole = acted[0].tables["holes"].set_index("indicator").loc["maintenance_ratio"]
    days = list(acted[0].tables["values"]["date"])
    # The rows stop on day 999; each is known a day later and stands five days more.
    first = days.index(hole["from"])
    assert 1003 < first < 1009
    assert days.index(hole["to"]) == 1030  # the first row after it is known a day late
    assert hole["days"] == 1030 - first + 1
    assert hole["rules"] == "rule"
    assert hole["last_known"] == 250.0
    alarms = acted[0].alarms
    silent = alarms[(alarms["model"] == "rule") & (alarms["date"] >= hole["from"]) & (alarms["date"] <= hole["to"])]
    assert set(silent["grade"]) == {"none"}


@pytest.mark.parametrize(
    ("change", "column"),
    [(("lead_days = [0,", "lead_days = [1,"), "lead_days"), (("0.5]", "1.5]"), "saved"), (("0.2, ", ""), "saved"),
     (("hold = 1", "hold = 0"), "hold"), (("by_pct = 10", "by = 10"), "response.by"), (("by_pct = 10", ""), "response.by_pct"),
     (('do = "raise_lines"', 'do = "raise_lines"\nwhen = "day"'), "response.when"), (('source = "made up"', ""), "source")],
)
def test_faults_of_an_action(tmp_path: Path, change: tuple[str, str], column: str) -> None:
    with pytest.raises(InputError) as found:
        read_action(written(tmp_path, ACTION.replace(*change)))
    assert column in [f.column for f in found.value.faults]


def test_a_response_needs_an_evening(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="from which evening"):
        sl.backtest(made_history(), events=RULE, action=written(tmp_path))


def test_a_holdout_outside_the_history_is_refused() -> None:
    with pytest.raises(InputError, match="lies outside the history"):
        sl.backtest(made_history(), events=RULE, models=["threshold"], settings=Settings(holdout_from="2080-01-01"))


@pytest.mark.parametrize(("every", "said"), [(1, 0), (5, 1)])
def test_an_index_of_weeks_says_what_a_day_is(every: int, said: int) -> None:
    history = made_history()
    thin = type(history)(history.prices, history.index.iloc[::every].reset_index(drop=True), {})
    notes = known_of(thin).notes
    assert len(notes) == said
    assert all("52 rows a year" in n.en for n in notes)
