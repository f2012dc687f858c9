"""Verbs about early warning: backtest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stresslab.cli.options import ANSWER_IS_NO, AsJson, InLanguage, Language, app
from stresslab.terminal import results, say


@app.command()
def backtest(
    history: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders or files of daily tables: an index, margin balances, rates and so on."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the backtest; it is made.")] = None,
    events: Annotated[
        str | None,
        typer.Option(
            "--events", help="A rule ('drawdown >= 20% within 60 days'), or a CSV file with start, end, name."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="threshold, threshold:INDICATOR, rule, rule:FILE, logit, boosting, regime, combination; again for more.",
        ),
    ] = None,
    index: Annotated[
        str | None, typer.Option("--index", help="The index by its id; needed where there are several.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day, as 2010-04-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day.")] = None,
    horizon: Annotated[
        int, typer.Option("--horizon", help="An alarm counts within so many trading days before an event.")
    ] = 60,
    after: Annotated[int, typer.Option("--after", help="Trading days after an event that are not scored.")] = 60,
    embargo: Annotated[
        int | None, typer.Option("--embargo", help="Trading days between training and test beside the horizon.")
    ] = None,
    refit: Annotated[int, typer.Option("--refit", help="Fit models anew every so many trading days.")] = 126,
    training: Annotated[int, typer.Option("--first", help="Trading days before the first fit.")] = 500,
    rolling: Annotated[
        int | None, typer.Option("--rolling", help="Train on so many days at most; by default on all before.")
    ] = None,
    mu: Annotated[
        float, typer.Option("--mu", help="Weight of a missed event day against a false alarm, 0 to 1.")
    ] = 0.9,
    cost: Annotated[
        float,
        typer.Option("--cost", help="What a day of acting on an alarm costs, as a share of the loss of an event day."),
    ] = 0.02,
    saved: Annotated[float, typer.Option("--saved", help="The share of that loss that acting avoids.")] = 0.5,
    lag: Annotated[
        list[str] | None, typer.Option("--lag", help="When a table is known: margin_balance=1 is a trading day later.")
    ] = None,
    candidates: Annotated[
        bool, typer.Option("--candidates", help="Let models use columns that no named indicator reads.")
    ] = False,
    holdout: Annotated[
        str | None, typer.Option("--holdout-from", help="Score the days from here on apart, as 2016-01-01.")
    ] = None,
    shadow: Annotated[
        Path | None, typer.Option("--shadow", help="A rule file that runs beside the models, and acts on nothing.")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Tell what was known on the evening of a day.")] = None,
    repetitions: Annotated[int, typer.Option("--repetitions", help="Draws of the block bootstrap.")] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Seed of those draws.")] = 1,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="The history that an installed package ships: S&P 500 and Nasdaq, 1999 to 2018."),
    ] = False,
    fail_on: Annotated[
        str, typer.Option("--fail-on", help="Exit with 1 on: alarm (one stands on the --as-of day), leak; or nothing.")
    ] = "nothing",
    language: InLanguage = Language.EN,
    as_json: AsJson = False,
) -> None:
    """Score early warnings on a history and its events, walking forward: what was known, what it was worth, when alarms first rose.

    Example: stresslab backtest my-history --events "drawdown >= 20% within 60 days" --model logit --out my-backtest
    """
    from stresslab.backtesting import MODELS
    from stresslab.backtesting import backtest as run
    from stresslab.early_warning.backtest import Settings
    from stresslab.faults import Fault, InputError

    if fail_on not in ("nothing", "alarm", "leak") or (fail_on == "alarm" and as_of is None):
        raise InputError(
            [Fault("options", "must be nothing, leak, or alarm with --as-of", "choose one", None, "fail-on", fail_on)]
        )
    if out is None and as_of is None and not as_json:
        out = Path("stresslab-backtest")
    settings = Settings(
        horizon=horizon,
        after=after,
        embargo=embargo,
        refit=refit,
        first=training,
        rolling=rolling,
        mu=mu,
        cost=cost,
        saved=saved,
        repetitions=repetitions,
        seed=seed,
        holdout_from=holdout,
        candidates=candidates,
    )
    made = run(
        *(history or []),
        events=events,
        models=model or list(MODELS),
        out=out,
        index=index,
        first=first,
        last=last,
        lags=_lags(lag or []),
        shadow=shadow,
        as_of=as_of,
        demo=demo,
        settings=settings,
    )
    for leak in made.record["left_out"]:
        say(f"left out: {leak['indicator']} sees the future ({leak['check']}: {leak['where']})", False)
    with results():
        if as_json:
            print(json.dumps(_plain(made.record, made.scores), ensure_ascii=False, indent=1))
        else:
            from stresslab.report.early_warning_summary import summary

            print("\n".join(summary(made.record, made.tables, language.value)))
            if out is not None:
                print(f"tables: {out}\npage:   {out / 'backtest.html'}")
    stands = made.as_of is not None and any(m["alarm"] for m in made.as_of["models"])
    if (fail_on == "leak" and made.record["left_out"]) or (fail_on == "alarm" and stands):
        raise typer.Exit(ANSWER_IS_NO)


def _lags(told: list[str]) -> dict[str, int]:
    from stresslab.faults import Fault, InputError

    found = {}
    for one in told:
        kind, _, days = one.partition("=")
        if not days.isdigit():
            raise InputError([Fault("options", "is no lag", "write it as margin_balance=1", None, "lag", one)])
        found[kind] = int(days)
    return found


def _plain(record: dict[str, object], scores: object) -> dict[str, object]:
    """The record with the table of scores, missing numbers as null."""
    import pandas as pd

    assert isinstance(scores, pd.DataFrame)
    rows = scores.astype(object).where(scores.notna() & ~scores.isin([float("inf")]), None).to_dict("records")
    return {**record, "scores": rows}
