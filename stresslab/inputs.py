"""What a verb is given: read, checked and fitting together, every fault of all inputs at once; and found again for a later replay."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stresslab import record
from stresslab.book import Book, demo_book, read_book
from stresslab.book.checks import IN_PARTS
from stresslab.book.files import Digest
from stresslab.book.parted import PartedBook, PartFiles, added, for_the_pool, parts_of, pooled, sums_of
from stresslab.faults import Fault, InputError
from stresslab.limits import Limits, read_limits
from stresslab.market import Market, read_market, shipped_market
from stresslab.resolve import Holdings, Resolved, Resolving, resolve
from stresslab.scenario import Scenario, read_scenarios

if TYPE_CHECKING:
    from stresslab.rating import Scale
    from stresslab.tail import Request

#: Where the book of the demo lies, as a record says it, and a market that was given as an object.
DEMO, IN_MEMORY = "demo", "memory"


@dataclass(frozen=True)
class Inputs:
    """Everything that a run is made from, read, sound and fitting together."""

    book: Book
    market: Market
    scenarios: list[Scenario]
    scale: Scale
    limits: Limits
    resolved: list[Resolved]


#: The values that an option may have.
_OPTIONS = {
    "paths": (1, 10_000_000), "seed": (0, 2**63 - 1), "block_paths": (1, 10_000_000), "workers": (0, 1024), "parts": (0, 4096),
    "accounts": (10, 10_000_000), "partitions": (0, 10_000),
}


def option_faults(scheduler: str | None = None, **options: int) -> list[Fault]:
    """The faults of options that are whole numbers within their range, and of a scheduler's address."""
    faults = []
    for name, value in options.items():
        low, high = _OPTIONS[name]
        if type(value) is not int or not low <= value <= high:
            rule = f"must be a whole number between {low} and {high}"
            faults.append(Fault("options", rule, "give another value", None, name, str(value)))
    if scheduler is not None and not re.fullmatch(r"(?:[a-z]+://)?(?:[^\s:/\[\]]+|\[[0-9A-Fa-f:]+\]):[0-9]+", scheduler):
        rule = "must be the address of a Dask scheduler"
        faults.append(Fault("options", rule, "write it like tcp://host:8786", None, "scheduler", scheduler))
    return faults


def read_inputs(
    book: Book | Path | str, scenarios: Sequence[Scenario | Path | str], market: Market | Path | str | None,
    scale: Path | None, limits: Path | None, faults: list[Fault], request: Request | None = None, in_parts: bool = False,
) -> Inputs:
    """The inputs of a run; raises with the faults given and all faults found.

    With ``in_parts`` a book that lies in parts is read part by part: its accounts are then in ``resolved`` alone.
    """
    from stresslab.rating import read_scale

    if not scenarios:
        faults.append(Fault("options", "at least one scenario must be given", "add --scenario FILE", None, "scenario"))
    files = parts_of(book) if in_parts and not isinstance(book, Book) else []
    held: Book | None = None if files else book if isinstance(book, Book) else collect(faults, lambda: read_book(book))
    read, found = read_scenarios(scenarios)
    faults += found
    observed = market_of(held or book, market, faults)
    judged: Scale | None = collect(faults, lambda: read_scale(scale))
    allowed: Limits | None = collect(faults, lambda: read_limits(limits))
    resolved: list[Resolved] = []
    if files:
        place = str(book)
        held, resolved = collect(faults, lambda: read_in_parts(place, files, observed, read, allowed, faults)) or (None, [])
    if held is None or observed is None or judged is None or allowed is None:
        raise InputError(faults)
    if not files:
        resolved = resolve_all(held, observed, read, faults)
    if request is not None:
        from stresslab.tail import check_request

        check_request(request, [r for r in resolved if r is not None], faults)
    if faults:
        raise InputError(faults)
    return Inputs(held, observed, read, judged, allowed, resolved)


def read_in_parts(
    folder: Path | str, files: list[PartFiles], market: Market | None, scenarios: Sequence[Scenario], limits: Limits | None,
    faults: list[Fault],
) -> tuple[Book, list[Resolved]]:
    """A book read part by part in bounded memory: what its accounts add up to, and its accounts resolved for each scenario.

    Raises with every fault of the book; the faults of scenarios against it are added to ``faults``. Without a market or limits
    the parts are checked alone.
    """
    parts = PartedBook(folder, files)
    sums: dict[str, Any] = {}
    digest, pool = Digest(), list[Any]()
    held: Holdings | None = None
    waiting: list[Resolving] = []
    for part in parts.each():
        if market is None or limits is None:
            continue
        if held is None:
            held, rest = Holdings(part), replace(part, tables={n: f for n, f in part.tables.items() if n not in IN_PARTS})
            waiting = [Resolving(rest, market, scenario, held) for scenario in scenarios]
        held.add(part)
        for one in waiting:
            one.add(part)
        sums = added(sums, sums_of(part, limits))
        pool.append(for_the_pool(part))
        for name in IN_PARTS:
            digest.add(name, part.tables[name])
    parts.finish()
    if held is None:
        raise InputError([])
    return parts.book(sums, digest, pooled(pool)), [collect(faults, one.done) for one in waiting]


def market_of(book: Book | Path | str | None, market: Market | Path | str | None, faults: list[Fault]) -> Market | None:
    """The market given, else the book's own, else for a book that never was a folder the shipped one."""
    if isinstance(market, Market):
        return market
    if market is not None:
        where = Path(market)
    else:
        folder = book.folder if isinstance(book, Book) else Path(book or ".")
        if folder is None:
            return shipped_market()
        where = folder / "market.toml"
        if not isinstance(book, Book) and not folder.is_dir():
            return None  # the book's own fault says so
        if not where.exists():
            way_out = "write one as `stresslab init` does, or give --market FILE"
            faults.append(Fault("market.toml", "a book has a market.toml", way_out))
            return None
    found: Market | None = collect(faults, lambda: read_market(where))
    return found


def collect(faults: list[Fault], read: Callable[[], Any]) -> Any:
    """What is read, or None with its faults added to the others."""
    try:
        return read()
    except InputError as error:
        faults.extend(error.faults)
        return None


def resolve_all(book: Book, market: Market, scenarios: list[Scenario], faults: list[Fault]) -> list[Resolved]:
    """All scenarios resolved, with the faults of each."""
    return [collect(faults, lambda s=s: resolve(book, market, s)) for s in scenarios]  # type: ignore[misc]


def place_of(folder: Path | str | None) -> str | None:
    """Where a book lies, for the record; None for one that was made in memory."""
    return None if folder is None else str(Path(folder).resolve())


def place_of_market(market: Market | Path | str | None) -> str | None:
    """Where a market lies, for the record; None for the book's own."""
    return IN_MEMORY if isinstance(market, Market) else place_of(market)


def book_again(held: dict[str, Any], book: Book | Path | str | None, faults: list[Fault]) -> Book | None:
    """The book of a run, read again and found to be the same."""
    way_out = "give the book as it was, with --book FOLDER"
    where = held["machine"].get("book") if book is None else book
    if where is None:
        faults.append(Fault(record.RECORD, "does not say where the book of the run lies (it was made in memory)", way_out))
        return None
    try:
        found = where if isinstance(where, Book) else demo_book() if book is None and where == DEMO else read_book(where)
    except InputError as error:
        gone = Fault(str(where), "the book of the run is not there any more, or is no sound book", way_out)
        faults.extend([gone] if book is None else error.faults)
        return None
    if found.digest != held["book"]["digest"]:
        named = found.title if isinstance(where, Book) else str(where)
        faults.append(Fault(named, "this is not the book of the run: something in it differs", way_out))
        return None
    return found


def market_again(held: dict[str, Any], book: Book, market: Market | Path | str | None, faults: list[Fault]) -> Market | None:
    """The market of a run, read again and found to be the same."""
    way_out = "give the market as it was, with --market FILE"
    where = held["machine"].get("market") if market is None else market
    if where == IN_MEMORY:
        faults.append(Fault(record.RECORD, "does not say where the market of the run lies (it was made in memory)", way_out))
        return None
    found: list[Fault] = []
    read = market_of(book, where, found)
    if found and market is None:
        found = [Fault(str(where or "market.toml"), "the market of the run is not there any more, or is not sound", way_out)]
    faults.extend(found)
    if read is not None and read.digest != held["market"]["digest"]:
        named = read.title if isinstance(where, Market) else str(where or "market.toml")
        faults.append(Fault(named, "this is not the market of the run: something in it differs", way_out))
        return None
    return read
