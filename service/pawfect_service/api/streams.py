"""How many streams of progress a user, and all users, may have open at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError

# Of one user's, in each process: a tab of the page has one for each job that it watches.
MOST_STREAMS: Final = 64
# Of all users', in each process: the other connections (`middleware.CROWDED`) are for requests.
MOST_OF_ALL: Final = 600


class Streams:
    """Counts server-sent events and WebSockets by whose jobs they tell of.

    Args:
        at_most: of one user's.
        of_all: of all users'.
    """

    def __init__(self, at_most: int = MOST_STREAMS, of_all: int = MOST_OF_ALL) -> None:
        self._at_most = at_most
        self._of_all = of_all
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
        if self._open.total() >= self._of_all:
            expected = f"at most {self._of_all} open at a time for all users"
            raise PawfectError(ErrorKind.QUEUE_FULL, f"streams: expected {expected}, got more")
        self._open[uid] += 1
        try:
            yield
        finally:
            self._open[uid] -= 1
            if not self._open[uid]:
                del self._open[uid]
