"""The sandbox: two rules on simulated paths by hand, the promotion rule, and the verb on a run's folder (M-253 to M-255)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from test_synthetic import tables
from typer.testing import CliRunner

import stresslab as sl
import stresslab.early_warning.sandbox as sb
from stresslab.cli import app
from stresslab.early_warning import synthetic as sy
from stresslab.early_warning.on_run import needed
from stresslab.early_warning.rules import Rule, read_rule
from stresslab.faults import InputError


def rule(condition: str) -> Rule:
    alarm = {"grade": "red", "action": "stop", "when": [condition]}
    return Rule.model_validate({"id": condition[:3], "alarm_from": "red", "alarm": [alarm]})


def panel() -> sy.Panel:
    """Two paths: path 0 ends five days after day 0 and is judged on days 1 to 4, the last two before the ending; path 1 is quiet."""
    rows = [("s", p, "P", p, t, 5.0 - t if p == 0 else math.nan, p == 0 and t >= 3) for p in range(2) for t in range(1, 5)]
    table = pd.DataFrame(rows, columns=["scenario", "path", "platform_id", "history", "day", "ends_in", "y"])
    for name in sy.INDICATORS:
        if name != "day":
            table[name] = 0.0
    # The shadow reads own_funds_lost: days 3 and 4 of path 0. The rule in force reads unpaid: day 4 of path 0, days 2 and 4 of path 1.
    table["own_funds_lost"] = [0, 0, 1, 1, 0, 0, 0, 0]
    table["unpaid"] = [0, 0, 0, 1, 0, 1, 0, 1]
    return sy.Panel(table, "failure_day", 2, 2, {})


def test_two_rules_on_a_panel_by_hand() -> None:
    row = sb.pairs_of_panel(panel(), rule("own_funds_lost > 0.5"), rule("unpaid > 0.5"), sb.Settings(mu=0.75, repetitions=20)).iloc[0]
    assert (row["both"], row["shadow_alone"], row["in_force_alone"], row["neither"]) == (1, 1, 2, 4)
    assert (row["endings"], row["warned_shadow"], row["warned_in_force"]) == (1, 1, 1)
    assert (row["lead_shadow"], row["lead_in_force"]) == (2.0, 1.0)
    # Six quiet days; the rule in force raises two false episodes on them.
    assert (row["false_alarms_shadow"], row["false_alarms_in_force"]) == (0.0, 2 * 252 / 6)
    # The lesser of 0.75 × 2 and 0.25 × 6 is 1.5; in force one miss and two false alarms cost 0.75 + 0.5.
    assert row["usefulness_shadow"] == pytest.approx(1.0)
    assert row["usefulness_in_force"] == pytest.approx(0.25 / 1.5)
    assert row["difference"] == pytest.approx(1.25 / 1.5)


GOOD = {
    "on": "run", "window": "run", "in_force": "rule:old", "endings": 30, "warned_shadow": 20, "warned_in_force": 20,
    "lead_shadow": 3.0, "lead_in_force": 3.0, "low": 0.01, "high": 0.2,
}


@pytest.mark.parametrize(
    ("change", "fails"),
    [({}, []), ({"endings": 29}, ["endings"]), ({"on": "history", "endings": 3}, []), ({"low": 0.0}, ["difference"]),
     ({"low": math.nan}, ["difference"]), ({"warned_shadow": 19}, ["missed"]), ({"lead_shadow": 2.5}, ["lead"]),
     ({"lead_shadow": math.nan}, ["lead"])],
)
def test_each_condition_alone_keeps_a_rule_in_shadow(change: dict[str, object], fails: list[str]) -> None:
    found = sb.verdicts(pd.DataFrame([GOOD | change]))[0]
    assert [name for name, holds, _, _ in found.reasons if not holds] == fails
    assert found.promoted == (not fails)


def test_a_rule_on_a_run_names_what_a_run_knows(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('id = "r"\n[[alarm]]\ngrade = "red"\naction = "x"\nwhen = ["volatility_20 > 1"]\n', encoding="utf-8")
    with pytest.raises(InputError, match="names no indicator"):
        read_rule(tmp_path / "r.toml", only=tuple(sy.INDICATORS))


def test_the_verb_on_a_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name, table in zip(("outcomes", "days"), tables(paths=8, failures={1: 9, 2: 10, 5: 8}), strict=True):
        table.to_parquet(tmp_path / "run" / f"{name}.parquet")
    (tmp_path / "run" / "record.json").write_text('{"seed": 1, "paths": 8}', encoding="utf-8")
    for name, bound in (("new", "0.5"), ("old", "0.8")):
        (tmp_path / f"{name}.toml").write_text(
            f'id = "{name}"\nalarm_from = "red"\n[[alarm]]\ngrade = "red"\naction = "stop"\nwhen = ["own_funds_lost >= {bound}"]\n',
            encoding="utf-8",
        )
    asked = ["backtest", str(tmp_path / "run"), "--shadow", str(tmp_path / "new.toml"), "--model", f"rule:{tmp_path / 'old.toml'}"]
    asked += ["--repetitions", "10"]
    made = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "out"), "--json"])
    assert made.exit_code == 0, made.output
    told = json.loads((tmp_path / "out" / "warnings.json").read_text(encoding="utf-8"))
    assert told["source"] == "synthetic"
    # Who lost nine tenths has lost half: the rule in force never warns alone.
    assert told["comparison"]["in_force_alone"] == 0 < told["comparison"]["both"]
    assert told["comparison"]["warned_shadow"] >= told["comparison"]["warned_in_force"]
    promotion = pd.read_csv(tmp_path / "out" / "promotion.csv")
    assert promotion["source"].tolist() == ["synthetic"]
    page = (tmp_path / "out" / "warnings.html").read_text(encoding="utf-8")
    assert "SYNTHETIC" in page
    assert "stays in shadow" in page


def test_power_on_a_run_without_a_shadow(folder_of_a_run: Path, tmp_path: Path) -> None:
    asked = ["backtest", str(folder_of_a_run), "--repetitions", "10", "--horizon", "3"]
    made = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "out")])
    assert made.exit_code == 0, made.output
    assert "SYNTHETIC" in made.output
    power = pd.read_csv(tmp_path / "out" / "power.csv")
    # Eight paths: five histories can be drawn, ten cannot.
    assert set(power["histories"]) == {5}
    assert set(power["source"]) == {"synthetic"}
    assert not (tmp_path / "out" / "promotion.csv").exists()
    first = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    again = sl.backtest_run(folder_of_a_run, horizon=3, repetitions=10, out=tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == first
    assert again.record["histories_with_ending"] == 3


@pytest.mark.parametrize(
    ("option", "said"),
    [(["--index", "X"], "index"), (["--as-of", "2015-06-12"], "as-of"), (["--demo"], "demo"), (["--cost", "0.1"], "cost"),
     (["--holdout-from", "2016-01-01"], "holdout-from"), (["--mu", "0.5"], "mu"), (["--model", "logit"], "model"),
     (["--fail-on", "leak"], "fail-on"), (["--after", "60"], "after")],
)
def test_what_a_run_would_ignore_is_refused_by_name(folder_of_a_run: Path, tmp_path: Path, option: list[str], said: str) -> None:
    made = CliRunner().invoke(app, ["backtest", str(folder_of_a_run), *option, "--out", str(tmp_path / "out")])
    assert isinstance(made.exception, InputError)
    assert [f.column for f in made.exception.faults] == [said]
    assert f"--{said}" in made.exception.faults[0].way_out
    assert not (tmp_path / "out").exists()


def test_the_number_of_histories_needed_by_hand() -> None:
    rows = [("a", 5, 0.9), ("a", 10, 0.7), ("a", 20, 0.8), ("a", 50, 1.0), ("b", 5, 0.1), ("b", 10, 0.79)]
    power = pd.DataFrame(rows, columns=["indicator", "histories", "power"])
    assert needed(power) == {"a": 20, "b": None}


@pytest.fixture
def folder_of_a_run(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    for name, table in zip(("outcomes", "days"), tables(paths=8, failures={1: 9, 2: 10, 5: 8}), strict=True):
        table.to_parquet(run / f"{name}.parquet")
    (run / "record.json").write_text('{"seed": 1, "paths": 8}', encoding="utf-8")
    return run
