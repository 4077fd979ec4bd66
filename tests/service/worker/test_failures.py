"""Whatever is wrong with a job's files, its document or the server ends as the table has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pawfect.contract.errors import TABLE, ErrorKind, PawfectError, QueueAction
from pawfect_service.jobs.contract import JobContract
from pawfect_service.worker import handler
from tests.pawfect.photo.pictures import encoded, scene
from tests.service.jobs.session import COST
from tests.service.stack import HERE, PHOTO, ROUTE, Stack, running, uncollected


async def failed_for_good(stack: Stack, job: str) -> dict[str, Any]:
    """The state of a job whose next delivery fails it, without another try."""
    assert (await stack.deliver(job)).action is QueueAction.ACK
    state = await stack.state()
    assert state["processingStatus"] == "failed"
    return state


@pytest.mark.parametrize("name", ["original.jpg", "mask_auto.png"])
async def test_a_file_that_vanished_fails_the_job_for_good(alone, name):
    job = await alone.queued()
    await alone.files.delete(f"{HERE}/{name}")
    assert (await failed_for_good(alone, job))["error"] == {
        "kind": "INVALID_ARG",
        "message": f"{name}: expected a file in storage, got none",
    }


async def test_claimed_files_that_vanished_fail_the_job_for_good_at_its_cost(alone):
    job = await alone.queued()
    await alone.claimed(job)
    await alone.edit(lease=None)
    state = await failed_for_good(alone, job)
    assert state["error"]["message"] == "result: expected its files, they are gone"
    assert state["cost"] == COST.model_dump()


async def test_a_published_file_that_vanished_is_not_found(alone, repeat):
    job = await alone.ordered(repeat)
    assert (await alone.deliver(job)).action is QueueAction.ACK
    await alone.files.delete(f"{HERE}/repeated.txt")
    answer = await alone.http.get(ROUTE + "/files/repeated.txt")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (404, "INVALID_ARG")


@pytest.mark.parametrize(
    "data", [encoded(scene(160, 128, seed=9), "JPEG"), PHOTO[:900], b"", b"no picture"]
)
async def test_a_file_that_is_not_the_one_that_was_queued_fails_the_job_for_good(alone, data):
    job = await alone.queued()
    await alone.files.put({f"{HERE}/original.jpg": data})
    error = (await failed_for_good(alone, job))["error"]
    assert error["kind"] == "INVALID_ARG"
    assert "the files that were queued" in error["message"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"seed": "7"}, "seed: expected an integer"),
        ({"sede": 7}, "parameters: expected some of"),
        ({"prompt": 7}, "request.prompt: expected a text"),
        ({"protect": "yes"}, "protect: expected one of auto, none"),
        ({"protect": True}, "protect.png: expected a file in storage"),
    ],
)
async def test_a_request_edited_by_hand_fails_the_job_for_good(alone, request_, message):
    job = await alone.queued()
    await alone.edit(request=request_)
    assert message in (await failed_for_good(alone, job))["error"]["message"]


async def test_a_document_edited_into_an_impossible_state_fails_with_the_reason(alone):
    job = await alone.queued()
    await alone.edit(processingStatus="flying")
    assert (await alone.state())["processingStatus"] == "failed", "shown before it is written"
    assert (await alone.deliver(job)).action is QueueAction.ACK
    document = await alone.documents.get("u", "s")
    assert document["processingStatus"] == "failed"
    assert "processingStatus" in document["error"]["message"]
    assert (await alone.post()).status_code == 202, "the session can be used again"


async def test_a_server_that_is_away_is_a_passing_failure_until_its_bound(store, nowhere):
    contract = JobContract(passing_failures=2)
    async with running(store, nowhere, contract=contract) as stack:
        job = await stack.queued()
        actions = [(await stack.deliver(job)).action for _ in range(3)]
        assert actions == [QueueAction.NACK, QueueAction.NACK, QueueAction.ACK]
        state = await stack.state()
        assert state["processingStatus"] == "failed"
        assert state["error"]["kind"] == "UNAVAILABLE"
        assert state["error"]["message"].startswith("server: ")
        assert nowhere.partition(":")[2] not in json.dumps(state), "nobody reads its address"
        assert state["attempts"]["passingFailures"] == 3
        assert await stack.files.list(f"{HERE}/attempts") == []


@pytest.mark.parametrize("kind", ErrorKind)
async def test_each_kind_of_failure_ends_as_the_table_has_it(alone, monkeypatch, kind):
    async def failing(*_: object) -> None:
        raise PawfectError(kind, "stage: as it is")

    monkeypatch.setattr(handler, "do_work", failing)
    job = await alone.queued()
    outcome = await alone.deliver(job)
    state = await alone.state()
    told = TABLE[kind].queue_action
    for_good = told is QueueAction.FAIL
    assert outcome.action is (QueueAction.ACK if for_good else told)
    assert state["processingStatus"] == ("failed" if for_good else "pending")
    assert state["attempts"]["passingFailures"] == (0 if for_good else 1)
    assert (state["error"] or {"kind": None})["kind"] == (kind.name if for_good else None)
    await alone.cancel()
    assert (await alone.deliver(job)).action is QueueAction.ACK


async def test_an_engine_that_the_server_has_not_ends_too(store, server):
    contract = JobContract(passing_failures=1)
    async with running(store, server.endpoints.grpc, contract=contract) as stack:
        job = await stack.queued(parameters='{"engine": "flux"}')
        assert (await stack.deliver(job)).action is QueueAction.NACK
        assert (await stack.deliver(job)).action is QueueAction.ACK
        assert "flux" in (await stack.state())["error"]["message"]


async def test_work_that_takes_too_long_is_stopped(store, nowhere, repeat):
    contract = JobContract(fill_s=0.5, lease_s=1.0, passing_failures=1)
    repeat.open.clear()
    async with running(store, nowhere, contract=contract) as stack:
        job = await stack.ordered(repeat)
        await stack.deliver(job)
        assert repeat.now == 0
        assert (await stack.deliver(job)).action is QueueAction.ACK
        assert (await stack.state())["error"]["kind"] == "DEADLINE"


async def test_fills_that_fail_keep_no_photo_in_memory(alone):
    job = await alone.queued()
    assert (await alone.deliver(job)).action is QueueAction.NACK
    with uncollected():
        for _ in range(3):
            assert (await alone.deliver(job)).action is QueueAction.NACK
    assert (await alone.state())["attempts"]["passingFailures"] == 4
