"""Exact arithmetic of one margin contract: leverage, drops to a line, shortfalls, returns, profit split.

Everything is a :class:`~fractions.Fraction` or an integer and is rounded nowhere, so that a figure can be checked
by hand to its last digit. Ratios, rates and drops are pure numbers (130% is ``Fraction(13, 10)``, or
``percent("130")``); money is in yuan. Words are those of ``docs/method.md``: A is the collateral, D the debt,
E = A − D the equity, m = A / D the maintenance ratio (维持担保比例), L = A / E the leverage (杠杆倍数).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple

Exact = int | Fraction
InterestBase = Literal["exposure", "debt"]

DAYS_OF_YEAR = 365  # calendar days, as loan contracts count them (M-12)
#: The 95% quantile of the standard normal as risk reports round it.
NORMAL_95_ROUNDED = Fraction(1645, 1000)


def percent(value: str | int | Decimal) -> Fraction:
    """The pure number of a percentage, exactly: ``percent("2.5")`` is 1/40."""
    return Fraction(value) / 100


def leverage(maintenance_ratio: Exact) -> Fraction:
    """Leverage L = m / (m − 1) of an account with maintenance ratio m > 1. Source: L = A / E with E = A − D."""
    m = Fraction(maintenance_ratio)
    if m <= 1:
        raise ValueError("an account whose collateral does not exceed its debt has no leverage")
    return m / (m - 1)


def maintenance_ratio(leverage: Exact) -> Fraction:
    """Maintenance ratio m = L / (L − 1) of an account with leverage L > 1, the inverse of :func:`leverage`."""
    lever = Fraction(leverage)
    if lever <= 1:
        raise ValueError("an account without debt has no maintenance ratio")
    return lever / (lever - 1)


def ratio_of_multiple(multiple: Exact) -> Fraction:
    """Maintenance ratio (1 + n) / n at the start of a contract "1:n": own money 1, borrowed money n (配资比例)."""
    n = Fraction(multiple)
    if n <= 0:
        raise ValueError("a contract without borrowed money has no maintenance ratio")
    return (1 + n) / n


def ratio_of_initial_margin(initial_margin: Exact) -> Fraction:
    """Maintenance ratio 1 + im of a fully drawn exchange loan, D = E / im, at conversion rate 1 (融资保证金比例)."""
    return 1 + Fraction(initial_margin)


def drop_to_line(line: Exact, maintenance_ratio: Exact) -> Fraction:
    """The drop of all prices that takes an account from its maintenance ratio m₀ to a line m*: 1 − m* / m₀.

    Zero: the account stands on the line. Negative: it stands below it already, so the contract was infeasible.
    """
    return 1 - Fraction(line) / Fraction(maintenance_ratio)


def wipe_out_drop(leverage: Exact) -> Fraction:
    """The drop of all prices that takes the whole equity: 1 / L."""
    return 1 / Fraction(leverage)


def gap_shortfall(maintenance_ratio: Exact, drop: Exact) -> Fraction:
    """What is missing after a drop x within which nothing could be sold, as a share of the debt: (1 − m₀ (1 − x))⁺."""
    return max(Fraction(0), 1 - Fraction(maintenance_ratio) * (1 - Fraction(drop)))


def locked_drop(limit: Exact, days: int) -> Fraction:
    """The drop after so many days locked at the lower limit (跌停), not rounded to ticks: 1 − (1 − limit)^days."""
    if days < 0:
        raise ValueError("days must not be negative")
    return 1 - (1 - Fraction(limit)) ** days


def locked_shortfall(maintenance_ratio: Exact, limit: Exact, days: int) -> Fraction:
    """The shortfall, as a share of the debt, of selling without cost at the last of so many locked prices."""
    return gap_shortfall(maintenance_ratio, locked_drop(limit, days))


def drop_to_leverage(leverage: Exact, highest: Exact) -> Fraction:
    """The drop of all prices that lifts leverage to the highest allowed: (L* − L) / ((L* − 1) L).

    Source: :func:`drop_to_line` with both ratios written as leverages.
    """
    now, most = Fraction(leverage), Fraction(highest)
    return (most - now) / ((most - 1) * now)


def distance_to_margin_call(leverage: Exact, highest: Exact, volatility: Exact) -> Fraction:
    """The drop that lifts leverage to the highest allowed, in standard deviations of the portfolio's return.

    ``volatility`` is the standard deviation over the horizon asked about, a day's for a distance in days' moves.
    Source: the distance to margin call of Bian, Da, He, Lou, Shue and Zhou (2021); the algebra is ours.
    """
    return drop_to_leverage(leverage, highest) / Fraction(volatility)


def return_on_equity(asset_return: Exact, borrowing_rate: Exact, leverage: Exact) -> Fraction:
    """The return on the client's own money, r_A + (L − 1) (r_A − r_B), all over one period.

    Source: (T (1 + r_A) − B (1 + r_B) − E) / E with T = E + B and L = T / E.
    """
    r_a, r_b = Fraction(asset_return), Fraction(borrowing_rate)
    return r_a + (Fraction(leverage) - 1) * (r_a - r_b)


@dataclass(frozen=True)
class ProfitSplit:
    """How the profit of a contract is shared out, yuan: net = gross − interest − fee = client + platform."""

    gross: Fraction
    interest: Fraction
    fee: Fraction
    net: Fraction
    client: Fraction
    platform: Fraction


def profit_split(
    *, own_money: Exact, leverage: Exact, asset_return: Exact, rate: Exact, days: int,
    interest_base: InterestBase, fee: Exact, client_share: Exact,
) -> ProfitSplit:
    """The profit of a contract with a fixed split of what is left after interest and fee, yuan.

    ``own_money`` is in yuan, ``rate`` a year's on 365 calendar days, on the whole exposure or on the debt as the
    contract says; ``fee`` is a share of the gross profit. A loss pays no fee and is not split: the client bears it.
    """
    own, share = Fraction(own_money), Fraction(client_share)
    if not 0 <= share <= 1:
        raise ValueError("the client's share must lie between 0 and 1")
    exposure = own * Fraction(leverage)
    base = exposure if interest_base == "exposure" else exposure - own
    gross = exposure * Fraction(asset_return)
    interest = base * Fraction(rate) * days / DAYS_OF_YEAR
    charged = max(gross, Fraction(0)) * Fraction(fee)
    net = gross - interest - charged
    client = net * share if net > 0 else net
    return ProfitSplit(gross, interest, charged, net, client, net - client)


def value_at_risk(exposure: Exact, volatility: Exact, quantile: Exact = NORMAL_95_ROUNDED) -> Fraction:
    """The parametric value at risk in the exposure's unit: quantile × volatility over the horizon × exposure.

    Drift is taken as zero and returns as normal, and the quantile is the rounded 1.645 unless another is given.
    """
    return Fraction(quantile) * Fraction(volatility) * Fraction(exposure)


def risk_fee(schedule: Sequence[tuple[Exact, Exact]], value: Exact) -> Fraction:
    """What a schedule of steps (from, addition) adds to a rate at a value: the addition of the last step reached (M-112)."""
    reached = [(Fraction(start), Fraction(add)) for start, add in schedule if Fraction(value) >= Fraction(start)]
    return max(reached)[1] if reached else Fraction(0)


class Term(NamedTuple):
    """One term of a contract: its key, its name and its value in English and Chinese, and the formula behind it."""

    key: str
    en: str
    zh: str
    value_en: str
    value_zh: str
    formula: str = ""


#: The falls of an investor's scenario loss table.
FALLS = (0, 10, 20, 30, 40, 50, 60)


@dataclass(frozen=True)
class Loss:
    """What a fall of all prices does to one account, 厘 (M-117); ``plain`` figures know no cost of selling.

    ``ratio`` is the maintenance ratio before any sale, None without debt.
    """

    fall_pct: int
    collateral: int
    ratio: Fraction | None
    margin_call: int
    forced_sale: int
    selling_cost: int
    equity_plain: int
    deficit_plain: int
    equity: int
    deficit: int


def loss_at(
    fall_pct: int, *, cash_li: int, shares_li: int, debt_li: int, warning_bp: int, liquidation_bp: int, restore_bp: int,
    cost_bp: int = 0, full_sale: bool = False,
) -> Loss:
    """One row of the investor's scenario loss table: all prices fall at once by whole percent, nothing is sold on the way.

    The sale is that of (M-21) at the fallen prices; its cost rounds up (M-25). Amounts in 厘, lines and cost in bp.
    """
    shares = shares_li * (100 - fall_pct) // 100
    held = cash_li + shares
    call = max(0, -(-warning_bp * debt_li // 10_000) - held) if debt_li else 0
    sold = _sold(cash_li, shares, debt_li, liquidation_bp, restore_bp, cost_bp, full_sale)
    cost = -(-sold * cost_bp // 10_000)
    left = held - debt_li
    return Loss(
        fall_pct, held, Fraction(held, debt_li) if debt_li else None, call, sold, cost,
        max(0, left), max(0, -left), max(0, left - cost), max(0, cost - left),
    )


def _sold(cash: int, shares: int, debt: int, liquidation: int, restore: int, cost: int, full: bool) -> int:
    """The value that an account below its liquidation line must sell, 厘 (M-21)."""
    if (cash + shares) * 10_000 >= liquidation * debt:
        return 0
    repaid = min(cash, debt)
    held, owed = cash + shares - repaid, debt - repaid
    bottom = restore * (10_000 - cost) - 10_000**2
    if not owed:
        return 0
    if full or bottom <= 0:
        return shares
    needed = -(-(restore * owed - 10_000 * held) * 10_000 // bottom)
    return min(shares, max(0, needed))


def loss_table(falls: Sequence[int] = FALLS, **terms: Any) -> list[Loss]:
    """:func:`loss_at` for several falls, in their order."""
    return [loss_at(fall, **terms) for fall in falls]
