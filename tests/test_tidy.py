"""The rules of the house that no linter holds."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stresslab import glossary

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "stresslab"
FILES = sorted(PACKAGE.rglob("*.py"))
SCENARIOS = sorted((ROOT / "scenarios").glob("*.toml"))

LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 700, 80
#: Files that are longer than the rule allows, with the length that they may not pass. Numbers here only fall.
LONG_FILES: dict[str, int] = {}

#: All that kernels may import beside each other.
ARITHMETIC = {"__future__", "collections", "hashlib", "math", "numba", "numpy", "os", "pathlib", "typing"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, also inside functions."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place(path)}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(*packages: str) -> set[str]:
    """The files that import any of some packages."""
    return {place(f) for f in FILES if {name.split(".")[0] for name in imports(f)} & set(packages)}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_package_was_found() -> None:
    assert len(FILES) > 30
    assert len(SCENARIOS) >= 8


def test_compiler_options_stand_in_two_files() -> None:
    assert importers("numba", "llvmlite") == {"kernels/__init__.py", "kernels/lanes.py"}


def test_dask_stands_in_one_file() -> None:
    assert importers("dask", "distributed") == {"farm.py"}


def test_kernels_import_arithmetic_alone() -> None:
    for file in (PACKAGE / "kernels").glob("*.py"):
        for name in imports(file):
            mine = name.startswith("stresslab.kernels")
            assert mine or name.split(".")[0] in ARITHMETIC, (file.name, name)


def test_no_generator_but_our_own() -> None:
    for file in FILES:
        for name in imports(file):
            assert name.split(".")[0] not in ("random", "secrets"), (place(file), name)
            assert not name.startswith("numpy.random"), (place(file), name)
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Attribute) and node.attr == "random":
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                assert owner not in ("np", "numpy"), (place(file), node.lineno)


def test_every_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=\[ ]", d)[0].lower().replace("-", "_") for d in project["dependencies"]}
    used = {name.split(".")[0] for f in FILES for name in imports(f)} - set(sys.stdlib_module_names) - {"stresslab"}
    # pydantic pins the one version of its core that fits: naming it too would only let the two drift apart.
    assert used - {"pydantic_core"} == declared


@pytest.mark.parametrize("file", FILES, ids=place)
def test_files_and_functions_stay_short(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= LONG_FILES.get(place(file), LINES_OF_A_FILE), "split the file when it is two nouns"
    for function in functions(file):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= LINES_OF_A_FUNCTION, f"{function.name} has {length} lines"


def test_no_exception_outlives_its_need() -> None:
    for name in LONG_FILES:
        assert len((PACKAGE / name).read_text(encoding="utf-8").splitlines()) > LINES_OF_A_FILE, f"strike {name} off"


@pytest.mark.parametrize("file", FILES, ids=place)
def test_every_module_says_what_it_is(file: Path) -> None:
    said = ast.get_docstring(tree(file))
    assert said
    assert said.split("\n")[0].endswith((".", "?"))


def test_every_kernel_module_says_which_formulas_it_holds() -> None:
    for file in (PACKAGE / "kernels").glob("*.py"):
        if any(isinstance(d, ast.Name) and d.id == "kernel" for f in functions(file) for d in f.decorator_list):
            said = ast.get_docstring(tree(file)) or ""
            assert re.search(r"\(M-\d+|method\.md", said), file.name


def test_kernels_raise_nothing() -> None:
    for file in (PACKAGE / "kernels").glob("*.py"):
        for node in ast.walk(tree(file)):
            assert not isinstance(node, ast.Raise | ast.Try | ast.Assert), (file.name, node.lineno)


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
    for file in [*FILES, *SCENARIOS, *(ROOT / "tests").glob("*.py"), *(ROOT / "docs").glob("*")]:
        if file.is_file():
            found = later.search(file.read_text(encoding="utf-8"))
            assert found is None, (file.name, found)


def test_only_the_record_reads_the_clock() -> None:
    for file in FILES:
        if place(file) == "record.py":
            continue
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Attribute) and node.attr in ("now", "today", "utcnow"):
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                assert owner == "record", (place(file), node.lineno)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_column_is_named_in_both_languages(language: str) -> None:
    columns = [c for table in (*glossary.INPUTS.values(), *glossary.OUTPUTS.values()) for c in table]
    assert len(columns) > 150
    for column in columns:
        name = getattr(column, language)
        assert name.strip(), column.name
        chinese = any("\u4e00" <= letter <= "\u9fff" for letter in name)
        assert chinese == (language == "zh"), (column.name, name)


def test_no_table_names_a_column_twice() -> None:
    for tables in (glossary.INPUTS, glossary.OUTPUTS):
        for table, columns in tables.items():
            names = [c.name for c in columns]
            assert len(names) == len(set(names)), table


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda f: f.stem)
def test_every_number_of_a_shipped_scenario_has_a_source(file: Path) -> None:
    written = tomllib.loads(file.read_text(encoding="utf-8"))
    assert written["id"] == file.stem
    for name, block in blocks(written):
        # The length of the run and the terms of [operations] are choices, not facts.
        if name not in ("", "operations"):
            assert len(block.get("source", "")) > 20, name


def blocks(table: dict[str, Any], name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The tables of a file that hold numbers of their own; a source covers the tables inside its own."""
    if any(isinstance(v, int | float) and not isinstance(v, bool) for v in table.values()):
        yield name, table
    for key, value in table.items():
        if isinstance(value, dict) and "source" not in table:
            yield from blocks(value, f"{name}.{key}".strip("."))
