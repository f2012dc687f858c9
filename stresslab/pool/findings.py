"""What is wrong with a pool, or worth knowing: findings with what they measured, the limit, and the words in both languages (M-104)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from stresslab.pool.movements import Flag

Severity = Literal["breach", "notice"]

#: What each finding says, in English and Chinese.
WORDS: dict[str, tuple[str, str]] = {
    "circle": (
        "funding goes round in a circle: {way}; {amount} yuan of it go all the way",
        "循环出资：{way}；其中{amount}元可绕行一周"),
    "no_source": (
        "behind {amount} yuan of the funding of {p} stands {who}: no outside source at all",
        "{p}有{amount}元资金只在平台之间循环（{who}），没有任何外部来源"),
    "segregation_lost": (
        "{a} is segregated, but stands inside {b}, which is not: {amount} yuan are mixed with other money",
        "{a}标为隔离，却嵌在未隔离的{b}之内：{amount}元与其他资金混同"),
    "segregation_hollow": (
        "{a} is segregated, but {b} behind it is not: {amount} yuan can be reached by others",
        "{a}标为隔离，其后的{b}却未隔离：{amount}元可被他人动用"),
    "client_money_in_pool": (
        "{amount} yuan of clients' free cash stand in the pool of {p} and not with a custodian",
        "{p}有{amount}元客户自由现金在资金池内，未作第三方存管"),
    "client_money_lent": (
        "behind the funding of {p} stand {amount} yuan of other platforms' clients",
        "{p}的资金背后有{amount}元来自其他平台的客户资金"),
    "client_funds": (
        "{who}, a client of {p}, lends to it through {a}: {amount} yuan",
        "{p}的客户{who}经{a}向其出资{amount}元"),
    "related": (
        "related parties stand behind {n}% of the funding of {p}",
        "{p}的资金中{n}%来自关联方或经由关联方"),
    "foreign_currency": (
        "{n}% of the funding of {p} is foreign currency in the end, its loans are yuan",
        "{p}的资金中{n}%最终为外币，而融资均为人民币"),
    "opaque": (
        "behind {n}% of the funding of {p} stands an intermediary with nobody named behind it",
        "{p}的资金中{n}%止于中介机构，其后未披露出资人"),
    "largest_funder": (
        "{who} alone stands behind {n}% of the funding of {p}",
        "{p}的资金中{n}%最终来自{who}一家"),
    "hhi": (
        "the funding of {p} is concentrated: HHI {n} points",
        "{p}的资金来源集中：HHI {n}点"),
    "gap": (
        "within 30 days {p} lacks {amount} yuan unless it calls loans ({n}% of funding and claims), "
        "{deep} with the short money behind its funders",
        "不收回融资，{p}在30日内缺口{amount}元（占资金与债权的{n}%）；计入资金方背后的短期资金为{deep}元"),
    "shorter_behind": (
        "{amount} yuan of the funding of {p} are shorter behind than in front: {a} has {front} days, {b} behind it {back}",
        "{p}有{amount}元资金背后的期限短于表面：{a}为{front}日，其后的{b}为{back}日"),
    "recall": (
        "a market fall of {fall}% lets funders of {p} take back {amount} yuan at once: {n}% of its funding, {layers} layers",
        "市场下跌{fall}%时，{p}的资金方可同时收回{amount}元：占资金的{n}%，共{layers}层"),
    "shared_funder": (
        "{who} stands behind several platforms: {told} yuan",
        "{who}同时为多个平台的最终出资方：{told}元"),
    "exchange_rate": (
        "one {who} is {low} yuan in {a} and {high} in {b}",
        "{who}折算汇率不一致：{a}为{low}，{b}为{high}"),
    "cannot_pay": (
        "{who} cannot pay what it owes although nothing has happened yet: {paid} of {owed} yuan",
        "{who}在未受冲击时已无法偿付债务：应付{owed}元，可付{paid}元"),
    "misappropriation": (
        "client money goes to the platform or a related party: {way}, {count} payments, {amount} yuan",
        "客户资金流向平台自有账户或关联方（疑似挪用）：{way}，{count}笔，{amount}元"),
    "commingled": (
        "deposits of clients go straight to the platform's own account {to}: {count} payments, {amount} yuan",
        "客户存入资金直接进入平台自有账户{to}（未隔离）：{count}笔，{amount}元"),
    "misappropriation_chain": (
        "client money reaches the platform or a related party through others: {way}, {amount} yuan in {days} days",
        "客户资金经他人流向平台或关联方（疑似挪用）：{way}，{days}日内{amount}元"),
    "round_trip": (
        "money comes back to where it began: {way}, {amount} yuan in {days} days",
        "资金回流：{way}，{days}日内{amount}元"),
    "layering": (
        "about the same amount is handed on quickly: {way}, {amount} yuan in {days} days",
        "近似金额快速多手转移：{way}，{days}日内{amount}元"),
    "structuring": (
        "{who} pays {count} times just below a reporting threshold, {amount} yuan in all",
        "{who}有{count}笔付款略低于报告线，合计{amount}元"),
    "outlier": (
        "{way}: {amount} yuan is far above what {who} paid before (robust z = {z})",
        "{way}：{amount}元远高于{who}以往付款（稳健z值{z}）"),
}
#: Rules on movements that only call for a look.
_LOOK = ("outlier",)


@dataclass(frozen=True)
class Finding:
    """One finding. ``value`` and ``limit`` are in percent (points for an HHI), None where there is nothing to compare."""

    code: str
    severity: Severity
    platform_id: str | None
    en: str
    zh: str
    amount_li: int = 0
    value: float | None = None
    limit: float | None = None
    #: Layers, parties or rows that the finding is about.
    rows: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """The finding as JSON can hold it."""
        return vars(self) | {"rows": list(self.rows)}


def finding(
    code: str, severity: Severity, platform: str | None = None, amount_li: int | Fraction = 0, *, value: float | None = None,
    limit: float | None = None, rows: tuple[str, ...] = (), **words: object,
) -> Finding:
    """A finding in its words; ``p``, ``amount`` and ``n`` are filled from the platform, the amount and the value."""
    amount = amount_li.numerator // amount_li.denominator
    shown = "" if value is None else f"{value:,.0f}" if code == "hhi" else f"{value:.1f}"
    filled = {"p": platform, "amount": yuan(amount), "n": shown, **words}
    en, zh = WORDS[code]
    return Finding(code, severity, platform, en.format(**filled), zh.format(**filled), amount, value, limit, rows)


def yuan(li: int | Fraction) -> str:
    """An amount in whole yuan for a sentence, rounded half up: 12,345,678."""
    return f"{(2 * li + 1000) // 2000:,}"


def percent(part: int | Fraction, whole: int | Fraction) -> float:
    """A part of a whole in percent, with four digits; 0 of nothing."""
    return round(float(Fraction(part) * 100 / Fraction(whole)), 4) if whole else 0.0


def beyond(part: int | Fraction, whole: int | Fraction, limit_pct: float) -> Severity:
    """Breach where a part exceeds its limit; compared exactly."""
    return "breach" if Fraction(part) * 100 > Fraction(str(limit_pct)) * Fraction(whole) else "notice"


def of_flag(flag: Flag, places: list[str]) -> Finding:
    """A flag on movements as a finding; ``places`` say where its rows stand."""
    return finding(
        flag.rule, "notice" if flag.rule in _LOOK else "breach", flag.platform_id, flag.amount_li, rows=tuple(places),
        way=" → ".join(flag.parties), to=flag.parties[-1], who=flag.parties[0], count=len(flag.movements), days=int(flag.measure),
        z=f"{flag.measure:.1f}")
