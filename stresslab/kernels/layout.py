"""The records that a cascade reads and writes: facts, state, story (``docs/method.md``, section 5), with units.

Accounts, positions, instruments, platforms and layers are arrays of records: one record is one or two cache
lines, and a kernel receives a handful of arrays instead of a hundred columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels.liquidity import LAYERS, Impact

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
Records = Any  # an array of records; numpy's stubs have no type for fields
Record = Any

#: Marks in the array of slacks, which are ≥ 0 for a sleeping account.
AWAKE, FINISHED = -1, -2


def _record(*fields: str) -> np.dtype[np.void]:
    # Fields are int64 unless the name says another type after a colon. Fields that index are unsigned: compiled
    # code then needs no test for a negative index, which is worth half the time of the inner loops.
    return np.dtype([(f.split(":")[0], f.split(":")[1] if ":" in f else "i8") for f in fields], align=True)


#: What the accounts are, sorted by id; positions of an account are rows first to last − 1. Records are kept narrow: a
#: day's pass over the accounts then runs from the second-level cache.
ACCOUNT = _record(
    "cash", "debt", "first:u4", "last:u4", "rate_bp:u2", "rate_after_bp:u2", "switch_day:u2", "warning_bp:u2",
    "liquidation_bp:u2", "restore_bp:u2", "platform:u2", "investor_type:u1", "full_sale:u1", "sale_order:u1",
)
#: A switch day that never comes.
NEVER = 65_535
#: The cost price is in 厘 a share, 0 where it is unknown.
POSITION = _record("instrument:u4", "shares:i4", "sellable:i4", "cost_price:u4")
#: Positions again, grouped by instrument: rows first to last − 1 of an instrument.
HOLDING = _record("account:u4", "shares:i4")
#: Prices and ticks in 厘, sigma daily, volume and capacity in shares a day, weight in shares of the index; theta is
#: (shares outstanding / volume)^¼ of the law `almgren`.
INSTRUMENT = _record(
    "price", "tick", "lot", "min_order", "volume", "capacity", "cost_bp", "weight", "sigma:f8", "theta:f8", "first:u8", "last:u8"
)
PLATFORM = _record("cash", "pool", "other", "line", "reserve", "own_capital", "claims")
#: Cumulative amounts due, days 0..T × platforms: from the platform's own tiers, and from segregated money.
DUE = _record("own", "segregated")
#: Funding layers; row p is the bank line of platform p, the layers of the book follow.
#: What the accounts that sleep add to a day: interest charged, and liquidation line × debt.
SCHEDULE = _record("interest", "line")
LAYER = _record("platform:u4", "amount", "rate_bp", "rate_after_bp", "switch_day", "junior")

#: What an account is today; `value` is its collateral A at the last exact mark.
ACCOUNT_STATE = _record(
    "cash", "debt", "value", "call_amount", "recall", "carry:i4", "call_day:u2", "answer_day:u2", "served_day:u2",
    "forced_day:u2", "begun:u1",
)
#: What happened to an account on the path.
ACCOUNT_TALLY = _record("calls", "deficit", "sold")
#: The instrument is repeated, so that a mark reads one array.
POSITION_STATE = _record("instrument:u4", "shares:i4")
OFFER_STATE = _record("sellable:i4", "order:i4")
INSTRUMENT_STATE = _record(
    "close", "price", "price_before", "low", "opening", "sold_today", "left", "keep", "gap", "demand", "filled", "locked",
    "floor",
)
PLATFORM_STATE = _record(
    "cash", "in_transit", "repaid_today", "pool", "line", "reserve", "own_capital", "claims", "loans", "recalled",
    "deficit_today", "to_cover", "uncovered", "uncovered_fundamental", "call", "call_fundamental",
)
LAYER_STATE = _record("amount", "carry")

#: What a path says of each platform: the measures of ``glossary.PLATFORM_MEASURES``, in their order.
OUTCOME = _record(
    "accounts_with_debt", "own_funds_before_li", "margin_call_peak_li", "margin_call_peak_day",
    "margin_call_peak_fundamental_li", "margin_call_issued_li", "margin_call_unanswered_li", "margin_coverage_ppm",
    "margin_coverage_fundamental_ppm", "accounts_called", "accounts_forced", "accounts_in_deficit", "sold_li",
    "selling_cost_li", "client_paid_li", "repaid_li", "loan_interest_li", "funding_interest_li", "pool_loss_li",
    "deficit_li", "absorbed_by_reserve_li", "absorbed_by_own_capital_li", "absorbed_by_junior_li",
    "absorbed_by_senior_li", "absorbed_by_claims_li", "deficit_unrealised_li", "redemption_due_li",
    "redemption_paid_li", "redemption_segregated_li", "unpaid_end_li", "line_drawn_li", "first_unpaid_day",
    "own_funds_exhausted_day", "failure_day", "loans_end_li", "in_transit_end_li", "cash_end_li", "pool_end_li",
    "junior_end_li", "senior_end_li", "claims_end_li", "reserve_end_li", "own_capital_end_li", "account_cash_end_li",
)
#: What each day says of each platform: ``glossary.DAY_MEASURES``.
DAY = _record("margin_call_li", "deficit_li", "own_funds_li", "unpaid_li", "sold_li", "accounts_forced")
#: What each day says of each instrument.
TAPE = _record("quoted", "locked", "sold_shares")


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
    watch_pct: int = 3  # how far below a price its floor is set; changes the speed, never a result


class Facts(NamedTuple):
    """Everything that a path reads and never writes; made by :func:`make_facts`."""

    account: Records
    position: Records
    instrument: Records
    platform: Records
    due: Records  # days 0..T × platforms
    layer: Records
    terms: Terms
    holding: Records
    slack: I64  # of each account at the first floors: what it may lose before it must be looked at, or a mark
    last_debt: I64  # of each account: its debt on the last day if it neither pays nor sells
    schedule: Records  # days 0..T × platforms, of all accounts with debt


class State(NamedTuple):
    """Everything that a path writes while it runs; reset by :func:`begin`."""

    account: Records
    tally: Records
    position: Records
    offer: Records
    instrument: Records
    platform: Records
    layer: Records
    slack: I64  # of each sleeping account, or a mark
    asleep: Records  # the schedule less the accounts that woke
    live: U64  # accounts awake; counts[0] of them
    need: NDArray[np.float64]  # of each live account: the share of its collateral that keeps it on its line; 2: look at it
    seller: U64  # accounts with orders in this round; counts[1] of them
    counts: I64
    room: I64
    taken: I64


class Story(NamedTuple):
    """What a path tells: per platform, per day and platform, per day and instrument, and about rounds."""

    outcome: Records  # platforms
    days: Records  # days 0..T × platforms, day 0 empty
    tape: Records  # days 0..T × instruments, day 0 empty
    rounds: I64  # [most rounds on a day, days at the round limit]


def records(dtype: np.dtype[np.void], *shape: int) -> Records:
    """An array of zeroed records whose fields are attributes, compiled or not."""
    return np.zeros(shape, dtype).view(np.recarray)


def new_state(facts: Facts) -> State:
    """A state of the right shape for these facts, to be reset by :func:`begin` for each path."""
    n = facts.account.size
    return State(
        account=records(ACCOUNT_STATE, n),
        tally=records(ACCOUNT_TALLY, n),
        position=records(POSITION_STATE, facts.position.size),
        offer=records(OFFER_STATE, facts.position.size),
        instrument=records(INSTRUMENT_STATE, facts.instrument.size),
        platform=records(PLATFORM_STATE, facts.platform.size),
        layer=records(LAYER_STATE, facts.layer.size),
        slack=np.zeros(n, np.int64),
        asleep=records(SCHEDULE, facts.terms.calendar.size, facts.platform.size),
        live=np.zeros(n, np.uint64),
        need=np.zeros(n, np.float64),
        seller=np.zeros(n, np.uint64),
        counts=np.zeros(2, np.int64),
        room=np.zeros(LAYERS, np.int64),
        taken=np.zeros(LAYERS, np.int64),
    )


def new_story(facts: Facts) -> Story:
    """An empty story of the right shape for one path of these facts."""
    days = facts.terms.calendar.size
    return Story(
        outcome=records(OUTCOME, facts.platform.size),
        days=records(DAY, days, facts.platform.size),
        tape=records(TAPE, days, facts.instrument.size),
        rounds=np.zeros(2, np.int64),
    )
