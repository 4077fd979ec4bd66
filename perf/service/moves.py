"""What the contract of jobs forbids between two versions of a job's document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pawfect_service.jobs.contract import MOVES, Status

# The part of a document that is written once per job.
_ONCE: Final = ("result", "cost", "report")


def broken_moves(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what the contract does not allow between two versions of a document.

    A watch may leave out versions in between, so that only what no sequence of moves explains is
    said: leaving a final state, and another result, cost or report than the first one.
    """
    before, after = Status(old["processingStatus"]), Status(new["processingStatus"])
    broken = []
    if not MOVES[before] and before is not after:
        broken.append(f"{before.value} became {after.value}")
    for name in _ONCE:
        if old.get(name) is not None and old[name] != new.get(name):
            broken.append(f"{name} was written twice")
    return broken
