"""Swaps of a face as versions of a run: with consent alone, signed by the caller, labelled."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import numpy as np
import pytest

from pawfect.contract.capabilities import Capabilities, Capability
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.photo.xmp import source_type
from pawfect_client import decode_photo
from pawfect_client.client import AsyncPawfectClient
from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.jobs.paths import RunId
from pawfect_service.stores.base import Change
from pawfect_service.telemetry.logs import JsonLines
from tests.pawfect.photo.pictures import encoded, opened, scene
from tests.service.api.runs.runs import RUNS
from tests.service.api.runs.searching import Searching
from tests.service.api.runs.test_comparisons import by_potential, counted, said
from tests.service.api.runs.test_versions import imported, pixels, square_mask, worked
from tests.service.stack import MASK, PHOTO, Stack, running

SMALL = {"k_global": 3, "m_global": 1, "k_local": 2, "seed": 4}
CHARACTER = encoded(scene(90, 70), "PNG")
TRAINED = "compositeWithTrainedAlgorithmicMedia"


async def swapped(
    stack: Stack,
    here: str,
    files: dict[str, bytes] | None = None,
    *,
    form: dict[str, str] | None = None,
    **parameters: Any,
) -> httpx.Response:
    """The answer to a POST of a swap on the newest picture of a run, with consent by default."""
    given = {**SMALL, "consent": True, **parameters}
    data = {"parameters": json.dumps({k: v for k, v in given.items() if v is not None})}
    pictures = {"reference": CHARACTER} if files is None else files
    return await stack.http.post(f"{here}/swap", files=pictures, data={**data, **(form or {})})


def message_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The service's log, one JSON object a line."""
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.setFormatter(JsonLines())
    root, level = logging.getLogger("pawfect"), logging.getLogger("pawfect").level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield sink
    root.removeHandler(handler)
    root.setLevel(level)


async def test_a_swap_needs_no_mask_and_every_picture_of_it_is_labelled(
    alone: Stack, searching: Searching
):
    here = await imported(alone)
    answer = await swapped(alone, here, pixel_boost=512)
    assert answer.status_code == 202, answer.text
    version = await worked(alone, here, 2)
    assert (version["kind"], version["processingStatus"]) == ("swap", "completed")
    (asked,) = searching.seen
    assert asked["mask"] is None
    assert asked["reference"].shape == (70, 90, 3)
    assert (asked["proposer"], asked["preset"], asked["consent"]) == ("swap", "photoreal", True)
    assert (asked["caller"], asked["pixel_boost"]) == ("anybody", 512)
    own = {**SMALL, "consent": True, "pixel_boost": 512, "caller": "anybody"}
    assert version["parameters"] == own
    told = version["report"]["swap"]
    assert (told["caller"], told["licences"]["swap"]) == ("anybody", "research only")
    links = version["links"]
    assert links["mask"] is None
    assert set(links) == {
        "original", "reference", "mask", "preview", "edited", "image", "candidates",
    }  # fmt: skip
    for name in ("preview", "edited", "image", "candidates"):
        content = (await alone.http.get(links[name])).content
        # The server of this test fills by patches, which alone would be no trained media.
        assert source_type(decode_photo(content).xmp) == TRAINED, name
    assert source_type(decode_photo((await alone.http.get(links["reference"])).content).xmp) is None
    assert searching.result is not None
    np.testing.assert_array_equal(await pixels(alone, version["imageUrl"]), searching.result.image)
    manifest = (await alone.http.get(f"{here}/run.json")).json()["versions"][1]
    assert (manifest["kind"], manifest["parent"]) == ("swap", 1)


async def test_a_mask_says_which_face_and_the_next_version_works_on_the_swap(
    alone: Stack, searching: Searching
):
    files = {"photo": PHOTO, "mask": encoded(square_mask(40, 40), "PNG"), "reference": CHARACTER}
    form = {"parameters": json.dumps({**SMALL, "consent": True}), "prompt": "soft light"}
    answer = await alone.http.post(f"{RUNS}?kind=swap&user=u", files=files, data=form)
    assert answer.status_code == 202, answer.text
    here = f"{RUNS}/{answer.json()['runId']}"
    first = await worked(alone, here, 1)
    np.testing.assert_array_equal(searching.seen[0]["mask"], square_mask(40, 40))
    assert (first["prompt"], searching.seen[0]["prompt"]) == ("soft light", "soft light")
    assert (await swapped(alone, here, form={"base": "1"})).status_code == 202
    second = await worked(alone, here, 2)
    assert (second["parent"], second["processingStatus"]) == (1, "completed")
    on = await pixels(alone, first["imageUrl"])
    np.testing.assert_array_equal(searching.seen[1]["image"], on)


@pytest.mark.parametrize("busy", [False, True])
async def test_what_is_no_consented_swap_is_refused_before_it_is_queued(
    alone: Stack, searching: Searching, busy
):
    here = await imported(alone)
    with ExitStack() as others:
        for _ in range(3 * busy):
            # Then pixels are the worker's to look at, and nothing here needs them.
            others.enter_context(alone.app.state.context.enqueuer.counter.counted())
        for parameters, message in (
            ({"consent": None}, "consent: expected true, by which the caller says that everybody"),
            ({"consent": False}, "consent: expected true, by which"),
            ({"consent": "true"}, "consent: expected true or false, got str 'true'"),
            ({"consent": 1}, "consent: expected true or false, got int 1"),
            ({"caller": "me"}, "caller: expected none, since the service says it, got one"),
            ({"proposer": "swap"}, "proposer: expected none, since the service says it"),
            ({"pixel_boost": 100}, "pixel_boost: expected one of 128, 256, 512"),
            ({"k_global": 20, "m_global": 3, "k_local": 15}, "candidates: expected at most 64"),
        ):
            answer = await swapped(alone, here, **parameters)
            assert answer.status_code == 400, parameters
            assert message in message_of(answer), parameters
        small = encoded(scene(90, 70)[:40, :40], "PNG")
        wide = encoded(np.zeros((64, 16_385, 3), np.uint8), "PNG")
        other = encoded(square_mask(0, 0)[:64], "PNG")
        for files, message in (
            ({"mask": MASK}, "reference: expected a file, got none"),
            ({"reference": b"<svg/>"}, "reference: expected"),
            ({"reference": small}, "reference: expected"),
            ({"reference": wide}, "reference: expected"),
            ({"reference": CHARACTER, "mask": other}, "mask: expected"),
            ({"reference": CHARACTER, "protect": MASK}, "request: expected some of"),
        ):
            answer = await swapped(alone, here, files)
            assert answer.status_code == 400, list(files)
            assert message in message_of(answer), list(files)
        loose = await swapped(alone, here, form={"mask_is": "black"})
        assert message_of(loose) == "mask_is: expected a mask too, which it belongs to, got none"
        # In JSON as in a form.
        path = "users/u/uploads/anna.png"
        await alone.files.put({path: CHARACTER})
        for consent, status in ((True, 202), ("true", 400), (None, 400)):
            body = {"reference": path, "parameters": {**SMALL, "consent": consent}}
            answer = await alone.http.post(f"{here}/swap", json=body)
            assert answer.status_code == status, answer.text
    assert len((await alone.state(where=here))["versions"]) == 2
    assert searching.seen == []


async def test_a_search_is_no_way_round_consent(alone: Stack, searching: Searching):
    here = await imported(alone)
    data = {"parameters": json.dumps({"proposer": "swap", "consent": True, "caller": "nobody"})}
    files = {"mask": MASK, "reference": CHARACTER}
    answer = await alone.http.post(f"{here}/search", files=files, data=data)
    assert answer.status_code == 400
    assert "a swap is a job of kind swap" in message_of(answer)


async def test_the_log_says_who_asked_and_neither_pictures_nor_faces(
    store, nowhere, searching: Searching, lines
):
    name = "phone-" + "x" * 200
    key, line = new_api_key(name, "u")
    async with running(
        store, nowhere, authenticators=[ApiKeys([line])], headers={"x-api-key": key}
    ) as stack:
        here = await imported(stack)
        assert (await swapped(stack, here)).status_code == 202
        version = await worked(stack, here, 2)
    told = [json.loads(one) for one in lines.getvalue().splitlines()]
    queued = [one for one in told if one["message"] == "queued"]
    assert "caller" not in queued[0], "an import says nothing of consent"
    assert (queued[1]["kind"], queued[1]["consent"]) == ("swap", True)
    # What the server takes of a name.
    assert queued[1]["caller"] == f"key {name}"[:128]
    assert queued[1]["session"].startswith("u/")
    assert version["parameters"]["caller"] == searching.seen[0]["caller"] == queued[1]["caller"]


async def test_a_server_that_cannot_swap_is_said_with_what_mends_it_and_nothing_is_queued(
    alone: Stack, searching: Searching, monkeypatch
):
    mended = "weights inswapper_128 are not here: run `pawfect weights add inswapper_128`"
    can = {"swap": Capability(False, mended)}

    async def told(_: Any) -> Capabilities:
        return Capabilities("embedded", can)

    monkeypatch.setattr(AsyncPawfectClient, "capabilities", told)
    here = await imported(alone)
    answer = await swapped(alone, here)
    assert (answer.status_code, message_of(answer)) == (503, f"swap: {mended}")
    begun = await alone.http.post(
        f"{RUNS}?kind=swap&user=u",
        files={"photo": PHOTO, "reference": CHARACTER},
        data={"parameters": json.dumps({"consent": True})},
    )
    assert (begun.status_code, message_of(begun)) == (503, f"swap: {mended}")
    assert len((await alone.state(where=here))["versions"]) == 1
    can_swap = (await alone.http.get("/api/v1/studio")).json()["can"]["swap"]
    assert can_swap == {"available": False, "why": mended}


@pytest.mark.parametrize(
    ("kind", "status"), [(ErrorKind.INVALID_ARG, "failed"), (ErrorKind.UNAVAILABLE, "pending")]
)
async def test_a_server_that_refuses_ends_the_job_as_the_table_of_errors_says(
    alone: Stack, monkeypatch, kind, status
):
    async def refusing(*_: Any, **__: Any) -> Any:
        raise PawfectError(kind, "REFERENCE: expected one face, got none")
        yield

    monkeypatch.setattr(AsyncPawfectClient, "search_stream", refusing)
    here = await imported(alone)
    assert (await swapped(alone, here)).status_code == 202
    version = await worked(alone, here, 2)
    assert version["processingStatus"] == status
    if status == "failed":
        assert version["error"]["message"] == "REFERENCE: expected one face, got none"


@pytest.mark.parametrize("consent", [False, "true"])
async def test_a_stored_job_without_consent_is_never_worked_on(
    alone: Stack, searching: Searching, consent
):
    here = await imported(alone)
    run = RunId.parse((await swapped(alone, here)).json()["runId"])
    assert run is not None

    def edited(old: Any, now: float) -> Change:
        return Change({**old, "request": {**old["request"], "consent": consent}})

    await alone.documents.update("u", run.sid(2), edited)
    version = await worked(alone, here, 2)
    assert version["processingStatus"] == "failed"
    assert version["error"]["message"].startswith("consent: expected true")
    assert searching.seen == []


async def test_two_candidates_of_a_swap_are_compared_blind(alone: Stack, searching: Searching):
    here = await imported(alone)
    assert (await swapped(alone, here)).status_code == 202
    version = await worked(alone, here, 2)
    best, *_, worst = by_potential(version)
    assert counted(await said(alone, here, best, worst, "left")) == (1, 1, 1)
    report = (await alone.http.get(f"{here}/comparisons")).json()
    assert set(report["versions"]) == {"2"}
    assert opened((await alone.http.get(version["links"]["candidates"])).content).size[0] > 0
