"""What people write, as integers: yuan to 厘, percent to basis points, exactly or not at all (M-1)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.faults import Fault, Rows, close_to
from stresslab.glossary import BP_PER_PERCENT, LI_PER_YUAN, Column

#: At most so many faults are spelled out for one column; the rest are counted.
FAULTS_SHOWN = 20
#: A longer name is refused.
NAME_LONGEST = 64
#: A longer number is refused.
DIGITS_MOST = 60

_TRUE = {"true", "1", "yes"}
_FALSE = {"false", "0", "no"}
#: Stored units of one written unit, and how many decimals they leave.
_SCALES = {"money": (LI_PER_YUAN, 3), "price": (LI_PER_YUAN, 3), "percent": (BP_PER_PERCENT, 2), "count": (1, 0)}
_UNITS = {"money": " yuan", "price": " yuan", "percent": "%"}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
#: What is beyond this is out of every range, and too large for an exact integer.
_HUGE = 10**15


class _Cells:
    """The cells of one column on their way to stored values, and what is wrong with them."""

    def __init__(self, column: Column, cells: pd.Series[Any], rows: Rows) -> None:
        self.column, self.rows = column, rows
        self.cells = _whole_names(cells) if column.kind == "id" else cells
        self.missing: NDArray[np.bool_] = missing(cells)
        #: By place: a cell has one fault, the first that is found.
        self.faults: dict[int, Fault] = {}

    def refuse(self, at: int, rule: str, way_out: str) -> None:
        """One fault."""
        value = None if self.missing[at] else self.cells.iloc[at]
        fault = self.rows.fault(at, rule, way_out, self.column.name, value)
        self.faults.setdefault(at, fault)

    def text(self) -> NDArray[Any]:
        """The cells as text without spaces around, None where nothing is written."""
        text: NDArray[Any] = self.cells.astype(str).str.strip().to_numpy(dtype=object, copy=True)
        text[self.missing] = None
        return text

    def those(self, values: set[str], text: NDArray[Any]) -> list[int]:
        """The places of some values."""
        return [int(at) for at in np.flatnonzero(pd.Series(text, dtype=object).isin(values))] if values else []


def convert(column: Column, cells: pd.Series[Any], rows: Rows) -> tuple[pd.Series[Any], list[Fault]]:
    """A column of cells as stored values, and the fault of every cell that breaks a rule.

    A cell is empty if nothing or only space is written in it. Empty cells of an optional column become missing
    values; a cell with a fault holds zero or nothing.
    """
    held = _Cells(column, cells, rows)
    if column.required:
        for at in np.flatnonzero(held.missing):
            held.refuse(int(at), "must be given in every row", "fill the cell")
    stored = _CONVERTERS[column.kind](held)
    return stored, _shortened([held.faults[at] for at in sorted(held.faults)], rows.file, column.name)


def missing(cells: pd.Series[Any]) -> NDArray[np.bool_]:
    """Which cells are empty: nothing or only space is written in them."""
    empty: NDArray[np.bool_] = cells.isna().to_numpy(dtype=bool, copy=True)
    if cells.dtype.kind not in "iufb":
        empty |= (cells.astype(str).str.strip() == "").to_numpy(dtype=bool, na_value=False)
    return empty


def _whole_names(cells: pd.Series[Any]) -> pd.Series[Any]:
    # Numbers as names, read as floats because some are missing: 7.0 is the name 7.
    if cells.dtype.kind != "f" or not (cells.dropna() % 1 == 0).all():
        return cells
    return cells.astype("Int64")


def _shortened(faults: list[Fault], file: str, column: str) -> list[Fault]:
    if len(faults) <= FAULTS_SHOWN:
        return faults
    rest = len(faults) - FAULTS_SHOWN
    more = Fault(file, f"{rest} more rows break a rule in this column", "correct them alike", None, column)
    return [*faults[:FAULTS_SHOWN], more]


def _scaled(held: _Cells) -> pd.Series[Any]:
    """Money, prices, percent and counts as integers: every digit must fit."""
    scale, decimals = _SCALES[held.column.kind]
    out = np.zeros(len(held.cells), np.int64)
    if held.cells.dtype.kind in "if":
        # A float fits if the nearest float to some whole number of units is the float itself.
        values = np.where(held.missing, 0.0, held.cells.to_numpy(dtype=np.float64, na_value=0.0))
        with np.errstate(invalid="ignore", over="ignore"):
            near = np.rint(values * scale)
            fine = np.isfinite(near) & (np.abs(near) < 2.0**53) & (near / scale == values) & ~held.missing
        out[fine] = near[fine].astype(np.int64)
    else:
        text = pd.Series(held.text(), dtype=object)
        pattern = r"[+-]?[0-9]{1,12}" + (r"(?:\.[0-9]{1," + str(decimals) + r"}0*)?" if decimals else "")
        fine = text.str.fullmatch(pattern).to_numpy(dtype=bool, na_value=False)
        # At most 15 digits that count: the float is within half a unit of the exact value, so rounding is exact.
        out[fine] = np.rint(text[fine].astype(np.float64).to_numpy() * scale).astype(np.int64)
    for at in np.flatnonzero(~fine & ~held.missing):
        out[at] = _exactly(held, int(at), scale)
    _check_range(held, out / scale)
    return _masked(held, out)


def _exactly(held: _Cells, at: int, scale: int) -> int:
    """One cell in stored units, by exact arithmetic; 0 and a fault if it does not fit."""
    exact = _decimal(str(held.cells.iloc[at]).strip())
    kind = held.column.kind
    if exact is None:
        held.refuse(at, *_NOT_A_NUMBER)
    elif abs(exact) > _HUGE:
        held.refuse(at, *_out_of_range(held.column, float("-inf") if exact < 0 else float("inf")))
    else:
        with localcontext(prec=2 * DIGITS_MOST):
            units = exact * scale
            if units == units.to_integral_value():
                return int(units)
        if kind == "count":
            held.refuse(at, "must be a whole number", "write digits without decimals")
        else:
            smallest = "0.01%" if kind == "percent" else "0.001 yuan"
            held.refuse(at, f"must be a whole multiple of {smallest}", "round it in the source, so that nothing is lost here")
    return 0


_NOT_A_NUMBER = ("must be a number", "write digits with a decimal point, without separators or units")


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if len(text) <= DIGITS_MOST and _NUMBER.fullmatch(text) else None


def _real(held: _Cells) -> pd.Series[Any]:
    out = np.full(len(held.cells), np.nan)
    for at in np.flatnonzero(~held.missing):
        exact = _decimal(str(held.cells.iloc[int(at)]).strip())
        if exact is None:
            held.refuse(int(at), *_NOT_A_NUMBER)
        elif abs(exact) > _HUGE:
            held.refuse(int(at), *_out_of_range(held.column, float("-inf") if exact < 0 else float("inf")))
        else:
            out[at] = float(exact)
    _check_range(held, np.where(held.missing, 0.0, out))
    return pd.Series(out)


def _check_range(held: _Cells, values: NDArray[np.float64]) -> None:
    low = -np.inf if held.column.low is None else held.column.low
    high = np.inf if held.column.high is None else held.column.high
    for at in np.flatnonzero(((values < low) | (values > high)) & ~held.missing):
        held.refuse(int(at), *_out_of_range(held.column, float(values[at])))


def _out_of_range(column: Column, value: float) -> tuple[str, str]:
    """The rule that a number breaks by being too small or too large, and the way out."""
    unit = _UNITS.get(column.kind, "")
    low = -_HUGE if column.low is None else column.low
    high = _HUGE if column.high is None else column.high
    if low == 0 and value < 0:
        return "must not be negative", "write 0 or more"
    if value < low:
        way_out = "write percent, 140 for 140%" if column.kind == "percent" else f"write {low:.15g} or more"
        return f"must be at least {low:.15g}{unit}", way_out
    way_out = "check the unit, which is yuan" if unit == " yuan" else "correct the value"
    return f"must be at most {high:.15g}{unit}", way_out


def _masked(held: _Cells, out: NDArray[Any]) -> pd.Series[Any]:
    # A required cell that is missing is a fault already; a zero keeps the other checks going.
    if held.column.required or not held.missing.any():
        return pd.Series(out)
    return pd.Series(pd.arrays.IntegerArray(out, held.missing))


def _named(held: _Cells) -> pd.Series[Any]:
    text: NDArray[Any] = held.cells.astype(str).to_numpy(dtype=object, copy=True)
    text[held.missing] = None
    names = {n for n in pd.unique(pd.Series(text, dtype=object)) if n is not None}
    for rule, way_out, wrong in (
        ("must not begin or end with a space", "remove the space", lambda n: n != n.strip()),
        (f"must have at most {NAME_LONGEST} characters", "shorten it everywhere it is used", lambda n: len(n) > NAME_LONGEST),
        ("must not hold line breaks or invisible characters", "correct it everywhere it is used", lambda n: not n.isprintable()),
    ):
        for at in held.those({n for n in names if wrong(n)}, text):
            held.refuse(at, rule, way_out)
    return pd.Series(text, dtype=object)


def _free(held: _Cells) -> pd.Series[Any]:
    text: NDArray[Any] = held.cells.astype(str).to_numpy(dtype=object, copy=True)
    text[held.missing] = None
    return pd.Series(text, dtype=object)


def _chosen(held: _Cells) -> pd.Series[Any]:
    text = held.text()
    choices = held.column.choices
    for at in held.those({t for t in text if t is not None} - set(choices), text):
        rule = f"must be one of {', '.join(choices)}" if len(choices) > 1 else f"must be {choices[0]}"
        held.refuse(at, rule, close_to(str(text[at]), choices) or "choose one of them")
    return pd.Series(text, dtype=object)


def _flagged(held: _Cells) -> pd.Series[Any]:
    text = pd.Series(held.text(), dtype=object).str.lower().to_numpy(dtype=object)
    for at in held.those({t for t in text if isinstance(t, str)} - _TRUE - _FALSE, text):
        held.refuse(at, "must be true or false", "write true or false")
    return pd.Series(pd.Series(text, dtype=object).isin(_TRUE).to_numpy(dtype=bool))


def _dated(held: _Cells) -> pd.Series[Any]:
    out: list[datetime.date | None] = [None] * len(held.cells)
    cells = held.cells.tolist()
    for at in np.flatnonzero(~held.missing):
        cell = cells[int(at)]
        if type(cell) is datetime.date:
            out[int(at)] = cell
            continue
        try:
            written = cell.date() if isinstance(cell, datetime.datetime) else datetime.date.fromisoformat(str(cell).strip())
            out[int(at)] = written
        except ValueError:
            held.refuse(int(at), "must be a date of the calendar", "write it as YYYY-MM-DD")
    return pd.Series(out, dtype=object)


_CONVERTERS: dict[str, Callable[[_Cells], pd.Series[Any]]] = {
    "money": _scaled, "price": _scaled, "percent": _scaled, "count": _scaled, "number": _real,
    "id": _named, "text": _free, "choice": _chosen, "flag": _flagged, "date": _dated,
}
