"""The synchronous client."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Self

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2_grpc

from pawfect.contract.parameters import Scalar
from pawfect_client import wire
from pawfect_client.inputs import inpaint_tensors
from pawfect_client.reading import StreamReading
from pawfect_client.results import Done, Inpainted, StageEvent
from pawfect_client.retry import Attempts, RetryPolicy

_DEFAULT_RETRY = RetryPolicy()


class PawfectClient:
    """Calls the service over gRPC; safe to use from several threads, several streams at a time.

    Args:
        url: HOST:PORT of the server's gRPC endpoint.
        timeout_s: for one request with its retries, s; None: its deadline and 30 s for the
            transfer.
        retry: how often and how patiently a call is repeated that may succeed later.

    Raises:
        PawfectError: INVALID_ARG for a url of another form.
    """

    def __init__(
        self,
        url: str = wire.DEFAULT_URL,
        *,
        timeout_s: float | None = None,
        retry: RetryPolicy = _DEFAULT_RETRY,
    ) -> None:
        self._url = wire.checked_url(url)
        self._timeout_s = timeout_s
        self._retry = retry
        self._channel = grpc.insecure_channel(url, options=wire.channel_options(url))
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; what is in flight is cancelled."""
        self._channel.close()

    def inpaint(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        *,
        protect: NDArray[np.uint8] | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        **parameters: Scalar,
    ) -> Inpainted:
        """Fill what the mask covers.

        Args:
            image: UINT8 [H, W, 3] RGB, sides 64-8192 px, at most 50 MP.
            mask: UINT8 [H, W], >= 128 = fill.
            protect: UINT8 [H, W], >= 128 = never filled (the pet), or None.
            scene_labels: surfaces around the hole, at most 64 texts of at most 2,048 bytes.
            prompt: text for FLUX, at most 2,048 bytes, or None.
            parameters: the scalars of `pawfect.contract.parameters.InpaintParams`.

        Raises:
            PawfectError: INVALID_ARG before anything is sent; else as the server answered, or
                UNAVAILABLE, DEADLINE or CANCELLED where it did not.
        """
        tensors = inpaint_tensors(image, mask, protect, scene_labels, prompt)
        call = wire.call_of("inpaint", tensors, parameters, self._timeout_s)
        attempts = Attempts(self._retry, call.timeout_s)
        while True:
            pending = self._stub.ModelInfer.future(call.message, timeout=attempts.remaining_s())
            try:
                return wire.inpainted(pending.result(), call)
            except grpc.RpcError as error:
                failed = wire.failure(error, self._url, call.timeout_s)
            finally:
                # Does nothing to a call that has ended; tells the server after a KeyboardInterrupt.
                pending.cancel()
            try:
                pause_s = attempts.wait_after(failed)
            finally:
                # Raised or not: the exception holds this frame, and with it the tensors.
                del failed
            time.sleep(pause_s)

    def inpaint_stream(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        *,
        protect: NDArray[np.uint8] | None = None,
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
            protect: UINT8 [H, W] or None.
            scene_labels: surfaces around the hole.
            prompt: text for FLUX or None.
            parameters: the scalars of `pawfect.contract.parameters.InpaintParams`.

        Raises:
            PawfectError: INVALID_ARG at once; the others of `inpaint` while iterating.
        """
        tensors = inpaint_tensors(image, mask, protect, scene_labels, prompt)
        return self._events(wire.call_of("inpaint_stream", tensors, parameters, self._timeout_s))

    def _events(self, call: wire.Call) -> Generator[StageEvent | Done, None, None]:
        attempts = Attempts(self._retry, call.timeout_s)
        while True:
            reading = StreamReading(call)
            # One stream per request: the only way for gRPC to cancel one and not the others.
            pending = self._stub.ModelStreamInfer(
                iter((call.message,)), timeout=attempts.remaining_s()
            )
            try:
                for response in pending:
                    event = reading.take(response)
                    if event is not None:
                        yield event
            except grpc.RpcError as error:
                reading.broke(wire.failure(error, self._url, call.timeout_s))
            finally:
                pending.cancel()
            end = reading.end()
            if isinstance(end, Done):
                yield end
                return
            if reading.received:
                raise end
            time.sleep(attempts.wait_after(end))
