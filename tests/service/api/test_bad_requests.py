"""Requests that are wrong: a status, a kind and a message each, and nothing stored or queued."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import httpx
import numpy as np

from tests.pawfect.photo.pictures import encoded, hole, png, scene
from tests.service.stack import MASK, PHOTO, ROUTE, Stack, running

POST = f"{ROUTE}/inpaint"

FULL = encoded(np.full((128, 160), 255, np.uint8), "PNG")
EMPTY = encoded(np.zeros((128, 160), np.uint8), "PNG")
CLEAR = np.dstack([scene(160, 128), np.full((128, 160), 90, np.uint8)])

PICTURES = [
    ({"photo": b""}, "BMP or GIF file, got an empty file"),
    ({"photo": b"GIF89a" + bytes(20)}, "got a truncated or broken GIF"),
    ({"photo": PHOTO[: len(PHOTO) // 2]}, "photo: expected a JPEG with all the pixels"),
    (
        {"photo": encoded(CLEAR, "PNG")},
        "since the result is a JPEG, got a PNG with transparent parts",
    ),
    ({"photo": png(scene(64, 64), declared=(20000, 20000))}, "photo: expected"),
    ({"mask": EMPTY}, "MASK: expected some pixels >= 128"),
    ({"mask": FULL}, "MASK: expected some pixels < 128"),
    ({"protect": encoded(hole(64, 64), "PNG")}, "protect: expected the photo's size"),
]
FIELDS = [
    ({"parameters": "{"}, "parameters: expected a JSON object, got something else"),
    ({"parameters": "[" * 8000}, "parameters: expected a JSON object"),
    ({"parameters": "[1]"}, "parameters: expected a JSON object, got list"),
    ({"parameters": '{"seed": 1, "seed": 2}'}, "parameters: expected each key once"),
    ({"parameters": '{"strength": NaN}'}, "parameters: expected numbers, got NaN"),
    ({"parameters": '{"seed": "7"}'}, "seed: expected an integer, got str '7'"),
    ({"parameters": '{"seed": true}'}, "seed: expected an integer, got bool True"),
    ({"parameters": '{"steps": 101}'}, "steps: expected from 1 to 100, got 101"),
    ({"parameters": '{"sede": 7}'}, "parameters: expected some of"),
    ({"parameters": '{"deadline_ms": 600000}'}, "deadline_ms: expected from 1 to 180000"),
    ({"prompt": "x" * 2049}, "PROMPT: expected texts of at most 2048 bytes"),
    (
        {"mask_is": "grey"},
        "mask_is: expected one of white, black, opaque, transparent, erased, auto",
    ),
    ({"mask_is": "opaque"}, "mask: expected a mask with transparency, of which mask_is=opaque"),
    ({"fit_mask": "yes"}, "fit_mask: expected true or false, got str 'yes'"),
    ({"invert_mask": "true"}, "mask: expected at most 95% of the photo to fill"),
    ({"colour": "red"}, "request: expected some of photo, mask"),
    ({"remove": "leash"}, "remove: expected words in place of a mask, got mask too"),
    ({"least_score": "0.5"}, "remove: expected words, which least_score belongs to, got none"),
]
WORDS = [
    ({"remove": " , "}, "remove: expected 1 to 8 phrases with commas between them, got an empty"),
    ({"remove": ",".join("abcdefghi")}, "remove: expected 1 to 8 phrases"),
    ({"remove": "leash, \x1b"}, "PHRASE: expected words, got the control character U+001B"),
    ({"remove": "x" * 2049}, "PHRASE: expected texts of at most 2048 bytes, got 2049 bytes"),
    ({"remove": "leash", "invert_mask": "true"}, "in place of a mask, got invert_mask too"),
    ({"remove": "leash", "least_score": "much"}, "least_score: expected a number from 0 to 1"),
    ({"remove": "leash", "least_score": "nan"}, "least_score: expected"),
    ({"remove": "leash", "photo": b"no photo"}, "photo: expected"),
]


def refused(answer: httpx.Response, status: int, message: str) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["kind"] == "INVALID_ARG"
    assert message in error["message"]
    assert "Traceback" not in answer.text


async def test_a_wrong_form_is_refused_in_words(alone):
    for given, message in PICTURES + FIELDS:
        refused(await alone.post(**given), 400, message)
    for given, message in WORDS:
        refused(await alone.post(mask=None, **given), 400, message)
    assert await alone.documents.get("u", "s") is None
    assert await alone.files.list("users") == []


async def test_a_form_with_a_file_too_few_or_too_many_is_refused(alone):
    for files, data, message in (
        ([("mask", MASK)], {}, "photo: expected a file, got none"),
        ([("photo", PHOTO)], {}, "mask: expected a file, or words as remove, got neither"),
        ([("photo", PHOTO), ("photo", PHOTO), ("mask", MASK)], {}, "photo: expected once, got"),
        ([("mask", MASK)], {"photo": "hello"}, "photo: expected a file"),
    ):
        refused(await alone.http.post(POST, files=files, data=data), 400, message)


async def test_a_wrong_json_order_is_refused_in_words(alone):
    for body, message in (
        ({"photo": "users/v/sessions/s/original.jpg"}, "photo: expected the path of a file below"),
        ({"photo": "users/u/../v/original.jpg"}, "photo: expected 1 to 128 letters"),
        ({"photo": "/etc/passwd"}, "photo: expected the path of a file below users/u/"),
        ({"photo": "users/u/"}, "photo: expected 1 to 128 letters"),
        ({"photo": "users/u/none.jpg"}, "photo: expected a file in storage, got none"),
        ({"photo": 7}, "photo: expected the path of a file below users/u/, got int"),
        ({"photo": None}, "photo: expected a file, got none"),
        ({"parameters": [1]}, "parameters: expected an object, got list"),
        ({"prompt": 7}, "prompt: expected a text, got int"),
        ({"url": "http://127.0.0.1/"}, "request: expected some of"),
    ):
        order = {"photo": "users/u/p.jpg", "mask": "users/u/m.png", **body}
        refused(await alone.http.post(POST, json=order), 400, message)


async def test_a_body_of_another_type_is_refused(alone):
    for content, kind in (
        (b"photo", "text/plain"),
        (b"[" * 9000, "application/json"),
        (b"\xff", "application/json"),
        (b"nothing", "multipart/form-data; boundary=x"),
        (b"nothing", "multipart/form-data"),  # no boundary
    ):
        answer = await alone.http.post(POST, content=content, headers={"content-type": kind})
        refused(answer, 400, "multipart" if "form" in kind else "expected")


async def test_ids_that_play_tricks_are_refused(alone):
    for name in ("%2e%2e", ".hidden", "a b", "a%2Fb", "__x__", "x" * 129, "%00", "ü"):
        for path in (f"/v1/users/{name}/sessions/s", f"/v1/users/u/sessions/{name}"):
            answer = await alone.http.get(path)
            assert answer.status_code in (400, 404), answer.text
            assert answer.json()["error"]["kind"] == "INVALID_ARG"


async def test_what_is_not_there_is_404_and_what_is_not_possible_405(alone):
    await alone.post()
    for path in (
        "/v1/users/u/sessions/other",
        ROUTE + "/files/edited.jpg",
        ROUTE + "/files/attempts",
        ROUTE + "/files/..%2Foriginal.jpg",
        "/v1/users/u/sessions/other/events",
        "/v2",
    ):
        refused(await alone.http.get(path), 404, "expected")
    refused(await alone.http.delete("/v1/users/u/sessions/other"), 404, "expected one, got none")
    refused(await alone.http.put(ROUTE), 405, "method")


async def test_a_body_over_the_limit_is_not_read_to_its_end(store, nowhere):
    sent = 0

    async def endless():
        nonlocal sent
        head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="p"\r\n\r\n'
        yield head
        while sent < 50_000_000:
            sent += 65536
            yield bytes(65536)

    async with running(store, nowhere, max_body_bytes=1_000_000) as stack:
        kind = {"content-type": "multipart/form-data; boundary=x"}
        try:
            async with aclosing(endless()) as body:
                refused(await stack.http.post(POST, content=body, headers=kind), 413, "body")
        except httpx.TransportError:
            pass  # the connection ended while it was still being written to
        assert sent < 50_000_000
        declared = await stack.post(photo=bytes(2_000_000))
        refused(declared, 413, "body: expected at most 1000000 bytes, got 2")
        assert (await stack.post()).status_code == 202, "the next request is as good as any"


async def test_an_answer_says_nothing_of_a_defect_but_its_class(alone: Stack, monkeypatch):
    async def broken(uid: str, sid: str) -> None:
        raise RuntimeError("/srv/secret/place")

    monkeypatch.setattr(alone.services.sessions.documents, "get", broken)
    answer = await alone.http.get(ROUTE)
    assert answer.status_code == 500
    assert answer.json() == {"error": {"kind": "INTERNAL", "message": "API: RuntimeError"}}


async def test_in_a_crowd_a_mask_of_another_size_is_still_refused_at_once(alone):
    other = encoded(hole(128, 160), "PNG")
    for given in ({"mask": other}, {"photo": PHOTO[: len(PHOTO) // 2]}):
        answers = await asyncio.gather(*(alone.post(**given, sid=f"s{n}") for n in range(12)))
        assert {answer.status_code for answer in answers} == {400}


async def test_in_a_crowd_an_empty_mask_ends_as_failed_with_its_reason(alone):
    counter = alone.app.state.context.enqueuer.counter
    with counter.counted(), counter.counted():
        assert (await alone.post(mask=EMPTY)).status_code == 202
    job = (await alone.state())["job"]
    await alone.labelled()
    assert (await alone.deliver(job)).action.value == "ack"
    state = await alone.state()
    assert state["processingStatus"] == "failed"
    assert "MASK: expected some pixels >= 128" in state["error"]["message"]
