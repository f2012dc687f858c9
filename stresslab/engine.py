"""One block of paths → tables. Pure: the same resolved scenario, seed and paths give the same bytes anywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stresslab import glossary
from stresslab.faults import Fault, InputError
from stresslab.kernels import cascade, closures, layout, liquidity, loans, noise, rates, returns, screen
from stresslab.kernels.laws import TOLD_ATTEMPTS, TOLD_EFFECTIVE, TOLD_FAILED
from stresslab.points import SobolPaths
from stresslab.resolve import Resolved
from stresslab.sampling import Sampling

PPM = 1_000_000
#: Columns of a path that are the same for every platform.
PATH_COLUMNS = (
    "factor_low_ppm", "basket_fundamental_low_ppm", "basket_quoted_low_ppm", "rounds_most", "rounds_limit_days", "breaker_days",
    "candidates_effective_ppm",
)
DAY_COLUMNS = ("factor_ppm", "basket_fundamental_ppm", "basket_quoted_ppm", "locked")
ACCOUNT_COLUMNS = ("called", "forced", "in_deficit", "deficit_sum_li", "sold_sum_li")
INSTRUMENT_COLUMNS = (
    "quoted_sum_li", "quoted_plain_sum_li", "fundamental_sum_li", "sold_sum_shares", "sold_sum_li", "displaced_sum_shares", "locked",
)
SECTOR_COLUMNS = ("sold_li", "displaced_li", "value_li", "impact_loss_li")
#: Prices of a group of paths are held together, up to so many bytes.
GROUP_BYTES = 32_000_000
LOSSES = ("loss_holding_li", "loss_without_impact_li", "loss_with_impact_li")


@dataclass(frozen=True)
class Block:
    """What paths start..stop − 1 of a scenario gave: integer arrays that add up or line up with other blocks."""

    start: int
    stop: int
    outcomes: dict[str, NDArray[np.int64]]  # paths × platforms
    days: dict[str, NDArray[np.int64]]  # paths × days 1..T × platforms
    accounts: dict[str, NDArray[np.int64]]  # accounts, summed over paths
    instruments: dict[str, NDArray[np.int64]]  # days 1..T × instruments, summed over paths
    sectors: dict[str, NDArray[np.int64]]  # paths × sectors


def new_block(resolved: Resolved, start: int, stop: int) -> Block:
    """An empty block for paths start..stop − 1."""
    facts, paths = resolved.facts, stop - start
    platforms, days = facts.platform.size, facts.terms.calendar.size - 1
    names = [m.name for m in glossary.PLATFORM_MEASURES]
    day_names = [m.name for m in glossary.DAY_MEASURES]
    return Block(
        start, stop,
        outcomes={c: np.zeros((paths, platforms), np.int64) for c in (*names, *LOSSES, *PATH_COLUMNS)},
        days={c: np.zeros((paths, days, platforms), np.int64) for c in (*day_names, *DAY_COLUMNS)},
        accounts={c: np.zeros(facts.account.size, np.int64) for c in ACCOUNT_COLUMNS},
        instruments={c: np.zeros((days, facts.instrument.size), np.int64) for c in INSTRUMENT_COLUMNS},
        sectors={c: np.zeros((paths, len(resolved.sector_ids)), np.int64) for c in SECTOR_COLUMNS},
    )


def run_block(resolved: Resolved, seed: int, start: int, stop: int) -> Block:
    """Run paths start..stop − 1 of a resolved scenario."""
    block = new_block(resolved, start, stop)
    runner = Runner(resolved, seed)
    for first in range(start, stop, runner.group):
        for lane, path in enumerate(runner.draw(first, min(first + runner.group, stop))):
            runner.run(lane, path)
            runner.keep(block, path - start)
    return block


def pack(block: Block) -> dict[str, NDArray[Any]]:
    """A block as flat names and arrays, to be sent or written to a file; of the accounts only those to which something happened."""
    flat: dict[str, NDArray[Any]] = {
        f"{part}.{name}": array for part in _PARTS if part != "accounts" for name, array in getattr(block, part).items()}
    columns = block.accounts
    some = np.logical_or.reduce([c != 0 for c in columns.values()])
    touched = np.flatnonzero(some)
    flat["touched.at"], flat["touched.size"] = narrow(touched), np.array([some.size])
    return flat | {f"accounts.{name}": narrow(array[touched]) for name, array in columns.items()}


def narrow(values: NDArray[np.int64]) -> NDArray[Any]:
    """Whole numbers in the fewest bytes that hold them all."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    kinds = (np.uint8, np.uint16, np.uint32) if low >= 0 else (np.int32,)
    return values.astype(next((k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max), np.int64))


def unpack(start: int, stop: int, arrays: dict[str, NDArray[Any]]) -> Block:
    """The block that :func:`pack` made flat."""
    parts: dict[str, dict[str, NDArray[np.int64]]] = {part: {} for part in _PARTS}
    touched = arrays["touched.at"].astype(np.int64)
    for name, array in arrays.items():
        part, _, column = name.partition(".")
        if part == "accounts":
            parts[part][column] = np.zeros(int(arrays["touched.size"][0]), np.int64)
            parts[part][column][touched] = array
        elif part != "touched":
            parts[part][column] = array
    return Block(start, stop, **parts)


def fold(blocks: list[Block], block: Block) -> None:
    """One more block of a scenario; what is summed over paths is added up at once, so that memory holds it once."""
    if blocks:
        for part in ("accounts", "instruments"):
            sums = getattr(blocks[0], part)
            for name, more in getattr(block, part).items():
                sums[name] = sums[name] + more
    block = replace(block, accounts={}, instruments={}) if blocks else replace(
        block, accounts=dict(block.accounts), instruments=dict(block.instruments))
    blocks.append(block)


_PARTS = ("outcomes", "days", "accounts", "instruments", "sectors")


def group_of(facts: layout.Facts, most: int) -> int:
    """How many paths are drawn together: at most so many, and no more than their prices have room for."""
    days, stocks = int(facts.terms.calendar.size), int(facts.instrument.size)
    return max(1, min(most, GROUP_BYTES // (days * stocks * 9 + layout.LANES * stocks * 4)))


class Runner:
    """Scratch for one thread: the prices of a group of paths, state and story of one path at a time."""

    def __init__(self, resolved: Resolved, seed: int, most: int = layout.LANES) -> None:
        facts = resolved.facts
        self.resolved, self.seed, self.facts = resolved, seed, facts
        self.plain = cascade.without_impact(facts)
        self.state = layout.new_state(facts)
        self.story, self.plain_story = layout.new_story(facts), layout.new_story(facts)
        days, stocks = facts.terms.calendar.size, facts.instrument.size
        self.group = group_of(facts, most)
        self.noise = noise.new_noise(days - 1, resolved.market.wanted.size - noise.LEAD_FACTORS, stocks)
        self.levels = returns.new_levels(resolved.market)
        self.sobol = SobolPaths(days - 1, resolved.market.wanted, seed) if resolved.sampling == Sampling.SOBOL else None
        self.market, self.rate = np.zeros((self.group, days)), np.zeros((self.group, days))
        self.told, self.effective_ppm = np.zeros((self.group, 3)), np.zeros(self.group, np.int64)
        self.factor_ppm = np.zeros((self.group, days), np.int64)
        self.moved_bp = np.zeros((self.group, days), np.int64)
        self.fundamental = np.zeros((self.group, days, stocks), np.int64)
        self.closed = np.zeros((self.group, days, stocks), np.uint8)
        self.bound = np.zeros((self.group, stocks, layout.LANES), np.float32)
        self.holding = np.zeros(facts.platform.size, np.int64)

    def draw(self, first: int, stop: int) -> range:
        """Draw the prices of a group of paths, and list the accounts that any of them may touch."""
        self.begin_group()
        if self.resolved.sampling == Sampling.PLAIN:
            drawn = self.fundamental[:stop - first]
            returns.draw_prices(drawn, self.market, self.rate, self.told, self.levels, self.resolved.market, self.noise, self.seed, first)
        for lane, path in enumerate(range(first, stop)):
            if self.resolved.sampling != Sampling.PLAIN:
                self._draw_noise(path)
                self._priced(lane, path)
            self._placed(lane, path)
        self.end_group()
        return range(first, stop)

    def begin_group(self) -> None:
        """Make room for a new group of paths."""
        self.state.lowest[:] = screen.NO_PRICE

    def place(self, lane: int, path: int, leading: NDArray[np.float64], own: NDArray[np.float32]) -> None:
        """The prices of one path of the group from normals made anywhere; ``path`` numbers the draws that are not among them.

        ``leading`` is days 0..T × columns, ``own`` days 0..T × instruments, as in :class:`stresslab.kernels.noise.Noise`.
        """
        self.noise.leading[:] = leading
        self.noise.own[: own.shape[0], : own.shape[1]] = own
        self._priced(lane, path)
        self._placed(lane, path)

    def end_group(self) -> None:
        """List the accounts that any path of the group may touch."""
        screen.list_accounts(self.facts, self.state)

    def _draw_noise(self, path: int) -> None:
        """The noise of a path that is not drawn by itself: of a mirrored pair, or with a Sobol point in it (M-53)."""
        wanted = self.resolved.market.wanted
        if self.sobol is not None:
            self.sobol.draw(self.noise, wanted, self.seed, path)
        else:
            noise.draw_mirrored(self.noise, wanted, self.seed, path)

    def _priced(self, lane: int, path: int) -> None:
        """The prices of a path from the noise at hand."""
        returns.fundamental_prices(self.fundamental[lane], self.levels, self.resolved.market, self.noise, self.seed, path)
        self.market[lane], self.rate[lane], self.told[lane] = self.levels.market, self.levels.rate, self.levels.trace.told

    def _placed(self, lane: int, path: int) -> None:
        """What follows from the prices of a path: integers of its factor and rates, closed days, bounds."""
        self.effective_ppm[lane] = self.found(lane, path)
        prices, closed = self.fundamental[lane], self.closed[lane]
        self.factor_ppm[lane] = np.floor(np.exp(self.market[lane]) * PPM + 0.5)
        rates.whole_bp(self.moved_bp[lane], self.rate[lane])
        closures.closed_days(closed, self.resolved.closed, *self.resolved.suspensions, self.seed, path, self.factor_ppm[lane] // 100)
        screen.guess_bounds(prices, closed, self.facts, self.bound[lane], self.state.lowest, lane)

    def reprice(self, lane: int, state: layout.State) -> None:
        """Give a state the rates of a path of the group, where every path has its own."""
        if self.facts.clauses.random:
            loans.reprice(self.moved_bp[lane], self.facts, state)

    def found(self, lane: int, path: int) -> int:
        """The effective part of the candidates of a path of the group, ppm, 0 where its law needs none (M-60); refuses a path not found."""
        told, candidates = self.told[lane], self.resolved.market.crash.guide.candidates
        if told[TOLD_FAILED]:
            rule = f"the crash of path {path} was not found in {told[TOLD_ATTEMPTS]:.0f} attempts"
            way_out = "choose a milder depth, a later trough day, after = flat, or another model"
            raise InputError([Fault(f"scenario {self.resolved.scenario}", rule, way_out, None, "market.crash")])
        return round(told[TOLD_EFFECTIVE] / candidates * PPM) if candidates else 0

    def run(self, lane: int, path: int) -> None:
        """Run the three columns on a path of the group; the state is left as the run with impact left it."""
        self.take(lane)
        cascade.hold(self.fundamental[lane], self.facts, self.state, self.holding)
        if self.facts.terms.impact.law != liquidity.IMPACT_NONE:
            self.cascade(self.plain, path, self.plain_story)
        self.cascade(self.facts, path, self.story)

    def react(self, lane: int, path: int) -> None:
        """Run the cascade with impact alone on a path of the group."""
        self.take(lane)
        self.cascade(self.facts, path, self.story)

    def take(self, lane: int) -> None:
        """Turn to a path of the group."""
        self.lane = lane
        self.state.counts[layout.LANE] = lane
        self.reprice(lane, self.state)

    def cascade(self, facts: layout.Facts, path: int, story: layout.Story) -> None:
        """Run the cascade alone on the path turned to last."""
        lane = self.lane
        self.state.bound[:] = self.bound[lane]
        cascade.run_path(
            path, self.seed, self.fundamental[lane], self.factor_ppm[lane] // 100, self.closed[lane], facts, self.state, story)

    def keep(self, block: Block, row: int) -> None:
        """Write the path into row ``row`` of a block."""
        story, prices, factor = self.story, self.fundamental[self.lane], self.factor_ppm[self.lane]
        for name in layout.OUTCOME.names or ():
            block.outcomes[name][row] = story.outcome[name]
        plain = self.plain_story if self.facts.terms.impact.law != liquidity.IMPACT_NONE else story
        for name, values in zip(LOSSES, (self.holding, _loss(plain.outcome), _loss(story.outcome)), strict=True):
            block.outcomes[name][row] = values
        fundamental = _basket_ppm(prices, self.resolved.basket)
        quoted = _basket_ppm(np.vstack([prices[:1], story.tape["quoted"][1:]]), self.resolved.basket)
        lows = (factor.min(), fundamental.min(), quoted.min(), *story.rounds)
        for name, value in zip(PATH_COLUMNS, (*lows, self.effective_ppm[self.lane]), strict=True):
            block.outcomes[name][row] = value
        for name in layout.DAY.names or ():
            block.days[name][row] = story.days[name][1:]
        locked = story.tape["locked"][1:].sum(axis=1)
        for name, line in zip(DAY_COLUMNS, (factor[1:], fundamental[1:], quoted[1:], locked), strict=True):
            block.days[name][row] = line[:, None]
        cascade.tally(self.facts, self.state, *(block.accounts[c] for c in ACCOUNT_COLUMNS))
        tape = story.tape[1:]
        told = (
            tape["quoted"], plain.tape["quoted"][1:], prices[1:], tape["sold_shares"], tape["sold_li"], tape["displaced_shares"],
            tape["locked"],
        )
        for name, values in zip(INSTRUMENT_COLUMNS, told, strict=True):
            block.instruments[name][:] += values
        self.keep_sectors(block, row, 1 + int(quoted[1:].argmin()), plain.tape["quoted"])

    def keep_sectors(self, block: Block, row: int, lowest: int, plain: NDArray[np.int64]) -> None:
        """What each sector sold and lost by impact on the day of the lowest quoted basket (M-49)."""
        shares, tape = self.resolved.basket, self.story.tape
        told = (
            tape["sold_li"].sum(axis=0), tape["displaced_li"].sum(axis=0), shares * self.facts.instrument["price"],
            shares * (plain[lowest] - tape["quoted"][lowest]),
        )
        for name, values in zip(SECTOR_COLUMNS, told, strict=True):
            np.add.at(block.sectors[name][row], self.resolved.market.sector, values)


def _loss(outcome: Any) -> NDArray[np.int64]:
    total: NDArray[np.int64] = outcome["deficit_li"] + outcome["deficit_unrealised_li"]
    return total


def _basket_ppm(prices: NDArray[np.int64], basket: NDArray[np.int64]) -> NDArray[np.int64]:
    """The value of all shares of the book on each day, ppm of day 0, rounded down; exact, in Python's integers."""
    values = [int(v) for v in prices @ basket]
    return np.array([v * PPM // values[0] if values[0] else PPM for v in values], np.int64)


def tables(resolved: Resolved, blocks: list[Block]) -> dict[str, pa.Table]:
    """The output tables of one scenario from its blocks, whatever their sizes and order of arrival."""
    summed = [b for b in blocks if b.accounts]
    blocks = sorted(blocks, key=lambda b: b.start)
    platforms, days = len(resolved.platform_ids), resolved.facts.terms.calendar.size - 1
    paths = sum(b.stop - b.start for b in blocks)
    path_of = np.concatenate([np.arange(b.start, b.stop) for b in blocks])
    outcomes: dict[str, Any] = {"path": np.repeat(path_of, platforms), "platform_id": np.tile(resolved.platform_ids, paths)}
    outcomes |= {c: np.concatenate([b.outcomes[c] for b in blocks]).ravel() for c in blocks[0].outcomes}
    by_day: dict[str, Any] = {
        "path": np.repeat(path_of, days * platforms),
        "platform_id": np.tile(resolved.platform_ids, paths * days),
        "day": np.tile(np.repeat(np.arange(1, days + 1), platforms), paths),
    }
    by_day |= {c: np.concatenate([b.days[c] for b in blocks]).ravel() for c in blocks[0].days}
    home = np.array(resolved.platform_ids)[resolved.facts.account["platform"]]
    accounts: dict[str, Any] = {"account_id": resolved.account_ids, "platform_id": home, "paths": np.full(len(home), paths)}
    accounts |= {c: np.sum([b.accounts[c] for b in summed], axis=0) for c in summed[0].accounts}
    instruments: dict[str, Any] = {
        "instrument_id": np.tile(resolved.instrument_ids, days),
        "day": np.repeat(np.arange(1, days + 1), len(resolved.instrument_ids)),
        "paths": np.full(days * len(resolved.instrument_ids), paths),
    }
    instruments |= {c: np.sum([b.instruments[c] for b in summed], axis=0).ravel() for c in summed[0].instruments}
    names = len(resolved.sector_ids)
    sectors: dict[str, Any] = {"path": np.repeat(path_of, names), "sector": np.tile(resolved.sector_ids, paths)}
    sectors |= {c: np.concatenate([b.sectors[c] for b in blocks]).ravel() for c in blocks[0].sectors}
    made = {
        "outcomes": outcomes, "days": by_day, "accounts": accounts, "investors": _investors(resolved, accounts, paths),
        "instruments": instruments, "sectors": sectors,
    }
    return {name: _table(name, resolved.scenario, columns) for name, columns in made.items()}


def investor_cells(resolved: Resolved) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Accounts with debt, the number of each one's platform and investor type, and the numbers that somebody has, in rising order."""
    account = resolved.facts.account
    owing = np.flatnonzero(account["debt"] > 0)
    cell = account["platform"][owing].astype(np.int64) * len(glossary.INVESTOR_TYPES) + account["investor_type"][owing]
    return owing, cell, np.unique(cell)


def _investors(resolved: Resolved, accounts: dict[str, Any], paths: int) -> dict[str, Any]:
    """The accounts' sums over paths, added up by platform and investor type over accounts with debt (M-231)."""
    owing, cell, there = investor_cells(resolved)
    at, kinds = np.searchsorted(there, cell), len(glossary.INVESTOR_TYPES)
    columns: dict[str, Any] = {
        "platform_id": np.array(resolved.platform_ids)[there // kinds], "investor_type": np.array(glossary.INVESTOR_TYPES)[there % kinds],
        "accounts_with_debt": np.bincount(at, minlength=there.size), "paths": np.full(there.size, paths),
    }
    for name in ("forced", "in_deficit"):
        columns[name] = np.zeros(there.size, np.int64)
        np.add.at(columns[name], at, accounts[name][owing])
    return columns


def _table(name: str, scenario: str, columns: dict[str, Any]) -> pa.Table:
    shape = glossary.schema(name)
    rows = len(columns[shape.names[1]])
    arrays = []
    for column in shape:
        if column.name == "scenario":
            arrays.append(pa.array([scenario] * rows, pa.string()))
        elif column.name in glossary.NULL_WHEN_ZERO:
            values = np.asarray(columns[column.name])
            arrays.append(pa.array(values, column.type, mask=values == 0))
        else:
            arrays.append(pa.array(columns[column.name], column.type))
    return pa.Table.from_arrays(arrays, schema=shape)
