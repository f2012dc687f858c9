"""How instruments move together on ordinary and on bad days, with errors from a block bootstrap (M-72)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from stresslab.kernels.draws import STREAM_DEMO, fill_uniforms
from stresslab.market.measured import F64, Measured

#: The share of days that are bad: the worst of the index, or those after the most turbulent month.
BAD = 0.1
#: Days whose volatility tells whether the next day is turbulent.
TRAILING = 21
#: Length of a block of days that is drawn as one, and the number of histories that are drawn.
BLOCK, DRAWS = 21, 200
_SEED = 20150612

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Comovement:
    """Mean correlation of two instruments on days of four kinds, and what stress multiplies.

    ``normal`` and ``worst`` are chosen by the index's own return of the day, ``calm`` and ``turbulent`` by its volatility
    before the day. Choosing by the return itself narrows the index, which alone lowers correlations: ``worst_if_normal`` is what jointly
    normal returns with the correlations of all days would show.
    """

    everything: Measured
    normal: Measured
    worst: Measured
    worst_if_normal: float
    calm: Measured
    turbulent: Measured
    correlation_multiplier: Measured
    volatility_multiplier: Measured
    days_worst: int
    days_turbulent: int


def comovement(returns: F64, market: F64) -> Comovement | None:
    """Correlations of a panel (days × instruments, missing where halted) beside its index; None for a single instrument."""
    if returns.shape[1] < 2:
        return None
    worst = market <= np.quantile(market, BAD)
    before = _trailing(market)
    known = np.isfinite(before)
    turbulent = known & (before >= np.nanquantile(before, 1.0 - BAD))
    masks = {"everything": np.ones(market.size, bool), "normal": ~worst, "worst": worst, "calm": known & ~turbulent, "turbulent": turbulent}
    draws = _drawn_days(market.size)
    ones = np.ones(market.size)
    told, many = {}, {}
    for name, mask in masks.items():
        told[name] = mean_correlation(returns[mask], ones[mask])
        many[name] = np.array([mean_correlation(returns[mask], w[mask]) for w in draws])
    ratio = many["turbulent"] / many["calm"]
    wild = np.array([_wildness(market, turbulent, w) for w in draws])
    return Comovement(
        **{name: Measured(told[name], _spread(many[name])) for name in masks}, worst_if_normal=_if_normal(returns, market),
        correlation_multiplier=Measured(told["turbulent"] / told["calm"], _spread(ratio)),
        volatility_multiplier=Measured(_wildness(market, turbulent, ones), _spread(wild)),
        days_worst=int(worst.sum()), days_turbulent=int(turbulent.sum()))


def mean_correlation(returns: F64, weights: F64) -> float:
    """The mean correlation of two instruments: Σ_t Σ_{i≠j} z_i z_j over the number of such products, z being standardised.

    Days count ``weights`` times; where an instrument is missing, its pairs of that day are.
    """
    there = ~np.isnan(returns)
    x = np.where(there, returns, 0.0)
    w = weights @ there
    usable = w >= 2.0
    mean = (weights @ x)[usable] / w[usable]
    held = np.where(there[:, usable], x[:, usable] - mean, 0.0)
    variance = weights @ (held * held) / w[usable]
    moves = variance > 0
    z = held[:, moves] / np.sqrt(variance[moves])
    k = there[:, usable][:, moves].sum(axis=1)
    products = z.sum(axis=1) ** 2 - np.sum(z * z, axis=1)
    pairs = float(weights @ (k * (k - 1.0)))
    return float(weights @ products) / pairs if pairs > 0 else math.nan


def _trailing(market: F64) -> F64:
    """The root mean square of the days before each day; missing for the first ones."""
    sums = np.concatenate([[0.0], np.cumsum(market**2)])
    found = np.full(market.size, np.nan)
    found[TRAILING:] = np.sqrt(np.maximum(sums[TRAILING:-1] - sums[:-TRAILING - 1], 0.0) / TRAILING)
    return found


def _wildness(market: F64, turbulent: Mask, weights: F64) -> float:
    """The index's deviation on turbulent days over that on all days."""
    def deviation(x: F64, w: F64) -> float:
        mean = float(w @ x) / float(w.sum())
        return math.sqrt(float(w @ (x - mean) ** 2) / float(w.sum()))

    inside = weights[turbulent]
    return deviation(market[turbulent], inside) / deviation(market, weights) if inside.sum() > 0 else math.nan


def _drawn_days(days: int) -> list[F64]:
    """How often each day stands in each drawn history: blocks of days, drawn with replacement, joined end to end as a ring."""
    blocks = math.ceil(days / BLOCK)
    found = []
    for draw in range(DRAWS):
        u = np.zeros(blocks)
        fill_uniforms(u, _SEED, draw, 0, STREAM_DEMO)
        at = (np.floor(u * days).astype(np.int64)[:, None] + np.arange(BLOCK)).ravel()[:days] % days
        found.append(np.bincount(at, minlength=days).astype(float))
    return found


def _spread(values: F64) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if known.size > 1 else None


def _if_normal(returns: F64, market: F64) -> float:
    """The mean correlation on the worst days if all were jointly normal: the index's variance falls to v = 1 − z a − a² there."""
    z = float(ndtri(BAD))
    a = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) / BAD
    lost = z * a + a * a  # 1 − v
    there = ~np.isnan(returns)
    count = np.maximum(there.sum(axis=0), 1)
    held = np.where(there, returns - np.nan_to_num(returns).sum(axis=0) / count, 0.0)
    m = np.where(there, market[:, None], 0.0)
    m = np.where(there, m - m.sum(axis=0) / count, 0.0)
    sd = np.sqrt((held**2).sum(axis=0) / count)
    usable = sd > 0
    held, m, there, sd, count = held[:, usable], m[:, usable], there[:, usable], sd[usable], count[usable]
    common = np.maximum(there.T.astype(float) @ there.astype(float), 1.0)
    r = held.T @ held / common / np.outer(sd, sd)
    to_index = (held * m).sum(axis=0) / count / sd / np.sqrt((m**2).sum(axis=0) / count)
    left = np.sqrt(1.0 - lost * to_index**2)
    found = (r - lost * np.outer(to_index, to_index)) / np.outer(left, left)
    return float(found[np.triu_indices(len(found), 1)].mean())
