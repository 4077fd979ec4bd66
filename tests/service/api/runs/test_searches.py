"""Searches of a run: candidates as they come, all of them in one picture, the best a version."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
import pytest

from pawfect_client import decode_photo
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.moves import take_up
from pawfect_service.jobs.paths import RunId
from pawfect_service.stores import make_queue
from tests.pawfect.photo.pictures import encoded, opened, scene
from tests.service.api.runs.runs import RUNS
from tests.service.api.runs.searching import Searching
from tests.service.api.runs.test_events import all_of, by_socket, by_sse
from tests.service.api.runs.test_versions import imported, pixels, square_mask, worked
from tests.service.stack import MASK, PHOTO, Stack, running

SMALL = {"k_global": 3, "m_global": 1, "k_local": 2, "seed": 4}
# A dead worker's job is taken over soon.
CONTRACT = JobContract(lease_s=0.5, backoff_min_s=0.1, backoff_max_s=0.5, deliveries=4000)


async def searched(
    stack: Stack, here: str, files: dict[str, bytes] | None = None, **asked: Any
) -> httpx.Response:
    """The answer to a POST of a search on the newest picture of a run."""
    parameters = {**SMALL, **asked.pop("parameters", {})}
    data = {"parameters": json.dumps(parameters), **asked}
    return await stack.http.post(f"{here}/search", files={"mask": MASK, **(files or {})}, data=data)


def cell(sheet: Any, layout: dict[str, Any], number: int) -> Any:
    """A candidate's cell of the picture of all."""
    columns, rows = layout["columns"], layout["rows"]
    high, wide = sheet.shape[0] // rows, sheet.shape[1] // columns
    row, column = divmod(number, columns)
    return sheet[row * high : (row + 1) * high, column * wide : (column + 1) * wide]


def shows(shown: Any, colour: Any) -> bool:
    """Whether the middle of a cell is of a colour, as far as JPEG keeps it."""
    high, wide = shown.shape[:2]
    middle = shown[high // 2 - 2 : high // 2 + 2, wide // 2 - 2 : wide // 2 + 2]
    return bool(np.abs(middle.astype(int).mean(axis=(0, 1)) - colour).max() < 12)


@pytest.mark.parametrize(
    "store_url", ["embedded", pytest.param("google", marks=pytest.mark.slow)], indirect=True
)
async def test_candidates_are_told_as_they_come_and_the_best_is_the_versions_picture(
    store_url, nowhere, uid, searching: Searching
):
    make_queue(store_url, CONTRACT)
    searching.open.clear()
    async with running(store_url, nowhere, contract=CONTRACT) as stack:
        here = await imported(stack, user=uid)
        state = (await searched(stack, here)).json()
        job = state["versions"][1]["jobId"]
        told: list[dict[str, Any]] = []
        async with stack.working():
            async for message in by_socket(stack, job):
                told.append(message)
                numbers = [m["candidate"]["number"] for m in told if m["type"] == "candidate"]
                if numbers != [0, 1, 2] or message["type"] != "preview":
                    continue
                so_far = opened((await stack.http.get(message["url"])).content)
                layout = next(m["sheet"] for m in told if m["type"] == "candidate")
                # It waits behind the third: what is told so far was told while it worked.
                if not shows(cell(np.asarray(so_far), layout, 2), 128):
                    searching.open.set()
        numbers = [m["candidate"]["number"] for m in told if m["type"] == "candidate"]
        assert numbers == [0, 1, 2, 3, 4]
        version = (await stack.state(where=here))["versions"][1]
        report, layout = version["report"], version["report"]["sheet"]
        assert version["processingStatus"] == told[-1]["status"] == "completed"
        assert version["kind"] == "search"
        for message in (m for m in told if m["type"] == "candidate"):
            one, number = message["candidate"], message["candidate"]["number"]
            known = searching.found[number].candidate
            assert (one["seed"], one["phase"], one["parent"]) == (
                known.seed, known.phase, known.parent,
            )  # fmt: skip
            assert one["scores"] == dict(known.scores)
            assert (message["start"], message["sheet"]["planned"]) == (1, 5)
        sheet = np.asarray(opened((await stack.http.get(version["links"]["candidates"])).content))
        for number, found in searching.found.items():
            assert found.image is not None
            colour = found.image[found.image.shape[0] // 2, found.image.shape[1] // 2]
            assert shows(cell(sheet, layout, number), colour)
            if number < 3:
                assert shows(cell(np.asarray(so_far), layout, number), colour)
        best = max(report["candidates"], key=lambda one: (one["potential"], -one["number"]))
        assert report["best"] == best["number"]
        assert searching.result is not None
        np.testing.assert_array_equal(
            await pixels(stack, version["imageUrl"]), searching.result.image
        )
        manifest = (await stack.http.get(f"{here}/run.json")).json()["versions"][1]
        assert (manifest["kind"], manifest["agreement"]) == ("search", None)
        assert manifest["image_path"] == "files/image.png?version=2"
        assert all(one["seq"] < other["seq"] for one, other in pairwise(told))


async def test_who_follows_later_or_by_events_hears_the_same_candidates(
    alone: Stack, searching: Searching
):
    searching.failing = frozenset({1})
    here = await imported(alone)
    assert (await searched(alone, here)).status_code == 202
    version = await worked(alone, here, 2)
    by_both = [
        [m for m in await all_of(heard(alone, version["jobId"])) if m["type"] == "candidate"]
        for heard in (by_socket, by_sse)
    ]
    assert by_both[0] == by_both[1]
    told = [m["candidate"] for m in by_both[0]]
    assert [one["number"] for one in told] == [0, 1, 2, 3, 4]
    assert told[1]["error"] == "<i>no memory</i>"
    assert [one["error"] for one in told if one["number"] != 1] == [None] * 4


async def test_a_search_begins_a_run_and_takes_what_an_inpainting_does_and_a_reference(
    alone: Stack, searching: Searching
):
    reference = encoded(scene(90, 70), "PNG")
    protect = encoded(square_mask(0, 0), "PNG")
    files = {"photo": PHOTO, "mask": MASK, "protect": protect, "reference": reference}
    edit = {"proposer": "edit", "character": "Käthe", "hair": "character"}
    parameters = {**SMALL, **edit, "remote": True}
    data = {"parameters": json.dumps(parameters), "prompt": "grass"}
    answer = await alone.http.post(f"{RUNS}?kind=search&user=u", files=files, data=data)
    assert answer.status_code == 202, answer.text
    version = await worked(alone, f"{RUNS}/{answer.json()['runId']}", 1)
    assert (version["kind"], version["prompt"]) == ("search", "grass")
    assert version["parameters"] == parameters
    (asked,) = searching.seen
    np.testing.assert_array_equal(asked["image"], decode_photo(PHOTO).pixels)
    np.testing.assert_array_equal(asked["protect"], square_mask(0, 0))
    assert asked["reference"].shape == (70, 90, 3)
    assert {name: asked[name] for name in edit} == edit
    assert (asked["remote"], asked["prompt"], asked["seed"]) == (True, "grass", 4)
    assert opened((await alone.http.get(version["links"]["reference"])).content).size == (90, 70)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"k_global": 0}, "k_global: expected from 1 to 64"),
    ({"k_global": 1000}, "k_global: expected from 1 to 64"),
    ({"k_global": 3, "m_global": 4}, "m_global: expected at most k_global, 3, got 4"),
    ({"k_global": 20, "m_global": 3, "k_local": 15}, "candidates: expected at most 64 in all"),
    ({"consistency": 0, "realism": 0, "identity": 0}, "expected a weight above 0"),
    ({"consistency": -1}, "consistency: expected from 0"),
    ({"preset": "best"}, "preset: expected one of eacps, photoreal"),
    ({"remote": "false"}, "remote: expected"),
    ({"deadline_ms": 600_000}, "deadline_ms: expected from 1 to"),
    ({"sede": 7}, "parameters: expected some of"),
    ({"proposer": "edit"}, "reference: expected the character's picture with proposer=edit"),
    ({"proposer": "edit", "engine": "lama"}, "engine: expected auto, edit or klein"),
    ({"character": " "}, "character: expected 1 to 80 printable characters"),
]


async def test_a_search_that_cannot_be_is_refused_before_it_is_queued(alone: Stack):
    here = await imported(alone)
    for parameters, message in REFUSED:
        answer = await searched(alone, here, parameters=parameters)
        assert answer.status_code == 400, parameters
        assert message in answer.json()["error"]["message"]
    broken = await searched(alone, here, {"reference": b"<svg/>"})
    assert (broken.status_code, "reference: expected" in broken.text) == (400, True)
    small = await searched(alone, here, {"mask": encoded(square_mask(0, 0)[:64], "PNG")})
    assert (small.status_code, "mask: expected" in small.text) == (400, True)
    assert len((await alone.state(where=here))["versions"]) == 1


async def test_the_start_after_a_dead_worker_makes_all_anew_and_tells_none_twice(
    store, nowhere, searching: Searching
):
    async with running(store, nowhere, contract=CONTRACT) as stack:
        here = await imported(stack)
        state = (await searched(stack, here)).json()
        run, version = RunId.parse(state["runId"]), state["versions"][1]
        assert run is not None
        searching.open.clear()
        stream = by_socket(stack, version["jobId"])
        async with stack.working(grace_s=0.0) as stop:
            heard = [m async for m in _until_candidate(stream, 2)]
            stop.set()
        document = await stack.documents.get("u", run.sid(2))
        assert document["processingStatus"] == "pending"
        # As a worker does that dies between its start and its first candidate.
        await stack.services.sessions.move(
            "u", run.sid(2), take_up, job=document["job"], owner="dead"
        )
        searching.open.set()
        async with stack.working():
            told = await all_of(by_socket(stack, version["jobId"], heard[-1]["seq"]))
        candidates = [m for m in told if m["type"] == "candidate"]
        assert [m["candidate"]["number"] for m in candidates] == [0, 1, 2, 3, 4]
        assert {m["start"] for m in heard if m["type"] == "candidate"} == {1}
        assert {m["start"] for m in candidates} == {3}
        first = {m["candidate"]["number"]: m["candidate"] for m in heard if "candidate" in m}
        assert all(m["candidate"] == first.get(m["candidate"]["number"], m["candidate"])
                   for m in candidates)  # fmt: skip
        done = (await stack.state(where=here))["versions"]
        assert [one["processingStatus"] for one in done] == ["completed"] * 2
        assert await stack.files.list(f"users/u/sessions/{run.sid(2)}/attempts") == []


async def _until_candidate(stream: Any, number: int) -> Any:
    """The messages up to that of a candidate."""
    async for message in stream:
        yield message
        if message["type"] == "candidate" and message["candidate"]["number"] == number:
            await stream.aclose()
            return
