"""The report package: metadata with table constraints, tables as CSV, the taxonomy beside them, one ZIP with fixed dates.

Specifications: xBRL-CSV 1.0, Report Packages 1.0, Table Constraints 1.0.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stresslab.submission.axes import BASE, DECIMALS, LANGUAGES, NS, PREFIX, Axis, Concept, Form, Table
from stresslab.submission.taxonomy import ENUMERATIONS, NUMBER_PATTERN, TYPED_PATTERN, taxonomy_files

CSV_TYPE = "https://xbrl.org/2021/xbrl-csv"
PACKAGE_TYPE = "https://xbrl.org/report-package/2023/xbr"
#: Every file in the package has this date: the same content gives the same bytes.
_DATE = (2026, 1, 1, 0, 0, 0)
Rows = list[dict[str, str]]


def metadata(form: Form, reported: Iterable[str], schemes: Mapping[str, str]) -> dict[str, Any]:
    """What report.json of a form must be; ``schemes`` are the prefixes of entity identifiers."""
    namespaces = {
        PREFIX: NS,
        "iso4217": "http://www.xbrl.org/2003/iso4217",
        "xs": "http://www.w3.org/2001/XMLSchema",
        "tc": "https://xbrl.org/2026/tc",
        **schemes,
    }
    return {
        "documentInfo": {"documentType": CSV_TYPE, "namespaces": namespaces, "taxonomy": [f"{BASE}{form.name}.xsd"]},
        "parameterURL": "parameters.csv",
        "dimensions": {"entity": "$entity", "period": "$refDate"},
        "tableTemplates": {t.name: _template(t) for t in form.tables},
        "tables": {name: {"url": f"{name}.csv"} for name in reported},
    }


def _template(table: Table) -> dict[str, Any]:
    columns: dict[str, Any] = {a.column: {"tc:constraints": _axis_constraint(a)} for a in table.axes}
    if table.language:
        columns["language"] = {"tc:constraints": {"type": "xs:string", "enumerationValues": list(LANGUAGES)}}
    columns |= {c.name: _column(table, c) for c in table.concepts}
    made: dict[str, Any] = {"columns": columns}
    dimensions = {f"{PREFIX}:{a.name}": f"${a.column}" for a in table.axes}
    if dimensions:
        made["dimensions"] = dimensions
    keys: dict[str, Any] = {}
    if table.keys:
        keys["unique"] = [{"name": f"{table.name}_row", "fields": list(table.keys)}]
    references = [
        {"name": f"{table.name}_{column}", "fields": [column], "referencedKeyName": f"{target}_row"}
        for column, target in table.refers
    ]
    if references:
        keys["reference"] = references
    if keys:
        made["tc:keys"] = keys
    made["tc:columnOrder"] = list(table.columns)
    made["tc:parameters"] = {
        "entity": {"type": "entity"},
        "refDate": {"type": "period", "timeZone": False, "periodType": "instant"},
        "currency": {"type": "unit"},
    }
    rows = {"minTableRows": 1} if table.keys else {"minTableRows": 1, "maxTableRows": 1}
    made["tc:tableConstraints"] = {**({"minTables": 1} if table.required else {}), "maxTables": 1, **rows}
    return made


def _axis_constraint(axis: Axis) -> dict[str, Any]:
    if axis.members:
        return {"type": "xs:QName", "enumerationValues": [f"{PREFIX}:{m.name}" for m in axis.members]}
    return {"type": "xs:string", "patterns": [NUMBER_PATTERN if axis.number else TYPED_PATTERN]}


def bounds(table: Table, concept: Concept) -> tuple[int | None, int | None]:
    """The lowest and highest value that a cell may have."""
    if not table.bounded:
        return None, None
    return (0, 1) if concept.kind == "share" else (concept.least, None)


def _column(table: Table, concept: Concept) -> dict[str, Any]:
    dimensions = {"concept": f"{PREFIX}:{concept.name}"}
    column: dict[str, Any] = {"dimensions": dimensions}
    rule: dict[str, Any]
    if concept.kind in DECIMALS:
        column["decimals"] = DECIMALS[concept.kind]
        rule = (
            {"type": "xs:integer"}
            if concept.kind == "count"
            else {"type": "xs:decimal", "fractionDigits": DECIMALS[concept.kind]}
        )
        low, high = bounds(table, concept)
        rule |= ({"minInclusive": str(low)} if low is not None else {}) | (
            {"maxInclusive": str(high)} if high is not None else {}
        )
        if concept.kind == "money":
            dimensions["unit"] = "$currency"
    elif concept.kind in ENUMERATIONS:
        rule = {
            "type": "xs:QName",
            "enumerationValues": [f"{PREFIX}:{name}" for name, _, _ in ENUMERATIONS[concept.kind]],
        }
    elif concept.kind == "flag":
        rule = {"type": "xs:boolean", "patterns": ["true|false"]}
    elif concept.kind == "date":
        rule = {"type": "xs:date", "timeZone": False}
    else:
        rule = {"type": "xs:string", "minLength": 1}
        if table.language:
            dimensions["language"] = "$language"
    if not concept.required:
        rule["optional"] = True
    column["tc:constraints"] = rule
    return column


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Rows as CSV with CRLF (RFC 4180); an absent cell is empty, which is no fact."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([row.get(c, "") for c in columns] for row in rows)
    return out.getvalue()


def files_of(
    form: Form, tables: Mapping[str, Rows], parameters: Mapping[str, str], schemes: Mapping[str, str]
) -> dict[str, str]:
    """Every file of a package by its place below the root."""
    reported = [t.name for t in form.tables if tables.get(t.name)]
    files = {"META-INF/reportPackage.json": _json({"documentInfo": {"documentType": PACKAGE_TYPE}})}
    files |= taxonomy_files()
    files["reports/report.json"] = _json(metadata(form, reported, schemes))
    files["reports/parameters.csv"] = csv_text(
        ("name", "value"), [{"name": n, "value": v} for n, v in parameters.items()]
    )
    for name in reported:
        files[f"reports/{name}.csv"] = csv_text(form.table(name).columns, tables[name])
    return files


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def packed(root: str, files: Mapping[str, str]) -> bytes:
    """Files under one root folder as a ZIP; the same files give the same bytes on any machine."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(f"{root}/{name}", _DATE)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, text.encode(), compresslevel=9)
    return out.getvalue()


def escaped(text: str) -> str:
    """A text as a cell: a leading # is doubled, as xBRL-CSV asks; what a spreadsheet would read as lines stays in quotes."""
    return f"#{text}" if text.startswith("#") else text
