"""A history as people keep it: adapters by column, faults all at once, halts, splits (M-65)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stresslab.faults import InputError
from stresslab.history import History, read_history
from stresslab.history.columns import kind_of, known_columns

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the price histories are not there")


def rows(days: int = 30, codes: tuple[str, ...] = ("000001", "000002", "600000")) -> pd.DataFrame:
    """Return long prices that rise a little every day."""
    dates = pd.bdate_range("2015-01-05", periods=days).strftime("%Y-%m-%d")
    return pd.DataFrame([
        {"date": d, "ticker": c, "close": f"{10 * 1.001**t + at:.4f}", "volume": 1000 + t}
        for at, c in enumerate(codes) for t, d in enumerate(dates)
    ])


def index_rows(days: int = 30) -> pd.DataFrame:
    dates = pd.bdate_range("2015-01-05", periods=days).strftime("%Y-%m-%d")
    return pd.DataFrame([{"date": d, "index_code": "I", "close": 1000 + t} for t, d in enumerate(dates)])


def written(folder: Path, **tables: pd.DataFrame) -> Path:
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


def faults(*paths: Path, splits: str = "refuse") -> list[str]:
    with pytest.raises(InputError) as found:
        read_history(*paths, splits=splits)  # type: ignore[arg-type]
    return [str(f) for f in found.value.faults]


# --- shapes ---------------------------------------------------------------------------------------


def test_a_plain_folder_is_read(tmp_path: Path) -> None:
    history = read_history(written(tmp_path, prices=rows(), index=index_rows()))
    assert history.instrument_ids == ["000001", "000002", "600000"]  # leading zeros stay
    assert history.index_ids == ["I"]
    assert set(history.digests) == {"prices.csv", "index.csv"}
    returns = history.returns(history.closes().index)
    assert returns.shape == (29, 3)
    assert returns["000001"].iloc[0] == pytest.approx(math.log(1.001), abs=1e-5)
    assert history.prices["volume_shares"].sum() == 3 * sum(range(1000, 1030))


@pytest.mark.parametrize(("names", "dates"), [
    ({"date": "trade_date", "ticker": "ts_code", "close": "Close"}, "%Y%m%d"),
    ({"date": "日期", "ticker": "股票代码", "close": "收盘价", "volume": "成交量"}, "%Y/%m/%d"),
    ({"date": "Date", "ticker": "Symbol", "close": "Adj Close"}, "%Y-%m-%d"),
    ({"date": "day", "ticker": "instrument_id"}, "%d-%b-%Y"),
])
def test_columns_are_known_by_the_names_of_providers(tmp_path: Path, names: dict[str, str], dates: str) -> None:
    told = rows()
    told["date"] = pd.to_datetime(told["date"]).dt.strftime(dates)
    plain = read_history(written(tmp_path, one=rows()))
    other = tmp_path / "other"
    other.mkdir()
    told.rename(columns=names).to_csv(other / "daily.csv", index=False, encoding="gb18030")
    again = read_history(other)
    pd.testing.assert_frame_equal(again.prices[["instrument_id", "date", "close"]], plain.prices[["instrument_id", "date", "close"]])


def test_parquet_and_parts_say_the_same(tmp_path: Path) -> None:
    typed = rows().assign(date=lambda t: pd.to_datetime(t["date"]), close=lambda t: t["close"].astype(float))
    for name in ("csv", "file", "parts/prices"):
        (tmp_path / name).mkdir(parents=True)
    written(tmp_path / "csv", prices=rows())
    typed.to_parquet(tmp_path / "file" / "prices.parquet")
    for at, (_, part) in enumerate(typed.groupby("ticker")):
        part.to_parquet(tmp_path / "parts" / "prices" / f"{at}.parquet")
    one, two, three = (read_history(tmp_path / name) for name in ("csv", "file", "parts"))
    assert one.digest == two.digest == three.digest
    assert len(three.digests) == 3


def test_tables_beside_are_kept_with_their_unknown_columns(tmp_path: Path) -> None:
    days = index_rows()["date"]
    tables = {
        "margin_balance": pd.DataFrame({"date": days, "fin_balance_cny": 1e9, "mood": "calm"}),
        "vix": pd.DataFrame({"date": days, "close": 20}),
        "shibor": pd.DataFrame({"date": days, "shibor_on_pct": 2.5}), "weather": pd.DataFrame({"date": days, "rain": 1.0}),
    }
    history = read_history(written(tmp_path, prices=rows(), index=index_rows().assign(mood=3), **tables))
    assert set(history.tables) == {"margin_balance", "implied_volatility", "rates", "indicators: weather"}
    assert list(history.tables["margin_balance"]["mood"].unique()) == ["calm"]
    assert history.index["mood"].eq(3).all()


def test_sectors_come_from_a_list_or_a_column(tmp_path: Path) -> None:
    listed = pd.DataFrame({"ticker": ["000001", "600000"], "industry": ["banks", "steel"]})
    history = read_history(written(tmp_path, prices=rows(), listed=listed))
    assert [history.sector(i) for i in history.instrument_ids] == ["banks", "not named", "steel"]
    (tmp_path / "listed.csv").unlink()
    written(tmp_path, prices=rows().assign(sector="one"))
    assert set(read_history(tmp_path).sectors.values()) == {"one"}


def test_of_two_closes_the_adjusted_one_is_read() -> None:
    assert known_columns(["Date", "Close", "Adj Close", "Symbol"])["close"] == "Adj Close"
    assert kind_of("us", ["date", "series", "close"]) == "index"
    assert kind_of("index", ["date", "code", "close"]) == "index"
    assert kind_of("notes", ["who", "what"]) is None


# --- faults ---------------------------------------------------------------------------------------


def test_every_fault_is_named_at_once_with_its_row(tmp_path: Path) -> None:
    broken = rows().astype({"volume": str})
    broken.loc[4, "date"] = "2015-13-01"
    broken.loc[6, "close"] = "0"
    broken.loc[8, "close"] = "ten"
    broken.loc[9, "close"] = ""
    broken.loc[11, "ticker"] = ""
    broken.loc[12, "volume"] = "-5"
    said = faults(written(tmp_path, prices=broken, index=index_rows()))
    assert [s.split(":")[0] for s in said] == [
        "prices.csv row 6, date = '2015-13-01'", "prices.csv row 13, ticker = ''", "prices.csv row 10, close = 'ten'",
        "prices.csv row 11, close = ''", "prices.csv row 8, close = '0'", "prices.csv row 14, volume = '-5'",
    ]


def test_a_day_that_stands_twice_is_refused(tmp_path: Path) -> None:
    twice = pd.concat([rows(), rows().iloc[[3]]])
    (said,) = faults(written(tmp_path, prices=twice, index=index_rows()))
    assert said.startswith("prices.csv row 92, date = '2015-01-08': 000001 stands on this day already")
    (said,) = faults(written(tmp_path, prices=rows(), index=pd.concat([index_rows(), index_rows().tail(1)])))
    assert said.startswith("index.csv row 32, date")


def test_missing_days_are_refused(tmp_path: Path) -> None:
    said = faults(written(tmp_path, prices=rows(), index=index_rows().drop(index=7)))
    assert said == ["index.csv, date = '2015-01-14': I lacks this day, on which instruments traded; add the index's close of that day"]
    gone = rows()[lambda t: t["date"] != "2015-01-20"]
    (only,) = faults(written(tmp_path, prices=gone, index=index_rows()))
    assert only.startswith("prices.csv, date = '2015-01-20': no instrument has a price on this day")
    hole = index_rows(60).drop(index=range(20, 40))
    (only,) = faults(written(tmp_path, prices=rows(15), index=hole))
    assert only.startswith("index.csv row 22, date = '2015-03-02': no day of I for more than 16 calendar days")


def test_a_day_of_few_closes_is_no_trading_day(tmp_path: Path) -> None:
    told = rows()[lambda t: (t["date"] != "2015-01-20") | (t["ticker"] == "000001")]
    history = read_history(written(tmp_path, prices=told, index=index_rows()[lambda t: t["date"] != "2015-01-20"]))
    assert "2015-01-20" in history.notes[0].en
    assert history.returns(history.closes().index).notna().all().all()


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert "no such file" in faults(tmp_path / "nowhere")[0]
    assert "holds no table" in faults(tmp_path)[0]
    assert "neither prices nor an index" in faults(written(tmp_path, weather=pd.DataFrame({"date": ["2015-01-05"], "rain": [1]})))[0]
    (tmp_path / "weather.csv").write_bytes(b"\xff\xff\xff")
    assert any("readable" in s for s in faults(tmp_path))


def test_many_faults_are_counted(tmp_path: Path) -> None:
    said = faults(written(tmp_path, prices=rows().assign(close="-1"), index=index_rows()))
    assert len(said) == 11
    assert "80 more rows" in said[-1]


def test_an_index_is_chosen_by_its_name(tmp_path: Path) -> None:
    two = pd.concat([index_rows(), index_rows().assign(index_code="J")])
    history = read_history(written(tmp_path, prices=rows(), index=two))
    assert history.closes("J").name == "J"
    for name in (None, "K"):
        with pytest.raises(InputError):
            history.closes(name)


# --- halts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["no row", "flag"])
def test_a_return_over_a_halt_is_none(tmp_path: Path, how: str) -> None:
    told = rows().assign(halted=0)
    at = told.index[(told["ticker"] == "000002") & told["date"].isin(["2015-01-14", "2015-01-15"])]
    if how == "flag":
        told.loc[at, ["close", "halted"]] = ["", 1]
    else:
        told = told.drop(index=at)
    history = read_history(written(tmp_path, prices=told, index=index_rows()))
    returns = history.returns(history.closes().index)["000002"]
    assert list(returns.index[returns.isna()].strftime("%d")) == ["14", "15", "16"]
    share, day = history.halts(history.closes().index)
    assert share == pytest.approx(2 / 90)
    assert day == "2015-01-14"


def test_a_previous_close_carries_dividends(tmp_path: Path) -> None:
    """A return is against the exchange's previous close where there is one."""
    told = rows(30, ("A",)).assign(prev_close="")
    told.loc[10, "prev_close"] = "9.5"
    history = read_history(written(tmp_path, prices=told))
    days = pd.DatetimeIndex(history.prices["date"])
    returns = history.returns(days)["A"]
    assert returns.iloc[9] == pytest.approx(math.log(float(told["close"][10]) / 9.5))
    assert returns.iloc[8] == pytest.approx(math.log(1.001), abs=1e-4)


# --- splits ---------------------------------------------------------------------------------------


def split(ratio: float, at: int = 12) -> pd.DataFrame:
    told = rows()
    later = (told["ticker"] == "000002") & (told["date"] >= told["date"][at])
    told.loc[later, "close"] = (told.loc[later, "close"].astype(float) * ratio).map("{:.6f}".format)
    return told


@pytest.mark.parametrize("ratio", [1 / 2, 1 / 3, 2 / 3, 1 / 10, 2, 5, 10])
def test_a_split_is_refused_by_row_or_taken_out(tmp_path: Path, ratio: float) -> None:
    folder = written(tmp_path, prices=split(ratio), index=index_rows())
    (said,) = faults(folder)
    assert said.startswith("prices.csv row 44, close")
    assert "a split of ratio" in said
    history = read_history(folder, splits="adjust")
    returns = history.returns(history.closes().index)["000002"]
    assert returns.iloc[11] == pytest.approx(math.log(1.001), abs=1e-4)
    assert "split" in history.notes[0].en
    kept = read_history(folder, splits="keep")
    assert kept.returns(kept.closes().index)["000002"].iloc[11] == pytest.approx(math.log(ratio * 1.001), abs=1e-4)


def test_another_jump_is_no_split(tmp_path: Path) -> None:
    folder = written(tmp_path, prices=split(0.57), index=index_rows())
    assert "nothing explains" in faults(folder)[0]
    history = read_history(folder, splits="adjust")
    returns = history.returns(history.closes().index)["000002"]
    assert list(np.flatnonzero(returns.isna())) == [11]


def test_a_previous_close_explains_a_jump(tmp_path: Path) -> None:
    told = split(0.5)
    told["prev_close"] = ""
    told.loc[42, "prev_close"] = told.loc[41, "close"]
    history = read_history(written(tmp_path, prices=told, index=index_rows()))
    assert history.returns(history.closes().index)["000002"].iloc[11] == pytest.approx(math.log(0.5 * 1.001), abs=1e-4)


def test_a_market_that_halves_is_no_split(tmp_path: Path) -> None:
    """What all do is the market's own move."""
    told = rows(30, tuple("ABCDEF"))
    later = told["date"] >= told["date"][12]
    told.loc[later, "close"] = (told.loc[later, "close"].astype(float) / 2).map("{:.6f}".format)
    assert len(read_history(written(tmp_path, prices=told, index=index_rows())).prices) == 180


def test_an_adjusted_close_is_told_not_doubted(tmp_path: Path) -> None:
    folder = written(tmp_path, prices=split(0.5).rename(columns={"close": "adj_close"}), index=index_rows())
    history = read_history(folder)
    assert "kept" in history.notes[0].en
    assert history.returns(history.closes().index)["000002"].min() < -0.6


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["", "x", "0", "-3", "nan", "12.5", "1e400"]), min_size=1, max_size=12))
def test_whatever_a_close_says_it_is_a_number_or_a_fault(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    told = rows(30, ("A",))
    told.loc[: len(cells) - 1, "close"] = cells
    folder = written(tmp_path_factory.mktemp("history"), prices=told)
    sound = all(cell == "12.5" for cell in cells)
    if sound:
        assert len(read_history(folder).prices) == 30
    else:
        said = {s.split(",")[0] for s in faults(folder)}
        bad = {f"prices.csv row {n + 2}" for n, cell in enumerate(cells) if cell != "12.5"}
        assert said - {"prices.csv"} == bad or len(bad) > 10


# --- what is there --------------------------------------------------------------------------------


@real
def test_the_chinese_histories_are_read_as_they_are() -> None:
    raw = read_history(DATA / "cn_stocks_raw_mcap_2013_2016", DATA / "cn_index_daily")
    assert len(raw.instrument_ids) == 81
    days = raw.closes("000300.SH", "2013-01-04", "2016-12-30").index
    returns = raw.returns(days)
    assert float(np.expm1(returns).abs().max().max()) < 0.105  # limits of 10%, to the tick: no dividend or split is left in a return
    adjusted = read_history(DATA / "cn_stocks_2013_2016", DATA / "cn_index_daily", DATA / "cn_margin_daily", DATA / "cn_breadth_daily")
    assert len(adjusted.instrument_ids) == 220
    assert set(adjusted.tables) == {"sectors", "margin_balance", "breadth"}
    share, day = raw.halts(days)
    assert 0.05 < share < 0.2
    assert "2015-07-08" <= day <= "2015-07-10"


@real
def test_the_american_histories_are_read_as_they_are() -> None:
    history = read_history(DATA / "us_stocks_1985_2006", DATA / "us_index_daily", DATA / "us_vix_daily", DATA / "us_rates_daily")
    assert len(history.instrument_ids) == 29
    assert history.index_ids == ["NDX", "SP500"]
    assert any("1985-09-27" in note.en for note in history.notes)  # Hurricane Gloria closed New York
    assert set(history.tables) == {"implied_volatility", "rates"}


def test_a_history_in_memory_is_one_of_files(tmp_path: Path) -> None:
    wide = rows().assign(close=lambda t: t["close"].astype(float), date=lambda t: pd.to_datetime(t["date"])).pivot(
        index="date", columns="ticker", values="close")
    index = pd.Series(index_rows()["close"].to_numpy(float), index=wide.index, name="I")
    made, read = History.of(wide, index), read_history(written(tmp_path, prices=rows(), index=index_rows()))
    pd.testing.assert_frame_equal(made.returns(wide.index), read.returns(read.closes().index), check_freq=False, check_names=False)
