"""Writes docs/data.md from the glossary and the scenario's model: every column and key that stresslab reads or writes.

Run it after one of them was edited; ``tests/test_docs.py`` fails while the page is out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stresslab.glossary import INPUTS, KEYS, NULL_WHEN_ZERO, OPTIONAL_TABLES, OUTPUTS, Column, Measure
from stresslab.history.columns import NAMES
from stresslab.scenario import Percent, Scenario, Yuan

HEAD = """# Data

Every column that stresslab reads and writes, and every key of a scenario. This page is made from
`stresslab/glossary.py` and `stresslab/scenario.py` by `python docs/make_data.py`; a test fails when it is
out of date. Formulas (M-…) are those of [method.md](method.md).

People write yuan, percent and `YYYY-MM-DD`; inside stresslab and in the tables of a run money is an
integer count of 厘 (`_li`, 0.001 yuan), shares of a whole are parts per million (`_ppm`). A value
that does not convert exactly is refused (M-1), and so is a value outside its range (M-2).

## A book

A folder with `book.toml` and one file per table: `accounts.csv`, or `accounts.parquet`, or a folder
`accounts/` of Parquet parts. If `accounts/` and `positions/` hold parts of the same names, each with accounts and their
positions, and the ids of the parts lie apart (sort by account_id, then cut), `check` and `run` read such a
book part by part in bounded memory; `stresslab init my-book --accounts 5000000 --partitions 64` writes one. CSV is UTF-8 with a
header line; columns may stand in any order, rows
too. Row order changes no result.

`book.toml` has `title` (text), `as_of` (date), `currency` (CNY), and may have `synthetic` (true or
false) and `source` (text).

*required*: the column must be there and every cell filled. *optional*: the column may be absent
and cells may be empty. *kept*: optional, read and checked, but no result depends on it yet;
`stresslab check` lists the kept columns of a book. The table `answers` is read by the rating: a question is the name of an
`answered` indicator of the scale (M-123). *pool*: optional, no run reads it, but the look-through of
`stresslab pool` does (M-100 to M-109); `recall_trigger`, `recall_pct` and `notice_days` act in a run whose
scenario has `[recalls]` (M-137). What holds between cells (references, lines, ticks, the balance sheet)
is checked once every cell is sound.

Where an optional cell is empty: the restore line is the warning line, a rate is fixed, all shares
are sellable, a forced sale is pro rata and partial, interest is on the debt, amounts are 0, flags are
false. A `recall_trigger` is one or more clauses with `or` between them: `market fall >= 20%`, `rating < A`, `own funds < 5%`
(of loans) or `own funds < 9000000 yuan`, `coverage < 95%` (margin coverage), in English or Chinese (M-102).
Lot, smallest order and tick are the board's on the book's date, the price limit is the board's on
each day of the run (`stresslab/market/rules.toml`), and none on the first days after `listed` where the
board knows such days; a limit of its own holds on all days. The smallest order of an instrument with a
`lot_size` of its own is that lot, unless `min_order` says another. `suspended_until` is the first day on
which it trades again, whether or not it is marked `suspended`; a suspended instrument without that date
stays closed for the whole run. What a contract says of its result, dates, suitability and budgets (`profit_share` to
`leverage_increases_90d`) is read by `check`, `terms` and the section on limits of a report, and changes no path, except
that `interest_base` exposure (own money and principal) is charged as a rate on the debt (M-110). `risk_grade` is one of the
limits file's grades. Positions of unknown cost are sold last under `highest_loss`. The law
`almgren` takes `total_shares`, else `float_shares`.
"""

SCENARIO = """## A scenario

One TOML file. Every block that holds facts names its `source`. A percentage has at most two decimals.
`[[…]]` is a table that may be written several times. Days are trading days of the run, the first is 1.
"""

HISTORY = """## A history

One or several folders or files of daily tables, each CSV (UTF-8 or GB 18030) or Parquet, or a folder of parts. What a table is, its
columns tell: `date`, `close` and `instrument_id` make prices, `date`, `close` and `index_id` an index (a close without any code is an
index of the file's name), `instrument_id` and `sector` without a date a list of sectors. Tables called prices, index, margin_balance,
rates, implied_volatility, breadth or flows are what they are called. Other dated tables and unknown columns are carried along.
A day without a row, or with `halted` not 0, is a halt (M-65). Columns are known by these names, small letters or not:
"""

CALIBRATION = """`stresslab calibrate` writes a folder: `market.toml`, `factor_returns.csv` (daily log returns of the market and of sectors,
for the bootstrap), `calibration.json` (every number, as `value` with its standard `error`) and `calibration.html`.
"""

RUN = """## A run

A folder of Parquet tables with the columns below, `record.json` (what was run, by which versions,
digests of everything in and out, how the book stands against its limits), `rating.json` and
`report.html`. Tables line up by the columns of unit *id* together with `path` and `day`; [sql.md](sql.md) asks them in SQL.
`stresslab verify` checks the digests and runs blocks again (M-235 to M-237).
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
UNITS = {"li": "厘", "ppm": "ppm", "count": "count", "day": "trading day", "id": "id", "ratio": "", "percent": "%", "": ""}


def page() -> str:
    """The whole of docs/data.md."""
    return "\n".join(line for part in (_head(), _inputs(), _history(), _scenario(), _outputs()) for line in part)


def _head() -> Iterator[str]:
    yield HEAD


def _history() -> Iterator[str]:
    yield HISTORY
    yield "| column | known as |"
    yield "|---|---|"
    for ours, theirs in NAMES.items():
        yield f"| `{ours}` | {', '.join(f'`{name}`' for name in theirs)} |"
    yield ""
    yield CALIBRATION


def _inputs() -> Iterator[str]:
    for table, columns in INPUTS.items():
        yield f"### {table}\n"
        if table in OPTIONAL_TABLES:
            yield "The table may be absent. No run reads it; `stresslab pool` does.\n"
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
        need = "pool" if column.pooled else "kept"
    cells = (f"`{column.name}`", column.en, column.zh, kind, ", ".join(column.choices) or unit, _range(column), need)
    return "| " + " | ".join(cells) + " |"


def _range(column: Column) -> str:
    if column.low is None or column.high is None:
        return ""
    low, high = (f"{bound:,.3f}".rstrip("0").rstrip(".") for bound in (column.low, column.high))
    return f"{low} to {high}"


def _scenario() -> Iterator[str]:
    yield SCENARIO
    yield from _block("", Scenario)


def _block(name: str, model: type[BaseModel]) -> Iterator[str]:
    """One table of a scenario with its keys, then the tables inside it."""
    inside: list[tuple[str, type[BaseModel]]] = []
    if name:
        yield f"### {name}\n"
        yield cleandoc(model.__doc__ or "").replace("``", "`") + "\n"
    yield "| key | values | range | without it |"
    yield "|---|---|---|---|"
    for key, field in model.model_fields.items():
        path = f"{name.strip('[]')}.{key}".strip(".")
        found = [part for part in _parts(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
        many = get_origin(field.annotation) is tuple
        if found:
            inside.append((f"[[{path}]]" if many else f"[{path}]", found[0]))
        else:
            need = "required" if field.is_required() else _default(field.default)
            yield "| " + " | ".join((f"`{key}`", _values(field), _bounds(field), need)) + " |"
    yield ""
    for table, its in inside:
        yield from _block(table, its)


def _parts(annotation: Any) -> list[Any]:
    """The plain types that an annotation is made of."""
    if get_origin(annotation) is Literal:
        return [annotation]
    inner = [part for arg in get_args(annotation) for part in _parts(arg)]
    return inner or [annotation]


def _metadata(field: FieldInfo) -> list[Any]:
    """What is said about the values of a field, also where it stands inside a list or an option."""
    found = list(field.metadata)

    def look(annotation: Any) -> None:
        found.extend(getattr(annotation, "__metadata__", ()))
        for arg in get_args(annotation):
            look(arg)

    look(field.annotation)
    return [inner for item in found for inner in (item.metadata if isinstance(item, FieldInfo) else [item])]


def _values(field: FieldInfo) -> str:
    parts = [part for part in _parts(field.annotation) if part not in (type(None), Ellipsis)]
    choices = [str(c) for part in parts if get_origin(part) is Literal for c in get_args(part)]
    if choices:
        return ", ".join(choices)
    percent = get_args(Percent)[-1] in _metadata(field)
    names = {int: "whole number", float: "%" if percent else "number", str: "text", bool: "true or false"}
    kind = "yuan" if get_args(Yuan)[-1] in _metadata(field) else next(names[part] for part in parts if part in names)
    many = tuple in (get_origin(a) for a in (field.annotation, *get_args(field.annotation)))
    plural = {"whole number": "whole numbers", "number": "numbers", "%": "percentages", "text": "names"}
    return f"list of {plural[kind]}" if many else kind


def _bounds(field: FieldInfo) -> str:
    words = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}
    found = [f"{words[name]} {getattr(item, name):,.15g}" for item in _metadata(field) for name in words if hasattr(item, name)]
    return ", ".join(found)


def _default(value: Any) -> str:
    if value is None or value == () or value == "":
        return "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:,g}" if isinstance(value, float) else str(value)


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
