"""The file of daily factor returns that a bootstrap draws from (M-59)."""

from __future__ import annotations

import csv
import datetime
import io
import math
from collections.abc import Iterable
from pathlib import Path

from stresslab import intake
from stresslab.faults import Fault, InputError, nearest
from stresslab.market.laws import History
from stresslab.spreadsheets import harmless, plain

#: A history is drawn from in blocks: fewer days than this say nothing.
DAYS_LEAST = 60
#: A larger log return than this is a percentage written by mistake.
RETURN_MOST = 1.0


def read_history(path: Path, sectors: Iterable[str]) -> History:
    """The history in a CSV file with the columns date, market and one per sector; raises :class:`InputError` with every fault."""
    file, known = str(path), sorted(sectors)
    if intake.leaves(path.parent, path):
        raise InputError([Fault(file, "is a link that leads out of its folder", "put the file itself beside the market file")])
    try:
        rows = intake.records(intake.content(path).decode("utf-8-sig"))
    except OSError as error:
        rule = f"is named in [market.bootstrap] and cannot be read ({error.strerror})"
        raise InputError([Fault(file, rule, "put the file beside the market file, or correct its name")]) from error
    except UnicodeDecodeError as error:
        raise InputError([Fault(file, "is not UTF-8 text", "save the file as UTF-8")]) from error
    except csv.Error as error:
        raise InputError([Fault(file, f"cannot be read as CSV ({error})", "write it again as plain CSV")]) from error
    header = [plain(name.strip()) for name in rows[0]] if rows else []
    faults = [Fault(file, "this column must be there", "add it", 1, name) for name in ("date", "market") if name not in header]
    for name in header:
        if name not in ("date", "market", *known):
            faults.append(Fault(file, "is no sector of the market file", nearest(name, ["date", "market", *known]), 1, name))
        elif header.count(name) > 1:
            faults.append(Fault(file, "stands twice", "remove one of the columns", 1, name))
    if faults:
        raise InputError(faults)
    columns: dict[str, list[float]] = {name: [] for name in header if name != "date"}
    dates: list[str] = []
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(header):
            faults.append(Fault(file, f"has {len(row)} cells, and the header {len(header)}", "correct the row", number))
            continue
        cells = dict(zip(header, row, strict=True))
        faults += _date_faults(file, number, cells["date"].strip(), dates)
        for name in columns:
            faults += _return_faults(file, number, name, cells[name].strip(), columns[name])
    if not faults and len(dates) < DAYS_LEAST:
        faults.append(Fault(file, f"has {len(dates)} days, at least {DAYS_LEAST} are needed", "lengthen the history"))
    if not faults and max(columns["market"]) == min(columns["market"]):
        faults.append(Fault(file, "all returns are the same", "give a history of daily log returns", None, "market"))
    if faults:
        raise InputError(faults)
    held = {name: tuple(values) for name, values in columns.items()}
    return History(dates=tuple(dates), market=held.pop("market"), sectors=held)


def _date_faults(file: str, number: int, written: str, dates: list[str]) -> list[Fault]:
    try:
        datetime.date.fromisoformat(written)
    except ValueError:
        return [Fault(file, "must be a date", "write it as 2026-06-30", number, "date", written)]
    late = bool(dates) and written <= dates[-1]
    dates.append(written)
    return [Fault(file, "dates must rise", "sort the days and drop repeated ones", number, "date", written)] if late else []


def _return_faults(file: str, number: int, name: str, written: str, values: list[float]) -> list[Fault]:
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    values.append(value)
    if not math.isfinite(value):
        return [Fault(file, "must be a number", "write a log return, as -0.0123", number, name, written)]
    if abs(value) > RETURN_MOST:
        rule = f"must be a log return of at most {RETURN_MOST:g} either way"
        return [Fault(file, rule, "write -0.0123 for a fall of 1.23%, not percent", number, name, written)]
    return []


def write_history(history: History, path: Path) -> None:
    """Write a history as CSV, so that reading it gives the same numbers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["date", "market", *map(harmless, history.sectors)])
    for at, date in enumerate(history.dates):
        writer.writerow([date, repr(history.market[at]), *(repr(values[at]) for values in history.sectors.values())])
    path.write_text(out.getvalue(), encoding="utf-8")
