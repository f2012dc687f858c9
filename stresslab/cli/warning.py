"""Verbs about early warning: backtest."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stresslab.cli.options import ANSWER_IS_NO, AsJson, InLanguage, Language, Quiet, app
from stresslab.terminal import results, say


class WarningFailOn(StrEnum):
    """What makes the exit code of ``backtest`` 1."""

    NOTHING = "nothing"
    ALARM = "alarm"
    LEAK = "leak"


Histories = Annotated[
    list[Path] | None, typer.Argument(help="Folders or files of daily tables: an index, margin balances, rates and so on.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the backtest; it is made.")]
Events = Annotated[
    str | None, typer.Option(
        "--events",
        help="A rule ('drawdown >= 20% within 60 days'), or a CSV file with start, end, name; on a run 'platform failure', "
        "'own funds exhausted' or 'unpaid redemption'.",
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", help="threshold, threshold:INDICATOR, rule, rule:FILE, logit, boosting, regime, combination; again for more."
    ),
]
Index = Annotated[str | None, typer.Option("--index", help="The index by its id; needed where there are several.")]
First = Annotated[str | None, typer.Option("--from", help="First day, as 2010-04-01.")]
Last = Annotated[str | None, typer.Option("--to", help="Last day.")]
Horizon = Annotated[
    int | None, typer.Option("--horizon", help="An alarm counts within so many trading days before an event: 60, on a run 5.")
]
After = Annotated[int, typer.Option("--after", help="Trading days after an event that are not scored.")]
Embargo = Annotated[int | None, typer.Option("--embargo", help="Trading days between training and test beside the horizon.")]
Refit = Annotated[int, typer.Option("--refit", help="Fit models anew every so many trading days.")]
Training = Annotated[int, typer.Option("--first", help="Trading days before the first fit.")]
Rolling = Annotated[int | None, typer.Option("--rolling", help="Train on so many days at most; by default on all before.")]
Mu = Annotated[float, typer.Option("--mu", help="Weight of a missed event day against a false alarm, 0 to 1.")]
Cost = Annotated[float, typer.Option("--cost", help="What a day of acting on an alarm costs, as a share of the loss of an event day.")]
Saved = Annotated[float, typer.Option("--saved", help="The share of that loss that acting avoids.")]
Lag = Annotated[list[str] | None, typer.Option("--lag", help="When a table is known: margin_balance=1 is a trading day later.")]
Candidates = Annotated[bool, typer.Option("--candidates", help="Let models use columns that no named indicator reads.")]
Holdout = Annotated[str | None, typer.Option("--holdout-from", help="Score the days from here on apart, as 2016-01-01.")]
Shadow = Annotated[Path | None, typer.Option("--shadow", help="A rule file that runs beside the models, and acts on nothing.")]
Action = Annotated[
    Path | None, typer.Option("--action", help="A file of what is done on an alarm: what it costs, what it saves, and a response.")
]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Tell what was known on the evening of a day.")]
VarLevel = Annotated[float, typer.Option("--var-level", help="Level of VaR and expected shortfall, which are tested day by day.")]
Repetitions = Annotated[int, typer.Option("--repetitions", help="Draws of the block bootstrap.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of those draws.")]
Demo = Annotated[bool, typer.Option("--demo", help="The history that an installed package ships: S&P 500 and Nasdaq, 1999 to 2018.")]
FailOn = Annotated[
    WarningFailOn, typer.Option("--fail-on", help="Exit with 1 if a model warns on the --as-of day, or a column sees the future.")
]


@app.command()
def backtest(
    context: typer.Context, history: Histories = None, out: Out = None, events: Events = None, model: Models = None, index: Index = None,
    first: First = None, last: Last = None, horizon: Horizon = None, after: After = 60, embargo: Embargo = None, refit: Refit = 126,
    training: Training = 500, rolling: Rolling = None, mu: Mu = 0.9, cost: Cost = 0.02, saved: Saved = 0.5,
    lag: Lag = None, candidates: Candidates = False,
    holdout: Holdout = None, shadow: Shadow = None, action: Action = None, as_of: AsOf = None,
    var_level: VarLevel = 0.99, repetitions: Repetitions = 200, seed: Seed = 1,
    demo: Demo = False, fail_on: FailOn = WarningFailOn.NOTHING, language: InLanguage = Language.EN, as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score early warnings on a history and its events, walking forward: what was known, what it was worth, when alarms first rose.

    Example: stresslab backtest my-history --events "drawdown >= 20% within 60 days" --model logit --out my-backtest
    """
    from stresslab.backtesting import MODELS
    from stresslab.backtesting import backtest as run
    from stresslab.early_warning.backtest import Settings
    from stresslab.faults import Fault, InputError

    if fail_on is WarningFailOn.ALARM and as_of is None:
        raise InputError([Fault("options", "an alarm stands on a day", "name it with --as-of", None, "fail-on", fail_on.value)])
    runs = [one for one in history or [] if one.joinpath("outcomes.parquet").is_file()]
    if out is None and as_of is None and not as_json:
        out = Path("stresslab-backtest")
    if runs:
        _only_of_a_run(context, runs[0], history or [], shadow)
        _on_run(runs[0], shadow, model or [], events, 5 if horizon is None else horizon, mu, (repetitions, seed), out, language, as_json)
        return
    settings = Settings(
        horizon=60 if horizon is None else horizon,
        after=after, embargo=embargo, refit=refit, first=training, rolling=rolling, mu=mu, cost=cost, saved=saved,
        repetitions=repetitions, seed=seed, holdout_from=holdout, candidates=candidates, var_level=var_level)
    made = run(
        *(history or []), events=events, models=model or list(MODELS), out=out, index=index, first=first, last=last, lags=_lags(lag or []),
        shadow=shadow, action=action, as_of=as_of, demo=demo, settings=settings)
    for leak in made.record["left_out"]:
        say(f"left out: {leak['indicator']} sees the future ({leak['check']}: {leak['where']})", quiet)
    with results():
        if as_json:
            print(json.dumps(made.plain(), ensure_ascii=False, indent=1))
        else:
            from stresslab.report.early_warning_summary import summary

            print("\n".join(summary(made.record, made.tables, language.value)))
            if out is not None:
                print(f"tables: {out}\npage:   {out / 'backtest.html'}")
    stands = made.as_of is not None and any(m["alarm"] and m["model"] != "volatility" for m in made.as_of["models"])
    if (fail_on is WarningFailOn.LEAK and made.record["left_out"]) or (fail_on is WarningFailOn.ALARM and stands):
        raise typer.Exit(ANSWER_IS_NO)


#: What a run has a meaning for, always and beside a rule in shadow; every other option is a fault there.
_OF_A_RUN = ("history", "out", "events", "horizon", "shadow", "repetitions", "seed", "language", "as_json", "quiet")
_OF_A_SHADOW = ("model", "mu")


def _only_of_a_run(context: typer.Context, run: Path, history: list[Path], shadow: Path | None) -> None:
    """Refuse every option that a run would ignore, by its name."""
    from stresslab.faults import Fault, InputError

    faults = []
    if len(history) > 1:
        others = ", ".join(one.name for one in history if one != run)
        faults.append(Fault("options", "a finished run stands alone", "backtest it and the histories apart", None, "history", others))
    for param in context.command.params:
        # What stands on the command line or in a file of options; the sources of Click are names of an enumeration.
        source = context.get_parameter_source(str(param.name))
        if source is None or source.name in ("DEFAULT", "ENVIRONMENT") or param.name in _OF_A_RUN:
            continue
        name = param.opts[0].removeprefix("--")
        if param.name not in _OF_A_SHADOW:
            faults.append(Fault("options", f"{run.name} is a finished run, and this option is read on histories alone",
                                f"leave --{name} away, or give the folder of a history", None, name))
        elif shadow is None:
            faults.append(Fault("options", "is read on a run only beside a rule in shadow",
                                f"leave --{name} away, or give --shadow NEW.toml and --model rule:OLD.toml", None, name))
    if faults:
        raise InputError(faults)


def _on_run(
    run: Path, shadow: Path | None, model: list[str], events: str | None, horizon: int, mu: float, drawn: tuple[int, int],
    out: Path | None, language: Language, as_json: bool,
) -> None:
    """Indicators and power on a finished run's folder, and the rule of --shadow beside that of --model rule:FILE."""
    from stresslab.backtesting import backtest_run
    from stresslab.faults import Fault, InputError

    in_force = [m.removeprefix("rule:") for m in model if m.startswith("rule:")]
    if shadow is not None and (len(in_force) != 1 or len(model) != 1):
        raise InputError(
            [Fault("options", "on a run one rule in shadow stands beside one in force", "give --shadow NEW.toml and --model rule:OLD.toml")]
        )
    made = backtest_run(
        run, shadow=shadow, in_force=in_force[0] if shadow else None, ending=events or "platform failure", horizon=horizon, mu=mu,
        repetitions=drawn[0], seed=drawn[1], out=out)
    with results():
        if as_json:
            print(json.dumps(made.plain(), ensure_ascii=False, indent=1))
        else:
            from stresslab.report.run_warnings import summary

            print("\n".join(summary(made.record, made.tables, language.value)))
            if out is not None:
                print(f"tables: {out}\npage:   {out / 'warnings.html'}")


def _lags(told: list[str]) -> dict[str, int]:
    """What stands in --lag, as KIND=DAYS."""
    from stresslab.faults import Fault, InputError

    faults = [
        Fault("options", "is no lag", "write it as margin_balance=1", None, "lag", one)
        for one in told
        if not one.partition("=")[2].isdigit()
    ]
    if faults:
        raise InputError(faults)
    return {one.partition("=")[0]: int(one.partition("=")[2]) for one in told}
