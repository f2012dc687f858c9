"""A book whose accounts and positions are Parquet in parts, read part by part in bounded memory.

Folders ``accounts`` and ``positions`` hold files of the same names; a part has accounts and their positions, and the ids of each
part lie above those of the part before, which the statistics in the footers of the files say. Any other book of parts is read whole.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stresslab.book.checks import (
    IN_PARTS,
    Checker,
    check_accounts,
    check_bounds,
    check_lost,
    check_rest,
    check_sums,
    given,
    noted,
)
from stresslab.book.convert import FAULTS_SHOWN
from stresslab.book.files import Book, Digest, Reader, reading_order, row_order
from stresslab.book.liquidity import loan_sums
from stresslab.book.profile import profile_sums, size_of
from stresslab.book.suitability import finding_sums
from stresslab.faults import Fault, InputError, Rows
from stresslab.glossary import INPUTS
from stresslab.limits import Limits

_MORE = re.compile(r"([0-9]+) more rows")


class PartFiles(NamedTuple):
    """The two files of one part."""

    accounts: Path
    positions: Path


def parts_of(folder: Path | str) -> list[PartFiles]:
    """The parts of a book in the order of their ids; empty if it is no book that can be read part by part."""
    folders = [Path(folder) / name for name in IN_PARTS]
    if any(not f.is_dir() or any(f.with_suffix(s).exists() for s in (".csv", ".parquet")) for f in folders):
        return []
    names = [sorted(p.relative_to(f) for p in f.rglob("*.parquet")) for f in folders]
    if len(names[0]) < 2 or names[0] != names[1]:
        return []
    found = []
    for name in names[0]:
        owners, holders = (_ids_of(f / name) for f in folders)
        if owners is None or holders is None or not owners[0] <= holders[0] <= holders[1] <= owners[1]:
            return []
        found.append((owners, PartFiles(folders[0] / name, folders[1] / name)))
    found.sort(key=lambda part: part[0])
    apart = all(a[0][1] < b[0][0] for a, b in pairwise(found))
    return [files for _, files in found] if apart else []


def _ids_of(path: Path) -> tuple[str, str] | None:
    """The first and last account id of a file, from its footer; None where it does not say."""
    try:
        footer = pq.read_metadata(path)
    except (OSError, ValueError, pa.ArrowException):
        return None
    low, high = [], []
    for at in range(footer.num_row_groups):
        group = footer.row_group(at)
        columns = {group.column(c).path_in_schema: group.column(c) for c in range(group.num_columns)}
        told = columns["account_id"].statistics if "account_id" in columns else None
        if told is None or not told.has_min_max or told.null_count or not isinstance(told.min, str):
            return None
        low.append(told.min)
        high.append(told.max)
    return (min(low), max(high)) if low else None


class PartedBook:
    """Reads a book part by part; what is wrong with any part is told at the end, all at once."""

    def __init__(self, folder: Path | str, files: list[PartFiles]) -> None:
        self.folder, self.files = Path(folder), files
        self.reader = Reader(self.folder)
        self.head = self.reader.head()
        for name in INPUTS:
            if name not in IN_PARTS:
                self.reader.table(name)
        #: What stands beside accounts, as it was read, and what is wrong with it as far as that can be said without them.
        self.rest, self.partial = dict(self.reader.tables), set(self.reader.partial)
        self.told = list(self.reader.faults)
        c = Checker(self.rest, self.reader.rows, self.partial, self.told)
        check_rest(c, self.head["as_of"])
        self.faults = [*self.told, *c.faults]
        self.total = 0
        self._ids: str | None = None
        claims = self.rest.get("claims", pd.DataFrame())
        self._named: set[str] = {n for n in given(claims, "account_id", None) if isinstance(n, str)}
        self._loans: dict[str, int] = {}

    def each(self) -> Iterator[Book]:
        """The parts as books of their own, tables sorted; those with faults of their own are left out."""
        sorted_rest = {n: f.iloc[row_order(n, f)].reset_index(drop=True) for n, f in self.rest.items()} if not self.faults else {}
        for files in self.files:
            faults = self._read(files)
            self.faults += faults
            if faults or self.faults:
                continue
            tables = sorted_rest | {n: (f := self.reader.tables[n]).iloc[row_order(n, f)].reset_index(drop=True) for n in IN_PARTS}
            head = self.head
            yield Book(head["title"], head["as_of"], head["currency"], head["synthetic"], {n: tables[n] for n in INPUTS if n in tables})

    def _read(self, files: PartFiles) -> list[Fault]:
        """Read and check one part; its faults."""
        reader = self.reader
        reader.tables, reader.faults, reader.partial = dict(self.rest), [], set(self.partial)
        for name, path in zip(IN_PARTS, files, strict=True):
            folder, shown = self.folder / name, path.relative_to(self.folder).as_posix()
            raw = reader.parquet_file(name, path, path.relative_to(folder).parts)
            if raw is None:
                continue
            reader.rows[name] = Rows(name, range(2, len(raw) + 2), ((0, shown),))
            reader.convert(name, raw.reset_index(drop=True))
        known = [*self.told, *reader.faults]
        c = Checker(reader.tables, reader.rows, reader.partial, known)
        check_accounts(c, self.head["as_of"])
        self.total += check_bounds(c)
        found: list[Fault] = [*reader.faults, *c.faults]
        a = reader.tables.get("accounts", pd.DataFrame())
        if "account_id" in a:
            self._named.difference_update(a["account_id"])
            found += self._in_order(a["account_id"], reader.rows["accounts"])
        if {"platform_id", "debt_li"} <= set(a):
            for lender, debt in a.groupby("platform_id")["debt_li"].sum().items():
                self._loans[str(lender)] = self._loans.get(str(lender), 0) + int(debt)
        return found

    def _in_order(self, ids: pd.Series[Any], rows: Rows) -> list[Fault]:
        """Whether the ids of a part lie above those before, as the footers of the files said."""
        sure = ids.dropna()
        if sure.empty:
            return []
        low, last = str(sure.min()), self._ids
        self._ids = str(sure.max())
        if last is None or low > last:
            return []
        rule = f"the ids of a part must lie above those of the part before, which ends with {last}"
        return [rows.fault(int(ids.index[ids == low][0]), rule, "write the parts again, sorted by account_id", "account_id", low)]

    def finish(self) -> None:
        """Check what needs all parts; raises :class:`InputError` with every fault of the book."""
        rows = self.reader.rows
        first = ((at, p.accounts.relative_to(self.folder).as_posix()) for at, p in enumerate(self.files))
        rows["accounts"] = Rows("accounts", range(2, 2), tuple(first))
        names = list(self._loans)
        sums = pd.DataFrame({
            "account_id": names, "platform_id": names, "debt_li": np.array([self._loans[n] for n in names], np.int64)})
        c = Checker(self.rest | {"accounts": sums}, rows, self.partial, self.faults)
        if c.readable("claims") and "account_id" in self.rest["claims"] and c.sound("accounts", "account_id"):
            check_lost(c, "claims", "account_id", "accounts", self.rest["claims"]["account_id"].isin(self._named))
        check_sums(c, self.total)
        if self.faults or c.faults:
            raise InputError(sorted(shortened([*self.faults, *c.faults]), key=reading_order))

    def book(self, sums: dict[str, Any], digest: Digest, accounts: pd.DataFrame) -> Book:
        """The book without its accounts, but with what they add up to."""
        head, rest = self.head, {n: f.iloc[row_order(n, f)].reset_index(drop=True) for n, f in self.rest.items()}
        for name, frame in rest.items():
            digest.add(name, frame)
        places = {n: (self.reader.rows[n], row_order(n, f)) for n, f in self.rest.items()}
        tables = {n: accounts if n == "accounts" else rest[n] for n in INPUTS if n in rest or n == "accounts"}
        sums["noted"] = added(sums["noted"], noted(rest))
        # The files in the order in which a book is read whole: table by table, the parts of a table by name.
        read, tops = self.reader.digests, ["book.toml", *INPUTS]
        files = sorted(read, key=lambda f: (tops.index(f if f in tops else f.partition("/")[0].partition(".")[0]), f))
        digests = {f: read[f] for f in files}
        book = Book(head["title"], head["as_of"], head["currency"], head["synthetic"], tables, digests, self.folder, places, sums)
        return replace(book, said=digest.of(book))


def shortened(faults: list[Fault]) -> list[Fault]:
    """At most so many rows of one column of a table are spelled out, whichever parts they stand in; the rest are counted."""
    shown: dict[tuple[str, str | None], int] = {}
    rest: dict[tuple[str, str | None], tuple[int, Fault]] = {}
    kept: list[Fault] = []
    for fault in dict.fromkeys(faults):
        table = fault.file.partition("/")[0]
        more = _MORE.match(fault.rule) if fault.row is None else None
        if table not in IN_PARTS or (fault.row is None and not more):
            kept.append(fault)
            continue
        key = (table, fault.column)
        shown[key] = shown.get(key, 0) + (not more)
        if more or shown[key] > FAULTS_SHOWN:
            rest[key] = (rest.get(key, (0, fault))[0] + (int(more[1]) if more else 1), fault)
        else:
            kept.append(fault)
    return kept + [
        Fault(table, f"{count} more rows break a rule in this column", "correct them alike", None, column)
        for (table, column), (count, _) in rest.items()
    ]


def sums_of(part: Book, limits: Limits) -> dict[str, Any]:
    """What the accounts of a part add to everything that is said of a book: integers, and a few names in order."""
    found = noted({name: part.tables[name] for name in ("instruments", *IN_PARTS)})
    del found["kept"]["instruments"]
    return {
        "size": size_of(part), "profile": profile_sums(part), "loans": loan_sums(part, limits), "findings": finding_sums(part, limits),
        "noted": found,
    }


def added(one: Any, other: Any) -> Any:
    """Two sums as one: tables by key, lists of numbers by place, lists of names one after the other."""
    if isinstance(one, dict):
        return {k: added(one[k], other[k]) if k in one and k in other else one.get(k, other.get(k)) for k in {**one, **other}}
    if isinstance(one, list):
        if any(isinstance(v, str) for v in (*one, *other)) or len(one) != len(other):
            return [*one, *other]
        return [added(a, b) for a, b in zip(one, other, strict=True)]
    return one + other


def for_the_pool(part: Book) -> pd.DataFrame:
    """Of the accounts what the look-through asks for: debt by platform and maturity, and the clients who move money."""
    a, moved = part.tables["accounts"], part.tables.get("movements", pd.DataFrame())
    keys = [c for c in ("platform_id", "maturity_date") if c in a]
    debts = a[["debt_li"]].groupby([a[c] for c in keys], dropna=False).sum().reset_index()
    parties = set(moved["party_id"]) | set(moved["counterparty_id"]) if len(moved) else set()
    clients = sorted({c for c in given(a, "client_id", None) if isinstance(c, str) and c in parties})
    names = pd.DataFrame({"platform_id": None, "debt_li": 0, "client_id": pd.Series(clients, dtype=object)})
    return pd.concat([debts, names], ignore_index=True) if clients else debts


def pooled(pieces: list[pd.DataFrame]) -> pd.DataFrame:
    """The pieces of all parts as one."""
    frame = pd.concat(pieces, ignore_index=True)
    frame["debt_li"] = frame["debt_li"].astype(np.int64)
    if "maturity_date" in frame:
        frame["maturity_date"] = [d if isinstance(d, datetime.date) else None for d in frame["maturity_date"]]
    return frame
