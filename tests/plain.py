"""The plain slow twin: one path of docs/method.md in integers, dicts and loops.

It was written from the prose of docs/method.md alone and imports nothing of the package, so that
an error must be made twice to stay hidden. Speed is no aim. A float appears in (M-24) only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

World = dict[str, Any]
Result = dict[str, Any]

BP = 10_000
PPB = 1_000_000_000
PPM = 1_000_000
YEAR_BP = 3_650_000
WORD = 2**32
ANSWER_STREAM = 3


# --- 1 and 2: numbers and randomness --------------------------------------------------------------


def ceil_div(a: int, b: int) -> int:
    """Return a / b rounded up, for b > 0."""
    return -(-a // b)


def calendar_day(trading_day: int) -> int:
    """Return the calendar day of a trading day (M-4)."""
    return (trading_day * 365 * 2 + 252) // 504


def philox4x32(
    counter: tuple[int, int, int, int], key: tuple[int, int], rounds: int = 10
) -> tuple[int, int, int, int]:
    """Return the four words of Philox 4x32-10 at a counter (M-5)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for number in range(rounds):
        if number:
            k0 = (k0 + 0x9E3779B9) % WORD
            k1 = (k1 + 0xBB67AE85) % WORD
        left = 0xD2511F53 * c0
        right = 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            right // WORD ^ c1 ^ k0,
            right % WORD,
            left // WORD ^ c3 ^ k1,
            left % WORD,
        )
    return c0, c1, c2, c3


def interest(balance: int, rate_bp: int, days: int, carry: int) -> tuple[int, int]:
    """Return the interest of some calendar days and the remainder carried on (M-12)."""
    total = balance * rate_bp * days + carry
    return total // YEAR_BP, total % YEAR_BP


def rate_on(terms: dict[str, Any], day: int) -> int:
    """Return the rate of a loan or layer that holds on a trading day (M-11)."""
    after: bool = day >= terms["switch_day"]
    return int(terms["rate_after_bp"] if after else terms["rate_bp"])


# --- state ----------------------------------------------------------------------------------------


@dataclass
class Instrument:
    """One instrument in the course of a path."""

    terms: dict[str, Any]
    close: int
    keep: int = PPB
    gap: int = 0
    low: int = 0
    first_price: int = 0
    price: int = 0
    locked: bool = False
    rationed: bool = False
    capacity: int = 0
    sold_today: int = 0


@dataclass
class Position:
    """Shares of one instrument in one account."""

    instrument: int
    shares: int
    sellable: int


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
    forced_day: int = 0
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
    never = {"switch_day": 2**31, "rate_after_bp": 0, "seniority": 1}
    line = Layer({**never, "rate_bp": terms["line_rate_bp"]}, terms["line_drawn"])
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
    instruments = [Instrument(terms, close=terms["price"]) for terms in world["instruments"]]
    accounts = []
    for slot, terms in enumerate(world["accounts"]):
        positions = [
            Position(p["instrument"], p["shares"], p["sellable"]) for p in terms["positions"]
        ]
        accounts.append(
            Account(terms, slot, terms["platform"], terms["cash"], terms["debt"], positions)
        )
    return Path(world, 0, instruments, accounts, [new_platform(p) for p in world["platforms"]])


# --- 5.1: open ------------------------------------------------------------------------------------


def round_half_up_to_tick(price: int, tick: int) -> int:
    """Return a price rounded half up to its tick, at least one tick."""
    return max(1, (2 * price + tick) // (2 * tick)) * tick


def limits(previous_close: int, tick: int, limit_bp: int) -> tuple[int, int | None]:
    """Return the lowest and the highest price of a day in 厘; None means no highest (M-13)."""
    if limit_bp == 0:
        return tick, None
    p = previous_close // tick
    low = (p * (BP - limit_bp) + 5000) // BP
    high = (p * (BP + limit_bp) + 5000) // BP
    if low >= p:
        low = p - 1
    if high <= p:
        high = p + 1
    return max(low, 1) * tick, high * tick


def quoted_open(instrument: Instrument, fundamental: int) -> int:
    """Return the quoted price at the open (M-14)."""
    if instrument.terms["suspended"]:
        return instrument.close
    tick = instrument.terms["tick"]
    kept = fundamental * instrument.keep // PPB * (PPB - instrument.gap) // PPB
    target = round_half_up_to_tick(kept, tick)
    low, high = limits(instrument.close, tick, instrument.terms["limit_bp"])
    target = max(target, low)
    return target if high is None else min(target, high)


def is_at_low(instrument: Instrument) -> bool:
    """Whether the quoted price stands at a limit below yesterday's close (M-15)."""
    has_limit = instrument.terms["limit_bp"] > 0
    return has_limit and instrument.low < instrument.close and instrument.price == instrument.low


def open_market(path: Path) -> None:
    """Decay old impact, quote every instrument and set its capacity (M-13 to M-15)."""
    for index, instrument in enumerate(path.instruments):
        terms = instrument.terms
        instrument.gap = instrument.gap * path.terms["decay_ppb"] // PPB
        instrument.low, _ = limits(instrument.close, terms["tick"], terms["limit_bp"])
        instrument.price = quoted_open(instrument, path.world["fundamental"][path.day][index])
        instrument.first_price = instrument.price
        instrument.locked = is_at_low(instrument)
        instrument.rationed = False
        instrument.sold_today = 0
        shut = instrument.locked or terms["suspended"]
        capacity = terms["adv_shares"] * path.terms["participation_bp"] // BP
        instrument.capacity = 0 if shut else capacity


def accrue_interest(path: Path) -> None:
    """Add the day's interest to every loan and funding layer (M-12)."""
    days = calendar_day(path.day) - calendar_day(path.day - 1)
    for account in path.accounts:
        if account.debt == 0:
            continue
        rate = rate_on(account.terms, path.day)
        amount, account.carry = interest(account.debt, rate, days, account.carry)
        account.debt += amount
        platform = path.platforms[account.platform]
        platform.own_capital += amount
        platform.add("loan_interest_li", amount)
    for platform in path.platforms:
        for layer in platform.layers:
            rate = rate_on(layer.terms, path.day)
            amount, layer.carry = interest(layer.amount, rate, days, layer.carry)
            layer.amount += amount
            platform.own_capital -= amount
            platform.add("funding_interest_li", amount)


# --- 5.2: payment ---------------------------------------------------------------------------------


def sell_pool(need: int, pool: int, haircut_bp: int) -> tuple[int, int]:
    """Return how much of the pool is sold to raise an amount, and what that brings (M-17)."""
    sold = min(pool, ceil_div(need * BP, BP - haircut_bp))
    return sold, sold * (BP - haircut_bp) // BP


def pay_out(platform: Platform, amount: int) -> None:
    """Pay claims from cash; they are gone."""
    platform.cash -= amount
    platform.paid += amount
    platform.claims -= amount


def pay(platform: Platform, due: int, haircut_bp: int) -> int:
    """Pay what is due from cash, pool and line in this order, and return what stays unpaid."""
    if platform.failure_day:
        return due - platform.paid
    pay_out(platform, min(platform.cash, due - platform.paid))
    if due > platform.paid:
        sold, brought = sell_pool(due - platform.paid, platform.pool, haircut_bp)
        platform.pool -= sold
        platform.cash += brought
        platform.own_capital -= sold - brought
        platform.add("pool_loss_li", sold - brought)
        pay_out(platform, min(platform.cash, due - platform.paid))
    drawing = min(platform.line_left, due - platform.paid)
    platform.line_left -= drawing
    platform.line_layer.amount += drawing
    platform.cash += drawing
    platform.add("line_drawn_li", drawing)
    pay_out(platform, drawing)
    return due - platform.paid


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
        due = platform.terms["due"][path.day]
        unpaid = pay(platform, due, path.terms["pool_haircut_bp"])
        platform.today["unpaid_li"] = unpaid
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
        gross, coverage = measure(loans, fundamental)
        peak = platform.tally.get("margin_call_peak_fundamental_li", 0)
        platform.tally["margin_call_peak_fundamental_li"] = max(peak, gross)
        platform.coverage_fundamental = min(platform.coverage_fundamental, coverage)


def answer_chance_bp(type_bp: int, mood_bp: int, factor_bp: int) -> int:
    """Return the chance that a client answers, in bp, at a level of the factor (M-20)."""
    fall = max(0, BP - factor_bp)
    return type_bp * max(0, 10**8 - mood_bp * fall) // 10**8


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
        if account.call is None and below(account, warning, prices):
            amount = ceil_div(warning * account.debt, BP) - collateral(account, prices)
            account.call = Call(path.day, amount, answer_day(path, account))
            account.calls += 1
            platform.add("margin_call_issued_li", amount)


# --- 5.4: who must sell, and how much -------------------------------------------------------------


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
    """Return whether an account must sell in full, and else for how much money (M-21)."""
    hard = bool(acting & {"line", "overdue"})
    if account.begun or "run_off" in acting or (hard and account.terms["full_sale"]):
        return True, 0
    prices = path.prices()
    highest_cost = max((i.terms["cost_bp"] for i in path.instruments), default=0)
    cost_bp = highest_cost + path.terms["expected_impact_bp"]
    wanted = sale_to_restore(account, prices, cost_bp) if hard else 0
    if "recall" in acting:
        wanted = max(wanted, ceil_div(account.recall * BP, BP - cost_bp))
    return 0 < wanted >= shares_value(account, prices), wanted


def sellable_today(path: Path, position: Position) -> int:
    """Return how many shares of a position may be ordered for sale now (M-22)."""
    instrument = path.instruments[position.instrument]
    shut = instrument.terms["suspended"] or instrument.locked or instrument.rationed
    if shut or instrument.capacity <= instrument.sold_today:
        return 0
    return min(position.sellable, position.shares)


def orders_of(path: Path, account: Account, full: bool, wanted: int) -> list[tuple[Position, int]]:
    """Return the orders of an account by position (M-22)."""
    open_shares = [(p, sellable_today(path, p)) for p in account.positions]
    total = sum(n * path.instruments[p.instrument].price for p, n in open_shares)
    orders = []
    for position, sellable in open_shares:
        if sellable == 0:
            continue
        shares = sellable
        if not full and wanted < total:
            lot = path.instruments[position.instrument].terms["lot"]
            shares = min(sellable, ceil_div(ceil_div(wanted * sellable, total), lot) * lot)
        if shares > 0:
            orders.append((position, shares))
    return orders


def ask(path: Path, account: Account, first_round: bool) -> list[tuple[Position, int]]:
    """Ask one account: it repays from cash and returns what it orders to sell (M-21, M-22)."""
    acting = triggers(path, account, first_round)
    if not acting:
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
    orders = orders_of(path, account, full, wanted)
    if orders and account.forced_day != path.day:
        account.forced = True
        account.forced_day = path.day
        today = path.platforms[account.platform].today
        today["accounts_forced"] = today.get("accounts_forced", 0) + 1
    return orders


# --- 5.5: the market ------------------------------------------------------------------------------


def fills(shares: list[int], left: int) -> tuple[list[int], bool]:
    """Return what each order gets from the capacity left, and whether it was rationed (M-23)."""
    demand = sum(shares)
    if demand <= left:
        return list(shares), False
    return [n * left // demand for n in shares], True


def price_after(
    first_price: int, quantity: int, terms: dict[str, Any], low: int, run: dict[str, Any]
) -> int:
    """Return the price after a cumulative quantity, at least low and one tick (M-24)."""
    sigma, volume = terms["sigma_day"], terms["adv_shares"]
    tick: int = terms["tick"]
    fall = 0.0
    if run["impact"] == "sqrt":
        fall = run["impact_coefficient"] * sigma * math.sqrt(quantity / volume)
    elif run["impact"] == "linear":
        fall = (float(quantity) * sigma) / (run["impact_coefficient"] * float(volume))
    ticks = math.floor(first_price * (1.0 - fall) / tick + 0.5)
    return max(ticks, low // tick, 1) * tick


def settle_fill(path: Path, account: Account, position: Position, shares: int, price: int) -> None:
    """Pay one fill: shares go, the cost leaves, debt is repaid, the rest is cash (M-25)."""
    platform = path.platforms[account.platform]
    instrument = path.instruments[position.instrument]
    gross = shares * price
    cost = ceil_div(gross * instrument.terms["cost_bp"], BP)
    position.shares -= shares
    position.sellable -= shares
    account.sold += gross
    platform.add("sold_li", gross)
    platform.add("selling_cost_li", cost)
    platform.today["sold_li"] = platform.today.get("sold_li", 0) + gross
    to_debt = min(account.debt, gross - cost)
    account.cash += gross - cost - to_debt
    repay(path, account, to_debt)


def trade(path: Path, index: int, orders: list[tuple[Account, Position, int]]) -> None:
    """Fill the orders of one round in one instrument, move its price and pay (M-23 to M-25)."""
    instrument = path.instruments[index]
    left = instrument.capacity - instrument.sold_today
    filled, rationed = fills([shares for _, _, shares in orders], left)
    instrument.rationed = instrument.rationed or rationed
    instrument.sold_today += sum(filled)
    before = instrument.price
    if sum(filled) > 0:
        after = price_after(
            instrument.first_price,
            instrument.sold_today,
            instrument.terms,
            instrument.low,
            path.terms,
        )
        instrument.price = min(after, before)
    price = (before + instrument.price) // 2
    for (account, position, _), shares in zip(orders, filled, strict=True):
        if shares > 0:
            settle_fill(path, account, position, shares, price)
    instrument.locked = instrument.locked or is_at_low(instrument)


def sales(path: Path) -> int:
    """Run the rounds of a day and return in how many of them somebody ordered (5.4, 5.5)."""
    for number in range(path.terms["rounds_max"]):
        book: dict[int, list[tuple[Account, Position, int]]] = {}
        for account in path.accounts:
            if account.debt == 0:
                continue
            for position, shares in ask(path, account, first_round=number == 0):
                book.setdefault(position.instrument, []).append((account, position, shares))
        if not book:
            return number
        for index in sorted(book):
            trade(path, index, book[index])
    return int(path.terms["rounds_max"])


def close_market(path: Path) -> None:
    """Split the day's impact into its permanent and its passing part (M-24)."""
    for instrument in path.instruments:
        first, last = instrument.first_price, instrument.price
        impact = (first - last) * PPB // first
        lasting = impact * path.terms["permanent_bp"] // BP
        passing = impact - lasting
        instrument.keep = instrument.keep * (PPB - lasting) // PPB
        instrument.gap = PPB - (PPB - instrument.gap) * (PPB - passing) // PPB
        instrument.close = last


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
            if account.cash > 0 or any(position.shares > 0 for position in account.positions):
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
        due_before = platform.terms["due"][max(0, path.day - path.terms["payment_grace_days"])]
        if (own_funds <= 0 or platform.paid < due_before) and not platform.failure_day:
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
)


def platform_result(path: Path, index: int, unrealised: int) -> dict[str, int]:
    """Return the totals of one platform (section 6)."""
    platform = path.platforms[index]
    accounts = [a for a in path.accounts if a.platform == index]
    tally = {name: platform.tally.get(name, 0) for name in TALLIES}
    lapsed = platform.tally.get("lapsed", 0)
    layers = ("reserve", "own_capital", "junior", "senior", "claims")
    absorbed = zip(layers, platform.borne, strict=True)
    due = platform.terms["due"][-1]
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
        "redemption_segregated_li": platform.terms["due_segregated"][-1],
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
    }


def day_result(platform: Platform) -> dict[str, int]:
    """Return the figures of one platform on one day."""
    return {
        "margin_call_li": platform.today["margin_call_li"],
        "deficit_li": platform.tally["deficit_li"],
        "own_funds_li": platform.reserve + platform.own_capital,
        "unpaid_li": platform.today["unpaid_li"],
        "sold_li": platform.today.get("sold_li", 0),
        "accounts_forced": platform.today.get("accounts_forced", 0),
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
    open_market(path)
    shut = [int(i.locked or bool(i.terms["suspended"])) for i in path.instruments]
    accrue_interest(path)
    payments(path)
    measure_calls(path)
    margin_calls(path)
    rounds = sales(path)
    close_market(path)
    write_off(path)
    close_platforms(path)
    quotes = [
        {"quoted": i.close, "locked": locked, "sold_shares": i.sold_today}
        for i, locked in zip(path.instruments, shut, strict=True)
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
        days.append([day_result(platform) for platform in path.platforms])
    unrealised = holes(path)
    return {
        "platforms": [platform_result(path, i, unrealised[i]) for i in range(len(path.platforms))],
        "path": {
            "rounds_most": max(rounds_of_days, default=0),
            "rounds_limit_days": sum(rounds == rounds_max for rounds in rounds_of_days),
        },
        "days": days,
        "accounts": [account_result(account) for account in path.accounts],
        "instruments": instruments,
    }
