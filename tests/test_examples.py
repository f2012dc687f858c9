"""The worked examples of the documents, run line by line: every number that a page prints is the one that comes out."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

EXAMPLES = sorted(p for p in (Path(__file__).parent.parent / "docs" / "examples").glob("*.md") if p.stem != "index")


def test_there_are_examples():
    assert {"dynamic-leverage", "graded-platform", "losses", "rated-platform", "signals"} <= {e.stem for e in EXAMPLES}


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda p: p.stem)
def test_every_example_prints_what_it_says(page):
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted >= 8
    assert found.failed == 0


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda p: p.stem)
def test_every_example_speaks_both_languages(page):
    text = page.read_text(encoding="utf-8")
    assert "中文摘要" in text
    assert re.match(r"# [A-Z]", text)
