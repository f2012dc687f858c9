"""Who fails with whom, whose losses reach others, and who brings down whom on the paths of a run (M-127, M-128).

Reads `outcomes` and the facts of the funding pool in the record, and simulates nothing. Every figure is a share of paths with its
Wilson interval, which knows which paths belong together (M-64). Statistics over finished outcomes are floats; amounts are 厘.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.estimate import TOTAL
from stresslab.faults import Fault, InputError
from stresslab.glossary import OUTPUTS
from stresslab.sampling import Sampling, groups_of
from stresslab.statistics import probability

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
#: (debtor, creditor, amount in 厘, seniority), seniority 1 is paid first.
Debt = tuple[str, str, int, int]

#: Sweeps end where no payment of any path moves by more than this, 厘.
STILL = 1e-3
SWEEPS_MOST = 20_000
#: A party pays in full unless this much is missing, 厘: half of the smallest amount.
MISSING = 0.5

_BORNE = ("absorbed_by_junior_li", "absorbed_by_senior_li", "absorbed_by_claims_li")
_NEEDED = ("scenario", "path", "platform_id", "failure_day", "own_funds_before_li", "reserve_end_li", "own_capital_end_li",
           "unpaid_end_li", *_BORNE)


def spillover(record: Mapping[str, Any], outcomes: pd.DataFrame) -> pd.DataFrame:
    """The table `spillover` of a run: shares of paths in percent with sampling errors, by scenario, measure and one or two parties."""
    absent = [name for name in _NEEDED if name not in outcomes]
    if absent:
        way_out = "use the tables of one whole run folder, unchanged"
        raise InputError(Fault("outcomes.parquet", "the column is missing", way_out, column=name) for name in absent)
    platforms = [str(p["platform_id"]) for p in record["platforms"]]
    network = ((record.get("pool") or {}).get("clearing") or None)
    rows: list[dict[str, Any]] = []
    for scenario in record["scenarios"]:
        name = str(scenario["id"])
        chosen = outcomes[outcomes["scenario"] == name]
        held = _by_platform(chosen, platforms)
        numbers = np.sort(chosen.loc[chosen["platform_id"] == platforms[0], "path"].to_numpy(dtype=np.int64))
        groups = groups_of(str(record.get("sampling", Sampling.PLAIN)), numbers)
        found = [*_joint(platforms, held)]
        if network is not None and "debts" in network:
            found += [*_clearing(platforms, held, network)]
        for measure, first, second, happened, among in found:
            if among is None or among.any():
                mask = np.ones(len(happened), dtype=np.bool_) if among is None else among
                there = happened[mask]
                told = probability(there, None if groups is None else groups[mask])
                rows.append({
                    "scenario": name, "measure": measure, "first": first, "second": second, "paths": int(there.sum()),
                    "of_paths": len(there), "share_pct": float(told.value), "error_pct": float(told.error), "low_pct": float(told.low),
                    "high_pct": float(told.high),
                })
    return pd.DataFrame(rows, columns=[m.name for m in OUTPUTS["spillover"]])


Held = dict[str, dict[str, Floats]]
#: Measure, one or two parties, on which paths it is so, and of which paths a share is asked (None: all).
Row = tuple[str, str, str | None, Flags, Flags | None]


def _by_platform(rows: pd.DataFrame, platforms: Sequence[str]) -> Held:
    """Columns of each platform, path by path in the same order."""
    columns = [c for c in _NEEDED if c not in ("scenario", "path", "platform_id")]
    found: Held = {}
    paths: Any = None
    for name in platforms:
        mine = rows[rows["platform_id"] == name].sort_values("path", kind="stable")
        paths = mine["path"].to_numpy() if paths is None else paths
        if not np.array_equal(paths, mine["path"].to_numpy()):
            rule = "every platform has the same paths in a scenario"
            raise InputError([Fault("outcomes.parquet", rule, "use the tables of one whole run folder, unchanged", value=name)])
        found[name] = {c: np.asarray(mine[c].astype("Float64").fillna(0), dtype=np.float64) for c in columns}
    return found


def spills(held: Mapping[str, Floats]) -> Flags:
    """Whether, path by path, a platform's funders or clients bear a loss or wait for money at the end (M-127)."""
    total: Floats = held["unpaid_end_li"] + sum((held[c] for c in _BORNE), np.zeros_like(held["unpaid_end_li"]))
    return total > 0


def _joint(platforms: Sequence[str], held: Held) -> Iterator[Row]:
    """Failures alone, together, one given the other, one before the other, and how many at once."""
    failed = {p: held[p]["failure_day"] > 0 for p in platforms}
    for p in platforms:
        yield "failure", p, None, failed[p], None
        yield "spillover", p, None, spills(held[p]), None
    for a in platforms:
        for b in platforms:
            if a != b:
                both = failed[a] & failed[b]
                yield "joint_failure", a, b, both, None
                yield "failure_given", a, b, both, failed[a]
                yield "fails_first", a, b, both & (held[a]["failure_day"] < held[b]["failure_day"]), None
    count = np.sum([failed[p] for p in platforms], axis=0)
    for k in range(2, len(platforms) + 1):
        yield f"at_least_{k}_fail", TOTAL, None, count >= k, None


def losses(held: Mapping[str, Floats]) -> Floats:
    """What a platform lost on each path, 厘: own funds, and beyond them what funders and clients bore; no gain is counted."""
    lost: Floats = held["own_funds_before_li"] - held["reserve_end_li"] - held["own_capital_end_li"]
    return np.maximum(0.0, np.maximum(0.0, lost) + sum((held[c] for c in _BORNE), np.zeros_like(lost)))


def _clearing(platforms: Sequence[str], held: Held, network: Mapping[str, Any]) -> Iterator[Row]:
    """Who cannot pay in a clearing on each path, who of them only because others do not pay, and who alone brings down whom."""
    parties = [str(p["party"]) for p in network["parties"]]
    base = {str(p["party"]): float(p["outside_li"]) for p in network["parties"]}
    debts: list[Debt] = [(str(a), str(b), int(amount), int(rank)) for a, b, amount, rank in network["debts"]]
    struck = [p for p in platforms if p in base]
    if not struck:
        return
    n = len(held[struck[0]]["failure_day"])
    calm = np.tile([base[p] for p in parties], (n, 1))
    places = {p: i for i, p in enumerate(parties)}
    lost = {p: losses(held[p]) for p in struck}
    owing = [p for p in parties if any(d[0] == p for d in debts)]
    everything = calm.copy()
    for p in struck:
        everything[:, places[p]] = np.maximum(0.0, calm[:, places[p]] - lost[p])
    default = cannot_pay(parties, debts, everything)
    alone = {p: default_alone(parties, debts, everything, places[p]) for p in owing}
    before = cannot_pay(parties, debts, calm)
    for p in owing:
        yield "cannot_pay", p, None, default[:, places[p]], None
        yield "cannot_pay_by_others", p, None, default[:, places[p]] & ~alone[p], None
    for p in struck:
        one = calm.copy()
        one[:, places[p]] = everything[:, places[p]]
        fallen = cannot_pay(parties, debts, one) & ~before
        for other in owing:
            if other != p:
                yield "brings_down", p, other, fallen[:, places[other]], None


def default_alone(parties: Sequence[str], debts: Sequence[Debt], outside: Floats, place: int) -> Flags:
    """Whether a party cannot pay although all others pay it in full."""
    owed = sum(d[2] for d in debts if d[0] == parties[place] != d[1])
    due = sum(d[2] for d in debts if d[1] == parties[place] != d[0])
    return outside[:, place] + due < owed - MISSING


def cannot_pay(parties: Sequence[str], debts: Sequence[Debt], outside: Floats) -> Flags:
    """Who cannot pay in full in the greatest clearing of each path: (paths, parties)."""
    owed = np.array([sum(d[2] for d in debts if d[0] == p != d[1]) for p in parties], dtype=np.float64)
    return clear(parties, debts, outside) < owed[None, :] - MISSING


def clear(parties: Sequence[str], debts: Sequence[Debt], outside: Floats) -> Floats:
    """What each party pays in all in the greatest clearing vector, 厘, for each row of `outside` (M-108, M-128): (paths, parties).

    Everybody pays in full at first; then each pays what it has, senior classes first, as long as anything moves: the sweeps of
    Eisenberg and Noe, which fall to the greatest vector. The exact clearing of `stresslab pool` is its check.
    """
    places = {p: i for i, p in enumerate(parties)}
    ranks: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for debtor, creditor, amount, rank in debts:
        if debtor != creditor and amount > 0:
            ranks.setdefault((places[debtor], rank), []).append((places[creditor], float(amount)))
    order = sorted(ranks)
    totals = {key: sum(amount for _, amount in ranks[key]) for key in order}
    pays = {key: np.full(len(outside), totals[key]) for key in order}
    for _ in range(SWEEPS_MOST):
        has = outside.astype(np.float64, copy=True)
        for key in order:
            for to, part in ranks[key]:
                has[:, to] += pays[key] * (part / totals[key])
        moved = 0.0
        for key in order:
            now = np.clip(has[:, key[0]], 0.0, totals[key])
            has[:, key[0]] -= now
            moved = max(moved, float(np.max(pays[key] - now, initial=0.0)))
            pays[key] = np.minimum(pays[key], now)
        if moved <= STILL:
            break
    paid = np.zeros_like(outside, dtype=np.float64)
    for key in order:
        paid[:, key[0]] += pays[key]
    return paid
