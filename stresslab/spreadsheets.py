"""Cells of text that spreadsheets must not take for formulas: every CSV and workbook that we write asks here.

A spreadsheet computes a cell that begins with one of ``= + - @``, a tab or a carriage return, also one that came out of a CSV file,
and so a name in somebody's book could fetch pages or start programs on the machine of whoever opens our table (CWE-1236; OWASP, CSV
Injection). An apostrophe before it makes it text again. Where we read our own CSV back, the apostrophe goes: :func:`plain` undoes
:func:`harmless` exactly, whatever the text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

#: How a text may begin that some spreadsheet computes; ``|`` and ``%`` start a program's name in old ones.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")  # noqa: RUF001
_ESCAPED = re.compile("'+[" + "".join(re.escape(mark) for mark in FORMULA) + "]")
_TELEPHONE = re.compile(r"\+[0-9]{1,3}[ -][0-9 ()-]{5,25}")


def like_a_formula(text: str) -> bool:
    """Whether a spreadsheet could take a text for a formula; a telephone number with its + is none."""
    return text.startswith(FORMULA) and _TELEPHONE.fullmatch(text) is None


def harmless(text: str) -> str:
    """A cell of text that no spreadsheet takes for a formula."""
    return f"'{text}" if like_a_formula(text) or _ESCAPED.match(text) else text


def plain(text: str) -> str:
    """What stood in a cell before :func:`harmless`."""
    return text[1:] if _ESCAPED.match(text) else text


def harmless_frame(table: pd.DataFrame) -> pd.DataFrame:
    """A table with every text in it harmless, and the names of its columns; numbers stay numbers."""
    out = table.copy()
    for at, (_, column) in enumerate(table.items()):
        if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)):
            said = [harmless(v) if isinstance(v, str) else v for v in column]
            out.isetitem(at, pd.array(said, dtype=object))
    out.columns = pd.Index([harmless(str(name)) for name in table.columns], dtype=object)
    return out


def csv_of(table: pd.DataFrame, **options: Any) -> str:
    """A table as CSV without its index, its texts harmless; ``options`` are those of ``DataFrame.to_csv``."""
    return str(harmless_frame(table).to_csv(index=False, **options))


def csv_rows(heads: Sequence[str], rows: Iterable[Sequence[str]], end: str = "\r\n") -> str:
    """Rows of cells under their heads as CSV.

    The heads are made harmless; the cells are not, as a text of digits with a minus is a number: whoever writes text into one says
    ``harmless`` there.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=end)
    writer.writerow([harmless(head) for head in heads])
    writer.writerows(rows)
    return stream.getvalue()
