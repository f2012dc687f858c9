"""One contract of a book laid open: its terms in both languages, its scenario losses, its settlement at given prices."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from stresslab import contract, intake, settlement
from stresslab.book.checks import collateral_of_accounts
from stresslab.book.files import Book
from stresslab.book.life import NAMES, rates_on_debt
from stresslab.book.standing import highest_cost
from stresslab.book.suitability import needed_grade
from stresslab.contract import Term
from stresslab.faults import Fault, InputError, close_to
from stresslab.glossary import INPUTS
from stresslab.limits import Limits, decimal_text
from stresslab.settlement import BP, Settlement, Sharing
from stresslab.spreadsheets import plain

#: What the choices of the accounts table are called in Chinese.
WORDS = {
    "retail": "普通投资者", "professional": "专业投资者", "institution": "机构",
    "fixed": "固定", "floating": "浮动", "capped": "有上限浮动",
    "debt": "按负债", "exposure": "按总敞口",
    "pro_rata": "按比例", "most_liquid": "流动性最高先卖", "largest": "市值最大先卖",
    "most_volatile": "波动最大先卖", "highest_loss": "亏损最大先卖",
    "true": "是", "false": "否",
}
_FORMS = {"fixed": ("fixed split", "固定分成"), "performance": ("performance fee over the high-water mark", "高水位业绩分成"),
          "guaranteed": ("guaranteed, with shared losses", "保本并分担亏损")}
_DASH = "—"


@dataclass(frozen=True)
class Account:
    """One account of a book with what was left out filled in as (M-21), (M-11) and the tables of ``docs/data.md`` say."""

    book: Book
    at: int

    def value(self, column: str, default: Any = None) -> Any:
        """A stored value, the default where nothing was written."""
        a = self.book.tables["accounts"]
        if column not in a:
            return default
        found = a[column].iloc[self.at]
        return default if found is None or pd.isna(found) else found

    def li(self, column: str, default: int = 0) -> int:
        """An amount, rate or count as a whole number."""
        return int(self.value(column, default))

    @property
    def account_id(self) -> str:
        """The name of the account."""
        return str(self.value("account_id"))

    @property
    def collateral(self) -> int:
        """Cash and shares at book prices, 厘."""
        return int(collateral_of_accounts(self.book.tables).iloc[self.at])

    @property
    def restore(self) -> int:
        """The restore line, bp; without one, the warning line."""
        return self.li("restore_line_bp", self.li("warning_line_bp"))

    @property
    def sharing(self) -> Sharing:
        """How the contract shares its result; without a profit share, the client keeps it."""
        form = self.value("profit_share")
        fee = Fraction(self.li("fees_bp"), BP)
        if form is None:
            return Sharing(fee=fee)
        return Sharing(form, Fraction(self.li("client_share_bp"), BP), Fraction(self.li("guaranteed_bp"), BP), fee)

    @property
    def exposure(self) -> int:
        """Own money and principal, 厘: what the contract invests."""
        return self.li("own_money_li") + self.li("principal_li")


def find_account(book: Book, account: str) -> Account:
    """The account of a name; raises :class:`InputError` if the book has none such."""
    names = list(book.tables["accounts"]["account_id"])
    if account not in names:
        way_out = close_to(account, names[:100_000]) or "the accounts stand in the book's table accounts"
        raise InputError([Fault("options", "the book has no such account", way_out, None, "account", account)])
    return Account(book, names.index(account))


def yuan(li: int) -> str:
    """An amount in yuan with thousands separators, exactly."""
    whole, rest = divmod(abs(li), 1000)
    text = f"{whole:,}" + (f".{rest:03d}".rstrip("0") if rest else "")
    return f"−{text}" if li < 0 else text


def _pct(bp: int) -> str:
    return f"{bp / 100:g}%"


def _ratio(value: Fraction | None, digits: int = 2) -> str:
    return _DASH if value is None else f"{decimal_text(100 * value, digits)}%"


def contract_terms(one: Account, limits: Limits) -> list[Term]:
    """Every term of the contract with its value, in both languages, in the order of a contract."""
    return [*_parties(one), *_state(one), *_lines(one), *_interest(one, limits), *_result(one), *_behaviour(one, limits)]


def _column(one: Account, name: str, value_en: str, value_zh: str | None = None, formula: str = "") -> Term:
    """A term that is a column of the accounts table, under the column's names."""
    column = next(c for c in INPUTS["accounts"] if c.name == name)
    return Term(name, column.en, column.zh, value_en, value_en if value_zh is None else value_zh, formula)


def _chosen(one: Account, name: str, default: str) -> Term:
    value = str(one.value(name, default)).lower()
    said = {"true": "yes", "false": "no"}.get(value, value.replace("_", " "))
    return _column(one, name, said, WORDS.get(value, value))


def _written(one: Account, name: str) -> Term:
    value = one.value(name)
    return _column(one, name, _DASH if value is None else str(value))


def _parties(one: Account) -> list[Term]:
    status = one.value("status")
    state = NAMES[status] if status is not None else (_DASH, _DASH)
    return [
        _written(one, "account_id"), _written(one, "platform_id"), _written(one, "client_id"), _chosen(one, "investor_type", "retail"),
        _column(one, "status", *state, "M-116"), _written(one, "opened"), _written(one, "maturity_date"),
    ]


def _state(one: Account) -> list[Term]:
    held, debt = one.collateral, one.li("debt_li")
    equity = held - debt
    lever = Fraction(held, equity) if equity > 0 else None
    said = [
        ("collateral", "collateral A", "担保物 A", f"{yuan(held)}"), ("debt", "debt D", "负债 D", f"{yuan(debt)}"),
        ("equity", "equity E = A − D", "权益 E = A − D", f"{yuan(equity)}"),
        ("maintenance_ratio", "maintenance ratio A / D", "维持担保比例 A / D", _ratio(Fraction(held, debt) if debt else None)),
        ("leverage", "leverage A / E", "杠杆倍数 A / E", _DASH if lever is None else decimal_text(lever)),
        ("financing_multiple", "financing multiple D / E", "配资比例 D / E", _DASH if lever is None else decimal_text(lever - 1)),
    ]
    return [Term(key, en, zh, value, value, "M-3") for key, en, zh, value in said]


def _lines(one: Account) -> list[Term]:
    held, debt = one.collateral, one.li("debt_li")
    ratio = Fraction(held, debt) if debt else None

    def line(name: str, bp: int) -> Term:
        fall = None if ratio is None or ratio == 0 else contract.drop_to_line(Fraction(bp, BP), ratio)
        if fall is None:
            return _column(one, name, _pct(bp))
        if fall < 0:
            return _column(one, name, f"{_pct(bp)}, already below it", f"{_pct(bp)}，已低于该线", "M-117")
        return _column(one, name, f"{_pct(bp)}, reached by a fall of {_ratio(fall)}", f"{_pct(bp)}，下跌{_ratio(fall)}即触及", "M-117")

    return [
        line("warning_line_pct", one.li("warning_line_bp")), line("liquidation_line_pct", one.li("liquidation_line_bp")),
        _column(one, "restore_line_pct", _pct(one.restore), None, "M-21"), _chosen(one, "sale_order", "pro_rata"),
        _chosen(one, "full_sale", "false"),
    ]


def _interest(one: Account, limits: Limits) -> list[Term]:
    rate = one.li("loan_rate_bp")
    a = one.book.tables["accounts"].iloc[[one.at]]
    on_debt = int(rates_on_debt(a, a["loan_rate_bp"].to_numpy("int64"))[0])
    fee = limits.fee(one.li("leverage_increases_90d"), one.li("turnover_90d_li"), one.collateral)
    total = Fraction(rate, 100) + fee
    cap = one.value("rate_cap_bp")
    terms = [_column(one, "loan_rate_pct", _pct(rate), None, "M-12"), _chosen(one, "rate_type", "fixed"),
             _column(one, "rate_cap_pct", _DASH if cap is None else _pct(int(cap)), None, "M-11"), _written(one, "rate_lock_until"),
             _column(one, "rate_notice_days", str(one.li("rate_notice_days"))), _chosen(one, "interest_base", "debt")]
    if on_debt != rate:
        terms.append(Term("rate_on_debt", "the same interest as a rate on the debt", "折合负债利率", _pct(on_debt), _pct(on_debt), "M-110"))
    text = f"{decimal_text(fee)}%"
    terms.append(Term("risk_fee", "floating risk fee, a year", "浮动风险费（年）", text, text, "M-112"))
    text = f"{decimal_text(total)}%"
    terms.append(Term("rate_with_fee", "rate with the risk fee", "含风险费利率", text, text, "M-112"))
    return terms


def _result(one: Account) -> list[Term]:
    sharing = one.sharing
    en, zh = _FORMS[sharing.form] if one.value("profit_share") is not None else ("the client keeps the result", "盈亏归客户")
    mark = one.value("high_water_li")
    return [
        _column(one, "own_money_yuan", _amount(one, "own_money_li")), _column(one, "principal_yuan", _amount(one, "principal_li")),
        _column(one, "profit_share", en, zh, "M-110"), _column(one, "client_share_pct", _ratio(sharing.client_share)),
        _column(one, "guaranteed_pct", _ratio(sharing.guaranteed)), _column(one, "fees_pct", _ratio(sharing.fee)),
        _column(one, "high_water_yuan", _DASH if mark is None else yuan(int(mark))),
    ]


def _amount(one: Account, column: str) -> str:
    value = one.value(column)
    return _DASH if value is None else yuan(int(value))


def _behaviour(one: Account, limits: Limits) -> list[Term]:
    kind = str(one.value("investor_type"))
    cap = getattr(limits.leverage_cap, kind)
    own = one.value("leverage_cap")
    least = f"{min(float(cap), float(own)) if own is not None else float(cap):g}"
    grade, needed = one.value("risk_grade"), needed_grade(one.book, one.at, limits, one.collateral)
    day, held = one.value("assessed_on"), limits.suitability.valid_days
    until = day + datetime.timedelta(days=held) if isinstance(day, datetime.date) else None
    good = until is not None and until >= one.book.as_of
    valid = ("missing", "缺失")
    if until is not None:
        valid = (f"until {until}", f"有效至{until}") if good else (f"expired on {until}", f"已于{until}过期")
    usual = getattr(limits.risk_budget, kind)
    budgets = [
        ("order_limit_pct", "order_limit_bp", usual.order_pct), ("stop_loss_pct", "stop_loss_bp", usual.stop_loss_pct),
        ("daily_loss_limit_pct", "daily_loss_limit_bp", usual.daily_loss_pct),
    ]

    def budget(name: str, stored: str, of_type: Any) -> Term:
        mine = one.value(stored)
        text = _pct(int(mine)) if mine is not None else _DASH if of_type is None else f"{of_type.normalize():f}%"
        return _column(one, name, text, None, "M-114")

    return [
        _column(one, "leverage_cap", least, None, "M-113"),
        _column(one, "risk_grade", f"{grade or _DASH}, needed {needed or _DASH}", f"{grade or _DASH}，所需 {needed or _DASH}", "M-115"),
        _column(one, "assessed_on", f"{day or _DASH}, {valid[0]}", f"{day or _DASH}，{valid[1]}", "M-115"),
        *(budget(*row) for row in budgets),
        _column(one, "turnover_90d_yuan", _amount(one, "turnover_90d_li")),
        _column(one, "leverage_increases_90d", str(one.li("leverage_increases_90d"))),
    ]


def losses(one: Account, falls: Sequence[int] = contract.FALLS, cost_bp: int | None = None) -> list[contract.Loss]:
    """The scenario loss table of an account (M-117); ``cost_bp`` is by default the highest selling cost of the book."""
    cash = one.li("cash_li")
    return contract.loss_table(
        falls, cash_li=cash, shares_li=one.collateral - cash, debt_li=one.li("debt_li"), warning_bp=one.li("warning_line_bp"),
        liquidation_bp=one.li("liquidation_line_bp"), restore_bp=one.restore,
        cost_bp=highest_cost(one.book) if cost_bp is None else cost_bp, full_sale=bool(one.value("full_sale", False)),
    )


def settle_account(
    one: Account, *, on: datetime.date | None = None, prices: Mapping[str, int] | None = None, cost_bp: int | None = None,
    remainder_to: settlement.Party = "client",
) -> Settlement:
    """Settle an account on a date at final prices in 厘 (M-111); what has no price keeps the book's. Interest runs to the date.

    Raises :class:`InputError` if the contract does not say what was put in and lent, or the date lies before the book's.
    """
    faults = []
    when = one.book.as_of if on is None else on
    for column, name in (("own_money_li", "own_money_yuan"), ("principal_li", "principal_yuan")):
        if one.value(column) is None:
            faults.append(Fault("accounts", f"a settlement needs {name}", "add it to the account", None, "account_id", one.account_id))
    if when < one.book.as_of:
        rule = f"must not lie before the book's date {one.book.as_of}"
        faults.append(Fault("options", rule, "give a later date", None, "settle", str(when)))
    known = set(one.book.tables["instruments"]["instrument_id"])
    for name in prices or {}:
        if name not in known:
            faults.append(Fault("prices", "is no instrument of the book", "correct the name", None, "instrument_id", str(name)))
    if faults:
        raise InputError(faults)
    stocks, p = one.book.tables["instruments"], one.book.tables["positions"]
    final = dict(zip(stocks["instrument_id"], stocks["price_li"], strict=True)) | dict(prices or {})
    mine = p[p["account_id"] == one.account_id]
    shares = sum(int(n) * int(final[i]) for i, n in zip(mine["instrument_id"], mine["shares"], strict=True))
    cost = -(-shares * (highest_cost(one.book) if cost_bp is None else cost_bp) // BP)
    debt = one.li("debt_li")
    base = one.value("interest_base", "debt")
    grown = settlement.interest(debt, one.li("loan_rate_bp"), (when - one.book.as_of).days, base=base, exposure_li=one.exposure)
    mark = one.value("high_water_li")
    return settlement.settle(
        collateral_li=one.li("cash_li") + shares, selling_cost_li=cost, debt_li=debt + grown, principal_li=one.li("principal_li"),
        own_money_li=one.li("own_money_li"), sharing=one.sharing, mark_li=None if mark is None else int(mark), remainder_to=remainder_to,
    )


@dataclass(frozen=True)
class ContractSheet:
    """One contract of a book: its terms, its scenario losses, and its settlement if one was asked for."""

    terms: list[Term]
    losses: list[contract.Loss]
    settlement: Settlement | None


def contract_sheet(
    book: Book, account: str, limits: Limits, falls: Sequence[int], cost_pct: float | None, settle_on: datetime.date | None,
    prices: Mapping[str, float | str] | Path | None, remainder_to: settlement.Party,
) -> ContractSheet:
    """Everything about the contract of an account; raises :class:`InputError` with every option that is wrong."""
    one = find_account(book, account)
    faults = [Fault("options", "must be a whole percentage from 0 to 100", "give another fall", None, "falls", str(f))
              for f in falls if type(f) is not int or not 0 <= f <= 100]
    if cost_pct is not None and not 0 <= cost_pct <= 50:
        faults.append(Fault("options", "must be a percentage from 0 to 50", "give another cost", None, "cost-pct", f"{cost_pct:g}"))
    final = _final_prices(read_prices(prices) if isinstance(prices, Path) else prices or {}, faults)
    if faults:
        raise InputError(faults)
    cost = None if cost_pct is None else round(cost_pct * 100)
    settled = None
    if settle_on is not None or prices is not None:
        settled = settle_account(one, on=settle_on, prices=final, cost_bp=cost, remainder_to=remainder_to)
    return ContractSheet(contract_terms(one, limits), losses(one, falls, cost), settled)


def _final_prices(prices: Mapping[str, float | str], faults: list[Fault]) -> dict[str, int]:
    """Prices in yuan as whole 厘."""
    final: dict[str, int] = {}
    for name, price in prices.items():
        try:
            li = Decimal(str(price)) * 1000
            sound = li.is_finite() and li == li.to_integral_value() and 0 <= li < 2**31
        except InvalidOperation:
            sound = False
        if sound:
            final[name] = int(li)
        else:
            rule = "must be a price in yuan, a whole multiple of 0.001"
            faults.append(Fault("prices", rule, "correct it", None, f"price_yuan of {name}", str(price)))
    return final


def read_prices(path: Path) -> dict[str, float | str]:
    """Final prices from a CSV file with the columns instrument_id and price_yuan; raises :class:`InputError` if it is none."""
    way_out = "write a CSV file with a first row instrument_id,price_yuan"
    try:
        rows = intake.records(intake.content(path).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InputError([Fault(str(path), "the prices cannot be read", way_out)]) from None
    rows = [[plain(cell.strip()) for cell in row] for row in rows if "".join(row).strip()]
    if not rows or rows[0] != ["instrument_id", "price_yuan"] or any(len(row) != 2 for row in rows):
        raise InputError([Fault(str(path), "must have the columns instrument_id and price_yuan", way_out)])
    names = [name for name, _ in rows[1:]]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError([Fault(str(path), "an instrument has one price", "remove a row", None, "instrument_id", n) for n in twice])
    return {row[0]: row[1] for row in rows[1:]}
