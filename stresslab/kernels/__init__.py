"""Arithmetic only: draws, returns, prices, liquidity, cascade.

No pandas, no files, no Dask, no exceptions. All compiler options stand in :func:`kernel`. The
plain twin of the cascade is ``tests/plain.py``; both follow ``docs/method.md``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import cgutils, types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., object])


def sources_digest() -> str:
    """The SHA-256 of all kernel sources, in file order: what the numbers depend on."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _use_own_cache() -> None:
    # Numba's disk cache does not see an edit in another file's function and would go on giving
    # the old numbers. A folder named by the digest of all sources makes that impossible.
    root = os.environ.get("STRESSLAB_CACHE") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(root) / "stresslab" / "kernels" / sources_digest()[:16]
    numba.config.CACHE_DIR = str(folder)


_use_own_cache()


class _Place(UserProvidedCacheLocator):  # type: ignore[misc]
    """Where compiled kernels lie: the digest of the sources says all, so another installation of the same sources finds them too."""

    def __init__(self, function: Any, file: str) -> None:
        super().__init__(function, file)
        self._cache_path = str(Path(numba.config.CACHE_DIR) / "kernels")

    def get_source_stamp(self) -> str:
        return sources_digest()

    @classmethod
    def from_function(cls, function: Any, file: str) -> Any:
        return super().from_function(function, file) if Path(file).parent == Path(__file__).parent else None


class _CompiledKernel(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Place, *CompileResultCacheImpl._locator_classes)


class _Cache(FunctionCache):  # type: ignore[misc]
    """Numba's disk cache, but what it finds is looked at.

    Numba numbers the files of a function's types without a lock: two processes that compile at once may write two of them under one
    number, and a third then runs code made for other types, whose numbers are wrong. Here it compiles again.
    """

    _impl_class = _CompiledKernel

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        found = super()._load_overload(sig, target_context)
        return found if found is None or tuple(found.signature.args) == tuple(getattr(sig, "args", sig)) else None


def _compiled(function: F, **options: Any) -> F:
    compiled: Any = numba.njit(nogil=True, cache=True, fastmath=False, _nrt=False, **options)(function)
    if not numba.config.DISABLE_JIT:
        compiled._cache = _Cache(function)
    return compiled  # type: ignore[no-any-return]


def kernel(function: F) -> F:
    """Compile a function: released GIL, disk cache, and no fastmath, so that bits never depend on the compiler's taste."""
    return _compiled(function)


def inlined(function: F) -> F:
    """Compile a function that is made part of each of its callers, so that their loops over it can be turned into vector code.

    It divides as IEEE 754 says: a test for a divisor of zero would be a way out of the loop, and there are no vectors with ways out.
    """
    return _compiled(function, forceinline=True, error_model="numpy")


def _fetch_in_compiled_code(typing: Any, array: Any, index: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = signature.args[0]
        items = context.make_array(kind)(context, builder, given[0])
        at = context.cast(builder, given[1], signature.args[1], types.intp)
        item = cgutils.get_item_pointer(context, builder, kind, items, [at], wraparound=False)
        place = builder.bitcast(item, cgutils.voidptr_t)
        ir, number = cgutils.ir, cgutils.int32_t  # llvmlite, by numba's own name for it
        to_fetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], ir.FunctionType(
            ir.VoidType(), [place.type, number, number, number]))
        builder.call(to_fetch, [place, number(0), number(3), number(1)])  # to read, into all caches, data
        return context.get_dummy_value()

    return types.void(array, index), code


def fetch(array: Any, index: Any) -> None:
    """Ask the processor to bring an entry of an array into its cache; changes nothing but the speed.

    Loops over lists of accounts wait for memory most of the time: which account comes next is known, but only from the
    list. Asking a few accounts ahead took a third off the time of a path.
    """


if not numba.config.DISABLE_JIT:
    fetch = intrinsic(_fetch_in_compiled_code)
