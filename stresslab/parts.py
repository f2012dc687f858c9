"""A book cut by accounts: each part holds its own accounts, and only integers cross between the parts (docs/method.md, section 5).

Instruments, platforms and stories stand in every part and are the same in all of them. A step of a day lets each part work on its
own accounts and gives what that added: demand and fills per instrument, sums per platform. The conductor adds these up over the
parts, and every part takes the totals for its own. All are integers, so neither the number of parts nor their order can change a
byte. A step carries a group of paths at once, so that its messages are few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stresslab.engine import Block, Runner, group_of, new_block
from stresslab.kernels import cascade, layout, liquidity, platforms, responses, withdrawals
from stresslab.resolve import Resolved

I64 = NDArray[np.int64]
#: Paths of a group: so many states stand in memory at once.
GROUP = 16


def edges(resolved: Resolved, parts: int) -> list[tuple[int, int]]:
    """The first account of each of so many parts of about equally many positions, and the one after its last."""
    rows = resolved.facts.account["last"].astype(np.int64)
    at = [0, *np.searchsorted(rows, np.arange(1, parts) * (rows[-1] if rows.size else 0) / parts).tolist(), rows.size]
    return list(pairwise(at))


def cut(resolved: Resolved, parts: int) -> list[Resolved]:
    """A resolved scenario in so many parts; every part keeps the ids of its own accounts."""
    return [piece(resolved, a, b) for a, b in edges(resolved, parts)]


def piece(resolved: Resolved, first: int, last: int) -> Resolved:
    """The part of a resolved scenario that has accounts first to last − 1."""
    return replace(resolved, facts=cascade.part_of(resolved.facts, first, last), account_ids=resolved.account_ids[first:last])


#: Asks every part to do something, and gives their answers in the order of the parts.
Ask = Callable[..., list[Any]]


def run_block_in_parts(ask: Ask, whole: Resolved, start: int, stop: int, group: int = GROUP) -> Block:
    """Run paths start..stop − 1 of a book that is cut; the same bytes as :func:`engine.run_block` of the whole book.

    So many paths of a ``group`` go through the parts together: fewer need less memory and more messages.
    """
    terms = whole.facts.terms
    columns = ("impact",) if terms.impact.law == liquidity.IMPACT_NONE else ("plain", "impact")
    ask("open_block", start, stop)
    group = group_of(whole.facts, group)
    for first in range(start, stop, group):
        loss = sum(ask("draw", first, min(first + group, stop)))
        for column in columns:
            run_column(ask, column, terms.calendar.size - 1, terms.rounds_max)
        ask("keep", loss)
    blocks: list[Block] = ask("close_block")
    accounts = {c: np.concatenate([b.accounts[c] for b in blocks]) for c in blocks[0].accounts}
    return replace(blocks[0], accounts=accounts)


def run_column(ask: Ask, column: str, days: int, rounds_max: int) -> None:
    """One column of a group of paths, day by day and round by round."""

    def step(name: str, day: int, turn: int, totals: I64 | None) -> I64:
        total: I64 = sum(ask("step", name, day, turn, column, totals))  # type: ignore[assignment]
        return total

    totals = step("begin", 1, 0, None)
    for day in range(1, days + 1):
        totals = step("open", day, 0, totals)
        totals = step("pay", day, 0, totals)
        totals = step("respond", day, 1, totals)
        for turn in range(1, rounds_max + 1):
            if not totals[:, -1].any():
                break
            totals = step("fill", day, turn, totals)
            totals = step("trade", day, turn, totals)
        totals = step("write_off", day, 0, totals)
    totals = step("finish", days, 0, totals)
    step("end", days, 0, totals)


class Part:
    """The accounts of one part on a group of paths, all paths in step."""

    def __init__(self, resolved: Resolved, seed: int, group: int = GROUP) -> None:
        self.runner = Runner(resolved, seed, group)
        self.states: list[layout.State] = []
        self.stories: dict[str, list[layout.Story]] = {"plain": [], "impact": []}
        self.before: list[I64] = [np.zeros(0, np.int64)] * group
        self.worst = [1.0] * group
        self.active = [False] * group
        self.day = 1

    def open_block(self, start: int, stop: int) -> None:
        """Make room for the results of some paths."""
        self.block = new_block(self.runner.resolved, start, stop)

    def close_block(self) -> Block:
        """The results."""
        return self.block

    def draw(self, first: int, stop: int) -> I64:
        """Draw a group of paths; the loss of this part when holding, paths × platforms."""
        runner = self.runner
        self.paths = runner.draw(first, stop)
        while len(self.states) < len(self.paths):
            listing = runner.state
            own = layout.new_state(runner.facts)._replace(listed=listing.listed, paths=listing.paths, lowest=listing.lowest)
            self.states.append(own)
            for told in self.stories.values():
                told.append(layout.new_story(runner.facts))
        loss = np.zeros((len(self.paths), runner.facts.platform.size), np.int64)
        for lane, state in enumerate(self.states[: len(self.paths)]):
            state.counts[layout.LISTED], state.counts[layout.LANE] = runner.state.counts[layout.LISTED], lane
            runner.reprice(lane, state)
            cascade.hold(runner.fundamental[lane], runner.facts, state, loss[lane])
        return loss

    def keep(self, loss: I64) -> None:
        """Write the group into the block, with the holding loss of all parts."""
        runner = self.runner
        kept = runner.state, runner.story, runner.plain_story
        for lane, path in enumerate(self.paths):
            runner.lane, runner.holding = lane, loss[lane]
            runner.state, runner.story, runner.plain_story = self.states[lane], self.stories["impact"][lane], self.stories["plain"][lane]
            runner.keep(self.block, path - self.block.start)
        runner.state, runner.story, runner.plain_story = kept

    def step(self, name: str, day: int, turn: int, column: str, totals: I64 | None) -> I64:
        """Take the totals of the step before, do this one, give what the accounts of this part added: paths × shared integers.

        The last integer of a path is the number of sellers, which says whether there is another round.
        """
        added = []
        for lane, path in enumerate(self.paths):
            state, story = self.states[lane], self.stories[column][lane]
            if totals is not None:
                _put(self.before[lane] + totals[lane, :-1], _shared(self.day, state, story))
                self.active[lane] = bool(totals[lane, -1] > 0)
            self._prepare(name, lane, day, turn, column)
            self.before[lane] = _joined(_shared(day, state, story))
            self._work(name, lane, path, day, turn, column)
            sellers = state.counts[layout.SELLERS] if name in ("respond", "trade", "fill") else 0
            added.append(np.append(_joined(_shared(day, state, story)) - self.before[lane], sellers))
        self.day = day
        return np.array(added)

    def _facts(self, column: str) -> layout.Facts:
        return self.runner.plain if column == "plain" else self.runner.facts

    def _prepare(self, name: str, lane: int, day: int, turn: int, column: str) -> None:
        """What all parts do alike, from the same totals."""
        runner, facts, state, story = self.runner, self._facts(column), self.states[lane], self.stories[column][lane]
        if name == "begin":
            state.bound[:] = runner.bound[lane]
            cascade.begin(facts, state)
            cascade.begin_story(facts, story)
            withdrawals.begin_requests(self.paths[lane], runner.seed, facts.requests, state.requests, story.outcome)
        elif name == "open":
            if day > 1:
                platforms.close_platforms(day - 1, facts, state, story)
                cascade.close_market(day - 1, facts, state, story)
            responses.decide(day, runner.factor_ppm[lane] // 100, facts, state, story)
            fall = self._fall(lane, day)
            cascade.open_market(day, runner.fundamental[lane, day], runner.closed[lane, day], fall, facts, state, story)
            platforms.open_platforms(day, facts, state, story)
        elif name == "pay":
            platforms.measure(day, state, story)
            responses.bear(facts, state, story)
            withdrawals.ask(
                day, self.paths[lane], runner.seed, self._fall(lane, day - 1), facts, state.requests, state.platform, story)
            platforms.pay(day, facts, state, story)
        elif name == "trade" and self.active[lane]:
            self.worst[lane] = cascade.move_prices(day, turn, facts, state, story)
            story.rounds[0] = max(story.rounds[0], turn)
            story.rounds[1] += turn == facts.terms.rounds_max
        elif name == "finish":
            platforms.close_platforms(day, facts, state, story)
            cascade.close_market(day, facts, state, story)
        elif name == "end":
            platforms.finish_platforms(facts, state, story.outcome)
            responses.finish_responses(facts, state, story.outcome)

    def _work(self, name: str, lane: int, path: int, day: int, turn: int, column: str) -> None:
        """What this part does with its own accounts."""
        runner, facts, state, story = self.runner, self._facts(column), self.states[lane], self.stories[column][lane]
        if name == "open":
            fundamental = runner.fundamental[lane, day]
            cascade.open_accounts(day, path, runner.seed, fundamental, self._fall(lane, day), facts, state, story)
        elif name == "pay":
            cascade.recall_loans(day, facts, state)
        elif name == "respond":
            cascade.respond(day, turn, 1.0, facts, state, story)
        elif name == "fill" and self.active[lane]:
            cascade.fill_orders(state)
        elif name == "trade":
            last = turn == facts.terms.rounds_max
            if self.active[lane]:
                cascade.settle(day, turn, facts, state, story)
            if last or not self.active[lane]:
                state.counts[layout.SELLERS] = 0
            else:
                cascade.respond(day, turn + 1, self.worst[lane], facts, state, story)
        elif name == "write_off":
            cascade.write_off(day, facts, state, story.outcome)
            responses.weigh(facts, state)
        elif name == "finish":
            cascade.finish_accounts(runner.fundamental[lane, day], facts, state, story.outcome)

    def _fall(self, lane: int, day: int) -> int:
        return max(0, 10_000 - int(self.runner.factor_ppm[lane, day]) // 100)


def _shared(day: int, state: layout.State, story: layout.Story) -> list[I64]:
    """What accounts add to: sums per platform, demand, fills and displaced sales per instrument."""
    return [
        state.platform.view(np.int64), story.outcome.view(np.int64), story.days[day].view(np.int64), state.quote["demand"],
        state.quote["filled"], state.instrument["displaced"], state.instrument["displaced_li"],
    ]


def _joined(parts: list[I64]) -> I64:
    return np.concatenate([p.ravel() for p in parts])


def _put(values: I64, parts: list[I64]) -> None:
    at = 0
    for part in parts:
        part[...] = values[at : at + part.size].reshape(part.shape)
        at += part.size
