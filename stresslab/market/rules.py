"""The trading rules of the boards, by date, from ``rules.toml``."""

from __future__ import annotations

import datetime
import functools
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BoardRule:
    """What holds on a board on a date: daily limit in bp (0: none), lot in shares, tick in 厘."""

    limit_bp: int
    lot: int
    tick_li: int
    source: str


@functools.cache
def _rules() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "rules.toml").read_text(encoding="utf-8"), parse_float=Decimal)


def board_rule(board: str, date: datetime.date) -> BoardRule | None:
    """The rule of a board on a date; None if the board did not exist yet."""
    rules = _rules()
    held = [r for r in rules["limit"] if r["board"] == board and r["since"] <= date]
    if not held:
        return None
    limit = max(held, key=lambda r: r["since"])
    lots = [r["shares"] for r in rules["lot"] if r["board"] == board] or [rules["default_lot"]["shares"]]
    tick = rules["tick"]["fund_yuan" if board == "fund" else "share_yuan"]
    return BoardRule(int(limit["limit_pct"] * 100), lots[0], int(tick * 1000), limit["source"])


def selling_cost_bp(board: str, date: datetime.date) -> int:
    """Stamp duty (none on funds) and commission of a sale, in whole basis points, rounded up."""
    rules = _rules()
    duty = max((r for r in rules["stamp_duty"] if r["since"] <= date), key=lambda r: r["since"])["rate_pct"]
    cost = Decimal(rules["commission"]["rate_pct"]) + (Decimal(0) if board == "fund" else Decimal(duty))
    return int((cost * 100).to_integral_value(rounding="ROUND_CEILING"))
