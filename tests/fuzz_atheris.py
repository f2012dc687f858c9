"""The readers under a fuzzer that follows which branches of ours a file reaches (atheris, libFuzzer's engine):

    pip install atheris
    python tests/fuzz_atheris.py scenarios -max_total_time=600

The word names a reader of `fuzzing.readers` (`scenarios` for all shipped ones), or `all`; what follows are options of libFuzzer. A
failure is printed as a recipe, which belongs into `CORPUS` of `test_fuzz.py`. Atheris is no dependency: it has wheels for Linux alone.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
# The kernels first: numba compiles no code that counts its branches.
for file in sorted((Path(__file__).parent.parent / "stresslab" / "kernels").glob("[a-z]*.py")):
    importlib.import_module(f"stresslab.kernels.{file.stem}")

with atheris.instrument_imports(include=["stresslab"], enable_loader_override=False):
    import fuzzing


def recipe_of(data: bytes, names: list[str], longest: int = 3) -> fuzzing.Recipe:
    """The recipe that a fuzzer's bytes stand for: seven bytes a mutation."""
    held = atheris.FuzzedDataProvider(data)
    name = names[held.ConsumeIntInRange(0, len(names) - 1)]
    which = held.ConsumeIntInRange(0, 255)
    mutations = []
    while held.remaining_bytes() and len(mutations) < longest:
        way = held.ConsumeIntInRange(0, 63)
        u, v, w = (held.ConsumeIntInRange(0, 65535) / 65536 for _ in range(3))
        mutations.append((way, u, v, w))
    return name, which, tuple(mutations)


def main() -> None:
    """Fuzz until stopped, or until something fails."""
    folder = Path(tempfile.mkdtemp())
    known = fuzzing.readers(fuzzing.sound_run(folder / "sound"))
    asked = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else "all"
    names = [n for n in known if asked in ("all", n) or (asked == "scenarios" and n.startswith("scenario "))]
    if not names:
        sys.exit(f"no such reader; known are {', '.join(known)}")

    def one(data: bytes) -> None:
        recipe = recipe_of(data, names)
        try:
            fuzzing.attempt(known[recipe[0]], recipe, folder / "work")
        except Exception:
            print(f"\nfailed: {recipe!r}", file=sys.stderr)
            shutil.rmtree(folder / "work", ignore_errors=True)
            raise

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
