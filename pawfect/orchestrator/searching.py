"""A request of `candidate_search`, checked; and the candidates that it brings along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import InpaintParams
from pawfect.contract.search import SearchParams, SearchPlan, search_plan
from pawfect.contract.search_report import Candidate
from pawfect.contract.tensors import Array, check_photo_size
from pawfect.contract.texts import read_texts
from pawfect.orchestrator.request import InpaintRequest
from pawfect.picture.box import Box
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
class Finished:
    """A candidate of an earlier run.

    Attributes:
        candidate: how it came about, and what judges said.
        image: UINT8 [h, w, 3] RGB of its box.
        box: in the photo.
    """

    candidate: Candidate
    image: NDArray[np.uint8]
    box: Box

    def is_of(self, tried: Try) -> bool:
        """Say whether it is what a try would make."""
        own, parent = self.candidate, tried.parent
        return (own.number, own.phase, own.seed, own.variation, own.parent) == (
            tried.number,
            tried.phase,
            tried.seed,
            tried.variation.name,
            None if parent is None else parent.number,
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
    """

    inpaint: InpaintRequest
    params: SearchParams
    plan: SearchPlan
    reference: NDArray[np.uint8] | None
    done: Mapping[int, Finished]


def search_request(inputs: Mapping[str, Array], params: SearchParams) -> SearchRequest:
    """Decode a request of `candidate_search`.

    Raises:
        PawfectError: INVALID_ARG for planes of other sizes, a plan that is none, and candidates
            that cannot be read.
    """
    plan = search_plan(params)
    common = {name: getattr(params, name) for name in _OF_INPAINT}
    prompts = read_texts("PROMPT", inputs.get("PROMPT"))
    request = InpaintRequest(
        image=inputs["IMAGE"],
        mask=inputs["MASK"],
        params=InpaintParams(**common, preview_every=0),
        protect=inputs.get("PROTECT"),
        prompt=prompts[0] if prompts else None,
    )
    request.check_planes()
    reference = inputs.get("REFERENCE")
    if reference is not None:
        rows, columns = reference.shape[:2]
        check_photo_size(rows, columns, "REFERENCE")
    return SearchRequest(request, params, plan, reference, _finished(inputs, request))


def _finished(inputs: Mapping[str, Array], request: InpaintRequest) -> dict[int, Finished]:
    given = [name for name in ("DONE", "DONE_IMAGES", "DONE_BOX") if name in inputs]
    if not given:
        return {}
    if len(given) < 3:
        raise invalid("DONE, DONE_IMAGES, DONE_BOX", "all three or none", ", ".join(given))
    entries, images = inputs["DONE"].reshape(-1), inputs["DONE_IMAGES"]
    box = Box(*(int(edge) for edge in inputs["DONE_BOX"]))
    height, width = request.mask.shape
    if not Box(0, 0, width, height).contains(box) or box.width < 1 or box.height < 1:
        expected = f"x0, y0, x1, y1, not empty, within the photo's {width}x{height} px"
        raise invalid("DONE_BOX", expected, list(box.edges))
    shape = [len(entries), box.height, box.width, 3]
    if list(images.shape) != shape:
        raise invalid("DONE_IMAGES", f"uint8 {shape}", list(images.shape))
    found = {}
    for index, (entry, image) in enumerate(zip(entries, images, strict=True)):
        candidate = _read(f"DONE[{index}]", entry)
        if candidate.number in found:
            raise invalid(f"DONE[{index}]", "each candidate once", f"two of {candidate.number}")
        found[candidate.number] = Finished(candidate, image, box)
    return found


def _read(where: str, entry: bytes | str) -> Candidate:
    try:
        candidate = Candidate.from_json(entry)
        ok = isinstance(candidate.number, int) and candidate.error is None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise invalid(where, "a candidate as this server gave it", type(error).__name__) from None
    if not ok:
        raise invalid(where, "a finished candidate", "one without a picture")
    return candidate
