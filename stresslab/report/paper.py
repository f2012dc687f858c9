"""The report on paper: one language of the page as PDF on A4, set by WeasyPrint.

Every page has its number and, where the book was made up, the banner; heads of tables are repeated where a table breaks; headings
are bookmarks; fonts are embedded. A character that no font of this machine can draw is a fault and not a box on paper. The clock has
no part in the file: the same page, fonts and version give the same bytes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stresslab.faults import Fault, InputError
from stresslab.report.phrase import Language

_SHEET = Path(__file__).parent / "paper.css"
#: Said by WeasyPrint of a character that its fonts cannot draw.
_LOST = re.compile(r"\.notdef glyph rendered .*\(U\+([0-9A-F]+)\)", re.S)
_FONTS = "install the packages fonts-noto-cjk and fonts-dejavu-core (Debian, Ubuntu), or other fonts that have them"
_PANGO = "install the package libpango-1.0-0 with libpangoft2-1.0-0 and libharfbuzz-subset0 (Debian, Ubuntu), or ask for --format html"


def one_language(page: str, language: Language) -> str:
    """A page in both languages with what the other language says taken out."""
    other = "en" if language == "zh" else "zh"
    page = re.sub(rf'<span class="{other}" lang="{other}">[^<]*</span>', "", page)
    page = re.sub(rf'<text\b[^>]*class="{other}"[^>]*>[^<]*</text>', "", page)
    page = re.sub(r'<input class="choice"[^>]*>\n?', "", page)
    # One language needs no marks: every span that goes makes the setting faster.
    page = re.sub(rf'<span class="{language}" lang="{language}">([^<]*)</span>', r"\1", page)
    # The buttons' rules match nothing on paper, and ask every element for its brothers.
    page = re.sub(r"^#show-.*\n", "", page, flags=re.M)
    page = re.sub(r"@media \(max-width: 720px\) \{.*?^\}\n", "", page, flags=re.M | re.S)
    return re.sub(r'<div class="switch">.*?</div>\n?', "", page, flags=re.S)


def write_pdf(page: str, language: Language) -> bytes:
    """A page of :func:`stresslab.report.write_html` as PDF in one language.

    Raises :class:`InputError` where the libraries behind WeasyPrint are absent, or where the fonts lack characters.
    """
    html = _weasyprint()
    # Behind the page's own style, whose rules for the screen it takes back.
    told = one_language(page, language).replace("</style>", _sheet(language) + "</style>", 1)
    with _complaints() as lost:
        document = html(string=told, base_url=None, url_fetcher=_nothing).render()
        # Without an identifier the file would carry a random one.
        made: bytes = document.write_pdf(pdf_identifier=b"stresslab")
    if lost:
        raise InputError([missing_glyphs("".join(lost))])
    return made


def missing_glyphs(characters: str) -> Fault:
    """The fault of characters that no font on this machine can draw."""
    found = sorted(set(characters))
    shown = " ".join(f"{c} (U+{ord(c):04X})" for c in found[:12]) + (f" and {len(found) - 12} more" if len(found) > 12 else "")
    return Fault("fonts", f"no font of this machine has {shown}", _FONTS, None, "glyphs")


def _weasyprint() -> Any:
    try:
        import weasyprint
    except OSError as error:
        rule = f"a library that WeasyPrint needs is not on this machine ({str(error).splitlines()[0][:80]})"
        raise InputError([Fault("options", rule, _PANGO, None, "format", "pdf")]) from error
    return weasyprint.HTML


def _nothing(url: str, *_: Any, **__: Any) -> Any:
    raise ValueError(f"a report needs nothing from elsewhere: {url}")


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """The characters that WeasyPrint could not draw, gathered while it works."""
    lost: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if (said := _LOST.search(record.getMessage())) is not None:
                lost.append(chr(int(said[1], 16)))

    logger, listener = logging.getLogger("weasyprint"), Listener()
    logger.addHandler(listener)
    try:
        yield lost
    finally:
        logger.removeHandler(listener)


def _sheet(language: Language) -> str:
    """The style of paper, with the words of its margins."""
    said = '"第 " counter(page) " 页，共 " counter(pages) " 页"' if language == "zh" else '"page " counter(page) " of " counter(pages)'
    return _SHEET.read_text(encoding="utf-8").replace('"PAGES"', said)
