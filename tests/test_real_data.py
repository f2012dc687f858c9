"""The spring of 2015: a market and prices as observed, loans made up, and a crash of 40% from the day of the high.

The files stand outside the repository; without them the tests are skipped. Of the 81 listed shares 600087 is left out:
it was delisted in the window, and two days of trading give no beta. Shares halted on the day of the book stay, at
their last close, suspended.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stresslab.book import Book, read_book
from stresslab.engine import Block, run_block
from stresslab.history import History
from stresslab.kernels.draws import STREAM_DEMO, fill_uniforms
from stresslab.market import Calibration, Market, board_rule, calibrate
from stresslab.market.volatility import DAYS_LEAST
from stresslab.resolve import Resolved, resolve
from stresslab.scenario import read_scenario

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
STOCKS = DATA / "cn_stocks_raw_mcap_2013_2016"
INDEX = DATA / "cn_index_daily" / "cn_index_daily.csv"
FIRST, LAST = pd.Timestamp("2014-06-03"), pd.Timestamp("2015-06-12")
INDEX_CODE = "000300.SH"
ACCOUNTS, PATHS, SEED = 400, 5, 1

pytestmark = pytest.mark.skipif(not (STOCKS.is_dir() and INDEX.is_file()), reason="the price history of 2015 is not there")


@pytest.fixture(scope="module")
def index() -> pd.Series:
    rows = pd.read_csv(INDEX, dtype={"index_code": str}, parse_dates=["date"])
    rows = rows[(rows["index_code"] == INDEX_CODE) & rows["date"].between(FIRST, LAST)]
    return rows.set_index("date")["close"].rename(INDEX_CODE)


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    """All days of all shares in the window; a halted day has no prices."""
    rows = pd.read_parquet(STOCKS / "cn_stocks_raw_mcap.parquet")
    return rows[rows["date"].between(FIRST, LAST)]


@pytest.fixture(scope="module")
def adjusted(history: pd.DataFrame, index: pd.Series) -> pd.DataFrame:
    """Closes without the jumps of dividends and splits, from close / prev_close; only what can be calibrated."""
    traded = history[history["halted"] == 0]
    growth = traded.assign(growth=traded["close"] / traded["prev_close"]).pivot(index="date", columns="ticker", values="growth")
    panel = growth.reindex(index.index).cumprod()  # a halt leaves a hole
    adjacent = panel.notna() & panel.shift().notna()
    return panel.loc[:, adjacent.sum() >= DAYS_LEAST]


@pytest.fixture(scope="module")
def sectors(adjusted: pd.DataFrame) -> dict[str, str]:
    industry = pd.read_csv(STOCKS / "cn_stocks_meta.csv", dtype=str).set_index("ticker")["industry"]
    return {ticker: industry.get(ticker, "not named") for ticker in adjusted}


@pytest.fixture(scope="module")
def calibration(adjusted: pd.DataFrame, index: pd.Series, sectors: dict[str, str]) -> Calibration:
    said = "daily closes of 81 shares and of the CSI 300"
    return calibrate(History.of(adjusted, index, sectors), title="A shares to June 2015", source=said)


@pytest.fixture(scope="module")
def market(calibration: Calibration) -> Market:
    return calibration.market


@pytest.fixture(scope="module")
def book(
    history: pd.DataFrame, market: Market, sectors: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Book:
    folder = tmp_path_factory.mktemp("book")
    stocks = listed(history, market, sectors)
    accounts, positions = loans(stocks)
    write(folder, stocks, accounts, positions)
    return read_book(folder)


def listed(history: pd.DataFrame, market: Market, sectors: dict[str, str]) -> pd.DataFrame:
    """Return the shares as they stood on the evening of the last day: raw closes, turnover of 20 traded days, halts."""
    rows = []
    for ticker, loading in market.instruments.items():
        own = history[history["ticker"] == ticker].set_index("date")
        traded = own[own["halted"] == 0]
        rows.append({
            "instrument_id": ticker, "board": "main", "sector": sectors[ticker], "price_yuan": f"{traded['close'].iloc[-1]:.2f}",
            "adv_shares": int(traded["volume_shares"].tail(20).mean()), "volatility_pct": f"{loading.volatility_pct:.2f}",
            "beta": loading.beta, "suspended": LAST not in traded.index,
        })
    return pd.DataFrame(rows)


def loans(stocks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return made-up accounts from 1:0.5 at a broker to 1:5 off the exchange, three shares each."""
    dice = np.zeros(ACCOUNTS * 4)
    fill_uniforms(dice, SEED, 0, 0, STREAM_DEMO)
    accounts, positions = [], []
    terms = [("broker", 0.5, 150, 130), ("broker", 1.0, 150, 130), ("lender", 2.0, 130, 115), ("lender", 3.0, 120, 110),
             ("lender", 5.0, 112, 107)]
    for n, u in enumerate(dice.reshape(ACCOUNTS, 4)):
        platform, multiple, warning, liquidation = terms[n % len(terms)]
        collateral = 0
        for at in sorted({int(x * len(stocks)) for x in u[:3]}):
            li = round(float(stocks["price_yuan"][at]) * 1000)
            shares = max(1, int((20_000 + 400_000 * u[3]) * 1000 / li / 100)) * 100
            positions.append({"account_id": f"A{n:04d}", "instrument_id": stocks["instrument_id"][at], "shares": shares})
            collateral += li * shares
        accounts.append({
            "account_id": f"A{n:04d}", "platform_id": platform, "investor_type": "retail", "cash_yuan": 0,
            "debt_yuan": int(collateral * multiple / (1 + multiple)) // 1000, "loan_rate_pct": 8 if platform == "broker" else 18,
            "warning_line_pct": warning, "liquidation_line_pct": liquidation,
        })
    return pd.DataFrame(accounts), pd.DataFrame(positions)


def write(folder: Path, stocks: pd.DataFrame, accounts: pd.DataFrame, positions: pd.DataFrame) -> None:
    """Write the book with two lenders that balance: own capital 10%, reserve 1%, cash 5%, the rest from a bank."""
    head = f'title = "Spring of 2015"\nas_of = {LAST.date()}\ncurrency = "CNY"\nsynthetic = true\n'
    (folder / "book.toml").write_text(head, encoding="utf-8")
    lent = accounts.groupby("platform_id")["debt_yuan"].sum()
    platforms = pd.DataFrame({
        "platform_id": lent.index, "own_capital_yuan": lent.to_numpy() // 10, "reserve_yuan": lent.to_numpy() // 100,
        "cash_yuan": lent.to_numpy() // 20, "liquid_pool_yuan": 0,
    })
    funding = pd.DataFrame({
        "funding_id": "F-" + lent.index, "platform_id": lent.index, "source": "bank",
        "amount_yuan": lent.to_numpy() + platforms["cash_yuan"] - platforms["own_capital_yuan"] - platforms["reserve_yuan"],
        "rate_pct": 5, "rate_type": "fixed", "reset_days": 365, "maturity_days": 365, "seniority": 1,
    })
    claims = pd.DataFrame(columns=["client_id", "platform_id", "kind", "amount_yuan", "notice_days"])
    tables = {"instruments": stocks, "accounts": accounts, "positions": positions, "platforms": platforms, "funding": funding,
              "claims": claims}
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)


@pytest.fixture(scope="module")
def resolved(book: Book, market: Market) -> Resolved:
    return resolve(book, market, read_scenario("crash-40"))


@pytest.fixture(scope="module")
def paths(resolved: Resolved) -> list[Block]:
    """One block for each path, so that sums over paths are the path's own prices."""
    return [run_block(resolved, SEED, path, path + 1) for path in range(PATHS)]


# --- what was observed ----------------------------------------------------------------------------


def test_one_share_is_left_out(history: pd.DataFrame, adjusted: pd.DataFrame) -> None:
    traded = history[history["halted"] == 0].groupby("ticker").size()
    assert history["ticker"].nunique() == 81
    assert set(history["ticker"]) - set(adjusted) == {"600087"}
    assert traded["600087"] == 2
    assert traded.drop("600087").min() > 100


def test_the_index_volatility_is_that_of_a_wild_year(market: Market) -> None:
    factor = market.market
    assert 22 < factor.volatility_pct < 28
    assert 1 < factor.volatility_error_pct < 3


def test_betas_are_plausible_and_carry_errors(market: Market) -> None:
    """Shares of the Shanghai main board move with the CSI 300, banks and steel less or more; none the other way."""
    betas = np.array([loading.beta for loading in market.instruments.values()])
    errors = np.array([loading.beta_error for loading in market.instruments.values()])
    assert 0.7 < betas.mean() < 1.0
    assert (betas > 0.1).all()
    assert (betas < 1.8).all()
    assert (errors > 0.04).all()
    assert (errors < 0.3).all()
    assert (betas > 3 * errors).mean() > 0.9


def test_betas_are_least_squares(calibration: Calibration, adjusted: pd.DataFrame, index: pd.Series) -> None:
    """Against numpy's fit on the days on which both moved from one trading day to the next."""
    x = np.log(index).diff()
    y = np.log(adjusted).diff()
    for ticker in list(adjusted)[::10]:
        common = y[ticker].notna() & x.notna()
        slope, _ = np.polyfit(x[common], y[ticker][common], 1)
        assert calibration.betas[ticker].least_squares.value == pytest.approx(slope, abs=1e-6)


def test_returns_are_those_of_the_exchange(history: pd.DataFrame) -> None:
    """close / prev_close knows no jumps of dividends: nearly all lie within the limit of 10%."""
    traded = history[history["halted"] == 0]
    moved = (traded["close"] / traded["prev_close"] - 1).abs()
    assert (moved < 0.105).all()


# --- the book and the run -------------------------------------------------------------------------


def test_the_book_is_read_with_its_halts(book: Book, resolved: Resolved, adjusted: pd.DataFrame) -> None:
    stocks = book.tables["instruments"]
    assert len(stocks) == len(adjusted.columns)
    assert stocks["suspended"].sum() == 8
    assert (stocks["price_li"] % 10 == 0).all()
    assert resolved.instrument_ids == tuple(sorted(adjusted))


def test_the_rules_are_those_of_2015(book: Book, resolved: Resolved) -> None:
    rule = board_rule("main", book.as_of)
    assert rule is not None
    assert set(resolved.facts.limit_bp[1:].ravel()) == {rule.limit_bp} == {1000}
    assert set(resolved.facts.instrument["cost_bp"]) == {13}  # stamp duty of 0.10% then, commission of 0.03%
    assert set(resolved.facts.instrument["lot"]) == {100}


def test_every_price_is_on_its_tick_and_inside_its_limits(book: Book, resolved: Resolved, paths: list[Block]) -> None:
    stock = resolved.facts.instrument
    suspended = book.tables["instruments"].set_index("instrument_id")["suspended"]
    halted = suspended.loc[list(resolved.instrument_ids)].to_numpy() == 1
    low_days = 0
    for block in paths:
        quoted = np.vstack([stock["price"], block.instruments["quoted_sum_li"]])
        assert (quoted % 10 == 0).all()
        assert (block.instruments["fundamental_sum_li"] % 10 == 0).all()
        before, after = quoted[:-1] // 10, quoted[1:] // 10
        low, high = (before * 9_000 + 5_000) // 10_000, (before * 11_000 + 5_000) // 10_000
        assert (after >= np.minimum(low, before - 1)).all()
        assert (after <= np.maximum(high, before + 1)).all()
        low_days += int((after == low).sum())
        assert (quoted[:, halted] == stock["price"][halted]).all()
        assert not block.instruments["sold_sum_shares"][:, halted].any()
    assert low_days > 0


def test_the_crash_is_met_and_loans_suffer(resolved: Resolved, paths: list[Block]) -> None:
    trough = resolved.market.crash.trough_day
    for block in paths:
        assert (block.days["factor_ppm"][0, trough - 1] == 600_000).all()
        forced = dict(zip(resolved.platform_ids, block.outcomes["accounts_forced"][0], strict=True))
        assert forced["lender"] > 100
        loss = dict(zip(resolved.platform_ids, block.outcomes["loss_with_impact_li"][0], strict=True))
        assert loss["lender"] > loss["broker"]


def test_every_path_balances(book: Book, paths: list[Block]) -> None:
    """(M-29) To the last 厘."""
    lent = book.tables["accounts"].groupby("platform_id")["debt_li"].sum().to_numpy()
    for block in paths:
        o: dict[str, Any] = {name: values[0] for name, values in block.outcomes.items()}
        assets = o["loans_end_li"] + o["in_transit_end_li"] + o["cash_end_li"] + o["pool_end_li"]
        owed = o["senior_end_li"] - o["absorbed_by_senior_li"] + o["junior_end_li"] - o["absorbed_by_junior_li"]
        owed = owed + o["claims_end_li"] - o["absorbed_by_claims_li"]
        assert (assets == owed + o["reserve_end_li"] + o["own_capital_end_li"]).all()
        assert (lent + o["loan_interest_li"] - o["repaid_li"] - o["deficit_li"] == o["loans_end_li"]).all()
        assert (o["loss_with_impact_li"] == o["deficit_li"] + o["deficit_unrealised_li"]).all()


def test_nothing_is_printed(resolved: Resolved, capfd: pytest.CaptureFixture[str]) -> None:
    run_block(resolved, SEED, 0, 1)
    assert capfd.readouterr() == ("", "")
