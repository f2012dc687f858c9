"""Our own reading of a package, without Arelle: structure, table constraints, balances and the filing rules S-01 to S-34.

Nothing in the package is believed: constraints come from this version's taxonomy, not from the package's own metadata.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from stresslab.spreadsheets import like_a_formula
from stresslab.submission.axes import BASE, DECIMALS, PREFIX, Concept, Form, Table
from stresslab.submission.concepts import BALANCES, FORMS, SUMS, SUMS_OVER
from stresslab.submission.entity import SCHEMES, sound_identifier
from stresslab.submission.package import CSV_TYPE, PACKAGE_TYPE, bounds, metadata
from stresslab.submission.taxonomy import ENUMERATIONS, NUMBER_PATTERN, TYPED_PATTERN, axis_of, taxonomy_files

Severity = Literal["error", "warning"]
#: A package that grows beyond this is refused unread, bytes.
LARGEST = 400_000_000
#: A package of more files than this is refused unread.
FILES_MOST = 10_000
#: What reading a damaged archive may raise, whatever method its files are packed with.
_NO_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, ValueError, NotImplementedError, RuntimeError, EOFError,
    OverflowError, MemoryError, IndexError,
)
#: So many findings of one rule in one file are told; the rest are counted.
MOST = 20
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


@dataclass(frozen=True)
class Finding:
    """One finding in a package; rows count as a spreadsheet does, the header is row 1. ``code`` is ours or Arelle's."""

    severity: Severity
    code: str
    file: str
    en: str
    zh: str
    row: int | None = None
    column: str | None = None
    value: str | None = None

    def said(self, language: str) -> str:
        """The finding as one line in ``en`` or ``zh``."""
        chinese = language == "zh"
        where = self.file
        if self.row is not None:
            where += f" 第{self.row}行" if chinese else f" row {self.row}"
        if self.column is not None:
            where += f"，{self.column}" if chinese else f", {self.column}"
        if self.value is not None:
            shown = self.value if len(self.value) <= 60 else self.value[:57] + "..."
            where += f" = {shown!r}"
        word = {"error": ("error", "错误"), "warning": ("warning", "警告")}[self.severity][chinese]
        return f"{word} {self.code}{'：' if chinese else ': '}{where}{'：' if chinese else ': '}{self.zh if chinese else self.en}"


def structural(data: bytes) -> list[Finding]:
    """Everything that is wrong with a package as far as it can be seen without an XBRL processor."""
    return _shortened(list(_read(data)))


def _shortened(found: list[Finding]) -> list[Finding]:
    """At most :data:`MOST` findings of a rule in a file, then how many more there are."""
    kept: list[Finding] = []
    count: dict[tuple[str, str], int] = defaultdict(int)
    for one in dict.fromkeys(found):
        count[one.code, one.file] += 1
        if count[one.code, one.file] <= MOST:
            kept.append(one)
    for (code, file), n in count.items():
        if n > MOST:
            severity = next(f.severity for f in kept if (f.code, f.file) == (code, file))
            kept.append(Finding(severity, code, file, f"and {n - MOST} more of this kind", f"另有{n - MOST}处同类问题"))
    return kept


def _wrong(
    code: str, file: str, en: str, zh: str, row: int | None = None, column: str | None = None, value: str | None = None
) -> Finding:
    return Finding("error", code, file, en, zh, row, column, value)


# --- the package --------------------------------------------------------------------------------


def _read(data: bytes) -> Iterator[Finding]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [i for i in archive.infolist() if not i.is_dir()]
            if sum(i.file_size for i in names) > LARGEST or len(names) > FILES_MOST:
                yield _wrong(
                    "S-01",
                    "package",
                    f"is larger than {LARGEST // 10**6} MB unpacked, or has more than {FILES_MOST} files",
                    f"解压后超过{LARGEST // 10**6}MB，或超过{FILES_MOST}个文件",
                )
                return
            roots = {i.filename.split("/")[0] for i in names}
            unsafe = [
                i.filename
                for i in names
                if i.filename.startswith("/") or ".." in i.filename.split("/") or "\\" in i.filename
            ]
            if len(roots) != 1 or unsafe or len({i.filename for i in names}) != len(names):
                yield _wrong(
                    "S-01",
                    "package",
                    "must have one root folder, safe names and each file once",
                    "须仅有一个根目录、路径安全且文件不重复",
                    value=", ".join(unsafe or sorted(roots)),
                )
                return
            root = roots.pop()
            held = {i.filename.removeprefix(f"{root}/"): archive.read(i) for i in names}
    except _NO_ZIP as error:
        yield _wrong("S-01", "package", f"is no ZIP that can be read ({error})", "不是可读取的ZIP文件")
        return
    yield from _contents(held)


def _contents(held: dict[str, bytes]) -> Iterator[Finding]:
    texts: dict[str, str] = {}
    for name, raw in held.items():
        try:
            texts[name] = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            at = raw[: error.start].count(b"\n") + 1
            yield _wrong("S-02", name, "is not UTF-8", "编码不是UTF-8", row=at)
    said = _json(texts.get("META-INF/reportPackage.json"))
    if not isinstance(said, dict) or (said.get("documentInfo") or {}).get("documentType") != PACKAGE_TYPE:
        yield _wrong(
            "S-01",
            "META-INF/reportPackage.json",
            f"must say documentType {PACKAGE_TYPE}",
            f"documentType须为{PACKAGE_TYPE}",
        )
    for name, text in taxonomy_files().items():
        if name in held and texts.get(name) != text:
            yield _wrong("S-03", name, "is not the taxonomy of this version", "与本版本分类标准不一致")
        elif name not in held:
            yield _wrong("S-03", name, "is missing: the package must carry its taxonomy", "缺失：报送包须包含分类标准")
    report = _json(texts.get("reports/report.json"))
    if not isinstance(report, dict):
        yield _wrong("S-04", "reports/report.json", "is missing or no JSON object", "缺失或不是JSON对象")
        return
    info = report.get("documentInfo")
    entry = info.get("taxonomy") if isinstance(info, dict) else None
    form = next((f for f in FORMS.values() if entry == [f"{BASE}{f.name}.xsd"]), None)
    if form is None or not isinstance(info, dict) or info.get("documentType") != CSV_TYPE:
        yield _wrong(
            "S-05",
            "reports/report.json",
            "must name exactly one entry point of this version's taxonomy",
            "须引用本版本分类标准的唯一入口",
            column="documentInfo.taxonomy",
            value=json.dumps(entry, ensure_ascii=False),
        )
        return
    tables = report.get("tables")
    named = [t.name for t in form.tables if isinstance(tables, dict) and t.name in tables]
    yield from _same(metadata(form, named, SCHEMES), report, "")
    yield from _parameters(texts)
    yield from _Reader(form, named, texts, held).findings()


def _json(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def _same(wanted: Any, found: Any, place: str) -> Iterator[Finding]:
    """Where the metadata differs from that of the form: a filer may not loosen a constraint or rename a concept."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*wanted, *found]):
            if key not in found or key not in wanted:
                en, zh = ("is missing", "缺失") if key not in found else ("is not part of the form", "不属于该报表")
                yield _wrong("S-06", "reports/report.json", en, zh, column=f"{place}.{key}".strip("."))
            else:
                yield from _same(wanted[key], found[key], f"{place}.{key}".strip("."))
    elif wanted != found:
        yield _wrong(
            "S-06",
            "reports/report.json",
            f"must be {json.dumps(wanted, ensure_ascii=False)}",
            f"须为{json.dumps(wanted, ensure_ascii=False)}",
            column=place,
            value=found if isinstance(found, str) else json.dumps(found, ensure_ascii=False),
        )


def _parameters(texts: dict[str, str]) -> Iterator[Finding]:
    file = "reports/parameters.csv"
    rows = _csv(texts.get(file, "")) or []
    if (
        not rows
        or rows[0] != ["name", "value"]
        or sorted(r[0] for r in rows[1:] if len(r) == 2) != ["currency", "entity", "refDate"]
        or len(rows) != 4
    ):
        yield _wrong(
            "S-07",
            file,
            "must give entity, refDate and currency once each under name, value",
            "须以name,value各给出一次entity、refDate、currency",
        )
        return
    for at, (name, value) in enumerate(rows[1:], 2):
        if (name == "refDate" and _date(value.removesuffix("@end")) is None) or (
            name == "refDate" and not value.endswith("@end")
        ):
            yield _wrong(
                "S-08",
                file,
                "must be a date and @end, such as 2026-09-30@end, without a time zone",
                "须为日期加@end，如2026-09-30@end，不带时区",
                at,
                name,
                value,
            )
        if name == "currency" and re.fullmatch("iso4217:[A-Z]{3}", value) is None:
            yield _wrong(
                "S-09", file, "must be one currency such as iso4217:CNY", "须为单一币种，如iso4217:CNY", at, name, value
            )
        if name == "entity":
            scheme, _, identifier = value.partition(":")
            if scheme == "draft":
                yield Finding(
                    "warning",
                    "S-10",
                    file,
                    "is a draft: no entity has attested it",
                    "为草稿：未经机构签署",
                    at,
                    name,
                    value,
                )
            elif not sound_identifier(scheme, identifier):
                yield _wrong(
                    "S-10",
                    file,
                    "must be lei: or uscc: with an identifier whose check digits hold",
                    "须为lei:或uscc:加校验正确的标识符",
                    at,
                    name,
                    value,
                )


def _csv(text: str) -> list[list[str]] | None:
    """The records of a CSV text; None where it is none."""
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return None


def _date(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


# --- the tables ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """One row of a table: where it stands, and its cells."""

    row: int
    cells: dict[str, str]


class _Reader:
    """Reads the tables of one form and says what is wrong with them."""

    def __init__(self, form: Form, named: list[str], texts: dict[str, str], held: dict[str, bytes]) -> None:
        self.form, self.named, self.texts, self.held = form, named, texts, held
        self.lines: dict[str, list[_Line]] = {}

    def findings(self) -> Iterator[Finding]:
        """All findings, table by table, then across tables."""
        for table in self.form.tables:
            file = f"reports/{table.name}.csv"
            if table.name in self.named and file in self.texts:
                yield from self._table(table, file)
            elif table.name in self.named and file not in self.held:
                yield _wrong("S-11", file, "is named in report.json and missing", "report.json已列出但文件缺失")
            elif table.required and table.name not in self.named:
                yield _wrong("S-11", file, "this table must be reported", "该表必须报送")
        known = {f"reports/{name}.csv" for name in self.named} | {"reports/report.json", "reports/parameters.csv"}
        for file in sorted(set(self.held) - known - set(taxonomy_files()) - {"META-INF/reportPackage.json"}):
            yield _wrong("S-12", file, "no table of the form: it would not be read", "不属于该报表，不会被读取")
        yield from self._indicators()
        yield from self._references()
        yield from self._sums()
        yield from self._filing()
        yield from self._narrative()

    def _table(self, table: Table, file: str) -> Iterator[Finding]:
        # Lines are counted as the reader counts records: a quoted text may hold line breaks.
        rows = _csv(self.texts[file])
        if not rows:
            yield _wrong("S-13", file, "is empty or no CSV", "文件为空或不是CSV")
            return
        header = rows[0]
        for name in table.columns:
            if name not in header:
                yield _wrong("S-13", file, "this column is missing", "缺少该列", 1, name)
        for at, name in enumerate(header):
            if name not in table.columns:
                yield _wrong("S-13", file, "the form has no such column", "报表无此列", 1, name)
            elif name in header[:at]:
                yield _wrong("S-13", file, "the column stands twice", "列重复", 1, name)
        if sorted(header) == sorted(table.columns) and tuple(header) != table.columns:
            yield _wrong(
                "S-13",
                file,
                "columns must stand in the order of the form",
                "列顺序须与报表一致",
                1,
                value=",".join(header),
            )
        lines: list[_Line] = []
        seen: dict[tuple[str, ...], int] = {}
        for at, cells in enumerate(rows[1:], 2):
            if len(cells) != len(header):
                yield _wrong(
                    "S-13",
                    file,
                    f"has {len(cells)} cells, the header {len(header)}",
                    f"有{len(cells)}个单元格，表头有{len(header)}个",
                    at,
                )
                continue
            line = _Line(at, dict(zip(header, cells, strict=True)))
            lines.append(line)
            yield from self._cells(table, file, line)
            key = tuple(line.cells.get(k, "") for k in table.keys)
            if table.keys and key in seen:
                yield _wrong(
                    "S-14",
                    file,
                    f"says again what row {seen[key]} says",
                    f"与第{seen[key]}行重复",
                    at,
                    ",".join(table.keys),
                    ", ".join(key),
                )
            seen.setdefault(key, at)
        if not lines or (not table.keys and len(lines) != 1):
            yield _wrong(
                "S-13",
                file,
                "must have rows" if table.keys else "must have one row",
                "须有数据行" if table.keys else "须恰有一行",
            )
        self.lines[table.name] = lines

    def _cells(self, table: Table, file: str, line: _Line) -> Iterator[Finding]:
        for column, value in line.cells.items():
            if value != value.strip():
                yield _wrong(
                    "S-15", file, "no blanks before or after a value", "数值前后不得有空格", line.row, column, value
                )
                continue
            if value.startswith("#") and not value.startswith("##"):
                yield _wrong(
                    "S-16",
                    file,
                    "no special values such as #nil or #empty: leave the cell empty",
                    "不得使用#nil、#empty等特殊值，请留空",
                    line.row,
                    column,
                    value,
                )
                continue
            if like_a_formula(value) and _DECIMAL.fullmatch(value) is None:
                yield Finding(
                    "warning",
                    "S-17",
                    file,
                    "a spreadsheet would read this as a formula",
                    "电子表格会将其识别为公式",
                    line.row,
                    column,
                    value,
                )
            concept = next((c for c in table.concepts if c.name == column), None)
            if concept is not None:
                yield from self._value(table, concept, file, line, value)
            elif column in table.keys:
                yield from self._key(table, column, file, line, value)

    def _key(self, table: Table, column: str, file: str, line: _Line, value: str) -> Iterator[Finding]:
        axis = axis_of(table, column)
        if axis is None:
            if value not in ("en", "zh"):
                yield _wrong("S-18", file, "must be en or zh", "须为en或zh", line.row, column, value)
        elif axis.members:
            if value not in {f"{PREFIX}:{m.name}" for m in axis.members}:
                yield _wrong(
                    "S-18", file, f"is no member of {axis.name}", f"不是{axis.zh}的成员", line.row, column, value
                )
        elif re.fullmatch(NUMBER_PATTERN if axis.number else TYPED_PATTERN, value) is None:
            yield _wrong(
                "S-18",
                file,
                "must be a number from 1 on" if axis.number else "must be an identifier of 1 to 64 characters",
                "须为从1开始的序号" if axis.number else "须为1至64个字符的标识符",
                line.row,
                column,
                value,
            )

    def _value(self, table: Table, concept: Concept, file: str, line: _Line, value: str) -> Iterator[Finding]:
        if value == "":
            if concept.required:
                yield _wrong("S-19", file, "must have a value", "必须填写", line.row, concept.name)
            return
        at = (line.row, concept.name, value)
        if concept.kind in DECIMALS:
            yield from _number(table, concept, file, at)
        elif concept.kind in ENUMERATIONS:
            if value not in {f"{PREFIX}:{name}" for name, _, _ in ENUMERATIONS[concept.kind]}:
                yield _wrong(
                    "S-18",
                    file,
                    f"must be one of {', '.join(f'{PREFIX}:{n}' for n, _, _ in ENUMERATIONS[concept.kind])}",
                    "不是允许的取值",
                    *at,
                )
        elif concept.kind == "flag" and value not in ("true", "false"):
            yield _wrong("S-20", file, "must be true or false", "须为true或false", *at)
        elif concept.kind == "date" and _date(value) is None:
            yield _wrong("S-20", file, "must be a date such as 2026-09-30", "须为日期，如2026-09-30", *at)

    def _indicators(self) -> Iterator[Finding]:
        """A filing indicator for each table, once; true where it is reported, false where it is not."""
        file = "reports/indicators.csv"
        axis = self.form.table("indicators").axes[0]
        told = {line.cells.get("table", ""): line for line in self.lines.get("indicators", [])}
        for member in axis.members:
            line = told.get(f"{PREFIX}:{member.name}")
            if line is None:
                if "indicators" in self.lines:
                    yield _wrong(
                        "S-30",
                        file,
                        "has no filing indicator for this table",
                        "缺少该表的报送标识",
                        None,
                        "table",
                        f"{PREFIX}:{member.name}",
                    )
            elif (line.cells.get("Reported") == "true") != (member.value in self.named):
                is_there = member.value in self.named
                yield _wrong(
                    "S-31",
                    file,
                    "says that the table is not reported, and it is there"
                    if is_there
                    else "says that the table is reported, and it is not there",
                    "标识为未报送但该表存在" if is_there else "标识为已报送但该表不存在",
                    line.row,
                    "Reported",
                    member.value,
                )

    def _references(self) -> Iterator[Finding]:
        for table in self.form.tables:
            for column, target in table.refers:
                known = {line.cells.get(column, "") for line in self.lines.get(target, [])}
                for line in self.lines.get(table.name, []):
                    value = line.cells.get(column, "")
                    if column in line.cells and value not in known:
                        yield _wrong(
                            "S-18",
                            f"reports/{table.name}.csv",
                            f"does not stand in {target}.csv",
                            f"未在{target}.csv中定义",
                            line.row,
                            column,
                            value,
                        )

    def _sums(self) -> Iterator[Finding]:
        for total in SUMS:
            for line in self.lines.get(total.table, []):
                parts = [_decimal(line.cells.get(p)) for p in total.parts]
                found = _decimal(line.cells.get(total.total))
                if found is None or any(p is None for p in parts):
                    continue
                difference = found - sum(p for p in parts if p is not None)
                # Each number is rounded to the 厘 by itself: half a 厘 each is all that may be between them.
                if abs(difference) > Decimal("0.0005") * (len(parts) + 1):
                    yield _wrong(
                        total.rule,
                        f"reports/{total.table}.csv",
                        f"{total.en}: off by {difference}",
                        f"{total.zh}：相差{difference}",
                        line.row,
                        total.total,
                        line.cells[total.total],
                    )
        for rule, name, one, other, en, zh in BALANCES:
            for line in self.lines.get(name, []):
                a, b = _decimal(line.cells.get(one)), _decimal(line.cells.get(other))
                if a is not None and b is not None and a != b:
                    yield _wrong(
                        rule,
                        f"reports/{name}.csv",
                        f"{en}: off by {a - b}",
                        f"{zh}：相差{a - b}",
                        line.row,
                        one,
                        line.cells[one],
                    )
        for over in SUMS_OVER:
            if over.table in self.lines and over.total_table in self.lines:
                added: dict[str, Decimal] = defaultdict(Decimal)
                for line in self.lines[over.table]:
                    added[line.cells.get("platform", "")] += _decimal(line.cells.get(over.part)) or Decimal()
                for line in self.lines[over.total_table]:
                    total_of, name = _decimal(line.cells.get(over.total)), line.cells.get("platform", "")
                    if total_of is not None and total_of != added[name]:
                        yield _wrong(
                            over.rule,
                            f"reports/{over.total_table}.csv",
                            f"{over.part} of {over.table}.csv {over.en}: {added[name]}",
                            f"{over.table}.csv的{over.part}{over.zh}：{added[name]}",
                            line.row,
                            over.total,
                            line.cells[over.total],
                        )

    def _filing(self) -> Iterator[Finding]:
        """Attestation, contact and the reason of a resubmission, unless the package is a draft."""
        file = "reports/filing.csv"
        for line in self.lines.get("filing", [])[:1]:
            cells = line.cells
            if cells.get("FormName") not in (None, self.form.name):
                yield _wrong(
                    "S-32",
                    file,
                    f"the entry point is that of {self.form.name}",
                    f"分类标准入口为{self.form.name}",
                    line.row,
                    "FormName",
                    cells["FormName"],
                )
            draft = self.texts.get("reports/parameters.csv", "").find("draft:") >= 0
            if cells.get("Draft") in ("true", "false") and (cells["Draft"] == "true") != draft:
                yield _wrong(
                    "S-33",
                    file,
                    "draft and entity do not agree",
                    "草稿标识与机构标识不一致",
                    line.row,
                    "Draft",
                    cells["Draft"],
                )
            needed = (
                "EntityName",
                "AttestationName",
                "AttestationPosition",
                "AttestationDate",
                "ContactName",
                "ContactPhone",
                "ContactMail",
            )
            for column in needed if cells.get("Draft") == "false" else ():
                if cells.get(column) == "":
                    yield _wrong(
                        "S-33", file, "is needed: the filing is no draft", "非草稿报送必须填写", line.row, column
                    )
            if cells.get("Draft") == "false" and cells.get("AttestationGiven") != "true":
                yield _wrong(
                    "S-33",
                    file,
                    "the data must be attested to be true, accurate and complete",
                    "须承诺数据真实、准确、完整",
                    line.row,
                    "AttestationGiven",
                    cells.get("AttestationGiven"),
                )
            if cells.get("ResubmissionNumber", "0") not in ("0", "") and cells.get("ResubmissionReason") == "":
                yield _wrong(
                    "S-33", file, "a resubmission needs its reason", "重报须说明原因", line.row, "ResubmissionReason"
                )

    def _narrative(self) -> Iterator[Finding]:
        if "triple" not in self.lines:
            return
        told = {line.cells.get("topic") for line in self.lines.get("narratives", [])}
        for topic in ("ResultMild", "ResultModerate", "ResultSevere", "Measures", "Governance"):
            if f"{PREFIX}:Topic{topic}" not in told:
                yield Finding(
                    "warning",
                    "S-34",
                    "reports/narratives.csv",
                    "the annual test wants a text on this topic",
                    "年度压力测试需对该事项作文字说明",
                    None,
                    "topic",
                    f"{PREFIX}:Topic{topic}",
                )


def _number(table: Table, concept: Concept, file: str, at: tuple[int, str, str]) -> Iterator[Finding]:
    number = _decimal(at[2])
    if number is None:
        yield _wrong(
            "S-20",
            file,
            "must be a plain decimal number such as -1234.5: no commas, units or exponents",
            "须为普通十进制数，如-1234.5，不含逗号、单位或指数",
            *at,
        )
        return
    digits = DECIMALS[concept.kind]
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > digits:
        yield _wrong("S-26", file, f"has more than {digits} decimals", f"小数位超过{digits}位", *at)
    low, high = bounds(table, concept)
    if (low is not None and number < low) or (high is not None and number > high):
        said = f"{low} to {high}" if high is not None else f"{low} or more"
        yield _wrong(
            "S-27",
            file,
            f"must be {said} (a share is a decimal: 0.0931, not 9.31)" if high is not None else f"must be {said}",
            f"须在{low}与{high}之间（占比用小数：0.0931而非9.31）" if high is not None else f"不得小于{low}",
            *at,
        )


def _decimal(text: str | None) -> Decimal | None:
    """A plain decimal; None for anything else."""
    if text is None or _DECIMAL.fullmatch(text) is None:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
