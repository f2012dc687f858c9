"""The laws of impact against published figures, and what every law must obey (M-24)."""

from __future__ import annotations

import math

import pytest
from foreign_market import share
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stresslab.kernels import liquidity, prices
from stresslab.kernels.liquidity import (
    IMPACT_ALMGREN,
    IMPACT_EXPONENTIAL,
    IMPACT_LINEAR,
    IMPACT_NONE,
    IMPACT_SQRT,
    Impact,
)

LAWS = (IMPACT_NONE, IMPACT_SQRT, IMPACT_LINEAR, IMPACT_EXPONENTIAL, IMPACT_ALMGREN)
QUANTITIES = st.integers(0, 2**40)


def exactly(printed: str) -> object:
    """Return a printed figure to within half a unit of its last digit."""
    digits = len(printed.partition(".")[2])
    return pytest.approx(float(printed), rel=0, abs=0.5 * 10**-digits * (1 + 1e-9))


# --- Almgren, Thum, Hauptmann and Li 2005 ---------------------------------------------------------

#: Shares a day, shares outstanding, daily volatility: what the paper's own example sells a tenth of a day's volume of.
IBM, DRI = (6_561_000, 1_728_000_000, 0.0157), (1_929_000, 168_000_000, 0.0226)


@pytest.mark.parametrize(
    ("stock", "fraction", "lasting", "passing", "cost"),
    [
        (IBM, 0.1, "19.8597", "22.2940", "32.2239"), (IBM, 0.2, "19.8597", "14.7086", "24.6384"),
        (IBM, 0.5, "19.8597", "8.4880", "18.4179"), (DRI, 0.1, "21.6787", "32.0920", "42.9313"),
        (DRI, 0.2, "21.6787", "21.1728", "32.0122"), (DRI, 0.5, "21.6787", "12.2184", "23.0577"),
    ],
)
def test_almgren_table(stock: tuple[int, int, float], fraction: float, lasting: str, passing: str, cost: str) -> None:
    """Permanent I, temporary K and cost J = I / 2 + K in bp; the paper prints 20, 22, 32 and so on."""
    volume, outstanding, sigma = stock
    i = liquidity.permanent(sigma, (outstanding / volume) ** 0.25, volume // 10, volume)
    k = liquidity.temporary(sigma, fraction, volume // 10, volume)
    assert 10_000 * i == exactly(lasting)
    assert 10_000 * k == exactly(passing)
    assert 10_000 * (i / 2 + k) == exactly(cost)


@pytest.mark.parametrize(("stock", "lasting_bp"), [(IBM, 4711), (DRI, 4031)])
def test_almgren_is_split_into_what_stays_and_what_passes(stock: tuple[int, int, float], lasting_bp: int) -> None:
    """The fall is Y (I + K), of which I / (I + K) stays: 19.8597 / 42.1537 and 21.6787 / 53.7707, whatever Y is."""
    volume, outstanding, sigma = stock
    theta = (outstanding / volume) ** 0.25
    record = share(1000, volume, sigma, theta)
    for scale in (1.0, 0.5, 2.0):
        law = Impact(IMPACT_ALMGREN, scale, 0.0, 0.1, 10_000)
        both = liquidity.permanent(sigma, theta, volume // 10, volume) + liquidity.temporary(sigma, 0.1, volume // 10, volume)
        assert liquidity.fall(law, record, 1000, volume // 10) == scale * both
        assert liquidity.lasting_bp(law, record, volume // 10) == lasting_bp


@given(st.integers(1, 2**40), st.integers(1, 2**40), st.floats(0.001, 1), st.floats(0.1, 10), st.floats(0.01, 1))
def test_the_two_parts_of_almgren_are_all_of_it(quantity: int, volume: int, sigma: float, theta: float, fraction: float) -> None:
    """What stays, in whole bp rounded down, and what passes are the fall."""
    record = share(1000, volume, sigma, theta)
    lasting = liquidity.lasting_bp(Impact(IMPACT_ALMGREN, 1.0, 0.0, fraction), record, quantity)
    i, k = 0.314 * sigma * quantity / volume * theta, 0.142 * sigma * (quantity / (volume * fraction)) ** 0.6
    assert lasting <= 10_000 * i / (i + k) * (1 + 1e-9)
    assert lasting + 1 >= 10_000 * i / (i + k) * (1 - 1e-9)
    assert liquidity.fall(Impact(IMPACT_ALMGREN, 1.0, 0.0, fraction), record, 1000, quantity) == pytest.approx(i + k, rel=1e-12)


@pytest.mark.parametrize("law", LAWS[:4])
def test_of_other_laws_the_scenario_says_what_stays(law: int) -> None:
    assert liquidity.lasting_bp(Impact(law, 1.0, 0.5, 1.0, 3_000), share(1000, 100, 0.02), 50) == 3_000


def test_nothing_stays_of_no_fall() -> None:
    """I + K = 0: no sale, or no volatility."""
    law = Impact(IMPACT_ALMGREN, 1.0, 0.0, 1.0, 3_000)
    assert liquidity.lasting_bp(law, share(1000, 100, 0.02), 0) == 0
    assert liquidity.lasting_bp(law, share(1000, 100, 0.0), 50) == 0


# --- square root and depth ------------------------------------------------------------------------


@pytest.mark.parametrize(("quantity", "fall_bp"), [(1, "20.0000"), (10, "63.2456"), (25, "100.0000"), (100, "200.0000")])
def test_square_root_law(quantity: int, fall_bp: str) -> None:
    """σ = 2%, Y = 1: 1, 10, 25 and 100% of a day's volume cost 20 to 200 bp; Y scales that."""
    found = liquidity.fall(Impact(IMPACT_SQRT), share(1000, 100, 0.02), 1000, quantity)
    assert 10_000 * found == exactly(fall_bp)
    assert liquidity.fall(Impact(IMPACT_SQRT, 1.5), share(1000, 100, 0.02), 1000, quantity) == pytest.approx(1.5 * found, rel=1e-15)


@pytest.mark.parametrize(
    ("law", "fall_pct"), [(Impact(IMPACT_LINEAR, 0.4), "5.000"), (Impact(IMPACT_EXPONENTIAL, 0.4, 0.5), "4.758129")]
)
def test_depths(law: Impact, fall_pct: str) -> None:
    """Depth c ADV / σ = 0.4 × 10⁹ / 2% = 2 × 10¹⁰: selling 10⁹ costs 5%, with a floor at half the price 4.758129%."""
    assert 100 * liquidity.fall(law, share(1000, 1_000_000_000, 0.02), 1000, 1_000_000_000) == exactly(fall_pct)


def test_linear_depth_is_linear() -> None:
    """A fifth of a day's volume costs a fifth, to the last bit of a double."""
    law = Impact(IMPACT_LINEAR, 0.4)
    assert liquidity.fall(law, share(1000, 1_000_000, 0.02), 1000, 1_000_000) == pytest.approx(0.05, rel=1e-15)
    assert liquidity.fall(law, share(1000, 1_000_000, 0.02), 1000, 200_000) == pytest.approx(0.01, rel=1e-15)


@pytest.mark.parametrize(
    ("opening", "room"),
    [(2000, 0.75), (1000, 0.5), (800, 0.375), (501, 1 / 501), (500, 0.0), (499, 0.0), (10, 0.0)],
)
def test_exponential_room_is_what_lies_above_the_floor(opening: int, room: float) -> None:
    """With a floor at half the book's 1,000: selling without end takes 1 − 500 / p₀ off a price, nothing at or below 500."""
    law, stock = Impact(IMPACT_EXPONENTIAL, 0.4, 0.5), share(1000, 100, 0.02)
    assert liquidity.fall(law, stock, opening, 10**9) == pytest.approx(room, rel=1e-13)
    # The slope at the start is room / δ with δ = (1 − ½) × 0.4 × 100 / 2% = 1,000 shares.
    deep = share(1000, 10**11, 0.02)
    assert liquidity.fall(law, deep, opening, 10**6) == pytest.approx(room * (1 - math.exp(-1e-6)), rel=1e-9)


@given(
    st.integers(1, 2**31 - 1), st.sampled_from((1, 10)), st.integers(1, 8000), st.floats(0, 0.99), QUANTITIES, st.integers(1, 2**40),
    st.floats(0, 1), st.floats(0.01, 10),
)
@example(1000, 10, 1000, 0.5, 2**40, 1, 1.0, 0.01)
def test_exponential_never_passes_its_floor(
    book: int, tick: int, opening_pm: int, floor: float, quantity: int, volume: int, sigma: float, coefficient: float
) -> None:
    """On ticks: the floor rounded as prices are. A price below it stays where it is."""
    opening = max(tick, book * opening_pm // 1000 // tick * tick)
    drop = liquidity.fall(Impact(IMPACT_EXPONENTIAL, coefficient, floor), share(book, volume, sigma), opening, quantity)
    after = liquidity.price_after(opening, opening, 1, tick, drop)
    assert 0.0 <= drop <= 1.0
    if opening <= floor * book:
        assert drop == 0.0
        assert after == opening
    else:
        assert after >= math.floor(floor * book / tick * (1 - 1e-12) + 0.5) * tick


# --- what every law obeys -------------------------------------------------------------------------


@pytest.mark.parametrize("law", LAWS)
def test_nothing_sold_moves_nothing(law: int) -> None:
    """Nor does less than nothing: natural buyers that want more than is sold."""
    impact, stock = Impact(law, 1.0, 0.5), share(1000, 100, 0.02, 3.0)
    for quantity in (0, -1, -(10**9)):
        assert liquidity.fall(impact, stock, 1000, quantity) == 0.0
    assert liquidity.price_after(1000, 1000, 1, 10, liquidity.fall(impact, stock, 1000, 0)) == 1000
    assert (liquidity.fall(impact, stock, 1000, 1) > 0.0) == (law != IMPACT_NONE)


def test_a_law_alone_changes_nothing_else() -> None:
    """By default a coefficient of 1, no floor, the whole day, nothing that stays and nothing left the next day."""
    assert Impact(IMPACT_SQRT) == (IMPACT_SQRT, 1.0, 0.0, 1.0, 0, 0)


@pytest.mark.parametrize("law", LAWS)
def test_calm_shares_do_not_move(law: int) -> None:
    """σ = 0."""
    assert liquidity.fall(Impact(law, 1.0, 0.5), share(1000, 100, 0.0, 3.0), 1000, 50) == 0.0


@pytest.mark.parametrize(
    ("law", "power"), [(IMPACT_SQRT, 0.5), (IMPACT_LINEAR, 1.0), (IMPACT_EXPONENTIAL, 1.0), (IMPACT_ALMGREN, 0.6)]
)
def test_small_sales_follow_a_power(law: int, power: float) -> None:
    """From one share in 10⁸ to a hundred the fall grows by 100 to the power of the law; without a jump at the start.

    Of `almgren` the temporary part: next to no shares are outstanding.
    """
    impact, stock = Impact(law, 1.0, 0.5, 0.1), share(1000, 10**8, 0.02, 1e-6)
    one, hundred = liquidity.fall(impact, stock, 1000, 1), liquidity.fall(impact, stock, 1000, 100)
    assert 0.0 < one < 1e-5
    # A fall of 4 × 10⁻¹⁰ is the difference of two numbers near 1, so known to 2⁻⁵³ / 4 × 10⁻¹⁰ of itself.
    assert hundred / one == pytest.approx(100**power, rel=1e-6)


@given(
    st.sampled_from(LAWS), st.integers(1, 2**31 - 1), st.sampled_from((1, 10)), st.integers(0, 2**39), st.integers(0, 2**39),
    st.integers(1, 2**40), st.floats(0, 1), st.floats(0.01, 10), st.floats(0.01, 20), st.integers(1, 100),
)
def test_two_sales_cost_what_one_does(
    law: int, opening: int, tick: int, first: int, second: int, volume: int, sigma: float, coefficient: float, theta: float,
    low_pct: int,
) -> None:
    """A day's impact is that of its cumulative quantity: however it is cut into rounds, the last price is the same."""
    opening = max(tick, opening // tick * tick)
    low = opening * low_pct // 100 // tick * tick
    impact, stock = Impact(law, coefficient, 0.5, 0.25), share(opening, volume, sigma, theta)
    part = liquidity.fall(impact, stock, opening, first)
    whole = liquidity.fall(impact, stock, opening, first + second)
    assert 0.0 <= part <= whole
    half_way = liquidity.price_after(opening, opening, low, tick, part)
    at_once = liquidity.price_after(opening, opening, low, tick, whole)
    assert at_once <= half_way <= opening
    assert liquidity.price_after(opening, half_way, low, tick, whole) == at_once


@given(st.sampled_from(LAWS[1:]), st.integers(1, 2**20), st.floats(0.001, 0.5), st.sampled_from((2, 4, 8)))
def test_a_market_many_times_as_large_takes_as_many_times_more(law: int, quantity: int, sigma: float, times: int) -> None:
    """Only the share of a day's volume counts, not its size."""
    impact = Impact(law, 0.7, 0.5, 0.25)
    small = liquidity.fall(impact, share(1000, 2**20, sigma, 2.0), 1000, quantity)
    assert liquidity.fall(impact, share(1000, times * 2**20, sigma, 2.0), 1000, times * quantity) == small


@given(st.integers(1, 10_000), st.integers(0, 10_000), st.integers(1, 9_999))
def test_what_stays_and_what_passes_are_remembered(before: int, lasting_bp: int, after: int) -> None:
    """What stays goes into keep, the rest into gap: together they take off what the day's sales did, to a rounding."""
    assume(after < before)
    drop = (before - after) * prices.PPB // before
    keep, gap = prices.decay(prices.PPB, 0, drop, lasting_bp)
    stays = drop * lasting_bp // 10_000
    assert (prices.PPB - keep, gap) == (stays, drop - stays)
