"""The page of runs side by side: what it holds is what the runs say, it asks no network, and a browser can use it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import stresslab as sl
from stresslab import record, verbs
from stresslab.book import demo_book
from stresslab.book.in_parts import write_in_parts
from stresslab.dashboards.gather import drawdowns, fan
from stresslab.dashboards.page import in_script, names_of
from stresslab.dashboards.signals import spells
from stresslab.dashboards.words import WORDS
from stresslab.early_warning.backtest import Settings
from stresslab.faults import InputError

CHROMIUM = Path("/usr/bin/chromium")
PATHS = 12
HOSTILE = '</script><img src="https://evil.example/x" onerror="alert(1)">'
# A browser's own files close late; what it leaves open is not ours.
browses = pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium is installed")


def index_history(folder: Path) -> Path:
    """An index that falls by a third twice in ten years, in the file shape of a user's history."""
    days = pd.bdate_range("2000-01-03", periods=2_520)
    drift = np.full(days.size, 0.0006)
    drift[600:640] = drift[1700:1740] = -0.011
    close = 1_000 * np.exp(np.cumsum(drift + 0.008 * np.sin(np.arange(days.size) * 2.399963)))
    path = folder / "index.csv"
    pd.DataFrame({"date": days.strftime("%Y-%m-%d"), "close": close.round(4)}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, one of them with names that would be markup, and a backtest."""
    folder = tmp_path_factory.mktemp("dashboard")
    verbs.init(folder / "book", accounts=60)
    verbs.run(folder / "book", ["baseline", "crash-40"], paths=PATHS, seed=1, out=folder / "quarter-1")
    shutil.copytree(folder / "quarter-1", folder / "quarter-2")
    told = json.loads((folder / "quarter-2" / "record.json").read_text(encoding="utf-8"))
    told["book"]["title"] = told["platforms"][0]["name"] = HOSTILE
    record.write_json(folder / "quarter-2" / "record.json", told)
    sl.backtest(
        index_history(folder), events="drawdown >= 25% in 250 days", models=["threshold"], out=folder / "warned",
        settings=Settings(repetitions=20),
    )
    return folder


@pytest.fixture(scope="module")
def made(place: Path) -> Path:
    return sl.dashboard([place / n for n in ("quarter-1", "quarter-2", "warned")], out=place / "page.html", language="en")


def earlier(run: Path, out: Path) -> Path:
    """A run as versions wrote it that kept nothing by investor type."""
    shutil.copytree(run, out)
    (out / "investors.parquet").unlink()
    told = json.loads((out / "record.json").read_text(encoding="utf-8"))
    del told["outputs"]["investors.parquet"]
    for platform in told["platforms"]:
        for kind in platform["investors"].values():
            del kind["leverage"]
    record.write_json(out / "record.json", told)
    return out


def unlike(run: Path, out: Path) -> Path:
    """A run whose first scenario has another title, and whose second supposes another fall."""
    shutil.copytree(run, out)
    told = json.loads((out / "record.json").read_text(encoding="utf-8"))
    told["scenarios"][0]["title"] = "Calm"
    told["scenarios"][1]["market"]["crash"]["depth_pct"] = 39
    record.write_json(out / "record.json", told)
    return out


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.S)
    assert found
    held: dict[str, Any] = json.loads(found[1])
    return held


# --- what the page holds -------------------------------------------------------------------------


def test_figures_are_those_of_the_run(place: Path, made: Path) -> None:
    run = data_of(made)["runs"][0]
    estimates = pd.read_parquet(place / "quarter-1" / "estimates.parquet")
    row = estimates[(estimates["scenario"] == "crash-40") & (estimates["platform_id"] == "ALL") & (estimates["day"] == 0)
                    & (estimates["measure"] == "forced_sale_rate") & (estimates["statistic"] == "mean")].iloc[0]
    told = run["figures"]["crash-40"]["ALL"]["forced"]
    assert told == [pytest.approx(row[c], rel=1e-5) for c in ("value", "error", "low", "high")]
    assert [s["id"] for s in run["scenarios"]] == ["baseline", "crash-40"]


def test_shares_of_investor_types_add_up_to_all_accounts(place: Path, made: Path) -> None:
    run, kinds = data_of(made)["runs"][0], pd.read_parquet(place / "quarter-1" / "investors.parquet")
    accounts = pd.read_parquet(place / "quarter-1" / "accounts.parquet")
    for scenario, mine in kinds.groupby("scenario"):
        assert mine["forced"].sum() == accounts[accounts["scenario"] == scenario]["forced"].sum() > -1
        assert mine["in_deficit"].sum() == accounts[accounts["scenario"] == scenario]["in_deficit"].sum()
    crash = kinds[(kinds["scenario"] == "crash-40") & (kinds["investor_type"] == "retail")]
    share = 100 * crash["forced"].sum() / (PATHS * crash["accounts_with_debt"].sum())
    value, error, low, high = run["types"]["crash-40"]["ALL"]["retail"]
    assert value == pytest.approx(share, rel=1e-5)
    assert error is None
    assert low < value < high
    by_type = [sum(p["leverage"][kind]["accounts"]) for p in run["platforms"] for kind in ("retail", "professional", "institution")]
    assert sum(by_type) == sum(sum(p["leverage"][""]["accounts"]) for p in run["platforms"])


def test_drawdowns_by_hand() -> None:
    levels = np.array([[1_100_000, 990_000, 1_210_000], [900_000, 950_000, 475_000]])
    assert drawdowns(levels) == pytest.approx(np.array([[0, 10, 0], [10, 5, 52.5]]))
    told = fan(np.repeat(levels, 50, axis=0))
    assert (told["q5"], told["q95"]) == ([0, 500, 0], [1000, 1000, 5250])


def test_alarms_are_told_as_unbroken_spells() -> None:
    days = ["a", "b", "c", "d", "e"]
    assert spells(days, [True, True, False, True, False]) == [["a", "b"], ["d", "d"]]
    assert spells(days, [False] * 5) == []
    assert spells(days, [True] * 5) == [["a", "e"]]


def test_models_of_a_backtest_stand_with_their_alarms(place: Path, made: Path) -> None:
    told = data_of(made)["backtests"][0]
    alarms = pd.read_parquet(place / "warned" / "alarms.parquet")
    assert {m["name"] for m in told["models"]} <= set(alarms["model"])
    assert len(told["events"]) == len(pd.read_parquet(place / "warned" / "events.parquet")) >= 2
    for model in told["models"]:
        mine = alarms[alarms["model"] == model["name"]]
        assert model["alarm"] == bool(mine["alarm"].iloc[-1])
        assert sum(((mine["date"] >= a) & (mine["date"] <= b)).sum() for a, b in model["spells"]) == mine["alarm"].sum()


def test_the_same_folders_give_the_same_bytes(place: Path, made: Path, tmp_path: Path) -> None:
    again = sl.dashboard([place / n for n in ("quarter-1", "quarter-2", "warned")], out=tmp_path / "again.html", language="en")
    assert again.read_bytes() == made.read_bytes()
    other = sl.dashboard([place / n for n in ("quarter-1", "quarter-2", "warned")], out=tmp_path / "zh.html", language="zh")
    assert data_of(other) == data_of(made)


def test_nothing_of_a_user_is_markup_and_nothing_is_fetched(made: Path) -> None:
    text = made.read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert data_of(made)["runs"][1]["title"] == HOSTILE
    assert "Permission is hereby granted, free of charge" in text  # the licence of what is carried
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.S)  # plotly names places in its own words; the policy forbids them all
    assert "default-src &#x27;none&#x27;" in own
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*['\"]?(?:https?:)?//", own)
    assert in_script("</script><!--\u2028") == '"\\u003c/script\\u003e\\u003c!--\\u2028"'


def test_every_word_is_said_in_both_languages() -> None:
    assert all(en and zh for en, zh in WORDS.values())
    folder = Path(sl.__file__).parent / "dashboards"
    scripts = "".join((folder / n).read_text(encoding="utf-8") for n in ("parts.js", "figures.js", "room.js", "page.html"))
    asked = {word for form in (r'\bt\("(\w+)"[),]', r'\bword: "(\w+)"', r'data-t="(\w+)"') for word in re.findall(form, scripts)}
    assert "forced" in asked
    assert asked <= WORDS.keys()


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "other", tmp_path / "a" / "run"]
    assert names_of(folders) == ["a/run", "b/run", "other", "a/run (2)"]


def test_every_fault_is_told_at_once_and_nothing_is_written(place: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(place / "quarter-1", broken)
    (broken / "days.parquet").unlink()
    changed = tmp_path / "changed"
    shutil.copytree(place / "quarter-1", changed)
    (changed / "estimates.parquet").write_bytes(b"PAR1 nonsense")
    foreign = tmp_path / "foreign"
    shutil.copytree(place / "quarter-1", foreign)
    record.write_json(foreign / "record.json", json.loads((foreign / "record.json").read_text(encoding="utf-8")) | {"book": []})
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError) as raised:
        sl.dashboard([broken, changed, foreign, empty, tmp_path / "nowhere"], out=tmp_path / "page.html")
    said = [str(f) for f in raised.value.faults]
    assert [any(str(p) in line for line in said) for p in (broken, changed, foreign, empty, tmp_path / "nowhere")] == [True] * 5
    assert any("days.parquet" in line for line in said)
    assert len(said) == 5
    assert not (tmp_path / "page.html").exists()
    with pytest.raises(InputError, match="is a folder"):
        sl.dashboard([], out=tmp_path)


def test_a_run_of_an_earlier_version_is_shown_without_what_it_lacks(place: Path, tmp_path: Path) -> None:
    old = earlier(place / "quarter-1", tmp_path / "old")
    run = data_of(sl.dashboard([old], out=tmp_path / "page.html"))["runs"][0]
    assert run["types"] is None
    assert run["figures"]["crash-40"]["ALL"]["forced"][0] > 0
    assert [p["leverage"]["retail"] for p in run["platforms"]] == [None] * len(run["platforms"])


@pytest.mark.long
def test_a_book_in_parts_gives_the_same_page(place: Path, tmp_path: Path) -> None:
    write_in_parts(demo_book(60), tmp_path / "book", 3)
    shutil.copy(place / "book" / "market.toml", tmp_path / "book")
    verbs.run(tmp_path / "book", ["baseline", "crash-40"], paths=PATHS, seed=1, out=tmp_path / "quarter-1")
    one, other = (data_of(sl.dashboard([f / "quarter-1"], out=tmp_path / "page.html")) for f in (place, tmp_path))
    assert one == other


def test_one_name_for_two_scenarios_is_seen(place: Path, tmp_path: Path) -> None:
    other = unlike(place / "quarter-1", tmp_path / "other")
    one, two = data_of(sl.dashboard([place / "quarter-1", other], out=tmp_path / "page.html"))["runs"]
    assert [a["supposed"] == b["supposed"] for a, b in zip(one["scenarios"], two["scenarios"], strict=True)] == [True, False]


# --- in a browser --------------------------------------------------------------------------------


class Seen:
    """A page in a browser, with every request and every fault of its scripts."""

    def __init__(self, page: Any, file: Path) -> None:
        self.page = page
        self.requests: list[str] = []
        self.faults: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        page.goto(file.as_uri())
        self.wait()

    def wait(self) -> None:
        self.page.wait_for_selector("body[data-ready=yes]", timeout=20_000)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def rows(self, section: str) -> list[str]:
        """The table of a section, opened."""
        self.page.eval_on_selector(f"#{section} > details", "one => { one.open = true }")
        self.page.wait_for_selector(f"#{section} > details td, #{section} > details th", state="attached")
        found: list[str] = self.page.eval_on_selector_all(f"#{section} > details tbody tr", "all => all.map(r => r.innerText)")
        return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


def shot(browser: Any, file: Path, width: int = 1280, **more: Any) -> Seen:
    return Seen(browser.new_page(viewport={"width": width, "height": 900}, **more), file)


@browses
def test_a_browser_draws_the_page_and_asks_nobody(browser: Any, made: Path) -> None:
    seen = shot(browser, made)
    assert seen.faults == []
    assert seen.requests == [made.as_uri()]
    assert seen.page.evaluate("document.querySelectorAll('#sections section:not([hidden])').length") >= 8
    assert seen.page.evaluate("document.querySelectorAll('.main-svg').length") >= 6
    assert HOSTILE in seen.text("#sections")
    seen.page.close()


@browses
@pytest.mark.long
def test_what_is_chosen_changes_what_is_shown(browser: Any, made: Path) -> None:
    seen = shot(browser, made)
    both = seen.rows("forced")
    assert len(both) == 4
    seen.page.uncheck("#run-list input >> nth=1")
    seen.wait()
    assert len(seen.rows("forced")) == 2
    seen.page.uncheck("#scenario-list input >> nth=0")
    seen.wait()
    crash = seen.rows("forced")
    assert len(crash) == 1
    seen.page.select_option("#investor", "institution")
    seen.wait()
    assert seen.rows("forced") != crash
    seen.page.select_option("#investor", "")
    seen.page.select_option("#platform", index=2)
    seen.wait()
    assert seen.rows("forced") != crash
    seen.page.click("#language")
    seen.wait()
    assert seen.text("h1") == WORDS["title"][1]
    assert seen.faults == []
    seen.page.close()


@browses
@pytest.mark.long
def test_what_is_not_alike_is_told(browser: Any, place: Path, tmp_path: Path) -> None:
    folders = [place / "quarter-1", earlier(place / "quarter-1", tmp_path / "old"), unlike(place / "quarter-1", tmp_path / "unlike")]
    seen = shot(browser, sl.dashboard(folders, out=tmp_path / "page.html", language="en"))
    page = seen.page
    assert page.is_visible("#differ")
    assert "Market falls 40%" in seen.text("#differ")
    assert "Baseline" not in seen.text("#differ")
    assert page.evaluate("document.querySelectorAll('#forced .warned').length") == 0
    page.select_option("#investor", "retail")
    seen.wait()
    assert seen.text("#forced .warned") == WORDS["no_types"][0]
    assert seen.text("#leverage .warned") == WORDS["no_leverage"][0]
    assert len(seen.rows("forced")) == 4
    page.uncheck("#run-list input >> nth=2")
    seen.wait()
    assert not page.is_visible("#differ")
    page.click("[data-pick=run][data-to='0']")
    seen.wait()
    assert seen.text("#forced .note") == WORDS["nothing"][0]
    assert seen.faults == []
    page.close()


@browses
@pytest.mark.long
def test_backtests_are_drawn_again_for_another_look_alone(browser: Any, made: Path) -> None:
    seen = shot(browser, made)
    page = seen.page
    assert page.evaluate("Boolean((window.kept = document.querySelector('#warning h3 ~ .plot'))._fullLayout)")
    same = "window.kept === document.querySelector('#warning h3 ~ .plot')"
    page.uncheck("#run-list input >> nth=1")
    seen.wait()
    assert page.evaluate(same)
    page.set_viewport_size({"width": 390, "height": 844})  # the phone turned: everything takes its new width
    for _ in range(50):  # a width counts once it has stayed for 150 ms
        page.wait_for_timeout(100)
        if not page.evaluate(same):
            break
    seen.wait()
    assert not page.evaluate(same)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("window.kept._fullLayout") is None  # given back
    assert seen.faults == []
    page.close()


@browses
@pytest.mark.long
def test_the_keyboard_reaches_everything(browser: Any, made: Path) -> None:
    seen = shot(browser, made)
    page = seen.page
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.dataset.kind || document.activeElement.tagName"))
    assert {"theme", "language", "find", "run", "scenario", "platform", "investor", "SUMMARY"} <= set(reached)
    before = seen.text("#status")
    page.focus("#run-list input")
    page.keyboard.press("Space")
    seen.wait()
    assert seen.text("#status") != before
    page.close()


@browses
@pytest.mark.long
@pytest.mark.parametrize(("theme", "width"), [("light", 390), ("dark", 320)])
def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, made: Path, theme: str, width: int) -> None:
    seen = shot(browser, made, width, color_scheme=theme, has_touch=True)
    page = seen.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(int(v) for v in re.findall(r"\d+", back)[:3]) > 384
    assert light == (theme == "light")
    page.select_option("#theme", "dark" if theme == "light" else "light")
    seen.wait()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != back
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.faults == []
    page.close()
