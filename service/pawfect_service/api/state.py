"""A session as the API shows it, and its changes as they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.fields import (
    Cost,
    Counts,
    Failure,
    Progress,
    SceneLabels,
    SceneLabelsError,
)
from pawfect_service.jobs.kinds.request import JobRequest
from pawfect_service.jobs.moves import expire
from pawfect_service.jobs.repair import readable
from pawfect_service.sessions import Sessions
from pawfect_service.strict import lenient_json

# Changes are shown at most twice a second.
SHOWN_EVERY_S: Final = 0.5
_EXAMPLE: Final[dict[str, Any]] = {
    "uid": "u-4711",
    "sid": "D1A406F5",
    "job": "5f0c5b1c8f8a4d1f",
    "processingStatus": "processing",
    "createdAt": 1795253000.2,
    "updatedAt": 1795253003.9,
    "queuedAt": 1795253000.2,
    "jobDeadline": 1795253900.2,
    "parameters": {"seed": 7},
    "attempts": {"labelWaits": 1, "passingFailures": 0, "starts": 1, "publications": 0},
    "sceneLabels": {
        "labels": ["grass", "fallen leaves"],
        "scores": [0.91, 0.63],
        "coverage": [0.74, 0.18],
        "source": "sam3",
        "model": "scene_labels",
        "timestamp": 1795253002.1,
    },
    "progress": {"stage": "patch_fill", "share": 0.41},
    "links": {
        "original": "/v1/users/u-4711/sessions/D1A406F5/files/original.jpg",
        "mask": "/v1/users/u-4711/sessions/D1A406F5/files/mask_auto.png",
    },
}


class JobState(BaseModel):
    """A job. Times in s since the epoch."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    job: str = Field(description="This enqueuing; a new POST after the end gets a new one.")
    processing_status: str = Field(
        description="pending, processing, completed, failed or cancelled"
    )
    created_at: float
    updated_at: float
    queued_at: float
    job_deadline: float
    parameters: dict[str, bool | int | float | str]
    prompt: str | None
    note: str | None = Field(
        description="How the mask's file was read, where that had to be found out."
    )
    attempts: Counts
    scene_labels: SceneLabels | None
    scene_labels_error: SceneLabelsError | None
    progress: Progress | None
    report: dict[str, Any] | None = Field(description="How the result came about.")
    cost: Cost | None
    error: Failure | None
    links: dict[str, str | None] = Field(
        description="Where files are to be had, with the same credentials; null: not there."
    )


class SessionState(JobState):
    """A session and its present job. Times in s since the epoch."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    uid: str
    sid: str


def state_of(uid: str, sid: str, session: SessionDocument) -> SessionState:
    """Return what the API shows of a session; its lease and its bookkeeping stay inside."""
    shown = shown_of(session, lambda file: f"/v1/users/{uid}/sessions/{sid}/files/{file}")
    return SessionState(**shown, uid=uid, sid=sid)


def shown_of(session: SessionDocument, link: Callable[[str], str]) -> dict[str, Any]:
    """Return the fields of JobState.

    Args:
        session: whose job.
        link: where one of the job's files is to be had, by its name.
    """
    kind, request = session.kind, request_of(session)
    there = job_files(session)
    links: dict[str, str | None] = {
        name: link(there[name]) if name in there else None
        for name in (*kind.inputs, *kind.optional, *kind.outputs)
    }
    same = JobState.model_fields.keys() & SessionDocument.model_fields.keys()
    shown: dict[str, Any] = {name: getattr(session, name) for name in same}
    return shown | {
        "processing_status": session.processing_status.value,
        "parameters": dict(request.parameters),
        "prompt": request.texts.get("prompt"),
        "note": request.note,
        "attempts": session.counts,
        "report": lenient_json(session.report),
        "links": links,
    }


def job_files(session: SessionDocument) -> dict[str, str]:
    """Return the job's own files by name: what a former job left does not belong to it."""
    files = request_of(session).files(session.kind)
    outputs = session.kind.outputs.items()
    return {**files, **{name: file for name, file in outputs if session.paths.get(name)}}


def request_of(session: SessionDocument) -> JobRequest:
    """Return what was asked for; nothing where somebody has edited it into something else."""
    try:
        return JobRequest.of_document(session.kind, session.request)
    except PawfectError:
        return JobRequest({})


async def session_now(sessions: Sessions, uid: str, sid: str) -> SessionDocument | None:
    """Return a session as it stands, given up where its time is over; None: there is none."""
    document = await sessions.documents.get(uid, sid)
    return None if document is None else await session_of(sessions, uid, sid, document)


async def session_of(sessions: Sessions, uid: str, sid: str, document: Document) -> SessionDocument:
    """Return the session of a document just read, given up where its time is over."""
    session = readable(uid, sid, document, time.time())
    if session.expires_at is not None and session.expires_at <= time.time():
        session = (await sessions.move(uid, sid, expire)).session or session
    return session


async def changes(sessions: Sessions, uid: str, sid: str) -> AsyncGenerator[SessionState]:
    """Yield a session now and after its changes, at most twice a second, until its job is over."""
    watched = sessions.documents.watch(uid, sid)
    following = asyncio.ensure_future(anext(watched, None))
    try:
        while True:
            done, _ = await asyncio.wait({following}, timeout=SHOWN_EVERY_S * 20)
            if not done:
                # Nothing new for a while: perhaps its time is over, which nobody has written down.
                await session_now(sessions, uid, sid)
                continue
            document = following.result()
            if document is None:
                return
            session = readable(uid, sid, document, time.time())
            yield state_of(uid, sid, session)
            if session.final:
                return
            following = asyncio.ensure_future(anext(watched, None))
            await asyncio.sleep(SHOWN_EVERY_S)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        close = getattr(watched, "aclose", None)
        if close is not None:
            await close()
