"""Verbs that write what people file: report."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stresslab.cli.options import RUN_FAILED, AsJson, Language, Quiet, app
from stresslab.terminal import progress_bar, results


class Format(StrEnum):
    """A format of the report."""

    HTML = "html"
    PDF = "pdf"
    XLSX = "xlsx"


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    against: Annotated[Path | None, typer.Option("--against", help="Folder of last quarter's run: splits the change since.")] = None,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the report; the HTML page can show both.")] = Language.ZH,
    kind: Annotated[Format, typer.Option("--format", help="One HTML file, A4 pages, or a workbook.")] = Format.HTML,
    out: Annotated[Path | None, typer.Option("--out", help="File of the report; by default in the run's folder.")] = None,
    quarter: Annotated[str | None, typer.Option("--quarter", help="Quarter, as 2026Q3; by default that of the book's date.")] = None,
    remediation: Annotated[Path | None, typer.Option("--remediation", help="TOML with [[remediation]]: who mends what by when.")] = None,
    totals: Annotated[Path | None, typer.Option("--totals", help="CSV of platform_id, item, source, amount_yuan, to reconcile.")] = None,
    reverse: Annotated[Path | None, typer.Option("--reverse", help="Folder of stresslab reverse --out.")] = None,
    bands: Annotated[bool, typer.Option("--bands", help="Runs again with parameters moved; a band stands beside each figure.")] = False,
    ranges: Annotated[Path | None, typer.Option("--ranges", help="TOML with [[range]]: ranges of assumed parameters for --bands.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write the quarterly report of a finished run as HTML, PDF or workbook.

    Example: stresslab report my-run --lang zh --format pdf --against last-run --quarter 2026Q3
    """
    from stresslab import record, verbs

    try:
        with progress_bar(quiet or (against is None and not bands and ranges is None)) as progress:
            place = verbs.write_report(
                folder, language=lang.value, kind=kind.value, out=out, against=against, quarter=quarter, remediation=remediation,
                totals=totals, reverse=reverse, bands=bands, ranges=ranges, progress=progress)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it stopped", file=sys.stderr)
        raise typer.Exit(RUN_FAILED) from None
    with results():
        if as_json:
            print(json.dumps({"report": str(place), "bytes": place.stat().st_size, "sha256": record.file_digest(place)}))
        else:
            print(f"report: {place}")
