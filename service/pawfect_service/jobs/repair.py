"""Documents that no move has written, such as one edited by hand, as failed sessions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import Document, Status
from pawfect_service.jobs.document import (
    SessionDocument,
    foreign_fields,
    from_document,
    unpublished_paths,
)
from pawfect_service.jobs.fields import Counts, Failure, Part, SceneLabels, SceneLabelsError
from pawfect_service.jobs.kinds import INPAINT, KINDS
from pawfect_service.jobs.kinds.request import BASE, base_of
from pawfect_service.jobs.live import Live
from pawfect_service.jobs.paths import first_of_run, is_id, is_run_job

# What a document without a job that can be read gets.
UNKNOWN_JOB: Final = "unknown"


def readable(uid: str, sid: str, document: Document, now: float) -> SessionDocument:
    """Return the session of a document; of an impossible one, a failed session that says why."""
    try:
        return from_document(uid, sid, document)
    except PawfectError as error:
        return failed_document(uid, sid, document, now, error)


def failed_document(
    uid: str, sid: str, document: Document, now: float, error: PawfectError
) -> SessionDocument:
    """Return an impossible document as a failed session.

    What can be read of it stays: job, times, request, counts, labels, and fields that are not ours.
    """

    def kept(name: str, part: type[Part]) -> Any:
        try:
            return part.model_validate(document.get(name), by_alias=True, by_name=False)
        except ValidationError:
            return None

    def time(name: str) -> float:
        value = document.get(name)
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if good and 0 <= value <= now else now  # type: ignore[arg-type,operator]

    name = document.get("jobKind", INPAINT.name)
    kind = KINDS.get(name, INPAINT) if isinstance(name, str) else INPAINT
    job, asked = document.get("job"), document.get("request")
    scalars = asked.items() if isinstance(asked, Mapping) else ()
    request = {name: value for name, value in scalars if _is_scalar(name, value)}
    try:
        paths = unpublished_paths(uid, sid, kind, base_of(request))
    except PawfectError:
        del request[BASE]
        paths = unpublished_paths(uid, sid, kind)
    return SessionDocument(
        **foreign_fields(document),
        processing_status=Status.FAILED,
        job_kind=kind.name,
        job=job if isinstance(job, str) and is_id(job) else UNKNOWN_JOB,
        created_at=time("createdAt"),
        updated_at=now,
        queued_at=time("queuedAt"),
        label_deadline=now,
        job_deadline=now,
        expires_at=None,
        counts=kept("counts", Counts) or Counts(),
        request=request,
        scene_labels=kept("sceneLabels", SceneLabels),
        scene_labels_error=kept("sceneLabelsError", SceneLabelsError),
        paths=paths,
        live=kept("live", Live) or (Live() if is_run_job(sid) else None),
        run_begins=first_of_run(sid),
        error=Failure.of(error),
    )


def _is_scalar(name: object, value: object) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(name, str) and isinstance(value, bool | int | float | str)
