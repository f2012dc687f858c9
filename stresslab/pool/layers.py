"""Funding as it was written, taken apart: layers, the portions that nothing stands behind, and who they belong to (M-100)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stresslab.book.checks import segregated_of_claims
from stresslab.book.files import Book
from stresslab.book.recall import WAY_OUT, Trigger, parse_trigger
from stresslab.faults import Fault, InputError

HOME_CURRENCY = "CNY"
#: Sources that are intermediaries by their nature: with nothing named behind them, the look-through ends too early.
INTERMEDIARIES = ("nonbank",)
#: Sources that no file may name: money of clients, own funds, and money that only goes round.
CLIENTS, OWN_FUNDS, CIRCULAR = "clients", "own_funds", "circular"


@dataclass(frozen=True)
class Layer:
    """One funding layer, 厘 and bp. ``segregated`` is None where nothing was written."""

    funding_id: str
    platform_id: str
    parent_id: str | None
    funder_id: str | None
    source: str
    amount_li: int
    maturity_days: int
    rate_bp: int = 0
    seniority: int = 1
    currency: str = HOME_CURRENCY
    amount_currency: float | None = None
    segregated: bool | None = None
    related: bool = False
    triggers: tuple[Trigger, ...] = ()
    recall_bp: int = 10_000
    notice_days: int = 0

    @property
    def party(self) -> str:
        """Who lends: the funder, or the layer's own name in brackets where none is named (each counts as a party of its own)."""
        return self.funder_id or f"({self.funding_id})"


@dataclass(frozen=True)
class Piece:
    """A portion of funding that no written layer stands behind, with the chain that leads to it, direct layer first."""

    platform_id: str
    chain: tuple[Layer, ...]
    amount_li: int

    @property
    def leaf(self) -> Layer:
        """The layer whose own money it is."""
        return self.chain[-1]

    @property
    def maturity_days(self) -> int:
        """The shortest life along the chain: nobody can leave money longer than it was left to him."""
        return min(layer.maturity_days for layer in self.chain)

    @property
    def related(self) -> bool:
        """Whether any link of the chain is a related party of the platform."""
        return any(layer.related for layer in self.chain)


@dataclass(frozen=True)
class Claimed:
    """Redeemable money of one client in a platform's pool (segregated money left out), 厘."""

    client_id: str
    platform_id: str
    amount_li: int
    notice_days: int


@dataclass(frozen=True)
class Fund:
    """What a look-through reads of a book: layers, claims and own funds by platform; amounts in 厘, days from ``as_of``."""

    as_of: datetime.date
    platforms: tuple[str, ...]
    layers: tuple[Layer, ...]
    claims: tuple[Claimed, ...] = ()
    own_funds_li: tuple[int, ...] = ()
    #: Free cash of clients that stands in the pool and not with a custodian, 厘.
    unsegregated_li: tuple[int, ...] = ()

    def funding(self, platform: str) -> int:
        """The direct funding of a platform, 厘."""
        return sum(x.amount_li for x in self.layers if x.platform_id == platform and x.parent_id is None)

    def own(self, platform: str) -> int:
        """The own funds of a platform, 厘."""
        return self.own_funds_li[self.platforms.index(platform)] if self.own_funds_li else 0


def read_fund(book: Book) -> Fund:
    """The funding side of a book; raises :class:`InputError` where layers do not fit together (a book from files was checked)."""
    frame = book.tables["funding"]
    p = book.tables["platforms"]
    layers = tuple(sorted((_layer(book, row, at) for at, row in enumerate(frame.to_dict("records"))), key=lambda x: x.funding_id))
    faults = layer_faults(layers)
    if faults:
        raise InputError(faults)
    own = tuple(int(a) + int(b) for a, b in zip(p["own_capital_li"], p["reserve_li"], strict=True))
    segregated = segregated_of_claims(book.tables)
    claims, bare = _claims(book.tables["claims"], list(p["platform_id"]), segregated)
    return Fund(book.as_of, tuple(p["platform_id"]), layers, claims, own, bare)


def _layer(book: Book, row: dict[Any, Any], at: int) -> Layer:
    def text(name: str) -> str | None:
        value = row.get(name)
        return value if isinstance(value, str) else None

    def number(name: str, default: int) -> int:
        value = row.get(name)
        return default if value is None or pd.isna(value) else int(value)

    trigger = text("recall_trigger")
    try:
        triggers = parse_trigger(trigger) if trigger is not None else ()
    except ValueError as error:
        raise InputError([book.fault("funding", at, "recall_trigger", str(error), WAY_OUT)]) from error
    foreign, marked = row.get("amount_currency"), row.get("segregated")
    return Layer(
        str(row["funding_id"]), str(row["platform_id"]), text("parent_id"), text("funder_id"), str(row["source"]), int(row["amount_li"]),
        number("maturity_days", 0), number("rate_bp", 0), number("seniority", 1), text("currency") or HOME_CURRENCY,
        None if foreign is None or pd.isna(foreign) else float(foreign), None if marked is None or pd.isna(marked) else bool(marked),
        bool(row.get("related_party", False) or False), triggers, number("recall_bp", 10_000), number("notice_days", 0))


def _claims(claims: pd.DataFrame, platforms: list[str], segregated: list[int]) -> tuple[tuple[Claimed, ...], tuple[int, ...]]:
    """Claims in the pool, free cash cut pro rata by what is segregated (cumulatively, so that nothing is lost)."""
    out: list[Claimed] = []
    bare: list[int] = []
    for name, kept in zip(platforms, segregated, strict=True):
        mine = claims[claims["platform_id"] == name]
        free = int(mine.loc[mine["kind"] == "free_cash", "amount_li"].sum())
        bare.append(free - kept)
        so_far = 0
        for client, kind, amount, notice in zip(mine["client_id"], mine["kind"], mine["amount_li"], mine["notice_days"], strict=True):
            if kind == "account_equity":
                continue
            inside = int(amount)
            if kind == "free_cash" and free:
                before, so_far = so_far, so_far + int(amount)
                inside = so_far * (free - kept) // free - before * (free - kept) // free
            if inside:
                out.append(Claimed(str(client), name, inside, int(notice)))
    return tuple(sorted(out, key=lambda c: (c.platform_id, c.client_id, c.amount_li, c.notice_days))), tuple(bare)


def layer_faults(layers: Sequence[Layer]) -> list[Fault]:
    """Layers that cannot be taken apart: a parent that is not there, is of another platform, is too small, or is its own ancestor."""
    by_name = {x.funding_id: x for x in layers}
    below = children(layers)
    faults: list[Fault] = []

    def refuse(layer: Layer, column: str, value: object, rule: str, way_out: str) -> None:
        faults.append(Fault("funding", f"{layer.funding_id}: {rule}", way_out, None, column, str(value)))

    for layer in layers:
        if layer.parent_id is None:
            pass
        elif layer.parent_id not in by_name:
            refuse(layer, "parent_id", layer.parent_id, "is no funding layer", "add it or correct the name")
        elif by_name[layer.parent_id].platform_id != layer.platform_id:
            refuse(layer, "parent_id", layer.parent_id, "a layer and the layer it funds must belong to one platform", "correct one of them")
        way = _ancestry(layer, by_name)
        if way:
            told = " → ".join(f"{x.funding_id} ({_yuan(x.amount_li)})" for x in way)
            refuse(layer, "parent_id", layer.parent_id, f"funding must not go round in a circle ({told})", "break the circle")
        nested = sum(x.amount_li for x in below.get(layer.funding_id, ()))
        if nested > layer.amount_li and not way:
            rule = f"the layers that fund this one, {_yuan(nested)} yuan, must not exceed it"
            refuse(layer, "amount_yuan", _yuan(layer.amount_li), rule, "correct the amounts or parent_id")
    return faults


def _ancestry(layer: Layer, by_name: dict[str, Layer]) -> list[Layer]:
    """The way from a layer over what it funds back to itself; empty where there is none."""
    way = [layer]
    while (above := way[-1].parent_id) is not None and above in by_name and by_name[above] not in way:
        way.append(by_name[above])
    return [*way, layer] if way[-1].parent_id == layer.funding_id else []


def _yuan(li: int) -> str:
    whole, rest = divmod(li, 1000)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def children(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    """The layers that stand behind each layer, by its name."""
    below: dict[str, list[Layer]] = {}
    for layer in layers:
        if layer.parent_id is not None:
            below.setdefault(layer.parent_id, []).append(layer)
    return below


def pieces(layers: Sequence[Layer]) -> list[Piece]:
    """All funding cut into portions that nothing stands behind; the portions of a platform add up to its direct funding."""
    below = children(layers)
    out: list[Piece] = []
    waiting: list[tuple[Layer, ...]] = [(layer,) for layer in reversed(layers) if layer.parent_id is None]
    while waiting:
        chain = waiting.pop()
        behind = below.get(chain[-1].funding_id, [])
        rest = chain[-1].amount_li - sum(x.amount_li for x in behind)
        if rest > 0:
            out.append(Piece(chain[0].platform_id, chain, rest))
        waiting.extend((*chain, x) for x in reversed(behind))
    return out



def nested(fund: Fund) -> int:
    """How many layers deep the deepest funding is."""
    return max((len(piece.chain) for piece in pieces(fund.layers)), default=0)


def loans_by_day(book: Book, platform: str) -> tuple[dict[int, int], int]:
    """What a platform lent: debt by days to the account's maturity, and debt without a maturity (on call), 厘."""
    a = book.tables["accounts"]
    mine = a[a["platform_id"] == platform]
    total = int(mine["debt_li"].sum())
    dated: dict[int, int] = {}
    if "maturity_date" in mine:
        for day, debt in mine.groupby("maturity_date")["debt_li"].sum().items():
            if debt and isinstance(day, datetime.date):
                left = max(0, (day - book.as_of).days)
                dated[left] = dated.get(left, 0) + int(debt)
    return dated, total - sum(dated.values())
