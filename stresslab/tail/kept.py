"""Finished pieces of a rare-event search as files: a killed search goes on where it stopped, to the same bytes (M-286)."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stresslab.record import RunFolder
from stresslab.tail.splitting import Climb, Repetition
from stresslab.tail.tilt import Lean, Pilot, Sample, Tilt
from stresslab.tail.walk import Batch

Arrays = dict[str, NDArray[Any]]


class Kept:
    """Asks a crew for pieces, keeps each as it comes, and asks for none that is kept.

    A piece is told by the name of its function and by everything that it is given, to the last bit of every number; the folder belongs
    to one plan, so book, market, scenario, seed and program are the same.
    """

    def __init__(self, ask: Callable[..., list[Any]], folder: RunFolder, scenario: str) -> None:
        self.ask, self.folder, self.scenario = ask, folder, scenario

    def __call__(self, function: Callable[..., Any], items: Sequence[tuple[Any, ...]]) -> list[Any]:
        """As the crew would answer."""
        names = [_name(function, item) for item in items]
        answers = [self._read(name) for name in names]
        missing = [at for at, answer in enumerate(answers) if answer is None]

        def heard(at: int, answer: Any) -> None:
            self.folder.save_piece(self.scenario, names[missing[at]], flat(answer))

        if missing:
            for at, answer in zip(missing, self.ask(function, [items[at] for at in missing], heard), strict=True):
                answers[at] = answer
        return answers

    def _read(self, name: str) -> Any:
        held = self.folder.load_piece(self.scenario, name)
        # A file that somebody changed may hold anything: what is no piece is made again.
        with contextlib.suppress(KeyError, IndexError, TypeError, ValueError):
            return None if held is None else whole(held)
        return None


def _name(function: Callable[..., Any], item: tuple[Any, ...]) -> str:
    # The representation of a float is exact, and those of questions and tilts name all their fields.
    told = f"{function.__name__} {item!r}".encode()
    return f"tail-{hashlib.sha256(told).hexdigest()[:40]}"


def flat(piece: Any) -> Arrays:
    """A piece as arrays, none of which needs more than numpy to be read."""
    kind = type(piece).__name__
    if isinstance(piece, np.ndarray):
        return {"kind": np.array("array"), "value": piece}
    held: Arrays = {"kind": np.array(kind)}
    if isinstance(piece, Sample):
        return held | dict(piece._asdict())
    if isinstance(piece, Pilot):
        tilt = "" if piece.tilt is None else json.dumps([vars(lean) for lean in piece.tilt.leans])
        return held | {"tilt": np.array(tilt), "paths": np.array(piece.paths), "spread": np.array(piece.spread)}
    if isinstance(piece, Climb):
        return held | {name: np.array(value) for name, value in piece._asdict().items()}
    if isinstance(piece, Repetition):
        rest: Arrays = {"probability": np.array(piece.probability), "paths": np.array(piece.paths), "until": piece.until}
        return held | rest | dict(piece.witnesses._asdict())
    raise TypeError(f"no piece of a search: {kind}")


def whole(held: Arrays) -> Any:
    """The piece that :func:`flat` made flat; KeyError, TypeError or ValueError if it is none."""
    kind = str(held["kind"])
    if kind == "array":
        return held["value"]
    if kind == "Sample":
        return Sample(*(held[name] for name in Sample._fields))
    if kind == "Pilot":
        text = str(held["tilt"])
        tilt = Tilt(tuple(_lean(one) for one in json.loads(text))) if text else None
        return Pilot(tilt, int(held["paths"]), float(held["spread"]))
    if kind == "Climb":
        return Climb(tuple(held["levels"].tolist()), tuple(held["steps"].tolist()), float(held["probability"]), int(held["iterations"]),
                     int(held["paths"]))
    if kind == "Repetition":
        return Repetition(
            float(held["probability"]), int(held["paths"]), Batch(held["leading"], held["own"], held["path"]), held["until"])
    raise ValueError(kind)


def _lean(told: dict[str, Any]) -> Lean:
    return Lean(tuple(told["columns"]), tuple(tuple(line) for line in told["shift"]), tuple(told["names"]), tuple(told["name_shift"]))
