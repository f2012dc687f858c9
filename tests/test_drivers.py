"""From a market file and a scenario to the law of a run: units, scale, what is read, and runs under every law."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from sampled_factors import Sample, assert_within

from stresslab.book import demo_book
from stresslab.drivers import factor_law
from stresslab.engine import run_block, tables
from stresslab.faults import InputError
from stresslab.kernels import laws, noise
from stresslab.market import (
    Bootstrap,
    Garch,
    Heston,
    History,
    Jump,
    Market,
    Regime,
    ShortRate,
    read_market,
    shipped_market,
    write_market,
)
from stresslab.resolve import resolve
from stresslab.scenario import Scenario, read_scenario

compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes as plain Python, without the JIT")
MODELS = ("gbm", "jump", "heston", "garch", "regime", "bootstrap")
YEAR = 252


def market(**changes: Any) -> Market:
    """Return a market with the tables of every law, 20% volatility and a drift of 5%."""
    base = shipped_market()
    days = 300
    wave = np.sin(np.arange(days) * 1.7) * (1 + np.sin(np.arange(days) / 15)) * 0.01
    history = History(
        dates=tuple(f"2{at:03d}-01-01" for at in range(days)), market=tuple(wave.tolist()),
        sectors={"Banks": tuple((0.5 * wave + np.cos(np.arange(days)) * 0.01).tolist())})
    factor = base.market.model_copy(update={
        "volatility_pct": 20.0, "drift_pct": 5.0,
        "jump": Jump(intensity=5, mean_pct=-2.0, sd_pct=3.0, intensity_error=0.4, source="a test"),
        "heston": Heston(initial_volatility_pct=20.0, mean_reversion=5.0, volatility_of_variance=0.5, correlation=-0.6),
        "garch": Garch(alpha=0.03, gamma=0.08, beta=0.9, dof=6.0, initial_volatility_pct=20.0),
        "regime": Regime(volatility_pct=(13.0, 38.0), drift_pct=(12.0, -40.0), transition=((0.98, 0.02), (0.1, 0.9))),
        "bootstrap": Bootstrap(file="returns.csv", mean_block_days=10.0), **changes,
    })
    return base.model_copy(update={"market": factor, "history": history})


def with_market(name: str = "baseline", **block: Any) -> Scenario:
    read = read_scenario(name)
    return read.model_copy(update={"market": read.market.model_copy(update=block)})


def law_of(model: str, multiplier: float = 1.0, sectors: tuple[str, ...] = (), **changes: Any) -> laws.FactorLaw:
    faults: list[Any] = []
    found = factor_law(market(**changes), with_market(model=model, volatility_multiplier=multiplier), list(sectors), faults)
    assert not faults
    return found


@compiled_only
@pytest.mark.parametrize("multiplier", [1.0, 1.5])
@pytest.mark.parametrize("model", MODELS)
def test_volatility_is_the_total_and_drift_the_logs(model: str, multiplier: float) -> None:
    """(M-8) Under every law 20% a year times the multiplier, and 5% of the log, on an early and on a late day."""
    law = law_of(model, multiplier)
    x = np.diff(Sample(law, 40, 40_000).level)
    for day in (0, 39):
        assert_within(x[:, day], 0.05 / YEAR)
        assert_within((x[:, day] - 0.05 / YEAR) ** 2, 0.04 * multiplier**2 / YEAR, 3.2)


def test_numbers_of_the_laws() -> None:
    """Units by hand: percent a year become fractions a day."""
    jump = law_of("jump").chain
    assert jump.sd[0] == pytest.approx(math.sqrt((0.04 - 5 * (0.02**2 + 0.03**2)) / YEAR), rel=1e-12)
    assert jump.size_sd[2] == pytest.approx(0.03 * math.sqrt(2), rel=1e-12)
    assert jump.mean[1] - jump.mean[0] == pytest.approx(-0.02, rel=1e-12)
    assert jump.cumulative[0, 0] == pytest.approx(math.exp(-5 / YEAR), rel=1e-12)
    heston = law_of("heston", 2.0).heston
    assert (heston.initial, heston.long_run, heston.wobble) == tuple(pytest.approx(x, rel=1e-12) for x in (0.16, 0.16, 1.0))
    garch = law_of("garch").garch
    assert garch.omega == pytest.approx(0.04 / YEAR * (1 - 0.03 - 0.04 - 0.9), rel=1e-12)
    assert garch.initial == pytest.approx(0.04 / YEAR, rel=1e-12)
    regime = law_of("regime").chain
    share = np.array([5 / 6, 1 / 6])
    sds, means = np.array([0.13, 0.38]), np.array([0.12, -0.4])
    alone = math.sqrt(share @ sds**2 + (share @ means**2 - (share @ means) ** 2) / YEAR)
    assert regime.sd[1] == pytest.approx(0.38 / math.sqrt(YEAR) * 0.2 / alone, rel=1e-12)
    assert regime.cumulative[2, 0] == pytest.approx(5 / 6, rel=1e-12)
    started = law_of("regime", regime=market().market.regime.model_copy(update={"start": 2})).chain
    assert started.cumulative[2, 0] == pytest.approx(0.1, rel=1e-12)


def test_the_history_is_scaled_and_its_sectors_stand_apart() -> None:
    """(M-59) Volatility and drift are the market's; of a sector what the market explains is taken out."""
    drawn = law_of("bootstrap", 1.0, ("Banks", "Steel")).drawn
    assert drawn.market.std() == pytest.approx(0.2 / math.sqrt(YEAR), rel=1e-12)
    assert drawn.market.mean() == pytest.approx(0.05 / YEAR, rel=1e-9)
    assert drawn.has_sector.tolist() == [1, 0]
    assert drawn.sectors[:, 0].std() == pytest.approx(0.08 / math.sqrt(YEAR), rel=1e-9)
    assert abs(np.corrcoef(drawn.market, drawn.sectors[:, 0])[0, 1]) < 1e-9
    assert (np.diff(drawn.market[drawn.by_return]) >= 0).all()
    assert drawn.restart == 0.1


COLUMNS = {
    "gbm": {noise.LEAD_MARKET}, "jump": {noise.LEAD_MARKET, noise.LEAD_JUMPS, noise.LEAD_JUMP_SIZE},
    "heston": {noise.LEAD_MARKET, noise.LEAD_VARIANCE}, "garch": {noise.LEAD_MARKET}, "regime": {noise.LEAD_MARKET, noise.LEAD_VARIANCE},
    "bootstrap": {noise.LEAD_MARKET, noise.LEAD_JUMPS}, "deterministic": set(),
}


@pytest.mark.parametrize("model", sorted(COLUMNS))
@pytest.mark.parametrize("copula", [None, 6.0])
def test_a_run_draws_the_columns_that_its_law_reads(model: str, copula: float | None) -> None:
    """All that is read is drawn: paths with every column drawn are the same, to the last bit."""
    terms = resolve(demo_book(60), market(copula_dof=copula, volatility_pct=18.0), with_market(model=model)).market
    wanted = {at for at in range(noise.LEAD_FACTORS) if terms.wanted[at]}
    assert wanted == COLUMNS[model] | ({noise.LEAD_MIXING} if copula and model != "deterministic" else set())


@pytest.mark.parametrize("model", [*MODELS, "deterministic"])
@pytest.mark.parametrize(("definition", "shape"), [("terminal", "bridge"), ("minimum", "gap"), ("drawdown", "bridge")])
def test_runs_under_every_law(model: str, definition: str, shape: str) -> None:
    """A block of paths with the tables that a run writes: crash met, effective candidates told where there are any."""
    if model == "bootstrap" and shape == "bridge":
        shape = "ramp"
    fall = read_scenario("crash-20").market.crash.model_copy(update={"definition": definition, "shape": shape})
    block = with_market("crash-20", model=model, crash=fall)
    r = resolve(demo_book(60), market(copula_dof=8.0, own_tails_dof=5.0, volatility_pct=18.0), block)
    outcomes = tables(r, [run_block(r, 5, 0, 3)])["outcomes"].to_pandas()
    told = outcomes["candidates_effective_ppm"]
    # Under a t copula the market of gbm is Student-t, and its variance that of a GARCH that never moves.
    if model in ("gbm", "heston", "garch") and shape == "bridge":
        assert told.between(1, 10**6).all()
    else:
        assert told.isna().all()
    low = outcomes["factor_low_ppm"]
    if definition == "minimum":
        assert (low == 800_000).all()
    elif definition == "terminal":
        assert (low <= 800_000).all()


def test_a_scenario_may_replay_a_path() -> None:
    """(M-62) Levels to the last digit, then flat; the same under a law that reacts."""
    from stresslab.scenario import ReplayedPath

    levels = (100.0, 97.0, 88.0, 91.5)
    for model in ("gbm", "garch"):
        plan = with_market(model=model, path=ReplayedPath(level_pct=levels, after="flat", source="a test"))
        r = resolve(demo_book(60), market(volatility_pct=18.0), plan)
        days = tables(r, [run_block(r, 5, 0, 2)])["days"].to_pandas()
        for path in (0, 1):
            seen = days[(days["path"] == path) & (days["platform_id"] == days["platform_id"].iloc[0])]["factor_ppm"].tolist()
            assert seen == [970_000, 880_000, *[915_000] * (len(seen) - 2)]


@pytest.mark.parametrize("model", ["jump", "heston", "garch", "regime", "bootstrap"])
def test_a_law_without_its_table_is_refused(model: str) -> None:
    with pytest.raises(InputError) as refused:
        resolve(demo_book(60), shipped_market(), with_market(model=model))
    (fault,) = refused.value.faults
    assert (fault.column, fault.value) == ("market.model", model)
    assert f"[market.{model}]" in fault.rule


def test_a_market_of_every_law_survives_its_file(tmp_path: Path) -> None:
    """All tables, the history beside them, the short rate; the digest knows the history."""
    whole = market(own_tails_dof=5.0, copula_dof=6.5).model_copy(update={"rates": ShortRate(
        model="hull_white", initial_pct=2.0, mean_reversion=0.1, volatility_pct=1.0, curve_years=(1.0, 5.0), curve_pct=(2.0, 2.5),
        source="a test")})
    whole = whole.model_copy(update={"sectors": {"Banks": shipped_market().default_sector}})
    write_market(whole, tmp_path / "market.toml")
    again = read_market(tmp_path / "market.toml")
    assert again == whole
    assert again.digest == whole.digest
    changed = (tmp_path / "returns.csv").read_text(encoding="utf-8").replace("2299-01-01", "2300-01-01")
    (tmp_path / "returns.csv").write_text(changed, encoding="utf-8")
    assert read_market(tmp_path / "market.toml").digest != whole.digest
