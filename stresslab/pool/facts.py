"""A look-through as JSON can hold it: what a record keeps and a page is made from. Money in 厘, shares in ppm."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from stresslab.pool.layers import nested
from stresslab.pool.sources import goes_through

if TYPE_CHECKING:
    from stresslab.pool.through import Concentration, LookThrough, PlatformPool


def facts(made: LookThrough) -> dict[str, Any]:
    """All that a look-through found."""
    return {
        "book": made.book, "as_of": made.as_of, "layers_deep": nested(made.fund),
        "limits": {"title": made.rules.title, "title_zh": made.rules.title_zh, "provisional": made.rules.provisional,
                   "pool": made.rules.pool.model_dump(mode="json"), "movements": made.rules.movements.model_dump(mode="json")},
        "platforms": [_pool(p) for p in made.pools],
        "layers": _layers(made),
        "circles": [{"parties": list(c.parties), "amounts_li": list(c.amounts_li), "amount_li": c.amount_li} for c in made.circles],
        "more_circles": made.more_circles,
        "market_falls": [list(x) for x in made.market_falls],
        "movements": {"count": len(made.movements), "amount_li": sum(m.amount_li for m in made.movements),
                      "first": str(min((m.date for m in made.movements), default="")),
                      "last": str(max((m.date for m in made.movements), default="")),
                      "flags": dict(sorted(Counter(f.rule for f in made.flags).items()))},
        "clearing": _clearing(made),
        "findings": [f.plain() for f in made.findings],
    }


def _pool(p: PlatformPool) -> dict[str, Any]:
    return {
        "platform_id": p.platform_id, "funding_li": p.funding_li, "claims_li": p.claims_li, "own_funds_li": p.own_funds_li,
        "loans_li": p.loans_li, "liquid_li": p.liquid_li, "other_li": p.other_li, "unsegregated_li": p.unsegregated_li,
        "free_cash_li": p.free_cash_li,
        "sources": [{"party": s.source.party, "kind": s.source.kind, "currency": s.source.currency, "related": s.source.related,
                     "amount_li": s.amount_li, "share_ppm": s.share_ppm} for s in p.sources],
        "ladder": [vars(s) for s in p.ladder],
        "funding_days": _tenths(p.funding_days), "funding_through_days": _tenths(p.funding_through_days), "loan_days": _tenths(p.loan_days),
        "currencies": {name: list(both) for name, both in p.currencies.items()},
        "related_direct_li": p.related_direct_li, "related_li": int(p.related_li), "foreign_li": int(p.foreign_li),
        "opaque_li": int(p.opaque_li), "clients_li": int(p.clients_li),
        "direct": _concentration(p.direct), "through": _concentration(p.through),
        "clauses": [{"clause": str(c.trigger), "measure": c.trigger.measure, "shown": c.trigger.shown, "layers": list(c.own_layers),
                     "fired": list(c.recalled.layers), "amount_li": c.recalled.amount_li,
                     "by_notice_li": [list(x) for x in c.recalled.by_notice_li]} for c in p.clauses],
    }


def _tenths(days: Fraction | None) -> float | None:
    return None if days is None else round(float(days), 1)


def _concentration(c: Concentration | None) -> dict[str, Any] | None:
    return None if c is None else dict(vars(c))


def _layers(made: LookThrough) -> list[dict[str, Any]]:
    """What a picture of the pool is drawn from: every layer, with what is wrong at it."""
    marked: dict[str, list[str]] = {}
    names = {x.funding_id for x in made.fund.layers}
    for f in made.findings:
        if f.code in ("segregation_lost", "segregation_hollow", "client_funds"):
            for name in f.rows[:1] if f.code == "segregation_lost" else f.rows[-1:]:
                if name in names:
                    marked.setdefault(name, []).append(f.code)
    in_circle = {(a, b) for c in made.circles for a, b in zip(c.parties, [*c.parties[1:], c.parties[0]], strict=True)}
    by_name = {x.funding_id: x for x in made.fund.layers}
    out = []
    for x in made.fund.layers:
        taker = x.platform_id if x.parent_id is None else by_name[x.parent_id].party
        codes = [*marked.get(x.funding_id, []), *(["circle"] if (x.party, taker) in in_circle else [])]
        out.append({
            "funding_id": x.funding_id, "platform_id": x.platform_id, "parent_id": x.parent_id, "party": x.party, "source": x.source,
            "amount_li": x.amount_li, "maturity_days": x.maturity_days, "currency": x.currency, "segregated": x.segregated,
            "related": x.related, "trigger": " or ".join(str(t) for t in x.triggers), "recall_bp": x.recall_bp if x.triggers else 0,
            "notice_days": x.notice_days, "through": x.funder_id if goes_through(x, made.fund.platforms) else None, "marks": codes,
        })
    return out


def _clearing(made: LookThrough) -> dict[str, Any] | None:
    if made.network is None or made.cleared is None:
        return None
    c, paid = made.cleared, made.cleared.paid_li()
    losses = made.losses
    return {
        "parties": [{"party": w, "outside_li": int(made.network.of(w)), "owed_li": int(c.owed[w]), "paid_li": paid[w],
                     "equity_li": c.equity[w].numerator // c.equity[w].denominator, "platform": w in made.fund.platforms}
                    for w in made.network.parties],
        "debts": sorted([d.debtor, d.creditor, int(d.amount), d.seniority] for d in made.network.debts),
        "defaulted": list(c.defaulted), "rounds": [list(r) for r in made.rounds],
        "struck": [{"party": s.party, "rounds": [list(r) for r in s.rounds], "losses_li": list(row)}
                   for s, row in zip(made.strikes, losses.itertuples(index=False), strict=True)],
    }


