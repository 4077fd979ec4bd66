"""The one move of a job that has ended: what its owner thinks of the result."""

from __future__ import annotations

from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.fields import Feedback
from pawfect_service.jobs.move import Answer, Moment, Step


def rate(at: Moment, *, rating: int, comment: str | None = None) -> Step:
    """Write down what the owner thinks of the result, in place of what was said before.

    Args:
        at: the session, the clock and the bounds.
        rating: 1 to 5.
        comment: in words, at most as long as a document's texts.

    Returns:
        RECORDED; NOT_DONE where the job is not completed; OVER where there is no session.
    """
    session = at.session
    if session is None:
        return at.stay(Answer.OVER)
    if session.processing_status is not Status.COMPLETED:
        return at.stay(Answer.NOT_DONE)
    said = Feedback(rating=rating, comment=comment, at=at.now)
    return at.noted(Answer.RECORDED, session, job_feedback=said)
