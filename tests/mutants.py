"""Break the kernels one small change at a time and see whether a test notices.

    python tests/mutants.py --count 200 --out mutants.jsonl --jobs 2

Each change is made in a copy of the tree, in the text of one expression or statement; then the tests of the kernels run
there as plain Python, which is quicker than compiling, and stop at the first failure. What survives is compiled and meets
all tests that run paths, with all their examples. A failure or a hang kills the mutant. What survives that is printed with
its place and its change: a gap in the tests, or a change that makes no difference, which then stands with its reason in
``mutants_justified.toml``. Results go to ``--out``, one JSON line each; a run goes on where the last one stopped, and forgets
what it knew of lines whose file has changed.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parent.parent
KERNELS = Path("stresslab/kernels")
#: What draws paths and weighs them has laws of its own that tests hold to published words and moments; a layout has no rules.
SPARED = {
    "__init__.py", "crash.py", "draws.py", "factors.py", "guided.py", "joint.py", "lanes.py", "laws.py", "layout.py", "noise.py",
    "normals.py", "panel.py", "rates.py", "returns.py", "score.py", "scramble.py", "special.py", "tails.py",
}
JUSTIFIED = ROOT / "tests" / "mutants_justified.toml"
COPIED = ("stresslab", "tests", "scenarios", "notebooks", "docs", "README.md", "pyproject.toml")
KILLERS = (
    "tests/test_prices.py", "tests/test_liquidity.py", "tests/test_literature.py", "tests/test_rules.py", "tests/test_cascade.py",
    "tests/test_responses.py", "tests/test_withdrawals.py",
    "tests/test_replay.py::test_every_day_with_a_debt_is_told",
    "tests/test_replay.py::test_events_explain_every_account_to_the_last_li",
    "tests/test_replay.py::test_what_an_account_has_after_each_event_follows_from_the_event",
    "tests/test_replay.py::test_recording_changes_nothing",
    "tests/test_replay.py::test_an_event_says_what_is_of_its_kind",
    "tests/test_replay.py::test_days_of_an_account_are_its_marks",
    "tests/test_replay.py::test_the_world_worked_by_hand",
    "tests/test_parts.py::test_a_cut_world_equals_the_plain_twin",
)
#: What a mutant that survived as plain Python meets next, compiled: every test that runs paths, those that the first
#: stages do not know first.
COMPILED_KILLERS = (
    "tests/test_repricing.py", "tests/test_short_rate.py", "tests/test_withdrawals.py", "tests/test_replay.py",
    "tests/test_hand.py", "tests/test_contagion.py", "tests/test_noise.py", "tests/test_rules.py", "tests/test_parts.py",
    "tests/test_responses.py", "tests/test_cascade.py",
)
#: Bytes that the tests of a mutant may take.
MEMORY_MOST = 6 * 2**30
#: Examples of each hypothesis test, stage by stage: most mutants fall to the first few worlds. 0 is all of them, compiled.
STAGES = (15, 100, 0)

#: A failure is enough: no time is spent on the smallest example of it.
PLUGIN = '''
import resource

# A loop that no longer ends may fill a list: that is to end here, not in the machine's memory.
resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MOST, MEMORY_MOST))

from pathlib import Path

import pytest
import stresslab
from hypothesis import Phase, settings


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    assert Path(stresslab.__file__).is_relative_to(Path.cwd()), "the tests would run on another tree"
    settings.register_profile("fast", settings.get_profile("fast"), phases=(Phase.explicit, Phase.generate))
    settings.load_profile("fast")
'''

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    file: str
    function: str
    line: int
    change: str
    source: str  # the whole file after it

    @property
    def key(self) -> str:
        """A name that is the mutant's own and changes with its file."""
        return hashlib.sha256(f"{self.file}\0{self.source}".encode()).hexdigest()[:20]


# --- making mutants -------------------------------------------------------------------------------


def swaps(node: ast.AST) -> Iterator[ast.AST]:
    """Every small change of an expression, as the expression that takes its place."""
    if isinstance(node, ast.Compare) and len(node.ops) >= 1:
        for n, op in enumerate(node.ops):
            for other in COMPARISONS.get(type(op), ()):
                yield ast.Compare(node.left, [*node.ops[:n], other(), *node.ops[n + 1:]], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
        yield ast.Call(ast.Name("max" if node.func.id == "min" else "min"), node.args, node.keywords)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)


def statement_swaps(node: ast.stmt) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Every small change of a statement: the part of it that goes, and what takes its place."""
    if isinstance(node, ast.AugAssign):
        if type(node.op) in OPERATORS:
            yield node, ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value)
        yield node, ast.Pass()
    elif isinstance(node, ast.If):
        if not isinstance(node.test, ast.Compare):  # a comparison is turned round as an expression
            yield node.test, ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.Continue | ast.Break):
        yield node, ast.Pass()
    elif isinstance(node, ast.Return):
        if node.value is None:
            yield node, ast.Pass()
    elif isinstance(node, ast.Assign):
        # A name that is never set only stops the program; a field or an element keeps what it had.
        targets = [t for target in node.targets for t in (target.elts if isinstance(target, ast.Tuple) else [target])]
        if all(isinstance(target, ast.Attribute | ast.Subscript) for target in targets):
            yield node, ast.Pass()
    elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        yield node, ast.Pass()


def parts(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a node that run: no annotations and no decorators."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        yield from (v for v in (value if isinstance(value, list) else [value]) if isinstance(v, ast.AST))


def changes(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """Every change below a node: the function it is in, what goes, what comes.

    A fetch only asks the processor for a row before it is needed; whatever it names, no result changes.
    """
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "fetch":
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        function = node.name
    if isinstance(node, ast.stmt):
        yield from ((function, old, new) for old, new in statement_swaps(node))
    yield from ((function, node, new) for new in swaps(node))
    for part in parts(node):
        yield from changes(part, function)


def mutants_of(file: str, text: str) -> Iterator[Mutant]:
    """Every mutant of a file, in the order of its lines."""
    lines = text.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    raw = text.encode()
    for function, old, new in changes(ast.parse(text), "<module>"):
        begin = starts[old.lineno - 1] + old.col_offset  # type: ignore[attr-defined]
        end = starts[old.end_lineno - 1] + old.end_col_offset  # type: ignore[attr-defined]
        comes = ast.unparse(ast.fix_missing_locations(new))
        written = comes if isinstance(new, ast.stmt) else f"({comes})"
        source = (raw[:begin] + written.encode() + raw[end:]).decode()
        # Whole lines, so that a change names its place without a number that moves.
        first, last = starts[old.lineno - 1], starts[old.end_lineno]  # type: ignore[attr-defined]
        was = " ".join(raw[first:last].decode().split())
        now = " ".join((raw[first:begin] + written.encode() + raw[end:last]).decode().split())
        yield Mutant(file, function, old.lineno, f"{was} -> {now}", source)  # type: ignore[attr-defined]


def chosen(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """A seeded choice that goes round the functions, so that short ones are tried as often as long ones."""

    def place(*words: object) -> str:
        return hashlib.sha256("\0".join(map(str, (seed, *words))).encode()).hexdigest()

    by_function: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in mutants:
        by_function.setdefault((mutant.file, mutant.function), []).append(mutant)
    queues = [
        sorted(by_function[name], key=lambda m: place(m.file, m.function, m.change))
        for name in sorted(by_function, key=lambda name: place(*name))
    ]
    turns = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(turns) for queue in queues if turn < len(queue)][:count]


# --- trying them ----------------------------------------------------------------------------------


class House:
    """A copy of the tree in which one mutant at a time is tried."""

    def __init__(self, folder: Path, tests: list[str]) -> None:
        self.folder, self.tests = folder, tests
        folder.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            elif source.exists():
                shutil.copy(source, folder / name)
        (folder / "quick_kill.py").write_text(PLUGIN.replace("MEMORY_MOST", str(MEMORY_MOST)), encoding="utf-8")
        # Data that some tests read stand beside the checkout.
        beside = ROOT.parent / "shared"
        if beside.is_dir() and not (folder.parent / "shared").exists():
            (folder.parent / "shared").symlink_to(beside)

    def test(self, examples: int, seconds: float) -> tuple[str, str]:
        """Run the tests, compiled where all ``examples`` (0) are asked for: "passed", "failed" or "hung", and the last that they said."""
        environment = os.environ | {
            "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0",
            "NUMBA_DISABLE_JIT": str(int(examples > 0)),
            "STRESSLAB_CACHE": str(self.folder / "cache"), "STRESSLAB_FAST_EXAMPLES": str(examples or 10**9),
        }
        command = [
            sys.executable, "-m", "pytest", "-x", "-q", "--tb=line", "-p", "quick_kill", "-p", "no:cacheprovider",
            "--hypothesis-profile=fast", *(self.tests if examples else COMPILED_KILLERS),
        ]
        with subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", start_new_session=True,
        ) as running:
            try:
                said, _ = running.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)  # its own session: nobody else's
                running.communicate()
                return "hung", f"after {seconds:.0f}s"
        last = [line for line in said.splitlines() if line.strip()]
        failed = [line for line in last if line.startswith(("FAILED", "ERROR"))]
        return ("passed" if running.returncode == 0 else "failed"), (failed or last or [""])[-1][:200]

    def judge(self, mutant: Mutant, stages: tuple[int, ...], seconds: list[float]) -> tuple[str, str]:
        """Try a mutant: "killed", "timed out" or "survived", and how."""
        file = self.folder / mutant.file
        right = file.read_text(encoding="utf-8")
        file.write_text(mutant.source, encoding="utf-8")
        try:
            for examples, limit in zip(stages, seconds, strict=True):
                end, said = self.test(examples, limit)
                if end != "passed":
                    return ("timed out" if end == "hung" else "killed"), said
            return "survived", ""
        finally:
            file.write_text(right, encoding="utf-8")


def justified() -> dict[tuple[str, str], str]:
    """Reasons by function and change, of mutants that make no difference."""
    if not JUSTIFIED.exists():
        return {}
    entries = tomllib.loads(JUSTIFIED.read_text(encoding="utf-8")).get("mutant", [])
    return {(entry["function"], entry["change"]): entry["reason"] for entry in entries}


def known(out: Path, again: bool) -> dict[str, dict[str, object]]:
    """Results of earlier runs by key; with ``again`` only kills count, and the rest is tried once more."""
    if not out.exists():
        return {}
    results = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines() if line.strip()]
    latest = {result["key"]: result for result in results}
    return {key: result for key, result in latest.items() if not again or result["end"] == "killed"}


def baseline(house: House, stages: tuple[int, ...], least: float) -> list[float]:
    """Seconds allowed for each stage, from how long the unbroken tree takes; it must pass, or no kill would mean anything."""
    limits = []
    for examples in stages:
        started = time.monotonic()
        end, said = house.test(examples, 3600)
        if end != "passed":
            raise SystemExit(f"the tests {end} on the tree as it is, so they can judge nothing: {said}")
        took = time.monotonic() - started
        limits.append(max(least, 4 * took))
        print(f"the tree as it is passes {examples or 'all'} examples a test in {took:.0f}s", flush=True)
    return limits


def trial(untried: list[Mutant], options: argparse.Namespace, reasons: dict[tuple[str, str], str]) -> dict[str, dict[str, object]]:
    """Try the mutants, several at a time; write and return the results."""
    stages = tuple(options.examples)
    results: dict[str, dict[str, object]] = {}
    houses: SimpleQueue[House] = SimpleQueue()
    lock = threading.Lock()
    with tempfile.TemporaryDirectory() as work, options.out.open("a", encoding="utf-8") as out:
        for n in range(options.jobs):
            houses.put(House(Path(work) / f"house{n}", options.tests))
        first = houses.get()
        seconds = baseline(first, stages, options.timeout)
        houses.put(first)

        def attempt(mutant: Mutant) -> None:
            house = houses.get()
            started = time.monotonic()
            try:
                end, said = house.judge(mutant, stages, seconds)
            finally:
                houses.put(house)
            result: dict[str, object] = {
                "key": mutant.key, "file": mutant.file, "function": mutant.function, "line": mutant.line, "change": mutant.change,
                "end": end, "by": said, "seconds": round(time.monotonic() - started, 1),
            }
            with lock:
                results[mutant.key] = result
                out.write(json.dumps(result, ensure_ascii=False) + "\n")
                out.flush()
                excuse = " (justified)" if end == "survived" and (mutant.function, mutant.change) in reasons else ""
                print(f"{len(results)}/{len(untried)} {end}{excuse}: {told(result)}", flush=True)

        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(attempt, untried))
    return results


def told(result: dict[str, object]) -> str:
    """One line on a result."""
    return f"{result['file']}:{result['line']} {result['function']}: {result['change']}"


def main() -> int:
    """Make, choose and try mutants; 1 if any survived without a reason."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="how many mutants, earlier results included")
    parser.add_argument("--only", action="append", default=[], metavar="FILE", help="a file of the kernels; may be repeated")
    parser.add_argument("--function", action="append", default=[], help="a function; may be repeated")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"))
    parser.add_argument("--again", action="store_true", help="try once more what survived or timed out before")
    parser.add_argument("--tests", nargs="+", default=[test for test in KILLERS if (ROOT / test.partition("::")[0]).exists()])
    parser.add_argument("--examples", nargs="+", type=int, default=list(STAGES), help="examples of each test, stage by stage")
    parser.add_argument("--timeout", type=float, default=60.0, help="least seconds for a run of the tests")
    parser.add_argument("--list", action="store_true", help="only say what would be tried")
    options = parser.parse_args()

    files = sorted(f for f in (ROOT / KERNELS).glob("*.py") if f.name not in SPARED)
    if options.only:
        wanted = {Path(name).name for name in options.only}
        files = sorted(f for f in (ROOT / KERNELS).glob("*.py") if f.name in wanted)
        if len(files) < len(wanted):
            raise SystemExit(f"no such kernels: {', '.join(sorted(wanted - {f.name for f in files}))}")
    every = [m for f in files for m in mutants_of((KERNELS / f.name).as_posix(), f.read_text(encoding="utf-8"))]
    every = [m for m in every if not options.function or m.function in options.function]
    mutants = chosen(every, options.count, options.seed)
    print(f"{len(mutants)} of {len(every)} mutants of {len({(m.file, m.function) for m in every})} functions")
    if options.list:
        for mutant in mutants:
            print(f"{mutant.file}:{mutant.line} {mutant.function}: {mutant.change}")
        return 0
    reasons = justified()
    results = known(options.out, options.again)
    untried = [m for m in mutants if m.key not in results]
    if untried:
        results |= trial(untried, options, reasons)
    mine = [results[m.key] for m in mutants]
    ends = Counter(str(result["end"]) for result in mine)
    survivors = [result for result in mine if result["end"] == "survived"]
    excused = [r for r in survivors if (str(r["function"]), str(r["change"])) in reasons]
    print(
        f"tried {len(mine)}: killed {ends['killed']}, timed out {ends['timed out']}, survived {ends['survived']}, "
        f"of which {len(excused)} make no difference"
    )
    for result in survivors:
        if result not in excused:
            print(f"SURVIVED {told(result)}")
    return int(len(survivors) > len(excused))


if __name__ == "__main__":
    sys.exit(main())
