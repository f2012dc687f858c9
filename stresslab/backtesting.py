"""The verb ``backtest`` as a library call: conducts the room of early warning and its page, and computes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stresslab.faults import Fault, InputError, nearest
from stresslab.history import History, read_history
from stresslab.history.splits import Splits

if TYPE_CHECKING:
    import pandas as pd

    from stresslab.early_warning.backtest import Settings
    from stresslab.early_warning.on_run import OnRun

#: The events of a run in words; the columns of `outcomes` that hold their days are taken too.
ENDINGS_SAID = {
    "platform failure": "failure_day", "own funds exhausted": "own_funds_exhausted_day", "unpaid redemption": "first_unpaid_day",
}
MODELS = ("threshold", "rule", "logit", "boosting")


@dataclass(frozen=True)
class Backtested:
    """A backtest: its tables by name (scores, indicators, alarms, leads, tests, risk, risk_days, events, values, [shadow]), its record,
    and what was known on the day that was asked about."""

    tables: dict[str, pd.DataFrame]
    record: dict[str, Any]
    as_of: dict[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """The record with the table of scores, as JSON can hold it: what is missing or infinite is null."""
        rows = [
            {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
            for row in self.scores.to_dict("records")
        ]
        return {**self.record, "scores": rows}

    @property
    def scores(self) -> pd.DataFrame:
        """Every measure of every model with its interval."""
        return self.tables["scores"]

    @property
    def alarms(self) -> pd.DataFrame:
        """What every model said on every evening."""
        return self.tables["alarms"]

    @property
    def indicators(self) -> pd.DataFrame:
        """Each indicator, what it reads, and what it was worth alone."""
        return self.tables["indicators"]


def backtest(
    *histories: History | Path | str,
    events: str | Path | None = None,
    models: Sequence[str] = MODELS,
    out: Path | str | None = None,
    index: str | None = None,
    first: str | None = None,
    last: str | None = None,
    lags: Mapping[str, int] | None = None,
    shadow: str | Path | None = None,
    as_of: str | None = None,
    demo: bool = False,
    settings: Settings | None = None,
    splits: Splits = "keep",
    action: str | Path | None = None,
) -> Backtested:
    """Score early warnings on a history (one or several folders or files) and its dated events, and write a folder: tables, page, record.

    ``events`` is a rule (``drawdown >= 20% within 60 days``) or a CSV file; ``models`` are threshold, threshold:INDICATOR, rule, rule:FILE,
    logit, boosting, regime and combination, beside the naive rules always, never and volatility alone. ``demo`` takes the history that the
    package arch ships. ``action`` is a file of what is done on an alarm (M-188, M-266): its value is told, and with ``as_of`` the
    response of a scenario that each model's alarm sets off (M-267). Raises :class:`InputError` with every fault before
    anything is written; the same inputs give the same bytes.
    """
    from stresslab.early_warning.actions import actions_table, read_action, triggers_of, triggers_table
    from stresslab.early_warning.asked import known_on
    from stresslab.early_warning.backtest import backtest_of
    from stresslab.early_warning.shipped import DEMO_EVENTS, shipped_history
    from stresslab.early_warning.tables import check_folder, record_of, tables_of, with_source, write_folder
    from stresslab.report.early_warning import backtest_page

    if demo == bool(histories):
        raise InputError([Fault("options", "a backtest needs a history", "give its folders or files, or --demo and none")])
    if events is None and not demo:
        way_out = "give --events with a rule ('drawdown >= 20% within 60 days') or a CSV file"
        raise InputError([Fault("options", "a backtest needs events", way_out)])
    if out is not None:
        check_folder(Path(out))
    acting = None if action is None else read_action(action)
    if acting is not None and acting.response is not None and as_of is None:
        rule = "holds a response, and nothing says from which evening its scenario starts"
        way_out = "give --as-of, or leave [response] away"
        raise InputError([Fault(Path(str(action)).name, rule, way_out, None, "response")])
    if demo:
        held, index = shipped_history(), index or "SP500"
    else:
        held = (
            histories[0]
            if isinstance(histories[0], History)
            else read_history(*[h for h in histories if not isinstance(h, History)], splits=splits)
        )
    asked = events if events is not None else DEMO_EVENTS
    found = backtest_of(
        held, asked, models, index=index, first=first, last=last, lags=lags, shadow=shadow, settings=settings
    )
    known = known_on(found, as_of) if as_of is not None else None
    tables = tables_of(found)
    triggers = [] if acting is None or as_of is None else triggers_of(found, acting, as_of)
    if acting is not None:
        tables["actions"] = actions_table(found, acting)
        if acting.response is not None:
            tables["triggers"] = triggers_table(triggers)
    tables = with_source(tables)
    told = {
        "events": str(asked) if not Path(str(asked)).is_file() else Path(str(asked)).name,
        "models": list(models),
        "lags": dict(lags or {}),
        "shadow": None if shadow is None else Path(shadow).name,
        "demo": demo,
    }
    described = record_of(found, told, held.digests) | ({} if known is None else {"as_of": known})
    if acting is not None:
        described["action"] = acting.model_dump() | {"responses": {t.model: t.text for t in triggers}}
    if out is not None:
        write_folder(Path(out), tables, described, backtest_page(described, tables))
    return Backtested(tables, described, known)


def backtest_run(
    run: Path | str, *, shadow: Path | str | None = None, in_force: Path | str | None = None, ending: str = "failure_day",
    horizon: int = 5, mu: float = 0.9, repetitions: int = 200, seed: int = 1, out: Path | str | None = None,
) -> OnRun:
    """Warnings on the paths of a finished run, nothing simulated anew: what each indicator of a platform is worth and how many histories
    it takes to know that (M-198, M-199), models trained on its first paths and scored on the others (M-274), a rule in ``shadow``
    beside the one ``in_force`` (M-254, M-255, M-275), and what an action that an alarm sets off was worth, where a scenario of
    the run is another one with responses (M-276).

    ``ending``, the event, is ``platform failure`` (failure_day), ``own funds exhausted`` (own_funds_exhausted_day) or ``unpaid
    redemption`` (first_unpaid_day), ``horizon`` trading days. Everything is marked synthetic.
    With ``out`` a folder of CSV tables, a page and warnings.json. Raises :class:`InputError` with every fault.
    """
    from stresslab.early_warning.on_run import check_place, judge_run, write_run_folder
    from stresslab.early_warning.sandbox import Settings as Held
    from stresslab.report.run_warnings import run_warnings_page

    faults = []
    if not 0 < mu < 1 or repetitions < 2:
        faults.append(Fault("options", "mu lies between 0 and 1, and there are 2 repetitions or more", "change --mu or --repetitions"))
    kind = ENDINGS_SAID.get(ending.strip().lower(), ending)
    if kind not in ENDINGS_SAID.values():
        faults.append(Fault("options", "is no event of a run", nearest(ending, list(ENDINGS_SAID)), None, "events", ending))
    if (shadow is None) != (in_force is None):
        faults.append(
            Fault("options", "on a run one rule in shadow stands beside one in force", "give --shadow NEW.toml and --model rule:OLD.toml"))
    if faults:
        raise InputError(faults)
    place = None if out is None else Path(out)
    if place is not None:
        check_place(place)
    rules = None if shadow is None or in_force is None else (shadow, in_force)
    pairs, sampling = _acting(Path(run))
    found = judge_run(
        run, rules=rules, ending=kind, horizon=horizon, settings=Held(mu, repetitions, seed),  # type: ignore[arg-type]
        pairs=pairs, sampling=sampling)
    if place is not None:
        write_run_folder(place, found, run_warnings_page(found.record, found.tables))
    return found


def _acting(run: Path) -> tuple[list[tuple[str, str, str, str]], str]:
    """The pairs of a run's scenarios without and with an action, that in both languages; and how its paths were drawn."""
    from stresslab.pairing import acting_pairs
    from stresslab.record import RunFolder, reading
    from stresslab.report.response_words import response
    from stresslab.sampling import Sampling

    if not run.joinpath("record.json").is_file():
        return [], Sampling.PLAIN  # whoever reads its tables says what is missing
    with reading(run):
        held = RunFolder(run).read_record()
    pairs = acting_pairs(held.get("scenarios", []))
    told = []
    for one, other, responses in pairs:
        said = [response(r) for r in responses]
        told.append((one, other, "; ".join(p.en for p in said), "；".join(p.zh for p in said)))
    return told, held.get("sampling", Sampling.PLAIN)
