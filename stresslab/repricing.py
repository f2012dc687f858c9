"""How loans and funding follow the rates of a scenario: shocks by day and tenor, clauses, the day on which each begins (M-11, M-75).

Rates are integers in basis points. A *clause* is what contracts share: on each trading day the day whose rate is in force, and
what the scenario added by then. Loans are told apart by their notice, funding layers by their reset period.
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stresslab.book.checks import given
from stresslab.faults import Fault
from stresslab.kernels import layout, rates
from stresslab.kernels.rates import RateLaw
from stresslab.market.files import Market
from stresslab.market.laws import ShortRate
from stresslab.market.short_rate import law_of
from stresslab.scenario import Rates, Scenario

I64 = NDArray[np.int64]
#: A loan's clause is one byte.
LOAN_CLAUSES_MOST = 255
#: The tenor of loans, and that of valuations: the two ends of a twist.
SHORT_END, LONG_END = 0, 2**31
#: A date that is not there.
UNKNOWN = -(2**62)


def shock_bp(plan: Rates | None, days: int, tenor: int) -> I64:
    """What a scenario adds to rates of a tenor (calendar days) on trading days 0..days, bp (M-75)."""
    out = np.zeros(days + 1, np.int64)
    if plan is None:
        return out
    if plan.path is not None:
        path = [round(shift * 100) for shift in plan.path.shift_pct]
        out[: len(path)] = path
        out[len(path):] = path[-1]
        return out
    whole, over = _whole_shock(plan, tenor), plan.over_days or 1
    if plan.day is not None:
        step = np.minimum(np.arange(1, days + 2 - plan.day), over)
        out[plan.day:] = (2 * whole * step + over) // (2 * over)
    return out


def _whole_shock(plan: Rates, tenor: int) -> int:
    """The shock of a tenor once all of it is there, bp."""
    if plan.shape != "twist":
        return round((plan.shock_pct or 0.0) * 100)
    short, long, last = round((plan.short_pct or 0.0) * 100), round((plan.long_pct or 0.0) * 100), plan.long_days or 1
    return short + (2 * (long - short) * min(tenor, last) + last) // (2 * last)


def short_rate_of(scenario: Scenario, market: Market, faults: list[Fault]) -> ShortRate | None:
    """The law that a scenario draws its short rate from, its own or the market's; None where rates are given."""
    plan = scenario.rates
    if plan is None or (plan.law is None and plan.model == "given"):
        return None
    if plan.law is None and market.rates is None:
        rule, way_out = "needs the law of a short rate, and the market file has none", "add [rates] to the market file, or [rates.law] here"
        faults.append(Fault(f"scenario {scenario.id}", rule, way_out, None, "rates.model", plan.model))
    return plan.law or market.rates


def rate_law(scenario: Scenario, market: Market, faults: list[Fault]) -> RateLaw:
    """The short rate's law of a run; under the model `deterministic` it takes its mean (M-10)."""
    found = short_rate_of(scenario, market, faults)
    if found is None:
        return rates.GIVEN
    model = scenario.market.model or market.market.model
    if found.correlation and model == "bootstrap":
        rule = "cannot move with a market whose days are drawn from a history: no normal stands behind such a day"
        way_out = "leave correlation out, or choose another model of the market"
        faults.append(Fault(f"scenario {scenario.id}", rule, way_out, None, "rates.correlation", f"{found.correlation:g}"))
    return law_of(found, scenario.days, model != "deterministic")


def highest_bp(law: RateLaw, days: int) -> I64:
    """The change of the short rate by trading day 0..days that no path passes, bp (M-80)."""
    out = np.zeros(days + 1, np.int64)
    if law.model != rates.RATE_GIVEN:
        rates.whole_bp(out, np.concatenate([law.mean[:1], law.highest[1:]]))
    return out


def highest_shift_bp(scenario: Scenario, law: RateLaw) -> int:
    """The most that is added to any rate on any day, bp, at least 0."""
    model = highest_bp(law, scenario.days)
    return max(0, *(int((shock_bp(scenario.rates, scenario.days, tenor) + model).max()) for tenor in (SHORT_END, LONG_END)))


def fixed_after_notice(calendar: I64, notice: int) -> I64:
    """Of each trading day, the last whose calendar day lies at least the notice before it; 0 where none does (M-11)."""
    return _last_day(calendar, calendar - notice)


def fixed_at_resets(calendar: I64, period: int) -> I64:
    """Of each trading day, the last on or before the last reset; resets come every so many calendar days (M-11)."""
    return _last_day(calendar, calendar // period * period)


def _last_day(calendar: I64, wanted: I64) -> I64:
    at: I64 = np.maximum(np.searchsorted(calendar, wanted, side="right") - 1, 0).astype(np.int64)
    return at


class ClauseBook:
    """The clauses of one run, each once, numbered in the order in which they were asked for; number 0 never moves."""

    def __init__(self, plan: Rates | None, law: RateLaw, calendar: I64) -> None:
        self._plan, self._calendar = plan, calendar
        self._random = law.model != rates.RATE_GIVEN
        self._highest = highest_bp(law, calendar.size - 1)
        none = np.zeros(calendar.size, np.int64)
        self._rows: list[tuple[I64, I64]] = [(none, none)]
        self._known = {(none.tobytes(), none.tobytes()): layout.FIXED}

    def number(self, fixing: I64, tenor: int) -> int:
        """The number of the clause that fixes rates of a tenor as said."""
        shock = shock_bp(self._plan, self._calendar.size - 1, tenor)[fixing]
        row = (fixing if self._random else np.zeros_like(fixing), shock)
        key = (row[0].tobytes(), row[1].tobytes())
        if key not in self._known:
            self._known[key] = len(self._rows)
            self._rows.append(row)
        return self._known[key]

    def first_move(self, number: int) -> int:
        """The first trading day on which a clause may move a rate; NEVER if it does not."""
        fixing, shock = self._rows[number]
        moves = np.flatnonzero((shock != 0) | (self._random & (fixing > 0)))
        return int(moves[0]) if moves.size else layout.NEVER

    def clauses(self) -> layout.Clauses:
        """All clauses as arrays."""
        fixing, shock = (np.array(rows) for rows in zip(*self._rows, strict=True))
        return layout.Clauses(fixing, shock, self._highest, self._random)


def write_loans(account: Any, a: pd.DataFrame, premium: I64, as_of: datetime.date, calendar: I64, known: ClauseBook) -> list[Fault]:
    """Write how each loan's rate moves into its record: clause, first day, highest rate; ``premium`` (bp) raises its cap (M-11)."""
    rate = account["rate_bp"].astype(np.int64)
    cap = given(a, "rate_cap_bp", layout.NEVER).to_numpy(np.int64) + premium
    account["rate_most_bp"] = np.minimum(np.maximum(cap, rate), layout.NEVER)
    account["clause"], account["floats_from"] = layout.FIXED, layout.NEVER
    moves = np.flatnonzero((given(a, "rate_type", "fixed") != "fixed").to_numpy(bool))
    notices = given(a, "rate_notice_days", 0).to_numpy(np.int64)[moves]
    different, which = np.unique(notices, return_inverse=True)
    numbers = [known.number(fixed_after_notice(calendar, notice), SHORT_END) for notice in different.tolist()]
    if max(numbers, default=0) > LOAN_CLAUSES_MOST:
        rule = f"has {different.size} different values, of which rates that move can tell {LOAN_CLAUSES_MOST} apart"
        return [Fault("accounts", rule, "round the notices, to whole weeks say", None, "rate_notice_days")]
    begins = np.array([known.first_move(number) for number in numbers] or [0], np.int64)
    account["clause"][moves] = np.array(numbers or [0])[which]
    account["floats_from"][moves] = np.maximum(begins[which], _unlocked(a, as_of, calendar)[moves])
    return []


def _unlocked(a: pd.DataFrame, as_of: datetime.date, calendar: I64) -> I64:
    """The first trading day after each loan's rate lock; 0 without one, NEVER if the run ends before."""
    if "rate_lock_until" not in a:
        return np.zeros(len(a), np.int64)
    locked = days_after(a["rate_lock_until"], as_of)
    known = locked != UNKNOWN
    at = np.searchsorted(calendar, np.where(known, locked + 1, 0)).astype(np.int64)
    return np.where(at < calendar.size, at, layout.NEVER)


def days_after(dates: pd.Series[Any], as_of: datetime.date) -> I64:
    """How many calendar days after the book's date some dates lie; UNKNOWN where there is none."""
    written = dates.to_numpy(dtype=object, copy=True)
    written[dates.isna().to_numpy(bool)] = None
    days = written.astype("datetime64[D]") - np.datetime64(as_of)
    return np.where(np.isnat(days), UNKNOWN, days.astype(np.int64))


def layer_clause(rate_type: str, reset_days: int, calendar: I64, known: ClauseBook) -> int:
    """The clause of a funding layer; its tenor is its reset period (M-11, M-75)."""
    return known.number(fixed_at_resets(calendar, reset_days), reset_days) if rate_type == "floating" else layout.FIXED
