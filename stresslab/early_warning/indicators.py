"""Indicators as data: what each reads, what was known of it that evening, and what happens where it is missing (M-161 to M-163)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stresslab.early_warning.garch import garch_volatility
from stresslab.early_warning.known import Column, Known, extra_columns
from stresslab.early_warning.regime import wild_probability
from stresslab.early_warning.sentiment import sentiment_index
from stresslab.history.said import Said
from stresslab.market.volatility import YEAR_PCT

if TYPE_CHECKING:
    from pandas.core.window.rolling import Rolling

Series = pd.Series
#: A share of a limit down counts over so many days.
WEEK, MONTH, YEAR, TWO_YEARS = 5, 20, 250, 500
#: A robust z needs so many earlier days; the least spread is this share of the median size of a flow.
ANOMALY_DAYS, NORMAL_MAD, SPREAD_SHARE = 60, 0.6745, 0.05
#: Instruments that a table of prices must have for breadth and concentration.
CROWD = 30
LIMIT = 0.0975

_GONE = Said(
    "missing where the column is empty for more than a week, or not there at all; models fill it with the median of their training days",
    "数据缺失超过一周或无此列时记为缺失；模型以训练期中位数填补",
)
_WINDOW = Said("missing in the first days, until its window is full", "窗口未满时缺失")


@dataclass(frozen=True)
class Indicator:
    """An indicator: names, what it is made of, the direction of danger (+1: high, −1: low, 0: learned in each fold), its daily values.

    ``values`` on a day hold nothing that was not known at that day's close; ``said_on`` is the date of the row behind it.
    """

    name: str
    en: str
    zh: str
    formula: str
    data: str
    lag: str
    danger: int
    missing: Said
    values: Series[float]
    said_on: Series[pd.Timestamp]
    #: The column itself where the indicator is one column.
    raw: Series[float] | None = None

    @property
    def is_candidate(self) -> bool:
        """Whether it is a column that the history happens to have, and no named indicator."""
        return self.name.startswith("candidate:")


@dataclass(frozen=True)
class Spec:
    """How an indicator is made of the evenings."""

    name: str
    en: str
    zh: str
    formula: str
    danger: int
    #: Table and patterns of the column's name; None for the close alone.
    reads: tuple[str, tuple[str, ...]] | None
    make: Callable[[Known, Series[float]], Series[float] | None]


def _log(x: Series[float]) -> Series[float]:
    # What is not positive has no logarithm, and is missing.
    made: Series[float] = x.where(x > 0).map(math.log, na_action="ignore")
    return made


def _returns(close: Series[float]) -> Series[float]:
    return _log(close).diff()


def _rolling(x: Series[float], days: int) -> Rolling[Series[float]]:
    # A window with a few holes still tells something; one with many does not.
    return x.rolling(days, min_periods=max(2, round(0.8 * days)))


def _volatility(days: int) -> Callable[[Known, Series[float]], Series[float]]:
    return lambda known, close: _rolling(_returns(close) ** 2, days).mean().pow(0.5) * YEAR_PCT


def _to_mean(x: Series[float], days: int) -> Series[float]:
    mean = _rolling(x, days).mean()
    return _log(x / mean.where(mean > 0))


def _log_change(days: int) -> Callable[[Known, Series[float]], Series[float]]:
    return lambda known, x: 100.0 * _log(x).diff(days)


def robust_z(flow: Series[float], days: int = YEAR) -> Series[float]:
    """0.6745 (x − median) / MAD of each value against the ``days`` before it (M-162); missing before 60 earlier values.

    The median absolute deviation is at least 5% of the median size, so that a flat series has no infinite outliers.
    """
    x = flow.to_numpy(float)
    out = np.full(x.size, np.nan)
    for t in range(x.size):
        before = x[max(0, t - days) : t]
        before = before[np.isfinite(before)]
        if before.size < ANOMALY_DAYS or not np.isfinite(x[t]):
            continue
        middle = float(np.median(before))
        spread = max(float(np.median(np.abs(before - middle))), SPREAD_SHARE * float(np.median(np.abs(before))))
        out[t] = NORMAL_MAD * (x[t] - middle) / spread if spread > 0 else 0.0
    return pd.Series(out, flow.index)


def _net_flow(known: Known) -> Series[float] | None:
    """Money in less money out of a day: a column of net flows, else purchases less redemptions."""
    net = known.find("flows", r"net.*flow|net_purchase|^net|净流入|净申购")
    if net is not None:
        return net.values
    money_in, money_out = (
        known.find("flows", r"purchase|inflow|subscri|申购"),
        known.find("flows", r"redeem|redempt|outflow|赎回"),
    )
    if money_in is not None and money_out is not None:
        return money_in.values - money_out.values
    total = known.find("flows", r"^total_musd$|^total$|total", r"flow")
    return None if total is None else total.values


def _flow_share(known: Known, _: Series[float]) -> Series[float] | None:
    net = _net_flow(known)
    if net is None:
        return None
    made: Series[float] = _rolling(net, MONTH).sum() / _rolling(net.abs(), YEAR).mean()
    return made


def _flow_anomaly(known: Known, _: Series[float]) -> Series[float] | None:
    net = _net_flow(known)
    return None if net is None else robust_z(net)


def _turnover(known: Known, _: Series[float]) -> Series[float] | None:
    traded = known.find("index", r"^amount|成交额", r"^volume|成交量|amount")
    if traded is None or not traded.values.notna().any():
        traded = known.find("index", r"^volume|成交量")
    if traded is None:
        return None
    x = traded.values.where(traded.values > 0)
    return _log(_rolling(x, WEEK).mean() / _rolling(x, YEAR).mean())


def _share_of(kind: str, above: str, below: str, days: int) -> Callable[[Known, Series[float]], Series[float] | None]:
    def made(known: Known, _: Series[float]) -> Series[float] | None:
        top, bottom = known.find(kind, above), known.find(kind, below)
        if top is None:
            return _from_prices(known, "down" if "down" in above else "halted", days)
        size = bottom.values if bottom is not None else top.values.expanding().max().where(top.values.notna())
        share: Series[float] = 100.0 * _rolling(top.values / size.where(size > 0), days).mean()
        return share

    return made


def _from_prices(known: Known, what: str, days: int) -> Series[float] | None:
    """Breadth from a table of prices, where it has enough instruments."""
    rows = known.prices
    if not len(rows):
        return None
    wide = rows[rows["traded"]].pivot(index="date", columns="instrument_id", values="close").reindex(known.days)
    if what == "halted":
        # Alive is who has traded: the end of a share is not known in advance, so it counts as halted for a month at most.
        lately = wide.notna().rolling(MONTH, min_periods=1).max() > 0
        counted = lately.sum(axis=1)
        share = (lately & wide.isna()).sum(axis=1) / counted.where(counted >= CROWD)
    else:
        moves = wide / wide.shift() - 1.0
        counted = moves.notna().sum(axis=1)
        share = (moves <= -LIMIT).sum(axis=1) / counted.where(counted >= CROWD)
    made: Series[float] = 100.0 * _rolling(share, days).mean()
    return made


def _concentration(known: Known, _: Series[float]) -> Series[float] | None:
    """Effective number of instruments in which money is traded, as a share: 1 / (n × HHI of traded amounts) (M-119)."""
    rows = known.prices[known.prices["traded"]] if len(known.prices) else known.prices
    if not len(rows) or not {"amount", "volume_shares"} & set(rows):
        return None
    amount = rows["amount"] if "amount" in rows else rows["volume_shares"] * rows["close"]
    by_day = (
        pd.DataFrame({"date": rows["date"], "a": amount, "b": amount**2})
        .groupby("date")
        .agg(a=("a", "sum"), b=("b", "sum"), n=("a", "count"))
    )
    hhi = (by_day["b"] / by_day["a"] ** 2).where((by_day["a"] > 0) & (by_day["n"] >= CROWD))
    made: Series[float] = _rolling((1.0 / (hhi * by_day["n"])).reindex(known.days), WEEK).mean()
    return made


BALANCE = (
    "margin_balance",
    (r"fin_balance_(?!pct)", r"^融资余额", r"debit_balance", r"margin_debt", r"margin_total", r"balance(?!.*pct)"),
)
SHARE = ("margin_balance", (r"pct_float|share_of_float|占流通市值",))
RATIO = ("margin_balance", (r"guarantee_ratio|maintenance_ratio|维持担保比例",))
IMPLIED = ("implied_volatility", (r"^close$", r"vix|implied|iv|波动率", r"."))
RATE = (
    "rates",
    (
        r"shibor_on|_on_pct|overnight|隔夜",
        r"fed_?funds|dff",
        r"dgs2|2y",
        r"dgs3mo|3m|m3",
        r"dgs10|10y",
        r"pct|rate|yield|利率",
    ),
)
SPREAD = ("rates", (r"spread|oas|利差",))

SPECS: tuple[Spec, ...] = (
    Spec("volatility_20", "volatility of 20 days", "20日已实现波动率", "√(mean r²) √252, %", 1, None, _volatility(20)),
    Spec("volatility_60", "volatility of 60 days", "60日已实现波动率", "√(mean r²) √252, %", 1, None, _volatility(60)),
    Spec(
        "garch_volatility",
        "GARCH volatility of tomorrow",
        "GARCH次日波动率",
        "GJR-GARCH, refitted every 63 days on all days before, %",
        1,
        None,
        lambda known, close: garch_volatility(close),
    ),
    Spec(
        "drawdown_250",
        "fall from the high of 250 days",
        "较250日高点回撤",
        "1 − close / max, %",
        1,
        None,
        lambda known, close: 100.0 * (1.0 - close / close.rolling(YEAR, min_periods=MONTH).max()),
    ),
    Spec(
        "momentum_20", "rise over 20 days", "20日动量", "ln(close / close 20 days before), %", 0, None, _log_change(20)
    ),
    Spec(
        "momentum_250",
        "rise over 250 days",
        "250日动量",
        "ln(close / close 250 days before), %",
        1,
        None,
        _log_change(YEAR),
    ),
    Spec(
        "turnover",
        "turnover of a week against its year",
        "周成交额相对全年",
        "ln(mean of 5 days / mean of 250 days)",
        1,
        None,
        _turnover,
    ),
    Spec(
        "implied_volatility",
        "implied volatility",
        "隐含波动率",
        "the index as published",
        1,
        IMPLIED,
        lambda known, x: x,
    ),
    Spec(
        "financing_level",
        "financing balance against its year",
        "融资余额相对全年均值",
        "ln(balance / mean of 250 days)",
        1,
        BALANCE,
        lambda known, x: _to_mean(x, YEAR),
    ),
    Spec(
        "financing_change_20",
        "change of the financing balance in 20 days",
        "融资余额20日变化",
        "ln(balance / balance 20 days before), %",
        1,
        BALANCE,
        _log_change(20),
    ),
    Spec(
        "financing_change_1",
        "change of the financing balance in a day",
        "融资余额日变化",
        "ln(balance / balance a day before), %",
        -1,
        BALANCE,
        _log_change(1),
    ),
    Spec(
        "financing_anomaly",
        "unusual flow of financing",
        "融资资金异动",
        "robust z of the balance's daily change against 250 days before",
        -1,
        BALANCE,
        lambda known, x: robust_z(_log(x).diff()),
    ),
    Spec(
        "financing_share",
        "financing balance as share of the float",
        "融资余额占流通市值",
        "as published, %",
        1,
        SHARE,
        lambda known, x: x,
    ),
    Spec(
        "maintenance_ratio",
        "average maintenance ratio",
        "平均维持担保比例",
        "as published, %",
        -1,
        RATIO,
        lambda known, x: x,
    ),
    Spec(
        "limit_downs",
        "shares at the lower limit",
        "跌停家数占比",
        "limit-downs / traded, mean of 5 days, %",
        1,
        None,
        _share_of("breadth", r"limit_down|跌停", r"n_traded|traded|成交家数", WEEK),
    ),
    Spec(
        "halts",
        "shares halted",
        "停牌家数占比",
        "halted / listed, mean of 5 days, %",
        1,
        None,
        _share_of("breadth", r"halted|停牌", r"n_listed|listed|上市家数", WEEK),
    ),
    Spec(
        "concentration",
        "evenness of turnover over shares",
        "成交分散度",
        "1 / (n HHI) of traded amounts, mean of 5 days",
        -1,
        None,
        _concentration,
    ),
    Spec(
        "net_flow", "net flow of 20 days", "20日净流入", "sum of 20 days / mean size of 250 days", 0, None, _flow_share
    ),
    Spec(
        "flow_anomaly",
        "unusual flow",
        "资金流异动",
        "robust z of the net flow against 250 days before",
        -1,
        None,
        _flow_anomaly,
    ),
    Spec(
        "rate_level",
        "short rate against its year",
        "短期利率较全年均值",
        "rate − mean of 250 days, points",
        1,
        RATE,
        lambda known, x: x - _rolling(x, YEAR).mean(),
    ),
    Spec(
        "rate_change_20",
        "change of the short rate in 20 days",
        "短期利率20日变化",
        "points",
        1,
        RATE,
        lambda known, x: x.diff(20),
    ),
    Spec("credit_spread", "credit spread", "信用利差", "as published, %", 1, SPREAD, lambda known, x: x),
)


def indicators_of(known: Known, *, candidates: bool = True) -> list[Indicator]:
    """Every indicator that the history has data for, named ones first, then the sentiment index, then candidate columns."""
    found = [made for spec in SPECS if (made := _made(spec, known)) is not None]
    mood = sentiment_index({one.name: one.values for one in found}, known.close)
    if mood is not None:
        found.append(
            Indicator(
                "sentiment",
                "market sentiment index",
                "市场情绪指数",
                "mean of trailing ranks, 0 fear to 100 greed",
                ", ".join(map(str, mood.parts)),
                "that of its parts",
                0,
                Said("missing where fewer than three parts are known", "可用分项少于三个时缺失"),
                mood.index,
                pd.Series(known.days, known.days),
            )
        )
    if candidates:
        for table, name in extra_columns(known, known.used):
            column = known.column(table, name)
            rank = trailing_rank(column.values)
            if rank.notna().any():
                found.append(
                    _told(
                        f"candidate:{table}.{name}",
                        f"{name} ({table}), rank in two years",
                        f"{name}（{table}）两年内分位",
                        "share of the 500 days before that were lower",
                        0,
                        column,
                        rank,
                    )
                )
    return found


def _made(spec: Spec, known: Known) -> Indicator | None:
    column = None
    if spec.reads is not None:
        column = known.find(spec.reads[0], *spec.reads[1])
        if column is None:
            return None
    values = spec.make(known, known.close if column is None else column.values)
    if values is None or not values.notna().any():
        return None
    if column is not None:
        return _told(spec.name, spec.en, spec.zh, spec.formula, spec.danger, column, values)
    return Indicator(
        spec.name,
        spec.en,
        spec.zh,
        spec.formula,
        _data_of(spec, known),
        "by its table",
        spec.danger,
        _WINDOW,
        _clean(values),
        pd.Series(known.days, known.days),
    )


def _data_of(spec: Spec, known: Known) -> str:
    kind = {
        "turnover": "index",
        "limit_downs": "breadth",
        "halts": "breadth",
        "concentration": "prices",
        "net_flow": "flows",
        "flow_anomaly": "flows",
    }
    where = kind.get(spec.name)
    return (
        f"closes of {known.index_id}" if where is None else f"{where} table" if known.kinds(where) else "prices table"
    )


def _told(name: str, en: str, zh: str, formula: str, danger: int, column: Column, values: Series[float]) -> Indicator:
    return Indicator(
        name,
        en,
        zh,
        formula,
        f"{column.table}.{column.name}",
        column.lag,
        danger,
        _GONE,
        _clean(values),
        column.said_on,
        _clean(column.values),
    )


def _clean(values: Series[float]) -> Series[float]:
    return values.astype(float).replace([np.inf, -np.inf], np.nan)


def trailing_rank(x: Series[float], days: int = TWO_YEARS, least: int = 120) -> Series[float]:
    """The share of the ``days`` up to and with each day that are not above it, ties half (M-163); missing before ``least`` values."""
    rank: Series[float] = x.rolling(days, min_periods=least).rank(method="average")
    count = x.rolling(days, min_periods=least).count()
    return (rank - 0.5) / count


def regime_indicator(known: Known) -> Indicator:
    """The filtered probability of the wild state as an indicator (M-171); only models that name it pay for its fits."""
    return Indicator(
        "regime",
        "probability of the wild state",
        "动荡状态概率",
        "Hamilton's filter, two states, refitted every 252 days on days before",
        f"closes of {known.index_id}",
        "0 trading days",
        1,
        Said("missing before 500 days", "首500日缺失"),
        wild_probability(known.close),
        pd.Series(known.days, known.days),
    )
