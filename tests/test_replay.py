"""A ledger explains every 厘 and changes none; a replay is the path of its run, or says that it is not."""

from __future__ import annotations

import csv
import io
import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from kernel_worlds import facts_of, paths_of, state_of, told
from plain_market import philox4x32
from rich.cells import cell_len
from rich.console import Console
from worlds import hand_world, planned_worlds, worlds

import stresslab as sl
from stresslab import engine, inputs, ledger, record, retrace, verbs
from stresslab.book import demo_book
from stresslab.kernels import cascade, layout
from stresslab.kernels import ledger as kinds
from stresslab.market import shipped_market
from stresslab.report import ledger as page
from stresslab.report.ledger_picture import picture
from stresslab.resolve import resolve
from stresslab.scenario import read_scenario

World = dict[str, Any]
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
ACCOUNTS, PATHS, SEED, PATH = 120, 4, 3, 2


# --- small worlds -------------------------------------------------------------------------------


class Small:
    """A path of a small world with a ledger of one account, or of all (−1)."""

    def __init__(self, world: World, account: int = -1, most: int = 100_000) -> None:
        self.facts = facts_of(world)
        if account >= 0:
            self.facts = retrace.watched(self.facts, account)
        fundamental, factor, closed = paths_of(world)
        self.state = state_of(world, self.facts, fundamental, closed)._replace(ledger=layout.new_ledger(most, account))
        self.story = layout.new_story(self.facts)
        cascade.run_path(world["path"], world["seed"], fundamental, factor, closed, self.facts, self.state, self.story)
        self.count = int(self.state.ledger.count[0])
        self.log = self.state.ledger.log[: min(self.count, most)]
        self.closing = self.story.tape["quoted"].copy()
        self.closing[0] = self.facts.instrument["price"]
        self.result = told(world, self.facts, self.state, self.story)

    @property
    def bytes(self) -> tuple[bytes, ...]:
        """All that the kernel tells, bit by bit."""
        return tuple(part.tobytes() for part in (self.story.outcome, self.story.days[1:], self.story.tape[1:], self.story.rounds))


def daily(world: World, account: int) -> Small:
    """A path with everything that happens to one account, every day."""
    return Small(world, account)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds())
def test_every_day_with_a_debt_is_told(world: World) -> None:
    """Also those of an account whose cash alone covers its debt."""
    for n, start in enumerate(world["accounts"]):
        log = daily(world, n).log
        marks = log[(log["account"] == n) & (log["kind"] == kinds.MARK)]
        last = len(world["fundamental"]) - 1
        gone = log[(log["account"] == n) & (retrace.balances(log)[1] == 0)]
        until = 0 if start["debt"] == 0 else int(gone["day"][0]) if gone.size else last
        assert marks["day"].tolist() == list(range(1, until + 1))


def of(log: Any, *wanted: int) -> int:
    """The money of all events of some kinds."""
    return int(log["money"][np.isin(log["kind"], wanted)].sum())


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds())
def test_events_explain_every_account_to_the_last_li(world: World) -> None:
    for n, start in enumerate(world["accounts"]):
        path = daily(world, n)
        end = path.result["accounts"][n]
        log = path.log[path.log["account"] == n]
        repaid = of(log, kinds.REPAY, kinds.REPAY_CASH)
        assert start["cash"] + of(log, kinds.ANSWER) + of(log, kinds.FILL) - of(log, kinds.COST) - repaid == end["cash_li"]
        assert start["debt"] + of(log, kinds.INTEREST) - repaid - of(log, kinds.WRITE_OFF) == end["debt_li"]
        assert of(log, kinds.WRITE_OFF) == end["deficit_li"]
        assert of(log, kinds.FILL) == end["sold_li"]
        fills = log[log["kind"] == kinds.FILL]
        assert (fills["money"] == fills["shares"] * fills["price"]).all()
        for place, held in enumerate(start["positions"]):
            sold = fills["shares"][fills["instrument"] == held["instrument"]].sum()
            assert held["shares"] - sold == end["shares"][place]


def step_by_step(path: Small, start: dict[str, Any], account: int, opening: Any) -> list[int]:
    """What an account's cash and shares are worth after each event, one event after the other; 0 where it is not the account's."""
    held = {p["instrument"]: p["shares"] for p in start["positions"]}
    cash, day, quoted, worth = start["cash"], 0, [], []
    paying = {kinds.ANSWER: 1, kinds.FILL: 1, kinds.COST: -1, kinds.REPAY: -1, kinds.REPAY_CASH: -1}
    for e in path.log:
        if e["day"] != day:
            day, quoted = int(e["day"]), opening[e["day"]].tolist()
        if e["kind"] in (kinds.PRICE, kinds.RATIONED):
            quoted[e["instrument"]] = int(e["price"])
        if e["account"] == account:
            cash += paying.get(int(e["kind"]), 0) * int(e["money"])
            if e["kind"] == kinds.FILL:
                held[int(e["instrument"])] -= int(e["shares"])
        worth.append(cash + sum(n * quoted[i] for i, n in held.items()) if e["account"] == account else 0)
    return worth


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds())
def test_what_an_account_has_after_each_event_follows_from_the_event(world: World) -> None:
    """Cash and debt step by step, and collateral as the kernel itself marked it."""
    opening = retrace.opening_prices(Small(world).log, Small(world).closing)
    for n, start in enumerate(world["accounts"]):
        path = daily(world, n)
        cash, debt = retrace.balances(path.log)
        collateral = retrace.collateral_after(path.log, path.facts, opening, cash)
        mine = path.log["account"] == n
        assert not collateral[~mine].any()
        assert collateral.tolist() == step_by_step(path, start, n, opening)
        has, owes = start["cash"], start["debt"]
        for e, c, d, a in zip(path.log[mine], cash[mine], debt[mine], collateral[mine], strict=True):
            money = int(e["money"])
            has += {kinds.ANSWER: money, kinds.FILL: money, kinds.COST: -money, kinds.REPAY: -money, kinds.REPAY_CASH: -money}.get(
                int(e["kind"]), 0)
            owes += {kinds.INTEREST: money, kinds.REPAY: -money, kinds.REPAY_CASH: -money, kinds.WRITE_OFF: -money}.get(int(e["kind"]), 0)
            assert (int(c), int(d)) == (has, owes)
            if e["kind"] == kinds.MARK:
                assert int(a) == money == int(e["value"])
            if e["kind"] == kinds.ORDER:
                assert int(a) == int(e["value"])
            if e["kind"] == kinds.WRITE_OFF:
                assert int(a) == 0


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds())
def test_recording_changes_nothing(world: World) -> None:
    silent = Small(world, most=0)
    assert (silent.count, silent.log.size) == (0, 0)
    whole = Small(world)
    assert whole.bytes == silent.bytes
    for room in {1, whole.count // 2, whole.count, whole.count + 1} - {0}:
        short = Small(world, most=room)
        assert short.bytes == silent.bytes
        assert short.count == whole.count
        assert short.log.tobytes() == whole.log[:room].tobytes()
    for n in range(len(world["accounts"])):
        assert daily(world, n).bytes == silent.bytes


OF_ACCOUNTS = (
    kinds.MARK, kinds.INTEREST, kinds.CALL, kinds.ANSWER, kinds.LAPSE, kinds.OVERDUE, kinds.RECALL, kinds.REPAY_CASH, kinds.ORDER,
    kinds.FILL, kinds.COST, kinds.REPAY, kinds.WRITE_OFF, kinds.COMPENSATED,
)
OF_INSTRUMENTS = (kinds.ORDER, kinds.FILL, kinds.COST, kinds.REPAY, kinds.LOCKED, kinds.CLOSED, kinds.PRICE, kinds.RATIONED)
OF_THE_MARKET = (kinds.LOCKED, kinds.CLOSED, kinds.PRICE, kinds.RATIONED, kinds.BREAKER)
IN_ROUNDS = (kinds.REPAY_CASH, kinds.ORDER, kinds.FILL, kinds.COST, kinds.REPAY, kinds.PRICE, kinds.RATIONED, kinds.RESPONSE)
WITH_SHARES = (kinds.ORDER, kinds.FILL)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(planned_worlds())
def test_an_event_says_what_is_of_its_kind(world: World) -> None:
    """Its round, its account, its instrument and its shares where its kind has them, and nothing where it has not."""
    path = Small(world)
    log, kind = path.log, path.log["kind"]
    assert np.isin(kind, (kinds.LOCKED, kinds.CLOSED)).sum() == path.story.tape["locked"][1:].sum()
    assert ((log["account"] >= 0) == np.isin(kind, OF_ACCOUNTS)).all()
    assert ((log["instrument"] >= 0) == np.isin(kind, OF_INSTRUMENTS)).all()
    assert ((log["platform"] >= 0) == ~np.isin(kind, OF_THE_MARKET)).all()
    open_end = kind == kinds.BREAKER  # before the first round, or in one
    assert ((log["round"] > 0) == np.isin(kind, IN_ROUNDS))[~open_end].all()
    assert (log["shares"] > 0)[np.isin(kind, WITH_SHARES)].all()
    assert (log["shares"] == 0)[~np.isin(kind, (*WITH_SHARES, kinds.PRICE, kinds.RATIONED))].all()
    assert (np.diff(log["day"].astype(int)) >= 0).all()


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(worlds())
def test_days_of_an_account_are_its_marks(world: World) -> None:
    """At the open as the kernel marked it, at the end as the kernel left it."""
    whole = Small(world)
    opening = retrace.opening_prices(whole.log, whole.closing)
    for n in range(len(world["accounts"])):
        path = daily(world, n)
        days = retrace.account_days(
            retrace.Told(path.log, path.facts, path.closing, path.story.tape["locked"], None), opening, n)  # type: ignore[arg-type]
        marks = path.log[(path.log["account"] == n) & (path.log["kind"] == kinds.MARK)]
        at = marks["day"].astype(int)
        assert days["collateral_open_li"].to_numpy()[at].tolist() == marks["money"].tolist()
        assert days["debt_open_li"].to_numpy()[at].tolist() == marks["debt"].tolist()
        end, last = path.result["accounts"][n], days.iloc[-1]
        worth = sum(
            s * int(path.closing[-1, p["instrument"]]) for s, p in zip(end["shares"], world["accounts"][n]["positions"], strict=True))
        assert (int(last["debt_li"]), int(last["collateral_li"])) == (end["debt_li"], end["cash_li"] + worth)
        assert (days["locked_li"] <= days["collateral_open_li"]).all()


def test_the_world_worked_by_hand() -> None:
    path = daily(hand_world(), 0)
    log = path.log[path.log["account"] == 0]
    told_ = [(int(e["day"]), kinds.KINDS[e["kind"]], int(e["money"])) for e in log]
    assert told_[:7] == [
        (1, "interest", 700), (1, "mark", 9_000_000), (1, "call", 800_980), (1, "order", 0), (1, "fill", 2_700_000), (1, "cost", 0),
        (1, "repay", 2_700_000),
    ]
    assert told_[7:10] == [(2, "interest", 860), (2, "mark", 6_300_000), (2, "lapse", 800_980)]
    names = retrace.Names(("P",), ("A",), ("S",))
    opening = retrace.opening_prices(path.log, path.closing)
    events = retrace.events_of(path.log, path.facts, opening, names).query("account_id == 'A'")
    assert events["ratio_bp"].tolist()[1] == 12_855  # 9,000 / 7,000.70 = 128.5586%, rounded down
    sale = events[events["event"] == "fill"].iloc[0]
    assert (sale["shares"], sale["price_li"], sale["cash_li"], sale["debt_li"], sale["collateral_li"]) == (
        300, 9_000, 2_700_000, 7_000_700, 9_000_000)
    order = events[events["event"] == "order"].iloc[0]
    assert (order["money_li"], order["displaced_li"]) == (2_700_000, 0)


def test_the_example_of_the_readme(tmp_path: Path) -> None:
    """The table in the README, as a replay tells it."""
    place = Path(__file__).parent.parent / "notebooks" / "one_account"
    run = sl.run(place, [place / "scenario.toml"], paths=1, seed=1, out=tmp_path / "run")
    events = sl.replay(run, path=0, account="A1").events
    assert events[events["event"] == "call"][["day", "money_li"]].to_numpy().tolist() == [[4, 8_000_000]]
    fills = events[events["event"] == "fill"]
    assert fills["day"].tolist() == [6, 7, 8, 9, 10]
    assert fills["shares"].tolist()[0] == 14_084
    assert fills["money_li"].tolist()[0] == 107_038_400
    assert events[events["event"] == "cost"]["money_li"].tolist()[0] == 85_631
    rest = events[events["event"] == "repay"]
    assert (rest["debt_li"].iloc[0], rest["debt_li"].iloc[-1], rest["collateral_li"].iloc[-1]) == (93_047_231, 29_524_491, 38_382_000)


# --- what became of the client's own money --------------------------------------------------------


def days_of(equity: list[int], paid: dict[int, int] | None = None) -> pd.DataFrame:
    """Days of an account without debt: equity by day, and what was paid in."""
    rows = [dict.fromkeys(ledger.ACCOUNT_DAY_COLUMNS, 0) | {"day": t, "collateral_li": e} for t, e in enumerate(equity)]
    return pd.DataFrame(rows).assign(paid_in_li=[(paid or {}).get(t, 0) for t in range(len(equity))])


def test_return_and_fall_of_own_money_by_hand() -> None:
    """100 → 110 → (30 paid in) 118: +10%, then 88 / 110 = -20%, then 118 → 118 nothing: 1.1 × 0.8 = 0.88, 20% below the peak."""
    found = ledger.client_result(days_of([100, 110, 118, 118], {2: 30}))
    assert found is not None
    assert (found.days, found.lost_on, found.paid_in_li) == (3, None, 30)
    assert found.return_pct == pytest.approx(-12)
    assert found.fall_pct == pytest.approx(20)
    # Daily returns 0.1, -0.2, 0: mean -1/30, standard deviation √(7/3) / 10, ratio -√(1/21).
    assert found.sharpe == pytest.approx(-1 / 21**0.5)
    x = np.array([0.1, -0.2, 0.0])
    z = (x - x.mean()) / x.std()
    wanted = (1 + 1 / 42 + (z**3).mean() / 21**0.5 + ((z**4).mean() - 3) / 84) / 3
    assert found.sharpe_error == pytest.approx(wanted**0.5)


def test_own_money_that_is_gone_stays_gone() -> None:
    """Where less is left than was owed, or only what was paid in that day, all is lost; later days have no return."""
    found = ledger.client_result(days_of([100, 50, -20, 40], {3: 60}))
    assert found is not None
    assert (found.days, found.lost_on, found.return_pct, found.fall_pct) == (2, 2, -100.0, 100.0)
    assert ledger.client_result(days_of([0, 10])) is None
    still = ledger.client_result(days_of([100, 100, 100]))
    assert still is not None
    assert (still.return_pct, still.fall_pct, still.sharpe, still.sharpe_error) == (0.0, 0.0, None, None)


def test_the_error_of_a_sharpe_ratio_is_the_spread_of_many() -> None:
    """Rare large losses: the mean of the stated variances is that of the ratios, of which the one for normal returns is not half."""
    words = np.array([philox4x32((k, 0, 0, 0), (7, 0)) for k in range(800 * 60)], np.float64).reshape(800, 240)
    samples = 0.08 + 0.05 * np.log((words + 0.5) / 2.0**32)
    found = np.array([ledger.sharpe_ratio(one.tolist()) for one in samples])
    assert (found[:, 1] ** 2).mean() == pytest.approx(found[:, 0].var(), rel=0.2)
    assert (1 + (found[:, 0] ** 2) / 2).mean() / 240 < 0.5 * found[:, 0].var()


# --- a run --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    place = tmp_path_factory.mktemp("replay")
    sl.init(place / "book", accounts=ACCOUNTS)
    return sl.run(place / "book", ["baseline", "crash-40", "severe"], paths=PATHS, seed=SEED, out=place / "run")


@pytest.fixture(scope="module")
def path(made: sl.Run) -> sl.Replay:
    return sl.replay(made, path=PATH, scenario="severe")


def busiest(path: sl.Replay) -> str:
    """The account that sold most often."""
    events = path.events
    return str(events[events["event"] == "fill"]["account_id"].value_counts().sort_index(kind="stable").idxmax())


@pytest.fixture(scope="module")
def life(made: sl.Run, path: sl.Replay) -> sl.Replay:
    return sl.replay(made, path=PATH, scenario="severe", account=busiest(path))


@pytest.mark.parametrize("scenario", ["baseline", "crash-40", "severe"])
def test_every_path_of_a_run_can_be_replayed(scenario: str, made: sl.Run) -> None:
    for number in range(PATHS):
        again = sl.replay(made, path=number, scenario=scenario)
        held = made.outcomes.query("scenario == @scenario and path == @number")
        assert again.outcomes["sold_li"].tolist() == held["sold_li"].tolist()
        events = again.events
        assert list(events) == list(ledger.EVENT_COLUMNS)
        fills = events[events["event"] == "fill"].groupby("platform_id")["money_li"].sum()
        assert fills.reindex(held["platform_id"]).fillna(0).tolist() == held["sold_li"].tolist()
        for kind, column in (("cost", "selling_cost_li"), ("answer", "client_paid_li"), ("call", "margin_call_issued_li"),
                             ("write_off", "deficit_li"), ("paid", "redemption_paid_li")):
            assert events[events["event"] == kind]["money_li"].sum() == held[column].sum(), kind
        assert again.days["sold_li"].sum() == held["sold_li"].sum()


def test_days_of_a_path_are_those_of_the_run(made: sl.Run, path: sl.Replay) -> None:
    held = made.table("days").query("scenario == 'severe' and path == @PATH and platform_id == 'P1'")
    days = path.days.iloc[1:]
    assert (days["locked"] + days["closed"]).tolist() == held["locked"].tolist()
    assert days["closed"].sum() == (path.events["event"] == "closed").sum() > 0
    assert days["locked"].sum() == (path.events["event"] == "locked").sum() > 0
    for name in ("factor_ppm", "basket_fundamental_ppm", "basket_quoted_ppm"):
        assert days[name].tolist() == held[name].tolist()
        assert path.days[name].iloc[0] == 1_000_000


def test_one_account_is_told_as_in_the_whole_path(path: sl.Replay, life: sl.Replay) -> None:
    assert life.account is not None
    name = life.account["account_id"]
    seldom = ~life.events["event"].isin(["mark", "interest"])
    alone = life.events[(life.events["account_id"] == name) & seldom].reset_index(drop=True)
    among = path.events[path.events["account_id"] == name].reset_index(drop=True)
    assert len(alone) > 10
    pd.testing.assert_frame_equal(alone, among)
    others = life.events[life.events["account_id"].isna()]
    assert set(others["platform_id"].dropna()) <= {life.account["platform_id"]}


def test_only_what_an_account_holds_stands_in_its_ledger(made: sl.Run, life: sl.Replay) -> None:
    assert life.account is not None
    book = demo_book(ACCOUNTS)
    held = book.tables["positions"].query("account_id == @life.account['account_id']").set_index("instrument_id")["shares"].to_dict()
    assert set(life.events["instrument_id"].dropna()) <= set(held)
    for day, events in life.events.groupby("day"):
        for name in events.loc[events["account_id"].isna(), "instrument_id"].dropna():
            assert held[name] > 0, (day, name)
        for row in events[events["event"] == "fill"].itertuples():
            held[row.instrument_id] -= row.shares


def test_days_and_marks_agree(life: sl.Replay) -> None:
    assert life.account_days is not None
    assert list(life.account_days) == list(ledger.ACCOUNT_DAY_COLUMNS)
    assert list(life.days) == list(ledger.DAY_COLUMNS)
    assert life.account is not None
    book = demo_book(ACCOUNTS).tables
    held = book["positions"].query("account_id == @life.account['account_id']").merge(book["instruments"], on="instrument_id")
    first = life.account["cash_li"] + int((held["shares"] * held["price_li"]).sum())
    assert life.account_days.iloc[0].tolist()[1:5] == [first, life.account["debt_li"], first, life.account["debt_li"]]
    marks = life.events[life.events["event"] == "mark"]
    days = life.account_days.set_index("day").loc[marks["day"]]
    assert len(marks) > 20
    assert days["collateral_open_li"].tolist() == marks["money_li"].tolist() == marks["collateral_li"].tolist()


def test_own_money_is_told_of_the_account_of_a_path(life: sl.Replay, path: sl.Replay) -> None:
    """The result stands in the headline, and what is paid in is what the events say."""
    days = life.account_days
    assert days is not None
    assert path.result is None
    own = life.result
    assert own is not None
    answers = life.events[life.events["event"] == "answer"]
    assert days["paid_in_li"].sum() == own.paid_in_li == answers["money_li"].sum()
    assert days.loc[answers["day"].astype(int), "paid_in_li"].tolist() == answers["money_li"].tolist()
    equity = days["collateral_li"] - days["debt_li"]
    if own.paid_in_li == 0 and own.lost_on is None:
        assert own.return_pct == pytest.approx(100 * (equity.iloc[-1] / equity.iloc[0] - 1))
    said = page.headline(life)[-2]
    assert f"return {own.return_pct:.2f}%" in said.pick("en")
    assert f"收益率{own.return_pct:.2f}%" in said.pick("zh")


def test_a_small_log_is_enlarged() -> None:
    one = resolve(demo_book(ACCOUNTS), shipped_market(), read_scenario("crash-40"))
    large, opening = retrace.retrace(one, SEED, PATH)
    small, again = retrace.retrace(one, SEED, PATH, events=1)
    assert large.log.size > 100
    assert small.log.tobytes() == large.log.tobytes()
    assert np.array_equal(opening, again)


# --- what a replay refuses ----------------------------------------------------------------------


def copy_of(made: sl.Run, place: Path) -> sl.Run:
    return sl.Run(Path(shutil.copytree(made.folder, place / "copy")))


def faults(*words: Any, **options: Any) -> list[str]:
    with pytest.raises(sl.InputError) as refused:
        sl.replay(*words, **options)
    return [str(f) for f in refused.value.faults]


@pytest.mark.parametrize("name", [m for m in layout.OUTCOME.names or ()] + [*engine.LOSSES, *engine.PATH_COLUMNS])  # noqa: C416
def test_every_column_is_compared(name: str, made: sl.Run, compared: tuple[pa.Table, pa.Table]) -> None:
    mine, held = compared
    assert retrace.differences(mine, held) == []
    at = held.column_names.index(name)
    cells = held[name].to_pylist()
    other = pa.array([*cells[:-1], 7 if cells[-1] is None else cells[-1] + 1], held[name].type)
    said = retrace.differences(mine, held.set_column(at, held.schema.field(name), other))
    assert len(said) == 1
    assert said[0].startswith(f"{name} of P3 is ")


@pytest.fixture(scope="module")
def compared(made: sl.Run) -> tuple[pa.Table, pa.Table]:
    one = resolve(demo_book(ACCOUNTS), shipped_market(), read_scenario("severe"))
    block = engine.run_block(one, SEED, PATH, PATH + 1)
    held = pq.read_table(made.folder / "outcomes.parquet", filters=[("scenario", "=", "severe"), ("path", "=", PATH)])
    return engine.tables(one, [block])["outcomes"], held


def test_a_run_with_another_outcome_does_not_agree(made: sl.Run, tmp_path: Path) -> None:
    run = copy_of(made, tmp_path)
    table = pq.read_table(run.folder / "outcomes.parquet")
    rows = list(zip(table["scenario"].to_pylist(), table["path"].to_pylist(), table["platform_id"].to_pylist(), strict=True))
    wrong = table["sold_li"].to_pylist()
    wrong[rows.index(("severe", PATH, "P2"))] += 1
    at = table.column_names.index("sold_li")
    record.write_table(run.folder / "outcomes.parquet", table.set_column(at, table.schema.field("sold_li"), pa.array(wrong)))
    with pytest.raises(retrace.Disagreement, match=r"^sold_li of P2 is \d+, in the run \d+$"):
        sl.replay(run, path=PATH, scenario="severe")
    with pytest.raises(retrace.Disagreement, match="sold_li of P2"):
        sl.replay(run, path=PATH, scenario="severe", account="A0000001")
    sl.replay(run, path=PATH, scenario="crash-40")
    lacking = table.filter(pa.array([r != ("severe", PATH, "P1") for r in rows]))
    record.write_table(run.folder / "outcomes.parquet", lacking)
    with pytest.raises(retrace.Disagreement, match="the run has 2 rows of this path"):
        sl.replay(run, path=PATH, scenario="severe")
    (run.folder / "outcomes.parquet").write_bytes(b"PAR1")
    assert faults(run, path=PATH, scenario="severe") == [
        f"{run.folder / 'outcomes.parquet'}: this table of the run cannot be read; run it again into another folder"]


def test_only_the_inputs_of_the_run_are_taken(made: sl.Run, tmp_path: Path) -> None:
    book, run = Path(made.record["machine"]["book"]), copy_of(made, tmp_path)
    moved = Path(shutil.copytree(book, tmp_path / "moved"))
    told_ = record.RunFolder(run.folder).read_record()
    told_["machine"]["book"] = str(tmp_path / "gone")
    record.write_json(run.folder / record.RECORD, told_)
    run = sl.Run(run.folder)
    which = {"path": 0, "scenario": "baseline"}
    assert faults(run, **which) == [
        f"{tmp_path / 'gone'}: the book of the run is not there any more, or is no sound book; "
        "give the book as it was, with --book FOLDER"]
    assert len(sl.replay(run, **which, book=moved).events) > 0
    assert len(sl.replay(run, **which, book=demo_book(ACCOUNTS)).events) > 0
    assert faults(run, **which, book=demo_book(ACCOUNTS + 1)) == [
        f"{demo_book(ACCOUNTS + 1).title}: this is not the book of the run: something in it differs; "
        "give the book as it was, with --book FOLDER"]
    accounts = (moved / "accounts.csv").read_text(encoding="utf-8")
    (moved / "accounts.csv").write_text(re.sub(r"(?m)^(A0000007,.*?,)retail", r"\1professional", accounts, count=1), encoding="utf-8")
    if (moved / "accounts.csv").read_text(encoding="utf-8") == accounts:
        (moved / "accounts.csv").write_text(re.sub(r"(?m)^(A0000007,.*?,)professional", r"\1retail", accounts, count=1), encoding="utf-8")
    assert faults(run, **which, book=moved) == [
        f"{moved}: this is not the book of the run: something in it differs; give the book as it was, with --book FOLDER"]
    written = (book / "market.toml").read_text(encoding="utf-8")
    other = tmp_path / "market.toml"
    other.write_text(written.replace("drift_pct = ", "drift_pct = 1", 1), encoding="utf-8")
    assert other.read_text(encoding="utf-8") != written
    assert faults(made, **which, market=other) == [
        f"{other}: this is not the market of the run: something in it differs; give the market as it was, with --market FILE"]
    assert len(sl.replay(made, **which, market=book / "market.toml").events) > 0


def test_a_run_of_a_book_in_memory_needs_it_again(tmp_path: Path) -> None:
    book, market = demo_book(40), shipped_market()
    run = sl.run(book, ["crash-40"], market=market, paths=1, seed=1, out=tmp_path / "run")
    assert run.record["machine"]["book"] is None
    assert faults(run, path=0) == [
        "record.json: does not say where the book of the run lies (it was made in memory); give the book as it was, with --book FOLDER"]
    assert faults(run, path=0, book=book) == [
        "record.json: does not say where the market of the run lies (it was made in memory); "
        "give the market as it was, with --market FILE"]
    assert sl.replay(run, path=0, book=book, market=market).scenario["id"] == "crash-40"


def test_a_demo_knows_its_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (verbs, inputs):  # the demo is made in one, found again in the other
        monkeypatch.setattr(room, "demo_book", lambda: demo_book(40))
    monkeypatch.setattr(verbs, "DEMO_SCENARIOS", ("crash-40",))
    run = sl.demo(tmp_path / "demo", paths=1)
    assert (run.record["machine"]["book"], run.record["machine"]["market"]) == ("demo", None)
    assert len(sl.replay(run, path=0).events) > 0


@pytest.mark.parametrize("name", ["stresslab", "kernels"])
def test_another_version_is_refused(name: str, made: sl.Run, tmp_path: Path) -> None:
    run = copy_of(made, tmp_path)
    told_ = record.RunFolder(run.folder).read_record()
    told_[name] = "0123456789abcdef"
    record.write_json(run.folder / record.RECORD, told_)
    said = faults(sl.Run(run.folder), path=0, scenario="baseline")
    assert len(said) == 1
    assert f", {name} = '0123456789ab': the run was made by another version of {name}, this one is " in said[0]
    assert said[0].endswith("may give other numbers; replay it with the version that made it, or run it again with this one")


def test_options_are_checked_together(made: sl.Run) -> None:
    assert faults(made, path=PATHS, scenario="crash-4") == [
        f"options, path = '{PATHS}': must be a whole number between 0 and {PATHS - 1}; give a path of the run",
        "options, scenario = 'crash-4': the run has no such scenario; did you mean 'crash-40'?",
    ]
    assert faults(made, path=True) == [
        f"options, path = 'True': must be a whole number between 0 and {PATHS - 1}; give a path of the run",
        "options, scenario: the run has several scenarios; name one of baseline, crash-40, severe",
    ]
    assert faults(made, path=0, scenario="severe", account="a0000001") == [
        "options, account = 'a0000001': the book has no such account; did you mean 'A0000001'?"]


def test_a_replay_writes_nothing(made: sl.Run) -> None:
    before = {p: p.stat().st_mtime_ns for p in made.folder.parent.rglob("*")}
    sl.replay(made, path=0, scenario="severe")
    assert {p: p.stat().st_mtime_ns for p in made.folder.parent.rglob("*")} == before


def test_where_inputs_lie_stands_beside_the_machine_alone(made: sl.Run, tmp_path: Path) -> None:
    moved = shutil.copytree(made.record["machine"]["book"], tmp_path / "elsewhere")
    again = sl.run(moved, ["baseline", "crash-40", "severe"], paths=PATHS, seed=SEED, out=tmp_path / "run")
    assert again.record["machine"]["book"] == str(Path(moved).resolve())
    one, two = dict(made.record), dict(again.record)
    assert one.pop("machine") != two.pop("machine")
    assert one == two


# --- what people read ---------------------------------------------------------------------------


def printed(replay: sl.Replay, width: int = 200, language: str = "en", **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    page.print_ledger(replay, console, language, **options)  # type: ignore[arg-type]
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_every_kind_has_a_name_in_both_languages() -> None:
    assert set(page.EVENTS) == set(kinds.KINDS)
    for said in page.EVENTS.values():
        assert said.en.isascii()
        assert re.search("[\u4e00-\u9fff]", said.zh)


def test_sums_of_a_path_lose_nothing(path: sl.Replay) -> None:
    rows, events = page.view(path), path.events
    assert len(rows) < len(events) / 2
    assert rows["account_id"].isna().all()
    for keys in (["event"], ["day", "round", "event", "platform_id"]):
        for column in ("shares", "money_li", "displaced_li"):
            one, two = (part.groupby(keys, dropna=False)[column].sum() for part in (rows, events))
            pd.testing.assert_series_equal(one, two)
    for kind in ("call", "fill"):
        keys = ["day", "round", "platform_id"]
        accounts = events[events["event"] == kind].groupby(keys)["account_id"].agg(lambda names: len(set(names)))
        assert len(accounts) > 10
        assert rows[rows["event"] == kind].set_index(keys)["accounts"].sort_index().tolist() == accounts.tolist()
    assert rows["day"].is_monotonic_increasing
    assert len(page.view(path, every=True)) == len(events)


def test_the_csv_holds_every_row_to_the_last_li(life: sl.Replay) -> None:
    rows = list(csv.DictReader(io.StringIO(page.csv_text(page.view(life), "en"))))
    assert len(rows) == len(life.events)
    for row, event in zip(rows, life.events.itertuples(), strict=True):
        assert row["event"] == page.EVENTS[event.event].en
        for name, value in (("money, yuan", event.money_li), ("debt, yuan", event.debt_li), ("price, yuan", event.price_li)):
            assert row[name] == ("" if value is pd.NA else f"{value // 1000}.{value % 1000:03d}")
        assert row["ratio %"] == ("" if event.ratio_bp is pd.NA else f"{event.ratio_bp / 100:.2f}")
        assert row["shares"] == ("" if event.shares is pd.NA else str(event.shares))
    assert page.csv_text(page.view(life), "zh").splitlines()[0].startswith("日,轮,平台,账户")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(name: str, life: sl.Replay) -> None:
    events = life.events.assign(instrument_id=name, account_id=name, platform_id=name)
    rows = list(csv.DictReader(io.StringIO(page.csv_text(page.view(replace(life, events=events)), "en"), newline="")))
    for column in ("instrument", "account", "platform"):
        assert {row[column] for row in rows} == {"'" + name}


@pytest.mark.parametrize(("li", "digits", "text"), [
    (0, 3, "0.000"), (1, 3, "0.001"), (-1, 3, "-0.001"), (1_234_567_890, 3, "1,234,567.890"), (499, 0, "0"), (500, 0, "1"),
    (-12_345_678, 3, "-12,345.678"), (-500, 0, "-1"), (999_999_500, 0, "1,000,000"), (-499, 0, "0"),
])
def test_yuan(li: int, digits: int, text: str) -> None:
    assert page.yuan(li, digits, ",") == text


def test_records_are_what_json_holds(life: sl.Replay) -> None:
    found = page.records(page.view(life))
    assert len(found) == len(life.events)
    assert {type(v) for r in found for v in r.values()} <= {int, str, type(None)}
    first = next(r for r in found if r["event"] == "mark")
    assert first["ratio_bp"] == first["collateral_li"] * 10_000 // first["debt_li"]


def test_a_terminal_is_told_what_is_left_out(path: sl.Replay, life: sl.Replay) -> None:
    short = printed(path, most=10)
    assert "It agrees with the run to the last 厘." in short
    assert re.search(r"^[\d,]+ more lines: --rows 0 shows them\.$", short, re.MULTILINE)
    assert len(short.splitlines()) < 25
    whole = printed(path)
    assert "more lines" not in whole
    sold = path.events[path.events["event"] == "fill"].groupby(["day", "round"])["money_li"].sum()
    for money in sold:
        assert page.yuan(money, 3, ",") in whole
    text = printed(life)
    every = printed(life, every=True)
    assert re.search(r"^ *\d+\u2013\d+ .* nothing to act on; lowest ratio .* \d+\.\d\d *$", text, re.MULTILINE)
    assert len(every.splitlines()) > len(text.splitlines())
    assert "nothing to act on" not in every
    assert "--csv FILE" not in every


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_number_is_cut(width: int, language: str, life: sl.Replay) -> None:
    text = printed(life, width, language, every=True, most=40)
    assert "…" not in text
    lines = text.splitlines()
    assert max(map(cell_len, lines[:-1])) <= width  # the hint below the table stays in one piece
    # Each amount in one piece, with each 厘 or in whole yuan.
    words = set(text.split())
    for event in life.events.head(40).itertuples():
        for amount in (event.money_li, event.debt_li, event.collateral_li):
            if amount is not pd.NA:
                assert {page.yuan(amount, 3, ","), page.yuan(amount, 0, ",")} & words, (event.event, amount)
    assert (page.yuan(life.events["debt_li"].dropna().iloc[0], 3, ",") in words) or width < 160


def test_a_path_without_events(made: sl.Run, path: sl.Replay) -> None:
    nothing = replace(path, events=path.events.head(0))
    assert "Nothing happened on this path." in printed(nothing)
    assert page.csv_text(page.view(nothing), "en").count("\n") == 1
    assert page.records(page.view(nothing)) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pictures_are_whole_and_repeat_themselves(language: Any, path: sl.Replay, life: sl.Replay) -> None:
    for replay, panels in ((path, 4), (life, 2)):
        text = picture(replay, language)
        root = ElementTree.fromstring(text)
        assert len(root.findall("{http://www.w3.org/2000/svg}svg")) == panels
        assert "QZ" not in text
        assert "nan" not in text.lower()
        assert 'class="' not in text  # nothing in the other language
        ids = re.findall(r'\bid="([^"]+)"', text)
        assert len(ids) == len(set(ids)) > 5
        words = "".join(root.itertext())
        assert bool(re.search("[\u4e00-\u9fff]", words.replace("厘", ""))) == (language == "zh")
        assert text == picture(replay, language)


def test_signs_of_a_picture_are_those_of_the_events(life: sl.Replay) -> None:
    text = picture(life, "en")
    happened = set(life.events.loc[life.events["account_id"].notna(), "event"])
    for kind, name in (("call", "margin call"), ("fill", "forced sale"), ("answer", "client pays in"), ("write_off", "written off")):
        assert (f">{name}</text>" in text) == (kind in happened), kind


def test_the_picture_of_an_account_to_which_nothing_happens(life: sl.Replay) -> None:
    assert life.account_days is not None
    calm = replace(life, events=life.events.head(0), account_days=life.account_days.assign(debt_open_li=0, debt_li=0, locked_li=0))
    root = ElementTree.fromstring(picture(calm, "en"))
    assert "forced sale" not in "".join(root.itertext()).replace("forced sales, ", "")
