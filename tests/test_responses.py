"""Shut desks and responses (M-145 to M-153): kernel = twin, audited, cut into parts, and cases worked by hand."""

from __future__ import annotations

from typing import Any

import bookkeeper
import plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_worlds import run_kernel
from worlds import planned_worlds

World = dict[str, Any]
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


@settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(planned_worlds(), st.sampled_from((0, 3, 20, 100)))
def test_kernel_equals_the_plain_twin(world: World, watch_pct: int) -> None:
    mine, twins = run_kernel(world | {"watch_pct": watch_pct}), plain.run_path(world)
    for part in twins:
        assert mine[part] == twins[part], part


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(planned_worlds())
def test_an_independent_bookkeeper_balances_every_path(world: World) -> None:
    bookkeeper.audit(world, run_kernel(world))
