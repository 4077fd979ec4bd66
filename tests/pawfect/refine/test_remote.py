"""The remote engine: the real SDK over real sockets, against a server that speaks its API."""

from __future__ import annotations

import asyncio
import base64
import logging

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.picture.box import Box
from pawfect.refine.editing import EditTask
from pawfect.refine.remote import RemoteEngine
from pawfect.refine.remote_settings import RemoteSettings
from tests.image_server import KEY, ImageServer, answer, drawn, picture_file, plain, refused
from tests.lawn import lawn

HEIGHT, WIDTH = 96, 128
PICTURE = lawn(HEIGHT, WIDTH)


def task(mask=None, *references) -> EditTask:
    return EditTask(PICTURE, Box(0, 0, WIDTH, HEIGHT), mask, references, "a red scarf")


def engine(images, **changes) -> RemoteEngine:
    given = {"url": images.url, "key": KEY, "timeout_s": 60} | changes
    return RemoteEngine(RemoteSettings(**given))


def failure(images, **changes) -> PawfectError:
    with pytest.raises(PawfectError) as caught:
        asyncio.run(engine(images, **changes)(task()))
    return caught.value


def test_what_is_sent_is_the_picture_its_mask_and_the_words(images):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:40, 30:60] = 255
    reference = lawn(64, 80, seed=4)
    edited = asyncio.run(engine(images, model="painter-1", daily=9)(task(mask, reference)))
    (asked,) = images.asked
    assert asked.path == "/v1/images/edits"
    assert asked.authorization == f"Bearer {KEY}"
    assert asked.texts == {
        "model": "painter-1",
        "prompt": "a red scarf",
        "n": "1",
        "size": f"{WIDTH}x{HEIGHT}",
        "output_format": "png",
    }
    sent, shown = asked.pictures["image"]
    np.testing.assert_array_equal(sent, PICTURE)
    np.testing.assert_array_equal(shown, reference)
    (marked,) = asked.pictures["mask"]
    # Transparent is what may change.
    np.testing.assert_array_equal(marked[..., 3], 255 - mask)
    assert edited.engine == "remote"
    assert edited.remote.model == "painter-1"
    assert edited.remote.left_today == 8
    assert edited.remote.ms > 0
    np.testing.assert_array_equal(edited.picture, np.full((HEIGHT, WIDTH, 3), (200, 40, 40)))


def test_without_mask_and_reference_one_picture_is_sent(images):
    asyncio.run(engine(images)(task()))
    assert {name: len(sent) for name, sent in images.asked[0].pictures.items()} == {"image": 1}


def test_a_picture_of_another_size_or_format_comes_as_it_is(images):
    data = base64.b64encode(picture_file(lawn(70, 90), "JPEG")).decode()
    images.draw = lambda asked: answer(200, {"created": 1, "data": [{"b64_json": data}]})
    assert asyncio.run(engine(images)(task())).picture.shape == (70, 90, 3)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "moderation_blocked", ErrorKind.INVALID_ARG),
        (413, None, ErrorKind.INVALID_ARG),
        (404, "model_not_found", ErrorKind.UNAVAILABLE),
        (408, None, ErrorKind.DEADLINE),
        (429, "rate_limit_exceeded", ErrorKind.QUEUE_FULL),
        (429, "insufficient_quota", ErrorKind.UNAVAILABLE),
        (500, None, ErrorKind.UNAVAILABLE),
        (503, None, ErrorKind.UNAVAILABLE),
    ],
)
def test_a_refusal_is_told_in_the_engines_own_words_and_asked_once(images, status, code, kind):
    images.draw = lambda asked: refused(status, "no dogs\x1b[1m in hats", code)
    error = failure(images)
    assert error.kind is kind
    assert error.message == (
        f"remote: expected a picture of the remote engine, got status {status}: no dogs[1m in hats"
    )
    assert len(images.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_taken_stays_unsaid(images, status, caplog):
    caplog.set_level(logging.DEBUG)
    images.draw = lambda asked: refused(status, f"Incorrect API key provided: {KEY[:9]}***7890")
    error = failure(images)
    assert error.kind is ErrorKind.UNAVAILABLE
    assert error.message.endswith(f"got status {status}")
    assert KEY not in caplog.text


def test_an_engine_that_repeats_the_key_does_not_get_it_told(images, caplog):
    caplog.set_level(logging.DEBUG)
    images.draw = lambda asked: refused(400, f"what is {KEY}? see /srv/app/main.py")
    error = failure(images)
    assert "what is ***? see main.py" in error.message
    assert KEY not in caplog.text
    assert KEY not in repr(RemoteSettings(images.url, KEY))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda asked: (200, "application/json", b"{"), "an answer that cannot be read"),
        (lambda asked: (200, "text/html", b"<h1>hello</h1>"), "an answer without one"),
        (lambda asked: answer(200, {"created": 1, "data": []}), "an answer without one"),
        (lambda asked: answer(200, {"created": 1}), "an answer without one"),
        (lambda asked: answer(200, [1]), "an answer without one"),
        (
            lambda asked: answer(200, {"created": 1, "data": [{"url": "http://10.0.0.1/x.png"}]}),
            "an answer without its content in base64",
        ),
        (
            lambda asked: answer(200, {"created": 1, "data": [{"b64_json": "%%%"}]}),
            "what is no base64",
        ),
        (
            lambda asked: answer(200, {"created": 1, "data": [{"b64_json": "aGVsbG8="}]}),
            "what is none",
        ),
        (lambda asked: drawn(np.zeros((8, 8, 3), np.uint8)), "what is none"),
    ],
)
def test_an_answer_that_is_no_picture_is_a_defect_and_not_asked_for_again(images, made, said):
    images.draw = made
    error = failure(images)
    assert error.kind is ErrorKind.INTERNAL, error
    assert error.message.startswith("remote: expected a picture of the remote engine, got")
    assert said in error.message
    assert len(images.asked) == 1


def test_a_redirection_is_not_followed(images):
    with ImageServer().serving() as elsewhere:
        place = f"{elsewhere.url}/images/edits".encode()
        images.draw = lambda asked: (307, "text/plain", place)
        assert failure(images).kind is ErrorKind.UNAVAILABLE
    assert len(images.asked) == 1
    assert elsewhere.asked == []


def test_nobody_there_is_unavailable(images):
    # Port 1 of loopback: nothing listens there.
    error = failure(images, url="http://127.0.0.1:1/v1")
    assert error.kind is ErrorKind.UNAVAILABLE
    assert error.message.endswith("got no connection to it")


def test_an_engine_that_is_slow_is_late(images):
    images.hold = True
    error = failure(images, timeout_s=1)
    assert error.kind is ErrorKind.DEADLINE
    assert error.message.endswith("got no answer within 1 s")


def test_who_cancels_closes_the_connection(images):
    images.hold = True

    async def asked_and_left() -> None:
        asking = asyncio.create_task(engine(images)(task()))
        await asyncio.to_thread(images.arrived.wait, 30)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(asked_and_left())
    assert images.left.wait(30)


def test_beyond_the_budget_nothing_is_sent(images):
    images.draw = plain((1, 2, 3))
    limited = RemoteEngine(RemoteSettings(images.url, KEY, daily=1))
    assert asyncio.run(limited(task())).remote.left_today == 0
    with pytest.raises(PawfectError) as caught:
        asyncio.run(limited(task()))
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert "PAWFECT_REMOTE_DAILY: the 1 requests of this day (UTC) are made" in str(caught.value)
    assert len(images.asked) == 1


def test_an_answer_beyond_its_bound_is_not_read(images, monkeypatch):
    monkeypatch.setattr("pawfect.refine.remote._MOST_BYTES", 100)
    error = failure(images)
    assert error.kind is ErrorKind.INTERNAL
    assert error.message.endswith("got an answer that is too large")
    assert len(images.asked) == 1
