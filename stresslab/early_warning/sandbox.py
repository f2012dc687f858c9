"""The sandbox: may a rule that ran in shadow act? Judged on a history by its backtest, on a run by its days (M-253 to M-255).

Nothing is simulated here: a run's tables say what every platform knew each evening, and on which day it failed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.early_warning import intervals, scores
from stresslab.early_warning.rules import GRADES, Rule, read_rule
from stresslab.early_warning.synthetic import INDICATORS, Ending, Panel, panel_of_run

#: With fewer endings a rule is not let act: events of a history are rare and long, paths of a run are cheap.
LEAST = {"history": 3, "run": 30}

COLUMNS = (
    "on", "window", "shadow", "in_force", "days", "endings", "both", "shadow_alone", "in_force_alone", "neither",
    "warned_shadow", "warned_in_force", "lead_shadow", "lead_in_force", "false_alarms_shadow", "false_alarms_in_force",
    "usefulness_shadow", "usefulness_in_force", "difference", "low", "high",
)


@dataclass(frozen=True)
class Verdict:
    """Whether a rule in shadow may act in place of one in force, and each condition with its reason in both languages."""

    window: str
    in_force: str
    promoted: bool
    reasons: tuple[tuple[str, bool, str, str], ...]

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        told = [{"condition": c, "holds": h, "en": en, "zh": zh} for c, h, en, zh in self.reasons]
        return {"window": self.window, "in_force": self.in_force, "promoted": self.promoted, "reasons": told}


def verdicts(pairs: pd.DataFrame) -> list[Verdict]:
    """The promotion rule (M-255) for every row of a comparison with the columns of ``COLUMNS``."""
    return [_verdict(row) for row in pairs.to_dict("records")]


def _verdict(row: dict[Any, Any]) -> Verdict:
    least, n = LEAST[row["on"]], int(row["endings"])
    warned, other = int(row["warned_shadow"]), int(row["warned_in_force"])
    low, high = float(row["low"]), float(row["high"])
    lead, lead_other = float(row["lead_shadow"]), float(row["lead_in_force"])
    between = f"{low:+.2f} … {high:+.2f}" if math.isfinite(low) else "—"
    days, days_other = (f"{v:.0f}" if math.isfinite(v) else "—" for v in (lead, lead_other))
    reasons = (
        ("endings", n >= least, f"{n} events to judge by, at least {least} are needed", f"可评判事件{n}个，至少需{least}个"),
        ("difference", low > 0, f"usefulness gained {between}: the whole interval must lie above 0",
         f"有用性增量{between}：区间须全部高于0"),
        ("missed", warned >= other, f"warned of {warned} events, the rule in force of {other}", f"预警{warned}个事件，现行规则{other}个"),
        ("lead", math.isnan(lead_other) or lead >= lead_other, f"median lead {days} days, of the rule in force {days_other}",
         f"中位提前{days}日，现行规则{days_other}日"),
    )
    return Verdict(str(row["window"]), str(row["in_force"]), all(holds for _, holds, _, _ in reasons), reasons)


def history_pairs(shadow: pd.DataFrame, leads: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """The comparison on a history: the table ``shadow`` of a backtest with events warned of, leads and false alarms beside it."""
    if shadow.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    false = told[told["measure"] == "false_alarms_a_year"].set_index(["window", "model"])["value"]
    rows = []
    for row in shadow.to_dict("records"):
        own: dict[str, Any] = {"on": "history"}
        for side in ("shadow", "in_force"):
            mine = leads[(leads["window"] == row["window"]) & (leads["model"] == row[side])]
            known = mine["lead_days"].dropna().astype(float)
            own |= {
                "endings": len(mine), f"warned_{side}": len(known), f"lead_{side}": float(known.median()) if len(known) else math.nan,
                f"false_alarms_{side}": float(false.get((row["window"], row[side]), math.nan)),
            }
        rows.append(row | own)
    return pd.DataFrame(rows, columns=list(COLUMNS))


# --- on a finished run --------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """``mu`` weighs a missed day against a false alarm (M-183); whole paths are drawn again ``repetitions`` times."""

    mu: float = 0.9
    repetitions: int = 200
    seed: int = 1
    level: float = 0.95


def shadow_of_run(
    folder: Path | str, shadow: Path | str, in_force: Path | str, *, ending: Ending = "failure_day", horizon: int = 5,
    scenario: str | None = None, platform: str | None = None, settings: Settings | None = None,
) -> tuple[pd.DataFrame, Panel]:
    """Two rule files on the days of a finished run (M-254): one row with the columns of ``COLUMNS``, and the panel behind it.

    Conditions name the indicators of a panel (``synthetic.INDICATORS``). Raises ``InputError`` for a folder that is no run and for
    rules that name something else.
    """
    names = tuple(INDICATORS)
    rules = [read_rule(path, only=names) for path in (shadow, in_force)]
    told = panel_of_run(folder, scenario=scenario, platform=platform, ending=ending, horizon=horizon)
    return pairs_of_panel(told, rules[0], rules[1], settings or Settings()), told


def pairs_of_panel(told: Panel, shadow: Rule, in_force: Rule, held: Settings) -> pd.DataFrame:
    """The comparison of two rules on a panel."""
    table = told.table
    values = {name: table[name].to_numpy(np.float64) for name in INDICATORS}
    a, b = (rule.grades(values, len(table)) >= GRADES.index(rule.alarm_from) for rule in (shadow, in_force))
    return pairs_of_alarms(told, a, b, (f"shadow:{shadow.id}", f"rule:{in_force.id}"), "run", held)


def pairs_of_alarms(
    told: Panel, a: NDArray[np.bool_], b: NDArray[np.bool_], names: tuple[str, str], window: str, held: Settings,
) -> pd.DataFrame:
    """The comparison of two series of alarms on the days of a panel: of whom is in shadow and of whom is in force."""
    table = told.table
    y = table["y"].to_numpy(bool)
    row: dict[str, Any] = {
        "on": "run", "window": window, "shadow": names[0], "in_force": names[1], "days": len(table),
        "both": int((a & b).sum()), "shadow_alone": int((a & ~b).sum()), "in_force_alone": int((~a & b).sum()),
        "neither": int((~a & ~b).sum()),
    }
    row["endings"] = endings_of(table, y)
    for side, alarm in (("shadow", a), ("in_force", b)):
        row[f"warned_{side}"], row[f"lead_{side}"], row[f"false_alarms_{side}"] = warned_of(table, y, alarm)
    row |= _gain(y, a, b, table["history"].to_numpy(np.int64), told.histories, held)
    return pd.DataFrame([row], columns=list(COLUMNS))


def _one(table: pd.DataFrame) -> NDArray[np.int64]:
    """Which platform of which path under which scenario a row is of."""
    return np.asarray(table.groupby(["scenario", "path", "platform_id"], sort=False).ngroup(), np.int64)


def endings_of(table: pd.DataFrame, y: NDArray[np.bool_]) -> int:
    """How many endings there are to warn of."""
    return int(np.unique(_one(table)[y]).size)


def warned_of(table: pd.DataFrame, y: NDArray[np.bool_], alarm: NDArray[np.bool_]) -> tuple[int, float, float]:
    """Endings with an alarm before them, its median lead in days, and false alarms a year (M-186); NaN where there are none."""
    if not len(table):
        return 0, math.nan, math.nan
    one = _one(table)
    place = one * (int(table["day"].max()) + 2) + table["day"].to_numpy(np.int64)
    order = np.argsort(place)
    leads = table.loc[y & alarm, "ends_in"].groupby(one[y & alarm]).max()
    lead = float(leads.median()) if len(leads) else math.nan
    return len(leads), lead, scores.false_alarms_per_year(y[order], alarm[order], place[order]).episodes


def _gain(
    y: NDArray[np.bool_], a: NDArray[np.bool_], b: NDArray[np.bool_], history: NDArray[np.int64], histories: int, held: Settings,
) -> dict[str, float]:
    """Relative usefulness of both and their paired difference; the interval draws whole paths, which are independent."""
    if y.all() or not y.any():
        return dict.fromkeys(("usefulness_shadow", "usefulness_in_force", "difference", "low", "high"), math.nan)

    def counts(of: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(history[of], minlength=histories).astype(np.float64)

    def relative(before: float, quiet: float, missed: float, false: float) -> float:
        least = min(held.mu * before, (1 - held.mu) * quiet)
        return (least - held.mu * missed - (1 - held.mu) * false) / least if least > 0 else math.nan

    def less(before: Any, quiet: Any, *of: Any) -> float:
        s = [float(c.sum()) for c in (before, quiet, *of)]
        return relative(s[0], s[1], s[2], s[3]) - relative(s[0], s[1], s[4], s[5])

    columns = [counts(y), counts(~y), counts(y & ~a), counts(~y & a), counts(y & ~b), counts(~y & b)]
    s = [float(c.sum()) for c in columns]
    drawn = intervals.block_bootstrap(less, *columns, block=1, repetitions=held.repetitions, seed=held.seed, level=held.level)
    return {
        "usefulness_shadow": relative(s[0], s[1], s[2], s[3]), "usefulness_in_force": relative(s[0], s[1], s[4], s[5]),
        "difference": drawn.value, "low": drawn.low, "high": drawn.high,
    }


def promotion_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """The comparison with, in every row, whether the rule may act (`promoted`), and why (`why_en`, `why_zh`: what did not hold)."""
    found = verdicts(pairs)
    told = pairs.copy()
    told["promoted"] = [v.promoted for v in found]
    told["why_en"] = ["; ".join(en for _, holds, en, _ in v.reasons if not holds) or "all conditions hold" for v in found]
    told["why_zh"] = ["；".join(zh for _, holds, _, zh in v.reasons if not holds) or "全部条件满足" for v in found]
    return told
