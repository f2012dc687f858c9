"""What may be reported, once: concepts, axes, tables and forms of the taxonomy, in English and Chinese, with formula numbers.

Figures come from the estimates and their names from the glossary, so that a figure that a run gains is reported without a second list.
The taxonomy, the table constraints, the rows and the checks are all made from this page.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from stresslab.estimate import figure_names
from stresslab.glossary import OUTPUTS
from stresslab.submission.axes import (
    BAND,
    ENTRY,
    INVESTOR,
    LIMIT,
    OBJECT,
    PART,
    PLATFORM,
    RANK,
    SCENARIO,
    SEVERITY,
    SOURCE,
    STATISTIC,
    TOPIC,
    Axis,
    Concept,
    Form,
    Kind,
    Member,
    Sum,
    SumOver,
    Table,
    camel,
)

# --- what every form begins with ----------------------------------------------------------------

FILING = Table(
    "filing",
    "Filing",
    "报送信息",
    (),
    (
        Concept("FormName", "text", "Form", "报表类型"),
        Concept("Draft", "flag", "Draft: not attested", "草稿（未签署）"),
        Concept("EntityName", "text", "Name of the entity", "机构名称", required=False),
        Concept(
            "ResubmissionNumber", "count", "Resubmission number, 0 for the first filing", "重报次数（首次为0）", least=0
        ),
        Concept("ResubmissionReason", "long_text", "Reason of the resubmission", "重报原因", required=False),
        Concept("AttestationName", "text", "Attested by", "签署人", required=False),
        Concept("AttestationPosition", "text", "Position", "签署人职务", required=False),
        Concept("AttestationDate", "date", "Attested on", "签署日期", required=False),
        Concept(
            "AttestationGiven",
            "flag",
            "The data are true, accurate and complete",
            "承诺数据真实、准确、完整",
            required=False,
        ),
        Concept("ContactName", "text", "Contact", "联系人", required=False),
        Concept("ContactPhone", "text", "Telephone", "联系电话", required=False),
        Concept("ContactMail", "text", "Mail", "电子邮箱", required=False),
        Concept("BookTitle", "text", "Book", "账簿"),
        Concept("BookSynthetic", "flag", "The book is synthetic", "合成账簿"),
        Concept("BookDigest", "text", "SHA-256 of the book", "账簿摘要（SHA-256）"),
        Concept("RunDigest", "text", "SHA-256 of the run's plan", "运行计划摘要（SHA-256）"),
        Concept("SoftwareVersion", "text", "Version of stresslab", "stresslab版本"),
        Concept("KernelDigest", "text", "SHA-256 of the kernels", "计算内核摘要（SHA-256）"),
        Concept("Seed", "count", "Seed", "随机种子", least=0),
        Concept("Paths", "count", "Paths of each scenario", "每情景路径数", least=1),
        Concept("Sampling", "text", "How paths are drawn", "路径抽样方式", "M-64"),
        Concept("ScaleTitle", "text", "Rating scale", "评级标准"),
        Concept("ScaleProvisional", "flag", "The rating scale is provisional", "评级标准为暂行"),
    ),
)
PLATFORMS = Table(
    "platforms",
    "Platforms on the reference date",
    "基准日平台",
    (PLATFORM,),
    (
        Concept("PlatformName", "text", "Name of the platform", "平台名称"),
        Concept("OwnCapital", "money", "Own capital", "自有资金"),
        Concept("Reserve", "money", "Reserve", "风险准备金"),
        Concept("Cash", "money", "Cash", "现金", least=0),
        Concept("LiquidPool", "money", "Liquid pool", "流动性资产池", least=0),
        Concept("OtherAssets", "money", "Other assets", "其他资产", least=0),
        Concept("Segregated", "money", "Segregated client money", "隔离客户资金", least=0),
        Concept("BankLine", "money", "Bank line that can be drawn", "可用银行授信", least=0),
        Concept("Loans", "money", "Loans", "融资余额", "M-3", least=0),
        Concept("Collateral", "money", "Collateral", "担保物市值", "M-3", least=0),
        Concept("Funding", "money", "Direct funding", "直接资金", least=0),
        Concept("Claims", "money", "Claims of clients", "客户债权", least=0),
        Concept(
            "ClaimsOnPlatform",
            "money",
            "Claims of clients, less those that segregated money covers",
            "客户债权（扣除隔离资金覆盖部分）",
            "M-29",
            least=0,
        ),
        Concept("AssetsStart", "money", "Assets", "资产总计", "M-29"),
        Concept("LiabilitiesStart", "money", "Liabilities and own funds", "负债与自有资金总计", "M-29"),
        Concept("Accounts", "count", "Accounts", "账户数", least=0),
        Concept("AccountsWithDebt", "count", "Accounts with debt", "有负债账户数", "M-35", least=0),
    ),
)
NARRATIVES = Table(
    "narratives",
    "Narrative",
    "文字说明",
    (TOPIC,),
    (Concept("Narrative", "long_text", "Text", "说明"),),
    required=False,
    language=True,
)
EVENTS = Table(
    "events",
    "Complaints and incidents",
    "投诉与事件",
    (ENTRY,),
    (
        Concept("EventKind", "text", "Kind: complaint or incident", "类别（投诉或事件）"),
        Concept("EventDate", "date", "Date", "日期"),
        Concept("EventCount", "count", "Number", "件数", least=1),
        Concept("EventDescription", "long_text", "What happened", "情况"),
        Concept("EventResolved", "flag", "Resolved", "已解决"),
    ),
    required=False,
)
RATE_CHANGES = Table(
    "rate_changes",
    "Rate changes",
    "利率调整记录",
    (ENTRY,),
    (
        Concept("ChangeDate", "date", "Effective on", "生效日期"),
        Concept("ChangeSubject", "text", "What was changed", "调整对象"),
        Concept("RateBefore", "ratio", "Rate before", "调整前利率", least=0),
        Concept("RateAfter", "ratio", "Rate after", "调整后利率", least=0),
        Concept("ChangeNotice", "count", "Notice, calendar days", "提前通知（自然日）", least=0),
        Concept("ChangeReason", "long_text", "Reason", "原因"),
    ),
    required=False,
)

# --- the stress form ----------------------------------------------------------------------------

SCENARIOS = Table(
    "scenarios",
    "Scenarios",
    "情景",
    (SCENARIO,),
    (
        Concept("ScenarioTitle", "text", "Title", "名称"),
        Concept("ScenarioTitleChinese", "text", "Title in Chinese", "中文名称"),
        Concept("ScenarioPurpose", "long_text", "What it supposes", "情景假设", required=False),
        Concept("ScenarioDays", "count", "Trading days", "交易日数", "M-4", least=1),
        Concept("CrashDepth", "share", "Fall of the market", "市场跌幅", "M-9", required=False),
        Concept("CrashTroughDay", "count", "Day of the trough", "谷底日", "M-9", required=False, least=1),
        Concept("RateShock", "ratio", "Rise of interest rates", "利率上升", "M-75", required=False),
        Concept("RedemptionShare", "share", "Share of claims that is redeemed", "赎回比例", "M-16", required=False),
        Concept("ScenarioDigest", "text", "SHA-256 of the resolved scenario", "情景摘要（SHA-256）"),
    ),
)
#: Figures of estimates that no column of an output table names.
_DERIVED = {
    "forced_sale_rate": ("forced-sale trigger rate", "强平触发率", "M-35"),
    "reaction_loss": ("loss of the reaction", "反应造成的损失", "M-50"),
    "rule_loss": ("loss of the rule", "规则造成的损失", "M-50"),
    "own_funds_coverage": ("own-funds coverage of the peak call", "自有资金覆盖率", "M-33"),
    "own_funds_coverage_unanswered": ("own-funds coverage of unanswered calls", "未补足追缴的自有资金覆盖率", "M-33"),
    "own_funds_absorption": ("share of the deficit that own funds bore", "自有资金吸收比例", "M-34"),
    "displaced_share": ("displaced share of forced sales", "被转移强平占比", "M-48"),
    "failure": ("failure", "失败", "M-28"),
    "unpaid_redemption": ("an unpaid redemption", "出现未兑付", "M-36"),
    "own_funds_exhausted": ("own funds exhausted", "自有资金耗尽", "M-36"),
    "any_deficit": ("any deficit", "出现穿仓", "M-26"),
    "coverage_below_15": ("own-funds coverage below 15%", "自有资金覆盖率低于15%", "M-43"),
}
_BOUNDED = {
    "forced_sale_rate",
    "own_funds_absorption",
    "displaced_share",
    "margin_coverage",
    "margin_coverage_fundamental",
}
_KINDS: dict[str, Kind] = {"yuan": "money", "accounts": "number", "days": "number"}


@cache
def _named() -> dict[str, tuple[str, str, str]]:
    held = {m.name: (m.en, m.zh, m.formula) for m in OUTPUTS["outcomes"]}
    return {name.removesuffix("_li").removesuffix("_ppm"): said for name, said in held.items()} | _DERIVED


def _figure(name: str, unit: str) -> Concept:
    en, zh, formula = _named()[name]
    kind: Kind = _KINDS.get(unit) or ("share" if name in _BOUNDED else "ratio")
    return Concept(camel(name), kind, en[:1].upper() + en[1:], zh, formula, required=False)


def _spread() -> tuple[Concept, ...]:
    units = {
        name: unit for name, statistic, unit in figure_names() if statistic in ("median", "mean") and unit != "day"
    }
    return tuple(_figure(name, unit) for name, unit in units.items())


def _chances() -> tuple[Concept, ...]:
    found = [name for name, statistic, _ in figure_names() if statistic == "probability"]
    chances = [
        Concept(
            f"Probability{camel(name)}",
            "share",
            f"Probability: {_named()[name][0]}",
            f"概率：{_named()[name][1]}",
            f"{_named()[name][2]}, M-38",
            required=False,
        )
        for name in found
    ]
    return (*chances, _figure("displaced_share", "%"))


_OF_BOTH = (("scenario", "scenarios"), ("platform", "platforms"))
_SPREAD_AXES = (SCENARIO, PLATFORM, STATISTIC.only("mean", "median", "q05", "q95", "tail_mean"))
FIGURES_TABLE = Table("figures", "Figures", "指标", _SPREAD_AXES, _spread(), refers=_OF_BOTH)
FIGURE_ERRORS = Table(
    "figure_errors",
    "Figures: errors and intervals",
    "指标：误差与区间",
    (*_SPREAD_AXES, PART),
    _spread(),
    required=False,
    refers=_OF_BOTH,
    bounded=False,
)
CHANCES = Table(
    "probabilities", "Probabilities and shares", "概率与占比", (SCENARIO, PLATFORM), _chances(), refers=_OF_BOTH
)
CHANCE_ERRORS = Table(
    "probability_errors",
    "Probabilities and shares: errors and intervals",
    "概率与占比：误差与区间",
    (SCENARIO, PLATFORM, PART),
    _chances(),
    required=False,
    refers=_OF_BOTH,
    bounded=False,
)
ABSORBED = ("reserve", "own_capital", "junior", "senior", "claims")
ASSETS = (
    ("LoansEnd", "Loans", "融资余额"),
    ("InTransitEnd", "Repayments on the way", "在途还款"),
    ("CashEnd", "Cash", "现金"),
    ("PoolEnd", "Liquid pool", "流动性资产池"),
    ("OtherAssetsEnd", "Other assets", "其他资产"),
)
OWED = (
    ("JuniorEnd", "Junior funding, less what it bore", "劣后资金（扣除已承担）"),
    ("SeniorEnd", "Senior funding, less what it bore", "优先资金（扣除已承担）"),
    ("ClaimsEnd", "Claims of clients, less what they bore", "客户债权（扣除已承担）"),
    ("ReserveEnd", "Reserve", "风险准备金"),
    ("OwnCapitalEnd", "Own capital", "自有资金"),
)
LAYERS = Table(
    "layers",
    "Loss waterfall and closing balance",
    "损失吸收层级与期末平衡",
    (SCENARIO, PLATFORM, STATISTIC.only("mean", "worst_path")),
    (
        Concept("LayeredDeficit", "money", "Deficit", "穿仓额", "M-26, M-200", least=0),
        *(
            Concept(
                f"BorneBy{camel(layer)}",
                "money",
                f"Deficit {_named()[f'absorbed_by_{layer}'][0]}",
                _named()[f"absorbed_by_{layer}"][1],
                "M-27, M-200",
                least=0,
            )
            for layer in ABSORBED
        ),
        *(Concept(name, "money", f"{en}, at the end", f"期末{zh}", "M-29, M-200") for name, en, zh in ASSETS),
        Concept("AssetsEnd", "money", "Assets at the end", "期末资产总计", "M-29, M-200"),
        *(Concept(name, "money", f"{en}, at the end", f"期末{zh}", "M-29, M-200") for name, en, zh in OWED),
        Concept(
            "LiabilitiesEnd", "money", "Liabilities and own funds at the end", "期末负债与自有资金总计", "M-29, M-200"
        ),
    ),
    refers=(("scenario", "scenarios"), ("platform", "platforms")),
)
RATINGS = Table(
    "ratings",
    "Rating after stress",
    "压力后评级",
    (SCENARIO, PLATFORM),
    (
        Concept("GradeAfter", "grade", "Grade after stress", "压力后等级", "M-42, M-43", required=False),
        Concept("ScoreAfter", "number", "Score", "得分", "M-42", required=False, least=0),
        Concept("Downgraded", "flag", "Two grades down for low coverage", "因覆盖不足下调两级", "M-43"),
        Concept(
            "FirstUnpaidDay",
            "number",
            "First unpaid redemption, earliest path",
            "首次未兑付日（最早路径）",
            "M-36",
            required=False,
            least=1,
        ),
    ),
    refers=(("scenario", "scenarios"), ("platform", "platforms")),
)
TRIPLE = Table(
    "triple",
    "Mild, moderate, severe",
    "轻度、中度、重度",
    (SEVERITY, PLATFORM),
    (
        Concept("TripleScenario", "text", "Scenario", "情景"),
        Concept("OwnFundsBefore", "money", "Own funds before", "事前自有资金", "M-33"),
        Concept("OwnFundsAfter", "money", "Own funds after, mean", "事后自有资金（均值）", "M-202"),
        Concept(
            "OwnFundsAfterWorst",
            "money",
            "Own funds after, path with the largest deficit",
            "事后自有资金（穿仓额最大路径）",
            "M-202",
        ),
        Concept(
            "OwnFundsRatioBefore",
            "ratio",
            "Own funds to loans before",
            "事前自有资金与融资余额之比",
            "M-202",
            required=False,
        ),
        Concept(
            "OwnFundsRatioAfter",
            "ratio",
            "Own funds after (mean) to loans before",
            "事后自有资金（均值）与事前融资余额之比",
            "M-202",
            required=False,
        ),
        Concept("TripleDeficitMean", "money", "Deficit, mean", "穿仓额（均值）", "M-26, M-38", least=0),
        Concept("TripleDeficitHigh", "money", "Deficit, 95% quantile", "穿仓额（95%分位数）", "M-26, M-39", least=0),
        Concept(
            "TripleCoverage",
            "ratio",
            "Own-funds coverage, median; none without calls",
            "自有资金覆盖率（中位数，无追缴则为空）",
            "M-33, M-39",
            required=False,
        ),
        Concept("TripleFailure", "share", "Probability of failure", "失败概率", "M-28, M-38"),
        Concept("TripleUnpaid", "share", "Probability of an unpaid redemption", "未兑付概率", "M-36, M-38"),
        Concept(
            "OwnFundsAfterError",
            "money",
            "Own funds after, mean: sampling error",
            "事后自有资金（均值）：抽样误差",
            "M-202, M-38",
            required=False,
        ),
        Concept(
            "TripleDeficitMeanError",
            "money",
            "Deficit, mean: sampling error",
            "穿仓额（均值）：抽样误差",
            "M-38",
            required=False,
        ),
        Concept(
            "TripleDeficitHighError",
            "money",
            "Deficit, 95% quantile: sampling error",
            "穿仓额（95%分位数）：抽样误差",
            "M-39",
            required=False,
        ),
        Concept(
            "TripleCoverageError",
            "ratio",
            "Own-funds coverage, median: sampling error",
            "自有资金覆盖率（中位数）：抽样误差",
            "M-39",
            required=False,
        ),
        Concept(
            "TripleFailureError",
            "share",
            "Probability of failure: sampling error",
            "失败概率：抽样误差",
            "M-38",
            required=False,
        ),
        Concept(
            "TripleUnpaidError",
            "share",
            "Probability of an unpaid redemption: sampling error",
            "未兑付概率：抽样误差",
            "M-38",
            required=False,
        ),
        Concept("TripleGrade", "grade", "Grade after stress", "压力后等级", "M-42, M-43", required=False),
    ),
    required=False,
    refers=(("platform", "platforms"),),
)

# --- the periodic form --------------------------------------------------------------------------

INVESTORS = Table(
    "investors",
    "Client structure",
    "客户结构",
    (PLATFORM, INVESTOR),
    (
        Concept("InvestorAccounts", "count", "Accounts of the type", "该类账户数", "M-201", least=0),
        Concept(
            "InvestorAccountsWithDebt", "count", "Accounts with debt of the type", "该类有负债账户数", "M-201", least=0
        ),
        Concept("InvestorLoans", "money", "Loans of the type", "该类融资余额", "M-201", least=0),
    ),
    refers=(("platform", "platforms"),),
)
LEVERAGE = Table(
    "leverage",
    "Leverage",
    "杠杆分布",
    (PLATFORM, BAND),
    (
        Concept("BandAccounts", "count", "Accounts with debt in the band", "区间内有负债账户数", "M-201", least=0),
        Concept("BandLoans", "money", "Loans in the band", "区间内融资余额", "M-201", least=0),
    ),
    refers=(("platform", "platforms"),),
)
FUNDING = Table(
    "funding",
    "Funding mix",
    "资金结构",
    (PLATFORM, SOURCE),
    (Concept("SourceFunding", "money", "Direct funding from the source", "该来源直接资金", "M-201", least=0),),
    refers=(("platform", "platforms"),),
)
CONCENTRATION = Table(
    "concentration",
    "Concentration",
    "集中度",
    (PLATFORM, OBJECT),
    (
        Concept("ConcentrationTotal", "money", "Total", "总额", "M-119", least=0),
        Concept("ConcentrationCount", "count", "Number", "个数", "M-119", least=0),
        Concept("ConcentrationIndex", "share", "Herfindahl-Hirschman index", "赫芬达尔指数", "M-119", required=False),
    ),
    refers=(("platform", "platforms"),),
)
LARGEST = Table(
    "largest",
    "Largest exposures",
    "最大敞口",
    (PLATFORM, OBJECT, RANK),
    (
        Concept("LargestAmount", "money", "Amount", "金额", "M-119", least=0),
        Concept("LargestShare", "share", "Share of the total", "占总额比例", "M-119"),
    ),
    required=False,
    refers=(("platform", "platforms"),),
)
MONITORED = Table(
    "monitored",
    "Monitored figures and their limits",
    "监测指标与限额",
    (PLATFORM, LIMIT),
    (
        Concept(
            "LimitValue",
            "number",
            "Value (percent or days); none where unbounded",
            "数值（%或天），无界则为空",
            "M-118, M-119, M-121",
            required=False,
        ),
        Concept("LimitAmber", "number", "Amber from", "黄灯阈值", required=False),
        Concept("LimitRed", "number", "Red from", "红灯阈值", required=False),
        Concept("LimitLight", "light", "Light", "灯号", "M-121"),
    ),
    refers=(("platform", "platforms"),),
)


def _form(name: str, en: str, zh: str, *tables: Table) -> Form:
    # Which tables a package holds is itself reported, as supervisors ask: a filing indicator for each.
    axis = Axis(
        "TableAxis",
        "table",
        "Table",
        "报表",
        tuple(Member(f"Table{camel(t.name)}", t.name, t.en, t.zh) for t in EVERY_TABLE),
    )
    indicators = Table(
        "indicators",
        "Filing indicators",
        "报送标识",
        (axis.only(*(t.name for t in tables)),),
        (Concept("Reported", "flag", "The table is reported", "已报送"),),
    )
    return Form(name, en, zh, (indicators, *tables))


_STRESS = (
    FILING,
    PLATFORMS,
    SCENARIOS,
    FIGURES_TABLE,
    FIGURE_ERRORS,
    CHANCES,
    CHANCE_ERRORS,
    LAYERS,
    RATINGS,
    TRIPLE,
    NARRATIVES,
    EVENTS,
    RATE_CHANGES,
)
_PERIODIC = (
    FILING,
    PLATFORMS,
    INVESTORS,
    LEVERAGE,
    FUNDING,
    CONCENTRATION,
    LARGEST,
    MONITORED,
    NARRATIVES,
    EVENTS,
    RATE_CHANGES,
)
EVERY_TABLE = tuple(dict.fromkeys((*_STRESS, *_PERIODIC)))
FORMS: dict[str, Form] = {
    "stress": _form("stress", "Stress submission", "压力测试报送", *_STRESS),
    "periodic": _form("periodic", "Periodic data report", "定期数据报送", *_PERIODIC),
}

SUMS = (
    Sum(
        "S-22",
        "platforms",
        "AssetsStart",
        ("Loans", "Cash", "LiquidPool", "OtherAssets"),
        "the assets do not add up",
        "资产各项之和不等于总计",
    ),
    Sum(
        "S-22",
        "platforms",
        "LiabilitiesStart",
        ("Funding", "ClaimsOnPlatform", "Reserve", "OwnCapital"),
        "liabilities and own funds do not add up",
        "负债与自有资金各项之和不等于总计",
    ),
    Sum(
        "S-21",
        "layers",
        "LayeredDeficit",
        tuple(f"BorneBy{camel(layer)}" for layer in ABSORBED),
        "the layers do not add up to the deficit (M-27)",
        "各层级吸收额之和不等于穿仓额（M-27）",
    ),
    Sum(
        "S-22",
        "layers",
        "AssetsEnd",
        tuple(name for name, _, _ in ASSETS),
        "the assets do not add up",
        "资产各项之和不等于总计",
    ),
    Sum(
        "S-22",
        "layers",
        "LiabilitiesEnd",
        tuple(name for name, _, _ in OWED),
        "liabilities and own funds do not add up",
        "负债与自有资金各项之和不等于总计",
    ),
)
#: Two concepts of a row that must be equal.
_UNBALANCED = ("assets and liabilities do not balance (M-29)", "资产与负债不平衡（M-29）")
BALANCES = (
    ("S-23", "platforms", "AssetsStart", "LiabilitiesStart", *_UNBALANCED),
    ("S-23", "layers", "AssetsEnd", "LiabilitiesEnd", *_UNBALANCED),
)
_ADDS_UP = ("does not add up to the platform's total", "与平台合计数不一致")
SUMS_OVER = (
    SumOver("S-24", "platforms", "Accounts", "investors", "InvestorAccounts", "InvestorTypeAxis", *_ADDS_UP),
    SumOver(
        "S-24", "platforms", "AccountsWithDebt", "investors", "InvestorAccountsWithDebt", "InvestorTypeAxis", *_ADDS_UP
    ),
    SumOver("S-24", "platforms", "Loans", "investors", "InvestorLoans", "InvestorTypeAxis", *_ADDS_UP),
    SumOver("S-24", "platforms", "AccountsWithDebt", "leverage", "BandAccounts", "LeverageBandAxis", *_ADDS_UP),
    SumOver("S-24", "platforms", "Loans", "leverage", "BandLoans", "LeverageBandAxis", *_ADDS_UP),
    SumOver("S-24", "platforms", "Funding", "funding", "SourceFunding", "FundingSourceAxis", *_ADDS_UP),
)


def concepts() -> tuple[Concept, ...]:
    """Every concept of the taxonomy, once."""
    found = [c for form in FORMS.values() for t in form.tables for c in t.concepts]
    return tuple({c.name: c for c in found}.values())


def axes() -> tuple[Axis, ...]:
    """Every axis once, with all of its members."""
    known: dict[str, Axis] = {}
    for form in FORMS.values():
        for table in form.tables:
            for axis in table.axes:
                held = known.get(axis.name)
                members = {m.name: m for m in (*(held.members if held else ()), *axis.members)}
                known[axis.name] = replace(axis, members=tuple(members.values()))
    return tuple(known.values())
