"""Bytes that two readers could read in two ways are refused, and the connection ends there."""

from __future__ import annotations

import json

import pytest

from pawfect_service.http.connections import MAX_HEAD
from tests.service.threats.raw import Raw, told

GET = b"GET /healthz HTTP/1.1\r\n"
POST = b"POST /api/v1/sign-in HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
# What would be the next request where the one before it were taken to end there.
HIDDEN = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
TWO_LENGTHS = (
    POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)
LINES = (
    b"GET /healthz HTTP/1.1\nHost: a\n\n",
    GET + b"Host: a\r\nX-A: b\nX-Api-Key: c\r\n\r\n",
    GET + b"Host: a\r\nX-A: b\r\n c\r\n\r\n",
    GET + b"Host: a\r\nX-A: b\r\n\tTransfer-Encoding: chunked\r\n\r\n",
)
# Those that h11 refuses by itself: a release of it that does not is seen here.
OTHERS = (
    POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    POST + b"Content-Length: +4\r\n\r\nabcd",
    POST + b"Content-Length: 0x4\r\n\r\nabcd",
    POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    POST + b"Content-Length\r\n: 4\r\n\r\nabcd",
    CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"2\r\n{}XX0\r\n\r\n",
    CHUNKED + b"2;\nxx\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"f" * 30 + b"\r\n{}\r\n0\r\n\r\n",
    GET + b"Host: a\r\nHost: b\r\n\r\n",
    GET + b"\r\n",
    GET + b"Host: a\r\nX-A: b\0c\r\n\r\n",
    GET + b"Host: a\r\nX-A: b\rX-B: c\r\n\r\n",
    b"GET /healthz HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\r\n\r\n",
)


def check_refused(answer: bytes, request: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 "), (request, answer)
    assert b"connection: close" in head
    assert json.loads(body)["error"]["kind"] == "INVALID_ARG", "one answer, and nothing behind it"


async def test_a_body_with_two_lengths_is_refused(alone):
    for request in TWO_LENGTHS:
        check_refused(await told(alone, request + HIDDEN), request)


async def test_lines_that_end_or_go_on_in_another_way_are_refused(alone):
    for request in LINES:
        check_refused(await told(alone, request + HIDDEN), request)


async def test_a_head_that_is_too_long_is_refused(alone):
    for filler in (b"X-A: %b\r\n" % bytes(MAX_HEAD).replace(b"\0", b"a"), b"A: b\r\n" * 6000):
        request = GET + b"Host: a\r\n" + filler + b"\r\n"
        check_refused(await told(alone, request), request[:60])
    endless = GET + b"X-A: " + b"a" * (2 * MAX_HEAD)
    check_refused(await told(alone, endless), endless[:60])


async def test_what_is_no_http_is_refused_in_the_words_of_the_table(alone):
    for request in OTHERS:
        check_refused(await told(alone, request + HIDDEN), request)


async def test_a_bad_request_behind_a_good_one_ends_the_connection(alone):
    good = GET + b"Host: a\r\n\r\n"
    for bad in (*TWO_LENGTHS, *LINES, b"GARBAGE\r\n\r\n"):
        answer = await told(alone, good + bad + HIDDEN)
        assert answer.count(b"HTTP/1.1 ") == 2, answer
        assert answer.startswith(b"HTTP/1.1 200 ")
        check_refused(b"HTTP/1.1 " + answer.split(b"HTTP/1.1 ")[2], bad)


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/runs", "/none"])
async def test_a_body_that_no_route_reads_is_no_request(alone, path):
    """What stands in it is not answered, whatever the route makes of its head."""
    inner = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
    head = b"GET %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = await told(alone, head % (path.encode(), len(inner)) + inner + last)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"openapi" not in answer


async def test_a_head_that_comes_in_pieces_is_read_as_a_whole(alone):
    raw = await Raw.to(alone)
    for piece in (b"GET /hea", b"lthz HTTP/1.1\r", b"\nHost: a\r\nX-A: b\r\n", b"\r", b"\n"):
        raw.send(piece)
        await raw.writer.drain()
    assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
    raw.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"HTTP/1.1 200 " in await raw.rest()
