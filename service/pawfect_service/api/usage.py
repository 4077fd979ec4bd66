"""The routes by which a user sees what is counted of him, and what consents are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import HTTPConnection

from pawfect_service.api.context import ApiContext, let_in
from pawfect_service.api.cursors import place_of, text_of
from pawfect_service.api.routes import CREDENTIALS
from pawfect_service.http.failures import FAILURES
from pawfect_service.jobs.paths import check_id, is_id
from pawfect_service.quotas.prices import MILLIONTHS
from pawfect_service.stores.base import ConsentMark

router: Final = APIRouter(prefix="/users/{uid}", tags=["usage"])
_FAILURES: Final[dict[int | str, Any]] = {
    number: FAILURES[number] for number in (400, 401, 403, 429, 503)
}
# Consent records of a page at most.
MOST: Final = 100


class _Shown(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class JobsUsed(_Shown):
    """Jobs that wait or run."""

    used: int | None = Field(description="null: they are not counted, since quotas are off.")
    limit: int | None = Field(description="null: any number.")


class BytesUsed(_Shown):
    """Bytes of all files, originals and results."""

    used: int
    limit: int | None = Field(description="null: any number.")


class UsdUsed(_Shown):
    """What judges and engines elsewhere cost, by the jobs queued on this day (UTC), USD."""

    used: float = Field(description="Of jobs that are over.")
    held: float = Field(description="What those under way may cost at most.")
    limit: float | None = Field(description="null: any amount.")


class Usage(_Shown):
    """What a user has, and may have."""

    jobs: JobsUsed
    kept_bytes: BytesUsed
    judge_usd: UsdUsed


class ConsentState(_Shown):
    """A record of consent to a swap. It holds no picture and nothing of a face."""

    uid: str = Field(description="Whose run it is.")
    caller: str | None = Field(description="Who was authenticated and said so.")
    at: float = Field(description="When, s since the epoch.")
    run: str
    job: str
    kind: str
    consent: bool
    text: str = Field(description="What was said, word for word.")
    version: int = Field(description="Of that wording.")
    remote: bool = Field(description="Whether the pictures might leave the server for judges.")
    salt: str = Field(description="Of this record, hexadecimal.")
    pictures: dict[str, str] = Field(
        description="SHA-256 of the salt's bytes and the stored file's, by input."
    )


class Consents(_Shown):
    """A page of a user's consent records, newest first."""

    consents: list[ConsentState]
    next: str | None = Field(description="What `before` is for the next page; null: the last one.")


@dataclass(frozen=True)
class Person:
    """A user of whom the caller may read what is counted and recorded."""

    uid: str
    context: ApiContext


async def readable_person(
    connection: HTTPConnection,
    uid: Annotated[str, Path(description="The user.", examples=["u-4711"])],
) -> Person:
    """Return a user that the caller is, or acts for.

    Raises:
        PawfectError: ApiError 401, 403 or 429; INVALID_ARG for an id of another form.
    """
    context, caller = await let_in(connection)
    check_id("uid", uid)
    caller.check(uid)
    return Person(uid, context)


Readable = Annotated[Person, Depends(readable_person)]


@router.get(
    "/usage",
    summary="What a user has used of the quotas",
    dependencies=CREDENTIALS,
    responses=_FAILURES,
)
async def usage(person: Readable) -> Usage:
    """Return what is used of each quota, and the limits; it lists all of the user's files."""
    found = await person.context.gate.keeper.used(person.uid)
    limits = found.limits
    return Usage(
        jobs=JobsUsed(used=found.jobs, limit=limits.jobs),
        kept_bytes=BytesUsed(used=found.kept_bytes, limit=limits.kept_bytes),
        judge_usd=UsdUsed(
            used=found.spent / MILLIONTHS, held=found.held / MILLIONTHS, limit=limits.judge_usd
        ),
    )


@router.get(
    "/consents",
    summary="Consents to swaps, newest first",
    dependencies=CREDENTIALS,
    responses=_FAILURES,
)
async def consents(
    person: Readable,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Records of a page.")] = 50,
    before: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> Consents:
    """Return a page of what was recorded each time that a swap was asked for."""
    mark = None if before is None else ConsentMark(*place_of(before, is_id))
    records = person.context.services.stores.records
    found = await records.consents(person.uid, limit + 1, mark)
    shown = [ConsentState.model_validate(record) for _, record in found[:limit]]
    name, last = found[limit - 1] if len(found) > limit else ("", {})
    return Consents(consents=shown, next=text_of(last["at"], name) if last else None)
