"""What deleting people's data asks of a store: one suite over both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.message import JobMessage
from pawfect_service.stores.base import Change, StoredFile, Stores
from pawfect_service.stores.embedded import documents as embedded_documents
from pawfect_service.stores.google import documents as google_documents
from tests.service.stores.test_stores import written


async def listed(stores: Stores, folder: str) -> list[StoredFile]:
    return [file async for file in stores.files.stored(folder)]


async def test_a_users_documents_come_page_by_page_and_nobody_elses(
    stores: Stores, uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (embedded_documents, google_documents):
        monkeypatch.setattr(module, "_WHOLE_PAGE", 2)
    for sid in ("c", "a", "run-1", "b", "Z"):
        await stores.documents.update(uid, sid, written({"sid": sid}))
    await stores.documents.update(f"{uid}x", "d", written({"sid": "another user's"}))
    found = [(sid, document["sid"]) async for sid, document in stores.documents.of_user(uid)]
    assert found == [(sid, sid) for sid in ("Z", "a", "b", "c", "run-1")]
    assert [each async for each in stores.documents.of_user(f"{uid}y")] == []


async def test_documents_that_nothing_has_written_for_long_come_oldest_first_behind_a_mark(
    stores: Stores, uid: str
) -> None:
    # Longer ago than any other test's, and different from those of another run of this one.
    times = {"b": 2.0, "a": 1.0, "c": 2.0, "late": 3.5}
    for sid, updated in times.items():
        await stores.documents.update(uid, sid, written({"updatedAt": updated}))
    for sid, odd in (("text", "1"), ("none", None)):
        await stores.documents.update(uid, sid, written({"updatedAt": odd}))
    await stores.documents.update(uid, "untimed", written({}))
    found, mark = [], None
    while page := await stores.documents.idle(3.0, 1, mark):
        assert len(page) == 1
        mark = page[-1]
        found += page
    ours = [(each.updated_at, each.sid) for each in found if each.uid == uid]
    assert ours == [(1.0, "a"), (2.0, "b"), (2.0, "c")]
    for sid in (*times, "text", "none", "untimed"):
        await stores.documents.delete(uid, sid)


async def test_a_document_is_deleted_only_as_it_was_looked_at(stores: Stores, uid: str) -> None:
    await stores.documents.update(uid, "s", written({"job": "new"}))

    def old_one_goes(document: Document | None, now: float) -> Change:
        gone = document is not None and document["job"] == "old"
        return Change(None, gone, delete=gone)

    assert await stores.documents.update(uid, "s", old_one_goes) is False
    assert await stores.documents.get(uid, "s") == {"job": "new"}
    await stores.documents.update(uid, "s", written({"job": "old"}))
    assert await stores.documents.update(uid, "s", old_one_goes) is True
    assert await stores.documents.get(uid, "s") is None
    assert await stores.documents.update(uid, "s", lambda *_: Change(None, 7, delete=True)) == 7


async def test_of_deleters_and_writers_of_one_document_each_sees_the_others_whole(
    opened: Callable[[], Stores], uid: str
) -> None:
    each = [opened() for _ in range(2)]

    def count(document: Document | None, now: float) -> Change:
        return Change({"count": (document or {"count": 0})["count"] + 1}, 1)

    def take(document: Document | None, now: float) -> Change:
        return Change(None, document["count"] if document else 0, delete=document is not None)

    counted, taken = await asyncio.gather(
        asyncio.gather(*(each[0].documents.update(uid, "s", count) for _ in range(10))),
        asyncio.gather(*(each[1].documents.update(uid, "s", take) for _ in range(5))),
    )
    last = await each[0].documents.update(uid, "s", take)
    assert sum(taken) + last == sum(counted) == 10


async def test_a_listing_has_sizes_and_what_was_written_since_is_not_removed(
    opened: Callable[[], Stores], store_url: str, uid: str
) -> None:
    files, others, folder = opened().files, opened().files, f"users/{uid}"
    names = {
        f"{folder}/sessions/s/a.jpg": b"one",
        f"{folder}/b": b"",
        f"{folder}/sessions/t/c": b"c",
    }
    await files.put(names)
    await others.put({f"users/{uid}x/sessions/s/a.jpg": b"another user's"})
    found = [file async for file in files.stored(folder)]
    assert {file.path: file.size for file in found} == {path: len(d) for path, d in names.items()}
    assert [file.path for file in found] == sorted(names)
    assert await files.folders(f"{folder}/sessions") == ["s", "t"]
    assert await files.folders(f"{folder}/none") == []
    by = {file.path: file for file in found}
    first = by[f"{folder}/sessions/s/a.jpg"]
    assert b"".join([piece async for piece in (await files.read(first)).pieces]) == b"one"
    await others.put({first.path: b"two"})
    if store_url.startswith("embedded"):  # the storage emulator knows no preconditions
        assert await files.remove(first) is False
        assert await files.get(first.path) == b"two"
    (again,) = [file async for file in files.stored(f"{folder}/sessions/s")]
    assert await files.remove(again) is True
    assert await files.remove(again) is False
    with pytest.raises(FileNotFoundError):
        await files.read(again)
    assert await files.folders(f"{folder}/sessions") == ["t"]


async def test_a_users_messages_are_forgotten_dead_ones_too_where_the_queue_can(
    stores: Stores, store_url: str, uid: str
) -> None:
    queue = stores.queue
    for owner, sid in ((uid, "s"), (uid, "t"), (uid, "s"), (f"{uid}x", "s")):
        await queue.publish(JobMessage(owner, sid, "j").to_bytes(), {})
    await queue.publish(b"\xff no JSON of anybody's", {})
    if not store_url.startswith("embedded"):
        assert await queue.messages(uid) == []
        return
    deliveries = queue.deliveries(9)
    held = await anext(deliveries)
    await queue.bury(held, "why")
    of_s = await queue.messages(uid, "s")
    assert await queue.forget(of_s) == len(of_s) == 2
    assert await queue.dead_letters(9) == []
    of_all = await queue.messages(uid)
    assert await queue.forget(of_all) == len(of_all) == 1
    assert await queue.forget(of_all) == 0
    assert await queue.messages(uid) == []
    left = {(await anext(deliveries)).data for _ in range(2)}
    assert left == {JobMessage(f"{uid}x", "s", "j").to_bytes(), b"\xff no JSON of anybody's"}
    await deliveries.aclose()  # type: ignore[attr-defined]


async def test_an_answer_to_a_message_that_is_forgotten_is_for_nothing(
    tmp_path: Path,
) -> None:
    from pawfect_service.stores import open_stores
    from tests.service.conftest import CONTRACT

    stores = open_stores(f"embedded:{tmp_path}", CONTRACT)
    try:
        await stores.queue.publish(JobMessage("u", "s", "j").to_bytes(), {})
        deliveries = stores.queue.deliveries(1)
        held = await anext(deliveries)
        assert await stores.queue.forget(await stores.queue.messages("u")) == 1
        await stores.queue.nack(held)
        await stores.queue.publish(b"next", {})
        assert (await anext(deliveries)).data == b"next"
        await deliveries.aclose()  # type: ignore[attr-defined]
    finally:
        await stores.close()


async def test_a_removal_is_known_by_its_key_until_it_is_dropped(
    opened: Callable[[], Stores], uid: str
) -> None:
    here, there = opened().removals, opened().removals
    key = f"user-{uid}"
    first = await here.begin(key, uid, 100.0, (), ("audits",))
    assert first.until - first.began_at == 100.0
    assert first.under_way
    assert await there.of(key, f"session-{uid}") == [first]
    second = await there.begin(key, uid, 0.0, ("b", "a"), ())
    assert second.token != first.token
    assert [each for each in await here.pending(100) if each.uid == uid] == [second]
    # The first one's end comes too late.
    assert await here.end(first) is False
    await here.drop(first)
    assert await here.of(key) == [second]
    assert await here.end(second) is True
    (ended,) = await there.of(key)
    assert (ended.uid, ended.sids, ended.under_way) == (None, (), False)
    assert [each for each in await here.pending(100) if each.key == key] == []
    assert [each for each in await here.past(100) if each.key == key] == [ended]
    await here.drop(ended)
    assert await here.of(key) == []
    kept = await here.begin(key, uid, 100.0, (), ())
    await here.end(kept)
    assert [each for each in await here.past(100) if each.key == key] == []


async def test_of_all_who_take_a_removal_over_at_once_one_has_it_and_none_once_it_has_ended(
    opened: Callable[[], Stores], uid: str
) -> None:
    here, there = opened().removals, opened().removals
    key = f"user-{uid}"
    first = await here.begin(key, uid, 100.0, (), ("audits",))
    found = await asyncio.gather(*(each.renew(first) for each in (here, there) * 4))
    (second,) = [each for each in found if each is not None]
    assert second.token != first.token
    assert second.began_at >= first.began_at
    assert second.until - second.began_at == pytest.approx(100.0)
    assert (second.uid, second.places) == (uid, ("audits",))
    assert await there.of(key) == [second]
    assert await here.end(first) is False
    # Whoever ends at the same time as another loses, and that is no error.
    ends = await asyncio.gather(*(each.end(second) for each in (here, there) * 4))
    assert any(ends)
    assert await here.renew(second) is None
    (ended,) = await here.of(key)
    await asyncio.gather(*(each.drop(ended) for each in (here, there) * 4))
    assert await here.of(key) == []
    assert await here.renew(second) is None


async def test_a_removal_without_an_id_is_refused(stores: Stores) -> None:
    with pytest.raises(PawfectError, match="INVALID_ARG"):
        [each async for each in stores.documents.of_user("../x")]


async def test_no_byte_of_what_was_deleted_stays_on_this_machines_disk(tmp_path: Path) -> None:
    from pawfect_service.stores import open_stores
    from tests.service.conftest import CONTRACT

    stores = open_stores(f"embedded:{tmp_path}", CONTRACT)
    another = open_stores(f"embedded:{tmp_path}", CONTRACT)
    text = "canary4711"
    try:
        # Some longer than a page, and each written anew several times, by two processes.
        for number, length in enumerate((10, 3000, 60_000)):
            for _ in range(3):
                body = {"text": text * (length // 10)}
                await stores.documents.update("person", f"s{number}", written(body))
                await another.documents.update("person", f"s{number}", written(body | {"a": 1}))
        await stores.documents.update("other", "s", written({"text": "stays"}))
        await stores.queue.publish(JobMessage("person", "s", text).to_bytes(), {})
        await stores.files.put({"users/person/sessions/s/original.jpg": text.encode()})
        for number in range(3):
            await stores.documents.delete("person", f"s{number}")
        await stores.queue.forget(await stores.queue.messages("person"))
        await stores.files.delete("users/person/sessions/s/original.jpg")
        await another.scrub()
        raw = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert [path for path, data in raw.items() if b"canary" in data or b"person" in data] == []
        assert [path for path in tmp_path.rglob("*") if "person" in path.name] == []
        assert any(b"stays" in data for data in raw.values())
    finally:
        await stores.close()
        await another.close()
