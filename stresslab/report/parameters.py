"""The parameters of all scenarios in one table, with numbered sources."""

from __future__ import annotations

from typing import Any

from stresslab.glossary import INVESTOR_TYPES
from stresslab.report.amounts import NONE, plain
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Phrase, same
from stresslab.report.run_tables import RunTables

#: Block of a scenario file, key, name, unit.
_ROWS: tuple[tuple[str, str, Phrase, str], ...] = (
    ("", "days", Phrase("Trading days", "交易日数"), ""),
    ("market", "model", Phrase("Model of the factor", "因子模型"), ""),
    ("market", "volatility_multiplier", Phrase("Volatility multiplier", "波动率倍数"), ""),
    ("crash", "depth_pct", Phrase("Crash, depth", "暴跌深度"), "%"),
    ("crash", "definition", Phrase("Crash, definition", "暴跌定义"), ""),
    ("crash", "index", Phrase("Crash, index", "暴跌所指指数"), ""),
    ("crash", "trough_day", Phrase("Trough day", "谷底日"), ""),
    ("crash", "shape", Phrase("Shape", "形状"), ""),
    ("crash", "after", Phrase("After the trough", "谷底之后"), ""),
    ("rates", "shock_pct", Phrase("Rate shock", "利率冲击"), "%"),
    ("rates", "day", Phrase("Rate shock, day", "利率冲击日"), ""),
    ("redemption", "share_pct", Phrase("Redemption, share of claims", "兑付占可兑付债权"), "%"),
    ("redemption", "who", Phrase("Redemption, by whom", "兑付者"), ""),
    ("redemption", "start_day", Phrase("Redemption, first day", "兑付起始日"), ""),
    ("redemption", "over_days", Phrase("Redemption, over days", "兑付持续日数"), ""),
    ("liquidity", "impact", Phrase("Impact law", "冲击规律"), ""),
    ("liquidity", "impact_coefficient", Phrase("Impact coefficient", "冲击系数"), ""),
    ("liquidity", "participation_pct", Phrase("Participation in turnover", "参与率"), "%"),
    ("liquidity", "permanent_share_pct", Phrase("Permanent share of impact", "永久冲击占比"), "%"),
    (
        "liquidity",
        "half_life_days",
        Phrase("Half-life of the rest, days", "其余冲击半衰期（日）"),
        "",
    ),
    (
        "liquidity",
        "expected_impact_pct",
        Phrase("Impact expected when sizing a sale", "定量时预计冲击"),
        "%",
    ),
    ("liquidity", "rounds_max", Phrase("Rounds a day, at most", "单日最多轮数"), ""),
    ("liquidity", "pool_haircut_pct", Phrase("Haircut of the pool", "资产池折价"), "%"),
    ("behaviour", "grace_days", Phrase("Grace to answer a call, days", "追缴宽限（日）"), ""),
    (
        "behaviour",
        "answer_pct",
        Phrase(
            "Clients who answer: retail, professional, institution", "补足比例：散户、专业、机构"
        ),
        "%",
    ),
    (
        "behaviour",
        "mood_pct",
        Phrase("Loss of answers with a fall of the factor", "补足随因子下跌的减少"),
        "%",
    ),
    (
        "operations",
        "payment_grace_days",
        Phrase("Grace before failure, days", "失败前宽限（日）"),
        "",
    ),
    ("operations", "after_failure", Phrase("Loans after failure", "失败后的融资"), ""),
)

#: Words of scenario files that are not names.
_WORDS: dict[str, Phrase] = {
    "gbm": Phrase("gbm", "几何布朗运动"),
    "deterministic": Phrase("deterministic", "无噪声"),
    "terminal": Phrase("terminal", "终点"),
    "gap": Phrase("gap", "跳空"),
    "ramp": Phrase("ramp", "斜坡"),
    "bridge": Phrase("bridge", "布朗桥"),
    "free": Phrase("free", "自由"),
    "flat": Phrase("flat", "持平"),
    "top_clients": Phrase("largest client groups", "最大客户集团"),
    "pro_rata": Phrase("pro rata", "按比例"),
    "sqrt": Phrase("square root", "平方根"),
    "linear": Phrase("linear", "线性"),
    "none": Phrase("none", "无"),
    "held": Phrase("held", "维持"),
    "called": Phrase("all called", "全部收回"),
}


def _block(scenario: dict[str, Any], name: str) -> dict[str, Any]:
    if not name:
        return scenario
    found = scenario.get("market", {}).get("crash") if name == "crash" else scenario.get(name)
    return found or {}


def _shown(value: Any, unit: str) -> Phrase:
    if value is None:
        return NONE
    if isinstance(value, dict):
        return same(" / ".join(plain(value.get(who)).en for who in INVESTOR_TYPES) + unit)
    if isinstance(value, str):
        return _WORDS.get(value, same(value))
    shown = plain(value)
    return Phrase(shown.en + unit, shown.zh + unit)


def parameters(run: RunTables) -> tuple[Table, list[str]]:
    """The table of parameters and its sources; a bracketed number in a cell names its source."""
    sources: list[str] = []
    rows = []
    for block, key, name, unit in _ROWS:
        found = [_block(s, block) for s in run.scenarios]
        cells = [
            (
                _shown(b.get(key), unit),
                _place(b.get("source"), sources) if b.get(key) is not None else 0,
            )
            for b in found
        ]
        rows.append(Row(name, NOTHING, _collapsed(cells)))
    table = Table(
        title=Phrase("Parameters of the scenarios", "情景参数"),
        first=Phrase("Parameter", "参数"),
        style="parameters",
        heads=tuple(Head(same(s["id"])) for s in run.scenarios),
        rows=tuple(rows),
        formulas=("M-8", "M-9", "M-11", "M-16", "M-20", "M-21", "M-24", "M-15", "M-28"),
        note=Phrase(
            "A value that all scenarios share is printed once. Numbers in brackets name the sources below.",
            "各情景相同的取值只印一次。方括号内的数字为下列来源编号。",
        ),
    )
    return table, sources


def _place(source: Any, sources: list[str]) -> int:
    if not source:
        return 0
    if str(source) not in sources:
        sources.append(str(source))
    return sources.index(str(source)) + 1


def _collapsed(cells: list[tuple[Phrase, int]]) -> tuple[Cell, ...]:
    if len(set(cells)) == 1 and len(cells) > 1:
        value, source = cells[0]
        return (Cell(value, note=_mark(source), span=len(cells), tone="shared"),)
    return tuple(Cell(value, note=_mark(source)) for value, source in cells)


def _mark(source: int) -> Phrase:
    return same(f"[{source}]") if source else NOTHING
