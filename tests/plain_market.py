"""The market half of the plain slow twin: prices, limits, closed days, impact and fills.

Like plain.py it was written from the prose of docs/method.md alone and imports nothing of the
package. Floats appear in the impact of (M-24) only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

BP = 10_000
PPB = 1_000_000_000
WORD = 2**32
SUSPENSION_STREAM = 5


# --- 1 and 2: numbers and randomness --------------------------------------------------------------


def ceil_div(a: int, b: int) -> int:
    """Return a / b rounded up, for b > 0."""
    return -(-a // b)


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


def fall_bp(factor_bp: int) -> int:
    """Return how far the market factor stands below its start, in bp (M-20, M-44, M-46)."""
    return max(0, BP - factor_bp)


def fading_bp(most_bp: int, speed_bp: int, factor_bp: int) -> int:
    """Return what a fall of the factor leaves of a chance or a share, in bp (M-20, M-46)."""
    return most_bp * max(0, 10**8 - speed_bp * fall_bp(factor_bp)) // 10**8


# --- 5.1: open ------------------------------------------------------------------------------------


@dataclass
class Instrument:
    """One instrument in the course of a path."""

    terms: dict[str, Any]
    weight: int
    close: int
    limit_bp: int = 0
    closed: bool = False
    keep: int = PPB
    gap: int = 0
    low: int = 0
    first_price: int = 0
    price: int = 0
    locked: bool = False
    rationed: bool = False
    capacity: int = 0
    buyers: int = 0
    sold_today: int = 0
    sold_li_today: int = 0
    displaced_today: int = 0

    @property
    def wanted_today(self) -> int:
        """The shares sold today that natural buyers did not take, which move the price (M-46)."""
        return max(0, self.sold_today - self.buyers)

    def takes_orders(self) -> bool:
        """Whether somebody may still sell today, but for the breaker (M-22)."""
        shut = self.closed or self.locked or self.rationed
        return not shut and self.sold_today < self.capacity


def closed_days(
    given: list[list[int]],
    base_bp: int,
    slope_bp: int,
    mean_days: int,
    seed: int,
    path: int,
    factor_bp: list[int],
) -> list[list[int]]:
    """Return the closed days of a path, those given and those drawn, days x instruments (M-44)."""
    table = [list(row) for row in given]
    key = (seed % WORD, seed // WORD)
    for instrument in range(len(given[0])):
        drawn_until = 0
        for day in range(1, len(given)):
            if day > drawn_until:
                chance = (base_bp * BP + slope_bp * fall_bp(factor_bp[day])) // BP
                chance = min(chance, BP)
                word0, word1, _, _ = philox4x32((instrument, day, SUSPENSION_STREAM, path), key)
                if word0 * BP < chance * WORD:
                    length = 1 + word1 * (2 * mean_days - 1) // WORD
                    drawn_until = day + length - 1
            if day <= drawn_until:
                table[day][instrument] = 1
    return table


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
    if instrument.closed:
        return instrument.close
    tick = instrument.terms["tick"]
    kept = fundamental * instrument.keep // PPB * (PPB - instrument.gap) // PPB
    target = round_half_up_to_tick(kept, tick)
    low, high = limits(instrument.close, tick, instrument.limit_bp)
    target = max(target, low)
    return target if high is None else min(target, high)


def is_at_low(instrument: Instrument) -> bool:
    """Whether the quoted price stands at a limit below yesterday's close (M-15)."""
    has_limit = instrument.limit_bp > 0
    return has_limit and instrument.low < instrument.close and instrument.price == instrument.low


def open_instrument(
    instrument: Instrument, fundamental: int, factor_bp: int, run: dict[str, Any]
) -> None:
    """Decay old impact, quote the instrument, set capacity and natural buyers (M-13 to M-15, M-46).

    The limit of the day and whether it is closed are already set.
    """
    terms = instrument.terms
    instrument.gap = instrument.gap * run["decay_ppb"] // PPB
    instrument.low, _ = limits(instrument.close, terms["tick"], instrument.limit_bp)
    instrument.price = quoted_open(instrument, fundamental)
    instrument.first_price = instrument.price
    instrument.locked = is_at_low(instrument)
    instrument.rationed = False
    instrument.sold_today = instrument.sold_li_today = instrument.displaced_today = 0
    capacity = terms["adv_shares"] * run["participation_bp"] // BP
    instrument.capacity = 0 if instrument.locked or instrument.closed else capacity
    share = fading_bp(run["buyers_bp"], run["exhaustion_bp"], factor_bp)
    instrument.buyers = terms["adv_shares"] * share // BP


def breaker_trips(instruments: list[Instrument], level_bp: int) -> bool:
    """Whether the index stands the breaker's level below that of yesterday's closes (M-45)."""
    before = sum(i.weight * i.close for i in instruments)
    drop = before - sum(i.weight * i.price for i in instruments)
    return level_bp > 0 and drop > 0 and drop >= before * level_bp // BP


# --- 5.5: fills and impact ------------------------------------------------------------------------


def fills(shares: list[int], left: int) -> tuple[list[int], bool]:
    """Return what each order gets from the capacity left, and whether it was rationed (M-23)."""
    demand = sum(shares)
    if demand <= left:
        return list(shares), False
    return [n * left // demand for n in shares], True


def almgren(quantity: int, terms: dict[str, Any], run: dict[str, Any]) -> tuple[float, float]:
    """Return the permanent and the temporary impact I and K of a day's quantity (M-24)."""
    sigma, volume = terms["sigma_day"], float(terms["adv_shares"])
    lasting = ((0.314 * sigma) * (quantity / volume)) * terms["theta"]
    passing = (0.142 * sigma) * (quantity / (volume * run["impact_fraction"])) ** 0.6
    return lasting, passing


def fall_of(first_price: int, quantity: int, terms: dict[str, Any], run: dict[str, Any]) -> float:
    """Return the fall, as a part of the first price, that a day's quantity makes (M-24)."""
    sigma, volume = terms["sigma_day"], float(terms["adv_shares"])
    scale = run["impact_coefficient"]
    if run["impact"] == "sqrt":
        return float((scale * sigma) * math.sqrt(quantity / volume))
    if run["impact"] == "linear":
        return float((float(quantity) * sigma) / (scale * volume))
    if run["impact"] == "exponential":
        floor = run["impact_floor"]
        room = max(0.0, 1.0 - floor * terms["price"] / first_price)
        depth = ((1.0 - floor) * scale) * volume
        return float(room * (1.0 - math.exp(-(float(quantity) * sigma) / depth)))
    if run["impact"] == "almgren":
        lasting, passing = almgren(quantity, terms, run)
        return float(scale * (lasting + passing))
    return 0.0


def price_after(
    first_price: int, quantity: int, terms: dict[str, Any], low: int, run: dict[str, Any]
) -> int:
    """Return the price after a quantity that moves it, at least low and one tick (M-24)."""
    tick: int = terms["tick"]
    fall = fall_of(first_price, quantity, terms, run)
    ticks = math.floor(first_price * (1.0 - fall) / tick + 0.5)
    return max(ticks, low // tick, 1) * tick


def permanent_bp(quantity: int, terms: dict[str, Any], run: dict[str, Any]) -> int:
    """Return the part of a day's impact that stays, in bp (M-24)."""
    if run["impact"] != "almgren":
        return int(run["permanent_bp"])
    if quantity == 0:
        return 0
    lasting, passing = almgren(quantity, terms, run)
    return int(10000.0 * lasting / (lasting + passing)) if lasting + passing > 0 else 0


def close_instrument(instrument: Instrument, run: dict[str, Any]) -> None:
    """Split the day's impact into its permanent and its passing part (M-24)."""
    first, last = instrument.first_price, instrument.price
    impact = (first - last) * PPB // first
    lasting = impact * permanent_bp(instrument.wanted_today, instrument.terms, run) // BP
    passing = impact - lasting
    instrument.keep = instrument.keep * (PPB - lasting) // PPB
    instrument.gap = PPB - (PPB - instrument.gap) * (PPB - passing) // PPB
    instrument.close = last
