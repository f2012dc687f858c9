"""The verb check as a library call: conducts the reading of inputs and the limits, and computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stresslab.book import Book, notes, read_book
from stresslab.book.life import transitions
from stresslab.book.parted import parts_of
from stresslab.book.profile import book_facts
from stresslab.book.standing import lines_of, standing
from stresslab.faults import Fault, InputError
from stresslab.inputs import collect, market_of, read_in_parts, resolve_all
from stresslab.limits import Limits, read_limits
from stresslab.resolve import line_available
from stresslab.scenario import Scenario, read_scenario, read_scenarios


@dataclass(frozen=True)
class Checked:
    """What is known of sound inputs: notes for a careful reader, and how the book stands against its limits."""

    notes: list[str]
    #: (light, sentence) of every limit that is amber or red.
    findings: list[tuple[str, str]]
    #: Everything that the limits say, in the types of JSON; None without a book.
    standing: dict[str, Any] | None

    @property
    def lines(self) -> list[str]:
        """Notes and findings, one line each."""
        return [*self.notes, *(f"{light}: {text}" for light, text in self.findings)]


def check(
    book: Book | Path | str | None = None, scenarios: Sequence[Scenario | Path | str] = (), market: Path | str | None = None, *,
    limits: Path | str | None = None, since: Book | Path | str | None = None,
) -> Checked:
    """What a careful reader should know about sound inputs; raises :class:`InputError` with every fault of unsound ones.

    ``limits`` is a limits file, by default the provisional one; ``since`` an earlier book, whose contracts must be in a
    state that leads to the one they are in now.
    """
    faults: list[Fault] = []
    # An earlier book is compared account by account, for which both are read whole.
    files = [] if book is None or isinstance(book, Book) or since is not None else parts_of(book)
    held: Book | None = book if isinstance(book, Book) else None
    if book is not None and held is None and not files:
        held = collect(faults, lambda: read_book(book))  # type: ignore[arg-type]
    read, found = read_scenarios(scenarios)
    faults += found
    observed = market_of(held or book, market, faults) if book is not None or market is not None else None
    allowed: Limits | None = collect(faults, lambda: read_limits(limits))
    if files:
        tried, place = read if scenarios else [read_scenario("baseline")], str(book)
        held, _ = collect(faults, lambda: read_in_parts(place, files, observed, tried, allowed, faults)) or (None, [])
    elif held is not None and observed is not None:
        resolve_all(held, observed, read if scenarios else [read_scenario("baseline")], faults)
    if held is not None and since is not None:
        before: Book | None = since if isinstance(since, Book) else collect(faults, lambda: read_book(since))
        faults += transitions(before, held) if before is not None else []
    if faults:
        raise InputError(faults)
    said = [f"scenario {s.id}: {s.title} / {s.title_zh}, {s.days} trading days" for s in read]
    if observed is not None:
        said.insert(0, f"market {observed.title!r}: {observed.market.index}, {observed.market.volatility_pct:g}% a year")
    if held is None or allowed is None:
        return Checked(said, [], None)
    noted = None if held.sums is None else held.sums["noted"]
    size = book_facts(held) | {"platforms": len(held.tables["platforms"])}
    sizes = ", ".join(f"{size[t]} {t}" for t in ("platforms", "accounts", "positions", "instruments"))
    stands = standing(held, line_available(held.tables["platforms"], held.as_of), allowed)
    findings = lines_of(stands)
    lights = [light for light, _ in findings]
    said = [f"book {held.title!r} of {held.as_of}: {sizes}; it balances", *said, *notes(held.tables, noted)]
    said.append(f"limits {allowed.title!r}: {lights.count('red')} red, {lights.count('amber')} amber")
    return Checked(said, findings, stands)
