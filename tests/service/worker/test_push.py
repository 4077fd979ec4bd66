"""The worker as Pub/Sub pushes to it: the same handler, the answer as a status."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.message import JobMessage
from pawfect_service.people import sweeping
from pawfect_service.process.processes import listen, serve_http
from pawfect_service.worker.push import MAX_ENVELOPE_BYTES, PushCheck, create_push_app
from tests.service.repeat import Repeat
from tests.service.stack import HERE, Stack, running
from tests.service.tokens import Certificates, token

PUSH = "/v1/worker/push"
AUDIENCE, EMAIL = "https://worker.example/v1/worker/push", "pusher@project.iam.example"


@asynccontextmanager
async def pushing(
    stack: Stack,
    check: PushCheck | None = None,
    jobs: int = 2,
):
    app = create_push_app(stack.services, stack.handler(), check, jobs)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://127.0.0.1"
    ) as http:
        yield http


def envelope(data: bytes, **message: object) -> dict[str, object]:
    body = {"data": base64.b64encode(data).decode(), "messageId": "1", "attributes": {}, **message}
    return {"message": body, "subscription": "projects/p/subscriptions/s"}


async def test_a_pushed_job_is_filled_and_acknowledged(stack):
    job = (await stack.post()).json()["job"]
    body = envelope(JobMessage("u", "s", job).to_bytes())
    async with pushing(stack) as http:
        early = await http.post(PUSH, json=body)
        assert early.status_code in (204, 503), "503 where the labels' fate is not known yet"
        await stack.labelled()
        if early.status_code == 503:
            assert early.json()["error"]["kind"] == "UNAVAILABLE"
            assert (await http.post(PUSH, json=body)).status_code == 204
        assert (await stack.state())["processingStatus"] == "completed"
        assert (await http.post(PUSH, json=body)).status_code == 204


async def test_an_envelope_that_is_none_is_refused(alone):
    async with pushing(alone) as http:
        for body in (
            b"",
            b"{",
            b"\xff",
            b"[]",
            b"{}",
            b'{"message": 7}',
            b'{"message": {"data": "e30="}}',
            b'{"message": {"data": "*", "messageId": "1"}}',
            b'{"message": {"data": 7, "messageId": "1"}}',
            b'{"message": {"data": "e30=", "messageId": "1", "attributes": [1]}}',
            b'{"message": {"data": "e30=", "messageId": "1", "attributes": {"a": 1}}}',
        ):
            answer = await http.post(PUSH, content=body)
            assert answer.status_code == 400
            assert answer.json()["error"]["message"].startswith("envelope")


async def test_the_largest_message_that_pubsub_takes_is_buried_and_a_larger_body_refused(alone):
    attributes = {f"{n:0>256}": "\1" * 1024 for n in range(100)}
    room = 10_000_000 - sum(len(key) + len(value) for key, value in attributes.items())
    poison = bytes(room)
    async with pushing(alone) as http:
        answer = await http.post(PUSH, json=envelope(poison, attributes=attributes))
        assert answer.status_code == 204, "413 would have Pub/Sub send it again and again"
        (letter,) = await alone.services.stores.queue.dead_letters(10)
        assert (letter.data, letter.attributes) == (poison, attributes)
        assert letter.reason == f"message: expected at most 4096 bytes, got {room} bytes"
        more = await http.post(PUSH, content=bytes(MAX_ENVELOPE_BYTES + 1))
        assert more.status_code == 413
    whole = json.dumps(envelope(bytes(10 * 2**20), attributes=attributes))
    assert len(whole) < MAX_ENVELOPE_BYTES, "were a MB of Pub/Sub's 2**20 bytes"


async def test_poison_in_an_envelope_goes_to_the_dead_letters(alone, monkeypatch):
    async def broken(delivery, reason):
        raise PawfectError(ErrorKind.UNAVAILABLE, "queue: away")

    poison = envelope(b"poison", attributes={"from": "somebody"})
    async with pushing(alone) as http:
        with monkeypatch.context() as patch:
            patch.setattr(alone.services.stores.queue, "bury", broken)
            answer = await http.post(PUSH, json=poison)
            assert answer.status_code == 503, "not written: it is to come again"
        for _ in range(2):  # its answer was lost: Pub/Sub pushes it again
            answer = await http.post(PUSH, json=poison)
            assert answer.status_code == 204, "nothing that cannot succeed is sent again"
    (letter,) = await alone.services.stores.queue.dead_letters(10)
    assert (letter.data, letter.attributes) == (b"poison", {"from": "somebody"})
    assert "expected a JSON object" in letter.reason


async def test_a_permanent_failure_of_a_pushed_job_is_acknowledged_and_written(alone, repeat):
    body = await queued(alone, repeat)
    await alone.files.delete(f"{HERE}/text.txt")
    async with pushing(alone) as http:
        assert (await http.post(PUSH, json=body)).status_code == 204
    state = await alone.state()
    assert (state["processingStatus"], state["error"]["kind"]) == ("failed", "INVALID_ARG")
    assert await alone.services.stores.queue.dead_letters(10) == [], "no poison: it has an end"


async def test_a_pushed_worker_gives_up_overdue_jobs_too(alone, monkeypatch):
    monkeypatch.setattr(sweeping, "SWEEP_EVERY_S", 0.05)
    await alone.post()
    await alone.edit(expiresAt=1.0)
    app = create_push_app(alone.services, alone.handler(), None, 1)
    async with app.router.lifespan_context(app):
        for _ in range(100):
            # Read as it lies in the store: who asks the API would end it himself.
            if (await alone.documents.get("u", "s"))["processingStatus"] == "failed":
                return
            await asyncio.sleep(0.05)
    pytest.fail("the job was not given up")


async def queued(stack: Stack, kind: Repeat, sid: str = "s") -> dict[str, object]:
    """Queue a job; return what is pushed of it."""
    return envelope(JobMessage("u", sid, await stack.ordered(kind, sid)).to_bytes())


async def test_pushed_jobs_wait_for_a_place_among_as_many_as_are_let_in(alone, repeat):
    repeat.open.clear()
    bodies = [await queued(alone, repeat, sid) for sid in ("s1", "s2", "s3")]
    async with pushing(alone, jobs=2) as http:
        pushes = [asyncio.create_task(http.post(PUSH, json=body)) for body in bodies]
        for sid in ("s1", "s2"):
            await alone.until(lambda state: state["progress"], sid=sid)
        repeat.open.set()
        answers = await asyncio.gather(*pushes)
    assert [answer.status_code for answer in answers] == [204, 204, 204]
    assert repeat.most == 2
    for sid in ("s1", "s2", "s3"):
        assert (await alone.state(sid=sid))["processingStatus"] == "completed"


async def test_a_push_that_finds_no_free_place_in_time_comes_again(store, nowhere, repeat):
    repeat.open.clear()
    async with (
        running(store, nowhere, contract=JobContract(lease_s=1.0)) as stack,
        pushing(stack, jobs=1) as http,
    ):
        slow = await queued(stack, repeat, "long")
        short = await queued(stack, repeat, "short")
        first = asyncio.create_task(http.post(PUSH, json=slow))
        await stack.until(lambda state: state["progress"], sid="long")
        second = await http.post(PUSH, json=short)
        assert second.status_code == 503
        assert "expected a free place" in second.json()["error"]["message"]
        state = await stack.state(sid="short")
        assert (state["processingStatus"], state["attempts"]["starts"]) == ("pending", 0)
        await stack.cancel("long")
        assert (await first).status_code == 204, "a cancelled job is over"
        repeat.open.set()
        assert (await http.post(PUSH, json=short)).status_code == 204
        assert (await stack.state(sid="short"))["processingStatus"] == "completed"


async def test_a_pushed_worker_told_to_stop_gives_its_jobs_back_before_it_ends(alone, repeat):
    repeat.open.clear()
    body = await queued(alone, repeat)
    app = create_push_app(alone.services, alone.handler(), None, 1)
    listening, stop = listen("127.0.0.1", 0), asyncio.Event()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/worker/push"
    serving = asyncio.create_task(serve_http(app, listening, stop, grace_s=0.1))
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        pushed = asyncio.create_task(http.post(url, json=body))
        await alone.until(lambda state: state["progress"])
        stop.set()
        await serving
        state = await alone.documents.get("u", "s")
        assert (state["processingStatus"], state["lease"]) == ("pending", None)
        await asyncio.gather(pushed, return_exceptions=True)
    assert pushed.exception() or pushed.result().status_code == 503, "no answer that acknowledges"


async def test_only_the_subscriptions_service_account_may_push(alone):
    check = PushCheck(AUDIENCE, EMAIL, Certificates())
    body = envelope(JobMessage("u", "s", "j").to_bytes())
    good = {"aud": AUDIENCE, "email": EMAIL, "email_verified": True}
    cases = [
        (None, 401),
        (token(**good), 204),
        (token(**{**good, "aud": "another"}), 401),
        (token(**{**good, "email": "eve@project.iam.example"}), 403),
        (token(**{**good, "email_verified": False}), 403),
        (token(signer="somebody", **good), 401),
    ]
    async with pushing(alone, check) as http:
        for given, status in cases:
            headers = {"authorization": f"Bearer {given}"} if given else {}
            answer = await http.post(PUSH, json=body, headers=headers)
            assert answer.status_code == status
