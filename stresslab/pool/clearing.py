"""Who can pay whom when all debts fall due at once: the greatest clearing vector, exactly, and who brings down whom (M-108, M-109)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, lcm

from stresslab.pool.circles import strongly_connected
from stresslab.pool.linear import solve

ONE, ZERO = Fraction(1), Fraction(0)
#: Sweeps before the exact part; their number changes the time alone.
_SWEEPS = 400


@dataclass(frozen=True)
class Debt:
    """What one party owes another, 厘; seniority 1 is paid first."""

    debtor: str
    creditor: str
    amount: Fraction | int
    seniority: int = 1


@dataclass(frozen=True)
class Network:
    """Parties with what they own outside (厘), and what they owe one another.

    ``outside_kept`` and ``inside_kept`` are the shares of a defaulter's outside assets and of what he is paid that are left for his
    creditors (alpha and beta of Rogers and Veraart 2013); both 1 is Eisenberg and Noe 2001.
    """

    outside: Mapping[str, Fraction | int]
    debts: tuple[Debt, ...]
    outside_kept: Fraction = ONE
    inside_kept: Fraction = ONE

    @cached_property
    def parties(self) -> tuple[str, ...]:
        """All parties in the order of their names."""
        return tuple(sorted(set(self.outside) | {d.debtor for d in self.debts} | {d.creditor for d in self.debts}))

    @cached_property
    def classes(self) -> dict[str, list[dict[str, Fraction]]]:
        """What each party owes by class of seniority, most senior first: creditor → amount."""
        held: dict[str, dict[int, dict[str, Fraction]]] = {}
        for d in self.debts:
            if d.amount > 0 and d.debtor != d.creditor:
                row = held.setdefault(d.debtor, {}).setdefault(d.seniority, {})
                row[d.creditor] = row.get(d.creditor, ZERO) + Fraction(d.amount)
        return {who: [ranks[s] for s in sorted(ranks)] for who, ranks in held.items()}

    @cached_property
    def owed(self) -> dict[str, list[Fraction]]:
        """What each party owes in each class."""
        return {who: [sum(row.values(), ZERO) for row in ranks] for who, ranks in self.classes.items()}

    def of(self, party: str) -> Fraction:
        """What a party owns outside."""
        return Fraction(self.outside.get(party, 0))


@dataclass(frozen=True)
class Cleared:
    """A clearing: what each party pays in all and to whom, what is left to it, and who cannot pay in full."""

    paid: dict[str, Fraction]
    owed: dict[str, Fraction]
    received: dict[str, Fraction]
    equity: dict[str, Fraction]
    defaulted: tuple[str, ...]
    to: dict[tuple[str, str], Fraction]

    def paid_li(self) -> dict[str, int]:
        """Payments in whole 厘, rounded down: nobody is said to pay what he has not."""
        return {who: p.numerator // p.denominator for who, p in self.paid.items()}


class _State:
    """Where each party stands: None pays in full, else the class of its debts that it can pay in part only."""

    def __init__(self, network: Network, may_default: frozenset[str] | None) -> None:
        self.network, self.may = network, may_default
        self.margin: dict[str, int | None] = dict.fromkeys(network.classes)
        #: What a party that does not pay in full pays in its margin class.
        self.part: dict[str, Fraction] = {}
        self.debtors: dict[str, list[tuple[str, int, Fraction]]] = {}
        for who, ranks in network.classes.items():
            for k, row in enumerate(ranks):
                for creditor, amount in row.items():
                    self.debtors.setdefault(creditor, []).append((who, k, amount / network.owed[who][k]))

        self._lowered()

    def _lowered(self) -> None:
        """Begin not from everything in full but from some way down: sweeps of what each could pay, rounded up to a fine grain.

        Rounded up, a sweep never falls below the greatest clearing vector, and pays no less than the next one would.
        """
        n = self.network
        grain = 2**20 * lcm(*(x.denominator for row in n.owed.values() for x in row), *(n.of(who).denominator for who in n.parties))
        owed = {who: [int(x * grain) for x in row] for who, row in n.owed.items()}
        outside = {who: int(n.of(who) * grain) for who in n.parties}
        debtors = {who: [(d, k, s.numerator, s.denominator) for d, k, s in rows] for who, rows in self.debtors.items()}
        total = {who: sum(row) for who, row in owed.items()}
        for _ in range(_SWEEPS):
            pays = {who: _by_class(total[who], row) for who, row in owed.items()}
            lower = {}
            for who, row in owed.items():
                inflow = sum(-(-pays[d][k] * up // down) for d, k, up, down in debtors.get(who, ()))
                if outside[who] + inflow >= sum(row) or (self.may is not None and who not in self.may):
                    lower[who] = sum(row)
                else:
                    lower[who] = ceil(n.outside_kept * outside[who] + n.inside_kept * inflow)
            if lower == total:
                break
            total = lower
        for who, row in owed.items():
            if total[who] < sum(row):
                paid = _by_class(total[who], row)
                at = max(k for k in range(len(row)) if sum(row[:k]) <= total[who])
                self.margin[who], self.part[who] = at, Fraction(paid[at], grain)
        # Who pays in full here but is not paid enough for it has no room at all, and defaults in the first step.

    def pays(self, who: str, k: int, part: Mapping[str, Fraction]) -> Fraction:
        """What a party pays in a class, given what it pays in its margin class."""
        at = self.margin[who]
        if at is None or k < at:
            return self.network.owed[who][k]
        return part[who] if k == at else ZERO

    def inflow(self, who: str, part: Mapping[str, Fraction]) -> Fraction:
        """What a party is paid by the others."""
        return sum((share * self.pays(d, k, part) for d, k, share in self.debtors.get(who, ())), ZERO)

    def direction(self) -> tuple[dict[str, Fraction], bool]:
        """Where the margin payments of the parties in default lead while the classes stay: a change, and whether it has no end.

        The change solves x + change = (what each could pay at x + change). Parties in default that owe their margin classes
        to one another alone lose no money among themselves: where they can pay less than they do, no solution stops them, and they
        sink together, in the proportions in which money runs among them, until one of them meets a boundary.
        """
        down = [who for who in self.margin if self.margin[who] is not None]
        flows = {who: self._margin_flows(who) for who in down}
        slack = {who: self.part[who] - self._could_pay(who) for who in down}
        still = dict.fromkeys(down, ZERO)
        closed = self._closed(down) if self.network.inside_kept == 1 else []
        for group in closed:
            if sum((slack[who] for who in group), ZERO) > 0:
                return still | {who: -rate for who, rate in _proportions(sorted(group), flows).items()}, True
        free = [who for who in down if not any(who in group for group in closed)]
        place = {who: i for i, who in enumerate(free)}
        kept = self.network.inside_kept
        matrix = [{place[who]: ONE} | {place[d]: -kept * share for d, share in flows[who].items() if d in place} for who in free]
        found = solve(matrix, [{"": -slack[who]} for who in free])
        return still | {who: row.get("", ZERO) for who, row in zip(free, found, strict=True)}, False

    def _margin_flows(self, who: str) -> dict[str, Fraction]:
        """Of what other parties in default pay in their margin classes, the share that comes to a party."""
        out: dict[str, Fraction] = {}
        for d, k, share in self.debtors.get(who, ()):
            if self.margin[d] == k:
                out[d] = out.get(d, ZERO) + share
        return out

    def _could_pay(self, who: str) -> Fraction:
        """What a party in default could pay in its margin class with what it is paid now; below 0 if it lacks that for its seniors."""
        n = self.network
        return n.outside_kept * n.of(who) + n.inside_kept * self.inflow(who, self.part) - sum(n.owed[who][: self.margin[who]], ZERO)

    def _closed(self, down: Sequence[str]) -> list[set[str]]:
        """Groups of parties in default that owe their margin classes to one another alone."""
        owes = {who: set(self.network.classes[who][k]) for who in down if (k := self.margin[who]) is not None}
        groups = strongly_connected({who: {c for c in to if c in owes} for who, to in owes.items()})
        return [group for group in groups if all(owes[who] <= group for who in group)]

    def room(self, who: str, part: Mapping[str, Fraction]) -> Fraction:
        """How far a party is from its next boundary: from failing to pay in full, or from the end of its margin class."""
        if self.margin[who] is not None:
            return part[who]
        return self.network.of(who) + self.inflow(who, part) - sum(self.network.owed[who], ZERO)

    def sink(self, who: str) -> None:
        """A party passes its boundary: it defaults, or what it pays in part is the class above."""
        at, n = self.margin[who], self.network
        if at is None:
            self.margin[who], self.part[who] = len(n.owed[who]) - 1, n.owed[who][-1]
        elif at > 0:
            self.margin[who], self.part[who] = at - 1, n.owed[who][at - 1]


def _by_class(total: int, owed: Sequence[int]) -> list[int]:
    """A sum paid by class of seniority, the most senior class first."""
    out = []
    for amount in owed:
        out.append(min(amount, total))
        total -= out[-1]
    return out


def clear(network: Network, may_default: Iterable[str] | None = None) -> Cleared:
    """The greatest clearing vector, exactly: everybody pays in full or all he has, by class of seniority, pro rata inside a class.

    Payments start in full and are lowered along straight lines to where the equations of the present classes lead; where a
    party meets a boundary on the way (it can no longer pay in full, or a class gets nothing), its class changes, and the line
    bends. Each party passes each boundary once, so this ends; no clearing vector is ever passed over (docs/method.md, M-108).
    ``may_default`` names the parties that may fail to pay; the others pay in full whatever they have.
    """
    state = _State(network, None if may_default is None else frozenset(may_default))
    while True:
        change, endless = state.direction()
        step, first = _first_boundary(state, change, endless)
        for who in change:
            state.part[who] += step * change[who]
        # A class that ends at this very point lowers nobody any further: who else seems to cross is looked at again without it.
        ended = [who for who in first if state.margin[who] is not None]
        for who in ended or first:
            state.sink(who)
        if not first and not any(change.values()):
            return _cleared(state)


def _first_boundary(state: _State, change: Mapping[str, Fraction], endless: bool) -> tuple[Fraction, list[str]]:
    """How far payments can be changed before somebody meets a boundary that he would cross, and who does; the whole change if nobody."""
    step, first = ONE, list[str]()
    end = {who: state.part[who] + change[who] for who in change}
    for who in state.margin:
        if state.margin[who] == 0 or (state.margin[who] is None and state.may is not None and who not in state.may):
            continue  # what is paid to the most senior class is never below nothing
        here, there = state.room(who, state.part), state.room(who, end)
        if there >= 0 and not (endless and there < here):
            continue
        at = here / (here - there) if here > 0 else ZERO
        if not first or at < step:
            step, first = at, [who]
        elif at == step:
            first.append(who)
    return step, first


def _proportions(group: list[str], flows: Mapping[str, Mapping[str, Fraction]]) -> dict[str, Fraction]:
    """Payments in a closed group that are what its members are then paid, up to a common factor; the first one's is 1."""
    rest = {who: i for i, who in enumerate(group[1:])}
    matrix = [{i: ONE} | {rest[d]: -share for d, share in flows[who].items() if d in rest} for who, i in rest.items()]
    found = solve(matrix, [{"": flows[who].get(group[0], ZERO)} for who in rest])
    return {group[0]: ONE} | {who: found[i].get("", ZERO) for who, i in rest.items()}


def _cleared(state: _State) -> Cleared:
    n = state.network
    to: dict[tuple[str, str], Fraction] = {}
    for creditor, debtors in state.debtors.items():
        for d, k, share in debtors:
            to[d, creditor] = to.get((d, creditor), ZERO) + share * state.pays(d, k, state.part)
    down = tuple(who for who in n.parties if state.margin.get(who) is not None)
    owed = {who: sum(n.owed.get(who, ()), ZERO) for who in n.parties}
    paid = {who: sum((state.pays(who, k, state.part) for k in range(len(n.owed.get(who, ())))), ZERO) for who in n.parties}
    received = {who: state.inflow(who, state.part) for who in n.parties}
    equity = {who: ZERO if who in down else n.of(who) + received[who] - owed[who] for who in n.parties}
    return Cleared(paid, owed, received, equity, down, to)


def default_rounds(network: Network) -> list[tuple[str, ...]]:
    """Who defaults in which round: first those who cannot pay although all others do, then those who fail because of them, …

    The fictitious default sequence of Eisenberg and Noe 2001: each round clears with the defaults of the rounds before.
    """
    rounds: list[tuple[str, ...]] = []
    down: frozenset[str] = frozenset()
    while True:
        cleared = clear(network, down)
        more = tuple(
            who for who in network.classes
            if who not in down and network.of(who) + cleared.received[who] < cleared.owed[who])
        if not more:
            return rounds
        rounds.append(tuple(sorted(more)))
        down |= set(more)


def struck(network: Network, party: str) -> Network:
    """The network after a party has lost all that it owned outside."""
    return Network({**network.outside, party: 0}, network.debts, network.outside_kept, network.inside_kept)


@dataclass(frozen=True)
class Strike:
    """What the failure of one party does: losses of the others against the clearing before it, and who then defaults in which round."""

    party: str
    losses: dict[str, Fraction]
    rounds: tuple[tuple[str, ...], ...]


def strikes(network: Network, parties: Iterable[str] | None = None) -> list[Strike]:
    """For each party: it loses all that it owns outside; what then is paid less to each other party than before (M-109)."""
    before = clear(network)
    out: list[Strike] = []
    for party in network.parties if parties is None else sorted(parties):
        hit = struck(network, party)
        after = clear(hit)
        losses = {who: before.received[who] - after.received[who] for who in network.parties}
        rounds = tuple(r for r in default_rounds(hit))
        out.append(Strike(party, losses, rounds))
    return out
