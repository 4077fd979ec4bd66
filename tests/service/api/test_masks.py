"""Masks of a picture: its subject by the real server, and what phrases cannot have there."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from tests.pawfect.photo.pictures import encoded, opened
from tests.service.api.runs.runs import RUNS
from tests.service.api.runs.test_versions import imported
from tests.service.stack import PHOTO, Stack
from tests.subject import share_in_common, standing

MASKS = "/api/v1/masks"
PIXELS, FIGURE = standing(160, 192)
FIGURE_PHOTO = encoded(PIXELS, "JPEG", quality=95)


async def found(stack: Stack, photo: bytes | None = None, **texts: Any) -> Any:
    parts: list[Any] = [] if photo is None else [("photo", ("p.jpg", photo))]
    for name, value in texts.items():
        values = value if isinstance(value, list) else [value]
        parts += [(name, (None, text)) for text in values]
    return await stack.http.post(MASKS, files=parts or {"subject": (None, "true")})


async def test_the_subject_of_a_photo_or_of_a_run_is_found(stack: Stack):
    answer = await found(stack, FIGURE_PHOTO, subject="true")
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()["found"]
    mask = np.asarray(opened(base64.b64decode(one["mask"])))
    assert set(np.unique(mask)) == {0, 255}
    assert share_in_common(mask, FIGURE) > 0.95
    assert one["phrase"] is None
    assert 0.5 < one["score"] <= 1
    assert abs(one["share"] - (mask > 0).mean()) < 1e-5
    assert answer.json()["report"]["subject_found"] is True
    here = await imported(stack, FIGURE_PHOTO)
    of_run = await found(stack, run=here.rpartition("/")[2], subject="true")
    assert of_run.json()["found"] == [one]
    grey = encoded(np.full((96, 128, 3), 120, np.uint8), "JPEG")
    assert (await found(stack, grey, subject="true")).json()["found"] == []


async def test_words_need_a_server_that_knows_them(stack: Stack):
    answer = await found(stack, FIGURE_PHOTO, find=["dog", "leash"], leastScore="0.5")
    assert answer.status_code == 503
    assert "SAM3" in answer.json()["error"]["message"]


async def test_what_cannot_be_looked_for_is_refused(alone: Stack):
    here = await imported(alone)
    run = here.rpartition("/")[2]
    for asked, status, message in (
        ({"photo": PHOTO}, 400, "subject, find: expected one of them, got neither"),
        ({"photo": PHOTO, "subject": "true", "find": "dog"}, 400, "got both"),
        ({"photo": PHOTO, "subject": "yes"}, 400, "subject: expected true or false"),
        ({"photo": PHOTO, "subject": ["true", "true"]}, 400, "request: expected some of"),
        ({"photo": PHOTO, "find": ["a"] * 9}, 400, "find: expected at most 8"),
        ({"photo": PHOTO, "find": "\x1b"}, 400, "PHRASE: expected"),
        ({"photo": PHOTO, "find": "dog", "leastScore": "x"}, 400, "leastScore: expected"),
        (
            {"photo": PHOTO, "subject": "true", "leastScore": "0.5"},
            400,
            "leastScore: expected find",
        ),
        ({"photo": PHOTO, "version": "1", "subject": "true"}, 400, "version: expected run"),
        ({"photo": PHOTO, "run": run, "subject": "true"}, 400, "photo, run: expected one"),
        ({"subject": "true"}, 400, "photo, run: expected one of them, got neither"),
        ({"photo": b"<svg/>", "subject": "true"}, 400, "photo: expected"),
        ({"run": run, "version": "x", "subject": "true"}, 400, "version: expected"),
        ({"run": run, "version": "7", "subject": "true"}, 404, "expected one, got none"),
        ({"run": "../x", "subject": "true"}, 404, "expected one, got none"),
        ({"run": "0" * 32 + ".u", "subject": "true"}, 404, "expected one, got none"),
    ):
        answer = await found(alone, asked.pop("photo", None), **asked)
        assert answer.status_code == status, (asked, answer.text)
        assert message in answer.json()["error"]["message"], answer.text
    plain = await alone.http.post(MASKS, json={})
    assert plain.status_code == 400
    away = await found(alone, PHOTO, subject="true")
    assert away.status_code == 503
    assert (await alone.http.get(RUNS)).status_code == 200
