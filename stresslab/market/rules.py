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
    """What holds on a board on a date: daily limit in bp (0: none), lot and smallest order in shares, tick in 厘."""

    limit_bp: int
    lot: int
    min_order: int
    tick_li: int
    source: str


@functools.cache
def _rules() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "rules.toml").read_text(encoding="utf-8"), parse_float=Decimal)


def _held(table: str, date: datetime.date, board: str | None = None) -> dict[str, Any] | None:
    """The youngest entry of a table that holds on a date; None if there is none yet."""
    entries = [r for r in _rules()[table] if r["since"] <= date and board in (None, r.get("board"))]
    return max(entries, key=lambda r: r["since"]) if entries else None


@functools.cache
def board_rule(board: str, date: datetime.date) -> BoardRule | None:
    """The rule of a board on a date; None if the board did not exist yet."""
    limit = _held("limit", date, board)
    if limit is None:
        return None
    lot = _held("lot", date, board) or _rules()["default_lot"]
    tick = _rules()["tick"]["fund_yuan" if board == "fund" else "share_yuan"]
    return BoardRule(int(limit["limit_pct"] * 100), lot["shares"], lot["least"], int(tick * 1000), limit["source"])


def free_days(board: str, listed: datetime.date) -> int:
    """On how many of its first trading days an instrument listed on a date has no daily limit (M-13)."""
    rule = _held("free", listed, board)
    return int(rule["days"]) if rule else 0


def selling_cost_bp(board: str, date: datetime.date) -> int:
    """Stamp duty (none on funds) and commission of a sale, in whole basis points, rounded up."""
    duty, commission = _held("stamp_duty", date), _held("commission", date)
    rates = [Decimal(rule["rate_pct"]) for rule in (commission, None if board == "fund" else duty) if rule]
    return int((sum(rates, Decimal(0)) * 100).to_integral_value(rounding="ROUND_CEILING"))
