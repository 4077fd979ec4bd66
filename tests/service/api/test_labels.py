"""Labels come while the job is queued, late, or not at all, and are never in anybody's way."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace

import pytest

from harness.slow_labels import LABELS
from pawfect_service.api.labels import LabelTasks
from pawfect_service.jobs.kinds import INPAINT
from pawfect_service.jobs.kinds.request import JobRequest
from pawfect_service.jobs.message import JobMessage
from tests.pawfect.photo.pictures import encoded, scene
from tests.service.stack import HERE, MASK, SOON, slowly_labelled, uncollected


async def test_labels_that_take_ten_seconds_do_not_keep_the_enqueue_waiting(store, server):
    async with slowly_labelled(store, server, 10.0) as (stack, triton):
        took = []
        for number in range(5):
            began = time.monotonic()
            assert (await stack.post(sid=f"s{number}")).status_code == 202
            took.append(time.monotonic() - began)
        assert max(took) < 3, "each of them would have waited ten seconds"
        async with aclosing(stack.services.stores.queue.deliveries(5)) as deliveries:
            for _ in range(5):
                await anext(deliveries)
        assert (await stack.state(sid="s0"))["sceneLabels"] is None
        for _ in range(100):
            if triton.asked:
                break
            await asyncio.sleep(0.05)
        assert triton.asked[0][0] == "scene_labels"


async def test_a_job_waits_for_its_labels_and_is_filled_with_them(store, server):
    async with slowly_labelled(store, server, 0.5) as (stack, _):
        began = time.time()
        await stack.post()
        async with stack.working():
            state = await stack.over()
        assert state["processingStatus"] == "completed"
        assert state["attempts"]["labelWaits"] >= 1
        assert state["sceneLabels"]["labels"] == list(LABELS)
        assert state["sceneLabels"]["scores"] == pytest.approx([0.9, 0.6])
        assert state["sceneLabels"]["coverage"] == [0.75, 0.25]
        assert state["sceneLabels"]["source"] == "sam3"
        assert began <= state["sceneLabels"]["timestamp"] <= time.time()
        assert state["report"]["labels_source"] == "request"
        assert state["report"]["labels"] == list(LABELS)


async def test_labels_that_are_too_late_are_not_waited_for_and_land_all_the_same(store, server):
    contract = replace(SOON, label_wait_s=0.5)
    async with slowly_labelled(store, server, 3.0, contract=contract) as (stack, _):
        await stack.post()
        async with stack.working():
            done = await stack.over()
            assert done["processingStatus"] == "completed"
            assert done["report"]["labels_source"] == "none"
            state = await stack.labelled()
        assert state["sceneLabels"]["labels"] == list(LABELS)
        assert state["processingStatus"] == "completed"


async def test_labels_outlive_the_connection_that_asked_for_them(store, server):
    async with slowly_labelled(store, server, 0.5) as (stack, _):
        host, port = stack.http.base_url.host, stack.http.base_url.port
        request = stack.http.build_request(
            "POST",
            "/v1/users/u/sessions/s/inpaint",
            files={"photo": encoded(scene(160, 128), "JPEG"), "mask": MASK},
        )
        body = request.read()
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        _, writer = await asyncio.open_connection(host, port)
        writer.write(f"POST {request.url.path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        for _ in range(200):
            if await stack.documents.get("u", "s"):
                break
            await asyncio.sleep(0.05)
        writer.transport.abort()  # nobody waits for the answer
        assert (await stack.labelled())["sceneLabels"]["labels"] == list(LABELS)


async def test_a_server_without_labels_says_so_in_the_document(stack):
    await stack.post()
    state = await stack.labelled()
    assert state["sceneLabels"] is None
    assert state["sceneLabelsError"]["error"] == "UNAVAILABLE"
    assert "scene_labels" in state["sceneLabelsError"]["message"]


async def test_files_that_vanished_before_the_labels_were_asked_for_are_an_error(alone):
    job = await alone.queued()
    await alone.files.delete(f"{HERE}/original.jpg")
    LabelTasks(alone.services).start(JobMessage("u", "s", job), INPAINT, JobRequest({}))
    state = await alone.until(lambda state: state["sceneLabelsError"]["error"] == "INVALID_ARG")
    said = state["sceneLabelsError"]["message"]
    assert said == "original.jpg: expected a file in storage, got none"


async def test_labels_that_fail_keep_no_photo_in_memory(alone):
    await alone.queued()
    with uncollected():
        for number in range(3):
            await alone.queued(f"g{number}")


async def test_why_there_are_no_labels_names_no_host(alone, nowhere):
    await alone.post()
    error = (await alone.labelled())["sceneLabelsError"]
    assert error["error"] == "UNAVAILABLE"
    assert error["message"].startswith("server: ")
    host, _, port = nowhere.partition(":")
    assert host not in error["message"]
    assert port not in error["message"]


async def test_label_calls_at_a_time_are_bounded(store, server):
    async with slowly_labelled(store, server, 0.5) as (stack, triton):
        await asyncio.gather(*(stack.post(sid=f"s{number}") for number in range(6)))
        for number in range(6):
            await stack.until(lambda state: state["sceneLabels"], sid=f"s{number}")
        assert 2 <= triton.at_once <= 4


async def test_more_jobs_than_may_wait_for_labels_go_without(store, server):
    async with slowly_labelled(store, server, 10.0) as (stack, _):
        labels = LabelTasks(stack.services, at_most=1)
        for sid in ("s0", "s1"):
            job = (await stack.post(sid=sid)).json()["job"]
            labels.start(JobMessage("u", sid, job), INPAINT, JobRequest({}))
        full = (await stack.labelled("s1"))["sceneLabelsError"]
        assert full["error"] == "QUEUE_FULL"
        assert "at most 1 jobs" in full["message"]
        await labels.close()
        stopped = (await stack.state(sid="s0"))["sceneLabelsError"]
        assert stopped["error"] == "CANCELLED", "a process that ends leaves no job waiting"
