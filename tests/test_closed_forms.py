"""The whole way from a book to a loss against closed forms: a loan that cannot be sold is short a put.

Paths come from a fixed seed; a sample must lie within three of its standard errors of the law.
"""

from __future__ import annotations

import datetime
import math

import numba
import numpy as np
import pandas as pd
import pytest
from kernel_worlds import run_kernel
from numpy.typing import NDArray
from scipy.special import ndtr
from worlds import plain_account, plain_instrument, plain_world

from stresslab.book import Book
from stresslab.engine import run_block
from stresslab.kernels import cascade, kernel, layout, noise, returns
from stresslab.market import Market
from stresslab.market.files import MarketFactor
from stresslab.resolve import Resolved, resolve
from stresslab.scenario import Answers, read_scenario

I64, F64 = NDArray[np.int64], NDArray[np.float64]

#: One share is so dear that its tick of 0.01 yuan is nothing.
PRICE_LI, SHARES = 200_000_000, 10
COST_BP = 8  # stamp duty of 0.05% and commission of 0.03%

#: A / D in percent, volatility a year in percent, days, paths; probability of a loss, mean loss per 100 debt.
CASES = [
    (110, 40, 1, 4_000_000, 8.165429904e-05, 4.845328840e-05),
    (110, 40, 2, 2_000_000, 0.003944102304, 0.004302957429),
    (110, 60, 2, 1_000_000, 0.039513132111, 0.083477981998),
    (107, 40, 2, 1_000_000, 0.029996251795, 0.040883775844),
    (120, 40, 10, 1_000_000, 0.012279284526, 0.033069471954),
]


@kernel
def loop(
    loss: I64, fundamental: I64, levels: returns.Levels, room: noise.Noise, by_platform: I64, facts: layout.Facts, state: layout.State,
    market: returns.MarketTerms, seed: int,
) -> None:
    for path in range(loss.size):
        noise.draw_noise(room, market.wanted, seed, path)
        returns.fundamental_prices(fundamental, levels, market, room, seed, path)
        cascade.hold(fundamental, facts, state, by_platform)
        loss[path] = by_platform[0]


def losses(r: Resolved, paths: int) -> I64:
    """Return the loss when holding on each path."""
    days = r.facts.terms.calendar.size
    loss, fundamental = np.zeros(paths, np.int64), np.zeros((days, 1), np.int64)
    state = layout.new_state(r.facts)
    levels, room = returns.new_levels(r.market), noise.new_noise(days - 1, r.market.sector_sd.size, 1)
    loop(loss, fundamental, levels, room, np.zeros(1, np.int64), r.facts, state, r.market, 1)
    return loss


def debt_at(ratio_pct: int) -> int:
    """Return the debt in 厘 of which the collateral, net of selling costs, is so many percent."""
    return round(PRICE_LI * SHARES * (10_000 - COST_BP) // 10_000 * 100 / ratio_pct)


def book(debt: int) -> Book:
    """Return a book of one loan at no interest against shares that may not be sold."""
    tables = {
        "accounts": pd.DataFrame([{
            "account_id": "A1", "platform_id": "P1", "investor_type": "retail", "cash_li": 0, "debt_li": debt,
            "loan_rate_bp": 0, "warning_line_bp": 10_500, "liquidation_line_bp": 10_500,
        }]),
        "positions": pd.DataFrame([{"account_id": "A1", "instrument_id": "S1", "shares": SHARES, "sellable_shares": 0}]),
        "instruments": pd.DataFrame([{
            "instrument_id": "S1", "board": "none", "sector": "all", "price_li": PRICE_LI, "adv_shares": 1000,
            "volatility_pct": 0.0, "beta": 1.0,
        }]),
        "platforms": pd.DataFrame([{
            "platform_id": "P1", "own_capital_li": debt, "reserve_li": 0, "cash_li": 0, "liquid_pool_li": 0,
        }]),
        "claims": pd.DataFrame({"client_id": [], "platform_id": [], "kind": [], "amount_li": [], "notice_days": []}),
        "funding": pd.DataFrame({
            "funding_id": [], "platform_id": [], "source": [], "amount_li": [], "rate_bp": [], "rate_type": [],
            "reset_days": [], "maturity_days": [], "seniority": [],
        }),
    }
    return Book("one loan", datetime.date(2026, 6, 30), "CNY", True, tables)


def resolved(ratio_pct: int, volatility_pct: int, days: int) -> Resolved:
    """Return the loan in a market without drift: the mean price stays, so its logarithm drifts by −σ² / 2."""
    loan = book(debt_at(ratio_pct))
    loan.tables["instruments"]["volatility_pct"] = float(volatility_pct)
    drift = -(volatility_pct**2) / 200
    factor = MarketFactor(index="x", model="gbm", volatility_pct=volatility_pct, drift_pct=drift, source="a test")
    market = Market(title="no drift", source="a test", market=factor)
    scenario = read_scenario("baseline")
    nobody = Answers(retail=0, professional=0, institution=0)
    behaviour = scenario.behaviour.model_copy(update={"answer_pct": nobody})
    return resolve(loan, market, scenario.model_copy(update={"days": days, "behaviour": behaviour}))


def put(ratio: float, sigma: float, years: float) -> tuple[float, float]:
    """Return the probability that A < D and E[(D − A)⁺] / D, A lognormal with mean ``ratio`` × D."""
    root = sigma * math.sqrt(years)
    d1 = math.log(ratio) / root + root / 2
    return float(ndtr(root - d1)), float(ndtr(root - d1) - ratio * ndtr(-d1))


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes hours as plain Python, without the JIT")
@pytest.mark.parametrize(("ratio_pct", "volatility_pct", "days", "paths", "probability", "mean"), CASES)
def test_a_loan_that_cannot_be_sold_is_short_a_put(
    ratio_pct: int, volatility_pct: int, days: int, paths: int, probability: float, mean: float
) -> None:
    """E[(D − A)⁺] = D Φ(−d₂) − A Φ(−d₁), and Φ(−d₂) is the probability of a loss."""
    law = put(ratio_pct / 100, volatility_pct / 100, days / 252)
    assert (law[0], 100 * law[1]) == pytest.approx((probability, mean), rel=1e-9)

    r = resolved(ratio_pct, volatility_pct, days)
    loss = losses(r, paths)
    hit = (loss > 0).mean()
    assert abs(hit - probability) < 3 * math.sqrt(probability * (1 - probability) / paths)
    share = 100 * loss / debt_at(ratio_pct)
    assert abs(share.mean() - mean) < 3 * share.std(ddof=1) / math.sqrt(paths)


def test_the_engine_says_the_same_of_each_path() -> None:
    """Held, or called and forced in vain, for nobody answers: the losses of the engine's columns are those of the loop above."""
    r = resolved(107, 40, 2)
    loss = losses(r, 400)
    assert 0 < (loss > 0).sum() < 400
    found = run_block(r, 1, 0, 400).outcomes
    for column in ("loss_holding_li", "loss_without_impact_li", "loss_with_impact_li", "deficit_unrealised_li"):
        assert found[column][:, 0].tolist() == loss.tolist(), column
    assert not found["sold_li"].any()


def test_a_mean_field_of_accounts() -> None:
    """1,000 equal accounts break at falls of (i + ½) / 1,000 of 40%; selling all of them costs another 8%.

    A shock of 10% must then end at x = s + k x / x_max = 10% / (1 − 8 / 40) = 12.5%, which with whole accounts is
    12.496%: 312 of them have sold.
    """
    accounts, shock, impact, widest = 1000, 0.10, 0.08, 0.40
    price, shares, line = 100_000_000, 100, 11_000
    # All sell in full, at the latest round's price, and the fall counts from the price after the shock.
    share = plain_instrument(price, tick=1, sigma_day=impact / (1 - shock), adv_shares=accounts * shares)
    loans = []
    for i in range(accounts):
        breaks = price * shares * (1 - (i + 0.5) / accounts * widest)
        loans.append(plain_account(
            int(breaks * 10_000 / line), {0: shares}, warning_bp=line, liquidation_bp=line, restore_bp=line, full_sale=True
        ))
    after = round(price * (1 - shock))
    world = plain_world([share], [[price], [after]], loans, impact="linear", impact_coefficient=1.0, rounds_max=100)
    result = run_kernel(world)
    assert result["platforms"][0]["accounts_forced"] == 312
    # Each round is paid at the mean of falls of 10, 12, 12.4, 12.48 and 12.496%: 250 accounts, then 50, 10 and 2 more.
    sold = shares * (250 * 89_000_000 + 50 * 87_800_000 + 10 * 87_560_000 + 2 * 87_512_000)
    assert result["instruments"][0][0] == {
        "quoted": round(price * (1 - 0.12496)), "locked": 0, "sold_shares": 31_200, "displaced_shares": 0, "sold_li": sold,
    }
    assert result["path"]["rounds_limit_days"] == 0
    assert result["path"]["rounds_most"] == 4
