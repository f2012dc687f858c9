"""The verbs of the command line as library calls: run, rate, check, init, demo. Each conducts rooms and computes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stresslab import engine, farm, kernels, record
from stresslab.book import Book, demo_book, notes, read_book, write_book
from stresslab.book.profile import book_facts, platform_facts
from stresslab.faults import Fault, InputError
from stresslab.market import Market, read_market, shipped_market, write_market
from stresslab.resolve import Resolved, line_available, resolve
from stresslab.scenario import Scenario, read_scenario, read_scenarios, resolved as resolved_scenario

if TYPE_CHECKING:
    import pandas as pd

#: The scenarios of the demo, in the order of its report.
DEMO_SCENARIOS = ("baseline", "crash-20", "crash-40", "crash-60", "rates-up-200bp", "redemption-20", "redemption-30", "severe")
DEMO_PATHS = 200

Progress = Callable[[int, int], None]
_TABLES = ("outcomes", "days", "accounts", "instruments", "estimates")


@dataclass(frozen=True)
class Run:
    """A finished run in its folder. Tables are read when asked for."""

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was run: inputs, digests, versions."""
        return record.RunFolder(self.folder).read_record()

    def table(self, name: str) -> pd.DataFrame:
        """One output table: outcomes, days, accounts, instruments or estimates."""
        import pandas as pd

        return pd.read_parquet(self.folder / f"{name}.parquet")

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row per scenario, path and platform."""
        return self.table("outcomes")

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """Figures over paths, each with its sampling error."""
        return self.table("estimates")

    @cached_property
    def rating(self) -> dict[str, Any]:
        """The grades with their reasons."""
        import json

        held: dict[str, Any] = json.loads((self.folder / "rating.json").read_text(encoding="utf-8"))
        return held


def run(
    book: Book | Path | str,
    scenarios: Sequence[Scenario | Path | str],
    *,
    paths: int,
    seed: int,
    out: Path | str,
    market: Market | Path | str | None = None,
    workers: int = 0,
    scheduler: str | None = None,
    block_paths: int = farm.BLOCK_PATHS,
    scale: Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Run scenarios on a book and write the run's folder; a killed run goes on where it stopped.

    ``market`` is by default the book's own ``market.toml``. ``workers`` > 0 starts local processes,
    ``scheduler`` uses a Dask cluster, by default threads of this process do the work. Raises :class:`InputError`
    with every fault of the inputs before anything is written.
    """
    from stresslab.rating import read_scale

    started, clock = record.now(), time.perf_counter()
    book, read, market = _inputs(book, scenarios, market, paths, seed, block_paths)
    scale_read = read_scale(scale)
    resolved = _resolve_all(book, market, read)
    plan = _plan(book, market, read, paths, seed, scale_read.model_dump(mode="json"))
    folder = record.RunFolder(Path(out))
    if folder.open(plan):
        return Run(folder.path)
    seconds = {"inputs": time.perf_counter() - clock}
    clock = time.perf_counter()
    blocks = _run_blocks(folder, resolved, seed, paths, block_paths, workers, scheduler, progress)
    seconds["paths"] = time.perf_counter() - clock
    clock = time.perf_counter()
    made = [engine.tables(r, found) for r, found in zip(resolved, blocks, strict=True)]
    for name in ("outcomes", "days", "accounts", "instruments"):
        record.write_table(folder.path / f"{name}.parquet", pa.concat_tables([m[name] for m in made]))
    seconds["tables"] = time.perf_counter() - clock
    clock = time.perf_counter()
    described = _describe(plan, book, market, read)
    _judge(folder, described, scale)
    seconds["judgement"] = time.perf_counter() - clock
    described["outputs"] = folder.outputs()
    described["machine"] = record.machine(started, seconds)
    folder.drop_blocks()
    record.write_json(folder.path / record.RECORD, described)
    return Run(folder.path)


def rate(folder: Path | str, *, scale: Path | None = None) -> dict[str, Any]:
    """The grades of a finished run under a scale, by default the provisional one that ships; writes nothing."""
    from stresslab.rating import rate as grade_run
    from stresslab.rating import read_scale

    held = Run(Path(folder))
    return grade_run(held.record, held.outcomes, read_scale(scale))


def check(
    book: Path | str | None = None, scenarios: Sequence[Path | str] = (), market: Path | str | None = None
) -> list[str]:
    """What a careful reader should know about sound inputs; raises :class:`InputError` with every fault of unsound ones."""
    said: list[str] = []
    faults: list[Fault] = []
    read: list[Scenario] = []
    held = _collect(faults, lambda: read_book(book)) if book is not None else None
    for path in scenarios:
        found = _collect(faults, lambda path=path: read_scenario(path))  # type: ignore[misc]
        if found is not None:
            read.append(found)
            said.append(f"scenario {found.id}: {found.title} / {found.title_zh}, {found.days} trading days")
    where = market or (Path(book) / "market.toml" if book is not None else None)
    observed = _collect(faults, lambda: read_market(where)) if where is not None else None
    if held is not None:
        t = held.tables
        said.insert(0, f"book {held.title!r} of {held.as_of}: {len(t['platforms'])} platforms, {len(t['accounts'])} accounts, {len(t['positions'])} positions, {len(t['instruments'])} instruments; it balances")
        said += notes(t)
    if held is not None and observed is not None and not faults:
        for scenario in read or [read_scenario("baseline")]:
            _collect(faults, lambda scenario=scenario: resolve(held, observed, scenario))  # type: ignore[misc]
    if faults:
        raise InputError(faults)
    return said


def init(folder: Path | str, *, accounts: int = 20_000, seed: int = 1) -> Book:
    """Write the demo book with its market as CSV and TOML into an empty folder, to edit."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError([Fault(str(folder), "this folder is not empty", "give a new one")])
    book = demo_book(accounts, seed)
    write_book(book, folder)
    write_market(shipped_market(), folder / "market.toml")
    return book


def demo(
    out: Path | str = "stresslab-demo", *, paths: int = DEMO_PATHS, workers: int = 0, progress: Progress | None = None
) -> Run:
    """Run the demo: a real index, a synthetic book, eight scenarios; replaces an earlier demo in the same folder."""
    record.RunFolder(Path(out)).clear()
    return run(demo_book(), list(DEMO_SCENARIOS), market=shipped_market(), paths=paths, seed=1, out=out, workers=workers, progress=progress)


def _inputs(
    book: Book | Path | str, scenarios: Sequence[Scenario | Path | str], market: Market | Path | str | None,
    paths: int, seed: int, block_paths: int,
) -> tuple[Book, list[Scenario], Market]:
    faults: list[Fault] = []
    for name, value, low, high in (("paths", paths, 1, 10_000_000), ("seed", seed, 0, 2**63 - 1), ("block_paths", block_paths, 1, 10_000_000)):
        if not low <= value <= high:
            faults.append(Fault("options", f"{name} must lie between {low} and {high}", "give another value", None, name, str(value)))
    if not scenarios:
        faults.append(Fault("options", "at least one scenario must be given", "add --scenario FILE", None, "scenario"))
    held = book if isinstance(book, Book) else _collect(faults, lambda: read_book(book))
    given = [s for s in scenarios if isinstance(s, Scenario)]
    files = _collect(faults, lambda: read_scenarios([s for s in scenarios if not isinstance(s, Scenario)]))
    if market is None and not isinstance(book, Book):
        market = Path(book) / "market.toml"
    if market is None:
        market = shipped_market()
    where = market
    observed = where if isinstance(where, Market) else _collect(faults, lambda: read_market(where))
    if faults or held is None or files is None or observed is None:
        raise InputError(faults)
    return held, given + files, observed


def _collect(faults: list[Fault], read: Callable[[], Any]) -> Any:
    try:
        return read()
    except InputError as error:
        faults.extend(error.faults)
        return None


def _resolve_all(book: Book, market: Market, scenarios: list[Scenario]) -> list[Resolved]:
    faults: list[Fault] = []
    found = [_collect(faults, lambda s=s: resolve(book, market, s)) for s in scenarios]  # type: ignore[misc]
    if faults:
        raise InputError(list(dict.fromkeys(faults)))
    return found


def _plan(book: Book, market: Market, scenarios: list[Scenario], paths: int, seed: int, scale: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": record.FORMAT,
        "stresslab": record.versions()["stresslab"],
        "seed": seed,
        "paths": paths,
        "book": {"digest": book.digest, "files": book.digests},
        "market": market.model_dump(mode="json"),
        "scenarios": [resolved_scenario(s) for s in scenarios],
        "scale": scale,
        "kernels": kernels.sources_digest(),
        "versions": record.versions(),
    }


def _describe(plan: dict[str, Any], book: Book, market: Market, scenarios: list[Scenario]) -> dict[str, Any]:
    factor = market.market
    return {
        "format": plan["format"],
        "stresslab": plan["stresslab"],
        "seed": plan["seed"],
        "paths": plan["paths"],
        "book": book_facts(book) | {"digest": book.digest},
        "market": {
            "title": market.title, "source": market.source, "digest": market.digest, "index": factor.index, "model": factor.model,
            "volatility_pct": factor.volatility_pct, "volatility_error_pct": factor.volatility_error_pct, "drift_pct": factor.drift_pct,
        },
        "scenarios": plan["scenarios"],
        "platforms": platform_facts(book, line_available(book.tables["platforms"], book.as_of)),
        "kernels": plan["kernels"],
        "versions": plan["versions"],
        "inputs": book.digests,
    }


def _run_blocks(
    folder: record.RunFolder, resolved: list[Resolved], seed: int, paths: int, block_paths: int,
    workers: int, scheduler: str | None, progress: Progress | None,
) -> list[list[engine.Block]]:
    found: list[list[engine.Block]] = [[] for _ in resolved]
    waiting: list[farm.Task] = []
    for task in farm.plan_blocks(len(resolved), paths, block_paths):
        held = folder.load_block(resolved[task[0]].scenario, task[1], task[2])
        if held is None:
            waiting.append(task)
        else:
            found[task[0]].append(engine.unpack(task[1], task[2], held))
    finished = len(resolved) * paths - sum(stop - start for _, start, stop in waiting)

    def done(task: farm.Task, block: engine.Block) -> None:
        nonlocal finished
        folder.save_block(resolved[task[0]].scenario, task[1], task[2], engine.pack(block))
        found[task[0]].append(block)
        finished += task[2] - task[1]
        if progress is not None:
            progress(finished, len(resolved) * paths)

    if progress is not None:
        progress(finished, len(resolved) * paths)
    farm.run_tasks(resolved, seed, waiting, done, workers=workers, scheduler=scheduler)
    return found


def _judge(folder: record.RunFolder, described: dict[str, Any], scale: Path | None) -> None:
    """Estimates, grades and report, from what the run wrote and nothing else."""
    import pandas as pd

    from stresslab import glossary
    from stresslab.estimate import estimate
    from stresslab.rating import rate as grade_run
    from stresslab.rating import read_scale
    from stresslab.report import RunTables, write_html

    held = {name: pd.read_parquet(folder.path / f"{name}.parquet") for name in ("outcomes", "days", "accounts", "instruments")}
    estimates = estimate(held["outcomes"], held["days"])
    record.write_table(folder.path / "estimates.parquet", pa.Table.from_pandas(estimates, glossary.schema("estimates"), preserve_index=False))
    rating = grade_run(described, held["outcomes"], read_scale(scale))
    record.write_json(folder.path / "rating.json", rating)
    page = write_html(RunTables(record=described, estimates=estimates, rating=rating, **held))
    record.write_bytes(folder.path / "report.html", page.encode())
