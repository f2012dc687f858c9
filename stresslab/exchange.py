"""Rates of exchange that a scenario moves, as the kernels read them: which funding layer becomes dearer, when, by how much (M-240)."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from stresslab.book.checks import given
from stresslab.book.files import Book
from stresslab.faults import Fault, nearest
from stresslab.redemption import direct_funding
from stresslab.scenario import Scenario

#: Amounts of a platform are below this, 厘 (M-2).
MOST = 2**47


def currencies(book: Book) -> list[str]:
    """The currency of each layer that lends to a platform itself, in the book's order; yuan where none is written."""
    return [name if isinstance(name, str) else "CNY" for name in given(direct_funding(book), "currency", "CNY")]


def exchange_of(book: Book, scenario: Scenario) -> NDArray[np.int64]:
    """Rows of day, place among the kernels' layers (bank lines of platforms come first) and rise in bp, by day."""
    first, owed = len(book.tables["platforms"]), currencies(book)
    rows = [
        (move.day, first + at, round(move.rises_pct * 100))
        for move in sorted(scenario.exchange, key=lambda move: move.day) for at, name in enumerate(owed) if name == move.currency
    ]
    return np.array(rows, np.int64).reshape(len(rows), 3)


def check_exchange(book: Book, scenario: Scenario, faults: list[Fault]) -> None:
    """A currency in which nobody lends to a platform, and a rise that makes a layer larger than (M-2) allows."""
    owed, file = currencies(book), f"scenario {scenario.id}"
    amounts = direct_funding(book)["amount_li"].tolist()
    grown: dict[int, int] = defaultdict(int)
    for place, move in enumerate(scenario.exchange):
        column = f"exchange.{place}.currency"
        if move.currency not in owed:
            other = sorted(set(owed) - {"CNY"})
            way_out = nearest(move.currency, other) if other else "add currency to the book's funding, or remove the table"
            rule = "is no currency in which the book's platforms are funded directly"
            faults.append(Fault(file, rule, way_out, None, column, move.currency))
        for at, name in enumerate(owed):
            if name == move.currency:
                grown[at] = grown[at] or int(amounts[at])
                grown[at] += -(-grown[at] * round(move.rises_pct * 100) // 10_000)
    if any(amount >= MOST for amount in grown.values()):
        faults.append(Fault(file, "makes a funding layer larger than 141 billion yuan", "lower the rises", None, "exchange"))
