"""A book looked through: who stands behind each platform, when the money is due, what breaks, where it went, who brings down whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import pandas as pd

from stresslab.book.checks import given
from stresslab.book.files import Book
from stresslab.pool.circles import Circle, circles, party_edges
from stresslab.pool.clearing import Cleared, Debt, Network, Strike, clear, default_rounds, strikes
from stresslab.pool.findings import Finding, of_flag
from stresslab.pool.judged import cannot_pay, judge
from stresslab.pool.ladder import Step, by_currency, ladder, mean_days
from stresslab.pool.layers import CLIENTS, HOME_CURRENCY, INTERMEDIARIES, Fund, Piece, loans_by_day, pieces, read_fund
from stresslab.pool.movements import Flag, Movement, flags, flows_between, read_movements, roles_of
from stresslab.pool.recalls import Clause, clauses, market_falls
from stresslab.pool.rules import Rules, read_rules
from stresslab.pool.sources import Share, ultimate_sources

#: The largest so many funders are added up as "top".
TOP_FUNDERS = 5
#: In larger networks only platforms are struck one by one, and so many of them at most.
STRIKES_MOST = 25


@dataclass(frozen=True)
class Concentration:
    """Largest and top funders in ppm of direct funding (rounded down), and the HHI in points of 10,000 (rounded half up)."""

    largest: str
    largest_ppm: int
    top_ppm: int
    hhi_points: int
    funders: int


@dataclass(frozen=True)
class PlatformPool:
    """One platform's pool; amounts in 厘."""

    platform_id: str
    funding_li: int
    claims_li: int
    own_funds_li: int
    loans_li: int
    liquid_li: int
    other_li: int
    unsegregated_li: int
    free_cash_li: int
    sources: tuple[Share, ...]
    ladder: tuple[Step, ...]
    funding_days: Fraction | None
    funding_through_days: Fraction | None
    loan_days: Fraction | None
    currencies: dict[str, tuple[int, int]]
    related_direct_li: int
    related_li: Fraction
    foreign_li: Fraction
    opaque_li: Fraction
    clients_li: Fraction
    direct: Concentration | None
    through: Concentration | None
    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class LookThrough:
    """What a look-through found; ``facts`` is all of it as JSON can hold it."""

    book: str
    as_of: str
    synthetic: bool
    fund: Fund
    pools: tuple[PlatformPool, ...]
    circles: tuple[Circle, ...]
    more_circles: bool
    market_falls: tuple[tuple[int, int], ...]
    movements: tuple[Movement, ...]
    flags: tuple[Flag, ...]
    network: Network | None
    cleared: Cleared | None
    rounds: tuple[tuple[str, ...], ...]
    strikes: tuple[Strike, ...]
    findings: tuple[Finding, ...]
    rules: Rules

    @property
    def breaches(self) -> list[Finding]:
        """The findings beyond a limit."""
        return [f for f in self.findings if f.severity == "breach"]

    @cached_property
    def sources(self) -> pd.DataFrame:
        """Ultimate sources: platform_id, source_id, kind, currency, related_party, amount_li, share_ppm; shares of a platform add up."""
        rows = [(s.platform_id, s.source.party, s.source.kind, s.source.currency, s.source.related, s.amount_li, s.share_ppm)
                for p in self.pools for s in p.sources]
        return pd.DataFrame(rows, columns=["platform_id", "source_id", "kind", "currency", "related_party", "amount_li", "share_ppm"])

    @cached_property
    def ladder(self) -> pd.DataFrame:
        """The tenor ladder, one row per platform and step, 厘; ``until_day`` is null in the last step."""
        table = pd.DataFrame([{"platform_id": p.platform_id, **vars(s)} for p in self.pools for s in p.ladder])
        return table.astype({"until_day": "Int64"}) if len(table) else table

    @cached_property
    def flows(self) -> pd.DataFrame:
        """Movements added up by who paid whom, over all platforms."""
        return flows_between(self.movements)

    @cached_property
    def losses(self) -> pd.DataFrame:
        """Who brings down whom: row = who loses all his outside assets, column = who is paid less, 厘 (rounded down).

        In a network of more than ``STRIKES_MOST`` parties both are platforms alone.
        """
        names = [s.party for s in self.strikes]
        return pd.DataFrame([[_floor(s.losses[n]) for n in names] for s in self.strikes], index=names, columns=names)

    def facts(self) -> dict[str, Any]:
        """All of it as JSON can hold it, for a record, a page or a program; money in 厘."""
        from stresslab.pool.facts import facts

        return facts(self)


def look_through(book: Book, *, rules: Rules | None = None) -> LookThrough:
    """Who stands behind each platform of a book, and what breaks: a static analysis, nothing is simulated (M-100 to M-109)."""
    held = rules or read_rules()
    fund = read_fund(book)
    found = pieces(fund.layers)
    by_platform: dict[str, list[Share]] = {}
    for share in ultimate_sources(fund):
        by_platform.setdefault(share.platform_id, []).append(share)
    pools = tuple(_pool(book, fund, found, name, by_platform.get(name, [])) for name in fund.platforms)
    rounds, more = circles(party_edges(fund))
    moved = read_movements(book)
    flagged = flags(moved, roles_of(book, moved), held.movements) if moved else []
    network = read_network(book)
    said = judge(fund, found, pools, rounds, held.pool)
    said += [of_flag(flag, _places(book, flag)) for flag in flagged]
    cleared = clear(network) if network is not None else None
    struck = [w for w in network.parties if len(network.parties) <= STRIKES_MOST or w in fund.platforms][:STRIKES_MOST] if network else []
    said += cannot_pay(cleared) if cleared is not None else []
    return LookThrough(
        book.title, str(book.as_of), book.synthetic, fund, pools, tuple(rounds), more, tuple(market_falls(fund)), tuple(moved),
        tuple(flagged), network, cleared,
        tuple(default_rounds(network)) if network is not None else (),
        tuple(strikes(network, struck)) if network is not None else (),
        tuple(sorted(said, key=lambda f: f.severity)), held)


def _pool(book: Book, fund: Fund, found: Sequence[Piece], name: str, shares: list[Share]) -> PlatformPool:
    p = book.tables["platforms"]
    place = list(p["platform_id"]).index(name)
    dated, on_call = loans_by_day(book, name)
    liquid = int(p["cash_li"].iloc[place]) + int(p["liquid_pool_li"].iloc[place])
    mine = [x for x in fund.layers if x.platform_id == name and x.parent_id is None]
    claims = sum(c.amount_li for c in fund.claims if c.platform_id == name)
    loans = sum(dated.values()) + on_call
    steps = ladder(fund, found, name, liquid, dated, on_call)
    direct: dict[str, Fraction] = {}
    for layer in mine:
        direct[layer.party] = direct.get(layer.party, Fraction(0)) + layer.amount_li
    through: dict[str, Fraction] = {}
    for s in shares:
        through[s.source.party] = through.get(s.source.party, Fraction(0)) + s.exact
    total = fund.funding(name)
    owed = book.tables["claims"]
    free = int(owed.loc[(owed["platform_id"] == name) & (owed["kind"] == "free_cash"), "amount_li"].sum())
    return PlatformPool(
        name, total, claims, fund.own(name), loans, liquid, int(given(p, "other_assets_li", 0).iloc[place]),
        fund.unsegregated_li[place], free, tuple(shares), tuple(steps),
        mean_days([(x.maturity_days, x.amount_li) for x in mine]),
        mean_days([(x.maturity_days, x.amount_li) for x in found if x.platform_id == name]), mean_days(list(dated.items())),
        by_currency(found, name), sum(x.amount_li for x in mine if x.related),
        sum((s.exact * total for s in shares if s.source.related), Fraction(0)),
        sum((s.exact * total for s in shares if s.source.currency != HOME_CURRENCY), Fraction(0)),
        sum((s.exact * total for s in shares if s.source.kind in INTERMEDIARIES), Fraction(0)),
        sum((s.exact * total for s in shares if s.source.kind == CLIENTS), Fraction(0)),
        concentration(direct), concentration(through), tuple(clauses(fund, name, loans)))


def concentration(parts: Mapping[str, Fraction]) -> Concentration | None:
    """How concentrated some amounts by party are, compared exactly; None of nothing (M-103)."""
    total = sum(parts.values(), Fraction(0))
    if not total:
        return None
    ranked = sorted(((amount / total, who) for who, amount in parts.items() if amount), key=lambda x: (-x[0], x[1]))
    top = sum((share for share, _ in ranked[:TOP_FUNDERS]), Fraction(0))
    hhi = sum((share * share for share, _ in ranked), Fraction(0)) * 10_000
    return Concentration(ranked[0][1], _floor(ranked[0][0] * 1_000_000), _floor(top * 1_000_000), _floor(hhi + Fraction(1, 2)), len(ranked))


def _floor(x: Fraction) -> int:
    return x.numerator // x.denominator


def read_network(book: Book, equity_li: Mapping[str, int] | None = None, **kept: Fraction) -> Network | None:
    """The obligations of a book's exposures as a network; None without the table.

    What a platform owns outside is what makes its equity, before any shock, its own funds in the book. Other parties have no balance
    sheet in a book: they are taken to pay what they owe from other means, unless ``equity_li`` says what their equity is.
    ``kept`` passes ``outside_kept`` and ``inside_kept`` (Rogers and Veraart).
    """
    if "exposures" not in book.tables:
        return None
    t, p = book.tables["exposures"], book.tables["platforms"]
    rows = zip(t["to_id"], t["from_id"], t["amount_li"], t["seniority"], strict=True)
    debts = tuple(Debt(str(debtor), str(creditor), int(amount), int(rank)) for debtor, creditor, amount, rank in rows if debtor != creditor)
    equity = {str(n): int(a) + int(b) for n, a, b in zip(p["platform_id"], p["own_capital_li"], p["reserve_li"], strict=True)}
    equity |= dict(equity_li or {})
    owes: dict[str, int] = {}
    gets: dict[str, int] = {}
    for d in debts:
        owes[d.debtor] = owes.get(d.debtor, 0) + int(d.amount)
        gets[d.creditor] = gets.get(d.creditor, 0) + int(d.amount)
    outside = {
        who: max(0, equity[who] + owes.get(who, 0) - gets.get(who, 0)) if who in equity else owes.get(who, 0)
        for who in sorted(owes.keys() | gets.keys())
    }
    return Network(outside, debts, **kept)


def _places(book: Book, flag: Flag) -> list[str]:
    """Where the rows of a flag stand: file and row where the book was read from files, else the movement itself."""
    told = []
    for m in flag.movements:
        said = f"{m.date} {m.party} → {m.counterparty} {m.kind} {m.amount_li / 1000:,.0f}"
        if "movements" in book.places:
            rows, order = book.places["movements"]
            file, row = rows.place(int(order[m.at]))
            said = f"{file} row {row}: {said}"
        told.append(said)
    return told
