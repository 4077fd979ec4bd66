"""How the two clients send a request and wait for it: once more where that may help."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any, Self

import grpc

from pawfect_client import wire
from pawfect_client.base import BaseClient
from pawfect_client.results import StageEvent
from pawfect_client.stream import StreamReader


class SyncTransport(BaseClient):
    """Sends and waits in the caller's thread."""

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

    def _answer(self, call: wire.Call[Any]) -> Any:
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

    def _events(self, call: wire.Call[wire.End]) -> Generator[StageEvent | wire.End, None, None]:
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
            if not isinstance(end, float):
                yield end
                return
            time.sleep(end)


class AsyncTransport(BaseClient):
    """Sends and waits in one event loop."""

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

    async def _answer(self, call: wire.Call[Any]) -> Any:
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

    async def _events(
        self, call: wire.Call[wire.End]
    ) -> AsyncGenerator[StageEvent | wire.End, None]:
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
            if not isinstance(end, float):
                yield end
                return
            await asyncio.sleep(end)
