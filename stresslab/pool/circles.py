"""Money that goes round: circles among the parties of the funding, each once, with its amounts (M-100)."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

from stresslab.pool.layers import Fund

#: So many circles are named; a tangle may hold more than anybody can read.
CIRCLES_MOST = 200
#: So many steps are searched before the tangle is left as it is.
STEPS_MOST = 500_000

Edges = dict[str, dict[str, int]]
Node = TypeVar("Node", str, int)


@dataclass(frozen=True)
class Circle:
    """Parties that fund one another in a circle, the first one repeated in no place; amounts[i] goes from i to i + 1 (厘)."""

    parties: tuple[str, ...]
    amounts_li: tuple[int, ...]

    @property
    def amount_li(self) -> int:
        """What can go all the way round: the least of its amounts."""
        return min(self.amounts_li)

    def __str__(self) -> str:
        """``A → B → A``."""
        return " → ".join([*self.parties, self.parties[0]])


def party_edges(fund: Fund) -> Edges:
    """Who lends to whom: amounts in 厘 from each funder to the party that he funds, over all platforms of the book.

    A layer's funder lends to the funder of the layer that it stands behind, or to the platform. A client that is itself a
    platform or a funder of the book lends to the platform on which it has a claim. A share that an intermediary holds in its own
    layer, and the `own` money of a platform, is no lending.
    """
    by_name = {layer.funding_id: layer for layer in fund.layers}
    parties = {layer.party for layer in fund.layers} | set(fund.platforms)
    edges: Edges = {}

    def lend(giver: str, taker: str, amount: int, own: bool) -> None:
        if amount > 0 and not (giver == taker and own):
            row = edges.setdefault(giver, {})
            row[taker] = row.get(taker, 0) + amount

    for layer in fund.layers:
        if layer.parent_id is None:
            lend(layer.party, layer.platform_id, layer.amount_li, layer.source == "own")
        else:
            lend(layer.party, by_name[layer.parent_id].party, layer.amount_li, True)
    for claim in fund.claims:
        if claim.client_id in parties:
            lend(claim.client_id, claim.platform_id, claim.amount_li, False)
    return edges


def circles(edges: Mapping[str, Mapping[str, int]]) -> tuple[list[Circle], bool]:
    """Every circle without a party twice, each named from its first party in order of names; and whether there are more.

    Search: within each strongly connected group, from each party over later ones only (Tiernan 1970), at most
    ``CIRCLES_MOST`` circles and ``STEPS_MOST`` steps.
    """
    found: list[Circle] = []
    steps = 0
    for group in strongly_connected({a: set(row) for a, row in edges.items()}):
        inside = {a: sorted(b for b in edges.get(a, {}) if b in group) for a in sorted(group)}
        for start in inside:
            stack = [(start, iter(inside[start]))]
            way = [start]
            while stack:
                step = next(stack[-1][1], None)
                steps += 1
                if steps > STEPS_MOST:
                    return found, True
                if step is None:
                    stack.pop()
                    way.pop()
                elif step == start:
                    if len(found) == CIRCLES_MOST:
                        return found, True
                    amounts = tuple(edges[a][b] for a, b in zip(way, [*way[1:], start], strict=True))
                    found.append(Circle(tuple(way), amounts))
                elif step > start and step not in way:
                    way.append(step)
                    stack.append((step, iter(inside[step])))
    return found, False


def strongly_connected(edges: Mapping[Node, AbstractSet[Node]]) -> list[set[Node]]:
    """Groups of nodes of which each reaches each (Tarjan 1972), without recursion; a node alone is a group."""
    nodes = sorted(set(edges) | {b for row in edges.values() for b in row})
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    held: list[Node] = []
    on_stack: set[Node] = set()
    groups: list[set[Node]] = []
    for root in nodes:
        if root in index:
            continue
        work = [(root, iter(sorted(edges.get(root, ()))))]
        index[root] = low[root] = len(index)
        held.append(root)
        on_stack.add(root)
        while work:
            node, steps = work[-1]
            step = next(steps, None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = held.index(node)
                    groups.append(set(held[cut:]))
                    on_stack -= groups[-1]
                    del held[cut:]
            elif step not in index:
                index[step] = low[step] = len(index)
                held.append(step)
                on_stack.add(step)
                work.append((step, iter(sorted(edges.get(step, ())))))
            elif step in on_stack:
                low[node] = min(low[node], index[step])
    return groups
