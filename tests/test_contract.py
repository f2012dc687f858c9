"""The arithmetic of one contract against every published or worked table, to the printed digit."""

from __future__ import annotations

import ast
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stresslab import contract
from stresslab.contract import (
    distance_to_margin_call,
    drop_to_leverage,
    drop_to_line,
    gap_shortfall,
    leverage,
    locked_drop,
    locked_shortfall,
    maintenance_ratio,
    percent,
    profit_split,
    ratio_of_initial_margin,
    ratio_of_multiple,
    return_on_equity,
    value_at_risk,
    wipe_out_drop,
)

RATIOS = st.fractions(min_value=Fraction(101, 100), max_value=20, max_denominator=10_000)
LEVERAGES = st.fractions(min_value=Fraction(101, 100), max_value=50, max_denominator=10_000)
DROPS = st.fractions(min_value=0, max_value=1, max_denominator=10_000)
RATES = st.fractions(min_value=-1, max_value=1, max_denominator=10_000)


def printed(value: Fraction, digits: int) -> str:
    """Return a number rounded half away from zero to so many digits, without a float on the way."""
    scale = 10**digits
    units = int(abs(value) * scale + Fraction(1, 2))
    return str((Decimal(units) / scale).quantize(Decimal(1) / scale) * (-1 if value < 0 else 1))


def in_percent(value: Fraction, digits: int = 4) -> str:
    return printed(value * 100, digits)


@pytest.mark.parametrize(
    ("line", "lever"),
    [
        ("150", "3.0000"), ("140", "3.5000"), ("130", "4.3333"), ("120", "6.0000"),
        ("115", "7.6667"), ("110", "11.0000"), ("107", "15.2857"), ("105", "21.0000"),
    ],
)
def test_leverage_at_a_line(line: str, lever: str) -> None:
    assert printed(leverage(percent(line)), 4) == lever


@given(RATIOS)
def test_leverage_and_ratio_are_each_others_inverse(ratio: Fraction) -> None:
    assert maintenance_ratio(leverage(ratio)) == ratio
    assert ratio_of_multiple(leverage(ratio) - 1) == ratio


@pytest.mark.parametrize(
    ("initial_margin", "lever", "ratio", "to_150", "to_140", "to_130"),
    [
        ("50", "3.00", "150", "0.0000", "6.6667", "13.3333"),
        ("80", "2.25", "180", "16.6667", "22.2222", "27.7778"),
        ("100", "2.00", "200", "25.0000", "30.0000", "35.0000"),
    ],
)
def test_exchange_margin_loans(
    initial_margin: str, lever: str, ratio: str, to_150: str, to_140: str, to_130: str
) -> None:
    start = ratio_of_initial_margin(percent(initial_margin))
    assert start == percent(ratio)
    assert printed(leverage(start), 2) == lever
    drops = [in_percent(drop_to_line(percent(line), start)) for line in ("150", "140", "130")]
    assert drops == [to_150, to_140, to_130]


PEIZI = [
    (1, "200.00", "35.0000", "42.5000", "45.0000", "46.5000", "50.0000"),
    (2, "150.00", "13.3333", "23.3333", "26.6667", "28.6667", "33.3333"),
    (3, "133.33", "2.5000", "13.7500", "17.5000", "19.7500", "25.0000"),
    (4, "125.00", "-4.0000", "8.0000", "12.0000", "14.4000", "20.0000"),
    (5, "120.00", "-8.3333", "4.1667", "8.3333", "10.8333", "16.6667"),
    (8, "112.50", None, "-2.2222", "2.2222", "4.8889", "11.1111"),
    (10, "110.00", None, None, "0.0000", "2.7273", "9.0909"),
]


@pytest.mark.parametrize(("multiple", "ratio", "to_130", "to_115", "to_110", "to_107", "wipe_out"), PEIZI)
def test_off_exchange_loans(
    multiple: int, ratio: str, to_130: str | None, to_115: str | None, to_110: str, to_107: str, wipe_out: str
) -> None:
    """None stands where the table says only that the line is broken from the start."""
    start = ratio_of_multiple(multiple)
    assert in_percent(start, 2) == ratio
    for line, expected in (("130", to_130), ("115", to_115), ("110", to_110), ("107", to_107)):
        drop = drop_to_line(percent(line), start)
        if expected is None:
            assert drop < 0
        else:
            assert in_percent(drop) == expected
    assert in_percent(wipe_out_drop(leverage(start))) == wipe_out
    assert drop_to_line(1, start) == wipe_out_drop(leverage(start))


@pytest.mark.parametrize(
    ("start", "at_20", "at_40", "at_60"),
    [
        (ratio_of_multiple(1), "0.0000", "0.0000", "20.0000"),
        (ratio_of_initial_margin(1), "0.0000", "0.0000", "20.0000"),
        (ratio_of_initial_margin(percent("80")), "0.0000", "0.0000", "28.0000"),
        (ratio_of_multiple(2), "0.0000", "10.0000", "40.0000"),
        (ratio_of_initial_margin(percent("50")), "0.0000", "10.0000", "40.0000"),
        (ratio_of_multiple(3), "0.0000", "20.0000", "46.6667"),
        (ratio_of_multiple(5), "4.0000", "28.0000", "52.0000"),
        (ratio_of_multiple(10), "12.0000", "34.0000", "56.0000"),
    ],
)
def test_shortfall_after_a_gap(start: Fraction, at_20: str, at_40: str, at_60: str) -> None:
    found = [in_percent(gap_shortfall(start, percent(drop))) for drop in ("20", "40", "60")]
    assert found == [at_20, at_40, at_60]


@pytest.mark.parametrize(
    ("multiple", "limit", "shortfalls"),
    [
        (3, "10", ("0.0000", "0.0000", "2.8000", "12.5200")),
        (5, "10", ("0.0000", "2.8000", "12.5200", "21.2680")),
        (10, "10", ("1.0000", "10.9000", "19.8100", "27.8290")),
        (5, "20", ("4.0000", "23.2000", "38.5600", "50.8480")),
        (10, "5", ("0.0000", "0.7250", "5.6888", "10.4043")),
    ],
)
def test_shortfall_after_locked_days(multiple: int, limit: str, shortfalls: tuple[str, ...]) -> None:
    start = ratio_of_multiple(multiple)
    found = tuple(in_percent(locked_shortfall(start, percent(limit), days)) for days in (1, 2, 3, 4))
    assert found == shortfalls


def test_locked_days_compound() -> None:
    assert locked_drop(percent("10"), 0) == 0
    assert locked_drop(percent("10"), 2) == percent("19")
    assert locked_shortfall(ratio_of_multiple(5), percent("10"), 0) == 0


@pytest.mark.parametrize(
    ("now", "most", "volatility", "drop", "distance"),
    [
        (Fraction(3), Fraction(13, 3), "3", "13.3333", "4.4444"),
        (Fraction(6), Fraction(11), "4", "8.3333", "2.0833"),
    ],
)
def test_distance_to_margin_call(now: Fraction, most: Fraction, volatility: str, drop: str, distance: str) -> None:
    assert in_percent(drop_to_leverage(now, most)) == drop
    assert printed(distance_to_margin_call(now, most, percent(volatility)), 4) == distance


def test_distance_to_margin_call_to_six_digits() -> None:
    assert printed(distance_to_margin_call(6, 11, percent("4")), 6) == "2.083333"


@given(LEVERAGES, LEVERAGES)
def test_a_drop_to_a_leverage_is_the_drop_to_its_line(now: Fraction, most: Fraction) -> None:
    assert drop_to_leverage(now, most) == drop_to_line(maintenance_ratio(most), maintenance_ratio(now))


@given(RATIOS, DROPS)
def test_a_shortfall_is_debt_less_collateral(ratio: Fraction, drop: Fraction) -> None:
    debt, collateral = Fraction(1), ratio * (1 - drop)
    assert gap_shortfall(ratio, drop) == max(0, debt - collateral) / debt
    assert (gap_shortfall(ratio, drop) > 0) == (drop > wipe_out_drop(leverage(ratio)))


def test_return_on_equity_of_the_worked_example() -> None:
    """Own 100, borrowed 200, assets +10%, loan 4%: 22%."""
    assert return_on_equity(percent("10"), percent("4"), 3) == percent("22")


@given(RATES, RATES, LEVERAGES)
def test_return_on_equity_is_what_is_left_over_what_was_put_in(r_a: Fraction, r_b: Fraction, lever: Fraction) -> None:
    own, total = Fraction(100), 100 * lever
    left = total * (1 + r_a) - (total - own) * (1 + r_b)
    assert return_on_equity(r_a, r_b, lever) == (left - own) / own


def test_profit_split_with_interest_on_the_exposure() -> None:
    """100,000 at 1:2, +10%, 6% for 30 days on the whole 300,000, fee 1% of gross, 70/30."""
    split = profit_split(
        own_money=100_000, leverage=3, asset_return=percent("10"), rate=percent("6"), days=30,
        interest_base="exposure", fee=percent("1"), client_share=percent("70"),
    )
    assert (split.gross, split.fee) == (30_000, 300)
    assert printed(split.interest, 2) == "1479.45"
    assert printed(split.net, 2) == "28220.55"
    assert (printed(split.client, 2), printed(split.platform, 2)) == ("19754.38", "8466.16")
    assert split.client + split.platform == split.net


def test_profit_split_with_interest_on_the_debt() -> None:
    """Only the 200,000 borrowed bear interest: 986.30, so 28,713.70 are shared."""
    split = profit_split(
        own_money=100_000, leverage=3, asset_return=percent("10"), rate=percent("6"), days=30,
        interest_base="debt", fee=percent("1"), client_share=percent("70"),
    )
    assert (printed(split.interest, 2), printed(split.net, 2)) == ("986.30", "28713.70")
    assert (printed(split.client, 2), printed(split.platform, 2)) == ("20099.59", "8614.11")


def test_a_loss_is_the_clients() -> None:
    split = profit_split(
        own_money=100_000, leverage=3, asset_return=percent("-10"), rate=percent("6"), days=30,
        interest_base="exposure", fee=percent("1"), client_share=percent("70"),
    )
    assert (split.gross, split.fee, split.platform) == (-30_000, 0, 0)
    assert split.client == split.net == -30_000 - split.interest


def test_value_at_risk_of_the_worked_example() -> None:
    assert value_at_risk(400_000, percent("2")) == 13_160


@pytest.mark.parametrize("broken", [lambda: leverage(1), lambda: maintenance_ratio(1), lambda: ratio_of_multiple(0),
                                    lambda: locked_drop(percent("10"), -1),
                                    lambda: profit_split(own_money=1, leverage=2, asset_return=0, rate=0, days=1,
                                                         interest_base="debt", fee=0, client_share=2)])
def test_what_makes_no_sense_is_refused(broken) -> None:
    with pytest.raises(ValueError, match=r"."):
        broken()


def test_the_contract_stands_alone() -> None:
    """It imports nothing of the package and opens no file."""
    tree = ast.parse(Path(contract.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "collections.abc", "dataclasses", "decimal", "fractions", "typing"}
