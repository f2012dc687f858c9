"""The command line: each verb is one library call of the same name.

Results go to stdout, talk and progress to stderr. Exit codes: 0 done, 1 the answer is no (``--fail-on``),
2 bad input, 3 the run failed, or a replay does not agree with its run.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
import traceback
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stresslab.terminal import progress_bar, results, say, terminal

if TYPE_CHECKING:

    from stresslab.ledger import Replay
    from stresslab.verbs import Run

app = typer.Typer(
    name="stresslab", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="What happens to a platform that lends against shares when the market falls, and does it survive?",
)

BAD_INPUT, RUN_FAILED, ANSWER_IS_NO = 2, 3, 1


class Language(StrEnum):
    """A language of the summary."""

    EN = "en"
    ZH = "zh"


class Party(StrEnum):
    """A party of a contract."""

    CLIENT = "client"
    PLATFORM = "platform"


class FailOn(StrEnum):
    """What makes the exit code 1."""

    NOTHING = "nothing"
    DOWNGRADE = "downgrade"
    FAILURE = "failure"


class CheckFailOn(StrEnum):
    """What makes the exit code of ``check`` 1."""

    NOTHING = "nothing"
    LIMIT = "limit"
    WARNING = "warning"


Out = Annotated[Path, typer.Option("--out", help="Folder of the run; it is made.")]
Paths = Annotated[int, typer.Option("--paths", help="Number of paths of each scenario.")]
Workers = Annotated[int, typer.Option("--workers", help="Start so many local processes; 0: threads of this process.")]
Scheduler = Annotated[str | None, typer.Option("--scheduler", help="Address of a running Dask scheduler, e.g. tcp://host:8786.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no talk.")]
InLanguage = Annotated[Language, typer.Option("--lang", help="Language of the summary.")]
LimitsFile = Annotated[Path | None, typer.Option("--limits", help="A limits file; by default the provisional one.")]
Failing = Annotated[FailOn, typer.Option("--fail-on", help="Exit with 1 if a platform is downgraded, or fails on any path.")]


@app.callback()
def options(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Option("--options", help="TOML file with a table of options for each verb: [run] paths = 500")
    ] = None,
) -> None:
    """What happens to a platform that lends against shares when the market falls, and does it survive?"""
    if file is not None:
        context.default_map = _options_of(file, context)


def _options_of(file: Path, context: typer.Context) -> dict[str, dict[str, Any]]:
    """The options in a file by verb and parameter, as defaults of the command line; unknown ones are faults."""
    from stresslab.faults import Fault, InputError, nearest
    from stresslab.market.files import read_toml

    verbs: dict[str, Any] = getattr(context.command, "commands", {})
    known = {
        verb: {opt.removeprefix("--"): p for p in command.params for opt in p.opts if opt.startswith("--")}
        for verb, command in verbs.items()
    }
    faults: list[Fault] = []
    found: dict[str, dict[str, Any]] = {}
    for verb, table in read_toml(file).items():
        if verb not in known or not isinstance(table, dict):
            faults.append(Fault(file.name, "is no verb with a table of options", nearest(verb, list(known)), None, verb))
            continue
        named: dict[str, Any] = {}
        for name, value in table.items():
            option = known[verb].get(name)
            if option is None:
                faults.append(Fault(file.name, "unknown option", nearest(name, list(known[verb])), None, f"{verb}.{name}"))
            elif isinstance(value, bool) != bool(getattr(option, "is_flag", False)):
                # The parser would read true as the number 1, and any text but "false" as true.
                rule = "must be true or false" if option.is_flag else "must not be true or false"
                shown = str(value).lower() if isinstance(value, bool) else str(value)
                faults.append(Fault(file.name, rule, "correct the value", None, f"{verb}.{name}", shown))
            else:
                named[str(option.name)] = value
        found[verb] = named
    if faults:
        raise InputError(faults)
    return found


@app.command()
def demo(
    out: Out = Path("stresslab-demo"), paths: Paths = 200, workers: Workers = 0, as_json: AsJson = False,
    quiet: Quiet = False, lang: InLanguage = Language.EN,
) -> None:
    """Run the whole thing once on a synthetic book and a real index.

    Example: stresslab demo --out my-demo
    """
    from stresslab import verbs

    say("Market: S&P 500, daily closes 1999 to 2018 with 2008, shipped with the package arch.\n"
         "Book: synthetic, 3 platforms, 20,000 accounts; A-share trading rules.", quiet)
    with progress_bar(quiet) as progress:
        made = verbs.demo(out, paths=paths, workers=workers, progress=progress)
    _show(made, as_json, lang)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    accounts: Annotated[int, typer.Option("--accounts", help="Number of accounts.")] = 20_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the synthetic book.")] = 1,
) -> None:
    """Write the demo book as CSV, to edit.

    Example: stresslab init my-book
    """
    from stresslab import verbs

    book = verbs.init(folder, accounts=accounts, seed=seed)
    with results():
        print(f"{folder}: {book.title}; edit the tables, then stresslab check {folder}")


Histories = Annotated[list[Path], typer.Argument(help="Folders or files of daily tables: prices, an index, sectors.")]
First = Annotated[str | None, typer.Option("--from", help="First day, as 2014-06-03.")]
Last = Annotated[str | None, typer.Option("--to", help="Last day.")]
Index = Annotated[str | None, typer.Option("--index", help="The index by its id; needed where there are several.")]


class Splits(StrEnum):
    """What becomes of a close that jumps without a previous close to explain it."""

    REFUSE = "refuse"
    ADJUST = "adjust"
    KEEP = "keep"


class Short(StrEnum):
    """What becomes of an instrument with too few daily returns."""

    REFUSE = "refuse"
    DROP = "drop"


@app.command()
def calibrate(
    history: Histories,
    out: Annotated[Path, typer.Option("--out", help="Folder of the market; it is made.")],
    index: Index = None,
    model: Annotated[str, typer.Option("--model", help="The law that a run uses: gbm, jump, heston, garch, regime or bootstrap.")] = "gbm",
    first: First = None,
    last: Last = None,
    splits: Annotated[Splits, typer.Option("--splits",
        help="Closes that jump: refuse them, take splits out, or keep them.")] = Splits.REFUSE,
    short: Annotated[Short, typer.Option("--short",
        help="Instruments with under 60 daily returns: refuse them or leave them out.")] = Short.REFUSE,
    title: Annotated[str | None, typer.Option("--title", help="Title of the market.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a market on a history of daily closes: market.toml and a page of what was measured, with errors.

    Example: stresslab calibrate my-history --index 000300.SH --out my-market
    """
    from stresslab import verbs

    made = verbs.calibrate(*history, out=out, index=index, model=model, first=first, last=last, splits=splits.value, short=short.value,
                           title=title)
    with results():
        if as_json:
            print((out / "calibration.json").read_text(encoding="utf-8"))
            return
        v = made.volatility
        days = f"{made.index}, {made.from_date} to {made.dates[-1]}"
        print(f"{days}: volatility {v.value:.2f} ± {v.error:.2f}% a year, {len(made.betas)} betas")
        for law, why in made.absent.items():
            print(f"not in the file: {law}: {why.en}")
        print(f"market: {out / 'market.toml'}\npage:   {out / 'calibration.html'}")


@app.command()
def episode(
    history: Annotated[list[Path], typer.Argument(help="Folders or files of a history, or a table of scenarios of the Federal Reserve.")],
    out: Annotated[Path, typer.Option("--out", help="The scenario file.")],
    first: First = None,
    last: Last = None,
    index: Index = None,
    depth: Annotated[float | None, typer.Option("--depth", help="Scale the episode to a fall of so many percent.")] = None,
    impact_share: Annotated[float, typer.Option("--impact-share", help="Leave out so many percent of every move as forced sales.")] = 0.0,
    days: Annotated[int | None, typer.Option("--days", help="Days of the run; by default those of the episode.")] = None,
    after: Annotated[str, typer.Option("--after", help="The market after the episode: free or flat.")] = "free",
    name: Annotated[str | None, typer.Option("--id", help="Id of the scenario.")] = None,
    market: Annotated[Path | None, typer.Option("--market", help="Whose volatility a published VIX is held against.")] = None,
) -> None:
    """Write a scenario from a dated episode of a history, or from the Federal Reserve's published tables.

    Example: stresslab episode my-history --from 2015-06-12 --to 2015-08-26 --depth 40 --out june-2015.toml
    """
    from stresslab import verbs

    made = verbs.episode(*history, out=out, first=first, last=last, index=index, depth=depth, impact_share=impact_share, days=days,
                         after=after, name=name, market=market)
    with results():
        path = made["market"]["path"]
        low = min(path["level_pct"])
        print(f"{out}: {made['title']}, {made['days']} trading days, lowest {low:.2f}% of the start; {path['source']}")


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
    from stresslab import verbs
    from stresslab.faults import Fault, InputError

    if book is None and not scenario and market is None:
        raise InputError([Fault("options", "there is nothing to check", "give a book's folder, --scenario or --market")])
    try:
        said = verbs.check(book, scenario or [], market, limits=limits, since=since)
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
            console.width = max(console.width, _PAPER)
        print_sheet(made.terms, made.losses, made.settlement, console, lang.value)


@app.command()
def run(
    book: Annotated[Path, typer.Option("--book", help="Folder of a book.")],
    scenario: Annotated[list[str], typer.Option("--scenario", help="A scenario file or the name of a shipped one; may be given again.")],
    out: Out,
    paths: Paths = 200,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all draws.")] = 1,
    market: Annotated[Path | None, typer.Option("--market", help="A market file; by default the book's market.toml.")] = None,
    scale: Annotated[Path | None, typer.Option("--scale", help="A rating scale; by default the provisional one.")] = None,
    limits: LimitsFile = None,
    workers: Workers = 0,
    scheduler: Scheduler = None,
    parts: Annotated[int, typer.Option("--parts", help="Cut the book by accounts into so many parts; changes no result.")] = 0,
    block_paths: Annotated[int, typer.Option("--block-paths", help="Paths of one task; changes no result.")] = 25,
    fail_on: Failing = FailOn.NOTHING,
    as_json: AsJson = False,
    quiet: Quiet = False,
    lang: InLanguage = Language.EN,
    tail: Annotated[list[str] | None, typer.Option(
        "--tail", help="A rare event to estimate, e.g. failure, or deficit >= 5000000 yuan; may be given again.")] = None,
    platform: Annotated[str | None, typer.Option("--platform", help="The platform of the rare events; by default each.")] = None,
    tail_target_error: Annotated[str, typer.Option(
        "--tail-target-error", help="Relative standard error wanted for a rare event.")] = "10%",
    tail_paths: Annotated[int, typer.Option("--tail-paths", help="Paths of one method for one rare event, at most.")] = 100_000,
) -> None:
    """Run scenarios on a book.

    Example: stresslab run --book my-book --scenario baseline --scenario crash-40 --out my-run
    """
    from stresslab import verbs

    try:
        with progress_bar(quiet) as progress:
            made = verbs.run(book, list(scenario), paths=paths, seed=seed, out=out, market=market, workers=workers,
                             scheduler=scheduler, parts=parts, block_paths=block_paths, scale=scale, limits=limits,
                             progress=progress, tail=tail or [], tail_platform=platform, tail_target_error=tail_target_error,
                             tail_paths=tail_paths)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it stopped", file=sys.stderr)
        raise typer.Exit(RUN_FAILED) from None
    _show(made, as_json, lang)
    if _answer_is_no(made, fail_on):
        raise typer.Exit(ANSWER_IS_NO)


#: So many lines of a ledger are printed.
ROWS = 200


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    path: Annotated[int, typer.Option("--path", help="Number of the path, from 0 on.")],
    scenario: Annotated[str | None, typer.Option("--scenario", help="A scenario of the run, by its id.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Tell the life of one account.")] = None,
    book: Annotated[Path | None, typer.Option("--book", help="Folder of the book, if it is not where the run had it.")] = None,
    market: Annotated[Path | None, typer.Option("--market", help="The market file, if it is not where the run had it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every event; by default what belongs together is added up.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=0, help="Print at most so many lines; 0: all.")] = ROWS,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write all rows to a CSV file.")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw the path, or the account, into an SVG file.")] = None,
    as_json: AsJson = False,
    lang: InLanguage = Language.EN,
) -> None:
    """Run one path of a finished run again and tell what happened on it, event by event.

    Example: stresslab replay my-run --path 3 --scenario crash-40 --account A0000007
    """
    from stresslab import verbs
    from stresslab.faults import Fault, InputError
    from stresslab.retrace import Disagreement

    blocked = [(option, file) for option, file in (("csv", csv), ("svg", svg)) if file is not None and file.is_dir()]
    if blocked:
        raise InputError([Fault("options", "is a folder", "give the name of a file", None, o, str(f)) for o, f in blocked])
    try:
        made = verbs.replay(folder, path=path, scenario=scenario, account=account, book=book, market=market)
    except Disagreement as error:
        print(f"failed: path {path} does not agree with the run: {error}", file=sys.stderr)
        raise typer.Exit(RUN_FAILED) from None
    _tell(made, every, rows, csv, svg, as_json, lang)


def _tell(made: Replay, every: bool, rows: int, csv: Path | None, svg: Path | None, as_json: bool, lang: Language) -> None:
    """Write the files of a replay, then print it."""
    from stresslab import record
    from stresslab.report import ledger

    if csv is not None:
        # The mark at the beginning tells a spreadsheet that this is UTF-8.
        record.write_bytes(csv, ledger.csv_text(ledger.view(made, every), lang.value).encode("utf-8-sig"))
    if svg is not None:
        from stresslab.report.ledger_picture import picture

        record.write_bytes(svg, picture(made, lang.value).encode())
    with results():
        if as_json:
            told = {"folder": made.folder, "scenario": made.scenario["id"], "path": made.path, "seed": made.seed, "agrees": True}
            events = ledger.records(ledger.view(made, every))
            print(json.dumps(told | {"account": made.account, "events": events}, ensure_ascii=False))
            return
        console = terminal()
        if not console.is_terminal:
            console.width = max(console.width, _PAPER)
        ledger.print_ledger(made, console, lang.value, every=every, most=rows)
        for name, file in (("table", csv), ("picture", svg)):
            if file is not None:
                print(f"{name}: {file}")


#: Columns of a table that goes into a file.
_PAPER = 160


@app.command()
def rate(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    scale: Annotated[Path | None, typer.Option("--scale", help="A rating scale; by default the provisional one.")] = None,
) -> None:
    """Grade a finished run under a scale, as JSON.

    Example: stresslab rate my-run --scale my-scale.toml
    """
    from stresslab import verbs

    grades = verbs.rate(folder, scale=scale)
    with results():
        print(json.dumps(grades, ensure_ascii=False, indent=1))


@app.command()
def compare(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    scenario: Annotated[str, typer.Option("--scenario", help="A scenario of the run, by its id.")],
    against: Annotated[str, typer.Option("--against", help="The scenario that it is compared with.")],
    as_json: AsJson = False,
) -> None:
    """What one scenario changes against another on the same paths, each difference with its sampling error.

    Example: stresslab compare my-run --scenario crash-40-staged --against crash-40
    """
    from stresslab.compare import compare as pairs

    found = pairs(folder, against, scenario)
    with results():
        if as_json:
            rows = json.loads(found.to_json(orient="records", double_precision=15))
            print(json.dumps({"differences": found.attrs["differences"], "measures": rows}, ensure_ascii=False))
            return
        from stresslab.report.compared import print_compared

        print_compared(found, against, scenario, terminal())


@app.command()
def reverse(
    book: Annotated[Path, typer.Option("--book", help="Folder of a book.")],
    scenario: Annotated[str, typer.Option("--scenario", help="The scenario whose numbers are turned.")],
    until: Annotated[str, typer.Option("--until", help='A figure and its line, e.g. "failure_probability >= 5%".')],
    vary: Annotated[list[str], typer.Option("--vary", help="KEY or KEY=MILD:SEVERE[:STEP]; twice for a frontier of two numbers.")],
    platform: Annotated[list[str] | None, typer.Option("--platform", help="A platform of the book; by default all.")] = None,
    paths: Paths = 200,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all draws.")] = 1,
    market: Annotated[Path | None, typer.Option("--market", help="A market file; by default the book's market.toml.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Keep every point in this folder, to go on after a stop.")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw the answer into an SVG file.")] = None,
    workers: Workers = 0,
    scheduler: Scheduler = None,
    parts: Annotated[int, typer.Option("--parts", help="Cut the book by accounts into so many parts; changes no result.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
    lang: InLanguage = Language.EN,
) -> None:
    """The mildest shock that brings a platform to a stated figure: the stress test turned round.

    Example: stresslab reverse --book my-book --scenario crash-40 --until "failure_probability >= 5%" --vary market.crash.depth_pct=10:80
    """
    from stresslab import record, verbs
    from stresslab.faults import Fault, InputError
    from stresslab.report import breaking

    if svg is not None and svg.is_dir():
        raise InputError([Fault("options", "is a folder", "give the name of a file", None, "svg", str(svg))])
    try:
        with progress_bar(quiet) as progress:
            found = verbs.reverse(
                book, scenario, until=until, vary=vary, paths=paths, seed=seed, platforms=platform or (), market=market, out=out,
                workers=workers, scheduler=scheduler, parts=parts, progress=progress)
    except KeyboardInterrupt:
        on = "the same command goes on where it stopped" if out is not None else "with --out it could go on where it stopped"
        print(f"stopped; {on}", file=sys.stderr)
        raise typer.Exit(RUN_FAILED) from None
    if svg is not None:
        record.write_bytes(svg, breaking.picture(found, lang.value).encode())
    with results():
        if as_json:
            print(json.dumps(breaking.as_json(found), ensure_ascii=False))
            return
        breaking.print_answers(found, terminal(), lang.value)
        if svg is not None:
            print(f"picture: {svg}")


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


def _answer_is_no(made: Run, fail_on: FailOn) -> bool:
    if fail_on is FailOn.DOWNGRADE:
        return any(s["downgraded"] for p in made.rating["platforms"] for s in p["scenarios"])
    if fail_on is FailOn.FAILURE:
        return bool(made.outcomes["failure_day"].notna().any())
    return False


def _show(made: Run, as_json: bool, lang: Language) -> None:
    if as_json:
        table = made.estimates[made.estimates["statistic"] != "survival"]
        figures: Any = json.loads(table.to_json(orient="records", double_precision=15))
        with results():
            print(json.dumps({"folder": str(made.folder), "estimates": figures, "rating": made.rating}, ensure_ascii=False))
        return
    from stresslab.report import print_summary, read_run

    with results():
        held = read_run(made.folder)
        print_summary(held, terminal(), lang.value)
        print(f"market:     {held.record['market']['source']}")
        print(f"run folder: {made.folder}\nreport:     {made.folder / 'report.html'}")


def main() -> None:
    """The command line; every expected error is one message and an exit code, never a traceback."""
    from stresslab.faults import InputError

    try:
        code = _command()
    except InputError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        print(f"{len(error.faults)} fault{'s' if len(error.faults) > 1 else ''}; nothing was written", file=sys.stderr)
        code = BAD_INPUT
    except typer.TyperException as error:
        error.message = _plain(error.message)
        error.show()  # type: ignore[attr-defined]  # whatever the parser raises can show itself, with the usage
        code = BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        print("stopped", file=sys.stderr)
        code = RUN_FAILED
    except OSError as error:
        print(f"failed: {error}", file=sys.stderr)
        code = RUN_FAILED
    except Exception:
        # The interpreter's own exit code would be 1, which means that the answer is no.
        traceback.print_exc()
        print("failed: this is a fault of stresslab itself; please report it with the lines above", file=sys.stderr)
        code = RUN_FAILED
    sys.exit(code)


def _one_by_one(words: list[str]) -> list[str]:
    """The words of ``run`` with every file after one --scenario given its own: --scenario A B is --scenario A --scenario B."""
    if words[:1] != ["run"]:
        return words
    out: list[str] = []
    for word in words:
        # An option's own value stands right behind it; a second value can only belong to --scenario.
        if not word.startswith("-") and len(out) > 2 and out[-2] == "--scenario":
            out.append("--scenario")
        out.append(word)
    return out


def _plain(message: str) -> str:
    """What the parser says of an option, in plain words."""
    message = re.sub(r"Input should be a valid integer.*", "must be a whole number", message)
    return message.replace("Value error, ", "")


def _command() -> int:
    """Run the verb of the command line; its exit code."""
    # Not by calling the app: it would turn a broken pipe into exit code 1, and an interrupt into 130.
    try:
        with typer.main.get_command(app).make_context("stresslab", _one_by_one(sys.argv[1:])) as context:
            context.command.invoke(context)
    except typer.Exit as done:
        return int(done.exit_code)
    return 0
