"""Synthetic labels: a panel by hand, nothing of the future in it, errors over histories where the answer is known (M-197 to M-199)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from stresslab import verbs
from stresslab.early_warning import synthetic as sy
from stresslab.early_warning.intervals import words
from stresslab.early_warning.scores import auroc
from stresslab.faults import InputError

Floats = NDArray[np.float64]


def normals(seed: int, n: int, path: int = 0) -> Floats:
    return norm.ppf((words(seed, path, 0, 0, np.arange(n))[:, 0] + 0.5) / 2.0**32)


def tables(paths: int = 3, last: int = 12, failures: dict[int, int] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Outcomes and days of one platform, drawn; own funds fall from 1,000 to 0 on the day of failure."""
    failed = {1: 9} if failures is None else failures
    outcomes = pd.DataFrame({
        "scenario": "s", "path": range(paths), "platform_id": "P", "own_funds_before_li": 1_000, "accounts_with_debt": 50,
        **{e: pd.array([failed.get(p) for p in range(paths)], dtype="Int64") for e in sy.ENDINGS},
    })
    rows = []
    for p in range(paths):
        z = normals(p, 4 * last).reshape(4, last)
        for t in range(1, last + 1):
            own = max(0, 1_000 - 1_000 * t // failed[p]) if p in failed else 1_000 - t
            rows.append(("s", p, "P", t, 10 * t, own, 0, t, 1, *(round(1e6 * math.exp(0.02 * z[k, :t].sum())) for k in range(3)), t % 3))
    return outcomes, pd.DataFrame(rows, columns=["scenario", "path", "platform_id", "day", *sy._DAYS])


# --- the panel ----------------------------------------------------------------------------------


def test_which_days_are_kept_and_what_comes_after_them() -> None:
    told = sy.panel(*tables(), horizon=3)
    by_path = dict(iter(told.table.groupby("path")))
    # Twelve days, the last three have no future; the platform of path 1 fails on day 9.
    assert by_path[0]["day"].tolist() == list(range(1, 10))
    assert by_path[1]["day"].tolist() == list(range(1, 9))
    assert by_path[1]["y"].tolist() == [False] * 5 + [True] * 3
    assert by_path[1]["ends_in"].tolist() == list(range(8, 0, -1))
    assert not by_path[0]["y"].any()
    assert by_path[0]["ends_in"].isna().all()
    assert (told.histories, told.source, told.ending) == (3, "synthetic", "failure_day")


def test_late_days_are_left_out_whatever_came() -> None:
    # A failure on the last day is seen only from the days that every path keeps.
    told = sy.panel(*tables(failures={0: 12, 1: 11}), horizon=3).table
    assert told.groupby("path")["day"].max().tolist() == [9, 9, 9]
    assert told.groupby("path")["y"].sum().tolist() == [1, 2, 0]


def test_indicators_by_hand() -> None:
    outcomes, days = tables()
    told = sy.panel(outcomes, days, horizon=1).table
    row = told[(told["path"] == 1) & (told["day"] == 7)].iloc[0]
    mine = days[days["path"] == 1].set_index("day")
    assert row["own_funds_lost"] == pytest.approx(1 - (1_000 - 1_000 * 7 // 9) / 1_000)
    assert row["own_funds_lost_5d"] == pytest.approx((mine.loc[2, "own_funds_li"] - mine.loc[7, "own_funds_li"]) / 1_000)
    assert row["margin_call"] == pytest.approx(0.07)
    assert row["sold_5d"] == pytest.approx((3 + 4 + 5 + 6 + 7) / 1_000)
    assert row["forced_5d"] == pytest.approx(5 / 50)
    basket = mine["basket_quoted_ppm"] / 1e6
    assert row["basket_fall"] == pytest.approx(1 - basket[7] / max(1, basket[:7].max()))
    assert row["basket_fall_5d"] == pytest.approx(1 - basket[7] / basket[2])
    assert row["basket_swing_5d"] == pytest.approx(np.diff(np.log(basket.loc[2:7])).std(ddof=1))
    assert row["pressure"] == pytest.approx(1 - mine.loc[7, "basket_quoted_ppm"] / mine.loc[7, "basket_fundamental_ppm"])
    assert row["factor_fall"] == pytest.approx(1 - mine.loc[7, "factor_ppm"] / max(1e6, mine["factor_ppm"][:7].max()))
    early = told[(told["path"] == 0) & (told["day"] == 2)].iloc[0]
    # Day 0 is the book: nothing sold, nothing lost, the basket at 1; swings need five days.
    basket = days[days["path"] == 0].set_index("day")["basket_quoted_ppm"] / 1e6
    assert early["sold_5d"] == pytest.approx(3 / 1_000)
    assert early["basket_fall_5d"] == pytest.approx(1 - basket[2])
    assert math.isnan(early["basket_swing_5d"])
    assert set(sy.INDICATORS) <= set(told.columns)


def test_nothing_is_known_before_its_day() -> None:
    outcomes, days = tables(paths=4)
    whole = sy.panel(outcomes, days, horizon=1).table
    for t in (3, 6, 9):
        cut = sy.panel(outcomes, days[days["day"] <= t], horizon=1).table
        same = whole.merge(cut[["path", "day"]], on=["path", "day"])
        pd.testing.assert_frame_equal(same[list(sy.INDICATORS)], cut[list(sy.INDICATORS)])


def test_the_order_of_rows_changes_nothing() -> None:
    outcomes, days = tables(paths=4)
    one, two = sy.panel(outcomes, days), sy.panel(outcomes.iloc[::-1], days.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(one.table, two.table)


def test_paths_of_several_scenarios_are_one_history() -> None:
    outcomes, days = tables(paths=4)
    both = [pd.concat([t, t.assign(scenario="r")]) for t in (outcomes, days)]
    told = sy.panel(*both)
    assert told.histories == 4
    assert sorted(told.table["history"].unique()) == [0, 1, 2, 3]
    assert len(told.table) == 2 * len(sy.panel(outcomes, days).table)


def test_tables_that_do_not_fit_are_refused() -> None:
    outcomes, days = tables()
    for wrong in ((pd.concat([outcomes, outcomes]), days), (outcomes.iloc[:2], days), (outcomes, days[days["path"] > 0]),
                  (outcomes, days[days["day"] != 4]), (outcomes, days[days["day"] > 1])):
        with pytest.raises(InputError):
            sy.panel(*wrong)


# --- errors over histories ----------------------------------------------------------------------


def test_the_error_over_days_is_that_of_delong() -> None:
    n = 80
    y, s = np.arange(n) < 30, np.round(normals(4, n) + 0.8 * (np.arange(n) < 30), 1)
    above = (s[y][:, None] > s[~y][None, :]) + 0.5 * (s[y][:, None] == s[~y][None, :])
    told = sy.area_over_histories(y, s, np.arange(n))
    assert told.value == auroc(y, s) == pytest.approx(above.mean())
    # DeLong's divides the spread of each class by its own number less one, ours both by n / (n − 1).
    classes = above.mean(axis=1).var() / 30 + above.mean(axis=0).var() / 50
    assert told.error == pytest.approx(math.sqrt(n / (n - 1) * classes))


def history_world(w: int, histories: int, days: int, lift: float) -> tuple[NDArray[np.bool_], Floats, NDArray[np.int64]]:
    """Histories with half of their variance in common over their days; every second one is before an event."""
    which = np.repeat(np.arange(histories), days)
    shared, own = normals(5, histories, w), normals(6, histories * days, w)
    y = which % 2 == 0
    return y, shared[which] + own + lift * y, which


def test_errors_over_histories_hold_what_they_promise_and_those_over_days_do_not() -> None:
    truth = norm.cdf(1.0 / 2)
    found = [history_world(w, 60, 10, 1.0) for w in range(300)]
    single = np.arange(600)
    over = {"history": [sy.area_over_histories(*f) for f in found], "day": [sy.area_over_histories(y, s, single) for y, s, _ in found]}
    held = {name: np.mean([abs(a.value - truth) <= 1.96 * a.error for a in areas]) for name, areas in over.items()}
    # Three standard errors of 95% in 300 worlds are 3.8 points.
    assert abs(held["history"] - 0.95) <= 0.038
    assert held["day"] < 0.8


def test_too_few_histories_have_no_error() -> None:
    y = np.array([True, True, False, False])
    assert math.isnan(sy.area_over_histories(y, [4, 3, 2, 1], [0, 0, 1, 2]).error)
    assert sy.area_over_histories(y, [4, 3, 2, 1], [0, 1, 0, 1]) == (1, 0, 2, 2)
    none = sy.area_over_histories(np.zeros(4, bool), [1, 2, 3, 4], [0, 1, 2, 3])
    assert math.isnan(none.value)
    assert none.with_ending == 0


# --- power --------------------------------------------------------------------------------------


def drawn_panel(paths: int, lift: float) -> sy.Panel:
    """A panel whose indicator `locked` is drawn: half of the paths fail, and it is higher by `lift` before."""
    y, s, which = history_world(0, paths, 10, lift)
    frame = pd.DataFrame({"history": which, "day": np.tile(np.arange(1, 11), paths), "y": y})
    for name in sy.INDICATORS:
        frame[name] = s if name == "locked" else frame["day"]
    return sy.Panel(frame, "failure_day", 5, paths, {})


def test_the_error_falls_with_the_root_of_the_number_of_histories() -> None:
    told = sy.power_curve(drawn_panel(400, 1.0), "locked", (25, 100, 400), repetitions=150)
    assert told["error"].is_monotonic_decreasing
    ratio = told["error"].to_numpy()[:-1] / told["error"].to_numpy()[1:]
    # A standard deviation of 150 draws has an error of 6%: a ratio of two 8%.
    np.testing.assert_allclose(ratio, 2, rtol=0.25)
    np.testing.assert_allclose(told["told_error"], told["error"], rtol=0.25)
    assert told["power"].is_monotonic_increasing
    assert told["power"].iloc[-1] == 1
    assert (told["source"] == "synthetic").all()


def test_a_useless_indicator_seldom_looks_good() -> None:
    # The pool of paths must itself have an area of ½: it is the day, which is alike on all paths.
    told = sy.power_curve(drawn_panel(200, 0.0), "day", (20, 100), repetitions=200)
    assert (told["auroc"] == 0.5).all()
    assert (told["power"] == 0).all()


def test_histories_without_an_ending_are_told() -> None:
    panel = sy.panel(*tables(paths=40, failures={3: 9}))
    told = sy.power_curve(panel, "own_funds_lost", (5, 40), repetitions=100)
    assert told["scored"].iloc[0] < 0.3
    assert told["power"].iloc[0] < 0.05
    assert abs(told["endings"].iloc[1] - 1) < 0.3


def test_what_the_panel_does_not_hold_is_refused() -> None:
    with pytest.raises(InputError) as faults:
        sy.power_curve(drawn_panel(20, 0.0), "own_fund_lost", (2, 21))
    assert "own_funds_lost" in str(faults.value)
    assert "2 and the 20" in str(faults.value)


# --- a run's folder -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("synthetic")
    verbs.init(place / "book", accounts=400)
    verbs.run(place / "book", ["baseline", "crash-60"], paths=30, seed=1, out=place / "run")
    return place / "run"


def test_a_run_is_many_histories(folder: Path) -> None:
    told = sy.panel_of_run(folder, scenario="crash-60")
    outcomes = pd.read_parquet(folder / "outcomes.parquet").query("scenario == 'crash-60'")
    assert told.histories == 30
    assert told.run["seed"] == 1
    assert set(told.table["platform_id"]) == set(outcomes["platform_id"])
    record: dict[str, Any] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert told.run["kernels"] == record["kernels"]
    last = pd.read_parquet(folder / "days.parquet")["day"].max() - told.horizon
    for row in outcomes.itertuples():
        mine = told.table[(told.table["path"] == row.path) & (told.table["platform_id"] == row.platform_id)]
        end = last if pd.isna(row.failure_day) else min(last, row.failure_day - 1)
        assert len(mine) == end
        late = 0 if pd.isna(row.failure_day) else max(0, end - (row.failure_day - 5) + 1)
        assert mine["y"].sum() == min(late, end)
    assert told.table["y"].any()
    scores = sy.score_table(told)
    assert set(scores["indicator"]) == set(sy.INDICATORS)
    assert (scores["source"] == "synthetic").all()
    # Failure is losing all own funds: their loss must foretell it better than the calendar does.
    by_name = scores.set_index("indicator")["auroc"]
    assert by_name["own_funds_lost"] > by_name["day"] > 0.5


def test_of_a_run_one_platform_or_all(folder: Path) -> None:
    whole, one = sy.panel_of_run(folder), sy.panel_of_run(folder, scenario="crash-60", platform="P3")
    assert whole.run["scenarios"] == ["baseline", "crash-60"]
    mine = whole.table.query("scenario == 'crash-60' and platform_id == 'P3'").reset_index(drop=True)
    pd.testing.assert_frame_equal(one.table, mine)


def test_folders_that_are_no_run_are_refused(folder: Path, tmp_path: Path) -> None:
    for call in (
        lambda: sy.panel_of_run(tmp_path), lambda: sy.panel_of_run(folder, scenario="none"),
        lambda: sy.panel_of_run(folder, horizon=0), lambda: sy.panel_of_run(folder, ending="failure"),
    ):
        with pytest.raises(InputError):
            call()
    for name in ("record.json", "outcomes.parquet"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "days.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="cannot be read"):
        sy.panel_of_run(tmp_path)
