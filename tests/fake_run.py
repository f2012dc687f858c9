"""A small run that looks like a real one but was never simulated: for tests of what is printed.

`fake_run` makes the record, the six tables and the rating of three platforms under eight
scenarios. The numbers are drawn, not computed by the model; they only agree with one another as a
run's numbers must: layers add up to the deficit, sectors and instruments to the forced sales of
platforms, estimates and rating are those of the outcomes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from stresslab.book import demo_book
from stresslab.book.standing import standing
from stresslab.estimate import estimate
from stresslab.glossary import NULL_WHEN_ZERO, OUTPUTS
from stresslab.limits import read_limits
from stresslab.rating import rate, read_scale
from stresslab.report import RunTables
from stresslab.spillover import spillover

LAYERS = ("reserve", "own_capital", "junior", "senior", "claims")
HOSTILE = 'Broker <script>alert("1")</script> & $Sons$ {0} [bold]'

#: id, titles, crash depth, rate shock, redemption, how hard it hits (0 to 1.6)
SCENARIOS: tuple[tuple[str, str, str, float, float, float, float], ...] = (
    ("baseline", "Baseline", "基准", 0, 0, 0, 0.0),
    ("crash-20", "Market falls 20%", "大盘下跌20%", 20, 0, 0, 0.3),
    ("crash-40", "Market falls 40%", "大盘下跌40%", 40, 0, 0, 0.85),
    ("crash-60", "Market falls 60%", "大盘下跌60%", 60, 0, 0, 1.5),
    ("rates-up-200bp", "Rates rise 200 bp", "利率上升200基点", 0, 2, 0, 0.03),
    ("redemption-20", "A fifth redeems", "兑付20%", 0, 0, 20, 0.02),
    ("redemption-30", "Largest 30% redeem", "前三成客户兑付", 0, 0, 30, 0.04),
    ("severe", "Severe, all at once", "极端综合情景", 40, 2, 20, 1.05),
)

#: id, name, own capital, reserve, loans (million yuan), how weak it is
PLATFORMS: tuple[tuple[str, str, float, float, float, float], ...] = (
    ("P1", "稳健证券 Steady Securities", 900, 120, 4200, 0.35),
    ("P2", "通达配资 Tongda Margin", 260, 40, 2600, 0.8),
    ("P3", "飞跃金融 Leap Finance", 60, 8, 1500, 1.4),
)

MILLION_LI = 1_000_000_000

#: sector, its parts of collateral, of forced sales, of displaced sales and of the reaction loss, in percent
SECTORS: tuple[tuple[str, int, int, int, int], ...] = (
    ("bank", 30, 26, 40, 35),
    ("broker", 25, 34, 20, 45),
    ("consumer", 25, 22, 25, 25),
    ("HTTP & <tech>", 20, 18, 15, -5),
)
INSTRUMENTS = ("600001", "600002", "<000003>")


def _scenario(row: tuple[str, str, str, float, float, float, float], days: int) -> dict[str, Any]:
    name, title, title_zh, depth, rates, redemption, _ = row
    trough = max(2, days * 2 // 3)
    crash = {
        "index": "market",
        "definition": "terminal",
        "depth_pct": float(depth),
        "trough_day": trough,
        "shape": "bridge",
        "after": "free",
        "source": "platform rating frameworks: falls of 20, 40 and 60%",
    }
    return {
        "id": name,
        "title": title,
        "title_zh": title_zh,
        "purpose": f"What if: {title.lower()}?",
        "purpose_zh": f"若{title_zh}，平台能否存活？",
        "days": days,
        "market": {
            "model": "gbm",
            "volatility_multiplier": 1.5 if depth else 1.0,
            "crash": crash if depth else None,
        },
        "rates": {"shock_pct": float(rates), "day": 1, "source": "EBA 2018, parallel shock"}
        if rates
        else None,
        "redemption": {
            "share_pct": float(redemption),
            "who": "top_clients",
            "start_day": 2,
            "over_days": 5,
            "source": "supervisory redemption shocks",
        }
        if redemption
        else None,
        "liquidity": {
            "impact": "sqrt",
            "impact_coefficient": 1.0,
            "participation_pct": 25.0,
            "permanent_share_pct": 33.0,
            "half_life_days": 5.0,
            "expected_impact_pct": 2.0,
            "rounds_max": 20,
            "pool_haircut_pct": 5.0,
            "source": "Sato and Kanazawa 2024",
        },
        "behaviour": {
            "grace_days": 1,
            "answer_pct": {"institution": 80.0, "professional": 50.0, "retail": 30.0},
            "mood_pct": 100.0,
            "source": "assumption",
        },
        "operations": {
            "sale": "contract",
            "sale_order": "contract",
            "batches": 1,
            "minimum_sale_yuan": 0.0,
            "displace": True,
            "payment_grace_days": 1,
            "after_failure": "held",
            "source": None,
        },
        "sector_margin": [],
    }


def _platform(row: tuple[str, str, float, float, float, float]) -> dict[str, Any]:
    name, title, capital, reserve, loans, weak = row
    accounts = int(loans / 2)
    shape = np.array([30, 26, 20 - 6 * weak, 12 + 6 * weak, 8 + 10 * weak, 4 + 8 * weak])
    bins = [int(b) for b in shape / shape.sum() * accounts]
    debts = [
        int(b * w * MILLION_LI) for b, w in zip(bins, (0.4, 1.0, 1.9, 2.6, 3.0, 4.2), strict=True)
    ]
    return {
        "platform_id": name,
        "name": title,
        "own_capital_li": int(capital * MILLION_LI),
        "reserve_li": int(reserve * MILLION_LI),
        "cash_li": int(loans * 0.05 * MILLION_LI),
        "liquid_pool_li": int(loans * 0.08 * MILLION_LI),
        "other_assets_li": int(12 * MILLION_LI),
        "segregated_li": int(30 * MILLION_LI),
        "bank_line_li": int(200 * MILLION_LI) if weak < 0.5 else 0,
        "loans_li": int(loans * MILLION_LI),
        "accounts": accounts + 100,
        "accounts_with_debt": accounts,
        "collateral_li": int(loans * (2.2 - 0.5 * weak) * MILLION_LI),
        "claims_li": int(loans * 0.45 * MILLION_LI),
        "free_cash_claims_li": int(40 * MILLION_LI),
        "foreign_claims_li": 0,
        "funding_li": int(loans * 0.5 * MILLION_LI),
        "funding_by_source_li": {
            "bank": int(loans * 0.4 * MILLION_LI),
            "nonbank": int(loans * 0.1 * MILLION_LI),
        },
        "funding_short_li": int(loans * 0.1 * MILLION_LI),
        "top_clients": [[f"G{i:03d}", int((60 - 5 * i) * MILLION_LI)] for i in range(10)],
        "risk_disclosure_score": 70.0 if weak < 1 else None,
        "risk_disclosure_evidence": "annual report, page 12" if weak < 1 else None,
        "leverage": {
            "edges": [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, None],
            "accounts": bins,
            "debt_li": debts,
        },
    }


@cache
def _limits() -> dict[str, Any]:
    """What the limits say of a small demo book, whose platforms have the names of these."""
    return standing(demo_book(120), [10**12, 0, 0], read_limits())


def _record(paths: int, days: int, title: str, seed: int) -> dict[str, Any]:
    return {
        "format": 1,
        "stresslab": "0.1.0",
        "seed": seed,
        "paths": paths,
        "sampling": "plain",
        "book": {
            "title": title,
            "as_of": "2024-06-28",
            "currency": "CNY",
            "synthetic": True,
            "digest": "4f" * 32,
            "accounts": 4450,
            "accounts_with_debt": 4150,
            "positions": 15210,
            "instruments": 120,
        },
        "market": {
            "title": "S&P 500 daily, 1999 to 2018",
            "source": "arch.data.sp500 (calibrated)",
            "digest": "a1" * 32,
            "index": "sp500",
            "model": "gbm",
            "volatility_pct": 19.2,
            "volatility_error_pct": 0.21,
            "drift_pct": 4.1,
        },
        "scenarios": [_scenario(row, days) for row in SCENARIOS],
        "platforms": [_platform(row) for row in PLATFORMS],
        "limits": _limits(),
        "kernels": "0b" * 32,
        "versions": {"python": "3.11.9", "numpy": "2.4.6", "numba": "0.68.0", "pandas": "3.1.1"},
        "inputs": {"accounts.parquet": "c3" * 32, "platforms.csv": "d4" * 32},
        "outputs": {},
        "machine": {"host": "not-for-print", "seconds": 12.5},
    }


def _days(rng: Any, scenario: dict[str, Any], hit: float, paths: int) -> np.ndarray:
    """Levels in ppm, (3 series, paths, days): factor, basket fundamental, basket quoted."""
    days = scenario["days"]
    noise = np.cumsum(rng.normal(0, 0.011, (paths, days)), axis=1)
    crash = scenario["market"]["crash"]
    if crash:
        k = crash["trough_day"]
        t = np.minimum(np.arange(1, days + 1) / k, 1)
        noise = noise - np.where(np.arange(1, days + 1) <= k, t, 1) * noise[:, [k - 1]]
        noise += np.log(1 - crash["depth_pct"] / 100) * t
    factor = np.exp(noise)
    basket = np.exp(1.1 * noise + np.cumsum(rng.normal(0, 0.003, (paths, days)), axis=1))
    fall = np.maximum(0, 1 - basket) * hit
    quoted = basket * (1 - 0.12 * fall) + 0.03 * np.maximum(0, np.roll(basket, 1, axis=1) - basket)
    return np.stack([factor, basket, quoted])


def _absorbed(deficit: np.ndarray, own: tuple[float, float, float]) -> dict[str, np.ndarray]:
    """The waterfall of a deficit (厘)."""
    reserve, capital, loans = (int(x * MILLION_LI) for x in own)
    rooms = dict(
        zip(LAYERS, (reserve, capital, int(0.1 * loans), int(0.4 * loans), 2**60), strict=True)
    )
    left, out = deficit.copy(), {}
    for layer, room in rooms.items():
        out[f"absorbed_by_{layer}_li"] = taken = np.minimum(left, room)
        left = left - taken
    return out


def _outcome(
    rng: Any,
    hit: float,
    redemption: float,
    row: tuple[Any, ...],
    paths: int,
    days: int,
) -> dict[str, np.ndarray]:
    _, _, capital, reserve, loans, weak = row
    force = np.maximum(0, hit * (0.6 + weak) * rng.lognormal(0, 0.25, paths) - 0.15)
    li = loans * MILLION_LI
    call = (li * 0.22 * force).astype(np.int64)
    deficit = (li * 0.16 * np.maximum(0, force - 0.6) ** 1.4).astype(np.int64)
    with_debt = int(loans / 2)
    forced = np.minimum(with_debt, (with_debt * 0.45 * force)).astype(np.int64)
    unpaid = (
        li * 0.05 * np.maximum(0, redemption / 30 * weak * rng.lognormal(0, 0.3, paths) - 0.8)
    ).astype(np.int64)
    own_gone = deficit > int((capital + reserve) * MILLION_LI)
    day = np.clip(rng.normal(days * 0.6, days * 0.12, paths).astype(np.int64), 2, days)
    out = {
        m.name: np.zeros(paths, np.int64)
        for m in OUTPUTS["outcomes"]
        if m.unit != "id" and m.name != "path"
    }
    loss = (deficit * 1.05).astype(np.int64)
    out.update(_absorbed(deficit, (reserve, capital, loans)))
    out.update(
        accounts_with_debt=np.full(paths, with_debt),
        own_funds_before_li=np.full(paths, int((capital + reserve) * MILLION_LI)),
        margin_call_peak_li=call,
        margin_call_peak_day=np.where(call > 0, day, 0),
        margin_call_issued_li=call * 3 // 2,
        margin_call_unanswered_li=call * 3 // 5,
        margin_coverage_ppm=(1_000_000 - np.minimum(300_000, 90_000 * force)).astype(np.int64),
        accounts_called=np.minimum(with_debt, forced * 5 // 4),
        accounts_forced=forced,
        accounts_in_deficit=forced // 4 * (deficit > 0),
        sold_li=(call * 1.7).astype(np.int64),
        displaced_li=(call * 0.1 * rng.uniform(0.5, 1.5, paths)).astype(np.int64),
        deficit_li=deficit,
        deficit_unrealised_li=deficit // 20,
        unpaid_end_li=unpaid,
        first_unpaid_day=np.where(unpaid > 0, np.minimum(day, days), 0),
        own_funds_exhausted_day=np.where(own_gone, day, 0),
        failure_day=np.where(own_gone | (unpaid > 0), day, 0),
        loss_with_impact_li=loss,
        loss_without_impact_li=(loss * 0.72).astype(np.int64),
        loss_holding_li=(loss * 0.55).astype(np.int64),
    )
    return out


def _frame(rows: list[pd.DataFrame], table: str) -> pd.DataFrame:
    frame = pd.concat(rows, ignore_index=True)
    for name in NULL_WHEN_ZERO:
        if name in frame:
            frame[name] = frame[name].astype("Int64").replace(0, pd.NA)
    return frame[[m.name for m in OUTPUTS[table]]]


def _both_tables(
    rng: Any, record: dict[str, Any], paths: int, days: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    outcomes, levels = [], []
    for row, scenario in zip(SCENARIOS, record["scenarios"], strict=True):
        series = _days(rng, scenario, row[6], paths)
        flat = {
            f"{n}_ppm": (s.ravel() * 1e6).astype(np.int64)
            for n, s in zip(("factor", "basket_fundamental", "basket_quoted"), series, strict=True)
        }
        where = {
            "scenario": row[0],
            "path": np.repeat(np.arange(paths), days),
            "day": np.tile(np.arange(1, days + 1), paths),
        }
        zeros = {m.name: 0 for m in OUTPUTS["days"]}
        for platform in PLATFORMS:
            levels.append(pd.DataFrame({**zeros, **where, "platform_id": platform[0], **flat}))
            o = _outcome(rng, row[6], row[5], platform, paths, days)
            outcomes.append(
                pd.DataFrame(
                    {"scenario": row[0], "path": np.arange(paths), "platform_id": platform[0], **o}
                )
            )
    return _frame(outcomes, "outcomes"), _frame(levels, "days")


def _split(whole: np.ndarray, percent: list[int], rng: Any) -> list[np.ndarray]:
    """An amount of each path in parts that wobble about some percents and add up to it exactly."""
    left, parts = whole.copy(), []
    for share in percent[:-1]:
        parts.append((whole * (share / 100) * rng.uniform(0.9, 1.1, len(whole))).astype(np.int64))
        left = left - parts[-1]
    return [*parts, left]


def _spread(rng: Any, record: dict[str, Any], outcomes: pd.DataFrame, days: int) -> dict[str, pd.DataFrame]:
    """The tables of sectors and instruments: the forced sales of all platforms again, cut another way."""
    sectors, instruments = [], []
    for scenario in (s["id"] for s in record["scenarios"]):
        mine = outcomes[outcomes["scenario"] == scenario].groupby("path")
        sold, moved = (mine[c].sum().to_numpy() for c in ("sold_li", "displaced_li"))
        paths = len(sold)
        loss = (sold * 0.15).astype(np.int64)
        cuts = [_split(whole, [s[k] for s in SECTORS], rng) for k, whole in ((2, sold), (3, moved), (4, loss))]
        for (name, weight, *_), *parts in zip(SECTORS, *cuts, strict=True):
            columns = dict(zip(("sold_li", "displaced_li", "impact_loss_li"), parts, strict=True))
            columns |= {"value_li": np.full(paths, weight * 100 * MILLION_LI)}
            sectors.append(pd.DataFrame({"scenario": scenario, "path": np.arange(paths), "sector": name, **columns}))
        shape = np.exp(-np.abs(np.arange(1, days + 1) - days * 0.6) / 4)
        for place, name in enumerate(INSTRUMENTS):
            money = (sold.sum() * shape / shape.sum() * (place + 1) / 6).astype(np.int64)
            shares, price = money // 10_000, np.full(days, 10_000 * paths)
            columns = {
                "paths": paths, "quoted_sum_li": (price * (1 - 0.02 * shape * (sold.sum() > 0))).astype(np.int64),
                "quoted_plain_sum_li": price, "fundamental_sum_li": price, "sold_sum_shares": shares, "sold_sum_li": money,
                "displaced_sum_shares": (shares * (moved.sum() / max(1, sold.sum()) * 2 * shape)).astype(np.int64),
                "locked": np.minimum(paths, (paths * shape).astype(np.int64)),
            }
            instruments.append(pd.DataFrame(
                {"scenario": scenario, "instrument_id": name, "day": np.arange(1, days + 1), **columns}))
    return {"sectors": _frame(sectors, "sectors"), "instruments": _frame(instruments, "instruments")}


def fake_run(
    paths: int = 20, days: int = 15, *, title: str = "Demo book 示例账簿", seed: int = 7
) -> RunTables:
    """A run that was never run; the same arguments give the same tables."""
    rng = np.random.default_rng(seed)  # noqa: TID251 a fake needs no counters
    record = _record(paths, days, title, seed)
    outcomes, levels = _both_tables(rng, record, paths, days)
    accounts = {m.name: pd.Series(dtype=m.arrow.to_pandas_dtype()) for m in OUTPUTS["accounts"]}
    return RunTables(
        record=record,
        outcomes=outcomes,
        days=levels,
        estimates=estimate(outcomes, levels),
        rating=rate(record, outcomes, read_scale()),
        spillover=spillover(record, outcomes),
        accounts=pd.DataFrame(accounts),
        **_spread(rng, record, outcomes, days),
    )
