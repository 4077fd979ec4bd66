"""The surfaces and their words, `words.toml`, compiled into one lexicon of phrases."""

from __future__ import annotations

import enum
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

from pawfect.contract.tables import SOME, read_table

FILE_NAME: Final = "words.toml"
LANGUAGES: Final = ("en", "de", "fr", "es", "it", "pt", "nl")
# Words that join or relate, which are not counted as a prompt's words.
JOINING: Final = frozenset({"and", "with"})
_WORD = re.compile(r"[^\W\d_]+")


class Role(enum.Enum):
    """What a phrase does in a text."""

    SURFACE = "surface"
    ADJECTIVE = "adjective"
    ABROAD = "abroad"
    NOTHING = "nothing"
    NO = "no"
    NOT = "not"
    CONTRAST = "contrast"
    PREPOSITION = "preposition"


@dataclass(frozen=True)
class Surface:
    """One surface of the table.

    Attributes:
        name: canonical name, which is also its words in a prompt.
        phrases: what SAM3 is asked by; none: it is not asked for.
        families: what it belongs to, for contradictions.
        litter: it lies on another surface.
        scenery: not taken from captions.
        general: it says little; taken only where nothing better is named.
    """

    name: str
    phrases: tuple[str, ...] = ()
    families: frozenset[str] = frozenset()
    litter: bool = False
    scenery: bool = False
    general: bool = False

    @property
    def words(self) -> int:
        """Number of words in a prompt."""
        return len(self.name.split())


Words = tuple[str, ...]


@dataclass(frozen=True)
class _Row:
    """One row of the file; its keys are explained there."""

    name: str
    family: Annotated[Words, SOME]
    sam3: Words = ()
    litter: bool = False
    scenery: bool = False
    general: bool = False
    adjectives: Words = ()
    abroad: Words = ()
    en: Words = ()
    de: Words = ()
    fr: Words = ()
    es: Words = ()
    it: Words = ()
    pt: Words = ()
    nl: Words = ()


@dataclass(frozen=True)
class _File:
    """The file; its keys are explained there."""

    neutral: str
    together: tuple[Words, ...]
    grounds: Words
    describes: Words
    nothing: Words
    english: Words
    negation: Mapping[str, Words]
    surface: tuple[_Row, ...]


@dataclass(frozen=True)
class Table:
    """The compiled table.

    Attributes:
        neutral: the prompt where nothing is known.
        surfaces: by name, in the file's order.
        phrases: normalised words -> role, and the surface where the role names one.
        longest: words of the longest phrase.
        grounds: nouns that take the surface before them as their material.
        describes: words that make the surface before them a property of something else.
        english: words that mark an English text.
        together: pairs of families that may be seen side by side.
    """

    neutral: str
    surfaces: Mapping[str, Surface]
    phrases: Mapping[tuple[str, ...], tuple[Role, Surface | None]]
    longest: int
    grounds: frozenset[str]
    describes: frozenset[str]
    english: frozenset[str]
    together: frozenset[frozenset[str]]

    def contradict(self, some: Iterable[Surface], others: Iterable[Surface]) -> bool:
        """Return whether no surface of the one can be seen beside one of the other."""
        others = list(others)
        return not any(
            mine == theirs or frozenset({mine, theirs}) in self.together
            for one in some
            for other in others
            for mine in one.families
            for theirs in other.families
        )


def normalised(text: str) -> str:
    """Return text in one form: NFKD without accents and invisible characters, case folded."""
    kept = (
        char
        for char in unicodedata.normalize("NFKD", text)
        if unicodedata.category(char) not in ("Mn", "Me", "Cf")
    )
    return "".join(kept).casefold()


def parse_table(content: Mapping[str, Any]) -> Table:
    """Compile the table.

    Raises:
        ValueError: a phrase that means two surfaces or that SAM3 is asked by twice, a surface whose
            name does not mean itself, an unknown key or family, a value of another type.
    """
    file = read_table(_File, content, FILE_NAME)
    surfaces: dict[str, Surface] = {}
    phrases: dict[tuple[str, ...], tuple[Role, Surface | None]] = {}
    plurals: dict[tuple[str, ...], tuple[Role, Surface | None]] = {}
    families = {family for row in file.surface for family in row.family}

    def add(forms: Iterable[str], role: Role, surface: Surface | None = None) -> None:
        for form in forms:
            words = _words(form)
            if phrases.setdefault(words, (role, surface)) != (role, surface):
                raise ValueError(f"{form!r} means both {phrases[words]} and {(role, surface)}")

    for row in file.surface:
        surface = Surface(
            row.name, row.sam3, frozenset(row.family), row.litter, row.scenery, row.general
        )
        surfaces[surface.name] = surface
        for language in LANGUAGES:
            add(getattr(row, language), Role.SURFACE, surface)
        add([surface.name], Role.SURFACE, surface)
        add(row.adjectives, Role.ADJECTIVE, surface)
        add(row.abroad, Role.ABROAD, surface)
        for form in row.en:
            plurals.setdefault(_plural(_words(form)), (Role.SURFACE, surface))

    add(file.nothing, Role.NOTHING)
    for role in (Role.NO, Role.NOT):
        add(file.negation[role.value], role)
    add(file.negation["contrast"], Role.CONTRAST)
    add(file.negation["prepositions"], Role.PREPOSITION)
    strangers = {family for pair in file.together for family in pair} - families
    if strangers:
        raise ValueError(f"together: unknown families {', '.join(sorted(strangers))}")
    asked = [phrase.casefold() for row in file.surface for phrase in row.sam3]
    twice = {phrase for phrase in asked if asked.count(phrase) > 1}
    if twice:
        raise ValueError(
            f"sam3: expected phrases that differ, got {', '.join(sorted(twice))} twice"
        )
    grounds = [_words(noun) for noun in file.grounds]
    return Table(
        neutral=file.neutral,
        surfaces=surfaces,
        phrases=plurals | phrases,
        longest=max(len(words) for words in phrases),
        grounds=frozenset(words[0] for noun in grounds for words in (noun, _plural(noun))),
        describes=frozenset(file.describes),
        english=frozenset(file.english),
        together=frozenset(frozenset(pair) for pair in file.together),
    )


@cache
def table() -> Table:
    """Return the package's own table."""
    text = (resources.files("pawfect.scene") / FILE_NAME).read_text("utf-8")
    return parse_table(tomllib.loads(text))


def labelled_surfaces() -> tuple[Surface, ...]:
    """Return the surfaces that SAM3 is asked for, in the file's order."""
    return tuple(surface for surface in table().surfaces.values() if surface.phrases)


def _words(form: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(normalised(form)))


def _plural(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return an English phrase with its last word in the plural, by the regular rules."""
    *first, last = words
    if last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in ("a", "e", "o", "u"):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return (*first, last)
