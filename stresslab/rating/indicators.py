"""What a rating can be measured by: indicators that a book gives, and those that each path gives (M-42, M-123).

A third kind, the answers of a platform, has no list: a scale may ask any question, and the book's table `answers` holds what was said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

Json = dict[str, Any]
Source = Literal["simulated", "book", "answered"]

#: Leverage from which money is lent to clients of high risk.
HIGH_LEVERAGE = 3.0


@dataclass(frozen=True)
class OfBook:
    """An indicator that the facts of a platform give; None where they do not say."""

    read: Callable[[Json], Fraction | None]


@dataclass(frozen=True)
class OfPath:
    """An indicator of one path: 100 × `over` / `under` in percent, from columns of `outcomes` in 厘, counts or days.

    Nothing to divide by is `empty`: None means passed, as a coverage without calls is. `worse` says which values are the bad ones.
    With ``event`` it is whether something happened on the path: 100 or 0, and over all paths its share.
    """

    over: tuple[str, ...]
    under: tuple[str, ...]
    worse: Literal["low", "high"]
    empty: Literal["passed", "zero"] = "passed"
    event: bool = False


def _share(part: int | None, whole: int | None, empty: int) -> Fraction | None:
    """A part in percent of a whole."""
    if part is None or whole is None:
        return None
    return Fraction(100 * part, whole) if whole else Fraction(empty)


def _stable_funding(p: Json) -> Fraction | None:
    """Own, bank and shareholder funding, at most what does not mature in 30 days, % of funding."""
    by_source = p["funding_by_source_li"]
    stable = sum(by_source.get(source, 0) for source in ("own", "bank", "shareholder"))
    return _share(min(stable, p["funding_li"] - p["funding_short_li"]), p["funding_li"], 100)


def _shadow_funding(p: Json) -> Fraction | None:
    """Funding of non-banks and of peer-to-peer lending, % of funding."""
    return _share(sum(p["funding_by_source_li"].get(s, 0) for s in ("nonbank", "p2p")), p["funding_li"], 0)


def _own_money(p: Json) -> Fraction | None:
    """Own capital and reserve, % of all money that stands behind the business: own, funded and claimed."""
    own = p["own_capital_li"] + p.get("reserve_li", 0)
    return _share(own, own + p["funding_li"] + p["claims_li"], 100)


def _opaque_funding(p: Json) -> Fraction | None:
    """Funding whose last known party is an intermediary, % of funding (M-101)."""
    pool = p.get("pool")
    return None if pool is None else _share(pool["opaque_li"], pool["funding_li"], 0)


def _rate_gap(p: Json) -> Fraction | None:
    """What a rise of all rates by 200 bp takes from the net interest of a year, % of own capital; a gain is 0 (M-126)."""
    gap = p.get("rate_gap_li")
    return None if gap is None else _share(max(0, -gap), p["own_capital_li"], 0 if gap >= 0 else 100)


def _foreign_money(p: Json) -> Fraction | None:
    """Foreign funding and claims in percent of all funding and claims; 0 where there are none."""
    foreign = p["funding_by_source_li"].get("foreign", 0) + p["foreign_claims_li"]
    return _share(foreign, p["funding_li"] + p["claims_li"], 0)


def _foreign_leaving(p: Json) -> Fraction | None:
    """Foreign money that can leave within 30 days, % of cash and liquid pool."""
    return _share(p.get("foreign_short_li"), p.get("liquid_li"), 0 if not p.get("foreign_short_li") else 1000)


def _currency_gap(p: Json) -> Fraction | None:
    """Funding owed in another currency than the book's, in which all loans are, % of own capital."""
    return _share(p.get("fx_funding_li"), p["own_capital_li"], 0 if not p.get("fx_funding_li") else 1000)


def _segregated(p: Json) -> Fraction | None:
    """Segregated money in percent of free-cash claims; 100 where nobody has free cash."""
    return _share(p["segregated_li"], p["free_cash_claims_li"], 100)


def _pool_breaches(p: Json) -> Fraction | None:
    """Findings of the look-through beyond a limit that name this platform: lost segregation, circles, abnormal flows (M-102 to M-107)."""
    pool = p.get("pool")
    return None if pool is None else Fraction(pool["breaches"])


def _capital_to_loans(p: Json) -> Fraction | None:
    """Own capital in percent of loans; 100 where nothing is lent."""
    return _share(p["own_capital_li"], p["loans_li"], 100)


def _high_leverage(p: Json) -> Fraction | None:
    """Loans of accounts with a leverage of 3 or more, % of loans."""
    held = p.get("leverage")
    if held is None:
        return None
    pairs = zip(held["edges"], held["debt_li"], strict=False)
    return _share(sum(debt for edge, debt in pairs if edge is not None and edge >= HIGH_LEVERAGE), sum(held["debt_li"]), 0)


def _margin(p: Json) -> Fraction | None:
    """Interest on loans less interest on funding, of a year, % of loans."""
    if "loan_interest_year_li" not in p:
        return None
    return _share(p["loan_interest_year_li"] - p["funding_interest_year_li"], p["loans_li"], 0)


def _turnover(p: Json) -> Fraction | None:
    """Turnover of 90 days by the accounts that state it, % of their collateral."""
    return _share(p.get("turnover_90d_li"), p.get("turnover_base_li"), 0)


def _limits_red(p: Json) -> Fraction | None:
    """How many limits of the limits file are red for this platform (M-121)."""
    red = p.get("limits_red")
    return None if red is None else Fraction(red)


BOOK: dict[str, OfBook] = {
    "stable_funding_pct": OfBook(_stable_funding),
    "shadow_funding_pct": OfBook(_shadow_funding),
    "own_money_pct": OfBook(_own_money),
    "opaque_funding_pct": OfBook(_opaque_funding),
    "rate_gap_pct": OfBook(_rate_gap),
    "foreign_money_pct": OfBook(_foreign_money),
    "foreign_leaving_pct": OfBook(_foreign_leaving),
    "currency_gap_pct": OfBook(_currency_gap),
    "segregated_free_cash_pct": OfBook(_segregated),
    "pool_breaches": OfBook(_pool_breaches),
    "own_capital_to_loans_pct": OfBook(_capital_to_loans),
    "high_leverage_loans_pct": OfBook(_high_leverage),
    "interest_margin_pct": OfBook(_margin),
    "turnover_pct": OfBook(_turnover),
    "limits_red": OfBook(_limits_red),
}

_OTHERS = ("absorbed_by_junior_li", "absorbed_by_senior_li", "absorbed_by_claims_li", "unpaid_end_li")

PATH: dict[str, OfPath] = {
    # (M-33)
    "own_funds_coverage_pct": OfPath(("own_funds_before_li",), ("margin_call_peak_li",), "low"),
    # (M-32), in ppm
    "margin_coverage_pct": OfPath(("margin_coverage_ppm",), ("1000000",), "low"),
    # What is left of own funds at the end.
    "own_funds_left_pct": OfPath(("reserve_end_li", "own_capital_end_li"), ("own_funds_before_li",), "low", "zero"),
    # The day on which own funds are exhausted, in percent of the run's days: passed if they never are.
    "absorption_days_pct": OfPath(("own_funds_exhausted_day",), ("days",), "low"),
    "forced_accounts_pct": OfPath(("accounts_forced",), ("accounts_with_debt",), "high", "zero"),
    # Days, as over / under is in percent (M-239).
    "unpaid_days": OfPath(("unpaid_days",), ("100",), "high"),
    "unpaid_pct": OfPath(("unpaid_end_li",), ("redemption_due_li",), "high", "zero"),
    "failure_probability_pct": OfPath(("failure_day",), (), "high", event=True),
    # A loss or a lack of money reaches others: funders or clients bear a deficit, or redemptions stay unpaid (M-127).
    "spillover_probability_pct": OfPath(_OTHERS, (), "high", event=True),
}

#: Days are null, or 0, where the thing never happened; an indicator of such a day is passed then.
DAYS_OF = ("own_funds_exhausted_day",)


def source_of(name: str) -> Source:
    """Where an indicator comes from; what stresslab does not compute is a question that a platform answers."""
    return "book" if name in BOOK else "simulated" if name in PATH else "answered"
