"""A run that was changed, in whatever way, is found; one that was not agrees, however it was sampled, cut or spread."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stresslab import engine, kernels, record, verbs, verifying
from stresslab.faults import InputError

#: Two blocks for each scenario, the second a short one.
PATHS = 30


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    verbs.init(folder / "book", accounts=30)
    verbs.run(folder / "book", ["baseline", "crash-40"], paths=PATHS, seed=1, out=folder / "run", block_paths=7)
    return folder


@pytest.fixture
def run(place: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be spoilt."""
    return Path(shutil.copytree(place / "run", tmp_path / "run"))


def spoil(run: Path, table: str, column: str, row: int, change: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Change one cell, and the digests with it, as somebody would who knows how; what stood there, what stands there."""
    file = run / f"{table}.parquet"
    held = pq.read_table(file)
    values = held[column].to_pylist()
    before = values[row]
    values[row] = change(before)
    at = held.column_names.index(column)
    record.write_table(file, held.set_column(at, held.schema.field(at), pa.array(values, held.schema.field(at).type)))
    sign(run, file.name)
    return before, values[row]


def sign(run: Path, name: str) -> None:
    """Put the digest of a file as it is now into the record."""
    told = json.loads((run / record.RECORD).read_text(encoding="utf-8"))
    told["outputs"][name] = record.file_digest(run / name)
    record.write_json(run / record.RECORD, told)


def test_an_honest_run_agrees_and_is_left_alone(run: Path) -> None:
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    found = verifying.verify(run, blocks=2, seed=4)
    assert found.agrees
    assert (found.blocks, found.blocks_of, found.paths_of, found.judged, found.tail) == (2, 4, 2 * PATHS, True, None)
    assert found.versions == ()
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before


def test_every_block_proves_the_sums_too(run: Path, said: Any) -> None:
    code, out, _ = said("verify", run, "--all", "--json", "--quiet")
    assert code == 0
    told = json.loads(out)
    assert (told["agrees"], told["blocks"], told["paths"], told["unseen_share"]) == (True, 4, 2 * PATHS, 1 / 4)


@pytest.mark.parametrize(("sampling", "paths", "parts"), [("antithetic", 4, 3), ("sobol", 16, 0)])
def test_other_sampling_and_parts(place: Path, tmp_path: Path, sampling: str, paths: int, parts: int) -> None:
    short = tmp_path / "short.toml"  # days cost most where a book is cut by accounts
    text = (Path(__file__).parent.parent / "scenarios" / "baseline.toml").read_text(encoding="utf-8")
    short.write_text(re.sub(r"^days = \d+$", "days = 6", text, flags=re.MULTILINE), encoding="utf-8")
    verbs.run(place / "book", [short], paths=paths, seed=2, out=tmp_path / "run", sampling=sampling, parts=2 if parts else 0)
    moved = Path(shutil.copytree(place / "book", tmp_path / "moved"))
    found = verifying.verify(tmp_path / "run", every=True, parts=parts, book=moved)
    assert found.agrees
    assert found.paths == paths


def test_one_byte_of_a_table(run: Path) -> None:
    file = run / "outcomes.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(bytes(data))
    kinds = [(d.file, d.kind) for d in verifying.verify(run, every=True).differences]
    assert kinds[0] == ("outcomes.parquet", "digest")
    assert ("outcomes.parquet", "unreadable") in kinds  # the page's checksum says so
    sign(run, file.name)
    assert verifying.verify(run, every=True).differences[0].kind == "unreadable"


@pytest.mark.parametrize("table", ["outcomes", "days", "sectors"])
def test_one_cell_with_its_digest_is_named(run: Path, table: str) -> None:
    held = pq.read_table(run / f"{table}.parquet")
    rows = held.num_rows
    before, after = spoil(run, table, "sold_li", rows - 2, lambda value: value + 1)
    found = verifying.verify(run, every=True)
    first = found.differences[0]
    key = {name: held[name][rows - 2].as_py() for name in first.row}
    assert (first.file, first.kind, first.scenario, first.path) == (f"{table}.parquet", "cell", "crash-40", PATHS - 1)
    assert (first.column, first.run, first.now, first.row) == ("sold_li", after, before, key)
    assert len(key) == (2 if table == "days" else 1)


def test_a_null_is_not_a_zero(run: Path) -> None:
    column = pq.read_table(run / "outcomes.parquet")["failure_day"].to_pylist()
    spoil(run, "outcomes", "failure_day", column.index(None), lambda _: 0)
    first = verifying.verify(run, every=True).differences[0]
    assert (first.column, first.run, first.now) == ("failure_day", 0, None)


@pytest.mark.parametrize(
    ("table", "column"),
    [("accounts", "called"), ("accounts", "sold_sum_li"), ("instruments", "quoted_sum_li"), ("instruments", "sold_sum_li")],
)
def test_sums_are_proven_by_all_blocks(run: Path, table: str, column: str) -> None:
    rows = pq.read_table(run / f"{table}.parquet").num_rows
    before, after = spoil(run, table, column, rows - 1, lambda value: value + 1)
    first = verifying.verify(run, every=True).differences[0]
    assert (first.file, first.kind, first.column, first.run, first.now) == (f"{table}.parquet", "cell", column, after, before)


@pytest.mark.parametrize(
    ("table", "column", "change", "kind"),
    [
        ("accounts", "forced", lambda value: value + 1, "total"), ("accounts", "sold_sum_li", lambda value: value + 1, "total"),
        ("instruments", "sold_sum_li", lambda value: value + 1, "total"), ("instruments", "quoted_sum_li", lambda value: 0, "sum"),
        ("accounts", "forced", lambda value: value + PATHS, "sum"), ("accounts", "paths", lambda value: value - 1, "cell"),
    ],
)
def test_sums_that_cannot_be_are_found_by_one_block(run: Path, table: str, column: str, change: Any, kind: str) -> None:
    """Of the scenario whose block was run again, or of all, where single paths say the same."""
    (task,) = verifying.sample([(s, a, b) for s in (0, 1) for a, b in ((0, 25), (25, 30))], ["baseline", "crash-40"], 1, 1)
    rows = pq.read_table(run / f"{table}.parquet").num_rows // 2
    spoil(run, table, column, task[0] * rows + rows - 1, change)
    first = verifying.verify(run, blocks=1, seed=1).differences[0]
    assert (first.file, first.kind, first.column) == (f"{table}.parquet", kind, column)


def test_judgement_that_does_not_follow(run: Path) -> None:
    """A figure, a share, a better grade and a retouched page, each with its digest."""
    for table, column in (("estimates", "value"), ("migration", "paths"), ("spillover", "paths")):
        spoil(run, table, column, 0, lambda value: value + 1)
    rating = json.loads((run / "rating.json").read_text(encoding="utf-8"))
    rating["platforms"][1]["overall"]["grade"] = "AAA"
    record.write_json(run / "rating.json", rating)
    (run / "report.html").write_text((run / "report.html").read_text(encoding="utf-8").replace("0", "1", 1), encoding="utf-8")
    sign(run, "rating.json")
    sign(run, "report.html")
    found = [(d.file, d.column) for d in verifying.verify(run, blocks=1).differences]
    assert found == [("estimates.parquet", "value"), ("migration.parquet", "paths"), ("spillover.parquet", "paths"),
                     ("rating.json", None), ("report.html", None)]


def test_rows_lost_and_a_table_gone(run: Path) -> None:
    held = pq.read_table(run / "days.parquet")
    record.write_table(run / "days.parquet", held.slice(1))
    sign(run, "days.parquet")
    (run / "sectors.parquet").unlink()
    found = {d.file: d for d in verifying.verify(run, blocks=1).differences}
    assert (found["days.parquet"].kind, found["days.parquet"].run) == ("shape", held.num_rows - 1)
    assert found["sectors.parquet"].kind == "gone"


def test_a_record_that_says_otherwise(run: Path) -> None:
    told = json.loads((run / record.RECORD).read_text(encoding="utf-8"))
    told["platforms"][0]["name"] = "another"
    record.write_json(run / record.RECORD, told)
    (only,) = verifying.verify(run, blocks=1).differences
    assert (only.file, only.kind, only.column) == ("record.json", "record", "platforms")
    told["seed"] = 2
    record.write_json(run / record.RECORD, told)
    first = verifying.verify(run, blocks=1).differences[0]
    assert (first.column, first.run, first.now) == ("seed", 2, 1)


def test_a_changed_kernel_is_said_and_what_it_changes_is_found(run: Path, monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
    monkeypatch.setattr(kernels, "sources_digest", lambda: "f" * 64)
    code, out, _ = said("verify", run, "--quiet", "--blocks", 1)
    assert code == 0
    assert "versions:  kernels was" in out
    assert "does not alter these paths" in out
    keep = engine.Runner.keep

    def changed(self: Any, block: engine.Block, row: int) -> None:
        keep(self, block, row)
        block.outcomes["sold_li"][row, 0] += 1

    monkeypatch.setattr(engine.Runner, "keep", changed)
    code, out, _ = said("verify", run, "--quiet", "--blocks", 1)
    assert code == 1
    assert "outcomes.parquet" in out
    assert "verify with the version that made it" in out


def test_inputs_that_changed_or_went_away(place: Path, run: Path, tmp_path: Path, said: Any) -> None:
    book = Path(shutil.copytree(place / "book", tmp_path / "book"))
    with (book / "accounts.csv").open(encoding="utf-8") as stream:
        text = stream.read()
    (book / "accounts.csv").write_text(text.replace("retail", "institution", 1), encoding="utf-8")
    code, _, err = said("verify", run, "--book", book, "--quiet")
    assert code == 2
    assert "this is not the book of the run" in err
    told = json.loads((run / record.RECORD).read_text(encoding="utf-8"))
    told["machine"]["book"] = str(tmp_path / "nowhere")
    record.write_json(run / record.RECORD, told)
    assert said("verify", run, "--quiet")[0] == 2
    # What the folder alone shows is told even so.
    (run / "days.parquet").write_bytes(b"")
    code, out, err = said("verify", run, "--quiet")
    assert code == 1
    assert "days.parquet" in out
    assert "nowhere" in err
    assert said("verify", tmp_path, "--quiet")[0] == 2
    assert said("verify", run, "--blocks", 0)[0] == 2


def test_a_record_that_is_none(run: Path) -> None:
    record.write_json(run / record.RECORD, {"outputs": {}})
    with pytest.raises(InputError, match="is not the record of a run"):
        verifying.verify(run)


def test_a_name_that_leaves_the_folder_is_not_followed(run: Path) -> None:
    told = json.loads((run / record.RECORD).read_text(encoding="utf-8"))
    told["outputs"]["../book/book.toml"] = "0" * 64
    record.write_json(run / record.RECORD, told)
    assert verifying.verify(run, blocks=1).differences[0].kind == "gone"


def test_a_difference_in_chinese(run: Path, said: Any) -> None:
    before, after = spoil(run, "outcomes", "sold_li", 0, lambda value: value + 5)
    code, out, _ = said("verify", run, "--all", "--quiet", "--lang", "zh")
    assert code == 1
    assert f"outcomes.parquet，情景baseline，路径0，平台P1：sold_li 在运行中为 {after}，重新运行为 {before}" in out


def test_the_sample_is_seeded_and_as_good_as_stated() -> None:
    tasks = [(s, start, start + 25) for s in range(2) for start in range(0, 250, 25)]
    names = ["a", "b"]
    assert verifying.sample(tasks, names, 5, 1) == verifying.sample(tasks[::-1], names, 5, 1) != verifying.sample(tasks, names, 5, 2)
    assert verifying.sample(tasks, names, 50, 1) == tasks
    # Over seeds each block comes as often as any other: 5 of 20, so a quarter of 400 seeds, within four standard errors.
    drawn = [task for seed in range(400) for task in verifying.sample(tasks, names, 5, seed)]
    assert all(abs(drawn.count(task) - 100) < 4 * math.sqrt(400 * 0.25 * 0.75) for task in tasks)


@pytest.mark.parametrize(("blocks_of", "blocks"), [(20, 5), (64, 8), (4, 1), (7, 7), (1000, 59)])
def test_what_stays_unseen(blocks_of: int, blocks: int) -> None:
    """(M-235) by counting in fractions: with that many wrong blocks the sample misses all with at most 5%, with one less with more."""
    wrong = round(verifying.unseen(blocks_of, blocks) * blocks_of)

    def missed(k: int) -> float:
        left = 1.0
        for drawn in range(blocks):
            left *= max(0, blocks_of - k - drawn) / (blocks_of - drawn)
        return left

    assert missed(wrong) <= 0.05 < missed(wrong - 1)


@pytest.mark.long
def test_rare_events_are_run_again_with_all(place: Path, tmp_path: Path) -> None:
    verbs.run(place / "book", ["baseline"], paths=4, seed=1, out=tmp_path / "run", tail=["deficit >= 1 yuan"], tail_platform="P3",
              tail_paths=1000)
    assert verifying.verify(tmp_path / "run").tail is False
    found = verifying.verify(tmp_path / "run", every=True)
    assert (found.agrees, found.tail) == (True, True)
    spoil(tmp_path / "run", "tail", "paths", 0, lambda value: value + 1)
    first = verifying.verify(tmp_path / "run", every=True).differences[0]
    assert (first.file, first.column) == ("tail.parquet", "paths")
    # Without --all the page, made anew from that table, is what differs.
    assert [d.file for d in verifying.verify(tmp_path / "run").differences] == ["report.html"]
