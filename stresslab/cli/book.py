"""Verbs about a book alone: init, check, terms, pool."""

from __future__ import annotations

import datetime
import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stresslab.cli.options import ANSWER_IS_NO, PAPER, AsJson, InLanguage, Language, LimitsFile, app
from stresslab.terminal import results, terminal


class Party(StrEnum):
    """A party of a contract."""

    CLIENT = "client"
    PLATFORM = "platform"


class CheckFailOn(StrEnum):
    """What makes the exit code of ``check`` 1."""

    NOTHING = "nothing"
    LIMIT = "limit"
    WARNING = "warning"


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    accounts: Annotated[int, typer.Option("--accounts", help="Number of accounts.")] = 20_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the synthetic book.")] = 1,
    partitions: Annotated[int, typer.Option("--partitions", help="Accounts as Parquet in so many parts; 0: CSV.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write the demo book as CSV, to edit.

    Example: stresslab init my-book
    """
    from stresslab import verbs

    book = verbs.init(folder, accounts=accounts, seed=seed, partitions=partitions)
    with results():
        if as_json:
            told = {"folder": str(folder), "title": book.title, "digest": book.digest, "rows": {n: len(t) for n, t in book.tables.items()}}
            print(json.dumps(told, ensure_ascii=False))
            return
        print(f"{folder}: {book.title}; edit the tables, then stresslab check {folder}")


@app.command()
def check(
    book: Annotated[Path | None, typer.Argument(help="Folder of a book.")] = None,
    scenario: Annotated[list[str] | None, typer.Option("--scenario", help="A scenario file or the name of a shipped one.")] = None,
    market: Annotated[Path | None, typer.Option("--market", help="A market file; by default the book's market.toml.")] = None,
    limits: LimitsFile = None,
    since: Annotated[Path | None, typer.Option("--since", help="An earlier book, whose contracts must lead to these.")] = None,
    fail_on: Annotated[
        CheckFailOn, typer.Option("--fail-on", help="Exit with 1 if a limit is broken (red), or nearly (warning: amber, too).")
    ] = CheckFailOn.NOTHING,
    as_json: AsJson = False,
) -> None:
    """Check a book and scenarios, all faults at once, and how the book stands against its limits.

    Example: stresslab check my-book --scenario crash-40 --limits my-limits.toml --fail-on limit
    """
    from stresslab import checking
    from stresslab.faults import Fault, InputError

    if book is None and not scenario and market is None:
        raise InputError([Fault("options", "there is nothing to check", "give a book's folder, --scenario or --market")])
    try:
        said = checking.check(book, scenario or [], market, limits=limits, since=since)
    except InputError as error:
        if as_json:
            with results():
                print(json.dumps({"ok": False, "faults": [asdict(f) for f in error.faults]}, ensure_ascii=False, indent=1))
        raise
    with results():
        if as_json:
            found = [{"light": light, "text": text} for light, text in said.findings]
            told = {"ok": True, "notes": said.notes, "findings": found, "limits": said.standing}
            print(json.dumps(told, ensure_ascii=False, indent=1))
        else:
            print("\n".join(said.lines))
    broken = {CheckFailOn.NOTHING: (), CheckFailOn.LIMIT: ("red",), CheckFailOn.WARNING: ("red", "amber")}[fail_on]
    if any(light in broken for light, _ in said.findings):
        raise typer.Exit(ANSWER_IS_NO)


@app.command()
def terms(
    book: Annotated[Path, typer.Argument(help="Folder of a book.")],
    account: Annotated[str, typer.Option("--account", help="The account whose contract is told.")],
    limits: LimitsFile = None,
    falls: Annotated[str, typer.Option("--falls", help="Falls of all prices in whole percent.")] = "0,10,20,30,40,50,60",
    cost_pct: Annotated[float | None, typer.Option("--cost-pct", help="Cost of selling; by default the highest of the boards.")] = None,
    settle: Annotated[str | None, typer.Option("--settle", help="Settle the contract on this date, YYYY-MM-DD.")] = None,
    prices: Annotated[Path | None, typer.Option("--prices", help="Final prices: a CSV file with instrument_id, price_yuan.")] = None,
    remainder_to: Annotated[Party, typer.Option("--remainder-to", help="Who receives what rounding leaves.")] = Party.CLIENT,
    as_json: AsJson = False,
    lang: InLanguage = Language.EN,
) -> None:
    """The contract of an account: its terms in both languages, its losses in a fall, its settlement.

    Example: stresslab terms my-book --account A0000007 --settle 2026-09-30
    """
    from stresslab import verbs
    from stresslab.faults import Fault, InputError
    from stresslab.report.contract_sheet import print_sheet, sheet_json

    try:
        at = [int(part) for part in falls.split(",")]
    except ValueError:
        rule, way_out = "must be whole percentages with commas between them", "write them like 0,20,40,60"
        raise InputError([Fault("options", rule, way_out, None, "falls", falls)]) from None
    try:
        day = None if settle is None else datetime.date.fromisoformat(settle)
    except ValueError:
        raise InputError([Fault("options", "must be a date of the calendar", "write it as YYYY-MM-DD", None, "settle", settle)]) from None
    made = verbs.terms(book, account, limits=limits, falls=at, cost_pct=cost_pct, settle_on=day, prices=prices,
                       remainder_to=remainder_to.value)
    with results():
        if as_json:
            print(json.dumps(sheet_json(made.terms, made.losses, made.settlement), ensure_ascii=False, indent=1))
            return
        console = terminal()
        if not console.is_terminal:
            console.width = max(console.width, PAPER)
        print_sheet(made.terms, made.losses, made.settlement, console, lang.value)


class PoolFailOn(StrEnum):
    """What makes the exit code of ``pool`` 1."""

    NOTHING = "nothing"
    BREACH = "breach"


@app.command()
def pool(
    book: Annotated[Path, typer.Argument(help="Folder of a book.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the page, one HTML file, in both languages.")] = None,
    rules: Annotated[Path | None, typer.Option("--rules", help="A file of rules and limits; by default the provisional ones.")] = None,
    fail_on: Annotated[PoolFailOn, typer.Option("--fail-on", help="Exit with 1 if a finding is beyond its limit.")] = PoolFailOn.NOTHING,
    as_json: AsJson = False,
    lang: InLanguage = Language.EN,
) -> None:
    """Who stands behind the funding of a book: look-through, circles, gaps, recalls, flows of money, who brings down whom.

    Example: stresslab pool my-book --out pool.html --fail-on breach
    """
    from stresslab import record, verbs
    from stresslab.faults import Fault, InputError

    if out is not None and out.is_dir():
        raise InputError([Fault("options", "is a folder", "give the name of a file", None, "out", str(out))])
    made = verbs.look_through(book, rules=rules)
    facts = made.facts()
    if out is not None:
        from stresslab.report.pool import pool_page

        page = pool_page(facts, version=record.versions()["stresslab"], synthetic=made.synthetic, language=lang.value)
        record.write_bytes(out, page.encode())
    with results():
        if as_json:
            print(json.dumps(facts, ensure_ascii=False))
        else:
            from stresslab.report.pool import print_pool

            print_pool(facts, terminal(), lang.value)
            if out is not None:
                print(f"page: {out}")
    if fail_on is PoolFailOn.BREACH and made.breaches:
        raise typer.Exit(ANSWER_IS_NO)
