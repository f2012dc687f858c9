"""Parameter bands: what is moved and how far, how the parts are put together, and the report that prints them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_run import fake_run

import stresslab as sl
from stresslab.faults import InputError
from stresslab.market import Market, shipped_market
from stresslab.plausible import REACH, Range, parameters, read_ranges
from stresslab.report.bands import Bands, Moved, with_bands
from stresslab.report.page import contents, page_of
from stresslab.report.paper import one_language
from stresslab.report.quarter import Quarter
from stresslab.scenario import Scenario, read_scenario


def scenario(name: str = "crash-40", **liquidity: Any) -> Scenario:
    told = read_scenario(name).model_dump(mode="json")
    return Scenario.model_validate(told | {"liquidity": told["liquidity"] | liquidity})


def market(**factor: Any) -> Market:
    told = shipped_market().model_dump(exclude={"history"})
    return Market.model_validate(told | {"market": told["market"] | factor})


def test_an_estimate_is_moved_by_its_own_standard_error() -> None:
    found = parameters(market(volatility_pct=20.0, volatility_error_pct=1.5), [scenario()], [])
    assert [p.key for p in found] == ["market.volatility_pct"]
    ends = [e.market.market.volatility_pct for e in (found[0].low, found[0].high) if e.market is not None]
    assert ends == pytest.approx([20 - REACH * 1.5, 20 + REACH * 1.5])
    assert found[0].source == shipped_market().market.source


def test_what_has_no_error_or_is_not_read_stays() -> None:
    jump = {"intensity": 2.0, "mean_pct": -3.0, "sd_pct": 2.0, "intensity_error": 0.5}
    bare = market(volatility_error_pct=None, jump=jump)
    assert parameters(bare, [scenario()], []) == []
    read = Market.model_validate(bare.model_dump(exclude={"history"}) | {"market": bare.market.model_dump() | {"model": "jump"}})
    assert [p.key for p in parameters(read, [scenario()], [])] == ["market.jump.intensity"]


def test_betas_are_moved_together_each_by_its_error() -> None:
    told = market(volatility_error_pct=None).model_dump(exclude={"history"})
    held = Market.model_validate(told | {"instruments": {"A": {"beta": 1.0, "beta_error": 0.1}, "B": {"beta": 0.5}, "C": {
        "beta": 1.2, "beta_error": 0.2}}})
    (one,) = parameters(held, [scenario()], [])
    assert one.high.market is not None
    betas = {k: v.beta for k, v in one.high.market.instruments.items()}
    assert betas == pytest.approx({"A": 1 + REACH * 0.1, "B": 0.5, "C": 1.2 + REACH * 0.2})


def test_an_instrument_keeps_its_own_noise() -> None:
    stocks = pd.DataFrame({"instrument_id": ["A", "B"], "sector": ["x", "x"], "beta": [1.5, 0.0], "volatility_pct": [34.0, 20.0]})
    (one,) = parameters(market(volatility_pct=20.0, volatility_error_pct=1.0), [scenario()], [], stocks)
    assert one.high.market is not None
    factor = 20 + REACH
    own = 34.0**2 - (1.5 * 20) ** 2 - 8.0**2
    assert one.high.market.instruments["A"].volatility_pct == pytest.approx(math.sqrt(own + (1.5 * factor) ** 2 + 8.0**2))
    assert "B" not in one.high.market.instruments


def test_an_end_that_is_not_allowed_says_why() -> None:
    (one,) = parameters(market(volatility_pct=2.0, volatility_error_pct=1.5), [scenario()], [])
    assert one.low.market is None
    assert "volatility_pct" in one.low.reason
    assert one.high.market is not None


def test_a_stated_range_moves_only_scenarios_that_it_is_about() -> None:
    ranges = [Range(key="liquidity.impact_coefficient", when={"liquidity.impact": "sqrt"}, low=0.5, high=1.5, source="a paper")]
    given = [scenario(), scenario(impact="linear"), scenario(impact_coefficient=3.0)]
    (one,) = parameters(market(volatility_error_pct=None), given, ranges)
    assert [s.liquidity.impact_coefficient for s in one.high.scenarios] == [1.5, given[1].liquidity.impact_coefficient, 3.0]
    assert one.low.scenarios[0].liquidity.impact_coefficient == 0.5


def test_shipped_ranges_hold_what_shipped_scenarios_say() -> None:
    moved = {p.key: p.value for p in parameters(market(volatility_error_pct=None), [scenario()], read_ranges(None))}
    assert moved == {"liquidity.impact_coefficient": "1", "liquidity.permanent_share_pct": "50", "liquidity.participation_pct": "20"}


@pytest.mark.parametrize("text", [
    "[[range]]\nkey = 'a.b'\nlow = 2\nhigh = 1\nsource = 's'\n", "[[ranges]]\n", "[[range]]\nkey = 'a'\n", "["])
def test_wrong_ranges_are_faults(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(InputError):
        read_ranges(tmp_path / "r.toml")


# --- the band by hand -----------------------------------------------------------------------------


def table(*values: float | None, statistic: str = "mean") -> pd.DataFrame:
    return pd.DataFrame({
        "scenario": "s", "platform_id": "P", "measure": [f"m{i}" for i in range(len(values))], "statistic": statistic,
        "day": pd.array([None] * len(values), dtype="Int64"), "value": pd.array(values, dtype="Float64")})


def moved(low: pd.DataFrame | None, high: pd.DataFrame | None) -> Moved:
    return Moved("k", "error", "1", "0", "2", "source", low, high)


def bands_of(found: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(found["band_low"], found["band_high"], strict=True))


def test_steps_add_up_in_squares_on_each_side() -> None:
    # Falls of 3 and 4, rises of 6 and 8, whichever end they come from; the order of rows does not matter.
    first, second = moved(table(97.0), table(106.0)), moved(table(108.0), table(96.0))
    found = with_bands(table(200.0), Bands(64, table(100.0), (first, second)))
    assert bands_of(found) == [(195.0, 210.0)]


def test_both_ends_above_raise_only_the_upper_side() -> None:
    found = with_bands(table(50.0), Bands(64, table(50.0), (moved(table(52.0), table(51.0)),)))
    assert bands_of(found) == [(50.0, 52.0)]


def test_what_a_case_does_not_define_has_no_band_and_a_case_that_failed_is_left_out() -> None:
    cases = (moved(table(None, 9.0), table(12.0, 12.0)), moved(None, table(0.0, 0.0)))
    (a, b), (c, d) = bands_of(with_bands(table(10.0, 10.0), Bands(64, table(10.0, 10.0), cases)))
    assert math.isnan(a)
    assert math.isnan(b)
    assert (c, d) == (9.0, 12.0)


def test_shares_stay_shares_and_amounts_that_are_never_negative_stay_so() -> None:
    value, base, low, high = (table(v, statistic="probability") for v in (80.0, 50.0, 0.0, 90.0))
    assert bands_of(with_bands(value, Bands(64, base, (moved(low, high),)))) == [(30.0, 100.0)]
    assert bands_of(with_bands(table(1.0), Bands(64, table(3.0), (moved(table(0.0), table(4.0)),)))) == [(0.0, 2.0)]


# --- the verb -------------------------------------------------------------------------------------


RANGES = """
[[range]]
key = "liquidity.impact_coefficient"
low = 0.5
high = 1.5
source = "a paper that says so"
"""


def test_the_report_prints_bands_goes_on_after_a_stop_and_repeats_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stresslab import verbs

    sl.init(tmp_path / "book", accounts=120)
    run = sl.run(tmp_path / "book", ["crash-40"], paths=2, seed=5, out=tmp_path / "run").folder
    (tmp_path / "ranges.toml").write_text(RANGES)

    def written(**more: Any) -> bytes:
        return sl.write_report(run, language="en", ranges=tmp_path / "ranges.toml", **more).read_bytes()

    def stop(done: int, of: int) -> None:
        assert of == 10
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(progress=stop)
    told: list[int] = []
    first = written(progress=lambda done, of: told.append(done))
    # Two cases were whole; the third had its path when it was stopped; the bar goes to the end.
    assert min(told) > 4
    assert max(told) == 10
    # Nothing moved, the volatility and the impact at two ends each.
    assert len(list((run / "bands").iterdir())) == 5
    page = one_language(first.decode(), "en")
    assert "made without --bands" not in page
    assert page.count('class="e band"') > 20
    assert "market.volatility_pct" in page
    assert "a paper that says so" in page

    def none(*_: Any, **__: Any) -> Any:
        raise AssertionError("a case that is kept is not run again")

    monkeypatch.setattr(verbs.farm, "run_tasks", none)
    assert written() == first


def test_without_bands_the_reason_is_said() -> None:
    said = page_of(contents(fake_run(paths=4, days=4), Quarter("2024Q2")), "en")
    assert "made without --bands" in said
    assert 'class="e band"' not in said
