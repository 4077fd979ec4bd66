"""Every move of a session's job, as pure functions of its document, the store's clock and bounds.

    queue_job                             the API: a new job, or the word that one is under way
    cancel, withdraw, expire              the API, a reader
    take_up                               a worker with a delivery in its hands
    extend_lease                          while it works, with its progress
    claim_result, complete                when it has a result: one wins, then it is published
    passing_failure, permanent_failure    when it has none
    put_back                              when it has to stop
    result_gone                           when a claimed result's files are not there any more

`labelling` has those of the task that asks for labels, `feedback` the owner's. Each returns a Step:
what to write, and the answer. They run inside `Documents.update`, see `sessions.Sessions`; a
transaction that is run again after it was committed answers the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import Scalar
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import (
    MAX_REPORT,
    SessionDocument,
    attempt_paths,
    foreign_fields,
    own_paths,
    unpublished_paths,
)
from pawfect_service.jobs.fields import Cost, Progress, Result
from pawfect_service.jobs.kinds import Kind
from pawfect_service.jobs.kinds.request import base_of
from pawfect_service.jobs.live import Live, LiveCandidate, LiveSheet
from pawfect_service.jobs.move import Answer, Moment, Step
from pawfect_service.jobs.paths import first_of_run, is_run_job


def queue_job(at: Moment, *, job: str, kind: Kind, request: Mapping[str, Scalar]) -> Step:
    """Write a new session, or a new job of one whose last job is over.

    A run's job is never replaced: another version is another session. Answers QUEUED, UNDER_WAY
    where the present job is this request's too, or TAKEN. Labels given by the client come by
    `set_labels`.
    """
    session, now, contract = at.session, at.now, at.contract
    of_run = is_run_job(at.sid)
    if session and session.job == job:
        return at.stay(Answer.OVER if session.final else Answer.QUEUED)
    if session and of_run:
        return at.stay(Answer.TAKEN)
    if session and not session.final and expire(at).answer is not Answer.FAILED:
        return _present_job(at, session, kind, request)
    fresh = SessionDocument(
        **(foreign_fields(session.model_extra or {}) if session else {}),
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
        paths=unpublished_paths(at.uid, at.sid, kind, base_of(request)),
        live=Live() if of_run else None,
        run_begins=first_of_run(at.sid),
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


def cancel(at: Moment, *, job: str | None = None) -> Step:
    """Cancel the present job unless its result is claimed; CANCELLED, FINISHING or OVER.

    Args:
        at: the moment.
        job: this one alone; None: whichever it is.
    """
    session = at.session
    if session is None or session.final or job not in (None, session.job):
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


def take_up(at: Moment, *, job: str, owner: str) -> Step:
    """Decide what a worker does with a delivery of this job.

    Args:
        at: the session, the clock and the bounds.
        job: the job that the message names.
        owner: a new id for this piece of work.

    Returns:
        RUN, PUBLISH, WAIT_FOR_LABELS, BUSY, FAILED or OVER.
    """
    session = at.unfinished(job)
    if session is None:
        return at.stay(Answer.OVER)
    lease, counts = session.lease, session.counts
    if lease and lease.owner == owner:
        return at.stay(Answer.PUBLISH if session.result else Answer.RUN)
    if lease and at.now < lease.until:
        # A lease longer than any can be: the clock has gone back. It ends by the clock as it is.
        until = min(lease.until, at.now + at.contract.lease_s)
        shorter = session.model_copy(update={"lease": lease.model_copy(update={"until": until})})
        return Step(Answer.BUSY, shorter, write=until < lease.until)
    if session.result:
        if counts.publications >= at.contract.publications:
            return at.failed(session, _used_up("publications", at.contract.publications))
        return _taken(at, session, Answer.PUBLISH, owner, "publications")
    if at.now >= session.job_deadline:
        late = PawfectError(ErrorKind.DEADLINE, "job: expected a start before its deadline")
        return at.failed(session, late)
    if counts.starts >= at.contract.starts:
        return at.failed(session, _used_up("starts", at.contract.starts))
    if session.processing_status is Status.PENDING and _wait_for_labels(at, session):
        counts = counts.plus_one("label_waits")
        return at.moved(Answer.WAIT_FOR_LABELS, session, Status.PENDING, counts=counts)
    return _taken(at, session, Answer.RUN, owner, "starts")


def _wait_for_labels(at: Moment, session: SessionDocument) -> bool:
    if not session.kind.labelled or session.scene_labels or session.scene_labels_error:
        return False
    waited = session.counts.label_waits >= at.contract.label_waits
    return not waited and at.now < session.label_deadline


def _taken(at: Moment, session: SessionDocument, answer: Answer, owner: str, count: str) -> Step:
    counts = session.counts.plus_one(count)
    changes = {"lease": at.lease(owner), "counts": counts, "live": session.live_anew}
    return at.moved(answer, session, Status.PROCESSING, **changes)


def _used_up(what: str, bound: int) -> PawfectError:
    return PawfectError(ErrorKind.INTERNAL, f"{what}: expected an end within {bound}, got none")


def extend_lease(
    at: Moment,
    *,
    job: str,
    owner: str,
    progress: Progress | None = None,
    lines: Sequence[str] = (),
    preview: bool = False,
    candidates: Sequence[LiveCandidate] = (),
    sheet: LiveSheet | None = None,
) -> Step:
    """Hold the job for another `lease_s`, `fill_s` in all; GO_ON, LATE, BUSY or OVER.

    All but GO_ON say: stop the work. A clock that goes back gives the work its time anew.

    Args:
        at: the session, the clock and the bounds.
        job: the job that the worker holds.
        owner: of the lease.
        progress: how far it is; None: no further.
        lines: new ones of a run's job's log.
        preview: whether there is a new one.
        candidates: new ones of a search.
        sheet: the picture of them; None: as before.
    """
    held = at.held(job, owner)
    if isinstance(held, Step):
        return held
    lease = held.lease or at.lease(owner)
    since = min(lease.since, at.now)
    if at.now >= since + at.contract.fill_s:
        return at.stay(Answer.LATE)
    until = min(at.now + at.contract.lease_s, since + at.contract.fill_s)
    longer = lease.model_copy(update={"since": since, "until": until})
    changes: dict[str, Any] = {"lease": longer, "progress": progress or held.progress}
    if held.live:
        live = held.live.said(lines, at.now).found(candidates, sheet)
        changes["live"] = live.shown() if preview else live
    return at.moved(Answer.GO_ON, held, Status.PROCESSING, **changes)


def claim_result(at: Moment, *, job: str, owner: str, report: str, cost: Cost) -> Step:
    """Make the files that this start has uploaded the job's one result; WON, BUSY or OVER.

    The cost is written here and nowhere else. Who has not won deletes its files.

    Raises:
        PawfectError: INTERNAL for a report that no document holds.
    """
    if len(report) > MAX_REPORT:
        found = f"REPORT: expected up to {MAX_REPORT} characters, got {len(report)}"
        raise PawfectError(ErrorKind.INTERNAL, found)
    held = at.held(job, owner)
    if isinstance(held, Step):
        return held
    if held.result:
        return at.stay(Answer.WON)
    start = held.counts.starts
    files: dict[str, Any] = attempt_paths(at.uid, at.sid, job, start, held.kind)
    changes = {"result": Result(start=start, **files), "report": report, "cost": cost}
    return at.moved(Answer.WON, held, Status.PROCESSING, lease=at.lease(owner), **changes)


def complete(at: Moment, *, job: str) -> Step:
    """Complete a job whose files somebody has copied to their names; COMPLETED or OVER.

    Any worker that copied them may: all copy the same claimed files.
    """
    session = at.unfinished(job)
    if session is None or not session.result:
        return at.stay(Answer.OVER)
    paths = own_paths(at.uid, at.sid, session.kind, base_of(session.request))
    return at.moved(Answer.COMPLETED, session, Status.COMPLETED, paths=paths)


def passing_failure(at: Moment, *, job: str, owner: str, error: PawfectError) -> Step:
    """Give a job back that another try may finish; PUT_BACK, FAILED at its bound, BUSY or OVER.

    Where a result is claimed, its publication has failed and not the work: PUT_BACK, and nothing is
    counted, since `publications` bounds that.
    """
    held = at.held(job, owner)
    if isinstance(held, Step) or held.result:
        return _given_back(at, held)
    counts = held.counts.plus_one("passing_failures")
    if counts.passing_failures > at.contract.passing_failures:
        return at.failed(held, error, counts=counts)
    live = held.live and held.live.said([f"put back: {error.message}"], at.now)
    return _given_back(at, held, counts=counts, live=live)


def permanent_failure(at: Moment, *, job: str, owner: str, error: PawfectError) -> Step:
    """Fail a job that no other try would finish; FAILED, PUT_BACK, BUSY or OVER.

    PUT_BACK where a result is claimed: it is made and charged, whatever went wrong after that.
    """
    held = at.held(job, owner)
    if isinstance(held, Step) or held.result:
        return _given_back(at, held)
    return at.failed(held, error)


def put_back(at: Moment, *, job: str, owner: str) -> Step:
    """Give a job back that its worker has no time left to do; PUT_BACK, BUSY or OVER.

    Its start stays counted, so that this ends too.
    """
    return _given_back(at, at.held(job, owner))


def _given_back(at: Moment, held: SessionDocument | Step, **changes: Any) -> Step:
    if isinstance(held, Step):
        return held
    # A claimed result is never given up: it waits, processing and without a lease, for a publisher.
    status = Status.PROCESSING if held.result else Status.PENDING
    return at.moved(Answer.PUT_BACK, held, status, lease=None, progress=None, **changes)


def result_gone(at: Moment, *, job: str, owner: str) -> Step:
    """Fail a job whose claimed files are no longer there; FAILED, BUSY or OVER."""
    held = at.held(job, owner)
    if isinstance(held, Step):
        return held
    gone = PawfectError(ErrorKind.INTERNAL, "result: expected its files, they are gone")
    return at.failed(held, gone)
