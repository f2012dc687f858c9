"""Models on paths that they never saw, endings as events, and actions measured on the same paths (M-274 to M-277)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_synthetic import normals, tables
from typer.testing import CliRunner

import stresslab as sl
from stresslab import verbs
from stresslab.cli import app
from stresslab.early_warning import learned as ln
from stresslab.early_warning import models as made
from stresslab.early_warning import synthetic as sy
from stresslab.early_warning.rules import Rule
from stresslab.early_warning.sandbox import Settings
from stresslab.faults import InputError
from stresslab.pairing import acting_pairs

HELD = Settings(repetitions=10)
RULE = Rule.model_validate(
    {"id": "old", "alarm_from": "red", "alarm": [{"grade": "red", "action": "stop", "when": ["own_funds_lost >= 0.9"]}]})


def drawn(paths: int = 60, days: int = 20, lift: float = 1.5) -> sy.Panel:
    """Every second path ends after its last day; `locked` is higher by `lift` on the five days before, all else is noise."""
    frames = []
    for p in range(paths):
        z = normals(p + 500, days * len(sy.INDICATORS)).reshape(-1, days)
        y = (np.arange(1, days + 1) > days - 5) & (p % 2 == 0)
        frame = pd.DataFrame({
            "scenario": "s", "path": p, "platform_id": "P", "history": p, "day": range(1, days + 1),
            "ends_in": np.where(p % 2 == 0, np.arange(days, 0, -1), np.nan), "y": y})
        for k, name in enumerate(n for n in sy.INDICATORS if n != "day"):
            frame[name] = z[k] + (lift * y if name == "locked" else 0.0)
        frames.append(frame)
    return sy.Panel(pd.concat(frames, ignore_index=True), "failure_day", 5, paths, {})


def test_what_it_judges_it_never_saw() -> None:
    told = drawn()
    found = ln.learned(told, {}, (10,), HELD)
    assert (found.unseen.histories, found.unseen.table["path"].min()) == (30, 30)
    assert set(found.table["train_paths"]) == {10, 30}
    assert (found.table["source"] == "synthetic").all()
    # Other labels and other days on the unseen half, and nothing that was learned moves.
    late = (told.table["history"] >= 30).to_numpy()
    turned = told.table.assign(y=np.where(late, ~told.table["y"].to_numpy(bool), told.table["y"]))
    again = ln.learned(replace(told, table=turned), {}, (), HELD)
    for name, said in found.forecasts.items():
        np.testing.assert_array_equal(said.score, again.forecasts[name].score)
        assert said.threshold == again.forecasts[name].threshold, name
    # Other labels on the half that teaches, and it does.
    turned = told.table.assign(y=np.where(late, told.table["y"], ~told.table["y"].to_numpy(bool)))
    other = ln.learned(replace(told, table=turned), {}, (), HELD)
    assert (found.forecasts["logit"].score != other.forecasts["logit"].score).any()


def test_a_signal_is_found_and_noise_is_not() -> None:
    table = ln.learned(drawn(120, lift=3.0), {"rule": RULE}, (), HELD).table.set_index("model")
    assert table.loc["threshold", "chosen"] == "locked"
    assert (table.loc[["threshold", "logit", "boosting"], "auroc"] > 0.9).all()
    assert (table.loc[["threshold", "logit"], "usefulness"] > 0.5).all()
    assert table.loc["always", "auroc"] == table.loc["never", "auroc"] == 0.5
    assert "rule" in table.index
    noise = ln.learned(drawn(120, lift=0.0), {}, (), HELD).table.set_index("model")
    for name in ("logit", "boosting"):
        assert abs(noise.loc[name, "auroc"] - 0.5) < 4 * noise.loc[name, "error"], name
    # The calendar is told apart: no model may read it, the naive rule does.
    assert noise.loc["day", "auroc"] > 0.7


def test_no_history_is_parted_inside_a_fold() -> None:
    lengths = [5, 9, 4, 8, 7, 6, 9, 5, 8, 4, 7, 6]
    history = np.repeat(np.arange(12), lengths)
    x = np.column_stack([history.astype(float), np.concatenate([np.arange(n) for n in lengths])])
    seen: list[set[int]] = []

    def learner(fit: np.ndarray, y: np.ndarray, strength: float):
        seen.append(set(fit[:, 0].astype(int)))

        def score(test: np.ndarray) -> np.ndarray:
            assert not seen[-1] & set(test[:, 0].astype(int))
            return test[:, 1]

        return score

    y = (x[:, 1] >= 3).astype(float)
    model = made.Learned("m", "m", "m", learner, (1.0,))
    task = made.Task(("h", "t"), x, (1, 1), 5, 20, 0.9, history)
    unseen = model._unseen(task, x, np.arange(history.size), y, 1.0)
    assert np.isfinite(unseen).all()
    assert [len(s) for s in seen] == [9, 9, 9, 9]  # nothing is purged: histories are independent


def test_too_few_paths_teach_nothing() -> None:
    found = ln.learned(drawn(8), {}, (2,), HELD)
    assert found.table["auroc"].notna().sum() == 6  # four paths, two of them with an ending: ten days
    assert found.table.loc[found.table["train_paths"] == 2, "auroc"].isna().all()
    assert ln.learned(drawn(2), {}, (2,), HELD).table.empty


def test_a_model_in_shadow_beside_the_rule_in_force() -> None:
    found = ln.learned(drawn(120, lift=3.0), {"rule": RULE}, (), HELD)
    pairs = ln.beside(found, "rule", HELD).set_index("shadow")
    assert list(pairs.index) == ["threshold", "logit", "boosting"]
    a, b = found.alarms["logit"], found.alarms["rule"]
    row = pairs.loc["logit"]
    assert (row["both"], row["shadow_alone"], row["in_force_alone"]) == ((a & b).sum(), (a & ~b).sum(), (~a & b).sum())
    assert (pairs["days"] == len(found.unseen.table)).all()
    said = ln.alarms_table(found)
    assert len(said) == len(found.forecasts) * len(found.unseen.table)
    assert (said.loc[said["model"] == "logit", "alarm"].to_numpy() == a).all()


def test_scenarios_that_differ_in_their_responses_alone() -> None:
    act = {"when": "day", "at_least": 3, "do": "pause_sales", "source": "x"}
    scenarios = [
        {"id": "a", "days": 60}, {"id": "b", "days": 60, "response": [act]}, {"id": "c", "days": 50, "response": [act]},
        {"id": "d", "days": 60, "response": [act, act]}, {"id": "e", "days": 50, "response": []},
    ]
    assert [(one, other) for one, other, _ in acting_pairs(scenarios)] == [("a", "b"), ("a", "d"), ("e", "c")]


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    for name, table in zip(("outcomes", "days"), tables(paths=8, failures={1: 9, 2: 10, 5: 8}), strict=True):
        table.to_parquet(run / f"{name}.parquet")
    (run / "record.json").write_text('{"seed": 1, "paths": 8}', encoding="utf-8")
    return run


def test_platform_failures_are_the_events_of_a_run(fake: Path, tmp_path: Path) -> None:
    asked = ["backtest", str(fake), "--events", "platform failure", "--repetitions", "10", "--out", str(tmp_path / "out")]
    made_ = CliRunner().invoke(app, asked)
    assert made_.exit_code == 0, made_.output
    events = pd.read_csv(tmp_path / "out" / "events.csv")
    assert events[["path", "day"]].to_numpy().tolist() == [[1, 9], [2, 10], [5, 8]]
    assert set(events["event"]) == {"failure"}
    row = pd.read_csv(tmp_path / "out" / "endings.csv").iloc[0]
    assert (row["paths"], row["events"], row["first_day"], row["median_day"]) == (8, 3, 8, 9)
    for path in (tmp_path / "out").glob("*.csv"):
        assert "source" in path.read_text(encoding="utf-8").splitlines()[0].split(","), path.name
    with pytest.raises(InputError, match="platform failure"):
        sl.backtest_run(fake, ending="platform failures")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("learned")
    verbs.init(place / "book", accounts=200)
    verbs.run(place / "book", ["crash-60", "crash-40", "crash-40-raise-lines"], paths=24, seed=1, out=place / "run")
    return place / "run"


@pytest.mark.long
def test_an_action_is_measured_on_the_same_paths(folder: Path, tmp_path: Path) -> None:
    found = sl.backtest_run(folder, repetitions=2, out=tmp_path / "out")
    told = found.tables["actions"]
    assert {(a, b) for a, b in zip(told["without"], told["with"], strict=True)} == {("crash-40", "crash-40-raise-lines")}
    outcomes = pd.read_parquet(folder / "outcomes.parquet")
    lost = outcomes.assign(v=outcomes["deficit_li"] / 1000).pivot_table(index="path", columns="scenario", values="v", aggfunc="sum")
    gap = lost["crash-40-raise-lines"] - lost["crash-40"]
    row = told[(told["platform_id"] == "ALL") & (told["measure"] == "deficit")].iloc[0]
    assert row["difference"] == pytest.approx(gap.mean())
    assert row["error"] == pytest.approx(gap.std(ddof=1) / np.sqrt(24))
    assert row["low"] < row["difference"] < row["high"]
    assert (row["paths"], row["acted"], row["source"]) == (24, 1.0, "synthetic")
    assert row["action"].startswith("market down 5%: lines +10%; ")
    assert row["action_zh"].startswith("市场下跌5%")
    page = (tmp_path / "out" / "warnings.html").read_text(encoding="utf-8")
    assert "Measured on 24 pairs of the same paths" in page
    assert "未见路径上的模型" in page
    models = found.tables["models"]
    assert set(models["test_paths"]) == {12}
