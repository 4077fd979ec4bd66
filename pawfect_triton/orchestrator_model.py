"""An orchestrator inside Triton: one instance holds many requests on its own event loop.

`execute` only hands its requests over; each is answered through its response sender when it is
done.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pkgutil import resolve_name
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import Scalar
from pawfect.contract.probe import PROBE_ID
from pawfect.contract.tensors import MAX_PIXELS, Array
from pawfect.models import MODELS, check_inputs
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.progress import in_order
from pawfect.orchestrator.request import Progress, silent
from pawfect.orchestrator.serving import Orchestration, encode_progress
from pawfect.profile import load_profile
from pawfect_triton import adapter
from pawfect_triton.lasting import lasting
from pawfect_triton.logs import log_to_stderr
from pawfect_triton.overrides import read
from pawfect_triton.request_metrics import RequestMetrics

# Probes held at a time beside the requests: the supervisor's, `pawfect probe`'s, some balancers'.
PROBES: Final = 8
# Pixels of all photos that are held: two of the largest, or 18 of 12 MP; at some 12 bytes a pixel,
# 2.6 GB. Read from a file, a photo took 24 bytes a pixel (12 and 50 MP, JPEG), and counts twice:
# with its mask.
PIXELS: Final = 2 * MAX_PIXELS

# A request's inputs by name, and its parameters.
Given = tuple[dict[str, Array], dict[str, Scalar]]


class Places:
    """What is held at a time; probes have places of their own, so neither keeps out the other.

    Args:
        requests: most requests at a time.
        pixels: of all their photos together; one request alone may have more.
    """

    def __init__(self, requests: int, pixels: int = PIXELS) -> None:
        self._free = {False: requests, True: PROBES}
        self._held = 0
        self._most_pixels = pixels
        self._pixels = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Requests and probes that have a place."""
        return self._held

    def take(self, *, probe: bool, pixels: int = 0) -> bool:
        """Take a place for a photo of so many pixels, and say whether there was one."""
        with self._lock:
            fits = not self._pixels or self._pixels + pixels <= self._most_pixels
            found = self._free[probe] > 0 and fits
            self._free[probe] -= found
            self._held += found
            self._pixels += pixels * found
            return found

    def leave(self, *, probe: bool, pixels: int = 0) -> None:
        """Give back a place that was taken for so many pixels."""
        with self._lock:
            self._free[probe] += 1
            self._held -= 1
            self._pixels -= pixels


class OrchestratorModel:
    """A model that runs the orchestration of its definition; a decoupled one streams progress."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read the deployment and start the event loop.

        Args:
            args: Triton's; the config may override parts of the profile, see
                `pawfect_triton.overrides`.
        """
        name = args["model_name"]
        log_to_stderr()
        self._model = MODELS[name]
        overrides = read(args)
        profile = overrides.applied(load_profile())
        with lasting():
            self._orchestration: Orchestration[Any, Any, Any] = resolve_name(
                str(self._model.orchestration)
            )
            if self._model.prepare:
                resolve_name(self._model.prepare)()
            self._deployment = self._orchestration.deploy(profile, overrides.verbatim)
        self._limit = profile.limits.max_in_flight
        self._places = Places(self._limit)
        self._metrics = RequestMetrics(name)
        self._loop = asyncio.new_event_loop()
        # A BLS call occupies a thread of the loop's pool while it waits, compositing while it
        # works.
        workers = 4 * self._limit
        self._loop.set_default_executor(ThreadPoolExecutor(workers, thread_name_prefix=name))
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def execute(self, requests: Iterable[Any]) -> None:
        """Hand each request to the event loop, or refuse it where too many are held."""
        for request in requests:
            started = time.monotonic()
            sender = request.get_response_sender()
            probe = request.request_id() == PROBE_ID
            given = adapter.decode(self._model.name, request)
            pixels = self._orchestration.pixels(*given)
            if self._places.take(probe=probe, pixels=pixels):
                serving = self._serve(request, given, sender, started, probe=probe, pixels=pixels)
                asyncio.run_coroutine_threadsafe(serving, self._loop)
            else:
                self._refuse(sender, probe=probe)

    def finalize(self) -> None:
        """Wait for the requests that are held, then stop the event loop."""
        while self._places.held:
            time.sleep(0.01)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._metrics.meter.close()

    def _refuse(self, sender: Any, *, probe: bool) -> None:
        megapixels = f"{PIXELS / 1e6:.0f} MP"
        most = f"{PROBES} probes" if probe else f"{self._limit} requests of {megapixels} together"
        error = PawfectError(ErrorKind.QUEUE_FULL, f"expected at most {most} at a time")
        if not probe:
            self._metrics.count(error.kind)
        self._end(sender, adapter.error_response(error, self._model.name))

    async def _serve(
        self,
        request: Any,
        given: Given,
        sender: Any,
        started: float,
        *,
        probe: bool,
        pixels: int,
    ) -> None:
        kind: ErrorKind | None = None
        control: Control | None = None
        try:
            try:
                params: Any = self._model.parameters.parse(given[1])
                control = Control(params.deadline_ms, sender.is_cancelled, started)
                result = await self._run(request, given[0], params, control, sender)
                if not probe:
                    self._tell(result)
                outputs = await asyncio.to_thread(self._orchestration.encode, result)
                if self._model.spec.decoupled:
                    outputs |= encode_progress(Progress("done", 1.0))
                answer = adapter.response(outputs, request)
            except Exception as error:  # noqa: BLE001 - the border: everything becomes a coded answer
                failure = adapter.as_pawfect_error(error, self._model.name)
                kind = failure.kind
                answer = adapter.error_response(failure, self._model.name)
            # Before it is sent: who has the answer finds it counted.
            late = control is not None and control.elapsed_ms() > control.deadline_ms
            if not probe:
                self._metrics.count(kind, late)
            if kind is None:
                self._metrics.meter.answered()
            # Sending copies the picture into shared memory; other requests' loop must not wait for
            # it.
            await asyncio.to_thread(self._end, sender, answer)
        finally:
            self._places.leave(probe=probe, pixels=pixels)
            if not probe:
                stage_ms = {} if control is None else control.stage_ms
                self._metrics.spend(time.monotonic() - started, stage_ms)

    def _tell(self, result: Any) -> None:
        """Count what a result had to do without, what made it, and its numbers."""
        self._metrics.count_fallbacks(self._orchestration.fallbacks(result))
        self._metrics.measure(self._orchestration.measures(result))
        self._metrics.engine(self._orchestration.engine(result))

    async def _run(
        self, request: Any, arrays: Mapping[str, Array], params: Any, control: Control, sender: Any
    ) -> Any:
        inputs = check_inputs(self._model.name, arrays)

        def send(progress: Progress) -> None:
            sender.send(adapter.response(encode_progress(progress), request))

        return await self._orchestration.run(
            self._orchestration.decode(inputs, params),
            self._deployment,
            adapter.call_model,
            control,
            in_order(send) if self._model.spec.decoupled else silent,
        )

    @staticmethod
    def _end(sender: Any, answer: Any) -> None:
        sender.send(answer, flags=adapter.backend().TRITONSERVER_RESPONSE_COMPLETE_FINAL)
