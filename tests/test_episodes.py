"""Episodes of a history, and the Federal Reserve's tables, as scenarios: dated, sourced, rescaled exactly (M-74)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stresslab import verbs
from stresslab.episodes import FED, between, episode_scenario, fed_scenario, levels, read_fed, scenario_toml
from stresslab.faults import InputError
from stresslab.history import History
from stresslab.market import shipped_market
from stresslab.scenario import Scenario, read_scenario

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the price histories are not there")


def history(*closes: float) -> History:
    dates = pd.bdate_range("2015-06-12", periods=len(closes))
    return History.of(pd.DataFrame(index=dates), pd.Series(closes, index=dates, name="I.SH", dtype=float))


DAYS = {"first": "2015-06-12", "last": "2015-06-18"}


def read(tmp_path: Path, written: dict[str, Any]) -> Scenario:
    file = tmp_path / "one.toml"
    file.write_text(scenario_toml(written), encoding="utf-8")
    return read_scenario(file)


def test_an_episode_is_a_scenario_that_stands_alone(tmp_path: Path) -> None:
    made = read(tmp_path, episode_scenario(history(200, 190, 150, 160, 155), **DAYS))
    path = made.market.path
    assert path is not None
    assert path.level_pct == (100.0, 95.0, 75.0, 80.0, 77.5)
    assert (path.from_date, path.to_date, path.index, path.depth_pct) == ("2015-06-12", "2015-06-18", "I.SH", None)
    assert (made.days, made.id) == (4, "episode-I.SH-2015-06-12")
    assert made.liquidity.impact == "none"
    assert "forced sales of the time" in path.source
    assert made.behaviour == read_scenario("baseline").behaviour


def test_an_episode_is_scaled_to_a_depth_in_logs(tmp_path: Path) -> None:
    made = read(tmp_path, episode_scenario(history(200, 190, 150, 160, 155), depth=40, **DAYS))
    path = made.market.path
    assert path is not None
    assert min(path.level_pct) == 60.0
    assert path.depth_pct == 40
    scale = math.log(0.6) / math.log(0.75)
    assert path.level_pct[1] == pytest.approx(100 * 0.95**scale, abs=1e-6)
    assert f"{scale:.4f}" in path.source


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(20, 180), min_size=2, max_size=40), st.floats(1, 90))
def test_any_episode_that_falls_reaches_its_depth(closes: list[float], depth: float) -> None:
    dates = pd.bdate_range("2015-06-12", periods=len(closes) + 1)
    held = History.of(pd.DataFrame(index=dates), pd.Series([200.0, *closes], index=dates, name="I"))
    made = episode_scenario(held, first=str(dates[0].date()), last=str(dates[-1].date()), depth=depth)
    assert min(made["market"]["path"]["level_pct"]) == pytest.approx(100 - depth, abs=1e-5)


def test_what_forced_sales_did_may_be_left_out(tmp_path: Path) -> None:
    made = read(tmp_path, episode_scenario(history(200, 190, 150, 160, 155), impact_share=30, **DAYS))
    path = made.market.path
    assert path is not None
    assert path.level_pct[2] == pytest.approx(100 * 0.75**0.7, abs=1e-6)
    assert path.stripped_impact_pct == 100
    assert made.liquidity.impact == "sqrt"  # now the scenario's own
    assert "assumption: 30%" in path.source


def test_an_episode_that_cannot_be_is_refused() -> None:
    held = history(200, 210, 220, 230, 240)
    cases: list[dict[str, Any]] = [
        {"depth": 40}, {"depth": 0}, {"depth": 96}, {"impact_share": 100}, {"depth": 10, "impact_share": 10}, {"days": 3}, {"days": 505},
        {"after": "gone"}, {"index": "J"},
    ]
    for case in cases:
        with pytest.raises(InputError):
            episode_scenario(held, **DAYS, **case)
    for days in ({"first": "2015-06-18", "last": "2015-06-18"}, {"first": "2016-01-01", "last": "2016-02-01"}):
        with pytest.raises(InputError, match="at least 2"):
            episode_scenario(held, **days)


def test_points_are_joined_in_the_log() -> None:
    moves = between([(0, 100.0), (2, 25.0), (3, 50.0)])
    assert levels(moves) == [100.0, 50.0, 25.0, 50.0]


def test_the_replay_of_2015_is_its_four_public_points() -> None:
    made = read_scenario("replay-2015")
    path = made.market.path
    assert path is not None
    assert len(path.level_pct) == 53
    for day, close in ((0, 5166.35), (17, 3507.19), (28, 4123.92), (52, 2927.29)):
        assert path.level_pct[day] == pytest.approx(100 * close / 5166.35, abs=1e-6)
    logs = np.diff(np.log(path.level_pct))
    assert len({round(float(x), 7) for x in logs}) == 3  # straight between them, nothing else is in it
    assert "not observed" in path.source
    assert made.liquidity.impact == "none"


def test_the_triple_rises_in_every_shock() -> None:
    three = [read_scenario(name) for name in ("mild", "moderate", "severe")]
    for read_of in (lambda s: s.market.crash.depth_pct, lambda s: s.rates.shock_pct, lambda s: s.redemption.share_pct):
        values = [read_of(s) for s in three]
        assert values == sorted(set(values))
    assert len({(s.liquidity, s.behaviour, s.operations) for s in three}) == 1


# --- the Federal Reserve's tables -----------------------------------------------------------------

COLUMNS = list(FED.values())


def fed_file(folder: Path, name: str, rows: list[tuple[float, float, float, float, float]]) -> Path:
    lines = [",".join(COLUMNS)]
    lines += [f"{name},2025 Q{q},{','.join(str(x) for x in row)}" for q, row in enumerate(rows, start=1)]
    file = folder / f"{name}.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


CALM, DIRE = "Supervisory Baseline", "Supervisory Severely Adverse"


@pytest.fixture
def fed(tmp_path: Path) -> Path:
    """Level, VIX, 3-month rate, 10-year yield, BBB yield by quarter."""
    fed_file(tmp_path, CALM, [(1000, 20, 4, 4.5, 6), (1000, 20, 4, 4.5, 6)])
    fed_file(tmp_path, DIRE, [(600, 60, 2, 2, 6), (500, 40, 0, 1, 6)])
    return tmp_path


def test_the_adverse_table_becomes_a_path(fed: Path) -> None:
    market = shipped_market()
    made = fed_scenario(read_fed(fed), market)
    told = made["market"]["path"]["level_pct"]
    assert (made["days"], len(told)) == (126, 127)
    assert (told[0], told[63], told[126]) == (100.0, 60.0, 50.0)
    assert told[31] == pytest.approx(100 * 0.6 ** (31 / 63), abs=1e-6)
    # VIX in a straight line 20, 60, 40: its mean over days 1 to 63 is 40.3, over 64 to 126 it is 49.8.
    vix = np.interp(np.arange(1, 127), [0, 63, 126], [20, 60, 40]).mean()
    assert made["market"]["volatility_multiplier"] == pytest.approx(vix / market.market.volatility_pct, abs=1e-4)
    shift = made["rates"]["path"]["shift_pct"]
    # 4 + (6 − 4.5) = 5.5 before, 2 + (6 − 2) = 6 after a quarter, 0 + (6 − 1) = 5 after two.
    assert (shift[0], shift[63], shift[126]) == (0.0, 0.5, -0.5)
    assert "first quarter of the baseline" in made["market"]["path"]["source"]
    assert not any(math.copysign(1, x) < 0 and x == 0 for x in shift)


def test_a_table_alone_begins_at_its_first_quarter_and_says_so_aloud(tmp_path: Path) -> None:
    """From 600 to 500 it is 17%, from 1000 it would be 50%: nobody may take the first for the scenario."""
    made = fed_scenario(read_fed(fed_file(tmp_path, DIRE, [(600, 60, 2, 2, 6), (500, 40, 0, 1, 6)])), shipped_market())
    assert made["days"] == 63
    assert made["market"]["path"]["level_pct"][-1] == pytest.approx(100 * 500 / 600, abs=1e-6)
    assert "equities fall 16.7% after the end of 2025 Q1. INCOMPLETE" in made["purpose"]
    assert "baseline's (2A) or the historical table (1A)" in made["purpose"]
    assert "不完整" in made["purpose_zh"]
    assert made["title"].endswith("without 2025 Q1")
    assert made["id"].endswith("without-2025-q1")
    assert "left out" in made["market"]["path"]["source"]
    read(tmp_path, made)
    with pytest.raises(InputError, match="no quarter after"):
        fed_scenario(read_fed(fed_file(tmp_path, DIRE, [(600, 60, 2, 2, 6)])), shipped_market())


def test_the_command_line_says_what_is_missing(fed: Path, tmp_path: Path, said: Any) -> None:
    code, out, _ = said("episode", fed / f"{DIRE}.csv", "--out", tmp_path / "alone.toml")
    assert code == 0
    assert "INCOMPLETE: what they fell in 2025 Q1 itself is missing" in out.splitlines()[-1]
    assert "INCOMPLETE" not in said("episode", fed, "--out", tmp_path / "both.toml")[1]


def test_a_table_with_its_start_is_complete(fed: Path) -> None:
    made = fed_scenario(read_fed(fed), shipped_market())
    assert made["purpose"] == f"{DIRE} of the Federal Reserve's stress test: equities fall 50.0%"
    assert "without" not in made["title"] + made["id"]


def test_the_historical_table_tells_the_state_before(fed: Path) -> None:
    """Its last quarter is day 0, before the baseline's first; older quarters, lower ones too, are not looked at."""
    history = fed_file(fed, "Actual", [(100, 90, 9, 9, 9), (1250, 16, 4.2, 4.5, 6)])
    history.write_text(history.read_text().replace("2025 Q1,100,90", "2024 Q3,,").replace("2025 Q2", "2024 Q4"), encoding="utf-8")
    made = fed_scenario(read_fed(fed), shipped_market())
    assert made["market"]["path"]["level_pct"][126] == pytest.approx(100 * 500 / 1250, abs=1e-6)
    assert "2024 Q4 by the historical table" in made["market"]["path"]["source"]
    shift = made["rates"]["path"]["shift_pct"]
    assert shift[63] == pytest.approx(6 - (4.2 + 6 - 4.5), abs=1e-9)
    # The table of the scenario and that of history are enough.
    alone = fed_scenario(read_fed(fed / f"{DIRE}.csv", history), shipped_market())
    assert alone["market"]["path"] == made["market"]["path"]
    with pytest.raises(InputError, match="tells no scenario"):
        fed_scenario(read_fed(history), shipped_market())


@pytest.mark.parametrize("quarter", ["2024 Q3", "2025 Q4", "last year"])
def test_history_of_another_year_is_refused(fed: Path, quarter: str) -> None:
    history = fed_file(fed, "Actual", [(1250, 16, 4.2, 4.5, 6)])
    history.write_text(history.read_text().replace("2025 Q1", quarter), encoding="utf-8")
    with pytest.raises(InputError, match=r"Actual.csv: ends with .*; take the historical table of the same year"):
        fed_scenario(read_fed(fed), shipped_market())


def test_a_baseline_of_another_year_is_refused(fed: Path) -> None:
    calm = fed / f"{CALM}.csv"
    calm.write_text(calm.read_text().replace("2025", "2024"), encoding="utf-8")
    with pytest.raises(InputError, match=r"Baseline.csv: begins with 2024 Q1.*; take the baseline of the same year"):
        fed_scenario(read_fed(fed), shipped_market())


def test_an_international_table_is_no_scenario(fed: Path, tmp_path: Path) -> None:
    abroad = fed / "3B.csv"
    abroad.write_text("Scenario Name,Date,Japan inflation,Japan bilateral dollar exchange rate (yen/USD)\n"
                      f"{DIRE},2025 Q1,0.9,155.1\n", encoding="utf-8")
    assert len(read_fed(fed)) == 2
    assert len(read_fed(abroad, fed / f"{DIRE}.csv")) == 1
    with pytest.raises(InputError, match=r"3B.csv: is an international table .*; only the domestic tables become scenarios") as caught:
        verbs.episode(abroad, out=tmp_path / "no.toml")
    assert len(caught.value.faults) == 1
    assert not (tmp_path / "no.toml").exists()


def test_a_published_table_takes_no_word_on_a_history(fed: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        verbs.episode(fed, out=tmp_path / "no.toml", first="2015-06-12", depth=40, after="flat", impact_share=10)
    assert [f.column for f in caught.value.faults] == ["from", "depth", "impact-share", "after"]
    assert verbs.episode(fed, out=tmp_path / "yes.toml")["days"] == 126


def test_a_damaged_table_is_refused_by_row(fed: Path) -> None:
    file = fed / f"{DIRE}.csv"
    file.write_text(file.read_text().replace("500,40", "gone,-4"), encoding="utf-8")
    with pytest.raises(InputError) as found:
        read_fed(fed)
    assert [(f.row, f.value) for f in found.value.faults] == [(3, "gone"), (3, "-4")]
    assert read_fed(fed / "nothing") == []


def test_what_is_written_is_a_sound_scenario(fed: Path, tmp_path: Path) -> None:
    made = read(tmp_path, fed_scenario(read_fed(fed), shipped_market()))
    assert made.days == 126


@real
def test_the_tables_of_2025() -> None:
    made = fed_scenario(read_fed(DATA / "fed_scenarios_2025"), shipped_market())
    told = made["market"]["path"]["level_pct"]
    assert made["days"] == 504
    assert min(told) == pytest.approx(100 * 29199.6 / 58399.3, abs=1e-6)  # half, at the end of 2025
    assert told.index(min(told)) == 4 * 63
    assert 2 < made["market"]["volatility_multiplier"] < 3
    shift = made["rates"]["path"]["shift_pct"]
    assert shift[63] == pytest.approx((1.8 + 5.2 - 1.4) - (4.3 + 5.6 - 4.4), abs=1e-9)


@real
def test_the_adverse_table_of_2025_alone_says_what_is_missing(tmp_path: Path, said: Any) -> None:
    folder = DATA / "fed_scenarios_2025"
    alone = folder / "2025-Table_3A_Supervisory_Severely_Adverse_Domestic.csv"
    code, out, _ = said("episode", alone, "--out", tmp_path / "3a.toml")
    assert code == 0
    assert "equities fall 15.4% after the end of 2025 Q1. INCOMPLETE" in out
    code, out, _ = said("episode", alone, folder / "2025-Table_2A_Supervisory_Baseline_Domestic.csv", "--out", tmp_path / "both.toml")
    assert code == 0
    assert out.splitlines()[-1].endswith("equities fall 50.0%")
    with pytest.raises(InputError, match="is an international table"):
        read_fed(folder / "2025-Table_3B_Supervisory_Severely_Adverse_International.csv")


@real
def test_the_verb_writes_the_episode_of_2015(tmp_path: Path) -> None:
    out = tmp_path / "june.toml"
    verbs.episode(DATA / "cn_index_daily", out=out, first="2015-06-12", last="20150826", index="000001.SH")
    path = read_scenario(out).market.path
    assert path is not None
    shipped = read_scenario("replay-2015").market.path
    assert shipped is not None
    assert len(path.level_pct) == len(shipped.level_pct)
    for day in (0, 17, 28, 52):  # the public points are closes of the history
        assert path.level_pct[day] == pytest.approx(shipped.level_pct[day], abs=0.01)
    first = out.read_bytes()
    verbs.episode(DATA / "cn_index_daily", out=out, first="2015-06-12", last="2015-08-26", index="000001.SH")
    assert out.read_bytes() == first
