"""How the command line speaks: results on stdout, talk and progress on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Progress = Callable[[int, int], None]


def say(text: str, quiet: bool) -> None:
    """Talk, which goes to stderr."""
    if not quiet:
        print(text, file=sys.stderr)


@contextlib.contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress | None]:
    """A bar of finished paths on stderr, which appears with the first of them; None where none is wanted."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("paths"), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task("running (the first run compiles for a while)", total=None)

    def told(done: int, total: int) -> None:
        bar.start()  # not before: what is refused is said without a bar
        bar.update(task, completed=done, total=total, description="running" if done else None)

    try:
        yield told
    finally:
        if bar.live.is_started:
            bar.stop()


@contextlib.contextmanager
def results() -> Iterator[None]:
    """What is printed inside is a result; a reader that goes away before its end, as ``head`` does, is no fault."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Else the interpreter fails once more when it closes the stream.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def terminal() -> Console:
    """The console that results are printed on."""
    from rich.console import Console

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # `results` knows what to do; by itself rich would exit with 1, which means "no"

    return Terminal()
