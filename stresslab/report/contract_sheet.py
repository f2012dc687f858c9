"""One contract on paper: its terms in both languages, the investor's scenario loss table, its settlement (M-111, M-117)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from stresslab.contract import Loss, Term
from stresslab.limits import decimal_text
from stresslab.report.amounts import NONE
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Language, Phrase, same
from stresslab.settlement import Settlement

FALL = Phrase("Fall of all prices", "全部价格下跌")
_BEFORE, _AFTER = Phrase("before costs", "不计费用"), Phrase("after the sale and its costs", "平仓并计费用后")
#: What a settlement says, in its order, with the names of its fields.
SETTLED: tuple[tuple[str, Phrase], ...] = (
    ("collateral", Phrase("collateral at final prices", "期末担保物")),
    ("selling_cost", Phrase("cost of selling", "卖出费用")),
    ("proceeds", Phrase("proceeds", "变现所得")),
    ("principal", Phrase("principal", "借款本金")),
    ("interest", Phrase("interest", "利息")),
    ("gross", Phrase("gross profit", "毛利")),
    ("fee", Phrase("fee", "手续费")),
    ("net", Phrase("net profit, to be shared", "净收益（待分配）")),
    ("lender", Phrase("to the lender: principal and interest", "归还出借方本息")),
    ("platform", Phrase("to the platform: fee and share", "平台所得（手续费与分成）")),
    ("client", Phrase("to the client", "客户所得")),
    ("deficit", Phrase("deficit", "穿仓额")),
    ("mark", Phrase("high-water mark from now on", "此后的高水位")),
)


def exact_yuan(li: int) -> str:
    """An amount in yuan with thousands separators, to the last 厘."""
    whole, rest = divmod(abs(li), 1000)
    text = f"{whole:,}" + (f".{rest:03d}".rstrip("0") if rest else "")
    return f"\u2212{text}" if li < 0 else text


def whole_yuan(li: int) -> Phrase:
    """An amount in whole yuan, rounded half up."""
    return same(f"{(li + 500) // 1000:,}".replace("-", "\u2212"))


def _ratio(loss: Loss) -> Phrase:
    return NONE if loss.ratio is None else same(f"{float(decimal_text(100 * loss.ratio, 1)):.1f}%")


def loss_exhibit(losses: Sequence[Loss], title: Phrase, note: Phrase = NOTHING) -> Table:
    """The investor's scenario loss table: one row for each fall, in yuan."""

    def cell(li: int, tone: str = "") -> Cell:
        return Cell(whole_yuan(li), tone=tone if li else "quiet")

    rows = tuple(
        Row(same("0%" if not loss.fall_pct else f"\u2212{loss.fall_pct}%"), NOTHING, (
            cell(loss.collateral), Cell(_ratio(loss)), cell(loss.margin_call, "warn"), cell(loss.forced_sale, "warn"),
            cell(loss.equity_plain), cell(loss.deficit_plain, "bad"), cell(loss.selling_cost), cell(loss.equity), cell(loss.deficit, "bad"),
        ))
        for loss in losses
    )
    equity, deficit = Phrase("Equity left", "剩余权益"), Phrase("Deficit", "穿仓额")
    heads = (
        Head(Phrase("Collateral", "担保物")), Head(Phrase("Maintenance ratio", "维持担保比例")), Head(Phrase("Margin call", "追缴额")),
        Head(Phrase("Forced sale", "强制平仓")), Head(equity, _BEFORE), Head(deficit, _BEFORE),
        Head(Phrase("Cost of selling", "卖出费用"), _AFTER), Head(equity, _AFTER), Head(deficit, _AFTER),
    )
    return Table(title, heads, rows, ("M-3", "M-21", "M-117"), note, FALL)


def print_sheet(
    terms: Sequence[Term], losses: Sequence[Loss], settled: Settlement | None, console: Console, language: Language = "en"
) -> None:
    """Print a contract: its terms in both languages, then its tables in one."""
    heads = [same("条款"), same("Term"), Phrase("Value", "内容"), Phrase("Formula", "公式")]
    grid = _grid(heads, language, right=False)
    for term in terms:
        value = term.value_en if term.value_en == term.value_zh else f"{term.value_zh} / {term.value_en}"
        grid.add_row(term.zh, term.en, value, term.formula)
    console.print(grid)
    console.print()
    title = Phrase("What a fall of all prices does to this account, yuan (M-117)", "全部价格下跌时本账户的损失，元（M-117）")
    console.print(Text(title.pick(language), style="bold"))
    exhibit = loss_exhibit(losses, title)
    grid = _grid([exhibit.first, *(_headed(h) for h in exhibit.heads)], language)
    for row in exhibit.rows:
        grid.add_row(row.title.pick(language), *(c.value.pick(language) for c in row.cells))
    console.print(grid)
    if settled is not None:
        console.print()
        console.print(Text(Phrase("Settlement, yuan (M-111)", "结算，元（M-111）").pick(language), style="bold"))
        grid = _grid((Phrase("Item", "项目"), Phrase("Yuan", "元")), language)
        for name, words in SETTLED:
            grid.add_row(words.pick(language), exact_yuan(getattr(settled, name)))
        console.print(grid)
        left = Phrase("What rounding leaves goes to the {who}.", "舍入余数归{who}。")
        who = Phrase("client", "客户") if settled.remainder_to == "client" else Phrase("platform", "平台")
        console.print(Text(left.fill(who=who).pick(language)))


def _headed(head: Head) -> Phrase:
    if head.group == NOTHING:
        return head.name
    return Phrase(f"{head.name.en},\n{head.group.en}", f"{head.name.zh}\n（{head.group.zh}）")


def _grid(heads: Sequence[Phrase], language: Language, *, right: bool = True) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, head in enumerate(heads):
        grid.add_column(Text(head.pick(language)), justify="right" if place and right else "left", overflow="fold")
    return grid


def sheet_json(terms: Sequence[Term], losses: Sequence[Loss], settled: Settlement | None) -> dict[str, Any]:
    """A contract as JSON: terms by key, amounts in 厘, ratios as text in percent."""
    return {
        "terms": [t._asdict() for t in terms],
        "losses": [
            {"fall_pct": o.fall_pct, "collateral_li": o.collateral,
             "maintenance_ratio_pct": None if o.ratio is None else decimal_text(100 * o.ratio), "margin_call_li": o.margin_call,
             "forced_sale_li": o.forced_sale, "selling_cost_li": o.selling_cost, "equity_before_costs_li": o.equity_plain,
             "deficit_before_costs_li": o.deficit_plain, "equity_li": o.equity, "deficit_li": o.deficit}
            for o in losses
        ],
        "settlement": None if settled is None else
        {f"{name}_li": getattr(settled, name) for name, _ in SETTLED} | {"remainder_to": settled.remainder_to},
    }
