"""A store that breaks off or stalls while a job is queued leaves nothing in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.api import enqueue
from tests.pawfect.photo.pictures import encoded, hole, scene
from tests.service.stack import HERE, MASK, PHOTO


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
