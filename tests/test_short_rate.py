"""Short rates: closed forms to the digit, daily steps against them within three standard errors (M-75 to M-82)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import integrate, stats

from stresslab.faults import InputError
from stresslab.kernels import noise, rates
from stresslab.market.files import Market, read_market, write_market
from stresslab.market.laws import ShortRate
from stresslab.market.short_rate import (
    Curve,
    cir_bond,
    cir_variance,
    curve_of,
    hull_white_alpha,
    law_of,
    net_interest_change,
    never_zero,
    vasicek_bond,
    vasicek_mean,
    vasicek_sd,
)
from stresslab.scenario import read_scenario

VASICEK = {"model": "vasicek", "initial_pct": 3.0, "long_run_pct": 4.0, "mean_reversion": 0.5, "volatility_pct": 1.0, "source": "golden"}
CIR = {"model": "cir", "initial_pct": 3.0, "long_run_pct": 4.0, "mean_reversion": 0.5, "volatility": 0.1, "source": "golden"}
FLAT = {
    "model": "hull_white", "initial_pct": 3.0, "mean_reversion": 0.1, "volatility_pct": 1.0, "curve_years": (1.0, 5.0),
    "curve_pct": (3.0, 3.0), "source": "golden",
}
BENT = FLAT | {"curve_years": (0.25, 1.0, 2.0, 5.0), "curve_pct": (3.2, 3.9, 3.6, 3.5)}


MARKET = {"title": "t", "source": "by hand", "market": {"index": "i", "model": "gbm", "volatility_pct": 20.0, "source": "by hand"}}


def short(given: dict[str, Any], **changes: Any) -> ShortRate:
    return ShortRate.model_validate(given | changes)


def draw(law: rates.RateLaw, days: int, paths: int, mirrored: bool = False) -> np.ndarray:
    """Short rates of some paths, paths × days 0..T; with ``mirrored`` each normal and its negative."""
    room = noise.new_noise(days, 0, 0)
    wanted = np.zeros(noise.LEAD_FACTORS, np.uint8)
    wanted[noise.LEAD_RATE] = 1
    out = np.zeros((paths, days + 1))
    for path in range(paths):
        noise.draw_noise(room, wanted, 7, path // 2 if mirrored else path)
        if mirrored and path % 2:
            room.leading[:] *= -1.0
        rates.rate_path(out[path], law, room.leading)
    return out


def within(values: np.ndarray, exact: float, errors: float = 3.0) -> None:
    """The mean of some values lies within three standard errors of what is exact."""
    error = values.std(ddof=1) / math.sqrt(values.size)
    assert abs(values.mean() - exact) < errors * error, (values.mean(), exact, error)


# --- closed forms -------------------------------------------------------------------------------


def test_vasicek_to_the_printed_digit() -> None:
    assert f"{vasicek_bond(0.03, 0.5, 0.04, 0.01, 1):.10f}" == "0.9683913710"
    assert f"{vasicek_bond(0.03, 0.5, 0.04, 0.01, 5):.10f}" == "0.8342873600"
    assert f"{vasicek_mean(0.03, 0.5, 0.04, 1):.7%}" == "3.3934693%"
    assert f"{vasicek_sd(0.5, 0.01, 1):.7%}" == "0.7950601%"
    assert f"{vasicek_bond(0.05, 0.5, 0.04, 0.01, 1):.10f}" == "0.9532693913"


def test_cir_to_the_printed_digit() -> None:
    assert f"{cir_bond(0.03, 0.5, 0.04, 0.1, 1):.10f}" == "0.9684152458"
    assert f"{cir_bond(0.03, 0.5, 0.04, 0.1, 5):.10f}" == "0.8352344189"
    assert f"{cir_variance(0.03, 0.5, 0.04, 0.1, 1):.7e}" == "2.0511798e-04"
    assert never_zero(0.5, 0.04, 0.1)
    assert not never_zero(0.5, 0.04, 0.2)  # 0.04 = 0.04: touches zero


def test_hull_white_to_the_printed_digit() -> None:
    assert f"{vasicek_sd(0.1, 0.01, 1) ** 2:.7e}" == "9.0634623e-05"
    assert f"{hull_white_alpha(curve_of(short(FLAT)).forward(1), 0.1, 0.01, 1):.10f}" == "0.0300452796"


def test_net_interest_of_a_shift() -> None:
    """(M-82) 2% × (1000 × 30% × ½ − 800 × 80% × ¾) = −6.6."""
    assert net_interest_change(0.02, [(1000, 0.3, 0.5)], [(800, 0.8, 0.25)]) == pytest.approx(-6.6, abs=1e-12)
    assert net_interest_change(0.02, [(1000, 1.0, 1.5)], []) == 0.0  # reprices after the year


def test_a_curve_goes_through_its_points_and_its_forwards_give_it_back() -> None:
    curve = Curve([0.0, 0.25, 1.0, 2.0, 5.0], [0.03, 0.032, 0.039, 0.036, 0.035])
    assert [round(curve.rate(t), 12) for t in (0, 0.25, 1, 2, 5, 9)] == [0.03, 0.032, 0.039, 0.036, 0.035, 0.035]
    assert curve.forward(0.0) == pytest.approx(0.03)
    for t in (0.1, 0.9, 1.9, 4.5):
        whole, _ = integrate.quad(curve.forward, 0.0, t, points=[0.25, 1.0, 2.0], limit=200)
        assert whole == pytest.approx(curve.rate(t) * t, abs=1e-9)
        assert curve.forward(t) == pytest.approx(curve.forward(t + 1e-9), abs=1e-6)  # no jumps


# --- steps --------------------------------------------------------------------------------------


@hypothesis.settings(deadline=None, max_examples=300)
@hypothesis.given(st.floats(1e-6, 0.2), st.floats(-8, 4))
def test_a_step_of_cir_keeps_its_mean_and_variance(mean: float, log_ratio: float) -> None:
    """(M-78) Both branches, by quadrature over the normal: E and Var exactly, and nothing below zero."""
    ratio = math.exp(log_ratio)
    z = np.linspace(-9.0, 9.0, 20_001)
    weight = stats.norm.pdf(z) * (z[1] - z[0])
    value = np.array([rates.square_root_step.py_func(mean, ratio * mean**2, x) for x in z])
    assert value.min() >= 0.0
    assert (np.diff(value) >= 0.0).all() or ratio <= rates.BRANCH  # the exponential branch rises with z
    first = (weight * value).sum()
    # The branches' kinks at their atoms cost the trapezoid some digits.
    assert first == pytest.approx(mean, rel=3e-4)
    assert (weight * (value - first) ** 2).sum() == pytest.approx(ratio * mean**2, rel=3e-3)


def test_every_day_of_cir_has_the_exact_mean_and_variance_of_that_day() -> None:
    """(M-78) Given the rate of the day before, not that of the start or of the mean."""
    law = law_of(short(CIR, volatility=0.15), 30)
    room = noise.new_noise(30, 0, 0)
    room.leading[1:, noise.LEAD_RATE] = np.linspace(2.5, -2.5, 30)
    out = np.zeros(31)
    rates.rate_path(out, law, room.leading)
    day = 1 / 252
    for t in range(1, 31):
        before = float(out[t - 1])
        mean, variance = vasicek_mean(before, 0.5, 0.04, day), cir_variance(before, 0.5, 0.04, 0.15, day)
        assert out[t] == pytest.approx(rates.square_root_step(mean, variance, room.leading[t, noise.LEAD_RATE]), rel=1e-12)


def test_a_step_without_variance_takes_its_mean() -> None:
    assert rates.square_root_step(0.03, 0.0, 2.5) == 0.03


def test_vasicek_paths_have_the_law() -> None:
    days, paths = 252, 4_000
    out = draw(law_of(short(VASICEK), days), days, paths)
    within(out[:, -1], vasicek_mean(0.03, 0.5, 0.04, 1))
    within((out[:, -1] - 0.0339346934) ** 2, vasicek_sd(0.5, 0.01, 1) ** 2)
    within(np.exp(-_integral(out)), vasicek_bond(0.03, 0.5, 0.04, 0.01, 1))
    # The whole law, not its moments alone.
    assert stats.kstest((out[:, -1] - 0.0339346934) / 0.007950601, "norm").pvalue > 0.001


def test_cir_paths_have_the_law() -> None:
    days, paths = 252, 4_000
    out = draw(law_of(short(CIR), days), days, paths)
    mean = vasicek_mean(0.03, 0.5, 0.04, 1)
    within(out[:, -1], mean)
    within((out[:, -1] - mean) ** 2, cir_variance(0.03, 0.5, 0.04, 0.1, 1))
    within(np.exp(-_integral(out)), cir_bond(0.03, 0.5, 0.04, 0.1, 1))
    assert out.min() >= 0.0
    assert stats.kstest(out[:, -1], _cir_law(0.03, 0.5, 0.04, 0.1, 1).cdf).pvalue > 0.001


def test_cir_paths_that_reach_zero_have_the_moments() -> None:
    """Feller's condition fails by far: both branches of the step are used; mean and variance stay exact, the shape nearly."""
    days, paths = 252, 4_000
    given = short(CIR, initial_pct=0.5, long_run_pct=1.0, volatility=0.3)
    assert not never_zero(0.5, 0.01, 0.3)
    out = draw(law_of(given, days), days, paths)
    mean = vasicek_mean(0.005, 0.5, 0.01, 1)
    within(out[:, -1], mean)
    within((out[:, -1] - mean) ** 2, cir_variance(0.005, 0.5, 0.01, 0.3, 1))
    assert (out[:, 1:] == 0.0).any()
    assert (out >= 0.0).all()


def _cir_law(rate: float, speed: float, level: float, volatility: float, years: float) -> Any:
    unit = volatility**2 * (1 - math.exp(-speed * years)) / (4 * speed)
    return stats.ncx2(4 * speed * level / volatility**2, rate * math.exp(-speed * years) / unit, scale=unit)


@pytest.mark.parametrize("given", [FLAT, BENT], ids=["flat", "bent"])
def test_hull_white_paths_price_the_curve(given: dict[str, Any]) -> None:
    """(M-79) E exp(−∫ r) is the bond of the curve that the law is fitted to, at a year and at two."""
    days, paths = 504, 3_000
    out = draw(law_of(short(given), days), days, paths, mirrored=True)
    curve = curve_of(short(given))
    mean = hull_white_alpha(curve.forward(1), 0.1, 0.01, 1)
    assert out[:, 252].mean() == pytest.approx(mean, abs=1e-12)  # mirrored normals cancel
    alone = out[::2]
    within((alone[:, 252] - mean) ** 2, 9.0634623e-5)
    for day in (252, 504):
        bonds = np.exp(-_integral(out[:, : day + 1]))
        pairs = bonds.reshape(-1, 2).mean(axis=1)
        error = pairs.std(ddof=1) / math.sqrt(pairs.size)
        # The trapezoid over days errs by less than 10⁻⁶ at the kinks of a bent curve.
        assert abs(pairs.mean() - curve.bond(day / 252)) < 3 * error + 1e-6


def _integral(out: np.ndarray) -> np.ndarray:
    return (out[:, 1:] + out[:, :-1]).sum(axis=1) / 2 / 252


def test_without_noise_the_rate_takes_its_mean() -> None:
    for given in (VASICEK, CIR, BENT):
        law = law_of(short(given), 60, noisy=False)
        out = draw(law, 60, 1)[0]
        assert out == pytest.approx(law.mean, abs=1e-15)
        assert [rates.surprise(t, out, law) for t in (0, 60)] == pytest.approx([0.0, 0.0], abs=1e-15)


def test_a_path_stops_at_the_highest_rate() -> None:
    """(M-80) Eight deviations above the mean and no further; no path of the law itself comes near."""
    for given in (VASICEK, CIR, BENT):
        law = law_of(short(given), 60)
        room = noise.new_noise(60, 0, 0)
        room.leading[:] = 5.0  # forty deviations after 60 days
        out = np.zeros(61)
        rates.rate_path(out, law, room.leading)
        assert out[60] == law.highest[60]
        assert (draw(law, 60, 300) <= law.mean + 0.75 * (law.highest - law.mean)).all()


def test_the_highest_rate_of_cir_is_passed_less_often_than_said() -> None:
    """(M-80) Birgé's bound for the noncentral chi-square: e^(−32)."""
    law = law_of(short(CIR), 252)
    for day in (20, 252):
        assert _cir_law(0.03, 0.5, 0.04, 0.1, day / 252).sf(law.highest[day]) < math.exp(-32.0)


def test_changes_in_whole_basis_points_are_rounded_half_up() -> None:
    """(M-75) 0.5 bp is 1, −0.5 bp is 0; day 0 is 0."""
    out = np.zeros(6, np.int64)
    rates.whole_bp(out, np.array([0.0, 0.00005, -0.00005, 0.00014999, -0.00006, 0.0001]))
    assert out.tolist() == [0, 1, 0, 1, -1, 1]


def test_a_clause_adds_the_shock_and_what_was_fixed() -> None:
    out = np.zeros((2, 4), np.int64)
    rates.shifts(out, np.array([[0, 0, 1, 2], [0, 1, 2, 3]]), np.array([[0, 0, 0, 0], [0, 200, 200, 200]]), np.array([0, 10, -5, 7]))
    assert out.tolist() == [[0, 0, 10, -5], [0, 210, 195, 207]]


# --- the market file ----------------------------------------------------------------------------


def test_a_market_with_a_short_rate_is_read_as_it_was_written(tmp_path: Path) -> None:
    for given in (VASICEK, CIR, BENT):
        market = Market.model_validate(MARKET | {"rates": given})
        write_market(market, tmp_path / "m.toml")
        assert read_market(tmp_path / "m.toml") == market


@pytest.mark.parametrize(("given", "key", "said"), [
    (VASICEK | {"volatility_pct": None}, "volatility_pct", "must be given for the model vasicek"),
    (VASICEK | {"volatility": 0.1}, "volatility", "is not read by the model vasicek"),
    (CIR | {"volatility_pct": 1.0}, "volatility_pct", "is not read by the model cir"),
    (CIR | {"long_run_pct": 0.0}, "long_run_pct", "must be positive"),
    (CIR | {"initial_pct": -1.0}, "initial_pct", "must be positive"),
    (FLAT | {"long_run_pct": 3.0}, "long_run_pct", "is not read by the model hull_white"),
    (FLAT | {"curve_years": (1.0, 5.0, 7.0)}, "curve_pct", "must have as many entries as curve_years"),
    (FLAT | {"curve_years": (5.0, 1.0)}, "curve_years", "must rise"),
    (FLAT | {"curve_years": (1.0, 1.5)}, "curve_years", "must reach 2 years"),
])
def test_keys_that_do_not_fit_the_model_are_refused(given: dict[str, Any], key: str, said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Market.model_validate(MARKET | {"rates": given})
    assert [(e["loc"], e["msg"][: len(said)]) for e in error.value.errors()] == [(("rates", key), said)]


def test_a_fault_of_the_file_names_its_key(tmp_path: Path) -> None:
    file = tmp_path / "market.toml"
    file.write_text(
        'title = "t"\nsource = "by hand"\n[market]\nindex = "i"\nmodel = "gbm"\nvolatility_pct = 20.0\nsource = "by hand"\n'
        '[rates]\nmodel = "cir"\ninitial_pct = 3.0\nlong_run_pct = 4.0\nmean_reversion = 0.5\nvolatility_pct = 1.0\nsource = "by hand"\n')
    with pytest.raises(InputError) as error:
        read_market(file)
    assert sorted((f.column, f.rule) for f in error.value.faults) == [
        ("rates.volatility", "must be given for the model cir"),
        ("rates.volatility_pct", "is not read by the model cir, which reads long_run_pct, volatility"),
    ]


# --- what ships -----------------------------------------------------------------------------------

SHIBOR = Path(__file__).parent.parent.parent / "shared" / "data" / "cn_shibor_daily" / "cn_shibor_daily.csv"


@pytest.mark.skipif(not SHIBOR.is_file(), reason="the history of Shibor is not there")
def test_the_shipped_law_is_that_of_the_month_rate() -> None:
    """Exact regression r(t) = k r(t−1) + c + e of daily rates: a = −252 ln k, b = c / (1 − k), σ from the deviation of e."""
    rate = pd.read_csv(SHIBOR)["shibor_m1_pct"].dropna().to_numpy()
    before, after = rate[:-1], rate[1:]
    slope, constant = np.polyfit(before, after, 1)
    rest = (after - slope * before - constant).std(ddof=2)
    law = read_scenario("rates-random").rates.law
    assert rate.size == 2_810
    assert law.mean_reversion == round(-252 * math.log(slope), 2)
    assert law.mean_reversion_error == round(252 * rest / slope / (before.std() * math.sqrt(before.size)), 2)
    assert law.long_run_pct == law.initial_pct == round(constant / (1 - slope), 2)
    assert law.long_run_error_pct == round(rest / (1 - slope) / math.sqrt(before.size), 2)
    volatility = rest * math.sqrt(2 * -252 * math.log(slope) / (1 - slope**2))
    assert law.volatility_pct == round(volatility, 2)
    assert law.volatility_error_pct == round(volatility / math.sqrt(2 * before.size), 2)
