"""What must stand in no answer: a traceback, a path of the server's, an address in its memory."""

from __future__ import annotations

import re
from typing import Final

# A traceback's own words, a source file with its line, and Python's way to show an object.
_TOLD: Final = re.compile(
    r"Traceback \(most recent|File \"[^\"]*\"|\b[\w/]+\.(?:py|cc|cpp|so)\b[:\"]|\bobject at 0x"
)
# An absolute path of two parts at least. Shapes, units and URLs' own slashes have none.
_PATH: Final = re.compile(
    r"(?<![\w:/.])/(?:usr|home|root|tmp|var|work|opt|etc|dev|proc|run|mnt|srv|workspace)/[\w.+-]+"
)


def leak(text: str, sent: str = "") -> str | None:
    """Return what a text tells that it must not; None where it tells nothing of the kind.

    Args:
        text: an answer, or an error's message.
        sent: what the caller sent: its own words may be told back.
    """
    for pattern in (_TOLD, _PATH):
        for found in pattern.finditer(text):
            # What is quoted at length is cut, with dots.
            if found.group().removesuffix("...") not in sent:
                return text[max(found.start() - 40, 0) : found.end() + 60]
    return None
