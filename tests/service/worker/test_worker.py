"""What becomes of a delivery, whatever is wrong with it, its files, its document or the server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from itertools import pairwise

import pytest

from pawfect.contract.errors import TABLE, ErrorKind, PawfectError, QueueAction
from pawfect_service.api import enqueue
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.message import JobMessage
from pawfect_service.jobs.moves import claim_result, take_up
from pawfect_service.stores.base import Change
from pawfect_service.worker import handler
from pawfect_service.worker.expiry import sweep
from pawfect_service.worker.handler import Verdict
from pawfect_service.worker.held_job import HeldJob
from pawfect_service.worker.lease import Pulse
from tests.client.serving import answers, long_job
from tests.pawfect.photo.pictures import encoded, hole, scene
from tests.service.stack import MASK, PHOTO, Stack, held, running, uncollected

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


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 4000,
        b"[]",
        b"\xff\xfe",
        b'{"uid": "u", "sid": "s"}',
        b'{"uid": "u", "sid": "s", "job": 7}',
        b'{"uid": "../v", "sid": "s", "job": "j"}',
        b'{"uid": "u", "sid": "s", "job": "j", "more": 1}',
        b" " * 5000,
    ],
)
async def test_a_message_that_is_none_is_buried_with_its_reason(alone, data):
    verdict = await alone.handler().handle(data, {}, held)
    assert verdict.action is None
    assert verdict.reason.startswith("message")


async def test_a_buried_message_is_a_dead_letter_and_the_next_one_is_worked_on(stack):
    queue = stack.services.stores.queue
    await queue.publish(b"poison", {})
    await stack.post()
    async with stack.working():
        assert (await stack.over())["processingStatus"] == "completed"
        letters = await queue.dead_letters(10)
    assert [letter.data for letter in letters] == [b"poison"]
    assert "JSON" in letters[0].reason


async def test_a_job_of_nobody_or_of_another_time_is_done_with(alone):
    job = await queued(alone)
    for name, sid in ((job, "other"), ("another", "s")):
        assert (await alone.deliver(name, sid=sid)).action is QueueAction.ACK
    assert (await alone.state())["processingStatus"] == "pending"


@pytest.mark.parametrize("name", ["original.jpg", "mask_auto.png"])
async def test_a_file_that_vanished_fails_the_job_for_good(alone, name):
    job = await queued(alone)
    await alone.files.delete(f"{HERE}/{name}")
    assert (await alone.deliver(job)).action is QueueAction.ACK
    state = await alone.state()
    assert state["processingStatus"] == "failed"
    assert state["error"] == {
        "kind": "INVALID_ARG",
        "message": f"{name}: expected a file in storage, got none",
    }


async def test_claimed_files_that_vanished_fail_the_job_for_good_at_its_cost(alone):
    job = await queued(alone)
    sessions, mine = alone.services.sessions, {"job": job, "owner": "crashed"}
    await sessions.move("u", "s", take_up, **mine)
    cost = alone.handler()._price.of(1.0)
    await sessions.move("u", "s", claim_result, **mine, report="{}", cost=cost)
    await edit(alone, lease=None)
    assert (await alone.deliver(job)).action is QueueAction.ACK
    state = await alone.state()
    assert state["processingStatus"] == "failed"
    assert state["error"]["message"] == "result: expected its files, they are gone"
    assert state["cost"]["seconds"] == 1.0


async def test_a_published_file_that_vanished_is_not_found(stack):
    job = await queued(stack)
    assert (await stack.deliver(job)).action is QueueAction.ACK
    await stack.files.delete(f"{HERE}/edited.jpg")
    answer = await stack.http.get("/v1/users/u/sessions/s/files/edited.jpg")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (404, "INVALID_ARG")


@pytest.mark.parametrize(
    "data", [encoded(scene(160, 128, seed=9), "JPEG"), PHOTO[:900], b"", b"no picture"]
)
async def test_a_file_that_is_not_the_one_that_was_queued_fails_the_job_for_good(alone, data):
    job = await queued(alone)
    await alone.files.put({f"{HERE}/original.jpg": data})
    assert (await alone.deliver(job)).action is QueueAction.ACK
    error = (await alone.state())["error"]
    assert error["kind"] == "INVALID_ARG"
    assert "the files that were queued" in error["message"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"seed": "7"}, "seed: expected an integer"),
        ({"sede": 7}, "parameters: expected some of"),
        ({"prompt": 7}, "request.prompt: expected a text"),
        ({"protect": "yes"}, "request.protect: expected true or false"),
        ({"protect": True}, "protect.png: expected a file in storage"),
    ],
)
async def test_a_request_edited_by_hand_fails_the_job_for_good(alone, request_, message):
    job = await queued(alone)
    await edit(alone, request=request_)
    assert (await alone.deliver(job)).action is QueueAction.ACK
    state = await alone.state()
    assert state["processingStatus"] == "failed"
    assert message in state["error"]["message"]


async def test_a_document_edited_into_an_impossible_state_fails_with_the_reason(alone):
    job = await queued(alone)
    await edit(alone, processingStatus="flying")
    assert (await alone.state())["processingStatus"] == "failed", "shown before it is written"
    assert (await alone.deliver(job)).action is QueueAction.ACK
    document = await alone.documents.get("u", "s")
    assert document["processingStatus"] == "failed"
    assert "processingStatus" in document["error"]["message"]
    assert (await alone.post()).status_code == 202, "the session can be used again"


async def test_a_server_that_is_away_is_a_passing_failure_until_its_bound(store, nowhere):
    contract = JobContract(passing_failures=2)
    async with running(store, nowhere, contract=contract) as stack:
        job = await queued(stack)
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
    job = await queued(alone)
    verdict = await alone.deliver(job)
    state = await alone.state()
    told = TABLE[kind].queue_action
    for_good = told is QueueAction.FAIL
    assert verdict.action is (QueueAction.ACK if for_good else told)
    assert state["processingStatus"] == ("failed" if for_good else "pending")
    assert state["attempts"]["passingFailures"] == (0 if for_good else 1)
    assert (state["error"] or {"kind": None})["kind"] == (kind.name if for_good else None)
    await alone.http.delete("/v1/users/u/sessions/s")
    assert (await alone.deliver(job)).action is QueueAction.ACK


async def test_an_engine_that_the_server_has_not_ends_too(store, server):
    contract = JobContract(passing_failures=1)
    async with running(store, server.endpoints.grpc, contract=contract) as stack:
        job = await queued(stack, parameters='{"engine": "flux"}')
        assert (await stack.deliver(job)).action is QueueAction.NACK
        assert (await stack.deliver(job)).action is QueueAction.ACK
        assert "flux" in (await stack.state())["error"]["message"]


async def test_a_fill_that_takes_too_long_is_stopped(store, server):
    contract = JobContract(fill_s=1.0, lease_s=2.0, passing_failures=1)
    image, mask = long_job()
    async with running(store, server.endpoints.grpc, contract=contract) as stack:
        job = await queued(
            stack,
            photo=encoded(image, "JPEG"),
            mask=encoded(mask, "PNG"),
            parameters='{"deadline_ms": 1000}',
        )
        await stack.deliver(job)
        assert (await stack.deliver(job)).action is QueueAction.ACK
        assert (await stack.state())["error"]["kind"] == "DEADLINE"


async def test_progress_reaches_the_document_at_most_twice_a_second(alone, monkeypatch):
    job = await queued(alone)
    step = await alone.services.sessions.move("u", "s", take_up, job=job, owner="w")
    message = JobMessage("u", "s", job)
    pulse = Pulse(HeldJob(alone.services.sessions, message, step.session, held, "w"))
    update, written = alone.documents.update, []

    async def noted(*arguments):
        written.append(time.monotonic())
        return await update(*arguments)

    monkeypatch.setattr(alone.documents, "update", noted)
    beating = asyncio.create_task(pulse.run())
    for share in range(1, 101):
        pulse.tell("denoise", share / 100)
        await asyncio.sleep(0.02)
    await alone.until(lambda state: state["progress"] == {"stage": "denoise", "share": 1.0})
    beating.cancel()
    pauses = [later - earlier for earlier, later in pairwise(written)]
    assert len(written) >= 3
    assert min(pauses) > 0.45


async def test_two_workers_with_the_same_job_make_one_result(stack):
    job = await queued(stack)
    verdicts = await asyncio.gather(*(stack.deliver(job) for _ in range(3)))
    actions = sorted(verdict.action.value for verdict in verdicts)
    assert actions == ["ack", "nack", "nack"]
    state = await stack.state()
    assert (state["processingStatus"], state["attempts"]["starts"]) == ("completed", 1)
    again = await stack.deliver(job)
    assert again == Verdict(QueueAction.ACK, "gone, of another job, or at its end")
    assert await stack.state() == state, "a delivery after the end changes nothing"


async def test_a_result_that_a_crash_left_claimed_is_published_and_not_made_again(stack, server):
    contract = JobContract(lease_s=0.2)
    object.__setattr__(stack.services.sessions, "contract", contract)
    job = await queued(stack)
    sessions, files = stack.services.sessions, stack.files
    report = json.dumps({"engine": "patch"})
    await sessions.move("u", "s", take_up, job=job, owner="crashed")
    for name in ("edited.jpg", "preview.jpg"):
        await files.put({f"{HERE}/attempts/{job}-1-{name}": name.encode()})
    cost = stack.handler()._price.of(1.0)
    named = {"job": job, "owner": "crashed"}
    await sessions.move("u", "s", claim_result, **named, report=report, cost=cost)
    before = answers(server, "inpaint_stream", "OK")
    assert (await stack.deliver(job)).action is QueueAction.NACK, "its lease still holds"
    await asyncio.sleep(0.3)
    assert (await stack.deliver(job)).action is QueueAction.ACK
    state = await stack.state()
    assert (state["processingStatus"], state["cost"]["seconds"]) == ("completed", 1.0)
    assert await stack.file("edited.jpg") == b"edited.jpg"
    assert await files.list(f"{HERE}/attempts") == []
    assert answers(server, "inpaint_stream", "OK") == before


async def test_a_worker_that_lost_its_lease_deletes_what_it_made(stack, monkeypatch):
    job = await queued(stack)
    put = stack.files.put

    async def put_and_lose(files: Mapping[str, bytes]) -> None:
        await put(files)
        document = await stack.documents.get("u", "s")
        if document["lease"]["owner"] != "another":
            await edit(stack, lease={**document["lease"], "owner": "another"})

    monkeypatch.setattr(stack.files, "put", put_and_lose)
    assert (await stack.deliver(job)).action is QueueAction.NACK
    assert await stack.files.list(f"{HERE}/attempts") == []
    assert (await stack.state())["links"]["edited"] is None


async def test_a_worker_told_to_stop_finishes_what_it_has(stack):
    await queued(stack)
    async with stack.working(grace_s=60) as stop:
        await stack.until(lambda state: state["processingStatus"] == "processing")
        stop.set()
    assert (await stack.state())["processingStatus"] == "completed"


async def test_a_worker_without_time_gives_its_job_back_for_others_to_do(stack):
    image, mask = long_job()
    job = await queued(stack, photo=encoded(image, "JPEG"), mask=encoded(mask, "PNG"))
    async with stack.working(grace_s=0.1) as stop:
        await stack.until(lambda state: state["progress"])
        stop.set()
    state = await stack.state()
    assert (state["processingStatus"], state["job"]) == ("pending", job)
    assert state["attempts"]["passingFailures"] == 0
    await stack.http.delete("/v1/users/u/sessions/s")
    async with stack.working():
        await asyncio.sleep(1.5)
    assert [d async for d in waiting(stack)] == [], "its message was put back, then acked"


async def waiting(stack):
    deliveries = stack.services.stores.queue.deliveries(1)
    try:
        async with asyncio.timeout(0.5):
            yield await anext(deliveries)
    except TimeoutError:
        return
    finally:
        await deliveries.aclose()


async def test_overdue_jobs_are_swept(alone):
    await queued(alone)
    await edit(alone, expiresAt=1.0)
    assert await sweep(alone.services) == 1
    document = await alone.documents.get("u", "s")
    assert document["processingStatus"] == "failed"
    assert document["error"]["kind"] == "DEADLINE"


async def test_fills_that_fail_keep_no_photo_in_memory(alone):
    job = await queued(alone)
    assert (await alone.deliver(job)).action is QueueAction.NACK
    with uncollected():
        for _ in range(3):
            assert (await alone.deliver(job)).action is QueueAction.NACK
    assert (await alone.state())["attempts"]["passingFailures"] == 4


async def test_one_job_that_cannot_be_given_up_is_in_no_others_way(alone, monkeypatch):
    await queued(alone)
    await edit(alone, expiresAt=1.0)
    found = alone.documents.overdue

    async def with_another(at_most: int) -> list[tuple[str, str]]:
        return [("a b", "no id of ours"), *await found(at_most)]

    monkeypatch.setattr(alone.documents, "overdue", with_another)
    assert await sweep(alone.services) == 2
    assert (await alone.documents.get("u", "s"))["processingStatus"] == "failed"


async def broken(data: bytes, attributes: dict[str, str]) -> str:
    raise OSError("disk")


async def test_the_same_request_again_whose_word_is_lost_leaves_the_accepted_job(
    alone, monkeypatch
):
    job = (await alone.post()).json()["job"]
    monkeypatch.setattr(alone.services.stores.queue, "publish", broken)
    assert (await alone.post()).status_code == 503
    state = await alone.state()
    assert (state["processingStatus"], state["job"]) == ("pending", job)


async def test_a_request_that_stalls_and_fails_leaves_the_job_that_its_repeat_was_given(
    alone, monkeypatch
):
    stalled, failing = asyncio.Event(), asyncio.Event()
    publish = alone.services.stores.queue.publish

    async def stalling(data: bytes, attributes: Mapping[str, str]) -> None:
        if stalled.is_set():
            return await publish(data, attributes)
        stalled.set()
        await failing.wait()
        raise PawfectError(ErrorKind.UNAVAILABLE, "queue: away")

    monkeypatch.setattr(alone.services.stores.queue, "publish", stalling)
    first = asyncio.create_task(alone.post())
    await stalled.wait()
    repeat = await alone.post()
    failing.set()
    assert (repeat.status_code, (await first).status_code) == (202, 503)
    state = await alone.state()
    assert (state["processingStatus"], state["job"]) == ("pending", repeat.json()["job"])


async def test_files_that_arrive_late_do_not_replace_the_next_jobs(alone, monkeypatch):
    arriving = asyncio.Event()
    put = alone.services.stores.files.put

    async def late(files: Mapping[str, bytes]) -> None:
        await arriving.wait()
        await put(files)

    monkeypatch.setattr(enqueue, "STORED_S", 0.2)
    monkeypatch.setattr(alone.services.stores.files, "put", late)
    assert (await alone.post()).status_code == 503
    monkeypatch.undo()
    other = encoded(scene(160, 128, seed=9), "JPEG")
    assert (await alone.post(other)).status_code == 409
    arriving.set()
    await alone.until(lambda state: state["processingStatus"] == "cancelled")
    assert (await alone.post(other)).status_code == 202
    assert await alone.files.get(f"{HERE}/original.jpg") == other


async def test_a_store_that_breaks_while_a_job_is_queued_leaves_nothing_in_the_way(
    alone, monkeypatch
):
    monkeypatch.setattr(alone.services.stores.queue, "publish", broken)
    refused = await alone.post()
    assert (refused.status_code, refused.json()["error"]["kind"]) == (503, "UNAVAILABLE")
    assert refused.headers["retry-after"] == "1"
    assert (await alone.state())["processingStatus"] == "cancelled"
    monkeypatch.undo()
    other = encoded(hole(160, 128), "WEBP", lossless=True)
    assert (await alone.post(PHOTO, other)).status_code == 202
    assert other != MASK
