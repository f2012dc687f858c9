"""Early warning on what happened: the summer of 2015, American markets unchanged, and the demo that an installed package ships.

Nothing here was tuned: numbers are what came out, and tests hold what must be true whatever comes out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import stresslab as sl
from stresslab.backtesting import Backtested
from stresslab.early_warning.backtest import Settings

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
CHINA = [DATA / f"cn_{name}_daily" for name in ("index", "margin", "breadth", "shibor", "ivix")]
AMERICA = [DATA / f"us_{name}" for name in ("index_daily", "finra_margin_monthly", "rates_daily", "vix_daily")]
RULE = "drawdown >= 20% within 60 days"
MODELS = ["threshold", "threshold:maintenance_ratio", "rule", "logit"]
QUICK = Settings(repetitions=20)
EVENING = "2015-06-12"

needs_data = pytest.mark.skipif(
    not all(p.is_dir() for p in [*CHINA, *AMERICA]), reason="the tables of 2015 and of American markets are not there"
)


@pytest.fixture(scope="module")
def china() -> Backtested:
    return sl.backtest(
        *CHINA,
        events=RULE,
        models=MODELS,
        index="000300.SH",
        as_of=EVENING,
        settings=Settings(repetitions=20, holdout_from="2016-01-01"),
    )


def indicators(found: Backtested) -> dict[str, dict[str, object]]:
    assert found.as_of is not None
    return {one["indicator"]: one for one in found.as_of["indicators"]}


@needs_data
def test_the_falls_are_dated_as_everybody_dates_them(china: Backtested) -> None:
    events = china.tables["events"].set_index("start")
    assert {"2007-10-16", "2009-08-03", "2015-06-08"} <= set(events.index)
    assert events.loc["2015-06-08", "depth_pct"] == pytest.approx(46.7, abs=0.01)
    assert events.loc["2015-06-08", "end"] == "2016-01-28"


@needs_data
def test_what_was_known_on_the_twelfth_of_june(china: Backtested) -> None:
    known = indicators(china)
    # Balances of the evening before; the maintenance ratio had not been published since April but for one day.
    assert known["financing_share"]["row"] == "2015-06-11"
    assert known["financing_share"]["value"] == pytest.approx(3.875686, abs=1e-6)
    assert known["volatility_20"]["row"] == EVENING
    assert known["maintenance_ratio"]["value"] is None
    assert china.as_of is not None
    states = {m["model"]: m for m in china.as_of["models"]}
    assert not states["threshold:maintenance_ratio"]["alarm"]
    for state in states.values():
        assert state["first_rose"] is None or state["first_rose"] <= EVENING
        assert state["since"] is None or state["since"] <= EVENING


@needs_data
def test_no_more_was_known_than_is_told_when_the_tables_end_that_evening(china: Backtested) -> None:
    cut = sl.backtest(
        *CHINA,
        events=RULE,
        models=["threshold", "rule", "logit"],
        index="000300.SH",
        last=EVENING,
        as_of=EVENING,
        settings=QUICK,
    )
    then, now = indicators(cut), indicators(china)
    for name, one in then.items():
        for key in ("value", "row", "place"):
            if isinstance(one[key], float):
                assert one[key] == pytest.approx(now[name][key], rel=1e-7, abs=1e-9), name
            else:
                assert one[key] == now[name][key], name
    assert cut.as_of is not None
    assert china.as_of is not None
    later = {m["model"]: m for m in china.as_of["models"]}
    for state in cut.as_of["models"]:
        for key in ("alarm", "since", "first_rose", "fitted"):
            assert state[key] == later[state["model"]][key], (state["model"], key)
        assert state["probability"] == pytest.approx(later[state["model"]]["probability"], rel=1e-6)


@needs_data
def test_a_ratio_that_nobody_published_is_silent(china: Backtested) -> None:
    values = china.tables["values"].set_index("date")["maintenance_ratio"]
    hole = values.loc["2015-05-08":"2015-08-03"]
    assert hole.isna().sum() >= len(hole) - 7  # one day in May is carried on for a week
    own = china.alarms[china.alarms["model"] == "threshold:maintenance_ratio"].set_index("date")
    silent = own.loc[hole.index[hole.isna()]]
    assert len(silent) > 40
    assert not silent["alarm"].any()
    assert np.isfinite(silent["score"]).all()  # it is still scored, at its training median
    told = china.tables["holes"]
    told = told[(told["indicator"] == "maintenance_ratio") & (told["from"] >= "2015-04-29") & (told["to"] <= "2015-08-04")]
    assert told[["from", "to", "days"]].to_numpy().tolist() == [["2015-05-08", "2015-05-20", 9], ["2015-05-29", "2015-08-04", 47]]
    assert told["in_events"].sum() == 41


@needs_data
def test_nothing_in_these_tables_sees_the_future(china: Backtested) -> None:
    assert china.record["left_out"] == []


@needs_data
def test_2016_is_scored_apart(china: Backtested) -> None:
    alarms = china.alarms
    assert alarms[alarms["window"] == "walk_forward"]["date"].max() < "2016-01-01"
    assert set(china.scores["window"]) == {"walk_forward", "holdout"}
    # The fall of 2015 ends in January 2016 and no other follows by the rule: false alarms alone can be told.
    late = china.scores[(china.scores["window"] == "holdout") & (china.scores["measure"] == "auroc")]
    assert late["events"].eq(0).all()
    assert late["value"].isna().all()


@pytest.mark.long
@needs_data
def test_american_tables_run_unchanged() -> None:
    found = sl.backtest(
        *AMERICA,
        events="drawdown >= 15% within 60 days",
        models=["threshold", "rule"],
        index="SP500",
        as_of="2000-03-24",
        settings=QUICK,
    )
    known = indicators(found)
    # Margin debt of a month's end is told five weeks later.
    assert known["financing_level"]["row"] == "2000-01-31"
    assert {"1987-08-25", "2002-04-16"} & set(found.tables["events"]["start"])
    assert found.record["left_out"] == []


@needs_data
def test_the_results_of_2015_as_they_fell(china: Backtested) -> None:
    scores = china.scores[china.scores["window"] == "walk_forward"].set_index(["model", "measure"])["value"]
    # The best threshold beats volatility alone, the provisional rule and the logit are worse than chance: four events, no more than that.
    assert scores["threshold", "auroc"] == pytest.approx(0.77, abs=0.01)
    assert scores["volatility", "auroc"] == pytest.approx(0.68, abs=0.01)
    assert scores["rule", "auroc"] < 0.5
    assert scores["logit", "auroc"] < 0.5
    tests = china.tables["tests"]
    assert (tests["p_corrected"].dropna() > 0.1).all()


def test_the_demo_needs_nothing_but_the_package(tmp_path: Path) -> None:
    found = sl.backtest(demo=True, models=["threshold"], out=tmp_path / "out", as_of="2008-08-29", settings=QUICK)
    starts = pd.to_datetime(found.tables["events"]["start"])
    assert {2001, 2002, 2007, 2008} <= set(starts.dt.year)
    known = indicators(found)
    assert known["credit_spread"]["row"] == "2008-07-01"  # July's mean, told in August
    assert known["implied_volatility"]["value"] is None  # from 2014
    assert (tmp_path / "out" / "backtest.html").stat().st_size > 50_000
    assert found.record["left_out"] == []
