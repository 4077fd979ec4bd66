"""A job that waits for a worker, and its document edited by hand."""

from __future__ import annotations

from pawfect_service.jobs.contract import JobContract
from pawfect_service.stores.base import Change
from tests.service.stack import Stack

NO_LABELS = JobContract(label_wait_s=0.001)
HERE = "users/u/sessions/s"


async def queued(stack: Stack, **fields) -> str:
    """Queue a job whose labels are known to be none; return its id."""
    answer = await stack.post(**fields)
    assert answer.status_code == 202, answer.text
    await stack.labelled()
    return answer.json()["job"]


async def edit(stack: Stack, **fields) -> None:
    """Edit the document by hand."""
    await stack.documents.update("u", "s", lambda old, now: Change({**old, **fields}))
