"""The market of the demo, from the index history that an installed package ships."""

from __future__ import annotations

import pandas as pd

from stresslab.market.files import Market, MarketFactor, SectorFactor
from stresslab.market.volatility import index_volatility


def shipped_index() -> pd.Series[float]:
    """The S&P 500, daily closes 1999 to 2018, as the installed package arch ships them."""
    import arch.data.sp500

    closes = arch.data.sp500.load()["Adj Close"]
    closes.name = "S&P 500"
    found: pd.Series[float] = closes.astype(float)
    return found


def shipped_market() -> Market:
    """The market of the demo: its factor is the S&P 500 of 1999 to 2018 (2008 in it)."""
    closes = shipped_index()
    volatility, error = index_volatility(closes)
    first, last = closes.index[0].date(), closes.index[-1].date()
    said = f"S&P 500 daily closes {first} to {last}, shipped with the Python package arch (arch.data.sp500)"
    return Market(
        title="S&P 500, 1999 to 2018 (with 2008)",
        source=said,
        from_date=str(first),
        to_date=str(last),
        market=MarketFactor(index="S&P 500", model="gbm", volatility_pct=round(volatility, 4), volatility_error_pct=round(error, 4),
                            drift_pct=0.0, source=said + "; drift zero is an assumption"),
        default_sector=SectorFactor(volatility_pct=8.0),
    )
