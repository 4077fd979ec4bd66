"""A run that the caller may touch, and its jobs.

A run has no document of its own. Each of its jobs is a session of its owner's, under the one
contract of jobs; what a run is, is read off them, so that two jobs at once lose nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Path
from starlette.requests import HTTPConnection

from pawfect.contract.errors import ErrorKind, invalid
from pawfect_service.api.context import ApiContext, let_in
from pawfect_service.api.state import session_now, session_of
from pawfect_service.http.callers import Caller
from pawfect_service.http.failures import ApiError
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.paths import HIGHEST_VERSION, RunId, check_id
from pawfect_service.sessions import Sessions
from pawfect_service.strict import SHOWN

# So many wait at most as far as anybody is told: who is that far back need not know it better.
MOST_COUNTED: Final = 1000


@dataclass(frozen=True)
class RunAddress:
    """A run that the caller may touch.

    Attributes:
        run: which.
        context: what the routes share.
        caller: who calls.
    """

    run: RunId
    context: ApiContext
    caller: Caller


def run_not_found(run: object) -> ApiError:
    """Return the error of a run, or a version of it, that is not there."""
    shown = str(run)[:SHOWN]
    return ApiError(404, ErrorKind.INVALID_ARG, f"run {shown}: expected one, got none")


def owner_of(caller: Caller, user: str | None) -> str:
    """Return whose run it is to be.

    Args:
        caller: who asks for it.
        user: for whom; None: for itself.

    Raises:
        PawfectError: INVALID_ARG where credentials for all users name none (without any it is
            `me`); ApiError 403 for another user.
    """
    named = user if user is not None else caller.uid or caller.own
    if named is None:
        raise invalid("user", "whose run it is, since these credentials are every user's", "none")
    uid = check_id("user", named)
    caller.check(uid)
    return uid


async def waiting_in(sessions: Sessions, jobs: Mapping[int, SessionDocument]) -> dict[int, int]:
    """Return how many jobs wait before those of a run that wait, by version."""
    pending = {n: job for n, job in jobs.items() if job.processing_status is Status.PENDING}
    counts = await asyncio.gather(*(waiting_before(sessions, job) for job in pending.values()))
    return dict(zip(pending, counts, strict=True))


async def waiting_before(sessions: Sessions, job: SessionDocument) -> int:
    """Return how many jobs wait before one, as far as `MOST_COUNTED`."""
    return await sessions.documents.waiting_before(job.queued_at, MOST_COUNTED)


async def admitted_run(
    connection: HTTPConnection,
    run_id: Annotated[str, Path(description="The run, as its POST named it.")],
) -> RunAddress:
    """Return the address of a run that the caller may touch; ApiError 401, 403, 404 or 429."""
    context, caller = await let_in(connection)
    run = RunId.parse(run_id)
    if run is None:
        raise run_not_found(run_id)
    caller.check(run.uid)
    return RunAddress(run, context, caller)


AdmittedRun = Annotated[RunAddress, Depends(admitted_run)]


async def jobs_of(sessions: Sessions, run: RunId) -> dict[int, SessionDocument]:
    """Return a run's jobs by the version that each makes, oldest first; ApiError 404: none."""
    jobs = await versions_of(sessions, run)
    if not jobs:
        raise run_not_found(run)
    return jobs


async def versions_of(sessions: Sessions, run: RunId) -> dict[int, SessionDocument]:
    """Return a run's jobs by the version that each makes, oldest first; none: there is no run."""
    found = await sessions.documents.named(run.uid, run.prefix)
    return {
        run.version(sid): await session_of(sessions, run.uid, sid, document)
        for sid, document in found
    }


async def job_of(sessions: Sessions, run: RunId, version: int) -> SessionDocument:
    """Return the job that makes a version of a run; ApiError 404 where there is none."""
    there = 1 <= version <= HIGHEST_VERSION
    session = await session_now(sessions, run.uid, run.sid(version)) if there else None
    if session is None:
        raise run_not_found(f"{run}, version {version}")
    return session


def chosen_version(run: RunId, jobs: dict[int, SessionDocument], version: int | None) -> int:
    """Return a version that there is, the newest where none is named; else ApiError 404."""
    chosen = max(jobs) if version is None else version
    if chosen not in jobs:
        raise run_not_found(f"{run}, version {chosen}")
    return chosen
