"""Time of one path of the cascade on synthetic books: our kernel, the plain numba loop, numpy, scipy and pandas.

Run: python benchmarks/bench_cascade.py [--accounts 100000] [--shocks 0,10,20,40,60] [--paths 64] [--loop-paths 3]
[--peer-paths 1] [--contenders product,loop,numpy,scipy,pandas] [--mode cascade|valuation] [--repeats 3].

Everybody gets the same book and the same fundamental prices, drawn before the clock starts. All rules of ``docs/method.md`` that
the scenario asks for are on (see :func:`terms_of`); the run with impact alone is timed, not the two columns beside it. A path
of the kernel bears its part of what is done once for a group of up to 64 paths. Times of kernel and loop are medians over
``--repeats`` runs that take turns, after a warm-up; the peers run once. Compilation is timed apart. ``cpu_…`` is the time of the
thread on its processor, which a busy machine disturbs less. ``ratio_to_loop`` compares the times of the paths that both ran, and
``equal`` says whether the kernel's whole story and debts have the loop's digest on each of them (of the peers: shares sold and
debts). One JSON line per measurement, with commit and machine.

``--mode valuation`` finds the accounts below their warning line on 64 paths at the prices of one day; ``equal`` says
whether the number of accounts found on each path is that of the loop.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import loop
import numpy as np
import peers
from numpy.typing import NDArray

from stresslab.kernels import cascade, draws, factors, layout, liquidity, noise, returns, screen

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
DAYS, INSTRUMENTS, SECTORS, TROUGH = 60, 300, 10, 20
SEED = 20_260_101
#: Accounts of one platform: no amount of a platform may pass 2^47 厘 (M-2).
ACCOUNTS_OF_PLATFORM = 100_000
PRODUCT, LOOP = "product", "loop"


class Paths(NamedTuple):
    """What a group of paths draws before any contender starts."""

    fundamental: I64  # paths × days 0..T × instruments, 厘
    factor_bp: I64  # paths × days 0..T
    closed: NDArray[np.uint8]  # days 0..T × instruments, nothing is closed


# --- the book -----------------------------------------------------------------------------------------------------------


def uniforms(count: int, purpose: int) -> F64:
    """Uniforms for one purpose of the book."""
    out = np.zeros(count)
    draws.fill_uniforms(out, SEED, 0, purpose, draws.STREAM_DEMO)
    return out


def normals(count: int, purpose: int) -> F64:
    """Normals for one purpose of the book, by Box and Muller."""
    radius = np.sqrt(-2.0 * np.log(uniforms(count, purpose)))
    normal: F64 = radius * np.cos(2.0 * math.pi * uniforms(count, purpose + 1))
    return normal


def instruments_of() -> Any:
    """Instruments with median prices near 15 yuan, limits apart; volumes follow from the holdings."""
    instrument = layout.records(layout.INSTRUMENT, INSTRUMENTS)
    instrument["tick"], instrument["lot"], instrument["min_order"] = 10, 100, 100
    instrument["price"] = np.rint(100 * np.exp(2.7 + 0.8 * normals(INSTRUMENTS, 1))).astype(np.int64) * 10 + 2_000
    instrument["cost_bp"] = 8
    instrument["sigma"] = 0.014 + 0.016 * uniforms(INSTRUMENTS, 3)
    instrument["theta"] = 3.0
    return instrument


def positions_of(accounts: int, instrument: Any) -> tuple[Any, I64]:
    """2 to 8 positions an account, different instruments, popular ones more often; and the count of each account."""
    count = 2 + np.floor(7 * uniforms(accounts, 4)).astype(np.int64)
    account = np.repeat(np.arange(accounts), count)
    popularity = np.cumsum(1.0 / np.arange(1, INSTRUMENTS + 1) ** 0.6)
    order = np.argsort(uniforms(INSTRUMENTS, 5))
    held = order[np.searchsorted(popularity / popularity[-1], uniforms(account.size, 6))]
    while True:  # a name that an account has twice moves on to the next
        rank = np.argsort(account * INSTRUMENTS + held, kind="stable")
        held = held[rank]
        twice = np.flatnonzero((account[1:] == account[:-1]) & (held[1:] == held[:-1])) + 1
        if twice.size == 0:
            break
        held[twice] = (held[twice] + 1) % INSTRUMENTS
    size = np.repeat(np.exp(10.5 + 1.2 * normals(accounts, 7)), count) * np.exp(normals(account.size, 9))  # yuan
    lots = np.maximum(1, np.minimum(size, 1e9) * 1_000 / (instrument["price"][held] * 100)).astype(np.int64)
    position = layout.records(layout.POSITION, account.size)
    position["instrument"] = held
    position["shares"] = position["sellable"] = 100 * lots
    return position, count


def accounts_of(position: Any, count: I64, instrument: Any) -> Any:
    """Accounts with start ratios mostly between 170 and 500% of their debt, lines 140/130/140 or 150/130/150, interest of 8%."""
    account = layout.records(layout.ACCOUNT, count.size)
    account["last"] = np.cumsum(count)
    account["first"] = account["last"] - count
    value = np.add.reduceat(position["shares"] * instrument["price"][position["instrument"]], account["first"].astype(np.int64))
    account["cash"] = np.where(uniforms(count.size, 11) < 0.1, value // 50, 0)
    ratio = 1.45 + np.exp(0.2 + 0.7 * normals(count.size, 12))
    account["debt"] = np.floor((value + account["cash"]) / ratio)
    strict = uniforms(count.size, 14) < 0.2
    account["warning_bp"] = account["restore_bp"] = np.where(strict, 15_000, 14_000)
    account["liquidation_bp"] = 13_000
    account["rate_bp"] = account["rate_most_bp"] = 800
    account["floats_from"] = layout.NEVER
    account["investor_type"] = np.searchsorted((0.8, 0.95), uniforms(count.size, 15))
    account["full_sale"] = uniforms(count.size, 16) < 0.1
    account["platform"] = np.arange(count.size) // ACCOUNTS_OF_PLATFORM
    return account


def lenders_of(account: Any) -> tuple[Any, Any, Any]:
    """Platforms with 5% own capital, 1% reserve, senior and junior funding and claims; nobody asks for money."""
    count = -(-account.size // ACCOUNTS_OF_PLATFORM)
    lender, layer = layout.records(layout.PLATFORM, count), layout.records(layout.LAYER, 3 * count)
    for p in range(count):
        loans = int(account["debt"][account["platform"] == p].sum())
        cash, pool = loans * 3 // 100, loans * 2 // 100
        senior, junior, own, reserve = loans * 60 // 100, loans * 20 // 100, loans * 5 // 100, loans // 100
        claims = loans + cash + pool - senior - junior - own - reserve
        lender[p] = (cash, pool, 0, loans // 20, reserve, own, claims, 0, 0, 0)
        layer[p] = (p, 0, 500, layout.FIXED, 0)
        layer[count + 2 * p] = (p, senior, 500, layout.FIXED, 0)
        layer[count + 2 * p + 1] = (p, junior, 700, layout.FIXED, 1)
    return lender, layout.records(layout.DUE, DAYS + 1, count), layer


def terms_of(instrument: Any) -> layout.Terms:
    """Selling and answering as in `scenarios/severe.toml`, but half of all calls answered, whatever the investor's type."""
    highest = int(instrument["cost_bp"].max())
    return layout.Terms(
        calendar=np.array([(t * 365 * 2 + 252) // 504 for t in range(DAYS + 1)], np.int64),
        answer_bp=np.array([5_000, 5_000, 5_000], np.int64), mood_bp=10_000, grace_days=2,
        impact=liquidity.Impact(liquidity.IMPACT_SQRT, 1.0, 0.0, 1.0, 5_000, math.floor(1e9 * 2.0 ** (-1 / 5))),
        cost_share_bp=highest + 100, selling_cost_bp=highest, rounds_max=50, pool_haircut_bp=300, payment_grace_days=1,
        call_all_after_failure=False, buyers_bp=0, exhaustion_bp=10_000, breaker_bp=0, batches=1, minimum_sale=0, displace=True,
    )


def make_book(accounts: int) -> layout.Facts:
    """A book of so many accounts; all holdings of an instrument are 2 to 10 days of its volume."""
    instrument = instruments_of()
    position, count = positions_of(accounts, instrument)
    account = accounts_of(position, count, instrument)
    instrument["weight"] = np.bincount(position["instrument"], position["shares"], INSTRUMENTS)
    instrument["volume"] = np.maximum(100, instrument["weight"] / (2 + 8 * uniforms(INSTRUMENTS, 17)))
    instrument["capacity"] = instrument["volume"] // 5
    limit_bp = np.zeros((DAYS + 1, INSTRUMENTS), np.uint16)
    limit_bp[1:] = np.where(uniforms(INSTRUMENTS, 18) < 0.2, 2_000, 1_000)
    lender, due, layer = lenders_of(account)
    return cascade.make_facts(account, position, instrument, limit_bp, lender, due, layer, terms_of(instrument))


def market_of(instrument: Any, shock_pct: int, shape: str) -> returns.MarketTerms:
    """A market of 22% volatility a year that has lost ``shock_pct`` on the trough day; 0 leaves it alone."""
    shapes = {"gap": factors.SHAPE_GAP, "ramp": factors.SHAPE_RAMP, "bridge": factors.SHAPE_BRIDGE}
    return returns.MarketTerms(
        price=instrument["price"].copy(), tick=instrument["tick"].copy(), beta=0.7 + 0.6 * uniforms(INSTRUMENTS, 19),
        sector=np.arange(INSTRUMENTS) % SECTORS, sector_loading=np.ones(INSTRUMENTS),
        own_sd=0.008 + 0.014 * uniforms(INSTRUMENTS, 20), rate_beta=np.zeros(INSTRUMENTS), sector_sd=np.full(SECTORS, 0.006),
        law=factors.FactorLaw(factors.LAW_GBM, 0.22 / math.sqrt(252), 0.0), crash=factors.Crash(
            shapes[shape] if shock_pct else factors.SHAPE_NONE, TROUGH, math.log(1 - shock_pct / 100), False),
        wanted=np.ones(noise.LEAD_FACTORS + SECTORS, np.uint8), rate_shock=np.zeros(DAYS + 1),
    )


def draw_paths(instrument: Any, shock_pct: int, shape: str, count: int) -> Paths:
    """The prices of paths 0 to count − 1."""
    market = market_of(instrument, shock_pct, shape)
    fundamental, factor = np.zeros((count, DAYS + 1, INSTRUMENTS), np.int64), np.zeros((count, DAYS + 1))
    levels, room = returns.new_levels(market), noise.new_noise(DAYS, SECTORS, INSTRUMENTS)
    for path in range(count):
        noise.draw_noise(room, market.wanted, SEED, path)
        returns.fundamental_prices(fundamental[path], levels, market, room, SEED, path)
        factor[path] = levels.market
    factor_bp = np.floor(np.exp(factor) * 1_000_000 + 0.5).astype(np.int64) // 100
    return Paths(fundamental, factor_bp, np.zeros((DAYS + 1, INSTRUMENTS), np.uint8))


# --- what is compared ---------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What one path gave: its time, wall and processor, s, and digests of all that it told and of what the peers tell."""

    seconds: F64
    story: str
    sales: str


def clock() -> F64:
    """The time on the wall and of this thread on a processor, s."""
    return np.array([time.perf_counter(), time.thread_time()])


def digest_of(story: layout.Story) -> str:
    """The digest of a whole story, bit for bit."""
    digest = hashlib.sha256()
    for part in (story.outcome, story.days[1:], story.tape[1:], story.rounds):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


class Product:
    """The kernel as ``engine.Runner`` drives it; connect a new kernel here.

    What is done once for a group (bounds, the list of accounts that any path may touch) is shared out over its paths.
    """

    def __init__(self, facts: layout.Facts) -> None:
        """Take memory for one thread."""
        self.facts, self.state, self.story = facts, layout.new_state(facts), layout.new_story(facts)
        self.bounds = np.zeros((layout.LANES, *self.state.bound.shape), np.float32)
        self.cover, self.weight = np.zeros(0), facts.weight[:0]

    def run(self, drawn: Paths, count: int, told: bool = True) -> Iterator[Outcome]:
        """Run paths 0 to count − 1; digests are made outside of the clock, and only if they are told."""
        for start in range(0, count, layout.LANES):
            group = range(start, min(start + layout.LANES, count))
            begun = clock()
            self.state.lowest[:] = screen.NO_PRICE
            for lane, path in enumerate(group):
                screen.guess_bounds(drawn.fundamental[path], drawn.closed, self.facts, self.bounds[lane], self.state.lowest, lane)
            screen.list_accounts(self.facts, self.state)
            shared = (clock() - begun) / len(group)
            for lane, path in enumerate(group):
                begun = clock()
                self.state.counts[layout.LANE] = lane
                self.state.bound[:] = self.bounds[lane]
                cascade.run_path(
                    path, SEED, drawn.fundamental[path], drawn.factor_bp[path], drawn.closed, self.facts, self.state, self.story)
                yield outcome_of(clock() - begun + shared, self.story, self.debts, told)

    def debts(self) -> I64:
        """The debts at the end, 厘: of accounts that the path did not touch, what interest alone makes of them."""
        debts, live = self.facts.last_debt.copy(), self.state.slot >= 0
        debts[live] = self.state.account["debt"][self.state.slot[live]]
        return debts

    def below_warning(self, prices: I64) -> I64:
        """How many accounts are below their warning line on each path: 64 paths at once, and integers where floats cannot tell."""
        found, f, state = np.zeros(prices.shape[0], np.int64), self.facts, self.state
        if self.cover.size == 0:
            self.cover, self.weight = np.empty_like(f.cover), f.weight.copy()
            weigh_today(f.account, f.position, self.cover, self.weight)
        state.lowest[:] = screen.NO_PRICE
        state.lowest[:, : prices.shape[0]] = prices.T
        counted = np.zeros(layout.LANES, np.int32)  # as wide as a cover: comparing and counting are one vector loop
        below_warning_screened(f.account, f.position, self.cover, self.weight, prices, state.lowest, state.lane, counted, found)
        return found


class Loop:
    """The plain numba loop."""

    def __init__(self, facts: layout.Facts) -> None:
        """Take memory for one thread."""
        self.facts, self.state, self.story = facts, loop.new_state(facts), layout.new_story(facts)
        loop.begin(self.facts, self.state, self.story)

    def run(self, drawn: Paths, count: int, told: bool = True) -> Iterator[Outcome]:
        """Run paths 0 to count − 1."""
        for path in range(count):
            begun = clock()
            loop.run_path(
                path, SEED, drawn.fundamental[path], drawn.factor_bp[path], drawn.closed, self.facts, self.state, self.story)
            yield outcome_of(clock() - begun, self.story, lambda: self.state.accounts.debt, told)

    def below_warning(self, prices: I64) -> I64:
        """The same, account by account and path by path."""
        found = np.zeros(prices.shape[0], np.int64)
        below_warning(self.facts.account, self.state.positions.instrument, self.state.positions.shares, prices, found)
        return found


class Peer:
    """numpy, scipy or pandas."""

    def __init__(self, name: str, facts: layout.Facts) -> None:
        """Take the columns out of the facts."""
        self.peer = peers.PEERS[name](facts)

    def run(self, drawn: Paths, count: int, told: bool = True) -> Iterator[Outcome]:
        """Run paths 0 to count − 1."""
        for path in range(count):
            begun = clock()
            sold, debt = self.peer.run_path(path, SEED, drawn.fundamental[path], drawn.factor_bp[path])
            seconds = clock() - begun
            yield Outcome(seconds, "", peers.peers_digest(sold, debt) if told else "")

    def below_warning(self, prices: I64) -> I64:
        """The same, vectorised over accounts."""
        return self.peer.below_warning(prices)


CONTENDERS: dict[str, Callable[[layout.Facts], Any]] = {LOOP: Loop, PRODUCT: Product}
CONTENDERS |= {name: partial(Peer, name) for name in peers.PEERS}


def outcome_of(seconds: F64, story: layout.Story, debts: Callable[[], I64], told: bool) -> Outcome:
    """What kernel and loop tell of a path."""
    if not told:
        return Outcome(seconds, "", "")
    sold = story.tape["sold_shares"].copy()
    sold[0] = 0
    return Outcome(seconds, digest_of(story), peers.peers_digest(sold, debts()))


def side_by_side(works: list[Callable[[], object]]) -> float:
    """The wall time of some works, each on its thread, s."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
    return time.perf_counter() - begun


@loop.compiled
def below_warning(account: Any, instrument: Any, shares: Any, prices: I64, found: I64) -> None:
    """How many accounts are below their warning line on each path; ``prices`` is paths × instruments, 厘."""
    for path in range(prices.shape[0]):
        price = prices[path]
        total = 0
        for n in range(account.size):
            mine = account[n]
            value = mine.cash
            for k in loop.rows(mine):
                value += shares[k] * price[instrument[k]]
            total += 1 if value * 10_000 < mine.warning_bp * mine.debt else 0
        found[path] = total


@loop.compiled
def weigh_today(account: Any, position: Any, cover: F64, weight: Any) -> None:
    """The share of an account's warning line of today that its cash and one 厘 of each price cover."""
    for n in range(account.size):
        mine = account[n]
        line = mine.warning_bp * mine.debt / 10_000.0
        cover[n] = mine.cash / line if mine.debt > 0 else screen.NOTHING_OWED
        for row in loop.rows(mine):
            weight[row].instrument = position[row].instrument
            weight[row].share = position[row].shares / line if mine.debt > 0 else 0.0


@loop.compiled
def below_warning_screened(
    account: Any, position: Any, cover: F64, weight: Any, prices: I64, lowest: Any, lane: Any, counted: Any, found: I64
) -> None:
    """The same with floats on both sides of the line, and in integers for the accounts and paths in between."""
    found[:], counted[:] = 0, 0
    # Single precision rounds each of up to 8 products and sums by 2^-24: 2^-16 is far more than all of it.
    surely_below, maybe_below = np.float32(1.0 - 2.0**-16), np.float32(1.0 + 2.0**-16)
    for n in range(account.size):
        mine = account[n]
        screen.cover_lanes(cover[n], mine.first, mine.last, weight, lowest, lane)
        unsure = np.int32(0)
        for path in range(layout.LANES):
            below = np.int32(lane[path] < surely_below)
            counted[path] += below
            unsure |= np.int32(lane[path] < maybe_below) ^ below
        if unsure != 0:
            for path in range(prices.shape[0]):
                if surely_below <= lane[path] < maybe_below:
                    value = mine.cash
                    for row in loop.rows(mine):
                        value += position[row].shares * prices[path, position[row].instrument]
                    found[path] += 1 if value * 10_000 < mine.warning_bp * mine.debt else 0
    for path in range(prices.shape[0]):
        found[path] += counted[path]


Tell = Callable[..., None]


def measure_cascade(facts: layout.Facts, given: argparse.Namespace, shock_pct: int, tell: Tell) -> None:
    """Time all contenders on one market. Kernel and loop take turns, so that a noisy machine disturbs both alike."""
    drawn = draw_paths(facts.instrument, shock_pct, given.shape, given.paths)
    asked = {PRODUCT: given.paths, LOOP: given.loop_paths}
    counts = {name: min(given.paths, asked.get(name, given.peer_paths)) for name in given.contenders}
    runs: dict[str, list[list[Outcome]]] = {name: [] for name in given.contenders}
    for turn in range(given.repeats):
        for name, count in counts.items():
            if turn == 0 or name in (PRODUCT, LOOP):
                runs[name].append(list(CONTENDERS[name](facts).run(drawn, count)))
    for name, count in counts.items():
        wall, processor = 1000 * np.median([[o.seconds for o in run] for run in runs[name]], axis=0).T
        figures: dict[str, object] = {"repeats": len(runs[name]), "ms_per_path": round(float(wall.mean()), 3)}
        figures |= {"ms_median_path": round(float(np.median(wall)), 3), "cpu_ms_per_path": round(float(processor.mean()), 3)}
        if name == PRODUCT:
            works = [partial(spend, CONTENDERS[name](facts), drawn, count) for _ in range(2)]
            walls = [side_by_side(works) for _ in range(given.repeats)]
            figures["ms_per_path_2_threads"] = round(1000 * statistics.median(walls) / (2 * count), 3)
        if name != LOOP and LOOP in runs:
            figures |= against(runs[name], runs[LOOP])
        tell(bench="cascade", contender=name, shock_pct=shock_pct, shape=given.shape, days=DAYS, paths=count, **figures)


def against(mine: list[list[Outcome]], loops: list[list[Outcome]]) -> dict[str, object]:
    """How many times quicker somebody is than the loop on the paths that both ran, by wall and processor, and whether he is right."""
    shared = min(len(mine[0]), len(loops[0]))
    ratios = [sum(o.seconds for o in b[:shared]) / sum(o.seconds for o in a[:shared]) for a, b in zip(mine, loops, strict=False)]
    wall, processor = (round(float(ratio), 2) for ratio in np.median(ratios, axis=0))
    equal = all(a.sales == b.sales and a.story in ("", b.story) for a, b in zip(mine[0], loops[0], strict=False))
    return {"paths_compared": shared, "ratio_to_loop": wall, "cpu_ratio_to_loop": processor, "equal": equal}


def spend(runner: Any, drawn: Paths, count: int) -> None:
    """Run paths without telling what they gave."""
    for _ in runner.run(drawn, count, told=False):
        pass


def measure_valuation(facts: layout.Facts, given: argparse.Namespace, shock_pct: int, tell: Tell) -> None:
    """Time the search for accounts below their warning line at the prices of the trough day; each thread does all paths."""
    prices = np.ascontiguousarray(draw_paths(facts.instrument, shock_pct, given.shape, layout.LANES).fundamental[:, TROUGH])
    truth: list[int] = []
    for name in given.contenders:
        used = prices if name in (PRODUCT, LOOP) else prices[: 8 * given.peer_paths]
        workers = [CONTENDERS[name](facts) for _ in range(2)]
        for worker in workers:
            found = worker.below_warning(used).tolist()
        truth = truth or found
        figures: dict[str, object] = {"equal": found == truth[: len(found)], "found": sum(found)}
        for threads in (1, 2):
            works = [partial(worker.below_warning, used) for worker in workers[:threads]]
            wall = statistics.median(side_by_side(works) for _ in range(given.repeats))
            figures[f"ns_per_account_path_{threads}_threads"] = round(1e9 * wall / (threads * len(found) * facts.account.size), 3)
        tell(bench="valuation", contender=name, shock_pct=shock_pct, paths=len(found), repeats=given.repeats, **figures)


def compile_all(contenders: list[str], tell: Tell) -> None:
    """Run every contender on a tiny book, so that nobody compiles on the clock."""
    facts = make_book(200)
    drawn = draw_paths(facts.instrument, 40, "bridge", 2)
    for name in contenders:
        begun = time.perf_counter()
        runner = CONTENDERS[name](facts)
        spend(runner, drawn, 2)
        runner.below_warning(np.ascontiguousarray(drawn.fundamental[:, 1]))
        tell(bench="compile or load, first paths", contender=name, seconds=round(time.perf_counter() - begun, 2))


def bytes_of(records: Any) -> int:
    """The bytes of all arrays of a tuple of arrays and tuples."""
    if isinstance(records, np.ndarray):
        return int(records.nbytes)
    return sum(bytes_of(part) for part in records) if isinstance(records, tuple) else 0


def main() -> None:
    """Print one JSON line per measurement."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=100_000)
    options.add_argument("--shocks", default="0,10,20,40,60", help="falls of the market on day 20, percent")
    options.add_argument("--shape", choices=("bridge", "ramp", "gap"), default="bridge")
    options.add_argument("--paths", type=int, default=64)
    options.add_argument("--loop-paths", type=int, default=3)
    options.add_argument("--peer-paths", type=int, default=1)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--contenders", default="product,loop,numpy,scipy,pandas")
    options.add_argument("--mode", choices=("cascade", "valuation"), default="cascade")
    given = options.parse_args()
    # The loop comes first: it is what the others are measured by.
    given.contenders = sorted(given.contenders.split(","), key=lambda name: name != LOOP)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    place = {"commit": commit, "machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    place["loop"] = "tuned" if loop.TUNED else "plain"

    def tell(**figures: object) -> None:
        print(json.dumps({"accounts": given.accounts} | figures | place), flush=True)

    compile_all(given.contenders, tell)
    begun = time.perf_counter()
    facts = make_book(given.accounts)
    figures = {"seconds": round(time.perf_counter() - begun, 2), "positions": int(facts.position.size)}
    figures["bytes_per_account_facts"] = round(bytes_of(tuple(facts)) / given.accounts)
    figures["bytes_per_account_state_product"] = round(bytes_of(tuple(layout.new_state(facts))) / given.accounts)
    figures["bytes_per_account_state_loop"] = round(bytes_of(tuple(loop.new_state(facts))) / given.accounts)
    tell(bench="make the book", **figures)
    for shock in given.shocks.split(","):
        {"cascade": measure_cascade, "valuation": measure_valuation}[given.mode](facts, given, int(shock), tell)
    tell(bench="peak memory", mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
