"""The page of a backtest: what early warnings were worth on dated events, from the record and the tables of its folder alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from stresslab.report import early_warning_pictures as pictures
from stresslab.report import early_warning_risk as risk
from stresslab.report.early_warning_actions import actions, holes, triggers
from stresslab.report.early_warning_words import GRADES, WINDOWS, formula_of, lag_of, rule_of, told
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Language, Phrase, phrase_of, same
from stresslab.report.templates import environment

_HERE = Path(__file__).parent
#: Measures in the order of the table, with their heads and digits.
SHOWN = (
    ("auroc", Phrase("AUROC", "AUROC"), 3),
    ("average_precision", Phrase("PR area", "PR面积"), 3),
    ("hit_rate", Phrase("hits", "命中率"), 2),
    ("false_alarm_rate", Phrase("false alarms", "误报率"), 2),
    ("noise_to_signal", Phrase("noise / signal", "噪声/信号"), 2),
    ("usefulness", Phrase("usefulness (Sarlin)", "有用性（Sarlin）"), 2),
    ("usefulness_alessi_detken", Phrase("(Alessi-Detken)", "（Alessi-Detken）"), 2),
    ("brier", Phrase("Brier", "Brier"), 3),
    ("reliability", Phrase("reliability", "可靠性"), 3),
    ("resolution", Phrase("resolution", "分辨率"), 3),
    ("false_alarms_a_year", Phrase("false a year", "误报/年"), 1),
    ("events_warned", Phrase("events warned", "预警事件"), 2),
    ("lead_days", Phrase("lead, days", "领先日"), 0),
    ("value", Phrase("value of acting", "行动价值"), 2),
)


def backtest_page(record: dict[str, Any], tables: dict[str, pd.DataFrame], *, language: Language = "zh") -> str:
    """The page of a backtest in both languages; the same tables give the same bytes, and the file needs nothing else."""
    drawn = [
        pictures.course(record, tables),
        pictures.areas(record, tables),
        pictures.calibration(record, tables),
        pictures.sentiment(record, tables),
    ]
    return (
        environment()
        .get_template("early_warning.html.j2")
        .render(
            css=Markup((_HERE / "report.css").read_text(encoding="utf-8")),
            language=language,
            record=record,
            facts=_facts(record, tables),
            findings=findings(record, tables),
            pictures=[d for d in drawn if d is not None],
            scores=_scores(record, tables),
            tests=_tests(record, tables),
            shadow=_shadow(tables),
            promotion=_promotion(tables),
            events=_events(tables),
            leads=_leads(record, tables),
            actions=actions(record, tables),
            risk=risk.risk(record, tables),
            risk_picture=risk.course(record, tables),
            triggers=triggers(tables),
            holes=holes(tables),
            as_of=_as_of(record),
            indicators=_indicators(tables),
            method=_method(record),
            notes=_notes(record),
            table_number=_counter(),
            figure_number=_counter(),
        )
    )


def _counter() -> Callable[[], int]:
    numbers = count(1)
    return lambda: next(numbers)


def _facts(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> list[tuple[Phrase, Phrase]]:
    s = record["settings"]
    judged = record["judged"]["walk_forward"]
    return [
        (
            Phrase("Days", "日期"),
            Phrase("{a} to {b}, {n} trading days", "{a}至{b}，{n}个交易日").fill(
                a=record["from"], b=record["to"], n=f"{record['days']:,}"
            ),
        ),
        (
            Phrase("Events", "事件"),
            Phrase("{n}, by {r}", "{n}个，依据：{r}").fill(n=len(tables["events"]), r=rule_of(record["asked"]["events"])),
        ),
        (
            Phrase("Judged", "评分日"),
            Phrase("{n} days, {k} of them within {h} days before an event", "{n}日，其中{k}日处于事件前{h}日内").fill(
                n=f"{judged['days']:,}", k=judged["before_events"], h=s["horizon"]
            ),
        ),
        (Phrase("A missed event day weighs", "漏报权重"), same(f"μ = {s['mu']:g}")),
        (
            Phrase("Labels", "标签"),
            Phrase(
                "real: dated on the history itself; every table has them in a column `source`, and none is simulated",
                "真实：依据历史本身标定；各表均有source列注明，无模拟结果",
            ),
        ),
        (Phrase("Specifications tried", "尝试的设定数"), same(record["specifications"])),
    ]


def findings(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> list[Phrase]:
    """What a reader should take away, with what limits it."""
    scores = tables["scores"]
    said: list[Phrase] = []
    names = {m["name"]: Phrase(m["en"], m["zh"]) for m in record["models"]}
    naive = {m["name"] for m in record["models"] if m["naive"]}
    for window, name in WINDOWS.items():
        here = scores[(scores["window"] == window) & (scores["measure"] == "auroc") & scores["value"].notna()]
        if here.empty:
            if window in set(scores["window"]):
                said.append(
                    Phrase(
                        "{w}: too few days before events to score; only false alarms are told.",
                        "{w}：事件前样本过少，仅报告误报。",
                    ).fill(w=name)
                )
            continue
        own = here[~here["model"].isin(naive)]
        volatility = here[here["model"] == "volatility"]["value"].iloc[0]
        if not own.empty:
            best = own.sort_values("value", kind="stable").iloc[-1]
            said.append(
                Phrase(
                    "{w}: the highest AUROC is {v} ({m}); volatility alone has {o}. {n} events stand behind it.",
                    "{w}：最高AUROC为{v}（{m}）；仅看波动率为{o}。共{n}个事件。",
                ).fill(
                    w=name,
                    v=told(best["value"], 3),
                    m=names[best["model"]],
                    o=told(volatility, 3),
                    n=int(best["events"]),
                )
            )
        useful = scores[
            (scores["window"] == window)
            & (scores["measure"] == "usefulness")
            & ~scores["model"].isin(naive)
            & (scores["value"] > 0)
        ]
        total = len(set(here["model"]) - naive)
        said.append(
            Phrase(
                "{w}: {k} of {n} models were more useful than always or never warning.",
                "{w}：{n}个模型中有{k}个优于“始终报警”或“从不报警”。",
            ).fill(w=name, k=len(useful), n=total)
        )
    tests = tables["tests"]
    best_rows = tests[tests["reality"].notna()]
    for row in best_rows.to_dict("records"):
        said.append(
            Phrase(
                "That the best model beats volatility alone has p = {p} by White's reality check ({w}).",
                "最优模型优于仅看波动率的White检验p值为{p}（{w}）。",
            ).fill(p=told(row["reality"], 3), w=WINDOWS[row["window"]])
        )
    said += risk.findings(record, tables)
    named = [h for h in tables["holes"].to_dict("records") if not str(h["indicator"]).startswith("candidate:")]
    touched = [h for h in named if h["in_events"] + h["before_events"] > 0]
    # The three that matter most; the table has all.
    for hole in sorted(touched, key=lambda h: (-h["in_events"], -h["before_events"]))[:3]:
        said.append(
            Phrase(
                "{i} is missing from {a} to {b} ({n} evenings, {k} of them inside an event or before one): on them no alarm reads it.",
                "{i}自{a}至{b}缺失（{n}晚，其中{k}晚处于事件内或事件前），其间任何报警均未用到它。",
            ).fill(
                i=Phrase(hole["en"], hole["zh"]), a=hole["from"], b=hole["to"], n=hole["days"], k=hole["in_events"] + hole["before_events"]
            )
        )
    said.append(
        Phrase(
            "Few events: an interval knows only the events that there were, and a score of one or two events is an anecdote.",
            "事件数量很少：区间只反映已发生的事件，一两个事件上的得分只是个案。",
        )
    )
    return said


def _scores(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> list[Table]:
    scores = tables["scores"]
    out = []
    for window in dict.fromkeys(scores["window"]):
        here = scores[scores["window"] == window]
        rows = []
        for model in record["models"]:
            own = here[here["model"] == model["name"]].set_index("measure")
            cells = []
            for name, _, digits in SHOWN:
                one = own.loc[name]
                error = same(f"±\u00a0{one['error']:.{digits}f}") if math.isfinite(one["error"]) else None
                cells.append(Cell(told(one["value"], digits), error))
            note = Phrase("naive rule", "朴素规则") if model["naive"] else NOTHING
            rows.append(Row(Phrase(model["en"], model["zh"]), note, tuple(cells)))
        first = here.iloc[0]
        title = Phrase("{w}: {n} days, {k} before {e} events", "{w}：{n}日，其中{e}个事件前{k}日").fill(
            w=WINDOWS[window], n=int(first["days"]), k=int(first["days_before"]), e=int(first["events"])
        )
        note = Phrase(
            "± standard errors of a block bootstrap; none are told below three events. "
            "Value of acting: 1 perfect, 0 the better of always and never; that acting costs {c} a day and saves {v} of the loss of a day "
            "before an event is assumed. Source of every row: real.",
            "±为分块自助法标准误；事件少于三个时不给。行动价值：1为完美，0为始终与从不中较优者；行动每日成本{c}、可避免事件前每日损失的{v}均为假设。各行来源均为真实数据。",
        ).fill(c=f"{record['settings']['cost']:g}", v=f"{record['settings']['saved']:g}")
        out.append(
            Table(title, tuple(Head(head) for _, head, _ in SHOWN), tuple(rows), (), note, Phrase("Model", "模型"))
        )
    return out


def _tests(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Table | None:
    tests = tables["tests"]
    if tests.empty:
        return None
    names = {m["name"]: Phrase(m["en"], m["zh"]) for m in record["models"]}
    rows = [
        Row(
            _tested(str(r["model"]), names),
            WINDOWS[r["window"]],
            tuple(Cell(told(r[k], 3)) for k in ("difference", "error", "p", "p_corrected", "reality", "spa")),
        )
        for r in tests.to_dict("records")
    ]
    heads = (
        Phrase("difference", "差值"),
        Phrase("error", "标准误"),
        Phrase("p alone", "单独p"),
        Phrase("p corrected", "校正p"),
        Phrase("reality check", "White检验"),
        Phrase("SPA", "SPA检验"),
    )
    note = Phrase(
        "Models: AUROC less that of volatility alone, p one-sided, times {n} specifications. "
        "Best: daily loss saved against volatility alone, with the p-values of "
        "White and Hansen over the models.",
        "模型：AUROC减去仅看波动率者，单侧p，乘以{n}种设定。最优：相对仅看波动率的日均损失节约及White、Hansen检验。",
    ).fill(n=record["specifications"])
    return Table(
        Phrase("Better than volatility alone?", "是否优于仅看波动率？"),
        tuple(Head(h) for h in heads),
        tuple(rows),
        (),
        note,
        Phrase("Model", "模型"),
    )


def _tested(name: str, names: dict[str, Phrase]) -> Phrase:
    """A model, or the best of several, as ``best of 4: logit`` says it."""
    if name in names:
        return names[name]
    many, _, which = name.removeprefix("best of ").partition(": ")
    return Phrase("the best of {n}: {m}", "{n}个中最优：{m}").fill(n=many, m=names.get(which, same(which)))


def _shadow(tables: dict[str, pd.DataFrame]) -> Table | None:
    if "shadow" not in tables or tables["shadow"].empty:
        return None
    shown = (
        ("both", Phrase("both", "同时报警"), 0),
        ("shadow_alone", Phrase("shadow alone", "仅影子"), 0),
        ("in_force_alone", Phrase("other alone", "仅现行"), 0),
        ("neither", Phrase("neither", "均未报警"), 0),
        ("usefulness_shadow", Phrase("usefulness, shadow", "影子有用性"), 2),
        ("usefulness_in_force", Phrase("other", "现行有用性"), 2),
        ("difference", Phrase("difference", "差值"), 2),
        ("low", Phrase("from", "下界"), 2),
        ("high", Phrase("to", "上界"), 2),
    )
    rows = [
        Row(
            Phrase("shadow against {m}", "影子规则对{m}").fill(m=r["in_force"]),
            WINDOWS[r["window"]],
            tuple(Cell(told(r[k], d)) for k, _, d in shown),
        )
        for r in tables["shadow"].to_dict("records")
    ]
    return Table(
        Phrase("A rule in shadow beside those in force", "影子规则与现行模型对照"),
        tuple(Head(h) for _, h, _ in shown),
        tuple(rows),
        (),
        Phrase("Judged days.", "仅评分日。"),
        Phrase("Pair", "对照"),
    )


def _promotion(tables: dict[str, pd.DataFrame]) -> list[Phrase]:
    """For each rule in force whether the one in shadow may act in its place, and why not."""
    if "promotion" not in tables:
        return []
    said = {True: Phrase("may act", "可以启用"), False: Phrase("stays in shadow", "继续影子运行")}
    return [
        Phrase("{w}, against {m}: the rule {v} ({why})", "{w}，对照{m}：规则{v}（{why}）").fill(
            w=WINDOWS[r["window"]], m=r["in_force"], v=said[bool(r["promoted"])], why=Phrase(r["why_en"], r["why_zh"])
        )
        for r in tables["promotion"].to_dict("records")
    ]


def _events(tables: dict[str, pd.DataFrame]) -> Table:
    rows = [
        Row(same(r["name"]), NOTHING, (Cell(same(r["start"])), Cell(same(r["end"])), Cell(told(r["depth_pct"], 1))))
        for r in tables["events"].to_dict("records")
    ]
    heads = (Head(Phrase("first day", "首日")), Head(Phrase("last day", "末日")), Head(Phrase("depth, %", "跌幅（%）")))
    return Table(Phrase("Events", "事件"), heads, tuple(rows), (), first=Phrase("Event", "事件"))


def _leads(record: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Table | None:
    leads = tables["leads"]
    if leads.empty:
        return None
    models = [m for m in record["models"] if m["name"] not in ("always", "never")]
    rows = []
    for event in dict.fromkeys(zip(leads["event"], leads["window"], strict=True)):
        here = leads[(leads["event"] == event[0]) & (leads["window"] == event[1])].set_index("model")
        cells = []
        for model in models:
            one = here.loc[model["name"]]
            share = f"{100 * one['share_of_days']:.0f}%"
            note = Phrase(f"{share} of days", f"{share}的日数")
            cells.append(
                Cell(told(one["lead_days"], 0), note=note)
                if math.isfinite(one["lead_days"])
                else Cell(Phrase("none", "未报警"), tone="quiet")
            )
        rows.append(Row(same(event[0]), WINDOWS[event[1]], tuple(cells)))
    heads = tuple(Head(Phrase(m["en"], m["zh"])) for m in models)
    return Table(
        Phrase("Trading days from the first alarm before an event to it", "首次报警至事件的交易日数"),
        heads,
        tuple(rows),
        (),
        Phrase(
            "Only alarms within the horizon count, so a model that always warns has the longest lead.",
            "仅计窗口内报警；因此始终报警者领先最长。",
        ),
        Phrase("Event", "事件"),
    )


def _as_of(record: dict[str, Any]) -> list[Table] | None:
    known = record.get("as_of")
    if known is None:
        return None
    models = []
    for m in known["models"]:
        state = (
            Phrase("no model yet", "尚无模型")
            if not m["fitted"]
            else Phrase("alarm", "报警")
            if m["alarm"]
            else Phrase("quiet", "未报警")
        )
        if m.get("grade"):
            state = Phrase("{s} ({g})", "{s}（{g}）").fill(s=state, g=GRADES[m["grade"]])
        models.append(
            Row(
                Phrase(m["en"], m["zh"]),
                phrase_of({"en": m.get("action", ""), "zh": m.get("action_zh", "")}) if m.get("action") else NOTHING,
                (
                    Cell(state, tone="bad" if m["alarm"] else ""),
                    Cell(same(m["since"] or "—")),
                    Cell(same(m["first_rose"] or "—")),
                    Cell(told(m["probability"], 3)),
                ),
            )
        )
    heads = (
        Phrase("that evening", "当晚"),
        Phrase("standing since", "持续自"),
        Phrase("earliest alarm of the last 250 days rose on", "近250日最早报警起于"),
        Phrase("probability", "概率"),
    )
    values = [
        Row(
            Phrase(i["en"], i["zh"]),
            NOTHING,
            (Cell(told(i["value"], 2)), Cell(told(i["place"], 2)), Cell(same(i["row"] or "—"))),
        )
        for i in known["indicators"]
    ]
    return [
        Table(
            Phrase("Alarms", "报警"),
            tuple(Head(h) for h in heads),
            tuple(models),
            (),
            Phrase(
                "The last date but one is that of the earliest alarm which stood on any of the 250 trading days up to the evening; "
                "it may have risen before them.",
                "“近250日最早报警起于”指截至当晚的250个交易日内曾持续的最早一次报警的起始日，该日可能早于这250日。",
            ),
            Phrase("Model", "模型"),
        ),
        Table(
            Phrase("Indicators", "指标"),
            (
                Head(Phrase("value", "数值")),
                Head(Phrase("place in 500 days", "500日分位")),
                Head(Phrase("row of", "数据日期")),
            ),
            tuple(values),
            (),
            Phrase(
                "A dash: not known that evening. The row is the date of the newest row of data that was known by then.",
                "“—”：当晚未知。“数据日期”为当时已知的最新一行数据的日期。",
            ),
            Phrase("Indicator", "指标"),
        ),
    ]


def _indicators(tables: dict[str, pd.DataFrame]) -> Table:
    rows = []
    for r in tables["indicators"].to_dict("records"):
        error = same(f"±\u00a0{r['error']:.3f}") if math.isfinite(r["error"]) else None
        direction = {1: Phrase("high", "高"), -1: Phrase("low", "低"), 0: Phrase("open", "待定")}[int(r["danger"])]
        rows.append(
            Row(
                Phrase(r["en"], r["zh"]),
                formula_of(r["formula"], r["data"]),
                (
                    Cell(lag_of(r["lag"])),
                    Cell(direction),
                    Cell(same(f"{r['days']:,}")),
                    Cell(same(int(r["events"]))),
                    Cell(told(r["auroc"], 3), error),
                    Cell(told(r["p_holm"], 3)),
                ),
            )
        )
    heads = (
        Phrase("known after", "滞后"),
        Phrase("danger", "危险方向"),
        Phrase("days", "日数"),
        Phrase("events", "事件"),
        Phrase("AUROC alone", "单独AUROC"),
        Phrase("p, Holm", "Holm校正p"),
    )
    return Table(
        Phrase("Indicators, and what each was worth alone", "指标及其单独预测力"),
        tuple(Head(h) for h in heads),
        tuple(rows),
        (),
        Phrase(
            "AUROC on the walk-forward's days on which the indicator is known, in its stated direction (open: high).",
            "AUROC按指标可得的评分日、既定方向（待定按高）计算。",
        ),
        Phrase("Indicator", "指标"),
        "wrapped",
    )


def _method(record: dict[str, Any]) -> list[Phrase]:
    s = record["settings"]
    window = (
        Phrase("all days before", "此前全部日")
        if s["rolling"] is None
        else Phrase(f"the {s['rolling']} days before", f"此前{s['rolling']}日")
    )
    return [
        Phrase(
            "Models are fitted anew every {r} trading days on {w}, less the last {p} whose labels look ahead "
            "or could not be settled yet; events that nobody could date then "
            "are not in their labels.",
            "模型每{r}个交易日以{w}重新拟合，剔除最近{p}日（标签前视或尚未确定）；当时尚无法确定的事件不进入标签。",
        ).fill(r=s["refit"], w=window, p=s["horizon"] + s["embargo"]),
        Phrase(
            "Standardisation, penalties and thresholds are chosen inside the training days, "
            "thresholds on scores of days that the fit had not seen.",
            "标准化、惩罚强度与阈值均在训练期内选定，阈值依据未参与拟合日的得分。",
        ),
        Phrase("Days inside events and {a} days after them are not scored.", "事件期间及其后{a}日不评分。").fill(
            a=s["after"]
        ),
        Phrase(
            "On three days every indicator was computed again from a history that ends there; "
            "and each was held against the returns after it. What failed is named below.",
            "在三个日期上用截断的历史重算全部指标，并检验其与后续收益的相关性；未通过者列于下方。",
        ),
    ]


def _notes(record: dict[str, Any]) -> list[Phrase]:
    left = [
        Phrase(
            "{i}: sees the future ({c}: {w}, {m}); left out of everything.",
            "{i}：含未来信息（{c}：{w}，{m}），已全部剔除。",
        ).fill(i=x["indicator"], c=x["check"], w=x["where"], m=f"{x['measure']:.3g}")
        for x in record["left_out"]
    ]
    return left + [phrase_of(n) for n in record["notes"]]
