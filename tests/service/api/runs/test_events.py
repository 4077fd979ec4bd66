"""Following a job: every message once, in order, whoever is cut off and wherever."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.api.runs import following
from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.http.sign_in import COOKIE, SignIns
from pawfect_service.stores import make_queue
from tests.pawfect.photo.pictures import opened
from tests.service.api.runs.inverting import Inverting
from tests.service.api.runs.test_versions import imported, refined
from tests.service.stack import SOON, Stack, running

Message = dict[str, Any]


def socket(stack: Stack, job: str, after: int = 0, **headers: str) -> connect:
    url = str(stack.http.base_url).replace("http", "ws") + f"/api/v1/ws/{job}?after={after}"
    return connect(url, proxy=None, additional_headers=headers, origin=headers.pop("origin", None))


async def by_socket(stack: Stack, job: str, after: int = 0) -> AsyncIterator[Message]:
    async with socket(stack, job, after) as opened_:
        async for text in opened_:
            yield json.loads(text)


async def by_sse(stack: Stack, job: str, after: int = 0) -> AsyncIterator[Message]:
    headers = {"last-event-id": str(after)} if after else {}
    async with stack.http.stream("GET", f"/api/v1/jobs/{job}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line:
                kind, _, text = line.partition(": ")
                event[kind] = text
            elif "data" in event:
                message = json.loads(event["data"])
                assert (event["event"], event["id"]) == (message["type"], str(message["seq"]))
                event = {}
                yield message


@pytest.fixture(params=[by_socket, by_sse])
def heard(request: pytest.FixtureRequest) -> Any:
    """One way to follow a job."""
    return request.param


async def queued(stack: Stack, **query: str) -> str:
    """The id of a refinement that waits for a worker."""
    here = await imported(stack, **query)
    return str((await refined(stack, here)).json()["jobId"])


async def all_of(messages: AsyncIterator[Message]) -> list[Message]:
    return [message async for message in messages]


async def test_a_job_is_followed_to_its_end_over_either_store(
    store_url, nowhere, uid, inverting: Inverting
):
    make_queue(store_url, SOON)
    inverting.open.clear()
    async with running(store_url, nowhere) as stack:
        job = await queued(stack, user=uid)
        told: list[Message] = []
        async with stack.working():
            async for message in by_socket(stack, job):
                told.append(message)
                if message["type"] == "preview":
                    found = await stack.http.get(message["url"])
                    assert opened(found.content).size == (80, 64)
                    assert found.headers["content-type"] == "image/jpeg"
                    inverting.open.set()
        numbers = [message["seq"] for message in told]
        assert numbers == sorted(set(numbers))
        first, *_, end = told
        assert (first["type"], first["status"]) == ("state", "pending")
        assert first["waitingBefore"] == 0 or store_url.startswith("google"), "which others share"
        assert {message["type"] for message in told} == {"state", "log", "preview", "end"}
        lines = " | ".join(message["line"] for message in told if message["type"] == "log")
        for part in ("a worker has taken it up", "stage region_repair", "look, 25 %"):
            assert part in lines
        assert (end["type"], end["status"], end["version"]) == ("end", "completed", 2)
        assert (end["error"], end["report"]["type"]) == (None, "region")
        progress = [m["progress"] for m in told if m["type"] == "state" and m["progress"]]
        assert progress[-1] == {"stage": "invert", "share": 0.5}
        preview = next(message for message in told if message["type"] == "preview")
        assert (await stack.http.get(preview["url"])).status_code == 404, "it is over"
        run = job.partition("-")[0]
        left = await stack.files.list(f"users/{uid}/sessions/run-{run}-0002/attempts")
        assert left == []


async def test_who_is_cut_off_misses_nothing_and_hears_nothing_twice(
    alone: Stack, inverting: Inverting, heard
):
    job = await queued(alone)
    async with alone.working():
        whole = await all_of(heard(alone, job))
    again = await all_of(heard(alone, job))
    assert again == [m for m in whole if m["type"] in ("log", "end")], "what lasts, as it was"
    for last in again:
        rest = await all_of(heard(alone, job, last["seq"]))
        assert rest == [message for message in again if message["seq"] > last["seq"]]


async def test_a_follower_cut_off_in_the_middle_of_the_work_goes_on(
    alone: Stack, inverting: Inverting, heard
):
    inverting.open.clear()
    job = await queued(alone)
    told: list[Message] = []
    async with alone.working():
        while not told or told[-1]["type"] != "end":
            stream = heard(alone, job, told[-1]["seq"] if told else 0)
            told.append(await anext(stream))
            await stream.aclose()
            if told[-1]["type"] == "preview":
                inverting.open.set()
    numbers = [message["seq"] for message in told]
    assert numbers == sorted(set(numbers))
    lines = [message for message in told if message["type"] == "log"]
    assert lines == [m for m in await all_of(heard(alone, job)) if m["type"] == "log"]


async def test_an_api_that_starts_anew_goes_on_where_the_one_before_it_was_cut_off(
    store, nowhere, inverting: Inverting
):
    async with running(store, nowhere) as stack:
        job = await queued(stack)
        async with socket(stack, job) as opened_:
            told = [json.loads(await opened_.recv())]
    async with running(store, nowhere) as stack, stack.working():
        told += await all_of(by_socket(stack, job, told[-1]["seq"]))
    numbers = [message["seq"] for message in told]
    assert numbers == sorted(set(numbers))
    assert [told[0]["status"], told[-1]["status"]] == ["pending", "completed"]


async def test_how_many_wait_before_a_job_is_told_as_it_changes(
    alone: Stack, inverting: Inverting, monkeypatch
):
    monkeypatch.setattr(following, "RECOUNT_S", 0.05)
    here = await imported(alone)
    jobs = [(await refined(alone, here)).json()["jobId"] for _ in range(3)]
    stream = by_socket(alone, jobs[2])
    counts, numbers = [], []
    async for message in stream:
        numbers.append(message["seq"])
        if message["type"] == "state":
            counts.append(message["waitingBefore"])
        if counts == [2]:
            await alone.http.delete(f"{here}/versions/2")
        if counts == [2, 1]:
            await alone.http.delete(f"{here}/versions/3")
        if counts == [2, 1, 0]:
            await alone.http.delete(here)
    assert counts == [2, 1, 0]
    assert message["type"] == "end"
    assert (message["status"], message["report"]) == ("cancelled", None)
    assert numbers == sorted(set(numbers))


async def test_a_failure_is_told_with_its_reason(alone: Stack, inverting: Inverting):
    inverting.failure = PawfectError(ErrorKind.INVALID_ARG, "region: <b>expected</b> grass")
    job = await queued(alone)
    async with alone.working():
        *_, end = await all_of(by_socket(alone, job))
    assert (end["type"], end["status"]) == ("end", "failed")
    assert end["error"] == {"kind": "INVALID_ARG", "message": "region: <b>expected</b> grass"}


async def test_a_job_is_followed_by_its_owner_from_its_own_page_alone(
    store, nowhere, inverting: Inverting
):
    (own, own_line), (other, other_line) = new_api_key("a", "u"), new_api_key("b", "v")
    keys = ApiKeys([own_line, other_line])
    async with running(store, nowhere, authenticators=[keys, SignIns(keys)]) as stack:
        mine = {"x-api-key": own}
        stack.http.headers.update(mine)
        job = await queued(stack)
        for name in list(mine):
            del stack.http.headers[name]
        cookie = {"cookie": f"{COOKIE}={SignIns(keys).cookie(own)}"}
        host = str(stack.http.base_url).rstrip("/")
        for headers, status in (
            ({}, 401),
            ({"x-api-key": other}, 403),
            (cookie, 403),
            ({**cookie, "origin": "https://evil.example"}, 403),
            ({**cookie, "origin": "null"}, 403),
        ):
            with pytest.raises(InvalidStatus) as caught:
                await socket(stack, job, **headers)
            assert caught.value.response.status_code == status, headers
        for headers in (mine, {**cookie, "origin": host}):
            async with socket(stack, job, **headers) as opened_:
                assert json.loads(await opened_.recv())["type"] == "state"
        answers = [
            (await stack.http.get(f"/api/v1/jobs/{job}/{name}", headers={"x-api-key": other}))
            for name in ("events", "preview.jpg")
        ]
        assert [answer.status_code for answer in answers] == [403, 403]


NO_JOBS = [
    "x",
    "0" * 32 + "-0001.u",
    "0" * 32 + "-1.u",
    "0" * 32 + ".u",
    "0" * 32 + "-0001.u%2F..%2Fv",
    "0" * 32 + "-0001...",
    "..%2F..%2Fx",
    "0" * 32 + "-\u0660\u0660\u0660\u0661.u",
]


async def test_what_is_no_jobs_id_is_not_found(alone: Stack):
    for job in NO_JOBS:
        answer = await alone.http.get(f"/api/v1/jobs/{job}/events")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/json"
        with pytest.raises(InvalidStatus) as caught:
            await socket(alone, job)
        assert caught.value.response.status_code in (403, 404), "403: there is no such route at all"


async def test_a_place_in_the_stream_that_is_none_is_refused(alone: Stack, inverting: Inverting):
    job = await queued(alone)
    for after in ("-1", "x", "9" * 40):
        answer = await alone.http.get(f"/api/v1/jobs/{job}/events?after={after}")
        assert answer.status_code == 400
    answer = await alone.http.get(
        f"/api/v1/jobs/{job}/events", headers={"last-event-id": "<script>"}
    )
    assert answer.status_code == 400
