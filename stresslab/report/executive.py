"""The executive page of a quarterly report: what decides and who must do what by when, before any table (M-38, M-39, M-118, M-220)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stresslab.report.against import STEPS, change
from stresslab.report.amounts import MoneyScale, money_scale, yuan_of
from stresslab.report.exhibits import Cell, coverage_cell, money_cell, probability_cell
from stresslab.report.findings import Finding
from stresslab.report.phrase import NOTHING, Phrase, join, same
from stresslab.report.quarter import Quarter, limit_value
from stresslab.report.run_tables import Estimates, RunTables
from stresslab.report.tables import scale_of

#: As many breaches of a platform stand on the page; the table of breaches has them all.
MOST = 3
_LIGHTS = (("red", "bad", Phrase("red", "红灯")), ("amber", "warn", Phrase("amber", "黄灯")), ("green", "good", Phrase("green", "绿灯")))
_LOSS = "loss_with_impact"


@dataclass(frozen=True)
class Duty:
    """What management must do about one limit, or about the grade."""

    tone: str
    what: Phrase
    action: Phrase
    who: Phrase


@dataclass(frozen=True)
class PlatformBrief:
    """One platform on the page: the finding, the figures that decide, lights, the change, and duties."""

    finding: Finding
    given: Phrase
    figures: tuple[tuple[Phrase, Cell], ...]
    lights: tuple[tuple[str, Phrase], ...]
    changed: Phrase
    duties: tuple[Duty, ...]
    more: int


def executive_part(
    run: RunTables, estimates: Estimates, quarter: Quarter | None, findings: Sequence[Finding]
) -> list[PlatformBrief] | None:
    """One brief a platform, in the order of the findings; None for the report that a run makes by itself."""
    if quarter is None:
        return None
    return [_brief(run, estimates, quarter, finding) for finding in findings]


def _brief(run: RunTables, estimates: Estimates, quarter: Quarter, finding: Finding) -> PlatformBrief:
    at = finding.platform_id
    scale = scale_of(run, estimates, at, (_LOSS, "deficit"))
    known = [s["id"] for s in run.scenarios if estimates.get(s["id"], at, _LOSS).known]
    worst = max(reversed(known), key=lambda s: estimates.get(s, at, _LOSS).value) if known else ""
    figures: tuple[tuple[Phrase, Cell], ...] = ()
    if known:
        calls = estimates.get(worst, at, "margin_call_peak")
        figures = (
            (Phrase("Paths that fail", "失败路径占比"), probability_cell(estimates.get(worst, at, "failure", "probability"))),
            (_in(scale, Phrase("Loss, selling with impact", "有冲击平仓的损失")), money_cell(estimates.get(worst, at, _LOSS), scale)),
            (_in(scale, Phrase("Deficit", "穿仓额")), money_cell(estimates.get(worst, at, "deficit"), scale)),
            (Phrase("Own-funds coverage of calls", "自有资金覆盖率"),
             coverage_cell(estimates.get(worst, at, "own_funds_coverage", "median"), calls)))
    judged = (run.record.get("limits") or {"platforms": []})["platforms"]
    limits: list[dict[str, Any]] = next((p["limits"] for p in judged if p["platform_id"] == at), [])
    lights = tuple((tone, Phrase(f"{n} {words.en}", f"{words.zh}{n}项")) for light, tone, words in _LIGHTS
                   if (n := sum(one["light"] == light for one in limits)))
    duties = _duties(finding, quarter, limits)
    asked = Phrase("The scenario that costs it most: {s}", "损失最大的情景：{s}").fill(s=worst) if known else NOTHING
    return PlatformBrief(finding, asked, figures, lights, _changed(quarter, at, worst), tuple(duties[:MOST]), max(0, len(duties) - MOST))


def _in(scale: MoneyScale, words: Phrase) -> Phrase:
    return Phrase(f"{words.en}, {scale.unit.en}", f"{words.zh}（{scale.unit.zh}）")


def _changed(quarter: Quarter, platform: str, worst: str) -> Phrase:
    """One sentence: the change of the loss since last quarter, and the parts of it."""
    if quarter.against is None:
        return Phrase("not known: last quarter's run was not given (--against)", "未知：未提供上季运行（--against）")
    if worst not in quarter.against.scenarios:
        return Phrase("not known: last quarter did not run {s}", "未知：上季未运行{s}").fill(s=worst)
    found = change(quarter.against, worst, platform, "loss_with_impact_li")
    whole = found.means[-1] - found.means[0]
    scale = money_scale([yuan_of(v) for v in (whole, *found.steps)])

    def signed(value: Any) -> Phrase:
        shown, sign = scale.number(abs(yuan_of(value))), "+" if value > 0 else "\u2212" if value < 0 else ""
        return Phrase(f"{sign}{shown.en}", f"{sign}{shown.zh}")

    parts = join([Phrase("{w} {v}", "{w} {v}").fill(w=words, v=signed(step)) for (_, words), step in zip(STEPS, found.steps, strict=True)])
    told = Phrase("loss, selling with impact: {whole} ({unit}): {parts}", "有冲击平仓的损失：{whole}（{unit}）：{parts}")
    return told.fill(whole=signed(whole), unit=scale.unit, parts=parts)


def _duties(finding: Finding, quarter: Quarter, limits: Sequence[dict[str, Any]]) -> list[Duty]:
    """Red before amber; a breach without a plan asks for one; what the grade calls for is one more."""
    plans = {(p["platform"], p["limit"]): p for p in quarter.remediation or []}
    found = []
    for light, tone, _ in _LIGHTS[:2]:
        for one in limits:
            if one["light"] != light:
                continue
            value, line = limit_value(one)
            told = Phrase("{name}: {value}, line {line}", "{name}：{value}，限额线{line}")
            what = told.fill(name=Phrase(one["en"], one["zh"]), value=value, line=line)
            plan = plans.get((finding.platform_id, one["name"]))
            if plan is None:
                found.append(Duty(tone, what, Phrase("Name an owner, an action and a date (--remediation)",
                                                     "须指定责任人、措施与期限（--remediation）"), NOTHING))
            else:
                who = Phrase("{owner}, by {due}", "{owner}，{due}前").fill(owner=plan["owner"], due=plan["due"])
                found.append(Duty(tone, what, same(plan["action"]), who))
    if finding.action.en:
        found.insert(0, Duty(finding.tone, Phrase("Grade {g}", "评级{g}").fill(g=finding.grade), finding.action, NOTHING))
    return found
