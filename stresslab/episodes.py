"""A scenario from what was: a dated episode of a history, or the path of a supervisor's published table (M-74)."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stresslab import intake
from stresslab.faults import Fault, InputError
from stresslab.history import History
from stresslab.market.files import Market, read_toml, toml_text
from stresslab.scenario import shipped_folder

#: Trading days of a quarter and of the longest run.
QUARTER, DAYS_MOST = 63, 504
#: Digits behind the point of a level in percent: a price of 1,000 yuan to the 厘.
DIGITS = 6
#: A scenario holds no higher level, in percent of day 0.
LEVEL_MOST = 800.0
#: The columns of the Federal Reserve's tables of scenarios, as published.
FED = {
    "name": "Scenario Name", "date": "Date", "equity": "Dow Jones Total Stock Market Index (Level)", "vix": "Market Volatility Index "
                                                                                                            "(Level)",
    "short": "3-month Treasury rate", "long": "10-year Treasury yield", "bbb": "BBB corporate yield",
}
#: What its tables of history and of its mildest scenario are called, and what every column of an international table is named after.
ACTUAL, BASELINE, ABROAD = "actual", "baseline", "bilateral dollar exchange rate"


def episode_scenario(
    history: History, *, first: str, last: str, index: str | None = None, depth: float | None = None, impact_share: float = 0.0,
    days: int | None = None, after: str = "free", name: str | None = None,
) -> dict[str, Any]:
    """The scenario of a dated episode, as its file says it: the index's level by trading day, in percent of the first day's close.

    ``depth`` scales all log returns alike, so that the lowest close lies exactly so many percent below the first.
    ``impact_share`` is the part of every log return, in percent, that is taken to be the impact of the episode's own forced
    sales and left out; without it the scenario has no impact of its own, since the history holds it already.
    """
    faults = [
        Fault("options", rule, way_out, None, key, str(value)) for broken, key, value, rule, way_out in (
            (depth is not None and not 0 < depth <= 95, "depth", depth, "must be above 0 and at most 95", "give a fall in percent"),
            (not 0 <= impact_share < 100, "impact-share", impact_share, "must be from 0 to below 100", "give a share in percent"),
            (depth is not None and impact_share > 0, "impact-share", impact_share, "must not stand beside a depth", "give one of them"),
            (after not in ("free", "flat"), "after", after, "must be free or flat", "choose one"))
        if broken
    ]
    closes = history.closes(index, first, last)
    if len(closes) < 2:
        rule = f"{history.chosen_index(index)} has {len(closes)} closes from {first} to {last}, at least 2 are needed"
        faults.append(Fault("history", rule, "give days of the history", None, "from"))
    elif len(closes) - 1 > DAYS_MOST:
        rule = f"the episode has {len(closes) - 1} trading days, a run at most {DAYS_MOST}"
        faults.append(Fault("history", rule, "end it earlier", None, "to", last))
    elif days is not None and not len(closes) - 1 <= days <= DAYS_MOST:
        rule = f"must be from {len(closes) - 1}, the days of the episode, to {DAYS_MOST}"
        faults.append(Fault("options", rule, "correct it", None, "days", str(days)))
    if faults:
        raise InputError(faults)
    moves = np.log(np.asarray(closes, np.float64) / float(closes.iloc[0]))
    low = 100.0 * (1.0 - math.exp(float(moves.min())))
    a, b = str(closes.index[0].date()), str(closes.index[-1].date())
    said = [f"daily closes of {closes.name}, {a} to {b}, whose low lies {low:.2f}% below the first"]
    if depth is not None:
        if low <= 0:
            raise InputError([Fault("history", "the episode never falls below its first close", "leave --depth out", None, "depth",
                str(depth))])
        scale = math.log(1.0 - depth / 100.0) / float(moves.min())
        moves = moves * scale
        said.append(f"log returns times {scale:.4f}, so that the low lies {depth:g}% below the first")
    elif impact_share > 0:
        moves = moves * (1.0 - impact_share / 100.0)
        said.append(f"assumption: {impact_share:g}% of every log return was the impact of the episode's own forced sales, and is left out")
    else:
        said.append("no impact of its own: the closes hold the forced sales of the time")
    length = len(closes) - 1
    if float(moves.max()) > math.log(LEVEL_MOST / 100.0):
        rule = f"rises above {LEVEL_MOST:g}% of its first close"
        raise InputError([Fault("history", rule, "a scenario reaches no further; choose other days", None, "close")])
    path: dict[str, Any] = {"level_pct": levels(moves), "after": after, "from_date": a, "to_date": b, "index": str(closes.name)}
    path |= {"depth_pct": float(depth)} if depth is not None else {}
    path |= {"stripped_impact_pct": 100.0} if impact_share > 0 else {}
    fallen = depth if depth is not None else 100.0 * (1.0 - math.exp(float(moves.min())))
    return _scenario(
        name or _id(str(closes.name), a, depth), f"{closes.name}, {a} to {b}", f"{closes.name}，{a}至{b}",
        f"The market moves as from {a} to {b}: {fallen:.1f}% below the start at the lowest close",
        f"市场按{a}至{b}的走势变动：最低收盘较起点低{fallen:.1f}%", days or length, path | {"source": "; ".join(said)}, impact_share > 0)


def _id(index: str, day: str, depth: float | None) -> str:
    kept = "-".join(re.findall(r"[A-Za-z0-9.]+", index))
    return "-".join(["episode", *([kept] if kept else []), day, *([f"{depth:g}"] if depth is not None else [])])[:64]


def levels(moves: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    """Levels in percent of day 0 from log moves since then."""
    return [100.0] + [round(100.0 * math.exp(float(m)), DIGITS) for m in moves[1:]]


def between(points: list[tuple[int, float]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Log moves on every day from points (day, level), straight lines in the log between them."""
    days, level = np.array([d for d, _ in points]), np.log([x for _, x in points])
    found: np.ndarray[Any, np.dtype[np.float64]] = np.interp(np.arange(days[-1] + 1), days, level) - level[0]
    return found


def _scenario(
    name: str, title: str, title_zh: str, purpose: str, purpose_zh: str, days: int, path: dict[str, Any], own_impact: bool,
) -> dict[str, Any]:
    """The baseline's stated assumptions with a path for the market; without impact unless the path holds none."""
    base: dict[str, Any] = read_toml(shipped_folder() / "baseline.toml")
    made = {k: v for k, v in base.items() if not isinstance(v, dict)}
    made |= {"id": name, "title": title, "title_zh": title_zh, "purpose": purpose, "purpose_zh": purpose_zh, "days": days}
    liquidity = dict(base["liquidity"])
    if not own_impact:
        liquidity |= {"impact": "none", "source": f"no impact, since the path holds the market's own; the rest as in baseline: "
                                                  f"{liquidity['source']}"}
    blocks = {k: v for k, v in base.items() if isinstance(v, dict) and k not in ("market", "rates", "liquidity")}
    return made | {"market": {"path": path}, "liquidity": liquidity} | blocks


def scenario_toml(written: dict[str, Any]) -> str:
    """A scenario as TOML: what stands at the top, then each table."""
    lines: list[str] = []

    def table(values: dict[str, Any], name: str) -> None:
        plain = {k: v for k, v in values.items() if not isinstance(v, dict)}
        if name and plain:
            lines.extend(["", f"[{name}]"])
        lines.extend(f"{key} = {_value(value)}" for key, value in plain.items())
        for key, value in values.items():
            if isinstance(value, dict):
                table(value, f"{name}.{key}".strip("."))

    table(written, "")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        rows = [", ".join(_value(v) for v in value[n : n + 10]) for n in range(0, len(value), 10)]
        return "[\n    " + ",\n    ".join(rows) + ",\n]" if len(rows) > 1 else f"[{rows[0]}]"
    return repr(value)


# --- the Federal Reserve's tables -----------------------------------------------------------------


@dataclass(frozen=True)
class FedTable:
    """A domestic scenario of the Federal Reserve: the values of each column at the end of each quarter."""

    file: str
    name: str
    quarters: tuple[str, ...]
    values: dict[str, tuple[float, ...]]


def read_fed(*places: Path) -> list[FedTable]:
    """The domestic tables in files and folders of files as published; raises :class:`InputError` with every fault.

    Empty where no file is such a table. International tables beside them are left alone; by themselves they are refused, since
    they hold no equities. Of the table of history the last quarter alone is read.
    """
    files = [f for place in places for f in ([place] if place.is_file() else sorted(place.glob("*.csv")) if place.is_dir() else [])]
    faults: list[Fault] = []
    found, abroad = [], []
    for file in files:
        rows = _rows(file)
        if rows and set(FED.values()) <= set(rows[0]):
            found.append(_fed_table(file, rows, faults))
        elif rows and {FED["name"], FED["date"]} <= set(rows[0]) and any(ABROAD in (column or "") for column in rows[0]):
            abroad.append(file.name)
    if not found:
        rule = "is an international table of the Federal Reserve: it holds growth, inflation and exchange rates, no equities"
        faults += [Fault(name, rule, "only the domestic tables become scenarios: give 3A, and 2A or 1A beside it") for name in abroad]
    if faults:
        raise InputError(faults)
    return found


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(io.StringIO(intake.content(file).decode("utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []  # whoever reads it next says why


def _fed_table(file: Path, rows: list[dict[str, str]], faults: list[Fault]) -> FedTable:
    name = (rows[0][FED["name"]] or "").strip()
    numbered = list(enumerate(rows, start=2))
    if name.lower() == ACTUAL:
        numbered = numbered[-1:]
    values: dict[str, list[float]] = {key: [] for key in FED if key not in ("name", "date")}
    for number, row in numbered:
        for key, column in values.items():
            try:
                column.append(float(row[FED[key]]))
            except (TypeError, ValueError):
                faults.append(Fault(file.name, "is no number", "take the file as published", number, FED[key], str(row[FED[key]])))
                column.append(math.nan)
            if key in ("equity", "vix") and column[-1] <= 0:
                faults.append(Fault(file.name, "must be positive", "take the file as published", number, FED[key], str(row[FED[key]])))
    dates = tuple((r[FED["date"]] or "").strip() for _, r in numbered)
    return FedTable(file.name, name, dates, {k: tuple(v) for k, v in values.items()})


def history_only(options: dict[str, Any]) -> None:
    """Refuse options that say something of a history, where a published table tells the path itself."""
    rule = "is said of a history; a published table tells its path itself"
    faults = [Fault("options", rule, "leave it out", None, key, str(value)) for key, value in options.items() if value is not None]
    if faults:
        raise InputError(faults)


def _begun(chosen: FedTable, tables: list[FedTable]) -> tuple[FedTable, str] | None:
    """The table whose first quarter stands for the state before a scenario, in words; None where only its own first quarter is there."""
    first = chosen.quarters[0]
    for table in tables:
        if table is chosen or table.name.lower() != ACTUAL:
            continue
        if _next_quarter(table.quarters[0]) != first:
            rule = f"ends with {table.quarters[0]}, the scenario of {chosen.file} begins with {first}"
            raise InputError([Fault(table.file, rule, "take the historical table of the same year")])
        return table, f"day 0 is the end of {table.quarters[0]} by the historical table"
    for table in tables:
        if table is chosen or BASELINE not in table.name.lower():
            continue
        if table.quarters[0] != first:
            rule = f"begins with {table.quarters[0]}, the scenario of {chosen.file} with {first}"
            raise InputError([Fault(table.file, rule, "take the baseline of the same year")])
        return table, "the first quarter of the baseline's table stands for the state before"
    return None


def _next_quarter(quarter: str) -> str:
    year, _, number = quarter.partition(" Q")
    if not (year.isdecimal() and number in ("1", "2", "3", "4")):
        return ""
    return f"{int(year) + 1} Q1" if number == "4" else f"{year} Q{int(number) + 1}"


def fed_scenario(tables: list[FedTable], market: Market, *, days: int | None = None, name: str | None = None) -> dict[str, Any]:
    """The scenario of the most adverse of some tables, as its file says it.

    Day 0 is the state before the first quarter: the last quarter of the historical table, else the first of the baseline's, in which
    nothing happens yet. A table alone begins at the end of its first quarter, whose fall it does not tell: its purpose says so.
    Quarter q ends on trading day 63 q, and between quarters the equity index moves on a straight line in its log. The volatility
    multiplier is the mean VIX of the run over the market's volatility. Rates move by the change of the 3-month rate and of the
    spread of BBB bonds over the 10-year rate, in straight lines. What the table does not tell stays as in the baseline scenario.
    """
    told_of = [t for t in tables if t.name.lower() != ACTUAL]
    if not told_of:
        rule = "is a table of history and tells no scenario"
        raise InputError([Fault(t.file, rule, "put the table of a scenario beside it, such as 3A") for t in tables])
    chosen = min(told_of, key=lambda t: min(t.values["equity"]))
    before = _begun(chosen, tables)
    state, begun = before or (chosen, f"day 0 is the end of {chosen.quarters[0]}, what happened in that quarter is left out")
    start = {key: values[0] for key, values in state.values.items()}
    skip = 0 if before else 1
    quarters = min(len(chosen.quarters) - skip, DAYS_MOST // QUARTER)
    most = quarters * QUARTER
    if quarters < 1:
        raise InputError([Fault(chosen.file, "has no quarter after its start", "put the baseline's or the historical table beside it")])
    if days is not None and not 1 <= days <= most:
        raise InputError([Fault("options", f"must be from 1 to {most}, the days that the table tells", "correct it", None, "days",
            str(days))])
    length = days or most
    told = {key: [start[key], *values[skip : skip + quarters]] for key, values in chosen.values.items()}
    at = [q * QUARTER for q in range(quarters + 1)]
    moves = between(list(zip(at, told["equity"], strict=True)))[: length + 1]
    day = np.arange(length + 1)
    rate = np.array(told["short"]) + np.array(told["bbb"]) - np.array(told["long"])
    shift = [round(float(x), 2) + 0.0 for x in np.interp(day, at, rate - rate[0])]
    vix = float(np.interp(day[1:], at, told["vix"]).mean())
    multiplier = round(vix / market.market.volatility_pct, 4) if market.market.volatility_pct > 0 else 1.0
    where = f"{chosen.file}, {chosen.quarters[skip]} to {chosen.quarters[skip + quarters - 1]}, a publication of the Federal Reserve Board"
    fall = 100.0 * (1.0 - math.exp(float(moves.min())))
    path = {
        "level_pct": levels(moves), "after": "free", "index": FED["equity"],
        "source": f"{where}; {begun}; quarter ends on every {QUARTER}rd trading day, straight lines in the log between them",
    }
    called, said, said_zh = chosen.name, f"equities fall {fall:.1f}%", f"股市下跌{fall:.1f}%"
    if before is None:
        first = chosen.quarters[0]
        called += f" without {first}"
        said += (f" after the end of {first}. INCOMPLETE: what they fell in {first} itself is missing, since the table begins at its end; "
                 f"put the baseline's (2A) or the historical table (1A) of the same year beside it")
        said_zh += f"（自{first}末起）。不完整：表格自该季末开始，缺少该季度自身的跌幅；请一并给出同年的基准表（2A）或历史表（1A）"
    made = _scenario(
        name or "fed-" + "-".join(called.lower().split()), f"Federal Reserve: {called}", f"美联储情景：{called}",
        f"{chosen.name} of the Federal Reserve's stress test: {said}", f"美联储压力测试情景：{said_zh}", length, path, True)
    made["market"] = {
        "volatility_multiplier": min(max(multiplier, 0.01), 10.0),
        "source": f"mean {FED['vix']} of the run, {vix:.1f}, over the market's volatility of {market.market.volatility_pct:g}% a year",
    } | made["market"]
    moved = f"{where}; change of the {FED['short']} and of the {FED['bbb']} over the {FED['long']}, straight lines between quarters"
    made["rates"] = {"source": moved, "path": {"shift_pct": shift, "source": moved}}
    return made


def dated(text: str, option: str) -> str:
    """A day as an option gives it, in the form of ISO 8601."""
    found = pd.to_datetime(text, errors="coerce")
    if pd.isna(found):
        raise InputError([Fault("options", "is no date", "write it as 2015-06-12", None, option, text)])
    return str(found.date())
