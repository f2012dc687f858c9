"""What does not fit together in a scenario's [rates], as it is written (M-11, M-75)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stresslab.market.laws import Misfit, rate_misfits

#: What each shape of a rate shock reads, and of these what it needs.
_RATE_KEYS = ("shock_pct", "short_pct", "long_pct", "long_days", "day", "over_days")
_SHAPE_NEEDS = {
    "parallel": ("shock_pct", "day"), "ramp": ("shock_pct", "day", "over_days"), "twist": ("short_pct", "long_pct", "long_days", "day"),
}


def written_rate_misfits(rates: dict[str, Any], days: Any) -> Iterator[Misfit]:
    """What does not fit together in [rates]."""
    shape = rates.get("shape", "parallel")
    written = [key for key in _RATE_KEYS if rates.get(key) is not None]
    drawn = rates.get("model") == "market" or rates.get("law") is not None
    if rates.get("model") == "market" and rates.get("law") is not None:
        yield Misfit(("rates", "model"), "must not be market beside [rates.law]; keep one of them", "market")
    law = rates.get("law")
    yield from rate_misfits(law if isinstance(law, dict) else {}, ("rates", "law"))
    if rates.get("path") is not None:
        yield from _rate_path_misfits(rates["path"], days)
        for key in (*written, *(("shape",) if shape != "parallel" else ())):
            yield Misfit(("rates", key), "must not stand beside [rates.path]; keep one of them", rates[key])
    elif shape in _SHAPE_NEEDS and (written or shape != "parallel" or not drawn):
        needed = _SHAPE_NEEDS[shape]
        for key in needed:
            if key not in written:
                yield Misfit(("rates", key), f"must be given for the shape {shape}; add it")
        for key in written:
            if key not in needed and not (shape == "twist" and key == "over_days"):
                said = f"is not read by the shape {shape}; remove it, or choose another shape"
                yield Misfit(("rates", key), said, rates[key])


def _rate_path_misfits(path: Any, days: Any) -> Iterator[Misfit]:
    shifts = path.get("shift_pct") if isinstance(path, dict) else None
    if not isinstance(shifts, list | tuple):
        return
    place = ("rates", "path", "shift_pct")
    if not shifts or shifts[0] != 0:
        yield Misfit(place, "must begin with 0, the book's date; put a 0 before the first day", list(shifts[:1]))
    if type(days) is int and len(shifts) > days + 1:
        yield Misfit(place, f"has {len(shifts)} numbers for days 0 to {days}; shorten it, or make days larger")
