"""Flows in this process, found by their entry points: the client imports none of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, Final, Self, TypeVar

from pawfect.contract.capabilities import Capabilities
from pawfect.contract.errors import ErrorKind, PawfectError, from_exception
from pawfect.contract.parameters import InpaintParams, Scalar
from pawfect.contract.tensors import Array
from pawfect_client.background_removal import BackgroundRemoval
from pawfect_client.base import Image
from pawfect_client.candidate_search import CandidateSearch, OnProgress, last_of
from pawfect_client.inputs import inpaint_tensors, photo_tensors, tensor_or_parameter
from pawfect_client.refinement import Refinement
from pawfect_client.results import (
    CutOut,
    Done,
    FacesFound,
    Inpainted,
    Refined,
    SearchResult,
    StageEvent,
    TextRead,
)

FLOWS: Final = "pawfect.flows"
_INSTALL: Final = "pip install 'pawfect[client,server]'"

Result = TypeVar("Result", Done, CutOut, Refined, SearchResult, TextRead, FacesFound)


def find_flow(name: str, group: str = FLOWS) -> Any:
    """Return what an entry point of a flow names.

    Raises:
        PawfectError: UNAVAILABLE where the flow, or a package that it needs, is not installed.
    """
    found = tuple(entry_points(group=group, name=name))
    if not found:
        message = f"local: the flow {name} is not installed here: {_INSTALL}"
        raise PawfectError(ErrorKind.UNAVAILABLE, message)
    try:
        return found[0].load()
    except ModuleNotFoundError as error:
        message = f"local: the flow {name} needs the package {error.name}: {_INSTALL}"
        raise PawfectError(ErrorKind.UNAVAILABLE, message) from None


class LocalClient(
    BackgroundRemoval[CutOut],
    Refinement[Refined, Generator[StageEvent | Refined, None, None], Capabilities],
    CandidateSearch[SearchResult, Generator[StageEvent | SearchResult, None, None]],
):
    """Works in this process, with the pixels that a server of the same profile gives.

    The profile is that of PAWFECT_PROFILE, else `embedded`. Safe to use from several threads. Each
    method raises UNAVAILABLE as `find_flow` does, and for a profile that does not exist.
    """

    def __init__(self) -> None:
        # By name, each made when it is first asked.
        self._flows: dict[str, Any] = {}
        self._finding = threading.Lock()
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is in flight."""
        self._closed.set()

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
        """Fill what the mask covers; see `PawfectClient.inpaint`."""
        checked = _checked(image, mask, protect, scene_labels, prompt, parameters)
        *_, done = self._filling(checked)
        assert isinstance(done, Done)
        return Inpainted(done.image, done.report)

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
        """Fill what the mask covers and tell how far it is; see `PawfectClient.inpaint_stream`."""
        return self._filling(_checked(image, mask, protect, scene_labels, prompt, parameters))

    def read_text(self, image: Image, **parameters: Scalar) -> TextRead:
        """Read what is written in a photo; see `PawfectClient.read_text`."""
        photo_tensors(image)
        flow = self._flow("text_reading")

        def work(**told: Any) -> TextRead:
            texts, report = flow.read_text(image, parameters, **told)
            return TextRead(texts, report)

        *_, answer = self._events("text_reading", work)
        assert isinstance(answer, TextRead)
        return answer

    def analyse_faces(self, image: Image, **parameters: Scalar) -> FacesFound:
        """Find the faces of a photo; see `PawfectClient.analyse_faces`."""
        photo_tensors(image)
        flow = self._flow("face_analysis")

        def work(**told: Any) -> FacesFound:
            faces, report = flow.find_faces(image, parameters, **told)
            return FacesFound(faces, report)

        *_, answer = self._events("face_analysis", work)
        assert isinstance(answer, FacesFound)
        return answer

    def _filling(self, checked: dict[str, Any]) -> Generator[StageEvent | Done, None, None]:
        flow = self._flow("inpaint")

        def work(**told: Any) -> Done:
            result = flow.inpaint(**checked, **told)
            return Done(result.image, result.report)

        return self._events("inpaint", work)

    def _cut_out(self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> CutOut:
        flow, background = self._flow("background_removal"), tensors.get("BACKGROUND")

        def work(**told: Any) -> CutOut:
            result = flow.remove_background(
                tensors["IMAGE"], parameters, background=background, **told
            )
            return CutOut(result.alpha, result.cutout, result.report)

        *_, answer = self._events("background_removal", work)
        assert isinstance(answer, CutOut)
        return answer

    def capabilities(self) -> Capabilities:
        """Return what this process can do; see `Refinement.capabilities`."""
        told: Capabilities = self._flow("refine").capabilities()
        return told

    def _refine(self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> Refined:
        *_, answer = self._refine_events(tensors, parameters)
        assert isinstance(answer, Refined)
        return answer

    def _refine_events(
        self, tensors: Mapping[str, Array], parameters: Mapping[str, Scalar]
    ) -> Generator[StageEvent | Refined, None, None]:
        flow = self._flow("refine")

        def work(**told: Any) -> Refined:
            result = flow.refine(tensors, parameters, **told)
            return Refined(result.image, result.report)

        return self._events("refine", work)

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
        flow = self._flow("search")

        def work(**told: Any) -> SearchResult:
            result = flow.search(tensors, parameters, **told)
            return SearchResult(result.image, result.report)

        return self._events("search", work)

    def _flow(self, name: str) -> Any:
        with self._finding:
            if name not in self._flows:
                self._flows[name] = find_flow(name)()
            return self._flows[name]

    def _events(
        self, name: str, work: Callable[..., Result]
    ) -> Generator[StageEvent | Result, None, None]:
        """Run a flow in a thread of its own: the caller's may be that of an event loop.

        Args:
            name: what messages call it.
            work: takes `stop` and `notify`, as flows do; returns the result.
        """
        events: queue.SimpleQueue[StageEvent | Result | PawfectError] = queue.SimpleQueue()
        left = threading.Event()

        def notify(progress: Any) -> None:
            candidate = getattr(progress, "candidate", None)
            events.put(StageEvent(progress.stage, progress.progress, progress.preview, candidate))

        def stop() -> bool:
            return left.is_set() or self._closed.is_set()

        def run() -> None:
            try:
                events.put(work(stop=stop, notify=notify))
            except Exception as error:  # noqa: BLE001 - the border of a thread
                events.put(from_exception(error, name))

        worker = threading.Thread(target=run, name=name)
        worker.start()
        try:
            while True:
                event = events.get()
                if isinstance(event, PawfectError):
                    raise event
                yield event
                if not isinstance(event, StageEvent):
                    return
        finally:
            left.set()
            worker.join()


def _checked(
    image: Image,
    mask: Image,
    protect: Image | str | None,
    scene_labels: Sequence[str],
    prompt: str | None,
    parameters: Mapping[str, Scalar],
) -> dict[str, Any]:
    """Return the flow's arguments, checked as those of a server are."""
    guard, parameters = tensor_or_parameter(protect, parameters)
    inpaint_tensors(image, mask, guard, scene_labels, prompt)
    InpaintParams.parse(parameters)
    given = {"protect": guard, "scene_labels": tuple(scene_labels), "prompt": prompt}
    return {"image": image, "mask": mask, "parameters": parameters, **given}
