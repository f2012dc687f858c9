"""What was known at the close of each trading day: every column of a history, no earlier than it was published (M-160)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from stresslab.faults import Fault, InputError, nearest
from stresslab.history import History
from stresslab.history.said import Said

Series = pd.Series
#: Trading days after its own date on which a row of a daily table is known: 0 is the same evening.
LAGS = {
    "index": 0,
    "prices": 0,
    "breadth": 0,
    "implied_volatility": 0,
    "margin_balance": 1,
    "rates": 1,
    "flows": 1,
    "indicators": 1,
}
#: Rows further apart than so many calendar days (their median) are weekly or monthly; such a row is known so many calendar days
#: after its date, which also covers a month that is dated by its first day.
SLOW = ((15, 35), (4, 8))
#: A value stands for so many trading days where the table says nothing new, a slow one for so many of its own periods.
STALE_DAYS, STALE_PERIODS = 5, 2
#: An implied volatility below this share of the median of the ten values before is an artefact of expiring options (it never halves
#: in a day), and missing.
ARTEFACT = 0.5
#: Columns that say nothing that the close does not say.
NOT_CANDIDATES = ("date", "halted", "traded", "prev_close", "open", "high", "low", "close")
#: Rows of a year of trading days.
YEAR = 252
#: Least trading days with a close for a history to be scored at all.
DAYS_LEAST = 250


@dataclass(frozen=True)
class Column:
    """One column of the history on the trading days: its value as known that evening, and the date of the row that said it."""

    table: str
    name: str
    values: Series[float]
    lag: str
    said_on: Series[pd.Timestamp]


@dataclass(frozen=True)
class Known:
    """The closes of one index and the columns beside them, as they stood at the close of each trading day."""

    index_id: str
    close: Series[float]
    tables: dict[str, pd.DataFrame]
    lags: Mapping[str, int]
    prices: pd.DataFrame
    notes: tuple[Said, ...] = ()
    used: set[tuple[str, str]] = field(default_factory=set)

    @property
    def days(self) -> pd.DatetimeIndex:
        """The trading days."""
        return pd.DatetimeIndex(self.close.index)

    def until(self, day: pd.Timestamp) -> Known:
        """The same history as if it ended at a day: every row with a later date is gone."""
        tables = {name: t[t["date"] <= day] for name, t in self.tables.items()}
        return replace(
            self, close=self.close.loc[:day], tables=tables, prices=self.prices[self.prices["date"] <= day], used=set()
        )

    def kinds(self, kind: str) -> list[str]:
        """The tables of a kind."""
        return [name for name in self.tables if name == kind or name.startswith(f"{kind}:")]

    def find(self, kind: str, *patterns: str) -> Column | None:
        """The first column of the tables of a kind whose name a pattern finds, the first pattern first."""
        for pattern in patterns:
            for table in self.kinds(kind):
                for name in self.tables[table]:
                    if (
                        name != "date"
                        and re.search(pattern, str(name))
                        and pd.api.types.is_numeric_dtype(self.tables[table][name])
                    ):
                        return self.column(table, str(name))
        return None

    def column(self, table: str, name: str) -> Column:
        """A column by its table and name."""
        self.used.add((table, name))
        rows = self.tables[table][["date", name]].dropna()
        values = rows[name].to_numpy(float)
        if table.split(":")[0] == "implied_volatility":
            before = pd.Series(values).shift().rolling(10, min_periods=3).median().to_numpy()
            kept = ~(values < ARTEFACT * before)
            rows, values = rows[kept], values[kept]
        dates = pd.DatetimeIndex(rows["date"])
        # The spacing of all rows of the table, not of this column: an empty column must not make a daily table a monthly one.
        calendar, said, stale = self._published(table, dates)
        known = pd.DataFrame({"known": calendar, "value": values, "date": dates}).dropna(subset=["known"])
        evenings = pd.DataFrame({"known": self.days})
        for frame in (known, evenings):
            frame["known"] = frame["known"].astype("datetime64[us]")
        found = pd.merge_asof(evenings, known.sort_values("known", kind="stable"), on="known")
        age = np.arange(len(self.days)) - self.days.searchsorted(
            pd.DatetimeIndex(found["date"].fillna(pd.Timestamp.min.ceil("D")))
        )
        value = found["value"].where(age <= stale).to_numpy()
        return Column(
            table,
            name,
            pd.Series(value, self.days, name=f"{table}.{name}", dtype=float),
            said,
            pd.Series(found["date"].where(age <= stale).to_numpy(), self.days),
        )

    def _published(self, table: str, dates: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, str, int]:
        """On which trading day each row is known (missing: not before the end), the lag in words, and how long a value stands."""
        kind = table.split(":")[0]
        spacing = self._spacing(table)
        for least, wait in SLOW:
            if spacing >= least and kind not in self.lags:
                known = dates + pd.Timedelta(days=wait)
                at = self.days.searchsorted(known)
                return (
                    self._day(at),
                    f"{wait} calendar days",
                    STALE_PERIODS * round(spacing * 5 / 7) + round(wait * 5 / 7),
                )
        lag = self.lags.get(kind, LAGS.get(kind, 1))
        # A row of a day without trading is known on the next trading day; the lag comes on top.
        at = self.days.searchsorted(dates) + lag
        return self._day(at), f"{lag} trading day{'' if lag == 1 else 's'}", STALE_DAYS + lag

    def _day(self, at: np.ndarray) -> pd.DatetimeIndex:
        inside = at < len(self.days)
        days = self.days.to_numpy()[np.minimum(at, len(self.days) - 1)]
        return pd.DatetimeIndex(np.where(inside, days, np.datetime64("NaT")))

    def _spacing(self, table: str) -> float:
        dates = np.sort(self.tables[table]["date"].unique())
        # The first rows tell it, so that a history cut short has the same lags.
        gaps = np.diff(dates[:60].astype("datetime64[D]").astype(np.int64))
        return float(np.median(gaps)) if gaps.size else 1.0


def known_of(
    history: History,
    *,
    index: str | None = None,
    first: str | None = None,
    last: str | None = None,
    lags: Mapping[str, int] | None = None,
) -> Known:
    """The evenings of an index between two days; without an index in the history, of an instrument of that name, or the only one.

    Raises :class:`InputError` if there are too few days or a lag has no table.
    """
    own = dict(lags or {})
    faults = [
        Fault("options", "is no kind of table", nearest(kind, list(LAGS)), None, "lag", kind)
        for kind in own
        if kind not in LAGS
    ]
    faults += [
        Fault("options", "a lag is 0 or more trading days", "write it as rates=1", None, "lag", f"{k}={v}")
        for k, v in own.items()
        if v < 0
    ]
    if faults:
        raise InputError(faults)
    rows = _index_rows(history, index)
    name = str(rows.name)
    frame = rows.frame
    days = frame["date"]
    for given, option in ((first, "from"), (last, "to")):
        if given is not None and pd.isna(pd.to_datetime(given, errors="coerce", format="%Y-%m-%d")):
            raise InputError([Fault("options", "is no day", "write it as 2015-06-12", None, option, given)])
    frame = frame[(days >= pd.Timestamp(first or "1677-12-31")) & (days <= pd.Timestamp(last or "2262-01-01"))]
    if len(frame) < DAYS_LEAST:
        raise InputError(
            [
                Fault(
                    "history",
                    f"{name} has {len(frame)} trading days; {DAYS_LEAST} are needed to score anything",
                    "give a longer history, or another --from and --to",
                )
            ]
        )
    notes: list[Said] = _pace(name, frame["date"])
    tables = {"index": frame.drop(columns=["close", "index_id", "instrument_id", "traded", "source"], errors="ignore")}
    for table, held in history.tables.items():
        if "date" not in held:
            continue  # a list of instruments
        if held["date"].duplicated().any():
            notes.append(
                Said(
                    f"{table}: several rows of one day; not an indicator as it stands",
                    f"{table}：同一日有多行，未作为指标",
                )
            )
            continue
        tables[table] = held[held["date"] <= frame["date"].iloc[-1]]
    close = pd.Series(frame["close"].to_numpy(float), pd.DatetimeIndex(frame["date"]), name=name)
    prices = history.prices[history.prices["date"].isin(frame["date"])]
    return Known(name, close, tables, own, prices, tuple(notes))


def _pace(name: str, dates: pd.Series[pd.Timestamp]) -> list[Said]:
    """What to say of an index whose rows are not the trading days of a stock exchange."""
    years = (dates.iloc[-1] - dates.iloc[0]).days / 365.25
    rows = round((len(dates) - 1) / years) if years > 0 else YEAR
    if abs(rows - YEAR) <= 0.15 * YEAR:
        return []
    return [
        Said(
            f"{name} has {rows} rows a year: each row counts as one trading day, so a horizon of 60 is 60 rows, and volatility and "
            f"false alarms a year are those of {YEAR} rows",
            f"{name}每年{rows}行：每行计为一个交易日，窗口60即60行，年化波动率与每年误报按{YEAR}行计",
        )
    ]


@dataclass(frozen=True)
class _Rows:
    name: str
    frame: pd.DataFrame


def _index_rows(history: History, index: str | None) -> _Rows:
    if (index is None or index in history.index_ids) and (history.index_ids or not len(history.prices)):
        name = history.chosen_index(index)
        found = history.index[history.index["index_id"] == name]
        return _Rows(name, found[found["close"].notna()].sort_values("date"))
    known = history.instrument_ids
    if index is None and len(known) != 1:
        raise InputError(
            [
                Fault(
                    "history",
                    "holds no index",
                    "add a table of an index, or name an instrument with --index",
                    None,
                    "index",
                )
            ]
        )
    name = known[0] if index is None else index
    if name not in known:
        raise InputError(
            [Fault("history", "holds no such index", nearest(name, [*history.index_ids, *known]), None, "index", name)]
        )
    found = history.prices[(history.prices["instrument_id"] == name) & history.prices["traded"]]
    return _Rows(name, found.sort_values("date"))


def extra_columns(known: Known, used: Sequence[tuple[str, str]] | set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The columns of numbers that no named indicator reads: candidates."""
    taken = set(used)
    return [
        (table, str(name))
        for table, frame in known.tables.items()
        for name in frame
        if name not in NOT_CANDIDATES
        and (table, str(name)) not in taken
        and pd.api.types.is_numeric_dtype(frame[name])
        and frame[name].notna().sum() > STALE_DAYS
    ]
