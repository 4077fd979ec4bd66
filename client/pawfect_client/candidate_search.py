"""`search` of every client: one signature and one check, whoever answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.candidates import FoundCandidate, done_tensors, parse_candidate
from pawfect.contract.parameters import Scalar
from pawfect.contract.search import (
    SWAP,
    SearchParams,
    check_mask,
    check_reference,
    check_swap_consent,
    search_plan,
)
from pawfect.contract.search_report import SearchReport
from pawfect.contract.tensors import CANDIDATE_SEARCH, Array
from pawfect_client.inputs import check_picture, search_tensors, tensor_or_parameter
from pawfect_client.results import SearchResult, StageEvent
from pawfect_client.wire import Call, broken, call_of, output_of, picture_of, report_of

Image = NDArray[np.uint8]
# Takes each message of a search as it comes.
OnProgress = Callable[[StageEvent], object]
# SearchResult and the events of a stream, or what an event loop waits for them by.
Answer = TypeVar("Answer", covariant=True)
Events = TypeVar("Events", covariant=True)
# What a swap leaves to the preset that makes most of realism.
SWAP_PRESET: Final = "photoreal"


class CandidateSearch(Generic[Answer, Events]):
    """Checks a request; the client answers it."""

    def search(
        self,
        image: Image,
        mask: Image | None,
        *,
        reference: Image | None = None,
        protect: Image | str | None = None,
        prompt: str | None = None,
        done: Iterable[FoundCandidate] = (),
        on_progress: OnProgress | None = None,
        **parameters: Scalar,
    ) -> Answer:
        """Fill or edit what the mask covers in many ways, and return the best.

        Args:
            image: UINT8 [H, W, 3] RGB, sides 64-16,384 px, at most 110 MP.
            mask: UINT8 [H, W], >= 128 = fill; None, for proposer swap alone: the face is found.
            reference: UINT8 [h, w, 3] RGB of any size that a photo may have: who the result is to
                show, for proposers edit and swap and the judges of identity; or None.
            protect: UINT8 [H, W], >= 128 = never filled (the pet); or the parameter of that name:
                auto (as None) has a network find the pet, none protects nothing.
            prompt: what to fill with, at most 2,048 bytes, or None; of proposer edit what to do,
                None: that of its templates.
            done: candidates of an earlier run of the same request, which are not made again; those
                that failed are.
            on_progress: takes each message as it comes, among them the candidates; None: nobody.
            parameters: the scalars of `pawfect.contract.search.SearchParams`.

        Returns:
            `SearchResult`; of the asynchronous client what is awaited for it.

        Raises:
            PawfectError: INVALID_ARG before anything is sent; else as the server answered, or
                UNAVAILABLE, DEADLINE or CANCELLED where it did not.
        """
        checked = _checked(image, mask, reference, protect, prompt, done, parameters)
        return self._search(*checked, on_progress)

    def search_stream(
        self,
        image: Image,
        mask: Image | None,
        *,
        reference: Image | None = None,
        protect: Image | str | None = None,
        prompt: str | None = None,
        done: Iterable[FoundCandidate] = (),
        **parameters: Scalar,
    ) -> Events:
        """Search and tell how far it is: stages and candidates as they end, `SearchResult` at last.

        Arguments and errors are those of `search`; streams are those of `inpaint_stream`.
        """
        checked = _checked(image, mask, reference, protect, prompt, done, parameters)
        return self._search_events(*checked)

    def swap(
        self,
        image: Image,
        reference: Image,
        *,
        consent: bool,
        mask: Image | None = None,
        caller: str | None = None,
        done: Iterable[FoundCandidate] = (),
        on_progress: OnProgress | None = None,
        **parameters: Scalar,
    ) -> Answer:
        """Put the face of a character in the place of one in the photo, and return the best try.

        Args:
            image: as in `search`.
            reference: UINT8 [h, w, 3] RGB, a picture of the character, its face well seen.
            consent: true, by which the caller says that everybody whose face is seen or shown
                agrees; without it nothing is sent.
            mask: UINT8 [H, W], >= 128 = the face nearest to it is swapped; None: the first.
            caller: who asks, for the server's log, at most 128 characters; None: not told.
            done: as in `search`.
            on_progress: as in `search`.
            parameters: the other scalars of `SearchParams`; preset is photoreal where it is not
                among them.

        Returns:
            As `search`.

        Raises:
            PawfectError: as `search`; INVALID_ARG without consent; UNAVAILABLE where the server has
                no networks for it, with what mends that.
        """
        given: dict[str, Any] = swap_parameters(parameters, consent=consent, caller=caller)
        more: dict[str, Any] = {"reference": reference, "done": done, "on_progress": on_progress}
        return self.search(image, mask, **more, **given)

    def swap_stream(
        self,
        image: Image,
        reference: Image,
        *,
        consent: bool,
        mask: Image | None = None,
        caller: str | None = None,
        done: Iterable[FoundCandidate] = (),
        **parameters: Scalar,
    ) -> Events:
        """Swap and tell how far it is; arguments as in `swap`, streams as in `search_stream`."""
        given: dict[str, Any] = swap_parameters(parameters, consent=consent, caller=caller)
        return self.search_stream(image, mask, reference=reference, done=done, **given)

    def _search(
        self,
        tensors: Mapping[str, Array],
        parameters: Mapping[str, Scalar],
        on_progress: OnProgress | None,
    ) -> Answer:
        """Answer a request that was checked."""
        raise NotImplementedError

    def _search_events(
        self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]
    ) -> Events:
        """Answer a request that was checked, as a stream."""
        raise NotImplementedError


def swap_parameters(
    parameters: Mapping[str, Scalar], *, consent: bool, caller: str | None
) -> dict[str, Scalar]:
    """Return the scalars of a search that swaps.

    Args:
        parameters: of `SearchParams`, the others.
        consent: the caller's.
        caller: who asks; None: not told.
    """
    own: dict[str, Scalar] = {"proposer": SWAP, "consent": consent}
    if caller is not None:
        own["caller"] = caller
    return {"preset": SWAP_PRESET, **parameters, **own}


def search_call(
    tensors: Mapping[str, Array], parameters: Mapping[str, Scalar], timeout_s: float | None
) -> Call[SearchResult]:
    """Return the call of a search; its arguments are those of `pawfect_client.wire.call_of`."""
    call = call_of(CANDIDATE_SEARCH.name, tensors, parameters, timeout_s)
    return Call(call.message, call.shape, call.timeout_s, _result, found_in)


def last_of(
    events: Generator[StageEvent | SearchResult, None, None], on_progress: OnProgress | None
) -> SearchResult:
    """Return how a stream ends; an error of `on_progress` closes it at once.

    Args:
        events: of a search.
        on_progress: takes the others; None: nobody.
    """
    with closing(events):
        for event in events:
            if isinstance(event, SearchResult):
                return event
            if on_progress is not None:
                on_progress(event)
    raise AssertionError("a stream ends with its result or raises")


def found_in(response: Any, call: Call[Any]) -> FoundCandidate | None:
    """Return the candidate that a message of a search brings; None where it brings none.

    Raises:
        PawfectError: INTERNAL for a candidate that is not what the contract says.
    """
    told = output_of(response, "CANDIDATE")
    if told is None:
        return None
    try:
        (text,) = told.reshape(-1).tolist()
        candidate = parse_candidate(text)
    except ValueError as error:
        raise broken("CANDIDATE", "one candidate", str(error)) from None
    if candidate.error is not None:
        return FoundCandidate(candidate)
    edges = output_of(response, "CANDIDATE_BOX")
    x0, y0, x1, y1 = (0, 0, 0, 0) if edges is None or edges.size != 4 else map(int, edges.flat)
    height, width = call.shape[:2]
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        got = "nothing" if edges is None else str(edges.tolist())
        raise broken("CANDIDATE_BOX", f"a box within {width}x{height}", got)
    image = picture_of(response, "CANDIDATE_IMAGE", (y1 - y0, x1 - x0, 3))
    return FoundCandidate(candidate, image, (x0, y0, x1, y1))


def _result(response: Any, call: Call[SearchResult]) -> SearchResult:
    image = picture_of(response, "IMAGE", call.shape)
    return SearchResult(image, report_of(response, SearchReport.from_json))


def _checked(
    image: Image,
    mask: Image | None,
    reference: Image | None,
    protect: Image | str | None,
    prompt: str | None,
    done: Iterable[FoundCandidate],
    parameters: Mapping[str, Scalar],
) -> tuple[dict[str, Array], Mapping[str, Scalar]]:
    """Return the tensors of a request by name and its parameters; raises INVALID_ARG."""
    guard, parameters = tensor_or_parameter(protect, parameters)
    params = SearchParams.parse(parameters)
    search_plan(params)
    check_swap_consent(params)
    check_mask(params, mask is not None)
    check_reference(params, reference is not None)
    tensors = search_tensors(image, mask, guard, prompt)
    if reference is not None:
        check_picture(reference, "REFERENCE")
        tensors["REFERENCE"] = reference
    return tensors | done_tensors(done, *image.shape[:2]), parameters
