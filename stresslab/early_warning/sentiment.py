"""A market sentiment index of stated, inspectable parts: trailing ranks, equally weighted or by principal component (M-163)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Weights = Literal["equal", "pca"]
#: The parts and which way greed lies: calm, rising, busy, borrowing, buying markets are greedy.
PARTS = {
    "volatility_20": -1,
    "implied_volatility": -1,
    "momentum_20": 1,
    "drawdown_250": -1,
    "turnover": 1,
    "financing_change_20": 1,
    "limit_downs": -1,
    "net_flow": 1,
}
#: So many parts must be known, ranked against so many days, at least so many.
PARTS_LEAST, RANK_DAYS, RANK_LEAST = 3, 500, 120
#: Principal components are taken anew so often, from all days before.
PCA_DAYS = 63


@dataclass(frozen=True)
class Mood:
    """The index (0 fear, 100 greed), the trailing ranks of its parts (0 to 1, greed high) and their weights by day."""

    index: pd.Series[float]
    parts: pd.DataFrame
    weights: pd.DataFrame


def part_rank(values: pd.Series[float], greed: int, days: int = RANK_DAYS, least: int = RANK_LEAST) -> pd.Series[float]:
    """The place of each day among the ``days`` up to it, (rank − ½) / count, turned so that greed is high."""
    window = values.rolling(days, min_periods=least)
    rank = (window.rank(method="average") - 0.5) / window.count()
    return rank if greed > 0 else 1.0 - rank


def sentiment_index(
    values: Mapping[str, pd.Series[float]],
    close: pd.Series[float],
    weights: Weights = "equal",
    days: int = RANK_DAYS,
    least: int = RANK_LEAST,
) -> Mood | None:
    """The index of the parts that are there: 100 Σ w rank / Σ w over the parts known that day; None below three parts.

    ``equal`` weights are 1. ``pca`` weights are the loadings of the first principal component of the ranks of all days before,
    taken anew every 63 days, those below zero cut to zero.
    """
    parts = pd.DataFrame(
        {name: part_rank(values[name], greed, days, least) for name, greed in PARTS.items() if name in values},
        index=close.index,
    )
    parts = parts.loc[:, parts.notna().any()]
    if parts.shape[1] < PARTS_LEAST:
        return None
    by_day = pd.DataFrame(1.0, index=parts.index, columns=parts.columns)
    if weights == "pca":
        by_day = _loadings(parts)
    there = by_day.where(parts.notna(), 0.0)
    total = there.sum(axis=1)
    mean = 100.0 * (parts.fillna(0.0) * there).sum(axis=1) / total.where(total > 0)
    return Mood(mean.where(parts.notna().sum(axis=1) >= PARTS_LEAST), parts, there.div(total.where(total > 0), axis=0))


def _loadings(parts: pd.DataFrame) -> pd.DataFrame:
    found = np.ones(parts.shape)
    for start in range(0, len(parts), PCA_DAYS):
        before = parts.iloc[:start].dropna(axis=1, how="all").dropna()
        if len(before) < RANK_LEAST or before.shape[1] < PARTS_LEAST:
            continue
        _, vectors = np.linalg.eigh(np.corrcoef(before.to_numpy().T))
        first = vectors[:, -1] * np.sign(vectors[:, -1].sum())
        weight = pd.Series(np.maximum(first, 0.0), before.columns).reindex(parts.columns, fill_value=0.0)
        found[start : start + PCA_DAYS] = weight.to_numpy()
    return pd.DataFrame(found, parts.index, parts.columns)
