"""From a POST to a published picture, over the real server in the profile `embedded`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_client import AsyncPawfectClient, decode_mask, decode_photo, encode_photo
from pawfect_service.api import state as shown
from tests.client.serving import long_job
from tests.pawfect.photo.pictures import SRGB, encoded, hole, opened, scene
from tests.server.conftest import answers, until
from tests.service.stack import HERE, HOUR_USD, MASK, PHOTO, ROUTE


async def test_a_photo_and_a_mask_become_what_the_client_itself_would_have_made(stack, server):
    answer = await stack.post(parameters='{"seed": 7}')
    assert answer.status_code == 202
    assert answer.headers["location"] == ROUTE
    assert answer.json()["processingStatus"] == "pending"
    async with stack.working():
        state = await stack.over()
    assert state["processingStatus"] == "completed"
    assert state["error"] is None
    assert state["progress"] == {"stage": "done", "share": 1.0}

    photo = decode_photo(PHOTO)
    async with AsyncPawfectClient(server.endpoints.grpc) as client:
        own = await client.inpaint(photo.pixels, decode_mask(MASK, photo), seed=7)
    expected = photo.with_pixels(own.image).changed_by(own.report.engine)
    assert await stack.file("edited.jpg") == encode_photo(expected, "JPEG")
    assert state["report"]["seed"] == 7
    assert state["report"]["hole_px"] == own.report.hole_px
    seconds = state["cost"]["seconds"]
    assert seconds == pytest.approx(state["report"]["total_ms"] / 1000, abs=1e-3)
    assert state["cost"]["amount"] == pytest.approx(seconds * HOUR_USD / 3600)

    names = ("edited.jpg", "mask_auto.png", "original.jpg", "preview.jpg")
    assert await stack.files.list(HERE) == [f"{HERE}/{name}" for name in names]
    links = {name for name, link in state["links"].items() if link}
    assert links == {"original", "mask", "edited", "preview"}
    for name, quality in (("edited.jpg", 95), ("preview.jpg", 85)):
        tables = opened(encoded(scene(), "JPEG", quality=quality)).quantization
        picture = opened(await stack.file(name))
        assert (picture.size, picture.quantization) == ((160, 128), tables)


async def test_a_turned_photo_with_a_profile_leaves_upright_and_keeps_its_profile(stack):
    stored = Image.fromarray(scene(128, 160))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: 160 wide, 128 high as it is seen
    photo = encoded(stored, "JPEG", exif=exif.tobytes(), icc_profile=SRGB)
    mask, protect = encoded(hole(160, 128), "WEBP", lossless=True), np.zeros((128, 160), np.uint8)
    protect[:, :40] = 255
    answer = await stack.post(photo, mask, protect=encoded(protect, "PNG"))
    assert answer.json()["links"]["protect"].endswith("/files/protect.png")
    assert opened(await stack.file("mask_auto.png")).format == "PNG"
    async with stack.working():
        assert (await stack.over())["processingStatus"] == "completed"
    edited, preview = (
        opened(await stack.file("edited.jpg")),
        opened(await stack.file("preview.jpg")),
    )
    assert edited.size == preview.size == (160, 128)
    assert edited.getexif()[0x0112] == 1
    assert edited.info["icc_profile"] == preview.info["icc_profile"] == SRGB
    kept = hole(160, 128) == 0
    kept[:, :40] = False
    seen = np.array(decode_photo(photo).pixels, int)
    difference = np.abs(np.array(edited, int) - seen)[:, 120:]
    assert difference.mean() < 2, "away from the hole it is the photo, turned"


async def test_files_in_storage_are_taken_from_there_and_in_their_place_not_written_again(
    alone, monkeypatch
):
    named = {"photo": f"{HERE}/original.jpg", "mask": f"{HERE}/mask_auto.png"}
    put, written = alone.files.put, []

    async def noted(files: Mapping[str, bytes]) -> None:
        written.extend(files)
        await put(files)

    async def queued(photo: bytes, **changes: str) -> list[str]:
        """The files that a new job writes, with these at the named paths."""
        await put({named["photo"]: photo, named["mask"]: MASK})
        written.clear()
        order = {**named, **changes, "parameters": {"seed": 3}}
        answer = await alone.http.post(f"{ROUTE}/inpaint", json=order)
        assert answer.status_code == 202, answer.text
        assert answer.json()["parameters"] == {"seed": 3}
        await alone.cancel()
        return sorted(written)

    monkeypatch.setattr(alone.files, "put", noted)
    assert await queued(PHOTO) == []
    assert await alone.file("original.jpg") == PHOTO
    png = encoded(scene(160, 128), "PNG")
    assert await queued(png) == [named["photo"]], "in its place, but no JPEG"
    assert opened(await alone.file("original.jpg")).format == "JPEG"
    await put({"users/u/uploads/mask": MASK})
    assert await queued(PHOTO, mask="users/u/uploads/mask") == [named["mask"]]
    assert await alone.file("mask_auto.png") == MASK


async def test_the_same_request_is_the_same_job_until_it_is_over(stack):
    first = (await stack.post(parameters='{"seed": 7}')).json()
    again = await stack.post(parameters='{"seed": 7}')
    assert (again.status_code, again.json()["job"]) == (202, first["job"])
    for other in (
        {"parameters": '{"seed": 8}'},
        {"photo": encoded(scene(160, 128, seed=1), "PNG")},
    ):
        refused = await stack.post(**other)
        assert refused.status_code == 409
        assert refused.json()["error"]["kind"] == "INVALID_ARG"
    assert await stack.file("original.jpg") == PHOTO, "who was refused has replaced nothing"
    async with stack.working():
        done = await stack.over()
    assert (done["job"], done["attempts"]["starts"]) == (first["job"], 1)
    second = (await stack.post(parameters='{"seed": 7}')).json()
    assert second["job"] != first["job"]
    assert second["links"]["edited"] is None, "the former job's result is not this one's"
    assert second["createdAt"] == first["createdAt"]


async def test_a_mask_that_is_black_is_shown_white_and_filled_and_a_reading_is_said(stack):
    inverted = encoded(255 - np.array(opened(MASK)), "PNG")
    assert (await stack.post(mask=inverted)).status_code == 400
    async with stack.working():
        for sid, given, note in (
            ("w", {}, None),
            ("b", {"mask": inverted, "mask_is": "black"}, None),
            ("a", {"mask": inverted, "mask_is": "auto"}, "taken for the hole: the smaller side"),
        ):
            answer = await stack.post(sid=sid, **given)
            assert answer.status_code == 202, answer.text
            said = answer.json()["note"]
            assert (said or "").endswith(note or "") and bool(said) == bool(note)
        done = [await stack.over(sid=sid) for sid in "wba"]
    assert [state["processingStatus"] for state in done] == ["completed"] * 3
    assert [bool(state["note"]) for state in done] == [False, False, True]
    for name in ("mask_auto.png", "edited.jpg"):
        white, *others = [
            np.array(opened(await stack.file(name, sid=sid))) for sid in "wba"
        ]
        for other in others:
            np.testing.assert_array_equal(white, other)


async def test_two_requests_at_once_make_one_job(alone):
    other = encoded(scene(160, 128, seed=1), "JPEG")
    answers = await asyncio.gather(*(alone.post(photo) for photo in (PHOTO, other) * 4))
    taken = [answer.json()["job"] for answer in answers if answer.status_code == 202]
    assert sorted({answer.status_code for answer in answers}) == [202, 409]
    assert len(set(taken)) == 1
    assert (await alone.state())["job"] == taken[0]


async def test_cancelling_stops_the_fill_on_the_server(stack, server):
    before = answers(server, "inpaint_stream", "CANCELLED")
    photo, mask = long_job()
    await stack.post(encoded(photo, "JPEG"), encoded(mask, "PNG"))
    async with stack.working():
        await stack.until(lambda state: state["progress"])
        cancelled = await stack.cancel()
        assert cancelled.json()["processingStatus"] == "cancelled"
        await asyncio.to_thread(
            until, lambda: answers(server, "inpaint_stream", "CANCELLED") == before + 1
        )
    assert (await stack.state())["links"]["edited"] is None
    assert await stack.files.list(f"{HERE}/attempts") == []
    again = await stack.cancel()
    assert (again.status_code, again.json()["processingStatus"]) == (200, "cancelled")


async def test_a_session_deleted_during_its_work_leaves_no_result(alone, repeat):
    repeat.open.clear()
    await alone.ordered(repeat)
    async with alone.working():
        await alone.until(lambda state: state["progress"])
        await alone.documents.delete("u", "s")
        repeat.open.set()
    assert await alone.files.list(HERE) == [f"{HERE}/text.txt"]
    assert (await alone.http.get(ROUTE)).status_code == 404


async def test_events_and_a_websocket_tell_the_states_until_the_end(alone, repeat):
    repeat.open.clear()
    await alone.ordered(repeat)
    seen, moments = [], []
    async with (
        alone.socket() as socket,
        alone.http.stream("GET", f"{ROUTE}/events") as answer,
        alone.working(),
    ):
        asyncio.get_running_loop().call_later(1.2, repeat.open.set)
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: "))["processingStatus"])
                moments.append(time.monotonic())
        told = [json.loads(message)["processingStatus"] async for message in socket]
    for states in (seen, told):
        assert states[0] == "pending"
        assert states[-1] == "completed"
    assert len(moments) >= 3
    assert min(np.diff(moments)) > 0.45, "at most twice a second"


async def test_a_websocket_may_leave_early_and_says_when_the_store_went_away(alone, monkeypatch):
    await alone.post()
    async with alone.socket() as socket:
        assert json.loads(await socket.recv())["processingStatus"] == "pending"
    assert (await alone.state())["processingStatus"] == "pending"

    async def breaking(uid: str, sid: str):
        yield await alone.documents.get(uid, sid)
        raise PawfectError(ErrorKind.UNAVAILABLE, "documents: away")

    monkeypatch.setattr(alone.documents, "watch", breaking)
    async with alone.socket() as socket:
        assert json.loads(await socket.recv())["processingStatus"] == "pending"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert (socket.close_code, socket.close_reason) == (1013, "documents: away")


async def test_a_file_is_the_one_that_lies_there_and_the_jobs_own(alone):
    await alone.post(protect=MASK)
    url = f"{ROUTE}/files"
    assert (await alone.http.get(f"{url}/protect.png")).status_code == 200
    await alone.cancel()
    await alone.post()
    assert (await alone.http.get(f"{url}/protect.png")).status_code == 404, "a former job's"
    first = await alone.http.get(f"{url}/original.jpg")
    known = {"if-none-match": first.headers["etag"]}
    assert (await alone.http.get(f"{url}/original.jpg", headers=known)).status_code == 304
    await alone.files.put({f"{HERE}/original.jpg": b"another"})
    found = await alone.http.get(f"{url}/original.jpg", headers=known)
    assert (found.status_code, found.content) == (200, b"another")


async def test_a_job_of_which_nothing_comes_is_given_up_by_the_stores_clock(alone, monkeypatch):
    await alone.post()
    for ahead_s in (1e6, -1e6):
        now = time.time() + ahead_s
        monkeypatch.setattr(shown, "time", SimpleNamespace(time=partial(float, now)))
        assert (await alone.state())["processingStatus"] == "pending", "the API's does not count"
    monkeypatch.undo()
    await alone.edit(expiresAt=1.0)
    state = await alone.state()
    assert state["processingStatus"] == "failed"
    assert state["error"]["kind"] == "DEADLINE"
