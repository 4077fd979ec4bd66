"""What of a photo a swap may change: the face and the user's mask, less what lies over the face."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.faces import Face
from pawfect.contract.find import FindMasksParams
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.identity.mask import FaceMask, face_mask
from pawfect.identity.shape import face_shape
from pawfect.orchestrator import budget
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.find import FindRequest, find_masks
from pawfect.orchestrator.request import InpaintRequest
from pawfect.orchestrator.surroundings import SAM3
from pawfect.picture.box import Box
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
        alpha: FP32 [H, W], 0 to 1, how much of each pixel; some of it above 0.
        occluders: what lies over the face and was taken out, of OCCLUDERS.
        fallbacks: what failed.
    """

    alpha: NDArray[np.float32]
    occluders: tuple[str, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()


async def mask_of(
    request: InpaintRequest,
    masked: bool,
    faces: Sequence[Face],
    deployment: Deployment,
    call: CallModel,
    control: Control,
) -> SwapMask:
    """Return what a swap may change.

    Args:
        request: photo, the user's mask, PROTECT.
        masked: whether there is a mask of the user's.
        faces: of the photo, the one that is swapped first.
        deployment: whether SAM3 can be asked what lies over it.
        call: calls the models.
        control: deadline, cancellation and stage times.

    Raises:
        PawfectError: INVALID_ARG where nothing is left of the face; CANCELLED or DEADLINE of the
            request itself.
    """
    over, fallbacks = await _over(request.image, faces[0], deployment, call, control)
    with control.stage(STAGE):
        masking = asyncio.to_thread(_painted, request, masked, faces, over)
        painted, occluders = await control.wait(STAGE, masking)
    return SwapMask(painted.weight, occluders, fallbacks)


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
    at = with_context(_box(face, height, width), height, width).slices
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


def _box(face: Face, height: int, width: int) -> Box:
    """Return a face's box in whole pixels of its photo; at least one pixel of it."""
    x0, y0, x1, y1 = (float(edge) for edge in face.box)
    left, upper = min(max(int(x0), 0), width - 1), min(max(int(y0), 0), height - 1)
    right, lower = min(math.ceil(x1), width), min(math.ceil(y1), height)
    return Box(left, upper, max(right, left + 1), max(lower, upper + 1))


def _painted(
    request: InpaintRequest,
    masked: bool,
    faces: Sequence[Face],
    over: Mapping[str, NDArray[np.bool_]],
) -> tuple[FaceMask, tuple[str, ...]]:
    """Return the first face's mask, and what was taken out of it; INVALID_ARG: nothing is left."""
    height, width = request.image.shape[:2]
    shape = face_shape(faces[0], height, width)
    banned = np.zeros((height, width), np.bool_)
    if request.protect is not None:
        banned |= request.protect >= MASK_THRESHOLD
    taken = []
    for name, cover in over.items():
        covered = np.count_nonzero(cover & shape) / max(np.count_nonzero(shape), 1)
        if 0 < covered <= MOST_COVERED:
            banned |= cover
            taken.append(name)
    protect = np.where(banned, np.uint8(255), np.uint8(0))
    mask = request.mask if masked else None
    painted = face_mask(request.image, faces, mask, protect)
    if not painted.weight.any():
        raise invalid("IMAGE", "some of the face in it and not protected", "none of it")
    return painted, tuple(taken)
