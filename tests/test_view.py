"""SQL over runs answers what is asked, reads nothing else and writes nothing; the list of runs tells each for what it is."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import stresslab as sl
from stresslab import glossary, listing, querying, record, verbs
from stresslab.faults import InputError
from stresslab.report import answer as shown

ROOT = Path(__file__).parent.parent
PATHS = 12


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a book, and two runs of it."""
    folder = tmp_path_factory.mktemp("view")
    verbs.init(folder / "book", accounts=60)
    verbs.run(folder / "book", ["baseline", "crash-40"], paths=PATHS, seed=1, out=folder / "my-run")
    # What a record says is enough to tell it from the first one.
    shutil.copytree(folder / "my-run", folder / "other")
    told = json.loads((folder / "other" / "record.json").read_text(encoding="utf-8"))
    record.write_json(folder / "other" / "record.json", told | {"seed": 2})
    return folder


# --- what is asked ------------------------------------------------------------------------------


def test_every_table_is_a_view_with_its_rows_and_the_name_of_its_run(place: Path) -> None:
    files = {p.stem for p in (place / "my-run").glob("*.parquet")}
    assert len(files) == 9
    for name in files:
        got = sl.sql([place / "my-run", place / "other"], f"select * from {name}")
        assert list(got.columns) == ["run", *glossary.schema(name).names]
        for run in ("my-run", "other"):
            held = pq.read_table(place / run / f"{name}.parquet")
            assert (got["run"] == run).sum() == held.num_rows
    assert set(sl.sql(place / "my-run", "show tables")["name"]) >= files | {"runs"}


def test_values_are_those_of_the_tables(place: Path) -> None:
    got = sl.sql(place / "my-run", "select * exclude run from outcomes order by scenario, path, platform_id")
    held = pd.read_parquet(place / "my-run" / "outcomes.parquet").sort_values(["scenario", "path", "platform_id"], ignore_index=True)
    for name in held:
        assert got[name].tolist() == held[name].astype(got[name].dtype).tolist() or got[name].isna().any()
        assert got[name].isna().tolist() == held[name].isna().tolist()
        assert got[name].dropna().tolist() == held[name].dropna().tolist()
    assert str(got["failure_day"].dtype) == "Int64"


def test_sums_are_exact_whole_numbers(place: Path) -> None:
    got = sl.sql(place / "my-run", "select sum(sold_li) s, sum(sold_li) * 1000000000000::hugeint huge from outcomes")
    exact = sum(pq.read_table(place / "my-run" / "outcomes.parquet")["sold_li"].to_pylist())
    assert got["s"].tolist() == [exact]
    assert int(got["huge"][0]) == exact * 10**12 > 2**64


def test_the_view_of_runs(place: Path) -> None:
    got = sl.sql([place / "my-run", place / "other"], "select run, seed, paths, sampling, stresslab from runs order by run")
    version = record.versions()["stresslab"]
    assert got.to_numpy().tolist() == [["my-run", 1, PATHS, "plain", version], ["other", 2, PATHS, "plain", version]]


def test_runs_of_one_name_are_told_apart(place: Path, tmp_path: Path) -> None:
    copies = [Path(shutil.copytree(place / "my-run", tmp_path / quarter / "run")) for quarter in ("q1", "q'2")]
    assert sorted(sl.sql(copies, "select distinct run from outcomes")["run"]) == ["q'2/run", "q1/run"]
    with pytest.raises(InputError, match="twice"):
        sl.sql([copies[0], copies[0]], "select 1")


@pytest.mark.parametrize("query", re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "sql.md").read_text(encoding="utf-8"), re.DOTALL))
def test_the_examples_of_the_page_work(place: Path, query: str) -> None:
    got = sl.sql([place / "my-run", place / "other"], query)
    assert len(got)
    if "from_paths" in query:
        assert (got["value"] - got["from_paths"]).abs().max() < 1e-12


def test_the_one_liners_of_the_page_work(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    page = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    queries = re.findall(r'^    duckdb -c "(.*)"$', page, re.MULTILINE)
    monkeypatch.chdir(place)
    answers = [duckdb.sql(query).fetchall() for query in queries]
    assert [len(rows) for rows in answers] == [6, 2]


def test_the_commands_of_the_page_work(place: Path, monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
    page = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    monkeypatch.chdir(place)
    commands = re.findall(r'^    stresslab sql (\S+) "(.*)"$', page, re.MULTILINE)
    assert commands
    for run, query in commands:
        assert said("sql", run, query)[0] == 0


def test_every_table_of_a_run_is_in_the_glossary_and_on_the_page(place: Path) -> None:
    """A table that a run writes and the glossary does not know, or knows with other columns, fails here."""
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    told = {name: set(re.findall(r"^\| `(\w+)` \|", part.split("\n## ")[0], re.MULTILINE))
            for name, part in re.findall(r"^### (\w+)\.parquet\n(.*?)(?=^### |\Z)", page, re.MULTILINE | re.DOTALL)}
    for file in (place / "my-run").glob("*.parquet"):
        assert told.get(file.stem) == set(pq.read_schema(file).names), file.name
    assert set(told) == set(glossary.OUTPUTS)
    written = set(re.findall(r'f?"(\w+)\.parquet"', (ROOT / "stresslab" / "verbs.py").read_text(encoding="utf-8")))
    assert written <= set(told)
    assert {"tail", "tail_paths"} <= written


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("select nope from outcomes", '"nope" not found'), ("selec", "syntax error"), ("", "it is empty"), ("/* nothing */", "it is empty"),
        ("select 1; select 2", "several statements"), ("select * from outcome", "did you mean 'outcomes'"),
        ("select * from tail", "stresslab run --tail"), ("select 1 a, 2 a", "two columns of the answer are called a"),
        ("select cast('x' as int)", "Could not convert"), ("select * from 'outcomes.parquet'", "and nothing else"),
        ("select * from read_csv('/etc/passwd')", "and nothing else"), ("select * from read_text('record.json')", "and nothing else"),
        ("select * from glob('*')", "and nothing else"), ("copy outcomes to 'x.csv'", "COPY is no question"),
        ("create table z as select 1", "CREATE is no question"), ("drop view outcomes", "DROP is no question"),
        ("insert into outcomes select * from outcomes", "INSERT is no question"), ("attach 'x.db'", "ATTACH is no question"),
        ("install httpfs", "LOAD is no question"), ("load httpfs", "LOAD is no question"), ("set threads = 1", "SET is no question"),
        ("set enable_external_access = true", "SET is no question"), ("export database 'x'", "EXPORT is no question"),
        ("pragma enable_profiling", "PRAGMA is no question"), ("call pragma_version()", "CALL is no question"),
        ("select * from here", "there is no table here"), ("select getenv('HOME')", "getenv does not exist"),
        ("select * from query('copy outcomes to ''x.csv''')", "SELECT"),
    ],
)
def test_a_query_that_is_none_gets_one_message(place: Path, monkeypatch: Any, said: Any, query: str, says: str) -> None:
    # A variable of the program is no table.
    monkeypatch.setattr(querying, "here", pd.DataFrame({"secret": [1]}), raising=False)
    monkeypatch.chdir(place / "my-run")
    before = {p.name: p.read_bytes() for p in Path().iterdir()}
    code, out, err = said("sql", place / "my-run", query)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 2
    assert "Traceback" not in err
    assert {p.name: p.read_bytes() for p in Path().iterdir()} == before


def test_nothing_gets_out_even_past_our_own_look_at_the_statement(place: Path, monkeypatch: Any) -> None:
    """DuckDB itself is shut, whatever kind of statement gets through."""
    monkeypatch.setattr(querying, "_only_asks", lambda connection, query: None)
    monkeypatch.chdir(place)
    before = sorted(p.name for p in place.iterdir())
    for query in ("copy outcomes to 'x.csv'", "attach 'x.db'", "install httpfs", "set enable_external_access = true",
                  "export database 'x'"):
        with pytest.raises(InputError):
            querying.answer([place / "my-run"], query)
    assert sorted(p.name for p in place.iterdir()) == before


def test_folders_that_hold_no_run_are_all_named(place: Path, tmp_path: Path, said: Any) -> None:
    code, _, err = said("sql", tmp_path, place / "book", place / "my-run", "select 1")
    assert code == 2
    assert err.count("holds no finished run") == 2
    broken = Path(shutil.copytree(place / "my-run", tmp_path / "broken"))
    (broken / "days.parquet").write_bytes(b"nothing")
    assert "days.parquet: this table of the run cannot be read" in said("sql", broken, "select 1")[2]
    assert said("sql", place / "my-run")[0] == 2


# --- how it is written --------------------------------------------------------------------------

HOSTILE = pa.table({
    "=cmd": ["=1+1", "+1", "-1", "@a", "\tx", "\rx", "plain", None, "a,\n\"b\""], "n": [-5, 2**62, 0, None, 1, 2, 3, 4, 5],
    "x": [0.1, -1e300, float("nan"), float("inf"), None, 1.0, 2.0, 3.0, 4.0],
    "flag": [True, False, None, True, True, True, True, True, True],
})


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers() -> None:
    head, *rows = csv.reader(io.StringIO(shown.csv_text(HOSTILE), newline=""))
    assert head == ["'=cmd", "n", "x", "flag"]
    assert [row[0] for row in rows] == ["'=1+1", "'+1", "'-1", "'@a", "'\tx", "'\rx", "plain", "", "a,\n\"b\""]
    assert [row[1] for row in rows][:4] == ["-5", str(2**62), "0", ""]
    assert [row[2] for row in rows][:5] == ["0.1", "-1e+300", "", "", ""]
    assert rows[0][3] == "true"


def test_json_is_json() -> None:
    rows = json.loads(shown.json_text(HOSTILE), parse_constant=lambda name: pytest.fail(name))
    assert rows[1] == {"=cmd": "+1", "n": 2**62, "x": -1e300, "flag": False}
    assert rows[2]["x"] is None


def test_a_terminal_obeys_nothing_in_a_cell() -> None:
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    shown.print_answer(pa.table({"a": ["\x1b[31mred\x07", "[bold]x[/bold]"]}), console, "en", 0)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\\x1b[31mred\\x07" in printed
    assert "[bold]x[/bold]" in printed
    assert "\x1b" not in printed


def test_formats_of_the_command_line(place: Path, tmp_path: Path, said: Any) -> None:
    query = "select scenario, platform_id, sum(sold_li) sold from outcomes group by all order by all"
    exact = pd.read_parquet(place / "my-run" / "outcomes.parquet").groupby(["scenario", "platform_id"])["sold_li"].sum().tolist()
    code, out, err = said("sql", place / "my-run", query, "--json")
    assert (code, err) == (0, "")
    assert [row["sold"] for row in json.loads(out)] == exact
    _, out, _ = said("sql", place / "my-run", query, "--format", "csv")
    assert [int(row["sold"]) for row in csv.DictReader(io.StringIO(out))] == exact
    for kind in ("csv", "json", "parquet"):
        file = tmp_path / f"answer.{kind}"
        code, out, _ = said("sql", place / "my-run", query, "--format", kind, "--out", file)
        assert (code, out) == (0, f"{file}: 6 rows\n")
    assert pq.read_table(tmp_path / "answer.parquet")["sold"].to_pylist() == exact
    assert (tmp_path / "answer.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    _, out, _ = said("sql", place / "my-run", query, "--rows", "2", "--lang", "zh")
    assert "显示6行中的2行" in out
    assert str(exact[1]) in out
    assert str(exact[-1]) not in out
    for wrong in (["--format", "parquet"], ["--out", tmp_path / "x"], ["--format", "csv", "--out", tmp_path]):
        assert said("sql", place / "my-run", query, *wrong)[0] == 2


# --- the list of runs ---------------------------------------------------------------------------


def test_the_list_tells_finished_killed_and_broken(place: Path, tmp_path: Path, monkeypatch: Any, said: Any) -> None:
    shutil.copytree(place / "my-run", tmp_path / "deep" / "done")
    shutil.copytree(place / "my-run", tmp_path / "deep" / "done" / "inside")  # what lies in a run is its own affair
    kept = engine_blocks(tmp_path / "killed", place / "book", monkeypatch)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "plan.json").write_text("{", encoding="utf-8")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "record.json").write_text('{"name": "another program"}', encoding="utf-8")
    rows = {Path(row["folder"]).name: row for row in listing.runs(tmp_path, tmp_path / "deep")}
    assert set(rows) == {"done", "killed", "broken", "foreign"}
    assert {name: row["state"] for name, row in rows.items()} == {
        "done": "finished", "killed": "resumable", "broken": "unreadable", "foreign": "unreadable"}
    held = json.loads((place / "my-run" / "record.json").read_text(encoding="utf-8"))
    done = rows["done"]
    assert (done["when"], done["book"], done["as_of"]) == (held["machine"]["finished"], held["book"]["title"], "2026-06-30")
    assert (done["scenarios"], done["paths"], done["paths_done"], done["seed"]) == (["baseline", "crash-40"], PATHS, 2 * PATHS, 1)
    rating = json.loads((place / "my-run" / "rating.json").read_text(encoding="utf-8"))
    assert done["grades"] == {p["platform_id"]: p["overall"]["grade"] for p in rating["platforms"]}
    assert done["versions"]["stresslab"] == held["stresslab"]
    assert (rows["killed"]["paths_done"], rows["killed"]["grades"]) == (kept, None)
    code, out, _ = said("runs", tmp_path)
    assert code == 0
    assert "resumable, 50%" in out
    assert "可续跑，50%" in said("runs", tmp_path, "--lang", "zh")[1]
    assert [row["state"] for row in json.loads(said("runs", tmp_path, "--json")[1])].count("finished") == 1


def engine_blocks(out: Path, book: Path, monkeypatch: Any) -> int:
    """A run that was stopped after half of its blocks; how many paths it kept."""
    keep = record.RunFolder.save_block
    kept = 0

    def some(self: Any, scenario: str, start: int, stop: int, arrays: Any) -> None:
        nonlocal kept
        if kept == PATHS:
            raise KeyboardInterrupt
        keep(self, scenario, start, stop, arrays)
        kept += stop - start

    monkeypatch.setattr(record.RunFolder, "save_block", some)
    with pytest.raises(KeyboardInterrupt):
        verbs.run(book, ["baseline", "crash-40"], paths=PATHS, seed=1, out=out, block_paths=3)
    monkeypatch.setattr(record.RunFolder, "save_block", keep)
    return kept


def test_a_run_at_work_is_said(place: Path, tmp_path: Path, monkeypatch: Any) -> None:
    engine_blocks(tmp_path / "killed", place / "book", monkeypatch)
    (row,) = listing.runs(tmp_path)
    assert row["state"] == "resumable"
    with record.RunFolder(tmp_path / "killed")._locked():
        (row,) = listing.runs(tmp_path)
    assert row["state"] == "working"


def test_the_list_of_nothing_and_of_no_folder(tmp_path: Path, said: Any) -> None:
    assert said("runs", tmp_path)[:2] == (0, "no run lies here\n")
    assert listing.runs(tmp_path) == []
    code, _, err = said("runs", tmp_path / "nowhere")
    assert code == 2
    assert "is no folder" in err


@pytest.mark.parametrize("verb", ["runs", "sql", "verify"])
def test_help_shows_an_example(verb: str, said: Any) -> None:
    code, out, err = said(verb, "--help")
    assert (code, err) == (0, "")
    assert re.search(rf"Example: stresslab {verb}\b", out)
