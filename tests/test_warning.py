"""Early warning: evenings, indicators, events, folds, leaks, models and the folder, on histories small enough to follow."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import stresslab as sl
from stresslab.early_warning.backtest import Settings, backtest_of
from stresslab.early_warning.events import Event, events_of, falls, labels_of, waves
from stresslab.early_warning.folds import purged_kfold, walk_forward
from stresslab.early_warning.indicators import indicators_of, regime_indicator, robust_z, trailing_rank
from stresslab.early_warning.known import Known, known_of
from stresslab.early_warning.leaks import foresight, foresights, truncation
from stresslab.early_warning.rules import GRADES, read_rule
from stresslab.early_warning.sentiment import sentiment_index
from stresslab.early_warning.shipped import shipped_history
from stresslab.faults import InputError
from stresslab.history import History
from stresslab.kernels.draws import STREAM_DEMO, fill_uniforms


def uniforms(n: int, seed: int = 1) -> np.ndarray:
    out = np.zeros(n)
    fill_uniforms(out, seed, 0, 0, STREAM_DEMO)
    return out


def noise(n: int, seed: int = 1) -> np.ndarray:
    from scipy.special import ndtri

    return ndtri(np.clip(uniforms(n, seed), 1e-9, 1 - 1e-9))


def made_history(n: int = 1500, seed: int = 1, tables: dict[str, pd.DataFrame] | None = None) -> History:
    """A market of quiet days with a crash of 25% every 250 days, before which volatility rises for 40 days."""
    days = pd.bdate_range("2005-01-03", periods=n)
    size = np.full(n, 0.006)
    drift = np.full(n, 0.0012)
    for crash in range(250, n, 250):
        size[max(0, crash - 40) : crash] = 0.02
        drift[crash : crash + 20] = np.log(0.72) / 20
    close = 1000 * np.exp(np.cumsum(drift + size * noise(n, seed) * (drift > 0)))
    nothing = pd.DataFrame(
        {
            "instrument_id": pd.Series(dtype=str),
            "date": pd.Series(dtype="datetime64[us]"),
            "close": pd.Series(dtype=float),
            "traded": pd.Series(dtype=bool),
        }
    )
    index = pd.DataFrame({"index_id": "X", "date": days.astype("datetime64[us]"), "close": close, "traded": True})
    return History(nothing, index, tables or {})


def table(name: str, values: np.ndarray, step: int = 1, n: int = 1500) -> pd.DataFrame:
    days = pd.bdate_range("2005-01-03", periods=n).astype("datetime64[us]")[::step]
    return pd.DataFrame({"date": days[: len(values)], name: values[: len(days)]})


def known(history: History | None = None, **told: object) -> Known:
    return known_of(history or made_history(), **told)


RULE = "drawdown >= 20% within 60 days"


# --- evenings --------------------------------------------------------------------------------------


def test_a_row_is_known_when_it_was_published() -> None:
    values = np.arange(1500.0)
    found = known(
        made_history(
            tables={"breadth": table("n_limit_down", values), "margin_balance": table("fin_balance_cny", values + 1)}
        )
    )
    assert found.column("breadth", "n_limit_down").values.iloc[100] == 100  # the same evening
    assert found.column("margin_balance", "fin_balance_cny").values.iloc[100] == 100  # yesterday's, which is 99 + 1
    late = known(
        made_history(tables={"margin_balance": table("fin_balance_cny", values + 1)}), lags={"margin_balance": 3}
    )
    assert late.column("margin_balance", "fin_balance_cny").values.iloc[100] == 98


def test_a_monthly_row_is_known_a_month_later_and_stands_until_the_next() -> None:
    monthly = pd.DataFrame(
        {
            "date": pd.date_range("2005-01-01", periods=60, freq="MS").astype("datetime64[us]"),
            "spread_pct": np.arange(60.0),
        }
    )
    column = known(made_history(tables={"rates": monthly})).column("rates", "spread_pct")
    assert column.lag == "35 calendar days"
    assert column.values.loc["2005-06-06"] == 4.0  # 1 May is known on 5 June, a Sunday
    assert column.values.loc["2005-06-03"] == 3.0
    assert str(column.said_on.loc["2005-06-06"].date()) == "2005-05-01"


def test_a_value_that_is_not_renewed_goes_missing_after_a_week() -> None:
    values = np.arange(1500.0)
    values[500:600] = np.nan
    column = known(made_history(tables={"margin_balance": table("avg_guarantee_ratio_pct", values)})).column(
        "margin_balance", "avg_guarantee_ratio_pct"
    )
    there = column.values.notna().to_numpy()
    assert there[505]
    assert not there[507:600].any()
    assert there[602]


def test_an_implied_volatility_that_halves_in_a_day_is_an_artefact() -> None:
    values = np.full(1500, 20.0)
    values[700] = 2.33
    column = known(made_history(tables={"implied_volatility": table("ivix", values)})).column(
        "implied_volatility", "ivix"
    )
    assert column.values.iloc[700] == 20.0
    assert column.values.min() == 20.0


def test_a_history_of_one_instrument_can_stand_for_an_index() -> None:
    whole = made_history()
    prices = whole.index.rename(columns={"index_id": "instrument_id"})
    only = History(prices, whole.index.iloc[:0], {})
    assert known_of(only).index_id == "X"
    assert known_of(only, index="X").close.iloc[-1] == whole.index["close"].iloc[-1]
    with pytest.raises(InputError, match="no such index"):
        known_of(only, index="Y")


def test_too_short_a_history_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="has 200 trading days; 250 are needed"):
        known_of(made_history(200))
    with pytest.raises(InputError, match="is no day"):
        known_of(made_history(), first="June")
    with pytest.raises(InputError, match="no kind of table"):
        known_of(made_history(), lags={"margin": 1})


# --- indicators --------------------------------------------------------------------------------------


def test_indicators_of_missing_tables_are_not_there_and_others_are() -> None:
    names = [one.name for one in indicators_of(known())]
    assert {"volatility_20", "drawdown_250", "momentum_250", "garch_volatility"} <= set(names)
    assert not {"financing_level", "maintenance_ratio", "implied_volatility", "rate_level", "net_flow"} & set(names)


def test_every_indicator_says_what_it_is() -> None:
    values = 100 + np.arange(1500.0)
    tables = {
        "margin_balance": table("fin_balance_cny", values),
        "breadth": table("n_limit_down", values),
        "strange": table("moon_phase", noise(1500)),
    }
    for one in indicators_of(known(made_history(tables=tables))):
        assert one.en
        assert one.zh
        assert one.data
        assert one.lag
        assert one.formula
        assert one.missing.en
        assert one.missing.zh
        assert any("\u4e00" <= letter <= "\u9fff" for letter in one.zh + one.missing.zh)


def test_unknown_columns_are_candidates() -> None:
    found = indicators_of(known(made_history(tables={"indicators: moon": table("phase", noise(1500))})))
    assert [one.name for one in found if one.is_candidate] == ["candidate:indicators: moon.phase"]
    ranked = next(one for one in found if one.is_candidate).values.dropna()
    assert ranked.between(0, 1).all()


def test_breadth_and_concentration_from_prices() -> None:
    whole = made_history()
    days = whole.index["date"]
    rows = []
    for k in range(40):
        # All move together; on day 1000 a quarter falls by 10%, a fifth is not there, and one share takes half of the turnover.
        move = np.where((np.arange(1500) == 1000) & (k < 10), -0.1, 0.001)
        amount = np.full(1500, 39.0 if k == 39 else 1.0)
        told = pd.DataFrame(
            {
                "instrument_id": f"S{k:02d}",
                "date": days,
                "close": 10 * np.cumprod(1 + move),
                "traded": True,
                "amount": amount,
            }
        )
        rows.append(told.drop(index=1000) if k >= 32 else told)
    prices = (
        pd.concat(rows, ignore_index=True).sort_values(["instrument_id", "date"], kind="stable").reset_index(drop=True)
    )
    held = known(History(prices, whole.index, {"sectors": pd.DataFrame({"instrument_id": ["S00"], "sector": ["x"]})}))
    found = {one.name: one.values for one in indicators_of(held)}
    assert found["limit_downs"].iloc[1000] == pytest.approx(100 * (10 / 32) / 5)
    assert found["halts"].iloc[1000] == pytest.approx(100 * (8 / 40) / 5)
    # 39 ones and a 39: HHI = (39 + 39²) / 78² = 0.25641, so 1 / (40 × 0.25641) = 0.0975.
    assert found["concentration"].iloc[900] == pytest.approx(0.0975)
    assert truncation(held, indicators_of(held)) == []


def test_robust_z_by_hand() -> None:
    flow = pd.Series([1.0, 2.0, 3.0] * 30 + [12.0])
    # Median 2, MAD 1 (two thirds of the values are 1 away): 0.6745 × (12 − 2) / 1.
    assert robust_z(flow).iloc[-1] == pytest.approx(6.745)
    assert robust_z(flow).iloc[:60].isna().all()


def test_trailing_rank_by_hand() -> None:
    x = pd.Series([3.0, 1.0, 2.0, 2.0])
    assert trailing_rank(x, 4, 2).tolist()[1:] == pytest.approx([0.25, 0.5, 0.5])


def test_principal_weights_know_only_days_before() -> None:
    n = 700
    common = np.cumsum(noise(n, 11))
    close = pd.Series(100.0, pd.bdate_range("2005-01-03", periods=n))
    parts = {
        "volatility_20": pd.Series(-common + 0.3 * noise(n, 12), close.index),
        "momentum_20": pd.Series(common, close.index),
        "turnover": pd.Series(common + 0.3 * noise(n, 13), close.index),
        "net_flow": pd.Series(noise(n, 14), close.index),
    }
    mood = sentiment_index(parts, close, weights="pca")
    assert mood is not None
    last = mood.weights.iloc[-1]
    assert last.sum() == pytest.approx(1.0)
    assert last["net_flow"] < 0.1 < 0.25 < last["turnover"]
    cut = sentiment_index({k: v.iloc[:600] for k, v in parts.items()}, close.iloc[:600], weights="pca")
    assert cut is not None
    assert np.allclose(cut.index, mood.index.iloc[:600], equal_nan=True)


# --- events ------------------------------------------------------------------------------------------


def prices(*levels: float) -> pd.Series:
    return pd.Series(levels, pd.bdate_range("2010-01-04", periods=len(levels)).astype("datetime64[us]"), dtype=float)


def test_a_fall_by_hand() -> None:
    close = prices(100, 110, 104, 96, 87, 80, 90, 101, 105, 104)
    (event,) = falls(close, 0.2, 60)
    # 87 is 79.1% of 110; the low is 80; 101 is more than half way back.
    assert (event.start, event.end, event.depth_pct) == (close.index[1], close.index[5], pytest.approx(27.27))
    assert falls(close, 0.2, 60, dated="fall")[0].start == close.index[4]
    assert falls(close, 0.2, 2) == []
    assert falls(close, 0.3, 60) == []


def test_the_same_fall_is_told_once() -> None:
    found = events_of(RULE, known())
    assert len(found) == 5
    assert all(one.end > one.start for one in found)
    assert [one.start for one in found] == sorted(one.start for one in found)


def test_waves_of_a_column() -> None:
    days = pd.bdate_range("2010-01-04", periods=60)
    hit = np.zeros(60, bool)
    hit[[5, 6, 7, 15, 16, 50]] = True
    assert [(w.start, w.end) for w in waves(hit, days, 2, "x")] == [(days[5], days[16])]
    assert len(waves(hit, days, 1, "x")) == 2


def test_labels_and_days_left_out_by_hand() -> None:
    days = pd.bdate_range("2010-01-04", periods=30)
    labels = labels_of(days, [Event("x", days[10], days[12])], horizon=3, after=4)
    assert np.flatnonzero(labels.y == 1).tolist() == [7, 8, 9]
    assert np.flatnonzero(labels.blank).tolist() == [10, 11, 12, 13, 14, 15, 16]
    assert np.flatnonzero(np.isnan(labels.y)).tolist() == [27, 28, 29]
    assert np.flatnonzero(labels.scored).tolist() == [*range(10), *range(17, 27)]


def test_a_list_of_events(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("start,end,name\n2007-01-06,2007-02-01,one\n1999-01-01,,before\n", encoding="utf-8")
    (event,) = events_of(path, known())
    assert (event.name, str(event.start.date()), str(event.end.date())) == ("one", "2007-01-08", "2007-02-01")
    path.write_text("start,end\n2007-13-01,\n2007-03-01,2007-02-01\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        events_of(path, known())
    assert [(f.row, f.column) for f in caught.value.faults] == [(2, "start"), (2, "end"), (3, "end")]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("crash of some kind", "neither a rule"),
        ("drawdown >= 95% within 5 days", "no event"),
        ("breadth.n_limit_down >= 5", "names no table"),
        ("drawdown >= 0% within 5 days", "lies between 0 and 100%"),
    ],
)
def test_rules_that_are_none(rule: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        events_of(rule, known())


# --- folds -------------------------------------------------------------------------------------------


def test_purged_folds_as_published() -> None:
    folds = purged_kfold(20, 5, 2, 1)
    assert [f.test.tolist() for f in folds] == [list(range(4 * k, 4 * k + 4)) for k in range(5)]
    assert folds[0].train.tolist() == list(range(7, 20))
    assert folds[1].train.tolist() == [0, 1, *range(11, 20)]
    assert folds[2].train.tolist() == [*range(6), *range(15, 20)]
    assert folds[3].train.tolist() == [*range(10), 19]
    assert folds[4].train.tolist() == list(range(14))


def test_walk_forward_never_trains_on_a_label_that_looks_into_the_test() -> None:
    for fold in walk_forward(300, first=100, refit=50, horizon=10, embargo=5):
        assert fold.train.max() + 10 + 5 < fold.test.min()
        assert fold.train.min() == 0
    for fold in walk_forward(300, first=100, refit=50, horizon=10, embargo=5, rolling=60):
        assert fold.train.min() >= fold.test.min() - 60


# --- leaks -------------------------------------------------------------------------------------------


def test_no_indicator_of_the_house_sees_the_future() -> None:
    values = 1000 * np.exp(np.cumsum(0.01 * noise(1500, 3)))
    tables = {
        "margin_balance": table("fin_balance_cny", values),
        "flows": table("net_inflow", noise(1500, 4)),
        "rates": table("shibor_on_pct", 2 + 0.1 * np.cumsum(noise(1500, 5))),
        "indicators: moon": table("phase", noise(1500, 6)),
    }
    held = known(made_history(tables=tables))
    assert truncation(held, indicators_of(held), sample=5) == []


def test_an_indicator_that_is_scaled_with_the_whole_history_is_caught() -> None:
    from dataclasses import replace

    held = known()
    found = indicators_of(held)
    x = found[0].values
    planted = replace(found[0], values=(x - x.mean()) / x.std())
    assert {leak.indicator for leak in truncation(held, [planted, *found[1:]])} == {found[0].name}


@pytest.mark.parametrize("days", [1, 5, 20, 60])
def test_a_planted_column_of_returns_to_come_is_caught(days: int) -> None:
    close = made_history().index["close"].to_numpy()
    ahead = np.full(1500, np.nan)
    ahead[:-days] = np.log(close[days:] / close[:-days])
    # Known with a lag of one day, and noisy: it still goes with what comes.
    tables = {
        "indicators: oracle": table("whisper", ahead + 0.3 * np.nanstd(ahead) * noise(1500, 7)),
        "indicators: moon": table("phase", noise(1500, 6)),
    }
    found = backtest_of(made_history(tables=tables), RULE, ["threshold:volatility_20"], lags={"indicators": 0})
    assert [leak.indicator for leak in found.dropped] == ["candidate:indicators: oracle.whisper"]
    assert "candidate:indicators: oracle.whisper" not in [one.name for one in found.indicators]
    assert "candidate:indicators: moon.phase" in [one.name for one in found.indicators]


def test_a_planted_label_is_caught() -> None:
    held = known()
    labels = labels_of(held.days, events_of(RULE, held), 60, 60)
    tables = {"indicators: oracle": table("label", np.nan_to_num(labels.y) + 0.01 * uniforms(1500))}
    held = known(made_history(tables=tables), lags={"indicators": 0})
    found = foresights(held, indicators_of(held), labels.y, labels.scored, 60)
    assert [leak.indicator for leak in found] == ["candidate:indicators: oracle.label"]


def test_honest_indicators_are_left_alone() -> None:
    held = known_of(shipped_history(), index="SP500")
    labels = labels_of(held.days, events_of("drawdown >= 15% within 60 days", held), 60, 60)
    assert foresights(held, indicators_of(held), labels.y, labels.scored, 60) == []
    assert foresight(held.close, pd.Series(noise(len(held.days)), held.days), 60) == (0.0, 0)


# --- models ------------------------------------------------------------------------------------------

QUICK = Settings(repetitions=40, refit=126, first=400)


@pytest.fixture(scope="module")
def found() -> object:
    return backtest_of(
        made_history(),
        RULE,
        ["threshold", "threshold:volatility_60", "rule", "logit", "boosting", "regime", "combination"],
        settings=QUICK,
    )


def test_models_find_a_market_whose_volatility_rises_before_every_crash(found) -> None:
    from stresslab.early_warning.scores import auroc

    y = found.labels.y[found.judged_days]
    told = {c.model.name: auroc(y, c.score[found.judged_days]) for c in found.courses}
    assert told["always"] == told["never"] == 0.5
    assert told["volatility"] > 0.75
    assert told["threshold"] > 0.75
    assert told["logit"] > 0.6


def test_nothing_is_forecast_before_there_was_an_event_to_learn_from(found) -> None:
    first = int(np.flatnonzero(found.forecast)[0])
    assert found.known.days[first] > found.events[0].start
    for course in found.courses:
        assert np.isnan(course.score[:first]).all()
        assert not course.alarm[:first].any()


def test_the_past_of_a_forecast_is_all_it_knows() -> None:
    whole = backtest_of(made_history(), RULE, ["threshold", "logit"], settings=QUICK)
    cut = backtest_of(
        made_history(), RULE, ["threshold", "logit"], last=str(whole.known.days[1199].date()), settings=QUICK
    )
    for a, b in zip(whole.courses, cut.courses, strict=True):
        assert np.allclose(a.score[:1200], b.score, rtol=1e-7, equal_nan=True), a.model.name
        assert (a.alarm[:1200] == b.alarm).all(), a.model.name


def test_grades_of_the_shipped_rule() -> None:
    rule = read_rule(None)
    values = {
        "volatility_20": np.array([10.0, 26.0, 31.0, 41.0, np.nan]),
        "momentum_250": np.array([0.0, 0.0, 61.0, 0.0, 70.0]),
        "drawdown_250": np.array([0.0, 0.0, 0.0, 16.0, 0.0]),
    }
    assert [GRADES[g] for g in rule.grades(values, 5)] == ["none", "yellow", "orange", "red", "yellow"]
    assert rule.action(3)[1]


def test_learners_bear_columns_without_values() -> None:
    from stresslab.early_warning.models import boosting, logit

    x = np.column_stack([noise(300), np.full(300, np.nan)])
    y = (x[:, 0] > 0.5).astype(float)
    for learner in (logit, boosting):
        told = learner(x, y, 1.0)(x)
        assert told[y == 1].min() > told[y == 0].mean()
        assert np.ptp(learner(x[:, 1:], y, 1.0)(x[:, 1:])) < 1e-12


def test_a_rule_file_with_faults(tmp_path: Path) -> None:
    path = tmp_path / "rule.toml"
    path.write_text(
        'id = "x"\n[[alarm]]\ngrade = "yellow"\naction = "a"\nneed = 3\nwhen = ["volatility20 >= 5", "momentum_20 => 3"]\n',
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        read_rule(path)
    assert [f.rule for f in caught.value.faults] == [
        "names no indicator",
        "is no comparison",
        "more conditions are needed than the 2 there are",
    ]
    assert "volatility_20" in caught.value.faults[0].way_out
    path.write_text('id = "x"\n[[alarm]]\ngrade = "purple"\naction = "a"\nwhen = []\n', encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_rule(path)
    assert {f.column for f in caught.value.faults} == {"alarm.0.grade", "alarm.0.when"}


def test_models_that_are_none() -> None:
    with pytest.raises(InputError) as caught:
        backtest_of(made_history(), RULE, ["logti", "threshold:moon", "threshold:financing_level"])
    assert [f.rule for f in caught.value.faults] == [
        "is no model",
        "is no indicator",
        "this history has no data for the indicator",
    ]
    with pytest.raises(InputError, match="lies between 0 and 1"):
        backtest_of(made_history(), RULE, ["logit"], settings=Settings(mu=1.5))


# --- the folder --------------------------------------------------------------------------------------


def test_a_folder_twice_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        sl.backtest(
            made_history(),
            events=RULE,
            models=["threshold", "rule", "boosting"],
            out=tmp_path / name,
            as_of="2010-01-04",
            settings=QUICK,
        )
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert {
        "scores.csv",
        "scores.parquet",
        "alarms.parquet",
        "events.csv",
        "record.json",
        "backtest.html",
        "indicators.csv",
    } <= set(files)
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    page = (tmp_path / "a" / "backtest.html").read_text(encoding="utf-8")
    assert page.count("<svg") > 3
    assert "nan" not in page.replace("finance", "")
    events = (tmp_path / "a" / "events.csv").read_text(encoding="utf-8")
    assert events.startswith("start,end,name,depth_pct,source\n")
    again = sl.backtest(made_history(), events=tmp_path / "a" / "events.csv", models=["threshold"], settings=QUICK)
    assert len(again.tables["events"]) == 5


def test_a_rule_in_shadow_and_a_holdout(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'id = "mine"\nalarm_from = "yellow"\n[[alarm]]\ngrade = "yellow"\naction = "look"\nwhen = ["volatility_20 >= 20"]\n',
        encoding="utf-8",
    )
    made = sl.backtest(
        made_history(),
        events=RULE,
        models=["rule"],
        shadow=path,
        settings=Settings(repetitions=40, first=400, holdout_from="2009-06-01"),
    )
    pair = made.tables["shadow"]
    assert set(pair["window"]) == {"walk_forward", "holdout"}
    assert (pair[["both", "shadow_alone", "in_force_alone", "neither"]].sum(axis=1) == pair["days"]).all()
    days = made.alarms[made.alarms["window"] == "walk_forward"]["date"]
    assert days.max() < "2009-06-01"
    late = pd.Timestamp("2009-06-01") - pd.Timestamp(days.max())
    assert late.days > 60  # whose label looks into the holdout is in neither


def test_the_first_rise_is_where_the_first_alarm_of_the_window_began() -> None:
    from stresslab.early_warning.asked import _first_rise

    alarm = np.zeros(600, bool)
    alarm[[100, *range(195, 206), 300]] = True
    assert _first_rise(alarm, 450) == 195  # it still stood on day 200, the first of the window
    assert _first_rise(alarm, 460) == 300
    assert _first_rise(alarm, 599) is None


def test_what_was_known_on_an_evening() -> None:
    made = sl.backtest(made_history(), events=RULE, models=["threshold", "rule"], as_of="2009-06-13", settings=QUICK)
    known_then = made.as_of
    assert known_then is not None
    assert known_then["date"] == "2009-06-12"  # a Saturday asks about its Friday
    assert {m["model"] for m in known_then["models"]} == {"volatility", "threshold", "rule"}
    assert json.loads(json.dumps(known_then)) == known_then
    with pytest.raises(InputError, match="outside the history"):
        sl.backtest(made_history(), events=RULE, models=["rule"], as_of="2031-01-01", settings=QUICK)


# --- the command line --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up market as files."""
    place = tmp_path_factory.mktemp("history")
    index = made_history().index
    index.assign(date=index["date"].dt.strftime("%Y-%m-%d")).drop(columns="traded").to_csv(
        place / "index.csv", index=False
    )
    return place


def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    from stresslab import cli

    monkeypatch.setattr("sys.argv", ["stresslab", "backtest", *words])
    with pytest.raises(SystemExit) as done:
        cli.main()
    told = capsys.readouterr()
    return int(done.value.code or 0), told.out, told.err


def test_the_verb_writes_a_folder_and_says_what_it_found(folder: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    quick = ["--repetitions", "20", "--first", "400", "--model", "threshold"]
    out = tmp_path / "out"
    code, told, _ = command(capsys, monkeypatch, str(folder), "--events", RULE, "--out", str(out), *quick)
    assert code == 0
    assert "5 events by drawdown" in told
    assert (out / "record.json").is_file()
    record = json.loads((out / "record.json").read_text(encoding="utf-8"))
    assert record["inputs"].keys() == {"index.csv"}
    assert set(record["outputs"]) == {p.name for p in out.iterdir()} - {"record.json"}
    code, told, _ = command(capsys, monkeypatch, str(folder), "--events", RULE, "--json", *quick)
    assert code == 0
    assert {row["model"] for row in json.loads(told)["scores"]} == {"always", "never", "volatility", "threshold"}


def test_exit_codes(folder: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    quick = ["--repetitions", "20", "--first", "400", "--model", "rule"]
    code, _, err = command(capsys, monkeypatch, str(folder), *quick)
    assert code == 2
    assert "a backtest needs events" in err
    code, _, err = command(capsys, monkeypatch, str(folder), "--events", RULE, "--fail-on", "alarm", *quick)
    assert code == 2
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    code, _, err = command(capsys, monkeypatch, str(folder), "--events", RULE, "--out", str(tmp_path), *quick)
    assert code == 2
    assert "holds no backtest" in err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    # Deep in a crash a rule on the fall so far warns, and a quiet day before it does not.
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'id = "mine"\n[[alarm]]\ngrade = "red"\naction = "stop"\nwhen = ["drawdown_250 >= 15"]\n', encoding="utf-8"
    )
    days = made_history().index["date"]
    quick = [*quick[:-1], f"rule:{mine}", "--fail-on", "alarm"]
    quiet = str(days.iloc[1200].date())
    code, _, _ = command(capsys, monkeypatch, str(folder), "--events", RULE, "--as-of", quiet, *quick)
    assert code == 0
    deep = str(days.iloc[1268].date())
    code, told, _ = command(capsys, monkeypatch, str(folder), "--events", RULE, "--as-of", deep, *quick)
    assert code == 1
    assert "ALARM" in told


def test_a_leak_is_told_and_can_fail(folder: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    close = made_history().index
    ahead = pd.DataFrame(
        {"date": close["date"].dt.strftime("%Y-%m-%d"), "whisper": np.log(close["close"].shift(-10) / close["close"])}
    )
    ahead.to_csv(tmp_path / "oracle.csv", index=False)
    words = [
        str(folder),
        str(tmp_path / "oracle.csv"),
        "--events",
        RULE,
        "--as-of",
        "2009-06-12",
        "--repetitions",
        "20",
        "--first",
        "400",
        "--model",
        "rule",
    ]
    code, _, err = command(capsys, monkeypatch, *words, "--fail-on", "leak")
    assert code == 1
    assert "whisper sees the future" in err
    named = [*words[:-1], "threshold:candidate:oracle.whisper"]
    code, _, err = command(capsys, monkeypatch, *named)
    assert code == 2


def test_formulas_are_told_in_chinese_too() -> None:
    from stresslab.early_warning.indicators import SPECS
    from stresslab.report.early_warning_words import FORMULAS, formula_of, lag_of

    assert {spec.formula for spec in SPECS} <= set(FORMULAS)
    # The sentiment index, the regime and the candidates are made apart.
    assert regime_indicator(known()).formula in FORMULAS
    told = formula_of("points", "closes of SSE")
    assert (told.en, told.zh) == ("points (closes of SSE)", "百分点（SSE收盘价）")
    assert [lag_of(x).zh for x in ("0 trading days", "1 trading day", "35 calendar days", "by its table")] == [
        "当晚", "1个交易日", "35个自然日", "随数据表"]


def test_an_evening_is_told_in_chinese_alone() -> None:
    from stresslab.report.early_warning_summary import summary

    made = sl.backtest(made_history(), events=RULE, models=["rule", "threshold"], as_of="2010-01-04", settings=QUICK)
    lines = summary(made.record, made.tables, "zh")
    start = next(n for n, line in enumerate(lines) if "当晚已知信息" in line)
    states = [line for line in lines[start:] if "交易日" in line and ("报警" in line)]
    assert len(states) >= 3
    for line in states:
        assert not re.search(r"\b(since|quiet|first|rose|ALARM|probability|days)\b", line), line
    en = "\n".join(summary(made.record, made.tables, "en"))
    assert "of the last 250 days" in en
    assert "first rose in 250 days" not in en
