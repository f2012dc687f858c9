"""Books as Parquet in parts: any book cut by its accounts, and a demo book of any size that is never held whole. Synthetic."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stresslab.book.checks import IN_PARTS
from stresslab.book.demo import demo_parts
from stresslab.book.files import Book, write_book
from stresslab.glossary import BP_PER_PERCENT, INPUTS, LI_PER_YUAN, Column

_SCALES = {"money": LI_PER_YUAN, "price": LI_PER_YUAN, "percent": BP_PER_PERCENT}


def write_in_parts(book: Book, folder: Path, parts: int) -> None:
    """Write a book with its accounts and positions as Parquet in so many parts, the rest as CSV; reading it gives the same book."""
    a, p = (book.tables[name] for name in IN_PARTS)
    a, p = a.sort_values("account_id", kind="stable"), p.sort_values(["account_id", "instrument_id"], kind="stable")
    edges = [len(a) * k // parts for k in range(parts + 1)]
    ids, owners = a["account_id"].to_numpy(dtype=object), p["account_id"].to_numpy(dtype=object)
    for k in range(parts):
        low, high = edges[k], edges[k + 1]
        first = int(np.searchsorted(owners, ids[low]))
        last = len(owners) if high == len(ids) else int(np.searchsorted(owners, ids[high]))
        write_part(folder, k, a.iloc[low:high], p.iloc[first:last])
    write_rest(book, folder)


def write_demo(folder: Path, accounts: int, parts: int, seed: int) -> Book:
    """Write a demo book of any size part by part, none of which is kept; returns what stands beside the accounts."""
    for number, piece in enumerate(demo_parts(accounts, parts, seed)):
        if isinstance(piece, Book):
            write_rest(piece, folder)
            return piece
        write_part(folder, number, *piece)
    raise AssertionError("the last piece of a demo book is what stands beside its accounts")


def write_rest(book: Book, folder: Path) -> None:
    """Everything of a book but accounts and positions."""
    write_book(replace(book, tables={n: f for n, f in book.tables.items() if n not in IN_PARTS}), folder)


def write_part(folder: Path, number: int, accounts: pd.DataFrame, positions: pd.DataFrame) -> None:
    """One part: a file of accounts and one of their positions, in yuan and percent."""
    for name, frame in zip(IN_PARTS, (accounts, positions), strict=True):
        path = folder / name / f"part-{number:04d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {c.name: _arrow(c, frame[c.stored]) for c in INPUTS[name] if c.stored in frame}
        pq.write_table(pa.table(columns), path, compression="zstd")


def _arrow(column: Column, values: pd.Series[Any]) -> pa.Array:
    """A stored column as it is written: exact multiples of 0.001 yuan or 0.01% as the nearest floats, which read back exactly."""
    if column.kind in _SCALES:
        scale = _SCALES[column.kind]
        if values.isna().any():
            return pa.array([None if pd.isna(v) else float(Decimal(int(v)) / scale) for v in values], pa.float64())
        return pa.array(values.to_numpy(np.int64) / scale, pa.float64())
    kinds = {"id": pa.string(), "text": pa.string(), "choice": pa.string(), "flag": pa.bool_(), "date": pa.date32(), "count": pa.int64()}
    return pa.array([None if v is None or v is pd.NA or v != v else v for v in values], kinds.get(column.kind, pa.float64()))
