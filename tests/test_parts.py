"""A book cut by accounts gives the same bytes as the whole book, in any number of parts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import plain
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_worlds import facts_of, paths_of, ready, told
from worlds import plain_account, plain_instrument, plain_world, planned_worlds, worlds

from stresslab import engine, farm, parts
from stresslab.book import demo_book
from stresslab.kernels import cascade, layout, screen
from stresslab.market import shipped_market
from stresslab.resolve import Resolved, resolve
from stresslab.scenario import read_scenario

World = dict[str, Any]


class Fixed(parts.Part):
    """A part whose path is given instead of drawn."""

    def __init__(self, facts: layout.Facts, world: World) -> None:
        self.world = world
        fundamental, factor, closed = paths_of(world)
        self.states = [ready(world, facts, layout.new_state(facts))]
        self.stories = {"impact": [layout.new_story(facts)]}
        self.before = [np.zeros(0, np.int64)]
        self.worst, self.active, self.day, self.paths = [1.0], [False], 1, range(world["path"], world["path"] + 1)
        bound = np.zeros((1, facts.instrument.size, layout.LANES), np.float32)
        screen.guess_bounds(fundamental, closed, facts, bound[0], self.states[0].lowest, 0)
        self.runner = _Given(facts, world["seed"], fundamental[None], factor[None] * 100, closed[None], bound)  # type: ignore[assignment]


class _Given:
    def __init__(self, facts: layout.Facts, seed: int, fundamental: Any, factor_ppm: Any, closed: Any, bound: Any) -> None:
        self.facts, self.plain, self.seed = facts, facts, seed
        self.fundamental, self.factor_ppm, self.closed, self.bound = fundamental, factor_ppm, closed, bound


def edges_of(data: Any, size: int, count: int) -> list[int]:
    inner = data.draw(st.lists(st.integers(0, size), min_size=count - 1, max_size=count - 1))
    return [0, *sorted(inner), size]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(worlds(), st.sampled_from((1, 2, 7, 64)), st.data())
def test_a_cut_world_equals_the_plain_twin(world: World, count: int, data: Any) -> None:
    equals_the_twin(world, edges_of(data, len(world["accounts"]), count))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(planned_worlds(), st.sampled_from((1, 2, 7)), st.data())
def test_a_cut_world_with_responses_equals_the_plain_twin(world: World, count: int, data: Any) -> None:
    equals_the_twin(world, edges_of(data, len(world["accounts"]), count))


def test_the_run_off_reaches_every_part_after_a_recall() -> None:
    """(M-18, M-28) Loans far above their lines were recalled in part; when their platform fails, each part still calls all of its own."""
    book = [plain_account(50_000_000, {0: 1_000}), plain_account(50_000_000, {1: 1_000})]
    owed = {"claims": 60_000_000, "due": [0] + [40_000_000] * 6}
    listed = [plain_instrument(100_000), plain_instrument(100_000, suspended=True)]
    equals_the_twin(plain_world(listed, [[100_000, 100_000]] * 7, book, platform=owed, run_off="called", payment_grace_days=2), [0, 1, 2])


def equals_the_twin(world: World, edges: list[int]) -> None:
    """Run a world cut at some accounts, and compare all that it tells."""
    facts, twins = facts_of(world), plain.run_path(world)
    held = [Fixed(cascade.part_of(facts, a, b), world) for a, b in pairwise(edges)]

    def ask(name: str, *given: Any) -> list[Any]:
        return [getattr(part, name)(*given) for part in held]

    parts.run_column(ask, "impact", len(world["fundamental"]) - 1, world["terms"]["rounds_max"])
    accounts = []
    for part, a, b in zip(held, edges, edges[1:], strict=False):
        mine = told({**world, "accounts": world["accounts"][a:b]}, part.runner.facts, part.states[0], part.stories["impact"][0])
        for name in ("platforms", "path", "days", "instruments"):
            assert mine[name] == twins[name], name
        accounts += mine["accounts"]
    assert accounts == twins["accounts"]


@pytest.fixture(scope="module")
def severe() -> Resolved:
    return resolve(demo_book(600, 3), shipped_market(), read_scenario("severe"))


def same(a: engine.Block, b: engine.Block) -> None:
    mine, other = engine.pack(a), engine.pack(b)
    assert list(mine) == list(other)
    for name, values in mine.items():
        assert np.array_equal(values, other[name]), name


@pytest.mark.parametrize("count", [1, 2, 7])
def test_parts_in_threads_give_the_same_blocks(severe: Resolved, count: int) -> None:
    found: list[engine.Block] = []
    farm.run_tasks([severe], 5, [(0, 2, 6)], lambda task, block: found.append(block), parts=count)
    same(found[0], engine.run_block(severe, 5, 2, 6))


def test_a_wave_of_withdrawals_needs_no_message_of_its_own() -> None:
    said = resolve(demo_book(600, 3), shipped_market(), read_scenario("withdrawal-wave"))
    found: list[engine.Block] = []
    farm.run_tasks([said], 5, [(0, 2, 5)], lambda task, block: found.append(block), parts=3)
    whole = engine.run_block(said, 5, 2, 5)
    same(found[0], whole)
    assert whole.outcomes["wave_asked_li"].any()
    assert whole.outcomes["funding_returned_li"].any()


def test_parts_in_two_processes_give_the_same_blocks(severe: Resolved) -> None:
    found: list[engine.Block] = []
    farm.run_tasks([severe], 5, [(0, 0, 3)], lambda task, block: found.append(block), parts=3, workers=2)
    same(found[0], engine.run_block(severe, 5, 0, 3))


def test_only_integers_cross(severe: Resolved) -> None:
    seen: set[type] = set()
    platforms, stocks = len(severe.platform_ids), len(severe.instrument_ids)
    fields = sum(len(kind.names or ()) for kind in (layout.PLATFORM_STATE, layout.OUTCOME, layout.DAY))
    held = [parts.Part(piece, 5) for piece in parts.cut(severe, 2)]

    def ask(name: str, *given: Any) -> list[Any]:
        answers = [getattr(part, name)(*given) for part in held]
        for value in [*given, *(answers if name in ("step", "draw") else [])]:
            if isinstance(value, np.ndarray):
                assert value.dtype == np.int64
                # Instruments and platforms, never accounts.
                assert value.shape[1] in (platforms, platforms * fields + 4 * stocks + 1)
            seen.add(type(value))
        return answers

    parts.run_block_in_parts(ask, severe, 0, 2)
    assert np.ndarray in seen


def test_a_part_keeps_its_accounts_alone(severe: Resolved) -> None:
    pieces = parts.cut(severe, 4)
    assert sum(len(p.account_ids) for p in pieces) == len(severe.account_ids)
    assert sum(p.facts.position.size for p in pieces) == severe.facts.position.size
    sizes = [p.facts.position.size for p in pieces]
    assert max(sizes) < 0.3 * severe.facts.position.size
