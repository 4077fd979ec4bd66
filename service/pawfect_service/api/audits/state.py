"""An audit as the API shows it."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from pawfect_service.api.audits.folder import PAGE, AuditFolder, AuditNote
from pawfect_service.api.audits.journal import AuditProgress, Shown, read_journal
from pawfect_service.api.audits.links import Links
from pawfect_service.jobs.fields import Failure

_EXAMPLE: Final[dict[str, Any]] = {
    "uid": "u-4711",
    "sid": "D1A406F5",
    "status": "running",
    "matrix": "t4",
    "prompts": {"one": "grass", "two": "grass with leaves", "five": "patchy green grass"},
    "truth": False,
    "startedAt": 1795253000.2,
    "endedAt": None,
    "progress": {
        "cells": 500,
        "ran": 132,
        "statuses": {"done": 131, "fallen back": 1},
        "last": [
            {
                "setting": {
                    "quantisation": "flux-fill-dev-q4_0",
                    "size": 512,
                    "strength": 1.0,
                    "prompt": "two",
                    "guidance": 4.0,
                    "steps": 20,
                },
                "seed": 0,
                "status": "done",
                "reason": "",
                "totalMs": 21840.3,
                "at": "2026-11-21T10:04:12+00:00",
            }
        ],
    },
    "error": None,
    "links": {"report": None},
    "linksEnd": None,
}


class AuditState(Shown):
    """A session's audit. Times in s since the epoch."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, json_schema_extra={"example": _EXAMPLE}
    )

    uid: str
    sid: str
    status: str = Field(
        description="running, completed, failed, cancelled, or interrupted: the API ended with it"
    )
    matrix: str
    prompts: dict[str, str]
    truth: bool = Field(description="Whether the photo without what is to vanish was given.")
    started_at: float
    ended_at: float | None
    progress: AuditProgress | None = Field(
        description="null: its server is not started yet, or it failed before that."
    )
    error: Failure | None
    links: dict[str, str | None] = Field(
        description="Where the report is to be had, by anybody, until `linksEnd`; null: not yet. "
        "After a new start it is the former one's until that is completed."
    )
    links_end: float | None


def audit_state(
    uid: str, sid: str, folder: AuditFolder, note: AuditNote, links: Links, *, running: bool
) -> AuditState:
    """Return what the API shows of an audit.

    Raises:
        PawfectError: INTERNAL for a damaged journal.
        OSError: the folder cannot be read.
    """
    journal = read_journal(folder.journal)
    token, until = links.token(uid, sid) if folder.page.is_file() else (None, None)
    return AuditState(
        uid=uid,
        sid=sid,
        status=_status(folder, note, running=running),
        matrix=note.matrix,
        prompts=dict(note.prompts),
        truth=note.truth,
        started_at=note.started_at,
        ended_at=note.ended_at,
        progress=journal.progress if journal.runs > note.runs_before else None,
        error=note.error,
        links={"report": None if token is None else f"/v1/audits/{token}/{PAGE}"},
        links_end=until,
    )


def _status(folder: AuditFolder, note: AuditNote, *, running: bool) -> str:
    if running:
        return "running"
    if note.ended_at is not None:
        return "failed" if note.error else "completed"
    return "cancelled" if folder.cancelled.is_file() else "interrupted"
