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
from dataclasses import replace
from typing import Any, Final

import numpy as np

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import InpaintParams
from pawfect.contract.probe import PROBE_ID
from pawfect.contract.tensors import MODELS, Array
from pawfect.contract.texts import read_texts, text_tensor
from pawfect.models import check_inputs
from pawfect.orchestrator import Control, InpaintRequest, InpaintResult, Progress, inpaint
from pawfect.orchestrator.deployment import read_deployment
from pawfect.orchestrator.request import silent
from pawfect.profile import load_profile
from pawfect_triton import adapter
from pawfect_triton.metrics import RequestMetrics
from pawfect_triton.overrides import Overrides, read

# Probes held at a time beside the requests: the supervisor's, `pawfect probe`'s, some balancers'.
PROBES: Final = 8


class Places:
    """How many requests are held; probes have places of their own, so neither keeps out the other.

    Args:
        requests: most requests at a time.
    """

    def __init__(self, requests: int) -> None:
        self._free = {False: requests, True: PROBES}
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Requests and probes that have a place."""
        return self._held

    def take(self, *, probe: bool) -> bool:
        """Take a place and say whether there was one."""
        with self._lock:
            found = self._free[probe] > 0
            self._free[probe] -= found
            self._held += found
            return found

    def leave(self, *, probe: bool) -> None:
        """Give a place back."""
        with self._lock:
            self._free[probe] += 1
            self._held -= 1


class OrchestratorModel:
    """The orchestration of `inpaint` (one answer) or `inpaint_stream` (a message per stage).

    Args:
        name: the model's name in the contract; a decoupled one streams.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._streams = MODELS[name].decoupled
        self._deployment = read_deployment(load_profile())
        self._limit = self._deployment.profile.limits.max_in_flight
        self._places = Places(self._limit)
        self._metrics = RequestMetrics(name)
        self._loop = asyncio.new_event_loop()
        # A BLS call occupies a thread of the loop's pool while it waits, compositing while it
        # works.
        workers = 4 * self._limit
        self._loop.set_default_executor(ThreadPoolExecutor(workers, thread_name_prefix=name))
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def initialize(self, args: Mapping[str, str]) -> None:
        """Take over what the model's config overrides; see `pawfect_triton.overrides`."""
        overrides = read(args)
        if overrides != Overrides():
            deployment = read_deployment(overrides.applied(load_profile()))
            self._deployment = replace(deployment, verbatim=overrides.verbatim)

    def execute(self, requests: Iterable[Any]) -> None:
        """Hand each request to the event loop, or refuse it where too many are held."""
        for request in requests:
            started = time.monotonic()
            sender = request.get_response_sender()
            probe = request.request_id() == PROBE_ID
            if self._places.take(probe=probe):
                serving = self._serve(request, sender, started, probe=probe)
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

    def _refuse(self, sender: Any, *, probe: bool) -> None:
        most = f"{PROBES} probes" if probe else f"{self._limit} requests"
        error = PawfectError(ErrorKind.QUEUE_FULL, f"expected at most {most} at a time")
        if not probe:
            self._metrics.count(error.kind)
        self._end(sender, adapter.error_response(error, self._name))

    async def _serve(self, request: Any, sender: Any, started: float, *, probe: bool) -> None:
        kind: ErrorKind | None = None
        try:
            try:
                result = await self._inpaint(request, sender, started)
                self._metrics.count_fallbacks(result.report.fallbacks)
                outputs = await asyncio.to_thread(self._outputs, result)
                answer = adapter.response(outputs, request)
            except Exception as error:  # noqa: BLE001 - the border: everything becomes a coded answer
                failure = adapter.as_pawfect_error(error, self._name)
                kind = failure.kind
                answer = adapter.error_response(failure, self._name)
            # Sending copies the picture into shared memory; other requests' loop must not wait for
            # it.
            await asyncio.to_thread(self._end, sender, answer)
        finally:
            self._places.leave(probe=probe)
            if not probe:
                self._metrics.count(kind, (time.monotonic() - started) * 1000)

    async def _inpaint(self, request: Any, sender: Any, started: float) -> InpaintResult:
        inputs, parameters = adapter.decode(self._name, request)
        params = InpaintParams.parse(parameters)
        check_inputs(self._name, inputs)
        prompts = read_texts("PROMPT", inputs.get("PROMPT"))
        protect = inputs.get("PROTECT")
        job = InpaintRequest(
            image=inputs["IMAGE"].astype(np.uint8, copy=False),
            mask=inputs["MASK"].astype(np.uint8, copy=False),
            params=params,
            protect=None if protect is None else protect.astype(np.uint8, copy=False),
            scene_labels=read_texts("SCENE_LABELS", inputs.get("SCENE_LABELS")),
            prompt=prompts[0] if prompts else None,
        )
        control = Control(params.deadline_ms, sender.is_cancelled, started)

        async def notify(progress: Progress) -> None:
            message = adapter.response(progress_outputs(progress), request)
            await asyncio.to_thread(sender.send, message)

        return await inpaint(
            job, self._deployment, adapter.call_model, control, notify if self._streams else silent
        )

    def _outputs(self, result: InpaintResult) -> dict[str, Array]:
        outputs: dict[str, Array] = {
            "IMAGE": result.image,
            "REPORT": text_tensor(result.report.to_json()),
        }
        if self._streams:
            outputs |= progress_outputs(Progress("done", 1.0))
        return outputs

    @staticmethod
    def _end(sender: Any, answer: Any) -> None:
        sender.send(answer, flags=adapter.backend().TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def progress_outputs(progress: Progress) -> dict[str, Array]:
    """Return STAGE BYTES [1], PROGRESS FP32 [1] and perhaps PREVIEW UINT8 [h, w, 3]."""
    outputs: dict[str, Array] = {
        "STAGE": text_tensor(progress.stage),
        "PROGRESS": np.array([progress.progress], np.float32),
    }
    if progress.preview is not None:
        outputs["PREVIEW"] = progress.preview
    return outputs
