"""The routes of a user's data: a copy of all of it, and its deletion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import HTTPConnection

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.api.context import let_in
from pawfect_service.api.routes import CREDENTIALS
from pawfect_service.http.failures import FAILURES
from pawfect_service.jobs.paths import check_id
from pawfect_service.people.deletion import Deleted, Deletions
from pawfect_service.people.export import Export
from pawfect_service.services import Services

# A process sends so many at a time, one of each user: each reads its user's files as fast as it is
# listened to, so nobody who listens slowly has all of them.
EXPORTS_AT_ONCE: Final = 4
_HERE: Final = "/users/{uid}"
_FAILURES: Final[dict[int | str, dict[str, Any]]] = {
    number: FAILURES[number] for number in (400, 401, 403, 429, 503)
}


class People:
    """What the routes stand on.

    Args:
        services: the store.
        deletions: of users' data.
    """

    def __init__(self, services: Services, deletions: Deletions) -> None:
        self.services = services
        self.deletions = deletions
        self._exports: set[str] = set()
        self._deleting: set[asyncio.Task[Deleted]] = set()

    async def delete(self, uid: str) -> Deleted:
        """Delete all that is kept of a user, to its end, also where the client has left."""
        deleting = asyncio.create_task(self.deletions.delete(uid))
        self._deleting.add(deleting)
        deleting.add_done_callback(self._deleting.discard)
        return await asyncio.shield(deleting)

    async def export(self, uid: str) -> AsyncGenerator[bytes, None]:
        """Yield a copy of all that is kept of a user; QUEUE_FULL where too many are under way."""
        if uid in self._exports or len(self._exports) >= EXPORTS_AT_ONCE:
            expected = f"at most one of a user at a time, and {EXPORTS_AT_ONCE} of all"
            raise PawfectError(ErrorKind.QUEUE_FULL, f"export: expected {expected}, got more")
        self._exports.add(uid)
        try:
            export = Export(self.services, self.deletions.kept, uid)
            async with aclosing(export.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._exports.discard(uid)


class DeletedUser(BaseModel):
    """What was deleted of a user."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        json_schema_extra={
            "example": {
                "uid": "u-4711",
                "deleted": {"jobs": 1, "messages": 1, "documents": 12, "files": 61},
                "lateUntil": 1795254230.2,
            }
        },
    )

    uid: str
    deleted: dict[str, int] = Field(
        description="How many there were, by what is kept; of `jobs` those that were cancelled."
    )
    late_until: float = Field(
        description="Until then what was under way elsewhere is kept from coming back, s since "
        "the epoch."
    )


@dataclass(frozen=True)
class UserAddress:
    """A user all of whose data the caller may have, or delete."""

    uid: str
    people: People


async def admitted_user(
    connection: HTTPConnection,
    uid: Annotated[str, Path(description="The user.", examples=["u-4711"])],
) -> UserAddress:
    """Return the address of a user whose data the caller may have; ApiError 401, 403 or 429."""
    _, caller = await let_in(connection)
    check_id("uid", uid)
    caller.check_whole(uid)
    people: People = connection.app.state.people
    return UserAddress(uid, people)


AdmittedUser = Annotated[UserAddress, Depends(admitted_user)]
router: Final = APIRouter(tags=["people"])


@router.get(
    f"{_HERE}/export",
    summary="A copy of all of a user's data",
    dependencies=CREDENTIALS,
    response_class=Response,
    responses={
        **_FAILURES,
        200: {"content": {"application/zip": {}}, "description": "The ZIP, made as it is sent"},
    },
)
async def export_user(address: AdmittedUser) -> Response:
    """Send everything that is kept of a user as one ZIP: documents as JSON, and all files.

    For the user's own credentials, or an admin's of every user. Its `manifest.json`, the last
    entry, has each entry's bytes and SHA-256. A ZIP that breaks off has no end, and no program
    takes it for a whole one.
    """
    pieces = address.people.export(address.uid)
    # The first piece before the answer: what is in its way is an answer of its own.
    first = await anext(pieces)
    name = f"pawfect-{datetime.now(UTC):%Y-%m-%d}.zip"
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_whole(first, pieces), headers=headers, media_type="application/zip")


async def _whole(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


@router.delete(
    _HERE,
    summary="Delete all of a user's data",
    dependencies=CREDENTIALS,
    responses=_FAILURES,
)
async def delete_user(address: AdmittedUser) -> DeletedUser:
    """Cancel the user's jobs and delete everything that is kept of that user, for good.

    For the user's own credentials, or an admin's of every user. What was on its way meanwhile, such
    as an upload, is refused with 409. Done twice it does the same; where it broke off, the same
    call, or a sweep, ends it.
    """
    deleted = await address.people.delete(address.uid)
    return DeletedUser(uid=address.uid, deleted=deleted.counts, late_until=deleted.late_until)


def add_people(app: Any, people: People) -> None:
    """Have an app answer; below `/api/v1` too, where the page's cookie is sent."""
    app.state.people = people
    for prefix in ("/v1", "/api/v1"):
        app.include_router(router, prefix=prefix)
