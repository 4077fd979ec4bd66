"""What was used last, within bounds: the one form in which the denoising step keeps anything."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """A mapping that drops what was unused longest when it would outgrow its bounds.

    Losing an entry must never be an error to its user. Threads may share it.

    Args:
        entries: most entries, at least 1.
        nbytes: most bytes of all entries together, at least 1.
    """

    def __init__(self, *, entries: int, nbytes: int) -> None:
        self._most = (entries, nbytes)
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of all entries, as they were given."""
        return self._nbytes

    def get(self, key: Key) -> Value | None:
        """Return what is kept under a key, now the last used; None where there is nothing."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Key, value: Value, nbytes: int) -> None:
        """Keep a value of so many bytes in place of the key's old one; too large a one is not."""
        entries, most = self._most
        with self._lock:
            self._drop(key)
            if nbytes > most:
                return
            while len(self._kept) >= entries or self._nbytes + nbytes > most:
                self._drop(next(iter(self._kept)))
            self._kept[key] = (value, nbytes)
            self._nbytes += nbytes

    def drop(self, key: Key) -> None:
        """Forget a key; one that is not there is no error."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._nbytes = 0

    def _drop(self, key: Key) -> None:
        if key in self._kept:
            self._nbytes -= self._kept.pop(key)[1]
