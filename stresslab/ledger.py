"""What happened on one path, event by event, as tables: what a replay gives and a page of it reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

#: Columns of ``Replay.events``. Money is in 厘, prices in 厘 a share, the ratio in bp, rounded down. Cash, debt and collateral
#: are those of the account after the event. What does not belong to an event is null.
EVENT_COLUMNS = (
    "day", "round", "event", "platform_id", "account_id", "instrument_id", "shares", "price_li", "money_li", "displaced_li",
    "cash_li", "debt_li", "collateral_li", "ratio_bp",
)
#: Columns of ``Replay.days``, days 0..T: baskets in ppm of day 0, instruments that cannot be sold at the open (at their limit,
#: closed), money of all platforms together.
DAY_COLUMNS = (
    "day", "factor_ppm", "basket_fundamental_ppm", "basket_quoted_ppm", "locked", "closed", "margin_call_li", "sold_li", "deficit_li",
)
#: Columns of ``Replay.account_days``, days 0..T: at the open, at the close, shares that cannot be sold at the open, and what the client
#: paid in on the day, in 厘.
ACCOUNT_DAY_COLUMNS = ("day", "collateral_open_li", "debt_open_li", "collateral_li", "debt_li", "locked_li", "paid_in_li")


class ClientResult(NamedTuple):
    """What became of a client's own money on a path, at daily closes (M-238). What he pays in is no return."""

    days: int  # days with a return: all of the path, or up to the day on which nothing is left
    return_pct: float  # of the whole path, net of what was paid in; -100 where all is lost
    fall_pct: float  # the largest fall from a peak to a later close, in percent of the peak
    sharpe: float | None  # mean / standard deviation of daily returns; None with fewer than two days, or if they do not differ
    sharpe_error: float | None  # standard error of the ratio
    lost_on: int | None  # the day at whose close nothing was left
    paid_in_li: int


def client_result(account_days: pd.DataFrame) -> ClientResult | None:
    """Return, largest fall and Sharpe ratio of an account (M-238) from ``ACCOUNT_DAY_COLUMNS``; None if it starts without own money."""
    equity = (account_days["collateral_li"] - account_days["debt_li"]).tolist()
    paid = account_days["paid_in_li"].tolist()
    if equity[0] <= 0:
        return None
    returns, index, lost_on = [], [1.0], None
    for day in range(1, len(equity)):
        left = max(0, equity[day] - paid[day])
        returns.append(left / equity[day - 1] - 1)
        index.append(index[-1] * left / equity[day - 1])
        if left == 0:
            lost_on = day
            break
    level = np.array(index)
    fall = float(np.max(1 - level / np.maximum.accumulate(level)))
    sharpe, error = sharpe_ratio(returns)
    return ClientResult(len(returns), 100 * (index[-1] - 1), 100 * fall, sharpe, error, lost_on, sum(paid))


def sharpe_ratio(returns: list[float]) -> tuple[float | None, float | None]:
    """Mean / standard deviation of returns with its standard error, both of one day (M-238).

    The error is that of independent returns of one law of any shape (Mertens 2002; with normal ones that of Lo 2002).
    """
    n, x = len(returns), np.array(returns)
    if n < 2 or np.ptp(x) == 0:
        return None, None
    ratio = float(x.mean() / x.std(ddof=1))
    z = (x - x.mean()) / x.std()
    skew, kurtosis = float((z**3).mean()), float((z**4).mean())
    variance = 1 + ratio**2 / 2 - skew * ratio + (kurtosis - 3) / 4 * ratio**2
    return ratio, math.sqrt(max(0.0, variance) / n)


@dataclass(frozen=True)
class Replay:
    """One path of a finished run, run again with every event kept; its outcome is that of the run in every column."""

    folder: str
    scenario: dict[str, Any]  # as the record of the run says
    path: int
    seed: int
    account: dict[str, Any] | None  # id, platform and contract of the one account, if one was asked for
    events: pd.DataFrame
    days: pd.DataFrame
    account_days: pd.DataFrame | None
    outcomes: pd.DataFrame  # the run's row of each platform; of a weighted path, which no run keeps, the replay's
    weighted: dict[str, Any] | None = None  # of a path of a rare event: event, platform, method, hit, log_ratio, likelihood_ratio

    @property
    def result(self) -> ClientResult | None:
        """What became of the client's own money; None without an account, or without own money at the start."""
        return None if self.account_days is None else client_result(self.account_days)
