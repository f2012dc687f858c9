"""What forced sales meet in the market, in words: the impact law with its parameters and the opposing flow (M-15, M-24, M-46)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stresslab.report.phrase import Phrase, join, same

#: The letter of the coefficient of a law, and the words for it.
_LAWS: dict[str, tuple[str, Phrase]] = {
    "none": ("", Phrase("none", "无")),
    "sqrt": ("Y", Phrase("sqrt", "平方根（sqrt）")),
    "linear": ("c", Phrase("linear", "线性（linear）")),
    "exponential": ("c", Phrase("exponential", "指数（exponential）")),
    "almgren": ("Y", Phrase("almgren", "almgren")),
}


def _number(value: Any) -> str:
    """A parameter as people write it: 1.0, 0.35, 20."""
    return f"{float(value):.6g}"


def _coefficient(value: Any) -> str:
    """A coefficient keeps one decimal, so that it is not read as a count."""
    text = _number(value)
    return text if "." in text or "e" in text else f"{text}.0"


def _equals(letter: str, number: str) -> Phrase:
    """A parameter; Chinese without spaces, at which alone a terminal would break its line."""
    return Phrase(f"{letter} = {number}", f"{letter}={number}")


def law(liquidity: dict[str, Any]) -> Phrase:
    """The impact law with its parameters: ``sqrt, Y = 1.0, 50% permanent …``."""
    name = str(liquidity.get("impact", "none"))
    letter, words = _LAWS.get(name, ("", same(name)))
    if name == "none":
        return words
    parts = [words, _equals(letter or "coefficient", _coefficient(liquidity.get("impact_coefficient", 1)))]
    if name == "exponential":
        floor = _number(liquidity.get("impact_floor_pct") or 0)
        parts.append(Phrase("floor {n}% of the book's price", "下限为账簿日价格的{n}%").fill(n=floor))
    if name == "almgren":
        part = _number(100 * float(liquidity.get("trading_fraction") or 1))
        parts.append(Phrase("sold over {n}% of the day", "在当日{n}%的时间内卖出").fill(n=part))
        permanent = Phrase("temporary part with a half-life of {days} days", "暂时部分半衰期{days}日")
    else:
        permanent = Phrase("{share}% permanent, the rest with a half-life of {days} days", "{share}%为永久，其余半衰期{days}日")
    share, days = _number(liquidity.get("permanent_share_pct", 0)), _number(liquidity.get("half_life_days", 0))
    parts.append(permanent.fill(share=share, days=days))
    return join(parts, ", ", "，")


def flow(liquidity: dict[str, Any]) -> Phrase:
    """Who buys: the most that the market takes of a share on a day, and the natural buyers among them."""
    most = Phrase("at most {n}% of usual turnover a day", "每日至多日均成交量的{n}%").fill(
        n=_number(liquidity.get("participation_pct", 0)))
    buyers = float(liquidity.get("buyers_pct") or 0)
    if buyers == 0:
        return join([most, Phrase("no natural buyers", "无自然买盘")], ", ", "，")
    # A fall of 10% sends a tenth of the exhaustion away.
    gone = _number(float(liquidity.get("buyers_exhaustion_pct", 100)) / 10)
    taken = Phrase("natural buyers take the first {n}% of turnover without impact", "自然买盘先承接日均成交量的{n}%而不影响价格")
    away = Phrase("every 10% of market fall sends {n}% of them away", "市场每下跌10%，自然买盘减少{n}%")
    return join([most, taken.fill(n=_number(buyers)), away.fill(n=gone)], ", ", "，")


def market_terms(scenarios: Sequence[dict[str, Any]]) -> Phrase:
    """Impact law and opposing flow of some scenarios: said once where they agree, else for each."""
    said: dict[Phrase, list[str]] = {}
    for scenario in scenarios:
        liquidity = scenario.get("liquidity") or {}
        both = Phrase("{law}; opposing flow: {flow}", "{law}；对手盘：{flow}").fill(law=law(liquidity), flow=flow(liquidity))
        said.setdefault(both, []).append(str(scenario["id"]))
    head = Phrase("Impact law: ", "冲击：")
    if len(said) == 1:
        (only,) = said
        return Phrase(f"{head.en}{only.en}.", f"{head.zh}{only.zh}。")
    # The terms that most scenarios share come last, so that the exceptions are read first.
    ordered = sorted(said.items(), key=lambda pair: len(pair[1]))
    parts = []
    for place, (terms, ids) in enumerate(ordered):
        alone = place == len(ordered) - 1 and len(ids) > 2
        who = Phrase("all others", "其余情景") if alone else join([same(i) for i in ids])
        parts.append(Phrase(f"{who.en}: {terms.en}", f"{who.zh}：{terms.zh}"))
    told = join(parts, ". ", "。")
    return Phrase(f"{head.en}{told.en}.", f"{head.zh}{told.zh}。")
