"""The kinds of jobs, by name; the machine of jobs knows of each only what `Kind` says."""

from collections.abc import Mapping
from typing import Final

from pawfect_service.jobs.kinds.cutout import CUTOUT
from pawfect_service.jobs.kinds.import_photo import IMPORT
from pawfect_service.jobs.kinds.inpaint import INPAINT
from pawfect_service.jobs.kinds.kind import Accepted, Kind, Made, OnProgress, Task, Tools
from pawfect_service.jobs.kinds.refine import REFINE
from pawfect_service.jobs.kinds.run_inpaint import RUN_INPAINT
from pawfect_service.jobs.kinds.search import SEARCH
from pawfect_service.jobs.kinds.swap import SWAP

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind for kind in (INPAINT, CUTOUT, RUN_INPAINT, IMPORT, REFINE, SEARCH, SWAP)
}
# Those that make candidates, of which two can be compared.
SEARCHES: Final = (SEARCH, SWAP)
# What runs call a kind that they have in a form of their own.
_OF_RUNS: Final[Mapping[str, str]] = {INPAINT.name: RUN_INPAINT.name}


def kind_of_run(name: str) -> Kind | None:
    """Return the kind of a run's jobs that runs call by this name; None where there is none."""
    # What a document calls it is no second name.
    return None if name in _OF_RUNS.values() else KINDS.get(_OF_RUNS.get(name, name))


def called_in_runs(kind: Kind) -> str:
    """Return what runs call a kind."""
    return next((name for name, own in _OF_RUNS.items() if own == kind.name), kind.name)


__all__ = [
    "CUTOUT",
    "IMPORT",
    "INPAINT",
    "KINDS",
    "REFINE",
    "RUN_INPAINT",
    "SEARCH",
    "SEARCHES",
    "SWAP",
    "Accepted",
    "Kind",
    "Made",
    "OnProgress",
    "Task",
    "Tools",
    "called_in_runs",
    "kind_of_run",
]
