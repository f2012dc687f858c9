"""What a rating reads of the paths of one scenario and platform: indicators path by path, and what decides over all of them.

Floats say which paths are near a line; whatever is near is decided in integers and fractions, so no grade depends on rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.faults import Fault, InputError
from stresslab.rating.indicators import DAYS_OF, PATH, Json, OfPath

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
#: Relative distance from a line below which floats do not decide; their own error is a thousand times smaller.
NEAR = 1e-12

#: What every rating needs, whatever the scale asks: the coverage rule and the order of its median.
ALWAYS = ("own_funds_coverage_pct",)
_WAY_OUT = "use the record and the tables of one whole run folder, unchanged"


@dataclass(frozen=True)
class Values:
    """One indicator on every path: 100 × over / under in percent; `none` where it is passed."""

    over: Ints
    under: Ints
    none: NDArray[np.bool_]
    known: OfPath

    @cached_property
    def floats(self) -> Floats:
        """The values as floats, NaN where passed."""
        with np.errstate(divide="ignore", invalid="ignore"):
            values: Floats = 100.0 * self.over / self.under
        return np.where(self.none, np.nan, values)

    def at(self, path: int) -> Fraction | None:
        """The exact value on one path, in the order of the paths."""
        return None if self.none[path] else Fraction(100 * int(self.over[path]), int(self.under[path]))

    @cached_property
    def median_path(self) -> int:
        """The path of the median, the order statistic ⌈n / 2⌉ from the worst up (M-39), those that passed last.

        Of equal values the one with the larger denominator is the worse: its gap is the larger.
        """
        sign = 1.0 if self.known.worse == "low" else -1.0
        keys = np.where(self.none, np.inf, sign * self.floats)
        order = np.argsort(keys, kind="stable")
        rank = (len(order) + 1) // 2 - 1
        middle = keys[order[rank]]
        if not np.isfinite(middle):
            return int(order[rank])
        near = [int(i) for i in order if np.isfinite(keys[i]) and abs(keys[i] - middle) <= NEAR * max(1.0, abs(middle))]
        before = int(np.sum(keys < middle - NEAR * max(1.0, abs(middle))))
        near.sort(key=lambda i: (sign_of(self.at(i), sign), -int(self.under[i])))
        return near[rank - before]

    @property
    def decided(self) -> Fraction | None:
        """What stands for all paths: the share of paths of an event, else the median."""
        if self.known.event:
            return Fraction(100 * int(np.count_nonzero(self.over)), len(self.over))
        return self.at(self.median_path)


def sign_of(value: Fraction | None, sign: float) -> Fraction:
    """A value turned so that the worse is the smaller; only for values that are there."""
    exact = value if value is not None else Fraction(0)
    return exact if sign > 0 else -exact


@dataclass(frozen=True)
class Paths:
    """All paths of one scenario and platform, in the order of their numbers."""

    numbers: Ints
    own_li: Ints
    call_li: Ints
    values: Mapping[str, Values]

    def __len__(self) -> int:
        """How many paths."""
        return len(self.numbers)

    @property
    def decided(self) -> dict[str, Fraction | None]:
        """What stands for all paths, by indicator."""
        return {name: held.decided for name, held in self.values.items()}

    def at(self, path: int) -> dict[str, Fraction | None]:
        """The indicators of one path."""
        return {name: held.at(path) for name, held in self.values.items()}

    @property
    def median(self) -> int:
        """The path of the median coverage, whose gap the coverage rule asks about (M-43)."""
        return self.values["own_funds_coverage_pct"].median_path


def beyond(values: Values, line: Fraction, below: bool) -> NDArray[np.bool_]:
    """Where an indicator is strictly below, or above, a line; exactly, and never where it is passed."""
    left, right = values.floats, float(line)
    out: NDArray[np.bool_] = (left < right) if below else (left > right)
    for path in np.flatnonzero(np.abs(left - right) <= NEAR * max(1.0, abs(right))):
        exact = values.at(int(path))
        out[path] = exact is not None and ((exact < line) if below else (exact > line))
    return out


def needed_columns(names: Iterable[str]) -> list[str]:
    """The columns of `outcomes` that some indicators are made of."""
    columns = ["own_funds_before_li", "margin_call_peak_li"]
    for name in names:
        columns += [c for c in (*PATH[name].over, *PATH[name].under) if not c.isdigit() and c != "days"]
    return list(dict.fromkeys(columns))


def read_paths(record: Json, outcomes: pd.DataFrame, wanted: Iterable[str]) -> dict[tuple[str, str], Paths]:
    """The paths of each scenario and platform of the record; raises :class:`InputError` where the tables do not hold them."""
    names = list(dict.fromkeys((*ALWAYS, *wanted)))
    columns = needed_columns(names)
    absent = [name for name in ("scenario", "platform_id", "path", *columns) if name not in outcomes]
    if absent:
        raise InputError(Fault("outcomes.parquet", "the column is missing", _WAY_OUT, column=name) for name in absent)
    groups = outcomes.groupby(["scenario", "platform_id"], sort=False, observed=True).indices
    held: dict[str, Ints] = {c: outcomes[c].fillna(0).to_numpy("int64") for c in columns}
    numbers: Ints = outcomes["path"].to_numpy("int64")
    faults, found = [], {}
    for scenario in record["scenarios"]:
        for platform in record["platforms"]:
            key = (scenario["id"], platform["platform_id"])
            if key not in groups:
                rule = "every scenario and platform of the record has its paths"
                faults.append(Fault("outcomes.parquet", rule, _WAY_OUT, value=" / ".join(key)))
                continue
            rows: Any = groups[key]
            rows = rows[np.argsort(numbers[rows], kind="stable")]
            mine = {c: values[rows] for c, values in held.items()}
            mine["days"] = np.full(len(rows), int(scenario.get("days") or 1), dtype=np.int64)
            values = {name: _values(PATH[name], mine, len(rows)) for name in names}
            found[key] = Paths(numbers[rows], mine["own_funds_before_li"], mine["margin_call_peak_li"], values)
    if faults:
        raise InputError(faults)
    return found


def _values(known: OfPath, columns: Mapping[str, Ints], n: int) -> Values:
    over: Ints = np.zeros(n, np.int64)
    for c in known.over:
        over = over + columns[c]
    if known.event:
        return Values((over > 0).astype(np.int64), np.ones(n, np.int64), np.zeros(n, np.bool_), known)
    under: Ints = np.zeros(n, np.int64)
    for c in known.under:
        under = under + (np.full(n, int(c), np.int64) if c.isdigit() else columns[c])
    if known.over[0] in DAYS_OF:
        return Values(over, under, over == 0, known)
    nothing = under == 0
    if known.empty == "zero":
        return Values(np.where(nothing, 0, over), np.where(nothing, 1, under), np.zeros(n, np.bool_), known)
    return Values(over, np.where(nothing, 1, under), nothing, known)
