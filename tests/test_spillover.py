"""Platforms together: counts by hand, the published clearing, and the exact clearing of the funding pool as a check."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stresslab import demo_book, look_through
from stresslab.faults import InputError
from stresslab.glossary import OUTPUTS, schema
from stresslab.pool.clearing import Debt, Network
from stresslab.pool.clearing import clear as exact_clear
from stresslab.spillover import cannot_pay, clear, losses, spillover
from stresslab.statistics import wilson

NAMES = ("A", "B", "C")
ZERO = ("absorbed_by_junior_li", "absorbed_by_senior_li", "absorbed_by_claims_li", "unpaid_end_li", "reserve_end_li")


def outcomes(failure, **columns):
    """One scenario: failure days of each platform by path (0: never), own funds of 100 kept unless said otherwise."""
    rows = []
    for name, days in failure.items():
        for path, day in enumerate(days):
            row = {"scenario": "s", "path": path, "platform_id": name, "failure_day": day or None, "own_funds_before_li": 100,
                   "own_capital_end_li": 100, **dict.fromkeys(ZERO, 0)}
            row |= {c: values[name][path] for c, values in columns.items() if name in values}
            rows.append(row)
    return pd.DataFrame(rows).astype({"failure_day": "Int64"})


def record(clearing=None):
    return {"scenarios": [{"id": "s"}], "platforms": [{"platform_id": n} for n in NAMES], "pool": {"clearing": clearing}}


def share(table, measure, first, second=None):
    rows = table[(table["measure"] == measure) & (table["first"] == first)]
    rows = rows[rows["second"].isna()] if second is None else rows[rows["second"] == second]
    (row,) = rows.to_dict("records")
    return row


def test_failures_together_counted_by_hand():
    failing = {"A": [3, 0, 5, 2, 0], "B": [4, 0, 5, 0, 7], "C": [0, 0, 0, 0, 0]}
    table = spillover(record(), outcomes(failing))
    assert share(table, "failure", "A")["share_pct"] == 60
    assert share(table, "joint_failure", "A", "B")["paths"] == share(table, "joint_failure", "B", "A")["paths"] == 2
    given_a = share(table, "failure_given", "A", "B")
    assert (given_a["paths"], given_a["of_paths"]) == (2, 3)
    low, high = wilson(2, 3)
    assert (given_a["low_pct"], given_a["high_pct"]) == (100 * low, 100 * high)
    assert given_a["error_pct"] == pytest.approx(100 * (2 / 3 / 3 / 3) ** 0.5)
    # On path 2 both fail on day 5: neither is first.
    assert share(table, "fails_first", "A", "B")["paths"] == 1
    assert share(table, "fails_first", "B", "A")["paths"] == 0
    assert share(table, "at_least_2_fail", "ALL")["paths"] == 2
    assert share(table, "at_least_3_fail", "ALL")["paths"] == 0
    # Nothing is said of what follows a failure that never happened.
    assert table[(table["measure"] == "failure_given") & (table["first"] == "C")].empty
    assert list(table.columns) == [m.name for m in OUTPUTS["spillover"]] == schema("spillover").names


@pytest.mark.parametrize("column", ["absorbed_by_junior_li", "absorbed_by_senior_li", "absorbed_by_claims_li", "unpaid_end_li"])
def test_a_loss_of_others_is_a_spillover_and_one_of_own_funds_is_not(column):
    calm = {"A": [0, 0], "B": [0, 0], "C": [0, 0]}
    table = spillover(record(), outcomes(calm, own_capital_end_li={"A": [0, 100]}, **{column: {"B": [0, 1]}}))
    assert [share(table, "spillover", n)["paths"] for n in NAMES] == [0, 1, 0]


def test_losses_count_own_funds_and_what_others_bore_and_no_gain():
    frame = outcomes({"A": [0, 0, 0]}, own_capital_end_li={"A": [130, 40, 0]}, absorbed_by_senior_li={"A": [0, 0, 25]})
    held = {c: frame[c].fillna(0).to_numpy(float) for c in frame if c.endswith("_li")}
    assert losses(held).tolist() == [0, 60, 125]


# --- clearing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("outside", "paid"), [((1, 1, 1), (0.8, 9.5, 8.4)), ((0, 0, 0.1), (0.8, 5.625, 5.525))])
def test_the_published_clearing(outside, paid):
    # Eisenberg and Noe's network as in the tests of FinNetValu (facts: EN-1), in millions of 厘.
    matrix = [[0, 0.1, 0.7], [2, 0, 10.5], [0, 8.4, 0]]
    debts = [(NAMES[i], NAMES[j], round(x * 1e9), 1) for i, row in enumerate(matrix) for j, x in enumerate(row) if x]
    found = clear(NAMES, debts, 1e9 * np.array([outside], dtype=float))
    assert found[0] / 1e9 == pytest.approx(paid, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 10**9), st.integers(1, 3)), max_size=12),
       st.lists(st.integers(0, 10**9), min_size=5, max_size=5))
def test_sweeps_find_the_exact_clearing(owed, outside):
    names = tuple("ABCDE")
    debts = [(names[a], names[b], amount, rank) for a, b, amount, rank in owed if a != b]
    exact = exact_clear(Network(dict(zip(names, outside, strict=True)), tuple(Debt(*d) for d in debts)))
    found = clear(names, debts, np.array([outside], dtype=float))[0]
    # Circles without money outside leak only slowly; there the sweeps stop where nothing moves by a thousandth of a 厘.
    for name, paid in zip(names, found, strict=True):
        assert paid >= float(exact.paid.get(name, 0)) - 1
        if sum(outside) > 0 and all(outside):
            assert paid == pytest.approx(float(exact.paid.get(name, 0)), abs=2)


def test_paths_are_cleared_apart():
    debts = [("A", "B", 100, 1), ("B", "C", 100, 1)]
    outside = np.array([[100.0, 0, 0], [60, 0, 0], [60, 40, 0], [0, 500, 0]])
    assert clear(NAMES, debts, outside)[:, :2].tolist() == [[100, 100], [60, 60], [60, 100], [0, 100]]
    assert cannot_pay(NAMES, debts, outside)[:, :2].tolist() == [[False, False], [True, True], [True, False], [True, False]]


def test_who_brings_down_whom_by_hand():
    # A owes B 100, B owes C 80; A owns 150 outside, B 20, C nothing. Own funds of 100 are lost in part.
    clearing = {"parties": [{"party": "A", "outside_li": 150}, {"party": "B", "outside_li": 20}, {"party": "C", "outside_li": 0}],
                "debts": [["A", "B", 100, 1], ["B", "C", 80, 1]]}
    kept = {"A": [100, 60, 10, 0], "B": [100, 100, 100, 85], "C": [100] * 4}
    table = spillover(record(clearing), outcomes({n: [0] * 4 for n in NAMES}, own_capital_end_li=kept,
                                                 absorbed_by_claims_li={"A": [0, 0, 0, 30]}))
    # A's losses are 0, 40, 90, 130: it owns 150, 110, 60, 20, so it cannot pay 100 on paths 2 and 3.
    assert share(table, "cannot_pay", "A")["paths"] == 2
    assert share(table, "cannot_pay_by_others", "A")["paths"] == 0
    # B gets 60 and then 20, owns 20 and then 5: 80 is just enough on path 2, 25 is not on path 3, where it could pay if A did.
    assert share(table, "cannot_pay", "B")["paths"] == share(table, "cannot_pay_by_others", "B")["paths"] == 1
    assert share(table, "brings_down", "A", "B")["paths"] == 1
    assert share(table, "brings_down", "B", "A")["paths"] == 0


def test_who_cannot_pay_anyway_is_brought_down_by_nobody():
    clearing = {"parties": [{"party": "A", "outside_li": 100}, {"party": "B", "outside_li": 0}, {"party": "C", "outside_li": 0}],
                "debts": [["A", "B", 50, 1], ["B", "C", 80, 1]]}
    table = spillover(record(clearing), outcomes({n: [0] for n in NAMES}, own_capital_end_li={"A": [0], "B": [100], "C": [100]}))
    assert share(table, "cannot_pay", "B")["paths"] == 1
    assert share(table, "brings_down", "A", "B")["paths"] == 0


def test_the_facts_of_a_pool_hold_all_that_a_clearing_needs():
    made = look_through(demo_book(120))
    facts = json.loads(json.dumps(made.facts()["clearing"]))
    base = np.array([[float(p["outside_li"]) for p in facts["parties"]]])
    debts = [tuple(d) for d in facts["debts"]]
    assert debts
    found = clear([p["party"] for p in facts["parties"]], debts, base)[0]
    assert found == pytest.approx([p["paid_li"] for p in facts["parties"]], abs=2)


def test_tables_that_are_not_of_one_run_are_refused():
    frame = outcomes({n: [0, 1] for n in NAMES})
    with pytest.raises(InputError, match="failure_day"):
        spillover(record(), frame.drop(columns="failure_day"))
    with pytest.raises(InputError, match="same paths"):
        spillover(record(), frame.iloc[:-1])


def test_mirrored_paths_are_pairs_for_the_error():
    """(M-64) Two pairs of which each fails on one path: the share of every pair is a half, so the error is nothing at all."""
    frame = outcomes({"A": [3, 0, 0, 4], "B": [0] * 4, "C": [0] * 4})
    assert share(spillover(record(), frame), "failure", "A")["error_pct"] == 25
    assert share(spillover(record() | {"sampling": "antithetic"}, frame), "failure", "A")["error_pct"] == 0
