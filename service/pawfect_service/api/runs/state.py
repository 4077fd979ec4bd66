"""A run as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pawfect_service.api.state import JobState, request_of, shown_of
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.fields import Feedback
from pawfect_service.jobs.paths import RunId

PREFIX: Final = "/api/v1/runs"
_EXAMPLE: Final[dict[str, Any]] = {
    "runId": "8c0d6f0e4b1a4d7e9f3c2a5b6d7e8f90.u-4711",
    "user": "u-4711",
    "processingStatus": "completed",
    "createdAt": 1795253000.2,
    "updatedAt": 1795253003.9,
}


class RunVersion(JobState):
    """One job of a run, and what it made."""

    version: int = Field(description="1 is the first; each job makes one.")
    kind: str = Field(description="cutout or inpaint")
    variant: str | None = Field(
        description="Which variant chose what the request left open: its name, `default`, or "
        "`own-choice` where the request chose itself. null: there are no variants."
    )
    feedback: Feedback | None


class RunState(BaseModel):
    """A picture and the jobs done to it. Times in s since the epoch."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, json_schema_extra={"example": _EXAMPLE}
    )

    run_id: str
    user: str = Field(description="Whose run it is.")
    processing_status: str = Field(description="Of the newest version; see there.")
    created_at: float
    updated_at: float
    versions: list[RunVersion] = Field(description="Oldest first.")


def run_state(run: RunId, jobs: Mapping[int, SessionDocument]) -> RunState:
    """Return what the API shows of a run.

    Args:
        run: which.
        jobs: by the version that each makes, at least one.
    """
    versions = [_version(run, number, jobs[number]) for number in sorted(jobs)]
    return RunState(
        run_id=str(run),
        user=run.uid,
        processing_status=versions[-1].processing_status,
        created_at=min(version.created_at for version in versions),
        updated_at=max(version.updated_at for version in versions),
        versions=versions,
    )


def _version(run: RunId, number: int, session: SessionDocument) -> RunVersion:
    shown = shown_of(session, lambda file: f"{PREFIX}/{run}/files/{file}?version={number}")
    return RunVersion(
        **shown,
        version=number,
        kind=session.kind.name,
        variant=request_of(session).variant,
        feedback=session.job_feedback,
    )
