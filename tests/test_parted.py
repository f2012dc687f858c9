"""A book whose accounts are Parquet in parts: the same bytes as the whole, faults of all parts at once, memory that does not grow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import stresslab as sl
from stresslab.book import demo_book, read_book
from stresslab.book.in_parts import write_in_parts
from stresslab.book.parted import added, parts_of
from stresslab.inputs import read_inputs
from stresslab.market import shipped_market, write_market

SCENARIOS = ["crash-40", "severe"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo book in five parts; the last two hold a platform alone that knows no costs."""
    out = tmp_path_factory.mktemp("parted") / "book"
    write_in_parts(demo_book(120, 3), out, 5)
    write_market(shipped_market(), out / "market.toml")
    return out


def spoiled(folder: Path, out: Path, table: str, part: int, change: Any) -> Path:
    """A copy of a book with a change to one of its files."""
    if not out.exists():
        shutil.copytree(folder, out)
    path = out / table / f"part-{part:04d}.parquet"
    change(frame := pd.read_parquet(path))
    frame.to_parquet(path, index=False)
    return out


def faults_of(read: Any) -> list[str]:
    with pytest.raises(sl.InputError) as caught:
        read()
    return [str(f) for f in caught.value.faults]


def inputs(book: Any, in_parts: bool, scenarios: Any = ("crash-40",)) -> Any:
    return read_inputs(book, scenarios, shipped_market(), None, None, [], in_parts=in_parts)


def equal(one: Any, other: Any) -> bool:
    """Whether two nests of tuples hold the same arrays."""
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())
    if isinstance(one, tuple):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def test_the_parts_are_found_in_the_order_of_their_ids(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    for table in ("accounts", "positions"):
        (other / table / "part-0000.parquet").rename(other / table / "zzz.parquet")
    assert [f.accounts.name for f in parts_of(folder)] == [f"part-{k:04d}.parquet" for k in range(5)]
    assert [f.accounts.name for f in parts_of(other)] == ["zzz.parquet", *(f"part-{k:04d}.parquet" for k in range(1, 5))]
    assert inputs(other, True).book.digest == read_book(folder).digest


def test_a_book_in_parts_resolves_to_the_same_arrays_and_facts(folder: Path) -> None:
    from stresslab.verbs import describe, plan_of

    one, other = inputs(folder, False, SCENARIOS), inputs(folder, True, SCENARIOS)
    assert one.book.sums is None
    assert other.book.sums is not None
    for a, b in zip(one.resolved, other.resolved, strict=True):
        assert a.account_ids == b.account_ids
        assert a.basket.tolist() == b.basket.tolist()
        assert equal(a.facts, b.facts)
    assert json.dumps(describe(plan_of(one, 2, 1) | {"sampling": "plain"}, one)) == json.dumps(
        describe(plan_of(other, 2, 1) | {"sampling": "plain"}, other))


def test_a_run_of_a_book_in_parts_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    whole = sl.run(read_book(folder), ["crash-40"], market=shipped_market(), paths=2, seed=1, out=tmp_path / "whole")
    parts = sl.run(folder, ["crash-40"], paths=2, seed=1, out=tmp_path / "parts")
    cut = parts.record["machine"]["cut"]
    assert (cut["by"], cut["book"]) == ("paths", "in this process")
    assert whole.record["outputs"] == parts.record["outputs"]
    assert {k: v for k, v in whole.record.items() if k != "machine"} == {k: v for k, v in parts.record.items() if k != "machine"}


def test_check_says_the_same_of_parts_and_whole(folder: Path) -> None:
    assert sl.check(folder, ["crash-40"]) == sl.check(read_book(folder), ["crash-40"], folder / "market.toml")


def test_faults_of_any_part_are_told_at_once_as_of_the_whole(folder: Path, tmp_path: Path) -> None:
    def a(frame: pd.DataFrame) -> None:
        frame.loc[2, "warning_line_pct"] = 90.0
        frame.loc[3, "platform_id"] = "P9"

    def b(frame: pd.DataFrame) -> None:
        frame.loc[4, "shares"] = -5
        frame.loc[5, "instrument_id"] = "NOWHERE"
        frame.loc[6, ["account_id", "instrument_id"]] = frame.loc[7, ["account_id", "instrument_id"]].tolist()

    def c(frame: pd.DataFrame) -> None:
        frame.loc[0, "status"] = "settled"

    out = tmp_path / "bad"
    for table, part, change in (("accounts", 1, a), ("positions", 3, b), ("accounts", 4, c)):
        spoiled(folder, out, table, part, change)
    claims = pd.read_csv(out / "claims.csv", dtype=str)
    claims["account_id"] = ""
    claims.loc[3, "account_id"] = "A9999999"
    claims.to_csv(out / "claims.csv", index=False)
    assert parts_of(out)
    whole, parts = faults_of(lambda: read_book(out)), faults_of(lambda: inputs(out, True))
    # A bad cell keeps a whole table from what needs all of it, and only its own part.
    assert [f for f in parts if f in whole] == whole
    assert [f.partition(",")[0] for f in parts if f not in whole] == ["accounts/part-0004.parquet row 2"]
    assert any("accounts/part-0001.parquet row 4" in f for f in parts)
    assert any("positions/part-0003.parquet row 7" in f for f in parts)
    assert any(f.startswith("claims.csv row 5, account_id = 'A9999999'") for f in parts)
    assert faults_of(lambda: sl.check(out)) == parts


def test_a_balance_that_fails_over_all_parts_is_told(folder: Path, tmp_path: Path) -> None:
    def more(frame: pd.DataFrame) -> None:
        frame.loc[0, "debt_yuan"] += 1.0

    out = spoiled(folder, tmp_path / "b", "accounts", 2, more)
    assert faults_of(lambda: inputs(out, True)) == faults_of(lambda: read_book(out))


def test_many_faults_of_many_parts_are_counted(folder: Path, tmp_path: Path) -> None:
    def negative(frame: pd.DataFrame) -> None:
        frame["shares"] = -1

    out = tmp_path / "many"
    for part in range(5):
        spoiled(folder, out, "positions", part, negative)
    told = [f for f in faults_of(lambda: inputs(out, True)) if "shares" in f]
    assert len(told) == 21
    rows = sum(len(pd.read_parquet(p)) for p in (out / "positions").glob("*.parquet"))
    assert any(f"{rows - 20} more rows" in f for f in told)


def test_a_damaged_part_is_told_beside_the_faults_of_others(folder: Path, tmp_path: Path) -> None:
    def odd(frame: pd.DataFrame) -> None:
        frame.loc[0, "debt_yuan"] = -3.0

    out = spoiled(folder, tmp_path / "d", "accounts", 4, odd)
    data = bytearray((out / "positions" / "part-0001.parquet").read_bytes())
    data[4:200] = bytes(196)
    (out / "positions" / "part-0001.parquet").write_bytes(bytes(data))
    told = faults_of(lambda: inputs(out, True))
    assert any("positions/part-0001.parquet: cannot be read" in f for f in told)
    assert any("accounts/part-0004.parquet row 2" in f for f in told)


def test_parts_that_overlap_or_do_not_pair_are_read_whole(folder: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "unpaired", tmp_path / "overlap"
    shutil.copytree(folder, one)
    (one / "positions" / "part-0000.parquet").rename(one / "positions" / "first.parquet")
    shutil.copytree(folder, other)
    frames = {t: pd.concat([pd.read_parquet(p) for p in sorted((folder / t).glob("*.parquet"))]) for t in ("accounts", "positions")}
    for table, frame in frames.items():
        shutil.rmtree(other / table)
        (other / table).mkdir()
        odd = frame["account_id"].str[-1].astype(int) % 2 == 1
        for at, piece in enumerate((frame[odd], frame[~odd])):
            piece.to_parquet(other / table / f"part-{at}.parquet", index=False)
    for out in (one, other):
        assert parts_of(out) == []
        assert inputs(out, True).book.digest == read_book(folder).digest


def test_sums_add_up_whatever_is_missing() -> None:
    one, other = {"a": 1, "b": {"x": [1, 2]}, "n": ["A1"]}, {"b": {"x": [3, 4], "y": 5}, "n": [], "c": 7}
    assert added(one, other) == {"a": 1, "b": {"x": [4, 6], "y": 5}, "n": ["A1"], "c": 7}
    assert added({}, one) == one


def test_a_demo_book_in_parts_is_sound_and_has_many_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stresslab.book.demo.TRIPLE", 100)
    made = sl.init(tmp_path / "book", accounts=240, seed=2, partitions=4)
    assert "9 platforms" in made.title
    assert sl.check(tmp_path / "book").lines[0].endswith("it balances")
    held = read_book(tmp_path / "book")
    assert len(held.tables["accounts"]) == 240
    assert held.digest == inputs(tmp_path / "book", True).book.digest
    assert held.tables["accounts"]["client_id"].is_unique


def test_too_many_parts_are_refused(tmp_path: Path) -> None:
    assert "a part has at least 10 accounts" in faults_of(lambda: sl.init(tmp_path / "b", accounts=60, partitions=7))[0]


@pytest.mark.long
def test_memory_does_not_grow_with_the_book(tmp_path: Path) -> None:
    """Checking a book eight times as large, in as many parts, takes at most what the resolved arrays add."""
    peaks = []
    for accounts in (20_000, 160_000):
        out = tmp_path / str(accounts)
        program = "import sys, stresslab as sl; n = int(sys.argv[2]); sl.init(sys.argv[1], accounts=n, partitions=n // 10_000)"
        subprocess.run([sys.executable, "-c", program, str(out), str(accounts)], check=True)
        program = "import sys, resource, stresslab as sl; sl.check(sys.argv[1]); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        peaks.append(int(subprocess.run([sys.executable, "-c", program, str(out)], check=True, capture_output=True, text=True).stdout))
    assert peaks[1] - peaks[0] < 140_000 * 700 / 1024


def test_a_claim_names_an_account_of_any_part(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "named"
    shutil.copytree(folder, out)
    claims = pd.read_csv(out / "claims.csv", dtype=str)
    claims["account_id"] = ""
    claims.loc[[1, 2, 3], "account_id"] = ["A0000001", "A0000060", "A0000120"]
    claims.to_csv(out / "claims.csv", index=False)
    assert inputs(out, True).book.digest == read_book(out).digest


def test_collateral_and_debt_of_all_parts_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stresslab.book.checks.COLLATERAL_OF_BOOK", 10**9)
    told = faults_of(lambda: inputs(folder, True))
    assert told == faults_of(lambda: read_book(folder))
    assert "collateral and debt of all accounts" in told[0]
