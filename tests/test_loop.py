"""The plain numba loop equals the plain twin with ==, and everybody in the benchmark gives the same path."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import plain
import pytest
from hypothesis import HealthCheck, given, settings
from kernel_worlds import facts_of, paths_of
from worlds import worlds

from stresslab.kernels import layout

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))
bench = importlib.import_module("bench_cascade")
loop = importlib.import_module("loop")
peers = importlib.import_module("peers")

World = dict[str, Any]
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def run_loop(world: World) -> dict[str, Any]:
    """One path of the loop in the shape of the twin's result."""
    facts = facts_of({**world, "rates_drawn": False})  # it knows rates that are given
    fundamental, factor, closed = paths_of(world)
    state, story = loop.new_state(facts), layout.new_story(facts)
    loop.run_path(world["path"], world["seed"], fundamental, factor, closed, facts, state, story)
    a, days = state.accounts, range(1, len(world["fundamental"]))
    accounts = [
        {
            "called": int(a.calls[n]), "forced": int(a.ordered_day[n] > 0), "deficit_li": int(a.deficit[n]),
            "sold_li": int(a.sold[n]), "cash_li": int(a.cash[n]), "debt_li": int(a.debt[n]),
            "shares": state.positions.shares[facts.account[n].first: facts.account[n].last].tolist(),
        }
        for n in range(facts.account.size)
    ]
    return {
        "platforms": [_row(o) for o in story.outcome],
        "path": dict(zip(("rounds_most", "rounds_limit_days", "breaker_days"), story.rounds.tolist(), strict=True)),
        "days": [[_row(d) for d in story.days[t]] for t in days],
        "accounts": accounts,
        # Of an instrument's displaced shares the twin does not tell the money.
        "instruments": [[_row(i, "displaced_li") for i in story.tape[t]] for t in days],
    }


def _row(record: Any, left_out: str = "") -> dict[str, int]:
    return {name: int(record[name]) for name in record.dtype.names if name != left_out}


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds())
def test_the_loop_equals_the_plain_twin(world: World) -> None:
    mine, twins = run_loop(world), plain.run_path(world)
    for part in twins:
        assert mine[part] == twins[part], part


@pytest.mark.parametrize("shock_pct", [0, 20, 60])
def test_everybody_in_the_benchmark_gives_the_same_path(shock_pct: int) -> None:
    facts = bench.make_book(400)
    drawn = bench.draw_paths(facts.instrument, shock_pct, "bridge", 2)
    expected = list(bench.Loop(facts).run(drawn, 2))
    assert [o.story for o in bench.Product(facts).run(drawn, 2)] == [o.story for o in expected]
    for name, contender in bench.CONTENDERS.items():
        assert [o.sales for o in contender(facts).run(drawn, 2)] == [o.sales for o in expected], name


@pytest.mark.parametrize("shock_pct", [0, 60])
def test_everybody_in_the_benchmark_finds_the_same_accounts(shock_pct: int) -> None:
    facts = bench.make_book(400)
    prices = bench.draw_paths(facts.instrument, shock_pct, "bridge", layout.LANES).fundamental[:, bench.TROUGH].copy()
    line = facts.account["warning_bp"] * facts.account["debt"]
    worth = np.add.reduceat(facts.position["shares"] * prices[:, facts.position["instrument"]], facts.account["first"], axis=1)
    expected = ((worth + facts.account["cash"]) * 10_000 < line).sum(axis=1).tolist()
    assert sum(expected) > 0
    for name, contender in bench.CONTENDERS.items():
        assert contender(facts).below_warning(prices).tolist() == expected, name


def test_the_peers_refuse_terms_that_they_do_not_know() -> None:
    facts = bench.make_book(50)
    for changes in ({"batches": 2}, {"buyers_bp": 1}, {"breaker_bp": 700}, {"minimum_sale": 1}, {"displace": False}):
        with pytest.raises(ValueError, match="rules of the benchmark"):
            peers.NumpyCascade(facts._replace(terms=facts.terms._replace(**changes)))
    shut = facts._replace(terms=facts.terms._replace(plan=layout.Plan(True)))
    with pytest.raises(ValueError, match="rules of the benchmark"):
        peers.NumpyCascade(shut)
    with pytest.raises(ValueError, match="no responses"):
        loop.begin(shut, loop.new_state(shut), layout.new_story(shut))
