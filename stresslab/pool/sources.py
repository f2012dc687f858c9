"""Who really stands behind each platform: ultimate sources with exact shares, also through other platforms (M-100)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from stresslab.pool.circles import strongly_connected
from stresslab.pool.layers import CIRCULAR, CLIENTS, HOME_CURRENCY, OWN_FUNDS, Fund, Layer, Piece, pieces
from stresslab.pool.linear import solve

PPM = 1_000_000


@dataclass(frozen=True, order=True)
class Source:
    """An ultimate source: who, of which kind, in which currency, and whether a related party stands in the way."""

    party: str
    kind: str
    currency: str = HOME_CURRENCY
    related: bool = False


Mix = dict[Source, Fraction]


@dataclass(frozen=True)
class Share:
    """What one source puts behind the funding of one platform: 厘 and parts per million, both adding up exactly."""

    platform_id: str
    source: Source
    amount_li: int
    share_ppm: int
    exact: Fraction


def ultimate_sources(fund: Fund) -> list[Share]:
    """The ultimate sources of each platform's direct funding, largest first; amounts add up to it, shares to 1,000,000 ppm.

    Money from another platform is followed into that platform's whole pool (its funding, its clients, its own funds), to the
    end: exact linear equations where platforms fund one another. Amounts and shares are rounded by largest remainders.
    """
    found = pieces(fund.layers)
    known = pool_mixes(fund, found)
    out: list[Share] = []
    for platform in fund.platforms:
        mix: Mix = {}
        for piece in found:
            if piece.platform_id == platform:
                _add(mix, _ends(piece.leaf, piece.amount_li, piece.related, known))
        out += _shares(platform, mix)
    return out


def _shares(platform: str, mix: Mix) -> list[Share]:
    total = sum(mix.values(), Fraction(0))
    if not total:
        return []
    ordered = sorted(mix, key=lambda s: (-mix[s], s))
    amounts = apportion([mix[s] for s in ordered], int(total))
    parts = apportion([mix[s] / total * PPM for s in ordered], PPM)
    rows = zip(ordered, amounts, parts, strict=True)
    return [Share(platform, s, a, p, mix[s] / total) for s, a, p in rows]


def apportion(exact: list[Fraction], total: int) -> list[int]:
    """Whole numbers next to some fractions that add up to a total: rounded down, what is left to the largest remainders."""
    down = [x.numerator // x.denominator for x in exact]
    order = sorted(range(len(exact)), key=lambda i: (down[i] - exact[i], i))
    for i in order[: total - sum(down)]:
        down[i] += 1
    return down


def goes_through(layer: Layer, platforms: Container[str | None]) -> bool:
    """Whether a layer's lender is a platform of the book that passes on its pool; `own` money of a platform ends there."""
    return layer.funder_id in platforms and layer.source != "own"


def _ends(layer: Layer, amount: int, related: bool, known: Mapping[str, Mix]) -> Mix:
    """Where an amount lent by a layer's funder comes from in the end."""
    if layer.funder_id is not None and goes_through(layer, known):
        passed = known[layer.funder_id].items()
        return _summed((Source(s.party, s.kind, s.currency, s.related or related), amount * part) for s, part in passed)
    return {Source(layer.party, layer.source, layer.currency, related): Fraction(amount)}


def _summed(parts: Iterable[tuple[Source, Fraction]]) -> Mix:
    out: Mix = {}
    for source, part in parts:
        out[source] = out.get(source, Fraction(0)) + part
    return out


def _add(mix: Mix, more: Mix) -> None:
    for source, part in more.items():
        mix[source] = mix.get(source, Fraction(0)) + part


def pool_mixes(fund: Fund, found: list[Piece]) -> dict[str, Mix]:
    """What one yuan of each platform's pool (funding, clients, own funds) is made of; the parts of each add up to one."""
    at = {name: i for i, name in enumerate(fund.platforms)}
    # A platform of whose pool nothing is known is an end like any other lender.
    full = {p.platform_id for p in found} | {c.platform_id for c in fund.claims} | {p for p in at if fund.own(p)}
    ends: list[Mix] = [{} for _ in at]
    passes: list[dict[int, Fraction]] = [{} for _ in at]
    for piece in found:
        i = at[piece.platform_id]
        if piece.leaf.funder_id is not None and goes_through(piece.leaf, full):
            j = at[piece.leaf.funder_id]
            passes[i][j] = passes[i].get(j, Fraction(0)) + piece.amount_li
        else:
            leaf = piece.leaf
            _add(ends[i], {Source(leaf.party, leaf.source, leaf.currency, piece.related): Fraction(piece.amount_li)})
    for claim in fund.claims:
        i = at[claim.platform_id]
        if claim.client_id in full:
            j = at[claim.client_id]
            passes[i][j] = passes[i].get(j, Fraction(0)) + claim.amount_li
        else:
            _add(ends[i], {Source(f"clients of {claim.platform_id}", CLIENTS): Fraction(claim.amount_li)})
    for name, i in at.items():
        if fund.own(name):
            _add(ends[i], {Source(f"own funds of {name}", OWN_FUNDS): Fraction(fund.own(name))})
    return {name: mix for name, mix in zip(fund.platforms, _solved(fund.platforms, ends, passes), strict=True) if mix}


def _solved(names: tuple[str, ...], ends: list[Mix], passes: list[dict[int, Fraction]]) -> list[Mix]:
    """The mixes of pools that pass money on to one another: x = ends + passes x, each row divided by its total."""
    closed = _without_end(ends, passes)
    for group in closed:
        told = "nobody but " + ", ".join(names[i] for i in group)
        for i in group:
            ends[i], passes[i] = {Source(told, CIRCULAR): Fraction(1)}, {}
    totals = [sum(ends[i].values(), Fraction(0)) + sum(passes[i].values(), Fraction(0)) for i in range(len(names))]
    linked = sorted({i for i, row in enumerate(passes) if row})
    place = {i: k for k, i in enumerate(linked)}
    mixes: list[Mix] = [{s: part / t for s, part in mix.items()} if t else {} for mix, t in zip(ends, totals, strict=True)]
    if not linked:
        return mixes
    matrix = [{place[j]: -part / totals[i] for j, part in passes[i].items() if j in place} for i in linked]
    right: list[Mix] = []
    for k, i in enumerate(linked):
        matrix[k][k] = matrix[k].get(k, Fraction(0)) + 1
        row = dict(mixes[i])
        for j, part in passes[i].items():
            if j not in place:
                _add(row, {s: part / totals[i] * share for s, share in mixes[j].items()})
        right.append(row)
    for i, mix in zip(linked, solve(matrix, right), strict=True):
        mixes[i] = mix
    return mixes


def _without_end(ends: list[Mix], passes: list[dict[int, Fraction]]) -> list[list[int]]:
    """Groups of pools that hold nothing but one another's money."""
    reaches = {i for i, mix in enumerate(ends) if mix}
    while True:
        more = {i for i, row in enumerate(passes) if i not in reaches and any(j in reaches for j in row)}
        if not more:
            break
        reaches |= more
    lost = [i for i, row in enumerate(passes) if i not in reaches and row]
    edges = {i: {j for j in passes[i] if passes[i][j]} for i in lost}
    return [sorted(group) for group in strongly_connected(edges) if all(edges[i] <= group for i in group)]
