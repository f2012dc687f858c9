"""A finished run under a scale: the content of ``rating.json``, and how paths migrate between grades (M-42, M-43, M-123 to M-125)."""

from __future__ import annotations

import datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.rating.indicators import PATH, Json
from stresslab.rating.judge import Case, Judged, answer_of
from stresslab.rating.paths import Paths, beyond, read_paths
from stresslab.rating.scale import Dimension, Scale, Trigger
from stresslab.rating.words import coverage_reasons, dimension_reasons, short, suspension_reasons, text, trigger_reasons
from stresslab.sampling import Sampling, groups_of
from stresslab.statistics import Groups, probability

#: The scenario that says how a platform stands before a shock.
BASELINE = "baseline"
Places = NDArray[np.int64]


def rate(record: Json, outcomes: pd.DataFrame, scale: Scale) -> Json:
    """The content of ``rating.json``: every platform under every scenario, and overall.

    Scores, indicator values and coverages are decimal strings, exact up to six decimals and rounded
    down beyond (so that a score never shows a threshold that it did not reach); the grades come
    from the exact fractions. `downgraded` says that the two-notch rule, a trigger or the suspension was applied, even where the
    grade was already the lowest. A platform is rated by the deciding scenario: without it, or if
    it has no crash of the depth that the rule asks for, it is not rated.
    """
    simulated = [i.name for d in scale.dimensions for i in d.indicators if i.source == "simulated"]
    simulated += [t.indicator for t in scale.triggers if t.indicator in PATH]
    simulated += ["unpaid_days"] if scale.suspension else []
    paths = read_paths(record, outcomes, simulated)
    written = record.get("book", {}).get("as_of")
    as_of = None if written is None else datetime.date.fromisoformat(str(written))
    return {
        "scale": {
            "title": scale.title,
            "title_zh": scale.title_zh,
            "provisional": scale.provisional,
            "digest": scale.digest,
            "deciding_scenario": scale.deciding_scenario,
            "downgrade": {
                "coverage_below_pct": text(Fraction(scale.downgrade.coverage_below_pct)),
                "notches": scale.downgrade.notches,
                "crash_depth_at_least_pct": text(Fraction(scale.downgrade.crash_depth_at_least_pct)),
            },
            "combine": scale.combine,
            "triggers": [_trigger_row(one) for one in scale.triggers],
            "suspension": None if scale.suspension is None else scale.suspension.model_dump(),
            "grades": [{"name": name, "from_score": text(low)} for name, low in scale.thresholds],
        },
        "platforms": [_rate_platform(record, Case(known(record, platform), scale, as_of), paths) for platform in record["platforms"]],
    }


def known(record: Json, platform: Json) -> Json:
    """What a record knows of a platform: its facts, its look-through and how many of its limits are red."""
    name, found = platform["platform_id"], dict(platform)
    found.setdefault("liquid_li", platform.get("cash_li", 0) + platform.get("liquid_pool_li", 0))
    look: Json = record.get("pool") or {}
    for pool in look.get("platforms", []):
        if pool["platform_id"] == name:
            mine = [f for f in look["findings"] if f["severity"] == "breach" and (f["platform_id"] == name or name in f["rows"])]
            found["pool"] = pool | {"breaches": len(mine)}
    for one in (record.get("limits") or {}).get("platforms", []):
        if one["platform_id"] == name:
            found["limits_red"] = sum(1 for x in one["limits"] if x["light"] == "red")
    return found


def migrations(rating: Json) -> pd.DataFrame:
    """The migration table of a rating, as the run's table `migration` holds it (M-125)."""
    rows = [
        {"scenario": scenario["scenario"], "platform_id": platform["platform_id"], **row}
        for platform in rating["platforms"] for scenario in platform["scenarios"] for row in scenario["migration_table"]
    ]
    columns = ["scenario", "platform_id", "from_grade", "to_grade", "paths", "of_paths", "share_pct", "error_pct", "low_pct", "high_pct"]
    return pd.DataFrame(rows, columns=columns)


def _trigger_row(one: Trigger) -> Json:
    line = {"below": text(one.line)} if one.below is not None else {"above": text(one.line)}
    depth = one.crash_depth_at_least_pct
    return {
        "name": one.name, "en": one.en, "zh": one.zh, "indicator": one.indicator, **line, "notches": one.notches, "floor": one.floor,
        "crash_depth_at_least_pct": None if depth is None else text(Fraction(depth)), "source": one.source,
    }


def _depth(scenario: Json) -> Fraction | None:
    """How deep a scenario's crash is, in percent; None without one."""
    crash = scenario["market"].get("crash")
    return Fraction(str(crash["depth_pct"])) if crash else None


def _overall(case: Case, paths: Paths, depth: Fraction | None) -> Judged:
    """The grade of what stands for all paths: medians, shares, and the gap of the path of the median coverage."""
    at = paths.median
    return case.judge(paths.decided, int(paths.own_li[at]), int(paths.call_li[at]), depth)


def _rate_platform(record: Json, case: Case, paths: dict[tuple[str, str], Paths]) -> Json:
    """One platform of ``rating.json``."""
    platform_id, scale = case.platform["platform_id"], case.scale
    by_id = {scenario["id"]: scenario for scenario in record["scenarios"]}
    before, start = None, None
    if BASELINE in by_id:
        calm, depth = paths[BASELINE, platform_id], _depth(by_id[BASELINE])
        before, start = _overall(case, calm, depth), case.place_by_path(calm, depth)
    sampling = str(record.get("sampling", Sampling.PLAIN))
    rated = {name: _rate_scenario(one, case, paths[name, platform_id], before, start, sampling) for name, one in by_id.items()}
    reason = _reason_not_rated(by_id.get(scale.deciding_scenario), case)
    overall: Json | None = None
    action: Json | None = None
    deciding: Paths | None = None
    if reason is None:
        found = rated[scale.deciding_scenario]
        kept = ("grade_before", "score_before", "downgraded", "suspended", "coverage_pct_median")
        shares = ("share_below_pct", "share_below_error_pct")
        overall = {"scenario": found["scenario"], "grade": found["grade_after"]}
        overall |= {"score": found["score_after"]} | {key: found[key] for key in (*kept, *shares)}
        graded = next(one for one in scale.grades if one.name == found["grade_after"])
        final = scale.suspension if scale.suspension and found["suspended"] else graded
        action = {"en": final.action_en, "zh": final.action_zh}
        deciding = paths[scale.deciding_scenario, platform_id]
    return {
        "platform_id": platform_id,
        "rated": reason is None,
        "reason_not_rated": reason,
        "overall": overall,
        "scenarios": list(rated.values()),
        "dimensions": [_dimension_row(one, case, deciding) for one in scale.dimensions],
        "answers_not_asked": sorted(set(case.platform.get("answers") or {}) - case.asked.keys()),
        "action": action,
    }


def _reason_not_rated(deciding: Json | None, case: Case) -> Json | None:
    """Why a platform is not rated, or nothing if it is."""
    name = case.scale.deciding_scenario
    if deciding is None:
        return {"en": f"The run has no scenario {name}, which decides the rating.", "zh": f"本次运行没有决定评级的情景 {name}。"}
    if case.deep(_depth(deciding)):
        return None
    depth = short(case.scale.downgrade.crash_depth_at_least_pct)
    return {
        "en": f"Scenario {name}, which decides the rating, has no crash of at least {depth}%.",
        "zh": f"决定评级的情景 {name} 没有至少 {depth}% 的下跌。",
    }


def _rate_scenario(
    scenario: Json, case: Case, paths: Paths, before: Judged | None, start: Places | None, sampling: str
) -> Json:
    """One platform under one scenario: what stands for all paths, and the grades of all paths."""
    depth, names = _depth(scenario), [name for name, _ in case.thresholds]
    after, state = _overall(case, paths, depth), paths.decided
    coverage = state["own_funds_coverage_pct"]
    below_pct = Fraction(case.scale.downgrade.coverage_below_pct)
    under = beyond(paths.values["own_funds_coverage_pct"], below_pct, True)
    n, below, groups = len(paths), int(np.sum(under)), groups_of(sampling, paths.numbers)
    places, suspended = case.place_by_path(paths, depth), case.suspended(paths)
    own, call = int(paths.own_li[paths.median]), int(paths.call_li[paths.median])
    return {
        "scenario": scenario["id"],
        "grade_before": names[before.place] if before else None,
        "grade_after": names[after.place],
        "score_before": text(before.score) if before else None,
        "score_after": text(after.score),
        "downgraded": after.low_coverage or bool(after.fired) or after.suspended,
        "suspended": after.suspended,
        "share_suspended_pct": 100 * int(np.sum(suspended)) / n,
        "share_suspended_error_pct": _null(probability(suspended, groups).error),
        "coverage_pct_median": None if coverage is None else text(coverage),
        "share_below_pct": 100 * below / n,
        "share_below_error_pct": _null(probability(under, groups).error),
        "triggers": [
            {"name": f.trigger.name, "value": None if f.value is None else text(f.value), "from": names[f.before], "to": names[f.after]}
            for f in after.fired
        ],
        "migration": {name: int(np.sum(places == i)) for i, name in enumerate(names)},
        "migration_table": _migration(places, start, names, groups),
        "reasons": [
            *coverage_reasons(coverage, own, call, case, after, deep=case.deep(depth)),
            {"en": f"{below} of {n} paths are below {short(below_pct)}%.", "zh": f"{n} 条路径中有 {below} 条低于 {short(below_pct)}%。"},
            *trigger_reasons(case, after),
            *suspension_reasons(case, after, state, int(np.sum(suspended)), n),
            *dimension_reasons(case, state),
        ],
    }


def _migration(places: Places, start: Places | None, names: list[str], groups: Groups) -> list[Json]:
    """Shares of paths by grade, over all paths and by the grade of the same path at baseline, with Wilson intervals (M-38, M-64, M-125)."""
    chosen: list[tuple[str | None, NDArray[np.bool_]]] = [(None, np.ones(len(places), dtype=np.bool_))]
    if start is not None and len(start) == len(places):
        chosen += [(name, start == i) for i, name in enumerate(names)]
    rows = []
    for name, mask in chosen:
        if not mask.any():
            continue
        for i, to in enumerate(names):
            there = places[mask] == i
            found = probability(there, None if groups is None else groups[mask])
            rows.append({
                "from_grade": name, "to_grade": to, "paths": int(there.sum()), "of_paths": len(there), "share_pct": float(found.value),
                "error_pct": _null(found.error), "low_pct": _null(found.low), "high_pct": _null(found.high),
            })
    return rows


def _null(value: Any) -> float | None:
    """A number as JSON can hold it."""
    return None if np.isnan(value) else float(value)


def _dimension_row(one: Dimension, case: Case, paths: Paths | None) -> Json:
    """A dimension in what stands for all paths of the deciding scenario; what is simulated is unknown if it was not run."""
    state: dict[str, Any] = {} if paths is None else paths.decided
    rows = []
    for i in one.indicators:
        row: Json = {"name": i.name, "en": i.en, "zh": i.zh, "weight": i.weight, "source": i.source}
        if i.source == "simulated" and paths is None:
            rows.append(row | {"value": None, "score": None, "treatment": "not_run"})
            continue
        scored = case.scored(i, state)
        row |= {"value": None if scored.value is None else text(scored.value), "score": text(scored.score), "treatment": scored.treatment}
        answer = answer_of(case.platform, i.name) if i.source == "answered" else None
        if answer is not None:
            row |= {"evidence": answer.get("evidence"), "answered_on": answer.get("answered_on")}
        rows.append(row)
    known_all = paths is not None or all(i.source != "simulated" for i in one.indicators)
    return {
        "name": one.name, "en": one.en, "zh": one.zh, "weight": one.weight,
        "score": text(case.dimension(one, state)) if known_all else None, "indicators": rows,
    }


