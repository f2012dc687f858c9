"""Compiled and interpreted, every kernel gives the same bits, floats included: nothing rests on a compiler's taste.

What this process is not, a second one is: compiled where numba's JIT is off here, interpreted where it is on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from interpreted_cases import CASES

TESTS = Path(__file__).parent
INTERPRETED = bool(numba.config.DISABLE_JIT)
#: Those that take the interpreter a second and more; without the JIT here, all are asked.
SLOW = ("scenario", "model", "sampling", "short rate", "heston", "splitting")


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, str]:
    """The digests of the other kind."""
    asked = list(CASES) if INTERPRETED else [name for name in CASES if not name.startswith(SLOW)]
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(TESTS / "interpreted_cases.py"), *asked], capture_output=True, text=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "0" if INTERPRETED else "1", "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_interpreter_and_the_compiler_agree_to_the_last_bit(name: str, elsewhere: dict[str, str]) -> None:
    if name not in elsewhere:
        pytest.skip("takes the interpreter long; asked where the JIT is off")
    assert CASES[name]() == elsewhere[name]
