"""Refining through the real server: regions of a run's picture, followed to the end."""

from __future__ import annotations

import json

import numpy as np

from pawfect_client import decode_photo
from tests.pawfect.identity.photos import astronaut
from tests.pawfect.photo.pictures import encoded
from tests.service.api.runs.test_events import all_of, by_socket
from tests.service.api.runs.test_refinements import sent
from tests.service.api.runs.test_searches import cell, searched
from tests.service.api.runs.test_swaps import swapped
from tests.service.api.runs.test_versions import again, imported, pixels, square_mask
from tests.service.stack import PHOTO, Stack


async def test_regions_are_filled_one_after_the_other_on_the_version_before(stack: Stack):
    here = await imported(stack)
    region = {"masks": [{"bbox": [100, 80, 24, 20], "prompt": "grass"}, {"mask": 0}]}
    request = {"type": "region", "payload": region, "parameters": {"seed": 7, "protect": "none"}}
    async with stack.working():
        queued = (await sent(stack, here, request, encoded(square_mask(20, 20), "PNG"))).json()
        told = await all_of(by_socket(stack, queued["jobId"]))
        end = told[-1]
        assert (end["type"], end["status"], end["error"]) == ("end", "completed", None)
        report = end["report"]
        assert (report["type"], len(report["regions"])) == ("region", 2)
        assert [one["prompt_used"] for one in report["regions"]] == [False, False]
        assert {message["type"] for message in told} >= {"state", "log", "end"}
        follow_up = await again(stack, here, parameters=json.dumps({"protect": "none"}))
        assert follow_up.status_code == 202
        state = await stack.until(
            lambda run: run["versions"][-1]["processingStatus"] == "completed", where=here
        )
    original = decode_photo(PHOTO).pixels
    second = await pixels(stack, state["versions"][1]["imageUrl"])
    changed = (second != original).any(axis=2)
    assert changed[84:96, 104:120].any()
    assert changed[22:30, 22:30].any()
    assert not changed[:, 140:].any(), "far from both nothing changes"
    third = state["versions"][2]
    assert third["parent"] == 2
    far = (await pixels(stack, third["imageUrl"]))[80:100, 100:124]
    np.testing.assert_array_equal(far, second[80:100, 100:124])


async def test_a_search_tells_its_candidates_and_keeps_them_beside_the_best(stack: Stack):
    here = await imported(stack)
    parameters = {"k_global": 2, "m_global": 1, "k_local": 1, "engine": "patch", "protect": "none"}
    async with stack.working():
        answer = await searched(stack, here, parameters={**parameters, "seed": 3})
        assert answer.status_code == 202, answer.text
        job = answer.json()["versions"][1]["jobId"]
        told = await all_of(by_socket(stack, job))
    assert (told[-1]["status"], told[-1]["error"]) == ("completed", None)
    candidates = [message["candidate"] for message in told if message["type"] == "candidate"]
    assert [(one["number"], one["phase"]) for one in candidates] == [
        (0, "global"), (1, "global"), (2, "local"),
    ]  # fmt: skip
    assert all(set(one["scores"]) == {"consistency", "realism"} for one in candidates)
    version = (await stack.state(where=here))["versions"][1]
    report = version["report"]
    assert report["best_potential"] == max(one["potential"] for one in report["candidates"])
    layout = report["sheet"]
    sheet = (await stack.http.get(version["links"]["candidates"])).content
    x0, y0, x1, y1 = layout["view"]
    cells = decode_photo(sheet).pixels
    best = cell(cells, layout, report["best"]).astype(int)
    # A small view is shown as it is: the winner's cell is that part of the version's picture.
    assert best.shape[:2] == (y1 - y0, x1 - x0)
    own = (await pixels(stack, version["imageUrl"]))[y0:y1, x0:x1]
    assert np.abs(best - own).mean() < 6
    original = decode_photo(PHOTO).pixels
    changed = ((await pixels(stack, version["imageUrl"])) != original).any(axis=2)
    assert changed.any()
    assert not changed[:y0].any()
    assert not changed[:, :x0].any()


async def test_a_swap_without_networks_is_refused_with_the_command_that_brings_them(stack: Stack):
    here = await imported(stack)
    reference = {"reference": encoded(astronaut(), "JPEG")}
    # What the server can do is asked for first, so that it is known.
    can = (await stack.http.get("/api/v1/studio")).json()["can"]["swap"]
    answer = await swapped(stack, here, reference)
    assert answer.status_code == 503, answer.text
    message = answer.json()["error"]["message"]
    assert "run `pawfect weights fetch buffalo_l`" in message
    assert (can["available"], f"swap: {can['why']}") == (False, message)
    assert len((await stack.state(where=here))["versions"]) == 1


async def test_what_the_server_can_do_is_said_before_anybody_asks(stack: Stack):
    state = (await stack.http.get("/api/v1/studio")).json()
    can = state["can"]
    assert state["profile"] == "embedded"
    assert (can["region"]["available"], can["region"]["ignoresPrompt"]) == (True, True)
    for name in ("cutout", "text"):
        assert can[name]["available"] is True
    # The suite's server has a remote engine behind it.
    for name in ("subject", "general"):
        assert (can[name]["available"], can[name]["remote"]) == (True, True)
    # And judges elsewhere.
    assert (can["search"]["available"], can["search"]["remoteJudges"]) == (True, True)
    assert can["findMasks"]["available"] is False
    assert can["findMasks"]["why"]
