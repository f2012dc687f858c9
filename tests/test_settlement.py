"""Who gets what at the end of a contract: the worked figures, nothing lost to rounding, marks that never fall."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_contract import printed

from stresslab.contract import FALLS, gap_shortfall, loss_at, loss_table, ratio_of_multiple, risk_fee
from stresslab.settlement import Settlement, Sharing, interest, settle, shares

MONEY = st.integers(0, 2**44)
PARTS = st.fractions(0, 1, max_denominator=10_000)
FORMS = st.sampled_from(["fixed", "performance", "guaranteed"])


@st.composite
def sharings(draw) -> Sharing:
    form = draw(FORMS)
    guaranteed = draw(PARTS) if form == "guaranteed" else Fraction(0)
    return Sharing(form, draw(PARTS), guaranteed, draw(PARTS))


@st.composite
def settled(draw) -> tuple[Settlement, dict]:
    debt = draw(MONEY)
    collateral = draw(MONEY)
    terms = {
        "collateral_li": collateral, "selling_cost_li": draw(st.integers(0, collateral)), "debt_li": debt,
        "principal_li": draw(st.integers(0, debt)), "own_money_li": draw(MONEY), "sharing": draw(sharings()),
        "mark_li": draw(st.none() | MONEY), "remainder_to": draw(st.sampled_from(["client", "platform"])),
    }
    return settle(**terms), terms


def test_the_worked_split_to_the_printed_digit():
    charged = interest(200_000_000, 600, 30, base="exposure", exposure_li=300_000_000)
    made = settle(collateral_li=330_000_000, selling_cost_li=0, debt_li=200_000_000 + charged, principal_li=200_000_000,
                  own_money_li=100_000_000, sharing=Sharing("fixed", Fraction(70, 100), fee=Fraction(1, 100)))
    yuan = [printed(Fraction(v, 1000), 2) for v in (made.interest, made.fee, made.net, made.client - 100_000_000, made.platform - made.fee)]
    assert yuan == ["1479.45", "300.00", "28220.55", "19754.38", "8466.16"]
    other = settle(collateral_li=330_000_000, selling_cost_li=0, debt_li=200_000_000 + charged, principal_li=200_000_000,
                   own_money_li=100_000_000, sharing=Sharing("fixed", Fraction(70, 100), fee=Fraction(1, 100)), remainder_to="platform")
    assert (other.client, other.platform) == (made.client - 1, made.platform + 1)


def test_interest_on_the_debt_is_a_third_less_at_leverage_three():
    assert interest(200_000_000, 600, 30) == 986_301
    assert interest(200_000_000, 600, 0) == 0
    with pytest.raises(ValueError, match="days"):
        interest(1, 1, -1)


@given(sharings(), st.fractions(-1000, 1000), st.fractions(0, 1000), st.none() | st.fractions(0, 2000))
def test_shares_add_up_and_marks_never_fall(sharing, net, own, mark):
    found = shares(sharing, net, own, mark)
    assert found.client + found.platform == net
    assert found.mark >= max(own, mark or 0)
    if net > 0:
        assert found.client >= 0
        assert found.platform >= 0
    elif sharing.form != "guaranteed":
        assert found.platform == 0


@given(st.lists(st.fractions(-50, 50), max_size=12), PARTS)
def test_a_performance_fee_is_paid_once_for_each_height(results, client):
    """Falling and coming back to the mark costs nothing; all fees together are the share of the gains above the start."""
    sharing, mark, equity, paid = Sharing("performance", client), Fraction(100), Fraction(100), Fraction(0)
    for net in results:
        found = shares(sharing, net, equity, mark)
        assert found.mark >= mark
        assert (found.platform > 0) <= (equity + net > mark)
        paid += found.platform
        mark, equity = found.mark, equity + found.client
    assert paid >= 0
    if client == 1:
        assert paid == 0


def test_a_mark_is_passed_strictly():
    sharing = Sharing("performance", Fraction(8, 10))
    assert shares(sharing, 20, 100, 120).platform == 0
    assert shares(sharing, 21, 100, 120).platform == Fraction(1, 5)
    assert shares(sharing, 21, 100, 120).mark == 120 + Fraction(4, 5)


def test_a_guarantee_bears_its_part_of_the_loss_alone():
    sharing = Sharing("guaranteed", Fraction(7, 10), Fraction(4, 10))
    assert shares(sharing, -50, 100).platform == -20
    assert shares(sharing, 50, 100).platform == 15
    with pytest.raises(ValueError, match="guaranteed"):
        Sharing("fixed", guaranteed=Fraction(1, 10))
    with pytest.raises(ValueError, match="client_share"):
        Sharing(client_share=Fraction(11, 10))


@given(settled())
def test_nothing_is_lost_in_a_settlement(case):
    made, terms = case
    assert made.lender + made.platform + made.client == made.proceeds == terms["collateral_li"] - terms["selling_cost_li"]
    assert made.lender + made.deficit == terms["debt_li"]
    assert made.client >= 0
    assert made.fee >= 0
    assert made.deficit == 0 or made.lender == made.proceeds
    assert made.mark >= max(terms["own_money_li"], terms["mark_li"] or 0)
    if made.net > 0:
        assert made.platform >= made.fee


@given(settled())
def test_rounding_moves_less_than_one_li(case):
    made, terms = case
    exact = shares(terms["sharing"], made.net, terms["own_money_li"], terms["mark_li"])
    assert abs(made.client - terms["own_money_li"] - exact.client) < 1
    if terms["remainder_to"] == "client" and made.net > 0:
        assert made.client - terms["own_money_li"] >= exact.client


def test_a_settlement_refuses_what_cannot_be():
    good = {"collateral_li": 10, "selling_cost_li": 0, "debt_li": 5, "principal_li": 5, "own_money_li": 5, "sharing": Sharing()}
    assert settle(**good).client == 5
    for wrong in ({"collateral_li": -1}, {"principal_li": 6}, {"selling_cost_li": 11}):
        with pytest.raises(ValueError, match=r"must not|principal"):
            settle(**(good | wrong))


# --- the risk fee -------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "added"), [(0, 0), (2, 0), (3, "0.5"), (5, "0.5"), (6, 1), (100, 2)])
def test_the_last_step_reached_counts(value, added):
    assert risk_fee([(3, Fraction(1, 2)), (6, 1), (12, 2)], value) == Fraction(added)


# --- the scenario loss table --------------------------------------------------------------------

TERMS = {"cash_li": 0, "shares_li": 400_000_000, "debt_li": 300_000_000, "warning_bp": 12_000, "liquidation_bp": 11_000,
         "restore_bp": 12_000}


def test_a_call_begins_strictly_below_the_line():
    on, below = loss_at(10, **TERMS), loss_at(10, **(TERMS | {"shares_li": 399_999_990}))
    assert (on.ratio, on.margin_call) == (Fraction(6, 5), 0)
    assert below.margin_call == 9
    exact = TERMS | {"shares_li": 330_000_000}
    assert loss_at(0, **exact).forced_sale == 0
    assert loss_at(0, **(exact | {"shares_li": 329_999_999})).forced_sale > 0


@pytest.mark.parametrize("multiple", [1, 2, 3, 5, 10])
def test_deficits_before_costs_are_the_gap_shortfalls(multiple):
    debt = multiple * 100_000_000
    terms = TERMS | {"shares_li": debt + 100_000_000, "debt_li": debt}
    for loss in loss_table(**terms):
        exact = gap_shortfall(ratio_of_multiple(multiple), Fraction(loss.fall_pct, 100)) * debt
        assert loss.deficit_plain == exact
        assert loss.deficit == exact
        assert loss.equity - loss.deficit == loss.collateral - debt


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 2**40), st.integers(10_000, 20_000), st.integers(0, 3_000),
       st.integers(0, 2_000), st.booleans())
def test_the_loss_table_falls_with_prices(cash, value, debt, line, above, cost, full):
    terms = {"cash_li": cash, "shares_li": value, "debt_li": debt, "warning_bp": line + above, "liquidation_bp": line,
                 "restore_bp": line + above, "cost_bp": cost, "full_sale": full}
    table = loss_table(**terms)
    assert [t.fall_pct for t in table] == list(FALLS)
    for one in table:
        assert one.equity - one.deficit == one.collateral - debt - one.selling_cost
        assert min(one.equity, one.deficit) == 0
        assert one.forced_sale <= one.collateral
        assert bool(one.margin_call) <= (one.collateral * 10_000 < (line + above) * debt)
    for left, right in itertools.pairwise(table):
        assert right.collateral <= left.collateral
        assert right.margin_call >= left.margin_call
        assert right.deficit_plain >= left.deficit_plain


@given(st.integers(10**6, 2**40), st.integers(11_000, 15_000), st.integers(0, 3_000), st.integers(0, 200), st.integers(0, 60))
def test_a_partial_sale_brings_the_account_back_to_its_line(debt, line, above, cost, fall):
    terms = {"cash_li": 0, "shares_li": debt * 3 // 2, "debt_li": debt, "warning_bp": line + above, "liquidation_bp": line,
                 "restore_bp": line + above, "cost_bp": cost}
    one = loss_at(fall, **terms)
    if 0 < one.forced_sale < one.collateral:
        held, owed = one.collateral - one.forced_sale, debt - (one.forced_sale - one.selling_cost)
        # One more 厘 of cost than the rule supposes, for it rounds up.
        assert (held + 2) * 10_000 >= (line + above) * (owed - 1)
