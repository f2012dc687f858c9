"""One path of a finished run again, with a ledger of its events, held against what the run wrote.

The kernel is that of the run. It writes down what happens while it happens; what a reader wants beside that (what collateral
was worth after an event, what an account had at the close) is worked out here, from those events and the prices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stresslab import engine
from stresslab.kernels import layout, screen
from stresslab.kernels import ledger as kinds
from stresslab.ledger import ACCOUNT_DAY_COLUMNS, DAY_COLUMNS, EVENT_COLUMNS, Replay
from stresslab.resolve import Resolved

I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
Records = Any

#: Room for so many events at first; a path with more is run again with as much as it needs.
EVENTS_AT_FIRST = 2**20
_PRICED = (kinds.ORDER, kinds.FILL, kinds.LOCKED, kinds.CLOSED, kinds.PRICE, kinds.RATIONED)
_COUNTED = (kinds.ORDER, kinds.FILL, kinds.PRICE, kinds.RATIONED)
_WITHOUT_MONEY = (kinds.LOCKED, kinds.CLOSED, kinds.PRICE, kinds.RATIONED, kinds.BREAKER, kinds.RESPONSE)
#: So many differences are told.
_SHOWN = 5


class Disagreement(Exception):
    """The path that was replayed is not the path of the run."""


class Told(NamedTuple):
    """What the kernel told of one path."""

    log: Records  # the events
    facts: layout.Facts
    closing: I64  # quoted prices at the close, days 0..T × instruments; day 0 is the book's
    locked: NDArray[np.int64]  # 1 where nothing can be sold at the open, days 0..T × instruments
    block: engine.Block


#: Gives a runner one path, as the first of its group.
Place = Callable[[engine.Runner], None]


def retrace(
    resolved: Resolved, seed: int, path: int, account: int = -1, events: int = EVENTS_AT_FIRST, place: Place | None = None
) -> tuple[Told, I64]:
    """A path with the events of the market, the platforms and one account (its rank), or all (−1); opening prices of all days.

    The path is always told in full once: opening prices stand in the orders of all accounts. ``place`` gives a path that is not drawn
    by its number alone.
    """
    whole = _tell(resolved, seed, path, -1, events, place)
    opening = opening_prices(whole.log, whole.closing)
    if account < 0:
        return whole, opening
    told = _tell(replace(resolved, facts=watched(resolved.facts, account)), seed, path, account, events, place)
    said = differences(_outcomes(resolved, told.block), _outcomes(resolved, whole.block))
    if said:
        raise Disagreement("one account alone gives another outcome than all: " + "; ".join(said))
    return told, opening


def watched(facts: layout.Facts, account: int) -> layout.Facts:
    """The same facts, but one account is looked at on every day, so that each of its days is told; no result depends on it."""
    cover = facts.cover.copy()
    cover[account] = -screen.NO_PRICE
    return facts._replace(cover=cover)


def _tell(resolved: Resolved, seed: int, path: int, account: int, most: int, place: Place | None = None) -> Told:
    while True:
        runner = engine.Runner(resolved, seed, 1)
        runner.state = layout.new_state(resolved.facts, layout.new_ledger(most, account))
        if place is None:
            runner.draw(path, path + 1)
        else:
            place(runner)
        runner.run(0, path)
        count = int(runner.state.ledger.count[0])
        if count <= most:
            break
        most = count
    block = engine.new_block(resolved, path, path + 1)
    runner.keep(block, 0)
    tape = runner.story.tape
    closing = tape["quoted"].copy()
    closing[0] = resolved.facts.instrument["price"]
    return Told(runner.state.ledger.log[:count], resolved.facts, closing, tape["locked"].copy(), block)


def _outcomes(resolved: Resolved, block: engine.Block) -> pa.Table:
    return engine.tables(resolved, [block])["outcomes"]


def differences(made: pa.Table, held: pa.Table) -> list[str]:
    """Where the outcomes of a path differ from those that the run wrote: the first few cells, in words."""
    lacking = [name for name in made.column_names if name not in held.column_names]
    if lacking:
        return [f"the run has no column {name}" for name in lacking[:_SHOWN]]
    held = held.sort_by("platform_id")
    if held.num_rows != made.num_rows or held["platform_id"].to_pylist() != made["platform_id"].to_pylist():
        return [f"the run has {held.num_rows} rows of this path, not one of each platform"]
    said = []
    for name in made.column_names:
        mine, theirs = made[name].to_pylist(), held[name].to_pylist()
        for platform, now, then in zip(made["platform_id"].to_pylist(), mine, theirs, strict=True):
            if now != then or type(now) is not type(then):
                said.append(f"{name} of {platform} is {_cell(now)}, in the run {_cell(then)}")
    more = [f"and {len(said) - _SHOWN} more"] if len(said) > _SHOWN else []
    return said[:_SHOWN] + more


def _cell(value: Any) -> str:
    return "never" if value is None else str(value)


def replay_of(
    resolved: Resolved, seed: int, scenario: dict[str, Any], path: int, account: str | None, outcomes: pa.Table | None, folder: str,
    place: Place | None = None,
) -> Replay:
    """A path of a run as tables; raises :class:`Disagreement` if it is not the path that stands in ``outcomes``, where those are given."""
    rank = resolved.account_ids.index(account) if account is not None else -1
    told, opening = retrace(resolved, seed, path, rank, place=place)
    held = _outcomes(resolved, told.block)
    if outcomes is not None:
        mine, held = held, outcomes.filter(pc.and_(pc.equal(outcomes["scenario"], scenario["id"]), pc.equal(outcomes["path"], path)))
        said = differences(mine, held)
        if said:
            raise Disagreement("; ".join(said))
    days = None
    log = told.log
    if rank >= 0:
        days = account_days(told, opening, rank)
        log = log[concerns(told, rank)]
    ids = Names(resolved.platform_ids, resolved.account_ids, resolved.instrument_ids)
    return Replay(
        folder, scenario, path, seed, _contract(resolved, rank) if rank >= 0 else None, events_of(log, told.facts, opening, ids),
        _days(told), days, held.to_pandas(),
    )


class Names(NamedTuple):
    """Ids by rank."""

    platforms: tuple[str, ...]
    accounts: tuple[str, ...]
    instruments: tuple[str, ...]


def opening_prices(log: Records, closing: I64) -> I64:
    """Quoted prices at the open, 厘, days 0..T × instruments, from all events of a path.

    A price moves within a day only where somebody has ordered, and the first order tells the price that it found.
    """
    opening = closing.copy()
    orders = log[log["kind"] == kinds.ORDER]
    # The last of several assignments to one place stands, so the first order comes last.
    orders = orders[::-1]
    opening[orders["day"].astype(np.int64), orders["instrument"]] = orders["price"]
    return opening


def events_of(log: Records, facts: layout.Facts, opening: I64, ids: Names) -> pd.DataFrame:
    """Events as a table with ids, nulls where nothing belongs, and what the account has after each (``EVENT_COLUMNS``)."""
    kind = log["kind"]
    cash, debt = balances(log)
    collateral = collateral_after(log, facts, opening, cash)
    mine = log["account"] >= 0
    ordered = kind == kinds.ORDER
    money = np.where(ordered, log["shares"] * log["price"], log["money"])
    owing = mine & (debt > 0)
    ratio = collateral * 10_000 // np.where(owing, debt, 1)
    columns = {
        "day": log["day"].astype(np.int64), "round": log["round"].astype(np.int64),
        "event": np.array(kinds.KINDS, object)[kind],
        "platform_id": _named(ids.platforms, log["platform"]), "account_id": _named(ids.accounts, log["account"]),
        "instrument_id": _named(ids.instruments, log["instrument"]),
        "shares": _whole(log["shares"], np.isin(kind, _COUNTED)), "price_li": _whole(log["price"], np.isin(kind, _PRICED)),
        "money_li": _whole(money, ~np.isin(kind, _WITHOUT_MONEY)), "displaced_li": _whole(log["money"], ordered),
        "cash_li": _whole(cash, mine), "debt_li": _whole(debt, mine), "collateral_li": _whole(collateral, mine),
        "ratio_bp": _whole(ratio, owing),
    }
    return pd.DataFrame({name: columns[name] for name in EVENT_COLUMNS})


def _named(ids: tuple[str, ...], rank: NDArray[np.int32]) -> NDArray[np.object_]:
    return np.array([*ids, None], object)[rank]  # nobody is −1, the last


def _whole(values: I64, known: Bools) -> Any:
    return pd.arrays.IntegerArray(np.where(known, values, 0).astype(np.int64), ~known)


def balances(log: Records) -> tuple[I64, I64]:
    """Cash and debt of the account after each event, 厘; 0 where the event is not an account's.

    The kernel books a fill, its cost and the repayment from it at once and then tells all three, and a write-off just before.
    """
    cash, debt = log["cash"].copy(), log["debt"].copy()
    fill = np.flatnonzero(log["kind"] == kinds.FILL)
    cost, paid = log["money"][fill + 1], log["money"][fill + 2]
    cash[fill] += cost + paid
    cash[fill + 1] += paid
    debt[fill] += paid
    debt[fill + 1] += paid
    lost = log["kind"] == kinds.WRITE_OFF
    debt[lost] -= log["money"][lost]
    return cash, debt


def collateral_after(log: Records, facts: layout.Facts, opening: I64, cash: I64) -> I64:
    """Cash and shares of the account after each event at the prices then quoted, 厘; 0 where the event is not an account's."""
    version, prices = _quotes(log, opening)
    mine = np.flatnonzero(log["account"] >= 0)
    first, last = (facts.account[name][log["account"][mine]].astype(np.int64) for name in ("first", "last"))
    count = last - first
    event = np.repeat(mine, count)
    row = np.arange(event.size) + np.repeat(first - (np.cumsum(count) - count), count)
    held = facts.position["shares"][row] - _sold(log, facts, row, event)
    value = np.where(log["account"] >= 0, cash, 0)
    np.add.at(value, event, held * prices[version[event], facts.position["instrument"][row]])
    return value


def _quotes(log: Records, opening: I64) -> tuple[I64, I64]:
    """The prices quoted after each event: a number for each event, and the prices of each number × instruments."""
    moves = np.isin(log["kind"], (kinds.PRICE, kinds.RATIONED))
    new_day = np.diff(log["day"].astype(np.int64), prepend=-1) != 0
    moved_before = np.concatenate([[False], moves[:-1]])
    starts = new_day | (moves & ~moved_before)
    version = np.cumsum(starts) - 1
    prices = np.zeros((int(starts.sum()), opening.shape[1]), np.int64)
    at = np.flatnonzero(starts)
    for number, place in enumerate(at):
        prices[number] = opening[log["day"][place]] if new_day[place] else prices[number - 1]
        stop = at[number + 1] if number + 1 < at.size else log.size
        told = log[place:stop]
        told = told[moves[place:stop]]
        # Of several prices of one instrument the last one stands.
        prices[number, told["instrument"]] = told["price"]
    return version, prices


def _sold(log: Records, facts: layout.Facts, row: I64, event: I64) -> I64:
    """Shares of positions (rows) sold up to and with events."""
    fill, filled_row = _fills(log, facts)
    most = log.size + 1
    key = filled_row * most + fill
    order = np.argsort(key)
    sold = np.concatenate([[0], np.cumsum(log["shares"][fill][order])])
    key = key[order]
    return np.asarray(sold[np.searchsorted(key, row * most + event, side="right")] - sold[np.searchsorted(key, row * most)], np.int64)


def _fills(log: Records, facts: layout.Facts) -> tuple[I64, I64]:
    """The places of fills in the log, and the row of the position that each sold from."""
    fill = np.flatnonzero(log["kind"] == kinds.FILL)
    stocks = facts.instrument.size
    count = facts.account["last"].astype(np.int64) - facts.account["first"]
    owner = np.repeat(np.arange(facts.account.size), count)
    key = owner * stocks + facts.position["instrument"]
    order = np.argsort(key)
    wanted = log["account"][fill].astype(np.int64) * stocks + log["instrument"][fill]
    return fill, order[np.searchsorted(key[order], wanted)] if fill.size else fill


def _held(told: Told, rank: int) -> tuple[slice, I64]:
    """The rows of an account's positions, and its shares at the close of days 0..T × positions."""
    fact = told.facts.account[rank]
    rows = slice(int(fact["first"]), int(fact["last"]))
    days = told.closing.shape[0]
    sold = np.zeros((days, rows.stop - rows.start), np.int64)
    mine = told.log["account"] == rank
    fill, row = _fills(told.log, told.facts)
    own = mine[fill]
    fill, row = fill[own], row[own]
    np.add.at(sold, (told.log["day"][fill].astype(np.int64), row - rows.start), told.log["shares"][fill])
    return rows, told.facts.position["shares"][rows] - np.cumsum(sold, axis=0)


def concerns(told: Told, rank: int) -> Bools:
    """Which events concern an account: its own, its platform's, and those of instruments that it held at the open, or of all."""
    log = told.log
    rows, shares = _held(told, rank)
    stocks = told.facts.position["instrument"][rows].astype(np.int64)
    holds = np.zeros(told.closing.shape, np.bool_)
    holds[:, stocks] = np.vstack([shares[:1], shares[:-1]]) > 0
    of_nobody = (log["platform"] < 0) & (log["account"] < 0)
    of_market = of_nobody & np.where(log["instrument"] >= 0, holds[log["day"], log["instrument"]], True)
    of_platform = (log["platform"] == told.facts.account["platform"][rank]) & (log["account"] < 0)
    return np.asarray((log["account"] == rank) | of_market | of_platform)


def account_days(told: Told, opening: I64, rank: int) -> pd.DataFrame:
    """An account day by day, at the open and at the close (``ACCOUNT_DAY_COLUMNS``)."""
    fact, log, days = told.facts.account[rank], told.log, told.closing.shape[0]
    rows, shares = _held(told, rank)
    stocks = told.facts.position["instrument"][rows].astype(np.int64)
    before = np.vstack([shares[:1], shares[:-1]])
    cash, debt = balances(log)
    mine = np.flatnonzero(log["account"] == rank)
    # What the last event up to the close of a day left; before the first one the book's.
    last = np.searchsorted(log["day"][mine], np.arange(days), side="right")
    cash_close = np.concatenate([[fact["cash"]], cash[mine]])[last]
    debt_close = np.concatenate([[fact["debt"]], debt[mine]])[last]
    debt_open = np.concatenate([debt_close[:1], debt_close[:-1]])
    charged = mine[log["kind"][mine] == kinds.INTEREST]
    debt_open[log["day"][charged]] += log["money"][charged]
    cash_open = np.concatenate([cash_close[:1], cash_close[:-1]])
    worth = before * opening[:, stocks]
    paid_in = np.zeros(days, np.int64)
    answers = mine[log["kind"][mine] == kinds.ANSWER]
    np.add.at(paid_in, log["day"][answers].astype(np.int64), log["money"][answers])
    columns = {
        "day": np.arange(days), "collateral_open_li": cash_open + worth.sum(axis=1), "debt_open_li": debt_open,
        "collateral_li": cash_close + (shares * told.closing[:, stocks]).sum(axis=1), "debt_li": debt_close,
        "locked_li": (worth * told.locked[:, stocks]).sum(axis=1), "paid_in_li": paid_in,
    }
    return pd.DataFrame({name: columns[name].astype(np.int64) for name in ACCOUNT_DAY_COLUMNS})


def _days(told: Told) -> pd.DataFrame:
    """The path day by day over all platforms (``DAY_COLUMNS``)."""
    days = told.closing.shape[0]
    log = told.log

    def count(kind: int) -> I64:
        return np.bincount(log["day"][log["kind"] == kind], minlength=days).astype(np.int64)

    columns = {"day": np.arange(days), "locked": count(kinds.LOCKED), "closed": count(kinds.CLOSED)}
    for name in ("factor_ppm", "basket_fundamental_ppm", "basket_quoted_ppm"):
        columns[name] = np.concatenate([[engine.PPM], told.block.days[name][0, :, 0]])
    for name in ("margin_call_li", "sold_li", "deficit_li"):
        columns[name] = np.concatenate([[0], told.block.days[name][0].sum(axis=1)])
    return pd.DataFrame({name: columns[name].astype(np.int64) for name in DAY_COLUMNS})


def _contract(resolved: Resolved, rank: int) -> dict[str, Any]:
    """What an account is on the book's date, with the lines in force."""
    fact = resolved.facts.account[rank]
    said: dict[str, Any] = {"account_id": resolved.account_ids[rank], "platform_id": resolved.platform_ids[int(fact["platform"])]}
    said |= {f"{name}_li": int(fact[name]) for name in ("cash", "debt")}
    return said | {name: int(fact[name]) for name in ("warning_bp", "liquidation_bp", "restore_bp", "rate_bp")}
