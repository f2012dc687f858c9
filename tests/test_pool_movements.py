"""Rules on movements: each catches what is planted, says nothing of honest business, and its false alarms are counted."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter

import pytest
from clean_flows import FIRST, clean_flows

from stresslab.book import demo_book, read_book, write_book
from stresslab.book.demo import _Dice
from stresslab.book.demo_pool import movements
from stresslab.pool import look_through, read_rules
from stresslab.pool.movements import Movement, Roles, flags, flows_between, read_movements, robust_z, roles_of

LIMITS = read_rules().movements
ROLES = Roles(frozenset({"P"}), frozenset({"C1", "C2"}), frozenset({"CUST"}), frozenset({"REL"}), frozenset({"CLEAR"}))


def pay(day: int, giver: str, taker: str, yuan: float, kind: str = "transfer") -> tuple[int, str, str, float, str]:
    return day, giver, taker, yuan, kind


def found(*rows: tuple[int, str, str, float, str], roles: Roles = ROLES, **changed: object) -> list[tuple[str, tuple[str, ...]]]:
    made = [Movement(at, FIRST + datetime.timedelta(days=d), "P", a, b, kind, round(1000 * yuan))
            for at, (d, a, b, yuan, kind) in enumerate(rows)]
    return [(f.rule, f.parties) for f in flags(sorted(made, key=lambda m: (m.day, m.at)), roles, LIMITS.model_copy(update=changed))]


def test_client_money_may_pay_what_clients_owe_and_nothing_else():
    honest = [pay(1, "C1", "CUST", 9e5, "deposit"), pay(2, "CUST", "P", 8e5, "repayment"), pay(2, "CUST", "P", 100, "fee"),
              pay(2, "CUST", "P", 900, "interest"), pay(3, "CUST", "CLEAR", 5e5, "settlement"), pay(4, "CUST", "C1", 2e5, "withdrawal")]
    assert found(*honest) == []
    assert found(*honest, pay(5, "CUST", "P", 7e5)) == [("misappropriation", ("CUST", "P"))]
    assert found(*honest, pay(5, "CUST", "REL", 7, "fee")) == [("misappropriation", ("CUST", "REL"))]


def test_deposits_that_go_to_the_platform_are_told_once():
    rows = [pay(1, "C1", "P", 100, "deposit"), pay(2, "C2", "P", 100, "deposit")]
    assert found(*rows) == [("commingled", ("clients", "P"))]
    assert found(pay(1, "X", "P", 100, "capital")) == []


def test_client_money_that_reaches_a_related_party_through_others():
    chain = [pay(1, "CUST", "X", 100_000), pay(2, "X", "Y", 99_000), pay(6, "Y", "REL", 98_500)]
    assert found(*chain) == [("misappropriation_chain", ("CUST", "X", "Y", "REL"))]
    assert found(*chain[:2], pay(7, "Y", "REL", 98_500)) == []  # a day too late
    assert found(*chain[:2], pay(6, "Y", "REL", 97_900)) == []  # less than 98% of the first
    assert found(pay(1, "CUST", "C1", 100_000, "withdrawal"), pay(2, "C1", "REL", 100_000)) == []  # the client's own money by now


def test_layering_needs_three_hops_and_is_told_as_a_whole():
    chain = [pay(1, "A", "B", 80_000), pay(1, "B", "C", 80_000), pay(2, "C", "D", 79_000), pay(3, "D", "E", 79_500)]
    assert found(*chain) == [("layering", ("A", "B", "C", "D", "E"))]
    assert found(*chain[:3]) == [("layering", ("A", "B", "C", "D"))]
    assert found(*chain[:2]) == []
    assert found(*chain[:2], pay(0, "C", "D", 79_000)) == []  # went on before it came
    assert found(pay(1, "A", "B", 9_000), pay(1, "B", "C", 9_000), pay(1, "C", "D", 9_000)) == []  # too small
    assert found(pay(1, "A", "B", 80_000), pay(1, "B", "CLEAR", 80_000), pay(2, "CLEAR", "D", 80_000)) == []  # a clearing house is a hub


def test_a_party_with_many_partners_is_a_hub():
    chain = [pay(1, "A", "B", 80_000), pay(1, "B", "C", 80_000), pay(2, "C", "D", 80_000)]
    busy = [pay(50 + k, f"Z{k}", "B", 20_000 + 1_000 * k) for k in range(LIMITS.hub_partners)]
    assert found(*chain, *busy[:-3]) == [("layering", ("A", "B", "C", "D"))]
    assert found(*chain, *busy) == []


def test_money_that_comes_back():
    assert found(pay(1, "P", "A", 9e5), pay(2, "A", "B", 9e5), pay(3, "B", "P", 9e5, "capital")) == [("round_trip", ("P", "A", "B", "P"))]
    assert found(pay(1, "A", "B", 9e5), pay(3, "B", "A", 9e5)) == [("round_trip", ("A", "B", "A"))]
    assert found(pay(1, "A", "B", 9e5, "loan"), pay(3, "B", "A", 9e5, "repayment")) == []


def test_a_circle_is_told_once_from_its_first_payment():
    rows = [pay(1, "A", "B", 9e5), pay(2, "B", "C", 9e5), pay(3, "C", "A", 9e5)]
    assert found(*rows) == [("round_trip", ("A", "B", "C", "A"))]


@pytest.mark.parametrize(("amounts", "hit"), [
    ((49_900, 45_000, 49_000), True), ((49_900, 44_999, 49_000), False), ((49_900, 50_000, 49_000), False),
    ((49_900, 45_000, 49_000, 50_000, 51_000), False), ((199_000, 190_000, 185_000), True),
])
def test_structuring_stays_just_below_a_threshold(amounts, hit):
    rows = [pay(3 + k % 4, "A", f"B{k}", yuan) for k, yuan in enumerate(amounts)]
    assert [rule for rule, _ in found(*rows)] == (["structuring"] if hit else [])
    assert found(*[pay(7 * k, "A", "B", yuan) for k, yuan in enumerate(amounts)]) == []  # not within days of one another


def test_an_outlier_is_measured_against_earlier_days_only():
    usual = [pay(k, "A", f"B{k % 3}", 20_000 + 500 * (k % 5), "expense") for k in range(12)]
    assert found(*usual, pay(12, "A", "B0", 90_000, "expense")) == [("outlier", ("A", "B0"))]
    assert found(*usual, pay(11, "A", "B0", 90_000, "expense")) == []  # eleven earlier days are too few
    assert found(*usual, pay(12, "A", "B0", 90_000, "rent")) == []
    assert found(*usual, pay(12, "A", "B0", 30_000, "expense")) == []
    assert found(*usual, pay(12, "A", "B0", 2_000, "expense")) == []  # far below is no outlier


def test_robust_z_by_hand():
    # Median 3, deviations 2 1 0 1 2: MAD 1; the floor of the spread holds where all are equal.
    assert robust_z(10.0, [1, 2, 3, 4, 5], 0.1) == pytest.approx(0.6745 * 7)
    assert robust_z(1.5, [1.0] * 5, 0.1) == pytest.approx(0.6745 * 5)


def test_no_false_alarm_in_the_business_of_the_demo():
    """Twelve seeds of honest business: 27,160 movements, nothing told (method.md prints this)."""
    count, told = 0, Counter()
    for seed in range(1, 13):
        book = demo_book(400, seed)
        dice = _Dice(seed)
        dice.day = 5_000
        made = movements(dice.uniforms, dice.normals, book.as_of, book.tables["claims"], dict.fromkeys(("P1", "P2",
                                                                                                        "P3"), True), planted=False)
        moved = read_movements(dataclasses.replace(book, tables=book.tables | {"movements": made}))
        count += len(moved)
        told.update(f.rule for f in flags(moved, roles_of(book, moved), LIMITS))
    assert (count, told) == (27_160, Counter())


def test_false_alarms_among_friends_who_use_round_sums():
    count, told = 0, Counter()
    for seed in range(1, 13):
        moved, roles = clean_flows(seed)
        count += len(moved)
        told.update(f.rule for f in flags(moved, roles, LIMITS))
    assert (count, told) == (36_000, Counter(round_trip=43, layering=4, outlier=22))


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_everything_planted_in_the_demo_is_caught(seed):
    made = look_through(demo_book(600, seed))
    told = {f.rule: f for f in made.flags}
    assert told["misappropriation"].parties == ("P2-CUSTODY", "P2")
    assert len(told["misappropriation"].movements) == 3
    assert told["misappropriation_chain"].parties == ("P2-CUSTODY", "SHELL-1", "SHELL-2", "SHELL-3", "LANTERN-HOLDING")
    assert told["round_trip"].parties == ("P3", "SHELL-4", "SHELL-5", "SHELL-6", "P3")
    assert told["structuring"].parties == ("QUICK-APP",)
    assert told["outlier"].parties == ("P1", "P1-LANDLORD")
    assert told["commingled"].parties == ("clients", "P3")
    assert {f.platform_id for f in made.flags if f.rule == "commingled"} == {"P3"}


def test_a_flag_says_where_its_rows_stand(tmp_path):
    write_book(demo_book(60), tmp_path / "b")
    made = look_through(read_book(tmp_path / "b"))
    (chain,) = [f for f in made.findings if f.code == "round_trip"]
    lines = (tmp_path / "b" / "movements.csv").read_text(encoding="utf-8").splitlines()
    for row, (giver, taker) in zip(chain.rows, (("P3", "SHELL-4"), ("SHELL-4", "SHELL-5"), ("SHELL-5", "SHELL-6"), ("SHELL-6",
                                                                                                                    "P3")), strict=True):
        assert row.startswith("movements.csv row ")
        assert f",P3,{giver},{taker}," in lines[int(row.split()[2].rstrip(":")) - 1]


def test_flows_add_up_over_platforms():
    moved, _ = clean_flows(1)
    table = flows_between(moved)
    assert table["amount_li"].sum() == sum(m.amount_li for m in moved)
    assert table["movements"].sum() == len(moved)
    assert flows_between([]).empty
