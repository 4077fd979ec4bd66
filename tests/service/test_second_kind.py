"""A second kind of job goes through document, queue, worker and publishing as the first does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.parameters import Scalar
from pawfect_service.api.uploads import Order
from pawfect_service.jobs.fields import SceneLabels
from pawfect_service.jobs.kinds import KINDS, Made, OnProgress, Task, Tools
from tests.service.stack import Stack

HERE = "users/u/sessions/s"


@dataclass(frozen=True)
class Times:
    """How often a text is written."""

    times: int = 1


class Repeat:
    """Writes a text several times, once more backwards where there is a `title`."""

    name = "repeat"
    fields: Mapping[str, bool] = {"text": True, "title": False}
    texts: tuple[str, ...] = ()
    inputs: Mapping[str, str] = {"text": "text.txt"}
    optional: Mapping[str, str] = {"title": "title.txt"}
    outputs: Mapping[str, str] = {"repeated": "repeated.txt", "length": "length.txt"}
    labelled = False

    def parse(self, parameters: Mapping[str, Scalar], texts: Mapping[str, str]) -> Times:
        times = parameters.get("times", 1)
        if isinstance(times, bool) or not isinstance(times, int) or set(parameters) - {"times"}:
            raise invalid("parameters", "times, an integer", dict(parameters))
        return Times(times)

    def checked(self, parameters: Mapping[str, Any], longest_s: float) -> dict[str, Scalar]:
        return {"times": self.parse(parameters, {}).times}

    def check(
        self, files: Mapping[str, bytes], texts: Mapping[str, str], *, headers_only: bool
    ) -> Mapping[str, bytes]:
        return files

    async def find_labels(self, files: Mapping[str, bytes], tools: Tools) -> SceneLabels:
        raise AssertionError("never asked")

    async def work(self, task: Task, tools: Tools, on_progress: OnProgress) -> Made:
        on_progress("repeat", 0.5)
        if not task.files["text"]:
            raise invalid("text", "some", "none")
        text = await tools.off_loop(bytes.__mul__, task.files["text"], task.parameters.times)
        outputs = {"repeated": task.files.get("title", b"") + text, "length": b"%d" % len(text)}
        return Made(outputs, '{"engine": "repeat"}', 2.0)


@pytest.fixture
def repeat(monkeypatch: pytest.MonkeyPatch) -> Repeat:
    kind = Repeat()
    monkeypatch.setitem(KINDS, kind.name, kind)
    return kind


async def queued(stack: Stack, kind: Repeat, order: Order) -> str:
    session = await stack.app.state.context.enqueuer.enqueue("u", "s", kind, order)
    return str(session.job)


async def test_a_second_kind_completes_without_waiting_for_labels(alone: Stack, repeat):
    order = Order({"text": b"ab", "title": b"T"}, {"times": 3})
    job = await queued(alone, repeat, order)
    document = await alone.documents.get("u", "s")
    assert document["jobKind"] == "repeat"
    assert document["paths"] == {"text": f"{HERE}/text.txt", "repeated": None, "length": None}
    assert document["request"] == {"times": 3, "title": True} | {
        "digest": document["request"]["digest"]
    }
    assert await queued(alone, repeat, order) == job, "the same request is the same job"
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
    job = await queued(alone, repeat, Order({"text": b""}))
    assert (await alone.deliver(job)).reason.startswith("failed")
    state = await alone.state()
    assert state["error"]["message"] == "text: expected some, got none"
    with pytest.raises(PawfectError, match="parameters: expected times"):
        repeat.checked({"seed": 7}, 1.0)


async def test_a_session_has_jobs_of_one_kind_after_the_other(alone: Stack, repeat):
    assert (await alone.post()).status_code == 202
    with pytest.raises(PawfectError, match="expected its job to be over"):
        await queued(alone, repeat, Order({"text": b"ab"}))
    await alone.http.delete("/v1/users/u/sessions/s")
    job = await queued(alone, repeat, Order({"text": b"ab"}))
    assert (await alone.deliver(job)).reason == "completed"
    assert (await alone.post()).status_code == 202
    assert "jobKind" not in await alone.documents.get("u", "s")


async def test_a_kind_that_nobody_knows_here_is_an_impossible_document(alone: Stack, monkeypatch):
    monkeypatch.setitem(KINDS, "repeat", Repeat())
    await queued(alone, KINDS["repeat"], Order({"text": b"ab"}))
    monkeypatch.delitem(KINDS, "repeat")
    state = await alone.state()
    assert state["processingStatus"] == "failed"
    assert state["error"]["message"].startswith("document.jobKind: expected one of inpaint")
    assert (await alone.post()).status_code == 202
