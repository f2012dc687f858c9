"""Draw how a run scales from the lines of bench_scaling.py, and put the tables into docs/scaling.md.

    python benchmarks/bench_scaling.py > lines.jsonl; python benchmarks/plot_scaling.py lines.jsonl docs/scaling.svg docs/scaling.md
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["svg.hashsalt"] = "stresslab"

Rows = list[dict[str, Any]]


def main(lines: Path, picture: Path, page: Path) -> None:
    """Two panels: milliseconds a path against accounts, instruments and days; throughput against workers."""
    from matplotlib import pyplot as plt

    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
    for what, style in (("accounts", "-o"), ("instruments", "-s"), ("days", "-^")):
        mine = of(rows, what)
        base = mine[0][what]
        times = [r["cpu_ms_per_path"] for r in mine]
        left.plot([r[what] / base for r in mine], times, style, label=f"{what} (from {base:,})", markersize=4)
    left.set(xscale="log", yscale="log", xlabel="times as many", ylabel="ms a path, one thread", title="Cost of a path, fall of 20%")
    for size in sorted({r["block_paths"] for r in of(rows, "simulated")}):
        mine = [r for r in of(rows, "simulated") if r["block_paths"] == size]
        speeds = [r["paths_per_second"] for r in mine]
        right.plot([r["workers"] for r in mine], speeds, "-o", label=f"simulated, blocks of {size}", markersize=3)
    first = of(rows, "simulated")[0]
    made = [r for r in of(rows, "workers") if r["accounts"] == first["accounts"]]
    right.plot([r["workers"] for r in made], [r["paths_per_second"] for r in made], "k*", label="measured", markersize=9)
    accounts = f"{first['accounts']:,}"
    crews = [r["workers"] for r in of(rows, "simulated") if r["block_paths"] == first["block_paths"]]
    right.plot(crews, [first["paths_per_second"] * w for w in crews], ":", color="grey", label="without any loss")
    right.set(xscale="log", yscale="log", xlabel="workers", ylabel="paths a second", title=f"A book of {accounts} accounts")
    for panel in (left, right):
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(picture, metadata={"Date": None})
    put(page, tables(rows))


def of(rows: Rows, sweep: str) -> Rows:
    """The rows of one measurement."""
    return [r for r in rows if r["sweep"] == sweep]


def tables(rows: Rows) -> dict[str, str]:
    """The tables of the paper, as Markdown, by the name of their place."""
    found = {}
    for place, names, wanted in (
        ("sweeps",
         ("accounts", "instruments", "days", "paths", "cpu_ms_per_path", "book_bytes", "state_bytes", "block_bytes", "touched"),
         ("accounts", "instruments", "days", "paths")),
        ("parts", ("parts", "accounts", "cpu_ms_per_path", "cpu_ms_per_path_whole", "exchanges_per_group", "bytes_per_exchange"),
         ("parts",)),
        ("workers", ("workers", "accounts", "paths", "seconds", "start_seconds", "paths_per_second", "share_of_crew_times_one"),
         ("workers",)),
        ("beside", ("block_paths", "block_seconds", "block_bytes", "ms_per_task", "keep_ms", "serial_ms_per_block", "knee"), ("beside",)),
        ("simulated", ("workers", "block_paths", "seconds", "paths_per_second", "efficiency"), ("simulated",)),
    ):
        lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
        lines += ["| " + " | ".join(f"{row[n]:,}" for n in names) + " |" for sweep in wanted for row in of(rows, sweep)]
        found[place] = "\n".join(lines)
    return found


def put(page: Path, found: dict[str, str]) -> None:
    """Put the tables into a page, each between the marks of its place; a table without measurements stays as it was."""
    text = page.read_text(encoding="utf-8")
    for place, table in found.items():
        if table.count("\n") > 1:
            text = re.sub(f"(<!-- {place} -->\n).*?(<!-- end -->)", lambda m, t=table: f"{m[1]}{t}\n{m[2]}", text, flags=re.DOTALL)  # type: ignore[misc]
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
