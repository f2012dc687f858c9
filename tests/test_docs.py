"""What the documents promise is there: verbs, formulas, columns, dependencies, files."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

import stresslab
from stresslab import cli, glossary

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
VERBS = sorted(str(c.name or c.callback.__name__) for c in cli.app.registered_commands if c.callback)
FORMULA = re.compile(r"M-\d+")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


#: The last number of the first edition of the method.
FIRST_NUMBERS = 43


def formulas_defined() -> list[str]:
    """The formula numbers that method.md defines, in its order."""
    return re.findall(r"\*\*\((M-\d+)\)", read(DOCS / "method.md"))


def in_code(page: Path) -> str:
    """What a page sets as code: blocks and inline."""
    text = read(page)
    blocks = re.findall(r"```.*?\n(.*?)```", text, re.DOTALL) + re.findall(r"^    (.*)$", text, re.MULTILINE)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])


def verbs_used(page: Path) -> set[str]:
    return set(re.findall(r"(?:^|[ /])(?<!import )stresslab (?!import)([a-z]+)(?![\w:])", in_code(page), re.MULTILINE))


def test_the_two_commands_stand_in_the_readme() -> None:
    lines = read(ROOT / "README.md").splitlines()
    venv = "    python3 -m venv .venv && .venv/bin/pip install -e "
    assert lines.count(venv + ". && .venv/bin/stresslab demo") == 1
    assert lines.count(venv + '".[test]" && .venv/bin/pytest -n auto') == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_verbs_in_the_documents_exist(page: Path) -> None:
    assert verbs_used(page) <= set(VERBS)


def test_every_verb_is_documented() -> None:
    assert VERBS
    assert set(VERBS) <= verbs_used(ROOT / "README.md") | verbs_used(DOCS / "verbs.md")


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "verbs.md"], ids=lambda p: p.name)
def test_options_in_the_readme_exist(page: Path) -> None:
    known = "".join(read(file) for file in sorted((ROOT / "stresslab" / "cli").glob("*.py")))
    for option in re.findall(r"--[a-z][a-z-]+", in_code(page)):
        assert f'"{option}"' in known or option == "--help", option


def test_names_of_the_library_in_the_readme_are_public() -> None:
    used = set(re.findall(r"\bsl\.(\w+)", read(ROOT / "README.md") + read(DOCS / "library.md")))
    assert used
    assert used <= set(stresslab.__all__)


def test_formulas_are_numbered_once_and_in_order() -> None:
    numbers = [int(name[2:]) for name in formulas_defined()]
    assert len(numbers) == len(set(numbers)) >= FIRST_NUMBERS
    assert [n for n in numbers if n <= FIRST_NUMBERS] == list(range(1, FIRST_NUMBERS + 1))
    # A number is never given anew: what was added later stands where it belongs, in the order of its own section.
    for section in re.split(r"^## ", read(DOCS / "method.md"), flags=re.MULTILINE):
        later = [n for n in map(int, re.findall(r"^\*\*\(M-(\d+)\)", section, flags=re.MULTILINE)) if n > FIRST_NUMBERS]
        assert later == sorted(later)


@pytest.mark.parametrize("files", ["stresslab/**/*.py", "stresslab/**/*.toml", "scenarios/*.toml", "tests/*.py", "docs/**/*.md"])
def test_every_formula_that_is_named_exists(files: str) -> None:
    defined = set(formulas_defined())
    found = sorted(ROOT.glob(files))
    assert found
    for file in found:
        assert not set(FORMULA.findall(read(file))) - defined, file.name


def test_every_figure_of_a_run_names_its_formula() -> None:
    for table, measures in glossary.OUTPUTS.items():
        for measure in measures:
            if measure.unit not in ("id", "") and measure.name not in ("path", "paths"):
                assert FORMULA.search(measure.formula), f"{table}.{measure.name}"


def test_the_page_of_columns_is_current() -> None:
    page = runpy.run_path(str(DOCS / "make_data.py"))["page"]()
    assert page == read(DOCS / "data.md"), "run python docs/make_data.py"


def test_every_dependency_earns_its_place() -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {re.split(r"[<>=\[]", d)[0] for d in wanted} - {"stresslab"}
    page = read(DOCS / "architecture.md")
    for name in sorted(names):
        assert f"**{name}**" in page, f"say in docs/architecture.md why {name} is there"


def test_every_room_is_in_the_house() -> None:
    page = read(DOCS / "architecture.md")
    rooms = [p for p in (ROOT / "stresslab").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()]
    assert len(rooms) > 10
    for room in rooms:
        if room.name == "__init__.py":
            continue
        name = f"{room.name}/" if room.is_dir() else room.name
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", read(page)):
        assert (page.parent / target).exists(), target
