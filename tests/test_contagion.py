"""What flows tell of the wave (M-136): the estimate on waves that are known, and on the flows that were observed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_withdrawals import Alone

from stresslab.kernels import requests
from stresslab.market.contagion import branching

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
FUND, MONEY = DATA / "cn_yuebao_flows_daily" / "cn_yuebao_flows_daily.csv", DATA / "us_retail_mmf_weekly" / "us_retail_mmf_weekly.csv"
MONTHLY = DATA / "us_fund_flows_ici" / "us_fund_flows_monthly.csv"


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.6])
def test_a_known_branching_ratio_is_found_again(ratio: float) -> None:
    """3,000 days of 2,000 clients; lags reach so far that 2% of what is excited is left."""
    decay, groups = 0.5, 2_000
    law = requests.Wave(1, 5_000_000, round(ratio * (1 - decay) * 1e9), round(decay * 1e9), 1)
    shares = Alone(groups, 3_000, law).counts(1)[0] / groups
    found = branching(shares, 6)
    assert abs(found.ratio - ratio) < 3 * found.error
    assert found.error < 0.1
    assert found.base == pytest.approx(0.005, rel=0.25)


def test_a_common_cause_looks_like_contagion_and_days_of_the_week_need_not() -> None:
    """Independent requests with a mean that depends on the day of the week, or wanders: why the estimate is only an upper bound."""
    days = np.arange(2_000)
    noise = Alone(2_000, 2_000, requests.Wave(1, 10_000_000, 0, 0, 1)).counts(1)[0] / 2_000
    weekly = noise + 0.01 * (days % 7 < 5)
    assert abs(branching(weekly, 6, season=7).ratio) < 3 * branching(weekly, 6, season=7).error
    assert abs(branching(weekly, 6).ratio) > 0.5
    assert branching(noise + 0.01 * np.sin(days / 100), 6).ratio > 0.5


@pytest.mark.parametrize("shares", [[0.1] * 20, [0.1] * 99 + [float("nan")], np.zeros((50, 50))])
def test_rows_that_say_nothing_are_refused(shares: object) -> None:
    with pytest.raises(ValueError, match=r"days are too few|without gaps"):
        branching(shares, 5)  # type: ignore[arg-type]


@pytest.mark.skipif(not FUND.is_file(), reason="the flows of the fund are not there")
@pytest.mark.parametrize("first", ["2013-10-01", "2014-01-01"])
def test_a_money_fund_in_a_calm_year_bounds_the_ratio_below_one(first: str) -> None:
    """Yu'e Bao, daily redemptions over what its sample of users had paid in: 0.46 to 0.78 for weeks and fortnights of lags.

    A year of growth without a run: it bounds the ratio in calm times, and says nothing of the jumps that news make.
    """
    rows = pd.read_csv(FUND, parse_dates=["date"])
    balance = (rows["purchase_cny"] - rows["redeem_cny"]).cumsum().shift(1)
    share = (rows["redeem_cny"] / balance)[rows["date"] >= first]
    assert (rows["date"].diff().dropna() == pd.Timedelta(days=1)).all()
    for lags in (7, 14):
        found = branching(share, lags, season=7)
        assert 0.45 < found.ratio < 0.80
        assert found.ratio + 1.64 * found.error < 1.05
        assert 0.003 < found.base < 0.009


@pytest.mark.skipif(not (MONEY.is_file() and MONTHLY.is_file()), reason="the net flows are not there")
def test_net_flows_only_show_that_they_last() -> None:
    """Weekly balances of retail money funds and monthly net flows of equity funds: what is paid in hides what is withdrawn.

    Their flows last (ratios of 0.6 to 0.7 a week), which a change of rates explains as well; the wave is not set by them.
    """
    balance = pd.read_csv(MONEY)["retail_mmf_balance_busd"]
    found = branching((-balance.diff() / balance.shift(1)).dropna(), 8, block=26)
    assert 0.5 < found.ratio < 0.85
    assert found.base < 0  # net money came in: as a daily probability of withdrawing it has no meaning
    flows = pd.read_csv(MONTHLY)["total_equity_musd"]
    assert 0.4 < flows.autocorr(1) < 0.65
