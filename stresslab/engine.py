"""One block of paths → tables. Pure: the same resolved scenario, seed and paths give the same bytes anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stresslab import glossary
from stresslab.kernels import cascade, layout, liquidity, returns
from stresslab.resolve import Resolved

PPM = 1_000_000
#: Columns of a path that are the same for every platform.
PATH_COLUMNS = ("factor_low_ppm", "basket_fundamental_low_ppm", "basket_quoted_low_ppm", "rounds_most", "rounds_limit_days")
DAY_COLUMNS = ("factor_ppm", "basket_fundamental_ppm", "basket_quoted_ppm", "locked")
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


def run_block(resolved: Resolved, seed: int, start: int, stop: int) -> Block:
    """Run paths start..stop − 1 of a resolved scenario."""
    facts, paths = resolved.facts, stop - start
    platforms, days = facts.platform.size, facts.terms.calendar.size - 1
    names = [m.name for m in glossary.PLATFORM_MEASURES]
    outcomes = {c: np.zeros((paths, platforms), np.int64) for c in (*names, *LOSSES, *PATH_COLUMNS)}
    day_names = [m.name for m in glossary.DAY_MEASURES]
    by_day = {c: np.zeros((paths, days, platforms), np.int64) for c in (*day_names, *DAY_COLUMNS)}
    accounts = {c: np.zeros(facts.account.size, np.int64) for c in ("called", "forced", "in_deficit", "deficit_sum_li", "sold_sum_li")}
    sums = ("quoted_sum_li", "fundamental_sum_li", "sold_sum_shares", "locked")
    instruments = {c: np.zeros((days, facts.instrument.size), np.int64) for c in sums}
    block = Block(start, stop, outcomes, by_day, accounts, instruments)
    runner = _Runner(resolved, seed)
    for row in range(paths):
        runner.run(start + row)
        runner.keep(block, row)
    return block


def pack(block: Block) -> dict[str, NDArray[np.int64]]:
    """A block as flat names and arrays, to be written to a file."""
    return {f"{part}.{name}": array for part in _PARTS for name, array in getattr(block, part).items()}


def unpack(start: int, stop: int, arrays: dict[str, NDArray[np.int64]]) -> Block:
    """The block that :func:`pack` made flat."""
    parts: dict[str, dict[str, NDArray[np.int64]]] = {part: {} for part in _PARTS}
    for name, array in arrays.items():
        part, _, column = name.partition(".")
        parts[part][column] = array
    return Block(start, stop, **parts)


_PARTS = ("outcomes", "days", "accounts", "instruments")


class _Runner:
    """Scratch for one thread: fundamental prices, state and story of one path at a time."""

    def __init__(self, resolved: Resolved, seed: int) -> None:
        facts = resolved.facts
        self.resolved, self.seed, self.facts = resolved, seed, facts
        self.plain = cascade.without_impact(facts)
        self.state = layout.new_state(facts)
        self.story, self.plain_story = layout.new_story(facts), layout.new_story(facts)
        days = facts.terms.calendar.size
        self.factor = np.zeros(days)
        self.fundamental = np.zeros((days, facts.instrument.size), np.int64)
        self.sector_level = np.zeros(resolved.market.sector_sd.size)
        self.own_level = np.zeros(facts.instrument.size)
        self.holding = np.zeros(facts.platform.size, np.int64)

    def run(self, path: int) -> None:
        """Draw a path and run the three columns on it; the state is left as the run with impact left it."""
        returns.fundamental_prices(self.fundamental, self.factor, self.sector_level, self.own_level, self.resolved.market, self.seed, path)
        self.factor_ppm = np.floor(np.exp(self.factor) * PPM + 0.5).astype(np.int64)
        factor_bp = self.factor_ppm // 100
        cascade.hold(self.fundamental, self.facts, self.holding)
        if self.facts.terms.impact != liquidity.IMPACT_NONE:
            cascade.run_path(path, self.seed, self.fundamental, factor_bp, self.plain, self.state, self.plain_story)
        cascade.run_path(path, self.seed, self.fundamental, factor_bp, self.facts, self.state, self.story)

    def keep(self, block: Block, row: int) -> None:
        """Write the path into row ``row`` of a block."""
        story, state = self.story, self.state
        for name in layout.OUTCOME.names or ():
            block.outcomes[name][row] = story.outcome[name]
        plain = self.plain_story if self.facts.terms.impact != liquidity.IMPACT_NONE else story
        for name, values in zip(LOSSES, (self.holding, _loss(plain.outcome), _loss(story.outcome)), strict=True):
            block.outcomes[name][row] = values
        fundamental = _basket_ppm(self.fundamental, self.resolved.basket)
        quoted = _basket_ppm(np.vstack([self.fundamental[:1], story.tape["quoted"][1:]]), self.resolved.basket)
        lows = (self.factor_ppm.min(), fundamental.min(), quoted.min(), story.rounds[0], story.rounds[1])
        for name, value in zip(PATH_COLUMNS, lows, strict=True):
            block.outcomes[name][row] = value
        for name in layout.DAY.names or ():
            block.days[name][row] = story.days[name][1:]
        locked = story.tape["locked"][1:].sum(axis=1)
        for name, line in zip(DAY_COLUMNS, (self.factor_ppm[1:], fundamental[1:], quoted[1:], locked), strict=True):
            block.days[name][row] = line[:, None]
        block.accounts["called"][:] += state.tally["calls"]
        block.accounts["forced"][:] += state.account["forced_day"] > 0
        block.accounts["in_deficit"][:] += state.tally["deficit"] > 0
        block.accounts["deficit_sum_li"][:] += state.tally["deficit"]
        block.accounts["sold_sum_li"][:] += state.tally["sold"]
        block.instruments["quoted_sum_li"][:] += story.tape["quoted"][1:]
        block.instruments["fundamental_sum_li"][:] += self.fundamental[1:]
        block.instruments["sold_sum_shares"][:] += story.tape["sold_shares"][1:]
        block.instruments["locked"][:] += story.tape["locked"][1:]


def _loss(outcome: Any) -> NDArray[np.int64]:
    total: NDArray[np.int64] = outcome["deficit_li"] + outcome["deficit_unrealised_li"]
    return total


def _basket_ppm(prices: NDArray[np.int64], basket: NDArray[np.int64]) -> NDArray[np.int64]:
    """The value of all shares of the book on each day, ppm of day 0, rounded down; exact, in Python's integers."""
    values = [int(v) for v in prices @ basket]
    return np.array([v * PPM // values[0] if values[0] else PPM for v in values], np.int64)


def tables(resolved: Resolved, blocks: list[Block]) -> dict[str, pa.Table]:
    """The output tables of one scenario from its blocks, whatever their sizes and order of arrival."""
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
    accounts |= {c: np.sum([b.accounts[c] for b in blocks], axis=0) for c in blocks[0].accounts}
    instruments: dict[str, Any] = {
        "instrument_id": np.tile(resolved.instrument_ids, days),
        "day": np.repeat(np.arange(1, days + 1), len(resolved.instrument_ids)),
        "paths": np.full(days * len(resolved.instrument_ids), paths),
    }
    instruments |= {c: np.sum([b.instruments[c] for b in blocks], axis=0).ravel() for c in blocks[0].instruments}
    made = {"outcomes": outcomes, "days": by_day, "accounts": accounts, "instruments": instruments}
    return {name: _table(name, resolved.scenario, columns) for name, columns in made.items()}


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
