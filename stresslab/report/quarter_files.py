"""Files that a quarterly report is given beside its run: remediation (TOML), ledger and custodian totals (CSV), a reverse search."""

from __future__ import annotations

import csv
import datetime
import io
import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from stresslab import intake
from stresslab.faults import Fault, InputError, nearest
from stresslab.spreadsheets import plain

_REMEDY = ("platform", "limit", "action", "owner", "due", "status")
#: Totals that can be reconciled, and where a platform's facts in a record have them.
ITEMS: dict[str, str] = {
    "loans": "loans_li", "collateral": "collateral_li", "cash": "cash_li", "liquid_pool": "liquid_pool_li", "claims": "claims_li",
    "funding": "funding_li", "own_capital": "own_capital_li", "reserve": "reserve_li", "segregated": "segregated_li",
}
_COLUMNS = ("platform_id", "item", "source", "amount_yuan")


def read_remediation(path: Path, platforms: Sequence[str], limits: Sequence[str]) -> list[dict[str, Any]]:
    """The plans of a remediation file: tables ``[[remediation]]`` with platform, limit, action, owner and due date, perhaps status."""
    try:
        held = intake.toml(intake.written(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError([Fault(str(path), f"cannot be read as TOML ({error})", "write tables [[remediation]]")]) from error
    faults = [Fault(path.name, "unknown key", "write tables [[remediation]]", None, str(key)) for key in held if key != "remediation"]
    plans = held.get("remediation", [])
    if not isinstance(plans, list) or not all(isinstance(p, dict) for p in plans):
        raise InputError([*faults, Fault(path.name, "must be a list of tables", "write [[remediation]]", None, "remediation")])
    for row, plan in enumerate(plans, 1):
        faults += [Fault(path.name, "unknown key", nearest(str(k), _REMEDY), row, str(k)) for k in plan if k not in _REMEDY]
        for key in _REMEDY[:4]:
            if not isinstance(plan.get(key), str) or not plan[key].strip():
                faults.append(Fault(path.name, "every plan has it, as text", "write it in quotes", row, key))
        if not isinstance(plan.get("due"), datetime.date):
            way_out = "write it without quotes, as 2026-12-31"
            faults.append(Fault(path.name, "every plan has a date", way_out, row, "due", str(plan.get("due"))))
        for key, known in (("platform", platforms), ("limit", limits)):
            if isinstance(plan.get(key), str) and plan[key] not in known:
                faults.append(Fault(path.name, f"the run has no such {key}", nearest(plan[key], known), row, key, plan[key]))
    if faults:
        raise InputError(faults)
    return list(plans)


def read_totals(path: Path, platforms: Sequence[str]) -> list[dict[str, Any]]:
    """Totals of ledger and custodian: a CSV with platform_id, item, source (its name) and amount_yuan; amounts exact, in 厘."""
    try:
        rows = list(csv.DictReader(io.StringIO(intake.content(path).decode("utf-8-sig"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError([Fault(str(path), f"cannot be read ({error})", "give a CSV in UTF-8")]) from error
    lost = [c for c in _COLUMNS if not rows or c not in rows[0]]
    if lost:
        raise InputError([Fault(path.name, "has no such column, or no rows", f"columns are {', '.join(_COLUMNS)}", 1, c) for c in lost])
    faults, found = [], []
    for at, row in enumerate(rows, 2):
        row["platform_id"] = plain(row["platform_id"] or "")
        for key, known in (("platform_id", list(platforms)), ("item", list(ITEMS))):
            if row[key] not in known:
                faults.append(Fault(path.name, "is not known", nearest(str(row[key]), known), at, key, str(row[key])))
        if not (row["source"] or "").strip():
            faults.append(Fault(path.name, "must not be empty", "write ledger, or the custodian's name", at, "source"))
        li = _li(row["amount_yuan"] or "")
        if li is None:
            rule = "must be an amount in yuan with at most three decimals"
            faults.append(Fault(path.name, rule, "write it as 1234567.89", at, "amount_yuan", str(row["amount_yuan"])))
        found.append({"platform_id": row["platform_id"], "item": row["item"], "source": row["source"], "amount_li": li})
    if faults:
        raise InputError(faults)
    return found


def _li(text: str) -> int | None:
    if re.fullmatch(r"-?\d{1,15}(\.\d+)?", text.strip()) is None:
        return None
    try:
        exact = Decimal(text.strip()) * 1000
    except InvalidOperation:
        return None
    return int(exact) if exact == exact.to_integral_value() else None


def read_reverse(folder: Path) -> dict[str, Any]:
    """What ``stresslab reverse --out`` found, from its folder."""
    place = folder / "reverse.json"
    try:
        found = intake.json_object(place)
        if not {"answers", "dials", "goal", "scenario"} <= set(found):
            raise ValueError(place)
    except (OSError, ValueError) as error:
        rule = "this folder holds no finished search for a breaking point"
        raise InputError([Fault(str(folder), rule, "give the folder of `stresslab reverse --out`", None, "reverse")]) from error
    return found
