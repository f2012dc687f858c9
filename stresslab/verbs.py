"""The verbs of the command line as library calls, run, replay, rate and so on: each conducts rooms and computes nothing."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from stresslab import engine, episodes, farm, kernels, record
from stresslab.book import Book, demo_book, read_book, write_book
from stresslab.book.in_parts import write_demo
from stresslab.book.profile import book_facts, platform_facts
from stresslab.book.standing import standing
from stresslab.contract import FALLS
from stresslab.faults import Fault, InputError, close_to, nearest
from stresslab.inputs import (
    DEMO,
    Inputs,
    book_again,
    collect,
    market_again,
    option_faults,
    place_of,
    place_of_market,
    read_inputs,
    resolve_all,
)
from stresslab.limits import read_limits
from stresslab.market import Market, read_market, shipped_market, write_market
from stresslab.pool import LookThrough, Rules, read_rules
from stresslab.pool import look_through as through
from stresslab.resolve import Resolved, line_available, resolve, sampled
from stresslab.sampling import Sampling, sampling_faults
from stresslab.scenario import Scenario
from stresslab.scenario import resolved as resolved_scenario

if TYPE_CHECKING:
    import pandas as pd

    from stresslab.book.terms import ContractSheet
    from stresslab.breaking_point import Breaking
    from stresslab.history import History
    from stresslab.history.splits import Splits
    from stresslab.ledger import Replay
    from stresslab.market.calibrate import Calibration, Short
    from stresslab.market.rate_fit import RateAsked
    from stresslab.rating import Scale
    from stresslab.tail import Request, Weighted

#: The scenarios of the demo, in the order of its report.
DEMO_SCENARIOS = ("baseline", "crash-20", "crash-40", "crash-60", "rates-up-200bp", "redemption-20", "redemption-30", "severe")
DEMO_PATHS = 200

Progress = Callable[[int, int], None]
#: What simulation writes, and judgement reads.
_TABLES = ("outcomes", "days", "accounts", "investors", "instruments", "sectors")


@dataclass(frozen=True)
class Run:
    """A finished run in its folder. Tables are read when asked for."""

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was run: inputs, digests, versions."""
        return record.RunFolder(self.folder).read_record()

    def table(self, name: str) -> pd.DataFrame:
        """One output table: outcomes, days, accounts, instruments, sectors or estimates."""
        return record.table_of(self.folder, name, self.record)

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
        return record.grades_of(self.folder)


def _unreadable(table: Path) -> Fault:
    return Fault(str(table), "this table of the run cannot be read", "run it again into another folder")


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
    parts: int = 0,
    block_paths: int = farm.BLOCK_PATHS,
    sampling: str = Sampling.PLAIN,
    scale: Path | None = None,
    limits: Path | None = None,
    progress: Progress | None = None,
    tail: Sequence[str] = (),
    tail_platform: str | None = None,
    tail_target_error: str = "10%",
    tail_paths: int = 100_000,
    share: str | None = None,
    memory_gib: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Run:
    """Run scenarios on a book and write the run's folder; a killed run goes on where it stopped.

    ``market`` is by default the book's own ``market.toml``. ``workers`` > 0 starts local processes,
    ``scheduler`` uses a Dask cluster, by default threads of this process do the work. ``parts`` > 0 cuts the book by accounts,
    so that each worker holds some of them; with 0 that is done only if the book does not fit into the memory of a worker, by default
    what there is, else ``memory_gib``. ``share`` is a folder or URL in which the workers of a cluster find the resolved book, by default
    the run's own folder. None of these changes a byte; how the work was cut, and why, stands in the record, and ``say`` hears it.

    ``sampling`` says how paths are drawn: ``plain`` (each by itself), ``antithetic`` (in mirrored pairs) or ``sobol`` (16 sets of evenly
    spread points, so 16 × 2^k paths); errors and intervals follow it (M-64).

    ``tail`` names rare events, such as ``failure`` or ``deficit >= 5000000 yuan``, whose probabilities are estimated for
    ``tail_platform``, by default for each, with a relative standard error of ``tail_target_error`` and at most ``tail_paths``
    paths of a method; they stand in ``tail.parquet``. Raises :class:`InputError`
    with every fault of the inputs before anything is written.
    """
    from stresslab.tail import read_request

    whence = {"book": place_of(book.folder if isinstance(book, Book) else book), "market": place_of_market(market)}
    faults: list[Fault] = []
    request = read_request(tail, tail_platform, tail_target_error, tail_paths, faults)
    return _run(
        book, scenarios, market, paths, seed, Path(out), whence, workers, scheduler, parts, block_paths, scale, limits, progress, request,
        faults, sampling, crew=farm.Spread(share, memory_gib, say))


def _run(
    book: Book | Path | str, scenarios: Sequence[Scenario | Path | str], market: Market | Path | str | None, paths: int, seed: int,
    out: Path, whence: dict[str, str | None], workers: int, scheduler: str | None, parts: int, block_paths: int, scale: Path | None,
    limits: Path | None, progress: Progress | None, request: Request | None = None, faults: Sequence[Fault] = (),
    sampling: str = Sampling.PLAIN, anew: bool = False, crew: farm.Spread | None = None,
) -> Run:
    """:func:`run`, with the word on where its inputs lie, for a later replay."""
    started, clock = record.now(), time.perf_counter()
    wrong = [*option_faults(scheduler, paths=paths, seed=seed, block_paths=block_paths, workers=workers, parts=parts), *faults]
    # What is said of a number that is no number of paths at all is enough.
    wrong += [] if any(f.column == "paths" for f in wrong) else sampling_faults(sampling, paths)
    given = read_inputs(book, scenarios, market, scale, limits, wrong, request, in_parts=True)
    resolved = sampled(given.resolved, sampling)
    plan = plan_of(given, paths, seed) | {"sampling": str(sampling)}
    if request is not None:
        plan["tail"] = request.plan()
    seconds = {"inputs": time.perf_counter() - clock}
    folder = record.RunFolder(out)
    crew = farm.Spread() if crew is None else crew
    options = crew.options(out, scheduler) | {"workers": workers, "scheduler": scheduler, "parts": parts}
    if request is not None and scheduler is None:
        from stresslab.tail import beside

        farm.room_for_whole_paths(given.resolved, workers, options["memory"], max(map(beside, given.resolved)))
    if request is not None and parts:
        crew.say("rare events: each path runs through the whole book, as --parts cuts the run's own paths alone")
    run_blocks = partial(_run_blocks, folder, resolved, seed, paths, block_paths, progress, options)
    ask_tail = None if request is None else partial(ask_tail_of, folder, request, given.resolved, seed, options)
    with folder.taken(plan, anew) as finished:
        if not finished:
            described = _fill(folder, plan, given, resolved, run_blocks, ask_tail, seconds)
            machine = record.machine(started, seconds, whence) | ({"cut": crew.cut} if crew.cut else {})
            record.write_json(folder.path / record.RECORD, record.sealed(described, machine))
            folder.drop_blocks()
    return Run(folder.path)


def _fill(
    folder: record.RunFolder, plan: dict[str, Any], given: Inputs, resolved: list[Resolved],
    run_blocks: Callable[[], list[list[engine.Block]]], ask_tail: Callable[[], None] | None, seconds: dict[str, float],
) -> dict[str, Any]:
    """Write everything of a run but its record, and return what the record says; ``seconds`` takes how long the parts took."""
    clock = time.perf_counter()
    blocks = run_blocks()
    seconds["paths"] = time.perf_counter() - clock
    clock = time.perf_counter()
    made = [engine.tables(r, found) for r, found in zip(resolved, blocks, strict=True)]
    for name in _TABLES:
        record.write_table(folder.path / f"{name}.parquet", pa.concat_tables([m[name] for m in made]))
    seconds["tables"] = time.perf_counter() - clock
    clock = time.perf_counter()
    described = describe(plan, given)
    if ask_tail is not None:
        ask_tail()
        described["tail"] = plan["tail"]
        seconds["tail"] = time.perf_counter() - clock
        clock = time.perf_counter()
    judge(folder, described, given.scale)
    seconds["judgement"] = time.perf_counter() - clock
    return described | {"outputs": folder.outputs()}


def replay(
    made: Run | Path | str, *, path: int, scenario: str | None = None, account: str | None = None,
    book: Book | Path | str | None = None, market: Market | Path | str | None = None, event: str | None = None,
    platform: str | None = None,
) -> Replay:
    """One path of a finished run again, with every event of it, or with those that concern one account; writes nothing.

    Paths from 2**31 on are the weighted ones of a rare event (M-287); where a run was asked for several, ``event`` and ``platform`` name
    one. Such a path must have the likelihood ratio that the run wrote, and meet the event or not as there.

    The inputs are read again from where the run had them; ``book`` and ``market`` say where they lie now. Raises
    :class:`InputError` if they, or the program, are not those of the run, and ``retrace.Disagreement`` if the path does
    not end as the run says, in every column.
    """
    from stresslab.retrace import Disagreement, replay_of

    made = made if isinstance(made, Run) else Run(Path(made))
    with record.reading(made.folder):
        held = made.record
        if faults := _other_program(made):
            raise InputError(faults)
        rare = "tail" in held and type(path) is int and path >= 2**31
        chosen = _chosen(held, scenario, 0 if rare else path, faults)
        one = _weighted(made, chosen, path, event, platform, rare, faults)
        then = book_again(held, book, faults)
        weather = market_again(held, then, market, faults) if then is not None else None
        if then is None or weather is None or not chosen:
            raise InputError(faults)
        resolved = replace(
            resolve(then, weather, Scenario.model_validate(chosen)), sampling=Sampling.PLAIN if rare else held["sampling"])
        if account is not None and account not in resolved.account_ids:
            way_out = close_to(account, resolved.account_ids) or "the accounts stand in the book's table accounts"
            faults.append(Fault("options", "the book has no such account", way_out, None, "account", account))
        if faults:
            raise InputError(faults)
        if one is not None:
            batch, hit, log_ratio = one.draw(resolved)
            if said := one.differences(hit, log_ratio):
                raise Disagreement("; ".join(said))
            found = replay_of(
                resolved, one.seed, chosen, path, account, None, str(made.folder), lambda runner: one.place(runner, batch))
            return replace(found, weighted=one.told())
        place = made.folder / "outcomes.parquet"
        try:
            outcomes = pq.read_table(place, filters=[("scenario", "=", chosen["id"]), ("path", "=", path)])
        except (OSError, ValueError, pa.ArrowException) as error:
            raise InputError([_unreadable(place)]) from error
        return replay_of(resolved, held["seed"], chosen, path, account, outcomes, str(made.folder))


def _weighted(
    made: Run, chosen: dict[str, Any], path: int, event: str | None, platform: str | None, rare: bool, faults: list[Fault]
) -> Weighted | None:
    """The weighted path of a run that is asked for; None where none is, or with faults."""
    from stresslab.tail import weighted_path

    if not rare:
        named = [(option, given) for option, given in (("event", event), ("platform", platform)) if given is not None]
        rule, way_out = "belongs to a weighted path", "leave it out, or give a path from 2147483648 on of a run with --tail"
        faults += [Fault("options", rule, way_out, None, option, given) for option, given in named]
        return None
    if not chosen:
        return None
    return weighted_path(made.table("tail"), made.table("tail_paths"), chosen["id"], path, event, platform, faults)


def rate(folder: Path | str, *, scale: Path | None = None) -> dict[str, Any]:
    """The grades of a finished run under a scale, by default the provisional one that ships; writes nothing."""
    from stresslab.rating import rate as grade_run
    from stresslab.rating import read_scale

    held, by = Run(Path(folder)), read_scale(scale)
    with record.reading(held.folder):
        return grade_run(held.record, held.outcomes, by)


def reverse(
    book: Book | Path | str, scenario: Scenario | Path | str, *, until: str, vary: Sequence[str], paths: int = 200, seed: int = 1,
    platforms: Sequence[str] = (), market: Market | Path | str | None = None, out: Path | str | None = None, workers: int = 0,
    scheduler: str | None = None, parts: int = 0, progress: Progress | None = None,
) -> Breaking:
    """The mildest setting of one or two numbers of a scenario that brings platforms to a stated figure (M-93 to M-95).

    ``until`` is a goal like ``failure_probability >= 5%``, ``vary`` one or two dials like ``market.crash.depth_pct=10:60``;
    with two, the first is solved for several settings of the second. ``platforms`` are by default all of the book. With ``out``
    every point that was run is kept there, so that a killed search goes on where it stopped, and ``reverse.json`` says what was
    found. Raises :class:`InputError` with every fault before anything is run.
    """
    from stresslab.breaking_point import break_it, read_dial, read_goal
    from stresslab.report.breaking import as_json

    faults = option_faults(scheduler, paths=paths, seed=seed, workers=workers, parts=parts)
    given = read_inputs(book, [scenario], market, None, None, faults)
    base = given.scenarios[0]
    goal = collect(faults, lambda: read_goal(until))
    dials = [collect(faults, lambda text=text: read_dial(text, base)) for text in vary]  # type: ignore[misc]
    known = given.resolved[0].platform_ids
    faults += [Fault("options", "is no platform of the book", nearest(p, known), None, "platform", p) for p in platforms if p not in known]
    if not 1 <= len(dials) <= 2 or len({text.partition("=")[0] for text in vary}) < len(dials):
        faults.append(Fault("options", "one or two different numbers are turned", "give --vary once or twice", None, "vary"))
    if faults:
        raise InputError(faults)
    folder = None if out is None else record.RunFolder(Path(out))
    done = 0

    def simulate(scenarios: Sequence[Scenario]) -> list[pd.DataFrame]:
        nonlocal done
        found: list[Fault] = []
        ready = resolve_all(given.book, given.market, list(scenarios), found)
        if found:
            raise InputError(found)
        made = outcomes_of(folder, ready, seed, paths, workers, scheduler, parts, done, progress)
        done += len(ready) * paths
        return made

    if folder is None:
        return break_it(base, goal, dials, simulate, platforms or known)
    with folder.taken(plan_of(given, paths, seed) | {"question": "reverse"}):
        found = break_it(base, goal, dials, simulate, platforms or known)
        record.write_json(folder.path / "reverse.json", as_json(found))
    return found


def write_report(
    folder: Path | str, *, language: Literal["zh", "en"] = "zh", kind: Literal["html", "pdf", "xlsx"] = "html",
    out: Path | str | None = None, against: Path | str | None = None, quarter: str | None = None,
    remediation: Path | None = None, totals: Path | None = None, reverse: Path | None = None, bands: bool = False,
    ranges: Path | None = None, progress: Progress | None = None,
) -> Path:
    """Write the quarterly report of a finished run and return its file, by default ``quarterly-LANGUAGE.KIND`` in the run's folder.

    ``against`` is the folder of last quarter's run: the change since is split into model, book, market and scenario (M-220), for which
    the cases between are run on the same paths. ``remediation`` is a TOML file, ``totals`` a CSV of ledger and custodian, ``reverse`` the
    folder of a search. ``bands`` puts the parameter band beside every figure (M-298): the scenarios are run again on few paths with each
    parameter moved by its standard error or over its range of ``ranges``, by default the shipped file. Raises :class:`InputError` with
    every fault before anything is written. The same input gives the same bytes.
    """
    from stresslab import quarterly
    from stresslab.plausible import read_ranges
    from stresslab.report import read_run

    folder, faults = Path(folder), list[Fault]()
    runs = [folder, *([] if against is None else [Path(against)])]
    with record.reading(*runs):
        for one in runs:
            record.RunFolder(one).read_record()
        held = read_run(folder)
        place = folder / f"quarterly-{language}.{kind}" if out is None else Path(out)
        if place.is_dir():
            faults.append(Fault("options", "is a folder", "give the name of a file", None, "out", str(place)))
        given = quarterly.quarter_given(held, folder, quarter, remediation, totals, reverse, faults)
        if against is not None:
            faults += _other_program(Run(folder))
        if bands or ranges is not None:
            stated = collect(faults, lambda: read_ranges(ranges))
            faults += _other_program(Run(folder)) if against is None else []
        if faults or given is None:
            raise InputError(faults)
        if (bands or ranges is not None) and stated is not None:
            given = replace(given, bands=quarterly.bands(folder, stated, _case_of, progress))
        if against is not None:
            given = replace(given, against=quarterly.against(folder, Path(against), _case_of(progress)))
        record.write_bytes(place, quarterly.write(held, given, language, kind))
        return place


def _case_of(progress: Progress | None) -> Callable[[Book, Market, Sequence[Scenario], dict[str, Any], Path], pd.DataFrame]:
    """A case between two quarters, run as any run is, in a folder of its own."""

    def simulate(book: Book, market: Market, scenarios: Sequence[Scenario], like: dict[str, Any], out: Path) -> pd.DataFrame:
        whence = {"book": place_of(book.folder), "market": place_of_market(market)}
        made = _run(
            book, scenarios, market, like["paths"], like["seed"], out, whence, 0, None, 0, farm.BLOCK_PATHS, None, None, progress,
            sampling=like["sampling"])
        return made.outcomes

    return simulate


def outcomes_of(
    folder: record.RunFolder | None, resolved: list[Resolved], seed: int, paths: int, workers: int, scheduler: str | None, parts: int,
    before: int, progress: Progress | None,
) -> list[pd.DataFrame]:
    """The outcomes of some scenarios, from the folder where they are there; what is run is kept in it."""
    places = [None if folder is None else folder.path / "points" / f"{r.scenario}.parquet" for r in resolved]
    tables: list[Any] = [None if place is None else record.read_table(place) for place in places]
    missing = [at for at, table in enumerate(tables) if table is None]
    found: dict[int, list[engine.Block]] = {at: [] for at in missing}
    finished = before + (len(resolved) - len(missing)) * paths

    def done(task: farm.Task, block: engine.Block) -> None:
        nonlocal finished
        found[missing[task[0]]].append(block)
        finished += task[2] - task[1]
        if progress is not None:
            progress(finished, before + len(resolved) * paths)

    tasks = farm.plan_blocks(len(missing), paths, farm.BLOCK_PATHS)
    if missing:
        farm.run_tasks([resolved[at] for at in missing], seed, tasks, done, workers=workers, scheduler=scheduler, parts=parts)
    for at in missing:
        tables[at] = engine.tables(resolved[at], found[at])["outcomes"]
        if (place := places[at]) is not None:
            record.write_table(place, tables[at])
    return [table.to_pandas() for table in tables]


def terms(
    book: Book | Path | str, account: str, *, limits: Path | str | None = None, falls: Sequence[int] = FALLS,
    cost_pct: float | None = None, settle_on: datetime.date | None = None, prices: Mapping[str, float | str] | Path | None = None,
    remainder_to: Literal["client", "platform"] = "client",
) -> ContractSheet:
    """The contract of an account: terms in both languages, what falls of all prices do to it, who gets what if it ends.

    ``falls`` are whole percent, ``cost_pct`` is the cost of selling (by default the highest of the book's boards). A
    settlement is made if ``settle_on`` or ``prices`` (yuan by instrument, or a CSV file) is given. Raises :class:`InputError`.
    """
    from stresslab.book.terms import contract_sheet

    held = book if isinstance(book, Book) else read_book(book)
    return contract_sheet(held, account, read_limits(limits), falls, cost_pct, settle_on, prices, remainder_to)


def look_through(book: Book | Path | str, *, rules: Path | str | None = None) -> LookThrough:
    """Who stands behind the funding of a book, and what breaks (M-100 to M-109); raises :class:`InputError` with every fault.

    ``rules`` is a TOML file like ``stresslab/pool/rules.toml``, which is taken without it.
    """
    faults: list[Fault] = []
    held: Book | None = book if isinstance(book, Book) else collect(faults, lambda: read_book(book))
    chosen: Rules | None = collect(faults, lambda: read_rules(None if rules is None else Path(rules)))
    if held is None or chosen is None:
        raise InputError(faults)
    return through(held, rules=chosen)


def init(folder: Path | str, *, accounts: int = 20_000, seed: int = 1, partitions: int = 0) -> Book:
    """Write the demo book with its market as CSV and TOML into an empty folder, to edit.

    With ``partitions`` accounts and positions are Parquet in so many parts, none of which is held with another in memory, and the
    book that is returned has neither; such a book has three platforms for each 300,000 accounts.
    """
    folder, faults = Path(folder), option_faults(accounts=accounts, seed=seed, partitions=partitions)
    if partitions and not faults and accounts < 10 * partitions:
        faults.append(Fault("options", "a part has at least 10 accounts", "give fewer", None, "partitions", str(partitions)))
    if faults:
        raise InputError(faults)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError([Fault(str(folder), "this folder is not empty", "give a new one")])
    if partitions:
        book = write_demo(folder, accounts, partitions, seed)
    else:
        book = demo_book(accounts, seed)
        write_book(book, folder)
    write_market(shipped_market(), folder / "market.toml")
    return book


def calibrate(
    *histories: History | Path | str, out: Path | str, index: str | None = None, model: str = "gbm", first: str | None = None,
    last: str | None = None, splits: Splits = "refuse", short: Short = "refuse", title: str | None = None, rate: RateAsked | None = None,
) -> Calibration:
    """Measure a market on a history (one or several folders or files) and write it into a folder: ``market.toml``,
    ``factor_returns.csv``, ``calibration.json`` and ``calibration.html``. ``rate`` names the short rate in a table of rates, and its law.

    Raises :class:`InputError` with every fault before anything is written. The same history gives the same bytes.
    """
    from stresslab.market.calibrate import calibrate as measure
    from stresslab.market.numbers import numbers_of
    from stresslab.report.calibration import calibration_page

    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError([Fault(str(out), "is a file", "give a folder; market.toml is written into it", None, "out")])
    held = history_of(*histories, splits=splits)
    source = ", ".join(sorted(held.digests)) or None
    made = measure(held, index=index, model=model, first=first, last=last, short=short, title=title, source=source, rate=rate)
    numbers = numbers_of(made)
    page = calibration_page(numbers)
    out.mkdir(parents=True, exist_ok=True)
    write_market(made.market, out / "market.toml")
    record.write_json(out / "calibration.json", numbers)
    record.write_bytes(out / "calibration.html", page.encode())
    return made


def episode(
    *histories: History | Path | str, out: Path | str, first: str | None = None, last: str | None = None, index: str | None = None,
    depth: float | None = None, impact_share: float = 0.0, days: int | None = None, after: str = "free", name: str | None = None,
    market: Market | Path | str | None = None, splits: Splits = "refuse",
) -> dict[str, Any]:
    """Write a scenario file from a dated episode of a history, or from a table of scenarios as the Federal Reserve publishes it.

    A history is told by ``first`` and ``last``, see :func:`stresslab.episodes.episode_scenario`; a published table needs the
    ``market`` whose volatility its VIX is held against. Returns what was written.
    """
    out = Path(out)
    if out.suffix != ".toml":
        raise InputError([Fault("options", "must be the name of a TOML file", "write it as my-episode.toml", None, "out", str(out))])
    places = [Path(h) for h in histories if isinstance(h, Path | str)]
    published = episodes.read_fed(*places)
    if published:
        episodes.history_only({"from": first, "to": last, "index": index, "depth": depth, "impact-share": impact_share or None,
                               "after": None if after == "free" else after})
        held = market if isinstance(market, Market) else shipped_market() if market is None else read_market(market)
        written = episodes.fed_scenario(published, held, days=days, name=name)
    else:
        lost = [option for option, day in (("from", first), ("to", last)) if day is None]
        if lost:
            raise InputError([Fault("options", "an episode has a first and a last day", "give it, as 2015-06-12", None, o) for o in lost])
        written = episodes.episode_scenario(
            history_of(*histories, splits=splits), first=episodes.dated(first or "", "from"), last=episodes.dated(last or "", "to"),
            index=index, depth=depth, impact_share=impact_share, days=days, after=after, name=name)
    Scenario.model_validate(written)  # what is written can be read
    record.write_bytes(out, episodes.scenario_toml(written).encode())
    return written


def history_of(*histories: History | Path | str, splits: Splits = "refuse") -> History:
    """A history that was given as an object, or read from folders and files."""
    from stresslab.history import History, read_history

    (first, *rest) = histories or (None,)
    if isinstance(first, History) and not rest:
        return first
    places = [h for h in histories if not isinstance(h, History)]
    if len(places) < max(len(histories), 1):
        raise InputError([Fault("options", "give one history, or folders and files of one", "name its folders", None, "history")])
    return read_history(*places, splits=splits)


def demo(
    out: Path | str = "stresslab-demo", *, paths: int = DEMO_PATHS, workers: int = 0, progress: Progress | None = None
) -> Run:
    """Run the demo: a real index, a synthetic book, eight scenarios; goes on with a demo that was stopped, and replaces any other."""
    faults = option_faults(paths=paths, workers=workers)
    if faults:
        raise InputError(faults)
    folder = record.RunFolder(Path(out))
    if folder.complete:
        folder.clear()
    market = shipped_market()
    whence = {"book": DEMO, "market": None}
    return _run(demo_book(), DEMO_SCENARIOS, market, paths, 1, Path(out), whence, workers, None, 0, farm.BLOCK_PATHS, None, None, progress,
                anew=True)


def _other_program(made: Run) -> list[Fault]:
    """Why this program would not give the numbers of a run: another version, or other kernels."""
    held, mine = made.record, {"stresslab": record.versions()["stresslab"], "kernels": kernels.sources_digest()}
    faults = []
    for name, now in mine.items():
        then = str(held.get(name))
        if then != now:
            rule = f"the run was made by another version of {name}, this one is {now[:12]}, and may give other numbers"
            way_out = "replay it with the version that made it, or run it again with this one"
            faults.append(Fault(str(made.folder / record.RECORD), rule, way_out, None, name, then[:12]))
    return faults


def _chosen(held: dict[str, Any], scenario: str | None, path: int, faults: list[Fault]) -> dict[str, Any]:
    """The scenario of a run that was asked for, as the record says it; the only one if none was named."""
    known = {s["id"]: s for s in held["scenarios"]}
    if type(path) is not int or not 0 <= path < held["paths"]:
        rule, way_out = f"must be a whole number between 0 and {held['paths'] - 1}", "give a path of the run"
        faults.append(Fault("options", rule, way_out, None, "path", str(path)))
    if scenario is None and len(known) == 1:
        return dict(*known.values())
    if scenario is None:
        faults.append(Fault("options", "the run has several scenarios", "name one of " + ", ".join(known), None, "scenario"))
    elif scenario not in known:
        faults.append(Fault("options", "the run has no such scenario", nearest(scenario, list(known)), None, "scenario", scenario))
    else:
        return dict(known[scenario])
    return {}


def plan_of(given: Inputs, paths: int, seed: int) -> dict[str, Any]:
    """Everything that decides a result: what a folder of a run or a search is bound to."""
    return {
        "format": record.FORMAT,
        "stresslab": record.versions()["stresslab"],
        "seed": seed,
        "paths": paths,
        "book": {"digest": given.book.digest, "files": given.book.digests},
        "market": given.market.model_dump(mode="json"),
        "scenarios": [resolved_scenario(s) for s in given.scenarios],
        "scale": given.scale.model_dump(mode="json"),
        "limits": given.limits.model_dump(mode="json"),
        "kernels": kernels.sources_digest(),
        "versions": record.versions(),
    }


def describe(plan: dict[str, Any], given: Inputs) -> dict[str, Any]:
    """What the record of a run says of its plan and inputs."""
    book, market, factor = given.book, given.market, given.market.market
    lines = line_available(book.tables["platforms"], book.as_of)
    return {
        "format": plan["format"],
        "stresslab": plan["stresslab"],
        "seed": plan["seed"],
        "paths": plan["paths"],
        "sampling": plan["sampling"],
        "book": book_facts(book) | {"digest": book.digest},
        "market": {
            "title": market.title, "source": market.source, "digest": market.digest, "index": factor.index, "model": factor.model,
            "volatility_pct": factor.volatility_pct, "volatility_error_pct": factor.volatility_error_pct, "drift_pct": factor.drift_pct,
        },
        "scenarios": plan["scenarios"],
        "platforms": platform_facts(book, lines),
        "limits": standing(book, lines, given.limits),
        "pool": through(book).facts(),
        "kernels": plan["kernels"],
        "versions": plan["versions"],
        "inputs": book.digests,
    }


def _run_blocks(
    folder: record.RunFolder, resolved: list[Resolved], seed: int, paths: int, block_paths: int, progress: Progress | None,
    options: dict[str, Any],
) -> list[list[engine.Block]]:
    found: list[list[engine.Block]] = [[] for _ in resolved]
    waiting: list[farm.Task] = []
    for task in farm.plan_blocks(len(resolved), paths, block_paths):
        held = folder.load_block(resolved[task[0]].scenario, task[1], task[2])
        if held is None:
            waiting.append(task)
        else:
            engine.fold(found[task[0]], engine.unpack(task[1], task[2], held))
    finished = len(resolved) * paths - sum(stop - start for _, start, stop in waiting)

    def done(task: farm.Task, block: engine.Block) -> None:
        nonlocal finished
        folder.save_block(resolved[task[0]].scenario, task[1], task[2], engine.pack(block))
        engine.fold(found[task[0]], block)
        finished += task[2] - task[1]
        if progress is not None:
            progress(finished, len(resolved) * paths)

    if progress is not None:
        progress(finished, len(resolved) * paths)
    farm.run_tasks(resolved, seed, waiting, done, **options)
    return found


def ask_tail_of(
    folder: record.RunFolder, request: Request, resolved: list[Resolved], seed: int, options: dict[str, Any]
) -> None:
    """The rare events of all scenarios; their tables are those of no other run."""
    from stresslab.tail import Kept, Search, beside, paths_table, tail_table

    asked = []
    for one in resolved:
        crew = farm.crew(one, options["workers"], options["scheduler"], options["share"], options.get("memory"), beside(one))
        with crew as ask:
            kept = Kept(ask, folder, one.scenario)
            asked += [(one.scenario, q, Search(q, kept, request.target, request.paths).answer()) for q in request.questions(one, seed)]
    record.write_table(folder.path / "tail.parquet", tail_table(asked))
    record.write_table(folder.path / "tail_paths.parquet", paths_table(asked))


def judge(folder: record.RunFolder, described: dict[str, Any], scale: Scale) -> None:
    """Estimates, grades and report, from what the run wrote and nothing else."""
    import pandas as pd

    from stresslab import glossary
    from stresslab.estimate import estimate
    from stresslab.rating import migrations
    from stresslab.rating import rate as grade_run
    from stresslab.report import RunTables, write_html
    from stresslab.spillover import spillover

    held = {name: pd.read_parquet(folder.path / f"{name}.parquet") for name in _TABLES if name != "investors"}
    if "tail" in described:
        held["tail"] = pd.read_parquet(folder.path / "tail.parquet")
    estimates = estimate(held["outcomes"], held["days"], described["sampling"])
    table = pa.Table.from_pandas(estimates, glossary.schema("estimates"), preserve_index=False)
    record.write_table(folder.path / "estimates.parquet", table)
    rating = grade_run(described, held["outcomes"], scale)
    record.write_json(folder.path / "rating.json", rating)
    held["spillover"] = spillover(described, held["outcomes"])
    for name, frame in (("migration", migrations(rating)), ("spillover", held["spillover"])):
        made = pa.Table.from_pandas(frame, glossary.schema(name), preserve_index=False)
        record.write_table(folder.path / f"{name}.parquet", made)
    page = write_html(RunTables(record=described, estimates=estimates, rating=rating, **held))
    record.write_bytes(folder.path / "report.html", page.encode())
