"""What funders take back when their clauses fire, alone and together (M-102)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stresslab.book.recall import GRADES, MEASURES, State, Trigger
from stresslab.pool.layers import Fund, Layer, children


@dataclass(frozen=True)
class Recalled:
    """What one state of the world takes out of one platform's funding: 厘, by days of notice, and the layers whose clauses fire."""

    platform_id: str
    amount_li: int
    by_notice_li: tuple[tuple[int, int], ...]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Clause:
    """One clause of a platform's funders: what has fired once it fires, with all milder clauses on the same measure."""

    trigger: Trigger
    own_layers: tuple[str, ...]
    recalled: Recalled


def recalled(fund: Fund, platform: str, state: State) -> Recalled:
    """What all clauses that a state fires take back together.

    A layer gives back the larger of what its own clause takes and what is taken from behind it (its funder then needs the money
    himself), at most itself; so nothing is counted twice along a chain, and layers beside one another add up. Money taken
    through a layer waits for the longest notice on its way.
    """
    below = children(fund.layers)
    fired: list[str] = []
    notices: dict[int, int] = {}
    for layer in fund.layers:
        if layer.platform_id == platform and layer.parent_id is None:
            for notice, amount in _from_layer(layer, below, state, fired):
                notices[notice] = notices.get(notice, 0) + amount
    return Recalled(platform, sum(notices.values()), tuple(sorted(notices.items())), tuple(sorted(fired)))


def _from_layer(layer: Layer, below: Mapping[str, list[Layer]], state: State, fired: list[str]) -> list[tuple[int, int]]:
    """What is taken out of a layer, as (days of notice, amount)."""
    behind = [(max(n, layer.notice_days), a) for x in below.get(layer.funding_id, ()) for n, a in _from_layer(x, below, state, fired)]
    if not any(t.met(state) for t in layer.triggers):
        return behind
    fired.append(layer.funding_id)
    own = layer.amount_li * layer.recall_bp // 10_000
    more = own - sum(a for _, a in behind)
    return [*behind, (layer.notice_days, more)] if more > 0 else behind


def clauses(fund: Fund, platform: str, loans_li: int) -> list[Clause]:
    """Every clause of a platform's funders, the mildest first on each measure, with what has then fired in all."""
    mine = [x for x in fund.layers if x.platform_id == platform]
    found = {t for x in mine for t in x.triggers}
    out: list[Clause] = []
    for measure in MEASURES:
        for trigger in sorted((t for t in found if t.measure == measure), key=lambda t: _mildness(t, loans_li)):
            state = just_met(trigger, loans_li)
            own = tuple(x.funding_id for x in mine if trigger in x.triggers)
            out.append(Clause(trigger, own, recalled(fund, platform, state)))
    return out


def _mildness(trigger: Trigger, loans_li: int) -> tuple[int, int]:
    if trigger.measure == "own_funds":
        li = trigger.threshold * 10_000 if trigger.unit == "li" else trigger.threshold * loans_li
        return -li, 0
    return (trigger.threshold, 0) if trigger.measure in ("market_fall", "rating") else (-trigger.threshold, 0)


def just_met(trigger: Trigger, loans_li: int) -> State:
    """The mildest state in which a clause fires, and nothing else is known."""
    if trigger.measure == "market_fall":
        return State(market_fall_bp=trigger.threshold)
    if trigger.measure == "rating":
        return State(rating=GRADES[trigger.threshold + 1])
    if trigger.measure == "coverage":
        return State(coverage_bp=trigger.threshold - 1)
    if trigger.unit == "li":
        return State(own_funds_li=trigger.threshold - 1, loans_li=loans_li)
    return State(own_funds_li=-(-trigger.threshold * loans_li // 10_000) - 1, loans_li=loans_li)


def market_falls(fund: Fund) -> list[tuple[int, int]]:
    """Over all platforms: each market fall (bp) at which some clause fires, and what has then fired in all (厘)."""
    falls = sorted({t.threshold for x in fund.layers for t in x.triggers if t.measure == "market_fall"})
    return [(bp, sum(recalled(fund, p, State(market_fall_bp=bp)).amount_li for p in fund.platforms)) for bp in falls]
