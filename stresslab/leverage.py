"""How much leverage an account may have: a volatility target with caps, step by step, in exact fractions (M-113, M-114).

Volatilities are estimates (floats) where they are measured; from there on every step is a fraction, so that a client
can follow it by hand. Ratios are pure numbers: 15% a year is ``Fraction(15, 100)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from stresslab.contract import NORMAL_95_ROUNDED, Exact, value_at_risk

TRADING_DAYS = 252
#: The decay of RiskMetrics for daily returns (J.P. Morgan 1996).
DECAY = 0.94


def ewma_volatility(returns: Sequence[float], start: float | None = None, decay: float = DECAY) -> float:
    """The exponentially weighted volatility a year of daily returns in their order: σ² ← λ σ² + (1 − λ) r², zero mean.

    ``start`` is the daily variance before the first return, by default the first return squared. Source: RiskMetrics
    Technical Document, 1996.
    """
    if not returns:
        raise ValueError("a volatility needs at least one return")
    if not 0 < decay < 1:
        raise ValueError("the decay must lie between 0 and 1")
    variance = returns[0] ** 2 if start is None else start
    for r in returns:
        variance = decay * variance + (1 - decay) * r * r
    return math.sqrt(variance * TRADING_DAYS)


def multiplier(target: Exact, measured: Exact) -> Fraction:
    """By how much leverage is scaled to meet a volatility target: σ* / σ̂ (M-113), before any cap."""
    if measured <= 0:
        raise ValueError("a volatility that is not positive cannot be targeted")
    return Fraction(target) / Fraction(measured)


def leverage_above_line(line: Exact, fall: Exact) -> Fraction:
    """The highest leverage from which a fall of all prices just reaches a line m*: 1 / (1 − (1 − x) / m*) (M-113).

    From m = L / (L − 1) and (1 − x) m = m*. A fall that takes everything, x = 1, leaves leverage 1.
    """
    m, x = Fraction(line), Fraction(fall)
    if m <= 1 or not 0 <= x <= 1:
        raise ValueError("the line must lie above 100% and the fall between 0 and 100%")
    return 1 / (1 - (1 - x) / m)


@dataclass(frozen=True)
class Policy:
    """The terms of a dynamic leverage: volatility a year, leverages as pure numbers, days as trading days.

    ``base`` is the leverage at target volatility, ``cap`` the highest of the investor's type or contract. The account
    must survive ``sigmas`` standard deviations over ``days`` without reaching ``line``. A change within ``band`` of the
    leverage now (a share of it) is not made, and a rise is at most ``rise_most`` at a time.
    """

    target: Fraction
    base: Fraction
    cap: Fraction
    line: Fraction
    sigmas: Fraction = Fraction(3)
    days: int = 2
    band: Fraction = Fraction(1, 10)
    rise_most: Fraction = Fraction(1, 4)


@dataclass(frozen=True)
class Steps:
    """The algorithm step by step: each leverage, what binds, and the leverage to hold from now on."""

    multiplier: Fraction
    by_volatility: Fraction
    fall: Fraction
    by_line: Fraction
    allowed: Fraction
    binding: str
    next: Fraction


def dynamic_leverage(policy: Policy, measured: Exact, now: Exact) -> Steps:
    """The leverage that a policy allows at a measured volatility a year, from the leverage that is held now (M-113).

    1. multiplier σ* / σ̂; 2. base × multiplier; 3. the highest leverage that keeps the line away by the stated number of
    standard deviations; 4. the least of both and the cap, at least 1; 5. no change inside the band; 6. cuts are made at
    once, rises in steps. The square root of the days is rounded up to 10⁻¹², so that the fall is never understated.
    """
    held, sigma = Fraction(now), Fraction(measured)
    scale = multiplier(policy.target, sigma)
    by_volatility = policy.base * scale
    root = Fraction(math.isqrt(policy.days * 10**24 // TRADING_DAYS) + 1, 10**12)
    fall = min(Fraction(1), policy.sigmas * sigma * root)
    by_line = leverage_above_line(policy.line, fall)
    limits = {"volatility": by_volatility, "line": by_line, "cap": policy.cap}
    binding = min(limits, key=lambda name: limits[name])
    allowed = max(Fraction(1), limits[binding])
    # Above the cap or the line nothing is tolerated; the band is there to spare small trades.
    hard = min(by_line, policy.cap)
    moved = allowed
    if held <= max(Fraction(1), hard) and abs(allowed - held) <= policy.band * held:
        moved = held
    elif allowed > held:
        moved = min(allowed, held + policy.rise_most)
    return Steps(scale, by_volatility, fall, by_line, allowed, binding, moved)


def sale_to_leverage(collateral: Exact, debt: Exact, wanted: Exact, cost: Exact = 0) -> Fraction:
    """The value to be sold, proceeds repaying debt, that brings an account down to a leverage: (A − L E) / (1 − c L) (M-113).

    From (A − v) = L (E − c v). Zero where the account is there already, everything where selling costs too much.
    """
    a, lever, c = Fraction(collateral), Fraction(wanted), Fraction(cost)
    over = a - lever * (a - Fraction(debt))
    if over <= 0:
        return Fraction(0)
    return min(a, over / (1 - c * lever)) if c * lever < 1 else a


# --- risk budgets -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """What an account may risk, each as a share of its own money; None: no limit."""

    order: Fraction | None = None
    daily_loss: Fraction | None = None
    stop_loss: Fraction | None = None


def largest_order(budget: Budget, own_money: Exact) -> Fraction | None:
    """The most that one order may be worth under a budget, in the unit of the own money (M-114)."""
    return None if budget.order is None else budget.order * Fraction(own_money)


def loss_days(budget: Budget, returns: Sequence[float]) -> list[int]:
    """The days, from 0, on which the return on own money broke the daily budget: below −budget, strictly (M-114)."""
    if budget.daily_loss is None:
        return []
    return [day for day, r in enumerate(returns) if Fraction(r) < -budget.daily_loss]


def stop_day(budget: Budget, equity: Sequence[Exact], own_money: Exact) -> int | None:
    """The first day, from 0, on which the loss on the own money reaches the stop: own − E ≥ stop × own (M-114)."""
    if budget.stop_loss is None:
        return None
    own = Fraction(own_money)
    return next((day for day, e in enumerate(equity) if own - Fraction(e) >= budget.stop_loss * own), None)


def daily_loss(exposure: Exact, volatility: Exact, own_money: Exact, quantile: Exact = NORMAL_95_ROUNDED) -> Fraction:
    """The one-day value at risk as a share of the own money; ``volatility`` is a day's (M-114)."""
    return value_at_risk(exposure, volatility, quantile) / Fraction(own_money)
