"""What the page shows of a run: its tables and record, cut down to what a browser can hold for sixty runs.

Figures are those of `estimates`, of the rating and of the record; what is made here is the fan of drawdowns by day (M-230) and the
share of accounts forced to sell by investor type (M-231). Money is in yuan, shares and rates in percent, drawdowns in hundredths of a
percent; what is missing is null.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab import record as records
from stresslab.faults import Fault
from stresslab.glossary import LI_PER_YUAN
from stresslab.sampling import groups_of
from stresslab.statistics import quantile_interval, wilson

#: What the page shows of `estimates`: short name, measure, statistic.
FIGURES: dict[str, tuple[str, str]] = {
    "forced": ("forced_sale_rate", "mean"), "forced_low": ("forced_sale_rate", "q05"), "forced_high": ("forced_sale_rate", "q95"),
    "deficit": ("deficit", "mean"), "reserve": ("absorbed_by_reserve", "mean"), "own": ("absorbed_by_own_capital", "mean"),
    "junior": ("absorbed_by_junior", "mean"), "senior": ("absorbed_by_senior", "mean"), "claims": ("absorbed_by_claims", "mean"),
    "failure": ("failure", "probability"), "unpaid": ("unpaid_redemption", "probability"), "call": ("margin_call_peak", "mean"),
    "sold": ("sold", "mean"), "coverage": ("own_funds_coverage", "median"),
}
#: Levels of which the page shows the drawdown.
SERIES = {"factor": "factor_ppm", "basket": "basket_quoted_ppm"}
QUANTILES = (5, 25, 50, 75, 95)
#: Figures of the limits that are about liquidity (M-118 to M-121).
LIQUIDITY = ("cash_coverage_7d_pct", "cash_coverage_30d_pct", "net_outflow_pct", "lcr_pct", "liquid_pool_pct", "survival_days")
NEEDED = ("estimates.parquet", "days.parquet", "rating.json")
#: What runs of an earlier version did not write; they are shown without it.
LATER = "investors.parquet"
#: What a record must say to be that of a run.
_SAID = ("seed", "paths", "book", "market", "scenarios", "platforms")
_SIGNIFICANT = 6


class Texts:
    """Sentences that many runs repeat, each kept once: a page names them by number."""

    def __init__(self) -> None:
        self.all: list[list[str]] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, en: str, zh: str) -> int:
        """The number of a text in both languages."""
        if (en, zh) not in self._numbers:
            self._numbers[en, zh] = len(self.all)
            self.all.append([en, zh])
        return self._numbers[en, zh]


def number(value: Any) -> float | int | None:
    """A number as JSON holds it, six digits at most; null where there is none."""
    if value is None or pd.isna(value) or not math.isfinite(value):
        return None
    short = float(f"{float(value):.{_SIGNIFICANT}g}")
    return int(short) if short == int(short) else short


def yuan(li: Any) -> float | int | None:
    """An amount in yuan."""
    return None if li is None else number(li / LI_PER_YUAN)


def run_faults(folder: Path, record: dict[str, Any]) -> list[Fault]:
    """What keeps a folder with a record from being shown."""
    way_out = "run the same book and scenarios again into another folder"
    if any(key not in record for key in _SAID):
        return [Fault(str(folder), "its record is neither that of a run nor that of a backtest", "give folders of `stresslab run` or "
                      "`stresslab backtest`")]
    needed = [*NEEDED, LATER] if LATER in (record.get("outputs") or {}) else NEEDED
    if absent := [name for name in needed if not (folder / name).is_file()]:
        rule = "the run has no such table: it is not whole"
        return [Fault(str(folder), rule, way_out, None, "table", ", ".join(absent))]
    return []


def run_of(folder: Path, name: str, record: dict[str, Any], texts: Texts) -> dict[str, Any]:
    """Everything that the page shows of one run, called ``name``."""
    rating, estimates = records.grades_of(folder), records.table_of(folder, "estimates", record)
    book, market = record["book"], record["market"]
    figures, curves = _figures(estimates)
    kinds = records.table_of(folder, "investors", record) if (folder / LATER).is_file() else None
    limits = {p["platform_id"]: p for p in (record.get("limits") or {}).get("platforms", [])}
    sampling = str(record.get("sampling", "plain"))
    return {
        "name": name, "title": str(book["title"]), "as_of": str(book["as_of"]), "synthetic": bool(book.get("synthetic")),
        "accounts": book["accounts"], "market": str(market.get("title") or market.get("source") or ""), "paths": record["paths"],
        "seed": str(record["seed"]), "sampling": sampling, "scenarios": [_scenario(s) for s in record["scenarios"]],
        "platforms": [_platform(p, limits.get(p["platform_id"])) for p in record["platforms"]],
        "figures": figures, "types": None if kinds is None else types(kinds, sampling, record["paths"]),
        "survival": curves, "fan": _fans(folder, record), "grades": _grades(rating, texts), "formulas": formulas(estimates),
        "provisional": bool(rating.get("scale", {}).get("provisional")),
    }


def _scenario(held: dict[str, Any]) -> dict[str, Any]:
    en, zh = held.get("title"), held.get("title_zh")
    # Two runs may mean different things by one name: what a scenario supposes, whatever it is called.
    supposed = records.digest_of({k: v for k, v in held.items() if k not in ("title", "title_zh")})
    return {
        "id": held["id"], "en": str(en or zh or held["id"]), "zh": str(zh or en or held["id"]), "days": held["days"],
        "supposed": supposed[:16],
    }


def _platform(held: dict[str, Any], limits: dict[str, Any] | None) -> dict[str, Any]:
    facts = (limits or {}).get("facts", {})
    ladder = facts.get("ladder")
    return {
        "id": held["platform_id"], "name": str(held.get("name") or held["platform_id"]),
        # By "" what all accounts have, then each investor type: accounts and debt by leverage.
        "leverage": {"": _leverage(held.get("leverage"))} | {
            kind: _leverage(of.get("leverage")) for kind, of in sorted((held.get("investors") or {}).items())
        },
        "edges": (held.get("leverage") or {}).get("edges", []),
        "concentration": {kind: _concentration(of) for kind, of in sorted(facts.get("concentration", {}).items())},
        "ladder": ladder and {"edges": ladder["edges"], "gap": [yuan(v) for v in ladder["gap_li"]]},
        "redemptions": [
            {"share": r["share_pct"], **{k: yuan(r[k]) for k in ("need", "cash", "pool", "line", "short")}}
            for r in facts.get("redemptions", [])
        ],
        "liquidity": [
            {k: x.get(k) for k in ("name", "en", "zh", "side", "amber", "red", "value", "light")}
            for x in (limits or {}).get("limits", []) if x["name"] in LIQUIDITY
        ],
    }


def _leverage(held: dict[str, Any] | None) -> dict[str, Any] | None:
    return held and {"accounts": held["accounts"], "debt": [yuan(v) for v in held["debt_li"]]}


def _concentration(held: dict[str, Any]) -> dict[str, Any]:
    total, index = held["total_li"], held["hhi_ppm"]
    return {
        "top": [[str(who), number(100 * li / total) if total else None] for who, li in held["top"]],
        "count": held["count"], "total": yuan(total), "hhi": None if index is None else number(index / 10_000),
    }


def _figures(table: pd.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    """By scenario and platform: figures as [value, error, low, high], and survival curves as [values, lows, highs] from day 1."""
    wanted = {pair: short for short, pair in FIGURES.items()}
    figures: dict[str, Any] = {}
    whole = table[table["day"] == 0]
    columns = ["scenario", "platform_id", "measure", "statistic", "value", "error", "low", "high"]
    for scenario, platform, measure, statistic, *numbers in whole[columns].itertuples(index=False, name=None):
        short = wanted.get((measure, statistic))
        if short is not None:
            figures.setdefault(scenario, {}).setdefault(platform, {})[short] = [number(n) for n in numbers]
    curves: dict[str, Any] = {}
    daily = table[(table["measure"] == "survival_own_funds") & (table["day"] > 0)]
    for key, part in daily.groupby(["scenario", "platform_id"], sort=False):
        ranked = part.sort_values("day")
        curves.setdefault(str(key[0]), {})[str(key[1])] = [[number(n) for n in ranked[c]] for c in ("value", "low", "high")]
    return figures, curves


def formulas(table: pd.DataFrame) -> dict[str, str]:
    """The formulas of each figure, as `estimates` names them."""
    table = table[["measure", "statistic", "formula"]].drop_duplicates()
    of = {(m, s): f for m, s, f in table.itertuples(index=False, name=None)}
    return {short: of[pair] for short, pair in FIGURES.items() if pair in of}


def types(table: pd.DataFrame, sampling: str, paths: int) -> dict[str, Any]:
    """By scenario, platform (and ALL) and investor type: the share of accounts forced to sell as [value, null, low, high] (M-231).

    The tables hold no path by investor type, so the interval is a ceiling: that of a quantity of the greatest variance.
    """
    groups = groups_of(sampling, np.arange(paths))
    independent = paths if groups is None else len(np.unique(groups))
    found: dict[str, Any] = {}
    for key, part in table.groupby(["scenario", "investor_type"], sort=False):
        scenario, kind = str(key[0]), str(key[1])
        rows = [(p, int(f), int(n)) for p, f, n in part[["platform_id", "forced", "accounts_with_debt"]].itertuples(index=False, name=None)]
        rows.append(("ALL", sum(f for _, f, _ in rows), sum(n for *_, n in rows)))
        for platform, forced, accounts in rows:
            share = forced / (paths * accounts)
            low, high = wilson(np.array(share * independent), independent)
            told = [number(100 * share), None, number(100 * float(low)), number(100 * float(high))]
            found.setdefault(scenario, {}).setdefault(platform, {})[kind] = told
    return found


def _fans(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """By scenario and series: quantiles over paths of the drawdown by day, and the 95% interval of the median."""
    platform = record["platforms"][0]["platform_id"]  # the series are the market's: alike under every platform
    days = records.table_of(folder, "days", record, ["scenario", "platform_id", "path", "day", *SERIES.values()])
    days = days[days["platform_id"] == platform]
    found: dict[str, Any] = {}
    for scenario in (s["id"] for s in record["scenarios"]):
        table = days[days["scenario"] == scenario]
        path = table["path"].to_numpy()
        order = np.lexsort((table["day"].to_numpy(), path))
        paths = np.unique(path)
        if not len(paths):
            continue
        groups = groups_of(str(record.get("sampling", "plain")), paths)
        found[scenario] = {
            series: fan(table[column].to_numpy()[order].reshape(len(paths), -1), groups) for series, column in SERIES.items()
        }
    return found


def drawdowns(levels_ppm: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far each path stands below its highest so far, in percent; (paths, days), day 0 (10⁶) counts as a high (M-230)."""
    highest = np.maximum(np.maximum.accumulate(levels_ppm, axis=1), 1_000_000)
    return 100 * (1 - levels_ppm / highest)


def fan(levels_ppm: NDArray[np.int64], groups: Any = None) -> dict[str, list[int | None]]:
    """Quantiles of drawdowns by day, in hundredths of a percent, with the interval of the median (M-230, M-39)."""
    by_day = np.ascontiguousarray(drawdowns(levels_ppm).T)
    made = {}
    for percent in QUANTILES:
        told = quantile_interval(by_day, percent, groups)
        made[f"q{percent}"] = _hundredths(told.value)
        if percent == 50:
            made |= {"low": _hundredths(told.low), "high": _hundredths(told.high)}
    return made


def _hundredths(values: Any) -> list[int | None]:
    return [None if not math.isfinite(v) else round(100 * v) for v in np.atleast_1d(values).tolist()]


def _grades(rating: dict[str, Any], texts: Texts) -> dict[str, Any]:
    """By platform: the overall grade, and of each scenario the grades before and after, scores, paths by grade, numbers of reasons."""
    found = {}
    for held in rating.get("platforms", []):
        overall = held.get("overall") or {}
        silent = held.get("reason_not_rated")
        found[held["platform_id"]] = {
            "grade": overall.get("grade"), "score": _decimal(overall.get("score")), "decides": overall.get("scenario"),
            "silent": None if not silent else _text(silent, texts),
            "scenarios": {
                s["scenario"]: {
                    "before": s.get("grade_before"), "after": s.get("grade_after"), "score": _decimal(s.get("score_after")),
                    "paths": _migration(s), "reasons": [_text(r, texts) for r in s.get("reasons") or []],
                }
                for s in held.get("scenarios") or []
            },
        }
    return found


def _migration(held: dict[str, Any]) -> list[list[Any]]:
    """Grade, share of all paths, low, high."""
    return [
        [r["to_grade"], *(number(r[k]) for k in ("share_pct", "error_pct", "low_pct", "high_pct"))]
        for r in held.get("migration_table") or [] if r["from_grade"] is None
    ]


def _text(said: Any, texts: Texts) -> int:
    en, zh = (said.get("en"), said.get("zh")) if isinstance(said, dict) else (said, said)
    return texts.number(str(en or zh or ""), str(zh or en or ""))


def _decimal(text: Any) -> float | int | None:
    return None if text is None else number(float(text))
