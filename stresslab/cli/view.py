"""Verbs that look at finished runs and change nothing: runs, sql, verify."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stresslab.cli.options import (
    ANSWER_IS_NO,
    PAPER,
    AsJson,
    InLanguage,
    Language,
    Parts,
    Quiet,
    Scheduler,
    Workers,
    app,
)
from stresslab.terminal import progress_bar, results, terminal


class AnswerFormat(StrEnum):
    """A format of an answer."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


@app.command()
def runs(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders to look through; by default this one.")] = None,
    as_json: AsJson = False,
    lang: InLanguage = Language.EN,
) -> None:
    """List the runs below some folders: when, book, scenarios, paths, finished or resumable, grades, versions.

    Example: stresslab runs my-runs
    """
    from stresslab import listing

    found = listing.runs(*(folders or ()))
    with results():
        if as_json:
            print(json.dumps(found, ensure_ascii=False, indent=1))
            return
        from stresslab.report.listed import print_runs

        console = terminal()
        if not console.is_terminal:
            console.width = max(console.width, PAPER)
        print_runs(found, console, lang.value)


@app.command()
def sql(
    words: Annotated[list[str], typer.Argument(metavar="RUNS... QUERY", help="Folders of finished runs, then the query.")],
    kind: Annotated[AnswerFormat, typer.Option("--format", help="How the answer is written.")] = AnswerFormat.TABLE,
    out: Annotated[Path | None, typer.Option("--out", help="Write the answer into this file.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=0, help="Print at most so many rows of a table; 0: all.")] = 200,
    as_json: AsJson = False,
    lang: InLanguage = Language.EN,
) -> None:
    """Ask the tables of one or several runs in SQL; each has a column run, the name of the run's folder.

    Example: stresslab sql my-run "select scenario, platform_id, avg(deficit_li) from outcomes group by all order by all"
    """
    from stresslab import record
    from stresslab.faults import Fault, InputError
    from stresslab.querying import answer
    from stresslab.report import answer as shown

    if as_json:
        kind = AnswerFormat.JSON
    faults = []
    if len(words) < 2:
        faults.append(Fault("options", "needs a run and a query", 'write it as: stresslab sql my-run "select * from runs"'))
    if out is not None and out.is_dir():
        faults.append(Fault("options", "is a folder", "give the name of a file", None, "out", str(out)))
    if out is None and kind is AnswerFormat.PARQUET:
        faults.append(Fault("options", "a Parquet file needs a name", "give --out FILE", None, "format", kind.value))
    if out is not None and kind is AnswerFormat.TABLE:
        faults.append(Fault("options", "a table is for the terminal", "give --format csv, json or parquet", None, "out", str(out)))
    if faults:
        raise InputError(faults)
    table = answer([Path(word) for word in words[:-1]], words[-1])
    if out is not None:
        # The mark at the beginning tells a spreadsheet that this is UTF-8.
        made = {
            AnswerFormat.CSV: lambda: shown.csv_text(table).encode("utf-8-sig"), AnswerFormat.PARQUET: lambda: shown.parquet_bytes(table),
            AnswerFormat.JSON: lambda: (shown.json_text(table) + "\n").encode(),
        }[kind]()
        record.write_bytes(out, made)
    with results():
        if out is not None:
            said = f"{out}：{table.num_rows}行" if lang is Language.ZH else f"{out}: {table.num_rows} rows"
            print(said)
        elif kind is AnswerFormat.CSV:
            print(shown.csv_text(table), end="")
        elif kind is AnswerFormat.JSON:
            print(shown.json_text(table))
        else:
            console = terminal()
            if not console.is_terminal:
                console.width = max(console.width, PAPER)
            shown.print_answer(table, console, lang.value, rows)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    blocks: Annotated[int, typer.Option("--blocks", min=1, help="So many blocks of 25 paths are run again.")] = 8,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the sample of blocks.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="Run every block again, and rare events.")] = False,
    book: Annotated[Path | None, typer.Option("--book", help="Folder of the book, if it is not where the run had it.")] = None,
    market: Annotated[Path | None, typer.Option("--market", help="The market file, if it is not where the run had it.")] = None,
    workers: Workers = 0,
    scheduler: Scheduler = None,
    parts: Parts = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
    lang: InLanguage = Language.EN,
) -> None:
    """Check a finished run: its files, a sample of its blocks run again, its sums, estimates and grades. Exit code 1 if it differs.

    Example: stresslab verify my-run --blocks 8
    """
    from stresslab.verifying import verify as verified

    with progress_bar(quiet) as progress:
        found = verified(
            folder, blocks=blocks, seed=seed, every=every, book=book, market=market, workers=workers, scheduler=scheduler, parts=parts,
            progress=progress)
    for fault in found.faults:
        print(fault, file=sys.stderr)
    with results():
        if as_json:
            print(json.dumps(found.plain(), ensure_ascii=False, indent=1))
        else:
            from stresslab.report.verified import print_verified

            print_verified(found.plain(), terminal(), lang.value)
    if not found.agrees:
        raise typer.Exit(ANSWER_IS_NO)
