"""The synchronous and the asynchronous client; both can do the same."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from pawfect.contract.capabilities import Capabilities
from pawfect.contract.parameters import Scalar
from pawfect.contract.tensors import Array
from pawfect_client import wire
from pawfect_client.background_removal import BackgroundRemoval
from pawfect_client.base import Image
from pawfect_client.candidate_search import CandidateSearch, OnProgress, last_of, search_call
from pawfect_client.face_analysis import analyst_asked, faces_found
from pawfect_client.inputs import photo_tensors
from pawfect_client.masks_by_words import find_tensors, found_masks, sam3_asked
from pawfect_client.refinement import Refinement, capabilities_call, refine_call
from pawfect_client.results import (
    CutOut,
    Done,
    FacesFound,
    FoundMasks,
    Inpainted,
    Refined,
    SceneLabels,
    SearchResult,
    StageEvent,
    TextRead,
)
from pawfect_client.text_reading import reader_asked, text_read
from pawfect_client.transport import AsyncTransport, SyncTransport


class PawfectClient(
    SyncTransport,
    BackgroundRemoval[CutOut],
    Refinement[Refined, Generator[StageEvent | Refined, None, None], Capabilities],
    CandidateSearch[SearchResult, Generator[StageEvent | SearchResult, None, None]],
):
    """Calls the service over gRPC; safe to use from several threads, several streams at a time.

    Its arguments are those of `BaseClient`.
    """

    def inpaint(
        self,
        image: Image,
        mask: Image,
        *,
        protect: Image | str | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        **parameters: Scalar,
    ) -> Inpainted:
        """Fill what the mask covers.

        Args:
            image: UINT8 [H, W, 3] RGB, sides 64-16,384 px, at most 110 MP.
            mask: UINT8 [H, W], >= 128 = fill.
            protect: UINT8 [H, W], >= 128 = never filled (the pet); or the parameter of that name:
                auto (as None) has a network find the pet, none protects nothing.
            scene_labels: surfaces around the hole, at most 64 texts of at most 2,048 bytes.
            prompt: what to fill with, at most 2,048 bytes, or None.
            parameters: the scalars of `pawfect.contract.parameters.InpaintParams`.

        Raises:
            PawfectError: INVALID_ARG before anything is sent; else as the server answered, or
                UNAVAILABLE, DEADLINE or CANCELLED where it did not.
        """
        call = self._request("inpaint", image, mask, protect, scene_labels, prompt, parameters)
        return wire.inpainted(self._answer(call), call)

    def probe(self) -> None:
        """Return when the server has filled four by four pixels.

        It takes no place of a request, and is not counted as an answer.

        Raises:
            PawfectError: as `inpaint` does.
        """
        call = wire.probe_call(self._timeout_s)
        wire.inpainted(self._answer(call), call)

    def scene_labels(self, image: Image, mask: Image) -> SceneLabels:
        """Name the surfaces around what the mask covers; best first, perhaps none.

        Args:
            image: as in `inpaint`.
            mask: UINT8 [H, W].

        Raises:
            PawfectError: as `inpaint` does; UNAVAILABLE where the server's profile has no labels.
        """
        return wire.scene_labels(self._answer(self._request("scene_labels", image, mask)))

    def find_masks(
        self,
        image: Image,
        phrase: str | None = None,
        *,
        boxes: Array | None = None,
        **parameters: Scalar,
    ) -> FoundMasks:
        """Find what a phrase or boxes mean; best first, perhaps nothing.

        Args:
            image: as in `inpaint`.
            phrase: what to find, such as "leash", at most 32 tokens; None: boxes say it.
            boxes: FP32 [B, 4], at most 16: x0, y0, x1, y1 in px round examples of it; None: none.
            parameters: the scalars of `pawfect.contract.find.FindMasksParams`.

        Raises:
            PawfectError: as `inpaint` does; UNAVAILABLE where the server has no SAM3.
        """
        tensors = find_tensors(image, phrase, boxes)
        call = wire.call_of("find_masks", tensors, parameters, self._timeout_s)
        with sam3_asked():
            return found_masks(self._answer(call), call)

    def read_text(self, image: Image, **parameters: Scalar) -> TextRead:
        """Read what is written in a photo, in any direction.

        Args:
            image: as in `inpaint`.
            parameters: the scalars of `pawfect.contract.reading.ReadingParams`.

        Raises:
            PawfectError: as `inpaint` does; UNAVAILABLE where the server does not read text.
        """
        tensors = photo_tensors(image)
        call = wire.call_of("text_reading", tensors, parameters, self._timeout_s)
        with reader_asked():
            return text_read(self._answer(call))

    def analyse_faces(self, image: Image, **parameters: Scalar) -> FacesFound:
        """Find the faces of a photo, with what tells one from another; perhaps none.

        Args:
            image: as in `inpaint`.
            parameters: the scalars of `pawfect.contract.faces.FaceParams`.

        Raises:
            PawfectError: as `inpaint` does; UNAVAILABLE where the server does not find faces.
        """
        tensors = photo_tensors(image)
        call = wire.call_of("face_analysis", tensors, parameters, self._timeout_s)
        with analyst_asked():
            return faces_found(self._answer(call))

    def inpaint_stream(
        self,
        image: Image,
        mask: Image,
        *,
        protect: Image | str | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        **parameters: Scalar,
    ) -> Generator[StageEvent | Done, None, None]:
        """Fill what the mask covers and tell how far it is: stages as they end, `Done` at last.

        Leaving the loop early, or closing the generator, cancels the request on the server. A
        stream is repeated only while nothing has been received.

        Args:
            image: as in `inpaint`, like the others.
            mask: UINT8 [H, W].
            protect: UINT8 [H, W], auto, none or None.
            scene_labels: surfaces around the hole.
            prompt: what to fill with or None.
            parameters: the scalars of `pawfect.contract.parameters.InpaintParams`.

        Raises:
            PawfectError: INVALID_ARG at once; the others of `inpaint` while iterating.
        """
        asked = image, mask, protect, scene_labels, prompt, parameters
        return self._events(self._request("inpaint_stream", *asked))

    def _cut_out(self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> CutOut:
        call = wire.call_of("background_removal", tensors, parameters, self._timeout_s)
        return wire.cut_out(self._answer(call), call)

    def capabilities(self) -> Capabilities:
        """Return what the server can do; see `Refinement.capabilities`."""
        *_, told = self._events(capabilities_call(self._timeout_s))
        assert isinstance(told, Capabilities)
        return told

    def _refine(self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> Refined:
        *_, answer = self._refine_events(tensors, parameters)
        assert isinstance(answer, Refined)
        return answer

    def _refine_events(
        self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]
    ) -> Generator[StageEvent | Refined, None, None]:
        return self._events(refine_call(tensors, parameters, self._timeout_s))

    def _search(
        self,
        tensors: Mapping[str, Array],
        parameters: Mapping[str, Scalar],
        on_progress: OnProgress | None,
    ) -> SearchResult:
        return last_of(self._search_events(tensors, parameters), on_progress)

    def _search_events(
        self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]
    ) -> Generator[StageEvent | SearchResult, None, None]:
        return self._events(search_call(tensors, parameters, self._timeout_s))


class AsyncPawfectClient(
    AsyncTransport,
    BackgroundRemoval[Coroutine[Any, Any, CutOut]],
    Refinement[
        Coroutine[Any, Any, Refined],
        AsyncGenerator[StageEvent | Refined, None],
        Coroutine[Any, Any, Capabilities],
    ],
    CandidateSearch[
        Coroutine[Any, Any, SearchResult], AsyncGenerator[StageEvent | SearchResult, None]
    ],
):
    """Calls the service over gRPC from one event loop, several requests and streams at a time.

    Its arguments are those of `BaseClient`, its methods those of `PawfectClient`. Cancelling the
    task cancels the request on the server.
    """

    async def inpaint(
        self,
        image: Image,
        mask: Image,
        *,
        protect: Image | str | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        **parameters: Scalar,
    ) -> Inpainted:
        """Fill what the mask covers; see `PawfectClient.inpaint`."""
        call = self._request("inpaint", image, mask, protect, scene_labels, prompt, parameters)
        return wire.inpainted(await self._answer(call), call)

    async def probe(self) -> None:
        """Return when the server has filled four by four pixels; see `PawfectClient.probe`."""
        call = wire.probe_call(self._timeout_s)
        wire.inpainted(await self._answer(call), call)

    async def scene_labels(self, image: Image, mask: Image) -> SceneLabels:
        """Name the surfaces around what the mask covers; see `PawfectClient.scene_labels`."""
        return wire.scene_labels(await self._answer(self._request("scene_labels", image, mask)))

    async def find_masks(
        self,
        image: Image,
        phrase: str | None = None,
        *,
        boxes: Array | None = None,
        **parameters: Scalar,
    ) -> FoundMasks:
        """Find what a phrase or boxes mean; see `PawfectClient.find_masks`."""
        tensors = find_tensors(image, phrase, boxes)
        call = wire.call_of("find_masks", tensors, parameters, self._timeout_s)
        with sam3_asked():
            return found_masks(await self._answer(call), call)

    async def read_text(self, image: Image, **parameters: Scalar) -> TextRead:
        """Read what is written in a photo; see `PawfectClient.read_text`."""
        tensors = photo_tensors(image)
        call = wire.call_of("text_reading", tensors, parameters, self._timeout_s)
        with reader_asked():
            return text_read(await self._answer(call))

    async def analyse_faces(self, image: Image, **parameters: Scalar) -> FacesFound:
        """Find the faces of a photo; see `PawfectClient.analyse_faces`."""
        tensors = photo_tensors(image)
        call = wire.call_of("face_analysis", tensors, parameters, self._timeout_s)
        with analyst_asked():
            return faces_found(await self._answer(call))

    def inpaint_stream(
        self,
        image: Image,
        mask: Image,
        *,
        protect: Image | str | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        **parameters: Scalar,
    ) -> AsyncGenerator[StageEvent | Done, None]:
        """Fill what the mask covers and tell how far it is; see `PawfectClient.inpaint_stream`.

        `contextlib.aclosing` closes the generator at once when a loop is left early.
        """
        asked = image, mask, protect, scene_labels, prompt, parameters
        return self._events(self._request("inpaint_stream", *asked))

    async def _cut_out(
        self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]
    ) -> CutOut:
        call = wire.call_of("background_removal", tensors, parameters, self._timeout_s)
        return wire.cut_out(await self._answer(call), call)

    async def capabilities(self) -> Capabilities:
        """Return what the server can do; see `Refinement.capabilities`."""
        told: Capabilities = await _last(self._events(capabilities_call(self._timeout_s)))
        return told

    async def _refine(
        self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]
    ) -> Refined:
        answer: Refined = await _last(self._refine_events(tensors, parameters))
        return answer

    def _refine_events(
        self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]
    ) -> AsyncGenerator[StageEvent | Refined, None]:
        return self._events(refine_call(tensors, parameters, self._timeout_s))

    async def _search(
        self,
        tensors: Mapping[str, Array],
        parameters: Mapping[str, Scalar],
        on_progress: OnProgress | None,
    ) -> SearchResult:
        answer: SearchResult = await _last(self._search_events(tensors, parameters), on_progress)
        return answer

    def _search_events(
        self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]
    ) -> AsyncGenerator[StageEvent | SearchResult, None]:
        return self._events(search_call(tensors, parameters, self._timeout_s))


async def _last(events: AsyncGenerator[Any, None], on_progress: OnProgress | None = None) -> Any:
    """Return how a stream ends; a task that is cancelled meanwhile closes it at once."""
    async with aclosing(events):
        async for event in events:
            if not isinstance(event, StageEvent):
                return event
            if on_progress is not None:
                on_progress(event)
    raise AssertionError("a stream ends with its result or raises")
