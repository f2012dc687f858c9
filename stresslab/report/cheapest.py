"""The answer of a policy search, in the terminal and as JSON (M-129)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from stresslab.breaking_point import Goal
from stresslab.cheapest import Figure, Policy, Trial
from stresslab.glossary import label
from stresslab.report.amounts import rounded
from stresslab.report.phrase import Language, Phrase

_NONE = Phrase("none in the range", "范围内没有")


def as_json(
    found: Sequence[Policy], scenario: Mapping[str, Any], goal: Goal, keys: Sequence[str], prices: Mapping[str, float]
) -> dict[str, Any]:
    """Everything that was asked, found and run, as JSON can hold it."""

    def figure(one: Figure | None) -> dict[str, Any] | None:
        return None if one is None else {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in one._asdict().items()}

    def trial(one: Trial | None) -> dict[str, Any] | None:
        if one is None:
            return None
        settings = dict(zip(keys, (float(s) for s in one.settings), strict=True))
        moved = dict(zip(keys, one.quantities, strict=True))
        return {"settings": settings, "moved": moved, "cost_yuan": one.cost, "figure": figure(one.figure)}

    return {
        "scenario": dict(scenario), "goal": str(goal), "levers": [{"key": k, "price": prices[k]} for k in keys],
        "policies": [
            {
                "platform_id": p.platform, "present": figure(p.present), "cheapest": trial(p.cheapest), "safe": trial(p.safe),
                "bold": trial(p.bold), "fresh": figure(p.fresh), "fresh_safe": figure(p.fresh_safe),
                "changes": [c._asdict() | {"error": None if math.isnan(c.error) else c.error} for c in p.changes],
                "lost": [[float(a), float(b)] for a, b in p.lost], "trials": [trial(t) for t in p.trials],
            } for p in found
        ],
    }


def print_policies(found: Sequence[Policy], goal: Goal, keys: Sequence[str], console: Console, language: Language = "en") -> None:
    """Print for each platform the cheapest and the safe policy, their figures on fresh draws, and who pays."""
    asked = Phrase("cheapest policy that keeps {goal}", "保持{goal}的最便宜方案").fill(goal=str(goal))
    console.print(asked.pick(language), highlight=False)
    words = Phrase("platform|policy|cost, yuan|figure|95% interval|on fresh draws", "平台|方案|成本（元）|指标|95%区间|新随机数下")
    names = words.pick(language).split("|")
    table = Table(box=None, padding=(0, 1))
    for place, name in enumerate([*names[:2], *(key.rpartition(".")[2] for key in keys), *names[2:]]):
        table.add_column(name, justify="left" if place < 2 else "right", no_wrap=True)
    for p in found:
        _rows(table, p, keys, language)
    console.print(table)
    for p in found:
        for said in _told(p):
            console.print(said.pick(language), highlight=False)
    n = len({id(t) for p in found for t in p.trials})
    paths = found[0].present.paths if found else 0
    told = Phrase(
        "{n} policies of {paths} paths, all on the same weather; “safe” keeps the goal with all of the 95% interval of sampling, which is "
        "not one of parameters", "共{n}个方案、每个{paths}条路径，随机数相同；“稳妥”指95%抽样区间整体满足目标，不含参数不确定性")
    console.print(told.fill(n=n, paths=paths).pick(language), highlight=False)


def _rows(table: Table, p: Policy, keys: Sequence[str], language: Language) -> None:
    names = Phrase("as it is|cheapest|safe", "现状|最便宜|稳妥").pick(language).split("|")
    table.add_row(p.platform, names[0], *("" for _ in keys), "", *_figure(p.present), "")
    for name, trial, fresh in ((names[1], p.cheapest, p.fresh), (names[2], p.safe, p.fresh_safe)):
        if trial is None:
            table.add_row("", name, _NONE.pick(language))
            continue
        settings = [f"{s.normalize():,f}" for s in trial.settings]
        again = "" if fresh is None else "  ".join(_figure(fresh))
        table.add_row("", name, *settings, f"{trial.cost:,.0f}", *_figure(trial.figure), again)


def _figure(one: Figure) -> tuple[str, str]:
    interval = "" if math.isnan(one.low) or math.isnan(one.high) else f"{one.low:,.3g} … {one.high:,.3g}"
    return f"{one.value:,.3g}", interval


def _told(p: Policy) -> list[Phrase]:
    """What a policy changes beside its goal, and where the goal is lost again."""
    said = []
    for c in p.changes:
        if c.difference == 0:
            continue
        name = Phrase(c.measure, c.measure)
        for column in (c.measure, f"{c.measure}_li"):
            try:
                name = Phrase(label("outcomes", column, "en"), label("outcomes", column, "zh"))
            except KeyError:
                continue
        error = "—" if math.isnan(c.error) else rounded(c.error, 2)
        told = Phrase("{p}: {name}, mean: {x} ± {e} {unit} against the book as it is", "{p}：{name}均值较现状变化{x} ± {e} {unit}")
        said.append(told.fill(p=p.platform, name=name, x=f"{c.difference:+,.4g}", e=error, unit=c.unit))
    return said + [
        Phrase("{p}: beyond the answer the goal is lost again between {a} and {b}", "{p}：超过答案后，目标在{a}与{b}之间再次失守").fill(
            p=p.platform, a=f"{a.normalize():f}", b=f"{b.normalize():f}") for a, b in p.lost
    ]
