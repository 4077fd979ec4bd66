"""Runs as the tests make them, of the second kind of job where they say no other."""

from __future__ import annotations

from typing import Any

import httpx

from pawfect_service.jobs.message import JobMessage
from pawfect_service.jobs.paths import RunId
from tests.service.stack import Stack, held

RUNS = "/api/v1/runs"
TEXT = {"text": b"ab"}


async def made(stack: Stack, files: dict[str, bytes] | None = None, **query: str) -> httpx.Response:
    """The answer to a POST of a run; its parameters are a field of the form."""
    form = {"parameters": query.pop("parameters", "{}")}
    query = {"kind": "repeat", "user": "u", **query}
    return await stack.http.post(RUNS, params=query, files=files or TEXT, data=form)


async def delivered(stack: Stack, state: dict[str, Any], version: int = 1) -> None:
    """Have a worker handle a version's message."""
    run = RunId.parse(state["runId"])
    assert run is not None
    message = JobMessage(run.uid, run.sid(version), state["versions"][version - 1]["job"])
    await stack.handler().handle(message.to_bytes(), {}, held)


async def completed(stack: Stack, **query: str) -> str:
    """The route of a run whose first job is completed."""
    state = (await made(stack, **query)).json()
    await delivered(stack, state)
    return f"{RUNS}/{state['runId']}"
