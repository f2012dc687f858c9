"""Why a grade is what it is, in English and Chinese, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from stresslab.rating.indicators import Json
from stresslab.rating.judge import Case, Judged, Scored
from stresslab.rating.rule import coverage_gap_li, grade_of
from stresslab.rating.scale import Indicator

State = Mapping[str, Fraction | None]

#: How a value came to its score, where it is not simply given.
TREATMENTS = {
    "missing": ("no answer", "未作回答"), "no_evidence": ("the answer comes without evidence", "回答没有证据"),
    "expired": ("the answer is too old", "回答已过期"), "passed": ("nothing to measure: passed", "无可计量，视为通过"),
}


def coverage_reasons(coverage: Fraction | None, own_li: int, call_li: int, case: Case, judged: Judged, *, deep: bool) -> list[Json]:
    """What own-funds coverage on the median path did to the grade."""
    if coverage is None:
        return [
            {"en": "The median path has no margin call: own-funds coverage is passed.", "zh": "中位路径没有追缴，自有资金覆盖率视为通过。"}
        ]
    shown, rule = said(coverage), case.scale.downgrade
    reasons = [{"en": f"Own-funds coverage on the median path is {shown}%.", "zh": f"中位路径的自有资金覆盖率为 {shown}%。"}]
    limit, depth = short(rule.coverage_below_pct), short(rule.crash_depth_at_least_pct)
    gap = coverage_gap_li(own_li, call_li, Fraction(rule.coverage_below_pct))
    if gap <= 0:
        return reasons
    line, gap_text = yuan(case.platform["bank_line_li"]), yuan(gap)
    if not deep:
        en = f"That is below {limit}%, but the rule acts only in a crash of at least {depth}%."
        zh = f"低于 {limit}%，但仅在至少 {depth}% 的下跌中才下调评级。"
    elif judged.low_coverage:
        before, after = case.thresholds[judged.reached][0], grade_of(judged.score, case.thresholds, rule.notches)
        en = (
            f"That is below {limit}%, and the immediate bank line of {line} yuan does not cover "
            f"the gap of {gap_text} yuan: {rule.notches} grades down, from {before} to {after}."
        )
        zh = f"低于 {limit}%，即时银行授信 {line} 元不足以弥补缺口 {gap_text} 元：下调 {rule.notches} 档，由 {before} 至 {after}。"
    else:
        en = f"That is below {limit}%, but the immediate bank line of {line} yuan covers the gap of {gap_text} yuan: no downgrade."
        zh = f"低于 {limit}%，但即时银行授信 {line} 元足以弥补缺口 {gap_text} 元：不下调。"
    return [*reasons, {"en": en, "zh": zh}]


def trigger_reasons(case: Case, judged: Judged) -> list[Json]:
    """Each trigger that fired, with its value, its line, and what it did to the grade."""
    reasons = []
    names = [name for name, _ in case.thresholds]
    for one, value, before, after in judged.fired:
        line = short(one.line)
        if value is None:
            en, zh = f"{one.en}: no answer with evidence", f"{one.zh}：没有附证据的回答"
        else:
            side = ("below", "低于") if one.below is not None else ("above", "高于")
            en, zh = f"{one.en}: {said(value)} is {side[0]} {line}", f"{one.zh}：{said(value)} {side[1]} {line}"
        if before == after:
            en, zh = f"{en}; the grade is at {names[after]} already", f"{zh}；评级已为 {names[after]}"
        else:
            en = f"{en}; {after - before} {'grade' if after - before == 1 else 'grades'} down, from {names[before]} to {names[after]}"
            zh = f"{zh}；下调 {after - before} 档，由 {names[before]} 至 {names[after]}"
        reasons.append({"en": f"{en}.", "zh": f"{zh}。"})
    return reasons


def suspension_reasons(case: Case, judged: Judged, state: State, paths: int, of: int) -> list[Json]:
    """Whether unpaid redemptions set the grade, and on how many paths they do (M-239)."""
    rule, days = case.scale.suspension, state.get("unpaid_days")
    if rule is None or days is None or paths == 0:
        return []
    many, least = short(days), rule.unpaid_days
    reasons = []
    if judged.suspended:
        reasons.append({
            "en": f"Redemptions stand unpaid on {many} days of the median path; from {least} on the grade is suspended to {rule.grade}.",
            "zh": f"中位路径有 {many} 日存在未兑付，达到 {least} 日即暂停评级并降至 {rule.grade}。",
        })
    return [*reasons, {
        "en": f"{paths} of {of} paths have redemptions unpaid on {least} days or more.",
        "zh": f"{of} 条路径中有 {paths} 条未兑付达到 {least} 日。"}]


def dimension_reasons(case: Case, state: State) -> list[Json]:
    """The dimensions whose score alone would be the lowest grade, each with the indicator that costs it most."""
    reasons = []
    lowest = case.thresholds[-1][0]
    for one in case.scale.dimensions:
        reached = case.dimension(one, state)
        if grade_of(reached, case.thresholds, 0) != lowest:
            continue
        lost = [(indicator.weight * (100 - case.scored(indicator, state).score), -at) for at, indicator in enumerate(one.indicators)]
        worst = one.indicators[-max(lost)[1]]
        en, zh = told(worst, case.scored(worst, state))
        reasons.append({"en": f"{one.en} scores {said(reached)} of 100: {en}.", "zh": f"{one.zh}得 {said(reached)} 分（满分100）：{zh}。"})
    return reasons


def told(one: Indicator, scored: Scored) -> tuple[str, str]:
    """An indicator with its value, or with what was done for want of one."""
    if scored.treatment == "missing" and one.source == "book":
        return f"{one.en}: the book does not say", f"{one.zh}：账簿未载明"
    if scored.treatment in TREATMENTS:
        en, zh = TREATMENTS[scored.treatment]
        return f"{one.en}: {en}", f"{one.zh}：{zh}"
    value = said(scored.value or Fraction(0))
    return f"{one.en}: {value}", f"{one.zh}：{value}"


def text(value: Fraction) -> str:
    """A fraction as a decimal with two to six decimals, rounded down beyond them."""
    scaled = math.floor(value * 10**6)
    whole, part = divmod(abs(scaled), 10**6)
    sign = "-" if scaled < 0 else ""
    decimals = f"{part:06d}"
    return f"{sign}{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def said(value: Fraction) -> str:
    """A fraction for a sentence: two decimals, rounded down, so that no line looks reached that was not."""
    return text(Fraction(math.floor(value * 100), 100))


def short(value: Decimal | Fraction) -> str:
    """A scale value as a decimal without trailing zeros."""
    return text(Fraction(value)).rstrip("0").rstrip(".")


def yuan(amount_li: int) -> str:
    """An amount in yuan with thousands separators, exact."""
    whole, part = divmod(amount_li, 1000)
    return f"{whole:,}.{part:03d}" if part else f"{whole:,}"
