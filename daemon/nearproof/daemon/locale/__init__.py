"""Sentences in the language of whoever reads them, by gettext (README beside this file).

The English sentence is the key of the catalogue.  The language is an argument everywhere: one
process may speak two.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from gettext import GNUTranslations

Language = Literal["en", "da"]
DOMAIN: Final = "nearproof"
FOLDER: Final = Path(__file__).parent


class Counted(NamedTuple):
    """A sentence that depends on a number: that of the field `by`."""

    one: str
    many: str
    by: str


Sentence = str | Counted


def filled(sentence: Sentence, language: Language, **fields: Any) -> str:
    """`sentence`, which is in English, in `language`, with its fields filled in.

    A float is written with the language's decimal sign, to as many places as it has: round it.
    A `detail` is an error's: parts with ": " between them, of which the words are translated.
    """
    if language != "en":
        fields = {name: _in(language, name, field) for name, field in fields.items()}
    if isinstance(sentence, str):
        return translated(sentence, language).format(**fields)
    one, many, count = sentence.one, sentence.many, fields[sentence.by]
    if language == "en":
        return (one if count == 1 else many).format(**fields)
    return _catalogue(language).ngettext(one, many, count).format(**fields)


def _in(language: Language, name: str, field: Any) -> Any:
    match field:
        case float():
            return str(field).replace(".", ",")
        case str() if name == "detail":
            return _detail(field, language)
        case _:
            return field


def _detail(text: str, language: Language) -> str:
    """Its parts, of which some are words with a colon of their own: the longest known ones."""
    parts = text.split(": ")
    for end in range(len(parts), 0, -1):
        known = ": ".join(parts[:end])
        said = translated(known, language)
        if said != known or end == 1:
            rest = parts[end:]
            return ": ".join([said, _detail(": ".join(rest), language)] if rest else [said])
    raise AssertionError  # the first part has been told


def translated(english: str, language: Language) -> str:
    """A text in `language`, its fields not filled in; as it is where the catalogue has none."""
    # The empty text is the key of the catalogue's own header.
    return _catalogue(language).gettext(english) if english and language != "en" else english


def marked(english: str) -> str:
    """`english` itself: marks a sentence for the catalogue where it is translated elsewhere."""
    return english


@functools.cache
def _catalogue(language: Language) -> GNUTranslations:
    from gettext import GNUTranslations  # English needs none of it

    with (FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as compiled:
        return GNUTranslations(compiled)
