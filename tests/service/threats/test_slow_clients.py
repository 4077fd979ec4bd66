"""Clients that never end what they began, and those that open too much."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pawfect_service.api.streams import Streams
from pawfect_service.http import connections, middleware
from tests.service.api.runs.runs import RUNS
from tests.service.stack import PHOTO, ROUTE, Stack, running
from tests.service.threats.raw import PATIENCE_S, Raw

HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
POST = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
# Such a wait is over before `PATIENCE_S` is.
SHORT_S = 0.3


async def dribbled(raw: Raw, data: bytes) -> bytes:
    """What the API says to a client that sends a byte at a time, until it ends the connection."""
    ended = asyncio.create_task(raw.rest())
    while not ended.done():
        raw.send(data)
        await asyncio.wait({ended}, timeout=SHORT_S / 5)
    return ended.result()


async def test_a_head_that_does_not_end_ends_the_connection(alone: Stack, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_S", SHORT_S)
    begun = time.monotonic()
    assert await (await Raw.to(alone)).rest() == b"", "nothing at all"
    raw = await Raw.to(alone)
    raw.send(HEAD)
    assert await dribbled(raw, b"A: b\r\n") == b""
    raw = await Raw.to(alone)
    raw.send(HEAD + b"\r\n")
    assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
    assert b"HTTP" not in await dribbled(raw, b"A"), "nor does the next one's"
    assert time.monotonic() - begun < PATIENCE_S


async def test_a_body_that_does_not_end_ends_the_connection(alone: Stack, monkeypatch):
    monkeypatch.setattr(connections, "BODY_S", SHORT_S)
    raw = await Raw.to(alone)
    raw.send(POST % b"/api/v1/sign-in")
    assert await raw.rest() == b""
    monkeypatch.setattr(connections, "HEAD_S", SHORT_S)
    raw = await Raw.to(alone)
    raw.send(POST % b"/healthz")
    assert (await dribbled(raw, b"")).startswith(b"HTTP/1.1 405 "), "one that nobody reads"


async def test_a_client_that_takes_nothing_of_its_answer_is_left(alone: Stack, monkeypatch):
    monkeypatch.setattr(connections, "STALLED_S", SHORT_S)
    path = "users/me/sessions/s"
    data = bytes(64 * 2**20)
    assert (await alone.post(uid="me")).status_code == 202
    await alone.files.put({f"{path}/original.jpg": data})
    raw = await Raw.to(alone)
    raw.send(b"GET /v1/%b/files/original.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path.encode())
    assert b"content-length: %d" % len(data) in await raw.head()
    await asyncio.sleep(SHORT_S * 3)
    assert len(await raw.rest()) < len(data)


async def test_in_a_crowd_requests_are_refused_in_words_and_probes_are_answered(
    alone: Stack, monkeypatch
):
    assert (await alone.post()).status_code == 202
    async with alone.http.stream("GET", f"{ROUTE}/events") as stream:
        lines = stream.aiter_lines()
        await anext(lines)
        held = [await Raw.to(alone) for _ in range(4)]
        monkeypatch.setattr(middleware, "CROWDED", 5)
        answer = await alone.http.get(ROUTE)
        assert answer.status_code == 503
        assert answer.json()["error"] == {
            "kind": "QUEUE_FULL",
            "message": "connections: expected fewer than 5 of all callers, got more",
        }
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
        assert (await alone.http.get("/healthz")).json() == {"alive": True}
        assert (await alone.http.get("/readyz")).json()["error"]["kind"] == "UNAVAILABLE"
        with pytest.raises(InvalidStatus) as caught:
            await alone.socket()
        assert caught.value.response.status_code == 503
        for one in held:
            one.writer.close()


async def test_one_connection_too_many_ends_the_one_whose_time_is_up_first(
    alone: Stack, monkeypatch
):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    held = [await Raw.to(alone) for _ in range(2)]
    held[0].send(POST % b"/api/v1/sign-in")  # its body has longer than their heads
    held += [await Raw.to(alone) for _ in range(3)]
    assert [await held[number].rest() for number in (1, 2)] == [b"", b""]
    held[4].send(HEAD + b"\r\n")
    assert (await held[4].head()).startswith(b"HTTP/1.1 200 ")
    held[0].send(b'{"key":1}')
    assert (await held[0].head()).startswith(b"HTTP/1.1 400 ")
    held[3].send(HEAD + b"\r\n")
    assert (await held[3].head()).startswith(b"HTTP/1.1 200 ")
    for one in held:
        one.writer.close()


async def test_where_all_are_answered_one_connection_too_many_is_not_let_in(
    alone: Stack, monkeypatch
):
    assert (await alone.post()).status_code == 202
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 1)
    async with alone.http.stream("GET", f"{ROUTE}/events") as stream:
        await anext(stream.aiter_lines())
        raw = await Raw.to(alone)
        assert await raw.rest() == b""
        assert not stream.is_closed


async def test_what_a_sockets_client_says_is_bounded(alone: Stack):
    assert (await alone.post()).status_code == 202
    async with alone.socket() as socket:
        await socket.recv()
        await socket.send("a" * (connections.MAX_SAID + 1))
        with pytest.raises(ConnectionClosed) as caught:
            await heard_to_its_end(socket)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009, "message too big"


async def heard_to_its_end(socket: ClientConnection) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await socket.recv()


async def test_a_user_has_so_many_streams_open_and_each_that_ends_makes_room(alone: Stack):
    object.__setattr__(alone.app.state.context, "streams", Streams(at_most=2))
    assert (await alone.post()).status_code == 202
    run = (await alone.http.post(f"{RUNS}?kind=import&user=u", files={"photo": PHOTO})).json()
    job = run["versions"][0]["jobId"]
    told = (f"{ROUTE}/events", f"/api/v1/jobs/{job}/events")
    async with alone.http.stream("GET", told[0]) as first:
        lines = first.aiter_lines()  # held: what is not, ends its answer
        await anext(lines)
        async with alone.socket() as socket:
            await socket.recv()
            for url in told:
                await check_refused(alone, url)
            with pytest.raises(InvalidStatus) as caught:
                await alone.socket()
            assert caught.value.response.status_code == 429
            other = await alone.http.get("/v1/users/v/sessions/s/events")
            assert other.status_code == 404, "another user's are another's"
    for url in told:
        await until_let_in(alone, url)


async def test_all_users_together_have_so_many_streams_open(alone: Stack):
    object.__setattr__(alone.app.state.context, "streams", Streams(of_all=1))
    for uid in ("u", "v"):
        assert (await alone.post(uid=uid)).status_code == 202
    async with alone.http.stream("GET", f"{ROUTE}/events") as first:
        lines = first.aiter_lines()
        await anext(lines)
        await check_refused(alone, "/v1/users/v/sessions/s/events")
    await until_let_in(alone, "/v1/users/v/sessions/s/events")


async def check_refused(stack: Stack, url: str) -> None:
    async with stack.http.stream("GET", url) as answer:
        # Before it is read: what is let in has no end.
        assert answer.status_code == 429
        error = json.loads(await answer.aread())["error"]
        assert error["kind"] == "QUEUE_FULL"
        assert int(answer.headers["retry-after"]) >= 1


async def until_let_in(stack: Stack, url: str) -> None:
    """Wait until a stream is let in: the API hears of the others' end a moment later."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with stack.http.stream("GET", url) as answer:
                if answer.status_code == 200:
                    return
            await asyncio.sleep(0.05)


async def test_bodies_that_are_held_at_a_time_are_bounded(store, nowhere, monkeypatch):
    monkeypatch.setattr(middleware, "_DISCARD_S", SHORT_S)
    async with running(store, nowhere, max_body_bytes=100_000) as stack:
        head = (
            b"POST %b/inpaint HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            b'Content-Disposition: form-data; name="photo"; filename="p"\r\n\r\n'
        ) % ROUTE.encode()
        held = [await Raw.to(stack) for _ in range(9)]
        for raw in held:
            raw.send(head + bytes(95_000))
        said: set[asyncio.Task[bytes]] = {asyncio.create_task(raw.head()) for raw in held}
        done, waiting = await asyncio.wait(said, timeout=PATIENCE_S, return_when="FIRST_COMPLETED")
        assert [task.result().split(b" ")[1] for task in done] == [b"429"]
        for raw in held:
            raw.writer.close()
        await asyncio.gather(*waiting, return_exceptions=True)
        async with asyncio.timeout(PATIENCE_S):
            while (await stack.post()).status_code != 202:
                await asyncio.sleep(0.05)


async def test_a_body_that_says_no_length_is_bounded_too(store, nowhere, monkeypatch):
    monkeypatch.setattr(middleware, "_DISCARD_S", SHORT_S)

    async def pieces() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="photo"; filename="p"\r\n\r\n'
        for _ in range(15):
            yield bytes(10_000)
        yield b"\r\n--x--\r\n"

    async with running(store, nowhere, max_body_bytes=100_000) as stack:
        kind = {"content-type": "multipart/form-data; boundary=x"}
        answer = await stack.http.post(f"{ROUTE}/inpaint", content=pieces(), headers=kind)
        assert answer.status_code == 413, answer.text
        assert answer.json()["error"]["message"] == "body: expected at most 100000 bytes, got more"
