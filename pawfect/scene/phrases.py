"""Reading a text for surfaces: only those of the table come out, whatever is in it."""

from __future__ import annotations

import re
from typing import Final

from pawfect.contract.tensors import MAX_TEXT_BYTES
from pawfect.scene.lexicon import Role, Surface, Table, normalised, table

# Words behind a "no" or "not" that it takes back: a clause's length; beyond them a text without
# punctuation is about something else.
NEGATED_WORDS: Final = 8
# A whole word, or a mark that ends a phrase; whatever else there is parts words and ends nothing
# ("wood-floor", quotes, emoji). No alternative looks back over what it took: reading is linear.
_TOKEN = re.compile(r"(?P<word>[^\W\d_]+)|[.,;:!?()\[\]{}<>|\n\r\u2013\u2014\u3002]|(?<=\s)-(?=\s)")
_CONTRACTED = re.compile(r"n['\u2019\u02bc]t\b")


def read_surfaces(text: str) -> tuple[Surface, ...]:
    """Return the surfaces that a text names, each once, in the order in which they appear.

    Surfaces that are negated ("no grass", "not on the sofa"), that only lend a colour or a make
    ("snow white", "straw hat") and all that the table does not know are left out.

    Args:
        text: any text; what lies beyond the longest text of a request is not read.
    """
    lexicon = table()
    words = _tokens(text)
    english = any(word in lexicon.english for word in words)
    found: dict[str, Surface] = {}
    at = left = 0
    closing: tuple[Role, ...] = ()
    while at < len(words):
        role, surface, size = _phrase(lexicon, words, at)
        after = words[at + size] if at + size < len(words) else ""
        if role in (Role.NO, Role.NOT):
            closing = (Role.CONTRAST, Role.PREPOSITION)[: 2 if role is Role.NO else 1]
            left = NEGATED_WORDS + size
        elif not words[at] or role in closing:
            left = 0
        elif surface is not None:
            named = {
                Role.SURFACE: after not in lexicon.describes,
                Role.ABROAD: not english,
                Role.ADJECTIVE: after in lexicon.grounds,
            }[role or Role.SURFACE]
            if named and left <= 0:
                found.setdefault(surface.name, surface)
            # The noun that it is the material of goes with it: a dirt road is no asphalt.
            size += after in lexicon.grounds
        at, left = at + size, left - size
    return tuple(found.values())


def _phrase(lexicon: Table, words: list[str], at: int) -> tuple[Role | None, Surface | None, int]:
    """Return role, surface and number of words of the longest known phrase that starts here."""
    for size in range(min(lexicon.longest, len(words) - at), 0, -1):
        entry = lexicon.phrases.get(tuple(words[at : at + size]))
        if entry:
            return *entry, size
    return None, None, 1


def _tokens(text: str) -> list[str]:
    """Return a text's words, normalised, with "" where a phrase must end."""
    plain = normalised(text[:MAX_TEXT_BYTES])[:MAX_TEXT_BYTES]
    plain = _CONTRACTED.sub("nt", plain)
    return [match["word"] or "" for match in _TOKEN.finditer(plain)]
