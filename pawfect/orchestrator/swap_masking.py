"""What of a photo a swap may change: the face and the user's mask, less what lies over the face."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError
from pawfect.contract.faces import Face
from pawfect.contract.find import FindMasksParams
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.identity.nearest import box_within
from pawfect.orchestrator import budget
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.find import FindRequest, find_masks
from pawfect.orchestrator.request import InpaintRequest
from pawfect.orchestrator.surroundings import SAM3
from pawfect.picture.window import with_context

# What lies over a face in photos of pets and their humans, as SAM3 is asked for it.
OCCLUDERS: Final = ("hand", "paw")
# Share of the face that may be covered: what covers more is the face itself, mistaken.
MOST_COVERED: Final = 0.5
STAGE: Final = "face_mask"


@dataclass(frozen=True, eq=False)
class SwapMask:
    """What a swap may change.

    Attributes:
        alpha: FP32 [H, W], 0 to 1, how much of each pixel.
        occluders: what lies over the face and was taken out, of OCCLUDERS.
        fallbacks: what failed.
    """

    alpha: NDArray[np.float32]
    occluders: tuple[str, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()


async def mask_of(
    request: InpaintRequest,
    masked: bool,
    face: Face,
    deployment: Deployment,
    call: CallModel,
    control: Control,
) -> SwapMask:
    """Return what a swap may change.

    Args:
        request: photo, the user's mask, PROTECT.
        masked: whether there is a mask of the user's.
        face: that is swapped.
        deployment: whether SAM3 can be asked what lies over it.
        call: calls the models.
        control: deadline, cancellation and stage times.

    Raises:
        PawfectError: CANCELLED or DEADLINE of the request itself.
    """
    over, fallbacks = await _over(request.image, face, deployment, call, control)
    with control.stage(STAGE):
        masking = asyncio.to_thread(_alpha, request, masked, face, over)
        alpha, occluders = await control.wait(STAGE, masking)
    return SwapMask(alpha, occluders, fallbacks)


async def _over(
    image: NDArray[np.uint8],
    face: Face,
    deployment: Deployment,
    call: CallModel,
    control: Control,
) -> tuple[dict[str, NDArray[np.bool_]], tuple[Fallback, ...]]:
    """Ask SAM3 what lies over a face: by name [H, W] each; what fails is left out."""
    settings = deployment.profile.sam3
    if settings is None:
        return {}, ()
    height, width = image.shape[:2]
    at = with_context(box_within(face, height, width), height, width).slices
    part = np.ascontiguousarray(image[at])
    limit_ms = min(settings.timeout_ms, budget.SOURCE_SHARE * control.deadline_ms)
    over: dict[str, NDArray[np.bool_]] = {}
    for name in OCCLUDERS:
        request = FindRequest(part, name, None, FindMasksParams(joined=True))
        clock = control.part(limit_ms)
        try:
            with control.stage(SAM3):
                result = await find_masks(request, deployment, call, clock)
        except PawfectError as error:
            control.raise_if_over(error)
            return {}, (Fallback(SAM3, error.message, "nothing taken out of the mask", error.kind),)
        if len(result.found.masks):
            whole = np.zeros((height, width), bool)
            whole[at] = result.found.masks[0] > 0
            over[name] = whole
    return over, ()


def _alpha(
    request: InpaintRequest,
    masked: bool,
    face: Face,
    over: dict[str, NDArray[np.bool_]],
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    height, width = request.image.shape[:2]
    hull = _hull(face, height, width)
    marked = hull | (request.mask >= MASK_THRESHOLD) if masked else hull
    taken = []
    for name, cover in over.items():
        covered = np.count_nonzero(cover & hull) / max(np.count_nonzero(hull), 1)
        if 0 < covered <= MOST_COVERED:
            marked &= ~cover
            taken.append(name)
    if request.protect is not None:
        marked &= request.protect < MASK_THRESHOLD
    return _feathered(marked), tuple(taken)


def _hull(face: Face, height: int, width: int) -> NDArray[np.bool_]:
    canvas = np.zeros((height, width), np.uint8)
    hull = cv2.convexHull(np.round(face.landmarks).astype(np.int32))
    return cv2.fillConvexPoly(canvas, hull, 255) > 0


def _feathered(marked: NDArray[np.bool_]) -> NDArray[np.float32]:
    inside = cv2.distanceTransform(marked.astype(np.uint8), cv2.DIST_L2, 5) - 3.0
    return np.clip(inside / 25.0, 0, 1).astype(np.float32)
