"""A second kind of job goes through document, queue, worker and publishing as the first does."""

from __future__ import annotations

import pytest

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.kinds import KINDS
from tests.service.stack import HERE, Stack


async def test_a_second_kind_completes_without_waiting_for_labels(alone: Stack, repeat):
    order = {"text": b"ab", "title": b"T", "times": 3}
    job = await alone.ordered(repeat, **order)
    document = await alone.documents.get("u", "s")
    assert document["jobKind"] == "repeat"
    assert document["paths"] == {"text": f"{HERE}/text.txt", "repeated": None, "length": None}
    assert document["request"] == {"times": 3, "title": True} | {
        "digest": document["request"]["digest"]
    }
    assert await alone.ordered(repeat, **order) == job, "the same request is the same job"
    async with alone.working():
        state = await alone.over()
    assert (state["processingStatus"], state["job"]) == ("completed", job)
    assert state["attempts"]["labelWaits"] == 0
    assert state["sceneLabelsError"] is None
    assert (state["report"], state["cost"]["seconds"]) == ({"engine": "repeat"}, 2.0)
    assert state["links"]["repeated"].endswith("/files/repeated.txt")
    assert await alone.file("repeated.txt") == b"Tababab"
    assert await alone.file("length.txt") == b"6"
    assert await alone.files.list(f"{HERE}/attempts") == []
    document = await alone.documents.get("u", "s")
    assert document["result"] == {"start": 1} | {
        name: f"{HERE}/attempts/{job}-1-{name}.txt" for name in ("repeated", "length")
    }


async def test_each_kinds_own_parameters_and_files_are_refused_by_it(alone: Stack, repeat):
    job = await alone.ordered(repeat, text=b"")
    assert (await alone.deliver(job)).reason.startswith("failed")
    state = await alone.state()
    assert state["error"]["message"] == "text: expected some, got none"
    with pytest.raises(PawfectError, match="parameters: expected times"):
        repeat.checked({"seed": 7}, 1.0)


async def test_a_session_has_jobs_of_one_kind_after_the_other(alone: Stack, repeat):
    assert (await alone.post()).status_code == 202
    with pytest.raises(PawfectError, match="expected its job to be over"):
        await alone.ordered(repeat)
    await alone.cancel()
    job = await alone.ordered(repeat)
    assert (await alone.deliver(job)).reason == "completed"
    assert (await alone.post()).status_code == 202
    assert "jobKind" not in await alone.documents.get("u", "s")


async def test_a_kind_that_nobody_knows_here_is_an_impossible_document(alone, repeat, monkeypatch):
    await alone.ordered(repeat)
    monkeypatch.delitem(KINDS, "repeat")
    state = await alone.state()
    assert state["processingStatus"] == "failed"
    assert state["error"]["message"].startswith("document.jobKind: expected one of inpaint")
    assert (await alone.post()).status_code == 202
