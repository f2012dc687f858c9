"""The panel of Heston and Merton assets: published option prices, a plain twin, and the same bits without the compiler."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from plain import philox4x32

from stresslab.kernels import draws, panel
from stresslab.kernels.normals import fill_normals, new_words

ROOT = Path(__file__).parent.parent
F64 = NDArray[np.float64]
compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes as plain Python, without the JIT")


def laws(count: int, days: int, years: float, loading: F64 | None = None, **given: float) -> tuple[panel.Panel, np.float32]:
    """Return a panel of equal assets at 100, with no variance of the variance and no jumps unless given, and its step."""
    base = {
        "drift": 0.0, "first": 0.04, "reversion": 1.0, "long_run": 0.04, "vol_of_vol": 0.0, "correlation": 0.0, "intensity": 0.0,
        "jump_mean": 0.0, "jump_sd": 0.0,
    }
    each = {name: np.full(count, given.get(name, value)) for name, value in base.items()}
    step = years / days
    made = panel.new_panel(days, np.full(count, 100.0), step, loading=np.zeros((0, count)) if loading is None else loading, **each)
    return made, np.float32(step)


def ends(p: panel.Panel, step: np.float32, count: int, paths: int, seed: int = 1) -> F64:
    """Return the prices on the last day."""
    days = p.noise.shape[1] // p.terms.shape[1]
    out = np.zeros((1, days, p.terms.shape[1]), np.float32)
    found = np.zeros((paths, count))
    for path in range(paths):
        panel.panel_paths(out, p, step, seed, path)
        found[path] = out[0, -1, :count]
    return found.ravel()


def assert_within(sample: F64, law: float) -> None:
    error = sample.std(ddof=1) / math.sqrt(sample.size)
    assert abs(sample.mean() - law) < 3 * error, (sample.mean(), law, error)


@pytest.fixture(scope="module")
def heston() -> F64:
    """Lewis's example: v0 = 0.04, κ = 4, θ = 0.25, σ = 1, ρ = −0.5, r = 1%, q = 2%, one year in 2,016 steps."""
    p, step = laws(304, 2_016, 1.0, drift=-0.01, first=0.04, reversion=4.0, long_run=0.25, vol_of_vol=1.0, correlation=-0.5)
    return ends(p, step, 304, 500)


@compiled_only
@pytest.mark.parametrize(
    ("strike", "call", "put"),
    [
        (80, 26.774758743998854, 7.958878113256768), (90, 20.933349000596710, 12.017966707346305),
        (100, 16.070154917028834, 17.055270961270109),
        (110, 12.132211516709845, 23.017825898442801), (120, 9.024913483457836, 29.811026202682472),
    ],
)
def test_heston_gives_lewis_prices(heston: F64, strike: float, call: float, put: float) -> None:
    """(M-54) Alan Lewis's reference prices."""
    discount = math.exp(-0.01)
    assert_within(discount * np.maximum(heston - strike, 0), call)
    assert_within(discount * np.maximum(strike - heston, 0), put)


@compiled_only
def test_heston_grows_at_its_drift(heston: F64) -> None:
    assert_within(heston, 100 * math.exp(-0.01))


@compiled_only
@pytest.mark.parametrize(("years", "intensity", "call"), [(0.1, 1.0, 3.424551), (0.5, 10.0, 9.031277)])
def test_merton_gives_haug_prices(years: float, intensity: float, call: float) -> None:
    """(M-54) Haug's table, total volatility 25% of which jumps are a quarter of the variance, r = 8%; his 8.89 is 9.03 in full."""
    jump = 0.25 * 0.25**2 / intensity
    rest = 0.75 * 0.25**2
    p, step = laws(
        304, 64, years, drift=0.08, first=rest, long_run=rest, intensity=intensity, jump_mean=-jump / 2, jump_sd=math.sqrt(jump))
    sample = ends(p, step, 304, 3_000)
    assert_within(math.exp(-0.08 * years) * np.maximum(sample - 100, 0), call)
    assert_within(sample, 100 * math.exp(0.08 * years))


@compiled_only
def test_common_factors_correlate_the_assets() -> None:
    """(M-54) Loadings 0.6 and −0.8 on one factor give returns a correlation of −0.48, and leave their variance alone."""
    loading = np.zeros((1, 16))
    loading[0, :2] = 0.6, -0.8
    p, step = laws(16, 8, 8 / 252, loading=loading)
    out = np.zeros((20_000, 8, 16), np.float32)
    panel.panel_paths(out, p, step, 3, 0)
    x = np.log(np.float64(out[:, -1, :3]) / 100)
    assert np.corrcoef(x.T)[0, 1] == pytest.approx(-0.48, abs=3 * (1 - 0.48**2) / math.sqrt(20_000))
    assert abs(np.corrcoef(x.T)[0, 2]) < 3 / math.sqrt(20_000)
    assert np.allclose(x.std(axis=0), 0.2 * math.sqrt(8 / 252), rtol=3 / math.sqrt(2 * 20_000))


TWIN = {"drift": 0.05, "first": 0.09, "reversion": 3.0, "long_run": 0.05, "vol_of_vol": 0.7, "correlation": -0.6, "intensity": 60.0,
        "jump_mean": -0.03, "jump_sd": 0.05}


def twin(days: int, asset: int, seed: int, path: int, loading: F64) -> list[float]:
    """One asset's prices in double precision, from the prose of (M-54)."""
    g, step, x, found = TWIN, 1 / 252, 0.0, []
    v = g["first"]
    own, variance, size, factor = (
        np.zeros(4) for _ in range(4))
    for t in range(1, days + 1):
        drawn = []
        for stream, slot in (
            (draws.STREAM_OWN, asset // 4), (draws.STREAM_PANEL_VARIANCE, asset // 4), (draws.STREAM_PANEL_SIZES, asset // 4),
            (draws.STREAM_PANEL_FACTORS, 0),
        ):
            out = np.zeros(4, np.float32)
            fill_normals(out, np.array([slot | t << 32], np.uint64), new_words(), stream, seed, path)
            drawn.append(np.float64(out))
        own, variance, size, factor = drawn
        word = philox4x32((asset // 4, t, draws.STREAM_PANEL_JUMPS, path), (seed, 0))[asset % 4]
        lam, n, below = g["intensity"] * step, 0, math.exp(-g["intensity"] * step)
        chance = below
        while n < 4 and word >= math.floor(below * 2**32 + 0.5):
            n += 1
            chance *= lam / n
            below += chance
        share = math.sqrt(1 - float(loading @ loading))
        z = share * own[asset % 4] + sum(a * b for a, b in zip(loading, factor, strict=False))
        held = max(v, 0.0)
        lift = math.expm1(g["jump_mean"] + g["jump_sd"] ** 2 / 2)
        x += (g["drift"] - g["intensity"] * lift - held / 2) * step + math.sqrt(held * step) * z
        x += n * g["jump_mean"] + math.sqrt(n) * g["jump_sd"] * size[asset % 4]
        v += g["reversion"] * step * (g["long_run"] - held) + g["vol_of_vol"] * math.sqrt(held * step) * (
            g["correlation"] * z + math.sqrt(1 - g["correlation"] ** 2) * variance[asset % 4])
        found.append(100 * math.exp(x))
    return found


def test_the_panel_is_its_formula() -> None:
    """(M-54) Each asset, on each day, to single precision."""
    loading = np.array([[0.3] * 6, [0.5, -0.4, 0.1, 0.0, 0.2, 0.6]])
    p, step = laws(6, 5, 5 / 252, loading=loading, **TWIN)
    out = np.zeros((2, 5, 16), np.float32)
    panel.panel_paths(out, p, step, 9, 4)
    for path in range(2):
        for asset in range(6):
            assert out[path, :, asset].tolist() == pytest.approx(twin(5, asset, 9, 4 + path, loading[:, asset]), rel=1e-5)


_BITS = """
import json, numpy, test_panel as t
p, step = t.laws(6, 3, 3 / 252, **t.TWIN)
out = numpy.zeros((1, 3, 16), numpy.float32)
t.panel.panel_paths(out, p, step, 9, 4)
print(json.dumps(out.view("i4").tolist()))
"""


@compiled_only
def test_the_panel_has_the_same_bits_without_the_compiler() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error::RuntimeWarning", "-c", _BITS], capture_output=True, text=True, check=False,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
    )
    assert done.returncode == 0, done.stderr
    p, step = laws(6, 3, 3 / 252, **TWIN)
    out = np.zeros((1, 3, 16), np.float32)
    panel.panel_paths(out, p, step, 9, 4)
    assert json.loads(done.stdout) == out.view("i4").tolist()
