"""stresslab: what happens to a platform that lends against shares when the market falls, and does it survive?

The public names are here; everything else may change. They are loaded when first used, so that
``import stresslab`` and ``stresslab --help`` answer at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stresslab.backtesting import backtest, backtest_run
    from stresslab.book import Book, demo_book, read_book
    from stresslab.checking import check
    from stresslab.dashboards import dashboard
    from stresslab.faults import Fault, InputError
    from stresslab.history import History, read_history
    from stresslab.ledger import Replay
    from stresslab.listing import runs
    from stresslab.market import Market, read_market
    from stresslab.pairing import compare
    from stresslab.policies import policy
    from stresslab.pool import LookThrough
    from stresslab.querying import sql
    from stresslab.scenario import Scenario, read_scenario
    from stresslab.submission import check_submission, submit
    from stresslab.verbs import (
        Run,
        calibrate,
        demo,
        episode,
        init,
        look_through,
        rate,
        replay,
        reverse,
        run,
        terms,
        write_report,
    )
    from stresslab.verifying import verify

_WHERE = {
    "backtest": "backtesting", "backtest_run": "backtesting", "dashboard": "dashboards",
    "Book": "book", "demo_book": "book", "read_book": "book",
    "Fault": "faults", "InputError": "faults",
    "Market": "market", "read_market": "market",
    "History": "history", "read_history": "history",
    "Scenario": "scenario", "read_scenario": "scenario",
    "check_submission": "submission", "submit": "submission",
    "LookThrough": "pool", "look_through": "verbs",
    "compare": "pairing",
    "Run": "verbs", "calibrate": "verbs", "check": "checking", "demo": "verbs", "episode": "verbs", "init": "verbs", "rate": "verbs",
    "policy": "policies", "replay": "verbs", "Replay": "ledger", "reverse": "verbs", "run": "verbs", "terms": "verbs",
    "verify": "verifying", "runs": "listing", "sql": "querying", "write_report": "verbs",
}

__all__ = [
    "Book", "Fault", "History", "InputError", "LookThrough", "Market", "Replay", "Run", "Scenario", "backtest", "backtest_run", "calibrate",
    "check", "check_submission", "compare", "dashboard", "demo", "demo_book", "episode", "init", "look_through", "policy", "rate",
    "read_book", "read_history",
    "read_market", "read_scenario", "replay", "reverse", "run", "runs", "sql", "submit", "terms", "verify", "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'stresslab' has no attribute {name!r}")
    return getattr(import_module(f"stresslab.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
