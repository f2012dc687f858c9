"""The tables of a report."""

from __future__ import annotations

from typing import Any

from stresslab.report.amounts import (
    NONE,
    Estimate,
    MoneyScale,
    money_scale,
    percent,
    plain,
    yuan_of,
)
from stresslab.report.exhibits import (
    NO_CALLS,
    Cell,
    Head,
    Row,
    Table,
    count_cell,
    coverage_cell,
    first_day_cell,
    money_cell,
    percent_cell,
    probability_cell,
)
from stresslab.report.findings import LAYERS
from stresslab.report.paths import Paths
from stresslab.report.phrase import NOTHING, Phrase, phrase_of, same, sentences
from stresslab.report.run_tables import (
    ALL,
    Estimates,
    RunTables,
    given,
    rated_platforms,
    scenario_title,
)
from stresslab.report.terms import market_terms

_CALLS = ("margin_call_peak", "margin_call_issued", "margin_call_unanswered", "sold")
ERRORS = Phrase(
    "Mean of {n} paths; the smaller figure is one standard error of sampling (±).",
    "{n}条路径的均值；小字为一倍抽样标准误（±）。",
)
_BORNE = Phrase("Deficit borne by", "穿仓额承担者")


def scale_of(
    run: RunTables,
    estimates: Estimates,
    platform: str,
    measures: tuple[str, ...],
    statistics: tuple[str, ...] = ("mean",),
) -> MoneyScale:
    """The money unit that suits some measures of all scenarios."""
    found = [
        estimates.get(s["id"], platform, m, k)
        for s in run.scenarios
        for m in measures
        for k in statistics
    ]
    return money_scale([e.value for e in found])


def headed(run: RunTables, cells: dict[str, tuple[Cell, ...]]) -> tuple[Row, ...]:
    """One row a scenario, with its title and the words that condition it."""
    return tuple(Row(scenario_title(s), given(s), cells[s["id"]]) for s in run.scenarios)


def in_unit(unit: Phrase, name: Phrase) -> Phrase:
    """A title with the unit of its numbers."""
    return Phrase(f"{name.en}, {unit.en}", f"{name.zh}（{unit.zh}）")


def grade_cell(graded: dict[str, Any]) -> Cell:
    """The grade before the shock and the one given the scenario."""
    before, after = graded.get("grade_before"), graded.get("grade_after")
    if not after:
        return Cell(NONE)
    grades = (str(before), str(after)) if before else (str(after),)
    note = Phrase("suspended", "暂停评级") if graded.get("suspended") else NOTHING
    return Cell(same(" → ".join(grades)), grades=grades, note=note)


def graded_under(rating: dict[str, Any], scenario: str) -> dict[str, Any]:
    """What a rating says of one scenario; empty where it says nothing."""
    found = [g for g in rating.get("scenarios", []) if g.get("scenario") == scenario]
    return dict(found[0]) if found else {}


def matrix(run: RunTables, estimates: Estimates) -> Table:
    """Platforms by scenarios: the grade before and after, and how often the platform fails."""
    rows = []
    for platform, rating in rated_platforms(run):
        cells = []
        for scenario in run.scenarios:
            failed = estimates.get(
                scenario["id"], platform["platform_id"], "failure", "probability"
            )
            chance = probability_cell(failed)
            grade = grade_cell(graded_under(rating, scenario["id"]))
            cells.append(Cell(chance.value, chance.error, tone=chance.tone, grades=grade.grades))
        rows.append(
            Row(
                same(platform.get("name") or platform["platform_id"]),
                same(platform["platform_id"]),
                tuple(cells),
            )
        )
    return Table(
        title=Phrase(
            "Share of paths that fail, and grade before → after", "失败路径占比，及评级（前 → 后）"
        ),
        heads=tuple(Head(same(s["id"])) for s in run.scenarios),
        rows=tuple(rows),
        first=Phrase("Platform", "平台"),
        style="matrix",
        terms=market_terms(run.scenarios),
        formulas=("M-28", "M-38", "M-42", "M-43"),
        note=Phrase(
            "Every figure holds given the scenario of its column. The first grade is that of the baseline, before "
            "the shock; the second is that of the median path given the scenario.",
            "每个数字以所在列的情景为前提。前一评级为基准情景（冲击前），后一评级为给定情景下中位路径的评级。",
        ),
    )


def _worst(run: RunTables, estimates: Estimates, scenario: str) -> list[Cell]:
    """The platform most likely to fail, and the one that first leaves a redemption unpaid."""
    names = [p["platform_id"] for p in run.platforms]
    fails = {n: estimates.get(scenario, n, "failure", "probability") for n in names}
    known = [n for n in names if fails[n].known]
    worst = max(known, key=lambda n: fails[n].value, default=None)
    chance = probability_cell(fails[worst]) if worst else Cell(NONE)
    if worst and fails[worst].value > 0:
        chance = Cell(chance.value, chance.error, same(worst), chance.tone)
    days = {n: estimates.get(scenario, n, "first_unpaid_day", "earliest") for n in names}
    unpaid = [n for n in names if days[n].known]
    if not unpaid:
        return [chance, Cell(Phrase("never", "无"), tone="quiet")]
    first = min(unpaid, key=lambda n: days[n].value)
    day = Phrase("day {d}", "第{d}日").fill(d=f"{days[first].value:.0f}")
    return [chance, Cell(day, note=same(first), tone="warn")]


_OUTCOME_FORMULAS = ("M-31", "M-35", "M-26", "M-27", "M-33", "M-28", "M-36", "M-38", "M-39")


def _outcome_heads(platform: str, *, graded: bool) -> tuple[Head, ...]:
    """The headings of the scenario table: of all platforms together, the weakest speaks."""
    fails = Phrase("Probability of failure", "失败概率")
    unpaid = Phrase("First unpaid redemption, median", "首次未兑付 中位数")
    if platform == ALL:
        fails = Phrase("Probability of failure, weakest platform", "失败概率 最弱平台")
        unpaid = Phrase("First unpaid redemption, earliest of all", "首次未兑付 全体最早")
    heads = (
        Head(Phrase("Margin call, peak day", "追缴额峰值")),
        Head(Phrase("Accounts forced to sell", "被强平 账户")),
        Head(Phrase("Deficit", "穿仓额")),
        *(Head(name, _BORNE) for _, name in LAYERS),
        Head(Phrase("Own-funds coverage, median", "自有资金覆盖率 中位数")),
        Head(fails),
        Head(unpaid),
    )
    return (*heads, Head(Phrase("Grade", "评级"))) if graded else heads


def outcome(
    run: RunTables, estimates: Estimates, platform: str, rating: dict[str, Any] | None = None
) -> Table:
    """The scenario table of one platform, or of all together without the grades."""
    layers = tuple(name for name, _ in LAYERS)
    scale = scale_of(run, estimates, platform, ("margin_call_peak", "deficit", *layers))
    cells: dict[str, tuple[Cell, ...]] = {}
    for scenario in run.scenarios:
        at = scenario["id"]
        called = estimates.get(at, platform, "margin_call_peak")
        row = [
            money_cell(called, scale),
            count_cell(estimates.get(at, platform, "accounts_forced")),
            money_cell(estimates.get(at, platform, "deficit"), scale),
        ]
        row += [
            money_cell(estimates.get(at, platform, name), scale, "warn" if place > 1 else "")
            for place, name in enumerate(layers)
        ]
        row += [coverage_cell(estimates.get(at, platform, "own_funds_coverage", "median"), called)]
        row += (
            _worst(run, estimates, at)
            if platform == ALL
            else [
                probability_cell(estimates.get(at, platform, "failure", "probability")),
                first_day_cell(
                    estimates.get(at, platform, "first_unpaid_day", "median"),
                    estimates.get(at, platform, "first_unpaid_day", "earliest"),
                ),
            ]
        )
        row += [grade_cell(graded_under(rating, at))] if rating is not None else []
        cells[at] = tuple(row)
    return Table(
        title=in_unit(
            scale.unit, Phrase("Calls, losses and survival by scenario", "各情景的追缴、损失与存活")
        ),
        heads=_outcome_heads(platform, graded=rating is not None),
        rows=headed(run, cells),
        formulas=(*_OUTCOME_FORMULAS, *(("M-42", "M-43") if rating is not None else ())),
        note=ERRORS.fill(n=f"{run.record['paths']:,}"),
        terms=market_terms(run.scenarios),
    )


_SALES = Phrase("Calls and sales", "追缴与强平")
_LOSSES = Phrase("Losses", "损失")
_PATHS = Phrase("Share of paths", "路径占比")
_DETAIL_HEADS = (
    Head(Phrase("Calls issued", "发出 追缴"), _SALES),
    Head(Phrase("not answered", "未补足"), _SALES),
    Head(Phrase("Accounts called", "被追缴 账户"), _SALES),
    Head(Phrase("Forced-sale rate", "强平 触发率"), _SALES),
    Head(Phrase("Sold by force", "强平 卖出"), _SALES),
    Head(Phrase("of it displaced", "其中 被转移"), _SALES),
    Head(Phrase("Margin coverage, lowest day, median", "保证金覆盖率 最低日中位数"), _SALES),
    Head(Phrase("Deficit, 95% quantile", "穿仓额 95%分位"), _LOSSES),
    Head(Phrase("Deficit, mean of worst 5%", "穿仓额 最差5%均值"), _LOSSES),
    Head(Phrase("Deficit not yet realised", "未实现 穿仓额"), _LOSSES),
    Head(Phrase("Unpaid at the end", "期末 未兑付"), _LOSSES),
    Head(Phrase("Redemption unpaid", "出现 未兑付"), _PATHS),
    Head(Phrase("Own funds gone", "自有资金 耗尽"), _PATHS),
    Head(Phrase("Coverage below 15%", "覆盖率 低于15%"), _PATHS),
)
_DETAIL_FORMULAS = (
    *("M-31", "M-32", "M-35", "M-25", "M-26", "M-37"),
    *("M-17", "M-36", "M-33", "M-48", "M-38", "M-39", "M-40", "M-51"),
)


def detail(run: RunTables, estimates: Estimates, platform: str) -> Table:
    """Calls and sales of one platform, the tail of its deficit, and what was close to failing."""
    scale = scale_of(
        run,
        estimates,
        platform,
        (*_CALLS, "deficit", "deficit_unrealised", "unpaid_end"),
        ("mean", "tail_mean"),
    )

    def at(scenario: str, measure: str, statistic: str = "mean") -> Estimate:
        return estimates.get(scenario, platform, measure, statistic)

    cells: dict[str, tuple[Cell, ...]] = {}
    for s in (scenario["id"] for scenario in run.scenarios):
        cells[s] = (
            money_cell(at(s, "margin_call_issued"), scale),
            money_cell(at(s, "margin_call_unanswered"), scale),
            count_cell(at(s, "accounts_called")),
            percent_cell(at(s, "forced_sale_rate")),
            money_cell(at(s, "sold"), scale),
            percent_cell(at(s, "displaced_share", "ratio")),
            percent_cell(at(s, "margin_coverage", "median")),
            money_cell(at(s, "deficit", "q95"), scale),
            money_cell(at(s, "deficit", "tail_mean"), scale),
            money_cell(at(s, "deficit_unrealised"), scale),
            money_cell(at(s, "unpaid_end"), scale),
            probability_cell(at(s, "unpaid_redemption", "probability")),
            probability_cell(at(s, "own_funds_exhausted", "probability")),
            probability_cell(at(s, "coverage_below_15", "probability")),
        )
    return Table(
        title=in_unit(
            scale.unit,
            Phrase("Calls, the tail of the deficit, and near failures", "追缴、穿仓尾部与临近失败"),
        ),
        heads=_DETAIL_HEADS,
        rows=headed(run, cells),
        formulas=_DETAIL_FORMULAS,
        terms=market_terms(run.scenarios),
        note=sentences(
            [
                ERRORS.fill(n=f"{run.record['paths']:,}"),
                Phrase(
                    "Quantiles and tail means hold given the scenario and are not a value at risk.",
                    "分位数与尾部均值以情景为前提，不是在险价值。",
                ),
            ]
        ),
    )


_COLUMNS_OF = Phrase("Loss", "损失")
_APART = Phrase("Difference, path by path", "逐路径差额")


def losses(run: RunTables, estimates: Estimates, platform: str) -> Table:
    """The losses of the three columns, and between them the loss of the rule and of the reaction."""
    names = ("loss_holding", "loss_without_impact", "loss_with_impact", "rule_loss", "reaction_loss")
    scale = scale_of(run, estimates, platform, names)
    cells = {
        s["id"]: tuple(money_cell(estimates.get(s["id"], platform, n), scale) for n in names)
        for s in run.scenarios
    }
    moved = any(s.get("exchange") for s in run.scenarios)
    if moved:
        paths = Paths(run)
        for s in run.scenarios:
            cells[s["id"]] += (money_cell(paths.mean(s["id"], platform, "exchange_loss_li"), scale),)
    return Table(
        title=in_unit(scale.unit, Phrase("Losses of the shock, of the rule and of the reaction", "冲击、规则与反应造成的损失")),
        heads=(
            Head(Phrase("Holding: the shock", "持有： 冲击本身"), _COLUMNS_OF),
            Head(Phrase("Selling without impact", "无冲击 平仓"), _COLUMNS_OF),
            Head(Phrase("Selling with impact: the run", "有冲击 平仓：本次"), _COLUMNS_OF),
            Head(Phrase("Rule: selling − holding", "规则： 平仓 − 持有"), _APART),
            Head(Phrase("Reaction: with − without impact", "反应： 有 − 无冲击"), _APART),
            *([Head(Phrase("Exchange loss on funding, not among these", "外币资金汇兑损失 另计"))] if moved else []),
        ),
        rows=headed(run, cells),
        formulas=("M-30", "M-38", "M-50", *(("M-240",) if moved else ())),
        style="slim",
        terms=market_terms(run.scenarios),
        note=sentences(
            [
                ERRORS.fill(n=f"{run.record['paths']:,}"),
                Phrase(
                    "Rule and reaction are differences on the same path, so their errors are smaller than those of the "
                    "columns suggest; a negative one spares losses.",
                    "规则与反应为同一路径上的差额，其误差小于由各栏误差推得者；负值表示减少损失。",
                ),
            ]
        ),
    )


def _grade_names(run: RunTables) -> list[str]:
    """The grades of the scale, best first."""
    return [str(g["name"]) for g in run.rating.get("scale", {}).get("grades", [])] or [
        "AAA",
        "AA",
        "A",
        "B",
    ]


def _score(value: Any) -> Phrase:
    """A score to one digit, rounded down, so that no threshold is shown that was not reached."""
    if value is None:
        return NONE
    whole, _, part = str(value).partition(".")
    return same(f"{whole}.{(part or '0')[:1]}")


def shared_reasons(rating: dict[str, Any]) -> list[Phrase]:
    """Reasons that stand under every scenario, to be told once."""
    told = [[phrase_of(r) for r in g.get("reasons", [])] for g in rating.get("scenarios", [])]
    return [r for r in told[0] if all(r in other for other in told)] if len(told) > 1 else []


def rating_scenarios(run: RunTables, rating: dict[str, Any]) -> Table:
    """Grades by scenario with what moved them and how paths spread over the grades."""
    titles, names, shared = (
        {s["id"]: s for s in run.scenarios},
        _grade_names(run),
        shared_reasons(rating),
    )
    rows = []
    for graded in rating.get("scenarios", []):
        scenario = titles.get(graded["scenario"], {"id": graded["scenario"]})
        coverage, below = graded.get("coverage_pct_median"), graded.get("share_below_pct")
        error, spread = graded.get("share_below_error_pct"), graded.get("migration") or {}
        cells = [
            Cell(_score(graded.get("score_before"))),
            Cell(_score(graded.get("score_after"))),
            grade_cell(graded),
            Cell(NO_CALLS if coverage is None else percent(float(coverage))),
            Cell(
                NONE if below is None else percent(float(below)),
                percent(float(error)) if error else None,
            ),
        ]
        cells += [
            Cell(plain(spread.get(grade)), tone="" if spread.get(grade) else "quiet")
            for grade in names
        ]
        reasons = [phrase_of(r) for r in graded.get("reasons", [])]
        cells.append(Cell(sentences([r for r in reasons if r not in shared]), tone="words"))
        rows.append(Row(scenario_title(scenario), given(scenario), tuple(cells)))
    paths, score = Phrase("Paths by grade", "各评级路径数"), Phrase("Score", "评分")
    return Table(
        title=Phrase("Grade by scenario", "各情景评级"),
        heads=(
            Head(Phrase("before", "前"), score),
            Head(Phrase("after", "后"), score),
            Head(Phrase("Grade", "评级")),
            Head(Phrase("Own-funds coverage, median", "自有资金覆盖率 中位数")),
            Head(Phrase("Paths below 15%", "低于15%的路径")),
            *(Head(same(grade), paths) for grade in names),
            Head(Phrase("Reasons", "理由")),
        ),
        rows=tuple(rows),
        terms=market_terms(run.scenarios),
        formulas=("M-33", "M-38", "M-42", "M-43", "M-124", "M-239"),
        note=Phrase(
            "Before: the baseline. After: the median path given the scenario.",
            "“前”为基准情景，“后”为给定情景下的中位路径。",
        ),
    )


_SHEET: tuple[tuple[str, Phrase], ...] = (
    ("loans_li", Phrase("Loans", "融资余额")),
    ("collateral_li", Phrase("Collateral of its accounts", "账户担保物")),
    ("own_capital_li", Phrase("Own capital", "自有资金")),
    ("reserve_li", Phrase("Reserve", "风险准备金")),
    ("cash_li", Phrase("Cash", "现金")),
    ("liquid_pool_li", Phrase("Liquid pool", "流动性资产池")),
    ("bank_line_li", Phrase("Bank line, committed and undrawn", "承诺未用授信")),
    ("funding_li", Phrase("Funding", "外部资金")),
    ("funding_short_li", Phrase("Funding due within 30 days", "其中30日内到期")),
    ("claims_li", Phrase("Redeemable claims", "可兑付债权")),
)


def sheet(platform: dict[str, Any]) -> list[tuple[Phrase, Phrase]]:
    """The platform before the run: amounts with their unit, and counts."""
    amounts = [yuan_of(platform.get(name)) for name, _ in _SHEET]
    scale = money_scale(amounts)
    pairs = []
    for (_, name), yuan in zip(_SHEET, amounts, strict=True):
        number = scale.number(yuan)
        pairs.append(
            (
                name,
                NONE
                if yuan != yuan
                else Phrase(f"{number.en} {scale.unit.en}", f"{number.zh} {scale.unit.zh}"),
            )
        )
    pairs.append(
        (
            Phrase("Accounts / with debt", "账户数 / 有负债"),
            same(
                f"{plain(platform.get('accounts')).en} / {plain(platform.get('accounts_with_debt')).en}"
            ),
        )
    )
    return pairs
