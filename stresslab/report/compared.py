"""Two scenarios of a run side by side in the terminal (M-50)."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from stresslab.estimate import TOTAL
from stresslab.pairing import PAYERS, payer
from stresslab.report.response_words import response

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
    told = [r for r in found[found["platform_id"] == TOTAL].to_dict("records") if r["difference"] or r["better"] or r["worse"]]
    order = ["what changes", *PAYERS]
    said = ""
    for row in sorted(told, key=lambda r: order.index(payer(r["measure"]))):
        if payer(row["measure"]) != said:
            said = payer(row["measure"])
            table.add_row(f"[bold]{said}[/bold]")
        unit = TEN_THOUSAND if row["unit"] == "yuan" else 1.0
        figures = (row["first"], row["second"], row["difference"], row["error"])
        table.add_row(row["measure"], *(_number(x, unit) for x in figures), str(row["better"]), str(row["worse"]))
    console.print(table)
    console.print(f"{int(found['paths'].max()) if len(found) else 0} paths; measures that no path changes are left out", highlight=False)


def _said(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "do" in value[0]:
        return "; ".join(response(one).en for one in value)
    return "nothing" if value is None else str(value)


def _number(value: float, unit: float) -> str:
    return "-" if value is None or pd.isna(value) else f"{value / unit:,.1f}"
