"""What a repair of texts keeps to: what never changes, and the time there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.stop import Stop, never

_SLOWER: Final = 1.5  # how much longer than the longest so far another piece of work may take
_ENDLESS_MS: Final = 1e12  # some thirty years, and still a number that can be halved


def _endless() -> float:
    return _ENDLESS_MS


@dataclass(frozen=True, eq=False)
class Limits:
    """What a repair keeps to.

    Attributes:
        protect: BOOL [H, W], what never changes; None: nothing.
        left_ms: says how long it may still take, ms; what does not fit is not begun.
        stop: says whether nobody waits any more; asked before each face and each line.
    """

    protect: NDArray[np.bool_] | None = None
    left_ms: Callable[[], float] = _endless
    stop: Stop = never


FREE: Final = Limits()


class Clock:
    """Whether there is time for another piece of work, by the longest one so far.

    Args:
        left_ms: until the end.
        kept_ms: of it, for what comes afterwards.
        longest_ms: what the first piece may take.
    """

    def __init__(
        self, left_ms: Callable[[], float], kept_ms: float, longest_ms: float = 0.0
    ) -> None:
        self._left_ms, self._kept_ms = left_ms, kept_ms
        self.longest_ms = longest_ms

    def allows(self) -> bool:
        """Tell whether another piece may begin."""
        return self._left_ms() - self._kept_ms > _SLOWER * self.longest_ms

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count the time of the block as a piece's."""
        began = time.monotonic()
        yield
        self.longest_ms = max(self.longest_ms, (time.monotonic() - began) * 1000)
