"""What is wrong with an input: every fault at once, each with the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault of one input file: where it stands, which rule it breaks, and the way out."""

    file: str
    rule: str
    way_out: str
    row: int | None = None
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        """The fault as one line: ``accounts.csv row 7, column debt_yuan, value '-1': rule; way out``."""
        where = self.file
        if self.row is not None:
            where += f" row {self.row}"
        if self.column is not None:
            where += f", {self.column}"
        if self.value is not None:
            shown = self.value if len(self.value) <= 60 else self.value[:57] + "..."
            where += f" = {shown!r}"
        return f"{where}: {self.rule}; {self.way_out}"


class InputError(Exception):
    """Raised once for an input, with all its faults; the command line answers it with exit code 2."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: list[Fault] = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint that names the known word nearest to an unknown one, or lists what is known."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return "known are " + ", ".join(known)
