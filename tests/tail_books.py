"""Small books whose rare events are of two kinds: one that the whole market sinks, and one that a single name can sink."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd

from stresslab.book import Book
from stresslab.kernels.draws import fill_uniforms
from stresslab.market import Market
from stresslab.scenario import Scenario, read_scenario

SECTORS = ("bank", "broker", "energy", "health")
_SEED = 20_260_000


def market(volatility_pct: float = 24.0, sector_pct: float = 9.0, drift_pct: float = 0.0, model: str = "gbm") -> Market:
    """A Gaussian market with sector factors."""
    return Market.model_validate({
        "title": "test", "source": "made up",
        "market": {"index": "test", "model": model, "volatility_pct": volatility_pct, "drift_pct": drift_pct, "source": "made up"},
        "default_sector": {"volatility_pct": sector_pct},
    })


def scenario(days: int = 20, **changes: Any) -> Scenario:
    """The baseline over so many days, with other values in its tables."""
    plain = read_scenario("baseline").model_dump(mode="json", exclude_none=True)
    plain["days"] = days
    for table, values in changes.items():
        plain[table] = plain.get(table, {}) | values
    return Scenario.model_validate(plain)


def _uniforms(count: int, day: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    out = np.zeros(count)
    fill_uniforms(out, _SEED, 0, day, 0)
    return out


def book(kind: str, accounts: int = 200, instruments: int = 50, own_capital_share: float = 0.01, cushion: float = 0.0,
         lines: tuple[int, int] = (11_000, 10_600)) -> Book:
    """A lender of one platform. ``diversified``: 12 names an account; ``one_name``: a tenth of the loans hangs on one name."""
    stocks = pd.DataFrame({
        "instrument_id": [f"I{i:03d}" for i in range(instruments)],
        "board": ["main"] * instruments,
        "sector": [SECTORS[i % len(SECTORS)] for i in range(instruments)],
        "price_li": (10_000 + 40_000 * _uniforms(instruments, 1)).astype(np.int64) // 10 * 10,
        "adv_shares": np.full(instruments, 100 * accounts, np.int64),
        "volatility_pct": 36.0 + 10.0 * _uniforms(instruments, 2),
        "beta": 0.7 + 0.6 * _uniforms(instruments, 3),
    })
    rows, debts = [], []
    for n in range(accounts):
        held = 12 if kind == "diversified" else 5
        big = kind == "one_name" and n == 0
        order = np.argsort(_uniforms(instruments, 100 + n))[: 1 if big else min(held, instruments)]
        money = (0.1 * 2.2e9 * accounts / 10 if big else 1.6e8 + 1.2e8 * _uniforms(1, 50_000 + n)[0])
        for i in sorted(order):
            shares = int(money / len(order) / stocks["price_li"].iloc[i]) // 100 * 100 + 100
            rows.append((f"A{n:05d}", stocks["instrument_id"].iloc[i], shares, shares * int(stocks["price_li"].iloc[i])))
        worth = sum(r[3] for r in rows if r[0] == f"A{n:05d}")
        debts.append(int(worth / (cushion + (1.32 if big else 1.15 + 0.22 * _uniforms(1, 90_000 + n)[0]))))
    owners = pd.DataFrame({
        "account_id": [f"A{n:05d}" for n in range(accounts)], "platform_id": "P1", "investor_type": "retail", "cash_li": 0,
        "debt_li": debts, "loan_rate_bp": 800, "warning_line_bp": lines[0], "liquidation_line_bp": lines[1],
    })
    loans = int(sum(debts))
    own = int(loans * own_capital_share)
    tables = {
        "accounts": owners,
        "positions": pd.DataFrame([r[:3] for r in rows], columns=["account_id", "instrument_id", "shares"]),
        "instruments": stocks,
        "platforms": pd.DataFrame({
            "platform_id": ["P1"], "own_capital_li": [own], "reserve_li": [0], "cash_li": [loans // 20], "liquid_pool_li": [0],
        }),
        "claims": pd.DataFrame({
            "client_id": ["C1"], "platform_id": ["P1"], "kind": ["investor"],
            "amount_li": [loans + loans // 20 - own - loans // 2], "notice_days": [0],
        }),
        "funding": pd.DataFrame({
            "funding_id": ["F1"], "platform_id": ["P1"], "source": ["bank"], "amount_li": [loans // 2], "rate_bp": [300],
            "rate_type": ["fixed"], "reset_days": [365], "maturity_days": [365], "seniority": [1],
        }),
    }
    return Book(f"{kind} test book", datetime.date(2025, 6, 30), "CNY", True, tables)
