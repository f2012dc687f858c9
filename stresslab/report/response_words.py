"""A response of a scenario in words (M-147 to M-153)."""

from __future__ import annotations

from typing import Any

from stresslab.report.amounts import plain
from stresslab.report.phrase import Phrase, join, same

_WHEN: dict[str, Phrase] = {
    "market_fall_pct": Phrase("market down {n}%", "市场下跌{n}%"),
    "volatility_pct": Phrase("volatility of {d} days at {n}%", "{d}日波动率达{n}%"),
    "margin_coverage_pct": Phrase("margin coverage below {n}%", "保证金覆盖率低于{n}%"),
    "maintenance_ratio_pct": Phrase("collateral below {n}% of debt", "担保物低于负债的{n}%"),
    "liquid_share_pct": Phrase("liquid money below {n}% of claims", "流动资金低于可兑付债权的{n}%"),
    "own_funds_lost_pct": Phrase("{n}% of own funds lost", "自有资金损失{n}%"),
    "unpaid_yuan": Phrase("redemptions of {n} yuan unpaid", "未兑付达{n}元"),
    "day": Phrase("on day {n}", "第{n}日"),
}
_DO: dict[str, Phrase] = {
    "raise_lines": Phrase("lines +{by_pct}%", "各线+{by_pct}%"),
    "cap_leverage": Phrase("leverage at most {leverage}", "杠杆上限{leverage}倍"),
    "sell_in_batches": Phrase("sell in {batches} batches", "分{batches}批平仓"),
    "pause_sales": Phrase("no forced sales for {for_days} days", "暂停平仓{for_days}日"),
    "draw_line": Phrase("draw the bank line", "动用授信"),
    "hedge_futures": Phrase("sell futures for {share_pct}% of loans", "卖出股指期货对冲融资的{share_pct}%"),
    "hedge_etf": Phrase("sell funds on the index for {share_pct}% of loans", "融券卖出ETF对冲融资的{share_pct}%"),
    "hedge_put": Phrase(
        "puts at {strike_pct}% for {share_pct}% of loans, {for_days} days",
        "行权价{strike_pct}%认沽，对冲融资的{share_pct}%，{for_days}日"),
}
_TARGET = Phrase(", less as volatility of {d} days passes {n}%", "，{d}日波动率超过{n}%时下调")


def response(said: dict[str, Any]) -> Phrase:
    """When and what, and at which platforms where not at all of them."""
    value = said["at_least"] if said.get("at_least") is not None else said.get("below")
    days = said.get("over_days") or 0
    when = _WHEN[said["when"]].fill(n=plain(value), d=days)
    do = _DO[said["do"]]
    done = do.fill(**{key: plain(said[key]) for key in said if f"{{{key}}}" in do.en and said[key] is not None})
    if said.get("target_volatility_pct") is not None:
        more = _TARGET.fill(n=plain(said["target_volatility_pct"]), d=days)
        done = Phrase(done.en + more.en, done.zh + more.zh)
    told = Phrase("{when}: {done}", "{when}：{done}").fill(when=when, done=done)
    names = said.get("platforms") or []
    if not names:
        return told
    where = join([same(name) for name in names], ", ", "、")
    return Phrase("{told} ({where})", "{told}（{where}）").fill(told=told, where=where)
