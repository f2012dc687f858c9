"""The peers of ``bench_paths.py``, each written as its own manual says and at its best: in place, single precision, one thread.

A peer is a function of the market and a number of paths that returns what draws so many paths into a buffer of its own, days ×
assets × paths. Whoever draws anew gives other numbers of the same law. Packages: the optional extra ``bench`` (torch, jax,
QuantLib, randomgen); one that is missing is named and left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.random import PCG64, SFC64, Generator, Philox  # noqa: TID251  (peers bring their own generators)
from numpy.typing import NDArray

ASSETS, FACTORS, DAYS = 300, 8, 60
STEP = 1 / 252
Draw = Callable[[], Any]


class Market(NamedTuple):
    """What everybody simulates, daily: prices, loadings on the factors, own deviations, drift; laws of Heston and Merton."""

    price: NDArray[np.float64]
    loading: NDArray[np.float64]  # assets × factors
    own: NDArray[np.float64]
    drift: NDArray[np.float64]
    mixing: NDArray[np.float64]  # assets × factors: unit variance with ``share``
    share: NDArray[np.float64]
    reversion: float = 5.0 * STEP
    long_run: float = 0.1
    vol_of_vol: float = 0.6 * math.sqrt(STEP)
    correlation: float = -0.6
    intensity: float = 5.0 * STEP
    jump_mean: float = -0.02
    jump_sd: float = 0.04

    @property
    def jump_drift(self) -> float:
        """What jumps add to the mean a day, to be taken off."""
        return -self.intensity * math.expm1(self.jump_mean + self.jump_sd**2 / 2)


def new_market() -> Market:
    """A market of 300 assets; the first factor moves all of them."""
    rng = Generator(SFC64(1))
    loading = rng.standard_normal((ASSETS, FACTORS)) * 0.006
    loading[:, 0] = 0.012
    own = 0.01 + 0.02 * rng.random(ASSETS)
    mixing = rng.standard_normal((ASSETS, FACTORS))
    mixing *= np.sqrt(0.5 / (mixing**2).sum(axis=1))[:, None]
    return Market(
        price=5 + 95 * rng.random(ASSETS), loading=loading, own=own, drift=np.zeros(ASSETS), mixing=mixing,
        share=np.sqrt(1 - (mixing**2).sum(axis=1)))


def single(values: Any) -> Any:
    """In single precision."""
    return np.ascontiguousarray(values, np.float32)


# --- numpy ----------------------------------------------------------------------------------------------------------------


def numpy_gbm(m: Market, paths: int) -> Draw:
    """SFC64, one BLAS product for the factors, single precision, in place."""
    rng, loading, own, price = Generator(SFC64(2)), single(m.loading), single(m.own)[:, None], single(m.price)[:, None]
    out, level = np.empty((DAYS, ASSETS, paths), np.float32), np.empty((ASSETS, paths), np.float32)
    x, f = np.empty_like(level), np.empty((FACTORS, paths), np.float32)

    def draw() -> Any:
        level[:] = 0
        for t in range(DAYS):
            rng.standard_normal(out=f, dtype=np.float32)
            np.matmul(loading, f, out=x)
            np.add(level, x, out=level)
            rng.standard_normal(out=x, dtype=np.float32)
            np.multiply(x, own, out=x)
            np.add(level, x, out=level)
            np.exp(level, out=x)
            np.multiply(x, price, out=out[t])
        return out

    return draw


def numpy_panel(m: Market, paths: int) -> Draw:
    """The same with Heston's variance, full truncation, and Merton's jumps for each asset."""
    rng, mixing, share, price = Generator(SFC64(3)), single(m.mixing), single(m.share)[:, None], single(m.price)[:, None]
    shape = (ASSETS, paths)
    out = np.empty((DAYS, *shape), np.float32)
    level, v, x, z, held, root = (np.empty(shape, np.float32) for _ in range(6))
    f = np.empty((FACTORS, paths), np.float32)
    rho, across = np.float32(m.correlation), np.float32(math.sqrt(1 - m.correlation**2))

    def draw() -> Any:
        level[:], v[:] = 0, np.float32(m.long_run)
        for t in range(DAYS):
            rng.standard_normal(out=f, dtype=np.float32)
            np.matmul(mixing, f, out=x)
            rng.standard_normal(out=z, dtype=np.float32)
            np.multiply(z, share, out=z)
            np.add(x, z, out=x)
            np.maximum(v, 0, out=held)
            np.sqrt(held, out=root)
            np.multiply(root, x, out=z)
            np.multiply(z, np.float32(math.sqrt(STEP)), out=z)
            np.add(level, z, out=level)
            np.multiply(held, np.float32(-0.5 * STEP), out=z)
            np.add(z, np.float32(m.jump_drift), out=z)
            np.add(level, z, out=level)
            # Few jump on a day: their number is drawn for all, their sizes for those that do.
            counts = rng.poisson(m.intensity, shape)
            where = np.flatnonzero(counts)
            n = counts.ravel()[where]
            level.ravel()[where] += n * np.float32(m.jump_mean) + np.sqrt(n) * np.float32(m.jump_sd) * rng.standard_normal(where.size)
            rng.standard_normal(out=z, dtype=np.float32)
            np.multiply(z, across, out=z)
            np.multiply(x, rho, out=x)
            np.add(x, z, out=x)
            np.multiply(x, root, out=x)
            np.multiply(x, np.float32(m.vol_of_vol), out=x)
            np.add(v, x, out=v)
            np.subtract(np.float32(m.long_run), held, out=held)
            np.multiply(held, np.float32(m.reversion), out=held)
            np.add(v, held, out=v)
            np.exp(level, out=x)
            np.multiply(x, price, out=out[t])
        return out

    return draw


# --- torch ----------------------------------------------------------------------------------------------------------------


def torch_gbm(m: Market, paths: int) -> Draw:
    """Eager, in place, single precision."""
    import torch

    torch.set_num_threads(1)
    loading, own, price = (torch.tensor(single(v)) for v in (m.loading, m.own, m.price))
    out, level, x, f = torch.empty(DAYS, ASSETS, paths), torch.empty(ASSETS, paths), torch.empty(ASSETS, paths), torch.empty(FACTORS, paths)

    def draw() -> Any:
        level.zero_()
        for t in range(DAYS):
            f.normal_()
            level.addmm_(loading, f)
            x.normal_()
            level.addcmul_(x, own[:, None])
            torch.exp(level, out=out[t])
            out[t].mul_(price[:, None])
        return out

    return draw


def torch_panel(m: Market, paths: int) -> Draw:
    """Eager, in place; the number of jumps from one uniform by comparison, which is quicker than torch.poisson."""
    import torch

    torch.set_num_threads(1)
    mixing, share, price = (torch.tensor(single(v)) for v in (m.mixing, m.share, m.price))
    out, f = torch.empty(DAYS, ASSETS, paths), torch.empty(FACTORS, paths)
    level, v, x, z, held, root, n = (torch.empty(ASSETS, paths) for _ in range(7))
    bounds, across = poisson_bounds(m.intensity), math.sqrt(1 - m.correlation**2)

    def draw() -> Any:
        level.zero_()
        v.fill_(m.long_run)
        for t in range(DAYS):
            f.normal_()
            torch.mm(mixing, f, out=x)
            z.normal_()
            x.addcmul_(z, share[:, None])
            torch.clamp_min(v, 0, out=held)
            torch.sqrt(held, out=root)
            level.addcmul_(root, x, value=math.sqrt(STEP))
            level.add_(held, alpha=-0.5 * STEP).add_(m.jump_drift)
            z.uniform_()
            torch.ge(z, bounds[0], out=n)
            for bound in bounds[1:]:
                n.add_(z >= bound)
            level.add_(n, alpha=m.jump_mean)
            z.normal_()
            level.addcmul_(n.sqrt_(), z, value=m.jump_sd)
            z.normal_()
            x.mul_(m.correlation).add_(z, alpha=across)
            v.addcmul_(root, x, value=m.vol_of_vol)
            v.add_(held.neg_().add_(m.long_run), alpha=m.reversion)
            torch.exp(level, out=out[t])
            out[t].mul_(price[:, None])
        return out

    return draw


def poisson_bounds(intensity: float) -> list[float]:
    """P(N ≤ 0), P(N ≤ 1), P(N ≤ 2), P(N ≤ 3)."""
    return [math.exp(-intensity) * sum(intensity**k / math.factorial(k) for k in range(n + 1)) for n in range(4)]


# --- jax ------------------------------------------------------------------------------------------------------------------


def jax_gbm(m: Market, paths: int) -> Draw:
    """One compiled scan over the days."""
    import jax
    import jax.numpy as jnp

    loading, own, price = jnp.asarray(single(m.loading)), jnp.asarray(single(m.own))[:, None], jnp.asarray(single(m.price))[:, None]

    def day(level: Any, key: Any) -> Any:
        a, b = jax.random.split(key)
        level = level + loading @ jax.random.normal(a, (FACTORS, paths)) + own * jax.random.normal(b, (ASSETS, paths))
        return level, price * jnp.exp(level)

    run = jax.jit(lambda key: jax.lax.scan(day, jnp.zeros((ASSETS, paths)), jax.random.split(key, DAYS))[1])
    key = jax.random.key(0)
    return lambda: run(key).block_until_ready()


def jax_panel(m: Market, paths: int) -> Draw:
    """One compiled scan over the days; the number of jumps from one uniform by comparison."""
    import jax
    import jax.numpy as jnp

    mixing, share, price = jnp.asarray(single(m.mixing)), jnp.asarray(single(m.share))[:, None], jnp.asarray(single(m.price))[:, None]
    bounds, across, shape = poisson_bounds(m.intensity), math.sqrt(1 - m.correlation**2), (ASSETS, paths)

    def day(state: Any, key: Any) -> Any:
        level, v = state
        a, b, c, d, e = jax.random.split(key, 5)
        x = mixing @ jax.random.normal(a, (FACTORS, paths)) + share * jax.random.normal(b, shape)
        held = jnp.maximum(v, 0)
        root, u = jnp.sqrt(held), jax.random.uniform(c, shape)
        n = sum((u >= bound).astype(jnp.float32) for bound in bounds)
        level = level + m.jump_drift - 0.5 * STEP * held + math.sqrt(STEP) * root * x
        level = level + n * m.jump_mean + jnp.sqrt(n) * m.jump_sd * jax.random.normal(d, shape)
        v = v + m.reversion * (m.long_run - held) + m.vol_of_vol * root * (m.correlation * x + across * jax.random.normal(e, shape))
        return (level, v), price * jnp.exp(level)

    first = (jnp.zeros(shape), jnp.full(shape, np.float32(m.long_run)))
    run = jax.jit(lambda key: jax.lax.scan(day, first, jax.random.split(key, DAYS))[1])
    key = jax.random.key(0)
    return lambda: run(key).block_until_ready()


# --- plain numba ----------------------------------------------------------------------------------------------------------


@numba.njit(fastmath=True, error_model="numpy")
def _numba_gbm(out: Any, price: Any, loading: Any, own: Any) -> None:
    level, f = np.empty(price.size), np.empty(loading.shape[1])
    for p in range(out.shape[0]):
        level[:] = 0.0
        for t in range(out.shape[1]):
            for k in range(f.size):
                f[k] = np.random.standard_normal()  # noqa: NPY002, TID251
            for i in range(price.size):
                x = own[i] * np.random.standard_normal()  # noqa: NPY002, TID251
                for k in range(f.size):
                    x += loading[i, k] * f[k]
                level[i] += x
                out[p, t, i] = price[i] * math.exp(level[i])


@numba.njit(fastmath=True, error_model="numpy")
def _numba_panel(out: Any, price: Any, mixing: Any, share: Any, law: Any) -> None:
    reversion, long_run, vol, rho, intensity, mean, sd, drift = law
    level, v, f = np.empty(price.size), np.empty(price.size), np.empty(mixing.shape[1])
    across = math.sqrt(1 - rho * rho)
    for p in range(out.shape[0]):
        level[:] = 0.0
        v[:] = long_run
        for t in range(out.shape[1]):
            for k in range(f.size):
                f[k] = np.random.standard_normal()  # noqa: NPY002, TID251
            for i in range(price.size):
                x = share[i] * np.random.standard_normal()  # noqa: NPY002, TID251
                for k in range(f.size):
                    x += mixing[i, k] * f[k]
                held = max(v[i], 0.0)
                root = math.sqrt(held)
                level[i] += drift - 0.5 * STEP * held + math.sqrt(STEP) * root * x
                n = np.random.poisson(intensity)  # noqa: NPY002, TID251
                if n:
                    level[i] += n * mean + math.sqrt(n) * sd * np.random.standard_normal()  # noqa: NPY002, TID251
                v[i] += reversion * (long_run - held) + vol * root * (rho * x + across * np.random.standard_normal())  # noqa: NPY002, TID251
                out[p, t, i] = price[i] * math.exp(level[i])


def numba_gbm(m: Market, paths: int) -> Draw:
    """Loops as one writes them down."""
    out = np.empty((paths, DAYS, ASSETS))

    def draw() -> Any:
        _numba_gbm(out, m.price, m.loading, m.own)
        return np.moveaxis(out, 0, -1)

    return draw


def numba_panel(m: Market, paths: int) -> Draw:
    """Loops as one writes them down."""
    out = np.empty((paths, DAYS, ASSETS))
    law = (m.reversion, m.long_run, m.vol_of_vol, m.correlation, m.intensity, m.jump_mean, m.jump_sd, m.jump_drift)

    def draw() -> Any:
        _numba_panel(out, m.price, m.mixing, m.share, law)
        return np.moveaxis(out, 0, -1)

    return draw


# --- QuantLib -------------------------------------------------------------------------------------------------------------


def quantlib_gbm(m: Market, paths: int) -> Draw:
    """GaussianMultiPathGenerator over a correlated array of Black-Scholes processes; next() alone, nothing copied to numpy."""
    import QuantLib as ql

    covariance = m.loading @ m.loading.T + np.diag(m.own**2)
    deviation = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviation, deviation)
    today, count = ql.Date(2, 1, 2026), ql.Actual365Fixed()
    ql.Settings.instance().evaluationDate = today
    flat = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, count))
    matrix = ql.Matrix(ASSETS, ASSETS)
    for i in range(ASSETS):
        for j in range(ASSETS):
            matrix[i][j] = float(correlation[i, j])
    processes = [
        ql.BlackScholesProcess(
            ql.QuoteHandle(ql.SimpleQuote(float(m.price[i]))), flat,
            ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), float(deviation[i] / math.sqrt(STEP)), count)))
        for i in range(ASSETS)
    ]
    uniforms = ql.UniformRandomSequenceGenerator(ASSETS * DAYS, ql.UniformRandomGenerator(1))
    generator = ql.GaussianMultiPathGenerator(
        ql.StochasticProcessArray(processes, matrix), list(ql.TimeGrid(DAYS * STEP, DAYS)),
        ql.GaussianRandomSequenceGenerator(uniforms), False)

    def draw() -> Any:
        return [generator.next().value() for _ in range(paths)]

    return draw


#: Peers by kind of path, with the numbers of paths at a time that are tried; the quickest is measured.
GBM: dict[str, tuple[Callable[[Market, int], Draw], tuple[int, ...]]] = {
    "numpy, tuned": (numpy_gbm, (64, 256, 1024)), "torch, in place": (torch_gbm, (64, 128, 256, 1024)),
    "jax, compiled": (jax_gbm, (64, 256, 1024)), "numba, plain": (numba_gbm, (16, 64)), "QuantLib, next()": (quantlib_gbm, (2,)),
}
PANEL: dict[str, tuple[Callable[[Market, int], Draw], tuple[int, ...]]] = {
    "numpy, tuned": (numpy_panel, (64, 256, 1024)), "torch, in place": (torch_panel, (32, 64, 128, 256, 1024)),
    "jax, compiled": (jax_panel, (64, 256, 1024)), "numba, plain": (numba_panel, (16, 64)),
}


def normals(count: int) -> dict[str, Draw]:
    """What draws ``count`` normals into a buffer; a package that is missing is not there."""
    made: dict[str, Draw] = {}
    for kind in (np.float32, np.float64):
        for name, bits in (("SFC64", SFC64), ("PCG64", PCG64), ("Philox 4x64", Philox)):
            rng, out = Generator(bits(1)), np.empty(count, kind)
            made[f"numpy {name} {kind.__name__}"] = lambda rng=rng, out=out, kind=kind: rng.standard_normal(out=out, dtype=kind)
    try:
        import torch

        torch.set_num_threads(1)
        for kind in (torch.float32, torch.float64):
            buffer = torch.empty(count, dtype=kind)
            made[f"torch {str(kind).split('.')[1]}"] = buffer.normal_
    except ImportError:
        pass
    try:
        import jax

        run = jax.jit(lambda key: jax.random.normal(key, (count,)))
        key = jax.random.key(0)
        made["jax threefry float32"] = lambda: run(key).block_until_ready()
    except ImportError:
        pass
    try:
        import randomgen

        for name in ("SFC64", "Xoshiro256", "AESCounter", "Philox"):
            rng, out = Generator(getattr(randomgen, name)(1)), np.empty(count)
            made[f"randomgen {name} float64"] = lambda rng=rng, out=out: rng.standard_normal(out=out)
    except ImportError:
        pass
    return made
