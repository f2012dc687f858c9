"""What the pages tell people to do: the files to write and the commands to run, in the order in which they stand.

A command is a line of a block (fenced or indented) that begins with ``stresslab``, ``python`` or ``cp``. One with an ellipsis is none.
A file is a fenced block behind a line that ends with the file's name in backticks, perhaps with a colon.
A comment ``# exit code 2`` behind a command says how it ends.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
#: Pages that stand by themselves: what they need, they make.
WHOLE = [DOCS / "tutorial.md", *sorted(p for p in (DOCS / "how-to").glob("*.md") if p.name != "index.md")]
#: The one that is always run; it costs a few seconds.
QUICK = DOCS / "how-to" / "read-a-replay.md"
#: Pages whose commands need several machines.
CLUSTERS = {"cluster.md", "scaling.md"}
_NAME = re.compile(r"`([\w./-]+\.(?:toml|csv|py))`[^`]*$")


@dataclass(frozen=True)
class File:
    """A file that a page shows."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a page, as words, and the exit code that the page promises."""

    line: int
    words: tuple[str, ...]
    code: int = 0


def steps(page: Path) -> Iterator[File | Command]:
    """What a page tells to do, in its order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    name, fence, held = "", "", list[str]()
    for number, line in enumerate(lines, 1):
        if fence:
            if line.strip() != fence:
                held.append(line)
                if not name:
                    yield from _command(number, "    " + line)
                continue
            if name:
                yield File(name, "\n".join(held) + "\n")
            fence, name = "", ""
        elif line.startswith("```"):
            fence, held = "```", []
            name = name if not line.startswith("```{") else ""
        elif line.strip():
            found = _NAME.search(line.split(";")[0] if line.rstrip().endswith(":") else line)
            name = found[1] if found and (line.rstrip().endswith((":", "`"))) else ""
            if line.startswith("    "):
                yield from _command(number, line)


def _command(number: int, line: str) -> Iterator[Command]:
    if line.split()[:1] in (["stresslab"], ["python"], ["cp"]) and "…" not in line:
        words = shlex.split(line, comments=True)
        code = re.search(r"# exit code (\d)", line)
        yield Command(number, tuple(words), int(code[1]) if code else 0)


def commands(page: Path) -> list[Command]:
    """The commands of a page."""
    return [step for step in steps(page) if isinstance(step, Command)]


def call(words: tuple[str, ...]) -> tuple[int, str, str]:
    """Run a ``stresslab`` command in this process; exit code, stdout, stderr."""
    from stresslab import cli

    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = list(words)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as done:
        return int(done.code or 0), out.getvalue(), err.getvalue()
    finally:
        sys.argv = before
    raise AssertionError("the command line always exits")


def follow(page: Path, folder: Path) -> int:
    """Do in a folder what a page says; how many commands there were. Raises AssertionError at the first that ends otherwise."""
    count, before = 0, Path.cwd()
    os.chdir(folder)
    try:
        for step in steps(page):
            if isinstance(step, File):
                Path(step.name).parent.mkdir(parents=True, exist_ok=True)
                Path(step.name).write_text(step.text, encoding="utf-8")
                continue
            count += 1
            told = f"{page.name}, line {step.line}: {shlex.join(step.words)}"
            if step.words[0] == "python":
                runpy.run_path(step.words[1])
            elif step.words[0] == "cp":
                _copy(step.words[1:])
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("default")  # of a page and its reader, not of pytest
                    code, out, err = call(step.words)
                assert code == step.code, f"{told}\nexit code {code}, not {step.code}\n{out[-1500:]}{err[-1500:]}"
                assert "Traceback" not in err, told
    finally:
        os.chdir(before)
    return count


def _copy(words: tuple[str, ...]) -> None:
    if words[0] == "-r":
        shutil.copytree(words[1], words[2])
    else:
        shutil.copy(words[0], words[1])
