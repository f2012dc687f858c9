"""What a calibration finds is what was put in, inside three of its own standard errors; the errors cover as often as they say."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arch import arch_model
from numpy.typing import NDArray
from scipy import integrate, optimize, stats
from scipy.special import gammaln, ndtri

from stresslab import verbs
from stresslab.faults import InputError
from stresslab.history import History, read_history
from stresslab.kernels.draws import STREAM_DEMO, fill_uniforms
from stresslab.market import Calibration, calibrate, index_volatility, read_market, shipped_index, write_market
from stresslab.market.betas import fit_betas, sector_factors
from stresslab.market.comovement import comovement, mean_correlation
from stresslab.market.covariance import factor_left, shrunk_covariance
from stresslab.market.garch_fit import fit_garch
from stresslab.market.goodness import anderson_darling, goodness, ljung_box
from stresslab.market.heston_fit import fit_heston
from stresslab.market.jump_fit import fit_jumps
from stresslab.market.measured import Fit, Measured
from stresslab.market.numbers import numbers_of
from stresslab.market.regime_fit import fit_regimes
from stresslab.market.tails import copula_dof, own_tails, tail_dependence
from stresslab.market.volatility import log_returns, normal_fit
from stresslab.report.calibration import LAWS, NAMES, told_cell

F64 = NDArray[np.float64]
DATA = Path(__file__).parent.parent.parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the price histories are not there")
YEAR = 100 * math.sqrt(252)


def uniforms(n: int, at: int) -> F64:
    out = np.zeros(n)
    fill_uniforms(out, 20260630, at, 0, STREAM_DEMO)
    return out


def normals(n: int, at: int) -> F64:
    return ndtri(uniforms(n, at))


def inside(told: Measured, truth: float, errors: float = 3.0) -> bool:
    assert told.error is not None
    assert told.error > 0
    return abs(told.value - truth) < errors * told.error


def closes(r: F64, name: str = "I") -> pd.Series:
    dates = pd.bdate_range("2000-01-03", periods=r.size + 1)
    return pd.Series(100 * np.exp(np.concatenate([[0.0], np.cumsum(r)])), index=dates, name=name)


# --- GARCH ----------------------------------------------------------------------------------------


def gjr(n: int, at: int, dof: float, alpha: float, gamma: float, beta: float, daily: float = 0.01) -> F64:
    """Return n days of a GJR-GARCH with Student-t days, begun at its long-run variance."""
    t = stats.t.ppf(uniforms(n, at), dof) * math.sqrt((dof - 2) / dof)
    long_run = daily**2
    omega, h = long_run * (1 - alpha - gamma / 2 - beta), long_run
    r = np.zeros(n)
    for day in range(n):
        r[day] = math.sqrt(h) * t[day]
        h = omega + (alpha + gamma * (r[day] < 0)) * r[day] ** 2 + beta * h
    return r


def test_garch_is_found_again() -> None:
    fit = fit_garch(gjr(6000, 1, 7.0, 0.03, 0.10, 0.90))
    assert fit.refused is None
    for name, truth in (("alpha", 0.03), ("gamma", 0.10), ("beta", 0.90), ("dof", 7.0)):
        assert inside(fit.parameters[name], truth), name
    assert fit.parameters["long_run_volatility_pct"].value == pytest.approx(0.01 * YEAR, rel=0.2)


def test_the_likelihood_of_garch_is_the_formula_in_daily_returns() -> None:
    """Against Σ log t((r − μ) / √h) / √h written out, on the S&P 500 that arch ships."""
    r = log_returns(shipped_index()).to_numpy()
    fit = fit_garch(r)
    p = {k: v.value for k, v in fit.parameters.items()}
    e = r - p["drift_pct"] / 252 / 100
    made = arch_model(100 * r, mean="Constant", vol="GARCH", p=1, o=1, q=1, dist="t", rescale=False)
    h = float(made.volatility.backcast(100 * e)) / 1e4
    seen = h
    likelihood = 0.0
    for day in range(r.size):
        before = (seen, 0.5 * seen) if day == 0 else (e[day - 1] ** 2, e[day - 1] ** 2 * (e[day - 1] < 0))
        h = p["omega"] + p["alpha"] * before[0] + p["gamma"] * before[1] + p["beta"] * h
        nu = p["dof"]
        likelihood += gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * math.log(math.pi * (nu - 2) * h)
        likelihood -= (nu + 1) / 2 * math.log1p(e[day] ** 2 / (h * (nu - 2)))
    assert fit.log_likelihood == pytest.approx(likelihood, rel=1e-6)
    assert p["gamma"] > 3 * (fit.parameters["gamma"].error or 1)  # falls make more volatility than rises


def test_a_long_run_variance_is_demanded() -> None:
    """A history whose variance only grows is refused as a law, with the reason."""
    r = normals(500, 2) * np.exp(np.linspace(0, 4, 500)) * 0.001
    fit = fit_garch(r)
    assert fit.refused is not None
    market = calibrate(History.of(pd.DataFrame(index=closes(r).index), closes(r))).market
    assert market.market.garch is None


# --- jumps ----------------------------------------------------------------------------------------


def merton(n: int, at: int, rate: float, mean: float, sd: float, diffusion: float) -> F64:
    """Return n days with a Poisson number of jumps each, ``rate`` a day."""
    jumps = stats.poisson.ppf(uniforms(n, at + 1), rate)
    return 0.0004 + diffusion * normals(n, at) + jumps * mean + np.sqrt(jumps) * sd * normals(n, at + 2)


TRUE_JUMPS = (0.04, -0.015, 0.03, 0.009)


def test_jumps_are_found_again() -> None:
    fit = fit_jumps(merton(5000, 10, *TRUE_JUMPS))
    assert fit.refused is None
    for name, truth in (("intensity", 0.04 * 252), ("mean_pct", -1.5), ("sd_pct", 3.0), ("diffusion_pct", 0.9 * math.sqrt(252)),
                        ("drift_pct", 0.04 * 252)):
        assert inside(fit.parameters[name], truth), name


def test_the_errors_of_jumps_cover() -> None:
    """Over 30 histories, two errors around the estimate hold the truth about 95 times in 100."""
    held = []
    for at in range(30):
        fit = fit_jumps(merton(1500, 100 + 3 * at, *TRUE_JUMPS))
        if fit.refused is None:
            held += [inside(fit.parameters["intensity"], 0.04 * 252, 1.96), inside(fit.parameters["sd_pct"], 3.0, 1.96)]
    assert len(held) >= 56
    assert 0.85 < np.mean(held) < 1.0


def test_the_likelihood_of_jumps_beats_normal_days_where_there_are_any() -> None:
    r = merton(3000, 40, *TRUE_JUMPS)
    assert fit_jumps(r).bic < normal_fit(r).bic
    calm = 0.01 * normals(3000, 50)
    fit = fit_jumps(calm)
    assert fit.refused is not None or fit.bic > normal_fit(calm).bic


def test_a_uniform_of_a_jump_day_is_its_probability() -> None:
    """The mixture's distribution at the data is uniform: KS inside its 1% bound."""
    fit = fit_jumps(merton(4000, 60, *TRUE_JUMPS))
    assert goodness(fit).ks[0] < 1.63 / math.sqrt(4000)


# --- regimes --------------------------------------------------------------------------------------


def regimes(n: int, at: int) -> F64:
    """Return days of a calm state of 12% a year and a wild one of 36%, which last 100 and 25 days."""
    u, z, state = uniforms(n, at), normals(n, at + 1), 0
    r = np.zeros(n)
    for day in range(n):
        if u[day] < (0.01, 0.04)[state]:
            state = 1 - state
        r[day] = (0.0006, -0.0015)[state] + (12.0, 36.0)[state] / YEAR * z[day]
    return r


def test_regimes_are_found_again() -> None:
    fit = fit_regimes(regimes(4000, 70))
    assert fit.refused is None
    truth = {"volatility_pct_1": 12.0, "volatility_pct_2": 36.0, "drift_pct_1": 15.12, "drift_pct_2": -37.8, "stay_1": 0.99, "stay_2": 0.96}
    for name, value in truth.items():
        assert inside(fit.parameters[name], value), name


def test_one_state_is_not_two() -> None:
    fit = fit_regimes(0.01 * normals(1000, 75))
    assert fit.refused is not None or fit.bic > normal_fit(0.01 * normals(1000, 75)).bic


# --- Heston ---------------------------------------------------------------------------------------


def heston(days: int, at: int, speed: float, theta: float, sigma: float, rho: float) -> F64:
    """Return daily returns of Heston's law, eight steps a day, variance held at zero from below."""
    steps = 8
    dt = 1 / 252 / steps
    a, b = normals(days * steps, at), normals(days * steps, at + 1)
    v, x = theta, np.zeros(days * steps)
    for k in range(days * steps):
        root = math.sqrt(max(v, 0.0) * dt)
        x[k] = -0.5 * max(v, 0.0) * dt + root * (rho * a[k] + math.sqrt(1 - rho * rho) * b[k])
        v += speed * (theta - max(v, 0.0)) * dt + sigma * root * a[k]
    return x.reshape(days, steps).sum(axis=1)


def test_heston_is_found_again() -> None:
    fit = fit_heston(heston(12_600, 80, 4.0, 0.04, 0.5, -0.7), 20.0)
    assert fit.measured
    for name, truth in (("mean_reversion", 4.0), ("volatility_of_variance", 0.5), ("correlation", -0.7)):
        assert inside(fit.parameters[name], truth), name
        assert (fit.parameters[name].error or 9) < (3.0 if name == "mean_reversion" else 0.5)


def test_a_short_history_gives_hestons_stated_assumption() -> None:
    fit = fit_heston(0.01 * normals(500, 82), 16.0)
    assert not fit.measured
    assert "assumption" in fit.said.en
    assert "假设" in fit.said.zh
    assert all(v.error is None for v in fit.parameters.values())


# --- betas and sectors ----------------------------------------------------------------------------


def panel(days: int, at: int, betas: F64, own: float = 0.02, shared: float = 0.0) -> tuple[pd.DataFrame, pd.Series]:
    dates = pd.bdate_range("2000-01-03", periods=days)
    market, group = 0.012 * normals(days, at), shared * normals(days, at + 1)
    r = {f"S{n:03d}": b * market + group + own * normals(days, at + 2 + n) for n, b in enumerate(betas)}
    return pd.DataFrame(r, index=dates), pd.Series(market, index=dates)


def test_the_errors_of_betas_cover() -> None:
    truth = 1.0 + 0.3 * normals(200, 200)
    found, _ = fit_betas(*panel(500, 210, truth), 19.0)
    held = [inside(b.least_squares, t, 1.96) for b, t in zip(found.values(), truth, strict=True)]
    assert abs(np.mean(held) - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 200)
    assert not any(b.shrunk for b in found.values())


def test_shrinkage_helps_short_panels_and_knows_by_how_much() -> None:
    """(Vasicek 1973) Nearer to the truth than least squares, and its own error covers."""
    truth = 1.0 + 0.2 * normals(200, 500)
    found, _ = fit_betas(*panel(80, 510, truth), 19.0)
    plain = np.array([b.least_squares.value for b in found.values()])
    used = np.array([b.used.value for b in found.values()])
    assert all(b.shrunk for b in found.values())
    assert np.mean((used - truth) ** 2) < 0.75 * np.mean((plain - truth) ** 2)
    held = [inside(b.used, t, 1.96) for b, t in zip(found.values(), truth, strict=True)]
    assert abs(np.mean(held) - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 200)


def test_vasiceks_formula_by_hand() -> None:
    """Betas of 0.5 and 1.5 with errors e: weights 1/e² for the own, 1/s² for the mean, s² = 0.5 less the mean e²."""
    returns, market = panel(100, 720, np.array([0.5, 1.5]))
    found, _ = fit_betas(returns, market, 19.0)
    raw = [b.least_squares for b in found.values()]
    spread = np.var([m.value for m in raw], ddof=1) - np.mean([m.error**2 for m in raw])
    for beta in found.values():
        own = 1 / beta.least_squares.error**2
        centre = np.mean([m.value for m in raw])
        assert beta.used.value == pytest.approx((own * beta.least_squares.value + centre / spread) / (own + 1 / spread))
        assert beta.used.error == pytest.approx((own + 1 / spread) ** -0.5)


def test_a_sector_factor_is_found_with_its_error() -> None:
    returns, market = panel(1000, 730, np.ones(6), shared=0.008)
    _, residuals = fit_betas(returns, market, 19.0)
    told = sector_factors(residuals, {str(c): "one" for c in returns})["one"]
    assert inside(told, 0.008 * YEAR)
    assert 0.02 < told.error / told.value < 0.1


# --- tails, comovement, covariance -----------------------------------------------------------------


def joint_t(days: int, names: int, at: int, dof: float, rho: float) -> tuple[F64, F64]:
    """Return a panel and its index whose copula is Student's t: one chi-square of the day scales all."""
    mixed = np.sqrt(dof / stats.chi2.ppf(uniforms(days, at), dof))
    common = normals(days, at + 1)
    market = common * mixed
    others = [(rho * common + math.sqrt(1 - rho * rho) * normals(days, at + 2 + n)) * mixed for n in range(names)]
    return np.column_stack(others), market


def test_the_degrees_of_freedom_of_a_t_copula_are_found_again() -> None:
    told = copula_dof(*joint_t(2500, 12, 800, 5.0, 0.6))
    assert told is not None
    assert inside(told, 5.0)
    assert told.error is not None
    assert told.error < 1.0


def test_normal_returns_have_no_tail_dependence() -> None:
    market = normals(2500, 830)
    others = np.column_stack([0.6 * market + 0.8 * normals(2500, 831 + n) for n in range(8)])
    told = copula_dof(others, market)
    assert told is None or told.value > 20


def test_own_tails_are_found_again() -> None:
    z = stats.t.ppf(uniforms(1500 * 10, 850), 5.0).reshape(1500, 10)
    told = own_tails(z * np.arange(1, 11))
    assert told is not None
    assert inside(told, 5.0)


@pytest.mark.parametrize(("dof", "rho", "known"), [(4, 0.5, 0.2531699951), (4, 0.0, 0.0755868184), (3, 0.7, 0.4480998732),
                                                   (10, 0.5, 0.0818642312)])
def test_tail_dependence_is_the_closed_form(dof: float, rho: float, known: float) -> None:
    assert tail_dependence(dof, rho) == pytest.approx(known, abs=1e-10)


def test_a_mean_correlation_is_that_of_the_matrix() -> None:
    returns, _ = panel(400, 860, np.linspace(0.3, 1.5, 7))
    x = returns.to_numpy()
    matrix = np.corrcoef(x.T)
    assert mean_correlation(x, np.ones(400)) == pytest.approx(matrix[np.triu_indices(7, 1)].mean(), abs=1e-12)


def test_jointly_normal_returns_correlate_less_on_bad_days_as_the_formula_says() -> None:
    returns, market = panel(6000, 880, np.full(8, 1.0), own=0.015)
    found = comovement(returns.to_numpy(), market.to_numpy())
    assert found is not None
    assert inside(found.worst, found.worst_if_normal)
    assert found.worst.value < found.normal.value < found.everything.value
    assert inside(found.correlation_multiplier, 1.0)
    assert inside(found.volatility_multiplier, 1.0, 4.0)
    truth = 0.012**2 / (0.012**2 + 0.015**2)
    assert inside(found.everything, truth)


def test_stress_that_was_put_in_is_found() -> None:
    """Every fifth year the index is three times as wild, and own noise is not."""
    wild = np.where((np.arange(5000) // 250) % 5 == 4, 3.0, 1.0)
    market = 0.01 * wild * normals(5000, 900)
    others = np.column_stack([market + 0.015 * normals(5000, 901 + n) for n in range(8)])
    found = comovement(others, market)
    assert found is not None
    assert found.volatility_multiplier.value == pytest.approx(3 / math.sqrt(0.8 + 0.2 * 9), rel=0.1)
    wild_rho, calm_rho = 9 / (9 + 2.25), 1 / (1 + 2.25)
    assert found.turbulent.value == pytest.approx(wild_rho, rel=0.05)
    assert calm_rho < found.calm.value < 0.6  # half of the wild years are outside the most turbulent tenth
    assert found.correlation_multiplier.value > 1.3


def test_ledoit_and_wolf_by_plain_loops() -> None:
    """The estimate as the paper writes it, observation by observation; and nearer to the truth than the sample."""
    n, p = 40, 60
    x = np.column_stack([normals(n, 950 + k) * (1 + (k % 3)) for k in range(p)])
    found, share = shrunk_covariance(x)
    held = x - x.mean(axis=0)
    s = held.T @ held / n
    m = np.trace(s) / p
    b2 = sum(np.sum((np.outer(row, row) - s) ** 2) for row in held) / p / n**2
    d2 = np.sum((s - m * np.eye(p)) ** 2) / p
    assert share == pytest.approx(min(b2, d2) / d2)
    np.testing.assert_allclose(found, share * m * np.eye(p) + (1 - share) * s)
    assert np.linalg.eigvalsh(found)[0] > 0
    truth = np.diag([(1.0 + (k % 3)) ** 2 for k in range(p)])
    assert np.sum((found - truth) ** 2) < np.sum((s - truth) ** 2)


def test_independent_residuals_leave_nothing_in_common() -> None:
    x = np.column_stack([normals(500, 1100 + k) for k in range(50)])
    largest, chance, _ = factor_left(x)
    assert largest < 1.05 * chance
    common = normals(500, 1200)[:, None]
    assert factor_left(x + common)[0] > 5 * chance


# --- goodness -------------------------------------------------------------------------------------


def test_the_statistics_of_fit() -> None:
    """Ljung-Box against statsmodels, Anderson-Darling against its law, Σ χ²_j / (j (j + 1)), by Imhof's integral."""
    from statsmodels.stats.diagnostic import acorr_ljungbox

    x = normals(400, 1300)
    told = acorr_ljungbox(x, lags=[10])
    assert ljung_box(x) == pytest.approx((float(told["lb_stat"].iloc[0]), float(told["lb_pvalue"].iloc[0])))
    from stresslab.market.goodness import _ad_infinite

    j = np.arange(1, 2001)
    weight = 1 / (j * (j + 1.0))

    def wave(u: float, z: float) -> float:
        angle = 0.5 * float(np.sum(np.arctan(weight * u))) - 0.5 * z * u
        return math.sin(angle) / (u * math.exp(0.25 * float(np.sum(np.log1p((weight * u) ** 2)))))

    for z in (0.5, 1.0, 1.933, 2.492, 3.878):
        # What the terms beyond the last add is all but constant, and is their mean.
        whole = integrate.quad(wave, 1e-9, 400, args=(z - 1 / 2001,), limit=2000, epsabs=1e-9)[0]
        assert _ad_infinite(z) == pytest.approx(0.5 - whole / math.pi, abs=5e-5)
    assert anderson_darling(uniforms(2000, 1310))[1] > 0.01
    assert anderson_darling(uniforms(2000, 1310) ** 1.3)[1] < 1e-6


def test_the_criteria_count_parameters() -> None:
    r = 0.01 * normals(1000, 1320)
    fit = normal_fit(r)
    assert fit.log_likelihood == pytest.approx(float(stats.norm.logpdf(r, r.mean(), r.std()).sum()))
    assert fit.aic == pytest.approx(4 - 2 * fit.log_likelihood)
    assert fit.bic == pytest.approx(2 * math.log(1000) - 2 * fit.log_likelihood)


# --- the whole ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> Calibration:
    r = gjr(1600, 1, 7.0, 0.03, 0.10, 0.90)
    index = closes(r)
    betas = {"A": 1.2, "B": 0.7, "C": 1.0, "D": 0.9}
    prices = pd.DataFrame({n: closes(b * r + 0.012 * normals(1600, 1400 + at), n) for at, (n, b) in enumerate(betas.items())})
    return calibrate(History.of(prices, index, dict.fromkeys("ABCD", "one")), model="garch")


def test_a_market_and_its_numbers_survive_their_files(made: Calibration, tmp_path: Path) -> None:
    write_market(made.market, tmp_path / "market.toml")
    assert read_market(tmp_path / "market.toml") == made.market
    assert (tmp_path / "factor_returns.csv").read_text().startswith("date,market")
    assert made.market.market.model == "garch"
    assert made.market.history is not None
    np.testing.assert_allclose(made.market.history.market, made.returns, atol=1e-9)
    numbers = numbers_of(made)
    assert numbers["market"] == made.market.digest
    assert {law["model"] for law in numbers["laws"]} == {"gbm", "jump", "garch", "regime"}
    assert numbers["volatility_pct"]["value"] == pytest.approx(index_volatility(closes(made.returns))[0])


def test_the_same_history_gives_the_same_numbers(made: Calibration) -> None:
    again = calibrate(History.of(*_frames(made), dict.fromkeys("ABCD", "one")), model="garch")
    assert numbers_of(again) == numbers_of(made)


def _frames(made: Calibration) -> tuple[pd.DataFrame, pd.Series]:
    index = closes(made.returns)
    r = gjr(1600, 1, 7.0, 0.03, 0.10, 0.90)
    betas = {"A": 1.2, "B": 0.7, "C": 1.0, "D": 0.9}
    prices = {n: closes(b * r + 0.012 * normals(1600, 1400 + at), n) for at, (n, b) in enumerate(betas.items())}
    return pd.DataFrame(prices), closes(r, str(index.name))


def test_an_index_alone_is_a_market(tmp_path: Path) -> None:
    index = closes(0.01 * normals(300, 1500))
    found = calibrate(History.of(pd.DataFrame(index=index.index), index))
    assert found.comovement is None
    assert found.market.instruments == {}
    write_market(found.market, tmp_path / "market.toml")
    assert read_market(tmp_path / "market.toml") == found.market


def test_without_sectors_there_is_one_default() -> None:
    returns, market = panel(400, 1510, np.ones(5), shared=0.01)
    prices = 10 * np.exp(returns.cumsum())
    found = calibrate(History.of(prices, 100 * np.exp(market.cumsum()).rename("I")))
    assert found.market.sectors == {}
    assert inside(found.sectors["not named"], 0.01 * YEAR)
    assert found.market.default_sector.volatility_pct == round(found.sectors["not named"].value, 2)


def test_short_instruments_are_refused_or_dropped() -> None:
    returns, market = panel(400, 1520, np.ones(3))
    prices = 10 * np.exp(returns.cumsum())
    prices.iloc[30:, 1] = np.nan
    history = History.of(prices, 100 * np.exp(market.cumsum()).rename("I"))
    with pytest.raises(InputError, match="S001 has 29 daily returns"):
        calibrate(history)
    found = calibrate(history, short="drop")
    assert set(found.betas) == {"S000", "S002"}
    assert found.left_out == {"S001": 29}


def test_a_model_that_the_data_cannot_tell_is_no_default() -> None:
    index = closes(0.01 * normals(100, 1530))
    history = History.of(pd.DataFrame(index=index.index), index)
    with pytest.raises(InputError, match="250 are needed"):
        calibrate(history, model="garch")
    with pytest.raises(InputError, match="did you mean"):
        calibrate(history, model="garsh")
    assert calibrate(history, model="heston").market.market.heston is not None  # an assumption, and said so


def test_turnover_is_the_mean_of_the_last_days(tmp_path: Path) -> None:
    days = pd.bdate_range("2015-01-05", periods=100)
    rows = pd.DataFrame({"date": days, "code": "A", "close": 10 * np.exp(0.01 * normals(100, 1540)), "volume": np.arange(100) * 100})
    rows.to_csv(tmp_path / "prices.csv", index=False)
    pd.DataFrame({"date": days, "close": 10 * np.exp(0.01 * normals(100, 1541))}).to_csv(tmp_path / "index.csv", index=False)
    told = calibrate(read_history(tmp_path)).turnover["A"]
    last = np.arange(80, 100) * 100
    assert told.value == last.mean()
    assert told.error == pytest.approx(last.std(ddof=1) / math.sqrt(20))


# --- the folder and its page ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of 300 days as CSV: an index, six shares of two sectors with turnover, one of them halted for a while."""
    folder = tmp_path_factory.mktemp("history")
    returns, market = panel(300, 1600, np.linspace(0.6, 1.4, 6), shared=0.006)
    prices = (10 * np.exp(returns.cumsum())).rename_axis("date").reset_index().melt("date", var_name="ticker", value_name="close")
    prices = prices.assign(volume=1_000_000, industry=np.where(prices["ticker"] < "S003", "a<b> & 银行", "steel"))
    halted = (prices["ticker"] == "S001") & prices["date"].between("2000-05-01", "2000-05-31")
    prices[~halted].to_csv(folder / "prices.csv", index=False)
    (100 * np.exp(market.cumsum())).rename("close").rename_axis("date").reset_index().to_csv(folder / "I<1>.csv", index=False)
    return folder


def test_the_folder_has_the_same_bytes_twice_and_its_page_stands_alone(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        verbs.calibrate(folder, out=tmp_path / name, model="garch")
    files = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert files == ["calibration.html", "calibration.json", "factor_returns.csv", "market.toml"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    page = (tmp_path / "one" / "calibration.html").read_text(encoding="utf-8")
    assert "http" not in page
    assert "<script" not in page
    assert "a<b>" not in page
    assert "a&lt;b&gt; &amp; 银行" in page
    assert page.count("<svg class=\"chart\"") == 5
    assert page.count('class="zh" lang="zh"') == page.count('class="en" lang="en"') > 60
    assert "QZ" not in page
    numbers = json.loads((tmp_path / "one" / "calibration.json").read_text(encoding="utf-8"))
    assert numbers["instruments"]["S001"]["days"] < numbers["instruments"]["S000"]["days"]
    assert numbers["market"] == read_market(tmp_path / "one" / "market.toml").digest
    assert numbers["halted_share"] > 0.01


def test_every_name_of_a_number_is_said_in_both_languages(made: Calibration) -> None:
    numbers = numbers_of(made)
    for law in numbers["laws"]:
        assert set(law["parameters"]) <= set(NAMES)
        assert law["model"] in LAWS
    assert set(numbers["heston"]["parameters"]) <= set(NAMES)
    for said in (*numbers["assumptions"], numbers["heston"]["said"], *(r for law in numbers["laws"] for r in law["remarks"])):
        assert any("\u4e00" <= c <= "\u9fff" for c in said["zh"])
        assert not any("\u4e00" <= c <= "\u9fff" for c in said["en"])


@pytest.mark.parametrize(("value", "error", "shown", "beside"), [
    (1.23456, 0.0346, "1.235", "±\u00a00.035"), (123.456, 12.3, "123", "±\u00a012"), (-0.5, 2.0, "−0.5", "±\u00a02.0"),
    (1e7, 1.5e5, "10,000,000", "±\u00a0150,000"),
])
def test_a_number_is_shown_to_the_second_digit_of_its_error(value: float, error: float, shown: str, beside: str) -> None:
    cell = told_cell({"value": value, "error": error})
    assert (cell.value.en, cell.error.en if cell.error else "") == (shown, beside)


def test_the_command_line_calibrates_and_cuts_episodes(folder: Path, tmp_path: Path) -> None:
    def said(*words: object) -> tuple[int, str, str]:
        program = [sys.executable, "-c", "from stresslab.cli import main; main()", *map(str, words)]
        done = subprocess.run(program, capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    code, out, err = said("calibrate", folder, "--out", "market")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"page:   {Path('market/calibration.html')}"
    code, out, _ = said("calibrate", folder, "--out", "again", "--json")
    assert code == 0
    assert json.loads(out)["days"] == 299
    assert said("check", "--market", "market/market.toml")[0] == 0
    code, out, err = said("calibrate", folder / "prices.csv", "--out", "none")
    assert (code, out) == (2, "")
    assert "holds no index" in err
    assert not (tmp_path / "none").exists()
    code, out, err = said("episode", folder, "--from", "2000-02-01", "--to", "2000-03-31", "--depth", 40, "--out", "fall.toml")
    assert (code, err) == (0, "")
    assert said("check", "--scenario", "fall.toml")[0] == 0
    assert said("episode", folder, "--out", "fall.toml")[2].count("a first and a last day") == 2
    assert "no date" in said("episode", folder, "--from", "yesterday", "--to", "2000-03-31", "--out", "x.toml")[2]
    assert said("calibrate", folder, "--out", "fall.toml")[0] == 2


# --- what is there --------------------------------------------------------------------------------


@real
def test_the_spring_of_2015() -> None:
    """81 unadjusted shares with their halts and the CSI 300, a year before the high; then the years around it."""
    history = read_history(DATA / "cn_stocks_raw_mcap_2013_2016", DATA / "cn_index_daily")
    before = calibrate(history, index="000300.SH", first="2014-06-03", last="2015-06-12", short="drop")
    assert before.left_out == {"600087": 1}
    assert before.volatility.value == pytest.approx(24.79, abs=0.01)
    assert not before.heston.measured
    assert before.market.market.garch is not None
    whole = calibrate(history, index="000300.SH", first="2013-01-04", last="2016-12-30", short="drop")
    assert whole.volatility.value == pytest.approx(27.21, abs=0.01)
    move = whole.comovement
    assert move is not None
    assert move.turbulent.value > move.calm.value + 2 * (move.calm.error or 1)  # all fell together
    assert move.worst.value > move.worst_if_normal + 2 * (move.worst.error or 1)
    assert all(b.least_squares.error is not None for b in whole.betas.values())


@real
def test_220_adjusted_shares_and_thirty_americans() -> None:
    chinese = calibrate(read_history(DATA / "cn_stocks_2013_2016", DATA / "cn_index_daily"), index="000300.SH", first="2013-01-04",
                        last="2016-12-30", short="drop")
    assert len(chinese.betas) == 220
    american = calibrate(read_history(DATA / "us_stocks_1985_2006", DATA / "us_index_daily"), index="SP500")
    assert len(american.betas) == 29
    fits = american.fits
    assert fits["garch"].bic < fits["regime"].bic < fits["jump"].bic < fits["gbm"].bic
    assert american.heston.measured
    assert american.heston.parameters["correlation"].value < -0.3
    assert 3 < (american.own_tails or Measured(0)).value < 6


def test_the_best_law_of_the_shipped_index() -> None:
    """S&P 500, 1999 to 2018: GARCH beats regimes beats jumps beats normal days, and GARCH alone leaves no memory in squares."""
    index = shipped_index()
    found = calibrate(History.of(pd.DataFrame(index=index.index), index))
    fits: dict[str, Fit] = found.fits
    assert fits["garch"].bic < fits["regime"].bic < fits["jump"].bic < fits["gbm"].bic
    assert found.goodness["gbm"].squares[1] < 1e-12
    assert found.goodness["garch"].squares[1] > 1e-4
    market = found.market.market
    assert None not in (market.jump, market.garch, market.regime, market.heston, market.bootstrap)


def test_the_errors_of_garch_are_robust_and_its_optimum_is_one() -> None:
    """No step of a general search from arch's estimate finds a likelier one."""
    r = gjr(1500, 3, 8.0, 0.05, 0.05, 0.88)
    fit = fit_garch(r)
    made = arch_model(100 * r, mean="Constant", vol="GARCH", p=1, o=1, q=1, dist="t", rescale=False)
    p = fit.parameters
    at = np.array([p["drift_pct"].value / 252, p["omega"].value * 1e4, p["alpha"].value, p["gamma"].value, p["beta"].value, p["dof"].value])
    resids, back = 100 * r, made.volatility.backcast(100 * r - at[0])
    bounds = made.volatility.variance_bounds(resids)

    def loss(x: F64) -> float:
        return float(-made._loglikelihood(x, np.ones_like(resids), back, bounds)) * -1

    found = optimize.minimize(loss, at, method="Nelder-Mead", options={"maxiter": 400})
    assert loss(at) - found.fun < 0.02
