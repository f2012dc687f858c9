"""The rating: six dimensions, four grades, and the two-notch rule, in exact arithmetic.

Formulas (M-42) and (M-43) of ``docs/method.md``. :func:`grade` is the pure rule, :func:`read_scale`
reads the scale that a regulator may replace, :func:`rate` applies it to a finished run. No float
takes part in a comparison: money is integer, scale values are decimals, everything between is a
fraction. Floats appear only where a share of paths is reported with its sampling error.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import pandas as pd
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
)

from stresslab.faults import Fault, InputError, nearest, plain_rule

#: The scenario that says how a platform stands before a shock.
BASELINE = "baseline"

Exact = Fraction | int | str
Json = dict[str, Any]
Source = Literal["simulated", "book", "answered"]

# --- the pure rule ------------------------------------------------------------------------------


class Graded(NamedTuple):
    """A grade, the exact score behind it, and whether the two-notch rule was applied."""

    grade: str
    score: Fraction
    downgraded: bool


def grade(
    scores: Sequence[Exact],
    weights: Sequence[int],
    thresholds: Sequence[tuple[str, Exact]],
    *,
    coverage_pct: Exact | None = None,
    immediate_line: bool = False,
    coverage_below_pct: Exact = 15,
    notches: int = 2,
) -> Graded:
    """The grade of dimension scores under integer weights in percent (M-42), (M-43).

    `thresholds` are (grade, lowest score) from the best grade down; the last one takes the rest. A
    coverage strictly below `coverage_below_pct` without an immediate line costs `notches` grades;
    ``None`` is a coverage without margin calls, or outside the crash, and costs nothing. Scores are
    fractions, integers or decimal strings; a float is refused, for it has lost the exact value.
    """
    parts = (_exact(one) * weight for one, weight in zip(scores, weights, strict=True))
    total = sum(parts, Fraction(0)) / 100
    below = coverage_pct is not None and _exact(coverage_pct) < _exact(coverage_below_pct)
    down = below and not immediate_line
    return Graded(_grade_of(total, thresholds, notches if down else 0), total, down)


def score(points: Sequence[tuple[Exact, Exact]], value: Exact) -> Fraction:
    """The score of an indicator value: straight lines between the points, clamped outside them."""
    at = _exact(value)
    known = [(_exact(x), _exact(y)) for x, y in points]
    if at <= known[0][0]:
        return known[0][1]
    for (x0, y0), (x1, y1) in pairwise(known):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return known[-1][1]


def coverage_gap_li(own_funds_li: int, peak_call_li: int, coverage_below_pct: Exact) -> int:
    """What is missing to a coverage of so many percent, ⌈percent × call⌉ − own funds, in 厘 (M-43).

    Positive exactly where the coverage is strictly below that percentage.
    """
    return math.ceil(_exact(coverage_below_pct) * peak_call_li / 100) - own_funds_li


def _exact(value: Exact) -> Fraction:
    """The value as a fraction."""
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float; give a fraction, an integer or a decimal string")
    return value if isinstance(value, Fraction) else Fraction(value)


def _grade_of(total: Fraction, thresholds: Sequence[tuple[str, Exact]], notches: int) -> str:
    """The grade that a score reaches, some notches lower, the last grade at the lowest."""
    last = len(thresholds) - 1
    reached = next((i for i, (_, low) in enumerate(thresholds) if total >= _exact(low)), last)
    return thresholds[min(reached + notches, last)][0]


# --- the scale ----------------------------------------------------------------------------------


def _decimal(value: object) -> Decimal:
    """The exact decimal that a scale file gives as a number or a string."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("must be a decimal number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("must be a decimal number") from None
    if not number.is_finite():
        raise ValueError("must be a finite number")
    return number


Number = Annotated[Decimal, BeforeValidator(_decimal)]
Percent = Annotated[Number, Field(ge=0, le=100)]
Text = Annotated[StrictStr, Field(min_length=1)]


class _Part(BaseModel):
    """A table of the scale file; a key that it does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Downgrade(_Part):
    """When, and by how many grades, low own-funds coverage lowers a grade (M-43)."""

    coverage_below_pct: Percent
    notches: Annotated[StrictInt, Field(ge=0)]
    crash_depth_at_least_pct: Percent


class Grade(_Part):
    """A grade, the lowest score that reaches it, and the action that it calls for."""

    name: Text
    from_score: Percent
    action_en: Text
    action_zh: Text


class Indicator(_Part):
    """What a dimension is measured by, and how its value becomes a score."""

    name: Text
    en: Text
    zh: Text
    source: Source
    points: Annotated[tuple[tuple[Number, Percent], ...], Field(min_length=2)]


class Dimension(_Part):
    """A dimension of the rating with its weight in whole percent."""

    name: Text
    en: Text
    zh: Text
    weight: Annotated[StrictInt, Field(ge=0, le=100)]
    indicator: Indicator


class Scale(_Part):
    """A scale file: what is measured, how it scores, and which grade follows."""

    title: Text
    title_zh: Text
    provisional: StrictBool
    deciding_scenario: Text
    downgrade: Downgrade
    grades: Annotated[tuple[Grade, ...], Field(min_length=2)]
    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=1)]
    _digest: str = PrivateAttr(default="")

    @property
    def digest(self) -> str:
        """The SHA-256 of the scale file."""
        return self._digest

    @property
    def thresholds(self) -> list[tuple[str, Fraction]]:
        """The grades with their lowest scores, from the best down."""
        return [(one.name, Fraction(one.from_score)) for one in self.grades]


def read_scale(path: Path | None = None) -> Scale:
    """The scale in a TOML file, by default the provisional one of stresslab.

    Raises ``InputError`` with every fault of the file at once.
    """
    path = path or Path(__file__).with_name("rating_scale.toml")
    try:
        content = path.read_bytes()
        raw = tomllib.loads(content.decode("utf-8"), parse_float=Decimal)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise InputError(
            [Fault(path.name, f"the file cannot be read: {reason}", _WAY_OUT)]
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError([Fault(path.name, f"the file is not TOML: {error}", _WAY_OUT)]) from None
    faults = [*_rule_faults(path.name, raw)]
    try:
        scale = Scale.model_validate(raw)
    except ValidationError as error:
        faults = [*(_shape_fault(path.name, raw, one) for one in error.errors()), *faults]
    if faults:
        raise InputError(faults)
    scale._digest = hashlib.sha256(content).hexdigest()
    return scale


_WAY_OUT = "start from stresslab/rating_scale.toml, which shows every key"

#: The table that stands at a place of the file, by its keys without list numbers.
_TABLES: dict[tuple[str, ...], type[_Part]] = {
    (): Scale,
    ("downgrade",): Downgrade,
    ("grades",): Grade,
    ("dimensions",): Dimension,
    ("dimensions", "indicator"): Indicator,
}


def _key(loc: Iterable[str | int]) -> str:
    """A place in the file as people write it: ``dimensions[2].indicator.name``, counted from 1."""
    key = ""
    for part in loc:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if key else part
    return key


def _shape_fault(file: str, raw: Json, error: Any) -> Fault:
    """What pydantic found at one key, as a fault."""
    loc: tuple[str | int, ...] = error["loc"]
    key = _key(loc)
    if error["type"] == "missing":
        return Fault(file, "the key is missing", f"add it; {_WAY_OUT}", column=key)
    value = str(error["input"])
    if error["type"] == "extra_forbidden":
        table = _TABLES.get(tuple(part for part in loc[:-1] if isinstance(part, str)), Scale)
        way_out = nearest(str(loc[-1]), list(table.model_fields))
        return Fault(file, "the key is not known", way_out, column=key, value=value)
    return Fault(file, *plain_rule(error), column=key, value=value)


def _tables(raw: object, key: str) -> list[Json]:
    """The list of tables under a key, empty where the file holds something else."""
    found = raw.get(key) if isinstance(raw, dict) else None
    return (
        [one if isinstance(one, dict) else {} for one in found] if isinstance(found, list) else []
    )


def _number(value: object) -> Decimal | None:
    """The decimal, or nothing where the value is not one (which is a fault of its own)."""
    try:
        return _decimal(value)
    except ValueError:
        return None


def _rule_faults(file: str, raw: Json) -> list[Fault]:
    """Faults between values, found even where other values are wrong."""
    dimensions, grades = _tables(raw, "dimensions"), _tables(raw, "grades")
    faults = [*_repeated(file, "dimensions", dimensions), *_repeated(file, "grades", grades)]
    weights = [dimension.get("weight") for dimension in dimensions]
    whole = [weight for weight in weights if type(weight) is int]
    if dimensions and len(whole) == len(weights) and sum(whole) != 100:
        rule = "the weights of all dimensions add up to 100"
        faults.append(
            Fault(file, rule, "change a weight", column="dimensions.weight", value=str(sum(whole)))
        )
    lows = [_number(one.get("from_score")) for one in grades]
    for i, (higher, lower) in enumerate(pairwise(lows), start=1):
        if higher is not None and lower is not None and lower >= higher:
            key, rule = _key(("grades", i, "from_score")), "grades stand from the best down"
            faults.append(Fault(file, rule, "give it a lower score", column=key, value=str(lower)))
    if lows and lows[-1] is not None and lows[-1] != 0:
        key, rule = _key(("grades", len(lows) - 1, "from_score")), "the last grade starts at 0"
        faults.append(Fault(file, rule, "set it to 0", column=key, value=str(lows[-1])))
    for i, dimension in enumerate(dimensions):
        faults += _indicator_faults(
            file, ("dimensions", i, "indicator"), dimension.get("indicator")
        )
    return faults


def _repeated(file: str, key: str, tables: list[Json]) -> list[Fault]:
    """Names that stand twice in a list of tables."""
    names = [table.get("name") for table in tables]
    return [
        Fault(
            file,
            "every name stands once",
            "rename or remove it",
            column=_key((key, i, "name")),
            value=name,
        )
        for i, name in enumerate(names)
        if isinstance(name, str) and name in names[:i]
    ]


def _indicator_faults(file: str, loc: tuple[str | int, ...], raw: object) -> list[Fault]:
    """An indicator that stresslab does not compute, a wrong source, points that do not rise."""
    if not isinstance(raw, dict):
        return []
    faults = []
    name, source = raw.get("name"), raw.get("source")
    known = _INDICATORS.get(name) if isinstance(name, str) else None
    if isinstance(name, str) and known is None:
        way_out = nearest(name, list(_INDICATORS))
        rule = "stresslab does not compute this indicator"
        faults.append(Fault(file, rule, way_out, column=_key((*loc, "name")), value=name))
    if known is not None and source in get_args(Source) and source != known.source:
        rule = f"the source of {name} is {known.source}"
        way_out = f"write {known.source!r}"
        faults.append(Fault(file, rule, way_out, column=_key((*loc, "source")), value=source))
    points = raw.get("points")
    pairs = [p for p in points if isinstance(p, list) and p] if isinstance(points, list) else []
    values = [_number(pair[0]) for pair in pairs]
    for i, (left, right) in enumerate(pairwise(values), start=1):
        if left is not None and right is not None and right <= left:
            key, rule = _key((*loc, "points", i)), "the values of the points rise strictly"
            faults.append(Fault(file, rule, "sort the points", column=key, value=str(right)))
    return faults


# --- indicators ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Known:
    """An indicator that stresslab computes: where it comes from, and how it is read."""

    source: Source
    read: Callable[[Json], Fraction | None]


def _stable_funding(platform: Json) -> Fraction:
    """Own, bank and shareholder funding, at most what does not mature in 30 days, % of funding."""
    funding = platform["funding_li"]
    if funding == 0:
        return Fraction(100)
    by_source = platform["funding_by_source_li"]
    stable = sum(by_source.get(source, 0) for source in ("own", "bank", "shareholder"))
    return Fraction(100 * min(stable, funding - platform["funding_short_li"]), funding)


def _foreign_money(platform: Json) -> Fraction:
    """Foreign funding and claims in percent of all funding and claims; 0 where there are none."""
    everything = platform["funding_li"] + platform["claims_li"]
    foreign = platform["funding_by_source_li"].get("foreign", 0) + platform["foreign_claims_li"]
    return Fraction(100 * foreign, everything) if everything else Fraction(0)


def _disclosure(platform: Json) -> Fraction | None:
    """The platform's answer, or nothing where it gave none."""
    answer = platform["risk_disclosure_score"]
    # The record holds a decimal that was written as JSON; its shortest text is that decimal.
    return None if answer is None else Fraction(str(answer))


def _segregated(platform: Json) -> Fraction:
    """Segregated money in percent of free-cash claims; 100 where nobody has free cash."""
    claims = platform["free_cash_claims_li"]
    return Fraction(100 * platform["segregated_li"], claims) if claims else Fraction(100)


def _capital_to_loans(platform: Json) -> Fraction:
    """Own capital in percent of loans; 100 where nothing is lent."""
    loans = platform["loans_li"]
    return Fraction(100 * platform["own_capital_li"], loans) if loans else Fraction(100)


_INDICATORS: dict[str, _Known] = {
    "stable_funding_pct": _Known("book", _stable_funding),
    "foreign_money_pct": _Known("book", _foreign_money),
    "own_funds_coverage_pct": _Known("simulated", lambda platform: None),
    "risk_disclosure_score": _Known("answered", _disclosure),
    "segregated_free_cash_pct": _Known("book", _segregated),
    "own_capital_to_loans_pct": _Known("book", _capital_to_loans),
}


def _has_evidence(platform: Json) -> bool:
    """Whether the platform's answer comes with evidence."""
    return bool((platform["risk_disclosure_evidence"] or "").strip())


@dataclass(frozen=True)
class _Case:
    """A platform under a scale; the scores that no path can change are worked out once."""

    platform: Json
    scale: Scale

    @cached_property
    def thresholds(self) -> list[tuple[str, Fraction]]:
        """The grades of the scale with their lowest scores."""
        return self.scale.thresholds

    @cached_property
    def weights(self) -> list[int]:
        """The weights of the dimensions, in percent."""
        return [one.weight for one in self.scale.dimensions]

    @cached_property
    def points(self) -> dict[str, list[tuple[Fraction, Fraction]]]:
        """The points of each dimension's indicator as fractions."""
        return {
            one.name: [(Fraction(x), Fraction(y)) for x, y in one.indicator.points]
            for one in self.scale.dimensions
        }

    @cached_property
    def fixed(self) -> dict[str, tuple[Fraction | None, Fraction]]:
        """Value and score of each dimension that comes from the book or from an answer."""
        found: dict[str, tuple[Fraction | None, Fraction]] = {}
        for one in self.scale.dimensions:
            source, value = (
                one.indicator.source,
                _INDICATORS[one.indicator.name].read(self.platform),
            )
            if source == "simulated":
                continue
            if value is None or (source == "answered" and not _has_evidence(self.platform)):
                found[one.name] = value, Fraction(0)
            else:
                found[one.name] = value, score(self.points[one.name], value)
        return found

    def measured(
        self, one: Dimension, coverage: Fraction | None
    ) -> tuple[Fraction | None, Fraction]:
        """The indicator's value and the score of a dimension, given own-funds coverage in percent.

        A coverage of ``None`` (no calls) scores 100; an answer without evidence, or none, scores 0.
        """
        if one.name in self.fixed:
            return self.fixed[one.name]
        passed = Fraction(100)
        return coverage, passed if coverage is None else score(self.points[one.name], coverage)


# --- rating a run -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Path:
    """What the rating needs of one path: own funds before the shock and the peak margin call."""

    own_li: int
    call_li: int

    @property
    def coverage(self) -> Fraction | None:
        """Own-funds coverage in percent; nothing, and passed, without a call."""
        return Fraction(100 * self.own_li, self.call_li) if self.call_li else None

    @property
    def place(self) -> tuple[bool, Fraction, int]:
        """Sorts paths from the worst coverage up; of equal ones, the larger call is worse."""
        return self.call_li == 0, self.coverage or Fraction(0), -self.call_li


def rate(record: Json, outcomes: pd.DataFrame, scale: Scale) -> Json:
    """The content of ``rating.json``: every platform under every scenario, and overall.

    Scores, indicator values and coverages are decimal strings, exact up to six decimals and rounded
    down beyond (so that a score never shows a threshold that it did not reach); the grades come
    from the exact fractions. `downgraded` says that the two-notch rule was applied, even where the
    grade was already the lowest. A platform is rated by the deciding scenario: without it, or if
    it has no crash of the depth that the rule asks for, it is not rated.
    """
    paths = _read_paths(record, outcomes)
    return {
        "scale": {
            "title": scale.title,
            "title_zh": scale.title_zh,
            "provisional": scale.provisional,
            "digest": scale.digest,
            "deciding_scenario": scale.deciding_scenario,
            "downgrade": {
                "coverage_below_pct": _text(Fraction(scale.downgrade.coverage_below_pct)),
                "notches": scale.downgrade.notches,
                "crash_depth_at_least_pct": _text(
                    Fraction(scale.downgrade.crash_depth_at_least_pct)
                ),
            },
            "grades": [{"name": name, "from_score": _text(low)} for name, low in scale.thresholds],
        },
        "platforms": [
            _rate_platform(record["scenarios"], _Case(platform, scale), paths)
            for platform in record["platforms"]
        ],
    }


def _read_paths(record: Json, outcomes: pd.DataFrame) -> dict[tuple[str, str], list[_Path]]:
    """The paths of each scenario and platform of the record, from the worst coverage up."""
    columns = ("scenario", "platform_id", "own_funds_before_li", "margin_call_peak_li")
    way_out = "use the record and the tables of one whole run folder, unchanged"
    absent = [name for name in columns if name not in outcomes]
    if absent:
        rule = "the column is missing"
        raise InputError(Fault("outcomes.parquet", rule, way_out, column=name) for name in absent)
    groups = outcomes.groupby(["scenario", "platform_id"], sort=False, observed=True).indices
    faults, paths = [], {}
    own, call = outcomes[columns[2]].to_numpy("int64"), outcomes[columns[3]].to_numpy("int64")
    for scenario in record["scenarios"]:
        for platform in record["platforms"]:
            key = (scenario["id"], platform["platform_id"])
            if key not in groups:
                rule = "every scenario and platform of the record has its paths"
                faults.append(Fault("outcomes.parquet", rule, way_out, value=" / ".join(key)))
                continue
            rows = groups[key]
            pairs = zip(own[rows].tolist(), call[rows].tolist(), strict=True)
            paths[key] = sorted((_Path(*pair) for pair in pairs), key=lambda path: path.place)
    if faults:
        raise InputError(faults)
    return paths


def _median(paths: list[_Path]) -> _Path:
    """The median path, the order statistic ⌈n / 2⌉ of coverage (M-39)."""
    return paths[(len(paths) + 1) // 2 - 1]


def _deep_crash(scenario: Json, scale: Scale) -> bool:
    """Whether the scenario has a crash at least as deep as the downgrade rule asks for."""
    crash = scenario["market"].get("crash")
    if not crash:
        return False
    return Fraction(str(crash["depth_pct"])) >= Fraction(scale.downgrade.crash_depth_at_least_pct)


def _grade_path(path: _Path, case: _Case, *, deep: bool) -> Graded:
    """The grade of a platform on one path; the two-notch rule acts in a deep crash only."""
    coverage, rule = path.coverage, case.scale.downgrade
    below = Fraction(rule.coverage_below_pct)
    gap = coverage_gap_li(path.own_li, path.call_li, below)
    return grade(
        [case.measured(one, coverage)[1] for one in case.scale.dimensions],
        case.weights,
        case.thresholds,
        coverage_pct=coverage if deep else None,
        immediate_line=case.platform["bank_line_li"] >= gap,
        coverage_below_pct=below,
        notches=rule.notches,
    )


def _rate_platform(
    scenarios: Sequence[Json], case: _Case, paths: dict[tuple[str, str], list[_Path]]
) -> Json:
    """One platform of ``rating.json``."""
    platform_id, scale = case.platform["platform_id"], case.scale
    by_id = {scenario["id"]: scenario for scenario in scenarios}
    before = None
    if BASELINE in by_id:
        before = _grade_path(_median(paths[BASELINE, platform_id]), case, deep=False)
    rated = {
        name: _rate_scenario(scenario, case, paths[name, platform_id], before)
        for name, scenario in by_id.items()
    }
    reason = _reason_not_rated(by_id.get(scale.deciding_scenario), scale)
    overall: Json | None = None
    action: Json | None = None
    path: _Path | None = None
    if reason is None:
        found = rated[scale.deciding_scenario]
        kept = ("grade_before", "score_before", "downgraded", "coverage_pct_median")
        shares = ("share_below_pct", "share_below_error_pct")
        overall = {"scenario": found["scenario"], "grade": found["grade_after"]}
        overall |= {"score": found["score_after"]} | {key: found[key] for key in (*kept, *shares)}
        final = next(one for one in scale.grades if one.name == found["grade_after"])
        action = {"en": final.action_en, "zh": final.action_zh}
        path = _median(paths[scale.deciding_scenario, platform_id])
    return {
        "platform_id": platform_id,
        "rated": reason is None,
        "reason_not_rated": reason,
        "overall": overall,
        "scenarios": list(rated.values()),
        "dimensions": [_dimension_row(one, case, path) for one in scale.dimensions],
        "action": action,
    }


def _reason_not_rated(deciding: Json | None, scale: Scale) -> Json | None:
    """Why a platform is not rated, or nothing if it is."""
    name = scale.deciding_scenario
    if deciding is None:
        return {
            "en": f"The run has no scenario {name}, which decides the rating.",
            "zh": f"本次运行没有决定评级的情景 {name}。",
        }
    if _deep_crash(deciding, scale):
        return None
    depth = _short(scale.downgrade.crash_depth_at_least_pct)
    return {
        "en": f"Scenario {name}, which decides the rating, has no crash of at least {depth}%.",
        "zh": f"决定评级的情景 {name} 没有至少 {depth}% 的下跌。",
    }


def _rate_scenario(scenario: Json, case: _Case, paths: list[_Path], before: Graded | None) -> Json:
    """One platform under one scenario: its median path, and the grades of all paths."""
    deep = _deep_crash(scenario, case.scale)
    path = _median(paths)
    after = _grade_path(path, case, deep=deep)
    below_pct = Fraction(case.scale.downgrade.coverage_below_pct)
    below = sum(1 for one in paths if one.coverage is not None and one.coverage < below_pct)
    share, n = below / len(paths), len(paths)
    migration = {name: 0 for name, _ in case.thresholds}
    # Paths with the same own funds and call have the same grade: each pair is graded once.
    for one, count in Counter(paths).items():
        migration[_grade_path(one, case, deep=deep).grade] += count
    return {
        "scenario": scenario["id"],
        "grade_before": before.grade if before else None,
        "grade_after": after.grade,
        "score_before": _text(before.score) if before else None,
        "score_after": _text(after.score),
        "downgraded": after.downgraded,
        "coverage_pct_median": None if path.coverage is None else _text(path.coverage),
        "share_below_pct": 100 * below / n,
        "share_below_error_pct": 100 * math.sqrt(share * (1 - share) / n),
        "migration": migration,
        "reasons": [
            *_coverage_reasons(path, case, deep=deep, after=after),
            {
                "en": f"{below} of {n} paths are below {_short(below_pct)}%.",
                "zh": f"{n} 条路径中有 {below} 条低于 {_short(below_pct)}%。",
            },
            *_dimension_reasons(case, path),
        ],
    }


def _coverage_reasons(path: _Path, case: _Case, *, deep: bool, after: Graded) -> list[Json]:
    """What own-funds coverage on the median path did to the grade."""
    if path.coverage is None:
        return [
            {
                "en": "The median path has no margin call: own-funds coverage is passed.",
                "zh": "中位路径没有追缴，自有资金覆盖率视为通过。",
            }
        ]
    shown, rule = _said(path.coverage), case.scale.downgrade
    reasons = [
        {
            "en": f"Own-funds coverage on the median path is {shown}%.",
            "zh": f"中位路径的自有资金覆盖率为 {shown}%。",
        }
    ]
    limit, depth = _short(rule.coverage_below_pct), _short(rule.crash_depth_at_least_pct)
    gap = coverage_gap_li(path.own_li, path.call_li, Fraction(rule.coverage_below_pct))
    if gap <= 0:
        return reasons
    line, gap_text = _yuan(case.platform["bank_line_li"]), _yuan(gap)
    if not deep:
        en = f"That is below {limit}%, but the rule acts only in a crash of at least {depth}%."
        zh = f"低于 {limit}%，但仅在至少 {depth}% 的下跌中才下调评级。"
    elif after.downgraded:
        unmoved = _grade_of(after.score, case.thresholds, 0)
        en = (
            f"That is below {limit}%, and the immediate bank line of {line} yuan does not cover "
            f"the gap of {gap_text} yuan: {rule.notches} grades down, from {unmoved} to "
            f"{after.grade}."
        )
        zh = (
            f"低于 {limit}%，即时银行授信 {line} 元不足以弥补缺口 {gap_text} 元："
            f"下调 {rule.notches} 档，由 {unmoved} 至 {after.grade}。"
        )
    else:
        en = (
            f"That is below {limit}%, but the immediate bank line of {line} yuan covers the gap of "
            f"{gap_text} yuan: no downgrade."
        )
        zh = f"低于 {limit}%，但即时银行授信 {line} 元足以弥补缺口 {gap_text} 元：不下调。"
    return [*reasons, {"en": en, "zh": zh}]


def _dimension_reasons(case: _Case, path: _Path) -> list[Json]:
    """The dimensions whose score alone would be the lowest grade."""
    reasons = []
    lowest = case.scale.grades[-1].name
    for one in case.scale.dimensions:
        value, reached = case.measured(one, path.coverage)
        if _grade_of(reached, case.thresholds, 0) != lowest:
            continue
        en = f"{one.en} scores {_said(reached)} of 100"
        zh = f"{one.zh}得 {_said(reached)} 分（满分100）"
        if one.indicator.source == "answered" and value is None:
            en, zh = f"{en}: the platform gave no answer", f"{zh}：平台未作回答"
        elif one.indicator.source == "answered" and not _has_evidence(case.platform):
            en, zh = f"{en}: the answer comes without evidence", f"{zh}：回答没有证据"
        elif value is not None:
            en = f"{en}: {one.indicator.en}: {_said(value)}"
            zh = f"{zh}：{one.indicator.zh}：{_said(value)}"
        reasons.append({"en": f"{en}.", "zh": f"{zh}。"})
    return reasons


def _dimension_row(one: Dimension, case: _Case, path: _Path | None) -> Json:
    """A dimension on the deciding scenario's median path; unknown if that scenario was not run."""
    indicator = one.indicator
    row: Json = {
        "name": one.name,
        "en": one.en,
        "zh": one.zh,
        "weight": one.weight,
        "source": indicator.source,
        "indicator": {"name": indicator.name, "en": indicator.en, "zh": indicator.zh},
    }
    if indicator.source == "simulated" and path is None:
        return row | {"indicator_value": None, "score": None}
    value, reached = case.measured(one, path.coverage if path else None)
    shown = None if value is None else _text(value)
    return row | {"indicator_value": shown, "score": _text(reached)}


# --- text ---------------------------------------------------------------------------------------


def _text(value: Fraction) -> str:
    """A fraction as a decimal with two to six decimals, rounded down beyond them."""
    scaled = math.floor(value * 10**6)
    whole, part = divmod(abs(scaled), 10**6)
    sign = "-" if scaled < 0 else ""
    decimals = f"{part:06d}"
    return f"{sign}{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def _said(value: Fraction) -> str:
    """A fraction for a sentence: two decimals, rounded down, so that no line looks reached that was not."""
    return _text(Fraction(math.floor(value * 100), 100))


def _short(value: Decimal | Fraction) -> str:
    """A scale value as a decimal without trailing zeros."""
    return _text(Fraction(value)).rstrip("0").rstrip(".")


def _yuan(amount_li: int) -> str:
    """An amount in yuan with thousands separators, exact."""
    whole, part = divmod(amount_li, 1000)
    return f"{whole:,}.{part:03d}" if part else f"{whole:,}"
