"""Tables of a backtest's page: alarms with their action attached, the responses that they set off, and holes in the data."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stresslab.report.early_warning_words import WINDOWS, told
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Phrase, same


def actions(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Table | None:
    """What alarms were worth with the action attached (M-188, M-266)."""
    if "actions" not in tables:
        return None
    names = {m["name"]: Phrase(m["en"], m["zh"]) for m in record["models"]}
    rows = [
        Row(names[r["model"]], WINDOWS[r["window"]], (
            Cell(same(f"{r['met']} / {r['events']}")), Cell(same(f"{r['days_in_force']:,}")), Cell(told(r["saved"], 3)),
            Cell(told(r["cost"], 3)), Cell(told(r["net"], 3), tone="bad" if r["net"] < 0 else ""), Cell(told(r["relative"], 2))))
        for r in tables["actions"].to_dict("records")
    ]
    heads = (Phrase("events met", "事件时在行动"), Phrase("days in force", "行动日数"), Phrase("saved (assumed)", "节省（假设）"),
             Phrase("cost", "成本"), Phrase("net", "净值"), Phrase("relative", "相对价值"))
    a = record["action"]
    title = a["title"] or a["id"]
    note = Phrase(
        "The saving is an assumption and not a measurement: on a history nobody knows what acting would have changed; on a simulated "
        "run it is measured, on pairs of the same paths. In losses of one event. "
        "The action stays {h} days after an alarm; starting it costs {s}, a day {d}; in force for {l} days at the "
        "start of an event it saves {v} of the loss (assumed: {q}). Relative: 1 perfect, 0 the better of always and never.",
        "节省额是假设而非测量：历史上无法得知行动会改变什么；在模拟运行上则以成对的相同路径测得。"
        "以一次事件损失计。报警后行动持续{h}日；启动成本{s}，每日{d}；事件开始时已持续{l}日则节省损失的{v}（假设：{q}）。"
        "相对价值：1为完美，0为始终与从不中较优者。",
    ).fill(h=a["hold"], s=f"{a['cost_to_start']:g}", d=f"{a['cost_a_day']:g}", l=", ".join(map(str, a["lead_days"])),
           v=", ".join(f"{one:g}" for one in a["saved"]), q=a["source"])
    return Table(Phrase(title, a["title_zh"] or title), tuple(Head(h) for h in heads), tuple(rows), (), note, Phrase("Model", "模型"))


def triggers(tables: dict[str, pd.DataFrame]) -> Table | None:
    """The responses that alarms set off in a scenario (M-267)."""
    if "triggers" not in tables:
        return None
    rows = [
        Row(same(r["model"]), NOTHING, (Cell(same(r["rose"])), Cell(same(r["day"])), Cell(same(r["do"]))))
        for r in tables["triggers"].to_dict("records")
    ]
    heads = (Head(Phrase("alarm on the evening of", "报警当晚")), Head(Phrase("read on day", "读取日")), Head(Phrase("response", "响应")))
    note = Phrase(
        "A scenario that starts on the evening asked about reads the alarm at the close of that day of its own, and acts before the next "
        "open. The blocks stand in response-MODEL.toml, to be put into a scenario.",
        "自所询当晚起的情景于该日收盘读取报警，并在次日开盘前行动。配置块见response-MODEL.toml，可直接并入情景文件。")
    return Table(Phrase("Alarms as responses of a scenario", "报警作为情景响应"), heads, tuple(rows), (), note, Phrase("Model", "模型"))


def holes(tables: dict[str, pd.DataFrame]) -> Table | None:
    """Where indicators that had been known were missing, and what that does (M-268)."""
    held = tables["holes"]
    if held.empty:
        return None
    rows = [
        Row(Phrase(r["en"], r["zh"]), same(r["rules"]) if r["rules"] else NOTHING, (
            Cell(same(r["from"])), Cell(Phrase("the end", "期末") if r["to_the_end"] else same(r["to"])), Cell(same(f"{r['days']:,}")),
            Cell(same(r["before_events"])), Cell(same(r["in_events"])), Cell(told(r["last_known"], 2))))
        for r in held.to_dict("records")
    ]
    heads = (Phrase("missing from", "缺失自"), Phrase("to", "至"), Phrase("evenings", "晚数"), Phrase("before an event", "事件前"),
             Phrase("inside one", "事件内"), Phrase("last known", "最后已知值"))
    note = Phrase(
        "A value stands five trading days after it was last said, so the table was empty for longer. "
        "On these evenings a condition on the indicator does not hold, so rules that read it (named below it) can only be quieter; "
        "thresholds and the logit put the median of their training days in its place, trees the side that lost least in training, so it "
        "tells them nothing of the day; its AUROC alone leaves these days out.",
        "数值在最后公布后沿用五个交易日，故原表空缺更久。"
        "这些日期上，涉及该指标的条件均不成立，读取它的规则（列于其下）只会更安静；阈值与logit以训练期中位数代替，提升树走训练中损失较低的分支，均不含当日信息；单独AUROC不计这些日期。")
    return Table(Phrase("Holes in the data, and what they do", "数据空缺及其影响"), tuple(Head(h) for h in heads), tuple(rows), (), note,
                 Phrase("Indicator", "指标"))
