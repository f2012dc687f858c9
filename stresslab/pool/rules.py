"""The rules of a look-through: limits of findings and parameters of the rules on movements, one TOML file, checked as a whole (M-104)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stresslab.faults import InputError
from stresslab.market.files import read_toml, toml_faults

SHIPPED = Path(__file__).with_name("rules.toml")

Percent = Annotated[float, Field(ge=0, le=100)]
Yuan = Annotated[int, Field(ge=1, le=10**11)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class PoolLimits(_Table):
    """Rules in percent and points; above each of them a finding is a breach."""

    circular_pct: Percent
    related_pct: Percent
    foreign_currency_pct: Percent
    opaque_pct: Percent
    largest_funder_pct: Percent
    hhi_points: Annotated[int, Field(ge=0, le=10_000)]
    gap_30_days_pct: Percent
    recall_pct: Percent
    recall_fall_pct: Percent
    client_money_pct: Percent
    source: str


class MovementLimits(_Table):
    """The parameters of the rules on movements (M-105 to M-107)."""

    window_days: Annotated[int, Field(ge=0, le=365)]
    tolerance_pct: Percent
    hops_least: Annotated[int, Field(ge=2, le=20)]
    hops_most: Annotated[int, Field(ge=2, le=20)]
    hub_partners: Annotated[int, Field(ge=2, le=1_000_000)]
    least_yuan: Yuan
    thresholds_yuan: tuple[Yuan, ...]
    band_pct: Percent
    bunch_least: Annotated[int, Field(ge=2, le=1000)]
    bunch_times: Annotated[int, Field(ge=0, le=1000)]
    history_least: Annotated[int, Field(ge=3, le=10_000)]
    history_most: Annotated[int, Field(ge=3, le=10_000)]
    z_least: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
    steps_most: Annotated[int, Field(ge=1, le=10_000_000)]
    source: str

    @property
    def tolerance_bp(self) -> int:
        """The tolerance in basis points."""
        return round(self.tolerance_pct * 100)

    @property
    def band_bp(self) -> int:
        """The band below a threshold in basis points."""
        return round(self.band_pct * 100)

    @property
    def least_li(self) -> int:
        """The least amount in 厘."""
        return self.least_yuan * 1000

    @property
    def thresholds_li(self) -> tuple[int, ...]:
        """The reporting thresholds in 厘."""
        return tuple(1000 * y for y in self.thresholds_yuan)

    @property
    def spread_least(self) -> float:
        """The least median absolute deviation of log amounts: a party that always pays the same is allowed a tenth more."""
        return math.log(1.1)


class Rules(_Table):
    """A whole file of limits."""

    title: str
    title_zh: str = ""
    provisional: bool = False
    pool: PoolLimits
    movements: MovementLimits


def read_rules(path: Path | None = None) -> Rules:
    """The limits in a file, by default those that ship; raises :class:`InputError` with every fault."""
    written = read_toml(path or SHIPPED)
    try:
        return Rules.model_validate(written)
    except ValidationError as error:
        raise InputError(toml_faults(str(path or SHIPPED), error, Rules)) from error
