"""Whatever a file holds, a reader reads it or refuses it with faults: no other exception, nothing left behind.

`pytest tests/test_fuzz.py` tries some hundred mutated files in seconds, `pytest -m long tests/test_fuzz.py` 33,000.
`docs/faults.md` has the counts, and what the fuzzing found.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fuzzing
import pytest
from fuzzing import SLOW, Mutation, Reader, Recipe, attempt, lay_out, readers, sound_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stresslab import cli, intake, record
from stresslab.faults import Fault, InputError
from stresslab.history import read_history
from stresslab.market import read_market
from stresslab.scenario import read_scenario
from stresslab.submission import check_submission
from stresslab.submission.structure import LARGEST, structural

NAMES = (
    "book",
    "columnar",
    "demo",
    "pool",
    "market",
    "limits",
    "scale",
    "pool_rules",
    "warning_rule",
    "entity",
    "history",
    "events",
    "remediation",
    "totals",
    "prices",
    "fed",
    "reverse",
    "rate",
    "compare",
    "panel",
    "filed",
    "report",
    "replay",
    "plan",
    "package",
    "scenarios",
)
#: Mutated files for each reader in the long run, a tenth of it for slow ones.
LONG = 2000


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    return readers(sound_run(tmp_path_factory.mktemp("sound")))


def of(known: dict[str, Reader], name: str) -> list[str]:
    return [n for n in known if n == name or (name == "scenarios" and n.startswith("scenario "))]


def test_the_readers_are_all_there_and_accept_sound_files(known: dict[str, Reader], tmp_path: Path) -> None:
    assert {n for name in NAMES for n in of(known, name)} == set(known)
    for name, reader in known.items():
        assert attempt(reader, (name, 0, ()), tmp_path / "w"), name


fractions = st.floats(0, 1, exclude_max=True)
mutations = st.tuples(st.integers(0, 63), fractions, fractions, fractions)
recipes = st.tuples(st.integers(0, 1000), st.integers(0, 1000), st.lists(mutations, min_size=1, max_size=3))
quiet = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)


def fuzz(known: dict[str, Reader], name: str, folder: Path, examples: int) -> None:
    among = of(known, name)

    @settings(max_examples=examples, suppress_health_check=quiet, deadline=None, derandomize=True, database=None)
    @given(recipes)
    def tried(drawn: tuple[int, int, list[Mutation]]) -> None:
        one = among[drawn[0] % len(among)]
        shutil.rmtree(folder / "w", ignore_errors=True)
        attempt(known[one], (one, drawn[1], tuple(drawn[2])), folder / "w")

    tried()


@pytest.mark.parametrize("name", NAMES)
def test_mutated_files_are_read_or_refused(name: str, known: dict[str, Reader], tmp_path: Path) -> None:
    fuzz(known, name, tmp_path, 2 if name in SLOW else 8)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_many_mutated_files_are_read_or_refused(name: str, known: dict[str, Reader], tmp_path: Path) -> None:
    fuzz(known, name, tmp_path, LONG // 10 if name in SLOW else LONG)


# --- the corpus: what once failed, as it was found -------------------------------------------------

#: Recipes that once raised something else, with what it was.
CORPUS: tuple[tuple[Recipe, str], ...] = (
    (("events", 356, ((3, 0.43267, 0.10975, 0.37418),)), "NotImplementedError: a year before Christ"),
    (("columnar", 603, ((41, 0.731, 0.164, 0.818),)), "UnicodeDecodeError: bytes that are no text in Parquet"),
    (("history", 309, ((16, 0.42, 0.55, 0.386),)), "PermissionError: a link to / was walked through"),
    (("history", 803, ((48, 0.142, 0.639, 0.092),)), "AttributeError: a Parquet column that is there twice"),
    (
        ("fed", 710, ((8, 0.809, 0.464, 0.552), (11, 0.988, 0.146, 0.968))),
        "AttributeError: a cut line in a published table",
    ),
    (("package", 527, ((7, 0.502, 0.166, 0.938),)), "ValueError: a package whose directory points before its start"),
    (("package", 426, ((36, 0.493, 0.103, 0.396),)), "zlib.error: a damaged member of a package"),
    (("book", 498, ((10, 0.0225, 0.0316, 0.745),)), "a message of thousands of characters"),
)


@pytest.mark.parametrize(("recipe", "what"), CORPUS)
def test_what_once_failed(recipe: Recipe, what: str, known: dict[str, Reader], tmp_path: Path) -> None:
    attempt(known[recipe[0]], recipe, tmp_path / "w")


def refused(read: object, *given: object) -> list[Fault]:
    with pytest.raises(InputError) as caught:
        read(*given)  # type: ignore[operator]
    return caught.value.faults


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = " + "[" * 5000 + "]" * 5000, "is not valid TOML (it is nested too deeply)"),
        ("a" + ".a" * 20_000 + " = 1", "is not valid TOML (it is nested too deeply)"),  # once took minutes
        ("days = " + "9" * 5000, "is not valid TOML (a number in it has too many digits)"),
        ("days = " + "9" * 30, "is not valid TOML (the whole number of days is too large)"),
    ],
)
def test_a_scenario_that_the_parser_cannot_bear(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    (fault,) = refused(read_scenario, tmp_path / "s.toml")
    assert fault.rule == said


def test_a_byte_order_mark_is_no_fault() -> None:
    assert intake.toml(b"\xef\xbb\xbfa = 1") == {"a": 1}


def test_a_byte_order_mark_is_no_fault_of_any_written_file(known: dict[str, Reader], tmp_path: Path) -> None:
    for name in ("limits", "scale", "entity", "remediation", "pool_rules", "warning_rule"):
        lay_out(known[name], tmp_path)
        path = tmp_path / known[name].changed[0]
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        known[name].read(tmp_path)


@pytest.mark.parametrize(
    ("name", "file"),
    [("book", "book/accounts.csv"), ("market", "returns.csv"), ("totals", "totals.csv"), ("prices", "prices.csv")],
)
def test_a_cell_of_ten_megabytes(name: str, file: str, known: dict[str, Reader], tmp_path: Path) -> None:
    lay_out(known[name], tmp_path)
    with (tmp_path / file).open("ab") as stream:
        stream.write(b"x" * 10_000_000)
    assert all(len(str(fault)) < 1000 for fault in refused(known[name].read, tmp_path))


def test_a_run_that_was_changed_gives_no_figures(known: dict[str, Reader], tmp_path: Path) -> None:
    lay_out(known["rate"], tmp_path)
    (tmp_path / "run" / "outcomes.parquet").write_bytes((tmp_path / "run" / "days.parquet").read_bytes())
    for name in ("rate", "compare"):
        (fault,) = refused(known[name].read, tmp_path)
        assert fault.rule == "is not the table that the run wrote: its digest differs"
    lay_out(known["rate"], tmp_path)
    place = tmp_path / "run" / "record.json"
    place.write_text(place.read_text("utf-8").replace('"scenarios": [', '"scenarios": [[], ', 1), "utf-8")
    (fault,) = refused(known["compare"].read, tmp_path)
    assert fault.rule == "is not the record that the run wrote"


def test_a_failure_of_ours_stays_one(known: dict[str, Reader], tmp_path: Path) -> None:
    """A folder that nobody changed does not take the blame."""
    lay_out(known["rate"], tmp_path)
    with pytest.raises(KeyError, match="ours"), record.reading(tmp_path / "run"):
        raise KeyError("ours")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s.toml")
    assert "is no regular file" in refused(read_scenario, tmp_path / "s.toml")[0].rule


def test_a_claim_of_a_billion_rows_is_refused() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table({"a": pa.nulls(1000)}), sink)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "ROWS_MOST", 999)
        with pytest.raises(ValueError, match="it claims 1000 rows of 1 columns, more than are read"):
            intake.parquet(sink.getvalue())


# --- names and links that leave a folder ------------------------------------------------------------


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/secret.csv", "a/b.csv", "..\\secret.csv", "x\\u0000.csv"])
def test_a_market_names_no_file_elsewhere(name: str, known: dict[str, Reader], tmp_path: Path) -> None:
    lay_out(known["market"], tmp_path / "m")
    (tmp_path / "secret.csv").write_text("secret\n", encoding="utf-8")
    place = tmp_path / "m" / "market.toml"
    place.write_text(
        place.read_text("utf-8").replace(
            '"returns.csv"', '"' + name.replace("\\.", "\\\\.").replace("\\s", "\\\\s") + '"'
        ),
        "utf-8",
    )
    faults = refused(read_market, place)
    assert not any("secret" in f.column for f in faults if f.column and f.column != "market.bootstrap.file")


def test_links_out_of_a_folder_are_not_followed(known: dict[str, Reader], tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("secret_word\n1\n", encoding="utf-8")
    for name, file in (("book", "book/accounts.csv"), ("market", "returns.csv"), ("history", "h/prices.csv")):
        folder = tmp_path / name
        lay_out(known[name], folder)
        (folder / file).unlink()
        (folder / file).symlink_to(tmp_path / "secret.csv")
        read = {"history": lambda f: read_history(f / "h")}.get(name, known[name].read)
        faults = refused(read, folder)
        assert any("leads out of" in f.rule for f in faults), name
        assert not any("secret_word" in str(f) for f in faults), name


# --- packages -------------------------------------------------------------------------------------


def bomb(size: int) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made,
        made.open("root/reports/bomb.csv", "w", force_zip64=True) as one,
    ):
        for _ in range(size // 10**6):
            one.write(b"0" * 10**6)
    return out.getvalue()


def lying(data: bytes, claimed: int) -> bytes:
    """The same archive, saying that its file has another size."""
    with zipfile.ZipFile(io.BytesIO(data)) as held:
        true = held.infolist()[0].file_size
    return data.replace(true.to_bytes(4, "little"), claimed.to_bytes(4, "little"))


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stresslab.submission.structure.LARGEST", 20_000_000)
    data = bomb(30_000_000)
    assert len(data) < 100_000 < LARGEST
    assert [f.code for f in structural(data)] == ["S-01"]
    assert [f.code for f in structural(lying(bomb(30_000_000), 10))] == [
        "S-01"
    ]  # it is cut where it says, and its checksum is wrong
    # Nor is it handed to another reader, which might unpack it.
    (tmp_path / "bomb.xbr").write_bytes(data)
    monkeypatch.setattr("stresslab.submission.check._referee", lambda _: pytest.fail("a bomb was handed on"))
    assert not check_submission(tmp_path / "bomb.xbr")[0].arelle


# --- through the command line -----------------------------------------------------------------------


@contextlib.contextmanager
def arguments(*words: str) -> Iterator[None]:
    held, sys.argv = sys.argv, ["stresslab", *words]
    try:
        yield
    finally:
        sys.argv = held


@pytest.mark.parametrize(
    ("reader", "file", "words"),
    [
        ("book", "book/accounts.csv", "run --book book --scenario baseline --paths 1 --out out"),
        ("book", "scenario.toml", "run --book book --scenario scenario.toml --paths 1 --out out"),
        ("market", "market.toml", "check --market market.toml"),
        ("history", "h/parts/a.parquet", "calibrate h --out out"),
        ("history", "h/parts/a.parquet", "episode h --out out.toml --from 2026-01-06 --to 2026-01-16"),
        ("rate", "run/record.json", "rate run"),
        ("rate", "run/outcomes.parquet", "rate run"),
        ("compare", "run/outcomes.parquet", "compare run --scenario crash-40 --against baseline"),
        ("report", "run/days.parquet", "report run --out out.html"),
        ("filed", "run/rating.json", "submit run --out out.xbr"),
        ("scale", "scale.toml", "rate run --scale scale.toml"),
        ("package", "package.xbr", "submit --check package.xbr --without-arelle"),
    ],
)
@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\x00", b"\x80\x04.", b"PAR1" * 9, "码".encode("gbk"), None])
def test_the_command_line_refuses_and_writes_nothing(
    reader: str,
    file: str,
    words: str,
    damage: bytes | None,
    known: dict[str, Reader],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    lay_out(known[reader], tmp_path)
    if reader == "scale":
        lay_out(known["rate"], tmp_path)
    (tmp_path / file).unlink()
    if damage is None:
        (tmp_path / file).mkdir()
        (tmp_path / file / "part.parquet").write_bytes(b"PAR1")
    else:
        (tmp_path / file).write_bytes(damage)
    before = sorted(tmp_path.rglob("*"))
    with arguments(*words.split()), pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr()
    assert stopped.value.code in ((1, 2) if reader == "package" else (2,)), said.err
    assert "Traceback" not in said.err
    assert "Usage" not in said.err
    assert Path(file).name in said.err + said.out or "run: " in said.err or said.out.startswith("error S-01")
    assert sorted(tmp_path.rglob("*")) == before


def test_the_number_of_mutations_is_what_the_draws_assume() -> None:
    assert len(fuzzing.BYTES) + len(fuzzing.PLACES) + 8 < 64
