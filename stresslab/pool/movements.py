"""Past movements of money: what does not look like business, each with its rule and its rows (M-105 to M-107)."""

from __future__ import annotations

import datetime
import math
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

import pandas as pd

from stresslab.book.checks import given
from stresslab.book.files import Book
from stresslab.pool.rules import MovementLimits

#: Kinds that pay a client's own dues from the client money account to the platform, and such as trade for clients.
CLIENT_DUES = ("repayment", "interest", "fee")
TRADE, DEPOSIT, WITHDRAWAL = "settlement", "deposit", "withdrawal"
#: Pairs of kinds that go there and back in honest business.
PAIRS = ({"loan", "repayment"}, {DEPOSIT, WITHDRAWAL}, {"funding", "funding_repayment"}, {TRADE})
#: A normal deviation in units of the median absolute deviation (Iglewicz and Hoaglin 1993).
_NORMAL_MAD = 0.6745


@dataclass(frozen=True)
class Movement:
    """One payment from ``party`` to ``counterparty``, 厘; ``at`` is its place in the book's table."""

    at: int
    date: datetime.date
    platform_id: str
    party: str
    counterparty: str
    kind: str
    amount_li: int

    @property
    def day(self) -> int:
        """The date as a number of days."""
        return self.date.toordinal()


@dataclass(frozen=True)
class Roles:
    """Who is who: platforms, clients, client money accounts, related parties of platforms, and parties through which all money runs."""

    platforms: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    client_money: frozenset[str] = frozenset()
    related: frozenset[str] = frozenset()
    #: Clearing houses, exchanges and the like: no chain of suspicion leads through them.
    institutions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Flag:
    """Movements that break a rule, in the order in which the money went."""

    rule: str
    platform_id: str
    movements: tuple[Movement, ...]
    #: What the rule measured: days for chains, a count for structuring, a robust z for outliers.
    measure: float
    parties: tuple[str, ...] = field(default=())

    @property
    def amount_li(self) -> int:
        """The money in question: what went through a chain counts once."""
        chain = self.rule in ("layering", "round_trip", "misappropriation_chain")
        return min(m.amount_li for m in self.movements) if chain else sum(m.amount_li for m in self.movements)


def read_movements(book: Book) -> list[Movement]:
    """The movements of a book, by date; empty without the table."""
    if "movements" not in book.tables:
        return []
    t = book.tables["movements"]
    columns = (t["date"], t["platform_id"], t["party_id"], t["counterparty_id"], t["kind"], t["amount_li"])
    found = [Movement(at, d, str(p), str(a), str(b), str(k).strip().lower(), int(v))
             for at, (d, p, a, b, k, v) in enumerate(zip(*columns, strict=True)) if int(v) > 0 and a != b]
    return sorted(found, key=_order)


def _order(m: Movement) -> tuple[int, str, str, str, str, int]:
    return m.day, m.platform_id, m.party, m.counterparty, m.kind, m.amount_li


def roles_of(book: Book, found: Sequence[Movement], client_money: Iterable[str] = (), related: Iterable[str] = ()) -> Roles:
    """Who is who, as far as the book says it.

    A client money account is where deposits go, if that is not the platform itself, and what the caller names. Related are the
    funders of layers marked so, and whom the caller names. Institutions are the clearing houses of platforms and the parties to
    which client money accounts settle trades.
    """
    t = book.tables
    platforms = frozenset(t["platforms"]["platform_id"])
    clients = set(t["claims"]["client_id"]) | {m.party for m in found if m.kind == DEPOSIT}
    clients |= {c for c in given(t["accounts"], "client_id", None) if isinstance(c, str)}
    money = {m.counterparty for m in found if m.kind == DEPOSIT} - platforms | set(client_money)
    f = t["funding"]
    lenders = zip(given(f, "funder_id", None), given(f, "related_party", False), strict=True)
    marked = {name for name, is_near in lenders if is_near and isinstance(name, str)}
    houses = {c for c in given(t["platforms"], "clearing_id", None) if isinstance(c, str)}
    houses |= {m.counterparty for m in found if m.kind == TRADE and m.party in money}
    houses |= {m.party for m in found if m.kind == TRADE and m.counterparty in money}
    near = frozenset(marked | set(related))
    return Roles(platforms, frozenset(clients - money - platforms), frozenset(money), near, frozenset(houses - money))


def flags(found: Sequence[Movement], roles: Roles, limits: MovementLimits) -> list[Flag]:
    """Everything that the rules find, the largest amounts first within a rule."""
    out = [*misappropriated(found, roles), *chains(found, roles, limits)]
    out += [*structured(found, roles, limits), *outliers(found, roles, limits)]
    return sorted(out, key=lambda f: (RULES.index(f.rule), -f.amount_li, [_order(m) for m in f.movements]))


#: All rules in the order in which they are told.
RULES = ("misappropriation", "commingled", "misappropriation_chain", "round_trip", "layering", "structuring", "outlier")


def misappropriated(found: Sequence[Movement], roles: Roles) -> list[Flag]:
    """Client money that goes to the platform or to a related party, but for what clients owe the platform; deposits that never
    reach a client money account."""
    out = []
    for m in found:
        if m.party in roles.client_money:
            to_platform = m.counterparty in roles.platforms and m.kind not in CLIENT_DUES
            # What goes to a related party is nobody's due, whatever it is called.
            if to_platform or (m.counterparty in roles.related and m.counterparty not in roles.clients):
                out.append(Flag("misappropriation", m.platform_id, (m,), 0.0, (m.party, m.counterparty)))
        elif m.kind == DEPOSIT and m.party in roles.clients and m.counterparty in roles.platforms:
            out.append(Flag("commingled", m.platform_id, (m,), 0.0, (m.party, m.counterparty)))
    return _together(out)


def _together(found: list[Flag]) -> list[Flag]:
    """Flags of one rule between the same two accounts as one (of deposits: of one platform)."""
    groups: dict[tuple[str, ...], list[Flag]] = {}
    for f in found:
        key = (f.rule, f.parties[1]) if f.rule == "commingled" else (f.rule, *f.parties)
        groups.setdefault(key, []).append(f)
    out = []
    for group in groups.values():
        first, rows = group[0], tuple(m for f in group for m in f.movements)
        parties = first.parties if len({f.parties for f in group}) == 1 else ("clients", first.parties[1])
        out.append(Flag(first.rule, first.platform_id, rows, float(len(group)), parties))
    return out


class _Outgoing:
    """The movements that leave each party, by amount."""

    def __init__(self, found: Sequence[Movement]) -> None:
        self.by_party: dict[str, list[Movement]] = {}
        for m in found:
            self.by_party.setdefault(m.party, []).append(m)
        for rows in self.by_party.values():
            rows.sort(key=lambda m: (m.amount_li, _order(m)))
        self.amounts = {who: [m.amount_li for m in rows] for who, rows in self.by_party.items()}

    def after(self, m: Movement, low: int, high: int, until: int) -> list[Movement]:
        """What goes on from where a movement went, of about its amount, not before it and until a day."""
        amounts = self.amounts.get(m.counterparty, [])
        rows = self.by_party.get(m.counterparty, [])[bisect_left(amounts, low): bisect_right(amounts, high)]
        return [x for x in rows if m.day <= x.day <= until]


def chains(found: Sequence[Movement], roles: Roles, limits: MovementLimits) -> list[Flag]:
    """Money that is handed on: about the same amount, hop after hop, within some days; only the longest of nested chains.

    A chain leads through parties that are no platform, client money account, clearing house or hub. It is a *round trip* if it
    ends where it began (over two others, or over one with kinds that are no honest pair), a *misappropriation* if it leads from
    client money to a platform or a related party, and *layering* if it has at least ``hops_least`` hops.
    """
    closed, out = hubs(found, roles, limits), _Outgoing(found)
    made: list[tuple[str, tuple[Movement, ...]]] = []
    for first in found:
        if first.amount_li >= limits.least_li:
            made += _from(first, out, closed, roles, limits)
    return _longest(made)


def hubs(found: Sequence[Movement], roles: Roles, limits: MovementLimits) -> frozenset[str]:
    """Parties through which everybody's money runs: platforms, client money accounts, clearing houses, and who has many partners."""
    partners: dict[str, set[str]] = {}
    for m in found:
        partners.setdefault(m.party, set()).add(m.counterparty)
        partners.setdefault(m.counterparty, set()).add(m.party)
    busy = {who for who, others in partners.items() if len(others) > limits.hub_partners}
    return roles.platforms | roles.client_money | roles.institutions | busy


def _from(
    first: Movement, out: _Outgoing, closed: Container[str], roles: Roles, limits: MovementLimits
) -> list[tuple[str, tuple[Movement, ...]]]:
    """The chains that begin with one movement."""
    slack = first.amount_li * limits.tolerance_bp // 10_000
    low, high, until = first.amount_li - slack, first.amount_li + slack, first.day + limits.window_days
    made = []
    waiting: list[tuple[Movement, ...]] = [(first,)]
    steps = 0
    while waiting and steps < limits.steps_most:
        steps += 1
        way = waiting.pop()
        if (rule := _rule_of(way, roles, limits)) is not None:
            made.append((rule, way))
        last = way[-1]
        if last.counterparty in closed or len(way) == limits.hops_most or last.counterparty == first.party:
            continue
        passed = {m.party for m in way[1:]} | {last.counterparty}
        waiting += [(*way, x) for x in out.after(last, low, high, until) if x.counterparty not in passed]
    return made


def _rule_of(way: tuple[Movement, ...], roles: Roles, limits: MovementLimits) -> str | None:
    first, last = way[0], way[-1]
    if len(way) > 1 and last.counterparty == first.party:
        honest = len(way) == 2 and any({first.kind, last.kind} <= pair for pair in PAIRS)
        return None if honest else "round_trip"
    ends = last.counterparty in roles.platforms or last.counterparty in roles.related
    if len(way) > 1 and first.party in roles.client_money and ends and first.counterparty not in roles.clients:
        return "misappropriation_chain"
    return "layering" if len(way) >= limits.hops_least else None


def _longest(made: list[tuple[str, tuple[Movement, ...]]]) -> list[Flag]:
    """The chains that are part of no longer one; a round trip is told once, from its first movement."""
    out: list[Flag] = []
    held: list[frozenset[int]] = []
    by_movement: dict[int, list[int]] = {}
    for rule, way in sorted(made, key=lambda x: (-len(x[1]), RULES.index(x[0]), [_order(m) for m in x[1]])):
        ids = frozenset(m.at for m in way)
        if any(ids <= held[k] for k in by_movement.get(way[0].at, ())):
            continue
        for at in ids:
            by_movement.setdefault(at, []).append(len(held))
        held.append(ids)
        parties = (way[0].party, *(m.counterparty for m in way))
        out.append(Flag(rule, way[0].platform_id, way, float(way[-1].day - way[0].day), parties))
    return out


def structured(found: Sequence[Movement], roles: Roles, limits: MovementLimits) -> list[Flag]:
    """Several payments of one party just below a reporting threshold within some days, more than it makes at or above it.

    What hubs pay is many people's money, and not asked about.
    """
    closed = hubs(found, roles, limits)
    by_party: dict[str, list[Movement]] = {}
    for m in found:
        if m.party not in closed:
            by_party.setdefault(m.party, []).append(m)
    out = []
    for who, rows in sorted(by_party.items()):
        for threshold in limits.thresholds_li:
            floor = threshold - threshold * limits.band_bp // 10_000
            ceiling = threshold + threshold * limits.band_bp // 10_000
            below = [m for m in rows if floor <= m.amount_li < threshold]
            above = [m for m in rows if threshold <= m.amount_li < ceiling]
            out += [Flag("structuring", group[0].platform_id, group, float(len(group)), (who,)) for group in _bunches(below, above, limits)]
    return out


def _bunches(below: list[Movement], above: list[Movement], limits: MovementLimits) -> list[tuple[Movement, ...]]:
    """Runs of payments below a threshold, each within the window of the run's first one, long enough and not matched above it."""
    groups: list[tuple[Movement, ...]] = []
    at = 0
    while at < len(below):
        end = below[at].day + limits.window_days
        group = tuple(m for m in below[at:] if m.day <= end)
        matched = sum(1 for m in above if below[at].day <= m.day <= end)
        if len(group) >= limits.bunch_least and len(group) > limits.bunch_times * matched:
            groups.append(group)
            at += len(group)
        else:
            at += 1
    return groups


def outliers(found: Sequence[Movement], roles: Roles, limits: MovementLimits) -> list[Flag]:
    """Payments far above what the same party paid before, of the same kind: robust z of log amounts against earlier days only.

    A hub is compared with what it paid to the same counterparty: what it pays to others is other people's money.
    """
    closed = hubs(found, roles, limits)
    history: dict[tuple[str, str], list[Movement]] = {}
    for m in found:
        who = f"{m.party}\0{m.counterparty}" if m.party in closed else m.party
        history.setdefault((who, m.kind), []).append(m)
    out = []
    for _, rows in sorted(history.items()):
        logs, days = [math.log(m.amount_li) for m in rows], [m.day for m in rows]
        for k, m in enumerate(rows):
            earlier = bisect_left(days, m.day)
            if earlier < limits.history_least or m.amount_li < limits.least_li:
                continue
            z = robust_z(logs[k], logs[max(0, earlier - limits.history_most): earlier], limits.spread_least)
            if z > limits.z_least:
                out.append(Flag("outlier", m.platform_id, (m,), z, (m.party, m.counterparty)))
    return out


def robust_z(value: float, before: Sequence[float], spread_least: float) -> float:
    """0.6745 (value − median) / MAD of the values before, the MAD being at least ``spread_least``."""
    middle = median(before)
    spread = max(median(abs(x - middle) for x in before), spread_least)
    return _NORMAL_MAD * (value - middle) / spread


def flows_between(found: Sequence[Movement]) -> pd.DataFrame:
    """What went from whom to whom, over all platforms: from_id, to_id, platforms, movements, amount_li, first and last date."""
    columns = ["from_id", "to_id", "platform_id", "amount_li", "date"]
    rows = pd.DataFrame([(m.party, m.counterparty, m.platform_id, m.amount_li, m.date) for m in found], columns=columns)
    groups = rows.groupby(["from_id", "to_id"], sort=True)
    out = groups.agg(platforms=("platform_id", lambda p: ", ".join(sorted(set(p)))), movements=("amount_li", "size"),
                     amount_li=("amount_li", "sum"), first=("date", "min"), last=("date", "max"))
    return out.reset_index()
