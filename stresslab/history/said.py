"""A sentence of a calibration in both languages of its page."""

from __future__ import annotations

from typing import NamedTuple


class Said(NamedTuple):
    """The same words in English and in Chinese."""

    en: str
    zh: str
