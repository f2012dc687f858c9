"""What a backtest says in a terminal, in one language."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from stresslab.report import early_warning_risk as risk
from stresslab.report.early_warning import findings
from stresslab.report.early_warning_words import GRADES, WINDOWS, rule_of
from stresslab.report.phrase import Language, Phrase

_HEADS = (
    ("auroc", "AUROC"),
    ("usefulness", "U_r"),
    ("noise_to_signal", "NSR"),
    ("hit_rate", "hits"),
    ("false_alarm_rate", "false"),
    ("brier", "Brier"),
    ("false_alarms_a_year", "false/y"),
    ("events_warned", "warned"),
    ("lead_days", "lead"),
    ("value", "value"),
)


def summary(record: dict[str, Any], tables: dict[str, pd.DataFrame], language: Language) -> list[str]:
    """The lines of a backtest: its days, its scores, what was known on the day that was asked about, what was found."""
    head = Phrase(
        "{i}, {a} to {b}: {n} events by {r}; {s} specifications tried",
        "{i}，{a}至{b}：{n}个事件（{r}）；共尝试{s}种设定",
    ).fill(
        i=record["index"],
        a=record["from"],
        b=record["to"],
        n=len(tables["events"]),
        r=rule_of(record["asked"]["events"]),
        s=record["specifications"],
    )
    lines = [head.pick(language)]
    scores = tables["scores"]
    for window in dict.fromkeys(scores["window"]):
        here = scores[scores["window"] == window]
        first = here.iloc[0]
        name = WINDOWS[window].pick(language)
        lines.append(
            f"\n{name}: "
            + Phrase("{n} days, {k} before {e} events", "{n}日，{e}个事件前{k}日")
            .fill(n=int(first["days"]), k=int(first["days_before"]), e=int(first["events"]))
            .pick(language)
        )
        lines.append(f"{'':16}" + "".join(f"{h:>14}" if k == "auroc" else f"{h:>9}" for k, h in _HEADS))
        for model in record["models"]:
            own = here[here["model"] == model["name"]].set_index("measure")
            lines.append(f"{model['name'][:16]:16}" + "".join(_cell(own.loc[k], k) for k, _ in _HEADS))
    if "as_of" in record:
        lines += ["", *_as_of(record["as_of"], language)]
    if "actions" in tables:
        lines += ["", Phrase("With the action {a} attached, in losses of one event", "附带行动{a}，以一次事件损失计").fill(
            a=record["action"]["id"]).pick(language)]
        lines.append(f"{'':16}{'net':>9}{'saved':>9}{'cost':>9}{'relative':>10}{'events':>9}")
        for row in tables["actions"].to_dict("records"):
            label = row["model"] if row["window"] == "walk_forward" else f"{row['model']} *"
            relative = f"{row['relative']:.2f}" if math.isfinite(row["relative"]) else "—"
            met = f"{row['met']}/{row['events']}"
            lines.append(f"{label[:16]:16}{row['net']:>9.3f}{row['saved']:>9.3f}{row['cost']:>9.3f}{relative:>10}{met:>9}")
        for row in tables.get("triggers", pd.DataFrame()).to_dict("records"):
            lines.append(Phrase("  {m}: alarm on {d}, {r} on day {n}", "  {m}：{d}报警，情景第{n}日触发{r}").fill(
                m=row["model"], d=row["rose"], r=row["do"], n=row["day"]).pick(language))
    lines += ["", *risk.lines(record, tables, language)]
    return [*lines, "", *(f"- {f.pick(language)}" for f in findings(record, tables))]


def _cell(one: Any, name: str) -> str:
    value, error = float(one["value"]), float(one["error"])
    digits = {"auroc": 3, "brier": 3, "lead_days": 0}.get(name, 2)
    text = f"{round(value, digits) + 0.0:.{digits}f}" if math.isfinite(value) else "—"
    if name == "auroc":
        return f"{text + (f' ± {error:.3f}' if math.isfinite(error) else ''):>14}"
    return f"{text:>9}"


def _as_of(known: dict[str, Any], language: Language) -> list[str]:
    zh = language == "zh"
    lines = [
        Phrase("What was known on the evening of {d} (close {c})", "{d}当晚已知信息（收盘{c}）")
        .fill(d=known["date"], c=f"{known['close']:.2f}")
        .pick(language)
    ]
    # Chinese letters are twice as wide: they stand last in a column or alone.
    lines.append("  指标 / 数值 / 500日分位 / 数据日期" if zh else f"  {'indicator':40}{'value':>12}{'of 500 days':>13}  row of")
    for one in known["indicators"]:
        value = ("—" if zh else "missing") if one["value"] is None else f"{one['value']:.2f}"
        place = "" if one["place"] is None else f"{100 * one['place']:.0f}%"
        lines.append(
            f"  {one['indicator'].removeprefix('candidate:')[:40]:40}{value:>12}{place:>13}  {one['row'] or '—'}"
        )
    for m in known["models"]:
        lines += _stands(m, language)
    return lines


def _stands(m: dict[str, Any], language: Language) -> list[str]:
    """A model that evening: its alarm, since when, and the earliest one of the last 250 trading days."""
    state = Phrase("no model yet", "尚无模型") if not m["fitted"] else Phrase("ALARM", "报警") if m["alarm"] else Phrase("quiet", "未报警")
    parts = [state]
    if m.get("grade"):
        parts.append(GRADES[m["grade"]])
    if m["since"]:
        parts.append(Phrase("since {d}", "持续自{d}").fill(d=m["since"]))
    if m["first_rose"]:
        rose = Phrase("earliest alarm of the last 250 days rose on {d}", "近250个交易日最早的报警起于{d}").fill(d=m["first_rose"])
    else:
        rose = Phrase("no alarm in the last 250 days", "近250个交易日无报警")
    parts.append(rose)
    if m["probability"] is not None:
        parts.append(Phrase("probability {p}", "概率{p}").fill(p=f"{m['probability']:.2f}"))
    if m.get("action"):
        parts.append(Phrase(m["action"], m["action_zh"]))
    zh = language == "zh"
    lines = [f"  {m['model']:16} " + ("，" if zh else ", ").join(part.pick(language) for part in parts)]
    if m.get("grades_first_rose"):
        told = [
            Phrase("{g} from {d}", "{g}最早{d}").fill(g=GRADES[g], d=Phrase(d or "no day", d or "无"))
            for g, d in m["grades_first_rose"].items()
        ]
        lines.append("  " + " " * 17 + ("，" if zh else ", ").join(part.pick(language) for part in told))
    return lines
