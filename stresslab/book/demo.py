"""The demo book: synthetic and labelled so. Three platforms, leverage from 1:0.3 to 1:5."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.book.demo_answers import answers
from stresslab.book.demo_pool import exposures, movements, with_funders
from stresslab.book.files import Book
from stresslab.glossary import INPUTS, SALE_ORDERS
from stresslab.kernels.draws import STREAM_DEMO, fill_uniforms, inverse_normal

F64 = NDArray[np.float64]

AS_OF = datetime.date(2026, 6, 30)
_SECTORS = ("bank", "broker", "insurance", "property", "technology", "health", "consumer", "energy", "industry", "materials")
#: Board and how many of 120 instruments stand on it.
_BOARDS = (("main", 66), ("chinext", 28), ("star", 14), ("st", 5), ("fund", 7))
_MARKET_VOLATILITY = 0.192
#: Daily turnover of all instruments for a book of 20,000 accounts: about a third of its collateral.
TURNOVER_YUAN = 4.5e9
#: One of the least held instruments is suspended for the whole run.
SUSPENDED = 3
_SECTOR_VOLATILITY = 0.08


@dataclass(frozen=True)
class _Style:
    """How one demo platform lends: shares are of its loans unless said otherwise."""

    platform_id: str
    name: str
    part: float  # share of all accounts
    equity_yuan: float  # median of a client's own money
    multiples: tuple[float, ...]  # financing multiple D / E
    weights: tuple[float, ...]
    lines: tuple[tuple[float, float], ...]  # warning and liquidation line, percent, for each multiple
    rate_pct: tuple[float, float]
    types: tuple[float, float, float]  # retail, professional, institution
    floating: float
    own_capital: float
    reserve: float
    cash: float
    pool: float
    claims: float
    free_cash: float  # of claims
    segregated: float  # of free cash
    line: float
    committed: bool
    layers: tuple[tuple[str, float, float, str, int, int, int], ...]  # source, share of funding, rate, type, reset, maturity, seniority
    disclosure: float
    orders: tuple[float, ...]  # of accounts, by order of sale: pro rata, most liquid, largest, most volatile, highest loss
    knows_costs: bool


_STYLES = (
    _Style("P1", "Harbour Securities 海港证券", 0.70, 260_000, (0.3, 0.5, 0.8, 1.0), (0.2, 0.3, 0.3, 0.2),
           ((150, 130), (150, 130), (140, 130), (140, 130)), (5.5, 7.5), (0.75, 0.2, 0.05), 0.2,
           0.22, 0.02, 0.08, 0.10, 0.22, 0.5, 0.9, 0.30, True,
           (("bank", 0.55, 3.1, "floating", 90, 365, 1), ("nonbank", 0.30, 3.8, "fixed", 365, 540, 1),
            ("shareholder", 0.15, 4.5, "fixed", 365, 1095, 2)), 88.0, (0.5, 0.2, 0.1, 0.05, 0.15), True),
    _Style("P2", "Lantern Finance 灯塔配资", 0.18, 150_000, (1.0, 2.0, 3.0), (0.35, 0.4, 0.25),
           ((150, 130), (130, 118), (118, 110)), (10.0, 14.0), (0.85, 0.14, 0.01), 0.4,
           0.007, 0.002, 0.05, 0.05, 0.30, 0.2, 0.9, 0.05, False,
           (("bank", 0.45, 4.6, "floating", 30, 180, 1), ("nonbank", 0.35, 6.8, "floating", 30, 60, 1),
            ("foreign", 0.10, 5.9, "floating", 30, 25, 2), ("p2p", 0.10, 9.0, "fixed", 30, 20, 2)), 85.0, (0.3, 0.4, 0.1, 0.2, 0.0), True),
    _Style("P3", "Quickstep Capital 快步资本", 0.12, 90_000, (2.0, 3.0, 4.0, 5.0), (0.2, 0.3, 0.3, 0.2),
           ((130, 115), (118, 110), (113, 108), (112, 107)), (16.0, 24.0), (0.95, 0.05, 0.0), 0.0,
           0.010, 0.002, 0.03, 0.01, 0.45, 0.1, 0.0, 0.02, False,
           (("nonbank", 0.40, 8.5, "floating", 30, 25, 1), ("p2p", 0.45, 11.0, "fixed", 30, 15, 2),
            ("own", 0.15, 0.0, "fixed", 365, 1095, 2)), 30.0, (0.0, 0.6, 0.4, 0.0, 0.0), False),
)


class _Dice:
    """Uniforms by purpose: each call takes the next day of the demo's own stream, on a path of its own for each part of a book."""

    def __init__(self, seed: int, path: int = 0) -> None:
        self.seed, self.path, self.day = seed, path, 0

    def uniforms(self, count: int) -> F64:
        out = np.zeros(count)
        fill_uniforms(out, self.seed, self.path, self.day, STREAM_DEMO)
        self.day += 1
        return out

    def normals(self, count: int) -> F64:
        return np.array([inverse_normal(u) for u in self.uniforms(count)])

    def pick(self, count: int, weights: Any) -> NDArray[np.int64]:
        edges = np.cumsum(np.asarray(weights, dtype=float))
        return np.searchsorted(edges / edges[-1], self.uniforms(count), side="right").astype(np.int64)


def demo_book(accounts: int = 20_000, seed: int = 1) -> Book:
    """A synthetic book of three platforms: a broker, a mid-sized lender and a 1:5 peizi shop. Same seed, same book."""
    dice = _Dice(seed)
    instruments = _instruments(dice, accounts)
    account_parts, position_parts = [], []
    taken = 0
    for at, style in enumerate(_STYLES):
        count = accounts - taken if at == len(_STYLES) - 1 else round(accounts * style.part)
        owners, held = _accounts(dice, style, count, taken, instruments)
        account_parts.append(owners)
        position_parts.append(held)
        taken += count
    owners = pd.concat(account_parts, ignore_index=True)
    platforms, claims, funding = [], [], []
    for style in _STYLES:
        loans = int(owners.loc[owners["platform_id"] == style.platform_id, "debt_li"].sum())
        platform, owed, layers = _lender(dice, style, loans)
        platforms.append(platform)
        claims.append(owed)
        funding.append(layers)
    owners = _with_orders(dice, owners)
    tables = {
        "accounts": owners,
        "positions": _with_costs(dice, pd.concat(position_parts, ignore_index=True), owners, instruments),
        "instruments": _with_shares(dice, instruments),
        "platforms": pd.DataFrame(platforms),
        "claims": pd.concat(claims, ignore_index=True),
        "funding": with_funders(pd.concat(funding, ignore_index=True)),
    }
    # The last draws, so that everything above stays as it was; no run reads what they make.
    tables["accounts"] = _with_contracts(dice, owners, tables["positions"], instruments)
    owed = tables["claims"]
    tables["movements"] = movements(dice.uniforms, dice.normals, AS_OF, owed, {s.platform_id: s.segregated > 0 for s in _STYLES})
    tables["exposures"] = exposures({str(name): int(lent) for name, lent in owners.groupby("platform_id")["debt_li"].sum().items()})
    tables["answers"] = answers(AS_OF)
    title = f"Demo book, synthetic: 3 platforms, {accounts:,} accounts"
    return Book(title, AS_OF, "CNY", True, tables)


#: In a book in parts each broker, lender and shop has so many accounts together at most: no amount of a platform may pass 2^47 厘 (M-2).
TRIPLE = 300_000


def demo_parts(accounts: int, parts: int, seed: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame] | Book]:
    """A demo book of any size, part by part: accounts and positions of each part, at last a book of everything else.

    One triple of platforms (broker, lender, shop) has up to 300,000 accounts, so that a large book has many platforms; a part
    belongs to one triple. Every part is drawn by itself, on a path of its own of the demo's stream.
    """
    dice, triples = _Dice(seed), min(parts, -(-accounts // TRIPLE))
    instruments = _instruments(dice, accounts)
    loans: dict[str, int] = {}
    for k in range(parts):
        triple, first = k * triples // parts, accounts * k // parts
        owners, held = _part(_Dice(seed, 1 + k), accounts * (k + 1) // parts - first, first, instruments)
        if triple or k:
            names = {s.platform_id: of.platform_id for s, of in zip(_STYLES, _styles(triple), strict=True)}
            owners["platform_id"] = owners["platform_id"].map(names)
            beyond = bool(k * triples // parts == (k - 1) * triples // parts)
            # The first part of a triple holds the clients who also have claims, by number; others are numbered with their accounts.
            number = [f"C{a[1:]}" for a in owners["account_id"]] if beyond else [c.partition("-")[2] for c in owners["client_id"]]
            owners["client_id"] = [f"{p}-{c}" for p, c in zip(owners["platform_id"], number, strict=True)]
        for name, lent in owners.groupby("platform_id")["debt_li"].sum().items():
            loans[str(name)] = loans.get(str(name), 0) + int(lent)
        yield owners, held
    lent = [[(s, *_lender(dice, s, loans[s.platform_id])) for s in _styles(triple)] for triple in range(triples)]
    rows = [row for triple in lent for row in triple]
    owed = pd.concat([r[2] for r in rows], ignore_index=True)
    first_three = pd.concat([r[3] for r in lent[0]], ignore_index=True)
    others = [r[3].assign(segregated=False, related_party=False, notice_days=0) for r in rows[len(_STYLES):]]
    custody = {s.platform_id: s.segregated > 0 for s in _STYLES}
    yield Book(f"Demo book, synthetic: {len(rows)} platforms, {accounts:,} accounts", AS_OF, "CNY", True, {
        "instruments": _bounded(_with_shares(dice, instruments)),
        "platforms": pd.DataFrame([r[1] for r in rows]).sort_values("platform_id", ignore_index=True),
        "claims": owed,
        "funding": pd.concat([with_funders(first_three), *others], ignore_index=True),
        "movements": movements(dice.uniforms, dice.normals, AS_OF, owed, custody),
        "exposures": exposures(loans),
        "answers": answers(AS_OF),
    })


def _bounded(stocks: pd.DataFrame) -> pd.DataFrame:
    """Instruments of a book of millions, with no more shares than a reader takes (M-2)."""
    return stocks.assign(**{c: np.minimum(stocks[c].to_numpy(np.int64), 2**40 - 1) for c in ("float_shares", "total_shares")})


def _styles(triple: int) -> list[_Style]:
    """The three platforms of a triple; those of the first are the demo's own."""
    if not triple:
        return list(_STYLES)
    return [replace(s, platform_id=f"P{3 * triple + at}", name=f"{s.name} {triple + 1}") for at, s in enumerate(_STYLES, start=1)]


def _part(dice: _Dice, accounts: int, first: int, instruments: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accounts and positions of one part, as if it belonged to the first triple."""
    owners, held = [], []
    taken = 0
    for at, style in enumerate(_STYLES):
        count = accounts - taken if at == len(_STYLES) - 1 else round(accounts * style.part)
        mine, positions = _accounts(dice, style, count, first + taken, instruments)
        owners.append(mine)
        held.append(positions)
        taken += count
    together = _with_orders(dice, pd.concat(owners, ignore_index=True))
    costly = _with_costs(dice, pd.concat(held, ignore_index=True), together, instruments)
    return _with_contracts(dice, together, costly, instruments), costly


def _instruments(dice: _Dice, accounts: int) -> pd.DataFrame:
    boards = [board for board, count in _BOARDS for _ in range(count)]
    n = len(boards)
    fund = np.array([b == "fund" for b in boards])
    ticks = np.where(fund, 1, 10)
    yuan = np.where(fund, 0.8 + 3.0 * dice.uniforms(n), np.exp(2.6 + 0.8 * dice.normals(n)))
    beta = np.round(np.where(fund, 0.9 + 0.2 * dice.uniforms(n), 0.6 + 0.9 * dice.uniforms(n)), 2)
    own = np.where(fund, 0.05, 0.20 + 0.22 * dice.uniforms(n))
    volatility = np.sqrt((beta * _MARKET_VOLATILITY) ** 2 + _SECTOR_VOLATILITY**2 + own**2)
    price = np.maximum(3 * ticks, np.round(yuan * 1000 / ticks).astype(np.int64) * ticks)
    # Turnover in money scales with the book, so that a smaller demo book stresses the market as the full one does.
    # What many clients hold is also what trades most.
    turnover = TURNOVER_YUAN * accounts / 20_000 * (0.3 / n + 0.7 * _popularity(n)) * np.exp(0.4 * dice.normals(n))
    sector = [_SECTORS[i] for i in dice.pick(n, np.linspace(1.6, 0.6, len(_SECTORS)))]
    return pd.DataFrame({
        "instrument_id": [f"SYN{i + 1:03d}" for i in range(n)],
        "board": boards,
        "sector": ["fund" if f else s for s, f in zip(sector, fund, strict=True)],
        "price_li": price,
        "adv_shares": np.maximum(1_000, np.round(turnover / (price / 1000) / 100).astype(np.int64) * 100),
        "volatility_pct": (np.ceil(volatility * 10_000) + 1) / 100,
        "beta": beta,
        "name": [f"Synthetic {i + 1:03d} 合成{i + 1:03d}" for i in range(n)],
        "suspended": np.arange(n) == SUSPENDED,
        "rate_beta": np.round(1.0 + 3.0 * dice.uniforms(n), 1),
    })


def _with_orders(dice: _Dice, owners: pd.DataFrame) -> pd.DataFrame:
    """Accounts with the order in which they are sold, by the habits of their platform."""
    which = [dice.pick(int((owners["platform_id"] == style.platform_id).sum()), style.orders) for style in _STYLES]
    owners.insert(owners.columns.get_loc("full_sale"), "sale_order", np.array(SALE_ORDERS)[np.concatenate(which)])  # type: ignore[arg-type]
    return owners


def _with_contracts(dice: _Dice, owners: pd.DataFrame, positions: pd.DataFrame, instruments: pd.DataFrame) -> pd.DataFrame:
    """Accounts with dates, assessments, profit shares and behaviour, by the habits of their platform; P3 assesses few."""
    n = len(owners)
    style = {s.platform_id: s for s in _STYLES}
    home = owners["platform_id"].to_numpy(dtype=object)
    careful = np.array([style[p].disclosure / 100 for p in home])
    price = pd.Series(instruments["price_li"].to_numpy(np.int64), index=instruments["instrument_id"])
    worth = positions["shares"].to_numpy(np.int64) * price.loc[positions["instrument_id"]].to_numpy()
    held = pd.Series(worth).groupby(positions["account_id"].to_numpy()).sum().reindex(owners["account_id"], fill_value=0).to_numpy()
    collateral, debt = held + owners["cash_li"].to_numpy(np.int64), owners["debt_li"].to_numpy(np.int64)
    age = 10 + np.floor(700 * dice.uniforms(n)).astype(np.int64)
    since = np.minimum(age, np.floor(500 * dice.uniforms(n) ** (1 + careful)).astype(np.int64))
    assessed = dice.uniforms(n) < careful + 0.05
    bold = np.minimum(4, np.floor(collateral / np.maximum(collateral - debt, 1) + 1.5 * dice.uniforms(n)).astype(np.int64))
    # Interest of at most a month is unpaid; own money is what is left of it after the gains and losses so far.
    principal = debt - np.floor(debt * owners["loan_rate_bp"].to_numpy(np.int64) * (30 * dice.uniforms(n)) / 3_650_000).astype(np.int64)
    own = np.round((collateral - debt) * (0.85 + 0.35 * dice.uniforms(n)) / 1000).astype(np.int64) * 1000
    term = np.where(dice.uniforms(n) < np.where(home == "P1", 0.3, 0.8), 30 + np.floor(330 * dice.uniforms(n)).astype(np.int64), 0)
    shared = (home == "P3") & (dice.uniforms(n) < 0.4)
    busy = np.floor(8 * dice.uniforms(n) ** (1 + 3 * careful)).astype(np.int64)
    turned = np.round(collateral * 6 * dice.uniforms(n) ** (1 + 2 * careful) / 1000).astype(np.int64) * 1000
    called = collateral * 10_000 < owners["warning_line_bp"].to_numpy(np.int64) * debt

    def days(count: NDArray[np.int64], known: NDArray[np.bool_], sign: int) -> NDArray[Any]:
        found = [AS_OF + datetime.timedelta(days=sign * int(d)) if k else None for d, k in zip(count, known, strict=True)]
        return np.array(found, dtype=object)

    grades = np.array(["C1", "C2", "C3", "C4", "C5"], dtype=object)[bold]
    grades[~assessed] = None
    form = np.full(n, None, dtype=object)
    form[shared] = "fixed"

    made = owners.assign(
        client_id=[f"{p}-C{k:03d}" for p, k in zip(home, owners.groupby("platform_id").cumcount() + 1, strict=True)],
        profit_share=form, client_share_bp=pd.arrays.IntegerArray(np.full(n, 7_000), ~shared),
        fees_bp=np.where(shared, 100, 0), own_money_li=own, principal_li=principal,
        status=np.where(called, "called", "trading"), opened=days(age, np.ones(n, bool), -1), maturity_date=days(term, term > 0, 1),
        risk_grade=grades, assessed_on=days(since, assessed, -1),
        turnover_90d_li=turned, leverage_increases_90d=busy,
    )
    # As a reader would have it: columns in their order, and none that says nothing.
    return made[[c.stored for c in INPUTS["accounts"] if c.stored in made and made[c.stored].notna().any()]]


def _with_costs(dice: _Dice, positions: pd.DataFrame, owners: pd.DataFrame, instruments: pd.DataFrame) -> pd.DataFrame:
    """Positions with their cost, bought at up to a third above or a half below today's price; one platform knows none."""
    price = pd.Series(instruments["price_li"].to_numpy(np.float64), index=instruments["instrument_id"])
    bought = np.exp(-0.7 + 1.0 * dice.uniforms(len(positions)))
    worth = price.loc[positions["instrument_id"]].to_numpy() * positions["shares"].to_numpy(np.float64)
    cost = np.round(worth * bought / 10).astype(np.int64) * 10
    blind = [s.platform_id for s in _STYLES if not s.knows_costs]
    home = pd.Series(owners["platform_id"].to_numpy(), index=owners["account_id"])
    unknown = home.loc[positions["account_id"]].isin(blind).to_numpy(dtype=bool)
    return positions.assign(cost_li=pd.arrays.IntegerArray(cost, unknown))


def _with_shares(dice: _Dice, instruments: pd.DataFrame) -> pd.DataFrame:
    """Instruments with their shares outstanding: between 50 and 250 days of turnover, of which 40 to 100% float."""
    total = instruments["adv_shares"].to_numpy(np.int64) * np.floor(50 + 200 * dice.uniforms(len(instruments))).astype(np.int64)
    free = np.floor(total * (0.4 + 0.6 * dice.uniforms(len(instruments)))).astype(np.int64)
    return instruments.assign(float_shares=free, total_shares=total)


def _popularity(n: int) -> F64:
    """How much of the clients' money is in each instrument, a power law in a fixed shuffled order; sums to one."""
    weight = np.asarray(1.0 / (1.0 + (np.arange(n) * 37) % n) ** 0.6, np.float64)
    share: F64 = weight / weight.sum()
    return share


def _accounts(dice: _Dice, style: _Style, count: int, first: int, instruments: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    which = dice.pick(count, style.weights)
    multiple = np.array(style.multiples)[which] * (0.9 + 0.1 * dice.uniforms(count))
    equity = style.equity_yuan * np.exp(1.1 * dice.normals(count))
    collateral = equity * (1.0 + multiple)
    many = 3 + dice.pick(count, (1, 1, 1, 1, 1))
    owner = np.repeat(np.arange(count), many)
    held = dice.pick(len(owner), _popularity(len(instruments)))
    weight = 0.2 + dice.uniforms(len(owner))
    value = collateral[owner] * 0.97 * weight / np.bincount(owner, weight)[owner]
    price = instruments["price_li"].to_numpy()[held]
    shares = np.maximum(100, np.round(value * 1000 / price / 100).astype(np.int64) * 100)
    names = np.array([f"A{first + i + 1:07d}" for i in range(count)])
    positions = pd.DataFrame({"account_id": names[owner], "instrument_id": instruments["instrument_id"].to_numpy()[held], "shares": shares})
    positions = positions.groupby(["account_id", "instrument_id"], as_index=False, sort=True)[["shares"]].sum()
    worth = np.bincount(owner, (shares * price).astype(float), count).astype(np.int64)
    cash = np.round(collateral * 0.05 * dice.uniforms(count)).astype(np.int64) * 1000
    debt = np.floor((worth + cash) * (multiple / (1.0 + multiple)) / 1000).astype(np.int64) * 1000
    lines = np.array(style.lines)
    rate = np.round(style.rate_pct[0] + (style.rate_pct[1] - style.rate_pct[0]) * dice.uniforms(count), 1)
    floating = dice.uniforms(count) < style.floating
    kinds = np.array(["retail", "professional", "institution"])[dice.pick(count, style.types)]
    accounts = pd.DataFrame({
        "account_id": names, "platform_id": style.platform_id, "investor_type": kinds,
        "cash_li": cash, "debt_li": debt, "loan_rate_bp": np.round(rate * 100).astype(np.int64),
        "warning_line_bp": np.round(lines[which, 0] * 100).astype(np.int64),
        "liquidation_line_bp": np.round(lines[which, 1] * 100).astype(np.int64),
        "rate_type": np.where(floating, "floating", "fixed"), "rate_notice_days": np.where(floating, 10, 0),
        "full_sale": (multiple > 3.5) & (dice.uniforms(count) < 0.5),
    })
    return accounts, positions


def _lender(dice: _Dice, style: _Style, loans: int) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    def part(share: float) -> int:
        return round(loans * share / 1000) * 1000

    claims = _claims(dice, style, part(style.claims))
    free = int(claims.loc[claims["kind"] == "free_cash", "amount_li"].sum())
    segregated = round(free * style.segregated / 1000) * 1000
    platform = {
        "platform_id": style.platform_id, "own_capital_li": part(style.own_capital), "reserve_li": part(style.reserve),
        "cash_li": part(style.cash), "liquid_pool_li": part(style.pool), "other_assets_li": part(0.01),
        "segregated_li": segregated, "bank_line_li": part(style.line), "line_committed": style.committed, "line_drawn_li": 0,
        "name": style.name, "clearing_id": "CLEAR-1",
        "risk_disclosure_score": style.disclosure, "risk_disclosure_evidence": "synthetic answer of the demo book",
    }
    assets = loans + part(style.cash) + part(style.pool) + part(0.01)
    rest = assets - (int(claims["amount_li"].sum()) - segregated) - part(style.own_capital) - part(style.reserve)
    return platform, claims, _funding(style, rest)


def _claims(dice: _Dice, style: _Style, total: int) -> pd.DataFrame:
    count = 240
    size = 1.0 / np.arange(1, count + 1) ** 0.9 * np.exp(0.3 * dice.normals(count))
    amount = np.round(total / 1000 * size / size.sum()).astype(np.int64) * 1000
    free = dice.uniforms(count) < style.free_cash
    foreign = dice.uniforms(count) < 0.05
    return pd.DataFrame({
        "client_id": [f"{style.platform_id}-C{i + 1:03d}" for i in range(count)], "platform_id": style.platform_id,
        "kind": np.where(free, "free_cash", "investor"), "amount_li": amount, "notice_days": np.where(free, 0, 3),
        # The two largest clients belong together, as do the next three.
        "group_id": [f"{style.platform_id}-G1" if i < 2 else f"{style.platform_id}-G2" if i < 5 else None for i in range(count)],
        "foreign": foreign,
    })


def _funding(style: _Style, total: int) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    left = total
    for at, (source, share, rate, kind, reset, maturity, seniority) in enumerate(style.layers):
        amount = left if at == len(style.layers) - 1 else round(total * share / 1000) * 1000
        left -= amount
        name = f"{style.platform_id}-F{at + 1}"
        row = {"funding_id": name, "platform_id": style.platform_id, "parent_id": None, "source": source, "amount_li": amount,
               "rate_bp": round(rate * 100), "rate_type": kind, "reset_days": reset, "maturity_days": maturity, "seniority": seniority}
        rows.append(row)
        if source == "nonbank":
            # Behind a trust stand a bank's wealth product and its private investors: the nesting of a fund pool.
            senior = round(amount * 0.7 / 1000) * 1000
            behind = row | {"parent_id": name}
            cheaper = round(rate * 100) - 150
            rows.append(behind | {"funding_id": name + "a", "source": "bank", "amount_li": senior, "rate_bp": cheaper})
            rows.append(behind | {"funding_id": name + "b", "source": "p2p", "amount_li": amount - senior, "seniority": 2})
    return pd.DataFrame(rows)
