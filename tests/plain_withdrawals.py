"""The plain slow twin, section 5.11 of docs/method.md: who asks for money on a path, and what falls due.

Written from the prose, with lists and Python's integers; it knows a world and yesterday's evening, and nothing of the package.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from plain_market import BP, WORD, ceil_div, philox4x32

PPB = 1_000_000_000
PPM = 1_000_000
REQUEST_STREAM = 14


@dataclass
class Evening:
    """What everybody knows of a platform in the evening."""

    own_funds: int
    loans: int
    call: int = 0
    coverage: int = PPM
    unpaid: int = 0


@dataclass
class Funds:
    """What was taken out of one funding layer, nested ones too."""

    terms: dict[str, Any]
    taken: int = 0
    by_clauses: int = 0
    from_behind: int = 0


@dataclass
class House:
    """The requests of one platform on a path."""

    terms: dict[str, Any]
    groups: list[list[dict[str, Any]]]
    first_rank: int
    grade: int
    plan: dict[int, int] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)
    falls_due: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    free_falls_due: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    due: list[int] = field(default_factory=lambda: [0])
    due_segregated: list[int] = field(default_factory=lambda: [0])
    gated: int = 0
    excited: int = 0
    rate: int = 0
    weight: int = 0
    seen: set[int] = field(default_factory=set)
    downgraded: bool = False
    asked_in_wave: int = 0
    left_groups: set[int] = field(default_factory=set)
    foreign: int = 0
    funds: list[Funds] = field(default_factory=list)
    fired: set[tuple[int, int]] = field(default_factory=set)
    recalled: int = 0
    funding_falls_due: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    owed: list[int] = field(default_factory=list)
    funding_due: list[int] = field(default_factory=lambda: [0])
    dearer: int = 0

    @property
    def claims(self) -> int:
        """All redeemable claims of the book's date."""
        return sum(h["amount"] for group in self.groups for h in group)


def calendar_day(day: int) -> int:
    """(M-4)."""
    return (day * 365 * 2 + 252) // 504


def day_after_notice(day: int, notice: int) -> int:
    """Return the first trading day whose calendar day is at least that of a day and the notice."""
    later = day
    while calendar_day(later) < calendar_day(day) + notice:
        later += 1
    return later


def word(world: dict[str, Any], rank: int, day: int) -> int:
    """Return the draw of a group on a day."""
    seed = world["seed"]
    counter = (rank, day, REQUEST_STREAM, world["path"])
    drawn: int = philox4x32(counter, (seed % WORD, seed // WORD))[0]
    return drawn


def is_apart(plan: dict[str, Any], holder: dict[str, Any]) -> bool:
    """Whether a claim follows the rule of foreign money."""
    return bool(plan["foreign"] and holder["foreign"])


def open_houses(world: dict[str, Any]) -> list[House]:
    """Return the requests of all platforms before day 1, drawn where the plan is random (M-130)."""
    plan = world["withdrawals"]
    houses: list[House] = []
    rank = 0
    for terms in world["platforms"]:
        names = sorted({h["group"] for h in terms["holders"]})
        groups = [[h for h in terms["holders"] if h["group"] == name] for name in names]
        house = House(terms, groups, rank, plan["grade"])
        house.funds = [Funds(k) for k in terms["nodes"]]
        house.owed = [0] * len(terms["funding"])
        rank += len(groups)
        for group in groups:
            for h in group:
                house.plan[id(h)] = h["planned"]
        if plan["random_bp"]:
            order = sorted(range(len(groups)), key=lambda g: (word(world, house.first_rank + g, 0), g))
            home = [h for g in order for h in groups[g] if not is_apart(plan, h)]
            wanted = sum(h["amount"] for h in home) * plan["random_bp"] // BP
            for h in home:
                house.plan[id(h)] = min(wanted, h["amount"])
                wanted -= house.plan[id(h)]
        for group in groups:
            for h in group:
                house.left[id(h)] = h["amount"] - house.plan[id(h)]
        houses.append(house)
    return houses


def request(house: House, holder: dict[str, Any], day: int, amount: int) -> None:
    """Let a claim ask; it falls due after its notice (M-16)."""
    at = day_after_notice(day, holder["notice"])
    (house.free_falls_due if holder["free"] else house.falls_due)[at] += amount
    if holder["foreign"]:
        house.foreign += amount


def hear(world: dict[str, Any], house: House, day: int, evening: Evening, before: int, line: int, failed: bool) -> None:
    """Let yesterday's news act on grade and intensity (M-132, M-133, M-140)."""
    wave = world["withdrawals"]["wave"]
    news = 0
    if day > 1:
        for at, (step, jump) in enumerate(wave["loss"] if wave else []):
            if at not in house.seen and (before - evening.own_funds) * BP >= step * before:
                house.seen.add(at)
                news += jump
        gap = ceil_div(evening.call * 1500, BP) - evening.own_funds
        if not house.downgraded and evening.own_funds * BP < 1500 * evening.call and line < gap:
            house.downgraded = True
            house.grade = min(3, house.grade + 2)
            news += wave["downgrade"] if wave else 0
        if evening.unpaid > 0 and wave:
            news += wave["unpaid"]
    whole, weight = house.claims, house.weight
    house.weight = 0
    if not wave:
        return
    share = PPB * min(whole, weight) // whole if whole else 0
    house.excited = min(PPB, house.excited * wave["decay"] // PPB + wave["feed"] * share // PPB + news)
    house.rate = 0 if failed or day < wave["from_day"] else min(PPB, wave["base"] + house.excited)


def ask_as_planned(world: dict[str, Any], house: House, day: int, foreign_day: int) -> None:
    """Let claims ask for the day's part of the plan (M-16, M-139)."""
    plan = world["withdrawals"]
    for group in house.groups:
        for h in group:
            first, over = plan["start"], plan["over"]
            if is_apart(plan, h):
                first, over = foreign_day, plan["foreign"]["over"]
            if first == 0 or not first <= day < first + over:
                continue
            whole, j = house.plan[id(h)], day - first + 1
            amount = whole * j // over - whole * (j - 1) // over
            house.weight += amount
            request(house, h, day, amount)


def ask_in_wave(world: dict[str, Any], house: House, day: int) -> None:
    """Let each group draw whether it asks (M-134)."""
    wave = world["withdrawals"]["wave"]
    if not wave:
        return
    for at, group in enumerate(house.groups):
        rank = house.first_rank + at
        if not any(house.left[id(h)] for h in group) or word(world, rank, day) * PPB >= house.rate * WORD:
            continue
        for h in group:
            amount = ceil_div(house.left[id(h)] * wave["part_bp"], BP)
            house.left[id(h)] -= amount
            house.asked_in_wave += amount
            request(house, h, day, amount)
        house.weight += sum(h["amount"] for h in group)
        house.left_groups.add(at)


def is_met(trigger: tuple[str, int], house: House, evening: Evening, fall: int, foreign_day: int) -> bool:
    """Whether a trigger fires in the light of yesterday's evening (M-102, M-137)."""
    measure, threshold = trigger
    if measure == "market_fall":
        return fall >= threshold
    if measure == "rating":
        return house.grade > threshold
    if measure == "own_funds":
        return evening.own_funds < threshold
    if measure == "own_funds_of_loans":
        return evening.own_funds * BP < threshold * evening.loans
    if measure == "foreign":
        return foreign_day > 0
    assert measure == "coverage", measure
    return evening.coverage * BP < threshold * PPM


def depth(house: House, node: int) -> int:
    """Return how many layers stand in front of one."""
    above = house.funds[node].terms["above"]
    return 0 if above < 0 else 1 + depth(house, above)


def recall_funding(house: House, day: int, evening: Evening, fall: int, foreign_day: int, moves: list[dict[str, int]]) -> None:
    """Fire the clauses whose triggers are met, deeper layers first (M-137)."""
    for node in sorted(range(len(house.funds)), key=lambda n: -depth(house, n)):
        for at, clause in enumerate(house.funds[node].terms["clauses"]):
            if (node, at) in house.fired or not any(is_met(t, house, evening, fall, foreign_day) for t in clause["triggers"]):
                continue
            house.fired.add((node, at))
            mine = house.funds[node]
            mine.by_clauses = max(mine.by_clauses, clause["own"])
            pass_on(house, node, day, moves)


def pass_on(house: House, node: int, day: int, moves: list[dict[str, int]]) -> None:
    """Carry what a layer newly gives to the layers in front and the platform (M-137)."""
    notice, first = 0, True
    while True:
        funds = house.funds[node]
        more = max(funds.by_clauses, funds.from_behind) - funds.taken
        if more <= 0:
            return
        funds.taken += more
        notice = max(notice, funds.terms["notice"])
        if first and funds.terms["foreign"]:
            house.foreign += more
        first = False
        if funds.terms["above"] < 0:
            break
        node = funds.terms["above"]
        house.funds[node].from_behind += more
    for move in moves:
        if move["layer"] == funds.terms["layer"]:
            more += more * move["rise_bp"] // BP
    house.recalled += more
    house.funding_falls_due[day_after_notice(day, notice)].append(funds.terms["layer"])
    house.funding_falls_due[day_after_notice(day, notice)].append(more)


def make_recalls_dearer(house: House, layer: int, rise_bp: int, today: int, last: int) -> None:
    """What is recalled of a layer and not returned is more in yuan (M-240)."""
    more = house.owed[layer] * rise_bp // BP
    house.owed[layer] += more
    house.dearer += more
    house.recalled += more
    for day in range(today, last + 1):
        rows = house.funding_falls_due.get(day, [])
        waiting = sum(amount for k, amount in zip(rows[::2], rows[1::2], strict=True) if k == layer)
        if waiting:
            rows.extend((layer, waiting * rise_bp // BP))
            house.recalled += waiting * rise_bp // BP


def fall_due(house: House, day: int) -> None:
    """Say what is due to clients and funders by a day (M-16, M-131, M-138)."""
    free = sum(amount for at, amount in house.free_falls_due.items() if at <= day)
    other = sum(amount for at, amount in house.falls_due.items() if at <= day)
    free_claims = sum(h["amount"] for group in house.groups for h in group if h["free"])
    kept = free * house.terms["segregated"] // free_claims if free_claims else 0
    asked = free + other - kept
    gate = house.terms["gate"]
    due = asked if gate is None else min(asked, house.due[-1] + gate)
    house.due.append(due)
    house.due_segregated.append(kept)
    house.gated = asked - due
    rows = house.funding_falls_due.get(day, [])
    for layer, amount in zip(rows[::2], rows[1::2], strict=True):
        house.owed[layer] += amount
    house.funding_due.append(house.funding_due[-1] + house.dearer + sum(rows[1::2]))
    house.dearer = 0
