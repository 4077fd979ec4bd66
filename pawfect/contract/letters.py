"""Which texts may be set in a photo: one line of what open Latin fonts have."""

from __future__ import annotations

import unicodedata
from typing import Final

from pawfect.contract.errors import invalid
from pawfect.contract.texts import check_texts

# Longest text of one correction: a line of a page; signs and mugs have a tenth of it.
MAX_LETTERS: Final = 200
# The last character of Latin Extended-A.
_LATIN_ENDS: Final = 0x017F
# What such fonts have beyond it: Romanian S and T with comma below, capital sharp s; dashes,
# quotes, daggers, bullet, ellipsis, per mille, angle quotes, euro, trade mark, minus.
_BEYOND: Final = frozenset(
    "\u0218\u0219\u021a\u021b\u1e9e"
    "\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2020\u2021\u2022\u2026\u2030\u2039\u203a"
    "\u20ac\u2122\u2212"
)


def check_letters(where: str, text: str) -> str:
    """Return a text in NFC, without blanks at its ends.

    Args:
        where: what it is, at the start of messages.
        text: 1 to 200 characters.

    Raises:
        PawfectError: INVALID_ARG for nothing but blanks, more than 200 characters, and a character
            for which `is_writable` is false: other scripts, among them those written from right
            to left, emoji, control characters.
    """
    check_texts(where, (text,))
    letters = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(letters) <= MAX_LETTERS:
        got = f"{len(letters)} characters" if letters else "blanks"
        raise invalid(where, f"1 to {MAX_LETTERS} characters", got)
    other = next((letter for letter in letters if not is_writable(letter)), None)
    if other is not None:
        expected = "Latin letters, digits, blanks and punctuation of one line"
        raise invalid(where, expected, _named(other))
    return letters


def is_writable(letter: str) -> bool:
    """Say whether a character is a Latin letter, a digit, a blank or punctuation."""
    return letter in _BEYOND or (ord(letter) <= _LATIN_ENDS and letter.isprintable())


def _named(letter: str) -> str:
    name = unicodedata.name(letter, "a character without a name").lower()
    named = f"U+{ord(letter):04X} ({name})"
    if unicodedata.bidirectional(letter) in ("R", "AL"):
        return f"{named}, which is written from right to left"
    return named
