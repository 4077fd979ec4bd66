"""A run as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pawfect_service.api.runs.comparisons import (
    AgreementState,
    Compared,
    agreement_of_version,
    compared,
)
from pawfect_service.api.state import JobState, request_of, shown_of
from pawfect_service.jobs.base import BASE_INPUT
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.fields import Feedback
from pawfect_service.jobs.kinds import called_in_runs
from pawfect_service.jobs.kinds.refine import PAYLOAD, TYPE
from pawfect_service.jobs.paths import RunId
from pawfect_service.strict import lenient_json

PREFIX: Final = "/api/v1/runs"
NOBODY: Final[Mapping[int, int]] = MappingProxyType({})
_EXAMPLE: Final[dict[str, Any]] = {
    "runId": "8c0d6f0e4b1a4d7e9f3c2a5b6d7e8f90.u-4711",
    "user": "u-4711",
    "processingStatus": "completed",
    "createdAt": 1795253000.2,
    "updatedAt": 1795253003.9,
    "versions": [
        {
            "version": 2,
            "jobId": "8c0d6f0e4b1a4d7e9f3c2a5b6d7e8f90-0002.u-4711",
            "kind": "refine",
            "type": "region",
            "payload": {"masks": [{"bbox": [120, 80, 200, 160], "prompt": "grass"}]},
            "parent": 1,
            "processingStatus": "completed",
            "parameters": {"creativity": 2, "seed": 7},
            "progress": {"stage": "done", "share": 1.0},
            "waitingBefore": None,
            "imageUrl": "/api/v1/runs/8c0d6f0e4b1a4d7e9f3c2a5b6d7e8f90.u-4711/files/image.png"
            "?version=2",
            "previewUrl": "/api/v1/runs/8c0d6f0e4b1a4d7e9f3c2a5b6d7e8f90.u-4711/files/preview.jpg"
            "?version=2",
        }
    ],
}


class RunVersion(JobState):
    """One job of a run, and what it made."""

    version: int = Field(description="1 is the first; each job makes one.")
    job_id: str = Field(description="What `/api/v1/ws` and `/api/v1/jobs` know it by.")
    kind: str = Field(description="import, inpaint, cutout, search, swap or refine")
    type: str | None = Field(description="Of a refinement: subject, text, region or general.")
    payload: dict[str, Any] | None = Field(description="Of a refinement, as it was asked for.")
    parent: int = Field(description="The version whose picture it works on; 0: the photo.")
    waiting_before: int | None = Field(
        description="How many jobs wait before it, anybody's; null once it does not wait."
    )
    image_url: str | None = Field(
        description="Its picture, without loss, once it is completed; the next version's base."
    )
    preview_url: str | None = Field(description="A small one, 512 px.")
    variant: str | None = Field(
        description="Which variant chose what the request left open: its name, `default`, or "
        "`own-choice` where the request chose itself. null: there are no variants."
    )
    feedback: Feedback | None
    comparisons: list[Compared] = Field(description="Of a search's candidates, two by two.")
    agreement: AgreementState | None = Field(
        description="How often those agree with the search; null: nothing was compared."
    )


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


def run_state(
    run: RunId, jobs: Mapping[int, SessionDocument], waiting: Mapping[int, int] = NOBODY
) -> RunState:
    """Return what the API shows of a run.

    Args:
        run: which.
        jobs: by the version that each makes, at least one.
        waiting: how many jobs wait before those that wait, by version.
    """
    versions = [
        version_state(run, number, jobs[number], waiting.get(number)) for number in sorted(jobs)
    ]
    return RunState(
        run_id=str(run),
        user=run.uid,
        processing_status=versions[-1].processing_status,
        created_at=min(version.created_at for version in versions),
        updated_at=max(version.updated_at for version in versions),
        versions=versions,
    )


def file_link(run: RunId, version: int, name: str) -> str:
    """Return where one of a version's files is to be had."""
    return f"{PREFIX}/{run}/files/{name}?version={version}"


def version_state(
    run: RunId, number: int, session: SessionDocument, waiting_before: int | None = None
) -> RunVersion:
    """Return what the API shows of one version.

    Args:
        run: which.
        number: of the version.
        session: its job.
        waiting_before: how many jobs wait before it; None: it does not wait.
    """
    kind, request = session.kind, request_of(session)
    shown = shown_of(session, lambda file: file_link(run, number, file))
    links, base = shown["links"], request.base
    if base is not None and BASE_INPUT in links:
        links[BASE_INPUT] = file_link(run, base.holder, base.file)
    completed = session.processing_status is Status.COMPLETED
    return RunVersion(
        **shown,
        version=number,
        job_id=run.job_id(number),
        kind=called_in_runs(kind),
        type=request.texts.get(TYPE),
        payload=lenient_json(request.texts.get(PAYLOAD)),
        parent=0 if base is None else base.parent,
        waiting_before=waiting_before,
        image_url=links[kind.picture] if completed and kind.picture else None,
        preview_url=links.get("preview"),
        variant=request.variant,
        feedback=session.job_feedback,
        comparisons=compared(session),
        agreement=agreement_of_version(session),
    )
