"""Counter-based randomness: Philox 4x32-10 and the normals made of it (M-5, M-6).

A draw is a pure function of (seed, path, day, stream, slot). Nothing has a state, so any path can
be drawn alone. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011; known answers of Random123 are tests.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import inlined, kernel

# Streams are numbered once and only ever appended.
STREAM_MARKET = 0
STREAM_FACTORS = 1
STREAM_OWN = 2
STREAM_ANSWERS = 3
STREAM_DEMO = 4
STREAM_SUSPENSIONS = 5
STREAM_RATES = 6
STREAM_CANDIDATES = 7
STREAM_PANEL_VARIANCE = 8
STREAM_PANEL_SIZES = 9
STREAM_PANEL_JUMPS = 10
STREAM_PANEL_FACTORS = 11
STREAM_SCRAMBLES = 12
STREAM_TAIL = 13
STREAM_REQUESTS = 14

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_TWO32 = 4294967296.0

Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


@inlined
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


@inlined
def uniform(word: np.uint64) -> float:
    """A uniform strictly inside (0, 1) from a 32-bit word: (w + 1/2) / 2^32."""
    return (float(word) + 0.5) / _TWO32


@inlined
def _polynomial(r: float, a: tuple[float, ...]) -> float:
    # Written out, not looped over: a loop inside keeps the loop around it from becoming vector code.
    return ((((((a[7] * r + a[6]) * r + a[5]) * r + a[4]) * r + a[3]) * r + a[2]) * r + a[1]) * r + a[0]


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


#: Half the width of the middle, in which the quantile is a quotient of two polynomials.
MIDDLE = 0.425

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_G1, _G2, _G3, _G4 = 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01
_G5, _G6, _G7 = 1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01
_ROOT_HALF, _EXPONENT = np.int64(0x3FE6A09E667F3BCD), np.int64(52)


@inlined
def logarithm(x: float) -> float:
    """The natural logarithm of a normal x > 0, error below one unit in the last place (M-52).

    Own, because the C libraries of two machines may differ in the last bit. Source: Sun Microsystems, fdlibm e_log.c, 1993.
    """
    bits = np.float64(x).view(np.int64)
    e = (bits - _ROOT_HALF) >> _EXPONENT
    f = np.int64(bits - (e << _EXPONENT)).view(np.float64) - 1.0
    k = np.float64(e)
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    t = w * (_G2 + w * (_G4 + w * _G6)) + z * (_G1 + w * (_G3 + w * (_G5 + w * _G7)))
    h = 0.5 * f * f
    return k * _LN2_HIGH - ((h - (s * (h + t) + k * _LN2_LOW)) - f)


@inlined
def middle_quantile(q: float) -> float:
    """The standard normal quantile of ½ + q where q, without its sign, is at most :data:`MIDDLE`."""
    r = 0.180625 - q * q
    return q * (_polynomial(r, _A) / _polynomial(r, _B))


@inlined
def tail_quantile(p: float) -> float:
    """The standard normal quantile of 1 − p where p is from e^−25 = 1.4e-11 to ½ − :data:`MIDDLE`."""
    r = np.sqrt(-logarithm(p)) - 1.6
    return _polynomial(r, _C) / _polynomial(r, _D)


@kernel
def inverse_normal(p: float) -> float:
    """The standard normal quantile of p, relative error below 1e-15. Source: Wichura, AS 241 (PPND16), 1988."""
    q = p - 0.5
    if abs(q) <= MIDDLE:
        return middle_quantile(q)
    tail = p if q < 0.0 else 1.0 - p
    r = math.sqrt(-logarithm(tail))
    x = tail_quantile(tail) if r <= 5.0 else _polynomial(r - 5.0, _E) / _polynomial(r - 5.0, _F)
    return -x if q < 0.0 else x


@kernel
def leading_normal(seed: int, path: int, day: int, stream: int, slot: int) -> float:
    """One normal from one uniform by inversion: for factors, so that a Sobol point can stand in."""
    return inverse_normal(uniform(words(seed, path, day, stream, slot)[0]))


@kernel
def fill_uniforms(out: NDArray[np.float64], seed: int, path: int, day: int, stream: int) -> None:
    """Fill ``out`` with uniforms, four to a slot: draws for code that makes data, as the demo book does."""
    for slot in range((out.size + 3) // 4):
        drawn = words(seed, path, day, stream, slot)
        for j in range(4):
            if 4 * slot + j < out.size:
                out[4 * slot + j] = uniform(drawn[j])
