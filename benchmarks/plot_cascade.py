"""Draw the cost of the cascade against accounts and against paths from the lines of bench_cascade.py.

    for n in 10000 30000 100000 300000 1000000; do
        python benchmarks/bench_cascade.py --accounts $n --shocks 0,20,40 --contenders product,loop --loop-paths 1 --paths 16
    done >> lines.jsonl
    for n in 1 4 16 64 128 256; do
        python benchmarks/bench_cascade.py --accounts 100000 --shocks 0,20,40 --contenders product --paths $n
    done >> lines.jsonl
    python benchmarks/plot_cascade.py lines.jsonl docs/cost.svg
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["svg.hashsalt"] = "stresslab"


#: Paths of the lines against accounts, and accounts of those against paths.
PATHS, ACCOUNTS = 16, 100_000
COLOURS = {0: "C0", 10: "C2", 20: "C1", 40: "C3", 60: "C4"}
NAMES = {"product": ("stresslab", "-o"), "loop": ("loop", "--s")}


def said(fall: int) -> str:
    """A fall of the market in words."""
    return f"−{fall}%" if fall else "no shock"


def main(lines: Path, picture: Path) -> None:
    """Milliseconds a path against accounts, kernel and loop; seconds of all paths against their number, kernel; a line for each fall."""
    from matplotlib import pyplot as plt

    by_accounts: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    by_paths: dict[int, dict[int, float]] = defaultdict(dict)
    kind = ""
    for line in lines.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["bench"] != "cascade" or row["contender"] not in NAMES:
            continue
        kind = row["loop"]
        if row["contender"] == "loop" or row["paths"] == PATHS:
            by_accounts[row["contender"], row["shock_pct"]][row["accounts"]] = row["cpu_ms_per_path"]
        if row["contender"] == "product" and row["accounts"] == ACCOUNTS:
            by_paths[row["shock_pct"]][row["paths"]] = row["cpu_ms_per_path"] * row["paths"] / 1000
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5))
    for (name, fall), points in sorted(by_accounts.items()):
        at = sorted(points)
        called, style = NAMES[name]
        words = f"{kind} {called}" if name == "loop" else called
        left.plot(at, [points[n] for n in at], style, color=COLOURS[fall], label=f"{words}, {said(fall)}", markersize=4)
    left.set(xlabel="accounts", ylabel="ms a path, one thread", title="A path of 60 days")
    for fall, points in sorted(by_paths.items()):
        at = sorted(points)
        right.plot(at, [points[n] for n in at], "-o", color=COLOURS[fall], label=said(fall), markersize=4)
    right.set(xlabel="paths", ylabel="s for all paths, one thread", title=f"{ACCOUNTS:,} accounts")
    for panel in (left, right):
        panel.set(xscale="log", yscale="log")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
