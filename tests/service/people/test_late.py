"""What comes late brings nothing back: workers, uploads, killed deletions and killed workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.message import JobMessage
from pawfect_service.people import deletion
from pawfect_service.people.deletion import Deletions
from pawfect_service.people.kept import Check, Kept
from pawfect_service.people.removals import user_key
from pawfect_service.stores import make_queue
from pawfect_service.stores.base import Change
from tests.service.api.runs.runs import RUNS, made
from tests.service.people.raw import raw_of, where
from tests.service.repeat import Repeat
from tests.service.stack import MASK, PHOTO, Stack, held, running

UID = "person-4711"
CANARY = b"canary-4711"
# What was under way ends so soon.
SHORT = JobContract(
    label_wait_s=0.05, job_s=0.2, fill_s=0.2, lease_s=0.2, starts=1, publications=1,
    backoff_min_s=0.05, backoff_max_s=0.1, deliveries=19,
)  # fmt: skip


def left(store: str) -> list[str]:
    return where(raw_of(store), UID, CANARY.decode())


async def ordered(stack: Stack, sid: str = "s", uid: str = UID) -> str:
    from pawfect_service.api.uploads import Order
    from pawfect_service.jobs.kinds import KINDS

    order = Order({"text": CANARY}, {"times": 1})
    enqueuer = stack.app.state.context.enqueuer
    return str((await enqueuer.enqueue(uid, sid, KINDS["repeat"], order)).job)


class Gate:
    """Stops whoever calls a method of a store until it is opened.

    Attributes:
        reached: set once somebody stands before it.
        opened: lets everybody through.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int = 1) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        inner, calls = getattr(owner, name), 0

        async def gated(*args: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                self.reached.set()
                await self.opened.wait()
            return await inner(*args, **named)

        monkeypatch.setattr(owner, name, gated)


async def delete(stack: Stack, uid: str = UID) -> dict[str, Any]:
    answer = await stack.http.delete(f"/v1/users/{uid}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


# --- workers --------------------------------------------------------------------------------------


async def test_a_worker_that_is_at_it_stops_and_leaves_nothing(
    alone: Stack, store: str, repeat: Repeat
) -> None:
    repeat.open.clear()
    await ordered(alone)
    async with alone.working():
        while not repeat.now:
            await asyncio.sleep(0.01)
        said = await delete(alone)
        assert said["deleted"]["jobs"] == 1
        await repeat.idle.wait()
    repeat.open.set()
    assert left(store) == []


@pytest.mark.parametrize(
    ("call", "at"),
    [
        pytest.param("put", 1, id="before its upload"),
        pytest.param("copy", 1, id="before it publishes", marks=pytest.mark.slow),
        pytest.param("copy", 2, id="half published"),
        pytest.param("list", 1, id="before it clears up", marks=pytest.mark.slow),
    ],
)
async def test_a_worker_that_stood_still_over_the_deletion_leaves_nothing(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch, call: str, at: int
) -> None:
    job = await ordered(alone)
    gate = Gate(monkeypatch, alone.files, call, at)
    message = JobMessage(UID, "s", job).to_bytes()
    working = asyncio.create_task(alone.handler().handle(message, {}, held))
    await gate.reached.wait()
    await delete(alone)
    assert left(store) == []
    gate.opened.set()
    await working
    assert left(store) == []
    # Delivered once more it has nothing to do.
    outcome = await alone.handler().handle(message, {}, held)
    assert outcome.action is not None
    assert outcome.action.value == "ack"
    assert left(store) == []


@pytest.mark.parametrize("at", [1, 2])
async def test_a_picture_that_is_published_after_the_deletion_goes_at_once(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    job = await ordered(alone)
    reached, on, copies = asyncio.Event(), asyncio.Event(), list[str]()
    inner = alone.files.copy

    async def copy(source: str, target: str) -> None:
        """Copy; one is read before the deletion, and written after it."""
        copies.append(target)
        if len(copies) != at:
            await inner(source, target)
            return
        data = await alone.files.get(source)
        reached.set()
        await on.wait()
        await alone.files.put({target: data})
        assert where(raw_of(store), target.rpartition("/")[2])

    monkeypatch.setattr(alone.files, "copy", copy)
    message = JobMessage(UID, "s", job).to_bytes()
    working = asyncio.create_task(alone.handler().handle(message, {}, held))
    await reached.wait()
    await delete(alone)
    on.set()
    await working
    assert left(store) == []


# --- requests -------------------------------------------------------------------------------------


async def test_an_upload_that_was_on_its_way_is_refused_and_leaves_nothing(
    alone: Stack, store: str
) -> None:
    began, on = asyncio.Event(), asyncio.Event()
    border = "b0rder"

    async def body() -> AsyncIterator[bytes]:
        for name, data in (("photo", PHOTO), ("mask", MASK)):
            head = (
                f'--{border}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'
            )
            yield head.encode() + data + b"\r\n"
            began.set()
            await on.wait()
        yield f"--{border}--\r\n".encode()

    headers = {"Content-Type": f"multipart/form-data; boundary={border}"}
    url = f"/v1/users/{UID}/sessions/s/inpaint"
    posting = asyncio.create_task(alone.http.post(url, content=body(), headers=headers))
    await began.wait()
    # What the API has read of it by then is in no store.
    while not await _listening(alone):
        await asyncio.sleep(0.01)
    await delete(alone)
    on.set()
    answer = await posting
    assert answer.status_code == 409, answer.text
    assert answer.json()["error"] == {
        "kind": "INVALID_ARG",
        "message": "user: expected data that was not deleted meanwhile",
    }
    assert left(store) == []
    # Sent again it is a new one's.
    assert (await alone.post(uid=UID)).status_code == 202


async def _listening(stack: Stack) -> bool:
    """Whether the API has taken the request up."""
    return not stack.app.state.context.enqueuer.counter._empty.is_set()


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("documents.update", marks=pytest.mark.slow),
        "files.put",
        pytest.param("queue.publish", marks=pytest.mark.slow),
    ],
)
async def test_a_request_that_stood_still_over_the_deletion_leaves_nothing(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    part, name = call.split(".")
    gate = Gate(monkeypatch, getattr(alone.services.stores, part), name)
    posting = asyncio.create_task(made(alone, user=UID))
    await gate.reached.wait()
    await delete(alone)
    gate.opened.set()
    answer = await posting
    # Whose message came after all else is queued: its worker finds no document.
    assert answer.status_code == (202 if call == "queue.publish" else 409), answer.text
    async with alone.working():
        while _messages(store):
            await asyncio.sleep(0.05)
    # As the sweep does once all that was under way has had its time.
    await alone.services.stores.scrub()
    assert left(store) == []


def _messages(store: str) -> list[str]:
    return [place for place in raw_of(store) if place.startswith("messages ")]


async def test_a_reference_that_was_on_its_way_leaves_nothing(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = f"{RUNS}/{(await made(alone, user=UID)).json()['runId']}"
    gate = Gate(monkeypatch, alone.files, "put")
    posting = asyncio.create_task(alone.http.post(f"{run}/files", files={"file": PHOTO}))
    await gate.reached.wait()
    await delete(alone)
    gate.opened.set()
    assert (await posting).status_code == 409
    assert left(store) == []


async def test_nothing_is_taken_while_a_deletion_is_under_way_and_all_is_afterwards(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ordered(alone)
    gate = Gate(monkeypatch, alone.services.stores.queue, "forget")
    deleting = asyncio.create_task(delete(alone))
    await gate.reached.wait()
    refused = await made(alone, user=UID)
    assert refused.status_code == 409
    assert refused.headers["retry-after"] == "5"
    assert "they are being deleted" in refused.json()["error"]["message"]
    assert (await made(alone, user="other")).status_code == 202
    gate.opened.set()
    await deleting
    assert (await made(alone, user=UID)).status_code == 202


# --- deletions that are killed --------------------------------------------------------------------


class KilledError(BaseException):
    """Ends a deletion as the death of its process does."""


CALLS = (
    "removals.begin", "removals.end", "documents.update", "files.remove", "queue.forget",
)  # fmt: skip


@pytest.mark.parametrize(
    "store_url", ["embedded", pytest.param("google", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.parametrize(
    "ending", ["another call", pytest.param("a sweep", marks=pytest.mark.slow)]
)
async def test_a_deletion_that_is_killed_anywhere_is_ended_whole(
    store_url: str, nowhere: str, uid: str, repeat: Repeat, monkeypatch: Any, ending: str
) -> None:
    monkeypatch.setattr(deletion, "ABANDONED_S", -60.0)
    make_queue(store_url, SHORT)
    async with running(store_url, nowhere, contract=SHORT) as stack:
        stores = stack.services.stores
        killed = 0
        for number in range(1, 40):
            own = f"{uid}-{number}"
            for sid in ("a", "b"):
                await ordered(stack, sid, own)
            await stack.files.put({f"users/{own}/uploads/a.jpg": CANARY})
            with monkeypatch.context() as patched:
                mortal = _mortal(patched, stores, number)
                try:
                    await Deletions(stack.services).delete(own)
                except KilledError:
                    killed += 1
                else:
                    assert mortal() < number
                    break
            if ending == "another call":
                await Deletions(stack.services).delete(own)
            else:
                await Deletions(stack.services).sweep()
                if number == 1:  # nothing was written down yet: nothing was begun
                    await Deletions(stack.services).delete(own)
            assert where(raw_of(store_url), own) == [], number
        assert killed >= 10


def _mortal(patched: pytest.MonkeyPatch, stores: Any, at: int) -> Callable[[], int]:
    """Have a process die at its call of this number that writes, with what it was about to do."""
    calls = 0

    def dying(inner: Any) -> Any:
        async def call(*args: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                raise KilledError
            return await inner(*args, **named)

        return call

    for name in CALLS:
        part, method = name.split(".")
        owner = getattr(stores, part)
        patched.setattr(owner, method, dying(getattr(owner, method)))
    return lambda: calls


async def test_a_sweep_leaves_a_deletion_that_goes_on_to_whoever_carries_it_out(
    alone: Stack, repeat: Repeat
) -> None:
    await ordered(alone)
    stores = alone.services.stores
    await stores.removals.begin(user_key(UID), UID, 100.0, (), ())
    await Deletions(alone.services).sweep()
    assert await alone.documents.get(UID, "s") is not None


async def test_who_does_not_reach_all_that_is_kept_does_not_end_a_killed_deletion(
    alone: Stack, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "ABANDONED_S", -60.0)
    await ordered(alone)
    stores = alone.services.stores
    await stores.removals.begin(user_key(UID), UID, 100.0, (), ("audits",))
    await Deletions(alone.services).sweep()
    assert await alone.documents.get(UID, "s") is not None

    async def none(uid: str, check: Check) -> int:
        return 0

    await Deletions(alone.services, [Kept("audits", none)]).sweep()
    assert await alone.documents.get(UID, "s") is None


# --- two who carry out one deletion ---------------------------------------------------------------


async def test_the_slower_of_two_calls_takes_nothing_that_came_after_the_end(
    alone: Stack, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = alone.services.stores
    # It stands still before it looks what there is, and at each look before something is removed.
    for number, (owner, name) in enumerate(
        [(stores.queue, "messages"), *[(stores.removals, "of")] * 5]
    ):
        uid = f"u{number}"
        await ordered(alone, "s", uid)
        with monkeypatch.context() as patched:
            gate = Gate(patched, owner, name, max(number, 1))
            slower = asyncio.create_task(Deletions(alone.services).delete(uid))
            await gate.reached.wait()
            assert (await Deletions(alone.services).delete(uid)).counts["files"] <= 1
            job = await ordered(alone, "s", uid)
            await stores.records.add_consent(uid, job, {"run": "r"})
            gate.opened.set()
            await slower
        document = await alone.documents.get(uid, "s")
        assert (document["job"], document["processingStatus"]) == (job, "pending"), number
        assert await alone.files.list(f"users/{uid}") == [f"users/{uid}/sessions/s/text.txt"]
        assert len(await stores.queue.messages(uid)) == 1
        assert await stores.records.consent(uid, job) is not None


async def test_a_call_that_another_has_taken_over_answers_once_all_is_deleted(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ordered(alone)
    stores = alone.services.stores
    with monkeypatch.context() as patched:
        gate = Gate(patched, stores.files, "remove")
        first = asyncio.create_task(Deletions(alone.services).delete(UID))
        await gate.reached.wait()
        removals = stores.removals
        (theirs,) = await removals.of(user_key(UID))
        other = await removals.renew(theirs)
        gate.opened.set()
        looks = Gate(patched, removals, "of", 3)
        await asyncio.wait_for(looks.reached.wait(), 10)
        assert not first.done()
        await removals.end(other)
        looks.opened.set()
        assert (await first).late_until == other.until
    # And one that never ends is said to be at it.
    monkeypatch.setattr(deletion, "WAITED_S", 0.0)
    removal = await removals.begin(user_key(UID), UID, 100.0, (), ())
    with pytest.raises(PawfectError, match="another call is still at it"):
        await Deletions(alone.services)._ended(removal)


async def test_of_all_who_sweep_one_ends_what_was_killed(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "ABANDONED_S", -60.0)
    await ordered(alone)
    await alone.services.stores.removals.begin(user_key(UID), UID, 100.0, (), ())
    carriers, opened, at_it = list[str](), asyncio.Event(), asyncio.Event()

    def sweeper(name: str) -> Deletions:
        async def delete(uid: str, check: Check) -> int:
            carriers.append(name)
            at_it.set()
            await opened.wait()
            return 0

        return Deletions(alone.services, [Kept("beside", delete)])

    # Both have read that it is pending before one takes it over.
    removals = alone.services.stores.removals
    pending = await removals.pending(10)

    async def read(at_most: int) -> Any:
        return pending

    monkeypatch.setattr(removals, "pending", read)
    sweeps = [asyncio.create_task(sweeper(name).sweep()) for name in ("a", "b")]
    await at_it.wait()
    over, _ = await asyncio.wait(sweeps, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    opened.set()
    assert (len(over), len(carriers)) == (1, 1)
    await asyncio.gather(*sweeps)
    assert len(set(carriers)) == 1
    assert left(store) == []


async def test_a_deletion_that_takes_long_stays_whose_it_is(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "RENEWED_S", 0.0)
    await ordered(alone)
    began = list[float]()

    async def slow(uid: str, check: Check) -> int:
        for _ in range(2):
            await check()
            (found,) = await alone.services.stores.removals.of(user_key(uid))
            began.append(found.began_at)
        return 0

    said = await Deletions(alone.services, [Kept("slow", slow)]).delete(UID)
    assert said.counts["documents"] == 1
    assert began[0] < began[1]
    assert left(store) == []


# --- what a killed worker leaves ------------------------------------------------------------------


@asynccontextmanager
async def short(store: str, nowhere: str) -> AsyncIterator[Stack]:
    make_queue(store, SHORT)
    async with running(store, nowhere, contract=SHORT) as stack:
        yield stack


@pytest.mark.parametrize(
    "store_url", ["embedded", pytest.param("google", marks=pytest.mark.slow)], indirect=True
)
async def test_files_that_a_killed_worker_left_after_the_deletion_go_and_what_is_new_stays(
    store_url: str, nowhere: str, uid: str, repeat: Repeat
) -> None:
    async with short(store_url, nowhere) as stack:
        await ordered(stack, "s", uid)
        said = await delete(stack, uid)
        assert where(raw_of(store_url), uid) == [], "the note of it names nobody"
        # Its process died before it looked whether the session is there.
        late = [f"users/{uid}/sessions/s/attempts/j-1-repeated.txt"]
        late.append(f"users/{uid}/references/{'0' * 32}/a.jpg")
        await stack.files.put(dict.fromkeys(late, CANARY))
        await ordered(stack, "new", uid)
        own = f"users/{uid}/uploads/a.jpg"
        await stack.files.put({own: b"a product's own"})
        removals = stack.services.stores.removals
        await Deletions(stack.services).sweep()
        if await removals.of(user_key(uid)):
            assert set(late) <= set(await stack.files.list(f"users/{uid}")), "too early"
        while await removals.of(user_key(uid)):
            await asyncio.sleep(0.1)
            await Deletions(stack.services).sweep()
        assert await stack.files.list(f"users/{uid}") == [
            f"users/{uid}/sessions/new/text.txt", own,
        ]  # fmt: skip
        assert await stack.documents.get(uid, "new") is not None
        assert said["lateUntil"] > 1e9
        assert where(raw_of(store_url), user_key(uid)) == []


async def test_two_deletions_and_two_sweeps_at_once_do_the_same_as_one(
    alone: Stack, store: str, repeat: Repeat
) -> None:
    for number in range(5):
        await ordered(alone, f"s{number}")
    one, other = Deletions(alone.services), Deletions(alone.services)
    said = await asyncio.gather(one.delete(UID), other.delete(UID), one.sweep(), other.sweep())
    assert sum(each.counts["documents"] for each in said[:2] if each) == 5
    assert left(store) == []


async def test_a_store_that_is_away_says_so_and_the_same_call_ends_it(
    alone: Stack, store: str, repeat: Repeat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await ordered(alone)
    with monkeypatch.context() as patched:

        async def away(*_: Any) -> Any:
            from pawfect.contract.errors import ErrorKind

            raise PawfectError(ErrorKind.UNAVAILABLE, "files: away")

        patched.setattr(alone.files, "remove", away)
        answer = await alone.http.delete(f"/v1/users/{UID}")
        assert (answer.status_code, answer.json()["error"]["kind"]) == (503, "UNAVAILABLE")
    await alone.documents.update("x", "x", lambda *_: Change({}))
    await delete(alone)
    assert left(store) == []
