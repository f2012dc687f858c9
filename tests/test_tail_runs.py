"""Runs with rare events: killed and gone on with, weighted paths replayed, and books that do not fit."""

from __future__ import annotations

import json
import math
import re
import runpy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tail_books
from typer.testing import CliRunner

from stresslab import verbs
from stresslab.book import write_book
from stresslab.capacity import PROGRAM, Crew, book_bytes, seats, state_bytes
from stresslab.cli import app
from stresslab.faults import InputError
from stresslab.market import write_market
from stresslab.record import RunFolder
from stresslab.report import ledger
from stresslab.resolve import Resolved, resolve
from stresslab.retrace import Disagreement
from stresslab.tail import FIRST_PATH, beside, search
from stresslab.tail.again import tilt_of
from stresslab.tail.event import DRAWDOWN, read_event
from stresslab.tail.kept import flat, whole
from stresslab.tail.splitting import Climb, Repetition
from stresslab.tail.tables import tilt_text
from stresslab.tail.tilt import Lean, Pilot, Sample, Tilt, defended, draw_sample
from stresslab.tail.verdict import tilt_estimate
from stresslab.tail.walk import HIT, SO_FAR, Batch, Judging, Shape, judged, new_walk, shape_of

EVENTS = ["factor_low <= 88%", "accounts_called >= 0"]


class Killed(BaseException):
    """What a process that is killed would be."""


@pytest.fixture(scope="module", autouse=True)
def _little_splitting() -> Iterator[None]:
    """Splitting checks the tilt here, and fifty paths a level do; whether the answer is known is not asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "SWARM", 48)
        patch.setattr(search, "REPEATS_FIRST", 8)
        patch.setattr(search, "REPEATS_MOST", 8)
        patch.setattr(search, "CRUDE_FIRST", 500)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of four accounts with its market, in a folder."""
    folder = tmp_path_factory.mktemp("book")
    write_book(tail_books.book("diversified", accounts=4, instruments=2), folder)
    write_market(tail_books.market(14.0, 5.0), folder / "market.toml")
    return folder


def run(place: Path, out: Path, **options: Any) -> verbs.Run:
    given: dict[str, Any] = {"paths": 4, "seed": 3, "tail": EVENTS, "tail_target_error": "50%", "tail_paths": 2_000}
    return verbs.run(place, [tail_books.scenario(10)], out=out, **given | options)


@pytest.fixture(scope="module")
def made(place: Path, tmp_path_factory: pytest.TempPathFactory) -> verbs.Run:
    return run(place, tmp_path_factory.mktemp("tail") / "run")


# A killed search


def test_a_killed_search_goes_on_to_the_same_bytes(made: verbs.Run, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, save, asked = tmp_path / "run", RunFolder.save_piece, list[str]()

    def save_some(self: RunFolder, scenario: str, name: str, arrays: dict[str, Any]) -> None:
        if len(asked) == 12:
            raise Killed
        asked.append(name)
        save(self, scenario, name, arrays)

    monkeypatch.setattr(RunFolder, "save_piece", save_some)
    with pytest.raises(Killed):
        run(place, out)
    monkeypatch.setattr(RunFolder, "save_piece", save)
    kept = sorted(file.name for file in out.glob("blocks/*/tail-*.npz"))
    assert len(kept) == sum(name.startswith("tail-") for name in asked) > 5
    # A piece that a bad disk has changed is made again, and so is one that somebody else wrote.
    (out / "blocks" / "baseline" / kept[0]).write_bytes(b"PK nothing")
    with (out / "blocks" / "baseline" / kept[1]).open("wb") as stream:
        np.savez(stream, kind=np.array("Climb"))
    again = list[str]()

    def count(self: RunFolder, scenario: str, name: str, arrays: dict[str, Any]) -> None:
        again.append(name)
        save(self, scenario, name, arrays)

    monkeypatch.setattr(RunFolder, "save_piece", count)
    # A book that is cut by accounts has the same rare events: their paths run through all of it.
    said = list[str]()
    found = run(place, out, parts=2, say=said.append)
    assert found.record["outputs"] == made.record["outputs"]
    assert any("through the whole book" in text for text in said)
    assert not (set(again) & set(asked)) - {kept[0].removesuffix(".npz"), kept[1].removesuffix(".npz")}
    assert not (out / "blocks").exists()


def test_pieces_come_back_from_their_files_to_the_last_bit(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    tilt = Tilt((Lean(), Lean((0, 7), ((0.1, -1 / 3), (0.2, 0.3)), (4,), (math.pi,))))
    batch = Batch(np.arange(12.0).reshape(2, 3, 2), np.ones((2, 3, 1), np.float32), np.array([5, 6]))
    pieces: Sequence[Any] = (
        Pilot(tilt, 7_000, 0.1 + 0.2), Pilot(None, 14_000, math.inf), Climb((-1.5, math.inf), (0.5, 0.3), 1e-7, 2, 900),
        Climb((), (), 0.0, 0, 1),
        Repetition(3e-6, 2_000, batch, np.array([1, 2])), Sample(*(np.arange(n + 2.0) for n in range(len(Sample._fields)))),
        np.array([1, 0, 1], np.uint8),
    )
    for at, piece in enumerate(pieces):
        folder.save_piece("s", f"tail-{at}", flat(piece))
        held = folder.load_piece("s", f"tail-{at}")
        assert held is not None
        assert repr(whole(held)) == repr(piece)
    for nothing in ({}, {"kind": np.array("Nothing")}, {"kind": np.array("Pilot"), "tilt": np.array("[3]")}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            whole(nothing)
    with pytest.raises(TypeError):
        flat("text")


# A weighted path


def weighted(made: verbs.Run) -> pd.DataFrame:
    paths = made.table("tail_paths")
    return paths[paths["event"] == EVENTS[0]]


def test_a_weighted_path_is_that_of_the_run(made: verbs.Run) -> None:
    rows = weighted(made)
    lowest = made.table("tail")
    assert set(lowest.loc[lowest["tilt"].notna(), "event"]) == {EVENTS[0]}  # the other event is not rare
    # One in ten is drawn under the law itself; the last one is alone in its batch.
    chosen = [FIRST_PATH, FIRST_PATH + 1, FIRST_PATH + 65, int(rows["path"].iloc[-1]), int(rows.loc[~rows["hit"], "path"].iloc[0])]
    for number in chosen:
        row = rows[rows["path"] == number].iloc[0]
        path = verbs.replay(made, path=number)
        assert path.weighted is not None
        assert (path.weighted["log_ratio"], path.weighted["hit"]) == (row["log_ratio"], row["hit"])
        low = int(path.outcomes["factor_low_ppm"].iloc[0])
        assert (low <= 880_000) == row["hit"]
        assert low == path.days["factor_ppm"].min()
    account = verbs.replay(made, path=chosen[0], account="A00002")
    assert account.account_days is not None
    assert set(account.events["account_id"].dropna()) <= {"A00002"}


def test_a_replayed_weighted_path_is_told_in_both_languages(made: verbs.Run) -> None:
    path = verbs.replay(made, path=FIRST_PATH + 1, event=EVENTS[0], platform="P1")
    told = ledger.headline(path)[-1]
    assert "A weighted path: its likelihood ratio is" in told.en
    assert EVENTS[0] in told.zh
    assert "似然比" in told.zh
    done = CliRunner().invoke(app, ["replay", str(made.folder), "--path", str(FIRST_PATH + 1), "--json"])
    assert done.exit_code == 0
    assert '"weighted": {"event": "factor_low <= 88%"' in done.stdout


@pytest.mark.parametrize(("options", "rule"), [
    ({"path": FIRST_PATH + 10**6}, "must be between 2147483648 and"), ({"path": FIRST_PATH, "event": "failure"}, "has no weighted paths"),
    ({"path": FIRST_PATH, "platform": "P2"}, "has no weighted paths"), ({"path": 0, "event": EVENTS[0]}, "belongs to a weighted path"),
])
def test_what_is_no_weighted_path_is_refused(made: verbs.Run, options: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=re.escape(rule)):
        verbs.replay(made, **options)


@pytest.mark.parametrize(("change", "said"), [
    (lambda one: replace(one, log_ratio=np.nextafter(one.log_ratio, 9.0)), "log_ratio"),
    (lambda one: replace(one, hit=not one.hit), "the event"), (lambda one: replace(one, seed=one.seed + 1), "log_ratio"),
])
def test_another_path_than_the_runs_disagrees(
    made: verbs.Run, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any], said: str
) -> None:
    from stresslab import tail

    found = tail.weighted_path
    monkeypatch.setattr(tail, "weighted_path", lambda *given: change(found(*given)))
    with pytest.raises(Disagreement, match=said):
        verbs.replay(made, path=FIRST_PATH + 1)


def test_tilts_come_back_from_the_table() -> None:
    one, two, three = Lean((0,), ((-0.5, 0.1),)), Lean((0, 6), ((0.1, 0.2), (0.3, 1 / 3)), (5,), (0.7,)), Lean((), (), (2,), (1e-9,))
    for leans in ((one,), (one, two), (three, one, two)):
        tilt = defended(*leans)
        assert tilt_of(tilt_text(tilt)) == tilt
    with pytest.raises(ValueError, match="defended"):
        tilt_of(tilt_text(Tilt((one, two))))


# Memory


@pytest.fixture(scope="module")
def small(place: Path) -> Resolved:
    return resolve(tail_books.book("diversified", accounts=4, instruments=2), tail_books.market(14.0, 5.0), tail_books.scenario(10))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_as_many_threads_as_fit_walk_whole_paths(small: Resolved, threads: int) -> None:
    each = state_bytes(small) + beside(small)
    # A byte of what is planned with needs 1.25 of memory; one more than whole.
    memory = math.ceil((PROGRAM + book_bytes(small) + threads * each) / 0.8) + 2
    assert seats(small, Crew(1, 16, memory), beside(small)) == threads
    assert seats(small, Crew(1, 2, memory), beside(small)) == min(2, threads)
    short = math.floor((PROGRAM + book_bytes(small) + threads * each) / 0.8) - 2
    with pytest.raises(InputError, match="run through the whole book"):
        seats(small, Crew(1, threads, short), beside(small), threads)


def test_a_rare_event_of_a_book_that_does_not_fit_is_refused_before_anything_is_run(place: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the paths of a rare event run through the whole book"):
        run(place, tmp_path / "run", memory_gib=0.4)
    assert not (tmp_path / "run").exists()


# What comes after the event was decided


def test_a_ratio_up_to_a_day_is_the_mean_of_the_whole_given_those_days() -> None:
    """(M-291) E[(w_T − w_t) f(days to t)] = 0 for any f, and its variance is smaller."""
    shape = Shape(6, 8, 3, np.array([1, 0, 0, 0, 0, 0, 1, 1], np.uint8))
    tilt = defended(Lean((0, 6), ((-0.5,) * 6, (0.3,) * 6), (1,), (0.2,)), Lean((0,), ((-0.1, -0.2, -0.3, -0.4, -0.5, -0.6),)))
    batches: list[Batch] = []

    def keep(batch: Batch, seed: int) -> Any:
        batches.append(Batch(batch.leading.copy(), batch.own.copy(), batch.path.copy()))
        return np.zeros(batch.path.size)

    whole = np.exp(draw_sample(keep, shape, tilt, 6, 0, 0, 12_000).log_ratio)
    for day in (1, 3, 5):
        part = np.concatenate([np.exp(tilt.log_ratio(b, np.full(b.path.size, day))) for b in batches])
        first = np.concatenate([b.leading[:, 1: day + 1, 0].sum(axis=1) for b in batches])
        for known in (np.ones(12_000), first, first < -1.0):
            apart = (whole - part) * known
            assert abs(apart.mean()) < 3 * apart.std() / math.sqrt(12_000)
        assert part.var() < whole.var()
        assert abs(part.mean() - 1.0) < 3 * part.std() / math.sqrt(12_000)
    last = np.concatenate([np.exp(tilt.log_ratio(b, np.full(b.path.size, 6))) for b in batches])
    assert np.array_equal(last, whole)


CERTAIN = (
    "sold >= 3400000 yuan", "deficit >= 1000 yuan", "loss_with_impact >= 5000 yuan", "margin_call_peak >= 130000 yuan", "factor_low <= 75%",
    "factor_drawdown > 25%", "failure", "accounts_forced >= 3", "margin_coverage < 101%",
)


@pytest.mark.parametrize("text", CERTAIN)
def test_an_event_stays_what_it_is_whatever_comes_after_the_day_that_decided_it(text: str) -> None:
    event, days = read_event(text, []), 16
    assert event is not None
    book = tail_books.book("diversified", accounts=20, instruments=6)
    book.tables["instruments"]["adv_shares"] *= 30
    resolved = resolve(book, tail_books.market(24.0, 9.0), tail_books.scenario(days))
    walk, shape = new_walk(resolved, event, "P1"), shape_of(resolved)
    judge = Judging(walk, False)
    batch = shape.room(64)
    batch.path[:] = np.arange(64)
    shape.fill(batch, 3)
    batch.leading[:, 1:8, 0] -= 3.2
    score, until = judged(judge, batch, 3)
    happened = np.flatnonzero(score == HIT)
    assert happened.size > 5
    assert (until[score != HIT] == days).all()
    for turn in (6.0, -2.0, 0.0):
        other = Batch(batch.leading.copy(), batch.own.copy(), batch.path)
        for at in happened:
            other.leading[at, until[at] + 1:, 0] = turn
            other.own[at, until[at] + 1:] = -turn
        again, day = judged(judge, other, 3)
        assert (again[happened] == HIT).all()
        assert np.array_equal(day[happened], until[happened])
    if event.measure in (*SO_FAR, "failure", "factor_low_ppm", DRAWDOWN):
        assert (until[happened] < days).any()
    else:
        assert (until == days).all()


def test_leaving_out_what_came_after_makes_a_tilt_more_precise() -> None:
    """On a walk of 40 days with a constant lean, most of which comes after the fall on many paths."""
    event = read_event("factor_low <= 80%", [])
    assert event is not None
    resolved = resolve(tail_books.book("diversified", accounts=2, instruments=1), tail_books.market(20.0, 5.0), tail_books.scenario(40))
    walk, shape, tilt = new_walk(resolved, event, "P1"), shape_of(resolved), defended(Lean((0,), ((-0.55,) * 40,)))
    (p, error), (q, less) = (
        (made.probability, made.error) for judge in (walk.judge, Judging(walk, False))
        for made in [tilt_estimate("tilt", draw_sample(judge, shape, tilt, 5, 0, 0, 2_500), 0)]
    )
    assert abs(p - q) < 3 * math.hypot(error, less)
    assert less / q < 0.75 * error / p


def test_benchmarks_become_tables(tmp_path: Path) -> None:
    tables = runpy.run_path(str(Path(__file__).parent.parent / "benchmarks" / "tables.py"))
    tilt = {"book": "diversified", "cushion": 0.2, "target": 300, "event": "failure", "method": "tilt", "probability": 9.4e-5,
            "over_reference": None, "relative_error": 0.028, "relative_scatter": None, "gain": 1389.2}
    ours = {"bench": "paths gbm", "contender": "stresslab", "ns_per_asset_step": 2.04, "cpu_ns": 2.0}
    torch = {"bench": "paths gbm", "contender": "torch in place", "ns_per_asset_step": 5.5, "cpu_ns": 5.4, "cpu_slower_than_ours": 2.7}
    lines = [tilt | {"gain": 1.0}, tilt, torch, ours, {"bench": "paths gbm", "missing": ["jax (jax)"]}, tilt | {"method": "reference"}]
    (tmp_path / "lines.jsonl").write_text("a word\n" + "\n".join(json.dumps(x) for x in lines), encoding="utf-8")
    page = tables["page"]([tmp_path / "lines.jsonl"])
    assert "| diversified, cushion 0.2: failure | tilt | 9.40e-05 | - | 2.8% | - | 1,389 | 300 |" in page
    assert page.index("| stresslab | 2.04 | 2 | - | - |") < page.index("| torch in place | 5.5 | 5.4 | 2.7 | 2 |")
    assert page.count("9.40e-05") == 1
