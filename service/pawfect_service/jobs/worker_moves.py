"""Moves of a worker: a job is taken up, held, and ended or given back."""

from __future__ import annotations

from typing import Any

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import MAX_REPORT, SessionDocument, attempt_paths, own_paths
from pawfect_service.jobs.fields import Cost, Progress, Result
from pawfect_service.jobs.move import Answer, Held, Moment, Step


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
    return at.moved(answer, session, Status.PROCESSING, lease=at.lease(owner), counts=counts)


def _used_up(what: str, bound: int) -> PawfectError:
    return PawfectError(ErrorKind.INTERNAL, f"{what}: expected an end within {bound}, got none")


def extend_lease(at: Moment, *, job: str, owner: str, progress: Progress | None = None) -> Step:
    """Hold the job for another `lease_s`, `fill_s` in all; GO_ON, LATE, BUSY or OVER.

    All but GO_ON say: stop the work. A clock that goes back gives the work its time anew.
    """
    held = at.held(job, owner)
    if isinstance(held, Step):
        return held
    since = min(held.lease.since, at.now)
    if at.now >= since + at.contract.fill_s:
        return at.stay(Answer.LATE)
    until = min(at.now + at.contract.lease_s, since + at.contract.fill_s)
    longer = held.lease.model_copy(update={"since": since, "until": until})
    changes = {"lease": longer, "progress": progress or held.session.progress}
    return at.moved(Answer.GO_ON, held.session, Status.PROCESSING, **changes)


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
    session = held.session
    if session.result:
        return at.stay(Answer.WON)
    start = session.counts.starts
    files: dict[str, Any] = attempt_paths(at.uid, at.sid, job, start, session.kind)
    changes = {"result": Result(start=start, **files), "report": report, "cost": cost}
    return at.moved(Answer.WON, session, Status.PROCESSING, lease=at.lease(owner), **changes)


def complete(at: Moment, *, job: str) -> Step:
    """Complete a job whose files somebody has copied to their names; COMPLETED or OVER.

    Whoever copied them may: all copy the same claimed files.
    """
    session = at.unfinished(job)
    if session is None or not session.result:
        return at.stay(Answer.OVER)
    paths = own_paths(at.uid, at.sid, session.kind)
    return at.moved(Answer.COMPLETED, session, Status.COMPLETED, paths=paths)


def passing_failure(at: Moment, *, job: str, owner: str, error: PawfectError) -> Step:
    """Give a job back that another try may finish; PUT_BACK, FAILED at its bound, BUSY or OVER.

    Where a result is claimed, its publication has failed and not the work: PUT_BACK, and nothing is
    counted, since `publications` bounds that.
    """
    held = at.held(job, owner)
    if isinstance(held, Step) or held.session.result:
        return _given_back(at, held)
    counts = held.session.counts.plus_one("passing_failures")
    if counts.passing_failures > at.contract.passing_failures:
        return at.failed(held.session, error, counts=counts)
    return _given_back(at, held, counts=counts)


def permanent_failure(at: Moment, *, job: str, owner: str, error: PawfectError) -> Step:
    """Fail a job that no other try would finish; FAILED, PUT_BACK, BUSY or OVER.

    PUT_BACK where a result is claimed: it is made and charged, whatever went wrong after that.
    """
    held = at.held(job, owner)
    if isinstance(held, Step) or held.session.result:
        return _given_back(at, held)
    return at.failed(held.session, error)


def put_back(at: Moment, *, job: str, owner: str) -> Step:
    """Give a job back that its worker has no time left to do; PUT_BACK, BUSY or OVER.

    Its start stays counted, so that this ends too.
    """
    return _given_back(at, at.held(job, owner))


def _given_back(at: Moment, held: Held | Step, **changes: Any) -> Step:
    if isinstance(held, Step):
        return held
    session = held.session
    # A claimed result is never given up: it waits, processing and without a lease, for a publisher.
    status = Status.PROCESSING if session.result else Status.PENDING
    return at.moved(Answer.PUT_BACK, session, status, lease=None, progress=None, **changes)


def result_gone(at: Moment, *, job: str, owner: str) -> Step:
    """Fail a job whose claimed files are no longer there; FAILED, BUSY or OVER."""
    held = at.held(job, owner)
    if isinstance(held, Step):
        return held
    gone = PawfectError(ErrorKind.INTERNAL, "result: expected its files, they are gone")
    return at.failed(held.session, gone)
