"""The disk cache of compiled code: two processes that compile one function for different types at once leave no wrong code behind."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from stresslab import kernels

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")

PROGRAM = """
import sys
import numpy as np
from stresslab.kernels.draws import fill_uniforms
from stresslab.kernels import kernel
sys.path.insert(0, sys.argv[1])
from tried import second
rows = np.arange(6, dtype=np.int64).reshape(2, 3)
print(second(np.asfortranarray(rows) if sys.argv[2] == "F" else rows))
"""
TRIED = """
from stresslab.kernels import kernel

@kernel
def second(rows):
    return rows[0, 1]
"""


def test_code_for_other_types_is_not_run(tmp_path: Path) -> None:
    """Two index entries that name one file, as a race leaves them: the right numbers all the same."""
    (tmp_path / "tried.py").write_text(TRIED, encoding="utf-8")
    given = os.environ | {"STRESSLAB_CACHE": str(tmp_path / "cache")}

    def said(order: str) -> str:
        words = [sys.executable, "-c", PROGRAM, str(tmp_path), order]
        return subprocess.run(words, env=given, capture_output=True, text=True, check=True).stdout.strip()

    assert [said("C"), said("F"), said("C"), said("F")] == ["1"] * 4
    index = next((tmp_path / "cache").rglob("tried.second-*.nbi"))
    with index.open("rb") as stream:
        head, body = pickle.load(stream), stream.read()
    stamp, entries = pickle.loads(body)
    assert len(entries) == 2
    assert len(set(entries.values())) == 2
    entries = dict.fromkeys(entries, next(iter(entries.values())))
    index.write_bytes(pickle.dumps(head) + pickle.dumps((stamp, entries)))
    assert [said("F"), said("C"), said("F"), said("C")] == ["1"] * 4

ELSEWHERE = """
import stresslab.kernels.prices as prices
assert prices.__file__.startswith({folder!r}), prices.__file__
prices.clip(1, 2, 3)
print(sum(prices.clip.stats.cache_hits.values()), sum(prices.clip.stats.cache_misses.values()))
"""


def test_another_installation_of_the_same_sources_need_not_compile(tmp_path: Path) -> None:
    """What one folder has compiled a second one finds, and a third whose sources differ in one comment does not."""

    def hits_and_misses(name: str, remark: str = "") -> str:
        package = tmp_path / name / "stresslab"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        shutil.copytree(Path(kernels.__file__).parent, package / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
        with (package / "kernels" / "tails.py").open("a", encoding="utf-8") as stream:
            stream.write(remark)
        given = os.environ | {"STRESSLAB_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path / name)}
        words = [sys.executable, "-c", ELSEWHERE.format(folder=str(tmp_path / name))]
        return subprocess.run(words, cwd=tmp_path, env=given, capture_output=True, text=True, check=True).stdout.strip()

    assert [hits_and_misses("one"), hits_and_misses("two"), hits_and_misses("three", "# an edit\n")] == ["0 1", "1 0", "0 1"]
