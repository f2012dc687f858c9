"""How Sphinx makes HTML of these pages, offline: sphinx-build -W --keep-going docs build/docs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

project = "stresslab"
release = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
# Formulas are written in plain text; a page that fetches nothing needs no typesetter of mathematics.
nitpicky = True
html_theme = "alabaster"
html_theme_options = {"description": "Stress tests of platforms that lend against shares", "page_width": "1180px", "body_max_width": "auto",
                      "sidebar_width": "230px", "fixed_sidebar": True, "show_powered_by": False, "github_button": False}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
smartquotes = False

FORMULA = re.compile(r"M-\d+")


class Formulas(SphinxPostTransform):
    """Every formula of method.md gets an anchor of its number, and every mention of a number on any page leads to it."""

    default_priority = 20

    def run(self) -> None:
        """Change the tree of one page."""
        here = self.env.current_document.docname
        own = {match for node in self.document.findall(nodes.strong) if (match := _defined(node))} if here == "method" else set()
        if own:
            for node in self.document.findall(nodes.strong):
                if number := _defined(node):
                    node["ids"].append(number.lower())
        builder = self.app.builder
        for text in list(self.document.findall(nodes.Text)):
            if FORMULA.search(text) and not _fixed(text) and not (here == "method" and _within_definition(text)):
                text.parent.replace(text, [*_linked(str(text), builder.get_relative_uri(here, "method") if here != "method" else "")])


def _defined(node: nodes.strong) -> str:
    found = re.match(r"\((M-\d+)\)", node.astext())
    return found[1] if found else ""


def _within_definition(text: nodes.Text) -> bool:
    return isinstance(text.parent, nodes.strong) and bool(_defined(text.parent))


def _fixed(text: nodes.Text) -> bool:
    """Whether a text stands in code, in a heading or in a link already."""
    node = text.parent
    while node is not None:
        if isinstance(node, (nodes.literal, nodes.literal_block, nodes.reference, nodes.title, nodes.raw)):
            return True
        node = node.parent
    return False


def _linked(text: str, page: str) -> list[nodes.Node]:
    out: list[nodes.Node] = []
    last = 0
    for found in FORMULA.finditer(text):
        out.append(nodes.Text(text[last : found.start()]))
        out.append(nodes.reference("", found[0], refuri=f"{page}#{found[0].lower()}", internal=True))
        last = found.end()
    return [*out, nodes.Text(text[last:])]


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    app.add_post_transform(Formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
