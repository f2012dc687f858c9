"""The policy search as a library call: it conducts levers, paths and the search, and computes nothing (M-129)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from stresslab import record
from stresslab.book import Book
from stresslab.faults import Fault, InputError, nearest
from stresslab.inputs import Inputs, collect, option_faults, read_inputs
from stresslab.market import Market
from stresslab.resolve import resolve
from stresslab.scenario import Scenario
from stresslab.scenario import resolved as resolved_scenario
from stresslab.verbs import Progress, outcomes_of, plan_of

if TYPE_CHECKING:
    import pandas as pd

    from stresslab.breaking_point import Dial
    from stresslab.cheapest import Policy

#: What a lever begins with that moves a number of the scenario and not the book: what platforms do, or what is supposed of them.
SCENARIO = "scenario."


def policy(
    book: Book | Path | str, scenario: Scenario | Path | str, *, keep: str, vary: Sequence[str], cost: Sequence[str] = (), paths: int = 200,
    seed: int = 1, platforms: Sequence[str] = (), market: Market | Path | str | None = None, out: Path | str | None = None,
    workers: int = 0, scheduler: str | None = None, parts: int = 0, evaluations: int = 40, progress: Progress | None = None,
) -> list[Policy]:
    """The cheapest lines, cap, reserve, bank line or conduct with which each platform keeps a stated figure (M-129).

    ``keep`` is a goal like ``failure_probability <= 5%``, ``vary`` are one to three levers like ``platform.reserve_yuan=0:50000000``,
    ``cost`` their prices, like ``platform.reserve_yuan=8%`` of a yuan. A number of the scenario is a lever too, from what it is now:
    ``scenario.operations.batches=1:10``, or ``scenario.response.1.share_pct=10:50`` of its first rule; it moves for all platforms.
    Each platform is searched alone, the others as they stand. With ``out`` every point is kept there, so that a killed search goes on
    where it stopped, and ``policy.json`` says what was found. Raises :class:`InputError` with every fault before anything is run.
    """
    from stresslab.breaking_point import read_goal
    from stresslab.cheapest import dial_of, read_costs, search
    from stresslab.levers import LEVERS, read_range
    from stresslab.report.cheapest import as_json

    faults = option_faults(scheduler, paths=paths, seed=seed, workers=workers, parts=parts)
    goal = collect(faults, lambda: read_goal(keep, "keep"))
    held = [text for text in vary if not text.startswith(SCENARIO)]
    ranges = [collect(faults, lambda text=text: read_range(text)) for text in held]  # type: ignore[misc]
    found = [collect(faults, lambda r=r: dial_of(*r, LEVERS[r[0]].step)) for r in ranges if r is not None]  # type: ignore[misc,call-arg]
    keys = [text.partition("=")[0] for text in vary]
    prices = collect(faults, lambda: read_costs(cost, keys))
    if not 1 <= len(keys) <= 3 or len(set(keys)) < len(keys):
        faults.append(Fault("options", "one to three different levers are moved", "give --vary once for each", None, "vary"))
    given = read_inputs(book, [scenario], market, None, None, faults)
    base, known = given.scenarios[0], given.resolved[0].platform_ids
    found += [collect(faults, lambda text=text: _conduct(text, base)) for text in vary if text.startswith(SCENARIO)]  # type: ignore[misc]
    dials = sorted((d for d in found if d is not None), key=lambda d: keys.index(d.key))
    faults += [Fault("options", "is no platform of the book", nearest(p, known), None, "platform", p) for p in platforms if p not in known]
    if faults:
        raise InputError(faults)
    folder = None if out is None else record.RunFolder(Path(out))
    crew = _Policies(given, base, keys, folder, seed, paths, workers, scheduler, parts, progress)

    def searched() -> list[Policy]:
        return [search(goal, dials, prices, crew.simulate, p, base.days, evaluations=evaluations) for p in platforms or known]

    if folder is None:
        return searched()
    with folder.taken(plan_of(given, paths, seed) | {"question": "policy"}):
        found = searched()
        record.write_json(folder.path / "policy.json", as_json(found, resolved_scenario(base), goal, keys, prices))
    return found


def _conduct(text: str, scenario: Scenario) -> Dial:
    """The dial of a lever of the scenario, whose mild end is what the scenario says; raises :class:`InputError`."""
    from stresslab.breaking_point import read_dial, value_of

    dial = read_dial(text.removeprefix(SCENARIO), scenario)
    now = Decimal(str(value_of(dial.key, scenario)))
    if dial.mild != now:
        said = f"{now.normalize():f}"
        rule, way_out = f"the scenario says {said}, which is the mild end", f"write {SCENARIO}{dial.key}={said}:STRICT"
        raise InputError([Fault("options", rule, way_out, None, "vary", text)])
    return replace(dial, key=SCENARIO + dial.key)


@dataclass
class _Policies:
    """Runs policies of a platform on the same draws, or on those of another seed, and keeps what was run."""

    given: Inputs
    base: Scenario
    keys: list[str]
    folder: record.RunFolder | None
    seed: int
    paths: int
    workers: int
    scheduler: str | None
    parts: int
    progress: Progress | None
    done: int = 0

    def simulate(
        self, platform: str, wanted: Sequence[tuple[Decimal, ...]], fresh: bool
    ) -> list[tuple[pd.DataFrame, tuple[float, ...]]]:
        """Outcomes and quantities of some settings; none at all is the book as it is."""
        from stresslab.breaking_point import turned, value_of
        from stresslab.levers import moved

        ready, quantities = [], []
        seed = self.seed + 1 if fresh else self.seed
        for settings in wanted:
            pairs = list(zip(self.keys, settings, strict=False))
            of_book = [(key, setting) for key, setting in pairs if not key.startswith(SCENARIO)]
            conduct = [(key.removeprefix(SCENARIO), setting) for key, setting in pairs if key.startswith(SCENARIO)]
            book, moves = moved(self.given.book, platform, of_book)
            scenario = turned(self.base, conduct)
            amounts = dict(zip((key for key, _ in of_book), moves, strict=True))
            amounts |= {SCENARIO + key: Fraction(abs(setting - Decimal(str(value_of(key, self.base))))) for key, setting in conduct}
            # The name of a point is that of its file: same settings, same draws, same name.
            told = hashlib.sha256(f"{platform if pairs else ''} {pairs} {seed}".encode()).hexdigest()[:16]
            ready.append(resolve(book, self.given.market, scenario.model_copy(update={"id": f"{self.base.id[:40]}_{told}"})))
            quantities.append(tuple(float(amounts[key]) for key, _ in pairs))
        made = outcomes_of(self.folder, ready, seed, self.paths, self.workers, self.scheduler, self.parts, self.done, self.progress)
        self.done += len(ready) * self.paths
        return list(zip(made, quantities, strict=True))
