"""The section "Liquidity and limits" of a report: lights, tiers, ladder, concentration, capital, accounts, contracts (M-110 to M-121)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stresslab.contract import loss_table
from stresslab.report.amounts import NONE, MoneyScale, money_scale, plain, yuan_of
from stresslab.report.contract_sheet import loss_exhibit, whole_yuan
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Phrase, join, same
from stresslab.report.run_tables import RunTables, platform_name
from stresslab.report.tables import in_unit

Json = dict[str, Any]
_TONES = {"red": "bad", "amber": "warn", "green": "good"}
_PLATFORM = Phrase("Platform", "平台")
_TIERS = (("cash", Phrase("Cash", "现金")), ("pool", Phrase("Liquid pool", "流动性资产池")), ("line", Phrase("Bank line", "银行授信")))


@dataclass(frozen=True)
class StandingPart:
    """The section of limits: what is supposed, the tables of all platforms, a loss table for each kind of contract."""

    lead: Phrase
    assumed: list[tuple[Phrase, Phrase]]
    sources: list[str]
    limits: Table
    accounts: Table
    due: Table
    tiers: Table
    ladder: Table
    concentration: Table
    capital: Table
    contracts: list[Table]


def standing_part(run: RunTables) -> StandingPart | None:
    """The section; None for a run that was made without limits."""
    said: Json | None = run.record.get("limits")
    if not said:
        return None
    names = {p["platform_id"]: platform_name(p) for p in run.platforms}
    found = said["platforms"]
    return StandingPart(
        _lead(said), _assumed(said["assumptions"]), _sources(said), _limits(found, names), _accounts(found, names),
        _due(found, names), _tiers(found, names, said), _ladder(found, names),
        _concentration(found, names), _capital(found, names, said),
        [_contract(p["platform_id"], names, kind) for p in found for kind in p["contracts"][:1]],
    )


def _lead(said: Json) -> Phrase:
    lights = [one["light"] for p in said["platforms"] for one in (*p["limits"], *p["accounts"])]
    counted = Phrase(
        "On the book's date {red} limits and rules are red and {amber} amber, over all platforms. ",
        "账簿日各平台合计：{red}项限额或规则红灯，{amber}项黄灯。").fill(red=lights.count("red"), amber=lights.count("amber"))
    by = Phrase(f"Limits: {said['title']}", f"限额依据：{said['title_zh']}")
    if said["provisional"]:
        by = Phrase(f"{by.en} (provisional)", f"{by.zh}")
    static = Phrase(
        ". Nothing here is simulated: it is what the book says, under these assumptions:",
        "。本节不含模拟，均来自账簿，假设如下：")
    return join([counted, by, static], "", "")


def _assumed(a: Json) -> list[tuple[Phrase, Phrase]]:
    """What the figures suppose, as facts."""
    off = a["run_off_pct"]
    return [
        (Phrase("Loss when the pool is sold", "流动性资产池变现折价"), same(f"{_short(a['pool_haircut_pct'])}%")),
        (Phrase("Leaves in 30 days: free cash", "30日流出：可取现金"), same(f"{_short(off['free_cash'])}%")),
        (Phrase("Leaves in 30 days: investors", "30日流出：投资人债权"), same(f"{_short(off['investor'])}%")),
        (Phrase("Leaves in 30 days: foreign money", "30日流出：外资"), same(f"{_short(off['foreign'])}%")),
        (Phrase("Funding not renewed at maturity", "资金到期不续"), same(f"{_short(off['funding'])}%")),
        (Phrase("Loans that come back when due", "贷款到期收回"), same(f"{_short(a['loan_inflow_pct'])}%")),
        (Phrase("Inflows count up to", "流入计入上限"),
         Phrase("{n}% of outflows", "流出的{n}%").fill(n=_short(a["inflow_cap_pct"]))),
        (Phrase("Loan without a date: called within", "无到期日贷款收回期"), Phrase("{n} days", "{n}日").fill(n=a["loan_call_days"])),
        (Phrase("High leverage", "高杠杆"), Phrase("above {n}", "超过{n}倍").fill(n=_short(a["high_leverage"]))),
    ]


def _sources(said: Json) -> list[str]:
    """Where assumptions and limits come from, each once."""
    a = said["assumptions"]
    told = [f"{key.removesuffix('_source').replace('_', ' ')}: {a[key]}" for key in a if key.endswith("_source")]
    told.append(f"run off: {a['run_off_pct']['source']}")
    return told + [f"{one['en']}: {one['source']}" for one in said["platforms"][0]["limits"]]


def _percent(value: str | None, name: str) -> Phrase:
    if value is None:
        return Phrase("none due", "无需覆盖") if not name.endswith("_days") else Phrase("over 365", "超过365")
    number = float(value)
    text = f"{number:,.0f}" if name.endswith("_days") or number >= 1000 else f"{number:,.2f}"
    return same(text if name.endswith("_days") else f"{text}%")


def _limits(found: list[Json], names: dict[str, Phrase]) -> Table:
    """Limits by platforms, each figure on the colour of its light."""
    rows = []
    for at, limit in enumerate(found[0]["limits"]):
        unit = "" if limit["name"].endswith("_days") else "%"
        side = Phrase("at least", "不低于") if limit["side"] == "at_least" else Phrase("at most", "不高于")
        cells = [Cell(side), Cell(same(f"{limit['amber']}{unit}")), Cell(same(f"{limit['red']}{unit}"))]
        for platform in found:
            one = platform["limits"][at]
            cells.append(Cell(_percent(one["value"], one["name"]), tone=_TONES[one["light"]]))
        rows.append(Row(Phrase(limit["en"], limit["zh"]), NOTHING, tuple(cells)))
    return Table(
        Phrase("Limits and their lights", "限额与红黄绿灯"),
        (Head(Phrase("Side", "方向")), Head(Phrase("Amber", "黄灯线")), Head(Phrase("Red", "红灯线")),
         *(Head(names[p["platform_id"]]) for p in found)),
        tuple(rows), ("M-118", "M-119", "M-120", "M-121"),
        Phrase("A value exactly on a line is inside it. Green: inside both lines.", "恰好在线上视为未越线；绿灯：两条线均未越过。"),
        Phrase("Limit", "限额"),
    )


def _accounts(found: list[Json], names: dict[str, Phrase]) -> Table:
    """Accounts that break a rule, by platform, with their share of debt."""
    rows = []
    for at, rule in enumerate(found[0]["accounts"]):
        cells = []
        for platform in found:
            one, loans = platform["accounts"][at], platform["facts"]["loans_li"]
            share = f"{100 * one['debt_li'] / loans:.1f}%" if loans else "0%"
            note = Phrase(f"{share} of debt", f"占负债{share}") if one["accounts"] else NOTHING
            cells.append(Cell(plain(one["accounts"]), note=note, tone=_TONES[one["light"]] if one["accounts"] else "quiet"))
        rows.append(Row(Phrase(rule["en"], rule["zh"]), same(rule["formula"]), tuple(cells)))
    return Table(
        Phrase("Suitability, risk budgets and dates: accounts with debt that break a rule",
               "适当性、风险预算与期限：违反规则的有负债账户数"),
        tuple(Head(names[p["platform_id"]]) for p in found), tuple(rows), ("M-113", "M-114", "M-115", "M-116"),
        Phrase("An assessment that is too old counts as missing. These are findings, not faults: the book stays valid.",
               "评估过期视同无评估。以上为提示而非错误，账簿仍然有效。"),
        Phrase("Rule", "规则"), "slim",
    )


def _scale(amounts: list[int]) -> MoneyScale:
    return money_scale([yuan_of(a) for a in amounts])


def _money(li: int, scale: MoneyScale, tone: str = "") -> Cell:
    return Cell(scale.number(yuan_of(li)), tone=tone if li else "quiet")


def _due(found: list[Json], names: dict[str, Phrase]) -> Table:
    """What falls due within 7 and 30 days, before and after set-off, beside what is liquid."""
    scale = _scale([one["due_li"]["30"]["total"] for one in (p["facts"] for p in found)])
    rows = []
    for platform in found:
        facts = platform["facts"]
        liquid = facts["tiers_li"]["cash"] + facts["tiers_li"]["pool"]
        for window, due in facts["due_li"].items():
            cover = Cell(same(f"{100 * liquid / due['total']:,.1f}%")) if due["total"] else Cell(NONE)
            cells = (_money(liquid, scale), _money(due["funding"], scale), _money(due["claims"], scale),
                     _money(due["claims_netted"], scale), cover)
            rows.append(Row(names[platform["platform_id"]], Phrase("within {n} days", "{n}日内").fill(n=window), cells))
        flows = facts["flows_li"]
        cells = (_money(liquid, scale), _money(flows["funding"], scale), _money(flows["claims"], scale), Cell(NONE),
                 Cell(same(f"{100 * liquid / flows['net']:,.1f}%") if flows["net"] else NONE,
                      note=Phrase("of net outflow", "占净流出")))
        rows.append(Row(names[platform["platform_id"]], Phrase("supposed, 30 days", "假设流出（30日）"), cells))
    return Table(
        in_unit(scale.unit, Phrase("What falls due, and what covers it", "到期债务与覆盖")),
        (Head(Phrase("Cash and pool", "现金与流动性资产池")), Head(Phrase("Funding", "资金"), Phrase("Due", "到期")),
         Head(Phrase("Claims", "债权"), Phrase("Due", "到期")), Head(Phrase("Claims after set-off", "净额后债权"), Phrase("Due", "到期")),
         Head(Phrase("Covered", "覆盖率"))),
        tuple(rows), ("M-118",),
        Phrase("Set-off: claims of a client group less what the same group owes the platform. Supposed: what leaves under the assumptions "
               "above; loans that come back are subtracted from it, up to the cap.",
               "净额：同一客户集团的债权扣除其对平台的负债。假设流出：按上述假设流出的金额，扣除收回的贷款（以上限为限）。"),
        _PLATFORM,
    )


def _tiers(found: list[Json], names: dict[str, Phrase], said: Json) -> Table:
    """What pays if a fifth, or three tenths, of all redeemable claims are asked for at once."""
    scale = _scale([r["need"] for p in found for r in p["facts"]["redemptions"]])
    rows = []
    for platform in found:
        facts = platform["facts"]
        for asked in facts["redemptions"]:
            share = Phrase("{n}% ask at once", "同时兑付{n}%").fill(n=asked["share_pct"])
            cells = [_money(asked["need"], scale), *(_money(asked[k], scale) for k, _ in _TIERS), _money(asked["short"], scale, "bad")]
            rows.append(Row(names[platform["platform_id"]], share, (*cells, _money(facts["promised_line_li"], scale))))
    assumed = said["assumptions"]
    return Table(
        in_unit(scale.unit, Phrase("What pays a redemption, tier by tier", "兑付资金的分层来源")),
        (Head(Phrase("Asked for", "兑付要求")), *(Head(name, Phrase("Paid from", "支付来源")) for _, name in _TIERS),
         Head(Phrase("Unpaid", "未兑付")), Head(Phrase("Line promised only", "仅口头承诺的授信"))),
        tuple(rows), ("M-118",),
        Phrase("Of the pool {h}% is lost in selling. Only a committed, undrawn and unexpired line counts; a promised one pays nothing.",
               "流动性资产池变现折价{h}%。仅承诺、未用且未到期的授信计入，口头承诺不计。").fill(h=_short(assumed["pool_haircut_pct"])),
        _PLATFORM,
    )


def _short(value: Any) -> str:
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _ladder(found: list[Json], names: dict[str, Phrase]) -> Table:
    """Assets and liabilities by maturity, with the cumulative gap."""
    scale = _scale([v for p in found for v in (*p["facts"]["ladder"]["assets_li"], *p["facts"]["ladder"]["gap_li"])])
    edges = found[0]["facts"]["ladder"]["edges"]
    heads = []
    for low, high in zip([None, *edges[:-1]], edges, strict=True):
        words = Phrase("{d} days", "{d}日")
        if high is None:
            heads.append(Head(words.fill(d=f"> {low}")))
        else:
            heads.append(Head(words.fill(d=f"\u2264 {high}" if low is None else f"{low + 1}\u2013{high}")))
    rows = []
    for platform in found:
        ladder = platform["facts"]["ladder"]
        for key, words in (("assets_li", Phrase("assets", "资产")), ("liabilities_li", Phrase("liabilities", "负债")),
                           ("gap_li", Phrase("cumulative gap", "累计缺口"))):
            tone = "bad" if key == "gap_li" else ""
            cells = tuple(_money(v, scale, tone if v < 0 else "") for v in ladder[key])
            rows.append(Row(names[platform["platform_id"]], words, cells))
    return Table(
        in_unit(scale.unit, Phrase("Maturity ladder", "期限阶梯")), tuple(heads), tuple(rows), ("M-120",),
        Phrase("Assets: cash, pool after haircut, loans by maturity or by call. Liabilities: funding by maturity, claims by notice, "
               "without what segregated money pays.",
               "资产：现金、折价后的流动性资产池、按到期日或可提前收回的贷款；负债：按到期日的资金、按通知期的债权（扣除隔离资金覆盖部分）。"),
        _PLATFORM,
    )


_KINDS = (("client", Phrase("client groups", "客户集团")), ("funder", Phrase("funders", "资金方")),
          ("instrument", Phrase("instruments", "证券")), ("sector", Phrase("sectors", "行业")))


def _concentration(found: list[Json], names: dict[str, Phrase]) -> Table:
    """Top one, three, five and ten of clients, funders, instruments and sectors, with the Herfindahl index."""
    rows = []
    for platform in found:
        for kind, words in _KINDS:
            of = platform["facts"]["concentration"][kind]
            total, top = of["total_li"], of["top"]
            tops = [same(f"{100 * sum(v for _, v in top[:n]) / total:.1f}%") if total else NONE for n in (1, 3, 5, 10)]
            index = of["hhi_ppm"]
            equal = NONE if not index else same(f"{1e6 / index:,.1f}")
            cells = (Cell(plain(of["count"])), *(Cell(t) for t in tops), Cell(NONE if index is None else same(f"{index / 1e6:.4f}")),
                     Cell(equal), Cell(same(top[0][0]) if top else NONE))
            rows.append(Row(names[platform["platform_id"]], words, cells))
    largest = Phrase("Share of the largest", "前N大占比")
    return Table(
        Phrase("Concentration", "集中度"),
        (Head(Phrase("Number", "数目")), *(Head(same(n), largest) for n in (1, 3, 5, 10)), Head(Phrase("HHI", "赫芬达尔指数")),
         Head(Phrase("Equal-sized", "等效数目")), Head(Phrase("Largest", "最大者"))),
        tuple(rows), ("M-119",),
        Phrase("Client groups by redeemable claims, funders by direct funding, instruments and sectors by collateral.",
               "客户集团按可兑付债权，资金方按直接资金，证券与行业按担保物计。"),
        _PLATFORM,
    )


def _capital(found: list[Json], names: dict[str, Phrase], said: Json) -> Table:
    """The capital ratio with the weights behind it."""
    weights = sorted({w for p in found for w, _ in p["facts"]["risk_weights"]})
    scale = _scale([p["facts"]["loans_li"] for p in found])
    rows = []
    for platform in found:
        facts = platform["facts"]
        lent = dict(facts["risk_weights"])
        ratio = next((one for one in platform["limits"] if one["name"] == "capital_ratio_pct"), None)
        last = Cell(NONE) if ratio is None else Cell(_percent(ratio["value"], "capital_ratio_pct"), tone=_TONES[ratio["light"]])
        cells = [*(_money(lent.get(w, 0), scale) for w in weights), _money(facts["risk_weighted_li"], scale),
                 _money(facts["own_capital_li"], scale), last]
        rows.append(Row(names[platform["platform_id"]], same(platform["platform_id"]), tuple(cells)))
    group = Phrase("Loans by risk weight", "按风险权重的贷款")
    return Table(
        in_unit(scale.unit, Phrase("Capital over risk-weighted loans", "资本与风险加权贷款")),
        (*(Head(same(f"{w / 100:g}%"), group) for w in weights), Head(Phrase("Risk-weighted", "风险加权")),
         Head(Phrase("Own capital", "自有资金")), Head(Phrase("Capital ratio", "资本充足率"))),
        tuple(rows), ("M-121",),
        Phrase("A loan carries the weights of the collateral behind it; cash weighs nothing, an instrument without its own weight {w}%.",
               "贷款按其担保物的权重加权；现金权重为零，未注明权重的证券为{w}%。").fill(w=_short(said["assumptions"]["risk_weight_pct"])),
        _PLATFORM,
    )


def _contract(platform: str, names: dict[str, Phrase], kind: Json) -> Table:
    """The scenario loss table of a platform's main kind of contract, for 100,000 yuan of own money."""
    losses = loss_table(
        cash_li=0, shares_li=kind["own_li"] + kind["borrowed_li"], debt_li=kind["borrowed_li"], warning_bp=kind["warning_bp"],
        liquidation_bp=kind["liquidation_bp"], restore_bp=kind["restore_bp"], cost_bp=kind["cost_bp"], full_sale=kind["full_sale"],
    )
    title = Phrase("What a fall does to an investor of {name}, yuan", "{name}：下跌对投资者的影响（元）").fill(name=names[platform])
    sale = Phrase("everything is sold", "全部卖出") if kind["full_sale"] else Phrase("sold back to {r}%", "卖至恢复线{r}%").fill(
        r=f"{kind['restore_bp'] / 100:g}")
    note = Phrase(
        "The contract with the most debt: own money {own}, borrowed {debt}; warning line {w}%, liquidation line {q}%, {sale}; "
        "selling costs {c}%. All prices fall at once, nobody answers the call.",
        "负债最多的合同：自有本金{own}元，借入{debt}元；警戒线{w}%，平仓线{q}%，{sale}；卖出费用{c}%。假设全部价格同时下跌且无人补足。",
    ).fill(own=whole_yuan(kind["own_li"]), debt=whole_yuan(kind["borrowed_li"]), w=f"{kind['warning_bp'] / 100:g}",
           q=f"{kind['liquidation_bp'] / 100:g}", sale=sale, c=f"{kind['cost_bp'] / 100:g}")
    return loss_exhibit(losses, title, note)
