"""VaR and expected shortfall on a backtest's page: one table, one picture, and what to take away (M-269 to M-273)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from stresslab.early_warning.risk_forecasts import LEAST, METHODS, WINDOW
from stresslab.report import charts
from stresslab.report.charts import GRID, LINE_COLOURS, LINE_DASHES, MUTED
from stresslab.report.early_warning_words import WINDOWS, told
from stresslab.report.exhibits import Cell, Figure, Head, Key, Row, Table
from stresslab.report.phrase import NOTHING, Language, Phrase, same

NAMES = {name: Phrase(en, zh) for name, (en, zh) in METHODS.items()}
ZONES = {"green": Phrase("green", "绿"), "yellow": Phrase("yellow", "黄"), "red": Phrase("red", "红")}
_TONES = {"green": "good", "yellow": "", "red": "bad"}
#: A p-value below this is coloured; a test that rejects.
_REJECTED = 0.05
#: A drawing holds so many days; of a longer course every second or third is drawn, and of those skipped the worst one.
_POINTS = 1200


def level_of(record: dict[str, Any]) -> str:
    """The level of the VaR, as 99% or 97.5%."""
    return f"{100 * record['settings']['var_level']:g}%"


def risk(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Table:
    """Every method's violations and the p-values of their tests."""
    rows = []
    for r in tables["risk"].to_dict("records"):
        if not r["days"]:
            rows.append(Row(NAMES[r["method"]], WINDOWS[r["window"]], tuple([Cell(told(None, 0))] * 9)))
            continue
        years = Phrase("{g} green, {y} yellow, {r} red", "绿{g}、黄{y}、红{r}").fill(
            g=int(r["years_green"]), y=int(r["years_yellow"]), r=int(r["years_red"]))
        kept = Phrase("accepted {a} to {b}", "接受域{a}至{b}").fill(a=int(r["accepted_low"]), b=int(r["accepted_high"]))
        rows.append(Row(NAMES[r["method"]], WINDOWS[r["window"]], (
            Cell(same(f"{int(r['violations'])} / {r['expected']:.1f}"), note=kept), _p(r["p_kupiec"]), _p(r["p_independence_drawn"]),
            _p(r["p_coverage"]), Cell(ZONES[r["zone"]], note=years, tone=_TONES[r["zone"]]), Cell(told(r["z1"], 2)), Cell(told(r["z2"], 2)),
            _p(r["p_z2_normal"]), _p(r["p_z2_student"]))))
    heads = (
        Phrase("violations / expected", "突破/预期"), Phrase("p, number (Kupiec)", "次数p（Kupiec）"),
        Phrase("p, independence (Christoffersen)", "独立性p（Christoffersen）"), Phrase("p, both", "联合p"),
        Phrase("traffic light", "红绿灯"), Phrase("ES: Z1", "ES：Z1"), Phrase("Z2", "Z2"), Phrase("p of Z2, normal", "Z2的p（正态）"),
        Phrase("p of Z2, Student 5", "Z2的p（t分布，自由度5）"))
    title = Phrase("VaR and expected shortfall of the next day at {l}, held against what came", "次日VaR与预期尾部损失（{l}）回测")
    note = Phrase(
        "Each forecast reads closes up to its evening alone; days inside events count, so these are not the judged days of the alarms. "
        "A violation is a loss beyond the VaR; small print: the number that Kupiec's test accepts, and full years of 250 days by light. "
        "Z1 and Z2 (Acerbi and Szekely) are 0 where losses beyond the VaR are as large as said, negative where larger. "
        "Coloured: p below 0.05. Source of every row: real. Formulas M-193 to M-196, M-269 to M-273.",
        "每个预测只用当晚及以前的收盘价；事件期间也计入，故与报警的评分日不同。突破指损失超过VaR；小字为Kupiec检验的接受域及按250日完整年度统计的灯号。"
        "Z1、Z2（Acerbi-Szekely）为0表示超出VaR的损失与预测相符，为负表示更大。着色：p小于0.05。各行来源均为真实数据。公式M-193至M-196、M-269至M-273。",
    )
    return Table(title.fill(l=level_of(record)), tuple(Head(h) for h in heads), tuple(rows), (), note, Phrase("Method", "方法"))


def _p(value: float) -> Cell:
    if not math.isfinite(value):
        return Cell(told(None, 3))
    shown = same("<\u00a00.001") if value < 0.001 else told(value, 3)
    return Cell(shown, tone="bad" if value < _REJECTED else "")


def course(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Figure | None:
    """Daily returns below 0, and how far each method said that they might fall."""
    days = tables["risk_days"]
    if days.empty:
        return None
    title = Phrase("Daily losses and the VaR of the evening before, {l}", "日损失与前一晚的VaR（{l}）").fill(l=level_of(record))
    by = dict(list(days.groupby("method", sort=False)))
    dates = by["historical"]["date"].to_numpy(str)
    loss = np.maximum(-by["historical"]["return_pct"].to_numpy(float), 0.0)
    step = max(1, math.ceil(dates.size / _POINTS))
    starts = np.arange(0, dates.size, step)
    with charts.drawing(260, left=46) as chart:
        chart.axes.vlines(starts, 0, np.maximum.reduceat(loss, starts), color="#b9c2ca", linewidth=0.8)
        keys = [Key(Phrase("loss of the day, %", "当日损失（%）"), "#b9c2ca")]
        for place, (name, own) in enumerate(by.items()):
            colour, dash = LINE_COLOURS[place % len(LINE_COLOURS)], LINE_DASHES[place % len(LINE_DASHES)]
            (line,) = chart.axes.plot(starts, own["var_pct"].to_numpy(float)[starts], color=colour, linewidth=1.1)
            if dash:
                line.set_dashes([float(d) / 1.2 for d in dash.split()])
            keys.append(Key(NAMES[str(name)], colour, line=True, dash=dash))
        most = max(1.0, float(np.ceil(max(loss.max(), days["var_pct"].max()))))
        ticks = list(range(0, round(most) + 1, max(1, round(most / 5))))
        chart.ticks("y", ticks, [same(f"{v:g}") for v in ticks], color=MUTED)
        years = np.array([d[:4] for d in dates])
        turns = np.flatnonzero(years[1:] != years[:-1]) + 1
        shown = [int(n) for n in turns[:: max(1, math.ceil(turns.size / 8))]]
        chart.ticks("x", shown, [same(years[n]) for n in shown], color=MUTED)
        chart.axes.set_xlim(0, dates.size)
        chart.axes.set_ylim(0, most * 1.02)
        chart.axes.grid(axis="y", color=GRID, linewidth=0.8)
        return Figure(title, chart.svg("var", title), tuple(keys), (), NOTHING)


def findings(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> list[Phrase]:
    """Which methods were rejected on the walk-forward's days."""
    here = tables["risk"][(tables["risk"]["window"] == "walk_forward") & (tables["risk"]["days"] > 0)]
    if here.empty:
        return [Phrase(
            "VaR and expected shortfall could not be tested: a forecast needs some {n} days before it.",
            "VaR与预期尾部损失无法检验：预测前约需{n}个交易日。").fill(n=WINDOW + LEAST)]
    said = [
        Phrase("{m} {v}", "{m}{v}").fill(m=NAMES[r["method"]], v=int(r["violations"])) for r in here.to_dict("records")
    ]
    bad = [NAMES[r["method"]] for r in here.to_dict("records") if r["p_kupiec"] < _REJECTED]
    rejected = Phrase("; ".join(b.en for b in bad) or "none", "、".join(b.zh for b in bad) or "无")
    return [Phrase(
        "Losses beyond the VaR of {l} on {n} days, {e} expected: {s}. Kupiec's test rejects: {b}.",
        "{l}水平VaR在{n}日中的突破次数（预期{e}）：{s}。Kupiec检验拒绝：{b}。",
    ).fill(l=level_of(record), n=f"{int(here['days'].iloc[0]):,}", e=f"{here['expected'].iloc[0]:.1f}",
           s=Phrase(", ".join(p.en for p in said), "、".join(p.zh for p in said)), b=rejected)]


def lines(record: dict[str, Any], tables: dict[str, pd.DataFrame], language: Language) -> list[str]:
    """The table in a terminal."""
    title = Phrase("VaR and expected shortfall at {l}, day by day", "次日VaR与预期尾部损失逐日检验（{l}）")
    out = [title.fill(l=level_of(record)).pick(language)]
    out.append(f"{'':16}" + "".join(f"{h:>11}" for h in ("violations", "expected", "p number", "p indep.", "light", "ES Z2", "p of Z2")))
    for r in tables["risk"].to_dict("records"):
        label = r["method"] if r["window"] == "walk_forward" else f"{r['method']} *"
        if not r["days"]:
            out.append(f"{label:16}{'—':>11}")
            continue
        out.append(f"{label:16}{int(r['violations']):>11}{r['expected']:>11.1f}{r['p_kupiec']:>11.3f}{r['p_independence_drawn']:>11.3f}"
                   f"{r['zone']:>11}{r['z2']:>11.2f}{r['p_z2_normal']:>11.3f}")
    return out
