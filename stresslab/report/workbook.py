"""The report as a workbook: every table of the page with units, formulas and sources, and every estimate in full precision.

Numbers are numbers, in the digits in which the page prints them; the sheet ``estimates`` has them unrounded. What users wrote stays text,
whatever sign it begins with. The clock has no part in the file: the same run gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from stresslab.report.exhibits import Cell, Table
from stresslab.report.phrase import Language, Phrase
from stresslab.spreadsheets import harmless

_NUMBER = re.compile(r"(?P<sign>[−-]?)(?P<digits>\d{1,3}(?:,\d{3})+|\d+)(?P<rest>\.\d+)?(?P<percent>%?)")
#: The day that spreadsheets count from stands where a clock would.
_NO_CLOCK = datetime.datetime(1980, 1, 1, tzinfo=datetime.UTC).replace(tzinfo=None)
_WIDTH = 16
_WORDS: dict[str, Phrase] = {
    "error": Phrase("± standard error", "± 标准误"), "note": Phrase("note", "注"), "contents": Phrase("contents", "目录"),
    "formulas": Phrase("Formulas", "公式"), "sheet": Phrase("sheet", "工作表"), "title": Phrase("table", "表"),
    "source": Phrase("Source: docs/method.md under the formula's number; sources of parameters in the sheet of scenarios",
                     "出处：docs/method.md 相应公式；参数来源见情景参数表"),
    "sources": Phrase("sources", "来源"),
}


def tables_of(held: Any) -> Iterator[Table]:
    """Every table in the contents of a report, in their order."""
    if isinstance(held, Table):
        yield held
    elif dataclasses.is_dataclass(held) and not isinstance(held, type):
        for field in dataclasses.fields(held):
            yield from tables_of(getattr(held, field.name))
    elif isinstance(held, Mapping):
        for value in held.values():
            yield from tables_of(value)
    elif isinstance(held, list | tuple) and not isinstance(held, Phrase):
        for value in held:
            yield from tables_of(value)


def number_of(text: str) -> tuple[float, str] | None:
    """A printed number as a number with the format in which it is printed; None for words, bounds and dashes."""
    found = _NUMBER.fullmatch(text.replace("±", "").replace("\u00a0", "").strip())
    if found is None or (found["digits"][0] == "0" and len(found["digits"]) > 1):  # 000300 is a name
        return None
    digits = len(found["rest"] or ".") - 1
    value = float(found["digits"].replace(",", "") + (found["rest"] or ""))
    shape = "#,##0" + ("." + "0" * digits if digits else "")
    if found["percent"]:
        value, shape = round(value / 100, digits + 2), shape + "%"
    return (-value if found["sign"] else value), shape


class _Book:
    """A workbook under way."""

    def __init__(self, language: Language, banner: Phrase | None) -> None:
        import xlsxwriter

        self.stream = io.BytesIO()
        # Nothing that a user wrote becomes a formula or a link.
        plain = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
                 "nan_inf_to_errors": True}
        self.book: Any = xlsxwriter.Workbook(self.stream, plain)
        self.book.set_properties({"created": _NO_CLOCK, "title": "stresslab"})
        self.language, self.banner = language, banner
        self._formats: dict[str, Any] = {}

    def shape(self, number: str = "", *, bold: bool = False, wrap: bool = False) -> Any:
        """A format, made once."""
        name = f"{number} {bold} {wrap}"
        if name not in self._formats:
            look: dict[str, Any] = {"num_format": number} if number else {}
            self._formats[name] = self.book.add_format(look | {"bold": bold, "text_wrap": wrap, "valign": "top"})
        return self._formats[name]

    def say(self, phrase: Phrase) -> str:
        return phrase.pick(self.language)

    def sheet(self, name: str) -> Any:
        made = self.book.add_worksheet(name)
        made.set_column(0, 0, 34)
        made.set_column(1, 60, _WIDTH)
        made.set_paper(9)
        made.set_landscape()
        made.fit_to_pages(1, 0)
        if self.banner is not None:
            made.write_string(0, 0, harmless(self.say(self.banner)), self.shape(bold=True))
            # A sign & begins a code in a header.
            made.set_header("&C" + self.say(self.banner).replace("&", "&&"))
        made.set_footer("&P / &N")
        return made

    def put(self, sheet: Any, row: int, column: int, text: str, *, bold: bool = False) -> None:
        """A number as a number, all else as text."""
        found = None if bold else number_of(text)
        if found is None:
            sheet.write_string(row, column, harmless(text), self.shape(bold=bold))
        else:
            sheet.write_number(row, column, found[0], self.shape(found[1]))


def write_workbook(contents: Mapping[str, Any], estimates: pd.DataFrame, language: Language) -> bytes:
    """The contents of a report (:func:`stresslab.report.page.contents`) as XLSX in one language."""
    made = _Book(language, contents["banner"])
    index = made.sheet(made.say(_WORDS["contents"]))
    found = list(tables_of(contents))
    for column, word in enumerate(("sheet", "title", "formulas")):
        made.put(index, 2, column, made.say(_WORDS[word]), bold=True)
    for at, table in enumerate(found, 1):
        name = f"T{at:02d}"
        index.write_string(2 + at, 0, name)
        index.write_string(2 + at, 1, harmless(made.say(table.title)))
        index.write_string(2 + at, 2, ", ".join(table.formulas))
        _table(made, made.sheet(name), table)
    _estimates(made, estimates)
    if contents.get("sources"):
        _lines(made, made.say(_WORDS["sources"]), [str(s) for s in contents["sources"]])
    made.book.close()
    return made.stream.getvalue()


def _texts(cell: Cell, language: Language) -> tuple[str, str, str]:
    value = cell.value.pick(language)
    if cell.grades and not value:
        value = " → ".join(cell.grades)
    elif cell.grades and value != " → ".join(cell.grades):
        return value, "" if cell.error is None else cell.error.pick(language), " → ".join(cell.grades)
    note = " ".join(part for part in (cell.band.pick(language), cell.note.pick(language)) if part)
    return value, "" if cell.error is None else cell.error.pick(language), note


def _table(made: _Book, sheet: Any, table: Table) -> None:
    """One table: columns of a value, and beside it of its error and its note where any row has one."""
    made.put(sheet, 1, 0, made.say(table.title), bold=True)
    extra = [
        [any(len(_flat(r.cells)) > at and _texts(_flat(r.cells)[at], made.language)[part] for r in table.rows) for part in (1, 2)]
        for at in range(len(table.heads))
    ]
    made.put(sheet, 3, 0, made.say(table.first), bold=True)
    column, places = 2, []
    for head, (error, note) in zip(table.heads, extra, strict=True):
        group = made.say(head.group)
        made.put(sheet, 3, column, f"{group}: {made.say(head.name)}" if group else made.say(head.name), bold=True)
        places.append((column, column + 1 if error else None, column + 1 + error if note else None))
        if error:
            made.put(sheet, 3, column + 1, made.say(_WORDS["error"]), bold=True)
        if note:
            made.put(sheet, 3, column + 1 + error, made.say(_WORDS["note"]), bold=True)
        column += 1 + error + note
    sheet.freeze_panes(4, 1)
    for at, row in enumerate(table.rows, 4):
        sheet.write_string(at, 0, harmless(made.say(row.title)))
        sheet.write_string(at, 1, harmless(made.say(row.note)))
        for cell, where in zip(_flat(row.cells), places, strict=False):
            for text, place in zip(_texts(cell, made.language), where, strict=True):
                if place is not None and text:
                    made.put(sheet, at, place, text)
    below = 5 + len(table.rows)
    lines = [made.say(table.note), made.say(table.terms), *(f"{f.number} {made.say(f.name)}: {made.say(f.text)}" for f in table.cited),
             made.say(_WORDS["source"])]
    for at, line in enumerate(x for x in lines if x):
        sheet.write_string(below + at, 0, harmless(line))


def _flat(cells: tuple[Cell, ...]) -> list[Cell]:
    """Cells one to a column: what spans several stands in each."""
    return [cell for cell in cells for _ in range(cell.span)]


def _estimates(made: _Book, table: pd.DataFrame) -> None:
    """Every estimate of the run as the run wrote it, with its unit and formula."""
    sheet = made.sheet("estimates")
    for column, name in enumerate(table.columns):
        made.put(sheet, 1, column, str(name), bold=True)
    sheet.freeze_panes(2, 0)
    for at, row in enumerate(table.itertuples(index=False, name=None), 2):
        for column, value in enumerate(row):
            if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
                continue
            if isinstance(value, str):
                sheet.write_string(at, column, harmless(value))
            else:
                sheet.write_number(at, column, float(value))


def _lines(made: _Book, name: str, lines: list[str]) -> None:
    sheet = made.sheet(name)
    for at, line in enumerate(lines, 1):
        sheet.write_number(at, 0, at)
        sheet.write_string(at, 1, harmless(line))
