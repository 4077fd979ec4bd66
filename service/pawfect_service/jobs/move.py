"""What a move of a session's job is: an answer, and what to write."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

from pawfect.contract.errors import PawfectError, QueueAction
from pawfect_service.jobs.contract import MOVES, Status
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.fields import Counts, Failure, Progress

# The progress of a completed job. One that ended otherwise has none: nothing goes on there.
DONE: Final = Progress(stage="done", share=1.0)


class Answer(enum.Enum):
    """What the caller learns; `queue` is what a worker then does with its delivery."""

    QUEUED = "a new job, to be published"
    UNDER_WAY = "this very request has a job without an end; publishing it again does no harm"
    TAKEN = "the session has another request's job, without an end yet"
    RECORDED = "written down"
    CANCELLED = "cancelled"
    FINISHING = "too late to cancel: its result is claimed and being published"
    RUN = "the lease is yours: fill"
    PUBLISH = "the lease is yours: a result is claimed, copy its files and complete"
    GO_ON = "the lease is still yours"
    LATE = "the lease is yours, but the fill has had its time: stop it"
    WON = "yours is the one result: copy its files and complete"
    COMPLETED = "completed"
    FAILED = "failed, for good"
    WAIT_FOR_LABELS = "put back: labels may still come"
    PUT_BACK = "put back: another try may succeed"
    BUSY = "another worker holds it"
    OVER = "gone, of another job, or at its end"

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


def moved(
    answer: Answer, session: SessionDocument, now: float, status: Status, **changes: Any
) -> Step:
    """Return the step to a status that MOVES allows."""
    if status not in MOVES[session.processing_status]:
        raise RuntimeError(f"no move from {session.processing_status} to {status}")
    if status.final:
        progress = DONE if status is Status.COMPLETED else None
        changes |= {"lease": None, "expires_at": None, "progress": progress}
    changes |= {"processing_status": status, "updated_at": now}
    return Step(answer, session.model_copy(update=changes), write=True)


def counted(counts: Counts, name: str) -> Counts:
    """Return counts with one more of a name."""
    return counts.model_copy(update={name: getattr(counts, name) + 1})


def failed(session: SessionDocument, now: float, error: PawfectError, **changes: Any) -> Step:
    """Return the step that ends a job with an error."""
    changes |= {"error": Failure.of(error)}
    return moved(Answer.FAILED, session, now, Status.FAILED, **changes)


def over(session: SessionDocument | None, job: str) -> bool:
    """Return whether nothing more happens to this job."""
    return session is None or session.job != job or session.final
