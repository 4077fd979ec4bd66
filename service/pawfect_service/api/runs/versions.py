"""The routes that make another version of a run: fill it again, search, swap, cut out, refine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pawfect.contract.cutout import CutoutParams
from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.parameters import InpaintParams
from pawfect.contract.search import SearchParams
from pawfect_service.api.context import ApiContext
from pawfect_service.api.routes import CREDENTIALS
from pawfect_service.api.runs.basis import base_version, on_base
from pawfect_service.api.runs.page import refine_body
from pawfect_service.api.runs.refining import read_refinement
from pawfect_service.api.runs.routes import RUN_FAILURES, check_swaps, signed, varied
from pawfect_service.api.runs.run import AdmittedRun, RunAddress, jobs_of, waiting_in
from pawfect_service.api.runs.state import PREFIX, RunState, run_state
from pawfect_service.api.uploads import Order, body_schema, read_order
from pawfect_service.http.failures import ErrorAnswer
from pawfect_service.jobs.kinds import (
    CUTOUT,
    RUN_INPAINT,
    SEARCH,
    SWAP,
    Kind,
    called_in_runs,
    kind_of_run,
)
from pawfect_service.jobs.kinds.inpaint import REMOVE
from pawfect_service.jobs.kinds.refine import REFINE, TYPE

router: Final = APIRouter(prefix=PREFIX, tags=["runs"])
_BASE: Final = "base"
_BASED: Final = {
    **RUN_FAILURES,
    408: {"model": ErrorAnswer, "description": "The body came too slowly"},
    409: {
        "model": ErrorAnswer,
        "description": "The version that it works on is not completed, or the run is deleted",
    },
    413: {"model": ErrorAnswer, "description": "Too long, or more than the user may keep"},
}


@dataclass(frozen=True)
class AnotherForm:
    """What another version of a kind may bring: all but the photo, and which version it works on.

    Attributes:
        called: what runs call the kind.
    """

    called: str

    @property
    def kind(self) -> Kind:
        """The kind of the job."""
        kind = kind_of_run(self.called)
        assert kind is not None
        return kind

    @property
    def fields(self) -> Mapping[str, bool]:
        """File fields, and whether each has to be there."""
        return {name: needed for name, needed in self.kind.fields.items() if name != "photo"}

    @property
    def texts(self) -> tuple[str, ...]:
        """Text fields besides `parameters`."""
        return (*self.kind.texts, _BASE)

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> Mapping[str, Any]:
        """Return the parameters that were given; INVALID_ARG for one that is wrong."""
        return self.kind.checked(parameters, longest_s)


class QueuedJob(BaseModel):
    """A refinement that waits for a worker."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    job_id: str = Field(description="What `/api/v1/ws` and `/api/v1/jobs` know it by.")
    run_id: str
    version: int = Field(description="The version that it makes.")


_INPAINT: Final = AnotherForm(called_in_runs(RUN_INPAINT))
_CUTOUT: Final = AnotherForm(called_in_runs(CUTOUT))
_SEARCH: Final = AnotherForm(called_in_runs(SEARCH))
_SWAP: Final = AnotherForm(called_in_runs(SWAP))
_MASK: Final = "users/u-4711/uploads/leash.png"
_CHARACTER: Final = "users/u-4711/uploads/anna.jpg"


@router.post(
    "/{run_id}/inpaint",
    status_code=202,
    summary="Fill the run's picture again",
    response_model=RunState,
    dependencies=CREDENTIALS,
    openapi_extra=body_schema(
        _INPAINT,
        (InpaintParams.__doc__ or "").partition("Attributes:")[2],
        {"mask": _MASK, "base": 0, "parameters": {"seed": 8}},
        (_BASE,),
    ),
    responses=_BASED,
)
async def inpaint_again(address: AdmittedRun, request: Request) -> JSONResponse:
    """Queue another inpainting of the run, as a version of its own.

    `base` says which version's picture it works on: the newest that is completed where it says
    nothing, `0` for the photo as it came. Another seed with the same mask on the same base is a
    retry. The rest is what a session's inpainting takes; the mask is of the base's size.
    """
    return await _another(address, request, _INPAINT)


@router.post(
    "/{run_id}/search",
    status_code=202,
    summary="Search for the best of many fills",
    response_model=RunState,
    dependencies=CREDENTIALS,
    openapi_extra=body_schema(
        _SEARCH,
        (SearchParams.__doc__ or "").partition("Attributes:")[2],
        {"mask": _MASK, "base": 0, "parameters": {"preset": "photoreal", "seed": 8}},
        (_BASE,),
    ),
    responses=_BASED,
)
async def search(address: AdmittedRun, request: Request) -> JSONResponse:
    """Queue a search, as a version of its own: many candidates, judged; the best is its picture.

    It takes what an inpainting does, `base` as above, and `reference`: who the result is to show,
    for judges of identity. At most 64 candidates in all. `candidates.jpg` has a cell for each, row
    by row; `sheet` in the report says how. With `remote` the pictures leave the server for the
    judges elsewhere. A worker that dies leaves nothing: the next one makes all of them anew.
    """
    return await _another(address, request, _SEARCH)


@router.post(
    "/{run_id}/swap",
    status_code=202,
    summary="Swap a face, with consent",
    response_model=RunState,
    dependencies=CREDENTIALS,
    openapi_extra=body_schema(
        _SWAP,
        (SearchParams.__doc__ or "").partition("Attributes:")[2],
        {"reference": _CHARACTER, "base": 0, "parameters": {"consent": True, "seed": 8}},
        (_BASE,),
    ),
    responses=_BASED,
)
async def swap(address: AdmittedRun, request: Request) -> JSONResponse:
    """Queue a swap, as a version of its own: the face of `reference` in the place of one there.

    It is a search, `preset` photoreal where nothing is said, its first candidate the raw swap.
    `mask`, of the base's size, says which face is meant: the one nearest to it; without it the
    surest. `mask_is`, `invert_mask` and `fit_mask` are as for an inpainting, `prompt` is how to
    refine the face, `base` as above.

    **`parameters` must have `"consent": true` in every request**: everybody whose face is seen or
    shown agrees. It is JSON's own `true`, in a form too, whose `parameters` is JSON text; the text
    `"true"` is refused as its absence is, with 400. `caller` and `proposer` are this service's to
    say: who calls is logged with the job, and stands in its parameters. Every picture that is made
    says in its metadata that a network made part of it.

    Where the server says that it cannot swap, the answer is 503 with what mends that, and nothing
    is queued.
    """
    return await _another(address, request, _SWAP)


@router.post(
    "/{run_id}/cutout",
    status_code=202,
    summary="Cut the subject out of the run's picture",
    response_model=RunState,
    dependencies=CREDENTIALS,
    openapi_extra=body_schema(
        _CUTOUT,
        (CutoutParams.__doc__ or "").partition("Attributes:")[2],
        {"base": 2, "parameters": {"preset": "high"}},
        (_BASE,),
    ),
    responses=_BASED,
)
async def cut_out(address: AdmittedRun, request: Request) -> JSONResponse:
    """Queue a cut-out of one of the run's pictures, as a version of its own; `base` as above.

    What is cut out with transparent parts cannot be worked on in turn.
    """
    return await _another(address, request, _CUTOUT)


async def _another(address: RunAddress, request: Request, form: AnotherForm) -> JSONResponse:
    context, run, kind = address.context, address.run, form.kind
    files, contract = context.services.stores.files, context.services.sessions.contract
    with context.enqueuer.counter.counted():
        writing = await context.enqueuer.begin(run.uid)
        order = await read_order(request, form, run.uid, files, contract, (_BASE,))
        await check_swaps(context, kind)
        async with context.enqueuer.bases:
            order, newest = await _based(address, order)
            if REMOVE in kind.texts:
                order = await context.naming.with_mask(order)
            order = varied(context, kind, run.uid, address.caller, order)
            order = signed(kind, address.caller, order)
            await context.enqueuer.enqueue_version(run, newest, kind, order, writing)
    sessions = context.services.sessions
    jobs = await jobs_of(sessions, run)
    state = run_state(run, jobs, await waiting_in(sessions, jobs))
    return JSONResponse(state.model_dump(by_alias=True), 202, {"Location": f"{PREFIX}/{run}"})


async def _based(address: RunAddress, order: Order) -> tuple[Order, int]:
    """Return an order with the picture that it names, and the newest version there is."""
    jobs = await jobs_of(address.context.services.sessions, address.run)
    texts = dict(order.texts)
    base = base_version(address.run, jobs, read_version(_BASE, texts.pop(_BASE, None)))
    return await on_base(address, replace(order, texts=texts), base), max(jobs)


def read_version(name: str, text: str | None) -> int | None:
    """Return the version that a form names; INVALID_ARG for no number.

    Args:
        name: of the field.
        text: what it says; None: nothing.
    """
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise invalid(name, "a version's number, 0 for the photo", repr(text[:20]))
    return int(text)


@router.post(
    "/{run_id}/refine",
    status_code=201,
    summary="Refine the run's picture",
    response_model=QueuedJob,
    dependencies=CREDENTIALS,
    openapi_extra=refine_body(),
    responses=_BASED,
)
async def refine(address: AdmittedRun, request: Request) -> JSONResponse:
    """Queue a refinement of one of the run's pictures, as a version of its own.

    JSON, or a form whose field `request` is that JSON, with drawn masks as `masks` (a PNG each, in
    the order in which the payload counts them, white = it) and a picture of the subject as
    `reference`. A reference that was uploaded before is named by `referenceFileId`.

    Follow it by `/api/v1/ws/{jobId}` or `/api/v1/jobs/{jobId}/events`.

    What the server says that it cannot do is 503 with what mends that, and nothing is queued.
    """
    context, run = address.context, address.run
    with context.enqueuer.counter.counted():
        writing = await context.enqueuer.begin(run.uid)
        order, base = await read_refinement(request, run.uid, context.services)
        await _check_able(context, order)
        jobs = await jobs_of(context.services.sessions, run)
        async with context.enqueuer.bases:
            order = await on_base(address, order, base_version(run, jobs, base))
            newest = max(jobs)
            version, _ = await context.enqueuer.enqueue_version(run, newest, REFINE, order, writing)
    queued = QueuedJob(job_id=run.job_id(version), run_id=str(run), version=version)
    where = {"Location": f"/api/v1/jobs/{queued.job_id}/events"}
    return JSONResponse(queued.model_dump(by_alias=True), 201, where)


async def _check_able(context: ApiContext, order: Order) -> None:
    """Raise where the server is known not to do what is asked for: no other try would help.

    Raises:
        PawfectError: UNAVAILABLE with what mends it; INVALID_ARG where only a remote engine does it
            and the picture may not leave the server.
    """
    type_ = order.texts[TYPE]
    able = await context.abilities.of(type_)
    if able is None:
        return
    if not able.available:
        raise PawfectError(ErrorKind.UNAVAILABLE, f"{type_}: {able.why}")
    if able.remote and not order.parameters.get("remote", False):
        expected = f"true, since only a remote engine does {type_} here"
        raise invalid("remote", expected, "false: the picture may not leave the server")
