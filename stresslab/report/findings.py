"""What a run says of a platform in plain sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stresslab.report.amounts import Estimate, money_with_error, percent
from stresslab.report.phrase import NOTHING, Phrase, join, phrase_of
from stresslab.report.run_tables import Estimates, RunTables, platform_name

#: From the platform's own money to other people's.
LAYERS: tuple[tuple[str, Phrase], ...] = (
    ("absorbed_by_reserve", Phrase("reserve", "风险准备金")),
    ("absorbed_by_own_capital", Phrase("own capital", "自有资金")),
    ("absorbed_by_junior", Phrase("junior funders", "劣后资金方")),
    ("absorbed_by_senior", Phrase("senior funders", "优先资金方")),
    ("absorbed_by_claims", Phrase("clients", "客户")),
)
OUTSIDERS = tuple(name for name, _ in LAYERS[2:])

SURVIVES = Phrase("Survives", "存活")
AT_RISK = Phrase("At risk", "有风险")
FAILS = Phrase("Fails", "失败")
UNKNOWN = Phrase("Not measured", "未测量")


@dataclass(frozen=True)
class Finding:
    """The verdict on one platform, and the sentences that say why."""

    name: Phrase
    platform_id: str
    verdict: Phrase
    tone: str
    grade: str
    sentences: tuple[Phrase, ...]
    action: Phrase


def _hits(run: RunTables, estimates: Estimates, platform: str) -> dict[str, Estimate]:
    found = {
        s["id"]: estimates.get(s["id"], platform, "failure", "probability") for s in run.scenarios
    }
    return {scenario: estimate for scenario, estimate in found.items() if estimate.known}


def _listed(hits: dict[str, Estimate]) -> Phrase:
    """Scenarios with the share of paths that fail."""
    items = []
    for scenario, estimate in hits.items():
        share, error = percent(estimate.value).en, percent(estimate.error).en
        text = f"{share}\u00a0±\u00a0{error}" if estimate.error > 0 else share
        items.append(Phrase(f"{scenario} ({text})", f"{scenario}（{text}）"))
    return join(items)


def _survival(hits: dict[str, Estimate], paths: int) -> list[Phrase]:
    often = {s: e for s, e in hits.items() if e.value >= 50}
    some = {s: e for s, e in hits.items() if 0 < e.value < 50}
    never = [e for e in hits.values() if e.value == 0]
    told = []
    if often:
        told.append(
            Phrase(
                "Fails on half of the paths or more given {list}.",
                "半数或以上路径失败的情景：{list}。",
            ).fill(list=_listed(often))
        )
    if some:
        told.append(
            Phrase("Fails on some paths given {list}.", "部分路径失败的情景：{list}。").fill(
                list=_listed(some)
            )
        )
    if never:
        bound = percent(max(e.span[1] for e in never))
        where = (
            Phrase("in the other {k}", "在其余{k}个情景中")
            if often or some
            else Phrase("in any of the {k} scenarios", "在全部{k}个情景中")
        )
        told.append(
            Phrase(
                "No failure on {n} paths {where} (95% upper bound {bound} each).",
                "{where}，{n}条路径无一失败（各情景95%上限为{bound}）。",
            ).fill(n=f"{paths:,}", where=where.fill(k=len(never)), bound=bound)
        )
    return told


def _verdict(hits: dict[str, Estimate]) -> tuple[Phrase, str]:
    if not hits:
        return UNKNOWN, "none"
    worst = max(e.value for e in hits.values())
    return (FAILS, "bad") if worst >= 50 else (AT_RISK, "warn") if worst > 0 else (SURVIVES, "good")


def _deficit(run: RunTables, estimates: Estimates, platform: str) -> Phrase:
    found = [(estimates.get(s["id"], platform, "deficit"), s["id"]) for s in run.scenarios]
    known = [(e, s) for e, s in found if e.known]
    if not known:
        return NOTHING
    worst, scenario = max(known, key=lambda pair: pair[0].value)
    if worst.value <= 0:
        return Phrase(
            "No account is left with a deficit in any scenario.", "任何情景下均无账户穿仓。"
        )
    outside = sum(
        max(0.0, e.value)
        for e in (estimates.get(scenario, platform, m) for m in OUTSIDERS)
        if e.known
    )
    amount = money_with_error(worst)
    share = percent(100 * outside / worst.value)
    return Phrase(
        "Largest mean deficit: {amount}, given {scenario}; {share} of it falls on funders and clients.",
        "平均穿仓额最大为 {amount}（给定情景 {scenario}），其中 {share} 由资金方与客户承担。",
    ).fill(amount=amount, scenario=scenario, share=share)


def overall_grade(rating: dict[str, Any]) -> str:
    """The grade that decides, or a dash where the platform is not rated."""
    overall = rating.get("overall")
    found = overall.get("grade") if isinstance(overall, dict) else overall
    return str(found) if found and rating.get("rated", True) else "—"


def _grading(rating: dict[str, Any]) -> Phrase:
    if not rating:
        return NOTHING
    if not rating.get("rated", True):
        return Phrase("Not rated: {why}", "未予评级：{why}").fill(
            why=phrase_of(rating.get("reason_not_rated"))
        )
    overall = rating.get("overall")
    if not isinstance(overall, dict):
        return Phrase("Grade {grade}.", "评级 {grade}。").fill(grade=overall_grade(rating))
    moved = Phrase(
        "Grade {before} before the shock, {after} given {scenario}",
        "冲击前评级 {before}，给定 {scenario} 时为 {after}",
    )
    if overall.get("grade_before") in (None, overall.get("grade")):
        moved = Phrase("Grade {after}, given {scenario}", "给定 {scenario} 时评级 {after}")
    told = moved.fill(
        before=overall.get("grade_before"),
        after=overall_grade(rating),
        scenario=overall.get("scenario"),
    )
    coverage = overall.get("coverage_pct_median")
    if coverage is None:
        return Phrase(
            f"{told.en}: no margin calls in the median path.", f"{told.zh}：中位路径没有追缴。"
        )
    shown = percent(float(coverage))
    why = Phrase(
        f"{told.en}: own funds cover {shown.en} of the peak margin call",
        f"{told.zh}：自有资金覆盖追缴额峰值的 {shown.zh}",
    )
    if overall.get("downgraded"):
        return Phrase(
            f"{why.en}, too little, and the grade was taken down.",
            f"{why.zh}，不足规定比例，评级被下调。",
        )
    return Phrase(f"{why.en}.", f"{why.zh}。")


#: How a verdict is counted in English: of one platform, of several.
_COUNTED = {
    SURVIVES: ("survives", "survive"),
    AT_RISK: ("is at risk", "are at risk"),
    FAILS: ("fails", "fail"),
    UNKNOWN: ("was not measured", "were not measured"),
}


def headline(findings: list[Finding]) -> Phrase:
    """How many platforms survive, are at risk, fail."""
    parts = [
        (v, sum(f.verdict == v for f in findings)) for v in (SURVIVES, AT_RISK, FAILS, UNKNOWN)
    ]
    told = [
        Phrase(f"{n} {_COUNTED[v][n != 1]}", f"{v.zh} {n} 个")
        for v, n in parts
        if n or v != UNKNOWN
    ]
    listed = join(told, ", ", "，")
    return Phrase("Of {n} platforms, {listed}.", "{n}个平台：{listed}。").fill(
        n=len(findings), listed=listed
    )


def find(
    run: RunTables, estimates: Estimates, platform: dict[str, Any], rating: dict[str, Any]
) -> Finding:
    """The verdict on one platform."""
    hits = _hits(run, estimates, platform["platform_id"])
    verdict, tone = _verdict(hits)
    told = [
        *_survival(hits, int(run.record["paths"])),
        _grading(rating),
        _deficit(run, estimates, platform["platform_id"]),
    ]
    return Finding(
        platform_name(platform),
        platform["platform_id"],
        verdict,
        tone,
        overall_grade(rating),
        tuple(s for s in told if s != NOTHING),
        phrase_of(rating.get("action")),
    )
