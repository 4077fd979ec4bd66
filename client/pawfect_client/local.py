"""The flow in this process, found by an entry point: the client imports none of it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from importlib.metadata import entry_points
from typing import Any, Final, Self

from pawfect.contract.errors import ErrorKind, PawfectError, from_exception
from pawfect.contract.parameters import InpaintParams, Scalar
from pawfect_client.base import Image
from pawfect_client.inputs import inpaint_tensors
from pawfect_client.results import Done, Inpainted, StageEvent

FLOWS: Final = "pawfect.flows"
_INSTALL: Final = "pip install 'pawfect[client,server]'"


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


class LocalClient:
    """Fills in this process, with the pixels that a server of the same profile gives.

    The profile is that of PAWFECT_PROFILE, else `embedded`. Safe to use from several threads.

    Raises:
        PawfectError: UNAVAILABLE as `find_flow` does, and for a profile that does not exist.
    """

    def __init__(self) -> None:
        self._flow = find_flow("inpaint")()
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
        protect: Image | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        **parameters: Scalar,
    ) -> Inpainted:
        """Fill what the mask covers; see `PawfectClient.inpaint`."""
        checked = _checked(image, mask, protect, scene_labels, prompt, parameters)
        *_, done = self._events(checked)
        assert isinstance(done, Done)
        return Inpainted(done.image, done.report)

    def inpaint_stream(
        self,
        image: Image,
        mask: Image,
        *,
        protect: Image | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        **parameters: Scalar,
    ) -> Generator[StageEvent | Done, None, None]:
        """Fill what the mask covers and tell how far it is; see `PawfectClient.inpaint_stream`."""
        return self._events(_checked(image, mask, protect, scene_labels, prompt, parameters))

    def _events(self, checked: dict[str, Any]) -> Generator[StageEvent | Done, None, None]:
        """Run the flow in a thread of its own: the caller's may be that of an event loop."""
        events: queue.SimpleQueue[StageEvent | Done | PawfectError] = queue.SimpleQueue()
        left = threading.Event()

        def notify(progress: Any) -> None:
            events.put(StageEvent(progress.stage, progress.progress, progress.preview))

        def stop() -> bool:
            return left.is_set() or self._closed.is_set()

        def work() -> None:
            try:
                result = self._flow.inpaint(**checked, stop=stop, notify=notify)
                events.put(Done(result.image, result.report))
            except Exception as error:  # noqa: BLE001 - the border of a thread
                events.put(from_exception(error, "inpaint"))

        worker = threading.Thread(target=work, name="inpaint")
        worker.start()
        try:
            while True:
                event = events.get()
                if isinstance(event, PawfectError):
                    raise event
                yield event
                if isinstance(event, Done):
                    return
        finally:
            left.set()
            worker.join()


def _checked(
    image: Image,
    mask: Image,
    protect: Image | None,
    scene_labels: Sequence[str],
    prompt: str | None,
    parameters: dict[str, Scalar],
) -> dict[str, Any]:
    """Return the flow's arguments, checked as those of a server are."""
    inpaint_tensors(image, mask, protect, scene_labels, prompt)
    InpaintParams.parse(parameters)
    given = {"protect": protect, "scene_labels": tuple(scene_labels), "prompt": prompt}
    return {"image": image, "mask": mask, "parameters": parameters, **given}
