"""The kinds of jobs, by name; the machine of jobs knows of each only what `Kind` says."""

from typing import Final

from pawfect_service.jobs.kinds.inpaint import INPAINT
from pawfect_service.jobs.kinds.kind import Accepted, Kind, Made, OnProgress, Task, Tools

KINDS: Final[dict[str, Kind]] = {INPAINT.name: INPAINT}

__all__ = ["INPAINT", "KINDS", "Accepted", "Kind", "Made", "OnProgress", "Task", "Tools"]
