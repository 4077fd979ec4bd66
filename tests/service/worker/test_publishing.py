"""A claimed result becomes the session's, whatever stalls or breaks off meanwhile."""

from __future__ import annotations

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError, QueueAction
from pawfect_service.jobs.moves import complete, passing_failure, take_up
from tests.service.stack import HERE


@pytest.mark.parametrize("made", [False, True])
async def test_a_store_that_breaks_off_at_the_end_takes_no_charged_result_away(
    alone, repeat, monkeypatch, made
):
    job = await alone.ordered(repeat)
    sessions = alone.services.sessions
    away = PawfectError(ErrorKind.UNAVAILABLE, "documents: ServiceUnavailable")
    for count in range(sessions.contract.passing_failures):
        mine = {"job": job, "owner": f"w{count}"}
        await sessions.move("u", "s", take_up, **mine)
        await sessions.move("u", "s", passing_failure, **mine, error=away)
    move, broke_off = sessions.move, []

    async def breaks_off(uid, sid, transition, /, **named):
        if transition is not complete or broke_off:
            return await move(uid, sid, transition, **named)
        broke_off.append(made and await move(uid, sid, transition, **named))
        raise away

    monkeypatch.setattr(sessions, "move", breaks_off)
    first = await alone.deliver(job)
    assert len(broke_off) == 1
    assert first.action is (QueueAction.ACK if made else QueueAction.NACK)
    assert first.attempt == sessions.contract.passing_failures + 1
    charged = (await alone.documents.get("u", "s"))["cost"]
    assert charged["seconds"] > 0
    assert (await alone.deliver(job)).action is QueueAction.ACK
    state = await alone.state()
    assert (state["processingStatus"], state["cost"]) == ("completed", charged)
    assert state["attempts"]["passingFailures"] == sessions.contract.passing_failures
    assert state["attempts"]["publications"] == (0 if made else 1)
    assert repeat.done == 1
    assert await alone.files.list(f"{HERE}/attempts") == []


async def test_a_worker_that_stalls_beyond_its_lease_copies_nothing_more(
    alone, repeat, monkeypatch
):
    job = await alone.ordered(repeat)
    copy, copied = alone.files.copy, []

    async def stalls(source, target):
        copied.append(target)
        await copy(source, target)
        if len(copied) == 1:
            lease = (await alone.documents.get("u", "s"))["lease"]
            await alone.edit(lease={**lease, "until": lease["since"]})
            assert (await alone.deliver(job)).action is QueueAction.ACK
            assert (await alone.post()).status_code == 202

    monkeypatch.setattr(alone.files, "copy", stalls)
    assert (await alone.deliver(job)).action is QueueAction.ACK
    names = [f"{HERE}/repeated.txt", f"{HERE}/length.txt"]
    assert copied == [names[0], *names], "one copy of the first worker, both of the second"
    assert (await alone.state())["processingStatus"] == "pending"
    assert await alone.files.list(f"{HERE}/attempts") == []


async def test_what_older_jobs_have_left_is_gone_before_a_file_gets_its_name(
    alone, repeat, monkeypatch
):
    job = await alone.ordered(repeat)
    left = f"{HERE}/attempts/older-1-length.txt"
    await alone.files.put({left: b"older"})
    delete, copy, found = alone.files.delete, alone.files.copy, []

    async def broken(path):
        raise PawfectError(ErrorKind.UNAVAILABLE, "files: ServiceUnavailable")

    async def noted(source, target):
        found.append(await alone.files.list(f"{HERE}/attempts"))
        await copy(source, target)

    monkeypatch.setattr(alone.files, "copy", noted)
    monkeypatch.setattr(alone.files, "delete", broken)
    assert (await alone.deliver(job)).action is QueueAction.NACK
    assert found == [], "nothing is copied while it is there"
    monkeypatch.setattr(alone.files, "delete", delete)
    assert (await alone.deliver(job)).action is QueueAction.ACK
    mine = [f"{HERE}/attempts/{job}-1-{name}" for name in ("length.txt", "repeated.txt")]
    assert found == [mine, mine]
    assert (await alone.state())["processingStatus"] == "completed"
    assert await alone.files.list(f"{HERE}/attempts") == []
