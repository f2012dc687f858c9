"""The report page: everything a reader sees, put together from a run's tables and rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from markupsafe import Markup

from stresslab.report import channel, pairs, pictures, rare, ratings, sectors, tables
from stresslab.report.amounts import plain
from stresslab.report.executive import executive_part
from stresslab.report.exhibits import Figure, Table
from stresslab.report.findings import Finding, find, headline
from stresslab.report.method import ASSUMPTIONS, FORMULAS, GLOSSARY, LIMITS, PROVISIONAL
from stresslab.report.parameters import parameters
from stresslab.report.phrase import Language, Phrase, join, phrase_of, same
from stresslab.report.pool import pool_part
from stresslab.report.quarter import Quarter, quarter_part
from stresslab.report.responses import responses_part
from stresslab.report.run_tables import (
    ALL,
    Estimates,
    RunTables,
    given,
    rated_platforms,
    scenario_title,
)
from stresslab.report.standing import standing_part
from stresslab.report.templates import environment
from stresslab.report.together import together_part
from stresslab.report.withdrawals import withdrawals_part

_HERE = Path(__file__).parent
#: Indices that make a market a United States history, in small letters.
SAMPLINGS = {
    "plain": Phrase("every path by itself", "逐条独立"),
    "antithetic": Phrase("in mirrored pairs; errors are those between pairs (M-64)", "镜像成对；误差按对计算（M-64）"),
    "sobol": Phrase("scrambled Sobol points in 16 independent sets; errors are those between sets (M-64)",
                    "扰动Sobol点，16个独立点集；误差按点集计算（M-64）"),
}
_US = ("sp500", "s&p", "nasdaq", "wilshire", "dow jones", "djia", "russell")


@dataclass(frozen=True)
class SpiralPart:
    """How forced sales spread: what is displaced by price limits, which sectors it meets, and what other ways of selling change."""

    displaced: Table
    instruments: Table | None
    daily: list[Figure]
    sectors: Table | None
    pictures: list[Figure]
    pairs: list[Table]


@dataclass(frozen=True)
class PlatformPart:
    """The section of one platform."""

    finding: Finding
    platform_id: str
    sheet: list[tuple[Phrase, Phrase]]
    outcome: Table
    figures: list[Figure]
    losses: Table
    detail: Table
    grades: Table | None
    dimensions: Table | None
    migration: Table | None
    reasons: list[Phrase]


def write_html(run: RunTables, *, language: Language = "zh", quarter: Quarter | None = None) -> str:
    """The report as one HTML file in both languages, showing ``language`` first.

    The file needs nothing else: no script, no font, no picture from elsewhere. The same run gives
    the same bytes: no clock, no machine, no installed font has a part in it. ``quarter`` adds what a quarterly report says beyond
    the run.
    """
    return page_of(contents(run, quarter), language)


def page_of(held: dict[str, Any], language: Language) -> str:
    """The contents of a report as one HTML file."""
    return environment().get_template("report.html.j2").render(
        css=Markup((_HERE / "report.css").read_text(encoding="utf-8")), language=language, table_number=_counter(),
        figure_number=_counter(), **held)


def contents(run: RunTables, quarter: Quarter | None = None) -> dict[str, Any]:
    """Everything that a report shows, by the names that its template knows, in the order of the page."""
    estimates = Estimates(run.estimates)
    names = (f"f{n}" for n in count(1))
    parts = [
        _platform_part(run, estimates, platform, rating, names)
        for platform, rating in rated_platforms(run)
    ]
    parameter_table, sources = parameters(run)
    return {
        "record": run.record,
        "banner": _banner(run),
        "facts": _facts(run),
        "findings": [p.finding for p in parts],
        "executive": executive_part(run, estimates, quarter, [p.finding for p in parts]),
        "headline": headline([p.finding for p in parts]),
        "matrix": tables.matrix(run, estimates),
        "outcome": tables.outcome(run, estimates, ALL),
        "quarter": quarter_part(run, estimates, quarter),
        "losses": tables.losses(run, estimates, ALL),
        "figures": [
            pictures.waterfall(run, estimates, ALL, next(names)),
            pictures.columns(run, estimates, ALL, next(names)),
        ],
        "prices": [pictures.price_paths(run, s, next(names)) for s in pictures.crashes(run)],
        "spiral": _spiral(run, estimates, names),
        "withdrawals": withdrawals_part(run, names),
        "responses": responses_part(run),
        "standing": standing_part(run),
        "rare": rare.table(run),
        "together": together_part(run, names),
        "parts": parts,
        "pool": pool_part(run.record.get("pool")),
        "scenarios": [_scenario(s) for s in run.scenarios],
        "parameters": parameter_table,
        "sources": sources,
        "what_ran": _what_ran(run),
        "versions": _pairs(run.record.get("versions")),
        "digests": _digests(run),
        "assumptions": ASSUMPTIONS,
        "limits": _limits(run),
        "formulas": FORMULAS.values(),
        "glossary": GLOSSARY,
    }


def _counter() -> Callable[[], int]:
    numbers = count(1)
    return lambda: next(numbers)


def _platform_part(
    run: RunTables,
    estimates: Estimates,
    platform: dict[str, Any],
    rating: dict[str, Any],
    names: Iterator[str],
) -> PlatformPart:
    at = platform["platform_id"]
    figures = [
        pictures.leverage(platform, next(names)),
        pictures.survival(run, estimates, at, next(names)),
        pictures.waterfall(run, estimates, at, next(names)),
        pictures.columns(run, estimates, at, next(names)),
    ]
    return PlatformPart(
        finding=find(run, estimates, platform, rating),
        platform_id=at,
        sheet=tables.sheet(platform),
        outcome=tables.outcome(run, estimates, at, rating),
        figures=[f for f in figures if f is not None],
        detail=tables.detail(run, estimates, at),
        grades=tables.rating_scenarios(run, rating) if rating.get("scenarios") else None,
        losses=tables.losses(run, estimates, at),
        dimensions=ratings.dimensions(run, rating) if rating.get("dimensions") else None,
        migration=ratings.migration(run, rating) if rating.get("scenarios") else None,
        reasons=tables.shared_reasons(rating),
    )


def _spiral(run: RunTables, estimates: Estimates, names: Iterator[str]) -> SpiralPart:
    most = channel.most_displaced(run, estimates)
    shares = sectors.sector_shares(run)
    return SpiralPart(
        displaced=channel.displaced(run, estimates),
        instruments=channel.instruments(run, most[0]) if most else None,
        daily=[channel.daily(run, estimates, s, next(names)) for s in most],
        sectors=sectors.table(run, estimates, shares),
        pictures=[sectors.picture(run, s, shares, next(names)) for s in sectors.shown(run, estimates)[:2]],
        pairs=[pairs.table(run, pair) for pair in pairs.pairs(run)],
    )


def _banner(run: RunTables) -> Phrase | None:
    """What to say above everything else of a book that was made up."""
    if not run.record["book"].get("synthetic"):
        return None
    market = run.record["market"]
    told = " ".join(str(market.get(k, "")) for k in ("index", "title", "source")).lower()
    if any(name in told for name in _US):
        history = Phrase("US index history", "美国股指历史")
    else:
        history = Phrase("index history: {index}", "股指历史：{index}").fill(
            index=market.get("index", "—")
        )
    return Phrase(
        "Synthetic book, for demonstration only: {history}, A-share trading rules.",
        "合成账簿，仅供演示：{history}，A股交易规则。",
    ).fill(history=history)


def _facts(run: RunTables) -> list[tuple[Phrase, Phrase]]:
    """The facts in the page's head."""
    record, book, market = run.record, run.record["book"], run.record["market"]
    n = {
        k: plain(book.get(k)).en
        for k in ("accounts", "accounts_with_debt", "positions", "instruments")
    }
    scale = run.rating.get("scale", {})
    facts = [
        (Phrase("Book date", "账簿日期"), same(book["as_of"])),
        (
            Phrase("Book", "账簿"),
            Phrase(
                "{p} platforms, {accounts} accounts ({accounts_with_debt} with debt), {positions} positions in "
                "{instruments} instruments",
                "{p}个平台，{accounts}个账户（{accounts_with_debt}个有负债），{instruments}只证券的{positions}个持仓",
            ).fill(p=len(run.platforms), **n),
        ),
        (
            Phrase("Market", "市场"),
            Phrase("{title}; source: {source}", "{title}；来源：{source}").fill(
                title=market["title"], source=market.get("source") or "—"
            ),
        ),
        (
            Phrase("Run", "运行"),
            Phrase(
                "{paths} paths a scenario, {s} scenarios, seed {seed}",
                "每情景{paths}条路径，{s}个情景，种子 {seed}",
            ).fill(paths=f"{record['paths']:,}", s=len(run.scenarios), seed=record["seed"]),
        ),
    ]
    if led := effective(run):
        facts.append((Phrase("Candidates of conditioned paths", "条件路径的候选"), join(led, "; ", "；")))
    if scale:
        title = Phrase(
            str(scale.get("title") or "—"), str(scale.get("title_zh") or scale.get("title") or "—")
        )
        if scale.get("provisional"):
            title = Phrase(f"{title.en} (provisional)", f"{title.zh}（暂定）")
        facts.append((Phrase("Rating scale", "评级标尺"), title))
    return facts


def effective(run: RunTables) -> list[Phrase]:
    """How many of a path's candidates count, by scenario, where its law led them to the crash (M-60): mean and smallest."""
    found = []
    for scenario in run.scenarios:
        part = run.outcomes[run.outcomes["scenario"] == scenario["id"]]["candidates_effective_ppm"].dropna()
        if len(part):
            said = Phrase("{id}: {mean}% effective on average, {least}% on the worst path", "{id}：平均有效{mean}%，最差路径{least}%")
            found.append(said.fill(id=scenario["id"], mean=f"{part.mean() / 1e4:.0f}", least=f"{part.min() / 1e4:.0f}"))
    return found


def _scenario(scenario: dict[str, Any]) -> tuple[Phrase, Phrase, Phrase]:
    purpose = phrase_of({"en": scenario.get("purpose"), "zh": scenario.get("purpose_zh")})
    return scenario_title(scenario), given(scenario), purpose


def _what_ran(run: RunTables) -> list[tuple[Phrase, Phrase]]:
    record, market = run.record, run.record["market"]
    error = market.get("volatility_error_pct")
    volatility = f"{market['volatility_pct']:g}%" + (f" ± {error:g}%" if error is not None else "")
    return [
        (Phrase("Seed", "种子"), same(record["seed"])),
        (Phrase("Paths a scenario", "每情景路径数"), plain(record["paths"])),
        (Phrase("Sampling of paths", "路径抽样方式"), SAMPLINGS[run.sampling]),
        (Phrase("stresslab", "stresslab"), same(record["stresslab"])),
        (Phrase("Market index", "市场指数"), plain(market.get("index"))),
        (Phrase("Market model", "市场模型"), plain(market.get("model"))),
        (Phrase("Volatility a year", "年化波动率"), same(volatility)),
        (
            Phrase("Drift a year", "年化漂移"),
            same(f"{market.get('drift_pct', 0):g}%".replace("-", "−")),
        ),
    ]


def _pairs(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    return sorted((str(k), str(v)) for k, v in (found or {}).items())


def _digests(run: RunTables) -> list[tuple[Phrase, str]]:
    """Digests of what went in; those of what came out stand in the record, which lists this page too."""
    record = run.record
    fixed = [
        (Phrase("book", "账簿"), record["book"].get("digest")),
        (Phrase("market", "市场"), record["market"].get("digest")),
        (Phrase("kernels", "内核"), record.get("kernels")),
        (Phrase("rating scale", "评级标尺"), run.rating.get("scale", {}).get("digest")),
    ]
    named = [(name, str(value)) for name, value in fixed if value]
    return named + [(same(name), value) for name, value in _pairs(record.get("inputs"))]


def _limits(run: RunTables) -> list[Phrase]:
    provisional = [PROVISIONAL] if run.rating.get("scale", {}).get("provisional", True) else []
    return [*LIMITS, *provisional]
