"""The synchronous and the asynchronous client; both can do the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any, Self

import grpc

from pawfect.contract.parameters import Scalar
from pawfect.contract.tensors import Array
from pawfect_client import wire
from pawfect_client.base import BaseClient, Image
from pawfect_client.masks_by_words import find_tensors, found_masks, sam3_asked
from pawfect_client.results import Done, FoundMasks, Inpainted, SceneLabels, StageEvent
from pawfect_client.stream import StreamReader


class PawfectClient(BaseClient):
    """Calls the service over gRPC; safe to use from several threads, several streams at a time.

    Its arguments are those of `BaseClient`.
    """

    _open_channel = staticmethod(grpc.insecure_channel)
    _open_secure_channel = staticmethod(grpc.secure_channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; what is in flight is cancelled."""
        if self._channel is not None:
            self._channel.close()

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
        """Fill what the mask covers.

        Args:
            image: UINT8 [H, W, 3] RGB, sides 64-16,384 px, at most 110 MP.
            mask: UINT8 [H, W], >= 128 = fill.
            protect: UINT8 [H, W], >= 128 = never filled (the pet), or None.
            scene_labels: surfaces around the hole, at most 64 texts of at most 2,048 bytes.
            prompt: text for FLUX, at most 2,048 bytes, or None.
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
        asked = image, mask, protect, scene_labels, prompt, parameters
        return self._events(self._request("inpaint_stream", *asked))

    def _answer(self, call: wire.Call) -> Any:
        """Return the answer of a model that gives one, asked as often as the policy has it."""
        stub = self._connected()
        attempts = self._attempts(call)
        while True:
            pending = stub.ModelInfer.future(call.message, **self._options(attempts))
            try:
                return pending.result()
            except grpc.RpcError as error:
                pause_s = attempts.wait_after(self._failure(error, call, attempts))
            finally:
                # Does nothing to a call that has ended; tells the server after a KeyboardInterrupt.
                pending.cancel()
            time.sleep(pause_s)

    def _events(self, call: wire.Call) -> Generator[StageEvent | Done, None, None]:
        stub = self._connected()
        attempts = self._attempts(call)
        while True:
            reader = StreamReader(call)
            # One stream per request: the only way for gRPC to cancel one and not the others.
            pending = stub.ModelStreamInfer(iter((call.message,)), **self._options(attempts))
            try:
                for response in pending:
                    event = reader.take(response)
                    if event is not None:
                        yield event
            except grpc.RpcError as error:
                reader.broke(self._failure(error, call, attempts))
            finally:
                pending.cancel()
            end = reader.end(attempts)
            if isinstance(end, Done):
                yield end
                return
            time.sleep(end)


class AsyncPawfectClient(BaseClient):
    """Calls the service over gRPC from one event loop, several requests and streams at a time.

    Its arguments are those of `BaseClient`, its methods those of `PawfectClient`. Cancelling the
    task cancels the request on the server.
    """

    _open_channel = staticmethod(grpc.aio.insecure_channel)
    _open_secure_channel = staticmethod(grpc.aio.secure_channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; what is in flight is cancelled."""
        if self._channel is not None:
            await self._channel.close()

    async def inpaint(
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

    def inpaint_stream(
        self,
        image: Image,
        mask: Image,
        *,
        protect: Image | None = None,
        scene_labels: Sequence[str] = (),
        prompt: str | None = None,
        **parameters: Scalar,
    ) -> AsyncGenerator[StageEvent | Done, None]:
        """Fill what the mask covers and tell how far it is; see `PawfectClient.inpaint_stream`.

        `contextlib.aclosing` closes the generator at once when a loop is left early.
        """
        asked = image, mask, protect, scene_labels, prompt, parameters
        return self._events(self._request("inpaint_stream", *asked))

    async def _answer(self, call: wire.Call) -> Any:
        stub = self._connected()
        attempts = self._attempts(call)
        while True:
            pending = stub.ModelInfer(call.message, **self._options(attempts))
            try:
                return await pending
            except grpc.RpcError as error:
                pause_s = attempts.wait_after(self._failure(error, call, attempts))
            finally:
                pending.cancel()
            await asyncio.sleep(pause_s)

    async def _events(self, call: wire.Call) -> AsyncGenerator[StageEvent | Done, None]:
        stub = self._connected()
        attempts = self._attempts(call)
        while True:
            reader = StreamReader(call)
            pending = stub.ModelStreamInfer(iter((call.message,)), **self._options(attempts))
            try:
                async for response in pending:
                    event = reader.take(response)
                    if event is not None:
                        yield event
            except grpc.RpcError as error:
                reader.broke(self._failure(error, call, attempts))
            finally:
                pending.cancel()
            end = reader.end(attempts)
            if isinstance(end, Done):
                yield end
                return
            await asyncio.sleep(end)
