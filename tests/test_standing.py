"""Limits, liquidity, suitability and the life of contracts on a small book, every figure worked by hand."""

from __future__ import annotations

import datetime
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stresslab import check, read_book, verbs
from stresslab.book import demo_book
from stresslab.book.life import NAMES, NEXT, may_follow, rates_on_debt
from stresslab.book.liquidity import lenders, platform_liquidity
from stresslab.book.standing import lines_of, standing
from stresslab.book.suitability import RULES, broken_rules
from stresslab.book.terms import find_account, settle_account
from stresslab.faults import InputError
from stresslab.glossary import STATES
from stresslab.limits import FIGURES, Limits, decimal_text, read_limits
from stresslab.market import read_market
from stresslab.resolve import line_available, resolve
from stresslab.scenario import read_scenario

BASE = Path(__file__).parent / "invalid" / "base"
LIMITS = read_limits()
YUAN = 1000


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(BASE, tmp_path / "book")
    return tmp_path / "book"


def with_columns(folder: Path, table: str, columns: dict[str, dict[str, str]]):
    """The book of a folder with more columns in a table: by the first cell of a row."""
    path = folder / f"{table}.csv"
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    lines = [",".join([head, *columns])]
    for row in rows:
        first = row.split(",")[0]
        lines.append(",".join([row, *(cells.get(first, "") for cells in columns.values())]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_book(folder)


def facts_of(book):
    lines = line_available(book.tables["platforms"], book.as_of)
    return [platform_liquidity(one) for one in lenders(book, lines, LIMITS)]


# --- liquidity ----------------------------------------------------------------------------------


def test_a_platform_by_hand(folder):
    (facts, figures), _ = facts_of(read_book(folder))
    # 80,000 of free cash, of which 60,000 are segregated, and 120,000 of an investor; 100,000 cash, 47,500 from the pool.
    assert facts["tiers_li"] == {"cash": 100_000 * YUAN, "pool": 47_500 * YUAN, "line": 0}
    assert facts["due_li"]["7"] == {"funding": 0, "claims": 140_000 * YUAN, "total": 140_000 * YUAN, "claims_netted": 140_000 * YUAN}
    assert figures["cash_coverage_7d_pct"] == figures["cash_coverage_30d_pct"] == Fraction(14_750, 140)
    # 30% of 20,000 and 20% of 120,000 leave; of half of 900,000 only three quarters of that count.
    assert facts["flows_li"] == {"claims": 30_000 * YUAN, "funding": 0, "outflow": 30_000 * YUAN, "inflow": 450_000 * YUAN,
                                 "net": 7_500 * YUAN}
    assert figures["lcr_pct"] == Fraction(14_750_000, 7_500)
    assert figures["net_outflow_pct"] == Fraction(3_000_000, 147_500)
    assert figures["liquid_pool_pct"] == Fraction(5_000, 140)
    assert figures["survival_days"] is None
    assert (figures["top1_client_pct"], figures["client_hhi_pct"]) == (60, 52)
    assert figures["top1_funder_pct"] == 100
    # S1 912,000; S2 310,500 + 621,000.
    assert figures["top1_instrument_pct"] == figures["top1_sector_pct"] == Fraction(93_150_000, 1_843_500)
    assert facts["concentration"]["instrument"]["top"] == [["S2", 931_500 * YUAN], ["S1", 912_000 * YUAN]]
    weighted = -(-600_000_000 * 1_222_500 // 1_272_500) + -(-300_000_000 * 621_000_000 // 622_000_500)
    assert facts["risk_weighted_li"] == weighted == 875_941_807
    assert facts["risk_weights"] == [[0, 23_575_638 + 482_555], [10_000, 576_424_361 + 299_517_444]]
    assert figures["capital_ratio_pct"] == Fraction(35_000_000_000, 875_941_807)
    assert figures["foreign_buffer_pct"] is None
    assert figures["high_leverage_pct"] == 0


def test_the_other_platform_by_hand(folder):
    _, (facts, figures) = facts_of(read_book(folder))
    assert facts["tiers_li"] == {"cash": 20_000 * YUAN, "pool": 9_500 * YUAN, "line": 40_000 * YUAN}
    assert figures["cash_coverage_7d_pct"] == Fraction(2_950, 150)
    assert figures["cash_coverage_30d_pct"] == Fraction(2_950, 360)
    assert figures["lcr_pct"] == Fraction(295, 6)  # 30,000 + 210,000 out, 200,000 in of which 180,000 count
    assert facts["redemptions"][1] == {
        "share_pct": 30, "need": 45_000 * YUAN, "cash": 20_000 * YUAN, "pool": 9_500 * YUAN, "line": 15_500 * YUAN, "short": 0}
    ladder = facts["ladder"]
    assert [v // YUAN for v in ladder["assets_li"]] == [29_500, 400_000, 0, 0, 0, 0]
    assert [v // YUAN for v in ladder["liabilities_li"]] == [0, 150_000, 210_000, 0, 0, 0]
    assert [v // YUAN for v in ladder["gap_li"]] == [29_500, 279_500, 69_500, 69_500, 69_500, 69_500]
    # 10 of 50 thousand are drawn, the rest is committed: nothing is only promised.
    assert facts["promised_line_li"] == 0


def test_foreign_money_is_buffered_by_cash_and_pool(folder):
    """29,500 of cash and pool against claims of 75,000 that leave after a week; a month's notice and one day more asks for nothing."""
    table = folder / "claims.csv"
    head, *rows = table.read_text(encoding="utf-8").splitlines()
    for notice, wanted in ((7, Fraction(2_950, 75)), (30, Fraction(2_950, 75)), (31, None)):
        split = [f"C3,P2,investor,75000,{notice},true", "C4,P2,investor,75000,7,false"]
        kept = [f"{row}," for row in rows if not row.startswith("C3,P2")]
        table.write_text("\n".join([f"{head},foreign", *kept, *split]) + "\n", encoding="utf-8")
        _, (facts, figures) = facts_of(read_book(folder))
        assert facts["foreign_month_li"] == (75_000 * YUAN if wanted else 0)
        assert figures["foreign_buffer_pct"] == wanted


def test_a_promised_line_pays_nothing(folder):
    table = folder / "platforms.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("50000,true,10000,2027-01-31", "50000,false,0,"), encoding="utf-8")
    _, (facts, figures) = facts_of(read_book(folder))
    assert (facts["tiers_li"]["line"], facts["promised_line_li"]) == (0, 50_000 * YUAN)
    # 13 days of 1,000 and 210,000 on day 20, three quarters of it covered by loans: 55,750 against 29,500.
    assert figures["survival_days"] == 19


def test_claims_are_netted_against_the_same_clients_debt(folder):
    book = with_columns(folder, "accounts", {"client_id": {"A1": "C2"}})
    (facts, _), _ = facts_of(book)
    assert facts["due_li"]["7"]["claims_netted"] == 20_000 * YUAN
    table = folder / "accounts.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("A1,P1,retail,50000,600000", "A1,P1,retail,50000,0"), encoding="utf-8")
    funding = folder / "funding.csv"
    funding.write_text(funding.read_text(encoding="utf-8").replace("F1a,P1,F1,bank,300000,3.1,fixed,365,365,1\n", "")
                       .replace("F1,P1,,nonbank,500000", "F1,P1,,nonbank,0"), encoding="utf-8")
    platforms = folder / "platforms.csv"
    platforms.write_text(platforms.read_text(encoding="utf-8").replace("P1,350000,", "P1,250000,"), encoding="utf-8")
    (facts, _), _ = facts_of(read_book(folder))
    assert facts["due_li"]["7"]["claims_netted"] == 140_000 * YUAN


def test_set_off_knows_the_group_of_a_client(folder):
    claims = folder / "claims.csv"
    rows = claims.read_text(encoding="utf-8").replace("notice_days\n", "notice_days,group_id\n").replace(",0\n", ",0,G\n")
    claims.write_text(rows.replace("120000,3\n", "120000,3,G\n").replace("150000,7\n", "150000,7,\n"), encoding="utf-8")
    book = with_columns(folder, "accounts", {"client_id": {"A1": "C1"}})
    (facts, figures), _ = facts_of(book)
    # The account of C1 owes 600,000, and C1 and C2 are one group.
    assert facts["due_li"]["7"]["claims_netted"] == 0
    assert figures["top1_client_pct"] == 100


def test_weights_and_maturities_come_from_the_book(folder):
    with_columns(folder, "instruments", {"risk_weight_pct": {"S2": "150"}})
    book = with_columns(folder, "accounts", {"maturity_date": {"A1": "2026-07-30", "A2": "2026-08-01", "A3": "2026-01-01"}})
    (facts, figures), (other, _) = facts_of(book)
    assert [w for w, _ in facts["risk_weights"]] == [0, 10_000, 15_000]
    one = -(-600_000 * (912_000 * 2 + 310_500 * 3) * 1000 // (2 * 1_272_500))
    two = -(-300_000_000 * 621_000_000 * 3 // (2 * 622_000_500))
    assert facts["risk_weighted_li"] == one + two
    # 30 days: inside the third bucket; 32 days: in the fourth; matured: on call.
    assert [v // YUAN for v in facts["ladder"]["assets_li"]] == [147_500, 0, 600_000, 300_000, 0, 0]
    assert other["ladder"]["assets_li"][1] == 400_000 * YUAN
    assert facts["flows_li"]["inflow"] == 300_000 * YUAN
    assert figures["capital_ratio_pct"] < 40


def test_every_figure_that_may_be_limited_is_computed():
    book = demo_book(60)
    for _, figures in facts_of(book):
        assert set(FIGURES) <= set(figures)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 90))
def test_facts_add_up_on_any_demo_book(seed, accounts):
    book = demo_book(accounts, seed)
    for (facts, figures), name in zip(facts_of(book), book.tables["platforms"]["platform_id"], strict=True):
        mine = book.tables["accounts"]["platform_id"] == name
        loans = int(book.tables["accounts"]["debt_li"][mine].sum())
        assert facts["loans_li"] == loans
        liquid = facts["tiers_li"]["cash"] + facts["tiers_li"]["pool"]
        assert sum(facts["ladder"]["assets_li"]) == liquid + loans
        assert facts["ladder"]["gap_li"][-1] == liquid + loans - sum(facts["ladder"]["liabilities_li"])
        assert 0 <= loans - sum(v for _, v in facts["risk_weights"]) < 300 * accounts  # parts of loans round down
        assert facts["risk_weighted_li"] <= loans
        for asked in facts["redemptions"]:
            assert asked["cash"] + asked["pool"] + asked["line"] + asked["short"] == asked["need"]
        assert figures["top1_client_pct"] <= figures["top3_client_pct"] <= figures["top5_client_pct"] <= 100
        assert facts["due_li"]["7"]["claims_netted"] <= facts["due_li"]["7"]["claims"] <= facts["due_li"]["30"]["claims"]


# --- lights -------------------------------------------------------------------------------------


def test_a_value_on_the_line_is_inside():
    least = next(one for one in LIMITS.limits if one.name == "lcr_pct")
    most = next(one for one in LIMITS.limits if one.name == "top1_client_pct")
    little = Fraction(1, 10**9)
    assert [least.light(v) for v in (Fraction(120), 120 - little, Fraction(100), 100 - little)] == ["green", "amber", "amber", "red"]
    assert [most.light(v) for v in (Fraction(10), 10 + little, Fraction(20), 20 + little)] == ["green", "amber", "amber", "red"]
    assert least.light(None) == most.light(None) == "green"


def test_standing_says_what_is_not_green(folder):
    book = read_book(folder)
    said = standing(book, line_available(book.tables["platforms"], book.as_of), LIMITS)
    told = lines_of(said)
    assert ("red", "P1: Largest client group, share of claims (最大客户集团占债权) 60% is above 20%") in told
    assert ("red", "P2: 1 account: no risk assessment (无风险评估): A3") in told
    assert not [text for light, text in told if light == "green"]


def test_red_comes_before_amber():
    book = demo_book(120)
    said = standing(book, line_available(book.tables["platforms"], book.as_of), LIMITS)
    for platform in said["platforms"]:
        lights = [one["light"] for one in (*platform["limits"], *platform["accounts"]) if one["light"] != "green"]
        told = [light for light, text in lines_of(said) if text.startswith(platform["platform_id"])]
        assert told == sorted(lights, reverse=True)
    assert any(lights != sorted(lights, reverse=True) for lights in (
        [one["light"] for one in (*p["limits"], *p["accounts"]) if one["light"] != "green"] for p in said["platforms"]))


@given(st.fractions(-1000, 1000), st.integers(0, 6))
def test_decimal_text_rounds_to_the_nearest(value, digits):
    assert abs(Fraction(decimal_text(value, digits)) - value) <= Fraction(1, 2 * 10**digits)


# --- suitability and budgets --------------------------------------------------------------------


def broken_of(book, rule: str, limits: Limits = LIMITS) -> list[str]:
    hit = broken_rules(book, limits)[rule]
    return list(book.tables["accounts"]["account_id"][hit])


@pytest.mark.parametrize(("grade", "day", "rule"), [
    ("C3", "2025-06-30", None),  # a year ago to the day: still good
    ("C3", "2025-06-29", "assessment_expired"),
    ("C3", "", "assessment_missing"),
    ("", "2026-06-01", "assessment_missing"),
    ("bold", "2026-06-01", "assessment_missing"),
    ("C2", "2026-06-01", "grade_too_low"),
    ("C5", "2026-06-30", None),
])
def test_an_assessment_ages(folder, grade, day, rule):
    book = with_columns(folder, "accounts", {"risk_grade": {"A1": grade}, "assessed_on": {"A1": day}})
    found = {r.name for r in RULES if r.formula == "M-115" and "A1" in broken_of(book, r.name)}
    assert found == ({rule} if rule else set())


def test_leverage_caps_are_passed_strictly(folder):
    # A1: 1,272,500 of collateral against 600,000: leverage 1.8921….
    book = with_columns(folder, "accounts", {"leverage_cap": {"A1": "1.89", "A2": "1.94", "A3": "2.68"}})
    assert broken_of(book, "leverage_above_own_cap") == ["A1", "A3"]
    assert broken_of(book, "leverage_above_type_cap") == []
    tight = LIMITS.model_copy(update={"leverage_cap": LIMITS.leverage_cap.model_copy(update={"retail": 1})})
    assert broken_of(book, "leverage_above_type_cap", tight) == ["A1"]


@pytest.mark.parametrize(("cap", "above"), [("2", []), ("1.99", ["A1"])])
def test_leverage_exactly_at_the_cap_is_allowed(folder, cap, above):
    # A1: 288,000 and 60,000 × 15.20 are 1,200,000 against 600,000: leverage 2.
    for table, old, new in (("accounts", "A1,P1,retail,50000,", "A1,P1,retail,288000,"), ("positions", "A1,S2,10000,", "A1,S2,0,")):
        path = folder / f"{table}.csv"
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    book = with_columns(folder, "accounts", {"leverage_cap": {"A1": cap}})
    assert broken_of(book, "leverage_above_own_cap") == above


def test_risk_budgets_of_account_and_type(folder):
    # A3 holds 617,000 of one fund with an equity of 237,000: 260% of it in one position, above 200% of professionals.
    book = read_book(folder)
    assert broken_of(book, "order_above_budget") == ["A1", "A3"]  # A1, retail: 912,000 against 672,500
    book = with_columns(folder, "accounts", {
        "order_limit_pct": {"A1": "150", "A3": "260"}, "daily_loss_limit_pct": {"A3": "5.93"},
        "own_money_yuan": {"A1": "1000000", "A2": "2146670"}, "stop_loss_pct": {"A1": "33", "A2": "85"},
    })
    assert broken_of(book, "order_above_budget") == ["A3"]  # 617,000 / 237,000 is 260.3%
    # 1.645 × 22% / √252 × 617,000 / 237,000 = 5.935%
    assert broken_of(book, "daily_loss_above_budget") == ["A3"]
    # A1 lost 327,500 of 1,000,000, less than 33%; A2 has 322,000.5 left of 2,146,670, exactly 85% lost: the stop is reached.
    assert broken_of(book, "stop_loss_reached") == ["A2"]


def test_dates_and_states_are_findings(folder):
    book = with_columns(folder, "accounts", {
        "maturity_date": {"A1": "2026-06-29", "A2": "2026-06-30"}, "status": {"A1": "trading", "A3": "called"}})
    assert broken_of(book, "past_maturity") == ["A1"]
    assert broken_of(book, "state_behind") == []
    for name in ("A2", "A3"):
        assert name not in broken_of(book, "traded_too_early")


def test_an_account_without_debt_breaks_nothing():
    book = demo_book(60)
    book.tables["accounts"]["debt_li"] = 0
    assert not any(hit.any() for hit in broken_rules(book, LIMITS).values())


# --- the life of a contract ---------------------------------------------------------------------


def test_the_table_of_states_is_whole():
    assert set(NEXT) == set(NAMES) == set(STATES)
    for earlier, later in NEXT.items():
        assert earlier not in later
        assert set(later) <= set(STATES)
        assert may_follow(earlier, earlier)
    # From the application every state can be reached, and no end is left again.
    assert all(may_follow("applied", state) for state in STATES)
    assert [s for s in STATES if not NEXT[s]] == ["settled", "closed"]
    assert not may_follow("settled", "trading")
    assert not may_follow("trading", "closed")
    assert not may_follow("deficit", "trading")
    assert may_follow("signed", "deficit")


@given(st.sampled_from(STATES), st.sampled_from(STATES), st.sampled_from(STATES))
def test_what_may_follow_is_transitive(a, b, c):
    if may_follow(a, b) and may_follow(b, c):
        assert may_follow(a, c)


def test_an_earlier_book_must_lead_to_this_one(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "earlier")
    with_columns(tmp_path / "earlier", "accounts", {"status": {"A1": "trading", "A2": "called", "A3": "liquidating"}})
    with_columns(folder, "accounts", {"status": {"A1": "called", "A2": "trading", "A3": "trading"}})
    assert check(folder, since=tmp_path / "earlier").lines
    with pytest.raises(InputError) as error:
        check(tmp_path / "earlier", since=_settled(tmp_path))
    assert [str(f) for f in error.value.faults] == [
        "accounts.csv row 2, status = 'trading': cannot follow the state settled (结清) of the earlier book; after settled comes nothing",
    ]


def _settled(tmp_path: Path) -> Path:
    """The base book with its first account settled, and a platform that lends that much less."""
    folder = tmp_path / "settled"
    shutil.copytree(BASE, folder)
    for table, old, new in (
        ("accounts", "A1,P1,retail,50000,600000", "A1,P1,retail,50000,0"),
        ("positions", "A1,S1,60000,60000\nA1,S2,10000,\n", ""),
        ("platforms", "P1,350000,60000,100000", "P1,350000,60000,700000"),
    ):
        path = folder / f"{table}.csv"
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with_columns(folder, "accounts", {"status": {"A1": "settled"}})
    return folder


# --- terms and settlement of an account ---------------------------------------------------------

WORKED = {
    "interest_base": {"A1": "exposure"}, "own_money_yuan": {"A1": "300000"}, "principal_yuan": {"A1": "600000"},
    "profit_share": {"A1": "fixed"}, "client_share_pct": {"A1": "70"}, "fees_pct": {"A1": "1"},
}


def test_an_account_is_settled_at_final_prices(folder):
    book = with_columns(folder, "accounts", WORKED)
    made = settle_account(find_account(book, "A1"), on=datetime.date(2026, 7, 30), prices={"S1": 15_500}, cost_bp=10)
    shares = 60_000 * 15_500 + 10_000 * 31_050
    assert made.collateral == 50_000_000 + shares
    assert made.selling_cost == -(-shares * 10 // 10_000)
    assert made.interest == 900_000_000 * 650 * 30 // 3_650_000
    assert made.gross == made.proceeds - 900_000_000
    assert made.fee == made.gross // 100
    assert made.lender == 600_000_000 + made.interest
    assert made.net == made.gross - made.interest - made.fee
    assert made.platform == made.fee + made.net * 3 // 10
    assert made.lender + made.platform + made.client == made.proceeds
    sheet = verbs.terms(book, "A1", settle_on=datetime.date(2026, 7, 30), prices={"S1": "15.50"}, cost_pct=0.1)
    assert sheet.settlement == made
    assert len(sheet.losses) == 7


def test_terms_say_every_term_in_both_languages(folder):
    book = with_columns(folder, "accounts", WORKED)
    found = {t.key: t for t in verbs.terms(book, "A1").terms}
    assert found["maintenance_ratio"].value_en == "212.08%"
    assert found["leverage"].value_en == "1.8922"
    assert found["warning_line_pct"].value_zh == "140%，下跌33.99%即触及"
    assert found["rate_on_debt"].value_en == "9.75%"  # 6.5% on 900,000 is 9.75% on 600,000
    assert found["risk_grade"].value_en == "—, needed C3"
    assert found["profit_share"].value_zh == "固定分成"
    assert all(any("\u4e00" <= c <= "\u9fff" for c in t.zh) for t in found.values())


def test_terms_refuse_what_they_cannot_say(folder):
    book = read_book(folder)
    for asked, rule in (
        ({"account": "A9"}, "the book has no such account"),
        ({"account": "A1", "falls": (0, 101)}, "must be a whole percentage from 0 to 100"),
        ({"account": "A1", "cost_pct": 51.0}, "must be a percentage from 0 to 50"),
        ({"account": "A1", "prices": {"S1": "15.0001"}}, "must be a price in yuan, a whole multiple of 0.001"),
        ({"account": "A1", "prices": {"S9": 1}}, "is no instrument of the book"),
        ({"account": "A1", "settle_on": datetime.date(2026, 6, 29)}, "must not lie before the book's date 2026-06-30"),
        ({"account": "A1", "settle_on": datetime.date(2026, 7, 1)}, "a settlement needs own_money_yuan"),
    ):
        with pytest.raises(InputError) as error:
            verbs.terms(book, **asked)
        assert rule in [f.rule for f in error.value.faults]


def test_interest_on_the_exposure_is_charged_in_a_run(folder):
    book = with_columns(folder, "accounts", WORKED)
    a = book.tables["accounts"]
    rates = rates_on_debt(a, a["loan_rate_bp"].to_numpy(np.int64))
    assert rates.tolist() == [975, 580, 1200]
    made = resolve(book, read_market(folder / "market.toml"), read_scenario("baseline"))
    assert made.facts.account["rate_bp"].tolist() == [975, 580, 1200]
    assert np.array_equal(rates_on_debt(a.drop(columns="interest_base"), rates), rates)
