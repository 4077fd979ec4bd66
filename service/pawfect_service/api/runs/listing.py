"""A user's runs, newest first, a page at a time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pawfect_service.api.cursors import place_of, text_of
from pawfect_service.api.runs.run import versions_of
from pawfect_service.api.runs.state import run_state
from pawfect_service.jobs.paths import RunId, first_of_run
from pawfect_service.sessions import Sessions
from pawfect_service.stores.base import RunMark

# Runs of a page at most: each is a reading of its own.
MOST: Final = 100


class RunSummary(BaseModel):
    """A run, as a list shows it. Times in s since the epoch."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    run_id: str
    created_at: float
    updated_at: float
    processing_status: str = Field(description="Of the newest version.")
    versions: int = Field(description="How many there are.")
    kind: str = Field(description="Of the first version.")
    preview_url: str | None = Field(description="Of the newest version that has one.")


class RunList(BaseModel):
    """A page of a user's runs."""

    runs: list[RunSummary]
    next: str | None = Field(description="What `before` is for the next page; null: the last one.")


def cursor_of(mark: RunMark) -> str:
    """Return a place in the list as a text."""
    return text_of(mark.created_at, mark.sid)


def read_cursor(text: str) -> RunMark:
    """Return the place that a text says; INVALID_ARG for one that no list gave."""
    return RunMark(*place_of(text, first_of_run))


async def list_runs(sessions: Sessions, uid: str, limit: int, before: str | None) -> RunList:
    """Return a page of a user's runs, newest first.

    Args:
        sessions: where they are.
        uid: whose.
        limit: at most so many.
        before: where the page before ended; None: the first page.
    """
    mark = None if before is None else read_cursor(before)
    found = await sessions.documents.newest_runs(uid, limit + 1, mark)
    runs = [RunId.of_job(uid, each.sid) for each in found[:limit]]
    versions = await asyncio.gather(*(versions_of(sessions, run) for run in runs))
    shown = [_summary(run, jobs) for run, jobs in zip(runs, versions, strict=True) if jobs]
    return RunList(runs=shown, next=cursor_of(found[limit - 1]) if len(found) > limit else None)


def _summary(run: RunId, jobs: dict[int, Any]) -> RunSummary:
    state = run_state(run, jobs)
    previews = [each.preview_url for each in state.versions if each.preview_url]
    return RunSummary(
        run_id=state.run_id,
        created_at=state.created_at,
        updated_at=state.updated_at,
        processing_status=state.processing_status,
        versions=len(state.versions),
        kind=state.versions[0].kind,
        preview_url=previews[-1] if previews else None,
    )
