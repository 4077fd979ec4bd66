"""What the routes share: who is let in to which session, and how often."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import limits
from fastapi import Depends, Path
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string
from starlette.requests import HTTPConnection

from pawfect.contract.errors import ErrorKind, invalid
from pawfect_service.api.abilities import Abilities
from pawfect_service.api.enqueue import Enqueuer
from pawfect_service.api.gate import Gate
from pawfect_service.api.naming import Naming
from pawfect_service.api.state import session_now
from pawfect_service.api.streams import Streams
from pawfect_service.http.callers import Anybody, Authenticator, Caller, known_caller
from pawfect_service.http.failures import ApiError, not_found
from pawfect_service.http.sign_in import SignIns, check_origin, only_reads
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.paths import check_id, id_schema, is_run_job
from pawfect_service.services import Services
from pawfect_service.variants.watched import WatchedVariants

# What runs and the page are below. A page of runs is a hundred small pictures, and each is a
# request.
_OF_THE_PAGE: Final = "/api/v1/"
LOOKS: Final = 10


class RateLimit:
    """Counts each caller's requests in a moving window.

    Args:
        rate: such as "120/minute".
        storage: where the counts are: "memory://" (this process) or what the `limits` library
            offers, such as "redis://HOST:6379" for several processes.

    Raises:
        PawfectError: INVALID_ARG for a rate or a storage that `limits` does not know.
    """

    def __init__(self, rate: str, storage: str = "memory://") -> None:
        try:
            self._item = limits.parse(rate)
        except ValueError:
            raise invalid("rate limit", "one such as 120/minute", repr(rate)) from None
        try:
            kept = storage_from_string(f"async+{storage}")
        except (limits.errors.ConfigurationError, ValueError):
            expected = "memory:// or, with the package coredis installed, redis://HOST:PORT"
            # Its scheme alone: a password may stand in the rest.
            got = repr(storage.partition(":")[0])
            raise invalid("rate storage", expected, got) from None
        self._limiter = MovingWindowRateLimiter(kept)

    async def check(self, caller: str, *, looks: bool = False) -> None:
        """Count a request; raise 429 with Retry-After where it is one too many.

        Args:
            caller: whose.
            looks: whether it only looks at runs: counted apart, `LOOKS` times as many.
        """
        item = self._item
        if looks:
            caller, item = f"{caller} looks", type(item)(item.amount * LOOKS, item.multiples)
        if await self._limiter.hit(item, caller):
            return
        window = await self._limiter.get_window_stats(item, caller)
        wait_s = max(math.ceil(window.reset_time - time.time()), 1)
        message = f"requests: expected at most {item}, got more"
        raise ApiError(429, ErrorKind.QUEUE_FULL, message, {"Retry-After": str(wait_s)})


@dataclass(frozen=True)
class ApiContext:
    """What all routes stand on.

    Attributes:
        services: store and server.
        enqueuer: queues jobs.
        authenticators: how callers are known.
        rate: how often each may call.
        naming: finds masks by words.
        abilities: what the server can do.
        max_body_bytes: longest request body.
        gate: lets jobs and uploads in as far as quotas go.
        variants: which users get which variant; None: there are none.
        streams: of progress, that are open.
    """

    services: Services
    enqueuer: Enqueuer
    authenticators: Sequence[Authenticator]
    rate: RateLimit
    naming: Naming
    abilities: Abilities
    max_body_bytes: int
    gate: Gate
    variants: WatchedVariants | None = None
    streams: Streams = field(default_factory=Streams)

    @property
    def sign_ins(self) -> SignIns | None:
        """Who makes the cookies of sign-ins; None: nobody is asked for a key."""
        found = (each for each in self.authenticators if isinstance(each, SignIns))
        return next(found, None)

    @property
    def lets_anybody_in(self) -> bool:
        """Whether nobody is asked who calls."""
        return any(isinstance(each, Anybody) for each in self.authenticators)

    async def check_guess(self, connection: HTTPConnection) -> None:
        """Slow guesses at keys and links down, by address; ApiError 429 where there are many."""
        host = connection.client.host if connection.client else "unknown"
        await self.rate.check(f"address {host}")


@dataclass(frozen=True)
class Address:
    """A session that the caller may touch.

    Attributes:
        uid: whose.
        sid: which.
        context: what the routes share.
        caller: who calls.
    """

    uid: str
    sid: str
    context: ApiContext
    caller: Caller


async def let_in(connection: HTTPConnection) -> tuple[ApiContext, Caller]:
    """Return what the routes share, and who calls; ApiError 401, 403 or 429."""
    context: ApiContext = connection.app.state.context
    try:
        caller = await known_caller(context.authenticators, connection.headers)
    except ApiError:
        await context.check_guess(connection)
        raise
    check_origin(connection, caller)
    listens = connection.scope["type"] == "websocket"
    looks = connection.url.path.startswith(_OF_THE_PAGE) and (listens or only_reads(connection))
    await context.rate.check(caller.name, looks=looks)
    return context, caller


async def admitted(
    connection: HTTPConnection,
    uid: Annotated[
        str, Path(description="The user.", examples=["u-4711"], json_schema_extra=id_schema())
    ],
    sid: Annotated[
        str, Path(description="The session.", examples=["D1A406F5"], json_schema_extra=id_schema())
    ],
) -> Address:
    """Return the address of a session that the caller may touch.

    Raises:
        PawfectError: ApiError 401, 403 or 429; INVALID_ARG for ids of another form; ApiError 404
            for a run's job, which has its own routes.
    """
    context, caller = await let_in(connection)
    check_id("uid", uid)
    check_id("sid", sid)
    caller.check(uid)
    if is_run_job(sid):
        raise not_found(sid)
    return Address(uid, sid, context, caller)


Admitted = Annotated[Address, Depends(admitted)]


async def existing(address: Admitted) -> SessionDocument:
    """Return the session as it stands; ApiError 404 where there is none."""
    session = await session_now(address.context.services.sessions, address.uid, address.sid)
    if session is None:
        raise not_found(address.sid)
    return session


Existing = Annotated[SessionDocument, Depends(existing)]


async def one_stream(address: Admitted) -> AsyncIterator[None]:
    """Have a stream of the session's owner open; QUEUE_FULL where it is one too many."""
    with address.context.streams.one(address.uid):
        yield
