"""Parts of the page on a finished run: its events, models on paths that they never saw, and what an action was worth (M-274 to M-277)."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from stresslab.early_warning.learned import best_of
from stresslab.estimate import TOTAL
from stresslab.report.amounts import MoneyScale, money_scale, percent
from stresslab.report.early_warning_words import told
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Language, Phrase, same

ENDINGS = {
    "failure_day": Phrase("platform failure", "平台失败"),
    "own_funds_exhausted_day": Phrase("own funds exhausted", "自有资金耗尽"),
    "first_unpaid_day": Phrase("first unpaid redemption", "首次未付赎回"),
}
#: What an action changes, as the page shows it: share of paths in percent, or money; +1 where more is better.
_SHOWN = (
    ("failure", Phrase("paths on which a platform fails", "有平台失败的路径占比"), -1),
    ("own_funds_end", Phrase("own funds at the end", "期末自有资金"), 1),
    ("loss_with_impact", Phrase("loss of the forced sales", "强平损失"), -1),
    ("deficit", Phrase("deficit", "穿仓额"), -1),
    ("sold", Phrase("forced sales", "强平卖出额"), -1),
    ("hedge_cost", Phrase("cost of hedges", "对冲成本"), -1),
)
_OF_MODELS = (
    ("usefulness", Phrase("usefulness", "有用性"), 2), ("hit_rate", Phrase("hits", "命中率"), 2),
    ("false_alarm_rate", Phrase("false alarms", "误报率"), 3), ("brier", Phrase("Brier", "Brier"), 4),
    ("lead_days", Phrase("lead, days", "领先日"), 0), ("false_alarms_a_year", Phrase("false a year", "误报/年"), 1),
)


def endings(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Table:
    """How often and when the event came, by scenario and platform."""
    rows = [
        Row(Phrase("{s}, {p}", "{s}，{p}").fill(s=r["scenario"], p=r["platform_id"]), NOTHING, (
            Cell(same(f"{r['paths']:,}")), Cell(same(f"{r['events']:,}")), Cell(same(f"{100 * r['share']:.1f}%")),
            Cell(told(r["first_day"], 0)), Cell(told(r["median_day"], 1))))
        for r in tables["endings"].to_dict("records")
    ]
    heads = (Phrase("paths", "路径"), Phrase("events", "事件"), Phrase("share", "占比"), Phrase("first day", "最早日"),
             Phrase("median day", "中位日"))
    title = Phrase("Events of the run: {e}", "本次运行的事件：{e}").fill(e=ENDINGS[record["ending"]])
    note = Phrase("Every event with path and day stands in events.csv (M-277). Synthetic.",
                  "各事件的路径与日期见events.csv（M-277）。合成。")
    return Table(title, tuple(Head(h) for h in heads), tuple(rows), (), note, Phrase("Scenario, platform", "情景、平台"))


def models(tables: dict[str, pd.DataFrame]) -> list[Table]:
    """Every model on the unseen paths, and how its area rises with the paths that it learned from."""
    table = tables["models"]
    if table.empty:
        return []
    most = int(table["train_paths"].max())
    last = table[table["train_paths"] == most]
    rows = []
    for r in last.to_dict("records"):
        error = same(f"±\u00a0{r['error']:.3f}") if math.isfinite(r["error"]) else None
        warned = Phrase("—", "—") if not math.isfinite(r["warned"]) else same(f"{int(r['warned']):,} / {int(r['endings']):,}")
        rows.append(Row(Phrase(str(r["en"]), str(r["zh"])), Phrase("naive rule", "朴素规则") if r["naive"] else NOTHING, (
            Cell(told(r["auroc"], 3), error), *(Cell(told(r[k], d)) for k, _, d in _OF_MODELS[:4]), Cell(warned),
            *(Cell(told(r[k], d)) for k, _, d in _OF_MODELS[4:]))))
    named = [phrase for _, phrase, _ in _OF_MODELS]
    heads = (Phrase("AUROC", "AUROC"), *named[:4], Phrase("events warned", "预警事件"), *named[4:])
    first = last.iloc[0]
    title = Phrase(
        "Models trained on {a} paths, scored on {b} others that they never saw",
        "模型：以{a}条路径训练，在另外{b}条未见路径上评分",
    ).fill(a=f"{most:,}", b=f"{int(first['test_paths']):,}")
    note = Phrase(
        "Days of one path are all in training or all in scoring. Models do not read the day; the day alone is the naive rule. Rules learn "
        "nothing and are scored on the same paths. ± error over whole histories (M-198, M-274). Source of every row: synthetic.",
        "同一路径的日期要么全用于训练，要么全用于评分。模型不读取日期，“仅看日期”为朴素规则；规则不经训练，在相同路径上评分。"
        "±为按整条历史计算的误差（M-198、M-274）。各行来源均为合成。")
    out = [Table(title, tuple(Head(h) for h in heads), tuple(rows), (), note, Phrase("Model", "模型"))]
    sizes = sorted(set(table["train_paths"]))
    if len(sizes) > 1:
        learned = table.loc[table["train_paths"] == sizes[0], "model"]
        own = table[table["model"].isin(learned)]
        curve = [
            Row(Phrase(str(by["en"].iloc[0]), str(by["zh"].iloc[0])), NOTHING, tuple(
                Cell(told(v, 3)) for v in by.set_index("train_paths")["auroc"].reindex(sizes)))
            for _, by in own.groupby("model", sort=False)
        ]
        out.append(Table(
            Phrase("AUROC on the unseen paths by number of training paths", "未见路径上的AUROC与训练路径数"),
            tuple(Head(Phrase(f"{n:,} paths", f"{n:,}条")) for n in sizes), tuple(curve), (),
            Phrase("A dash: fewer than 10 training days before an event. Synthetic.", "“—”：训练期内事件前日数不足10。合成。"),
            Phrase("Model", "模型")))
    return out


def in_shadow(record: dict[str, Any]) -> list[Phrase]:
    """For each learned model whether it may act in place of the rule in force, by its alarms on the unseen paths (M-275)."""
    said = {True: Phrase("may act", "可以启用"), False: Phrase("stays in shadow", "继续影子运行")}
    out = []
    for v in record.get("in_shadow", []):
        missed = [r for r in v["reasons"] if not r["holds"]]
        why = Phrase("; ".join(r["en"] for r in missed) or "all conditions hold", "；".join(r["zh"] for r in missed) or "全部条件满足")
        out.append(Phrase("Unseen paths, {m} beside the rule in force: {v} ({why})", "未见路径，{m}对照现行规则：{v}（{why}）").fill(
            m=v["shadow"], v=said[v["promoted"]], why=why))
    return out


def actions(tables: dict[str, pd.DataFrame]) -> list[Table]:
    """For each pair of scenarios without and with an action what it changed on the same paths."""
    out = []
    held = tables["actions"]
    for (without, having), own in held.groupby(["without", "with"], sort=False):
        total = own[own["platform_id"] == TOTAL].set_index("measure")
        # In the unit of own funds and losses, which are what the action is about; sales are many times as much.
        amounts = total.loc[[k for k, _, _ in _SHOWN[1:] if k in total.index and k != "sold"], ["mean_without", "mean_with"]]
        money = money_scale([float(v) for v in amounts.to_numpy(float).ravel()])
        rows = [_acted(total.loc[k], name, sign, money) for k, name, sign in _SHOWN if k in total.index]
        failed = own[(own["measure"] == "failure") & (own["platform_id"] != TOTAL)]
        rows += [
            _acted(r, Phrase("{p} fails", "{p}失败").fill(p=r["platform_id"]), -1, money)
            for _, r in failed.iterrows() if r["mean_without"] or r["mean_with"]
        ]
        first = own.iloc[0]
        title = Phrase("{b} against {a}: what the action was worth, {u}", "{b}对照{a}：行动的价值（{u}）").fill(
            a=without, b=having, u=money.unit)
        note = Phrase(
            "Measured on {n} pairs of the same paths, and not assumed: the scenarios differ in the action alone ({what}). Its alarm set it "
            "off on {s} of the paths, in the median on day {d}. Differences are with less without, with their 95% interval (M-276, M-50); "
            "coloured where that has no zero. Synthetic: it holds given this scenario.",
            "以{n}对相同路径测得，并非假设：两情景仅在行动上不同（{what}）。报警在{s}的路径上触发行动，中位在第{d}日。"
            "差额为有行动减无行动及其95%区间（M-276、M-50），区间不含零者着色。合成：仅在本情景下成立。",
        ).fill(
            n=f"{int(first['paths']):,}", what=Phrase(first["action"], first["action_zh"]), s=f"{100 * first['acted']:.0f}%",
            d=told(first["median_day"], 0))
        heads = (Phrase("without", "无行动"), Phrase("with", "有行动"), Phrase("difference", "差额"), Phrase("95% interval", "95%区间"),
                 Phrase("better on", "更好的路径"), Phrase("worse on", "更差的路径"))
        out.append(Table(title, tuple(Head(h) for h in heads), tuple(rows), (), note, Phrase("Measure", "指标")))
    return out


def _acted(r: Any, name: Phrase, sign: int, money: MoneyScale) -> Row:
    show = percent if r["unit"] == "%" else money.number
    clear = r["low"] > 0 or r["high"] < 0
    tone = "" if not clear else "good" if (r["difference"] > 0) == (sign > 0) else "bad"
    between = Phrase("{a} to {b}", "{a}至{b}").fill(a=show(float(r["low"])), b=show(float(r["high"])))
    return Row(name, NOTHING, (
        Cell(show(float(r["mean_without"]))), Cell(show(float(r["mean_with"]))), Cell(show(float(r["difference"])), tone=tone),
        Cell(between), Cell(same(f"{int(r['better']):,}")), Cell(same(f"{int(r['worse']):,}"))))


def findings(tables: dict[str, pd.DataFrame]) -> list[Phrase]:
    """The best model against the calendar, and each action's worth to the platforms."""
    said = []
    best = best_of(tables["models"])
    if best is not None:
        naive = tables["models"].loc[tables["models"]["model"] == "day", "auroc"]
        said.append(Phrase(
            "Trained on {n} paths, {m} has an AUROC of {v} on {k} paths that it never saw; the day alone has {d} there.",
            "以{n}条路径训练后，{m}在{k}条未见路径上的AUROC为{v}；仅看日期为{d}。",
        ).fill(n=f"{best['train_paths']:,}", m=Phrase(str(best["en"]), str(best["zh"])), v=told(best["auroc"], 3),
               k=f"{best['test_paths']:,}", d=told(naive.iloc[0] if len(naive) else None, 3)))
    held = tables["actions"]
    for r in held[(held["platform_id"] == TOTAL) & (held["measure"] == "own_funds_end")].to_dict("records"):
        scale = money_scale([abs(r["low"]), abs(r["high"])])
        said.append(Phrase(
            "{b} against {a}, on {n} pairs of the same paths: own funds of all platforms at the end differ by {v} {u} ({l} to {h}).",
            "{b}对照{a}，{n}对相同路径：全部平台期末自有资金相差{v}{u}（{l}至{h}）。",
        ).fill(a=r["without"], b=r["with"], n=f"{int(r['paths']):,}", v=scale.number(r["difference"]), l=scale.number(r["low"]),
               h=scale.number(r["high"]), u=scale.unit))
    return said


def lines(tables: dict[str, pd.DataFrame], language: Language) -> list[str]:
    """Models on unseen paths in a terminal."""
    table = tables["models"]
    last = table[table["train_paths"] == table["train_paths"].max()] if len(table) else table
    out = []
    for r in last.to_dict("records"):
        error = "" if not math.isfinite(r["error"]) else f" ± {r['error']:.3f}"
        name = str(r["model"] if language == "en" else r["zh"])
        out.append(f"  {name:20}{told(r['auroc'], 3).pick(language)}{error}   U_r {told(r['usefulness'], 2).pick(language)}")
    head = Phrase("Models on paths that they never saw", "未见路径上的模型").pick(language)
    return [head, *out] if out else []
