"""Words that the pages of early warning share."""

from __future__ import annotations

import math
from typing import Any

from stresslab.report.phrase import Phrase, same

_NONE = same("—")
WINDOWS = {"walk_forward": Phrase("walk-forward", "滚动前推"), "holdout": Phrase("held out to the end", "留出期")}


def told(value: Any, digits: int) -> Phrase:
    """A number with so many decimals and a true minus; a dash where there is none."""
    if value is None or not math.isfinite(float(value)):
        return same("∞") if value is not None and math.isinf(float(value)) else _NONE
    # Rounded first, so that nothing is told as minus zero.
    text = f"{round(float(value), digits) + 0.0:,.{digits}f}"
    return same(text.replace("-", "−"))
