"""What a repair gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.refine_report import (
    CorrectionReport,
    EditReport,
    RegionReport,
    RemoteReport,
)
from pawfect.contract.report import Fallback


@dataclass(frozen=True, eq=False)
class Repaired:
    """One repair; all but the picture stands in REPORT under the same names.

    Attributes:
        image: UINT8 [H, W, 3].
        engine: lettering, inpaint, remote, or the name of the profile's edit model.
        corrections: of `text`: how each was set.
        regions: of `region`: how each was filled.
        remote: how a remote engine answered.
        edit: how the profile's edit model drew.
        notes: what a person should know about it.
        fallbacks: what was missing or failed.
        weights: identity of the weights that made it, by model.
    """

    image: NDArray[np.uint8]
    engine: str
    corrections: tuple[CorrectionReport, ...] = ()
    regions: tuple[RegionReport, ...] = ()
    remote: RemoteReport | None = None
    edit: EditReport | None = None
    notes: tuple[str, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
