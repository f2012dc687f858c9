"""What the report says of forced sales: what they meet, how they spread, and how ways of selling compare."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pandas as pd
import pytest
from test_report import Reader, page, run, summary, with_record

from stresslab.estimate import sector_estimates
from stresslab.report import RunTables, channel, pairs, sectors, tables, write_html
from stresslab.report.amounts import percent, rounded
from stresslab.report.parameters import ROWS
from stresslab.report.phrase import Phrase
from stresslab.report.run_tables import ALL, Estimates
from stresslab.report.terms import flow, law, market_terms
from stresslab.scenario import Scenario

# --- what sales meet --------------------------------------------------------------------------

LIQUIDITY = {"impact_coefficient": 1.0, "participation_pct": 20.0, "permanent_share_pct": 50.0, "half_life_days": 5.0}


@pytest.mark.parametrize(
    ("given", "en", "zh"),
    [
        ({"impact": "none"}, "none", "无"),
        ({"impact": "sqrt"}, "sqrt, Y = 1.0, 50% permanent, the rest with a half-life of 5 days",
         "平方根（sqrt），Y=1.0，50%为永久，其余半衰期5日"),
        ({"impact": "linear", "impact_coefficient": 0.4, "half_life_days": 2.5},
         "linear, c = 0.4, 50% permanent, the rest with a half-life of 2.5 days", "线性（linear），c=0.4，50%为永久，其余半衰期2.5日"),
        ({"impact": "exponential", "impact_coefficient": 0.4, "impact_floor_pct": 30.0},
         "exponential, c = 0.4, floor 30% of the book's price, 50% permanent, the rest with a half-life of 5 days",
         "指数（exponential），c=0.4，下限为账簿日价格的30%，50%为永久，其余半衰期5日"),
        ({"impact": "almgren", "trading_fraction": 0.25},
         "almgren, Y = 1.0, sold over 25% of the day, temporary part with a half-life of 5 days",
         "almgren，Y=1.0，在当日25%的时间内卖出，暂时部分半衰期5日"),
    ],
)
def test_the_impact_law_is_named_with_its_parameters(given, en, zh):
    assert law({**LIQUIDITY, **given}) == (en, zh)


def test_the_opposing_flow_is_named_with_its_parameters():
    assert flow(LIQUIDITY) == ("at most 20% of usual turnover a day, no natural buyers", "每日至多日均成交量的20%，无自然买盘")
    said = flow({**LIQUIDITY, "buyers_pct": 5.0, "buyers_exhaustion_pct": 250.0})
    assert said.en.endswith("take the first 5% of turnover without impact, every 10% of market fall sends 25% of them away")
    assert said.zh.endswith("自然买盘先承接日均成交量的5%而不影响价格，市场每下跌10%，自然买盘减少25%")


def exhibits(html: str) -> list[str]:
    return re.findall(r'<div class="exhibit">.*?\n</div>\n', html, flags=re.S)


def test_every_table_of_results_names_the_law_and_the_opposing_flow():
    # What is read from the book alone met no market.
    simulated = re.sub(r'<section id="(?:standing|pool)">.*?</section>', "", page(), flags=re.S)
    blocks = exhibits(simulated)
    assert len(blocks) > 15
    for block in blocks:
        result = 'class="parameters"' not in block
        assert ("Impact law: sqrt, Y = 1.0" in block and "opposing flow: at most 25%" in block) == result
        assert ("冲击：平方根（sqrt），Y=1.0" in block and "对手盘：每日至多日均成交量的25%" in block) == result


def with_scenario(name: str, tables_of: RunTables | None = None, **blocks) -> RunTables:
    """The run with some blocks of one scenario changed."""
    held = tables_of or run()
    changed = [
        {**s, **{k: {**s[k], **v} if isinstance(v, dict) else v for k, v in blocks.items()}} if s["id"] == name else s
        for s in held.record["scenarios"]
    ]
    return dataclasses.replace(held, record={**held.record, "scenarios": changed})


def test_scenarios_with_other_laws_are_told_apart():
    other = with_scenario("crash-60", liquidity={"impact": "linear", "impact_coefficient": 0.4})
    said = market_terms(other.scenarios)
    assert re.match(r"Impact law: crash-60: linear, c = 0.4, .*\. all others: sqrt, Y = 1.0, .*\.$", said.en)
    assert re.match(r"冲击：crash-60：线性（linear），.*。其余情景：平方根（sqrt），.*。$", said.zh)
    assert "crash-60: linear, c = 0.4" in tables.outcome(other, Estimates(run().estimates), ALL).terms.en
    two = [s for s in other.scenarios if s["id"] in ("crash-40", "crash-60")]
    assert "crash-40: sqrt" in market_terms(two).en


# --- how sales spread -------------------------------------------------------------------------


def cells_of(table, title: str, place: int = 0) -> list[str]:
    return [c.value.en for c in [r for r in table.rows if r.title.en.split(" †")[0] == title][place].cells]


def test_losses_of_rule_and_reaction_are_the_paired_estimates():
    table = tables.losses(run(), Estimates(run().estimates), ALL)
    row = next(r for r in table.rows if r.note.en == "given scenario crash-60")
    o = run().outcomes[run().outcomes["scenario"] == "crash-60"].groupby("path")[
        ["loss_holding_li", "loss_without_impact_li", "loss_with_impact_li"]].sum() / 1e9
    hold, plain, full = (o[c].to_numpy() for c in o)
    for cell, values in zip(row.cells, (hold, plain, full, plain - hold, full - plain), strict=True):
        assert cell.value.en == rounded(values.mean(), 1)
        assert cell.error.en == f"±\u00a0{rounded(values.std(ddof=1) / math.sqrt(len(values)), 1)}"
    assert [h.group.en for h in table.heads] == ["Loss"] * 3 + ["Difference, path by path"] * 2


def test_displaced_sales_are_those_of_the_outcomes():
    o = run().outcomes
    mine = o[o["scenario"] == "crash-60"].groupby("path")[["sold_li", "displaced_li"]].sum()
    table = channel.displaced(run(), Estimates(run().estimates))
    sold, moved, share, *_, locked, breaker = next(r for r in table.rows if r.note.en == "given scenario crash-60").cells
    assert sold.value.en == rounded(mine["sold_li"].mean() / 1e9, 1)
    assert moved.value.en == rounded(mine["displaced_li"].mean() / 1e9, 1)
    assert share.value.en == percent(100 * mine["displaced_li"].sum() / mine["sold_li"].sum()).en
    assert (locked.value.en, breaker.value.en) == ("0", "0")
    later = run().days.assign(locked=2)
    table = channel.displaced(dataclasses.replace(run(), days=later), Estimates(run().estimates))
    assert table.rows[0].cells[5].value.en == "30"  # two of them on each of fifteen days


def test_most_affected_instruments_by_hand():
    scenario = next(s for s in run().scenarios if s["id"] == "crash-60")
    days = pd.DataFrame({
        "scenario": "crash-60", "instrument_id": ["A", "B", "A", "B"], "day": [1, 1, 2, 2], "paths": 2,
        "sold_sum_shares": [100, 50, 0, 50], "sold_sum_li": [4_000_000, 1_000_000, 0, 3_000_000],
        "displaced_sum_shares": [25, 0, 0, 50], "locked": [0, 1, 2, 1],
        "quoted_sum_li": [90, 100, 80, 100], "quoted_plain_sum_li": 100, "fundamental_sum_li": 100,
    })
    table = channel.instruments(dataclasses.replace(run(), instruments=days), scenario)
    # A: a quarter of 2,000 yuan a path; B: all of the second day's 1,500 yuan. Days locked: 2 of 2 paths on day 2 is one day.
    assert [r.title.en for r in table.rows] == ["B", "A"]
    assert cells_of(table, "B") == ["0.0015", "75.0%", "25", "50.0%", "0.0020", "1.0", "0%"]
    assert cells_of(table, "A") == ["0.0005", "25.0%", "12.5", "25.0%", "0.0020", "1.0", "\u221220.0%"]
    assert table.rows[1].cells[6].note.en == "day 2"


def test_daily_sales_are_drawn_as_high_as_they_are():
    scenario = next(s for s in run().scenarios if s["id"] == "crash-60")
    figure = channel.daily(run(), Estimates(run().estimates), scenario, "f")
    bars = re.findall(r'<path d="M ([\d.]+) ([\d.]+)\nL [\d.]+ [\d.]+\nL [\d.]+ ([\d.]+)\n[^<]*fill: (#\w+)"', figure.svg)
    heights = {c: [abs(float(a) - float(b)) for _, a, b, colour in bars if colour == c] for c in ("#a9c9e3", "#c2452d")}
    i = run().instruments[run().instruments["scenario"] == "crash-60"]
    moved = i["sold_sum_li"] * (i["displaced_sum_shares"] / i["sold_sum_shares"])
    own = (i["sold_sum_li"] - moved).groupby(i["day"]).sum().to_numpy()
    by_day = moved.groupby(i["day"]).sum().to_numpy()
    assert len(heights["#a9c9e3"]) == len(heights["#c2452d"]) == 15
    unit = heights["#a9c9e3"][8] / own[8]
    assert max(heights["#c2452d"]) > 5
    assert heights["#a9c9e3"] == pytest.approx(own * unit, abs=0.03)
    assert heights["#c2452d"] == pytest.approx(by_day * unit, abs=0.03)
    assert "of forced sales are displaced" in figure.note.en


def test_sectors_show_their_shares_with_errors_and_add_up():
    estimates = Estimates(run().estimates)
    table = sectors.table(run(), estimates, sectors.sector_shares(run()))
    assert table is not None
    told = sector_estimates(run().sectors).set_index(["scenario", "sector", "measure"])
    for name in ("bank", "broker", "consumer", "HTTP & <tech>"):
        cells = next(r for r in table.rows if r.title.en == name).cells
        expected = [("crash-40", "share_of_value")] + [
            (s, m) for s in ("crash-40", "crash-60") for m in ("share_of_sold", "share_of_displaced", "share_of_impact_loss")]
        for cell, (scenario, measure) in zip(cells, expected, strict=True):
            assert cell.value.en == percent(told.loc[(scenario, name, measure), "value"]).en
            assert (cell.error is None) == (measure == "share_of_value")
    assert [r.title.en for r in table.rows][-1] == "Financial"
    assert cells_of(table, "Financial")[0] == "55.0%"
    s = run().sectors[run().sectors["scenario"] == "crash-40"]
    both = s[s["sector"].isin(["bank", "broker"])]["sold_li"].sum() / s["sold_li"].sum()
    assert cells_of(table, "Financial")[1] == percent(100 * both).en
    assert "&lt;tech&gt;" in page()


def test_sectors_under_stricter_margins_are_marked():
    rules = [
        {"sector": "broker", "subsector": None, "single_name_cap_pct": 30.0, "line_add_pct": 10.0, "rate_add_pct": 1.5},
        {"sector": None, "subsector": "futures", "single_name_cap_pct": None, "line_add_pct": 5.0, "rate_add_pct": 0.0},
    ]
    ruled = with_scenario("severe", sector_margin=rules)
    assert [s["id"] for s in sectors.shown(ruled, Estimates(run().estimates))] == ["crash-40", "crash-60", "severe"]
    table = sectors.table(ruled, Estimates(run().estimates), sectors.sector_shares(ruled))
    assert [r.title.en for r in table.rows if "†" in r.title.en] == ["broker †"]
    marked = next(r for r in table.rows if r.title.en == "broker †")
    assert marked.note == Phrase("cap 30% a name, lines +10%, rate +1.5% (severe)", "单只上限30%，警戒线等+10%，利率+1.5%（severe）")
    assert "Subsector futures: lines +5% (severe)." in table.note.en
    assert "M-49" in table.formulas
    html = write_html(ruled)
    assert "broker: cap 30% a name, lines +10%, rate +1.5%; futures: lines +5%" in Reader(html).said("en")
    assert re.search(r"<text[^>]*>broker †</text>", html)


def two_ways() -> RunTables:
    """The run as if crash-60 were crash-40 with sales in five batches."""
    base = next(s for s in run().record["scenarios"] if s["id"] == "crash-40")
    other = {**base, "id": "crash-60", "operations": {**base["operations"], "batches": 5, "source": "assumption"}}
    return with_record(scenarios=[other if s["id"] == "crash-60" else s for s in run().record["scenarios"]])


def losses_by_path(scenario: str) -> np.ndarray:
    o = run().outcomes
    return o[o["scenario"] == scenario].groupby("path")["loss_with_impact_li"].sum().to_numpy().astype(float)


def test_batches_stand_against_dumping_with_the_paired_error():
    held = two_ways()
    (pair,) = pairs.pairs(held)
    table = pairs.table(held, pair)
    assert table.title.en == "Selling in batches against dumping: crash-60 against crash-40, million yuan"
    assert table.title.zh == "分批平仓与一次抛出对比：crash-60 相对 crash-40（亿元）"
    assert table.note.en.startswith("They differ in: batches 1 → 5.")
    one, two = losses_by_path("crash-40") / 1e9, losses_by_path("crash-60") / 1e9
    cells = next(r for r in table.rows if r.title.en == "Loss of the run" and not r.note.en).cells
    assert [c.value.en for c in cells] == [
        rounded(one.mean(), 1), rounded(two.mean(), 1), f"+{rounded((two - one).mean(), 1)}", "0", "20", "0"]
    assert cells[2].error.en == f"±\u00a0{rounded((two - one).std(ddof=1) / math.sqrt(20), 1)}"
    assert cells[2].tone == "bad"
    # A platform that fails in neither is not told of.
    o = run().outcomes
    o = o.assign(failure_day=o["failure_day"].where(o["platform_id"] != "P1"))
    table = pairs.table(dataclasses.replace(held, outcomes=o), pair)
    failing = set(o[o["failure_day"].notna() & o["scenario"].isin(["crash-40", "crash-60"])]["platform_id"])
    assert failing == {"P2", "P3"}
    named = [r.note.en for r in table.rows if r.title.en == "Paths that fail"]
    assert named == [p["name"] for p in run().platforms if p["platform_id"] in failing]
    assert "Selling in batches against dumping" in write_html(held)
    assert "Selling in batches against dumping" not in page()


def test_only_ways_of_selling_make_a_pair():
    assert pairs.pairs(run()) == []
    held = with_scenario("crash-60", two_ways(), liquidity={"participation_pct": 30.0})
    assert pairs.pairs(held) == []
    # Which of the two stands first in the run does not matter: the one that sells at once is the base.
    turned = with_record(scenarios=two_ways().scenarios[::-1])
    assert [(a["id"], b["id"]) for a, b, _ in pairs.pairs(turned)] == [("crash-40", "crash-60")]
    titles = {
        "displace": (False, "Selling without displacement against with it"),
        "sale_order": ("largest", "One order of sale against another"),
        "sale": ("full", "One way of selling against another"),
    }
    for key, (value, title) in titles.items():
        held = with_scenario("crash-60", two_ways(), operations={"batches": 1, key: value})
        (pair,) = pairs.pairs(held)
        assert pairs.title_of(*pair).en.startswith(title)


def test_every_key_of_a_scenario_stands_among_the_parameters():
    said = {(block, key) for block, key, _, _ in ROWS}
    named = {"id", "title", "title_zh", "purpose", "purpose_zh", "source"}

    def walk(model, block):
        for key, field in model.model_fields.items():
            inner = [a for a in (field.annotation, *getattr(field.annotation, "__args__", ())) if hasattr(a, "model_fields")]
            if key in named or (block, key) in said:
                continue
            assert inner, f"{block}.{key} is not among the parameters"
            walk(inner[0], f"{block}.{key}".strip("."))

    walk(Scenario, "")
    assert len(said) == len(ROWS) > 40


def test_parameters_of_lists_and_shared_values():
    suspended = [{"from_day": 3, "to_day": 9, "instruments": None, "sector": "bank", "board": None, "source": "a letter"}]
    held = with_scenario("crash-60", market={"suspension": suspended, "halt_days": [1, 4]}, operations={"sale_order": "most_liquid"})
    said = Reader(write_html(held)).said("en")
    assert re.search(r"Suspended — — — bank on days 3 to 9 \[\d+\]", said)
    assert re.search(r"Days on which the market is halted — — — 1, 4 ", said)
    assert "Order of sale as the contract says as the contract says as the contract says most liquid first" in said
    # A source that one scenario gives for its own change does not stand beside what all share.
    source = Reader(write_html(two_ways())).said("en")
    assert re.search(r"Grace before failure, days 1 Loans after failure held ", source)


def test_summary_says_what_the_sales_met_and_how_ways_of_selling_compare():
    said = " ".join(" ".join(summary("en", tables=two_ways())).split())
    assert "Impact law: sqrt, Y = 1.0, 33% permanent, the rest with a half-life of 5 days; opposing flow: at most 25%" in said
    change = (losses_by_path("crash-60") - losses_by_path("crash-40")) / 1e9
    error = change.std(ddof=1) / math.sqrt(len(change))
    assert f"crash-60 vs crash-40: loss +{change.mean():,.1f}±{error:.1f} million yuan; better on 0, worse on 20 of 20 paths" in said
    assert " vs " not in " ".join(summary("en"))
    narrow = summary("en", 70)
    assert any("Displaced" in line for line in narrow)
    assert any(re.match(r"crash-60 +[\d,.]+±[\d.]+ +[\d,.]+±[\d.]+ +[\d.]+±[\d.]+%$", line.rstrip()) for line in narrow)
