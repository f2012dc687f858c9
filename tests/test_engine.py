"""The engine: the same bytes however the work is cut, tables as the glossary says, and money that adds up."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd
import plain
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from kernel_worlds import hold_kernel, run_kernel
from worlds import hand_world, worlds

import stresslab as sl
from stresslab import glossary, kernels
from stresslab.book import demo_book, read_book, write_book
from stresslab.engine import Block, investor_cells, pack, run_block, tables, unpack
from stresslab.kernels import cascade, layout
from stresslab.market import shipped_market
from stresslab.resolve import Resolved, resolve
from stresslab.scenario import read_scenario

ROOT = Path(__file__).parent.parent
ACCOUNTS, PATHS, SEED = 120, 20, 3
RUN_TABLES = ("outcomes", "days", "accounts", "investors", "instruments", "sectors")


@pytest.fixture(scope="module")
def book() -> sl.Book:
    return demo_book(ACCOUNTS)


def resolved(book: sl.Book, name: str = "crash-40", **changes: Any) -> Resolved:
    return resolve(book, shipped_market(), read_scenario(name).model_copy(update=changes))


@pytest.fixture(scope="module")
def crash(book: sl.Book) -> Resolved:
    return resolved(book)


@pytest.fixture(scope="module", params=["baseline", "crash-60", "redemption-30", "severe", "withdrawal-wave"])
def told(book: sl.Book, request: pytest.FixtureRequest) -> dict[str, pd.DataFrame]:
    """The tables of a run: a quiet one, deep losses, redemptions, and everything at once."""
    r = resolved(book, request.param)
    return {name: table.to_pandas() for name, table in tables(r, [run_block(r, SEED, 0, PATHS)]).items()}


def cut(r: Resolved, size: int) -> list[Block]:
    return [run_block(r, SEED, start, min(start + size, PATHS)) for start in range(0, PATHS, size)]


# --- the same bytes -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 64])
def test_tables_do_not_depend_on_the_size_of_blocks(crash: Resolved, size: int) -> None:
    """Nor on the order in which blocks arrive, nor on their way through a file."""
    whole = tables(crash, [run_block(crash, SEED, 0, PATHS)])
    blocks = [unpack(b.start, b.stop, pack(b)) for b in reversed(cut(crash, size))]
    for name, table in tables(crash, blocks).items():
        assert table.equals(whole[name]), name


def test_a_path_can_be_replayed_alone(crash: Resolved) -> None:
    """Path k by itself is path k of any block, in every number."""
    block = run_block(crash, SEED, 0, 12)
    for path in (0, 5, 11):
        alone = run_block(crash, SEED, path, path + 1)
        for part in ("outcomes", "days"):
            for name, values in getattr(alone, part).items():
                assert np.array_equal(values[0], getattr(block, part)[name][path]), (path, name)


def test_paths_and_seeds_differ(crash: Resolved) -> None:
    """Else the tests above would say nothing."""
    losses = run_block(crash, SEED, 0, PATHS).outcomes["loss_with_impact_li"]
    assert len(np.unique(losses[:, 2])) > PATHS // 2
    assert not np.array_equal(losses, run_block(crash, SEED + 1, 0, PATHS).outcomes["loss_with_impact_li"])


def files_of(run: sl.Run) -> dict[str, bytes]:
    """Return all files of a run but its record, which holds clock and machine, with their bytes."""
    return {p.name: p.read_bytes() for p in sorted(run.folder.iterdir()) if p.is_file() and p.name != "record.json"}


def start(book: sl.Book | Path, out: Path, **options: Any) -> sl.Run:
    return sl.run(book, ["baseline", "crash-40"], market=shipped_market(), paths=10, seed=SEED, out=out, **options)


@pytest.fixture(scope="module")
def run_of_threads(book: sl.Book, tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    return start(book, tmp_path_factory.mktemp("runs") / "threads", block_paths=4)


@pytest.mark.parametrize("options", [{"block_paths": 1}, {"block_paths": 7}, {"block_paths": 64}], ids=str)
def test_files_do_not_depend_on_the_size_of_blocks(
    book: sl.Book, run_of_threads: sl.Run, tmp_path: Path, options: dict[str, int]
) -> None:
    assert files_of(start(book, tmp_path / "run", **options)) == files_of(run_of_threads)


@pytest.mark.parametrize("workers", [1, 2])
def test_files_do_not_depend_on_the_number_of_processes(
    book: sl.Book, run_of_threads: sl.Run, tmp_path: Path, workers: int
) -> None:
    run = start(book, tmp_path / "run", workers=workers, block_paths=3)
    assert files_of(run) == files_of(run_of_threads)
    outside = {k: v for k, v in run.record.items() if k != "machine"}
    assert outside == {k: v for k, v in run_of_threads.record.items() if k != "machine"}


def permuted(folder: Path, out: Path) -> None:
    """Write a book again with the rows and columns of every table in another order."""
    out.mkdir()
    for file in folder.iterdir():
        if file.suffix != ".csv":
            shutil.copy(file, out)
            continue
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))
        head, body = rows[0], rows[1:]
        body = [body[i] for i in sorted(range(len(body)), key=lambda i: (i * 7919) % 10_007)]
        with (out / file.name).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([row[::-1] for row in [head, *body]])


def test_the_order_of_rows_changes_no_byte(book: sl.Book, run_of_threads: sl.Run, tmp_path: Path) -> None:
    """Ids are sorted, so rows and columns of every input table may stand in any order."""
    write_book(book, tmp_path / "book")
    permuted(tmp_path / "book", tmp_path / "permuted")
    first_lines = [(tmp_path / f / "accounts.csv").read_text(encoding="utf-8").split("\n")[1] for f in ("book", "permuted")]
    assert first_lines[0] != first_lines[1]
    straight, mixed = read_book(tmp_path / "book"), read_book(tmp_path / "permuted")
    for name, table in straight.tables.items():
        pd.testing.assert_frame_equal(mixed.tables[name][list(table.columns)], table)
    files = files_of(start(tmp_path / "permuted", tmp_path / "run"))
    told = [name for name in files if name.endswith(".parquet")]
    tables_of_a_run = (*RUN_TABLES, "estimates", "migration", "spillover")
    assert sorted(told) == sorted(f"{name}.parquet" for name in tables_of_a_run)
    for name in (*told, "rating.json"):
        assert files[name] == files_of(run_of_threads)[name], name


# --- randomness by account ------------------------------------------------------------------------


def test_the_rank_of_an_account_is_its_slot(book: sl.Book) -> None:
    """(M-5, M-20) On day 1, calls are answered as word 0 of (rank, 1, 3, path) says; ranks are those of sorted ids."""
    high = demo_book(ACCOUNTS)
    high.tables["accounts"]["warning_line_bp"] = 60_000
    behaviour = read_scenario("baseline").behaviour.model_copy(update={"grace_days": 3})
    r = resolved(high, "baseline", days=1, behaviour=behaviour)
    assert r.account_ids == tuple(sorted(r.account_ids))
    facts = r.facts
    state, story = layout.new_state(facts), layout.new_story(facts)
    still = np.array([facts.instrument["price"]] * 2)
    path, seed = 4, 2**40 + 9
    closed = np.zeros(still.shape, np.uint8)
    cascade.run_path(path, seed, still, np.full(2, 10_000), closed, facts, state, story)
    assert int(state.counts[layout.LIVE]) == len(r.account_ids)
    found = [int(state.account["answer_day"][j]) for j in state.slot]
    expected = []
    for rank in range(len(r.account_ids)):
        word0, word1, _, _ = plain.philox4x32((rank, 1, 3, path), (seed % 2**32, seed // 2**32))
        answers = word0 * 10_000 < int(facts.terms.answer_bp[facts.account["investor_type"][rank]]) * 2**32
        expected.append(2 + word1 * 3 // 2**32 if answers else 0)
    assert found == expected
    assert 0 < expected.count(0) < len(expected)


# --- tables ---------------------------------------------------------------------------------------


def test_records_and_glossary_name_the_same_measures() -> None:
    assert layout.OUTCOME.names == tuple(m.name for m in glossary.PLATFORM_MEASURES)
    assert layout.DAY.names == tuple(m.name for m in glossary.DAY_MEASURES)


def test_tables_have_the_schemas_of_the_glossary(crash: Resolved) -> None:
    made = tables(crash, cut(crash, 7))
    assert set(made) == set(RUN_TABLES)
    days, platforms = 60, 3
    rows = {
        "outcomes": PATHS * platforms, "days": PATHS * days * platforms, "accounts": ACCOUNTS,
        "investors": len(investor_cells(crash)[2]),
        "instruments": days * len(crash.instrument_ids), "sectors": PATHS * len(crash.sector_ids),
    }
    for name, table in made.items():
        assert table.schema.equals(glossary.schema(name), check_metadata=True), name
        assert table.num_rows == rows[name]
        assert set(table.column("scenario").to_pylist()) == {"crash-40"}
        keys = {"outcomes": ["path", "platform_id"], "days": ["path", "platform_id", "day"], "accounts": ["account_id"],
                "investors": ["platform_id", "investor_type"],
                "instruments": ["instrument_id", "day"], "sectors": ["path", "sector"]}[name]
        assert not table.select(keys).to_pandas().duplicated().any()


def test_what_never_happened_is_null_and_all_else_is_there(crash: Resolved) -> None:
    made = tables(crash, cut(crash, 64))
    for table in made.values():
        for column in table.schema:
            values = table.column(column.name)
            if column.name in glossary.NULL_WHEN_ZERO:
                assert 0 not in values.to_pylist()
            else:
                assert values.null_count == 0, column.name
    assert made["outcomes"].column("first_unpaid_day").null_count > 0


def test_integers_stay_integers(crash: Resolved) -> None:
    """No float stands before the estimates."""
    for name, table in tables(crash, cut(crash, 64)).items():
        for column in table.schema:
            assert pa.types.is_integer(column.type) or pa.types.is_string(column.type), (name, column.name)


# --- money adds up --------------------------------------------------------------------------------


def by_platform(book: sl.Book, table: str, column: str) -> pd.Series:
    frame = book.tables[table]
    return frame.groupby("platform_id")[column].sum() if column in frame else pd.Series(0, index=["P1", "P2", "P3"])


def test_every_path_balances_to_the_last_li(book: sl.Book, told: dict[str, pd.DataFrame]) -> None:
    """(M-29) Assets are liabilities, at the end of every path of every platform."""
    o = told["outcomes"]
    other = o["platform_id"].map(by_platform(book, "platforms", "other_assets_li"))
    assets = o["loans_end_li"] + o["in_transit_end_li"] + o["cash_end_li"] + o["pool_end_li"] + other
    funding = o["junior_end_li"] - o["absorbed_by_junior_li"] + o["senior_end_li"] - o["absorbed_by_senior_li"]
    claims = o["claims_end_li"] - o["absorbed_by_claims_li"]
    assert (assets == funding + claims + o["reserve_end_li"] + o["own_capital_end_li"]).all()
    layers = ("reserve", "own_capital", "junior", "senior", "claims")
    assert (sum(o[f"absorbed_by_{layer}_li"] for layer in layers) == o["deficit_li"]).all()
    if o["scenario"].iloc[0] == "severe":  # a balance of nothing would prove nothing
        for happened in ("deficit_li", "redemption_paid_li", "client_paid_li", "absorbed_by_junior_li"):
            assert (o[happened] > 0).any(), happened


def test_loans_and_account_cash_roll_forward(book: sl.Book, told: dict[str, pd.DataFrame]) -> None:
    o = told["outcomes"]
    debt, cash = (o["platform_id"].map(by_platform(book, "accounts", c)) for c in ("debt_li", "cash_li"))
    assert (debt + o["loan_interest_li"] - o["repaid_li"] - o["deficit_li"] == o["loans_end_li"]).all()
    flows = o["client_paid_li"] + o["sold_li"] - o["selling_cost_li"] - o["repaid_li"]
    assert (cash + flows == o["account_cash_end_li"]).all()


def test_tables_agree_with_each_other(told: dict[str, pd.DataFrame]) -> None:
    o, days, accounts = told["outcomes"], told["days"], told["accounts"]
    of_accounts, of_paths = accounts.groupby("platform_id"), o.groupby("platform_id")
    pairs = [("deficit_sum_li", "deficit_li"), ("sold_sum_li", "sold_li"), ("in_deficit", "accounts_in_deficit"),
             ("forced", "accounts_forced")]
    for column, measure in pairs:
        assert of_accounts[column].sum().equals(of_paths[measure].sum()), column
    of_days = days.groupby(["path", "platform_id"])
    outcome = o.set_index(["path", "platform_id"])
    assert (of_days["sold_li"].sum() == outcome["sold_li"]).all()
    assert (of_days["margin_call_li"].max() == outcome["margin_call_peak_li"]).all()
    last = days[days["day"] == 60].set_index(["path", "platform_id"])
    assert (last["deficit_li"] == outcome["deficit_li"]).all()
    assert (last["own_funds_li"] == outcome["reserve_end_li"] + outcome["own_capital_end_li"]).all()
    assert (last["unpaid_li"] == outcome["unpaid_end_li"]).all()


def test_the_loss_with_impact_is_what_is_lost_and_what_is_still_missing(told: dict[str, pd.DataFrame]) -> None:
    """(M-30, M-37)"""
    o = told["outcomes"]
    assert (o["loss_with_impact_li"] == o["deficit_li"] + o["deficit_unrealised_li"]).all()
    if o["deficit_li"].any():
        assert not (o["loss_with_impact_li"] == o["loss_without_impact_li"]).all()


def test_the_column_without_impact_is_a_run_without_impact(book: sl.Book, crash: Resolved) -> None:
    """(M-30) Three columns on one path: holding and selling without impact know nothing of the impact law."""
    liquidity = read_scenario("crash-40").liquidity.model_copy(update={"impact": "none"})
    with_law, without = run_block(crash, SEED, 0, PATHS), run_block(resolved(book, liquidity=liquidity), SEED, 0, PATHS)
    for mine, its in (("loss_without_impact_li", "loss_with_impact_li"), ("loss_holding_li", "loss_holding_li"),
                      ("loss_without_impact_li", "loss_without_impact_li")):
        assert np.array_equal(with_law.outcomes[mine], without.outcomes[its]), mine
    assert not np.array_equal(with_law.outcomes["sold_li"], without.outcomes["sold_li"])


def test_nothing_happens_in_a_market_that_stands_still(book: sl.Book) -> None:
    """Deterministic and without a shock: every price stays, nobody is called, nobody sells, interest alone accrues."""
    market = read_scenario("baseline").market.model_copy(update={"model": "deterministic"})
    r = resolved(book, "baseline", market=market)
    block = run_block(r, SEED, 0, 2)
    zero = ("accounts_called", "accounts_forced", "sold_li", "deficit_li", "deficit_unrealised_li", "client_paid_li",
            "repaid_li", "loss_holding_li", "unpaid_end_li", "pool_loss_li")
    for name in zero:
        assert not block.outcomes[name].any(), name
    assert (block.outcomes["loan_interest_li"] > 0).all()
    assert (block.days["basket_quoted_ppm"] == 1_000_000).all()
    assert (block.instruments["quoted_sum_li"] == 2 * r.market.price).all()


# --- the kernels as plain Python, and fresh -------------------------------------------------------

_PLAIN_RUN = """
import json, sys
from kernel_worlds import hold_kernel, run_kernel
import numba
assert numba.config.DISABLE_JIT
cases = json.load(sys.stdin)
json.dump([[run_kernel(w), hold_kernel(w)] for w in cases], sys.stdout)
"""


def some_worlds(count: int) -> list[dict[str, Any]]:
    """Return small worlds, the same every time."""
    found = [hand_world()]

    @settings(max_examples=count, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(worlds())
    def collect(world: dict[str, Any]) -> None:
        found.append(world)

    collect()
    return found


def python(code: str, path: list[Path], stdin: str = "", **environment: str) -> str:
    """Return what a fresh interpreter prints that finds its modules in ``path`` first."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error::RuntimeWarning", "-c", code], input=stdin, capture_output=True, text=True,
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(map(str, path))}, check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="compares compiled kernels with plain ones")
def test_compiled_and_plain_kernels_agree() -> None:
    """The same worlds with the JIT off give the same integers: nothing rests on how the compiler reads a type."""
    cases = some_worlds(60)
    answer = python(_PLAIN_RUN, [ROOT, ROOT / "tests"], json.dumps(cases), NUMBA_DISABLE_JIT="1")
    assert len(json.loads(answer)) == len(cases) > 50
    for world, (run, held) in zip(cases, json.loads(answer), strict=True):
        assert run == run_kernel(world)
        assert held == hold_kernel(world)


def test_the_digest_of_the_kernels_sees_every_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file counts, its name too, and the folder of compiled code changes with it."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)
    copy = tmp_path / "kernels"
    shutil.copytree(Path(kernels.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def digest() -> str:
        spec = importlib.util.spec_from_file_location("copied_kernels", copy / "__init__.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert Path(numba.config.CACHE_DIR).name == module.sources_digest()[:16]
        return str(module.sources_digest())

    seen = [digest()]
    assert seen == [kernels.sources_digest()]
    for file in sorted(copy.glob("*.py")):
        file.write_text(file.read_text(encoding="utf-8") + "\n# an edit\n", encoding="utf-8")
        seen.append(digest())
    (copy / "prices.py").rename(copy / "quotes.py")
    seen.append(digest())
    assert len(set(seen)) == len(seen)


_DRAW = """
import numpy, stresslab.kernels.noise as n
assert n.__file__.startswith({folder!r}), n.__file__
out = n.new_noise(1, 0, 0)
n.draw_noise(out, numpy.ones(n.LEAD_FACTORS, numpy.uint8), 1, 1)
print(out.leading[1, 0])
"""


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="about compiled code on disk")
def test_an_edit_of_a_callee_is_not_hidden_by_compiled_code_on_disk(tmp_path: Path) -> None:
    """The numbers of a caller follow an edit in another file, though the caller's own file is untouched."""
    package = tmp_path / "stresslab"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copytree(Path(kernels.__file__).parent, package / "kernels", ignore=shutil.ignore_patterns("__pycache__"))

    def draw() -> float:
        code = _DRAW.format(folder=str(tmp_path))
        return float(python(code, [tmp_path], STRESSLAB_CACHE=str(tmp_path / "cache")))

    before = draw()
    callee = package / "kernels" / "draws.py"
    source = callee.read_text(encoding="utf-8")
    edited = source.replace("return q * (_polynomial(r, _A) / _polynomial(r, _B))", "return 7.0")
    assert edited != source
    callee.write_text(edited, encoding="utf-8")
    assert draw() == 7.0 != before
    callee.write_text(source, encoding="utf-8")
    assert draw() == before
