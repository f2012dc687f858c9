"""The funding side of a look-through held against its limits (M-104)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from stresslab.book.recall import State
from stresslab.pool.circles import Circle
from stresslab.pool.clearing import Cleared
from stresslab.pool.findings import Finding, beyond, finding, percent, yuan
from stresslab.pool.layers import CIRCULAR, HOME_CURRENCY, Fund, Piece
from stresslab.pool.recalls import recalled
from stresslab.pool.rules import PoolLimits

if TYPE_CHECKING:
    from stresslab.pool.through import PlatformPool

#: Implied exchange rates of one currency may differ by so much (1 in so many) before somebody is told.
_RATE_SPREAD = 20
_MONTH = 30
#: A shared funder is told where he stands behind at least 1 in so many of the funding of two platforms.
_SHARED_LEAST = 100


def judge(
    fund: Fund, found: Sequence[Piece], pools: Sequence[PlatformPool], rounds: Sequence[Circle], limits: PoolLimits
) -> list[Finding]:
    """Every finding on funding, circles first."""
    out = [_circle(fund, c, limits) for c in rounds]
    for pool in pools:
        out += [*_closed(pool), *_segregation(fund, pool, limits), *_clients(fund, pool), *_shares(pool, limits)]
        out += [*_concentrated(pool, limits), *_tenor(found, pool, limits), *_recalls(fund, pool, limits)]
    return [*out, *_shared(pools), *_exchange_rates(fund)]


def _circle(fund: Fund, circle: Circle, limits: PoolLimits) -> Finding:
    steps = [*circle.parties, circle.parties[0]]
    way = steps[0] + "".join(f" → ({yuan(a)}) {b}" for a, b in zip(circle.amounts_li, steps[1:], strict=True))
    touched = [p for p in circle.parties if p in fund.platforms]
    least = min((fund.funding(p) for p in touched if fund.funding(p)), default=0)
    severity = beyond(circle.amount_li, least, limits.circular_pct) if least else "breach"
    return finding("circle", severity, touched[0] if len(touched) == 1 else None, circle.amount_li, rows=circle.parties, way=way,
                   value=percent(circle.amount_li, least), limit=limits.circular_pct)


def _closed(pool: PlatformPool) -> Iterator[Finding]:
    for share in pool.sources:
        if share.source.kind == CIRCULAR:
            yield finding("no_source", "breach", pool.platform_id, share.amount_li, who=share.source.party,
                          value=percent(share.amount_li, pool.funding_li), limit=0.0)


def _segregation(fund: Fund, pool: PlatformPool, limits: PoolLimits) -> Iterator[Finding]:
    by_name = {x.funding_id: x for x in fund.layers}
    for layer in fund.layers:
        if layer.platform_id != pool.platform_id or layer.parent_id is None:
            continue
        above = by_name[layer.parent_id]
        if layer.segregated and above.segregated is not True:
            yield finding("segregation_lost", "breach", pool.platform_id, layer.amount_li, a=layer.funding_id, b=above.funding_id,
                          rows=(layer.funding_id, above.funding_id))
        if above.segregated and layer.segregated is not True:
            yield finding("segregation_hollow", "breach", pool.platform_id, layer.amount_li, a=above.funding_id, b=layer.funding_id,
                          rows=(above.funding_id, layer.funding_id))
    if pool.unsegregated_li:
        yield finding("client_money_in_pool", beyond(pool.unsegregated_li, pool.free_cash_li, limits.client_money_pct), pool.platform_id,
                      pool.unsegregated_li, value=percent(pool.unsegregated_li, pool.free_cash_li), limit=limits.client_money_pct)


def _clients(fund: Fund, pool: PlatformPool) -> Iterator[Finding]:
    """Client money as funding: of another platform's clients, looked through; of own clients that lend to the platform."""
    if pool.clients_li:
        n = percent(pool.clients_li, pool.funding_li)
        yield finding("client_money_lent", "breach", pool.platform_id, pool.clients_li, value=n, limit=0.0)
    clients = {c.client_id for c in fund.claims if c.platform_id == pool.platform_id and c.client_id not in fund.platforms}
    for layer in fund.layers:
        if layer.platform_id == pool.platform_id and layer.funder_id in clients:
            yield finding("client_funds", "breach", pool.platform_id, layer.amount_li, who=layer.funder_id, a=layer.funding_id,
                          rows=(layer.funding_id,))


def _shares(pool: PlatformPool, limits: PoolLimits) -> Iterator[Finding]:
    for code, part, limit in (
        ("related", pool.related_li, limits.related_pct), ("foreign_currency", pool.foreign_li, limits.foreign_currency_pct),
        ("opaque", pool.opaque_li, limits.opaque_pct),
    ):
        if part:
            n = percent(part, pool.funding_li)
            yield finding(code, beyond(part, pool.funding_li, limit), pool.platform_id, part, value=n, limit=limit)


def _concentrated(pool: PlatformPool, limits: PoolLimits) -> Iterator[Finding]:
    held = pool.through
    if held is None:
        return
    yield finding("largest_funder", beyond(held.largest_ppm, 1_000_000, limits.largest_funder_pct), pool.platform_id, who=held.largest,
                  value=held.largest_ppm / 10_000, limit=limits.largest_funder_pct, rows=(held.largest,))
    if held.hhi_points > limits.hhi_points:
        yield finding("hhi", "breach", pool.platform_id, value=float(held.hhi_points), limit=float(limits.hhi_points))


def _tenor(found: Sequence[Piece], pool: PlatformPool, limits: PoolLimits) -> Iterator[Finding]:
    month = next(s for s in pool.ladder if s.until_day == _MONTH)
    due = pool.funding_li + pool.claims_li
    if month.gap_li < 0:
        yield finding("gap", beyond(-month.gap_li, due, limits.gap_30_days_pct), pool.platform_id, -month.gap_li,
                      value=percent(-month.gap_li, due), limit=limits.gap_30_days_pct, deep=yuan(-month.gap_through_li))
    short = [x for x in found if x.platform_id == pool.platform_id and x.maturity_days < x.chain[0].maturity_days]
    if short:
        total = sum(x.amount_li for x in short)
        worst = min(short, key=lambda x: (x.maturity_days - x.chain[0].maturity_days, x.leaf.funding_id))
        shortest = min(worst.chain, key=lambda x: x.maturity_days)
        yield finding("shorter_behind", "notice", pool.platform_id, total, rows=tuple(x.leaf.funding_id for x in short),
                      value=percent(total, pool.funding_li), a=worst.chain[0].funding_id, front=worst.chain[0].maturity_days,
                      b=shortest.funding_id, back=shortest.maturity_days)


def _recalls(fund: Fund, pool: PlatformPool, limits: PoolLimits) -> Iterator[Finding]:
    taken = recalled(fund, pool.platform_id, State(market_fall_bp=round(limits.recall_fall_pct * 100)))
    if taken.amount_li:
        yield finding("recall", beyond(taken.amount_li, pool.funding_li, limits.recall_pct), pool.platform_id, taken.amount_li,
                      value=percent(taken.amount_li, pool.funding_li), limit=limits.recall_pct, fall=f"{limits.recall_fall_pct:g}",
                      layers=len(taken.layers), rows=taken.layers)


def _shared(pools: Sequence[PlatformPool]) -> Iterator[Finding]:
    """Funders who stand behind several platforms: what one of them takes, several miss."""
    behind: dict[str, dict[str, int]] = {}
    for pool in pools:
        mine: dict[str, int] = {}
        for share in pool.sources:
            mine[share.source.party] = mine.get(share.source.party, 0) + share.amount_li
        for who, amount in mine.items():
            if amount * _SHARED_LEAST >= pool.funding_li:
                behind.setdefault(who, {})[pool.platform_id] = amount
    for who, row in sorted(behind.items(), key=lambda x: (-sum(x[1].values()), x[0])):
        if len(row) > 1:
            told = ", ".join(f"{p} {yuan(a)}" for p, a in sorted(row.items()))
            yield finding("shared_funder", "notice", None, sum(row.values()), who=who, told=told, rows=tuple(sorted(row)))


def _exchange_rates(fund: Fund) -> Iterator[Finding]:
    """Amounts in a currency whose implied rates do not agree with one another."""
    rates: dict[str, list[tuple[Fraction, str]]] = {}
    for x in fund.layers:
        if x.currency != HOME_CURRENCY and x.amount_currency:
            rates.setdefault(x.currency, []).append((Fraction(x.amount_li, 1000) / Fraction(x.amount_currency), x.funding_id))
    for currency, found in sorted(rates.items()):
        (low, cheap), (high, dear) = min(found), max(found)
        if (high - low) * _RATE_SPREAD > low:
            yield finding("exchange_rate", "notice", who=currency, low=f"{float(low):.4f}", high=f"{float(high):.4f}", a=cheap, b=dear,
                          rows=(cheap, dear))


def cannot_pay(cleared: Cleared) -> list[Finding]:
    """Who cannot pay what it owes although nothing has happened yet."""
    return [
        finding("cannot_pay", "breach", None, cleared.owed[who] - cleared.paid[who], who=who, paid=yuan(cleared.paid[who]),
                owed=yuan(cleared.owed[who]), rows=(who,))
        for who in cleared.defaulted
    ]
