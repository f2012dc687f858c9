"""Who gets what when a margin contract ends: profit shares in exact fractions, the settlement in whole 厘 (M-110, M-111).

Three ways to share a result: a fixed split of profit, a performance fee over a high-water mark, and a guarantee that
bears a part of the client's loss. What rounding leaves belongs to a party that is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from stresslab.contract import DAYS_OF_YEAR, Exact, InterestBase

Form = Literal["fixed", "performance", "guaranteed"]
Party = Literal["client", "platform"]

BP = 10_000


@dataclass(frozen=True)
class Sharing:
    """How a contract shares its result; shares are pure numbers between 0 and 1.

    ``client_share`` is the client's part of profit, ``guaranteed`` the platform's part of the client's loss (form
    ``guaranteed`` alone), ``fee`` a part of gross profit that is charged first.
    """

    form: Form = "fixed"
    client_share: Fraction = Fraction(1)
    guaranteed: Fraction = Fraction(0)
    fee: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        for name in ("client_share", "guaranteed", "fee"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1")
        if self.guaranteed and self.form != "guaranteed":
            raise ValueError("only the form 'guaranteed' has a guaranteed share")


@dataclass(frozen=True)
class Shares:
    """A result shared out: ``client + platform`` is the result; ``mark`` the high-water mark from now on, in its unit."""

    client: Fraction
    platform: Fraction
    mark: Fraction


def shares(sharing: Sharing, net: Exact, own_money: Exact, mark: Exact | None = None) -> Shares:
    """The parts of client and platform in a net result (after interest and fee), exactly (M-110).

    ``own_money`` is what the client put in, ``mark`` the highest equity on which a performance fee was paid; without
    one, or below it, it is the own money. All in one unit of money.
    """
    result, own = Fraction(net), Fraction(own_money)
    before = max(own, Fraction(mark)) if mark is not None else own
    platform = Fraction(0)
    if sharing.form == "performance":
        platform = (1 - sharing.client_share) * max(Fraction(0), own + result - before)
    elif result > 0:
        platform = (1 - sharing.client_share) * result
    else:
        platform = sharing.guaranteed * result
    client = result - platform
    return Shares(client, platform, max(before, own + client))


def interest(debt_li: int, rate_bp: int, days: int, *, base: InterestBase = "debt", exposure_li: int = 0) -> int:
    """The interest of so many calendar days in 厘, rounded down, on the debt or on the whole exposure (M-12, M-110)."""
    if days < 0:
        raise ValueError("days must not be negative")
    on = exposure_li if base == "exposure" else debt_li
    return on * rate_bp * days // (BP * DAYS_OF_YEAR)


@dataclass(frozen=True)
class Settlement:
    """One contract settled, 厘: ``lender + platform + client = proceeds``, always.

    ``gross`` is the result before interest and fee, ``net`` the client's result before it is shared; ``platform`` is
    the fee and its share, negative where it pays a guarantee; ``deficit`` is debt that nobody repaid.
    """

    collateral: int
    selling_cost: int
    proceeds: int
    principal: int
    interest: int
    gross: int
    fee: int
    net: int
    lender: int
    platform: int
    client: int
    deficit: int
    mark: int
    remainder_to: Party


def settle(
    *, collateral_li: int, selling_cost_li: int, debt_li: int, principal_li: int, own_money_li: int, sharing: Sharing,
    mark_li: int | None = None, remainder_to: Party = "client",
) -> Settlement:
    """Settle a contract whose collateral was sold: the lender first, then the fee, then what is left by its sharing (M-111).

    ``debt_li`` holds principal and interest. Without recourse the client loses at most the own money. The fee rounds
    down; the share of the party that is not named by ``remainder_to`` rounds down in its own size.
    """
    if min(collateral_li, selling_cost_li, debt_li, principal_li, own_money_li) < 0 or principal_li > debt_li:
        raise ValueError("amounts must not be negative, and the principal is part of the debt")
    proceeds = collateral_li - selling_cost_li
    if proceeds < 0:
        raise ValueError("selling must not cost more than it brings")
    lender = min(proceeds, debt_li)
    equity = proceeds - lender
    gross = proceeds - own_money_li - principal_li
    fee = min(equity, int(sharing.fee * max(gross, 0)))
    net = equity - fee - own_money_li
    exact = shares(sharing, net, own_money_li, mark_li)
    if remainder_to == "client":
        platform = int(exact.platform)  # towards zero: a share and a guarantee both lose their fraction
    else:
        platform = net - int(exact.client)
    client = equity - fee - platform
    before = max(own_money_li, mark_li or 0)
    return Settlement(
        collateral_li, selling_cost_li, proceeds, principal_li, debt_li - principal_li, gross, fee, net, lender, fee + platform,
        client, debt_li - lender, max(before, client), remainder_to,
    )
