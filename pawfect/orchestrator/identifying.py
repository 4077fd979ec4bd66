"""Identity for the local judge: is the face in a result the one of the reference?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.faces import KINDS, Face
from pawfect.contract.report import Fallback
from pawfect.identity.nearest import near_face
from pawfect.orchestrator import budget
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import Asking
from pawfect.orchestrator.face_finding import MODEL, FacesFound, find_faces
from pawfect.picture.box import Box
from pawfect.picture.window import with_context
from pawfect.scores.likeness import UNCALIBRATED, likeness

_WITHOUT: Final = "identity not judged"


@dataclass(frozen=True, eq=False)
class Who:
    """Who a result is to show.

    Attributes:
        face: of the reference; None where it has none to compare with.
        why: why not.
        fallbacks: what failed.
    """

    face: Face | None
    why: str = ""
    fallbacks: tuple[Fallback, ...] = ()


@dataclass(frozen=True)
class Identity:
    """What the local judge says of identity.

    Attributes:
        score: 0 to 10; None: it does not say.
        why: why not.
        parts: measures, by name.
        notes: what a person should know of the score.
        model: identity of the weights, where they were asked.
        fallbacks: what failed.
    """

    score: float | None = None
    why: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    model: str | None = None
    fallbacks: tuple[Fallback, ...] = ()


async def who_is(reference: NDArray[np.uint8], deployment: Deployment, asking: Asking) -> Who:
    """Look for the face of a reference, which all candidates are compared with.

    Args:
        reference: UINT8 [h, w, 3] RGB.
        deployment: whether faces are found at all.
        asking: calls the models.

    Raises:
        PawfectError: CANCELLED or DEADLINE of the request itself.
    """
    profile = deployment.profile
    if profile.faces is None or MODEL not in profile.models:
        return Who(None, f"profile {profile.name} finds no faces")
    try:
        found = await find_faces(asking, reference, _limit_ms(deployment, asking.control))
    except PawfectError as error:
        return Who(None, error.message, _failed(error, asking.control))
    return who_of(found)


def who_of(found: FacesFound) -> Who:
    """Return who a reference shows, by its best face."""
    if not found.faces:
        return Who(None, "no face in REFERENCE")
    if not KINDS[found.kind].embedding:
        return Who(None, f"faces of kind {found.kind} cannot be compared")
    return Who(found.faces[0])


async def identify(
    result: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    who: Who,
    deployment: Deployment,
    asking: Asking,
) -> Identity:
    """Compare the face nearest to the mask with the reference's.

    Args:
        result: UINT8 [H, W, 3] RGB.
        mask: UINT8 [H, W], 255 = changed.
        who: the result is to show.
        deployment: how long faces may take.
        asking: calls the models.

    Raises:
        PawfectError: CANCELLED or DEADLINE of the request itself.
    """
    if who.face is None:
        return Identity(why=who.why, fallbacks=who.fallbacks)
    looking = asyncio.to_thread(_around, result, mask)
    part, marked = await asking.control.wait(MODEL, looking)
    try:
        found = await find_faces(asking, part, _limit_ms(deployment, asking.control))
        near = asyncio.to_thread(near_face, found.faces, marked)
        place = await asking.control.wait(MODEL, near)
        model = ", ".join(found.report.weights.values()) or None
        if place is None:
            return Identity(why="no face in RESULT at the mask", model=model)
        alike = likeness(found.faces[place], who.face)
    except PawfectError as error:
        return Identity(why=error.message, fallbacks=_failed(error, asking.control))
    return Identity(alike.score, parts=alike.parts, notes=(UNCALIBRATED,), model=model)


def _around(
    result: NDArray[np.uint8], mask: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return what is looked at of a result, and the mask there: its box and what lies round it.

    What lies far from the mask is not: another's face there is not who is meant.
    """
    x, y, width, height = cv2.boundingRect(mask)
    at = with_context(Box(x, y, x + width, y + height), *mask.shape).slices
    return np.ascontiguousarray(result[at]), mask[at]


def _limit_ms(deployment: Deployment, control: Control) -> float:
    settings = deployment.profile.faces
    assert settings is not None
    return min(settings.timeout_ms, budget.SOURCE_SHARE * control.deadline_ms)


def _failed(error: PawfectError, control: Control) -> tuple[Fallback, ...]:
    """Return what is noted of a failure; raise where the request itself is over."""
    control.raise_if_over(error)
    # Faces that cannot be compared are no failure of the network.
    if error.kind is ErrorKind.INVALID_ARG:
        return ()
    return (Fallback(MODEL, error.message, _WITHOUT, error.kind),)
