"""What the routes share, and who is let in to which session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path
from starlette.requests import HTTPConnection

from pawfect_service.api.enqueue import Enqueuer
from pawfect_service.api.rate import RateLimit
from pawfect_service.api.state import session_now
from pawfect_service.http.callers import Authenticator, known_caller
from pawfect_service.http.failures import ApiError, not_found
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.paths import check_id
from pawfect_service.services import Services


@dataclass(frozen=True)
class ApiContext:
    """What all routes stand on.

    Attributes:
        services: store and server.
        enqueuer: queues jobs.
        authenticators: how callers are known.
        rate: how often each may call.
    """

    services: Services
    enqueuer: Enqueuer
    authenticators: Sequence[Authenticator]
    rate: RateLimit


@dataclass(frozen=True)
class Address:
    """A session that the caller may touch.

    Attributes:
        uid: whose.
        sid: which.
        context: what the routes share.
    """

    uid: str
    sid: str
    context: ApiContext


async def admitted(
    connection: HTTPConnection,
    uid: Annotated[str, Path(description="The user.", examples=["u-4711"])],
    sid: Annotated[str, Path(description="The session.", examples=["D1A406F5"])],
) -> Address:
    """Return the address of a session that the caller may touch.

    Raises:
        PawfectError: ApiError 401, 403 or 429; INVALID_ARG for ids of another form.
    """
    context: ApiContext = connection.app.state.context
    try:
        caller = await known_caller(context.authenticators, connection.headers)
    except ApiError:
        # Guesses at keys are slowed down by address.
        host = connection.client.host if connection.client else "unknown"
        await context.rate.check(f"address {host}")
        raise
    await context.rate.check(caller.name)
    check_id("uid", uid)
    check_id("sid", sid)
    caller.check(uid)
    return Address(uid, sid, context)


Admitted = Annotated[Address, Depends(admitted)]


async def existing(address: Admitted) -> SessionDocument:
    """Return the session as it stands; ApiError 404 where there is none."""
    session = await session_now(address.context.services.sessions, address.uid, address.sid)
    if session is None:
        raise not_found(address.sid)
    return session


Existing = Annotated[SessionDocument, Depends(existing)]
