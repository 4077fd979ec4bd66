"""The kinds of jobs, by name; the machine of jobs knows of each only what `Kind` says."""

from typing import Final

from pawfect_service.jobs.kinds.cutout import CUTOUT
from pawfect_service.jobs.kinds.inpaint import INPAINT
from pawfect_service.jobs.kinds.kind import Accepted, Kind, Made, OnProgress, Task, Tools

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in (INPAINT, CUTOUT)}

__all__ = ["CUTOUT", "INPAINT", "KINDS", "Accepted", "Kind", "Made", "OnProgress", "Task", "Tools"]
