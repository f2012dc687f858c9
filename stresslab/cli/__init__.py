"""The command line: each verb is one library call of the same name.

Results go to stdout, talk and progress to stderr. Exit codes: 0 done, 1 the answer is no (``--fail-on``),
2 bad input, 3 the run failed, or a replay does not agree with its run.
"""

from __future__ import annotations

import re
import sys
import traceback

import typer

# Verbs join the app when their module is imported; --help lists them in this order.
from stresslab.cli import book, dashboard, filing, market, policy, reporting, simulate, view, warning  # noqa: F401
from stresslab.cli.options import BAD_INPUT, RUN_FAILED, app

__all__ = ["app", "main"]


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
