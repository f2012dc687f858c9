"""What a stranger's words and files must not do: become formulas, run, read elsewhere, open ports beyond this machine."""

from __future__ import annotations

import ast
import csv
import io
import os
import pickle
import re
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stresslab import record, verbs
from stresslab.book import Book, demo_book, read_book, write_book
from stresslab.faults import InputError
from stresslab.market import shipped_market, write_market
from stresslab.market.history import read_history, write_history
from stresslab.market.laws import History
from stresslab.report import ledger
from stresslab.spreadsheets import FORMULA, csv_of, harmless, like_a_formula, plain
from stresslab.submission import submit

PACKAGE = Path(__file__).parent.parent / "stresslab"
FILES = sorted(PACKAGE.rglob("*.py"))
SCRIPT = "<script>alert(1)</script>"
#: Names that a spreadsheet would compute, and a page would run.
EVIL = ("=cmd|'/c x'!A1", f'=HYPERLINK("x"){SCRIPT}', "+1+cmd", "-2+3", "@SUM(A1)", "|x", "%x", "'=x", "''=x")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def dotted(node: ast.expr) -> str:
    """The name of what is called, as far as it is one; of a call on the result of a call, the last word."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@cache
def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Every call of a file, by the dotted name of what is called."""
    return [(dotted(n.func), n) for n in ast.walk(tree(path)) if isinstance(n, ast.Call)]


# --- formulas ---------------------------------------------------------------------------------------


@given(st.text(max_size=5) | st.sampled_from(EVIL) | st.text("'=+-@\t", max_size=6))
def test_no_text_is_a_formula_and_all_come_back(text: str) -> None:
    assert not like_a_formula(harmless(text))
    assert plain(harmless(text)) == text


def test_what_spreadsheets_compute_is_known() -> None:
    assert {"=", "+", "-", "@", "\t", "\r"} <= set(FORMULA)


#: Who writes tables of cells: each of them is made to, below.
WRITERS = {
    "book/files.py": "to_csv",
    "spreadsheets.py": "csv",
    "market/history.py": "csv.writer",
    "submission/package.py": "csv.writer",
    "report/workbook.py": "Workbook",
    "submission/workbook.py": "Workbook",
}
#: The head of a scenario that Dask itself hands to a worker, whose digest was looked at; the file of arrays beside it is bytes alone.
HANDED_OVER = {"held.py": ("pickle.loads", "pickle.PickleBuffer")}
#: Where `to_csv` makes text that is only digested.
DIGESTS = {"book/files.py", "history/panel.py", "early_warning/shipped.py"}


def test_every_writer_of_cells_is_known() -> None:
    found = set()
    for path in FILES:
        place = path.relative_to(PACKAGE).as_posix()
        names = {
            name.rsplit(".", 1)[-1]
            for name, _ in calls(path)
            if re.search(r"(to_csv|to_excel|csv\.(Dict)?[wW]riter|Workbook)$", name)
        }
        if names and not (place in DIGESTS and names == {"to_csv"}):
            found.add(place)
    assert found | {"book/files.py"} == set(WRITERS)


def test_cells_of_workbooks_are_harmless_or_our_own_words() -> None:
    ours = re.compile(
        r"harmless\(|^f'\{(self|member|table|concept)\.|^(name|block|said)$|concept\.formula|made\.say|', '\.join\(table\.formulas\)"
    )
    for path in (PACKAGE / "report" / "workbook.py", PACKAGE / "submission" / "workbook.py"):
        for name, call in calls(path):
            if name.endswith("write_string"):
                said = ast.unparse(call.args[2])
                assert ours.search(said) or isinstance(call.args[2], ast.Constant), f"{path.name}: {said}"


def evil_book() -> Book:
    """A small book in which everybody and everything has a name that a spreadsheet would compute."""
    book = demo_book(30, 3)
    tables = {name: frame.copy() for name, frame in book.tables.items()}
    for frame in tables.values():
        if "name" in frame:
            known = {value: f"{EVIL[n % 5]} {n}" for n, value in enumerate(sorted(set(frame["name"].dropna())))}
            frame["name"] = frame["name"].map(known)
    rename = {
        key: {v: f"={v}" for name in tables if key in tables[name] for v in tables[name][key].dropna()}
        for key in ("platform_id", "account_id", "instrument_id", "client_id", "contract_id", "funder_id")
    }
    for frame in tables.values():
        for key, names in rename.items():
            if key in frame:
                frame[key] = frame[key].map(lambda v, names=names: names.get(v, v))
    return replace(book, title=f"={SCRIPT}", tables=tables)


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that is written of an evil book: the book itself, a run, reports, a submission, the ledger of a path."""
    folder = tmp_path_factory.mktemp("evil")
    write_book(evil_book(), folder / "book")
    write_market(shipped_market(), folder / "book" / "market.toml")
    run = verbs.run(folder / "book", ["mild", "moderate", "severe"], paths=3, seed=1, out=folder / "run")
    verbs.write_report(run.folder, language="en", kind="xlsx", out=folder / "report-en.xlsx")
    verbs.write_report(run.folder, language="zh", out=folder / "report-zh.html")
    submit(run.folder, out=folder / "submission.xbr")
    made = verbs.replay(run, path=1, scenario="severe")
    (folder / "path.csv").write_text(ledger.csv_text(ledger.view(made, every=True), "en"), encoding="utf-8")
    days = (
        [f"2026-01-{d:02d}" for d in range(1, 29)]
        + [f"2026-02-{d:02d}" for d in range(1, 29)]
        + [f"2026-03-{d:02d}" for d in range(1, 29)]
    )
    returns = tuple(0.001 * (i % 7 - 3) for i in range(len(days)))
    write_history(History(dates=tuple(days), market=returns, sectors={"=x": returns}), folder / "returns.csv")
    assert set(read_history(folder / "returns.csv", ["=x"]).sectors) == {"=x"}
    named = pd.DataFrame({"=name": list(EVIL), "value": range(len(EVIL)), "day": pd.Categorical(list(EVIL))})
    (folder / "table.csv").write_text(csv_of(named), encoding="utf-8")
    return folder


def cells(path: Path) -> list[Any]:
    """Every cell of a file as a spreadsheet sees it: numbers as numbers."""
    if path.suffix == ".xlsx":
        with warnings.catch_warnings(action="ignore"):  # it cannot parse a header without a font
            book = openpyxl.load_workbook(path)
        return [c for sheet in book for row in sheet.iter_rows() for c in row if c.value is not None]
    return [cell for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")) for cell in row]


NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?%?")


def test_no_cell_that_we_write_is_a_formula(evil: Path) -> None:
    found = [p for p in sorted(evil.rglob("*")) if p.suffix in (".csv", ".xlsx")]
    assert {p.name for p in found} >= {
        "accounts.csv",
        "platforms.csv",
        "path.csv",
        "returns.csv",
        "table.csv",
        "report-en.xlsx",
        "submission.xlsx",
    }
    for path in found:
        escaped = 0
        for cell in cells(path):
            text = cell if path.suffix == ".csv" else cell.value
            assert path.suffix == ".csv" or cell.data_type != "f", f"{path.name}: {text}"
            if isinstance(text, str):
                assert NUMBER.fullmatch(text) or not text.startswith(FORMULA) or text == "-", f"{path.name}: {text!r}"
                escaped += text.startswith("'=")
        assert escaped or path.name in ("funding.csv", "instruments.csv") or path.parent.name == "book", path.name


def test_an_evil_book_comes_back_as_it_was(evil: Path) -> None:
    assert read_book(evil / "book").digest == evil_book().digest


def test_pages_run_no_words_of_a_book(evil: Path) -> None:
    from stresslab.report.pool import pool_page

    found = {p.name: p.read_text(encoding="utf-8") for p in evil.rglob("*.html")}
    found["pool.html"] = pool_page(verbs.look_through(evil / "book").facts(), version="0", synthetic=True)
    assert set(found) == {"report.html", "report-zh.html", "submission.html", "pool.html"}
    for name, page in found.items():
        assert SCRIPT not in page, name
        assert "&lt;script&gt;" in page, name


# --- nothing is run or unpickled --------------------------------------------------------------------

#: Calls that would run what a file holds.
RUNNING = re.compile(
    r"(^|\.)(c?[pP]ickle|dill|cloudpickle|marshal|shelve|joblib)\b|(^|\.)(eval|exec|execfile|__import__|read_pickle|to_pickle|unsafe_load)$|"
    r"^compile$|yaml\.load|os\.(system|popen)|^(numpy|np)\.loadtxt"
)


def test_nothing_in_the_package_unpickles_or_runs_what_it_reads() -> None:
    loads = []
    for path in FILES:
        place = path.relative_to(PACKAGE).as_posix()
        for name, call in calls(path):
            assert not RUNNING.search(name) or name in HANDED_OVER.get(place, ()), f"{place}: {name}"
            said = {k.arg: ast.unparse(k.value) for k in call.keywords}
            assert said.get("shell") != "True", f"{place}: a shell"
            assert said.get("allow_pickle", "False") == "False", place
            if name in ("np.load", "numpy.load"):
                loads.append(place)
                assert said["allow_pickle"] == "False"
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
                assert not {n.split(".")[0] for n in names} & {
                    "pickle",
                    "dill",
                    "cloudpickle",
                    "marshal",
                    "shelve",
                    "joblib",
                    "yaml",
                } or place in HANDED_OVER, place
    assert loads == ["record.py"]


class Bomb:
    """An object whose unpickling makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def test_a_pickle_under_any_name_does_not_run(evil: Path, tmp_path: Path) -> None:
    mark = tmp_path / "it_ran"
    bomb = pickle.dumps(Bomb(mark))
    book = tmp_path / "book"
    book.mkdir()
    for path in (evil / "book").iterdir():
        (book / path.name).write_bytes(path.read_bytes())
    # As a table: the bytes themselves, a column of them, and a type of which old readers unpickled the description.
    field = pa.field(
        "account_id",
        pa.string(),
        metadata={b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": bomb},
    )
    tables = (
        pa.table({"account_id": [bomb]}),
        pa.table([pa.array(["A1"])], schema=pa.schema([field], metadata={b"pandas": bomb, b"ARROW:schema": bomb})),
    )
    (book / "accounts.csv").unlink()
    for held in (bomb, *tables):
        if isinstance(held, bytes):
            (book / "accounts.parquet").write_bytes(held)
        else:
            pq.write_table(held, book / "accounts.parquet")
        with pytest.raises(InputError):
            read_book(book)
        assert not mark.exists()
    # As a finished block: an array of objects, and the pickle itself.
    run = record.RunFolder(tmp_path / "run")
    place = tmp_path / "run" / "blocks" / "s" / "0-1.npz"
    place.parent.mkdir(parents=True)
    np.savez(place, a=np.array([Bomb(mark)], dtype=object))
    assert run.load_block("s", 0, 1) is None
    place.write_bytes(bomb)
    assert run.load_block("s", 0, 1) is None
    # As a record and as grades.
    for name in ("record.json", "rating.json"):
        (tmp_path / "run" / name).write_bytes(bomb)
    for read in (run.read_record, lambda: record.grades_of(run.path)):
        with pytest.raises(InputError):
            read()
    assert not mark.exists()
    pickle.loads(bomb)  # the bomb is a live one
    assert mark.exists()


# --- ports ------------------------------------------------------------------------------------------


def listening() -> set[str]:
    """The local addresses, in the hexadecimal of the kernel, on which this process and its children listen."""
    mine = {os.getpid()}
    parents = {
        int(p.name): int((p / "stat").read_text().rpartition(")")[2].split()[1])
        for p in Path("/proc").iterdir()
        if p.name.isdigit()
    }
    for _ in range(4):
        mine |= {child for child, parent in parents.items() if parent in mine}
    sockets = set()
    for process in mine:
        for handle in Path(f"/proc/{process}/fd").iterdir():
            try:
                sockets.add(str(handle.readlink()))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                found.add(words[1].partition(":")[0])
    return found


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="needs Linux")
def test_local_workers_listen_on_this_machine_alone() -> None:
    from stresslab.farm import _cluster

    with _cluster(1, None) as client:
        client.wait_for_workers(1, timeout=60)
        found = listening()
    # With ``dashboard_address=None`` a page of the scheduler was open to every address.
    assert found == {"0100007F"}  # 127.0.0.1


def test_only_one_place_starts_a_scheduler_and_says_where_it_listens() -> None:
    found = [
        (path, call)
        for path in FILES
        for name, call in calls(path)
        if name.rsplit(".", 1)[-1] in ("LocalCluster", "Scheduler", "Worker", "Nanny")
    ]
    ((path, call),) = found
    said = {k.arg: ast.unparse(k.value) for k in call.keywords}
    assert path.name == "farm.py"
    assert said["host"] == "'127.0.0.1'"
    assert said["dashboard_address"] == said["worker_dashboard_address"] == "'127.0.0.1:0'"
