"""What a refinement may bring, what is refused, and whose references it may look at."""

from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
import pytest

from pawfect.contract.errors import PawfectError
from pawfect.contract.refine import Region, RegionPayload
from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.jobs.kinds import refine as kind
from pawfect_service.jobs.kinds.refine_masks import drawn_masks, separate_masks
from pawfect_service.jobs.kinds.refine_stages import STAGES
from tests.pawfect.photo.pictures import encoded, opened, scene
from tests.service.api.runs.inverting import Inverting
from tests.service.api.runs.runs import RUNS
from tests.service.api.runs.test_versions import BOX, REGION, imported, pixels, worked
from tests.service.api.runs.test_versions import square_mask as square
from tests.service.stack import MASK, PHOTO, Stack, running

SUBJECT = {"type": "subject", "payload": {"instructions": "her left ear hangs"}}
DRAWN = {"type": "region", "payload": {"masks": [{"mask": 1, "prompt": "a"}, {"mask": 0}]}}


ONE, OTHER = encoded(square(0, 0), "PNG"), encoded(square(40, 8), "PNG")


async def sent(stack: Stack, here: str, request: Any, *masks: bytes, **files: bytes) -> Any:
    """The answer to a form with a request and files."""
    parts: list[Any] = [("request", (None, json.dumps(request)))]
    parts += [("masks", ("m.png", mask)) for mask in masks]
    parts += [(name, ("f.jpg", data)) for name, data in files.items()]
    return await stack.http.post(f"{here}/refine", files=parts)


async def uploaded(stack: Stack, here: str, data: bytes, **headers: str) -> httpx.Response:
    return await stack.http.post(f"{here}/files", files={"file": data}, headers=headers)


def test_a_types_stages_are_those_of_the_data_file():
    assert kind.stages_of("region") == ("load_base_image", "region_repair", "save_outputs")
    named = {name for type_ in kind.TYPES for name in kind.stages_of(type_)}
    assert named == set(STAGES)


async def test_a_refinement_says_which_job_it_is_and_what_was_asked(
    alone: Stack, inverting: Inverting
):
    here = await imported(alone)
    answer = await alone.http.post(
        f"{here}/refine", json={**REGION, "creativity": 3, "parameters": {"seed": 5}}
    )
    assert answer.status_code == 201
    queued = answer.json()
    assert set(queued) == {"jobId", "runId", "version"}
    assert answer.headers["location"] == f"/api/v1/jobs/{queued['jobId']}/events"
    version = await worked(alone, here, 2)
    assert (version["jobId"], version["version"]) == (queued["jobId"], queued["version"])
    assert (version["kind"], version["type"]) == ("refine", "region")
    assert version["payload"] == REGION["payload"]
    assert version["parameters"] == {"creativity": 3, "seed": 5}
    (asked,) = inverting.seen
    assert (asked["kind"], asked["creativity"], asked["seed"]) == ("region", 3, 5)
    assert json.loads(asked["payload"]) == REGION["payload"]
    found = await alone.http.get(f"{here}/refinements/{queued['jobId']}/image.png")
    assert (found.status_code, found.content[:4]) == (200, b"\x89PNG")
    for other in ("0" * 32 + "-0002.u", queued["jobId"].replace("-0002", "-0001"), "x", "..%2Fx"):
        missing = await alone.http.get(f"{here}/refinements/{other}/image.png")
        assert missing.status_code == 404


async def test_drawn_masks_are_kept_in_their_order(alone: Stack, inverting: Inverting):
    here = await imported(alone)
    answer = await sent(alone, here, DRAWN, ONE, OTHER)
    assert answer.status_code == 201, answer.text
    version = await worked(alone, here, 2)
    np.testing.assert_array_equal(inverting.seen[0]["masks"], [square(0, 0), square(40, 8)])
    labels = np.asarray(opened((await alone.http.get(version["links"]["masks"])).content))
    np.testing.assert_array_equal(labels, (square(0, 0) > 0) + 2 * (square(40, 8) > 0))
    changed = (await pixels(alone, version["imageUrl"])) != inverting.seen[0]["image"]
    np.testing.assert_array_equal(changed.any(axis=2), labels > 0)


def test_masks_are_told_apart_again():
    masks = [encoded(square(16 * k, 16), "PNG") for k in range(10)]
    regions = RegionPayload(tuple(Region(mask=k) for k in range(10)))
    found = separate_masks(drawn_masks(masks, (160, 128), regions))
    np.testing.assert_array_equal(found, [square(16 * k, 16) for k in range(10)])
    for broken in (b"", encoded(np.zeros((8, 8), np.uint8), "PNG"), encoded(scene(8, 8), "PNG")):
        with pytest.raises(PawfectError, match=r"masks\.png: expected"):
            separate_masks(broken)


REFUSED: list[tuple[Any, str]] = [
    ({}, "request.type: expected a value"),
    ({"type": "ears", "payload": {}}, "TYPE: expected one of subject, text, region, general"),
    ({"type": ["text"], "payload": {}}, "request.type: expected a valid string"),
    ({"type": "general", "payload": "x"}, "request.payload: expected a valid dictionary"),
    ({"type": "general", "payload": {}}, "PAYLOAD"),
    ({"type": "general", "payload": {"prompt": "x" * 50_000}}, "at most 2048 bytes"),
    ({"type": "general", "payload": {"prompt": "x", "<b>": 1}}, "PAYLOAD"),
    ({**REGION, "payload": {"masks": [{"bbox": [150, 0, 20, 20]}]}}, "within the photo's 160x"),
    ({**REGION, "payload": {"masks": [{"bbox": [0, 0, 0, 20]}]}}, "not empty"),
    ({**REGION, "payload": {"masks": [{"bbox": BOX}, {"bbox": BOX}]}}, "share no pixel"),
    ({**REGION, "payload": {"masks": [{"mask": 0}]}}, "masks: expected the files"),
    ({**REGION, "creativity": 4}, "creativity: expected from 1 to 3, got 4"),
    ({**REGION, "creativity": "2"}, "request.creativity: expected a valid integer"),
    ({**REGION, "creativity": 1, "parameters": {"creativity": 1}}, "creativity: expected once"),
    ({**REGION, "base": -1}, "request.base: expected"),
    ({**REGION, "base": "1"}, "request.base: expected a valid integer"),
    ({**REGION, "seed": 7}, "request.seed: expected"),
    ({**REGION, "parameters": {"sede": 7}}, "parameters: expected some of"),
    ({**REGION, "parameters": {"deadline_ms": 600_000}}, "deadline_ms: expected from 1 to"),
    (
        {
            "type": "text",
            "payload": {"corrections": [{"bbox": BOX, "text": "\u05e9\u05dc\u05d5\u05dd"}]},
        },
        "PAYLOAD: corrections[0]: text",
    ),
    (
        {"type": "text", "payload": {"corrections": [{"bbox": BOX, "text": "a\U0001f436"}]}},
        "PAYLOAD: corrections[0]: text",
    ),
    (
        {"type": "subject", "payload": {"instructions": "x", "referenceFileId": "../x"}},
        "payload.referenceFileId: expected the fileId",
    ),
    (
        {"type": "subject", "payload": {"instructions": "x", "referenceFileId": "0" * 32}},
        "got one that is not there",
    ),
]


async def test_a_refinement_that_cannot_be_is_refused_before_it_is_queued(alone: Stack):
    here = await imported(alone)
    for request, message in REFUSED:
        answer = await alone.http.post(f"{here}/refine", json=request)
        assert answer.status_code == 400, answer.text
        assert message in answer.json()["error"]["message"]
        assert answer.headers["content-type"] == "application/json"
        assert len(answer.content) < 2000
    assert len((await alone.state(where=here))["versions"]) == 1


async def test_forms_that_do_not_fit_are_refused(alone: Stack, inverting: Inverting):
    here = await imported(alone)
    small = encoded(square(0, 0)[:64], "PNG")
    empty = encoded(np.zeros((128, 160), np.uint8), "PNG")
    one = {"type": "region", "payload": {"masks": [{"mask": 0}]}}
    for answer, message in (
        (await sent(alone, here, DRAWN, ONE), "masks: expected the files that the payload names"),
        (await sent(alone, here, one, ONE, OTHER), "masks: expected the files"),
        (await sent(alone, here, REGION, ONE), "masks: expected the files"),
        (await sent(alone, here, DRAWN, ONE, ONE), "masks[1]: expected no pixel of a mask before"),
        (await sent(alone, here, one, small), "masks[0]: expected the photo's size 160x128"),
        (await sent(alone, here, one, empty), "masks[0]: expected some pixels"),
        (await sent(alone, here, one, b"<svg/>"), "masks[0]: expected"),
        (await sent(alone, here, REGION, reference=PHOTO), "reference: expected none but for"),
        (await sent(alone, here, SUBJECT, reference=b"x"), "reference: expected"),
        (await sent(alone, here, SUBJECT, other=PHOTO), "request: expected request"),
        (await sent(alone, here, SUBJECT, *[ONE] * 18), "Too many files"),
    ):
        assert answer.status_code == 400, answer.text
        assert message in answer.json()["error"]["message"]
    plain = await alone.http.post(f"{here}/refine", content=b"{}", headers={"content-type": "x/y"})
    assert plain.status_code == 400
    long = b'{"type": "' + b"x" * 90_000
    headers = {"content-type": "application/json"}
    answer = await alone.http.post(f"{here}/refine", content=long, headers=headers)
    assert answer.status_code == 400
    assert "at most" in answer.json()["error"]["message"]
    assert len((await alone.state(where=here))["versions"]) == 1


async def test_a_reference_is_uploaded_once_and_kept_with_each_version(
    alone: Stack, inverting: Inverting
):
    here = await imported(alone)
    answer = await uploaded(alone, here, encoded(scene(90, 70), "PNG"))
    assert answer.status_code == 201, answer.text
    named = {**SUBJECT["payload"], "referenceFileId": answer.json()["fileId"]}
    request = {"type": "subject", "payload": named}
    assert (await alone.http.post(f"{here}/refine", json=request)).status_code == 201
    version = await worked(alone, here, 2)
    (asked,) = inverting.seen
    assert asked["reference"].shape == (70, 90, 3)
    kept = opened((await alone.http.get(version["links"]["reference"])).content)
    assert (kept.format, kept.size) == ("JPEG", (90, 70))
    assert (await sent(alone, here, SUBJECT, reference=PHOTO)).status_code == 201
    twice = await sent(alone, here, request, reference=PHOTO)
    assert "expected a file or referenceFileId, got both" in twice.json()["error"]["message"]
    for bad in (b"", b"<html><script>", PHOTO[:999]):
        assert (await uploaded(alone, here, bad)).status_code == 400
    assert (await alone.http.post(f"{here}/files", json={})).status_code == 400
    assert (await alone.http.post(f"{here}/files", files={"photo": PHOTO})).status_code == 400
    gone = f"{RUNS}/{'0' * 32}.u"
    assert (await uploaded(alone, gone, PHOTO)).status_code == 404


async def test_another_users_reference_is_not_there_and_its_run_is_forbidden(
    store, nowhere, inverting: Inverting
):
    (own, own_line), (other, other_line) = new_api_key("a", "u"), new_api_key("b", "v")
    async with running(store, nowhere, authenticators=[ApiKeys([own_line, other_line])]) as stack:
        stack.http.headers["x-api-key"] = own
        here = await imported(stack)
        file_id = (await uploaded(stack, here, PHOTO)).json()["fileId"]
        stack.http.headers["x-api-key"] = other
        theirs = await imported(stack, user="v")
        named = {**SUBJECT["payload"], "referenceFileId": file_id}
        answer = await stack.http.post(
            f"{theirs}/refine", json={"type": "subject", "payload": named}
        )
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].endswith("got one that is not there")
        for method, path in (
            ("POST", "/refine"),
            ("POST", "/inpaint"),
            ("POST", "/cutout"),
            ("POST", "/files"),
            ("GET", "/run.json"),
            ("GET", "/files/original.jpg?version=0"),
            ("DELETE", "/versions/1"),
            ("GET", f"/refinements/{here.rpartition('/')[2].replace('.', '-0001.')}/image.png"),
        ):
            assert (await stack.http.request(method, here + path)).status_code == 403, path
        assert (await stack.http.get(f"{RUNS}?user=u")).status_code == 403
        runs = (await stack.http.get(RUNS)).json()["runs"]
        assert [run["runId"] for run in runs] == [theirs.rpartition("/")[2]]


HTML = '<script>alert("x")</script>'


async def test_html_in_every_field_is_text_of_json_and_files_are_pictures(
    alone: Stack, inverting: Inverting
):
    here = await imported(alone)
    payload = {"masks": [{"bbox": BOX, "prompt": HTML}]}
    await alone.http.post(f"{here}/refine", json={"type": "region", "payload": payload})
    version = await worked(alone, here, 2)
    assert version["payload"] == payload
    said = {"rating": 5, "comment": HTML, "version": 2}
    assert (await alone.http.post(f"{here}/feedback", json=said)).status_code == 200
    await alone.http.post(
        f"{here}/inpaint", files={"mask": MASK}, data={"prompt": HTML, "base": "0"}
    )
    refused = [
        await alone.http.post(f"{here}/refine", json={"type": HTML, "payload": {}}),
        await alone.http.post(f"{here}/inpaint", files={"mask": MASK}, data={"base": HTML}),
        await alone.http.post(f"{here}/inpaint", files={"mask": MASK}, data={HTML: HTML}),
        await alone.http.get(f"{here}/files/{HTML.replace('/', '')}"),
        await alone.http.get(RUNS, params={"before": HTML}),
        await alone.http.get(RUNS, params={"user": HTML}),
        await alone.http.post("/api/v1/masks", files={"photo": PHOTO}, data={"subject": HTML}),
        await alone.http.post("/api/v1/sign-in", json={"key": 1, HTML: HTML}),
    ]
    assert all(400 <= answer.status_code < 500 for answer in refused)
    found = [await alone.http.get(here), await alone.http.get(f"{here}/run.json")]
    assert HTML in found[0].json()["versions"][1]["feedback"]["comment"]
    for answer in refused + found:
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    for link in (version["imageUrl"], version["previewUrl"], version["links"]["edited"]):
        headers = (await alone.http.get(link)).headers
        assert headers["content-type"] in ("image/png", "image/jpeg")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'; sandbox")
        assert headers["cross-origin-resource-policy"] == "same-origin"


async def test_an_upload_of_a_hundred_megabytes_of_nothing_is_refused(alone: Stack):
    here = await imported(alone)
    answer = await uploaded(alone, here, bytes(100 * 10**6))
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
