"""Which column of a daily table is which: the names under which providers write dates, codes, closes and halts."""

from __future__ import annotations

from collections.abc import Sequence

#: Our name of a column, and what others call it, the most telling name first. Small letters, words joined by underscores.
NAMES: dict[str, tuple[str, ...]] = {
    "date": ("date", "trade_date", "trading_date", "tradedate", "day", "datetime", "time", "日期", "交易日期", "交易日"),
    "instrument_id": (
        "instrument_id", "ticker", "symbol", "ts_code", "stock_code", "sec_code", "code", "permno", "股票代码", "证券代码", "代码"),
    "index_id": ("index_id", "index_code", "series", "index", "指数代码", "指数"),
    # An adjusted close stands before a plain one: a table that has both is read for its returns.
    "close": ("adj_close", "adjusted_close", "adjclose", "close", "close_price", "closing_price", "last", "收盘价", "收盘"),
    "prev_close": ("prev_close", "pre_close", "preclose", "previous_close", "前收盘", "前收盘价", "昨收"),
    "volume_shares": ("volume_shares", "volume", "vol", "成交量"),
    "amount": ("amount", "amount_cny", "amount_yuan", "turnover_value", "成交额", "成交金额"),
    "halted": ("halted", "suspended", "is_halted", "停牌"),
    "sector": ("sector", "industry", "行业", "所属行业"),
}
#: Names of a close that is already free of the jumps of splits and dividends.
ADJUSTED = ("adj_close", "adjusted_close", "adjclose")
#: Columns that are numbers wherever they stand.
NUMBERS = ("close", "prev_close", "volume_shares", "amount", "halted")

#: Tables of a history by their own names.
KINDS = ("prices", "index", "margin_balance", "rates", "implied_volatility", "breadth", "flows")
#: What the name or a column of any other dated table tells of its kind.
_TELLING: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("implied_volatility", ("vix", "implied", "波动率指数")),
    ("margin_balance", ("margin", "fin_balance", "debit_balance", "rzrq", "融资余额")),
    ("breadth", ("breadth", "n_limit_down", "n_halted")),
    ("flows", ("flow", "redeem", "purchase", "申购", "赎回")),
    ("rates", ("shibor", "libor", "dgs", "rates", "treasury", "利率")),
)


def plain(name: str) -> str:
    """A column's name in small letters, with underscores between its words."""
    return "_".join(str(name).strip().lower().replace("-", " ").split())


def known_columns(columns: Sequence[str]) -> dict[str, str]:
    """Our name of each column that is recognised, to the name in the file; of two candidates the more telling one."""
    written = {plain(c): c for c in reversed(list(columns))}
    found = {}
    for ours, theirs in NAMES.items():
        here = next((written[name] for name in theirs if name in written), None)
        if here is not None:
            found[ours] = here
    return found


def kind_of(table: str, columns: Sequence[str]) -> str | None:
    """What a table is, from its name and its columns; None if it holds neither days nor sectors.

    ``sectors`` is a list of instruments with their sector, ``indicators`` any other table with dates.
    """
    known, name = known_columns(columns), plain(table)
    if name in KINDS and "date" in known:
        return name
    if "date" not in known:
        return "sectors" if "instrument_id" in known and "sector" in known else None
    if "close" in known and ("index_id" in known or "instrument_id" in known):
        return "index" if "index_id" in known else "prices"
    words = [name, *(plain(c) for c in columns)]
    for kind, telling in _TELLING:
        if any(word in text for word in telling for text in words):
            return kind
    return "index" if "close" in known else "indicators"
