"""`refine`: a finished picture repaired by type; a stream whose last message is the result.

The flow of `inpaint` runs here, not behind a call of the model `inpaint`, as in `inpaint_file`: an
orchestrator that is called by another is not told when its caller cancels.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.capabilities import CAPABILITIES, Capabilities
from pawfect.contract.parameters import Scalar
from pawfect.contract.probe import probe_photo
from pawfect.contract.refine import RefineParams
from pawfect.contract.refine_report import ChangeReport, RefineReport
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import Array
from pawfect.contract.texts import read_texts, text_tensor
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.capabilities import capabilities
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.progress import preview_of
from pawfect.orchestrator.refining import RefineRequest, Refining, read_refining, refine_request
from pawfect.orchestrator.repairs import REPAIRS
from pawfect.orchestrator.request import Notify, Progress, silent
from pawfect.orchestrator.serving import Orchestration, photo_pixels
from pawfect.orchestrator.work import BEGINS, ENDS, Work
from pawfect.refine.changes import change_map
from pawfect.refine.repaired import Repaired


@dataclass(frozen=True, eq=False)
class RefineResult:
    """The answer to one request.

    Attributes:
        image: UINT8 [H, W, 3] RGB.
        report: how it came about; or what the server can do, where that was asked.
    """

    image: NDArray[np.uint8]
    report: RefineReport | Capabilities


@dataclass(frozen=True, eq=False)
class CapabilitiesRequest:
    """The question what the server can do.

    Attributes:
        image: the request's, which comes back.
    """

    image: NDArray[np.uint8]


async def refine(
    request: RefineRequest | CapabilitiesRequest,
    refining: Refining,
    call: CallModel,
    control: Control,
    notify: Notify = silent,
) -> RefineResult:
    """Repair a picture, or say what can be repaired.

    Args:
        request: picture, type, payload and wishes.
        refining: the server's engines.
        call: calls the models of the profile.
        control: deadline, cancellation and stage times.
        notify: takes a report after each stage and each part of the repair.

    Raises:
        PawfectError: INVALID_ARG for a request out of bounds; UNAVAILABLE for what the server
            cannot do, with what would be needed; DEADLINE, CANCELLED; or as a model or engine
            failed.
    """
    if isinstance(request, CapabilitiesRequest):
        told = await control.wait(CAPABILITIES, asyncio.to_thread(capabilities, refining))
        return RefineResult(request.image, told)
    await notify(Progress("validate", BEGINS / 2))
    repaired = await REPAIRS[request.type](Work(request, refining, call, control, notify))
    with control.stage("report"):
        comparing = asyncio.to_thread(_changed, request, repaired.image)
        changed, changes = await control.wait("report", comparing)
        shown = await asyncio.to_thread(preview_of, repaired.image)
    await notify(Progress(request.type, ENDS, shown))
    report = _report(request, refining, repaired, control)
    return RefineResult(repaired.image, replace(report, changed_px=changed, changes=changes))


def _changed(request: RefineRequest, after: NDArray[np.uint8]) -> tuple[int, ChangeReport | None]:
    """Return how many pixels changed, and where, if what may change was not drawn."""
    changed = int(np.count_nonzero((request.image != after).any(axis=2)))
    edited = request.type in ("subject", "general") and request.masks is None
    return changed, change_map(request.image, after) if edited else None


def _report(
    request: RefineRequest, refining: Refining, repaired: Repaired, control: Control
) -> RefineReport:
    params = request.params
    return RefineReport(
        type=request.type,
        payload=json.loads(request.payload_json),
        engine=repaired.engine,
        creativity=params.creativity,
        seed=params.seed,
        deadline_ms=params.deadline_ms,
        profile=refining.fill.profile.name,
        width=request.image.shape[1],
        height=request.image.shape[0],
        changed_px=0,
        stage_ms=control.stage_ms,
        total_ms=control.total_ms(),
        corrections=repaired.corrections,
        regions=repaired.regions,
        remote=repaired.remote,
        edit=repaired.edit,
        notes=repaired.notes,
        fallbacks=repaired.fallbacks,
        weights=repaired.weights,
    )


def probe(settings: object) -> dict[str, Array]:
    """Return the probe's tensors: a region of four by four pixels."""
    del settings
    payload = json.dumps({"masks": [{"bbox": [30, 30, 4, 4]}]})
    texts = {"TYPE": text_tensor("region"), "PAYLOAD": text_tensor(payload)}
    return {"IMAGE": probe_photo(), **texts}


def _request(
    inputs: Mapping[str, Array], params: RefineParams
) -> RefineRequest | CapabilitiesRequest:
    if read_texts("TYPE", inputs["TYPE"]) == (CAPABILITIES,):
        return CapabilitiesRequest(inputs["IMAGE"])
    return refine_request(inputs, params)


def _pixels(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> int:
    """Return a request's pixels as its place counts them, of 12 bytes.

    A mask's have one, a reference's three.
    """
    own = sum(inputs[name].size for name in ("MASKS", "REFERENCE", "REFERENCES") if name in inputs)
    return photo_pixels(inputs, parameters) + own // 12


def _encoded(result: RefineResult) -> dict[str, Array]:
    return {"IMAGE": result.image, "REPORT": text_tensor(result.report.to_json())}


def _fallbacks(result: RefineResult) -> tuple[Fallback, ...]:
    return result.report.fallbacks if isinstance(result.report, RefineReport) else ()


def _engine(result: RefineResult) -> str | None:
    return result.report.engine if isinstance(result.report, RefineReport) else None


REFINE: Final = Orchestration(
    deploy=read_refining,
    decode=_request,
    run=refine,
    encode=_encoded,
    fallbacks=_fallbacks,
    pixels=_pixels,
    engine=_engine,
)
