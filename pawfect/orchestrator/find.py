"""`find_masks`: SAM3 proposes, in its own process, and this makes masks of the photo's size of it.

SAM3's process labels surfaces too, and has no time for work that needs no network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.find import FindMasksParams, FindReport, check_boxes, check_phrase
from pawfect.contract.probe import probe_photo
from pawfect.contract.tensors import Array, check_photo_size
from pawfect.contract.texts import read_texts, text_tensor
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.request import Notify, silent
from pawfect.orchestrator.serving import Orchestration, deployed, photo_pixels
from pawfect.scene.found_masks import FoundMasks, found_masks
from pawfect.settings import LabelSettings


@dataclass(frozen=True, eq=False)
class FindRequest:
    """One request, checked.

    Attributes:
        image: UINT8 [H, W, 3] RGB.
        phrase: what is looked for; None where boxes say it.
        boxes: FP32 [B, 4], x0, y0, x1, y1 in px round examples of it; None: none.
        params: the scalars.
    """

    image: NDArray[np.uint8]
    phrase: str | None
    boxes: NDArray[np.float32] | None
    params: FindMasksParams


@dataclass(frozen=True, eq=False)
class FindResult:
    """The answer to one request.

    Attributes:
        found: masks, scores and what was found.
        report: how it came about.
    """

    found: FoundMasks
    report: FindReport


def find_request(inputs: Mapping[str, Array], params: FindMasksParams) -> FindRequest:
    """Decode a request of `find_masks`.

    Raises:
        PawfectError: INVALID_ARG where neither PHRASE nor BOXES is there, and for what
            `check_phrase`, `check_boxes` and `check_photo_size` refuse.
    """
    image = inputs["IMAGE"]
    height, width = image.shape[:2]
    check_photo_size(height, width, "IMAGE")
    texts = read_texts("PHRASE", inputs.get("PHRASE"))
    if not texts and "BOXES" not in inputs:
        raise invalid("PHRASE, BOXES", "at least one of them", "neither")
    boxes = check_boxes(inputs["BOXES"], height, width) if "BOXES" in inputs else None
    return FindRequest(image, check_phrase(texts[0]) if texts else None, boxes, params)


async def find_masks(
    request: FindRequest,
    deployment: Deployment,
    call: CallModel,
    control: Control,
    notify: Notify = silent,
) -> FindResult:
    """Find what a phrase or boxes mean.

    Args:
        request: what to find, and where.
        deployment: which models there are.
        call: calls `sam3_labeling`.
        control: deadline, cancellation and stage times.
        notify: of no use here.

    Raises:
        PawfectError: UNAVAILABLE without SAM3's weights, with the command that mends it;
            INVALID_ARG for a phrase over 32 tokens; CANCELLED, DEADLINE, or as SAM3 failed.
    """
    del notify
    params, (height, width) = request.params, request.image.shape[:2]
    inputs: dict[str, Array] = {"IMAGE": request.image}
    if request.phrase is not None:
        inputs["PHRASE"] = text_tensor(request.phrase)
    if request.boxes is not None:
        inputs["BOXES"] = request.boxes
    with control.stage("sam3"):
        out = await control.wait("sam3", call("sam3_labeling", inputs, {}))
    proposed = out["SCORES"], out["MASK_LOGITS"], height, width, params
    with control.stage("masks"):
        found = await control.wait("masks", asyncio.to_thread(found_masks, *proposed))
    report = FindReport(
        phrase=request.phrase,
        boxes=0 if request.boxes is None else len(request.boxes),
        presence=float(out["PRESENCE"][0]),
        finds=found.finds,
        left_out=found.left_out,
        least_score=params.least_score,
        mask_threshold=params.mask_threshold,
        joined=params.joined,
        profile=deployment.profile.name,
        width=width,
        height=height,
        stage_ms=control.stage_ms,
        total_ms=control.total_ms(),
        weights={name: used for name, used in deployment.weights.items() if name == "sam3"},
    )
    return FindResult(found, report)


def probe(settings: LabelSettings | None) -> dict[str, Array]:
    """Return the probe's tensors: with `least_score` 0 something is found in any photo."""
    del settings
    return {"IMAGE": probe_photo(), "PHRASE": text_tensor("leash")}


def _encoded(result: FindResult) -> dict[str, Array]:
    return {
        "MASKS": result.found.masks,
        "SCORES": result.found.scores,
        "REPORT": text_tensor(result.report.to_json()),
    }


FIND_MASKS: Final = Orchestration(
    deploy=deployed,
    decode=find_request,
    run=find_masks,
    encode=_encoded,
    fallbacks=lambda result: (),
    pixels=photo_pixels,
)
