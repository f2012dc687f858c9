"""What happened on one path, event by event, as tables: what a replay gives and a page of it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
#: Columns of ``Replay.account_days``, days 0..T: at the open, at the close, and shares that cannot be sold at the open, in 厘.
ACCOUNT_DAY_COLUMNS = ("day", "collateral_open_li", "debt_open_li", "collateral_li", "debt_li", "locked_li")


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
