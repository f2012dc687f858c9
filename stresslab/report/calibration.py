"""The page of a calibration: what was measured of a market, with what error, and how well each law fits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from markupsafe import Markup

from stresslab.report import calibration_pictures as pictures
from stresslab.report.amounts import rounded
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Language, Phrase, phrase_of, same
from stresslab.report.templates import environment

_HERE = Path(__file__).parent
#: So many instruments stand in the table of betas; the rest in calibration.json.
INSTRUMENTS_SHOWN = 250

LAWS = {
    "gbm": Phrase("normal days (gbm)", "正态（gbm）"), "jump": Phrase("jumps (Merton)", "跳跃扩散（Merton）"),
    "garch": Phrase("GJR-GARCH, Student-t", "GJR-GARCH，t分布"), "regime": Phrase("two states (Hamilton)", "双状态（Hamilton）"),
    "heston": Phrase("Heston", "Heston"), "bootstrap": Phrase("block bootstrap", "分块自助法"),
}
NAMES = {
    "drift_pct": Phrase("drift, % a year", "漂移（年化%）"), "volatility_pct": Phrase("volatility, % a year", "波动率（年化%）"),
    "alpha": same("α"), "gamma": same("γ"), "beta": same("β"), "omega": same("ω"),
    "dof": Phrase("degrees of freedom", "自由度"), "initial_volatility_pct": Phrase("volatility at the end, % a year",
    "期末波动率（年化%）"),
    "long_run_volatility_pct": Phrase("long-run volatility, % a year", "长期波动率（年化%）"),
    "intensity": Phrase("jumps a year", "每年跳跃次数"), "mean_pct": Phrase("mean jump, %", "平均跳幅（%）"),
    "sd_pct": Phrase("deviation of a jump, %", "跳幅标准差（%）"), "diffusion_pct": Phrase("volatility without jumps, % a year",
    "扩散波动率（年化%）"),
    "volatility_pct_1": Phrase("calm: volatility, % a year", "平静：波动率（年化%）"),
    "volatility_pct_2": Phrase("wild: volatility, % a year", "动荡：波动率（年化%）"),
    "drift_pct_1": Phrase("calm: drift, % a year", "平静：漂移（年化%）"),
    "drift_pct_2": Phrase("wild: drift, % a year", "动荡：漂移（年化%）"),
    "stay_1": Phrase("calm: stays a day", "平静：次日留存概率"), "stay_2": Phrase("wild: stays a day", "动荡：次日留存概率"),
    "wild_now": Phrase("probability of the wild state at the end", "期末处于动荡的概率"),
    "mean_reversion": Phrase("mean reversion a year", "均值回归速度（每年）"),
    "volatility_of_variance": Phrase("volatility of variance", "方差的波动率"), "correlation": Phrase("correlation", "相关系数"),
    "long_run_pct": Phrase("long-run rate, %", "长期利率（%）"),
    "volatility": Phrase("volatility, by the root of the rate", "波动率（乘利率平方根）"),
}
_NONE = same("—")


def calibration_page(numbers: dict[str, Any], *, language: Language = "zh") -> str:
    """The page of ``calibration.json`` in both languages, showing ``language`` first; the same numbers give the same bytes.

    The file needs nothing else: no script, no font, no picture from elsewhere.
    """
    move = numbers["comovement"]
    return environment().get_template("calibration.html.j2").render(
        css=Markup((_HERE / "report.css").read_text(encoding="utf-8")), language=language, numbers=numbers, facts=_facts(numbers),
        findings=_findings(numbers), course=pictures.course(numbers), quantiles=pictures.quantiles(numbers), laws=_laws(numbers),
        fits=_fits(numbers), betas=_instruments(numbers) if numbers["instruments"] else None,
        beta_picture=pictures.betas(numbers) if numbers["instruments"] else None,
        turnover=pictures.turnover(numbers) if _with_turnover(numbers) else None,
        sectors=_sectors(numbers) if numbers["sectors"] else None, moves=_moves(numbers) if move else None,
        rates=_rates(numbers["rates"]) if numbers["rates"] else None,
        move_picture=pictures.comovement(numbers) if move else None, assumptions=[phrase_of(a) for a in numbers["assumptions"]],
        notes=[phrase_of(n) for n in numbers["notes"]], left_out=sorted(numbers["left_out"].items()),
        table_number=_counter(), figure_number=_counter())


def _counter() -> Callable[[], int]:
    numbers = count(1)
    return lambda: next(numbers)


def _with_turnover(numbers: dict[str, Any]) -> bool:
    return any(i["adv_shares"] for i in numbers["instruments"].values())


def number(value: float | None, digits: int = 3) -> Phrase:
    """A number with so many significant digits, a true minus, thousands apart."""
    if value is None:
        return _NONE
    if value != 0 and (abs(value) < 1e-4 or abs(value) >= 1e7):
        return same(f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−"))
    if abs(value) >= 10 ** (digits - 1):
        return same(f"{value:,.0f}".replace("-", "−"))
    return same(f"{value:.{digits}g}".replace("-", "−"))


def told_cell(told: dict[str, Any] | None, tone: str = "") -> Cell:
    """A number with its error: both to the second digit of the error."""
    if told is None:
        return Cell(_NONE, tone="quiet")
    value, error = told["value"], told["error"]
    if not error:
        return Cell(number(value, 4), tone=tone)
    places = 1
    size = error
    while size < 10 and places < 9:
        size, places = size * 10, places + 1
    places = max(0, places - 1)
    if value != 0 and abs(value) < 1e-4:
        return Cell(number(value), Phrase(*([f"±\u00a0{number(error, 2).en}"] * 2)), tone=tone)
    return Cell(same(f"{value:,.{places}f}".replace("-", "−")), same(f"±\u00a0{error:,.{places}f}"), tone=tone)


def _facts(numbers: dict[str, Any]) -> list[tuple[Phrase, Phrase]]:
    share = numbers["halted_share"]
    facts = [
        (Phrase("Index", "指数"), same(numbers["index"])),
        (Phrase("Days", "日期"), Phrase("{a} to {b}, {n} daily returns", "{a}至{b}，{n}个日收益率").fill(
            a=numbers["from_date"], b=numbers["to_date"], n=f"{numbers['days']:,}")),
        (Phrase("Instruments", "证券"), same(len(numbers["instruments"]))),
        (Phrase("Default law", "默认模型"), LAWS[numbers["model"]]),
        (Phrase("Source", "来源"), same(numbers["source"])),
    ]
    if share > 0:
        facts.insert(3, (Phrase("Without trading", "停牌"), Phrase("{p}% of instrument-days, most on {day}",
            "{p}%的证券日，最多在{day}").fill(
            p=rounded(100 * share, 1), day=numbers["most_halted_day"])))
    return facts


def _findings(numbers: dict[str, Any]) -> list[Phrase]:
    """What a reader should take away, each with its error."""
    v, move = numbers["volatility_pct"], numbers["comovement"]
    said = [Phrase("The volatility of {index} is {v} ± {e}% a year.", "{index}的年化波动率为{v} ± {e}%。").fill(
        index=numbers["index"], v=rounded(v["value"], 2), e=rounded(v["error"], 2))]
    best = min(numbers["laws"], key=lambda law: float(law["bic"]))
    said.append(Phrase("Of the laws below, {law} fits best by Schwarz's criterion; normal days leave {d} behind.",
                       "按施瓦茨准则，{law}拟合最佳；正态模型落后{d}。").fill(
        law=LAWS[best["model"]], d=rounded(numbers["laws"][0]["bic"] - best["bic"], 0)))
    if move:
        said.append(Phrase(
            "Two instruments correlate {a} ± {ae} on calm days and {b} ± {be} on turbulent ones; the index is {m} ± {me} times as "
            "volatile then as over all days.",
            "两只证券的平均相关系数在平静日为{a} ± {ae}，在动荡日为{b} ± {be}；动荡日指数波动率为全期的{m} ± {me}倍。",
        ).fill(a=_two(move["calm_days"], "value"), ae=_two(move["calm_days"], "error"), b=_two(move["turbulent_days"], "value"),
               be=_two(move["turbulent_days"], "error"), m=_two(move["volatility_multiplier"], "value"),
               me=_two(move["volatility_multiplier"], "error")))
    if numbers["copula_dof"]:
        d = numbers["copula_dof"]
        said.append(Phrase("Falls come together more often than under a normal law: a t copula with {v} ± {e} degrees of freedom.",
                           "极端下跌同时发生的频率高于正态：t copula 自由度{v} ± {e}。").fill(v=rounded(d["value"], 1), e=_one(d["error"])))
    if not numbers["heston"]["measured"]:
        said.append(Phrase("The table of Heston is a stated assumption: the history is too short to tell it.",
            "历史过短，Heston参数为注明的假设。"))
    return said


def _two(told: dict[str, Any], key: str) -> str:
    return "—" if told[key] is None else f"{told[key]:.2f}"


def _one(value: float | None) -> str:
    return "—" if value is None else f"{value:.1f}"


def _laws(numbers: dict[str, Any]) -> Table:
    """Statistics of fit, one row a law."""
    best = min(law["bic"] for law in numbers["laws"])
    rows = []
    for law in numbers["laws"]:
        cells = [Cell(same(f"{law[k]:,.1f}".replace("-", "−"))) for k in ("log_likelihood", "aic")]
        cells.append(Cell(same(f"{law['bic']:,.1f}".replace("-", "−")), tone="good" if law["bic"] == best else ""))
        for key in ("ks", "anderson_darling", "ljung_box", "ljung_box_squares"):
            s, p = law[key]["statistic"], law[key]["p"]
            shown = f"{p:.3f}" if p >= 0.001 else "< 0.001"
            cells.append(Cell(number(s), note=same(f"p\u00a0{shown}"), tone="warn" if p < 0.01 else ""))
        why = phrase_of(law["refused"])
        note = Phrase("not in the file: {w}", "未写入文件：{w}").fill(w=why) if why != NOTHING else NOTHING
        rows.append(Row(LAWS[law["model"]], note, tuple(cells)))
    for name, why in numbers["not_fitted"].items():
        rows.append(Row(LAWS[name], Phrase("not fitted: {w}", "未拟合：{w}").fill(w=phrase_of(why)), tuple(Cell(_NONE,
            tone="quiet") for _ in range(7))))
    heads = [
        Head(Phrase("log L", "对数似然")), Head(same("AIC")), Head(same("BIC")), Head(Phrase("Kolmogorov-Smirnov", "KS检验")),
        Head(Phrase("Anderson-Darling", "AD检验")), Head(Phrase("Ljung-Box, returns", "LB检验（收益率）")),
        Head(Phrase("Ljung-Box, squares", "LB检验（平方）")),
    ]
    note = Phrase(
        "Residuals of the index's daily returns under each law. p: probability of a statistic as large by chance, as if nothing had "
        "been fitted; a law "
        "with a small p is not what made the data. AIC and BIC: lower is better.",
        "各模型下指数日收益率的残差。p为偶然得到同样大统计量的概率（未计入参数估计）；p很小说明数据并非由该模型产生。AIC与BIC越低越好。")
    return Table(Phrase("How well each law fits", "各模型的拟合优度"), tuple(heads), tuple(rows), (), note, Phrase("Law", "模型"))


def _fits(numbers: dict[str, Any]) -> Table:
    """Parameters of all laws, each with its error."""
    rows = []
    for law in numbers["laws"]:
        for place, (name, told) in enumerate(law["parameters"].items()):
            head = LAWS[law["model"]] if place == 0 else NOTHING
            remark = phrase_of(law["remarks"][0]) if place == 0 and law["remarks"] else NOTHING
            rows.append(Row(head, NOTHING, (Cell(NAMES[name], tone="words"), told_cell(told), Cell(remark, tone="words"))))
    for place, (name, told) in enumerate(numbers["heston"]["parameters"].items()):
        said = phrase_of(numbers["heston"]["said"]) if place == 0 else NOTHING
        measured = numbers["heston"]["measured"]
        rows.append(Row(LAWS["heston"] if place == 0 else NOTHING, NOTHING, (
            Cell(NAMES[name], tone="words"), told_cell(told, "" if measured else "warn"), Cell(said, tone="words"))))
    boot = Phrase("mean block, days (Politis and White 2004)", "平均块长（日，Politis与White，2004）")
    rows.append(Row(LAWS["bootstrap"], NOTHING, (
        Cell(boot, tone="words"), Cell(number(numbers["bootstrap"]["mean_block_days"], 4)), Cell(same(numbers["bootstrap"]["file"]),
        tone="words"))))
    for key, name in (("own_tails_dof", Phrase("own noise", "特异噪声")), ("copula_dof", Phrase("all together (t copula)",
        "联合（t copula）"))):
        if numbers[key]:
            rows.append(Row(name, NOTHING, (Cell(NAMES["dof"], tone="words"), told_cell(numbers[key]), Cell(NOTHING, tone="words"))))
    heads = (Head(Phrase("Parameter", "参数")), Head(Phrase("Estimate", "估计")), Head(Phrase("Remark", "说明")))
    note = Phrase("± one standard error; without one, the number is an assumption or follows from the others.",
                  "±为一个标准误；无标准误者为假设，或由其他数推得。")
    return Table(Phrase("Laws of the index, with errors", "指数模型的参数与误差"), heads, tuple(rows), (), note, Phrase("Law", "模型"),
        "laws")


def _instruments(numbers: dict[str, Any]) -> Table:
    rows = []
    for name, told in list(numbers["instruments"].items())[:INSTRUMENTS_SHOWN]:
        sector = NOTHING if told["sector"] == "not named" else same(told["sector"])
        drawn = Phrase("least squares {b}",
            "最小二乘{b}").fill(b=f"{told['beta_least_squares']['value']:.2f}") if told["shrunk"] else NOTHING
        beta = told_cell(told["beta"])
        rows.append(Row(same(name), sector, (
            Cell(same(f"{told['days']:,}")), Cell(beta.value, beta.error, drawn), told_cell(told["residual_pct"]),
            Cell(same(f"{told['volatility_pct']:.1f}")), told_cell(told["adv_shares"]))))
    heads = (Head(Phrase("days", "天数")), Head(Phrase("beta", "贝塔")), Head(Phrase("own volatility, % a year", "特异波动率（年化%）")),
             Head(Phrase("volatility, % a year", "波动率（年化%）")), Head(Phrase("shares traded a day", "日均成交（股）")))
    more = len(numbers["instruments"]) - INSTRUMENTS_SHOWN
    note = Phrase("A beta of a short history is drawn towards those of the others (Vasicek 1973). Turnover: mean of the last 20 "
                  "traded days.",
                  "历史较短的贝塔向整体收缩（Vasicek，1973）。成交量为最近20个交易日均值。")
    if more > 0:
        note = Phrase("{n} The other {m} stand in calibration.json.", "{n}其余{m}只见 calibration.json。").fill(n=note, m=more)
    return Table(Phrase("Instruments", "证券"), heads, tuple(rows), (), note, Phrase("Instrument", "证券"), "slim")


def _sectors(numbers: dict[str, Any]) -> Table:
    rows = [
        Row(Phrase("not named", "未命名") if name == "not named" else same(name), NOTHING, (
            Cell(same(told["instruments"])), told_cell(told) if told["value"] > 0 else Cell(same("0"), tone="quiet")))
        for name, told in numbers["sectors"].items()
    ]
    left = numbers["left_in_common"]
    note = Phrase("√ of the mean covariance of what the market leaves of two members; 0: one member, or none. ",
        "成员间剔除市场后平均协方差的平方根；0表示仅一个成员或无共同部分。")
    if left:
        told = Phrase("Largest eigenvalue of what the market alone leaves: {a}; chance would leave {b} (shrinkage {c}, Ledoit and "
                      "Wolf 2004).",
                      "剔除市场后残差相关阵的最大特征值{a}，随机水平{b}（收缩强度{c}，Ledoit与Wolf，2004）。").fill(
            a=f"{left['largest_eigenvalue']:.2f}", b=f"{left['by_chance']:.2f}", c=f"{left['shrinkage']:.2f}")
        note = Phrase(note.en + told.en, note.zh + told.zh)
    heads = (Head(Phrase("instruments", "证券数")), Head(Phrase("volatility, % a year", "波动率（年化%）")))
    return Table(Phrase("Sector factors", "行业因子"), heads, tuple(rows), (), note, Phrase("Sector", "行业"), "slim")


RATE_LAWS = {"vasicek": same("Vasicek"), "cir": same("Cox, Ingersoll, Ross"), "hull_white": Phrase("Hull and White", "Hull-White")}


def _rates(told: dict[str, Any]) -> Table:
    days = Phrase("{n} daily moves, {a} to {b}", "{n}个日变动，{a}至{b}").fill(
        n=f"{told['moves']:,}", a=told["from_date"], b=told["to_date"])
    rows = [Row(Phrase("rate on the last day, %", "期末利率（%）"), days, (Cell(number(told["initial_pct"], 4)),))]
    for name, value in told["parameters"].items():
        shown = Phrase("volatility, points a year", "波动率（每年百分点）") if name == "volatility_pct" else NAMES[name]
        rows.append(Row(shown, NOTHING, (told_cell(value),)))
    common = Phrase("{n} days in common", "共同日{n}个").fill(n=f"{told['common_days']:,}")
    rows.append(Row(Phrase("correlation with the index", "与指数的相关系数"), common, (told_cell(told["correlation"]),)))
    for point in told["curve"]:
        rows.append(Row(Phrase("zero yield to {y} years, %", "{y}年零息收益率（%）").fill(y=f"{point['years']:g}"), NOTHING,
                        (Cell(number(point["pct"], 4)),)))
    remarks = [phrase_of(r) for r in told["remarks"]]
    note = Phrase(". ".join(r.en for r in remarks) + ".", "；".join(r.zh for r in remarks) + "。")
    title = Phrase("The short rate {c}: {law}", "短期利率{c}：{law}").fill(c=told["column"], law=RATE_LAWS[told["model"]])
    return Table(title, (Head(Phrase("Estimate", "估计")),), tuple(rows), (), note, Phrase("Parameter", "参数"), "slim")


def _moves(numbers: dict[str, Any]) -> Table:
    move = numbers["comovement"]
    names = {
        "all_days": Phrase("correlation, all days", "相关系数，全部"), "normal_days": Phrase("days that are not the worst", "非最差日"),
        "worst_days": Phrase("worst 10% of index days", "指数最差10%的日子"), "calm_days": Phrase("calm days", "平静日"),
        "turbulent_days": Phrase("turbulent days", "动荡日"), "correlation_multiplier": Phrase("correlation: turbulent / calm",
        "相关系数之比（动荡/平静）"),
        "volatility_multiplier": Phrase("volatility: turbulent / all", "波动率之比（动荡/全部）"),
    }
    rows = []
    for key, name in names.items():
        note = NOTHING
        if key == "worst_days":
            note = Phrase("{x} if jointly normal", "若联合正态为{x}").fill(x=f"{move['worst_days_if_jointly_normal']:.2f}")
        rows.append(Row(name, note, (told_cell(move[key]),)))
    note = Phrase(
        "Turbulent: the tenth of the days before which a month of the index was most volatile. Choosing days by the index's own "
        "return narrows it "
        "and lowers correlations by itself; the figure beside says to what. Errors by a block bootstrap of days.",
        "动荡日：此前一个月指数波动最大的十分之一日子。按指数当日收益率挑选会收窄指数变动，本身即降低相关系数，"
        "旁注为其应有水平。误差由日期分块自助法得出。")
    return Table(Phrase("How instruments move together", "证券的联动"), (Head(Phrase("Estimate", "估计")),), tuple(rows), (), note,
                 Phrase("Days", "日子"), "slim")
