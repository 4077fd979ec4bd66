"""Audits are people's data too: they go with their user, and after a while."""

from __future__ import annotations

import json
import os
import time

import psutil
import pytest

from pawfect_service.api.audits.audits import Audits
from tests.service.api.audits.test_lifetime import process_of
from tests.service.people.raw import raw_of, where
from tests.service.stack import PHOTO


async def test_a_users_audits_go_with_the_user_the_one_that_runs_too(audits, store):
    assert (await audits.stack.post(sid="t")).status_code == 202
    await audits.stack.cancel("t")
    await audits.started("three", sid="t")
    await audits.stack.until(
        lambda state: state["status"] == "completed", where="/v1/users/u/sessions/t/audit"
    )
    await audits.started("waiting")
    state = await audits.under_way()
    assert state["status"] == "running"
    process = process_of(audits.root)
    assert (audits.folder / "photo.jpg").read_bytes() == PHOTO
    answer = await audits.stack.http.delete("/v1/users/u")
    assert answer.status_code == 200, answer.text
    assert answer.json()["deleted"]["audits"] == 2
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert not (audits.root / "u").exists()
    raw = raw_of(store, audits.root)
    assert where(raw, '"u"', "users/u/", "/u/") == []
    assert [place for place, data in raw.items() if data and data in PHOTO] == []
    # And the next one begins as the first one did.
    assert (await audits.stack.post()).status_code == 202
    await audits.stack.cancel()
    await audits.started("three")
    assert (await audits.over())["status"] == "completed"


@pytest.mark.slow
async def test_audits_that_ended_long_ago_go_and_one_that_runs_stays(audits):
    for sid in ("t", "w"):
        assert (await audits.stack.post(sid=sid)).status_code == 202
        await audits.stack.cancel(sid)
    for sid in ("t", "w"):
        await audits.started("three", sid=sid)
        await audits.stack.until(
            lambda state: state["status"] == "completed", where=f"/v1/users/u/sessions/{sid}/audit"
        )
    await audits.started("waiting")
    await audits.under_way()
    for sid in ("t", "s"):
        note = audits.root / "u" / sid / "audit" / "note.json"
        fields = json.loads(note.read_text())
        long_ago = time.time() - 31 * 86_400
        fields["startedAt"] = long_ago
        fields["endedAt"] = fields["endedAt"] and long_ago
        note.write_text(json.dumps(fields))
    # One that was killed before it was noted.
    (audits.root / "v" / "x").mkdir(parents=True)
    os.utime(audits.root / "v" / "x", (long_ago, long_ago))
    held: Audits = audits.stack.app.state.audits
    assert await held.sweep(None)() == 0
    assert await held.sweep(30.0)() == 2
    assert await held.sweep(30.0)() == 0
    assert sorted(path.name for path in (audits.root / "u").iterdir()) == ["s", "w"]
    assert not (audits.root / "v").exists()
