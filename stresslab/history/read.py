"""Reads a history and refuses it with every fault at once: file, row, column, value (M-65)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stresslab.faults import Fault, InputError
from stresslab.history.files import FAULTS_SHOWN, Table, tables_in
from stresslab.history.panel import History
from stresslab.history.said import Said
from stresslab.history.splits import Splits, adjusted, faults_of, jumps

#: No exchange closes for longer than this many calendar days (the longest holidays are 11): more is a hole in the file.
GAP = 16


def read_history(*paths: Path | str, splits: Splits = "refuse") -> History:
    """The history in one or several folders or files; raises :class:`InputError` with every fault.

    A folder's files (CSV, Parquet) are tables, as are its folders of parts. ``splits`` says what becomes of a close that
    jumps without a previous close to explain it: ``refuse`` names its row, ``adjust`` takes splits out and leaves other
    jumps' returns out, ``keep`` takes it as a return.
    """
    faults: list[Fault] = []
    notes: list[Said] = []
    digests: dict[str, str] = {}
    if splits not in ("refuse", "adjust", "keep"):
        raise InputError([Fault("options", "must be one of refuse, adjust, keep", "choose one", None, "splits", str(splits))])
    tables = [t for path in paths for t in tables_in(Path(path), digests, faults, notes)]
    for table in tables:
        _check(table)
        faults += table.faults
    closes = {kind: [t for t in tables if t.kind == kind] for kind in ("prices", "index")}
    if not closes["prices"] and not closes["index"] and not faults:
        faults.append(Fault(", ".join(str(p) for p in paths), "holds neither prices nor an index",
                            "a table of prices has a date, a code and a close; docs/data.md names the columns"))
    if faults:
        raise InputError(faults)
    prices, index = _together(closes["prices"], "instrument_id"), _together(closes["index"], "index_id")
    faults += _repeated(prices, closes["prices"], "instrument_id") + _repeated(index, closes["index"], "index_id")
    if not faults:
        faults += _holes(prices, index, closes, notes)
        prices = _explained(prices, index, closes["prices"], splits, faults, notes)
    if faults:
        raise InputError(faults)
    sectors = _sectors(tables)
    inside = ["_table", "_row"]
    return History(prices.drop(columns=inside), index.drop(columns=inside), _beside(tables), sectors, tuple(notes), digests)


def _check(table: Table) -> None:
    """The faults of single cells."""
    frame = table.frame
    if table.kind not in ("prices", "index"):
        return
    for needed in ("date", "close", "instrument_id" if table.kind == "prices" else "index_id"):
        if needed == "index_id" and needed not in frame:
            frame["index_id"] = table.name  # one index in a file of its own name
        elif needed not in frame:
            table.faults.append(Fault(table.rows.file, "this column must be there", "add it", None, needed))
            return
    halted = frame["halted"].fillna(0).ne(0) if "halted" in frame else pd.Series(False, index=frame.index)
    gone = frame["close"].isna()
    table.refuse(gone & ~halted & ~_refused(table, "close"), "a close is missing on a day that is not halted",
                 "give it, set halted to 1, or drop the row", "close")
    table.refuse(frame["close"] <= 0, "a close must be positive", "correct or drop the row", "close")
    frame["traded"] = ~gone & ~halted
    if "prev_close" in frame:
        table.refuse(frame["traded"] & (frame["prev_close"] <= 0), "a previous close must be positive", "correct it or leave it empty",
                     "prev_close")
    if "volume_shares" in frame:
        table.refuse(frame["volume_shares"] < 0, "a volume must not be negative", "correct it or leave it empty", "volume_shares")


def _refused(table: Table, column: str) -> pd.Series[bool]:
    """Rows of which a cell was already refused, so that it is not named twice."""
    rows = {f.row for f in table.faults if f.column == table.written.get(column, column)}
    if not rows:
        return pd.Series(False, index=table.frame.index)
    return pd.Series([table.rows.place(at)[1] in rows for at in range(len(table.frame))], index=table.frame.index)


def _together(tables: list[Table], key: str) -> pd.DataFrame:
    """The rows of all tables of a kind, sorted by code and day, each with its table and place in it."""
    if not tables:
        return pd.DataFrame({key: pd.Series(dtype=str), "date": pd.Series(dtype="datetime64[us]"), "close": pd.Series(dtype=float),
                             "traded": pd.Series(dtype=bool), "_table": pd.Series(dtype=int), "_row": pd.Series(dtype=int)})
    frames = [t.frame.assign(_table=n, _row=np.arange(len(t.frame))) for n, t in enumerate(tables)]
    whole = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    return whole.sort_values([key, "date", "_table", "_row"], kind="stable").reset_index(drop=True)


def _place(tables: list[Table], row: pd.Series) -> tuple[str, int]:
    return tables[int(row["_table"])].rows.place(int(row["_row"]))


def _repeated(whole: pd.DataFrame, tables: list[Table], key: str) -> list[Fault]:
    twice = whole[whole.duplicated([key, "date"])]
    faults = []
    row: pd.Series[Any]
    for _, row in twice.head(FAULTS_SHOWN).iterrows():
        file, number = _place(tables, row)
        rule = f"{row[key]} stands on this day already"
        faults.append(Fault(file, rule, "keep one of the rows", number, "date", str(row["date"].date())))
    if len(twice) > FAULTS_SHOWN:
        rule = f"{len(twice) - FAULTS_SHOWN} more days stand twice"
        faults.append(Fault(tables[0].rows.file, rule, "keep one of the rows", None, "date"))
    return faults


def _holes(prices: pd.DataFrame, index: pd.DataFrame, tables: dict[str, list[Table]], notes: list[Said]) -> list[Fault]:
    """Days that one table lacks: long gaps of an index (or of all prices), and days that only the other kind knows.

    A day on which only a few instruments have a close, and the index none, is no trading day: its closes are left out.
    """
    faults = []
    shown = prices[prices["traded"]]
    few = _few(shown) if len(index) else pd.DatetimeIndex([])
    for day in few.difference(pd.DatetimeIndex(index["date"])):
        notes.append(Said(f"{day.date()}: a few instruments have a close, the index has none; left out",
                          f"{day.date()}：少数证券有收盘价而指数没有，已剔除"))
    priced = pd.DatetimeIndex(np.sort(shown["date"].unique())).difference(few)
    groups = [(name, group, tables["index"]) for name, group in index.groupby("index_id")] if len(index) else []
    if not groups and len(prices):
        groups = [("prices", shown.drop_duplicates("date").sort_values("date"), tables["prices"])]
    for name, group, where in groups:
        days = group["date"]
        wide = group[days.diff().dt.days > GAP]
        for _, row in wide.head(FAULTS_SHOWN).iterrows():
            file, number = _place(where, row)
            rule = f"no day of {name} for more than {GAP} calendar days before this one"
            faults.append(Fault(file, rule, "fill the gap, or begin the history after it", number, "date", str(row["date"].date())))
        if where is tables["prices"]:
            continue
        inside = priced[(priced >= days.iloc[0]) & (priced <= days.iloc[-1])]
        faults += _missing_days(inside.difference(pd.DatetimeIndex(days)), _place(where, group.iloc[0])[0],
                                f"{name} lacks this day, on which instruments traded", "add the index's close of that day")
    if groups and len(priced) and len(index):
        priced = pd.DatetimeIndex(np.sort(shown["date"].unique()))
        # A day of every index inside the range of the prices on which nothing has a price.
        of_all = index.groupby("date")["index_id"].nunique()
        common = pd.DatetimeIndex(of_all[of_all == of_all.max()].index) if len(of_all) else priced
        inside = common[(common >= priced[0]) & (common <= priced[-1])]
        file = tables["prices"][0].rows.file
        faults += _missing_days(inside.difference(priced), file, "no instrument has a price on this day of the index",
                                "add the prices of that day")
    return faults


def _few(shown: pd.DataFrame) -> pd.DatetimeIndex:
    """The days on which less than half of the instruments trade that have a close before and after."""
    if shown.empty:
        return pd.DatetimeIndex([])
    traded = shown.groupby("date")["instrument_id"].size()
    span = shown.groupby("instrument_id")["date"].agg(["min", "max"])
    begun, over = np.sort(span["min"].to_numpy()), np.sort(span["max"].to_numpy())
    days = traded.index.to_numpy()
    alive = np.searchsorted(begun, days, side="right") - np.searchsorted(over, days, side="left")
    return pd.DatetimeIndex(days[2 * traded.to_numpy() < alive])


def _missing_days(lost: pd.DatetimeIndex, file: str, rule: str, way_out: str) -> list[Fault]:
    faults = [Fault(file, rule, way_out, None, "date", str(day.date())) for day in lost[:FAULTS_SHOWN]]
    if len(lost) > FAULTS_SHOWN:
        faults.append(Fault(file, f"{len(lost) - FAULTS_SHOWN} more days: {rule}", way_out, None, "date"))
    return faults


def _explained(
    prices: pd.DataFrame, index: pd.DataFrame, tables: list[Table], splits: Splits, faults: list[Fault], notes: list[Said],
) -> pd.DataFrame:
    """The prices after what ``splits`` says was done about jumps that nothing explains."""
    if prices.empty:
        return prices
    moved = index.sort_values("date").groupby("index_id")["close"].transform(lambda c: np.log(c).diff())
    found = jumps(prices, moved.groupby(index["date"]).mean() if len(index) else pd.Series(dtype=float))
    if found.empty:
        return prices
    # A close that calls itself adjusted knows no splits: its jumps are told, not doubted.
    mine = prices.loc[found["place"], "_table"].map({n: t.adjusted for n, t in enumerate(tables)}).to_numpy(bool)
    for jump, row in _with_rows(found[mine].head(FAULTS_SHOWN), prices):
        change = f"{100 * (jump.ratio - 1):+.1f}%"
        notes.append(Said(f"{row.instrument_id} on {row.date.date()}: {change} in an adjusted close, kept",
                          f"{row.instrument_id} 于{row.date.date()}：复权收盘价变动{change}，予以保留"))
    found = found[~mine]
    if splits == "refuse" and len(found):
        rows = prices.loc[found["place"]]
        where = [_place(tables, row) for _, row in rows.iterrows()]
        faults += faults_of(found, prices, where)
    elif splits == "adjust" and len(found):
        for jump, row in _with_rows(found, prices):
            split = not np.isnan(jump.near)
            notes.append(Said(
                f"{row.instrument_id} on {row.date.date()}: {jump.ratio:.4g} times the close before; "
                + (f"taken as a split of {jump.near:.4g}" if split else "its return was left out"),
                f"{row.instrument_id} 于{row.date.date()}：收盘价为前一日的{jump.ratio:.4g}倍，"
                + (f"视为{jump.near:.4g}的拆并股" if split else "该日收益率不计")))
        prices = adjusted(prices, found)
    elif len(found):
        notes.append(Said(f"{len(found)} closes that jump were kept as returns", f"{len(found)}处跳变的收盘价按收益率保留"))
    return prices


def _with_rows(found: pd.DataFrame, prices: pd.DataFrame) -> list[tuple[Any, Any]]:
    rows = prices.loc[found["place"], ["instrument_id", "date"]]
    return list(zip(found.itertuples(), rows.itertuples(), strict=True))


def _sectors(tables: Sequence[Table]) -> dict[str, str]:
    """The sector of each instrument: from a list of instruments, else from the last row of the prices that says one."""
    found: dict[str, str] = {}
    for kind in ("prices", "sectors"):
        for table in tables:
            if table.kind == kind and {"instrument_id", "sector"} <= set(table.frame):
                said = table.frame[table.frame["sector"].notna()]
                found |= dict(zip(said["instrument_id"], said["sector"], strict=True))
    return found


def _beside(tables: Sequence[Table]) -> dict[str, pd.DataFrame]:
    """The tables that are neither prices nor an index, by kind; a second one of a kind by its own name too."""
    found: dict[str, pd.DataFrame] = {}
    for table in tables:
        if table.kind not in ("prices", "index"):
            name = table.kind if table.kind not in found and table.kind != "indicators" else f"{table.kind}: {table.name}"
            order = [c for c in ("date", "instrument_id") if c in table.frame]
            found[name] = table.frame.sort_values(order, kind="stable").reset_index(drop=True)
    return found
