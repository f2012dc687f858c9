"""Writes docs/data.md from the glossary: every column that stresslab reads or writes.

Run it after the glossary was edited; ``tests/test_docs.py`` fails while the page is out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stresslab.glossary import INPUTS, KEYS, NULL_WHEN_ZERO, OPTIONAL_TABLES, OUTPUTS, Column, Measure

HEAD = """# Data

Every column that stresslab reads and writes. This page is made from `stresslab/glossary.py` by
`python docs/make_data.py`; a test fails when it is out of date. Formulas (M-…) are those of
[method.md](method.md).

People write yuan, percent and `YYYY-MM-DD`; inside stresslab and in the tables of a run money is an
integer count of 厘 (`_li`, 0.001 yuan), shares of a whole are parts per million (`_ppm`). A value
that does not convert exactly is refused (M-1), and so is a value outside its range (M-2).

## A book

A folder with `book.toml` and one file per table: `accounts.csv`, or `accounts.parquet`, or a folder
`accounts/` of Parquet parts. CSV is UTF-8 with a header line; columns may stand in any order, rows
too. Row order changes no result.

`book.toml` has `title` (text), `as_of` (date), `currency` (CNY), and may have `synthetic` (true or
false) and `source` (text).

*required*: the column must be there and every cell filled. *optional*: the column may be absent
and cells may be empty. *kept*: optional, read and checked, but no result depends on it yet;
`stresslab check` lists the kept columns of a book. What holds between cells (references, lines,
ticks, the balance sheet) is checked once every cell is sound.

Where an optional cell is empty: the restore line is the warning line, a rate is fixed, all shares
are sellable, a forced sale is pro rata and partial, interest is on the debt, amounts are 0, flags are
false; lot, tick and price limit are the board's on the book's date (`stresslab/market/rules.toml`).
"""

RUN = """## A run

A folder of Parquet tables with the columns below, `record.json` (what was run, by which versions,
digests of everything in and out), `rating.json` and `report.html`. Tables line up by the columns of
unit *id* together with `path` and `day`.
"""

#: What a kind of input column is called, and its unit in the file.
KINDS = {
    "id": ("name", "up to 64 characters"),
    "text": ("text", ""),
    "choice": ("choice", ""),
    "flag": ("flag", "true or false"),
    "money": ("money", "yuan"),
    "price": ("price", "yuan a share"),
    "percent": ("percent", "%"),
    "count": ("whole number", ""),
    "number": ("number", ""),
    "date": ("date", "YYYY-MM-DD"),
}

#: The unit of an output column as people read it.
UNITS = {"li": "厘", "ppm": "ppm", "count": "count", "day": "trading day", "id": "id", "": ""}


def page() -> str:
    """The whole of docs/data.md."""
    return "\n".join(line for part in (_head(), _inputs(), _outputs()) for line in part)


def _head() -> Iterator[str]:
    yield HEAD


def _inputs() -> Iterator[str]:
    for table, columns in INPUTS.items():
        yield f"### {table}\n"
        if table in OPTIONAL_TABLES:
            yield "The table may be absent. It is read and kept, but no result depends on it yet.\n"
        if KEYS.get(table):
            yield f"One row for each {' and '.join(f'`{key}`' for key in KEYS[table])}.\n"
        yield "| column | English | 中文 | kind | unit or choices | range | |"
        yield "|---|---|---|---|---|---|---|"
        yield from (_input_row(column) for column in columns)
        yield ""


def _input_row(column: Column) -> str:
    kind, unit = KINDS[column.kind]
    need = "required" if column.required else "optional"
    if not column.simulated:
        need = "kept"
    cells = (f"`{column.name}`", column.en, column.zh, kind, ", ".join(column.choices) or unit, _range(column), need)
    return "| " + " | ".join(cells) + " |"


def _range(column: Column) -> str:
    if column.low is None or column.high is None:
        return ""
    low, high = (f"{bound:,.3f}".rstrip("0").rstrip(".") for bound in (column.low, column.high))
    return f"{low} to {high}"


def _outputs() -> Iterator[str]:
    yield RUN
    for table, measures in OUTPUTS.items():
        yield f"### {table}.parquet\n"
        yield "| column | English | 中文 | unit | type | formula |"
        yield "|---|---|---|---|---|---|"
        yield from (_output_row(measure) for measure in measures)
        yield ""


def _output_row(measure: Measure) -> str:
    unit = UNITS[measure.unit] + (", null: never" if measure.name in NULL_WHEN_ZERO else "")
    formula = f"({measure.formula})" if measure.formula else ""
    return "| " + " | ".join((f"`{measure.name}`", measure.en, measure.zh, unit, str(measure.arrow), formula)) + " |"


if __name__ == "__main__":
    Path(__file__).with_name("data.md").write_text(page(), encoding="utf-8")
