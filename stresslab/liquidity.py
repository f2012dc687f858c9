"""Exact arithmetic of liquidity: coverage, net outflows, concentration, tiers, gaps, and two models in closed form.

Formulas (M-118) to (M-120) and (M-122). Amounts are whole numbers of any one unit, ratios are fractions; a ratio
without anything below it is None. Nothing here knows a book: figures of a platform stand in ``book/liquidity.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

from stresslab.contract import Exact

#: Of outflows, inflows count for at most so much (Basel Committee, LCR40.1).
INFLOW_CAP = Fraction(3, 4)


def coverage(available: Exact, due: Exact) -> Fraction | None:
    """What is available for each unit that falls due (M-118); None where nothing does."""
    return Fraction(available) / Fraction(due) if due else None


def net_outflow(outflow: Exact, inflow: Exact, cap: Exact = INFLOW_CAP) -> Fraction:
    """Outflows less inflows, which count for at most a share of outflows (M-118). Source: Basel Committee, LCR40.1."""
    out = Fraction(outflow)
    return out - min(Fraction(inflow), Fraction(cap) * out)


def lcr(liquid: Exact, outflow: Exact, inflow: Exact, cap: Exact = INFLOW_CAP) -> Fraction | None:
    """The liquidity coverage ratio, liquid assets over net outflows (M-118); None where nothing flows out."""
    return coverage(liquid, net_outflow(outflow, inflow, cap))


def pay_by_tiers(need: int, tiers: Sequence[int]) -> tuple[list[int], int]:
    """What each tier pays of a need, in order, and what stays unpaid (M-118)."""
    paid, left = [], need
    for tier in tiers:
        paid.append(min(left, tier))
        left -= paid[-1]
    return paid, left


def top_share(amounts: Sequence[int], n: int) -> Fraction | None:
    """The part of the n largest in the sum (M-119); None where there is nothing."""
    total = sum(amounts)
    return Fraction(sum(sorted(amounts, reverse=True)[:n]), total) if total else None


def hhi(amounts: Sequence[int]) -> Fraction | None:
    """The Herfindahl-Hirschman index, the sum of squared shares, between 1/n and 1 (M-119); None where there is nothing."""
    total = sum(amounts)
    return Fraction(sum(a * a for a in amounts), total * total) if total else None


def largest_first(amounts: Sequence[int], need: int) -> list[int]:
    """What each asks for when the largest ask first until a total is met; the last one asks partly (M-16, M-119)."""
    asked = [0] * len(amounts)
    for at in sorted(range(len(amounts)), key=lambda i: (-amounts[i], i)):
        asked[at] = min(amounts[at], need)
        need -= asked[at]
    return asked


def gaps(assets: Sequence[int], liabilities: Sequence[int]) -> list[int]:
    """The cumulative gap after each bucket of a maturity ladder: what came in less what fell due so far (M-120)."""
    return list(accumulate(a - d for a, d in zip(assets, liabilities, strict=True)))


def survival(available: int, outflows: Sequence[int], inflows: Sequence[int] = (), cap: Exact = INFLOW_CAP) -> int | None:
    """The last whole day before net outflows so far pass what is available; None if that never happens (M-120).

    Flows are by day, the first is day 1. Inflows so far count for at most a share of the outflows so far, as in
    :func:`net_outflow`. A day on which everything is just paid is survived.
    """
    out = into = 0
    share = Fraction(cap)
    for day, flow in enumerate(outflows):
        out += flow
        into += inflows[day] if day < len(inflows) else 0
        if out - min(Fraction(into), share * out) > available:
            return day
    return None


# --- models in closed form (M-122) ---------------------------------------------------------------


def diamond_deposit(payoff: float, early: float) -> tuple[float, float]:
    """The best deposit against liquidity risk with u(c) = 1 − 1/c: what is paid early and late for each unit.

    ``payoff`` is R of the long asset, ``early`` the share of depositors who must leave early. Source: Diamond 2007.
    """
    r1 = 1 / (early + (1 - early) / math.sqrt(payoff))
    return r1, math.sqrt(payoff) * r1


def late_payoff(withdrawn: Exact, paid_early: Exact, payoff: Exact) -> Fraction:
    """What is left for each depositor who waits when a share withdraws: (1 − f r₁) R / (1 − f), at least 0. Source: Diamond 2007."""
    f, r1 = Fraction(withdrawn), Fraction(paid_early)
    if not 0 <= f < 1:
        raise ValueError("the share that withdraws must lie between 0 and 1, and leave somebody")
    return max(Fraction(0), (1 - f * r1) * Fraction(payoff) / (1 - f))


def run_threshold(paid_early: Exact, payoff: Exact) -> Fraction:
    """The share of early withdrawals above which nobody should wait: f* = (R − r₁) / (r₁ (R − 1)). Source: Diamond 2007."""
    r1, r = Fraction(paid_early), Fraction(payoff)
    return (r - r1) / (r1 * (r - 1))


def dilution(redeemed: Exact, cost: Exact) -> Fraction:
    """What redemptions at full value cost those who stay, a share of their value: r c / (1 − r); selling costs c (M-122)."""
    r = Fraction(redeemed)
    if not 0 <= r < 1:
        raise ValueError("the redeemed share must lie between 0 and 1, and leave somebody")
    return r * Fraction(cost) / (1 - r)


def swung_value(value: Exact, cost: Exact) -> Fraction:
    """The price of a redemption that pays for its own selling (full swing): value × (1 − c) (M-122)."""
    return Fraction(value) * (1 - Fraction(cost))
