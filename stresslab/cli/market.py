"""Verbs about the past of a market: calibrate, episode."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stresslab.cli.options import AsJson, app
from stresslab.terminal import results

if TYPE_CHECKING:
    from stresslab.market.rate_fit import RateAsked

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


class RateModel(StrEnum):
    """The law of a short rate."""

    VASICEK = "vasicek"
    CIR = "cir"
    HULL_WHITE = "hull_white"


def _rate_asked(column: str | None, model: RateModel, curve: list[str]) -> RateAsked | None:
    """What is asked of a short rate; refuses what belongs to one and stands alone."""
    from stresslab.faults import Fault, InputError
    from stresslab.market.rate_fit import RateAsked, read_curve

    faults: list[Fault] = []
    found = read_curve(curve, faults)
    if column is None:
        alone = [("curve", text) for text in curve] + ([("rate-model", model.value)] if model is not RateModel.VASICEK else [])
        faults += [Fault("options", "belongs to a short rate", "add --rate COLUMN, or leave it out", None, o, t) for o, t in alone]
    if faults:
        raise InputError(faults)
    return None if column is None else RateAsked(column, model.value, found)


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
    rate: Annotated[str | None, typer.Option(
        "--rate", help="The short rate: a column of the history's table of rates, in percent.")] = None,
    rate_model: Annotated[RateModel, typer.Option("--rate-model", help="Its law.")] = RateModel.VASICEK,
    curve: Annotated[list[str] | None, typer.Option(
        "--curve", help="Of hull_white: a column of the curve and its years, as dgs2_pct=2; may be given again.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a market on a history of daily closes: market.toml and a page of what was measured, with errors.

    Example: stresslab calibrate my-history --index 000300.SH --out my-market
    """
    from stresslab import verbs

    made = verbs.calibrate(*history, out=out, index=index, model=model, first=first, last=last, splits=splits.value, short=short.value,
                           title=title, rate=_rate_asked(rate, rate_model, curve or []))
    with results():
        if as_json:
            print((out / "calibration.json").read_text(encoding="utf-8"))
            return
        v = made.volatility
        days = f"{made.index}, {made.from_date} to {made.dates[-1]}"
        print(f"{days}: volatility {v.value:.2f} ± {v.error:.2f}% a year, {len(made.betas)} betas")
        if made.rate is not None:
            told = ", ".join(f"{name} {m.value:.4g}" + (f" ± {m.error:.2g}" if m.error is not None else "")
                             for name, m in made.rate.parameters.items())
            with_market = made.rate.correlation
            said = f", correlation with the index {with_market.value:.3f} ± {with_market.error or 0:.3f}" if with_market else ""
            print(f"{made.rate.column}, {made.rate.model}: {told}{said}")
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
    as_json: AsJson = False,
) -> None:
    """Write a scenario from a dated episode of a history, or from the Federal Reserve's published tables.

    Example: stresslab episode my-history --from 2015-06-12 --to 2015-08-26 --depth 40 --out june-2015.toml
    """
    from stresslab import verbs

    made = verbs.episode(*history, out=out, first=first, last=last, index=index, depth=depth, impact_share=impact_share, days=days,
                         after=after, name=name, market=market)
    with results():
        if as_json:
            print(json.dumps({"file": str(out), "scenario": made}, ensure_ascii=False, default=str))
            return
        path = made["market"]["path"]
        low = min(path["level_pct"])
        print(f"{out}: {made['title']}, {made['days']} trading days, lowest {low:.2f}% of the start; {path['source']}")
        print(made["purpose"])
