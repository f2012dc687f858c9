"""Tables of a history as files: CSV or Parquet, one file or a folder of parts, with the place of every row."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stresslab import intake
from stresslab.faults import Fault, Rows
from stresslab.history.columns import ADJUSTED, NUMBERS, kind_of, known_columns, plain
from stresslab.history.said import Said

#: So many faults of one rule in one column are named, the rest counted.
FAULTS_SHOWN = 10
_NOTHING = ("", "nan", "na", "n/a", "none", "null", "-", "--")
_ENDINGS = (".csv", ".parquet")


@dataclass
class Table:
    """One table as it was read: our names on the columns that we know, the others as they were written."""

    name: str
    kind: str
    frame: pd.DataFrame
    rows: Rows
    #: What our columns are called in the file.
    written: dict[str, str]
    #: Whether its close is free of the jumps of splits and dividends, by its own name.
    adjusted: bool
    faults: list[Fault] = field(default_factory=list)

    def refuse(self, broken: Any, rule: str, way_out: str, column: str, values: Any = None) -> None:
        """Faults of the rows where ``broken`` is true: the first ones by name, the rest as a count."""
        at = np.flatnonzero(np.asarray(broken, bool))
        said = self.written.get(column, column)
        shown = self.frame[column] if values is None and column in self.frame else values
        for row in at[:FAULTS_SHOWN]:
            value = None if shown is None else _as_written(pd.Series(shown).iloc[int(row)])
            self.faults.append(self.rows.fault(int(row), rule, way_out, said, value))
        if len(at) > FAULTS_SHOWN:
            self.faults.append(Fault(self.rows.file, f"{len(at) - FAULTS_SHOWN} more rows: {rule}", way_out, None, said))


def _as_written(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return str(value.date())
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.15g}"
    return str(value)


def tables_in(path: Path, digests: dict[str, str], faults: list[Fault], notes: list[Said]) -> list[Table]:
    """The tables of a folder (each file, and each folder of parts, is one), or the one table of a file."""
    if path.is_file():
        places = [path]
    elif path.is_dir():
        inside = (p for p in path.iterdir() if p.suffix.lower() in _ENDINGS or not intake.leaves(path, p))
        places = sorted(p for p in inside if p.suffix.lower() in _ENDINGS or (p.is_dir() and _parts(p)))
    else:
        faults.append(Fault(str(path), "there is no such file or folder", "give the folder that holds the daily tables, or its files"))
        return []
    if not places:
        faults.append(Fault(str(path), "holds no table", "put CSV or Parquet files with a date, a code and a close into it"))
    if path.is_dir():
        out = [place for place in places if intake.leaves(path, place)]
        faults += [Fault(str(place), "is a link that leads out of its folder", "put the file itself there") for place in out]
        places = [place for place in places if place not in out]
    found = [_table(place, digests, faults, notes) for place in places]
    return [table for table in found if table is not None]


def _parts(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in _ENDINGS and p.is_file() and not intake.leaves(folder, p))


def _table(path: Path, digests: dict[str, str], faults: list[Fault], notes: list[Said]) -> Table | None:
    files = _parts(path) if path.is_dir() else [path]
    frames: list[pd.DataFrame] = []
    starts: list[tuple[int, str]] = []
    numbers: range = range(0)
    for file in files:
        frame, first = _frame(file, path.name, digests, faults)
        if frame is None:
            continue
        starts.append((sum(map(len, frames)), f"{path.name}/{file.relative_to(path)}" if path.is_dir() else path.name))
        frames.append(frame)
        numbers = max(numbers, range(first, first + len(frame)), key=len)
    if not frames:
        return None
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    kind = kind_of(path.stem, [str(c) for c in frame])
    if kind is None:
        notes.append(Said(f"{path.name}: neither dates nor sectors are in it; not read", f"{path.name}：没有日期或行业，未读取"))
        return None
    written = known_columns([str(c) for c in frame])
    # A code under an index's name is an index, and one under a share's name a share, whatever the column is called.
    ours, other = ("index_id", "instrument_id") if kind == "index" else ("instrument_id", "index_id")
    if ours not in written and other in written and kind in ("index", "prices"):
        written[ours] = written.pop(other)
    adjusted = plain(written.get("close", "")) in ADJUSTED
    table = Table(path.stem, kind, frame.rename(columns={w: o for o, w in written.items()}),
                  Rows(path.name, numbers, tuple(starts) if path.is_dir() else ()), written, adjusted)
    _convert(table)
    return table


def _frame(file: Path, table: str, digests: dict[str, str], faults: list[Fault]) -> tuple[pd.DataFrame | None, int]:
    """What stands in one file, text as text, and the number of its first row as its reader counts it."""
    try:
        data = intake.content(file)
        digests[f"{table}/{file.name}" if table != file.name else table] = hashlib.sha256(data).hexdigest()
        if file.suffix.lower() == ".parquet":
            frame = intake.parquet(data)
            if frame.columns.duplicated().any():
                raise ValueError(f"column {frame.columns[frame.columns.duplicated()][0]} is there twice")
            return frame, 1
        return pd.read_csv(io.StringIO(_decoded(data)), dtype=str, keep_default_na=False, skipinitialspace=True), 2
    except OSError as error:
        faults.append(Fault(str(file), f"cannot be read ({error.strerror or 'damaged'})", "give a file that you may read"))
    except ValueError as error:
        faults.append(Fault(str(file), f"is no readable table ({str(error).splitlines()[0]})", "write it again"))
    return None, 0


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")  # a UnicodeDecodeError of this one is a ValueError: no readable table


def _convert(table: Table) -> None:
    """Dates as days, codes as text, our numbers as numbers; other columns as numbers where all of their cells are."""
    frame = table.frame
    for name in list(frame):
        if name == "date":
            frame[name] = _days(table, frame[name])
        elif name in ("instrument_id", "index_id", "sector"):
            frame[name] = _codes(table, frame[name], str(name))
        elif name in NUMBERS or _is_text(frame[name]):
            frame[name] = _numbers(table, frame[name], str(name))


def _is_text(column: pd.Series[Any]) -> bool:
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column))


def _missing(column: pd.Series[Any]) -> pd.Series[bool]:
    if not _is_text(column):
        return column.isna()
    return column.isna() | column.astype(str).str.strip().str.lower().isin(_NOTHING)


def _days(table: Table, column: pd.Series[Any]) -> pd.Series[Any]:
    way_out = "write days as 2015-06-12, 2015/6/12 or 20150612"
    if pd.api.types.is_datetime64_any_dtype(column):
        table.refuse(column.isna(), "a date is missing", way_out, "date")
        naive = column.dt.tz_localize(None) if column.dt.tz is not None else column
        days: pd.Series[Any] = naive.dt.normalize().astype("datetime64[us]")
        return days
    text = column.astype(str).str.strip().str.removesuffix(".0")
    known = {one: _day(one) for one in pd.unique(text)}  # far fewer than rows
    found = text.map(known).astype("datetime64[us]")
    table.refuse(found.isna(), "a date does not parse", way_out, "date", column)
    return found


def _day(text: str) -> pd.Timestamp | None:
    for pattern in ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y-%m-%d %H:%M:%S", "%Y年%m月%d日", "%d-%b-%Y"):
        found = pd.to_datetime(text, format=pattern, errors="coerce")
        if not pd.isna(found) and 1 <= found.year <= 9999:  # pandas reads years before Christ
            return pd.Timestamp(found).normalize()
    return None


def _codes(table: Table, column: pd.Series[Any], name: str) -> pd.Series[Any]:
    gone = _missing(column)
    if name != "sector":
        table.refuse(gone, "a code is missing", "name the instrument or the index, or drop the row", name)
    return column.astype(str).str.strip().where(~gone, None)


def _numbers(table: Table, column: pd.Series[Any], name: str) -> pd.Series[Any]:
    gone = _missing(column)
    numbers = pd.to_numeric(column.where(~gone, None), errors="coerce").astype(float)
    bad = ~gone & ~np.isfinite(numbers)
    if name not in NUMBERS:
        return column if bad.any() else numbers
    table.refuse(bad, "is no number", "write digits with a point, or leave the cell empty", name, column)
    return numbers
