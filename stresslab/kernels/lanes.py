"""Loops over lanes: one rounding for a multiply and an add, and leave to use the widest vectors (docs/method.md, M-52).

The only file with instructions for the compiler itself. Neither of the two can change a bit: ``fma`` is defined by IEEE 754,
and :func:`plain_fma` computes it with ordinary additions and multiplications (a test compares them); ``lanes`` only widens.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic

from stresslab.kernels import kernel

_SPLIT = 134217729.0  # 2^27 + 1
_ONE = np.int64(1)


@kernel
def _two_sum(a: float, b: float) -> tuple[float, float]:
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@kernel
def _to_odd(a: float, b: float) -> float:
    """Return a + b rounded to odd: an inexact sum keeps a last bit of 1, so that a second rounding is right (M-52)."""
    s, rest = _two_sum(a, b)
    bits = np.float64(s).view(np.int64)
    if rest != 0.0 and bits & _ONE == 0:
        bits = np.int64(bits + (_ONE if (rest > 0.0) == (s > 0.0) else -_ONE))
    return np.int64(bits).view(np.float64)


@kernel
def plain_fma(a: float, b: float, c: float) -> float:
    """Return a × b + c, rounded once to double precision, for values far from overflow and underflow.

    Source: Boldo and Melquiond 2008, emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd.
    """
    t = _SPLIT * a
    ah = t - (t - a)
    al = a - ah
    t = _SPLIT * b
    bh = t - (t - b)
    bl = b - bh
    p = a * b
    low = ((ah * bh - p) + ah * bl + al * bh) + al * bl
    uh, ul = _two_sum(c, low)
    vh, vl = _two_sum(p, uh)
    return vh + _to_odd(ul, vl)


@kernel
def plain_fma32(a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    """Return a × b + c, rounded once to single precision: the product is exact in a double, the sum is rounded to odd."""
    return np.float32(_to_odd(np.float64(a) * np.float64(b), np.float64(c)))


if numba.config.DISABLE_JIT:

    def lanes() -> None:
        """Do nothing: without a compiler there are no lanes."""

    def fma(a: Any, b: Any, c: Any) -> Any:
        """Return a × b + c, rounded once, in the precision of ``a``."""
        return plain_fma32(a, b, c) if isinstance(a, np.float32) else plain_fma(a, b, c)

else:

    @intrinsic  # type: ignore[untyped-decorator]
    def lanes(context: Any) -> Any:
        """Say of the calling kernel that its loops may use vectors of 512 bits and that its arrays do not overlap."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.function.attributes.add("noinline")  # inside another function the wish would be lost
            set.add(builder.function.attributes, '"prefer-vector-width"="512"')
            for argument in builder.function.args:
                if argument.type.is_pointer:
                    argument.add_attribute("noalias")
            return context.get_dummy_value()

        return numba.types.void(), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def fma(context: Any, a: Any, b: Any, c: Any) -> Any:
        """Return a × b + c, rounded once, in the precision of ``a``."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.fma(*arguments)

        return a(a, a, a), generate
