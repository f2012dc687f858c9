"""A finished run held against itself: digests of its files, some of its blocks run again, sums, and judgement made anew (M-235 to M-237).

It writes nothing into the run's folder. Inputs are found again as for a replay; another version of the program is no reason to refuse,
but said, as it decides what a difference means.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from stresslab import engine, farm, glossary, kernels, record
from stresslab.book import Book
from stresslab.faults import Fault, InputError
from stresslab.inputs import Inputs, book_again, market_again, option_faults
from stresslab.limits import Limits
from stresslab.market import Market
from stresslab.resolve import Resolved, resolve
from stresslab.scenario import Scenario
from stresslab.verbs import Progress, Run, ask_tail_of, describe, judge

#: Blocks of a sample.
BLOCKS = 8
#: Tables with rows of single paths, and tables of sums over all paths with the column of how many.
BY_PATH, SUMMED = ("outcomes", "days", "sectors"), ("accounts", "investors", "instruments")
JUDGED = ("estimates", "migration", "spillover")
#: What the tables of sums must add up to: sums over a scenario, and over its platforms where both tables name them (M-237).
TOTALS = (
    ("accounts", "forced", "accounts_forced", True), ("accounts", "in_deficit", "accounts_in_deficit", True),
    ("investors", "forced", "accounts_forced", True), ("investors", "in_deficit", "accounts_in_deficit", True),
    ("accounts", "deficit_sum_li", "deficit_li", True), ("accounts", "sold_sum_li", "sold_li", True),
    ("instruments", "sold_sum_li", "sold_li", False),
)
#: The share of wrong blocks that a sample would have met is stated with this probability.
CONFIDENCE = 0.95
#: A comparison stops after so many differences.
ENOUGH = 20


@dataclass(frozen=True)
class Difference:
    """One thing in which a run differs from what its record or its blocks, run again, say."""

    file: str
    kind: str  # digest, gone, unreadable, record, shape, cell, sum, total, judgement
    scenario: str | None = None
    path: int | None = None
    row: dict[str, Any] = field(default_factory=dict)  # the other keys of the row
    column: str | None = None
    run: Any = None  # what stands in the run's folder
    now: Any = None  # what it must be


@dataclass(frozen=True)
class Verified:
    """What was looked at, what differs, and whether the program is that of the run."""

    folder: str
    files: int
    paths: int
    paths_of: int
    blocks: int
    blocks_of: int
    #: At most this share of blocks can be wrong without being met, at 95% (M-235).
    unseen_share: float
    judged: bool
    tail: bool | None  # whether rare events were run again; None: the run has none
    #: (what, then, now) of what is not as it was when the run was made.
    versions: tuple[tuple[str, str, str], ...]
    differences: tuple[Difference, ...]
    #: Why the inputs could not be had again, though the folder alone already shows a difference.
    faults: tuple[Fault, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def plain(self) -> dict[str, Any]:
        """In the types of JSON."""
        told = asdict(self)
        told["versions"] = [{"name": name, "run": then, "now": now} for name, then, now in self.versions]
        return {"agrees": self.agrees} | told


def verify(
    made: Run | Path | str, *, blocks: int = BLOCKS, seed: int = 1, every: bool = False, book: Book | Path | str | None = None,
    market: Market | Path | str | None = None, workers: int = 0, scheduler: str | None = None, parts: int = 0,
    progress: Progress | None = None,
) -> Verified:
    """Check a finished run: digests of its files, a sample of its blocks run again cell by cell, sums, and judgement made anew.

    ``blocks`` of 25 paths are drawn by ``seed`` among those of all scenarios, or all with ``every``, which then also proves the tables
    of sums and runs rare events again. ``book`` and ``market`` say where the inputs lie now. How a run was cut or spread changes no
    byte, so neither does it here. Raises :class:`InputError` if the run cannot be verified: no finished run, or its inputs are changed
    or gone and nothing else is found to differ.
    """
    made = made if isinstance(made, Run) else Run(Path(made))
    faults = option_faults(scheduler, seed=seed, workers=workers, parts=parts)
    if type(blocks) is not int or blocks < 1:
        faults.append(Fault("options", "must be a whole number above 0", "give another value", None, "blocks", str(blocks)))
    if faults:
        raise InputError(faults)
    held = made.record
    try:
        found, plan = _of_folder(made.folder, held)
        versions = _versions(held)
        given = _inputs_again(held, plan, book, market, faults)
    except (KeyError, TypeError, AttributeError) as error:
        rule = f"is not the record of a run as this version writes it ({error})"
        raise InputError([Fault(str(made.folder / record.RECORD), rule, "verify it with the version that made it")]) from None
    tasks = farm.plan_blocks(len(held["scenarios"]), held["paths"])
    if given is None:
        if not found:
            raise InputError(faults)
        return Verified(
            str(made.folder), len(held["outputs"]), 0, _paths_of(tasks), 0, len(tasks), 1.0, False, None, versions, tuple(found),
            tuple(faults))
    chosen = tasks if every else sample(tasks, [r.scenario for r in given.resolved], blocks, seed)
    again = _Again(made.folder, held, given.resolved, found)
    again.run(chosen, workers, scheduler, parts, progress)
    asked_tail = None if "tail" not in held else every
    if every and "tail" in held:
        _tail_again(made.folder, held, given.resolved, workers, scheduler, found)
    judged = not found
    if judged:
        _judge_again(made.folder, held, plan, given, versions, found)
    return Verified(
        str(made.folder), len(held["outputs"]), _paths_of(chosen), _paths_of(tasks), len(chosen), len(tasks),
        unseen(len(tasks), len(chosen)), judged, asked_tail, versions, tuple(found))


def _paths_of(tasks: Sequence[farm.Task]) -> int:
    return sum(stop - start for _, start, stop in tasks)


def sample(tasks: Sequence[farm.Task], scenarios: Sequence[str], blocks: int, seed: int) -> list[farm.Task]:
    """So many of the tasks, each set of them as likely as any other over seeds (M-235); in the order of the tasks."""

    def drawn(task: farm.Task) -> bytes:
        return hashlib.sha256(f"{seed} {scenarios[task[0]]} {task[1]}".encode()).digest()

    return sorted(sorted(tasks, key=drawn)[:blocks])


def unseen(blocks_of: int, blocks: int) -> float:
    """The least share of blocks of which a sample meets one with a probability of 95% (M-235); above it nothing stays unseen."""
    for wrong in range(1, blocks_of + 1):
        if math.comb(blocks_of - wrong, blocks) <= (1 - CONFIDENCE) * math.comb(blocks_of, blocks):
            return wrong / blocks_of
    return 1.0


def _of_folder(folder: Path, held: dict[str, Any]) -> tuple[list[Difference], dict[str, Any]]:
    """What differs within the folder alone: files from their digests, the record from the plan."""
    found = []
    for name, digest in held["outputs"].items():
        place = folder / name
        if Path(name).name != name or not place.is_file():
            found.append(Difference(name, "gone", run=None, now=digest))
        elif (now := record.file_digest(place)) != digest:
            found.append(Difference(name, "digest", run=now, now=digest))
    try:
        plan = json.loads((folder / record.PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [*found, Difference(record.PLAN, "unreadable")], {}
    both = ("format", "stresslab", "seed", "paths", "sampling", "scenarios", "kernels", "versions", "tail")
    pairs = [(name, held.get(name), plan.get(name)) for name in both]
    pairs += [("book.digest", held["book"]["digest"], plan["book"]["digest"]), ("inputs", held["inputs"], plan["book"]["files"])]
    found += [Difference(record.RECORD, "record", column=name, run=_short(a), now=_short(b)) for name, a, b in pairs if a != b]
    return found, plan


def _short(value: Any) -> Any:
    """A value as a message can hold it."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
    return text if not isinstance(text, str) or len(text) <= 120 else text[:117] + "..."


def _versions(held: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """What of the program and the machine is not as it was."""
    then = held["versions"] | {"kernels": held["kernels"][:12]}
    now = record.versions() | {"kernels": kernels.sources_digest()[:12]}
    machine = held.get("machine", {}).get("processor")
    if machine is not None:
        then |= {"processor": machine}
        now |= {"processor": record.processor()}
    return tuple((name, str(then.get(name)), str(now[name])) for name in now if then.get(name) != now[name])


def _inputs_again(
    held: dict[str, Any], plan: dict[str, Any], book: Book | Path | str | None, market: Market | Path | str | None, faults: list[Fault]
) -> Inputs | None:
    """Everything that the run was made from; None with faults if it is not there any more as it was."""
    from stresslab.rating import Scale

    then = book_again(held, book, faults)
    weather = market_again(held, then, market, faults) if then is not None else None
    if then is None or weather is None or not plan:
        return None
    try:
        scenarios = [Scenario.model_validate(told) for told in held["scenarios"]]
        scale, limits = Scale.model_validate_json(json.dumps(plan["scale"])), Limits.model_validate_json(json.dumps(plan["limits"]))
        resolved = [replace(resolve(then, weather, one), sampling=held["sampling"]) for one in scenarios]
    except ValidationError as error:
        rule = f"holds a scenario, scale or limits that this version refuses ({error.errors()[0]['msg']})"
        faults.append(Fault(record.PLAN, rule, "verify it with the version that made it"))
        return None
    except InputError as error:
        faults.extend(error.faults)
        return None
    return Inputs(then, weather, scenarios, scale, limits, resolved)


class _Again:
    """Blocks run again, each compared with the rows of the run as it comes, so that memory holds a block and not a run."""

    def __init__(self, folder: Path, held: dict[str, Any], resolved: list[Resolved], found: list[Difference]) -> None:
        self.folder, self.resolved, self.found, self.paths = folder, resolved, found, int(held["paths"])
        self.per_path = {name: [_rows_of_path(name, r) for r in resolved] for name in BY_PATH}
        self.sums: list[engine.Block | None] = [None] * len(resolved)
        self.done_paths = [0] * len(resolved)
        self.files: dict[str, pq.ParquetFile] = {}
        for name in (*BY_PATH, *SUMMED):
            self._open(name)

    def _open(self, name: str) -> None:
        """A table of the run, if its columns and number of rows are those of this run."""
        file = f"{name}.parquet"
        if not (self.folder / file).is_file():
            if not any(d.file == file for d in self.found):
                self.found.append(Difference(file, "gone"))
            return
        try:
            held = pq.ParquetFile(self.folder / file, page_checksum_verification=True)
        except (OSError, ValueError, pa.ArrowException):
            self.found.append(Difference(file, "unreadable"))
            return
        wanted = glossary.schema(name)
        for one in wanted:
            at = held.schema_arrow.get_field_index(one.name)
            then = None if at < 0 else held.schema_arrow.field(at).type
            if then != one.type:
                self.found.append(Difference(file, "shape", column=one.name, run=None if then is None else str(then), now=str(one.type)))
        rows = sum(self.per_path[name]) * self.paths if name in BY_PATH else sum(_rows_of_sums(name, r) for r in self.resolved)
        if held.metadata.num_rows != rows:
            self.found.append(Difference(file, "shape", column="rows", run=held.metadata.num_rows, now=rows))
        if not any(d.file == file and d.kind in ("shape", "unreadable") for d in self.found):
            self.files[name] = held

    def run(
        self, tasks: Sequence[farm.Task], workers: int, scheduler: str | None, parts: int, progress: Progress | None
    ) -> None:
        """Run tasks and compare; then the sums."""
        seed, total, finished = Run(self.folder).record["seed"], _paths_of(tasks), 0
        by_task: dict[farm.Task, list[Difference]] = {}

        def done(task: farm.Task, block: engine.Block) -> None:
            nonlocal finished
            by_task[task] = list(self._compare(task, block))
            finished += task[2] - task[1]
            if progress is not None:
                progress(finished, total)

        farm.run_tasks(self.resolved, seed, tasks, done, workers=workers, scheduler=scheduler, parts=parts)
        # Blocks come in any order; the first difference told is that of the first block.
        cells = [d for task in sorted(by_task) for d in by_task[task]]
        order = {f"{name}.parquet": at for at, name in enumerate(BY_PATH)}
        self.found += sorted(cells, key=lambda d: order[d.file])[:ENOUGH]
        for name in SUMMED:
            if name in self.files:
                self.found += list(self._compare_sums(name))[:ENOUGH]
        if not self.found:
            self.found += list(self._totals())[:ENOUGH]

    def _compare(self, task: farm.Task, block: engine.Block) -> Iterator[Difference]:
        at, start, stop = task
        before = self.sums[at]
        if before is not None:
            both = [{c: getattr(before, part)[c] + v for c, v in getattr(block, part).items()} for part in ("accounts", "instruments")]
            self.sums[at] = replace(block, accounts=both[0], instruments=both[1])
        else:
            self.sums[at] = block
        self.done_paths[at] += stop - start
        made = engine.tables(self.resolved[at], [block])
        for name in BY_PATH:
            if name in self.files:
                rows = self.per_path[name]
                first = sum(rows[:at]) * self.paths + start * rows[at]
                yield from self._cells(name, made[name], first)

    def _cells(self, name: str, made: pa.Table, first: int) -> Iterator[Difference]:
        file = f"{name}.parquet"
        try:
            held = rows_of(self.files[name], first, made.num_rows).select(made.column_names)
        except (OSError, ValueError, pa.ArrowException):
            yield Difference(file, "unreadable")
            return
        yield from cells(file, made, held)

    def _compare_sums(self, name: str) -> Iterator[Difference]:
        """Sums over all paths: exact where all were run again, else what was run again may not be more (M-236)."""
        file, first = f"{name}.parquet", 0
        for at, resolved in enumerate(self.resolved):
            rows = _rows_of_sums(name, resolved)
            block = self.sums[at]
            if block is not None:
                made = engine.tables(resolved, [block])[name]
                done = self.done_paths[at]
                made = made.set_column(made.column_names.index("paths"), "paths", pa.array(np.full(rows, self.paths), pa.int64()))
                try:
                    held = rows_of(self.files[name], first, rows).select(made.column_names)
                except (OSError, ValueError, pa.ArrowException):
                    yield Difference(file, "unreadable")
                    return
                yield from cells(file, made, held) if done == self.paths else _bounds(file, made, held, self.paths - done)
            first += rows

    def _totals(self) -> Iterator[Difference]:
        """What tables of sums add up to must be what single paths add up to, over all of them (M-237)."""
        outcomes = self.files["outcomes"].read(["scenario", "platform_id", *sorted({t[2] for t in TOTALS})])
        for name, column, other, by_platform in TOTALS:
            if name not in self.files:  # a run of an earlier version
                continue
            keys = ["scenario", "platform_id"] if by_platform else ["scenario"]
            summed = self.files[name].read([*keys, column])
            a = _added(summed, keys, column)
            b = _added(outcomes, keys, other)
            for key in b:
                if a.get(key, 0) != b[key]:
                    row = dict(zip(keys[1:], key[1:], strict=True))
                    yield Difference(f"{name}.parquet", "total", str(key[0]), None, row, column, a.get(key, 0), b[key])


def _added(table: pa.Table, keys: list[str], column: str) -> dict[tuple[str, ...], int]:
    grouped = table.group_by(keys).aggregate([(column, "sum")])
    named = zip(*(grouped[k].to_pylist() for k in keys), strict=True)
    return {key: int(total or 0) for key, total in zip(named, grouped[f"{column}_sum"].to_pylist(), strict=True)}


def _rows_of_path(name: str, resolved: Resolved) -> int:
    platforms, days = len(resolved.platform_ids), resolved.facts.terms.calendar.size - 1
    return {"outcomes": platforms, "days": platforms * days, "sectors": len(resolved.sector_ids)}[name]


def _rows_of_sums(name: str, resolved: Resolved) -> int:
    days = resolved.facts.terms.calendar.size - 1
    if name == "investors":
        return int(engine.investor_cells(resolved)[2].size)
    return {"accounts": len(resolved.account_ids), "instruments": days * len(resolved.instrument_ids)}[name]


def rows_of(file: pq.ParquetFile, first: int, count: int) -> pa.Table:
    """Rows first..first + count − 1 of a Parquet file, from the groups of rows that hold them."""
    sizes = [file.metadata.row_group(at).num_rows for at in range(file.metadata.num_row_groups)]
    ends = list(accumulate(sizes))
    groups = [at for at, end in enumerate(ends) if end > first and end - sizes[at] < first + count]
    if not groups:
        return file.schema_arrow.empty_table()
    return file.read_row_groups(groups).slice(first - (ends[groups[0]] - sizes[groups[0]]), count)


def cells(file: str, made: pa.Table, held: pa.Table, columns: Sequence[str] = ()) -> Iterator[Difference]:
    """Cells of some columns (by default all) in which two tables of as many rows differ, row by row; type and null count as well."""
    wrong: list[tuple[int, int]] = []
    for at, name in enumerate(made.column_names):
        if columns and name not in columns:
            continue
        mine, theirs = made[name].combine_chunks(), held[name].combine_chunks()
        if not mine.equals(theirs):
            a, b = mine.to_pylist(), theirs.to_pylist()
            wrong += [(row, at) for row, (x, y) in enumerate(zip(a, b, strict=True)) if not _same(x, y)][:ENOUGH]
    for row, at in sorted(wrong)[:ENOUGH]:
        yield _difference(file, "cell", made, held, row, made.column_names[at])


def _same(x: Any, y: Any) -> bool:
    return bool(type(x) is type(y) and (x == y or (x != x and y != y)))


def _difference(file: str, kind: str, made: pa.Table, held: pa.Table, row: int, column: str) -> Difference:
    table = file.removesuffix(".parquet")
    keys = [m.name for m in glossary.OUTPUTS[table] if (m.unit in ("id", "day") or m.name == "path") and m.name in _KEYS]
    key = {name: made[name][row].as_py() for name in keys}
    scenario, path = key.pop("scenario", None), key.pop("path", None)
    return Difference(file, kind, scenario, path, key, column, held[column][row].as_py(), made[column][row].as_py())


_KEYS = (
    "scenario", "path", "platform_id", "day", "account_id", "instrument_id", "sector", "measure", "statistic", "from_grade", "to_grade",
    "first", "second", "event", "method", "role", "investor_type",
)


def _bounds(file: str, made: pa.Table, held: pa.Table, left: int) -> Iterator[Difference]:
    """Sums of a part of the paths: keys and number of paths are equal, no sum is more than that of all (M-236)."""
    counts = ("forced", "in_deficit")
    for name in made.column_names:
        mine, theirs = made[name].combine_chunks(), held[name].combine_chunks()
        if pa.types.is_string(mine.type) or name in ("paths", "day", "accounts_with_debt"):
            yield from cells(file, made, held, [name])
            continue
        bad = pc.less(theirs, mine)
        if name in counts:  # each path adds at most 1 for each account
            accounts = made["accounts_with_debt"].combine_chunks() if "accounts_with_debt" in made.column_names else 1
            bad = pc.or_(bad, pc.greater(theirs, pc.add(mine, pc.multiply(accounts, left))))
        for row in np.flatnonzero(pc.fill_null(bad, True).to_numpy(zero_copy_only=False))[:1]:
            yield _difference(file, "sum", made, held, int(row), name)


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder of its own with the simulator's tables of a run in it."""
    with tempfile.TemporaryDirectory(prefix="stresslab-verify-") as name:
        place = Path(name)
        for table in (*BY_PATH, *SUMMED, "tail"):
            source = (folder / f"{table}.parquet").resolve()
            if source.is_file():
                (place / source.name).symlink_to(source)
        yield place


def _tail_again(
    folder: Path, held: dict[str, Any], resolved: list[Resolved], workers: int, scheduler: str | None, found: list[Difference]
) -> None:
    """Rare events once more."""
    from stresslab.tail import Request
    from stresslab.tail.event import read_event

    told = held["tail"]
    events = tuple(e for text in told["events"] if (e := read_event(text, [])) is not None)
    request = Request(events, told["platform"], told["target_error"], told["paths"])
    plain = [replace(one, sampling="plain") for one in resolved]
    with tempfile.TemporaryDirectory(prefix="stresslab-verify-") as name:
        ask_tail_of(record.RunFolder(Path(name)), request, plain, held["seed"], {"workers": workers, "scheduler": scheduler, "share": None})
        _tables_again(folder, Path(name), ("tail", "tail_paths"), found)


def _judge_again(
    folder: Path, held: dict[str, Any], plan: dict[str, Any], given: Inputs, versions: Sequence[Any], found: list[Difference]
) -> None:
    """Record, estimates, grades and report made anew from tables that agree, and compared."""
    described = {name: value for name, value in held.items() if name not in ("machine", "outputs")}
    rating = json.loads((folder / "rating.json").read_text(encoding="utf-8"))
    # Files of a scale and of limits are not kept, only what they say; of their bytes the digest is all that is known.
    given.scale._digest = str(rating["scale"]["digest"])
    given.limits._digest = str(held["limits"].get("digest", ""))
    anew = json.loads(json.dumps(describe(plan, given)))
    for name, value in anew.items():
        if described.get(name) != value:
            found.append(Difference(record.RECORD, "record", column=name, run=_short(described.get(name)), now=_short(value)))
    if found:
        return  # what is judged stands in the record
    with _beside(folder) as place:
        judge(record.RunFolder(place), described, given.scale)
        _tables_again(folder, place, JUDGED, found)
        if json.loads((place / "rating.json").read_text(encoding="utf-8")) != rating:
            found.append(Difference("rating.json", "judgement"))
        # Pictures and words of a page may change with the version of any package; its figures are those of the tables.
        page = "report.html"
        if not versions and (folder / page).read_bytes() != (place / page).read_bytes():
            found.append(Difference(page, "judgement"))


def _tables_again(folder: Path, place: Path, names: Sequence[str], found: list[Difference]) -> None:
    for name in names:
        file = f"{name}.parquet"
        mine, theirs = record.read_table(place / file), record.read_table(folder / file)
        if mine is None or theirs is None:
            found.append(Difference(file, "gone" if theirs is None else "judgement"))
        elif mine.column_names != theirs.column_names or mine.num_rows != theirs.num_rows:
            found.append(Difference(file, "shape", column="rows", run=theirs.num_rows, now=mine.num_rows))
        else:
            found += list(cells(file, mine, theirs))


