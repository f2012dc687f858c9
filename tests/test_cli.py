"""The command line from a new book to a grade: exit codes, what goes where, and runs that are repeated or killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import stresslab
from stresslab import checking, verbs
from stresslab.book import demo_book, read_book
from stresslab.faults import InputError

BASE = Path(__file__).parent / "invalid" / "base"
VERBS = ("demo", "init", "check", "terms", "run", "rate", "compare", "replay")
#: What takes long to import, and is needed by no help.
HEAVY = ("numba", "numpy", "pandas", "pyarrow", "scipy", "dask", "distributed", "matplotlib", "arch", "rich", "jinja2", "duckdb")
PROGRAM = [sys.executable, "-c", "from stresslab.cli import main; main()"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small demo book and a finished run of it."""
    folder = tmp_path_factory.mktemp("cli")
    verbs.init(folder / "book", accounts=60)
    verbs.run(folder / "book", ["baseline", "crash-40"], paths=6, seed=1, out=folder / "run", block_paths=2)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of every file of a finished run, its record without the machine."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    record = json.loads(found.pop("record.json"))
    del record["machine"]
    return found | {"record.json": json.dumps(record).encode()}


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what others set about colours."""
    return {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM")} | changes


# --- help and names -----------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example(verb, said):
    code, out, err = said(verb, "--help")
    assert (code, err) == (0, "")
    assert re.search(rf"Example: stresslab {verb}\b", out)


def test_help_lists_the_verbs_and_is_shown_without_any(said):
    code, out, _ = said("--help")
    assert code == 0
    assert all(re.search(rf"^  {verb} ", out, re.MULTILINE) for verb in VERBS)
    code, out, err = said()
    assert (code, out) == (2, "")
    assert "Usage: stresslab" in err


def test_help_imports_nothing_heavy():
    program = f"""
import sys
from stresslab.cli import main
for verb in {VERBS}:
    sys.argv = ["stresslab", verb, "--help"]
    try:
        main()
    except SystemExit as done:
        assert not done.code
found = sorted(set({HEAVY}) & set(sys.modules))
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_import_is_light_and_names_are_public():
    program = f"import stresslab, sys; assert not set({HEAVY}) & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert dir(stresslab) == sorted(stresslab.__all__)
    for name in stresslab.__all__:
        assert getattr(stresslab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = stresslab.nonsense


# --- from a book to a grade ---------------------------------------------------------------------


def test_init_check_run_rate(said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = said("init", "book", "--accounts", 60)
    assert (code, err) == (0, "")
    assert out == "book: Demo book, synthetic: 3 platforms, 60 accounts; edit the tables, then stresslab check book\n"

    code, out, err = said("check", "book", "--scenario", "crash-40")
    assert (code, err) == (0, "")
    assert "60 accounts" in out.splitlines()[0]
    assert "it balances" in out.splitlines()[0]
    assert "scenario crash-40: Market falls 40% / 市场下跌40%, 60 trading days" in out.splitlines()

    code, out, err = said("run", "--book", "book", "--scenario", "crash-40", "--out", "run", "--paths", 3)
    assert code == 0
    assert "crash-40" in out
    assert "\x1b" not in out + err
    assert out.splitlines()[-2:] == ["run folder: run", f"report:     {Path('run/report.html')}"]
    assert "3/3" in err

    code, out, err = said("rate", "run")
    assert (code, err) == (0, "")
    assert {p["platform_id"] for p in json.loads(out)["platforms"]} == {"P1", "P2", "P3"}


def test_init_refuses_a_folder_that_holds_something(said, place):
    before = files(place / "run")
    code, out, err = said("init", place / "run")
    assert (code, out) == (2, "")
    assert err == f"{place / 'run'}: this folder is not empty; give a new one\n1 fault; nothing was written\n"
    assert files(place / "run") == before


def test_init_refuses_a_book_too_small(said, tmp_path):
    code, _, err = said("init", tmp_path / "b", "--accounts", 9, "--seed", -1)
    assert code == 2
    assert err.splitlines() == [
        "options, accounts = '9': must be a whole number between 10 and 10000000; give another value",
        "options, seed = '-1': must be a whole number between 0 and 9223372036854775807; give another value",
        "2 faults; nothing was written",
    ]
    assert not (tmp_path / "b").exists()


def test_check_says_what_a_careful_reader_should_know(said, tmp_path):
    book = tmp_path / "book"
    shutil.copytree(BASE, book)
    accounts = (book / "accounts.csv").read_text(encoding="utf-8")
    (book / "accounts.csv").write_text(accounts.replace("130,115", "160,115")
                                       .replace(",rate_cap_pct\n", ",rate_cap_pct,withdrawal_line_pct\n")
                                       .replace("fixed,\n", "fixed,,300\n").replace("floating,\n", "floating,,\n")
                                       .replace("capped,15\n", "capped,15,\n"), encoding="utf-8")
    code, out, err = said("check", book, "--json")
    assert (code, err) == (0, "")
    notes = json.loads(out)["notes"]
    assert "accounts: kept, but no result depends on it yet: withdrawal_line_pct" in notes
    assert "accounts: 1 are below their warning line on the book's date, 0 of them below their liquidation line" in notes


def test_check_shows_lights_and_fails_on_them(said, tmp_path):
    code, out, _ = said("check", BASE)
    assert code == 0
    assert "limits 'Provisional limits for margin lenders': 17 red, 2 amber" in out
    assert "red: P2: Cash coverage, 7 days (现金流覆盖率（7日）) 19.6667% is below 50%" in out.splitlines()
    assert said("check", BASE, "--fail-on", "limit")[0] == 1
    code, out, _ = said("check", BASE, "--json", "--fail-on", "warning")
    told = json.loads(out)
    assert (code, told["ok"]) == (1, True)
    assert {f["light"] for f in told["findings"]} == {"red", "amber"}
    assert [p["platform_id"] for p in told["limits"]["platforms"]] == ["P1", "P2"]
    # A regulator who asks for nothing.
    lax = (Path(stresslab.__file__).parent / "limits.toml").read_text(encoding="utf-8")
    lax = re.sub(r"(side = \"at_least\"\n)amber = .*\nred = .*", r"\1amber = 0\nred = 0", lax)
    lax = re.sub(r"(side = \"at_most\"\n)amber = .*\nred = .*", r"\1amber = 1000\nred = 1000", lax)
    (tmp_path / "lax.toml").write_text(lax, encoding="utf-8")
    code, out, _ = said("check", BASE, "--limits", tmp_path / "lax.toml")
    lights = [line for line in out.splitlines() if line.startswith(("red: ", "amber: "))]
    assert lights
    assert all("account" in line for line in lights)


def test_a_run_prints_the_limits_that_it_was_given(said, place, tmp_path):
    shipped = (Path(stresslab.__file__).parent / "limits.toml").read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(shipped.replace("Provisional limits for margin lenders", "Limits of a province"), encoding="utf-8")
    words = ("run", "--book", place / "book", "--scenario", "baseline", "--paths", 1, "--out", tmp_path / "run", "--quiet")
    assert said(*words, "--limits", mine)[0] == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Limits of a province" in page
    assert "适当性、风险预算与期限" in page
    record = json.loads((tmp_path / "run" / "record.json").read_text(encoding="utf-8"))
    assert record["limits"]["title"] == "Limits of a province"
    # Other limits make another run.
    assert said(*words)[0] == 2


def test_terms_of_an_account(said, tmp_path):
    code, out, err = said("terms", BASE, "--account", "A1")
    assert (code, err) == (0, "")
    assert re.search(r"警戒线 +warning line +140%，下跌33.99%即触及 / 140%, reached by a fall of 33.99%", out)
    assert re.search(r"−60% +539,000 +89.8% +301,000 +489,000 +0 +61,000 +\d+ +0 +61,\d+", out)
    assert "全部价格下跌" in said("terms", BASE, "--account", "A1", "--lang", "zh")[1]
    code, out, _ = said("terms", BASE, "--account", "A1", "--json", "--falls", "0,40")
    told = json.loads(out)
    assert [row["fall_pct"] for row in told["losses"]] == [0, 40]
    assert (told["settlement"], told["losses"][0]["maintenance_ratio_pct"]) == (None, "212.0833")


def test_terms_settles_from_a_file_of_prices(said, tmp_path):
    book = tmp_path / "book"
    shutil.copytree(BASE, book)
    accounts = (book / "accounts.csv").read_text(encoding="utf-8")
    (book / "accounts.csv").write_text(
        accounts.replace(",rate_cap_pct\n", ",rate_cap_pct,own_money_yuan,principal_yuan,profit_share,client_share_pct\n")
        .replace("fixed,\n", "fixed,,600000,590000,performance,80\n").replace("floating,\n", "floating,,,,,\n")
        .replace("capped,15\n", "capped,15,,,,\n"), encoding="utf-8")
    prices = tmp_path / "prices.csv"
    prices.write_text("instrument_id,price_yuan\nS1,16.20\n", encoding="utf-8")
    words = ("terms", book, "--account", "A1", "--prices", prices, "--settle", "2026-07-30", "--cost-pct", "0.1")
    code, out, _ = said(*words, "--json")
    made = json.loads(out)["settlement"]
    assert code == 0
    assert made["collateral_li"] == 1_332_500_000
    assert made["lender_li"] + made["platform_li"] + made["client_li"] == made["proceeds_li"]
    assert made["interest_li"] == 10_000_000 + 600_000_000 * 650 * 30 // 3_650_000
    assert made["platform_li"] == made["net_li"] * 2 // 10
    assert re.search(r"客户所得 +\d", said(*words, "--lang", "zh", "--remainder-to", "platform")[1])
    for text, rule in (("instrument_id\nS1\n", "must have the columns"), ("instrument_id,price_yuan\nS1,1\nS1,2\n", "has one price"),
                       ("instrument_id,price_yuan\nS1,abc\n", "must be a price in yuan")):
        prices.write_text(text, encoding="utf-8")
        code, _, err = said(*words)
        assert code == 2
        assert rule in err
    for wrong in (("--settle", "tomorrow"), ("--falls", "a,b"), ("--account", "A7")):
        assert said("terms", book, "--account", "A1", *wrong)[0] == 2


def test_check_against_an_earlier_book(said, tmp_path):
    for name, state in (("then", "settled"), ("now", "trading")):
        shutil.copytree(BASE, tmp_path / name)
        accounts = (tmp_path / name / "accounts.csv").read_text(encoding="utf-8")
        state = "called" if name == "then" else state
        (tmp_path / name / "accounts.csv").write_text(
            accounts.replace(",rate_cap_pct\n", ",rate_cap_pct,status\n").replace("fixed,\n", f"fixed,,{state}\n")
            .replace("floating,\n", "floating,,\n").replace("capped,15\n", "capped,15,\n"), encoding="utf-8")
    assert said("check", tmp_path / "now", "--since", tmp_path / "then")[0] == 0
    accounts = (tmp_path / "now" / "accounts.csv").read_text(encoding="utf-8")
    (tmp_path / "now" / "accounts.csv").write_text(accounts.replace("A1,", "A4,"), encoding="utf-8")
    positions = (tmp_path / "now" / "positions.csv").read_text(encoding="utf-8")
    (tmp_path / "now" / "positions.csv").write_text(positions.replace("A1,", "A4,"), encoding="utf-8")
    code, _, err = said("check", tmp_path / "now", "--since", tmp_path / "then")
    assert code == 2
    assert "the contract was margin called (追缴) in the earlier book and is missing" in err


def test_check_wants_something_to_check(said):
    code, _, err = said("check")
    assert (code, err.splitlines()[0]) == (2, "options: there is nothing to check; give a book's folder, --scenario or --market")
    assert said("check", "--scenario", "severe")[0] == 0
    assert said("check", "--market", BASE / "market.toml")[0] == 0


def test_a_folder_that_is_no_book_is_said_once(said, tmp_path):
    code, _, err = said("check", tmp_path / "nowhere")
    assert code == 2
    assert err.splitlines() == [
        f"{tmp_path / 'nowhere'}: a book is a folder; give the folder that holds book.toml, or make one with `stresslab init`",
        "1 fault; nothing was written",
    ]


def test_rate_wants_a_finished_run(said, tmp_path, place):
    code, _, err = said("rate", tmp_path)
    assert code == 2
    assert err.startswith(f"{tmp_path}: this folder holds no finished run; ")
    damaged = shutil.copytree(place / "run", tmp_path / "damaged")
    (damaged / "outcomes.parquet").write_bytes(b"PAR1")
    code, _, err = said("rate", damaged)
    assert code == 2
    assert err.startswith(f"{damaged / 'outcomes.parquet'}: is not the table that the run wrote: its digest differs; ")


# --- options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "message"), [
    (["run", "--paths", "many"], "Invalid value for '--paths': must be a whole number"),
    (["run", "--paths", "2.5"], "Invalid value for '--paths': must be a whole number"),
    (["run", "--fail-on", "never"], "Invalid value for '--fail-on': 'never' is not one of 'nothing', 'downgrade', 'failure'."),
    (["replay", "run"], "Missing option '--path'."),
    (["replay", "run", "--path", "0", "--rows", "-1"], "Invalid value for '--rows': "),
    (["run", "--lang", "fr"], "Invalid value for '--lang': 'fr' is not one of 'en', 'zh'."),
    (["run", "--scenarios", "severe"], "No such option: --scenarios"),
    (["run", "--book", "b", "--out", "o"], "Missing option '--scenario'."),
    (["rnu"], "No such command 'rnu'."),
])
def test_what_the_parser_refuses(words, message, said):
    code, out, err = said(*words)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"Error: {message}")
    assert "Usage: stresslab" in err


# --- exit codes ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small sound book with two scenarios without dice: nothing happens, and nearly everything is lost."""
    folder = tmp_path_factory.mktemp("small")
    shutil.copytree(BASE, folder / "book")
    written = (BASE / "scenario.toml").read_text(encoding="utf-8")
    crash = written[written.index("[market.crash]"):written.index("[liquidity]")]
    calm = written.replace(crash, '[market]\nmodel = "deterministic"\n\n')
    # A fall of 95% is 29 days of the limit of 10%.
    doom = written.replace('shape = "ramp"', 'shape = "gap"').replace("depth_pct = 40", "depth_pct = 95")
    doom = doom.replace("trough_day = 10", "trough_day = 1").replace("days = 20", "days = 40", 1)
    (folder / "calm.toml").write_text(calm.replace('"fall"', '"calm"'), encoding="utf-8")
    (folder / "doom.toml").write_text(doom.replace("[market.crash]", '[market]\nmodel = "deterministic"\n\n[market.crash]'),
                                      encoding="utf-8")
    return folder


@pytest.mark.parametrize(("scenario", "fail_on", "code"), [
    ("calm", "nothing", 0), ("calm", "failure", 0), ("calm", "downgrade", 0),
    ("doom", "nothing", 0), ("doom", "failure", 1), ("doom", "downgrade", 1),
])
def test_the_answer_is_no(scenario, fail_on, code, small, tmp_path, said):
    # Without its committed line P2 cannot fill the gap to 15% of its calls.
    book = shutil.copytree(small / "book", tmp_path / "book")
    platforms = (book / "platforms.csv").read_text(encoding="utf-8")
    (book / "platforms.csv").write_text(platforms.replace("true", "false"), encoding="utf-8")
    # The 15% rule alone: this book breaks limits and answers nothing, for which the shipped scale has triggers.
    scale = (Path(stresslab.__file__).parent / "rating_scale.toml").read_text(encoding="utf-8")
    (tmp_path / "scale.toml").write_text(without_triggers(scale), encoding="utf-8")
    words = ["run", "--book", book, "--scenario", small / f"{scenario}.toml", "--out", tmp_path / "run", "--paths", 1]
    assert said(*words, "--fail-on", fail_on, "--quiet", "--scale", tmp_path / "scale.toml")[0] == code
    if (scenario, fail_on) == ("calm", "downgrade"):
        assert said(*words[:-3], tmp_path / "triggers", "--paths", 1, "--fail-on", fail_on, "--quiet")[0] == 1


def without_triggers(scale: str) -> str:
    """A scale without its triggers, which stand between other tables."""
    parts = re.split(r"(?m)^(?=\[)", scale)
    return "".join(part for part in parts if not part.startswith("[[triggers]]"))


def test_a_failed_run_exits_with_3(said, monkeypatch, place, tmp_path):
    words = ["run", "--book", place / "book", "--scenario", "baseline", "--out", tmp_path / "r"]

    def broken(error: BaseException) -> Any:
        def run(*_: Any, **__: Any) -> None:
            raise error

        return run

    monkeypatch.setattr(verbs, "run", broken(OSError(28, "No space left on device", "outcomes.parquet")))
    code, out, err = said(*words)
    assert (code, out, err) == (3, "", "failed: [Errno 28] No space left on device: 'outcomes.parquet'\n")

    monkeypatch.setattr(verbs, "run", broken(KeyboardInterrupt()))
    code, out, err = said(*words)
    assert (code, out, err) == (3, "", "stopped; the same command goes on where it stopped\n")

    monkeypatch.setattr(verbs, "run", broken(ZeroDivisionError("division by zero")))
    code, out, err = said(*words)
    assert (code, out) == (3, "")
    assert "ZeroDivisionError" in err
    assert err.splitlines()[-1] == "failed: this is a fault of stresslab itself; please report it with the lines above"

    monkeypatch.setattr(checking, "check", broken(KeyboardInterrupt()))
    assert said("check", place / "book") == (3, "", "stopped\n")


# --- what goes where ----------------------------------------------------------------------------


def test_json_of_a_run(said, place):
    code, out, err = said("run", "--book", place / "book", "--scenario", "baseline", "--scenario", "crash-40", "--out", place / "run",
                          "--paths", 6, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["folder"] == str(place / "run")
    assert found["rating"] == json.loads((place / "run" / "rating.json").read_text(encoding="utf-8"))
    table = verbs.Run(place / "run").estimates
    kept = table[table["statistic"] != "survival"].reset_index(drop=True)
    assert len(kept) > 50
    read = pd.DataFrame(found["estimates"])
    assert read[["scenario", "platform_id", "measure", "statistic"]].equals(kept[["scenario", "platform_id", "measure", "statistic"]])
    np.testing.assert_allclose(read["value"].astype(float), kept["value"].astype(float), rtol=1e-14)


def test_quiet_is_quiet_and_languages_differ(said, place, tmp_path):
    words = ["run", "--book", place / "book", "--scenario", "baseline", "--out", tmp_path / "r", "--paths", 2]
    code, out, err = said(*words, "--quiet", "--lang", "zh")
    assert (code, err) == (0, "")
    assert "平台" in out
    code, out, err = said(*words, "--quiet")
    assert (code, err) == (0, "")
    assert "Platform" in out


def test_no_color(place):
    words = ["run", "--book", "book", "--scenario", "baseline", "--scenario", "crash-40", "--out", "run", "--paths", "6"]

    def output(**changes: str) -> str:
        done = subprocess.run([*PROGRAM, *words], cwd=place, env=environment(**changes), capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout

    colour = re.compile(r"\x1b\[[0-9;]*(?:3[0-9]|9[0-7])(?:;[0-9]+)*m")
    assert colour.search(output(FORCE_COLOR="1", TERM="xterm-256color"))
    assert not colour.search(output(FORCE_COLOR="1", TERM="xterm-256color", NO_COLOR="1"))


@pytest.mark.parametrize("words", [
    ["check", "book"], ["check", "book", "--json"], ["rate", "run"],
    ["replay", "run", "--path", "1", "--scenario", "crash-40"], ["replay", "run", "--path", "1", "--scenario", "crash-40", "--json"],
    ["run", "--book", "book", "--scenario", "baseline", "--scenario", "crash-40", "--out", "run", "--paths", "6"],
])
def test_a_reader_that_goes_away_is_no_fault(words, place):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*PROGRAM, *words], cwd=place, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


# --- replays ------------------------------------------------------------------------------------


def test_a_path_is_told_to_people(said, place, tmp_path):
    """Table on stdout, nothing on stderr, files where they were asked for."""
    table, drawing = tmp_path / "new" / "path.csv", tmp_path / "path.svg"
    code, out, err = said("replay", place / "run", "--path", 1, "--scenario", "crash-40", "--csv", table, "--svg", drawing)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Path 1, given scenario crash-40"
    assert "It agrees with the run to the last 厘." in lines
    assert lines[-2:] == [f"table: {table}", f"picture: {drawing}"]
    assert "margin call" in out
    written = table.read_bytes()
    assert written.startswith(b"\xef\xbb\xbfday,round,")
    assert len(written.splitlines()) > 20
    assert drawing.read_text(encoding="utf-8").startswith("<svg xmlns=")

    code, out, err = said("replay", place / "run", "--path", 1, "--scenario", "crash-40", "--lang", "zh", "--rows", 5, "--csv", table)
    assert (code, err) == (0, "")
    assert "与原运行逐厘一致。" in out
    assert re.search(r"^另有[\d,]+行：--rows 0 可全部显示。$", out, re.MULTILINE)
    assert len(out.splitlines()) < 20
    assert len(table.read_bytes().splitlines()) == len(written.splitlines())  # the CSV holds all rows, whatever is printed


def test_an_account_is_told_to_programs(said, place):
    code, out, err = said("replay", place / "run", "--path", 1, "--scenario", "crash-40", "--json", "--all")
    assert (code, err) == (0, "")
    whole = json.loads(out)
    assert (whole["scenario"], whole["path"], whole["seed"], whole["agrees"], whole["account"]) == ("crash-40", 1, 1, True, None)
    sellers = [e["account_id"] for e in whole["events"] if e["event"] == "fill"]
    code, out, err = said("replay", place / "run", "--path", 1, "--scenario", "crash-40", "--json", "--account", sellers[0])
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["account"]["account_id"] == sellers[0]
    fills = [e for e in found["events"] if e["event"] == "fill"]
    assert fills == [e for e in whole["events"] if e["event"] == "fill" and e["account_id"] == sellers[0]]
    assert {e["account_id"] for e in found["events"]} == {sellers[0], None}


def test_without_a_scenario_a_run_of_one_is_replayed(said, place, tmp_path):
    words = ["run", "--book", place / "book", "--scenario", "baseline", "--out", tmp_path / "r", "--paths", 1, "--quiet"]
    assert said(*words)[0] == 0
    code, out, err = said("replay", tmp_path / "r", "--path", 0)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "Path 0, scenario baseline: nothing is supposed"
    code, out, err = said("replay", place / "run", "--path", 6)
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "options, path = '6': must be a whole number between 0 and 5; give a path of the run",
        "options, scenario: the run has several scenarios; name one of baseline, crash-40",
        "2 faults; nothing was written",
    ]


def test_a_replay_refuses_what_is_not_the_run(said, place, tmp_path):
    words = ["--path", 0, "--scenario", "baseline"]
    code, _, err = said("replay", tmp_path, *words)
    assert code == 2
    assert err.startswith(f"{tmp_path}: this folder holds no finished run; ")
    book = shutil.copytree(place / "book", tmp_path / "book")
    platforms = (book / "platforms.csv").read_text(encoding="utf-8")
    (book / "platforms.csv").write_text(platforms.replace("P2", "P9"), encoding="utf-8")
    for file in ("accounts", "claims", "funding", "answers"):
        text = (book / f"{file}.csv").read_text(encoding="utf-8")
        (book / f"{file}.csv").write_text(text.replace("P2", "P9"), encoding="utf-8")
    code, out, err = said("replay", place / "run", *words, "--book", book)
    assert (code, out) == (2, "")
    assert err == (f"{book}: this is not the book of the run: something in it differs; give the book as it was, with --book FOLDER\n"
                   "1 fault; nothing was written\n")
    code, out, err = said("replay", place / "run", *words, "--csv", tmp_path, "--svg", tmp_path)
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == f"options, csv = '{tmp_path}': is a folder; give the name of a file" or len(str(tmp_path)) > 60
    assert err.splitlines()[-1] == "2 faults; nothing was written"


def test_a_path_that_does_not_agree_exits_with_3(said, place, tmp_path):
    run = shutil.copytree(place / "run", tmp_path / "run")
    table = pq.read_table(run / "outcomes.parquet")
    name, at = "sold_li", table.column_names.index("sold_li")
    pq.write_table(table.set_column(at, table.schema.field(name), pc.add(table[name], 1)), run / "outcomes.parquet")
    code, out, err = said("replay", run, "--path", 0, "--scenario", "crash-40", "--csv", tmp_path / "a.csv")
    assert (code, out) == (3, "")
    assert re.fullmatch(r"failed: path 0 does not agree with the run: sold_li of P1 is \d+, in the run \d+; .*\n", err)
    assert not (tmp_path / "a.csv").exists()


# --- runs that are repeated, refused, killed ----------------------------------------------------


def test_a_finished_run_is_not_run_again(place, monkeypatch):
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (place / "run").rglob("*") if p.is_file()}
    monkeypatch.setattr(verbs.farm, "run_tasks", lambda *_, **__: pytest.fail("nothing is left to do"))
    again = verbs.run(place / "book", ["baseline", "crash-40"], paths=6, seed=1, out=place / "run", block_paths=3)
    assert {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (place / "run").rglob("*") if p.is_file()} == before
    assert again.record["paths"] == 6


@pytest.mark.parametrize("words", [
    ["--paths", "7"], ["--paths", "6", "--seed", "2"], ["--paths", "6", "--scenario", "severe"],
], ids=["paths", "seed", "scenarios"])
def test_another_run_into_the_same_folder_is_refused(words, said, place):
    before = files(place / "run")
    scenarios = ("--scenario", "baseline", "--scenario", "crash-40")
    code, out, err = said("run", "--book", place / "book", *scenarios, "--out", place / "run", *words)
    assert (code, out) == (2, "")
    assert err == (f"{place / 'run'}: this folder holds another run (other book, scenarios, seed, paths or version); "
                   "give another --out, or delete the folder\n1 fault; nothing was written\n")
    assert files(place / "run") == before


def test_a_folder_with_other_files_is_refused(said, place, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    words = ["run", "--book", place / "book", "--scenario", "baseline", "--paths", 1, "--out"]
    code, _, err = said(*words, tmp_path)
    assert (code, err.splitlines()[0]) == (2, f"{tmp_path}: this folder is not empty and holds no run; give another --out")
    code, _, err = said(*words, tmp_path / "notes.txt")
    assert (code, err.splitlines()[0]) == (2, f"{tmp_path / 'notes.txt'}: the output must be a folder; give another --out")
    code, _, err = said(*words, tmp_path / "notes.txt" / "run")
    assert code == 2
    assert "cannot be written (Not a directory)" in err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("block_paths", [2, 3], ids=["same blocks", "other blocks"])
def test_a_killed_run_ends_in_the_same_bytes(block_paths, place, tmp_path):
    out = tmp_path / "run"

    def die(done: int, total: int) -> None:
        if done >= 5:
            raise KeyboardInterrupt

    given = {"paths": 6, "seed": 1, "out": out}
    with pytest.raises(KeyboardInterrupt):
        verbs.run(place / "book", ["baseline", "crash-40"], block_paths=2, progress=die, **given)
    blocks = sorted(p.relative_to(out / "blocks").as_posix() for p in (out / "blocks").rglob("*.npz"))
    assert len(blocks) >= 3
    assert not (out / "record.json").exists()
    with pytest.raises(InputError, match="holds no finished run"):
        verbs.rate(out)

    told: list[int] = []
    verbs.run(place / "book", ["baseline", "crash-40"], block_paths=block_paths, progress=lambda done, _: told.append(done), **given)
    assert told[0] == (2 * len(blocks) if block_paths == 2 else 0)
    assert told[-1] == 12
    assert files(out) == files(place / "run")


# --- the library --------------------------------------------------------------------------------


def test_a_book_read_from_a_folder_brings_its_own_market(small, tmp_path):
    made = stresslab.run(read_book(small / "book"), [small / "calm.toml"], paths=1, seed=1, out=tmp_path / "a")
    assert made.record["market"]["title"] == "Made up"
    other = stresslab.run(demo_book(20), [small / "calm.toml"], paths=1, seed=1, out=tmp_path / "b")
    assert other.record["market"]["title"].startswith("S&P 500")


def test_scenarios_stay_in_the_order_given(small, tmp_path):
    one = stresslab.read_scenario("baseline")
    made = stresslab.run(small / "book", [small / "doom.toml", one, "rates-up-200bp"], paths=1, seed=1, out=tmp_path / "r")
    assert [s["id"] for s in made.record["scenarios"]] == ["fall", "baseline", "rates-up-200bp"]
    assert made.outcomes["scenario"].drop_duplicates().tolist() == ["fall", "baseline", "rates-up-200bp"]


def test_the_library_refuses_what_the_command_line_refuses(small, tmp_path):
    with pytest.raises(InputError) as refused:
        stresslab.run(small / "book", [], paths=2.5, seed=True, out=tmp_path / "r", workers=-1)  # type: ignore[arg-type]
    assert [f.column for f in refused.value.faults] == ["paths", "seed", "workers", "scenario"]
    assert not (tmp_path / "r").exists()


def test_demo_replaces_a_demo_and_nothing_else(said, monkeypatch, tmp_path):
    monkeypatch.setattr(verbs, "demo_book", lambda: demo_book(20))
    monkeypatch.setattr(verbs, "DEMO_SCENARIOS", ("baseline",))
    for paths in (1, 2):
        code, _, err = said("demo", "--out", tmp_path / "demo", "--paths", paths, "--quiet")
        assert (code, err) == (0, "")
        assert stresslab.Run(tmp_path / "demo").record["paths"] == paths
    assert said("demo", "--out", tmp_path / "demo", "--paths", 0)[0] == 2
    assert stresslab.Run(tmp_path / "demo").record["paths"] == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    code, _, err = said("demo", "--out", tmp_path / "mine", "--quiet")
    assert (code, err.splitlines()[0]) == (2, f"{tmp_path / 'mine'}: this folder is not empty and holds no run; give another --out")
    assert (tmp_path / "mine" / "notes.txt").exists()


def test_options_come_from_a_file(said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    verbs.init(tmp_path / "book", accounts=60)
    (tmp_path / "options.toml").write_text(
        '[run]\nbook = "book"\nscenario = ["baseline", "crash-20"]\npaths = 2\nout = "run"\nquiet = true\nblock-paths = 1\n',
        encoding="utf-8",
    )
    code, _, err = said("--options", "options.toml", "run", "--paths", "3")
    assert (code, err) == (0, "")
    record = stresslab.Run(tmp_path / "run").record
    assert [s["id"] for s in record["scenarios"]] == ["baseline", "crash-20"]
    assert record["paths"] == 3  # the command line has the last word


def test_unknown_options_in_a_file_are_named(said, tmp_path):
    (tmp_path / "options.toml").write_text('[run]\npath = 2\nseed = true\nquiet = "no"\n[runn]\n', encoding="utf-8")
    code, _, err = said("--options", tmp_path / "options.toml", "run")
    assert code == 2
    assert err.splitlines() == [
        "options.toml, run.path: unknown option; did you mean 'paths'?",
        "options.toml, run.seed = 'true': must not be true or false; correct the value",
        "options.toml, run.quiet = 'no': must be true or false; correct the value",
        "options.toml, runn: is no verb with a table of options; did you mean 'run'?",
        "4 faults; nothing was written",
    ]


def test_several_scenarios_after_one_option(said, tmp_path):
    verbs.init(tmp_path / "book", accounts=60)
    scenarios = ("--scenario", "baseline", "crash-20", "crash-40")
    words = ("run", "--book", tmp_path / "book", *scenarios, "--paths", "1", "--out", tmp_path / "run")
    code, _, _ = said(*words)
    assert code == 0
    assert len(stresslab.Run(tmp_path / "run").record["scenarios"]) == 3
