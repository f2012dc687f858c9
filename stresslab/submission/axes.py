"""The grammar of the taxonomy: what a concept, an axis, a table and a form are, and every axis with its members in both languages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from stresslab.glossary import INVESTOR_TYPES, SOURCES
from stresslab.limits import FIGURES

#: The version of the taxonomy: a change of any concept, axis, table or rule gives a new date.
VERSION = "2026-11-30"
BASE = f"https://example.org/stresslab/taxonomy/{VERSION}/"
NS = BASE.removesuffix("/")
PREFIX = "sl"

Kind = Literal["money", "share", "ratio", "number", "count", "text", "long_text", "flag", "date", "grade", "light"]
#: Decimals that numbers are reported with: money in yuan to the 厘, shares and ratios as decimals (0.0931, not 9.31).
DECIMALS: dict[str, int] = {"money": 3, "share": 8, "ratio": 8, "number": 6, "count": 0}
GRADES = ("AAA", "AA", "A", "B")
LIGHTS = (("green", "Green", "绿"), ("amber", "Amber", "黄"), ("red", "Red", "红"))
LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Concept:
    """One reported concept; ``formula`` names formulas of docs/method.md, ``least`` bounds the value below."""

    name: str
    kind: Kind
    en: str
    zh: str
    formula: str = ""
    required: bool = True
    least: int | None = None


@dataclass(frozen=True)
class Member:
    """One member of an explicit axis; ``value`` is what rows of a run call it."""

    name: str
    value: str
    en: str
    zh: str


@dataclass(frozen=True)
class Axis:
    """One dimension: explicit with its members, or typed (an identifier, or a number of a list) without any."""

    name: str
    column: str
    en: str
    zh: str
    members: tuple[Member, ...] = ()
    number: bool = False

    def only(self, *values: str) -> Axis:
        """The same axis with some of its members: what one table may use."""
        return replace(self, members=tuple(m for m in self.members if m.value in values))

    def qname(self, value: str) -> str:
        """How a cell names a value of this axis."""
        if not self.members:
            return value
        return f"{PREFIX}:{next(m.name for m in self.members if m.value == value)}"


@dataclass(frozen=True)
class Table:
    """One table: its axes name a row, its concepts are columns. ``language``: rows hold text in a language of their own."""

    name: str
    en: str
    zh: str
    axes: tuple[Axis, ...]
    concepts: tuple[Concept, ...]
    required: bool = True
    language: bool = False
    #: Axis columns whose values must stand in the table that defines them.
    refers: tuple[tuple[str, str], ...] = ()
    #: False where cells hold errors and intervals of figures, which may pass the bounds of the figures themselves.
    bounded: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that together name a row."""
        return (*(a.column for a in self.axes), *(("language",) if self.language else ()))

    @property
    def columns(self) -> tuple[str, ...]:
        """The header of the table's file."""
        return (*self.keys, *(c.name for c in self.concepts))


@dataclass(frozen=True)
class Form:
    """One entry point of the taxonomy."""

    name: str
    en: str
    zh: str
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table:
        """A table by its name; KeyError where the form has none."""
        return {t.name: t for t in self.tables}[name]


@dataclass(frozen=True)
class Sum:
    """A total and its parts, on one row, within rounding: a calculation of the taxonomy."""

    rule: str
    table: str
    total: str
    parts: tuple[str, ...]
    en: str
    zh: str


@dataclass(frozen=True)
class SumOver:
    """A total in one table that the rows of another must add up to: a formula assertion of the taxonomy."""

    rule: str
    total_table: str
    total: str
    table: str
    part: str
    axis: str
    en: str
    zh: str


def camel(name: str) -> str:
    """The concept's name of a measure: own_funds_coverage is OwnFundsCoverage."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _members(prefix: str, *rows: tuple[str, str, str]) -> tuple[Member, ...]:
    return tuple(Member(f"{prefix}{camel(value.replace('-', '_'))}", value, en, zh) for value, en, zh in rows)


SCENARIO = Axis("ScenarioAxis", "scenario", "Scenario", "情景")
PLATFORM = Axis("PlatformAxis", "platform", "Platform", "平台")
STATISTIC = Axis(
    "StatisticAxis",
    "statistic",
    "Statistic",
    "统计量",
    _members(
        "Statistic",
        ("mean", "Mean over paths", "路径均值"),
        ("median", "Median", "中位数"),
        ("q05", "5% quantile", "5%分位数"),
        ("q95", "95% quantile", "95%分位数"),
        ("tail_mean", "Mean of the worst 5%", "最差5%均值"),
        ("worst_path", "The path with the largest deficit", "穿仓额最大的路径"),
    ),
)
PART = Axis(
    "PartAxis",
    "part",
    "Error of a figure",
    "估计误差",
    _members(
        "Part",
        ("error", "Sampling error", "抽样误差"),
        ("low", "95% interval, low", "95%区间下限"),
        ("high", "95% interval, high", "95%区间上限"),
    ),
)
SEVERITY = Axis(
    "SeverityAxis",
    "severity",
    "Severity",
    "严重程度",
    _members("Severity", ("mild", "Mild", "轻度"), ("moderate", "Moderate", "中度"), ("severe", "Severe", "重度")),
)
TOPIC = Axis(
    "TopicAxis",
    "topic",
    "Topic",
    "事项",
    _members(
        "Topic",
        ("methodology", "Method and models", "方法与模型"),
        ("assumptions", "Assumptions and parameters", "假设与参数"),
        ("result_mild", "Result, mild", "轻度情景结果"),
        ("result_moderate", "Result, moderate", "中度情景结果"),
        ("result_severe", "Result, severe", "重度情景结果"),
        ("measures", "Measures taken and planned", "已采取及拟采取的措施"),
        ("governance", "Governance and sign-off", "治理与审批"),
    ),
)
INVESTOR = Axis(
    "InvestorTypeAxis",
    "investor_type",
    "Investor type",
    "投资者类型",
    _members(
        "Investor",
        *zip(INVESTOR_TYPES, ("Retail", "Professional", "Institution"), ("个人", "专业", "机构"), strict=True),
    ),
)
SOURCE = Axis(
    "FundingSourceAxis",
    "source",
    "Source of funding",
    "资金来源",
    _members(
        "Source",
        *zip(
            SOURCES,
            ("Own", "Bank", "Non-bank", "Peer-to-peer", "Shareholder", "Foreign"),
            ("自有", "银行", "非银行", "P2P", "股东", "境外"),
            strict=True,
        ),
    ),
)
OBJECT = Axis(
    "ConcentrationAxis",
    "object",
    "Concentration of",
    "集中度对象",
    _members(
        "Object",
        ("client", "Client groups", "客户集团"),
        ("funder", "Funders", "资金方"),
        ("instrument", "Instruments", "证券"),
        ("sector", "Sectors", "行业"),
    ),
)
LIMIT = Axis(
    "LimitAxis",
    "limit",
    "Monitored figure",
    "监测指标",
    _members(
        "Limit",
        *(
            (name, name.removesuffix("_pct").replace("_", " "), zh)
            for name, zh in zip(
                FIGURES,
                (
                    "现金流覆盖率（7日）",
                    "现金流覆盖率（30日）",
                    "净流出比率（30日）",
                    "流动性覆盖率",
                    "流动性资产池占可兑付债权",
                    "存续天数",
                    "最大客户集团占比",
                    "前三大客户集团占比",
                    "前五大客户集团占比",
                    "客户赫芬达尔指数",
                    "最大资金方占比",
                    "资金方赫芬达尔指数",
                    "最大单一证券占比",
                    "前五大证券占比",
                    "最大行业占比",
                    "行业赫芬达尔指数",
                    "资本充足率",
                    "外资缓冲",
                    "高杠杆负债占比",
                ),
                strict=True,
            )
        ),
    ),
)
#: Lower edges of the leverage bands of (M-201) in tenths; the last band has no end.
BAND_EDGES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 11.0)


def band(edge: float) -> str:
    """The value of the leverage band that begins at an edge: 1.5 is from-15-tenths."""
    return f"from-{round(edge * 10)}-tenths"


def _bands() -> tuple[Member, ...]:
    ends = (*(f"{e:g}" for e in BAND_EDGES[1:]), "")
    rows = [
        (
            band(low),
            f"Leverage {low:g} to below {end}" if end else f"Leverage {low:g} and above, or no equity",
            f"杠杆{low:g}至{end}以下" if end else f"杠杆{low:g}及以上或无权益",
        )
        for low, end in zip(BAND_EDGES, ends, strict=True)
    ]
    return _members("Leverage", *rows)


BAND = Axis("LeverageBandAxis", "leverage_band", "Leverage band", "杠杆区间", _bands())
ENTRY = Axis("EntryAxis", "entry", "Entry number", "序号", number=True)
RANK = Axis("RankAxis", "rank", "Rank by size", "规模排名", number=True)
