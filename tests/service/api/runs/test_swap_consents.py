"""No swap without a record of consent: before the job, apart from pictures, nothing of a face."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.faces import CONSENT_TEXT, CONSENT_VERSION
from pawfect_service.api import enqueue
from pawfect_service.consents import forgetting, record
from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.paths import RunId
from pawfect_service.people import sweeping
from pawfect_service.people.deletion import Deletions
from pawfect_service.quotas.limits import Limits, Rules
from pawfect_service.stores import open_stores
from tests.service.api.runs.runs import RUNS
from tests.service.api.runs.searching import Searching
from tests.service.api.runs.test_swaps import CHARACTER, message_of, swapped
from tests.service.api.runs.test_versions import imported, worked
from tests.service.stack import PHOTO, Stack, running

WHERE = "/v1/users/u/consents"


async def recorded(stack: Stack, **query: Any) -> list[dict[str, Any]]:
    answer = await stack.http.get(WHERE, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["consents"]


async def test_the_record_says_who_consented_when_to_what_and_has_no_picture(
    store: str, nowhere: str, searching: Searching
) -> None:
    key, line = new_api_key("phone", "u")
    began = time.time()
    async with running(store, nowhere, [ApiKeys([line])], headers={"x-api-key": key}) as stack:
        here = await imported(stack)
        assert (await swapped(stack, here, remote=True)).status_code == 202
        (record,) = await recorded(stack)
        version = await worked(stack, here, 2)
        reference = (await stack.http.get(version["links"]["reference"])).content
    assert set(record) == {
        "uid", "caller", "at", "run", "job", "kind", "consent", "text", "version", "remote",
        "salt", "pictures",
    }  # fmt: skip
    assert (record["uid"], record["caller"], record["kind"]) == ("u", "key phone", "swap")
    assert record["run"] == here.removeprefix(f"{RUNS}/")
    assert record["job"] == version["job"]
    assert (record["consent"], record["remote"]) == (True, True)
    assert (record["text"], record["version"]) == (CONSENT_TEXT, CONSENT_VERSION)
    assert began - 1 <= record["at"] <= time.time() + 1
    # Who has a picture can check that it is meant; the names are of this record alone.
    salt = bytes.fromhex(record["salt"])
    assert record["pictures"] == {
        "original": hashlib.sha256(salt + PHOTO).hexdigest(),
        "reference": hashlib.sha256(salt + reference).hexdigest(),
    }
    assert reference != CHARACTER, "the stored one is a JPEG"


def test_other_words_are_another_version() -> None:
    """Who changes what callers say changes the version with it."""
    known = {1: "everybody whose face is seen or shown agrees"}
    assert known[CONSENT_VERSION] == CONSENT_TEXT


async def test_two_records_of_one_picture_do_not_look_alike(
    alone: Stack, searching: Searching
) -> None:
    here = await imported(alone)
    for _ in range(2):
        assert (await swapped(alone, here)).status_code == 202
    one, other = await recorded(alone)
    assert not {*one["pictures"].values()} & {*other["pictures"].values()}
    bare = {hashlib.sha256(data).hexdigest() for data in (PHOTO, CHARACTER)}
    assert not {*one["pictures"].values(), *other["pictures"].values()} & bare


async def test_nothing_but_a_swap_is_recorded_and_no_swap_that_is_refused(
    alone: Stack, searching: Searching
) -> None:
    here = await imported(alone)
    assert (await swapped(alone, here, consent=False)).status_code == 400
    assert await recorded(alone) == []


async def test_the_record_is_there_before_the_jobs_document_is(
    alone: Stack, searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await imported(alone)
    records, documents = alone.services.stores.records, alone.documents
    seen: list[int] = []
    update = documents.update

    async def watched(uid: str, sid: str, decide: Any) -> Any:
        seen.append(len((await records.list_records(uid)).consents))
        return await update(uid, sid, decide)

    monkeypatch.setattr(documents, "update", watched)
    assert (await swapped(alone, here)).status_code == 202
    assert seen[0] == 1


async def test_a_swap_whose_record_cannot_be_written_is_not_queued(
    alone: Stack, searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await imported(alone)

    async def full(uid: str, name: str, record: Any) -> None:
        raise PawfectError(ErrorKind.UNAVAILABLE, "store: the disk is full")

    monkeypatch.setattr(alone.services.stores.records, "add_consent", full)
    assert (await swapped(alone, here)).status_code == 503
    assert len((await alone.state(where=here))["versions"]) == 1


async def test_a_worker_swaps_nothing_without_the_record_or_with_that_of_other_pictures(
    alone: Stack, searching: Searching
) -> None:
    here, records = await imported(alone), alone.services.stores.records
    for _ in range(3):
        assert (await swapped(alone, here)).status_code == 202
    jobs = [version["job"] for version in (await alone.state(where=here))["versions"]]
    others = {**(await records.consent("u", jobs[1]) or {}), "pictures": {"original": "00"}}
    refused = {**(await records.consent("u", jobs[2]) or {}), "consent": False}
    await records.delete_records("u")
    await records.add_consent("u", jobs[2], others)
    await records.add_consent("u", jobs[3], refused)
    for version, got in ((2, "none"), (3, "one of other pictures"), (4, "one without it")):
        error = (await worked(alone, here, version))["error"]
        expected = f"consent: expected a record of it, written before the job was queued, got {got}"
        assert (error["kind"], error["message"]) == ("INVALID_ARG", expected)
    assert searching.seen == []


async def test_versions_at_once_have_a_record_each(alone: Stack, searching: Searching) -> None:
    here = await imported(alone)
    answers = await asyncio.gather(*(swapped(alone, here) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [202] * 5
    jobs = {version["job"] for version in (await alone.state(where=here))["versions"][1:]}
    assert len(jobs) == 5
    assert {record["job"] for record in await recorded(alone)} == jobs
    for version in range(2, 7):
        assert (await worked(alone, here, version))["processingStatus"] == "completed"


async def test_a_swap_over_the_quota_leaves_no_record(
    store: str, nowhere: str, searching: Searching
) -> None:
    async with running(store, nowhere, rules=Rules(Limits(jobs=1))) as stack:
        here = await imported(stack)
        assert (await swapped(stack, here)).status_code == 202
        refused = await swapped(stack, here)
        assert refused.status_code == 429
        assert "quota of jobs" in message_of(refused)
        assert len(await recorded(stack)) == 1


async def test_records_come_a_page_at_a_time_and_a_wrong_page_is_refused(
    alone: Stack, searching: Searching
) -> None:
    here = await imported(alone)
    for _ in range(3):
        assert (await swapped(alone, here)).status_code == 202
    every = await recorded(alone)
    assert [one["at"] for one in every] == sorted((one["at"] for one in every), reverse=True)
    first = (await alone.http.get(WHERE, params={"limit": 2})).json()
    rest = (await alone.http.get(WHERE, params={"limit": 2, "before": first["next"]})).json()
    assert first["consents"] + rest["consents"] == every
    assert rest["next"] is None
    for before in ("x", "bnVsbA", "WzEsICIuLi8uLiJd"):
        assert (await alone.http.get(WHERE, params={"before": before})).status_code == 400


async def test_an_api_that_is_told_to_deletes_old_records_and_no_picture(
    store: str, nowhere: str, searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "LOOKED_EVERY_S", 0.0)
    monkeypatch.setattr(sweeping, "SWEEP_EVERY_S", 0.02)
    async with running(store, nowhere, keep_consents_s=3600.0) as stack:
        here = await imported(stack)
        assert (await swapped(stack, here)).status_code == 202
        records, looked = stack.services.stores.records, asyncio.Semaphore(0)
        forget = records.forget_consents

        async def counted(older_s: float, at_most: int) -> int:
            gone = await forget(older_s, at_most)
            looked.release()
            return gone

        monkeypatch.setattr(records, "forget_consents", counted)
        for _ in range(2):
            await looked.acquire()
        assert len(await recorded(stack)) == 1
        files = await stack.files.list("users/u")
        async with running(store, nowhere, keep_consents_s=0.01):
            while await recorded(stack):
                await asyncio.sleep(0.05)
        assert await stack.files.list("users/u") == files


async def test_digests_are_made_where_they_keep_nobody_waiting(
    alone: Stack, searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def watched(work: Any) -> Any:
        def call(*args: Any) -> Any:
            threads.append(threading.current_thread())
            return work(*args)

        return call

    monkeypatch.setattr(record, "picture_digest", watched(record.picture_digest))
    here = await imported(alone)
    assert (await swapped(alone, here)).status_code == 202
    assert (await worked(alone, here, 2))["processingStatus"] == "completed"
    # Two pictures, once by the API and once by the worker.
    assert len(threads) == 4
    assert threading.main_thread() not in threads


def _counted(ledger: Any) -> list[str]:
    return [entry["job"] for entry in (ledger or {"entries": []})["entries"]]


@pytest.mark.parametrize("quotas", [True, False])
async def test_a_swap_that_comes_to_its_document_too_late_leaves_nothing(
    store: str, nowhere: str, searching: Searching, monkeypatch: pytest.MonkeyPatch, quotas: bool
) -> None:
    rules = Rules(Limits(jobs=1) if quotas else Limits())
    async with running(store, nowhere, rules=rules) as stack:
        here = await imported(stack)
        records = stack.services.stores.records
        before = await records.quota("u")
        monkeypatch.setattr(enqueue, "_until", lambda _: 0.0)
        assert (await swapped(stack, here)).status_code == 503
        kept = await records.list_records("u")
        assert dict(kept.consents) == {}
        assert _counted(kept.quota) == _counted(before)


async def test_a_swap_that_stands_still_over_the_deletion_of_its_user_leaves_no_record(
    store: str, nowhere: str, searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(store, nowhere, rules=Rules(Limits(jobs=1))) as stack:
        here, stores = await imported(stack), stack.services.stores
        enqueuer, arriving = stack.app.state.context.enqueuer, asyncio.Event()
        admit, removed = enqueuer._gate.admit_job, stores.removals.of

        async def late(*keys: str) -> Any:
            await arriving.wait()
            return await removed(*keys)

        async def deleted_first(*args: Any) -> Any:
            await Deletions(stack.services).delete("u")
            monkeypatch.setattr(stores.removals, "of", late)
            return await admit(*args)

        monkeypatch.setattr(enqueue, "STORED_S", 0.2)
        monkeypatch.setattr(enqueuer._gate, "admit_job", deleted_first)
        assert (await swapped(stack, here)).status_code == 503
        monkeypatch.setattr(enqueue, "STORED_S", 30.0)
        arriving.set()
        await asyncio.gather(*enqueuer._withdrawals)
        kept = await stores.records.list_records("u")
        assert (dict(kept.consents), kept.quota) == ({}, None)


# A process that asks for a swap over and over, each time in a child that is killed at its n-th word
# with the store.
_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from pawfect_service.api import app, enqueue, uploads
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.kinds import SWAP
from pawfect_service.jobs.kinds.swap import CALLER
from pawfect_service.jobs.paths import RunId
from pawfect_service.quotas.limits import Limits, Rules
from pawfect_service.services import open_services

async def one(store, photo, place):
    async with open_services(store, JobContract(), "127.0.0.1:9") as services:
        words = 0
        def counted(whole):
            async def call(*args, **named):
                nonlocal words
                words += 1
                if words == place:
                    os.kill(os.getpid(), signal.SIGKILL)
                return await whole(*args, **named)
            return call
        settings = app.ApiSettings([], rules=Rules(Limits(jobs=99, kept_bytes=10**9)))
        enqueuer = app.create_app(services, settings).state.context.enqueuer
        stores = services.stores
        for part, names in (
            (stores.documents, ("update",)), (stores.files, ("put", "sizes")),
            (stores.queue, ("publish",)),
            (stores.records, ("add_consent", "update_quota", "quota")),
        ):
            for name in names:
                setattr(part, name, counted(getattr(part, name)))
        order = uploads.Order(
            {"photo": photo, "reference": photo}, {"consent": True, CALLER: "key k"}
        )
        await enqueuer.enqueue("u", RunId.new("u").sid(1), SWAP, order)

store, photo = sys.argv[1], Path(sys.argv[2]).read_bytes()
for place in range(1, 20):
    child = os.fork()
    if not child:
        asyncio.run(one(store, photo, place))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status):
        print(place, flush=True)
        sys.exit(os.WEXITSTATUS(status))
    assert os.WTERMSIG(status) == signal.SIGKILL
"""


@pytest.mark.slow
async def test_an_api_killed_at_any_moment_leaves_no_swap_without_its_record(
    store: str, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(PHOTO)
    run = subprocess.run(
        [sys.executable, "-c", _KILLED, store, str(photo)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    places = int(run.stdout)
    assert places >= 7, "quota, listing, record, document, files and message, at least"
    stores = open_stores(store, JobContract())
    try:
        records = (await stores.records.list_records("u")).consents
        jobs = {document["job"] for _, document in await stores.documents.named("u", "run-")}
    finally:
        await stores.close()
    # Of those that were killed before the record there is nothing, of those before the document a
    # record alone.
    assert jobs < set(records)
    assert len(jobs) >= 3
    assert all(RunId.parse(record["run"]) for record in records.values())
