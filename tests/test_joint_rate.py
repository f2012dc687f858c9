"""A short rate measured on a history, and moved with the market: known laws found again, closed forms of a Gaussian pair, a plain twin."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tail_books
from scipy import stats
from scipy.special import ndtri
from typer.testing import CliRunner

from stresslab.cli import app
from stresslab.faults import InputError
from stresslab.history import History
from stresslab.kernels import joint, noise, rates, returns, special
from stresslab.kernels.draws import STREAM_DEMO, fill_uniforms
from stresslab.market import Market, read_market
from stresslab.market.laws import ShortRate
from stresslab.market.rate_fit import RateAsked, RateFit, fit_rate, read_curve
from stresslab.market.short_rate import law_of, vasicek_sd
from stresslab.resolve import Resolved, resolve
from stresslab.scenario import read_scenario

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
VASICEK = {
    "model": "vasicek", "initial_pct": 3.0, "long_run_pct": 4.0, "mean_reversion": 2.0, "volatility_pct": 1.0, "correlation": -0.4,
    "source": "golden",
}
CIR = {
    "model": "cir", "initial_pct": 3.0, "long_run_pct": 4.0, "mean_reversion": 2.0, "volatility": 0.1, "correlation": 0.6,
    "source": "golden",
}
DAYS = pd.bdate_range("2000-01-03", periods=5_000)


def normals(n: int, at: int) -> np.ndarray:
    out = np.zeros(n)
    fill_uniforms(out, 20261123, at, 0, STREAM_DEMO)
    return ndtri(out)


# --- measured on a history --------------------------------------------------------------------------


def vasicek(n: int, at: int, a: float = 2.0, b: float = 0.04, s: float = 0.01) -> np.ndarray:
    k, sd = math.exp(-a / 252), s * math.sqrt((1 - math.exp(-2 * a / 252)) / (2 * a))
    z, r = normals(n, at), np.full(n, b)
    for t in range(1, n):
        r[t] = b + k * (r[t - 1] - b) + sd * z[t]
    return r


def cir(n: int, at: int, a: float = 2.0, b: float = 0.04, s: float = 0.1) -> np.ndarray:
    """Exact: each day is a noncentral chi-square."""
    unit, keep = s * s * (1 - math.exp(-a / 252)) / (4 * a), math.exp(-a / 252)
    u, r = stats.norm.cdf(normals(n, at)), np.full(n, b)
    for t in range(1, n):
        r[t] = unit * stats.ncx2.ppf(u[t], 4 * a * b / s**2, r[t - 1] * keep / unit)
    return r


def history(rate: np.ndarray, **more: np.ndarray) -> History:
    days = DAYS[: rate.size]
    index = pd.DataFrame({"index_id": "I", "date": days, "close": 100 * np.exp(0.01 * np.cumsum(normals(rate.size, 77)))})
    table = pd.DataFrame({"date": days, "short_pct": 100 * rate} | {name: 100 * values for name, values in more.items()})
    return History(pd.DataFrame({"instrument_id": [], "date": [], "close": []}), index, {"rates": table})


def measured(held: History, **asked: Any) -> RateFit:
    return fit_rate(held, RateAsked("short_pct", **asked), np.log(held.closes()).diff().dropna())


def off(fit: RateFit, **truth: float) -> list[float]:
    """How many of its own errors each estimate is off."""
    return [(fit.parameters[name].value - value) / (fit.parameters[name].error or math.nan) for name, value in truth.items()]


def test_vasicek_and_hull_white_are_found_again() -> None:
    held = history(vasicek(5_000, 1), two=np.full(5_000, 0.05), ten=np.full(5_000, 0.06))
    fit = measured(held)
    assert np.abs(off(fit, mean_reversion=2.0, long_run_pct=4.0, volatility_pct=1.0)).max() < 3
    assert fit.correlation is not None  # of two series made apart
    assert abs(fit.correlation.value) < 3 * (fit.correlation.error or 0)
    assert fit.correlation.error == pytest.approx(1 / math.sqrt(fit.common_days), rel=0.1)
    other = measured(held, model="hull_white", curve={"two": 2.0, "ten": 10.0})
    assert other.parameters == {name: fit.parameters[name] for name in ("mean_reversion", "volatility_pct")}
    assert other.curve == ((2.0, pytest.approx(100 * math.log(1.05))), (10.0, pytest.approx(100 * math.log(1.06))))
    for made in (fit, other):
        given = ShortRate.model_validate(made.table(6))
        assert given.initial_pct == round(100 * held.tables["rates"]["short_pct"].iloc[-1] / 100, 6)
        assert given.volatility_error_pct == round(fit.parameters["volatility_pct"].error or 0, 6)


def test_the_regression_is_the_likelihood() -> None:
    """(M-288) The parameters at which the exact normal law of all days is likeliest, and the curvature there gives the errors."""
    rate = vasicek(3_000, 2)
    fit = measured(history(rate))
    a, b, s = (fit.parameters[n].value / x for n, x in (("mean_reversion", 1), ("long_run_pct", 100), ("volatility_pct", 100)))

    def likelihood(a: float, b: float, s: float) -> float:
        k = math.exp(-a / 252)
        return float(stats.norm.logpdf(rate[1:], b + (rate[:-1] - b) * k, s * math.sqrt((1 - k * k) / (2 * a))).sum())

    best = likelihood(a, b, s)
    for at in ((a * 1.05, b, s), (a * 0.95, b, s), (a, b + 2e-4, s), (a, b - 2e-4, s), (a, b, s * 1.02), (a, b, s * 0.98)):
        assert likelihood(*at) < best
    error = fit.parameters["long_run_pct"].error or 0
    curvature = -(likelihood(a, b + 1e-4, s) - 2 * best + likelihood(a, b - 1e-4, s)) / 1e-8
    assert error / 100 >= 0.98 / math.sqrt(curvature)  # the others are estimated beside it


def test_cir_is_found_again_on_exact_days() -> None:
    fit = measured(history(cir(5_000, 3)), model="cir")
    assert np.abs(off(fit, mean_reversion=2.0, long_run_pct=4.0, volatility=0.1)).max() < 3
    assert fit.parameters["volatility"].error == pytest.approx(0.1 / math.sqrt(2 * 5_000), rel=0.1)
    assert ShortRate.model_validate(fit.table(6)).model == "cir"


@pytest.mark.long
@pytest.mark.parametrize("model", ["vasicek", "cir"])
def test_errors_of_rates_cover(model: str) -> None:
    """Of 200 histories 1.96 errors hold level and volatility 88 to 99 times in 100; the speed is biased as the page says."""
    make = vasicek if model == "vasicek" else cir
    found = [measured(history(make(2_500, 1_000 + n)), model=model) for n in range(200)]
    name = "volatility_pct" if model == "vasicek" else "volatility"
    for key, truth in (("long_run_pct", 4.0), (name, 1.0 if model == "vasicek" else 0.1)):
        apart = np.array([off(fit, **{key: truth})[0] for fit in found])
        assert 0.88 <= (np.abs(apart) < 1.96).mean() <= 0.99, key
    speed = np.array([fit.parameters["mean_reversion"].value for fit in found])
    bias = 4 / (2_500 / 252)
    assert abs(speed.mean() - 2.0 - bias) < 3 * speed.std() / math.sqrt(200) + 0.15


def test_a_correlation_that_was_put_in_is_found() -> None:
    days, a, b, s = 4_000, 2.0, 0.04, 0.01
    k, sd = math.exp(-a / 252), s * math.sqrt((1 - math.exp(-2 * a / 252)) / (2 * a))
    e, z = normals(days, 5), normals(days, 6)
    rate = np.full(days, b)
    for t in range(1, days):
        rate[t] = b + k * (rate[t - 1] - b) + sd * (-0.4 * e[t] + math.sqrt(1 - 0.16) * z[t])
    held = history(rate)
    held.index["close"] = 100 * np.exp(0.01 * np.cumsum(e))
    # Every seventh day of the index is missing: only moves between the same two days are compared.
    fit = fit_rate(held, RateAsked("short_pct"), np.log(held.closes().iloc[np.arange(days) % 7 > 0]).diff().dropna())
    assert fit.correlation is not None
    assert abs(fit.correlation.value + 0.4) < 3 * (fit.correlation.error or 0)
    assert days * 5 / 7 - 10 < fit.common_days < days * 5 / 7 + 10
    few = fit_rate(held, RateAsked("short_pct"), np.log(held.closes().iloc[:200]).diff().dropna())
    assert few.correlation is None
    assert "198 days in common" in few.remarks[-1].en


def test_what_is_no_history_of_a_rate_is_refused() -> None:
    held = history(vasicek(400, 7), two=np.full(400, 0.05))
    for asked, said in (
        (RateAsked("shirt_pct"), "no such column"), (RateAsked("short_pct", "hull_white"), "must reach 2 years"),
        (RateAsked("short_pct", "cir", {"two": 2.0}), "is not read by the law cir"),
        (RateAsked("short_pct", "hull_white", {"two": 2.0, "short_pct": 2.0}), "names some years twice"),
        (RateAsked("short_pct", "hull-white"), "is no law"),
    ):
        with pytest.raises(InputError, match=said):
            fit_rate(held, asked, pd.Series(dtype=float))
    below, walk = vasicek(400, 7, b=0.001), np.cumsum(np.full(400, 1e-4))
    for rate, model, said in (
        (below, "cir", "is negative on"), (walk, "vasicek", "returns to no mean"), (below[:100], "vasicek", "99 daily moves"),
    ):
        with pytest.raises(InputError, match=said):
            measured(history(rate), model=model)
    with pytest.raises(InputError, match="holds no table of rates"):
        fit_rate(History(held.prices, held.index), RateAsked("short_pct"), pd.Series(dtype=float))
    faults: list[Any] = []
    assert read_curve(["a=2", "b=x", "c=0", " d e = 0.5"], faults) == {"a": 2.0, "d e": 0.5}
    assert [f.value for f in faults] == ["b=x", "c=0"]


def test_the_command_line_writes_a_law_that_a_run_draws(tmp_path: Path) -> None:
    held = history(vasicek(300, 8))
    held.index.assign(index_id="I").to_csv(tmp_path / "index.csv", index=False)
    held.tables["rates"].to_csv(tmp_path / "rates.csv", index=False)
    out = tmp_path / "market"
    done = CliRunner().invoke(app, ["calibrate", str(tmp_path), "--out", str(out), "--rate", "short_pct"])
    assert done.exit_code == 0, done.stderr
    assert "short_pct, vasicek: mean_reversion" in done.stdout
    market = read_market(out / "market.toml")
    assert market.rates is not None
    assert market.rates.correlation is not None
    numbers = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    assert numbers["rates"]["parameters"]["volatility_pct"]["error"] > 0
    page = (out / "calibration.html").read_text(encoding="utf-8")
    assert "The short rate short_pct: Vasicek" in page
    assert "均值回归速度" in page
    scenario = read_scenario("baseline").model_copy(update={"days": 5})
    drawn = scenario.model_validate(scenario.model_dump(exclude_none=True) | {"rates": {"model": "market", "source": "the market"}})
    made = resolve(tail_books.book("diversified", accounts=4, instruments=2), market, drawn)
    assert made.market.short_rate.correlation == market.rates.correlation
    alone = CliRunner().invoke(app, ["calibrate", str(tmp_path), "--out", str(out), "--curve", "two=2", "--rate-model", "cir"])
    assert isinstance(alone.exception, InputError)
    assert [f.column for f in alone.exception.faults] == ["curve", "rate-model"]


@pytest.mark.skipif(not DATA.is_dir(), reason="the histories of rates are not there")
def test_the_month_rate_of_shanghai_and_its_shares() -> None:
    """The numbers of the shipped scenario come out of the verb's own fit; the index is that of Shanghai."""
    from stresslab.history import read_history

    held = read_history(DATA / "cn_shibor_daily" / "cn_shibor_daily.csv", DATA / "cn_index_daily")
    closes = held.closes(next(i for i in held.index_ids if "000300" in i or "000001" in i))
    fit = fit_rate(held, RateAsked("shibor_m1_pct"), np.log(closes).diff().dropna())
    law = read_scenario("rates-random").rates.law
    assert fit.parameters["mean_reversion"].value == pytest.approx(law.mean_reversion, abs=0.2)
    assert fit.parameters["volatility_pct"].value == pytest.approx(law.volatility_pct, abs=0.1)
    assert fit.correlation is not None
    assert abs(fit.correlation.value) < 0.2


# --- drawn together ---------------------------------------------------------------------------------


def together(model: str, law: dict[str, Any], crash: dict[str, Any] | None = None, days: int = 20, **factor: Any) -> Resolved:
    market = tail_books.market(24.0, 5.0).model_dump(exclude_none=True)
    market["market"] |= {"model": model, **factor}
    changes: dict[str, Any] = {"rates": {"law": law, "source": "golden"}}
    if crash is not None:
        changes["market"] = {"crash": {"index": "market", "definition": "terminal", "after": "free", "source": "supposed"} | crash}
    made = tail_books.scenario(days, **changes)
    return resolve(tail_books.book("diversified", accounts=2, instruments=1), Market.model_validate(market), made)


def draw(resolved: Resolved, paths: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Market levels and rates of some paths (paths × days 0..T), and the normal of each market day."""
    terms, days = resolved.market, resolved.facts.terms.calendar.size
    room, levels = noise.new_noise(days - 1, terms.wanted.size - noise.LEAD_FACTORS, 1), returns.new_levels(terms)
    price = np.zeros((days, 1), np.int64)
    market, rate, e = (np.zeros((paths, days)) for _ in range(3))
    for path in range(paths):
        noise.draw_noise(room, terms.wanted, 11, path)
        returns.fundamental_prices(price, levels, terms, room, 11, path)
        market[path], rate[path] = levels.market, levels.rate
        for t in range(1, days):
            e[path, t] = joint.market_normal(terms.law, levels.trace, t, levels.market[t] - levels.market[t - 1])
    return market, rate, e


def close(values: np.ndarray, exact: float) -> None:
    assert abs(values.mean() - exact) < 3 * values.std(ddof=1) / math.sqrt(values.size), (values.mean(), exact)


def test_covariances_of_market_and_rate_are_the_closed_form() -> None:
    """(M-289) Cov(F(T), r(T)) = ρ σ_d s Σ k^(T−t); the rate alone keeps its law."""
    resolved = together("gbm", VASICEK)
    market, rate, _ = draw(resolved, 3_000)
    law, days = resolved.market.short_rate, 20
    assert law.correlation == -0.4
    exact = -0.4 * resolved.market.law.sd * law.sd * sum(law.keep**j for j in range(days))
    f, r = market[:, -1] - resolved.market.law.drift * days, rate[:, -1] - law.mean[-1]
    close(f * r, exact)
    close(r, 0.0)
    close(r * r, vasicek_sd(2.0, 0.01, days / 252) ** 2)
    assert stats.kstest(r / vasicek_sd(2.0, 0.01, days / 252), "norm").pvalue > 0.001


def test_a_crash_moves_the_rate_as_the_gaussian_pair_says() -> None:
    """(M-289) E[r(k) | F(k) = b] = E r(k) + Cov(F, r) / Var F × (b − E F); what is left has variance Var r (1 − corr²)."""
    for shape in ("bridge", "gap"):
        resolved = together("gbm", VASICEK, {"depth_pct": 20, "trough_day": 10, "shape": shape})
        market, rate, _ = draw(resolved, 1_500)
        law, factor = resolved.market.short_rate, resolved.market.law
        assert market[:, 10] == pytest.approx(math.log(0.8))
        b = math.log(0.8) - 10 * factor.drift
        if shape == "bridge":
            cov = -0.4 * factor.sd * law.sd * sum(law.keep**j for j in range(10))
            close(rate[:, 10] - law.mean[10], cov / (10 * factor.sd**2) * b)
            left = vasicek_sd(2.0, 0.01, 10 / 252) ** 2 - cov**2 / (10 * factor.sd**2)
            close((rate[:, 10] - rate[:, 10].mean()) ** 2, left)
        else:
            # All at once on day 10: fifteen deviations, of which eight count.
            jump = rate[:, 10] - law.mean[10] - law.keep * (rate[:, 9] - law.mean[9])
            close(jump, -0.4 * -joint.DEVIATIONS_MOST * law.sd)


@pytest.mark.parametrize(("model", "factor"), [
    ("jump", {"jump": {"intensity": 20.0, "mean_pct": -2.0, "sd_pct": 3.0}}),
    ("regime", {"regime": {"volatility_pct": [15.0, 40.0], "drift_pct": [5.0, -10.0], "transition": [[0.98, 0.02], [0.05, 0.95]]}}),
    ("garch", {"garch": {"alpha": 0.05, "gamma": 0.05, "beta": 0.9, "initial_volatility_pct": 20.0, "dof": 5.0}}),
    ("heston", {"heston": {
        "mean_reversion": 5.0, "volatility_of_variance": 0.4, "correlation": -0.7, "initial_volatility_pct": 20.0}}),
])
def test_every_law_has_a_normal_a_day_that_the_rate_follows(model: str, factor: dict[str, Any]) -> None:
    if model == "regime":
        regime = factor["regime"]
        spread = laws_volatility(regime)
        factor = {"volatility_pct": spread, "regime": regime}
    resolved = together(model, CIR, **factor)
    _, rate, e = draw(resolved, 300)
    days = e[:, 1:].ravel()
    assert stats.kstest(days, "norm").pvalue > 0.001
    law = resolved.market.short_rate
    surprise = np.zeros_like(e)
    for t in range(1, e.shape[1]):
        expected = law.pull + law.keep * (rate[:, t - 1] - law.pull)
        surprise[:, t] = (rate[:, t] - expected) / np.sqrt(law.spread * rate[:, t - 1] + law.floor)
    close((surprise * e)[:, 1:].ravel(), 0.6)


def laws_volatility(regime: dict[str, Any]) -> float:
    from stresslab.market.laws import regime_volatility

    found = regime_volatility(np.array(regime["volatility_pct"]), np.array(regime["drift_pct"]), np.array(regime["transition"]))
    return round(float(found), 4)


def test_a_twin_by_hand_gives_the_same_rates() -> None:
    """Plain Python from the market's levels and the path's own normals; after a flat end the rate goes on by itself."""
    resolved = together("gbm", VASICEK, {"depth_pct": 20, "trough_day": 10, "shape": "ramp", "after": "flat"})
    terms, law = resolved.market, resolved.market.short_rate
    room, levels = noise.new_noise(20, terms.wanted.size - noise.LEAD_FACTORS, 1), returns.new_levels(terms)
    noise.draw_noise(room, terms.wanted, 11, 3)
    returns.fundamental_prices(np.zeros((21, 1), np.int64), levels, terms, room, 11, 3)
    expected = [law.mean[0]]
    for t in range(1, 21):
        move = levels.market[t] - levels.market[t - 1]
        e = min(8.0, max(-8.0, (move - terms.law.drift) / terms.law.sd)) if t <= 10 else 0.0
        z = -0.4 * e + math.sqrt(1 - 0.4 * 0.4) * room.leading[t, noise.LEAD_RATE]
        expected.append(law.mean[t] + law.keep * (expected[-1] - law.mean[t - 1]) + law.sd * z)
    assert levels.rate.tolist() == pytest.approx(expected, rel=1e-12)


def test_without_a_correlation_the_rate_is_what_it_was() -> None:
    apart = together("gbm", {k: v for k, v in VASICEK.items() if k != "correlation"})
    _, rate, _ = draw(apart, 3)
    room = noise.new_noise(20, apart.market.wanted.size - noise.LEAD_FACTORS, 1)
    for path in range(3):
        noise.draw_noise(room, apart.market.wanted, 11, path)
        out = np.zeros(21)
        rates.rate_path(out, apart.market.short_rate, room.leading)
        assert np.array_equal(rate[path], out)
    assert law_of(ShortRate.model_validate(VASICEK), 5, noisy=False).correlation == 0.0


def test_a_table_is_read_backwards() -> None:
    from stresslab.drivers import student

    table = student(4.0)
    for z in (-6.5, -1.0, 0.0, 0.3, 5.0):
        assert joint.unread(table, float(special.read(table, z))) == pytest.approx(z, abs=1e-9)


def test_a_drawn_history_has_no_normal_to_follow() -> None:
    days = tuple(f"2020-01-{d:02d}" for d in range(1, 21))
    drawn = {"dates": days, "market": tuple(0.01 * (-1) ** d for d in range(20))}
    market = tail_books.market(24.0, 5.0).model_dump(exclude_none=True)
    market["market"]["bootstrap"] = {"file": "returns.csv", "mean_block_days": 5.0}
    market = Market.model_validate(market | {"history": drawn})
    law = {"model": "vasicek", "initial_pct": 3.0, "long_run_pct": 3.0, "mean_reversion": 1.0, "volatility_pct": 1.0, "source": "t"}
    asked = tail_books.scenario(5, rates={"law": law | {"correlation": 0.3}, "source": "supposed"}, market={"model": "bootstrap"})
    with pytest.raises(InputError, match="no normal stands behind such a day"):
        resolve(tail_books.book("diversified", accounts=2, instruments=1), market, asked)
    resolve(tail_books.book("diversified", accounts=2, instruments=1), market, tail_books.scenario(
        5, rates={"law": law, "source": "supposed"}, market={"model": "bootstrap"}))


def test_no_correlation_is_beyond_one() -> None:
    for bad in (1.0, -1.0, 2.0):
        with pytest.raises(ValueError, match="correlation"):
            ShortRate.model_validate(VASICEK | {"correlation": bad})
