"""What every store must do: one suite over the embedded store and Google's emulators."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import Document
from pawfect_service.stores import base
from pawfect_service.stores.base import Change, Stores
from pawfect_service.stores.embedded import documents as embedded_documents
from pawfect_service.stores.embedded import files as embedded_files
from pawfect_service.stores.google import documents as google_documents
from pawfect_service.stores.google import files as google_files

# What a redelivery may take: the Pub/Sub emulator looks for due messages every two seconds.
SOON_S = 8.0


def counting(document: Document | None, now: float) -> Change:
    count = (document or {"count": 0})["count"] + 1
    return Change({"count": count}, count)


def written(document: Document) -> Callable[[Document | None, float], Change]:
    return lambda *_: Change(document)


# --- documents ------------------------------------------------------------------------------------


async def test_a_document_comes_back_as_it_was_written_until_it_is_deleted(
    stores: Stores, uid: str
) -> None:
    document = {
        "a": None,
        "b": True,
        "c": 2**63 - 1,
        "d": 0.1,
        "e": ["x", 1.5, {}],
        "f": {"g.h": {}, "i": []},
        "a.b `c`": "é\u2028\x00",
    }
    await stores.documents.update(uid, "s", written(document))
    assert await stores.documents.get(uid, "s") == document
    smaller = {"b": False, "a.b `c`": {}}
    await stores.documents.update(uid, "s", written(smaller))
    assert await stores.documents.get(uid, "s") == smaller
    for _ in range(2):
        await stores.documents.delete(uid, "s")
    assert await stores.documents.get(uid, "s") is None


async def test_every_increment_of_many_at_once_counts(opened: Any, uid: str) -> None:
    each = [opened() for _ in range(3)]
    answers = await asyncio.gather(
        *(store.documents.update(uid, "s", counting) for store in each for _ in range(8))
    )
    assert sorted(answers) == list(range(1, 25))
    assert await each[0].documents.get(uid, "s") == {"count": 24}


async def test_a_decision_that_writes_nothing_or_fails_leaves_the_document(
    stores: Stores, uid: str
) -> None:
    def fails(document: Document | None, now: float) -> Change:
        raise LookupError("no")

    await stores.documents.update(uid, "s", counting)
    seen = await stores.documents.update(uid, "s", lambda document, _: Change(None, document))
    assert seen == {"count": 1}
    with pytest.raises(LookupError, match="no"):
        await stores.documents.update(uid, "s", fails)
    assert await stores.documents.get(uid, "s") == {"count": 1}


async def test_the_stores_clock_goes_on_and_is_one_for_all(opened: Any, uid: str) -> None:
    each = [opened() for _ in range(2)]
    times = [
        await store.documents.update(uid, sid, lambda _, now: Change(None, now))
        for sid in ("s", "t")
        for store in each
    ]
    assert times == sorted(times)
    assert abs(times[-1] - time.time()) < 30


async def test_a_watch_sees_the_present_the_last_change_and_the_end(opened: Any, uid: str) -> None:
    here, there = opened(), opened()
    async with aclosing(here.documents.watch(uid, "s")) as seen:
        assert await asyncio.wait_for(anext(seen), SOON_S) is None
        for _ in range(3):
            await there.documents.update(uid, "s", counting)
        while await asyncio.wait_for(anext(seen), SOON_S) != {"count": 3}:
            pass
        await there.documents.delete(uid, "s")
        assert await asyncio.wait_for(anext(seen), SOON_S) is None
        await there.documents.update(uid, "s", counting)
        assert await asyncio.wait_for(anext(seen), SOON_S) == {"count": 1}


async def test_overdue_names_what_has_expired_oldest_first(stores: Stores, uid: str) -> None:
    now = await stores.documents.update(uid, "s", lambda _, now: Change(None, now))
    for sid, expires in (("b", now - 5), ("a", now - 9), ("later", now + 99), ("ended", None)):
        await stores.documents.update(uid, sid, written({"expiresAt": expires}))
    overdue = [found for found in await stores.documents.overdue(1000) if found[0] == uid]
    assert overdue == [(uid, "a"), (uid, "b")]
    assert len(await stores.documents.overdue(1)) == 1


async def test_documents_are_found_by_the_beginning_of_their_names(
    stores: Stores, uid: str
) -> None:
    for sid in ("run-a-0002", "run-a-0001", "run-a", "run-ab-0001", "run-b-0001", "s"):
        await stores.documents.update(uid, sid, written({"sid": sid}))
    await stores.documents.update(f"{uid}x", "run-a-0003", written({"sid": "another user's"}))
    found = await stores.documents.named(uid, "run-a-")
    assert found == [(sid, {"sid": sid}) for sid in ("run-a-0001", "run-a-0002")]
    every = [sid for sid, _ in await stores.documents.named(uid, "run-")]
    assert every == ["run-a", "run-a-0001", "run-a-0002", "run-ab-0001", "run-b-0001"]
    assert await stores.documents.named(uid, "none") == []
    for refused in (("u", "../"), ("a/b", "run-"), ("u", "")):
        with pytest.raises(PawfectError, match="INVALID_ARG"):
            await stores.documents.named(*refused)


async def test_documents_of_a_kind_are_found_page_by_page_since_a_time(
    stores: Stores, uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (embedded_documents, google_documents):
        monkeypatch.setattr(module, "_PAGE", 2)
    kind = f"kind-{uid}"
    for number, (name, queued) in enumerate(
        [(kind, 5.0), (kind, 6.0), (kind, 7.0), (kind, 8.0), ("other", 9.0), (kind, 4.9)]
    ):
        document = {"jobKind": name, "queuedAt": queued, "number": number}
        await stores.documents.update(f"{uid}-{number % 3}", f"s{number}", written(document))
    await stores.documents.update(uid, "inpaint", written({"queuedAt": 9.0}))
    await stores.documents.update(uid, "odd", written({"jobKind": kind, "queuedAt": "9"}))

    async def found(since: float) -> list[int]:
        return sorted([each["number"] async for each in stores.documents.of_kind(kind, since)])

    assert await found(5.0) == [0, 1, 2, 3]
    assert await found(8.5) == []


async def test_a_users_runs_are_found_newest_first_and_after_one(stores: Stores, uid: str) -> None:
    def sid(run: int, version: int) -> str:
        return f"run-{run:032x}-{version:04d}"

    # Two of one moment, to tell that none is left out between pages.
    times = {1: 30.0, 2: 10.0, 3: 20.0, 4: 20.0}
    for run, created in times.items():
        document: Document = {"createdAt": created, "runBegins": True}
        await stores.documents.update(uid, sid(run, 1), written(document))
        await stores.documents.update(uid, sid(run, 2), written({"createdAt": created + 1}))
    await stores.documents.update(uid, "s", written({"createdAt": 99.0}))
    await stores.documents.update(f"{uid}x", sid(9, 1), written({**document, "createdAt": 50.0}))
    found: list[base.RunMark] = []
    while page := await stores.documents.newest_runs(uid, 1, found[-1] if found else None):
        found += page
    assert [mark.sid for mark in found] == [sid(run, 1) for run in (1, 4, 3, 2)]
    assert [mark.created_at for mark in found] == [30.0, 20.0, 20.0, 10.0]
    assert await stores.documents.newest_runs(uid, 9) == found


async def test_jobs_that_wait_are_counted_by_when_they_were_queued(
    stores: Stores, uid: str
) -> None:
    # Longer ago than any other test's.
    for number in range(5):
        status = "processing" if number == 3 else "pending"
        document = {"processingStatus": status, "queuedAt": float(number), "expiresAt": 1e11}
        await stores.documents.update(uid, f"s{number}", written(document))
    over = {"processingStatus": "completed", "queuedAt": 0.5, "expiresAt": None}
    await stores.documents.update(uid, "over", written(over))
    count = stores.documents.waiting_before
    assert [await count(float(number), 100) for number in range(6)] == [0, 1, 2, 3, 3, 4]
    assert await count(9.0, 2) == 2
    for number in range(5):
        await stores.documents.delete(uid, f"s{number}")
    assert await count(9.0, 100) == 0


async def test_an_id_that_plays_tricks_is_refused(stores: Stores) -> None:
    for bad in ("", "..", "a/b", ".a", "__a__", "a" * 129, "a\n", "é", "a\x00"):
        for key in (("u", bad), (bad, "s")):
            for refused in (
                stores.documents.update(*key, counting),
                stores.documents.get(*key),
                anext(stores.documents.watch(*key)),
            ):
                with pytest.raises(PawfectError, match="INVALID_ARG"):
                    await refused


# --- files ----------------------------------------------------------------------------------------


async def test_a_file_is_written_replaced_copied_listed_and_deleted(
    stores: Stores, uid: str
) -> None:
    files, path = stores.files, f"users/{uid}/sessions/s"
    await files.put({f"{path}/original.jpg": b"one"})
    await files.put({f"{path}/original.jpg": b"two"})
    await files.copy(f"{path}/original.jpg", f"{path}/attempts/j-1-edited.jpg")
    assert await files.get(f"{path}/attempts/j-1-edited.jpg") == b"two"
    assert await files.list(path) == [f"{path}/attempts/j-1-edited.jpg", f"{path}/original.jpg"]
    await files.put({f"{path}/mask.png": b"m", f"users/{uid}/uploads/photo": b"p" * 2**20})
    assert await files.get(f"{path}/mask.png") == b"m"
    assert await files.get(f"users/{uid}/uploads/photo") == b"p" * 2**20
    await files.delete(f"{path}/mask.png")
    for _ in range(2):
        await files.delete(f"{path}/original.jpg")
    assert await files.list(f"{path}/att") == []
    with pytest.raises(FileNotFoundError):
        await files.get(f"{path}/original.jpg")
    with pytest.raises(FileNotFoundError):
        await files.copy(f"{path}/original.jpg", f"{path}/b.jpg")
    assert await files.list(path) == [f"{path}/attempts/j-1-edited.jpg"]


async def test_a_file_of_any_length_is_not_read_into_memory(
    stores: Stores, uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MAX_FILE_BYTES", 1000)
    path = f"users/{uid}/uploads/photo.jpg"
    await stores.files.put({path: bytes(1000)})
    assert await stores.files.get(path) == bytes(1000)
    await stores.files.put({path: bytes(1001)})
    with pytest.raises(PawfectError, match="file: expected at most 1000 bytes, got 1001"):
        await stores.files.get(path)


async def test_a_file_is_read_piece_by_piece(stores: Stores, uid: str, monkeypatch) -> None:
    for module in (embedded_files, google_files):
        monkeypatch.setattr(module, "PIECE", 1000)
    path, data = f"users/{uid}/uploads/photo.jpg", bytes(range(250)) * 10
    await stores.files.put({path: data, f"{path}.empty": b""})
    opened = await stores.files.open(path)
    pieces = [piece async for piece in opened.pieces]
    assert (opened.size, [len(piece) for piece in pieces]) == (2500, [1000, 1000, 500])
    assert b"".join(pieces) == data
    empty = await stores.files.open(f"{path}.empty")
    assert (empty.size, [piece async for piece in empty.pieces]) == (0, [])
    for other in (f"{path}.gone", f"users/{uid}/uploads"):
        with pytest.raises(FileNotFoundError):
            await stores.files.open(other)


async def test_a_reader_sees_one_whole_version_or_the_other(opened: Any, uid: str) -> None:
    path = f"users/{uid}/edited.jpg"
    writer, reader = opened().files, opened().files
    versions = [bytes([n]) * 300_000 for n in (1, 2)]
    await writer.put({path: versions[0]})

    async def write() -> None:
        for n in range(12):
            await writer.put({path: versions[n % 2]})

    writing, reads = asyncio.create_task(write()), 0
    while not writing.done():
        assert await reader.get(path) in versions
        reads += 1
    await writing
    assert reads >= 3


async def test_neither_a_folder_nor_an_emulator_gives_links(stores: Stores, uid: str) -> None:
    path = f"users/{uid}/edited.jpg"
    await stores.files.put({path: b"picture"})
    assert await stores.files.link(path, 60.0) is None


async def test_a_path_that_plays_tricks_is_refused(stores: Stores) -> None:
    files = stores.files
    for bad in ("", "/etc/passwd", "users/../x", "users//x", ".partial/x", "a/.b"):
        calls = files.put({bad: b""}), files.get(bad), files.copy("users/a", bad), files.delete(bad)
        for refused in calls:
            with pytest.raises(PawfectError, match="INVALID_ARG"):
                await refused
