"""The history of the demo, from what the installed package arch ships: two indices, credit spreads, implied volatility."""

from __future__ import annotations

import hashlib

import pandas as pd

from stresslab.history import History

#: The falls of the demo: on the S&P 500 this rule dates 2001, 2002, 2007 to 2009, and three smaller ones after that.
DEMO_EVENTS = "drawdown >= 15% within 60 days"


def shipped_history() -> History:
    """S&P 500 and Nasdaq composite, daily 1999 to 2018; Moody's Baa less Aaa, monthly, dated by the first day of the month that it averages
    (known 35 days later); the VIX from 2014."""
    import arch.data.default
    import arch.data.nasdaq
    import arch.data.sp500
    import arch.data.vix

    frames = []
    for name, told in (("SP500", arch.data.sp500.load()), ("NASDAQ", arch.data.nasdaq.load())):
        frames.append(
            pd.DataFrame(
                {
                    "index_id": name,
                    "date": told.index,
                    "close": told["Adj Close"].to_numpy(float),
                    "volume_shares": told["Volume"].to_numpy(float),
                    "traded": True,
                }
            )
        )
    index = pd.concat(frames, ignore_index=True).sort_values(["index_id", "date"], kind="stable").reset_index(drop=True)
    spread = arch.data.default.load()
    rates = pd.DataFrame(
        {
            "date": spread.index,
            "aaa_pct": spread["AAA"].to_numpy(float),
            "baa_aaa_spread_pct": (spread["BAA"] - spread["AAA"]).to_numpy(float),
        }
    )
    rates = rates[rates["date"] >= "1997-01-01"].reset_index(drop=True)
    vix = arch.data.vix.load()
    implied = pd.DataFrame({"date": vix.index, "vix": vix["vix"].to_numpy(float)})
    nothing = pd.DataFrame(
        {
            "instrument_id": pd.Series(dtype=str),
            "date": pd.Series(dtype="datetime64[us]"),
            "close": pd.Series(dtype=float),
            "traded": pd.Series(dtype=bool),
        }
    )
    tables = {"rates": rates, "implied_volatility": implied}
    digests = {
        f"arch.data:{name}": hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
        for name, table in {"index": index, **tables}.items()
    }
    return History(nothing, index, tables, digests=digests)
