"""What a quarterly report says beyond its run: key figures, breaches, exposures, reconciliation, the change (M-220 to M-223)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from stresslab.report.against import Against, change_table, forecast_table
from stresslab.report.amounts import NONE, money_scale, percent, plain, yuan_of
from stresslab.report.bands import Bands, bands_tables
from stresslab.report.exhibits import Cell, Head, Row, Table, money_cell, probability_cell
from stresslab.report.phrase import NOTHING, Phrase, join, same, sentences
from stresslab.report.quarter_files import ITEMS
from stresslab.report.run_tables import Estimates, RunTables, given, platform_name
from stresslab.report.tables import in_unit, scale_of

Chapter = tuple[Phrase, Phrase, list[Table]]
_PLATFORM = Phrase("Platform", "平台")
_LOSS = Phrase("Loss", "损失")
_OF_OWN = Phrase("Of own funds", "占自有资金合计")
#: How many of the largest are named, of each kind.
_LARGEST = 5
_ITEM_NAMES = {
    "loans": Phrase("Loans", "融资余额"), "collateral": Phrase("Collateral", "担保物"), "cash": Phrase("Cash", "现金"),
    "liquid_pool": Phrase("Liquid pool", "流动性资产池"), "claims": Phrase("Claims of clients", "客户债权"),
    "funding": Phrase("Direct funding", "直接资金"), "own_capital": Phrase("Own capital", "自有资金"),
    "reserve": Phrase("Reserve", "风险准备金"), "segregated": Phrase("Segregated client money", "隔离客户资金"),
}


@dataclass(frozen=True)
class Quarter:
    """What is given beside the run; None where it was not given, and the report says so.

    ``altered`` names files of the run's folder whose digest is not that of its record.
    """

    label: str
    remediation: list[dict[str, Any]] | None = None
    totals: list[dict[str, Any]] | None = None
    reverse: dict[str, Any] | None = None
    against: Against | None = None
    altered: tuple[str, ...] = ()
    bands: Bands | None = None


@dataclass(frozen=True)
class QuarterPart:
    """The section: chapters of a title, a sentence and tables."""

    title: Phrase
    lead: Phrase
    chapters: list[Chapter]


def quarter_part(run: RunTables, estimates: Estimates, quarter: Quarter | None) -> QuarterPart | None:
    """The section; None for the report that a run makes by itself."""
    if quarter is None:
        return None
    return QuarterPart(
        Phrase("The quarter {q}", "本季情况 {q}").fill(q=quarter.label), _lead(quarter),
        [_key_figures(run, estimates, quarter), *_bands(run, quarter), *_against(run, quarter), _breaches(run, quarter), _exposures(run),
         _totals(run, quarter), _reverse(quarter), _validation(run, quarter)])


def _lead(quarter: Quarter) -> Phrase:
    absent = [words for words, held in (
        (Phrase("last quarter's run (--against)", "上季运行（--against）"), quarter.against),
        (Phrase("parameter bands (--bands)", "参数区间（--bands）"), quarter.bands),
        (Phrase("remediation plans (--remediation)", "整改计划（--remediation）"), quarter.remediation),
        (Phrase("totals of ledger and custodian (--totals)", "总账与托管数据（--totals）"), quarter.totals),
        (Phrase("a reverse stress search (--reverse)", "反向压力测试（--reverse）"), quarter.reverse)) if held is None]
    if not absent:
        return Phrase("Everything that this report can be given was given.", "本报告所需的各项附加资料均已提供。")
    return Phrase("Not given with this report: {what}.", "本报告未提供：{what}。").fill(what=join(absent))


def _key_figures(run: RunTables, estimates: Estimates, quarter: Quarter) -> Chapter:
    """The scenario that costs each platform most: figures with both errors side by side."""
    rows = []
    for platform in run.platforms:
        at = platform["platform_id"]
        scale = scale_of(run, estimates, at, ("deficit", "loss_holding", "loss_without_impact", "loss_with_impact"))
        known = [s for s in run.scenarios if estimates.get(s["id"], at, "loss_with_impact").known]
        if not known:
            continue
        worst = max(known, key=lambda s: estimates.get(s["id"], at, "loss_with_impact").value)
        losses = [money_cell(estimates.get(worst["id"], at, m), scale)
                  for m in ("loss_holding", "loss_without_impact", "loss_with_impact", "deficit")]
        fails = probability_cell(estimates.get(worst["id"], at, "failure", "probability"))
        name = platform_name(platform)
        title = Phrase(f"{name.en}, {scale.unit.en}", f"{name.zh}（{scale.unit.zh}）")
        rows.append(Row(title, given(worst), (*losses, fails)))
    table = Table(
        Phrase("Key figures under the scenario that costs each platform most", "各平台损失最大情景下的关键数字"),
        (Head(Phrase("Holding", "持有"), _LOSS), Head(Phrase("Selling without impact", "无冲击平仓"), _LOSS),
         Head(Phrase("Selling with impact", "有冲击平仓"), _LOSS), Head(Phrase("Deficit", "穿仓额")),
         Head(Phrase("Share of paths that fail", "失败路径占比"))),
        tuple(rows), ("M-26", "M-28", "M-30", "M-38", "M-39", *(() if quarter.bands is None else ("M-298",))),
        sentences([
            Phrase("± is the sampling error: what other dice would change.", "±为抽样误差：换一组随机数会带来的变化。"),
            _band_said(quarter),
            Phrase("Every figure holds given its scenario.", "一切数字以其情景为前提。")]),
        _PLATFORM)
    return Phrase("Key figures", "关键数字"), NOTHING, [table]


def _band_said(quarter: Quarter) -> Phrase:
    """What the bands are in this report, or why there are none."""
    if quarter.bands is None:
        return Phrase(
            "The parameter band, what other plausible parameters would change, was not measured: the report was made without --bands. "
            "It can be wider than the sampling error.",
            "参数区间（换用其他合理参数会带来的变化）未测量：本报告未使用--bands。参数区间可能宽于抽样误差。")
    if not quarter.bands.whole:
        return Phrase("There is no parameter band: no parameter of this run has a standard error or a stated range that could be run.",
                      "无参数区间：本次运行没有可变动的标准误或声明区间。")
    return Phrase(
        "[low … high] is the parameter band: what other plausible parameters would change, measured on {n} paths. "
        "A figure without one does not move, or is not defined in every case.",
        "[低 … 高]为参数区间：换用其他合理参数会带来的变化，以{n}条路径测量。没有区间的数字不受参数影响，或并非在每种情形下都有定义。",
    ).fill(n=quarter.bands.paths)


def _bands(run: RunTables, quarter: Quarter) -> list[Chapter]:
    if quarter.bands is None:
        return []
    lead = Phrase(
        "{n} parameters were moved one at a time, {paths} paths each, all on the same draws. Parameters that are not listed have neither "
        "a standard error nor a stated range: the bands do not know them, nor that parameters may move together.",
        "逐一变动{n}个参数，各{paths}条路径，随机数相同。未列出的参数既无标准误，也无声明区间：区间不含其影响，也不含参数同时变动的影响。")
    told = lead.fill(n=len(quarter.bands.whole), paths=quarter.bands.paths)
    return [(Phrase("Parameter bands", "参数区间"), told, bands_tables(quarter.bands, [str(s["id"]) for s in run.scenarios]))]


def _against(run: RunTables, quarter: Quarter) -> list[Chapter]:
    if quarter.against is None:
        return []
    names = [p["platform_id"] for p in run.platforms]
    gone = [p["platform_id"] for p in quarter.against.then["platforms"] if p["platform_id"] not in names]
    then = quarter.against.then
    lead = Phrase("Last quarter: book of {as_of}, {paths} paths, seed {seed}. Compared are the scenarios that both runs have: {which}.",
                  "上季：账簿日{as_of}，{paths}条路径，种子{seed}。比较两次运行共有的情景：{which}。").fill(
        as_of=then["book"]["as_of"], paths=f"{then['paths']:,}", seed=then["seed"], which=", ".join(quarter.against.scenarios))
    told = [change_table(quarter.against, s, [*names, *gone]) for s in quarter.against.scenarios]
    chapters: list[Chapter] = [(Phrase("What changed since last quarter", "较上季的变动"), lead, told)]
    forecast = forecast_table(quarter.against, run.record)
    if forecast is not None:
        chapters.append((Phrase("Last quarter's forecast", "上季预测回顾"), NOTHING, [forecast]))
    return chapters


def _breaches(run: RunTables, quarter: Quarter) -> Chapter:
    """Every limit that is amber or red, with who mends it by when."""
    title = Phrase("Breaches and remediation", "超限与整改")
    said = run.record.get("limits")
    if not said:
        return title, Phrase("The run was made without limits.", "本次运行未设限额。"), []
    names = {p["platform_id"]: platform_name(p) for p in run.platforms}
    plans = {(p["platform"], p["limit"]): p for p in quarter.remediation or []}
    rows, bare = [], 0
    for platform in said["platforms"]:
        for one in platform["limits"]:
            if one["light"] == "green":
                continue
            plan = plans.get((platform["platform_id"], one["name"]))
            bare += plan is None
            red = one["light"] == "red"
            value, line = limit_value(one)
            light = Cell(Phrase("red", "红灯") if red else Phrase("amber", "黄灯"), tone="bad" if red else "warn")
            told = [Cell(NONE, tone="quiet")] * 3 if plan is None else [
                Cell(same(plan["action"]), tone="words"), Cell(same(plan["owner"])), Cell(same(str(plan["due"])), note=_due(plan, run))]
            rows.append(Row(Phrase(one["en"], one["zh"]), names[platform["platform_id"]], (
                light, Cell(value), Cell(line), *told)))
    if not rows:
        return title, Phrase("No limit is amber or red.", "无黄灯或红灯限额。"), []
    lead = Phrase("{n} limits are amber or red; {bare} of them have no plan.", "{n}项限额为黄灯或红灯，其中{bare}项没有整改计划。")
    table = Table(
        Phrase("Breaches, and who mends them by when", "超限事项、责任人与期限"),
        (Head(Phrase("Light", "灯号")), Head(Phrase("Value", "数值")), Head(Phrase("Line", "限额线")), Head(Phrase("Action", "措施")),
         Head(Phrase("Owner", "责任人")), Head(Phrase("Due", "期限"))),
        tuple(rows), ("M-118", "M-119", "M-120", "M-121"), first=Phrase("Limit", "限额"))
    return title, lead.fill(n=len(rows), bare=bare), [table]


def limit_value(one: dict[str, Any]) -> tuple[Phrase, Phrase]:
    """A limit's value and the line that it broke, amber or red, as printed."""
    unit = "" if one["name"].endswith("_days") else "%"
    value = NONE if one["value"] is None else same(f"{float(one['value']):,.2f}{unit}")
    return value, same(f"{one['red'] if one['light'] == 'red' else one['amber']}{unit}")


def _due(plan: dict[str, Any], run: RunTables) -> Phrase:
    if str(plan["due"]) <= run.record["book"]["as_of"] and plan.get("status") != "done":
        return Phrase("overdue on the book's date", "账簿日已逾期")
    return same(plan.get("status") or "")


def _exposures(run: RunTables) -> Chapter:
    """The largest of each kind against own funds, and related parties on the way of the funding."""
    said, found = run.record.get("limits"), []
    own = {p["platform_id"]: p["own_capital_li"] + p["reserve_li"] for p in run.platforms}
    names = {p["platform_id"]: platform_name(p) for p in run.platforms}
    if said:
        kinds = (("client", Phrase("client group, claims", "客户集团（债权）")), ("funder", Phrase("funder, funding", "资金方（资金）")),
                 ("instrument", Phrase("instrument, collateral", "证券（担保物）")))
        held = [(p["platform_id"], words, name, amount, p["facts"]["concentration"][kind]["total_li"])
                for p in said["platforms"] for kind, words in kinds for name, amount in p["facts"]["concentration"][kind]["top"][:_LARGEST]]
        scale = money_scale([yuan_of(amount) for *_, amount, _ in held])
        rows = tuple(Row(same(name), join([names[at], words], ": ", "："), (
            Cell(scale.number(yuan_of(amount))), Cell(percent(100 * amount / total) if total else NONE),
            Cell(percent(100 * amount / own[at]) if own.get(at) else NONE))) for at, words, name, amount, total in held)
        found.append(Table(
            in_unit(scale.unit, Phrase("Large exposures", "大额风险暴露")),
            (Head(Phrase("Amount", "金额")), Head(Phrase("Share of its kind", "占同类")), Head(_OF_OWN)),
            rows, ("M-119", "M-223"), first=Phrase("Party or instrument", "对手方或证券"), style="slim"))
    pool = run.record.get("pool")
    related = [(p["platform_id"], s) for p in (pool or {}).get("platforms", []) for s in p["sources"] if s["related"]]
    if related:
        scale = money_scale([yuan_of(s["amount_li"]) for _, s in related])
        rows = tuple(Row(same(s["party"]), names.get(at, same(at)), (
            Cell(scale.number(yuan_of(s["amount_li"]))), Cell(percent(s["share_ppm"] / 10_000)),
            Cell(percent(100 * s["amount_li"] / own[at]) if own.get(at) else NONE))) for at, s in related)
        found.append(Table(
            in_unit(scale.unit, Phrase("Related parties on the way of the funding", "资金来源途经的关联方")),
            (Head(Phrase("Amount", "金额")), Head(Phrase("Share of direct funding", "占直接资金")), Head(_OF_OWN)),
            rows, ("M-100", "M-223"), first=Phrase("Source", "来源"), style="slim"))
    lead = NOTHING
    if not related:
        none = Phrase("The book names no related party among its sources of funding.", "账簿未披露资金来源中的关联方。")
        lead = none if pool else Phrase("The run holds no look-through of its funding.", "本次运行未做资金穿透。")
    return Phrase("Large exposures and related parties", "大额风险暴露与关联方"), lead, found


def _totals(run: RunTables, quarter: Quarter) -> Chapter:
    """The book's totals beside those of ledger and custodian, to the last 厘 (M-222)."""
    title = Phrase("Reconciliation of the book", "账簿核对")
    if quarter.totals is None:
        return title, Phrase("Totals of ledger and custodian were not given: the book is not reconciled.",
                             "未提供总账与托管数据：账簿未核对。"), []
    of = {p["platform_id"]: p for p in run.platforms}
    rows, wrong = [], 0
    for one in quarter.totals:
        mine = int(of[one["platform_id"]][ITEMS[one["item"]]])
        off = mine - one["amount_li"]
        wrong += off != 0
        cells = (Cell(same(one["source"])), Cell(_exact(mine)), Cell(_exact(one["amount_li"])),
                 Cell(_exact(off), tone="bad" if off else "good"))
        rows.append(Row(_ITEM_NAMES[one["item"]], platform_name(of[one["platform_id"]]), cells))
    lead = Phrase("{n} totals were given; {wrong} differ from the book.", "提供{n}项总数，其中{wrong}项与账簿不符。")
    lead = lead.fill(n=len(rows), wrong=wrong)
    table = Table(
        in_unit(Phrase("yuan", "元"), Phrase("The book against ledger and custodian", "账簿与总账、托管数据")),
        (Head(Phrase("Given by", "数据来源")), Head(Phrase("Book", "账簿")), Head(Phrase("Given", "提供")),
         Head(Phrase("Book less given", "差额"))),
        tuple(rows), ("M-222",), first=Phrase("Item", "项目"), style="slim")
    return title, lead, [table]


def _exact(li: int) -> Phrase:
    """An amount in yuan with all that a 厘 says."""
    whole, part = divmod(abs(li), 1000)
    text = f"{whole:,}" + (f".{part:03d}" if part else "")
    return same(f"\u2212{text}" if li < 0 else text)


def _reverse(quarter: Quarter) -> Chapter:
    """The mildest shocks that were found to bring a platform to a figure."""
    title = Phrase("Reverse stress test", "反向压力测试")
    found = quarter.reverse
    if found is None:
        return title, Phrase("No search was given.", "未提供反向压力测试结果。"), []
    keys = [d["key"] for d in found["dials"]]
    rows = []
    for answer in found["answers"]:
        never = answer["setting"] is None
        setting = Cell(Phrase("not in the range", "范围内未达到")) if never else Cell(plain(answer["setting"]))
        low, high = (plain(answer[k]).en for k in ("low", "high"))
        fixed = NONE if answer["fixed"] is None else plain(answer["fixed"])
        rows.append(Row(same(answer["platform_id"]), NOTHING, (Cell(fixed), setting, Cell(same(f"{low} … {high}")))))
    lead = Phrase("Scenario {s}: the mildest setting of {key} at which {goal}.", "情景 {s}：使 {goal} 成立的最轻 {key}。").fill(
        s=found["scenario"], key=keys[0], goal=found["goal"])
    second = same(keys[1]) if len(keys) > 1 else Phrase("Second number", "第二参数")
    table = Table(
        Phrase("Breaking points, and their frontier", "临界点与边界"),
        (Head(second), Head(same(keys[0])), Head(Phrase("95% interval", "95%区间"))), tuple(rows), ("M-93", "M-94", "M-95"),
        first=_PLATFORM, style="slim")
    return title, lead, [table]


def _validation(run: RunTables, quarter: Quarter) -> Chapter:
    """What can be known of the run's soundness from its folder."""
    rows = []

    def said(what: Phrase, value: Phrase, good: bool) -> None:
        rows.append(Row(what, NOTHING, (Cell(value, tone="good" if good else "warn"),)))

    altered = quarter.altered
    said(Phrase("Files of the run have the digests of its record", "运行文件与记录摘要值一致"),
         Phrase("yes", "是") if not altered else Phrase("no: {which}", "否：{which}").fill(which=", ".join(altered)), not altered)
    layers = run.outcomes[[c for c in run.outcomes.columns if c.startswith("absorbed_by_")]].sum(axis=1)
    off = int((layers != run.outcomes["deficit_li"]).sum())
    said(Phrase("Layers add up to the deficit, path by path", "逐路径各层吸收额等于穿仓额"),
         Phrase("yes, on all {n}", "是，共{n}条").fill(n=f"{len(layers):,}") if not off else
         Phrase("no, on {n}", "否，{n}条").fill(n=off), not off)
    most = int(run.outcomes["rounds_limit_days"].fillna(0).max() or 0)
    said(Phrase("Days on which selling was cut off by the limit of rounds, most on a path", "因轮数上限截断的天数（单路径最多）"),
         plain(most), most == 0)
    least = run.outcomes["candidates_effective_ppm"].dropna()
    said(Phrase("Effective candidates of conditioned paths, least", "条件路径候选有效比例（最低）"),
         percent(float(least.min()) / 1e4) if len(least) else Phrase("drawn exactly", "精确抽样"), not len(least) or least.min() >= 50_000)
    errors = [e for s in run.scenarios if not math.isnan(e := Estimates(run.estimates[run.estimates["scenario"] == s["id"]]).get(
        s["id"], "ALL", "loss_with_impact").error)]
    said(Phrase("Scenarios whose loss has a sampling error", "损失附有抽样误差的情景数"),
         same(f"{len(errors)} / {len(run.scenarios)}"), len(errors) == len(run.scenarios))
    said(Phrase("Independent validation of the model's parameters", "模型参数的独立验证"),
         Phrase("not recorded in a run", "运行中无记录"), False)
    table = Table(Phrase("Validation status", "验证状态"), (Head(Phrase("Result", "结果")),), tuple(rows), ("M-22", "M-27"),
                  first=Phrase("Check", "检查项"), style="slim")
    return Phrase("Validation status", "验证状态"), NOTHING, [table]


