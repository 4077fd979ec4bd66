"""An audit's life: started, followed, cancelled, gone on with, and written down however it ends."""

from __future__ import annotations

import json
import os
import signal

import psutil

from pawfect_service.api.audits import process
from tests.service.api.audits.conftest import AUDIT, audited
from tests.service.stack import MASK, PHOTO


def cells_in(folder) -> list[str]:
    """The cells of a journal, in the order in which they ran."""
    lines = (folder / "audit" / "journal.jsonl").read_text().splitlines()
    return [table["cell"] for table in map(json.loads, lines) if "cell" in table]


def process_of(root) -> psutil.Process:
    return psutil.Process(json.loads((root / ".running").read_text())["pid"])


async def test_an_audit_runs_on_the_sessions_pictures_and_tells_how_far_it_is(audits):
    answer = await audits.start("waiting", parameters={"prompts": {"one": "grass = green"}})
    assert answer.status_code == 202
    assert answer.headers["location"] == AUDIT
    state = answer.json()
    assert (state["uid"], state["sid"], state["status"]) == ("u", "s", "running")
    assert (state["matrix"], state["prompts"]) == ("waiting", {"one": "grass = green"})
    assert state["links"] == {"report": None}
    state = await audits.under_way()
    progress = state["progress"]
    assert (progress["cells"], progress["ran"]) == (3, 1)
    assert progress["statuses"] == {"done": 1}
    (last,) = progress["last"]
    assert last["setting"]["guidance"] == 4.0
    assert (last["status"], last["totalMs"]) == ("done", 1234.5)
    assert state["endedAt"] is None
    assert {path.name for path in audits.folder.iterdir() if path.is_file()} == {
        "photo.jpg",
        "mask.png",
    }
    assert (audits.folder / "photo.jpg").read_bytes() == PHOTO
    assert (audits.folder / "mask.png").read_bytes() == MASK
    run = json.loads((audits.folder / "audit" / "journal.jsonl").read_text().splitlines()[0])
    assert run["run"]["prompts"] == ["one=grass = green"]


async def test_one_audit_at_a_time(audits):
    await audits.started("waiting")
    assert (await audits.stack.post(sid="t")).status_code == 202
    for sid, whose in (("s", "this"), ("t", "another")):
        refused = await audits.start(sid=sid)
        assert refused.status_code == 409
        message = refused.json()["error"]["message"]
        assert message.endswith(f"none under way on this machine, got one of {whose} session")
    assert (await audits.stack.http.get("/v1/users/u/sessions/t/audit")).status_code == 404
    other = await audits.stack.http.delete("/v1/users/u/sessions/t/audit")
    assert other.status_code == 404
    assert (await audits.state())["status"] == "running", "another session's cancel ends nothing"


async def test_a_cancelled_audit_ends_its_process_and_a_new_start_goes_on(audits):
    await audits.started("waiting")
    await audits.under_way()
    running = process_of(audits.root)
    cancelled = await audits.stack.http.delete(AUDIT)
    assert cancelled.status_code == 200
    state = cancelled.json()
    assert (state["status"], state["error"]) == ("cancelled", None)
    assert state["progress"]["ran"] == 1
    assert not running.is_running()
    assert (await audits.started("three"))["status"] == "running"
    state = await audits.over()
    assert (state["status"], state["progress"]["ran"]) == ("completed", 3)
    assert state["startedAt"] <= state["endedAt"]
    assert cells_in(audits.folder) == [letter * 16 for letter in "abc"]
    after = await audits.stack.http.delete(AUDIT)
    assert after.json() | {"links": 0, "linksEnd": 0} == state | {"links": 0, "linksEnd": 0}


async def test_an_audit_that_does_not_listen_is_killed(audits, monkeypatch):
    monkeypatch.setattr(process, "END_S", 0.2)
    await audits.started("stubborn")
    await audits.under_way()
    deaf = audits.folder / "audit" / "deaf"
    await audits.until(lambda _: deaf.is_file())
    running = process_of(audits.root)
    assert (await audits.stack.http.delete(AUDIT)).json()["status"] == "cancelled"
    assert not running.is_running()


async def test_an_audit_that_fails_says_why_without_a_path(audits):
    await audits.started("broken")
    state = await audits.over()
    assert state["status"] == "failed"
    assert state["error"] == {
        "kind": "UNAVAILABLE",
        "message": "photo.jpg: expected a photo, got none",
    }
    assert state["progress"] is None
    assert state["endedAt"] is not None
    await audits.started("defect")
    state = await audits.over()
    assert state["error"] == {"kind": "INTERNAL", "message": "audit: it ended with exit code 1"}


async def test_an_audit_that_is_killed_says_so_and_can_be_gone_on_with(audits):
    await audits.started("killed")
    state = await audits.over()
    assert (state["status"], state["error"]["kind"]) == ("failed", "INTERNAL")
    assert f"signal {signal.SIGKILL.value} ended it" in state["error"]["message"]
    assert state["progress"]["ran"] == 1
    await audits.started("three")
    state = await audits.over()
    assert (state["status"], state["error"]) == ("completed", None)
    assert cells_in(audits.folder) == [letter * 16 for letter in "abc"]


async def test_an_api_that_ends_takes_its_audit_along_and_the_next_one_goes_on(
    audits, store, nowhere, root, keys
):
    async with audited(store, nowhere, root, keys) as first:
        await first.started("waiting")
        await first.under_way()
        running = process_of(root)
    assert not running.is_running()
    assert (await audits.state())["status"] == "interrupted"
    await audits.started("three")
    assert (await audits.over())["status"] == "completed"
    assert cells_in(audits.folder) == [letter * 16 for letter in "abc"]


async def test_another_api_of_the_folder_tells_the_same_and_cancels_too(
    audits, store, nowhere, root, keys
):
    await audits.started("waiting")
    mine = await audits.under_way()
    async with audited(store, nowhere, root, keys) as other:
        assert await other.state() == mine
        assert (await other.start()).status_code == 409
        assert (await other.stack.http.delete(AUDIT)).json()["status"] == "cancelled"
        await audits.started("three")
        await audits.over()
        theirs = await other.state()
        assert (theirs["status"], theirs["progress"]["ran"]) == ("completed", 3)


async def test_an_audit_that_ends_between_a_look_and_the_signal_is_no_error(audits):
    await audits.started("waiting")
    await audits.under_way()
    os.kill(process_of(audits.root).pid, signal.SIGTERM)
    assert (await audits.stack.http.delete(AUDIT)).status_code == 200
    assert (await audits.state())["status"] in ("cancelled", "interrupted")
