"""Which picture a new version of a run works on."""

from __future__ import annotations

from dataclasses import replace

from pawfect.contract.errors import ErrorKind, invalid
from pawfect_service.api.runs.run import RunAddress, chosen_version
from pawfect_service.api.uploads import Order
from pawfect_service.http.failures import ApiError
from pawfect_service.jobs.base import BASE_FIELD, BASE_INPUT, Base
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.paths import RunId
from pawfect_service.services import Services


def base_version(run: RunId, jobs: dict[int, SessionDocument], asked: int | None) -> Base:
    """Return the picture that a new version works on.

    Args:
        run: which.
        jobs: its jobs by version.
        asked: the version; 0: the run's photo; None: the newest that is completed, else the photo.

    Raises:
        PawfectError: ApiError 404 for a version that is not there, 409 for one that is not
            completed; INVALID_ARG for one without a picture.
    """
    if asked is None:
        completed = [n for n, job in jobs.items() if job.processing_status is Status.COMPLETED]
        asked = max(completed, default=0)
    first = jobs[min(jobs)].kind
    if asked == 0 and BASE_INPUT in first.inputs:
        return Base(0, first.inputs[BASE_INPUT])
    session = jobs[chosen_version(run, jobs, asked)]
    if session.processing_status is not Status.COMPLETED:
        message = f"base: expected version {asked} to be completed, it is not"
        raise ApiError(409, ErrorKind.INVALID_ARG, message)
    kind = session.kind
    if kind.picture is None:
        raise invalid("base", "a version with a picture", f"version {asked}, a {kind.name}")
    return Base(asked, {**kind.inputs, **kind.outputs}[kind.picture])


async def on_base(address: RunAddress, order: Order, base: Base) -> Order:
    """Return an order with the picture that it works on; raises as `picture_of`."""
    picture = await picture_of(address.context.services, address.run, base)
    return replace(order, files={**order.files, BASE_FIELD: picture}, base=base)


async def picture_of(services: Services, run: RunId, base: Base) -> bytes:
    """Return a picture of a run's, as it is stored.

    Raises:
        PawfectError: ApiError 404 where somebody has deleted it; else as the store failed.
    """
    try:
        return await services.stores.files.get(base.path(run.uid, run.sid(base.holder)))
    except FileNotFoundError:
        message = f"base: expected the picture of version {base.parent}, it is gone"
        raise ApiError(404, ErrorKind.INVALID_ARG, message) from None
