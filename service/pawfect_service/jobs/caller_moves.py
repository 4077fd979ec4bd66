"""Moves of those who ask: a job is queued, labelled, cancelled, given up."""

from __future__ import annotations

from collections.abc import Mapping

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import Scalar
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import SessionDocument, others_fields, unpublished_paths
from pawfect_service.jobs.fields import SceneLabels, SceneLabelsError, storable
from pawfect_service.jobs.kinds import Kind
from pawfect_service.jobs.move import Answer, Moment, Step


def queue_job(at: Moment, *, job: str, kind: Kind, request: Mapping[str, Scalar]) -> Step:
    """Write a new session, or a new job of one whose last job is over.

    Answers QUEUED, UNDER_WAY where the present job is this request's too, or TAKEN. Labels given by
    the client come by `set_labels`.
    """
    session, now, contract = at.session, at.now, at.contract
    if session and session.job == job:
        return at.stay(Answer.OVER if session.final else Answer.QUEUED)
    if session and not session.final and expire(at).answer is not Answer.FAILED:
        return _present_job(at, session, kind, request)
    fresh = SessionDocument(
        **(others_fields(session.model_extra or {}) if session else {}),
        processing_status=Status.PENDING,
        job_kind=kind.name,
        job=job,
        created_at=session.created_at if session else now,
        updated_at=now,
        queued_at=now,
        label_deadline=now + contract.label_wait_s,
        job_deadline=now + contract.job_s,
        expires_at=now + contract.over_s,
        request=dict(request),
        paths=unpublished_paths(at.uid, at.sid, kind),
    )
    return Step(Answer.QUEUED, fresh, write=True)


def _present_job(
    at: Moment, session: SessionDocument, kind: Kind, request: Mapping[str, Scalar]
) -> Step:
    if session.kind is not kind or dict(session.request) != dict(request):
        return at.stay(Answer.TAKEN)
    if session.repeated or session.processing_status is not Status.PENDING:
        return at.stay(Answer.UNDER_WAY)
    return at.noted(Answer.UNDER_WAY, session, repeated=True)


def set_labels(at: Moment, *, job: str, labels: SceneLabels) -> Step:
    """Record this job's labels, the first that come, whenever they come; RECORDED or OVER."""
    return _labelled(at, job, scene_labels=labels, scene_labels_error=None)


def set_labels_error(at: Moment, *, job: str, error: PawfectError) -> Step:
    """Record that no labels will come, unless there are some; RECORDED or OVER."""
    message = storable(error.message)
    failure = SceneLabelsError(error=error.kind.name, message=message, timestamp=at.now)
    return _labelled(at, job, scene_labels_error=failure)


def _labelled(at: Moment, job: str, **changes: SceneLabels | SceneLabelsError | None) -> Step:
    session = at.session
    if session is None or session.job != job or session.scene_labels:
        return at.stay(Answer.OVER)
    return at.noted(Answer.RECORDED, session, **changes)


def cancel(at: Moment) -> Step:
    """Cancel the present job unless its result is claimed; CANCELLED, FINISHING or OVER."""
    session = at.session
    if session is None or session.final:
        return at.stay(Answer.OVER)
    if session.result:
        return at.stay(Answer.FINISHING)
    return at.moved(Answer.CANCELLED, session, Status.CANCELLED)


def withdraw(at: Moment, *, job: str) -> Step:
    """Cancel a job whose request is answered with a failure, so that nothing is in its way.

    Not one that another request was given too: that one publishes it, or has. Answers as `cancel`,
    or UNDER_WAY.
    """
    session = at.unfinished(job)
    if session is None:
        return at.stay(Answer.OVER)
    return at.stay(Answer.UNDER_WAY) if session.repeated else cancel(at)


def expire(at: Moment) -> Step:
    """Fail a job of which nothing has come long after its deadline; FAILED, OVER or GO_ON.

    Its message was lost or buried, or the API died before it published one.
    """
    session, now, contract = at.session, at.now, at.contract
    if session is None or session.final:
        return at.stay(Answer.OVER)
    held = session.lease and session.lease.until - contract.lease_s <= now < session.lease.until
    expires = min(session.expires_at or now, session.queued_at + contract.over_s)
    if held or now < expires:
        return at.stay(Answer.GO_ON)
    late = PawfectError(ErrorKind.DEADLINE, "job: expected an end in time, got none")
    return at.failed(session, late)
