"""A request of `candidate_search`, checked; and the candidates that it brings along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.candidates import FoundCandidate, read_done
from pawfect.contract.errors import invalid
from pawfect.contract.parameters import InpaintParams
from pawfect.contract.search import (
    EDIT,
    SWAP,
    SearchParams,
    SearchPlan,
    check_mask,
    check_reference,
    check_swap_consent,
    search_plan,
)
from pawfect.contract.search_report import Candidate
from pawfect.contract.tensors import MASK_THRESHOLD, Array, check_photo_size
from pawfect.contract.texts import read_texts
from pawfect.orchestrator.request import InpaintRequest
from pawfect.search.tries import Try

# What both requests have; the search's own candidates vary some of them.
_OF_INPAINT = (
    "engine",
    "steps",
    "guidance_scale",
    "seed",
    "deadline_ms",
    "dilate_px",
    "least_speck_px",
    "fill_outlines",
    "window_px",
    "protect",
)


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """One request, checked.

    Attributes:
        inpaint: as one inpainting would be asked for.
        params: the scalars.
        plan: how many candidates, and what counts.
        reference: UINT8 [h, w, 3] RGB, who is to be seen, or None.
        done: candidates of an earlier run, by number.
        masked: whether there was a mask; without one that of `inpaint` is empty, and the proposer
            finds what changes.
    """

    inpaint: InpaintRequest
    params: SearchParams
    plan: SearchPlan
    reference: NDArray[np.uint8] | None
    done: Mapping[int, FoundCandidate]
    masked: bool = True


def search_request(inputs: Mapping[str, Array], params: SearchParams) -> SearchRequest:
    """Decode a request of `candidate_search`.

    Raises:
        PawfectError: INVALID_ARG for a swap without consent, planes of other sizes, a plan that is
            none, no MASK or REFERENCE where the proposer needs it, an empty MASK for a swap, and
            candidates that cannot be read.
    """
    check_swap_consent(params)
    plan = search_plan(params)
    check_mask(params, "MASK" in inputs)
    check_reference(params, "REFERENCE" in inputs)
    common = {name: getattr(params, name) for name in _OF_INPAINT}
    if params.proposer in (EDIT, SWAP):
        # The subject is what is edited: what is found of it beside the mask is no bound.
        common["protect"] = "none"
    prompts = read_texts("PROMPT", inputs.get("PROMPT"))
    image, mask = inputs["IMAGE"], inputs.get("MASK")
    request = InpaintRequest(
        image=image,
        mask=np.zeros(image.shape[:2], np.uint8) if mask is None else mask,
        params=InpaintParams(**common, preview_every=0),
        protect=inputs.get("PROTECT"),
        prompt=prompts[0] if prompts else None,
    )
    request.check_planes()
    if params.proposer == SWAP and mask is not None and mask.max() < MASK_THRESHOLD:
        raise invalid("MASK", f"some pixels >= {MASK_THRESHOLD}, or none at all", "an empty one")
    reference = inputs.get("REFERENCE")
    if reference is not None:
        rows, columns = reference.shape[:2]
        check_photo_size(rows, columns, "REFERENCE")
    done = {one.candidate.number: one for one in read_done(inputs, *request.mask.shape)}
    return SearchRequest(request, params, plan, reference, done, mask is not None)


def is_of(candidate: Candidate, tried: Try) -> bool:
    """Say whether a candidate is what a try would make."""
    parent = None if tried.parent is None else tried.parent.number
    made = (candidate.number, candidate.phase, candidate.seed, candidate.variation)
    asked = (tried.number, tried.phase, tried.seed, tried.variation.name)
    return made == asked and candidate.parent == parent
