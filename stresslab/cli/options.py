"""The app that every verb joins, the options that several verbs share, and the exit codes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="stresslab", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="What happens to a platform that lends against shares when the market falls, and does it survive?",
)

BAD_INPUT, RUN_FAILED, ANSWER_IS_NO = 2, 3, 1


class Language(StrEnum):
    """A language of the summary."""

    EN = "en"
    ZH = "zh"


Out = Annotated[Path, typer.Option("--out", help="Folder of the run; it is made.")]
Paths = Annotated[int, typer.Option("--paths", help="Number of paths of each scenario.")]
Workers = Annotated[int, typer.Option("--workers", help="Start so many local processes; 0: threads of this process.")]
Scheduler = Annotated[str | None, typer.Option("--scheduler", help="Address of a running Dask scheduler, e.g. tcp://host:8786.")]
Parts = Annotated[int, typer.Option("--parts", help="Cut the book by accounts into so many parts; changes no result.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no talk.")]
InLanguage = Annotated[Language, typer.Option("--lang", help="Language of the summary.")]
LimitsFile = Annotated[Path | None, typer.Option("--limits", help="A limits file; by default the provisional one.")]

#: Columns of a table that goes into a file.
PAPER = 160


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
