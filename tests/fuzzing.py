"""What fuzzing does to sound files, and the readers that must bear it: each mutation is plain data, so that a failure can be kept.

A recipe is (reader, which file, mutations); a mutation is its name's place and three numbers. `test_fuzz.py` draws recipes with
Hypothesis, `fuzz_atheris.py` takes them from the bytes of a coverage-guided fuzzer, and

    python tests/fuzzing.py 600

tries so many for each reader (a tenth for slow ones), or for those named behind the number, from counters,
and prints the table of `docs/faults.md`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stresslab import checking, record, verbs
from stresslab.book.terms import read_prices
from stresslab.early_warning.events import _listed
from stresslab.early_warning.rules import SHIPPED as WARNING_RULE
from stresslab.early_warning.rules import read_rule
from stresslab.early_warning.synthetic import panel_of_run
from stresslab.episodes import FED, read_fed
from stresslab.faults import Fault, InputError
from stresslab.history import read_history
from stresslab.limits import read_limits
from stresslab.market import read_market
from stresslab.pairing import compare
from stresslab.pool.rules import SHIPPED as POOL_RULES
from stresslab.pool.rules import read_rules
from stresslab.rating import read_scale
from stresslab.report import read_run
from stresslab.report.quarter_files import read_remediation, read_reverse, read_totals
from stresslab.retrace import Disagreement
from stresslab.scenario import read_scenario
from stresslab.submission.entity import read_entity
from stresslab.submission.ready import read_filed
from stresslab.submission.structure import structural

ROOT = Path(__file__).parent.parent
BASE = ROOT / "tests" / "invalid" / "base"

Mutation = tuple[int, float, float, float]
#: Reader, place of the file among the reader's files, mutations.
Recipe = tuple[str, int, tuple[Mutation, ...]]

#: Cells, and values of keys, that somebody once wrote.
EVIL = (
    "",
    " ",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "Infinity",
    "-0",
    "1e309",
    "-1e309",
    "1e-400",
    "9" * 400,
    "9" * 5000,
    "-" + "9" * 30,
    str(2**31),
    str(2**63),
    str(-(2**63) - 1),
    "1e15",
    "1e16",
    "0x10",
    "1_000",
    "1,5",
    "１２",
    "٣",
    "½",
    "1.0000000001",
    "+5",
    "--5",
    ".",
    "e5",
    "true",
    "TRUE",
    "yes",
    "null",
    "None",
    "=1+1",
    "@SUM(A1)",
    "'=x",
    "'",
    '"',
    '""',
    "'''",
    "\x00",
    "\x00abc",
    "\ufeff",
    "\u202e",
    "\u0085",
    "\u2028",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin1"),
    "a" * 65,
    "a" * 200_000,
    "0001-01-01",
    "9999-12-31",
    "2026-02-30",
    "2026-06-30T00:00:00Z",
    "2026-W01-1",
    "20260630",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\x",
    "[1, 2]",
    "{a = 1}",
    "[" * 400 + "]" * 400,
    "{{7*7}}",
    "%s%n",
    "$(id)",
    "<script>",
    "中文",
    "P1",
    "A1",
    "0",
    "1",
    "-1",
    "100",
    "0.5",
    "1e3",
    "99999999999999999999.999",
    "1e999999999999999999999",
    "1e99999",
    "-1e99999",
)


def pick(values: Any, u: float) -> Any:
    """One of some values, by a number in [0, 1)."""
    return values[min(int(u * len(values)), len(values) - 1)]


# --- mutations of bytes -------------------------------------------------------------------------


def cut(data: bytes, u: float, v: float, w: float) -> bytes:
    return data[: int(u * len(data))]


def flip(data: bytes, u: float, v: float, w: float) -> bytes:
    held = bytearray(data or b"\0")
    held[int(u * len(held))] ^= 1 << int(v * 8)
    return bytes(held)


def flood(data: bytes, u: float, v: float, w: float) -> bytes:
    at = int(u * len(data))
    return data[:at] + bytes([int(v * 256)]) * int(w**3 * 5000) + data[at:]


def recoded(data: bytes, u: float, v: float, w: float) -> bytes:
    text = data.decode("utf-8", "replace")
    made: list[bytes] = [
        b"\xef\xbb\xbf" + data,
        b"\xef\xbb\xbf" * 2 + data,
        text.encode("utf-16"),
        text.encode("utf-16-be"),
        text.encode("utf-32"),
        text.encode("gbk", "replace"),
        text.encode("utf-7"),
        text.encode("latin1", "replace"),
        data + "中".encode("gbk"),
        data.replace(b"\n", b"\r"),
        data.replace(b"\n", b"\r\n"),
        data.replace(b"\n", b"\n\n"),
        data.replace(b",", b";"),
        data.replace(b",", b"\t"),
        b"",
        b"\n",
        b"\0",
        b"PK\3\4",
        b"PAR1",
        b"{}",
        b"[]",
        b"null",
        b"\x80\x04.",
        b"cos\nsystem\n(S'true'\ntR.",
        data * 2,
        data + data[: len(data) // 2],
    ]
    return bytes(pick(made, u))


def evil_word(data: bytes, u: float, v: float, w: float) -> bytes:
    """One word between separators becomes another."""
    words = list(re.finditer(rb"[^,\n\r={}\[\]\"' ]+", data))
    if not words:
        return data
    one = pick(words, u)
    return data[: one.start()] + str(pick(EVIL, v)).encode("utf-8", "replace") + data[one.end() :]


def number_of_another_size(data: bytes, u: float, v: float, w: float) -> bytes:
    numbers = list(re.finditer(rb"-?\d+(?:\.\d+)?", data))
    if not numbers:
        return data
    one = pick(numbers, u)
    made = pick(
        (
            b"-" + one[0],
            b"0",
            one[0] + b"0",
            one[0] + b"000000",
            b"0." + one[0].lstrip(b"-"),
            one[0] + b"e9",
            one[0][:1],
            b"-1",
            b"1e-9",
        ),
        v,
    )
    return data[: one.start()] + made + data[one.end() :]


def lines_moved(data: bytes, u: float, v: float, w: float) -> bytes:
    """A line is dropped, doubled, moved or cut."""
    lines = data.split(b"\n")
    at, to, line = int(u * len(lines)), int(v * len(lines)), lines[int(u * len(lines))]
    done: Callable[[], None] = pick(
        (
            lambda: lines.pop(at),
            lambda: lines.insert(to, line),
            lambda: lines.insert(to, lines.pop(at)),
            lambda: lines.insert(at, line),
            lambda: lines.__setitem__(at, line[: len(line) // 2]),
            lambda: lines.__setitem__(at, lines[to]),
        ),
        w,
    )
    done()
    return b"\n".join(lines)


def columns_moved(data: bytes, u: float, v: float, w: float) -> bytes:
    """A column of a CSV is dropped, doubled, renamed or filled with one value."""
    rows = [line.split(b",") for line in data.split(b"\n") if line]
    at = int(u * len(rows[0])) if rows else 0
    for number, row in enumerate(rows):
        if at >= len(row):
            continue
        if w < 0.2:
            row.pop(at)
        elif w < 0.4:
            row.insert(int(v * len(row)), row[at])
        elif (w < 0.6 and number == 0) or (w >= 0.6 and number > 0):
            row[at] = str(pick(EVIL, v)).encode("utf-8", "replace").split(b",")[0].replace(b"\n", b"")
    return b"\n".join(b",".join(row) for row in rows) + b"\n"


def nested(data: bytes, u: float, v: float, w: float) -> bytes:
    """Tables and lists nested far deeper than anybody means."""
    deep = int(10 ** (1 + 4 * v))
    return pick(
        (
            data + b"\nx = " + b"[" * deep + b"]" * deep,
            data + b"\nx = " + b"{a=" * deep + b"1" + b"}" * deep,
            b"[" * deep + b"]" * deep,
            data + b"\n[" + b".".join([b"a"] * min(deep, 20_000)) + b"]\nb = 1\n",
            b'{"a":' * deep + b"1" + b"}" * deep,
            b"a" + b".a" * min(deep, 20_000) + b" = 1\n" + data,
        ),
        u,
    )


def huge_cell(data: bytes, u: float, v: float, w: float) -> bytes:
    """A single cell of up to ten million characters."""
    at = pick([m.start() for m in re.finditer(rb"[,\n]", data)] or [0], u)
    return data[:at] + b"," + b"9x"[int(2 * v) :][:1] * int(10 ** (4 + 3 * w)) + data[at:]


def parquet_of_another_schema(data: bytes, u: float, v: float, w: float) -> bytes:
    """The columns of a Parquet file as other types, under other names, or none."""
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError, ValueError):
        return data
    if table.num_columns == 0:
        return data
    at = int(u * table.num_columns)
    name, n = table.column_names[at], table.num_rows
    columns: list[pa.Array] = [
        pa.nulls(n),
        pa.array([None] * n, pa.int64()),
        pa.array([float("nan")] * n),
        pa.array([float("inf")] * n),
        pa.array([-1e300] * n),
        pa.array([2**63 - 1] * n),
        pa.array([[1, 2]] * n),
        pa.array([{"a": 1}] * n, pa.struct([("a", pa.int64())])),
        pa.array([b"\xff\x00"] * n),
        pa.array([b"\x80\x04."] * n, pa.binary()),
        pa.array([True] * n),
        pa.array([10**15] * n, pa.timestamp("us")),
        pa.array([2**62] * n, pa.timestamp("s")),
        pa.array([5] * n, pa.duration("s")),
        pa.array([2**31 - 1] * n, pa.date32()),
        pa.array(["x"] * n).dictionary_encode(),
        pa.array([str(pick(EVIL, w)).encode("utf-8", "replace").decode("utf-8", "replace")] * n),
        pa.array([2**64 - 1] * n, pa.uint64()),
        pa.array([1.5] * n, pa.float16()) if n else pa.nulls(0),
        pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int64())),
        pa.array([12] * n, pa.decimal128(38, 10)),
        pa.array([3600] * n, pa.time32("s")),
    ]
    made = table.set_column(at, name, pick(columns, v))
    if w < 0.1:
        made = table.append_column(name, table.column(at))
    elif w < 0.2:
        made = table.rename_columns([str(pick(EVIL, v)) if i == at else c for i, c in enumerate(table.column_names)])
    elif w < 0.3:
        made = table.drop_columns([name])
    elif w < 0.4:
        made = table.slice(0, int(v * 2))
    elif w < 0.5:
        said = pick(
            (
                b"{",
                b"[]",
                b'{"columns": 5}',
                b'{"index_columns": [{"kind": "x"}], "columns": []}',
                b'{"index_columns": ["__index_level_0__"], "columns": [{"name": "a"}], "column_indexes": [{"pandas_type": "unicode"}]}',
            ),
            v,
        )
        made = table.replace_schema_metadata({b"pandas": said})
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(made, sink)
    except (pa.ArrowException, ValueError, TypeError):
        return data
    return bytes(sink.getvalue().to_pybytes())


def zip_with_another_member(data: bytes, u: float, v: float, w: float) -> bytes:
    """A package with one member changed, renamed, doubled, or claiming another size."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            held = [(i.filename, archive.read(i)) for i in archive.infolist()]
    except Exception:  # whatever an earlier mutation led to
        return data
    if not held:
        return data
    at = int(u * len(held))
    name, text = held[at]
    root = name.split("/")[0]
    if w < 0.6:
        held[at] = (
            name,
            pick(
                (evil_word, evil_word, number_of_another_size, lines_moved, columns_moved, flip, recoded, nested),
                w / 0.6,
            )(text, v, u, v),
        )
    elif w < 0.7:
        held[at] = (
            pick(
                (
                    f"{root}/../../x",
                    "/etc/passwd",
                    f"{root}\\..\\x",
                    "other/root.csv",
                    f"{root}/reports/new.csv",
                    "",
                    "\x00",
                ),
                v,
            ),
            text,
        )
    elif w < 0.8:
        held.pop(at)
    elif w < 0.9:
        held.append((f"{root}/bomb.csv", b"0" * int(10 ** (4 + 3 * v))))
    else:
        held.append((name, text))
    out = io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),
        zipfile.ZipFile(
            out, "w", pick((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA), v)
        ) as made,
    ):
        for one, what in held:
            made.writestr(zipfile.ZipInfo(one, (2026, 1, 1, 0, 0, 0)), what)
    return out.getvalue()


def json_of_another_shape(data: bytes, u: float, v: float, w: float) -> bytes:
    """A value somewhere in a JSON file is dropped or becomes another."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict | list):
            for key in list(value) if isinstance(value, dict) else range(len(value)):
                places.append((value, key))
                walk(value[key])

    walk(found)
    if not places:
        return data
    holder, key = pick(places, u)
    if w < 0.3:
        del holder[key]
    else:
        holder[key] = pick(
            (
                None,
                True,
                -1,
                0,
                1.5,
                2**70,
                float("nan"),
                "",
                "x",
                "../x",
                [],
                {},
                [None],
                {"a": []},
                [[]],
                "9" * 500,
                EVIL[0],
            ),
            v,
        )
    return json.dumps(found).encode()


# --- mutations of places ------------------------------------------------------------------------


def _gone(path: Path, u: float) -> None:
    path.unlink()


def _folder(path: Path, u: float) -> None:
    path.unlink()
    path.mkdir()
    if u < 0.5:
        (path / "part.parquet").write_bytes(b"PAR1")


def _link_out(path: Path, u: float) -> None:
    path.unlink()
    path.symlink_to(pick(("/etc/passwd", "/dev/zero", "/", path.name, "../" * 30 + "etc/passwd", "nowhere"), u))


def _pipe(path: Path, u: float) -> None:
    path.unlink()
    os.mkfifo(path)


def _locked(path: Path, u: float) -> None:
    path.chmod(0)


BYTES: tuple[Callable[[bytes, float, float, float], bytes], ...] = (
    evil_word,
    evil_word,
    evil_word,
    number_of_another_size,
    number_of_another_size,
    lines_moved,
    columns_moved,
    columns_moved,
    cut,
    flip,
    flood,
    recoded,
    nested,
    huge_cell,
)
PLACES: tuple[Callable[[Path, float], None], ...] = (_gone, _folder, _link_out, _pipe, _locked)
BY_ENDING: dict[str, Callable[[bytes, float, float, float], bytes]] = {
    ".parquet": parquet_of_another_schema,
    ".json": json_of_another_shape,
    ".xbr": zip_with_another_member,
}


def mutate(path: Path, mutation: Mutation) -> None:
    """Change a file in place."""
    which, u, v, w = mutation
    if not path.is_file() or path.is_symlink():
        return
    own = BY_ENDING.get(path.suffix)
    ways: list[Any] = [*BYTES, *([own] * 8 if own else [])]
    at = which % (len(ways) + len(PLACES))
    if at >= len(ways):
        PLACES[at - len(ways)](path, u)
    else:
        path.write_bytes(ways[at](path.read_bytes(), u, v, w))


# --- readers ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """A reader, the sound files that it reads, and those of them that are changed."""

    read: Callable[[Path], Any]
    files: dict[str, bytes] = field(repr=False)
    changed: tuple[str, ...]


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _parquet(frame: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    frame.to_parquet(sink, index=False)
    return sink.getvalue()


MARKET = """title = "Made up"
source = "made up"
[market]
index = "index"
model = "gbm"
volatility_pct = 20
source = "made up"
[market.bootstrap]
file = "returns.csv"
mean_block_days = 10
source = "made up"
[default_sector]
volatility_pct = 8
[sectors.bank]
volatility_pct = 6
"""
REMEDIATION = (
    '[[remediation]]\nplatform = "P1"\nlimit = "a"\naction = "x"\nowner = "y"\ndue = 2026-01-01\nstatus = "open"\n'
)


def _history(folder: str) -> dict[str, bytes]:
    days = [d.strftime("%Y-%m-%d") for d in pd.bdate_range("2026-01-05", periods=12)]
    index = pd.DataFrame({"date": days, "index_id": "I", "close": [3000.0 + i for i in range(12)]})
    prices = pd.DataFrame(
        {
            "date": days * 2,
            "instrument_id": ["A"] * 12 + ["B"] * 12,
            "close": [10 + 0.1 * i for i in range(24)],
            "halted": 0,
        }
    )
    return {
        f"{folder}/index.csv": index.to_csv(index=False).encode(),
        f"{folder}/prices.csv": prices.to_csv(index=False).encode(),
        f"{folder}/parts/a.parquet": _parquet(prices.assign(instrument_id="C" + prices["instrument_id"])),
    }


def _fed() -> bytes:
    rows = [["Supervisory Baseline", f"2026 Q{1 + i % 4}", 50_000 - i, 20 + i, 4.0, 4.2, 6.0] for i in range(5)]
    return (
        pd.DataFrame(rows, columns=[FED[k] for k in ("name", "date", "equity", "vix", "short", "long", "bbb")])
        .to_csv(index=False)
        .encode()
    )


def _known() -> Any:
    return SimpleNamespace(days=pd.bdate_range("2026-01-05", periods=60))


def _scenario_of_any(folder: Path) -> None:
    read_scenario(folder / "scenario.toml")


def _structural(folder: Path) -> None:
    place = folder / "package.xbr"
    if not place.is_file() or not os.access(place, os.R_OK):
        return  # check_submission says so
    for finding in structural(place.read_bytes()):
        assert finding.code
        assert finding.said("en")
        assert finding.said("zh")


def readers(place: Path) -> dict[str, Reader]:
    """Every reader by name; ``place`` holds a sound run of a small book, its book and a package made of it."""
    base = {f"book/{name}": data for name, data in _bytes_of(BASE).items() if name != "scenario.toml"}
    tables = tuple(base)
    base["scenario.toml"] = (BASE / "scenario.toml").read_bytes()
    columnar = {n: d for n, d in base.items() if not n.endswith(".csv")} | {
        n.removesuffix(".csv") + ".parquet": _parquet(pd.read_csv(io.BytesIO(d)))
        for n, d in base.items()
        if n.endswith(".csv")
    }
    days = [d.strftime("%Y-%m-%d") for d in pd.bdate_range("2025-01-06", periods=70)]
    returns = "date,market,bank\n" + "".join(
        f"{day},{0.01 * ((i % 5) - 2)},{0.002 * ((i % 3) - 1)}\n" for i, day in enumerate(days)
    )
    demo = {f"book/{n}": d for n, d in _bytes_of(place / "book").items()}
    run = {f"run/{n}": d for n, d in _bytes_of(place / "run").items()}
    in_run = (
        "run/record.json",
        "run/rating.json",
        "run/outcomes.parquet",
        "run/days.parquet",
        "run/estimates.parquet",
        "run/plan.json",
    )
    plan = json.loads(run["run/plan.json"])

    def book(folder: Path) -> None:
        checking.check(folder / "book", [folder / "scenario.toml"] if (folder / "scenario.toml").exists() else [])

    def own(name: str, data: bytes, read: Callable[[Path], Any]) -> Reader:
        return Reader(lambda folder: read(folder / name), {name: data}, (name,))

    found = {
        "book": Reader(book, base, tables),
        "columnar": Reader(book, columnar, tuple(n for n in columnar if n.endswith(".parquet"))),
        "demo": Reader(book, demo, tuple(demo)),
        "pool": Reader(
            lambda folder: verbs.look_through(folder / "book"), demo, tuple(n for n in demo if n.endswith(".csv"))
        ),
        "market": Reader(
            lambda folder: read_market(folder / "market.toml"),
            {"market.toml": MARKET.encode(), "returns.csv": returns.encode()},
            ("market.toml", "returns.csv"),
        ),
        "limits": own("limits.toml", (ROOT / "stresslab" / "limits.toml").read_bytes(), read_limits),
        "scale": own("scale.toml", (ROOT / "stresslab" / "rating_scale.toml").read_bytes(), read_scale),
        "pool_rules": own("rules.toml", POOL_RULES.read_bytes(), read_rules),
        "warning_rule": own("rule.toml", WARNING_RULE.read_bytes(), read_rule),
        "entity": own(
            "entity.toml",
            re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "submission.md").read_text("utf-8"), re.DOTALL)[
                1
            ].encode(),  # type: ignore[index]
            read_entity,
        ),
        "history": Reader(
            lambda folder: read_history(folder / "h", splits="adjust"), _history("h"), tuple(_history("h"))
        ),
        "events": own(
            "events.csv",
            b"start,end,name\n2026-01-12,2026-01-20,fall\n2026-02-10,,other\n",
            lambda p: _listed(p, _known()),
        ),
        "remediation": own("plans.toml", REMEDIATION.encode(), lambda p: read_remediation(p, ["P1"], ["a"])),
        "totals": own(
            "totals.csv",
            b"platform_id,item,source,amount_yuan\nP1,cash,ledger,12.5\nP2,loans,bank,-1\n",
            lambda p: read_totals(p, ["P1", "P2"]),
        ),
        "prices": own("prices.csv", b"instrument_id,price_yuan\nA1,10.5\nB2,3\n", read_prices),
        "fed": own("fed.csv", _fed(), read_fed),
        "reverse": Reader(
            lambda folder: read_reverse(folder / "r"),
            {"r/reverse.json": b'{"answers": [], "dials": [], "goal": {}, "scenario": "x"}'},
            ("r/reverse.json",),
        ),
        "rate": Reader(lambda folder: verbs.rate(folder / "run"), run, in_run),
        "compare": Reader(lambda folder: compare(folder / "run", "baseline", "crash-40"), run, in_run),
        "panel": Reader(lambda folder: panel_of_run(folder / "run"), run, in_run),
        "filed": Reader(lambda folder: _within(folder, read_filed), run, in_run),
        "report": Reader(lambda folder: _within(folder, read_run), run, in_run),
        "replay": Reader(lambda folder: _replayed(folder / "run", place / "book"), run, in_run),
        "plan": Reader(lambda folder: _taken(folder / "run", plan), run, ("run/plan.json",)),
        "package": Reader(_structural, {"package.xbr": (place / "package.xbr").read_bytes()}, ("package.xbr",)),
    }
    for path in sorted((ROOT / "scenarios").glob("*.toml")):
        found[f"scenario {path.stem}"] = Reader(
            _scenario_of_any, {"scenario.toml": path.read_bytes()}, ("scenario.toml",)
        )
    return found


def _within(folder: Path, read: Callable[[Path], Any]) -> None:
    with record.reading(folder / "run"):
        read(folder / "run")


def _replayed(folder: Path, book: Path) -> None:
    with contextlib.suppress(Disagreement):  # which is what a replay is for: exit code 3
        verbs.replay(folder, path=1, scenario="crash-40", book=book)


def _taken(folder: Path, plan: Any) -> None:
    with record.RunFolder(folder).taken(plan):
        pass


def sound_run(folder: Path) -> Path:
    """A small book, a run of two scenarios on it, and the package of that run."""
    from stresslab.submission import submit

    verbs.init(folder / "book", accounts=12, seed=2)
    verbs.run(folder / "book", ["baseline", "crash-40"], paths=3, seed=1, out=folder / "run")
    triple = verbs.run(folder / "book", ["mild", "moderate", "severe"], paths=3, seed=1, out=folder / "triple")
    submit(triple.folder, out=folder / "package.xbr")
    return folder


def lay_out(reader: Reader, folder: Path) -> None:
    """Write the sound files of a reader."""
    for name, data in reader.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _faults(reader: Reader, folder: Path) -> list[Fault]:
    """The faults for which a reader refuses, each as it should be; none if it reads."""
    try:
        reader.read(folder)
    except InputError as error:
        found = error.faults
    else:
        return []
    assert found, "refused without a fault"
    for fault in found:
        assert fault.rule, fault
        assert fault.way_out, fault
        assert str(fault).isprintable(), fault
        assert len(str(fault)) < 2000, fault
    return found


def attempt(reader: Reader, recipe: Recipe, folder: Path) -> bool:
    """Read files changed as a recipe says: True if they are sound, False if refused; anything else is raised."""
    _, which, mutations = recipe
    lay_out(reader, folder)
    path = folder / reader.changed[which % len(reader.changed)]
    try:
        for mutation in mutations:
            mutate(path, mutation)
        before = sorted(folder.rglob("*"))
        faults = _faults(reader, folder)
        assert sorted(folder.rglob("*")) == before, "a reader left something behind"
        return not faults
    finally:
        if path.exists() and not path.is_symlink():
            path.chmod(0o700)
        shutil.rmtree(folder)


def uniforms(count: int, seed: int) -> np.ndarray:
    """Numbers in [0, 1) from the counters of the house."""
    from stresslab.kernels.draws import fill_uniforms

    out = np.zeros(count)
    fill_uniforms(out, seed, 0, 0, 0)
    return out


#: Readers that take more than a tenth of a second for one input.
SLOW = ("book", "columnar", "demo", "pool", "rate", "compare", "panel", "filed", "report", "replay")


def table(count: int, known: dict[str, Reader], folder: Path, only: Sequence[str] = ()) -> Iterator[str]:
    """Recipes by the number for each reader, from counters: one row of a table for each, and a line for each failure."""
    total = np.zeros(4, np.int64)
    groups: dict[str, np.ndarray] = {}
    for number, (name, reader) in enumerate(known.items()):
        if only and name not in only:
            continue
        tried = count // 10 if name in SLOW else count
        for u in uniforms(14 * tried, 7000 + number).reshape(tried, 14):
            drawn = [(int(64 * u[k]), *(float(x) for x in u[k + 1 : k + 4])) for k in (2, 6, 10)]
            recipe = (name, int(1000 * u[0]), tuple(drawn[: 1 + int(3 * u[1])]))
            row = groups.setdefault("scenarios" if name.startswith("scenario ") else name, np.zeros(4, np.int64))
            row[0] += 1
            try:
                row[1 if attempt(reader, recipe, folder / "work") else 2] += 1
            except Exception as error:
                row[3] += 1
                shutil.rmtree(folder / "work", ignore_errors=True)
                yield f"failed: {recipe!r}: {type(error).__name__}: {str(error)[:200]}"
    for name, row in groups.items():
        total += row
        yield f"| {name} | {' | '.join(f'{n:,}' for n in row)} |"
    yield f"| **all** | {' | '.join(f'{n:,}' for n in total)} |"


def main() -> None:
    """Print the table of `docs/faults.md`."""
    folder = Path(tempfile.mkdtemp())
    for line in table(int(sys.argv[1]), readers(sound_run(folder / "sound")), folder, sys.argv[2:]):
        print(line, flush=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
