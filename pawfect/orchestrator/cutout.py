"""The flow of background removal: look, refine the edges, estimate colours, lay, report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.cutout import CutoutParams, CutoutReport
from pawfect.contract.errors import ErrorKind, PawfectError, from_exception
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.matting.edges import refine, sharpness
from pawfect.matting.foreground import as_bytes, foreground
from pawfect.matting.network import enlarged
from pawfect.matting.output import laid
from pawfect.matting.presets import Plan
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.looking import Looked, look_at
from pawfect.orchestrator.removal import CutoutRequest, Removal, read_removal
from pawfect.orchestrator.request import Notify, Progress, silent
from pawfect.orchestrator.serving import Measure, Orchestration, photo_pixels
from pawfect.stop import Stop

T = TypeVar("T")
# Shares of the whole, for the progress.
_LOOKED: Final = 0.5
_REFINED: Final = 0.8
# What is tried where memory is short for the edges.
_SIMPLER: Final = MappingProxyType({"matting": "guided", "guided": "none"})


@dataclass(frozen=True, eq=False)
class CutoutResult:
    """The answer to one request.

    Attributes:
        alpha: UINT8 [H, W], 255 = the subject.
        cutout: UINT8 [H, W, 4] RGBA, what `output` says.
        report: how it came about.
    """

    alpha: NDArray[np.uint8]
    cutout: NDArray[np.uint8]
    report: CutoutReport


async def remove_background(
    request: CutoutRequest,
    removal: Removal,
    call: CallModel,
    control: Control,
    notify: Notify = silent,
) -> CutoutResult:
    """Find the subject and cut it out.

    Args:
        request: photo and wishes.
        removal: the server's networks and defaults.
        call: calls the models of the profile.
        control: deadline, cancellation and stage times.
        notify: takes a report after each stage.

    Raises:
        PawfectError: INVALID_ARG for a picture out of bounds, or a network that is not known;
            UNAVAILABLE where none is here; OUT_OF_MEMORY, DEADLINE, CANCELLED; or what the network
            answered.
    """
    with control.stage("validate"):
        request.check()
        planned = removal.plan(request)
    looked = await look_at(request.image, planned, tuple(removal.networks), call, control)
    await notify(Progress("onnx_networks", _LOOKED))
    if not looked.subject.found:
        return await _nothing(request, removal, looked, control)
    alpha, looked = await _alpha(request, looked, control)
    await notify(Progress("edges", _REFINED))
    own = await _threaded("foreground", control, _colours, request.image, alpha, looked.plan)
    return await _answer(request, removal, looked, alpha, own, control)


async def _nothing(
    request: CutoutRequest, removal: Removal, looked: Looked, control: Control
) -> CutoutResult:
    alpha = np.zeros(request.image.shape[:2], np.uint8)
    # Nothing of the photo lies under what is transparent.
    own = np.zeros_like(request.image)
    return await _answer(request, removal, looked, alpha, own, control)


async def _alpha(
    request: CutoutRequest, looked: Looked, control: Control
) -> tuple[NDArray[np.uint8], Looked]:
    """Return alpha at the photo's size; where memory is short for its edges, simpler ones."""
    mode: str | None = looked.plan.edges
    while mode is not None:
        try:
            alpha = await _threaded("edges", control, _refined, request.image, looked, mode)
        except (MemoryError, ArithmeticError, ValueError, cv2.error) as error:
            simpler = _SIMPLER.get(mode)
            looked = looked.without("edges", from_exception(error, mode), simpler or "none")
            mode = simpler
        else:
            return alpha, replace(looked, plan=replace(looked.plan, edges=mode))
    raise PawfectError(ErrorKind.OUT_OF_MEMORY, "edges: out of memory")


def _refined(image: NDArray[np.uint8], looked: Looked, mode: str, stop: Stop) -> NDArray[np.uint8]:
    network, size = looked.plan.network, (image.shape[0], image.shape[1])
    if mode == "none":
        alpha = enlarged(looked.values, network, size)
    else:
        alpha = refine(image, looked.values, mode, stop)
    threshold = looked.plan.threshold
    if threshold is not None:
        return np.where(alpha > threshold, np.uint8(255), np.uint8(0))
    return as_bytes(alpha)


def _colours(
    image: NDArray[np.uint8], alpha: NDArray[np.uint8], planned: Plan, stop: Stop
) -> NDArray[np.uint8]:
    if planned.threshold is not None or planned.output == "map":
        return image
    return foreground(image, alpha, stop)


async def _answer(
    request: CutoutRequest,
    removal: Removal,
    looked: Looked,
    alpha: NDArray[np.uint8],
    own: NDArray[np.uint8],
    control: Control,
) -> CutoutResult:
    planned = looked.plan

    def lay(stop: Stop) -> tuple[NDArray[np.uint8], float | None]:
        del stop
        cutout = laid(planned.output, request.image, alpha, own, request.background)
        return cutout, sharpness(alpha) if looked.subject.found else None

    cutout, edge = await _threaded("output", control, lay)
    return CutoutResult(alpha, cutout, _report(request, removal, looked, edge, control))


def _report(
    request: CutoutRequest,
    removal: Removal,
    looked: Looked,
    edge: float | None,
    control: Control,
) -> CutoutReport:
    planned, subject = looked.plan, looked.subject
    name = planned.network.name
    return CutoutReport(
        network=name,
        preset=planned.preset,
        size=planned.view.size,
        seen=planned.seen,
        resize=planned.view.resize,
        edges=planned.edges if subject.found else "none",
        threshold=planned.threshold,
        output=planned.output,
        subject_found=subject.found,
        confidence=round(subject.confidence, 4),
        subject_share=round(subject.share, 4),
        sharpness=None if edge is None else round(edge, 4),
        device=looked.device,
        load_ms=looked.load_ms,
        network_mib=looked.mib,
        profile=removal.profile.name,
        width=request.image.shape[1],
        height=request.image.shape[0],
        stage_ms=control.stage_ms,
        total_ms=control.total_ms(),
        fallbacks=planned.fallbacks,
        weights={name: removal.networks[name]},
    )


async def _threaded(stage: str, control: Control, work: Callable[..., T], *given: Any) -> T:
    """Do CPU work in a thread, as a stage; it is told to stop once nobody waits for it."""
    over = False

    def stop() -> bool:
        return over

    with control.stage(stage):
        try:
            return await control.wait(stage, asyncio.to_thread(work, *given, stop))
        finally:
            over = True


def _request(inputs: Mapping[str, Array], params: CutoutParams) -> CutoutRequest:
    return CutoutRequest(inputs["IMAGE"], params, inputs.get("BACKGROUND"))


def _encoded(result: CutoutResult) -> dict[str, Array]:
    return {
        "ALPHA": result.alpha,
        "CUTOUT": result.cutout,
        "REPORT": text_tensor(result.report.to_json()),
    }


def measures_of(report: CutoutReport) -> tuple[Measure, ...]:
    """Return the numbers of an answer that become metrics."""
    labels = {"network": report.network, "size": str(report.size), "device": report.device}
    edge = () if report.sharpness is None else (Measure("cutout_sharpness", report.sharpness),)
    return (
        Measure("network_load_ms", report.load_ms, labels),
        Measure("network_mib", report.network_mib, labels),
        *edge,
    )


BACKGROUND_REMOVAL: Final = Orchestration(
    deploy=read_removal,
    decode=_request,
    run=remove_background,
    encode=_encoded,
    fallbacks=lambda result: result.report.fallbacks,
    pixels=photo_pixels,
    measures=lambda result: measures_of(result.report),
    engine=lambda result: result.report.network,
)
