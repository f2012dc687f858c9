"""What a platform was graded on, and how its paths migrate between grades (M-42, M-123 to M-126)."""

from __future__ import annotations

from typing import Any

from stresslab.report.amounts import NONE, percent, plain
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Phrase, phrase_of, same
from stresslab.report.run_tables import RunTables, given, scenario_title
from stresslab.report.terms import market_terms

_KINDS = {
    "simulated": Phrase("simulated", "模拟"),
    "book": Phrase("book", "账簿"),
    "answered": Phrase("answer", "回答"),
}
_TREATED = {
    "missing": Phrase("no answer", "未作回答"), "no_evidence": Phrase("without evidence", "无证据"),
    "expired": Phrase("too old", "已过期"), "passed": Phrase("nothing to measure: passed", "无可计量，视为通过"),
    "not_run": Phrase("not run", "未运行"),
}
_SILENT = Phrase("the book does not say", "账簿未载明")


def score_text(value: Any) -> Phrase:
    """A score to one digit, rounded down, so that no threshold is shown that was not reached."""
    if value is None:
        return NONE
    whole, _, part = str(value).partition(".")
    return same(f"{whole}.{(part or '0')[:1]}")


def dimensions(run: RunTables, rating: dict[str, Any]) -> Table:
    """The six dimensions, each with its indicators: weight, value, score, where it comes from, and what was done where it is missing."""
    overall = rating.get("overall")
    deciding = overall.get("scenario") if isinstance(overall, dict) else None
    decides = [s for s in run.scenarios if s["id"] == deciding]
    rows = []
    for d in rating.get("dimensions", []):
        name = Phrase(str(d.get("en") or d.get("name")), str(d.get("zh") or d.get("name")))
        score = Cell(score_text(d.get("score")), tone="total")
        rows.append(Row(name, NOTHING, (Cell(same(f"{plain(d.get('weight')).en}%")), Cell(NONE), score, Cell(NONE), Cell(NONE))))
        rows += [_indicator(i) for i in d.get("indicators", [])]
    return Table(
        title=Phrase("Dimensions of the rating and their indicators", "评级维度及其指标"),
        first=Phrase("Dimension, indicator", "维度、指标"),
        style="slim",
        heads=(
            Head(Phrase("Weight", "权重")), Head(Phrase("Value", "指标值")), Head(Phrase("Score", "得分")), Head(Phrase("From", "来源")),
            Head(Phrase("Evidence, or what was done for want of it", "证据，或缺失时的处理")),
        ),
        rows=tuple(rows),
        terms=market_terms(decides or run.scenarios),
        formulas=("M-42", "M-123", "M-126", "M-127"),
        note=Phrase(
            "Under the scenario that decides the rating. An indicator's weight is within its dimension; a simulated one stands for all "
            "paths by its median, an event by its share of paths.",
            "决定评级的情景之下。指标权重为维度内权重；模拟指标以各路径中位数为准，事件以发生路径占比为准。",
        ),
    )


def _indicator(one: dict[str, Any]) -> Row:
    treatment, source = str(one.get("treatment")), str(one.get("source"))
    if treatment == "missing" and source == "book":
        said = _SILENT
    else:
        said = _TREATED.get(treatment, same(str(one["evidence"])) if one.get("evidence") else NOTHING)
    if one.get("answered_on") and treatment in ("given", "expired"):
        said = Phrase(f"{said.en}, {one['answered_on']}", f"{said.zh}，{one['answered_on']}")
    tone = "quiet" if treatment == "given" else "words"
    value = one.get("value")
    shown = NONE if value is None else same(f"{float(value):,.2f}".replace("-", "−"))
    cells = (
        Cell(same(f"{plain(one.get('weight')).en}%"), tone="quiet"), Cell(shown), Cell(score_text(one.get("score"))),
        Cell(_KINDS.get(source, same(source))), Cell(said, tone=tone),
    )
    return Row(phrase_of(one), NOTHING, cells)


def migration(run: RunTables, rating: dict[str, Any]) -> Table | None:
    """How paths spread over the grades under each scenario, from the grade of the same path at baseline, with Wilson intervals."""
    names = [str(g["name"]) for g in run.rating.get("scale", {}).get("grades", [])]
    titles = {s["id"]: s for s in run.scenarios}
    rows = []
    for graded in rating.get("scenarios", []):
        held = graded.get("migration_table") or []
        if not held:
            continue
        scenario = titles.get(graded["scenario"], {"id": graded["scenario"]})
        starts = list(dict.fromkeys(r["from_grade"] for r in held))
        only = len(starts) == 2  # all paths start from one grade
        for start in starts:
            if start is not None and (only or graded["scenario"] == "baseline"):
                continue
            mine = {r["to_grade"]: r for r in held if r["from_grade"] == start}
            whence = Phrase("all paths", "全部路径") if start is None else Phrase(f"from {start}", f"由 {start}")
            of = plain(next(iter(mine.values()))["of_paths"])
            title = scenario_title(scenario) if start is None else whence
            rows.append(Row(title, given(scenario) if start is None else NOTHING, (Cell(of), *(_share(mine[g]) for g in names))))
    if not rows:
        return None
    return Table(
        title=Phrase("Migration of grades over paths", "各路径的评级迁移"),
        heads=(Head(Phrase("Paths", "路径数")), *(Head(same(g), Phrase("Grade that the path's own outcomes give", "按路径自身结果的评级"))
                                                  for g in names)),
        rows=tuple(rows),
        terms=market_terms(run.scenarios),
        formulas=("M-38", "M-125"),
        note=Phrase(
            "Share of paths with its sampling error; below it the 95% interval (Wilson). Rows “from” follow the grade that the same "
            "path has at baseline, on the same weather.",
            "路径占比及抽样误差；下方为95%区间（Wilson）。“由”各行按同一路径（同一随机数）在基准情景下的评级划分。",
        ),
    )


def _share(row: dict[str, Any]) -> Cell:
    # A single pair or point set says nothing of the error.
    note = NOTHING if row["low_pct"] is None else same(f"{percent(row['low_pct']).en} … {percent(row['high_pct']).en}")
    error = percent(row["error_pct"]) if row["error_pct"] else None
    return Cell(percent(row["share_pct"]), error, note, "" if row["paths"] else "quiet")
