"""What a move of a session's job is made on, and what it gives: an answer, and what to write."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

from pawfect.contract.errors import PawfectError, QueueAction
from pawfect_service.jobs.contract import MOVES, JobContract, Status
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.fields import Failure, Lease, Progress

# The progress of a completed job. One that ended otherwise has none: nothing goes on there.
DONE: Final = Progress(stage="done", share=1.0)


def _state(session: SessionDocument) -> tuple[object, ...]:
    """Return what those who follow a job are told when it changes."""
    return session.processing_status, session.progress


class Answer(enum.Enum):
    """What the caller learns; `queue` is what a worker then does with its delivery."""

    QUEUED = "a new job, to be published"
    UNDER_WAY = "this very request has a job without an end; publishing it again does no harm"
    TAKEN = "the session has another request's job, without an end yet"
    RECORDED = "written down"
    CANCELLED = "cancelled"
    FINISHING = "too late to cancel: its result is claimed and being published"
    RUN = "the lease is yours: do the work"
    PUBLISH = "the lease is yours: a result is claimed, copy its files and complete"
    GO_ON = "the lease is still yours"
    LATE = "the lease is yours, but the work has had its time: stop it"
    WON = "yours is the one result: copy its files and complete"
    COMPLETED = "completed"
    FAILED = "failed, for good"
    WAIT_FOR_LABELS = "put back: labels may still come"
    PUT_BACK = "put back: another try may succeed"
    BUSY = "another worker holds it"
    OVER = "gone, of another job, or at its end"
    NOT_ADMITTED = "no new job: its user's quotas have not let it in, or it comes too late"
    NOT_DONE = "its result is not there: nothing to have an opinion of"

    @property
    def queue(self) -> QueueAction | None:
        """ACK or NACK the delivery; None: go on."""
        if self in (Answer.WAIT_FOR_LABELS, Answer.PUT_BACK, Answer.BUSY):
            return QueueAction.NACK
        if self in (Answer.COMPLETED, Answer.FAILED, Answer.OVER, Answer.CANCELLED):
            return QueueAction.ACK
        return None


@dataclass(frozen=True)
class Step:
    """One decision.

    Attributes:
        answer: what the caller learns.
        session: the session as it stands then; None where there is none.
        write: whether it is to be written.
    """

    answer: Answer
    session: SessionDocument | None
    write: bool = False


@dataclass(frozen=True)
class Moment:
    """What a move is made on.

    Attributes:
        uid: whose session.
        sid: which.
        session: as it stands; None: there is none.
        now: the store's clock, s.
        contract: the bounds.
    """

    uid: str
    sid: str
    session: SessionDocument | None
    now: float
    contract: JobContract

    def stay(self, answer: Answer) -> Step:
        """Return an answer that writes nothing."""
        return Step(answer, self.session)

    def unfinished(self, job: str) -> SessionDocument | None:
        """Return the session while this job is its own and has no end; else None."""
        session = self.session
        return None if session is None or session.job != job or session.final else session

    def held(self, job: str, owner: str) -> SessionDocument | Step:
        """Return the job that a worker holds, or the answer to one whose lease is not its own."""
        session = self.unfinished(job)
        if session is None:
            return self.stay(Answer.OVER)
        if session.lease is None or session.lease.owner != owner:
            return self.stay(Answer.BUSY)
        return session

    def lease(self, owner: str) -> Lease:
        """Return a lease that begins now."""
        until = self.now + min(self.contract.lease_s, self.contract.fill_s)
        return Lease(owner=owner, since=self.now, until=until)

    def noted(self, answer: Answer, session: SessionDocument, **changes: Any) -> Step:
        """Return the step that changes fields and leaves the status."""
        changed = session.model_copy(update={**changes, "updated_at": self.now})
        if changed.live and _state(changed) != _state(session):
            changed = changed.model_copy(update={"live": changed.live.moved()})
        return Step(answer, changed, write=True)

    def moved(self, answer: Answer, session: SessionDocument, to: Status, **changes: Any) -> Step:
        """Return the step to a status that MOVES allows."""
        if to not in MOVES[session.processing_status]:
            raise RuntimeError(f"no move from {session.processing_status} to {to}")
        if to.final:
            progress = DONE if to is Status.COMPLETED else None
            changes |= {"lease": None, "expires_at": None, "progress": progress}
        return self.noted(answer, session, processing_status=to, **changes)

    def failed(self, session: SessionDocument, error: PawfectError, **changes: Any) -> Step:
        """Return the step that ends a job with an error."""
        changes |= {"error": Failure.of(error)}
        return self.moved(Answer.FAILED, session, Status.FAILED, **changes)
