"""What surrounds the hole: said by the request, else by SAM3, else by Florence-2, else unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError
from pawfect.contract.report import Fallback
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.request import InpaintRequest, Setup
from pawfect.scene.prompt import Label

# The longest of Florence-2's plain captions names what lies around; the shorter name one thing.
CAPTION_TASK: Final = "<DETAILED_CAPTION>"
# Of the deadline that one source may take: the steps need most of the rest.
SOURCE_SHARE: Final = 0.2


@dataclass
class Surroundings:
    """What is known of the surroundings, and from where.

    Attributes:
        labels: best first.
        caption: of the surroundings, where there are no labels.
        source: request, sam3, florence2 or none.
        fallbacks: what failed on the way.
    """

    labels: list[Label] = field(default_factory=list)
    caption: str | None = None
    source: str = "none"
    fallbacks: list[Fallback] = field(default_factory=list)


async def find_surroundings(
    request: InpaintRequest,
    ring: NDArray[np.uint8],
    setup: Setup,
    call: CallModel,
    control: Control,
) -> Surroundings:
    """Ask the sources in their order until one answers.

    Args:
        request: may name its labels itself.
        ring: UINT8 [H, W], 255 = the band of surroundings.
        setup: which sources the profile has, and how long each may take.
        call: calls them.
        control: deadline and cancellation.

    Returns:
        What was found; a source that is missing, fails or is late is a fallback.

    Raises:
        PawfectError: CANCELLED or DEADLINE of the request itself.
    """
    found = Surroundings()
    if request.scene_labels:
        found.labels = [Label(name) for name in request.scene_labels]
        found.source = "request"
        return found
    if setup.profile.sam3 is not None and not await _labelled(
        found, request, ring, setup, call, control
    ):
        return found
    if setup.profile.florence2 is not None:
        await _captioned(found, request, ring, setup, call, control)
    return found


async def name_surfaces(
    image: NDArray[np.uint8],
    ring: NDArray[np.uint8],
    setup: Setup,
    call: CallModel,
    control: Control,
) -> list[Label]:
    """Ask SAM3 what lies under a ring; raises PawfectError where it fails or is late."""
    assert setup.profile.sam3 is not None
    with control.stage("sam3_labeling"):
        asked = call("sam3_labeling", {"IMAGE": image, "RING": ring}, {})
        limit = min(setup.profile.sam3.timeout_ms, SOURCE_SHARE * control.deadline_ms)
        out = await control.wait("sam3_labeling", asked, limit)
    named = zip(out["LABELS"], out["SCORES"], out["COVERAGE"], strict=True)
    return [Label(name.decode(), float(s), float(c)) for name, s, c in named]


async def _labelled(
    found: Surroundings,
    request: InpaintRequest,
    ring: NDArray[np.uint8],
    setup: Setup,
    call: CallModel,
    control: Control,
) -> bool:
    """Try SAM3; return whether another source is to be asked."""
    try:
        found.labels = await name_surfaces(request.image, ring, setup, call, control)
    except PawfectError as error:
        control.raise_if_over(error)
        found.fallbacks.append(Fallback("sam3_labeling", str(error), _next(setup)))
        return True
    if found.labels:
        found.source = "sam3"
        return False
    found.fallbacks.append(Fallback("sam3_labeling", "no surface recognised", _next(setup)))
    return True


async def _captioned(
    found: Surroundings,
    request: InpaintRequest,
    ring: NDArray[np.uint8],
    setup: Setup,
    call: CallModel,
    control: Control,
) -> None:
    assert setup.profile.florence2 is not None
    inputs = {
        "IMAGE": request.image,
        "RING": ring,
        "TASK": text_tensor(CAPTION_TASK),
    }
    limit = min(setup.profile.florence2.timeout_ms, SOURCE_SHARE * control.deadline_ms)
    try:
        with control.stage("florence2"):
            out = await control.wait("florence2", call("florence2", inputs, {}), limit)
        found.caption = out["TEXT"][0].decode()
        found.source = "florence2"
    except PawfectError as error:
        control.raise_if_over(error)
        found.fallbacks.append(Fallback("florence2", str(error), "no labels"))


def _next(setup: Setup) -> str:
    return "no labels" if setup.profile.florence2 is None else "florence2"
