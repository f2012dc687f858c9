"""The scale of a rating: the file that says what is measured, how it scores, which grade follows, and what lowers it.

The shipped file is ``rating_scale.toml``; a regulator replaces it by one with the same keys. Every fault of a file is said at once.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

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

from stresslab import intake
from stresslab.faults import Fault, InputError, close_to, nearest, plain_rule
from stresslab.rating.indicators import BOOK, PATH, Json, Source, source_of

#: The scale that ships.
SHIPPED = Path(__file__).parent.parent / "rating_scale.toml"


Number = Annotated[Decimal, BeforeValidator(intake.decimal)]
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
    """What a dimension is measured by, and how its value becomes a score.

    `missing_score` is what counts where the value is not known: no answer, or a book that does not say. An answer without evidence,
    or given more than `valid_days` before the date of the book, scores `unproven_score`.
    """

    name: Text
    en: Text
    zh: Text
    source: Source
    weight: Annotated[StrictInt, Field(ge=0, le=100)]
    points: Annotated[tuple[tuple[Number, Percent], ...], Field(min_length=2)]
    missing_score: Percent = Decimal(0)
    unproven_score: Percent = Decimal(0)
    valid_days: Annotated[StrictInt, Field(ge=1)] | None = None

    @property
    def exact_points(self) -> list[tuple[Fraction, Fraction]]:
        """The points as fractions."""
        return [(Fraction(x), Fraction(y)) for x, y in self.points]


class Dimension(_Part):
    """A dimension of the rating with its weight in whole percent."""

    name: Text
    en: Text
    zh: Text
    weight: Annotated[StrictInt, Field(ge=0, le=100)]
    indicators: Annotated[tuple[Indicator, ...], Field(min_length=1)]


class Trigger(_Part):
    """What lowers a grade beyond the coverage rule: an indicator strictly beyond a line (M-124)."""

    name: Text
    en: Text
    zh: Text
    indicator: Text
    below: Number | None = None
    above: Number | None = None
    notches: Annotated[StrictInt, Field(ge=1)]
    floor: Text
    crash_depth_at_least_pct: Percent | None = None
    source: Text

    @property
    def line(self) -> Fraction:
        """The value beyond which it fires."""
        return Fraction(self.below if self.below is not None else self.above or 0)


class Suspension(_Part):
    """From how many days with unpaid redemptions on a grade is set, whatever the score, and the action that goes with it (M-239)."""

    unpaid_days: Annotated[StrictInt, Field(ge=1)]
    grade: Text
    action_en: Text
    action_zh: Text
    source: Text


class Scale(_Part):
    """A scale file: what is measured, how it scores, and which grade follows."""

    title: Text
    title_zh: Text
    provisional: StrictBool
    deciding_scenario: Text
    downgrade: Downgrade
    grades: Annotated[tuple[Grade, ...], Field(min_length=2)]
    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=1)]
    combine: Literal["worst", "sum"] = "worst"
    triggers: tuple[Trigger, ...] = ()
    suspension: Suspension | None = None
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
    path = path or SHIPPED
    try:
        content = intake.written(path)
        raw = intake.toml(content, Decimal)
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
        found = error.errors()
        # A list whose entries are wrong is not also too short.
        deeper = [one["loc"] for one in found]
        told = [e for e in found if e["type"] != "too_short" or all(e["loc"] == x or x[: len(e["loc"])] != e["loc"] for x in deeper)]
        faults = [*(_shape_fault(path.name, raw, one) for one in told), *faults]
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
    ("dimensions", "indicators"): Indicator,
    ("triggers",): Trigger,
    ("suspension",): Suspension,
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
        return intake.decimal(value)
    except ValueError:
        return None


def _rule_faults(file: str, raw: Json) -> list[Fault]:
    """Faults between values, found even where other values are wrong."""
    dimensions, grades = _tables(raw, "dimensions"), _tables(raw, "grades")
    faults = [*_repeated(file, "dimensions", dimensions), *_repeated(file, "grades", grades)]
    faults += _weight_faults(file, "dimensions.weight", dimensions)
    lows = [_number(one.get("from_score")) for one in grades]
    for i, (higher, lower) in enumerate(pairwise(lows), start=1):
        if higher is not None and lower is not None and lower >= higher:
            key, rule = _key(("grades", i, "from_score")), "grades stand from the best down"
            faults.append(Fault(file, rule, "give it a lower score", column=key, value=str(lower)))
    if lows and lows[-1] is not None and lows[-1] != 0:
        key, rule = _key(("grades", len(lows) - 1, "from_score")), "the last grade starts at 0"
        faults.append(Fault(file, rule, "set it to 0", column=key, value=str(lows[-1])))
    for i, dimension in enumerate(dimensions):
        held = _tables(dimension, "indicators")
        faults += _weight_faults(file, _key(("dimensions", i, "indicators", "weight")), held)
        for k, indicator in enumerate(held):
            faults += _indicator_faults(file, ("dimensions", i, "indicators", k), indicator)
    names = [n for d in dimensions for n in _tables(d, "indicators")]
    return [*faults, *_repeated(file, "dimensions.indicators", names), *_trigger_faults(file, raw)]


def _weight_faults(file: str, key: str, tables: list[Json]) -> list[Fault]:
    """Weights that do not add up to 100."""
    weights = [table.get("weight") for table in tables]
    whole = [weight for weight in weights if type(weight) is int]
    if not tables or len(whole) < len(weights) or sum(whole) == 100:
        return []
    of = "all dimensions" if key == "dimensions.weight" else "the indicators of a dimension"
    return [Fault(file, f"the weights of {of} add up to 100", "change a weight", column=key, value=str(sum(whole)))]


def _trigger_faults(file: str, raw: Json) -> list[Fault]:
    """A trigger without one line, or of an indicator that is neither asked for nor computed; a floor or a suspension to no grade."""
    triggers, grades = _tables(raw, "triggers"), [g.get("name") for g in _tables(raw, "grades")]
    asked = {i.get("name") for d in _tables(raw, "dimensions") for i in _tables(d, "indicators")} | BOOK.keys() | PATH.keys()
    faults = _repeated(file, "triggers", triggers)
    for i, one in enumerate(triggers):
        name, floor = one.get("indicator"), one.get("floor")
        if ("below" in one) == ("above" in one):
            key, rule = _key(("triggers", i)), "a trigger has one line"
            faults.append(Fault(file, rule, "write either below or above", column=key, value=str(one.get("name"))))
        if isinstance(name, str) and name not in asked:
            known = sorted(str(n) for n in asked)
            rule = "this indicator is neither computed nor asked for by a dimension"
            faults.append(Fault(file, rule, nearest(name, known), column=_key(("triggers", i, "indicator")), value=name))
        if isinstance(floor, str) and floor not in grades:
            way_out = nearest(floor, [str(g) for g in grades])
            faults.append(Fault(file, "is no grade of the scale", way_out, column=_key(("triggers", i, "floor")), value=floor))
    held = raw.get("suspension")
    to = held.get("grade") if isinstance(held, dict) else None
    if isinstance(to, str) and to not in grades:
        way_out = nearest(to, [str(g) for g in grades])
        faults.append(Fault(file, "is no grade of the scale", way_out, column="suspension.grade", value=to))
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
    held = source_of(name) if isinstance(name, str) else None
    if held == "answered" and source in ("book", "simulated"):
        way_out = close_to(str(name), [*BOOK, *PATH]) or "write source = 'answered' if platforms are asked it"
        rule = "stresslab does not compute this indicator"
        faults.append(Fault(file, rule, way_out, column=_key((*loc, "name")), value=name))
    elif held is not None and source in get_args(Source) and source != held:
        rule = f"the source of {name} is {held}"
        faults.append(Fault(file, rule, f"write {held!r}", column=_key((*loc, "source")), value=str(source)))
    points = raw.get("points")
    pairs = [p for p in points if isinstance(p, list) and p] if isinstance(points, list) else []
    values = [_number(pair[0]) for pair in pairs]
    for i, (left, right) in enumerate(pairwise(values), start=1):
        if left is not None and right is not None and right <= left:
            key, rule = _key((*loc, "points", i)), "the values of the points rise strictly"
            faults.append(Fault(file, rule, "sort the points", column=key, value=str(right)))
    return faults


