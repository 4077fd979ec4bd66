"""Moves of those who ask: a job is queued, labelled, cancelled, given up."""

from __future__ import annotations

from collections.abc import Mapping

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.contract import MASK, ORIGINAL, JobContract, Status
from pawfect_service.jobs.document import SessionDocument, others_fields, session_path
from pawfect_service.jobs.fields import Paths, SceneLabels, SceneLabelsError, storable
from pawfect_service.jobs.move import Answer, Step, failed, moved, over


def queue_job(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    uid: str,
    sid: str,
    job: str,
    request: Mapping[str, bool | int | float | str],
) -> Step:
    """Write a new session, or a new job of one whose last job is over.

    Answers QUEUED, UNDER_WAY where the present job is this request's too, or TAKEN. Labels given by
    the client come by `set_labels`.
    """
    if session and session.job == job:
        return Step(Answer.OVER if session.final else Answer.QUEUED, session)
    if session and not expire(session, now, contract).session.final:  # type: ignore[union-attr]
        return _present_job(session, now, request)
    fresh = SessionDocument(
        **(others_fields(session.model_extra or {}) if session else {}),
        processing_status=Status.PENDING,
        job=job,
        created_at=session.created_at if session else now,
        updated_at=now,
        queued_at=now,
        label_deadline=now + contract.label_wait_s,
        job_deadline=now + contract.job_s,
        expires_at=now + contract.over_s,
        request=dict(request),
        paths=Paths(original=session_path(uid, sid, ORIGINAL), mask=session_path(uid, sid, MASK)),
    )
    return Step(Answer.QUEUED, fresh, write=True)


def _present_job(
    session: SessionDocument, now: float, request: Mapping[str, bool | int | float | str]
) -> Step:
    if dict(session.request) != dict(request):
        return Step(Answer.TAKEN, session)
    if session.repeated or session.processing_status is not Status.PENDING:
        return Step(Answer.UNDER_WAY, session)
    noted = session.model_copy(update={"repeated": True, "updated_at": now})
    return Step(Answer.UNDER_WAY, noted, write=True)


def set_labels(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    job: str,
    labels: SceneLabels,
) -> Step:
    """Record this job's labels, the first that come, whenever they come; RECORDED or OVER."""
    if session is None or session.job != job or session.scene_labels:
        return Step(Answer.OVER, session)
    changes = {"scene_labels": labels, "scene_labels_error": None, "updated_at": now}
    return Step(Answer.RECORDED, session.model_copy(update=changes), write=True)


def set_labels_error(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    job: str,
    error: PawfectError,
) -> Step:
    """Record that no labels will come, unless there are some; RECORDED or OVER."""
    if session is None or session.job != job or session.scene_labels:
        return Step(Answer.OVER, session)
    failure = SceneLabelsError(
        error=error.kind.name, message=storable(error.message), timestamp=now
    )
    changes = {"scene_labels_error": failure, "updated_at": now}
    return Step(Answer.RECORDED, session.model_copy(update=changes), write=True)


def cancel(session: SessionDocument | None, now: float, contract: JobContract) -> Step:
    """Cancel the present job unless its result is claimed.

    Returns:
        CANCELLED, FINISHING or OVER.
    """
    if session is None or session.final:
        return Step(Answer.OVER, session)
    if session.result:
        return Step(Answer.FINISHING, session)
    return moved(Answer.CANCELLED, session, now, Status.CANCELLED)


def withdraw(
    session: SessionDocument | None, now: float, contract: JobContract, *, job: str
) -> Step:
    """Cancel a job whose request is answered with a failure, so that nothing is in its way.

    Not one that another request was given too: that one publishes it, or has. Answers as `cancel`,
    or UNDER_WAY.
    """
    if session is None or over(session, job):
        return Step(Answer.OVER, session)
    if session.repeated:
        return Step(Answer.UNDER_WAY, session)
    return cancel(session, now, contract)


def expire(session: SessionDocument | None, now: float, contract: JobContract) -> Step:
    """Fail a job of which nothing has come long after its deadline; FAILED, OVER or GO_ON.

    Its message was lost or buried, or the API died before it published one.
    """
    if session is None or session.final:
        return Step(Answer.OVER, session)
    held = session.lease and session.lease.until - contract.lease_s <= now < session.lease.until
    expires = min(session.expires_at or now, session.queued_at + contract.over_s)
    if held or now < expires:
        return Step(Answer.GO_ON, session)
    late = PawfectError(ErrorKind.DEADLINE, "job: expected an end in time, got none")
    return failed(session, now, late)
