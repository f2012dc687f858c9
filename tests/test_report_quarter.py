"""The quarterly report: paper, workbook, what is given beside a run, and the change since last quarter."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_run import HOSTILE, fake_run
from hypothesis import given, settings
from hypothesis import strategies as st

import stresslab as sl
from stresslab.faults import InputError
from stresslab.report import RunTables, write_html
from stresslab.report.against import MEASURES, STEPS, Against, change, change_table, forecast_table, trading_day
from stresslab.report.page import contents, page_of
from stresslab.report.paper import one_language, write_pdf
from stresslab.report.quarter import Quarter
from stresslab.report.quarter_files import read_remediation, read_reverse, read_totals
from stresslab.report.run_tables import ALL
from stresslab.report.workbook import number_of, tables_of, write_workbook


@cache
def run() -> RunTables:
    return fake_run(paths=6, days=5)


@cache
def held() -> dict[str, Any]:
    return contents(run(), Quarter("2024Q2"))


def short(**changes: Any) -> dict[str, Any]:
    """A report of two tables: setting all of them takes a quarter of a minute."""
    bare = {"prices": [], "standing": None, "rare": None, "parts": [], "pool": None, "scenarios": [], "formulas": [], "glossary": []}
    return {**held(), **bare, "quarter": None, **changes}


# --- paper ------------------------------------------------------------------------------------


def test_one_language_is_left_on_paper() -> None:
    page = write_html(run())
    zh, en = one_language(page, "zh"), one_language(page, "en")
    assert 'lang="en"' not in zh
    assert 'lang="zh"' not in en.replace("<html", "")
    assert "Does each platform survive?" in en
    assert "各平台能否存活？" not in en
    assert "各平台能否存活？" in zh
    assert "<input" not in en


def test_paper_repeats_its_bytes_embeds_fonts_and_has_bookmarks() -> None:
    page = page_of(short(), "en")
    made = write_pdf(page, "en")
    assert made == write_pdf(page, "en")
    assert made.startswith(b"%PDF")
    objects = b"".join(unpacked(made))
    assert b"/Outlines" in objects
    described, embedded = len(re.findall(rb"/Type ?/FontDescriptor", objects)), len(re.findall(rb"/FontFile[23]? ", objects))
    assert described == embedded >= 2
    assert b"CreationDate" not in objects


def unpacked(pdf: bytes) -> list[bytes]:
    """The packed streams of a PDF, opened; among them those that hold its objects."""
    found = []
    for packed in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.S):
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompress(packed))
    return found


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed here")
@pytest.mark.parametrize(("language", "banner", "number"), [("en", "Synthetic book", "page 2 of"), ("zh", "合成账簿", "第 2 页")])
def test_every_page_has_the_banner_and_its_number(tmp_path: Path, language: Any, banner: str, number: str) -> None:
    (tmp_path / "a.pdf").write_bytes(write_pdf(page_of(short(), language), language))
    said = subprocess.run(["pdftotext", "-layout", str(tmp_path / "a.pdf"), "-"], capture_output=True, text=True, check=True).stdout
    pages = said.split("\f")[:-1]
    assert len(pages) >= 2
    assert all(banner in page for page in pages)
    assert number in pages[1]


def test_a_missing_glyph_is_a_fault_that_names_it() -> None:
    page = page_of(short(headline=held()["headline"]._replace(en="Lost \ue123 here", zh="\ue123")), "en")
    with pytest.raises(InputError, match=r"U\+E123.*fonts-noto-cjk"):
        write_pdf(page, "en")


def test_without_pango_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    for name in [n for n in sys.modules if n.split(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Gone(), *sys.meta_path])
    with pytest.raises(InputError, match=r"libpango.*--format html"):
        write_pdf("<html></html>", "en")


# --- workbook ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "number"), [
    ("1,234.6", (1234.6, "#,##0.0")), ("\u22122.50", (-2.5, "#,##0.00")), ("12.3%", (0.123, "#,##0.0%")),
    ("±\u00a00.20", (0.2, "#,##0.00")),
    ("0", (0.0, "#,##0")), ("<0.1", None), ("—", None), ("000300", None), ("day 12", None), ("=1+1", None), ("2024-06-28", None),
])
def test_what_is_printed_as_a_number_is_one(text: str, number: tuple[float, str] | None) -> None:
    assert number_of(text) == number


def strings(book: bytes) -> tuple[list[str], zipfile.ZipFile]:
    file = zipfile.ZipFile(io.BytesIO(book))
    return re.findall(r"<t[^>]*>(.*?)</t>", file.read("xl/sharedStrings.xml").decode(), re.S), file


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_workbook_holds_every_table_and_estimate(language: Any) -> None:
    book = write_workbook(held(), run().estimates, language)
    assert book == write_workbook(held(), run().estimates, language)
    said, file = strings(book)
    tables = list(tables_of(held()))
    assert len(tables) > 20
    for table in tables:
        assert table.title.pick(language).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in said
    sheets = [n for n in file.namelist() if n.startswith("xl/worksheets/sheet")]
    assert len(sheets) >= len(tables) + 2
    assert re.findall(r'<sheet name="([^"]+)"', file.read("xl/workbook.xml").decode())[1] == "T01"
    last = file.read(f"xl/worksheets/sheet{len(tables) + 2}.xml").decode()
    assert last.count("<row ") == len(run().estimates) + 1 + (1 if held()["banner"] else 0)


@pytest.mark.parametrize("title", ["=cmd|' /C calc'!A0", "+1+1", "-1", "@SUM(A1)", "http://a.example", HOSTILE])
def test_user_text_stays_text_in_the_workbook(title: str) -> None:
    platforms = [{**p, "name": title} for p in run().record["platforms"]]
    evil = dataclasses.replace(run(), record={**run().record, "platforms": platforms})
    _, file = strings(write_workbook(contents(evil, Quarter("2024Q2")), run().estimates, "en"))
    for name in file.namelist():
        if name.startswith("xl/worksheets/"):
            text = file.read(name).decode()
            assert "<f>" not in text
            assert "<hyperlink" not in text


# --- what is given beside a run ---------------------------------------------------------------


def test_what_is_not_given_is_named_and_what_is_given_is_shown(tmp_path: Path) -> None:
    page = page_of(held(), "en")
    for option in ("--against", "--remediation", "--totals", "--reverse"):
        assert option in one_language(page, "en")
    limit = next(one for one in run().record["limits"]["platforms"][0]["limits"] if one["light"] != "green")
    (tmp_path / "plans.toml").write_text(
        f'[[remediation]]\nplatform = "P1"\nlimit = "{limit["name"]}"\naction = "Raise capital"\nowner = "J. Wu"\ndue = 2024-06-01\n')
    (tmp_path / "totals.csv").write_text("platform_id,item,source,amount_yuan\nP1,loans,ledger,4200000000\n"
                                        "P2,reserve,ledger,40000000.001\n")
    names = [one["name"] for one in run().record["limits"]["platforms"][0]["limits"]]
    plans = read_remediation(tmp_path / "plans.toml", ["P1", "P2"], names)
    given_beside = Quarter("2024Q2", plans, read_totals(tmp_path / "totals.csv", ["P1", "P2"]))
    text = one_language(write_html(run(), language="en", quarter=given_beside), "en")
    assert "J. Wu" in text
    assert "overdue on the book" in text
    assert "2 totals were given; 1 differ from the book" in text
    assert "\u22120.001" in text


def test_a_run_by_itself_has_no_quarter() -> None:
    assert 'id="quarter"' not in write_html(run())


@pytest.mark.parametrize(("text", "rule"), [
    ('[[remediation]]\nplatform = "P9"\nlimit = "a"\naction = "x"\nowner = "y"\ndue = 2026-01-01', "no such platform"),
    ('[[remediation]]\nplatform = "P1"\nlimit = "b"\naction = "x"\nowner = "y"\ndue = 2026-01-01', "no such limit"),
    ('[[remediation]]\nplatform = "P1"\nlimit = "a"\naction = "x"\ndue = 2026-01-01', "every plan has it"),
    ('[[remediation]]\nplatform = "P1"\nlimit = "a"\naction = "x"\nowner = "y"\ndue = "soon"', "every plan has a date"),
    ('[[remediation]]\nplatform = "P1"\nlimit = "a"\naction = "x"\nowner = "y"\ndue = 2026-01-01\nmood = 1', "unknown key"),
    ("remediation = 3", "list of tables"), ("[[", "cannot be read"),
])
def test_a_wrong_plan_is_a_fault(tmp_path: Path, text: str, rule: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(InputError, match=rule):
        read_remediation(tmp_path / "p.toml", ["P1"], ["a"])


@pytest.mark.parametrize(("row", "rule"), [
    ("P9,cash,ledger,1", "not known"), ("P1,gold,ledger,1", "not known"), ("P1,cash,,1", "must not be empty"),
    ("P1,cash,ledger,1.0001", "three decimals"), ("P1,cash,ledger,1e3", "three decimals"), ("P1,cash,ledger,NaN", "three decimals"),
])
def test_a_wrong_total_is_a_fault_with_its_row(tmp_path: Path, row: str, rule: str) -> None:
    (tmp_path / "t.csv").write_text(f"platform_id,item,source,amount_yuan\nP1,cash,ledger,-1.5\n{row}\n")
    with pytest.raises(InputError, match=rule) as caught:
        read_totals(tmp_path / "t.csv", ["P1"])
    assert [f.row for f in caught.value.faults] == [3]


def test_a_folder_without_a_search_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished search"):
        read_reverse(tmp_path)


# --- the change since last quarter ------------------------------------------------------------


def moved(seed: int, paths: int = 6) -> pd.DataFrame:
    return fake_run(paths=paths, days=5, seed=seed).outcomes


def against(*cases: pd.DataFrame, paired: bool = True) -> Against:
    then = fake_run(paths=6, days=5, seed=3)
    names = tuple(s["id"] for s in then.scenarios)
    return Against(then.record, then.outcomes, then.days, cases, names, (paired, True, True, True), 1_000_000)


@pytest.mark.parametrize("platform", [ALL, "P1"])
@pytest.mark.parametrize("measure", [m for m, _ in MEASURES])
def test_steps_add_up_to_the_whole_change_exactly(platform: str, measure: str) -> None:
    one, two, three = moved(1), moved(2), moved(3)
    found = change(against(one, one, two, three, three), "crash-40", platform, measure)
    assert len(found.steps) == len(STEPS)
    assert sum(found.steps) == found.means[-1] - found.means[0]
    assert found.steps[0] == found.steps[3] == 0
    assert found.errors[0] == found.errors[3] == 0
    mine = [t[(t["scenario"] == "crash-40") & ((t["platform_id"] == platform) | (platform == ALL))] for t in (one, three)]
    if measure != "failure_day":
        totals = [int(t[measure].sum()) for t in mine]
        assert (found.means[-1] - found.means[0]) * 6 == totals[1] - totals[0]
    else:
        failed = [t.loc[t["failure_day"].notna(), "path"].nunique() for t in mine]
        assert (found.means[-1] - found.means[0]) * 6 == failed[1] - failed[0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**50), min_size=3, max_size=3), min_size=5, max_size=5))
def test_errors_are_those_of_differences_on_the_same_paths(amounts: list[list[int]]) -> None:
    cases = [pd.DataFrame({"scenario": "s", "path": range(3), "platform_id": "P", "deficit_li": a}) for a in amounts]
    found = change(against(*cases), "s", "P", "deficit_li")
    assert sum(found.steps) == Fraction(sum(amounts[-1]) - sum(amounts[0]), 3)
    for at in range(4):
        apart = np.array(amounts[at + 1], float) - np.array(amounts[at], float)
        assert found.errors[at] == pytest.approx(apart.std(ddof=1) / 3**0.5)


def test_other_draws_are_two_samples_and_other_paths_are_means() -> None:
    few, many = moved(1, 6), moved(2, 12)
    found = change(against(few, many, many, many, many, paired=False), "crash-60", "P3", "deficit_li")
    parts = [t[(t["scenario"] == "crash-60") & (t["platform_id"] == "P3")]["deficit_li"].astype(float) for t in (few, many)]
    assert found.errors[0] == pytest.approx((parts[0].var() / 6 + parts[1].var() / 12) ** 0.5)
    assert float(found.steps[0]) == pytest.approx(parts[1].mean() - parts[0].mean())


def test_a_platform_that_a_case_lacks_counts_as_zero() -> None:
    whole = moved(1)
    lacking = whole[whole["platform_id"] != "P2"]
    found = change(against(lacking, lacking, whole, whole, whole), "crash-60", "P2", "sold_li")
    assert found.means[0] == 0
    assert found.steps[1] == found.means[-1] > 0


def test_the_table_says_the_order_and_both_samples() -> None:
    one, two = moved(1), moved(2)
    table = change_table(against(one, two, two, two, two, paired=False), "crash-40", ["P1"])
    heads = ["Last quarter", "Model and draws", "Book", "Market", "Scenario", "This quarter", "Whole change"]
    assert [h.name.en for h in table.heads] == heads
    assert "two samples" in table.note.en
    assert "两个独立样本" in table.note.zh


@given(st.integers(0, 400))
def test_the_trading_day_is_the_last_not_after_the_date(days: int) -> None:
    now = str((pd.Timestamp("2026-03-31") + pd.Timedelta(days=days)).date())
    day = trading_day("2026-03-31", now)
    assert (day * 365 * 2 + 252) // 504 <= days < ((day + 1) * 365 * 2 + 252) // 504 or (day == 0 and days < 1)


def test_what_happened_is_ranked_among_calm_paths() -> None:
    table = forecast_table(against(*[moved(1)] * 5), run().record)
    assert table is not None
    basket = [r for r in table.rows if r.title.en.startswith("Collateral")]
    assert len(basket) == 3
    assert all(r.cells[3].value.en == "100%" for r in basket)
    none = dataclasses.replace(against(*[moved(1)] * 5), basket_ppm=None)
    assert any(r.cells[3].value.en == "not known" for r in forecast_table(none, run().record).rows)  # type: ignore[union-attr]


def book_of_next_quarter(folder: Path) -> None:
    """The same book three months on: dearer shares of every third instrument, more own capital of one platform."""
    for name, key, change_it in (("instruments", "price_yuan", lambda at, v: f"{float(v) * (1.02 if at % 3 else 0.95):.2f}"),
                                 ("platforms", "own_capital_yuan", lambda at, v: str(int(v) + 1000)),
                                 ("platforms", "cash_yuan", lambda at, v: str(int(v) + 1000))):
        table = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False, encoding="utf-8-sig")
        table[key] = [change_it(at, v) for at, v in enumerate(table[key])]
        table.to_csv(folder / f"{name}.csv", index=False)
    text = (folder / "book.toml").read_text().replace("2026-06-30", "2026-09-30")
    (folder / "book.toml").write_text(text)


def test_the_verb_splits_the_change_between_two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stresslab import verbs

    for name in ("q1", "q2"):
        sl.init(tmp_path / name, accounts=120)
    book_of_next_quarter(tmp_path / "q2")
    market = tmp_path / "q2" / "market.toml"
    market.write_text(re.sub(r"volatility_pct = [\d.]+", "volatility_pct = 17.0", market.read_text(), count=1))
    runs = [sl.run(tmp_path / q, ["crash-20"], paths=2, seed=5, out=tmp_path / f"run-{q}").folder for q in ("q1", "q2")]
    with pytest.raises(InputError, match="2026Q3"):
        sl.write_report(runs[1], quarter="autumn")
    assert not list(runs[1].glob("quarterly*"))
    made = sl.write_report(runs[1], language="en", against=runs[0])
    first = made.read_bytes()
    page = one_language(first.decode(), "en")
    assert made.name == "quarterly-en.html"
    assert "The quarter 2026Q3" in page
    assert "Change since last quarter, given crash-20" in page
    cases = sorted(p.name for p in (runs[1] / "against").iterdir())
    # Book, and market; the scenario is the same, so the last case is this quarter's run.
    assert len(cases) == 1

    def none(*_: Any, **__: Any) -> Any:
        raise AssertionError("a case that is kept is not run again")

    monkeypatch.setattr(verbs.farm, "run_tasks", none)
    assert sl.write_report(runs[1], language="en", against=runs[0]).read_bytes() == first
    # A book that is gone: said, with its way out.
    shutil.rmtree(runs[1] / "against")
    shutil.rmtree(tmp_path / "q1")
    with pytest.raises(InputError, match="put the book of that run where it was"):
        sl.write_report(runs[1], against=runs[0])


def test_a_run_that_was_altered_says_so(tmp_path: Path) -> None:
    sl.init(tmp_path / "b", accounts=120)
    made = sl.run(tmp_path / "b", ["crash-20"], paths=1, seed=5, out=tmp_path / "r")
    said = one_language(sl.write_report(made.folder, language="en").read_text(), "en")
    assert "no: rating.json" not in said
    text = (made.folder / "rating.json").read_text()
    (made.folder / "rating.json").write_text(text + " ")
    assert "no: rating.json" in one_language(sl.write_report(made.folder, language="en").read_text(), "en")


# --- the executive page -----------------------------------------------------------------------


def briefed(quarter: Quarter) -> str:
    """The executive page of a report, in English."""
    page = one_language(write_html(run(), language="en", quarter=quarter), "en")
    (found,) = re.findall(r'<section id="executive">.*?</section>', page, re.S)
    assert page.index('id="executive"') < page.index("<table")
    return str(found)


def test_the_executive_page_says_what_decides_before_any_table() -> None:
    said = briefed(Quarter("2024Q2"))
    assert said.count('class="verdict"') == said.count('class="deciding"') == len(run().platforms)
    for limits in run().record["limits"]["platforms"]:
        for light in ("red", "amber", "green"):
            n = sum(one["light"] == light for one in limits["limits"])
            assert not n or f">{n} {light}<" in re.sub(r"</?span[^>]*lang[^>]*>", "", said)
    assert "last quarter&#39;s run was not given" in said
    assert "Name an owner, an action and a date" in said
    assert 'id="executive"' not in write_html(run())


def test_the_executive_page_names_owner_date_and_change() -> None:
    limit = next(one for one in run().record["limits"]["platforms"][0]["limits"] if one["light"] == "red")
    plan = {"platform": "P1", "limit": limit["name"], "action": "Raise capital", "owner": "J. Wu", "due": "2024-09-30"}
    one, two = moved(1), moved(2)
    said = briefed(Quarter("2024Q2", [plan], against=against(one, two, two, two, two)))
    assert "Raise capital" in said
    assert "J. Wu, by 2024-09-30" in said
    assert "loss, selling with impact:" in said
    assert "--against" not in said
