"""The records that a cascade reads and writes: facts, state, story (``docs/method.md``, section 5), with units.

Accounts, positions, instruments, platforms and layers are arrays of records: one record is one or two cache
lines, and a kernel receives a handful of arrays instead of a hundred columns.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels.ledger import EVENT, Ledger
from stresslab.kernels.liquidity import LAYERS, Impact
from stresslab.kernels.requests import DUE as DUE
from stresslab.kernels.requests import Requests, RequestState, new_requests

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Records = Any  # an array of records; numpy's stubs have no type for fields
Record = Any

#: So many floating loans are charged together.
BLOCK = 64
#: Lanes of the screens: so many days, or groups of days, of a path, and so many paths at a time.
LANES = 64
#: Places in ``State.counts``.
LIVE, VISITS, SERVED, SELLERS, LISTED, LANE, ROWS, NEAR, MOVED = range(9)
#: Positions of a live account are padded to a multiple of so many rows, so that its quick mark runs without a guess.
PAD = 4
#: Bytes of a cache line.
LINE = 64


def _record(*fields: str) -> np.dtype[np.void]:
    # Fields are int64 unless the name says another type after a colon. Fields that index are unsigned: compiled
    # code then needs no test for a negative index, which is worth half the time of the inner loops.
    return np.dtype([(f.split(":")[0], f.split(":")[1] if ":" in f else "i8") for f in fields], align=True)


#: What the accounts are, sorted by id, with their rank among all; positions of an account are rows first to last − 1. From day
#: `floats_from` on the rate moves as its clause says, up to `rate_most_bp` (M-11); a fixed loan never does. Records
#: are kept narrow: a day's pass over the accounts then runs from the second-level cache.
ACCOUNT = _record(
    "cash", "debt", "first:u4", "last:u4", "rank:u4", "rate_bp:u2", "rate_most_bp:u2", "floats_from:u2", "warning_bp:u2",
    "liquidation_bp:u2", "restore_bp:u2", "platform:u2", "investor_type:u1", "full_sale:u1", "sale_order:u1", "clause:u1",
)
#: A day that never comes.
NEVER = 65_535
#: The clause of what never reprices.
FIXED = 0
#: The cost price is in 厘 a share, 0 where it is unknown.
POSITION = _record("instrument:u4", "shares:i4", "sellable:i4", "cost_price:u4")
#: Prices and ticks in 厘, sigma daily, volume and capacity in shares a day, weight in shares of the index; theta is
#: (shares outstanding / volume)^¼ of the law `almgren`. Holders are rows first to last − 1 of ``Facts.holder``.
INSTRUMENT = _record(
    "price", "tick", "lot", "min_order", "volume", "capacity", "cost_bp", "weight", "sigma:f8", "theta:f8", "first:u8", "last:u8"
)
#: The last two follow from the accounts: how many have debt, and their cash.
PLATFORM = _record("cash", "pool", "other", "line", "reserve", "own_capital", "claims", "indebted", "account_cash", "loans")
#: What accounts that neither pay nor sell add to a day: interest charged, and liquidation line × debt.
SCHEDULE = _record("interest", "line")
#: Funding layers; row p is the bank line of platform p, the layers of the book follow.
LAYER = _record("platform:u4", "amount", "rate_bp", "clause", "junior")
#: A position as the screens read it: share of the account's warning line × last debt that one 厘 of its price covers.
WEIGHT = _record("instrument:u4", "share:f4")

#: What a live account is today, one cache line; `value` is its collateral A at the last exact mark, `debt` holds after day
#: `accrued`. An account is `moved` once its debt has left the course that interest alone would take; `mover` is then its place
#: among those that moved.
ACCOUNT_STATE = _record(
    "cash", "debt", "value", "call_amount", "recall", "carry:i4", "mover:u4", "accrued:u2", "call_day:u2", "answer_day:u2",
    "served_day:u2", "forced_day:u2", "calls:u2", "batch:u2", "begun:u1", "moved:u1",
)
#: What the quick mark of a live account reads: as long as its shares are worth at least `safe`, 厘, nothing about it is to be
#: measured or called; `least` is what they must be worth to stay on the liquidation line. Rows first to last − 1 are its
#: positions with the padding.
GUARD = _record("safe", "least:f8", "first:u4", "last:u4")
#: A `safe` that no shares are worth: the account is looked at whatever prices do.
LOOK = 2**62
#: The debt of an account that moved, and what it would be had it not: `idle`, which the schedule counts.
MOVER = _record(
    "debt", "idle_debt", "carry:i4", "idle_carry:i4", "rate_bp:u2", "rate_most_bp:u2", "floats_from:u2", "liquidation_bp:u2",
    "platform:u2", "clause:u1",
)
#: A floating loan while its debt is charged over the days of a path; unsigned, as nothing here is negative.
LOAN = _record(
    "debt:u8", "carry:u8", "platform:u2", "rate_bp:u2", "rate_most_bp:u2", "floats_from:u2", "line_bp:u2", "clause:u1",
)
#: What happened to a live account on the path; `mark` is what its shares were worth when it broke its line and nobody could sell.
ACCOUNT_TALLY = _record("deficit", "sold", "mark")
POSITION_STATE = _record("instrument:u4", "shares:i4")
#: `own` is the part of an order that is not displaced (M-48).
OFFER_STATE = _record("sellable:i4", "order:i4", "own:i4", "cost_price:u4")
#: What every visit of an account reads of an instrument, small enough for the first-level cache; `before` and `paid` are the
#: prices before this round and of its fills, `left` the capacity of the day.
QUOTE = _record("price", "before", "paid", "left", "demand", "filled", "lot:u4", "min_order:u4", "cost_bp:u4")
INSTRUMENT_STATE = _record(
    "close", "low", "limit_bp", "opening", "buyers", "sold_today", "keep", "gap", "displaced", "displaced_li",
    "received", "locked",
)
PLATFORM_STATE = _record(
    "cash", "in_transit", "repaid_today", "pool", "line", "reserve", "own_capital", "claims", "loans", "recalled",
    "deficit_today", "to_cover", "uncovered", "uncovered_fundamental", "call", "call_fundamental", "to_recall",
    "mute", "shut", "resting", "batches", "raise_bp", "floor_bp", "raised", "compensated_today", "collateral",
)
LAYER_STATE = _record("amount", "carry")
#: A rule of response (M-147 to M-153): what is read, of how many days, from which value on, and what is then done; −1 is every
#: platform. `amount` is what the action takes: bp of lines, shares or leverage, batches or days.
RULE = _record(
    "when", "value", "over_days", "act", "platform", "amount", "target_ppm", "margin_bp", "basis_bp", "fee_bp", "carry_bp",
    "strike_bp", "price_ppb", "for_days",
)
#: What became of a rule at a platform: the day on which it fired, and its hedge: units of the index, the notional, the strike or 0,
#: money at the broker, intrinsic value and carried interest in 厘; the day on which it ends.
RULE_STATE = _record("day", "units", "notional", "strike", "margin", "worth", "carry", "until")

#: What a path says of each platform: the measures of ``glossary.PLATFORM_MEASURES``, in their order.
OUTCOME = _record(
    "accounts_with_debt", "own_funds_before_li", "margin_call_peak_li", "margin_call_peak_day",
    "margin_call_peak_fundamental_li", "margin_call_issued_li", "margin_call_unanswered_li", "margin_coverage_ppm",
    "margin_coverage_fundamental_ppm", "accounts_called", "accounts_forced", "accounts_in_deficit", "sold_li", "displaced_li",
    "selling_cost_li", "client_paid_li", "repaid_li", "loan_interest_li", "funding_interest_li", "pool_loss_li",
    "deficit_li", "absorbed_by_reserve_li", "absorbed_by_own_capital_li", "absorbed_by_junior_li",
    "absorbed_by_senior_li", "absorbed_by_claims_li", "deficit_unrealised_li", "redemption_due_li",
    "redemption_paid_li", "redemption_segregated_li", "unpaid_end_li", "line_drawn_li", "first_unpaid_day",
    "own_funds_exhausted_day", "failure_day", "loans_end_li", "in_transit_end_li", "cash_end_li", "pool_end_li",
    "junior_end_li", "senior_end_li", "claims_end_li", "reserve_end_li", "own_capital_end_li", "account_cash_end_li",
    "first_response_day", "compensation_li", "hedge_cost_li", "hedge_gain_li", "hedge_owed_li", "hedge_end_li",
    "wave_asked_li", "wave_groups", "gated_end_li", "foreign_asked_li", "funding_recalled_li", "funding_due_li", "funding_returned_li",
    "unpaid_days", "exchange_loss_li",
)
#: What each day says of each platform: ``glossary.DAY_MEASURES``.
DAY = _record("margin_call_li", "deficit_li", "own_funds_li", "unpaid_li", "sold_li", "accounts_forced",
              "loans_li", "margin_coverage_ppm", "due_li", "gated_li", "wave_ppm", "funding_due_li")
#: What each day says of each instrument.
TAPE = _record("quoted", "locked", "sold_shares", "displaced_shares", "sold_li", "displaced_li")


def records(dtype: np.dtype[np.void], *shape: int) -> Records:
    """An array of zeroed records whose fields are attributes, compiled or not; it begins on a cache line."""
    size = math.prod(shape) * dtype.itemsize
    room = np.zeros(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(dtype).reshape(shape).view(np.recarray)


class Plan(NamedTuple):
    """Days on which a desk is shut, and what platforms do when something happens (M-145 to M-153); by default nothing."""

    active: bool = False
    no_calls: U8 = np.zeros(0, np.uint8)  # days 0..T: 1 where nobody is called
    no_sales: U8 = np.zeros(0, np.uint8)  # days 0..T: 1 where nobody is sold
    compensation_bp: int = 0
    rule: Records = records(RULE, 0)
    weighs: bool = False  # whether a rule reads the maintenance ratio of platforms, for which all accounts are valued every day


class Terms(NamedTuple):
    """What the scenario says about selling, answering and paying."""

    calendar: I64  # calendar day of each trading day 0..T
    answer_bp: I64  # one entry per investor type
    mood_bp: int
    grace_days: int
    impact: Impact
    cost_share_bp: int
    selling_cost_bp: int
    rounds_max: int
    pool_haircut_bp: int
    payment_grace_days: int
    call_all_after_failure: bool
    buyers_bp: int
    exhaustion_bp: int
    breaker_bp: int  # 0: no breaker
    batches: int
    minimum_sale: int
    displace: bool
    plan: Plan = Plan()
    exchange: I64 = np.zeros((0, 3), np.int64)  # by day: the day, a funding layer, by how many bp its currency rises (M-240)
    watch_pct: int = 3  # how far below prices without impact the first bounds are set; changes the speed, never a result


class Clauses(NamedTuple):
    """How loans and layers follow rates: one row for each clause, days 0..T across; clause 0 never moves (M-11)."""

    fixing: I64  # the trading day whose rate is in force
    shock: I64  # what the scenario adds, bp, as it was fixed
    highest: I64  # days 0..T alone: the change of the short rate, bp, which no path passes (M-80); 0 where rates are given
    random: bool  # whether the short rate is drawn, so that every path has its own


class Rates(NamedTuple):
    """What the interest of a day needs."""

    calendar: I64  # calendar day of each trading day 0..T
    shift: I64  # clauses × days 0..T: what is added to a floating rate, bp


class Facts(NamedTuple):
    """Everything that a path reads and never writes; made by :func:`cascade.make_facts`."""

    account: Records
    position: Records
    instrument: Records
    limit_bp: NDArray[np.uint16]  # days 0..T × instruments
    platform: Records
    due: Records  # days 0..T × platforms
    layer: Records
    terms: Terms
    clauses: Clauses
    rates: Rates  # without drawn rates those of every path; with them the highest
    floating: U32  # the accounts whose debt depends on the path's rates; none where rates are given
    holder: U32  # accounts grouped by instrument, once for each position
    weight: Records  # of each position
    cover: F32  # of each account: the share of its warning line × last debt that its cash covers
    last_debt: I64  # of each account: its debt on the last day if it neither pays nor sells, at the highest rates
    schedule: Records  # days 0..T × platforms, of all accounts with debt that are not floating
    requests: Requests


class State(NamedTuple):
    """Everything that a path writes while it runs; :func:`cascade.begin` resets what the path before it wrote.

    Accounts that the path may touch are *live*: what is known of them is copied side by side, in the order in which they
    became live, so that a day's pass reads memory in one direction.
    """

    live: U32  # accounts that this path may touch; counts[LIVE] of them
    slot: NDArray[np.int32]  # of each account of the book: its place in `live`, or −1
    fact: Records  # of each live account, as in the book, but with the rows of its positions here and its debt on the last day
    account: Records
    tally: Records
    position: Records
    offer: Records
    look: U64  # of each live account: the lanes (days) on which it must be looked at
    looked: NDArray[np.uint16]  # of each live account: the day on which it was last looked at
    guard: Records  # of each live account
    mover: Records  # of each account that moved, in the order in which they moved; counts[MOVED] of them
    low: I64  # of each instrument: the lower of its quoted and its fundamental price today
    need: F64  # of each live account: the share of its collateral that keeps it on its line; 2: look at it
    visits: U32  # live accounts that are looked at today; counts[VISITS] of them
    near: U32  # of these, those that the quick mark does not clear; counts[NEAR] of them
    served: U32  # live accounts that had to act today; counts[SERVED] of them
    seller: U32  # live accounts with orders in this round; counts[SELLERS] of them
    instrument: Records
    quote: Records
    platform: Records
    layer: Records
    rule: Records  # rules of response × platforms
    all_live: I64  # of each platform: why all its accounts are looked at (`live`), 0 while they are not
    rates: Rates  # of this path
    schedule: Records  # of this path, floating accounts included
    last_debt: I64  # of this path
    block: Records  # scratch of floating loans
    counts: I64
    room: I64
    taken: I64
    bound: F32  # instruments × lanes: prices of this path are not below it, or it is lowered
    lowest: F32  # instruments × lanes: the lowest bound of each path of the group
    lane: F32  # scratch of one account's lanes
    listed: U32  # accounts that any path of the group may touch; counts[LISTED] of them
    paths: U64  # of each listed account: the paths of the group that may touch it
    ledger: Ledger
    requests: RequestState


class Story(NamedTuple):
    """What a path tells: per platform, per day and platform, per day and instrument, and about rounds."""

    outcome: Records  # platforms
    days: Records  # days 0..T × platforms, day 0 empty
    tape: Records  # days 0..T × instruments, day 0 empty
    rounds: I64  # [most rounds on a day, days at the round limit, days on which the breaker ended selling]


def rates_given(days: int) -> Clauses:
    """The clauses of a run of so many days without any that move."""
    none = np.zeros((1, days + 1), np.int64)
    return Clauses(none, none, none[0], False)


def new_ledger(most: int = 0, account: int = -1) -> Ledger:
    """A ledger for so many events, of one account or of all (−1); of none by default, which records nothing."""
    return Ledger(records(EVENT, most), np.zeros(1, np.int64), account)


def new_story(facts: Facts) -> Story:
    """An empty story of the right shape for one path of these facts."""
    days = facts.terms.calendar.size
    return Story(
        outcome=records(OUTCOME, facts.platform.size),
        days=records(DAY, days, facts.platform.size),
        tape=records(TAPE, days, facts.instrument.size),
        rounds=np.zeros(3, np.int64),
    )


def new_state(facts: Facts, ledger: Ledger | None = None) -> State:
    """A state for paths of these facts; by default one that keeps no ledger. All accounts are listed for all paths.

    Where rates are given, what follows from them is that of the facts; where they are drawn, :func:`loans.reprice` writes it.
    """
    own = facts.clauses.random
    n, stocks = facts.account.size, facts.instrument.size
    counts = np.zeros(9, np.int64)
    held = facts.account["last"].astype(np.int64) - facts.account["first"]
    rows = int((-(-held // PAD) * PAD).sum())
    counts[LISTED] = n
    return State(
        live=np.zeros(n, np.uint32), slot=np.full(n, -1, np.int32), fact=records(ACCOUNT, n), account=records(ACCOUNT_STATE, n),
        tally=records(ACCOUNT_TALLY, n), position=records(POSITION_STATE, rows), offer=records(OFFER_STATE, rows),
        look=np.zeros(n, np.uint64), looked=np.zeros(n, np.uint16), guard=records(GUARD, n), mover=records(MOVER, n),
        low=np.zeros(stocks, np.int64), need=np.zeros(n, np.float64), visits=np.zeros(n, np.uint32), near=np.zeros(n, np.uint32),
        served=np.zeros(n, np.uint32), seller=np.zeros(n, np.uint32), instrument=records(INSTRUMENT_STATE, stocks),
        quote=records(QUOTE, stocks),
        platform=records(PLATFORM_STATE, facts.platform.size), layer=records(LAYER_STATE, facts.layer.size),
        rule=records(RULE_STATE, facts.terms.plan.rule.size, facts.platform.size), all_live=np.zeros(facts.platform.size, np.int64),
        rates=Rates(facts.rates.calendar, facts.rates.shift.copy()) if own else facts.rates,
        schedule=facts.schedule.copy().view(np.recarray) if own else facts.schedule,
        last_debt=facts.last_debt.copy() if own else facts.last_debt,
        block=records(LOAN, BLOCK), counts=counts,
        room=np.zeros(LAYERS, np.int64), taken=np.zeros(LAYERS, np.int64), bound=np.zeros((stocks, LANES), np.float32),
        lowest=np.full((stocks, LANES), 1e30, np.float32), lane=np.zeros(LANES, np.float32), listed=np.arange(n, dtype=np.uint32),
        paths=np.full(n, 2**64 - 1, np.uint64), ledger=new_ledger() if ledger is None else ledger,
        requests=new_requests(facts.requests, facts.due, facts.layer.size),
    )
