"""`candidate_search`: many candidates made, judged and compared in two stages; the best one wins.

Stage 1 makes candidates that differ, the undiffused first; stage 2 gives the best of them children
that start from their parent. The flow of `inpaint` runs here, not behind a call of that model: an
orchestrator that is called by another is not told when its caller cancels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.parameters import Scalar
from pawfect.contract.probe import probe_photo
from pawfect.contract.search import SWAP
from pawfect.contract.search_report import SearchReport
from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.preparing import prepare
from pawfect.orchestrator.request import Notify, Progress, silent
from pawfect.orchestrator.search_outcome import Outcome, search_report
from pawfect.orchestrator.search_state import BEGINS, SearchState
from pawfect.orchestrator.searching import SearchRequest, search_request
from pawfect.orchestrator.serving import Orchestration, deployed, photo_pixels
from pawfect.orchestrator.swap_preparing import prepare_swap


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The answer to one request.

    Attributes:
        image: UINT8 [H, W, 3] RGB, the best candidate.
        report: how it came about.
    """

    image: NDArray[np.uint8]
    report: SearchReport


async def search(
    request: SearchRequest,
    deployment: Deployment,
    call: CallModel,
    control: Control,
    notify: Notify = silent,
) -> SearchResult:
    """Search for the best of many fills or edits.

    Args:
        request: photo, mask, wishes, and candidates of an earlier run.
        deployment: the profile, and what was read from its weights.
        call: calls the models of the profile.
        control: deadline, cancellation and stage times.
        notify: takes a report after each candidate, with what it shows and its scores.

    Raises:
        PawfectError: INVALID_ARG for a photo, mask or PROTECT out of bounds; UNAVAILABLE for an
            engine that the profile lacks; DEADLINE where not one candidate is there in time;
            CANCELLED; or why there is none.
    """
    prepares = prepare_swap if request.params.proposer == SWAP else prepare
    prepared = await prepares(request, deployment, call, control)
    await notify(Progress("mask_cleanup", BEGINS))
    work = SearchState(prepared, control, notify)
    ended, fallbacks = await work.run()
    ranking = work.ranking()
    if (error := work.why_none(ended)) is not None:
        raise error
    image = await asyncio.to_thread(work.picture_of, ranking.best.number)
    outcome = Outcome(ranking, ended, prepared.fallbacks + fallbacks, work.weights, work.known)
    report = search_report(prepared, outcome, control)
    return SearchResult(image, report)


def _encoded(result: SearchResult) -> dict[str, Array]:
    return {"IMAGE": result.image, "REPORT": text_tensor(result.report.to_json())}


def _pixels(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> int:
    """Return a request's pixels as its place counts them, of 12 bytes.

    The photo counts twice, for the candidates in the making; what it brings has three bytes.
    """
    own = sum(inputs[name].size for name in ("REFERENCE", "DONE_IMAGES") if name in inputs)
    return 2 * photo_pixels(inputs, parameters) + own // 12


CANDIDATE_SEARCH: Final = Orchestration(
    deploy=deployed,
    decode=search_request,
    run=search,
    encode=_encoded,
    fallbacks=lambda result: result.report.fallbacks,
    pixels=_pixels,
    engine=lambda result: result.report.engine,
)


def probe(settings: object) -> dict[str, Array]:
    """Return the probe's tensors: a hole of four by four pixels."""
    del settings
    image = probe_photo()
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[30:34, 30:34] = 255
    return {"IMAGE": image, "MASK": mask}
