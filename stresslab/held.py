"""A resolved scenario in a file that workers open themselves: a folder of this machine, a shared one, or any URL that fsspec reads.

What travels to a worker is a :class:`Held`: the name of the file, its digest, and everything of the scenario but its large arrays.
The file holds bytes of arrays and nothing else, so that nothing is executed that lies in it; a local one is mapped into memory, and the
processes of one machine share it.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import pickle
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stresslab.resolve import Resolved

#: Arrays of so many bytes and more are written to the file, each from a cache line on.
LARGE, LINE = 4096, 64
#: So many scenarios are open in a process at once.
OPEN = 2


@dataclass(frozen=True)
class Held:
    """A resolved scenario, its arrays in a file."""

    place: str  # a path, or a URL
    head: bytes  # everything but the large arrays
    spans: tuple[tuple[int, int], ...]  # of each array in the file: where it begins, and its bytes
    size: int
    digest: str  # of the head and the file


class _Pickler(pickle.Pickler):
    """Leaves large arrays out, records included, which numpy itself would write among the rest."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.nbytes >= LARGE and value.flags.c_contiguous and not value.dtype.hasobject:
            flat: Any = value.reshape(-1).view(np.ndarray).view(np.uint8)
            return _array, (pickle.PickleBuffer(flat), value.dtype, value.shape, isinstance(value, np.recarray))
        return NotImplemented


def _array(buffer: Any, dtype: np.dtype[Any], shape: tuple[int, ...], records: bool) -> NDArray[Any]:
    """An array over bytes that lie elsewhere."""
    out: NDArray[Any] = np.frombuffer(buffer, np.uint8).view(dtype).reshape(shape)
    return out.view(np.recarray) if records else out


def hold(resolved: Resolved, place: str) -> Held:
    """Write the arrays of a scenario to a file; the ids of its accounts stay here, as no worker reads them."""
    head, buffers = io.BytesIO(), list[Any]()
    _Pickler(head, 5, buffer_callback=buffers.append).dump(replace(resolved, account_ids=()))
    spans, at = [], 0
    for buffer in buffers:
        size = buffer.raw().nbytes
        spans.append((at, size))
        at += -(-size // LINE) * LINE
    digest = hashlib.sha256(head.getvalue())

    def write(stream: BinaryIO) -> None:
        for buffer, (_, size) in zip(buffers, spans, strict=True):
            for piece in (buffer.raw(), bytes(-size % LINE)):
                digest.update(piece)
                stream.write(piece)

    if "://" in place:
        import fsspec

        with fsspec.open(place, "wb") as stream:
            write(stream)
    else:
        path = Path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.part")
        with draft.open("wb") as file:
            write(file)
        draft.replace(path)
    return Held(place, head.getvalue(), tuple(spans), at, digest.hexdigest())


def can_open(held: Held) -> bool:
    """Whether this process finds the file of a scenario, whole and as it was written."""
    try:
        opened(held)
    except (OSError, ValueError, ImportError):
        return False
    return True


_open: OrderedDict[str, Resolved] = OrderedDict()
_lock = threading.Lock()


def opened(held: Held) -> Resolved:
    """The scenario, opened once in a process; raises ValueError where the file is not what was written, OSError where it is not there."""
    with _lock:
        if held.digest not in _open:
            _open[held.digest] = _read(held)
            while len(_open) > OPEN:
                _open.popitem(last=False)
        _open.move_to_end(held.digest)
        return _open[held.digest]


def _read(held: Held) -> Resolved:
    with _local(held.place) as file:
        # Pages are shared with all processes of the machine; one that is written to becomes this process's own.
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if held.size else b""
    digest = hashlib.sha256(held.head)
    digest.update(data)
    if len(data) != held.size or digest.hexdigest() != held.digest:
        raise ValueError(f"{held.place} is not the file that was written for this run")
    view = memoryview(data)
    found: Resolved = pickle.loads(held.head, buffers=[view[at : at + size] for at, size in held.spans])
    return found


def _local(place: str) -> Any:
    """The file, open; one that lies elsewhere is copied to this machine."""
    if "://" not in place:
        return Path(place).open("rb")
    import fsspec

    copy = tempfile.TemporaryFile(prefix="stresslab-")  # noqa: SIM115  the caller closes it
    with fsspec.open(place, "rb") as stream:
        while piece := stream.read(2**24):
            copy.write(piece)
    copy.flush()
    return copy
