"""A scenario: what we suppose. One TOML file, refused with every fault at once (``docs/method.md``, sections 3 to 5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from stresslab.faults import Fault, InputError, nearest
from stresslab.market.files import read_toml, toml_faults
from stresslab.market.laws import Misfit, Model, Number, ShortRate, Whole
from stresslab.written_rates import written_rate_misfits


def _whole_bp(value: float) -> float:
    if round(value * 100) / 100 != value:
        raise ValueError("must be a whole multiple of 0.01%; round it, so that nothing is lost here")
    return value


def _whole_li(value: float) -> float:
    if round(value * 1000) / 1000 != value:
        raise ValueError("must be a whole multiple of 0.001 yuan; round it, so that nothing is lost here")
    return value


Percent = Annotated[Number, AfterValidator(_whole_bp)]
Yuan = Annotated[Number, AfterValidator(_whole_li)]
Flag = Annotated[bool, Strict()]


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty; write something")
    return value


def _sourced(value: str) -> str:
    if len(value.strip()) < SOURCE_SHORTEST:
        raise ValueError("must say where the numbers come from; name the source, or the assumption")
    return value


def _named(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        raise ValueError(
            "must be at most 64 letters, digits, dots, dashes and underscores, and begin with a letter or digit; rename it")
    return value


SOURCE_SHORTEST = 3
Text = Annotated[str, AfterValidator(_said)]
Source = Annotated[str, AfterValidator(_sourced)]
Day = Annotated[Whole, Field(ge=1)]
Board = Literal["main", "chinext", "star", "bse", "st", "fund", "none"]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False)


class Crash(_Block):
    """A fall of the market factor, exactly (M-9): on the trough day, as the lowest close, or from the running peak (M-60)."""

    index: Literal["market"]
    definition: Literal["terminal", "minimum", "drawdown"]
    depth_pct: Percent = Field(gt=0, le=95)
    trough_day: Whole = Field(ge=1)
    shape: Literal["gap", "ramp", "bridge"]
    after: Literal["free", "flat"]
    source: Source


Level = Annotated[Number, Field(gt=0, le=800)]


class ReplayedPath(_Block):
    """The market factor's level on days 0 to n, in percent of day 0 (M-62); after it the factor is free or flat.

    A path with ``from_date`` is a dated episode of a history. It holds that history's own forced sales, of which
    ``stripped_impact_pct`` was taken out: at 0 the scenario must not add impact of its own. ``depth_pct`` says to which
    fall it was rescaled.
    """

    level_pct: tuple[Level, ...] = Field(min_length=2)
    after: Literal["free", "flat"]
    from_date: Text | None = None
    to_date: Text | None = None
    index: Text | None = None
    depth_pct: Number | None = Field(default=None, gt=0, le=95)
    stripped_impact_pct: Number = Field(default=0.0, ge=0, le=100)
    source: Source


class Suspension(_Block):
    """Some instruments are closed from one day to another, both included (M-44): named ones, a sector's or a board's.

    Exactly one of ``instruments``, ``sector`` and ``board`` is given.
    """

    from_day: Day
    to_day: Day
    instruments: tuple[Text, ...] | None = Field(default=None, min_length=1)
    sector: Text | None = None
    board: Board | None = None
    source: Source


class DrawnSuspensions(_Block):
    """Companies suspend their shares at their own wish, more often the further the market has fallen (M-44).

    ``base_pct`` is the daily probability of an open instrument, to which ``slope_pct`` times the fall of the market factor
    is added: 25 adds 10 percentage points at a fall of 40%. A suspension lasts ``mean_days`` on average.
    """

    base_pct: Percent = Field(ge=0, le=100)
    slope_pct: Percent = Field(ge=0, le=1000)
    mean_days: Whole = Field(ge=1, le=252)
    source: Source


class MarketBlock(_Block):
    """The law of the market factor, its crash or its path, and when trading is closed; without ``model`` the market file's law holds.

    On ``halt_days`` the whole market is closed (M-44). A fall of the index by ``circuit_breaker_pct`` ends selling for the
    day (M-45). Either needs a ``source``.
    """

    model: Model | None = None
    volatility_multiplier: Number = Field(default=1.0, gt=0, le=10)
    crash: Crash | None = None
    path: ReplayedPath | None = None
    halt_days: tuple[Day, ...] = ()
    circuit_breaker_pct: Percent | None = Field(default=None, gt=0, le=100)
    suspension: tuple[Suspension, ...] = ()
    suspensions: DrawnSuspensions | None = None
    source: Source | None = None


class RatePath(_Block):
    """By how much rates stand above the book's date on each trading day, in percent (M-75).

    The first number is that of day 0 and is 0; the last one holds from its day on.
    """

    shift_pct: tuple[Annotated[Percent, Field(ge=-20, le=30)], ...]
    from_date: Text | None = None
    to_date: Text | None = None
    source: Source


class Rates(_Block):
    """How rates move, in percent: a shock, a path of days, and a short rate that is drawn on top of either (M-11, M-75 to M-80).

    A `parallel` shock of ``shock_pct`` comes on ``day``; a `ramp` spreads it evenly over ``over_days``; a `twist` moves loans by
    ``short_pct``, valuations by ``long_pct``, and funding between the two by its reset period, which is the long end from
    ``long_days`` on. The short rate is `given` (it moves only so), that of the `market` file, or of a law in [rates.law].
    """

    shape: Literal["parallel", "ramp", "twist"] = "parallel"
    shock_pct: Percent | None = Field(default=None, ge=-20, le=30)
    short_pct: Percent | None = Field(default=None, ge=-20, le=30)
    long_pct: Percent | None = Field(default=None, ge=-20, le=30)
    long_days: Whole | None = Field(default=None, ge=1, le=3650)
    day: Whole | None = Field(default=None, ge=1)
    over_days: Whole | None = Field(default=None, ge=2)
    path: RatePath | None = None
    model: Literal["given", "market"] = "given"
    law: ShortRate | None = None
    source: Source


class WaveLoss(_Block):
    """A loss that frightens clients: once so much of the own funds of the book's date is gone, the wave jumps (M-133)."""

    own_funds_lost_pct: Percent = Field(gt=0, le=1000)
    jump_pct: Percent = Field(ge=0, le=100)


class Wave(_Block):
    """Withdrawals that bring on withdrawals (M-132 to M-134).

    A client group asks with the probability ``base_pct`` a day and what excites it. Requests of a share of all claims raise the
    probability of the days after by ``branching`` times that share in all, fading by half in ``half_life_days``; news raise it by
    their jumps, which fade alike. A branching ratio of 1 or more needs ``explosive``. Who asks, asks for ``part_pct`` of what he has.
    """

    from_day: Day = 1
    base_pct: Number = Field(ge=0, le=100)
    branching: Number = Field(ge=0, le=5)
    explosive: Flag = False
    half_life_days: Number = Field(gt=0, le=1000)
    part_pct: Percent = Field(default=100.0, gt=0, le=100)
    loss: tuple[WaveLoss, ...] = Field(default=(), max_length=20)
    downgrade_jump_pct: Percent = Field(default=0.0, ge=0, le=100)
    unpaid_jump_pct: Percent = Field(default=0.0, ge=0, le=100)
    source: Source


class ForeignMoney(_Block):
    """Foreign claims and funding layers leave by this plan and no other, once the market has fallen by ``market_fall_pct`` (M-139)."""

    share_pct: Percent = Field(gt=0, le=100)
    start_day: Day
    over_days: Whole = Field(default=1, ge=1)
    market_fall_pct: Percent = Field(default=0.0, ge=0, le=95)
    source: Source


class Redemption(_Block):
    """Clients ask for a share of all redeemable claims (M-16): the largest, all alike, some drawn on each path, or nobody by plan.

    No more than ``gate_pct`` of claims falls due a day (M-131); the rest waits.
    """

    share_pct: Percent = Field(ge=0, le=100)
    who: Literal["top_clients", "pro_rata", "random", "nobody"]
    start_day: Whole = Field(default=1, ge=1)
    over_days: Whole = Field(default=1, ge=1)
    gate_pct: Percent | None = Field(default=None, gt=0, le=100)
    wave: Wave | None = None
    foreign: ForeignMoney | None = None
    source: Source


class Recalls(_Block):
    """The recall clauses of the book's funding layers act inside the run (M-137); ``grade`` is that of every platform before it (M-140)."""

    grade: Literal["AAA", "AA", "A", "B"]
    source: Source


class Liquidity(_Block):
    """What the market takes and how prices answer (M-15, M-24, M-46).

    ``impact_floor_pct`` is the floor of a price in percent of the book's, for ``exponential`` alone and required there;
    ``trading_fraction`` the part of a day over which is sold, for ``almgren`` alone. Natural buyers take ``buyers_pct`` of
    the usual turnover; a ``buyers_exhaustion_pct`` of 100 sends 40% of them away at a fall of 40%, one of 250 all of them.
    """

    impact: Literal["none", "sqrt", "linear", "exponential", "almgren"]
    impact_coefficient: Number = Field(gt=0, le=100)
    impact_floor_pct: Percent | None = Field(default=None, ge=0, le=99)
    trading_fraction: Number = Field(default=1.0, gt=0, le=1)
    buyers_pct: Percent = Field(default=0.0, ge=0, le=100)
    buyers_exhaustion_pct: Percent = Field(default=100.0, ge=0, le=1000)
    participation_pct: Percent = Field(ge=0, le=100)
    permanent_share_pct: Percent = Field(ge=0, le=100)
    half_life_days: Number = Field(gt=0, le=1000)
    expected_impact_pct: Percent = Field(ge=0, le=50)
    rounds_max: Whole = Field(ge=1, le=1000)
    pool_haircut_pct: Percent = Field(ge=0, lt=100)
    source: Source


class Answers(_Block):
    """The probability that a client of each type answers a call."""

    retail: Percent = Field(ge=0, le=100)
    professional: Percent = Field(ge=0, le=100)
    institution: Percent = Field(ge=0, le=100)


class Behaviour(_Block):
    """How clients answer margin calls (M-20)."""

    grace_days: Whole = Field(ge=0, le=60)
    answer_pct: Answers
    mood_pct: Percent = Field(ge=0, le=1000)
    source: Source


class Operations(_Block):
    """How platforms sell (M-21, M-22, M-47, M-48), how long an unpaid redemption is borne, and what then happens to loans (M-28).

    ``contract`` leaves the choice to each account. ``batches`` of 1 sells at once, more spread a sale over as many days.
    Without ``displace`` an account sells no more of one share because another one cannot be sold. On ``days_without_calls`` nobody
    is called, on ``days_without_sales`` nobody is sold (M-145); of what the shares of an account below its line then lose until the
    desk is open again, ``compensation_pct`` is taken off its debt, at the platform's cost (M-146).
    """

    sale: Literal["contract", "full", "partial"] = "contract"
    sale_order: Literal["contract", "pro_rata", "most_liquid", "largest", "most_volatile", "highest_loss"] = "contract"
    batches: Whole = Field(default=1, ge=1, le=60)
    minimum_sale_yuan: Yuan = Field(default=0.0, ge=0, le=1e10)
    displace: Flag = True
    payment_grace_days: Whole = Field(ge=0, le=60)
    after_failure: Literal["held", "called"]
    days_without_calls: tuple[Day, ...] = ()
    days_without_sales: tuple[Day, ...] = ()
    compensation_pct: Percent = Field(default=0.0, ge=0, le=100)
    source: Source | None = None


class Response(_Block):
    """What platforms do when something has happened, once on a path, before the open of the next day (M-147 to M-153).

    What is read at the close: the ``market_fall_pct`` of the factor since the book's date, its ``volatility_pct`` a year over the last
    ``over_days``, ``own_funds_lost_pct`` of a platform, its ``unpaid_yuan`` of redemptions and the ``day`` act from ``at_least`` on;
    its ``maintenance_ratio_pct`` (all collateral over all debt), its ``margin_coverage_pct`` of the day and ``liquid_share_pct`` (cash
    and pool in percent of redeemable claims) act ``below`` a value.
    `raise_lines` adds ``by_pct`` to all three lines of every account; `cap_leverage` calls accounts above ``leverage`` (assets
    over equity), a cap that falls as volatility over ``over_days`` passes ``target_volatility_pct``; `sell_in_batches` changes
    ``batches``; `pause_sales` sells nothing ``for_days``; `draw_line` draws ``share_pct`` of the bank line (all of it without).
    `hedge_futures` and `hedge_etf` sell the index for ``share_pct`` of the loans: ``margin_pct`` of it is posted in cash,
    ``basis_pct`` (the discount to the index) and ``fee_pct`` are paid at once, ``carry_pct`` a year as long as it stands.
    `hedge_put` buys puts at ``strike_pct`` of the index that run ``for_days``, priced with ``implied_volatility_pct`` and
    ``rate_pct``. Without ``platforms`` all of them respond, each when it happens to it.
    """

    when: Literal[
        "market_fall_pct", "volatility_pct", "margin_coverage_pct", "liquid_share_pct", "own_funds_lost_pct", "unpaid_yuan", "day",
        "maintenance_ratio_pct"]
    at_least: Number | None = Field(default=None, ge=0)
    below: Number | None = Field(default=None, ge=0)
    over_days: Whole | None = Field(default=None, ge=1, le=252)
    platforms: tuple[Text, ...] = ()
    do: Literal[
        "raise_lines", "cap_leverage", "sell_in_batches", "pause_sales", "draw_line", "hedge_futures", "hedge_etf", "hedge_put"]
    by_pct: Percent | None = Field(default=None, gt=0, le=100)
    leverage: Percent | None = Field(default=None, gt=1, le=100)
    target_volatility_pct: Percent | None = Field(default=None, gt=0, le=1000)
    batches: Whole | None = Field(default=None, ge=1, le=60)
    share_pct: Percent | None = Field(default=None, gt=0, le=200)
    margin_pct: Percent | None = Field(default=None, ge=0, le=100)
    basis_pct: Percent | None = Field(default=None, ge=0, le=50)
    fee_pct: Percent | None = Field(default=None, ge=0, le=10)
    carry_pct: Percent | None = Field(default=None, ge=0, le=100)
    strike_pct: Percent | None = Field(default=None, gt=0, le=200)
    implied_volatility_pct: Percent | None = Field(default=None, gt=0, le=500)
    rate_pct: Percent | None = Field(default=None, ge=0, le=50)
    for_days: Whole | None = Field(default=None, ge=1, le=504)
    source: Source


def _dearer(value: float) -> float:
    if value <= 0:
        raise ValueError("must be above 0, as what a currency that falls would bring is not simulated; give a rise, or remove the table")
    return value


def _foreign(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError("must be a currency code of three capital letters; write it like USD")
    if value == "CNY":
        raise ValueError("must not be CNY, the currency of every book; name another")
    return value


class Exchange(_Block):
    """A currency in which platforms owe becomes dearer in yuan by ``rises_pct`` before the open of ``day``, and stays so (M-240).

    Loans, claims and own money are in yuan, so a rise is a loss of who is funded in that currency. Rates are given, not drawn.
    """

    currency: Annotated[str, AfterValidator(_foreign)]
    rises_pct: Annotated[Percent, AfterValidator(_dearer)] = Field(le=100)
    day: Day
    source: Source


class SectorMargin(_Block):
    """Stricter margins for what is held of a sector or subsector (M-49).

    Of one name no more than ``single_name_cap_pct`` of an account's collateral counts; its lines rise by ``line_add_pct`` and
    its rate by ``rate_add_pct`` times the share of the sector in it. Exactly one of ``sector`` and ``subsector`` is given.
    """

    sector: Text | None = None
    subsector: Text | None = None
    single_name_cap_pct: Percent | None = Field(default=None, ge=0, le=100)
    line_add_pct: Percent = Field(default=0.0, ge=0, le=500)
    rate_add_pct: Percent = Field(default=0.0, ge=0, le=100)
    source: Source


class Scenario(_Block):
    """One scenario, complete: every value that changes a result stands in it."""

    id: Annotated[str, AfterValidator(_named)]
    title: Text
    title_zh: Text
    purpose: Text
    purpose_zh: str = ""
    days: Whole = Field(ge=1, le=504)
    market: MarketBlock = MarketBlock()
    rates: Rates | None = None
    redemption: Redemption | None = None
    recalls: Recalls | None = None
    liquidity: Liquidity
    behaviour: Behaviour
    operations: Operations
    exchange: tuple[Exchange, ...] = Field(default=(), max_length=20)
    sector_margin: tuple[SectorMargin, ...] = ()
    response: tuple[Response, ...] = ()

    @model_validator(mode="after")
    def _values_fit_together(self, info: ValidationInfo) -> Scenario:
        apart = [] if info.context is _APART else list(_misfits(self.model_dump()))
        if apart:
            raise ValidationError.from_exception_data("Scenario", [
                InitErrorDetails(type=PydanticCustomError("misfit", m.said), loc=m.keys, input=m.value)
                for m in apart
            ])
        return self


#: The context of a reader that looks for misfits itself, also where single values are wrong, so that all faults show at once.
_APART = {"misfits": "apart"}


def _misfits(written: Any) -> Iterator[Misfit]:
    """What does not fit together in a scenario as it is written; what has the wrong type is passed over."""
    market, liquidity = _table(written, "market"), _table(written, "liquidity")
    yield from _late_days(written, market)
    yield from _path_misfits(written, market, liquidity)
    if isinstance(written.get("rates"), dict):
        yield from written_rate_misfits(written["rates"], written.get("days"))
    for at, closed in _tables(market, "suspension"):
        yield from _choice_misfits(closed, ("instruments", "sector", "board"), ("market", "suspension", at), "what is suspended")
        first, last = closed.get("from_day"), closed.get("to_day")
        if type(first) is int and type(last) is int and last < first:
            yield Misfit(("market", "suspension", at, "to_day"), f"lies before from_day, day {first}; swap or correct them", last)
    for key in ("halt_days", "circuit_breaker_pct"):
        if market.get(key) and market.get("source") is None:
            yield Misfit(("market", key), "must have a source; add source = \"...\" to [market]", _plain(market[key]))
    yield from _redemption_misfits(_table(written, "redemption"))
    yield from _impact_misfits(liquidity)
    yield from _operations_misfits(_table(written, "operations"))
    for at, one in _tables(written, "response"):
        yield from response_misfits(one, ("response", at), written.get("days"))
    for at, rule in _tables(written, "sector_margin"):
        yield from _choice_misfits(rule, ("sector", "subsector"), ("sector_margin", at), "what it is for")
        if rule.get("single_name_cap_pct") is None and not rule.get("line_add_pct") and not rule.get("rate_add_pct"):
            said = "changes nothing; give one of single_name_cap_pct, line_add_pct, rate_add_pct, or remove it"
            yield Misfit(("sector_margin", at), said)


#: A stated depth may differ from that of the levels by this, in percentage points.
DEPTH_APART = 0.01


def _path_misfits(written: dict[str, Any], market: dict[str, Any], liquidity: dict[str, Any]) -> Iterator[Misfit]:
    """What does not fit together in a path that the factor takes (M-62)."""
    path, last, place = _table(market, "path"), written.get("days"), ("market", "path")
    levels = path.get("level_pct")
    if path and market.get("crash") is not None:
        yield Misfit(place, "must not stand beside a crash, which binds the same factor; remove one of them")
    dated, stripped = path.get("from_date") is not None, path.get("stripped_impact_pct")
    if dated and not stripped and liquidity.get("impact") not in (None, "none"):
        said = "holds its history's own forced sales; set liquidity.impact to none, or say in stripped_impact_pct what was taken out"
        yield Misfit((*place, "stripped_impact_pct"), said, stripped or 0.0)
    if not isinstance(levels, list | tuple) or not all(type(x) in (int, float) and x > 0 for x in levels) or len(levels) < 2:
        return
    if levels[0] != 100:
        yield Misfit((*place, "level_pct", 0), "must be 100, the level of day 0; divide all levels by it", levels[0])
    if type(last) is int and len(levels) > last + 1:
        said = f"goes on after the last day of the run, day {last}; shorten it, or make days larger"
        yield Misfit((*place, "level_pct"), said, len(levels) - 1)
    depth = path.get("depth_pct")
    if isinstance(depth, int | float):
        peak, fall, drawdown = levels[0], 0.0, 0.0
        for level in levels:
            peak = max(peak, level)
            fall, drawdown = max(fall, 100 - 100 * level / levels[0]), max(drawdown, 100 - 100 * level / peak)
        if min(abs(fall - depth), abs(drawdown - depth)) > DEPTH_APART:
            said = f"is not the fall of level_pct, which is {fall:.4g}% from day 0 and {drawdown:.4g}% from the peak; correct it"
            yield Misfit((*place, "depth_pct"), said, depth)


def _redemption_misfits(plan: dict[str, Any]) -> Iterator[Misfit]:
    """What does not fit together in [redemption]."""
    who, share, wave = plan.get("who"), plan.get("share_pct"), _table(plan, "wave")
    if who == "nobody" and share:
        yield Misfit(("redemption", "share_pct"), "must be 0 where nobody asks by plan; set it to 0, or say who asks", share)
    if share == 0 and who not in (None, "nobody"):
        said = "must be above 0 for those who ask by plan; raise it, or set who to nobody"
        yield Misfit(("redemption", "share_pct"), said, share)
    if who == "nobody" and plan.get("wave") is None and plan.get("foreign") is None:
        yield Misfit(("redemption", "who"), "leaves nobody who asks; add [redemption.wave] or [redemption.foreign], or name who", who)
    branching = wave.get("branching")
    if isinstance(branching, int | float) and branching >= 1 and wave.get("explosive") is not True:
        said = "lets one request bring on one or more, without end; lower it below 1, or say explosive = true"
        yield Misfit(("redemption", "wave", "branching"), said, branching)
    steps = [x for _, one in _tables(wave, "loss") if isinstance(x := one.get("own_funds_lost_pct"), int | float)]
    if steps != sorted(set(steps)):
        yield Misfit(("redemption", "wave", "loss"), "must go up from step to step; sort the steps, each once", steps)


def _impact_misfits(liquidity: dict[str, Any]) -> Iterator[Misfit]:
    law, floor, fraction = (liquidity.get(key) for key in ("impact", "impact_floor_pct", "trading_fraction"))
    if law == "exponential" and floor is None:
        yield Misfit(("liquidity", "impact"), "needs a floor of prices; add impact_floor_pct, 50 for half of the book's price", law)
    if law != "exponential" and floor is not None:
        yield Misfit(("liquidity", "impact_floor_pct"), "is read by the impact exponential alone; remove it, or choose that law", floor)
    if law != "almgren" and fraction not in (None, 1):
        yield Misfit(("liquidity", "trading_fraction"), "is read by the impact almgren alone; remove it, or choose that law", fraction)


def _choice_misfits(table: dict[str, Any], keys: tuple[str, ...], place: tuple[str | int, ...], what: str) -> Iterator[Misfit]:
    """Exactly one of some keys must be given."""
    found = [key for key in keys if table.get(key) is not None]
    if not found:
        yield Misfit(place, f"must say {what}; give one of {', '.join(keys)}")
    for key in found[1:]:
        yield Misfit((*place, key), f"must not stand beside {found[0]}; keep one of them, or write two tables", _plain(table[key]))


def _operations_misfits(house: dict[str, Any]) -> Iterator[Misfit]:
    """What does not fit together in shut desks (M-145, M-146)."""
    for key in ("days_without_calls", "days_without_sales"):
        if house.get(key) and house.get("source") is None:
            yield Misfit(("operations", key), "must have a source; add source = \"...\" to [operations]", _plain(house[key]))
    if house.get("compensation_pct") and not house.get("days_without_sales"):
        said = "is owed for days on which the desk is shut, and there are none; add days_without_sales, or remove it"
        yield Misfit(("operations", "compensation_pct"), said, house["compensation_pct"])


#: What a response may read: the key of its value, the highest one, and in which part of a unit it may be given.
_READINGS = {
    "market_fall_pct": ("at_least", 100, 100), "volatility_pct": ("at_least", 1000, 100), "margin_coverage_pct": ("below", 100, 100),
    "liquid_share_pct": ("below", 500, 100), "own_funds_lost_pct": ("at_least", 100, 100),
    "unpaid_yuan": ("at_least", 140_000_000_000, 1000),
    "day": ("at_least", 504, 1), "maintenance_ratio_pct": ("below", 655, 100),
}
#: What each action needs, and what it reads beside that.
_LINEAR = (("share_pct", "margin_pct"), ("basis_pct", "fee_pct", "carry_pct", "for_days"))
_ACTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "raise_lines": (("by_pct",), ()), "cap_leverage": (("leverage",), ("target_volatility_pct",)), "sell_in_batches": (("batches",), ()),
    "pause_sales": (("for_days",), ()), "draw_line": ((), ("share_pct",)), "hedge_futures": _LINEAR, "hedge_etf": _LINEAR,
    "hedge_put": (("share_pct", "strike_pct", "implied_volatility_pct", "for_days"), ("rate_pct",)),
}


def response_misfits(said: dict[str, Any], place: tuple[str | int, ...], days: Any) -> Iterator[Misfit]:
    """What does not fit together in one [[response]]."""
    when, do = said.get("when"), said.get("do")
    if when in _READINGS:
        key, most, parts = _READINGS[when]
        value, other = said.get(key), "below" if key == "at_least" else "at_least"
        if value is None:
            yield Misfit((*place, key), f"must be given for {when}; add the value from which it acts")
        elif type(value) in (int, float):
            if value > most or (when == "day" and value < 1):
                yield Misfit((*place, key), f"is no {when} that can be; it lies between {1 if when == 'day' else 0} and {most}", value)
            elif round(value * parts) / parts != value:
                yield Misfit((*place, key), f"must be a whole multiple of {1 / parts:g}; round it, so that nothing is lost here", value)
            elif when == "day" and type(days) is int and value > days:
                yield Misfit((*place, key), f"lies after the last day of the run, day {days}; make it earlier, or days larger", value)
        if said.get(other) is not None:
            yield Misfit((*place, other), f"is not read for {when}; use {key}", said[other])
    if do not in _ACTIONS:
        return
    needed, more = _ACTIONS[do]
    averaged = when == "volatility_pct" or said.get("target_volatility_pct") is not None
    if averaged and said.get("over_days") is None:
        yield Misfit((*place, "over_days"), "must be given where volatility is read; add the number of days")
    for key in needed:
        if said.get(key) is None:
            yield Misfit((*place, key), f"must be given for {do}; add it")
    known = {*needed, *more, "when", "do", "at_least", "below", "platforms", "source", *(("over_days",) if averaged else ())}
    for key in sorted(said.keys() & Response.model_fields.keys() - known):
        if said[key] not in (None, ()):
            yield Misfit((*place, key), f"is not read by {do}; remove it, or choose another action", _plain(said[key]))
    if do == "draw_line" and type(said.get("share_pct")) in (int, float) and said["share_pct"] > 100:
        yield Misfit((*place, "share_pct"), "is more than the whole line; give at most 100", said["share_pct"])


#: Days that must lie inside the run, by their keys.
_DAYS = (
    ("market", "crash", "trough_day"), ("rates", "day"), ("redemption", "start_day"), ("redemption", "wave", "from_day"),
    ("redemption", "foreign", "start_day"),
)


def _late_days(written: Any, market: dict[str, Any]) -> Iterator[Misfit]:
    """The days that lie after the last day of the run."""
    last = written.get("days")
    found: list[tuple[tuple[str | int, ...], Any]] = []
    for *tables, key in _DAYS:
        here = written
        for name in tables:
            here = _table(here, name)
        found.append(((*tables, key), here.get(key)))
    halted = market.get("halt_days")
    if isinstance(halted, list | tuple):
        found += [(("market", "halt_days", at), day) for at, day in enumerate(halted)]
    house = _table(written, "operations")
    for key in ("days_without_calls", "days_without_sales"):
        if isinstance(house.get(key), list | tuple):
            found += [(("operations", key, at), day) for at, day in enumerate(house[key])]
    for at, closed in _tables(market, "suspension"):
        found += [(("market", "suspension", at, key), closed.get(key)) for key in ("from_day", "to_day")]
    found += [(("exchange", at, "day"), one.get("day")) for at, one in _tables(written, "exchange")]
    for keys, day in found:
        if type(day) is int and type(last) is int and day > last:
            yield Misfit(keys, f"lies after the last day of the run, day {last}; make it earlier, or days larger", day)


def _table(written: Any, key: str) -> dict[str, Any]:
    found = written.get(key)
    return found if isinstance(found, dict) else {}


def _tables(written: Any, key: str) -> list[tuple[int, dict[str, Any]]]:
    found = written.get(key)
    return [(at, one) for at, one in enumerate(found) if isinstance(one, dict)] if isinstance(found, list | tuple) else []


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def read_scenario(path: Path | str) -> Scenario:
    """The scenario in a file, or shipped under that name; raises :class:`InputError` with every fault."""
    path = Path(path)
    if not path.suffix and not path.exists():
        shipped = sorted(p.stem for p in shipped_folder().glob("*.toml"))
        if str(path) not in shipped:
            raise InputError([Fault(str(path), "is neither a file nor a shipped scenario", nearest(path.name, shipped))])
        path = shipped_folder() / f"{path}.toml"
    written = read_toml(path)
    faults, scenario = [], None
    try:
        scenario = Scenario.model_validate(written, context=_APART)
    except ValidationError as error:
        faults = toml_faults(str(path), error, Scenario)
    for keys, said, value in _misfits(written):
        rule, _, way_out = said.partition("; ")
        shown = None if value is None else str(value)
        faults.append(Fault(str(path), rule, way_out, None, ".".join(str(key) for key in keys), shown))
    if scenario is None or faults:
        raise InputError(faults)
    return scenario


def read_scenarios(given: Sequence[Scenario | Path | str]) -> tuple[list[Scenario], list[Fault]]:
    """Several scenarios as far as they can be read, and the faults of all files; two of one id are a fault."""
    faults: list[Fault] = []
    read: list[Scenario] = []
    for one in given:
        try:
            read.append(one if isinstance(one, Scenario) else read_scenario(one))
        except InputError as error:
            faults += error.faults
    ids = [s.id for s in read]
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        faults.append(Fault("scenarios", "two scenarios have this id", "give each its own", None, "id", twice))
    return read, faults


def shipped_folder() -> Path:
    """The folder of the scenarios that ship with the package."""
    inside = Path(__file__).parent / "scenarios"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "scenarios"


def resolved(scenario: Scenario) -> dict[str, Any]:
    """Everything that a scenario says, defaults written out: reading it again gives the same scenario."""
    return scenario.model_dump(mode="json")
