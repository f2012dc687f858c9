"""Events: dated by a rule or given as a list; which days lie before one, and which are not scored (M-164, M-165)."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab import intake
from stresslab.early_warning.known import Known
from stresslab.faults import Fault, InputError, nearest
from stresslab.history.columns import plain
from stresslab.spreadsheets import plain as unescaped

F64 = NDArray[np.float64]
#: An event by rule ends at its low: when the close has regained half of the fall, or after so many days.
REGAIN, LONGEST = 0.5, 250
RULES = (
    "drawdown >= 20% within 60 days",
    "drawdown >= 20% within 60 days at fall",
    "fall >= 10% within 5 days",
    "breadth.n_limit_down >= 500 for 2 days",
)
DRAWDOWN = re.compile(
    r"^(drawdown|fall)\s*(?:>=|of|≥)\s*([\d.]+)\s*%\s*(?:within|in)\s*(\d+)\s*(?:trading\s+)?days?(?:\s+at\s+(peak|fall))?$"
)
_COLUMN = re.compile(r"^([\w: ]+?)\.([\w一-鿿]+)\s*(>=|<=|≥|≤)\s*(-?[\d.]+)\s*%?(?:\s+for\s+(\d+)\s*days?)?$")


@dataclass(frozen=True)
class Event:
    """A crisis: its first and its last day (trading days of the history), what it is called, how deep it was (percent, or missing)."""

    name: str
    start: pd.Timestamp
    end: pd.Timestamp
    depth_pct: float | None = None


@dataclass(frozen=True)
class Labels:
    """``y`` of each day: 1 if an event starts within the horizon after it, 0 if none does, missing where the history ends too early.

    ``scored`` leaves out the days inside events and the days after them; ``blank`` are those days.
    """

    y: F64
    scored: NDArray[np.bool_]
    blank: NDArray[np.bool_]


def events_of(told: str | Path, known: Known) -> list[Event]:
    """The events of a rule or of a list file (CSV with start, [end], [name]), inside the days of the history.

    Raises :class:`InputError` where a rule does not parse, a date is none, or no event lies inside the history.
    """
    text = str(told).strip()
    rule = _by_rule(text, known)
    if rule is not None:
        found, said = rule, text
    elif text.lower().endswith(".csv") or Path(text).is_file():
        found, said = _listed(Path(text), known), Path(text).name
    else:
        way_out = "write it as " + ", ".join(repr(r) for r in RULES) + ", or give a CSV file with start, end, name"
        raise InputError(
            [Fault("options", "is neither a rule for events nor a file of them", way_out, None, "events", text)]
        )
    if not found:
        days = f"{known.days[0].date()} to {known.days[-1].date()}"
        raise InputError(
            [
                Fault(
                    "options",
                    f"no event in {days}",
                    "take a milder rule, or a longer history",
                    None,
                    "events",
                    said,
                )
            ]
        )
    return found


def _by_rule(text: str, known: Known) -> list[Event] | None:
    rule = DRAWDOWN.match(text.lower())
    if rule is not None:
        kind, depth, days, at = rule[1], float(rule[2]) / 100.0, int(rule[3]), rule[4] or "peak"
        if not 0.0 < depth < 1.0 or days < 1:
            raise InputError(
                [
                    Fault(
                        "options",
                        "a fall lies between 0 and 100%, within a day or more",
                        f"write {RULES[0]!r}",
                        None,
                        "events",
                        text,
                    )
                ]
            )
        return falls(known.close, depth, days, dated=at, from_peak=kind == "drawdown")
    rule = _COLUMN.match(text)
    if rule is None:
        return None
    table = next((t for t in known.tables if t.lower() == rule[1].strip().lower()), None)
    if table is None:
        raise InputError(
            [
                Fault(
                    "options",
                    "names no table of the history",
                    nearest(rule[1], list(known.tables)),
                    None,
                    "events",
                    text,
                )
            ]
        )
    columns = [str(c) for c in known.tables[table] if c != "date"]
    column = next((c for c in columns if plain(c) == plain(rule[2])), None)
    if column is None or not pd.api.types.is_numeric_dtype(known.tables[table][column]):
        raise InputError(
            [
                Fault(
                    "options", f"names no column of numbers of {table}", nearest(rule[2], columns), None, "events", text
                )
            ]
        )
    values = known.tables[table].set_index("date")[column].reindex(known.days)
    hit = values >= float(rule[4]) if rule[3] in (">=", "≥") else values <= float(rule[4])
    return waves(hit.to_numpy(bool), known.days, int(rule[5] or 1), f"{column} {rule[3]} {rule[4]}")


def falls(
    close: pd.Series[float], depth: float, days: int, *, dated: str = "peak", from_peak: bool = True
) -> list[Event]:
    """Falls of at least ``depth`` from the highest close of the ``days`` before (``from_peak``), or against the close so many days before.

    An event starts at that high (``dated`` peak) or on the day on which the fall is complete (``fall``). It ends at its lowest close,
    once half of the fall is regained, or 250 days after it is complete, or with the history. The next one is looked for after that.
    """
    c = close.to_numpy(float)
    found: list[Event] = []
    after = 0
    u = 1
    while u < c.size:
        low = max(after, u - days)
        top = low + int(np.argmax(c[low : u + 1])) if from_peak else low
        # The last of equal highs is where the fall begins.
        if from_peak:
            top = low + int(np.flatnonzero(c[low : u + 1] == c[top])[-1])
        if c[u] > c[top] * (1.0 - depth) or top == u:
            u += 1
            continue
        lowest, v = u, u
        while v + 1 < c.size and v - u < LONGEST:
            v += 1
            if c[v] < c[lowest]:
                lowest = v
            elif c[v] >= c[lowest] + REGAIN * (c[top] - c[lowest]):
                break
        start = top if dated == "peak" else u
        fall = 100.0 * (1.0 - c[lowest] / c[top])
        found.append(
            Event(f"−{fall:.0f}% {close.index[top].date()}", close.index[start], close.index[lowest], round(fall, 2))
        )
        after = lowest + 1
        u = after + 1
    return found


def waves(hit: NDArray[np.bool_], days: pd.DatetimeIndex, least: int, name: str) -> list[Event]:
    """Runs of at least ``least`` days with a condition; runs that are less than 20 days apart are one."""
    found: list[Event] = []
    t = 0
    while t < hit.size:
        if not hit[t]:
            t += 1
            continue
        stop = t
        while stop + 1 < hit.size and hit[stop + 1]:
            stop += 1
        if stop - t + 1 >= least:
            if found and t - int(days.searchsorted(found[-1].end)) < 20:
                found[-1] = Event(found[-1].name, found[-1].start, days[stop])
            else:
                found.append(Event(f"{name} {days[t].date()}", days[t], days[stop]))
        t = stop + 1
    return found


def _listed(path: Path, known: Known) -> list[Event]:
    try:
        rows = pd.read_csv(io.BytesIO(intake.content(path)), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise InputError(
            [Fault(str(path), f"cannot be read ({said})", "give a CSV file with start, end, name")]
        ) from error
    rows.columns = [plain(str(c)) for c in rows]
    if "start" not in rows:
        raise InputError(
            [Fault(path.name, "this column must be there", "add it: the first day of each event", None, "start")]
        )
    faults: list[Fault] = []
    found: list[Event] = []
    for row, told in enumerate(rows.to_dict("records"), start=2):
        dates: dict[str, pd.Timestamp] = {}
        for column in ("start", "end"):
            text = str(told.get(column, "")).strip() or str(told["start"]).strip()
            day = pd.to_datetime(text, errors="coerce", format="%Y-%m-%d")
            if pd.isna(day) or not 1 <= day.year <= 9999:  # pandas reads years before Christ
                faults.append(Fault(path.name, "is no day", "write it as 2015-06-12", row, column, text))
            else:
                dates[column] = day
        if len(dates) == 2:
            if dates["end"] < dates["start"]:
                faults.append(
                    Fault(
                        path.name, "an event ends before it starts", "correct it", row, "end", str(dates["end"].date())
                    )
                )
            elif known.days[0] < dates["start"] <= known.days[-1]:
                begin = int(known.days.searchsorted(dates["start"]))
                stop = max(int(known.days.searchsorted(dates["end"], side="right")) - 1, begin)
                first, last = known.days[begin], known.days[stop]
                found.append(Event(unescaped(str(told.get("name", "")).strip()) or str(first.date()), first, last))
    if faults:
        raise InputError(faults)
    return sorted(found, key=lambda e: e.start)


def labels_of(days: pd.DatetimeIndex, events: list[Event], horizon: int, after: int) -> Labels:
    """Which days precede an event by 1 to ``horizon`` trading days, and which are left out (M-165).

    Left out of scoring are the days from the start of an event to its end and ``after`` trading days more, and the last ``horizon``
    days of the history unless an event is known to follow.
    """
    n = len(days)
    y = np.zeros(n)
    y[max(n - horizon, 0) :] = np.nan
    blank = np.zeros(n, bool)
    for event in events:
        start, end = int(days.searchsorted(event.start)), int(days.searchsorted(event.end))
        y[max(start - horizon, 0) : start] = 1.0
        blank[start : end + 1 + after] = True
    return Labels(y, ~blank & ~np.isnan(y), blank)
