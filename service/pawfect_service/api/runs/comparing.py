"""The routes of blind comparisons: two candidates of a search, and which of them is better."""

from __future__ import annotations

from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import StrictInt, ValidationError

from pawfect.contract.errors import ErrorKind
from pawfect.contract.metrics import COMPARISONS
from pawfect_service.api.routes import CREDENTIALS
from pawfect_service.api.runs.comparisons import (
    ComparisonAnswer,
    ComparisonsReport,
    compared,
    comparisons_report,
)
from pawfect_service.api.runs.routes import RUN_FAILURES
from pawfect_service.api.runs.run import AdmittedRun, chosen_version, jobs_of, run_not_found
from pawfect_service.api.runs.state import PREFIX
from pawfect_service.api.uploads import read_json
from pawfect_service.http.failures import ApiError, ErrorAnswer
from pawfect_service.jobs.comparing import compare
from pawfect_service.jobs.fields import Part
from pawfect_service.jobs.move import Answer
from pawfect_service.strict import refused
from pawfect_service.telemetry.metrics import count

router: Final = APIRouter(prefix=PREFIX, tags=["runs"])


class ComparisonRequest(Part):
    """Which of two candidates is the better one."""

    version: StrictInt | None = None
    left: StrictInt
    right: StrictInt
    choice: Literal["left", "right", "none"]


def _body() -> dict[str, Any]:
    example = {"version": 2, "left": 5, "right": 0, "choice": "left"}
    content = {"schema": ComparisonRequest.model_json_schema(), "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


@router.post(
    "/{run_id}/comparisons",
    summary="Say which of two candidates is better",
    dependencies=CREDENTIALS,
    openapi_extra=_body(),
    responses={
        **RUN_FAILURES,
        409: {
            "model": ErrorAnswer,
            "description": "That search is not completed, or the pair was compared otherwise",
        },
    },
)
async def give_comparison(address: AdmittedRun, request: Request) -> ComparisonAnswer:
    """Write down a choice that was made blind, and say what the search prefers.

    `left` and `right` are candidates of the search that made `version` (the newest where not
    given), `choice` is left, right or none. A pair is compared once: afterwards its owner knows
    what the search prefers. The same once more changes nothing.
    """
    sessions, run = address.context.services.sessions, address.run
    try:
        said = ComparisonRequest.model_validate(await read_json(request))
    except ValidationError as error:
        raise refused(error, "comparison") from None
    jobs = await jobs_of(sessions, run)
    version = chosen_version(run, jobs, said.version)
    left, right, choice = said.left, said.right, said.choice
    step = await sessions.move(
        run.uid, run.sid(version), compare, left=left, right=right, choice=choice
    )
    if step.session is None:
        raise run_not_found(run)
    if step.answer is not Answer.RECORDED:
        expected = {
            Answer.NOT_DONE: f"expected version {version} to be completed, it is not",
            Answer.TAKEN: "expected a pair that was not compared, got one with another choice",
        }[step.answer]
        raise ApiError(409, ErrorKind.INVALID_ARG, f"comparison: {expected}")
    count(COMPARISONS, kind=step.session.kind.name)
    jobs[version] = step.session
    report = comparisons_report(jobs)
    found = next(
        one for one in compared(step.session) if {one.left, one.right} == {said.left, said.right}
    )
    return ComparisonAnswer(comparison=found, version=report.versions[version], run=report.run)


@router.get(
    "/{run_id}/comparisons",
    summary="What came of the comparisons",
    dependencies=CREDENTIALS,
    responses=RUN_FAILURES,
)
async def run_comparisons(address: AdmittedRun) -> ComparisonsReport:
    """Return how often the choices agree with the search, of each search and of the run."""
    return comparisons_report(await jobs_of(address.context.services.sessions, address.run))
