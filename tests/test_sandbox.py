"""The sandbox: two rules on simulated paths by hand, the promotion rule, and the verb on a run's folder (M-253 to M-255)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from test_synthetic import tables
from typer.testing import CliRunner

import stresslab.early_warning.sandbox as sb
from stresslab.cli import app
from stresslab.early_warning import synthetic as sy
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
    made = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "out"), "--json"])
    assert made.exit_code == 0, made.output
    told = json.loads((tmp_path / "out" / "shadow.json").read_text(encoding="utf-8"))
    assert told["source"] == "synthetic"
    # Who lost nine tenths has lost half: the rule in force never warns alone.
    assert told["comparison"]["in_force_alone"] == 0 < told["comparison"]["both"]
    assert told["comparison"]["warned_shadow"] >= told["comparison"]["warned_in_force"]
    alone = CliRunner().invoke(app, asked[:2])
    assert isinstance(alone.exception, InputError) or alone.exit_code == 2
