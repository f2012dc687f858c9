"""A book as a folder: ``book.toml`` and tables as CSV or Parquet, read with every fault at once."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import math
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab import intake
from stresslab.book.checks import check_book, shown_value, written_name
from stresslab.book.convert import FAULTS_SHOWN, convert, missing
from stresslab.faults import Fault, InputError, Rows, close_to, nearest
from stresslab.glossary import BP_PER_PERCENT, INPUTS, KEYS, LI_PER_YUAN, OPTIONAL_TABLES, Column
from stresslab.market.files import toml_fault, toml_text
from stresslab.spreadsheets import harmless, plain

_TOML_KEYS = ("title", "as_of", "currency", "synthetic", "source")
#: Trading rules are known from this day on.
_FIRST_DAY = datetime.date(1990, 12, 19)
#: Tables without which there is nothing to lend, or nobody to lend it.
_NEVER_EMPTY = ("accounts", "instruments", "platforms")
#: Kinds of columns whose cells are words of whoever wrote the book.
_SAID = ("id", "text")


@dataclass(frozen=True)
class Book:
    """What the platforms lent: checked tables in integers (厘, basis points, shares), sorted by id.

    ``tables`` maps a table's name to a frame whose columns are the stored names of the glossary;
    optional columns that nobody wrote are absent. ``digests`` maps each file read to its SHA-256,
    ``places`` each table to where its rows stood in the files, and in which order.
    """

    title: str
    as_of: datetime.date
    currency: str
    synthetic: bool
    tables: dict[str, pd.DataFrame]
    digests: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    places: dict[str, tuple[Rows, NDArray[np.int64]]] = field(default_factory=dict, repr=False, compare=False)
    #: Of a book that was read part by part (:mod:`stresslab.book.parted`): what its accounts add up to, and its digest. Its
    #: ``tables`` then hold no positions, and of the accounts only what the look-through asks for.
    sums: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    said: str | None = field(default=None, repr=False, compare=False)

    @cached_property
    def digest(self) -> str:
        """One SHA-256 for what the book says, whichever files and order of rows say it."""
        if self.said is not None:
            return self.said
        digest = Digest()
        for name, frame in self.tables.items():
            digest.add(name, frame)
        return digest.of(self)

    def fault(self, table: str, at: int, column: str, rule: str, way_out: str) -> Fault:
        """A fault of one stored cell, with its file and row where the book was read from files."""
        name, value = written_name(table, column), shown_value(table, column, self.tables[table][column].iloc[at])
        if table not in self.places:
            return Fault(table, rule, way_out, None, name, value)
        rows, order = self.places[table]
        return rows.fault(int(order[at]), rule, way_out, name, value)


class Digest:
    """The digest of a book whose tables are given piece by piece, the rows of a table in the order of its keys."""

    def __init__(self) -> None:
        self._tables: dict[str, Any] = {}

    def add(self, name: str, frame: pd.DataFrame) -> None:
        """Some rows of a table; a column that is not there says the same as one in which nothing is written."""
        rows = frame.reindex(columns=[c.stored for c in INPUTS[name]]).to_csv(index=False, header=False)
        self._tables.setdefault(name, hashlib.sha256()).update(rows.encode())

    def of(self, book: Book) -> str:
        """The digest of the book that has these tables."""
        total = hashlib.sha256(f"{book.title}\0{book.as_of}\0{book.currency}\0{book.synthetic}".encode())
        for name in sorted(self._tables):
            total.update(f"\0{name}\0{self._tables[name].hexdigest()}".encode())
        return total.hexdigest()


def read_book(folder: Path | str) -> Book:
    """The book in a folder; raises :class:`InputError` with every fault if it breaks any rule."""
    folder = Path(folder)
    if not folder.is_dir():
        way_out = "give the folder that holds book.toml, or make one with `stresslab init`"
        raise InputError([Fault(str(folder), "a book is a folder", way_out)])
    reader = Reader(folder)
    head = reader.head()
    for name in INPUTS:
        reader.table(name)
    reader.faults += check_book(reader.tables, reader.rows, reader.partial, head["as_of"], reader.faults)
    if reader.faults:
        raise InputError(sorted(reader.faults, key=reading_order))
    tables, places = {}, {}
    for name, frame in reader.tables.items():
        order = row_order(name, frame)
        tables[name], places[name] = frame.iloc[order].reset_index(drop=True), (reader.rows[name], order)
    return Book(head["title"], head["as_of"], head["currency"], head["synthetic"], tables, reader.digests, folder, places)


def reading_order(fault: Fault) -> tuple[int, str, float]:
    """Faults stand in the order of tables, files and rows."""
    table = fault.file.partition("/")[0].partition(".")[0]
    return list(INPUTS).index(table) if table in INPUTS else -1, fault.file, math.inf if fault.row is None else fault.row


def row_order(name: str, frame: pd.DataFrame) -> NDArray[np.int64]:
    """The order of a table's rows: by id, since ranks of ids number the random draws; without a key, by everything."""
    keys = [c.stored for c in INPUTS[name] if c.kind == "id" and c.required and c.stored in frame]
    keys += [key for key in KEYS[name] if key not in keys and key in frame]
    if not KEYS[name]:
        first = [c for c in ("kind", "amount_li", "notice_days") if name == "claims" and c in frame]
        keys += first + [str(c) for c in frame if c not in keys and c not in first]
    return frame.reset_index(drop=True).sort_values(keys, kind="stable").index.to_numpy(np.int64)


class Reader:
    """Reads the files of one book, and remembers what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: list[Fault] = []
        self.digests: dict[str, str] = {}
        self.tables: dict[str, pd.DataFrame] = {}
        self.rows: dict[str, Rows] = {}
        #: Tables of which some rows could not be read: nothing can be said about what they lack.
        self.partial: set[str] = set()

    def refuse(self, *parts: Any) -> None:
        """One fault."""
        self.faults.append(Fault(*parts))

    def bytes_of(self, path: Path) -> bytes | None:
        """The content of a file; None and a fault if it cannot be read."""
        name = path.relative_to(self.folder).as_posix()
        if intake.leaves(self.folder, path):
            self.refuse(name, "is a link that leads out of the book's folder", "put the file itself there")
            return None
        try:
            data = intake.content(path)
        except OSError as error:
            self.refuse(name, f"cannot be read ({error.strerror})", "make it a file that you may read")
            return None
        self.digests[name] = hashlib.sha256(data).hexdigest()
        return data

    def head(self) -> dict[str, Any]:
        """What book.toml says; ``as_of`` is None where it is not known."""
        head: dict[str, Any] = {"title": "", "as_of": None, "currency": "CNY", "synthetic": False}
        if not (self.folder / "book.toml").exists():
            self.refuse("book.toml", "a book has a book.toml", "write one with title, as_of and currency")
            return head
        data = self.bytes_of(self.folder / "book.toml")
        if data is None:
            return head
        try:
            written = intake.toml(data)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self.faults.append(toml_fault("book.toml", data, error))
            return head
        for key, value in written.items():
            if key not in _TOML_KEYS:
                self.refuse("book.toml", "unknown key", nearest(key, _TOML_KEYS), None, key, str(value))
        for key, kind, rule, way_out in (
            ("title", str, "must be text", "write a title in quotes"),
            ("as_of", datetime.date, "must be the date of the book", "write as_of = YYYY-MM-DD without quotes"),
            ("currency", str, "must be the currency of the book", 'write currency = "CNY"'),
            ("synthetic", bool, "must be true or false", "write true or false without quotes"),
        ):
            value = written.get(key, False if key == "synthetic" else None)
            if not isinstance(value, kind) or isinstance(value, datetime.datetime) or value == "":
                self.refuse("book.toml", rule, way_out, None, key, None if value is None else str(value))
            else:
                head[key] = value
        if head["currency"] != "CNY":
            rule, way_out = "must be CNY", "convert the book, other currencies are not simulated"
            self.refuse("book.toml", rule, way_out, None, "currency", head["currency"])
        if head["as_of"] is not None and head["as_of"] < _FIRST_DAY:
            rule, way_out = f"must not lie before {_FIRST_DAY}", "correct it, no trading rules are known before"
            self.refuse("book.toml", rule, way_out, None, "as_of", str(head["as_of"]))
            head["as_of"] = None
        return head

    def table(self, name: str) -> None:
        """Read one table, as far as it can be read."""
        found = [p for p in (self.folder / f"{name}.csv", self.folder / f"{name}.parquet", self.folder / name) if p.exists()]
        if not found:
            if name not in OPTIONAL_TABLES:
                self.refuse(f"{name}.csv", "this table is missing", self._instead_of(name))
            return
        if len(found) > 1:
            self.refuse(name, "this table is there twice: " + ", ".join(p.name for p in found), "keep one of them")
            return
        raw = self._csv(name, found[0]) if found[0].suffix == ".csv" else self._parquet(name, found[0])
        if raw is None:
            return
        if not len(raw) and name in _NEVER_EMPTY and name not in self.partial:
            self.refuse(found[0].name, "this table has no rows", f"write at least one of the {name}")
        self.convert(name, raw)

    def _instead_of(self, name: str) -> str:
        others = [p.name for p in sorted(self.folder.iterdir()) if p.suffix in (".csv", ".parquet") and p.stem not in INPUTS]
        hint = close_to(f"{name}.csv", others)
        return f"{hint} rename it to {name}.csv" if hint else f"write {name}.csv or {name}.parquet; `stresslab init` shows one"

    def _csv(self, name: str, path: Path) -> pd.DataFrame | None:
        data = self.bytes_of(path)
        if data is None:
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            row = data[: error.start].count(b"\n") + 1
            way_out = "save the file as UTF-8; spreadsheets call it CSV UTF-8"
            self.refuse(path.name, f"is not UTF-8 text (byte 0x{data[error.start]:02x})", way_out, row)
            return None
        records: list[list[str]] = []
        try:
            records.extend(csv.reader(io.StringIO(text, newline=""), strict=True))
        except csv.Error as error:
            way_out = "put text with commas or quotes in double quotes, and double the quotes inside it"
            self.refuse(path.name, f"cannot be read as CSV ({error})", way_out, len(records) + 1)
            return None
        if not any(_says_something(r) for r in records):
            self.refuse(path.name, "the file is empty", "write a first row with the column names")
            return None
        return self._records(name, path.name, records)

    def _records(self, name: str, file: str, records: list[list[str]]) -> pd.DataFrame | None:
        header = records[0]
        if not _says_something(header):
            self.refuse(file, "the first row must hold the column names", "remove the empty rows above it", 1)
            return None
        if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
            self.refuse(file, "cells must be separated by commas", "save the file with commas", 1, None, header[0])
            return None
        written = [(n, r) for n, r in enumerate(records[1:], start=2) if _says_something(r)]
        even = [(n, r) for n, r in written if len(r) == len(header)]
        uneven = [(n, len(r)) for n, r in written if len(r) != len(header)]
        for n, width in uneven[:FAULTS_SHOWN]:
            way_out = "give every row one cell for each column; a comma inside a cell needs quotes around it"
            self.refuse(file, f"has {width} cells where the header has {len(header)}", way_out, n)
        if len(uneven) > FAULTS_SHOWN:
            rest = len(uneven) - FAULTS_SHOWN
            self.refuse(file, f"{rest} more rows have more or fewer cells than the header", "correct them alike")
        if uneven:
            self.partial.add(name)
        self.rows[name] = Rows(file, [n for n, _ in even])
        # What a spreadsheet was kept from computing (write_book) is read as it was said.
        said = {c.name for c in INPUTS[name] if c.kind in _SAID}
        names = [column in said for column in header]
        cells = [[plain(cell) if named else cell for cell, named in zip(r, names, strict=True)] for _, r in even]
        return pd.DataFrame(cells, columns=pd.Index(header, dtype=object), dtype=object)

    def _parquet(self, name: str, path: Path) -> pd.DataFrame | None:
        paths = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not paths:
            self.refuse(path.name, "this folder holds no Parquet files", f"write {name}.csv or {name}.parquet")
            return None
        frames, parts, count = [], [], 0
        for part in paths:
            frame = self.parquet_file(name, part, part.relative_to(path).parts if path.is_dir() else ())
            if frame is None:
                return None
            frames.append(frame)
            parts.append((count, part.relative_to(self.folder).as_posix()))
            count += len(frame)
        raw = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        self.rows[name] = Rows(path.name, range(2, len(raw) + 2), tuple(parts) if path.is_dir() else ())
        return raw.reset_index(drop=True)

    def parquet_file(self, name: str, path: Path, parts: tuple[str, ...]) -> pd.DataFrame | None:
        """One file of a table, with the columns that its folders name; None and a fault if it cannot be read."""
        data = self.bytes_of(path)
        if data is None:
            return None
        try:
            return with_folder_names(name, intake.parquet(data), parts)
        except ValueError:
            shown = path.relative_to(self.folder).as_posix()
            self.refuse(shown, "cannot be read as Parquet: it is cut off, damaged or something else", "write the file again")
            return None

    def convert(self, name: str, raw: pd.DataFrame) -> None:
        """A table as it is stored, with the faults of its columns and cells; its rows are known already."""
        columns, rows = {c.name: c for c in INPUTS[name]}, self.rows[name]
        header = [str(written) for written in raw.columns]
        for at, written in enumerate(header):
            if not written.strip():
                self.refuse(rows.file, f"column {at + 1} has no name", "name it or remove it", 1)
            elif header.index(written) != at:
                continue
            elif header.count(written) > 1:
                self.refuse(rows.file, "this column is there twice", "keep one of them", 1, written)
            elif written not in columns:
                self.refuse(rows.file, "unknown column", nearest(written, list(columns)), 1, written)
        stored: dict[str, pd.Series[Any]] = {}
        for column in columns.values():
            if header.count(column.name) == 0 and column.required:
                self.refuse(rows.file, f"this column is missing ({column.en}, {column.zh})", "add it", 1, column.name)
            if header.count(column.name) != 1:
                continue
            cells = raw.iloc[:, header.index(column.name)]
            # Nothing written in an optional column is the same as no such column.
            if column.required or not missing(cells).all():
                stored[column.stored], found = convert(column, cells, rows)
                self.faults += found
        self.tables[name] = pd.DataFrame(stored, index=pd.RangeIndex(len(raw)))


def _says_something(record: list[str]) -> bool:
    return bool("".join(record).strip())


def with_folder_names(name: str, frame: pd.DataFrame, parts: tuple[str, ...]) -> pd.DataFrame:
    """A part with the columns that its folders name, as ``platform_id=P1`` does."""
    for part in parts[:-1]:
        column, _, value = part.partition("=")
        if column not in frame and any(c.name == column for c in INPUTS[name]):
            frame[column] = value
    return frame


def write_book(book: Book, folder: Path) -> None:
    """Write a book as CSV and ``book.toml``, in yuan and percent, so that reading it gives the same book."""
    folder.mkdir(parents=True, exist_ok=True)
    head = {"title": toml_text(book.title), "as_of": str(book.as_of), "currency": toml_text(book.currency),
            "synthetic": "true" if book.synthetic else "false"}
    (folder / "book.toml").write_text("".join(f"{key} = {value}\n" for key, value in head.items()), encoding="utf-8")
    for name, frame in book.tables.items():
        out = pd.DataFrame({c.name: _written(c, frame[c.stored]) for c in INPUTS[name] if c.stored in frame})
        # The csv module leaves a lone carriage return bare, which would end the row for a reader.
        returns = any(out[c].str.contains("\r", regex=False).any() for c in out)
        out.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8", lineterminator="\n",
                   quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL)


def _written(column: Column, values: pd.Series[Any]) -> list[str]:
    scale = {"money": LI_PER_YUAN, "price": LI_PER_YUAN, "percent": BP_PER_PERCENT}.get(column.kind)
    out = []
    for value in values:
        if value is None or value is pd.NA or value != value:
            out.append("")
        elif scale is not None:
            out.append(f"{Decimal(int(value)) / scale:f}")
        elif column.kind == "flag":
            out.append("true" if value else "false")
        elif column.kind in _SAID:
            out.append(harmless(str(value)))
        else:
            out.append(str(value))
    return out
