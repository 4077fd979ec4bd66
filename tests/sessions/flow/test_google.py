"""The whole flow over Google's stores, on emulators, with the real server."""

from __future__ import annotations

import uuid

from pawfect_sessions.contract import JobContract
from pawfect_sessions.stores.google_queue import ensure_topics
from perf import emulators
from tests.sessions.flow.stack import running


async def test_a_photo_is_queued_filled_and_published_over_firestore_and_pubsub(
    google, server, monkeypatch
):
    for name, value in google.items():
        monkeypatch.setenv(name, value)
    topic, uid = f"jobs-{uuid.uuid4().hex}", f"u-{uuid.uuid4().hex}"
    ensure_topics(emulators.PROJECT, topic, JobContract())
    store = f"google:{emulators.PROJECT}/{emulators.BUCKET}/{topic}"
    async with running(store, server.endpoints.grpc) as stack:
        queue = stack.services.stores.queue
        await queue.publish(b"poison", {})
        assert (await stack.post(uid=uid, parameters='{"seed": 7}')).status_code == 202
        async with stack.working():
            async with stack.http.stream("GET", f"/v1/users/{uid}/sessions/s/events") as answer:
                events = [line async for line in answer.aiter_lines() if line.startswith("data")]
            state = await stack.over(uid)
            letters = await queue.dead_letters(10)
        assert '"completed"' in events[-1]
        assert state["processingStatus"] == "completed"
        assert state["report"]["seed"] == 7
        assert len(await stack.file("edited.jpg", uid)) > 1000
        assert [letter.data for letter in letters] == [b"poison"]
        folder = f"users/{uid}/sessions/s"
        names = ("edited.jpg", "mask_auto.png", "original.jpg", "preview.jpg")
        assert await stack.files.list(folder) == [f"{folder}/{name}" for name in names]

        assert (await stack.post(uid=uid)).status_code == 202
        cancelled = await stack.http.delete(f"/v1/users/{uid}/sessions/s")
        assert cancelled.json()["processingStatus"] == "cancelled"
