"""The routes of runs: make one from a photo, list, look, cancel, say how good it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field, StrictInt, ValidationError

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.faces import MAX_CALLER
from pawfect.contract.metrics import RATING
from pawfect_service.api.context import ApiContext, let_in
from pawfect_service.api.openapi import links
from pawfect_service.api.routes import CREDENTIALS
from pawfect_service.api.runs.listing import MOST, RunList, list_runs
from pawfect_service.api.runs.manifest import Manifest, manifest
from pawfect_service.api.runs.page import feedback_body, run_body
from pawfect_service.api.runs.run import (
    AdmittedRun,
    RunAddress,
    chosen_version,
    jobs_of,
    owner_of,
    run_not_found,
    waiting_in,
)
from pawfect_service.api.runs.state import PREFIX, RunState, run_state
from pawfect_service.api.uploads import Order, read_json, read_order
from pawfect_service.http.callers import Caller
from pawfect_service.http.failures import FAILURES, ApiError, ErrorAnswer
from pawfect_service.jobs.base import BASE_FIELD
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.feedback import rate
from pawfect_service.jobs.fields import RATINGS, Part, Text
from pawfect_service.jobs.kinds import (
    CUTOUT,
    IMPORT,
    RUN_INPAINT,
    SEARCH,
    SWAP,
    Kind,
    called_in_runs,
    kind_of_run,
)
from pawfect_service.jobs.kinds.inpaint import REMOVE
from pawfect_service.jobs.kinds.request import variant_of
from pawfect_service.jobs.kinds.swap import CALLER
from pawfect_service.jobs.move import Answer
from pawfect_service.jobs.moves import cancel
from pawfect_service.jobs.paths import RunId
from pawfect_service.strict import SHOWN, refused
from pawfect_service.telemetry.metrics import observe, variant_label
from pawfect_service.variants.dealing import choose

router: Final = APIRouter(prefix=PREFIX, tags=["runs"])

_LetIn = Annotated[tuple[ApiContext, Caller], Depends(let_in)]
RUN_FAILURES: Final = {
    **FAILURES,
    404: {"model": ErrorAnswer, "description": "No such run, version or file"},
}


# Of jobs that a run may begin with.
_FIRST_KINDS: Final = tuple(map(called_in_runs, (IMPORT, RUN_INPAINT, CUTOUT, SEARCH, SWAP)))


class _Opinion(Part):
    """What a feedback brings."""

    rating: Annotated[StrictInt, Field(ge=RATINGS[0], le=RATINGS[1])]
    comment: Text | None = None
    version: StrictInt | None = None


@router.post(
    "",
    status_code=202,
    summary="Make a run from a photo",
    response_model=RunState,
    dependencies=CREDENTIALS,
    openapi_extra=run_body(),
    responses={
        202: {"links": links(run_id="runId")},
        **FAILURES,
        408: {"model": ErrorAnswer, "description": "The body came too slowly"},
        409: {"model": ErrorAnswer, "description": "The user's data are being deleted"},
        413: {"model": ErrorAnswer, "description": "Too long, or more than the user may keep"},
    },
)
async def make_run(
    entry: _LetIn,
    request: Request,
    kind: Annotated[
        str,
        Query(
            description="Of the first job: import, inpaint, cutout, search or swap.",
            json_schema_extra={"enum": list(_FIRST_KINDS)},
        ),
    ] = CUTOUT.name,
    user: Annotated[
        str | None, Query(description="Whose run it is, for credentials that are every user's.")
    ] = None,
) -> JSONResponse:
    """Check a photo, store it and queue the run's first job.

    `import` takes `photo` alone: version 1 is the photo as it came, for others to work on. `cutout`
    takes `photo`, and `background` where the subject is to be laid on another picture: of
    any size, the server fits it. `inpaint` takes what a session's does, `search` that and
    `reference`, `swap` what `POST /api/v1/runs/{run_id}/swap` says. The pictures have any format
    without transparent parts, sides 64-16,384 px, at most 110 MP; what is no JPEG is stored as one.
    `parameters`, all optional but a swap's `consent`, are a JSON object. In place of a form with
    files, JSON names files in storage by their paths below `users/{uid}/`.

    Each POST makes a run of its own. Where the API has variants, the user's own one chooses what
    the request leaves open; `variant` says which.
    """
    context, caller = entry
    chosen, uid = _kind(kind), owner_of(caller, user)
    stores, contract = context.services.stores, context.services.sessions.contract
    run = RunId.new(uid)
    with context.enqueuer.counter.counted():
        writing = await context.enqueuer.begin(uid)
        order = await read_order(request, chosen, uid, stores.files, contract)
        if REMOVE in chosen.texts:
            order = await context.naming.with_mask(order)
        await check_swaps(context, chosen)
        order = signed(chosen, caller, varied(context, chosen, uid, caller, order))
        session = await context.enqueuer.enqueue(uid, run.sid(1), chosen, order, writing)
    jobs = {1: session}
    state = run_state(run, jobs, await waiting_in(context.services.sessions, jobs))
    return JSONResponse(state.model_dump(by_alias=True), 202, {"Location": f"{PREFIX}/{run}"})


def _kind(name: str) -> Kind:
    kind = kind_of_run(name)
    # What needs a picture of the run's is no beginning of one.
    if kind is None or BASE_FIELD in kind.fields:
        raise invalid("kind", f"one of {', '.join(_FIRST_KINDS)}", repr(name[:SHOWN]))
    return kind


async def check_swaps(context: ApiContext, kind: Kind) -> None:
    """Raise UNAVAILABLE with what mends it where the server is known not to swap faces."""
    if kind is not SWAP:
        return
    able = await context.abilities.of(SWAP.name)
    if able is not None and not able.available:
        raise PawfectError(ErrorKind.UNAVAILABLE, f"{SWAP.name}: {able.why}")


def signed(kind: Kind, caller: Caller, order: Order) -> Order:
    """Return an order that says who asked, where its kind of jobs does."""
    if not kind.signed:
        return order
    # The name of a key may be longer than what the server takes.
    name = caller.name[:MAX_CALLER]
    return replace(order, parameters={**order.parameters, CALLER: name})


def varied(context: ApiContext, kind: Kind, uid: str, caller: Caller, order: Order) -> Order:
    """Return an order with what the user's variant chooses."""
    if context.variants is None or not kind.varied:
        return order
    choice = choose(context.variants.now(), kind, uid, caller.name, order.parameters)
    longest_s = context.services.sessions.contract.fill_s
    parameters = kind.checked({**choice.parameters, **order.parameters}, longest_s)
    return replace(order, parameters=parameters, variant=choice.variant)


@router.get("/{run_id}", summary="A run", dependencies=CREDENTIALS, responses=RUN_FAILURES)
async def get_run(address: AdmittedRun) -> RunState:
    """Return the run as it stands, read off its jobs."""
    return await _state(address, await jobs_of(address.context.services.sessions, address.run))


async def _state(address: RunAddress, jobs: dict[int, SessionDocument]) -> RunState:
    waiting = await waiting_in(address.context.services.sessions, jobs)
    return run_state(address.run, jobs, waiting)


@router.get(
    "/{run_id}/run.json", summary="Its manifest", dependencies=CREDENTIALS, responses=RUN_FAILURES
)
async def run_manifest(address: AdmittedRun) -> Manifest:
    """Return what was made of the run's picture, read off its jobs at this moment."""
    run = address.run
    return manifest(run, await jobs_of(address.context.services.sessions, run))


@router.delete("/{run_id}", summary="Cancel", dependencies=CREDENTIALS, responses=RUN_FAILURES)
async def cancel_run(address: AdmittedRun) -> RunState:
    """Cancel the run's jobs that are not over, and return the run; what was made stays.

    A job whose result is being published stays as it is: see processingStatus.
    """
    sessions, run = address.context.services.sessions, address.run
    jobs = await jobs_of(sessions, run)
    for version, session in jobs.items():
        if not session.final:
            step = await sessions.move(run.uid, run.sid(version), cancel)
            jobs[version] = step.session or session
    return await _state(address, jobs)


@router.delete(
    "/{run_id}/versions/{version}",
    summary="Cancel one version",
    dependencies=CREDENTIALS,
    responses=RUN_FAILURES,
)
async def cancel_version(address: AdmittedRun, version: int) -> RunState:
    """Cancel the job that makes one version, unless it is over, and return the run."""
    sessions, run = address.context.services.sessions, address.run
    jobs = await jobs_of(sessions, run)
    chosen = chosen_version(run, jobs, version)
    step = await sessions.move(run.uid, run.sid(chosen), cancel)
    return await _state(address, {**jobs, chosen: step.session or jobs[chosen]})


@router.post(
    "/{run_id}/feedback",
    summary="Say how good a version is",
    dependencies=CREDENTIALS,
    openapi_extra=feedback_body(),
    responses={
        **RUN_FAILURES,
        409: {"model": ErrorAnswer, "description": "That version is not completed"},
    },
)
async def give_feedback(address: AdmittedRun, request: Request) -> RunState:
    """Write down the owner's rating, 1 (of no use) to 5, in place of an earlier one."""
    sessions, run = address.context.services.sessions, address.run
    try:
        opinion = _Opinion.model_validate(await read_json(request))
    except ValidationError as error:
        raise refused(error, "feedback") from None
    jobs = await jobs_of(sessions, run)
    version = chosen_version(run, jobs, opinion.version)
    where, rating = (run.uid, run.sid(version)), opinion.rating
    step = await sessions.move(*where, rate, rating=rating, comment=opinion.comment)
    if step.answer is Answer.NOT_DONE:
        message = f"feedback: expected version {version} to be completed, it is not"
        raise ApiError(409, ErrorKind.INVALID_ARG, message)
    if step.session is None:
        raise run_not_found(run)
    kind = step.session.kind
    variant = variant_of({"request": step.session.request})
    observe(RATING, rating, kind=kind.name, variant=variant_label(variant))
    return await _state(address, {**jobs, version: step.session})


@router.get(
    "",
    summary="A user's runs, newest first",
    dependencies=CREDENTIALS,
    responses={number: FAILURES[number] for number in (400, 401, 403, 429, 503)},
)
async def all_runs(
    entry: _LetIn,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Runs of a page.")] = 50,
    before: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    user: Annotated[
        str | None, Query(description="Whose runs, for credentials that are every user's.")
    ] = None,
) -> RunList:
    """Return a page of the runs, as short as a list needs them."""
    context, caller = entry
    return await list_runs(context.services.sessions, owner_of(caller, user), limit, before)
