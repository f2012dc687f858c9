"""Claims and funding + scenario → who may ask for his money, when and why (``docs/method.md``, sections 5.2 and 5.11).

What is asked is either known before the run (:func:`redemption_due`) or the path's own (:func:`requests_of`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.book.checks import segregated_of_claims
from stresslab.book.files import Book
from stresslab.book.recall import GRADES, WAY_OUT, Trigger, parse_trigger
from stresslab.faults import InputError
from stresslab.kernels import prices, requests
from stresslab.scenario import Redemption, Scenario

I64 = NDArray[np.int64]
#: How clauses are numbered in kernels, by measure and unit.
_WATCHED = {
    ("market_fall", "bp"): requests.MARKET_FALL, ("rating", "grade"): requests.RATING, ("own_funds", "li"): requests.OWN_FUNDS,
    ("own_funds", "bp"): requests.OWN_FUNDS_OF_LOANS, ("coverage", "bp"): requests.COVERAGE,
}


def moves(scenario: Scenario) -> bool:
    """Whether requests differ from path to path, so that nothing that is due is known before the run."""
    plan = scenario.redemption
    own = plan is not None and (plan.who == "random" or plan.gate_pct is not None or plan.wave is not None or plan.foreign is not None)
    return own or scenario.recalls is not None


def direct_funding(book: Book) -> pd.DataFrame:
    """The funding layers that lend to a platform itself, not to another layer."""
    funding = book.tables["funding"]
    return funding[funding["parent_id"].isna()].reset_index(drop=True) if "parent_id" in funding else funding


def asked_amounts(claims: pd.DataFrame, scenario: Scenario) -> list[int]:
    """What each redeemable claim of one platform asks for, 厘, in table order (M-16)."""
    plan = scenario.redemption
    if plan is None:
        return [0] * len(claims)
    if plan.foreign is None:
        return _planned(claims, plan)
    apart = foreign_claims(claims)
    asked = np.zeros(len(claims), np.int64)
    asked[~apart] = _planned(claims[~apart], plan)
    asked[apart] = _pro_rata(claims.loc[apart, "amount_li"].to_numpy(np.int64), round(plan.foreign.share_pct * 100))
    return [int(x) for x in asked]


def foreign_claims(claims: pd.DataFrame) -> NDArray[np.bool_]:
    """Which claims are marked foreign."""
    return claims["foreign"].fillna(False).to_numpy(bool) if "foreign" in claims else np.zeros(len(claims), bool)


def _pro_rata(amounts: I64, share: int) -> list[int]:
    """A share in bp of each amount; the first that this cuts ask for one 厘 more until the share of them all is met."""
    total = sum(amounts.tolist()) * share // 10_000  # in Python's integers, as the product may pass 64 bits
    asked = amounts * share // 10_000
    cut = np.flatnonzero(amounts * share % 10_000)  # nobody is asked for more than it has
    asked[cut[: total - sum(asked.tolist())]] += 1
    return [int(x) for x in asked]


def _planned(claims: pd.DataFrame, plan: Redemption) -> list[int]:
    """What the general plan asks of claims; a random one says it on each path (M-130)."""
    amounts = claims["amount_li"].to_numpy(np.int64)
    share = round(plan.share_pct * 100)
    if plan.who in ("random", "nobody"):
        return [0] * len(amounts)
    if plan.who == "pro_rata":
        return _pro_rata(amounts, share)
    total = sum(amounts.tolist()) * share // 10_000
    group, names = pd.factorize(np.array(group_of(claims), dtype=object))
    size = np.zeros(len(names), np.int64)
    np.add.at(size, group, amounts)
    place = np.zeros(len(names), np.int64)
    place[sorted(range(len(names)), key=lambda g: (-size[g], names[g]))] = np.arange(len(names))
    order = np.argsort(place[group], kind="stable")
    before = np.cumsum(amounts[order]) - amounts[order]
    asked = np.zeros(len(amounts), np.int64)
    asked[order] = np.clip(total - before, 0, amounts[order])
    return [int(x) for x in asked]


def group_of(claims: pd.DataFrame) -> list[str]:
    """The client group of each claim: group_id, else client_id."""
    clients = claims["client_id"].astype(object)
    groups = claims["group_id"].astype(object).where(claims["group_id"].notna(), clients) if "group_id" in claims else clients
    return [str(name) for name in groups]


def redemption_due(claims: pd.DataFrame, segregated: int, scenario: Scenario, days: I64) -> tuple[I64, I64]:
    """Cumulative amounts due on days 0..T of one platform: from its own tiers, and from segregated money (M-16)."""
    free, other = np.zeros(days.size, np.int64), np.zeros(days.size, np.int64)
    plan = scenario.redemption
    if plan is None:
        return other, free
    asked, notice = np.array(asked_amounts(claims, scenario), np.int64), claims["notice_days"].to_numpy(np.int64)
    is_free = (claims["kind"] == "free_cash").to_numpy(bool)
    before = np.zeros(len(claims), np.int64)
    for j in range(1, min(plan.over_days, days.size - plan.start_day) + 1):
        so_far = asked * j // plan.over_days
        day = np.searchsorted(days, days[plan.start_day + j - 1] + notice)
        for tier, mine in ((free, is_free), (other, ~is_free)):
            inside = mine & (day < days.size)
            np.add.at(tier, day[inside], (so_far - before)[inside])
        before = so_far
    free, other = np.cumsum(free), np.cumsum(other)
    whole = int(claims.loc[claims["kind"] == "free_cash", "amount_li"].sum())
    kept = np.array([int(x) * segregated // whole if whole else 0 for x in free], np.int64)
    return other + free - kept, kept


def foreign_asked(claims: pd.DataFrame, scenario: Scenario, days: I64) -> I64:
    """What foreign claims of one platform have asked for by each of days 0..T, where the plan is known before the run (M-139)."""
    plan, apart = scenario.redemption, foreign_claims(claims)
    out = np.zeros(days.size, np.int64)
    if plan is None or not apart.any():
        return out
    asked = np.array(asked_amounts(claims, scenario), np.int64)[apart]
    for day in range(plan.start_day, days.size):
        out[day] = (asked * min(day - plan.start_day + 1, plan.over_days) // plan.over_days).sum()
    return out


def requests_of(book: Book, scenario: Scenario) -> requests.Requests:
    """What a path reads of money that may be asked back, in the order of sorted ids (M-130 to M-140)."""
    ids = list(book.tables["platforms"]["platform_id"])
    if not moves(scenario):
        return requests.no_requests(len(ids))
    plan = scenario.redemption
    claim, group, house = _claims(book, scenario, ids)
    node, clause, trigger = _funders(book, scenario, ids)
    foreign, wave = plan.foreign if plan else None, plan.wave if plan else None
    steps = [(round(x.own_funds_lost_pct * 100), _ppb(x.jump_pct)) for x in wave.loss] if wave else []
    law = requests.Wave()
    if wave is not None:
        decay = int(prices.PPB * 2.0 ** (-1.0 / wave.half_life_days))
        law = requests.Wave(
            wave.from_day, _ppb(wave.base_pct), round(wave.branching * (prices.PPB - decay)), decay, round(wave.part_pct * 100),
            _ppb(wave.downgrade_jump_pct), _ppb(wave.unpaid_jump_pct))
    return requests.Requests(
        True, claim, group, house, _records(requests.STEP, steps), node, clause, trigger,
        round(plan.share_pct * 100) if plan is not None and plan.who == "random" else 0,
        np.array([plan.start_day if plan else 1, foreign.start_day if foreign else 0], np.int64),
        np.array([plan.over_days if plan else 1, foreign.over_days if foreign else 1], np.int64),
        round(foreign.market_fall_pct * 100) if foreign else 0, GRADES.index(scenario.recalls.grade) if scenario.recalls else 0, law)


def _ppb(percent: float) -> int:
    return round(percent * (prices.PPB // 100))


def _records(kind: np.dtype[np.void], rows: Sequence[tuple[int, ...]]) -> Any:
    table = requests.rows_of(kind, len(rows))
    for at, row in enumerate(rows):
        table[at] = row
    return table


def _claims(book: Book, scenario: Scenario, ids: list[str]) -> tuple[Any, Any, Any]:
    """Claims side by side by group, the groups by platform and name, and the sums of each platform."""
    table, plan = book.tables["claims"], scenario.redemption
    rows: list[tuple[int, ...]] = []
    groups: list[tuple[int, ...]] = []
    houses: list[tuple[int, ...]] = []
    for p, (name, segregated) in enumerate(zip(ids, segregated_of_claims(book.tables), strict=True)):
        mine = table[(table["platform_id"] == name) & (table["kind"] != "account_equity")].reset_index(drop=True)
        apart = foreign_claims(mine)
        free = (mine["kind"] == "free_cash").to_numpy(bool)
        amount, notice = (mine[c].to_numpy(np.int64) for c in ("amount_li", "notice_days"))
        asked, names = asked_amounts(mine, scenario), group_of(mine)
        before = ""
        for at in sorted(range(len(mine)), key=lambda k: (names[k], k)):
            if not groups or groups[-1][3] != p or names[at] != before:
                groups.append((0, len(rows), len(rows), p))
                before = names[at]
            groups[-1] = (groups[-1][0] + int(amount[at]), groups[-1][1], len(rows) + 1, p)
            rows.append((int(amount[at]), asked[at], p, int(notice[at]), int(free[at]), int(apart[at])))
        whole = sum(amount.tolist())
        own_rule = sum(amount[apart].tolist()) if plan is not None and plan.foreign is not None else 0
        gate = requests.OPEN
        if plan is not None and plan.gate_pct is not None:
            gate = (whole - segregated) * round(plan.gate_pct * 100) // 10_000
        houses.append((whole, whole - own_rule, sum(amount[free].tolist()), segregated, gate))
    return _records(requests.CLAIM, rows), _records(requests.GROUP, groups), _records(requests.HOUSE, houses)


def _funders(book: Book, scenario: Scenario, ids: list[str]) -> tuple[Any, Any, Any]:
    """Funding layers with what they are part of, and what makes their funders take money back, deeper layers first (M-137, M-139)."""
    layers = book.tables["funding"].to_dict("records")
    place = {row["funding_id"]: at for at, row in enumerate(layers)}
    direct = {name: len(ids) + at for at, name in enumerate(direct_funding(book)["funding_id"])}
    foreign = scenario.redemption.foreign if scenario.redemption else None
    nodes: list[tuple[int, ...]] = []
    found: list[tuple[int, int, int, list[tuple[int, int]]]] = []
    for at, row in enumerate(layers):
        way = [row]
        while isinstance(above := way[-1].get("parent_id"), str):
            way.append(layers[place[above]])
        notice, is_foreign = _whole(row.get("notice_days"), 0), row["source"] == "foreign"
        front = place[way[1]["funding_id"]] if len(way) > 1 else -1
        nodes.append((front, direct[way[-1]["funding_id"]], ids.index(row["platform_id"]), notice, int(is_foreign)))
        amount = int(row["amount_li"])
        watched = _triggers(book, at, row.get("recall_trigger")) if scenario.recalls is not None else []
        if watched:
            found.append((-len(way), at, amount * _whole(row.get("recall_bp"), 10_000) // 10_000, watched))
        if foreign is not None and is_foreign:
            found.append((-len(way), at, amount * round(foreign.share_pct * 100) // 10_000, [(requests.FOREIGN, 0)]))
    clauses: list[tuple[int, ...]] = []
    triggers: list[tuple[int, ...]] = []
    for _, node, own, watched in sorted(found, key=lambda row: row[:2]):
        clauses.append((own, node, len(triggers), len(triggers) + len(watched)))
        triggers += watched
    return _records(requests.NODE, nodes), _records(requests.CLAUSE, clauses), _records(requests.TRIGGER, triggers)


def _whole(value: Any, default: int) -> int:
    return default if value is None or pd.isna(value) else int(value)


def _triggers(book: Book, at: int, text: Any) -> list[tuple[int, int]]:
    """The clauses of a layer as kernels number them; raises :class:`InputError` (a book from files was checked)."""
    if not isinstance(text, str):
        return []
    try:
        parsed: tuple[Trigger, ...] = parse_trigger(text)
    except ValueError as error:
        raise InputError([book.fault("funding", at, "recall_trigger", str(error), WAY_OUT)]) from error
    return [(_WATCHED[t.measure, t.unit], t.threshold) for t in parsed]
