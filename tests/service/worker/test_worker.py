"""What becomes of a delivery: one result, whoever works on it, stops or dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from itertools import pairwise

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError, QueueAction
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.kinds import CUTOUT
from pawfect_service.jobs.message import JobMessage
from pawfect_service.jobs.moves import queue_job, take_up
from pawfect_service.worker.expiry import sweep
from pawfect_service.worker.handler import Outcome
from pawfect_service.worker.lease import HeldJob, LeaseKeeper
from pawfect_service.worker.told import Told
from tests.service.jobs.session import COST
from tests.service.stack import HERE, held


async def test_a_message_that_is_none_is_buried_with_its_reason(alone):
    for data in (
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
    ):
        outcome = await alone.handler().handle(data, {}, held)
        assert outcome.action is None
        assert outcome.reason.startswith("message")


async def test_a_buried_message_is_a_dead_letter_and_the_next_one_is_worked_on(alone, repeat):
    queue = alone.services.stores.queue
    await queue.publish(b"poison", {})
    await alone.ordered(repeat)
    async with alone.working():
        assert (await alone.over())["processingStatus"] == "completed"
        letters = await queue.dead_letters(10)
    assert [letter.data for letter in letters] == [b"poison"]
    assert "JSON" in letters[0].reason


async def test_a_job_of_nobody_or_of_another_time_is_done_with(alone, repeat):
    job = await alone.ordered(repeat)
    for name, sid in ((job, "other"), ("another", "s")):
        assert (await alone.deliver(name, sid=sid)).action is QueueAction.ACK
    assert (await alone.state())["processingStatus"] == "pending"


async def test_progress_reaches_the_document_at_most_twice_a_second(alone, repeat, monkeypatch):
    job = await alone.ordered(repeat)
    step = await alone.services.sessions.move("u", "s", take_up, job=job, owner="w")
    message = JobMessage("u", "s", job)
    told = Told(step.session)
    keeper = LeaseKeeper(HeldJob(alone.services.sessions, message, step.session, held, "w"), told)
    update, written = alone.documents.update, []

    async def noted(*arguments):
        written.append(time.monotonic())
        return await update(*arguments)

    monkeypatch.setattr(alone.documents, "update", noted)
    beating = asyncio.create_task(keeper.run())
    for share in range(1, 76):
        told("denoise", share / 75)
        await asyncio.sleep(0.02)
    await alone.until(lambda state: state["progress"] == {"stage": "denoise", "share": 1.0})
    beating.cancel()
    pauses = [later - earlier for earlier, later in pairwise(written)]
    assert len(written) >= 3
    assert min(pauses) > 0.45


async def test_what_is_being_written_when_the_work_ends_is_written_once(alone, monkeypatch):
    move = alone.services.sessions.move
    sid = f"run-{'0' * 32}-0001"
    for fails in (False, True):
        job = f"j{fails}"
        await alone.documents.delete("u", sid)
        await move("u", sid, queue_job, job=job, kind=CUTOUT, request={})
        step = await move("u", sid, take_up, job=job, owner="w")
        told = Told(step.session)
        held_job = HeldJob(
            alone.services.sessions, JobMessage("u", sid, job), step.session, held, "w"
        )
        keeper = LeaseKeeper(held_job, told)
        told.take()
        told.line("one")
        begun, go_on, update = asyncio.Event(), asyncio.Event(), alone.documents.update

        async def slowly(*arguments, begun=begun, go_on=go_on, update=update, fails=fails):
            answer = None if fails else await update(*arguments)
            begun.set()
            await go_on.wait()
            if fails:
                raise PawfectError(ErrorKind.UNAVAILABLE, "store: away")
            return answer

        with monkeypatch.context() as patched:
            patched.setattr(alone.documents, "update", slowly)
            beating = asyncio.create_task(keeper.run())
            await begun.wait()
            beating.cancel()
            told.line("two")
            go_on.set()
            await asyncio.gather(beating, return_exceptions=True)
        await keeper.last_words()
        written = (await alone.documents.get("u", sid))["live"]["lines"]
        assert [line["text"] for line in written] == ["one", "two"]


async def test_two_workers_with_the_same_job_make_one_result(alone, repeat):
    repeat.open.clear()
    job = await alone.ordered(repeat)
    workers = [asyncio.create_task(alone.deliver(job)) for _ in range(3)]
    await alone.until(lambda state: state["progress"])
    repeat.open.set()
    actions = sorted(outcome.action.value for outcome in await asyncio.gather(*workers))
    assert actions == ["ack", "nack", "nack"]
    state = await alone.state()
    assert (state["processingStatus"], state["attempts"]["starts"]) == ("completed", 1)
    again = await alone.deliver(job)
    assert again == Outcome(QueueAction.ACK, "gone, of another job, or at its end")
    assert await alone.state() == state, "a delivery after the end changes nothing"


async def test_a_result_that_a_crash_left_claimed_is_published_and_not_made_again(alone, repeat):
    alone.services.sessions.contract = JobContract(lease_s=0.2)
    job = await alone.ordered(repeat)
    await alone.claimed(job)
    for name in ("repeated.txt", "length.txt"):
        await alone.files.put({f"{HERE}/attempts/{job}-1-{name}": name.encode()})
    assert (await alone.deliver(job)).action is QueueAction.NACK, "its lease still holds"
    await asyncio.sleep(0.3)
    assert (await alone.deliver(job)).action is QueueAction.ACK
    state = await alone.state()
    assert (state["processingStatus"], state["cost"]) == ("completed", COST.model_dump())
    assert await alone.file("repeated.txt") == b"repeated.txt"
    assert await alone.files.list(f"{HERE}/attempts") == []
    assert repeat.done == 0


async def test_a_worker_that_lost_its_lease_deletes_what_it_made(alone, repeat, monkeypatch):
    job = await alone.ordered(repeat)
    put = alone.files.put

    async def put_and_lose(files: Mapping[str, bytes]) -> None:
        await put(files)
        document = await alone.documents.get("u", "s")
        if document["lease"]["owner"] != "another":
            await alone.edit(lease={**document["lease"], "owner": "another"})

    monkeypatch.setattr(alone.files, "put", put_and_lose)
    assert (await alone.deliver(job)).action is QueueAction.NACK
    assert await alone.files.list(f"{HERE}/attempts") == []
    assert (await alone.state())["links"]["repeated"] is None


async def test_a_worker_told_to_stop_finishes_what_it_has(alone, repeat):
    repeat.open.clear()
    await alone.ordered(repeat)
    async with alone.working(grace_s=60) as stop:
        await alone.until(lambda state: state["processingStatus"] == "processing")
        stop.set()
        await asyncio.sleep(0)
        repeat.open.set()
    assert (await alone.state())["processingStatus"] == "completed"


async def test_a_worker_without_time_gives_its_job_back_for_others_to_do(alone, repeat):
    repeat.open.clear()
    job = await alone.ordered(repeat)
    async with alone.working(grace_s=0.1) as stop:
        await alone.until(lambda state: state["progress"])
        stop.set()
    state = await alone.state()
    assert (state["processingStatus"], state["job"]) == ("pending", job)
    assert state["attempts"]["passingFailures"] == 0
    await alone.cancel()
    async with alone.working():
        await asyncio.sleep(0.5)
    assert [d async for d in waiting(alone)] == [], "its message was put back, then acked"


async def waiting(stack):
    deliveries = stack.services.stores.queue.deliveries(1)
    try:
        async with asyncio.timeout(0.5):
            yield await anext(deliveries)
    except TimeoutError:
        return
    finally:
        await deliveries.aclose()


@pytest.mark.parametrize("end", ["cancelled", "deleted"])
async def test_work_that_nobody_waits_for_ends_at_once_though_it_tells_no_progress(
    alone, repeat, end
):
    repeat.open.clear()
    await alone.ordered(repeat)
    async with alone.working():
        # Its one word of progress is written; the next beat is seconds away.
        await alone.until(lambda state: state["progress"])
        if end == "cancelled":
            await alone.cancel()
        else:
            await alone.documents.delete("u", "s")
        ended = time.monotonic()
        await asyncio.wait_for(repeat.idle.wait(), 3)
        assert time.monotonic() - ended < 1
    assert repeat.done == 0


async def test_overdue_jobs_are_swept_and_one_that_cannot_be_is_in_no_others_way(
    alone, repeat, monkeypatch
):
    await alone.ordered(repeat)
    await alone.edit(expiresAt=1.0)
    found = alone.documents.overdue

    async def with_another(at_most: int) -> list[tuple[str, str]]:
        return [("a b", "no id of ours"), *await found(at_most)]

    monkeypatch.setattr(alone.documents, "overdue", with_another)
    assert await sweep(alone.services) == 2
    document = await alone.documents.get("u", "s")
    assert document["processingStatus"] == "failed"
    assert document["error"]["kind"] == "DEADLINE"
