"""Every column that stresslab reads or writes, once, in English and Chinese, with its unit.

Tables are built from this page: readers check against ``INPUTS``, writers take their Arrow
schemas from :func:`schema`, reports take their headings from :func:`label`. One meaning per word;
the meanings are those of ``docs/method.md``, whose formula numbers stand in ``formula``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["id", "text", "choice", "flag", "money", "price", "percent", "count", "number", "date"]

#: One yuan in 厘, one percent in basis points.
LI_PER_YUAN = 1000
BP_PER_PERCENT = 100


@dataclass(frozen=True)
class Column:
    """One column of an input table, as people write it."""

    name: str
    kind: Kind
    en: str
    zh: str
    required: bool = True
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    #: False for a column that is kept but does not yet change a result; `check` says so.
    simulated: bool = True
    #: True for a column that no run reads, but the look-through of `stresslab pool` does.
    pooled: bool = False

    @property
    def stored(self) -> str:
        """The column's name after conversion to integers: 厘 and basis points."""
        if self.kind in ("money", "price"):
            return self.name.removesuffix("_yuan") + "_li"
        if self.kind == "percent":
            return self.name.removesuffix("_pct") + "_bp"
        return self.name


@dataclass(frozen=True)
class Measure:
    """One column of an output table."""

    name: str
    arrow: pa.DataType
    en: str
    zh: str
    unit: str
    formula: str


# Bounds of (M-2), in the unit of the file.
_ACCOUNT_YUAN = 2**44 / 1000 - 1
_PLATFORM_YUAN = 2**47 / 1000 - 1
_SHARES = 2**31 - 1
_VOLUME = 2**40 - 1
_PRICE_YUAN = 2**31 / 1000 - 1


def _money(name: str, en: str, zh: str, *, required: bool = True, simulated: bool = True,
           high: float = _PLATFORM_YUAN, low: float = 0.0) -> Column:
    return Column(name, "money", en, zh, required, low, high, simulated=simulated)


def _percent(name: str, en: str, zh: str, *, required: bool = True, simulated: bool = True,
             low: float = 0.0, high: float = 100.0) -> Column:
    return Column(name, "percent", en, zh, required, low, high, simulated=simulated)


def _id(name: str, en: str, zh: str, *, required: bool = True, simulated: bool = True) -> Column:
    return Column(name, "id", en, zh, required, simulated=simulated)


def _kept(name: str, kind: Kind, en: str, zh: str) -> Column:
    return Column(name, kind, en, zh, required=False, simulated=False)


def _pooled(name: str, kind: Kind, en: str, zh: str, low: float | None = None, high: float | None = None) -> Column:
    return Column(name, kind, en, zh, False, low, high, simulated=False, pooled=True)


INVESTOR_TYPES = ("retail", "professional", "institution")
BOARDS = ("main", "chinext", "star", "bse", "st", "fund", "none")
CLAIM_KINDS = ("free_cash", "account_equity", "investor")
SOURCES = ("own", "bank", "nonbank", "p2p", "shareholder", "foreign")
#: How a forced sale is spread over the positions, in the kernel's order (M-22).
SALE_ORDERS = ("pro_rata", "most_liquid", "largest", "most_volatile", "highest_loss")

#: How a contract shares its result (M-110).
PROFIT_SHARES = ("fixed", "performance", "guaranteed")
#: The life of a contract from the application to its end (M-116).
STATES = ("applied", "assessed", "signed", "funded", "trading", "called", "liquidating", "deficit", "settled", "closed")

INPUTS: dict[str, tuple[Column, ...]] = {
    "accounts": (
        _id("account_id", "account", "账户"),
        _id("platform_id", "platform", "平台"),
        Column("investor_type", "choice", "investor type", "投资者类型", choices=INVESTOR_TYPES),
        _money("cash_yuan", "cash", "现金", high=_ACCOUNT_YUAN),
        _money("debt_yuan", "debt", "负债", high=_ACCOUNT_YUAN),
        _percent("loan_rate_pct", "loan rate", "融资利率"),
        _percent("warning_line_pct", "warning line", "警戒线", low=100, high=655.35),
        _percent("liquidation_line_pct", "liquidation line", "平仓线", low=100, high=655.35),
        _id("client_id", "client", "客户", required=False),
        _id("group_id", "client group", "客户集团", required=False),
        _percent("restore_line_pct", "restore line", "恢复线", required=False, low=100, high=655.35),
        _percent("withdrawal_line_pct", "withdrawal line", "提取线", required=False, simulated=False, high=1000),
        Column("rate_type", "choice", "rate type", "利率类型", False, choices=("fixed", "floating", "capped")),
        _percent("rate_cap_pct", "rate cap", "利率上限", required=False),
        Column("rate_lock_until", "date", "rate locked until", "利率锁定至", False),
        Column("rate_notice_days", "count", "notice of a rate change, calendar days", "调息通知期", False, 0, 3650),
        Column("sale_order", "choice", "order of sale", "平仓顺序", False, choices=SALE_ORDERS),
        Column("full_sale", "flag", "sells everything once forced", "全部平仓", False),
        Column("interest_base", "choice", "base of interest", "计息基数", False, choices=("debt", "exposure")),
        Column("profit_share", "choice", "profit share", "盈亏分配", False, choices=PROFIT_SHARES),
        _percent("client_share_pct", "client's share of profit", "客户利润分成", required=False),
        _percent("guaranteed_pct", "guaranteed share of losses", "保本比例", required=False),
        _money("high_water_yuan", "high-water mark", "高水位", required=False, high=_ACCOUNT_YUAN),
        _percent("fees_pct", "fee, share of gross profit", "手续费（占毛利）", required=False),
        _money("own_money_yuan", "client's own money", "自有本金", required=False, high=_ACCOUNT_YUAN),
        _money("principal_yuan", "principal of the debt", "借款本金", required=False, high=_ACCOUNT_YUAN),
        _kept("funding_id", "id", "matched funding layer", "对应资金"),
        Column("status", "choice", "state of the contract", "合同状态", False, choices=STATES),
        Column("opened", "date", "opened on", "开户日", False),
        Column("maturity_date", "date", "matures on", "到期日", False),
        Column("leverage_cap", "number", "leverage cap", "杠杆上限", False, 1, 100),
        Column("risk_grade", "text", "risk grade", "风险等级", False),
        Column("assessed_on", "date", "assessed on", "评估日", False),
        _percent("order_limit_pct", "largest order, share of own money", "单笔限额（占自有本金）", required=False, high=10_000),
        _percent("daily_loss_limit_pct", "largest daily loss, share of own money", "单日最大回撤（占自有本金）", required=False),
        _percent("stop_loss_pct", "stop-loss, share of own money", "止损线（占自有本金）", required=False),
        _money("turnover_90d_yuan", "turnover of 90 days", "90日成交额", required=False),
        Column("leverage_increases_90d", "count", "leverage increases in 90 days", "90日加杠杆次数", False, 0, 10_000),
    ),
    "positions": (
        _id("account_id", "account", "账户"),
        _id("instrument_id", "instrument", "证券"),
        Column("shares", "count", "shares", "股数", True, 0, _SHARES),
        Column("sellable_shares", "count", "sellable shares", "可卖股数", False, 0, _SHARES),
        _money("cost_yuan", "cost of all shares; a diluted cost may be negative", "成本（全部持股，摊薄成本可为负）", required=False,
               low=-_ACCOUNT_YUAN, high=_ACCOUNT_YUAN),
        _kept("restricted_until", "date", "restricted until", "限售至"),
    ),
    "instruments": (
        _id("instrument_id", "instrument", "证券"),
        Column("board", "choice", "board", "板块", choices=BOARDS),
        _id("sector", "sector", "行业"),
        Column("price_yuan", "price", "price", "价格", True, 0.001, _PRICE_YUAN),
        Column("adv_shares", "count", "average daily volume", "日均成交量", True, 1, _VOLUME),
        Column("volatility_pct", "number", "volatility, percent a year", "年化波动率（%）", True, 0, 1000),
        Column("beta", "number", "beta to the market factor", "贝塔", True, -20, 20),
        Column("name", "text", "name", "名称", False),
        _id("subsector", "subsector", "子行业", required=False),
        Column("lot_size", "count", "lot", "每手股数", False, 1, 1_000_000),
        Column("tick_yuan", "price", "tick", "最小价位", False, 0.001, 1000),
        Column("min_order", "count", "smallest order", "最低申报数量", False, 1, 1_000_000),
        _percent("price_limit_pct", "daily price limit", "涨跌幅限制", required=False, high=99),
        Column("listed", "date", "first trading day", "上市日", False),
        Column("suspended", "flag", "suspended, for the whole run without a date of resumption", "停牌（无复牌日则全程）", False),
        Column("suspended_until", "date", "trading resumes on", "复牌日", False),
        Column("rate_beta", "number", "fall of the log price per 100% of rates", "利率贝塔", False, -100, 100),
        _kept("spread_pct", "percent", "bid-ask spread", "买卖价差"),
        Column("float_shares", "count", "float", "流通股", False, 1, _VOLUME),
        Column("total_shares", "count", "total shares", "总股本", False, 1, _VOLUME),
        _percent("risk_weight_pct", "risk weight", "风险权重", required=False, high=1250),
        _kept("conversion_pct", "percent", "conversion rate", "折算率"),
    ),
    "platforms": (
        _id("platform_id", "platform", "平台"),
        _money("own_capital_yuan", "own capital", "自有资金"),
        _money("reserve_yuan", "reserve", "风险准备金"),
        _money("cash_yuan", "cash", "现金"),
        _money("liquid_pool_yuan", "liquid pool", "流动性资产池"),
        _money("other_assets_yuan", "other assets", "其他资产", required=False),
        _money("segregated_yuan", "segregated client money", "隔离客户资金", required=False),
        _money("bank_line_yuan", "bank line", "银行授信", required=False),
        Column("line_committed", "flag", "line is committed", "承诺授信", False),
        _money("line_drawn_yuan", "line drawn", "已用授信", required=False),
        Column("line_expiry", "date", "line expires on", "授信到期日", False),
        Column("name", "text", "name", "名称", False),
        _pooled("clearing_id", "id", "clearing house", "清算机构"),
        Column("risk_disclosure_score", "number", "answer: visible risk, 0 to 100", "回答：风险提示可见性", False, 0, 100),
        Column("risk_disclosure_evidence", "text", "evidence of that answer", "该回答的证据", False),
    ),
    "claims": (
        _id("client_id", "client", "客户"),
        _id("platform_id", "platform", "平台"),
        Column("kind", "choice", "kind", "种类", choices=CLAIM_KINDS),
        _money("amount_yuan", "amount", "金额"),
        Column("notice_days", "count", "notice, calendar days", "通知期", True, 0, 3650),
        _id("account_id", "account", "账户", required=False, simulated=False),
        _id("group_id", "client group", "客户集团", required=False),
        _kept("rank", "count", "rank in resolution", "清偿顺序"),
        Column("foreign", "flag", "foreign money", "外资", False),
    ),
    "funding": (
        _id("funding_id", "funding layer", "资金层"),
        _id("platform_id", "platform", "平台"),
        _id("parent_id", "the layer that this one funds", "上层资金", required=False),
        Column("source", "choice", "source", "来源", choices=SOURCES),
        _money("amount_yuan", "amount", "金额"),
        _percent("rate_pct", "rate", "利率", high=50),
        Column("rate_type", "choice", "rate type", "利率类型", choices=("fixed", "floating")),
        Column("reset_days", "count", "days between resets", "重定价周期", True, 1, 36500),
        Column("maturity_days", "count", "days to maturity", "剩余期限", True, 0, 36500),
        Column("seniority", "count", "seniority, 1 is most senior", "优先级", True, 1, 9),
        _id("funder_id", "funder", "资金方", required=False),
        _pooled("recall_trigger", "text", "recall trigger", "提前收回条件"),
        _pooled("recall_pct", "percent", "recalled share; all where it is empty", "收回比例（空为全部）", 0, 100),
        _pooled("notice_days", "count", "notice, calendar days", "通知期", 0, 3650),
        Column("currency", "text", "currency; CNY where it is empty", "币种（空为人民币）", False),
        _pooled("amount_currency", "number", "amount in its currency", "原币金额", 0, 10**12),
        _pooled("segregated", "flag", "segregated", "隔离"),
        _pooled("related_party", "flag", "related party", "关联方"),
    ),
    "movements": (
        Column("date", "date", "date", "日期"),
        _id("platform_id", "platform", "平台"),
        _id("party_id", "party", "一方"),
        _id("counterparty_id", "counterparty", "对方"),
        Column("kind", "text", "kind", "种类"),
        _money("amount_yuan", "amount", "金额"),
    ),
    "exposures": (
        _id("from_id", "from", "债权方"),
        _id("to_id", "to", "债务方"),
        _money("amount_yuan", "amount", "金额"),
        Column("maturity_days", "count", "days to maturity", "剩余期限", True, 0, 36500),
        Column("seniority", "count", "seniority", "优先级", True, 1, 9),
    ),
}

#: What platforms answered to the questions of a rating scale: a table of its own, as a scale may ask anything.
INPUTS["answers"] = (
    _id("platform_id", "platform", "平台"),
    Column("question", "text", "question, by the name of its indicator in the rating scale", "问题（评级标尺中的指标名）"),
    Column("answer", "number", "answer", "回答", True, -1_000_000_000, 1_000_000_000),
    Column("evidence", "text", "evidence of the answer", "回答的证据", False),
    Column("answered_on", "date", "answered on", "回答日期", False),
)

OPTIONAL_TABLES = ("movements", "exposures", "answers")

#: Columns that together name a row.
KEYS: dict[str, tuple[str, ...]] = {
    "accounts": ("account_id",),
    "positions": ("account_id", "instrument_id"),
    "instruments": ("instrument_id",),
    "platforms": ("platform_id",),
    "claims": (),
    "funding": ("funding_id",),
    "movements": (),
    "exposures": (),
    "answers": ("platform_id", "question"),
}

_I = pa.int64()
_S = pa.string()


def _li(name: str, en: str, zh: str, formula: str) -> Measure:
    return Measure(name, _I, en, zh, "li", formula)


def _n(name: str, en: str, zh: str, formula: str, unit: str = "count") -> Measure:
    return Measure(name, _I, en, zh, unit, formula)


_SCENARIO = Measure("scenario", _S, "scenario", "情景", "id", "")
_PATH = _n("path", "path", "路径", "")
_PLATFORM = Measure("platform_id", _S, "platform", "平台", "id", "")
_DAY = _n("day", "trading day", "交易日", "M-4", "day")

#: What one path says of one platform, in the order in which the cascade kernel writes it.
PLATFORM_MEASURES: tuple[Measure, ...] = (
    _n("accounts_with_debt", "accounts with debt", "有负债账户数", "M-35"),
    _li("own_funds_before_li", "own funds before", "事前自有资金", "M-33"),
    _li("margin_call_peak_li", "margin call, peak day", "追缴额（峰值日）", "M-31"),
    _n("margin_call_peak_day", "day of the peak", "峰值日", "M-31", "day"),
    _li("margin_call_peak_fundamental_li", "margin call at fundamental prices, peak day", "按基本面价格的追缴额（峰值日）", "M-31"),
    _li("margin_call_issued_li", "margin calls issued", "发出追缴总额", "M-31"),
    _li("margin_call_unanswered_li", "margin calls unanswered", "未补足追缴额", "M-31"),
    _n("margin_coverage_ppm", "margin coverage, lowest day", "保证金覆盖率（最低日）", "M-32", "ppm"),
    _n("margin_coverage_fundamental_ppm", "margin coverage at fundamental prices, lowest day",
       "按基本面价格的保证金覆盖率（最低日）", "M-32", "ppm"),
    _n("accounts_called", "accounts called", "被追缴账户数", "M-31"),
    _n("accounts_forced", "accounts forced to sell", "被强平账户数", "M-35"),
    _n("accounts_in_deficit", "accounts in deficit", "穿仓账户数", "M-26"),
    _li("sold_li", "forced sales", "强平卖出额", "M-25"),
    _li("displaced_li", "displaced forced sales", "被转移的强平卖出额", "M-48"),
    _li("selling_cost_li", "cost of selling", "卖出费用", "M-25"),
    _li("client_paid_li", "paid in by clients", "客户补入资金", "M-20"),
    _li("repaid_li", "debt repaid", "偿还负债", "M-25"),
    _li("loan_interest_li", "interest on loans", "融资利息", "M-12"),
    _li("funding_interest_li", "interest on funding", "资金利息", "M-12"),
    _li("pool_loss_li", "haircut loss of the pool", "流动性资产折价损失", "M-17"),
    _li("deficit_li", "deficit", "穿仓额", "M-26"),
    _li("absorbed_by_reserve_li", "absorbed by reserve", "风险准备金吸收", "M-27"),
    _li("absorbed_by_own_capital_li", "absorbed by own capital", "自有资金吸收", "M-27"),
    _li("absorbed_by_junior_li", "borne by junior funders", "劣后资金方承担", "M-27"),
    _li("absorbed_by_senior_li", "borne by senior funders", "优先资金方承担", "M-27"),
    _li("absorbed_by_claims_li", "borne by clients", "客户承担", "M-27"),
    _li("deficit_unrealised_li", "deficit not yet realised", "未实现穿仓额", "M-37"),
    _li("redemption_due_li", "redemption due", "到期兑付", "M-16"),
    _li("redemption_paid_li", "redemption paid", "已兑付", "M-17"),
    _li("redemption_segregated_li", "paid from segregated money", "隔离资金兑付", "M-16"),
    _li("unpaid_end_li", "unpaid at the end", "期末未兑付", "M-17"),
    _li("line_drawn_li", "bank line drawn", "动用授信", "M-17"),
    _n("first_unpaid_day", "first unpaid redemption", "首次未兑付日", "M-36", "day"),
    _n("own_funds_exhausted_day", "own funds exhausted on day", "自有资金耗尽日", "M-36", "day"),
    _n("failure_day", "failed on day", "失败日", "M-28", "day"),
    _li("loans_end_li", "loans at the end", "期末融资余额", "M-29"),
    _li("in_transit_end_li", "repayments on the way at the end", "期末在途还款", "M-29"),
    _li("cash_end_li", "cash at the end", "期末现金", "M-29"),
    _li("pool_end_li", "liquid pool at the end", "期末流动性资产池", "M-29"),
    _li("junior_end_li", "junior funding at the end", "期末劣后资金", "M-29"),
    _li("senior_end_li", "senior funding at the end", "期末优先资金", "M-29"),
    _li("claims_end_li", "claims at the end", "期末客户债权", "M-29"),
    _li("reserve_end_li", "reserve at the end", "期末风险准备金", "M-29"),
    _li("own_capital_end_li", "own capital at the end", "期末自有资金", "M-29"),
    _li("account_cash_end_li", "cash in accounts at the end", "期末账户现金", "M-25"),
    _n("first_response_day", "first response on day", "首次应对日", "M-147", "day"),
    _li("compensation_li", "compensation for a shut desk", "停摆赔付", "M-146"),
    _li("hedge_cost_li", "cost of hedges", "对冲成本", "M-151"),
    _li("hedge_gain_li", "gain of hedges, a loss if negative", "对冲损益", "M-151"),
    _li("hedge_owed_li", "owed to the broker", "欠付对冲经纪商", "M-151"),
    _li("hedge_end_li", "hedges at the end: margin and intrinsic value", "期末对冲资产", "M-29"),
    _li("wave_asked_li", "asked for in the wave", "挤兑潮申请赎回额", "M-134"),
    _n("wave_groups", "client groups that asked in the wave", "挤兑潮中申请赎回的客户集团数", "M-134"),
    _li("gated_end_li", "waiting behind the gate at the end", "期末赎回限额外排队额", "M-131"),
    _li("foreign_asked_li", "asked for by foreign money", "外资申请撤出额", "M-139"),
    _li("funding_recalled_li", "funding recalled by its clauses", "资金方按条款收回额", "M-137"),
    _li("funding_due_li", "recalled funding due", "到期应退还资金", "M-138"),
    _li("funding_returned_li", "recalled funding returned", "已退还资金", "M-138"),
    _n("unpaid_days", "days on which redemptions stood unpaid", "未兑付天数", "M-239"),
    _li("exchange_loss_li", "exchange loss on funding in other currencies", "外币资金汇兑损失", "M-240"),
)

#: What one day of one path says of one platform, in the kernel's order.
DAY_MEASURES: tuple[Measure, ...] = (
    _li("margin_call_li", "margin call", "追缴额", "M-19"),
    _li("deficit_li", "deficit so far", "累计穿仓额", "M-26"),
    _li("own_funds_li", "own funds", "自有资金合计", "M-28"),
    _li("unpaid_li", "unpaid redemption", "未兑付额", "M-17"),
    _li("sold_li", "forced sales of the day", "当日强平卖出额", "M-25"),
    _n("accounts_forced", "accounts forced to sell that day", "当日被强平账户数", "M-35"),
    _li("loans_li", "loans", "融资余额", "M-29"),
    _n("margin_coverage_ppm", "margin coverage", "保证金覆盖率", "M-19", "ppm"),
    _li("due_li", "redemption due so far", "累计到期兑付", "M-16"),
    _li("gated_li", "waiting behind the gate", "赎回限额外排队额", "M-131"),
    _n("wave_ppm", "intensity of the wave", "挤兑潮强度", "M-132", "ppm"),
    _li("funding_due_li", "recalled funding due so far", "累计到期应退还资金", "M-138"),
)

OUTPUTS: dict[str, tuple[Measure, ...]] = {
    "outcomes": (
        _SCENARIO, _PATH, _PLATFORM, *PLATFORM_MEASURES,
        _li("loss_holding_li", "loss when holding", "持有不平仓损失", "M-30"),
        _li("loss_without_impact_li", "loss when selling without impact", "无冲击平仓损失", "M-30"),
        _li("loss_with_impact_li", "loss when selling with impact", "有冲击平仓损失", "M-30"),
        _n("factor_low_ppm", "lowest level of the market factor", "市场因子最低水平", "M-9", "ppm"),
        _n("basket_fundamental_low_ppm", "lowest value of the collateral basket, fundamental", "担保物篮子最低（基本面）", "M-7", "ppm"),
        _n("basket_quoted_low_ppm", "lowest value of the collateral basket, quoted", "担保物篮子最低（报价）", "M-14", "ppm"),
        _n("rounds_most", "most rounds on a day", "单日最多轮数", "M-22"),
        _n("rounds_limit_days", "days that reached the round limit", "达到轮数上限的天数", "M-22"),
        _n("breaker_days", "days on which the circuit breaker ended selling", "熔断天数", "M-45"),
        _n("candidates_effective_ppm", "effective part of a conditioned path's candidates, none where it is drawn exactly",
           "条件路径候选的有效比例（精确抽样时为空）", "M-60", "ppm"),
    ),
    "days": (
        _SCENARIO, _PATH, _PLATFORM, _DAY, *DAY_MEASURES,
        _n("factor_ppm", "market factor", "市场因子", "M-9", "ppm"),
        _n("basket_fundamental_ppm", "collateral basket, fundamental", "担保物篮子（基本面）", "M-7", "ppm"),
        _n("basket_quoted_ppm", "collateral basket, quoted", "担保物篮子（报价）", "M-14", "ppm"),
        _n("locked", "locked instruments", "封死跌停证券数", "M-15"),
    ),
    "accounts": (
        _SCENARIO, Measure("account_id", _S, "account", "账户", "id", ""), _PLATFORM,
        _n("paths", "paths", "路径数", ""),
        _n("called", "calls, summed over paths", "追缴次数（合计）", "M-20"),
        _n("forced", "paths with a forced sale", "被强平路径数", "M-35"),
        _n("in_deficit", "paths with a deficit", "穿仓路径数", "M-26"),
        _li("deficit_sum_li", "deficit, summed over paths", "穿仓额（合计）", "M-26"),
        _li("sold_sum_li", "forced sales, summed over paths", "强平卖出额（合计）", "M-25"),
    ),
    "instruments": (
        _SCENARIO, Measure("instrument_id", _S, "instrument", "证券", "id", ""), _DAY,
        _n("paths", "paths", "路径数", ""),
        _li("quoted_sum_li", "close, summed over paths", "收盘价（合计）", "M-14"),
        _li("quoted_plain_sum_li", "close without impact, summed over paths", "无冲击收盘价（合计）", "M-30"),
        _li("fundamental_sum_li", "fundamental price, summed over paths", "基本面价格（合计）", "M-7"),
        _n("sold_sum_shares", "shares sold, summed over paths", "卖出股数（合计）", "M-23"),
        _li("sold_sum_li", "forced sales, summed over paths", "强平卖出额（合计）", "M-25"),
        _n("displaced_sum_shares", "displaced shares, summed over paths", "被转移的卖出股数（合计）", "M-48"),
        _n("locked", "paths on which it was locked at the open", "封死跌停路径数", "M-15"),
    ),
    "sectors": (
        _SCENARIO, _PATH, Measure("sector", _S, "sector", "行业", "id", ""),
        _li("sold_li", "forced sales", "强平卖出额", "M-25"),
        _li("displaced_li", "displaced forced sales", "被转移的强平卖出额", "M-48"),
        _li("value_li", "value of all shares in accounts at the book's date", "账簿日账户持股市值", "M-3"),
        _li("impact_loss_li", "value lost to impact on the day of the lowest quoted basket", "报价篮子最低日的冲击损失", "M-24"),
    ),
    "estimates": (
        _SCENARIO, _PLATFORM,
        Measure("measure", _S, "measure", "指标", "id", ""),
        Measure("statistic", _S, "statistic", "统计量", "id", ""),
        _n("day", "trading day, 0 for the whole run", "交易日（0为全程）", "M-41", "day"),
        Measure("value", pa.float64(), "value", "数值", "", ""),
        Measure("error", pa.float64(), "sampling error", "抽样误差", "", ""),
        Measure("low", pa.float64(), "95% interval, low", "95%区间下限", "", ""),
        Measure("high", pa.float64(), "95% interval, high", "95%区间上限", "", ""),
        _n("paths", "paths", "路径数", ""),
        Measure("unit", _S, "unit", "单位", "", ""),
        Measure("formula", _S, "formula", "公式", "", ""),
    ),
}

def _f(name: str, en: str, zh: str, formula: str, unit: str = "ratio") -> Measure:
    return Measure(name, pa.float64(), en, zh, unit, formula)


_EVENT = Measure("event", _S, "event", "事件", "id", "")
_METHOD = Measure("method", _S, "method", "方法", "id", "")
#: Rare events of the unconditional law, in tables of their own: only a run with ``--tail`` has them.
OUTPUTS |= {
    "tail": (
        _SCENARIO, _PLATFORM, _EVENT, _METHOD,
        Measure("role", _S, "answer, or a check of it", "结果或校验", "id", ""),
        Measure("known", pa.bool_(), "every check holds", "全部校验通过", "", ""),
        _f("probability", "probability within the run, unconditional; null where not known", "运行期内的无条件概率（未知则为空）", "M-91"),
        _f("error", "standard error", "标准误", "M-91"),
        _f("low", "95% interval, low", "95%区间下限", "M-91"),
        _f("high", "95% interval, high", "95%区间上限", "M-91"),
        _f("relative_error", "relative standard error", "相对标准误", "M-91"),
        _n("paths", "paths", "路径数", ""),
        _n("paths_before", "paths of its pilots", "先导路径数", "M-92"),
        _n("hits", "weighted paths at the event; of splitting, those kept", "事件路径数（分裂法为保留数）", "M-84"),
        _f("effective", "effective number of paths at the event, or of repetitions", "有效路径数（或有效重复数）", "M-92"),
        _f("largest_share", "share of the heaviest path, or repetition", "最重路径（或重复）占比", "M-92"),
        _f("mean_ratio", "mean likelihood ratio", "似然比均值", "M-92"),
        _f("mean_ratio_error", "its standard error", "似然比均值标准误", "M-92"),
        _f("blind", "share of the event, as splitting found it, where the tilt hardly comes", "分裂法所见事件中倾斜几乎不到的占比", "M-90"),
        _n("repetitions", "repetitions of splitting", "分裂法重复次数", "M-89"),
        _n("extinct", "repetitions that did not reach the event", "未到达事件的重复次数", "M-89"),
        _f("gain", "crude paths that one path stands for, pilots included", "相当于直接模拟路径数的倍数（含先导）", "M-92"),
        Measure("tilt", _S, "shifts of the noise, JSON", "噪声位移（JSON）", "", ""),
        Measure("seed", _S, "seed of its paths", "路径种子", "", ""),
        Measure("reason", _S, "the verdict in English", "结论（英文）", "", ""),
        Measure("reason_zh", _S, "the verdict in Chinese", "结论（中文）", "", ""),
    ),
    "tail_paths": (
        _SCENARIO, _PLATFORM, _EVENT, _METHOD, _PATH,
        Measure("hit", pa.bool_(), "the event happened", "事件发生", "", ""),
        _f("log_ratio", "log of the likelihood ratio", "似然比对数", "M-84"),
    ),
}
#: The account table added up by investor type: what a page of many runs can be filtered by.
OUTPUTS["investors"] = (
    _SCENARIO, _PLATFORM, Measure("investor_type", _S, "investor type", "投资者类型", "id", ""),
    _n("accounts_with_debt", "accounts with debt", "有负债账户数", "M-35"),
    _n("paths", "paths", "路径数", ""),
    _n("forced", "paths with a forced sale, summed over accounts", "被强平路径数（按账户合计）", "M-231"),
    _n("in_deficit", "paths with a deficit, summed over accounts", "穿仓路径数（按账户合计）", "M-231"),
)

_SHARES_OF_PATHS = (
    _n("paths", "paths on which it is so", "满足的路径数", "M-38"),
    _n("of_paths", "of so many paths", "路径总数", "M-38"),
    _f("share_pct", "share", "占比", "M-38", "percent"),
    _f("error_pct", "sampling error", "抽样误差", "M-38", "percent"),
    _f("low_pct", "95% interval, low", "95%区间下限", "M-38", "percent"),
    _f("high_pct", "95% interval, high", "95%区间上限", "M-38", "percent"),
)
#: What judgement makes of the paths of a run beside `estimates`: how they migrate between grades, and who fails with whom.
OUTPUTS |= {
    "migration": (
        _SCENARIO, _PLATFORM,
        Measure("from_grade", _S, "grade of the same path at baseline; null: all paths", "同一路径的基准情景评级(空为全部路径)", "id", ""),
        Measure("to_grade", _S, "grade of the path", "路径评级", "id", ""),
        *_SHARES_OF_PATHS,
    ),
    "spillover": (
        _SCENARIO,
        Measure("measure", _S, "measure (M-127, M-128)", "指标", "id", ""),
        Measure("first", _S, "who fails, loses, or is struck", "失败、损失或受冲击方", "id", ""),
        Measure("second", _S, "with whom, or whom it brings down; null: it alone", "共同失败方或被拖垮方（空为其自身）", "id", ""),
        *_SHARES_OF_PATHS,
    ),
}

#: Days are 0 in the kernels when a thing never happened; a table shows null.
NULL_WHEN_ZERO = (
    "candidates_effective_ppm", "margin_call_peak_day", "first_unpaid_day", "own_funds_exhausted_day", "failure_day",
    "first_response_day",
)


def schema(table: str) -> pa.Schema:
    """The Arrow schema of one output table."""
    return pa.schema([pa.field(m.name, m.arrow) for m in OUTPUTS[table]])


def label(table: str, name: str, language: str) -> str:
    """The heading of an output column in ``en`` or ``zh``."""
    for measure in OUTPUTS[table]:
        if measure.name == name:
            return measure.zh if language == "zh" else measure.en
    raise KeyError(f"{table}.{name}")
