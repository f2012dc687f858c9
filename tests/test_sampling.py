"""Mirrored pairs and Sobol points in a run: its bytes, its replay, and errors that know which paths belong together."""

from __future__ import annotations

import filecmp
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from test_drivers import market as of_every_law
from test_drivers import with_market

from stresslab import statistics, verbs
from stresslab.faults import InputError
from stresslab.kernels.draws import fill_uniforms
from stresslab.points import SobolPoints
from stresslab.report import read_run, write_html
from stresslab.sampling import REPLICATES, Sampling, grouped_error, groups_of, reach, sampling_faults

TABLES = ("outcomes", "days", "accounts", "instruments", "sectors", "estimates")


def normals(count: int, seed: int) -> np.ndarray:
    out = np.zeros(count)
    fill_uniforms(out, seed, 0, 1, 0)
    return norm.ppf(out)


# --- errors -------------------------------------------------------------------------------------------------------------


def test_an_error_by_hand() -> None:
    """Groups 0 and 1 with sums of deviations −3 and 3: √(2 / 1 × 18) / 4 = 1.5; and uneven groups alike."""
    values = np.array([1.0, 2.0, 3.0, 4.0])
    halves = np.array([0, 0, 1, 1])
    told = statistics.mean(values, halves)
    assert (told.value, told.error) == (2.5, pytest.approx(np.sqrt(2 * (2**2 + 2**2)) / 4))
    assert told.high - told.value == pytest.approx(12.706204736 * told.error)  # t of one degree of freedom
    mixed = np.array([0, 1, 1, 1])
    assert grouped_error(values - 2.5, mixed) == pytest.approx(np.sqrt(2 * (1.5**2 + 1.5**2)) / 4)
    assert np.isnan(grouped_error(values - 2.5, np.zeros(4, int)))


def test_groups_of_one_path_have_the_plain_errors() -> None:
    values = np.vstack([np.exp(normals(200, 1)), normals(200, 2)])
    alone = np.arange(200)
    plain, grouped = statistics.mean(values), statistics.mean(values, alone)
    assert grouped.value == pytest.approx(plain.value, rel=1e-14)
    assert grouped.error == pytest.approx(plain.error, rel=1e-12)
    y, x = np.abs(values)
    assert statistics.ratio(y, x, alone).error == pytest.approx(statistics.ratio(y, x).error, rel=1e-12)
    happened = values > 0.5
    one, two = statistics.probability(happened), statistics.probability(happened, alone)
    assert two.value == pytest.approx(one.value)
    assert two.error == pytest.approx(one.error * np.sqrt(200 / 199))
    assert two.low == pytest.approx(one.low, rel=0.02)
    plain_q, own_q = statistics.quantile_interval(values, 95), statistics.quantile_interval(values, 95, alone)
    assert np.array_equal(plain_q.value, own_q.value)
    assert own_q.low == pytest.approx(plain_q.low, abs=0.4)
    tail, own = statistics.tail_mean(values), statistics.tail_mean(values, "high", alone)
    assert np.array_equal(tail.value, own.value)
    assert own.error == pytest.approx(tail.error, rel=0.15)


def test_nothing_happened_in_any_group_is_no_certainty() -> None:
    none = statistics.probability(np.zeros(64, bool), groups_of("sobol", np.arange(64)))
    assert none.low == 0
    assert none.high > 5
    every = statistics.probability(np.ones(64, bool), groups_of("sobol", np.arange(64)))
    assert (every.value, every.high) == (100, 100)
    assert every.low < 95


def mirrored(paths: int, seed: int) -> np.ndarray:
    half = normals(paths // 2, seed)
    return np.stack([half, -half], axis=1).ravel()


def spread(paths: int, seed: int) -> np.ndarray:
    out = np.zeros(paths)
    for replicate in range(REPLICATES):
        points = SobolPoints(1, [0], seed, replicate)
        out[replicate::REPLICATES] = points.leading(0, paths // REPLICATES)[:, 0, 0]
    return out


@pytest.mark.parametrize(("sampling", "draw"), [("antithetic", mirrored), ("sobol", spread)])
def test_intervals_cover_the_truth(sampling: str, draw: object) -> None:
    """x = e^(z/2) + its own noise: mean, 95% quantile, tail mean, P(x > 2), a ratio; 95% intervals cover 95% of 400 samples ± 3 errors."""
    paths, runs = 256, 400
    groups = groups_of(sampling, np.arange(paths))
    deep = np.exp(0.5 * normals(400_000, 90)) + 0.3 * normals(400_000, 91)
    q = float(np.quantile(deep, 0.95))
    truth = [np.exp(0.125), q, float(deep[deep >= q].mean()), 100 * float((deep > 2).mean()), 100 * np.exp(0.125) / (1 + np.exp(0.125))]
    hit, narrow = np.zeros(5), np.zeros(5)
    for run in range(runs):
        z = draw(paths, 1000 + run)  # type: ignore[operator]
        x = np.exp(0.5 * z) + 0.3 * normals(paths, 5000 + run)
        told = [
            statistics.mean(x, groups), statistics.quantile_interval(x, 95, groups), statistics.tail_mean(x, "high", groups),
            statistics.probability(x > 2, groups), statistics.ratio(x, 1 + x, groups),
        ]
        alone = [statistics.mean(x), statistics.quantile_interval(x, 95), statistics.tail_mean(x), statistics.probability(x > 2),
                 statistics.ratio(x, 1 + x)]
        hit += [bool(e.low <= t <= e.high) for e, t in zip(told, truth, strict=True)]
        narrow += [float(e.error / a.error) for e, a in zip(told, alone, strict=True)]
    # A tail mean of 13 values of 256 is skewed: the interval of independent paths covers as much less.
    assert np.all(hit / runs >= np.array([0.917, 0.917, 0.86, 0.917, 0.917])), hit / runs
    assert np.all(hit / runs <= 0.99), hit / runs
    # What pairs and points are for: a mean with a smaller error than as many paths by themselves.
    assert narrow[0] / runs < 0.65, narrow / runs


def test_whole_groups_only() -> None:
    assert not sampling_faults("plain", 1)
    assert not sampling_faults("antithetic", 4)
    assert not sampling_faults("sobol", 16)
    assert not sampling_faults("sobol", 256)
    assert [f.way_out for f in sampling_faults("sobol", 200)] == ["give 128 or 256 paths"]
    assert [f.way_out for f in sampling_faults("sobol", 8)] == ["give 16 or 32 paths"]
    assert [f.column for f in (*sampling_faults("sobol", 48), *sampling_faults("antithetic", 5), *sampling_faults("antithetic", 2))] == [
        "paths"] * 3
    assert sampling_faults("halton", 16)[0].way_out == "choose one of plain, antithetic, sobol"
    assert reach(np.arange(2)) == pytest.approx(12.706204736)


# --- runs ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sampling") / "book"
    verbs.init(folder, accounts=300, seed=5)
    return folder


def made(book: Path, out: Path, sampling: str, paths: int = 32, **given: int) -> verbs.Run:
    return verbs.run(book, ["baseline", "crash-40"], paths=paths, seed=4, out=out, sampling=sampling, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("sampling", "cut"), [
    ("antithetic", {"block_paths": 7}), ("sobol", {"block_paths": 7}),
    pytest.param("sobol", {"block_paths": 7, "parts": 3}, marks=pytest.mark.long),
])
def test_the_same_bytes_for_any_blocks_and_parts_and_a_replay_that_agrees(
    book: Path, tmp_path: Path, sampling: str, cut: dict[str, int]
) -> None:
    one, other = made(book, tmp_path / "one", sampling), made(book, tmp_path / "other", sampling, **cut)
    for table in TABLES:
        assert filecmp.cmp(one.folder / f"{table}.parquet", other.folder / f"{table}.parquet", shallow=False), table
    assert verbs.replay(one, path=5, scenario="crash-40").path == 5
    assert one.record["sampling"] == sampling
    assert "M-64" in write_html(read_run(one.folder))


def test_even_paths_of_mirrored_pairs_are_those_of_a_plain_run(book: Path, tmp_path: Path) -> None:
    plain, pairs = made(book, tmp_path / "plain", "plain").outcomes, made(book, tmp_path / "pairs", "antithetic").outcomes
    even = plain["path"] % 2 == 0
    pd.testing.assert_frame_equal(plain[even], pairs[even])
    odd = ~even & (plain["scenario"] == "baseline")
    assert (plain[odd]["factor_low_ppm"] != pairs[odd]["factor_low_ppm"]).all()


def test_errors_shrink_where_the_market_decides(book: Path, tmp_path: Path) -> None:
    """How many accounts are forced hangs on the market above all: 128 paths in pairs or sets say as much as 300 by themselves."""
    def rates(sampling: str) -> pd.DataFrame:
        table = made(book, tmp_path / sampling, sampling, 128).estimates
        return table.query("platform_id == 'ALL' and measure == 'forced_sale_rate' and statistic == 'mean'").reset_index(drop=True)

    plain, pairs, points = rates("plain"), rates("antithetic"), rates("sobol")
    for other in (pairs, points):
        assert (other["error"] < 0.65 * plain["error"]).all()
        assert (abs(other["value"] - plain["value"]) < 3 * np.hypot(other["error"], plain["error"])).all()


def test_a_faulty_number_of_paths_writes_nothing(book: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        made(book, tmp_path / "no", "sobol", 200)
    assert [f.column for f in caught.value.faults] == ["paths"]
    assert not (tmp_path / "no").exists()
    with pytest.raises(InputError) as caught:
        made(book, tmp_path / "no", "sobol", 0)
    assert len(caught.value.faults) == 1
    assert list(Sampling) == ["plain", "antithetic", "sobol"]


def test_sobol_points_of_a_bootstrap_are_refused_with_a_way_out(book: Path, tmp_path: Path) -> None:
    """(M-299) Before anything is written; without Sobol the same scenario runs."""
    market = of_every_law(volatility_pct=10.0, drift_pct=0.0)
    asked = [with_market(model=model).model_copy(update={"id": model, "days": 5}) for model in ("gbm", "bootstrap")]
    with pytest.raises(InputError) as caught:
        verbs.run(book, asked, market=market, paths=16, seed=1, out=tmp_path / "no", sampling="sobol")
    (fault,) = caught.value.faults
    assert (fault.file, fault.column, fault.value) == ("scenario bootstrap", "market.model", "bootstrap")
    assert "plain or antithetic, or choose another model" in fault.way_out
    assert not (tmp_path / "no").exists()
    run = verbs.run(book, asked, market=market, paths=16, seed=1, out=tmp_path / "pairs", sampling="antithetic")
    assert len(run.outcomes) > 0
    verbs.run(book, asked[:1], market=market, paths=16, seed=1, out=tmp_path / "points", sampling="sobol")
