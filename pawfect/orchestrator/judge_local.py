"""`score_local`: what the picture itself says of a fill, and what networks see in it.

With a reference it says too whether the face in the result is the reference's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import Scalar
from pawfect.contract.report import Fallback
from pawfect.contract.scores import IDENTITY, Judgement, LocalJudgeParams
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.judges.pictures import filled_of
from pawfect.matting.network import enlarged
from pawfect.matting.subject import INSIDE
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control, dropped
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import Caller
from pawfect.orchestrator.identifying import Identity, Who, identify, who_is
from pawfect.orchestrator.looking import MODEL, Looked
from pawfect.orchestrator.protecting import look_for_subject
from pawfect.orchestrator.request import Notify, silent
from pawfect.orchestrator.serving import Orchestration, deployed
from pawfect.orchestrator.surroundings import SAM3, surfaces
from pawfect.picture import raster
from pawfect.scene.prompt import Label
from pawfect.scores.closeup import ring_px
from pawfect.scores.local import Seen, judge_locally
from pawfect.scores.subject import subject_share

STAGE: Final = "score_local"
# Longest side at which the subject and the hole are compared, px: networks see hardly more.
SEEN_PX: Final = 512


@dataclass(frozen=True, eq=False)
class JudgeRequest:
    """One request, checked.

    Attributes:
        result: UINT8 [H, W, 3] RGB, the photo after.
        original: UINT8 [H, W, 3] RGB, the photo before.
        mask: UINT8 [H, W], 255 = filled, else 0.
        params: the scalars.
        around: surfaces around what was filled, where they are known; None: SAM3 is asked.
        reference: UINT8 [h, w, 3] RGB, who RESULT is to show, or None.
        who: its face, where it has been looked for.
    """

    result: NDArray[np.uint8]
    original: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    params: LocalJudgeParams
    around: Sequence[Label] | None = None
    reference: NDArray[np.uint8] | None = None
    who: Who | None = None


@dataclass(frozen=True)
class Judged:
    """A judgement, and which networks it had to do without."""

    judgement: Judgement
    fallbacks: tuple[Fallback, ...] = ()


async def judge_local(
    result: NDArray[np.uint8],
    original: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    deployment: Deployment,
    call: CallModel,
    control: Control,
    around: Sequence[Label] | None = None,
    *,
    networks: bool = True,
    who: Who | None = None,
) -> Judgement:
    """Judge a fill by the picture, and by what the profile's networks see in it.

    Args:
        result: UINT8 [H, W, 3] RGB, the photo after.
        original: UINT8 [H, W, 3] RGB, the photo before.
        mask: UINT8 [H, W], 255 = filled: the cleaned mask.
        deployment: which networks there are.
        call: calls them.
        control: deadline, cancellation and stage times.
        around: surfaces around the hole, where SAM3 has been asked before; None: it is asked.
        networks: whether they are asked: what was put into the hole on purpose is no fault of it.
        who: the result is to show; None: nobody is looked for.

    Returns:
        What `pawfect.scores.local.judge_locally` says; a network that fails or is late is left out,
        with a note.

    Raises:
        PawfectError: INVALID_ARG for sizes that differ or an empty mask; CANCELLED or DEADLINE of
            the request itself.
    """
    inputs = {"RESULT": result, "ORIGINAL": original, "MASK": mask}
    params = LocalJudgeParams(networks=networks)
    request = replace(judge_request(inputs, params), around=around, who=who)
    return (await score_local(request, deployment, call, control)).judgement


def judge_request(inputs: Mapping[str, Array], params: LocalJudgeParams) -> JudgeRequest:
    """Decode a request of `score_local`; raises INVALID_ARG as `filled_of` does."""
    result, original = inputs["RESULT"], inputs["ORIGINAL"]
    reference = inputs.get("REFERENCE")
    hole = filled_of(result, original, inputs["MASK"], reference)
    mask = np.where(hole, np.uint8(255), np.uint8(0))
    return JudgeRequest(result, original, mask, params, reference=reference)


async def score_local(
    request: JudgeRequest,
    deployment: Deployment,
    call: CallModel,
    control: Control,
    notify: Notify = silent,
) -> Judged:
    """Answer one request; see `judge_local`."""
    del notify
    looking = [_surfaces, _subject] if request.params.networks else []
    looks = [asyncio.ensure_future(look(request, deployment, call, control)) for look in looking]
    identifying = asyncio.ensure_future(_identity(request, deployment, call, control))
    try:
        views = [await look for look in looks]
        identity = await identifying
    finally:
        await dropped(*looks, identifying)
    seen = Seen()
    for view in views:
        seen = replace(seen, **view.seen)
    with control.stage(STAGE):
        judging = asyncio.to_thread(
            judge_locally, request.result, request.original, request.mask, seen
        )
        judgement = await control.wait(STAGE, judging)
    fallbacks = tuple(fallback for view in views for fallback in view.fallbacks)
    models = [view.model for view in views if view.model]
    if identity is not None:
        judgement = _with_identity(judgement, identity)
        fallbacks += identity.fallbacks
        models += [identity.model] if identity.model else []
    judged = replace(
        judgement,
        notes=(*(f"{f.stage}: {f.reason}; {f.instead}" for f in fallbacks), *judgement.notes),
        model=", ".join(models) or None,
        ms=control.total_ms(),
    )
    return Judged(judged, fallbacks)


async def _identity(
    request: JudgeRequest, deployment: Deployment, call: CallModel, control: Control
) -> Identity | None:
    """Compare the result's face with the reference's; None where nobody is to be seen."""
    asking = Caller(call, control)
    who = request.who
    if who is None:
        if request.reference is None:
            return None
        if not request.params.networks:
            return Identity(why="networks=false")
        who = await who_is(request.reference, deployment, asking)
    return await identify(request.result, request.mask, who, deployment, asking)


def _with_identity(judgement: Judgement, identity: Identity) -> Judgement:
    scores, silent = dict(judgement.scores), dict(judgement.silent)
    if identity.score is None:
        silent[IDENTITY] = identity.why
    else:
        scores[IDENTITY] = identity.score
    parts = {**judgement.parts, **identity.parts}
    return replace(judgement, scores=scores, silent=silent, parts=parts, notes=identity.notes)


@dataclass(frozen=True)
class View:
    """What one network sees in a fill.

    Attributes:
        seen: entries of `Seen`; none where it was not asked or failed.
        model: identity of its weights, where it answered.
        fallbacks: what failed.
    """

    seen: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    fallbacks: tuple[Fallback, ...] = ()


async def _surfaces(
    request: JudgeRequest, deployment: Deployment, call: CallModel, control: Control
) -> View:
    """Ask SAM3 for the surfaces around the hole, of the original, and in it, of the result."""
    if deployment.profile.sam3 is None:
        return View()
    try:
        around = request.around
        if around is None:
            ring = await control.wait(SAM3, asyncio.to_thread(_ring, request.mask))
            around = await surfaces(request.original, ring, deployment, call, control)
        if not around:
            return View()
        inside = await surfaces(request.result, request.mask, deployment, call, control)
    except PawfectError as error:
        return _without(SAM3, error, control)
    return View({"around": around, "inside": inside}, deployment.weights.get("sam3"))


def _ring(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the surroundings that the judge compares with, UINT8 [H, W], 255."""
    hole, ring = mask > 0, np.zeros_like(mask)
    width = ring_px(np.count_nonzero(hole))
    at = raster.surrounding(hole, width)
    ring[at][raster.grow(hole[at], width) & ~hole[at]] = 255
    return ring


async def _subject(
    request: JudgeRequest, deployment: Deployment, call: CallModel, control: Control
) -> View:
    """Ask the network that finds what is protected whether there is a subject in the fill."""
    settings = deployment.profile.protect
    if settings is None or not deployment.finders:
        return View()
    try:
        looked = await look_for_subject(request.result, settings, deployment, call, control)
        share = 0.0
        if looked.subject.found and looked.subject.confidence >= settings.least_confidence:
            sharing = asyncio.to_thread(_share, looked, request.mask)
            share = await control.wait(MODEL, sharing)
    except PawfectError as error:
        return _without(MODEL, error, control)
    except MemoryError:
        failed = PawfectError(ErrorKind.OUT_OF_MEMORY, f"{MODEL}: out of memory")
        return _without(MODEL, failed, control)
    used = deployment.finders[looked.plan.network.name]
    return View({"subject_share": share}, used, looked.plan.fallbacks)


def _share(looked: Looked, mask: NDArray[np.uint8]) -> float:
    """Return the share of the hole that shows a subject which its rim does not."""
    factor = min(SEEN_PX / max(mask.shape), 1.0)
    size = (max(round(mask.shape[0] * factor), 1), max(round(mask.shape[1] * factor), 1))
    subject = enlarged(looked.values, looked.plan.network, size) >= INSIDE
    return subject_share(subject, raster.shrink_any(mask > 0, size))


def _without(stage: str, error: PawfectError, control: Control) -> View:
    """Return that a network is left out; raise where the request itself is over."""
    control.raise_if_over(error)
    return View(fallbacks=(Fallback(stage, error.message, "judged without it", error.kind),))


def _pixels(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> int:
    """Return how many pixels the two photos of a request have; never raises."""
    del parameters
    shapes = [inputs[name].shape for name in ("RESULT", "ORIGINAL") if name in inputs]
    return sum(shape[0] * shape[1] for shape in shapes if len(shape) == 3)


SCORE_LOCAL: Final = Orchestration(
    deploy=deployed,
    decode=judge_request,
    run=score_local,
    encode=lambda judged: {"SCORES": text_tensor(judged.judgement.to_json())},
    fallbacks=lambda judged: judged.fallbacks,
    pixels=_pixels,
)
