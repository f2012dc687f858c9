"""What people write, as integers: yuan to 厘, percent to basis points, exactly or not at all (M-1)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pandas as pd

from stresslab.faults import Fault
from stresslab.glossary import BP_PER_PERCENT, LI_PER_YUAN, Column

#: At most so many faults are spelled out for one column; the rest are counted.
FAULTS_SHOWN = 20

_TRUE = {"true", "1", "yes"}
_FALSE = {"false", "0", "no"}
_EMPTY = {"", "nan", "none", "<na>", "nat"}


def convert(column: Column, cells: pd.Series[Any], file: str, rows: np.ndarray[Any, Any]) -> tuple[pd.Series[Any], list[Fault]]:
    """A column of cells as stored values, and the fault of every cell that breaks a rule.

    ``rows`` are the row numbers that a person sees. Empty cells of an optional column become missing values.
    """
    faults: list[Fault] = []
    missing = _missing(cells)

    def fault(at: int, rule: str, way_out: str) -> None:
        value = None if missing[at] else str(cells.iloc[at])
        faults.append(Fault(file, rule, way_out, int(rows[at]), column.name, value))

    if column.required and missing.any():
        for at in np.flatnonzero(missing):
            fault(int(at), f"{column.en} must be given in every row", "fill the cell")
    stored = _CONVERTERS[column.kind](column, cells, missing, fault)
    return stored, _shortened(faults, file, column.name)


def _missing(cells: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    missing = cells.isna().to_numpy()
    if cells.dtype.kind in "iufb":
        return missing
    return missing | cells.astype(str).str.strip().str.lower().isin(_EMPTY).to_numpy()


def _shortened(faults: list[Fault], file: str, column: str) -> list[Fault]:
    if len(faults) <= FAULTS_SHOWN:
        return faults
    rest = len(faults) - FAULTS_SHOWN
    return [*faults[:FAULTS_SHOWN], Fault(file, f"{rest} more rows break a rule in this column", "correct them alike", None, column)]


Report = Callable[[int, str, str], None]


def _scaled(column: Column, cells: Any, missing: Any, fault: Report) -> pd.Series[Any]:
    """Money, price or percent as integers: every digit must fit."""
    scale = BP_PER_PERCENT if column.kind == "percent" else LI_PER_YUAN
    smallest = "0.01%" if column.kind == "percent" else "0.001 yuan"
    out = np.zeros(len(cells), np.int64)
    slow: Iterable[int]
    if cells.dtype.kind in "iuf":
        # A float fits if the nearest float to some whole number of units is the float itself.
        values = np.where(missing, 0.0, cells.to_numpy(dtype=np.float64, na_value=0.0))
        with np.errstate(invalid="ignore", over="ignore"):
            near = np.rint(values * scale)
            fine = np.isfinite(near) & (np.abs(near) < 2.0**53) & (near / scale == values)
        out[fine] = near[fine].astype(np.int64)
        slow = np.flatnonzero(~fine & ~missing)
    else:
        text = cells.astype(str).str.strip()
        digits = 2 if column.kind == "percent" else 3
        pattern = r"[+-]?\d{1,12}(?:\.\d{1," + str(digits) + r"})?"
        fine = text.str.fullmatch(pattern).to_numpy(dtype=bool, na_value=False) & ~missing
        # At most 15 digits: the float is within half a unit of the exact value, so rounding is exact.
        out[fine] = np.rint(text[fine].astype(np.float64).to_numpy() * scale).astype(np.int64)
        slow = np.flatnonzero(~fine & ~missing)
    for at in slow:
        exact = _decimal(str(cells.iloc[int(at)]).strip())
        if exact is None:
            fault(int(at), f"{column.en} must be a number", "write digits with a decimal point, no separators or units")
        elif exact * scale != (exact * scale).to_integral_value():
            fault(int(at), f"{column.en} must be a whole multiple of {smallest}", "round it in the source, so that nothing is lost here")
        elif abs(exact) > 10**15:
            fault(int(at), f"{column.en} is out of range", _range(column))
        else:
            out[int(at)] = int(exact * scale)
    _check_range(column, out / scale, missing, fault)
    return _masked(out, missing)


def _decimal(text: str) -> Decimal | None:
    if len(text) > 60:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    # A huge exponent would make exact arithmetic endless.
    return value if value.is_finite() and (value == 0 or -30 < value.adjusted() < 30) else None


def _counted(column: Column, cells: Any, missing: Any, fault: Report) -> pd.Series[Any]:
    out = np.zeros(len(cells), np.int64)
    if cells.dtype.kind in "iu":
        out[~missing] = cells[~missing].to_numpy(dtype=np.int64)
    else:
        for at in np.flatnonzero(~missing):
            exact = _decimal(str(cells.iloc[int(at)]).strip())
            if exact is None or exact != exact.to_integral_value() or abs(exact) > 10**15:
                fault(int(at), f"{column.en} must be a whole number", "write digits only")
            else:
                out[int(at)] = int(exact)
    _check_range(column, out, missing, fault)
    return _masked(out, missing)


def _real(column: Column, cells: Any, missing: Any, fault: Report) -> pd.Series[Any]:
    out = np.full(len(cells), np.nan)
    for at in np.flatnonzero(~missing):
        exact = _decimal(str(cells.iloc[int(at)]).strip())
        if exact is None:
            fault(int(at), f"{column.en} must be a finite number", "write digits with a decimal point")
        else:
            out[int(at)] = float(exact)
    _check_range(column, np.nan_to_num(out), missing, fault)
    return pd.Series(out)


def _range(column: Column) -> str:
    return f"write a value from {_short(column.low)} to {_short(column.high)}"


def _short(bound: float | None) -> str:
    return "anything" if bound is None else f"{bound:.10g}"


def _check_range(column: Column, values: Any, missing: Any, fault: Report) -> None:
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    for at in np.flatnonzero(((values < low) | (values > high)) & ~missing):
        fault(int(at), f"{column.en} must lie between {_short(column.low)} and {_short(column.high)}", _range(column))


def _masked(out: Any, missing: Any) -> pd.Series[Any]:
    if not missing.any():
        return pd.Series(out)
    return pd.Series(pd.arrays.IntegerArray(out, np.asarray(missing, dtype=bool)))


def _named(column: Column, cells: Any, missing: Any, fault: Report) -> pd.Series[Any]:
    text = cells.astype(str).where(~missing, None)
    for at in np.flatnonzero(~missing):
        value = str(text.iloc[int(at)])
        if value != value.strip() or len(value) > 64 or not value.isprintable():
            fault(int(at), f"{column.en} must be at most 64 printable characters without spaces around", "correct the name everywhere it is used")
    return pd.Series(text, dtype=object)


def _written(column: Column, cells: Any, missing: Any, fault: Report) -> pd.Series[Any]:
    return pd.Series(cells.astype(str).where(~missing, None), dtype=object)


def _chosen(column: Column, cells: Any, missing: Any, fault: Report) -> pd.Series[Any]:
    text = cells.astype(str).str.strip().where(~missing, None)
    for at in np.flatnonzero(~text.isin(column.choices).to_numpy() & ~missing):
        fault(int(at), f"{column.en} must be one of {', '.join(column.choices)}", "choose one of them")
    return pd.Series(text, dtype=object)


def _flagged(column: Column, cells: Any, missing: Any, fault: Report) -> pd.Series[Any]:
    text = cells.astype(str).str.strip().str.lower()
    known = text.isin(_TRUE | _FALSE).to_numpy()
    for at in np.flatnonzero(~known & ~missing):
        fault(int(at), f"{column.en} must be true or false", "write true or false")
    return pd.Series(text.isin(_TRUE).to_numpy() & ~missing)


def _dated(column: Column, cells: Any, missing: Any, fault: Report) -> pd.Series[Any]:
    out: list[datetime.date | None] = [None] * len(cells)
    for at in np.flatnonzero(~missing):
        cell = cells.iloc[int(at)]
        try:
            out[int(at)] = cell.date() if isinstance(cell, datetime.datetime) else datetime.date.fromisoformat(str(cell).strip())
        except ValueError:
            fault(int(at), f"{column.en} must be a date", "write it as YYYY-MM-DD")
    return pd.Series(out, dtype=object)


_CONVERTERS: dict[str, Callable[..., pd.Series[Any]]] = {
    "money": _scaled, "price": _scaled, "percent": _scaled, "count": _counted, "number": _real,
    "id": _named, "text": _written, "choice": _chosen, "flag": _flagged, "date": _dated,
}
