"""The answer of a query as people and programs read it: a table in the terminal, CSV, JSON, Parquet."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from stresslab.report.phrase import Language, Phrase
from stresslab.spreadsheets import csv_rows, harmless

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

_MORE = Phrase("{shown} of {rows} rows; --rows 0 prints all", "显示{rows}行中的{shown}行；--rows 0 显示全部")
_NONE = Phrase("no rows", "无记录")


def csv_text(table: pa.Table) -> str:
    """All rows as CSV; no cell of text, nor a heading, is a formula for a spreadsheet. Empty is null; numbers have all their digits."""
    return csv_rows(table.column_names, zip(*(map(_csv_cell, column.to_pylist()) for column in table.columns), strict=True))


def _csv_cell(value: Any) -> str:
    said = _plain(value)
    if said is None:
        return ""
    if isinstance(said, bool):
        return str(said).lower()
    if isinstance(said, int | float):
        return repr(said)
    return harmless(said if isinstance(said, str) else json.dumps(said, ensure_ascii=False))


def json_text(table: pa.Table) -> str:
    """A list of rows as JSON; what JSON does not know (dates, decimals) is text, a float that is no number is null."""
    return json.dumps([{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()], ensure_ascii=False)


def _plain(value: Any) -> Any:
    """A value in the types of JSON."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else format(value, "f")
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [_plain(inner) for inner in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def parquet_bytes(table: pa.Table) -> bytes:
    """The answer as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", version="2.6", store_schema=False, write_page_checksum=True)
    return bytes(sink.getvalue().to_pybytes())


def print_answer(table: pa.Table, console: Console, language: Language, rows: int) -> None:
    """At most so many rows (0: all) as a table; what a terminal would take for a command is made visible."""
    from pyarrow import types
    from rich.table import Table
    from rich.text import Text

    shown = table if rows == 0 else table.slice(0, rows)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for field in table.schema:
        number = types.is_integer(field.type) or types.is_floating(field.type) or types.is_decimal(field.type)
        grid.add_column(Text(visible(field.name)), justify="right" if number else "left", overflow="fold")
    for cells in zip(*(column.to_pylist() for column in shown.columns), strict=True):
        grid.add_row(*map(Text, _shown(cells)))
    console.print(grid)
    if not table.num_rows:
        console.print(_NONE.pick(language), style="dim")
    elif shown.num_rows < table.num_rows:
        console.print(_MORE.fill(shown=shown.num_rows, rows=table.num_rows).pick(language), style="dim")


def _shown(cells: Iterable[Any]) -> Iterable[str]:
    for value in cells:
        said = _plain(value)
        if value is None:
            yield "–"
        elif isinstance(said, float):
            yield f"{said:.10g}"
        elif isinstance(said, str):
            yield visible(said)
        else:
            yield json.dumps(said, ensure_ascii=False)


def visible(text: str) -> str:
    """Text whose controls are written out, so that no terminal obeys them."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
