"""The verb that files: submit."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stresslab.cli.options import ANSWER_IS_NO, AsJson, InLanguage, Language, app
from stresslab.terminal import results


class FormName(StrEnum):
    """A form of the taxonomy."""

    STRESS = "stress"
    PERIODIC = "periodic"


@app.command()
def submit(
    run: Annotated[Path | None, typer.Argument(help="Folder of a finished run.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The package to write, X.xbr; X.xlsx and X.html lie beside it.")
    ] = None,
    form: Annotated[
        FormName, typer.Option("--form", help="The stress submission, or the periodic data report.")
    ] = FormName.STRESS,
    entity: Annotated[
        Path | None, typer.Option("--entity", help="The entity's file (TOML); without it the package is a draft.")
    ] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Also print the page beside it as PDF (needs WeasyPrint).")
    ] = False,
    check: Annotated[
        Path | None, typer.Option("--check", help="Check this package instead; exit with 1 if it has an error.")
    ] = None,
    without_arelle: Annotated[bool, typer.Option("--without-arelle", help="Our own checks alone.")] = False,
    as_json: AsJson = False,
    lang: InLanguage = Language.EN,
) -> None:
    """Write a run as a regulator's file (xBRL-CSV with its taxonomy), or check such a file row by row.

    Example: stresslab submit my-run --out quarter.xbr --entity entity.toml
    """
    from stresslab.faults import Fault, InputError

    if check is not None:
        if run is not None or out is not None:
            raise InputError(
                [Fault("options", "--check checks a package and writes none", "leave out the run and --out")]
            )
        return _check(check, without_arelle, as_json, lang.value)
    if run is None or out is None:
        raise InputError(
            [Fault("options", "there is nothing to write", "give a run's folder and --out X.xbr, or --check X.xbr")]
        )
    from stresslab.submission import submit as write

    made = write(run, out=out, form=form.value, entity=entity, as_pdf=pdf)
    with results():
        if as_json:
            print(
                json.dumps(
                    {k: str(v) if isinstance(v, Path) else v for k, v in asdict(made).items()},
                    ensure_ascii=False,
                    indent=1,
                )
            )
        elif lang is Language.ZH:
            print(
                f"{made.package}：{made.tables}张表，{made.facts}个事实{'，草稿（未签署）' if made.draft else ''}；工作簿 {made.workbook}"
            )
        else:
            print(
                f"{made.package}: {made.tables} tables, {made.facts} facts{', a draft: nobody attested it' if made.draft else ''}; "
                f"workbook {made.workbook}"
            )
    return None


def _check(package: Path, without_arelle: bool, as_json: bool, language: str) -> None:
    from stresslab.submission import check_submission

    (found,) = check_submission(package, arelle=False if without_arelle else None)
    chinese = language == "zh"
    with results():
        if as_json:
            told = {
                "ok": found.ok,
                "arelle": found.arelle,
                "facts": found.facts,
                "findings": [asdict(f) for f in found.findings],
            }
            print(json.dumps(told, ensure_ascii=False, indent=1))
        else:
            for finding in found.findings:
                print(finding.said(language))
            errors = sum(f.severity == "error" for f in found.findings)
            warnings = len(found.findings) - errors
            print(
                f"{package}：{errors}个错误，{warnings}个警告"
                if chinese
                else f"{package}: {errors} errors, {warnings} warnings"
            )
            if not found.arelle:
                print(
                    "未经Arelle校验：仅执行了本程序自身的检查（安装方式：pip install 'stresslab[xbrl]'）"
                    if chinese
                    else "Arelle has not read it: these are our own checks alone (pip install 'stresslab[xbrl]')"
                )
    if not found.ok:
        raise typer.Exit(ANSWER_IS_NO)
