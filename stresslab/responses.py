"""What a scenario's shut desks and responses say, as the records that the kernels read (M-145 to M-153)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stresslab.kernels import layout
from stresslab.kernels import responses as kernel
from stresslab.market.volatility import DAYS_OF_YEAR
from stresslab.scenario import Response, Scenario

_READINGS = {
    "market_fall_pct": kernel.MARKET_FALL, "volatility_pct": kernel.VOLATILITY, "margin_coverage_pct": kernel.MARGIN_COVERAGE,
    "liquid_share_pct": kernel.LIQUID_SHARE, "own_funds_lost_pct": kernel.OWN_FUNDS_LOST, "unpaid_yuan": kernel.UNPAID,
    "day": kernel.ON_DAY, "maintenance_ratio_pct": kernel.MAINTENANCE,
}
_ACTIONS = {
    "raise_lines": kernel.RAISE_LINES, "cap_leverage": kernel.CAP_LEVERAGE, "sell_in_batches": kernel.SELL_IN_BATCHES,
    "pause_sales": kernel.PAUSE_SALES, "draw_line": kernel.DRAW_LINE, "hedge_futures": kernel.HEDGE_LINEAR,
    "hedge_etf": kernel.HEDGE_LINEAR, "hedge_put": kernel.HEDGE_PUT,
}


def plan_of(scenario: Scenario, platform_ids: Sequence[str]) -> layout.Plan:
    """The plan of a scenario; platforms that its responses name must be among those given."""
    house, days = scenario.operations, scenario.days + 1
    if not (house.days_without_calls or house.days_without_sales or scenario.response):
        return layout.Plan()
    shut = [np.zeros(days, np.uint8) for _ in range(2)]
    for table, closed in zip(shut, (house.days_without_calls, house.days_without_sales), strict=True):
        table[list(closed)] = 1
    named = [(one, place) for one in scenario.response for place in _places(one, platform_ids)]
    rule = layout.records(layout.RULE, len(named))
    for k, (one, place) in enumerate(named):
        _write(rule[k], one, place)
    return layout.Plan(True, shut[0], shut[1], _bp(house.compensation_pct), rule, kernel.MAINTENANCE in rule["when"])


def _places(response: Response, platform_ids: Sequence[str]) -> list[int]:
    return [list(platform_ids).index(name) for name in response.platforms] if response.platforms else [kernel.EVERY]


def _write(rule: layout.Record, said: Response, place: int) -> None:
    scale = {"day": 1, "unpaid_yuan": 1000}.get(said.when, 100)
    limit = said.at_least if said.at_least is not None else said.below
    rule["when"], rule["act"], rule["platform"] = _READINGS[said.when], _ACTIONS[said.do], place
    rule["value"] = round((limit or 0.0) * scale)
    rule["over_days"] = said.over_days or 1
    rule["for_days"] = said.for_days or 0
    rule["amount"] = {
        "raise_lines": _bp(said.by_pct), "cap_leverage": round((said.leverage or 0.0) * 10_000), "sell_in_batches": said.batches or 0,
        "pause_sales": said.for_days or 0, "draw_line": _bp(100.0 if said.share_pct is None else said.share_pct),
    }.get(said.do, _bp(said.share_pct))
    rule["target_ppm"] = _bp(said.target_volatility_pct) * 100
    rule["margin_bp"], rule["basis_bp"] = _bp(said.margin_pct), _bp(said.basis_pct)
    rule["fee_bp"], rule["carry_bp"], rule["strike_bp"] = _bp(said.fee_pct), _bp(said.carry_pct), _bp(said.strike_pct)
    if said.do == "hedge_put":
        rule["price_ppb"] = put_ppb(
            (said.strike_pct or 0.0) / 100, (said.implied_volatility_pct or 0.0) / 100, (said.rate_pct or 0.0) / 100,
            (said.for_days or 0) / DAYS_OF_YEAR)


def _bp(percent: float | None) -> int:
    return round((percent or 0.0) * 100)


def put_ppb(strike: float, volatility: float, rate: float, years: float) -> int:
    """The price of a European put as parts per billion of the index, which stands at 1 and pays nothing out; rounded half up (M-153).

    ``strike`` is in parts of the index, volatility and rate are a year. Source: Black and Scholes 1973.
    """
    return math.floor(put(strike, volatility, rate, years) * 1e9 + 0.5)


def put(strike: float, volatility: float, rate: float, years: float) -> float:
    """The price of a European put on an index of 1 (M-153)."""
    spread = volatility * math.sqrt(years)
    discounted = strike * math.exp(-rate * years)
    if spread == 0.0:
        return max(0.0, discounted - 1.0)
    d1 = math.log(1.0 / discounted) / spread + spread / 2
    return discounted * _below(spread - d1) - _below(-d1)


def _below(x: float) -> float:
    """The standard normal distribution function."""
    return math.erfc(-x / math.sqrt(2.0)) / 2
