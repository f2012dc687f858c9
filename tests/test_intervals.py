"""Intervals and the price of many tries: bits, coverage where the answer is known, another library's p-values (M-189 to M-191)."""

from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import SPA
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from stresslab.early_warning.intervals import best_of, block_bootstrap, holm, resampled, words
from stresslab.early_warning.scores import auroc
from stresslab.kernels import draws

Floats = NDArray[np.float64]


def normals(seed: int, n: int, path: int = 0) -> Floats:
    u = (words(seed, path, 0, 0, np.arange(n))[:, 0] + 0.5) / 2.0**32
    return norm.ppf(u)


def autoregressive(seed: int, n: int, phi: float, path: int = 0) -> Floats:
    """AR(1) of mean 0, from its stationary law."""
    z = normals(seed, n, path)
    x = np.empty(n)
    x[0] = z[0] / np.sqrt(1 - phi**2)
    for t in range(1, n):
        x[t] = phi * x[t - 1] + z[t]
    return x


# --- draws --------------------------------------------------------------------------------------


@given(*[st.integers(0, 2**31)] * 4, st.integers(0, 2**64 - 1))
def test_words_are_the_kernels_words(slot: int, day: int, stream: int, path: int, seed: int) -> None:
    told = words(seed, path, day, stream, [slot, slot + 1])
    theirs = [draws.words(np.uint64(seed), path, day, stream, s) for s in (slot, slot + 1)]
    assert [tuple(map(int, w)) for w in told] == [tuple(map(int, w)) for w in theirs]


def test_a_known_answer_of_random123() -> None:
    # kat_vectors: philox4x32 10, counter ffffffff ×4, key ffffffff ×2.
    full = 0xFFFFFFFF
    told = words((full << 32) | full, full, full, full, [full])
    assert [f"{w:08x}" for w in told[0].tolist()] == ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]


@given(st.integers(1, 60), st.data(), st.integers(0, 2**32))
def test_blocks_run_on(n: int, data: st.DataObject, seed: int) -> None:
    block = data.draw(st.integers(1, n))
    moving = list(resampled(n, block, 3, seed, "moving"))[2]
    assert moving.size == n
    assert ((moving >= 0) & (moving < n)).all()
    assert all(moving[i] == moving[i - 1] + 1 for i in range(n) if i % block)
    circular = list(resampled(n, block, 3, seed))[2]
    assert all(circular[i] == (circular[i - 1] + 1) % n for i in range(n) if i % block)
    several = list(resampled(n, block, 70, seed, "stationary"))
    assert all(rows.size == n and ((rows >= 0) & (rows < n)).all() for rows in several)
    assert all((a == b).all() for a, b in zip(several, resampled(n, block, 66, seed, "stationary"), strict=False))


def test_blocks_have_the_length_that_was_asked_and_every_row_is_as_likely() -> None:
    n, block = 50, 5
    rows = np.array(list(resampled(n, block, 4_000, 9, "stationary")))
    breaks = ((rows[:, 1:] - rows[:, :-1]) % n != 1).mean()
    # A new block starts with chance 1 / 5, and one time in 50 where the old one would have gone on.
    expected = 0.2 * 49 / 50
    assert abs(breaks - expected) < 3 * np.sqrt(expected * (1 - expected) / (4_000 * 49))
    counts = np.bincount(rows.reshape(-1), minlength=n)
    # Rows of one draw are dependent: the spread over draws is measured, not assumed.
    spread = np.array([np.bincount(r, minlength=n) for r in rows]).std(axis=0) / np.sqrt(4_000)
    assert (np.abs(counts / 4_000 - 1) < 4 * spread).all()


def test_lengths_of_blocks_are_geometric() -> None:
    # A block is told by where rows do not go on; of 400 rows the first one is whole unless it is the last.
    first = np.array([np.argmax(np.append(np.diff(rows) % 400 != 1, True)) + 1 for rows in resampled(400, 7, 5_000, 3, "stationary")])
    for longer in (1, 3, 7, 20):
        # One time in 400 a new block goes on where the old one ended.
        p = (1 - 1 / 7 * 399 / 400) ** longer
        assert abs((first > longer).mean() - p) < 3 * np.sqrt(p * (1 - p) / 5_000), longer


def test_the_same_seed_gives_the_same_interval() -> None:
    x = autoregressive(1, 200, 0.5)
    one = block_bootstrap(np.mean, x, block=10, repetitions=50, seed=7)
    assert one == block_bootstrap(np.mean, x, block=10, repetitions=50, seed=7)
    assert one != block_bootstrap(np.mean, x, block=10, repetitions=50, seed=8)


# --- coverage -----------------------------------------------------------------------------------


def test_the_error_of_a_mean_of_independent_days_is_known() -> None:
    x = normals(5, 400)
    told = block_bootstrap(np.mean, x, block=1, repetitions=4_000, seed=2)
    exact = x.std(ddof=1) / np.sqrt(400)
    assert abs(told.error / exact - 1) < 3 / np.sqrt(2 * 4_000)
    assert told.low < told.value < told.high
    assert told.used == 1


def covered(worlds: int, n: int, block: int, repetitions: int, kind: str = "circular", scale: str = "student") -> float:
    """In what share of worlds the interval of the mean of an AR(1) of 0.5 holds it."""
    inside = 0
    for w in range(worlds):
        x = autoregressive(11, n, 0.5, w)
        told = block_bootstrap(np.mean, x, block=block, repetitions=repetitions, seed=w, kind=kind, scale=scale)
        inside += told.low <= 0 <= told.high
    return inside / worlds


def area_covered(worlds: int, n: int, block: int, repetitions: int) -> float:
    """In what share of worlds the interval of an AUROC holds it: 20 of 100 days before events, scores an AR(1) of 0.8 and a lift."""
    y = np.arange(n) % 100 < 20
    spread, lift = np.sqrt(1 / (1 - 0.8**2)), 1.5
    apart = np.abs(np.flatnonzero(y)[:, None] - np.flatnonzero(~y)[None, :])
    # The chance that the one day ranks above the other is known for each pair, however far apart.
    truth = norm.cdf(lift / (spread * np.sqrt(2 * (1 - 0.8**apart)))).mean()
    inside = 0
    for w in range(worlds):
        s = autoregressive(12, n, 0.8, w) + lift * y
        told = block_bootstrap(auroc, y, s, block=block, repetitions=repetitions, seed=w, within=(0, 1))
        inside += told.low <= truth <= told.high
    return inside / worlds


def test_intervals_of_autoregressive_days_hold_what_they_promise() -> None:
    # 150 worlds: three standard errors of a share of 95% are 5.3 points.
    assert abs(covered(150, 1_000, 40, 200) - 0.95) <= 0.053


def test_intervals_of_areas_hold_what_they_promise() -> None:
    assert abs(area_covered(150, 1_500, 50, 100) - 0.95) <= 0.053


def test_single_days_promise_too_much() -> None:
    # The same worlds as if days were independent: the mean of an AR(1) of 0.5 varies √3 times more, so that 74% hold.
    exact = 2 * norm.cdf(1.96 / np.sqrt(3)) - 1
    assert abs(covered(150, 1_000, 1, 100, "stationary") - exact) < 3 * np.sqrt(exact * (1 - exact) / 150)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["circular", "stationary", "moving"])
@pytest.mark.parametrize("block", [20, 40, 80])
def test_coverage_lies_between_92_and_98_percent(kind: str, block: int) -> None:
    assert 0.92 <= covered(1_000, 1_000, block, 300, kind) <= 0.98


@pytest.mark.long
def test_coverage_of_areas_lies_between_92_and_98_percent() -> None:
    # With 1,500 days, 15 times of danger, it is 90 to 92% (M-189): the error itself is then 5% too small.
    assert 0.92 <= area_covered(300, 3_000, 100, 120) <= 0.98


@pytest.mark.parametrize("scale", ["percentile", "basic"])
def test_other_scales_are_what_they_are_called(scale: str) -> None:
    x = autoregressive(3, 300, 0.5)
    told = block_bootstrap(np.mean, x, block=15, repetitions=300, seed=2, scale=scale, within=(-9, 0.0))
    drawn = [x[rows].mean() for rows in resampled(300, 15, 300, 2)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert told.error == pytest.approx(np.std(drawn, ddof=1) * np.sqrt(20 / 19))
    expected = (low, high) if scale == "percentile" else (2 * x.mean() - high, 2 * x.mean() - low)
    assert (told.low, told.high) == (pytest.approx(expected[0]), pytest.approx(min(expected[1], 0.0)))


def test_one_block_has_no_interval() -> None:
    told = block_bootstrap(np.mean, normals(1, 30), block=20, repetitions=50)
    assert np.isnan([told.low, told.high, told.error]).all()


def test_draws_without_an_event_are_counted_out() -> None:
    y = np.arange(300) >= 290
    s = normals(3, 300)
    told = block_bootstrap(auroc, y, s, block=30, repetitions=300, seed=1, kind="stationary")
    assert 0.5 < told.used < 0.95
    # A block that must begin where it does not pass the end meets the last days seldom.
    seldom = block_bootstrap(auroc, y, s, block=30, repetitions=300, seed=1, kind="moving")
    assert abs(seldom.used - (1 - (1 - 10 / 271) ** 10)) < 3 * np.sqrt(0.25 / 300)
    assert np.isnan(seldom.low) == (seldom.used < 0.5)
    none = block_bootstrap(auroc, np.zeros(300, bool), s, block=30, repetitions=10, seed=1)
    assert np.isnan([none.value, none.low, none.high, none.error]).all()
    assert none.used == 0


def test_what_cannot_be_drawn_is_refused() -> None:
    one, two = [1.0], [1.0, 2.0]
    for arrays, options in (
        ((), {"block": 1}), ((one, two), {"block": 1}), ((two,), {"block": 3}), ((two,), {"block": 0}),
        ((two,), {"block": 1, "level": 1.0}), ((two,), {"block": 1, "repetitions": 1}),
    ):
        with pytest.raises(ValueError, match=r"block|arrays|level"):
            block_bootstrap(np.mean, *arrays, **options)


# --- many tries ---------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], atol=1e-15)
    assert holm([]).size == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, float("nan")])


@settings(max_examples=15)  # theirs takes a seventh of a second
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_statsmodels_steps_down_alike(p: list[float]) -> None:
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-14)


def worlds_of(count: int, n: int, k: int, lift: float = 0.0, poor: int = 0) -> list[Floats]:
    """Gains of K specifications that share half of their noise; the first is better by `lift`, the last ones are hopeless."""
    found = []
    for w in range(count):
        shared, own = autoregressive(21, n, 0.3, w), normals(22, n * k, w).reshape(n, k)
        table = shared[:, None] + own
        table[:, 0] += lift
        if poor:
            table[:, -poor:] -= 1.0
        found.append(table)
    return found


def test_the_best_of_ten_useless_ones_is_seldom_called_good() -> None:
    told = [best_of(table, block=10, repetitions=200, seed=w) for w, table in enumerate(worlds_of(120, 250, 10))]
    bound = 0.10 + 3 * np.sqrt(0.1 * 0.9 / 120)
    for name in ("reality", "spa"):
        assert np.mean([getattr(t, name) <= 0.10 for t in told]) <= bound, name
    # Alone, the luckiest of ten looks good far too often: that is what the correction is for.
    assert np.mean([t.alone <= 0.10 for t in told]) > bound


def test_a_good_one_is_found_among_hopeless_ones() -> None:
    told = [best_of(table, block=10, repetitions=200, seed=w) for w, table in enumerate(worlds_of(60, 250, 20, 0.35, 18))]
    assert {t.which for t in told} <= {0, 1}
    spa, reality = (np.mean([getattr(t, name) <= 0.05 for t in told]) for name in ("spa", "reality"))
    assert spa >= 0.5
    assert spa >= reality


@pytest.mark.parametrize(("lift", "poor"), [(0.0, 0), (0.2, 0), (0.3, 0), (0.1, 18)])
def test_arch_finds_the_same_p_value(lift: float, poor: int) -> None:
    table = worlds_of(1, 400, 8 if not poor else 20, lift, poor)[0]
    mine = best_of(table, block=10, repetitions=2_000, seed=4)
    theirs = SPA(np.zeros(400), -table, block_size=10, reps=2_000, seed=4)
    theirs.compute()
    p = theirs.pvalues["consistent"]
    # Both are shares of 2,000 draws; there a kernel, here the draws themselves measure the spread.
    assert abs(mine.spa - p) < 4 * np.sqrt(2 * max(p * (1 - p), 0.01) / 2_000) + 0.01
    raw = SPA(np.zeros(400), -table, block_size=10, reps=2_000, seed=5, studentize=False)
    raw.compute()
    u = raw.pvalues["upper"]
    assert abs(mine.reality - u) < 4 * np.sqrt(2 * max(u * (1 - u), 0.01) / 2_000)


def test_gains_that_are_none() -> None:
    told = best_of(np.zeros((30, 3)), block=3, repetitions=20)
    assert (told.alone, told.reality, told.spa) == (1, 1, 1)
    with pytest.raises(ValueError, match="days × specifications"):
        best_of([1.0, 2.0], block=1)
