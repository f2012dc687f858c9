"""What changed since last quarter, split by part (M-220), and last quarter's forecast against what happened (M-221).

The cases between the two runs are handed over as tables of outcomes: nothing is simulated here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from stresslab.report.amounts import NONE, MoneyScale, money_scale, percent, yuan_of
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Phrase, same
from stresslab.report.run_tables import ALL
from stresslab.report.tables import in_unit
from stresslab.sampling import Sampling, grouped_error, groups_of

#: The order of substitution: from last quarter's run to this quarter's, one part after the other.
STEPS: tuple[tuple[str, Phrase], ...] = (
    ("model", Phrase("Model and draws", "模型与随机数")), ("book", Phrase("Book", "账簿")), ("market", Phrase("Market", "市场")),
    ("scenario", Phrase("Scenario", "情景")),
)
#: Amounts in 厘 of a path, and the event, in the order of the table.
MEASURES: tuple[tuple[str, Phrase], ...] = (
    ("margin_call_peak_li", Phrase("Margin call, peak day", "追缴额峰值")), ("sold_li", Phrase("Forced sales", "强平卖出")),
    ("deficit_li", Phrase("Deficit", "穿仓额")), ("loss_holding_li", Phrase("Loss, holding", "损失：持有")),
    ("loss_without_impact_li", Phrase("Loss, selling without impact", "损失：无冲击平仓")),
    ("loss_with_impact_li", Phrase("Loss, selling with impact", "损失：有冲击平仓")),
    ("failure_day", Phrase("Paths that fail", "失败路径")),
)
_EVENT = "failure_day"
_APART = Phrase("; model and draws: of two samples, as seed or paths differ", "；“模型与随机数”一项种子或路径数不同，按两个独立样本计")


@dataclass(frozen=True)
class Against:
    """Last quarter's run beside this one: its record and days, and the outcomes of the five cases from it to this quarter's.

    ``cases`` has one table before the first step of :data:`STEPS` and one after each; two that are the same object differ in nothing.
    ``basket_ppm`` is what last quarter's shares are worth at this quarter's prices, in ppm of then; None where it is not known.
    """

    then: dict[str, Any]
    then_outcomes: pd.DataFrame
    then_days: pd.DataFrame
    cases: tuple[pd.DataFrame, ...]
    scenarios: tuple[str, ...]
    paired: tuple[bool, ...]
    basket_ppm: int | None = None
    #: How the paths of last quarter's run and of this one were drawn.
    samplings: tuple[str, str] = (Sampling.PLAIN, Sampling.PLAIN)


@dataclass(frozen=True)
class Change:
    """One figure of one scenario and platform over the cases: the exact mean of each, and the error of each step."""

    means: tuple[Fraction, ...]
    errors: tuple[float, ...]

    @property
    def steps(self) -> tuple[Fraction, ...]:
        """What each step adds; they add up to the whole change exactly."""
        return tuple(b - a for a, b in zip(self.means, self.means[1:], strict=False))


def _values(table: pd.DataFrame, scenario: str, platform: str, measure: str) -> np.ndarray:
    """One integer a path, in the order of paths; a platform that the case does not have owes nothing."""
    mine = table[table["scenario"] == scenario]
    paths = np.sort(mine["path"].unique())
    if platform != ALL:
        mine = mine[mine["platform_id"] == platform]
    values = mine[measure].notna().astype("int64") if measure == _EVENT else mine[measure].astype("int64")
    by_path = values.groupby(mine["path"]).max() if measure == _EVENT else values.groupby(mine["path"]).sum()
    return by_path.reindex(paths, fill_value=0).to_numpy(np.int64)


def change(against: Against, scenario: str, platform: str, measure: str) -> Change:
    """How a figure came from last quarter's to this quarter's, step by step (M-220)."""
    found = [_values(case, scenario, platform, measure) for case in against.cases]
    means = tuple(Fraction(sum(map(int, v)), max(1, len(v))) for v in found)
    errors = []
    for at, paired in enumerate(against.paired):
        one, two = found[at].astype(float), found[at + 1].astype(float)
        if against.cases[at] is against.cases[at + 1] or min(len(one), len(two)) < 2:
            errors.append(0.0)
        elif paired:
            errors.append(_error(two - one, against.samplings[1]))
        else:
            errors.append(float(np.hypot(_error(one, against.samplings[0]), _error(two, against.samplings[1]))))
    return Change(means, tuple(errors))


def _error(values: np.ndarray, sampling: str) -> float:
    """The standard error of a mean over paths, of which only groups are independent where they were not drawn plainly (M-64)."""
    groups = groups_of(sampling, np.arange(len(values)))
    if groups is not None:
        return float(grouped_error(values - values.mean(), groups))
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def change_table(against: Against, scenario: str, platforms: Sequence[str]) -> Table:
    """The change of all figures of one scenario, for all platforms together and each."""
    changes = {(p, m): change(against, scenario, p, m) for p in (ALL, *platforms) for m, _ in MEASURES}
    scale = money_scale([yuan_of(v) for (_, m), c in changes.items() if m != _EVENT for v in c.means])
    rows = []
    for platform in (ALL, *platforms):
        for measure, words in MEASURES:
            found, cells = changes[platform, measure], []
            cells.append(_shown(found.means[0], measure, scale))
            for step, error in zip(found.steps, found.errors, strict=True):
                cells.append(_shown(step, measure, scale, error))
            cells += [_shown(found.means[-1], measure, scale), _shown(found.means[-1] - found.means[0], measure, scale)]
            rows.append(Row(words, Phrase("all platforms", "全部平台") if platform == ALL else same(platform), tuple(cells)))
    group = Phrase("Changed by", "变动来源")
    unpaired = any(not p for p in against.paired)
    note = Phrase(
        "Each part is put in place of last quarter's in this order; another order would give other parts and the same sum. Parts add up "
        "exactly before rounding (in 0.001 yuan). Errors are those of differences on the same paths{apart}.",
        "按此次序逐项替换为本季取值；次序不同，各项不同而合计不变。舍入前各项精确相加（以厘计）。误差为同一路径上差额的标准误{apart}。",
    ).fill(apart=_APART if unpaired else NOTHING)
    return Table(
        in_unit(scale.unit, Phrase(f"Change since last quarter, given {scenario}", f"较上季变动，给定 {scenario}")),
        (Head(Phrase("Last quarter", "上季")), *(Head(name, group) for _, name in STEPS), Head(Phrase("This quarter", "本季")),
         Head(Phrase("Whole change", "合计变动"))),
        tuple(rows), ("M-220",), note, Phrase("Figure", "指标"))


def _shown(value: Fraction, measure: str, scale: MoneyScale, error: float = 0.0) -> Cell:
    if measure == _EVENT:
        shown, off = percent(100 * float(value)), percent(100 * error)
        if value < 0:
            shown = same("\u2212" + percent(-100 * float(value)).en)
    else:
        shown, off = scale.number(float(value) / 1000), scale.number(error / 1000)
    return Cell(shown, Phrase(f"±\u00a0{off.en}", f"±\u00a0{off.zh}") if error > 0 else None, tone="quiet" if value == 0 else "")


def trading_day(then: str, now: str) -> int:
    """The last trading day of a run of ``then`` that is not after ``now`` (M-4); dates as YYYY-MM-DD."""
    days = (pd.Timestamp(now) - pd.Timestamp(then)).days
    day = 0
    while ((day + 1) * 365 * 2 + 252) // 504 <= days:
        day += 1
    return day


def forecast_table(against: Against, now: dict[str, Any]) -> Table | None:
    """Where what happened lies among last quarter's paths without a shock (M-221); None if it ran no such scenario."""
    calm = next((s for s in against.then["scenarios"] if not (s.get("market") or {}).get("crash") and not s.get("rates")
                 and not s.get("redemption")), None)
    if calm is None:
        return None
    day = trading_day(against.then["book"]["as_of"], now["book"]["as_of"])
    last = min(max(day, 1), int(calm["days"]))
    days = against.then_days[(against.then_days["scenario"] == calm["id"]) & (against.then_days["day"] == last)]
    ends = against.then_outcomes[against.then_outcomes["scenario"] == calm["id"]]
    was = {p["platform_id"]: p for p in now["platforms"]}
    rows = []
    for platform in against.then["platforms"]:
        at = platform["platform_id"]
        mine = days[days["platform_id"] == at].sort_values("path")
        if at not in was:
            continue
        own, basket = was[at]["own_capital_li"] + was[at]["reserve_li"], against.basket_ppm
        loans = ends[ends["platform_id"] == at]["loans_end_li"]
        amounts = (
            (Phrase("Own funds", "自有资金"), mine["own_funds_li"], own, True),
            (Phrase("Loans, end of the run", "融资余额（期末）"), loans, was[at]["loans_li"], True),
            (Phrase("Collateral basket, of then", "担保物篮子（占当时）"), mine["basket_quoted_ppm"], basket, False),
        )
        for words, paths, happened, money in amounts:
            rows.append(Row(words, same(platform.get("name") or at), _ranked(paths.to_numpy(np.int64), happened, money)))
    late = Phrase(" The book's date lies after the run's last day, {d}.", "本季账簿日晚于上季运行末日（第{d}日）。").fill(d=last)
    note = Phrase(
        "Scenario {id} of last quarter, trading day {d} (where the table says so, the end of the run): paths without a "
        "shock, from 5% to 95% of them. A rank below 2.5% or above 97.5% is marked. Clients borrow and repay of "
        "their own accord, which no path does.",
        "上季情景{id}第{d}个交易日（注明者为期末）：不设冲击的路径及其5%至95%区间。排名低于2.5%或高于97.5%者标示。客户会自行融资与还款，路径不模拟此点。",
    ).fill(id=calm["id"], d=last)
    return Table(
        Phrase("Last quarter's forecast against what happened", "上季预测与实际情况"),
        (Head(Phrase("5% of paths below", "5%路径低于")), Head(Phrase("Median", "中位数")),
         Head(Phrase("95% of paths below", "95%路径低于")),
         Head(Phrase("Happened", "实际")), Head(Phrase("Paths below it", "低于实际的路径占比"))),
        tuple(rows), ("M-221",), Phrase(note.en + late.en, note.zh + late.zh) if day > last else note, Phrase("Figure", "指标"))


def _ranked(paths: np.ndarray, happened: int | None, money: bool) -> tuple[Cell, ...]:
    if not len(paths):
        return tuple(Cell(NONE) for _ in range(5))
    marks = [int(v) for v in np.quantile(paths, (0.05, 0.5, 0.95), method="inverted_cdf")]
    scale = money_scale([yuan_of(v) for v in (*marks, happened or 0)])

    def show(value: int) -> Cell:
        return Cell(scale.number(yuan_of(value)), note=scale.unit) if money else Cell(percent(value / 10_000))

    if happened is None:
        return (*(show(m) for m in marks), Cell(Phrase("not known", "未知")), Cell(NONE))
    below = (int((paths < happened).sum()) + int((paths <= happened).sum())) / 2
    rank = 100 * below / len(paths)
    return (*(show(m) for m in marks), show(happened), Cell(percent(rank), tone="warn" if not 2.5 <= rank <= 97.5 else ""))
