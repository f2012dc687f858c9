"""Looking through a funding pool: small graphs by hand, and what must hold of any."""

from __future__ import annotations

import datetime
import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stresslab as sl
from stresslab.book import Book, demo_book, read_book, write_book
from stresslab.book.files import row_order
from stresslab.book.recall import GRADES, State, Trigger, parse_trigger
from stresslab.faults import InputError
from stresslab.pool import look_through, read_rules
from stresslab.pool.circles import CIRCLES_MOST, circles, party_edges
from stresslab.pool.ladder import LADDER_DAYS, ladder, mean_days
from stresslab.pool.layers import Claimed, Fund, Layer, layer_faults, pieces, read_fund
from stresslab.pool.recalls import clauses, market_falls, recalled
from stresslab.pool.rules import SHIPPED
from stresslab.pool.sources import Share, apportion, ultimate_sources
from stresslab.pool.through import concentration
from stresslab.report.pool import pool_page, pool_part

BASE = Path(__file__).parent / "invalid" / "base"
AS_OF = datetime.date(2026, 6, 30)


def layer(name: str, amount: int, funder: str | None = None, *, parent: str | None = None, platform: str = "P1", source: str = "bank",
          days: int = 100, **more: object) -> Layer:
    return Layer(name, platform, parent, funder, source, amount, days, **more)


def fund(*layers: Layer, platforms: tuple[str, ...] = ("P1",), claims: tuple[Claimed, ...] = (), own: tuple[int, ...] = ()) -> Fund:
    nothing = (0,) * len(platforms)
    return Fund(AS_OF, platforms, tuple(sorted(layers, key=lambda x: x.funding_id)), claims, own or nothing, nothing)


def told(shares: list[Share]) -> list[tuple[str, str, str, int, int]]:
    return [(s.platform_id, s.source.party, s.source.kind, s.amount_li, s.share_ppm) for s in shares]


# --- sources --------------------------------------------------------------------------------------


def test_nested_layers_by_hand():
    """A trust of 600 is 420 a bank's and 180 private; the bank lends 400 beside it: 820 of 1,000 are the bank's."""
    pool = fund(layer("F1", 400, "BANK"), layer("F2", 600, "TRUST", source="nonbank"), layer("F2a", 420, "BANK", parent="F2"),
                layer("F2b", 130, "CLUB", parent="F2", source="p2p", related=True))
    assert [(p.leaf.funding_id, p.amount_li) for p in pieces(pool.layers)] == [("F1", 400), ("F2", 50), ("F2a", 420), ("F2b", 130)]
    assert told(ultimate_sources(pool)) == [
        ("P1", "BANK", "bank", 820, 820_000), ("P1", "CLUB", "p2p", 130, 130_000), ("P1", "TRUST", "nonbank", 50, 50_000)]
    assert [s.source.related for s in ultimate_sources(pool)] == [False, True, False]


def test_through_another_platform_by_hand():
    """P2 lends 100 to P1; P2's pool is 50 bank, 30 clients, 20 own: so is the 100."""
    pool = fund(layer("A1", 100, "P2"), layer("B1", 50, "BANK", platform="P2"), platforms=("P1", "P2"),
                claims=(Claimed("C7", "P2", 30, 0),), own=(0, 20))
    assert told(ultimate_sources(pool))[:3] == [
        ("P1", "BANK", "bank", 50, 500_000), ("P1", "clients of P2", "clients", 30, 300_000), ("P1", "own funds of P2",
                                                                                               "own_funds", 20, 200_000)]


def test_platforms_that_fund_each_other_by_hand():
    """P1 has 60 of P2 and 40 of X; P2 has 50 of P1 and 50 of Y: x1 = 0.6 x2 + 0.4 X, x2 = 0.5 x1 + 0.5 Y, so x1 = (4 X + 3 Y) / 7."""
    pool = fund(layer("A1", 60, "P2"), layer("A2", 40, "X"), layer("B1", 50, "P1", platform="P2"), layer("B2", 50, "Y", platform="P2"),
                platforms=("P1", "P2"))
    exact = {(s.platform_id, s.source.party): s.exact for s in ultimate_sources(pool)}
    assert exact == {("P1", "X"): F(4, 7), ("P1", "Y"): F(3, 7), ("P2", "X"): F(2, 7), ("P2", "Y"): F(5, 7)}
    assert [(s.amount_li, s.share_ppm) for s in ultimate_sources(pool)] == [(57, 571_429), (43, 428_571), (71, 714_286), (29, 285_714)]


def test_platforms_with_nothing_but_each_other_have_no_source():
    pool = fund(layer("A1", 60, "P2"), layer("B1", 50, "P1", platform="P2"), layer("C1", 10, "P1", platform="P3"), platforms=("P1", "P2",
                                                                                                                              "P3"))
    assert {(s.platform_id, s.source.kind, s.source.party) for s in ultimate_sources(pool)} == {
        (p, "circular", "nobody but P1, P2") for p in ("P1", "P2", "P3")}


def test_own_money_as_funding_and_an_empty_platform_are_ends():
    pool = fund(layer("A1", 60, "P1", source="own"), layer("A2", 40, "P2"), platforms=("P1", "P2"))
    assert [(p, kind) for _, p, kind, *_ in told(ultimate_sources(pool))] == [("P1", "own"), ("P2", "bank")]


def test_apportioning_adds_up():
    assert apportion([F(1, 3), F(1, 3), F(1, 3)], 1) == [1, 0, 0]
    assert apportion([F(5, 2), F(7, 2), F(4)], 10) == [3, 3, 4]


@st.composite
def funds(draw: st.DrawFn) -> Fund:
    platforms = tuple(f"P{k}" for k in range(draw(st.integers(1, 4))))
    names = [None, "BANK", "TRUST", "CLUB", *platforms]
    layers: list[Layer] = []
    for platform in platforms:
        for at in range(draw(st.integers(0, 3))):
            waiting = [(f"{platform}-F{at}", None, draw(st.integers(1, 1000)), 0)]
            while waiting:
                name, parent, amount, depth = waiting.pop()
                layers.append(layer(
                    name, amount, draw(st.sampled_from(names)), parent=parent, platform=platform, days=draw(st.integers(0, 400)),
                    source=draw(st.sampled_from(["bank", "nonbank", "own", "foreign"])), related=draw(st.booleans()),
                    currency=draw(st.sampled_from(["CNY", "USD"])), triggers=draw(st.sampled_from([(), (Trigger("market_fall", 2000),)])),
                    recall_bp=draw(st.sampled_from([5000, 10_000]))))
                left = amount
                for k in range(draw(st.integers(0, 2)) if depth < 3 else 0):
                    part = draw(st.integers(0, left))
                    left -= part
                    if part:
                        waiting.append((f"{name}{k}", name, part, depth + 1))
    claims = tuple(Claimed(draw(st.sampled_from(["C1", "C2", *platforms])), p, draw(st.integers(1, 500)), draw(st.integers(0, 9)))
                   for p in platforms if draw(st.booleans()))
    own = tuple(draw(st.sampled_from([0, 0, 7, 300])) for _ in platforms)
    return fund(*layers, platforms=platforms, claims=claims, own=own)


@settings(max_examples=150, deadline=None)
@given(funds())
def test_shares_add_up_exactly(pool):
    shares = ultimate_sources(pool)
    for platform in pool.platforms:
        mine = [s for s in shares if s.platform_id == platform]
        total = pool.funding(platform)
        assert sum(s.amount_li for s in mine) == total
        assert sum(p.amount_li for p in pieces(pool.layers) if p.platform_id == platform) == total
        if total:
            assert sum(s.share_ppm for s in mine) == 1_000_000
            assert sum(s.exact for s in mine) == 1
            assert all(0 <= s.amount_li - int(s.exact * total) <= 1 for s in mine)


@settings(max_examples=150, deadline=None)
@given(funds())
def test_looking_through_twice_changes_nothing(pool):
    first = ultimate_sources(pool)
    flat = [Layer(f"S{k:04d}", s.platform_id, None, s.source.party, s.source.kind, s.amount_li, 10, currency=s.source.currency,
                  related=s.source.related) for k, s in enumerate(first) if s.amount_li]
    second = ultimate_sources(replace(pool, layers=tuple(flat)))
    before = {(s.platform_id, s.source): s.amount_li for s in first if s.amount_li}
    assert {(s.platform_id, s.source): s.amount_li for s in second} == before


@settings(max_examples=80, deadline=None)
@given(funds())
def test_money_followed_step_by_step_ends_in_the_same_place(pool):
    """Floats, a thousand rounds of passing on: another way to the same shares."""
    found = pieces(pool.layers)
    full = {p.platform_id for p in found} | {c.platform_id for c in pool.claims} | {p for p in pool.platforms if pool.own(p)}
    parts: dict[str, list[tuple[str, float]]] = {p: [] for p in pool.platforms}
    for piece in found:
        through = piece.leaf.funder_id in full and piece.leaf.source != "own"
        parts[piece.platform_id].append((f"pool {piece.leaf.funder_id}" if through else piece.leaf.party, piece.amount_li))
    for c in pool.claims:
        parts[c.platform_id].append((f"pool {c.client_id}" if c.client_id in full else f"clients of {c.platform_id}", c.amount_li))
    for p in pool.platforms:
        parts[p] += [(f"own funds of {p}", pool.own(p))] if pool.own(p) else []
    for platform in pool.platforms:
        mix: dict[str, float] = {}
        total = pool.funding(platform)
        for piece in found:
            if piece.platform_id == platform:
                through = piece.leaf.funder_id in full and piece.leaf.source != "own"
                key = f"pool {piece.leaf.funder_id}" if through else piece.leaf.party
                mix[key] = mix.get(key, 0) + piece.amount_li / total
        for _ in range(1_000):
            new: dict[str, float] = {}
            for key, share in mix.items():
                inside = parts[key.removeprefix("pool ")] if key.startswith("pool ") else [(key, 1.0)]
                whole = sum(a for _, a in inside)
                for to, amount in inside:
                    new[to] = new.get(to, 0) + share * amount / whole
            mix = new
        exact: dict[str, float] = {}
        for s in ultimate_sources(pool):
            if s.platform_id == platform:
                exact[s.source.party] = exact.get(s.source.party, 0) + float(s.exact)
        going_round = sum(v for k, v in mix.items() if k.startswith("pool "))
        if going_round < 1e-9:
            ends = {k: v for k, v in mix.items() if v > 1e-9 and not k.startswith("pool ")}
            assert ends == pytest.approx({k: v for k, v in exact.items() if v > 1e-9}, abs=1e-8)
        else:
            assert going_round >= sum(v for k, v in exact.items() if k.startswith("nobody but")) - 1e-9


# --- circles --------------------------------------------------------------------------------------


def test_a_circle_over_two_platforms_is_named_with_its_amounts():
    pool = fund(layer("A1", 60, "TRUST"), layer("A1a", 40, "P2", parent="A1"), layer("B1", 50, "CLUB", platform="P2"),
                layer("B1a", 45, "P1", platform="P2", parent="B1"), platforms=("P1", "P2"))
    (one,), more = circles(party_edges(pool))
    assert (str(one), one.amounts_li, one.amount_li, more) == ("CLUB → P2 → TRUST → P1 → CLUB", (50, 40, 60, 45), 40, False)


def test_an_own_stake_is_no_circle_but_a_loan_to_oneself_is():
    stake = fund(layer("A1", 60, "TRUST"), layer("A1a", 40, "TRUST", parent="A1"), layer("A2", 9, "P1", source="own"))
    assert circles(party_edges(stake)) == ([], False)
    lent = fund(layer("A1", 60, "P1", source="nonbank"))
    assert [str(c) for c in circles(party_edges(lent))[0]] == ["P1 → P1"]


def test_a_client_that_is_a_platform_closes_a_circle():
    pool = fund(layer("A1", 60, "P2"), platforms=("P1", "P2"), claims=(Claimed("P1", "P2", 25, 0), Claimed("C", "P1", 9, 0)))
    assert [(str(c), c.amounts_li) for c in circles(party_edges(pool))[0]] == [("P1 → P2 → P1", (25, 60))]


def brute_circles(edges: dict[str, dict[str, int]]) -> set[tuple[str, ...]]:
    nodes = sorted({*edges, *(b for row in edges.values() for b in row)})
    found = set()
    for size in range(1, len(nodes) + 1):
        for way in itertools.permutations(nodes, size):
            if way[0] == min(way) and all(b in edges.get(a, {}) for a, b in zip(way, [*way[1:], way[0]], strict=True)):
                found.add(way)
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"), st.integers(1, 99)), max_size=14))
def test_all_circles_are_found_once(pairs):
    edges: dict[str, dict[str, int]] = {}
    for a, b, amount in pairs:
        edges.setdefault(a, {})[b] = amount
    found, more = circles(edges)
    if not more:
        assert len(found) == len({c.parties for c in found})
        assert {c.parties for c in found} == brute_circles(edges)
    for c in found:
        assert c.amounts_li == tuple(edges[a][b] for a, b in zip(c.parties, [*c.parties[1:], c.parties[0]], strict=True))


def test_a_tangle_is_cut_short_and_says_so():
    names = [f"n{k:02d}" for k in range(30)]
    found, more = circles({a: {b: 1 for b in names if b != a} for a in names})
    assert (len(found), more) == (CIRCLES_MOST, True)


def test_a_layer_that_is_its_own_ancestor_is_refused_with_the_way():
    faults = layer_faults([layer("A", 10_000, parent="B"), layer("B", 20_000, parent="A")])
    assert "A (10) → B (20) → A (10)" in str(faults[0])
    assert [f.column for f in layer_faults([layer("A", 5), layer("B", 6, parent="A")])] == ["amount_yuan"]
    lost = [layer("A", 5), layer("B", 2, parent="A", platform="P2"), layer("C", 1, parent="Z")]
    assert [f.column for f in layer_faults(lost)] == ["parent_id"] * 2


# --- ladder, recalls, concentration ---------------------------------------------------------------


def test_ladder_by_hand():
    pool = fund(layer("A1", 500, days=365), layer("A1a", 200, parent="A1", days=30), layer("A2", 100, days=7), claims=(Claimed("C",
        "P1", 50, 3),))
    steps = ladder(pool, pieces(pool.layers), "P1", 80, {90: 300, 91: 60}, 400)
    assert [s.until_day for s in steps] == list(LADDER_DAYS)
    assert [s.gap_li for s in steps] == [80, -70, -70, 230, 290, -210, -210]
    assert [s.gap_called_li for s in steps] == [480, 330, 330, 630, 690, 190, 190]
    assert [s.gap_through_li for s in steps] == [80, -70, -270, 30, 90, -210, -210]
    assert mean_days([(365, 500), (7, 100)]) == F(183_200, 600)
    assert mean_days([]) is None


def test_loans_mature_by_their_accounts(tmp_path):
    shutil.copytree(BASE, tmp_path / "b")
    file = tmp_path / "b" / "accounts.csv"
    rows = file.read_text(encoding="utf-8").splitlines()
    as_of = read_book(BASE).as_of
    days = [as_of + datetime.timedelta(days=d) for d in (5, 200)]
    dated = [f"{r},{d}" for r, d in zip(rows[1:], [*days, ""], strict=False)]
    file.write_text("\n".join([rows[0] + ",maturity_date", *dated]) + "\n", encoding="utf-8")
    book = read_book(tmp_path / "b")
    table = look_through(book).ladder
    debt = book.tables["accounts"].groupby(book.tables["accounts"]["maturity_date"].notna())["debt_li"].sum()
    assert table["loans_li"].sum() == debt[True]
    assert table["on_call_li"].sum() == debt.get(False, 0)
    first = book.tables["accounts"].iloc[0]
    assert table[(table["platform_id"] == first["platform_id"]) & (table["until_day"] == 7)]["loans_li"].iloc[0] == first["debt_li"]


@pytest.mark.parametrize(("text", "clauses_said"), [
    ("market fall >= 20%", ["market fall >= 20%"]), ("Market  fall ≥ 12.5 %", ["market fall >= 12.5%"]),
    ("市场跌幅 >= 20%", ["market fall >= 20%"]),
    ("rating < A", ["rating < A"]), ("评级低于AA", ["rating < AA"]), ("rating below aaa", ["rating < AAA"]),
    ("own funds < 5%", ["own funds < 5%"]), ("own funds < 9000000.5 yuan", ["own funds < 9000000.5 yuan"]),
    ("自有资金 < 900元", ["own funds < 900 yuan"]),
    ("coverage < 95%", ["coverage < 95%"]), ("保证金覆盖率 < 95%", ["coverage < 95%"]),
    ("rating < A or market fall >= 20%", ["market fall >= 20%", "rating < A"]), ("评级 < A 或 覆盖率 < 95%", ["rating < A",
                                                                                 "coverage < 95%"]),
])
def test_recall_clauses_are_read_and_said_again(text, clauses_said):
    read = parse_trigger(text)
    assert sorted(map(str, read)) == sorted(clauses_said)
    assert parse_trigger(" or ".join(map(str, read))) == read


@pytest.mark.parametrize(("text", "word"), [
    ("market fall < 20%", "good times"), ("rating >= A", "good times"), ("market fall >= 20", "unit"), ("market fall >= 120%",
                                                                                                        "percentage"),
    ("market fall >= 0%", "percentage"), ("rating < B", "grades"), ("rating < BBB", "grades"), ("coverage < 5 yuan", "unit"),
    ("coverage < 1.234%", "decimals"), ("liquidity < 5%", "not known"), ("", "not known"), ("rating < A and coverage < 5%", "grades"),
])
def test_clauses_that_nobody_understands_are_faults(text, word, tmp_path):
    with pytest.raises(ValueError, match=word):
        parse_trigger(text)
    book = demo_book(20)
    f = book.tables["funding"].assign(recall_trigger=[text or "x", *[None] * (len(book.tables["funding"]) - 1)])
    write_book(replace(book, tables=book.tables | {"funding": f}), tmp_path / "b")
    with pytest.raises(InputError) as refused:
        read_book(tmp_path / "b")
    assert any(fault.column == "recall_trigger" and fault.row == 2 for fault in refused.value.faults)


def test_other_faults_of_funding_terms(tmp_path):
    book = demo_book(20)
    f = book.tables["funding"]
    f = f.assign(currency=["usd", *[None] * (len(f) - 1)], amount_currency=pd.array([None, 5.0, *[None] * (len(f) - 2)], "Float64"),
                 recall_trigger=None, recall_bp=pd.array([None, None, 500, *[None] * (len(f) - 3)], "Int64"))
    write_book(replace(book, tables=book.tables | {"funding": f}), tmp_path / "b")
    with pytest.raises(InputError) as refused:
        read_book(tmp_path / "b")
    assert {(x.row, x.column) for x in refused.value.faults} == {(2, "currency"), (3, "amount_currency"), (4, "recall_pct")}


def test_clauses_fire_at_their_threshold_and_not_before():
    assert not Trigger("market_fall", 2000).met(State(market_fall_bp=1999))
    assert Trigger("market_fall", 2000).met(State(market_fall_bp=2000))
    assert [Trigger("rating", GRADES.index("AA"), "grade").met(State(rating=g)) for g in GRADES] == [False, False, True, True]
    assert [Trigger("coverage", 9500).met(State(coverage_bp=c)) for c in (9499, 9500)] == [True, False]
    assert [Trigger("own_funds", 500, "bp").met(State(own_funds_li=v, loans_li=1000)) for v in (49, 50)] == [True, False]
    assert [Trigger("own_funds", 50, "li").met(State(own_funds_li=v)) for v in (49, 50)] == [True, False]
    everything = "market fall >= 1% or rating < AAA or own funds < 9% or coverage < 99% or own funds < 9 yuan"
    assert not any(t.met(State()) for t in parse_trigger(everything))


def test_recalls_by_hand():
    """The trust's own clause takes 300 of its 600; its bank behind takes 420 of it: 420, not 720. A layer beside it adds up."""
    falls = parse_trigger("market fall >= 20%")
    pool = fund(
        layer("F1", 400, triggers=parse_trigger("market fall >= 30% or rating < A"), recall_bp=2500),
        layer("F2", 600, triggers=falls, recall_bp=5000, notice_days=9), layer("F2a", 420, parent="F2", triggers=falls, notice_days=2),
        layer("F2b", 100, parent="F2", triggers=parse_trigger("market fall >= 10%"), notice_days=15))
    assert recalled(pool, "P1", State(market_fall_bp=900)).amount_li == 0
    assert recalled(pool, "P1", State(market_fall_bp=1000)).by_notice_li == ((15, 100),)
    both = recalled(pool, "P1", State(market_fall_bp=2000))
    assert (both.amount_li, both.by_notice_li, both.layers) == (520, ((9, 420), (15, 100)), ("F2", "F2a", "F2b"))
    assert recalled(pool, "P1", State(market_fall_bp=3000, rating="B")).amount_li == 620
    assert [(str(c.trigger), c.recalled.amount_li, c.own_layers) for c in clauses(pool, "P1", 0)] == [
        ("market fall >= 10%", 100, ("F2b",)), ("market fall >= 20%", 520, ("F2", "F2a")), ("market fall >= 30%", 620, ("F1",)),
        ("rating < A", 100, ("F1",))]
    assert market_falls(pool) == [(1000, 100), (2000, 520), (3000, 620)]


@settings(max_examples=100, deadline=None)
@given(funds())
def test_nothing_is_taken_back_twice(pool):
    by_parent: dict[str | None, list[Layer]] = {}
    for x in pool.layers:
        by_parent.setdefault(x.parent_id, []).append(x)
    for platform in pool.platforms:
        taken = recalled(pool, platform, State(market_fall_bp=2000))
        fires = [x for x in pool.layers if x.platform_id == platform and x.triggers]
        assert taken.layers == tuple(sorted(x.funding_id for x in fires))
        direct = sum(x.amount_li * x.recall_bp // 10_000 for x in fires if x.parent_id is None)
        assert direct <= taken.amount_li <= min(pool.funding(platform), sum(x.amount_li * x.recall_bp // 10_000 for x in fires))


def test_concentration_by_hand():
    held = concentration({"a": F(50), "b": F(30), "c": F(20)})
    assert held is not None
    assert (held.largest, held.largest_ppm, held.top_ppm, held.hhi_points, held.funders) == ("a", 500_000, 1_000_000, 3_800, 3)
    assert concentration({str(k): F(1) for k in range(8)}).top_ppm == 625_000
    assert concentration({}) is None


# --- the whole ------------------------------------------------------------------------------------


def coded(book: Book, **limits: object) -> dict[str, list[str]]:
    held = read_rules()
    made = look_through(book, rules=held.model_copy(update={"pool": held.pool.model_copy(update=limits)}))
    out: dict[str, list[str]] = {}
    for f in made.findings:
        out.setdefault(f"{f.severity} {f.code}", []).append(f.platform_id or "")
    return out


def funded(book: Book, **columns: dict[str, object]) -> Book:
    """A book with some cells of its funding changed: layer and value by column."""
    f = book.tables["funding"].copy()
    for column, cells in columns.items():
        f[column] = f[column].astype(object) if column in f else None
        for name, value in cells.items():
            f.loc[f["funding_id"] == name, column] = value
    return replace(book, tables=book.tables | {"funding": f})


@pytest.fixture(scope="module")
def small() -> Book:
    return demo_book(200)


def test_segregation_breaks_both_ways(small):
    said = coded(small)
    assert said["breach segregation_lost"] == ["P2"]
    assert "breach segregation_hollow" not in said
    assert coded(funded(small, segregated={"P1-F2b": False}))["breach segregation_hollow"] == ["P1"]
    every = {"P2-F2": True, "P2-F2b": True, "P2-F2b1": True, "P2-F2b2": True}
    assert "breach segregation_lost" not in coded(funded(small, segregated=every))


def test_a_client_that_lends_is_told(small):
    assert coded(funded(small, funder_id={"P1-F1": "P1-C003"}))["breach client_funds"] == ["P1"]


def test_limits_decide_what_is_a_breach(small):
    assert coded(small)["breach related"] == ["P3"]
    assert sorted(coded(small, related_pct=5)["breach related"]) == ["P1", "P2", "P3"]
    assert "breach related" not in coded(small, related_pct=99)
    assert "breach circle" in coded(small)
    assert "notice circle" in coded(small, circular_pct=50)
    assert "breach recall" not in coded(small, recall_fall_pct=5)


def test_a_bank_behind_two_layers_is_one_funder(small):
    share = {p.platform_id: p.through for p in look_through(funded(small, funder_id={"P1-F2a": "BANK-A"})).pools}
    assert share["P1"].largest == "BANK-A"
    assert share["P1"].largest_ppm == pytest.approx(760_000, abs=2)
    assert {p.platform_id: p.direct for p in look_through(small).pools}["P1"].largest_ppm == pytest.approx(550_000, abs=2)


def test_rates_of_exchange_that_disagree_are_told(small):
    assert "notice exchange_rate" not in coded(small)
    assert "notice exchange_rate" in coded(funded(small, amount_currency={"P2-F3": 1000.0}))


def test_the_order_of_rows_does_not_matter(small):
    facts = look_through(small).facts()
    for seed in (1, 2):
        tables = {name: t.sample(frac=1, random_state=seed) for name, t in small.tables.items()}
        ordered = {n: t.iloc[row_order(n, t)].reset_index(drop=True) if n in ("claims", "platforms") else t.reset_index(drop=True)
                   for n, t in tables.items()}
        again = look_through(replace(small, tables=ordered)).facts()
        assert again == facts


def test_a_book_written_and_read_says_the_same(small, tmp_path):
    write_book(small, tmp_path / "b")
    read, made = look_through(read_book(tmp_path / "b")).facts(), look_through(small).facts()
    for facts in (read, made):  # where rows stand is known of files alone; what nobody marked is not marked
        facts["findings"] = [f | {"rows": []} for f in facts["findings"]]
    assert read == made


def test_a_book_of_the_plainest_kind(tmp_path):
    made = look_through(read_book(BASE))
    assert made.sources["share_ppm"].groupby(made.sources["platform_id"]).sum().eq(1_000_000).all()
    assert (made.circles, made.flags, made.network, made.losses.empty) == ((), (), None, True)
    assert read_fund(read_book(BASE)).layers
    assert pool_part(made.facts()) is not None
    assert pool_part(None) is None


def test_facts_are_plain_and_the_page_stands_alone(small):
    facts = look_through(small).facts()
    assert json.loads(json.dumps(facts)) == facts
    page = pool_page(facts, version="0", synthetic=True)
    assert page == pool_page(json.loads(json.dumps(facts)), version="0", synthetic=True)
    for word in ("LANTERN-CLUB → (", "循环出资", "Who brings down whom", "谁拖垮谁", "市场下跌20%及以上", "SHELL-1"):
        assert word in page
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    hostile = facts | {"book": "<b>&"}
    assert "<h1><b>" not in pool_page(hostile, version="0", synthetic=False)


def test_bands_of_the_picture_are_as_wide_as_their_amounts(small):
    """Every bar's bands on its fuller side fill it."""
    from stresslab.report import pool_picture

    pool = pool_picture._Pool(look_through(small).facts())
    pool_picture._placed(pool)
    scale = {round(n.tall / n.amount, 15) for n in pool.nodes.values() if n.tall > 2.0}
    assert max(scale) == pytest.approx(min(scale))
    for p in look_through(small).pools:
        into = sum(x.amount for x in pool.links if x.target == p.platform_id)
        out = sum(x.amount for x in pool.links if x.source == p.platform_id)
        assert into == out == p.funding_li + p.claims_li + p.own_funds_li
    for column in {n.column for n in pool.nodes.values()}:
        row = sorted((n for n in pool.nodes.values() if n.column == column), key=lambda n: n.y)
        assert all(a.y + a.tall <= b.y for a, b in itertools.pairwise(row))


def test_a_pool_of_many_layers_is_added_up_for_the_picture(small):
    f = small.tables["funding"]
    one = f[f["funding_id"] == "P1-F1"]
    many = pd.concat([f, *(one.assign(funding_id=f"X{k:03d}", amount_li=1000) for k in range(80))], ignore_index=True)
    facts = look_through(replace(small, tables=small.tables | {"funding": many})).facts()
    assert pool_page(facts, version="0", synthetic=True).count("<rect") < 60


def test_the_library_refuses_with_every_fault(tmp_path):
    (tmp_path / "rules.toml").write_text(SHIPPED.read_text(encoding="utf-8").replace("related_pct = 20",
                                                                                      "relatd_pct = 20\nopaque = 3"), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        sl.look_through(tmp_path / "none", rules=tmp_path / "rules.toml")
    said = "\n".join(map(str, refused.value.faults))
    assert all(word in said for word in ("a book is a folder", "pool.related_pct", "pool.relatd_pct", "pool.opaque"))


def command(*words: str) -> subprocess.CompletedProcess[str]:
    code = "from stresslab.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120, check=False)


def test_the_verb(small, tmp_path):
    write_book(small, tmp_path / "b")
    done = command("pool", str(tmp_path / "b"), "--out", str(tmp_path / "p.html"), "--fail-on", "breach")
    assert (done.returncode, done.stderr) == (1, "")
    assert "breach: funding goes round in a circle: LANTERN-CLUB" in done.stdout
    assert (tmp_path / "p.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    done = command("pool", str(BASE), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["platforms"][0]["platform_id"]
    assert "循环出资" in command("pool", str(tmp_path / "b"), "--lang", "zh").stdout
    assert command("pool", str(tmp_path / "none")).returncode == 2
    assert command("pool", str(tmp_path / "b"), "--out", str(tmp_path)).returncode == 2
