"""The page of warnings on a finished run: indicators on synthetic labels, how many histories each needs, a rule in shadow."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from stresslab.report import charts, run_learned
from stresslab.report.charts import GRID, INK, LINE_COLOURS, LINE_DASHES, MUTED
from stresslab.report.early_warning_words import told
from stresslab.report.exhibits import Cell, Figure, Head, Key, Row, Table
from stresslab.report.phrase import NOTHING, Language, Phrase, same
from stresslab.report.run_learned import ENDINGS
from stresslab.report.templates import environment

_HERE = Path(__file__).parent
#: Lines of the picture: more than so many cannot be told apart.
_LINES = 5
#: An area from which on an indicator may be worth drawing.
_BETTER = 0.55
NAMES = {
    "own_funds_lost": Phrase("own funds lost", "自有资金损失"),
    "own_funds_lost_5d": Phrase("own funds lost in 5 days", "5日自有资金损失"),
    "margin_call": Phrase("open margin calls", "未补追缴"),
    "sold_5d": Phrase("forced sales of 5 days", "5日强平额"),
    "forced_5d": Phrase("accounts forced in 5 days", "5日强平账户"),
    "unpaid": Phrase("unpaid redemptions", "未付赎回"),
    "basket_fall": Phrase("fall of the collateral", "担保品跌幅"),
    "basket_fall_5d": Phrase("its fall in 5 days", "担保品5日跌幅"),
    "basket_swing_5d": Phrase("its swing of 5 days", "担保品5日波动"),
    "pressure": Phrase("price pressure", "价格压力"),
    "locked": Phrase("instruments locked", "跌停封死数"),
    "factor_fall": Phrase("fall of the market", "市场跌幅"),
    "day": Phrase("the day alone (naive)", "仅看日期（朴素）"),
}
SYNTHETIC = Phrase(
    "SYNTHETIC: labels come from simulated paths. They hold given the scenario and the model of the run, and say nothing of how often "
    "such histories come; no real crisis stands behind any number here.",
    "合成结果：标签来自模拟路径，仅在本次情景与模型下成立，不说明此类历史的发生频率；所有数字均无真实危机作依据。",
)


def run_warnings_page(record: dict[str, Any], tables: dict[str, pd.DataFrame], *, language: Language = "zh") -> str:
    """The page in both languages; the same tables give the same bytes, and the file needs nothing else."""
    figure = _curves(tables["power"], tables["indicators"])
    numbers = {"table": iter(range(1, 99)), "figure": iter(range(1, 99))}
    return (
        environment()
        .get_template("run_warnings.html.j2")
        .render(
            css=Markup((_HERE / "report.css").read_text(encoding="utf-8")), language=language, record=record, synthetic=SYNTHETIC,
            facts=_facts(record), findings=findings(record, tables), figures=[] if figure is None else [figure],
            tables=[_indicators(record, tables), *_power(tables["power"])], shadow=_shadow(record),
            reasons=_reasons(record) + run_learned.in_shadow(record),
            endings=run_learned.endings(record, tables), models=run_learned.models(tables), actions=run_learned.actions(tables),
            table_number=lambda: next(numbers["table"]), figure_number=lambda: next(numbers["figure"]),
        )
    )


def summary(record: dict[str, Any], tables: dict[str, pd.DataFrame], language: Language) -> list[str]:
    """What the verb prints, in one language."""
    lines = [SYNTHETIC.pick(language), *(f"{head.pick(language)}: {value.pick(language)}" for head, value in _facts(record)), ""]
    for row in tables["indicators"].to_dict("records"):
        error = "" if not math.isfinite(row["error"]) else f" ± {row['error']:.3f}"
        need = _need(record, row["indicator"]).pick(language)
        lines.append(f"  {row['indicator']:20}{told(row['auroc'], 3).pick(language)}{error}   {need}")
    lines += ["", *run_learned.lines(tables, language), ""]
    for name, value in record.get("comparison", {}).items():
        lines.append(f"{name:24}{'—' if value is None else f'{value:.3f}' if isinstance(value, float) else value}")
    if "verdict" in record:
        lines += [f"{'✓' if r['holds'] else '✗'} {r[language]}" for r in record["verdict"]["reasons"]]
    return [*lines, "", *(f"- {f.pick(language)}" for f in findings(record, tables))]


def _facts(record: dict[str, Any]) -> list[tuple[Phrase, Phrase]]:
    scenarios = ", ".join(record["run"].get("scenarios", [])) or "—"
    return [
        (Phrase("Scenarios", "情景"), same(scenarios)),
        (Phrase("Foretold", "预警对象"), Phrase("{e} within {h} trading days", "{h}个交易日内{e}").fill(
            e=ENDINGS[record["ending"]], h=record["horizon"])),
        (Phrase("Histories", "模拟历史"), Phrase("{n}, of them {k} with an ending to foretell", "{n}条，其中{k}条有可预警结局").fill(
            n=f"{record['histories']:,}", k=f"{record['histories_with_ending']:,}")),
        (Phrase("Labelled days", "有标签日"), same(f"{record['days']:,}")),
    ]


def _need(record: dict[str, Any], name: str) -> Phrase:
    if name not in record["needed"]:
        return same("—")
    least = record["needed"][name]
    return Phrase("more than tried", "超出所试") if least is None else Phrase(f"{least} histories", f"{least}条")


def findings(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> list[Phrase]:
    """What a reader should take away."""
    scores = tables["indicators"].dropna(subset=["auroc"])
    said: list[Phrase] = []
    if scores.empty:
        said.append(Phrase(
            "Nothing can be scored: no path of this run ends within the horizon after a labelled day, or all do. "
            "Take a harder or milder scenario, another ending, or more paths.",
            "无法评分：没有路径（或全部路径）在窗口内出现结局。请调整情景、结局或路径数。"))
    else:
        best, naive = scores.iloc[0], scores[scores["indicator"] == "day"]
        said.append(Phrase(
            "The highest AUROC is {v} ({i}); the day of the scenario alone, which no one could act on, has {d}.",
            "最高AUROC为{v}（{i}）；仅看情景日期（不可据以行动）为{d}。",
        ).fill(v=told(best["auroc"], 3), i=NAMES[best["indicator"]], d=told(naive["auroc"].iloc[0] if len(naive) else None, 3)))
        said.append(Phrase(
            "To tell it ({i}) from chance in four draws of five takes: {n}.", "五次抽样中四次能将其（{i}）与随机区分，需：{n}。",
        ).fill(i=NAMES[best["indicator"]], n=_need(record, best["indicator"])))
    said += run_learned.findings(tables)
    if len(record["run"].get("scenarios", [])) > 1:
        said.append(Phrase(
            "Days of {n} scenarios are pooled: part of every area is telling a hard scenario from a mild one.",
            "合并了{n}个情景的日期：各面积部分来自区分情景轻重。").fill(n=len(record["run"]["scenarios"])))
    if "verdict" in record:
        verdict = Phrase("may act", "可以启用") if record["verdict"]["promoted"] else Phrase("stays in shadow", "继续影子运行")
        said.append(Phrase("The rule in shadow {v} on this run.", "影子规则在本次运行上{v}。").fill(v=verdict))
    return said


def _indicators(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Table:
    rows = []
    for r in tables["indicators"].to_dict("records"):
        error = same(f"±\u00a0{r['error']:.3f}") if math.isfinite(r["error"]) else None
        cells = (Cell(told(r["auroc"], 3), error), Cell(same(f"{r['days']:,}")), Cell(_need(record, r["indicator"])))
        rows.append(Row(NAMES[r["indicator"]], NOTHING, cells))
    heads = (Head(Phrase("AUROC", "AUROC")), Head(Phrase("days", "日数")), Head(Phrase("needed for power 0.8", "功效0.8所需")))
    note = Phrase("± error over whole histories (M-198). Needed: the least number tried from which on the power is 0.8 or more (M-265).",
                  "±为按整条历史计算的误差（M-198）。所需：功效自此不低于0.8的最小尝试数（M-265）。")
    return Table(Phrase("Indicators on synthetic labels", "指标（合成标签）"), heads, tuple(rows), (), note, Phrase("Indicator", "指标"))


def _power(power: pd.DataFrame) -> list[Table]:
    if power.empty:
        return []
    sizes = sorted(set(power["histories"]))
    rows = []
    for name, own in power.groupby("indicator", sort=False):
        by = own.set_index("histories")
        rows.append(Row(NAMES[str(name)], NOTHING, tuple(
            Cell(told(by.loc[n, "power"], 2), None, Phrase("AUROC {a} to {b}", "AUROC {a}至{b}").fill(
                a=told(by.loc[n, "low"], 2), b=told(by.loc[n, "high"], 2))) for n in sizes)))
    heads = tuple(Head(Phrase(f"{n} histories", f"{n}条历史")) for n in sizes)
    note = Phrase("Share of {r} draws in which the lower 95% bound of the AUROC lies above ½ (M-199); below it the span of 95% of draws.",
                  "{r}次抽样中AUROC的95%下界高于½的比例（M-199）；下方为95%抽样的范围。").fill(r=int(power["repetitions"].iloc[0]))
    return [Table(Phrase("Power: how much data an indicator needs", "功效：指标需要多少数据"), heads, tuple(rows), (), note,
                  Phrase("Indicator", "指标"))]


def _curves(power: pd.DataFrame, scores: pd.DataFrame) -> Figure | None:
    """Power against the number of histories: the best indicators and the naive one."""
    shown = [n for n in scores["indicator"] if n in set(power["indicator"])]
    # The best, the naive one, and of those better than chance the ones that need most histories: the others all lie on the upper edge.
    least = power.groupby("indicator", sort=False)["power"].min()
    good = set(scores.loc[scores["auroc"] > _BETTER, "indicator"])
    slow = sorted((n for n in shown[1:] if n in good and n != "day"), key=lambda n: float(least[n]))[: _LINES - 2]
    shown = list(dict.fromkeys([shown[0], *(n for n in shown if n in slow), *(n for n in shown if n == "day")])) if shown else []
    sizes = sorted(set(power["histories"]))
    if not shown or len(sizes) < 2:
        return None
    title = Phrase("Power by number of histories (synthetic)", "功效与历史条数（合成）")
    keys = []
    with charts.drawing(250, left=46) as chart:
        for place, name in enumerate(shown):
            own = power[power["indicator"] == name].sort_values("histories")
            colour, dash = LINE_COLOURS[place % len(LINE_COLOURS)], LINE_DASHES[place % len(LINE_DASHES)]
            (line,) = chart.axes.plot(
                [sizes.index(n) for n in own["histories"]], own["power"], marker="o", markersize=3.5, color=colour, linewidth=1.4)
            if dash:
                line.set_dashes([float(d) / 1.2 for d in dash.split()])
            keys.append(Key(NAMES[name], colour, line=True, dash=dash))
        chart.axes.plot([0, len(sizes) - 1], [0.8, 0.8], color=INK, linewidth=0.9)
        chart.axes.set_ylim(-0.02, 1.02)
        chart.ticks("y", [0, 0.25, 0.5, 0.75, 1], [same(t) for t in ("0", "0.25", "0.5", "0.75", "1")], color=MUTED)
        chart.ticks("x", list(range(len(sizes))), [same(n) for n in sizes], color=MUTED)
        chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
        return Figure(title, chart.svg("power", title), tuple(keys), (), Phrase("The line stands at 0.8.", "横线为0.8。"))


def _shadow(record: dict[str, Any]) -> Table | None:
    row = record.get("comparison")
    if row is None:
        return None
    sides = (("shadow", Phrase("in shadow", "影子")), ("in_force", Phrase("in force", "现行")))
    heads = (Phrase("days warned alone", "单独报警日"), Phrase("endings warned", "预警结局"), Phrase("median lead, days", "中位提前（日）"),
             Phrase("false alarms a year", "误报/年"), Phrase("usefulness", "有用性"))
    rows = [
        Row(Phrase("{s}: {r}", "{s}：{r}").fill(s=name, r=row[side]), NOTHING, (
            Cell(same(f"{row[f'{side}_alone']:,}")), Cell(same(f"{row[f'warned_{side}']:,} / {row['endings']:,}")),
            Cell(told(row[f"lead_{side}"], 1)), Cell(told(row[f"false_alarms_{side}"], 1)), Cell(told(row[f"usefulness_{side}"], 3))))
        for side, name in sides
    ]
    note = Phrase("Usefulness gained {d}, 95% interval {a} to {b}. Both warn on {n} days, neither on {q}.",
                  "有用性增量{d}，95%区间{a}至{b}。同时报警{n}日，均未报警{q}日。").fill(
        d=told(row["difference"], 3), a=told(row["low"], 3), b=told(row["high"], 3), n=f"{row['both']:,}", q=f"{row['neither']:,}")
    title = Phrase("A rule in shadow beside the one in force", "影子规则与现行规则对照")
    return Table(title, tuple(Head(h) for h in heads), tuple(rows), (), note, Phrase("Rule", "规则"))


def _reasons(record: dict[str, Any]) -> list[Phrase]:
    mark = {True: "✓", False: "✗"}
    return [Phrase(f"{mark[r['holds']]} {r['en']}", f"{mark[r['holds']]} {r['zh']}") for r in record.get("verdict", {}).get("reasons", [])]
