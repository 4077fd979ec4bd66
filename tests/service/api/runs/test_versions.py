"""Versions of a run: which picture each works on, how their numbers are taken, what is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest

from pawfect_service.jobs.base import Base
from pawfect_service.jobs.kinds import KINDS
from pawfect_service.jobs.paths import RunId, parse_job_id
from tests.pawfect.photo.pictures import encoded, hole, opened, scene
from tests.service.api.runs.inverting import Invert
from tests.service.api.runs.runs import RUNS, delivered, made
from tests.service.stack import MASK, PHOTO, Stack


@pytest.fixture
def invert(monkeypatch: pytest.MonkeyPatch) -> Invert:
    """Inpainting in runs without a server: inside the mask colours are inverted."""
    monkeypatch.setitem(KINDS, Invert.name, kind := Invert())
    monkeypatch.setattr("pawfect_service.jobs.kinds._OF_RUNS", {"inpaint": kind})
    for module in ("routes", "versions"):
        monkeypatch.setattr(f"pawfect_service.api.runs.{module}.RUN_INPAINT", kind)
    monkeypatch.setattr("pawfect_service.api.runs.versions._INPAINT.kind", kind, raising=False)
    return kind


async def imported(stack: Stack, photo: bytes = PHOTO) -> str:
    """The route of a run whose first version is a photo."""
    answer = await made(stack, {"photo": photo}, kind="import")
    assert answer.status_code == 202, answer.text
    await delivered(stack, answer.json())
    return f"{RUNS}/{answer.json()['runId']}"


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


async def test_a_broken_photo_ends_an_import_as_failed_or_is_refused_at_once(alone: Stack):
    answer = await made(alone, {"photo": PHOTO[:2000]}, kind="import")
    assert answer.status_code == 400
    for parameters in ('{"seed": 7}',):
        refused = await made(alone, {"photo": PHOTO}, kind="import", parameters=parameters)
        assert refused.status_code == 400
