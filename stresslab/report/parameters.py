"""The parameters of all scenarios in one table, with numbered sources."""

from __future__ import annotations

from typing import Any

from stresslab.glossary import INVESTOR_TYPES
from stresslab.report.amounts import NONE, plain
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Phrase, join, same
from stresslab.report.response_words import response
from stresslab.report.run_tables import RunTables
from stresslab.report.sectors import rule

#: Block of a scenario file, key, name, unit.
ROWS: tuple[tuple[str, str, Phrase, str], ...] = (
    ("", "days", Phrase("Trading days", "交易日数"), ""),
    ("market", "model", Phrase("Model of the factor", "因子模型"), ""),
    ("market", "volatility_multiplier", Phrase("Volatility multiplier", "波动率倍数"), ""),
    ("market.crash", "depth_pct", Phrase("Crash, depth", "暴跌深度"), "%"),
    ("market.crash", "definition", Phrase("Crash, definition", "暴跌定义"), ""),
    ("market.crash", "index", Phrase("Crash, index", "暴跌所指指数"), ""),
    ("market.crash", "trough_day", Phrase("Trough day", "谷底日"), ""),
    ("market.crash", "shape", Phrase("Shape", "形状"), ""),
    ("market.crash", "after", Phrase("After the trough", "谷底之后"), ""),
    ("market.path", "level_pct", Phrase("Path replayed, levels", "重放路径水平"), "%"),
    ("market.path", "from_date", Phrase("Path replayed, from", "重放路径起始"), ""),
    ("market.path", "to_date", Phrase("Path replayed, to", "重放路径结束"), ""),
    ("market.path", "index", Phrase("Path replayed, index", "重放路径指数"), ""),
    ("market.path", "depth_pct", Phrase("Path rescaled to a fall of", "重放路径调整后跌幅"), "%"),
    ("market.path", "stripped_impact_pct", Phrase("History's own impact taken out", "剔除的历史自身冲击"), "%"),
    ("market.path", "after", Phrase("After the path", "路径之后"), ""),
    ("market", "halt_days", Phrase("Days on which the market is halted", "全市场停市日"), ""),
    ("market", "circuit_breaker_pct", Phrase("Circuit breaker, fall of the index", "指数熔断跌幅"), "%"),
    ("market", "suspension", Phrase("Suspended", "停牌"), ""),
    ("market.suspensions", "base_pct", Phrase("Drawn suspensions, daily probability", "随机停牌日概率"), "%"),
    ("market.suspensions", "slope_pct", Phrase("Drawn suspensions, rise with a fall of the factor", "随机停牌随因子下跌的增加"), "%"),
    ("market.suspensions", "mean_days", Phrase("Drawn suspensions, mean days", "随机停牌平均日数"), ""),
    ("rates", "shape", Phrase("Rate shock, shape", "利率冲击形状"), ""),
    ("rates", "shock_pct", Phrase("Rate shock", "利率冲击"), "%"),
    ("rates", "short_pct", Phrase("Rate shock, short end", "利率冲击：短端"), "%"),
    ("rates", "long_pct", Phrase("Rate shock, long end", "利率冲击：长端"), "%"),
    ("rates", "long_days", Phrase("Reset period of the long end, days", "长端重定价周期（日）"), ""),
    ("rates", "day", Phrase("Rate shock, day", "利率冲击日"), ""),
    ("rates", "over_days", Phrase("Rate shock, over days", "利率冲击持续日数"), ""),
    ("rates.path", "from_date", Phrase("Path of rates, from", "利率路径起始"), ""),
    ("rates.path", "to_date", Phrase("Path of rates, to", "利率路径结束"), ""),
    ("rates.path", "shift_pct", Phrase("Rates above the book's date, by day", "各日利率较账簿日的变动"), "%"),
    ("rates", "model", Phrase("Short rate", "短期利率"), ""),
    ("rates.law", "model", Phrase("Law of the short rate", "短期利率模型"), ""),
    ("rates.law", "initial_pct", Phrase("Short rate at the start", "初始短期利率"), "%"),
    ("rates.law", "long_run_pct", Phrase("Long-run short rate", "长期短期利率"), "%"),
    ("rates.law", "mean_reversion", Phrase("Mean reversion, a year", "均值回复速度（每年）"), ""),
    ("rates.law", "volatility_pct", Phrase("Volatility of the short rate, points a year", "短期利率波动率（百分点/年）"), "%"),
    ("rates.law", "volatility", Phrase("Volatility of the short rate, CIR", "短期利率波动率（CIR）"), ""),
    ("rates.law", "curve_years", Phrase("Curve, years", "收益率曲线：年限"), ""),
    ("rates.law", "curve_pct", Phrase("Curve, zero yields", "收益率曲线：零息收益率"), "%"),
    ("rates.law", "correlation", Phrase("Correlation of short rate and market", "短期利率与市场的相关系数"), ""),
    ("rates.law", "correlation_error", Phrase("Correlation of short rate and market, standard error", "短期利率与市场相关系数标准误"), ""),
    ("rates.law", "initial_error_pct", Phrase("Short rate at the start, standard error", "初始短期利率标准误"), "%"),
    ("rates.law", "long_run_error_pct", Phrase("Long-run short rate, standard error", "长期短期利率标准误"), "%"),
    ("rates.law", "mean_reversion_error", Phrase("Mean reversion, standard error", "均值回复速度标准误"), ""),
    ("rates.law", "volatility_error_pct", Phrase("Volatility of the short rate, standard error", "短期利率波动率标准误"), "%"),
    ("rates.law", "volatility_error", Phrase("Volatility of the short rate, CIR, standard error", "短期利率波动率（CIR）标准误"), ""),
    ("redemption", "share_pct", Phrase("Redemption, share of claims", "兑付占可兑付债权"), "%"),
    ("redemption", "who", Phrase("Redemption, by whom", "兑付者"), ""),
    ("redemption", "start_day", Phrase("Redemption, first day", "兑付起始日"), ""),
    ("redemption", "over_days", Phrase("Redemption, over days", "兑付持续日数"), ""),
    ("redemption", "gate_pct", Phrase("Gate, share of claims a day", "每日赎回限额占债权"), "%"),
    ("redemption.wave", "from_day", Phrase("Wave of withdrawals, from day", "挤兑潮起始日"), ""),
    ("redemption.wave", "base_pct", Phrase("Wave, daily probability without news", "挤兑潮：无消息时每日概率"), "%"),
    ("redemption.wave", "branching", Phrase("Wave, branching ratio", "挤兑潮：分支比"), ""),
    ("redemption.wave", "explosive", Phrase("Wave, explosive on purpose", "挤兑潮：有意设为爆发性"), ""),
    ("redemption.wave", "half_life_days", Phrase("Wave, half-life of what excites it, days", "挤兑潮：激发半衰期（日）"), ""),
    ("redemption.wave", "part_pct", Phrase("Wave, part that is asked for", "挤兑潮：每次申请占余额"), "%"),
    ("redemption.wave", "loss", Phrase("Wave, jumps by losses of own funds", "挤兑潮：自有资金损失引起的跳升"), ""),
    ("redemption.wave", "downgrade_jump_pct", Phrase("Wave, jump at a downgrade", "挤兑潮：降级引起的跳升"), "%"),
    ("redemption.wave", "unpaid_jump_pct", Phrase("Wave, jump a day of unpaid redemption", "挤兑潮：未兑付引起的每日跳升"), "%"),
    ("redemption.foreign", "share_pct", Phrase("Foreign money that leaves, share", "外资撤出比例"), "%"),
    ("redemption.foreign", "start_day", Phrase("Foreign money leaves, from day", "外资撤出起始日"), ""),
    ("redemption.foreign", "over_days", Phrase("Foreign money leaves, over days", "外资撤出持续日数"), ""),
    ("redemption.foreign", "market_fall_pct", Phrase("Foreign money leaves once the factor fell by", "因子下跌达到该幅度后外资撤出"), "%"),
    ("recalls", "grade", Phrase("Recall clauses act; grade before the run", "收回条款生效；运行前评级"), ""),
    ("liquidity", "impact", Phrase("Impact law", "冲击规律"), ""),
    ("liquidity", "impact_coefficient", Phrase("Impact coefficient", "冲击系数"), ""),
    ("liquidity", "impact_floor_pct", Phrase("Floor of prices, of the book's price", "价格下限占账簿日价格"), "%"),
    ("liquidity", "trading_fraction", Phrase("Part of the day over which is sold", "卖出所占当日时间"), ""),
    ("liquidity", "buyers_pct", Phrase("Natural buyers, of usual turnover", "自然买盘占日均成交量"), "%"),
    ("liquidity", "buyers_exhaustion_pct", Phrase("Loss of natural buyers with a fall of the factor", "自然买盘随因子下跌的减少"), "%"),
    ("liquidity", "participation_pct", Phrase("Participation in turnover", "参与率"), "%"),
    ("liquidity", "permanent_share_pct", Phrase("Permanent share of impact", "永久冲击占比"), "%"),
    ("liquidity", "half_life_days", Phrase("Half-life of the rest, days", "其余冲击半衰期（日）"), ""),
    ("liquidity", "expected_impact_pct", Phrase("Impact expected when sizing a sale", "定量时预计冲击"), "%"),
    ("liquidity", "rounds_max", Phrase("Rounds a day, at most", "单日最多轮数"), ""),
    ("liquidity", "pool_haircut_pct", Phrase("Haircut of the pool", "资产池折价"), "%"),
    ("behaviour", "grace_days", Phrase("Grace to answer a call, days", "追缴宽限（日）"), ""),
    ("behaviour", "answer_pct", Phrase("Clients who answer: retail, professional, institution", "补足比例：散户、专业、机构"), "%"),
    ("behaviour", "mood_pct", Phrase("Loss of answers with a fall of the factor", "补足随因子下跌的减少"), "%"),
    ("operations", "sale", Phrase("Forced sale", "平仓方式"), ""),
    ("operations", "sale_order", Phrase("Order of sale", "平仓顺序"), ""),
    ("operations", "batches", Phrase("Batches of a sale", "平仓批数"), ""),
    ("operations", "minimum_sale_yuan", Phrase("Smallest sale", "最小卖出额"), " yuan"),
    ("operations", "displace", Phrase("Sells more of others where one cannot be sold", "无法卖出时转向其他股票"), ""),
    ("operations", "payment_grace_days", Phrase("Grace before failure, days", "失败前宽限（日）"), ""),
    ("operations", "after_failure", Phrase("Loans after failure", "失败后的融资"), ""),
    ("operations", "days_without_calls", Phrase("Days without margin calls", "无法追缴日"), ""),
    ("operations", "days_without_sales", Phrase("Days without forced sales", "无法平仓日"), ""),
    ("operations", "compensation_pct", Phrase("Compensation for what shares lose while the desk is shut", "停摆期间市值损失赔付比例"), "%"),
    ("", "exchange", Phrase("Rates of exchange", "汇率变动"), ""),
    ("", "response", Phrase("Responses", "应对规则"), ""),
    ("", "sector_margin", Phrase("Stricter margins of sectors", "行业加严担保"), ""),
)

#: Blocks that are left out where no scenario has them.
_SELDOM = ("redemption.wave", "redemption.foreign", "recalls")
#: So many instruments of a suspension are named.
_NAMED = 4
#: A list of more numbers than these is a path, told by its ends.
_NUMBERS = 12

#: Words of scenario files that are not names.
WORDS: dict[str, Phrase] = {
    "gbm": Phrase("gbm", "几何布朗运动"),
    "deterministic": Phrase("deterministic", "无噪声"),
    "jump": Phrase("jump", "跳跃扩散"),
    "heston": Phrase("heston", "赫斯顿随机波动"),
    "garch": Phrase("garch", "GJR-GARCH"),
    "regime": Phrase("regime", "状态转换"),
    "bootstrap": Phrase("bootstrap", "历史分块抽样"),
    "terminal": Phrase("terminal", "终点"),
    "minimum": Phrase("minimum", "最低点"),
    "drawdown": Phrase("drawdown", "回撤"),
    "gap": Phrase("gap", "跳空"),
    "ramp": Phrase("ramp", "斜坡"),
    "bridge": Phrase("bridge", "布朗桥"),
    "parallel": Phrase("parallel", "平行"),
    "twist": Phrase("twist", "扭转"),
    "given": Phrase("moves only as said here", "只按本情景变动"),
    "market": Phrase("drawn by the market file's law", "按市场文件的模型抽取"),
    "vasicek": Phrase("Vasicek", "Vasicek"),
    "cir": Phrase("Cox, Ingersoll and Ross", "Cox-Ingersoll-Ross"),
    "hull_white": Phrase("Hull and White", "Hull-White"),
    "free": Phrase("free", "自由"),
    "flat": Phrase("flat", "持平"),
    "top_clients": Phrase("largest client groups", "最大客户集团"),
    "pro_rata": Phrase("pro rata", "按比例"),
    "random": Phrase("drawn on each path", "逐路径随机抽取"),
    "nobody": Phrase("nobody by plan", "无计划赎回"),
    "sqrt": Phrase("sqrt", "平方根 sqrt"),
    "linear": Phrase("linear", "线性 linear"),
    "exponential": Phrase("exponential", "指数 exponential"),
    "none": Phrase("none", "无"),
    "contract": Phrase("as the contract says", "按合同"),
    "full": Phrase("everything", "全部平仓"),
    "partial": Phrase("partial", "部分平仓"),
    "most_liquid": Phrase("most liquid first", "先卖流动性最好者"),
    "largest": Phrase("largest first", "先卖市值最大者"),
    "most_volatile": Phrase("most volatile first", "先卖波动最大者"),
    "highest_loss": Phrase("largest loss first", "先卖亏损最大者"),
    "held": Phrase("held", "维持"),
    "called": Phrase("all called", "全部收回"),
}


def _block(scenario: dict[str, Any], name: str) -> dict[str, Any]:
    found: Any = scenario
    for part in name.split(".") if name else ():
        found = (found or {}).get(part)
    return found or {}


def _shown(value: Any, unit: str) -> Phrase:
    if value is None or value == []:
        return NONE
    if isinstance(value, dict):
        return same(" / ".join(plain(value.get(who)).en for who in INVESTOR_TYPES) + unit)
    if isinstance(value, list):
        if all(isinstance(one, dict) for one in value):
            return join([_entry(one) for one in value], "; ", "；")
        if len(value) > _NUMBERS:
            return _path(value, unit)
        return same(", ".join(str(one) for one in value))
    if isinstance(value, str):
        return WORDS.get(value, same(value))
    shown = plain(value)
    units = (" yuan", " 元") if unit == " yuan" else (unit, unit)
    return Phrase(shown.en + units[0], shown.zh + units[1])


def _path(values: list[float], unit: str) -> Phrase:
    """A long path in words."""
    low, high, last = (same(plain(x).en + unit) for x in (min(values), max(values), values[-1]))
    return Phrase("{n} days, lowest {low}, highest {high}, at last {last}", "{n}日，最低{low}，最高{high}，最后{last}").fill(
        n=len(values) - 1, low=low, high=high, last=last)


def _entry(table: dict[str, Any]) -> Phrase:
    """One table of a list: a suspension (M-44), stricter margins (M-49), a loss that clients hear of (M-133), a rate of exchange
    (M-240), or a response."""
    if "do" in table:
        return response(table)
    if "currency" in table:
        rise = plain(table["rises_pct"]).en
        return Phrase(f"{table['currency']} +{rise}% on day {table['day']}", f"第{table['day']}日{table['currency']} +{rise}%")
    if "own_funds_lost_pct" in table:
        return same(f"{plain(table['own_funds_lost_pct']).en}%: +{plain(table['jump_pct']).en}%")
    who = same(table.get("sector") or table.get("subsector") or table.get("board") or _names(table.get("instruments") or []))
    if "from_day" not in table:
        return Phrase(f"{who.en}: {rule(table).en}", f"{who.zh}：{rule(table).zh}")
    return Phrase("{who} on days {a} to {b}", "{who}，第{a}至{b}日").fill(who=who, a=table["from_day"], b=table["to_day"])


def _names(ids: list[str]) -> str:
    """Some ids of a list, and how many more there are."""
    more = f" +{len(ids) - _NAMED}" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more


def _said_by(block: dict[str, Any], key: str, sources: list[str]) -> int:
    """The number of a value's source: its block's, or that of the first table of a list; 0 without any."""
    value = block.get(key)
    if value is None or value == []:
        return 0
    if isinstance(value, list) and isinstance(value[0], dict):
        return next((place for place in [_place(one.get("source"), sources) for one in value] if place), 0)
    return _place(block.get("source"), sources)


def parameters(run: RunTables) -> tuple[Table, list[str]]:
    """The table of parameters and its sources; a bracketed number in a cell names its source."""
    sources: list[str] = []
    rows = []
    for block, key, name, unit in ROWS:
        found = [_block(s, block) for s in run.scenarios]
        if block in _SELDOM and not any(found):
            continue
        cells = [(_shown(b.get(key), unit), _said_by(b, key, sources)) for b in found]
        rows.append(Row(name, NOTHING, _collapsed(cells)))
    table = Table(
        title=Phrase("Parameters of the scenarios", "情景参数"),
        first=Phrase("Parameter", "参数"),
        style="parameters",
        heads=tuple(Head(same(s["id"])) for s in run.scenarios),
        rows=tuple(rows),
        formulas=(
            *("M-8", "M-9", "M-44", "M-45", "M-11", "M-75", "M-77", "M-78", "M-79", "M-16", "M-20", "M-21", "M-22", "M-47", "M-48"),
            *("M-15", "M-24", "M-46", "M-28", "M-49", *_of_responses(run)),
        ),
        note=Phrase(
            "A value that all scenarios share is printed once. Numbers in brackets name the sources below.",
            "各情景相同的取值只印一次。方括号内的数字为下列来源编号。",
        ),
    )
    return table, sources


def _of_responses(run: RunTables) -> tuple[str, ...]:
    """The formulas of shut desks and responses, where a scenario has any."""
    house = any(_block(s, "operations").get(key) for s in run.scenarios for key in ("days_without_calls", "days_without_sales"))
    ruled = any(s.get("response") for s in run.scenarios)
    return (*(("M-145", "M-146") if house else ()), *(("M-147", "M-148", "M-149", "M-150", "M-151", "M-152", "M-153") if ruled else ()))


def _place(source: Any, sources: list[str]) -> int:
    if not source:
        return 0
    if str(source) not in sources:
        sources.append(str(source))
    return sources.index(str(source)) + 1


def _collapsed(cells: list[tuple[Phrase, int]]) -> tuple[Cell, ...]:
    """One cell where all scenarios share a value, with its sources if each scenario gives one."""
    if len({value for value, _ in cells}) == 1 and len(cells) > 1:
        # The source of a block may speak of what one scenario alone sets in it, and then not of what all share.
        named = sorted({source for _, source in cells}) if all(source for _, source in cells) else []
        return (Cell(cells[0][0], note=same("".join(f"[{n}]" for n in named)), span=len(cells), tone="shared"),)
    return tuple(Cell(value, note=same(f"[{source}]") if source else NOTHING) for value, source in cells)
