"""The printed report and the summary: complete, in both languages, escaped, the same bytes twice."""

from __future__ import annotations

import dataclasses
import io
import math
import re
import subprocess
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_run import HOSTILE, fake_run
from rich.console import Console

from stresslab.faults import InputError
from stresslab.report import RunTables, print_summary, read_run, write_html
from stresslab.report.amounts import Estimate, money_scale, percent, rounded
from stresslab.report.exhibits import coverage_cell, first_day_cell, money_cell, probability_cell
from stresslab.report.method import FORMULAS
from stresslab.report.parameters import parameters
from stresslab.report.phrase import Phrase
from stresslab.report.pictures import crashes
from stresslab.report.run_tables import TABLES

METHOD = Path(__file__).parents[1] / "docs" / "method.md"


@cache
def run() -> RunTables:
    return fake_run()


@cache
def page() -> str:
    return write_html(run())


class Reader(HTMLParser):
    """What a browser would see: elements that are left open, texts by language, attributes."""

    VOID = frozenset({"meta", "input", "br", "path", "use", "line"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.wrong: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append((tag, dict(attrs).get("class") or ""))

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        if not self.open or self.open[-1][0] != tag:
            self.wrong.append(tag)
        else:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1][0] in ("style", "title"):
            return
        classes = [c for _, cs in self.open for c in cs.split()]
        language = next((c for c in reversed(classes) if c in ("zh", "en")), "")
        self.texts.append((language, data))

    def said(self, language: str) -> str:
        """The page as a reader of one language has it, in its order."""
        return " ".join(" ".join(text for of, text in self.texts if of in (language, "")).split())


@cache
def reader() -> Reader:
    return Reader(page())


def with_record(**changes) -> RunTables:
    return dataclasses.replace(run(), record={**run().record, **changes})


# --- the page ---------------------------------------------------------------------------------


def test_same_run_same_bytes():
    assert write_html(fake_run()) == page()
    assert write_html(fake_run(seed=8)) != page()


def test_machine_and_outputs_have_no_part_in_the_page():
    changed = with_record(
        machine={"host": "elsewhere", "seconds": 1.0}, outputs={"report.html": "00"}
    )
    assert write_html(changed) == page()
    assert "not-for-print" not in page()


def test_user_style_of_matplotlib_has_no_part_in_the_page():
    import matplotlib as mpl

    with mpl.rc_context(
        {"font.size": 30, "axes.facecolor": "black", "axes.grid": True, "text.usetex": True}
    ):
        assert write_html(run()) == page()


def test_html_is_well_formed_and_ids_are_unique():
    assert not reader().wrong
    assert not reader().open
    ids = [value for _, name, value in reader().attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, name, value in reader().attributes if name == "href"}
    assert targets <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page())) <= set(ids)


def test_nothing_comes_from_elsewhere():
    assert "http:" not in page()
    assert "https:" not in page()
    assert "<script" not in page()
    assert "@import" not in page()
    for _, name, value in reader().attributes:
        if name in ("href", "src", "srcset", "data", "xlink:href"):
            assert value.startswith("#"), value


def test_demo_size_stays_small():
    big = fake_run(paths=200, days=60)
    assert len(write_html(big).encode()) <= 2_000_000


@pytest.mark.parametrize("language", ["zh", "en"])
def test_language_that_is_shown_first(language):
    html = write_html(run(), language=language)
    assert re.search(rf'id="show-{language}"[^>]* checked>', html)
    assert html.count(" checked>") == 1


def test_both_languages_say_everything():
    zh, en = reader().said("zh"), reader().said("en")
    for text in (
        "各平台能否存活",
        "合成账簿，仅供演示：美国股指历史，A股交易规则。",
        "给定情景 crash-40",
        "穿仓额由谁承担",
        "三栏损失",
        "有无反应的价格路径",
        "自有资金尚存的路径占比",
        "期初账户杠杆倍数分布",
        "模型的局限",
        "术语",
    ):
        assert text in zh
        assert text not in en
    for text in (
        "Does each platform survive?",
        "Synthetic book, for demonstration only: US index history, A-share",
        "given scenario crash-40",
        "Who bears the deficit",
        "Loss in three columns",
        "Prices with and without the reaction",
        "Paths with own funds left",
        "Leverage of accounts",
        "Limits of the model",
        "Glossary",
    ):
        assert text in en
        assert text not in zh
    # What is said in one language only would be missing in the other.
    assert page().count('class="zh"') == page().count('class="en"')


def test_a_book_that_is_not_synthetic_has_no_banner():
    html = write_html(with_record(book={**run().record["book"], "synthetic": False}))
    assert "Synthetic book" not in html
    other = {**run().record["market"], "index": "CSI300", "title": "CSI 300", "source": "exchange"}
    assert "index history: CSI300" in write_html(with_record(market=other))


def test_user_text_is_escaped_and_shown():
    platforms = [
        {**p, "name": HOSTILE} if p["platform_id"] == "P1" else p for p in run().record["platforms"]
    ]
    # Short, so that they also stand in the figures; the first one reads alike in both languages.
    scenarios = [
        {**s, "title": "a $x_1$ & <b>", "title_zh": "<u>" if place else "a $x_1$ & <b>"}
        for place, s in enumerate(run().record["scenarios"])
    ]
    book = {**run().record["book"], "title": HOSTILE}
    hostile = with_record(platforms=platforms, scenarios=scenarios, book=book)
    html = write_html(hostile)
    assert "<script" not in html
    assert "<b>&" not in html
    assert "<u>" not in html
    assert not Reader(html).wrong
    for text in re.findall(r"<text[^>]*>(.*?)</text>", html):
        assert "<" not in text
    assert re.search(r'<text[^>]*fill:#1b2733">a \$x_1\$ &amp; &lt;b&gt;</text>', html)
    for language in ("zh", "en"):
        said = Reader(html).said(language)
        assert HOSTILE in said
        assert ("<u>" if language == "zh" else "a $x_1$ & <b>") in said


def test_every_printed_formula_stands_in_the_method():
    known = set(re.findall(r"\((M-\d+)\)", METHOD.read_text(encoding="utf-8")))
    printed = set(re.findall(r"M-\d+", page()))
    assert printed == set(FORMULAS)
    assert printed <= known


def test_every_table_and_figure_has_a_title_a_number_and_a_formula():
    html = page()
    blocks = re.findall(
        r'<figure>.*?</figure>|<div class="exhibit">.*?\n</div>\n', html, flags=re.S
    )
    assert len(blocks) == html.count("<figure>") + html.count('class="exhibit"') > 20
    for block in blocks:
        assert re.search(r'class="number">.*?(Figure|Table).*? \d+<', block), block[:200]
        assert re.search(r'class="formula"><a href="#M-\d+">M-\d+</a>', block), block[:200]
    numbers = [int(n) for n in re.findall(r"Figure</span> (\d+)<", html)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_quantile_is_never_called_var():
    said = reader().said("en")
    assert not re.search(r"\bVaR\b", said)
    for found in re.finditer("value at risk", said):
        assert re.search(
            r"(not a|is a|No quantile here is a|no quantile here is a) $", said[: found.start()]
        )


def test_figures_of_the_tables_are_those_of_the_estimates():
    e = run().estimates
    row = e[
        (e.scenario == "crash-60")
        & (e.platform_id == "ALL")
        & (e.measure == "deficit")
        & (e.statistic == "mean")
    ]
    value, error = float(row.value.iloc[0]), float(row.error.iloc[0])
    assert value >= 1e9
    assert f'<span class="v"><span class="zh" lang="zh">{value / 1e8:,.2f}</span>' in page()
    assert f'<span class="en" lang="en">{value / 1e6:,.1f}</span></span>' in page()
    spread = f'lang="zh">±\u00a0{error / 1e8:,.2f}</span><span class="en" lang="en">±\u00a0{error / 1e6:,.1f}<'
    assert spread in page()


def test_layers_are_drawn_as_wide_as_they_are():
    """Widths of the bars of the first figure, in the order of its layers, are the means."""
    e = run().estimates
    mean = (
        e[(e.scenario == "crash-60") & (e.platform_id == "ALL") & (e.statistic == "mean")]
        .set_index("measure")
        .value
    )
    layers = ("reserve", "own_capital", "junior", "senior", "claims")
    svg = re.findall(r'<svg class="chart".*?</svg>', page(), flags=re.S)[0]
    bars = re.findall(r'<path d="M ([\d.]+) ([\d.]+)\nL ([\d.]+) [\d.]+\n[^<]*fill: (#\w+)"', svg)
    by_row: dict[str, list[tuple[float, float]]] = {}
    for left, top, right, _ in bars:
        by_row.setdefault(top, []).append((float(left), float(right)))
    longest = max(by_row.values(), key=lambda row: row[-1][1])
    start, end = longest[0][0], longest[-1][1]
    parts = np.cumsum([mean[f"absorbed_by_{layer}"] for layer in layers])
    assert [right for _, right in longest] == pytest.approx(
        start + parts / parts[-1] * (end - start), abs=0.05
    )
    assert [left for left, _ in longest[1:]] == [right for _, right in longest[:-1]]


def test_not_rated_platform_says_why():
    rating = {
        **run().rating,
        "platforms": [
            {
                **p,
                "rated": False,
                "overall": None,
                "action": None,
                "reason_not_rated": {"en": "No crash-40.", "zh": "无crash-40。"},
            }
            for p in run().rating["platforms"]
        ],
    }
    assert "Not rated: No crash-40." in write_html(dataclasses.replace(run(), rating=rating))
    assert "Not rated" not in page()


def test_a_run_without_rating_crash_or_estimates_still_prints():
    scenarios = [s for s in run().record["scenarios"] if s["id"] in ("baseline", "rates-up-200bp")]
    bare = dataclasses.replace(
        with_record(scenarios=scenarios), rating={}, estimates=run().estimates.iloc[:0]
    )
    html = write_html(bare)
    assert not Reader(html).wrong
    assert "Not measured" in html
    assert "Prices with and without" not in html


def test_one_path_has_no_errors_and_still_prints():
    html = write_html(fake_run(paths=1))
    assert not re.search(r"\bnan\b", html)


def test_read_run_gives_the_same_page(tmp_path):
    import json

    r = run()
    for name in TABLES:
        getattr(r, name).to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "record.json").write_text(json.dumps(r.record), encoding="utf-8")
    r.spillover.to_parquet(tmp_path / "spillover.parquet")
    (tmp_path / "rating.json").write_text(json.dumps(r.rating), encoding="utf-8")
    assert write_html(read_run(tmp_path)) == page()
    # A run of an earlier version: its tables lack columns, and one of them is not there at all. One fault tells of it.
    run().outcomes.drop(columns=["displaced_li", "breaker_days"]).to_parquet(tmp_path / "outcomes.parquet")
    with pytest.raises(InputError) as caught:
        read_run(tmp_path)
    assert len(caught.value.faults) == 1
    assert "outcomes.displaced_li, outcomes.breaker_days" in str(caught.value)
    assert "earlier version" in str(caught.value)
    (tmp_path / "sectors.parquet").unlink()
    with pytest.raises(InputError) as caught:
        read_run(tmp_path)
    assert [str(f) for f in caught.value.faults] == [
        f"{tmp_path}, table = 'sectors.parquet': the run has no such table: it was made by an earlier version, or is not whole; "
        "run the same book and scenarios again into another folder"
    ]


def test_deepest_crash_and_forty_percent_are_shown():
    assert [s["id"] for s in crashes(run())] == ["crash-40", "crash-60"]
    only = with_record(scenarios=[s for s in run().record["scenarios"] if s["id"] == "crash-40"])
    assert [s["id"] for s in crashes(only)] == ["crash-40"]


def test_parameters_of_scenarios_with_their_sources():
    said = reader().said("en")
    # In the order of the heading, whatever the order in the record.
    assert "retail, professional, institution 30 / 50 / 80% [5]" in said
    sources = re.search(r'<ol class="sources">(.*?)</ol>', page())[1]
    for scenario in run().record["scenarios"]:
        for block in ("rates", "redemption", "liquidity", "behaviour"):
            if scenario[block]:
                assert f"<li>{scenario[block]['source']}</li>" in sources


# --- fonts ------------------------------------------------------------------------------------


def _cjk_font() -> Path | None:
    try:
        found = subprocess.run(
            ["fc-list", ":lang=zh", "file"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    files = sorted(line.split(":")[0].strip() for line in found.splitlines() if line.strip())
    sans = [f for f in files if "SansCJK" in f] or files
    return Path(sans[0]) if sans else None


def test_every_character_has_a_glyph():
    import matplotlib
    from fontTools.ttLib import TTCollection, TTFont

    font = _cjk_font()
    if font is None:
        pytest.skip("no Chinese font is installed here; CI installs Debian's fonts-noto-cjk")
    faces = TTCollection(font).fonts if font.suffix in (".ttc", ".otc") else [TTFont(font)]
    known = set().union(*(face.getBestCmap() for face in faces))
    dejavu = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    known |= set(TTFont(dejavu).getBestCmap())
    missing = {c for c in page() if ord(c) > 127 and ord(c) not in known}
    assert not missing


def test_chart_text_carries_no_font_of_its_own():
    texts = re.findall(r"<text[^>]*>", page())
    assert len(texts) > 200
    assert not [t for t in texts if "font-family" in t or "font:" in t]
    # A token that was not turned into words would be printed.
    assert "QZ" not in page()


# --- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 1, "0"),
        (0.04, 1, "<0.1"),
        (-0.04, 1, ">\u22120.1"),
        (0.05, 1, "0.1"),
        (1234.56, 1, "1,234.6"),
        (-2.0, 1, "\u22122.0"),
        (math.nan, 1, "—"),
    ],
)
def test_rounded(value, digits, text):
    assert rounded(value, digits) == text


@pytest.mark.parametrize(
    ("yuan", "en", "zh", "unit"),
    [
        (2.5e9, "2,500.0", "25.00", "亿元"),
        (4.3e8, "430.0", "4.300", "亿元"),
        (4.3e7, "43.00", "4,300", "万元"),
        (4.3e5, "0.43", "43.0", "万元"),
    ],
)
def test_money_is_in_wan_yi_and_millions(yuan, en, zh, unit):
    scale = money_scale([yuan])
    assert scale.number(yuan) == (en, zh)
    assert scale.unit == ("million yuan", unit)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0%"), (0.01, "<0.1%"), (99.97, ">99.9%"), (100, "100%"), (12.34, "12.3%")],
)
def test_percent_is_0_and_100_only_where_exact(value, text):
    assert percent(value).en == text


def _estimate(
    value: float, error: float = math.nan, low: float = math.nan, high: float = math.nan
) -> Estimate:
    return Estimate(value, error, low, high)


def test_null_coverage_is_passed_and_low_coverage_stands_out():
    called, missing = _estimate(0.0, 0.0), _estimate(math.nan)
    assert coverage_cell(missing, called).note.en == "passed"
    assert coverage_cell(missing, missing).value.en == "—"
    assert coverage_cell(_estimate(14.99, 0.1), called).tone == "bad"
    assert coverage_cell(_estimate(15.0, 0.1), called).tone == ""


def test_probability_of_no_event_shows_its_bound():
    cell = probability_cell(_estimate(0.0, 0.0, 0.0, 1.9))
    assert (cell.value.en, cell.note.en, cell.error) == ("0%", "at most 1.9%", None)
    assert probability_cell(_estimate(50.0, 3.5, 43.0, 57.0)).tone == "bad"
    assert probability_cell(_estimate(49.9, 3.5, 43.0, 57.0)).tone == "warn"


def test_a_value_printed_as_a_bound_has_no_error_beside_it():
    scale = money_scale([2e9])
    assert money_cell(_estimate(4e5, 2e5), scale).error == ("±\u00a00.2", "")
    assert money_cell(_estimate(4e3, 2e3), scale).error is None
    assert money_cell(_estimate(2e9, 2e8), scale).error == ("±\u00a0200.0", "±\u00a02.00")


def test_first_day_tells_median_and_earliest():
    never = _estimate(math.nan)
    assert first_day_cell(never, never).value.en == "never"
    assert first_day_cell(never, _estimate(9.0)).note.en == "earliest 9"
    assert first_day_cell(_estimate(12.0), _estimate(9.0)).value.en == "day 12"


# --- the summary ------------------------------------------------------------------------------


def summary(language: str, width: int = 100, tables: RunTables | None = None) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, legacy_windows=False)
    print_summary(
        tables or run(),
        console,
        language,
        footer=("Run    /tmp/a [bold] run", "Report /tmp/a/report.html"),
    )
    return out.getvalue().splitlines()


@pytest.mark.parametrize("language", ["en", "zh", "both"])
def test_summary_fits_one_screen(language):
    from rich.cells import cell_len

    lines = summary(language)
    assert len(lines) <= 45
    assert max(cell_len(line.rstrip()) for line in lines) <= 100
    assert "…" not in "".join(line for line in lines if not line.startswith("P"))
    assert lines[-2:] == ["Run    /tmp/a [bold] run", "Report /tmp/a/report.html"]


def test_summary_holds_the_numbers_of_the_estimates():
    lines = summary("en")
    e = (
        run()
        .estimates[run().estimates.platform_id == "ALL"]
        .set_index(["scenario", "measure", "statistic"])
        .value
    )
    for scenario in (s["id"] for s in run().scenarios):
        line, borne = [x for x in lines if x.split()[:1] == [scenario]]
        deficit = e[scenario, "deficit", "mean"] / 1e6
        cells = line.split()
        assert cells[3].split("±")[0] in {rounded(deficit, d) for d in (0, 1)}
        assert cells[2].split("±")[0] in {
            rounded(e[scenario, "accounts_forced", "mean"], d) for d in (0, 1)
        }
        share = e[scenario, "displaced_share", "ratio"]
        assert cells[-1].split("±")[0] == ("—" if pd.isna(share) else rounded(share, 1))
        layers = ("reserve", "own_capital", "junior", "senior", "claims")
        measures = [*(f"absorbed_by_{layer}" for layer in layers), "rule_loss", "reaction_loss"]
        for cell, measure in zip(borne.split()[1:], measures, strict=True):
            mean = e[scenario, measure, "mean"] / 1e6
            # As many digits as show the error, and never less of the value than they say.
            assert cell.split("±")[0] in {rounded(mean, d) for d in range(4)}
            assert ("±" in cell) == (mean > 0 and not cell.startswith("<")), "an estimate stands with its error"
        coverage = e[scenario, "own_funds_coverage", "median"]
        assert ("no calls" in line) == pd.isna(coverage)
    grades = {s["scenario"]: s for s in run().rating["platforms"][2]["scenarios"]}
    weakest = next(x for x in lines if x.startswith("P3"))
    assert weakest.split()[-8:] == [
        f"{grades[s['id']]['grade_before']}→{grades[s['id']]['grade_after']}"
        for s in run().scenarios
    ]


def test_summary_names_the_unit_of_its_numbers():
    assert "million yuan" in "".join(summary("en"))
    assert "亿元" in "".join(summary("zh"))
    both = "".join(summary("both"))
    assert "百万元" in both
    assert "亿元" not in both


def test_summary_survives_hostile_names_and_narrow_screens():
    platforms = [{**p, "name": HOSTILE} for p in run().record["platforms"]]
    lines = summary("en", 70, with_record(platforms=platforms))
    assert any(line.startswith("P1 Broker <script") for line in lines)
    assert sum(line.startswith("P3") for line in lines) == 2
    # Narrow, but the layers of the deficit are there and no number is broken.
    assert any("borne by" in line for line in lines)
    assert any(re.match(r"crash-60 +[\d,.]+±[\d.]+ ", line) for line in lines)


def test_summary_without_a_rating():
    bare = dataclasses.replace(run(), rating={})
    assert not any("→" in line for line in summary("en", tables=bare))


def test_summary_has_no_escape_codes_without_colour():
    assert "\x1b[3" not in "\n".join(summary("en"))


def test_the_parameters_tell_how_rates_move():
    """All keys of [rates] stand in the table, in both languages; a long path is told by its ends."""
    scenarios = [
        {**s, "rates": {
            "shape": "twist", "short_pct": -1.0, "long_pct": 1.0, "long_days": 360, "day": 2, "over_days": 3, "model": "given",
            "path": {"shift_pct": [0.0, *[0.25] * 30, -1.5, 0.5], "source": "rates of a spring"},
            "law": {"model": "hull_white", "initial_pct": 3.0, "curve_years": [1.0, 2.0], "curve_pct": [3.5, 3.25], "source": "a curve"},
            "source": "all at once, which no file may say",
        }}
        for s in run().record["scenarios"][:1]
    ]
    table, sources = parameters(with_record(scenarios=scenarios))
    said = {row.title.en: row.cells[0].value for row in table.rows}
    assert said["Rate shock, shape"] == Phrase("twist", "扭转")
    assert said["Rates above the book's date, by day"].en == "32 days, lowest −1.5%, highest 0.5%, at last 0.5%"
    assert said["Rates above the book's date, by day"].zh == "32日，最低−1.5%，最高0.5%，最后0.5%"
    assert said["Law of the short rate"].en == "Hull and White"
    assert said["Curve, zero yields"].en == "3.5, 3.25"
    assert {"rates of a spring", "a curve"} <= set(sources)


# --- ratings and platforms together -------------------------------------------------------------


def test_every_indicator_stands_in_both_languages_with_what_was_done_for_want_of_an_answer():
    html = page()
    for d in run().rating["platforms"][0]["dimensions"]:
        for indicator in d["indicators"]:
            for language in ("en", "zh"):
                assert indicator[language] in Reader(html).said(language)
    for language, words in (("en", "no answer"), ("zh", "未作回答")):
        assert words in Reader(html).said(language)


def test_the_migration_table_prints_shares_with_intervals():
    html = Reader(page()).said("en")
    assert "Migration of grades over paths" in html
    row = next(r for s in run().rating["platforms"][2]["scenarios"] if s["scenario"] == "crash-40" for r in s["migration_table"]
               if r["from_grade"] is None and r["paths"])
    assert f"{row['share_pct']:.0f}" in html


def test_who_fails_with_whom_is_a_table_and_a_picture():
    held = run().spillover
    assert (held["measure"] == "failure_given").any()
    html = page()
    assert "Who fails with whom" in Reader(html).said("en")
    assert "谁与谁一同失败" in Reader(html).said("zh")
    assert 'id="together"' not in write_html(dataclasses.replace(run(), spillover=None))
