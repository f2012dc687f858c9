"""VaR and expected shortfall walking forward: by hand, blind to what comes, and part of the verb (M-269 to M-273)."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from test_warning import QUICK, RULE, made_history, uniforms

import stresslab as sl
from stresslab.early_warning import risk_forecasts as rf
from stresslab.early_warning.backtest import Settings
from stresslab.faults import InputError


def closes(n: int = 1100, seed: int = 3) -> pd.Series:
    r = 0.01 * (uniforms(n, seed) + uniforms(n, seed + 50) - 1.0)
    return pd.Series(100.0 * np.exp(np.cumsum(r)), pd.bdate_range("2005-01-03", periods=n))


def test_tail_of_a_sample_by_hand() -> None:
    # Ten returns at 25%: two and a half belong to the tail, (5 + 4 + ½ × 3) / 2.5; two lie beyond the third.
    returns = np.array([-1.0, -3.0, -5.0, 2.0, 1.0, -4.0, 0.0, 3.0, 4.0, -2.0])
    assert rf.tail_of_sample(returns, 0.25) == (3.0, pytest.approx(10.5 / 2.5))
    assert rf.tail_of_sample(returns, 0.2) == (3.0, pytest.approx(4.5))


def plain_historical(returns: np.ndarray, t: int, p: float) -> tuple[float, float]:
    """The quantile by counting, and the shortfall as the mean over every thousandth of the tail."""
    before = sorted(returns[t - 500 : t])
    var = next(-r for r in before if sum(x <= r for x in before) > 500 * p + 1e-9)
    parts = round(1000 * p) * 500
    return var, -sum(before[k // 1000] for k in range(parts)) / parts


def plain_ewma(returns: np.ndarray, t: int, p: float) -> tuple[float, float]:
    """Every square with its weight, and the normal tail by summing over its quantiles."""
    weights = [0.06 * 0.94**k for k in range(t - 1)] + [0.94 ** (t - 1)]
    swing = math.sqrt(sum(w * r * r for w, r in zip(weights, reversed(returns[:t]), strict=True)))
    law = NormalDist()
    n = 200_000
    return -swing * law.inv_cdf(p), -swing * sum(law.inv_cdf(p * (k + 0.5) / n) for k in range(n)) / n


def test_methods_against_plain_ones() -> None:
    r = np.diff(np.log(closes().to_numpy()))
    found, moving = rf.historical(r, 0.01), rf.ewma(r, 0.025)
    for t in (500, 777, r.size - 1):
        assert (found.var[t], found.es[t]) == pytest.approx(plain_historical(r, t, 0.01))
        assert (moving.var[t], moving.es[t]) == pytest.approx(plain_ewma(r, t, 0.025), rel=1e-4)
    assert np.isnan(rf.historical(r, 0.01).var[:500]).all()
    assert np.isnan(rf.ewma(r, 0.01).var[:500]).all()


def test_nothing_sees_the_future() -> None:
    whole = closes()
    shaken = whole.copy()
    shaken.iloc[900:] *= 0.7 * np.exp(np.cumsum(0.05 * (uniforms(200, 9) - 0.5)))
    days = rf.risk_days(whole, 0.99)
    cut, other = rf.risk_days(whole.iloc[:900], 0.99), rf.risk_days(shaken, 0.99)
    last = str(whole.index[899].date())
    early = days[days["date"] <= last].reset_index(drop=True)
    assert set(early["method"]) == set(rf.METHODS)
    pd.testing.assert_frame_equal(early, cut)
    # What is said of the first shaken day was said the evening before; only what came is another.
    after = str(whole.index[900].date())
    said = [table[table["date"] == after][["method", "known_at", "var_pct", "es_pct"]].reset_index(drop=True) for table in (days, other)]
    pd.testing.assert_frame_equal(said[0], said[1])
    assert set(said[0]["known_at"]) == {f"close of {last}"}


def test_the_figures_are_part_of_the_verb(tmp_path: Path) -> None:
    settings = Settings(repetitions=40, first=400, var_level=0.975, holdout_from="2009-06-01")
    made = sl.backtest(made_history(), events=RULE, models=["threshold"], out=tmp_path, settings=settings)
    told = pd.read_csv(tmp_path / "risk.csv")
    assert list(zip(told["window"], told["method"], strict=True)) == [(w, m) for w in ("walk_forward", "holdout") for m in rf.METHODS]
    days = made.tables["risk_days"]
    for row in made.tables["risk"].to_dict("records"):
        own = days[(days["method"] == row["method"]) & days["date"].between(row["from"], row["to"])]
        assert row["violations"] == (own["return_pct"] < -own["var_pct"]).sum() > 0
        assert (own["es_pct"] >= own["var_pct"]).all()
        assert row["expected"] == pytest.approx(0.025 * row["days"])
        assert row["years_green"] + row["years_yellow"] + row["years_red"] == row["days"] // 250
        assert row["accepted_low"] < row["expected"] < row["accepted_high"]
        assert (row["to"] < "2009-06-01") == (row["window"] == "walk_forward")
    page = (tmp_path / "backtest.html").read_text(encoding="utf-8")
    assert "VaR and expected shortfall of the next day at 97.5%" in page
    assert "次日VaR与预期尾部损失（97.5%）回测" in page


def test_days_inside_events_count() -> None:
    made = sl.backtest(made_history(), events=RULE, models=["threshold"], settings=QUICK)
    event = made.tables["events"].iloc[-1]
    inside = made.tables["risk_days"]["date"].between(event["start"], event["end"])
    assert inside.any()


def test_too_short_a_history_is_told() -> None:
    table = rf.risk_table(rf.risk_days(closes(700), 0.99), Settings())
    assert (table["days"] == 0).all()
    assert all(math.isnan(v) for v in table["p_kupiec"])


@pytest.mark.parametrize("level", [0.5, 0.999])
def test_levels_that_days_cannot_tell(level: float) -> None:
    with pytest.raises(InputError, match="var-level"):
        sl.backtest(made_history(), events=RULE, settings=Settings(var_level=level))
