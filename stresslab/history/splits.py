"""Jumps of closes that no previous close explains: splits that nobody took out, or prices that are wrong (M-65)."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pandas as pd

from stresslab.faults import Fault
from stresslab.history.files import FAULTS_SHOWN

Splits = Literal["refuse", "adjust", "keep"]

#: A daily return further than this from the market's, in logs, must be explained: no board's limit of 10 or 20% lets it happen.
JUMP = math.log(1.35)
#: What a split makes of a price, one way or the other: 1 becomes 2, 3, …; 2 become 3; 2 become 5.
RATIOS = tuple(sorted({r for n in (1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 10, 1 / 20, 2 / 3, 2 / 5) for r in (n, 1 / n)}))
#: How near to such a ratio a jump must be, in logs, after the market's own move.
NEAR = 0.06
#: So many instruments must trade for their median to be the market's move.
CROWD = 5


def jumps(prices: pd.DataFrame, moved: pd.Series[float]) -> pd.DataFrame:
    """The rows whose close jumps against the trading day before without a previous close to explain it.

    ``prices`` are sorted by instrument and date; ``moved`` is the log move of the indices by trading day (empty: the days
    are those of the prices), for days on which too few instruments trade to tell it. Returns the place of each, its ratio,
    the close before, and the split ratio that it is near to (NaN: none).
    """
    traded = prices[prices["traded"]]
    days = pd.Index(np.sort((traded["date"] if moved.empty else moved.index).unique()))
    close = traded["close"].to_numpy(float)
    number = days.get_indexer(traded["date"])
    same = np.r_[False, (traded["instrument_id"].to_numpy()[1:] == traded["instrument_id"].to_numpy()[:-1])]
    adjacent = same & np.r_[False, np.diff(number) == 1] & (number > 0)
    ratio = np.r_[np.nan, close[1:] / close[:-1]]
    log = np.where(adjacent, np.log(ratio), np.nan)
    crowd = pd.Series(log).groupby(number).agg(["median", "count"]).reindex(range(len(days)))  # what is on no day is nowhere
    market = np.where(crowd["count"] >= CROWD, crowd["median"], moved.reindex(days).fillna(0.0))
    excess = log - market[number]
    explained = traded["prev_close"].notna().to_numpy() if "prev_close" in traded else np.zeros(len(traded), bool)
    at = np.flatnonzero(adjacent & ~explained & (np.abs(excess) > JUMP))
    near = np.full(at.size, np.nan)
    for place, jump in enumerate(excess[at]):
        gap, found = min((abs(jump - math.log(r)), r) for r in RATIOS)
        near[place] = found if gap <= NEAR else np.nan
    return pd.DataFrame({"place": traded.index[at], "ratio": ratio[at], "before": close[at - 1], "near": near})


def faults_of(found: pd.DataFrame, prices: pd.DataFrame, file_rows: list[tuple[str, int]]) -> list[Fault]:
    """Each jump as a fault with its file and row."""
    faults = []
    told: list[Any] = list(found.itertuples())
    for jump, (file, row) in list(zip(told, file_rows, strict=True))[:FAULTS_SHOWN]:
        who, close = prices["instrument_id"][jump.place], prices["close"][jump.place]
        if math.isnan(jump.near):
            rule = f"the close of {who!s} is {jump.ratio:.4g} times that of the day before, which nothing explains"
            way_out = "correct it, give prev_close, or choose --splits adjust (leaves this return out) or keep"
        else:
            rule = f"the close of {who!s} is {jump.ratio:.4g} times that of the day before: a split of ratio {_fraction(jump.near)}?"
            way_out = "give prev_close (the close before in today's shares), or choose --splits adjust or keep"
        faults.append(Fault(file, rule, way_out, row, "close", f"{close:.15g}"))
    if len(found) > FAULTS_SHOWN:
        rule, way_out = f"{len(found) - FAULTS_SHOWN} more closes jump", "choose --splits adjust or keep"
        faults.append(Fault(file_rows[0][0], rule, way_out, None, "close"))
    return faults


def adjusted(prices: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The prices with every split explained by a previous close, and every other jump marked as no return."""
    made = prices.copy()
    if "prev_close" not in made:
        made["prev_close"] = np.nan
    split = found[found["near"].notna()]
    made.loc[split["place"], "prev_close"] = (split["before"] * split["near"]).to_numpy()
    made.loc[found.loc[found["near"].isna(), "place"], "unexplained"] = True
    return made


def _fraction(ratio: float) -> str:
    for below in range(1, 21):
        above = round(ratio * below)
        if above and abs(above / below - ratio) < 1e-9:
            return f"{above}/{below}"
    return f"{ratio:g}"
