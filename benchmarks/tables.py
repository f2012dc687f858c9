"""The JSON lines of bench_paths.py and bench_tail.py as tables in Markdown.

    python benchmarks/tables.py paths.jsonl tail.jsonl

A line of any of the two may stand in any file; the last measurement of a thing stands. ``times ours`` is how many times longer than ours,
``gain`` how many times fewer seconds than crude Monte Carlo for the same error, pilots included.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

#: What each kind of paths is asked to beat: contender, times.
ASKED = {
    "paths gbm": {"torch": 2.0, "numpy": 5.0, "quantlib": 100.0}, "paths panel": {"torch": 5.0, "jax": 5.0, "numpy": 5.0},
}
Rows = list[list[str]]


def table(heads: list[str], rows: Rows) -> str:
    """A table in Markdown: words to the left, numbers to the right."""
    return "\n".join(["| " + " | ".join(cells) + " |" for cells in [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]])


def shown(value: Any, digits: int = 3) -> str:
    """A number in few digits; a dash where there is none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.{digits}g}"


def paths(lines: list[dict[str, Any]]) -> str:
    """Contenders by benchmark, ours first, then by time; ``times ours`` are medians of ratios turn by turn, of process time."""
    out = []
    for bench in dict.fromkeys(x["bench"] for x in lines):
        mine = {x["contender"]: x for x in lines if x["bench"] == bench}
        unit = next(u for x in mine.values() for u in x if u.startswith("ns_per"))
        rows = [
            [name, shown(x[unit]), shown(x["cpu_ns"]), shown(x.get("cpu_slower_than_ours")), shown(asked_of(bench, name))]
            for name, x in sorted(mine.items(), key=lambda item: (not item[0].startswith("stresslab"), item[1][unit]))
        ]
        out.append(f"{bench}\n\n" + table(["contender", unit.replace("_", " "), "cpu ns", "times ours", "asked"], rows))
    return "\n\n".join(out)


def asked_of(bench: str, name: str) -> float | None:
    """The ratio asked of a contender, whose name may say more than its library's."""
    return next((least for known, least in ASKED.get(bench, {}).items() if name.lower().startswith(known)), None)


def tail(lines: list[dict[str, Any]]) -> str:
    """Methods by event."""
    found = {(x["book"], x["cushion"], x["event"], x["method"]): x for x in lines if "probability" in x or x.get("gain", 0) is None}
    rows = []
    for (book, cushion, event, method), x in found.items():
        if method == "reference":
            continue
        rows.append([
            f"{book}, cushion {cushion:g}: {event}", method, f"{x['probability']:.2e}" if x.get("probability") else "-",
            shown(x.get("over_reference")), percent(x.get("relative_error")), percent(x.get("relative_scatter")), shown(x.get("gain")),
            shown(x.get("target") if method == "tilt" else None),
        ])
    return table(["event", "method", "probability", "over reference", "its error", "scatter of runs", "gain", "asked"], rows)


def percent(value: Any) -> str:
    """A share in percent."""
    return f"{100 * value:.1f}%" if isinstance(value, float) else "-"


def page(files: list[Path]) -> str:
    """All tables of some files."""
    lines = [json.loads(text) for file in files for text in file.read_text(encoding="utf-8").splitlines() if text.startswith("{")]
    of_paths, of_tails = [x for x in lines if "contender" in x and "bench" in x], [x for x in lines if "method" in x and "event" in x]
    return "\n\n".join([paths(of_paths)] * bool(of_paths) + [tail(of_tails)] * bool(of_tails))


if __name__ == "__main__":
    print(page([Path(name) for name in sys.argv[1:]]))
