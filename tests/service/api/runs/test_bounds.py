"""What a run is bounded by, what is refused before it is queued, and what a request costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pawfect.contract.capabilities import Capabilities, Capability
from pawfect_client.client import AsyncPawfectClient
from pawfect_service.api import enqueue
from pawfect_service.api.runs import following, references, waiting
from pawfect_service.jobs.kinds import refine_masks
from tests.pawfect.photo.pictures import encoded
from tests.service.api.runs.inverting import Inverting
from tests.service.api.runs.runs import RUNS, made
from tests.service.api.runs.test_refinements import DRAWN, ONE, OTHER, SUBJECT, sent, uploaded
from tests.service.api.runs.test_versions import (
    REGION,
    again,
    imported,
    refined,
    square_mask,
    worked,
)
from tests.service.stack import MASK, PHOTO, Stack


def message_of(answer: Any) -> str:
    return str(answer.json()["error"]["message"])


async def test_a_file_of_a_version_is_had_without_reading_the_others(
    alone: Stack, inverting: Inverting, monkeypatch
):
    here = await imported(alone)
    await refined(alone, here)
    version = await worked(alone, here, 2)

    async def never(*_: Any) -> None:
        raise AssertionError("read them all")

    monkeypatch.setattr(alone.documents, "named", never)
    image = await alone.http.get(version["imageUrl"])
    assert (image.status_code, image.headers["content-length"]) == (200, str(len(image.content)))
    again_ = await alone.http.get(
        version["imageUrl"], headers={"if-none-match": image.headers["etag"]}
    )
    assert (again_.status_code, again_.content) == (304, b"")
    assert (await alone.http.get(f"{here}/files/original.jpg?version=0")).status_code == 200
    for other in ("7", "-1", "9" * 30):
        missing = await alone.http.get(f"{here}/files/image.png?version={other}")
        assert missing.status_code == 404, other
    assert (await uploaded(alone, here, PHOTO)).status_code == 201


async def test_a_box_that_has_pixels_of_a_drawn_mask_is_refused(alone: Stack):
    here = await imported(alone)
    regions = [{"mask": 0}, {"bbox": [50, 20, 20, 20]}]
    clash = {"type": "region", "payload": {"masks": regions}}
    answer = await sent(alone, here, clash, OTHER)
    assert answer.status_code == 400
    assert "regions that share no pixel, got the box of masks[1] and mask 0" in message_of(answer)
    assert (await sent(alone, here, clash, ONE)).status_code == 201


async def test_what_may_change_is_all_that_was_drawn_together(alone: Stack, inverting: Inverting):
    here = await imported(alone)
    over = encoded(square_mask(8, 8), "PNG")
    assert (await sent(alone, here, SUBJECT, ONE, over)).status_code == 201
    await worked(alone, here, 2)
    either = np.maximum(square_mask(0, 0), square_mask(8, 8))
    np.testing.assert_array_equal(inverting.seen[0]["masks"], [either])


async def test_masks_of_too_many_pixels_together_are_refused(alone: Stack, monkeypatch):
    here = await imported(alone)
    monkeypatch.setattr(refine_masks, "MOST_PIXELS", 160 * 128)
    answer = await sent(alone, here, DRAWN, ONE, OTHER)
    assert answer.status_code == 400
    assert message_of(answer) == "masks: expected at most 1 of a photo of 160x128 px, got 2"


async def test_what_the_server_cannot_do_is_refused_with_the_reason(
    alone: Stack, inverting: Inverting, monkeypatch
):
    can = {
        "region": Capability(True),
        "subject": Capability(False, "no engine is set up: set one"),
        "general": Capability(True, remote=True),
    }

    async def told(_: Any) -> Capabilities:
        return Capabilities("embedded", can)

    monkeypatch.setattr(AsyncPawfectClient, "capabilities", told)
    here = await imported(alone)
    general = {"type": "general", "payload": {"prompt": "softer"}}
    remote = {**general, "parameters": {"remote": True}}
    for request, status, message in (
        (SUBJECT, 503, "subject: no engine is set up: set one"),
        (general, 400, "remote: expected true, since only a remote engine does general here"),
    ):
        answer = await alone.http.post(f"{here}/refine", json=request)
        assert answer.status_code == status, answer.text
        assert message in message_of(answer)
    for request in (REGION, remote):
        assert (await alone.http.post(f"{here}/refine", json=request)).status_code == 201
    assert len((await alone.state(where=here))["versions"]) == 3


async def test_a_run_has_so_many_versions_and_references_and_no_more(
    alone: Stack, inverting: Inverting, monkeypatch
):
    monkeypatch.setattr(enqueue, "MOST_VERSIONS", 2)
    monkeypatch.setattr(references, "MOST", 2)
    here, other = await imported(alone), await imported(alone)
    assert (await refined(alone, here)).status_code == 201
    for full in (await refined(alone, here, base=1), await again(alone, here, base="1")):
        assert full.status_code == 409
        assert message_of(full) == (
            "run: expected at most 2 versions, it has as many; begin another"
        )
    found = [(await uploaded(alone, here, PHOTO)).status_code for _ in range(3)]
    assert found == [201, 201, 409]
    assert (await uploaded(alone, other, PHOTO)).status_code == 201


async def test_base_is_an_integer_in_json_everywhere(alone: Stack, inverting: Inverting):
    here = await imported(alone)
    path = "users/u/uploads/leash.png"
    await alone.files.put({path: MASK})
    for base, status in ((1, 202), (0, 202), (None, 202), ("1", 400), (True, 400), (1.0, 400)):
        answer = await alone.http.post(f"{here}/inpaint", json={"mask": path, "base": base})
        assert answer.status_code == status, (base, answer.text)
    assert message_of(answer) == "base: expected an integer, got float"
    assert (await alone.http.post(f"{here}/cutout", json={"base": 1})).status_code == 202


async def test_what_would_be_left_unread_is_refused(alone: Stack):
    here = await imported(alone)
    form = {"files": {"file": PHOTO}, "data": {"parameters": '{"a": 1}'}}
    answer = await alone.http.post(f"{here}/files", **form)
    assert (answer.status_code, message_of(answer)) == (
        400,
        "request: expected file alone, got parameters",
    )
    other = await made(alone, {"photo": PHOTO, "mask": MASK}, kind="run_inpaint")
    assert other.status_code == 400
    assert "kind: expected one of import, inpaint, cutout" in message_of(other)
    assert (await alone.http.get(f"{RUNS}?user=u")).json()["next"] is None


async def test_who_follows_the_same_job_shares_one_count(
    alone: Stack, inverting: Inverting, monkeypatch: pytest.MonkeyPatch
):
    here = await imported(alone)
    await refined(alone, here)
    sessions = alone.services.sessions
    ((_, document),) = await alone.documents.named("u", f"run-{here[-34:-2]}-0002")
    session = following.readable("u", f"run-{here[-34:-2]}-0002", document, 0.0)
    asked, count = [], alone.documents.waiting_before

    async def counted(*arguments: Any) -> Any:
        asked.append(arguments)
        return await count(*arguments)

    monkeypatch.setattr(alone.documents, "waiting_before", counted)
    found = [await waiting.shared_count(sessions, session, 60.0) for _ in range(5)]
    assert (found, len(asked)) == ([0] * 5, 1)
    later = session.model_copy(update={"queued_at": session.queued_at + 1.0})
    assert await waiting.shared_count(sessions, later, 0.0) == 1
    assert await waiting.shared_count(sessions, later, 0.0) == 1
    assert len(asked) == 3
