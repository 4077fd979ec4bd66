"""Consent records, and what quotas count: one suite over the embedded store and the emulators."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from pawfect.contract.errors import PawfectError
from pawfect_service.consents.forgetting import forget
from pawfect_service.jobs.contract import Document
from pawfect_service.stores.base import Change, ConsentMark, Stores
from pawfect_service.stores.embedded import records as embedded_records
from pawfect_service.stores.google import records as google_records

RECORD = {"caller": "key app", "version": 1, "consent": True, "pictures": {"a.b": "00"}}


def one_more(document: Document | None, now: float) -> Change:
    count = (document or {"count": 0})["count"] + 1
    return Change({"count": count, "entries": [{"files": {"a/b.c": count}}]}, count)


async def aged(stores: Stores, uid: str, name: str, seconds: float) -> None:
    """Have a consent record of now be as old as that."""
    records: Any = stores.records
    at = time.time() - seconds
    if isinstance(records, google_records.FirestoreRecords):
        await records._client.document(f"records/{uid}/consents/{name}").update({"at": at})
        return
    sql = "UPDATE consents SET at = ? WHERE uid = ? AND name = ?"
    await records._database.write(lambda connection, _: connection.execute(sql, (at, uid, name)))


async def test_a_consent_record_has_the_stores_clock_and_is_never_written_again(
    stores: Stores, uid: str
) -> None:
    records, before = stores.records, time.time()
    await records.add_consent(uid, "j", RECORD)
    first = await records.consent(uid, "j")
    assert first is not None
    assert {**first, "at": 0} == {**RECORD, "at": 0}
    # The emulator's clock and this process's are one machine's.
    assert before - 1 <= first["at"] <= time.time() + 1
    await records.add_consent(uid, "j", {**RECORD, "caller": "another"})
    assert await records.consent(uid, "j") == first
    assert await records.consent(uid, "k") is None
    assert await records.consent(f"{uid}x", "j") is None


async def test_consents_come_newest_first_a_page_at_a_time_and_each_users_own(
    stores: Stores, uid: str
) -> None:
    records = stores.records
    for name in ("c", "a", "b"):
        await records.add_consent(uid, name, {**RECORD, "job": name})
    await records.add_consent(f"{uid}x", "d", RECORD)
    page = await records.consents(uid, 2)
    assert [name for name, _ in page] == ["b", "a"]
    mark = ConsentMark(page[-1][1]["at"], page[-1][0])
    rest = await records.consents(uid, 2, mark)
    assert [(name, record["job"]) for name, record in rest] == [("c", "c")]


async def test_every_count_of_many_processes_at_once_counts(opened: Any, uid: str) -> None:
    each = [opened() for _ in range(3)]
    answers = await asyncio.gather(
        *(store.records.update_quota(uid, one_more) for store in each for _ in range(5))
    )
    assert sorted(answers) == list(range(1, 16))
    assert await each[0].records.quota(uid) == {"count": 15, "entries": [{"files": {"a/b.c": 15}}]}
    assert await each[0].records.quota(f"{uid}x") is None


async def test_all_of_a_users_records_are_listed_and_deleted_and_nobody_elses(
    stores: Stores, uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_records, "_PAGE", 2)
    records, other = stores.records, f"{uid}x"
    for owner in (uid, other):
        for name in ("a", "b", "c"):
            await records.add_consent(owner, name, RECORD)
        await records.update_quota(owner, one_more)
    kept = await records.list_records(uid)
    assert set(kept.consents) == {"a", "b", "c"}
    assert kept.quota == {"count": 1, "entries": [{"files": {"a/b.c": 1}}]}
    assert await records.delete_records(uid) == 4
    assert await records.delete_records(uid) == 0
    left = await records.list_records(uid)
    assert (dict(left.consents), left.quota) == ({}, None)
    assert len((await records.list_records(other)).consents) == 3


async def test_deleting_sessions_and_pictures_leaves_the_consents(stores: Stores, uid: str) -> None:
    await stores.records.add_consent(uid, "j", RECORD)
    path = f"users/{uid}/sessions/s/original.jpg"
    await stores.files.put({path: b"picture"})
    await stores.documents.update(uid, "s", lambda *_: Change({"a": 1}))
    await stores.files.delete(path)
    await stores.documents.delete(uid, "s")
    assert await stores.files.list(f"users/{uid}") == []
    assert await stores.documents.named(uid, "j") == []
    assert await stores.records.consent(uid, "j") is not None


async def test_old_consents_of_everybody_are_forgotten_and_the_others_stay(
    stores: Stores, uid: str
) -> None:
    await stores.records.add_consent(uid, "old", RECORD)
    await stores.records.add_consent(f"{uid}x", "new", RECORD)
    await aged(stores, uid, "old", 7200.0)
    assert await forget(stores.records, 3600.0) >= 1
    assert await stores.records.consent(uid, "old") is None
    assert await stores.records.consent(f"{uid}x", "new") is not None


async def test_an_id_that_plays_tricks_names_no_record(stores: Stores) -> None:
    for bad in ("", "../x", "a/b", "__x__"):
        for call in (
            stores.records.add_consent(bad, "j", RECORD),
            stores.records.add_consent("u", bad, RECORD),
            stores.records.quota(bad),
            stores.records.delete_records(bad),
        ):
            with pytest.raises(PawfectError, match="INVALID_ARG"):
                await call


async def test_the_bytes_of_all_files_below_a_folder_are_told(stores: Stores, uid: str) -> None:
    sizes = {f"users/{uid}/sessions/s/original.jpg": 7, f"users/{uid}/references/t/a.jpg": 3}
    await stores.files.put({path: bytes(size) for path, size in sizes.items()})
    await stores.files.put({f"users/{uid}x/sessions/s/original.jpg": bytes(9)})
    assert await stores.files.sizes(f"users/{uid}") == sizes
    assert await stores.files.sizes(f"users/{uid}y") == {}


def test_records_lie_apart_from_the_users_own_documents_and_files() -> None:
    assert google_records._consents("u").split("/")[0] == "records"
    tables = [line.split()[5] for line in embedded_records.SCHEMA.splitlines() if "TABLE" in line]
    assert tables == ["consents", "quotas"]
