"""A rare event: a yes-or-no question about one platform on one path, as it is written on the command line (M-83)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from stresslab.faults import Fault, close_to, nearest
from stresslab.glossary import OUTPUTS
from stresslab.kernels.score import FROM_DEBT, FROM_LIQUIDATION, FROM_WARNING

#: Ratios of two measures, which no table holds, and where they are undefined: never a yes.
RATIOS = {
    "own_funds_coverage": ("own_funds_before_li", "margin_call_peak_li"),
    "own_funds_absorption": ("absorbed_by_own_funds_li", "deficit_li"),
    "forced_sale_rate": ("accounts_forced", "accounts_with_debt"),
}
#: Of the factor alone, beside the columns of the table: its greatest fall from an earlier high.
DRAWDOWN = "factor_drawdown_ppm"
FAILURE = "failure"
COLUMNS = tuple(m.name for m in OUTPUTS["outcomes"] if m.name not in ("scenario", "path", "platform_id"))
#: Columns that need the two further runs of a path (M-30), or its quoted basket.
PLAIN_COLUMNS = ("loss_holding_li", "loss_without_impact_li")
FACTOR_COLUMNS = ("factor_low_ppm", DRAWDOWN)
_UNITS: dict[str, dict[str, int | Fraction]] = {
    "li": {"": 1, "li": 1, "yuan": 1_000, "million": 1_000_000_000},
    "ppm": {"": 1, "ppm": 1, "%": 10_000},
    "ratio": {"%": Fraction(1, 100), "": 1},
    "": {"": 1, "day": 1, "days": 1},
}
_WRITTEN = re.compile(r"\s*([a-z_0-9]+)\s*(?:(>=|<=|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z%]*)\s*)?")


@dataclass(frozen=True)
class Event:
    """``measure`` against ``threshold`` (in the unit of its column; a ratio as a fraction); ``failure`` has none."""

    text: str
    measure: str
    sign: str = ""
    threshold: Fraction = Fraction(0)

    @property
    def rises(self) -> bool:
        """Whether more of the measure is nearer to the event."""
        return self.sign in (">", ">=", "")

    @property
    def centre(self) -> int:
        """What the nearness of an account is counted from (M-88)."""
        if self.measure.startswith(("margin_call", "own_funds_coverage", "accounts_called", "client_paid")):
            return FROM_WARNING
        if self.measure.startswith(("margin_coverage", "accounts_forced", "forced_sale", "sold", "displaced", "selling", "repaid")):
            return FROM_LIQUIDATION
        return FROM_DEBT

    def holds(self, top: int, bottom: int = 1) -> bool:
        """Whether top / bottom is beyond the threshold, exactly; never where bottom is 0."""
        if bottom == 0:
            return False
        left, right = top * self.threshold.denominator, self.threshold.numerator * bottom
        return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[self.sign]


def read_event(text: str, faults: list[Fault]) -> Event | None:
    """The event that a text names, as ``failure`` or ``deficit_li >= 5000000 yuan``; None and a fault if it names none."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        way_out = "write it like failure, or like deficit >= 5000000 yuan"
        faults.append(Fault("options", "is no event", way_out, None, "tail", text))
        return None
    name, sign, number, unit = found.groups()
    if name == FAILURE and sign is None:
        return Event(FAILURE, FAILURE)
    if sign is None:
        faults.append(Fault("options", "needs a comparison", f"write it like {name} >= 1", None, "tail", text))
        return None
    measure = _measure(name)
    if measure is None:
        known = [FAILURE, DRAWDOWN, *RATIOS, *COLUMNS]
        faults.append(Fault("options", "is no measure of a path", close_to(name, known) or nearest(name, known), None, "tail", text))
        return None
    kind = "ratio" if measure in RATIOS else next((u for u in ("li", "ppm") if measure.endswith("_" + u)), "")
    if unit not in _UNITS[kind]:
        way_out = "use " + " or ".join(u for u in _UNITS[kind] if u) if kind else "leave it out"
        faults.append(Fault("options", f"is no unit of {measure}", way_out, None, "tail", text))
        return None
    # Without a unit money is yuan where the name says so, and 厘 where it names the column.
    scale = _UNITS["li"]["yuan"] if kind == "li" and not unit and not name.endswith("_li") else _UNITS[kind][unit]
    return Event(" ".join(part for part in (name, sign, f"{number}{unit}" if unit == "%" else f"{number} {unit}".strip())),
                 measure, sign, Fraction(number) * scale)


def _measure(name: str) -> str | None:
    for found in (name, f"{name}_li", f"{name}_ppm"):
        if found in COLUMNS or found in RATIOS or found == DRAWDOWN:
            return found
    return None
