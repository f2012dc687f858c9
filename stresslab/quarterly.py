"""The quarterly report put together: what lies beside a run is read, the cases between two quarters are run, and judgement writes.

This room conducts and simulates nothing itself: whoever calls it hands over the simulator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from stresslab import record
from stresslab.faults import Fault, InputError
from stresslab.inputs import book_again, collect, market_again

if TYPE_CHECKING:
    from stresslab.book import Book
    from stresslab.market import Market
    from stresslab.plausible import End, Range
    from stresslab.report import RunTables
    from stresslab.report.against import Against
    from stresslab.report.bands import Bands
    from stresslab.report.quarter import Quarter
    from stresslab.scenario import Scenario

Format = Literal["html", "pdf", "xlsx"]
#: Runs scenarios on a book and a market with the seed, paths and sampling of a record into a folder, and gives their outcomes.
Simulate = Callable[["Book", "Market", Sequence["Scenario"], dict[str, Any], Path], pd.DataFrame]
Progress = Callable[[int, int], None]
#: A case of the bands has at most so many paths: it tells differences on the same draws, which need few.
BAND_PATHS = 64


def quarter_of(as_of: str) -> str:
    """The quarter of a date: 2026Q3."""
    year, month, _ = as_of.split("-")
    return f"{year}Q{(int(month) + 2) // 3}"


def quarter_given(
    run: RunTables, folder: Path, quarter: str | None, remediation: Path | None, totals: Path | None, reverse: Path | None,
    faults: list[Fault],
) -> Quarter | None:
    """What is given beside a run, read and checked against it; faults are added."""
    from stresslab.report.quarter import Quarter
    from stresslab.report.quarter_files import read_remediation, read_reverse, read_totals

    label = quarter or quarter_of(run.record["book"]["as_of"])
    if re.fullmatch(r"\d{4}Q[1-4]", label) is None:
        faults.append(Fault("options", "must be a year and a quarter", "write it as 2026Q3", None, "quarter", label))
    platforms = [str(p["platform_id"]) for p in run.platforms]
    limits = [str(one["name"]) for one in (run.record.get("limits") or {"platforms": [{"limits": []}]})["platforms"][0]["limits"]]
    plans = collect(faults, lambda: None if remediation is None else read_remediation(remediation, platforms, limits))
    sums = collect(faults, lambda: None if totals is None else read_totals(totals, platforms))
    turned = collect(faults, lambda: None if reverse is None else read_reverse(reverse))
    return Quarter(label, plans, sums, turned, None, altered(folder, run.record))


def altered(folder: Path, held: dict[str, Any]) -> tuple[str, ...]:
    """Files of a run's folder that are not as its record says; the files of reports, which people rewrite, left out."""
    now = record.RunFolder(folder).outputs()
    return tuple(sorted(name for name, digest in held.get("outputs", {}).items() if name != "report.html" and now.get(name) != digest))


def against(folder: Path, then: Path, simulate: Simulate) -> Against:
    """The cases between last quarter's run and this one's (M-220): model, then book, market and scenario are put in place of the old.

    A case that equals one of the two runs is not run again. Cases are kept in the folder ``against`` of this quarter's run, so that a
    killed report goes on. Raises :class:`InputError` if the inputs of either run are not there any more.
    """
    from stresslab.report.against import Against
    from stresslab.report.run_tables import read_run

    now, was = read_run(folder), read_run(then)
    common = [s for s in now.scenarios if s["id"] in {o["id"] for o in was.scenarios}]
    names = [str(s["id"]) for s in common]
    if not names:
        way_out = "run both quarters with a scenario of the same id"
        raise InputError([Fault(str(then), "the two runs have no scenario in common", way_out, None, "against")])
    olds = [next(o for o in was.scenarios if o["id"] == name) for name in names]
    keys = ("stresslab", "kernels", "seed", "paths", "sampling")
    same_model = all(now.record[k] == was.record[k] for k in keys)
    paired = all(now.record[k] == was.record[k] for k in ("seed", "paths", "sampling"))
    parts = [
        (record.digest_of([r["book"]["digest"]]), record.digest_of([r["market"]["digest"]]), record.digest_of(s))
        for r, s in ((was.record, olds), (now.record, common))
    ]
    old, new = parts
    states = [old, (new[0], old[1], old[2]), (new[0], new[1], old[2])]
    faults: list[Fault] = []
    first = was.outcomes[was.outcomes["scenario"].isin(names)]
    last = now.outcomes[now.outcomes["scenario"].isin(names)]
    cases: list[pd.DataFrame] = [first]
    known: dict[Any, pd.DataFrame] = {new: last} | ({old: first} if same_model else {})
    books: list[Any] = [_book(was.record, faults, then), _book(now.record, faults, folder)]
    if any(state not in known for state in states):
        markets: list[Any] = [_market(r, b, faults) for r, b in ((was.record, books[0]), (now.record, books[1]))]
        if faults:
            raise InputError(faults)
        for at, state in enumerate(states):
            if state not in known:
                known[state] = _case(simulate, folder, books[at > 0], markets[at > 1], olds, now.record, state)
    cases += [known[state] for state in states] + [last]
    return Against(
        was.record, was.outcomes, was.days, tuple(cases), tuple(names), (paired, True, True, True), _basket(books[0], books[1]),
        (was.record["sampling"], now.record["sampling"]))


def _case(
    simulate: Simulate, folder: Path, book: Book, market: Market, scenarios: Sequence[dict[str, Any]], now: dict[str, Any], state: Any
) -> pd.DataFrame:
    """One case between the runs, with the program, seed and paths of this quarter."""
    from stresslab.scenario import Scenario

    made = [Scenario.model_validate(s) for s in scenarios]
    place = folder / "against" / record.digest_of([*state, now["kernels"], now["seed"], now["paths"], now["sampling"]])[:16]
    return simulate(book, market, made, now, place)


def bands(folder: Path, ranges: Sequence[Range], simulate: Callable[[Progress | None], Simulate], progress: Progress | None) -> Bands:
    """The scenarios of a run with each parameter at its low and its high end (M-296, M-297), on the first paths of the same draws.

    Cases are runs of their own in the folder ``bands`` of the run, kept, so that a killed report goes on and a second one runs nothing.
    An end that the market, the scenario or the book does not allow is left out with the reason. Raises :class:`InputError` if the inputs
    of the run are not there any more.
    """
    from stresslab.plausible import parameters
    from stresslab.report.bands import Bands, Moved
    from stresslab.scenario import Scenario

    held, faults = record.RunFolder(folder).read_record(), list[Fault]()
    book = _book(held, faults, folder)
    market = _market(held, book, faults)
    if faults or book is None or market is None:
        raise InputError(faults)
    scenarios = [Scenario.model_validate(s) for s in held["scenarios"]]
    found = parameters(market, scenarios, ranges, book.tables["instruments"])
    like = held | {"paths": min(BAND_PATHS, held["paths"])}
    cases = 1 + 2 * len(found)

    def case(at: int, market: Market, made: Sequence[Scenario]) -> pd.DataFrame:
        said = [held["book"]["digest"], market.digest, *(s.model_dump_json() for s in made)]
        place = folder / "bands" / record.digest_of([*said, *(held[k] for k in ("kernels", "seed", "sampling")), like["paths"]])[:16]
        told = None if progress is None else lambda done, of: progress(at * of + done, cases * of)
        simulate(told)(book, market, made, like, place)
        return record.table_of(place, "estimates", record.RunFolder(place).read_record())

    def end(at: int, given: End) -> tuple[pd.DataFrame | None, str]:
        if given.market is None:
            return None, given.reason
        try:
            return case(at, given.market, given.scenarios), ""
        except InputError as error:
            return None, "; ".join(f"{f.column}: {f.rule}" for f in error.faults[:2])

    base, moved = case(0, market, scenarios), []
    for at, one in enumerate(found):
        (low, why_low), (high, why_high) = end(1 + 2 * at, one.low), end(2 + 2 * at, one.high)
        why = "; ".join(f"{side}: {w}" for side, w in ((one.low_value, why_low), (one.high_value, why_high)) if w)
        moved.append(Moved(one.key, one.basis, one.value, one.low_value, one.high_value, one.source, low, high, why))
    return Bands(like["paths"], base, tuple(moved))


def _book(held: dict[str, Any], faults: list[Fault], folder: Path) -> Book | None:
    found: list[Fault] = []
    book = book_again(held, None, found)
    # The verb takes no other place of a book: the way out is to put it where it was.
    faults += [Fault(str(folder / record.RECORD), f.rule, "put the book of that run where it was", None, "book", f.value) for f in found]
    return book


def _market(held: dict[str, Any], book: Book | None, faults: list[Fault]) -> Market | None:
    return None if book is None else market_again(held, book, None, faults)


def _basket(then: Book | None, now: Book | None) -> int | None:
    """What the shares of then are worth at prices of now, in ppm of what they were; over instruments that both books have."""
    if then is None or now is None:
        return None
    old = then.tables["instruments"].set_index("instrument_id")["price_li"]
    new = now.tables["instruments"].set_index("instrument_id")["price_li"]
    held = then.tables["positions"].groupby("instrument_id")["shares"].sum()
    both = [name for name in held.index if name in new.index]
    before = sum(int(held[n]) * int(old[n]) for n in both)
    return None if not before else sum(int(held[n]) * int(new[n]) for n in both) * 1_000_000 // before


def write(run: RunTables, quarter: Quarter, language: Literal["zh", "en"], kind: Format) -> bytes:
    """The report in one format."""
    from stresslab.report.bands import with_bands
    from stresslab.report.page import contents, page_of

    if quarter.bands is not None:
        run = replace(run, estimates=with_bands(run.estimates, quarter.bands))
    held = contents(run, quarter)
    if kind == "html":
        return page_of(held, language).encode()
    if kind == "pdf":
        from stresslab.report.paper import write_pdf

        return write_pdf(page_of(held, language), language)
    from stresslab.report.workbook import write_workbook

    return write_workbook(held, run.estimates, language)

