"""The real audit, with its server on the tiny profile, through the API."""

from __future__ import annotations

import asyncio
import re
import time
from urllib.parse import urljoin

import psutil
import pytest

from tests.pawfect.photo.pictures import encoded, hole, scene
from tests.service.api.audits.conftest import AUDIT, audited
from tests.service.api.audits.test_lifetime import process_of
from tests.service.stack import HERE

# Two busy cores take ten times as long to load the models as two idle ones.
LONG_S = 900.0
# Wide enough that the canvas is the matrix's.
PHOTO = encoded(scene(256, 256), "JPEG", quality=92)
MASK = encoded(hole(256, 256), "PNG")


async def until(api, holds) -> dict:
    limit = time.monotonic() + LONG_S
    while not holds(state := await api.state()):
        assert time.monotonic() < limit, state
        # What an audit does takes seconds.
        await asyncio.sleep(0.2)
    return state


@pytest.mark.slow
async def test_a_session_is_audited_through_a_real_server_cancelled_and_gone_on_with(
    store, nowhere, root, keys, in_tiny_weights
):
    async with audited(store, nowhere, root, keys) as api:
        assert (await api.stack.post(PHOTO, MASK)).status_code == 202
        truth = {"truth": f"{HERE}/original.jpg"}
        await api.started("tiny_short", **truth)
        state = await until(api, lambda state: state["progress"] and state["progress"]["ran"])
        assert state["progress"]["cells"] == 2
        command = process_of(root)
        family = [command, *command.children(recursive=True)]
        assert any("tritonserver" in each.name() for each in family)
        cancelled = await api.stack.http.delete(AUDIT)
        assert cancelled.json()["status"] in ("cancelled", "completed")
        assert psutil.wait_procs(family, 60)[1] == []
        await api.started("tiny_short", **truth)
        state = await until(api, lambda state: state["status"] != "running")
        assert (state["status"], state["error"]) == ("completed", None)
        assert (state["progress"]["ran"], state["progress"]["statuses"]) == (2, {"done": 2})
        assert {cell["setting"]["guidance"] for cell in state["progress"]["last"]} == {4.0, 30.0}
        assert all(cell["totalMs"] > 0 for cell in state["progress"]["last"])
        link = state["links"]["report"]
        page = await api.stack.http.get(link, headers={"x-api-key": ""})
        assert "pawfect audit run --matrix tiny_short --session s --out audit" in page.text
        assert str(root) not in page.text
        sources = set(re.findall(r'(?:src|href)="(pictures/[^"]+)"', page.text))
        # The photo, the truth, and each cell's crop and whole picture.
        assert len(sources) == 6
        for source in sources:
            picture = await api.stack.http.get(urljoin(link, source), headers={"x-api-key": ""})
            assert picture.status_code == 200
            assert picture.content.startswith(b"\xff\xd8")
    journal = (api.folder / "audit" / "journal.jsonl").read_text()
    assert journal.count('"cell": ') == 2
