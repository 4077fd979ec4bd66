"""The routes of a run's files: what its versions are, and what refinements may look at."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from pawfect_service.api.files import FILE_RESPONSES, job_file
from pawfect_service.api.routes import CREDENTIALS
from pawfect_service.api.runs.page import file_body
from pawfect_service.api.runs.references import keep_reference, remove_reference
from pawfect_service.api.runs.routes import RUN_FAILURES
from pawfect_service.api.runs.run import (
    AdmittedRun,
    job_of,
    jobs_of,
    run_not_found,
)
from pawfect_service.api.runs.state import PREFIX
from pawfect_service.api.uploads import read_file
from pawfect_service.http.failures import ApiError, ErrorAnswer
from pawfect_service.jobs.kinds import REFINE
from pawfect_service.jobs.kinds.cutout_pictures import check_photo
from pawfect_service.jobs.kinds.inpaint import ORIGINAL as PHOTO
from pawfect_service.jobs.paths import parse_job_id

router: Final = APIRouter(prefix=PREFIX, tags=["runs"])


class UploadedFile(BaseModel):
    """A picture that was uploaded."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    file_id: str


@router.get(
    "/{run_id}/files/{name}",
    summary="One of a version's files",
    dependencies=CREDENTIALS,
    response_class=Response,
    responses=FILE_RESPONSES,
)
async def run_file(
    name: str,
    address: AdmittedRun,
    request: Request,
    version: Annotated[
        int | None, Query(description="The newest where not given; 0: the photo, original.jpg.")
    ] = None,
) -> Response:
    """Return a file of a version; `links` of the version names those that there are.

    What it makes is there once the job is completed: image.png without loss, edited.jpg and
    preview.jpg (512 px); of a search candidates.jpg too, a cell each; of a cut-out cutout.png (what
    `output` says), alpha.png (grey, white = subject) and preview.png.
    """
    services, run = address.context.services, address.run
    if version == 0:
        if name != PHOTO:
            raise run_not_found(f"{run}, version 0, which has {PHOTO} alone")
        version = 1
    if version is None:
        jobs = await jobs_of(services.sessions, run)
        version = max(jobs)
        session = jobs[version]
    else:
        # One reading: a page of runs asks for a hundred files.
        session = await job_of(services.sessions, run, version)
    return await job_file(request, services, (run.uid, run.sid(version)), session, name)


@router.get(
    "/{run_id}/refinements/{job_id}/{name}",
    summary="One of a refinement's files",
    dependencies=CREDENTIALS,
    response_class=Response,
    responses=FILE_RESPONSES,
)
async def refinement_file(
    job_id: str, name: str, address: AdmittedRun, request: Request
) -> Response:
    """Return a file of a refinement, such as image.png, as the manifest names it."""
    services, run = address.context.services, address.run
    found = parse_job_id(job_id)
    if found is None or found[0] != run:
        raise run_not_found(f"{run}, job {job_id}")
    session = await job_of(services.sessions, run, found[1])
    if session.kind is not REFINE:
        raise run_not_found(f"{run}, job {job_id}")
    return await job_file(request, services, (run.uid, run.sid(found[1])), session, name)


@router.post(
    "/{run_id}/files",
    status_code=201,
    summary="Upload a reference picture",
    dependencies=CREDENTIALS,
    openapi_extra=file_body("file"),
    responses={
        **RUN_FAILURES,
        409: {"model": ErrorAnswer, "description": "The run is deleted, or has as many as may be"},
        413: {"model": ErrorAnswer, "description": "Too long, or more than the user may keep"},
    },
)
async def upload_reference(address: AdmittedRun, request: Request) -> UploadedFile:
    """Store a picture for refinements of this user's runs to look at.

    It has any format without transparent parts; what is no JPEG is stored as one. Its `fileId` is
    what a payload calls `referenceFileId`.
    """
    services, run = address.context.services, address.run
    writing = await address.context.enqueuer.begin(run.uid)
    await job_of(services.sessions, run, 1)
    data = await read_file(request, "file")
    check = partial(check_photo, headers_only=address.context.enqueuer.counter.busy)
    stored = await services.tools.off_loop(check, data, "file")
    gate = address.context.gate
    file_id, place = await keep_reference(services.stores.files, gate, run, stored)
    try:
        await writing.check(run.sid(1))
        await job_of(services.sessions, run, 1)
    except ApiError:
        # Deleted meanwhile, with all that was there then.
        await remove_reference(services.stores.files, run, file_id)
        if place is not None:
            await gate.keeper.release(run.uid, place.job)
        raise
    return UploadedFile(file_id=file_id)
