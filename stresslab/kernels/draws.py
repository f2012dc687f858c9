"""Counter-based randomness: Philox 4x32-10 and the normals made of it (M-5, M-6).

A draw is a pure function of (seed, path, day, stream, slot). Nothing has a state, so any path can
be drawn alone. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011; known answers of Random123 are tests.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import kernel

# Streams are numbered once and only ever appended.
STREAM_MARKET = 0
STREAM_FACTORS = 1
STREAM_OWN = 2
STREAM_ANSWERS = 3
STREAM_DEMO = 4
STREAM_SUSPENSIONS = 5
STREAM_RATES = 6
STREAM_CANDIDATES = 7
STREAM_TAIL = 8

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_TWO32 = 4294967296.0

Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


@kernel
def philox(c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64) -> Words:
    """The four 32-bit words of Philox 4x32-10 at a counter and a key, each in a uint64."""
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0 = (p1 >> _32) ^ c1 ^ k0
        c1 = p1 & _LOW
        c2 = (p0 >> _32) ^ c3 ^ k1
        c3 = p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@kernel
def words(seed: int, path: int, day: int, stream: int, slot: int) -> Words:
    """The four words that belong to (seed, path, day, stream, slot)."""
    key = np.uint64(seed)
    return philox(
        np.uint64(slot), np.uint64(day), np.uint64(stream), np.uint64(path), key & _LOW, key >> _32
    )


@kernel
def uniform(word: np.uint64) -> float:
    """A uniform strictly inside (0, 1) from a 32-bit word: (w + 1/2) / 2^32."""
    return (float(word) + 0.5) / _TWO32


@kernel
def _ratio(r: float, a: tuple[float, ...], b: tuple[float, ...]) -> float:
    top = 0.0
    bottom = 0.0
    for i in range(7, -1, -1):
        top = top * r + a[i]
        bottom = bottom * r + b[i]
    return top / bottom


_A = (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
      4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3)
_B = (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
      2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3)
_C = (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
      1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4)
_D = (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
      1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9)
_E = (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
      2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7)
_F = (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
      7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15)


@kernel
def inverse_normal(p: float) -> float:
    """The standard normal quantile of p, relative error below 1e-15. Source: Wichura, AS 241 (PPND16), 1988."""
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(0.180625 - q * q, _A, _B)
    r = math.sqrt(-math.log(p if q < 0.0 else 1.0 - p))
    if r <= 5.0:
        x = _ratio(r - 1.6, _C, _D)
    else:
        x = _ratio(r - 5.0, _E, _F)
    return -x if q < 0.0 else x


@kernel
def leading_normal(seed: int, path: int, day: int, stream: int, slot: int) -> float:
    """One normal from one uniform by inversion: for factors, so that a Sobol point can stand in."""
    return inverse_normal(uniform(words(seed, path, day, stream, slot)[0]))


@kernel
def four_normals(seed: int, path: int, day: int, stream: int, slot: int) -> tuple[float, float, float, float]:
    """Four normals from one counter by Box-Muller: for the mass of own noise."""
    w0, w1, w2, w3 = words(seed, path, day, stream, slot)
    r = math.sqrt(-2.0 * math.log(uniform(w0)))
    a = 2.0 * math.pi * uniform(w1)
    s = math.sqrt(-2.0 * math.log(uniform(w2)))
    b = 2.0 * math.pi * uniform(w3)
    return r * math.cos(a), r * math.sin(a), s * math.cos(b), s * math.sin(b)


@kernel
def fill_uniforms(out: NDArray[np.float64], seed: int, path: int, day: int, stream: int) -> None:
    """Fill ``out`` with uniforms, four to a slot: draws for code that makes data, as the demo book does."""
    for slot in range((out.size + 3) // 4):
        drawn = words(seed, path, day, stream, slot)
        for j in range(4):
            if 4 * slot + j < out.size:
                out[4 * slot + j] = uniform(drawn[j])
