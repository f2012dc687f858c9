"""Sectors in the spiral: what each holds, sells and loses by impact, and which of them a scenario margins more strictly."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stresslab.estimate import sector_estimates
from stresslab.report import charts
from stresslab.report.amounts import MISSING, Estimate
from stresslab.report.exhibits import Figure, Head, Key, Row, Table, percent_cell
from stresslab.report.phrase import NOTHING, Phrase, join, same, sentences
from stresslab.report.pictures import crashes
from stresslab.report.run_tables import ALL, Estimates, RunTables, given, number, scenario_title
from stresslab.report.terms import market_terms

#: Names of sectors that are financial, in small letters; a book may call them otherwise.
FINANCIAL = frozenset({
    "bank", "banks", "banking", "broker", "brokers", "brokerage", "securities", "insurance", "insurer", "insurers", "financial",
    "financials", "nonbank financial", "银行", "证券", "券商", "保险", "金融", "非银金融", "非银行金融", "多元金融",
})
#: So many scenarios stand side by side.
SIDE_BY_SIDE = 3
_SHARES: tuple[tuple[str, Phrase], ...] = (
    ("share_of_value", Phrase("collateral", "担保物")),
    ("share_of_sold", Phrase("forced sales", "强平卖出")),
    ("share_of_displaced", Phrase("displaced sales", "被转移的卖出")),
    ("share_of_impact_loss", Phrase("reaction loss", "反应损失")),
)
_FORMULAS = ("M-3", "M-24", "M-25", "M-48", "M-51")
_WHAT = Phrase(
    "Collateral is the value of all shares in accounts at the book's date; the reaction loss is the value lost to impact on the day "
    "of the lowest quoted basket, and can be negative where the reaction spares a sector.",
    "担保物为账簿日全部账户持股市值；反应损失为报价篮子最低日因冲击而损失的市值，若反应使某行业少跌则为负。",
)

Shares = dict[tuple[str, str, str], Estimate]


def shown(run: RunTables, estimates: Estimates) -> list[dict[str, Any]]:
    """The scenarios told of: those with rules for sectors, then the crashes, else the one with the largest forced sales."""
    sold = {s["id"]: estimates.get(s["id"], ALL, "sold").value for s in run.scenarios}
    if run.sectors.empty or not any(value > 0 for value in sold.values()):
        return []
    ruled = [s for s in run.scenarios if s.get("sector_margin")]
    most = [s for s in run.scenarios if sold[s["id"]] == max(v for v in sold.values() if v == v)]
    found = {s["id"]: s for s in [*ruled, *crashes(run), *most[:1]] if sold[s["id"]] > 0}
    chosen = list(found)[:SIDE_BY_SIDE]
    return [s for s in run.scenarios if s["id"] in chosen]


def sector_shares(run: RunTables) -> Shares:
    """Every estimate of a sector by scenario, sector and measure."""
    return _held(sector_estimates(run.sectors, run.sampling)) if not run.sectors.empty else {}


def _held(table: pd.DataFrame) -> Shares:
    columns = table[["scenario", "sector", "measure", "value", "error", "low", "high"]]
    return {(s, sector, m): Estimate(*(number(n) for n in rest)) for s, sector, m, *rest in columns.itertuples(index=False, name=None)}


def _together(run: RunTables, names: list[str]) -> Shares:
    """The shares of several sectors as one; their error is not that of a sum of single errors."""
    table = run.sectors.assign(sector=run.sectors["sector"].isin(names).map({True: "in", False: "out"}))
    money = [c for c in table.columns if c.endswith("_li")]
    merged = table.groupby(["scenario", "path", "sector"], sort=False, as_index=False)[money].sum()
    return _held(sector_estimates(merged, run.sampling))


def _ordered(run: RunTables, shares: Shares, scenario: str) -> list[str]:
    """All sectors, the one with most collateral first; ties in the order of the table."""
    names = [str(n) for n in dict.fromkeys(run.sectors["sector"])]
    return sorted(names, key=lambda n: -shares.get((scenario, n, "share_of_value"), MISSING).value)


def _percent(value: Any) -> str:
    return f"{float(value):g}%"


def rule(margin: dict[str, Any]) -> Phrase:
    """One rule of stricter margins in words: cap, addition, premium (M-49)."""
    parts = []
    if margin.get("single_name_cap_pct") is not None:
        parts.append(Phrase("cap {n} a name", "单只上限{n}").fill(n=_percent(margin["single_name_cap_pct"])))
    if margin.get("line_add_pct"):
        parts.append(Phrase("lines +{n}", "警戒线等+{n}").fill(n=_percent(margin["line_add_pct"])))
    if margin.get("rate_add_pct"):
        parts.append(Phrase("rate +{n}", "利率+{n}").fill(n=_percent(margin["rate_add_pct"])))
    return join(parts, ", ", "，")


def _rules(run: RunTables, of: str) -> dict[str, list[Phrase]]:
    """The rules for sectors or subsectors by the name that they are for; with the scenario where not all have it."""
    found: dict[str, dict[Phrase, list[str]]] = {}
    for scenario in run.scenarios:
        for margin in scenario.get("sector_margin") or ():
            if margin.get(of) is not None:
                found.setdefault(str(margin[of]), {}).setdefault(rule(margin), []).append(str(scenario["id"]))
    told: dict[str, list[Phrase]] = {}
    for name, rules in found.items():
        for words, ids in rules.items():
            where = join([same(i) for i in dict.fromkeys(ids)])
            everywhere = len(set(ids)) == len(run.scenarios)
            told.setdefault(name, []).append(
                words if everywhere else Phrase(f"{words.en} ({where.en})", f"{words.zh}（{where.zh}）"))
    return told


def table(run: RunTables, estimates: Estimates, shares: Shares) -> Table | None:
    """Each sector's share of collateral, of forced and displaced sales and of the reaction loss, with errors."""
    chosen = shown(run, estimates)
    if not chosen:
        return None
    rules = _rules(run, "sector")
    first = chosen[0]["id"]
    names = _ordered(run, shares, first)
    rows = [
        Row(Phrase(f"{n} †", f"{n} †") if n in rules else same(n), join(rules.get(n, []), "; ", "；"),
            tuple(percent_cell(e) for e in _line(shares, chosen, n)))
        for n in names
    ]
    groups = (
        (Phrase("Financial", "金融合计"), [n for n in names if n.strip().lower() in FINANCIAL]),
        (Phrase("Under stricter margins †", "加严担保合计 †"), [n for n in names if n in rules]),
    )
    for title, members in groups:
        if len(members) > 1 and len(members) < len(names):
            line = _line(_together(run, members), chosen, "in")
            rows.append(Row(title, join([same(m) for m in members]), tuple(percent_cell(e) for e in line)))
    heads = [Head(Phrase("Share of collateral", "占担保物"))]
    for scenario in chosen:
        heads += [Head(name, given(scenario)) for _, name in _SHARES[1:]]
    return Table(
        title=Phrase("Sectors in the spiral: shares in all sectors", "行业与螺旋：各行业占比"),
        first=Phrase("Sector", "行业"),
        heads=tuple(heads),
        rows=tuple(rows),
        formulas=(*_FORMULAS, *(("M-49",) if any(s.get("sector_margin") for s in run.scenarios) else ())),
        terms=market_terms(chosen),
        style="sectors",
        note=sentences([
            Phrase(
                "Shares of sums over {n} paths; the smaller figure is one standard error of sampling (±).",
                "为{n}条路径合计的占比；小字为一倍抽样标准误（±）。",
            ).fill(n=f"{run.record['paths']:,}"),
            _WHAT, *_marks(run, rules),
        ]),
    )


def _marks(run: RunTables, rules: dict[str, list[Phrase]]) -> list[Phrase]:
    """What the dagger means, and the rules for subsectors, which the table does not tell apart."""
    told = []
    if rules:
        told.append(Phrase("† A scenario sets stricter margins for the sector.", "† 有情景对该行业设定更严的担保要求。"))
    for name, found in _rules(run, "subsector").items():
        told.append(Phrase("Subsector {name}: {rules}.", "子行业{name}：{rules}。").fill(name=name, rules=join(found, "; ", "；")))
    return told


def _line(shares: Shares, chosen: list[dict[str, Any]], sector: str) -> list[Estimate]:
    line = [shares.get((chosen[0]["id"], sector, "share_of_value"), MISSING)]
    for scenario in chosen:
        line += [shares.get((scenario["id"], sector, measure), MISSING) for measure, _ in _SHARES[1:]]
    return line


def picture(run: RunTables, scenario: dict[str, Any], shares: Shares, name: str) -> Figure:
    """The shares of all sectors given one scenario, with 95% intervals."""
    at = scenario["id"]
    marked = _rules(run, "sector")
    measures = [(m, words, colour) for (m, words), colour in zip(_SHARES, charts.SECTOR_COLOURS, strict=True)]
    # Where nothing is displaced, there is nothing to share.
    measures = [one for one in measures if any(e.known for (s, _, m), e in shares.items() if s == at and m == one[0])]
    names = _ordered(run, shares, at)
    titles = charts.short_titles([same(f"{n} †" if n in marked else n) for n in names], names, charts.LABELS)
    rows = [
        charts.SectorBars(title, tuple(shares.get((at, n, m), MISSING) for m, _, _ in measures))
        for title, n in zip(titles, names, strict=True)
    ]
    title = Phrase("Sectors in the spiral: {what}, {given}", "行业与螺旋：{what}，{given}").fill(
        what=scenario_title(scenario), given=given(scenario))
    keys = tuple(Key(Phrase(f"share of {words.en}", f"占{words.zh}"), colour) for _, words, colour in measures)
    note = sentences([
        Phrase("Thin line: 95% interval.", "细线为95%区间。"),
        Phrase("† stricter margins.", "† 担保要求更严。") if marked else NOTHING,
    ])
    return Figure(title, charts.sectors(name, title, rows, [c for _, _, c in measures]), keys, _FORMULAS, note)
