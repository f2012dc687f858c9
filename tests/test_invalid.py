"""Broken inputs in ``invalid/``: each is refused with exactly the lines that its ``expected.txt`` holds, all at once.

A case is a folder that holds only what replaces the files of ``invalid/base``, a sound small book with a scenario:
``absent.txt`` names files that the case lacks, ``options.txt`` holds more of the command line. A message must say
file, row, column, value, rule and way out; whoever changes one changes it here, in the open.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from stresslab import cli

INVALID = Path(__file__).parent / "invalid"
CASES = sorted(p.name for p in INVALID.iterdir() if p.is_dir() and p.name != "base")
#: Files that stand beside the book, not in it.
BESIDE = ("scenario.toml", "scenario-2.toml", "scale.toml", "limits.toml")
ABOUT = ("expected.txt", "options.txt", "absent.txt")


def lay_out(case: str, folder: Path) -> list[str]:
    """Write base and case into a folder as a person would have them; the options of the case."""
    book = folder / "book"
    for source in (INVALID / "base", INVALID / case):
        for path in sorted(p for p in source.rglob("*") if p.is_file() and p.name not in ABOUT):
            to = (folder if path.name in BESIDE else book) / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
    absent, options = INVALID / case / "absent.txt", INVALID / case / "options.txt"
    if absent.exists():
        for name in absent.read_text(encoding="utf-8").split():
            (book / name).unlink()
    return options.read_text(encoding="utf-8").split() if options.exists() else []


def stresslab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line."""
    monkeypatch.setattr(sys, "argv", ["stresslab", *words])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out, said.err


def test_the_base_is_sound(tmp_path, monkeypatch, capsys):
    assert len(CASES) > 80
    lay_out("base", tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out, err = stresslab(monkeypatch, capsys, "check", "book", "--scenario", "scenario.toml")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == (
        "book 'Two lenders' of 2026-06-30: 2 platforms, 3 accounts, 4 positions, 3 instruments; it balances"
    )


@pytest.mark.parametrize("case", CASES)
def test_refused_with_every_fault_and_nothing_written(case, tmp_path, monkeypatch, capsys):
    options = lay_out(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    words = ["run", "--book", "book", "--scenario", "scenario.toml", "--out", "out", "--paths", "1", *options]
    code, out, err = stresslab(monkeypatch, capsys, *words)
    expected = (INVALID / case / "expected.txt").read_text(encoding="utf-8")
    assert err == expected
    assert (code, out) == (2, "")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("case", [c for c in CASES if not (INVALID / c / "options.txt").exists()])
def test_check_says_the_same_as_run(case, tmp_path, monkeypatch, capsys):
    lay_out(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out, err = stresslab(monkeypatch, capsys, "check", "book", "--scenario", "scenario.toml", "--json")
    expected = (INVALID / case / "expected.txt").read_text(encoding="utf-8")
    assert (code, err) == (2, expected)
    said = json.loads(out)
    assert said["ok"] is False
    assert len(said["faults"]) == len(expected.splitlines()) - 1


@pytest.mark.parametrize("case", CASES)
def test_messages_are_for_strangers(case):
    lines = (INVALID / case / "expected.txt").read_text(encoding="utf-8").splitlines()
    faults = len(lines) - 1
    assert lines[-1] == f"{faults} fault{'s' if faults > 1 else ''}; nothing was written"
    for line in lines[:-1]:
        where, _, said = line.partition(": ")
        rule, _, way_out = said.rpartition("; ")
        assert where
        assert rule, line
        assert way_out, line
        for jargon in ("Input should", "Traceback", "pydantic", "pandas", "dtype", "Errno", "codec", "NoneType", "None"):
            assert jargon not in line
