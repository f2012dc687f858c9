"""The verb that searches for the cheapest policy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from stresslab.cli.options import (
    PAPER,
    RUN_FAILED,
    AsJson,
    InLanguage,
    Language,
    Parts,
    Paths,
    Quiet,
    Scheduler,
    Workers,
    app,
)
from stresslab.terminal import progress_bar, results, terminal


@app.command()
def policy(
    book: Annotated[Path, typer.Option("--book", help="Folder of a book.")],
    scenario: Annotated[str, typer.Option("--scenario", help="The scenario in which the figure is to be kept.")],
    keep: Annotated[str, typer.Option("--keep", help='A figure and its line, e.g. "failure_probability <= 5%".')],
    vary: Annotated[list[str], typer.Option(
        "--vary", help="LEVER=MILD:STRICT[:STEP], like platform.reserve_yuan=0:50000000 or scenario.operations.batches=1:10; up to 3.")],
    cost: Annotated[list[str] | None, typer.Option("--cost", help="LEVER=PRICE of what it moves, e.g. platform.reserve_yuan=8%.")] = None,
    platform: Annotated[list[str] | None, typer.Option("--platform", help="A platform of the book; by default each.")] = None,
    paths: Paths = 200,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all draws.")] = 1,
    market: Annotated[Path | None, typer.Option("--market", help="A market file; by default the book's market.toml.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Keep every point in this folder, to go on after a stop.")] = None,
    evaluations: Annotated[int, typer.Option("--evaluations", min=1, help="Searches of the first lever, where there are several.")] = 40,
    workers: Workers = 0,
    scheduler: Scheduler = None,
    parts: Parts = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
    lang: InLanguage = Language.EN,
) -> None:
    """The cheapest lines, cap, reserve or bank line with which a platform keeps a stated figure.

    Example: stresslab policy --book my-book --scenario severe --keep "failure_probability <= 5%" --vary platform.reserve_yuan=0:50000000
    """
    from stresslab import policies
    from stresslab.breaking_point import read_goal
    from stresslab.cheapest import read_costs
    from stresslab.report import cheapest
    from stresslab.scenario import read_scenario, resolved

    try:
        with progress_bar(quiet) as progress:
            found = policies.policy(
                book, scenario, keep=keep, vary=vary, cost=cost or (), paths=paths, seed=seed, platforms=platform or (), market=market,
                out=out, workers=workers, scheduler=scheduler, parts=parts, evaluations=evaluations, progress=progress)
    except KeyboardInterrupt:
        on = "the same command goes on where it stopped" if out is not None else "with --out it could go on where it stopped"
        print(f"stopped; {on}", file=sys.stderr)
        raise typer.Exit(RUN_FAILED) from None
    keys = [text.partition("=")[0] for text in vary]
    goal = read_goal(keep, "keep")
    with results():
        if as_json:
            told = cheapest.as_json(found, resolved(read_scenario(scenario)), goal, keys, read_costs(cost or (), keys))
            print(json.dumps(told, ensure_ascii=False))
            return
        console = terminal()
        if not console.is_terminal:
            console.width = max(console.width, PAPER)
        cheapest.print_policies(found, goal, keys, console, lang.value)
