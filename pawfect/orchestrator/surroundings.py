"""What surrounds the hole: said by the request, else by SAM3, else by Florence-2, else unknown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError
from pawfect.contract.report import Fallback
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator import budget
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import Task
from pawfect.scene.prompt import Label

# The longest of Florence-2's plain captions names what lies around; the shorter name one thing.
CAPTION_TASK: Final = "<DETAILED_CAPTION>"
SAM3: Final = "sam3_labeling"
# The source of labels that come with scores and coverage.
FROM_SAM3: Final = "sam3"


@dataclass(frozen=True)
class Surroundings:
    """What is known of the surroundings, and from where.

    Attributes:
        labels: best first.
        caption: of the surroundings, where there are no labels.
        source: request, sam3, florence2 or none.
        fallbacks: sources that failed.
    """

    labels: tuple[Label, ...] = ()
    caption: str | None = None
    source: str = "none"
    fallbacks: tuple[Fallback, ...] = ()


async def find_surroundings(task: Task) -> Surroundings:
    """Ask the sources in their order until one answers.

    Returns:
        What was found; a source that is missing, fails or is late is a fallback.

    Raises:
        PawfectError: CANCELLED or DEADLINE of the request itself.
    """
    named, profile = task.request.scene_labels, task.deployment.profile
    if named:
        return Surroundings(tuple(Label(name) for name in named), source="request")
    found = Surroundings() if profile.sam3 is None else await _labelled(task)
    if found.labels or profile.florence2 is None:
        return found
    captioned = await _captioned(task)
    return replace(captioned, fallbacks=found.fallbacks + captioned.fallbacks)


async def name_surfaces(
    task: Task, image: NDArray[np.uint8], ring: NDArray[np.uint8]
) -> tuple[Label, ...]:
    """Ask SAM3 what lies under a ring, UINT8 [H, W], of a photo, UINT8 [H, W, 3].

    Raises:
        PawfectError: where it fails or is late.
    """
    return await surfaces(image, ring, task.deployment, task.call, task.control)


async def surfaces(
    image: NDArray[np.uint8],
    ring: NDArray[np.uint8],
    deployment: Deployment,
    call: CallModel,
    control: Control,
) -> tuple[Label, ...]:
    """Ask SAM3 what lies under a ring of a photo.

    Args:
        image: UINT8 [H, W, 3] RGB.
        ring: UINT8 [H, W], non-zero where it is looked at.
        deployment: of a profile with SAM3.
        call: calls the models.
        control: deadline, cancellation and stage times.

    Raises:
        PawfectError: where it fails or is late.
    """
    settings = deployment.profile.sam3
    assert settings is not None
    limit_ms = min(settings.timeout_ms, budget.SOURCE_SHARE * control.deadline_ms)
    with control.stage(SAM3):
        asking = call(SAM3, {"IMAGE": image, "RING": ring}, {})
        out = await control.wait(SAM3, asking, limit_ms)
    named = zip(out["LABELS"], out["SCORES"], out["COVERAGE"], strict=True)
    return tuple(Label(name.decode(), float(s), float(c)) for name, s, c in named)


async def _labelled(task: Task) -> Surroundings:
    instead = "no labels" if task.deployment.profile.florence2 is None else "florence2"
    try:
        labels = await name_surfaces(task, task.request.image, task.cleaned.ring)
    except PawfectError as error:
        task.control.raise_if_over(error)
        failed = Fallback(SAM3, str(error), instead, error.kind)
        return Surroundings(fallbacks=(failed,))
    if labels:
        return Surroundings(labels, source=FROM_SAM3)
    nothing = Fallback(SAM3, "no surface recognised", instead)
    return Surroundings(fallbacks=(nothing,))


async def _captioned(task: Task) -> Surroundings:
    settings = task.deployment.profile.florence2
    assert settings is not None
    inputs = {
        "IMAGE": task.request.image,
        "RING": task.cleaned.ring,
        "TASK": text_tensor(CAPTION_TASK),
    }
    try:
        out = await task.ask("florence2", inputs, limit_ms=_limit_ms(task, settings.timeout_ms))
    except PawfectError as error:
        task.control.raise_if_over(error)
        failed = Fallback("florence2", str(error), "no labels", error.kind)
        return Surroundings(fallbacks=(failed,))
    return Surroundings(caption=out["TEXT"][0].decode(), source="florence2")


def _limit_ms(task: Task, timeout_ms: int) -> float:
    return min(timeout_ms, budget.SOURCE_SHARE * task.control.deadline_ms)
