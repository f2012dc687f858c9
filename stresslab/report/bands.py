"""Parameter bands: what other plausible parameters would make of every figure, beside its sampling error (M-296 to M-298)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stresslab.report.amounts import NONE, money_scale
from stresslab.report.exhibits import Cell, Head, Row, Table
from stresslab.report.phrase import NOTHING, Phrase, same
from stresslab.report.run_tables import ALL, Estimates

_KEYS = ["scenario", "platform_id", "measure", "statistic", "day"]
_SHARES = ("probability", "survival")


@dataclass(frozen=True)
class Moved:
    """One parameter that was moved, and the estimates at its two ends; None with a reason where an end could not be run."""

    key: str
    basis: str
    value: str
    low_value: str
    high_value: str
    source: str
    low: pd.DataFrame | None
    high: pd.DataFrame | None
    reason: str = ""


@dataclass(frozen=True)
class Bands:
    """The estimates with nothing moved, on the same few paths, and those with each parameter moved."""

    paths: int
    base: pd.DataFrame
    moved: tuple[Moved, ...]

    @property
    def whole(self) -> list[Moved]:
        """The parameters of which both ends were run."""
        return [m for m in self.moved if m.low is not None and m.high is not None]


def with_bands(estimates: pd.DataFrame, bands: Bands) -> pd.DataFrame:
    """The estimates of a run with columns ``band_low`` and ``band_high`` (M-298); null where a case has no such figure."""
    keys = _index(estimates)
    value = estimates["value"].to_numpy(float, na_value=np.nan)
    base = _values(bands.base, keys)
    down, up, least = np.zeros(len(keys)), np.zeros(len(keys)), np.fmin(value, base)
    for one in bands.whole:
        ends = [_values(table, keys) for table in (one.low, one.high) if table is not None]
        steps = [end - base for end in ends]
        # A null stays one: np.minimum and np.maximum carry it on.
        down += np.minimum(np.minimum(*steps), 0.0) ** 2
        up += np.maximum(np.maximum(*steps), 0.0) ** 2
        least = np.fmin(least, np.fmin(*ends))
    low, high = value - np.sqrt(down), value + np.sqrt(up)
    share = estimates["statistic"].isin(_SHARES).to_numpy()
    # What is nowhere below zero is not below zero between.
    low = np.where(least >= 0, np.maximum(low, 0.0), low)
    high = np.where(share, np.minimum(high, 100.0), high)
    if not bands.whole:
        low, high = np.full(len(keys), np.nan), np.full(len(keys), np.nan)
    return estimates.assign(band_low=low, band_high=high)


def _index(table: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[_KEYS].assign(day=table["day"].fillna(-1).astype("int64")).astype(object))


def _values(table: pd.DataFrame, keys: pd.MultiIndex) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found = pd.Series(table["value"].to_numpy(float, na_value=np.nan), index=_index(table))
    out: np.ndarray[tuple[int], np.dtype[np.float64]] = found.reindex(keys).to_numpy()
    return out


_BASES = {"error": Phrase("1.96 standard errors", "1.96个标准误"), "range": Phrase("stated range", "声明的区间")}


def bands_tables(bands: Bands, scenarios: Sequence[str]) -> list[Table]:
    """What was moved, how far and after whom; and what each parameter alone makes of the loss with impact of all platforms."""
    parts = []
    for m in bands.moved:
        told = Cell(_BASES[m.basis], note=NOTHING if not m.reason else Phrase(f"not run: {m.reason}", f"未运行：{m.reason}"),
                    tone="warn" if m.reason else "")
        numbers = (Cell(same(text)) for text in (m.value, m.low_value, m.high_value))
        parts.append(Row(same(m.key), NOTHING, (*numbers, told, Cell(same(m.source), tone="words"))))
    first = Phrase("Parameter", "参数")
    moved = Table(
        Phrase("Parameters that were moved", "变动的参数"),
        (Head(Phrase("Value", "取值")), Head(Phrase("Low", "低端")), Head(Phrase("High", "高端")), Head(Phrase("Basis", "依据")),
         Head(Phrase("Source", "来源"))),
        tuple(parts), ("M-296", "M-297"), first=first, style="slim")
    base = Estimates(bands.base)
    cases = [(m, Estimates(m.low), Estimates(m.high)) for m in bands.whole if m.low is not None and m.high is not None]
    known = [s for s in scenarios if base.get(s, ALL, "loss_with_impact").known]
    if not cases or not known:
        return [moved]
    found = [e.get(s, ALL, "loss_with_impact") for _, *ends in cases for e in ends for s in known]
    scale = money_scale([e.value for e in found if e.known] or [0.0])
    rows = []
    for m, low, high in cases:
        cells = tuple(
            Cell(scale.number(a.value), note=Phrase("to {b}", "至{b}").fill(b=scale.number(b.value))) if a.known and b.known else Cell(NONE)
            for a, b in ((low.get(s, ALL, "loss_with_impact"), high.get(s, ALL, "loss_with_impact")) for s in known))
        rows.append(Row(same(m.key), NOTHING, cells))
    rows.append(Row(Phrase("Nothing moved", "未变动"), NOTHING, tuple(
        Cell(scale.number(base.get(s, ALL, "loss_with_impact").value)) for s in known)))
    unit = scale.unit
    alone = Table(
        Phrase(f"Mean loss with impact, parameters moved one at a time, {unit.en}", f"逐一变动参数时的有冲击平均损失（{unit.zh}）"),
        tuple(Head(same(s)) for s in known), tuple(rows), ("M-296", "M-297", "M-30"),
        Phrase("All platforms, on {n} paths, the same in every case: at the low end, then at the high end.",
               "全部平台，{n}条路径，各情形路径相同：先低端，后高端。").fill(n=bands.paths), first)
    return [moved, alone]
