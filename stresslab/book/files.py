"""A book as a folder: ``book.toml`` and tables as CSV or Parquet, read with every fault at once."""

from __future__ import annotations

import csv
import datetime
import hashlib
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stresslab.book.checks import check_book
from stresslab.book.convert import convert
from stresslab.faults import Fault, InputError, nearest
from stresslab.glossary import BP_PER_PERCENT, INPUTS, LI_PER_YUAN, OPTIONAL_TABLES, Column

_TOML_KEYS = ("title", "as_of", "currency", "synthetic", "source")


@dataclass(frozen=True)
class Book:
    """What the platforms lent: checked tables in integers (厘, basis points, shares), sorted by id.

    ``tables`` maps a table's name to a frame whose columns are the stored names of the glossary;
    optional columns that nobody wrote are absent. ``digests`` maps each file read to its SHA-256.
    """

    title: str
    as_of: datetime.date
    currency: str
    synthetic: bool
    tables: dict[str, pd.DataFrame]
    digests: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def digest(self) -> str:
        """One SHA-256 for the whole book: of its files, or of its tables when it never was a file."""
        total = hashlib.sha256(f"{self.title}\0{self.as_of}\0{self.currency}\0{self.synthetic}".encode())
        for name in sorted(self.tables):
            total.update(name.encode() + b"\0" + self.tables[name].to_csv(index=False).encode())
        return total.hexdigest()


def read_book(folder: Path | str) -> Book:
    """The book in a folder; raises :class:`InputError` with every fault if it breaks any rule."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError([Fault(str(folder), "a book is a folder", "give the folder that holds book.toml, or make one with `stresslab init`")])
    faults: list[Fault] = []
    head, digests = _read_head(folder, faults)
    tables: dict[str, pd.DataFrame] = {}
    rows: dict[str, np.ndarray[Any, Any]] = {}
    files: dict[str, str] = {}
    for name in INPUTS:
        raw = _read_raw(folder, name, faults, digests, files)
        if raw is not None:
            tables[name], rows[name] = _convert_table(name, raw, files[name], faults)
    if not faults:
        faults += check_book(tables, rows, files, head["as_of"])
    if faults:
        raise InputError(faults)
    ordered = {name: _ordered(name, frame) for name, frame in tables.items()}
    return Book(head["title"], head["as_of"], head["currency"], head["synthetic"], ordered, digests, folder)


def _ordered(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    # Row order must not matter: ids are sorted, and their ranks number the random draws.
    keys = [c.stored for c in INPUTS[name] if c.kind == "id" and c.stored in frame and c.required]
    extra = [c for c in ("kind", "amount_li", "notice_days") if name == "claims" and c in frame]
    return frame.sort_values(keys + extra, kind="stable").reset_index(drop=True)


def _read_head(folder: Path, faults: list[Fault]) -> tuple[dict[str, Any], dict[str, str]]:
    head: dict[str, Any] = {"title": folder.name, "as_of": datetime.date(1970, 1, 1), "currency": "CNY", "synthetic": False}
    path = folder / "book.toml"
    if not path.is_file():
        faults.append(Fault("book.toml", "a book has a book.toml", "write one with title, as_of and currency"))
        return head, {}
    data = path.read_bytes()
    try:
        written = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(Fault("book.toml", f"is not valid TOML ({error})", "correct the line named"))
        return head, {}
    for key, value in written.items():
        if key not in _TOML_KEYS:
            faults.append(Fault("book.toml", "unknown key", nearest(key, _TOML_KEYS), None, key, str(value)))
    head["synthetic"] = written.get("synthetic", False)
    if not isinstance(head["synthetic"], bool):
        faults.append(Fault("book.toml", "synthetic must be true or false", "write true or false", None, "synthetic", str(head["synthetic"])))
    for key, kind, way_out in (("title", str, "write a title in quotes"), ("as_of", datetime.date, "write as_of = YYYY-MM-DD without quotes"),
                               ("currency", str, 'write currency = "CNY"')):
        value = written.get(key)
        if not isinstance(value, kind) or isinstance(value, datetime.datetime):
            faults.append(Fault("book.toml", f"{key} must be given", way_out, None, key, None if value is None else str(value)))
        else:
            head[key] = value
    if head["currency"] != "CNY":
        faults.append(Fault("book.toml", "the book must be in CNY", "convert it; other currencies are not simulated", None, "currency", str(head["currency"])))
    return head, {"book.toml": hashlib.sha256(data).hexdigest()}


def _read_raw(folder: Path, name: str, faults: list[Fault], digests: dict[str, str], files: dict[str, str]) -> pd.DataFrame | None:
    found = [p for p in (folder / f"{name}.csv", folder / f"{name}.parquet", folder / name) if p.exists()]
    files[name] = found[0].name if found else f"{name}.csv"
    if not found:
        if name not in OPTIONAL_TABLES:
            faults.append(Fault(f"{name}.csv", "this table is missing", f"write {name}.csv or {name}.parquet; `stresslab init` shows one"))
        return None
    if len(found) > 1:
        faults.append(Fault(name, "this table is there twice: " + ", ".join(p.name for p in found), "keep one of them"))
        return None
    parts = sorted(found[0].rglob("*.parquet")) if found[0].is_dir() else [found[0]]
    for part in parts:
        digests[str(part.relative_to(folder))] = hashlib.sha256(part.read_bytes()).hexdigest()
    try:
        if found[0].suffix == ".csv":
            return _read_csv(found[0], faults)
        return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True) if parts else pd.DataFrame()
    except (OSError, ValueError, UnicodeDecodeError) as error:
        faults.append(Fault(found[0].name, f"cannot be read ({str(error).splitlines()[0]})", "write it again as UTF-8 CSV or Parquet"))
        return None


def _read_csv(path: Path, faults: list[Fault]) -> pd.DataFrame | None:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.reader(stream, strict=True)) if path.stat().st_size else []
    if not lines:
        faults.append(Fault(path.name, "the file is empty", "write a header line with the column names"))
        return None
    header = lines[0]
    uneven = [(n + 2, len(row)) for n, row in enumerate(lines[1:]) if row and len(row) != len(header)]
    for row_number, width in uneven[:20]:
        faults.append(Fault(path.name, f"has {width} cells where the header has {len(header)}", "give every row one cell per column", row_number))
    if uneven:
        return None
    return pd.DataFrame([row for row in lines[1:] if row], columns=pd.Index(header), dtype=object)


def _convert_table(name: str, raw: pd.DataFrame, file: str, faults: list[Fault]) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    columns = {c.name: c for c in INPUTS[name]}
    rows = np.arange(len(raw)) + 2  # as a spreadsheet counts: the header is row 1
    for twice in {str(c) for c in raw.columns[raw.columns.duplicated()]}:
        faults.append(Fault(file, "this column is there twice", "keep one of them", 1, twice))
    for written in raw.columns:
        if written not in columns:
            faults.append(Fault(file, "unknown column", nearest(str(written), list(columns)), 1, str(written)))
    stored: dict[str, pd.Series[Any]] = {}
    for column in columns.values():
        if column.name not in raw.columns:
            if column.required:
                faults.append(Fault(file, f"the column of {column.en} is missing", "add it", 1, column.name))
            continue
        if list(raw.columns).count(column.name) == 1:
            stored[column.stored], found = convert(column, raw[column.name].reset_index(drop=True), file, rows)
            faults.extend(found)
    return pd.DataFrame(stored), rows


def write_book(book: Book, folder: Path) -> None:
    """Write a book as CSV and ``book.toml``, in yuan and percent, so that reading it gives the same book."""
    folder.mkdir(parents=True, exist_ok=True)
    synthetic = "true" if book.synthetic else "false"
    head = f'title = "{book.title}"\nas_of = {book.as_of}\ncurrency = "{book.currency}"\nsynthetic = {synthetic}\n'
    (folder / "book.toml").write_text(head, encoding="utf-8")
    for name, frame in book.tables.items():
        out = {c.name: _written(c, frame[c.stored]) for c in INPUTS[name] if c.stored in frame}
        pd.DataFrame(out).to_csv(folder / f"{name}.csv", index=False, encoding="utf-8", lineterminator="\n")


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
        else:
            out.append(str(value))
    return out
