"""The table of requirements: every file and test that it names is there, and what is not built names none."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "requirements.md"


def rows() -> list[tuple[str, str, str, str]]:
    """Requirement, state, where and test of every row."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("| requirement |")]
    assert all(len(row) == 4 for row in cells)
    return [(a, b, c, d) for a, b, c, d in cells]


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_all_five_documents_are_there():
    heads = re.findall(r"^## ([A-E])\.", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert heads == list("ABCDE")
    assert len(rows()) > 80


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_what_works_names_files_and_tests_that_exist(row):
    _, state, where, shown = row
    assert state.split(":")[0] in ("works", "in part", "not built")
    named = re.findall(r"`(tests/\w+\.py)::(\w+)`", shown)
    if state == "not built":
        assert not where
        assert not shown
        return
    assert ("in part" in state) == (state.startswith("in part: ") and len(state) > 20)
    assert named, "say which test shows it"
    for file, name in named:
        assert name in functions_of(file), f"{file}::{name}"
    files = re.findall(r"`((?:stresslab|scenarios|docs)/[\w/.-]+)`", where)
    assert files
    for file in files:
        assert (ROOT / file).is_file(), file


def test_names_of_the_scale_and_the_limits_are_theirs():
    known = "".join((ROOT / "stresslab" / f).read_text(encoding="utf-8") for f in ("rating_scale.toml", "limits.toml"))
    for _, _, where, _ in rows():
        for file, said in re.findall(r"`stresslab/(rating_scale|limits)\.toml` \(([^)]*)\)", where):
            for name in re.findall(r"`(\w+)`", said):
                assert name in known, f"{file}: {name}"


def test_the_method_leads_to_the_table():
    assert "(requirements.md)" in (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
