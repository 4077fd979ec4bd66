"""The asynchronous client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2_grpc

from pawfect.contract.parameters import Scalar
from pawfect_client import wire
from pawfect_client.inputs import inpaint_tensors
from pawfect_client.reading import StreamReading
from pawfect_client.results import Done, Inpainted, SceneLabels, StageEvent
from pawfect_client.retry import Attempts, RetryPolicy

_DEFAULT_RETRY = RetryPolicy()

# Names (lower case) and values of what goes along with a call as gRPC metadata.
Headers = Sequence[tuple[str, str]]


def _no_headers() -> Headers:
    return ()


class AsyncPawfectClient:
    """Calls the service over gRPC from one event loop, several requests and streams at a time.

    Args:
        url: HOST:PORT of the server's gRPC endpoint.
        timeout_s: for one request with its retries, s; None: its deadline and 30 s for the
            transfer.
        retry: how often and how patiently a call is repeated that may succeed later.
        headers: asked before each call for its gRPC metadata, such as W3C's `traceparent`.
        called: what messages call the server, for those who are not to read its address; None: its
            address.

    Raises:
        PawfectError: INVALID_ARG for a url of another form.
    """

    def __init__(
        self,
        url: str = wire.DEFAULT_URL,
        *,
        timeout_s: float | None = None,
        retry: RetryPolicy = _DEFAULT_RETRY,
        headers: Callable[[], Headers] = _no_headers,
        called: str | None = None,
    ) -> None:
        self._url = wire.checked_url(url)
        self._called = called
        self._timeout_s = timeout_s
        self._retry = retry
        self._headers = headers
        self._channel: Any = None
        self._stub: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; what is in flight is cancelled."""
        if self._channel is not None:
            await self._channel.close()

    def _connected(self) -> Any:
        """Return the stub; its channel is made in the event loop that uses it."""
        if self._stub is None:
            options = wire.channel_options(self._url)
            self._channel = grpc.aio.insecure_channel(self._url, options=options)
            self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        return self._stub

    async def inpaint(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        *,
        protect: NDArray[np.uint8] | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        **parameters: Scalar,
    ) -> Inpainted:
        """Fill what the mask covers; cancelling the task cancels the request on the server.

        Args:
            image: UINT8 [H, W, 3] RGB, sides 64-8192 px, at most 50 MP.
            mask: UINT8 [H, W], >= 128 = fill.
            protect: UINT8 [H, W], >= 128 = never filled (the pet), or None.
            scene_labels: surfaces around the hole, at most 64 texts of at most 2,048 bytes.
            prompt: text for FLUX, at most 2,048 bytes, or None.
            parameters: the scalars of `pawfect.contract.parameters.InpaintParams`.

        Raises:
            PawfectError: as `PawfectClient.inpaint` does.
        """
        tensors = inpaint_tensors(image, mask, protect, scene_labels, prompt)
        call = wire.call_of("inpaint", tensors, parameters, self._timeout_s)
        return wire.inpainted(await self._answer(call), call)

    async def probe(self) -> None:
        """Return when the server has filled four by four pixels.

        It takes no place of a request, and is not counted as an answer.

        Raises:
            PawfectError: as `inpaint` does.
        """
        call = wire.probe_call(self._timeout_s)
        wire.inpainted(await self._answer(call), call)

    async def scene_labels(self, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> SceneLabels:
        """Name the surfaces around what the mask covers; best first, perhaps none.

        Args:
            image: as in `inpaint`.
            mask: UINT8 [H, W].

        Raises:
            PawfectError: as `inpaint` does; UNAVAILABLE where the server's profile has no labels.
        """
        tensors = inpaint_tensors(image, mask, None, (), None)
        call = wire.call_of("scene_labels", tensors, {}, self._timeout_s)
        return wire.scene_labels(await self._answer(call))

    async def _answer(self, call: wire.Call) -> Any:
        """Return the answer of a model that gives one, asked as often as the policy has it."""
        stub = self._connected()
        attempts = Attempts(self._retry, call.timeout_s)
        while True:
            pending = stub.ModelInfer(
                call.message, timeout=attempts.remaining_s(), metadata=tuple(self._headers())
            )
            try:
                return await pending
            except grpc.RpcError as error:
                failed = wire.failure(error, self._url, call.timeout_s, self._called)
            finally:
                pending.cancel()
            try:
                pause_s = attempts.wait_after(failed)
            finally:
                # Raised or not: the exception holds this frame, and with it the tensors.
                del failed
            await asyncio.sleep(pause_s)

    def inpaint_stream(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        *,
        protect: NDArray[np.uint8] | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        **parameters: Scalar,
    ) -> AsyncGenerator[StageEvent | Done, None]:
        """Fill what the mask covers and tell how far it is: stages as they end, `Done` at last.

        Cancelling the task, or closing the generator (`contextlib.aclosing` does it at once when a
        loop is left early), cancels the request on the server.

        Args:
            image: as in `inpaint`, like the others.
            mask: UINT8 [H, W].
            protect: UINT8 [H, W] or None.
            scene_labels: surfaces around the hole.
            prompt: text for FLUX or None.
            parameters: the scalars of `pawfect.contract.parameters.InpaintParams`.

        Raises:
            PawfectError: INVALID_ARG at once; the others while iterating.
        """
        tensors = inpaint_tensors(image, mask, protect, scene_labels, prompt)
        return self._events(wire.call_of("inpaint_stream", tensors, parameters, self._timeout_s))

    async def _events(self, call: wire.Call) -> AsyncGenerator[StageEvent | Done, None]:
        stub = self._connected()
        attempts = Attempts(self._retry, call.timeout_s)
        while True:
            reading = StreamReading(call)
            pending = stub.ModelStreamInfer(
                iter((call.message,)),
                timeout=attempts.remaining_s(),
                metadata=tuple(self._headers()),
            )
            try:
                async for response in pending:
                    event = reading.take(response)
                    if event is not None:
                        yield event
            except grpc.RpcError as error:
                reading.broke(wire.failure(error, self._url, call.timeout_s, self._called))
            finally:
                pending.cancel()
            end = reading.end()
            if isinstance(end, Done):
                yield end
                return
            if reading.received:
                raise end
            await asyncio.sleep(attempts.wait_after(end))
