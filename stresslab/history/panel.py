"""The past of a market: daily closes of instruments and indices, what was halted, and tables beside them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from stresslab.faults import Fault, InputError, nearest
from stresslab.history.said import Said

#: The sector of an instrument of which nobody says one.
NO_SECTOR = "not named"


@dataclass(frozen=True)
class History:
    """Checked daily tables. Closes are positive, days unique; a day without a traded close is a halt.

    ``prices`` (instrument_id, date, close, traded, [prev_close, volume_shares, …]) are sorted by instrument and date,
    ``index`` (index_id, date, close, …) likewise. ``tables`` holds what else was there, by name: margin_balance, rates,
    implied_volatility, breadth, flows, and unknown ones; unknown columns of any table stay in it.
    ``notes`` say what was left out or changed.
    """

    prices: pd.DataFrame
    index: pd.DataFrame
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    sectors: dict[str, str] = field(default_factory=dict)
    notes: tuple[Said, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(prices: pd.DataFrame, index: pd.Series, sectors: dict[str, str] | None = None) -> History:
        """A history in memory: closes by date and instrument (missing where halted), the index's closes by date."""
        faults = [f for name in prices for f in _not_positive(prices[name], prices[name] <= 0)]
        faults += _not_positive(index, index.isna() | (index <= 0))
        repeated = np.flatnonzero(index.index.duplicated())
        faults += [Fault("history", "a day stands twice", "keep one", int(at) + 2, str(index.name), str(index.index[at].date()))
                   for at in repeated[:1]]
        lost = [str(name) for name in prices if sectors is not None and str(name) not in sectors]
        faults += [Fault("history", "an instrument must have a sector", "name its sector", None, name) for name in lost]
        if faults:
            raise InputError(faults)
        wide = prices.rename_axis(index="date").rename(columns=str).reset_index()
        long = wide.melt(id_vars="date", var_name="instrument_id", value_name="close").dropna(subset=["close"]).assign(traded=True)
        long = long.sort_values(["instrument_id", "date"], kind="stable").reset_index(drop=True)
        told = pd.DataFrame({"index_id": str(index.name), "date": index.index, "close": index.to_numpy(float)})
        return History(long, told.sort_values("date").reset_index(drop=True), sectors=dict(sectors or {}))

    @cached_property
    def digest(self) -> str:
        """One SHA-256 of the closes that a calibration reads."""
        total = hashlib.sha256()
        for frame in (self.prices, self.index):
            kept = frame[[c for c in ("instrument_id", "index_id", "date", "close", "prev_close", "volume_shares", "traded") if c in frame]]
            total.update(kept.to_csv(index=False).encode())
        return total.hexdigest()

    @property
    def index_ids(self) -> list[str]:
        """The indices of the history, sorted."""
        return sorted(self.index["index_id"].unique())

    @property
    def instrument_ids(self) -> list[str]:
        """The instruments of the history, sorted."""
        return sorted(self.prices["instrument_id"].unique())

    def sector(self, instrument: str) -> str:
        """The sector of an instrument."""
        return self.sectors.get(instrument, NO_SECTOR)

    def chosen_index(self, index_id: str | None) -> str:
        """An index of the history by its id; without one, the only one there is."""
        known = self.index_ids
        if index_id is None and len(known) == 1:
            return known[0]
        if index_id in known:
            return str(index_id)
        if not known:
            raise InputError([Fault("history", "holds no index", "add a table of an index with its date, index_id and close")])
        if index_id is None:
            raise InputError([Fault("history", "holds several indices", f"name one with --index: {', '.join(known)}", None, "index")])
        raise InputError([Fault("history", "holds no such index", nearest(index_id, known), None, "index", index_id)])

    def closes(self, index_id: str | None = None, first: str | None = None, last: str | None = None) -> pd.Series:
        """Daily closes of an index by date, between two days, both included."""
        named = self.chosen_index(index_id)
        found = self.index[self.index["index_id"] == named].set_index("date")["close"].rename(named)
        return found.loc[first:last]

    def returns(self, days: pd.Index) -> pd.DataFrame:
        """Daily log returns on some trading days × instruments, missing where none was made within one day (M-65).

        Where a row has a previous close, the return is against it (so that splits and dividends are in it), else against
        the close of the day before. A return over a halt spans several days and is missing.
        """
        rows = self.prices[self.prices["traded"] & self.prices["date"].isin(days)]
        closes = _wide(rows, "close", days).apply(np.log)
        before = closes.shift()
        there = closes.notna() & before.notna()
        if "prev_close" in rows:
            given = _wide(rows, "prev_close", days).apply(np.log)
            before = given.where(given.notna(), before)
        if "unexplained" in rows:
            there &= ~_wide(rows, "unexplained", days).eq(True)
        return (closes - before).where(there).iloc[1:]

    def halts(self, days: pd.Index) -> tuple[float, str]:
        """The share of instrument-days without trading, between each one's first and last, and the day with the most of them."""
        rows = self.prices[self.prices["traded"] & self.prices["date"].isin(days)]
        traded = _wide(rows, "close", days).notna()
        alive = traded.cummax() & traded[::-1].cummax()[::-1]
        halted = alive & ~traded
        share = float(halted.to_numpy().sum()) / max(int(alive.to_numpy().sum()), 1)
        most = halted.sum(axis=1)
        return share, str(pd.Timestamp(str(most.idxmax())).date()) if share > 0 else ""

    def last_rows(self, days: pd.Index, window: int) -> pd.DataFrame:
        """The rows of the last traded days of each instrument, at most ``window`` each, on some days."""
        rows = self.prices[self.prices["traded"] & self.prices["date"].isin(days)]
        last: pd.DataFrame = rows.groupby("instrument_id", sort=True).tail(window)
        return last


def _wide(rows: pd.DataFrame, column: str, days: pd.Index) -> pd.DataFrame:
    return rows.pivot(index="date", columns="instrument_id", values=column).reindex(days)


def _not_positive(closes: pd.Series, broken: pd.Series) -> list[Fault]:
    rows = np.flatnonzero(broken.to_numpy())[:1]  # the first says enough
    rule, way_out = "a close must be positive", "correct or drop the day"
    return [Fault("history", rule, way_out, int(at) + 2, str(closes.name), str(closes.iloc[at])) for at in rows]
