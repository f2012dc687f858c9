"""Verbs that show many runs at once: dashboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stresslab.cli.options import AsJson, Language, app
from stresslab.terminal import results


@app.command()
def dashboard(
    folders: Annotated[list[Path], typer.Argument(metavar="RUNS...", help="Folders of finished runs and of backtests.")],
    out: Annotated[Path, typer.Option("--out", help="File of the page.")] = Path("dashboard.html"),
    lang: Annotated[Language, typer.Option("--lang", help="Language in which the page opens; it can show both.")] = Language.ZH,
    as_json: AsJson = False,
) -> None:
    """Write one offline page that shows runs beside each other: pick runs, scenarios, platform, investor type.

    Example: stresslab dashboard my-run my-batches my-backtest --out dashboard.html
    """
    from stresslab import record
    from stresslab.dashboards import dashboard as write

    place = write(folders, out=out, language=lang.value)
    with results():
        if as_json:
            print(json.dumps({"dashboard": str(place), "bytes": place.stat().st_size, "sha256": record.file_digest(place)}))
        else:
            print(f"dashboard: {place} ({place.stat().st_size / 1e6:.2f} MB)")
