"""Files that strangers wrote, opened so that whatever is in them can only be read or refused.

Nothing here runs or unpickles what it reads. A parser of another house meets a damaged file with whatever its authors thought of
(``RecursionError``, ``OverflowError``, ``KeyError``, …); here each of these becomes one of the errors that every reader of ours
expects and tells as a fault: ``OSError`` for a file that cannot be had, ``tomllib.TOMLDecodeError`` or ``UnicodeDecodeError`` for
TOML, ``csv.Error`` for CSV, ``ValueError`` for Parquet and JSON.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

#: A file that people write (TOML) may have so many bytes.
WRITTEN_MOST = 16_000_000
#: A Parquet file may hold so many rows, and so many cells: a few hundred bytes can claim any number of them.
ROWS_MOST, CELLS_MOST = 100_000_000, 2_000_000_000
#: A key of TOML may have so many parts.
_PARTS_MOST = 100
#: Whole numbers beyond this fit no integer of ours.
_WHOLE_MOST = 2**63 - 1


def content(path: Path, most: int | None = None) -> bytes:
    """The bytes of a file of at most ``most`` bytes.

    Raises ``OSError``, also for a name that no file can have, for what is no file (reading a pipe would wait for ever), and for a
    file that is too large.
    """
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "the name holds a zero byte", str(path))
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    if most is not None and found.st_size > most:
        raise OSError(errno.EFBIG, f"is larger than {most // 10**6} MB", str(path))
    return path.read_bytes()


def written(path: Path) -> bytes:
    """The bytes of a file that people write, of at most :data:`WRITTEN_MOST`; raises ``OSError``."""
    return content(path, WRITTEN_MOST)


def decimal(value: object) -> Decimal:
    """The exact decimal that a file gives as a number or a string; raises ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("must be a decimal number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("must be a decimal number") from None
    if not number.is_finite():
        raise ValueError("must be a finite number")
    return number


def toml(data: bytes, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """TOML in UTF-8, with or without a byte order mark; raises ``UnicodeDecodeError`` and ``tomllib.TOMLDecodeError`` alone."""
    text = data.decode("utf-8-sig")
    if any(part.count(".") > _PARTS_MOST for part in re.split(r"[=,{}\n]", text)):
        # The parser takes time with the square of a key's parts: half a minute for 40 kilobytes.
        raise tomllib.TOMLDecodeError("it is nested too deeply")
    try:
        found = tomllib.loads(text, parse_float=parse_float)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise tomllib.TOMLDecodeError("it is nested too deeply") from None
    except (ValueError, ArithmeticError):
        # Python turns at most 4,300 digits into a whole number, and Decimal has a largest exponent.
        raise tomllib.TOMLDecodeError("a number in it has too many digits") from None
    try:
        for key, value in _values(found, ""):
            if isinstance(value, int) and abs(value) > _WHOLE_MOST:
                raise tomllib.TOMLDecodeError(f"the whole number of {key} is too large")
    except RecursionError:
        raise tomllib.TOMLDecodeError("it is nested too deeply") from None
    return found


def _values(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every single value of a tree with the key where it stands."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _values(one, f"{place}.{key}" if place else str(key))
    else:
        yield place, value


def records(text: str, *, strict: bool = False) -> list[list[str]]:
    """The records of a CSV text; raises ``csv.Error`` alone, also for one cell of more than 131,072 characters."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=strict))


def parquet(data: bytes, columns: list[str] | None = None) -> pd.DataFrame:
    """A Parquet file in memory as a frame; raises ``ValueError`` with one line that says why not."""
    try:
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
            rows, wide = file.metadata.num_rows, len(file.schema_arrow.names)
            if not 0 <= rows <= ROWS_MOST or rows * wide > CELLS_MOST:
                raise ValueError(f"it claims {rows} rows of {wide} columns, more than are read")
            table = file.read(columns=columns)
            frame: pd.DataFrame = _texts(table).to_pandas()
        return frame
    except Exception as error:
        # Arrow and pandas raise whatever damage leads them to; none of it says more than that this is no table.
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from error


def _texts(table: pa.Table) -> pa.Table:
    """A table with its bytes as text, as writers without types of their own mean them; raises ``ArrowInvalid`` where they are none."""
    for at, field in enumerate(table.schema):
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(pa.large_string()))
    return table


def json_object(path: Path) -> dict[str, Any]:
    """A JSON object in a file; raises ``OSError``, and ``ValueError`` for anything else that stands there."""
    try:
        found = json.loads(content(path).decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def leaves(folder: Path, path: Path) -> bool:
    """Whether a path leads out of a folder, by ``..``, by being absolute, or by a link; what cannot be followed does."""
    try:
        return not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return True
