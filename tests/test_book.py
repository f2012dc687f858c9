"""A book survives every way of writing it, digit by digit; the demo book is the one that the method describes."""

from __future__ import annotations

import datetime
import shutil
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stresslab.book import Book, checks, demo_book, notes, read_book, write_book
from stresslab.book.checks import collateral_of_accounts, imbalances
from stresslab.book.convert import FAULTS_SHOWN, convert
from stresslab.faults import InputError, Rows
from stresslab.glossary import INPUTS, SALE_ORDERS, Column
from stresslab.market.rules import board_rule

BASE = Path(__file__).parent / "invalid" / "base"
TABLES = ("accounts", "positions", "instruments", "platforms", "claims", "funding")

MONEY = Column("amount_yuan", "money", "amount", "金额", high=2**47 / 1000 - 1, low=0.0)
PERCENT = Column("line_pct", "percent", "line", "线", high=655.35)
COUNT = Column("shares", "count", "shares", "股数", True, 0, 2**31 - 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the small sound book, to be changed."""
    return Path(shutil.copytree(BASE, tmp_path / "book"))


def faults_of(folder: Path) -> list[str]:
    with pytest.raises(InputError) as refused:
        read_book(folder)
    return [str(fault) for fault in refused.value.faults]


def cells(frame: pd.DataFrame) -> list[dict[str, object]]:
    """A table as plain values, whatever types hold them."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def one(column: Column, cell: object) -> object:
    """The stored value of one cell; the rule that it breaks if it breaks one."""
    stored, faults = convert(column, pd.Series([cell], dtype=object), Rows("t.csv", [2]))
    return faults[0].rule if faults else stored.iloc[0]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- what is written is read back ---------------------------------------------------------------


@pytest.mark.parametrize("book", [demo_book(60), read_book(BASE)], ids=["demo", "base"])
def test_write_then_read_is_the_same_book(book, tmp_path):
    write_book(book, tmp_path / "copy")
    again = read_book(tmp_path / "copy")
    assert again.digest == book.digest
    for name, table in book.tables.items():
        assert cells(again.tables[name]) == cells(table)
    assert (again.title, again.as_of, again.currency, again.synthetic) == (book.title, book.as_of, "CNY", True)


def test_a_changed_digit_changes_the_digest(folder):
    before = read_book(folder).digest
    edit(folder / "accounts.csv", "1000.5", "1000.501")
    assert read_book(folder).digest != before


texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)
ODD = ('"', "\\", "line\nbreak", "a,b", "return\rhere", '"""', "'", "tab\t", "\x7f", "名称", "#", "=1+1", "nan", "None")


@settings(max_examples=25, deadline=None)
@given(title=texts, name=texts)
def test_titles_and_names_survive(title, name, tmp_path_factory):
    small = read_book(BASE)
    tables = small.tables | {"platforms": small.tables["platforms"].assign(name=[name, None])}
    book = Book(title, small.as_of, "CNY", False, tables)
    out = tmp_path_factory.mktemp("book") / "b"
    write_book(book, out)
    again = read_book(out)
    assert again.title == title
    if name.strip():
        assert again.tables["platforms"]["name"].tolist() == [name, None]
        assert again.digest == book.digest
    else:
        assert "name" not in again.tables["platforms"]


@pytest.mark.parametrize("odd", ODD)
def test_odd_titles_and_names_survive(odd, tmp_path):
    small = read_book(BASE)
    tables = small.tables | {"platforms": small.tables["platforms"].assign(name=[odd, odd])}
    book = Book(odd, small.as_of, "CNY", False, tables)
    write_book(book, tmp_path / "b")
    again = read_book(tmp_path / "b")
    assert (again.title, again.tables["platforms"]["name"].tolist(), again.digest) == (odd, [odd, odd], book.digest)


# --- one book, many files -----------------------------------------------------------------------


def numbers(table: str, column: str) -> bool:
    kind = next(c.kind for c in INPUTS[table] if c.name == column)
    return kind in ("money", "price", "percent", "count", "number")


def as_floats(table: str, frame: pd.DataFrame) -> pa.Table:
    return pa.table({c: frame[c].replace("", None).astype(float) if numbers(table, c) else plain(frame[c]) for c in frame})


def as_decimals(table: str, frame: pd.DataFrame) -> pa.Table:
    kind = pa.decimal128(30, 6)
    return pa.table({c: pa.array([Decimal(v) if v else None for v in frame[c]], kind) if numbers(table, c) else plain(frame[c])
                     for c in frame})


def as_types(table: str, frame: pd.DataFrame) -> pa.Table:
    """Integers, dates, flags and dictionary-encoded text as a database would export them."""
    kinds = {c.name: c.kind for c in INPUTS[table]}
    made = {}
    for c in frame:
        values = [v or None for v in frame[c]]
        if kinds[c] == "count":
            made[c] = pa.array([None if v is None else int(v) for v in values], pa.int32())
        elif kinds[c] == "date":
            made[c] = pa.array([None if v is None else datetime.date.fromisoformat(v) for v in values])
        elif kinds[c] == "flag":
            made[c] = pa.array([None if v is None else v == "true" for v in values])
        elif kinds[c] in ("choice", "id"):
            made[c] = pa.array(values, pa.string()).dictionary_encode()
        else:
            made[c] = plain(frame[c])
    return pa.table(made)


def plain(values: pd.Series) -> pa.Array:
    return pa.array([v or None for v in values], pa.string())


@pytest.mark.parametrize("form", [as_floats, as_decimals, as_types, lambda _, f: pa.table({c: plain(f[c]) for c in f})],
                         ids=["floats", "decimals", "types", "text"])
def test_parquet_says_the_same_as_csv(form, folder):
    before = read_book(folder).digest
    for name in TABLES:
        frame = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        pq.write_table(form(name, frame), folder / f"{name}.parquet")
        (folder / f"{name}.csv").unlink()
    assert read_book(folder).digest == before


def test_a_partitioned_folder_says_the_same_as_one_file(folder):
    before = read_book(folder).digest
    for name, by in (("positions", None), ("accounts", "platform_id")):
        frame = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        for at, part in enumerate((frame.iloc[2:], frame.iloc[:2])):
            home = folder / name / (f"{by}={part[by].iloc[0]}" if by else "")
            home.mkdir(parents=True, exist_ok=True)
            kept = part.drop(columns=by) if by else part
            pq.write_table(pa.Table.from_pandas(kept, preserve_index=False), home / f"part-{at}.parquet")
        (folder / f"{name}.csv").unlink()
    book = read_book(folder)
    assert book.digest == before
    assert {"positions/part-0.parquet", "accounts/platform_id=P1/part-1.parquet"} < set(book.digests)


def test_a_bad_cell_of_a_part_is_found_in_its_part(folder):
    frame = pd.read_csv(folder / "positions.csv", dtype=str, keep_default_na=False)
    (folder / "positions.csv").unlink()
    (folder / "positions").mkdir()
    for at, part in enumerate((frame.iloc[:3], frame.iloc[3:].assign(instrument_id="S9"))):
        pq.write_table(pa.Table.from_pandas(part, preserve_index=False), folder / "positions" / f"{at}.parquet")
    assert faults_of(folder) == [
        "positions/1.parquet row 2, instrument_id = 'S9': is not in instruments.csv; "
        "add it to instruments.csv or correct the name"
    ]


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_row_order_does_not_matter(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("book") / "book"
    shutil.copytree(BASE, out)
    # Claims have no key: two that differ only in an optional column must still find one order.
    edit(out / "claims.csv", "notice_days\n", "notice_days,group_id,foreign\n")
    edit(out / "claims.csv", "C3,P2,investor,150000,7", "C3,P2,investor,75000,7,G2,true\nC3,P2,investor,75000,7,G1,false")
    edit(out / "claims.csv", "80000,0", "80000,0,,")
    edit(out / "claims.csv", "120000,3", "120000,3,,")
    before = read_book(out).digest
    for name in TABLES:
        header, *rows = (out / f"{name}.csv").read_text(encoding="utf-8").splitlines()
        lines = [header, *data.draw(st.permutations(rows), label=name)]
        (out / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_book(out).digest == before


def test_column_order_empty_columns_and_ways_of_writing_do_not_matter(folder):
    before = read_book(folder).digest
    frame = pd.read_csv(folder / "claims.csv", dtype=str)
    frame["group_id"] = ""
    frame["foreign"] = ""
    frame[frame.columns[::-1]].to_csv(folder / "claims.csv", index=False)
    edit(folder / "accounts.csv", "1000.5,300000", " 1000.500 ,3e5")
    text = (folder / "positions.csv").read_text(encoding="utf-8")
    written = "\ufeff" + text.replace("\n", "\r\n") + "\r\n,,,\r\n\r\n"
    (folder / "positions.csv").write_bytes(written.encode())
    head = (folder / "book.toml").read_bytes()
    (folder / "book.toml").write_bytes(b"\xef\xbb\xbf" + head)
    assert read_book(folder).digest == before


def test_a_table_that_is_optional_may_be_there(folder):
    (folder / "movements.csv").write_text(
        "date,platform_id,party_id,counterparty_id,kind,amount_yuan\n2026-05-02,P1,C2,F1,transfer,12.5\n"
        "2026-05-01,P1,C1,F1,transfer,7\n", encoding="utf-8")
    book = read_book(folder)
    assert book.tables["movements"]["amount_li"].tolist() == [7_000, 12_500]
    assert "movements: no run reads it; `stresslab pool` does" in notes(book.tables)


@pytest.mark.parametrize("name", ["claims", "funding", "positions"])
def test_some_tables_may_have_no_rows(name, folder):
    header = (folder / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0]
    (folder / f"{name}.csv").write_text(header + "\n", encoding="utf-8")
    said = [] if name == "positions" else faults_of(folder)
    # What is missing is the balance, or the claims that segregated money belongs to, never the table.
    assert all("balance" in line or "segregated" in line for line in said)
    if name == "positions":
        assert read_book(folder).tables["positions"].empty


def test_names_that_look_like_nothing_are_names(folder):
    edit(folder / "instruments.csv", "S1,main,bank", "S1,none,nan")
    edit(folder / "platforms.csv", "P2,", "None,")
    for name in ("accounts", "claims", "funding"):
        edit(folder / f"{name}.csv", ",P2,", ",None,")
    book = read_book(folder)
    assert book.tables["instruments"].loc[0, ["board", "sector"]].tolist() == ["none", "nan"]
    assert book.tables["platforms"]["platform_id"].tolist() == ["None", "P1"]


def test_numbers_as_names_are_the_same_in_every_table(folder):
    # A column of numbers with gaps comes back from a database as floats: 7.0 is still the name 7.
    for name in ("accounts", "positions", "claims"):
        text = (folder / f"{name}.csv").read_text(encoding="utf-8")
        (folder / f"{name}.csv").write_text(text.replace("A1,", "1,").replace("A2,", "2,").replace("A3,", "3,"), encoding="utf-8")
    claims = pd.read_csv(folder / "claims.csv").assign(account_id=[1.0, None, 3.0])
    (folder / "claims.csv").unlink()
    claims.to_parquet(folder / "claims.parquet")
    assert read_book(folder).tables["claims"]["account_id"].tolist() == ["1", None, "3"]


# --- every digit --------------------------------------------------------------------------------

li = st.integers(0, 2**47 - 1_001)


@settings(max_examples=60, deadline=None)
@given(li)
def test_any_money_reads_back_exactly(amount):
    whole, rest = divmod(amount, 1000)
    exact = Decimal(amount) / 1000
    for cell in (f"{whole}.{rest:03d}", f"+{whole}.{rest:03d}000", str(exact), exact, float(exact), np.float64(amount) / 1000):
        assert one(MONEY, cell) == amount
    stored, faults = convert(MONEY, pd.Series([float(exact)]), Rows("t.csv", [2]))
    assert (stored.tolist(), faults) == ([amount], [])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**44), st.integers(1, 9), st.integers(1, 12))
def test_one_digit_more_of_money_is_refused(amount, digit, further):
    whole, rest = divmod(amount, 1000)
    rule = "must be a whole multiple of 0.001 yuan"
    text = f"{whole}.{rest:03d}{digit:0{further}d}"
    assert one(MONEY, text) == rule
    assert one(MONEY, Decimal(text)) == rule
    near = f"{whole}.{rest:03d}{digit}"
    assert one(MONEY, float(near)) == rule
    _, faults = convert(MONEY, pd.Series([float(near)]), Rows("t.csv", [2]))
    assert [f.rule for f in faults] == [rule]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 65_535))
def test_any_percent_reads_back_exactly(bp):
    exact = Decimal(bp) / 100
    for cell in (f"{exact:.2f}", str(exact), exact, float(exact)):
        assert one(PERCENT, cell) == bp
    assert one(PERCENT, f"{exact:.2f}1") == "must be a whole multiple of 0.01%"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_any_count_reads_back_exactly(count):
    for cell in (str(count), count, float(count), Decimal(count), f"{count}.0", np.uint32(count)):
        assert one(COUNT, cell) == count
    for kind in (np.int64, np.uint64, np.float64, "Int64"):
        stored, faults = convert(COUNT, pd.Series([count], dtype=kind), Rows("t.csv", [2]))
        assert (stored.tolist(), faults) == ([count], [])


@pytest.mark.parametrize("cell", ["", " ", None, float("nan"), pd.NA, pd.NaT])
def test_an_empty_cell_is_missing(cell):
    assert one(MONEY, cell) == "must be given in every row"
    stored, faults = convert(Column("x_yuan", "money", "x", "x", False), pd.Series([cell, "1"], dtype=object), Rows("t.csv", [2, 3]))
    assert (pd.isna(stored.iloc[0]), stored.iloc[1], faults) == (True, 1000, [])


@pytest.mark.parametrize("cell", ["NaN", "nan", "inf", "-Infinity", "1_000", "１２", "0x10", "1,5", "true", "--1", "1e", "e5", "."])
def test_what_is_no_number_is_refused(cell):
    assert one(MONEY, cell) == "must be a number"


@pytest.mark.parametrize(("cell", "rule"), [
    ("1e400", "must be at most 140737488354.328 yuan"), ("-1e400", "must not be negative"),
    ("1e9999", "must be at most 140737488354.328 yuan"), ("1e-9999", "must be a whole multiple of 0.001 yuan"),
    ("1e9", 10**12), ("5e-3", 5), ("0.0000", 0), ("-0", 0), ("140737488354.328", 2**47 - 1000),
    ("140737488354.329", "must be at most 140737488354.328 yuan"), ("100000000000.00000000000000000000000001",
                                                                  "must be a whole multiple of 0.001 yuan"),
])
def test_the_ends_of_what_fits(cell, rule):
    assert one(MONEY, cell) == rule


def test_many_faults_of_one_column_are_counted():
    _, faults = convert(COUNT, pd.Series(["x"] * 25), Rows("t.csv", range(2, 27)))
    assert len(faults) == FAULTS_SHOWN + 1
    assert str(faults[-1]) == "t.csv, shares: 5 more rows break a rule in this column; correct them alike"


def test_the_collateral_of_an_account_may_pass_64_bits():
    """Before a book is known to be sound: 2^31 shares at a price of 2^31 厘, four times."""
    stocks = {"instrument_id": [f"S{i}" for i in range(4)], "price_li": [2**31 - 1] * 4}
    held = {"account_id": ["A1"] * 4 + ["A9"], "instrument_id": ["S0", "S1", "S2", "S3", "S0"], "shares": [2**31 - 1] * 4 + [5]}
    accounts = {"account_id": ["A0", "A1"], "cash_li": [3, 7]}
    tables = {"instruments": pd.DataFrame(stocks), "positions": pd.DataFrame(held), "accounts": pd.DataFrame(accounts)}
    assert collateral_of_accounts(tables).tolist() == [3, 4 * (2**31 - 1) ** 2 + 7]
    tables["positions"] = tables["positions"].iloc[:1].assign(instrument_id="S7")
    assert collateral_of_accounts(tables).tolist() == [3, 7]
    tables["positions"] = tables["positions"].iloc[:0]
    assert collateral_of_accounts(tables).tolist() == [3, 7]


def test_the_whole_book_has_a_bound(monkeypatch):
    # Collateral 1,272,500 + 622,000.5 + 637,000 and debt 600,000 + 300,000 + 400,000, in yuan.
    monkeypatch.setattr(checks, "COLLATERAL_OF_BOOK", 3_831_500_500)
    assert faults_of(BASE) == [
        "accounts.csv: collateral and debt of all accounts must stay below 144 trillion yuan, they are 3831500.5; split the book"
    ]


# --- the demo book ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo() -> Book:
    return demo_book()


def test_demo_shape(demo):
    t = demo.tables
    assert demo.synthetic
    assert "synthetic" in demo.title.lower()
    assert (len(t["platforms"]), len(t["accounts"]), len(t["instruments"])) == (3, 20_000, 120)
    assert 4.5 < len(t["positions"]) / len(t["accounts"]) < 5.5
    assert (t["accounts"]["debt_li"] > 0).all()
    assert t["accounts"]["account_id"].is_monotonic_increasing
    assert all(board_rule(b, demo.as_of) is not None for b in set(t["instruments"]["board"]))


def test_demo_balances_to_the_last_li(demo):
    assert list(imbalances(demo.tables)) == []


def test_demo_leverage_runs_from_a_third_to_five(demo):
    multiple = []
    for a, d in zip(collateral_of_accounts(demo.tables), demo.tables["accounts"]["debt_li"], strict=True):
        multiple.append(d / (a - d))
    assert 0.25 < min(multiple) < 0.35
    assert 4.8 < max(multiple) < 5.01


def test_demo_nobody_starts_below_the_warning_line(demo):
    a = demo.tables["accounts"]
    worst = [int(v) * 10_000 >= int(w) * int(d) for v, w, d in
             zip(collateral_of_accounts(demo.tables), a["warning_line_bp"], a["debt_li"], strict=True)]
    assert all(worst)


def test_demo_funding_is_nested_and_claims_are_concentrated(demo):
    funding, claims = demo.tables["funding"], demo.tables["claims"]
    for _, nested in funding[funding["parent_id"].notna()].groupby("parent_id"):
        parent = funding.set_index("funding_id").loc[nested["parent_id"].iloc[0]]
        whole = pd.isna(parent["parent_id"])  # what stands behind a direct layer is known to the last 厘
        assert nested["amount_li"].sum() == parent["amount_li"] if whole else nested["amount_li"].sum() < parent["amount_li"]
    assert funding["parent_id"].notna().sum() == 9
    assert not (funding["amount_li"] < 0).any()
    for _, mine in claims.groupby("platform_id"):
        groups = mine["group_id"].fillna(mine["client_id"])
        top = mine.groupby(groups)["amount_li"].sum().nlargest(10).sum()
        assert 0.3 < top / mine["amount_li"].sum() < 0.7
        assert mine["group_id"].notna().sum() == 5


def test_demo_mixes_orders_of_sale_and_knows_what_was_paid(demo):
    a, p, i = (demo.tables[t] for t in ("accounts", "positions", "instruments"))
    assert set(a["sale_order"]) == set(SALE_ORDERS)
    assert (a["sale_order"].value_counts(normalize=True) > 0.03).all()
    held = p.merge(a, on="account_id").merge(i, on="instrument_id")
    assert set(held.loc[held["cost_li"].isna(), "platform_id"]) == {"P3"}
    assert held.loc[held["platform_id"] == "P3", "cost_li"].isna().all()
    known = held[held["cost_li"].notna()]
    paid = known["cost_li"].astype(float) / (known["shares"] * known["price_li"])
    assert paid.between(0.49, 1.36).all()
    assert ((i["float_shares"] <= i["total_shares"]) & (i["total_shares"] >= 50 * i["adv_shares"])).all()


def test_an_empty_cost_stays_unknown_and_a_negative_one_is_a_cost(folder):
    text = (folder / "positions.csv").read_text(encoding="utf-8").splitlines()
    rows = [text[0] + ",cost_yuan", *(f"{row},{cost}" for row, cost in zip(text[1:], ("", "-500.5", "0", "1e6"), strict=True))]
    (folder / "positions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    cost = read_book(folder).tables["positions"]["cost_li"]
    assert (cost.isna().tolist(), cost.tolist()[1:]) == ([True, False, False, False], [-500_500, 0, 10**9])


@pytest.mark.parametrize(("order", "costs", "sound"), [
    ("highest_loss", ["", "5", "", ""], True), ("highest_loss", ["", "", "", "5"], False), ("largest", ["", "", "", ""], True),
])
def test_an_order_by_loss_needs_one_cost_of_the_account(folder, order, costs, sound):
    edit(folder / "accounts.csv", "rate_cap_pct\n", "rate_cap_pct,sale_order\n")
    edit(folder / "accounts.csv", "fixed,\n", f"fixed,,{order}\n")
    edit(folder / "accounts.csv", "floating,\n", "floating,,\n")
    edit(folder / "accounts.csv", "capped,15\n", "capped,15,\n")
    text = (folder / "positions.csv").read_text(encoding="utf-8").splitlines()
    rows = [text[0] + ",cost_yuan", *(f"{row},{cost}" for row, cost in zip(text[1:], costs, strict=True))]
    (folder / "positions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    if sound:
        assert read_book(folder).tables["accounts"]["sale_order"].tolist() == [order, None, None]
    else:
        assert [line.partition(":")[0] for line in faults_of(folder)] == ["accounts.csv row 2, sale_order = 'highest_loss'"]


def test_demo_is_the_same_every_time_and_another_with_another_seed(tmp_path):
    assert demo_book(300, 7).digest == demo_book(300, 7).digest != demo_book(300, 8).digest


@pytest.mark.parametrize("accounts", [10, 11, 37])
def test_the_smallest_demo_books_are_sound(accounts, tmp_path):
    book = demo_book(accounts)
    write_book(book, tmp_path / "b")
    assert read_book(tmp_path / "b").digest == book.digest
