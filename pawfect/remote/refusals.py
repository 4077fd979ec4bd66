"""What the status of a server elsewhere means here, and its own words without the key."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pawfect.contract.errors import ErrorKind, without_paths

# Statuses that say something else than their hundred.
_KINDS: Final = MappingProxyType(
    {
        401: ErrorKind.UNAVAILABLE,
        402: ErrorKind.UNAVAILABLE,
        403: ErrorKind.UNAVAILABLE,
        404: ErrorKind.UNAVAILABLE,
        408: ErrorKind.DEADLINE,
        429: ErrorKind.QUEUE_FULL,
        504: ErrorKind.DEADLINE,
    }
)
# What comes with a refused key often repeats a part of it.
_OF_THE_KEY: Final = (401, 403)
# Of another's own words: enough for a reason, too little for a page of HTML.
_MOST_WORDS: Final = 200


def kind_of(status: int, refused: ErrorKind = ErrorKind.UNAVAILABLE) -> ErrorKind:
    """Return what a status other than 200 means.

    Args:
        status: of HTTP.
        refused: what it means that the request is refused as it is.
    """
    return _KINDS.get(status, refused if 400 <= status < 500 else ErrorKind.UNAVAILABLE)


def status_words(status: int, said: object, key: str) -> str:
    """Return a status with why, in the other's own words where it gives any that may be told."""
    told = "" if status in _OF_THE_KEY else own_words(said, key)
    return f"status {status}: {told}" if told else f"status {status}"


def own_words(said: object, key: str) -> str:
    """Return one printable line of what another says, cut, without the key and without paths."""
    if not isinstance(said, str) or not said.strip():
        return ""
    line = without_paths(said.replace(key, "***") if key else said)
    return "".join(letter for letter in line if letter.isprintable())[:_MOST_WORDS].strip()
