"""Faces of a picture, as flows ask `face_analysis` for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import Face, FaceReport, read_faces
from pawfect.orchestrator.engine import Asking

MODEL: Final = "face_analysis"


@dataclass(frozen=True, eq=False)
class FacesFound:
    """The faces of a picture.

    Attributes:
        kind: of `pawfect.contract.faces.KINDS`.
        faces: best first.
        report: of `face_analysis`.
    """

    kind: str
    faces: tuple[Face, ...]
    report: FaceReport


async def find_faces(
    asking: Asking, image: NDArray[np.uint8], limit_ms: float | None = None
) -> FacesFound:
    """Find the faces of a picture.

    Args:
        asking: calls the model.
        image: UINT8 [H, W, 3] RGB.
        limit_ms: how long to wait; None: as long as the request may take.

    Raises:
        PawfectError: UNAVAILABLE without networks that find faces, with what mends it; DEADLINE,
            CANCELLED, or as the model failed.
    """
    left_ms = asking.control.remaining_ms()
    within_ms = left_ms if limit_ms is None else min(left_ms, limit_ms)
    out = await asking.ask(
        MODEL, {"IMAGE": image}, {"deadline_ms": max(int(within_ms), 1)}, limit_ms
    )
    report = FaceReport.from_json(out["REPORT"].reshape(-1)[0])
    return FacesFound(report.kind, read_faces(out), report)
