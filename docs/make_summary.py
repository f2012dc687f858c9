"""Writes docs/summary.svg, the summary of a run as a terminal shows it: python docs/make_summary.py stresslab-demo."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from stresslab.report import print_summary, read_run


def picture(folder: Path) -> str:
    """The summary of a run as SVG that fetches no font."""
    console = Console(record=True, width=104, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    run = read_run(folder)
    print_summary(run, console, "en")
    svg = console.export_svg(title=f"stresslab demo --paths {run.record['paths']}", theme=DEFAULT_TERMINAL_THEME, unique_id="summary")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("summary.svg").write_text(picture(Path(sys.argv[1])), encoding="utf-8")
