"""What `inpaint` protects: what the request says, else the subject that a network finds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.matting.network import enlarged
from pawfect.matting.networks import find_network
from pawfect.matting.presets import Plan
from pawfect.matting.protection import Protection, protection
from pawfect.orchestrator import budget
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.looking import Looked, look_at
from pawfect.orchestrator.request import InpaintRequest
from pawfect.settings import ProtectSettings

STAGE = "protect"


@dataclass(frozen=True, eq=False)
class Protected:
    """What is protected, and why.

    Attributes:
        mask: UINT8 [H, W], >= 128 = neither filled nor copied from, or None.
        source: request, the network that found it, or none.
        reason: in words.
        confidence: how sure the network is of its subject; None where none was asked.
        fallbacks: what failed.
    """

    mask: NDArray[np.uint8] | None
    source: str
    reason: str
    confidence: float | None = None
    fallbacks: tuple[Fallback, ...] = ()

    @property
    def share(self) -> float:
        """Share of the photo that is protected, 0 to 1."""
        if self.mask is None:
            return 0.0
        return round(float(np.count_nonzero(self.mask >= MASK_THRESHOLD)) / self.mask.size, 4)

    def weights(self, finders: Mapping[str, str]) -> dict[str, str]:
        """Return the identity of the weights that found it, of the deployment's finders."""
        return {"protect": finders[self.source]} if self.source in finders else {}


async def find_protected(
    request: InpaintRequest, deployment: Deployment, call: CallModel, control: Control
) -> Protected:
    """Return what a request protects.

    A network that is missing, fails or is late protects nothing: a fallback, never a failed
    request.

    Raises:
        PawfectError: CANCELLED or DEADLINE of the request itself.
    """
    if request.protect is not None:
        return Protected(request.protect, "request", "PROTECT was given")
    settings = deployment.profile.protect
    if request.params.protect == "none":
        return Protected(None, "none", "protect=none")
    if settings is None or not deployment.finders:
        return Protected(None, "none", "no network that finds a subject is here")
    try:
        looked = await look_for_subject(request.image, settings, deployment, call, control)
        return await _judged(request, looked, settings.least_confidence, control)
    except MemoryError:
        failed = PawfectError(ErrorKind.OUT_OF_MEMORY, f"{STAGE}: out of memory")
    except PawfectError as error:
        control.raise_if_over(error)
        failed = error
    fallback = Fallback(STAGE, failed.message, "nothing protected", failed.kind)
    return Protected(None, "none", "the network failed", fallbacks=(fallback,))


async def look_for_subject(
    image: NDArray[np.uint8],
    settings: ProtectSettings,
    deployment: Deployment,
    call: CallModel,
    control: Control,
) -> Looked:
    """Have the deployment's finders look at a picture, as coarsely as a subject needs.

    Args:
        image: UINT8 [H, W, 3] RGB.
        settings: size and patience.
        deployment: with at least one finder.
        call: calls them.
        control: deadline and cancellation.

    Raises:
        PawfectError: as `look_at` does.
    """
    finders = tuple(deployment.finders)
    network = find_network(finders[0])
    view = network.view(settings.size, "static")
    planned = Plan(
        network, view, view.seen(image.shape[1], image.shape[0]), "fast", "none", None, "map"
    )
    limit_ms = min(settings.timeout_ms, budget.SOURCE_SHARE * control.deadline_ms)
    return await look_at(image, planned, finders, call, control, limit_ms)


async def _judged(
    request: InpaintRequest, looked: Looked, least: float, control: Control
) -> Protected:
    subject, name = looked.subject, looked.plan.network.name
    sure = round(subject.confidence, 4)
    fallbacks = looked.plan.fallbacks
    if not subject.found or subject.confidence < least:
        reason = f"no subject found with a confidence of at least {least:g}"
        return Protected(None, "none", reason, sure, fallbacks)
    with control.stage(STAGE):
        found = await control.wait(STAGE, asyncio.to_thread(_found, request, looked))
    beside = []
    if found.marked:
        beside.append(f"{found.marked} of its parts marked by the mask")
    if found.under:
        beside.append(f"{found.under} of its parts going on under a hole")
    reason = ", ".join(["the subject", *beside])
    source = name if found.mask is not None else "none"
    return Protected(found.mask, source, reason, sure, fallbacks)


def _found(request: InpaintRequest, looked: Looked) -> Protection:
    size = (request.image.shape[0], request.image.shape[1])
    return protection(enlarged(looked.values, looked.plan.network, size), request.mask)
