"""Numbers as texts: money in 万元, 亿元 and million yuan, counts, shares of paths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from stresslab.report.phrase import Phrase, same

NONE = same("—")
_LI_PER_YUAN = 1000


@dataclass(frozen=True)
class Estimate:
    """One figure over paths with its sampling error and, where it was measured, its parameter band (M-298); NaN stands for null."""

    value: float
    error: float
    low: float
    high: float
    band_low: float = math.nan
    band_high: float = math.nan

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)

    @property
    def span(self) -> tuple[float, float]:
        """The 95% interval; without one, 1.96 errors to each side; without an error, the value."""
        low, high = self.low, self.high
        if math.isnan(low) or math.isnan(high):
            reach = 0.0 if math.isnan(self.error) else 1.96 * self.error
            low, high = self.value - reach, self.value + reach
        return min(low, self.value), max(high, self.value)


MISSING = Estimate(math.nan, math.nan, math.nan, math.nan)


def rounded(value: float, digits: int) -> str:
    """A number with thousands separators; ``<0.1`` where rounding would hide that it is not zero."""
    if math.isnan(value):
        return NONE.en
    if value == 0:
        return "0"
    least = 10.0**-digits
    if abs(value) < least / 2:
        return f"<{least:.{digits}f}" if value > 0 else f">\u2212{least:.{digits}f}"
    return f"{value:,.{digits}f}".replace("-", "\u2212")


@dataclass(frozen=True)
class MoneyScale:
    """The money unit of one table or figure, so that its numbers can be compared down a column."""

    en_unit: float
    en_digits: int
    zh_unit: float
    zh_digits: int

    @property
    def unit(self) -> Phrase:
        """The name of the unit."""
        return Phrase("million yuan", "亿元" if self.zh_unit == 1e8 else "万元")

    def number(self, yuan: float) -> Phrase:
        """An amount in this unit, without the unit's name."""
        return Phrase(
            rounded(yuan / self.en_unit, self.en_digits),
            rounded(yuan / self.zh_unit, self.zh_digits),
        )

    def tick(self, yuan: float) -> Phrase:
        """An axis label: no digits beyond those needed."""
        return Phrase(_trimmed(yuan / self.en_unit), _trimmed(yuan / self.zh_unit))


def _trimmed(value: float) -> str:
    text = f"{value:,.4f}".rstrip("0").rstrip(".").replace("-", "\u2212")
    return "0" if text == "\u22120" else text


def money_scale(amounts: list[float]) -> MoneyScale:
    """The unit that suits the largest of some amounts in yuan."""
    most = max((abs(a) for a in amounts if not math.isnan(a)), default=0.0)
    en_digits = 0 if most >= 1e10 else 1 if most >= 1e8 else 2 if most >= 1e5 else 4
    if most >= 1e8:
        return MoneyScale(1e6, en_digits, 1e8, 2 if most >= 1e9 else 3)
    return MoneyScale(1e6, en_digits, 1e4, 0 if most >= 1e7 else 1 if most >= 1e5 else 2)


def money_with_error(estimate: Estimate) -> Phrase:
    """An amount with its error and unit, for a sentence."""
    scale = money_scale([estimate.value])
    number = with_error(
        scale.number(estimate.value), scale.number(estimate.error) if estimate.error > 0 else None
    )
    return Phrase(f"{number.en} {scale.unit.en}", f"{number.zh} {scale.unit.zh}")


def with_error(number: Phrase, error: Phrase | None) -> Phrase:
    """A number and its sampling error on one line."""
    return (
        number
        if error is None
        else Phrase(f"{number.en}\u00a0±\u00a0{error.en}", f"{number.zh}\u00a0±\u00a0{error.zh}")
    )


def yuan_of(li: Any) -> float:
    """厘 as yuan, for showing; NaN for null."""
    return math.nan if li is None else float(li) / _LI_PER_YUAN


#: From here on a coverage is "ample"; its digits would only be noise.
PERCENT_MOST = 10_000


def percent(value: float) -> Phrase:
    """A percentage with one digit; 0% and 100% only where they are exact, and no digits that mean nothing."""
    if math.isnan(value):
        return NONE
    if value >= PERCENT_MOST:
        return same(f">{PERCENT_MOST:,}%")
    if 99.95 <= value < 100:
        return same(">99.9%")
    return same(f"{'100' if value == 100 else rounded(value, 1)}%")


def count(value: float) -> Phrase:
    """A count; means of counts keep one digit below a hundred."""
    digits = 0 if value == int(value) or abs(value) >= 100 else 1
    return same(rounded(value, digits)) if not math.isnan(value) else NONE


def plain(value: Any) -> Phrase:
    """A number or text of a file as it stands, without needless zeros; a dash for null."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NONE
    if isinstance(value, bool):
        return Phrase("yes", "是") if value else Phrase("no", "否")
    if isinstance(value, int):
        return same(f"{value:,}".replace("-", "\u2212"))
    if isinstance(value, float):
        return same(_trimmed(value))
    return same(value)
