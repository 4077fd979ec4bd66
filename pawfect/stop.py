"""How work that takes long is told to stop."""

from __future__ import annotations

from collections.abc import Callable

from pawfect.contract.errors import ErrorKind, PawfectError

# Says whether nobody waits for an answer any more; called often, from the thread that works.
Stop = Callable[[], bool]


def never() -> bool:
    """Do not stop."""
    return False


def look(stop: Stop) -> None:
    """Raise CANCELLED where `stop` says so: called before each piece of work."""
    if stop():
        raise PawfectError(ErrorKind.CANCELLED, "told to stop")
