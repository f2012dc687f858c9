"""How the command line speaks: results on stdout, talk and progress on stderr."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Progress = Callable[[int, int], None]


def say(text: str, quiet: bool) -> None:
    """Talk, which goes to stderr."""
    if not quiet:
        print(text, file=sys.stderr)


class Pace:
    """Paths per second and seconds left, from the times at which blocks came in.

    Waiting for the first blocks is compiling, reading and starting, so the clock starts when these are in. Several workers begin
    together and end nearly together: what comes in within a tenth of the first wait is one burst.
    """

    def __init__(self) -> None:
        self.begun: float | None = None
        self.burst: tuple[float, int] | None = None
        self.last: tuple[float, int] = (0.0, 0)
        self.total = 0

    def told(self, now: float, done: int, total: int) -> None:
        """``done`` of ``total`` paths are finished at ``now``, in seconds of any clock; those of an earlier start come first."""
        if self.begun is None or done < self.last[1]:
            self.begun, self.burst = now, None
        elif self.burst is None or now - self.burst[0] <= (self.burst[0] - self.begun) / 10:
            self.burst = (now if self.burst is None else self.burst[0], done)
        self.last, self.total = (now, done), total

    @property
    def per_second(self) -> float | None:
        """Paths per second; None as long as nothing can be said."""
        if self.burst is None or self.last[1] <= self.burst[1] or self.last[0] <= self.burst[0]:
            return None
        return (self.last[1] - self.burst[1]) / (self.last[0] - self.burst[0])

    def left(self, now: float) -> float | None:
        """Seconds left at ``now``; None as long as nothing can be said."""
        pace = self.per_second
        return None if pace is None else max(0.0, (self.total - self.last[1]) / pace - (now - self.last[0]))

    def said(self, now: float) -> str:
        """Pace and time left, as the bar shows them; at the end the pace alone."""
        pace, left = self.per_second, self.left(now)
        if pace is None or left is None:
            return ""
        rate = f"{pace:,.0f}/s" if pace >= 100 else f"{pace:.3g}/s"  # three digits tell enough of a pace
        if self.last[1] >= self.total:
            return rate
        minutes, seconds = divmod(round(left), 60)
        return f"{rate}, {minutes // 60}:{minutes % 60:02d}:{seconds:02d} left"


@contextlib.contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress | None]:
    """A bar of finished paths on stderr, which appears with the first of them; None where none is wanted.

    What the library says meanwhile (its log of level INFO and above) is printed above the bar.
    """
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    count, pace_column = MofNCompleteColumn(), TextColumn("{task.fields[pace]}")
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), count, TextColumn("paths"), pace_column)
    console = Console(stderr=True)
    pace = Pace()

    class Bar(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            for one in self.tasks:  # time left goes down between blocks, too
                one.fields["pace"] = pace.said(self.get_time())
            return super().get_renderables()

    bar = Bar(*columns, console=console)
    task = bar.add_task("starting; the first run compiles", total=None, pace="")

    def told(done: int, total: int) -> None:
        bar.start()  # not before: what is refused is said without a bar
        pace.told(bar.get_time(), done, total)
        bar.update(task, completed=done, total=total, description="running" if done else None)

    try:
        with _log_shown(lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)):
            yield told
    finally:
        if bar.live.is_started:
            bar.stop()


@contextlib.contextmanager
def _log_shown(show: Callable[[str], None]) -> Iterator[None]:
    """What the library logs inside is shown."""

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            show(record.getMessage())

    log, handler = logging.getLogger("stresslab"), Shown()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


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
