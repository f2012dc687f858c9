"""The environment in which pages are rendered: escaped by default, strict about names, phrases in both languages."""

from __future__ import annotations

from pathlib import Path

import jinja2

from stresslab.report.phrase import Phrase


def environment() -> jinja2.Environment:
    """Templates beside this file; ``say`` makes a phrase, the filter ``both`` shows one."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True)
    made.globals["say"] = lambda en, zh: Phrase(en, zh).html()
    made.filters["both"] = lambda phrase: phrase.html()
    return made
