"""How work that takes long is told to stop."""

from __future__ import annotations

from collections.abc import Callable

# Says whether nobody waits for an answer any more; called often, from the thread that works.
Stop = Callable[[], bool]


def never() -> bool:
    """Do not stop."""
    return False
