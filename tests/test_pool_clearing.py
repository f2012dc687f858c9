"""Clearing of debts, exactly: published figures, by hand, and against an iteration from above on networks that hypothesis invents."""

from __future__ import annotations

from fractions import Fraction as F

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stresslab.book import demo_book
from stresslab.pool import clearing
from stresslab.pool.clearing import Cleared, Debt, Network, clear, default_rounds, strikes
from stresslab.pool.linear import solve
from stresslab.pool.through import read_network

#: The network of the test file of FinNetValu for Rogers and Veraart's paper: who owes (row) how much to whom (column).
OWED = ((0, F(1, 10), F(7, 10)), (2, 0, F(21, 2)), (0, F(84, 10), 0))


def golden(outside: tuple[F | int, ...], **kept: F) -> Network:
    debts = tuple(Debt("abc"[i], "abc"[j], F(OWED[i][j])) for i in range(3) for j in range(3))
    return Network(dict(zip("abc", outside, strict=True)), debts, **kept)


@pytest.mark.parametrize(("outside", "paid", "equity", "rounds"), [
    ((1, 1, 1), ("0.8", "9.5", "8.4"), ("1.72", "0", "1.28"), [("b",)]),
    ((0, 0, F(1, 10)), ("0.8", "5.625", "5.525"), ("0.1", "0", "0"), [("b",), ("c",)]),
])
def test_published_example(outside, paid, equity, rounds):
    network = golden(outside)
    made = clear(network)
    assert [made.paid[w] for w in "abc"] == [F(x) for x in paid]
    assert [made.equity[w] for w in "abc"] == [F(x) for x in equity]
    assert default_rounds(network) == rounds


def test_default_costs_by_hand():
    """a owes b 10 and has 8; b owes c 9 and has nothing else: with half of a's assets lost, c gets 2 instead of 8."""
    debts = (Debt("a", "b", 10), Debt("b", "c", 9))
    assert clear(Network({"a": 8}, debts)).paid == {"a": 8, "b": 8, "c": 0}
    made = clear(Network({"a": 8}, debts, F(1, 2), F(1, 2)))
    assert (made.paid["a"], made.paid["b"], made.received["c"]) == (4, 2, 2)
    # Without need nothing is lost: who pays in full has no costs.
    assert clear(Network({"a": 10}, debts, F(1, 2), F(1, 2))).paid == {"a": 10, "b": 9, "c": 0}


def test_seniors_are_paid_first_and_equals_alike():
    debts = (Debt("a", "s", 5, 1), Debt("a", "t", 3, 2), Debt("a", "u", 6, 2), Debt("a", "v", 9, 7))
    cases = ((4, (4, 0, 0, 0)), (5, (5, 0, 0, 0)), (8, (5, 1, 2, 0)), (14, (5, 3, 6, 0)), (20, (5, 3, 6, 6)), (30, (5, 3, 6, 9)))
    for outside, expected in cases:
        made = clear(Network({"a": outside}, debts))
        assert tuple(made.to["a", w] for w in "stuv") == expected
        assert made.defaulted == (() if outside >= 23 else ("a",))


def test_a_junior_that_gets_nothing_is_not_charged():
    """b's only asset is a junior debt of a, which is under water far beyond it: b pays what it has outside, not less."""
    made = clear(Network({"a": 2, "b": 1}, (Debt("a", "s", 10, 1), Debt("a", "b", 5, 2), Debt("b", "c", 4))))
    assert (made.to["a", "s"], made.to["a", "b"], made.paid["b"]) == (2, 0, 1)


def test_of_several_clearings_the_greatest_is_taken():
    """a and b owe each other 10 and own nothing: paying nothing clears, paying all does too."""
    assert clear(Network({}, (Debt("a", "b", 10), Debt("b", "a", 10)))).paid == {"a": 10, "b": 10}
    both = (Debt("a", "b", 10), Debt("b", "a", 10), Debt("b", "c", 1))
    assert clear(Network({}, both)).paid == {"a": 0, "b": 0, "c": 0}


def test_a_cascade_of_rounds_goes_down_the_chain():
    debts = tuple(Debt(f"n{k}", f"n{k + 1}", 10) for k in range(5))
    network = Network({"n0": 0} | {f"n{k}": 1 for k in range(1, 6)}, debts)
    assert default_rounds(network) == [(f"n{k}",) for k in range(5)]
    assert [clear(network).paid[f"n{k}"] for k in range(6)] == [0, 1, 2, 3, 4, 0]


def test_who_is_paid_just_enough_pays_in_full():
    """b is paid a third and two thirds of a yuan and owes one: thirds are no finite binary fractions, and b must not default for that."""
    debts = (Debt("a", "b", 1), Debt("a", "c", 2), Debt("e", "b", 1), Debt("e", "c", 2), Debt("b", "d", 1))
    made = clear(Network({"a": 1, "e": 2}, debts, F(1), F(1, 2)))
    assert (made.paid["b"], made.defaulted) == (1, ("a", "e"))


def test_debts_that_run_in_a_circle_behind_a_senior_one():
    """b owes c first and a behind it, a owes b, nobody owns a thing: all sink together, and nothing is paid."""
    debts = (Debt("a", "b", 1), Debt("b", "a", 1, 2), Debt("b", "c", 1, 1))
    assert clear(Network({}, debts)).paid == {"a": 0, "b": 0, "c": 0}
    # With 2 from outside for b, c gets 1 and a 1, which comes back.
    assert clear(Network({"b": 2}, debts)).paid == {"a": 1, "b": 2, "c": 0}
    assert clear(Network({"b": F(1, 2)}, debts)).paid == {"a": 0, "b": F(1, 2), "c": 0}


def test_a_party_at_its_boundary_is_not_drawn_below_it_by_a_class_that_ends_there():
    """n0 has just what it owes. That n1 has less than nothing for it must not count, least of all with costs of default."""
    debts = (Debt("n0", "n2", 2), Debt("n1", "n0", 1, 2), Debt("n1", "n2", 1, 1))
    made = clear(Network({"n0": 2}, debts, F(1, 2), F(1, 2)))
    assert (made.paid["n0"], made.defaulted) == (2, ("n1",))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    size = draw(st.integers(2, 5))
    names = [f"n{k}" for k in range(size)]
    few = st.integers(0, 12)
    pairs = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names), st.integers(1, 20), st.integers(1, 3)), max_size=12))
    kept = draw(st.sampled_from([(F(1), F(1)), (F(1, 2), F(3, 4)), (F(9, 10), F(9, 10)), (F(1), F(1, 2))]))
    return Network({n: draw(few) for n in names}, tuple(Debt(*p) for p in pairs if p[0] != p[1]), *kept)


def step(network: Network, to: dict[tuple[str, int], F]) -> dict[tuple[str, int], F]:
    """What each party pays in each class if it is paid what ``to`` says: the definition, written again."""
    out = {}
    for who, ranks in network.classes.items():
        inflow = sum((row.get(who, F(0)) / sum(row.values()) * to[d, k]
                      for d, rows in network.classes.items() for k, row in enumerate(rows)), F(0))
        left, owed = network.of(who) + inflow, sum(network.owed[who], F(0))
        if left < owed:
            left = network.outside_kept * network.of(who) + network.inside_kept * inflow
        for k, row in enumerate(ranks):
            out[who, k] = min(sum(row.values(), F(0)), max(F(0), left))
            left -= out[who, k]
    return out


def by_class(network: Network, made: Cleared) -> dict[tuple[str, int], F]:
    out = {}
    for who, ranks in network.classes.items():
        left = made.paid[who]
        for k, row in enumerate(ranks):
            out[who, k] = min(left, sum(row.values(), F(0)))
            left -= out[who, k]
    return out


GRAIN = 10**12


@settings(max_examples=150, deadline=None)
@given(networks())
def test_it_is_a_clearing_and_no_other_is_greater(network):
    made = clear(network)
    for sweeps in (0, 2):  # how far down it starts changes the time alone
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clearing, "_SWEEPS", sweeps)
            assert clear(network) == made
    mine = by_class(network, made)
    assert step(network, mine) == mine
    # From everything paid in full, lowered step by step and always rounded up: never below the greatest clearing vector.
    above = {(w, k): F(owed) for w, row in network.owed.items() for k, owed in enumerate(row)}
    for _ in range(4_000):
        lower = {key: F(-((-v * GRAIN) // 1), GRAIN) for key, v in step(network, above).items()}
        if lower == above:
            break
        above = lower
    for key, value in mine.items():
        assert value <= above[key] <= value + F(1, 10**6)


@settings(max_examples=80, deadline=None)
@given(networks())
def test_the_rounds_end_where_the_clearing_does_and_money_is_kept(network):
    made = clear(network)
    assert sorted(w for r in default_rounds(network) for w in r) == sorted(made.defaulted)
    assert sum(made.to.values(), F(0)) == sum(made.paid.values(), F(0)) == sum(made.received.values(), F(0))
    for who in network.parties:
        assert 0 <= made.paid[who] <= made.owed[who]
        if (network.outside_kept, network.inside_kept) == (1, 1):
            # Limited liability: equity or creditors get everything that is there.
            assert made.equity[who] == network.of(who) + made.received[who] - made.paid[who] >= 0
    for s in strikes(network):
        assert all(loss >= 0 for loss in s.losses.values())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(-9, 9), min_size=n * n + n, max_size=n * n + n))))
def test_equations_are_solved_exactly(case):
    n, numbers = case
    matrix = [{j: F(numbers[i * n + j]) for j in range(n)} for i in range(n)]
    for i in range(n):
        matrix[i][i] += 60  # dominant, so that there is one solution
    right = [{"x": F(v), "y": F(2 * v, 3)} for v in numbers[n * n:]]
    found = solve(matrix, right)
    for i in range(n):
        for name in "xy":
            assert sum(matrix[i][j] * found[j].get(name, F(0)) for j in range(n)) == right[i][name]


def test_equations_without_one_solution_are_refused():
    with pytest.raises(ArithmeticError):
        solve([{0: F(1), 1: F(1)}, {0: F(2), 1: F(2)}], [{"": F(1)}, {"": F(3)}])


def test_in_the_demo_the_weakest_platform_brings_down_the_next():
    network = read_network(demo_book(400))
    assert network is not None
    assert clear(network).defaulted == ()
    own = demo_book(400).tables["platforms"].set_index("platform_id")
    for name in ("P1", "P2", "P3"):
        assert clear(network).equity[name] == own.loc[name, "own_capital_li"] + own.loc[name, "reserve_li"]
    hit = {s.party: s for s in strikes(network)}
    assert hit["P3"].rounds == (("P3",), ("P2",))
    assert hit["P3"].losses["P1"] > 0
    assert hit["P2"].rounds == (("P2",),)
