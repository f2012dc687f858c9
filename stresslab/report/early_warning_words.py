"""Words that the pages of early warning share."""

from __future__ import annotations

import math
import re
from typing import Any

from stresslab.early_warning.events import DRAWDOWN
from stresslab.report.phrase import Phrase, same

_NONE = same("—")
#: Grades of a rule as a reader calls them.
GRADES = {
    "none": Phrase("none", "无"), "yellow": Phrase("yellow", "黄色"), "orange": Phrase("orange", "橙色"), "red": Phrase("red", "红色"),
}
WINDOWS = {"walk_forward": Phrase("walk-forward", "滚动前推"), "holdout": Phrase("held out to the end", "留出期")}


def told(value: Any, digits: int) -> Phrase:
    """A number with so many decimals and a true minus; a dash where there is none."""
    if value is None or not math.isfinite(float(value)):
        return same("∞") if value is not None and math.isinf(float(value)) else _NONE
    # Rounded first, so that nothing is told as minus zero.
    text = f"{round(float(value), digits) + 0.0:,.{digits}f}"
    return same(text.replace("-", "−"))


#: What an indicator is made of, in Chinese; a formula that is not here stands as it is.
FORMULAS = {
    "√(mean r²) √252, %": "√(r²均值)×√252，%",
    "GJR-GARCH, refitted every 63 days on all days before, %": "GJR-GARCH，每63日以此前全部日重新拟合，%",
    "1 − close / max, %": "1 − 收盘/期间最高收盘，%",
    "ln(close / close 20 days before), %": "ln(收盘/20日前收盘)，%",
    "ln(close / close 250 days before), %": "ln(收盘/250日前收盘)，%",
    "ln(mean of 5 days / mean of 250 days)": "ln(5日均值/250日均值)",
    "the index as published": "按公布的指数",
    "ln(balance / mean of 250 days)": "ln(余额/250日均值)",
    "ln(balance / balance 20 days before), %": "ln(余额/20日前余额)，%",
    "ln(balance / balance a day before), %": "ln(余额/前一日余额)，%",
    "robust z of the balance's daily change against 250 days before": "余额日变动相对此前250日的稳健z值",
    "as published, %": "按公布值，%",
    "limit-downs / traded, mean of 5 days, %": "跌停数/交易数，5日均值，%",
    "halted / listed, mean of 5 days, %": "停牌数/上市数，5日均值，%",
    "1 / (n HHI) of traded amounts, mean of 5 days": "成交额的1/(n·HHI)，5日均值",
    "sum of 20 days / mean size of 250 days": "20日之和/250日平均规模",
    "robust z of the net flow against 250 days before": "净流量相对此前250日的稳健z值",
    "rate − mean of 250 days, points": "利率 − 250日均值，百分点",
    "points": "百分点",
    "mean of trailing ranks, 0 fear to 100 greed": "滚动分位均值，0为恐慌，100为贪婪",
    "share of the 500 days before that were lower": "此前500日中低于当日的占比",
    "Hamilton's filter, two states, refitted every 252 days on days before": "Hamilton滤波，两状态，每252日以此前各日重新拟合",
}
_LAGS = (
    (re.compile(r"^0 trading days$"), "当晚"), (re.compile(r"^(\d+) trading days?$"), r"\1个交易日"),
    (re.compile(r"^(\d+) calendar days$"), r"\1个自然日"), (re.compile(r"^by its table$"), "随数据表"),
    (re.compile(r"^that of its parts$"), "随其组成"),
)
_DATA = (
    (re.compile(r"^closes of (.*)$"), r"\1收盘价"), (re.compile(r"^index table$"), "指数表"),
    (re.compile(r"^breadth table$"), "市场宽度表"), (re.compile(r"^prices table$"), "价格表"), (re.compile(r"^flows table$"), "资金流表"),
)


def rule_of(said: str) -> Phrase:
    """The rule that dates events as it was written, in Chinese in words; what is none stands as it is."""
    found = DRAWDOWN.match(said.strip().lower())
    if found is None:
        return same(said)
    what = "自高点回撤" if found[1] == "drawdown" else "下跌"
    dated = "，自跌足之日起算" if found[4] == "fall" else ""
    return Phrase(said, f"{found[3]}个交易日内{what}至少{found[2]}%{dated}")


def formula_of(formula: str, data: str) -> Phrase:
    """How an indicator is made, and of what, in both languages; names of columns stay as they are."""
    return Phrase(f"{formula} ({data})", f"{FORMULAS.get(formula, formula)}（{_translated(data, _DATA)}）")


def lag_of(lag: str) -> Phrase:
    """When an indicator is known."""
    return Phrase(lag, _translated(lag, _LAGS))


def _translated(text: str, words: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    return next((pattern.sub(put, text) for pattern, put in words if pattern.match(text)), text)
