"""The plain slow twin: one path of docs/method.md in integers, dicts and loops.

It was written from the prose of docs/method.md alone and imports nothing of the package, so that
an error must be made twice to stay hidden. Speed is no aim. Floats appear in the impact of (M-24)
and in the order of sales of (M-22) only. Prices and fills stand in plain_market.py, requests that are
the path's own in plain_withdrawals.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from plain_market import (
    BP,
    WORD,
    Instrument,
    breaker_trips,
    ceil_div,
    close_instrument,
    fading_bp,
    fills,
    is_at_low,
    open_instrument,
    philox4x32,
    price_after,
)
from plain_market import closed_days as closed_days
from plain_market import limits as limits
from plain_market import round_half_up_to_tick as round_half_up_to_tick
from plain_responses import (
    Desk,
    batches_of,
    compensate,
    mark_the_harmed,
    muted,
    respond,
    shut,
    weigh,
)
from plain_withdrawals import (
    Evening,
    House,
    ask_as_planned,
    ask_in_wave,
    fall_due,
    hear,
    make_recalls_dearer,
    open_houses,
    recall_funding,
)

World = dict[str, Any]
Result = dict[str, Any]

PPM = 1_000_000
YEAR_BP = 3_650_000
ANSWER_STREAM = 3


# --- 1 and 2: numbers and randomness --------------------------------------------------------------


def calendar_day(trading_day: int) -> int:
    """Return the calendar day of a trading day (M-4)."""
    return (trading_day * 365 * 2 + 252) // 504


def interest(balance: int, rate_bp: int, days: int, carry: int) -> tuple[int, int]:
    """Return the interest of some calendar days and the remainder carried on (M-12)."""
    total = balance * rate_bp * days + carry
    return total // YEAR_BP, total % YEAR_BP


def shift_fixed_on(shifts: list[int], wanted: int) -> int:
    """Return the change of rates on the last trading day up to a calendar day, 0 before the book's date (M-11)."""
    found = 0
    for day, shift in enumerate(shifts):
        if calendar_day(day) <= wanted:
            found = shift
    return found


def loan_rate_on(terms: dict[str, Any], shifts: list[int], day: int) -> int:
    """Return the rate of a loan on a trading day (M-11)."""
    rate: int = terms["rate_bp"]
    if day < terms["floats_from"]:
        return rate
    rate += shift_fixed_on(shifts, calendar_day(day) - terms["notice"])
    return max(0, min(rate, terms["rate_most_bp"]))


def layer_rate_on(terms: dict[str, Any], shifts: list[int], day: int) -> int:
    """Return the rate of a funding layer on a trading day: that of its last reset (M-11)."""
    rate: int = terms["rate_bp"]
    period = terms["reset_days"]
    if period:
        rate += shift_fixed_on(shifts, calendar_day(day) // period * period)
    return max(0, rate)


# --- state ----------------------------------------------------------------------------------------


@dataclass
class Position:
    """Shares of one instrument in one account."""

    instrument: int
    shares: int
    sellable: int
    cost_price: int


@dataclass
class Call:
    """One open margin call; answer_day 0 means that no answer will come."""

    day: int
    amount: int
    answer_day: int


@dataclass
class Account:
    """One account in the course of a path."""

    terms: dict[str, Any]
    slot: int
    platform: int
    cash: int
    debt: int
    positions: list[Position]
    carry: int = 0
    call: Call | None = None
    recall: int = 0
    begun: bool = False
    begun_before_today: bool = False
    calls: int = 0
    forced: bool = False
    ordered_day: int = -1
    batch: int = 0
    mark: int = 0
    deficit: int = 0
    sold: int = 0


@dataclass
class Layer:
    """One funding layer with the carry of its interest."""

    terms: dict[str, Any]
    amount: int
    carry: int = 0

    @property
    def junior(self) -> bool:
        """Whether the layer stands below senior funding."""
        return bool(self.terms["seniority"] >= 2)


@dataclass
class Platform:
    """One platform in the course of a path."""

    terms: dict[str, Any]
    cash: int
    pool: int
    line_left: int
    reserve: int
    own_capital: int
    claims: int
    layers: list[Layer]
    line_layer: Layer
    in_transit: int = 0
    repaid_today: int = 0
    paid: int = 0
    failure_day: int = 0
    borne: list[int] = field(default_factory=lambda: [0] * 5)
    tally: dict[str, int] = field(default_factory=dict)
    today: dict[str, int] = field(default_factory=dict)
    coverage: int = PPM
    coverage_fundamental: int = PPM
    desk: Desk = field(default_factory=Desk)
    house: House | None = None
    evening: Evening = field(default_factory=lambda: Evening(0, 0))
    returned: int = 0

    @property
    def due(self) -> list[int]:
        """What is due to clients by each day, cumulative."""
        listed: list[int] = self.house.due if self.house else self.terms["due"]
        return listed

    @property
    def due_segregated(self) -> list[int]:
        """What is paid from segregated money by each day."""
        listed: list[int] = self.house.due_segregated if self.house else self.terms["due_segregated"]
        return listed

    def funding_due(self, day: int) -> int:
        """What is due to funders by a day (M-138)."""
        return self.house.funding_due[day] if self.house else 0

    def add(self, name: str, amount: int) -> None:
        """Add an amount to a total of the run."""
        self.tally[name] = self.tally.get(name, 0) + amount

    def legal(self, junior: bool) -> int:
        """Return the legal amount of junior or of senior funding, the drawn line with the latter."""
        return sum(layer.amount for layer in self.layers if layer.junior == junior)


@dataclass
class Path:
    """All state of one path."""

    world: World
    day: int
    instruments: list[Instrument]
    accounts: list[Account]
    platforms: list[Platform]
    broken: bool = False
    breaker_days: int = 0
    foreign_day: int = 0

    @property
    def terms(self) -> dict[str, Any]:
        """The terms that hold for the whole run."""
        run: dict[str, Any] = self.world["terms"]
        return run

    def loans_of(self, index: int) -> list[Account]:
        """Return the accounts of a platform that have debt."""
        return [a for a in self.accounts if a.platform == index and a.debt > 0]

    def prices(self) -> list[int]:
        """Return the current quoted prices."""
        return [instrument.price for instrument in self.instruments]


def new_platform(terms: dict[str, Any]) -> Platform:
    """Return a platform as it stands before day 1."""
    fixed = {"reset_days": 0, "seniority": 1}
    line = Layer({**fixed, "rate_bp": terms["line_rate_bp"]}, terms["line_drawn"])
    layers = [Layer(funding, funding["amount"]) for funding in terms["funding"]]
    return Platform(
        terms=terms,
        cash=terms["cash"],
        pool=terms["pool"],
        line_left=terms["line"],
        reserve=terms["reserve"],
        own_capital=terms["own_capital"],
        claims=terms["claims"],
        layers=[*layers, line],
        line_layer=line,
    )


def new_path(world: World) -> Path:
    """Return the state before day 1."""
    accounts = []
    weights = [0] * len(world["instruments"])
    for slot, terms in enumerate(world["accounts"]):
        positions = []
        for p in terms["positions"]:
            positions.append(
                Position(p["instrument"], p["shares"], p["sellable"], p["cost_price"])
            )
            weights[p["instrument"]] += p["shares"]
        accounts.append(
            Account(terms, slot, terms["platform"], terms["cash"], terms["debt"], positions)
        )
    instruments = [
        Instrument(terms, weight, close=terms["price"])
        for terms, weight in zip(world["instruments"], weights, strict=True)
    ]
    platforms = [new_platform(p) for p in world["platforms"]]
    if world.get("withdrawals"):
        for platform, house in zip(platforms, open_houses(world), strict=True):
            platform.house = house
    path = Path(world, 0, instruments, accounts, platforms)
    for index, platform in enumerate(platforms):
        loans = sum(a.debt for a in path.loans_of(index))
        platform.evening = Evening(platform.reserve + platform.own_capital, loans)
    return path


# --- 5.1: open ------------------------------------------------------------------------------------


def open_market(path: Path) -> None:
    """Quote every instrument under the day's limits and closures (M-13 to M-15, M-44, M-45)."""
    world, day = path.world, path.day
    for index, instrument in enumerate(path.instruments):
        instrument.limit_bp = world["limit_bp"][day][index]
        instrument.closed = bool(world["closed"][day][index])
        fundamental = world["fundamental"][day][index]
        open_instrument(instrument, fundamental, world["factor_bp"][day], path.terms)
    path.broken = False
    look_at_breaker(path)


def look_at_breaker(path: Path) -> None:
    """End all selling of the day if the breaker trips (M-45)."""
    if not path.broken and breaker_trips(path.instruments, path.terms["breaker_bp"]):
        path.broken = True
        path.breaker_days += 1


def accrue_interest(path: Path) -> None:
    """Add the day's interest to every loan and funding layer (M-12)."""
    days = calendar_day(path.day) - calendar_day(path.day - 1)
    for account in path.accounts:
        if account.debt == 0:
            continue
        rate = loan_rate_on(account.terms, path.world["shift_bp"], path.day)
        amount, account.carry = interest(account.debt, rate, days, account.carry)
        account.debt += amount
        platform = path.platforms[account.platform]
        platform.own_capital += amount
        platform.add("loan_interest_li", amount)
    for platform in path.platforms:
        for layer in platform.layers:
            rate = layer_rate_on(layer.terms, path.world["shift_bp"], path.day)
            amount, layer.carry = interest(layer.amount, rate, days, layer.carry)
            layer.amount += amount
            platform.own_capital -= amount
            platform.add("funding_interest_li", amount)


def rates_of_exchange(path: Path) -> None:
    """Make dearer what is owed in a currency that rises today (M-240)."""
    for move in path.world.get("exchange", []):
        if move["day"] != path.day:
            continue
        platform = path.platforms[move["platform"]]
        layer = platform.layers[move["layer"]]
        more = ceil_div(layer.amount * move["rise_bp"], BP)
        layer.amount += more
        platform.own_capital -= more
        platform.add("exchange_loss_li", more)
        if platform.house:
            make_recalls_dearer(platform.house, move["layer"], move["rise_bp"], path.day, len(path.world["fundamental"]) - 1)


# --- 5.2: payment ---------------------------------------------------------------------------------


def requests(path: Path) -> None:
    """Let clients and funders ask for their money, by what they knew yesterday evening (5.11)."""
    plan = path.world.get("withdrawals")
    if not plan:
        return
    fall = max(0, BP - path.world["factor_bp"][path.day - 1])
    foreign = plan["foreign"]
    if foreign and not path.foreign_day and path.day >= foreign["start"] and fall >= foreign["fall_bp"]:
        path.foreign_day = path.day
    for platform in path.platforms:
        house, evening = platform.house, platform.evening
        assert house is not None
        before = platform.terms["reserve"] + platform.terms["own_capital"]
        failed = platform.failure_day > 0
        hear(path.world, house, path.day, evening, before, platform.line_left, failed)
        ask_as_planned(path.world, house, path.day, path.foreign_day)
        ask_in_wave(path.world, house, path.day)
        if not failed:
            moves = [m for m in path.world.get("exchange", []) if path.platforms[m["platform"]] is platform and m["day"] <= path.day]
            recall_funding(house, path.day, evening, fall, path.foreign_day, moves)
        fall_due(house, path.day)


def sell_pool(need: int, pool: int, haircut_bp: int) -> tuple[int, int]:
    """Return how much of the pool is sold to raise an amount, and what that brings (M-17)."""
    sold = min(pool, ceil_div(need * BP, BP - haircut_bp))
    return sold, sold * (BP - haircut_bp) // BP


def pay_out(platform: Platform, due: int, day: int) -> None:
    """Pay from cash what clients are owed, and then what funders are (M-17, M-138)."""
    amount = min(platform.cash, due - platform.paid)
    platform.cash -= amount
    platform.paid += amount
    platform.claims -= amount
    amount = min(platform.cash, platform.funding_due(day) - platform.returned)
    platform.cash -= amount
    platform.returned += amount
    for number in range(len(platform.terms["funding"])):
        if platform.house and amount:
            part = min(amount, platform.house.owed[number])
            platform.house.owed[number] -= part
            platform.layers[number].amount -= part
            amount -= part
    assert amount == 0, "more is returned than layers are owed"


def pay(platform: Platform, day: int, haircut_bp: int) -> int:
    """Pay what is due from cash, pool and line in this order, and return what stays unpaid."""
    due = platform.due[day]

    def missing() -> int:
        return due - platform.paid + platform.funding_due(day) - platform.returned

    if platform.failure_day:
        return missing()
    pay_out(platform, due, day)
    if missing() > 0:
        sold, brought = sell_pool(missing(), platform.pool, haircut_bp)
        platform.pool -= sold
        platform.cash += brought
        platform.own_capital -= sold - brought
        platform.add("pool_loss_li", sold - brought)
        pay_out(platform, due, day)
    drawing = min(platform.line_left, missing())
    platform.line_left -= drawing
    platform.line_layer.amount += drawing
    platform.cash += drawing
    platform.add("line_drawn_li", drawing)
    pay_out(platform, due, day)
    return missing()


def recall_loans(loans: list[Account], unpaid: int) -> None:
    """Call of every loan its share of what is unpaid and not yet recalled (M-18)."""
    missing = unpaid - sum(account.recall for account in loans)
    all_debt = sum(account.debt for account in loans)
    if missing <= 0:
        return
    for account in loans:
        part = ceil_div(missing * account.debt, all_debt)
        account.recall = min(account.recall + part, account.debt)


def payments(path: Path) -> None:
    """Let yesterday's repayments arrive, pay what is due and call loans (M-17, M-18)."""
    for index, platform in enumerate(path.platforms):
        platform.cash += platform.in_transit
        platform.in_transit = 0
        unpaid = pay(platform, path.day, path.terms["pool_haircut_bp"])
        platform.today["unpaid_li"] = platform.due[path.day] - platform.paid
        platform.add("unpaid_days", int(platform.today["unpaid_li"] > 0))
        if platform.failure_day:
            continue
        if unpaid > 0:
            platform.tally.setdefault("first_unpaid_day", path.day)
        recall_loans(path.loans_of(index), unpaid)


# --- 5.3: calls -----------------------------------------------------------------------------------


def shares_value(account: Account, prices: list[int]) -> int:
    """Return the value of all shares of an account."""
    return sum(p.shares * prices[p.instrument] for p in account.positions)


def collateral(account: Account, prices: list[int]) -> int:
    """Return A, cash and shares (M-3)."""
    return account.cash + shares_value(account, prices)


def below(account: Account, line_bp: int, prices: list[int]) -> bool:
    """Whether the maintenance ratio is strictly below a line (M-3)."""
    return collateral(account, prices) * BP < line_bp * account.debt


def measure(loans: list[Account], prices: list[int]) -> tuple[int, int]:
    """Return the gross margin call and the coverage in ppm of some loans (M-19)."""
    gross = covered = required = 0
    for account in loans:
        value = collateral(account, prices)
        gross += max(0, ceil_div(account.terms["warning_bp"] * account.debt, BP) - value)
        needed = ceil_div(account.terms["liquidation_bp"] * account.debt, BP)
        covered += min(value, needed)
        required += needed
    return gross, covered * PPM // required if required else PPM


def measure_calls(path: Path) -> None:
    """Record the day's measures at quoted and at fundamental prices (M-19)."""
    fundamental = path.world["fundamental"][path.day]
    for index, platform in enumerate(path.platforms):
        loans = path.loans_of(index)
        gross, coverage = measure(loans, path.prices())
        platform.today["margin_call_li"] = gross
        if gross > platform.tally.get("margin_call_peak_li", 0):
            platform.tally["margin_call_peak_li"] = gross
            platform.tally["margin_call_peak_day"] = path.day
        platform.coverage = min(platform.coverage, coverage)
        platform.desk.coverage = coverage if loans else None
        platform.today["margin_coverage_ppm"] = coverage
        gross, coverage = measure(loans, fundamental)
        peak = platform.tally.get("margin_call_peak_fundamental_li", 0)
        platform.tally["margin_call_peak_fundamental_li"] = max(peak, gross)
        platform.coverage_fundamental = min(platform.coverage_fundamental, coverage)


def answer_chance_bp(type_bp: int, mood_bp: int, factor_bp: int) -> int:
    """Return the chance that a client answers, in bp, at a level of the factor (M-20)."""
    return fading_bp(type_bp, mood_bp, factor_bp)


def answer_day(path: Path, account: Account) -> int:
    """Return the day on which a client answers a call of today, 0 for never (M-20)."""
    terms, seed = path.terms, path.world["seed"]
    grace: int = terms["grace_days"]
    counter = (account.slot, path.day, ANSWER_STREAM, path.world["path"])
    word0, word1, _, _ = philox4x32(counter, (seed % WORD, seed // WORD))
    chance = answer_chance_bp(
        terms["answer_bp"][account.terms["type"]],
        terms["mood_bp"],
        path.world["factor_bp"][path.day],
    )
    if grace == 0 or word0 * BP >= chance * WORD:
        return 0
    return path.day + 1 + word1 * grace // WORD


def margin_calls(path: Path) -> None:
    """Answer, void and issue margin calls (M-20)."""
    prices = path.prices()
    for account in path.accounts:
        if account.debt == 0:
            continue
        platform = path.platforms[account.platform]
        warning = account.terms["warning_bp"]
        if account.call is not None and account.call.answer_day == path.day:
            account.cash += account.call.amount
            platform.add("client_paid_li", account.call.amount)
            account.call = None
        if account.call is not None and not below(account, warning, prices):
            if path.day <= account.call.day + path.world["terms"]["grace_days"]:
                platform.add("lapsed", account.call.amount)
            account.call = None
        if muted(path) or account.call is not None:
            continue
        if below(account, warning, prices):
            amount = ceil_div(warning * account.debt, BP) - collateral(account, prices)
            account.call = Call(path.day, amount, answer_day(path, account))
            account.calls += 1
            platform.add("margin_call_issued_li", amount)


# --- 5.4: who must sell, and how much -------------------------------------------------------------


@dataclass
class Order:
    """An order for shares of one position; own is what it would be in an open market (M-48)."""

    account: Account
    position: Position
    shares: int
    own: int


def triggers(path: Path, account: Account, first_round: bool) -> set[str]:
    """Return the names of the triggers that act on an account in a round (M-21)."""
    acting = set()
    if below(account, account.terms["liquidation_bp"], path.prices()):
        acting.add("line")
    if not first_round:
        return acting
    if account.call and path.day >= account.call.day + path.terms["grace_days"] + 1:
        acting.add("overdue")
    if account.recall > 0:
        acting.add("recall")
    if account.begun_before_today:
        acting.add("begun")
    failure_day = path.platforms[account.platform].failure_day
    if path.terms["run_off"] == "called" and 0 < failure_day < path.day:
        acting.add("run_off")
    return acting


def repay(path: Path, account: Account, amount: int) -> None:
    """Take an amount off the debt and the recall; without debt the account leaves for good."""
    platform = path.platforms[account.platform]
    account.debt -= amount
    account.recall = max(0, account.recall - amount)
    platform.repaid_today += amount
    platform.add("repaid_li", amount)
    if account.debt == 0:
        leave(account)


def leave(account: Account) -> None:
    """End the process of an account that has no debt any more."""
    account.call = None
    account.recall = 0
    account.begun = account.begun_before_today = False


def sale_to_restore(account: Account, prices: list[int], cost_bp: int) -> int:
    """Return v_line, the sale that brings an account back to its restore line (M-21)."""
    restore = account.terms["restore_bp"]
    missing = restore * account.debt - BP * collateral(account, prices)
    if missing <= 0:
        return 0
    denominator = restore * (BP - cost_bp) - 10**8
    if denominator <= 0:
        return shares_value(account, prices)
    return ceil_div(missing * BP, denominator)


def sale_wanted(path: Path, account: Account, acting: set[str]) -> tuple[bool, int]:
    """Return whether an account must sell in full, and for how much money (M-21).

    Of a full sale that is the value of all holdings.
    """
    prices = path.prices()
    everything = shares_value(account, prices)
    hard = bool(acting & {"line", "overdue"})
    if account.begun or "run_off" in acting or (hard and account.terms["full_sale"]):
        return True, everything
    highest_cost = max((i.terms["cost_bp"] for i in path.instruments), default=0)
    cost_bp = highest_cost + path.terms["expected_impact_bp"]
    wanted = sale_to_restore(account, prices, cost_bp) if hard else 0
    if "recall" in acting:
        wanted = max(wanted, ceil_div(account.recall * BP, BP - cost_bp))
    if wanted == 0:
        return False, 0
    wanted = max(wanted, path.terms["minimum_sale"])
    if wanted >= everything:
        return True, everything
    return False, wanted


def batch_number(path: Path, account: Account) -> int:
    """Return the number of the batch that an account orders today if it orders (M-47)."""
    if account.ordered_day != path.day - 1:
        return 1
    return min(account.batch + 1, batches_of(path, account))


def round_order(shares: int, sellable: int, terms: dict[str, Any]) -> int:
    """Return an order in whole lots, at least the minimum order, at most what is sellable (M-22)."""
    if shares == 0:
        return 0
    lot = terms["lot"]
    return int(min(max(ceil_div(shares, lot) * lot, terms["min_order"]), sellable))


def urgency(order: str, position: Position, sellable: int, instrument: Instrument) -> float:
    """Return the key of a position in a sequence of sales, the largest first (M-22)."""
    if order == "most_liquid":
        return float(instrument.terms["adv_shares"]) * instrument.price
    if order == "largest":
        return float(sellable * instrument.price)
    if order == "most_volatile":
        return float(instrument.terms["sigma_day"])
    assert order == "highest_loss", order
    return -(instrument.price / position.cost_price) if position.cost_price else -inf


def divide(
    path: Path, account: Account, sellable: list[int], value: int, everything: bool
) -> list[int]:
    """Return how many shares of each position are ordered for a value, of those sellable (M-22)."""
    named = [path.instruments[p.instrument] for p in account.positions]
    total = sum(n * i.price for n, i in zip(sellable, named, strict=True))
    if everything or value >= total:
        return list(sellable)
    order = account.terms["sale_order"]
    if order == "pro_rata":
        return [
            round_order(ceil_div(value * n, total), n, i.terms)
            for n, i in zip(sellable, named, strict=True)
        ]
    places = list(range(len(named)))
    keys = [urgency(order, account.positions[k], sellable[k], named[k]) for k in places]
    orders = [0] * len(named)
    left = value
    # Sorting is stable: equal keys keep the order of the positions.
    for k in sorted(places, key=lambda k: -keys[k]):
        if left > 0 and sellable[k] > 0:
            wanted = ceil_div(left, named[k].price)
            orders[k] = round_order(wanted, sellable[k], named[k].terms)
            left -= orders[k] * named[k].price
    return orders


def orders_of(path: Path, account: Account, full: bool, wanted: int) -> list[Order]:
    """Return the orders of an account today (M-22, M-47, M-48)."""
    batches, number = batches_of(path, account), batch_number(path, account)
    value, everything = wanted, full
    if number < batches:
        value, everything = ceil_div(wanted, batches - number + 1), False
    sellable = [min(p.sellable, p.shares) for p in account.positions]
    today = [
        n if path.instruments[p.instrument].takes_orders() and not path.broken else 0
        for p, n in zip(account.positions, sellable, strict=True)
    ]
    ordered = divide(path, account, today, value, everything)
    own = ordered if everything else divide(path, account, sellable, value, everything)
    if not path.terms["displace"]:
        ordered = [min(a, b) for a, b in zip(ordered, own, strict=True)]
    rows = zip(account.positions, ordered, own, strict=True)
    return [Order(account, position, shares, part) for position, shares, part in rows if shares]


def ask(path: Path, account: Account, first_round: bool) -> list[Order]:
    """Ask one account: it repays from cash and returns what it orders to sell (M-21, M-22)."""
    acting = triggers(path, account, first_round)
    if not acting or shut(path, account.platform):
        return []
    most = account.recall if acting == {"recall"} else account.debt
    amount = min(account.cash, most)
    account.cash -= amount
    repay(path, account, amount)
    if account.debt == 0:
        return []
    full, wanted = sale_wanted(path, account, acting)
    if full:
        account.begun = True
    if batches_of(path, account) > 1 and account.ordered_day == path.day:
        return []
    orders = orders_of(path, account, full, wanted)
    if orders and account.ordered_day != path.day:
        account.forced = True
        account.batch = batch_number(path, account)
        account.ordered_day = path.day
        today = path.platforms[account.platform].today
        today["accounts_forced"] = today.get("accounts_forced", 0) + 1
    return orders


# --- 5.5: the market ------------------------------------------------------------------------------


def settle_fill(path: Path, order: Order, shares: int, price: int) -> None:
    """Pay one fill: shares go, the cost leaves, debt is repaid, the rest is cash (M-25, M-48)."""
    account, position = order.account, order.position
    platform = path.platforms[account.platform]
    instrument = path.instruments[position.instrument]
    gross = shares * price
    cost = ceil_div(gross * instrument.terms["cost_bp"], BP)
    displaced = max(0, shares - order.own)
    position.shares -= shares
    position.sellable -= shares
    account.sold += gross
    instrument.sold_li_today += gross
    instrument.displaced_today += displaced
    platform.add("sold_li", gross)
    platform.add("displaced_li", displaced * price)
    platform.add("selling_cost_li", cost)
    platform.today["sold_li"] = platform.today.get("sold_li", 0) + gross
    to_debt = min(account.debt, gross - cost)
    account.cash += gross - cost - to_debt
    repay(path, account, to_debt)


def trade(path: Path, index: int, orders: list[Order]) -> None:
    """Fill the orders of one round in one instrument, move its price and pay (M-23 to M-25)."""
    instrument = path.instruments[index]
    left = instrument.capacity - instrument.sold_today
    filled, rationed = fills([order.shares for order in orders], left)
    instrument.rationed = instrument.rationed or rationed
    instrument.sold_today += sum(filled)
    before = instrument.price
    if sum(filled) > 0:
        after = price_after(
            instrument.first_price,
            instrument.wanted_today,
            instrument.terms,
            instrument.low,
            path.terms,
        )
        instrument.price = min(after, before)
    price = (before + instrument.price) // 2
    for order, shares in zip(orders, filled, strict=True):
        if shares > 0:
            settle_fill(path, order, shares, price)
    instrument.locked = instrument.locked or is_at_low(instrument)


def sales(path: Path) -> int:
    """Run the rounds of a day and return in how many of them somebody ordered (5.4, 5.5)."""
    for number in range(path.terms["rounds_max"]):
        book: dict[int, list[Order]] = {}
        for account in path.accounts:
            if account.debt == 0:
                continue
            for order in ask(path, account, first_round=number == 0):
                book.setdefault(order.position.instrument, []).append(order)
        if not book:
            return number
        for index in sorted(book):
            trade(path, index, book[index])
        look_at_breaker(path)
    return int(path.terms["rounds_max"])


# --- 5.6 and 5.7: deficits and failure ------------------------------------------------------------


def waterfall(deficit: int, layers: list[int]) -> list[int]:
    """Return what each layer takes of a deficit, first layer first (M-27)."""
    taken = []
    for left in layers:
        part = min(deficit, max(0, left))
        taken.append(part)
        deficit -= part
    return taken


def write_off(path: Path) -> None:
    """Write off the debt of accounts with neither shares nor cash and share it among the layers."""
    for index, platform in enumerate(path.platforms):
        deficit = 0
        for account in path.loans_of(index):
            if shut(path, index) or account.cash > 0 or any(p.shares > 0 for p in account.positions):
                continue
            deficit += account.debt
            account.deficit += account.debt
            account.debt = 0
            leave(account)
        left = [
            platform.reserve,
            platform.own_capital,
            platform.legal(junior=True) - platform.borne[2],
            platform.legal(junior=False) - platform.borne[3],
            platform.claims - platform.borne[4],
        ]
        taken = waterfall(deficit, left)
        assert sum(taken) == deficit, "the layers cannot bear the deficit"
        platform.reserve -= taken[0]
        platform.own_capital -= taken[1]
        platform.borne = [old + new for old, new in zip(platform.borne, taken, strict=True)]
        platform.add("deficit_li", deficit)


def close_platforms(path: Path) -> None:
    """Put the day's repayments on the way and decide who fails (M-25, M-28)."""
    for platform in path.platforms:
        platform.in_transit = platform.repaid_today
        platform.repaid_today = 0
        own_funds = platform.reserve + platform.own_capital
        if own_funds <= 0:
            platform.tally.setdefault("own_funds_exhausted_day", path.day)
        patient = max(0, path.day - path.terms["payment_grace_days"])
        late = platform.paid < platform.due[patient]
        late = late or platform.returned < platform.funding_due(patient)
        if (own_funds <= 0 or late) and not platform.failure_day:
            platform.failure_day = path.day


# --- 5.9 and 6: results ---------------------------------------------------------------------------


def hole(account: Account, prices: list[int], cost_bp: int) -> int:
    """Return the debt that the collateral would leave if it were sold at cost (M-30)."""
    if account.debt == 0:
        return 0
    value = shares_value(account, prices) * (BP - cost_bp) // BP
    return max(0, account.debt - value - account.cash)


def holes(path: Path) -> list[int]:
    """Return the holes at the horizon by platform, at fundamental prices (M-30)."""
    cost_bp = max((i["cost_bp"] for i in path.world["instruments"]), default=0)
    prices = path.world["fundamental"][-1]
    return [
        sum(hole(a, prices, cost_bp) for a in path.loans_of(i)) for i in range(len(path.platforms))
    ]


def loss_holding(world: World) -> list[int]:
    """Return the loss of each platform if nobody is called and nothing is sold (M-30)."""
    path = new_path(world)
    for day in range(1, len(world["fundamental"])):
        path.day = day
        accrue_interest(path)
    return holes(path)


def loss(result: Result) -> list[int]:
    """Return the loss of each platform of a run: deficits and holes (M-30)."""
    return [p["deficit_li"] + p["deficit_unrealised_li"] for p in result["platforms"]]


TALLIES = (
    "margin_call_peak_li",
    "margin_call_peak_day",
    "margin_call_peak_fundamental_li",
    "margin_call_issued_li",
    "sold_li",
    "displaced_li",
    "selling_cost_li",
    "client_paid_li",
    "repaid_li",
    "loan_interest_li",
    "funding_interest_li",
    "pool_loss_li",
    "deficit_li",
    "line_drawn_li",
    "first_unpaid_day",
    "own_funds_exhausted_day",
    "first_response_day",
    "compensation_li",
    "hedge_cost_li",
    "hedge_gain_li",
    "hedge_owed_li",
    "unpaid_days",
    "exchange_loss_li",
)


def platform_result(path: Path, index: int, unrealised: int) -> dict[str, int]:
    """Return the totals of one platform (section 6)."""
    platform = path.platforms[index]
    accounts = [a for a in path.accounts if a.platform == index]
    tally = {name: platform.tally.get(name, 0) for name in TALLIES}
    lapsed = platform.tally.get("lapsed", 0)
    layers = ("reserve", "own_capital", "junior", "senior", "claims")
    absorbed = zip(layers, platform.borne, strict=True)
    due = platform.due[-1]
    house = platform.house
    return {
        **tally,
        **{f"absorbed_by_{layer}_li": amount for layer, amount in absorbed},
        "margin_call_unanswered_li": tally["margin_call_issued_li"]
        - tally["client_paid_li"]
        - lapsed,
        "margin_coverage_ppm": platform.coverage,
        "margin_coverage_fundamental_ppm": platform.coverage_fundamental,
        "own_funds_before_li": platform.terms["reserve"] + platform.terms["own_capital"],
        "accounts_with_debt": sum(a.terms["debt"] > 0 for a in accounts),
        "accounts_called": sum(a.calls > 0 for a in accounts),
        "accounts_forced": sum(a.forced for a in accounts),
        "accounts_in_deficit": sum(a.deficit > 0 for a in accounts),
        "deficit_unrealised_li": unrealised,
        "redemption_due_li": due,
        "redemption_paid_li": platform.paid,
        "redemption_segregated_li": platform.due_segregated[-1],
        "unpaid_end_li": due - platform.paid,
        "failure_day": platform.failure_day,
        "loans_end_li": sum(a.debt for a in accounts),
        "in_transit_end_li": platform.in_transit,
        "cash_end_li": platform.cash,
        "pool_end_li": platform.pool,
        "junior_end_li": platform.legal(junior=True),
        "senior_end_li": platform.legal(junior=False),
        "claims_end_li": platform.claims,
        "reserve_end_li": platform.reserve,
        "own_capital_end_li": platform.own_capital,
        "account_cash_end_li": sum(a.cash for a in accounts),
        "hedge_end_li": sum(h.margin + h.worth for h in platform.desk.hedges),
        "wave_asked_li": house.asked_in_wave if house else 0,
        "wave_groups": len(house.left_groups) if house else 0,
        "gated_end_li": house.gated if house else 0,
        "foreign_asked_li": house.foreign if house else 0,
        "funding_recalled_li": house.recalled if house else 0,
        "funding_due_li": platform.funding_due(-1),
        "funding_returned_li": platform.returned,
    }


def day_result(path: Path, index: int) -> dict[str, int]:
    """Return the figures of one platform on one day, which are what everybody knows in the evening."""
    platform = path.platforms[index]
    house = platform.house
    platform.evening = Evening(
        platform.reserve + platform.own_capital,
        sum(a.debt for a in path.loans_of(index)),
        platform.today["margin_call_li"],
        platform.today["margin_coverage_ppm"],
        platform.today["unpaid_li"],
    )
    return {
        "margin_call_li": platform.today["margin_call_li"],
        "deficit_li": platform.tally["deficit_li"],
        "own_funds_li": platform.reserve + platform.own_capital,
        "unpaid_li": platform.today["unpaid_li"],
        "sold_li": platform.today.get("sold_li", 0),
        "accounts_forced": platform.today.get("accounts_forced", 0),
        "loans_li": platform.evening.loans,
        "margin_coverage_ppm": platform.evening.coverage,
        "due_li": platform.due[path.day],
        "gated_li": house.gated if house else 0,
        "wave_ppm": house.rate // 1000 if house else 0,
        "funding_due_li": platform.funding_due(path.day),
    }


def account_result(account: Account) -> dict[str, Any]:
    """Return the figures of one account at the end."""
    return {
        "called": account.calls,
        "forced": int(account.forced),
        "deficit_li": account.deficit,
        "sold_li": account.sold,
        "cash_li": account.cash,
        "debt_li": account.debt,
        "shares": [position.shares for position in account.positions],
    }


def run_day(path: Path) -> tuple[int, list[dict[str, int]]]:
    """Run one day (5.1 to 5.7) and return its rounds and its instruments."""
    for platform in path.platforms:
        platform.today = {}
    for account in path.accounts:
        account.begun_before_today = account.begun
    respond(path)
    open_market(path)
    sealed = [int(i.locked or i.closed) for i in path.instruments]
    rates_of_exchange(path)
    accrue_interest(path)
    compensate(path)
    requests(path)
    payments(path)
    measure_calls(path)
    margin_calls(path)
    mark_the_harmed(path)
    rounds = sales(path)
    for instrument in path.instruments:
        close_instrument(instrument, path.terms)
    write_off(path)
    close_platforms(path)
    weigh(path)
    quotes = [
        {
            "quoted": i.close,
            "locked": locked,
            "sold_shares": i.sold_today,
            "displaced_shares": i.displaced_today,
            "sold_li": i.sold_li_today,
        }
        for i, locked in zip(path.instruments, sealed, strict=True)
    ]
    return rounds, quotes


def run_path(world: World) -> Result:
    """Return the outcome of one path of a world."""
    path = new_path(world)
    rounds_max = world["terms"]["rounds_max"]
    days, instruments, rounds_of_days = [], [], []
    for day in range(1, len(world["fundamental"])):
        path.day = day
        rounds, quotes = run_day(path)
        rounds_of_days.append(rounds)
        instruments.append(quotes)
        days.append([day_result(path, index) for index in range(len(path.platforms))])
    unrealised = holes(path)
    return {
        "platforms": [platform_result(path, i, unrealised[i]) for i in range(len(path.platforms))],
        "path": {
            "rounds_most": max(rounds_of_days, default=0),
            "rounds_limit_days": sum(rounds == rounds_max for rounds in rounds_of_days),
            "breaker_days": path.breaker_days,
        },
        "days": days,
        "accounts": [account_result(account) for account in path.accounts],
        "instruments": instruments,
    }
