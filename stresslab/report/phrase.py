"""A phrase is one thing said in English and in Chinese; a report carries both."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from markupsafe import Markup, escape

Language = Literal["en", "zh"]


class Phrase(NamedTuple):
    """The same words in both languages of a report."""

    en: str
    zh: str

    def pick(self, language: Language) -> str:
        """The words in one language."""
        return self.zh if language == "zh" else self.en

    def fill(self, **values: object) -> Phrase:
        """The phrase with its ``{names}`` replaced; a value that is a phrase fills each language."""
        en = {k: v.en if isinstance(v, Phrase) else v for k, v in values.items()}
        zh = {k: v.zh if isinstance(v, Phrase) else v for k, v in values.items()}
        return Phrase(self.en.format(**en), self.zh.format(**zh))

    def html(self) -> Markup:
        """Escaped markup: one text where the languages agree, else two spans of which CSS shows one."""
        if self.en == self.zh:
            return escape(self.en)
        return Markup(
            '<span class="zh" lang="zh">{}</span><span class="en" lang="en">{}</span>'
        ).format(self.zh, self.en)


NOTHING = Phrase("", "")


def same(text: object) -> Phrase:
    """A phrase that needs no translation: an id, a number, a name."""
    return Phrase(str(text), str(text))


def phrase_of(value: Any) -> Phrase:
    """What a file says, as a phrase: ``{"en", "zh"}``, a plain text, or null."""
    if isinstance(value, dict):
        en, zh = value.get("en"), value.get("zh")
        return Phrase(str(en or zh or ""), str(zh or en or ""))
    return NOTHING if value is None else same(value)


def join(phrases: list[Phrase], en: str = ", ", zh: str = "、") -> Phrase:
    """Several phrases as one list."""
    return Phrase(en.join(p.en for p in phrases), zh.join(p.zh for p in phrases))


def sentences(phrases: list[Phrase]) -> Phrase:
    """Sentences in a row: English puts a space between them, Chinese none."""
    return join([p for p in phrases if p != NOTHING], " ", "")
