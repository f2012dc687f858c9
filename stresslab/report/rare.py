"""Rare events as a table of the report and as lines of the summary: what is known, how well, and why (M-91, M-92)."""

from __future__ import annotations

import math
from typing import Any

from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import Phrase, same
from stresslab.report.run_tables import RunTables, number

_METHODS = {
    "crude": Phrase("crude Monte Carlo", "直接蒙特卡洛"),
    "tilt": Phrase("importance sampling, tilted factors", "重要性抽样（因子倾斜）"),
    "tilt_names": Phrase("importance sampling, tilted factors and names", "重要性抽样（因子与个券倾斜）"),
    "splitting": Phrase("multilevel splitting", "多层分裂"),
}
UNKNOWN = Phrase("not known", "未知")


def probability(value: float) -> str:
    """A probability with three digits, as powers of ten where it is small."""
    if math.isnan(value):
        return "—"
    if value >= 1e-3:
        return f"{100 * value:.3g}%"
    digits, power = f"{value:.2e}".split("e")
    return f"{digits}×10^{int(power)}".replace("-", "\u2212") if value > 0 else "0"


def _rows(run: RunTables) -> list[dict[str, Any]]:
    return [] if run.tail is None else [{str(k): v for k, v in row.items()} for row in run.tail.to_dict("records")]


def _cells(row: dict[str, Any]) -> tuple[Cell, ...]:
    value, error = number(row["probability"]), number(row["relative_error"])
    low, high = number(row["low"]), number(row["high"])
    shown = same(probability(value)) if row["known"] else UNKNOWN
    spread = same(f"±\u00a0{100 * error:.2g}%") if row["known"] and math.isfinite(error) else None
    span = same(f"{probability(low)} … {probability(high)}") if row["known"] else same("—")
    gain, effective, share = number(row["gain"]), number(row["effective"]), number(row["largest_share"])
    return (
        Cell(_METHODS[row["method"]], note=Phrase("answer", "结果") if row["role"] == "answer" else Phrase("check", "校验")),
        Cell(shown, spread, tone="" if row["known"] else "bad"),
        Cell(span),
        Cell(same(f"{int(row['paths']):,} + {int(row['paths_before']):,}")),
        Cell(same("—" if math.isnan(effective) else f"{effective:,.0f}")),
        Cell(same("—" if math.isnan(share) else f"{100 * share:.1f}%")),
        Cell(same("—" if math.isnan(gain) or not row["known"] else f"{gain:,.3g}")),
    )


def verdict(row: dict[str, Any]) -> Phrase:
    """The reasons of an answer."""
    return Phrase(str(row["reason"]), str(row["reason_zh"]))


def table(run: RunTables) -> Table | None:
    """Every event with its answer and the methods that checked it; None for a run without rare events."""
    rows = []
    for row in _rows(run):
        answer = row["role"] == "answer"
        title = Phrase("{scenario}, {platform}: {event}", "{scenario}，{platform}：{event}").fill(
            scenario=row["scenario"], platform=row["platform_id"], event=row["event"]) if answer else Phrase("", "")
        rows.append(Row(title, verdict(row) if answer else Phrase("", ""), _cells(row)))
    if not rows:
        return None
    return Table(
        title=Phrase("Probability of each event within the run, unconditional", "各事件在运行期内的无条件概率"),
        first=Phrase("Event", "事件"),
        heads=(
            Head(Phrase("Method", "方法")), Head(Phrase("Probability", "概率")), Head(Phrase("95% interval", "95%区间")),
            Head(Phrase("Paths + pilots", "路径+先导")), Head(Phrase("Effective", "有效数")), Head(Phrase("Heaviest", "最重占比")),
            Head(Phrase("Gain", "效率倍数")),
        ),
        rows=tuple(rows),
        formulas=("M-84", "M-89", "M-91", "M-92"),
        note=Phrase(
            "Effective: paths at the event that the weights amount to, or repetitions. Gain: crude paths that one path stands for, "
            "pilots included. The small figure is the relative standard error.",
            "有效数：按权重折算的事件路径数（分裂法为重复数）。效率倍数：每条路径（含先导）相当于多少条直接模拟路径。小字为相对标准误。",
        ),
    )


def lines(run: RunTables) -> list[Phrase]:
    """One line for each event: the answer, or that it is not known, and why."""
    out = []
    for row in _rows(run):
        if row["role"] != "answer":
            continue
        head = Phrase("{scenario} {platform}: P({event}) within the run", "{scenario} {platform}：运行期内 P({event})").fill(
            scenario=row["scenario"], platform=row["platform_id"], event=row["event"])
        reasons = verdict(row)
        if row["known"]:
            value = probability(number(row["probability"]))
            span = f"{probability(number(row['low']))} … {probability(number(row['high']))}"
            told = Phrase(f"{head.en} = {value} (95%: {span}); {reasons.en}", f"{head.zh} = {value}（95%：{span}）；{reasons.zh}")
        else:
            told = Phrase(f"{head.en} is not known: {reasons.en}", f"{head.zh} 未知：{reasons.zh}")
        out.append(told)
    return out
