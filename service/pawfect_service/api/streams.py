"""Progress as it comes: server-sent events, and a WebSocket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

from fastapi import APIRouter, WebSocket
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.websockets import WebSocketDisconnect

from pawfect.contract.errors import PawfectError
from pawfect_service.api.context import Address, Admitted, Existing
from pawfect_service.api.routes import CREDENTIALS
from pawfect_service.api.state import SessionState, changes, state_of
from pawfect_service.http.failures import FAILURES

LOG: Final = logging.getLogger("pawfect.api")

# RFC 6455's registry: try again later; something unexpected. A reason has at most 123 bytes.
AGAIN: Final = 1013
DEFECT: Final = 1011
LONGEST_REASON: Final = 100

router = APIRouter(prefix="/v1/users/{uid}/sessions/{sid}", tags=["sessions"])


async def _states(address: Address) -> AsyncGenerator[SessionState]:
    """Yield what the API shows of a session, now and after its changes, until its job is over."""
    async with aclosing(
        changes(address.context.services.sessions, address.uid, address.sid)
    ) as sessions:
        async for session in sessions:
            yield state_of(address.uid, address.sid, session)


@router.get(
    "/events",
    summary="Progress as server-sent events",
    dependencies=CREDENTIALS,
    response_class=EventSourceResponse,
    responses=FAILURES,
)
async def events(address: Admitted, session: Existing) -> AsyncGenerator[ServerSentEvent]:
    """Send the session as an event `state`, at most twice a second, until its job is over."""
    async with aclosing(_states(address)) as states:
        async for state in states:
            yield ServerSentEvent(event="state", data=state.model_dump(by_alias=True))


@router.websocket("/ws")
async def progress(socket: WebSocket, address: Admitted, session: Existing) -> None:
    """Send the session as JSON, at most twice a second, and close once its job is over."""
    await socket.accept()
    sending = asyncio.create_task(_send(socket, address))
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


async def _send(socket: WebSocket, address: Address) -> None:
    async with aclosing(_states(address)) as states:
        async for state in states:
            await socket.send_json(state.model_dump(by_alias=True))


async def _left(socket: WebSocket) -> None:
    """Return once the client has gone; what it says is not listened to."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
