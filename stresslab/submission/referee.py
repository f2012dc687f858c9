"""A process of its own that validates packages with Arelle, offline: ``python -m stresslab.submission.referee FILE…``.

Prints one JSON object a file: how many facts it holds and every message of level WARNING, INCONSISTENCY, ERROR or CRITICAL. Arelle keeps
its state for the whole process, so it never shares one with a caller. Whether a file is valid is judged by the levels of messages:
its own exit code is 0 for invalid files, too.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

LEVELS = ("WARNING", "INCONSISTENCY", "ERROR", "CRITICAL")


def referee(files: list[str]) -> None:
    """Validate files one after the other, and print what was found."""
    # The extra is optional: nothing but this process knows the package.
    session = import_module("arelle.api.Session").Session
    options = import_module("arelle.RuntimeOptions").RuntimeOptions
    handler = import_module("arelle.logging.handlers.StructuredMessageLogHandler").StructuredMessageLogHandler
    for file in files:
        log = handler()
        with session() as one:
            one.run(
                options(
                    entrypointFile=file,
                    validate=True,
                    calcs="c11r",
                    workOffline=True,
                    disablePersistentConfig=True,
                    keepOpen=True,
                    logFormat="[%(messageCode)s] %(message)s",
                    validateDuplicateFacts="inconsistent",
                ),
                logHandler=log,
            )
            facts = sum(len(model.facts) for model in one.get_models())
        messages = [_plain(m) for m in log.messages if m["levelname"] in LEVELS]
        sys.stdout.write(json.dumps({"file": file, "facts": facts, "messages": messages}) + "\n")
        sys.stdout.flush()


def _plain(message: dict[str, Any]) -> dict[str, str]:
    return {"level": str(message["levelname"]), "code": str(message["messageCode"]), "text": str(message["msg"])}


if __name__ == "__main__":
    referee(sys.argv[1:])
