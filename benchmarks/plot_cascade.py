"""Draw the cost of the cascade against accounts and against paths from the lines of bench_cascade.py.

    python benchmarks/bench_cascade.py … >> lines.jsonl; python benchmarks/plot_cascade.py lines.jsonl docs/cost.svg
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


def main(lines: Path, picture: Path) -> None:
    """One panel: milliseconds a path against accounts, a line for each fall, kernel and loop."""
    from matplotlib import pyplot as plt

    found: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    kind = ""
    for line in lines.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["bench"] == "cascade" and row["contender"] in ("product", "loop"):
            found[row["contender"], row["shock_pct"]][row["accounts"]] = row["cpu_ms_per_path"]
            kind = row["loop"]
    figure, panel = plt.subplots(figsize=(7, 4.5))
    for (name, fall), points in sorted(found.items()):
        at = sorted(points)
        name, style = {"product": ("stresslab", "-o"), "loop": (f"{kind} loop", "--s")}[name]
        panel.plot(at, [points[n] for n in at], style, label=f"{name}, -{fall}%", markersize=4)
    panel.set(xscale="log", yscale="log", xlabel="accounts", ylabel="ms a path, one thread", title="Cost of a path of 60 days")
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8, ncol=2)
    figure.tight_layout()
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
