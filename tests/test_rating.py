"""The rating: worked goldens, the two-notch rule at its edges, and scale files that are refused."""

from __future__ import annotations

import datetime
import json
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stresslab import demo_book, read_book
from stresslab.book.files import write_book
from stresslab.book.profile import platform_facts
from stresslab.book.rated import rate_gap_li
from stresslab.faults import InputError
from stresslab.glossary import OUTPUTS
from stresslab.rating import coverage_gap_li, grade, migrations, rate, read_scale, score
from stresslab.rating.indicators import BOOK, PATH
from stresslab.rating.judge import Case
from stresslab.rating.paths import needed_columns, read_paths
from stresslab.statistics import wilson

WEIGHTS = (25, 10, 25, 10, 20, 10)
GRADES = (("AAA", 90), ("AA", 75), ("A", 60), ("B", 0))
#: One indicator for each dimension and no trigger, so that a score can be worked out by hand.
SIX = Path(__file__).parent / "scales" / "six.toml"


def graded(scores, **rule):
    return grade(scores, WEIGHTS, GRADES, **rule)


# --- the pure rule ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "total", "name"),
    [
        ((90, 80, 95, 70, 85, 88), "87.05", "AA"),
        ((95, 90, 95, 90, 92, 90), "92.90", "AAA"),
        # With float weights these two are 59.99999999999999 and 74.99999999999999.
        ((50, 58, 72, 59, 42, 94), "60", "A"),
        ((76, 43, 80, 88, 84, 61), "75", "AA"),
        (("59.99",) * 6, "59.99", "B"),
    ],
)
def test_worked_grades(scores, total, name):
    found = graded(scores)
    assert (found.score, found.grade, found.downgraded) == (Fraction(total), name, False)


@pytest.mark.parametrize(
    ("coverage", "line", "name"),
    [
        (10, True, "AAA"),
        (15, False, "AAA"),
        (20, False, "AAA"),
        (None, False, "AAA"),
        ("14.999999999999999999", False, "A"),
        (10, False, "A"),
    ],
)
def test_two_notches_only_strictly_below_and_without_a_line(coverage, line, name):
    found = graded((95, 90, 95, 90, 92, 90), coverage_pct=coverage, immediate_line=line)
    assert found.grade == name
    assert found.downgraded == (name == "A")
    assert found.score == Fraction("92.90")


@pytest.mark.parametrize(("points", "name"), [(95, "A"), (80, "B"), (65, "B"), (10, "B")])
def test_two_notches_stop_at_the_lowest_grade(points, name):
    assert graded((points,) * 6, coverage_pct=0).grade == name


def test_floats_are_refused():
    with pytest.raises(TypeError, match="float"):
        graded((59.99,) * 6)


@given(st.lists(st.integers(0, 100), min_size=6, max_size=6))
def test_grade_agrees_with_integers(scores):
    hundredths = sum(s * w for s, w in zip(scores, WEIGHTS, strict=True))
    expected = next(name for name, low in GRADES if hundredths >= 100 * low)
    assert graded(scores).grade == expected


def test_score_is_straight_between_points_and_clamped_outside():
    points = [(0, 0), (15, 60), (30, 80)]
    values = ("-1", "0", "5", "15", "22.5", "30", "1000")
    assert [score(points, v) for v in values] == [0, 0, 20, 60, 70, 80, 80]
    assert score([(0, 100), (3, 0)], 1) == Fraction(200, 3)


@given(st.integers(0, 2**52), st.integers(0, 2**60))
def test_gap_is_positive_exactly_below_the_line(own, call):
    gap = coverage_gap_li(own, call, "15")
    assert (gap > 0) == (own * 100 < 15 * call)
    # With the gap filled coverage is 15% or more, with one 厘 less it is not.
    assert (own + gap) * 100 >= 15 * call
    assert (own + gap - 1) * 100 < 15 * call


# --- a run --------------------------------------------------------------------------------------

PLATFORM = {
    "platform_id": "north",
    "own_capital_li": 200,
    "bank_line_li": 0,
    "loans_li": 1000,
    "claims_li": 500,
    "free_cash_claims_li": 100,
    "foreign_claims_li": 0,
    "segregated_li": 100,
    "funding_li": 1000,
    "funding_by_source_li": {"own": 400, "bank": 500, "p2p": 100},
    "funding_short_li": 0,
    "reserve_li": 0,
    "risk_disclosure_score": 100.0,
    "risk_disclosure_evidence": "annual report, page 12",
}
CRASH = {"depth_pct": 40.0}


def scenario(name, crash=None):
    return {"id": name, "days": 20, "market": {"crash": crash}}


def run(*, own=150, calm=(0, 0, 0), crash=(900, 1000, 1100), depth=CRASH, extra=(), **facts):
    """A rated run of one platform: peak calls per path at baseline and in the crash."""
    record = {
        "scenarios": [scenario("baseline"), scenario("crash-40", depth), *extra],
        "platforms": [PLATFORM | facts],
    }
    rows = [
        (one["id"], path, "north", own, call)
        for one, calls in zip(
            record["scenarios"], [calm, crash, *[crash] * len(extra)], strict=True
        )
        for path, call in enumerate(calls)
    ]
    names = ["scenario", "path", "platform_id", "own_funds_before_li", "margin_call_peak_li"]
    return record, pd.DataFrame(rows, columns=names)


def rated(**facts):
    """The one platform of a rated run."""
    record, outcomes = run(**facts)
    (found,) = rate(record, outcomes, read_scale(SIX))["platforms"]
    return found


def crash_row(found):
    return next(one for one in found["scenarios"] if one["scenario"] == "crash-40")


def dimension(found, name):
    return next(one for one in found["dimensions"] if one["name"] == name)


# Every other dimension of PLATFORM scores 100, so the score is 75 + resilience / 4.


def test_exactly_fifteen_percent_is_not_downgraded():
    found = rated(own=150)
    assert (found["overall"]["grade"], found["overall"]["score"]) == ("AAA", "90.00")
    assert found["overall"]["coverage_pct_median"] == "15.00"
    assert not found["overall"]["downgraded"]
    assert found["action"]["en"].startswith("Sound")


def test_just_below_fifteen_percent_costs_two_grades():
    found = rated(own=149)
    row = crash_row(found)
    assert (row["grade_before"], row["score_before"]) == ("AAA", "100.00")
    assert (row["grade_after"], row["score_after"]) == ("B", "89.90")
    assert row["downgraded"]
    assert found["overall"]["grade"] == "B"
    assert "wind" in found["action"]["en"]
    assert "清退" in found["action"]["zh"]
    assert any("from AA to B" in reason["en"] for reason in row["reasons"])
    assert any("由 AA 至 B" in reason["zh"] for reason in row["reasons"])


def test_a_grade_before_the_shock_needs_the_baseline():
    record, outcomes = run()
    record["scenarios"] = record["scenarios"][1:]
    (found,) = rate(record, outcomes, read_scale(SIX))["platforms"]
    row = crash_row(found)
    assert (row["grade_before"], row["score_before"]) == (None, None)
    assert row["grade_after"] == "AAA"


@pytest.mark.parametrize(("line", "name"), [(49, "B"), (50, "AA"), (1000, "AA")])
def test_a_line_counts_only_if_it_covers_the_gap(line, name):
    # 15% of 1,000 is 150, so own funds of 100 leave a gap of 50; coverage 10% scores 40.
    found = rated(own=100, bank_line_li=line)
    assert (found["overall"]["score"], found["overall"]["grade"]) == ("85.00", name)
    assert found["overall"]["downgraded"] == (name == "B")


def test_the_gap_is_rounded_up():
    # 15% of 1,001 is 150.15: own funds of 150 and a line of nothing leave a gap of one.
    assert rated(own=150, crash=(1001,))["overall"]["downgraded"]
    assert not rated(own=150, crash=(1001,), bank_line_li=1)["overall"]["downgraded"]


def test_the_median_path_decides_and_is_an_order_statistic():
    # Coverage from the worst up: 10%, 15%, 20%, no call. The second of four is the median.
    found = rated(own=150, crash=(0, 750, 1500, 1000))
    row = crash_row(found)
    assert row["coverage_pct_median"] == "15.00"
    assert row["share_below_pct"] == 25
    assert row["share_below_error_pct"] == pytest.approx(100 * (0.25 * 0.75 / 4) ** 0.5)
    # 75 + 40 / 4 = 85, AA, two down; 90 and 91.67 AAA; without a call 100.
    assert row["migration"] == {"AAA": 3, "AA": 0, "A": 0, "B": 1}
    alike = crash_row(rated(own=150, crash=(1500,) * 5))
    assert alike["migration"] == {"AAA": 0, "AA": 0, "A": 0, "B": 5}


def test_the_median_path_brings_its_own_gap():
    # Own funds of zero: every path has coverage 0, and the median of the calls is 900.
    ties = {"own": 0, "crash": (100, 1000, 2000, 900, 800)}
    assert not rated(**ties, bank_line_li=135)["overall"]["downgraded"]
    assert rated(**ties, bank_line_li=134)["overall"]["downgraded"]
    # Of two equal coverages the larger call is the worse one, and the first of two is the median.
    assert rated(own=0, crash=(1000, 2000), bank_line_li=299)["overall"]["downgraded"]
    assert not rated(own=0, crash=(1000, 2000), bank_line_li=300)["overall"]["downgraded"]


def test_without_calls_coverage_is_passed():
    found = rated(crash=(0, 0, 0))
    assert found["overall"]["grade"] == "AAA"
    assert found["overall"]["coverage_pct_median"] is None
    resilience = dimension(found, "crash_resilience")
    (one,) = resilience["indicators"]
    assert (one["value"], one["score"], one["treatment"]) == (None, "100.00", "passed")


def test_the_rule_acts_in_a_deep_crash_only():
    extra = (
        scenario("crash-20", {"depth_pct": 20.0}),
        scenario("rates"),
        scenario("combined", CRASH),
    )
    found = rated(own=100, extra=extra)
    downgraded = {one["scenario"]: one["downgraded"] for one in found["scenarios"]}
    assert downgraded == {
        "baseline": False,
        "crash-40": True,
        "crash-20": False,
        "rates": False,
        "combined": True,
    }
    shallow = next(one for one in found["scenarios"] if one["scenario"] == "crash-20")
    assert (shallow["grade_after"], shallow["share_below_pct"]) == ("AA", 100)
    assert any("acts only in a crash" in reason["en"] for reason in shallow["reasons"])


def test_without_the_deciding_scenario_a_platform_is_not_rated():
    record, outcomes = run(own=100)
    record["scenarios"] = record["scenarios"][:1]
    (found,) = rate(record, outcomes, read_scale(SIX))["platforms"]
    assert not found["rated"]
    assert "crash-40" in found["reason_not_rated"]["en"]
    assert "crash-40" in found["reason_not_rated"]["zh"]
    assert (found["overall"], found["action"]) == (None, None)
    assert dimension(found, "crash_resilience")["score"] is None
    assert dimension(found, "custody")["score"] == "100.00"


@pytest.mark.parametrize("depth", [None, {"depth_pct": 39.9}])
def test_a_deciding_scenario_that_is_too_mild_does_not_rate(depth):
    found = rated(own=100, depth=depth)
    assert not found["rated"]
    assert "at least 40%" in found["reason_not_rated"]["en"]


@pytest.mark.parametrize(
    ("facts", "name", "value", "points"),
    [
        ({"funding_short_li": 700}, "funding_mix", "30.00", "40.00"),
        ({"funding_by_source_li": {"nonbank": 1000}}, "funding_mix", "0.00", "0.00"),
        ({"funding_by_source_li": {"shareholder": 600}}, "funding_mix", "60.00", "75.00"),
        ({"funding_li": 0, "funding_by_source_li": {}}, "funding_mix", "100.00", "100.00"),
        ({"foreign_claims_li": 750}, "foreign_money", "50.00", "30.00"),
        ({"funding_by_source_li": {"foreign": 300}}, "foreign_money", "20.00", "80.00"),
        ({"funding_li": 0, "claims_li": 0}, "foreign_money", "0.00", "100.00"),
        ({"segregated_li": 50}, "custody", "50.00", "30.00"),
        ({"segregated_li": 0, "free_cash_claims_li": 0}, "custody", "100.00", "100.00"),
        ({"own_capital_li": 50}, "sustainability", "5.00", "40.00"),
        ({"loans_li": 0}, "sustainability", "100.00", "100.00"),
        # A third has no decimal: it is cut after six places, never rounded up.
        ({"own_capital_li": 20, "loans_li": 600}, "sustainability", "3.333333", "26.666666"),
        ({"risk_disclosure_score": 72.5}, "ease_of_use", "72.50", "72.50"),
        ({"risk_disclosure_evidence": None}, "ease_of_use", "100.00", "0.00"),
        ({"risk_disclosure_evidence": "  "}, "ease_of_use", "100.00", "0.00"),
        ({"risk_disclosure_score": None}, "ease_of_use", None, "0.00"),
    ],
)
def test_indicators(facts, name, value, points):
    row = dimension(rated(**facts), name)
    (one,) = row["indicators"]
    assert (one["value"], one["score"], row["score"]) == (value, points, points)


def test_an_answer_without_evidence_is_a_reason():
    reasons = crash_row(rated(risk_disclosure_evidence=None))["reasons"]
    assert any("without evidence" in reason["en"] for reason in reasons)
    assert any("没有证据" in reason["zh"] for reason in reasons)


def test_rating_is_plain_json_and_names_its_scale():
    record, outcomes = run()
    scale = read_scale(SIX)
    found = rate(record, outcomes, scale)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["scale"]["provisional"] is True
    assert found["scale"]["digest"] == scale.digest
    assert len(scale.digest) == 64


def test_order_of_rows_changes_nothing():
    record, outcomes = run(own=100, crash=(0, 750, 1500, 1000, 900))
    shuffled = outcomes.sample(frac=1, random_state=1)
    assert rate(record, outcomes, read_scale(SIX)) == rate(record, shuffled, read_scale(SIX))


def test_outcomes_that_lack_a_scenario_are_refused():
    record, outcomes = run(extra=(scenario("rates"),))
    with pytest.raises(InputError, match="rates / north"):
        rate(record, outcomes[outcomes["scenario"] != "rates"], read_scale(SIX))
    with pytest.raises(InputError, match="own_funds_before_li"):
        rate(record, outcomes.drop(columns="own_funds_before_li"), read_scale(SIX))


# --- the scale file -----------------------------------------------------------------------------


def test_the_scale_that_is_shipped():
    scale = read_scale()
    assert scale.provisional
    assert [one.weight for one in scale.dimensions] == list(WEIGHTS)
    assert [one.name for one in scale.dimensions] == [
        "funding_mix",
        "foreign_money",
        "crash_resilience",
        "ease_of_use",
        "custody",
        "sustainability",
    ]
    assert tuple(scale.thresholds) == GRADES
    assert (scale.downgrade.coverage_below_pct, scale.downgrade.notches) == (15, 2)
    assert (scale.deciding_scenario, scale.downgrade.crash_depth_at_least_pct) == ("crash-40", 40)


def changed(tmp_path, *changes):
    """A copy of the shipped scale with some text replaced."""
    text = SIX.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "scale.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_regulator_may_replace_the_scale(tmp_path):
    path = changed(
        tmp_path,
        ("coverage_below_pct = 15", 'coverage_below_pct = "9.999"'),
        ("[15, 60]", '["15.5", 0.1]'),
        ('"crash-40"', '"crash-60"'),
    )
    scale = read_scale(path)
    assert scale.downgrade.coverage_below_pct == Decimal("9.999")
    assert scale.dimensions[2].indicators[0].points[1] == (Decimal("15.5"), Decimal("0.1"))
    assert scale.digest != read_scale(SIX).digest
    record, outcomes = run()
    (found,) = rate(record, outcomes, scale)["platforms"]
    assert "crash-60" in found["reason_not_rated"]["en"]


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        ("notches = 2", "notches = -1", "downgrade.notches", "must be at least 0"),
        ("notches = 2", 'notches = "two"', "downgrade.notches", "must be a whole number"),
        ("notches = 2", "notches = 2\nnotch = 2", "downgrade.notch", "did you mean 'notches'"),
        ("notches = 2", "", "downgrade.notches", "the key is missing"),
        ("provisional = true", "provisional = 1", "provisional", "must be true or false"),
        ("from_score = 75", "from_score = 90", "grades[2].from_score", "from the best down"),
        ("from_score = 0", "from_score = 1", "grades[4].from_score", "starts at 0"),
        ("from_score = 90", "from_score = nan", "grades[1].from_score", "finite"),
        ("from_score = 90", "from_score = true", "grades[1].from_score", "decimal"),
        ('name = "AA"', 'name = "AAA"', "grades[2].name", "stands once"),
        ("weight = 20", "weight = 21", "dimensions.weight", "add up to 100"),
        ("weight = 20", "weight = 20.5", "dimensions[5].weight", "must be a whole number"),
        ("[15, 60]", "[0, 60]", "dimensions[3].indicators[1].points[2]", "rise strictly"),
        (
            "[15, 60]",
            "[15, 101]",
            "dimensions[3].indicators[1].points[2][2]",
            "must be at most 100",
        ),
        ('"own_funds_coverage_pct"', '"coverage"', "dimensions[3].indicators[1].name", "not compute"),
        (
            'source = "simulated"',
            'source = "book"',
            "dimensions[3].indicators[1].source",
            "is simulated",
        ),
        ('source = "simulated"', 'source = "dice"', "dimensions[3].indicators[1].source", "must be one of simulated, book, answered"),
    ],
)
def test_bad_scales_are_refused(tmp_path, old, new, key, rule):
    with pytest.raises(InputError) as caught:
        read_scale(changed(tmp_path, (old, new)))
    (fault,) = caught.value.faults
    assert (fault.file, fault.column) == ("scale.toml", key)
    assert rule in str(fault)
    assert fault.way_out


def test_every_fault_at_once(tmp_path):
    path = changed(
        tmp_path,
        ("notches = 2", "notches = -1"),
        ("weight = 20", "weight = 30"),
        ("[15, 60]", "[0, 60]"),
        ("title_zh", "titel_zh"),
    )
    with pytest.raises(InputError) as caught:
        read_scale(path)
    keys = {fault.column for fault in caught.value.faults}
    assert keys == {
        "downgrade.notches",
        "dimensions.weight",
        "dimensions[3].indicators[1].points[2]",
        "titel_zh",
        "title_zh",
    }


@pytest.mark.parametrize("content", [b"title = ", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_refused(tmp_path, content):
    path = tmp_path / "scale.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not TOML"):
        read_scale(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_scale(tmp_path / "none.toml")


# --- several indicators, answers, triggers, migration -------------------------------------------

SHIPPED = read_scale()
ANSWER = {"value": 80.0, "evidence": "report, page 3", "answered_on": "2026-06-01"}


def more(tmp_path, text, *changes):
    """The scale of six with more text behind it."""
    path = changed(tmp_path, *changes)
    path.write_text(path.read_text(encoding="utf-8") + "\n" + text, encoding="utf-8")
    return read_scale(path)


def trigger(indicator, line, *, notches=1, floor="B", extra=""):
    return (f'[[triggers]]\nname = "t-{indicator}"\nen = "t"\nzh = "条件"\nindicator = "{indicator}"\n{line}\nnotches = {notches}\n'
            f'floor = "{floor}"\nsource = "ours"\n{extra}\n')


def rows_of(record, outcomes, scale, name="crash-40"):
    (found,) = rate(record, outcomes, scale)["platforms"]
    return next(one for one in found["scenarios"] if one["scenario"] == name)


def with_columns(outcomes, **columns):
    """The outcomes with further columns, each a list of the crash's values (zero at baseline)."""
    out = outcomes.copy()
    for name, values in columns.items():
        out[name] = 0
        out.loc[out["scenario"] != "baseline", name] = values
    return out


def test_the_shipped_scale_asks_for_every_point_of_the_six_dimensions():
    asked = {i.name: i.source for d in SHIPPED.dimensions for i in d.indicators}
    assert {"stable_funding_pct", "shadow_funding_pct", "opaque_funding_pct", "rate_gap_pct"} <= asked.keys()
    assert {"foreign_money_pct", "foreign_leaving_pct", "currency_gap_pct"} <= asked.keys()
    assert {"own_funds_left_pct", "absorption_days_pct", "spillover_probability_pct", "clearing_connection_score"} <= asked.keys()
    assert {"trigger_visibility_score", "user_education_score", "complaints_on_time_pct"} <= asked.keys()
    assert {"third_party_custody_pct", "audits_per_year", "reconciliation_hours", "transfer_hours"} <= asked.keys()
    assert {"licence_score", "kyc_complete_pct", "profit_years_of_5", "recovery_drills_per_year"} <= asked.keys()
    assert set(asked.values()) == {"simulated", "book", "answered"}
    assert {t.name for t in SHIPPED.triggers} >= {"own_funds_lost", "unpaid", "spillover", "limits_broken", "no_custody"}


def test_every_indicator_that_is_computed_is_used_or_can_be_a_trigger():
    used = {i.name for d in SHIPPED.dimensions for i in d.indicators} | {t.indicator for t in SHIPPED.triggers}
    assert {*BOOK, *PATH} - used == {"forced_accounts_pct", "unpaid_days"}


@pytest.mark.parametrize(("answer", "value", "points", "treatment"), [
    (ANSWER, "80.00", "80.00", "given"),
    (ANSWER | {"evidence": " "}, "80.00", "0.00", "no_evidence"),
    (ANSWER | {"evidence": None}, "80.00", "0.00", "no_evidence"),
    (ANSWER | {"answered_on": "2025-05-25"}, "80.00", "80.00", "given"),
    (ANSWER | {"answered_on": "2025-05-24"}, "80.00", "0.00", "expired"),
    (ANSWER | {"answered_on": None}, "80.00", "0.00", "expired"),
    (None, None, "0.00", "missing"),
])
def test_an_answer_is_given_proven_and_young(answer, value, points, treatment):
    record, outcomes = run(answers={} if answer is None else {"licence_score": answer})
    record["book"] = {"as_of": "2026-06-29"}  # 400 days after 2025-05-25, inclusive
    outcomes = with_columns(outcomes, **dict.fromkeys(columns_of_the_shipped_scale(), 0))
    (found,) = rate(record, outcomes, SHIPPED)["platforms"]
    row = next(i for i in dimension(found, "sustainability")["indicators"] if i["name"] == "licence_score")
    assert (row["value"], row["score"], row["treatment"]) == (value, points, treatment)


def columns_of_the_shipped_scale():
    names = [i.name for d in SHIPPED.dimensions for i in d.indicators if i.source == "simulated"]
    names += [*(t.indicator for t in SHIPPED.triggers if t.indicator in PATH), "unpaid_days"]
    return [c for c in needed_columns(names) if c not in ("own_funds_before_li", "margin_call_peak_li")]


def test_what_a_scale_gives_for_missing_and_unproven_is_its_own(tmp_path):
    scale = read_scale(changed(tmp_path, ('source = "answered"', 'source = "answered"\nmissing_score = 40\nunproven_score = 70')))
    for facts, points in (({"risk_disclosure_score": None}, "40.00"), ({"risk_disclosure_evidence": None}, "70.00")):
        record, outcomes = run(**facts)
        (found,) = rate(record, outcomes, scale)["platforms"]
        assert dimension(found, "ease_of_use")["score"] == points


def test_a_question_of_the_scale_s_own_is_asked(tmp_path):
    scale = read_scale(changed(tmp_path, ('"risk_disclosure_score"', '"board_meetings"'), ("[[0, 0], [100, 100]]", "[[0, 0], [4, 100]]")))
    record, outcomes = run(answers={"board_meetings": ANSWER | {"value": 3}, "moon_phase": ANSWER})
    (found,) = rate(record, outcomes, scale)["platforms"]
    assert dimension(found, "ease_of_use")["score"] == "75.00"
    assert found["answers_not_asked"] == ["moon_phase"]


def test_weights_within_a_dimension(tmp_path):
    second = '\n[[dimensions.indicators]]\nname = "high_leverage_loans_pct"\nen = "h"\nzh = "高"\nsource = "book"\nweight = 30\n' \
             "points = [[0, 100], [100, 0]]\n"
    scale = more(tmp_path, second, ("weight = 100\npoints = [[0, 0], [5, 40]", "weight = 70\npoints = [[0, 0], [5, 40]"))
    record, outcomes = run(leverage={"edges": [1.0, 2.9, 3.0, 5.0, None], "accounts": [], "debt_li": [300, 300, 100, 300]})
    (found,) = rate(record, outcomes, scale)["platforms"]
    # Own capital 20% of loans scores 100, 40% of loans at a leverage of 3 or more scores 60: 0.7 x 100 + 0.3 x 60.
    assert dimension(found, "sustainability")["score"] == "88.00"
    assert dimension(found, "sustainability")["indicators"][1]["value"] == "40.00"


@pytest.mark.parametrize(("left", "grade_after", "fired"), [
    ((100, 100, 100), "AAA", 0), ((100, 75, 74), "AAA", 0), ((100, 74, 74), "AA", 1)])
def test_a_trigger_is_strict_and_looks_at_the_median(tmp_path, left, grade_after, fired):
    scale = more(tmp_path, trigger("own_funds_left_pct", "below = 50"))
    record, outcomes = run(own=150, crash=(0, 0, 0))
    outcomes = with_columns(outcomes, own_capital_end_li=list(left), reserve_end_li=0)
    row = rows_of(record, outcomes, scale)
    assert (row["grade_after"], len(row["triggers"]), row["downgraded"]) == (grade_after, fired, bool(fired))
    # Path by path: 74 of 150 is below a half, 75 is not.
    assert row["migration"]["AA"] == sum(x == 74 for x in left)
    if fired:
        assert any("from AAA to AA" in r["en"] for r in row["reasons"])


def test_floors_and_the_two_ways_to_combine(tmp_path):
    both = trigger("own_capital_to_loans_pct", "below = 25", notches=2, floor="A") + trigger("segregated_free_cash_pct", "above = 90")
    record, outcomes = run(own=150, crash=(0, 0, 0))
    for combine, grade_after in (("worst", "A"), ("sum", "B")):
        scale = more(tmp_path, both, ('deciding_scenario = "crash-40"', f'deciding_scenario = "crash-40"\ncombine = "{combine}"'))
        row = rows_of(record, outcomes, scale)
        assert row["grade_after"] == grade_after
        assert row["migration"][grade_after] == 3
    # A floor stops its own trigger only: it never lifts a grade.
    deep = more(tmp_path, trigger("own_capital_to_loans_pct", "below = 25", notches=3, floor="AA"))
    assert rows_of(record, outcomes, deep)["grade_after"] == "AA"
    weak, few = run(own=149, crash=(1000, 1000, 1000))
    assert rows_of(weak, few, deep)["grade_after"] == "B"


def test_a_trigger_may_act_in_a_deep_crash_only(tmp_path):
    scale = more(tmp_path, trigger("own_capital_to_loans_pct", "below = 25", extra="crash_depth_at_least_pct = 40"))
    record, outcomes = run(own=150, crash=(0, 0, 0))
    assert rows_of(record, outcomes, scale, "baseline")["grade_after"] == "AAA"
    assert rows_of(record, outcomes, scale)["grade_after"] == "AA"


def test_an_unproven_answer_is_no_reassurance(tmp_path):
    scale = more(tmp_path, trigger("risk_disclosure_score", "below = 10"))
    for facts, fires in (({}, False), ({"risk_disclosure_evidence": None}, True), ({"risk_disclosure_score": None}, True)):
        record, outcomes = run(own=150, crash=(0, 0, 0), **facts)
        row = rows_of(record, outcomes, scale)
        assert bool(row["triggers"]) == fires


def test_events_stand_by_their_share_and_on_a_path_by_themselves(tmp_path):
    scale = more(tmp_path, trigger("failure_probability_pct", "above = 50", notches=3))
    record, outcomes = run(own=150, crash=(0, 0, 0, 0), calm=(0, 0, 0, 0))
    two = with_columns(outcomes, failure_day=[0, 3, 0, 9])
    row = rows_of(record, two, scale)
    assert (row["grade_after"], row["migration"]) == ("AAA", {"AAA": 2, "AA": 0, "A": 0, "B": 2})
    three = rows_of(record, with_columns(outcomes, failure_day=[0, 3, 4, 9]), scale)
    assert (three["grade_after"], three["triggers"][0]["value"]) == ("B", "75.00")


def test_the_migration_table_follows_each_path_from_its_own_grade():
    # Coverage of paths 0..3: no call, 15%, 10% (B by the rule), 100%; at baseline path 3 has calls, too: 30% scores 80, so AAA still.
    record, outcomes = run(own=150, calm=(0, 0, 0, 500), crash=(0, 1000, 1500, 150))
    (found,) = rate(record, outcomes, read_scale(SIX))["platforms"]
    row = crash_row(found)
    all_paths = {r["to_grade"]: r for r in row["migration_table"] if r["from_grade"] is None}
    assert {g: r["paths"] for g, r in all_paths.items()} == row["migration"] == {"AAA": 3, "AA": 0, "A": 0, "B": 1}
    assert all_paths["B"]["share_pct"] == 25
    low, high = wilson(1, 4)
    assert (all_paths["B"]["low_pct"], all_paths["B"]["high_pct"]) == (100 * low, 100 * high)
    starts = {r["from_grade"]: r["of_paths"] for r in row["migration_table"]}
    assert starts == {None: 4, "AAA": 4}
    table = migrations(rate(record, outcomes, read_scale(SIX)))
    assert list(table.columns) == [m.name for m in OUTPUTS["migration"]]
    assert table.groupby(["scenario", "platform_id", "from_grade"], dropna=False)["share_pct"].sum().round(9).eq(100).all()


@given(st.lists(st.tuples(st.integers(0, 2**44), st.integers(0, 2**46)), min_size=1, max_size=30), st.integers(0, 2**45),
       st.sampled_from([0, 14, 15, 16, 30, 100]))
def test_grades_of_paths_by_floats_are_those_in_fractions(pairs, line, percent):
    # Calls that make coverage an exact line of the scale are the ones where floats could err.
    pairs += [(own, own * 100 // percent) for own, _ in pairs if percent]
    record, outcomes = run(own=0, crash=tuple(c for _, c in pairs), calm=(0,) * len(pairs), bank_line_li=line)
    outcomes.loc[outcomes["scenario"] == "crash-40", "own_funds_before_li"] = [o for o, _ in pairs]
    scale = read_scale(SIX)
    paths = read_paths(record, outcomes, [])["crash-40", "north"]
    case = Case(record["platforms"][0], scale)
    exact = [case.judge(paths.at(i), int(paths.own_li[i]), int(paths.call_li[i]), Fraction(40)).place for i in range(len(paths))]
    assert case.place_by_path(paths, Fraction(40)).tolist() == exact


SUSPENSION = '[suspension]\nunpaid_days = 5\ngrade = "A"\naction_en = "Stop."\naction_zh = "停。"\nsource = "ours"\n'


@pytest.mark.parametrize(("days", "grade_after", "suspended"), [
    ((4, 4, 60), "AAA", False), ((0, 5, 5), "A", True), ((60, 60, 4), "A", True)])
def test_unpaid_days_suspend_a_grade_from_the_stated_day_on(tmp_path, days, grade_after, suspended):
    scale = more(tmp_path, SUSPENSION)
    record, outcomes = run(own=150, crash=(0, 0, 0))
    outcomes = with_columns(outcomes, unpaid_days=list(days))
    row = rows_of(record, outcomes, scale)
    many = sum(d >= 5 for d in days)
    assert (row["grade_after"], row["suspended"], row["downgraded"]) == (grade_after, suspended, suspended)
    assert row["migration"] == {"AAA": 3 - many, "AA": 0, "A": many, "B": 0}
    assert row["share_suspended_pct"] == pytest.approx(100 * many / 3)
    assert any(f"{many} of 3 paths have redemptions unpaid on 5 days or more" in r["en"] for r in row["reasons"])
    assert any("suspended to A" in r["en"] for r in row["reasons"]) == suspended
    (found,) = rate(record, outcomes, scale)["platforms"]
    assert (found["action"]["en"] == "Stop.", found["overall"]["suspended"]) == (suspended, suspended)


def test_a_suspension_never_lifts_a_grade_and_a_scale_may_do_without(tmp_path):
    record, outcomes = run(own=149, crash=(1000, 1000, 1000))
    held = with_columns(outcomes, unpaid_days=[9, 9, 9])
    row = rows_of(record, held, more(tmp_path, SUSPENSION))
    assert (row["grade_after"], row["suspended"]) == ("B", True)
    without = rows_of(record, outcomes, read_scale(SIX))
    assert (without["suspended"], without["share_suspended_pct"]) == (False, 0)
    assert not any("suspended" in r["en"] for r in without["reasons"])
    assert (SHIPPED.suspension.unpaid_days, SHIPPED.suspension.grade) == (5, "B")


@pytest.mark.parametrize(("old", "new", "rule"), [
    ('"A"', '"C"', "is no grade of the scale"), ("= 5", "= 0", "must be at least 1"), ("unpaid_days", "unpaid_day", "unpaid_days"),
])
def test_bad_suspensions_are_refused(tmp_path, old, new, rule):
    with pytest.raises(InputError, match=rule):
        more(tmp_path, SUSPENSION.replace(old, new))


@pytest.mark.parametrize(("text", "rule"), [
    (trigger("own_funds_left_pct", "below = 1\nabove = 2"), "a trigger has one line"),
    (trigger("own_funds_left_pct", ""), "a trigger has one line"),
    (trigger("own_fund_left_pct", "below = 1"), "did you mean 'own_funds_left_pct'"),
    (trigger("own_funds_left_pct", "below = 1", floor="C"), "is no grade of the scale"),
    (trigger("own_funds_left_pct", "below = 1", notches=0), "must be at least 1"),
    (trigger("own_funds_left_pct", "below = 1") * 2, "every name stands once"),
])
def test_bad_triggers_are_refused(tmp_path, text, rule):
    with pytest.raises(InputError) as caught:
        more(tmp_path, text)
    (fault,) = caught.value.faults
    assert rule in str(fault)


def test_weights_of_indicators_add_up(tmp_path):
    with pytest.raises(InputError, match="the indicators of a dimension add up to 100"):
        read_scale(changed(tmp_path, ("weight = 100", "weight = 90")))


def test_indicators_of_the_book_by_hand():
    facts = {
        "own_capital_li": 200, "reserve_li": 50, "funding_li": 1000, "claims_li": 500, "loans_li": 2000, "liquid_li": 100,
        "funding_by_source_li": {"bank": 400, "nonbank": 350, "p2p": 150, "foreign": 100}, "foreign_short_li": 70,
        "fx_funding_li": 300, "rate_gap_li": -30, "loan_interest_year_li": 160, "funding_interest_year_li": 60, "turnover_90d_li": 900,
        "turnover_base_li": 300, "limits_red": 4, "pool": {"opaque_li": 250, "funding_li": 1000, "breaches": 2},
    }
    assert {name: BOOK[name].read(PLATFORM | facts) for name in (
        "own_money_pct", "shadow_funding_pct", "opaque_funding_pct", "rate_gap_pct", "foreign_leaving_pct", "currency_gap_pct",
        "interest_margin_pct", "turnover_pct", "limits_red", "pool_breaches")} == {
        "own_money_pct": Fraction(100 * 250, 1750), "shadow_funding_pct": 50, "opaque_funding_pct": 25, "rate_gap_pct": 15,
        "foreign_leaving_pct": 70, "currency_gap_pct": 150, "interest_margin_pct": 5, "turnover_pct": 300, "limits_red": 4,
        "pool_breaches": 2}
    # A rise of rates that brings more than it costs is no risk.
    assert BOOK["rate_gap_pct"].read(PLATFORM | facts | {"rate_gap_li": 30}) == 0


# --- facts of the book --------------------------------------------------------------------------


def test_rate_gap_by_hand():
    # Loans of 1,000: 30% float and can be raised after 146 days (0.4 years); the rest is fixed and matures beyond the year.
    # Funding of 800: 80% is reset after 73 days (0.2 years), the rest matures beyond the year.
    # 2% x (300 x 0.6 - 640 x 0.8) = 2% x (180 - 512) = -6.64
    accounts = pd.DataFrame({"debt_li": [300_000, 700_000], "loan_rate_bp": [600, 600], "rate_type": ["floating", "fixed"],
                             "rate_notice_days": [146, None], "rate_cap_bp": [None, None]})
    direct = pd.DataFrame({"amount_li": [640_000, 160_000], "rate_type": ["floating", "fixed"], "reset_days": [73, 30],
                           "maturity_days": [365, 400]})
    as_of = datetime.date(2026, 6, 30)
    assert rate_gap_li(accounts, direct, as_of) == -6_640
    # A cap one point above the rate halves what the loans bring: 1% x 180 - 2% x 512 = -8.44
    assert rate_gap_li(accounts.assign(rate_cap_bp=[700, None]), direct, as_of) == -8_440
    # A lock of 292 days leaves a fifth of the year: 2% x (60 - 512) = -9.04
    locked = accounts.assign(rate_lock_until=[as_of + datetime.timedelta(days=292), None])
    assert rate_gap_li(locked, direct, as_of) == -9_040
    # A fixed loan that matures after 219 days is lent again: 2% x (180 + 700 x 0.4 - 512) = -1.04
    short = accounts.assign(maturity_date=[None, as_of + datetime.timedelta(days=219)])
    assert rate_gap_li(short, direct, as_of) == -1_040


def test_the_demo_answers_most_questions_of_the_shipped_scale():
    book = demo_book(120)
    first, _, third = platform_facts(book, [0, 0, 0])
    asked = {i.name for d in SHIPPED.dimensions for i in d.indicators if i.source == "answered"}
    assert set(first["answers"]) == asked
    assert set(third["answers"]) < asked
    assert json.loads(json.dumps(first["answers"])) == first["answers"]


def test_answers_are_read_from_a_book(tmp_path):
    book = demo_book(120)
    write_book(book, tmp_path / "book")
    again = read_book(tmp_path / "book")
    assert platform_facts(again, [0, 0, 0]) == platform_facts(book, [0, 0, 0])
    rows = (tmp_path / "book" / "answers.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "book" / "answers.csv").write_text("\n".join([*rows, rows[1], rows[1].replace("P1", "P9")]) + "\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_book(tmp_path / "book")
    assert ["must be unique" in str(f) or "is not in platforms.csv" in str(f) for f in caught.value.faults] == [True, True]


def test_a_path_with_exactly_sixty_points_has_an_a(tmp_path):
    text = re.sub(r"points = .*", "points = [[0, 0], [100, 100]]", SIX.read_text(encoding="utf-8"))
    text = text.replace("coverage_below_pct = 15", "coverage_below_pct = 0")
    path = tmp_path / "straight.toml"
    path.write_text(text, encoding="utf-8")
    scale = read_scale(path)
    for own, name in ((720, "A"), (719, "B")):
        record, outcomes = run(
            own=own, crash=(1000, 1000, 1000), funding_by_source_li={"bank": 500, "p2p": 500}, foreign_claims_li=870, segregated_li=42,
            own_capital_li=940, risk_disclosure_score=59.0)
        row = rows_of(record, outcomes, scale)
        assert (row["grade_after"], row["migration"][name]) == (name, 3)
    assert row["score_after"] == "59.975"


def test_a_floor_never_lifts_a_grade(tmp_path):
    weak = {"own": 149, "crash": (1000, 1000, 1000)}
    text = trigger("own_capital_to_loans_pct", "below = 25", notches=3, floor="AA")
    for combine in ("worst", "sum"):
        scale = more(tmp_path, text, ('deciding_scenario = "crash-40"', f'deciding_scenario = "crash-40"\ncombine = "{combine}"'))
        row = rows_of(*run(**weak), scale)
        assert (row["grade_after"], row["migration"]["B"]) == ("B", 3)
