"""A run's `run.json`: read off its jobs each time, so that it is whole at any moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, Field

from pawfect_service.api.runs.comparisons import AgreementState
from pawfect_service.api.runs.state import RunVersion, run_state
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.kinds.refine import REFINE
from pawfect_service.jobs.paths import RunId

MANIFEST: Final = "run.json"


class ManifestVersion(BaseModel):
    """One version. Times in s since the epoch; paths below the run."""

    version: int
    job_id: str
    kind: str
    type: str | None
    payload: dict[str, Any] | None
    parent: int = Field(description="0: the photo")
    image_path: str | None = Field(description="null until it is completed")
    report: dict[str, Any] | None
    created_at: float
    status: str
    agreement: AgreementState | None = Field(
        description="Of a search: how often blind choices between its candidates agree with it."
    )


class Manifest(BaseModel):
    """A run and what was made of it."""

    run_id: str
    created_at: float
    versions: list[ManifestVersion] = Field(description="Oldest first.")
    refinements: list[ManifestVersion] = Field(description="Those that are refinements.")


def manifest(run: RunId, jobs: Mapping[int, SessionDocument]) -> Manifest:
    """Return a run's manifest.

    Args:
        run: which.
        jobs: by the version that each makes, at least one.
    """
    state = run_state(run, jobs)
    versions = [_entry(version) for version in state.versions]
    return Manifest(
        run_id=state.run_id,
        created_at=state.created_at,
        versions=versions,
        refinements=[each for each in versions if each.kind == REFINE.name],
    )


def _entry(version: RunVersion) -> ManifestVersion:
    path = None
    if version.image_url is not None:
        name = version.image_url.partition("?")[0].rpartition("/")[2]
        path = f"files/{name}?version={version.version}"
        if version.kind == REFINE.name:
            path = f"refinements/{version.job_id}/{name}"
    return ManifestVersion(
        version=version.version,
        job_id=version.job_id,
        kind=version.kind,
        type=version.type,
        payload=version.payload,
        parent=version.parent,
        image_path=path,
        report=version.report,
        created_at=version.created_at,
        status=version.processing_status,
        agreement=version.agreement,
    )
