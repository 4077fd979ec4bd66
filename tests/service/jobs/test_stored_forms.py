"""Documents and messages as they were written before there were kinds of jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pawfect_service.jobs.document import from_document, to_document
from pawfect_service.jobs.kinds import INPAINT
from pawfect_service.jobs.kinds.request import JobRequest
from pawfect_service.jobs.message import JobMessage, read_message

HERE = "users/u/sessions/s"
# A product's own fields are among them, one of them named as ours might be.
PENDING: dict[str, Any] = {
    "processingStatus": "pending",
    "job": "j1",
    "createdAt": 1000000000.0,
    "updatedAt": 1000000000.0,
    "queuedAt": 1000000000.0,
    "labelDeadline": 1000000015.0,
    "jobDeadline": 1000000900.0,
    "expiresAt": 1000001230.0,
    "counts": {"labelWaits": 0, "passingFailures": 0, "starts": 0, "publications": 0},
    "lease": None,
    "request": {"seed": 7, "prompt": "grass", "protect": True, "digest": "0" * 64},
    "repeated": False,
    "sceneLabels": None,
    "sceneLabelsError": None,
    "progress": None,
    "result": None,
    "report": None,
    "paths": {
        "original": f"{HERE}/original.jpg",
        "mask": f"{HERE}/mask_auto.png",
        "edited": None,
        "preview": None,
    },
    "cost": None,
    "error": None,
    "petName": "Bo",
    "kind": "product",
}
PROCESSING = {
    **PENDING,
    "processingStatus": "processing",
    "updatedAt": 1000000001.0,
    "counts": {"labelWaits": 0, "passingFailures": 0, "starts": 1, "publications": 0},
    "lease": {"owner": "w1", "since": 1000000001.0, "until": 1000000031.0},
    "sceneLabels": {
        "labels": ["grass"],
        "scores": [0.9],
        "coverage": [1.0],
        "source": "sam3",
        "model": "scene_labels",
        "timestamp": 1.0,
    },
    "progress": {"stage": "denoise", "share": 0.5},
}
CLAIMED = {
    **PROCESSING,
    "result": {
        "start": 1,
        "edited": f"{HERE}/attempts/j1-1-edited.jpg",
        "preview": f"{HERE}/attempts/j1-1-preview.jpg",
    },
    "report": '{"engine": "patch"}',
    "cost": {"amount": 0.01, "unit": "USD", "seconds": 9.5},
}
OVER = {"lease": None, "expiresAt": None, "progress": None}
COMPLETED = {
    **CLAIMED,
    **OVER,
    "processingStatus": "completed",
    "progress": {"stage": "done", "share": 1.0},
    "paths": {
        **PENDING["paths"],
        "edited": f"{HERE}/edited.jpg",
        "preview": f"{HERE}/preview.jpg",
    },
}
FAILED = {
    **PROCESSING,
    **OVER,
    "processingStatus": "failed",
    "error": {"kind": "INVALID_ARG", "message": "mask: expected x"},
}


@pytest.mark.parametrize("document", [PENDING, PROCESSING, CLAIMED, COMPLETED, FAILED])
def test_a_document_without_a_kind_is_an_inpainting_and_is_written_as_it_was(document):
    session = from_document("u", "s", document)
    assert session.kind is INPAINT
    assert json.loads(json.dumps(to_document(session))) == document
    request = JobRequest.of_document(session.kind, session.request)
    assert request == JobRequest({"seed": 7}, {"prompt": "grass"}, ("protect",), "0" * 64)
    assert request.to_document() == document["request"]


def test_a_message_is_what_it_was():
    message = JobMessage("u", "s", "j1")
    assert message.to_bytes() == b'{"uid": "u", "sid": "s", "job": "j1"}'
    assert read_message(message.to_bytes()) == message
