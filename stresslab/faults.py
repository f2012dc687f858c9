"""What is wrong with an input: every fault at once, each with the way out."""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: A longer value is cut in a message.
VALUE_SHOWN = 60
#: The name of a key or column, a file or a rule that quotes what stands there, is cut beyond this.
TEXT_SHOWN = 400


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
        """The fault as one line: ``accounts.csv row 7, debt_yuan = '-1': rule; way out``."""
        where = _visible(self.file)
        if self.row is not None:
            where += f" row {self.row}"
        if self.column is not None:
            where += f", {_visible(self.column)}"
        if self.value is not None:
            shown = self.value if len(self.value) <= VALUE_SHOWN else self.value[: VALUE_SHOWN - 3] + "..."
            where += f" = {shown!r}"
        return f"{where}: {_visible(self.rule)}; {_visible(self.way_out)}"


def _visible(text: str) -> str:
    # What a file says must not break the line or reach the terminal's controls.
    text = text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 3] + "..."
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class InputError(Exception):
    """Raised once for an input, with all its faults; the command line answers it with exit code 2."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: list[Fault] = list(dict.fromkeys(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True)
class Rows:
    """Where the rows of one table stand: their files, and their numbers as a spreadsheet counts (the header is row 1)."""

    file: str
    numbers: Sequence[int]
    #: The place of the first row of each file of a partitioned table, and the file's name.
    parts: tuple[tuple[int, str], ...] = ()

    def place(self, at: int) -> tuple[str, int]:
        """The file and the row number of the row at a place of the table as it was read."""
        if not self.parts:
            return self.file, self.numbers[at]
        start, file = self.parts[bisect.bisect_right(self.parts, at, key=lambda part: part[0]) - 1]
        return file, self.numbers[at - start]

    def fault(self, at: int, rule: str, way_out: str, column: str, value: Any = None) -> Fault:
        """A fault of one cell."""
        file, row = self.place(at)
        return Fault(file, rule, way_out, row, column, None if value is None else str(value))


def close_to(word: str, known: Sequence[str]) -> str | None:
    """A hint that names the known word nearest to an unknown one, if one is near."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.strip().lower(), list(by_lower), n=1, cutoff=0.5)
    return f"did you mean {by_lower[close[0]]!r}?" if close else None


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint that names the known word nearest to an unknown one, or lists what is known."""
    return close_to(word, known) or "known are " + ", ".join(known)


_PLAIN_RULES = {
    "int_type": ("must be a whole number", "write digits without quotes and decimals"),
    "int_parsing": ("must be a whole number", "write digits without quotes and decimals"),
    "int_from_float": ("must be a whole number", "write digits without decimals"),
    "float_type": ("must be a number", "write digits without quotes"),
    "float_parsing": ("must be a number", "write digits without quotes"),
    "finite_number": ("must be a finite number", "write digits"),
    "string_type": ("must be text", "write it in quotes"),
    "bool_type": ("must be true or false", "write true or false without quotes"),
    "list_type": ("must be a list", "write it in square brackets"),
    "tuple_type": ("must be a list", "write it in square brackets"),
}
_BOUNDS = {
    "greater_than": ("gt", "must be above {}", "write more than {}"),
    "greater_than_equal": ("ge", "must be at least {}", "write {} or more"),
    "less_than": ("lt", "must be below {}", "write less than {}"),
    "less_than_equal": ("le", "must be at most {}", "write {} or less"),
}


def plain_rule(error: Mapping[str, Any]) -> tuple[str, str]:
    """The rule and the way out of one error that pydantic reports, in words that a stranger understands."""
    kind, limits = str(error["type"]), error.get("ctx") or {}
    if kind in _PLAIN_RULES:
        return _PLAIN_RULES[kind]
    if kind in _BOUNDS:
        name, rule, way_out = _BOUNDS[kind]
        bound = f"{limits[name]:.15g}"
        return rule.format(bound), way_out.format(bound)
    if kind == "literal_error":
        choices = str(limits["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        rule = f"must be one of {', '.join(choices)}" if len(choices) > 1 else f"must be {choices[0]}"
        return rule, close_to(str(error.get("input")), choices) or f"write {choices[0]!r}"
    if kind == "string_too_short":
        least = int(limits["min_length"])
        return ("must not be empty", "write something") if least == 1 else (f"must have at least {least} characters", "say more")
    if kind == "too_short":
        return f"must have at least {limits['min_length']} entries", "add the others"
    if kind == "too_long":
        return f"must have at most {limits['max_length']} entries", "remove the others"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "must be a table of keys", "write its keys below a line with its name in square brackets"
    rule, _, way_out = str(error["msg"]).removeprefix("Value error, ").partition("; ")
    return rule, way_out or "correct the value"
