"""What an entity says of itself: identifier, attestation, contact, narrative, complaints and incidents, rate changes. One TOML file."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stresslab import intake
from stresslab.faults import Fault, InputError, nearest, plain_rule
from stresslab.submission.axes import NS

#: Prefixes of entity identifiers, and what they mean in a package.
SCHEMES = {
    "lei": "http://standards.iso.org/iso/17442",
    "uscc": f"{NS}/unified-social-credit-code",
    "draft": f"{NS}/draft",
}
DRAFT = "draft:NONE"
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"

Text = Annotated[str, Field(min_length=1, max_length=20_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Attestation(_Part):
    """Who answers for the data; the senior manager is named."""

    name: Text
    position: Text
    date: datetime.date
    given: Literal[True]


class Contact(_Part):
    """Whom the supervisor may ask."""

    name: Text
    phone: Text
    mail: Text


class Triple(_Part):
    """Which scenarios of the run are the mild, the moderate and the severe one."""

    mild: Text = "mild"
    moderate: Text = "moderate"
    severe: Text = "severe"


class Narrative(_Part):
    """One text on one topic in one language."""

    topic: Literal[
        "methodology", "assumptions", "result_mild", "result_moderate", "result_severe", "measures", "governance"
    ]
    language: Literal["en", "zh"]
    text: Text


class Event(_Part):
    """Complaints or incidents of one kind."""

    kind: Literal["complaint", "incident"]
    date: datetime.date
    count: Annotated[int, Field(ge=1, le=10**9)]
    description: Text
    resolved: bool


class RateChange(_Part):
    """A rate that the entity changed; percentages in a year."""

    date: datetime.date
    subject: Text
    before_pct: Annotated[Decimal, Field(ge=0, le=100, strict=False)]
    after_pct: Annotated[Decimal, Field(ge=0, le=100, strict=False)]
    notice_days: Annotated[int, Field(ge=0, le=3650)]
    reason: Text


class Entity(_Part):
    """An entity file, sound."""

    scheme: Literal["lei", "uscc"]
    identifier: Text
    name: Text
    resubmission: Annotated[int, Field(ge=0, le=999)] = 0
    resubmission_reason: Text | None = None
    attestation: Attestation
    contact: Contact
    triple: Triple = Triple()
    narratives: tuple[Narrative, ...] = Field(default=(), strict=False)
    events: tuple[Event, ...] = Field(default=(), strict=False)
    rate_changes: tuple[RateChange, ...] = Field(default=(), strict=False)

    @property
    def qname(self) -> str:
        """The identifier as a package writes it."""
        return f"{self.scheme}:{self.identifier}"


def sound_identifier(scheme: str, identifier: str) -> bool:
    """Whether an identifier has its form and its check digits: LEI (ISO 17442, mod 97-10) or 统一社会信用代码 (GB 32100-2015, mod 31)."""
    if scheme == "lei":
        return (
            re.fullmatch(r"[0-9A-Z]{18}[0-9]{2}", identifier) is not None
            and int("".join(str(int(c, 36)) for c in identifier)) % 97 == 1
        )
    if scheme == "uscc":
        if len(identifier) != 18 or any(c not in _USCC for c in identifier):
            return False
        total = sum(_USCC.index(c) * pow(3, k, 31) for k, c in enumerate(identifier[:17]))
        return _USCC[(31 - total % 31) % 31] == identifier[17]
    return False


def read_entity(path: Path) -> Entity:
    """An entity file; raises :class:`InputError` with every fault of it."""
    try:
        raw: dict[str, Any] = intake.toml(intake.written(path), Decimal)
    except OSError as error:
        raise InputError([Fault(str(path), f"cannot be read ({error.strerror})", "give an entity file")]) from error
    except ValueError as error:
        raise InputError(
            [Fault(path.name, f"is no TOML file ({error})", "correct it; docs/submission.md shows one")]
        ) from error
    try:
        made = Entity.model_validate(raw)
    except ValidationError as error:
        raise InputError([_fault(path.name, one) for one in error.errors(include_url=False)]) from None
    faults = list(_rules(path.name, made))
    if faults:
        raise InputError(faults)
    return made


def _fault(file: str, error: Any) -> Fault:
    key = ".".join(str(part) for part in error["loc"])
    value = None if isinstance(error.get("input"), dict | list) else str(error.get("input"))
    if error["type"] == "missing":
        return Fault(file, "this key is missing", "add it; docs/submission.md shows an entity file", None, key)
    if error["type"] == "extra_forbidden":
        known = list(Entity.model_fields) if len(error["loc"]) == 1 else []
        return Fault(file, "unknown key", nearest(key, known) if known else "remove it", None, key, value)
    if key == "attestation.given":
        return Fault(
            file,
            "must be true: without this word nothing is attested",
            "write given = true, or submit a draft without --entity",
            None,
            key,
            value,
        )
    if str(error["type"]).startswith("date"):
        return Fault(file, "must be a date", "write it as 2026-09-30 without quotes", None, key, value)
    return Fault(file, *plain_rule(error), None, key, value)


def _rules(file: str, made: Entity) -> Any:
    if not sound_identifier(made.scheme, made.identifier):
        what = (
            "an LEI of 20 letters and digits with its check digits"
            if made.scheme == "lei"
            else "18 characters with the check character"
        )
        yield Fault(file, f"must be {what}", "copy it from the register", None, "identifier", made.identifier)
    if made.resubmission > 0 and made.resubmission_reason is None:
        yield Fault(
            file,
            "a resubmission needs its reason",
            "add resubmission_reason",
            None,
            "resubmission",
            str(made.resubmission),
        )
    if made.resubmission == 0 and made.resubmission_reason is not None:
        yield Fault(
            file,
            "the first filing has no reason of a resubmission",
            "raise resubmission, or remove the reason",
            None,
            "resubmission_reason",
        )
    told = [(n.topic, n.language) for n in made.narratives]
    for pair in sorted({p for p in told if told.count(p) > 1}):
        yield Fault(file, "a topic has one text in each language", "join the texts", None, "narratives", " ".join(pair))
    for key, text in _texts(made):
        if text != text.strip() or "\x00" in text or any(ord(c) < 32 and c not in "\n\t" for c in text):
            yield Fault(file, "no blanks around a text and no control characters in it", "remove them", None, key, text)


def _texts(made: Entity) -> Any:
    yield from (("name", made.name), ("resubmission_reason", made.resubmission_reason or ""))
    for part in ("attestation", "contact"):
        yield from ((f"{part}.{k}", v) for k, v in getattr(made, part).model_dump().items() if isinstance(v, str))
    for part in ("narratives", "events", "rate_changes"):
        for at, one in enumerate(getattr(made, part)):
            yield from ((f"{part}.{at}.{k}", v) for k, v in one.model_dump().items() if isinstance(v, str))
