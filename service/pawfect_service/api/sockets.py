"""Messages over a WebSocket, until there are no more or the client has left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from pawfect.contract.errors import PawfectError

LOG: Final = logging.getLogger("pawfect.api")

# RFC 6455's registry: try again later; something unexpected. A reason has at most 123 bytes.
AGAIN: Final = 1013
DEFECT: Final = 1011
LONGEST_REASON: Final = 100


async def send_all(socket: WebSocket, messages: AsyncGenerator[Mapping[str, Any]]) -> None:
    """Accept a client, send it each message as JSON, and close.

    What it says is not listened to. A failure closes with a code that says whether to try again.

    Args:
        socket: not yet accepted.
        messages: closed at the end, whatever ended it.
    """
    async with aclosing(messages):
        await socket.accept()
        sending = asyncio.create_task(_send(socket, messages))
        leaving = asyncio.create_task(_left(socket))
        try:
            done, _ = await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if leaving in done:
            return
        with suppress(WebSocketDisconnect):
            try:
                sending.result()
            except PawfectError as error:
                LOG.warning("a stream broke off", exc_info=True)
                code = AGAIN if error.row.retry else DEFECT
                await socket.close(code, error.message[:LONGEST_REASON])
            else:
                await socket.close()


async def _send(socket: WebSocket, messages: AsyncGenerator[Mapping[str, Any]]) -> None:
    async for message in messages:
        await socket.send_json(message)


async def _left(socket: WebSocket) -> None:
    """Return once the client has gone."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
