"""The whole flow over Google's stores, on emulators, with the real server: jobs pushed.

Workers that pull are there in the fault run, `tests/perf/service`.
"""

from __future__ import annotations

import asyncio
import json
import uuid

from tests.conftest import free_ports
from tests.service.process.test_commands import answered, process
from tests.service.stack import running


async def test_a_photo_is_queued_over_firestore_pushed_by_pubsub_filled_and_published(
    on_google, server, tmp_path
):
    topic, uid, port = f"jobs-{uuid.uuid4().hex}", f"u-{uuid.uuid4().hex}", free_ports(1)[0]
    store = f"{on_google}/{topic}"
    url = f"http://127.0.0.1:{port}"
    made = ("--make-topics", "--push-endpoint", f"{url}/v1/worker/push")
    arguments = ("--store", store, "--triton", server.endpoints.grpc, "--port", str(port))
    with process(tmp_path, "worker", "--push", "--no-auth", *made, *arguments) as worker:
        await asyncio.to_thread(answered, f"{url}/healthz")
        async with running(store, server.endpoints.grpc) as stack:
            poison = b"poison" * 50_000
            await stack.services.stores.queue.publish(poison, {})
            posted = await stack.post(uid=uid, parameters='{"seed": 7}')
            assert posted.status_code == 202
            here = f"/v1/users/{uid}/sessions/s"
            async with stack.http.stream("GET", f"{here}/events") as answer:
                events = [line async for line in answer.aiter_lines() if line.startswith("data")]
            assert '"completed"' in events[-1]
            state = await stack.state(uid)
            assert (state["processingStatus"], state["error"]) == ("completed", None)
            assert state["report"]["seed"] == 7
            assert len(await stack.file("edited.jpg", uid)) > 1000
            names = ("edited.jpg", "mask_auto.png", "original.jpg", "preview.jpg")
            paths = [f"users/{uid}/sessions/s/{name}" for name in names]
            assert await stack.files.list(f"users/{uid}/sessions/s") == paths
            async with asyncio.timeout(30):
                while not (letters := await stack.services.stores.queue.dead_letters(10)):
                    await asyncio.sleep(0.1)
            assert [letter.data for letter in letters] == [poison]
            assert await asyncio.to_thread(worker.stop) == 0
            assert (await stack.post(uid=uid)).status_code == 202
            cancelled = await stack.http.delete(here)
            assert cancelled.json()["processingStatus"] == "cancelled"
    lines = [json.loads(line) for line in (tmp_path / "worker.log").read_text().splitlines()]
    actions = [line["action"] for line in lines if line["message"] == "delivery"]
    assert actions[-1] == "ack"
    assert sum(line["message"] == "buried" for line in lines) == 1
