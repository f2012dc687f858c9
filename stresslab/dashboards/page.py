"""The page: data, words, script and style in one file that asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal

from stresslab import record
from stresslab.dashboards.gather import Texts, run_faults, run_of
from stresslab.dashboards.signals import backtest_faults, backtest_of, is_backtest
from stresslab.dashboards.words import WORDS
from stresslab.faults import Fault, InputError

Language = Literal["zh", "en"]
_HERE = Path(__file__).parent
_PLOTLY = _HERE / "vendor" / "plotly-basic.min.js"


def dashboard(folders: Sequence[Path | str], *, out: Path | str, language: Language = "zh") -> Path:
    """Write one HTML page of finished runs and backtests and return its file.

    The page needs nothing else and asks no network; it opens in ``language`` and can show both. Runs are called by their folders, and
    stand in the order given. The same folders give the same bytes. Raises :class:`InputError` with every fault before anything is written.
    """
    place, places, faults = Path(out), [Path(f) for f in folders], list[Fault]()
    if place.is_dir():
        faults.append(Fault("options", "is a folder", "give the name of a file", None, "out", str(place)))
    if not places:
        faults.append(Fault("options", "a dashboard needs runs", "give the folders of finished runs or backtests"))
    held: list[tuple[Path, dict[str, Any]]] = []
    for folder in places:
        try:
            read = record.RunFolder(folder).read_record()
        except InputError as error:
            faults += error.faults
            continue
        wrong = backtest_faults(folder) if is_backtest(read) else run_faults(folder, read)
        faults += wrong
        if not wrong:
            held.append((folder, read))
    data, unread = _data(held)
    if faults := [*faults, *unread]:
        raise InputError(faults)
    record.write_bytes(place, page(data, language).encode())
    return place


def _data(held: Sequence[tuple[Path, dict[str, Any]]]) -> tuple[dict[str, Any], list[Fault]]:
    """What the page is made of, and its faults: a table that cannot be read, or a folder whose record does not say what it should."""
    texts, faults = Texts(), list[Fault]()
    data: dict[str, Any] = {"runs": [], "backtests": [], "formulas": {}, "texts": texts.all}
    for name, (folder, read) in zip(names_of([folder for folder, _ in held]), held, strict=True):
        try:
            if is_backtest(read):
                data["backtests"].append(backtest_of(folder, name, read))
            else:
                told = run_of(folder, name, read, texts)
                data["formulas"] |= told.pop("formulas")
                data["runs"].append(told)
        except InputError as error:
            faults += error.faults
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # Every file is as its record says, but the record may be another's: of another format, or changed by hand.
            said = f"its record or a table does not say what that of a run says ({type(error).__name__})"
            faults.append(Fault(str(folder), said, "run it again into another folder"))
    return data, faults


def names_of(folders: Sequence[Path]) -> list[str]:
    """What the page calls each folder: its last name, with the one above where that is not enough, then a number."""
    whole = [folder.resolve() for folder in folders]
    short = Counter(folder.name for folder in whole)
    names = [f.name if short[f.name] == 1 else f"{f.parent.name}/{f.name}" for f in whole]
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return told


def in_script(value: Any) -> str:
    """JSON that can stand inside a script element: no text of a user can end it, open a comment, or break a line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def page(data: dict[str, Any], language: Language) -> str:
    """The page as text."""
    scripts = [place.read_text(encoding="utf-8") for place in (_PLOTLY, *(_HERE / n for n in ("parts.js", "figures.js", "room.js")))]
    for script in scripts:
        if "</script" in script.lower():
            raise ValueError("a script of the page would end itself")
    # Only these very scripts may run, and nothing may be fetched from anywhere.
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    policy = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    parts = {
        "language": language, "policy": escape(policy),
        **{key: escape(WORDS[key][0 if language == "en" else 1]) for key in ("title", "no_script")},
        "licence": escape((_HERE / "vendor" / "LICENSE").read_text(encoding="utf-8")),
        "css": (_HERE / "dashboard.css").read_text(encoding="utf-8"), "data": in_script(data), "words": in_script(WORDS),
        "scripts": "\n".join(f"<script>{s}</script>" for s in scripts),
    }
    text = (_HERE / "page.html").read_text(encoding="utf-8")
    pieces = text.split("@@")  # every second one is a name; what is put in is never looked at again
    return "".join(parts[p] if at % 2 else p for at, p in enumerate(pieces))
