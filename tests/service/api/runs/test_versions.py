"""Versions of a run: which picture each works on, how their numbers are taken, what is kept."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from pawfect_client import decode_photo
from pawfect_service.jobs.paths import RunId, parse_job_id
from pawfect_service.stores import make_queue
from tests.pawfect.photo.pictures import SRGB, encoded, hole, opened, scene
from tests.service.api.runs.inverting import Inverting
from tests.service.api.runs.runs import RUNS, delivered, made
from tests.service.stack import MASK, PHOTO, SOON, Stack, running

BOX = [10, 20, 30, 40]
REGION = {"type": "region", "payload": {"masks": [{"bbox": BOX, "prompt": "grass"}]}}


async def imported(stack: Stack, photo: bytes = PHOTO, **query: str) -> str:
    """The route of a run whose first version is a photo."""
    answer = await made(stack, {"photo": photo}, kind="import", **query)
    assert answer.status_code == 202, answer.text
    await delivered(stack, answer.json())
    return f"{RUNS}/{answer.json()['runId']}"


async def worked(stack: Stack, here: str, version: int) -> dict[str, Any]:
    """A version once a worker has had its message."""
    await delivered(stack, await stack.state(where=here), version)
    return (await stack.state(where=here))["versions"][version - 1]


async def again(stack: Stack, here: str, mask: bytes = MASK, **texts: str) -> httpx.Response:
    return await stack.http.post(f"{here}/inpaint", files={"mask": mask}, data=texts)


async def refined(stack: Stack, here: str, **more: Any) -> httpx.Response:
    return await stack.http.post(f"{here}/refine", json={**REGION, **more})


async def pixels(stack: Stack, link: str) -> Any:
    return decode_photo((await stack.http.get(link)).content).pixels


def inverted(image: Any, inside: Any) -> Any:
    return np.where(inside[..., None], 255 - image, image)


def square_mask(x: int, y: int) -> Any:
    """A mask with one square of 16 px."""
    mask = np.zeros((128, 160), np.uint8)
    mask[y : y + 16, x : x + 16] = 255
    return mask


IN_BOX = np.zeros((128, 160), bool)
IN_BOX[20:60, 10:40] = True
IN_HOLE = hole(160, 128) >= 128


async def test_an_imported_photo_is_version_one_as_it_came(alone: Stack):
    here = await imported(alone)
    state = await alone.state(where=here)
    (version,) = state["versions"]
    assert (version["kind"], version["parent"], version["version"]) == ("import", 0, 1)
    assert version["processingStatus"] == "completed", version["error"]
    assert (version["type"], version["payload"], version["waitingBefore"]) == (None, None, None)
    for link in (version["imageUrl"], f"{here}/files/original.jpg?version=0"):
        assert (await alone.http.get(link)).content == PHOTO
    preview = opened((await alone.http.get(version["previewUrl"])).content)
    assert preview.size == (160, 128)
    assert (version["report"]["width"], version["report"]["height"]) == (160, 128)
    run = RunId.parse(state["runId"])
    assert run is not None
    assert version["jobId"] == f"{run.token}-0001.u"
    assert parse_job_id(version["jobId"]) == (run, 1)
    assert (await alone.http.get(f"{here}/files/preview.jpg?version=0")).status_code == 404


async def test_an_import_takes_a_photo_alone(alone: Stack):
    for files, parameters in (
        ({"photo": PHOTO[:2000]}, "{}"),
        ({"photo": PHOTO}, '{"seed": 7}'),
        ({"photo": PHOTO, "mask": MASK}, "{}"),
        ({"photo": b"<html>"}, "{}"),
    ):
        answer = await made(alone, files, kind="import", parameters=parameters)
        assert answer.status_code == 400
    assert await alone.documents.named("u", "run-") == []


async def test_a_chain_of_versions_changes_no_pixel_but_those_that_are_filled(
    alone: Stack, inverting: Inverting
):
    profile = Image.fromarray(scene(160, 128))
    exif = profile.getexif()
    exif[0x010F] = "Maker"
    photo = encoded(profile, "JPEG", quality=80, icc_profile=SRGB, exif=exif)
    here = await imported(alone, photo)
    first = decode_photo(photo).pixels
    assert (await again(alone, here)).status_code == 202
    second = await worked(alone, here, 2)
    assert (second["kind"], second["parent"]) == ("inpaint", 1)
    want = inverted(first, IN_HOLE)
    np.testing.assert_array_equal(await pixels(alone, second["imageUrl"]), want)
    for _ in range(2):
        assert (await refined(alone, here)).status_code == 201
    third, fourth = await worked(alone, here, 3), await worked(alone, here, 4)
    assert (third["parent"], fourth["parent"]) == (2, 2), "the newest that was completed then"
    np.testing.assert_array_equal(inverting.seen[0]["image"], want)
    want = inverted(want, IN_BOX)
    for version in (third, fourth):
        np.testing.assert_array_equal(await pixels(alone, version["imageUrl"]), want)
    kept = decode_photo((await alone.http.get(third["imageUrl"])).content)
    assert kept.icc_profile == SRGB
    assert b"Maker" in (kept.exif or b"")
    edited = opened((await alone.http.get(third["links"]["edited"])).content)
    assert (edited.format, edited.info["icc_profile"]) == ("JPEG", SRGB)
    assert third["links"]["original"] == second["imageUrl"], "what it worked on"
    assert (await alone.http.get(f"{here}/files/original.jpg?version=3")).status_code == 404


async def test_versions_branch_from_any_other_and_from_the_photo(
    alone: Stack, inverting: Inverting
):
    here = await imported(alone)
    await again(alone, here)
    await worked(alone, here, 2)
    for base, parent in (("0", 0), ("1", 1), ("2", 2)):
        answer = await again(alone, here, base=base, parameters='{"seed": 8}')
        assert answer.json()["versions"][-1]["parent"] == parent
        version = await worked(alone, here, answer.json()["versions"][-1]["version"])
        original = decode_photo(PHOTO).pixels
        want = original if base == "2" else inverted(original, IN_HOLE)
        np.testing.assert_array_equal(await pixels(alone, version["imageUrl"]), want)
        assert version["parameters"] == {"seed": 8}
    for base, status in (("7", 404), ("x", 400), ("-1", 400), ("1.0", 400), ("\u0663", 400)):
        assert (await again(alone, here, base=base)).status_code == status
    await again(alone, here)
    early = await again(alone, here, base="6")
    assert early.status_code == 409
    assert "expected version 6 to be completed" in early.json()["error"]["message"]


async def test_a_first_version_that_is_a_fill_is_kept_without_loss_too(
    alone: Stack, inverting: Inverting
):
    answer = await made(alone, {"photo": PHOTO, "mask": MASK}, kind="inpaint")
    assert answer.status_code == 202, answer.text
    here = f"{RUNS}/{answer.json()['runId']}"
    first = await worked(alone, here, 1)
    assert (first["kind"], first["parent"]) == ("inpaint", 0)
    want = inverted(decode_photo(PHOTO).pixels, IN_HOLE)
    np.testing.assert_array_equal(await pixels(alone, first["imageUrl"]), want)
    await again(alone, here, base="0")
    second = await worked(alone, here, 2)
    np.testing.assert_array_equal(await pixels(alone, second["imageUrl"]), want)


# On the emulators with all tests: a message that was put back may be lost to Pub/Sub's for long.
@pytest.mark.parametrize(
    "store_url", ["embedded", pytest.param("google", marks=pytest.mark.slow)], indirect=True
)
async def test_ten_versions_at_once_take_ten_numbers(store_url, nowhere, uid, inverting):
    make_queue(store_url, SOON)
    async with running(store_url, nowhere) as stack:
        here = await imported(stack, user=uid)
        answers = await asyncio.gather(
            *(refined(stack, here, parameters={"seed": seed}) for seed in range(10))
        )
        assert [answer.status_code for answer in answers] == [201] * 10
        assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 12))
        state = await stack.state(where=here)
        waiting = [each["waitingBefore"] for each in state["versions"]]
        assert waiting[0] is None
        # Other tests' jobs may wait on the emulators, which all of them share.
        others = min(waiting[1:])
        assert sorted(waiting[1:]) == list(range(others, others + 10))
        assert others == 0 or store_url.startswith("google")
        async with stack.working():
            await stack.until(
                lambda run: all(v["processingStatus"] == "completed" for v in run["versions"]),
                where=here,
            )
        whole = (await stack.http.get(f"{here}/run.json")).json()
        assert [each["version"] for each in whole["versions"]] == list(range(1, 12))
        assert len(whole["refinements"]) == 10
        seeds = [each["report"]["seed"] for each in whole["refinements"]]
        assert sorted(seeds) == list(range(10)), "none lost, none doubled"
        for each in whole["refinements"]:
            path = f"refinements/{each['job_id']}/image.png"
            assert each["image_path"] == path
            found = await stack.http.get(f"{here}/{path}")
            assert found.headers["content-type"] == "image/png"
            assert (each["type"], each["parent"], each["status"]) == ("region", 1, "completed")
            assert each["payload"] == REGION["payload"]


async def test_one_version_is_cancelled_and_the_others_stay(alone: Stack, inverting: Inverting):
    here = await imported(alone)
    for _ in range(2):
        await refined(alone, here)
    state = (await alone.http.delete(f"{here}/versions/2")).json()
    assert [each["processingStatus"] for each in state["versions"]] == [
        "completed",
        "cancelled",
        "pending",
    ]
    assert (await alone.http.delete(f"{here}/versions/9")).status_code == 404
    assert (await alone.http.delete(f"{here}/versions/x")).status_code == 400
    assert (await worked(alone, here, 3))["processingStatus"] == "completed"


async def test_what_is_cut_out_is_no_base_and_its_reason_is_said(alone: Stack):
    here = await imported(alone)
    await alone.http.post(f"{here}/cutout")
    answer = await alone.http.post(f"{here}/cutout", files={"x": b""})
    assert answer.status_code == 400
    answer = await alone.http.post(f"{here}/cutout", data={"parameters": "{}"}, files=EMPTY_FORM)
    assert answer.status_code == 202, answer.text
    version = answer.json()["versions"][-1]
    assert (version["kind"], version["parent"]) == ("cutout", 1)
    run = RunId.parse(answer.json()["runId"])
    assert run is not None
    clear = encoded(np.dstack([scene(160, 128), hole(160, 128)]), "PNG")
    await alone.files.put({f"users/u/sessions/{run.sid(2)}/cutout.png": clear})
    await finished_by_hand(alone, run, 2)
    refused = await again(alone, here, base="2")
    assert refused.status_code == 400
    assert "without transparent parts" in refused.json()["error"]["message"]
    assert (await again(alone, here, base="1")).status_code == 202


# A form without a file is not sent as one by httpx, unless one of its texts goes as a part.
EMPTY_FORM = {"base": (None, "1")}


async def finished_by_hand(stack: Stack, run: RunId, version: int) -> None:
    """Complete a job whose files are there."""
    from pawfect_service.jobs.moves import claim_result, complete, take_up
    from tests.service.jobs.session import COST

    move, where = stack.services.sessions.move, (run.uid, run.sid(version))
    document = await stack.documents.get(*where)
    mine = {"job": document["job"], "owner": "w"}
    await move(*where, take_up, **mine)
    await move(*where, claim_result, **mine, report="{}", cost=COST)
    await move(*where, complete, job=document["job"])


async def test_a_mask_of_another_size_than_its_base_is_refused(alone: Stack, inverting: Inverting):
    here = await imported(alone)
    await again(alone, here)
    await worked(alone, here, 2)
    for base in ("0", "1", "2"):
        answer = await again(alone, here, mask=encoded(hole(64, 64), "PNG"), base=base)
        assert answer.status_code == 400
        assert "expected the photo's size 160x128" in answer.json()["error"]["message"]
    none = await alone.http.post(f"{here}/inpaint", data={}, files={"base": (None, "1")})
    assert (
        none.json()["error"]["message"] == "mask: expected a file, or words as remove, got neither"
    )
    assert len((await alone.state(where=here))["versions"]) == 2


async def test_a_base_that_somebody_edited_into_another_fails_the_job(alone, inverting):
    from pawfect_service.stores.base import Change

    here = await imported(alone)
    await again(alone, here)
    run = RunId.parse(here.rpartition("/")[2])
    assert run is not None
    for base in ("1/../../../x", "9/image.png", "1", "1/original.png"):

        def edited(old: Any, now: float, base: str = base) -> Change:
            return Change({**old, "request": {**old["request"], "base": base}})

        await alone.documents.update("u", run.sid(2), edited)
        version = (await alone.state(where=here))["versions"][1]
        assert version["processingStatus"] == "failed"
        assert version["error"]["kind"] == "INVALID_ARG"
    assert json.dumps(await alone.state(where=here))
