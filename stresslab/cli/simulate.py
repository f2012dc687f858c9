"""Verbs that run paths and judge them: demo, run, replay, rate, compare, reverse."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stresslab.cli.options import (
    ANSWER_IS_NO,
    PAPER,
    RUN_FAILED,
    AsJson,
    InLanguage,
    Language,
    LimitsFile,
    Out,
    Parts,
    Paths,
    Quiet,
    Scheduler,
    Workers,
    app,
)
from stresslab.terminal import progress_bar, results, say, terminal

if TYPE_CHECKING:
    from stresslab.ledger import Replay
    from stresslab.verbs import Run


class Sampling(StrEnum):
    """How the paths of a run are drawn; said here so that help need not load what draws them."""

    PLAIN = "plain"
    ANTITHETIC = "antithetic"
    SOBOL = "sobol"


class FailOn(StrEnum):
    """What makes the exit code 1."""

    NOTHING = "nothing"
    DOWNGRADE = "downgrade"
    FAILURE = "failure"


Failing = Annotated[FailOn, typer.Option("--fail-on", help="Exit with 1 if a platform is downgraded, or fails on any path.")]


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
    try:
        with progress_bar(quiet) as progress:
            made = verbs.demo(out, paths=paths, workers=workers, progress=progress)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it stopped", file=sys.stderr)
        raise typer.Exit(RUN_FAILED) from None
    _show(made, as_json, lang)


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
    parts: Annotated[int, typer.Option(
        "--parts", help="Cut the book by accounts into so many parts; 0: only if it does not fit the memory. Changes no result.")] = 0,
    block_paths: Annotated[int, typer.Option("--block-paths", help="Paths of one task; changes no result.")] = 25,
    sampling: Annotated[Sampling, typer.Option(
        "--sampling", help="How paths are drawn: each by itself, in mirrored pairs, or as evenly spread Sobol points.")] = Sampling.PLAIN,
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
    share: Annotated[str | None, typer.Option(
        "--share", help="Folder or URL where the workers of a cluster open the resolved book; by default the run's folder.")] = None,
    memory_gib: Annotated[float | None, typer.Option("--memory-gib", help="Memory of one worker; by default what there is.")] = None,
) -> None:
    """Run scenarios on a book.

    Example: stresslab run --book my-book --scenario baseline --scenario crash-40 --out my-run
    """
    from stresslab import verbs

    try:
        with progress_bar(quiet) as progress:
            made = verbs.run(book, list(scenario), paths=paths, seed=seed, out=out, market=market, workers=workers,
                             scheduler=scheduler, parts=parts, block_paths=block_paths, sampling=sampling, scale=scale,
                             limits=limits, progress=progress, tail=tail or [], tail_platform=platform, tail_target_error=tail_target_error,
                             tail_paths=tail_paths, share=share, memory_gib=memory_gib, say=lambda text: say(text, quiet))
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
    path: Annotated[int, typer.Option(
        "--path", help="Number of the path, from 0 on; the weighted ones of a rare event begin at 2147483648.")],
    scenario: Annotated[str | None, typer.Option("--scenario", help="A scenario of the run, by its id.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Tell the life of one account.")] = None,
    book: Annotated[Path | None, typer.Option("--book", help="Folder of the book, if it is not where the run had it.")] = None,
    market: Annotated[Path | None, typer.Option("--market", help="The market file, if it is not where the run had it.")] = None,
    event: Annotated[str | None, typer.Option("--event", help="Of a weighted path: the rare event, as the run was asked for it.")] = None,
    platform: Annotated[str | None, typer.Option("--platform", help="Of a weighted path: the platform of the rare event.")] = None,
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
        made = verbs.replay(
            folder, path=path, scenario=scenario, account=account, book=book, market=market, event=event, platform=platform)
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
            told |= {"weighted": made.weighted} if made.weighted else {}
            told |= {"result": made.result._asdict()} if made.result else {}
            print(json.dumps(told | {"account": made.account, "events": events}, ensure_ascii=False))
            return
        console = terminal()
        if not console.is_terminal:
            console.width = max(console.width, PAPER)
        ledger.print_ledger(made, console, lang.value, every=every, most=rows)
        for name, file in (("table", csv), ("picture", svg)):
            if file is not None:
                print(f"{name}: {file}")


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
    from stresslab.pairing import compare as pairs
    from stresslab.pairing import payer

    found = pairs(folder, against, scenario)
    with results():
        if as_json:
            rows = [row | {"heading": payer(row["measure"])} for row in json.loads(found.to_json(orient="records", double_precision=15))]
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
    parts: Parts = 0,
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
