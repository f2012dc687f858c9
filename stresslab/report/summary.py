"""One screen about a run: totals by scenario with their errors, and grades of all platforms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from stresslab.report import rare
from stresslab.report.amounts import NONE, PERCENT_MOST, Estimate, MoneyScale, money_scale, percent, rounded
from stresslab.report.exhibits import NO_CALLS
from stresslab.report.findings import LAYERS, find, headline
from stresslab.report.pairs import pairs, sentence
from stresslab.report.phrase import Phrase
from stresslab.report.run_tables import ALL, Estimates, RunTables, rated_platforms
from stresslab.report.terms import market_terms

SummaryLanguage = Literal["en", "zh", "both"]
WIDTH = 100


def print_summary(
    run: RunTables, console: Console, language: SummaryLanguage = "en", footer: Sequence[str] = ()
) -> None:
    """Prints a run's totals with the impact law behind them, pairs of ways to sell, grades, then the lines of ``footer``."""
    estimates = Estimates(run.estimates)
    book = run.record["book"]
    head = Text(f"{book['title']}  {book['as_of']}", style="bold")
    console.print(head, soft_wrap=False, overflow="ellipsis", no_wrap=True)
    if book.get("synthetic"):
        console.print(
            Text(
                _say(
                    Phrase("Synthetic book, for demonstration only", "合成账簿，仅供演示"), language
                ),
                style="yellow",
            )
        )
    console.print(Text(_say(_heading(run, estimates, language), language, "\n")))
    for place, table in enumerate(_figures(run, estimates, language, console)):
        if place == 1:
            # Between the tables, as the terms of both.
            console.print(Text(_say(market_terms(run.scenarios), language, "\n"), style="dim"))
        elif place:
            console.print()
        console.print(table)
    for pair in pairs(run):
        console.print(Text(_say(sentence(run, pair), language, "\n")))
    for told in rare.lines(run):
        console.print(Text(_say(told, language, "\n")))
    findings = [find(run, estimates, platform, rating) for platform, rating in rated_platforms(run)]
    console.print()
    console.print(Text(_say(headline(findings), language), style="bold"))
    for table in _grades(run, language, min(console.width, WIDTH)):
        console.print()
        console.print(table)
    if footer:
        console.print()
    for line in footer:
        # A path stays in one piece, so that it can be copied.
        console.print(Text(line), soft_wrap=True)


def _say(phrase: Phrase, language: SummaryLanguage, between: str = " ") -> str:
    if language == "both" and phrase.en != phrase.zh:
        return f"{phrase.zh}{between}{phrase.en}"
    return phrase.zh if language == "zh" else phrase.en


def _number(phrase: Phrase, language: SummaryLanguage) -> str:
    return phrase.zh if language == "zh" else phrase.en


def _digits(error: float, most: int) -> int:
    """Decimals that show two significant figures of an error, at most so many, unless it would not be seen at all."""
    if not error > 0:
        return most
    first = -math.floor(math.log10(error))
    # 0.25±0.04 rather than 0.3±<0.1, but no digits beyond a thousandth.
    return max(0, min(max(most, min(first, 3)), first + 1))


def _money(estimate: Estimate, scale: MoneyScale, language: SummaryLanguage) -> str:
    if not estimate.known:
        return NONE.en
    unit, most = (
        (scale.zh_unit, scale.zh_digits) if language == "zh" else (scale.en_unit, scale.en_digits)
    )
    return _with_error(estimate, unit, most)


def _with_error(estimate: Estimate, unit: float, most: int) -> str:
    digits = _digits(estimate.error / unit, most)
    text = rounded(estimate.value / unit, digits)
    if text.startswith("<") or not estimate.error > 0:
        return text
    return f"{text}±{rounded(estimate.error / unit, digits)}"


def _count(estimate: Estimate) -> str:
    return _with_error(estimate, 1.0, 1) if estimate.known else NONE.en


def _coverage(estimate: Estimate, called: Estimate, language: SummaryLanguage) -> Text:
    if not estimate.known:
        return Text(_number(NO_CALLS, language) if called.known else NONE.en)
    if estimate.value >= PERCENT_MOST:
        return Text(percent(estimate.value).en)
    return Text(f"{_with_error(estimate, 1.0, 1)}%", style="red" if estimate.value < 15 else "")


def _first_unpaid(
    run: RunTables, estimates: Estimates, scenario: str, language: SummaryLanguage
) -> Text:
    """The earliest unpaid redemption over all platforms and paths."""
    found = [
        (e.value, p["platform_id"])
        for p in run.platforms
        if (e := estimates.get(scenario, p["platform_id"], "first_unpaid_day", "earliest")).known
    ]
    if not found:
        return Text(_number(Phrase("never", "无"), language))
    day, platform = min(found)
    shown = Phrase("day {day} {platform}", "第{day}日 {platform}").fill(
        day=f"{day:.0f}", platform=platform
    )
    return Text(_number(shown, language), style="red")


def _unit(scale: MoneyScale, language: SummaryLanguage) -> Phrase:
    """The name of the money unit; where both languages share one number, it is the million."""
    return Phrase(scale.unit.en, "百万元") if language == "both" else scale.unit


_HEADS = (
    Phrase("Scenario", "情景"),
    Phrase("Margin\ncall, peak", "追缴额峰值"),
    Phrase("Accounts\nforced", "强平账户"),
    Phrase("Deficit", "穿仓额"),
    Phrase("Own-funds\ncoverage", "自有资金覆盖率"),
    Phrase("First\nunpaid", "首次未兑付"),
)
_LAYER_HEADS = (
    Phrase("Deficit\nborne by", "穿仓额承担者"),
    Phrase("reserve", "准备金"),
    Phrase("own\ncapital", "自有资金"),
    Phrase("junior\nfunders", "劣后资金方"),
    Phrase("senior\nfunders", "优先资金方"),
    Phrase("clients", "客户"),
)


#: The losses that only a sale makes (M-30).
_LOSSES = ("rule_loss", "reaction_loss")
_LOSS_HEADS = (Phrase("Loss of\nthe rule", "规则损失"), Phrase("Loss of\nreaction", "反应损失"))
_DISPLACED = Phrase("Displaced\nof sales", "被转移占强平")


def _scale(run: RunTables, estimates: Estimates) -> MoneyScale:
    measures = ("margin_call_peak", "deficit")
    return money_scale([estimates.get(s["id"], ALL, m).value for s in run.scenarios for m in measures])


def _table(heads: Sequence[Phrase], language: SummaryLanguage) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
    )
    for place, head in enumerate(heads):
        table.add_column(
            Text(_say(head, language, "\n")),
            justify="right" if place else "left",
            overflow="fold",
            no_wrap=False,
        )
    return table


def _figures(run: RunTables, estimates: Estimates, language: SummaryLanguage, console: Console) -> list[Table]:
    """The tables of figures: two where a line has room for all of their columns, else three."""
    two = [_totals(run, estimates, language, wide=True), _layers(run, estimates, language, wide=True)]
    room = console.options.update_width(10 * WIDTH)
    if all(Measurement.get(console, room, table).maximum <= console.width for table in two):
        return two
    narrow = [_totals(run, estimates, language), _layers(run, estimates, language)]
    return [*narrow, _spread(run, estimates, language)]


def _heading(run: RunTables, estimates: Estimates, language: SummaryLanguage) -> Phrase:
    """What the figures are, and their unit."""
    return Phrase(
        "All platforms, means (coverage: median) of {n} paths ± one standard error, {unit}",
        "全部平台，{n}条路径均值（覆盖率为中位数）± 一倍标准误，{unit}",
    ).fill(n=f"{run.record['paths']:,}", unit=_unit(_scale(run, estimates), language))


def _totals(run: RunTables, estimates: Estimates, language: SummaryLanguage, *, wide: bool = False) -> Table:
    """Calls, forced sales, deficit, coverage and the first unpaid redemption of every scenario; ``wide`` with displaced sales."""
    scale = _scale(run, estimates)
    table = _table((*_HEADS, *((_DISPLACED,) if wide else ())), language)
    for scenario in run.scenarios:
        at = scenario["id"]
        called = estimates.get(at, ALL, "margin_call_peak")
        table.add_row(
            Text(_folded(at, 14)),
            _money(called, scale, language),
            _count(estimates.get(at, ALL, "accounts_forced")),
            _money(estimates.get(at, ALL, "deficit"), scale, language),
            _coverage(estimates.get(at, ALL, "own_funds_coverage", "median"), called, language),
            _first_unpaid(run, estimates, at, language),
            *((_displaced(estimates, at),) if wide else ()),
        )
    return table


def _layers(run: RunTables, estimates: Estimates, language: SummaryLanguage, *, wide: bool = False) -> Table:
    """Who bears the deficit of every scenario; ``wide`` with the losses of the rule and of the reaction."""
    scale = _scale(run, estimates)
    table = _table((*_LAYER_HEADS, *(_LOSS_HEADS if wide else ())), language)
    for scenario in run.scenarios:
        names = [*(name for name, _ in LAYERS), *(_LOSSES if wide else ())]
        parts = [estimates.get(scenario["id"], ALL, name) for name in names]
        table.add_row(Text(_folded(scenario["id"], 14)), *(_money(part, scale, language) for part in parts))
    return table


def _spread(run: RunTables, estimates: Estimates, language: SummaryLanguage) -> Table:
    """The losses of the rule and of the reaction and the displaced sales, where the other tables have no room for them."""
    scale = _scale(run, estimates)
    table = _table((_HEADS[0], *_LOSS_HEADS, _DISPLACED), language)
    for scenario in run.scenarios:
        losses = (estimates.get(scenario["id"], ALL, name) for name in _LOSSES)
        cells = [_money(part, scale, language) for part in losses]
        table.add_row(Text(_folded(scenario["id"], 14)), *cells, _displaced(estimates, scenario["id"]))
    return table


def _displaced(estimates: Estimates, scenario: str) -> str:
    share = estimates.get(scenario, ALL, "displaced_share", "ratio")
    if not share.known or share.value == 0:
        return NONE.en if not share.known else "0%"
    return f"{_with_error(share, 1.0, 1)}%"


_STYLES = {"AAA": "blue", "AA": "blue", "A": "yellow", "B": "red"}


def _grade(graded: dict[str, Any]) -> Text:
    before, after = graded.get("grade_before"), graded.get("grade_after")
    if not after:
        return Text(NONE.en)
    return Text(f"{before or NONE.en}→{after}", style=_STYLES.get(str(after), ""))


def _folded(name: str, width: int) -> str:
    """An id over several lines, broken at its hyphens, or anywhere where it has too few."""
    lines = [""]
    parts = [
        p[i : i + width]
        for p in name.replace("-", "-\0").split("\0")
        for i in range(0, len(p), width)
    ]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


_NAME, _COLUMN = 18, 12


def _packed(scenarios: list[dict[str, Any]], width: int) -> list[list[dict[str, Any]]]:
    """The scenarios in groups whose columns fit into a width."""
    groups: list[list[dict[str, Any]]] = [[]]
    used = 0
    for scenario in scenarios:
        needs = 1 + max(
            len("AAA→AAA"), *(len(line) for line in _folded(scenario["id"], _COLUMN).split("\n"))
        )
        if groups[-1] and used + needs > width - 1:
            groups.append([])
            used = 0
        groups[-1].append(scenario)
        used += needs
    return groups


def _grades(run: RunTables, language: SummaryLanguage, width: int) -> list[Table]:
    """Platforms by scenarios, in as many tables as the width asks for."""
    if not run.rating.get("platforms"):
        return []
    title = _say(
        Phrase("Grade before → after, given the scenario", "评级：冲击前 → 给定情景"), language
    )
    out: list[Table] = []
    for chosen in _packed(run.scenarios, width - _NAME):
        table = Table(
            title=None if out else title,
            title_justify="left",
            title_style="",
            box=box.SIMPLE_HEAD,
            padding=0,
            pad_edge=False,
            show_edge=False,
        )
        table.add_column(
            Text(_say(Phrase("Platform", "平台"), language)),
            max_width=_NAME,
            no_wrap=True,
            overflow="ellipsis",
        )
        for scenario in chosen:
            table.add_column(Text(_folded(scenario["id"], _COLUMN)), no_wrap=True)
        for platform, rating in rated_platforms(run):
            found = {g["scenario"]: g for g in rating.get("scenarios", [])}
            name = f"{platform['platform_id']} {platform.get('name') or ''}".strip()
            table.add_row(Text(name), *(_grade(found.get(s["id"], {})) for s in chosen))
        out.append(table)
    return out
