"""Small calls that together pass through every kernel, each answered with a digest of all its numbers.

`python interpreted_cases.py NAME…` prints the digests: compiled, or interpreted where numba's JIT is off.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import tail_books
from sampled_factors import Sample
from test_crash import DEFINITIONS, LAWS, SHAPES, crash
from test_drivers import market as market_of_every_law
from test_panel import laws as panel_laws

import stresslab as sl
from stresslab.book import demo_book
from stresslab.engine import pack, run_block
from stresslab.faults import Fault
from stresslab.kernels import panel
from stresslab.market import Market, ShortRate, shipped_market
from stresslab.resolve import resolve
from stresslab.scenario import Scenario, read_scenario
from stresslab.tail import read_event
from stresslab.tail.splitting import PathSwarm, climb
from stresslab.tail.tilt import NOMINAL_EVERY, Lean, defended, draw_sample
from stresslab.tail.walk import new_walk, shape_of

SEED = 20_150_612
#: Scenarios that are shipped and differ in the rules they use.
SCENARIOS = ("crash-40", "crash-40-hedged", "crash-40-outage", "crash-40-raise-lines", "crash-40-staged", "halt-2016", "rates-random",
             "replay-2015", "severe", "suspension-2015", "withdrawal-wave")
MODELS = ("gbm", "jump", "heston", "garch", "regime", "bootstrap")
SHORT_RATES: dict[str, dict[str, Any]] = {
    "vasicek": {"long_run_pct": 3.5, "volatility_pct": 1.5}, "cir": {"long_run_pct": 3.5, "volatility": 0.09},
    "hull_white": {"volatility_pct": 1.5, "curve_years": (0.25, 1.0, 5.0), "curve_pct": (3.2, 3.9, 3.5)},
}


def digest(arrays: dict[str, Any]) -> str:
    """SHA-256 of the bytes of some arrays, by name."""
    said = hashlib.sha256()
    for name in sorted(arrays):
        said.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return said.hexdigest()


@cache
def book() -> sl.Book:
    return demo_book(24)


def block(scenario: Scenario, market: Market | None = None, sampling: str = "plain", paths: int = 2) -> str:
    """Some paths of a small book."""
    resolved = replace(resolve(book(), market or shipped_market(), scenario), sampling=sampling)
    return digest(pack(run_block(resolved, SEED, 0, paths)))


def shortened(name: str, days: int) -> Scenario:
    return read_scenario(name).model_copy(update={"days": days})


def with_market(**changes: Any) -> Scenario:
    base = shortened("baseline", 12)
    return base.model_copy(update={"market": base.market.model_copy(update=changes)})


def crashed(law: str, definition: str, shape: str) -> str:
    taken = LAWS[law]()
    s = Sample(taken, 9, 2, crash(taken, 9, 5, 0.12, DEFINITIONS[definition], SHAPES[shape]), SEED)
    return digest({"level": s.level, "variance": s.variance, "state": s.state, "told": s.told})


def short_rate(model: str) -> str:
    given = {"model": model, "initial_pct": 3.0, "mean_reversion": 0.8, "source": "made up"} | SHORT_RATES[model]
    plain = shortened("rates-random", 12)
    return block(plain.model_copy(update={"rates": plain.rates.model_copy(update={"law": ShortRate.model_validate(given)})}))


def panel_case() -> str:
    loading = np.zeros((1, 16))
    loading[0, :2] = 0.6, -0.8
    p, step = panel_laws(16, 12, 12 / 252, loading=loading, vol_of_vol=0.7, correlation=-0.6, intensity=60.0, jump_mean=-0.03, jump_sd=0.05)
    out = np.zeros((3, 12, 16), np.float32)
    panel.panel_paths(out, p, step, SEED, 0)
    return digest({"prices": out})


def tail_case(event: str, split: bool) -> str:
    faults: list[Fault] = []
    asked = read_event(event, faults)
    assert asked is not None, faults
    resolved = resolve(tail_books.book("diversified", accounts=12, instruments=6), tail_books.market(), tail_books.scenario(8))
    walk, shape = new_walk(resolved, asked, "P1"), shape_of(resolved)
    if split:
        swarm = PathSwarm(walk.judge, shape, SEED, 16)
        found = climb(swarm, 4, 1, most=200)
        return digest({"score": swarm.score, "levels": np.array(found.levels)})
    lean = Lean(columns=(0,), shift=((-0.4,) * shape.days,), names=(2,), name_shift=(-0.5,))
    sample = draw_sample(walk.judge, shape, defended(lean), SEED, NOMINAL_EVERY, 0, 12)
    return digest({str(at): np.asarray(value) for at, value in enumerate(sample)})


CASES: dict[str, Callable[[], str]] = {
    **{f"scenario {name}": (lambda name=name: block(read_scenario(name), paths=1)) for name in SCENARIOS},
    **{f"model {model}": (lambda model=model: block(with_market(model=model), market_of_every_law(volatility_pct=18.0)))
       for model in MODELS},
    **{f"sampling {name}": (lambda name=name: block(shortened("crash-20", 20), None, name)) for name in ("antithetic", "sobol")},
    **{f"short rate {model}": (lambda model=model: short_rate(model)) for model in SHORT_RATES},
    **{f"{law}, {definition}, {shape}": (lambda at=(law, definition, shape): crashed(*at))
       for law in sorted(LAWS) for definition in sorted(DEFINITIONS) for shape in (sorted(SHAPES) if law == "garch t" else ["bridge"])
       if law != "heston" or definition == "minimum"},
    "panel": panel_case,
    "tilt": lambda: tail_case("failure", False),
    "splitting": lambda: tail_case("own_funds_coverage < 0.99", True),
}


if __name__ == "__main__":
    json.dump({name: CASES[name]() for name in sys.argv[1:]}, sys.stdout)
