"""SQL over the tables of runs: DuckDB on what lies in their folders, shut off from everything else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stresslab import glossary, record
from stresslab.faults import Fault, InputError, nearest
from stresslab.listing import named, runs

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: Set before the tables are there: nothing is downloaded, no variable of this program is a table, nothing is put on a disk.
_BEFORE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "allow_community_extensions": "false",
    "python_enable_replacements": "false", "temp_directory": "",
}
#: Set once they are: DuckDB opens no file, and no query changes that. The tables are read by Arrow, which DuckDB only asks for rows.
_AFTER = ("SET enable_external_access = false", "SET lock_configuration = true")
#: What asks and changes nothing; a PIVOT is several statements in one.
_ASKING = ("SELECT", "EXPLAIN", "MULTI")
#: The view of the runs themselves: the columns of `stresslab runs` that are one value each.
RUNS_VIEW = "runs"
_RUN_COLUMNS = ("folder", "when", "book", "as_of", "paths", "seed", "sampling", "stresslab", "kernels")


def sql(folders: Path | str | Sequence[Path | str], query: str) -> pd.DataFrame:
    """The answer of one query over the tables of one run or of several.

    Each table of the runs (docs/data.md) is a view with a first column ``run``, the name of the run's folder; the view ``runs`` has
    a row for each run. The query can read these and nothing else, and write nothing. Whole numbers with gaps stay whole numbers.
    Raises :class:`InputError` for folders without a finished run and for a query that is no query.
    """
    import pandas as pd
    import pyarrow as pa

    several = [folders] if isinstance(folders, Path | str) else folders
    table = answer([Path(folder) for folder in several], query)
    kept = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=kept.get)
    return frame


def answer(folders: Sequence[Path], query: str) -> pa.Table:
    """The answer of :func:`sql` as it comes from DuckDB, sums of whole numbers as whole numbers."""
    import duckdb

    if not folders:
        raise InputError([Fault("options", "at least one run is needed", "give the folder of a finished run")])
    with duckdb.connect(":memory:", config=_BEFORE) as connection:
        _fill(connection, folders)
        for setting in _AFTER:
            connection.execute(setting)
        try:
            _only_asks(connection, query)
            made = connection.sql(query)
            table = None if made is None else made.to_arrow_table()
        except duckdb.Error as error:
            raise InputError([_refused(query, str(error))]) from None
    if table is None:
        raise InputError([_refused(query, "it gives no table")])
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        rule = f"two columns of the answer are called {', '.join(twice)}"
        raise InputError([Fault("query", rule, "name the columns you want, with AS where they are called alike", None, None, query)])
    return _whole(table)


def _fill(connection: Any, folders: Sequence[Path]) -> None:
    """The tables of runs as views; every fault of every folder at once."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    faults: list[Fault] = []
    held: dict[str, list[str]] = {}
    names = named(folders)
    for at, (folder, name) in enumerate(zip(folders, names, strict=True)):
        try:
            record.RunFolder(folder).read_record()
        except InputError as error:
            faults += error.faults
            continue
        for table in glossary.OUTPUTS:
            place = folder / f"{table}.parquet"
            if not place.is_file():
                continue
            try:
                connection.register(f"{table} of {at}", ds.dataset(place, format="parquet"))
            except (OSError, ValueError, pa.ArrowException):
                faults.append(Fault(str(place), "this table of the run cannot be read", "run it again into another folder"))
                continue
            held.setdefault(table, []).append(f"SELECT {_text(name)} AS run, * FROM \"{table} of {at}\"")
    if len({folder.resolve() for folder in folders}) < len(folders):
        faults.append(Fault("options", "a run is given twice", "give it once"))
    if faults:
        raise InputError(faults)
    for table, parts in held.items():
        connection.execute(f"CREATE VIEW {table} AS " + " UNION ALL BY NAME ".join(parts))
    connection.register("the runs", _runs_table(folders, names))
    connection.execute(f'CREATE VIEW {RUNS_VIEW} AS SELECT * FROM "the runs"')


def _runs_table(folders: Sequence[Path], names: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {"run": list(names)} | {name: [] for name in _RUN_COLUMNS}
    for folder in folders:
        (row,) = runs(folder)
        told = row | {"stresslab": (row["versions"] or {}).get("stresslab")}
        for name in _RUN_COLUMNS:
            columns[name].append(told[name])
    kinds = {name: pa.int64() if name in ("paths", "seed") else pa.string() for name in columns}
    return pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _only_asks(connection: Any, query: str) -> None:
    """Refuse what is not one query: several statements, none, or one that would change something."""
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        rule = "it is empty" if not statements else "it is several statements"
        raise InputError([_refused(query, rule)])
    kind = str(statements[0].type).rpartition(".")[2]
    if kind not in _ASKING:
        raise InputError([_refused(query, f"{kind} is no question: runs are only read")])


def _refused(query: str, why: str) -> Fault:
    """What DuckDB says of a query, on one line."""
    told = " ".join(line.strip() for line in why.splitlines() if line.strip() and not line.strip().startswith("^"))
    known = (*glossary.OUTPUTS, RUNS_VIEW)
    if "Permission Error" in told:
        told = "a query reads the tables of the runs given, and nothing else: " + told.removeprefix("Permission Error: ")
    way_out = "write one SELECT over " + ", ".join(known)
    if "Catalog Error" in told and "Table with name" in told:
        asked = told.partition("Table with name ")[2].partition(" ")[0]
        told = f"there is no table {asked} in these runs"
        if asked in known:
            way_out = "no run given here has it: tail and tail_paths are written by `stresslab run --tail`"
        else:
            way_out = nearest(asked, known)
    return Fault("query", told, way_out, None, None, query)


def _whole(table: pa.Table) -> pa.Table:
    """Sums of whole numbers, which DuckDB keeps with 38 digits, as whole numbers of 64 bits where they fit."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        if pa.types.is_decimal128(field.type) and field.type.scale == 0:
            try:
                table = table.set_column(at, pa.field(field.name, pa.int64()), table[at].cast(pa.int64()))
            except pa.ArrowInvalid:
                continue  # larger than 64 bits: it stays exact as it is
    return table
