"""What a run of the kind cutout takes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.pawfect.photo.pictures import encoded, hole, opened, scene
from tests.service.api.runs.runs import made
from tests.service.stack import MASK, PHOTO, Stack


@pytest.mark.parametrize(
    ("files", "parameters", "message"),
    [
        ({}, '{"preset": "best"}', "preset: expected one of fast, standard, high, maximum"),
        ({}, '{"network": "../isnet"}', "network: expected a network's name"),
        ({}, '{"size": 5}', "size: expected auto or a number of px"),
        ({}, '{"threshold": 1.5}', "threshold: expected from 0.0 to 1.0"),
        ({}, '{"output": "red"}', "output: expected one of rgba"),
        ({}, '{"colour": "red"}', "parameters: expected some of"),
        ({}, '{"output": "background"}', "background: expected a file, since output is background"),
        ({"background": b"no picture"}, "{}", "background: expected"),
        ({"background": PHOTO[:300]}, "{}", "background: expected"),
        ({"background": encoded(scene(32, 32), "PNG")}, "{}", "background: expected sides of"),
        ({"photo": b""}, "{}", "photo: expected"),
        ({"mask": MASK}, "{}", "request: expected some of photo, background, parameters"),
    ],
)
async def test_a_cutout_that_cannot_be_is_refused_when_it_is_posted(
    alone: Stack, files, parameters, message
):
    answer = await made(alone, {"photo": PHOTO, **files}, kind="cutout", parameters=parameters)
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["error"]["message"]
    assert await alone.documents.named("u", "run-") == []


async def test_pictures_of_a_cutout_are_stored_as_jpegs(alone: Stack):
    photo, background = scene(160, 128), scene(200, 90, seed=2)
    files = {"photo": encoded(photo, "PNG"), "background": encoded(background, "WEBP")}
    state = (await made(alone, files, kind="cutout")).json()
    links = state["versions"][0]["links"]
    for name, size in (("original", (160, 128)), ("background", (200, 90))):
        found = opened((await alone.http.get(links[name])).content)
        assert (found.format, found.size) == ("JPEG", size)
    state = (await made(alone, {"photo": PHOTO}, kind="cutout")).json()
    same = await alone.http.get(state["versions"][0]["links"]["original"])
    assert same.content == PHOTO
    clear = np.dstack([photo, hole(160, 128)])
    refused = await made(alone, {"photo": encoded(clear, "PNG")}, kind="cutout")
    assert "expected a picture without transparent parts" in refused.json()["error"]["message"]
