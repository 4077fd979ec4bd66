"""The worker as an endpoint that Pub/Sub pushes to; the same handler as of the pulled jobs."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import FastAPI, Request, Response
from google.auth import transport
from pydantic import BaseModel, BeforeValidator, Field, StrictStr, ValidationError

from pawfect import __version__
from pawfect.contract.errors import ErrorKind, QueueAction
from pawfect_service.http.callers import Anybody, bearer_claims, unknown_caller
from pawfect_service.http.failures import FAILURES, ApiError, add_handlers
from pawfect_service.http.health import add_health
from pawfect_service.http.middleware import UNTOLD, AsItSays, BodyLimit, Crowded, HttpLog
from pawfect_service.services import Services
from pawfect_service.stores.base import Delivery
from pawfect_service.strict import refused, strict_json
from pawfect_service.telemetry.logs import without_got
from pawfect_service.worker.expiry import keep_swept
from pawfect_service.worker.handler import Handler

LOG: Final = logging.getLogger("pawfect.worker")

# The largest message that Pub/Sub takes must get through, to be buried at once: what is refused is
# pushed again until its deliveries are used up. 10 MB are 13.4 MB in base64, and 100 attributes of
# 256 and 1024 bytes up to 0.8 MB where JSON escapes each byte.
MAX_ENVELOPE_BYTES: Final = 16 * 2**20


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("a text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("base64") from None


class Message(BaseModel):
    """A message as Pub/Sub pushes it."""

    message_id: Annotated[StrictStr, Field(alias="messageId")]
    data: Annotated[bytes, BeforeValidator(_decoded)] = b""
    attributes: dict[StrictStr, StrictStr] | None = None


class Envelope(BaseModel):
    """What Pub/Sub pushes."""

    message: Message


_BODY: Final = {
    "requestBody": {"content": {"application/json": {"schema": Envelope.model_json_schema()}}}
}


@dataclass(frozen=True)
class PushCheck:
    """Who may push: Pub/Sub with a token of this service account for this audience.

    Attributes:
        audience: of the token, as the subscription has it.
        email: of the service account, as the subscription has it.
        certificates: fetches Google's certificates.
    """

    audience: str
    email: str
    certificates: transport.Request

    async def check(self, headers: Mapping[str, str]) -> None:
        """Raise ApiError 401 or 403 for anybody else."""
        claims = await bearer_claims(headers, [self.audience], self.certificates)
        if claims is None:
            raise unknown_caller("none")
        if claims.get("email") != self.email or claims.get("email_verified") is not True:
            message = "token: expected the subscription's service account, got another"
            raise ApiError(403, ErrorKind.INVALID_ARG, message)


def read_envelope(body: bytes) -> Delivery:
    """Return the delivery in an envelope of Pub/Sub's.

    Raises:
        PawfectError: INVALID_ARG for anything else.
    """
    try:
        message = Envelope.model_validate(strict_json(body, "envelope")).message
    except ValidationError as error:
        raise refused(error, "envelope") from None
    return Delivery(message.message_id, message.data, message.attributes or {})


class _Places:
    """Lets `jobs` in at a time; others wait for `wait_s` and are then sent away."""

    def __init__(self, jobs: int, wait_s: float) -> None:
        self._jobs = jobs
        self._wait_s = wait_s
        self._free = asyncio.Semaphore(jobs)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Have a place for the length of the block; ApiError 503 where none gets free in time."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            message = f"worker: expected a free place, got {self._jobs} jobs that take long"
            raise ApiError(503, ErrorKind.UNAVAILABLE, message) from None
        try:
            yield
        finally:
            self._free.release()

    async def all(self) -> None:
        """Return once nobody has a place, and nobody gets one any more."""
        for _ in range(self._jobs):
            await self._free.acquire()


def create_push_app(
    services: Services,
    handler: Handler,
    check: PushCheck | None,
    jobs: int,
    keep_days: float | None = None,
) -> FastAPI:
    """Return the app of a pushed worker.

    204 acknowledges; 503 has Pub/Sub send the message again after the subscription's backoff. Its
    acknowledgement deadline must be longer than `fill_s`, as `ensure_topics` makes it; the job's
    lease is in the document. A push that is cancelled gives its job back before the app ends.

    Args:
        services: store and server.
        handler: does the work.
        check: who may push; None: everybody (on loopback alone).
        jobs: how many at a time; a push waits for its turn as long as a lease.
        keep_days: how long what nothing changes is kept, days; None: for ever.
    """
    places = _Places(jobs, services.sessions.contract.lease_s)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(keep_swept(services, keep_days))
        yield
        # The server has cancelled what went on for too long: it is just being given back.
        await places.all()
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)

    app = FastAPI(
        title="Pawfect worker",
        version=__version__,
        lifespan=lifespan,
        telemetry=UNTOLD,
        docs_url=None,
        redoc_url=None,
    )

    async def hold(seconds: float) -> None:
        """Nothing: a push is held by its deadline alone."""

    @app.post(
        "/v1/worker/push",
        status_code=204,
        tags=["worker"],
        response_class=Response,
        responses={status: FAILURES[status] for status in (400, 401, 403, 503)},
        openapi_extra=_BODY,
    )
    async def push(request: Request) -> Response:
        """Work on a message that Pub/Sub pushes."""
        if check is not None:
            await check.check(request.headers)
        else:
            # No page elsewhere has a browser of this machine push.
            await Anybody().caller(request.headers)
        delivery = read_envelope(await request.body())
        async with places.one():
            outcome = await handler.handle(delivery.data, delivery.attributes, hold)
        if outcome.action is QueueAction.NACK:
            raise ApiError(503, ErrorKind.UNAVAILABLE, f"delivery: {outcome.reason}")
        if outcome.action is None:
            fields = {"why": without_got(outcome.reason), "messageId": delivery.message_id}
            LOG.error("buried", extra=fields)
            await services.stores.queue.bury(delivery, outcome.reason)
        return Response(status_code=204)

    add_health(app, services.readiness)
    add_handlers(app)
    app.add_middleware(BodyLimit, at_most=MAX_ENVELOPE_BYTES)
    app.add_middleware(Crowded)
    app.add_middleware(AsItSays)
    app.add_middleware(HttpLog)
    return app
