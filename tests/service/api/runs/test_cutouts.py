"""Runs of the kind cutout: what they take, and what the real server makes of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pawfect_client import PawfectClient, cutout_photo, decode_photo, encode_photo
from pawfect_service.variants.watched import WatchedVariants
from tests.pawfect.photo.pictures import encoded, hole, opened, scene
from tests.service.api.runs.runs import delivered, made
from tests.service.stack import MASK, PHOTO, Stack, running
from tests.service.variants.test_report import ran as reported
from tests.subject import share_in_common, standing


@pytest.mark.parametrize(
    ("files", "parameters", "message"),
    [
        ({}, '{"preset": "best"}', "preset: expected one of fast, standard, high, maximum"),
        ({}, '{"network": "../isnet"}', "network: expected a network's name"),
        ({}, '{"size": 5}', "size: expected auto or a number of px"),
        ({}, '{"threshold": 1.5}', "threshold: expected from 0.0 to 1.0"),
        ({}, '{"output": "red"}', "output: expected one of rgba"),
        ({}, '{"colour": "red"}', "parameters: expected some of"),
        (
            {},
            '{"output": "background"}',
            "BACKGROUND: expected a picture, as output=background says",
        ),
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


FIGURE_PIXELS, FIGURE = standing(160, 192)
FIGURE_PHOTO = encoded(FIGURE_PIXELS, "JPEG", quality=95)
GROUND = encoded(scene(70, 64, seed=3), "JPEG")


async def cut(stack: Stack, parameters: str = "{}", **files: bytes) -> dict[str, Any]:
    """A run's state once its cut-out is completed, its files' contents among its links."""
    given = {"photo": FIGURE_PHOTO, **files}
    answer = await made(stack, given, kind="cutout", parameters=parameters)
    assert answer.status_code == 202, answer.text
    await delivered(stack, answer.json())
    state = await stack.state(where=answer.headers["location"])
    (version,) = state["versions"]
    assert version["processingStatus"] == "completed", version["error"]
    for name, link in version["links"].items():
        version["links"][name] = link and (await stack.http.get(link)).content
    return dict(version)


async def test_a_cutout_is_what_the_client_itself_would_have_made(stack: Stack, server):
    version = await cut(stack)
    files, report = version["links"], version["report"]
    photo = decode_photo(FIGURE_PHOTO)
    with PawfectClient(server.endpoints.grpc) as client:
        own, said = cutout_photo(client.background_removal, photo, None, {})
        laid, _ = cutout_photo(client.background_removal, photo, decode_photo(GROUND), {})
    assert files["cutout"] == encode_photo(own, "PNG")
    alpha = np.array(opened(files["alpha"]))
    np.testing.assert_array_equal(alpha, own.alpha)
    assert share_in_common(alpha, FIGURE) > 0.95
    assert (report["network"], report["subject_found"]) == (said.network, True)
    assert "variant" not in report
    assert version["cost"]["seconds"] == pytest.approx(report["total_ms"] / 1000, abs=1e-3)
    assert files["background"] is None
    laid_by_us = await cut(stack, background=GROUND)
    assert laid_by_us["links"]["cutout"] == encode_photo(laid, "PNG")
    assert laid_by_us["report"]["output"] == "background"


async def test_a_preview_is_small_and_as_clear_as_the_cutout(stack: Stack):
    large = encoded(np.asarray(Image.fromarray(FIGURE_PIXELS).resize((1152, 960))), "JPEG")
    version = await cut(stack, photo=large)
    preview = opened(version["links"]["preview"])
    assert (preview.format, preview.mode, preview.size) == ("PNG", "RGBA", (512, 427))
    clear = np.array(preview)[..., 3]
    assert share_in_common(clear, np.array(Image.fromarray(FIGURE).resize(preview.size))) > 0.95
    on_colour = await cut(stack, parameters='{"output": "#2040ff"}')
    for name in ("cutout", "preview"):
        picture = opened(on_colour["links"][name])
        assert (picture.mode, picture.getpixel((0, 0))) == ("RGB", (0x20, 0x40, 0xFF))


async def test_without_a_subject_the_cutout_is_empty_and_completed(stack: Stack):
    version = await cut(stack, photo=encoded(np.full((96, 128, 3), 120, np.uint8), "JPEG"))
    assert version["report"]["subject_found"] is False
    for name in ("alpha", "cutout"):
        assert not np.array(opened(version["links"][name])).any()


async def test_a_network_that_is_not_there_ends_the_job_with_the_servers_reason(stack: Stack):
    answer = await made(
        stack, {"photo": FIGURE_PHOTO}, kind="cutout", parameters='{"network": "none-such"}'
    )
    assert answer.status_code == 202
    await delivered(stack, answer.json())
    (version,) = (await stack.state(where=answer.headers["location"]))["versions"]
    assert version["processingStatus"] == "failed"
    assert version["error"]["kind"] == "INVALID_ARG"
    assert version["error"]["message"].startswith("network: expected one of")


async def test_variants_of_cutouts_are_told_apart_in_the_report(store, server, tmp_path):
    file = tmp_path / "variants.toml"
    file.write_text("""
salt = "one"
[[variants]]
name = "quick"
kind = "cutout"
share = 100
parameters = { preset = "fast" }
""")
    async with running(store, server.endpoints.grpc, variants=WatchedVariants(file)) as stack:
        quick, own = await cut(stack), await cut(stack, parameters='{"preset": "standard"}')
    assert (quick["report"]["preset"], quick["report"]["variant"]) == ("fast", "quick")
    assert (own["report"]["preset"], own["report"]["variant"]) == ("standard", "own-choice")
    result = await asyncio.to_thread(reported, "report", file, "--store", store, "--json")
    rows = {row["variant"]: row for row in json.loads(result.stdout)}
    assert {name: row["answers"] for name, row in rows.items()} == {
        "quick": 1,
        "default": 0,
        "own-choice": 1,
    }
    assert rows["quick"]["sharpness"] == pytest.approx(quick["report"]["sharpness"])
    assert rows["quick"]["seconds_p50"] == quick["cost"]["seconds"]
