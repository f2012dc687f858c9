"""When money is due on both sides, and in which currency: the tenor ladder with its gaps, the currency mismatch (M-101)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from stresslab.pool.layers import Fund, Piece

#: Last day of each step of the ladder; the last step has no end.
LADDER_DAYS: tuple[int | None, ...] = (0, 7, 30, 90, 180, 365, None)


@dataclass(frozen=True)
class Step:
    """One step of a platform's ladder, 厘: what comes in and what is due until ``until_day``; gaps are cumulative.

    ``gap_li`` counts liquid money and loans at their maturity against direct funding and claims; ``gap_called_li`` also counts
    loans on call, as if all of them could be called at once; ``gap_through_li`` is ``gap_li`` with each portion of the funding
    as short as the shortest link of its chain.
    """

    until_day: int | None
    liquid_li: int
    loans_li: int
    on_call_li: int
    funding_li: int
    funding_through_li: int
    claims_li: int
    gap_li: int
    gap_called_li: int
    gap_through_li: int


def ladder(fund: Fund, found: Sequence[Piece], platform: str, liquid_li: int, dated: dict[int, int], on_call_li: int) -> list[Step]:
    """The ladder of one platform; loans without a maturity are on call and come in on no day unless they are called."""
    steps = len(LADDER_DAYS)
    loans, direct, through, claims = ([0] * steps for _ in range(4))
    for day, amount in dated.items():
        loans[_step(day)] += amount
    for layer in fund.layers:
        if layer.platform_id == platform and layer.parent_id is None:
            direct[_step(layer.maturity_days)] += layer.amount_li
    for piece in found:
        if piece.platform_id == platform:
            through[_step(piece.maturity_days)] += piece.amount_li
    for claim in fund.claims:
        if claim.platform_id == platform:
            claims[_step(claim.notice_days)] += claim.amount_li
    out: list[Step] = []
    plain = called = deep = 0
    for k, until in enumerate(LADDER_DAYS):
        liquid, call = (liquid_li, on_call_li) if k == 0 else (0, 0)
        plain += liquid + loans[k] - direct[k] - claims[k]
        called += liquid + loans[k] + call - direct[k] - claims[k]
        deep += liquid + loans[k] - through[k] - claims[k]
        out.append(Step(until, liquid, loans[k], call, direct[k], through[k], claims[k], plain, called, deep))
    return out


def _step(days: int) -> int:
    return bisect_left([d for d in LADDER_DAYS if d is not None], days)


def mean_days(parts: Sequence[tuple[int, int]]) -> Fraction | None:
    """The mean of days weighted by amounts, exactly; None without an amount. ``parts`` are (days, amount)."""
    total = sum(amount for _, amount in parts)
    return Fraction(sum(days * amount for days, amount in parts), total) if total else None


def by_currency(found: Sequence[Piece], platform: str) -> dict[str, tuple[int, int]]:
    """Funding by currency, 厘: as the direct layers say, and as the last layers of the chains say."""
    direct: dict[str, int] = {}
    last: dict[str, int] = {}
    for piece in found:
        if piece.platform_id == platform:
            direct[piece.chain[0].currency] = direct.get(piece.chain[0].currency, 0) + piece.amount_li
            last[piece.leaf.currency] = last.get(piece.leaf.currency, 0) + piece.amount_li
    return {name: (direct.get(name, 0), last.get(name, 0)) for name in sorted(direct.keys() | last.keys())}
