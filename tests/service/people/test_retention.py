"""What nothing has changed for long is deleted whole, and nothing else is."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from pawfect_service.api.uploads import Order
from pawfect_service.jobs.kinds import KINDS
from pawfect_service.jobs.message import read_message
from pawfect_service.jobs.paths import RunId, attempt_path, session_path
from pawfect_service.people import retention, sweeping
from pawfect_service.people.retention import DAY_S, Retention, Swept
from pawfect_service.stores import make_queue
from pawfect_service.stores.base import Change, Stores
from pawfect_service.worker.expiry import keep_swept
from tests.service.api.runs.runs import RUNS, made
from tests.service.people.raw import raw_of, where
from tests.service.people.test_late import Gate, KilledError, ordered
from tests.service.repeat import Repeat
from tests.service.stack import PHOTO, SOON, Stack, running

UID = "person-4711"
KEPT_DAYS = 30.0
OLD_S, FRESH_S = 31 * DAY_S, 29 * DAY_S


async def age(stores: Stores, uid: str, sid: str, by_s: float) -> None:
    """Have a document be written so long ago."""

    def older(document: Any, now: float) -> Change:
        return Change({**document, "updatedAt": now - by_s})

    await stores.documents.update(uid, sid, older)


async def sids(stores: Stores, uid: str) -> list[str]:
    return [sid async for sid, _ in stores.documents.of_user(uid)]


async def finished(stack: Stack, sid: str, uid: str, old_s: float) -> None:
    """A session whose job is over for so long."""
    job = await ordered(stack, sid, uid)
    assert (await stack.deliver(job, uid, sid)).action is not None
    await age(stack.services.stores, uid, sid, old_s)


async def run_of(stack: Stack, uid: str, ages: list[float]) -> RunId:
    """A run with a version for each age, s, each of which is over; with a reference."""
    answer = await made(stack, user=uid)
    run = RunId.parse(answer.json()["runId"])
    assert run is not None
    enqueuer = stack.app.state.context.enqueuer
    for version in range(2, len(ages) + 1):
        order = Order({"text": b"ab"}, {"times": version})
        await enqueuer.enqueue_version(run, version - 1, KINDS["repeat"], order)
    uploaded = await stack.http.post(f"{RUNS}/{run}/files", files={"file": PHOTO})
    assert uploaded.status_code == 201, uploaded.text
    for version, old_s in enumerate(ages, 1):
        sid = run.sid(version)
        document = await stack.documents.get(uid, sid)
        assert (await stack.deliver(document["job"], uid, sid)).action is not None
        await age(stack.services.stores, uid, sid, old_s)
    return run


async def swept(stores: Stores, at_most: int = 50) -> int:
    """Sweep until everything has been looked at; return how many sessions went."""
    sweeps, removed = Retention(stores, KEPT_DAYS), 0
    for _ in range(at_most):
        found = await sweeps.sweep()
        removed += found.removed
        if not found.more:
            return removed
    raise AssertionError("it comes to no end")


@pytest.mark.parametrize(
    "store_url", ["embedded", pytest.param("google", marks=pytest.mark.slow)], indirect=True
)
async def test_old_sessions_and_runs_go_whole_and_what_is_fresh_or_unfinished_stays(
    store_url: str, nowhere: str, uid: str, repeat: Repeat
) -> None:
    make_queue(store_url, SOON)
    async with running(store_url, nowhere) as stack:
        stores = stack.services.stores
        await finished(stack, "old", uid, OLD_S)
        # What a worker that was killed has left of it.
        await stores.files.put({attempt_path(uid, "old", "j", 1, "repeated.txt"): b"left"})
        await finished(stack, "fresh", uid, FRESH_S)
        await ordered(stack, "pending", uid)
        await age(stores, uid, "pending", OLD_S)
        gone = await run_of(stack, uid, [OLD_S, OLD_S + 5, OLD_S])
        used = await run_of(stack, uid, [OLD_S, FRESH_S])
        # One that somebody has edited into what nobody can work on is over.
        await stack.edit_of(uid, "edited", {"updatedAt": 5.0, "processingStatus": "pending"})
        # What its product itself has put there is not this service's.
        own = f"users/{uid}/uploads/a.jpg"
        await stores.files.put({own: b"a product's own"})
        before = raw_of(store_url)
        assert where(before, gone.token)

        assert await swept(stores) >= 5
        assert await sids(stores, uid) == sorted(["fresh", "pending", used.sid(1), used.sid(2)])
        after = raw_of(store_url)
        assert where(after, gone.token, f"{uid}/sessions/old", f"{uid}/sessions/edited") == []
        files = await stores.files.list(f"users/{uid}")
        assert own in files
        kept = {session_path(uid, sid) for sid in await sids(stores, uid)}
        for file in files:
            if "/sessions/" in file:
                assert file.rpartition("/")[0] in kept
            elif "/references/" in file:
                assert used.token in file
        # Nothing is left to be ended, and nothing more to be done.
        assert [each for each in await stores.removals.pending(100) if each.uid == uid] == []
        assert await swept(stores) == 0


async def test_a_rating_is_a_use(alone: Stack, repeat: Repeat) -> None:
    stores = alone.services.stores
    run = await run_of(alone, UID, [OLD_S])
    rated = await alone.http.post(f"{RUNS}/{run}/feedback", json={"rating": 4})
    assert rated.status_code == 200
    assert await swept(stores) == 0
    await age(stores, UID, run.sid(1), OLD_S)
    assert await swept(stores) == 1
    assert (await alone.http.get(f"{RUNS}/{run}")).status_code == 404


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=[] if number in (3, 8) else pytest.mark.slow)
        for number in range(1, 13)
    ],
)
async def test_what_is_left_by_a_sweep_that_was_killed_is_whole_and_the_next_one_ends_it(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    stores = alone.services.stores
    run = await run_of(alone, UID, [OLD_S, OLD_S, OLD_S])
    with monkeypatch.context() as patched:
        _die_at(patched, stores, number)
        with pytest.raises(KilledError):
            await swept(stores)
    answer = await alone.http.get(f"{RUNS}/{run}")
    if answer.status_code == 200:
        versions = answer.json()["versions"]
        assert [each["version"] for each in versions] == list(range(1, len(versions) + 1))
        for version in versions:
            for link in filter(None, version["links"].values()):
                assert (await alone.http.get(link)).status_code == 200
    assert (answer.status_code == 200) == bool(await sids(stores, UID))
    await swept(stores)
    assert where(raw_of(store), UID, run.token) == []


def _die_at(patched: pytest.MonkeyPatch, stores: Any, at: int) -> None:
    """Have the sweep's process die as it is about to make its call of this number that writes."""
    calls = 0

    def dying(inner: Any) -> Any:
        async def call(*args: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= at:
                raise KilledError
            return await inner(*args, **named)

        return call

    for part, method in (
        ("removals", "begin"), ("removals", "drop"), ("documents", "update"), ("files", "remove"),
    ):  # fmt: skip
        owner = getattr(stores, part)
        patched.setattr(owner, method, dying(getattr(owner, method)))


async def test_what_was_begun_is_ended_also_by_workers_that_keep_everything(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = alone.services.stores
    run = await run_of(alone, UID, [OLD_S, OLD_S])
    await finished(alone, "s", UID, OLD_S)
    with monkeypatch.context() as patched:
        _die_at(patched, stores, 3)
        with pytest.raises(KilledError):
            await swept(stores)
    (left,) = await stores.removals.pending(10)
    monkeypatch.setattr(sweeping, "SWEEP_EVERY_S", 0.01)
    keeping = asyncio.create_task(keep_swept(alone.services, None))
    try:
        async with asyncio.timeout(20):
            while await stores.removals.pending(10):
                await asyncio.sleep(0.01)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    # What nobody has begun stays.
    gone = set(left.sids)
    assert set(await sids(stores, UID)) == {"s", run.sid(1), run.sid(2)} - gone != set()


async def test_two_sweepers_at_once_do_the_same_as_one(
    alone: Stack, store: str, repeat: Repeat
) -> None:
    stores = alone.services.stores
    for number in range(4):
        await finished(alone, f"s{number}", UID, OLD_S)
    run = await run_of(alone, UID, [OLD_S, OLD_S])
    await asyncio.gather(*(swept(stores) for _ in range(3)))
    assert where(raw_of(store), UID, run.token) == []


async def test_a_version_that_is_queued_while_its_run_goes_is_refused_or_saves_the_run(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores, enqueuer = alone.services.stores, alone.app.state.context.enqueuer

    async def another(run: RunId) -> Any:
        order = Order({"text": b"late"}, {"times": 9})
        return await enqueuer.enqueue_version(run, 2, KINDS["repeat"], order)

    # Before the sweep has written down what it does.
    run = await run_of(alone, UID, [OLD_S, OLD_S])
    with monkeypatch.context() as patched:
        gate = Gate(patched, stores.removals, "begin")
        sweeping = asyncio.create_task(swept(stores))
        await gate.reached.wait()
        assert (await another(run))[0] == 3
        gate.opened.set()
        assert await sweeping == 0
    assert len(await sids(stores, UID)) == 3
    # And after: its first version still has a document.
    other = await run_of(alone, UID, [OLD_S, OLD_S])
    with monkeypatch.context() as patched:
        gate = Gate(patched, stores.files, "remove")
        sweeping = asyncio.create_task(swept(stores))
        await gate.reached.wait()
        with pytest.raises(Exception, match="deleted meanwhile"):
            await another(other)
        gate.opened.set()
        assert await sweeping == 2
    assert where(raw_of(store), other.token) == []
    # And where a sweep has ended while a request stood still.
    third = await run_of(alone, UID, [OLD_S, OLD_S])
    with monkeypatch.context() as patched:
        gate = Gate(patched, stores.documents, "update")
        queueing = asyncio.create_task(another(third))
        await gate.reached.wait()
        assert await swept(stores) == 2
        gate.opened.set()
        with pytest.raises(Exception, match="deleted meanwhile"):
            await queueing
    assert where(raw_of(store), third.token) == []


async def test_a_new_job_of_a_session_that_goes_keeps_its_files_and_its_message(
    alone: Stack, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = alone.services.stores
    await finished(alone, "s", UID, OLD_S)
    gate = Gate(monkeypatch, stores.files, "remove")
    sweeping = asyncio.create_task(swept(stores))
    await gate.reached.wait()
    # Its document is gone, its files are not yet.
    job = await ordered(alone, "s", UID)
    gate.opened.set()
    await sweeping
    deliveries = stores.queue.deliveries(2)
    delivery = await asyncio.wait_for(anext(deliveries), 10)
    assert read_message(delivery.data).job == job
    await deliveries.aclose()  # type: ignore[attr-defined]
    assert len(await stores.queue.messages(UID, "s")) == 1
    assert await stores.files.get(session_path(UID, "s", "text.txt")) == b"canary-4711"
    assert (await alone.deliver(job, UID, "s")).reason == "completed"


async def test_a_sweep_costs_no_more_than_a_page_whatever_there_is(
    alone: Stack, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 4)
    stores = alone.services.stores
    # Runs that stay because of their newest version, and old sessions behind them.
    for number in range(3):
        for version in (1, 2):
            sid = RunId(f"{number:032x}", UID).sid(version)
            updated = 1.0 if version == 1 else 1e11
            await alone.edit_of(UID, sid, {"updatedAt": updated + number})
    for number in range(6):
        await alone.edit_of(UID, f"s{number}", {"updatedAt": 10.0 + number})
    calls = _counted(monkeypatch, stores)
    sweeps, seen = Retention(stores, KEPT_DAYS), list[Swept]()
    while not seen or seen[-1].more:
        seen.append(await sweeps.sweep())
    assert [(each.looked_at, each.removed) for each in seen] == [(4, 1), (4, 4), (1, 1), (0, 0)]
    # Per sweep one query and one look for what others left; per run its documents; per session that
    # goes its document twice, its files, its messages, and the note of it.
    assert calls["documents.idle"] == calls["removals.pending"] == 4
    assert calls["documents.named"] == 3
    assert calls["documents.get"] == 12
    for name in ("documents.update", "queue.messages", "removals.begin", "removals.drop"):
        assert calls[name] == 6, name
    assert sum(calls.values()) == 4 * 2 + 3 + 12 + 5 * 6
    assert await sids(stores, UID) == sorted(
        RunId(f"{number:032x}", UID).sid(version) for number in range(3) for version in (1, 2)
    )


def _counted(monkeypatch: pytest.MonkeyPatch, stores: Any) -> Counter[str]:
    calls: Counter[str] = Counter()

    def counting(name: str, inner: Any) -> Any:
        async def call(*args: Any, **named: Any) -> Any:
            calls[name] += 1
            return await inner(*args, **named)

        return call

    for part, methods in {
        "documents": ("idle", "named", "get", "update", "delete"),
        "files": ("remove", "list", "delete", "put"),
        "queue": ("messages",),
        "removals": ("begin", "drop", "pending", "past", "of", "end"),
    }.items():
        owner = getattr(stores, part)
        for method in methods:
            name = f"{part}.{method}"
            monkeypatch.setattr(owner, method, counting(name, getattr(owner, method)))
    return calls


@pytest.mark.parametrize(("pause_s", "after"), [(60.0, None), (0.0, Swept(0, 0, more=False))])
async def test_a_pass_that_is_over_is_followed_by_a_pause(
    alone: Stack, repeat: Repeat, monkeypatch: pytest.MonkeyPatch, pause_s: float, after: Any
) -> None:
    monkeypatch.setattr(retention, "PASS_EVERY_S", pause_s)
    sweeps = Retention(alone.services.stores, KEPT_DAYS)
    await alone.edit_of(UID, "s", {"updatedAt": 1.0})
    assert await sweeps.due() == Swept(1, 1, more=True)
    assert await sweeps.due() == Swept(0, 0, more=False)
    assert await sweeps.due() == after
