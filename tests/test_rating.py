"""The rating: worked goldens, the two-notch rule at its edges, and scale files that are refused."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stresslab import rating as module
from stresslab.faults import InputError
from stresslab.rating import coverage_gap_li, grade, rate, read_scale, score

WEIGHTS = (25, 10, 25, 10, 20, 10)
GRADES = (("AAA", 90), ("AA", 75), ("A", 60), ("B", 0))
SCALE_FILE = Path(module.__file__).with_name("rating_scale.toml")


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
    "risk_disclosure_score": 100.0,
    "risk_disclosure_evidence": "annual report, page 12",
}
CRASH = {"depth_pct": 40.0}


def scenario(name, crash=None):
    return {"id": name, "market": {"crash": crash}}


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
    (found,) = rate(record, outcomes, read_scale())["platforms"]
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
    (found,) = rate(record, outcomes, read_scale())["platforms"]
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
    assert (resilience["indicator_value"], resilience["score"]) == (None, "100.00")


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
    (found,) = rate(record, outcomes, read_scale())["platforms"]
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
    assert (row["indicator_value"], row["score"]) == (value, points)


def test_an_answer_without_evidence_is_a_reason():
    reasons = crash_row(rated(risk_disclosure_evidence=None))["reasons"]
    assert any("without evidence" in reason["en"] for reason in reasons)
    assert any("没有证据" in reason["zh"] for reason in reasons)


def test_rating_is_plain_json_and_names_its_scale():
    record, outcomes = run()
    scale = read_scale()
    found = rate(record, outcomes, scale)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["scale"]["provisional"] is True
    assert found["scale"]["digest"] == scale.digest
    assert len(scale.digest) == 64


def test_order_of_rows_changes_nothing():
    record, outcomes = run(own=100, crash=(0, 750, 1500, 1000, 900))
    shuffled = outcomes.sample(frac=1, random_state=1)
    assert rate(record, outcomes, read_scale()) == rate(record, shuffled, read_scale())


def test_outcomes_that_lack_a_scenario_are_refused():
    record, outcomes = run(extra=(scenario("rates"),))
    with pytest.raises(InputError, match="rates / north"):
        rate(record, outcomes[outcomes["scenario"] != "rates"], read_scale())
    with pytest.raises(InputError, match="own_funds_before_li"):
        rate(record, outcomes.drop(columns="own_funds_before_li"), read_scale())


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
    text = SCALE_FILE.read_text(encoding="utf-8")
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
    assert scale.dimensions[2].indicator.points[1] == (Decimal("15.5"), Decimal("0.1"))
    assert scale.digest != read_scale().digest
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
        ("[15, 60]", "[0, 60]", "dimensions[3].indicator.points[2]", "rise strictly"),
        (
            "[15, 60]",
            "[15, 101]",
            "dimensions[3].indicator.points[2][2]",
            "must be at most 100",
        ),
        ('"own_funds_coverage_pct"', '"coverage"', "dimensions[3].indicator.name", "not compute"),
        (
            'source = "simulated"',
            'source = "book"',
            "dimensions[3].indicator.source",
            "is simulated",
        ),
        ('source = "simulated"', 'source = "dice"', "dimensions[3].indicator.source", "must be one of simulated, book, answered"),
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
        "dimensions[3].indicator.points[2]",
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
