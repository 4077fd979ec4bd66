"""Feedback as a move: to a completed job alone, whole, and gone with the job that it was about."""

from __future__ import annotations

import json
from functools import partial

import pytest

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.document import from_document
from pawfect_service.jobs.feedback import rate
from pawfect_service.jobs.move import Answer
from pawfect_service.sessions import deciding
from tests.service.jobs.session import CONTRACT, Session


def rated(session: Session, rating: int, comment: str | None = None) -> Answer:
    decide = deciding("u", "s", CONTRACT, partial(rate, rating=rating, comment=comment))
    change = decide(session.document, session.now)
    if change.document is not None:
        session.document = json.loads(json.dumps(change.document))
    answer = change.answer.answer
    assert isinstance(answer, Answer)
    return answer


def completed() -> Session:
    session = Session()
    session.start()
    session.claim()
    session.complete()
    return session


def test_a_completed_jobs_feedback_is_its_last_and_changes_nothing_else():
    session = completed()
    before = session.session
    assert rated(session, 2, "a halo") is Answer.RECORDED
    session.now += 5
    assert rated(session, 4) is Answer.RECORDED
    feedback = session.session.job_feedback
    assert feedback is not None
    assert (feedback.rating, feedback.comment, feedback.at) == (4, None, session.now)
    same = {"job_feedback": None, "updated_at": before.updated_at}
    assert session.session.model_copy(update=same) == before


def test_a_job_that_is_not_completed_has_none():
    pending, cancelled, working = Session(), Session(), Session()
    cancelled("cancel")
    working.start()
    claimed = Session()
    claimed.start()
    claimed.claim()
    for session in (pending, cancelled, working, claimed):
        before = session.document
        assert rated(session, 5) is Answer.NOT_DONE
        assert session.document == before
    nothing = Session()
    nothing.document = None
    assert rated(nothing, 5) is Answer.OVER


def test_a_next_job_of_the_session_begins_without_it():
    session = completed()
    rated(session, 1)
    session("queue_job", job="j2", request={"seed": 4})
    assert session.session.job_feedback is None
    assert session.document is not None
    assert "jobFeedback" not in session.document


@pytest.mark.parametrize(
    "edited", [{"rating": 6, "at": 1.0}, {"rating": True, "at": 1.0}, {"rating": 3}, "5"]
)
def test_feedback_edited_by_hand_into_something_else_is_an_impossible_document(edited):
    session = completed()
    document = {**(session.document or {}), "jobFeedback": edited}
    with pytest.raises(PawfectError, match=r"document\.jobFeedback"):
        from_document("u", "s", document)
    pending = {**(Session().document or {}), "jobFeedback": {"rating": 3, "at": 1.0}}
    with pytest.raises(PawfectError, match="expected feedback to a completed job alone"):
        from_document("u", "s", pending)


def test_a_products_own_field_named_feedback_stays_its_own():
    session = completed()
    document = {**(session.document or {}), "feedback": "thumbs up"}
    assert from_document("u", "s", document).model_extra == {"feedback": "thumbs up"}
