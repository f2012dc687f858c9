"""Rates of exchange: funding in a currency that rises costs more yuan, on paper and in a run (M-240)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plain
import pytest
from kernel_worlds import run_kernel
from worlds import plain_account, plain_instrument, plain_world

import stresslab as sl
from stresslab.faults import InputError
from stresslab.scenario import Exchange, Scenario, read_scenario

PAID = {"reset_days": 0, "seniority": 1}


def world(rate_bp: int = 0, days: int = 7, **platform: Any) -> dict[str, Any]:
    """A platform that lends 100 yuan and holds 50 in cash, of 120 yuan of funding in dollars, 10 in yuan and 20 of its own."""
    layers = [{**PAID, "amount": 120_000, "rate_bp": rate_bp}, {**PAID, "amount": 10_000, "rate_bp": 0}]
    lender = {"cash": 50_000, "own_capital": 20_000, "funding": layers, **platform}
    return plain_world([plain_instrument(10_000)], [[10_000]] * (days + 1), [plain_account(100_000, {0: 20})], platform=lender)


def both(made: dict[str, Any]) -> dict[str, Any]:
    """What the kernel tells, which is what the twin tells."""
    told, again = run_kernel(made), plain.run_path(made)
    for part in ("platforms", "days", "accounts"):
        assert told[part] == again[part]
    return told


def test_ten_percent_of_what_is_owed_in_dollars_is_lost_by_hand() -> None:
    """120 yuan become 132 on day 3, the 10 in yuan stay; then 132 become 138.6, and a tenth of a tenth of a fen is rounded up."""
    made = world()
    made["exchange"] = [{"day": 3, "platform": 0, "layer": 0, "rise_bp": 1_000}]
    told = both(made)
    assert [d[0]["own_funds_li"] for d in told["days"]] == [20_000, 20_000, 8_000, 8_000, 8_000, 8_000, 8_000]
    end = told["platforms"][0]
    assert (end["exchange_loss_li"], end["senior_end_li"], end["own_capital_end_li"]) == (12_000, 142_000, 8_000)
    made["exchange"].append({"day": 4, "platform": 0, "layer": 0, "rise_bp": 501})
    end = both(made)["platforms"][0]  # 132,000 × 5.01% = 6,613.2, up
    assert (end["exchange_loss_li"], end["senior_end_li"], end["failure_day"]) == (18_614, 148_614, 0)
    made["exchange"].append({"day": 5, "platform": 0, "layer": 0, "rise_bp": 100})
    assert both(made)["platforms"][0]["failure_day"] == 5  # 1,387 are left and 1,487 lost


def test_interest_is_charged_on_the_dearer_amount() -> None:
    """3.65% of 120 yuan is 12 厘 a night; day 3 is calendar day 4, so there are 2 nights before it rises, and then 13.2 厘 a night."""
    made = world(rate_bp=365)
    made["exchange"] = [{"day": 2, "platform": 0, "layer": 0, "rise_bp": 1_000}]
    told = both(made)
    nights = [plain.calendar_day(t) - plain.calendar_day(t - 1) for t in range(1, 8)]
    before = 120_000 * 365 * nights[0] // 3_650_000
    dearer = -(-(120_000 + before) * 1_000 // 10_000)
    assert told["platforms"][0]["exchange_loss_li"] == dearer
    first, second = (told["days"][t][0]["own_funds_li"] for t in (0, 1))
    assert first - second - dearer == (120_000 + before + dearer) * 365 * nights[1] // 3_650_000


def recalled(moves: list[tuple[int, int]]) -> dict[str, Any]:
    """The dollar layer takes back 30 of its 120 yuan on day 3, to be paid three calendar days later, on day 5."""
    node = {"above": -1, "layer": 0, "notice": 3, "foreign": True, "clauses": [{"own": 30_000, "triggers": [("market_fall", 2_000)]}]}
    made = world(holders=[], segregated=0, gate=None, nodes=[node])
    made["factor_bp"] = [10_000, 8_001, *[8_000] * 6]
    made["withdrawals"] = {"random_bp": 0, "start": 1, "over": 1, "grade": 0, "wave": None, "foreign": None}
    made["exchange"] = [{"day": day, "platform": 0, "layer": 0, "rise_bp": rise} for day, rise in moves]
    return made


@pytest.mark.parametrize(("day", "due", "left", "lost"), [(2, 33_000, 99_000, 12_000), (3, 33_000, 99_000, 12_000),
                                                          (4, 33_000, 99_000, 12_000), (5, 33_000, 99_000, 12_000),
                                                          (6, 30_000, 99_000, 9_000)])
def test_what_is_recalled_costs_what_the_currency_costs_when_it_is_paid(day: int, due: int, left: int, lost: int) -> None:
    """Before the clause, on its day, while its notice runs and on the day of payment; once 30 are paid, 90 become 99."""
    end = both(recalled([(day, 1_000)]))["platforms"][0]
    assert (end["funding_recalled_li"], end["funding_due_li"], end["funding_returned_li"]) == (due, due, due)
    assert (end["senior_end_li"], end["exchange_loss_li"], end["foreign_asked_li"]) == (left + 10_000, lost, 30_000)


def test_what_is_due_and_not_returned_grows_too() -> None:
    """Cash of 10 pays a third of the 30 that are due on day 5; of the rest a loan is called: 20 are 22 on day 6, and 2 wait for day 7."""
    made = recalled([(6, 1_000)])
    made["platforms"][0].update(cash=10_000, other=40_000)
    made["terms"]["payment_grace_days"] = 60
    told = both(made)
    assert [d[0]["funding_due_li"] for d in told["days"]] == [0, 0, 0, 0, 30_000, 32_000, 32_000]
    end = told["platforms"][0]
    assert (end["funding_recalled_li"], end["funding_returned_li"]) == (32_000, 32_000)
    # 110 of 120 became 121, of which 22 went back; 10 are owed in yuan.
    assert (end["exchange_loss_li"], end["senior_end_li"]) == (11_000, 109_000)


# --- scenario and book ----------------------------------------------------------------------------


def scenario(**changes: Any) -> Scenario:
    one = {"currency": "USD", "rises_pct": 10, "day": 5, "source": "a test"} | changes
    return read_scenario("baseline").model_copy(update={"id": "up", "exchange": (Exchange.model_validate(one),), "days": 12})


@pytest.mark.parametrize(("changes", "said"), [
    ({"rises_pct": -5}, "what a currency that falls would bring is not simulated"), ({"rises_pct": 0}, "must be above 0"),
    ({"currency": "CNY"}, "must not be CNY"), ({"currency": "usd"}, "three capital letters"), ({"rises_pct": 0.001}, "0.01%"),
])
def test_a_rate_that_cannot_be_simulated_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "scenarios" / "dollar-up-10.toml").read_text(encoding="utf-8")
    for name, value in changes.items():
        old = {"currency": '"USD"', "rises_pct": "rises_pct = 10"}[name]
        text = text.replace(old, f'"{value}"' if name == "currency" else f"rises_pct = {value}")
    file = tmp_path / "x.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_scenario(file)


def test_a_day_after_the_run_and_a_currency_that_nobody_lends_are_refused(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "scenarios" / "dollar-up-10.toml").read_text(encoding="utf-8")
    late = tmp_path / "late.toml"
    late.write_text(text.replace("day = 5", "day = 61"), encoding="utf-8")
    with pytest.raises(InputError, match="lies after the last day of the run"):
        read_scenario(late)
    book = sl.demo_book(accounts=60)
    with pytest.raises(InputError, match=r"EUR.*USD|USD.*EUR"):
        sl.run(book, [scenario(currency="EUR")], paths=1, seed=1, out=tmp_path / "run")


def test_the_demo_loses_a_tenth_of_its_dollar_layer_and_the_report_says_so(tmp_path: Path) -> None:
    book = sl.demo_book(accounts=60)
    layers = book.tables["funding"]
    layer = layers[(layers["currency"] == "USD") & layers["parent_id"].isna()]
    assert len(layer) == 1
    made = sl.run(book, ["baseline", "dollar-up-10"], paths=3, seed=1, out=tmp_path / "run")
    lost = made.outcomes.set_index(["scenario", "platform_id", "path"])["exchange_loss_li"]
    owner, amount = str(layer["platform_id"].iloc[0]), int(layer["amount_li"].iloc[0])
    assert (lost["baseline"] == 0).all()
    for (platform, _), li in lost["dollar-up-10"].items():
        if platform == owner:
            assert 0 <= li - amount // 10 <= amount // 10 * 0.01  # and a tenth of five days' interest
        else:
            assert li == 0
    report = (made.folder / "report.html").read_text(encoding="utf-8")
    assert "Exchange loss on funding" in report
    assert "外币资金汇兑损失" in report
