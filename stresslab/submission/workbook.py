"""The submission as a workbook: cover with attestation, the triple side by side, texts, and every table as it is reported.

The same submission gives the same bytes: the file's dates are fixed, and nothing of the machine goes in. Every cell is a number or a
text; a text that a spreadsheet could take for a formula is escaped with an apostrophe.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from stresslab.estimate import TOTAL
from stresslab.spreadsheets import harmless
from stresslab.submission import axes as a
from stresslab.submission.concepts import FORMS
from stresslab.submission.package import Rows
from stresslab.submission.taxonomy import ENUMERATIONS, axis_of

_CREATED = datetime.datetime(2026, 1, 1)  # noqa: DTZ001  a date of the file format, which knows no zone
_FORMATS = {"money": "#,##0.000", "share": "0.00%", "ratio": "0.00%", "number": "#,##0.00", "count": "0"}
_DASH = "-"
#: What a cover asks for: concept of the filing table, and who fills it in where the file does not.
BLOCKS = (
    ("Entity 机构", ("EntityName", "ResubmissionNumber", "ResubmissionReason", "Draft")),
    ("Attestation 签署", ("AttestationGiven", "AttestationName", "AttestationPosition", "AttestationDate")),
    ("Contact 联系方式", ("ContactName", "ContactPhone", "ContactMail")),
    (
        "What was run 运行信息",
        (
            "BookTitle",
            "BookSynthetic",
            "BookDigest",
            "RunDigest",
            "SoftwareVersion",
            "KernelDigest",
            "Seed",
            "Paths",
            "Sampling",
            "ScaleTitle",
            "ScaleProvisional",
        ),
    ),
)


def workbook(form: str, tables: dict[str, Rows], parameters: dict[str, str]) -> bytes:
    """The workbook of a submission's tables (:func:`rows.tables_of`) and parameters."""
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"title": f"{FORMS[form].en} {FORMS[form].zh}", "author": "stresslab", "created": _CREATED})
        sheets = _Sheets(book, form, tables)
        sheets.cover(parameters)
        if tables.get("triple"):
            sheets.triple()
        for table in FORMS[form].tables:
            if tables.get(table.name):
                sheets.table(table)
    return out.getvalue()


def shown(concept: a.Concept, value: str) -> str:
    """A cell of the package as people read it."""
    if concept.kind == "flag" and value:
        return "yes 是" if value == "true" else "no 否"
    if concept.kind in ENUMERATIONS:
        return next(
            (
                f"{en} {zh}" if en != zh else en
                for n, en, zh in ENUMERATIONS[concept.kind]
                if f"{a.PREFIX}:{n}" == value
            ),
            value,
        )
    return value[1:] if value.startswith("##") else value


class _Sheets:
    """Writes the sheets of one workbook."""

    def __init__(self, book: Any, form: str, tables: dict[str, Rows]) -> None:
        self.book, self.form, self.tables = book, FORMS[form], tables
        self.title = book.add_format({"bold": True, "font_size": 14})
        self.head = book.add_format(
            {"bold": True, "text_wrap": True, "valign": "top", "bottom": 1, "bg_color": "#E8EEF4"}
        )
        self.text = book.add_format({"text_wrap": True, "valign": "top"})
        self.faint = book.add_format({"font_color": "#666666", "text_wrap": True, "valign": "top"})
        self.line = book.add_format({"bottom": 1})
        self.numbers = {kind: book.add_format({"num_format": said, "valign": "top"}) for kind, said in _FORMATS.items()}

    def _sheet(self, name: str, widths: Sequence[int], *, wide: bool) -> Any:
        sheet = self.book.add_worksheet(name[:31])
        for at, width in enumerate(widths):
            sheet.set_column(at, at, width)
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        if wide:
            sheet.set_landscape()
        return sheet

    def cover(self, parameters: dict[str, str]) -> None:
        """Who reports what for which date, who attests it, what was run, and the rows to sign on."""
        sheet = self._sheet("Cover 封面", (44, 70), wide=False)
        (filing,) = self.tables["filing"]
        concepts = {c.name: c for c in self.form.table("filing").concepts}
        sheet.write_string(0, 0, f"{self.form.en} {self.form.zh}", self.title)
        at = 2
        for name, said in (
            ("entity", "Entity identifier 机构标识"),
            ("refDate", "Reference date 基准日"),
            ("currency", "Currency 币种"),
        ):
            self._pair(sheet, at, said, parameters[name].removesuffix("@end"))
            at += 1
        if filing["Draft"] == "true":
            sheet.write_string(at, 0, "DRAFT: not attested 草稿：未签署", self.title)
            at += 1
        for block, wanted in BLOCKS:
            at += 1
            sheet.write_string(at, 0, block, self.head)
            sheet.write_blank(at, 1, None, self.head)
            at += 1
            for name in wanted:
                self._pair(
                    sheet,
                    at,
                    f"{concepts[name].en} {concepts[name].zh}",
                    shown(concepts[name], filing.get(name, "")),
                )
                at += 1
        at += 1
        for said in ("Signature 签字", "Date 日期", "Seal 盖章"):
            sheet.write_string(at, 0, said)
            sheet.write_blank(at, 1, None, self.line)
            at += 2

    def _pair(self, sheet: Any, at: int, name: str, value: str) -> None:
        sheet.write_string(at, 0, name, self.faint)
        sheet.write_string(at, 1, harmless(value) or _DASH, self.text)

    def triple(self) -> None:
        """Mild, moderate and severe side by side for each platform, then what the entity says of them."""
        table = self.form.table("triple")
        sheet = self._sheet("Triple 三档情景", (46, 22, 22, 22, 18), wide=True)
        sheet.write_string(0, 0, f"{table.en} {table.zh}", self.title)
        at = 2
        platforms = list(dict.fromkeys(row["platform"] for row in self.tables["triple"]))
        for platform in platforms:
            rows = {row["severity"]: row for row in self.tables["triple"] if row["platform"] == platform}
            sheet.write_string(at, 0, harmless(platform) if platform != TOTAL else "All platforms 全部平台", self.head)
            for k, member in enumerate(a.SEVERITY.members, 1):
                sheet.write_string(at, k, f"{member.en} {member.zh}", self.head)
            sheet.write_string(at, 4, "Formula 公式", self.head)
            at += 1
            for concept in table.concepts:
                sheet.write_string(at, 0, f"{concept.en} {concept.zh}", self.text)
                for k, member in enumerate(a.SEVERITY.members, 1):
                    self._value(sheet, at, k, concept, rows[a.SEVERITY.qname(member.value)].get(concept.name, ""))
                sheet.write_string(at, 4, concept.formula, self.faint)
                at += 1
            at += 1
        told = {(row["topic"], row["language"]): row["Narrative"] for row in self.tables.get("narratives", [])}
        for member in a.TOPIC.members:
            sheet.write_string(at, 0, f"{member.en} {member.zh}", self.head)
            texts = [told[key] for language in a.LANGUAGES if (key := (a.TOPIC.qname(member.value), language)) in told]
            sheet.merge_range(at, 1, at, 4, "", self.text)
            sheet.write_string(
                at,
                1,
                harmless("\n".join(t.removeprefix("#") if t.startswith("##") else t for t in texts)) or _DASH,
                self.text,
            )
            sheet.set_row(at, 15 * max(1, sum(len(t) // 60 + 1 for t in texts)))
            at += 1

    def table(self, table: a.Table) -> None:
        """One table as it is reported, under headings in both languages and the formula numbers."""
        widths = [16 if c in table.keys else 20 for c in table.columns]
        sheet = self._sheet(f"{table.name} {table.zh}", widths, wide=True)
        concepts = {c.name: c for c in table.concepts}
        for at, column in enumerate(table.columns):
            concept, axis = concepts.get(column), axis_of(table, column)
            said = f"{concept.en} {concept.zh}" if concept else f"{axis.en} {axis.zh}" if axis else "Language 语言"
            sheet.write_string(0, at, said, self.head)
            sheet.write_string(1, at, concept.formula if concept else "", self.faint)
        sheet.freeze_panes(2, len(table.keys))
        for at, row in enumerate(self.tables[table.name], 2):
            for k, column in enumerate(table.columns):
                axis = axis_of(table, column)
                if axis is not None and axis.members:
                    member = next(m for m in axis.members if f"{a.PREFIX}:{m.name}" == row[column])
                    sheet.write_string(at, k, f"{member.en} {member.zh}", self.text)
                elif column in concepts:
                    self._value(sheet, at, k, concepts[column], row.get(column, ""))
                else:
                    sheet.write_string(at, k, harmless(row[column]), self.text)

    def _value(self, sheet: Any, at: int, column: int, concept: a.Concept, value: str) -> None:
        if value and concept.kind in self.numbers and not (concept.kind == "count" and len(value) > 15):
            sheet.write_number(at, column, float(Decimal(value)), self.numbers[concept.kind])
        elif value:
            sheet.write_string(at, column, harmless(shown(concept, value)), self.text)
