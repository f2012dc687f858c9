"""Synthetic labels: a finished run as many histories of a platform whose day of failure is known (M-197 to M-199).

A run holds thousands of paths. Each is one history of each platform: what it could see at every close, and the day on which it
failed, if it did. So one can ask how many histories an indicator needs before its score is known, which no real record answers.
Everything here is SYNTHETIC, and says so: it holds given the scenario and the model of the run, and says nothing of how often
such histories come. Within a crash scenario the day itself foretells failure, so it stands among the indicators as the naive one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from stresslab.early_warning.intervals import STREAM, words
from stresslab.early_warning.scores import auroc, labels
from stresslab.faults import Fault, InputError, nearest
from stresslab.glossary import OUTPUTS
from stresslab.record import RunFolder, reading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ending = Literal["failure_day", "own_funds_exhausted_day", "first_unpaid_day"]

#: What a panel is marked with, in every table that is made of one.
SYNTHETIC = "synthetic"
#: What may be foretold: a column of `outcomes` with the day, null where it never came.
ENDINGS: tuple[Ending, ...] = ("failure_day", "own_funds_exhausted_day", "first_unpaid_day")
#: Trading days over which moves and swings are measured.
SPAN = 5

_KEYS = ("scenario", "path", "platform_id")
_DAYS = (
    "margin_call_li", "own_funds_li", "unpaid_li", "sold_li", "accounts_forced", "factor_ppm", "basket_fundamental_ppm",
    "basket_quoted_ppm", "locked",
)
_AGAIN = "give the folder of a whole run, unchanged; what an earlier version made, run again"

#: The indicators of a panel: what each one is, known at the close of its day, higher where danger is higher.
INDICATORS: dict[str, str] = {
    "own_funds_lost": "own funds lost since the start, as a share of those before",
    "own_funds_lost_5d": "own funds lost in 5 days, as a share of those before",
    "margin_call": "open margin calls over own funds before",
    "sold_5d": "forced sales of 5 days over own funds before",
    "forced_5d": "accounts forced to sell in 5 days (an account may count again), over accounts with debt at the start",
    "unpaid": "unpaid redemption over own funds before",
    "basket_fall": "fall of the collateral basket at quoted prices from its highest close",
    "basket_fall_5d": "fall of the same in 5 days",
    "basket_swing_5d": "standard deviation of its daily log returns of 5 days",
    "pressure": "how far quoted prices lie below fundamental ones",
    "locked": "instruments locked at their limit",
    "factor_fall": "fall of the market factor from its highest close",
    "day": "the day of the scenario and nothing else: the naive indicator",
}


@dataclass(frozen=True)
class Panel:
    """Days × what was known and what came, from a run; see :func:`panel_of_run`.

    ``table`` has one row per scenario, path, platform and day that can be labelled: the keys, ``history`` (the number of its path,
    from 0: what happens to several platforms or under several scenarios on one path has one weather, and is one history), ``day``,
    ``ends_in`` (days until the ending, null where it never came), ``y`` and the indicators. ``histories`` is how many paths
    there are, also those without a row. ``run`` says of which run, and ``source`` is always ``synthetic``.
    """

    table: pd.DataFrame
    ending: Ending
    horizon: int
    histories: int
    run: dict[str, Any]
    source: str = SYNTHETIC


def panel_of_run(
    folder: str | Path, *, scenario: str | None = None, platform: str | None = None, ending: Ending = "failure_day", horizon: int = 5,
) -> Panel:
    """The panel of a finished run's folder (M-197), of all its scenarios and platforms or of one.

    y is 1 on days after which the ending comes within `horizon` trading days, 0 where it does not. Left out are the day of the ending
    and all after it, and the last `horizon` days of every path: nobody knows what follows them, and to keep those alone where the
    ending was seen would make late days foretell it. Raises ``InputError`` for a folder that is no finished run, and for names
    that it does not hold.
    """
    where = Path(folder)
    if horizon < 1 or ending not in ENDINGS:
        faults = [] if horizon >= 1 else [_fault("options", "horizon", str(horizon), "is a day or more", "write 1 or more")]
        faults += [] if ending in ENDINGS else [_fault("options", "ending", ending, "is no ending", nearest(ending, ENDINGS))]
        raise InputError(faults)
    absent = [n for n in ("record.json", "outcomes.parquet", "days.parquet") if not (where / n).is_file()]
    if absent:
        raise InputError([_fault(str(where), "", ", ".join(absent), "is missing: the folder is no finished run")])
    with reading(where):
        told = RunFolder(where).read_record()
        chosen = {name: wanted for name, wanted in (("scenario", scenario), ("platform_id", platform)) if wanted is not None}
        filters = [(name, "==", wanted) for name, wanted in chosen.items()] or None
        outcomes = _table(where, "outcomes", (*_KEYS, "own_funds_before_li", "accounts_with_debt", ending), filters)
        days = _table(where, "days", (*_KEYS, "day", *_DAYS), filters)
        if outcomes.empty or days.empty:
            raise InputError([_fault(str(where), name, wanted, "the run has none of this name") for name, wanted in chosen.items()]
                             or [_fault(str(where), "", "", "the run has no rows")])
        run = {k: told.get(k) for k in ("stresslab", "seed", "paths", "kernels")} | {"scenarios": sorted(outcomes["scenario"].unique())}
        return panel(outcomes, days, ending=ending, horizon=horizon, run=run)


def panel(
    outcomes: pd.DataFrame, days: pd.DataFrame, *, ending: Ending = "failure_day", horizon: int = 5, run: dict[str, Any] | None = None,
) -> Panel:
    """The same of the tables themselves; rows may stand in any order. Raises ``InputError`` unless they fit together."""
    keys = list(_KEYS)
    outcomes = outcomes.sort_values(keys, ignore_index=True)
    if outcomes.duplicated(keys).any():
        raise InputError([_fault("outcomes.parquet", "path", "", "one row per scenario, path and platform")])
    outcomes["one"] = np.arange(len(outcomes))
    outcomes["history"], paths = pd.factorize(outcomes["path"], sort=True)
    told = days.merge(outcomes, on=keys, how="left").sort_values(["one", "day"], ignore_index=True)
    steps = told.groupby("one", sort=False)["day"].diff().fillna(1)
    first = told.loc[~told["one"].duplicated(), "day"]
    if told["one"].isna().any() or len(first) != len(outcomes) or (steps != 1).any() or (first != 1).any():
        raise InputError([_fault("days.parquet", "day", "", "every path of `outcomes` has its days, from 1 on, each once")])
    known = _indicators(told)
    left = told[ending].astype("Float64").to_numpy(np.float64, na_value=np.nan) - told["day"].to_numpy(np.float64)
    last = told.groupby("one", sort=False)["day"].transform("max")
    kept = (told["day"] + horizon <= last).to_numpy() & ~(left <= 0)
    table = pd.concat([told[[*keys, "history"]], known], axis=1)
    table["ends_in"], table["y"] = left, left <= horizon
    ordered = table[[*keys, "history", "day", "ends_in", "y", *(c for c in known if c != "day")]]
    return Panel(ordered[kept].reset_index(drop=True), ending, horizon, len(paths), run or {})


def _indicators(told: pd.DataFrame) -> pd.DataFrame:
    """The indicators of each row from the rows of its history up to it; the start of a path (day 0) is its book."""
    history = told["one"]
    before = told["own_funds_before_li"].where(told["own_funds_before_li"] > 0).astype(np.float64)

    def back(column: pd.Series[Any], start: pd.Series[Any] | float) -> pd.Series[Any]:
        """The value SPAN closes earlier, or that of day 0 where there are fewer."""
        return column.groupby(history, sort=False).shift(SPAN).fillna(start)

    def over(column: pd.Series[Any]) -> pd.Series[Any]:
        """The sum of the last SPAN days."""
        total = column.groupby(history, sort=False).cumsum()
        return total - back(total, 0.0)

    lost = 1 - told["own_funds_li"] / before
    quoted, factor = told["basket_quoted_ppm"] / 1e6, told["factor_ppm"] / 1e6
    swing = np.log(quoted.where(quoted > 0))
    returns = swing - swing.groupby(history, sort=False).shift(1).fillna(0.0)
    spread = returns.groupby(history, sort=False).rolling(SPAN).std().droplevel(0).reindex(told.index)
    highest = [values.groupby(history, sort=False).cummax().clip(lower=1.0) for values in (quoted, factor)]
    fundamental = told["basket_fundamental_ppm"].where(told["basket_fundamental_ppm"] > 0)
    debtors = told["accounts_with_debt"].where(told["accounts_with_debt"] > 0)
    found = {
        "own_funds_lost": lost, "own_funds_lost_5d": lost - back(lost, 0.0), "margin_call": told["margin_call_li"] / before,
        "sold_5d": over(told["sold_li"]) / before, "forced_5d": over(told["accounts_forced"]) / debtors,
        "unpaid": told["unpaid_li"] / before,
        "basket_fall": 1 - quoted / highest[0], "basket_fall_5d": 1 - quoted / back(quoted, 1.0), "basket_swing_5d": spread,
        "pressure": 1 - told["basket_quoted_ppm"] / fundamental, "locked": told["locked"].astype(np.float64),
        "factor_fall": 1 - factor / highest[1], "day": told["day"],
    }
    return pd.DataFrame({name: found[name] for name in INDICATORS}).replace([np.inf, -np.inf], np.nan)


def table_of_run(folder: Path, name: str, columns: tuple[str, ...] | None) -> pd.DataFrame:
    """A table of a run's folder, or some columns of it; raises ``InputError`` where it cannot be read."""
    with reading(folder):
        return _table(folder, name, columns, None)


def _table(folder: Path, name: str, columns: tuple[str, ...] | None, filters: list[tuple[str, str, str]] | None) -> pd.DataFrame:
    known = {measure.name for measure in OUTPUTS[name]}
    assert known.issuperset(columns or ())
    try:
        return pd.read_parquet(folder / f"{name}.parquet", columns=None if columns is None else list(columns), filters=filters)
    except (ValueError, KeyError, OSError) as error:
        raise InputError([_fault(f"{name}.parquet", "", str(error).splitlines()[0][:120], "cannot be read as a run's table")]) from error


def _fault(file: str, column: str, value: str, rule: str, way_out: str = _AGAIN) -> Fault:
    return Fault(file=file, column=column or None, value=value or None, rule=rule, way_out=way_out)


# --- scores over histories ----------------------------------------------------------------------


class Area(NamedTuple):
    """An area under the ROC curve, its standard error over histories, and how many of these there are, with an ending and at all."""

    value: float
    error: float
    with_ending: int
    histories: int


def area_over_histories(y: ArrayLike, s: ArrayLike, history: ArrayLike) -> Area:
    """The AUROC of all days, with the error that the spread between whole histories gives it (M-198).

    Days of one history are alike, histories are independent; the error is that of DeLong, DeLong and Clarke-Pearson 1988 with
    histories in place of days (Obuchowski 1997). NaN error with fewer than two histories that have days of either class.
    """
    told, score = labels(y), np.asarray(s, dtype=np.float64)
    value = auroc(told, score)
    which = np.unique(np.asarray(history), return_inverse=True)[1]
    count = int(which.max()) + 1 if which.size else 0
    with_ending = int(np.unique(which[told]).size)
    if np.isnan(value) or min(with_ending, np.unique(which[~told]).size) < 2:
        return Area(value, float("nan"), with_ending, count)
    positive, negative = int(told.sum()), int((~told).sum())
    # The share of the other class that a day ranks rightly against.
    place = np.where(told, _below(np.sort(score[~told]), score) / negative, 1 - _below(np.sort(score[told]), score) / positive)
    pull = (place - value) / np.where(told, positive, negative)
    sums = np.bincount(which, weights=pull, minlength=count)
    return Area(value, float(np.sqrt(count / (count - 1) * (sums**2).sum())), with_ending, count)


def _below(ranked: Floats, score: Floats) -> Floats:
    """How many of the ranked scores lie below each score, ties by half."""
    return (np.searchsorted(ranked, score, "left") + np.searchsorted(ranked, score, "right")) / 2.0


def power_curve(
    told: Panel, indicator: str, histories: tuple[int, ...] = (10, 20, 50, 100, 200), *,
    repetitions: int = 200, seed: int = 1, level: float = 0.95,
) -> pd.DataFrame:
    """How many histories an indicator needs (M-199): a row for each number of histories, drawn anew `repetitions` times from the panel.

    Columns: `indicator`, `histories`, `repetitions`, `scored` (share of draws in which an AUROC exists), `endings` (mean number of
    histories that end), `auroc` (its mean), `error` (its standard deviation over draws), `told_error` (mean of what one draw says
    of its own error), `low`, `high` (the quantiles that hold 95% of draws), `power` (share of draws whose lower one-sided bound at
    `level` lies above ½; a draw without error has none), `source` = synthetic. Histories are drawn with repetition, so no more may
    be drawn than the panel holds. Raises ``InputError`` for an unknown indicator, or a number of histories that cannot be drawn.
    """
    table, faults = told.table, []
    if indicator not in INDICATORS:
        faults.append(_fault("options", "indicator", indicator, "is no indicator of the panel", nearest(indicator, list(INDICATORS))))
    if min(histories, default=0) < 2 or max(histories) > told.histories:
        rule = f"lie between 2 and the {told.histories} of the panel"
        faults.append(_fault("options", "histories", str(histories), rule, "run more paths"))
    if faults:
        raise InputError(faults)
    there = table[indicator].notna().to_numpy()
    y, score = table["y"].to_numpy()[there], table[indicator].to_numpy(np.float64)[there]
    rows_of = _rows(table["history"].to_numpy()[there], told.histories)
    z = float(norm.ppf(level))
    rows: list[tuple[object, ...]] = []
    for n in histories:
        found = [_drawn(y, score, rows_of, n, r, seed) for r in range(repetitions)]
        value, error = (np.array([getattr(a, name) for a in found]) for name in ("value", "error"))
        kept = value[np.isfinite(value)]
        low, high = np.quantile(kept, [0.025, 0.975]) if kept.size else (np.nan, np.nan)
        clear = np.nan_to_num(value - z * error, nan=0.0) > 0.5
        rows.append((
            indicator, n, repetitions, kept.size / repetitions, float(np.mean([a.with_ending for a in found])),
            float(kept.mean()) if kept.size else np.nan, float(kept.std(ddof=1)) if kept.size > 1 else np.nan,
            float(np.nanmean(error)) if np.isfinite(error).any() else np.nan, float(low), float(high), float(clear.mean()), told.source,
        ))
    names = ["indicator", "histories", "repetitions", "scored", "endings", "auroc", "error", "told_error", "low", "high", "power", "source"]
    return pd.DataFrame(rows, columns=names)


def _rows(history: Ints, count: int) -> list[Ints]:
    """The rows of each history; a history without a scored day has none."""
    order = np.argsort(history, kind="stable")
    ends = np.searchsorted(history[order], np.arange(count + 1))
    return [order[a:b] for a, b in pairwise(ends)]


def _drawn(y: NDArray[np.bool_], score: Floats, rows_of: list[Ints], n: int, repetition: int, seed: int) -> Area:
    """The area over n histories that are drawn with repetition; a history drawn twice counts as two."""
    drawn = words(seed, repetition, n, STREAM + 1, np.arange(n))[:, 0]
    chosen = (drawn * np.uint64(len(rows_of)) >> np.uint64(32)).astype(np.int64)
    parts = [rows_of[h] for h in chosen]
    rows = np.concatenate(parts)
    return area_over_histories(y[rows], score[rows], np.repeat(np.arange(n), [p.size for p in parts]))


def score_table(told: Panel, indicators: tuple[str, ...] | None = None) -> pd.DataFrame:
    """Every indicator of a panel with its AUROC and error over all histories (M-198), best first; `source` is synthetic."""
    rows: list[tuple[object, ...]] = []
    for name in indicators or tuple(INDICATORS):
        there = told.table[told.table[name].notna()]
        found = area_over_histories(there["y"].to_numpy(), there[name].to_numpy(np.float64), there["history"].to_numpy())
        rows.append((name, INDICATORS[name], found.value, found.error, found.with_ending, found.histories, len(there), told.source))
    names = ["indicator", "what", "auroc", "error", "histories_with_ending", "histories", "days", "source"]
    return pd.DataFrame(rows, columns=names).sort_values("auroc", ascending=False, kind="stable", ignore_index=True)
