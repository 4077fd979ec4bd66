"""What a search by proposer `swap` begins with: whose face, which face, and the mask round it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.faces import INSIGHTFACE, PIXEL_BOOSTS, Face
from pawfect.contract.report import Fallback
from pawfect.contract.search import EDIT, MARGIN, SWAP
from pawfect.contract.search_report import SWAPPED, SwapReport
from pawfect.identity.alignment import NETWORK_PX, alignment
from pawfect.identity.nearest import near_face
from pawfect.identity.swap import check_inside
from pawfect.identity.swapping import log_swap
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.engine import Caller, CleanedMask, clean_mask
from pawfect.orchestrator.face_finding import MODEL, FacesFound, find_faces
from pawfect.orchestrator.identifying import Who
from pawfect.orchestrator.preparing import Prepared, prepare
from pawfect.orchestrator.proposal import Base, Swap
from pawfect.orchestrator.protecting import Protected
from pawfect.orchestrator.searching import SearchRequest
from pawfect.orchestrator.swap_masking import STAGE, SwapMask, mask_of
from pawfect.orchestrator.swap_networks import arcface, mend, refiner_of, why_no_swap
from pawfect.weights.manifest import manifest
from pawfect.weights.store import Store, weights_root

_REFINE: Final = "refine"
_NOT_REFINED: Final = "swaps at other sizes of the face; nothing is refined"
_EDITED: Final = "edits that put the character where MASK is, by MASK as it is; nothing is swapped"


async def prepare_swap(
    request: SearchRequest, deployment: Deployment, call: CallModel, control: Control
) -> Prepared:
    """Return what a search of swaps begins with.

    Where the photo has no face at the mask there is nothing to swap: candidates are then edits that
    put the character there, as a fallback says.

    Args:
        request: the search's, with consent.
        deployment: the profile, and what was read from its weights.
        call: calls the models of the profile.
        control: deadline, cancellation and stage times.

    Raises:
        PawfectError: INVALID_ARG for a reference without just one face, and for a photo without a
            face where nothing can be edited either; UNAVAILABLE without the networks, with what
            mends it; DEADLINE or CANCELLED.
    """
    params, own = request.params, request.inpaint
    with control.stage("validate"):
        if (reason := why_no_swap(deployment.profile, Store(weights_root()))) is not None:
            raise PawfectError(ErrorKind.UNAVAILABLE, f"swap: {reason}")
        engine, why = refiner_of(deployment, params.engine)
    log_swap("candidate_search", params.caller)
    asking = Caller(call, control)
    assert request.reference is not None
    reference = await find_faces(asking, request.reference)
    source = _source(reference, deployment)
    found = await find_faces(asking, own.image)
    _check_kind(found, deployment)
    choosing = asyncio.to_thread(_meant, found.faces, request)
    faces, fallbacks = await control.wait(MODEL, choosing)
    report = SwapReport(None, len(found.faces), found.kind, params.caller, MARGIN)
    report = replace(report, licences=_licences(found, deployment))
    weights = dict(found.report.weights)
    if not faces:
        instead = await _edited_instead(request, deployment, call, control, engine, fallbacks)
        return replace(instead, swap=report, who=Who(source), weights=weights)
    masked = await mask_of(own, request.masked, faces, deployment, call, control)
    cleaned = await _cleaned(request, masked, call, control)
    request, fallbacks = _planned(request, engine, why, fallbacks + masked.fallbacks)
    swap = Swap(faces[0], source, masked.alpha, params.pixel_boost, params.caller, own.prompt)
    plan_ms = params.deadline_ms / request.plan.total
    base = Base(own, cleaned, engine, deployment, call, plan_ms, SWAP, swap=swap)
    x0, y0, x1, y1 = (round(float(edge), 1) for edge in faces[0].box)
    report = replace(report, box=(x0, y0, x1, y1), occluders=masked.occluders)
    protected = Protected(own.protect, *_why_protected(own.protect is not None))
    return Prepared(
        request, base, why, protected,
        fallbacks=fallbacks, who=Who(source), weights=weights, swap=report,
    )  # fmt: skip


def _why_protected(given: bool) -> tuple[str, str]:
    return ("request", "PROTECT was given") if given else ("none", "a face is swapped")


def _check_kind(found: FacesFound, deployment: Deployment) -> None:
    """Raise UNAVAILABLE unless the faces have the embedding that the swapping network takes."""
    if found.kind != INSIGHTFACE:
        best = arcface(deployment.profile)[0]
        problem = f"expected faces of kind {INSIGHTFACE} for a swap, got {found.kind}"
        raise PawfectError(ErrorKind.UNAVAILABLE, f"{MODEL}: {problem}; {mend(best)}")


def _source(reference: FacesFound, deployment: Deployment) -> Face:
    """Return the one face of the reference; INVALID_ARG for none or several."""
    _check_kind(reference, deployment)
    number = len(reference.faces)
    if number != 1:
        raise invalid("REFERENCE", "a picture with just one face", f"{number or 'none'}")
    (face,) = reference.faces
    if not (np.isfinite(face.embedding).all() and face.embedding.any()):
        raise invalid("REFERENCE", "a face that can be compared", "one without an embedding")
    return face


def _meant(
    faces: Sequence[Face], request: SearchRequest
) -> tuple[tuple[Face, ...], tuple[Fallback, ...]]:
    """Return the photo's faces, the one that is swapped first; none where none can be.

    With a mask that is the nearest to it and no other; without one the best that can be drawn.
    """
    places = list(range(len(faces)))
    if request.masked:
        near = near_face(faces, request.inpaint.mask)
        places = [] if near is None else [near]
    left_out = list[str]()
    for place in places:
        problem = _undrawable(faces[place], request.inpaint.image)
        if problem is None:
            others = [face for number, face in enumerate(faces) if number != place]
            return (faces[place], *others), _left_out(left_out)
        left_out.append(problem)
    return (), _left_out(left_out)


def _undrawable(face: Face, photo: NDArray[np.uint8]) -> str | None:
    """Say why a face cannot be drawn: it is too small, turned too far away, or mostly outside."""
    try:
        check_inside(face.points, photo)
        alignment(face.points, NETWORK_PX)
    except PawfectError as error:
        return error.message
    return None


def _left_out(problems: Sequence[str]) -> tuple[Fallback, ...]:
    if not problems:
        return ()
    reason = f"{len(problems)} of the faces cannot be swapped: {problems[0]}"
    return (Fallback(MODEL, reason, "left out", ErrorKind.INVALID_ARG),)


async def _edited_instead(
    request: SearchRequest,
    deployment: Deployment,
    call: CallModel,
    control: Control,
    engine: str,
    fallbacks: tuple[Fallback, ...],
) -> Prepared:
    """Return what a search of edits begins with, where there is no face to swap.

    Raises:
        PawfectError: INVALID_ARG without a mask, or without a model that edits.
    """
    where = "at MASK" if request.masked else "in it"
    no_face = "; ".join([f"no face {where} that can be swapped", *(f.reason for f in fallbacks)])
    if not request.masked or engine == SWAPPED:
        lacking = "no model that edits is here" if request.masked else "there is no MASK"
        expected = "a photo with a face to swap, or MASK and a model that edits"
        raise invalid("IMAGE", expected, f"{no_face}; {lacking}")
    plan = replace(request.plan, unedited=True, margin=None, k_global=max(request.plan.k_global, 2))
    params = replace(request.params, proposer=EDIT, engine=engine)
    asked = replace(request, params=params, plan=plan)
    prepared = await prepare(asked, deployment, call, control)
    told = Fallback(MODEL, no_face, _EDITED)
    own = replace(asked, params=request.params)
    return replace(prepared, request=own, fallbacks=(told, *prepared.fallbacks))


async def _cleaned(
    request: SearchRequest, masked: SwapMask, call: CallModel, control: Control
) -> CleanedMask:
    """Return what may change as a cleaned mask, with its windows: neither grown nor thinned."""
    marking = asyncio.to_thread(_changes, masked.alpha)
    changes = await control.wait(STAGE, marking)
    params = replace(request.inpaint.params, dilate_px=0, least_speck_px=0, fill_outlines=False)
    return await clean_mask(replace(request.inpaint, mask=changes, params=params), call, control)


def _changes(alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.where(alpha > 0, np.uint8(255), np.uint8(0))


def _planned(
    request: SearchRequest, engine: str, why: str, fallbacks: tuple[Fallback, ...]
) -> tuple[SearchRequest, tuple[Fallback, ...]]:
    """Return a request with a plan of what can be made, and what is done without."""
    if engine != SWAPPED:
        return request, fallbacks
    plan = replace(
        request.plan, k_global=min(request.plan.k_global, len(PIXEL_BOOSTS)), m_global=0, k_local=0
    )
    told = Fallback(_REFINE, why, _NOT_REFINED, ErrorKind.UNAVAILABLE)
    return replace(request, plan=plan), (*fallbacks, told)


def _licences(found: FacesFound, deployment: Deployment) -> dict[str, str]:
    licences = {"faces": found.report.licence}
    licences["swap"] = manifest()[deployment.profile.entry("swap")].licence
    return {name: licence for name, licence in licences.items() if licence}
