"""How many pixels are decoded at a time, whatever the number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pawfect.contract.tensors import MAX_PIXELS
from pawfect.photo.image_file import read_header
from pawfect.photo.photo import Photo, decode_photo


class PixelRoom:
    """Has work wait while others decode too many pixels.

    Args:
        pixels: of all photos together; one alone may have more.
    """

    def __init__(self, pixels: int) -> None:
        self._most = pixels
        self._held = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Hold room for so many pixels during the block; wait for it first."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + pixels <= self._most)
            self._held += pixels
        try:
            yield
        finally:
            with self._changed:
                self._held -= pixels
                self._changed.notify_all()


# Two of the largest photos: decoding and checking one takes up to 20 bytes a pixel, 2.2 GB.
DECODING: Final = PixelRoom(2 * MAX_PIXELS)


def decoded(data: bytes, name: str) -> Photo:
    """Return a picture, decoded while there is room for its pixels.

    Args:
        data: content of a picture's file.
        name: what messages call it.

    Raises:
        PawfectError: INVALID_ARG as `decode_photo` says.
    """
    width, height = read_header(data, name).stored_size
    with DECODING.taken(width * height):
        return decode_photo(data, name)
