"""A run becomes a submission: refused with reasons, or written whole and the same bytes each time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stresslab.faults import Fault, InputError, nearest
from stresslab.record import reading, write_bytes
from stresslab.submission.concepts import FORMS
from stresslab.submission.entity import DRAFT, SCHEMES, Entity, read_entity
from stresslab.submission.package import Rows, files_of, packed
from stresslab.submission.page import page, pdf
from stresslab.submission.ready import Filed, read_filed
from stresslab.submission.rows import tables_of
from stresslab.submission.structure import Finding, structural
from stresslab.submission.workbook import workbook


@dataclass(frozen=True)
class Submitted:
    """What was written: the package, the workbook and the page beside it, with its PDF if asked for; how many tables and facts."""

    package: Path
    workbook: Path
    page: Path
    pdf: Path | None
    form: str
    draft: bool
    tables: int
    facts: int


def submit(
    folder: Path | str, *, out: Path | str, form: str = "stress", entity: Path | str | None = None, as_pdf: bool = False
) -> Submitted:
    """Write the submission of a finished run: an xBRL-CSV package that carries its taxonomy, and a workbook (.xlsx) and a page
    to print and sign (.html) beside it; with ``as_pdf`` that page as PDF, which needs WeasyPrint.

    ``form`` is ``stress`` or ``periodic``; ``entity`` is the entity's own file, without which the package is a draft. Raises
    :class:`InputError`, and writes nothing, if the run is not finished, is not what its record says, or does not balance.
    """
    where = Path(out)
    faults = list(_options(where, form, Path(folder)))
    if faults:
        raise InputError(faults)
    said = read_entity(Path(entity)) if entity is not None else None
    with reading(Path(folder)):
        filed = read_filed(Path(folder))
        tables = tables_of(form, filed, said)
        parameters = parameters_of(filed, said)
        root, files = contents(filed, form, said, tables, parameters)
    data = packed(root, files)
    # What is written has passed the very rules that a reader of it applies.
    wrong = [f for f in structural(data) if f.severity == "error"]
    if wrong:
        raise InputError([_fault(f) for f in wrong])
    sheet = where.with_suffix(".xlsx")
    html = page(form, tables, parameters)
    beside = {sheet: workbook(form, tables, parameters), where.with_suffix(".html"): html.encode()}
    if as_pdf:
        beside[where.with_suffix(".pdf")] = pdf(html)
    for file, held in {where: data, **beside}.items():
        write_bytes(file, held)
    keys = {t.name: set(t.keys) for t in FORMS[form].tables}
    facts = sum(1 for name, rows in tables.items() for row in rows for column in row if column not in keys[name])
    printed = where.with_suffix(".pdf") if as_pdf else None
    return Submitted(
        where,
        sheet,
        where.with_suffix(".html"),
        printed,
        form,
        said is None,
        sum(bool(rows) for rows in tables.values()),
        facts,
    )


def parameters_of(filed: Filed, entity: Entity | None) -> dict[str, str]:
    """Entity, reference date and currency of a package."""
    book = filed.record["book"]
    return {
        "entity": entity.qname if entity else DRAFT,
        "refDate": f"{book['as_of']}@end",
        "currency": f"iso4217:{book['currency']}",
    }


def contents(
    filed: Filed, form: str, entity: Entity | None, tables: dict[str, Rows], parameters: dict[str, str]
) -> tuple[str, dict[str, str]]:
    """The root folder of a package, which says entity, form, date and resubmission; and its files."""
    who, number = (entity.identifier, entity.resubmission) if entity else ("DRAFT", 0)
    return f"{who}_{form}_{filed.record['book']['as_of']}_{number}", files_of(FORMS[form], tables, parameters, SCHEMES)


def _options(where: Path, form: str, run: Path) -> list[Fault]:
    faults = []
    if form not in FORMS:
        faults.append(Fault("options", "is no form of the taxonomy", nearest(form, list(FORMS)), None, "form", form))
    if where.suffix != ".xbr":
        faults.append(
            Fault(
                "options",
                "a report package of xBRL-CSV ends in .xbr",
                "name it like submission.xbr",
                None,
                "out",
                str(where),
            )
        )
    if where.parent.resolve() == run.resolve():
        # The page of the name report.xbr would take the place of the run's own report.
        faults.append(
            Fault(
                "options",
                "lies in the run's folder, which holds the run alone",
                "write beside it",
                None,
                "out",
                str(where),
            )
        )
    if where.is_dir():
        faults.append(Fault("options", "is a folder", "give the name of a file", None, "out", str(where)))
    return faults


def _fault(finding: Finding) -> Fault:
    return Fault(
        finding.file,
        f"{finding.code}: {finding.en}",
        "correct the run's inputs or the entity file",
        finding.row,
        finding.column,
        finding.value,
    )
