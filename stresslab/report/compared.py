"""Two scenarios of a run side by side in the terminal (M-50)."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from stresslab.estimate import TOTAL

#: A small terminal has no room for single yuan.
TEN_THOUSAND = 10_000.0


def print_compared(found: pd.DataFrame, first: str, second: str, console: Console) -> None:
    """Print what the second scenario changes against the first, all platforms together, and what makes the two differ."""
    for one in found.attrs["differences"]:
        console.print(f"{one['key']}: {first} {_said(one['first'])}, {second} {_said(one['second'])}", highlight=False)
    console.print(f"A: {first}, B: {second}; the same paths, all platforms; money in 10,000 yuan, ratios and events in %", highlight=False)
    table = Table(box=None, padding=(0, 1))
    for name in ("measure", "A", "B", "B − A", "error", "better", "worse"):
        table.add_column(name, justify="left" if name == "measure" else "right", no_wrap=True)
    for row in found[found["platform_id"] == TOTAL].to_dict("records"):
        if row["difference"] == 0 and row["better"] == row["worse"] == 0:
            continue
        unit = TEN_THOUSAND if row["unit"] == "yuan" else 1.0
        figures = (row["first"], row["second"], row["difference"], row["error"])
        table.add_row(row["measure"], *(_number(x, unit) for x in figures), str(row["better"]), str(row["worse"]))
    console.print(table)
    console.print(f"{int(found['paths'].max()) if len(found) else 0} paths; measures that no path changes are left out", highlight=False)


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _number(value: float, unit: float) -> str:
    return "-" if value is None or pd.isna(value) else f"{value / unit:,.1f}"
