"""Digests of pictures in records of consent."""

from __future__ import annotations

import hashlib
import tracemalloc

from pawfect_service.consents.record import picture_digest


def test_a_digest_is_of_salt_and_picture_and_copies_no_picture() -> None:
    """A run's picture has up to 330 MB."""
    picture = bytes(2**22)
    expected = hashlib.sha256(b"\x0a\x0b" + picture).hexdigest()
    tracemalloc.start()
    try:
        assert picture_digest("0a0b", picture) == expected
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(picture) / 4
