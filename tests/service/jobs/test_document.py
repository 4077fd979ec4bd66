"""Documents that no move has written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect_service.jobs import moves as t
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import SessionDocument, from_document, to_document
from pawfect_service.jobs.repair import readable
from tests.service.jobs.session import Session


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"processingStatus": "done"}, "document.processingStatus: expected 'pending'"),
        ({"processingStatus": "completed"}, "document: expected"),
        ({"processingStatus": "processing"}, "document: expected a lease or a result"),
        ({"job": "../../x"}, "document.job: expected"),
        ({"job": None}, "document.job: expected"),
        ({"queuedAt": "now"}, "document.queuedAt: expected"),
        ({"queuedAt": float("nan")}, "document.queuedAt: expected"),
        ({"queuedAt": True}, "document.queuedAt: expected"),
        ({"jobDeadline": 1.0}, "document: expected deadlines after the queueing"),
        ({"expiresAt": None}, "document: expected a time of expiry"),
        ({"counts": {"starts": -1}}, "document.counts.starts: expected"),
        ({"counts": {"starts": 1.5}}, "document.counts.starts: expected"),
        ({"counts": {"tries": 1}}, "document.counts.tries: expected"),
        ({"lease": {"owner": "w", "since": 1.0, "until": 2.0}}, "document: expected a lease with"),
        ({"paths": {"original": "/etc/passwd", "mask": "m"}}, "document.paths.original: expected"),
        ({"sceneLabels": {"labels": ["a"]}}, "document.sceneLabels.scores: expected a value"),
        ({"error": {"kind": "INTERNAL", "message": "x"}}, "document: expected an error with"),
        ({"cost": {"amount": 1.0, "unit": "USD", "seconds": 1.0}}, "document: expected result"),
        ({"request": {"seed": [1]}}, "document.request.seed"),
        ({"request": None}, "document.request: expected"),
    ],
)
def test_a_document_edited_into_the_impossible_fails_with_its_reason(edit, said):
    session = Session()
    session.document = {**session.document, **edit, "petName": "Bo"}
    assert session.start() is t.Answer.OVER
    failed = session.session
    assert failed.processing_status is Status.FAILED
    assert failed.error.message.startswith(said)
    assert session.document["petName"] == "Bo"
    assert session("queue_job", job="j2", request={}) is t.Answer.QUEUED
    assert session.document["petName"] == "Bo"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
FIELDS = sorted(field.alias or "" for field in SessionDocument.model_fields.values())


@given(
    edit=st.dictionaries(
        st.sampled_from([*FIELDS, *SessionDocument.model_fields]) | st.text(max_size=9), JSON
    ),
    whole=st.booleans(),
)
def test_whatever_a_document_holds_it_is_readable_and_writable(edit, whole):
    document = edit if whole else {**Session().document, **edit}
    session = readable("u", "s", document, 1e9)
    again = to_document(session)
    assert to_document(from_document("u", "s", again)) is not None
    ours = {*FIELDS, *SessionDocument.model_fields}
    assert again.keys() - ours == document.keys() - ours
