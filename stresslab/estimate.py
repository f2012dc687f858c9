"""Figures with their sampling errors: what the outcome tables say over all paths.

Formulas (M-38) to (M-41), (M-50) and (M-51) of ``docs/method.md``. One call, :func:`estimate`, turns
`outcomes` and `days` into `estimates`; :func:`sector_estimates` does the same for `sectors`, and
:func:`paired` sets two scenarios side by side on the same paths; the statistics themselves stand in
``statistics.py``. All paths of a scenario are sorted before anything is
added up, so that the order of rows cannot change a byte. Figures of a crash scenario are
conditional on the crash, and a quantile of them is never called VaR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.faults import Fault, InputError
from stresslab.glossary import LI_PER_YUAN, NULL_WHEN_ZERO, OUTPUTS
from stresslab.sampling import Sampling, groups_of
from stresslab.statistics import (
    Estimate,
    Floats,
    Groups,
    Ints,
    Tail,
    finite,
    mean,
    null,
    probability,
    quantile_interval,
    ratio,
    tail_mean,
)

Columns = dict[str, Ints]

#: The row that adds up all platforms of a scenario, path by path.
TOTAL = "ALL"
#: The quantiles that are reported, in percent.
QUANTILES = {"median": 50, "q05": 5, "q95": 95}
#: Own-funds coverage below this many percent is what (M-43) counts.
COVERAGE_LINE_PCT = 15

_PPM_PER_PERCENT = 10_000


def estimate(outcomes: pd.DataFrame, days: pd.DataFrame, sampling: str = Sampling.PLAIN) -> pd.DataFrame:
    """The table `estimates`: one row per (scenario, platform, measure, statistic, day).

    Money is in yuan, ratios and probabilities in percent; day 0 is the whole run. Scenarios and
    platforms stand in the order in which `outcomes` names them, and each scenario ends with
    platform ``ALL``: money, counts and the ratios of sums (forced-sale rate, own-funds coverage and
    absorption, displaced share), added up over platforms path by path. Days of the circuit breaker
    are the market's: they stand alike under every platform and under ``ALL``. The own-funds coverage
    of ``ALL`` is all own funds over the sum of the platforms' peak calls, which need not fall on one
    day; margin coverage, probabilities and survival curves are given for platforms only. `days` says
    how long each scenario runs, `sampling` how paths were drawn (the run's record says it).

    Null are, beside what the statistics themselves leave open: a quantile of own-funds coverage
    that is infinite (no calls), `own_funds_absorption` where no path has a deficit and
    `displaced_share` where none has a forced sale (their `paths` count those that have), a first
    unpaid day that never comes, and the error of the earliest.
    Raises ``InputError`` for tables that are not one row per scenario, path and platform.
    """
    last_days = _last_days(days)
    rows: list[tuple[str, str, str, str, int, float, float, float, float, int, str, str]] = []
    for scenario, platforms, columns in _scenarios(outcomes):
        if scenario not in last_days:
            raise InputError(
                [_fault("days", "scenario", scenario, "every scenario of `outcomes` has its days")]
            )
        figures = list(_figures(columns, last_days[scenario], groups_of(sampling, columns["path"][0])))
        for r, platform in enumerate([*platforms, TOTAL]):
            for figure in figures:
                rows.extend((scenario, platform, *rest) for rest in figure.rows(r))
    names = [measure.name for measure in OUTPUTS["estimates"]]
    table = pd.DataFrame(rows, columns=names)
    floats = ["value", "error", "low", "high"]
    return table.astype({"day": "int64", "paths": "int64"} | dict.fromkeys(floats, "float64"))


#: Shares of a sector: the column whose sum over sectors is the whole, and the formula behind it.
_SECTOR_SHARES = {
    "share_of_value": ("value_li", "M-3"), "share_of_sold": ("sold_li", "M-25"), "share_of_displaced": ("displaced_li", "M-48"),
    "share_of_impact_loss": ("impact_loss_li", "M-24"),
}
_SECTOR_MONEY = {"value": "M-3", "sold": "M-25", "displaced": "M-48", "impact_loss": "M-24"}
SECTOR_COLUMNS = ("scenario", "sector", "measure", "statistic", "value", "error", "low", "high", "paths", "unit", "formula")


def sector_estimates(sectors: pd.DataFrame, sampling: str = Sampling.PLAIN) -> pd.DataFrame:
    """What each sector holds, sells and loses, and its shares in all sectors, with sampling errors.

    `sectors` is the run's table of that name, one row per scenario, path and sector. The result has
    the columns of `SECTOR_COLUMNS`. The means ``value``, ``sold``, ``displaced`` and ``impact_loss``
    are in yuan (M-38). The shares ``share_of_value`` (of collateral), ``share_of_sold``,
    ``share_of_displaced`` and ``share_of_impact_loss`` are in percent (M-51), statistic ``ratio``;
    their `paths` counts the paths on which there is a whole to share. Raises ``InputError`` for a
    table that is not one row per scenario, path and sector.
    """
    needed = tuple(column for column, _ in _SECTOR_SHARES.values())
    rows: list[tuple[str, str, str, str, float, float, float, float, int, str, str]] = []
    for scenario, names, columns in _grids(sectors, "sectors", "sector", needed):
        groups = groups_of(sampling, columns["path"][0])
        found: list[tuple[str, str, Estimate, Ints, str, str]] = []
        for measure, formula in _SECTOR_MONEY.items():
            values = columns[f"{measure}_li"].astype(np.float64)
            shown = Estimate(*(part / LI_PER_YUAN for part in mean(values, groups)))
            found.append((measure, "mean", shown, np.full(len(names), values.shape[1]), "yuan", f"{formula}, M-38"))
        for measure, (column, formula) in _SECTOR_SHARES.items():
            parts = columns[column].astype(np.float64)
            wholes = np.broadcast_to(columns[column].sum(axis=0).astype(np.float64), parts.shape)
            counts = (wholes != 0).sum(axis=1)
            found.append((measure, "ratio", ratio(parts, wholes, groups), counts, "%", f"{formula}, M-51"))
        for r, name in enumerate(names):
            for measure, statistic, one, counts, unit, formula in found:
                value, error, low, high = (float(part[r]) for part in one)
                rows.append((scenario, name, measure, statistic, value, error, low, high, int(counts[r]), unit, formula))
    return pd.DataFrame(rows, columns=list(SECTOR_COLUMNS))


PAIRED_COLUMNS = (
    "platform_id", "measure", "first", "second", "difference", "error", "low", "high", "better", "worse", "paths", "unit", "formula",
)


def paired(outcomes: pd.DataFrame, first: str, second: str, sampling: str = Sampling.PLAIN) -> pd.DataFrame:
    """What the second scenario changes against the first on the same paths (M-50), by platform and measure.

    Columns are those of `PAIRED_COLUMNS`: both means, their difference (second − first) with the
    error and 95% interval of a mean of differences, and on how many paths the second is better or
    worse. Lower is better but for margin coverages, gains of hedges and own funds; paths that are neither are equal. Money is in
    yuan, events (failure and the like) and ratios in percent; a difference of percents is in points.
    Platform ``ALL`` adds up platforms as :func:`estimate` does. Raises ``InputError`` unless both
    scenarios are in the table, differ, and have the same paths and platforms.
    """
    if first == second:
        raise InputError([_fault("outcomes", "scenario", first, "two different scenarios are compared")])
    chosen = outcomes[outcomes["scenario"].isin([first, second])] if "scenario" in outcomes else outcomes
    grids = {scenario: (names, columns) for scenario, names, columns in _scenarios(chosen)}
    absent = [scenario for scenario in (first, second) if scenario not in grids]
    if absent:
        raise InputError([_fault("outcomes", "scenario", scenario, "the run has this scenario") for scenario in absent])
    (platforms, one), (others, two) = grids[first], grids[second]
    # Names stand in the order of the table, which both scenarios share.
    if platforms != others or not np.array_equal(one["path"], two["path"]):
        raise InputError([_fault("outcomes", "path", "", "scenarios that are compared have the same platforms and paths")])
    names = [*platforms, TOTAL]
    rows: list[tuple[object, ...]] = []
    for measure, unit, formula, sign, before, after in _pairs(one, two):
        change = after - before
        told = mean(change, groups_of(sampling, one["path"][0]))
        better, worse = ((sign * change < 0).sum(axis=1), (sign * change > 0).sum(axis=1))
        for r in range(len(change)):
            means = (float(mean(before[r]).value), float(mean(after[r]).value))
            numbers = (*means, *(float(part[r]) for part in told), int(better[r]), int(worse[r]), change.shape[1])
            rows.append((names[r], measure, *numbers, unit, formula))
    found = pd.DataFrame(rows, columns=list(PAIRED_COLUMNS))
    rank = {name: place for place, name in enumerate(names)}
    return found.sort_values("platform_id", key=lambda ids: ids.map(rank), kind="stable", ignore_index=True)


def _pairs(one: Columns, two: Columns) -> Iterator[tuple[str, str, str, float, Floats, Floats]]:
    """Each measure and event of two scenarios, in shown units: name, unit, formula, sign of the bad side, both values."""
    totals = _with_total(one), _with_total(two)
    costs = _PAIRED_ONLY if all(name in one and name in two for name in _COSTS) else ()
    for measure in (*_MEASURES, *costs):
        before, after = (measure.read(t if measure.total else c) for t, c in zip(totals, (one, two), strict=True))
        sign = 1.0 if measure.worse == "high" else -1.0
        yield measure.name, measure.unit, f"{measure.formula}, M-50", sign, before / measure.divisor, after / measure.divisor
    for name, formula, happened in _EVENTS:
        before, after = (np.where(happened(columns), 100.0, 0.0) for columns in (one, two))
        yield name, "%", f"{formula}, M-50", 1.0, before, after


# --- measures -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Measure:
    """One measure: how to read it from the columns of a scenario, and how to show it."""

    name: str
    read: Callable[[Columns], Floats]
    unit: str
    divisor: int
    formula: str
    worse: Tail = "high"
    total: bool = True


_FORMULAS = {measure.name: measure.formula for measure in OUTPUTS["outcomes"]}


def _money(name: str, *, minus: str = "", column: str = "") -> _Measure:
    """A money column in yuan, or the difference of two, path by path."""
    first = f"{column or name}_li"

    def read(columns: Columns) -> Floats:
        paired = columns[first] - columns[f"{minus}_li"] if minus else columns[first]
        return paired.astype(np.float64)

    return _Measure(name, read, "yuan", LI_PER_YUAN, _FORMULAS[first])


def _accounts(name: str) -> _Measure:
    """A count of accounts."""
    return _Measure(
        name, lambda columns: columns[name].astype(np.float64), "accounts", 1, _FORMULAS[name]
    )


def _margin(name: str) -> _Measure:
    """A margin coverage; the kernel's parts per million become percent."""
    column = f"{name}_ppm"
    return _Measure(
        name,
        lambda columns: columns[column].astype(np.float64),
        "%",
        _PPM_PER_PERCENT,
        _FORMULAS[column],
        worse="low",
        total=False,
    )


def _forced_sale_rate(columns: Columns) -> Floats:
    """Forced accounts in percent of those with debt at the start; 0 where nobody owes anything."""
    return 100 * columns["accounts_forced"] / np.maximum(columns["accounts_with_debt"], 1)


def _coverage(columns: Columns, call: str) -> Floats:
    """Own funds before in percent of a call; +infinity, and passed, without a call."""
    called = columns[call]
    ratio = 100.0 * columns["own_funds_before_li"] / np.maximum(called, 1)
    return np.where(called == 0, np.inf, ratio)


_MEASURES: tuple[_Measure, ...] = (
    *map(
        _money,
        (
            "margin_call_peak",
            "margin_call_peak_fundamental",
            "margin_call_issued",
            "margin_call_unanswered",
        ),
    ),
    *map(_accounts, ("accounts_called", "accounts_forced", "accounts_in_deficit")),
    _Measure("forced_sale_rate", _forced_sale_rate, "%", 1, "M-35"),
    *map(
        _money,
        (
            "sold",
            "displaced",
            "deficit",
            "absorbed_by_reserve",
            "absorbed_by_own_capital",
            "absorbed_by_junior",
            "absorbed_by_senior",
            "absorbed_by_claims",
            "deficit_unrealised",
            "loss_holding",
            "loss_without_impact",
            "loss_with_impact",
            "unpaid_end",
        ),
    ),
    _money("reaction_loss", column="loss_with_impact", minus="loss_without_impact"),
    _money("rule_loss", column="loss_without_impact", minus="loss_holding"),
    _margin("margin_coverage"),
    _margin("margin_coverage_fundamental"),
    _Measure("breaker_days", lambda columns: columns["breaker_days"].astype(np.float64), "days", 1, "M-45"),
)

#: What only a comparison tells: what a response costs and brings, and what is left.
_PAIRED_ONLY: tuple[_Measure, ...] = (
    *map(_money, ("client_paid", "selling_cost", "line_drawn", "exchange_loss", "compensation", "hedge_cost")),
    _Measure("hedge_gain", lambda columns: columns["hedge_gain_li"].astype(np.float64), "yuan", LI_PER_YUAN, "M-151", worse="low"),
    _Measure(
        "own_funds_end", lambda columns: (columns["reserve_end_li"] + columns["own_capital_end_li"]).astype(np.float64), "yuan",
        LI_PER_YUAN, "M-28", worse="low"),
)

#: Ratios that may be infinite: they have quantiles, but no mean and no tail mean.
_COVERAGES: tuple[tuple[str, str], ...] = (
    ("own_funds_coverage", "margin_call_peak_li"),
    ("own_funds_coverage_unanswered", "margin_call_unanswered_li"),
)

#: Events of a path, with the formula that defines each.
_EVENTS: tuple[tuple[str, str, Callable[[Columns], NDArray[np.bool_]]], ...] = (
    ("failure", "M-28", lambda columns: columns["failure_day"] > 0),
    ("unpaid_redemption", "M-36", lambda columns: columns["first_unpaid_day"] > 0),
    ("own_funds_exhausted", "M-36", lambda columns: columns["own_funds_exhausted_day"] > 0),
    ("any_deficit", "M-26", lambda columns: columns["deficit_li"] > 0),
    ("coverage_below_15", "M-43", lambda columns: _coverage_below(columns)),
)

_SURVIVAL = (
    ("survival_own_funds", "own_funds_exhausted_day"),
    ("survival_payment", "first_unpaid_day"),
)


def _coverage_below(columns: Columns) -> NDArray[np.bool_]:
    """Paths with own-funds coverage strictly below 15%, in integers."""
    call = columns["margin_call_peak_li"]
    # own × 100 < 15 × call, turned so that only own funds (below 2^53) are multiplied.
    return (call > 0) & (call > columns["own_funds_before_li"] * 100 // COVERAGE_LINE_PCT)



def figure_names() -> list[tuple[str, str, str]]:
    """Measure, statistic and unit of every figure of :func:`estimate` that is of the whole run, not of a day."""
    spread = ("mean", *QUANTILES, "tail_mean")
    names = [(measure.name, statistic, measure.unit) for measure in _MEASURES for statistic in spread]
    names += [(name, statistic, "%") for name, _ in _COVERAGES for statistic in QUANTILES]
    names += [("own_funds_absorption", statistic, "%") for statistic in spread]
    names += [("displaced_share", "ratio", "%")]
    names += [(name, "probability", "%") for name, _, _ in _EVENTS]
    return [*names, ("first_unpaid_day", "median", "day"), ("first_unpaid_day", "earliest", "day")]


# --- one scenario -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Figure:
    """One measure and statistic: platforms (and perhaps the total) down, days across."""

    measure: str
    statistic: str
    estimate: Estimate
    paths: Ints
    unit: str
    formula: str

    def rows(
        self, r: int
    ) -> Iterator[tuple[str, str, int, float, float, float, float, int, str, str]]:
        """The table rows of platform number r, without its name; none for a total not given."""
        if r >= len(self.paths):
            return
        by_day = [part[r] for part in self.estimate]
        curve = by_day[0].ndim == 1
        days = enumerate(zip(*by_day, strict=True), start=1) if curve else [(0, tuple(by_day))]
        for day, (value, error, low, high) in days:
            numbers = (float(value), float(error), float(low), float(high))
            yield (
                self.measure,
                self.statistic,
                day,
                *numbers,
                int(self.paths[r]),
                self.unit,
                self.formula,
            )


def _figures(columns: Columns, last_day: int, groups: Groups) -> Iterator[_Figure]:
    """All figures of one scenario, in the order of the table."""
    total = _with_total(columns)
    n = columns["deficit_li"].shape[1]
    for measure in _MEASURES:
        values = measure.read(total if measure.total else columns)
        counts = np.full(len(values), n)
        for statistic, found, formula in _statistics(values, measure.worse, groups):
            shown = Estimate(*(part / measure.divisor for part in found))
            yield _Figure(
                measure.name,
                statistic,
                shown,
                counts,
                measure.unit,
                f"{measure.formula}, {formula}",
            )
    for name, call in _COVERAGES:
        values = _coverage(total, call)
        for statistic, percent in QUANTILES.items():
            found = quantile_interval(values, percent, groups)
            yield _Figure(name, statistic, found, np.full(len(values), n), "%", "M-33, M-39")
    yield from _absorption(total, groups)
    yield _displaced_share(total, groups)
    yield from _events(columns, last_day, groups)


def _with_total(columns: Columns) -> Columns:
    """The columns of all platforms with their sum as a last row."""
    total = {name: np.concatenate([c, c.sum(axis=0, keepdims=True)]) for name, c in columns.items()}
    # One market for all platforms, who all say the same of it: its days are not added up.
    total["breaker_days"][-1] = columns["breaker_days"].max(axis=0)
    return total


def _statistics(values: Floats, worse: Tail, groups: Groups) -> Iterator[tuple[str, Estimate, str]]:
    """Mean, quantiles and tail mean of finite values, each with the formula of its error."""
    # Sorted once for all, unless it matters which path a value is of.
    ranked = np.sort(values, axis=-1) if groups is None else values
    yield "mean", mean(ranked, groups), "M-38"
    for statistic, percent in QUANTILES.items():
        yield statistic, quantile_interval(ranked, percent, groups), "M-39"
    yield "tail_mean", tail_mean(ranked, worse, groups), "M-40"


def _absorption(total: Columns, groups: Groups) -> Iterator[_Figure]:
    """Share of the deficit that own funds bore, over the paths that have a deficit (M-34)."""
    own = total["absorbed_by_reserve_li"] + total["absorbed_by_own_capital_li"]
    deficit = total["deficit_li"]
    counts = (deficit > 0).sum(axis=1)
    nothing = np.full((), np.nan)
    found: dict[str, list[Estimate]] = {}
    formulas: dict[str, str] = {}
    for r, count in enumerate(counts):
        hit = deficit[r] > 0
        # A lone zero stands in where no path has a deficit: it names the statistics, and is nulled.
        values = 100 * own[r][hit] / deficit[r][hit] if count else np.zeros(1)
        for statistic, one, formula in _statistics(values, "low", groups[hit] if groups is not None and count else None):
            found.setdefault(statistic, []).append(one if count else Estimate(*[nothing] * 4))
            formulas[statistic] = f"M-34, {formula}"
    for statistic, ones in found.items():
        stacked = Estimate(*(np.stack(parts) for parts in zip(*ones, strict=True)))
        yield _Figure("own_funds_absorption", statistic, stacked, counts, "%", formulas[statistic])


def _displaced_share(total: Columns, groups: Groups) -> _Figure:
    """Displaced sales in percent of forced sales, in money, over the paths with a forced sale (M-48)."""
    sold = total["sold_li"].astype(np.float64)
    found = ratio(total["displaced_li"].astype(np.float64), sold, groups)
    return _Figure("displaced_share", "ratio", found, (sold != 0).sum(axis=1), "%", "M-48, M-51")


def _events(columns: Columns, last_day: int, groups: Groups) -> Iterator[_Figure]:
    """Probabilities, the first unpaid day and the survival curves of each platform."""
    platforms, n = columns["deficit_li"].shape
    counts = np.full(platforms, n)
    for name, formula, happened in _EVENTS:
        found = probability(happened(columns), groups)
        yield _Figure(name, "probability", found, counts, "%", f"{formula}, M-38")
    first = columns["first_unpaid_day"]
    never_last = np.where(first > 0, first.astype(np.float64), np.inf)
    median = quantile_interval(never_last, 50, groups)
    yield _Figure("first_unpaid_day", "median", median, counts, "day", "M-36, M-39")
    earliest = finite(never_last.min(axis=1))
    alone = Estimate(earliest, null(earliest), null(earliest), null(earliest))
    yield _Figure("first_unpaid_day", "earliest", alone, counts, "day", "M-36")
    for name, column in _SURVIVAL:
        ends = np.where(columns[column] > 0, columns[column], last_day + 1)
        alive = ends[:, None, :] > np.arange(1, last_day + 1)[None, :, None]
        yield _Figure(name, "survival", probability(alive, groups), counts, "%", "M-36, M-41")


# --- reading the outcome tables -----------------------------------------------------------------


def _fault(table: str, column: str, value: str, rule: str) -> Fault:
    """A fault of an outcome table; the way out is always a whole run folder."""
    return Fault(
        file=f"{table}.parquet",
        column=column,
        value=value,
        rule=rule,
        way_out="use the tables of one whole run folder, unchanged; what an earlier version made, run again",
    )


_NEEDED = (
    "accounts_with_debt",
    "own_funds_before_li",
    *(
        f"{name}_li"
        for name in ("margin_call_peak", "margin_call_peak_fundamental", "margin_call_issued")
    ),
    "margin_call_unanswered_li",
    "margin_coverage_ppm",
    "margin_coverage_fundamental_ppm",
    *("accounts_called", "accounts_forced", "accounts_in_deficit"),
    *("sold_li", "displaced_li", "deficit_li", "deficit_unrealised_li", "unpaid_end_li"),
    *(
        f"absorbed_by_{layer}_li"
        for layer in ("reserve", "own_capital", "junior", "senior", "claims")
    ),
    *("first_unpaid_day", "own_funds_exhausted_day", "failure_day", "breaker_days"),
    *(f"loss_{column}_li" for column in ("holding", "without_impact", "with_impact")),
)


#: What a comparison alone needs (`_PAIRED_ONLY`); a table without it is compared without.
_COSTS = (
    *(f"{name}_li" for name in ("client_paid", "selling_cost", "line_drawn", "exchange_loss", "compensation", "hedge_cost", "hedge_gain")),
    "reserve_end_li", "own_capital_end_li",
)


def _last_days(days: pd.DataFrame) -> dict[str, int]:
    """The last trading day of each scenario."""
    absent = [name for name in ("scenario", "day") if name not in days]
    if absent:
        raise InputError([_fault("days", name, "", "the column is missing") for name in absent])
    last = days.groupby("scenario", sort=False, observed=True)["day"].max()
    return {str(scenario): int(day) for scenario, day in last.items()}


def _scenarios(outcomes: pd.DataFrame) -> Iterator[tuple[str, list[str], Columns]]:
    """Each scenario with its platforms and its columns as integers, platforms × paths."""
    if "platform_id" in outcomes and (outcomes["platform_id"] == TOTAL).any():
        raise InputError(
            [_fault("outcomes", "platform_id", TOTAL, f"{TOTAL} names the total of all platforms")]
        )
    yield from _grids(outcomes, "outcomes", "platform_id", (*_NEEDED, *(name for name in _COSTS if name in outcomes)))


def _grids(table: pd.DataFrame, file: str, of: str, needed: tuple[str, ...]) -> Iterator[tuple[str, list[str], Columns]]:
    """Each scenario with the names in column `of` and its needed columns as integers, names × paths; ``path`` is among them."""
    keys = ("scenario", "path", of)
    faults = [_fault(file, c, "", "the column is missing") for c in (*keys, *needed) if c not in table]
    if not faults:
        required = [c for c in (*keys, *needed) if c not in NULL_WHEN_ZERO]
        empty = table[required].isna().any()
        faults = [_fault(file, str(c), "", "no value is missing") for c in empty.index[empty]]
    if faults:
        raise InputError(faults)
    scenario_codes, scenario_names = pd.factorize(table["scenario"])
    codes, names = pd.factorize(table[of])
    values = {name: table[name].fillna(0).to_numpy(dtype=np.int64) for name in ("path", *needed)}
    paths = values["path"]
    for code, scenario in enumerate(scenario_names):
        rows = np.flatnonzero(scenario_codes == code)
        rows = rows[np.lexsort((paths[rows], codes[rows]))]
        present = np.unique(codes[rows])
        n = len(np.unique(paths[rows]))
        if not _is_grid(codes[rows], paths[rows], present, n):
            rule = f"one row per path and {of.removesuffix('_id')}"
            raise InputError([_fault(file, "scenario", str(scenario), rule)])
        columns = {name: held[rows].reshape(len(present), n) for name, held in values.items()}
        yield str(scenario), [str(names[code]) for code in present], columns


def _is_grid(names: Ints, paths: Ints, present: Ints, n: int) -> bool:
    """Whether rows sorted by name and path hold every path of every name, each once."""
    if not np.array_equal(names, np.repeat(present, n)):
        return False
    return np.array_equal(paths, np.tile(np.unique(paths), len(present)))
