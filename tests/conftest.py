"""How much hypothesis searches: all that a test asks for, or a sample where kernels run as plain Python.

`ci` draws the same examples every time. `fast` (`pytest --hypothesis-profile=fast`) caps the examples of every
test, also of those that set their own number: without the JIT one world takes a thousand times longer.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

#: Examples of a test under the profile `fast`.
FAST_EXAMPLES = int(os.environ.get("STRESSLAB_FAST_EXAMPLES", "100"))

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
# The first example of a test compiles a kernel: a deadline would measure the compiler.
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")
settings.register_profile(
    "fast", max_examples=FAST_EXAMPLES, derandomize=True, deadline=None, suppress_health_check=_SLOW
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if settings.get_current_profile_name() != "fast":
        return
    for item in items:
        test = getattr(item, "obj", None)
        # Settings of a test win over those of a profile, and hypothesis has no public way to lower them.
        asked = getattr(test, "_hypothesis_internal_use_settings", None)
        if asked is not None and asked.max_examples > FAST_EXAMPLES:
            test._hypothesis_internal_use_settings = settings(asked, max_examples=FAST_EXAMPLES, deadline=None)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls the command line in this process; gives exit code, stdout and stderr."""
    from stresslab import cli

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stresslab", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call
