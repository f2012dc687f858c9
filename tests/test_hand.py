"""One account that anyone can follow with pencil and paper, from its files to its report.

The book and the scenario stand in ``notebooks/one_account``. The client owns 100,000 yuan and has borrowed 200,000
(1:2): 30,000 shares at 10.00, m = 150%. Warning line 130%, liquidation line 120%, restore line = warning line; no
interest, no impact, no daily limit. Selling costs 0.08%: stamp duty 0.05% and commission 0.03%. The platform lent the
200,000 out of 190,000 from a bank, a reserve of 5,000 and own capital of 20,000, and holds 15,000 in cash.
"""

from __future__ import annotations

import shutil
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kernel_worlds import run_kernel
from worlds import plain_account, plain_instrument, plain_world

import stresslab as sl
from stresslab.contract import (
    drop_to_line,
    gap_shortfall,
    locked_drop,
    locked_shortfall,
    percent,
    ratio_of_multiple,
)

FOLDER = Path(__file__).parent.parent / "notebooks" / "one_account"
COST = Decimal("0.0008")
#: What a sale of 1 yuan does for the distance to a line of 130%: 1.3 × (1 − 0.0008) − 1.
GAIN = Decimal("0.29896")


def yuan(text: str) -> int:
    """Return yuan as 厘."""
    exact = Decimal(text.replace(",", "")) * 1000
    assert exact == exact.to_integral_value()
    return int(exact)


def up(value: Decimal, unit: str = "0.001") -> Decimal:
    """Return a value rounded up to whole units."""
    return value.quantize(Decimal(unit), ROUND_CEILING)


def run(out: Path, book: Path = FOLDER, scenario: sl.Scenario | None = None) -> sl.Run:
    """Run one path; there is no chance in it."""
    return sl.run(book, [scenario or sl.read_scenario(FOLDER / "scenario.toml")], paths=1, seed=1, out=out)


def told(finished: sl.Run) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Return the one outcome and what each day says of the platform and of the share."""
    outcome = finished.outcomes.iloc[0].to_dict()
    return outcome, finished.table("days").set_index("day"), finished.table("instruments").set_index("day")


# --- the price falls by 0.40 a day ----------------------------------------------------------------

#: Days 6 to 10 of the ramp, worked below: price, shares held and debt at the open, shares sold, selling cost.
SALES = [
    (6, "7.60", 30_000, "200000.000", 14_084, "85.631"),
    (7, "7.20", 15_916, "93047.231", 2_958, "17.039"),
    (8, "6.80", 12_958, "71766.670", 2_550, "13.872"),
    (9, "6.40", 10_408, "54440.542", 2_175, "11.136"),
    (10, "6.00", 8_233, "40531.678", 1_836, "8.813"),
]
SHARES_LEFT, DEBT_LEFT = 6_397, "29524.491"


def test_the_table_of_sales_is_right_by_its_own_arithmetic() -> None:
    """Each row follows from the one before by four rules.

    Day 6: A = 30,000 × 7.60 = 228,000, m = 114%. To sell: (1.3 × 200,000 − 228,000) / 0.29896 = 32,000 / 0.29896 =
    107,037.731 yuan, which are 14,083.9 shares, so 14,084. They bring 107,038.40 and cost 85.63072, so 85.631:
    106,952.769 repay debt, 93,047.231 are left. A = 15,916 × 7.60 = 120,961.60, m = 130.0002%.
    """
    shares, debt = 30_000, Decimal(200_000)
    for _, price_text, held, owed, sold, cost in SALES:
        price = Decimal(price_text)
        assert (shares, debt) == (held, Decimal(owed))
        amount = up((Decimal("1.3") * debt - shares * price) / GAIN)
        assert up(amount / price, "1") == sold
        gross = sold * price
        assert up(gross * COST) == Decimal(cost)
        shares, debt = shares - sold, debt - (gross - Decimal(cost))
        assert shares * price / debt >= Decimal("1.3")
        assert (shares + 1) * price / (debt + price * (1 - COST)) < Decimal("1.3")  # one share less would not do
    assert (shares, debt) == (SHARES_LEFT, Decimal(DEBT_LEFT))


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    return told(run(tmp_path_factory.mktemp("hand") / "ramp"))


def test_the_price_falls_in_even_steps(ramp: tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]) -> None:
    """10.00 less 0.40 a day for ten days, then 6.00."""
    _, days, share = ramp
    prices = [9600, 9200, 8800, 8400, 8000, 7600, 7200, 6800, 6400, 6000, 6000, 6000]
    assert share["quoted_sum_li"].tolist() == share["fundamental_sum_li"].tolist() == prices
    assert days["factor_ppm"].tolist() == [100 * p for p in prices]


def test_calls_by_hand(ramp: tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]) -> None:
    """The warning line of 130% is 260,000 yuan, until sales lower the debt.

    Day 3: A = 264,000, m = 132%: nothing. Day 4: A = 252,000, m = 126%: a call of 8,000. Day 5: A = 240,000, m = 120%,
    which is not below 120%: 20,000 are missing, nobody sells. Day 6: 32,000 are missing, the most of all days. From
    day 7 on, the open call, never answered, is past its two days of grace and forces a sale each day, to 130% each
    time. On day 11 the price stays, m is 130%, and the call lapses; it stays unanswered, for its grace was over.
    """
    outcome, days, _ = ramp
    missing = [0, 0, 0, yuan("8,000"), yuan("20,000")]
    for _, price, held, owed, _, _ in SALES:
        missing.append(yuan(str(up(Decimal("1.3") * Decimal(owed) - held * Decimal(price)))))
    assert missing[5:] == [yuan(x) for x in ("32,000", "6,366.201", "5,182.271", "4,161.505", "3,293.182")]
    assert days["margin_call_li"].tolist() == [*missing, 0, 0]
    assert (outcome["margin_call_peak_li"], outcome["margin_call_peak_day"]) == (yuan("32,000"), 6)
    assert (outcome["accounts_called"], outcome["margin_call_issued_li"]) == (1, yuan("8,000"))
    assert (outcome["margin_call_unanswered_li"], outcome["client_paid_li"]) == (yuan("8,000"), 0)
    # Day 6: 228,000 of the 240,000 that the liquidation line asks for are there.
    assert outcome["margin_coverage_ppm"] == 950_000


def test_sales_by_hand(ramp: tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]) -> None:
    outcome, days, share = ramp
    sold = {day: (shares, shares * Decimal(price)) for day, price, _, _, shares, _ in SALES}
    for day in range(1, 13):
        shares, gross = sold.get(day, (0, Decimal(0)))
        assert share["sold_sum_shares"][day] == shares
        assert days["sold_li"][day] == gross * 1000
        assert days["accounts_forced"][day] == (1 if shares else 0)
    assert outcome["accounts_forced"] == 1
    assert outcome["sold_li"] == yuan("170,612")  # 107,038.40 + 21,297.60 + 17,340 + 13,920 + 11,016
    assert outcome["selling_cost_li"] == yuan("136.491")
    assert outcome["repaid_li"] == yuan("170,475.509")
    assert outcome["loans_end_li"] == yuan(DEBT_LEFT) == yuan("200,000") - yuan("170,475.509")
    assert outcome["rounds_most"] == 1


def test_losses_by_hand(ramp: tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]) -> None:
    """Who sells in time loses nothing for the platform; who holds leaves a hole.

    Held to the end, 30,000 shares at 6.00 bring 180,000 less 144 of cost, and 20,144 of the 200,000 are missing. Sold in
    five steps, 6,397 shares, 38,382 yuan, stand behind a debt of 29,524.491.
    """
    outcome, days, _ = ramp
    assert outcome["loss_holding_li"] == yuan("20,144")
    assert outcome["loss_without_impact_li"] == outcome["loss_with_impact_li"] == 0
    assert outcome["deficit_li"] == outcome["deficit_unrealised_li"] == 0
    assert Decimal(DEBT_LEFT) < SHARES_LEFT * 6 * (1 - COST)
    assert outcome["cash_end_li"] == yuan("15,000") + yuan("170,475.509")
    assert set(days["own_funds_li"]) == {yuan("25,000")}
    # Without cost the hole is the gap shortfall of a 1:2 contract after 40%: a tenth of the debt.
    assert outcome["loss_holding_li"] - yuan("144") == gap_shortfall(ratio_of_multiple(2), percent("40")) * yuan("200,000")


def test_lines_are_met_where_the_contract_says(ramp: tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]) -> None:
    """150% meets 130% after a drop of 13.33% (between days 3 and 4) and 120% after 20% (on day 5, exactly)."""
    _, days, _ = ramp
    start = ratio_of_multiple(2)
    drops = 1 - days["factor_ppm"] / 1_000_000
    called, sold = days["margin_call_li"] > 0, days["sold_li"] > 0
    assert called.idxmax() == (drops > float(drop_to_line(percent("130"), start))).idxmax() == 4
    assert drop_to_line(percent("120"), start) == percent("20")
    assert sold.idxmax() == (days["factor_ppm"] < 800_000).idxmax() == 6


def test_a_client_who_always_pays_never_sells(tmp_path: Path) -> None:
    """Everybody answers, within one day of grace, and each answer meets the next fall of 0.40.

    Day 4: m = 126%, a call of 8,000. Day 5: 8,000 arrive, A = 248,000, a call of 12,000. So it goes on: each day 12,000
    arrive and the shares lose 12,000. Day 11: the last 12,000 arrive, A = 180,000 + 80,000 = 260,000, m = 130%.
    """
    scenario = sl.read_scenario(FOLDER / "scenario.toml")
    answers = scenario.behaviour.answer_pct.model_copy(update={"retail": 100.0})
    behaviour = scenario.behaviour.model_copy(update={"answer_pct": answers, "grace_days": 1})
    outcome, days, _ = told(run(tmp_path / "run", scenario=scenario.model_copy(update={"behaviour": behaviour})))
    calls = [0, 0, 0, "8,000", *["12,000"] * 6, 0, 0]
    before_answers = [0, 0, 0, yuan("8,000"), *[yuan("20,000"), *[yuan("24,000")] * 5], yuan("12,000"), 0]
    assert days["margin_call_li"].tolist() == before_answers
    assert outcome["margin_call_issued_li"] == sum(yuan(c) for c in calls if c) == yuan("80,000")
    assert outcome["client_paid_li"] == outcome["account_cash_end_li"] == yuan("80,000")
    assert (outcome["margin_call_unanswered_li"], outcome["accounts_forced"], outcome["sold_li"]) == (0, 0, 0)
    assert outcome["loss_with_impact_li"] == 0
    assert outcome["loss_holding_li"] == yuan("20,144")


# --- a gap at a daily limit -----------------------------------------------------------------------


def one_to_five(folder: Path) -> Path:
    """Write the book again with a loan of 1:5 on a board with a limit of 10%, lines 110 and 107%."""
    shutil.copytree(FOLDER, folder)
    edits = {
        "accounts.csv": ("200000,0,130,120", "500000,0,110,107"),
        "positions.csv": ("30000", "60000"),
        "instruments.csv": ("S1,none,", "S1,main,"),
        "funding.csv": ("190000", "490000"),
    }
    for name, (old, new) in edits.items():
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    return folder


def test_two_locked_days_by_hand(tmp_path: Path) -> None:
    """A gap of 19% at a limit of 10%: the price is 9.00 on day 1 and 8.10 on day 2, locked both days.

    Own 100,000, borrowed 500,000, 60,000 shares, m = 120%. Day 1: A = 540,000, m = 108%: a call of 550,000 − 540,000 =
    10,000. Day 2: A = 486,000, m = 97.2%: below the line of 107%, but nobody buys. Day 3: 8.10 again, and now it is no
    limit: 60,000 shares bring 486,000 less 388.80 of cost. 500,000 − 485,611.20 = 14,388.80 are missing: 2.80% of the
    debt, as the table of locked days says, and the cost. The reserve of 5,000 goes first, own capital bears 9,388.80.
    """
    scenario = sl.read_scenario(FOLDER / "scenario.toml")
    gap = scenario.market.crash.model_copy(update={"depth_pct": 19.0, "trough_day": 1, "shape": "gap"})
    market = scenario.market.model_copy(update={"crash": gap})
    scenario = scenario.model_copy(update={"id": "gap-19", "days": 5, "market": market})
    finished = run(tmp_path / "run", one_to_five(tmp_path / "book"), scenario)
    outcome, days, share = told(finished)
    assert share["quoted_sum_li"].tolist() == [9000, 8100, 8100, 8100, 8100]
    assert share["fundamental_sum_li"].tolist() == [8100] * 5
    assert share["locked"].tolist() == days["locked"].tolist() == [1, 1, 0, 0, 0]
    assert share["sold_sum_shares"].tolist() == [0, 0, 60_000, 0, 0]
    missing = [yuan("10,000"), yuan("64,000"), yuan("64,000"), 0, 0]
    assert days["margin_call_li"].tolist() == missing
    assert outcome["margin_call_peak_fundamental_li"] == yuan("64,000")
    deficit = yuan("14,388.80")
    assert days["deficit_li"].tolist() == [0, 0, deficit, deficit, deficit]
    assert outcome["selling_cost_li"] == yuan("388.80")
    table = locked_shortfall(ratio_of_multiple(5), percent("10"), 2)
    assert table == percent("2.80")
    assert outcome["deficit_li"] - outcome["selling_cost_li"] == table * yuan("500,000") == yuan("14,000")
    assert (outcome["absorbed_by_reserve_li"], outcome["absorbed_by_own_capital_li"]) == (yuan("5,000"), yuan("9,388.80"))
    assert days["own_funds_li"].tolist() == [yuan("25,000"), yuan("25,000"), *[yuan("10,611.20")] * 3]
    assert (outcome["accounts_in_deficit"], outcome["loans_end_li"]) == (1, 0)
    # On day 1 the locked price still covers the line of 535,000, on day 2 no more: 486,000 / 535,000.
    assert outcome["margin_coverage_ppm"] == outcome["margin_coverage_fundamental_ppm"] == 908_411
    assert finished.table("accounts")["deficit_sum_li"].tolist() == [deficit]
    assert outcome["loss_holding_li"] == outcome["loss_without_impact_li"] == outcome["loss_with_impact_li"] == deficit


@pytest.mark.parametrize("days", [1, 2, 3, 4])
@pytest.mark.parametrize(("multiple", "limit_pct"), [(3, 10), (5, 10), (10, 10), (5, 20), (10, 5)])
def test_the_table_of_locked_days(multiple: int, limit_pct: int, days: int) -> None:
    """A gap of as many limits as days, then a sale at the last price: what is missing is the table's share of the debt.

    The share costs 100,000 yuan, so that ticks of 0.01 do not round the compounded limits visibly.
    """
    start, limit = ratio_of_multiple(multiple), percent(limit_pct)
    price, shares = 100_000_000, 10 * (1 + multiple)
    debt = price * shares * multiple // (1 + multiple)
    after = int(price * (1 - locked_drop(limit, days)))
    line = 10_100
    share = plain_instrument(price, limit_bp=100 * limit_pct)
    account = plain_account(debt, {0: shares}, warning_bp=line, liquidation_bp=line, restore_bp=line, full_sale=True)
    fundamental = [[price], *[[after // 10 * 10]] * (days + 2)]
    result = run_kernel(plain_world([share], fundamental, [account]))
    locked = [row[0]["locked"] for row in result["instruments"]]
    assert locked == [1] * days + [0, 0]
    found = result["platforms"][0]["deficit_li"] / debt
    assert found == pytest.approx(float(locked_shortfall(start, limit, days)), abs=5e-7)
    if found:
        assert result["instruments"][days][0]["sold_shares"] == shares
