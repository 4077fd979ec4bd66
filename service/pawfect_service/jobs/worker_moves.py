"""Moves of a worker: a job is taken up, held, and ended or given back."""

from __future__ import annotations

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.contract import EDITED, PREVIEW, JobContract, Status
from pawfect_service.jobs.document import MAX_REPORT, SessionDocument, attempt_path, session_path
from pawfect_service.jobs.fields import Cost, Counts, Lease, Progress, Result
from pawfect_service.jobs.move import Answer, Step, counted, failed, moved, over


def take_up(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    job: str,
    owner: str,
) -> Step:
    """Decide what a worker does with a delivery of this job.

    Args:
        session: as it stands.
        now: the store's clock, s.
        contract: the bounds.
        job: the job that the message names.
        owner: a new id for this piece of work.

    Returns:
        RUN, PUBLISH, WAIT_FOR_LABELS, BUSY, FAILED or OVER.
    """
    if session is None or over(session, job):
        return Step(Answer.OVER, session)
    lease, counts = session.lease, session.counts
    if lease and lease.owner == owner:
        return Step(Answer.PUBLISH if session.result else Answer.RUN, session)
    if lease and now < lease.until:
        # A lease longer than any can be: the clock has gone back. It ends by the clock as it is.
        until = min(lease.until, now + contract.lease_s)
        shorter = session.model_copy(update={"lease": lease.model_copy(update={"until": until})})
        return Step(Answer.BUSY, shorter, write=until < lease.until)
    mine = Lease(owner=owner, since=now, until=now + min(contract.lease_s, contract.fill_s))
    if session.result:
        if counts.publications >= contract.publications:
            return failed(session, now, _used_up("publications", contract.publications))
        counts = counted(counts, "publications")
        return moved(Answer.PUBLISH, session, now, Status.PROCESSING, lease=mine, counts=counts)
    if now >= session.job_deadline:
        late = PawfectError(ErrorKind.DEADLINE, "job: expected a start before its deadline")
        return failed(session, now, late)
    if counts.starts >= contract.starts:
        return failed(session, now, _used_up("starts", contract.starts))
    if session.processing_status is Status.PENDING and _wait_for_labels(session, now, contract):
        counts = counted(counts, "label_waits")
        return moved(Answer.WAIT_FOR_LABELS, session, now, Status.PENDING, counts=counts)
    counts = counted(counts, "starts")
    return moved(Answer.RUN, session, now, Status.PROCESSING, lease=mine, counts=counts)


def _wait_for_labels(session: SessionDocument, now: float, contract: JobContract) -> bool:
    if session.scene_labels or session.scene_labels_error:
        return False
    return session.counts.label_waits < contract.label_waits and now < session.label_deadline


def _used_up(what: str, bound: int) -> PawfectError:
    return PawfectError(ErrorKind.INTERNAL, f"{what}: expected an end within {bound}, got none")


def _held(
    session: SessionDocument | None, job: str, owner: str
) -> tuple[SessionDocument, Lease] | Step:
    """Return what a worker holds, or the answer to one whose lease is no longer its own."""
    if session is None or over(session, job):
        return Step(Answer.OVER, session)
    if session.lease is None or session.lease.owner != owner:
        return Step(Answer.BUSY, session)
    return session, session.lease


def extend_lease(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    job: str,
    owner: str,
    progress: Progress | None = None,
) -> Step:
    """Hold the job for another `lease_s`, `fill_s` in all; GO_ON, LATE, BUSY or OVER.

    All but GO_ON say: stop the fill. A clock that goes back gives the fill its time anew.
    """
    held = _held(session, job, owner)
    if isinstance(held, Step):
        return held
    session, lease = held
    since = min(lease.since, now)
    if now >= since + contract.fill_s:
        return Step(Answer.LATE, session)
    until = min(now + contract.lease_s, since + contract.fill_s)
    longer = lease.model_copy(update={"since": since, "until": until})
    changes = {"lease": longer, "progress": progress or session.progress}
    return moved(Answer.GO_ON, session, now, Status.PROCESSING, **changes)


def claim_result(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    uid: str,
    sid: str,
    job: str,
    owner: str,
    report: str,
    cost: Cost,
) -> Step:
    """Make the files that this start has uploaded the job's one result; WON, BUSY or OVER.

    The cost is written here and nowhere else. Who has not won deletes its files.

    Raises:
        PawfectError: INTERNAL for a report that no document holds.
    """
    if len(report) > MAX_REPORT:
        found = f"REPORT: expected up to {MAX_REPORT} characters, got {len(report)}"
        raise PawfectError(ErrorKind.INTERNAL, found)
    held = _held(session, job, owner)
    if isinstance(held, Step):
        return held
    session, _ = held
    if session.result:
        return Step(Answer.WON, session)
    start = session.counts.starts
    result = Result(
        start=start,
        edited=attempt_path(uid, sid, job, start, EDITED),
        preview=attempt_path(uid, sid, job, start, PREVIEW),
    )
    lease = Lease(owner=owner, since=now, until=now + min(contract.lease_s, contract.fill_s))
    changes = {"result": result, "report": report, "cost": cost, "lease": lease}
    return moved(Answer.WON, session, now, Status.PROCESSING, **changes)


def complete(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    uid: str,
    sid: str,
    job: str,
) -> Step:
    """Complete a job whose files somebody has copied to their names; COMPLETED or OVER.

    Whoever copied them may: all copy the same claimed files.
    """
    if session is None or over(session, job) or not session.result:
        return Step(Answer.OVER, session)
    named = {
        "edited": session_path(uid, sid, EDITED),
        "preview": session_path(uid, sid, PREVIEW),
    }
    paths = session.paths.model_copy(update=named)
    return moved(Answer.COMPLETED, session, now, Status.COMPLETED, paths=paths)


def passing_failure(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    job: str,
    owner: str,
    error: PawfectError,
) -> Step:
    """Give a job back that another try may finish; PUT_BACK, FAILED at its bound, BUSY or OVER.

    Where a result is claimed, its publication has failed and not the fill: PUT_BACK, and nothing is
    counted, since `publications` bounds that.
    """
    held = _unclaimed(session, now, job, owner)
    if isinstance(held, Step):
        return held
    session = held
    counts = counted(session.counts, "passing_failures")
    if counts.passing_failures > contract.passing_failures:
        return failed(session, now, error, counts=counts)
    return _given_back(session, now, counts)


def _unclaimed(
    session: SessionDocument | None, now: float, job: str, owner: str
) -> SessionDocument | Step:
    """Return what a worker holds without a result; one that has it goes back, uncounted."""
    held = _held(session, job, owner)
    if isinstance(held, Step):
        return held
    session, _ = held
    return _given_back(session, now, session.counts) if session.result else session


def put_back(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    job: str,
    owner: str,
) -> Step:
    """Give a job back that its worker has no time left to do; PUT_BACK, BUSY or OVER.

    Its start stays counted, so that this ends too.
    """
    held = _held(session, job, owner)
    if isinstance(held, Step):
        return held
    session, _ = held
    return _given_back(session, now, session.counts)


def _given_back(session: SessionDocument, now: float, counts: Counts) -> Step:
    # A claimed result is never given up: it waits, processing and without a lease, for a publisher.
    status = Status.PROCESSING if session.result else Status.PENDING
    changes = {"lease": None, "progress": None, "counts": counts}
    return moved(Answer.PUT_BACK, session, now, status, **changes)


def permanent_failure(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    job: str,
    owner: str,
    error: PawfectError,
) -> Step:
    """Fail a job that no other try would finish; FAILED, PUT_BACK, BUSY or OVER.

    PUT_BACK where a result is claimed: it is made and charged, whatever went wrong after that.
    """
    held = _unclaimed(session, now, job, owner)
    if isinstance(held, Step):
        return held
    session = held
    return failed(session, now, error)


def result_gone(
    session: SessionDocument | None,
    now: float,
    contract: JobContract,
    *,
    job: str,
    owner: str,
) -> Step:
    """Fail a job whose claimed files are no longer there; FAILED, BUSY or OVER."""
    held = _held(session, job, owner)
    if isinstance(held, Step):
        return held
    session, _ = held
    gone = PawfectError(ErrorKind.INTERNAL, "result: expected its files, they are gone")
    return failed(session, now, gone)
