"""Time of the dashboard: seconds to write the page of many runs, its size, and seconds until a browser has drawn it.

Run: python benchmarks/bench_dashboard.py [--runs 60] [--paths 200] [--repeats 5] [--pictures FOLDER]. One run and one backtest are
made; the other runs are the first under other names and titles, which a page cannot know. The browser is Chromium, headless, cold for
every opening: from asking for the file until every figure of the first run stands; then until all figures stand again with ten runs
chosen, and with all. Medians; one JSON line per measurement, with commit and machine. With ``--pictures`` the pages are also
photographed, in both languages, widths and looks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import stresslab as sl
from stresslab import record, verbs

CHROMIUM = "/usr/bin/chromium"
SCENARIOS = ("baseline", "crash-20", "crash-40", "severe", "redemption-20")
LOOKS = (("en", "light", 1280), ("zh", "dark", 1280), ("zh", "light", 390), ("en", "dark", 390))


def folders(place: Path, runs: int, paths: int) -> list[Path]:
    """So many folders of runs, and one of a backtest."""
    verbs.init(place / "book", accounts=2_000)
    first = verbs.run(place / "book", list(SCENARIOS), paths=paths, seed=1, out=place / "run-00").folder
    told = json.loads((first / "record.json").read_text(encoding="utf-8"))
    made = [first]
    for k in range(1, runs):
        made.append(place / f"run-{k:02d}")
        made[-1].mkdir()
        for file in first.iterdir():
            if file.is_file() and file.name != record.RECORD:
                os.link(file, made[-1] / file.name)
        record.write_json(made[-1] / record.RECORD, told | {"seed": k, "book": told["book"] | {"title": f"Book {k}"}})
    sl.backtest(demo=True, out=place / "warned")
    return [*made, place / "warned"]


def opened(page: Any, file: Path) -> float:
    """Seconds from asking for the file until every figure stands."""
    start = time.perf_counter()
    page.goto(file.as_uri())
    page.wait_for_selector("body[data-ready=yes]")
    return time.perf_counter() - start


def again(page: Any, runs: int) -> float:
    """Seconds until every figure stands again, with so many runs chosen."""
    page.click("[data-pick=run][data-to='0']")
    page.wait_for_selector("body[data-ready=yes]")
    page.fill("#find", "run-0" if runs == 10 else "")
    start = time.perf_counter()
    page.click("[data-pick=run][data-to='1']")
    page.wait_for_selector("body[data-ready=yes]")
    return time.perf_counter() - start


def photograph(driver: Any, file: Path, out: Path) -> None:
    """Pictures of the whole page, in both languages, looks and widths."""
    out.mkdir(parents=True, exist_ok=True)
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    for language, look, width in LOOKS:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=look)
        opened(page, file)
        if not page.evaluate("document.documentElement.lang").startswith(language):
            page.click("#language")
            page.wait_for_selector("body[data-ready=yes]")
        page.wait_for_timeout(400)
        page.screenshot(path=out / f"{file.stem}-{language}-{look}-{width}.png", full_page=True)
    browser.close()


def main() -> None:
    """Print one JSON line per measurement."""
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("--runs", 60), ("--paths", 200), ("--repeats", 5)):
        options.add_argument(name, type=int, default=default)
    options.add_argument("--pictures", type=Path)
    given = options.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    place = {"commit": commit, "machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}

    def tell(**figures: object) -> None:
        print(json.dumps(figures | place), flush=True)

    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        held = folders(Path(scratch), given.runs, given.paths)
        start = time.perf_counter()
        file = sl.dashboard(held, out=Path(scratch) / "page.html", language="en")
        tell(bench="write the page", runs=given.runs, scenarios=len(SCENARIOS), paths=given.paths,
             seconds=round(time.perf_counter() - start, 2), megabytes=round(file.stat().st_size / 1e6, 2))
        seconds: dict[str, list[float]] = {"first figures": [], "ten runs": [], "all runs": []}
        for _ in range(given.repeats):
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            seconds["first figures"].append(opened(page, file))
            seconds["ten runs"].append(again(page, 10))
            seconds["all runs"].append(again(page, given.runs))
            browser.close()
        for name, took in seconds.items():
            tell(bench=name, runs=given.runs, seconds=round(statistics.median(took), 2), slowest=round(max(took), 2), repeats=given.repeats)
        if given.pictures:
            few = sl.dashboard([*held[:2], held[-1]], out=Path(scratch) / "few.html", language="en")
            for one in (few, file):
                photograph(driver, one, given.pictures)


if __name__ == "__main__":
    main()
