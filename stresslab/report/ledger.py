"""The ledger of one path for a person to read: a table on the terminal, CSV for a spreadsheet, records for a program."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stresslab.ledger import ClientResult, Replay
from stresslab.report.phrase import Language, Phrase, join, sentences
from stresslab.report.run_tables import given
from stresslab.spreadsheets import csv_rows, harmless

#: What the kinds of events are called.
EVENTS = {
    "mark": Phrase("marked at the open", "开盘盯市"),
    "interest": Phrase("interest", "计息"),
    "call": Phrase("margin call", "追缴通知"),
    "answer": Phrase("client pays in", "客户补入资金"),
    "lapse": Phrase("call lapses", "追缴解除"),
    "overdue": Phrase("call is overdue", "追缴逾期"),
    "recall": Phrase("loan is recalled", "收回融资"),
    "repay_cash": Phrase("debt repaid from cash", "以现金偿还负债"),
    "order": Phrase("order to sell", "强平委托"),
    "fill": Phrase("forced sale", "强平成交"),
    "cost": Phrase("cost of selling", "卖出费用"),
    "repay": Phrase("debt repaid from the sale", "以卖出所得偿还负债"),
    "write_off": Phrase("rest of the debt written off", "剩余负债核销（穿仓）"),
    "locked": Phrase("locked at its limit: nobody buys", "封死跌停，无人买入"),
    "closed": Phrase("closed: suspended or halted", "停牌或休市"),
    "price": Phrase("price after forced sales", "强平后价格"),
    "rationed": Phrase("price after forced sales; not all could be sold", "强平后价格（未能全部卖出）"),
    "breaker": Phrase("circuit breaker ends selling", "熔断，当日停止卖出"),
    "due": Phrase("redemption to be paid", "应付兑付"),
    "paid": Phrase("redemption paid", "已付兑付"),
    "pool_sold": Phrase("liquid pool sold", "卖出流动性资产"),
    "line_drawn": Phrase("bank line drawn", "动用授信"),
    "unpaid": Phrase("left unpaid", "未能兑付"),
    "absorbed": Phrase("deficit of the day", "当日穿仓额"),
    "exhausted": Phrase("own funds exhausted", "自有资金耗尽"),
    "failed": Phrase("platform fails", "平台失败"),
    "response": Phrase("response (round: number of the rule)", "启动应对（轮次为规则序号）"),
    "compensated": Phrase("compensated for the shut desk", "停摆赔付（抵减负债）"),
    "hedge_paid": Phrase("cost of a hedge", "对冲成本"),
    "hedge_gain": Phrase("gain of a hedge", "对冲收益"),
    "hedge_loss": Phrase("loss of a hedge", "对冲亏损"),
    "funding_due": Phrase("recalled funding to be returned", "应退还资金"),
    "returned": Phrase("recalled funding returned", "已退还资金"),
    "exchange": Phrase("exchange loss on funding", "外币资金汇兑损失"),
}
_DISPLACED = Phrase("{event} ({money} of it because another share could not be sold)", "{event}（其中{money}因他券无法卖出而转移）")
_STYLES = {
    "call": "yellow", "overdue": "yellow", "recall": "yellow", "answer": "green", "fill": "bold", "write_off": "red", "exhausted": "red",
    "failed": "red", "unpaid": "red", "mark": "dim", "interest": "dim", "price": "dim", "rationed": "dim", "locked": "dim",
    "closed": "dim", "quiet": "dim",
}
_MARKET = Phrase("market", "市场")
_QUIET_DAYS = Phrase("nothing to act on; lowest ratio", "无需处置；最低维持担保比例")
_WITHOUT_DEBT = Phrase("nothing to act on, no debt", "无需处置，无负债")
#: Events of an account that happen daily, and of the market around it: days with nothing else are quiet.
_QUIET = ("interest", "mark", "price", "locked", "closed")
#: So many events of one kind in a round are told one by one, more as one line.
_ONE_BY_ONE = 3
#: Columns that a narrow terminal does without, first ones first; and the width in which events are folded.
_LEAST_NEEDED = ("cash_li", "shares", "round", "price_li")
_EVENT_WIDTH = 22
_ACCOUNT_MONEY = ("cash_li", "debt_li", "collateral_li")
#: A cell that begins so is a formula for a spreadsheet.

#: The heading of each column.
HEADS = {
    "day": Phrase("day", "日"), "round": Phrase("round", "轮"), "who": Phrase("who", "对象"),
    "platform_id": Phrase("platform", "平台"), "account_id": Phrase("account", "账户"), "accounts": Phrase("accounts", "账户数"),
    "instrument_id": Phrase("instrument", "证券"), "event": Phrase("event", "事件"), "shares": Phrase("shares", "股数"),
    "price_li": Phrase("price", "价格"), "money_li": Phrase("money", "金额"), "displaced_li": Phrase("of it displaced", "其中转移"),
    "cash_li": Phrase("cash", "现金"), "debt_li": Phrase("debt", "负债"), "collateral_li": Phrase("collateral", "担保物"),
    "ratio_bp": Phrase("ratio %", "维持担保比例 %"),
}
_YUAN = Phrase("{name}, yuan", "{name}（元）")


def view(replay: Replay, every: bool = False) -> pd.DataFrame:
    """The events to show: of one account as they are; of a path events of accounts are added up by platform, day and round.

    ``every`` leaves those single too. A column ``accounts`` says how many accounts a row adds up.
    """
    rows = _with_counts(replay.events)
    if replay.account is None and not every:
        rows = _added_up(rows, rows["account_id"].notna(), ["day", "round", "platform_id", "event"])
    return rows.drop(columns="instruments")


def _with_counts(events: pd.DataFrame) -> pd.DataFrame:
    nothing = pd.array([None] * len(events), "Int64")
    return events.assign(accounts=nothing, instruments=nothing).reset_index(drop=True)


def _added_up(rows: pd.DataFrame, chosen: pd.Series[bool], keys: list[str]) -> pd.DataFrame:
    """The chosen rows added up by some columns, each sum in the place of the first row in it; the others as they are.

    A sum says of how many accounts it is or, where it is of none, of how many instruments.
    """
    if not chosen.any():
        return rows
    groups = rows[chosen].assign(place=rows.index[chosen]).groupby(keys, sort=False, dropna=False)
    columns: dict[str, Any] = {"place": groups["place"].min()}
    columns |= {name: groups[name].sum(min_count=1) for name in ("shares", "money_li", "displaced_li")}
    of, on = groups["account_id"].nunique(), groups["instrument_id"].nunique()
    columns["accounts"] = of.astype("Int64").where(of > 0)
    columns["instruments"] = on.astype("Int64").where((of == 0) & (on > 0))
    rest = rows[~chosen]
    both = pd.concat([rest.assign(place=rest.index), pd.DataFrame(columns).reset_index()])
    return both.sort_values("place", kind="stable").reset_index(drop=True).reindex(columns=rows.columns)


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON can hold them: integers as in the tables of a run, null where nothing belongs."""
    plain = rows.astype(object).where(rows.notna(), None)
    return plain.to_dict(orient="records")  # type: ignore[return-value]


def csv_text(rows: pd.DataFrame, language: Language) -> str:
    """All rows as CSV, money in yuan to the last 厘; no cell of text is a formula."""
    names = [name for name in HEADS if name != "who"]
    # Lines end with CR and LF, so that a line break inside a cell is quoted.
    cells = zip(*(_cells(name, rows[name], language) for name in names), strict=True)
    return csv_rows([_head(name).pick(language) for name in names], cells)


def _head(name: str) -> Phrase:
    return _YUAN.fill(name=HEADS[name]) if name.endswith("_li") else HEADS[name]


def _cells(name: str, values: pd.Series[Any], language: Language) -> Iterable[str]:
    if name == "event":
        return [EVENTS[value].pick(language) for value in values]
    known, said = values.notna(), values.tolist()
    if name.endswith("_li"):
        return [yuan(int(v)) if k else "" for v, k in zip(said, known, strict=True)]
    if name == "ratio_bp":
        return [percent_of(int(v)) if k else "" for v, k in zip(said, known, strict=True)]
    if name.endswith("_id"):
        return [harmless(str(v)) if k else "" for v, k in zip(said, known, strict=True)]
    return [str(v) if k else "" for v, k in zip(said, known, strict=True)]


def yuan(li: int, digits: int = 3, between: str = "") -> str:
    """An amount in yuan, exact with three digits, else rounded half up; ``between`` thousands stands what is given."""
    unit = 10 ** (3 - digits)
    whole, rest = divmod((abs(li) + unit // 2) // unit, 10**digits)
    text = f"{whole:,}".replace(",", between) + (f".{rest:0{digits}d}" if digits else "")
    return "-" + text if li < 0 and (whole or rest) else text


def percent_of(ratio_bp: int) -> str:
    """Basis points as percent with two digits."""
    return f"{ratio_bp // 100}.{ratio_bp % 100:02d}"


def headline(replay: Replay) -> list[Phrase]:
    """What is replayed, how it ended, and that it agrees."""
    title = Phrase("Path {path}, {given}", "路径{path}，{given}").fill(path=replay.path, given=given(replay.scenario))
    agrees = _agrees(replay)
    if replay.account is None:
        return [title, _ending(replay), agrees]
    says = replay.account
    title = join([title, Phrase("account {a} of {p}", "平台{p}的账户{a}").fill(a=says["account_id"], p=says["platform_id"])], ", ", "，")
    lines = Phrase(
        "Debt {debt} at {rate}% a year, cash {cash} yuan on the book's date. Warning line {warning}%, liquidation line {line}%, "
        "restore line {restore}%.",
        "账簿日负债{debt}元，年利率{rate}%，现金{cash}元。警戒线{warning}%，平仓线{line}%，恢复线{restore}%。",
    ).fill(
        debt=yuan(says["debt_li"], 3, ","), cash=yuan(says["cash_li"], 3, ","), rate=percent_of(says["rate_bp"]),
        warning=percent_of(says["warning_bp"]), line=percent_of(says["liquidation_bp"]), restore=percent_of(says["restore_bp"]))
    gone = _debt_gone(replay)
    own = replay.result
    return [title, lines, *([gone] if gone else []), *([_own_money(own)] if own else []), agrees]


def _own_money(own: ClientResult) -> Phrase:
    """What became of the client's own money (M-238)."""
    said = [Phrase(
        "The client's own money: return {gain}% over the path, largest fall from a peak {fall}%.",
        "客户自有资金：全程收益率{gain}%，最大回撤{fall}%。").fill(gain=f"{own.return_pct:.2f}", fall=f"{own.fall_pct:.2f}")]
    if own.lost_on is not None:
        said.append(Phrase("All of it is lost on day {day}.", "第{day}日全部亏尽。").fill(day=own.lost_on))
    if own.sharpe is not None:
        said.append(Phrase(
            "Daily Sharpe ratio {ratio} ± {error} ({days} days).", "日夏普比率 {ratio} ± {error}（{days}日）。",
        ).fill(ratio=f"{own.sharpe:.3f}", error=f"{own.sharpe_error:.3f}", days=own.days))
    if own.paid_in_li:
        said.append(Phrase("The {paid} yuan paid in are no return.", "补入的{paid}元不计为收益。").fill(paid=yuan(own.paid_in_li, 3, ",")))
    return sentences(said)


def _agrees(replay: Replay) -> Phrase:
    """What of the run the path was held against."""
    if replay.weighted is None:
        return Phrase("It agrees with the run to the last 厘.", "与原运行逐厘一致。")
    says = replay.weighted
    happened = Phrase("happens", "发生") if says["hit"] else Phrase("does not happen", "未发生")
    return Phrase(
        "A weighted path: its likelihood ratio is {ratio}, the event \"{event}\" of {platform} {happened}; both agree with the run.",
        "加权路径：似然比{ratio}，平台{platform}的事件“{event}”{happened}；两者均与原运行一致。",
    ).fill(ratio=f"{says['likelihood_ratio']:.4g}", event=says["event"], platform=says["platform_id"], happened=happened)


def _debt_gone(replay: Replay) -> Phrase | None:
    """On which day an account lost its debt, and how."""
    mine = replay.events[replay.events["account_id"].notna()]
    if mine.empty or mine["debt_li"].iloc[-1] > 0:
        return None
    how = Phrase("written off", "核销") if mine["event"].iloc[-1] == "write_off" else Phrase("repaid", "还清")
    return Phrase("The debt is gone on day {day}: {how}.", "负债于第{day}日{how}。").fill(day=mine["day"].iloc[-1], how=how)


def _ending(replay: Replay) -> Phrase:
    """How a path ended for all platforms together."""
    ends = replay.outcomes
    failed = ends[ends["failure_day"].notna()]
    names = ", ".join(f"{p} ({int(d)})" for p, d in zip(failed["platform_id"], failed["failure_day"], strict=True))
    said = Phrase(
        "Accounts called {called}, forced to sell {forced}, in deficit {lost}. Forced sales {sold} yuan, deficit {deficit} yuan.",
        "被追缴账户{called}个，被强平{forced}个，穿仓{lost}个。强平卖出{sold}元，穿仓额{deficit}元。",
    ).fill(
        called=f"{ends['accounts_called'].sum():,}", forced=f"{ends['accounts_forced'].sum():,}",
        lost=f"{ends['accounts_in_deficit'].sum():,}",
        sold=yuan(int(ends["sold_li"].sum()), 3, ","), deficit=yuan(int(ends["deficit_li"].sum()), 3, ","))
    failures = Phrase("Platforms that failed, and the day: {names}.", "失败平台及日期：{names}。").fill(names=names)
    return sentences([said, failures if names else Phrase("No platform failed.", "无平台失败。")])


def print_ledger(replay: Replay, console: Console, language: Language = "en", *, every: bool = False, most: int = 0) -> None:
    """Prints the ledger of a path: the first ``most`` rows (0: all); without ``every``, quiet days and long lists in short."""
    rows = view(replay, every)
    shown = rows if every else _in_short(replay)
    heads = headline(replay)
    console.print(Text(heads[0].pick(language), style="bold"))
    for head in heads[1:]:
        console.print(Text(head.pick(language)))
    if rows.empty:
        console.print(Text(Phrase("Nothing happened on this path.", "该路径上没有事件。").pick(language)))
        return
    left_out = max(0, len(shown) - most) if most else 0
    console.print()
    console.print(_table(replay, shown.head(most) if most else shown, console.width, language))
    notes: list[Phrase] = []
    if left_out:
        notes.append(Phrase("{n} more lines: --rows 0 shows them.", "另有{n}行：--rows 0 可全部显示。").fill(n=f"{left_out:,}"))
    if not every:
        notes.append(_shortened(replay, rows, shown))
    for note in notes:
        console.print(Text(note.pick(language)), soft_wrap=True)


def _shortened(replay: Replay, rows: pd.DataFrame, shown: pd.DataFrame) -> Phrase:
    if replay.account is None:
        return Phrase(
            "{events} events in {shown} lines, added up over accounts, platforms and long lists. --csv FILE keeps platforms and "
            "instruments apart ({rows} rows), --account tells the life of one account, --all shows every event.",
            "{events}个事件合并为{shown}行（账户、平台及较长的名单已合计）。"
            "--csv FILE 保留各平台与证券（{rows}行），--account 显示单个账户，--all 显示全部事件。",
        ).fill(events=f"{len(replay.events):,}", shown=f"{len(shown):,}", rows=f"{len(rows):,}")
    return Phrase(
        "{events} events in {shown} lines: quiet days are one line. --all shows every event, --csv FILE keeps them all.",
        "{events}个事件合并为{shown}行（平静日合为一行）。--all 显示全部事件，--csv FILE 保存全部。",
    ).fill(events=f"{len(rows):,}", shown=f"{len(shown):,}")


def _in_short(replay: Replay) -> pd.DataFrame:
    """The rows of a terminal: quiet days of an account as one, long lists of one kind in a round as one."""
    keys = ["day", "round", "event"]
    short = _with_counts(replay.events[(replay.events["event"] != "interest") | (replay.events["money_li"] != 0)])
    chosen = pd.Series(False, index=short.index)
    if replay.account is None:
        # Orders, costs and repayments follow from the sales.
        short = short[~short["event"].isin(["order", "cost", "repay"])].reset_index(drop=True)
        chosen = short["account_id"].notna()
    many = short.groupby(keys)["day"].transform("size") > _ONE_BY_ONE
    short = _added_up(short, chosen | (short["account_id"].isna() & short["instrument_id"].notna() & many), keys)
    return _quiet_days(short) if replay.account is not None else short


def _quiet_days(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs of days on which an account has nothing to act on, each as one row of the kind ``quiet``, with the lowest ratio."""
    quiet = rows["event"].isin(_QUIET).groupby(rows["day"]).transform("all")
    run = (quiet != quiet.shift()).cumsum()[quiet]
    made = []
    for _, part in rows[quiet].groupby(run):
        ratios = part["ratio_bp"].dropna()
        # The row stands in the place of one of its own events.
        row = part.loc[[ratios.idxmin() if len(ratios) else part.index[0]]]
        made.append(row.assign(event="quiet", day=part["day"].min(), until=part["day"].max(), round=0))
    return pd.concat([rows[~quiet].assign(until=None), *made]).sort_index(kind="stable").reset_index(drop=True)


def _table(replay: Replay, rows: pd.DataFrame, width: int, language: Language) -> Table:
    names = ["day", "round", "who", "event", "shares", "price_li", "money_li"]
    names += [*_ACCOUNT_MONEY, "ratio_bp"] if rows["collateral_li"].notna().any() else []
    listed = rows.to_dict(orient="records")

    def columns(exact: bool) -> dict[str, list[str]]:
        return {name: [_shown(replay, row, name, exact, language) for row in listed] for name in names}

    # Each 厘 where there is room for it, else whole yuan, else fewer columns; the CSV has them all.
    exact, cells = True, columns(True)
    if not _fits(cells, width, language):
        exact, cells = False, columns(False)
    for name in _LEAST_NEEDED:
        if not _fits(cells, width, language):
            cells.pop(name, None)
    unit = Phrase("Money in yuan", "金额单位：元")
    if not exact:
        unit = Phrase("Money in whole yuan; --csv FILE has each 厘", "金额取整到元；--csv FILE 精确到厘")
    table = Table(
        title=unit.pick(language), title_justify="left", title_style="dim", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False,
        show_edge=False,
    )
    for name in cells:
        words = name in ("who", "event")
        table.add_column(Text(HEADS[name].pick(language)), justify="left" if words else "right", overflow="fold", no_wrap=not words)
    for row, *line in zip(listed, *cells.values(), strict=True):
        table.add_row(*map(Text, line), style=_STYLES.get(str(row["event"]), ""))
    return table


def _fits(cells: dict[str, list[str]], width: int, language: Language) -> bool:
    """Whether columns stand side by side, events in at most three lines."""
    needs = 0
    for name, column in cells.items():
        longest = max(map(cell_len, [HEADS[name].pick(language), *column]))
        needs += 1 + (min(longest, _EVENT_WIDTH) if name == "event" else longest)
    return needs - 1 <= width


def _known(value: Any) -> bool:
    return value is not None and value is not pd.NA and not (isinstance(value, float) and math.isnan(value))


def _shown(replay: Replay, row: dict[Any, Any], name: str, exact: bool, language: Language) -> str:
    """One cell of the terminal's table."""
    if name == "who":
        return _who(replay, row, language)
    if name == "event":
        return _what(row, exact, language)
    if name == "day":
        days = int(row["day"]), int(row["until"]) if _known(row.get("until")) else int(row["day"])
        return "\u2013".join(map(str, dict.fromkeys(days)))
    value = row[name]
    if not _known(value) or (row["event"] == "quiet" and name != "ratio_bp"):
        return ""
    if name == "round":
        return str(value) if value else ""
    if name == "shares":
        return f"{int(value):,}"
    if name == "ratio_bp":
        return percent_of(int(value))
    return yuan(int(value), 3 if exact or name == "price_li" else 0, ",")


def _who(replay: Replay, row: dict[Any, Any], language: Language) -> str:
    if _known(row["accounts"]):
        n = int(row["accounts"])
        return Phrase(f"{n:,} account{'s' if n > 1 else ''}", f"{n:,}个账户").pick(language)
    if row["event"] == "quiet" and replay.account is not None:
        return str(replay.account["account_id"])
    if _known(row.get("instruments")):
        return Phrase("{n} instruments", "{n}只证券").fill(n=f"{int(row['instruments']):,}").pick(language)
    named = [row["instrument_id"]] if _known(row["instrument_id"]) else []
    if _known(row["account_id"]) and (replay.account is None or not named):
        named.insert(0, row["account_id"])
    if not named and _known(row["platform_id"]):
        named.append(row["platform_id"])
    return " ".join(map(str, named)) or _MARKET.pick(language)


def _what(row: dict[Any, Any], exact: bool, language: Language) -> str:
    if row["event"] == "quiet":
        return (_QUIET_DAYS if _known(row["ratio_bp"]) else _WITHOUT_DEBT).pick(language)
    said = EVENTS[row["event"]]
    if _known(row["displaced_li"]) and row["displaced_li"] > 0:
        said = _DISPLACED.fill(event=said, money=yuan(int(row["displaced_li"]), 3 if exact else 0, ","))
    return said.pick(language)
