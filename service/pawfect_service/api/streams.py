"""How many streams of progress a user may have open at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError

# Of one user's, in each process: a tab of the page has one for each job that it watches.
MOST_STREAMS: Final = 64


class Streams:
    """Counts server-sent events and WebSockets by whose jobs they tell of.

    Args:
        at_most: of one user's.
    """

    def __init__(self, at_most: int = MOST_STREAMS) -> None:
        self._at_most = at_most
        self._open: Counter[str] = Counter()

    @contextmanager
    def one(self, uid: str) -> Iterator[None]:
        """Have one open for the length of the block; QUEUE_FULL where it is one too many.

        Args:
            uid: whose jobs it tells of.
        """
        if self._open[uid] >= self._at_most:
            expected = f"at most {self._at_most} open at a time for a user"
            raise PawfectError(ErrorKind.QUEUE_FULL, f"streams: expected {expected}, got more")
        self._open[uid] += 1
        try:
            yield
        finally:
            self._open[uid] -= 1
            if not self._open[uid]:
                del self._open[uid]
