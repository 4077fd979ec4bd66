"""Whether the names of a HEIC's items are text: the decoder's binding ends the process if not."""

from __future__ import annotations

import re
from typing import Final

from pawfect.contract.errors import invalid

# An item's entry, ISO/IEC 14496-12 8.11.6: a box of this kind, whose length stands before it; in
# it a version, and behind its numbers a type of four characters and texts.
_ENTRY: Final = re.compile(rb"infe")
_NUMBERS: Final = {2: 4 + 2 + 2, 3: 4 + 4 + 2}


def check_heif_items(data: bytes, name: str) -> None:
    """Raise INVALID_ARG for a file with an item whose type or name is no text.

    Args:
        data: the file's content.
        name: what messages call it.
    """
    for entry in _ENTRY.finditer(data):
        start = entry.start() - 4
        length = int.from_bytes(data[max(start, 0) : start + 4], "big")
        # Pixels may hold the same four bytes, but no length that fits before them.
        if start < 0 or not 8 <= length <= len(data) - start:
            continue
        body = data[start + 8 : start + length]
        try:
            body[_NUMBERS.get(body[0] if body else 0, 0) :].decode()
        except UnicodeDecodeError:
            got = "a truncated or broken one (an item without a name)"
            raise invalid(name, "a whole HEIC or AVIF", got) from None
